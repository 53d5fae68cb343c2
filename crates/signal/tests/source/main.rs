//! What comes in from outside: payloads of every source and every kind of change, and whether their senders are believed.

mod authentic;
mod bent;
mod changes;
mod fuzz;
mod good;
mod mapped;
mod own;
mod vendors;

use midwatch_model::{Alert, Timestamp};
use midwatch_signal::source::Source;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn now() -> Timestamp {
    at("2026-01-01T00:01:00Z")
}

/// The alerts of a body, none of which may be refused.
fn alerts(source: Source, body: &str) -> Vec<Alert> {
    let parsed = source.parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(parsed.refused, []);
    parsed.told.into_iter().map(|told| told.settle(source, now(), 300.0).expect("an alert")).collect()
}

/// The one alert of a body.
fn alert(source: Source, body: &str) -> Alert {
    let mut all = alerts(source, body);
    assert_eq!(all.len(), 1, "{body}");
    all.remove(0)
}

/// Nothing of the body is taken, for a reason that holds `part`.
fn refused(source: Source, body: &str, part: &str) {
    let error = match source.parse(body.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(parsed) => parsed
            .refused
            .into_iter()
            .map(|(_, reason)| reason)
            .chain(parsed.told.into_iter().filter_map(|told| told.settle(source, now(), 300.0).err()))
            .next()
            .unwrap_or_else(|| panic!("{body} was taken")),
    };
    assert!(error.contains(part), "{body}: {error}");
}
