//! What receivers answered: remembered from the moment on which it is known, and forgotten once it is on record.

use super::letter::Letter;
use crate::desk::TargetGroup;
use crate::{Engine, EngineError};
use midwatch_connectors::{NotifyError, Tell, Told};
use midwatch_model::{Timestamp, after, seconds_between};
use midwatch_oncall::retry_after_s;
use midwatch_store::{Attempt, Commit, Notification, NotificationState};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Answers that one commit records at most.
const RECORDED_MAX: usize = 1_000;

/// An answer, and what it was about.
#[derive(Clone, PartialEq)]
struct Answer {
    attempt: Attempt,
    group: TargetGroup,
}

/// Answers that are not on record yet, by the notification. There are no more of them than notifications in the outbox.
#[derive(Default)]
pub(crate) struct Answers(Mutex<BTreeMap<String, Answer>>);

impl Answers {
    fn get(&self) -> MutexGuard<'_, BTreeMap<String, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ids of notifications that must not be sent at `now`, whatever the store says.
    fn settled(&self, now: Timestamp) -> Vec<String> {
        let waits = |answer: &&Answer| answer.attempt.next_at.is_none_or(|at| at > now);
        self.get().values().filter(waits).map(|answer| answer.attempt.notification.clone()).collect()
    }

    /// What was given back about a topic and is not on record yet.
    fn given(&self, target: &str, topic: &str) -> Option<String> {
        let answers = self.get();
        let of_it = answers.values().filter(|answer| answer.group.0 == target && answer.group.1 == topic);
        of_it.filter_map(|answer| answer.attempt.given.clone()).next_back()
    }

    /// The attempts of a notification so far, if the store does not know of the last one.
    fn attempts(&self, notification: &str) -> Option<u32> {
        self.get().get(notification).map(|answer| answer.attempt.attempts)
    }
}

impl Engine {
    /// What is to be sent now.
    pub(super) async fn due(&self) -> Result<Vec<Notification>, EngineError> {
        let now = self.now();
        let mut due = self.store.notifications_due(now, &self.answers.settled(now)).await?;
        for notification in &mut due {
            if let Some(attempts) = self.answers.attempts(&notification.id) {
                notification.attempts = attempts;
            }
        }
        Ok(due)
    }

    /// Sends one notification and records how it went.
    pub(super) async fn send(&self, notification: Notification) -> Result<(), EngineError> {
        let letter = Letter::of(&notification);
        let given = match &letter {
            Letter::Bulletin(_) => self.given(&notification).await?,
            Letter::Alerts => None,
        };
        let tell = Tell {
            target: &notification.target,
            id: &notification.id,
            body: &notification.body,
            bulletin: letter.bulletin(),
            thread: given.as_deref(),
            now: self.now(),
        };
        let answer = self.outside.notify(tell).await;
        let mut attempt = attempt(&notification, answer, self.config.give_up_after_s, self.now());
        if letter.ends_thread() && attempt.state == NotificationState::Delivered {
            attempt.given = Some("null".to_owned());
        }
        self.tallies.count(&notification.target, &attempt);
        let group = (notification.target, notification.group_key);
        self.answers.get().insert(notification.id, Answer { attempt, group });
        self.record_answers().await
    }

    /// What the vendor gave back about the same incident or group; what is not on record yet is newer than what is.
    async fn given(&self, notification: &Notification) -> Result<Option<String>, EngineError> {
        let (target, topic) = (&notification.target, &notification.group_key);
        if let Some(given) = self.answers.given(target, topic) {
            return Ok(Some(given));
        }
        Ok(self.store.thread_given(target, topic).await?)
    }

    /// Puts on record what was answered and is not on record yet.
    pub(super) async fn record_answers(&self) -> Result<(), EngineError> {
        let answers: Vec<Answer> = self.answers.get().values().take(RECORDED_MAX).cloned().collect();
        if answers.is_empty() {
            return Ok(());
        }
        let attempts = answers.iter().map(|answer| answer.attempt.clone()).collect();
        self.store.commit(Commit { attempts, ..Commit::default() }).await?;
        let mut desk = self.desk.lock().await;
        for Answer { attempt, group } in &answers {
            let id = &attempt.notification;
            let mut unrecorded = self.answers.get();
            if unrecorded.get(id).is_some_and(|answer| answer.attempt == *attempt) {
                unrecorded.remove(id);
            }
            let is_it = desk.underway.get(group).is_some_and(|underway| underway.id == *id);
            if attempt.next_at.is_none() && is_it {
                desk.underway.remove(group);
            }
        }
        Ok(())
    }

    /// Tells receivers all that is due now. For what has no loop of its own.
    ///
    /// # Errors
    /// When the store fails; what was not recorded is recorded at the next call.
    pub async fn tell_due(&self) -> Result<(), EngineError> {
        let (mut due, result) = self.round().await;
        while !due.is_empty() {
            for notification in due {
                self.send(notification).await?;
            }
            due = self.due().await?;
        }
        result
    }
}

/// What an answer means for a notification.
pub(super) fn attempt(
    notification: &Notification,
    answer: Result<Told, NotifyError>,
    give_up_after_s: f64,
    now: Timestamp,
) -> Attempt {
    let attempts = notification.attempts + 1;
    let attempt = |state, next_at, answer, given: Option<serde_json::Value>| Attempt {
        notification: notification.id.clone(),
        state,
        attempts,
        at: now,
        next_at,
        answer,
        given: given.map(|given| given.to_string()),
    };
    match answer {
        Ok(Told { answer, thread }) => attempt(NotificationState::Delivered, None, answer, thread),
        Err(NotifyError { reason, may_retry, after_s, thread }) => {
            let too_old = seconds_between(notification.created_at, now) > give_up_after_s;
            if may_retry && !too_old {
                let wait_s = retry_after_s(attempts, after_s, jitter(&notification.id));
                attempt(NotificationState::Pending, Some(after(now, wait_s)), reason, thread)
            } else {
                tracing::error!(notification.id, notification.target, "nobody was told: {reason}");
                attempt(NotificationState::Failed, None, reason, thread)
            }
        }
    }
}

/// 0 to 1, always the same for a notification.
fn jitter(id: &str) -> f64 {
    let sum: u32 = id.bytes().map(u32::from).sum();
    f64::from(sum % 100) / 100.0
}
