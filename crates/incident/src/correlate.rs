//! Which incident a signal belongs to.

use crate::relate::{DEPENDS_ON, SAME_ENTITY, close_in_time};
use crate::{IncidentConfig, JOIN_POINTS, LINK_POINTS, Members, State, Subject, Topology, relate};
use midwatch_model::{
    Entity, IncidentId, Metric, Owner, PartKind, Score, ServiceGraph, ServiceName, Signal, SignalKind,
    Timestamp, seconds_between,
};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What correlation needs to know of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: IncidentId,
    pub state: State,
    pub opened_at: Timestamp,
    /// When it was verified as recovered, if it was.
    pub recovered_at: Option<Timestamp>,
    /// The component that the verdict names.
    pub component: Option<ServiceName>,
    pub services: BTreeSet<ServiceName>,
    /// Those of them whose rate of requests surged: load travels from them.
    pub loaded: BTreeSet<ServiceName>,
    /// Series that already signalled.
    pub series: BTreeSet<String>,
    /// Last time a signal joined.
    pub last_signal_at: Timestamp,
    /// What its signals are about, for what the service graph does not know.
    pub members: Members,
}

impl Open {
    /// Takes in a signal that joined at `now`: the same as folding the stream anew.
    pub fn join(&mut self, signal: &Signal, now: Timestamp) {
        if signal.metric == Some(Metric::RequestRate) {
            self.loaded.insert(signal.service.clone());
        }
        self.services.insert(signal.service.clone());
        self.series.insert(signal.series_key());
        self.last_signal_at = self.last_signal_at.max(now);
        self.members.join(signal);
    }

    /// Whether the incident had recovered and the signal is of its own component, or of a series that spoke in it.
    #[must_use]
    pub fn returns_with(&self, signal: &Signal) -> bool {
        self.recovered_at.is_some_and(|at| signal.onset_at >= at)
            && (self.component.as_ref() == Some(&signal.service)
                || self.series.contains(&signal.series_key()))
    }
}

/// Where a signal goes, with the reason that is put on record.
#[derive(Clone, Debug, PartialEq)]
pub enum Belongs {
    /// No open incident explains it. A parent is related, but not strongly enough; the score is the relation's.
    Opens {
        parent: Option<IncidentId>,
        score: Score,
        reason: String,
    },
    Joins {
        incident: IncidentId,
        score: Score,
        reason: String,
    },
    /// The same series already spoke in this incident.
    Duplicate {
        incident: IncidentId,
        reason: String,
    },
    /// The incident had recovered and its trouble is back.
    Recurs {
        incident: IncidentId,
        score: Score,
        reason: String,
    },
    /// An echo of an incident that is just being verified or has just recovered: it began before the recovery.
    Echo {
        incident: IncidentId,
        reason: String,
    },
}

/// Places a signal. Of several incidents that could explain it the nearest on the graph wins, then the newest. What the
/// graph does not know is placed by how strongly it is related: see `relate`.
#[must_use]
pub fn correlate(
    signal: &Signal,
    open: &[&Open],
    graph: &ServiceGraph,
    topology: &Topology,
    config: &IncidentConfig,
) -> Belongs {
    let near = open
        .iter()
        .filter(|incident| in_time(signal, incident, config))
        .filter(|incident| graph.contains(&signal.service) || !elsewhere(signal, incident))
        .filter_map(|incident| Some((hops(signal, incident, graph)?, incident)))
        .filter(|(hops, _)| *hops <= config.max_hops)
        .min_by_key(|(hops, incident)| (*hops, Reverse(incident.opened_at)));
    match near {
        Some((hops, incident)) if signal.kind == SignalKind::Forecast => foreseen(incident, hops),
        Some((hops, incident)) => place(signal, incident, hops),
        None if graph.contains(&signal.service) => apart(config),
        None => place_stranger(signal, open, graph, topology, config),
    }
}

