//! Alerts become groups, one at a time, as they come: each joins a group, is linked to one as its child, or stands alone.

use crate::relate::{JOIN_POINTS, LINK_POINTS, Members, Subject, relate};
use crate::{IncidentConfig, Topology};
use midwatch_model::{Cause, Entity, Owner, Place, Score};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Groups that are remembered for one owner, place or class: the newest. Older ones are out of time as a rule.
const REMEMBERED: usize = 4;

/// Alerts that are believed to share a cause.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Numbers of the subjects in the order in which they were placed, each with the score that brought it here. The first
    /// one's says how the group is related to its parent, if it has one.
    pub subjects: Vec<(usize, Score)>,
    /// The group that this one is a child of: related, but not strongly enough to be one incident.
    pub parent: Option<usize>,
    pub members: Members,
}

/// Where a subject was placed.
#[derive(Clone, Debug, PartialEq)]
pub enum Placed {
    Joins { group: usize, score: Score },
    Opens { parent: Option<usize>, score: Score },
}

/// Groups that are being filled.
pub struct Grouping<'a> {
    topology: &'a Topology,
    config: &'a IncidentConfig,
    groups: Vec<Group>,
    by_owner: BTreeMap<Owner, VecDeque<usize>>,
    by_place: BTreeMap<Place, VecDeque<usize>>,
    by_class: BTreeMap<Cause, VecDeque<usize>>,
    compared: usize,
}

impl<'a> Grouping<'a> {
    #[must_use]
    pub fn new(topology: &'a Topology, config: &'a IncidentConfig) -> Self {
        Self {
            topology,
            config,
            groups: Vec::new(),
            by_owner: BTreeMap::new(),
            by_place: BTreeMap::new(),
            by_class: BTreeMap::new(),
            compared: 0,
        }
    }

    /// Places the subject of that number. The best group wins, of equals the newest.
    pub fn place(&mut self, number: usize, subject: &Subject) -> Placed {
        let candidates = self.candidates(subject);
        self.compared += candidates.len();
        let scored = candidates.into_iter().filter_map(|group| {
            let members = &self.groups[group].members;
            let (score, about) = relate(subject, members, self.topology, self.config)?;
            Some((score, group, about))
        });
        let best = scored.max_by_key(|(score, group, _)| (score.total, *group));
        match best {
            Some((score, group, about)) if score.total >= JOIN_POINTS => {
                self.fill(group, number, subject, about, score.clone());
                Placed::Joins { group, score }
            }
            Some((score, parent, about)) if score.total >= LINK_POINTS => {
                self.open(number, subject, about, Some(parent), score)
            }
            _ => self.open(number, subject, None, None, Score::default()),
        }
    }

    /// Every group that could reach the threshold of a link, found by what it has in common and not by trying all.
    fn candidates(&self, subject: &Subject) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for entity in &subject.entities {
            let owner = entity.owner();
            let near = self.topology.aliases(&owner).chain(self.topology.neighbours(&owner));
            let owners = near.chain([&owner]).filter_map(|owner| self.by_owner.get(owner));
            found.extend(owners.chain(self.by_place.get(&owner.place)).flatten());
        }
        found.extend(self.by_class.get(&subject.class).into_iter().flatten());
        found
    }

    fn open(
        &mut self,
        number: usize,
        subject: &Subject,
        about: Option<&Entity>,
        parent: Option<usize>,
        score: Score,
    ) -> Placed {
        // What could be about one of several is about none of them until something decides it.
        let only = if let [only] = subject.entities.as_slice() { Some(only) } else { None };
        self.groups.push(Group { parent, ..Group::default() });
        self.fill(self.groups.len() - 1, number, subject, only.or(about), score.clone());
        Placed::Opens { parent, score }
    }

    fn fill(&mut self, group: usize, number: usize, subject: &Subject, about: Option<&Entity>, score: Score) {
        let filled = &mut self.groups[group];
        let known = about.is_none_or(|entity| filled.members.entities.contains_key(entity));
        filled.members.add(subject, about);
        filled.subjects.push((number, score));
        remember(self.by_class.entry(subject.class).or_default(), group);
        if let Some(entity) = about.filter(|_| !known) {
            remember(self.by_owner.entry(entity.owner()).or_default(), group);
            remember(self.by_place.entry(entity.place()).or_default(), group);
        }
    }

    /// Groups that a subject was compared with, so far and in total.
    #[must_use]
    pub fn compared(&self) -> usize {
        self.compared
    }

    #[must_use]
    pub fn into_groups(self) -> Vec<Group> {
        self.groups
    }
}

