//! Why an alert was handled as it was: everything that is on record of it, brought together.

use super::alerts::{find, steps_of};
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::{Path, State};
use midwatch_engine::{Engine, pages};
use midwatch_model::journal::{Line, StreamId};
use midwatch_model::{IncidentId, Timestamp};
use midwatch_report::{
    IncidentRoute, Message, MessageAlert, Telling, Told, WayInput, told_with_incident, way,
};
use midwatch_signal::source::reading_of;
use midwatch_store::{IntakeRow, Notification, NotificationState};
use serde_json::{Value, json};

/// Notifications that took one another's place and are followed: each is the answer to a receiver that did not take the
/// one before.
const FOLLOWED_MAX: usize = 100;

/// The way of an alert, by its id or its fingerprint: `headline` says whether it paged, and why (not); `steps` tell all.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/lineage", tag = "alerts", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn of_alert(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let row = find(&api.engine, &id).await?;
    let alert = row.alert.as_ref();
    let lines = lines(&api.engine, row.incident.as_deref()).await?;
    let told = told_of_alert(&api.engine, &row).await?;
    let input = WayInput {
        id: &row.id,
        received_at: row.received_at,
        alert,
        times: row.told,
        reading: alert.map(reading_of).unwrap_or_default(),
        steps: steps_of(&row),
        incident: row.incident.as_deref(),
        lines: &lines,
        incident_told: match &row.incident {
            Some(incident) => {
                told_with_incident(told_of_incident(&api.engine, incident).await?, &told, row.received_at)
            }
            None => Vec::new(),
        },
        told,
        incident_route: match &row.incident {
            Some(incident) => api.engine.incident_route(incident).await,
            None => IncidentRoute::default(),
        },
        can_be_told: match alert {
            Some(alert) => api.engine.can_be_told(alert).await,
            None => false,
        },
        damped: match alert {
            Some(alert) => api.engine.damped(&row.id, alert).await,
            None => None,
        },
        now: api.engine.now(),
    };
    let way = way(&input);
    Ok(Json(json!({
        "alert": row.id, "incident": row.incident, "headline": way.headline, "paged": way.paged, "steps": way.steps,
    })))
}

async fn lines(engine: &Engine, incident: Option<&str>) -> Result<Vec<Line>, ApiError> {
    match incident {
        Some(incident) => {
            let stream = StreamId::Incident(IncidentId::new(incident));
            Ok(engine.store.read(&stream).await?.lines().to_vec())
        }
        None => Ok(Vec::new()),
    }
}

/// How it went to tell of an alert.
pub(super) async fn told_of_alert(engine: &Engine, row: &IntakeRow) -> Result<Vec<Told>, ApiError> {
    let fingerprint = row.alert.as_ref().map(|alert| alert.fingerprint().to_string());
    let is_it = |alert: &MessageAlert| Some(&alert.fingerprint) == fingerprint.as_ref();
    Ok(notifications(engine, &row.id).await?.into_iter().map(|it| told(it, row.ended_at, is_it)).collect())
}

/// How it went to tell of an incident as such.
pub(super) async fn told_of_incident(engine: &Engine, id: &str) -> Result<Vec<Told>, ApiError> {
    let is_its = |alert: &MessageAlert| alert.labels.get("incident").is_some_and(|incident| incident == id);
    Ok(notifications(engine, id).await?.into_iter().map(|it| told(it, None, is_its)).collect())
}

/// Those that told of it, and those that took the place of one of them.
async fn notifications(engine: &Engine, alert: &str) -> Result<Vec<Notification>, ApiError> {
    let mut all = engine.store.notifications_of(alert).await?;
    let mut at = 0;
    while let Some(notification) = all.get(at) {
        at += 1;
        let next = notification.superseded_by.clone();
        let Some(next) = next.filter(|next| at <= FOLLOWED_MAX && all.iter().all(|n| n.id != *next)) else {
            continue;
        };
        all.extend(engine.store.notification(&next).await?);
    }
    Ok(all)
}

/// `ended_at` is for those that were left out of a message that would have been too long.
fn told(
    notification: Notification,
    ended_at: Option<Timestamp>,
    is_it: impl Fn(&MessageAlert) -> bool,
) -> Told {
    let message: Option<Message> = serde_json::from_slice(&notification.body).ok();
    let mut named =
        message.iter().flat_map(|message| &message.alerts).filter(|alert| is_it(alert)).peekable();
    let fires = match named.peek() {
        Some(_) => named.any(MessageAlert::is_firing),
        None => ended_at.is_none_or(|ended_at| ended_at > notification.created_at),
    };
    Told {
        pages: fires && pages(&notification.why),
        telling: match notification.state {
            NotificationState::Pending => Telling::Pending,
            NotificationState::Delivered => Telling::Delivered,
            NotificationState::Superseded => Telling::Superseded,
            NotificationState::Failed => Telling::Failed,
        },
        id: notification.id,
        target: notification.target,
        why: notification.why,
        created_at: notification.created_at,
        attempts: notification.attempts,
        next_at: notification.next_at,
        ended_at: notification.ended_at,
        superseded_by: notification.superseded_by,
        answer: notification.answer,
    }
}
