//! The whole router on a real engine and store, with an outside that only has documents.

mod door;
mod forecasts;
#[path = "../../../signal/tests/source/good.rs"]
mod good;
mod harness;
mod keys;
mod limits;
mod notifications;
mod outside;
mod routes;
mod serving;
mod sns;
mod why;
