//! Alerts from outside: taken in, durable before they are acknowledged, one episode each however often told; and the
//! silences that people put up against them.

use crate::desk::{Change, Desk, Known, KnownGroup};
use crate::door::{Incoming, Keys, Subscription};
use crate::duplicates::Orphan;
use crate::observe::{step, stored};
use crate::{Engine, EngineConfig, EngineError};
use midwatch_incident::{Flapping, SilenceError, Silences, WantedSilence};
use midwatch_model::journal::{Entry, Line, StreamId};
use midwatch_model::silence::Silence;
use midwatch_model::{Alert, Duplicate, Fingerprint, HandlingStep, IncidentId, SignalId, Timestamp};
use midwatch_oncall::Muted;
use midwatch_report::{Damped, LineageStep};
use midwatch_signal::source::{PayloadError, Source};
use midwatch_store::{Append, Commit, Compressed, Delivery, IntakeRow, Pending};
use std::collections::HashMap;

/// What was done with a request.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Ids of the alerts' episodes, in the order of the body.
    pub accepted: Vec<SignalId>,
    /// What the accepted alerts are.
    pub taken: Vec<Fingerprint>,
    /// Alerts that could not be used: their place in the body, and why.
    pub refused: Vec<(usize, String)>,
    /// Incidents of midwatch's own that a person has taken up with their pages.
    pub incidents: Vec<IncidentId>,
    /// Whether it was taken before, so that nothing was done now.
    pub replayed: bool,
    /// What became of the subscription that it asked to confirm.
    pub subscription: Option<Subscription>,
}

/// Why a request with alerts was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the subscription could not be confirmed: {0}; it waits to be sent again")]
    Unconfirmed(String),
}

/// The alerts of a body, and those that cannot be used with their place and why.
type Alerts = (Vec<Alert>, Vec<(usize, String)>);

/// What else a body holds: ids of events, and an address that waits to be visited.
type Aside = (Vec<String>, Option<String>);

impl EngineConfig {
    /// Reads a body that came at `now`.
    pub(crate) fn alerts_of(&self, name: &str, body: &[u8], now: Timestamp) -> Result<Alerts, PayloadError> {
        self.read(name, body, now).map(|(alerts, _)| alerts)
    }

    fn read(&self, name: &str, body: &[u8], now: Timestamp) -> Result<(Alerts, Aside), PayloadError> {
        let unknown =
            || PayloadError::Malformed { source_name: "nobody", reason: format!("`{name}` is no source") };
        let feed = self.feed(name).ok_or_else(unknown)?;
        let parsed = feed.parse(body)?;
        let mut refused = parsed.refused;
        let mut alerts = Vec::with_capacity(parsed.told.len());
        for (index, told) in parsed.told.into_iter().enumerate() {
            match told.settle_by(feed.teller(name), now, self.resolve_timeout_s) {
                Ok(mut alert) => {
                    self.dedup.identify(&mut alert);
                    alerts.push(alert);
                }
                Err(reason) => refused.push((index, reason)),
            }
        }
        Ok(((alerts, refused), (parsed.event_ids, parsed.confirm)))
    }
}

impl Engine {
    /// Takes in a request with alerts of a vendor.
    ///
    /// # Errors
    /// As [`Engine::take_in`].
    pub async fn receive(&self, source: Source, body: &[u8], sender: &str) -> Result<Received, ReceiveError> {
        let feed = source.name();
        self.take_in(Incoming { feed, body, sender, replay_key: None, may_confirm: false, taken: &[] }).await
    }

    /// Takes in a request with alerts. They are durable when this returns.
    ///
    /// # Errors
    /// When the body cannot be read, or the store takes nothing now; then nothing is acknowledged, and it may be sent
    /// again.
    pub async fn take_in(&self, incoming: Incoming<'_>) -> Result<Received, ReceiveError> {
        let now = self.now();
        let Incoming { feed, body, sender, replay_key, taken, .. } = incoming;
        let ((alerts, refused), (events, confirm)) = self.config.read(feed, body, now)?;
        let keys = Keys::of(feed, replay_key, &events);
        let turn = self.turn(&keys, now).await?;
        if turn.replayed {
            return Ok(Received { replayed: true, ..Received::default() });
        }
        let (alerts, incidents) = match self.config.feed(feed) {
            Some(kind) => self.take_pages(&kind, alerts, now).await?,
            None => (alerts, Vec::new()),
        };
        let mut outcome = Received { refused, incidents, ..Received::default() };
        if let Some(url) = confirm {
            outcome.subscription = Some(self.subscribe(&incoming, url).await?);
        }
        let body = Compressed::new(body);
        // One at a time from here on: the order in which alerts are taken in is the order in which they are written.
        let mut desk = self.desk.lock().await;
        self.refresh(&mut desk, now).await?;
        desk.forget_old(now);
        let seq = desk.next_delivery();
        let from = format!("{feed} ({sender}) in delivery {seq}");
        let mut commit = Commit::default();
        // What cannot be used at all is not known again: the sender or the mapping may be put right.
        if outcome.refused.is_empty() || !alerts.is_empty() {
            commit.seen = keys.seen(now);
        }
        for alert in alerts {
            let fingerprint = alert.fingerprint();
            if taken.contains(&fingerprint) {
                continue;
            }
            outcome.taken.push(fingerprint);
            if desk.came_back(&alert, &self.config) {
                tracing::debug!(%fingerprint, source = feed, "an alert of midwatch's own came back; nothing is made of it");
                outcome.accepted.extend(desk.get(fingerprint).map(|held| held.id.clone()));
                continue;
            }
            let fresh = || SignalId::new(format!("alt-{}", self.ids.next(now)));
            match desk.take(alert, fresh, &from, now) {
                Change::New(row) => commit.intake.push(*row),
                Change::News(retold) => commit.retold.push(*retold),
                Change::Repeated => {}
            }
            outcome.accepted.extend(desk.get(fingerprint).map(|held| held.id.clone()));
        }
        let news = !commit.intake.is_empty() || !commit.retold.is_empty();
        let (source, sender) = (feed.to_owned(), sender.to_owned());
        commit.deliveries.push(Delivery { seq, received_at: now, source, sender, news, body });
        let many = desk.is_far_behind();
        let written = self.write_from(&desk, commit).await;
        drop(desk);
        self.kept(written).await?;
        if news || many {
            self.wake.notify_one();
            self.tell.notify_one();
        }
        Ok(outcome)
    }

