//! From instances to a service's readings, in the units of `Metric`.

use super::instance::{Bound, Instance};
use midwatch_model::promql::restarts_window_s;
use midwatch_model::{Metric, Sample, ServiceName, Timestamp};
use std::collections::BTreeMap;

/// The instances of one service in one poll.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Those that answered.
    pub up: Vec<&'a Instance>,
    /// All that are known.
    pub known: usize,
}

/// A service's readings at `at`.
pub(super) fn of_service(
    service: &ServiceName,
    members: &Members<'_>,
    window_s: f64,
    at: Timestamp,
) -> Vec<Sample> {
    let load = load(members, window_s);
    let gauge =
        |pick: fn(&Instance) -> Option<f64>| members.up.iter().filter_map(|i| pick(i)).reduce(f64::max);
    let readings = [
        (Metric::LatencyP99, quantile(0.99, &load.buckets).map(|seconds| seconds * 1000.0)),
        (Metric::ErrorRate, (load.requests_per_s > 0.0).then(|| load.errors_per_s / load.requests_per_s)),
        (Metric::RequestRate, load.measured.then_some(load.requests_per_s)),
        (Metric::Cpu, members.up.iter().filter_map(|i| cpu(i, window_s)).reduce(f64::max)),
        (Metric::Memory, gauge(|instance| instance.gauges.memory_share)),
        (Metric::DbPool, gauge(|instance| instance.gauges.pool_share)),
        (Metric::Restarts, own_restarts(members, window_s)),
        (Metric::Up, (members.known > 0).then(|| members.up.len() as f64 / members.known as f64)),
    ];
    let sample = |(metric, value): (Metric, Option<f64>)| {
        value.map(|value| Sample { service: service.clone(), metric, value, at })
    };
    readings.into_iter().filter_map(sample).collect()
}

/// Request rates, summed over instances.
#[derive(Default)]
struct Load {
    measured: bool,
    requests_per_s: f64,
    errors_per_s: f64,
    buckets: BTreeMap<Bound, f64>,
}

fn load(members: &Members<'_>, window_s: f64) -> Load {
    let mut load = Load::default();
    for increase in members.up.iter().filter_map(|instance| instance.increase(window_s)) {
        let (from, to) = (increase.from, increase.to);
        // An instance that never counted a request (a worker) has no request rate, not one of zero.
        load.measured |= to.requests > 0.0 || !to.buckets.is_empty();
        load.requests_per_s += (to.requests - from.requests) / increase.elapsed_s;
        load.errors_per_s += (to.errors - from.errors) / increase.elapsed_s;
        for (bound, count) in &to.buckets {
            let before = from.buckets.get(bound).copied().unwrap_or(0.0);
            *load.buckets.entry(*bound).or_default() += (count - before) / increase.elapsed_s;
        }
    }
    load
}

fn cpu(instance: &Instance, window_s: f64) -> Option<f64> {
    let increase = instance.increase(window_s)?;
    if increase.to.cpu_s == 0.0 && instance.gauges.cpu_limit_cores.is_none() {
        return None;
    }
    let cores = (increase.to.cpu_s - increase.from.cpu_s) / increase.elapsed_s;
    // Without a limit the reading is in cores, as the PromQL of the same metric says.
    Some(cores / instance.gauges.cpu_limit_cores.unwrap_or(1.0))
}

fn own_restarts(members: &Members<'_>, window_s: f64) -> Option<f64> {
    let counted = members.up.iter().filter_map(|instance| {
        let increase = instance.increase(restarts_window_s(window_s))?;
        Some(increase.to.own_restarts? - increase.from.own_restarts.unwrap_or(0.0))
    });
    counted.reduce(|a, b| a + b)
}

/// Recent restarts that a control plane's page counts, by service.
pub(super) fn controlled_restarts<'a>(
    pages: impl Iterator<Item = (Option<&'a ServiceName>, &'a Instance)>,
    window_s: f64,
) -> BTreeMap<ServiceName, f64> {
    let mut restarts = BTreeMap::new();
    for (own, instance) in pages {
        let Some(increase) = instance.increase(restarts_window_s(window_s)) else { continue };
        for (label, count) in &increase.to.controlled_restarts {
            let grown = count - increase.from.controlled_restarts.get(label).copied().unwrap_or(0.0);
            if let Some(service) = named(label, own) {
                *restarts.entry(service).or_default() += grown;
            }
        }
    }
    restarts
}

