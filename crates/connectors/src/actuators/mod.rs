//! Actuators: what carries out an effect. One variant per platform; without one, midwatch watches and proposes.

mod lab;

use crate::config::{ControlPlaneConfig, ControlPlaneKind};
use crate::http::parse_url;
use crate::{ConnectorError, Http};
use lab::LabControlPlane;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Change, ServiceName, Timestamp};
use std::time::Duration;

/// The configured control plane.
#[derive(Debug)]
pub(crate) enum ControlPlane {
    Lab(LabControlPlane),
    None,
}

const NONE: ConnectorError = ConnectorError::NotConfigured {
    what: "control plane",
    fix: "set control_plane.kind = \"lab\" and control_plane.url to let midwatch see targets and act",
};

impl ControlPlane {
    pub fn new(config: &ControlPlaneConfig, http: Http) -> Result<Self, ConnectorError> {
        match config.kind {
            ControlPlaneKind::None => Ok(Self::None),
            ControlPlaneKind::Lab => {
                let url = parse_url("control_plane.url", config.url.as_deref().unwrap_or_default())?;
                Ok(Self::Lab(LabControlPlane::new(http, url, Duration::from_secs_f64(config.call_timeout_s))))
            }
        }
    }

    pub async fn changes(&self, since: Timestamp) -> Result<Vec<Change>, ConnectorError> {
        match self {
            Self::Lab(lab) => lab.changes(since).await,
            Self::None => Ok(Vec::new()),
        }
    }

    pub async fn target(&self, service: &ServiceName) -> Result<TargetState, ConnectorError> {
        match self {
            Self::Lab(lab) => lab.target(service).await,
            Self::None => Err(NONE),
        }
    }

    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        match self {
            Self::Lab(lab) => lab.apply(effect, now).await,
            Self::None => EffectOutcome::NotApplied { reason: NONE.to_string() },
        }
    }

    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        match self {
            Self::Lab(lab) => lab.reconcile(intent).await,
            Self::None => Err(NONE),
        }
    }
}
