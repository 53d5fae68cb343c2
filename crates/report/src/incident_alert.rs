//! An incident as people are told of it: alerts that midwatch makes from the incident's journal and that go through the
//! routing tree as every other alert does.
//!
//! Everything that identifies such an alert comes from the journal alone, so that a restart makes the same ones again.

pub(crate) mod words;

use midwatch_incident::{Incident, State};
use midwatch_model::journal::Line;
use midwatch_model::{
    Alert, Cause, IncidentId, Labels, ServiceName, Severity, SignalId, SignalKind, Timestamp, Verdict,
};
use std::collections::BTreeMap;

/// `alertname` of the alert that fires from an incident's first verdict until its end.
pub const INCIDENT_ALERT: &str = "MidwatchIncident";

/// `alertname` of the alert that fires while the incident cannot go on without a person.
pub const PERSON_ALERT: &str = "MidwatchNeedsPerson";

/// Where these alerts come from.
pub const INCIDENT_SOURCE: &str = "midwatch";

/// The best guess is below this no cause that a route should go by; as for the verdict's own sentence.
const CAUSE_FROM: f64 = 0.5;

/// Which incidents people are told of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ToldIncidents {
    /// None: only alerts from outside are told.
    Off,
    /// Those that midwatch's own detectors saw something of. Of those that only alerts from outside speak of, whose
    /// alerts are told already, only that an action waits for approval.
    #[default]
    Own,
    /// Every incident.
    All,
}

/// What keeps an incident from going on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Needs {
    /// An action waits for a person's yes.
    Approval,
    /// It was handed over.
    Takeover,
}

/// What people are told of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentAlerts {
    pub incident: IncidentId,
    /// The incident that it is a child of.
    pub parent: Option<IncidentId>,
    /// Alerts that fire or have fired, each with its latest episode.
    pub alerts: Vec<Alert>,
    /// Whether a person has taken it up.
    pub acknowledged: bool,
    /// The anomalies that midwatch found itself: what becomes of the telling is put on their record.
    pub anomalies: Vec<SignalId>,
    /// Records of the stream that this was made from.
    pub seq: u64,
}

/// Anomalies of one incident on whose record the telling is put at most: enough for whoever asks about one of them, and
/// a bound for how much one notification writes.
const ON_RECORD_MAX: usize = 32;

/// What identifies an alert beside its incident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Face {
    needs: Option<Needs>,
    service: ServiceName,
    severity: Severity,
    cause: Option<Cause>,
}

/// Since when it fires, and until when it did.
struct Episode {
    since: Timestamp,
    until: Option<Timestamp>,
}

/// The alerts of an incident, from its journal. `url` is where people reach midwatch.
#[must_use]
pub fn incident_alerts(lines: &[Line], which: ToldIncidents, url: &str) -> Option<IncidentAlerts> {
    let mut episodes: BTreeMap<Face, Episode> = BTreeMap::new();
    let (mut own, mut diagnosed, mut severity) = (false, false, Severity::Info);
    let mut seen = 0;
    let incident = Incident::fold_each(lines, |incident, line| {
        // Signals that were split off make them fewer.
        let joined = incident.signals.get(seen..).unwrap_or_default();
        own |= joined.iter().any(|signal| signal.kind != SignalKind::Alert);
        let told = joined.iter().filter_map(|signal| signal.severity).max();
        seen = incident.signals.len();
        diagnosed |= incident.verdict.is_some();
        // It may get worse and stays as bad as it was: a label that goes up and down would tell the same again.
        severity = severity.max(severity_of(incident.verdict.as_ref())).max(told.unwrap_or(Severity::Info));
        let wanted = faces(incident, severity, which, (own, diagnosed));
        for (face, episode) in &mut episodes {
            if episode.until.is_none() && !wanted.contains(face) {
                episode.until = Some(line.at);
            }
        }
        for face in wanted {
            let runs = episodes.get(&face).is_some_and(|episode| episode.until.is_none());
            if !runs {
                let first = !episodes.keys().any(|other| other.needs.is_none());
                let since = if first && face.needs.is_none() { incident.opened_at } else { line.at };
                episodes.insert(face, Episode { since, until: None });
            }
        }
    })?;
    let at = lines.last().map_or(incident.opened_at, |line| line.at);
    let alerts = episodes.into_iter().map(|(face, episode)| alert(&incident, face, &episode, at, url));
    let anomalies = incident.signals.iter().filter(|signal| signal.kind != SignalKind::Alert);
    Some(IncidentAlerts {
        alerts: alerts.collect(),
        anomalies: anomalies.map(|signal| signal.id.clone()).take(ON_RECORD_MAX).collect(),
        acknowledged: incident.acknowledged.is_some(),
        seq: incident.seq,
        parent: incident.parent,
        incident: incident.id,
    })
}

