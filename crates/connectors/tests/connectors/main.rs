//! Connectors against real sockets and files.

mod control_plane;
mod llm;
mod logs_and_health;
mod mail;
mod notifiers;
mod npm;
mod payloads;
mod prometheus;
mod published;
mod scrape;
mod server;
mod ssrf;
