//! Which symptoms of a service are its own, and which it inherits from a neighbour.
//!
//! Failures travel from callee to caller: a slow or failing callee makes its callers slow, failing and short of
//! connections. Load travels from caller to callee and from producer to consumer. Memory and restarts are always a
//! service's own.

use crate::DiagnosisInput;
use midwatch_model::{Cause, Metric, ServiceGraph, ServiceName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// One abnormal series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symptom {
    pub service: ServiceName,
    pub metric: Metric,
    pub value: f64,
    /// Normal mean, where known.
    pub normal: Option<f64>,
    pub sigma: f64,
    pub onset: Timestamp,
    /// What an alert says, where no reading of ours stands behind it: there are no numbers then.
    pub said: Option<String>,
}

/// All abnormal series of an incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symptoms {
    by_service: BTreeMap<ServiceName, BTreeMap<Metric, Symptom>>,
}

/// Metrics that a failing callee causes at its callers.
pub(crate) const TRAVELS_UP: [Metric; 4] =
    [Metric::LatencyP99, Metric::ErrorRate, Metric::DbPool, Metric::CriticalLogs];

/// What at a callee makes its callers suffer.
const HURTS_CALLERS: [Metric; 7] = [
    Metric::LatencyP99,
    Metric::ErrorRate,
    Metric::DbPool,
    Metric::Up,
    Metric::Restarts,
    Metric::Cpu,
    Metric::CriticalLogs,
];

/// Metrics that more load causes at callees and consumers.
const TRAVELS_DOWN: [Metric; 6] = [
    Metric::RequestRate,
    Metric::Cpu,
    Metric::LatencyP99,
    Metric::DbPool,
    Metric::QueueLag,
    Metric::ErrorRate,
];

/// The metric on which trouble of a kind would show.
fn metric_of(class: Cause) -> Metric {
    match class {
        Cause::LatencySpike => Metric::LatencyP99,
        Cause::ErrorRateSpike | Cause::DeploymentFailure => Metric::ErrorRate,
        Cause::CpuSaturation => Metric::Cpu,
        Cause::MemoryLeak => Metric::Memory,
        Cause::DbConnectionExhaustion => Metric::DbPool,
        Cause::ConsumerLag => Metric::QueueLag,
        Cause::CrashLoop => Metric::Restarts,
        Cause::TrafficSpike => Metric::RequestRate,
        Cause::StorageExhaustion => Metric::ErrorRate,
        Cause::DependencyFailure => Metric::Up,
    }
}

impl Symptoms {
    pub(crate) fn of(input: &DiagnosisInput<'_>) -> Self {
        let mut symptoms = Self::default();
        for signal in input.signals {
            let metric = signal.metric.unwrap_or(metric_of(signal.class));
            symptoms.add(Symptom {
                service: signal.service.clone(),
                metric,
                value: signal.value,
                normal: signal.baseline.map(|b| b.mean),
                sigma: signal.sigma,
                onset: signal.onset_at,
                said: signal.metric.is_none().then(|| signal.summary.clone()),
            });
        }
        for series in input.series.iter().filter(|s| s.abnormal) {
            symptoms.add(Symptom {
                service: series.service.clone(),
                metric: series.metric,
                value: series.value,
                normal: series.baseline.map(|b| b.mean),
                sigma: series.sigma,
                onset: series.since.unwrap_or(series.at),
                said: None,
            });
        }
        symptoms
    }

