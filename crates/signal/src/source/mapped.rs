//! JSON of any sender, by a mapping that a person declares: where in the body each thing stands, and what the sender's
//! words mean.

use super::told::Unreadable;
use super::wire::{self, Moment, put, put_some};
use super::{LABELS_MAX, Parsed, PayloadError, Standing, Teller, Told, check_count, check_size};
use midwatch_model::{Labels, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the bodies of one sender are read. Every place is a JSON pointer (RFC 6901), such as `/data/0/name`; those of an
/// alert start at the alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Where the list of alerts stands; without it the whole body is one alert.
    #[serde(default)]
    pub alerts: Option<String>,
    /// The sender's own id of an alert, the same when it is told again and when it is over. Without it the labels identify
    /// the alert, so that they must not change.
    #[serde(default)]
    pub id: Option<String>,
    /// What is wrong, one line.
    #[serde(default)]
    pub title: Option<String>,
    /// The service that the alert is about.
    #[serde(default)]
    pub service: Option<String>,
    /// How bad the sender thinks it is.
    #[serde(default)]
    pub severity: Option<String>,
    /// Whether it fires or is over; without it every alert fires.
    #[serde(default)]
    pub status: Option<String>,
    /// Who has taken it on.
    #[serde(default)]
    pub acknowledged_by: Option<String>,
    /// When it began.
    #[serde(default)]
    pub starts_at: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub ends_at: Option<String>,
    /// Where the sender shows it.
    #[serde(default)]
    pub url: Option<String>,
    /// Further labels: name and place.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the sender's words for severity mean. Words that are not listed are read as those of well-known vendors are:
    /// `critical`, `P2`, `warn`, …
    #[serde(default)]
    pub severity_values: BTreeMap<String, Severity>,
    /// What the sender's words for status mean; without any, `firing`, `acknowledged` and `resolved` mean themselves.
    #[serde(default)]
    pub status_values: BTreeMap<String, StatusValue>,
    /// How times are written.
    #[serde(default)]
    pub times: TimeFormat,
    /// Whether what still fires is told again every few minutes, so that silence means that it is over.
    #[serde(default)]
    pub repeats: bool,
}

/// What a sender's word for status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusValue {
    Firing,
    Acknowledged,
    Resolved,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// RFC 3339, or a number whose size tells its unit.
    #[default]
    Auto,
    Rfc3339,
    /// Seconds since 1970.
    UnixS,
    /// Milliseconds since 1970.
    UnixMs,
}

/// Why a mapping cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error(
        "`{field}` is `{pointer}`, which is no JSON pointer: write it as `/name` or `/name/0/inner`, with ~1 for / and ~0 for ~"
    )]
    Pointer { field: String, pointer: String },
    #[error("`title` and `id` are both missing: say with a JSON pointer where at least one of them stands")]
    Nameless,
    #[error("`{field}` lists words, but `{place}` does not say where the word stands: add its JSON pointer")]
    WordsWithoutPlace { field: &'static str, place: &'static str },
    #[error("`labels` has {found} entries: leave at most {max}")]
    TooManyLabels { found: usize, max: usize },
    #[error("`labels` has an entry without a name: give it one or take it out")]
    UnnamedLabel,
}

/// Most labels of a mapping: room is left for those that it makes itself.
const MAPPED_LABELS_MAX: usize = LABELS_MAX - 8;

const NAME: &str = "the declared mapping's sender";

