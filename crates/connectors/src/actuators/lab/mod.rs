//! The lab's control plane.
//!
//! A mutation is asked for once, with an idempotency key and the generation that was seen; it is never repeated from
//! here. What an answer does not prove is `Unknown`, and only looking at the target settles it.

mod wire;

use crate::error::excerpt;
use crate::http::{Answer, Ask, join, shown};
use crate::{ConnectorError, Http};
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Change, ServiceName, Timestamp};
use reqwest::{Method, Url};
use std::time::Duration;
use wire::{Operation, State, Status};

/// How often a running operation is looked at; a rolling replacement takes seconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reads answer from memory; one that takes longer is not going to come.
const READ_TIMEOUT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct LabControlPlane {
    http: Http,
    base: Url,
    call_timeout: Duration,
}

impl LabControlPlane {
    pub fn new(http: Http, base: Url, call_timeout: Duration) -> Self {
        Self { http, base: join(&base, &["api", "v1", "control"]), call_timeout }
    }

    pub async fn target(&self, service: &ServiceName) -> Result<TargetState, ConnectorError> {
        let url = join(&self.base, &["services", service.as_str()]);
        let state: State = self.http.ask_ok(self.read(&url)).await?.json(&shown(&url))?;
        Ok(state.into_target(None))
    }

    pub async fn changes(&self, since: Timestamp) -> Result<Vec<Change>, ConnectorError> {
        let url = join(&self.base, &["changes"]);
        let ask = Ask { query: vec![("since", since.to_string())], ..self.read(&url) };
        let found: wire::Changes = self.http.ask_ok(ask).await?.json(&shown(&url))?;
        Ok(found.changes.into_iter().map(Change::from).collect())
    }

    /// Asks for an effect and waits for its end as long as a call may take.
    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        let intent = effect.intent();
        if !effect.may_start(now) {
            let reason = format!("the deadline {} had passed; nothing was called", intent.deadline);
            return EffectOutcome::NotApplied { reason };
        }
        let Some((name, body)) = wire::operation(&intent.action, intent.undoes.is_some()) else {
            return EffectOutcome::NotApplied {
                reason: "this action is not a call to a control plane".to_owned(),
            };
        };
        // The one timeout covers the call and the waiting for its end.
        let call = self.call(intent, name, &body);
        match tokio::time::timeout(self.call_timeout, call).await {
            Ok(outcome) => outcome,
            Err(_) => EffectOutcome::Unknown {
                reason: format!("no result within {:.1} s", self.call_timeout.as_secs_f64()),
            },
        }
    }

    async fn call(&self, intent: &Intent, name: &str, body: &serde_json::Value) -> EffectOutcome {
        let url = join(&self.base, &["services", intent.action.target().as_str(), name]);
        let ask = Ask {
            method: Method::POST,
            json: Some(body),
            headers: vec![
                ("Idempotency-Key", header(intent.key.as_str())),
                ("If-Match", intent.before.generation.to_string()),
                ("X-Actor", header(&intent.principal.to_string())),
            ],
            ..Ask::get(&url, self.call_timeout)
        };
        match self.http.ask(ask).await {
            Ok(answer) => match started(&url, &answer) {
                Ok(operation) if operation.status == Status::Running => self.wait(intent).await,
                Ok(operation) => outcome(operation, intent),
                Err(outcome) => outcome,
            },
            // The connection never stood, so nobody was asked.
            Err(error @ ConnectorError::Unreachable { .. }) => {
                EffectOutcome::NotApplied { reason: error.to_string() }
            }
            Err(error) => EffectOutcome::Unknown { reason: error.to_string() },
        }
    }

    /// Looks at a running operation until it has ended; the caller's timeout bounds it.
    async fn wait(&self, intent: &Intent) -> EffectOutcome {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.reconcile(intent).await {
                // It had begun; a control plane that forgot it since proves nothing.
                Ok(EffectOutcome::NotApplied { reason }) => return EffectOutcome::Unknown { reason },
                Ok(outcome) => return outcome,
                // A look that failed changes nothing; the next one may succeed.
                Err(_) => continue,
            }
        }
    }

    /// What became of an intent's key.
    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        let url = join(&self.base, &["operations", intent.key.as_str()]);
        let answer = self.http.ask(self.read(&url)).await?;
        match answer.status {
            200..300 => {
                let operation: Operation = answer.json(&shown(&url))?;
                if operation.status == Status::Running {
                    return Err(ConnectorError::StillRunning { key: intent.key.to_string() });
                }
                Ok(outcome(operation, intent))
            }
            404 => Ok(EffectOutcome::NotApplied {
                reason: "the control plane does not know this key".to_owned(),
            }),
            status => Err(ConnectorError::Status { url: shown(&url), status, excerpt: answer.excerpt() }),
        }
    }

    fn read<'a>(&self, url: &'a Url) -> Ask<'a> {
        Ask::get(url, self.call_timeout.min(READ_TIMEOUT_MAX))
    }
}

/// An operation that the control plane has taken on, or what its refusal means.
fn started(url: &Url, answer: &Answer) -> Result<Operation, EffectOutcome> {
    let said = || format!("{} answered {}: {}", shown(url), answer.status, refusal(answer));
    match answer.status {
        200..300 => {
            answer.json(&shown(url)).map_err(|error| EffectOutcome::Unknown { reason: error.to_string() })
        }
        // "Request timeout" is a proxy's word; what is behind it may have acted.
        408 => Err(EffectOutcome::Unknown { reason: said() }),
        412 => Err(EffectOutcome::NotApplied {
            reason: format!("the target has changed since it was looked at: {}", refusal(answer)),
        }),
        400..500 => Err(EffectOutcome::NotApplied { reason: said() }),
        _ => Err(EffectOutcome::Unknown { reason: said() }),
    }
}

/// The text of `{"error": …}`, or the body's beginning.
fn refusal(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["error"].as_str().map_or_else(|| answer.excerpt(), excerpt)
}

fn outcome(operation: Operation, intent: &Intent) -> EffectOutcome {
    let detail = excerpt(&operation.detail);
    match operation.status {
        Status::Succeeded => EffectOutcome::Applied {
            detail,
            after: operation.after.map(|state| Box::new(state.into_target(Some(&intent.before)))),
        },
        Status::Failed => EffectOutcome::Failed { reason: detail },
        Status::DryRun => {
            EffectOutcome::NotApplied { reason: format!("the control plane ran it dry: {detail}") }
        }
        Status::Running => EffectOutcome::Unknown { reason: "the operation is still running".to_owned() },
    }
}

/// Text as a header's value: visible ASCII stays, anything else becomes `?`, so that no name can break the request.
fn header(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
