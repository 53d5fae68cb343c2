//! Stretches of time as people and Prometheus write them: `30s`, `1h30m`, `2w`.

/// Units and their seconds. `ms` comes before `m` and `s`, so that it is not taken for minutes.
const UNITS: [(&str, f64); 7] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
    // What Prometheus takes for a year.
    ("y", 31_536_000.0),
];

/// Seconds of a text such as `1h30m`; fractions are read, too.
pub fn parse_s(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a duration; write 30s, 5m, 1h30m, 2d or 1w");
    let (mut rest, mut seconds) = (text.trim(), 0.0);
    if rest == "0" {
        return Ok(0.0);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = UNITS.iter().find_map(|(unit, seconds)| Some((rest.strip_prefix(unit)?, seconds)));
        let (after, unit_s) = unit.ok_or_else(wrong)?;
        seconds += number * unit_s;
        rest = after;
    }
    Ok(seconds)
}

/// A moment: a time in RFC 3339, or so long before `now`.
pub fn ago(text: &str, now: jiff::Timestamp) -> Result<jiff::Timestamp, String> {
    text.parse().or_else(|_| {
        let seconds = parse_s(text).map_err(|e| format!("{e}, or a time such as 2026-11-22T03:00:00Z"))?;
        Ok(midwatch_model::after(now, -seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_and_prometheus_write_them() {
        for (text, seconds) in [
            ("30s", Some(30.0)),
            ("1h30m", Some(5_400.0)),
            ("1d", Some(86_400.0)),
            ("2w", Some(1_209_600.0)),
            ("250ms", Some(0.25)),
            ("1.5h", Some(5_400.0)),
            ("0", Some(0.0)),
            ("0s", Some(0.0)),
            ("", None),
            ("5", None),
            ("m5", None),
            ("5 minutes", None),
            ("-5m", None),
        ] {
            assert_eq!(parse_s(text).ok(), seconds, "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_while_ago() {
        let now: jiff::Timestamp = "2026-11-22T03:00:00Z".parse().expect("a time");
        assert_eq!(ago("1h", now).map(|at| at.to_string()), Ok("2026-11-22T02:00:00Z".into()));
        assert_eq!(
            ago("2026-11-21T00:00:00Z", now).map(|at| at.to_string()),
            Ok("2026-11-21T00:00:00Z".into())
        );
        assert!(ago("yesterday", now).is_err());
    }
}
