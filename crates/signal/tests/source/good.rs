//! Good bodies of every source and every kind of change: what the vendors document, shortened. Each holds `"b"`, the one
//! value that other tests bend, and a time of 2026.

use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::Source;

pub const ALERTS: [(Source, &str); 16] = [
    (
        Source::Generic,
        r#"[{"service":"s","title":"t","labels":{"a":"b"},"starts_at":"2026-01-01T00:00:00Z","id":"i"}]"#,
    ),
    (
        Source::Alertmanager,
        r#"{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"2026-01-01T00:00:00Z"}]}"#,
    ),
    (
        Source::AlertmanagerV2,
        r#"[{"labels":{"a":"b"},"annotations":{"c":"d"},"startsAt":"2026-01-01T00:00:00Z","generatorURL":"x"}]"#,
    ),
    (Source::Grafana, GRAFANA),
    (Source::Datadog, DATADOG),
    (
        Source::Datadog,
        r#"{"body":"b","last_updated":"1767225600000","event_type":"query_alert_monitor",
        "title":"[Triggered on {host:a}] CPU is high","date":"1767225600000","org":{"id":"1","name":"b"},"id":"77"}"#,
    ),
    (Source::NewRelic, NEW_RELIC),
    (Source::NewRelic, NEW_RELIC_LEGACY),
    (Source::PagerDuty, PAGERDUTY),
    (Source::Opsgenie, OPSGENIE),
    (Source::Jsm, OPSGENIE),
    (Source::CloudWatch, CLOUDWATCH_RAW),
    (Source::CloudWatch, CLOUDWATCH),
    (Source::CloudEvents, CLOUDEVENT),
    (Source::CloudEvents, CLOUDEVENTS_DERIVED),
    (
        Source::CloudWatch,
        r#"{"Type":"SubscriptionConfirmation","MessageId":"b","Token":"2336","TopicArn":"arn:aws:sns:us-east-1:1:t",
        "Message":"You have chosen to subscribe","Timestamp":"2026-01-01T00:00:00.000Z",
        "SubscribeURL":"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336",
        "SignatureVersion":"1","Signature":"x","SigningCertURL":"https://sns.us-east-1.amazonaws.com/S.pem"}"#,
    ),
];

pub const GRAFANA: &str = r#"{"receiver":"webhook","status":"firing","orgId":1,"alerts":[{"status":"firing",
    "labels":{"alertname":"High memory usage","team":"b","grafana_folder":"f","severity":"critical","service":"pay"},
    "annotations":{"summary":"memory is high"},"startsAt":"2026-01-01T00:00:00.000+01:00",
    "endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://g/alerting/1/edit","fingerprint":"6584dc8bd0f1c4a4",
    "silenceURL":"https://g/silence","dashboardURL":"https://g/d/1","panelURL":"https://g/d/1?viewPanel=2",
    "imageURL":"","values":{"B":44.23943737541908,"C":1},"valueString":"[ var='B' ]"}],
    "groupLabels":{},"commonLabels":{"team":"b"},"commonAnnotations":{},"externalURL":"https://g/","version":"1",
    "groupKey":"{}:{}","truncatedAlerts":0,"title":"[FIRING:1]","state":"alerting","message":"**Firing**"}"#;

pub const DATADOG: &str = r#"{"alert_id":"1234","alert_cycle_key":"9bd4ac","aggreg_key":"77","alert_transition":"Triggered",
    "alert_type":"error","alert_priority":"P2","alert_title":"CPU is high on {{host.name}}","alert_scope":"host:web-1,role:b",
    "alert_status":"system.load.1 over host:web-1 was > 0","alert_metric":"system.load.1","alert_query":"avg(last_1m):…",
    "event_title":"[P2] [Triggered on {host:web-1}] CPU is high","text_only_msg":"b","hostname":"web-1",
    "tags":"service:pay,monitor,env:prod","link":"https://app.datadoghq.com/event/1","date":"1767225600000",
    "last_updated":1767225600000,"id":"5550000001"}"#;

