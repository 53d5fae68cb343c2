//! A group of alerts from outside as a bulletin: midwatch knows nothing of it that the alerts do not say.

use super::word;
use crate::{Message, MessageAlert};
use midwatch_model::bulletin::{Bulletin, Moment, Standing, Symptom};
use midwatch_model::label::value_of;
use midwatch_model::{Severity, Timestamp};

/// Alerts that are named at most.
const NAMED_MAX: usize = 10;

/// The bulletin of a message about a group of alerts, which is redacted already.
#[must_use]
pub fn of_alerts(message: &Message, now: Timestamp) -> Bulletin {
    let firing: Vec<&MessageAlert> = message.alerts.iter().filter(|alert| alert.is_firing()).collect();
    let is_over = firing.is_empty();
    let shown: Vec<&MessageAlert> = if is_over { message.alerts.iter().collect() } else { firing };
    let severity = |alert: &&MessageAlert| Severity::from_word(value_of(&alert.labels, "severity"));
    let severity = shown.iter().filter_map(severity).max().unwrap_or_default();
    let first = shown.first();
    let service = first.map_or("", |alert| value_of(&alert.labels, "service")).to_owned();
    let counted = if shown.len() == 1 { "1 alert".to_owned() } else { format!("{} alerts", shown.len()) };
    let name = message.common_labels.get("alertname").map_or(counted.clone(), str::to_owned);
    let about = if service.is_empty() { String::new() } else { format!(" {service}") };
    let head = if is_over { "Over".to_owned() } else { word(severity) };
    let left = shown.len().saturating_sub(NAMED_MAX) + usize::try_from(message.truncated_alerts).unwrap_or(0);
    let more = if left > 0 { format!("; {left} more are not named here") } else { String::new() };
    let verb = if shown.len() == 1 { "fires" } else { "fire" };
    let news = if is_over { format!("{counted}: over") } else { format!("{counted} {verb}{more}") };
    Bulletin {
        topic: message.group_key.clone(),
        is_incident: false,
        moment: if is_over { Moment::Resolved } else { Moment::Alert },
        at: now,
        opened_at: shown.iter().map(|alert| alert.starts_at).min().unwrap_or(now),
        standing: if is_over { Standing::Over } else { Standing::Open },
        state: if is_over { "over".to_owned() } else { "firing".to_owned() },
        severity,
        title: format!("{head}{about}: {name}"),
        verdict: first.map_or_else(|| news.clone(), |alert| said(alert)),
        news,
        service,
        cause: None,
        confidence: None,
        foreseen: None,
        symptoms: shown.iter().take(NAMED_MAX).map(|alert| symptom(alert)).collect(),
        path: Vec::new(),
        evidence: Vec::new(),
        next_query: None,
        action: None,
        undo: None,
        steps: Vec::new(),
        done: Vec::new(),
        approval: None,
        answer: first.map_or_else(String::new, |alert| format!("midwatch why {}", alert.fingerprint)),
        mttr_s: None,
        postmortem: None,
        url: first.map_or_else(String::new, |alert| alert.generator_url.clone()),
        pull_request: None,
        is_test: false,
    }
}

/// What an alert says of itself, or else what it is called.
fn said(alert: &MessageAlert) -> String {
    let texts = ["summary", "description", "message", "title"].map(|name| value_of(&alert.annotations, name));
    let text = texts.into_iter().find(|text| !text.is_empty());
    text.unwrap_or_else(|| value_of(&alert.labels, "alertname")).to_owned()
}

fn symptom(alert: &MessageAlert) -> Symptom {
    let name = value_of(&alert.labels, "alertname");
    let said = said(alert);
    let text = if said == name || name.is_empty() { said } else { format!("{name}: {said}") };
    Symptom { service: value_of(&alert.labels, "service").to_owned(), text, sigma: None }
}
