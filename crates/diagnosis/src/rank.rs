//! Candidates, their causes and their confidence.

use crate::DiagnosisInput;
use crate::inherit::{Symptom, Symptoms, TRAVELS_UP};
use crate::suspect::{self, ONSET_BLUR_S};
use midwatch_model::{Cause, Change, EvidenceSource, Metric, ServiceName, seconds_between};
use std::collections::{BTreeMap, BTreeSet};

/// A possible root cause before its evidence is written down.
pub(crate) struct Candidate {
    pub component: ServiceName,
    pub cause: Cause,
    pub confidence: f64,
    pub reasons: Vec<String>,
    pub change: Option<Change>,
    /// The component's own symptoms, for evidence.
    pub metrics: BTreeSet<Metric>,
}

/// Weights of what makes a hypothesis credible; they sum to 1 with [`BASE`].
/// A service with symptoms that nobody else explains.
const BASE: f64 = 0.40;
/// Share of all symptoms that the hypothesis explains.
const EXPLAINS: f64 = 0.30;
/// Its symptoms began first.
const FIRST: f64 = 0.10;
/// An independent witness (probe or log) agrees.
const WITNESS: f64 = 0.10;
/// A change fits in time; or, for causes without one, none contradicts.
const CHANGE: f64 = 0.10;

/// Something that it calls has left its normal range too, if only for a sample: it may turn out to be the cause.
const CALLEE_STIRS: f64 = 0.20;

/// Deviation from which a callee counts as stirring, standard deviations.
const STIRS_SIGMA: f64 = 2.5;

/// Share of the growth of CPU use that requests must have grown by to be what takes it: what is served trails what is
/// asked while requests queue.
const SURGE_SHARE: f64 = 0.5;

/// Nearness from which a deployment is the cause of errors and slowness: half the window. A build that fails does so
/// soon after it gets traffic; an older one is only mentioned.
const BLAMED_FROM: f64 = 0.5;

/// A full pool that harms nobody yet may only be busy.
const UNHARMED: f64 = 0.30;

/// What an alert says without any reading behind it is less than a conclusion.
const HEARSAY_MAX: f64 = 0.40;

/// An alert and a log that agree are two witnesses, but neither was measured against what is normal, and the alert's name is
/// all that says what kind of fault it is: enough to propose, not enough to be sure.
const TOLD_MAX: f64 = 0.75;

/// Certainty is not to be had from telemetry.
const CONFIDENCE_MAX: f64 = 0.97;

/// Ranks every service that has symptoms of its own, best first.
pub(crate) fn rank(input: &DiagnosisInput<'_>, symptoms: &Symptoms) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> =
        symptoms.services().filter_map(|service| candidate(input, symptoms, service)).collect();
    candidates
        .sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then_with(|| a.component.cmp(&b.component)));
    candidates
}

