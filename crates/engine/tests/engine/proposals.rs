//! Pull requests of incidents: once each, with what has helped, nothing where nothing may be touched, and taken up by whoever
//! merges.

use crate::harness::{Rig, outcomes};
use crate::repository::{Break, Repository};
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_decision::Approver;
use midwatch_engine::{ActRequest, EngineConfig, IncomingChanges};
use midwatch_incident::{Incident, State};
use midwatch_model::bulletin::{Bulletin, Standing};
use midwatch_model::decision::{Decision, Mode};
use midwatch_model::{Action, ActionKind, Severity};
use midwatch_report::{BulletinInput, bulletins};
use midwatch_signal::change::ChangeSource;
use serde_json::json;
use std::sync::Arc;

const MANIFEST: &str = "kind: Deployment\nmetadata:\n  name: payment\nspec:\n  replicas: 2 # on weekdays\n";

async fn rig(change: impl FnOnce(&mut EngineConfig)) -> (Rig, Repository) {
    let repository = Repository::start(&[("payment.yaml", MANIFEST)]).await;
    let rig = Rig::with(change, "").await;
    let token = rig.dir.path().join("token");
    std::fs::write(&token, "ghp_not-a-real-token-at-all").expect("written");
    let config = json!({ "pull_requests": {
        "token": { "file": token }, "url": repository.url, "timeout_s": 0.3,
        "services": { "payment": { "repository": "example/shop", "manifest": "payment.yaml" } },
    } });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    rig.world.propose_at(Arc::new(World::new(&config, &[]).expect("a world")));
    (rig, repository)
}

async fn told(rig: &Rig, incident: &Incident) -> Bulletin {
    let lines = rig.lines(&incident.id).await;
    let input = BulletinInput { lines: &lines, url: "http://midwatch", owner: None };
    bulletins(input, 0).pop().expect("something was told").1
}

async fn merged(rig: &Rig, branch: &str, url: &str) -> Vec<String> {
    let body = json!({ "action": "closed", "pull_request": {
        "merged": true, "html_url": url, "head": { "ref": branch }, "merged_by": { "login": "ana" },
    } })
    .to_string();
    let incoming = IncomingChanges {
        name: "github",
        source: ChangeSource::GitHub,
        event: Some("pull_request"),
        body: body.as_bytes(),
        replay_key: None,
    };
    rig.engine.receive_changes(incoming).await.expect("it can be read").accepted
}

#[tokio::test]
async fn what_has_helped_is_proposed_once_and_told() {
    let (rig, repository) = rig(|_| {}).await;
    rig.break_payment_until(Some(ActionKind::Scale));
    let incident = rig.until_state(State::Resolved).await;
    rig.ticks(10).await;
    let pulls = repository.pulls();
    assert_eq!(pulls.len(), 1, "{}", rig.story().await);
    let branch = format!("midwatch-fix/payment/{}", incident.id);
    assert_eq!(pulls[0]["title"], "[midwatch] HIGH: payment latency_spike");
    assert!(repository.file(&branch, "payment.yaml").contains("replicas: 4 # on weekdays"), "{pulls:?}");
    assert_eq!(repository.file("main", "payment.yaml"), MANIFEST);
    let document = repository.file(&branch, &format!("remediation/payment-{}.md", incident.id));
    for part in [
        "# payment: ",
        "## Evidence",
        "- Scale payment to 4 replicas: done",
        "It recovered: ",
        "## Merging this",
    ] {
        assert!(document.contains(part), "{part}: {document}");
    }
    let url = pulls[0]["html_url"].as_str().expect("a URL");
    assert_eq!(told(&rig, &incident).await.pull_request.as_deref(), Some(url));
    assert_eq!(outcomes(&incident).last().copied(), Some("applied"), "the fix is what was verified");
    rig.assert_sound().await;
}

#[tokio::test]
async fn whoever_merges_it_has_taken_the_incident_up() {
    let (rig, repository) = rig(|_| {}).await;
    rig.break_payment_until(None);
    let incident = rig.until_state(State::Escalated).await;
    rig.ticks(5).await;
    assert_eq!(told(&rig, &incident).await.standing, Standing::Open);
    let pull = repository.pulls().pop().expect("a pull request");
    let (branch, url) =
        (format!("midwatch-fix/payment/{}", incident.id), pull["html_url"].as_str().expect("a URL"));
    for (branch, url) in [
        (branch.as_str(), "https://github.com/example/shop/pull/99"),
        ("midwatch-fix/payment/inc-unknown", url),
        ("feature/payment", url),
        ("midwatch-fix/../etc", url),
    ] {
        assert!(merged(&rig, branch, url).await.is_empty(), "{branch} {url}");
    }
    assert_eq!(rig.incident().await.acknowledged, None);
    assert_eq!(merged(&rig, &branch, url).await, [url]);
    assert!(merged(&rig, &branch, url).await.is_empty(), "once");
    let incident = rig.incident().await;
    assert_eq!(incident.acknowledged.as_ref().map(|(by, _)| by.as_str()), Some("ana"));
    let told = told(&rig, &incident).await;
    assert_eq!(told.standing, Standing::Acknowledged);
    assert_eq!(told.news, format!("ana has taken it up, by merging the pull request {url}"));
}

