//! A service of the operator's that acts: asked by signed requests (Standard Webhooks 1.0), each of which carries the key
//! of its call, so that whoever gets one twice does it once.

use super::config::HookConfig;
use super::state::{Report, Told};
use super::{Times, left};
use crate::http::{Answer, Ask, parse_url};
use crate::notifiers::{sign, signing_key};
use crate::{ConnectorError, Http};
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{ActionKind, ServiceName, Timestamp};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Bytes of an answer: a state or an outcome with a sentence.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Hook {
    http: Http,
    key: Vec<u8>,
    url: Url,
    undo_url: Option<Url>,
    state_url: Option<Url>,
    status_url: Option<Url>,
    actions: BTreeSet<ActionKind>,
    has_dry_run: bool,
    timeout: Duration,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hook({})", crate::http::shown(&self.url))
    }
}

impl Hook {
    pub fn new(config: &HookConfig, name: &str, http: Http) -> Result<Self, ConnectorError> {
        let field = |place: &str| format!("[[actuator]] `{name}` webhook {place}");
        let url = |place: &str, text: &str| parse_url(&field(place), text);
        let optional =
            |place: &str, text: &Option<String>| text.as_deref().map(|text| url(place, text)).transpose();
        let secret = config.secret.read(&field("secret"))?;
        let key = signing_key(secret.expose())
            .map_err(|problem| ConnectorError::Config { field: field("secret"), problem })?;
        Ok(Self {
            http,
            key,
            url: url("url", &config.url)?,
            undo_url: optional("undo_url", &config.undo_url)?,
            state_url: optional("state_url", &config.state_url)?,
            status_url: optional("status_url", &config.status_url)?,
            actions: config.actions.clone(),
            has_dry_run: config.dry_run,
            timeout: Duration::from_secs_f64(config.timeout_s),
        })
    }

    pub fn does(&self, kind: ActionKind) -> bool {
        self.actions.contains(&kind)
    }

    /// One signed request. `id` is what the receiver recognises a repetition by.
    async fn post(
        &self,
        url: &Url,
        id: &str,
        kind: &str,
        data: Value,
        until: Instant,
    ) -> Result<Answer, ConnectorError> {
        // The signature's time is that of this machine's clock: it is what receivers compare with theirs.
        let now = Timestamp::now();
        let body =
            json!({ "type": kind, "timestamp": now.to_string(), "data": data }).to_string().into_bytes();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now.as_second().to_string()),
            ("webhook-signature", sign(&self.key, id, now.as_second(), &body)),
            ("idempotency-key", id.to_owned()),
        ];
        let ask = Ask {
            method: Method::POST,
            headers,
            body: Some(body),
            bytes_max: ANSWER_BYTES_MAX,
            ..Ask::get(url, left(until, self.timeout))
        };
        self.http.ask(ask).await
    }

    pub async fn state(&self, service: &ServiceName, until: Instant) -> Result<Option<Told>, ConnectorError> {
        let Some(url) = &self.state_url else { return Ok(None) };
        let id = format!("state-{service}-{}", Timestamp::now().as_millisecond());
        let answer = self.post(url, &id, "midwatch.state", json!({ "service": service }), until).await?;
        Told::read(&well(url, answer)?, "the webhook's state").map(Some)
    }

    pub async fn status(
        &self,
        intent: &Intent,
        until: Instant,
    ) -> Result<Option<EffectOutcome>, ConnectorError> {
        let Some(url) = &self.status_url else { return Ok(None) };
        let data = json!({ "key": intent.key, "service": intent.action.target() });
        let id = format!("status-{}-{}", intent.key, Timestamp::now().as_millisecond());
        let answer = self.post(url, &id, "midwatch.status", data, until).await?;
        if answer.status == 404 && Report::read(&answer.body).is_none() {
            // A path that is wrong must not pass for a call that never came.
            return Err(ConnectorError::Decode {
                source_name: "the webhook's status".to_owned(),
                reason: "it answered 404; a key that it does not know is {\"outcome\": \"not_applied\"}"
                    .to_owned(),
            });
        }
        let body = well(url, answer)?;
        let report = Report::read(&body).ok_or_else(|| ConnectorError::Decode {
            source_name: "the webhook's status".to_owned(),
            reason:
                "it must be a JSON object with `outcome`: applied, not_applied, failed, running or unknown"
                    .to_owned(),
        })?;
        report.settled(intent.key.as_str()).map(Some)
    }

    /// Asks once.
    pub async fn perform(&self, intent: &Intent, times: Times) -> EffectOutcome {
        let not_applied = |reason: String| EffectOutcome::NotApplied { reason };
        let url = match (&intent.undoes, &self.undo_url) {
            (Some(_), Some(undo)) => undo,
            _ => &self.url,
        };
        if self.has_dry_run {
            let id = format!("{}-dry-run", intent.key);
            let rehearsed = self.post(url, &id, "midwatch.dry_run", told(intent, true), times.until).await;
            match rehearsed.and_then(|answer| well(url, answer)) {
                Err(error) => return not_applied(format!("its dry run was refused: {error}")),
                Ok(body) => {
                    if let Some(refused @ (EffectOutcome::NotApplied { .. } | EffectOutcome::Failed { .. })) =
                        Report::read(&body).map(Report::outcome)
                    {
                        return not_applied(format!("its dry run was refused: {}", reason(&refused)));
                    }
                }
            }
        }
        if let Some(late) = times.late() {
            return late;
        }
        let kind = if intent.undoes.is_some() { "midwatch.undo" } else { "midwatch.action" };
        match self.post(url, intent.key.as_str(), kind, told(intent, false), times.until).await {
            Ok(answer) => answered(&answer),
            Err(error @ (ConnectorError::Unreachable { .. } | ConnectorError::Config { .. })) => {
                not_applied(error.to_string())
            }
            Err(error) => EffectOutcome::Unknown { reason: error.to_string() },
        }
    }
}