fn remember(groups: &mut VecDeque<usize>, group: usize) {
    if groups.contains(&group) {
        return;
    }
    if groups.len() == REMEMBERED {
        groups.pop_front();
    }
    groups.push_back(group);
}

/// Groups subjects by the order of their onsets, whatever the order in which they are given.
#[must_use]
pub fn group(subjects: &[Subject], topology: &Topology, config: &IncidentConfig) -> Vec<Group> {
    let mut order: Vec<usize> = (0..subjects.len()).collect();
    let key = |number: &usize| {
        let subject = &subjects[*number];
        (subject.onset_at, &subject.entities, subject.class, subject.symptom)
    };
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut grouping = Grouping::new(topology, config);
    for number in order {
        grouping.place(number, &subjects[number]);
    }
    grouping.into_groups()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Symptom;
    use midwatch_model::{EntityKind, ServiceGraph, Timestamp, after};

    fn subject(namespace: &str, name: &str, second: u32) -> Subject {
        let (namespace, name) = (Some(namespace.to_owned()), name.to_owned());
        Subject {
            entities: vec![Entity { kind: EntityKind::Service, cluster: None, namespace, name }],
            class: Cause::ErrorRateSpike,
            symptom: Symptom::Failing,
            onset_at: after(Timestamp::UNIX_EPOCH, f64::from(second)),
        }
    }

    #[test]
    fn what_begins_together_is_one_and_what_follows_is_its_child() {
        let topology = Topology::default();
        let config = IncidentConfig::default();
        let told = [
            subject("shop", "till", 200),
            subject("shop", "desk", 0),
            subject("shop", "mail", 30),
            subject("bank", "desk", 10),
            subject("shop", "desk", 700),
        ];
        let groups = group(&told, &topology, &config);
        let found: Vec<(Vec<usize>, Option<usize>)> =
            groups.iter().map(|g| (g.subjects.iter().map(|(n, _)| *n).collect(), g.parent)).collect();
        // The till begins 170 s after the others: linked, and the desk's second alert still is the desk's.
        assert_eq!(found, [(vec![1, 2, 4], None), (vec![3], Some(0)), (vec![0], Some(0))]);
    }

    #[test]
    fn a_storm_is_not_compared_alert_by_alert() {
        let config = IncidentConfig::default();
        let topology = Topology::default();
        // 10,000 alerts over 100 namespaces of 20 services, within ten minutes.
        let told: Vec<Subject> = (0..10_000u32)
            .map(|n| subject(&format!("team-{}", n % 100), &format!("app-{}", n / 100 % 20), n % 600))
            .collect();
        let mut grouping = Grouping::new(&topology, &config);
        for (number, subject) in told.iter().enumerate() {
            grouping.place(number, subject);
        }
        // At most those that are remembered for the owner, the place and the class.
        assert!(grouping.compared() <= 3 * REMEMBERED * told.len(), "{}", grouping.compared());
        let placed: usize = grouping.into_groups().iter().map(|group| group.subjects.len()).sum();
        assert_eq!(placed, told.len(), "none is lost");
    }

    #[test]
    fn the_order_in_which_alerts_are_handed_in_changes_nothing() {
        let graph = ServiceGraph::default();
        let forward: Vec<Subject> =
            (0..40).map(|n| subject("shop", &format!("app-{n}"), n * 37 % 400)).collect();
        let entities = forward.iter().flat_map(|s| s.entities.clone());
        let topology = Topology::new(entities, &[], &graph);
        let config = IncidentConfig::default();
        let backward: Vec<Subject> = forward.iter().rev().cloned().collect();
        let members = |told: &[Subject]| -> Vec<Members> {
            group(told, &topology, &config).into_iter().map(|g| g.members).collect()
        };
        assert_eq!(members(&forward), members(&backward));
    }
}
