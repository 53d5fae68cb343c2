//! Every sender through the real routes: believed with its own proof, and with nothing else.

use crate::good::{ALERTS, CHANGES};
use crate::harness::{Answer, Door, KEY, Wanted};
use axum::http::StatusCode;
use hmac::{Hmac, KeyInit as _, Mac as _};
use midwatch_api::{Proof, Senders};
use midwatch_engine::Feed;
use midwatch_model::Timestamp;
use midwatch_signal::authentic::{HeaderName, Scheme, Secret, Secrets, sign};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::{Mapping, Source};
use std::collections::BTreeMap;

const SECRET: &str = "correct-horse-battery";
const OLD_SECRET: &str = "yesterdays-horse";
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Sent = Vec<(&'static str, String)>;

fn secrets() -> Secrets {
    let secret = |text: &str| Secret::new(text).expect("a secret");
    Secrets::two(secret(SECRET), secret(OLD_SECRET))
}

fn hex_mac(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Every scheme, by the name of a source that is configured with it.
fn schemes() -> BTreeMap<&'static str, Scheme> {
    let whsec = Secrets::one(Secret::whsec(WHSEC).expect("a secret"));
    let header = HeaderName::new("X-Till-Key").expect("a name");
    BTreeMap::from([
        ("by-pagerduty", Scheme::PagerDuty { secrets: secrets() }),
        ("by-grafana", Scheme::grafana(secrets())),
        ("by-github", Scheme::GitHub { secrets: secrets() }),
        ("by-slack", Scheme::Slack { secrets: secrets() }),
        ("by-gitlab", Scheme::GitLab { tokens: secrets() }),
        ("by-standard", Scheme::StandardWebhooks { secrets: whsec }),
        ("by-bearer", Scheme::Bearer { tokens: secrets() }),
        ("by-basic", Scheme::Basic { user: "till".into(), passwords: secrets() }),
        ("by-key", Scheme::ApiKey { header, keys: secrets() }),
    ])
}

/// The headers that prove a request, at a time in seconds.
fn proof(name: &str, secret: &str, at: i64, body: &[u8]) -> Sent {
    let time = at.to_string();
    match name {
        "by-pagerduty" => vec![("x-pagerduty-signature", format!("v1={}", hex_mac(secret, &[body])))],
        "by-grafana" => vec![
            ("x-grafana-alerting-signature", hex_mac(secret, &[time.as_bytes(), b":", body])),
            ("x-grafana-alerting-timestamp", time),
        ],
        "by-github" => vec![("x-hub-signature-256", format!("sha256={}", hex_mac(secret, &[body])))],
        "by-slack" => {
            let mac = hex_mac(secret, &[b"v0:", time.as_bytes(), b":", body]);
            vec![("x-slack-signature", format!("v0={mac}")), ("x-slack-request-timestamp", time)]
        }
        "by-gitlab" => vec![("x-gitlab-token", secret.to_owned())],
        "by-standard" => {
            let key = if secret == SECRET {
                WHSEC.to_owned()
            } else {
                format!("whsec_{}", base64(&secret.repeat(2)))
            };
            let key = Secret::whsec(&key).expect("a secret");
            let at = Timestamp::from_second(at).expect("a time");
            let signed = sign(&[&key], &format!("msg-{time}"), at, body).expect("signed");
            signed.headers().iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        }
        "by-bearer" => vec![("authorization", format!("Bearer {secret}"))],
        "by-basic" => vec![("authorization", format!("Basic {}", base64(&format!("till:{secret}"))))],
        "by-key" => vec![("x-till-key", secret.to_owned())],
        other => panic!("{other}"),
    }
}

async fn door() -> Door {
    let mut senders = Senders::default();
    let mut feeds = BTreeMap::new();
    for (name, scheme) in schemes() {
        senders.alerts.insert(name.into(), Proof::Scheme(scheme.clone()));
        senders.changes.insert(name.into(), (ChangeSource::Generic, Proof::Scheme(scheme)));
        feeds.insert(name.into(), Feed::Source(Source::Generic));
    }
    let mapping = Mapping { title: Some("/name".into()), ..Mapping::default() };
    feeds.insert("till".into(), Feed::Mapped(Box::new(mapping)));
    senders.alerts.insert("till".into(), Proof::Key);
    Door::open(Wanted { senders, feeds, ..Wanted::default() }).await
}

async fn post(door: &Door, path: &str, headers: &Sent, body: &[u8]) -> Answer {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    door.post(path, &headers, body).await
}

fn alert(number: usize) -> Vec<u8> {
    format!(r#"{{"service":"s","title":"t","id":"a-{number}"}}"#).into_bytes()
}

/// Refused with 401 in a sentence that says nothing of a secret, and nothing was taken.
async fn check_refused(door: &Door, what: &str, path: &str, headers: &Sent, body: &[u8]) {
    let before = door.alerts().await;
    let answer = post(door, path, headers, body).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what} at {path}: {answer:?}");
    let error = answer.error();
    assert!(error.len() > 20, "{what} at {path}: {error}");
    for secret in [SECRET, OLD_SECRET, WHSEC, KEY] {
        assert!(!error.contains(secret), "{what} at {path}: {error}");
    }
    assert!(answer.header("www-authenticate").is_some());
    assert_eq!(door.alerts().await, before, "{what} at {path}");
}

#[tokio::test]
async fn each_scheme_lets_in_whom_it_knows_and_nobody_else() {
    let door = door().await;
    let now = door.seconds();
    for (number, name) in schemes().into_keys().enumerate() {
        let (ingest, changes) = (format!("/api/v1/ingest/{name}"), format!("/api/v1/changes?source={name}"));
        let (body, good) = (alert(number), |body: &[u8]| proof(name, SECRET, now, body));
        let answer = post(&door, &ingest, &good(&body), &body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{name}: {answer:?}");
        let changed = format!(r#"{{"service":"s","kind":"deploy","id":"{name}"}}"#).into_bytes();
        let answer = post(&door, &changes, &good(&changed), &changed).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{name}: {answer:?}");

        for (path, body) in [(&ingest, &body), (&changes, &changed)] {
            check_refused(&door, "nothing", path, &Sent::new(), body).await;
            let key = vec![("authorization", format!("Bearer {KEY}")), ("x-api-key", KEY.to_owned())];
            check_refused(&door, "the server's key", path, &key, body).await;
            check_refused(
                &door,
                "another secret",
                path,
                &proof(name, "no-horse-at-all-today", now, body),
                body,
            )
            .await;
            // What decides must be there once, even if both are right.
            for repeated in good(body) {
                let twice = [good(body), vec![repeated]].concat();
                check_refused(&door, "a header twice", path, &twice, body).await;
            }
            for missing in 0..good(body).len() {
                let mut without = good(body);
                without.remove(missing);
                check_refused(&door, "a header less", path, &without, body).await;
            }
            for (header, value) in good(body) {
                for bent in
                    [String::new(), format!("{value}0"), value.to_uppercase() + "x", value[1..].to_owned()]
                {
                    let mut headers = good(body);
                    headers
                        .iter_mut()
                        .filter(|(own, _)| *own == header)
                        .for_each(|(_, own)| own.clone_from(&bent));
                    check_refused(&door, &format!("{header}: {bent}"), path, &headers, body).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_signature_holds_for_its_body_and_its_time_and_while_secrets_change_for_both() {
    let door = door().await;
    let now = door.seconds();
    let signed = ["by-pagerduty", "by-grafana", "by-github", "by-slack", "by-standard"];
    for (number, name) in signed.into_iter().enumerate() {
        let (path, body) = (format!("/api/v1/ingest/{name}"), alert(number));
        let good = proof(name, SECRET, now, &body);
        for bent in
            [b"".to_vec(), body[1..].to_vec(), [&body[..], b" "].concat(), alert(99), b"\0\xff".to_vec()]
        {
            check_refused(&door, "another body", &path, &good, &bent).await;
        }
        if matches!(name, "by-grafana" | "by-slack" | "by-standard") {
            for age_s in [301, -301, 86_400] {
                check_refused(&door, "another time", &path, &proof(name, SECRET, now - age_s, &body), &body)
                    .await;
            }
            let mut moved = good.clone();
            moved
                .iter_mut()
                .filter(|(_, v)| *v == now.to_string())
                .for_each(|(_, v)| *v = (now + 1).to_string());
            check_refused(&door, "a time that is not signed", &path, &moved, &body).await;
        }
        if name != "by-standard" {
            let answer = post(&door, &path, &proof(name, OLD_SECRET, now, &body), &body).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{name}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_was_signed_once_is_answered_well_and_done_once() {
    let door = door().await;
    for (number, name) in ["by-grafana", "by-github", "by-slack", "by-standard"].into_iter().enumerate() {
        let (path, body) = (format!("/api/v1/ingest/{name}"), alert(number));
        let good = proof(name, SECRET, door.seconds(), &body);
        let first = post(&door, &path, &good, &body).await;
        assert_eq!(
            (first.status, first.json()["replayed"].is_null()),
            (StatusCode::ACCEPTED, true),
            "{first:?}"
        );
        let again = post(&door, &path, &good, &body).await;
        assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
        assert!(again.json()["replayed"].as_str().is_some_and(|said| said.contains("nothing was done")));
        assert_eq!(again.json()["accepted"].as_array().map(Vec::len), Some(0));
    }
    assert_eq!(door.alerts().await, 4);
}

#[tokio::test]
async fn an_event_of_pagerduty_that_comes_again_is_answered_well_and_done_once() {
    let (mut senders, mut feeds) = (Senders::default(), BTreeMap::new());
    senders.alerts.insert("pd".into(), Proof::Scheme(Scheme::PagerDuty { secrets: secrets() }));
    feeds.insert("pd".into(), Feed::Source(Source::PagerDuty));
    let door = Door::open(Wanted { senders, feeds, ..Wanted::default() }).await;
    let body = crate::good::PAGERDUTY.as_bytes();
    // PagerDuty signs no time, so that the header may be another one: what is known again is the event.
    for (secret, replayed) in [(SECRET, false), (SECRET, true), (OLD_SECRET, true)] {
        let answer = post(&door, "/api/v1/ingest/pd", &proof("by-pagerduty", secret, 0, body), body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        assert_eq!(answer.json()["replayed"].is_string(), replayed, "{answer:?}");
    }
    assert_eq!(door.alerts().await, 1);
    let lineage = door.engine.store.intake_list(None, 1).await.expect("a readable store");
    let first = lineage[0].handling[0].to_string();
    assert!(
        first.contains("pd (PagerDuty signature v1 (first secret) from 10.0.0.1) in delivery 1"),
        "{first}"
    );
}

#[tokio::test]
async fn a_sender_that_is_named_by_header_proves_itself_as_one_that_is_named_by_path() {
    let door = door().await;
    let (body, name) = (alert(1), ("x-source", "by-bearer".to_owned()));
    let good = [proof("by-bearer", SECRET, 0, &body), vec![name.clone()]].concat();
    let answer = post(&door, "/webhook", &good, &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    for proof in [vec![], vec![("x-api-key", KEY.to_owned())], proof("by-bearer", "wrong", 0, &body)] {
        check_refused(&door, "no proof", "/webhook", &[proof, vec![name.clone()]].concat(), &body).await;
    }
}

#[tokio::test]
async fn every_vendor_is_read_at_its_own_name_by_path_and_by_header() {
    let door = Door::plain().await;
    let key = ("x-api-key", KEY);
    for (source, body) in ALERTS.into_iter().filter(|(source, _)| *source != Source::AlertmanagerV2) {
        let path = format!("/api/v1/ingest/{source}");
        let refused = door.post(&path, &[], body.as_bytes()).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{source}: {refused:?}");
        let answer = door.post(&path, &[key], body.as_bytes()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{source}: {answer:?}");
        let answer = door.post("/webhook", &[key, ("x-source", source.name())], body.as_bytes()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{source}: {answer:?}");
    }
    for (source, event, body) in CHANGES {
        let event = source.event_header().zip(event);
        for (path, named) in [
            (format!("/api/v1/changes?source={source}"), None),
            ("/api/v1/changes".to_owned(), Some(("x-source", source.name()))),
        ] {
            let headers: Vec<_> = [Some(key), event, named].into_iter().flatten().collect();
            let answer = door.post(&path, &headers, body.as_bytes()).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{source}: {answer:?}");
            let refused = door.post(&path, &headers[1..], body.as_bytes()).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{source}: {refused:?}");
        }
    }
    let listed = door
        .send(
            "GET".parse().expect("a method"),
            "/api/v1/changes?since=2026-01-01T00:00:00Z&service=pay",
            &[key],
            b"",
        )
        .await;
    let listed = listed.json()["changes"].as_array().cloned().expect("a list");
    assert_eq!(listed.len(), 2, "each once, however often it was told: {listed:?}");
}

#[tokio::test]
async fn a_mapped_source_is_read_under_its_name() {
    let door = door().await;
    let answer = door.post("/api/v1/ingest/till", &[("x-api-key", KEY)], br#"{"name":"jam"}"#).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let rows = door.engine.store.intake_list(None, 10).await.expect("a readable store");
    assert_eq!(rows[0].alert.as_ref().map(|alert| alert.source.as_str()), Some("till"));
}

#[tokio::test]
async fn a_sender_is_named_once_and_names_are_shown_only_to_those_with_a_key() {
    let door = door().await;
    let key = ("x-api-key", KEY);
    let body = alert(1);
    for (path, headers, status, word) in [
        ("/webhook", vec![key], 400, "X-Source is missing"),
        ("/webhook", vec![key, ("x-source", "generic"), ("x-source", "generic")], 400, "more than once"),
        ("/webhook", vec![key, ("x-source", "nobody")], 404, "by-bearer"),
        ("/webhook", vec![("x-source", "nobody")], 401, "X-API-Key"),
        ("/webhook", vec![], 401, "X-API-Key"),
        ("/api/v1/ingest/nobody", vec![key], 404, "`nobody` cannot be read; known sources: alertmanager"),
        ("/api/v1/ingest/nobody", vec![], 401, "X-API-Key"),
        ("/api/v1/ingest/by%2Dbearer", vec![], 401, "X-API-Key"),
        ("/api/v1/ingest/alertmanager_v2", vec![key], 404, "known sources"),
        ("/api/v1/changes?source=nobody", vec![key], 404, "changes from `nobody`"),
        ("/api/v1/changes?source=generic&source=generic", vec![key], 400, "more than once"),
        ("/api/v1/changes?source=generic", vec![key, ("x-source", "github")], 400, "more than once"),
        ("/api/v1/changes?source=%ff", vec![key], 404, "cannot be read"),
        ("/api/v1/changes?source=by-bearer", vec![key, ("x-source", "generic")], 400, "more than once"),
    ] {
        let answer = door.post(path, &headers, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {headers:?}: {answer:?}");
        assert!(answer.error().contains(word), "{path} {headers:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_sender_with_a_proof_may_come_under_any_host_while_nobody_else_may() {
    let mut senders = Senders::default();
    let scheme = Scheme::Bearer { tokens: secrets() };
    senders.alerts.insert("generic".into(), Proof::Scheme(scheme));
    let keys = midwatch_api::KeyRing::new(None, Vec::new()).expect("a ring");
    let door = Door::open(Wanted { keys, senders, ..Wanted::default() }).await;
    let bearer = format!("Bearer {SECRET}");
    for (path, host, proof, status) in [
        ("/api/v1/ingest/generic", "midwatch.example.com", Some(bearer.as_str()), 202),
        ("/api/v1/ingest/generic", "127.0.0.1:7700", None, 401),
        ("/api/v1/ingest/alertmanager", "midwatch.example.com", Some(bearer.as_str()), 403),
        ("/api/v1/ingest/alertmanager", "127.0.0.1:7700", None, 400),
    ] {
        let mut request = axum::http::Request::post(path).header("host", host);
        if let Some(proof) = proof {
            request = request.header("authorization", proof);
        }
        let answer = door.ask(request.body(alert(1).into()).expect("a request")).await;
        assert_eq!(answer.status.as_u16(), status, "{path} at {host}: {answer:?}");
    }
}
