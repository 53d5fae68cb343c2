//! Changes from outside.

use crate::good::{ARGOCD, GITHUB, GITLAB};
use crate::{at, now};
use midwatch_model::{Change, ChangeKind};
use midwatch_signal::change::ChangeSource;

fn read(source: ChangeSource, event: Option<&str>, body: &str) -> Vec<Change> {
    source.parse(event, body.as_bytes(), now()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refused(source: ChangeSource, event: Option<&str>, body: &str, part: &str) {
    let error = source.parse(event, body.as_bytes(), now()).expect_err(body).to_string();
    assert!(error.contains(part), "{body}: {error}");
}

#[test]
fn our_own_schema_of_changes() {
    let body = r#"{"service":"pay","kind":"scale","from":"2","to":"5","by":"ana","at":"2026-01-01T00:00:00Z",
        "id":"s-1","title":"more of it","url":"https://x"}"#;
    let change = read(ChangeSource::Generic, None, body).remove(0);
    assert_eq!(
        (change.id.as_str(), change.kind, change.to.as_str()),
        ("generic/s-1", ChangeKind::Scale, "5")
    );
    assert_eq!((change.at, change.title.as_str()), (at("2026-01-01T00:00:00Z"), "more of it"));
    let short = |to: &str| format!(r#"{{"service":"pay","kind":"config","to":"{to}"}}"#);
    let id = |to: &str| read(ChangeSource::Generic, None, &short(to)).remove(0).id;
    assert_eq!(id("a"), id("a"));
    assert_ne!(id("a"), id("b"));
    let ahead = r#"{"service":"pay","kind":"deploy","at":"2027-01-01T00:00:00Z"}"#;
    assert_eq!(read(ChangeSource::Generic, None, ahead)[0].at, now());
    for (body, part) in [
        (r#"{"service":"pay"}"#, "missing field `kind`"),
        (r#"{"service":"pay","kind":"wish"}"#, "unknown variant `wish`"),
        (r#"{"service":"../x","kind":"deploy"}"#, "change 0: `service` must be"),
        (r#"[{"service":"s","kind":"deploy","id":""}]"#, "`id` is empty"),
        (r#"{"service":"s","kind":"deploy","version":"1"}"#, "unknown field `version`"),
    ] {
        refused(ChangeSource::Generic, None, body, part);
    }
    let long = short(&"x".repeat(501));
    refused(ChangeSource::Generic, None, &long, "`to` has 501 characters");
    let many = format!("[{}]", vec![short("a"); 1001].join(","));
    refused(ChangeSource::Generic, None, &many, "1001 alerts");
}

#[test]
fn github_tells_of_deployments() {
    let told = |event: &str, body: &str| read(ChangeSource::GitHub, Some(event), body);
    let change = told("deployment_status", GITHUB).remove(0);
    assert_eq!(change.id, "github/acme/payment-service/42");
    assert_eq!((change.service.as_str(), change.kind), ("payment-service", ChangeKind::Deploy));
    assert_eq!((change.by.as_str(), change.at), ("ana", at("2026-01-01T00:00:40Z")));
    assert_eq!(change.to, "f95f852bd8fca8fcc58a9a2d6c842781e32a215e");
    assert_eq!(change.title, "deployment of v1.2 to production: success");
    assert_eq!(change.url, "https://github.com/acme/pay/actions/runs/1");
    let begun = r#"{"action":"created","deployment":{"id":42,"sha":"f95f","ref":"v1.1","task":"deploy:rollback",
        "environment":"production","created_at":"2026-01-01T00:00:00Z"},
        "repository":{"name":"payment-service","full_name":"acme/payment-service"}}"#;
    let begun = told("deployment", begun).remove(0);
    assert_eq!((begun.id, begun.kind), (change.id, ChangeKind::Rollback));
    for state in ["queued", "pending", "waiting", "inactive"] {
        assert!(
            told("deployment_status", &GITHUB.replace("\"success\"", &format!("\"{state}\""))).is_empty()
        );
    }
    for state in ["in_progress", "failure", "error"] {
        assert_eq!(
            told("deployment_status", &GITHUB.replace("\"success\"", &format!("\"{state}\""))).len(),
            1
        );
    }
    assert!(told("ping", r#"{"zen":"Design for failure."}"#).is_empty());
    assert!(told("push", "{}").is_empty());
    refused(ChangeSource::GitHub, None, GITHUB, "X-GitHub-Event is missing");
    refused(ChangeSource::GitHub, Some("deployment"), "{}", "missing field `deployment`");
    let bare = GITHUB.replace("\"deployment_status\":", "\"other\":");
    refused(ChangeSource::GitHub, Some("deployment_status"), &bare, "missing field `deployment_status`");
}

#[test]
fn gitlab_tells_of_deployments() {
    let told = |event: Option<&str>, body: &str| read(ChangeSource::GitLab, event, body);
    let change = told(Some("Deployment Hook"), GITLAB).remove(0);
    assert_eq!(
        (change.id.as_str(), change.service.as_str()),
        ("gitlab/shop/payment-service/15", "payment-service")
    );
    assert_eq!((change.at, change.by.as_str()), (at("2026-01-01T00:00:30Z"), "ana"));
    assert_eq!(
        (change.to.as_str(), change.title.as_str()),
        ("279484c0", "Add new file (deployment of master to staging: success)")
    );
    for status in ["canceled", "blocked", "approved", "rejected", "skipped"] {
        assert!(told(None, &GITLAB.replace("\"success\"", &format!("\"{status}\""))).is_empty(), "{status}");
    }
    assert!(told(Some("Pipeline Hook"), r#"{"object_kind":"pipeline"}"#).is_empty());
    assert!(told(Some("System Hook"), "{}").is_empty());
    refused(ChangeSource::GitLab, None, r#"{"object_kind":"deployment"}"#, "missing field");
}

#[test]
fn argo_cd_tells_of_syncs() {
    let change = read(ChangeSource::ArgoCd, None, ARGOCD).remove(0);
    assert_eq!(change.id, "argocd/default/payment-service/8f3a1c/2026-01-01T00:00:00Z");
    assert_eq!((change.at, change.by.as_str()), (at("2026-01-01T00:00:30Z"), "Argo CD"));
    assert_eq!((change.to.as_str(), change.kind), ("8f3a1c", ChangeKind::Deploy));
    let running = ARGOCD.replace("Succeeded", "Running").replace("2026-01-01T00:00:30Z", "<nil>");
    let running = read(ChangeSource::ArgoCd, None, &running).remove(0);
    assert_eq!((running.id, running.at), (change.id, at("2026-01-01T00:00:00Z")));
    assert!(read(ChangeSource::ArgoCd, None, &ARGOCD.replace("Succeeded", "Terminating")).is_empty());
    refused(ChangeSource::ArgoCd, None, &ARGOCD.replace("Succeeded", "{{.phase}}"), "use the template");
    refused(ChangeSource::ArgoCd, None, r#"{"app":"x"}"#, "missing field `phase`");
    refused(ChangeSource::ArgoCd, None, r#"{"app":"!","phase":"Running"}"#, "cannot name a service");
}

#[test]
fn the_headers_that_name_events_are_known() {
    assert_eq!(ChangeSource::GitHub.event_header(), Some("X-GitHub-Event"));
    assert_eq!(ChangeSource::GitLab.event_header(), Some("X-Gitlab-Event"));
    assert_eq!(ChangeSource::by_name("argocd"), Some(ChangeSource::ArgoCd));
    assert_eq!(ChangeSource::by_name("jenkins"), None);
}