pub const NEW_RELIC: &str = r#"{"id":"0ea2df1c","issueUrl":"https://radar-api.service.newrelic.com/issues/0ea2df1c",
    "title":"Memory Used % > 90 for at least 2 minutes on 'Some-Entity'","priority":"CRITICAL",
    "impactedEntities":["payment-service","b"],"totalIncidents":1,"state":"ACTIVATED","trigger":"STATE_CHANGE",
    "isCorrelated":false,"createdAt":1767225600000,"updatedAt":1767225600000,"sources":["newrelic"],
    "alertPolicyNames":["Policy1"],"alertConditionNames":["condition1"],"workflowName":"w"}"#;

pub const NEW_RELIC_LEGACY: &str = r#"{"account_id":1,"account_name":"b","condition_id":2,"condition_name":"Apdex",
    "current_state":"open","details":"Apdex < 0.8","event_type":"INCIDENT","incident_acknowledge_url":"https://x",
    "incident_id":3001,"incident_url":"https://alerts.newrelic.com/3001","owner":"","policy_name":"p",
    "severity":"CRITICAL","targets":[{"id":"1","name":"b","link":"https://x","labels":{"k":"v"},"type":"Application"}],
    "timestamp":1767225600000,"version":"1.0"}"#;

pub const PAGERDUTY: &str = r#"{"event":{"id":"5ac64822","event_type":"incident.triggered","resource_type":"incident",
    "occurred_at":"2026-01-01T00:00:22.169Z","agent":{"id":"PLH1HKV","summary":"Tenex Engineer","type":"user_reference"},
    "client":{"name":"PagerDuty"},"data":{"id":"PGR0VU2","type":"incident","self":"https://api.pagerduty.com/incidents/PGR0VU2",
    "html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","number":2,"status":"triggered","incident_key":"b",
    "created_at":"2026-01-01T00:00:00Z","title":"A little bump in the road","service":{"id":"PF9KMXH","summary":"API Service"},
    "assignees":[],"escalation_policy":{"id":"PUS0KTE"},"teams":[],"priority":{"id":"PSO75BM","summary":"P1"},
    "urgency":"high","conference_bridge":null,"resolve_reason":null}}}"#;

pub const OPSGENIE: &str = r#"{"source":{"name":"web","type":"API"},"alert":{"updatedAt":1767225600166002000,
    "tags":["service:pay","b"],"teams":["t"],"recipients":["r"],"message":"test alert","username":"fili@ifountain.com",
    "alertId":"052652ac","source":"fili@ifountain.com","alias":"aliastest","tinyId":"23","createdAt":1767225600000,
    "userId":"daed1180","entity":"host-1","priority":"P1","details":{"runbook":"b"},"description":"long"},
    "action":"Create","integrationId":"37c8f316","integrationName":"Integration1"}"#;

pub const CLOUDWATCH_RAW: &str = r#"{"AlarmName":"pay-5xx","AlarmDescription":"b","AWSAccountId":"123456789012",
    "AlarmConfigurationUpdatedTimestamp":"2026-01-01T00:00:00.000+0000","NewStateValue":"ALARM",
    "NewStateReason":"Threshold Crossed","StateChangeTime":"2026-01-01T00:00:30.123+0000","Region":"EU (Ireland)",
    "AlarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:pay-5xx","OldStateValue":"OK","OKActions":[],
    "Trigger":{"MetricName":"Errors","Namespace":"AWS/Lambda","StatisticType":"Statistic","Statistic":"SUM","Unit":null,
    "Dimensions":[{"value":"pay","name":"FunctionName"}],"Period":60,"Threshold":1.0}}"#;

