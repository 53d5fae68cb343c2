//! The alert desk: alerts from outside in, durable before they are acknowledged, one episode each however often told.
//!
//! What is held in memory can be rebuilt from the store at any time, and is after a write that failed.

use crate::observe::{received, step};
use crate::{Engine, EngineError};
use midwatch_incident::{Inhibitor, SilenceError, Silences, WantedSilence};
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::silence::Silence;
use midwatch_model::{Alert, Fingerprint, SignalId, Timestamp, after, seconds_between};
use midwatch_signal::source::{PayloadError, Source, signal_of};
use midwatch_store::{Append, Commit, Delivery, IntakeRow, Retold, Store};
use std::collections::HashMap;

/// Seconds for which an alert that is over is still known: one that comes back meanwhile without a gap is the same
/// episode, and clients can still see how it ended. Alertmanager forgets at the same pace.
const KEPT_S: f64 = 900.0;

/// Alerts that are held at most; beyond it the oldest that are over are forgotten at once. About 1.5 KB each.
const HELD_MAX: usize = 200_000;

/// Seconds between two looks for alerts that can be forgotten.
const SWEEP_EVERY_S: f64 = 10.0;

/// An alert's episode.
#[derive(Clone, Debug)]
pub struct Held {
    pub id: SignalId,
    pub alert: Alert,
    /// Set while a silence or another alert keeps it from opening or joining an incident.
    pub suppressed: bool,
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

    fn sentence(&self) -> String {
        match (self.silenced_by.first(), self.inhibited_by) {
            (Some(silence), _) => format!("muted by silence {silence}"),
            (None, Some(source)) => format!("inhibited by the firing alert {source}"),
            (None, None) => "nothing keeps it quiet".into(),
        }
    }
}

/// What was done with a request.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Ids of the alerts' episodes, in the order of the body.
    pub accepted: Vec<SignalId>,
    /// Alerts that could not be used: their place in the body, and why.
    pub refused: Vec<(usize, String)>,
}

/// All alerts that are known now, and what may keep them quiet.
#[derive(Default)]
pub struct Desk {
    held: HashMap<Fingerprint, Held>,
    pub silences: Silences,
    inhibitor: Inhibitor,
    /// Whether a write failed, so that memory may say more than the store.
    stale: bool,
    /// When alerts that are over were last forgotten.
    swept_at: Option<Timestamp>,
}

impl Desk {
    pub(crate) async fn load(
        store: &Store,
        inhibitor: Inhibitor,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        let mut desk = Self { inhibitor, ..Self::default() };
        for line in store.read(&StreamId::Silences).await?.lines() {
            if let Entry::SilenceSet { silence } = &line.entry {
                desk.silences.put(silence.clone());
            }
        }
        desk.reload(store, now).await?;
        Ok(desk)
    }

    async fn reload(&mut self, store: &Store, now: Timestamp) -> Result<(), EngineError> {
        self.held.clear();
        for row in store.alerts_since(after(now, -KEPT_S)).await? {
            let suppressed = row.done && row.incident.is_none();
            if let Some(alert) = row.alert {
                let held = Held { id: SignalId::new(row.id), alert, suppressed };
                self.held.insert(held.alert.fingerprint(), held);
            }
        }
        self.stale = false;
        Ok(())
    }

    /// Every alert that is known, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// What keeps a label set quiet now.
    #[must_use]
    pub fn suppression(&self, alert: &Alert, now: Timestamp) -> Suppression {
        let silenced_by = self.silences.muting(&alert.labels, now).map(|s| s.id.clone()).collect();
        let inhibited_by = if self.inhibitor.is_empty() {
            None
        } else {
            let others = self.held.values().map(|held| &held.alert);
            self.inhibitor.inhibited_by(&alert.labels, others, now)
        };
        Suppression { silenced_by, inhibited_by }
    }

    fn forget_old(&mut self, now: Timestamp) {
        if self.swept_at.is_some_and(|at| seconds_between(at, now) < SWEEP_EVERY_S) {
            return;
        }
        self.swept_at = Some(now);
        let kept_s = if self.held.len() < HELD_MAX { KEPT_S } else { 0.0 };
        let since = after(now, -kept_s);
        self.held.retain(|_, held| held.alert.ends_at > since);
    }

