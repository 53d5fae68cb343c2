//! The configuration files that the lab writes for those who watch it: `midwatch.toml` and `prometheus.yml`.

use std::fmt::Write;
use std::path::Path;

use crate::catalogue::ServiceName;

/// Where the parts of a running lab are.
pub struct LabAddresses<'a> {
    pub dir: &'a Path,
    /// Base address of the supervisor.
    pub supervisor: &'a str,
    /// A free loopback port for the midwatch server.
    pub midwatch_port: u16,
    /// Stable proxy address of each service.
    pub services: Vec<(ServiceName, String)>,
}

/// The configuration with `@…@` where the lab's addresses go.
const TEMPLATE: &str = include_str!("midwatch.toml.in");

/// A midwatch configuration that watches this lab.
pub fn midwatch_toml(lab: &LabAddresses<'_>) -> String {
    let text = |value: &str| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let path = |name: &str| text(&lab.dir.join(name).to_string_lossy());
    let mut out = TEMPLATE
        .replace("@port@", &lab.midwatch_port.to_string())
        .replace("@supervisor@", lab.supervisor)
        .replace("@store@", &path("midwatch.db"))
        .replace("@report@", &path("postmortems"))
        .replace("@logs@", &path("logs"));
    for (service, address) in &lab.services {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n[[service]]\nname = \"{service}\"\nhealth = \"{address}/health\"\n");
        let _ = writeln!(out, "depends_on = {}", names(service.depends_on()));
        if !service.consumes_from().is_empty() {
            let _ = writeln!(out, "consumes_from = {}", names(service.consumes_from()));
        }
    }
    out
}

fn names(services: &[ServiceName]) -> String {
    let quoted: Vec<String> = services.iter().map(|service| format!("\"{service}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A Prometheus configuration that scrapes this lab.
pub fn prometheus_yml(supervisor: &str) -> String {
    format!(
        "# Written by `midwatch lab up`.\n\
         global:\n  scrape_interval: 2s\n  scrape_timeout: 2s\n\
         scrape_configs:\n  - job_name: lab\n    honor_labels: true\n    http_sd_configs:\n      \
         - url: {supervisor}/api/v1/control/sd\n        refresh_interval: 5s\n"
    )
}
