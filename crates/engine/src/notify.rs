//! The communicator: groups that are due become notifications in the outbox, and notifications are sent.
//!
//! A notification is durable before it is sent, and is sent until somebody takes it: at least once, and at most one of a
//! receiver is under way at a time, so that a crash can repeat one and no more. How a receiver answered is remembered
//! until it is on record: a store that takes no writes makes nobody hear of anything twice.

mod answers;
mod letter;
mod news;
mod story;
mod tally;
mod test;

pub(crate) use answers::Answers;
pub(crate) use news::Threads;
pub(crate) use tally::Tallies;
pub use tally::{Failing, Tally};
pub use test::TestResult;

use crate::desk::{Desk, TargetGroup, Underway};
use crate::{Engine, EngineError};
use midwatch_model::{HandlingStep, SignalId, Telling, Timestamp, after, seconds_between};
use midwatch_oncall::{GroupId, Integration, Logged, Paged, Route, Seen, Why, needs_update};
use midwatch_report::{MessageAlert, message};
use midwatch_store::{Attempt, Commit, LogRow, Notification, NotificationState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use story::{Story, pause_sentence};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Longest wait of the loop: timers of groups and of the outbox are looked at at least this often.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How long a notification that is under way may take when the process is told to stop.
const STOP_MAX: Duration = Duration::from_secs(8);

impl Engine {
    /// Puts what is due into the outbox.
    pub(crate) async fn flush(&self) -> Result<(), EngineError> {
        let now = self.now();
        let mut desk = self.desk.lock().await;
        self.refresh(&mut desk, now).await?;
        desk.forget_old(now);
        let due = desk.groups.due(now);
        if due.is_empty() {
            drop(desk);
            return self.tell_news().await;
        }
        let mut commit = Commit::default();
        for id in due {
            self.tell_group(&mut desk, id, now, &mut commit);
        }
        let written = self.write_from(&desk, commit).await;
        drop(desk);
        self.kept(written).await?;
        self.tell_news().await
    }

    fn tell_group(&self, desk: &mut Desk, id: GroupId, now: Timestamp, commit: &mut Commit) {
        let story = desk.story(id, now);
        for (fingerprint, reason) in &story.quiet {
            desk.note_quiet(*fingerprint, HandlingStep::NotTold, reason, now, commit);
        }
        let Some((route, group)) = desk.groups.get(id) else { return };
        let (route, labels) = (route.clone(), group.labels.clone());
        let key = route.group_key(&labels);
        let integrations =
            desk.receivers.get(&route.receiver).map(|r| r.integrations.clone()).unwrap_or_default();
        let (known, to_tell): (Vec<_>, Vec<(Integration, Why)>) = integrations
            .into_iter()
            .filter_map(|integration| {
                let logged = desk.log.get(&(integration.target.clone(), key.clone()));
                let why = needs_update(
                    logged,
                    &story.seen,
                    integration.send_resolved,
                    route.repeat_interval_s,
                    now,
                )?;
                Some((integration, why))
            })
            // Whoever has taken it up need not hear the same again.
            .partition(|(_, why)| *why == Why::Repeat && story.untaken == 0);
        for (integration, _) in known {
            // What the receiver knows stays known.
            self.log(desk, &(integration.target, key.clone()), &story, (&route, false), now, commit);
        }
        let pages = to_tell.iter().any(|(_, why)| why.pages());
        if pages {
            let known: Vec<Option<Logged>> = to_tell
                .iter()
                .map(|(to, _)| desk.log.get(&(to.target.clone(), key.clone())).cloned())
                .collect();
            let known: Vec<Option<&Logged>> = known.iter().map(Option::as_ref).collect();
            if let Some((until, waiting)) = desk.pause(id, &route, &story, &known, now) {
                let reason = pause_sentence(&route, &story, until);
                for fingerprint in waiting {
                    desk.note_quiet(fingerprint, HandlingStep::PutOff, &reason, now, commit);
                }
                return;
            }
            desk.cooldown.told(&route.receiver, &story.about, now);
        }
        for (integration, why) in to_tell {
            let group = (integration.target.clone(), key.clone());
            self.log(desk, &group, &story, (&route, why.pages()), now, commit);
            // Whoever does not want to hear of ends is not told of a group that is over; the log knows that it is.
            if integration.send_resolved || !story.seen.firing.is_empty() {
                let as_alerts = integration.telling == Telling::Alerts;
                if !as_alerts {
                    commit.threads.extend(desk.threads.begin(&integration.target, &story.incidents, now));
                }
                let wanted = |alert: &MessageAlert| {
                    (integration.send_resolved || alert.is_firing())
                        && (as_alerts || !alert.tells_of_incident())
                };
                let alerts: Vec<_> =
                    story.alerts.iter().filter(|(_, alert)| wanted(alert)).cloned().collect();
                if !alerts.is_empty() {
                    self.put_out(
                        desk,
                        group,
                        alerts,
                        &integration,
                        (&route, labels.clone(), why),
                        now,
                        commit,
                    );
                }
            }
        }
        desk.groups.leave(id, story.over.into_iter());
    }

    fn log(
        &self,
        desk: &mut Desk,
        group: &TargetGroup,
        story: &Story,
        (route, pages): (&Route, bool),
        now: Timestamp,
        commit: &mut Commit,
    ) {
        let valid_s = 2.0 * route.repeat_interval_s;
        let Seen { firing, resolved, flapping } = story.seen.clone();
        // That something is over is no page: the pause goes on from the last one.
        let paged = match pages {
            true => Some(Paged { at: now, about: story.about.clone() }),
            false => desk.log.get(group).and_then(|logged| logged.paged.clone()),
        };
        let incidents = story.incidents.clone();
        let logged = Logged { at: now, firing, resolved, flapping, valid_s, incidents, paged };
        commit.notification_log.push(LogRow {
            target: group.0.clone(),
            group_key: group.1.clone(),
            at: now,
            entry: serde_json::to_string(&logged).unwrap_or_default(),
            until: after(now, valid_s.max(route.cooldown_s)),
        });
        desk.log.insert(group.clone(), logged);
    }

    #[expect(clippy::too_many_arguments, reason = "everything that a notification is made of")]
    fn put_out(
        &self,
        desk: &mut Desk,
        group: TargetGroup,
        mut alerts: Vec<(SignalId, MessageAlert)>,
        integration: &Integration,
        (route, labels, why): (&Route, midwatch_model::Labels, Why),
        now: Timestamp,
        commit: &mut Commit,
    ) {
        let id = format!("ntf-{}", self.ids.next(now));
        let ids = alerts.iter().map(|(id, _)| id.to_string()).collect();
        let mut told: Vec<MessageAlert> = alerts.drain(..).map(|(_, alert)| alert).collect();
        if let Some(earlier) = desk.underway.remove(&group) {
            // What has not arrived yet is said by the new one, too.
            let named: BTreeSet<String> = told.iter().map(|alert| alert.fingerprint.clone()).collect();
            told.extend(earlier.alerts.into_iter().filter(|alert| !named.contains(&alert.fingerprint)));
            commit.attempts.push(Attempt::superseded(earlier.id, &id, now));
        }
        let message = message(
            &route.receiver,
            group.1.clone(),
            labels,
            told.clone(),
            integration.max_alerts,
            &self.config.external_url,
        );
        commit.notifications.push(Notification {
            id: id.clone(),
            target: group.0.clone(),
            group_key: group.1.clone(),
            why: why.to_string(),
            created_at: now,
            body: serde_json::to_vec(&message).unwrap_or_default(),
            state: NotificationState::Pending,
            attempts: 0,
            next_at: Some(now),
            ended_at: None,
            superseded_by: None,
            answer: String::new(),
            alerts: ids,
        });
        desk.underway.insert(group, Underway { id, alerts: told });
    }
}

/// Tells receivers until `stop` turns true. At most one notification of each is under way. Each is a task of its own: a
/// future that only this loop polls could be handed the desk while the loop itself waits for it.
pub async fn tell(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut underway: JoinSet<String> = JoinSet::new();
    let mut busy = BTreeSet::new();
    let mut failing = false;
    while !*stop.borrow() {
        let (due, result) = engine.round().await;
        failing = engine.report(result.err(), failing).await;
        for notification in due {
            if busy.insert(notification.target.clone()) {
                let engine = engine.clone();
                underway.spawn(async move {
                    let target = notification.target.clone();
                    // What cannot be recorded now is recorded by a later round, which says so if it fails, too.
                    let _ = engine.send(notification).await;
                    target
                });
            }
        }
        let wait = if failing { WAIT_MAX } else { engine.until_due().await };
        tokio::select! {
            Some(ended) = underway.join_next() => match ended {
                Ok(target) => {
                    busy.remove(&target);
                }
                // Nobody knows which one it was; all others are waited for before anything is sent again.
                Err(error) => {
                    tracing::error!(%error, "a notification could not be sent; please report this");
                    while underway.join_next().await.is_some() {}
                    busy.clear();
                }
            },
            () = tokio::time::sleep(wait) => {}
            () = engine.tell.notified() => {}
            _ = stop.changed() => {}
        }
    }
    let _ = tokio::time::timeout(STOP_MAX, async { while underway.join_next().await.is_some() {} }).await;
}

impl Engine {
    /// Records what was answered, puts what is due into the outbox, and gives what is to be sent now. What is in the outbox
    /// is sent also while the store takes no writes.
    async fn round(&self) -> (Vec<Notification>, Result<(), EngineError>) {
        let recorded = self.record_answers().await;
        let flushed = self.flush().await;
        match self.due().await {
            Ok(due) => (due, recorded.and(flushed)),
            Err(error) => (Vec::new(), Err(error)),
        }
    }

    /// Says once that the store fails, and once that it does no more. Gives whether it does.
    async fn report(&self, error: Option<EngineError>, failing: bool) -> bool {
        match (&error, failing) {
            (Some(error), false) => {
                tracing::error!(%error, "notifications cannot be recorded; it is tried again every second");
            }
            (None, true) => tracing::info!("notifications are recorded again"),
            _ => {}
        }
        let fails = error.is_some();
        if fails || failing {
            self.watch.lock().await.telling_error = error.map(|error| error.to_string());
        }
        fails
    }

    /// How long nothing is due.
    async fn until_due(&self) -> Duration {
        let next_at = self.desk.lock().await.groups.next_at();
        let wait_s = next_at.map_or(f64::MAX, |at| seconds_between(self.now(), at));
        Duration::from_secs_f64(wait_s.clamp(0.001, WAIT_MAX.as_secs_f64()))
    }
}
