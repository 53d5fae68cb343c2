//! Presses in Slack and answers by other ways: what is not exactly right runs nothing, and what is right runs once.

use crate::rig::{Rig, restart};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use midwatch_api::{ApiConfig, KeyRing, Limits, Senders, SlackDoor};
use midwatch_decision::Approver;
use midwatch_engine::{ActRequest, EngineConfig, EngineError, Reply};
use midwatch_incident::{Incident, State};
use midwatch_model::Severity;
use midwatch_model::decision::{Caller, Decision, Mode, Way};
use midwatch_model::journal::Entry;
use midwatch_signal::authentic::{Scheme, Secret, Secrets};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tower::ServiceExt as _;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TEAM: &str = "T0000000001";
const RESPONSE_URL: &str = "https://hooks.slack.com/actions/T0000000001/1/token";

fn approver(name: &str, slack: &str) -> Approver {
    let (slack, api_keys) = (vec![slack.into()], vec![format!("{name}-laptop")]);
    Approver { name: name.into(), slack, api_keys, ..Approver::default() }
}

/// Ann and Bob may decide on everything, Cem on other services, Dee on what is not so bad.
fn approvers() -> Vec<Approver> {
    let cem = Approver { services: vec!["order".into()], ..approver("cem", "U00000CEM") };
    let dee = Approver { severities: vec![Severity::Info], ..approver("dee", "U00000DEE") };
    vec![approver("ann", "U00000ANN"), approver("bob", "U00000BOB"), cem, dee]
}

/// A watch that waits with a plan for a person.
async fn waiting_with(change: impl FnOnce(&mut EngineConfig)) -> (Rig, Incident) {
    let set = |config: &mut EngineConfig| {
        config.mode = Mode::Propose;
        config.decision.approvers = approvers();
        config.decision.two_person = Vec::new();
        change(config);
    };
    let rig = Rig::with(set, "").await;
    rig.break_payment();
    let incident = rig.until("waiting for approval", |i| i.waiting.is_some()).await;
    (rig, incident)
}

fn everything_needs_two(config: &mut EngineConfig) {
    config.decision.two_person = vec![Severity::Warning, Severity::High, Severity::Critical];
}

fn router(rig: &Rig) -> Router {
    // The first client sets up TLS for all of them.
    midwatch_connectors::Http::new().expect("a client");
    let scheme = Scheme::Slack { secrets: Secrets::one(Secret::new(SECRET).expect("a secret")) };
    let config = ApiConfig {
        keys: KeyRing::new(None, Vec::new()).expect("no keys"),
        senders: Senders::default(),
        slack: Some(SlackDoor { scheme, workspaces: vec![TEAM.into()] }),
        limits: Limits::default(),
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        listen: SocketAddr::from(([127, 0, 0, 1], 7700)),
        shown: Value::Null,
        lab: None,
        demo: None,
        version: "test",
    };
    midwatch_api::router(rig.engine.clone(), config)
}

/// What somebody does to a body on its way.
type Tamper = fn(&mut Vec<u8>);

