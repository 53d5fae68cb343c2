//! The engine in a simulated world: whole incidents, crashes at every write, and people who step in.

mod advice;
mod again;
mod autonomy;
mod backtest;
#[expect(dead_code, reason = "other tests use what these do not")]
#[path = "../../../connectors/tests/connectors/cluster.rs"]
mod cluster;
mod crash;
mod dedup;
mod door;
mod doubts;
mod effects;
mod flap;
mod foresight;
mod golden;
mod guards;
mod handling;
mod handover;
mod harness;
mod incidents_told;
mod injection;
mod intake;
mod knowledge;
mod knowledge_index;
mod matrix;
mod modes;
mod on_kubernetes;
mod opinion;
mod people;
mod proposals;
mod prose;
#[expect(dead_code, reason = "other tests use what these do not")]
#[path = "../../../connectors/tests/connectors/github/fake.rs"]
mod repository;
mod rules;
mod second;
mod secrets;
#[path = "../../../connectors/tests/connectors/shop.rs"]
mod shop;
mod tell;
mod turns;
mod vendors;
mod workflow;
mod workflow_left;
mod world;
