//! The service graph: who calls whom, and who consumes whose events.

use crate::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a dependent service uses the one that it depends on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// `from` calls `to` and waits: failures of `to` show at `from`.
    Calls,
    /// `from` consumes what `to` publishes: load of `to` shows at `from`, failures do not.
    Consumes,
}

/// A directed edge from the dependent to what it depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Edge {
    pub from: ServiceName,
    pub to: ServiceName,
    pub kind: EdgeKind,
}

/// Services and their edges. Unknown services named by an edge are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceGraph {
    services: BTreeSet<ServiceName>,
    edges: BTreeSet<Edge>,
}

impl ServiceGraph {
    pub fn add_service(&mut self, service: ServiceName) {
        self.services.insert(service);
    }

    pub fn add_edge(&mut self, from: ServiceName, to: ServiceName, kind: EdgeKind) {
        self.services.insert(from.clone());
        self.services.insert(to.clone());
        self.edges.insert(Edge { from, to, kind });
    }

    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.iter()
    }

    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter()
    }

    #[must_use]
    pub fn contains(&self, service: &ServiceName) -> bool {
        self.services.contains(service)
    }

    /// Direct dependencies of `service` that it calls.
    pub fn callees<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        self.edges.iter().filter(move |e| e.from == *service && e.kind == EdgeKind::Calls).map(|e| &e.to)
    }

    /// Services that call `service` directly.
    pub fn callers<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        self.edges.iter().filter(move |e| e.to == *service && e.kind == EdgeKind::Calls).map(|e| &e.from)
    }

    /// Distance in calls from every service that (transitively) calls `service`; `service` itself is at 0.
    #[must_use]
    pub fn upstream(&self, service: &ServiceName) -> BTreeMap<ServiceName, usize> {
        self.walk(service, |graph, at| graph.callers(at).cloned().collect())
    }

    /// Distance in calls to every service that `service` (transitively) calls or feeds with events.
    #[must_use]
    pub fn load_path(&self, service: &ServiceName) -> BTreeMap<ServiceName, usize> {
        self.walk(service, |graph, at| {
            let consumers = graph.edges.iter().filter(|e| e.to == *at && e.kind == EdgeKind::Consumes);
            graph.callees(at).cloned().chain(consumers.map(|e| e.from.clone())).collect()
        })
    }

    /// Fewest edges between two services, whatever their direction; `None` when they are not connected.
    #[must_use]
    pub fn hops(&self, a: &ServiceName, b: &ServiceName) -> Option<usize> {
        let reached = self.walk(a, |graph, at| {
            let touching = graph.edges.iter().filter(|e| e.from == *at || e.to == *at);
            touching.map(|e| if e.from == *at { e.to.clone() } else { e.from.clone() }).collect()
        });
        reached.get(b).copied()
    }

    fn walk(
        &self,
        start: &ServiceName,
        next: impl Fn(&Self, &ServiceName) -> Vec<ServiceName>,
    ) -> BTreeMap<ServiceName, usize> {
        let mut distance = BTreeMap::from([(start.clone(), 0)]);
        let mut queue = VecDeque::from([start.clone()]);
        while let Some(at) = queue.pop_front() {
            let here = distance[&at];
            for neighbour in next(self, &at) {
                if !distance.contains_key(&neighbour) {
                    distance.insert(neighbour.clone(), here + 1);
                    queue.push_back(neighbour);
                }
            }
        }
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> ServiceGraph {
        let mut graph = ServiceGraph::default();
        for (from, to) in [("gateway", "order"), ("order", "payment"), ("gateway", "payment")] {
            graph.add_edge(from.into(), to.into(), EdgeKind::Calls);
        }
        graph.add_edge("mail".into(), "order".into(), EdgeKind::Consumes);
        graph
    }

    #[test]
    fn failures_travel_to_callers_and_load_travels_to_callees_and_consumers() {
        let graph = shop();
        let upstream = graph.upstream(&"payment".into());
        assert_eq!(
            upstream.keys().map(ServiceName::as_str).collect::<Vec<_>>(),
            ["gateway", "order", "payment"]
        );
        let load = graph.load_path(&"order".into());
        assert_eq!(load.keys().map(ServiceName::as_str).collect::<Vec<_>>(), ["mail", "order", "payment"]);
    }

    #[test]
    fn hops_ignore_direction_and_cycles_end() {
        let mut graph = shop();
        graph.add_edge("payment".into(), "gateway".into(), EdgeKind::Calls);
        assert_eq!(graph.hops(&"mail".into(), &"payment".into()), Some(2));
        assert_eq!(graph.hops(&"mail".into(), &"unknown".into()), None);
    }
}
