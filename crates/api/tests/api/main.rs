//! The whole router on a real engine and store, with an outside that only has documents; approvals in the engine's world.

mod approvals;
mod demo;
mod door;
mod forecasts;
#[path = "../../../signal/tests/source/good.rs"]
mod good;
mod harness;
mod keys;
mod limits;
mod live;
mod notifications;
mod openapi;
mod outside;
mod people;
#[expect(dead_code, reason = "the engine's tests use what these do not")]
#[path = "../../../engine/tests/engine/harness.rs"]
mod rig;
mod routes;
mod serving;
mod sessions;
mod sns;
mod why;
#[expect(dead_code, reason = "the engine's tests use what these do not")]
#[path = "../../../engine/tests/engine/world.rs"]
mod world;
