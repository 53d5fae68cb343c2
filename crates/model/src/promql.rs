//! PromQL for every metric: the one wording that the Prometheus client polls with and that evidence quotes.
//!
//! Owns: the templates. Must never run one. Metric and label names follow the Prometheus conventions
//! (`http_requests_total{code}`, `http_request_duration_seconds_bucket{le}`, `process_*`), grouped by the label `service`.

use crate::{Metric, ServiceName};

/// Seconds over which restarts are counted: a minute, or less where everything goes faster (two rate windows, but never
/// so short that a loop with a backoff of seconds looks like one restart).
#[must_use]
pub fn restarts_window_s(rate_window_s: f64) -> f64 {
    (2.0 * rate_window_s).clamp(20.0, 60.0)
}

/// The query whose answer is the metric of one service.
#[must_use]
pub fn query(metric: Metric, service: &ServiceName, window_s: f64) -> String {
    // JSON's escapes are a subset of PromQL's, and a service name that was registered needs none.
    let quoted = format!("{:?}", service.as_str());
    template(metric, &format!("service={quoted}"), window_s)
}

/// The query whose answer is the metric of every service, one series per value of the label `service`.
#[must_use]
pub fn query_all(metric: Metric, window_s: f64) -> String {
    template(metric, "service!=\"\"", window_s)
}

/// A window as PromQL writes it: whole seconds where possible, else milliseconds, never below one millisecond.
fn duration(window_s: f64) -> String {
    let ms = (window_s * 1000.0).round().max(1.0);
    if ms % 1000.0 == 0.0 { format!("{:.0}s", ms / 1000.0) } else { format!("{ms:.0}ms") }
}

fn template(metric: Metric, of: &str, window_s: f64) -> String {
    let w = duration(window_s);
    match metric {
        Metric::LatencyP99 => format!(
            "histogram_quantile(0.99, sum by (service, le) \
             (rate(http_request_duration_seconds_bucket{{{of}}}[{w}]))) * 1000"
        ),
        // Where nothing failed the numerator has no series; `or` puts the zero there.
        Metric::ErrorRate => format!(
            "(sum by (service) (rate(http_requests_total{{{of},code=~\"5..\"}}[{w}])) \
             or 0 * sum by (service) (rate(http_requests_total{{{of}}}[{w}]))) \
             / sum by (service) (rate(http_requests_total{{{of}}}[{w}]))"
        ),
        Metric::RequestRate => format!("sum by (service) (rate(http_requests_total{{{of}}}[{w}]))"),
        // Without a limit the reading is in cores.
        Metric::Cpu => format!(
            "max by (service) (rate(process_cpu_seconds_total{{{of}}}[{w}]) / process_cpu_limit_cores{{{of}}}) \
             or max by (service) (rate(process_cpu_seconds_total{{{of}}}[{w}]))"
        ),
        Metric::Memory => format!(
            "max by (service) (process_resident_memory_bytes{{{of}}} / process_memory_limit_bytes{{{of}}})"
        ),
        Metric::DbPool => {
            format!("max by (service) (db_pool_connections_in_use{{{of}}} / db_pool_connections_max{{{of}}})")
        }
        // Every instance may report the same queue; the fullest report of each queue counts once.
        Metric::QueueLag => {
            format!("sum by (service) (max by (service, queue) (queue_lag_messages{{{of}}}))")
        }
        Metric::Restarts => {
            let w = duration(restarts_window_s(window_s));
            format!(
                "sum by (service) (increase(control_plane_restarts_total{{{of}}}[{w}])) \
                 or sum by (service) (increase(service_restarts_total{{{of}}}[{w}]))"
            )
        }
        Metric::Up => format!("avg by (service) (up{{{of}}})"),
        Metric::CriticalLogs => format!("sum by (service) (rate(log_critical_lines_total{{{of}}}[{w}]))"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_name_the_service_and_the_window() {
        let service = ServiceName::new("payment-service");
        assert_eq!(
            query(Metric::LatencyP99, &service, 10.0),
            "histogram_quantile(0.99, sum by (service, le) \
             (rate(http_request_duration_seconds_bucket{service=\"payment-service\"}[10s]))) * 1000"
        );
        assert_eq!(query_all(Metric::Up, 60.0), "avg by (service) (up{service!=\"\"})");
        assert!(query_all(Metric::RequestRate, 2.5).ends_with("[2500ms]))"));
    }

    #[test]
    fn every_query_is_balanced_and_a_hostile_name_stays_inside_its_quotes() {
        for metric in Metric::ALL.iter().copied() {
            let text = query(metric, &ServiceName::new(r#"x"} or up{a=""#), 15.0);
            for (open, close) in [('(', ')'), ('[', ']')] {
                assert_eq!(text.matches(open).count(), text.matches(close).count(), "{text}");
            }
            assert!(text.contains(r#"service="x\"} or up{a=\"""#), "{text}");
        }
    }
}
