//! The store: what is durable, what is found when somebody tampers, and what a full or locked disk does.

mod dead_letters;
mod disk;
mod door;
mod durable;
mod harness;
mod knowledge;
mod lists;
mod retention;
mod streams;
mod tamper;
mod views;
