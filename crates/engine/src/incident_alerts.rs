//! Incidents on the desk: what people are told of them goes through the routing tree as alerts do.
//!
//! These alerts are only in memory: the journal says what they are, the notification log who was told, and a restart
//! makes them again from both. They never come near the intake log, so that none can open an incident.

use crate::desk::{Desk, Held};
use crate::{Engine, EngineConfig, EngineError};
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::{Alert, Fingerprint, IncidentId, SignalId, Timestamp};
use midwatch_report::{IncidentAlerts, ToldIncidents, incident_alerts, tells_of_incident};
use midwatch_store::Store;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Incidents whose alerts are on the desk.
pub(crate) type Followed = HashMap<IncidentId, Follow>;

/// An incident whose alerts are on the desk.
pub(crate) struct Follow {
    /// Records of its stream that these were made from.
    seq: u64,
    pub parent: Option<IncidentId>,
    /// Whether a person has taken it up: then nobody is told the same again.
    pub acknowledged: bool,
    /// Its alerts of both kinds, those that are over among them.
    pub alerts: Vec<Fingerprint>,
}

impl EngineConfig {
    /// Whether anybody is told of any incident.
    pub(crate) fn tells_incidents(&self) -> bool {
        self.told_incidents != ToldIncidents::Off && !self.routing.is_empty()
    }
}

impl Engine {
    /// Takes up what a stream says that people should hear.
    pub(crate) async fn follow(&self, lines: &[Line]) {
        if !self.config.tells_incidents() {
            return;
        }
        let mut desk = self.desk.lock().await;
        let news = desk.follow(lines, &self.config, self.now());
        if desk.threads.touch(lines) || news {
            self.tell.notify_one();
        }
    }
}

impl Desk {
    /// Takes up the incidents that are open, and those of whose end somebody has yet to hear.
    pub(crate) async fn follow_all(
        &mut self,
        config: &EngineConfig,
        store: &Store,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        self.followed.clear();
        if !config.tells_incidents() {
            return Ok(());
        }
        let mut ids: BTreeSet<IncidentId> =
            self.log.values().flat_map(|logged| logged.incidents.iter().cloned()).collect();
        let open = store.incidents(true, u32::MAX).await?;
        ids.extend(open.into_iter().map(|row| IncidentId::new(row.id)));
        for id in ids {
            let Some(journal) = store.read_intact(&StreamId::Incident(id)).await? else { continue };
            self.follow(journal.lines(), config, now);
        }
        Ok(())
    }

    /// Takes up what a stream says. Gives whether it says something else than before.
    pub(crate) fn follow(&mut self, lines: &[Line], config: &EngineConfig, now: Timestamp) -> bool {
        let Some(Entry::Opened { incident: id, .. }) = lines.first().map(|line| &line.entry) else {
            return false;
        };
        if self.followed.get(id).is_some_and(|follow| follow.seq == lines.len() as u64) {
            return false;
        }
        let Some(made) = incident_alerts(lines, config.told_incidents, &config.external_url) else {
            return false;
        };
        let alerts = made.alerts.iter().map(Alert::fingerprint).collect();
        let (parent, acknowledged) = (made.parent.clone(), made.acknowledged);
        let follow = Follow { seq: made.seq, parent, acknowledged, alerts };
        self.followed.insert(made.incident.clone(), follow);
        self.put_incident(made, now)
    }

    fn put_incident(&mut self, made: IncidentAlerts, now: Timestamp) -> bool {
        let rows: Arc<[SignalId]> = made.anomalies.into();
        let mut news = false;
        for alert in made.alerts {
            let fingerprint = alert.fingerprint();
            let over = alert.is_resolved(now);
            let known = self.get(fingerprint).map(|held| held.alert.is_resolved(now));
            if over && !self.is_told_firing(fingerprint) {
                // Nobody heard of it, and nobody need hear of its end.
                self.drop_own(fingerprint);
                continue;
            }
            news |= known != Some(over);
            self.tell_of(&made.incident, alert, rows.clone(), now);
        }
        news
    }

    /// Whether a receiver was told that it fires, and not of its end.
    pub(crate) fn is_told_firing(&self, fingerprint: Fingerprint) -> bool {
        self.log.values().any(|logged| logged.firing.contains(&fingerprint))
    }

    /// When a receiver was last told that any of these fire, and not of their end.
    pub(crate) fn told_firing_at(&self, alerts: &[Fingerprint], receiver: &str) -> Option<Timestamp> {
        let logged = self.log.iter().filter(|((target, _), _)| crate::desk::receiver_of(target) == receiver);
        let firing = logged.filter(|(_, logged)| alerts.iter().any(|alert| logged.firing.contains(alert)));
        firing.map(|(_, logged)| logged.at).max()
    }

    fn tell_of(&mut self, incident: &IncidentId, alert: Alert, rows: Arc<[SignalId]>, now: Timestamp) {
        let fingerprint = alert.fingerprint();
        let quiet = self.get(fingerprint).and_then(|held| held.quiet.clone());
        let held = Held::of_incident(SignalId::new(incident.as_str()), alert, rows, quiet);
        self.put_own(held);
        if !self.groups.holds(fingerprint) {
            self.group(fingerprint, now);
        }
    }

    fn drop_own(&mut self, fingerprint: Fingerprint) {
        if self.get(fingerprint).is_some_and(Held::is_own) {
            self.groups.remove(fingerprint);
            self.remove_own(fingerprint);
        }
    }

    /// Whether an alert that came in is one that midwatch itself sent out and that has found its way back.
    pub(crate) fn came_back(&self, alert: &Alert, config: &EngineConfig) -> bool {
        let ours = alert.generator_url.strip_prefix(&config.external_url);
        let ours = ours.is_some_and(|path| path.is_empty() || path.starts_with(['/', '?', '#']));
        self.get(alert.fingerprint()).is_some_and(Held::is_own) || (tells_of_incident(alert) && ours)
    }
}
