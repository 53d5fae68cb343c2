//! The sentence that the person on call reads at 03:00.

use super::rules::Judge;
use midwatch_model::{FrozenBaseline, Metric, ServiceName, Timestamp};

/// What a signal's sentence is made of.
pub(super) struct Said<'a> {
    pub service: &'a ServiceName,
    pub judge: &'a Judge,
    pub value: f64,
    pub sigma: f64,
    pub baseline: &'a FrozenBaseline,
    pub suspicious: u32,
    pub climb: Option<ClimbSeen>,
}

/// A climb as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClimbSeen {
    pub slope_per_s: f64,
    pub limit: Option<f64>,
}

/// The summary of a signal.
pub(super) fn summary(said: &Said<'_>) -> String {
    let metric = said.judge.metric;
    match metric {
        Metric::Restarts => {
            let times = said.value.round();
            format!("{} restarted {times:.0} times within the last minute, none of it planned", said.service)
        }
        Metric::Up => format!(
            "{} does not answer: {} of its instances are up; {}",
            said.service,
            shown(metric, said.value),
            share(said)
        ),
        _ => {
            let normal = format!("normal is {}", normal(metric, said.baseline));
            match said.climb {
                Some(climb) => format!("{}; {normal}{}", climbing(said, climb), time_left(said, climb)),
                None => format!(
                    "{} {} {} {}; {normal} ({:.0} σ); {}",
                    said.service,
                    metric.title(),
                    metric.verb(),
                    shown(metric, said.value),
                    said.sigma,
                    share(said)
                ),
            }
        }
    }
}

/// The values that an evidence excerpt quotes, oldest first.
pub(super) fn excerpt(metric: Metric, baseline: &FrozenBaseline, values: &[(Timestamp, f64)]) -> String {
    let shown: Vec<_> = values.iter().map(|(_, v)| shown(metric, *v)).collect();
    format!("{}: {} (normal: {})", metric.title(), shown.join(", "), normal(metric, baseline))
}

fn share(said: &Said<'_>) -> String {
    format!("{} of the last {} samples", said.suspicious, said.judge.n)
}

fn climbing(said: &Said<'_>, climb: ClimbSeen) -> String {
    let metric = said.judge.metric;
    let per_minute = shown(metric, climb.slope_per_s * 60.0);
    format!(
        "{} {} is {} and climbs by {per_minute} a minute",
        said.service,
        metric.title(),
        shown(metric, said.value)
    )
}

fn time_left(said: &Said<'_>, climb: ClimbSeen) -> String {
    match climb.limit {
        Some(limit) if climb.slope_per_s > 0.0 && said.value < limit => {
            let left_s = (limit - said.value) / climb.slope_per_s;
            let left =
                if left_s < 90.0 { format!("{left_s:.0} s") } else { format!("{:.0} min", left_s / 60.0) };
            format!("; at this rate it reaches its limit in {left}")
        }
        _ => String::new(),
    }
}

/// `310 ± 40 ms`.
fn normal(metric: Metric, baseline: &FrozenBaseline) -> String {
    let (mean, std) = (shown(metric, baseline.mean), shown(metric, baseline.std));
    let (number, unit) = mean.split_once(' ').unwrap_or((&mean, ""));
    let spread = std.split_once(' ').map_or(std.as_str(), |(number, _)| number);
    format!("{number} ± {spread} {unit}")
}

/// A value in its unit, thousands grouped: `4,100 ms`.
fn shown(metric: Metric, value: f64) -> String {
    let text = metric.show(value);
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    let (whole, rest) = text.split_at(digits);
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |w| ("-", w));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_grouped_by_thousands() {
        for (metric, value, expected) in [
            (Metric::LatencyP99, 4100.4, "4,100 ms"),
            (Metric::LatencyP99, 999.0, "999 ms"),
            (Metric::QueueLag, 1_234_567.0, "1,234,567 messages"),
            (Metric::ErrorRate, 0.125, "12.5 %"),
            (Metric::LatencyP99, -1234.0, "-1,234 ms"),
        ] {
            assert_eq!(shown(metric, value), expected);
        }
    }
}
