//! Which entity a group's trouble started from: ranked by general principles, each a part of the score on record.

use crate::relate::{Members, Told};
use crate::role::Role;
use crate::{Symptom, Topology};
use midwatch_model::{Entity, EntityKind, Owner, PartKind, Place, Score, Timestamp, seconds_between};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// An entity and what speaks for it as the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Root {
    pub entity: Entity,
    pub score: Score,
}

/// What a kind is worth: what others rest on comes first. People break things by changing them, so what they change
/// (experiments, configuration, workloads) comes before what runs (pods), and that before what only passes requests on.
/// Steps of 100 leave room for what else is known of an entity.
fn layer(kind: EntityKind) -> i32 {
    use EntityKind as K;
    match kind {
        K::Schedule => 1000,
        K::Experiment => 900,
        K::ConfigMap | K::Secret | K::Policy | K::Quota | K::Autoscaler | K::Route | K::Other => 800,
        K::Node => 700,
        K::Deployment | K::StatefulSet | K::DaemonSet | K::CronJob => 650,
        K::Job | K::ReplicaSet => 600,
        K::VolumeClaim => 550,
        K::Pod => 500,
        K::Service => 400,
        K::Operation => 300,
        K::Namespace => 200,
    }
}

/// Its own state is in trouble: more than any single hint, less than a step of the layers.
const OWN_STATE: i32 = 80;
/// It acts upon something that is in trouble.
const ACTS_ON: i32 = 60;
/// Nothing is heard of it or of anything of the same owner.
const SILENT: i32 = 50;
/// Enough for a silent service to come before its silent pods, which are one layer up: a pod that breaks is told of, and one
/// that struggles is slow; if callers fail at once and the pod is not told of, the way to it is gone.
const REFUSED: i32 = 120;
/// A victim of what is wrong before it.
const STARVED: i32 = -30;
/// All those in trouble call it; in proportion if only some do.
const CALLED: i32 = 100;
/// Its trouble began a minute or more before that of all others.
const EARLIEST: i32 = 40;

/// Seconds by which alerts of one cause may be out of order: two evaluations of a rule at Prometheus' 30 s.
const ORDER_S: f64 = 60.0;

/// What is told of everything of one owner, and of what is the same thing.
#[derive(Default)]
struct Heard {
    symptoms: BTreeSet<Symptom>,
    onset_at: Option<Timestamp>,
}

struct Ranking<'a> {
    members: &'a Members,
    topology: &'a Topology,
    heard: BTreeMap<Owner, Heard>,
    /// Whether callers fail and none of them is slow.
    fails_at_once: bool,
}

/// Every entity that may be the root, the likeliest first; those of equal score by their names.
#[must_use]
pub fn rank_roots(members: &Members, topology: &Topology) -> Vec<Root> {
    let ranking = Ranking::new(members, topology);
    let mut roots: Vec<Root> = candidates(members, topology)
        .into_iter()
        .map(|entity| Root { score: ranking.score(&entity), entity })
        .collect();
    roots.sort_by(|a, b| (Reverse(a.score.total), &a.entity).cmp(&(Reverse(b.score.total), &b.entity)));
    roots
}

/// The alerted entities; what is known at their places; what acts upon anything there; and experiments anywhere in the
/// cluster, since nobody may know whom they hit.
fn candidates(members: &Members, topology: &Topology) -> BTreeSet<Entity> {
    let places: BTreeSet<Place> = members.entities().map(Entity::place).collect();
    let clusters: BTreeSet<&Option<String>> = places.iter().map(|place| &place.cluster).collect();
    let near = |entity: &&Entity| {
        let owner = entity.owner();
        let experiment = matches!(entity.kind, EntityKind::Experiment | EntityKind::Schedule);
        places.contains(&owner.place)
            || topology.neighbours(&owner).any(|other| places.contains(&other.place))
            || (experiment && clusters.contains(&entity.cluster))
    };
    members.entities().chain(topology.entities().filter(near)).cloned().collect()
}

impl<'a> Ranking<'a> {
    fn new(members: &'a Members, topology: &'a Topology) -> Self {
        let mut heard: BTreeMap<Owner, Heard> = BTreeMap::new();
        for (entity, Told { symptoms, onset_at }) in &members.entities {
            let owner = entity.owner();
            for owner in topology.aliases(&owner).chain([&owner]).collect::<BTreeSet<_>>() {
                let heard = heard.entry(owner.clone()).or_default();
                heard.symptoms.extend(symptoms);
                heard.onset_at = Some(heard.onset_at.map_or(*onset_at, |at| at.min(*onset_at)));
            }
        }
        let any = |symptom| heard.values().any(|heard| heard.symptoms.contains(&symptom));
        let fails_at_once = any(Symptom::Failing) && !any(Symptom::Slow);
        Self { members, topology, heard, fails_at_once }
    }

    fn score(&self, entity: &Entity) -> Score {
        let owner = entity.owner();
        let kind = entity.kind.to_string().replace('_', " ");
        let base = Score::default().with(PartKind::Layer, layer(entity.kind), format!("kind: {kind}"));
        let score = self.callers(self.target(role(base, entity), &owner), &owner);
        match self.heard.get(&owner) {
            Some(heard) => self.told(score, heard, &owner),
            None => self.silent(score, entity),
        }
    }

    fn told(&self, mut score: Score, heard: &Heard, owner: &Owner) -> Score {
        if heard.symptoms.contains(&Symptom::State) {
            score = score.with(PartKind::OwnState, OWN_STATE, "its own state is not what it should be");
        }
        if heard.symptoms.iter().all(|symptom| *symptom == Symptom::Starved) {
            score = score.with(PartKind::Starved, STARVED, "it is only not asked");
        }
        let others = self.heard.iter().filter(|(other, _)| *other != owner).filter_map(|(_, h)| h.onset_at);
        let lead = |at: Timestamp| others.min().is_some_and(|next| seconds_between(at, next) >= ORDER_S);
        if heard.onset_at.is_some_and(lead) {
            score = score.with(PartKind::Earliest, EARLIEST, "its trouble began before that of the others");
        }
        score
    }

