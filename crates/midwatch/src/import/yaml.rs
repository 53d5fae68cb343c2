//! Alertmanager's configuration file as it is written. Fields that are not here have no equivalent; they are looked for
//! by name, so that they can be told of.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A text, also where YAML sees a number or a yes: `years: [2026]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What is plain in YAML is a text to whoever asks for one.
        String::deserialize(deserializer).map(Self)
    }
}

pub fn texts(all: Vec<Text>) -> Vec<String> {
    all.into_iter().map(|text| text.0).collect()
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct File {
    pub global: Global,
    pub route: Option<Route>,
    pub receivers: Vec<Receiver>,
    pub inhibit_rules: Vec<InhibitRule>,
    pub mute_time_intervals: Vec<Named>,
    pub time_intervals: Vec<Named>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Global {
    pub resolve_timeout: Option<Text>,
}

/// Conditions, in the old way and in the new one.
pub type Pairs = BTreeMap<String, Text>;

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Route {
    pub receiver: Option<Text>,
    #[serde(rename = "match")]
    pub equal: Pairs,
    pub match_re: Pairs,
    pub matchers: Vec<Text>,
    pub group_by: Option<Vec<Text>>,
    pub group_wait: Option<Text>,
    pub group_interval: Option<Text>,
    pub repeat_interval: Option<Text>,
    #[serde(rename = "continue")]
    pub goes_on: bool,
    pub mute_time_intervals: Vec<Text>,
    pub active_time_intervals: Vec<Text>,
    pub routes: Vec<Route>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Receiver {
    pub name: Text,
    pub webhook_configs: Vec<Webhook>,
}

#[derive(Deserialize)]
#[serde(default)]
pub struct Webhook {
    pub url: Option<Text>,
    pub send_resolved: bool,
    pub max_alerts: usize,
    pub timeout: Option<Text>,
}

impl Default for Webhook {
    fn default() -> Self {
        // Alertmanager's defaults for webhooks.
        Self { url: None, send_resolved: true, max_alerts: 0, timeout: None }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct InhibitRule {
    pub source_match: Pairs,
    pub source_match_re: Pairs,
    pub source_matchers: Vec<Text>,
    pub target_match: Pairs,
    pub target_match_re: Pairs,
    pub target_matchers: Vec<Text>,
    pub equal: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Named {
    pub name: Text,
    pub time_intervals: Vec<Interval>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Interval {
    pub times: Option<Vec<Times>>,
    pub weekdays: Option<Vec<Text>>,
    pub days_of_month: Option<Vec<Text>>,
    pub months: Option<Vec<Text>>,
    pub years: Option<Vec<Text>>,
    pub location: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Times {
    pub start_time: Text,
    pub end_time: Text,
}
