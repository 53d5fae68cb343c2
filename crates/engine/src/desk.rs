//! The desk: every alert that is known now, what may keep it quiet, and who is to be told of it.
//!
//! All of it is in memory and can be read from the store again at any time; it is after a write that failed, because
//! memory may then say more than the store.

use crate::incident_alerts::Followed;
use crate::observe::{received, step};
use crate::{EngineConfig, EngineError};
use midwatch_incident::{DedupConfig, Flaps, Inhibitor, Originals, Silences};
use midwatch_model::journal::{Entry, StreamId};
use midwatch_model::{
    Alert, Duplicate, Fingerprint, Labels, ServiceName, SignalId, Timestamp, after, seconds_between,
};
use midwatch_oncall::{Cooldown, Groups, Logged, Receiver};
use midwatch_report::{Message, MessageAlert, tells_of_incident};
use midwatch_signal::source::{service_of, signal_of};
use midwatch_store::{Commit, IntakeRow, Retold, Store};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Seconds for which an alert that is over is still known: one that comes back meanwhile without a gap is the same
/// episode, and clients can still see how it ended. Alertmanager forgets at the same pace.
pub(crate) const KEPT_S: f64 = 900.0;

/// Alerts that are held at most; beyond it the oldest that are over are forgotten at once. About 1.5 KB each.
const HELD_MAX: usize = 200_000;

/// Seconds between two looks for alerts that can be forgotten.
const SWEEP_EVERY_S: f64 = 10.0;

/// Seconds between two times at which rows catch up with what was told: what a restart has to read again at most.
const CATCH_UP_EVERY_S: f64 = 3.0;

/// Steps that say that an alert was not told of, or not yet.
pub(crate) const NOT_TOLD: &str = "not told";
pub(crate) const PUT_OFF: &str = "put off";

/// Alerts whose rows are behind from which catching up does not wait.
const BEHIND_MAX: usize = 20_000;

/// An alert's episode.
#[derive(Clone, Debug)]
pub struct Held {
    pub id: SignalId,
    pub alert: Alert,
    /// Set while a silence or another alert keeps it from opening or joining an incident.
    pub suppressed: bool,
    /// What it is about.
    pub service: ServiceName,
    /// The alert that it repeats: while that one fires, this one is told of by it.
    pub duplicate: Option<Duplicate>,
    /// How often it was told.
    pub(crate) told: u64,
    /// Whether its row does not say so yet.
    behind: bool,
    /// Whether its words are others than those of its row.
    reworded: bool,
    /// Whether its row says that it is over.
    pub(crate) ended: bool,
    /// Why it was last not told of to a receiver, as put on record.
    pub(crate) quiet: Option<String>,
    /// Set where it tells of an incident: the signals on whose record its telling is put.
    own: Option<Arc<[SignalId]>>,
}

/// What keeps an alert quiet at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppression {
    /// Ids of the silences that mute it.
    pub silenced_by: Vec<String>,
    /// The alert that explains it.
    pub inhibited_by: Option<Fingerprint>,
}

impl Suppression {
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.silenced_by.is_empty() && self.inhibited_by.is_none()
    }
}

/// An alert with what keeps it quiet and who is told of it.
#[derive(Clone, Debug)]
pub struct Known {
    pub held: Held,
    pub suppression: Suppression,
    pub receivers: Vec<String>,
}

/// A group in which alerts are told of.
#[derive(Clone, Debug)]
pub struct KnownGroup {
    pub receiver: String,
    pub labels: Labels,
    /// Names of the time intervals that keep it quiet.
    pub muted_by: Vec<String>,
    pub alerts: Vec<Known>,
}

/// A receiver's integration and a group's key.
pub(crate) type TargetGroup = (String, String);

/// A notification that has not arrived yet.
pub(crate) struct Underway {
    pub id: String,
    pub alerts: Vec<MessageAlert>,
}

