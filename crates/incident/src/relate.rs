//! How strongly an alert is related to a group of others, by place, time and shared cause.

use crate::{IncidentConfig, Symptom, Topology};
use midwatch_model::{
    Cause, Entity, EntityKind, Owner, PartKind, Place, Score, Signal, Timestamp, seconds_between,
};
use std::collections::{BTreeMap, BTreeSet};

/// From here on an alert belongs to the group. Whoever shares the owner belongs by that alone; whoever shares only the
/// namespace must also begin at nearly the same time.
pub const JOIN_POINTS: i32 = 600;

/// From here on it is an incident of its own that is linked to the group's.
pub const LINK_POINTS: i32 = 400;

/// What a common place is worth. Only the nearest counts: the others follow from it.
pub(crate) const SAME_ENTITY: i32 = 800;
const ALIAS: i32 = 700;
const SAME_OWNER: i32 = 600;
/// Joins what begins within three minutes, and is linked later on.
pub(crate) const DEPENDS_ON: i32 = 500;
/// Joins what begins at once, is linked for some minutes, and says nothing later.
const SAME_NAMESPACE: i32 = 350;
/// Neither says where it is, as on a site without namespaces: links what looks alike and begins at once.
const NO_NAMESPACE: i32 = 50;
/// So many alert in the namespace that being one of them says no more than that: the namespace is a whole site, not an
/// application.
const CROWDED_NAMESPACE: i32 = 50;

/// What beginning together is worth, and what looking alike is worth.
const CLOSE_IN_TIME: i32 = 300;
const SHARED_CAUSE: i32 = 100;

/// Seconds within which alerts begin together: two evaluations of a rule at Prometheus' 30 s.
const TOGETHER_S: f64 = 60.0;

/// Something that an alert or a detector tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// What it may be about: one entity as a rule, several where its labels leave that open, none where they say nothing.
    pub entities: Vec<Entity>,
    pub class: Cause,
    pub symptom: Symptom,
    pub onset_at: Timestamp,
}

impl Subject {
    /// What a signal tells. Text of alerts says nothing here: only labels and the alert's own name do.
    #[must_use]
    pub fn of(signal: &Signal, topology: &Topology) -> Self {
        let cluster = signal.entity.as_ref().and_then(|entity| entity.cluster.clone());
        let named = signal.entity.as_ref().map(|entity| topology.resolve(entity));
        let name = signal.alert_name.as_deref().unwrap_or_default();
        let mentioned = || Some(topology.mentioned(name, cluster.as_deref())).filter(|all| !all.is_empty());
        let service = || {
            let (kind, name) = (EntityKind::Service, signal.service.to_string());
            topology.resolve(&Entity { kind, cluster: None, namespace: None, name })
        };
        let symptom = signal.metric.map_or_else(|| Symptom::of_name(name), Symptom::of_metric);
        let entities = named.or_else(mentioned).unwrap_or_else(service);
        Self { entities, class: signal.class, symptom, onset_at: signal.onset_at }
    }
}

/// What a group is made of, as far as relations need to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    pub(crate) entities: BTreeMap<Entity, Told>,
    pub(crate) owners: BTreeSet<Owner>,
    places: BTreeSet<Place>,
    classes: BTreeSet<Cause>,
    /// Onsets of the first and the last.
    span: Option<(Timestamp, Timestamp)>,
}

/// What was told of one entity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) symptoms: BTreeSet<Symptom>,
    pub(crate) onset_at: Timestamp,
}

impl Members {
    /// Takes a subject in, as being about that one of its entities.
    pub fn add(&mut self, subject: &Subject, about: Option<&Entity>) {
        self.classes.insert(subject.class);
        let at = subject.onset_at;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        let Some(entity) = about else { return };
        if !self.entities.contains_key(entity) {
            self.owners.insert(entity.owner());
            self.places.insert(entity.place());
        }
        let told = Told { symptoms: BTreeSet::new(), onset_at: at };
        let told = self.entities.entry(entity.clone()).or_insert(told);
        told.symptoms.insert(subject.symptom);
        told.onset_at = told.onset_at.min(at);
    }

    /// Takes a signal in as being about what it names.
    pub(crate) fn join(&mut self, signal: &Signal) {
        let subject = Subject::of(signal, &Topology::default());
        self.add(&subject, subject.entities.first());
    }