pub const CLOUDWATCH: &str = r#"{"Type":"Notification","MessageId":"22b80b92","TopicArn":"arn:aws:sns:eu-west-1:1:b",
    "Subject":"ALARM",
    "Message":"{\"AlarmName\":\"pay-5xx\",\"NewStateValue\":\"ALARM\",\"AWSAccountId\":\"1\",\"StateChangeTime\":\"2026-01-01T00:00:30.123+0000\",\"Region\":\"EU (Ireland)\"}",
    "Timestamp":"2026-01-01T00:00:31.000Z","SignatureVersion":"1","Signature":"x","UnsubscribeURL":"b"}"#;

pub const CLOUDEVENT: &str = r#"{"specversion":"1.0","id":"e-1","source":"/monitors/pay","type":"com.example.alert.fired",
    "subject":"s-1","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json",
    "data":{"service":"pay","title":"p99 above 2 s","labels":{"a":"b"},"severity":"high","id":"a-1"}}"#;

pub const CLOUDEVENTS_DERIVED: &str = r#"[{"specversion":"1.0","id":"e-2","source":"https://example.com/services/pay",
    "type":"com.example.alert.resolved","subject":"s-1","time":"2026-01-01T00:00:00Z","data":{"message":"b","level":"warn"}},
    {"specversion":"1.0","id":"e-3","source":"urn:x:y","type":"com.example.disk.full","extra":"b"}]"#;

pub const CHANGES: [(ChangeSource, Option<&str>, &str); 5] = [
    (
        ChangeSource::Generic,
        None,
        r#"[{"service":"pay","kind":"deploy","from":"v1","to":"b","by":"ana","at":"2026-01-01T00:00:00Z","id":"d-1"},
        {"service":"pay","kind":"config","to":"b"}]"#,
    ),
    (ChangeSource::GitHub, Some("deployment"), GITHUB),
    (ChangeSource::GitHub, Some("deployment_status"), GITHUB),
    (ChangeSource::GitLab, Some("Deployment Hook"), GITLAB),
    (ChangeSource::ArgoCd, None, ARGOCD),
];

pub const GITHUB: &str = r#"{"action":"created","deployment_status":{"id":1,"state":"success","creator":{"login":"b"},
    "description":"b","environment":"production","target_url":"","created_at":"2026-01-01T00:00:40Z",
    "log_url":"https://github.com/acme/pay/actions/runs/1"},"deployment":{"id":42,
    "sha":"f95f852bd8fca8fcc58a9a2d6c842781e32a215e","ref":"v1.2","task":"deploy","payload":{"x":["b"]},
    "original_environment":"production","environment":"production","description":null,"creator":{"login":"ana","id":21},
    "created_at":"2026-01-01T00:00:00Z"},"repository":{"id":1,"name":"payment-service","full_name":"acme/payment-service",
    "html_url":"https://github.com/acme/payment-service"},"sender":{"login":"b"}}"#;

pub const GITLAB: &str = r#"{"object_kind":"deployment","status":"success","status_changed_at":"2026-01-01 01:00:30 +0100",
    "deployment_id":15,"deployable_id":796,"deployable_url":"http://gitlab.example/shop/pay/-/jobs/796",
    "environment":"staging","environment_tier":"b","environment_slug":"staging","environment_external_url":"b",
    "project":{"id":30,"name":"Payment Service","path_with_namespace":"shop/payment-service","namespace":"b"},
    "short_sha":"279484c0","user":{"id":1,"name":"Administrator","username":"ana","email":"b"},
    "user_url":"http://gitlab.example/shop","commit_url":"http://gitlab.example/shop/pay/-/commit/279484c0",
    "commit_title":"Add new file","ref":"master"}"#;

pub const ARGOCD: &str = r#"{"app":"payment-service","project":"default","phase":"Succeeded","revision":"8f3a1c",
    "started_at":"2026-01-01T00:00:00Z","finished_at":"2026-01-01T00:00:30Z","by":"<no value>",
    "repo":"https://github.com/acme/deploy","message":"b","url":"https://argocd/applications/payment-service"}"#;
