//! CloudWatch alarms, looked at instead of being told of: what SNS would have sent, for the source `cloudwatch`.

use super::{Aws, Refusal, Service};
use crate::ConnectorError;
use serde_json::{Value, json};

/// Pages of alarms that one look reads; a page has 100.
const PAGES_MAX: usize = 20;

/// One alarm as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    pub name: String,
    /// `ALARM`, `OK` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// What SNS would have sent of it.
    pub message: Value,
}

impl Aws {
    /// Every alarm that is to be looked at.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, ConnectorError> {
        self.describe_alarms().await.map_err(|refusal| refusal.into_error("its CloudWatch alarms"))
    }

    /// The state of one alarm; nothing if there is no such alarm.
    pub async fn alarm_state(&self, name: &str) -> Result<Option<String>, ConnectorError> {
        let ask = json!({ "AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
        let answer = self.call(Service::Monitoring, "DescribeAlarms", &ask).await;
        let answer = answer.map_err(|refusal| refusal.into_error("a CloudWatch alarm"))?;
        let all = ["MetricAlarms", "CompositeAlarms"].into_iter().filter_map(|kind| answer[kind].as_array());
        let found = all.flatten().map(alarm).find(|alarm| alarm.name == name);
        Ok(found.map(|alarm| alarm.state))
    }

    async fn describe_alarms(&self) -> Result<Vec<Alarm>, Refusal> {
        let (mut alarms, mut token) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut ask = json!({ "MaxRecords": 100 });
            if let Some(prefix) = &self.config.alarm_prefix {
                ask["AlarmNamePrefix"] = json!(prefix);
            }
            if let Some(token) = token.take() {
                ask["NextToken"] = token;
            }
            let page = self.call(Service::Monitoring, "DescribeAlarms", &ask).await?;
            for kind in ["MetricAlarms", "CompositeAlarms"] {
                alarms.extend(page[kind].as_array().into_iter().flatten().map(alarm));
            }
            if page["NextToken"].is_null() {
                break;
            }
            token = Some(page["NextToken"].clone());
        }
        Ok(alarms)
    }
}

fn alarm(described: &Value) -> Alarm {
    let text = |name: &str| described[name].as_str().unwrap_or_default().to_owned();
    let message = json!({
        "AlarmName": described["AlarmName"], "AlarmDescription": described["AlarmDescription"],
        "AlarmArn": described["AlarmArn"], "NewStateValue": described["StateValue"],
        "NewStateReason": described["StateReason"], "StateChangeTime": time(&described["StateUpdatedTimestamp"]),
        "Trigger": {
            "MetricName": described["MetricName"], "Namespace": described["Namespace"],
            "Dimensions": dimensions(&described["Dimensions"]),
        },
    });
    Alarm { name: text("AlarmName"), state: text("StateValue"), message }
}

/// SNS names dimensions in small letters.
fn dimensions(described: &Value) -> Value {
    let all = described.as_array().into_iter().flatten();
    all.map(|one| json!({ "name": one["Name"], "value": one["Value"] })).collect()
}

/// A time as SNS writes it; the JSON protocol has seconds since 1970.
fn time(value: &Value) -> Value {
    let at = value
        .as_f64()
        .and_then(|seconds| midwatch_model::Timestamp::from_millisecond((seconds * 1000.0) as i64).ok());
    at.map_or_else(|| value.clone(), |at| json!(at.to_string()))
}
