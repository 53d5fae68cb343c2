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

/// A midwatch configuration that watches this lab.
pub fn midwatch_toml(lab: &LabAddresses<'_>) -> String {
    let text = |value: &str| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let path = |name: &str| text(&lab.dir.join(name).to_string_lossy());
    let supervisor = lab.supervisor;
    let mut out = format!(
        r#"# Written by `midwatch lab up`: watches the lab. Start the watch with `midwatch serve -c` and this file.
mode = "propose"
dry_run = true

[server]
listen = "127.0.0.1:{port}"

[store]
path = {store}

[report]
dir = {report}

[telemetry]
kind = "scrape"
service_discovery = "{supervisor}/api/v1/control/sd"
poll_interval_s = 2
# Five polls: long enough for a p99 at a few requests per second, short enough to be clean 10 s after a cure.
rate_window_s = 10

[logs]
dir = {logs}

[control_plane]
kind = "lab"
url = "{supervisor}"

[lab]
url = "{supervisor}"

# The lab lives faster than production. How its values add up under 120 s: 30 s of warm-up, in which the baselines get
# their samples; the fault's ramp and 3 of 5 samples, about 14 s (a leak's trend about 25 s); 4 s until the verdict has
# settled; the action, at most 10 s; 10 s until the rate window holds nothing from before, then 3 readings, 6 s; 8 s of
# soak. Together about 80 s, and 91 s for a leak.
[engine]
tick_s = 1.0

[detection]
min_samples = 10
trend_samples = 10
dedup_s = 60.0

# At six requests a second the p99 of ten seconds is the slowest of sixty requests: on an ordinary day of a busy machine
# it jumps from 100 to 600 ms. A latency fault takes every service beyond a second.
[detection.rules.latency_p99]
floor = 800.0
min_delta = 300.0

[incident]
window_s = 300.0
recurrence_window_s = 120.0
self_resolve_s = 20.0
inconclusive_after_s = 30.0

[decision]
warm_up_ticks = 30
settle_s = 4.0
cooldown_s = 30.0
repeat_window_s = 120.0

[verification]
timeout_s = 40.0
grace_s = 14.0
soak_s = 8.0
"#,
        port = lab.midwatch_port,
        store = path("midwatch.db"),
        report = path("postmortems"),
        logs = path("logs"),
    );
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
