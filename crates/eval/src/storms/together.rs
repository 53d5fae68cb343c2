//! Two storms at once: do alerts of different storms end in one incident, and does a storm fall apart?

use super::load::{Case, Storm};
use super::scene::{Scene, entity, group_of};
use super::seed::Seed;
use midwatch_model::Owner;
use serde::Serialize;
use std::collections::BTreeSet;

/// Where two storms happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// Each in a cluster of its own, as the label `cluster` says; names are the same in both.
    TwoClusters,
    /// Both in one cluster: what has the same namespace and name is the same thing.
    OneCluster,
}

/// Seconds after which the second storm begins: at once; while the first is fresh; and beyond the window (15 minutes)
/// within which alerts may share a cause.
const LAGS_S: [u64; 3] = [0, 300, 1800];

/// What came of every pair in one setting.
#[derive(Serialize)]
pub struct Together {
    pub setting: Setting,
    pub lag_s: u64,
    /// Whether the two storms of a pair have a group in common.
    pub touching: bool,
    pub pairs: usize,
    /// Share of pairs of alerts of different storms that are in one incident, 0–1.
    pub wrongly_merged: f64,
    /// Share of pairs of storms of which any alerts are in one incident.
    pub storms_merged: f64,
    /// Share of pairs of alerts of one storm that are in different incidents.
    pub wrongly_split: f64,
    /// Share of storms that are more than one incident.
    pub storms_split: f64,
    /// Share of pairs of storms that are apart and of which one has an incident that is a child of one of the other's.
    pub linked: f64,
}

/// Counts of what a row is made of.
#[derive(Default)]
struct Counts {
    pairs: usize,
    across: usize,
    across_merged: usize,
    storms_merged: usize,
    within: usize,
    within_split: usize,
    storms_split: usize,
    linked: usize,
}

pub fn score(cases: &[Case]) -> Vec<Together> {
    let mut rows = Vec::new();
    for setting in [Setting::TwoClusters, Setting::OneCluster] {
        for lag_s in LAGS_S {
            let mut counts = [Counts::default(), Counts::default()];
            for (number, a) in cases.iter().enumerate() {
                for b in &cases[number + 1..] {
                    let touching = setting == Setting::OneCluster && touch(&a.storm, &b.storm);
                    let seed = Seed((number * cases.len() + rows.len()) as u64);
                    counts[usize::from(touching)].play(setting, lag_s, &a.storm, &b.storm, seed);
                }
            }
            let [apart, touching] = counts;
            rows.extend(
                [(apart, false), (touching, true)]
                    .map(|(counts, touching)| counts.row(setting, lag_s, touching)),
            );
        }
    }
    rows.retain(|row| row.pairs > 0);
    rows
}

/// Whether the two have a group in common, by place and owner.
fn touch(a: &Storm, b: &Storm) -> bool {
    let owners = |storm: &Storm| -> BTreeSet<Owner> {
        storm.objects.iter().map(|object| entity(object, None).owner()).collect()
    };
    !owners(a).is_disjoint(&owners(b))
}

impl Counts {
    fn play(&mut self, setting: Setting, lag_s: u64, a: &Storm, b: &Storm, mut seed: Seed) {
        let clusters = match setting {
            Setting::TwoClusters => [Some("a"), Some("b")],
            Setting::OneCluster => [None, None],
        };
        let mut scene = Scene::default();
        scene.add(a, clusters[0], 0, &mut seed);
        scene.add(b, clusters[1], lag_s, &mut seed);
        let outcome = scene.play();
        let of = group_of(&outcome.groups, outcome.subjects.len());
        let parents: Vec<Option<usize>> = outcome.groups.iter().map(|group| group.parent).collect();
        self.count(&scene.storm_of, &of, &parents);
    }

    fn count(&mut self, storm_of: &[usize], group_of: &[usize], parents: &[Option<usize>]) {
        let before = self.across_merged;
        for (i, storm) in storm_of.iter().enumerate() {
            for j in i + 1..storm_of.len() {
                let same = group_of[i] == group_of[j];
                if *storm == storm_of[j] {
                    self.within += 1;
                    self.within_split += usize::from(!same);
                } else {
                    self.across += 1;
                    self.across_merged += usize::from(same);
                }
            }
        }
        let groups_of = |wanted: usize| -> BTreeSet<usize> {
            storm_of
                .iter()
                .zip(group_of)
                .filter(|(storm, _)| **storm == wanted)
                .map(|(_, group)| *group)
                .collect()
        };
        let both = [groups_of(0), groups_of(1)];
        let merged = self.across_merged > before;
        let child = |of: &BTreeSet<usize>, other: &BTreeSet<usize>| {
            of.iter().filter_map(|group| parents[*group]).any(|parent| other.contains(&parent))
        };
        self.pairs += 1;
        self.storms_merged += usize::from(merged);
        self.storms_split += both.iter().filter(|groups| groups.len() > 1).count();
        self.linked += usize::from(!merged && (child(&both[0], &both[1]) || child(&both[1], &both[0])));
    }

    fn row(self, setting: Setting, lag_s: u64, touching: bool) -> Together {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        Together {
            setting,
            lag_s,
            touching,
            pairs: self.pairs,
            wrongly_merged: share(self.across_merged, self.across),
            storms_merged: share(self.storms_merged, self.pairs),
            wrongly_split: share(self.within_split, self.within),
            storms_split: share(self.storms_split, 2 * self.pairs),
            linked: share(self.linked, self.pairs),
        }
    }
}
