//! The PromQL client.

use crate::server::{Reply, Server, at, world};
use midwatch_connectors::Outside;
use midwatch_connectors::telemetry::Telemetry;
use midwatch_model::{Metric, promql};
use serde_json::{Value, json};

fn vector(values: &[(&str, f64, &str)]) -> String {
    let result: Vec<Value> =
        values.iter().map(|(s, t, v)| json!({"metric": {"service": s}, "value": [t, v]})).collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}}).to_string()
}

fn config(server: &Server) -> Value {
    json!({"telemetry": {"kind": "prometheus", "url": format!("{}/prom/", server.url), "timeout_s": 0.5}})
}

#[tokio::test]
async fn a_poll_asks_every_metric_and_carries_the_time_of_the_scrape() {
    let server = Server::start().await;
    // The first query of a poll asks when every service was last scraped.
    let scraped = 1.7e9 - 7.5;
    server.queue(
        "/prom/api/v1/query",
        vec![
            Reply::Text(200, vector(&[("pay", 1.7e9, &scraped.to_string())])),
            Reply::Text(
                200,
                vector(&[
                    ("pay", 1.7e9, "0.5"),
                    ("new", 1.7e9, "0.25"),
                    ("x/../y", 1.7e9, "1"),
                    ("nan", 1.7e9, "NaN"),
                ]),
            ),
        ],
    );
    let poll = world(config(&server), &[]).poll(at(0.0)).await;
    assert_eq!(poll.failures, []);
    for metric in Metric::ALL.iter().copied() {
        let of =
            |service: &str| poll.samples.iter().find(|s| s.metric == metric && s.service.as_str() == service);
        let pay = of("pay").expect("a reading");
        assert_eq!((pay.value, pay.at), (0.5, at(-7.5)), "{metric}");
        assert_eq!(
            of("new").map(|s| s.at),
            Some(at(0.0)),
            "{metric}: without a scrape time the evaluation's"
        );
        assert!(of("nan").is_none() && of("x/../y").is_none(), "{metric}");
    }
    let asked: Vec<String> = server
        .seen("/prom/api/v1/query")
        .iter()
        .map(|s| s.uri.query().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(asked.len(), 1 + Metric::ALL.len());
    assert!(asked.iter().all(|query| query.contains("time=1700000000.000")), "{asked:?}");
}

#[tokio::test]
async fn a_refused_query_is_a_failure_with_the_query_in_it() {
    let server = Server::start().await;
    for (reply, part) in [
        (
            Reply::Text(
                400,
                json!({"status": "error", "errorType": "bad_data", "error": "parse error"}).to_string(),
            ),
            "bad_data: parse error",
        ),
        (Reply::Text(502, "<html>bad gateway</html>".to_owned()), "answered 502"),
        (Reply::Text(200, "{}".to_owned()), "cannot be read"),
        (Reply::Hang, "timed out"),
    ] {
        server.set("/prom/api/v1/query", reply);
        let poll = world(config(&server), &[]).poll(at(0.0)).await;
        assert_eq!((poll.samples.len(), poll.failures.len()), (0, 1 + Metric::ALL.len()));
        let query = promql::query_all(Metric::Up, 60.0);
        let failure = poll.failures.iter().find(|failure| failure.source == query).expect("the query");
        assert!(
            failure.reason.contains(part) && failure.reason.contains(&query),
            "{part}: {}",
            failure.reason
        );
    }
}

#[tokio::test]
async fn ranges_are_read_and_bounded() {
    let server = Server::start().await;
    let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"service": "pay"}, "values": [[1.7e9, "1"], [1.7e9 + 15.0, "2"]]}]}});
    server.text("/prom/api/v1/query_range", answer.to_string());
    let world = world(config(&server), &[]);
    let Telemetry::Prometheus(prometheus) = world.telemetry() else { panic!("it is configured") };
    let series = prometheus.range("up", at(0.0), at(15.0), 15.0).await.expect("an answer");
    assert_eq!(series[0].points, [(1.7e9, 1.0), (1.7e9 + 15.0, 2.0)]);
    for (from, to, step_s) in [(0.0, 1e6, 1.0), (10.0, 0.0, 1.0), (0.0, 10.0, 0.0), (0.0, 10.0, f64::NAN)] {
        assert!(prometheus.range("up", at(from), at(to), step_s).await.is_err(), "{from} {to} {step_s}");
    }
    assert_eq!(server.seen("/prom/api/v1/query_range").len(), 1, "a senseless range is not asked for");
}

#[tokio::test]
async fn the_past_of_a_service_is_asked_for_by_metric() {
    let server = Server::start().await;
    let matrix = json!({"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"service": "pay"}, "values": [[1.7e9 - 30.0, "1"], [1.7e9 - 15.0, "NaN"], [1.7e9, "2"]]},
        {"metric": {"service": "other"}, "values": [[1.7e9, "9"]]},
    ]}});
    server.set("/prom/api/v1/query_range", Reply::Text(200, matrix.to_string()));
    let world = world(config(&server), &[]);
    let pay = "pay".into();
    let past = world.past_samples(&pay, at(-3600.0), at(0.0)).await.expect("samples");
    assert_eq!(past.len(), 2 * Metric::ALL.len());
    let cpu: Vec<_> = past.iter().filter(|s| s.metric == Metric::Cpu).map(|s| (s.at, s.value)).collect();
    assert_eq!(cpu, [(at(-30.0), 1.0), (at(0.0), 2.0)]);
    let asked = server.seen("/prom/api/v1/query_range");
    let steps = asked.iter().filter(|s| s.uri.query().unwrap_or_default().contains("step=15.000"));
    assert_eq!(steps.count(), Metric::ALL.len());

    server.set("/prom/api/v1/query_range", Reply::Text(503, "busy".to_owned()));
    let failed = world.past_samples(&pay, at(-3600.0), at(0.0)).await.expect_err("nothing answered");
    assert!(failed.to_string().contains("503"), "{failed}");
}
