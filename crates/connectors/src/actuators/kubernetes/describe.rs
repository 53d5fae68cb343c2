//! What a cluster tells of a service, as answers of tools: the same shape that bundles of incidents have.

use super::call::Cluster;
use super::history::{History, Revision};
use super::place::Place;
use super::plan::NODES;
use super::thing::{is_ready, name, pods, selector, text};
use crate::error::excerpt;
use crate::{ConnectorError, Described};
use futures::future::join_all;
use kube::api::LogParams;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Pods that are described, those that are not ready first.
const PODS_MAX: usize = 20;

/// Events of the service that are handed on, the newest.
const EVENTS_MAX: usize = 40;

/// Pods whose logs are read: those that are not ready.
const LOGS_MAX: usize = 3;

/// Lines and bytes of one container's log.
const LOG_LINES: i64 = 40;
const LOG_BYTES: i64 = 16 << 10;

/// Everything that can be read; what a right is missing for is left out.
pub(super) async fn describe(cluster: &Cluster, place: &Place) -> Result<Vec<Described>, ConnectorError> {
    let workload = cluster.demand(&place.path(), &place.name, &place.title()).await?;
    let all = cluster.list(&place.core("pods"), &selector(&workload), "").await.unwrap_or_default();
    let (rollout, events, nodes, logs) = tokio::join!(
        rollout(cluster, place, &workload),
        events(cluster, place, &all),
        nodes(cluster, &all),
        logs(cluster, place, &all),
    );
    let mut list: Vec<&Value> = all.iter().collect();
    list.sort_by_key(|pod| (is_ready(pod), name(pod).to_owned()));
    list.truncate(PODS_MAX);
    let shown: Vec<Value> = list.into_iter().map(pod).collect();
    let answers = [
        ("kubernetes_pods", Some(json!({ "pods": shown }))),
        ("kubernetes_rollout", Some(rollout)),
        ("kubernetes_events", events),
        ("kubernetes_nodes", nodes),
        ("kubernetes_logs", logs),
    ];
    let arguments = json!({ "namespace": place.namespace, "workload": place.name });
    Ok(answers
        .into_iter()
        .filter_map(|(tool, answer)| {
            Some(Described { tool: tool.to_owned(), arguments: arguments.clone(), answer: answer? })
        })
        .collect())
}

fn pod(pod: &Value) -> Value {
    let status = &pod["status"];
    let container = |one: &Value| {
        json!({
            "name": one["name"], "ready": one["ready"], "restart_count": one["restartCount"],
            "state": bounded(&one["state"]), "last_state": bounded(&one["lastState"]),
        })
    };
    let containers: Vec<Value> =
        status["containerStatuses"].as_array().into_iter().flatten().map(container).collect();
    let bad = |c: &&Value| c["status"] != "True";
    let conditions: Vec<Value> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(bad)
        .map(|c| json!({ "type": c["type"], "status": c["status"], "reason": c["reason"], "message": said(&c["message"]) }))
        .collect();
    json!({
        "name": name(pod), "phase": status["phase"], "node": pod["spec"]["nodeName"], "containers": containers,
        "conditions": conditions, "deletion_timestamp": pod["metadata"]["deletionTimestamp"],
        "reason": status["reason"],
    })
}

/// A container's state with its free texts redacted and cut.
fn bounded(state: &Value) -> Value {
    let mut state = state.clone();
    for (_, inner) in state.as_object_mut().into_iter().flatten() {
        if inner["message"].is_string() {
            inner["message"] = said(&inner["message"]);
        }
    }
    state
}

fn said(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, |text| json!(excerpt(text)))
}

async fn rollout(cluster: &Cluster, place: &Place, workload: &Value) -> Value {
    let history = History::read(cluster, place, workload).await;
    let history = history.unwrap_or_else(|_| History::bare(place, workload));
    let status = &workload["status"];
    let revisions: Vec<Value> = history
        .earlier
        .iter()
        .map(|revision: &Revision| json!({ "revision": revision.label(), "made_at": revision.made_at }))
        .collect();
    json!({
        "deployments": [{
            "name": place.name, "desired": workload["spec"]["replicas"],
            "ready": status["readyReplicas"].as_u64().unwrap_or(0),
            "updated": status["updatedReplicas"].as_u64().unwrap_or(0),
        }],
        "serving": history.version(workload),
        "earlier": revisions,
        "generation": workload["metadata"]["generation"],
        "observed_generation": status["observedGeneration"],
        "conditions": status["conditions"],
    })
}

async fn events(cluster: &Cluster, place: &Place, pods: &[Value]) -> Option<Value> {
    let all = cluster.list(&place.core("events"), "", "type!=Normal").await.ok()?;
    let names: BTreeSet<&str> = pods.iter().map(name).collect();
    let ours = |event: &&Value| {
        let object = text(&event["involvedObject"]["name"]);
        names.contains(object)
            || object == place.name
            || object.strip_prefix(&place.name).is_some_and(|rest| rest.starts_with('-'))
    };
    let at = |event: &Value| {
        let times = [&event["lastTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]];
        times.into_iter().map(text).find(|time| !time.is_empty()).unwrap_or_default().to_owned()
    };
    let mut ours: Vec<&Value> = all.iter().filter(ours).collect();
    ours.sort_by_key(|event| std::cmp::Reverse(at(event)));
    ours.truncate(EVENTS_MAX);
    let shown: Vec<Value> = ours
        .into_iter()
        .map(|event| {
            json!({
                "type": event["type"], "reason": event["reason"], "message": said(&event["message"]),
                "involved_object": event["involvedObject"]["name"], "count": event["count"], "last_time": at(event),
            })
        })
        .collect();
    Some(json!({ "events": shown }))
}

async fn nodes(cluster: &Cluster, all: &[Value]) -> Option<Value> {
    let names: BTreeSet<String> = pods(all, PODS_MAX).into_iter().filter_map(|pod| pod.node).collect();
    let found = join_all(names.iter().map(|name| cluster.get(NODES, name))).await;
    let shown: Vec<Value> = found
        .into_iter()
        .filter_map(|node| node.ok().flatten())
        .map(|node| {
            let conditions: Vec<Value> = node["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|c| json!({ "type": c["type"], "status": c["status"], "reason": c["reason"] }))
                .collect();
            json!({
                "name": name(&node), "unschedulable": node["spec"]["unschedulable"].as_bool().unwrap_or(false),
                "conditions": conditions,
            })
        })
        .collect();
    (!shown.is_empty()).then(|| json!({ "nodes": shown }))
}

/// What the pods that are not ready said last, before they were restarted where they were.
async fn logs(cluster: &Cluster, place: &Place, all: &[Value]) -> Option<Value> {
    let path = place.core("pods");
    let bad = all.iter().filter(|pod| !is_ready(pod)).take(LOGS_MAX);
    let mut said = Vec::new();
    for pod in bad {
        let first = &pod["status"]["containerStatuses"][0];
        let params = LogParams {
            container: first["name"].as_str().map(str::to_owned),
            previous: first["restartCount"].as_u64().unwrap_or(0) > 0,
            tail_lines: Some(LOG_LINES),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        if let Ok(log) = cluster.log(&path, name(pod), &params).await {
            let lines: Vec<String> = log.lines().map(excerpt).collect();
            said.push(json!({ "pod": name(pod), "previous": params.previous, "lines": lines }));
        }
    }
    (!said.is_empty()).then(|| json!({ "logs": said }))
}