/// Places a forecast. What is foreseen near open trouble is part of it; what has recovered is not reopened by what has not
/// happened.
fn foreseen(incident: &Open, hops: usize) -> Belongs {
    let id = incident.id.clone();
    match incident.recovered_at {
        None => Belongs::Joins {
            reason: format!("foreseen {hops} hops from what {id} is about"),
            score: score_on_graph(hops, 0.0),
            incident: id,
        },
        // What around it has just been in trouble looks as if it were about to be.
        Some(_) => Belongs::Echo {
            reason: format!("foreseen {hops} hops from {id}, whose readings still settle"),
            incident: id,
        },
    }
}

/// Whether the incident is only about namesakes of the signal's entity, in other namespaces or clusters.
fn elsewhere(signal: &Signal, incident: &Open) -> bool {
    let Some(entity) = signal.entity.as_ref().filter(|entity| entity.namespace.is_some()) else {
        return false;
    };
    let owner = entity.owner();
    let namesakes: Vec<_> = incident.members.owners.iter().filter(|other| other.key == owner.key).collect();
    !namesakes.is_empty()
        && namesakes.iter().all(|other| other.place.namespace.is_some() && other.place != owner.place)
}

fn apart(config: &IncidentConfig) -> Belongs {
    let reason = format!(
        "no open incident within {} hops and {:.0} s that the same fault could reach",
        config.max_hops, config.window_s
    );
    Belongs::Opens { parent: None, score: Score::default(), reason }
}

/// Places a signal of what the graph does not know.
fn place_stranger(
    signal: &Signal,
    open: &[&Open],
    graph: &ServiceGraph,
    topology: &Topology,
    config: &IncidentConfig,
) -> Belongs {
    let subject = Subject::of(signal, topology);
    let related = |incident: &&&Open| {
        let (score, _) = relate(&subject, &incident.members, topology, config)?;
        // The graph knows who these are: only what is at one place with them can be of their trouble.
        let known = incident.services.iter().any(|service| graph.contains(service));
        (!known || has_place(&score)).then_some(score)
    };
    let best = open
        .iter()
        .filter(|incident| incident.recovered_at.is_none())
        .filter_map(|incident| Some((related(&incident)?, *incident)))
        .max_by(|(a, x), (b, y)| (a.total, x.opened_at, &x.id).cmp(&(b.total, y.opened_at, &y.id)));
    match best {
        // What a person has already does not grow by what is only near to it.
        Some((score, incident)) if score.total >= JOIN_POINTS && incident.state != State::Escalated => {
            Belongs::Joins { reason: score.sentence(), score, incident: incident.id.clone() }
        }
        Some((score, incident)) if score.total >= LINK_POINTS => {
            let reason = format!("related to {}: {}", incident.id, score.sentence());
            Belongs::Opens { parent: Some(incident.id.clone()), score, reason }
        }
        _ => apart(config),
    }
}

fn has_place(score: &Score) -> bool {
    use PartKind::{Alias, DependsOn, SameEntity, SameNamespace, SameOwner};
    [SameEntity, Alias, SameOwner, DependsOn, SameNamespace].into_iter().any(|kind| score.has(kind))
}

/// What is known, so that names can be told to speak of it: what the open incidents are about, the services that are
/// registered and who of them calls whom. And how many alert where: the incidents' members and what has just come in.
pub fn topology_of<'a>(
    open: impl Iterator<Item = &'a Open>,
    coming: impl Iterator<Item = &'a Signal>,
    registered: impl Iterator<Item = Entity>,
    graph: &ServiceGraph,
) -> Topology {
    let mut entities: Vec<Entity> = open.flat_map(|incident| incident.members.entities()).cloned().collect();
    let mut alerting: BTreeSet<Owner> = entities.iter().map(Entity::owner).collect();
    entities.extend(registered);
    let topology = Topology::new(entities, &[], graph);
    alerting.extend(coming.filter_map(|signal| Some(signal.entity.as_ref()?.owner())));
    topology.alerting(alerting.into_iter())
}

