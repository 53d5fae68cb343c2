//! The lab: a small production world made of real processes.
//!
//! Six HTTP services run as operating-system processes of this same binary behind a supervisor that is their
//! control plane, load balancer, message broker and source of traffic. Every number that midwatch sees in it is
//! measured, and every fault is a fact of that world (a version, a process's state, a load) whose cure follows
//! from the fact. `docs/lab.md` is the manual.
//!
//! This crate must never depend on another midwatch crate: the lab knows nothing about who watches it.

pub mod broker;
pub mod catalogue;
pub mod chaos;
pub mod cli;
pub mod client;
pub mod launch;
pub mod midwatch_toml;
pub mod procfs;
pub mod service;
pub mod supervisor;
