//! Databases: what their own counters mean in absolute terms, and what their provider reports.

use super::{State, field, owner, text, time};
use crate::bundle::{Bundle, Ms, Series};
use crate::investigate::class::words;
use midwatch_model::Cause;
use serde_json::Value;

/// Seconds of replication lag that nobody calls normal, and by what factor it grew.
const LAG_S: f64 = 60.0;
const LAG_GROWTH: f64 = 3.0;

/// Per cent of CPU from which a database has none left.
const CPU_PERCENT: f64 = 80.0;

/// Share of the storage that was free at first below which it is running out.
const STORAGE_LEFT: f64 = 0.25;

/// Events of a provider older than this at the detection are history.
const RECENT_MS: Ms = 2 * 3600 * 1000;

/// What a provider's events tell.
const EVENTS: [(&[&str], Cause, f64); 6] = [
    (&["failover"], Cause::DependencyFailure, 0.9),
    (&["replication lag", "replica lag"], Cause::ConsumerLag, 0.85),
    (
        &["max_connections", "connection slots", "too many connections", "too many clients"],
        Cause::DbConnectionExhaustion,
        0.9,
    ),
    (
        &["storage full", "out of storage", "storage is full", "low storage", "free storage", "disk is full"],
        Cause::StorageExhaustion,
        0.9,
    ),
    (&["out of memory", "low memory"], Cause::MemoryLeak, 0.8),
    (&["host replacement", "hardware", "recovery of the", "restarted"], Cause::DependencyFailure, 0.7),
];

/// Reads a provider's list of events.
pub fn events(answer: &Value, tool: &str, bundle: &Bundle, state: &mut State) {
    for event in field(answer, &["events", "Events"]).as_array().into_iter().flatten() {
        let source = text(event, &["source_identifier", "SourceIdentifier"]);
        let message = text(event, &["message", "Message"]);
        let old = time(field(event, &["date", "Date"]))
            .is_some_and(|at| at < bundle.incident.detected_at - RECENT_MS);
        if source.is_empty() || old {
            continue;
        }
        let lower = message.to_lowercase();
        let told = EVENTS.iter().find(|(known, ..)| known.iter().any(|word| lower.contains(word)));
        if let Some((_, cause, weight)) = told {
            state.found(
                &owner(bundle, source),
                *cause,
                *weight,
                format!("event of {source}: {message}"),
                tool,
            );
        }
    }
}

/// Reads counters whose meaning does not depend on what is usual.
pub fn series(bundle: &Bundle, state: &mut State) {
    for series in &bundle.metrics.series {
        let words = words(&series.metric);
        let has = |word: &str| words.iter().any(|w| w == word);
        let (Some(first), Some(last)) = (series.values.first(), late(series)) else { continue };
        let found = if (has("replica") || has("replication")) && has("lag") {
            let grew = last >= LAG_S && last >= LAG_GROWTH * first.max(1.0);
            grew.then(|| (Cause::ConsumerLag, 0.9, format!("lags by {last:.0} s")))
        } else if has("free") && has("storage") {
            (last <= STORAGE_LEFT * first).then(|| {
                (
                    Cause::StorageExhaustion,
                    0.9,
                    format!("has {:.0} % of the storage left that was free at first", 100.0 * last / first),
                )
            })
        } else if has("cpuutilization")
            || has("cpu") && has("utilization") && series.values.iter().any(|v| *v > 2.0)
        {
            (last >= CPU_PERCENT).then(|| (Cause::CpuSaturation, 0.6, format!("uses {last:.0} % of its CPU")))
        } else {
            continue;
        };
        match found {
            Some((cause, weight, says)) => {
                state.found(
                    &series.component,
                    cause,
                    weight,
                    format!("{} {says}", series.component),
                    "metrics.csv",
                );
            }
            None => state.healthy += 1,
        }
    }
}

/// The median of the later half: what it came to, not a spike.
fn late(series: &Series) -> Option<f64> {
    let later = &series.values[series.values.len() / 2..];
    (!later.is_empty()).then(|| crate::investigate::deviation::median(&mut later.to_vec()))
}
