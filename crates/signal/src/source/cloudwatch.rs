//! CloudWatch alarms over SNS: in SNS's envelope, or raw if raw message delivery is switched on.

use super::wire::{self, Moment, Text, put, put_some};
use super::{Parsed, PayloadError, Source, Standing, Told, decode, malformed};
use crate::sns::{Envelope, Kind, subscribe_url_ok};
use crate::source::told::Unreadable;
use midwatch_model::Labels;
use serde::Deserialize;

#[derive(Deserialize)]
struct Peek {
    #[serde(default, rename = "Type")]
    kind: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Alarm {
    alarm_name: String,
    new_state_value: State,
    #[serde(default)]
    old_state_value: Text,
    #[serde(default)]
    alarm_description: Text,
    #[serde(default)]
    alarm_arn: Text,
    #[serde(default, rename = "AWSAccountId")]
    account: Text,
    #[serde(default)]
    region: Text,
    #[serde(default)]
    new_state_reason: Text,
    #[serde(default)]
    state_change_time: Moment,
    /// Absent in composite alarms.
    #[serde(default)]
    trigger: Option<Trigger>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
enum State {
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "OK")]
    Ok,
    /// Not known to be well: a missing sample is never a good one.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    #[serde(default)]
    metric_name: Text,
    #[serde(default)]
    namespace: Text,
    #[serde(default)]
    dimensions: Option<Vec<Dimension>>,
}

#[derive(Deserialize)]
struct Dimension {
    #[serde(default, alias = "Name")]
    name: Text,
    #[serde(default, alias = "Value")]
    value: Text,
}

/// Dimensions that name what runs, the most telling first.
const SERVICE_DIMENSIONS: [&str; 12] = [
    "Service",
    "ServiceName",
    "service",
    "FunctionName",
    "ApiName",
    "QueueName",
    "TableName",
    "DBInstanceIdentifier",
    "DBClusterIdentifier",
    "CacheClusterId",
    "AutoScalingGroupName",
    "InstanceId",
];

pub(super) fn parse(body: &[u8]) -> Result<Parsed, PayloadError> {
    let peek: Peek = decode(Source::CloudWatch, body)?;
    if peek.kind.is_none() {
        return Ok(Parsed::of(vec![told(decode(Source::CloudWatch, body)?)?]));
    }
    let envelope: Envelope = decode(Source::CloudWatch, body)?;
    let event_ids = vec![envelope.message_id.clone()];
    let parsed = match envelope.kind {
        Kind::Notification => {
            let alarm = wire::decode(envelope.message.as_bytes()).map_err(|reason| {
                malformed(Source::CloudWatch, format!("`Message` is no alarm: {reason}"))
            })?;
            Parsed::of(vec![told(alarm)?])
        }
        Kind::SubscriptionConfirmation => Parsed { confirm: Some(confirm(envelope)?), ..Parsed::default() },
        Kind::UnsubscribeConfirmation => Parsed::default(),
    };
    Ok(Parsed { event_ids, ..parsed })
}

fn confirm(envelope: Envelope) -> Result<String, PayloadError> {
    envelope.subscribe_url.filter(|url| subscribe_url_ok(url)).ok_or_else(|| {
        malformed(
            Source::CloudWatch,
            "`SubscribeURL` does not confirm a subscription at sns.<region>.amazonaws.com",
        )
    })
}

fn told(alarm: Alarm) -> Result<Told, PayloadError> {
    if alarm.alarm_name.trim().is_empty() {
        return Err(malformed(Source::CloudWatch, "`AlarmName` is empty"));
    }
    let by_name = || format!("{}/{}/{}", alarm.account.0, alarm.region.0, alarm.alarm_name);
    let id = alarm.alarm_arn.clone().some().unwrap_or_else(by_name);
    let over = alarm.new_state_value == State::Ok;
    let Moment { at, unreadable } = alarm.state_change_time.clone();
    let (starts, ends) = if over { (None, unreadable) } else { (unreadable, None) };
    Ok(Told {
        id: Some(id),
        labels: labels(&alarm),
        annotations: annotations(&alarm),
        starts_at: at.filter(|_| !over),
        ends_at: at.filter(|_| over),
        standing: if over { Standing::Resolved } else { Standing::Firing },
        unreadable: Unreadable { starts_at: starts, ends_at: ends },
        ..Told::default()
    })
}

fn labels(alarm: &Alarm) -> Labels {
    let mut labels = Labels::new();
    put(&mut labels, "alertname", &alarm.alarm_name);
    put(&mut labels, "account", &alarm.account.0);
    put(&mut labels, "region", &alarm.region.0);
    let Some(trigger) = &alarm.trigger else { return labels };
    put(&mut labels, "metric", &trigger.metric_name.0);
    put(&mut labels, "metric_namespace", &trigger.namespace.0);
    for dimension in trigger.dimensions.iter().flatten() {
        put(&mut labels, &dimension.name.0, &dimension.value.0);
    }
    let named = SERVICE_DIMENSIONS.iter().find_map(|name| labels.get(name).map(str::to_owned));
    put_some(&mut labels, "service", named);
    labels
}

fn annotations(alarm: &Alarm) -> Labels {
    let mut annotations = Labels::new();
    put(&mut annotations, "summary", format!("{}: {}", alarm.alarm_name, alarm.new_state_reason.0));
    put(&mut annotations, "description", &alarm.alarm_description.0);
    put(&mut annotations, "old_state", &alarm.old_state_value.0);
    if alarm.new_state_value == State::InsufficientData {
        put(&mut annotations, "state", "INSUFFICIENT_DATA");
    }
    annotations
}
