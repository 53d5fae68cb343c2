//! The engine in a simulated world: whole incidents, crashes at every write, and people who step in.

mod crash;
mod effects;
mod golden;
mod harness;
mod modes;
mod rules;
mod world;
