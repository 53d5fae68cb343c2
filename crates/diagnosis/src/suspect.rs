//! Which change a service's trouble may come from: by time, by place, and by what it did to the code.

use crate::DiagnosisInput;
use crate::inherit::Symptom;
use crate::investigate::content::{self, Fit};
use midwatch_model::{Cause, Change, Metric, ServiceName, Timestamp, seconds_between};
use std::collections::BTreeMap;

/// Seconds by which clocks, scrapes and rate windows blur an onset.
pub(crate) const ONSET_BLUR_S: f64 = 6.0;

/// The change that may be it, and what is to be said of changes.
pub(crate) struct Suspect {
    pub change: Option<Change>,
    pub because: Vec<String>,
}

/// The last change of the service that put other code into production within the window before the onset and that can
/// do what is seen. A change a moment after the measured onset still counts: the onset is blurred by scrapes and windows.
pub(crate) fn suspect(
    input: &DiagnosisInput<'_>,
    service: &ServiceName,
    own: &BTreeMap<Metric, &Symptom>,
    onset: Timestamp,
) -> Suspect {
    let window_s = input.config.change_window_min * 60.0;
    let fits = |change: &&Change| {
        let age = seconds_between(change.at, onset);
        change.service == *service
            && change.kind.replaces_code()
            && change.by != "midwatch"
            && (-ONSET_BLUR_S..=window_s).contains(&age)
    };
    let mut in_time: Vec<&Change> = input.changes.iter().filter(fits).collect();
    in_time.sort_by_key(|change| std::cmp::Reverse(change.at));
    let mut acquitted = Vec::new();
    for change in in_time {
        let told = format!("{} {}", change.to, when(change, onset));
        match judge(input, service, own, change) {
            Fit::Cannot(why) => acquitted.push(format!("not because of {told}: {why}")),
            Fit::Explains(how) => {
                let because = vec![format!("{}; {how}", describe(change, onset))];
                return Suspect { change: Some(change.named()), because };
            }
            Fit::Unclear => {
                return Suspect { change: Some(change.named()), because: vec![describe(change, onset)] };
            }
        }
    }
    Suspect { change: None, because: acquitted }
}

fn judge(
    input: &DiagnosisInput<'_>,
    service: &ServiceName,
    own: &BTreeMap<Metric, &Symptom>,
    change: &Change,
) -> Fit {
    let Some(told) = &change.content else { return Fit::Unclear };
    let logged = input.logs.iter().filter(|log| log.service == *service).filter_map(|log| log.top.as_deref());
    let said = own.values().filter_map(|symptom| symptom.said.as_deref()).chain(logged);
    content::fit(told, own.keys().map(|metric| metric.name()), said)
}

/// 1 − Δ/window for the suspect change; a neutral half where the cause needs none and none was made.
pub(crate) fn score(
    input: &DiagnosisInput<'_>,
    cause: Cause,
    change: Option<&Change>,
    onset: Timestamp,
) -> f64 {
    match change {
        Some(change) => nearness(input, change, onset),
        None if matches!(cause, Cause::CrashLoop | Cause::DeploymentFailure) => 0.0,
        None => 0.5,
    }
}

/// 1 for a change at the onset, 0 at the far end of the window.
pub(crate) fn nearness(input: &DiagnosisInput<'_>, change: &Change, onset: Timestamp) -> f64 {
    let minutes = seconds_between(change.at, onset).max(0.0) / 60.0;
    (1.0 - minutes / input.config.change_window_min).clamp(0.0, 1.0)
}

fn describe(change: &Change, onset: Timestamp) -> String {
    // Those who deploy often tell only what is there now.
    let from = if change.from.is_empty() { String::new() } else { format!(" (from {})", change.from) };
    format!("{} was deployed{from} {}", change.to, when(change, onset))
}

fn when(change: &Change, onset: Timestamp) -> String {
    let seconds = seconds_between(change.at, onset).max(0.0);
    let ago = if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) };
    format!("{ago} before it began")
}