    /// Reads the desk from the store again if a write has failed.
    pub(crate) async fn refresh(&self, desk: &mut Desk, now: Timestamp) -> Result<(), EngineError> {
        if !desk.stale {
            return Ok(());
        }
        let lost = desk.reload(&self.config, &self.store, now).await?;
        if !lost.is_empty() {
            let written = self.store.commit(Commit { intake: lost, ..Commit::default() }).await;
            desk.stale = written.is_err();
            written?;
        }
        Ok(())
    }

    /// Lets the alerts' rows say how they were last told. What was told since is in the deliveries.
    pub(crate) async fn catch_up(&self) -> Result<(), EngineError> {
        let mut writes = Vec::new();
        let ended = loop {
            match self.catch_up_a_bit().await {
                Ok(Some(written)) => writes.push(written),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // Each is heard, also if another has failed.
        let mut kept = Ok(());
        for written in writes {
            kept = kept.and(self.kept(written).await);
        }
        ended.and(kept)
    }

    /// A part at a time, so that whoever wants the desk meanwhile gets it between two parts.
    async fn catch_up_a_bit(&self) -> Result<Option<Pending>, EngineError> {
        let now = self.now();
        let mut desk = self.desk.lock().await;
        self.refresh(&mut desk, now).await?;
        let Some((retold, told_up_to)) = desk.catch_up(now) else { return Ok(None) };
        // What is told meanwhile is written after it.
        Ok(Some(self.write_from(&desk, Commit { retold, told_up_to, ..Commit::default() }).await))
    }

    /// Gives what follows from the desk its place in the order of writes. It is refused if what the desk rests on has failed.
    pub(crate) async fn write_from(&self, desk: &Desk, commit: Commit) -> Pending {
        self.store.enqueue(Commit { basis: Some(desk.basis), ..commit }).await
    }

    /// Waits until what the desk says already is durable. If it does not become so, the desk is read again.
    pub(crate) async fn kept(&self, written: Pending) -> Result<(), EngineError> {
        if let Err(error) = written.wait().await {
            self.desk.lock().await.stale = true;
            return Err(error.into());
        }
        Ok(())
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
        // What was put off until the end of a maintenance may be looked at sooner, or has to wait longer.
        let recall = records.iter().any(|silence| !silence.kind.is_silence());
        self.store.commit(Commit { appends: vec![append], recall, ..Commit::default() }).await?;
        let mut last = None;
        for silence in records {
            last = Some(silence.clone());
            desk.silences.put(silence);
        }
        self.wake.notify_one();
        last.ok_or_else(|| EngineError::Refused("the silence changes nothing".into()))
    }

    /// Takes what is kept quiet out of what waits; that is put on record.
    pub(crate) async fn hold_back(&self, pending: Vec<IntakeRow>) -> Result<Vec<IntakeRow>, EngineError> {
        let now = self.now();
        let mut desk = self.desk.lock().await;
        let (mut free, mut commit) = (Vec::with_capacity(pending.len()), Commit::default());
        let mut quiet: HashMap<Fingerprint, SignalId> = HashMap::new();
        for row in pending {
            let suppression =
                row.alert.as_ref().map(|alert| desk.suppression(alert, now)).unwrap_or_default();
            let Some(alert) = row.alert.as_ref().filter(|_| !suppression.is_none()) else {
                free.push(row);
                continue;
            };
            let id = SignalId::new(&row.id);
            let step = step(&id, HandlingStep::Suppressed, desk.sentence(&suppression), now);
            commit.handled.push((row.id.clone(), step, None, true));
            quiet.insert(alert.fingerprint(), id);
        }
        for (fingerprint, id) in quiet {
            if let Some(held) = desk.get_mut(fingerprint).filter(|held| held.id == id) {
                held.suppressed = true;
            }
        }
        if !commit.handled.is_empty() {
            let written = self.write_from(&desk, commit).await;
            drop(desk);
            self.kept(written).await?;
        }
        Ok(free)
    }

    /// Alerts that still fire and that nothing keeps quiet any more are handled after all, and so are those that repeated
    /// one that is over.
    pub(crate) async fn release(&self) -> Result<(), EngineError> {
        let now = self.now();
        let mut desk = self.desk.lock().await;
        let free: Vec<(Fingerprint, SignalId)> = desk
            .all()
            .filter(|held| held.suppressed && !held.alert.is_resolved(now))
            .filter(|held| desk.suppression(&held.alert, now).is_none())
            .map(|held| (held.alert.fingerprint(), held.id.clone()))
            .collect();
        let released = free.iter().map(|(_, id)| {
            (id.to_string(), step(id, HandlingStep::Released, "nothing keeps it quiet any more".into(), now))
        });
        let mut commit = Commit { released: released.collect(), ..Commit::default() };
        steady(&mut desk, now, &mut commit);
        if commit.released.is_empty() && commit.handled.is_empty() {
            return Ok(());
        }
        for (fingerprint, _) in free {
            if let Some(held) = desk.get_mut(fingerprint) {
                held.suppressed = false;
            }
        }
        let written = self.write_from(&desk, commit).await;
        drop(desk);
        self.kept(written).await
    }

    /// The alerts that are wanted, with what keeps them quiet and who is told of them.
    pub async fn alerts(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<Known> {
        let now = self.now();
        let desk = self.desk.lock().await;
        let wanted = desk.all().filter(|held| wanted(&held.alert));
        wanted.map(|held| desk.known(held, now)).collect()
    }

    /// The groups in which alerts are told of, each with those of its alerts that are wanted.
    pub async fn alert_groups(&self, wanted: impl Fn(&Alert) -> bool) -> Vec<KnownGroup> {
        let now = self.now();
        let desk = self.desk.lock().await;
        let groups = desk.groups.all().into_iter().map(|(id, route, group)| {
            let alerts = group.alerts.iter().filter_map(|fingerprint| desk.get(*fingerprint));
            KnownGroup {
                receiver: route.receiver.clone(),
                labels: group.labels.clone(),
                muted_by: desk.groups.tree().muted(id.route, now).map(Muted::into_names).unwrap_or_default(),
                alerts: alerts.filter(|held| wanted(&held.alert)).map(|held| desk.known(held, now)).collect(),
            }
        });
        groups.collect()
    }

    /// Alerts that flap now, by the id of their newest episode.
    pub async fn flapping(&self) -> HashMap<SignalId, Flapping> {
        let desk = self.desk.lock().await;
        let all = desk.flaps.all(self.now());
        all.filter_map(|(alert, flapping)| Some((desk.get(alert)?.id.clone(), flapping))).collect()
    }

    /// How an alert's episode flaps, if it is its newest one.
    pub async fn damped(&self, id: &str, alert: &Alert) -> Option<Damped> {
        let (desk, fingerprint) = (self.desk.lock().await, alert.fingerprint());
        desk.get(fingerprint).filter(|held| held.id.as_str() == id)?;
        let until = desk.flaps.flapping(fingerprint, self.now())?.until;
        Some(Damped { until, is_told: desk.is_told_firing(fingerprint) })
    }

    /// Every silence that is known.
    pub async fn silences(&self) -> Vec<Silence> {
        self.desk.lock().await.silences.all().cloned().collect()
    }
}

/// Puts on record which alerts are stable again, and what becomes of duplicates that nobody stands for any more.
fn steady(desk: &mut Desk, now: Timestamp, commit: &mut Commit) {
    for fingerprint in desk.flaps.settled(now) {
        if let Some(held) = desk.get(fingerprint) {
            let how = if held.alert.is_resolved(now) { "it is over" } else { "it fires" };
            let quiet_s = desk.flaps.quiet_s();
            let step =
                step(&held.id, HandlingStep::Stable, format!("no change for {quiet_s:.0} s: {how}"), now);
            commit.handled.push((held.id.to_string(), step, None, false));
        }
    }
    for (id, orphan) in desk.orphans(now) {
        match orphan {
            Orphan::Adopted(duplicate) => {
                commit.handled.push((id.to_string(), deduplicated(&id, *duplicate, now), None, false));
            }
            Orphan::Alone(reason) => {
                commit.released.push((id.to_string(), step(&id, HandlingStep::Released, reason, now)))
            }
        }
    }
}

/// The step that says what an alert repeats.
pub(crate) fn deduplicated(id: &SignalId, duplicate: Duplicate, now: Timestamp) -> serde_json::Value {
    let step = LineageStep::new(now, Some(id.to_string()), HandlingStep::Deduplicated, duplicate.sentence());
    stored(LineageStep { duplicate: Some(duplicate), ..step })
}
