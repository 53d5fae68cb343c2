//! The same detection on a real Prometheus that scrapes the lab.

use crate::night::{Night, wait_for};
use std::process::{Command, Stdio};

pub struct Prometheus(std::process::Child);

impl Prometheus {
    /// Starts one on the configuration at `config` in the night's folder.
    pub fn start(night: &Night, config: &str, port: u16) -> Self {
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", night.path(config).display()))
            .arg(format!("--storage.tsdb.path={}", night.path("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // Alerts are repeated sooner than every minute.
            .arg("--rules.alert.resend-delay=2s")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is installed; the test command leaves this test out where it is not");
        Self(child)
    }
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_same_detectors_run_on_a_real_prometheus() {
    let port = free_port();
    let changes = format!(
        "mode = \"auto\"\ndry_run = false\n[telemetry]\nkind = \"prometheus\"\nurl = \"http://127.0.0.1:{port}\"\n"
    );
    let mut night = Night::begin(&changes);
    // `scrape` needs its discovery, `prometheus` does not have one.
    let config = std::fs::read_to_string(night.config()).expect("the configuration");
    let config: String =
        config.lines().filter(|l| !l.starts_with("service_discovery")).map(|l| format!("{l}\n")).collect();
    std::fs::write(night.config(), config).expect("written");
    let _prometheus = Prometheus::start(&night, "prometheus.yml", port);
    night.serve();
    wait_for("samples from Prometheus", || (night.get("/health")?["samples"].as_u64()? > 20).then_some(()));
    night.wait_until_warm();
    // Prometheus has to discover and scrape before there is a baseline to speak of.
    night.incident_free_samples(20);
    night.inject("payment-service", "latency");
    let incident = night.in_state(&["resolved", "escalated"]);
    assert_eq!(incident["state"], "resolved", "{:#}", incident["timeline"]);
    assert_eq!(incident["cause"], "latency_spike");
    assert_eq!(incident["component"], "payment-service");
    assert!(!night.fault_is_present("payment-service"));
}
