//! How alerts from outside are taken, and which of them explain others.

use midwatch_incident::InhibitRule;
use midwatch_model::Matcher;
use midwatch_model::label::parse_matchers;
use serde::{Deserialize, Serialize};

/// How alerts from outside are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// Seconds after which an alert is over that its sender neither repeats nor ends.
    pub resolve_timeout_s: f64,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        // Alertmanager's own default.
        Self { resolve_timeout_s: 300.0 }
    }
}

/// While an alert that matches the source fires, those that match the target are kept quiet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InhibitRuleConfig {
    /// Matchers such as `severity="critical"`; all must hold.
    pub source_matchers: Vec<String>,
    pub target_matchers: Vec<String>,
    /// Labels that both alerts must have with the same value.
    pub equal: Vec<String>,
}

impl InhibitRuleConfig {
    pub fn rule(&self) -> Result<InhibitRule, String> {
        let matchers = |side: &str, texts: &[String]| -> Result<Vec<Matcher>, String> {
            if texts.is_empty() {
                return Err(format!("[[inhibit_rule]] needs {side}; an empty list would match every alert"));
            }
            let parsed = texts
                .iter()
                .map(|text| parse_matchers(text).map_err(|e| format!("[[inhibit_rule]] {side}: {e}")));
            Ok(parsed.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        };
        Ok(InhibitRule {
            source: matchers("source_matchers", &self.source_matchers)?,
            target: matchers("target_matchers", &self.target_matchers)?,
            equal: self.equal.clone(),
        })
    }
}
