//! The engine in a simulated world: whole incidents, crashes at every write, and people who step in.

mod golden;
mod harness;
mod world;
