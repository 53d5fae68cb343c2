//! Lists: every filter alone and with others, and pages that neither skip nor repeat.

use crate::harness::{folder, open};
use midwatch_model::label::parse_matchers;
use midwatch_model::{Acknowledged, Alert, Labels, Severity, Timestamp, after};
use midwatch_store::{AlertFilter, AlertStatus, Commit, Cursor, IntakeRow, Retold, Store};

fn second(at: f64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, at)
}

fn row(id: &str, at: f64, labels: &str, severity: Severity) -> IntakeRow {
    let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    let labels: Labels = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let alert = Alert {
        source: "test".into(),
        id: None,
        annotations: Labels::new(),
        starts_at: second(at),
        ends_at: second(1_000.0),
        timeout: true,
        generator_url: String::new(),
        severity,
        acknowledged: None,
        original: Default::default(),
        occurred_at: None,
        updated_at: second(at),
        labels,
    };
    IntakeRow {
        id: id.into(),
        received_at: second(at),
        source: "test".into(),
        service: alert.labels.get("service").unwrap_or_default().to_owned(),
        labels: Labels::new(),
        payload: b"{}".to_vec(),
        handling: Vec::new(),
        incident: Some("inc-1".into()),
        done: true,
        alert: Some(alert),
        told: 1,
        ended_at: None,
    }
}

/// Five alerts, each with something of its own.
async fn filled(store: &Store) {
    let mut rows = vec![
        row("a", 1.0, "service=pay,team=db,pod=p-1", Severity::Critical),
        row("b", 2.0, "service=pay,team=web,pod=p-2", Severity::Warning),
        row("c", 2.0, "service=shop,team=db,pod=p-3", Severity::Critical),
        row("d", 3.0, "service=shop,pod=p-4", Severity::Info),
        row("e", 4.0, "service=shop,team=db", Severity::Info),
    ];
    rows[1].incident = None;
    let told = |row: &mut IntakeRow| row.alert.take().expect("an alert");
    rows[2].ended_at = Some(second(50.0));
    let taken = Acknowledged { by: "ana".into(), at: second(3.0) };
    let acknowledged = Alert { acknowledged: Some(taken), ..told(&mut rows[3]) };
    rows[3].alert = Some(acknowledged);
    store.commit(Commit { intake: rows, ..Commit::default() }).await.expect("a commit");
}

fn all() -> AlertFilter {
    AlertFilter::default()
}