/// What an incident needs a person for.
pub(crate) fn needs_of(incident: &Incident) -> Option<Needs> {
    match incident.state {
        State::AwaitingApproval => Some(Needs::Approval),
        State::Escalated => Some(Needs::Takeover),
        _ => None,
    }
}

/// What is to be known of an incident first, without a full stop: the verdict, and what it waits for or how it ended.
pub(crate) fn summary(incident: &Incident) -> String {
    words::summary(incident, needs_of(incident)).trim_end_matches('.').to_owned()
}

/// What should fire for an incident as it stands.
fn faces(
    incident: &Incident,
    severity: Severity,
    told: ToldIncidents,
    (own, diagnosed): (bool, bool),
) -> Vec<Face> {
    let needs = needs_of(incident);
    let in_full = match told {
        ToldIncidents::Off => return Vec::new(),
        ToldIncidents::Own => own,
        ToldIncidents::All => true,
    };
    if !incident.state.is_open() || !(diagnosed || needs.is_some()) {
        return Vec::new();
    }
    let face = |needs| Face {
        needs,
        service: incident.component().clone(),
        severity,
        cause: cause_of(incident.verdict.as_ref()),
    };
    let mut faces = Vec::new();
    if in_full {
        faces.push(face(None));
    }
    if needs.is_some() && (in_full || needs == Some(Needs::Approval)) {
        faces.push(face(needs));
    }
    faces
}

pub(crate) fn cause_of(verdict: Option<&Verdict>) -> Option<Cause> {
    let root = verdict.and_then(Verdict::root)?;
    (root.confidence >= CAUSE_FROM).then_some(root.cause)
}

pub(crate) fn severity_of(verdict: Option<&Verdict>) -> Severity {
    verdict.map_or(Severity::Warning, Verdict::severity)
}

fn alert(incident: &Incident, face: Face, episode: &Episode, at: Timestamp, url: &str) -> Alert {
    let name = if face.needs.is_some() { PERSON_ALERT } else { INCIDENT_ALERT };
    let cause = face.cause.map_or("unknown", Cause::name);
    let severity: &str = face.severity.into();
    let mut labels: Labels = [
        ("alertname", name),
        ("incident", incident.id.as_str()),
        ("service", face.service.as_str()),
        ("severity", severity),
        ("cause", cause),
    ]
    .into_iter()
    .map(|(label, value)| (label.to_owned(), value.to_owned()))
    .collect();
    if let Some(needs) = face.needs {
        labels.insert("needs", <&str>::from(needs).to_owned());
    }
    Alert {
        source: INCIDENT_SOURCE.into(),
        id: None,
        labels,
        annotations: words::annotations(incident, face.needs),
        starts_at: episode.since,
        // Nobody has to repeat it: it is over when the journal says so.
        ends_at: episode.until.unwrap_or(Timestamp::MAX),
        timeout: false,
        generator_url: format!("{url}/incidents/{}", incident.id),
        severity: face.severity,
        acknowledged: None,
        original: Default::default(),
        occurred_at: None,
        updated_at: at,
    }
}

/// Whether an alert tells of an incident of some midwatch: it must open none itself, by whatever way it came back.
#[must_use]
pub fn tells_of_incident(alert: &Alert) -> bool {
    let is_ours = |text: &str| text == INCIDENT_ALERT || text == PERSON_ALERT;
    alert.labels.values().chain(alert.annotations.values()).any(is_ours)
}
