//! Every vendor's alert over a restart: one row, one id, over when its sender says so, and told of once.

use crate::harness::Rig;
use crate::tell::routed_again_after;
use midwatch_engine::EngineConfig;
use midwatch_model::{Timestamp, after};
use midwatch_report::ToldIncidents;
use midwatch_signal::source::Source;
use midwatch_store::IntakeRow;
use serde_json::Value;

/// What a vendor sends as an alert begins, and as it ends, as documented. `@start` and `@end` stand for when that was,
/// `@start_ms` and `@end_ms` for the same in milliseconds.
struct Vendor {
    name: &'static str,
    source: Source,
    fires: &'static str,
    over: &'static str,
}

const VENDORS: [Vendor; 15] = [
    Vendor {
        name: "generic",
        source: Source::Generic,
        fires: r#"[{"service":"pay","title":"slow","id":"i-1","starts_at":"@start","labels":{"a":"b"}}]"#,
        over: r#"[{"service":"pay","title":"slow","id":"i-1","status":"resolved","starts_at":"@start"}]"#,
    },
    Vendor {
        name: "Alertmanager's webhook",
        source: Source::Alertmanager,
        fires: r#"{"version":"4","groupKey":"{}","status":"firing","receiver":"midwatch","groupLabels":{},
            "commonLabels":{},"commonAnnotations":{},"externalURL":"http://am","truncatedAlerts":0,"alerts":[{
            "status":"firing","labels":{"alertname":"Slow","service":"pay"},"annotations":{"summary":"slow"},
            "startsAt":"@start","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p","fingerprint":"a1"}]}"#,
        over: r#"{"version":"4","groupKey":"{}","status":"resolved","receiver":"midwatch","groupLabels":{},
            "commonLabels":{},"commonAnnotations":{},"externalURL":"http://am","truncatedAlerts":0,"alerts":[{
            "status":"resolved","labels":{"alertname":"Slow","service":"pay"},"annotations":{"summary":"slow"},
            "startsAt":"@start","endsAt":"@end","generatorURL":"http://p","fingerprint":"a1"}]}"#,
    },
    Vendor {
        name: "Prometheus",
        source: Source::AlertmanagerV2,
        fires: r#"[{"labels":{"alertname":"Slow","service":"pay"},"annotations":{"summary":"slow"},
            "startsAt":"@start","endsAt":"@later","generatorURL":"http://p"}]"#,
        over: r#"[{"labels":{"alertname":"Slow","service":"pay"},"annotations":{"summary":"slow"},
            "startsAt":"@start","endsAt":"@end","generatorURL":"http://p"}]"#,
    },
    Vendor {
        name: "Grafana",
        source: Source::Grafana,
        fires: r#"{"receiver":"webhook","status":"firing","orgId":1,"alerts":[{"status":"firing",
            "labels":{"alertname":"Slow","service":"pay","grafana_folder":"f"},"annotations":{"summary":"slow"},
            "startsAt":"@start","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://g/alerting/1/edit",
            "fingerprint":"6584dc8bd0f1c4a4","silenceURL":"https://g/silence","dashboardURL":"","panelURL":"",
            "values":{"B":44.2,"C":1},"valueString":"[ var='B' ]"}],"groupLabels":{},"version":"1","groupKey":"{}:{}"}"#,
        over: r#"{"receiver":"webhook","status":"resolved","orgId":1,"alerts":[{"status":"resolved",
            "labels":{"alertname":"Slow","service":"pay","grafana_folder":"f"},"annotations":{"summary":"slow"},
            "startsAt":"@start","endsAt":"@end","generatorURL":"https://g/alerting/1/edit",
            "fingerprint":"6584dc8bd0f1c4a4","silenceURL":"https://g/silence","dashboardURL":"","panelURL":"",
            "values":null,"valueString":""}],"groupLabels":{},"version":"1","groupKey":"{}:{}"}"#,
    },
    Vendor {
        name: "Datadog",
        source: Source::Datadog,
        fires: r#"{"alert_id":"1234","alert_cycle_key":"9bd4ac","alert_transition":"Triggered","alert_type":"error",
            "alert_priority":"P2","alert_title":"CPU is high","alert_scope":"host:web-1","tags":"service:pay",
            "date":"@start_ms","last_updated":"@start_ms","id":"5550000001"}"#,
        over: r#"{"alert_id":"1234","alert_cycle_key":"9bd4ac","alert_transition":"Recovered","alert_type":"success",
            "alert_priority":"P2","alert_title":"CPU is high","alert_scope":"host:web-1","tags":"service:pay",
            "date":"@end_ms","last_updated":"@end_ms","id":"5550000002"}"#,
    },
    Vendor {
        name: "Datadog's own payload",
        source: Source::Datadog,
        fires: r#"{"body":"b","last_updated":"@start_ms","event_type":"query_alert_monitor",
            "title":"[P1] [Triggered on {host:a}] CPU is high","date":"@start_ms","id":"77"}"#,
        over: r#"{"body":"b","last_updated":"@end_ms","event_type":"query_alert_monitor",
            "title":"[P1] [Recovered on {host:a}] CPU is high","date":"@end_ms","id":"78"}"#,
    },
    Vendor {
        name: "New Relic",
        source: Source::NewRelic,
        fires: r#"{"id":"0ea2df1c","issueUrl":"https://radar/0ea2df1c","title":"Memory is high","priority":"CRITICAL",
            "impactedEntities":["pay"],"totalIncidents":1,"state":"ACTIVATED","trigger":"STATE_CHANGE",
            "createdAt":@start_ms,"updatedAt":@start_ms,"sources":["newrelic"],"alertConditionNames":["c"]}"#,
        over: r#"{"id":"0ea2df1c","issueUrl":"https://radar/0ea2df1c","title":"Memory is high","priority":"CRITICAL",
            "impactedEntities":["pay"],"totalIncidents":1,"state":"CLOSED","trigger":"INCIDENT_CLOSED",
            "createdAt":@start_ms,"updatedAt":@end_ms,"closedAt":@end_ms,"sources":["newrelic"]}"#,
    },
    Vendor {
        name: "New Relic's legacy channel",
        source: Source::NewRelic,
        fires: r#"{"account_id":1,"condition_id":2,"condition_name":"Apdex","current_state":"open","details":"slow",
            "event_type":"INCIDENT","incident_id":3001,"policy_name":"p","severity":"CRITICAL",
            "targets":[{"id":"1","name":"pay","link":"https://x","labels":{},"type":"Application"}],
            "timestamp":@start_ms,"version":"1.0"}"#,
        over: r#"{"account_id":1,"condition_id":2,"condition_name":"Apdex","current_state":"closed","details":"slow",
            "event_type":"INCIDENT","incident_id":3001,"policy_name":"p","severity":"CRITICAL",
            "targets":[{"id":"1","name":"pay","link":"https://x","labels":{},"type":"Application"}],
            "timestamp":@end_ms,"version":"1.0"}"#,
    },
    Vendor {
        name: "PagerDuty",
        source: Source::PagerDuty,
        fires: r#"{"event":{"id":"e-1","event_type":"incident.triggered","resource_type":"incident",
            "occurred_at":"@start","agent":null,"client":null,"data":{"id":"PGR0VU2","type":"incident","number":2,
            "status":"triggered","incident_key":"k","created_at":"@start","title":"A bump in the road",
            "service":{"id":"PF9KMXH","summary":"pay"},"priority":{"id":"P","summary":"P1"},"urgency":"high"}}}"#,
        over: r#"{"event":{"id":"e-2","event_type":"incident.resolved","resource_type":"incident",
            "occurred_at":"@end","agent":null,"client":null,"data":{"id":"PGR0VU2","type":"incident","number":2,
            "status":"resolved","incident_key":"k","created_at":"@start","title":"A bump in the road",
            "service":{"id":"PF9KMXH","summary":"pay"},"priority":{"id":"P","summary":"P1"},"urgency":"high"}}}"#,
    },
    Vendor { name: "Opsgenie", source: Source::Opsgenie, fires: OPSGENIE_CREATE, over: OPSGENIE_CLOSE },
    Vendor { name: "Jira", source: Source::Jsm, fires: OPSGENIE_CREATE, over: OPSGENIE_CLOSE },
    Vendor {
        name: "CloudWatch",
        source: Source::CloudWatch,
        fires: r#"{"AlarmName":"pay-5xx","AWSAccountId":"123456789012","NewStateValue":"ALARM",
            "NewStateReason":"Threshold Crossed","StateChangeTime":"@start","Region":"EU (Ireland)",
            "AlarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:pay-5xx","OldStateValue":"OK"}"#,
        over: r#"{"AlarmName":"pay-5xx","AWSAccountId":"123456789012","NewStateValue":"OK",
            "NewStateReason":"Threshold no longer crossed","StateChangeTime":"@end","Region":"EU (Ireland)",
            "AlarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:pay-5xx","OldStateValue":"ALARM"}"#,
    },
    Vendor {
        name: "CloudWatch over SNS",
        source: Source::CloudWatch,
        fires: r#"{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-west-1:1:b","Subject":"ALARM",
            "Message":"{\"AlarmName\":\"pay-5xx\",\"NewStateValue\":\"ALARM\",\"AWSAccountId\":\"1\",\"StateChangeTime\":\"@start\",\"Region\":\"EU (Ireland)\"}",
            "Timestamp":"@start","SignatureVersion":"1","Signature":"x"}"#,
        over: r#"{"Type":"Notification","MessageId":"m-2","TopicArn":"arn:aws:sns:eu-west-1:1:b","Subject":"OK",
            "Message":"{\"AlarmName\":\"pay-5xx\",\"NewStateValue\":\"OK\",\"AWSAccountId\":\"1\",\"StateChangeTime\":\"@end\",\"Region\":\"EU (Ireland)\"}",
            "Timestamp":"@end","SignatureVersion":"1","Signature":"x"}"#,
    },
    Vendor {
        name: "a CloudEvent with midwatch's data",
        source: Source::CloudEvents,
        fires: r#"{"specversion":"1.0","id":"e-1","source":"/monitors/pay","type":"com.example.alert.fired",
            "subject":"s-1","time":"@start","data":{"service":"pay","title":"p99 above 2 s","id":"a-1"}}"#,
        over: r#"{"specversion":"1.0","id":"e-2","source":"/monitors/pay","type":"com.example.alert.resolved",
            "subject":"s-1","time":"@end","data":{"service":"pay","title":"p99 above 2 s","id":"a-1",
            "status":"resolved"}}"#,
    },
    Vendor {
        name: "a CloudEvent with data of its own",
        source: Source::CloudEvents,
        fires: r#"{"specversion":"1.0","id":"e-1","source":"https://example.com/services/pay",
            "type":"com.example.alert.fired","subject":"s-1","time":"@start","data":{"message":"b"}}"#,
        over: r#"{"specversion":"1.0","id":"e-2","source":"https://example.com/services/pay",
            "type":"com.example.alert.resolved","subject":"s-1","time":"@end","data":{"message":"b"}}"#,
    },
];

