//! Connectors against real sockets and files.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "kubernetes")]
mod cluster;
mod control_plane;
mod effects;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod llm;
mod logs_and_health;
mod prometheus;
mod scrape;
mod server;