fn reason(outcome: &EffectOutcome) -> &str {
    match outcome {
        EffectOutcome::NotApplied { reason }
        | EffectOutcome::Failed { reason }
        | EffectOutcome::Unknown { reason } => reason,
        EffectOutcome::Applied { detail, .. } => detail,
    }
}

/// What is asked for, and of which state it was thought up.
fn told(intent: &Intent, dry_run: bool) -> Value {
    let before = &intent.before;
    json!({
        "key": intent.key, "incident": intent.incident, "action": intent.action, "undoes": intent.undoes,
        "by": intent.principal.to_string(), "deadline": intent.deadline.to_string(), "dry_run": dry_run,
        "before": {
            "version": before.version, "replicas": before.replicas, "pool_size": before.pool_size,
            "circuit_open": before.circuit_open, "generation": before.generation, "revision": before.revision,
        },
    })
}

/// What an answer proves.
fn answered(answer: &Answer) -> EffectOutcome {
    let report = Report::read(&answer.body).map(Report::outcome);
    let says = format!("it answered {}: {}", answer.status, answer.excerpt());
    match (answer.status, report) {
        (200..300, Some(told)) => told,
        (202, None) => EffectOutcome::Unknown { reason: says },
        (200..300, None) => EffectOutcome::Applied { detail: says, after: None },
        // Refused before anything was done: not found, not allowed, changed since, too much.
        (400 | 401 | 403 | 404 | 405 | 409 | 410 | 412 | 413 | 415 | 422 | 428 | 429, _) => {
            EffectOutcome::NotApplied { reason: says }
        }
        (_, Some(told @ (EffectOutcome::NotApplied { .. } | EffectOutcome::Failed { .. }))) => told,
        _ => EffectOutcome::Unknown { reason: says },
    }
}

fn well(url: &Url, answer: Answer) -> Result<Vec<u8>, ConnectorError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    Err(ConnectorError::Status {
        url: crate::http::shown(url),
        status: answer.status,
        excerpt: answer.excerpt(),
    })
}