fn candidate(input: &DiagnosisInput<'_>, symptoms: &Symptoms, service: &ServiceName) -> Option<Candidate> {
    let own = symptoms.own(service, input.graph);
    if own.is_empty() {
        return None;
    }
    let onset = own.values().map(|s| s.onset).min()?;
    let suspect = suspect::suspect(input, service, &own, onset);
    let change = suspect.change;
    let blamed = change.as_ref().filter(|change| suspect::nearness(input, change, onset) >= BLAMED_FROM);
    let (mut cause, mut because) = cause_of(&own, blamed, turns_away(input, service, &own));
    if let (true, Some(surge)) = (is_load(cause, &own), surge(input, service)) {
        (cause, because) = (Cause::TrafficSpike, format!("{surge}, and {}", describe(own[&Metric::Cpu])));
    }
    let metrics: BTreeSet<Metric> = own.keys().copied().collect();

    let explained = symptoms.explained_by(service, &metrics, input.graph);
    let weight = |list: &mut dyn Iterator<Item = &Symptom>| list.map(weight_of).sum::<f64>();
    let total = weight(&mut symptoms.all());
    let share = if total > 0.0 { weight(&mut explained.iter().copied()) / total } else { 0.0 };
    let earliest = symptoms.all().map(|s| s.onset).min().unwrap_or(onset);
    let first = seconds_between(earliest, onset) <= ONSET_BLUR_S;
    let witness = witness(input, service);
    let change_score = suspect::score(input, cause, change.as_ref(), onset);

    let stirring = stirring_callee(input, &metrics, service);

    let confidence = BASE
        + EXPLAINS * share
        + if first { FIRST } else { 0.0 }
        + if witness.is_some() { WITNESS } else { 0.0 }
        + CHANGE * change_score
        - if stirring.is_some() { CALLEE_STIRS } else { 0.0 };

    let mut reasons = vec![because];
    let others: BTreeSet<_> = explained.iter().map(|s| &s.service).filter(|s| *s != service).collect();
    if !others.is_empty() {
        let names = others.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
        reasons.push(format!("it explains the symptoms of {names} over the service graph"));
    }
    if symptoms.failing_callee(service, input.graph).is_none()
        && input.graph.callees(service).next().is_some()
    {
        reasons.push("nothing that it calls is abnormal".into());
    }
    if first && symptoms.services().count() > 1 {
        reasons.push("its symptoms began first".into());
    }
    // A log that complains beside an alert is a witness, unless what is called stirs: callers complain of that, too.
    let told = own.values().all(|symptom| symptom.said.is_some());
    let hearsay = told && (witness.is_none() || stirring.is_some());
    if hearsay {
        reasons.push("no reading of midwatch's own bears it out".into());
    }
    let unharmed = cause == Cause::DbConnectionExhaustion && own.len() == 1 && others.is_empty();
    if unharmed {
        reasons.push("but no request fails or waits for it so far".into());
    }
    reasons.extend(stirring);
    reasons.extend(witness);
    reasons.extend(suspect.because);
    let confidence = confidence - if unharmed { UNHARMED } else { 0.0 };
    let most = match (hearsay, told) {
        (true, _) => HEARSAY_MAX,
        (false, true) => TOLD_MAX,
        (false, false) => CONFIDENCE_MAX,
    };
    let confidence = confidence.clamp(0.0, most);
    Some(Candidate { component: service.clone(), cause, confidence, reasons, change, metrics })
}

/// A callee whose readings have begun to move, where all that the service itself shows could come from a callee.
fn stirring_callee(
    input: &DiagnosisInput<'_>,
    own: &BTreeSet<Metric>,
    service: &ServiceName,
) -> Option<String> {
    if !own.iter().all(|metric| TRAVELS_UP.contains(metric)) {
        return None;
    }
    let callees: BTreeSet<_> = input.graph.callees(service).collect();
    let stirring = input.series.iter().filter(|s| {
        callees.contains(&s.service) && !s.stale && TRAVELS_UP.contains(&s.metric) && s.sigma >= STIRS_SIGMA
    });
    // The one that stirs most; of equal ones the first by name, whatever the order of the input.
    let series = stirring.max_by(|a, b| {
        let by_name = || (&b.service, b.metric).cmp(&(&a.service, a.metric));
        a.sigma.total_cmp(&b.sigma).then_with(by_name)
    })?;
    Some(format!(
        "but {}, which it calls, is stirring: {} {} {}",
        series.service,
        series.metric.title(),
        series.metric.verb(),
        series.metric.show(series.value)
    ))
}

/// What a symptom says about the place of a fault: memory and restarts point at one process, latency at many.
fn weight_of(symptom: &Symptom) -> f64 {
    match symptom.metric {
        Metric::Restarts | Metric::Up => 2.0,
        Metric::Memory | Metric::QueueLag => 1.5,
        Metric::CriticalLogs => 0.5,
        _ => 1.0,
    }
}

/// The cause that a service's own symptoms amount to, most specific first.
fn cause_of(own: &BTreeMap<Metric, &Symptom>, change: Option<&Change>, turns_away: bool) -> (Cause, String) {
    let has = |metric| own.contains_key(&metric);
    let say = |metric: Metric| describe(own[&metric]);
    if has(Metric::Restarts) {
        return (Cause::CrashLoop, say(Metric::Restarts));
    }
    // Requests that wait for a CPU hold memory while they do; what a leak costs in CPU comes after the memory is gone.
    if has(Metric::Memory) && !follows(own, Metric::Memory, Metric::Cpu) {
        return (Cause::MemoryLeak, say(Metric::Memory));
    }
    if has(Metric::QueueLag) && !has(Metric::RequestRate) {
        return (Cause::ConsumerLag, say(Metric::QueueLag));
    }
    if has(Metric::RequestRate) {
        return (Cause::TrafficSpike, say(Metric::RequestRate));
    }
    if has(Metric::Cpu) {
        return (Cause::CpuSaturation, say(Metric::Cpu));
    }
    if has(Metric::Up) {
        return (Cause::DependencyFailure, say(Metric::Up));
    }
    let failing = [Metric::ErrorRate, Metric::LatencyP99, Metric::DbPool].into_iter().find(|m| has(*m));
    if let (Some(metric), Some(change)) = (failing, change) {
        return (Cause::DeploymentFailure, format!("{} since {} was deployed", say(metric), change.to));
    }
    // A pool that is held turns requests away; one that slow work fills still serves them.
    let held = turns_away || !has(Metric::LatencyP99);
    if has(Metric::DbPool) && held && !follows(own, Metric::DbPool, Metric::LatencyP99) {
        return (Cause::DbConnectionExhaustion, say(Metric::DbPool));
    }
    if has(Metric::LatencyP99) {
        return (Cause::LatencySpike, say(Metric::LatencyP99));
    }
    if has(Metric::DbPool) {
        return (Cause::DbConnectionExhaustion, say(Metric::DbPool));
    }
    let metric = own.keys().copied().find(|m| *m == Metric::ErrorRate).or_else(|| own.keys().next().copied());
    (Cause::ErrorRateSpike, metric.map_or_else(String::new, say))
}

