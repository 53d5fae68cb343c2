//! AWS, against both of those that speak like it: each is lax where the other is strict.

mod emulator;

use crate::effects::{authorised, intended, undoing};
use crate::server::{Reply, Server, at};
use emulator::{Emulator, Kind};
use midwatch_connectors::{ConnectorsConfig, Outside, World};
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Platform, Registration};
use midwatch_model::{Action, ActionKind, ServiceName, Timestamp, after};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const BOTH: [Kind; 2] = [Kind::Moto, Kind::Ministack];

fn pay() -> ServiceName {
    ServiceName::new("pay")
}

fn rollback(to: Option<&str>) -> Action {
    Action::Rollback { target: pay(), to_version: to.map(Into::into) }
}

/// A world on an endpoint; the folder holds its credentials.
struct Rig {
    world: World,
    _dir: TempDir,
}

impl Rig {
    fn new(endpoint: &str, platform: Platform) -> Self {
        let registration = Registration {
            name: "pay".into(),
            platform: Some(platform),
            cluster: Some("shop".into()),
            ..Registration::default()
        };
        Self::with(endpoint, registration)
    }

    fn with(endpoint: &str, service: Registration) -> Self {
        let dir = TempDir::new().expect("a folder");
        let config = json!({
            "control_plane": { "call_timeout_s": 10.0 },
            "aws": {
                "endpoint": endpoint, "region": "us-east-1", "max_tasks": 6,
                "credentials_file": Emulator::credentials(dir.path()),
            },
        });
        let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
        Self { world: World::new(&config, &[service]).expect("a world"), _dir: dir }
    }

    async fn target(&self) -> TargetState {
        self.world.target(&pay()).await.expect("a target")
    }

    async fn intent(&self, action: Action) -> Intent {
        intent(action, self.target().await)
    }

    async fn apply(&self, intent: &Intent) -> EffectOutcome {
        self.world.apply(&authorised(intent.clone()), at(0.0)).await
    }

    async fn look(&self, intent: &Intent) -> EffectOutcome {
        self.world.reconcile(intent).await.expect("it can be looked at")
    }
}

fn intent(action: Action, before: TargetState) -> Intent {
    intended("k", action, before)
}

fn is_applied(outcome: &EffectOutcome) -> bool {
    matches!(outcome, EffectOutcome::Applied { .. })
}

#[track_caller]
fn refused(outcome: EffectOutcome, part: &str) {
    match outcome {
        EffectOutcome::NotApplied { reason } => assert!(reason.contains(part), "{part}: {reason}"),
        other => panic!("{part}: {other:?}"),
    }
}

#[tokio::test]
async fn against_moto_and_ministack_an_alias_goes_back_a_version_and_forth_again() {
    for kind in BOTH {
        let aws = Emulator::start(kind).await;
        aws.function().await;
        let rig = Rig::new(&aws.url, Platform::Lambda);
        let target = rig.target().await;
        assert_eq!(
            (target.version.as_str(), target.previous_version.as_deref()),
            ("2", Some("1")),
            "{kind:?}"
        );
        assert!(target.can(ActionKind::Rollback) && !target.can(ActionKind::Scale));

        let intent = rig.intent(rollback(None)).await;
        refused(rig.look(&intent).await, "same RevisionId");
        let outcome = rig.apply(&intent).await;
        assert!(is_applied(&outcome), "{kind:?}: {outcome:?}");
        assert_eq!(aws.alias().await, "1", "{kind:?}");
        assert!(is_applied(&rig.look(&intent).await), "{kind:?}");
        // The same intent again meets another RevisionId.
        refused(rig.apply(&intent).await, "has changed since");

        let undone = rig.world.apply(&undoing(&intent, rig.target().await), at(0.0)).await;
        assert!(is_applied(&undone), "{kind:?}: {undone:?}");
        assert_eq!(aws.alias().await, "2", "{kind:?}");
    }
}

#[tokio::test]
async fn against_moto_and_ministack_what_cannot_be_done_to_an_alias_is_said_and_nothing_changes() {
    for kind in BOTH {
        let aws = Emulator::start(kind).await;
        aws.function().await;
        let rig = Rig::new(&aws.url, Platform::Lambda);
        let before = rig.target().await;
        let missing = rig.apply(&intent(rollback(Some("9")), before.clone())).await;
        refused(missing, "has no version 9; published are 2, 1");
        let stale = TargetState { revision: Some("stale".into()), ..before.clone() };
        refused(rig.apply(&intent(rollback(None), stale)).await, "has changed since");
        refused(
            rig.apply(&intent(Action::Restart { target: pay() }, before.clone())).await,
            "no way to do restart",
        );
        let late = rig.world.apply(&authorised(intent(rollback(None), before)), after(at(30.0), 1.0)).await;
        refused(late, "deadline");
        assert_eq!(aws.alias().await, "2", "{kind:?}");

        aws.lambda(Method::PUT, "/pay/aliases/live", json!({ "FunctionVersion": "1" })).await;
        refused(rig.apply(&rig.intent(rollback(None)).await).await, "no version before it is published");
        let none = Registration {
            name: "pay".into(),
            platform: Some(Platform::Lambda),
            alias: Some("none".into()),
            ..Registration::default()
        };
        let error =
            Rig::with(&aws.url, none).world.target(&pay()).await.expect_err("no such alias").to_string();
        assert!(
            error.contains("the alias none of the function pay") && error.contains("404"),
            "{kind:?}: {error}"
        );
    }
}