async fn ids(
    store: &Store,
    filter: &AlertFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> (String, Option<Cursor>) {
    let page = store.alerts(filter, after, limit).await.expect("a page");
    let ids: Vec<&str> = page.rows.iter().map(|row| row.id.as_str()).collect();
    (ids.join(""), page.next)
}

#[tokio::test]
async fn each_filter_narrows_the_list_and_all_given_must_hold() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    filled(&store).await;
    let matching = |text: &str| AlertFilter { matchers: parse_matchers(text).expect("matchers"), ..all() };
    let status = |status| AlertFilter { status: Some(status), ..all() };
    let service = |name: &str| AlertFilter { service: Some(name.into()), ..all() };
    let critical = || AlertFilter { severity: Some(Severity::Critical), ..all() };
    for (what, filter, expected) in [
        ("nothing asked", all(), "edcba"),
        ("service", service("pay"), "ba"),
        ("severity", critical(), "ca"),
        ("severity and service", AlertFilter { severity: Some(Severity::Critical), ..service("pay") }, "a"),
        ("source", AlertFilter { source: Some("other".into()), ..all() }, ""),
        ("incident", AlertFilter { incident: Some("inc-1".into()), ..all() }, "edca"),
        ("firing", status(AlertStatus::Firing), "ea"),
        ("suppressed", status(AlertStatus::Suppressed), "b"),
        ("resolved", status(AlertStatus::Resolved), "c"),
        ("acknowledged", status(AlertStatus::Acknowledged), "d"),
        ("a label", matching("team=db"), "eca"),
        ("two labels", matching("team=db,service=shop"), "ec"),
        ("a missing label", matching("team="), "d"),
        ("not a label", matching("team!=db"), "db"),
        ("an expression", matching(r#"pod=~"p-[13]""#), "ca"),
        (
            "a label and a status",
            AlertFilter { status: Some(AlertStatus::Firing), ..matching("team=db") },
            "ea",
        ),
        ("since", AlertFilter { since: Some(second(3.0)), ..all() }, "ed"),
        ("until", AlertFilter { until: Some(second(2.0)), ..all() }, "a"),
    ] {
        assert_eq!(ids(&store, &filter, None, 10).await, (expected.into(), None), "{what}");
        for row in store.alerts(&filter, None, 10).await.expect("a page").rows {
            assert!(filter.status.is_none_or(|status| row.status() == Some(status)), "{what}");
        }
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_although_rows_come_in_meanwhile() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    filled(&store).await;
    for filter in [all(), AlertFilter { matchers: parse_matchers("pod!=x").expect("matchers"), ..all() }] {
        let (mut seen, mut cursor) = (String::new(), None);
        loop {
            let (page, next) = ids(&store, &filter, cursor.as_ref(), 2).await;
            seen.push_str(&page);
            let late = row(&format!("late{}", seen.len()), 9.0, "service=pay", Severity::Info);
            store.commit(Commit { intake: vec![late], ..Commit::default() }).await.expect("a commit");
            let Some(next) = next else { break };
            // A client gives it back as text.
            cursor = Some(next.to_string().parse().expect("a cursor"));
        }
        assert!(seen.ends_with("edcba"), "{seen}");
    }
    assert!("nonsense".parse::<Cursor>().is_err());
}

#[tokio::test]
async fn an_alert_is_found_by_its_fingerprint_and_by_what_it_says_now() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let mut told = row("a", 1.0, "service=pay", Severity::Info);
    let first = Alert { id: Some("x-1".into()), ..told.alert.take().expect("an alert") };
    told.alert = Some(first.clone());
    let later = IntakeRow { id: "b".into(), received_at: second(5.0), ..told.clone() };
    store.commit(Commit { intake: vec![told, later], ..Commit::default() }).await.expect("a commit");
    let labels = [("service", "pay"), ("zone", "north")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let now = Alert { labels: labels.into(), severity: Severity::Critical, ..first.clone() };
    let retold = Retold {
        id: "b".into(),
        told: 2,
        updated_at: second(6.0),
        ends_at: second(2_000.0),
        ended: false,
        words: Some(Box::new(now)),
        step: None,
    };
    store.commit(Commit { retold: vec![retold], ..Commit::default() }).await.expect("a commit");
    let found = store.newest_episode(first.fingerprint()).await.expect("readable");
    assert_eq!(found.map(|row| row.id), Some("b".into()));
    let filter = AlertFilter {
        severity: Some(Severity::Critical),
        matchers: parse_matchers("zone=north").expect("matchers"),
        ..all()
    };
    assert_eq!(ids(&store, &filter, None, 10).await.0, "b");
}

#[tokio::test]
async fn what_is_told_again_and_ends_in_one_commit_is_all_on_record() {
    let (_dir, path) = folder();
    let store = open(&path).await;
    let retold = |told: u64, at: f64, ended: bool| Retold {
        id: "a".into(),
        told,
        updated_at: second(at),
        ends_at: second(at),
        ended,
        words: None,
        step: ended.then(|| serde_json::json!({ "step": "over" })),
    };
    let commit = Commit {
        intake: vec![row("a", 1.0, "service=pay", Severity::Info)],
        retold: vec![retold(2, 8.0, true), retold(3, 9.0, false)],
        ..Commit::default()
    };
    store.commit(commit).await.expect("a commit");
    let found = store.intake("a").await.expect("readable").expect("a row");
    let alert = found.alert.as_ref().expect("an alert");
    assert_eq!((found.told, alert.updated_at, found.ended_at), (3, second(9.0), Some(second(8.0))));
    assert_eq!((found.status(), found.handling.len()), (Some(AlertStatus::Resolved), 1));
}
