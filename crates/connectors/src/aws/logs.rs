//! CloudWatch Logs as evidence: lines of a log group, and what Insights counts.

use super::{Aws, Refusal, Service};
use crate::error::excerpt;
use crate::logs::summed;
use crate::{ConnectorError, LogDigest, LoggedLine};
use midwatch_model::{ServiceName, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// Pages of lines that one look reads; a page has 1,000 lines at most.
const PAGES_MAX: usize = 5;

/// How often, and how many times, the result of an Insights query is asked for.
const INSIGHTS_EVERY: Duration = Duration::from_millis(300);
const INSIGHTS_LOOKS: usize = 15;

/// Complaints by how often they were made.
const INSIGHTS: &str = "fields @message | filter @message like /(?i)(error|exception|timed out|panic)/ \
                        | stats count(*) as times by @message | sort times desc | limit 10";

impl Aws {
    /// A log group within a window, summed up.
    pub async fn digest(
        &self,
        service: &ServiceName,
        group: String,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<LogDigest, ConnectorError> {
        let lines = self.log_lines(&group, from, to).await;
        let lines = lines.map_err(|refusal| refusal.into_error(&group))?;
        let query = format!("CloudWatch Logs: filter-log-events of {group} from {from} to {to}");
        Ok(summed::digest(service.clone(), &lines, (from, to), query))
    }

    /// The lines of a log group within a window, redacted.
    pub async fn logged(
        &self,
        group: String,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LoggedLine>, ConnectorError> {
        let lines = self.log_lines(&group, from, to).await;
        Ok(summed::lines(&lines.map_err(|refusal| refusal.into_error(&group))?))
    }

    /// The lines of a log group within a window, oldest first; the first some thousand of very many.
    async fn log_lines(
        &self,
        group: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, String)>, Refusal> {
        let (mut lines, mut token) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut ask = json!({
                "logGroupName": group, "startTime": from.as_millisecond(), "endTime": to.as_millisecond(), "limit": 1000,
            });
            if let Some(token) = token.take() {
                ask["nextToken"] = token;
            }
            let page = self.call(Service::Logs, "FilterLogEvents", &ask).await?;
            lines.extend(page["events"].as_array().into_iter().flatten().filter_map(line));
            if page["nextToken"].is_null() {
                break;
            }
            token = Some(page["nextToken"].clone());
        }
        lines.sort_by_key(|(at, _)| *at);
        Ok(lines)
    }

    /// What Insights says of the complaints within a window: message and how often, most frequent first.
    pub async fn insights(
        &self,
        group: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let ask = json!({
            "logGroupName": group, "startTime": from.as_second(), "endTime": to.as_second(), "queryString": INSIGHTS,
        });
        let started = self.call(Service::Logs, "StartQuery", &ask).await?;
        let query = json!({ "queryId": started["queryId"] });
        for _ in 0..INSIGHTS_LOOKS {
            let answer = self.call(Service::Logs, "GetQueryResults", &query).await?;
            match answer["status"].as_str() {
                Some("Scheduled" | "Running") => tokio::time::sleep(INSIGHTS_EVERY).await,
                Some("Complete") => return Ok(rows(&answer)),
                other => return Err(Refusal::Unknown(format!("the Insights query ended as {other:?}"))),
            }
        }
        Err(Refusal::Unknown("the Insights query took too long".to_owned()))
    }
}

fn line(event: &Value) -> Option<(Timestamp, String)> {
    let at = Timestamp::from_millisecond(event["timestamp"].as_i64()?).ok()?;
    Some((at, event["message"].as_str()?.trim_end().to_owned()))
}

fn rows(answer: &Value) -> Vec<(String, String)> {
    let field = |row: &Value, name: &str| {
        let all = row.as_array().into_iter().flatten();
        let found = all.into_iter().find(|field| field["field"] == name);
        found.and_then(|field| field["value"].as_str()).map(excerpt)
    };
    let all = answer["results"].as_array().into_iter().flatten();
    all.filter_map(|row| Some((field(row, "@message")?, field(row, "times").unwrap_or_default()))).collect()
}
