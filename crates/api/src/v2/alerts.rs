//! Alerts: what Prometheus sends, and what can be read of it.

use super::status::RECEIVER;
use super::{Refusal, all, filters, flag, time};
use crate::Api;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use midwatch_engine::{Held, ReceiveError, Suppression};
use midwatch_model::Matcher;
use midwatch_model::label::{MatchOp, all_match};
use midwatch_signal::source::Source;
use serde_json::{Value, json};

/// Every alert of the body stands for itself: those that can be used are taken even if others cannot.
pub(super) async fn post(State(api): State<Api>, body: Bytes) -> Result<StatusCode, Refusal> {
    match api.engine.receive(Source::AlertmanagerV2, &body, "the Alertmanager API").await {
        Ok(received) if received.refused.is_empty() => Ok(StatusCode::OK),
        Ok(received) => {
            let said = received.refused.iter().map(|(index, reason)| format!("alert {index}: {reason}"));
            Err(Refusal::bad_request(said.collect::<Vec<_>>().join("; ")))
        }
        Err(ReceiveError::Payload(error)) => Err(Refusal::bad_request(error)),
        Err(ReceiveError::Engine(error)) => Err(error.into()),
    }
}

/// What a query asks for.
struct Wanted {
    matchers: Vec<Matcher>,
    receiver: Option<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
}

impl Wanted {
    fn of(query: &[(String, String)]) -> Result<Self, Refusal> {
        let receiver = all(query, "receiver").last();
        Ok(Self {
            matchers: filters(query)?,
            receiver: receiver
                .map(|name| Matcher::new("receiver", MatchOp::Regex, name))
                .transpose()
                .map_err(Refusal::bad_request)?,
            active: flag(query, "active", true)?,
            silenced: flag(query, "silenced", true)?,
            inhibited: flag(query, "inhibited", true)?,
        })
    }

    fn takes(&self, held: &Held, suppression: &Suppression) -> bool {
        (self.active || !suppression.is_none())
            && (self.silenced || suppression.silenced_by.is_empty())
            && (self.inhibited || suppression.inhibited_by.is_none())
            && self.receiver.as_ref().is_none_or(|receiver| receiver.accepts(RECEIVER))
            && all_match(&self.matchers, &held.alert.labels)
    }
}

fn shown(held: &Held, suppression: &Suppression) -> Value {
    let alert = &held.alert;
    let state = if suppression.is_none() { "active" } else { "suppressed" };
    json!({
        "fingerprint": alert.fingerprint().to_string(),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": time(alert.starts_at),
        "endsAt": time(alert.ends_at),
        "updatedAt": time(alert.updated_at),
        "generatorURL": alert.generator_url,
        "receivers": [{ "name": RECEIVER }],
        "status": {
            "state": state,
            "silencedBy": suppression.silenced_by,
            "inhibitedBy": suppression.inhibited_by.map(|f| f.to_string()).into_iter().collect::<Vec<_>>(),
            "mutedBy": [],
        },
    })
}

/// The alerts that fire now and that the query asks for, in the order of their fingerprints.
async fn firing(api: &Api, query: &[(String, String)]) -> Result<Vec<Value>, Refusal> {
    let (now, wanted) = (api.engine.now(), Wanted::of(query)?);
    let mut alerts = api.engine.alerts().await;
    alerts.retain(|(held, suppression)| !held.alert.is_resolved(now) && wanted.takes(held, suppression));
    alerts.sort_by_cached_key(|(held, _)| held.alert.fingerprint());
    Ok(alerts.iter().map(|(held, suppression)| shown(held, suppression)).collect())
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(Value::Array(firing(&api, &query).await?)))
}

/// Until alerts are routed to receivers of their own, all of them are one group.
pub(super) async fn groups(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let alerts = firing(&api, &query).await?;
    if alerts.is_empty() {
        return Ok(Json(json!([])));
    }
    Ok(Json(json!([{ "labels": {}, "receiver": { "name": RECEIVER }, "alerts": alerts }])))
}