#[tokio::test]
async fn against_moto_and_ministack_an_ecs_service_is_scaled_deployed_anew_and_set_back() {
    for kind in BOTH {
        let aws = Emulator::start(kind).await;
        aws.service().await;
        let rig = Rig::new(&aws.url, Platform::Ecs);
        let target = rig.target().await;
        assert_eq!(
            (target.version.as_str(), target.replicas, target.max_replicas),
            ("pay:2", 2, 6),
            "{kind:?}"
        );
        assert_eq!(target.previous_version.as_deref(), Some("pay:1"), "{kind:?}");

        let scale = rig.intent(Action::Scale { target: pay(), replicas: 4 }).await;
        refused(rig.look(&scale).await, "is as it was");
        assert!(is_applied(&rig.apply(&scale).await), "{kind:?}");
        assert_eq!(aws.described().await["desiredCount"], 4, "{kind:?}");
        assert!(is_applied(&rig.look(&scale).await), "{kind:?}");
        refused(rig.apply(&scale).await, "has changed since");
        let undone = rig.world.apply(&undoing(&scale, rig.target().await), at(0.0)).await;
        assert!(is_applied(&undone), "{kind:?}: {undone:?}");
        assert_eq!(aws.described().await["desiredCount"], 2, "{kind:?}");

        let restart = rig.intent(Action::Restart { target: pay() }).await;
        assert!(is_applied(&rig.apply(&restart).await), "{kind:?}");

        // Another number of tasks is no new deployment.
        let cut_short = rig.intent(Action::Restart { target: pay() }).await;
        let scale = rig.intent(Action::Scale { target: pay(), replicas: 3 }).await;
        assert!(is_applied(&rig.apply(&scale).await), "{kind:?}");
        refused(rig.look(&cut_short).await, "is not as it was asked to be");

        let back = rig.intent(rollback(Some("pay:1"))).await;
        assert!(is_applied(&rig.apply(&back).await), "{kind:?}");
        let serving =
            |service: Value| service["taskDefinition"].as_str().unwrap_or_default().ends_with("/pay:1");
        assert!(serving(aws.described().await), "{kind:?}");
        assert!(is_applied(&rig.look(&back).await), "{kind:?}");
        let undone = rig.world.apply(&undoing(&back, rig.target().await), at(0.0)).await;
        assert!(is_applied(&undone), "{kind:?}: {undone:?}");
        assert!(!serving(aws.described().await), "{kind:?}");

        let now = rig.target().await;
        refused(
            rig.apply(&intent(rollback(Some("pay:9")), now.clone())).await,
            "no active task definition pay:9",
        );
        let many = Action::Scale { target: pay(), replicas: 7 };
        refused(rig.apply(&intent(many, now)).await, "above aws.max_tasks (6)");
        let told = rig.world.describe(&pay(), at(0.0)).await.expect("a description");
        assert_eq!(told[0].tool, "ecs_service");
    }
}

#[tokio::test]
async fn against_moto_and_ministack_a_service_that_is_not_there_is_said_to_be() {
    for kind in BOTH {
        let aws = Emulator::start(kind).await;
        aws.ecs("CreateCluster", json!({ "clusterName": "shop" })).await;
        let rig = Rig::new(&aws.url, Platform::Ecs);
        let error = rig.world.target(&pay()).await.expect_err("there is none").to_string();
        assert!(
            error.contains("the ECS service shop/pay") && error.contains("check cluster and workload"),
            "{error}"
        );
        let before = TargetState { revision: Some("x".into()), ..TargetState::default() };
        let outcome = rig.apply(&intent(Action::Scale { target: pay(), replicas: 3 }, before)).await;
        refused(outcome, "there is no such service");
    }
}