/// All alerts that are known now, what may keep them quiet, and who is told.
#[derive(Default)]
pub struct Desk {
    held: HashMap<Fingerprint, Held>,
    /// The alerts about each service.
    about: HashMap<ServiceName, HashSet<Fingerprint>>,
    pub silences: Silences,
    pub(crate) inhibitor: Inhibitor,
    pub(crate) groups: Groups,
    pub(crate) receivers: HashMap<String, Receiver>,
    /// What each receiver knows of each group.
    pub(crate) log: HashMap<TargetGroup, Logged>,
    pub(crate) underway: HashMap<TargetGroup, Underway>,
    pub(crate) cooldown: Cooldown,
    /// How alerts are compared, if they are.
    pub(crate) dedup: Option<DedupConfig>,
    /// Alerts that others may repeat.
    pub(crate) originals: Originals,
    pub(crate) flaps: Flaps,
    /// Incidents of which people are told.
    pub(crate) followed: Followed,
    /// Whether a write failed, so that memory may say more than the store.
    pub(crate) stale: bool,
    /// Alerts whose rows do not reflect yet how they were last told.
    behind: Vec<Fingerprint>,
    /// Number of the last delivery.
    last_delivery: u64,
    /// The delivery up to which rows were last asked to be written.
    caught_up_to: u64,
    caught_up_at: Option<Timestamp>,
    /// When alerts that are over were last forgotten.
    swept_at: Option<Timestamp>,
}

/// What the store has to be told of an alert.
pub(crate) enum Change {
    New(Box<IntakeRow>),
    /// It is over, or otherwise news.
    News(Box<Retold>),
    /// What the store hears of later.
    Repeated,
}

impl Desk {
    pub(crate) async fn load(
        config: &EngineConfig,
        store: &Store,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        let receivers = config.receivers.iter().map(|r| (r.name.clone(), r.clone())).collect();
        let dedup = config.dedup.compares().then(|| config.dedup.clone());
        let groups = Groups::new(config.routing.clone());
        let mut desk = Self { receivers, groups, dedup, ..Self::default() };
        let lost = desk.reload(config, store, now).await?;
        if !lost.is_empty() {
            store.commit(Commit { intake: lost, ..Commit::default() }).await?;
        }
        Ok(desk)
    }

    /// Reads everything from the store. Gives the rows of alerts whose delivery is durable and whose row is not.
    pub(crate) async fn reload(
        &mut self,
        config: &EngineConfig,
        store: &Store,
        now: Timestamp,
    ) -> Result<Vec<IntakeRow>, EngineError> {
        self.stale = true;
        self.held.clear();
        self.about.clear();
        self.behind.clear();
        self.caught_up_to = 0;
        self.originals = Originals::default();
        self.flaps = Flaps::new(config.flap.clone());
        self.inhibitor = Inhibitor::new(config.inhibit_rules.clone());
        self.read_silences(store).await?;
        self.read_log(store, now).await?;
        let deliveries = store.deliveries_not_told().await?;
        let oldest = deliveries.first().map_or(now, |delivery| delivery.received_at.min(now));
        let since = after(oldest, -config.flap.memory_s().max(KEPT_S));
        for row in store.alerts_since(since).await? {
            self.put_back(row, now);
        }
        let mut lost = Vec::new();
        for delivery in &deliveries {
            let (alerts, _) =
                match config.alerts_of(&delivery.source, &delivery.body.read()?, delivery.received_at) {
                    Ok(read) => read,
                    Err(error) => {
                        tracing::error!(delivery.seq, %error, "a delivery cannot be read again; it is kept");
                        continue;
                    }
                };
            let from = format!("{} ({}) in delivery {}", delivery.source, delivery.sender, delivery.seq);
            for (index, alert) in alerts.into_iter().enumerate() {
                if self.came_back(&alert, config) {
                    continue;
                }
                self.take_again(alert, format!("alt-{}-{index}", delivery.seq), &from, &mut lost);
            }
        }
        self.last_delivery = store.last_delivery().await?;
        self.regroup(now);
        self.follow_all(config, store, now).await?;
        self.stale = false;
        Ok(lost)
    }