const OPSGENIE_CREATE: &str = r#"{"action":"Create","alert":{"alertId":"052652ac","message":"slow","alias":"x",
    "tags":["service:pay"],"createdAt":@start_ms,"updatedAt":@start_ms000000,"priority":"P1","username":"ana"}}"#;

const OPSGENIE_CLOSE: &str = r#"{"action":"Close","alert":{"alertId":"052652ac","message":"slow","alias":"x",
    "tags":["service:pay"],"createdAt":@start_ms,"updatedAt":@end_ms000000,"priority":"P1","username":"ana"}}"#;

/// Seconds that pass before a restart, and whether its group was told of before: none, more than an alert that is over is
/// known for, and more than requests that came are known again for.
const GAPS: [(f64, bool); 4] = [(0.0, false), (0.0, true), (1_000.0, true), (90_000.0, false)];

/// Longer than all of that: what fires does not time out, and nobody is reminded of it.
const LONG_S: f64 = 1_000_000.0;

/// Nothing is told again because of time in these tests; incidents are not told of.
fn quiet(config: &mut EngineConfig) {
    routed_again_after(config, 0.0, LONG_S);
    config.resolve_timeout_s = LONG_S;
    config.told_incidents = ToldIncidents::Off;
}

struct Case {
    rig: Rig,
    vendor: &'static Vendor,
    began_at: Timestamp,
}

