//! Where the trouble of an incident may have begun that is about what the service graph does not know.

use crate::{Incident, Root, Topology, rank_roots};
use midwatch_model::{Entity, Owner, ServiceGraph, Verdict};
use std::collections::BTreeSet;

/// The likeliest root among what alerts, by place, kind, order and symptoms. Only where nothing better is known: no verdict
/// is conclusive, and at least two things alert of which the graph knows nothing. A tie is no answer.
#[must_use]
pub fn suspected_origin(incident: &Incident, graph: &ServiceGraph) -> Option<Root> {
    if incident.verdict.as_ref().is_some_and(Verdict::is_conclusive) {
        return None;
    }
    let unknown = incident.signals.iter().filter(|signal| !graph.contains(&signal.service));
    let owners: BTreeSet<Owner> =
        unknown.filter_map(|signal| Some(signal.entity.as_ref()?.owner())).collect();
    if owners.len() < 2 {
        return None;
    }
    let members = incident.members();
    let entities: Vec<Entity> = members.entities().cloned().collect();
    let mut ranked = rank_roots(&members, &Topology::new(entities, &[], graph)).into_iter();
    let (first, second) = (ranked.next()?, ranked.next());
    second.is_none_or(|second| second.score.total < first.score.total).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::journal::{Entry, Line};
    use midwatch_model::{Cause, EntityKind, Signal, SignalKind, Timestamp, after};

    fn told(kind: EntityKind, name: &str, alert: &str, second: f64) -> Signal {
        let onset_at = after(Timestamp::UNIX_EPOCH, second);
        Signal {
            id: "alt-1".into(),
            kind: SignalKind::Alert,
            origin: "test".into(),
            service: name.into(),
            metric: None,
            class: Cause::ErrorRateSpike,
            onset_at,
            detected_at: onset_at,
            value: 0.0,
            sigma: 0.0,
            baseline: None,
            summary: alert.into(),
            evidence: None,
            entity: Some(Entity { kind, cluster: None, namespace: Some("shop".into()), name: name.into() }),
            alert_name: Some(alert.into()),
            severity: None,
            ahead: None,
        }
    }

    fn check(signals: &[Signal], expected: Option<&str>) {
        let (first, rest) = signals.split_first().expect("a signal");
        let reason = String::new();
        let opened =
            Entry::Opened { incident: "inc-1".into(), signal: first.clone(), reason: reason.clone() };
        let joined = rest.iter().map(|signal| Entry::SignalJoined {
            signal: signal.clone(),
            reason: reason.clone(),
            score: None,
        });
        let lines: Vec<Line> =
            std::iter::once(opened).chain(joined).map(|e| Line::new(Timestamp::UNIX_EPOCH, e)).collect();
        let incident = Incident::fold(&lines).expect("an incident");
        let found = suspected_origin(&incident, &ServiceGraph::default());
        assert_eq!(found.as_ref().map(|root| root.entity.name.as_str()), expected, "{found:?}");
    }

    #[test]
    fn what_others_rest_on_is_suspected_and_a_tie_is_no_answer() {
        use EntityKind::{Node, Service};
        let desk = told(Service, "desk", "HighErrorRate", 60.0);
        let till = |second| told(Service, "till", "HighErrorRate", second);
        check(&[desk.clone(), till(60.0), told(Node, "node-7", "NodeNotReady", 90.0)], Some("node-7"));
        check(&[desk.clone(), till(200.0)], Some("desk"));
        check(&[desk.clone(), till(60.0)], None);
        check(&[desk], None);
    }
}