/// The score that is put on record where the graph decides.
fn score_on_graph(hops: usize, lag_s: f64) -> Score {
    let score = Score::default();
    let score = match hops {
        0 => score.with(PartKind::SameEntity, SAME_ENTITY, "same service"),
        _ => score.with(PartKind::DependsOn, DEPENDS_ON, format!("{hops} hops away on the service graph")),
    };
    close_in_time(score, lag_s.abs())
}

fn place(signal: &Signal, incident: &Open, hops: usize) -> Belongs {
    let id = incident.id.clone();
    let series = signal.series_key();
    if let Some(recovered_at) = incident.recovered_at {
        let since = seconds_between(recovered_at, signal.onset_at);
        if since < 0.0 {
            let reason = format!("{series} began {:.0} s before {id} recovered", -since);
            return Belongs::Echo { incident: id, reason };
        }
        if incident.returns_with(signal) {
            let reason = format!("{series} is abnormal again {since:.0} s after {id} recovered");
            return Belongs::Recurs { incident: id, score: score_on_graph(hops, since), reason };
        }
        if incident.state == State::Soaking {
            let reason = format!("{series} moved while {id} soaks, {hops} hops away");
            return Belongs::Joins { incident: id, score: score_on_graph(hops, since), reason };
        }
        let reason = format!("{series} is {hops} hops from {id}, which recovered {since:.0} s earlier");
        return Belongs::Opens { parent: Some(id), score: score_on_graph(hops, since), reason };
    }
    if incident.series.contains(&series) {
        return Belongs::Duplicate { reason: format!("{series} already signalled in {id}"), incident: id };
    }
    let place =
        if hops == 0 { "same service".to_owned() } else { format!("{hops} hops away on the service graph") };
    let lag = seconds_between(incident.opened_at, signal.onset_at);
    let when = if lag < 0.0 { format!("{:.0} s before", -lag) } else { format!("{lag:.0} s after") };
    let reason = format!("{place}, began {when} {id} was opened");
    Belongs::Joins { incident: id, score: score_on_graph(hops, lag), reason }
}

fn in_time(signal: &Signal, incident: &Open, config: &IncidentConfig) -> bool {
    match incident.recovered_at {
        Some(recovered_at) => seconds_between(recovered_at, signal.onset_at) <= config.recurrence_window_s,
        // What else happens to the component while it is in trouble belongs to that, however long it takes.
        None if incident.component.as_ref() == Some(&signal.service) => true,
        // While trouble lasts, later symptoms are its symptoms, and so is what the same service has had for longer.
        None => {
            let later = seconds_between(incident.last_signal_at, signal.onset_at) <= config.window_s;
            let earlier = seconds_between(signal.onset_at, incident.opened_at) <= config.window_s;
            later && (earlier || incident.services.contains(&signal.service))
        }
    }
}

/// Fewest edges between the signal's service and one of the incident's that the same fault could reach, if any.
fn hops(signal: &Signal, incident: &Open, graph: &ServiceGraph) -> Option<usize> {
    if incident.services.contains(&signal.service) {
        return Some(0);
    }
    // What a person has already: only what the named component explains is a part of it; the rest is news.
    let causes: BTreeSet<&ServiceName> = match (&incident.component, incident.state) {
        (Some(component), State::Escalated) => BTreeSet::from([component]),
        _ => incident.services.iter().collect(),
    };
    let surges = |service: &ServiceName| {
        incident.loaded.contains(service)
            || (*service == signal.service && signal.metric == Some(Metric::RequestRate))
    };
    let reaches = |service: &&&ServiceName| {
        let (a, b) = (**service, &signal.service);
        // Failures travel from callee to caller, and two callers may suffer from a callee that has not signalled yet.
        let failure = graph.upstream(a).contains_key(b)
            || (incident.state != State::Escalated
                && (graph.upstream(b).contains_key(a) || share_callee(a, b, graph)));
        let load = (surges(a) && graph.load_path(a).contains_key(b))
            || (surges(b) && graph.load_path(b).contains_key(a));
        failure || load
    };
    causes.iter().filter(reaches).filter_map(|service| graph.hops(service, &signal.service)).min()
}

