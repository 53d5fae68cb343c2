//! One instance's counters over time.
//!
//! Counters are turned into running totals that never fall: a counter that went down was reset, and what it shows since
//! is all new, as in Prometheus' `rate()`. Rates are differences of totals within the window.

use super::text::Line;
use midwatch_model::{Timestamp, seconds_between};
use std::collections::{BTreeMap, VecDeque};

/// Most points of history per instance. At ten polls a second, a minute has 600.
const POINTS_MAX: usize = 600;

/// Most counter series of one instance whose last value is remembered; a page of 8 MB has about 50,000.
const SERIES_MAX: usize = 50_000;

/// Metric names that are read; everything else on a page is skipped.
pub(super) const WANTED: [&str; 11] = [
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "process_cpu_seconds_total",
    "process_cpu_limit_cores",
    "process_resident_memory_bytes",
    "process_memory_limit_bytes",
    "db_pool_connections_in_use",
    "db_pool_connections_max",
    "queue_lag_messages",
    "control_plane_restarts_total",
    "service_restarts_total",
];

/// Running totals of an instance's counters at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub requests: f64,
    pub errors: f64,
    pub cpu_s: f64,
    /// Requests by duration: upper bound in seconds (as ordered bits) → count up to it.
    pub buckets: BTreeMap<Bound, f64>,
    /// Restarts by the service that a control plane names.
    pub controlled_restarts: BTreeMap<String, f64>,
    /// Restarts that the instance counts itself.
    pub own_restarts: Option<f64>,
}

/// A bucket's upper bound, ordered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound(pub f64);

impl Eq for Bound {}
impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What an instance shows right now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gauges {
    pub cpu_limit_cores: Option<f64>,
    pub memory_share: Option<f64>,
    pub pool_share: Option<f64>,
    /// By service label (empty where there is none) and queue.
    pub queue_lag: BTreeMap<(String, String), f64>,
}

/// One instance: the last value of every counter, and totals over the window.
#[derive(Debug, Default)]
pub(super) struct Instance {
    last: BTreeMap<String, f64>,
    totals: Totals,
    history: VecDeque<(Timestamp, Totals)>,
    pub gauges: Gauges,
}

/// What happened between the first and the last point of a window.
#[derive(Debug)]
pub(super) struct Increase<'a> {
    pub elapsed_s: f64,
    pub from: &'a Totals,
    pub to: &'a Totals,
}

impl Instance {
    /// Takes a scraped page in.
    pub fn take(&mut self, at: Timestamp, lines: &[Line], window_s: f64) {
        let first_page = self.history.is_empty();
        for line in lines.iter().filter(|line| line.value.is_finite() && line.value >= 0.0) {
            self.count(line, first_page);
        }
        self.gauges = gauges(lines);
        self.history.push_back((at, self.totals.clone()));
        let kept_s = window_s.max(midwatch_model::promql::restarts_window_s(window_s));
        while self.history.len() > POINTS_MAX
            || self.history.front().is_some_and(|(oldest, _)| seconds_between(*oldest, at) > kept_s)
        {
            self.history.pop_front();
        }
    }

    fn count(&mut self, line: &Line, first_page: bool) {
        if !is_counter(&line.name) {
            return;
        }
        let grown = self.growth(line, first_page);
        match line.name.as_str() {
            "http_requests_total" => {
                self.totals.requests += grown;
                if is_server_error(line) {
                    self.totals.errors += grown;
                }
            }
            "http_request_duration_seconds_bucket" => {
                let bound = line.label("le").and_then(|le| le.parse::<f64>().ok()).filter(|le| !le.is_nan());
                if let Some(bound) = bound {
                    *self.totals.buckets.entry(Bound(bound)).or_default() += grown;
                }
            }
            "process_cpu_seconds_total" => self.totals.cpu_s += grown,
            "control_plane_restarts_total" => {
                let service = line.label("service").unwrap_or_default().to_owned();
                *self.totals.controlled_restarts.entry(service).or_default() += grown;
            }
            "service_restarts_total" => *self.totals.own_restarts.get_or_insert_default() += grown,
            _ => {}
        }
    }

    /// How much a counter has grown since the last page. A series that is new on a known instance started at zero; on
    /// an instance's first page it may have any past.
    fn growth(&mut self, line: &Line, first_page: bool) -> f64 {
        let key = key_of(line);
        let known = self.last.get(&key).copied();
        if known.is_none() && self.last.len() >= SERIES_MAX {
            return 0.0;
        }
        self.last.insert(key, line.value);
        match known {
            Some(before) if line.value >= before => line.value - before,
            Some(_) => line.value,
            None if first_page => 0.0,
            None => line.value,
        }
    }

    /// What happened within the window that ends at the newest point; `None` with fewer than two points in it.
    pub fn increase(&self, window_s: f64) -> Option<Increase<'_>> {
        let (end, to) = self.history.back()?;
        let (start, from) = self.history.iter().find(|(at, _)| seconds_between(*at, *end) <= window_s)?;
        let elapsed_s = seconds_between(*start, *end);
        (elapsed_s > 0.0).then_some(Increase { elapsed_s, from, to })
    }
}

fn is_counter(name: &str) -> bool {
    name.ends_with("_total") || name.ends_with("_bucket")
}

/// The series' identity: name and labels in the order of the page, which an exporter keeps.
fn key_of(line: &Line) -> String {
    let mut key = line.name.clone();
    for (name, value) in &line.labels {
        // 0x1f and 0x1e occur in no sensible label and keep the parts apart.
        key.push('\u{1f}');
        key.push_str(name);
        key.push('\u{1e}');
        key.push_str(value);
    }
    key
}

fn is_server_error(line: &Line) -> bool {
    let code = ["code", "status", "status_code"].iter().find_map(|name| line.label(name));
    code.is_some_and(|code| code.len() == 3 && code.starts_with('5'))
}

fn gauges(lines: &[Line]) -> Gauges {
    let finite =
        |name: &'static str| lines.iter().filter(move |line| line.name == name && line.value.is_finite());
    let highest = |name: &'static str| finite(name).map(|line| line.value).reduce(f64::max);
    let mut queue_lag = BTreeMap::new();
    for line in finite("queue_lag_messages") {
        let label = |name| line.label(name).unwrap_or_default().to_owned();
        let fullest = queue_lag.entry((label("service"), label("queue"))).or_insert(0.0_f64);
        *fullest = fullest.max(line.value);
    }
    let memory_limit = highest("process_memory_limit_bytes").filter(|limit| *limit > 0.0);
    let pools = finite("db_pool_connections_in_use").filter_map(|used| {
        let most = finite("db_pool_connections_max").find(|most| most.labels == used.labels)?.value;
        (most > 0.0).then(|| used.value / most)
    });
    Gauges {
        cpu_limit_cores: highest("process_cpu_limit_cores").filter(|limit| *limit > 0.0),
        memory_share: highest("process_resident_memory_bytes")
            .zip(memory_limit)
            .map(|(used, limit)| used / limit),
        pool_share: pools.reduce(f64::max),
        queue_lag,
    }
}