/// Messages that wait, by service: of each queue the fullest report, then the sum over the service's queues.
pub(super) fn queue_lag<'a>(
    pages: impl Iterator<Item = (Option<&'a ServiceName>, &'a Instance)>,
) -> BTreeMap<ServiceName, f64> {
    let mut queues: BTreeMap<(ServiceName, &str), f64> = BTreeMap::new();
    for (own, instance) in pages {
        for ((label, queue), lag) in &instance.gauges.queue_lag {
            // An instance's own page speaks for its service; only a page without one is believed about others.
            let service = own.cloned().or_else(|| named(label, None));
            if let Some(service) = service {
                let fullest = queues.entry((service, queue)).or_default();
                *fullest = fullest.max(*lag);
            }
        }
    }
    let mut services = BTreeMap::new();
    for ((service, _), lag) in queues {
        *services.entry(service).or_default() += lag;
    }
    services
}

/// The service that a label names, else the page's own.
fn named(label: &str, own: Option<&ServiceName>) -> Option<ServiceName> {
    let labelled = Some(ServiceName::new(label)).filter(ServiceName::is_valid);
    labelled.or_else(|| own.cloned())
}

/// Prometheus' `histogram_quantile` over classic buckets: linear interpolation within the bucket that the rank falls
/// into; the highest finite bound where that is the last one. `None` without requests or without a `+Inf` bucket.
pub(super) fn quantile(q: f64, buckets: &BTreeMap<Bound, f64>) -> Option<f64> {
    let total = buckets.get(&Bound(f64::INFINITY)).copied().filter(|_| buckets.len() >= 2)?;
    // Counters are read one after the other, so a lower bucket can be ahead of a higher one; counts never fall.
    let mut highest = 0.0_f64;
    let counts: Vec<(f64, f64)> = buckets
        .iter()
        .map(|(bound, count)| {
            highest = highest.max(*count);
            (bound.0, highest)
        })
        .collect();
    if total <= 0.0 || highest <= 0.0 {
        return None;
    }
    let rank = q * highest;
    let index = counts.iter().position(|(_, count)| *count >= rank)?;
    if index == counts.len() - 1 {
        return Some(counts[index - 1].0);
    }
    let (upper, count) = counts[index];
    if index == 0 && upper <= 0.0 {
        return Some(upper);
    }
    let (lower, before) = if index == 0 { (0.0, 0.0) } else { counts[index - 1] };
    if count <= before {
        return Some(upper);
    }
    Some(lower + (upper - lower) * (rank - before) / (count - before))
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;
    use midwatch_model::after;

    fn buckets(of: &[(f64, f64)]) -> BTreeMap<Bound, f64> {
        of.iter().map(|(bound, count)| (Bound(*bound), *count)).collect()
    }

    #[test]
    fn quantiles_are_interpolated_as_prometheus_does() {
        let inf = f64::INFINITY;
        for (name, q, of, expected) in [
            ("middle of a bucket", 0.5, vec![(0.1, 0.0), (0.2, 10.0), (inf, 10.0)], Some(0.15)),
            ("first bucket starts at zero", 0.5, vec![(0.1, 10.0), (inf, 10.0)], Some(0.05)),
            ("beyond the last finite bound", 0.99, vec![(0.1, 5.0), (0.2, 8.0), (inf, 10.0)], Some(0.2)),
            ("no requests", 0.99, vec![(0.1, 0.0), (inf, 0.0)], None),
            ("no +Inf", 0.99, vec![(0.1, 1.0), (0.2, 2.0)], None),
            ("only +Inf", 0.99, vec![(inf, 2.0)], None),
            ("empty", 0.99, vec![], None),
            ("counts that fall", 0.5, vec![(0.1, 4.0), (0.2, 3.0), (0.4, 8.0), (inf, 8.0)], Some(0.1)),
        ] {
            let found = quantile(q, &buckets(&of));
            let close = match (found, expected) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            assert!(close, "{name}: {found:?}, expected {expected:?}");
        }
    }

    /// Feeds pages 5 s apart and returns the readings after the last one.
    fn readings(pages: &[&str]) -> Vec<(Metric, f64)> {
        let mut instance = Instance::default();
        let mut at = Timestamp::UNIX_EPOCH;
        for page in pages {
            at = after(at, 5.0);
            instance.take(at, &text::parse(page.as_bytes(), |_| true).lines, 60.0);
        }
        let members = Members { up: vec![&instance], known: 2 };
        of_service(&"s".into(), &members, 60.0, at).into_iter().map(|s| (s.metric, s.value)).collect()
    }

    #[test]
    fn counters_become_rates_and_resets_and_new_series_count_right() {
        for (name, pages, metric, expected) in [
            (
                "a first scrape has no rate",
                vec!["http_requests_total{code=\"200\"} 900"],
                Metric::RequestRate,
                None,
            ),
            (
                "two scrapes",
                vec!["http_requests_total{code=\"200\"} 900", "http_requests_total{code=\"200\"} 950"],
                Metric::RequestRate,
                Some(10.0),
            ),
            (
                "a reset counts what came after it",
                vec!["http_requests_total 900", "http_requests_total 950", "http_requests_total 20"],
                Metric::RequestRate,
                Some(7.0),
            ),
            (
                "a code seen for the first time started at zero",
                vec![
                    "http_requests_total{code=\"200\"} 100",
                    "http_requests_total{code=\"200\"} 130\nhttp_requests_total{code=\"503\"} 10",
                ],
                Metric::ErrorRate,
                Some(0.25),
            ),
            (
                "no requests, no share",
                vec!["http_requests_total 5", "http_requests_total 5"],
                Metric::ErrorRate,
                None,
            ),
            (
                "status is accepted for code",
                vec!["http_requests_total{status=\"500\"} 0", "http_requests_total{status=\"500\"} 5"],
                Metric::ErrorRate,
                Some(1.0),
            ),
            (
                "cpu as a share of its limit",
                vec![
                    "process_cpu_seconds_total 10\nprocess_cpu_limit_cores 0.5",
                    "process_cpu_seconds_total 11\nprocess_cpu_limit_cores 0.5",
                ],
                Metric::Cpu,
                Some(0.4),
            ),
            (
                "cpu in cores without a limit",
                vec!["process_cpu_seconds_total 10", "process_cpu_seconds_total 11"],
                Metric::Cpu,
                Some(0.2),
            ),
            (
                "memory",
                vec!["process_resident_memory_bytes 50\nprocess_memory_limit_bytes 200"],
                Metric::Memory,
                Some(0.25),
            ),
            (
                "a zero limit is no limit",
                vec!["process_resident_memory_bytes 5\nprocess_memory_limit_bytes 0"],
                Metric::Memory,
                None,
            ),
            (
                "the fullest pool",
                vec![
                    "db_pool_connections_in_use{pool=\"a\"} 1\ndb_pool_connections_max{pool=\"a\"} 8\ndb_pool_connections_in_use{pool=\"b\"} 6\ndb_pool_connections_max{pool=\"b\"} 8",
                ],
                Metric::DbPool,
                Some(0.75),
            ),
            ("half of the instances", vec!["up_ignored 1"], Metric::Up, Some(0.5)),
            (
                "own restarts",
                vec!["service_restarts_total 3", "service_restarts_total 5"],
                Metric::Restarts,
                Some(2.0),
            ),
            (
                "NaN counters are skipped",
                vec!["http_requests_total 5", "http_requests_total NaN", "http_requests_total 15"],
                Metric::RequestRate,
                Some(1.0),
            ),
        ] {
            let found = readings(&pages).into_iter().find(|(m, _)| *m == metric).map(|(_, value)| value);
            let close = match (found, expected) {
                (Some(a), Some(b)) => f64::abs(a - b) < 1e-9,
                (a, b) => a == b,
            };
            assert!(close, "{name}: {found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn a_control_planes_page_speaks_of_other_services() {
        let mut plane = Instance::default();
        let pages = [
            "control_plane_restarts_total{service=\"a\"} 4\nqueue_lag_messages{service=\"a\",queue=\"q\"} 3",
            "control_plane_restarts_total{service=\"a\"} 7\ncontrol_plane_restarts_total{service=\"b\"} 1\n\
             queue_lag_messages{service=\"a\",queue=\"q\"} 9\nqueue_lag_messages{service=\"a\",queue=\"r\"} 2",
        ];
        for (second, page) in pages.iter().enumerate() {
            let at = after(Timestamp::UNIX_EPOCH, second as f64);
            plane.take(at, &text::parse(page.as_bytes(), |_| true).lines, 10.0);
        }
        let restarts = controlled_restarts([(None, &plane)].into_iter(), 60.0);
        assert_eq!(restarts, BTreeMap::from([("a".into(), 3.0), ("b".into(), 1.0)]));
        assert_eq!(queue_lag([(None, &plane)].into_iter()), BTreeMap::from([("a".into(), 11.0)]));
    }
}
