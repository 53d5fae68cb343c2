//! What each vendor documents, and what becomes of it.

use crate::good::{
    CLOUDEVENT, CLOUDEVENTS_DERIVED, CLOUDWATCH, CLOUDWATCH_RAW, DATADOG, GRAFANA, NEW_RELIC,
    NEW_RELIC_LEGACY, OPSGENIE, PAGERDUTY,
};
use crate::{alert, alerts, at, now, refused};
use midwatch_model::{Alert, Severity};
use midwatch_signal::source::{Source, service_of, title_of};

/// A later telling of the same alert, and what both amount to.
fn again(source: Source, first: &Alert, later: &str) -> Alert {
    let later = alert(source, later);
    assert_eq!(later.fingerprint(), first.fingerprint());
    later.merge(first, now())
}

fn acknowledged_by(alert: &Alert) -> Option<&str> {
    alert.acknowledged.as_ref().map(|acknowledged| acknowledged.by.as_str())
}

#[test]
fn the_names_of_sources_are_those_in_addresses() {
    let names: Vec<_> = Source::readable().map(Source::name).collect();
    assert_eq!(
        names,
        [
            "generic",
            "alertmanager",
            "grafana",
            "datadog",
            "newrelic",
            "pagerduty",
            "opsgenie",
            "jsm",
            "cloudwatch",
            "cloudevents"
        ]
    );
    assert_eq!(
        (Source::by_name("grafana"), Source::by_name("alertmanager_v2")),
        (Some(Source::Grafana), None)
    );
}