    /// Keeps the earliest onset of a series and its strongest value.
    fn add(&mut self, symptom: Symptom) {
        let metrics = self.by_service.entry(symptom.service.clone()).or_default();
        match metrics.get_mut(&symptom.metric) {
            Some(known) => {
                known.onset = known.onset.min(symptom.onset);
                known.normal = known.normal.or(symptom.normal);
                match (known.said.is_some(), symptom.said.is_some()) {
                    // A reading speaks for itself; words stay where there is none.
                    (true, false) => *known = Symptom { onset: known.onset, ..symptom },
                    // Of several the same, whatever came first.
                    (_, true) => known.said = known.said.take().min(symptom.said),
                    // Of equally strong ones the larger value, so that the order of arrival makes no difference.
                    (false, false) => {
                        if (symptom.sigma.abs(), symptom.value) > (known.sigma.abs(), known.value) {
                            known.value = symptom.value;
                            known.sigma = symptom.sigma;
                        }
                    }
                }
            }
            None => {
                metrics.insert(symptom.metric, symptom);
            }
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Symptom> {
        self.by_service.values().flat_map(BTreeMap::values)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.by_service.keys()
    }

    pub(crate) fn get(&self, service: &ServiceName, metric: Metric) -> Option<&Symptom> {
        self.by_service.get(service)?.get(&metric)
    }

    fn has_any(&self, service: &ServiceName, metrics: &[Metric]) -> bool {
        self.by_service.get(service).is_some_and(|own| metrics.iter().any(|m| own.contains_key(m)))
    }

    /// The service's symptoms that no neighbour explains.
    pub(crate) fn own(&self, service: &ServiceName, graph: &ServiceGraph) -> BTreeMap<Metric, &Symptom> {
        let Some(metrics) = self.by_service.get(service) else { return BTreeMap::new() };
        let loaded = self.load_source(service, graph);
        let failing = self.failing_callee(service, graph);
        metrics
            .iter()
            .filter(|(metric, _)| {
                let from_load = loaded.is_some() && TRAVELS_DOWN.contains(metric);
                // A service that is itself the source of load slows its callees; their trouble is not its excuse.
                let is_source = loaded.is_none() && metrics.contains_key(&Metric::RequestRate);
                let from_callee = failing.is_some() && TRAVELS_UP.contains(metric) && !is_source;
                !from_load && !from_callee
            })
            .map(|(metric, symptom)| (*metric, symptom))
            .collect()
    }

    /// A caller or producer (not itself overloaded from further up) whose surge of requests reaches this service.
    fn load_source<'g>(&self, service: &'g ServiceName, graph: &'g ServiceGraph) -> Option<&'g ServiceName> {
        graph.services().find(|other| {
            *other != service
                && self.get(other, Metric::RequestRate).is_some()
                && graph.load_path(other).contains_key(service)
                && !graph.load_path(service).contains_key(*other)
        })
    }

    /// A direct callee that fails in a way that callers feel.
    pub(crate) fn failing_callee<'g>(
        &self,
        service: &'g ServiceName,
        graph: &'g ServiceGraph,
    ) -> Option<&'g ServiceName> {
        graph.callees(service).find(|callee| {
            // In a cycle each could blame the other; then neither may.
            let cyclic = graph.upstream(service).contains_key(*callee);
            !cyclic && self.has_any(callee, &HURTS_CALLERS)
        })
    }

    /// Which of all symptoms a fault at `service` with the given own symptoms explains.
    pub(crate) fn explained_by(
        &self,
        service: &ServiceName,
        own: &BTreeSet<Metric>,
        graph: &ServiceGraph,
    ) -> Vec<&Symptom> {
        // Callers feel what answers late, wrongly or not at all. A busy CPU by itself slows nobody down.
        let felt = own.iter().any(|m| TRAVELS_UP.contains(m) || matches!(m, Metric::Up | Metric::Restarts));
        let upstream = if felt { graph.upstream(service) } else { BTreeMap::default() };
        let load =
            if own.contains(&Metric::RequestRate) { graph.load_path(service) } else { BTreeMap::default() };
        self.all()
            .filter(|s| {
                s.service == *service
                    || (upstream.contains_key(&s.service) && TRAVELS_UP.contains(&s.metric))
                    || (load.contains_key(&s.service) && TRAVELS_DOWN.contains(&s.metric))
            })
            .collect()
    }
}
