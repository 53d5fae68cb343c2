//! Groups: alerts that a route tells of together, and when.

use crate::{Route, RouteId, RoutingTree};
use midwatch_model::{Alert, Fingerprint, Labels, Timestamp, after, seconds_between};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What identifies a group: its route and the values of the labels that it is made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    pub route: RouteId,
    labels: Fingerprint,
}

/// Alerts that are told of together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub labels: Labels,
    pub alerts: BTreeSet<Fingerprint>,
    next_at: Timestamp,
    /// When it would be due had it not been put off.
    put_off_from: Option<Timestamp>,
    /// Whether the first wait is over.
    told: bool,
}

/// All groups with their timers.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    tree: Arc<RoutingTree>,
    groups: HashMap<GroupId, Group>,
    timers: BTreeSet<(Timestamp, GroupId)>,
    /// In how many groups each alert is.
    members: HashMap<Fingerprint, u32>,
}

impl Groups {
    #[must_use]
    pub fn new(tree: Arc<RoutingTree>) -> Self {
        Self { tree, ..Self::default() }
    }

    #[must_use]
    pub fn tree(&self) -> &RoutingTree {
        &self.tree
    }

    #[must_use]
    pub fn shared_tree(&self) -> Arc<RoutingTree> {
        self.tree.clone()
    }

    /// Puts an alert into a group of each route that takes it. A group that was told of before waits for its interval;
    /// `told_at` says when a receiver was last told of a group that is not known here (after a restart).
    pub fn insert(
        &mut self,
        alert: &Alert,
        now: Timestamp,
        told_at: impl Fn(&Route, &Labels) -> Option<Timestamp>,
    ) {
        let tree = self.tree.clone();
        for id in tree.matching(&alert.labels) {
            let Some(route) = tree.route(id) else { continue };
            let labels = route.group_labels(&alert.labels);
            let group_id = GroupId { route: id, labels: Fingerprint::of(&labels) };
            let told_at = if self.groups.contains_key(&group_id) { None } else { told_at(route, &labels) };
            self.put(group_id, labels, alert, route, told_at, now);
        }
    }

    fn put(
        &mut self,
        id: GroupId,
        labels: Labels,
        alert: &Alert,
        route: &Route,
        told_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let timers = &mut self.timers;
        let group = self.groups.entry(id).or_insert_with(|| {
            let next_at = match told_at {
                Some(at) => after(at, route.group_interval_s).max(now),
                None => after(now, route.group_wait_s),
            };
            timers.insert((next_at, id));
            let (alerts, told) = (BTreeSet::new(), told_at.is_some());
            Group { labels, alerts, next_at, put_off_from: None, told }
        });
        if group.alerts.insert(alert.fingerprint()) {
            *self.members.entry(alert.fingerprint()).or_default() += 1;
            // What is new may be what must not wait.
            if let Some(at) = group.put_off_from.take() {
                Self::reset(timers, id, group, at.max(now));
            }
        }
        // Whoever has waited long enough elsewhere need not wait again.
        if !group.told && seconds_between(alert.starts_at, now) > route.group_wait_s {
            Self::reset(timers, id, group, now);
        }
    }

    fn reset(timers: &mut BTreeSet<(Timestamp, GroupId)>, id: GroupId, group: &mut Group, at: Timestamp) {
        timers.remove(&(group.next_at, id));
        group.next_at = at;
        timers.insert((at, id));
    }