/// Whether a service exists that both call, directly or not.
fn share_callee(a: &ServiceName, b: &ServiceName, graph: &ServiceGraph) -> bool {
    graph.services().any(|callee| {
        let upstream = graph.upstream(callee);
        callee != a && callee != b && upstream.contains_key(a) && upstream.contains_key(b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::Cause;
    use midwatch_model::graph::EdgeKind;

    fn lab() -> ServiceGraph {
        let mut graph = ServiceGraph::default();
        let calls = [
            ("gateway", "payment"),
            ("gateway", "order"),
            ("gateway", "user"),
            ("order", "payment"),
            ("order", "inventory"),
        ];
        for (from, to) in calls {
            graph.add_edge(from.into(), to.into(), EdgeKind::Calls);
        }
        graph.add_edge("notification".into(), "order".into(), EdgeKind::Consumes);
        graph
    }

    fn signal(service: &str, metric: Metric) -> Signal {
        Signal {
            id: "sig-1".into(),
            kind: SignalKind::Anomaly,
            origin: "midwatch".into(),
            service: service.into(),
            metric: Some(metric),
            class: Cause::LatencySpike,
            onset_at: Timestamp::UNIX_EPOCH,
            detected_at: Timestamp::UNIX_EPOCH,
            value: 1.0,
            sigma: 9.0,
            baseline: None,
            summary: "moved".into(),
            evidence: None,
            entity: None,
            alert_name: None,
            severity: None,
            ahead: None,
        }
    }

    fn open(state: State, component: &str, services: &[&str], loaded: &[&str]) -> Open {
        let names = |list: &[&str]| list.iter().map(|s| ServiceName::from(*s)).collect();
        Open {
            id: "inc-1".into(),
            state,
            opened_at: Timestamp::UNIX_EPOCH,
            recovered_at: None,
            component: Some(component.into()),
            services: names(services),
            loaded: names(loaded),
            series: BTreeSet::new(),
            last_signal_at: Timestamp::UNIX_EPOCH,
            members: Members::default(),
        }
    }

    fn alert(service: &str, namespace: Option<&str>, second: f64) -> Signal {
        let entity = namespace.map(|namespace| midwatch_model::Entity {
            kind: midwatch_model::EntityKind::Service,
            cluster: None,
            namespace: Some(namespace.into()),
            name: service.into(),
        });
        let onset_at = midwatch_model::after(Timestamp::UNIX_EPOCH, second);
        Signal {
            kind: SignalKind::Alert,
            entity,
            onset_at,
            metric: None,
            ..signal(service, Metric::ErrorRate)
        }
    }

    /// Where an alert of an unknown service goes when one incident is open, with that first alert.
    fn check(state: State, first: &Signal, next: &Signal, expected: &str) {
        let mut incident = open(state, first.service.as_str(), &[first.service.as_str()], &[]);
        incident.component = None;
        let subject = Subject::of(first, &Topology::default());
        incident.members.add(&subject, subject.entities.first());
        let services = lab().services().map(|name| midwatch_model::Entity::of_service(name, None)).collect();
        let services: Vec<Entity> = services;
        let open = std::iter::once(&incident);
        let topology = topology_of(open, std::iter::empty(), services.into_iter(), &lab());
        let answer = correlate(next, &[&incident], &lab(), &topology, &IncidentConfig::default());
        let found = match &answer {
            Belongs::Joins { score, .. } if score.total >= JOIN_POINTS => "joins",
            Belongs::Opens { parent: Some(_), score, .. } if score.total >= LINK_POINTS => "child",
            Belongs::Opens { parent: None, .. } => "opens",
            _ => "something else",
        };
        assert_eq!(found, expected, "{answer:?}");
    }

    #[test]
    fn what_the_graph_does_not_know_is_placed_by_its_score() {
        let diagnosed = State::Diagnosed;
        let desk = alert("desk", Some("shop"), 0.0);
        check(diagnosed, &desk, &alert("till", Some("shop"), 30.0), "joins");
        check(diagnosed, &desk, &alert("till", Some("shop"), 240.0), "child");
        check(diagnosed, &desk, &alert("till", Some("shop"), 800.0), "child");
        check(diagnosed, &desk, &alert("till", Some("bank"), 30.0), "child");
        check(diagnosed, &desk, &alert("till", Some("bank"), 200.0), "opens");
        check(diagnosed, &alert("desk", None, 0.0), &alert("till", None, 30.0), "child");
        check(diagnosed, &alert("payment", None, 0.0), &alert("till", None, 30.0), "opens");
        check(State::Escalated, &desk, &alert("till", Some("shop"), 30.0), "child");
        check(diagnosed, &desk, &alert("desk", Some("shop"), 800.0), "joins");
        check(diagnosed, &desk, &alert("desk", Some("bank"), 200.0), "opens");
        check(diagnosed, &desk, &alert("user", Some("shop"), 30.0), "opens");
        // Nothing but its own name says what this one is about.
        let named = |name: &str| Signal { alert_name: Some(name.into()), ..alert("blackbox", None, 30.0) };
        check(diagnosed, &alert("payment", None, 0.0), &named("PaymentProbeFails"), "joins");
        check(diagnosed, &alert("payment", None, 0.0), &named("InventoryProbeFails"), "opens");
    }

    fn joins(incident: Open, service: &str, metric: Metric) -> bool {
        let (topology, config) = (Topology::default(), IncidentConfig::default());
        let answer = correlate(&signal(service, metric), &[&incident], &lab(), &topology, &config);
        matches!(answer, Belongs::Joins { .. })
    }

    #[test]
    fn what_is_foreseen_joins_open_trouble_and_never_reopens_what_is_over() {
        let foreseen = |recovered_at: Option<Timestamp>, service: &str| {
            let incident = Open { recovered_at, ..open(State::Diagnosed, "payment", &["payment"], &[]) };
            let forecast = Signal { kind: SignalKind::Forecast, ..alert(service, None, 5.0) };
            let (topology, config) = (Topology::default(), IncidentConfig::default());
            correlate(&forecast, &[&incident], &lab(), &topology, &config)
        };
        let over = Some(Timestamp::UNIX_EPOCH);
        assert!(matches!(foreseen(None, "payment"), Belongs::Joins { .. }));
        assert!(matches!(foreseen(None, "gateway"), Belongs::Joins { .. }));
        assert!(matches!(foreseen(over, "payment"), Belongs::Echo { .. }));
        assert!(matches!(foreseen(over, "gateway"), Belongs::Echo { .. }));
        assert!(matches!(foreseen(None, "mail"), Belongs::Opens { .. }));
    }

    #[test]
    fn only_what_one_fault_can_reach_is_one_incident() {
        let latency = Metric::LatencyP99;
        let payment = || open(State::Diagnosed, "payment", &["payment"], &[]);
        assert!(joins(payment(), "gateway", latency), "a caller suffers");
        assert!(
            joins(open(State::Diagnosed, "gateway", &["gateway"], &[]), "payment", latency),
            "a callee explains"
        );
        assert!(!joins(payment(), "user", latency), "neither calls the other");
        assert!(!joins(payment(), "notification", Metric::QueueLag));
        let user = || open(State::Diagnosed, "user", &["user", "gateway"], &[]);
        assert!(!joins(user(), "notification", Metric::QueueLag), "no load, no lag");
        let surge = || open(State::Diagnosed, "gateway", &["gateway"], &["gateway"]);
        assert!(joins(surge(), "notification", Metric::QueueLag), "load travels to consumers");
        assert!(joins(surge(), "user", Metric::Cpu));
    }

    #[test]
    fn what_an_escalated_incident_does_not_explain_is_an_incident_of_its_own() {
        let escalated = || open(State::Escalated, "user", &["user", "gateway"], &[]);
        assert!(!joins(escalated(), "inventory", Metric::Restarts));
        assert!(joins(escalated(), "gateway", Metric::ErrorRate), "its own symptoms still belong to it");
    }
}