/// Whether more requests would bring about what it looks like: they take the CPU, and by Little's law (L = λ · W) what they
/// hold in memory grows with their number and with how long they wait.
fn is_load(cause: Cause, own: &BTreeMap<Metric, &Symptom>) -> bool {
    matches!(cause, Cause::CpuSaturation | Cause::MemoryLeak) && own.contains_key(&Metric::Cpu)
}

/// By the utilisation law (U = X · S) the CPU grows with what is served as long as a request costs what it always does: if
/// both grew, the requests are what takes the CPU.
fn surge(input: &DiagnosisInput<'_>, service: &ServiceName) -> Option<String> {
    let growth = |metric: Metric| {
        let series = input.series.iter().find(|s| s.service == *service && s.metric == metric && !s.stale)?;
        let normal = series.baseline?.mean;
        (normal > 0.0).then(|| (series, normal, series.value / normal - 1.0))
    };
    let (series, normal, more) = growth(Metric::RequestRate)?;
    let (.., more_cpu) = growth(Metric::Cpu)?;
    (series.sigma >= STIRS_SIGMA && more >= SURGE_SHARE * more_cpu).then(|| {
        format!("it serves {}, normal is {}", series.metric.show(series.value), series.metric.show(normal))
    })
}

/// Whether the service's own requests fail, or begin to: one bad sample is enough to doubt that it still serves them.
fn turns_away(input: &DiagnosisInput<'_>, service: &ServiceName, own: &BTreeMap<Metric, &Symptom>) -> bool {
    let mut failing = input.series.iter().filter(|s| {
        s.service == *service && s.metric == Metric::ErrorRate && !s.stale && s.sigma >= STIRS_SIGMA
    });
    own.contains_key(&Metric::ErrorRate) || failing.next().is_some()
}

/// Whether `metric` became abnormal clearly after `other`: slow queries fill a pool, but a held pool is full first.
fn follows(own: &BTreeMap<Metric, &Symptom>, metric: Metric, other: Metric) -> bool {
    match (own.get(&metric), own.get(&other)) {
        (Some(metric), Some(other)) => metric.onset > other.onset,
        _ => false,
    }
}

fn describe(symptom: &Symptom) -> String {
    if let Some(said) = &symptom.said {
        return format!("an alert says: \"{said}\"");
    }
    if symptom.metric == Metric::Restarts {
        return format!("it restarted {:.0} times within a short while, none of it planned", symptom.value);
    }
    let metric = symptom.metric;
    let says = format!("its {} {} {}", metric.title(), metric.verb(), metric.show(symptom.value));
    match symptom.normal {
        Some(normal) => format!("{says}, normal is {}", metric.show(normal)),
        None => says,
    }
}

/// A witness other than the metrics: the service's health endpoint or its log.
fn witness(input: &DiagnosisInput<'_>, service: &ServiceName) -> Option<String> {
    let probe = input.probes.iter().find(|p| p.service == *service && p.healthy == Some(false));
    if let Some(probe) = probe {
        let is_endpoint = probe.evidence.source == EvidenceSource::HealthProbe;
        return Some(if is_endpoint {
            "its health endpoint fails".into()
        } else {
            probe.evidence.excerpt.clone()
        });
    }
    let log = input.logs.iter().find(|l| l.service == *service && l.errors + l.warnings > 0)?;
    let top = log.top.as_ref().map_or(String::new(), |top| format!(", most often \"{top}\""));
    Some(format!("its log shows {} errors and {} warnings{top}", log.errors, log.warnings))
}
