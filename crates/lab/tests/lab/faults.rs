//! Every fault: its symptom shows, the wrong remedy does not cure it, its cure does.

use axum::http::Method;
use serde_json::{Value, json};

use super::harness::{Lab, Window, eventually};

/// What one fault does and what helps against it.
struct Case {
    kind: &'static str,
    service: &'static str,
    wrong: (&'static str, Value),
    cure: (&'static str, Value),
    symptom: Symptom,
    symptom_within_s: u64,
}

enum Symptom {
    /// Holds of a window of three seconds while the fault is present.
    Window(fn(&Window) -> bool),
    /// A gauge is at or above the first value while present, below the second when cured.
    Gauge(&'static str, f64, f64),
    /// The control plane counts unplanned restarts.
    Restarts,
}

impl Case {
    async fn shows(&self, lab: &Lab) -> bool {
        match &self.symptom {
            Symptom::Window(holds) => holds(&lab.window(self.service, 3.0).await),
            Symptom::Gauge(name, least, _) => lab.gauge(self.service, name).await >= *least,
            Symptom::Restarts => self.crashes(lab).await,
        }
    }

    async fn is_gone(&self, lab: &Lab) -> bool {
        match &self.symptom {
            Symptom::Window(holds) => !holds(&lab.window(self.service, 3.0).await),
            Symptom::Gauge(name, _, most) => lab.gauge(self.service, name).await < *most,
            Symptom::Restarts => !self.crashes(lab).await,
        }
    }

    /// Whether the control plane counts a crash within some seconds; the longest crash cycle takes 4 s.
    async fn crashes(&self, lab: &Lab) -> bool {
        let restarts = async || lab.service(self.service).await["restarts"].as_u64().expect("a count");
        let before = restarts().await;
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        restarts().await > before
    }
}

/// Brings a fault in, tries the wrong remedy, then the cure.
async fn check(lab: &Lab, case: Case) {
    let name = format!("{} on {}", case.kind, case.service);
    lab.inject(case.service, case.kind).await;
    eventually(&format!("{name}: symptom"), case.symptom_within_s, async || case.shows(lab).await).await;
    assert!(lab.present(case.service, case.kind).await, "{name}: present");
    lab.operate(case.service, case.wrong.0, case.wrong.1.clone()).await;
    // A load's truth is smoothed over seconds; the wrong remedy must leave it standing all the same.
    eventually(&format!("{name}: still there after {}", case.wrong.0), 25, async || {
        lab.present(case.service, case.kind).await && case.shows(lab).await
    })
    .await;
    lab.operate(case.service, case.cure.0, case.cure.1.clone()).await;
    eventually(&format!("{name}: gone after {}", case.cure.0), 25, async || {
        !lab.present(case.service, case.kind).await && case.is_gone(lab).await
    })
    .await;
    let cleared = lab
        .send(
            Method::DELETE,
            &format!("/api/v1/lab/faults/{}?type={}", case.service, case.kind),
            &[],
            json!({}),
        )
        .await;
    assert_eq!(cleared.json::<Value>().expect("JSON"), json!({"cleared": [case.kind]}));
}

#[tokio::test]
async fn each_fault_yields_to_its_cure_only() {
    let lab = Lab::start(7).await;
    tokio::join!(
        check(
            &lab,
            Case {
                kind: "latency",
                service: "payment-service",
                wrong: ("pool_restart", json!({})),
                cure: ("restart", json!({})),
                symptom: Symptom::Window(|window| window.slow_share() > 0.30),
                symptom_within_s: 20,
            }
        ),
        check(
            &lab,
            Case {
                kind: "error_rate",
                service: "user-service",
                wrong: ("scale", json!({"replicas": 2})),
                cure: ("restart", json!({})),
                symptom: Symptom::Window(|window| window.error_share() > 0.12),
                symptom_within_s: 20,
            }
        ),
        check(
            &lab,
            Case {
                kind: "db_connections",
                service: "inventory-service",
                wrong: ("pool_resize", json!({"size": 12})),
                cure: ("pool_restart", json!({})),
                symptom: Symptom::Window(|window| window.error_share() > 0.5),
                symptom_within_s: 25,
            }
        ),
        check(
            &lab,
            Case {
                kind: "consumer_lag",
                service: "notification-service",
                wrong: ("pool_restart", json!({})),
                cure: ("restart", json!({})),
                symptom: Symptom::Gauge("queue_lag_messages", 45_000.0, 500.0),
                symptom_within_s: 20,
            }
        ),
        check(
            &lab,
            Case {
                kind: "cpu",
                service: "api-gateway",
                wrong: ("restart", json!({})),
                cure: ("scale", json!({"replicas": 3})),
                symptom: Symptom::Window(|window| window.cpu_share_max > 0.95),
                symptom_within_s: 25,
            }
        ),
        check(
            &lab,
            Case {
                kind: "bad_deployment",
                service: "order-service",
                wrong: ("restart", json!({})),
                cure: ("rollback", json!({})),
                symptom: Symptom::Window(|window| window.error_share() > 0.25),
                symptom_within_s: 20,
            }
        ),
    );
    tokio::join!(
        check(
            &lab,
            Case {
                kind: "memory_leak",
                service: "inventory-service",
                wrong: ("restart", json!({})),
                cure: ("rollback", json!({})),
                symptom: Symptom::Gauge("process_resident_memory_bytes", 45e6, 30e6),
                symptom_within_s: 40,
            }
        ),
        check(
            &lab,
            Case {
                kind: "crash_loop",
                service: "notification-service",
                wrong: ("restart", json!({})),
                cure: ("rollback", json!({})),
                symptom: Symptom::Restarts,
                symptom_within_s: 20,
            }
        ),
        check(
            &lab,
            Case {
                kind: "traffic_spike",
                service: "payment-service",
                wrong: ("restart", json!({})),
                cure: ("scale", json!({"replicas": 4})),
                symptom: Symptom::Window(|window| window.cpu_share_max > 0.95),
                symptom_within_s: 25,
            }
        ),
    );
}
