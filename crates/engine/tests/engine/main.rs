//! The engine in a simulated world: whole incidents, crashes at every write, and people who step in.

mod advice;
mod again;
mod crash;
mod dedup;
mod door;
mod doubts;
mod effects;
mod flap;
mod golden;
mod guards;
mod handover;
mod harness;
mod incidents_told;
mod injection;
mod intake;
mod knowledge;
mod knowledge_index;
mod modes;
mod opinion;
mod people;
mod rules;
mod second;
mod secrets;
mod tell;
mod vendors;
mod world;
