//! What payloads of many vendors have in common: loose texts, loose times, and JSON that says everything once.

use super::{LABEL_CHARS_MAX, LABELS_MAX};
use midwatch_model::{LabelText, Labels, Timestamp};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Reads JSON in which no object has a key twice: two readers could otherwise see two different alerts in one body.
/// Depth is bounded by `serde_json`, at 128.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice::<Once>(body).map_err(|error| sentence(&error.to_string()))?;
    serde_json::from_slice(body).map_err(|error| sentence(&error.to_string()))
}

/// Labels of which none is named twice.
pub(crate) fn labels_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    deserializer.deserialize_map(LabelsVisitor)
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with values, each a text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Labels, A::Error> {
        let mut labels = Labels::new();
        while let Some((name, value)) = all.next_entry::<LabelText, LabelText>()? {
            if labels.contains_key(&name) {
                return Err(twice(&name));
            }
            labels.insert(name, value);
        }
        Ok(labels)
    }
}

fn twice<E: serde::de::Error>(key: &str) -> E {
    let shown: String = key.chars().take(40).collect();
    E::custom(format!("the key `{shown}` is there twice"))
}

/// Most characters of a reason that quotes the sender.
const REASON_CHARS_MAX: usize = 400;

/// A reason as one line of a bounded length, whatever it quotes.
pub(crate) fn sentence(reason: &str) -> String {
    let line = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(REASON_CHARS_MAX).collect()
}

/// Any JSON without a repeated key; nothing of it is kept.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Once, A::Error> {
        while all.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Once, A::Error> {
        let mut seen = HashSet::new();
        while let Some(Key(key)) = all.next_key()? {
            if seen.contains(&key) {
                return Err(twice(&key));
            }
            seen.insert(key);
            all.next_value::<Once>()?;
        }
        Ok(Once)
    }
}

/// A key, borrowed from the body where it holds no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A text that some templates write without quotes. Null is no text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text::default())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Text, E> {
        Ok(Text(value.trim().to_owned()))
    }
}

impl Text {
    /// The text, unless it is empty.
    pub(crate) fn some(self) -> Option<String> {
        Some(self.0).filter(|text| !text.is_empty())
    }
}

/// A time as it was written: RFC 3339 or close to it, or a number since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub at: Option<Timestamp>,
    /// What was written, where it is no time.
    pub unreadable: Option<String>,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self::read(&text.0))
    }
}

impl Moment {
    /// Nothing for an empty text and for Go's zero time, which mean that there is none.
    pub(crate) fn read(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let at = text.parse().ok().or_else(|| spaced(text)).or_else(|| since_1970(text));
        match at {
            Some(at) => Self { at: real(Some(at)), unreadable: None },
            None => Self { at: None, unreadable: Some(text.chars().take(100).collect()) },
        }
    }

    /// The first that says anything.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::default() { other } else { self }
    }
}

/// `2021-04-28 21:50:00 +0200` and `… UTC`, as Ruby writes times.
fn spaced(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |text| format!("{text} +0000"));
    Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", text).ok()
}

/// Where seconds end and milliseconds begin: the second is the year 5138, the millisecond 1973. From there by thousands.
const MILLIS_MIN: f64 = 1e11;

/// A number since 1970, in the unit that makes it a time of our days.
fn since_1970(text: &str) -> Option<Timestamp> {
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let mut seconds = number;
    let mut limit = MILLIS_MIN;
    for _ in 0..3 {
        if number.abs() >= limit {
            seconds /= 1000.0;
        }
        limit *= 1000.0;
    }
    // To the microsecond, which is what a number of this size still says.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast from f64 saturates, and what is out of range is refused"
    )]
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

/// Go's zero time means that there is none.
pub(crate) fn real(at: Option<Timestamp>) -> Option<Timestamp> {
    at.filter(|at| at.as_second() > GO_ZERO_S)
}

/// 0001-01-01T00:00:00Z, seconds since 1970.
const GO_ZERO_S: i64 = -62_135_596_800;

/// Adds a label or annotation, cut to what is allowed; nothing for an empty one, and the first of a name holds. Long texts
/// of a vendor are no reason to lose its alert.
pub(crate) fn put(labels: &mut Labels, name: &str, value: impl AsRef<str>) {
    let (name, value) = (cut(name), cut(value.as_ref()));
    if !name.is_empty() && !value.is_empty() && (labels.len() < LABELS_MAX || labels.contains_key(&name)) {
        labels.insert_new(name, value);
    }
}

/// The same for what may be missing.
pub(crate) fn put_some(labels: &mut Labels, name: &str, value: Option<impl AsRef<str>>) {
    if let Some(value) = value {
        put(labels, name, value);
    }
}

/// `key:value` tags as labels; what is no pair is kept in `tags`.
pub(crate) fn put_tags<'a>(labels: &mut Labels, tags: impl IntoIterator<Item = &'a str>) {
    let mut plain = Vec::new();
    for tag in tags.into_iter().map(str::trim).filter(|tag| !tag.is_empty()) {
        match tag.split_once(':') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => put(labels, name.trim(), value),
            _ => plain.push(tag),
        }
    }
    put(labels, "tags", plain.join(","));
}

fn cut(text: &str) -> String {
    text.trim().chars().take(LABEL_CHARS_MAX).collect()
}
