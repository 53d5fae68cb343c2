//! Looking: what the run of a workflow wants to see, with the answer on record. Looking changes nothing, so that a look whose
//! answer was lost is simply taken again.

use crate::append::append;
use crate::next::RunLook;
use crate::{Engine, EngineError};
use midwatch_action::workflow::{Run, Seen, Subject, seen};
use midwatch_incident::Incident;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{Entry, VerifiedJournal};
use midwatch_model::redact::redact;
use midwatch_model::workflow::{Look, WorkflowStep};
use midwatch_model::{Check, ServiceName};
use midwatch_store::Commit;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What stands for the service in a query.
const SERVICE: &str = "$service";

/// Takes the look and puts on record what it has shown.
pub(crate) async fn look(
    engine: &Engine,
    journal: &VerifiedJournal,
    wanted: &RunLook,
) -> Result<(), EngineError> {
    let shown = within(engine, &wanted.subject, &wanted.step).await;
    let Some(incident) = Incident::fold(journal.lines()) else {
        return Err(EngineError::NoIncident(journal.stream().to_string()));
    };
    let events = match (&incident.run, incident.plan.as_ref().and_then(|(plan, _)| plan.run.as_ref())) {
        (Some(record), Some(planned)) => {
            let run = Run::fold(&planned.workflow, &record.events);
            seen(&run, &wanted.subject, &wanted.step, shown)
        }
        _ => Vec::new(),
    };
    let entry = |event| Entry::Workflow { run: wanted.run.clone(), event };
    append(engine, journal, events.into_iter().map(entry).collect(), Commit::default()).await?;
    Ok(())
}

/// What a step sees now; a source that does not answer keeps no incident waiting.
pub(crate) async fn within(engine: &Engine, subject: &Subject, step: &WorkflowStep) -> Seen {
    let most = engine.config.call_timeout_s;
    match tokio::time::timeout(Duration::from_secs_f64(most), take(engine, subject, step)).await {
        Ok(seen) => seen,
        Err(_) => unknown(format!("no answer within {most:.0} s")),
    }
}

/// What a step sees.
async fn take(engine: &Engine, subject: &Subject, step: &WorkflowStep) -> Seen {
    let (service, now) = (&subject.service, engine.now());
    match (step.look, &step.check) {
        (Some(Look::State), _) => state(engine, service).await,
        (Some(Look::Health), _) => {
            let url = engine.watch.lock().await.registration(service).and_then(|r| r.health.clone());
            let Some(url) = url else { return unknown(format!("{service} has no health endpoint")) };
            let probe = engine.outside.probe(service, &url, now).await;
            of_answer(probe.healthy, probe.detail)
        }
        (None, Some(check)) => {
            let check = for_service(check, service);
            let answer = engine.outside.check(service, &check, now).await;
            of_answer(answer.healthy, answer.detail)
        }
        (None, None) => unknown("there is nothing to look at".to_owned()),
    }
}

fn of_answer(well: Option<bool>, detail: String) -> Seen {
    Seen { well, detail: redact(&detail).into_owned(), outputs: BTreeMap::new() }
}

fn unknown(detail: String) -> Seen {
    Seen { well: None, detail, outputs: BTreeMap::new() }
}

/// The same look at this service. Names of services are safe in queries: they hold no quotes.
fn for_service(check: &Check, service: &ServiceName) -> Check {
    match check {
        Check::Promql { query, at_most, at_least } => Check::Promql {
            query: query.replace(SERVICE, service.as_str()),
            at_most: *at_most,
            at_least: *at_least,
        },
        Check::CloudwatchAlarm { alarm } => {
            Check::CloudwatchAlarm { alarm: alarm.replace(SERVICE, service.as_str()) }
        }
        other => other.clone(),
    }
}

async fn state(engine: &Engine, service: &ServiceName) -> Seen {
    match engine.outside.target(service).await {
        Err(error) => unknown(redact(&error.to_string()).into_owned()),
        Ok(target) => {
            let detail = format!(
                "{service} runs {}, {} of {} replicas ready",
                target.version, target.ready_replicas, target.replicas
            );
            Seen {
                well: Some(target.ready_replicas >= target.replicas),
                detail,
                outputs: outputs(&target, engine.config.decision.max_replicas),
            }
        }
    }
}

/// What expressions can use of a target; no more replicas than the gate lets it have.
fn outputs(target: &TargetState, ceiling: u32) -> BTreeMap<String, Value> {
    let mut unready = target.pods.iter().filter(|pod| !pod.ready);
    let (first, second) = (unready.next(), unready.next());
    let mut outputs = BTreeMap::from([
        ("version".to_owned(), json!(target.version)),
        ("replicas".to_owned(), json!(target.replicas)),
        ("ready_replicas".to_owned(), json!(target.ready_replicas)),
        ("max_replicas".to_owned(), json!(target.max_replicas.min(ceiling))),
        ("pool_size".to_owned(), json!(target.pool_size)),
        ("circuit_open".to_owned(), json!(target.circuit_open)),
        ("unready_pods".to_owned(), json!(target.pods.iter().filter(|pod| !pod.ready).count())),
        ("has_previous_version".to_owned(), json!(target.previous_version.is_some())),
    ]);
    if let Some(version) = &target.previous_version {
        outputs.insert("previous_version".to_owned(), json!(version));
    }
    // Only where it is clear which one is meant.
    if let (Some(pod), None) = (first, second) {
        outputs.insert("unready_pod".to_owned(), json!(pod.name));
        outputs.extend(pod.node.as_ref().map(|node| ("unready_node".to_owned(), json!(node))));
    }
    outputs
}
