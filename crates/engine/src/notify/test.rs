//! A test: receivers are told that nothing has happened, and whoever asks hears at once how that went.

use super::answers::attempt;
use crate::{Engine, EngineError};
use midwatch_connectors::Tell;
use midwatch_model::bulletin::{Bulletin, Moment, Standing};
use midwatch_model::journal::StreamId;
use midwatch_model::{IncidentId, Severity, Telling, Timestamp};
use midwatch_oncall::Integration;
use midwatch_report::{BulletinInput, bulletins, message};
use midwatch_store::{Commit, Notification, NotificationState};

/// How it went to tell one target that this is a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    pub target: String,
    pub delivered: bool,
    /// What the receiver, or the way to it, said.
    pub answer: String,
}

impl Engine {
    /// Tells a receiver (by its name), one target, or everybody that this is a test. Where something stays open at the
    /// receiver, such as a page, it is closed again. Empty if there is nobody of that name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn test_receivers(&self, wanted: Option<&str>) -> Result<Vec<TestResult>, EngineError> {
        let mut results = Vec::new();
        for receiver in &self.config.receivers {
            for integration in &receiver.integrations {
                if wanted.is_none_or(|wanted| wanted == receiver.name || wanted == integration.target) {
                    results.push(self.test_target(&receiver.name, integration).await?);
                }
            }
        }
        Ok(results)
    }

    async fn test_target(
        &self,
        receiver: &str,
        integration: &Integration,
    ) -> Result<TestResult, EngineError> {
        let now = self.now();
        let topic = format!("test-{}", self.ids.next(now));
        let (first, thread) = self.test_once(receiver, integration, &topic, Standing::Open, None).await?;
        if !first.delivered || integration.telling != Telling::Thread {
            return Ok(first);
        }
        let (last, _) = self.test_once(receiver, integration, &topic, Standing::Over, thread).await?;
        let answer = format!("{}; and closed again: {}", first.answer, last.answer);
        Ok(TestResult { answer, ..last })
    }

    async fn test_once(
        &self,
        receiver: &str,
        integration: &Integration,
        topic: &str,
        standing: Standing,
        thread: Option<String>,
    ) -> Result<(TestResult, Option<String>), EngineError> {
        let now = self.now();
        let bulletin = test_bulletin(topic, standing, now, &self.config.external_url);
        let body = match integration.telling {
            Telling::Alerts => serde_json::to_vec(&message(
                receiver,
                topic.to_owned(),
                midwatch_model::Labels::new(),
                Vec::new(),
                0,
                &self.config.external_url,
            )),
            Telling::Thread | Telling::Letters => serde_json::to_vec(&bulletin),
        };
        let notification = Notification {
            id: format!("ntf-{}", self.ids.next(now)),
            target: integration.target.clone(),
            group_key: topic.to_owned(),
            why: "test".to_owned(),
            created_at: now,
            body: body.unwrap_or_default(),
            state: NotificationState::Pending,
            attempts: 0,
            // The loop leaves it alone: it is told here, once.
            next_at: None,
            ended_at: None,
            superseded_by: None,
            answer: String::new(),
            alerts: Vec::new(),
        };
        let tell = Tell {
            target: &notification.target,
            id: &notification.id,
            body: &notification.body,
            bulletin: Some(&bulletin),
            thread: thread.as_deref(),
            now,
        };
        let answer = self.outside.notify(tell).await;
        // Once only: whoever asked is waiting, and asks again.
        let answer = answer.map_err(|error| midwatch_connectors::NotifyError { may_retry: false, ..error });
        let attempt = attempt(&notification, answer, 0.0, self.now());
        let delivered = attempt.state == NotificationState::Delivered;
        let result =
            TestResult { target: integration.target.clone(), delivered, answer: attempt.answer.clone() };
        let given = attempt.given.clone();
        let (notifications, attempts) = (vec![notification], vec![attempt]);
        self.store.commit(Commit { notifications, attempts, ..Commit::default() }).await?;
        Ok((result, given))
    }

    /// What is told of an incident, turn by turn; none if there is no such incident.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn bulletins_of(&self, id: &IncidentId) -> Result<Option<Vec<Bulletin>>, EngineError> {
        let Some(journal) = self.store.read_intact(&StreamId::Incident(id.clone())).await? else {
            return Ok(None);
        };
        let input = BulletinInput { lines: journal.lines(), url: &self.config.external_url, owner: None };
        let told: Vec<Bulletin> = bulletins(input, 0).into_iter().map(|(_, bulletin)| bulletin).collect();
        Ok((!told.is_empty()).then_some(told))
    }
}

fn test_bulletin(topic: &str, standing: Standing, now: Timestamp, url: &str) -> Bulletin {
    let is_over = standing == Standing::Over;
    let news = if is_over { "The test is over" } else { "Somebody wants to know whether you can be told" };
    Bulletin {
        topic: topic.to_owned(),
        is_incident: true,
        moment: if is_over { Moment::Resolved } else { Moment::Verdict },
        at: now,
        opened_at: now,
        standing,
        state: if is_over { "over".to_owned() } else { "a test".to_owned() },
        severity: Severity::Info,
        service: "midwatch".to_owned(),
        title: if is_over { "Over: midwatch test" } else { "midwatch test" }.to_owned(),
        verdict: "This is a test: nothing has happened, and nothing is to be done".to_owned(),
        news: news.to_owned(),
        cause: None,
        confidence: None,
        foreseen: None,
        symptoms: Vec::new(),
        path: Vec::new(),
        evidence: Vec::new(),
        next_query: None,
        action: None,
        undo: None,
        steps: Vec::new(),
        done: Vec::new(),
        approval: None,
        answer: "midwatch notify status".to_owned(),
        mttr_s: None,
        postmortem: None,
        url: url.to_owned(),
        pull_request: None,
        is_test: true,
    }
}
