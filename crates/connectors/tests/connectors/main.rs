//! Connectors against real sockets and files.

mod control_plane;
mod llm;
mod logs_and_health;
mod prometheus;
mod scrape;
mod server;