#[tokio::test]
async fn against_moto_and_ministack_alarms_and_logs_are_read() {
    for kind in BOTH {
        let aws = Emulator::start(kind).await;
        aws.function().await;
        aws.alarm().await;
        let rig = Rig::new(&aws.url, Platform::Lambda);
        for state in ["ALARM", "OK"] {
            aws.set_alarm(state).await;
            let alarms = rig.world.alarms().await.expect("alarms");
            assert_eq!((alarms.len(), alarms[0].state.as_str()), (1, state), "{kind:?}");
            let told = &alarms[0].message;
            assert_eq!(told["NewStateValue"], state, "{kind:?}");
            assert_eq!(told["Trigger"]["Dimensions"][0], json!({ "name": "FunctionName", "value": "pay" }));
        }

        let group = "/aws/lambda/pay";
        aws.complaints(0, 0).await;
        let now = Timestamp::now();
        let event = |ago_s: f64, text: &str| json!({ "timestamp": after(now, -ago_s).as_millisecond(), "message": text });
        let events = [
            event(30.0, "START RequestId: 1"),
            event(20.0, "{\"level\":\"error\",\"message\":\"charge 7 failed, password=hunter2hunter2\"}"),
            event(10.0, "[ERROR] ValueError: charge 8 failed"),
        ];
        let put = json!({ "logGroupName": group, "logStreamName": "s", "logEvents": events });
        aws.logs("PutLogEvents", put).await;
        let digest = rig.world.logs(&pay(), after(now, -60.0), now).await.expect("a digest");
        assert_eq!((digest.lines, digest.errors), (3, 2), "{kind:?}: {digest:?}");
        assert!(digest.query.contains(group));
        let lines = rig.world.log_lines(&pay(), after(now, -60.0), now).await.expect("lines");
        assert_eq!(lines.len(), 3, "{kind:?}");
        assert!(!format!("{lines:?} {digest:?}").contains("hunter2"), "{kind:?}");
        let told = rig.world.describe(&pay(), now).await.expect("a description");
        assert_eq!(told[0].tool, "lambda_alias", "{kind:?}");
        if kind == Kind::Ministack {
            assert!(told.iter().any(|one| one.tool == "cloudwatch_insights"), "{told:?}");
        }
    }
}

const ALIAS: &str = "/2015-03-31/functions/pay/aliases/live";
const VERSIONS: &str = "/2015-03-31/functions/pay/versions";

#[tokio::test]
async fn whatever_lambda_answers_the_outcome_says_what_is_proven() {
    let before = TargetState { revision: Some("r".into()), version: "2".into(), ..TargetState::default() };
    let alias = json!({ "FunctionVersion": "2", "RevisionId": "r" }).to_string();
    let error = |status: u16, kind: &str| {
        Reply::Text(status, json!({ "__type": kind, "message": "no, secret=hunter2hunter2" }).to_string())
    };
    for (reply, outcome, part) in [
        (error(412, "PreconditionFailedException"), "not_applied", "PreconditionFailedException"),
        (error(429, "TooManyRequestsException"), "not_applied", "throttles"),
        (error(400, "ThrottlingException"), "not_applied", "throttles"),
        (error(403, "AccessDeniedException"), "not_applied", "docs/aws.md"),
        (error(404, "ResourceNotFoundException"), "not_applied", "404 ResourceNotFoundException"),
        (error(500, "ServiceException"), "unknown", "answered 500"),
        (error(503, "x"), "unknown", "answered 503"),
        (Reply::Hang, "unknown", "timed out"),
        (Reply::Drop, "unknown", "gave no answer"),
    ] {
        let server = Server::start().await;
        server.text(VERSIONS, json!({ "Versions": [{ "Version": "1" }, { "Version": "2" }] }).to_string());
        // First it is looked at, then it is asked for a change.
        server.queue(ALIAS, vec![Reply::Text(200, alias.clone()), reply]);
        let dir = TempDir::new().expect("a folder");
        let config = json!({
            "control_plane": { "call_timeout_s": 2.0 },
            "aws": { "endpoint": server.url, "region": "us-east-1", "credentials_file": Emulator::credentials(dir.path()) },
        });
        let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
        let service =
            Registration { name: "pay".into(), platform: Some(Platform::Lambda), ..Registration::default() };
        let world = World::new(&config, &[service]).expect("a world");
        let found = world.apply(&authorised(intent(rollback(None), before.clone())), at(0.0)).await;
        let text = serde_json::to_string(&found).expect("plain data");
        assert!(
            text.contains(&format!("\"outcome\":\"{outcome}\"")) && text.contains(part),
            "{part}: {text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
        let puts = server.seen(ALIAS).into_iter().filter(|seen| seen.method == Method::PUT).count();
        assert_eq!(puts, 1, "{part}: a change is asked for once");
        let seen = server.seen(ALIAS).pop().expect("a call");
        assert!(
            seen.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=test/"),
            "it is signed"
        );
    }
}

#[tokio::test]
async fn without_credentials_or_region_nothing_is_called_and_it_is_said() {
    let server = Server::start().await;
    let dir = TempDir::new().expect("a folder");
    let none = dir.path().join("none");
    std::fs::write(&none, "[default]\n").expect("a writable folder");
    let config = json!({ "aws": { "endpoint": server.url, "region": "us-east-1", "credentials_file": none, "profile": "default" } });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let service =
        Registration { name: "pay".into(), platform: Some(Platform::Ecs), ..Registration::default() };
    let world = World::new(&config, &[service]).expect("a world");
    let before = TargetState { revision: Some("r".into()), ..TargetState::default() };
    refused(
        world.apply(&authorised(intent(rollback(None), before)), at(0.0)).await,
        "no AWS credentials are in reach",
    );
    let called = server.seen("/").len();
    assert_eq!(called, 0);
}
