//! Who is there, who calls whom, and what was alerted.

use super::class::Class;
use crate::bundle::{Bundle, BundleAlert, TraceSpan};
use std::collections::{BTreeMap, BTreeSet};

/// Components by number, in order of their names.
pub struct Scene<'a> {
    pub names: Vec<&'a str>,
    /// Whether the component may be named as a root: the incident may list those that are looked at.
    pub eligible: Vec<bool>,
    pub callers: Vec<Vec<usize>>,
    pub callees: Vec<Vec<usize>>,
    /// Components that the alerts are about, first alert first.
    pub alerted: Vec<usize>,
    /// What the first alert is about.
    pub symptom: Class,
    index: BTreeMap<&'a str, usize>,
}

impl<'a> Scene<'a> {
    /// `more` are components that only tools name.
    pub fn of(bundle: &'a Bundle, more: &'a [String]) -> Self {
        let mut edges: BTreeSet<(&str, &str)> = bundle.graph.edges().collect();
        edges.extend(calls(&bundle.spans));
        let mut names = names(bundle, &edges);
        names.extend(more.iter().map(String::as_str));
        let names: Vec<&str> = names.into_iter().collect();
        let index: BTreeMap<&str, usize> =
            names.iter().enumerate().map(|(number, name)| (*name, number)).collect();
        let (mut callers, mut callees) = (vec![Vec::new(); names.len()], vec![Vec::new(); names.len()]);
        for (caller, callee) in &edges {
            callers[index[callee]].push(index[caller]);
            callees[index[caller]].push(index[callee]);
        }
        let listed = &bundle.incident.services;
        let eligible =
            names.iter().map(|name| listed.is_empty() || listed.iter().any(|one| one == name)).collect();
        let alerted = bundle.incident.alerts.iter().map(|alert| index[alert.service.as_str()]).collect();
        let symptom = symptom(&bundle.incident.alerts[0]);
        Self { names, eligible, callers, callees, alerted, symptom, index }
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Everything that calls the component, directly or not, with the number of calls between.
    pub fn upstream(&self, of: usize) -> Vec<(usize, i32)> {
        self.reach(of, &self.callers)
    }

    /// Everything that the component calls, directly or not.
    pub fn downstream(&self, of: usize) -> Vec<(usize, i32)> {
        self.reach(of, &self.callees)
    }

    fn reach(&self, of: usize, next: &[Vec<usize>]) -> Vec<(usize, i32)> {
        let mut seen = vec![false; self.names.len()];
        seen[of] = true;
        let mut reached: Vec<(usize, i32)> = vec![(of, 0)];
        let mut at = 0;
        while let Some((here, hops)) = reached.get(at).copied() {
            for there in &next[here] {
                if !std::mem::replace(&mut seen[*there], true) {
                    reached.push((*there, hops + 1));
                }
            }
            at += 1;
        }
        reached.remove(0);
        reached
    }
}

/// Who calls whom in traces. A parent whose trace is cut off or misnamed is known by its own id, if that is one's only.
fn calls(spans: &[TraceSpan]) -> BTreeSet<(&str, &str)> {
    let (mut exact, mut by_id) = (BTreeMap::new(), BTreeMap::<&str, BTreeSet<&str>>::new());
    for span in spans {
        exact.insert((span.trace_id.as_str(), span.span_id.as_str()), span.component.as_str());
        by_id.entry(&span.span_id).or_default().insert(&span.component);
    }
    let caller = |span: &TraceSpan| {
        let parent = span.parent_id.as_deref()?;
        let alone = || by_id.get(parent).filter(|found| found.len() == 1)?.first().copied();
        exact.get(&(span.trace_id.as_str(), parent)).copied().or_else(alone)
    };
    let calls = spans.iter().filter_map(|span| Some((caller(span)?, span.component.as_str())));
    calls.filter(|(caller, callee)| caller != callee).collect()
}

fn names<'a>(bundle: &'a Bundle, edges: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> =
        bundle.metrics.series.iter().map(|series| series.component.as_str()).collect();
    names.extend(edges.iter().flat_map(|(caller, callee)| [*caller, *callee]));
    names.extend(bundle.incident.alerts.iter().map(|alert| alert.service.as_str()));
    names.extend(bundle.incident.services.iter().map(String::as_str));
    names.extend(bundle.logs.iter().map(|line| line.component.as_str()));
    names.extend(bundle.spans.iter().map(|span| span.component.as_str()));
    names
}

/// What an alert is about: by the metric it names, else by its class, else by its title.
fn symptom(alert: &BundleAlert) -> Class {
    use super::class::Meaning;
    let by_metric =
        alert.label("metric").map(|metric| Meaning::of(metric).class).filter(|c| *c != Class::Other);
    by_metric.or_else(|| alert.class.map(Class::of_cause)).unwrap_or_else(|| Meaning::of(&alert.title).class)
}
