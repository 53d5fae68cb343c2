//! What midwatch is told of a service that it is to watch.

use crate::Check;
use serde::{Deserialize, Serialize};

/// A service that midwatch watches.
#[derive(
    Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The service's name as telemetry labels it.
    #[serde(default = "unnamed")]
    pub name: String,
    /// URL of its health endpoint, if it has one.
    #[serde(default)]
    pub health: Option<String>,
    /// Services that it calls.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Services whose events it consumes.
    #[serde(default)]
    pub consumes_from: Vec<String>,
    /// The team that answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Namespace for the action allowlist; on Kubernetes also where its workload is.
    #[serde(default)]
    pub namespace: Option<String>,
    /// What runs it, where more than one platform is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What the platform calls it, where that is not its name: a Deployment, `statefulset/NAME`, an ECS service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The ECS cluster that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The Lambda alias that callers use; default: `live`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Looks besides the health endpoint that show whether it does its work.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "check")]
    pub checks: Vec<Check>,
}

/// What runs a service.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
    schemars::JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Platform {
    Lab,
    Kubernetes,
    /// AWS Lambda.
    Lambda,
    /// AWS Elastic Container Service.
    Ecs,
}

fn unnamed() -> String {
    String::new()
}
