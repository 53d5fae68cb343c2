//! A workload as the stages see targets.

use super::breaker::Breaker;
use super::call::Cluster;
use super::history::{History, Revision};
use super::place::Place;
use super::plan::{NODES, ROLLS_OUT, autoscaler, held_back};
use super::thing::{containers, name, number, pods, selector, text};
use crate::ConnectorError;
use futures::future::join_all;
use midwatch_model::action::{Autoscaler, Node, Pod, TargetState};
use midwatch_model::{ActionKind, ServiceName};
use serde_json::Value;
use std::collections::BTreeSet;

/// Pods that a snapshot names: it is kept in the journal for ever.
const PODS_MAX: usize = 20;

/// Nodes that are asked about for one look.
const NODES_MAX: usize = 8;

/// What can be done to every workload; the rest needs something to do it to.
const ALWAYS: [ActionKind; 1] = [ActionKind::Scale];

/// Looks at a workload. What beside it cannot be read is left out: a person who took away a right wants midwatch to do
/// without.
pub(super) async fn look(
    cluster: &Cluster,
    place: &Place,
    service: &str,
    replicas_max: u32,
) -> Result<TargetState, ConnectorError> {
    let workload = cluster.demand(&place.path(), &place.name, &place.title()).await?;
    let labels = selector(&workload);
    let service = ServiceName::new(service);
    let path = place.core("pods");
    let (found, autoscaler, history, breaker) = tokio::join!(
        cluster.list(&path, &labels, ""),
        autoscaler(cluster, place),
        History::read(cluster, place, &workload),
        Breaker::find(cluster, place, &service),
    );
    let pods = pods(&found.unwrap_or_default(), PODS_MAX);
    let autoscaler = autoscaler.ok().flatten();
    let nodes = nodes(cluster, &pods).await;
    let history = history.unwrap_or_else(|_| History::bare(place, &workload));
    let mut supports = supports(&pods, &nodes, breaker.is_ok());
    if held_back(&workload).is_none() {
        supports.extend(ROLLS_OUT);
    }
    Ok(TargetState {
        version: history.version(&workload),
        previous_version: history.before().map(Revision::label),
        replicas: number(&workload["spec"]["replicas"], 1),
        ready_replicas: number(&workload["status"]["readyReplicas"], 0),
        max_replicas: autoscaler
            .as_ref()
            .map_or(replicas_max, |one| number(&one["spec"]["maxReplicas"], 1).min(replicas_max)),
        pool_size: 0,
        circuit_open: breaker.as_ref().is_ok_and(|breaker| breaker.open),
        generation: workload["metadata"]["generation"].as_u64().unwrap_or(0),
        revision: Some(text(&workload["metadata"]["resourceVersion"]).to_owned()),
        supports,
        containers: containers(&workload["spec"]["template"]),
        pods,
        nodes,
        autoscaler: autoscaler.as_ref().map(|one| Autoscaler {
            name: name(one).to_owned(),
            min: number(&one["spec"]["minReplicas"], 1),
            max: number(&one["spec"]["maxReplicas"], 1),
        }),
    })
}

fn supports(pods: &[Pod], nodes: &[Node], has_breaker: bool) -> Vec<ActionKind> {
    let more = [
        (ActionKind::DeletePod, !pods.is_empty()),
        (ActionKind::Cordon, !nodes.is_empty()),
        (ActionKind::CircuitBreak, has_breaker),
    ];
    ALWAYS.into_iter().chain(more.into_iter().filter_map(|(kind, can)| can.then_some(kind))).collect()
}

/// The nodes that pods run on.
async fn nodes(cluster: &Cluster, pods: &[Pod]) -> Vec<Node> {
    let names: BTreeSet<&String> = pods.iter().filter_map(|pod| pod.node.as_ref()).collect();
    let asked = names.into_iter().take(NODES_MAX).map(|name| cluster.get(NODES, name));
    let found = join_all(asked).await;
    let state = |node: Value| Node {
        name: name(&node).to_owned(),
        unschedulable: node["spec"]["unschedulable"].as_bool().unwrap_or(false),
    };
    found.into_iter().filter_map(|node| node.ok().flatten()).map(state).collect()
}
