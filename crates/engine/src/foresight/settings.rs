//! What may be changed while the server runs: whether and from when on forecasts raise alarms.

use super::Foresight;
use crate::{Engine, EngineError};
use midwatch_model::Tier;
use midwatch_model::journal::Entry;
use midwatch_prediction::serving::Settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is to be changed; what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_from: Option<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<bool>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("foresight.confidence_min is {0}; it must be 0 to 1")]
    Confidence(f64),
    #[error("nothing is to be changed: name enabled, alarm_from, confidence_min or incidents")]
    Nothing,
    #[error(
        "nothing is foreseen since the server started ({0}); change that in the configuration file and start it again"
    )]
    Nobody(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl SettingsChange {
    fn apply(self, settings: Settings) -> Settings {
        Settings {
            enabled: self.enabled.unwrap_or(settings.enabled),
            alarm_from: self.alarm_from.unwrap_or(settings.alarm_from),
            confidence_min: self.confidence_min.unwrap_or(settings.confidence_min),
            incidents: self.incidents.unwrap_or(settings.incidents),
        }
    }

    fn check(self) -> Result<(), SettingsError> {
        if self == Self::default() {
            return Err(SettingsError::Nothing);
        }
        match self.confidence_min {
            Some(least) if !(0.0..=1.0).contains(&least) => Err(SettingsError::Confidence(least)),
            _ => Ok(()),
        }
    }
}

impl Engine {
    /// Changes what is set about forecasts, durably and on record.
    ///
    /// # Errors
    /// When it makes no sense, or the store takes nothing now.
    pub async fn change_foresight(
        &self,
        change: SettingsChange,
        by: &str,
    ) -> Result<Settings, SettingsError> {
        change.check()?;
        if let super::load::Serving::Nobody(why) = &self.foresight.serving {
            return Err(SettingsError::Nobody(why.clone()));
        }
        let changed = serde_json::to_value(change).unwrap_or(Value::Null);
        let entry = Entry::ConfigChanged { section: SECTION.into(), by: by.to_owned(), changed };
        self.configure(entry).await?;
        Ok(self.foresight.set(change, self.now()))
    }
}

/// The section of the configuration whose changes these are.
const SECTION: &str = "foresight";

impl Foresight {
    fn set(&self, change: SettingsChange, now: midwatch_model::Timestamp) -> Settings {
        let mut state = self.state();
        state.settings = change.apply(state.settings);
        if !state.settings.enabled {
            state.end_alarms(now);
            state.latest = None;
            state.asks = None;
            self.bell.notify_one();
        }
        state.settings
    }

    /// Takes up what was changed at run time before this start.
    pub(super) fn recall(&self, entries: impl Iterator<Item = Entry>) {
        for entry in entries {
            if let Entry::ConfigChanged { section, changed, .. } = entry
                && section == SECTION
                && let Ok(change) = serde_json::from_value::<SettingsChange>(changed)
            {
                let mut state = self.state();
                state.settings = change.apply(state.settings);
            }
        }
    }
}
