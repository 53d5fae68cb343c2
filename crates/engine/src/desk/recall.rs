//! What the desk knows again from the store, after a restart or a write that failed.

use super::{Change, Desk, Held, KEPT_S, Underway};
use crate::notify::Threads;
use crate::observe::word_of;
use crate::{EngineConfig, EngineError};
use midwatch_incident::{Flaps, Inhibitor, Originals, Silences};
use midwatch_model::journal::{Entry, StreamId};
use midwatch_model::{Alert, Fingerprint, HandlingStep, SignalId, Timestamp, after};
use midwatch_oncall::{Cooldown, Groups, Logged};
use midwatch_report::{LineageStep, Message, duplicate_of, flapping_since, quiet_for, tells_of_incident};
use midwatch_store::{Commit, IntakeRow, Store};
use std::collections::BTreeSet;

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
        // What is underway ends first: read before that, the store would say less than it soon does.
        self.basis = store.basis().await?;
        self.held.clear();
        self.about.clear();
        self.behind.clear();
        self.replaced.clear();
        self.caught_up_to = 0;
        self.is_catching_up = false;
        self.originals = Originals::default();
        self.flaps = Flaps::new(config.flap.clone());
        self.inhibitor = Inhibitor::new(config.inhibit_rules.clone());
        self.read_silences(store).await?;
        self.read_log(store, now).await?;
        self.threads = Threads::of(store.threads_open().await?);
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
        // A number that was given is not given again, even if nothing came of it.
        self.last_delivery = self.last_delivery.max(store.last_delivery().await?);
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
                self.cooldown.told(super::receiver_of(&row.target), &paged.about, paged.at);
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

    /// Takes in a row as it is on record; rows come in the order in which they were received.
    pub(crate) fn put_back(&mut self, row: IntakeRow, now: Timestamp) {
        let suppressed = row.done && row.incident.is_none();
        let Some(alert) = row.alert else { return };
        self.inhibitor.note(&alert);
        let suppressed = suppressed && !tells_of_incident(&alert);
        let (fingerprint, received_at) = (alert.fingerprint(), row.received_at);
        let telling = row.handling.into_iter().filter(is_telling);
        let steps: Vec<LineageStep> = telling.filter_map(|step| serde_json::from_value(step).ok()).collect();
        self.flaps.begins(fingerprint, received_at);
        if alert.is_resolved(now) {
            self.flaps.ends(fingerprint, alert.ends_at);
        }
        if let Some(since) = flapping_since(&steps) {
            self.flaps.remember(fingerprint, since);
        }
        let duplicate = duplicate_of(&steps).cloned();
        let quiet = quiet_for(&steps).map(str::to_owned);
        let was_released =
            duplicate.is_none() && steps.iter().any(|step| step.step == HandlingStep::Released);
        let is_settled = duplicate.is_some();
        let mut held = Held::new(SignalId::new(row.id), alert);
        (held.suppressed, held.told, held.ended) = (suppressed, row.told, row.ended_at.is_some());
        (held.duplicate, held.quiet) = (duplicate, quiet);
        self.hold(held, now);
        if was_released {
            // It was told of by itself: nobody else can stand for it any more.
            self.stand_alone(fingerprint);
        } else if !is_settled {
            self.recognise(fingerprint, now);
        }
    }
}

/// Whether a step of a row's handling says something that the desk has to know again. Most do not, and there are many.
fn is_telling(step: &serde_json::Value) -> bool {
    use HandlingStep::{Flapping, NotTold, PutOff, Released, Stable};
    step.get("duplicate").is_some()
        || matches!(word_of(step), Flapping | Stable | Released | NotTold | PutOff)
}