    /// Takes an alert in and says what the store has to be told.
    fn take(&mut self, alert: Alert, fresh: SignalId, sender: &str, now: Timestamp) -> (SignalId, Change) {
        let fingerprint = alert.fingerprint();
        let over = alert.is_resolved(now);
        let known = self.held.get_mut(&fingerprint);
        let ended_at = known.as_ref().map(|held| held.alert.ends_at).filter(|ends_at| *ends_at <= now);
        // What was over and fires again is an episode of its own, even if its sender calls it the old one.
        let same = |held: &&mut Held| held.alert.overlaps(&alert) && (ended_at.is_none() || over);
        let Some(held) = known.filter(same) else {
            let mut signal = signal_of(&alert, fresh.clone(), now);
            signal.onset_at = signal.onset_at.max(ended_at.unwrap_or(signal.onset_at));
            let mut row = received(&signal, now, sender);
            row.alert = Some(alert.clone());
            if over {
                let detail = "it was over when it came in, and opens no incident";
                row.handling.push(step(&fresh, "resolved by its sender", detail.into(), now));
                row.done = true;
            }
            self.held.insert(fingerprint, Held { id: fresh.clone(), alert, suppressed: false });
            return (fresh, Change::New(row));
        };
        let merged = alert.merge(&held.alert, now);
        let ends = (ended_at.is_none() && merged.is_resolved(now)).then_some(merged.ends_at);
        let step = ends.map(|at| {
            step(&held.id, "resolved by its sender", format!("ends {}", at.strftime("%H:%M:%S UTC")), now)
        });
        held.alert = merged.clone();
        (held.id.clone(), Change::Again(Retold { id: held.id.to_string(), alert: merged, step }))
    }
}

/// What the store has to be told of an alert.
enum Change {
    New(IntakeRow),
    Again(Retold),
}

impl Engine {
    /// Takes in a request with alerts. They are durable when this returns.
    ///
    /// # Errors
    /// When the body cannot be read, or the store takes nothing now; then nothing is acknowledged.
    pub async fn receive(&self, source: Source, body: &[u8], sender: &str) -> Result<Received, ReceiveError> {
        let now = self.now();
        let parsed = source.parse(body)?;
        let mut outcome = Received { refused: parsed.refused, ..Received::default() };
        let mut alerts = Vec::with_capacity(parsed.told.len());
        for (index, told) in parsed.told.into_iter().enumerate() {
            match told.settle(source, now, self.config.resolve_timeout_s) {
                Ok(alert) => alerts.push(alert),
                Err(reason) => outcome.refused.push((index, reason)),
            }
        }
        let delivery = Delivery {
            id: format!("dlv-{}", self.ids.next(now)),
            received_at: now,
            source: source.name().to_owned(),
            sender: sender.to_owned(),
            body: body.to_vec(),
        };
        let from = format!("{source} ({sender}) in delivery {}", delivery.id);
        let mut commit = Commit { deliveries: vec![delivery], ..Commit::default() };
        // One at a time from here on: the order in which alerts are taken in is the order in which they are written.
        let mut desk = self.desk.lock().await;
        if desk.stale {
            desk.reload(&self.store, now).await.map_err(ReceiveError::Engine)?;
        }
        desk.forget_old(now);
        let mut news = false;
        for alert in alerts {
            let fresh = SignalId::new(format!("alt-{}", self.ids.next(now)));
            let (id, change) = desk.take(alert, fresh, &from, now);
            outcome.accepted.push(id);
            match change {
                Change::New(row) => {
                    news = true;
                    commit.intake.push(row);
                }
                Change::Again(retold) => {
                    news |= retold.step.is_some();
                    commit.retold.push(retold);
                }
            }
        }
        let written = self.store.enqueue(commit).await;
        drop(desk);
        if let Err(error) = written.wait().await {
            self.desk.lock().await.stale = true;
            return Err(EngineError::from(error).into());
        }
        if news {
            self.wake.notify_one();
        }
        Ok(outcome)
    }