impl Mapping {
    /// Whose alerts they are; the name keeps two mapped senders' ids apart.
    #[must_use]
    pub fn teller<'a>(&self, name: &'a str) -> Teller<'a> {
        Teller { name, repeats: self.repeats, plans_ahead: false }
    }

    /// # Errors
    /// Which field is wrong, and what to write instead.
    pub fn validate(&self) -> Result<(), MappingError> {
        if self.title.is_none() && self.id.is_none() {
            return Err(MappingError::Nameless);
        }
        for (field, pointer) in self.pointers() {
            check_pointer(&field, pointer)?;
        }
        if !self.severity_values.is_empty() && self.severity.is_none() {
            return Err(MappingError::WordsWithoutPlace { field: "severity_values", place: "severity" });
        }
        if !self.status_values.is_empty() && self.status.is_none() {
            return Err(MappingError::WordsWithoutPlace { field: "status_values", place: "status" });
        }
        match self.labels.len() {
            _ if self.labels.contains_key("") => Err(MappingError::UnnamedLabel),
            0..=MAPPED_LABELS_MAX => Ok(()),
            found => Err(MappingError::TooManyLabels { found, max: MAPPED_LABELS_MAX }),
        }
    }

    fn pointers(&self) -> impl Iterator<Item = (String, &String)> {
        let places = [
            ("alerts", &self.alerts),
            ("id", &self.id),
            ("title", &self.title),
            ("service", &self.service),
            ("severity", &self.severity),
            ("status", &self.status),
            ("acknowledged_by", &self.acknowledged_by),
            ("starts_at", &self.starts_at),
            ("ends_at", &self.ends_at),
            ("url", &self.url),
        ];
        let labels = self.labels.iter().map(|(name, pointer)| (format!("labels.{name}"), pointer));
        let named = places.into_iter().filter_map(|(field, at)| Some((field.to_owned(), at.as_ref()?)));
        named.chain(labels)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with the body as a whole. Alerts that cannot be used one by one are told in [`Parsed::refused`].
    pub fn parse(&self, body: &[u8]) -> Result<Parsed, PayloadError> {
        check_size(body)?;
        let malformed = |reason: String| PayloadError::Malformed { source_name: NAME, reason };
        let body: Value = wire::decode(body).map_err(malformed)?;
        let alerts = match &self.alerts {
            None => std::slice::from_ref(&body),
            Some(place) => body
                .pointer(place)
                .and_then(Value::as_array)
                .ok_or_else(|| malformed(format!("there is no list at `{place}`, where `alerts` points")))?,
        };
        let mut parsed = Parsed::default();
        for (index, alert) in alerts.iter().enumerate() {
            match self.told(alert) {
                Ok(told) => parsed.told.push(told),
                Err(reason) => parsed.refused.push((index, reason)),
            }
        }
        check_count(parsed)
    }

    fn told(&self, alert: &Value) -> Result<Told, String> {
        let at = |place: &Option<String>| place.as_ref().and_then(|place| text_at(alert, place));
        let (id, title) = (at(&self.id), at(&self.title));
        if id.is_none() && title.is_none() {
            return Err("there is nothing where `id` and `title` point".into());
        }
        let word = at(&self.severity);
        let mapped = word.as_ref().and_then(|word| self.severity_values.get(word));
        let mut labels = Labels::new();
        put_some(&mut labels, "service", at(&self.service));
        for (name, place) in &self.labels {
            put_some(&mut labels, name, text_at(alert, place));
        }
        let mut annotations = Labels::new();
        match id {
            // The id is what stays the same; the title may count something.
            Some(_) => put_some(&mut annotations, "summary", title),
            None => put_some(&mut labels, "alertname", title),
        }
        if let (Some(_), Some(word)) = (mapped, &word) {
            put(&mut annotations, "severity", word);
        }
        let starts_at = self.moment(at(&self.starts_at));
        let standing = self.standing(at(&self.status), at(&self.acknowledged_by))?;
        // An end that is foreseen is no end.
        let ends_at = Some(at(&self.ends_at)).filter(|_| standing == Standing::Resolved).flatten();
        let ends_at = self.moment(ends_at);
        Ok(Told {
            occurred_at: None,
            id,
            labels,
            annotations,
            starts_at: starts_at.at,
            ends_at: ends_at.at,
            standing,
            generator_url: at(&self.url).unwrap_or_default(),
            severity: mapped.map(ToString::to_string).or(word),
            unreadable: Unreadable { starts_at: starts_at.unreadable, ends_at: ends_at.unreadable },
        })
    }

    fn standing(&self, word: Option<String>, by: Option<String>) -> Result<Standing, String> {
        if self.status.is_none() {
            return Ok(by.map_or(Standing::Firing, |by| Standing::Acknowledged { by: Some(by) }));
        }
        let word = word.ok_or("there is no text where `status` points")?;
        let known = if self.status_values.is_empty() {
            own_word(&word)
        } else {
            self.status_values.get(&word).copied()
        };
        match known {
            Some(StatusValue::Firing) => Ok(Standing::Firing),
            Some(StatusValue::Acknowledged) => Ok(Standing::Acknowledged { by }),
            Some(StatusValue::Resolved) => Ok(Standing::Resolved),
            None => Err(wire::sentence(&format!("`status_values` does not list its status, `{word}`"))),
        }
    }

    fn moment(&self, text: Option<String>) -> Moment {
        let text = text.unwrap_or_default();
        let number = |to: fn(i64) -> Option<Timestamp>| text.parse().ok().and_then(to);
        let at = match self.times {
            TimeFormat::Auto => return Moment::read(&text),
            TimeFormat::Rfc3339 => text.parse().ok(),
            TimeFormat::UnixS => number(|s| Timestamp::from_second(s).ok()),
            TimeFormat::UnixMs => number(|ms| Timestamp::from_millisecond(ms).ok()),
        };
        let unreadable = (at.is_none() && !text.is_empty()).then(|| text.chars().take(100).collect());
        Moment { at: wire::real(at), unreadable }
    }
}

fn own_word(word: &str) -> Option<StatusValue> {
    match word {
        "firing" => Some(StatusValue::Firing),
        "acknowledged" => Some(StatusValue::Acknowledged),
        "resolved" => Some(StatusValue::Resolved),
        _ => None,
    }
}

fn check_pointer(field: &str, pointer: &str) -> Result<(), MappingError> {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if escapes && (pointer.is_empty() || pointer.starts_with('/')) {
        return Ok(());
    }
    Err(MappingError::Pointer { field: field.to_owned(), pointer: pointer.to_owned() })
}

/// A text, number or boolean as text; a list of them joined. Nothing for what is empty, missing or an object.
fn text_at(alert: &Value, place: &str) -> Option<String> {
    let text = match alert.pointer(place)? {
        Value::Array(all) => all.iter().filter_map(scalar).collect::<Vec<_>>().join(","),
        value => scalar(value)?,
    };
    Some(text).filter(|text| !text.is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
