//! The binary as its user runs it, on the real lab.

mod alertmanager;
#[cfg(feature = "aws")]
mod aws;
mod bad_input;
mod browser;
#[cfg(feature = "kubernetes")]
#[expect(dead_code, reason = "other tests use what these do not")]
#[path = "../../../connectors/tests/connectors/cluster.rs"]
mod cluster;
mod demo;
mod differential;
mod door;
#[cfg(feature = "aws")]
#[expect(dead_code, reason = "other tests use what these do not")]
#[path = "../../../connectors/tests/connectors/aws/emulator.rs"]
mod emulator;
mod foreseen;
mod foresight;
mod front_door;
mod investigate;
mod kill;
mod killed;
mod knowledge;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod model;
mod modes;
mod night;
mod notify;
mod post;
mod prometheus;
mod scene;
mod sink;
mod utf8;
