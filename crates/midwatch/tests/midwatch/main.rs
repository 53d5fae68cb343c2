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
mod dashboard;
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
mod full_run;
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
#[path = "../../../connectors/tests/connectors/npm.rs"]
mod npm;
mod post;
mod prometheus;
#[expect(dead_code, reason = "other tests use what these do not")]
#[path = "../../../connectors/tests/connectors/github/fake.rs"]
mod repository;
mod runbook;
mod scene;
mod sink;
mod slack;
mod undisturbed;
mod utf8;
