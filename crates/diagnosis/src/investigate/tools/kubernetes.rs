//! Kubernetes: pods, deployments, nodes and events, as the API has them or as tools shorten them.

use super::{State, field, is_true, number, owner, text, time};
use crate::bundle::{Bundle, Ms};
use midwatch_model::Cause;
use serde_json::Value;
use std::collections::BTreeSet;

/// Events older than this at the detection are history.
const RECENT_MS: Ms = 2 * 3600 * 1000;

/// Restarts from which a container that is not ready is looping.
const RESTARTS_MIN: f64 = 3.0;

/// Messages that tell what keeps a pod from running, in this order, with the cause and how specific it is.
const MESSAGES: [(&[&str], Cause, f64); 12] = [
    (&["oomkill", "exit code: 137", "exit_code=137", "out of memory"], Cause::MemoryLeak, 0.95),
    (
        &["imagepull", "errimage", "pull image", "image not found", "manifest unknown", "invalidimagename"],
        Cause::DeploymentFailure,
        0.95,
    ),
    (&["insufficient cpu"], Cause::CpuSaturation, 0.9),
    (&["exceeded quota", "forbidden: exceeded", "failed quota"], Cause::DeploymentFailure, 0.9),
    (
        &["insufficient memory", "unschedulable", "failedscheduling", "nodes are available"],
        Cause::DeploymentFailure,
        0.85,
    ),
    (
        &[
            "createcontainerconfigerror",
            "configmap",
            "secret \"",
            "createcontainererror",
            "runcontainererror",
        ],
        Cause::DeploymentFailure,
        0.9,
    ),
    (
        &["nodenotready", "node is not ready", "kubelet stopped", "node unreachable"],
        Cause::DependencyFailure,
        0.85,
    ),
    (&["evicted", "diskpressure", "memorypressure", "ephemeral-storage"], Cause::DependencyFailure, 0.8),
    (&["no such host", "servfail", "dns", "name resolution", "coredns"], Cause::DependencyFailure, 0.8),
    (
        &["liveness probe failed", "readiness probe failed", "startup probe failed", "unhealthy", "probe"],
        Cause::DeploymentFailure,
        0.75,
    ),
    (
        &["progressdeadlineexceeded", "failedcreate", "failedmount", "failedattachvolume"],
        Cause::DeploymentFailure,
        0.7,
    ),
    (&["crashloopbackoff", "back-off restarting"], Cause::CrashLoop, 0.7),
];

/// Reads whatever of a cluster an answer holds.
pub fn read(answer: &Value, tool: &str, bundle: &Bundle, state: &mut State) {
    let mut well = BTreeSet::new();
    for pod in list(answer, "pods", "Pod") {
        self::pod(pod, tool, bundle, state, &mut well);
    }
    for deployment in list(answer, "deployments", "Deployment") {
        self::deployment(deployment, tool, bundle, state);
    }
    for node in list(answer, "nodes", "Node") {
        self::node(node, tool, state);
    }
    for name in ["warning_events", "events"] {
        for event in answer[name].as_array().into_iter().flatten() {
            self::event(event, tool, bundle, state);
        }
    }
    for event in list(answer, "", "Event") {
        self::event(event, tool, bundle, state);
    }
}

/// Things of a kind: under their usual name, or as items of the API's own list.
fn list<'a>(answer: &'a Value, name: &str, kind: &str) -> Vec<&'a Value> {
    let shortened = answer.get(name).and_then(Value::as_array).into_iter().flatten();
    let items = answer["items"].as_array().into_iter().flatten();
    let of_kind = items.filter(|item| {
        item["kind"] == kind
            || answer["kind"].as_str().is_some_and(|list| list.strip_suffix("List") == Some(kind))
    });
    shortened.chain(of_kind).collect()
}

fn name_of(thing: &Value) -> &str {
    let short = text(thing, &["name"]);
    if short.is_empty() { text(&thing["metadata"], &["name"]) } else { short }
}

