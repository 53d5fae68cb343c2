//! The binary as its user runs it, on the real lab.

mod alertmanager;
mod bad_input;
mod demo;
mod differential;
mod door;
mod foreseen;
mod foresight;
mod front_door;
mod investigate;
mod kill;
mod killed;
mod knowledge;
mod model;
mod modes;
mod night;
mod notify;
mod post;
mod prometheus;
mod scene;
mod sink;
mod utf8;