    /// Seconds from an onset to the nearest time at which the group's trouble began to show; 0 in between.
    #[must_use]
    pub fn gap_s(&self, at: Timestamp) -> Option<f64> {
        let (first, last) = self.span?;
        Some(seconds_between(at, first).max(seconds_between(last, at)).max(0.0))
    }

    /// Entities of the group.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.entities.keys()
    }
}

/// How strongly a subject is related to a group, and as being about which of its entities. `None` when they are too far
/// apart in time to say anything.
#[must_use]
pub fn relate<'a>(
    subject: &'a Subject,
    members: &Members,
    topology: &Topology,
    config: &IncidentConfig,
) -> Option<(Score, Option<&'a Entity>)> {
    let gap_s = members.gap_s(subject.onset_at).filter(|gap_s| *gap_s <= config.window_s)?;
    let along = |score: Score, about: Option<&Entity>| {
        shared_cause(close_in_time(score, gap_s), subject.class, about, members)
    };
    let about = |entity: &'a Entity| (along(place(entity, members, topology), Some(entity)), Some(entity));
    // The first of equals: entities are sorted, so that the answer does not depend on who asked before.
    let best = subject
        .entities
        .iter()
        .map(about)
        .reduce(|best, next| if next.0.total > best.0.total { next } else { best });
    Some(best.unwrap_or_else(|| (along(Score::default(), None), None)))
}

/// The nearest common place.
fn place(entity: &Entity, members: &Members, topology: &Topology) -> Score {
    let score = Score::default();
    if members.entities.contains_key(entity) {
        return score.with(PartKind::SameEntity, SAME_ENTITY, format!("the same {entity}"));
    }
    let owner = entity.owner();
    if let Some(alias) = topology.aliases(&owner).find(|o| **o != owner && members.owners.contains(o)) {
        return score.with(PartKind::Alias, ALIAS, format!("another name of {}", alias.key));
    }
    if members.owners.contains(&owner) {
        return score.with(PartKind::SameOwner, SAME_OWNER, format!("both of {}", owner.key));
    }
    if let Some(near) = topology.neighbours(&owner).find(|o| members.owners.contains(o)) {
        let detail = format!("{} and {} depend on each other", owner.key, near.key);
        return score.with(PartKind::DependsOn, DEPENDS_ON, detail);
    }
    if !members.places.contains(&owner.place) {
        return score;
    }
    match &owner.place.namespace {
        Some(name) if topology.is_crowded(&owner.place) => {
            let detail = format!("both in namespace {name}, as many others that alert");
            score.with(PartKind::SameNamespace, CROWDED_NAMESPACE, detail)
        }
        Some(name) => {
            score.with(PartKind::SameNamespace, SAME_NAMESPACE, format!("both in namespace {name}"))
        }
        None => score.with(PartKind::NoNamespace, NO_NAMESPACE, "neither names a namespace"),
    }
}

pub(crate) fn close_in_time(score: Score, gap_s: f64) -> Score {
    let share = TOGETHER_S / gap_s.max(TOGETHER_S);
    // At most 300, so that the cast is exact.
    let points = (f64::from(CLOSE_IN_TIME) * share).round() as i32;
    score.with(PartKind::CloseInTime, points, format!("began {gap_s:.0} s apart"))
}