impl Case {
    async fn begin(vendor: &'static Vendor) -> Self {
        let rig = Rig::with(quiet, "").await;
        rig.tick().await;
        Self { began_at: rig.now(), rig, vendor }
    }

    async fn restart(self) -> Self {
        Self { rig: self.rig.reopen().await, ..self }
    }

    /// Sends a body, and gives the id of its alert.
    async fn send(&self, body: &str) -> String {
        let (start, end) = (self.began_at, self.rig.now());
        let later = after(end, LONG_S);
        let body = body
            .replace("@start_ms", &start.as_millisecond().to_string())
            .replace("@end_ms", &end.as_millisecond().to_string())
            .replace("@start", &start.to_string())
            .replace("@later", &later.to_string())
            .replace("@end", &end.to_string());
        let taken = self.rig.engine.receive(self.vendor.source, body.as_bytes(), "a test").await;
        let taken = taken.unwrap_or_else(|error| panic!("{}: {error}", self.vendor.name));
        assert_eq!((taken.accepted.len(), taken.refused.len()), (1, 0), "{}", self.vendor.name);
        taken.accepted[0].to_string()
    }

    /// Ticks for longer than a group waits, and gives the states of alerts in what receivers were told.
    async fn told(&self) -> Vec<String> {
        for _ in 0..8 {
            self.rig.tick().await;
            self.rig.engine.tell_due().await.expect("told");
        }
        let statuses = |message: &Value| {
            let alerts = message["alerts"].as_array().expect("alerts").iter();
            alerts.map(|alert| alert["status"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        self.rig.world.take_told().iter().map(|(_, _, message)| statuses(message).join(",")).collect()
    }

    async fn row(&self) -> IntakeRow {
        let mut rows = self.rig.engine.store.intake_list(None, 10).await.expect("rows");
        rows.retain(|row| row.alert.is_some());
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(rows.len(), 1, "{}: {ids:?}", self.vendor.name);
        rows.remove(0)
    }
}

/// An alert is told, the server restarts once the gap has passed, and the alert ends. `told_first` says whether its
/// group was told of before the restart.
async fn check(vendor: &'static Vendor, gap_s: f64, told_first: bool) {
    let name = format!("{}, {gap_s} s, told first: {told_first}", vendor.name);
    let case = Case::begin(vendor).await;
    let id = case.send(vendor.fires).await;
    let mut told = match told_first {
        true => case.told().await,
        false => Vec::new(),
    };
    case.rig.clock.advance(gap_s);
    let case = case.restart().await;
    told.extend(case.told().await);
    assert_eq!(told, ["firing"], "{name}: nobody hears of it a second time");
    let row = case.row().await;
    assert_eq!((row.id.as_str(), row.ended_at), (id.as_str(), None), "{name}");
    let over_at = case.rig.now();
    assert_eq!(case.send(vendor.over).await, id, "{name}: its end is of the same episode");
    // The process may die right after it has acknowledged the end, too.
    let case = case.restart().await;
    assert_eq!(case.told().await, ["resolved"], "{name}");
    let row = case.row().await;
    assert_eq!((row.id.as_str(), row.ended_at), (id.as_str(), Some(over_at)), "{name}");
    let firing = case.rig.engine.alerts(|alert| !alert.is_resolved(over_at)).await;
    assert_eq!(firing.len(), 0, "{name}");
    case.rig.clock.advance(gap_s);
    let case = case.restart().await;
    assert_eq!(case.told().await, [""; 0], "{name}");
    case.rig.assert_sound().await;
}

#[tokio::test]
async fn an_alert_of_any_vendor_stays_one_over_restarts_and_is_told_of_once() {
    for vendor in &VENDORS {
        for (gap_s, told_first) in GAPS {
            check(vendor, gap_s, told_first).await;
        }
    }
}

#[tokio::test]
async fn an_alert_that_is_told_again_after_a_restart_is_still_the_same_one() {
    for vendor in &VENDORS {
        let case = Case::begin(vendor).await;
        let id = case.send(vendor.fires).await;
        assert_eq!(case.told().await, ["firing"], "{}", vendor.name);
        case.rig.clock.advance(1_000.0);
        let case = case.restart().await;
        // Those whose events have ids are known by them: nothing is made of one that comes again.
        let body =
            vendor.fires.replace("e-1", "e-3").replace("m-1", "m-3").replace("5550000001", "5550000003");
        let body = body.replace(r#""id":"77""#, r#""id":"79""#);
        assert_eq!(case.send(&body).await, id, "{}", vendor.name);
        assert_eq!(case.told().await, [""; 0], "{}", vendor.name);
        assert_eq!(case.send(vendor.over).await, id, "{}", vendor.name);
        assert_eq!(case.told().await, ["resolved"], "{}", vendor.name);
        assert_eq!(case.row().await.told, 3, "{}", vendor.name);
    }
}
