//! Times as milliseconds since 1970: what a hundred thousand samples can afford.

use super::Fault;
use midwatch_model::Timestamp;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Ms = i64;

/// The span of times that jiff can show, in milliseconds.
const MS_MAX: f64 = 2.5e14;

/// Numbers from this on are milliseconds, not seconds: in seconds it is the year 5138.
const SECONDS_MAX: f64 = 1e11;

/// Reads RFC 3339, or seconds since 1970.
pub(super) fn parse(text: &str) -> Result<Ms, Fault> {
    let text = text.trim();
    let wrong = || Fault::Timestamp(text.chars().take(64).collect());
    if let Ok(number) = text.parse::<f64>() {
        return of_number(number).ok_or_else(wrong);
    }
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| wrong())
}

/// Seconds since 1970, or milliseconds where they are too large for that.
pub(super) fn of_number(number: f64) -> Option<Ms> {
    let ms = if number.abs() < SECONDS_MAX { number * 1000.0 } else { number };
    (ms.is_finite() && ms.abs() < MS_MAX).then(|| ms.round() as Ms)
}

/// The time as the rest of midwatch writes it.
pub(crate) fn timestamp(ms: Ms) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A time in JSON: text or number.
pub(super) fn of_json(value: &serde_json::Value) -> Result<Ms, Fault> {
    match value {
        serde_json::Value::String(text) => parse(text),
        serde_json::Value::Number(number) => {
            number.as_f64().and_then(of_number).ok_or_else(|| Fault::Timestamp(number.to_string()))
        }
        other => Err(Fault::Timestamp(other.to_string().chars().take(64).collect())),
    }
}