#[tokio::test]
async fn nothing_is_proposed_where_nothing_may_be_touched() {
    let changes: [fn(&mut EngineConfig); 2] =
        [|config| config.mode = Mode::Shadow, |config| config.dry_run = true];
    for change in changes {
        let (rig, repository) = rig(change).await;
        rig.break_payment();
        rig.until("diagnosed", |incident| incident.gate.is_some()).await;
        rig.ticks(60).await;
        rig.world.heal(rig.now());
        rig.until_state(State::Resolved).await;
        rig.ticks(10).await;
        assert!(repository.asked().is_empty() && rig.world.calls().is_empty());
    }
}

#[tokio::test]
async fn of_what_has_no_cause_nothing_is_proposed_and_the_watch_goes_on() {
    let (rig, repository) = rig(|config| config.incident.inconclusive_after_s = 5.0).await;
    rig.ticks(40).await;
    let alert = json!({
        "id": "a", "service": "payment", "title": "something is odd", "severity": "critical", "starts_at": rig.now(),
    });
    rig.tell(&[alert]).await.expect("taken");
    let incident = rig.until_state(State::Escalated).await;
    assert!(incident.verdict.as_ref().is_none_or(|verdict| !verdict.is_conclusive()));
    for _ in 0..10 {
        rig.try_tick().await.expect("a tick like any other");
    }
    assert!(repository.pulls().is_empty());
}

#[tokio::test]
async fn a_pull_request_that_two_people_must_want_is_opened_by_the_second_one() {
    let approver = |name: &str| Approver { name: name.into(), ..Approver::default() };
    let (rig, repository) = rig(|config| {
        config.mode = Mode::Propose;
        config.decision.approvers = vec![approver("ann"), approver("bob")];
        config.decision.two_person = vec![Severity::Warning, Severity::High, Severity::Critical];
    })
    .await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let ask = async |by: &str| {
        let (target, incident) = (incident.component().clone(), incident.id.clone());
        let action = Action::PullRequest { target, incident, proposal: None, open: true };
        let request = ActRequest { action, by: by.into(), reason: "for review".into(), once: None };
        rig.engine.act(request).await.expect("an answer").gate.decision
    };
    assert_eq!(ask("ann").await, Decision::NeedsApproval);
    assert_eq!(ask("ann").await, Decision::NeedsApproval, "one person is not two");
    assert!(repository.pulls().is_empty());
    rig.ticks(3).await;
    assert_eq!(ask("bob").await, Decision::Auto);
    assert_eq!(repository.pulls().len(), 1);
    rig.assert_sound().await;
}

#[tokio::test]
async fn in_propose_mode_it_needs_no_yes_of_its_own() {
    let (rig, repository) = rig(|config| config.mode = Mode::Propose).await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let plan = incident.waiting.expect("a request").plan;
    rig.engine.deny(&incident.id, &plan, "ann", "not now").await.expect("a no");
    rig.until_state(State::Escalated).await;
    rig.ticks(5).await;
    assert!(rig.world.calls().is_empty(), "the fix itself was refused");
    let branch = format!("midwatch-fix/payment/{}", incident.id);
    assert_eq!(repository.pulls().len(), 1);
    assert!(repository.file(&branch, "payment.yaml").contains("replicas: 4"), "what is still to be tried");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_looked_up_and_a_refusal_ends_after_three_tries() {
    let (lost, repository) = rig(|_| {}).await;
    repository.break_write(3, Break::LoseAnswer);
    lost.break_payment_until(Some(ActionKind::Restart));
    lost.until("looked up", |incident| {
        incident.proposals.iter().any(|one| one.outcome.is_some() && !one.is_pending())
    })
    .await;
    assert_eq!(repository.pulls().len(), 1, "{}", lost.story().await);
    lost.until_state(State::Resolved).await;

    let (refused, repository) = rig(|config| config.incident.self_resolve_s = 3000.0).await;
    repository.refuse_writes(403);
    refused.break_payment_until(None);
    refused.until_state(State::Escalated).await;
    refused.ticks(200).await;
    let incident = refused.incident().await;
    assert_eq!((incident.proposals.len(), incident.state), (3, State::Escalated));
    assert_eq!((repository.pulls().len(), repository.branches().len()), (0, 1));
    refused.assert_sound().await;
}