    /// When the next group is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The groups that are due now, each with its next time set. Those that became empty are forgotten.
    pub fn due(&mut self, now: Timestamp) -> Vec<GroupId> {
        let mut due = Vec::new();
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, id));
            let Some(group) = self.groups.get_mut(&id) else { continue };
            if group.alerts.is_empty() {
                self.groups.remove(&id);
                continue;
            }
            let interval_s = self.tree.route(id.route).map_or(0.0, |route| route.group_interval_s);
            group.told = true;
            group.put_off_from = None;
            group.next_at = after(now, interval_s);
            self.timers.insert((group.next_at, id));
            due.push(id);
        }
        due
    }

    /// Puts a group off, because a receiver is not to be told yet. An alert that joins it meanwhile ends that: whether it
    /// has to wait, too, is asked at the time at which the group would have been due.
    pub fn put_off(&mut self, id: GroupId, until: Timestamp) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.put_off_from = Some(group.next_at);
            Self::reset(&mut self.timers, id, group, until);
        }
    }

    /// Takes alerts that are over, and of which everybody knows, out of a group.
    pub fn leave(&mut self, id: GroupId, alerts: impl Iterator<Item = Fingerprint>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        for fingerprint in alerts {
            if group.alerts.remove(&fingerprint)
                && let Some(count) = self.members.get_mut(&fingerprint)
            {
                *count -= 1;
                if *count == 0 {
                    self.members.remove(&fingerprint);
                }
            }
        }
    }

    /// Takes an alert whose labels have changed out of every group, so that it can be inserted anew.
    pub fn remove(&mut self, alert: Fingerprint) {
        let with: Vec<GroupId> = self
            .groups
            .iter()
            .filter(|(_, group)| group.alerts.contains(&alert))
            .map(|(id, _)| *id)
            .collect();
        for id in with {
            self.leave(id, std::iter::once(alert));
        }
    }

    /// Whether an alert is still in some group.
    #[must_use]
    pub fn holds(&self, alert: Fingerprint) -> bool {
        self.members.contains_key(&alert)
    }

    #[must_use]
    pub fn get(&self, id: GroupId) -> Option<(&Route, &Group)> {
        Some((self.tree.route(id.route)?, self.groups.get(&id)?))
    }

    /// Every group with its route, in the order of labels, then receivers.
    #[must_use]
    pub fn all(&self) -> Vec<(GroupId, &Route, &Group)> {
        let mut all: BTreeMap<(&Labels, &str, GroupId), (GroupId, &Route, &Group)> = BTreeMap::new();
        for (id, group) in &self.groups {
            if let Some(route) = self.tree.route(id.route) {
                all.insert((&group.labels, &route.receiver, *id), (*id, route, group));
            }
        }
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RouteConfig, RoutingConfig};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn alert(service: &str, name: &str, starts: i64) -> Alert {
        serde_json::from_value(serde_json::json!({
            "source": "test", "labels": { "service": service, "alertname": name }, "annotations": {},
            "starts_at": at(starts), "ends_at": at(9999), "timeout": false, "generator_url": "",
            "severity": "warning", "updated_at": at(starts),
        }))
        .expect("an alert")
    }

    fn groups() -> Groups {
        let route: RouteConfig =
            toml::from_str("receiver='all'\ngroup_by=['service']\ngroup_wait_s=30\ngroup_interval_s=300")
                .expect("a route");
        let config =
            RoutingConfig { route: Some(route), receivers: vec!["all".into()], ..RoutingConfig::default() };
        Groups::new(Arc::new(RoutingTree::new(&config).expect("a tree")))
    }

    #[test]
    fn a_group_waits_first_and_then_keeps_its_interval() {
        let mut groups = groups();
        groups.insert(&alert("a", "x", 100), at(100), |_, _| None);
        groups.insert(&alert("a", "y", 110), at(110), |_, _| None);
        groups.insert(&alert("b", "x", 110), at(110), |_, _| None);
        assert_eq!(groups.next_at(), Some(at(130)));
        let due = groups.due(at(130));
        assert_eq!(due.len(), 1);
        assert_eq!(groups.get(due[0]).map(|(_, group)| group.alerts.len()), Some(2));
        assert_eq!(groups.due(at(140)).len(), 1);
        assert_eq!(groups.next_at(), Some(at(430)));
        assert!(groups.due(at(429)).is_empty());
    }

    #[test]
    fn an_alert_that_began_long_ago_is_told_at_once() {
        let mut groups = groups();
        groups.insert(&alert("a", "x", 100), at(100), |_, _| None);
        groups.insert(&alert("a", "y", 60), at(101), |_, _| None);
        assert_eq!(groups.next_at(), Some(at(101)));
        // Once told, news wait for the interval.
        assert_eq!(groups.due(at(101)).len(), 1);
        groups.insert(&alert("a", "z", 10), at(102), |_, _| None);
        assert_eq!(groups.next_at(), Some(at(401)));
    }

    #[test]
    fn an_emptied_group_is_forgotten_at_its_next_time() {
        let mut groups = groups();
        let first = alert("a", "x", 100);
        groups.insert(&first, at(100), |_, _| None);
        let id = groups.due(at(130))[0];
        assert!(groups.holds(first.fingerprint()));
        groups.leave(id, [first.fingerprint()].into_iter());
        assert!(!groups.holds(first.fingerprint()) && groups.all().len() == 1);
        assert!(groups.due(at(430)).is_empty() && groups.all().is_empty() && groups.next_at().is_none());
    }

    #[test]
    fn after_a_restart_a_group_that_was_told_of_keeps_its_interval() {
        let mut groups = groups();
        groups.insert(&alert("a", "x", 0), at(200), |_, _| Some(at(150)));
        assert_eq!(groups.next_at(), Some(at(450)));
        groups.insert(&alert("b", "x", 0), at(900), |_, _| Some(at(150)));
        assert_eq!(groups.due(at(900)).len(), 2);
    }

    #[test]
    fn a_group_can_be_put_off() {
        let mut groups = groups();
        groups.insert(&alert("a", "x", 100), at(100), |_, _| None);
        let id = groups.due(at(130))[0];
        groups.put_off(id, at(150));
        assert_eq!((groups.next_at(), groups.due(at(150)).len()), (Some(at(150)), 1));
    }

    #[test]
    fn what_joins_a_group_that_was_put_off_ends_that() {
        let mut groups = groups();
        groups.insert(&alert("a", "x", 100), at(100), |_, _| None);
        let id = groups.due(at(130))[0];
        groups.put_off(id, at(900));
        groups.insert(&alert("a", "x", 100), at(140), |_, _| None);
        assert_eq!(groups.next_at(), Some(at(900)), "it was there before");
        groups.insert(&alert("a", "y", 140), at(140), |_, _| None);
        assert_eq!(groups.next_at(), Some(at(430)), "its interval holds");
    }
}
