//! Rollouts as changes: each ReplicaSet that a Deployment of ours owns is one, and each ControllerRevision of a StatefulSet.

use super::call::Cluster;
use super::history::{images, revision, runs_the_same};
use super::place::{Kind, Place};
use super::thing::{KEY, RESTARTED, annotation, name, text};
use midwatch_model::{Change, ChangeKind, ServiceName, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rollouts since a moment, of the given services. A namespace that cannot be read tells nothing.
pub(super) async fn since(
    cluster: &Cluster,
    services: &[(ServiceName, Place)],
    since: Timestamp,
) -> Vec<Change> {
    let lists: BTreeSet<String> = services.iter().map(|(_, place)| list(place)).collect();
    let mut changes = Vec::new();
    for path in lists {
        match cluster.list(&path, "", "").await {
            Ok(held) => {
                for (service, place) in services.iter().filter(|(_, place)| list(place) == path) {
                    changes.extend(of_service(service, place, &held, since));
                }
            }
            Err(refusal) => tracing::debug!(path, %refusal, "no rollouts"),
        }
    }
    changes.sort_by_key(|change| change.at);
    changes
}

/// Where the revisions of a workload are listed.
fn list(place: &Place) -> String {
    place.apps(match place.kind {
        Kind::Deployment => "replicasets",
        Kind::StatefulSet => "controllerrevisions",
    })
}

/// One revision: what holds it, and its template.
struct Held<'a> {
    thing: &'a Value,
    template: Value,
}

fn of_service(service: &ServiceName, place: &Place, held: &[Value], since: Timestamp) -> Vec<Change> {
    let kind = match place.kind {
        Kind::Deployment => "Deployment",
        Kind::StatefulSet => "StatefulSet",
    };
    let is_ours = |thing: &&Value| {
        let owners = thing["metadata"]["ownerReferences"].as_array();
        let by = |owner: &Value| owner["kind"] == kind && owner["name"] == place.name.as_str();
        owners.into_iter().flatten().any(by)
    };
    // In the order in which they were made: a rollback gives an old one a new number.
    let mut by_time: BTreeMap<(String, u64), Held<'_>> = BTreeMap::new();
    for thing in held.iter().filter(is_ours) {
        let Some(revision) = revision(place.kind, thing) else { continue };
        let made = (revision.made_at, revision.number.unwrap_or(0));
        by_time.insert(made, Held { thing, template: revision.template });
    }
    let all: Vec<Held<'_>> = by_time.into_values().collect();
    // The first one known is the workload's own making, or what came before it is forgotten.
    let told = all.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        let at: Timestamp = text(&after.thing["metadata"]["creationTimestamp"]).parse().ok()?;
        (at >= since).then(|| change(service, place, before, after, at))
    });
    told.collect()
}

fn change(
    service: &ServiceName,
    place: &Place,
    before: &Held<'_>,
    after: &Held<'_>,
    at: Timestamp,
) -> Change {
    let (old, new) = (&before.template, &after.template);
    let kind = match (images(old) == images(new), is_restart(old, new)) {
        (true, true) => ChangeKind::Restart,
        (true, false) => ChangeKind::Config,
        (false, _) => ChangeKind::Deploy,
    };
    // A key that was there before was only carried along.
    let by_us = annotation(new, KEY).is_some() && annotation(new, KEY) != annotation(old, KEY);
    Change {
        id: format!("kubernetes/{}/{}", place.namespace, name(after.thing)),
        at,
        service: service.clone(),
        kind,
        from: images(old),
        to: images(new),
        by: if by_us { "midwatch".to_owned() } else { "kubernetes".to_owned() },
        title: annotation(after.thing, "kubernetes.io/change-cause").unwrap_or_default().to_owned(),
        url: String::new(),
        content: None,
    }
}

/// Whether nothing differs but the mark of a restart.
fn is_restart(old: &Value, new: &Value) -> bool {
    runs_the_same(old, new) && annotation(old, RESTARTED) != annotation(new, RESTARTED)
}
