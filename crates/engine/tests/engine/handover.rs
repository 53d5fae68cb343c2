//! An incident as a bundle.

use crate::harness::Rig;
use midwatch_model::{Metric, Sample, Timestamp, after, seconds_between};

#[tokio::test]
async fn what_was_before_the_watch_began_comes_from_the_source_of_metrics() {
    let rig = Rig::start().await;
    let began = rig.now();
    let sample = |seconds: f64, value: f64| Sample {
        service: "payment".into(),
        metric: Metric::LatencyP99,
        value,
        at: after(began, seconds),
    };
    rig.world.set_past(vec![sample(-1200.0, 7.0), sample(-600.0, 8.0), sample(30.0, 9999.0)]);
    rig.break_payment();
    let incident = loop {
        rig.tick().await;
        if let Some(incident) = rig.incidents().await.into_iter().next() {
            break incident;
        }
    };
    let bundle = rig.engine.incident_bundle(&incident.id).await.expect("a store").expect("an incident");
    let of = |series: &&midwatch_diagnosis::bundle::Series| {
        series.component == "payment" && series.metric == Metric::LatencyP99.name()
    };
    let series = bundle.metrics.series.iter().find(of).expect("its latency");
    let time = |ms: i64| seconds_between(began, Timestamp::from_millisecond(ms).expect("a time"));
    assert_eq!((time(series.at[0]), time(series.at[1])), (-1200.0, -600.0));
    assert_eq!((series.values[0], series.values[1]), (7.0, 8.0));
    assert!(time(series.at[2]) >= 0.0, "then what the watch itself has seen");
    assert!(!series.values.contains(&9999.0), "what was seen is not asked for a second time");
    assert!(series.at.is_sorted());
}

#[tokio::test]
async fn neither_an_export_nor_evidence_holds_the_secret_of_a_health_address() {
    let secret = "hunter2Xq81vvZ";
    let health = format!("http://payment/health?token={secret}");
    let rig = Rig::with(|config| config.services[2].health = Some(health), "").await;
    rig.break_payment();
    let incident = rig.until("diagnosed", |incident| incident.first_verdict_at.is_some()).await;
    let probed = |line: &str| line.contains("http://payment/health");
    let lines = rig.lines(&incident.id).await;
    let journal: String =
        lines.iter().map(|line| serde_json::to_string(&line.entry).expect("plain data")).collect();
    assert!(probed(&journal) && !journal.contains(secret), "{journal}");
    let files = rig.engine.incident_files(&incident.id).await.expect("a store").expect("an incident");
    assert!(files.values().any(|text| probed(text)), "{files:?}");
    assert!(!files.values().any(|text| text.contains(secret)), "{files:?}");
}