    async fn read_silences(&mut self, store: &Store) -> Result<(), EngineError> {
        self.silences = Silences::default();
        for line in store.read(&StreamId::Silences).await?.lines() {
            if let Entry::SilenceSet { silence } = &line.entry {
                self.silences.put(silence.clone());
            }
        }
        Ok(())
    }

    async fn read_log(&mut self, store: &Store, now: Timestamp) -> Result<(), EngineError> {
        self.log.clear();
        self.underway.clear();
        self.cooldown = Cooldown::default();
        for row in store.notification_log().await? {
            let Ok(logged) = serde_json::from_str::<Logged>(&row.entry) else { continue };
            if let Some(paged) = &logged.paged {
                self.cooldown.told(receiver_of(&row.target), &paged.about, paged.at);
            }
            if logged.is_valid(now) {
                self.log.insert((row.target, row.group_key), logged);
            }
        }
        for pending in store.notifications_pending(u32::MAX).await? {
            let message: Option<Message> = serde_json::from_slice(&pending.body).ok();
            let alerts = message.map(|message| message.alerts).unwrap_or_default();
            self.underway.insert((pending.target, pending.group_key), Underway { id: pending.id, alerts });
        }
        Ok(())
    }

    /// Puts an episode on the desk, in the place of the one before.
    pub(crate) fn hold(&mut self, held: Held) {
        let fingerprint = held.alert.fingerprint();
        self.about.entry(held.service.clone()).or_default().insert(fingerprint);
        if let Some(before) = self.held.insert(fingerprint, held)
            && self.held[&fingerprint].service != before.service
        {
            self.not_about(&before.service, fingerprint);
        }
    }

    fn not_about(&mut self, service: &ServiceName, fingerprint: Fingerprint) {
        if let Some(alerts) = self.about.get_mut(service) {
            alerts.remove(&fingerprint);
            if alerts.is_empty() {
                self.about.remove(service);
            }
        }
    }

    /// Whether an alert about the service fires at `now`, or counts as firing.
    #[must_use]
    pub fn fires(&self, service: &ServiceName, now: Timestamp) -> bool {
        let alerts = self.about.get(service).into_iter().flatten();
        alerts.filter_map(|alert| self.held.get(alert)).any(|held| !self.is_over(&held.alert, now))
    }

    /// Takes in what an earlier process, or this one before a failed write, has acknowledged.
    fn take_again(&mut self, alert: Alert, fresh: String, from: &str, lost: &mut Vec<IntakeRow>) {
        let (at, fingerprint) = (alert.updated_at, alert.fingerprint());
        if self.held.get(&fingerprint).is_some_and(|held| held.alert.updated_at >= at) {
            return;
        }
        match self.take(alert, || SignalId::new(fresh), from, at) {
            Change::New(row) => lost.push(*row),
            // That it ended is put on record with the next catch-up, too.
            Change::News(retold) => {
                if let Some(held) =
                    self.held.get_mut(&fingerprint).filter(|held| held.id.as_str() == retold.id)
                {
                    held.ended = false;
                }
            }
            Change::Repeated => {}
        }
    }

    /// Puts every alert back into its groups: those that fire, and those of whose end somebody has yet to hear.
    fn regroup(&mut self, now: Timestamp) {
        let tree = self.groups.shared_tree();
        self.groups = Groups::new(tree);
        let firing_in_log: BTreeSet<Fingerprint> =
            self.log.values().flat_map(|logged| logged.firing.iter().copied()).collect();
        let to_tell: Vec<Fingerprint> = self
            .held
            .iter()
            .filter(|(fingerprint, held)| {
                !self.is_over(&held.alert, now) || firing_in_log.contains(*fingerprint)
            })
            .map(|(fingerprint, _)| *fingerprint)
            .collect();
        for fingerprint in to_tell {
            self.group(fingerprint, now);
        }
    }