fn pod(pod: &Value, tool: &str, bundle: &Bundle, state: &mut State, well: &mut BTreeSet<String>) {
    let name = name_of(pod);
    let leaving = [
        field(pod, &["deletion_timestamp", "deletionTimestamp"]),
        field(&pod["metadata"], &["deletionTimestamp"]),
    ];
    let phase = if text(pod, &["phase"]).is_empty() {
        text(&pod["status"], &["phase"])
    } else {
        text(pod, &["phase"])
    };
    // What is being taken away may look as broken as it likes.
    if leaving.iter().any(|at| !at.is_null()) || phase == "Succeeded" {
        return;
    }
    let containers =
        [field(pod, &["containers", "container_statuses"]), field(&pod["status"], &["containerStatuses"])];
    let containers: Vec<&Value> = containers
        .iter()
        .filter_map(|list| list.as_array())
        .flatten()
        .filter(|c| !c["ready"].is_null())
        .collect();
    let ready = containers.iter().all(|container| is_true(&container["ready"]));
    if ready && phase == "Running" {
        well.insert(name.to_owned());
        state.healthy += 1;
        return;
    }
    let component = owner(bundle, name);
    let conditions = [field(pod, &["conditions"]), field(&pod["status"], &["conditions"])];
    let told: String = containers
        .iter()
        .map(|container| container.to_string())
        .chain(
            conditions
                .iter()
                .filter_map(|c| c.as_array())
                .flatten()
                .filter(|c| !is_true(&c["status"]))
                .map(Value::to_string),
        )
        .chain([text(pod, &["reason"]).to_owned(), text(&pod["status"], &["reason", "message"]).to_owned()])
        .collect::<Vec<_>>()
        .join(" ");
    let restarts =
        containers.iter().filter_map(|c| number(c, &["restart_count", "restartCount"])).fold(0.0, f64::max);
    let killed = containers.iter().any(|container| exit_code(container) == Some(137.0));
    let (cause, weight, why) = match cause(&told) {
        _ if killed => (
            Cause::MemoryLeak,
            0.95,
            "was killed with exit code 137, as the kernel does when memory is used up".to_owned(),
        ),
        Some((cause, weight, word)) => (cause, weight, format!("is {phase}: {word}")),
        None if restarts >= RESTARTS_MIN => (Cause::CrashLoop, 0.7, format!("restarted {restarts} times")),
        None => (Cause::DeploymentFailure, 0.5, format!("is {phase} and not ready")),
    };
    state.found(&component, cause, weight, format!("pod {name} {why}"), tool);
}

/// The exit code of a container that ended, wherever it is told.
fn exit_code(container: &Value) -> Option<f64> {
    let states = [&container["state"], field(container, &["last_state", "lastState"])];
    states.iter().find_map(|state| {
        number(state, &["exit_code", "exitCode"])
            .or_else(|| number(&state["terminated"], &["exitCode", "exit_code"]))
    })
}

/// The most specific thing that a text tells, with the word that tells it.
fn cause(told: &str) -> Option<(Cause, f64, &'static str)> {
    let told = told.to_lowercase();
    MESSAGES.iter().find_map(|(words, cause, weight)| {
        words.iter().find(|word| told.contains(*word)).map(|word| (*cause, *weight, *word))
    })
}

fn deployment(deployment: &Value, tool: &str, bundle: &Bundle, state: &mut State) {
    let status = &deployment["status"];
    let desired =
        number(deployment, &["desired", "replicas"]).or_else(|| number(&deployment["spec"], &["replicas"]));
    let ready = number(deployment, &["ready", "available", "replicas_ready"])
        .or_else(|| number(status, &["readyReplicas"]));
    match (desired, ready.unwrap_or(0.0)) {
        (Some(desired), ready) if ready < desired => {
            let says = format!("deployment {} has {ready} of {desired} replicas ready", name_of(deployment));
            state.found(&owner(bundle, name_of(deployment)), Cause::DeploymentFailure, 0.4, says, tool);
        }
        (Some(_), _) => state.healthy += 1,
        (None, _) => {}
    }
}

fn node(node: &Value, tool: &str, state: &mut State) {
    let name = name_of(node);
    let condition = |wanted: &str| {
        let all = [field(node, &["conditions"]), field(&node["status"], &["conditions"])];
        all.iter()
            .filter_map(|c| c.as_array())
            .flatten()
            .find(|c| c["type"] == wanted)
            .map(|c| is_true(&c["status"]))
    };
    let told = |short: &str, long: &str| {
        let short = &node[short];
        if short.is_null() { condition(long) } else { Some(is_true(short)) }
    };
    let pressed = [
        ("memory_pressure", "MemoryPressure"),
        ("disk_pressure", "DiskPressure"),
        ("pid_pressure", "PIDPressure"),
    ];
    let pressed = pressed.iter().find(|(short, long)| told(short, long) == Some(true));
    if told("ready", "Ready") == Some(false) {
        state.found(name, Cause::DependencyFailure, 0.85, format!("node {name} is not ready"), tool);
    } else if let Some((_, long)) = pressed {
        state.found(name, Cause::DependencyFailure, 0.75, format!("node {name} reports {long}"), tool);
    } else {
        state.healthy += 1;
    }
}

fn event(event: &Value, tool: &str, bundle: &Bundle, state: &mut State) {
    let last = field(event, &["last_time", "lastTimestamp", "eventTime", "last_timestamp"]);
    let old = time(last).is_some_and(|at| at < bundle.incident.detected_at - RECENT_MS);
    let object = match field(event, &["involved_object", "involvedObject", "object"]) {
        Value::String(object) => object.rsplit('/').next().unwrap_or(object).to_owned(),
        object => text(object, &["name"]).to_owned(),
    };
    let kind_normal = text(event, &["type"]) == "Normal";
    let told = format!("{} {}", text(event, &["reason"]), text(event, &["message"]));
    if old || kind_normal || object.is_empty() || told.to_lowercase().contains("terminating") {
        return;
    }
    if let Some((cause, weight, _)) = cause(&told) {
        // An event is a report of a state; the state itself says more.
        state.found(
            &owner(bundle, &object),
            cause,
            weight * 0.9,
            format!("event on {object}: {}", told.trim()),
            tool,
        );
    }
}
