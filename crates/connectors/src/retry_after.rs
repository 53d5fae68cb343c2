//! How long a server asks to be left alone (RFC 9110, 10.2.3): in seconds, or until a date.

use std::time::{Duration, SystemTime};

/// What a `Retry-After` says; `None` for what says nothing. A date that has passed asks for no wait.
pub fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 03:00:00 GMT").expect("a date");
        for (value, seconds) in [
            ("7", Some(7.0)),
            (" 0.5 ", Some(0.5)),
            ("Sun, 22 Nov 2026 03:00:40 GMT", Some(40.0)),
            ("Sun, 22 Nov 2026 02:00:00 GMT", Some(0.0)),
            ("-1", None),
            ("NaN", None),
            ("1e300", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse(value, now).map(|wait| wait.as_secs_f64()), seconds, "{value}");
        }
    }
}
