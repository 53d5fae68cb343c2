//! What the operator says about AWS.

use crate::ConnectorError;
use crate::http::parse_url;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// AWS: Lambda aliases and ECS services are acted upon, CloudWatch alarms are alerts, CloudWatch Logs are evidence. Needs
/// the cargo feature `aws`. Credentials come from where AWS' own tools take them: environment, profile, web identity, the
/// role of the machine or the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsConfig {
    /// The region; if absent, that of the environment or the profile.
    pub region: Option<String>,
    /// The profile of `~/.aws/config`; if absent, `AWS_PROFILE` or the default one.
    pub profile: Option<String>,
    /// A file with credentials in place of `~/.aws/credentials`, such as one that systemd hands over.
    pub credentials_file: Option<PathBuf>,
    /// An address to use instead of AWS' own, for all services.
    pub endpoint: Option<String>,
    /// Seconds between looks at CloudWatch alarms, which then are alerts; 0 for none.
    pub alarms_poll_s: f64,
    /// Beginning of the names of the alarms that are looked at; if absent, all are.
    pub alarm_prefix: Option<String>,
    /// Most tasks that an ECS service is ever set to, besides `decision.max_replicas`.
    pub max_tasks: u32,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            credentials_file: None,
            endpoint: None,
            alarms_poll_s: 0.0,
            alarm_prefix: None,
            // As for Kubernetes: beyond ten times a small service, somebody should look first.
            max_tasks: 10,
        }
    }
}

impl AwsConfig {
    /// # Errors
    /// The first field that does not fit, with the fix.
    pub(crate) fn validate(&self) -> Result<(), ConnectorError> {
        let wrong = |field: &str, problem: &str| {
            Err(ConnectorError::Config { field: format!("aws.{field}"), problem: problem.to_owned() })
        };
        // An alert that is not told again for five minutes counts as over.
        if self.alarms_poll_s != 0.0 && !(1.0..=240.0).contains(&self.alarms_poll_s) {
            return wrong("alarms_poll_s", "must be 1 to 240 seconds, or 0 to look at no alarms");
        }
        if !(1..=1000).contains(&self.max_tasks) {
            return wrong("max_tasks", "must be 1 to 1000");
        }
        let names_host = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.region.as_deref().is_some_and(|region| region.is_empty() || !region.chars().all(names_host)) {
            return wrong("region", "must be the name of a region, such as \"eu-central-1\"");
        }
        self.endpoint.as_deref().map_or(Ok(()), |endpoint| parse_url("aws.endpoint", endpoint).map(|_| ()))
    }
}