    /// Creates or changes a silence; the answer is the silence that holds from now on.
    ///
    /// # Errors
    /// When it is not valid or names one that does not exist, or the store takes nothing now.
    pub async fn silence(&self, wanted: WantedSilence) -> Result<Silence, EngineError> {
        let now = self.now();
        let id = self.ids.uuid();
        self.put_silences(|silences| silences.set(wanted.clone(), id.clone(), now)).await
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// When there is none that could end, or the store takes nothing now.
    pub async fn expire_silence(&self, id: &str) -> Result<Silence, EngineError> {
        let now = self.now();
        self.put_silences(|silences| silences.expire(id, now).map(|ended| vec![ended])).await
    }

    async fn put_silences(
        &self,
        records: impl Fn(&Silences) -> Result<Vec<Silence>, SilenceError>,
    ) -> Result<Silence, EngineError> {
        // The lock makes this the only writer of the stream.
        let mut desk = self.desk.lock().await;
        let records = records(&desk.silences)?;
        let expected = self.store.read(&StreamId::Silences).await?.len();
        let entry = |silence: &Silence| Entry::SilenceSet { silence: silence.clone() };
        let lines = records.iter().map(|silence| Line::new(self.now(), entry(silence))).collect();
        let append = Append { stream: StreamId::Silences, expected, lines };
        self.store.commit(Commit { appends: vec![append], ..Commit::default() }).await?;
        let mut last = None;
        for silence in records {
            last = Some(silence.clone());
            desk.silences.put(silence);
        }
        self.wake.notify_one();
        last.ok_or_else(|| EngineError::Refused("the silence changes nothing".into()))
    }

    /// Whether an alert is kept quiet; if so, that is put on record and it waits.
    pub(crate) async fn hold_back(&self, row: &IntakeRow) -> Result<bool, EngineError> {
        let Some(alert) = &row.alert else { return Ok(false) };
        let now = self.now();
        let mut desk = self.desk.lock().await;
        let suppression = desk.suppression(alert, now);
        if suppression.is_none() {
            return Ok(false);
        }
        let id = SignalId::new(&row.id);
        let step = step(&id, "suppressed", suppression.sentence(), now);
        let commit = Commit { handled: vec![(row.id.clone(), step, None, true)], ..Commit::default() };
        self.store.commit(commit).await?;
        if let Some(held) = desk.held.get_mut(&alert.fingerprint()).filter(|held| held.id == id) {
            held.suppressed = true;
        }
        Ok(true)
    }

    /// Alerts that still fire and that nothing keeps quiet any more are handled after all.
    pub(crate) async fn release(&self) -> Result<(), EngineError> {
        let now = self.now();
        let mut desk = self.desk.lock().await;
        let free: Vec<(Fingerprint, SignalId)> = desk
            .all()
            .filter(|held| held.suppressed && !held.alert.is_resolved(now))
            .filter(|held| desk.suppression(&held.alert, now).is_none())
            .map(|held| (held.alert.fingerprint(), held.id.clone()))
            .collect();
        if free.is_empty() {
            return Ok(());
        }
        let released = free.iter().map(|(_, id)| {
            (id.to_string(), step(id, "released", "nothing keeps it quiet any more".into(), now))
        });
        self.store.commit(Commit { released: released.collect(), ..Commit::default() }).await?;
        for (fingerprint, _) in free {
            if let Some(held) = desk.held.get_mut(&fingerprint) {
                held.suppressed = false;
            }
        }
        Ok(())
    }

    /// A look at the desk: every alert with what keeps it quiet.
    pub async fn alerts(&self) -> Vec<(Held, Suppression)> {
        let now = self.now();
        let desk = self.desk.lock().await;
        desk.all().map(|held| (held.clone(), desk.suppression(&held.alert, now))).collect()
    }

    /// Every silence that is known.
    pub async fn silences(&self) -> Vec<Silence> {
        self.desk.lock().await.silences.all().cloned().collect()
    }
}

/// Why a request with alerts was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}
