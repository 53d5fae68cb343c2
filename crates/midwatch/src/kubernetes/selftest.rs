//! The selftest: each step says what was asked, what came of it, and whether that is as it should be.

use super::SelftestArgs;
use crate::exit::{DONE, Exit, FAILED, Usage};
use crate::output::out;
use anyhow::Result;
use comfy_table::Table;
use midwatch_connectors::{
    ClusterTrial, ConnectorsConfig, ControlPlaneConfig, KubernetesConfig, Outside as _, TRIAL, World,
};
use midwatch_engine::{Clock as _, Done, SystemClock, Trial};
use midwatch_model::action::TargetState;
use midwatch_model::decision::Decision;
use midwatch_model::journal::{EffectOutcome, Platform, Registration};
use midwatch_model::{Action, ServiceName, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// An image beside the one that the workload has, so that there is something to go back from. It never has to run.
const OTHER_IMAGE: &str = "registry.k8s.io/pause:3.10";

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Row {
    step: &'static str,
    result: Ended,
    seen: String,
}

#[derive(Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, step: &'static str, answer: Result<String, String>) {
        let (result, seen) = match answer {
            Ok(seen) => (Ended::Ok, seen),
            Err(seen) => (Ended::Failed, seen),
        };
        self.0.push(Row { step, result, seen });
    }

    fn warn(&mut self, step: &'static str, seen: String) {
        self.0.push(Row { step, result: Ended::Warning, seen });
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn service() -> ServiceName {
    ServiceName::new(TRIAL)
}

fn registration(namespace: &str) -> Registration {
    Registration {
        name: TRIAL.to_owned(),
        namespace: Some(namespace.to_owned()),
        platform: Some(Platform::Kubernetes),
        ..Registration::default()
    }
}

pub async fn run(args: &SelftestArgs) -> Result<Exit> {
    if !(1.0..=600.0).contains(&args.timeout_s) {
        return Err(Usage("--timeout-s must be 1 to 600 seconds".into()).into());
    }
    let kubernetes = KubernetesConfig {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        namespaces: vec![args.namespace.clone()],
        ..KubernetesConfig::default()
    };
    let config = ConnectorsConfig {
        control_plane: ControlPlaneConfig { call_timeout_s: args.timeout_s, ..ControlPlaneConfig::default() },
        kubernetes: Some(kubernetes.clone()),
        ..ConnectorsConfig::default()
    };
    let world =
        World::new(&config, &[registration(&args.namespace)]).map_err(|error| Usage(error.to_string()))?;
    let cluster = ClusterTrial::new(&kubernetes, Duration::from_secs_f64(args.timeout_s));
    // Without these nothing can be tried: the exit code says so, and the message what is lacking.
    let version = cluster.version().await.map_err(Usage)?;
    let health = cluster.ready().await.map_err(|why| Usage(format!("/readyz of {version}: {why}")))?;
    let made = cluster.workload().await.map_err(Usage)?;

    let mut rows = Rows::default();
    rows.add("reach", Ok(format!("Kubernetes {version}, /readyz: {}", health.trim_matches(['"', '\n']))));
    let word = if made { "made" } else { "found" };
    rows.add("workload", Ok(format!("{word} Deployment {}/{TRIAL}", args.namespace)));
    let trial = Trial::new(&world, service(), "selftest");
    try_all(&trial, &cluster, &health, &mut rows).await;
    refusals(&trial, &world, &cluster, args, &health, &mut rows).await;
    if made {
        match cluster.remove().await {
            Ok(()) => rows.add("clean up", Ok("removed what was made".to_owned())),
            Err(why) => rows.warn("clean up", format!("{TRIAL} is still there: {why}")),
        }
    }
    show(&rows, args.json)?;
    Ok(if rows.0.iter().any(|row| row.result == Ended::Failed) { FAILED } else { DONE })
}

/// What must work.
async fn try_all(trial: &Trial<'_>, cluster: &ClusterTrial, health: &str, rows: &mut Rows) {
    rows.add("dry run (midwatch)", dry_run(trial, health).await);
    rows.add("dry run (server)", rehearse(trial, cluster).await);

    let (mut last, mut from) = (None, 0);
    let scaled = match trial.target().await {
        Ok(target) => {
            from = target.replicas;
            let to = if from == 2 { 3 } else { 2 };
            let action = Action::Scale { target: service(), replicas: to };
            let see = |now: &TargetState| (now.replicas == to, format!("{from} → {} replicas", now.replicas));
            act(trial, &action, health, &mut last, see).await
        }
        Err(why) => Err(why),
    };
    rows.add("scale", scaled);
    rows.add("find again", find_again(trial, last.as_ref()).await);
    let see = |now: &TargetState| (now.replicas == from, format!("back to {} replicas", now.replicas));
    rows.add("undo scale", undo(trial, last.as_ref(), health, see).await);

    let before = trial.target().await.map(|target| target.generation).unwrap_or_default();
    let restart = Action::Restart { target: service() };
    let see = |now: &TargetState| {
        (now.generation > before, format!("generation {before} → {}, a rollout is asked for", now.generation))
    };
    rows.add("restart", act(trial, &restart, health, &mut last, see).await);
    try_rollback(trial, health, rows).await;
}

async fn try_rollback(trial: &Trial<'_>, health: &str, rows: &mut Rows) {
    let image = |target: &TargetState| target.containers.first().map(|c| c.image.clone()).unwrap_or_default();
    let first = trial.target().await.map(|target| image(&target)).unwrap_or_default();
    let set = Action::SetImage { target: service(), container: None, image: OTHER_IMAGE.to_owned() };
    let mut last = None;
    let see = |now: &TargetState| (image(now) == OTHER_IMAGE, format!("{first} → {}", image(now)));
    rows.add("set image", act(trial, &set, health, &mut last, see).await);
    let back = Action::Rollback { target: service(), to_version: None };
    let see =
        |now: &TargetState| (image(now) == first, format!("serves {} again ({})", image(now), now.version));
    rows.add("rollback", act(trial, &back, health, &mut last, see).await);
    let see = |now: &TargetState| (image(now) == OTHER_IMAGE, format!("serves {} again", image(now)));
    rows.add("undo rollback", undo(trial, last.as_ref(), health, see).await);
}

/// What must be refused.
async fn refusals(
    trial: &Trial<'_>,
    world: &World,
    cluster: &ClusterTrial,
    args: &SelftestArgs,
    health: &str,
    rows: &mut Rows,
) {
    rows.add("denied: above the replica ceiling", ceiling(trial, health).await);
    rows.add("denied: changed since it was seen", stale(trial, health).await);
    rows.add(
        "denied: not a valid change",
        match cluster.rehearse(-1).await {
            Err(why) => Ok(why),
            Ok(_) => Err("the server took -1 replicas".to_owned()),
        },
    );
    // The allowlist holds whatever the account may do.
    let elsewhere = if args.namespace == "kube-system" { "default" } else { "kube-system" };
    world.set_services(&[registration(elsewhere)]);
    let answer = trial.target().await;
    world.set_services(&[registration(&args.namespace)]);
    rows.add("denied: namespace not on the allowlist", answer.map_or_else(Ok, |_| Err("it was read".into())));
    let step = "denied: Secrets (RBAC)";
    match cluster.may_read_secrets().await {
        Ok(false) => rows.add(step, Ok("the server answered 403".to_owned())),
        Ok(true) => rows.warn(
            step,
            "this account may read Secrets, which midwatch never needs: use the one of deploy/kubernetes/rbac.yaml".into(),
        ),
        Err(why) => rows.add(step, Err(why)),
    }
}

async fn dry_run(trial: &Trial<'_>, health: &str) -> Result<String, String> {
    let target = trial.target().await?;
    let action = Action::Restart { target: service() };
    let (record, authorized) = trial.ask(&action, &target, health, true, now());
    match (record.decision, authorized) {
        (Decision::DryRun, None) => Ok(record.because),
        (_, Some(_)) => Err("the gate would have acted in a dry run".to_owned()),
        (decision, None) => Err(format!("the gate said {decision}: {}", record.because)),
    }
}

async fn rehearse(trial: &Trial<'_>, cluster: &ClusterTrial) -> Result<String, String> {
    let before = trial.target().await?.generation;
    let after = cluster.rehearse(3).await?;
    if before == after {
        return Ok(format!("3 replicas would be taken; generation is {after} as before"));
    }
    Err(format!("a rehearsal changed something: generation {before} → {after}"))
}

/// Does it and looks: what counts is what is at the target.
async fn act(
    trial: &Trial<'_>,
    action: &Action,
    health: &str,
    last: &mut Option<Done>,
    see: impl Fn(&TargetState) -> (bool, String),
) -> Result<String, String> {
    let before = trial.target().await?;
    let done = trial.act(action, &before, health, now()).await?;
    let answer = judged(trial, &done, see).await;
    *last = Some(done);
    answer
}

async fn undo(
    trial: &Trial<'_>,
    done: Option<&Done>,
    health: &str,
    see: impl Fn(&TargetState) -> (bool, String),
) -> Result<String, String> {
    let done = done.ok_or("there is nothing to undo")?;
    let undone = trial.undo(done, health, now()).await?;
    judged(trial, &undone, see).await
}

async fn judged(
    trial: &Trial<'_>,
    done: &Done,
    see: impl Fn(&TargetState) -> (bool, String),
) -> Result<String, String> {
    match &done.outcome {
        EffectOutcome::Applied { .. } => {}
        EffectOutcome::NotApplied { reason }
        | EffectOutcome::Failed { reason }
        | EffectOutcome::Unknown { reason } => return Err(reason.clone()),
    }
    let (as_wanted, seen) = see(&trial.target().await?);
    if as_wanted { Ok(seen) } else { Err(format!("asked for, and not there: {seen}")) }
}

async fn find_again(trial: &Trial<'_>, done: Option<&Done>) -> Result<String, String> {
    let done = done.ok_or("nothing was done")?;
    match trial.look(done).await? {
        EffectOutcome::Applied { .. } => Ok(format!("the workload carries the key {}", done.intent.key)),
        other => Err(format!("it was done, and a look says {other:?}")),
    }
}

async fn ceiling(trial: &Trial<'_>, health: &str) -> Result<String, String> {
    let before = trial.target().await?;
    let many = Action::Scale { target: service(), replicas: before.max_replicas.saturating_add(90) };
    match trial.act(&many, &before, health, now()).await {
        Err(because) => Ok(because),
        Ok(done) => Err(format!("the gate let it pass: {:?}", done.outcome)),
    }
}

/// What was seen is not what is there any more: nothing may be done.
async fn stale(trial: &Trial<'_>, health: &str) -> Result<String, String> {
    let before = trial.target().await?;
    let old = TargetState { generation: before.generation.saturating_sub(1), ..before.clone() };
    let restart = Action::Restart { target: service() };
    let done = trial.act(&restart, &old, health, now()).await?;
    match done.outcome {
        EffectOutcome::NotApplied { reason } if trial.target().await?.generation == before.generation => {
            Ok(reason)
        }
        other => Err(format!("it was not left alone: {other:?}")),
    }
}

fn show(rows: &Rows, json: bool) -> Result<()> {
    if json {
        return crate::output::json(&serde_json::json!({ "steps": rows.0 }));
    }
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["step", "result", "seen"]);
    for row in &rows.0 {
        let result = match row.result {
            Ended::Ok => "ok",
            Ended::Warning => "WARNING",
            Ended::Failed => "FAILED",
        };
        table.add_row([row.step, result, &row.seen]);
    }
    out!("{table}");
    let count = |wanted: Ended| rows.0.iter().filter(|row| row.result == wanted).count();
    out!(
        "\n{} of {} steps as they should be, {} warnings",
        count(Ended::Ok),
        rows.0.len(),
        count(Ended::Warning)
    );
    Ok(())
}