    /// Puts an alert into its groups. One that somebody was told of keeps its interval.
    pub(crate) fn group(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let Some(held) = self.held.get(&fingerprint) else { return };
        let (log, receivers) = (&self.log, &self.receivers);
        self.groups.insert(&held.alert, now, |route, labels| {
            let key = route.group_key(labels);
            let integrations = receivers.get(&route.receiver)?.integrations.iter();
            let told = integrations.filter_map(|i| log.get(&(i.target.clone(), key.clone())));
            told.map(|logged| logged.at).max()
        });
    }

    /// Every alert that is known, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    pub(crate) fn by_fingerprint(&self) -> impl Iterator<Item = (Fingerprint, &Held)> {
        self.held.iter().map(|(fingerprint, held)| (*fingerprint, held))
    }

    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Held> {
        self.held.get(&fingerprint)
    }

    /// Puts what is told of an incident on the desk. It is not among what fires about its service: an incident would keep
    /// itself open.
    pub(crate) fn put_own(&mut self, held: Held) {
        self.held.insert(held.alert.fingerprint(), held);
    }

    pub(crate) fn remove_own(&mut self, fingerprint: Fingerprint) {
        self.held.remove(&fingerprint);
    }

    pub(crate) fn get_mut(&mut self, fingerprint: Fingerprint) -> Option<&mut Held> {
        self.held.get_mut(&fingerprint)
    }

    /// What keeps an alert quiet now.
    #[must_use]
    pub fn suppression(&self, alert: &Alert, now: Timestamp) -> Suppression {
        let silenced_by = self.silenced_by(alert, now);
        Suppression { silenced_by, inhibited_by: self.inhibitor.inhibited_by(&alert.labels, now) }
    }

    /// Whether an alert is over. One that flaps is not before it is stable.
    pub(crate) fn is_over(&self, alert: &Alert, now: Timestamp) -> bool {
        alert.is_resolved(now) && self.flaps.flapping(alert.fingerprint(), now).is_none()
    }

    pub(crate) fn known(&self, held: &Held, now: Timestamp) -> Known {
        let (mut suppression, receivers) =
            (self.suppression(&held.alert, now), self.receivers_of(&held.alert));
        // To clients of Alertmanager's API an alert is explained by the one that it repeats.
        let repeated = held.duplicate.as_ref().map(|duplicate| duplicate.fingerprint);
        suppression.inhibited_by = suppression.inhibited_by.or(repeated);
        Known { held: held.clone(), suppression, receivers }
    }

    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        if self.swept_at.is_some_and(|at| seconds_between(at, now) < SWEEP_EVERY_S) {
            return;
        }
        self.swept_at = Some(now);
        let kept_s = if self.held.len() < HELD_MAX { KEPT_S } else { 0.0 };
        let since = after(now, -kept_s);
        let kept = |fingerprint: &Fingerprint, held: &Held| {
            held.alert.ends_at > since
                || held.behind
                || !held.ended
                || self.groups.holds(*fingerprint)
                || self.flaps.flapping(*fingerprint, now).is_some()
        };
        let gone: Vec<Fingerprint> = self
            .held
            .iter()
            .filter(|(fingerprint, held)| !kept(fingerprint, held))
            .map(|(fingerprint, _)| *fingerprint)
            .collect();
        for fingerprint in gone {
            if let Some(held) = self.held.remove(&fingerprint) {
                self.not_about(&held.service, fingerprint);
                self.originals.remove(fingerprint);
            }
        }
        self.flaps.forget(now);
        self.inhibitor.forget(since);
        self.log.retain(|_, logged| logged.is_valid(now));
        self.cooldown.forget(after(now, -self.groups.tree().longest_cooldown_s()));
        let held: BTreeSet<&str> =
            self.held.values().filter(|held| held.is_own()).map(|held| held.id.as_str()).collect();
        self.followed.retain(|incident, _| held.contains(incident.as_str()));
    }

    pub(crate) fn next_delivery(&mut self) -> u64 {
        self.last_delivery += 1;
        self.last_delivery
    }

    /// Takes an alert in and says what the store has to be told.
    pub(crate) fn take(
        &mut self,
        alert: Alert,
        fresh: impl FnOnce() -> SignalId,
        sender: &str,
        now: Timestamp,
    ) -> Change {
        self.inhibitor.note(&alert);
        let fingerprint = alert.fingerprint();
        let over = alert.is_resolved(now);
        let known = self.held.get_mut(&fingerprint);
        let ended_at = known.as_ref().map(|held| held.alert.ends_at).filter(|ends_at| *ends_at <= now);
        // What was over and fires again is an episode of its own, even if its sender calls it the old one.
        let same = |held: &&mut Held| held.alert.overlaps(&alert) && (ended_at.is_none() || over);
        let Some(held) = known.filter(same) else {
            return Change::New(Box::new(self.begin(alert, fresh(), sender, ended_at, now)));
        };
        let merged = alert.merge(&held.alert, now);
        let ends = (ended_at.is_none() && merged.is_resolved(now)).then_some(merged.ends_at);
        let reworded = !merged.same_words(&held.alert);
        let moved = reworded && merged.labels != held.alert.labels;
        held.reworded |= reworded;
        held.alert = merged;
        held.told += 1;
        let change = match ends {
            Some(at) => {
                let detail = format!("ends {}", at.strftime("%H:%M:%S UTC"));
                self.flaps.ends(fingerprint, at);
                self.originals.remove(fingerprint);
                Change::News(Box::new(held.end("resolved by its sender", detail, now)))
            }
            None => {
                if !held.behind {
                    held.behind = true;
                    self.behind.push(fingerprint);
                }
                Change::Repeated
            }
        };
        if moved {
            self.move_to_its_service(fingerprint);
            self.groups.remove(fingerprint);
            self.look_again(fingerprint);
        }
        if !self.groups.holds(fingerprint) {
            self.groups.insert(&self.held[&fingerprint].alert, now, |_, _| None);
        }
        change
    }

    fn begin(
        &mut self,
        alert: Alert,
        id: SignalId,
        sender: &str,
        ended_at: Option<Timestamp>,
        now: Timestamp,
    ) -> IntakeRow {
        let over = alert.is_resolved(now);
        let mut signal = signal_of(&alert, id.clone(), now);
        signal.onset_at = signal.onset_at.max(ended_at.unwrap_or(signal.onset_at));
        let mut row = received(&signal, now, sender);
        row.alert = Some(alert.clone());
        row.ended_at = over.then_some(alert.ends_at);
        if over {
            let detail = "it was over when it came in, and opens no incident";
            row.handling.push(step(&id, "resolved by its sender", detail.into(), now));
            row.done = true;
        }
        if tells_of_incident(&alert) {
            let detail = "it tells of an incident of another midwatch, and opens none here";
            row.handling.push(step(&id, "not correlated", detail.into(), now));
            row.done = true;
        }
        self.route(&mut row, &alert, &id, now);
        let fingerprint = alert.fingerprint();
        if let Some(ended_at) = ended_at {
            self.flaps.ends(fingerprint, ended_at);
        }
        if !over && self.flaps.begins(fingerprint, now).is_some() {
            row.handling.push(step(&id, "flapping", self.flaps.sentence(), now));
        }
        let mut held = Held::new(id, alert);
        held.ended = over;
        self.hold(held);
        self.recognise(fingerprint, now);
        row
    }

    fn move_to_its_service(&mut self, fingerprint: Fingerprint) {
        if let Some(mut held) = self.held.get(&fingerprint).cloned() {
            held.service = service_of(&held.alert);
            self.hold(held);
        }
    }

    /// Puts a new alert into its groups, and on record where it goes.
    fn route(&mut self, row: &mut IntakeRow, alert: &Alert, id: &SignalId, now: Timestamp) {
        self.groups.insert(alert, now, |_, _| None);
        let routes = self.routes_of(alert);
        if !routes.is_empty() {
            row.handling.push(step(id, "routed", format!("to {}", routes.join("; to ")), now));
        }
    }

    fn routes_of(&self, alert: &Alert) -> Vec<String> {
        let tree = self.groups.tree();
        let routes = tree.matching(&alert.labels).into_iter().filter_map(|id| tree.route(id));
        routes
            .map(|route| {
                format!("{} by {}", route.receiver, route.group_key(&route.group_labels(&alert.labels)))
            })
            .collect()
    }

    /// Names of the receivers that an alert goes to; none if nothing is routed.
    #[must_use]
    pub fn receivers_of(&self, alert: &Alert) -> Vec<String> {
        let tree = self.groups.tree();
        let routes = tree.matching(&alert.labels).into_iter().filter_map(|id| tree.route(id));
        routes.map(|route| route.receiver.clone()).collect()
    }

    /// What has to be written so that rows say how alerts were last told and which are over, and up to which delivery
    /// they then do.
    pub(crate) fn catch_up(&mut self, now: Timestamp) -> Option<(Vec<Retold>, u64)> {
        let recently = self.caught_up_at.is_some_and(|at| seconds_between(at, now) < CATCH_UP_EVERY_S);
        if recently && !self.is_far_behind() {
            return None;
        }
        self.caught_up_at = Some(now);
        let mut rows = Vec::with_capacity(self.behind.len());
        for fingerprint in std::mem::take(&mut self.behind) {
            if let Some(held) = self.held.get_mut(&fingerprint) {
                rows.push(held.retold(None));
            }
        }
        let over = self.held.values_mut().filter(|held| !held.ended && held.alert.is_resolved(now));
        rows.extend(over.map(|held| held.time_out(now)));
        if rows.is_empty() && self.caught_up_to == self.last_delivery {
            return None;
        }
        self.caught_up_to = self.last_delivery;
        Some((rows, self.last_delivery))
    }

    /// Whether so many rows are behind that catching up should not wait.
    pub(crate) fn is_far_behind(&self) -> bool {
        self.behind.len() >= BEHIND_MAX
    }
}

