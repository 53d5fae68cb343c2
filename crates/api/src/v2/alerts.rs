//! Alerts: what Prometheus sends, and what can be read of it.

use super::status::receivers_or_own;
use super::{Refusal, all, filters, flag, time};
use crate::Api;
use crate::access::Client;
use crate::routes::dead_letters;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use midwatch_engine::{Incoming, Known, KnownGroup};
use midwatch_model::label::{MatchOp, all_match};
use midwatch_model::{Alert, Matcher, Timestamp};
use midwatch_signal::source::Source;
use serde_json::{Value, json};

/// Every alert of the body stands for itself: those that can be used are taken even if others cannot.
pub(super) async fn post(
    State(api): State<Api>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let incoming = Incoming {
        feed: Source::AlertmanagerV2.name(),
        body: &body,
        sender: &format!("the Alertmanager API{}", client.words()),
        replay_key: None,
        may_confirm: false,
        taken: &[],
    };
    let received = dead_letters::receive(&api, incoming).await;
    let (received, letter) = received.map_err(Refusal::from)?;
    if received.refused.is_empty() {
        return Ok(StatusCode::OK);
    }
    let said = received.refused.iter().map(|(index, reason)| format!("alert {index}: {reason}"));
    let letter = letter.unwrap_or_default();
    Err(Refusal::bad_request(format!(
        "{}; kept as dead letter {letter}",
        said.collect::<Vec<_>>().join("; ")
    )))
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

    /// What can be said without knowing what keeps the alert quiet.
    fn may_take(&self, alert: &Alert, now: Timestamp) -> bool {
        !alert.is_resolved(now) && all_match(&self.matchers, &alert.labels)
    }

    fn takes(&self, known: &Known, receivers: &[String]) -> bool {
        let suppression = &known.suppression;
        (self.active || !suppression.is_none())
            && (self.silenced || suppression.silenced_by.is_empty())
            && (self.inhibited || suppression.inhibited_by.is_none())
            && self
                .receiver
                .as_ref()
                .is_none_or(|wanted| receivers_or_own(receivers).iter().any(|name| wanted.accepts(name)))
    }
}

/// `muted_by` are the time intervals that keep its group quiet.
fn shown(known: &Known, muted_by: &[String]) -> Value {
    let (alert, suppression) = (&known.held.alert, &known.suppression);
    let state = if suppression.is_none() && muted_by.is_empty() { "active" } else { "suppressed" };
    let receivers: Vec<Value> =
        receivers_or_own(&known.receivers).iter().map(|name| json!({ "name": name })).collect();
    json!({
        "fingerprint": alert.fingerprint().to_string(),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": time(alert.starts_at),
        "endsAt": time(alert.ends_at),
        "updatedAt": time(alert.updated_at),
        "generatorURL": alert.generator_url,
        "receivers": receivers,
        "status": {
            "state": state,
            "silencedBy": suppression.silenced_by,
            "inhibitedBy": suppression.inhibited_by.map(|f| f.to_string()).into_iter().collect::<Vec<_>>(),
            "mutedBy": muted_by,
        },
    })
}

/// The alerts that fire now and that the query asks for, in the order of their fingerprints.
pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let (now, wanted) = (api.engine.now(), Wanted::of(&query)?);
    let mut alerts = api.engine.alerts(|alert| wanted.may_take(alert, now)).await;
    alerts.retain(|known| wanted.takes(known, &known.receivers));
    alerts.sort_by_cached_key(|known| known.held.alert.fingerprint());
    Ok(Json(alerts.iter().map(|known| shown(known, &[])).collect()))
}

/// The groups in which receivers are told.
pub(super) async fn groups(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let (now, wanted) = (api.engine.now(), Wanted::of(&query)?);
    let groups = api.engine.alert_groups(|alert| wanted.may_take(alert, now)).await;
    let muted = flag(&query, "muted", true)?;
    let groups = groups.into_iter().filter_map(|KnownGroup { receiver, labels, muted_by, mut alerts }| {
        let told = std::slice::from_ref(&receiver);
        alerts.retain(|known| wanted.takes(known, told) && (muted || muted_by.is_empty()));
        alerts.sort_by_cached_key(|known| known.held.alert.fingerprint());
        let alerts: Vec<Value> = alerts.iter().map(|known| shown(known, &muted_by)).collect();
        (!alerts.is_empty())
            .then(|| json!({ "labels": labels, "receiver": { "name": receiver }, "alerts": alerts }))
    });
    Ok(Json(groups.collect()))
}
