//! The binary as its user runs it, on the real lab.

mod alertmanager;
mod bad_input;
mod demo;
mod kill;
mod modes;
mod night;
mod prometheus;
