//! What an alert is about: the service, the kind of trouble and a title, read off its labels.

use super::entity::entity_of;
use midwatch_model::label::value_of;
use midwatch_model::redact::redact;
use midwatch_model::{Alert, Cause, ServiceName, Signal, SignalId, SignalKind, Timestamp, after};

/// The label with which a rule may say what its alert looks like, from the catalogue of causes.
pub const CAUSE_LABEL: &str = "midwatch_cause";

/// Labels that name the service, the most telling first.
pub(super) const SERVICE_LABELS: [&str; 10] = [
    "service",
    "service_name",
    "app_kubernetes_io_name",
    "app",
    "deployment",
    "statefulset",
    "daemonset",
    "job",
    "container",
    "namespace",
];

/// Words in an alert's name or text, and what they stand for. The first that occurs wins, so the more telling come first.
pub(super) const CAUSE_WORDS: [(&str, Cause); 24] = [
    ("crashloop", Cause::CrashLoop),
    ("crash loop", Cause::CrashLoop),
    ("restart", Cause::CrashLoop),
    ("oom", Cause::MemoryLeak),
    ("memory", Cause::MemoryLeak),
    ("heap", Cause::MemoryLeak),
    ("connection pool", Cause::DbConnectionExhaustion),
    ("connectionpool", Cause::DbConnectionExhaustion),
    ("too many connections", Cause::DbConnectionExhaustion),
    ("consumer", Cause::ConsumerLag),
    ("queue", Cause::ConsumerLag),
    ("backlog", Cause::ConsumerLag),
    ("rollout", Cause::DeploymentFailure),
    ("deployment failed", Cause::DeploymentFailure),
    ("cpu", Cause::CpuSaturation),
    ("throttl", Cause::CpuSaturation),
    ("latency", Cause::LatencySpike),
    ("slow", Cause::LatencySpike),
    ("p99", Cause::LatencySpike),
    ("traffic", Cause::TrafficSpike),
    ("request rate", Cause::TrafficSpike),
    ("unreachable", Cause::DependencyFailure),
    ("down", Cause::DependencyFailure),
    ("absent", Cause::DependencyFailure),
];

/// Seconds before which an alert's start says nothing about the incident of now: a week. It is kept with the alert.
const ONSET_S_MAX: f64 = 604_800.0;

/// The service that an alert is about: a label that names one, else one that nearly does ("API Service"), else the
/// alert's own name.
#[must_use]
pub fn service_of(alert: &Alert) -> ServiceName {
    let labels = SERVICE_LABELS.iter().map(|label| value_of(&alert.labels, label));
    let exact = labels.clone().map(ServiceName::new).find(ServiceName::is_valid);
    let near = || labels.map(|text| slug(&text.to_lowercase())).find(ServiceName::is_valid);
    let name = || Some(slug(value_of(&alert.labels, "alertname"))).filter(ServiceName::is_valid);
    exact.or_else(near).or_else(name).unwrap_or_else(|| ServiceName::new("unknown"))
}

/// The text with a dash for whatever a service's name cannot hold.
pub(crate) fn slug(text: &str) -> ServiceName {
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text: String = text.chars().map(|c| if usable(c) { c } else { '-' }).take(63).collect();
    ServiceName::new(text.trim_matches(['-', '_', '.']))
}

/// What the alert looks like.
#[must_use]
pub fn cause_of(alert: &Alert) -> Cause {
    if let Ok(cause) = value_of(&alert.labels, CAUSE_LABEL).parse() {
        return cause;
    }
    let text = format!("{} {}", value_of(&alert.labels, "alertname"), title_of(alert)).to_lowercase();
    let found = CAUSE_WORDS.iter().find(|(word, _)| text.contains(word));
    found.map_or(Cause::ErrorRateSpike, |(_, cause)| *cause)
}

/// One line for a person: what the sender wrote, else the alert's name.
#[must_use]
pub fn title_of(alert: &Alert) -> String {
    let written =
        ["summary", "title", "description", "message"].map(|name| value_of(&alert.annotations, name));
    let line = written.into_iter().find(|text| !text.trim().is_empty());
    let text = line.unwrap_or_else(|| value_of(&alert.labels, "alertname")).trim();
    let text = text.lines().next().unwrap_or_default();
    if text.is_empty() { "an alert without a name".into() } else { text.chars().take(300).collect() }
}

/// The alert as a signal that arrived at `now`.
#[must_use]
pub fn signal_of(alert: &Alert, id: SignalId, now: Timestamp) -> Signal {
    Signal {
        id,
        kind: SignalKind::Alert,
        origin: alert.source.clone(),
        service: service_of(alert),
        metric: None,
        class: cause_of(alert),
        onset_at: alert.starts_at.clamp(after(now, -ONSET_S_MAX), now),
        detected_at: now,
        value: 0.0,
        sigma: 0.0,
        baseline: None,
        summary: redact(&title_of(alert)).into_owned(),
        evidence: None,
        entity: entity_of(alert),
        severity: Some(alert.severity),
        ahead: None,
        alert_name: Some(redact(value_of(&alert.labels, "alertname")).into_owned())
            .filter(|name| !name.is_empty()),
    }
}
