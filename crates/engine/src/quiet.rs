//! What keeps an alert quiet, in words that name whoever is to be asked about it.

use crate::desk::{Desk, Suppression};
use crate::observe::{step, word_of};
use crate::{Engine, EngineError};
use midwatch_model::journal::Registration;
use midwatch_model::label::value_of;
use midwatch_model::silence::{Silence, SilenceKind};
use midwatch_model::{
    Alert, Fingerprint, HandlingStep, Labels, Metric, ServiceName, Signal, SignalId, Timestamp,
};
use midwatch_oncall::Why;
use midwatch_report::{IncidentRoute, ToldIncidents};
use midwatch_signal::source::service_of;
use midwatch_store::{Commit, IntakeRow, PutOff};
use std::collections::{BTreeMap, BTreeSet};

impl Desk {
    /// Why an alert is kept quiet.
    pub(crate) fn sentence(&self, suppression: &Suppression) -> String {
        let silence = suppression.silenced_by.first().and_then(|id| self.silences.get(id));
        match (silence, suppression.inhibited_by) {
            (Some(silence), _) => sentence_of(silence),
            (None, Some(source)) => format!("inhibited by the firing alert {}", self.named(source)),
            (None, None) => "nothing keeps it quiet".into(),
        }
    }

    /// Ids of the silences that mute an alert. Maintenance of a service is of the service that the alert is about, whichever
    /// label names it.
    pub(crate) fn silenced_by(&self, alert: &Alert, now: Timestamp) -> Vec<String> {
        let mut ids: Vec<String> =
            self.silences.muting(&alert.labels, now).map(|silence| silence.id.clone()).collect();
        if ids.is_empty() && self.silences.any_maintenance(now) {
            let mut labels = alert.labels.clone();
            labels.insert("service", service_of(alert).to_string());
            ids.extend(self.silences.maintenance(&labels, now).map(|silence| silence.id.clone()));
        }
        ids
    }

    /// The services that people have put into maintenance, and until when.
    pub(crate) fn in_maintenance(
        &self,
        services: &[Registration],
        now: Timestamp,
    ) -> BTreeMap<ServiceName, String> {
        if !self.silences.any_maintenance(now) {
            return BTreeMap::new();
        }
        let of = |service: &Registration| {
            let namespace = service.namespace.clone().map(|namespace| ("namespace".to_owned(), namespace));
            let labels: Labels =
                namespace.into_iter().chain([("service".into(), service.name.clone())]).collect();
            let maintenance = self.silences.maintenance(&labels, now)?;
            Some((ServiceName::new(&service.name), sentence_of(maintenance)))
        };
        services.iter().filter_map(of).collect()
    }

    fn can_be_told(&self, alert: &Alert) -> bool {
        let has_way = |name: &String| {
            self.receivers.get(name).is_some_and(|receiver| !receiver.integrations.is_empty())
        };
        self.receivers_of(alert).iter().any(has_way)
    }

    fn named(&self, fingerprint: Fingerprint) -> String {
        let name = self.get(fingerprint).map(|held| value_of(&held.alert.labels, "alertname"));
        match name.filter(|name| !name.is_empty()) {
            Some(name) => format!("{name} ({fingerprint})"),
            None => fingerprint.to_string(),
        }
    }
}

/// What a silence is known by to whoever asks why nothing was heard.
fn sentence_of(silence: &Silence) -> String {
    let (id, by, comment) = (&silence.id, &silence.created_by, &silence.comment);
    let until = silence.ends_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    match silence.kind {
        SilenceKind::Silence => format!("muted by silence {id} ({by}: {comment}) until {until}"),
        SilenceKind::Maintenance => format!("in maintenance until {until}: {comment} ({by}, {id})"),
    }
}

/// Why an anomaly was put off last, if it is put off.
fn put_off_for(row: &IntakeRow) -> Option<&str> {
    let last = row.handling.last().filter(|step| word_of(step) == HandlingStep::Suppressed)?;
    last["detail"].as_str()
}

impl Engine {
    /// Takes midwatch's own anomalies about what is in maintenance out of what waits: they are looked at again when it
    /// ends. What is well again then opens no incident.
    pub(crate) async fn hold_anomalies(
        &self,
        pending: Vec<IntakeRow>,
    ) -> Result<Vec<IntakeRow>, EngineError> {
        let (anomalies, mut free): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|row| row.alert.is_none());
        if anomalies.is_empty() {
            return Ok(free);
        }
        let (now, well) = (self.now(), self.well().await);
        let desk = self.desk.lock().await;
        let mut commit = Commit::default();
        for row in anomalies {
            let Ok(signal) = serde_json::from_slice::<Signal>(&row.payload) else {
                free.push(row);
                continue;
            };
            let (id, labels) = (SignalId::new(&row.id), signal.labels());
            if let Some(maintenance) = desk.silences.maintenance(&labels, now) {
                let reason = sentence_of(maintenance);
                let news = put_off_for(&row) != Some(&reason);
                let step = news.then(|| step(&id, HandlingStep::Suppressed, reason, now));
                commit.put_off.push(PutOff { id: row.id, until: maintenance.ends_at, step });
            } else if put_off_for(&row).is_some()
                && signal.metric.is_some_and(|metric| well.contains(&(signal.service.clone(), metric)))
            {
                let detail = "it is well again after the maintenance, and opens no incident";
                commit.handled.push((row.id, step(&id, HandlingStep::Over, detail.into(), now), None, true));
            } else {
                free.push(row);
            }
        }
        drop(desk);
        if !(commit.put_off.is_empty() && commit.handled.is_empty()) {
            self.store.commit(commit).await?;
        }
        free.sort_by(|a, b| (a.received_at, &a.id).cmp(&(b.received_at, &b.id)));
        Ok(free)
    }

    /// Series that were read lately and are normal. A missing sample is never a good one.
    async fn well(&self) -> BTreeSet<(ServiceName, Metric)> {
        let series = self.series().await.into_iter();
        series.filter(|s| !s.suspicious && !s.stale).map(|s| (s.service, s.metric)).collect()
    }

    /// Whether one of the receivers of an alert has a way to be told.
    pub async fn can_be_told(&self, alert: &Alert) -> bool {
        self.desk.lock().await.can_be_told(alert)
    }

    /// Whether people can hear of an incident as such.
    pub async fn incident_route(&self, incident: &str) -> IncidentRoute {
        if self.config.routing.is_empty() {
            return IncidentRoute::NoRoute;
        }
        if self.config.told_incidents == ToldIncidents::Off {
            return IncidentRoute::Off;
        }
        let desk = self.desk.lock().await;
        let mut alerts = desk.all().filter(|held| held.is_own() && held.id.as_str() == incident).peekable();
        if alerts.peek().is_some() && !alerts.any(|held| desk.can_be_told(&held.alert)) {
            return IncidentRoute::NoWay;
        }
        IncidentRoute::Routed
    }
}

/// Whether a notification says that something fires, by the reason on record.
#[must_use]
pub fn pages(why: &str) -> bool {
    why.parse::<Why>().is_ok_and(Why::pages)
}
