//! Reading what the API gives: JSON of many versions, of which only what is needed is looked at.

use midwatch_model::action::{Container, Pod, Resources};
use serde_json::{Map, Value, json};

/// Annotation with the key of the last action of midwatch on a thing: how a restarted midwatch finds what it did.
pub(super) const KEY: &str = "midwatch/action";

/// Annotation with the pod template that the last action of midwatch replaced, where no controller keeps a history.
pub(super) const REPLACED: &str = "midwatch/replaced-template";

/// Annotation with the least number of replicas of an autoscaler before midwatch raised it.
pub(super) const MIN_BEFORE: &str = "midwatch/min-replicas-before";

/// Annotation of the Deployment controller on a ReplicaSet.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";

/// Annotation by which `kubectl rollout restart` makes pods new.
pub(super) const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

pub(super) fn name(thing: &Value) -> &str {
    text(&thing["metadata"]["name"])
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A whole number; what is absent or no number is `default`.
pub(super) fn number(value: &Value, default: u32) -> u32 {
    value.as_u64().map_or(default, |n| u32::try_from(n).unwrap_or(u32::MAX))
}

pub(super) fn annotation<'a>(thing: &'a Value, key: &str) -> Option<&'a str> {
    thing["metadata"]["annotations"][key].as_str()
}

/// Sets an annotation of a thing or of a pod template.
pub(super) fn annotate(thing: &mut Value, key: &str, value: &str) {
    let all = &mut thing["metadata"]["annotations"];
    if !all.is_object() {
        *all = Value::Object(Map::new());
    }
    all[key] = json!(value);
}

pub(super) fn unannotate(thing: &mut Value, key: &str) {
    if let Some(all) = thing.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        all.remove(key);
    }
}

/// A label selector as a query has it; empty where the workload selects nothing, which no server accepts.
pub(super) fn selector(workload: &Value) -> String {
    let selector = &workload["spec"]["selector"];
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut parts: Vec<String> = labels.map(|(key, value)| format!("{key}={}", text(value))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text(&expression["key"]);
        let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().map(text).collect();
        match text(&expression["operator"]) {
            "In" => parts.push(format!("{key} in ({})", values.join(","))),
            "NotIn" => parts.push(format!("{key} notin ({})", values.join(","))),
            "Exists" => parts.push(key.to_owned()),
            "DoesNotExist" => parts.push(format!("!{key}")),
            _ => {}
        }
    }
    parts.join(",")
}

/// Whether the thing is owned by the one with this uid.
pub(super) fn owned_by(thing: &Value, uid: &str) -> bool {
    let owners = thing["metadata"]["ownerReferences"].as_array();
    !uid.is_empty() && owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
}

pub(super) fn containers(template: &Value) -> Vec<Container> {
    let all = template["spec"]["containers"].as_array();
    all.into_iter()
        .flatten()
        .map(|container| Container {
            name: text(&container["name"]).to_owned(),
            image: text(&container["image"]).to_owned(),
            resources: resources(&container["resources"]),
        })
        .collect()
}

fn resources(value: &Value) -> Resources {
    let quantity = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Resources {
        cpu_request: quantity(&value["requests"]["cpu"]),
        cpu_limit: quantity(&value["limits"]["cpu"]),
        memory_request: quantity(&value["requests"]["memory"]),
        memory_limit: quantity(&value["limits"]["memory"]),
    }
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// Pods that are not on their way out, those that are not ready first, `most` of them.
pub(super) fn pods(list: &[Value], most: usize) -> Vec<Pod> {
    let stays = |pod: &&Value| {
        pod["metadata"]["deletionTimestamp"].is_null()
            && !matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed")
    };
    let mut pods: Vec<Pod> = list
        .iter()
        .filter(stays)
        .map(|pod| Pod {
            name: name(pod).to_owned(),
            uid: text(&pod["metadata"]["uid"]).to_owned(),
            ready: is_ready(pod),
            node: pod["spec"]["nodeName"].as_str().map(str::to_owned),
        })
        .collect();
    pods.sort_by(|a, b| (a.ready, &a.name).cmp(&(b.ready, &b.name)));
    pods.truncate(most);
    pods
}

/// An image without registry and path: `registry.example/shop/pay:1.4` is `pay:1.4`.
pub(super) fn short(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

/// The merge patch (RFC 7386) that makes `to` of `from`; `None` where nothing differs.
pub(super) fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
            let changed = new.iter().filter_map(|(key, value)| {
                let patch = match old.get(key) {
                    Some(known) => merge_patch(known, value),
                    None => Some(value.clone()),
                };
                Some((key.clone(), patch?))
            });
            let patch: Map<String, Value> = gone.chain(changed).collect();
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ if from == to => None,
        _ => Some(to.clone()),
    }
}
