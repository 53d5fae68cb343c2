//! The engine in a simulated world: whole incidents, crashes at every write, and people who step in.

mod again;
mod crash;
mod dedup;
mod door;
mod doubts;
mod effects;
mod flap;
mod golden;
mod guards;
mod harness;
mod incidents_told;
mod intake;
mod knowledge;
mod knowledge_index;
mod modes;
mod people;
mod rules;
mod tell;
mod vendors;
mod world;
