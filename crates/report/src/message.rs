//! What a receiver is told: the message of Alertmanager's webhook, version 4, so that whoever understands that one
//! understands this one.

use midwatch_model::redact::{redact, redact_field};
use midwatch_model::{Alert, Labels, Timestamp};
use serde::{Deserialize, Serialize};

/// A message about a group of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub version: String,
    pub group_key: String,
    /// Alerts that were left out.
    pub truncated_alerts: u64,
    pub status: AlertStatus,
    pub receiver: String,
    pub group_labels: Labels,
    pub common_labels: Labels,
    pub common_annotations: Labels,
    #[serde(rename = "externalURL")]
    pub external_url: String,
    pub alerts: Vec<MessageAlert>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    Firing,
    Resolved,
}

/// An alert within a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAlert {
    pub status: AlertStatus,
    pub labels: Labels,
    pub annotations: Labels,
    pub starts_at: Timestamp,
    /// Absent (as the year 1) while it fires.
    pub ends_at: Timestamp,
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    pub fingerprint: String,
}

/// Go's zero time: how Alertmanager says that there is no end yet.
fn no_time() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).unwrap_or_default()
}

impl MessageAlert {
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.status == AlertStatus::Firing
    }

    /// Whether it tells of an incident of midwatch's.
    #[must_use]
    pub fn tells_of_incident(&self) -> bool {
        matches!(self.labels.get("alertname"), Some(crate::INCIDENT_ALERT | crate::PERSON_ALERT))
    }

    /// An alert that flaps counts as firing, and says why in an annotation.
    #[must_use]
    pub fn flapping(alert: &Alert, sentence: String) -> Self {
        let mut told = Self::of(alert, no_time());
        told.annotations.insert("midwatch_flapping", sentence);
        told
    }

    #[must_use]
    pub fn of(alert: &Alert, now: Timestamp) -> Self {
        let over = alert.is_resolved(now);
        Self {
            status: if over { AlertStatus::Resolved } else { AlertStatus::Firing },
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: alert.starts_at,
            ends_at: if over { alert.ends_at } else { no_time() },
            generator_url: alert.generator_url.clone(),
            fingerprint: alert.fingerprint().to_string(),
        }
    }
}

/// Without what looks like a secret: whoever sent an alert wrote it for midwatch, not for every receiver.
fn clean(labels: &Labels) -> Labels {
    labels.iter().map(|(name, value)| (name.to_owned(), redact_field(name, value).into_owned())).collect()
}

/// The message about `alerts`, of which at most `max` (0 for all) are named.
#[must_use]
pub fn message(
    receiver: &str,
    group_key: String,
    group_labels: Labels,
    mut alerts: Vec<MessageAlert>,
    max: usize,
    external_url: &str,
) -> Message {
    for alert in &mut alerts {
        alert.labels = clean(&alert.labels);
        alert.annotations = clean(&alert.annotations);
        alert.generator_url = redact(&alert.generator_url).into_owned();
    }
    let firing = alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
    let common_labels = common(alerts.iter().map(|alert| &alert.labels));
    let common_annotations = common(alerts.iter().map(|alert| &alert.annotations));
    let left_out = if max == 0 { 0 } else { alerts.len().saturating_sub(max) };
    alerts.truncate(alerts.len() - left_out);
    Message {
        version: "4".into(),
        group_key: redact(&group_key).into_owned(),
        truncated_alerts: left_out as u64,
        status: if firing { AlertStatus::Firing } else { AlertStatus::Resolved },
        receiver: receiver.to_owned(),
        group_labels: clean(&group_labels),
        common_labels,
        common_annotations,
        external_url: external_url.to_owned(),
        alerts,
    }
}

/// The pairs that all have.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common = all.next().cloned().unwrap_or_default();
    for labels in all {
        if common.is_empty() {
            break;
        }
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(pairs: &[(&str, &str)], ends_s: i64) -> Alert {
        let labels: Labels = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let at = |second| Timestamp::from_second(second).expect("a time");
        serde_json::from_value(serde_json::json!({
            "source": "test", "labels": labels, "annotations": {"summary": "slow"}, "starts_at": at(10),
            "ends_at": at(ends_s), "timeout": false, "generator_url": "", "severity": "warning", "updated_at": at(10),
        }))
        .expect("an alert")
    }

    fn told(alerts: &[Alert], max: usize) -> serde_json::Value {
        let now = Timestamp::from_second(100).expect("a time");
        let alerts = alerts.iter().map(|alert| MessageAlert::of(alert, now)).collect();
        let message = message("ops", "{}:{}".into(), Labels::new(), alerts, max, "http://here");
        serde_json::to_value(message).expect("plain")
    }

    #[test]
    fn a_message_holds_no_secret_of_an_alert() {
        let secret = "hunter2Xq81vvZ";
        let mut alert = alert(&[("job", "db"), ("password", secret)], 200);
        alert.annotations.insert("summary", format!("login with password={secret} failed"));
        alert.generator_url = format!("http://prom/graph?token={secret}&g0.expr=up");
        let told = MessageAlert::of(&alert, Timestamp::from_second(100).expect("a time"));
        let group: Labels = [("password".to_owned(), secret.to_owned())].into_iter().collect();
        let key = format!("{{}}:{{password=\"{secret}\"}}");
        let message = message("ops", key, group, vec![told], 0, "http://here");
        let text = serde_json::to_string(&message).expect("plain");
        assert!(!text.contains(secret), "{text}");
        assert_eq!(message.alerts[0].labels.get("job"), Some("db"));
        assert!(message.alerts[0].generator_url.ends_with("g0.expr=up"), "{text}");
        assert_eq!(message.alerts[0].fingerprint, alert.fingerprint().to_string(), "who it is stays");
    }

    #[test]
    fn a_message_names_what_its_alerts_have_in_common() {
        let both = [alert(&[("a", "1"), ("b", "2")], 200), alert(&[("a", "1"), ("b", "3")], 50)];
        let message = told(&both, 0);
        assert_eq!(message["commonLabels"], serde_json::json!({"a": "1"}));
        assert_eq!(message["commonAnnotations"], serde_json::json!({"summary": "slow"}));
        assert_eq!((&message["status"], &message["version"]), (&"firing".into(), &"4".into()));
        assert_eq!(message["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
        assert_eq!(message["alerts"][1]["status"], "resolved");
        assert_eq!(told(&both[1..], 0)["status"], "resolved");
    }

    #[test]
    fn a_message_says_how_many_alerts_it_leaves_out() {
        let many = vec![alert(&[("a", "1")], 200); 5];
        let message = told(&many, 2);
        assert_eq!(
            (message["alerts"].as_array().map(Vec::len), &message["truncatedAlerts"]),
            (Some(2), &3.into())
        );
    }
}
