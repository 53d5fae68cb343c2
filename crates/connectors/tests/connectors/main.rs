//! Connectors against real sockets and files.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "kubernetes")]
mod cluster;
mod control_plane;
mod declared;
mod effects;
mod github;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod llm;
mod logs_and_health;
mod mail;
mod mail_refused;
mod notifiers;
mod npm;
mod payloads;
mod prometheus;
mod published;
mod scrape;
mod server;
#[cfg(feature = "kubernetes")]
mod shop;
mod ssrf;