/// Two clusters that look alike are a coincidence until something says otherwise, so they share nothing by that.
fn shared_cause(score: Score, class: Cause, about: Option<&Entity>, members: &Members) -> Score {
    let here = |entity: &Entity| {
        members.places.is_empty() || members.places.iter().any(|place| place.cluster == entity.cluster)
    };
    if members.classes.contains(&class) && about.is_none_or(here) {
        return score.with(PartKind::SharedCause, SHARED_CAUSE, format!("both look like {}", class.phrase()));
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::{EntityKind, ServiceGraph, after};

    fn entity(kind: EntityKind, namespace: Option<&str>, name: &str) -> Entity {
        Entity { kind, cluster: None, namespace: namespace.map(Into::into), name: name.into() }
    }

    fn subject(about: Option<Entity>, class: Cause, second: f64) -> Subject {
        Subject {
            entities: about.into_iter().collect(),
            class,
            symptom: Symptom::Failing,
            onset_at: after(Timestamp::UNIX_EPOCH, second),
        }
    }

    /// What joins, is linked to or has nothing to do with a group of one failing service, `shop/desk`.
    fn check(about: Option<Entity>, class: Cause, second: f64, expected: &str) {
        let desk = entity(EntityKind::Service, Some("shop"), "desk");
        let mail = entity(EntityKind::Service, Some("shop"), "mail");
        let policy = entity(EntityKind::Policy, Some("rules"), "deny-desk");
        let topology = Topology::new(
            [desk.clone(), mail.clone(), policy],
            &[vec![desk.clone(), mail]],
            &ServiceGraph::default(),
        );
        let mut members = Members::default();
        members.add(&subject(Some(desk.clone()), Cause::ErrorRateSpike, 0.0), Some(&desk));
        let asked = subject(about, class, second);
        let related = relate(&asked, &members, &topology, &IncidentConfig::default());
        let total = related.as_ref().map_or(0, |(score, _)| score.total);
        let answer = match total {
            JOIN_POINTS.. => "joins",
            LINK_POINTS.. => "linked",
            _ => "apart",
        };
        assert_eq!(answer, expected, "{related:?}");
    }

    #[test]
    fn place_time_and_shared_cause_decide_together() {
        use EntityKind::{Pod, Policy, Service};
        let (alike, other) = (Cause::ErrorRateSpike, Cause::MemoryLeak);
        check(Some(entity(Service, Some("shop"), "desk")), other, 800.0, "joins");
        check(Some(entity(Pod, Some("shop"), "desk-0")), other, 800.0, "joins");
        check(Some(entity(Service, Some("shop"), "mail")), other, 800.0, "joins");
        check(Some(entity(Policy, Some("rules"), "deny-desk")), other, 100.0, "joins");
        check(Some(entity(Policy, Some("rules"), "deny-desk")), other, 800.0, "linked");
        check(Some(entity(Service, Some("shop"), "till")), other, 50.0, "joins");
        check(Some(entity(Service, Some("shop"), "till")), other, 300.0, "linked");
        check(Some(entity(Service, Some("shop"), "till")), other, 800.0, "apart");
        check(Some(entity(Service, Some("bank"), "desk")), other, 0.0, "apart");
        check(Some(entity(Service, Some("bank"), "desk")), alike, 0.0, "linked");
        check(None, alike, 0.0, "linked");
        let far = Entity { cluster: Some("far".into()), ..entity(Service, Some("shop"), "desk") };
        check(Some(far), alike, 0.0, "apart");
        check(Some(entity(Service, Some("shop"), "desk")), alike, 901.0, "apart");
        check(Some(entity(Service, Some("shop"), "till")), other, -50.0, "joins");
    }

    #[test]
    fn a_namespace_in_which_very_many_alert_says_little() {
        let service = |n: usize| entity(EntityKind::Service, Some("prod"), &format!("{}desk", "x".repeat(n)));
        let mut members = Members::default();
        members.add(&subject(Some(service(0)), Cause::ErrorRateSpike, 0.0), Some(&service(0)));
        let asked = subject(Some(service(1)), Cause::ErrorRateSpike, 0.0);
        let points = |alerting: usize| {
            let topology = Topology::default().alerting((0..alerting).map(service).map(|e| e.owner()));
            let related = relate(&asked, &members, &topology, &IncidentConfig::default());
            related.map_or(0, |(score, _)| score.total)
        };
        assert!(points(20) >= JOIN_POINTS);
        assert!((LINK_POINTS..JOIN_POINTS).contains(&points(21)));
    }

    #[test]
    fn one_is_as_related_to_the_other_as_the_other_to_the_one() {
        use EntityKind::{Pod, Policy, Service};
        let all = [
            entity(Service, Some("shop"), "desk"),
            entity(Pod, Some("shop"), "desk-0"),
            entity(Policy, Some("rules"), "deny-desk"),
            entity(Service, Some("bank"), "desk"),
        ];
        let topology = Topology::new(all.clone(), &[], &ServiceGraph::default());
        let points = |a: &Entity, b: &Entity| {
            let mut members = Members::default();
            members.add(&subject(Some(a.clone()), Cause::MemoryLeak, 0.0), Some(a));
            let asked = subject(Some(b.clone()), Cause::CrashLoop, 20.0);
            relate(&asked, &members, &topology, &IncidentConfig::default()).map(|(score, _)| score.total)
        };
        for a in &all {
            for b in &all {
                assert_eq!(points(a, b), points(b, a), "{a} and {b}");
            }
        }
    }
}
