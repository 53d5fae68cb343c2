//! What people do themselves, through the same gate and onto the same journal.

use crate::harness::{Rig, restart, scale};
use crate::world::Answer;
use midwatch_decision::ServiceHistory;
use midwatch_engine::{ActRequest, ActResult, EngineError};
use midwatch_incident::State;
use midwatch_model::decision::{Decision, Mode};
use midwatch_model::journal::{EffectOutcome, Entry, Line, Registration, StreamId};
use midwatch_model::{Action, ServiceName, Severity};
use midwatch_report::{BulletinInput, bulletins};
use midwatch_store::{Append, Commit};

async fn act(rig: &Rig, action: Action) -> Result<ActResult, EngineError> {
    rig.engine.act(ActRequest { action, by: "ann".into(), reason: "looks right".into(), once: None }).await
}

async fn history(rig: &Rig) -> ServiceHistory {
    let stream = StreamId::Service("payment".into());
    ServiceHistory::fold(rig.engine.store.read(&stream).await.expect("a stream").lines())
}

#[tokio::test]
async fn a_persons_action_without_an_incident_is_gated_done_and_on_record() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.ticks(3).await;
    let done = act(&rig, scale(3)).await.expect("an answer");
    assert_eq!(done.gate.decision, Decision::Auto);
    assert_eq!(done.incident, None);
    assert_eq!(done.undo, Some(scale(2)));
    assert!(matches!(done.outcome, Some(EffectOutcome::Applied { .. })), "{done:?}");
    assert_eq!(rig.world.target_of("payment").replicas, 3);
    let history = history(&rig).await;
    assert_eq!(history.actions.len(), 1);
    assert!(history.actions[0].by_person && !history.actions[0].is_pending());
    assert!(rig.incidents().await.is_empty());
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_persons_action_on_an_open_incident_becomes_part_of_it_and_is_verified() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let done = act(&rig, restart()).await.expect("an answer");
    assert_eq!(done.incident, Some(incident.id.clone()));
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(incident.effects.len(), 1);
    assert_eq!(rig.world.applied(), [restart()]);
    assert!(rig.story().await.contains("(by ann, key act-"), "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_lost_answer_to_a_persons_action_is_settled_by_the_watch() {
    for (answer, applied) in [(Answer::Lose, 1), (Answer::TimeOut, 0)] {
        let rig = Rig::start().await;
        rig.ticks(3).await;
        rig.world.answer(&[answer]);
        let done = act(&rig, scale(3)).await.expect("an answer");
        assert!(matches!(done.outcome, Some(EffectOutcome::Unknown { .. })), "{done:?}");
        assert!(history(&rig).await.pending().is_some());
        let rig = rig.reopen().await;
        rig.ticks(10).await;
        let history = history(&rig).await;
        assert!(history.pending().is_none(), "{history:?}");
        assert_eq!(rig.world.applied().len(), applied);
        assert_eq!(rig.world.calls().len(), 1);
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn a_person_meets_the_same_guards_policy_and_dry_run() {
    struct Case {
        policy: &'static str,
        mode: Mode,
        dry_run: bool,
        action: Action,
        decision: Decision,
        because: &'static str,
    }
    let case = |policy, mode, dry_run, action, decision, because| Case {
        policy,
        mode,
        dry_run,
        action,
        decision,
        because,
    };
    let forbid = "forbid(principal is Human, action == Action::\"scale\", resource);";
    for c in [
        case("", Mode::Auto, false, scale(3), Decision::Auto, "every guard"),
        case("", Mode::Auto, false, scale(9), Decision::Deny, "9 replicas are outside"),
        case("", Mode::Auto, true, scale(3), Decision::DryRun, "dry_run is on"),
        case("", Mode::Shadow, false, scale(3), Decision::Deny, "mode is shadow"),
        case(forbid, Mode::Auto, false, scale(3), Decision::Deny, "policy denies"),
        case(forbid, Mode::Auto, false, restart(), Decision::Auto, "every guard"),
    ] {
        let rig = Rig::with(|config| (config.mode, config.dry_run) = (c.mode, c.dry_run), c.policy).await;
        rig.ticks(3).await;
        let done = act(&rig, c.action).await.expect("an answer");
        assert_eq!(done.gate.decision, c.decision, "{done:?}");
        assert!(done.gate.because.contains(c.because), "{}", done.gate.because);
        assert_eq!(rig.world.calls().len(), usize::from(c.decision == Decision::Auto));
        let stream = StreamId::Service("payment".into());
        let on_record = rig.engine.store.read(&stream).await.expect("a stream").len();
        assert_eq!(on_record, if c.decision == Decision::Auto { 2 } else { 1 }, "{}", done.gate.because);
    }
}

#[tokio::test]
async fn an_action_on_a_service_that_is_not_watched_is_refused_with_what_is_known() {
    let rig = Rig::start().await;
    let error = act(&rig, Action::Restart { target: "paymnet".into() }).await.expect_err("a misspelt name");
    assert!(error.to_string().contains("gateway, order, payment"), "{error}");
    assert!(rig.world.calls().is_empty());
}

#[tokio::test]
async fn a_registered_service_survives_the_server() {
    let rig = Rig::start().await;
    let registration = Registration {
        name: "stock".into(),
        health: Some("http://stock/health".into()),
        depends_on: vec!["payment".into()],
        ..Registration::default()
    };
    rig.engine.register(registration.clone()).await.expect("registered");
    assert!(rig.world.watched().contains(&"stock".to_owned()));

    let rig = rig.reopen().await;
    let (services, graph) = rig.engine.services().await;
    assert!(services.contains(&registration));
    let callees: Vec<_> = graph.callees(&"stock".into()).cloned().collect();
    assert_eq!(callees, [ServiceName::from("payment")]);
    assert!(rig.world.watched().contains(&"stock".to_owned()));
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_is_unregistered_stays_away_and_what_the_file_names_is_taken_out_there() {
    let rig = Rig::start().await;
    let stock =
        Registration { name: "stock".into(), depends_on: vec!["payment".into()], ..Registration::default() };
    rig.engine.register(stock.clone()).await.expect("registered");
    rig.engine.unregister("stock").await.expect("unregistered");
    rig.engine.unregister("stock").await.expect_err("it is gone");
    let error = rig.engine.unregister("payment").await.expect_err("it would come back");
    assert!(error.to_string().contains("configuration file"), "{error}");
    assert!(!rig.world.watched().contains(&"stock".to_owned()));

    let rig = rig.reopen().await;
    let (services, graph) = rig.engine.services().await;
    assert_eq!((services.len(), graph.callees(&"stock".into()).count()), (3, 0));
    rig.engine.register(stock).await.expect("it may come back");
    assert_eq!(rig.engine.services().await.0.len(), 4);
    rig.assert_sound().await;
}

#[tokio::test]
async fn what_the_file_names_is_watched_whatever_was_taken_off_before() {
    let rig = Rig::start().await;
    let gone = Entry::ServiceUnregistered { service: "payment".into() };
    let append = Append { stream: StreamId::Config, expected: 0, lines: vec![Line::new(rig.now(), gone)] };
    rig.engine.store.commit(Commit { appends: vec![append], ..Commit::default() }).await.expect("a commit");
    let rig = rig.reopen().await;
    assert_eq!(rig.engine.services().await.0.len(), 3);
}

#[tokio::test]
async fn a_registration_that_cannot_be_used_is_refused_and_not_kept() {
    let rig = Rig::start().await;
    let with = |name: &str, health: Option<&str>, depends_on: &[&str]| Registration {
        name: name.into(),
        health: health.map(Into::into),
        depends_on: depends_on.iter().map(|s| (*s).to_owned()).collect(),
        ..Registration::default()
    };
    for bad in [
        with("", None, &[]),
        with("../etc", None, &[]),
        with("a b", None, &[]),
        with(&"x".repeat(64), None, &[]),
        with("stock", Some("file:///etc/passwd"), &[]),
        with("stock", None, &["pay ment"]),
    ] {
        rig.engine.register(bad.clone()).await.expect_err(&bad.name);
    }
    let (services, _) = rig.engine.services().await;
    assert_eq!(services.len(), 3);
    assert!(rig.engine.store.read(&StreamId::Config).await.expect("a stream").is_empty());
}

fn approver(name: &str, services: &[&str]) -> midwatch_decision::Approver {
    let (name, users) = (name.to_owned(), vec![name.to_owned()]);
    let services = services.iter().map(|service| (*service).to_owned()).collect();
    midwatch_decision::Approver { name, users, services, ..Default::default() }
}

#[tokio::test]
async fn who_may_not_decide_on_an_incident_cannot_end_it_as_a_false_alarm() {
    let rig = Rig::with(
        |config| {
            config.mode = Mode::Propose;
            config.decision.approvers = vec![approver("ann", &[]), approver("bob", &["order"])];
        },
        "",
    )
    .await;
    rig.break_payment();
    let incident = rig.until("waiting", |incident| incident.waiting.is_some()).await;
    for stranger in ["eve", "bob"] {
        let refused =
            rig.engine.false_alarm(&incident.id, stranger, "nothing").await.expect_err("not theirs");
        assert!(matches!(refused, EngineError::NotApprover(_)), "{stranger}: {refused}");
    }
    rig.engine.false_alarm(&incident.id, "ann", "a load test").await.expect("hers");
}

#[tokio::test]
async fn how_bad_it_is_where_a_person_acts_is_that_of_the_worst_incident_that_shows_there() {
    let rig = Rig::with(
        |config| {
            config.mode = Mode::Propose;
            config.decision.approvers = vec![approver("ann", &[]), approver("bob", &[])];
            config.decision.two_person = vec![Severity::Warning, Severity::High, Severity::Critical];
        },
        "",
    )
    .await;
    rig.break_payment();
    let incident =
        rig.until("felt elsewhere", |i| i.services().contains(&"order".into()) && i.waiting.is_some()).await;
    assert_eq!(incident.component().as_str(), "payment");
    let order = Action::Restart { target: "order".into() };
    let done = act(&rig, order).await.expect("an answer");
    assert_eq!(done.gate.decision, Decision::NeedsApproval, "{}", done.gate.because);
    assert!(rig.world.applied().is_empty());
}

#[tokio::test]
async fn what_two_people_must_want_is_done_when_a_second_one_asks_for_the_same() {
    let rig = Rig::with(
        |config| {
            config.mode = Mode::Propose;
            config.decision.approvers = ["ann", "bob"].map(|name| approver(name, &[])).to_vec();
            config.decision.two_person = vec![Severity::Warning, Severity::High, Severity::Critical];
        },
        "",
    )
    .await;
    rig.break_payment();
    rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let ask = async |by: &str, action: Action| {
        let request = ActRequest { action, by: by.into(), reason: "looks right".into(), once: None };
        rig.engine.act(request).await.expect("an answer").gate.decision
    };
    assert_eq!(ask("ann", restart()).await, Decision::NeedsApproval);
    assert_eq!(ask("ann", restart()).await, Decision::NeedsApproval, "one person is not two");
    assert_eq!(ask("bob", scale(3)).await, Decision::NeedsApproval, "another action is another question");
    assert!(rig.world.applied().is_empty());
    assert_eq!(ask("bob", restart()).await, Decision::Auto);
    assert_eq!(rig.world.applied(), [restart()]);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_request_that_comes_twice_is_done_once_and_its_second_answer_tells_how_it_ended() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.ticks(3).await;
    let ask = async |by: &str, once: &str| {
        let (by, once) = (by.into(), Some(once.to_owned()));
        rig.engine.act(ActRequest { action: restart(), by, reason: "looks right".into(), once }).await
    };
    let first = ask("ann", "0b7f").await.expect("an answer");
    assert!(matches!(first.outcome, Some(EffectOutcome::Applied { .. })), "{first:?}");
    let again = ask("ann", "0b7f").await.expect_err("the same request").to_string();
    assert!(again.contains("was asked for with this key before; it was done: restart done"), "{again}");
    assert_eq!(rig.world.applied(), [restart()]);
    // Another key, or another person's, is another request; whether it may be is for the gate.
    for (by, once) in [("ann", "0b80"), ("bob", "0b7f")] {
        let other = ask(by, once).await.expect("the gate answers");
        assert_ne!(other.key, first.key, "{by}, {once}");
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_breaker_that_stays_open_is_told_of_when_the_incident_is_over() {
    let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
    rig.break_payment();
    rig.until("waiting", |incident| incident.waiting.is_some()).await;
    let circuit = |open| Action::CircuitBreak { target: "payment".into(), open };
    act(&rig, circuit(true)).await.expect("an answer");
    rig.world.heal(rig.engine.now());
    let incident = rig.until_state(State::Resolved).await;
    let lines = rig.lines(&incident.id).await;
    let told = bulletins(BulletinInput { lines: &lines, url: "http://midwatch", owner: None }, 0);
    let text = format!("{told:?}");
    assert!(
        text.contains("Left to do: Close the circuit breaker in front of payment (midwatch act circuit_break payment --close)"),
        "{text}"
    );
    let postmortem = std::fs::read_to_string(incident.report.as_ref().expect("a report")).expect("a file");
    assert!(
        postmortem.contains("| Close the circuit breaker in front of payment, which is still open |"),
        "{postmortem}"
    );
}