    fn silent(&self, score: Score, entity: &Entity) -> Score {
        if entity.kind.acts_on_others() || entity.kind == EntityKind::Namespace {
            return score; // Nothing is ever heard of these.
        }
        let asked = Role::of(entity) != Some(Role::Generator);
        let score = score.with(PartKind::Silent, SILENT, "nothing is heard of it while others suffer");
        if entity.kind == EntityKind::Service && asked && self.fails_at_once {
            return score.with(PartKind::Refused, REFUSED, "callers fail at once and none is slow");
        }
        score
    }

    fn target(&self, score: Score, owner: &Owner) -> Score {
        match self.topology.acts_on(owner).find(|target| self.heard.contains_key(target)) {
            Some(target) => score.with(PartKind::ActsOn, ACTS_ON, format!("acts upon {}", target.key)),
            None => score,
        }
    }

    fn callers(&self, score: Score, owner: &Owner) -> Score {
        let callers = self.topology.callers(owner).filter(|caller| self.heard.contains_key(caller)).count();
        let others = self.members.owners.iter().filter(|other| *other != owner).count();
        let share = |points: i32| {
            points * i32::try_from(callers).unwrap_or(0) / i32::try_from(others).unwrap_or(1).max(1)
        };
        if callers == 0 {
            return score;
        }
        let detail = format!("{callers} of {others} others in trouble call it");
        score.with(PartKind::CalledByAlerted, share(CALLED).min(CALLED), detail)
    }
}

fn role(score: Score, entity: &Entity) -> Score {
    match Role::of(entity) {
        Some(role) => score.with(PartKind::Role, role.points(), role.phrase()),
        None => score,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subject;
    use midwatch_model::graph::EdgeKind;
    use midwatch_model::{Cause, ServiceGraph, after};

    fn entity(kind: EntityKind, name: &str) -> Entity {
        let namespace = if kind == EntityKind::Experiment { "chaos" } else { "shop" };
        Entity { kind, cluster: None, namespace: Some(namespace.into()), name: name.into() }
    }

    /// The first root for what is known and what is told of it, and at which second.
    fn check(known: &[(EntityKind, &str)], told: &[(&str, &str, f64)], calls: &[(&str, &str)], root: &str) {
        let known: Vec<Entity> = known.iter().map(|(kind, name)| entity(*kind, name)).collect();
        let mut graph = ServiceGraph::default();
        for (from, to) in calls {
            graph.add_edge((*from).into(), (*to).into(), EdgeKind::Calls);
        }
        let topology = Topology::new(known.clone(), &[], &graph);
        let mut members = Members::default();
        for (alert, name, second) in told {
            let about = known.iter().find(|e| e.name == *name).expect("a known entity");
            let subject = Subject {
                entities: vec![about.clone()],
                class: Cause::ErrorRateSpike,
                symptom: Symptom::of_name(alert),
                onset_at: after(Timestamp::UNIX_EPOCH, *second),
            };
            members.add(&subject, Some(about));
        }
        let ranked = rank_roots(&members, &topology);
        assert_eq!(ranked[0].entity.name, root, "{ranked:#?}");
        assert!(ranked.len() < 2 || ranked[0].score.total > ranked[1].score.total, "a tie is no answer");
    }

    use EntityKind::{ConfigMap, Deployment, Experiment, Pod, Service};

    #[test]
    fn what_people_change_comes_before_what_runs() {
        let desk = [(Deployment, "desk"), (Pod, "desk-0"), (Service, "desk-svc")];
        check(&desk, &[("HighErrorRate", "desk-svc", 0.0)], &[], "desk");
        let with_config = [desk.as_slice(), &[(ConfigMap, "desk-config")]].concat();
        check(&with_config, &[("HighErrorRate", "desk-svc", 0.0)], &[], "desk-config");
        let two =
            [(Experiment, "slow-desk"), (Experiment, "slow-mill"), (Service, "desk"), (Service, "till")];
        check(&two, &[("HighLatency", "desk", 0.0)], &[], "slow-desk");
    }

    #[test]
    fn a_silent_pod_is_suspected_when_callers_are_slow_and_its_service_when_they_fail_at_once() {
        let known = [(Pod, "desk-0"), (Service, "desk-svc"), (Pod, "till-0"), (Service, "till-svc")];
        check(&known, &[("HighErrorRate", "till-svc", 0.0), ("HighLatency", "till-svc", 0.0)], &[], "desk-0");
        check(&known, &[("HighErrorRate", "till-svc", 0.0)], &[], "desk-svc");
        check(
            &known,
            &[("HighErrorRate", "till-svc", 0.0), ("KubePodCrashLooping", "desk-0", 0.0)],
            &[],
            "desk-0",
        );
    }

    #[test]
    fn calls_order_and_roles_tell_equals_apart() {
        let known = [(Service, "desk"), (Service, "mill"), (Service, "orders-db"), (Service, "web")];
        let all = |first: &'static str| -> Vec<(&str, &str, f64)> {
            known
                .iter()
                .map(|(_, name)| ("HighErrorRate", *name, if *name == first { 0.0 } else { 90.0 }))
                .collect()
        };
        check(&known, &all(""), &[], "orders-db");
        check(&known[..2], &all("mill")[..2], &[], "mill");
        check(&known, &all(""), &[("web", "desk"), ("desk", "mill"), ("orders-db", "mill")], "mill");
    }
}