/// The receiver of a target such as `team/webhook/0`; a receiver's own name may hold anything.
fn receiver_of(target: &str) -> &str {
    target.rsplitn(3, '/').last().unwrap_or(target)
}

impl Held {
    pub(crate) fn new(id: SignalId, alert: Alert) -> Self {
        Self {
            id,
            service: service_of(&alert),
            alert,
            suppressed: false,
            told: 1,
            behind: false,
            reworded: false,
            ended: false,
            duplicate: None,
            quiet: None,
            own: None,
        }
    }

    /// What people are told of an incident. It has no row that could be told anything.
    pub(crate) fn of_incident(
        id: SignalId,
        alert: Alert,
        rows: Arc<[SignalId]>,
        quiet: Option<String>,
    ) -> Self {
        Self { quiet, ended: true, own: Some(rows), ..Self::new(id, alert) }
    }

    /// Whether it tells of an incident rather than being an alert from outside.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whose record says what becomes of its telling.
    pub(crate) fn on_record(&self) -> &[SignalId] {
        self.own.as_deref().unwrap_or(std::slice::from_ref(&self.id))
    }

    /// What its row has to be told; it says so from then on.
    fn retold(&mut self, step: Option<serde_json::Value>) -> Retold {
        self.behind = false;
        Retold {
            id: self.id.to_string(),
            told: self.told,
            updated_at: self.alert.updated_at,
            ends_at: self.alert.ends_at,
            ended: false,
            words: std::mem::take(&mut self.reworded).then(|| Box::new(self.alert.clone())),
            step,
        }
    }

    /// Puts on record that it is over.
    fn end(&mut self, how: &'static str, detail: String, now: Timestamp) -> Retold {
        self.ended = true;
        Retold { ended: true, ..self.retold(Some(step(&self.id, how, detail, now))) }
    }

    fn time_out(&mut self, now: Timestamp) -> Retold {
        let [last, end] =
            [self.alert.updated_at, self.alert.ends_at].map(|at| at.strftime("%H:%M:%S UTC").to_string());
        if self.alert.timeout {
            self.end("timed out", format!("its sender last told of it {last}; over since {end}"), now)
        } else {
            self.end("over", format!("its sender named {end} as its end, and told of it last {last}"), now)
        }
    }
}
