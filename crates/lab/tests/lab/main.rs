//! The lab from outside: real processes, driven and observed over HTTP only.

mod control;
mod dashboard;
mod faults;
mod harness;
