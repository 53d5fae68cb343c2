//! All I/O with the outside.
//!
//! Owns: how midwatch asks telemetry, logs, health endpoints and the control plane, how it asks the control plane to
//! act, and how it tells people. Every call has a timeout and a size limit, follows no redirect, goes only to an http(s)
//! URL that a person configured, that configured discovery named or that is a vendor's own, and leaves no secret in an
//! error.
//!
//! Must never: decide anything, retry a mutation, or act without an [`midwatch_action::Effect`], which only the gate's
//! authorisation makes.

mod actuators;
#[cfg(feature = "aws")]
mod aws;
#[cfg(not(feature = "aws"))]
#[path = "aws/config.rs"]
mod aws_config;
mod config;
mod document;
mod egress;
mod error;
mod health;
mod http;
mod llm;
mod logs;
mod notifiers;
mod outside;
mod retry_after;
mod secret;
pub mod telemetry;
mod vectors;
mod world;

pub use actuators::{
    ActuatorConfig, BrowserConfig, CommandConfig, HookConfig, KubernetesConfig, PullRequestsConfig,
    RepositoryConfig,
};
#[cfg(feature = "kubernetes")]
pub use actuators::{ClusterTrial, TRIAL};
#[cfg(feature = "aws")]
pub use aws::{Alarm, AwsConfig};
#[cfg(not(feature = "aws"))]
pub use aws_config::AwsConfig;
pub use config::{
    ConnectorsConfig, ControlPlaneConfig, ControlPlaneKind, LogsConfig, TargetConfig, TelemetryConfig,
    TelemetryKind,
};
pub use egress::refused_address;
pub use error::ConnectorError;
pub use health::may_be_probed;
pub use http::{Http, RESPONSE_BYTES_MAX};
pub use llm::{Llm, LlmConfig, LlmProvider};
pub use notifiers::{
    DiscordConfig, EmailConfig, GithubConfig, MailRoles, MailSecurity, NotificationsConfig, NotifyError,
    NotionConfig, OpsgenieConfig, PagerDutyConfig, Preview, Previews, ReceiverConfig, SlackConfig,
    TeamsConfig, Tell, Told, Way, WebhookConfig, wrong_receivers, wrong_secrets, wrong_templates,
};
pub use outside::{Described, LogDigest, LoggedLine, Outside, Poll, Probe, SourceFailure};
pub use secret::{Secret, SecretConfig};
#[cfg(feature = "qdrant")]
pub use vectors::Qdrant;
pub use vectors::{Near, Point, QdrantConfig, VectorIndex};
pub use world::{CriticalMatcher, World};