/// A press as Slack sends it, and what can be wrong with it.
#[derive(Clone)]
struct Press {
    payload: Value,
    /// The whole body, in place of the payload in a form.
    body: Option<Vec<u8>>,
    secret: &'static str,
    /// Seconds by which the time that is signed is off.
    off_s: i64,
    /// Headers in place of those that the signature makes.
    headers: Option<Vec<(&'static str, String)>>,
    /// What is sent after it was signed.
    tampered: Option<Tamper>,
}

fn press(incident: &Incident, user: &str, action: &str) -> Press {
    let waiting = incident.waiting.as_ref().expect("it waits");
    let value = json!({ "incident": incident.id, "plan": waiting.plan, "step": waiting.step }).to_string();
    let payload = json!({
        "type": "block_actions", "team": { "id": TEAM, "domain": "acme" },
        "user": { "id": user, "username": "x", "team_id": TEAM }, "api_app_id": "A1", "response_url": RESPONSE_URL,
        "actions": [{ "type": "button", "action_id": action, "value": value, "action_ts": "1.0" }],
    });
    Press { payload, body: None, secret: SECRET, off_s: 0, headers: None, tampered: None }
}

fn hex_mac(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    [b"v0:", time.as_bytes(), b":", body].iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

const SIGNATURE: &str = "x-slack-signature";
const TIME: &str = "x-slack-request-timestamp";

impl Press {
    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut press = self.clone();
        change(&mut press);
        press
    }

    fn value(&self, change: impl FnOnce(&mut Value)) -> Self {
        self.with(|press| {
            let action = &mut press.payload["actions"][0]["value"];
            let mut value: Value = serde_json::from_str(action.as_str().expect("text")).expect("JSON");
            change(&mut value);
            *action = value.to_string().into();
        })
    }

    fn request(&self, now_s: i64) -> Request<Body> {
        let form = || {
            form_urlencoded::Serializer::new(String::new())
                .append_pair("payload", &self.payload.to_string())
                .finish()
        };
        let mut body = self.body.clone().unwrap_or_else(|| form().into_bytes());
        let time = (now_s + self.off_s).to_string();
        let signature = format!("v0={}", hex_mac(self.secret, &time, &body));
        let headers = self
            .headers
            .clone()
            .unwrap_or_else(|| vec![(SIGNATURE, signature.clone()), (TIME, time.clone())]);
        if let Some(tamper) = self.tampered {
            tamper(&mut body);
        }
        let mut request = Request::post("/api/v1/slack/interactions").header("host", "127.0.0.1:7700");
        for (name, value) in headers {
            let value = if value == "SIGNATURE" { signature.clone() } else { value };
            request = request.header(name, if value == "TIME" { time.clone() } else { value });
        }
        request.body(Body::from(body)).expect("a request")
    }

    async fn send(&self, rig: &Rig) -> StatusCode {
        self.send_to(router(rig), rig).await
    }

    async fn send_to(&self, router: Router, rig: &Rig) -> StatusCode {
        router.oneshot(self.request(rig.now().as_second())).await.expect("an answer").status()
    }
}

/// Vectors that prove nothing: whoever sends them is not Slack's app, or not now.
fn forged(good: &Press, now_s: i64) -> Vec<(String, Press)> {
    let mut all = Vec::new();
    for secret in ["", "8f742231b10e8888abcd99yyyzzz85a6", "8F742231B10E8888ABCD99YYYZZZ85A5", "secret"] {
        all.push((format!("signed with `{secret}`"), good.with(|p| p.secret = secret)));
    }
    for off_s in
        [-301, -302, -400, -600, -3600, -86_400, -31_536_000, 301, 302, 3600, 86_400, i64::from(i32::MAX)]
    {
        all.push((format!("signed {off_s} s off"), good.with(|p| p.off_s = off_s)));
    }
    let time = now_s.to_string();
    let zero = "0".repeat(64);
    let signatures = [
        "",
        "v0=",
        "v1=SIGNATURE",
        "0",
        "v0",
        "=",
        "v0=x",
        "sha256=00",
        "v0=0",
        "v0= ",
        "null",
        "SIGNATURE,SIGNATURE",
    ];
    for signature in signatures.into_iter().map(str::to_owned).chain([
        format!("v0={zero}"),
        format!("v0={zero}00"),
        format!("v0={}", "F".repeat(64)),
        format!("v0={}", "f".repeat(63)),
        format!("v0={}", "é".repeat(32)),
    ]) {
        let headers = vec![(SIGNATURE, signature.clone()), (TIME, time.clone())];
        all.push((format!("signature `{signature}`"), good.with(|p| p.headers = Some(headers))));
    }
    let odd_times = [
        "",
        "0",
        "-1",
        "now",
        "1e9",
        "0x5f",
        "1767582000.5",
        "+1767582000",
        "999999999999999999999",
        "TIME,TIME",
    ];
    for odd in odd_times {
        let headers = vec![(SIGNATURE, "SIGNATURE".to_owned()), (TIME, odd.to_owned())];
        all.push((format!("time `{odd}`"), good.with(|p| p.headers = Some(headers))));
    }
    let (s, t) = (|| (SIGNATURE, "SIGNATURE".to_owned()), || (TIME, "TIME".to_owned()));
    for (name, headers) in [
        ("no headers", vec![]),
        ("no time", vec![s()]),
        ("no signature", vec![t()]),
        ("two signatures", vec![s(), s(), t()]),
        ("two times", vec![s(), t(), t()]),
        ("one of them forged", vec![s(), (SIGNATURE, format!("v0={zero}")), t()]),
        ("another vendor's", vec![("x-hub-signature-256", format!("sha256={zero}")), t()]),
    ] {
        all.push((name.to_owned(), good.with(|p| p.headers = Some(headers))));
    }
    let tampers: [(&str, Tamper); 6] = [
        ("a byte more", |body| body.push(b'&')),
        ("a byte less", |body| body.truncate(body.len() - 1)),
        ("nothing", Vec::clear),
        ("one bit", |body| body[20] ^= 1),
        ("a second payload", |body| body.extend(b"&payload=%7B%7D")),
        ("deny made approve", |body| body.rotate_left(1)),
    ];
    all.extend(
        tampers.map(|(name, tamper)| (format!("tampered: {name}"), good.with(|p| p.tampered = Some(tamper)))),
    );
    all
}

/// Vectors that Slack has signed and that are not what is waited for.
fn wrong(good: &Press) -> Vec<(String, Press)> {
    let mut all = Vec::new();
    let body = |text: &str| good.with(|p| p.body = Some(text.as_bytes().to_vec()));
    for text in [
        "",
        "payload=",
        "payload=x",
        "payload=null",
        "payload=[]",
        "payload=%7B%7D",
        "paylod=%7B%7D",
        "payload=1&payload=2",
        "\u{0}",
        "payload=%FF%FE",
    ] {
        all.push((format!("body `{text}`"), body(text)));
    }
    for team in ["T0000000002", "t0000000001", "", "E0000000001", "T0000000001 ", "T00000000010"] {
        all.push((format!("workspace `{team}`"), good.with(|p| p.payload["team"]["id"] = team.into())));
        all.push((format!("a guest of `{team}`"), good.with(|p| p.payload["user"]["team_id"] = team.into())));
    }
    all.push((
        "no workspace".into(),
        good.with(|p| {
            p.payload["team"] = Value::Null;
            p.payload["user"] = json!({ "id": "U00000ANN" });
        }),
    ));
    for user in [
        "U00000EVE",
        "U00000CEM",
        "U00000DEE",
        "ann",
        "bob",
        "",
        "u00000ann",
        "U00000ANN ",
        "U00000ANN\n",
        "U1;U00000ANN",
        "W00000ANN",
        "USLACKBOT",
    ] {
        all.push((format!("user `{user}`"), good.with(|p| p.payload["user"]["id"] = user.into())));
    }
    for kind in ["view_submission", "message_action", "shortcut", "block_suggestion", ""] {
        all.push((format!("kind `{kind}`"), good.with(|p| p.payload["type"] = kind.into())));
    }
    for action in ["approve", "midwatch_approve ", "MIDWATCH_APPROVE", "midwatch_approve_all", ""] {
        all.push((
            format!("button `{action}`"),
            good.with(|p| p.payload["actions"][0]["action_id"] = action.into()),
        ));
    }
    let plan = serde_json::from_str::<Value>(good.payload["actions"][0]["value"].as_str().expect("text"))
        .expect("JSON")["plan"]
        .clone();
    let plan = plan.as_str().expect("a hash").to_owned();
    for other in [
        "0".repeat(64),
        plan[..8].to_owned(),
        plan.to_uppercase(),
        format!("{plan} "),
        String::new(),
        format!("{plan}0"),
    ] {
        all.push((format!("plan `{other}`"), good.value(|v| v["plan"] = other.into())));
    }
    for step in [json!(1), json!(2), json!(-1), json!("0"), json!(0.5), Value::Null] {
        all.push((format!("step {step}"), good.value(|v| v["step"] = step)));
    }
    all.push(("no step".into(), good.value(|v| drop(v.as_object_mut().expect("an object").remove("step")))));
    all.push(("a field more".into(), good.value(|v| v["force"] = true.into())));
    for incident in ["inc-0", "", "../config", "inc-1' OR 1=1"] {
        all.push((format!("incident `{incident}`"), good.value(|v| v["incident"] = incident.into())));
    }
    all.push((
        "twice at once".into(),
        good.with(|p| {
            let again = p.payload["actions"][0].clone();
            p.payload["actions"] = json!([again, again]);
        }),
    ));
    all.push(("no button".into(), good.with(|p| p.payload["actions"] = json!([]))));
    all
}

async fn count(rig: &Rig, incident: &Incident, name: &str) -> usize {
    rig.entries(&incident.id).await.iter().filter(|entry| **entry == name).count()
}

#[tokio::test]
async fn what_is_forged_stale_changed_or_somebody_elses_runs_nothing() {
    let (rig, incident) = waiting_with(|_| {}).await;
    let good = press(&incident, "U00000ANN", "midwatch_approve");
    let forged = forged(&good, rig.now().as_second());
    let wrong = wrong(&good);
    assert!(forged.len() + wrong.len() >= 100, "{} + {} vectors", forged.len(), wrong.len());
    let router = router(&rig);
    for (name, press) in &forged {
        assert_eq!(press.send_to(router.clone(), &rig).await, StatusCode::UNAUTHORIZED, "{name}");
    }
    for (name, press) in &wrong {
        press.send_to(router.clone(), &rig).await;
        assert_eq!(count(&rig, &incident, "approval_given").await, 0, "{name}");
    }
    rig.ticks(5).await;
    assert_eq!(rig.incident().await.state, State::AwaitingApproval);
    assert!(rig.world.calls().is_empty(), "nothing runs");
    assert!((1..=16).contains(&count(&rig, &incident, "approval_not_counted").await));
    let denied = press(&incident, "U00000EVE", "midwatch_deny").send(&rig).await;
    assert_eq!(
        (denied, rig.incident().await.refused),
        (StatusCode::OK, None),
        "nor does a stranger stop anything"
    );
    // The one that is right is taken after all of these.
    assert_eq!(good.send(&rig).await, StatusCode::OK);
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
    rig.assert_sound().await;
}

#[tokio::test]
async fn whoever_may_not_approve_is_told_why_and_it_is_on_record_once() {
    let (rig, incident) = waiting_with(|_| {}).await;
    for _ in 0..3 {
        press(&incident, "U00000CEM", "midwatch_approve").send(&rig).await;
    }
    let told = rig.world.visited();
    assert!(told.len() == 3 && told[0].starts_with(RESPONSE_URL), "{told:?}");
    assert!(told[0].contains("cem does not decide on") && told[0].contains("ann, bob"), "{told:?}");
    assert_eq!(count(&rig, &incident, "approval_not_counted").await, 1);
    assert!(rig.story().await.contains("An answer of Slack user U00000CEM to plan"), "{}", rig.story().await);
}

#[tokio::test]
async fn a_double_click_runs_once_also_at_the_same_time_and_replayed_later() {
    let (rig, incident) = waiting_with(|_| {}).await;
    let good = press(&incident, "U00000ANN", "midwatch_approve");
    let now_s = rig.now().as_second();
    let router = router(&rig);
    let all = futures::future::join_all((0..12).map(|_| router.clone().oneshot(good.request(now_s)))).await;
    assert!(all.into_iter().all(|answer| answer.expect("an answer").status() == StatusCode::OK));
    assert_eq!(count(&rig, &incident, "approval_given").await, 1);
    for _ in 0..4 {
        rig.ticks(2).await;
        good.send(&rig).await;
    }
    rig.until_state(State::Resolved).await;
    let replayed = router.oneshot(good.request(now_s)).await.expect("an answer").status();
    assert!(replayed == StatusCode::OK || replayed == StatusCode::UNAUTHORIZED);
    assert_eq!(rig.world.applied(), [restart()]);
    assert_eq!(count(&rig, &incident, "intended").await, 1);
    assert!(rig.story().await.contains("ann (Slack user U00000ANN) approved"), "{}", rig.story().await);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_request_that_has_expired_takes_no_press_and_a_no_in_slack_stops_it() {
    let (rig, incident) = waiting_with(|config| config.decision.approval_ttl_s = 10.0).await;
    let late = press(&incident, "U00000ANN", "midwatch_approve");
    rig.clock.advance(11.0);
    late.send(&rig).await;
    assert_eq!(count(&rig, &incident, "approval_given").await, 0);
    rig.until_state(State::Escalated).await;
    late.send(&rig).await;
    let (other, incident) = waiting_with(|_| {}).await;
    assert_eq!(press(&incident, "U00000BOB", "midwatch_deny").send(&other).await, StatusCode::OK);
    press(&incident, "U00000ANN", "midwatch_approve").send(&other).await;
    let escalated = other.until_state(State::Escalated).await;
    assert_eq!(escalated.refused, Some(("bob".into(), "said no in Slack".into())));
    for rig in [&rig, &other] {
        rig.ticks(5).await;
        assert!(rig.world.calls().is_empty());
    }
}

fn reply(incident: &Incident, way: Way, id: &str) -> Reply {
    let waiting = incident.waiting.as_ref().expect("it waits");
    Reply {
        incident: incident.id.clone(),
        plan: waiting.plan.clone(),
        step: Some(waiting.step),
        caller: Caller::new(way, id),
        yes: true,
        reason: String::new(),
    }
}

#[tokio::test]
async fn two_people_are_two_people_whatever_way_one_of_them_comes() {
    let (rig, incident) = waiting_with(everything_needs_two).await;
    assert_eq!(incident.waiting.as_ref().map(|w| w.needed), Some(2));
    let first = rig.engine.answer(&reply(&incident, Way::ApiKey, "ann-laptop")).await.expect("a yes");
    assert_eq!((first.by.as_str(), first.have, first.needed, first.again), ("ann", 1, 2, false));
    // The same person by other ways, and again.
    for (way, id) in [(Way::Slack, "U00000ANN"), (Way::ApiKey, "ann-laptop"), (Way::Local, "ann")] {
        let again = rig.engine.answer(&reply(&incident, way, id)).await.expect("heard");
        assert_eq!((again.by.as_str(), again.have, again.again), ("ann", 1, true));
    }
    rig.ticks(10).await;
    let half = rig.incident().await;
    assert_eq!((half.state, half.approval.is_none()), (State::AwaitingApproval, true));
    assert_eq!(half.count_of_yeses().as_deref(), Some("1 of 2 people have said yes (ann)"));
    assert!(rig.world.calls().is_empty());
    // What was said is known after a restart, and a stranger is no second person.
    let rig = rig.reopen().await;
    for caller in [
        (Way::Slack, "U00000EVE"),
        (Way::ApiKey, "the server's key"),
        (Way::Local, "eve"),
        (Way::Slack, "ann"),
    ] {
        let error = rig.engine.answer(&reply(&incident, caller.0, caller.1)).await.expect_err("a stranger");
        assert!(matches!(error, EngineError::NotApprover(_)), "{error}");
    }
    rig.ticks(5).await;
    assert!(rig.world.calls().is_empty());
    press(&incident, "U00000BOB", "midwatch_approve").send(&rig).await;
    let done = rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
    let gate = done.gate.expect("a record");
    assert!(gate.because.contains("ann and bob approved it"), "{}", gate.because);
    rig.assert_sound().await;
}

#[tokio::test]
async fn whoever_is_taken_off_the_configuration_has_no_voice_any_more() {
    let (rig, incident) = waiting_with(everything_needs_two).await;
    rig.engine.answer(&reply(&incident, Way::Slack, "U00000ANN")).await.expect("a yes");
    let rig = rig
        .reopen_with(|config| {
            config.decision.approvers.retain(|approver| approver.name != "ann");
            config.decision.approvers.push(approver("flo", "U00000FLO"));
        })
        .await;
    rig.ticks(3).await;
    rig.engine.answer(&reply(&incident, Way::Slack, "U00000BOB")).await.expect("a yes");
    rig.ticks(10).await;
    assert!(rig.world.calls().is_empty(), "{}", rig.story().await);
    rig.engine.answer(&reply(&incident, Way::Slack, "U00000FLO")).await.expect("a yes");
    rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
}

#[tokio::test]
async fn nobody_gets_around_the_second_person_by_acting_alone() {
    let (rig, _) = waiting_with(everything_needs_two).await;
    let act =
        |by: Caller| rig.engine.act(ActRequest { action: restart(), by, reason: "now".into(), once: None });
    let alone = act(Caller::new(Way::ApiKey, "ann-laptop")).await.expect("an answer").gate;
    assert_eq!(alone.decision, Decision::NeedsApproval, "{}", alone.because);
    assert!(alone.because.contains("need 2 people"), "{}", alone.because);
    let stranger = act(Caller::new(Way::ApiKey, "eve-laptop")).await.expect("an answer").gate;
    assert_eq!(stranger.decision, Decision::Deny, "{}", stranger.because);
    assert!(stranger.because.contains("is no approver"), "{}", stranger.because);
    assert!(rig.world.calls().is_empty());
    let lines = rig.lines(&rig.incident().await.id).await;
    let gated = lines.iter().filter(
        |line| matches!(&line.entry, Entry::Gated { record } if record.because.contains("is no approver")),
    );
    assert_eq!(gated.count(), 1, "it is on record");
}