#[test]
fn grafana_tells_of_alerts_with_fingerprints_and_links() {
    let fires = alert(Source::Grafana, GRAFANA);
    assert_eq!(fires.id.as_deref(), Some("6584dc8bd0f1c4a4"));
    assert_eq!((fires.severity, service_of(&fires).as_str()), (Severity::Critical, "pay"));
    assert_eq!(fires.starts_at, at("2025-12-31T23:00:00Z"));
    assert_eq!(fires.annotations["values"], "B=44.23943737541908, C=1");
    assert_eq!(fires.annotations["panel_url"], "https://g/d/1?viewPanel=2");
    assert_eq!(fires.annotations["silence_url"], "https://g/silence");
    assert!(!fires.annotations.contains_key("image_url"));
    assert_eq!(title_of(&fires), "memory is high");
    // Grafana repeats after hours, so its silence means nothing for long.
    assert!(fires.timeout && fires.ends_at > at("2026-01-07T00:00:00Z"));
    let over = r#"{"alerts":[{"status":"resolved","labels":{},"fingerprint":"6584dc8bd0f1c4a4","values":null,
        "startsAt":"2025-12-31T23:00:00Z","endsAt":"2026-01-01T00:00:50Z"}]}"#;
    let over = again(Source::Grafana, &fires, over);
    assert_eq!((over.ends_at, over.labels["team"].as_str()), (at("2026-01-01T00:00:50Z"), "b"));
    let bare = r#"{"alerts":[{"status":"firing","labels":{"alertname":"A"}},{"status":"firing","labels":{"alertname":"B"}}]}"#;
    let bare = alerts(Source::Grafana, bare);
    assert_ne!(
        bare[0].fingerprint(),
        bare[1].fingerprint(),
        "without a fingerprint the labels tell them apart"
    );
    refused(Source::Grafana, r#"{"alerts":[{"status":"pending","labels":{}}]}"#, "unknown variant `pending`");
    refused(Source::Grafana, r#"{"status":"firing"}"#, "missing field `alerts`");
    refused(Source::Grafana, r#"{"alerts":[{"status":"firing"}]}"#, "no labels");
}

#[test]
fn datadog_tells_what_its_template_asks_for() {
    let fires = alert(Source::Datadog, DATADOG);
    assert_eq!((fires.id.as_deref(), fires.severity), (Some("9bd4ac"), Severity::High));
    assert_eq!(fires.original.severity.as_deref(), Some("P2"));
    assert_eq!((service_of(&fires).as_str(), title_of(&fires).as_str()), ("pay", "CPU is high"));
    assert_eq!(fires.labels["env"], "prod");
    assert_eq!((fires.labels["role"].as_str(), fires.labels["tags"].as_str()), ("b", "monitor"));
    assert_eq!(fires.starts_at, at("2026-01-01T00:00:00Z"));
    for (transition, severity) in [
        ("Re-Triggered", Severity::High),
        ("No Data", Severity::High),
        ("Re-No Data", Severity::High),
        ("Warn", Severity::Warning),
        ("Re-Warn", Severity::Warning),
        ("Renotify", Severity::High),
    ] {
        let body = DATADOG.replace("\"Triggered\"", &format!("\"{transition}\"")).replace("\"P2\"", "\"\"");
        let alert = alert(Source::Datadog, &body);
        assert!(!alert.is_resolved(now()) && alert.severity == severity, "{transition}: {}", alert.severity);
    }
    let over = r#"{"alert_id":1234,"alert_cycle_key":"9bd4ac","alert_transition":"Recovered","alert_type":"success",
        "alert_priority":"$ALERT_PRIORITY","tags":["x"],"date":"1767225650000"}"#;
    let over = again(Source::Datadog, &fires, over);
    assert_eq!((over.ends_at, over.severity), (at("2026-01-01T00:00:50Z"), Severity::High));
    assert_eq!(over.starts_at, fires.starts_at);
}

#[test]
fn datadogs_own_payload_and_poor_templates_are_read_as_far_as_they_go() {
    let default = |title: &str| {
        format!(
            r#"{{"body":"x","title":"{title}","date":"1767225600000","last_updated":"1","id":"{}"}}"#,
            title.len()
        )
    };
    let fires = alert(Source::Datadog, &default("[P1] [Triggered on {host:recovered}] CPU is high"));
    let over = alert(Source::Datadog, &default("[P1] [Recovered on {host:recovered}] CPU is high"));
    assert_eq!((fires.id.as_ref(), fires.fingerprint()), (None, over.fingerprint()));
    assert!(!fires.is_resolved(now()) && over.is_resolved(now()));
    let parsed = Source::Datadog.parse(DATADOG.as_bytes()).expect("good");
    assert_eq!(parsed.event_ids, ["5550000001"]);
    let upper = alert(
        Source::Datadog,
        r#"{"ALERT_ID":"7","ALERT_SCOPE":"host:a","ALERT_TRANSITION":"Warn","DATE":1}"#,
    );
    assert_eq!((upper.id.as_deref(), upper.labels["host"].as_str()), (Some("7/host:a"), "a"));
    assert_eq!(upper.starts_at, at("1970-01-01T00:00:01Z"));
    let odd = alert(Source::Datadog, r#"{"alert_id":"7","date":"yesterday"}"#);
    assert_eq!((odd.starts_at, odd.original.starts_at.as_deref()), (now(), Some("yesterday")));
    refused(Source::Datadog, r#"{"id":"$ID"}"#, "configure the payload of docs/sources.md");
}

#[test]
fn new_relic_tells_of_issues() {
    let fires = alert(Source::NewRelic, NEW_RELIC);
    assert_eq!((fires.id.as_deref(), fires.severity), (Some("0ea2df1c"), Severity::Critical));
    assert_eq!(service_of(&fires).as_str(), "payment-service");
    assert_eq!(fires.labels["entities"], "payment-service, b");
    assert_eq!((fires.starts_at, acknowledged_by(&fires)), (at("2026-01-01T00:00:00Z"), None));
    for (more, by) in [
        (r#""state":"ACKNOWLEDGED","owner":"ana""#, "ana"),
        (r#""state":"ACTIVATED","acknowledgedBy":"ana@x""#, "ana@x"),
        (r#""state":"ACTIVATED","trigger":"ISSUE_ACKNOWLEDGED""#, ""),
    ] {
        let told = again(Source::NewRelic, &fires, &format!(r#"{{"issueId":"0ea2df1c",{more}}}"#));
        assert_eq!(acknowledged_by(&told), Some(by), "{more}");
        assert_eq!(told.severity, Severity::Critical);
    }
    let over = r#"{"issueId":"0ea2df1c","state":"CLOSED","closedAt":1767225650000,"createdAt":1767225600000,
        "activatedAt":1767225601000,"priority":"CRITICAL","impactedEntities":[{"name":"payment-service","id":"g"}]}"#;
    assert_eq!(again(Source::NewRelic, &fires, over).ends_at, at("2026-01-01T00:00:50Z"));
    refused(Source::NewRelic, r#"{"issueId":"x"}"#, "it has no `state`");
    refused(Source::NewRelic, r#"{"state":"ACTIVATED"}"#, "neither `issueId` nor `id`");
}

#[test]
fn new_relics_legacy_channels_are_read_too() {
    let fires = alert(Source::NewRelic, NEW_RELIC_LEGACY);
    assert_eq!((fires.id.as_deref(), fires.labels["alertname"].as_str()), (Some("3001"), "Apdex"));
    let state =
        |state: &str, more: &str| format!(r#"{{"incident_id":"3001","current_state":"{state}"{more}}}"#);
    let told = again(Source::NewRelic, &fires, &state("acknowledged", r#","owner":"ana""#));
    assert_eq!((acknowledged_by(&told), told.starts_at), (Some("ana"), fires.starts_at));
    let over = again(Source::NewRelic, &told, &state("closed", r#","timestamp":1767225650000"#));
    assert_eq!((over.ends_at, acknowledged_by(&over)), (at("2026-01-01T00:00:50Z"), Some("ana")));
    refused(Source::NewRelic, &state("odd", ""), "not open, acknowledged or closed");
    refused(Source::NewRelic, r#"{"current_state":"open","incident_id":""}"#, "`incident_id` is empty");
}

#[test]
fn pagerduty_tells_of_incidents_and_of_much_that_is_none() {
    let fires = alert(Source::PagerDuty, PAGERDUTY);
    assert_eq!((fires.id.as_deref(), fires.severity), (Some("PGR0VU2"), Severity::Critical));
    assert_eq!(
        (fires.labels["service"].as_str(), service_of(&fires).as_str()),
        ("API Service", "api-service")
    );
    let event = |kind: &str, data: &str| {
        format!(
            r#"{{"event":{{"id":"e-9","event_type":"{kind}","occurred_at":"2026-01-01T00:00:50Z",
            "agent":{{"summary":"Ana"}},"data":{{"id":"PGR0VU2","type":"incident"{data}}}}}}}"#
        )
    };
    for (kind, data, by, over) in [
        ("incident.acknowledged", "", Some("Ana"), false),
        ("incident.unacknowledged", "", None, false),
        ("incident.reopened", r#","status":"triggered""#, None, false),
        ("incident.escalated", r#","status":"acknowledged""#, Some(""), false),
        ("incident.priority_updated", r#","status":"triggered","priority":{"summary":"P3"}"#, None, false),
        ("incident.reassigned", r#","status":"resolved""#, None, true),
        ("incident.resolved", r#","resolve_reason":{"type":"merge"}"#, None, true),
    ] {
        let told = again(Source::PagerDuty, &fires, &event(kind, data));
        assert_eq!((acknowledged_by(&told), told.is_resolved(now())), (by, over), "{kind}");
        if over {
            assert_eq!(told.ends_at, at("2026-01-01T00:00:50Z"), "{kind}");
        }
    }
    let low = PAGERDUTY.replace(r#"{"id":"PSO75BM","summary":"P1"}"#, "null");
    assert_eq!(
        alert(Source::PagerDuty, &low).severity,
        Severity::High,
        "the urgency stands in for a priority"
    );
    for kind in
        ["pagey.ping", "incident.annotated", "incident.responder.added", "service.updated", "incident.new"]
    {
        let parsed = Source::PagerDuty.parse(event(kind, "").as_bytes()).expect("accepted");
        assert_eq!(
            (parsed.told.len(), parsed.event_ids.as_slice()),
            (0, ["e-9".to_owned()].as_slice()),
            "{kind}"
        );
    }
    let ping = r#"{"event":{"id":"x","event_type":"pagey.ping","resource_type":"pagey","agent":null,"client":null,
        "data":{"message":"Hello from your friend Pagey!","type":"ping"}}}"#;
    assert!(Source::PagerDuty.parse(ping.as_bytes()).expect("accepted").told.is_empty());
    refused(Source::PagerDuty, r#"{"messages":[]}"#, "missing field `event`");
    refused(
        Source::PagerDuty,
        r#"{"event":{"event_type":"incident.triggered","data":null}}"#,
        "is no incident",
    );
}

#[test]
fn opsgenie_and_jira_tell_of_actions() {
    let fires = alert(Source::Opsgenie, OPSGENIE);
    assert_eq!((fires.id.as_deref(), fires.severity), (Some("052652ac"), Severity::Critical));
    assert_eq!((service_of(&fires).as_str(), fires.labels["tags"].as_str()), ("pay", "b"));
    assert_eq!((fires.starts_at, fires.annotations["runbook"].as_str()), (at("2026-01-01T00:00:00Z"), "b"));
    let action = |action: &str| {
        format!(r#"{{"action":"{action}","alert":{{"alertId":"052652ac","username":"ana","tags":null}}}}"#)
    };
    let had = again(Source::Opsgenie, &fires, &action("Acknowledge"));
    assert_eq!((acknowledged_by(&had), had.is_resolved(now())), (Some("ana"), false));
    assert_eq!(acknowledged_by(&again(Source::Opsgenie, &had, &action("UnAcknowledge"))), None);
    for end in ["Close", "Delete"] {
        let over = again(Source::Opsgenie, &had, &action(end));
        assert!(over.is_resolved(now()) && over.severity == Severity::Critical, "{end}");
    }
    for other in
        ["AddNote", "AddTags", "RemoveTags", "AddTeam", "Escalate", "AssignOwnership", "Snooze", "MyAction"]
    {
        let parsed = Source::Opsgenie.parse(action(other).as_bytes()).expect("accepted");
        assert!(parsed.told.is_empty(), "{other}");
    }
    let jira = alert(Source::Jsm, OPSGENIE);
    assert_ne!(jira.fingerprint(), fires.fingerprint(), "two products, two lists of ids");
    let bare = alert(Source::Opsgenie, r#"{"action":"Create","alert":{"alertId":"a","entity":"host-1"}}"#);
    assert_eq!(service_of(&bare).as_str(), "host-1");
    refused(Source::Opsgenie, r#"{"action":"Create"}"#, "missing field `alert`");
    refused(Source::Opsgenie, r#"{"action":"Close","alert":{"alertId":""}}"#, "`alert.alertId` is empty");
}

#[test]
fn cloudwatch_tells_over_sns_or_raw() {
    let fires = alert(Source::CloudWatch, CLOUDWATCH_RAW);
    assert_eq!(fires.id.as_deref(), Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:pay-5xx"));
    assert_eq!((service_of(&fires).as_str(), fires.starts_at), ("pay", at("2026-01-01T00:00:30.123Z")));
    assert_eq!(title_of(&fires), "pay-5xx: Threshold Crossed");
    let over = CLOUDWATCH_RAW.replace(r#""NewStateValue":"ALARM""#, r#""NewStateValue":"OK""#);
    assert_eq!(again(Source::CloudWatch, &fires, &over).ends_at, at("2026-01-01T00:00:30.123Z"));
    let unknown =
        CLOUDWATCH_RAW.replace(r#""NewStateValue":"ALARM""#, r#""NewStateValue":"INSUFFICIENT_DATA""#);
    let unknown = again(Source::CloudWatch, &fires, &unknown);
    assert!(!unknown.is_resolved(now()), "not to know is not to be well");
    assert_eq!(unknown.annotations["state"], "INSUFFICIENT_DATA");
    let parsed = Source::CloudWatch.parse(CLOUDWATCH.as_bytes()).expect("good");
    assert_eq!((parsed.event_ids, parsed.confirm), (vec!["22b80b92".to_owned()], None));
    assert_eq!(alert(Source::CloudWatch, CLOUDWATCH).id.as_deref(), Some("1/EU (Ireland)/pay-5xx"));
    let composite =
        r#"{"AlarmName":"all","AlarmRule":"ALARM(a)","NewStateValue":"ALARM","TriggeringChildren":[]}"#;
    assert_eq!(alert(Source::CloudWatch, composite).starts_at, now());
    refused(Source::CloudWatch, r#"{"AlarmName":"a","NewStateValue":"BAD"}"#, "unknown variant `BAD`");
    let text = CLOUDWATCH.replace(r#"{\"AlarmName\""#, r#"plain {\"AlarmName\""#);
    refused(Source::CloudWatch, &text, "`Message` is no alarm");
    let twice = CLOUDWATCH.replace(r#"{\"AlarmName\""#, r#"{\"AlarmName\":\"x\",\"AlarmName\""#);
    refused(Source::CloudWatch, &twice, "the key `AlarmName` is there twice");
}

#[test]
fn a_subscription_is_confirmed_only_at_sns() {
    let body = |kind: &str, url: &str| {
        format!(
            r#"{{"Type":"{kind}","MessageId":"m","Token":"t","TopicArn":"a","Message":"x","Timestamp":"t",
            "SubscribeURL":"{url}"}}"#
        )
    };
    for host in ["eu-west-1.amazonaws.com", "us-gov-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn"] {
        let url = format!("https://sns.{host}/?Action=ConfirmSubscription&Token=t");
        let parsed =
            Source::CloudWatch.parse(body("SubscriptionConfirmation", &url).as_bytes()).expect("taken");
        assert_eq!((parsed.confirm.as_deref(), parsed.told.len()), (Some(url.as_str()), 0));
        let parsed =
            Source::CloudWatch.parse(body("UnsubscribeConfirmation", &url).as_bytes()).expect("taken");
        assert_eq!(parsed.confirm, None);
    }
    for url in [
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "https://sns.eu-west-1.amazonaws.com.evil.com/?Action=ConfirmSubscription&Token=t",
        "https://sns.eu-west-1.amazonaws.com@evil.com/?Action=ConfirmSubscription&Token=t",
        "https://u:p@sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "https://sns.eu-west-1.amazonaws.com:8443/?Action=ConfirmSubscription&Token=t",
        "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&Token=t",
        "https://evil.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "https://sns.amazonaws.com/?Action=ConfirmSubscription&Token=t",
        "https://127.0.0.1/?Action=ConfirmSubscription&Token=t",
        "",
    ] {
        refused(
            Source::CloudWatch,
            &body("SubscriptionConfirmation", url),
            "does not confirm a subscription",
        );
    }
}

#[test]
fn cloudevents_carry_our_schema_or_tell_what_they_can() {
    let fires = alert(Source::CloudEvents, CLOUDEVENT);
    assert_eq!((fires.id.as_deref(), fires.severity), (Some("/monitors/pay a-1"), Severity::High));
    assert_eq!((service_of(&fires).as_str(), title_of(&fires).as_str()), ("pay", "p99 above 2 s"));
    assert_eq!(fires.starts_at, at("2026-01-01T00:00:00Z"));
    let parsed = Source::CloudEvents.parse(CLOUDEVENTS_DERIVED.as_bytes()).expect("good");
    assert_eq!(parsed.event_ids, ["https://example.com/services/pay e-2", "urn:x:y e-3"]);
    let all = alerts(Source::CloudEvents, CLOUDEVENTS_DERIVED);
    assert_eq!(all[0].id.as_deref(), Some("https://example.com/services/pay s-1"));
    assert!(all[0].is_resolved(now()) && all[0].ends_at == at("2026-01-01T00:00:00Z"));
    assert_eq!((service_of(&all[0]).as_str(), all[0].severity), ("pay", Severity::Warning));
    assert_eq!((all[1].id.as_ref(), all[1].is_resolved(now())), (None, false));
    let event = |more: &str| format!(r#"{{"specversion":"1.0","id":"e","source":"s","type":"t"{more}}}"#);
    let had =
        alert(Source::CloudEvents, &event(r#","data":{"status":"acknowledged","acknowledged_by":"ana"}"#));
    assert_eq!(acknowledged_by(&had), Some("ana"));
    // {"service":"pay","title":"t"}
    let encoded =
        alert(Source::CloudEvents, &event(r#","data_base64":"eyJzZXJ2aWNlIjoicGF5IiwidGl0bGUiOiJ0In0=""#));
    assert_eq!(service_of(&encoded).as_str(), "pay");
    refused(Source::CloudEvents, &event("").replace("1.0", "0.3"), "specversion is `0.3`");
    refused(Source::CloudEvents, &event("").replace(r#""id":"e""#, r#""id":"""#), "`id` is empty");
    refused(Source::CloudEvents, r#"{"specversion":"1.0","id":"e","source":"s"}"#, "missing field `type`");
    refused(Source::CloudEvents, &event(r#","data":{"service":"../x","title":"t"}"#), "`service` must be");
}
