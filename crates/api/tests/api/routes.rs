//! Bent bodies through every route: whatever is sent, it is the sender's mistake, said in JSON.

use crate::good::{ALERTS, CHANGES};
use crate::harness::{Door, KEY};
use axum::http::StatusCode;
use midwatch_signal::source::Source;

/// Bodies that nobody should send.
fn bent() -> Vec<Vec<u8>> {
    let mut bent: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "-1e999",
        "\"text\"",
        "[]",
        "{}",
        "[[]]",
        "[null]",
        "{\"a\"}",
        "{\"a\":1,\"a\":2}",
        "[{\"service\":\"../x\",\"title\":\"\"}]",
        "{\"alerts\":null}",
        "{\"alerts\":[{}]}",
        "{\"event\":{}}",
        "{\"Type\":\"Notification\"}",
        "{\"Type\":7}",
        "{\"labels\":{\"\":\"\"}}",
        "\u{feff}{}",
        "NaN",
        "{\"a\":nan}",
        "a=b&c=d",
        "<xml/>",
        "{\"startsAt\":\"9999999-01-01T00:00:00Z\"}",
        "{\"matchers\":[]}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bent.extend([
        vec![0; 100],
        vec![0xff; 100],
        "[".repeat(100_000).into_bytes(),
        "{\"a\":".repeat(5_000).into_bytes(),
    ]);
    // Good bodies that were cut, or in which a value has another type.
    let good = ALERTS.iter().map(|(_, body)| *body).chain(CHANGES.iter().map(|(_, _, body)| *body));
    for body in good {
        bent.extend(
            [body.len() / 3, body.len() / 2, body.len() - 1].map(|at| body.as_bytes()[..at].to_vec()),
        );
        for other in ["null", "[]", "{}", "1e400", "\"\\u0000\"", "-7"] {
            bent.push(body.replace("\"b\"", other).into_bytes());
        }
    }
    bent
}

#[tokio::test]
async fn no_body_makes_a_route_fail() {
    let door = Door::plain().await;
    let mut paths: Vec<String> =
        Source::readable().map(|source| format!("/api/v1/ingest/{}", source.name())).collect();
    paths.extend(
        ["generic", "github", "gitlab", "argocd"].map(|name| format!("/api/v1/changes?source={name}")),
    );
    paths.extend(
        ["/api/v2/alerts", "/api/v2/silences", "/api/v1/services", "/api/v1/approvals", "/api/v1/actions"]
            .map(ToOwned::to_owned),
    );
    paths.extend(["/api/v1/incidents/x/false-alarm", "/api/v1/maintenance"].map(ToOwned::to_owned));
    let headers =
        [("x-api-key", KEY), ("content-type", "application/json"), ("x-github-event", "deployment")];
    for path in &paths {
        for body in bent() {
            let answer = door.post(path, &headers, &body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            assert!(answer.status.as_u16() < 500, "{path} {shown}: {answer:?}");
            if answer.status.is_client_error() {
                let said = answer.json();
                let text = said.as_str().or(said["error"].as_str()).unwrap_or_default();
                assert!(text.len() > 8, "{path} {shown}: {answer:?}");
            }
        }
    }
    let healthy = door.send("GET".parse().expect("a method"), "/health", &[], b"").await;
    assert_eq!(healthy.status, StatusCode::OK);
}
