//! How alerts that tell the same are recognised: what a person may set.

use midwatch_model::Alert;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How alerts that tell the same are recognised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DedupConfig {
    pub exact: ExactDedup,
    pub fuzzy: FuzzyDedup,
    pub window: WindowDedup,
    /// What holds instead for the alerts of one source, by its name: `[dedup.source.datadog.fuzzy]`.
    pub source: BTreeMap<String, SourceDedup>,
}

/// The same fingerprint: always on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExactDedup {
    /// Labels that do not tell alerts apart, such as the replica of a pair of Prometheus servers. They become annotations.
    pub ignored_labels: Vec<String>,
}

/// Titles and services that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FuzzyDedup {
    /// Whether it is used.
    pub enabled: bool,
    /// Least Sørensen–Dice coefficient of the titles' words, 0–1.
    pub title_min: f64,
    /// Least Sørensen–Dice coefficient of the words of the services' names, 0–1.
    pub service_min: f64,
    /// Most seconds between the starts of the two.
    pub within_s: f64,
    /// Labels that may differ. All others that both have must be the same.
    pub ignored_labels: Vec<String>,
}

impl Default for FuzzyDedup {
    fn default() -> Self {
        let ignored = [
            "alertname",
            "title",
            "id",
            "severity",
            "priority",
            "level",
            "service",
            "service_name",
            "source",
            "prometheus",
            "prometheus_replica",
            "midwatch_cause",
        ];
        Self {
            enabled: false,
            title_min: 0.8,
            service_min: 1.0,
            within_s: 900.0,
            ignored_labels: ignored.map(Into::into).to_vec(),
        }
    }
}

/// The same service and severity within a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WindowDedup {
    /// Whether it is used.
    pub enabled: bool,
    /// Most seconds between the starts of the two.
    pub within_s: f64,
    /// Labels that must be the same, too. None: whatever a service has within the window is one.
    pub equal: Vec<String>,
}

impl Default for WindowDedup {
    fn default() -> Self {
        Self { enabled: false, within_s: 300.0, equal: vec!["alertname".into()] }
    }
}

/// What holds for one source instead of what holds for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceDedup {
    /// Instead of `[dedup.exact]`.
    pub exact: Option<ExactDedup>,
    /// Instead of `[dedup.fuzzy]`.
    pub fuzzy: Option<FuzzyDedup>,
    /// Instead of `[dedup.window]`.
    pub window: Option<WindowDedup>,
}

/// What is used for one source.
#[derive(Clone, Copy, Debug)]
pub struct Strategies<'a> {
    pub exact: &'a ExactDedup,
    pub fuzzy: &'a FuzzyDedup,
    pub window: &'a WindowDedup,
}

impl DedupConfig {
    /// What is used for the alerts of a source.
    #[must_use]
    pub fn strategies(&self, source: &str) -> Strategies<'_> {
        let own = self.source.get(source);
        Strategies {
            exact: own.and_then(|own| own.exact.as_ref()).unwrap_or(&self.exact),
            fuzzy: own.and_then(|own| own.fuzzy.as_ref()).unwrap_or(&self.fuzzy),
            window: own.and_then(|own| own.window.as_ref()).unwrap_or(&self.window),
        }
    }

    /// Whether any source has alerts compared with those of others.
    #[must_use]
    pub fn compares(&self) -> bool {
        let sources = self.source.keys().map(|name| self.strategies(name));
        sources.chain([self.strategies("")]).any(|used| used.fuzzy.enabled || used.window.enabled)
    }

    /// Takes out of an alert's labels what does not tell it apart. It stays readable as an annotation.
    pub fn identify(&self, alert: &mut Alert) {
        for name in &self.strategies(&alert.source).exact.ignored_labels {
            if let Some(value) = alert.labels.remove(name) {
                alert.annotations.insert_new(name, value);
            }
        }
    }

    /// What is wrong with the numbers, if anything.
    ///
    /// # Errors
    /// The field and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        let names = self.source.keys().map(|name| (format!("dedup.source.{name}"), self.strategies(name)));
        for (table, used) in names.chain([("dedup".to_owned(), self.strategies(""))]) {
            for (field, value) in
                [("title_min", used.fuzzy.title_min), ("service_min", used.fuzzy.service_min)]
            {
                if !(0.5..=1.0).contains(&value) {
                    return Err(format!(
                        "{table}.fuzzy.{field} is {value}; it must be 0.5 to 1: below, alerts would be called alike of \
                         which half the words differ"
                    ));
                }
            }
            for (field, value) in [("fuzzy", used.fuzzy.within_s), ("window", used.window.within_s)] {
                if !(0.0..=604_800.0).contains(&value) {
                    return Err(format!(
                        "{table}.{field}.within_s is {value}; it must be 0 to 604800 seconds (a week)"
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_compared_unless_somebody_asks_for_it_and_a_source_may_differ() {
        let (mut config, on) =
            (DedupConfig::default(), FuzzyDedup { enabled: true, ..FuzzyDedup::default() });
        assert!(!config.compares());
        config.source.insert("datadog".into(), SourceDedup { fuzzy: Some(on), ..SourceDedup::default() });
        assert!(config.compares() && config.strategies("datadog").fuzzy.enabled);
        assert!(!config.strategies("prometheus").fuzzy.enabled);
        assert_eq!(config.validate(), Ok(()));
        config.fuzzy.title_min = 0.2;
        assert!(config.validate().is_err_and(|error| error.starts_with("dedup.fuzzy.title_min is 0.2")));
    }
}
