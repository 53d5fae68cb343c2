//! Rollouts as changes: each ReplicaSet that a Deployment of ours owns is one.

use super::call::Cluster;
use super::history::{images, without_hash};
use super::place::{Kind, Place};
use super::thing::{KEY, RESTARTED, REVISION, annotation, name, text};
use midwatch_model::{Change, ChangeKind, ServiceName, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rollouts since a moment, of the given services. A namespace that cannot be read tells nothing.
pub(super) async fn since(
    cluster: &Cluster,
    services: &[(ServiceName, Place)],
    since: Timestamp,
) -> Vec<Change> {
    let deployments = services.iter().filter(|(_, place)| place.kind == Kind::Deployment);
    let namespaces: BTreeSet<&String> = deployments.clone().map(|(_, place)| &place.namespace).collect();
    let mut changes = Vec::new();
    for namespace in namespaces {
        let of_namespace = || deployments.clone().filter(|(_, place)| place.namespace == *namespace);
        let Some((_, any)) = of_namespace().next() else { continue };
        match cluster.list(&any.apps("replicasets"), "", "").await {
            Ok(sets) => {
                for (service, place) in of_namespace() {
                    changes.extend(of_service(service, place, &sets, since));
                }
            }
            Err(refusal) => tracing::debug!(%namespace, %refusal, "no rollouts"),
        }
    }
    changes.sort_by_key(|change| change.at);
    changes
}

fn of_service<'a>(
    service: &'a ServiceName,
    place: &'a Place,
    sets: &'a [Value],
    since: Timestamp,
) -> impl Iterator<Item = Change> + 'a {
    let is_ours = |set: &&Value| {
        let owners = set["metadata"]["ownerReferences"].as_array();
        let by = |owner: &Value| owner["kind"] == "Deployment" && owner["name"] == place.name.as_str();
        owners.into_iter().flatten().any(by)
    };
    // In the order in which they were made: a rollback gives an old one a new number.
    let mut by_time: BTreeMap<(String, u64), &Value> = BTreeMap::new();
    for set in sets.iter().filter(is_ours) {
        let number = annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0);
        by_time.insert((text(&set["metadata"]["creationTimestamp"]).to_owned(), number), set);
    }
    let all: Vec<&Value> = by_time.into_values().collect();
    let pairs: Vec<(Option<&Value>, &Value)> =
        (0..all.len()).map(|index| (index.checked_sub(1).map(|before| all[before]), all[index])).collect();
    pairs.into_iter().filter_map(move |(before, set)| {
        let at: Timestamp = text(&set["metadata"]["creationTimestamp"]).parse().ok()?;
        // The first one known is the workload's own making, or what came before it is forgotten.
        let change = change(service, place, before?, set, at);
        (at >= since).then_some(change)
    })
}

fn change(service: &ServiceName, place: &Place, before: &Value, set: &Value, at: Timestamp) -> Change {
    let (old, new) = (&before["spec"]["template"], &set["spec"]["template"]);
    let kind = match (images(old) == images(new), is_restart(old, new)) {
        (true, true) => ChangeKind::Restart,
        (true, false) => ChangeKind::Config,
        (false, _) => ChangeKind::Deploy,
    };
    // A key that was there before was only carried along.
    let by_us = annotation(new, KEY).is_some() && annotation(new, KEY) != annotation(old, KEY);
    Change {
        id: format!("kubernetes/{}/{}", place.namespace, name(set)),
        at,
        service: service.clone(),
        kind,
        from: images(old),
        to: images(new),
        by: if by_us { "midwatch".to_owned() } else { "kubernetes".to_owned() },
        title: annotation(set, "kubernetes.io/change-cause").unwrap_or_default().to_owned(),
        url: String::new(),
        content: None,
    }
}

/// Whether nothing differs but the mark of a restart.
fn is_restart(old: &Value, new: &Value) -> bool {
    let bare = |template: &Value| {
        let mut template = without_hash(template);
        for mark in [RESTARTED, KEY] {
            super::thing::unannotate(&mut template, mark);
        }
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.retain(|_, value| value.as_object().is_none_or(|all| !all.is_empty()));
            metadata.remove("creationTimestamp");
        }
        template
    };
    bare(old) == bare(new) && annotation(old, RESTARTED) != annotation(new, RESTARTED)
}
