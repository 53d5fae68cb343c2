//! How an alert was read: which of its words say what it is about. For whoever asks why it was handled as it was.

use super::service::{CAUSE_LABEL, CAUSE_WORDS, SERVICE_LABELS, cause_of, service_of, title_of};
use midwatch_model::label::value_of;
use midwatch_model::{Alert, ServiceName, Severity};

/// One line: service, kind of trouble, severity, times, each with where it comes from.
#[must_use]
pub fn reading_of(alert: &Alert) -> String {
    let mut parts = vec![service(alert), cause(alert), severity(alert)];
    let original = &alert.original;
    if let Some(start) = &original.starts_at {
        parts.push(format!("its start {start:?} cannot be used, so it starts with its arrival"));
    }
    if let Some(end) = &original.ends_at {
        parts.push(format!("its end {end:?} cannot be used"));
    }
    parts.join("; ")
}

fn service(alert: &Alert) -> String {
    let name = service_of(alert);
    let of = |label: &&&str| ServiceName::new(value_of(&alert.labels, label)) == name;
    let near = |label: &&&str| !value_of(&alert.labels, label).is_empty();
    match (SERVICE_LABELS.iter().find(of), SERVICE_LABELS.iter().find(near)) {
        (Some(label), _) => format!("service {name} by the label {label}"),
        (None, Some(label)) => {
            format!("service {name}, made of the label {label}={:?}", value_of(&alert.labels, label))
        }
        (None, None) => format!("service {name}, made of the alert's name since no label names a service"),
    }
}

fn cause(alert: &Alert) -> String {
    let cause = cause_of(alert);
    if value_of(&alert.labels, CAUSE_LABEL) == cause.name() {
        return format!("{cause} by the label {CAUSE_LABEL}");
    }
    let text = format!("{} {}", value_of(&alert.labels, "alertname"), title_of(alert)).to_lowercase();
    match CAUSE_WORDS.iter().find(|(word, _)| text.contains(word)) {
        Some((word, _)) => format!("{cause} by the word {word:?}"),
        None => format!("{cause} since no word of it says more"),
    }
}

fn severity(alert: &Alert) -> String {
    let severity = alert.severity;
    match &alert.original.severity {
        Some(word) if *word == severity.to_string() => format!("severity {severity}"),
        Some(word) if Severity::from_word(word).is_none() => {
            format!("severity {severity}, as the sender's {word:?} is not known")
        }
        Some(word) => format!("severity {severity}, the sender's {word:?}"),
        None => format!("severity {severity}, as the sender names none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::{Labels, Timestamp};

    fn check(labels: &[(&str, &str)], word: Option<&str>, severity: Severity, expected: &str) {
        let labels: Labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let at = Timestamp::UNIX_EPOCH;
        let mut alert: Alert = serde_json::from_value(serde_json::json!({
            "source": "test", "labels": labels, "annotations": {}, "starts_at": at, "ends_at": at, "timeout": true,
            "generator_url": "", "severity": severity, "updated_at": at,
        }))
        .expect("an alert");
        alert.original.severity = word.map(str::to_owned);
        assert_eq!(reading_of(&alert), expected);
    }

    #[test]
    fn each_word_that_decided_is_named() {
        check(
            &[("app", "pay"), ("alertname", "SlowAnswers")],
            Some("P1"),
            Severity::Critical,
            "service pay by the label app; latency_spike by the word \"slow\"; severity critical, the sender's \"P1\"",
        );
        check(
            &[("service", "API Service"), ("midwatch_cause", "memory_leak")],
            Some("purple"),
            Severity::Warning,
            "service api-service, made of the label service=\"API Service\"; memory_leak by the label midwatch_cause; \
             severity warning, as the sender's \"purple\" is not known",
        );
        check(
            &[("alertname", "Watchdog")],
            None,
            Severity::Warning,
            "service Watchdog, made of the alert's name since no label names a service; error_rate_spike since no word \
             of it says more; severity warning, as the sender names none",
        );
    }
}
