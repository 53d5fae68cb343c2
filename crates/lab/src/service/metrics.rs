//! The process's metrics and their Prometheus text.
//!
//! Owns the counters and the ten-second window that the health check judges by.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::App;
use crate::catalogue::{MEMORY_LIMIT_BYTES, QUEUE, ServiceName};

/// Upper bounds in seconds; close enough together for a p99 between 5 ms and 30 s.
const BUCKETS_S: [f64; 22] = [
    0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 6.0, 8.0,
    12.0, 20.0, 30.0,
];
/// What "recent" means to the health check.
const WINDOW: Duration = Duration::from_secs(10);
/// Requests the window keeps at most; older ones leave early under a flood.
const WINDOW_REQUESTS_MAX: usize = 5_000;

#[derive(Default)]
struct Histogram {
    buckets: [u64; BUCKETS_S.len()],
    sum_s: f64,
    count: u64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        if let Some(bucket) = BUCKETS_S.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.sum_s += seconds;
        self.count += 1;
    }

    fn render(&self, out: &mut String, name: &str, label: &str) {
        let mut total = 0;
        let comma = if label.is_empty() { "" } else { "," };
        for (bound, bucket) in BUCKETS_S.iter().zip(self.buckets) {
            total += bucket;
            line(out, format_args!("{name}_bucket{{{label}{comma}le=\"{bound}\"}} {total}"));
        }
        line(out, format_args!("{name}_bucket{{{label}{comma}le=\"+Inf\"}} {}", self.count));
        let braces = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        line(out, format_args!("{name}_sum{braces} {}", self.sum_s));
        line(out, format_args!("{name}_count{braces} {}", self.count));
    }
}

/// How a call to a dependency ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Ok,
    Error,
    Timeout,
    Fallback,
}

impl Outcome {
    const ALL: [Outcome; 4] = [Outcome::Ok, Outcome::Error, Outcome::Timeout, Outcome::Fallback];

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Error => "error",
            Outcome::Timeout => "timeout",
            Outcome::Fallback => "fallback",
        }
    }
}

#[derive(Default)]
struct Calls {
    outcomes: BTreeMap<Outcome, u64>,
    durations: Histogram,
}

#[derive(Default)]
struct Inner {
    codes: BTreeMap<u16, u64>,
    durations: Histogram,
    dependencies: BTreeMap<ServiceName, Calls>,
    recent: VecDeque<(Instant, f64, bool)>,
}

pub(super) struct Metrics {
    inner: Mutex<Inner>,
    pub(super) cache_hits: AtomicU64,
    pub(super) cache_misses: AtomicU64,
    pub(super) queue_lag: AtomicU64,
    pub(super) queue_consumed: AtomicU64,
    pub(super) queue_published: AtomicU64,
}

/// What the last ten seconds were like.
pub(super) struct Recent {
    pub(super) requests: usize,
    pub(super) error_share: f64,
    pub(super) p99_ms: f64,
}

impl Metrics {
    pub(super) fn new(service: ServiceName) -> Metrics {
        let mut inner = Inner::default();
        // Series exist from the start, so that a first error is an increase and not a new series.
        inner.codes.extend([(200, 0), (500, 0), (503, 0)]);
        for dependency in service.depends_on() {
            let mut calls = Calls::default();
            calls.outcomes.extend(Outcome::ALL.map(|outcome| (outcome, 0)));
            inner.dependencies.insert(*dependency, calls);
        }
        Metrics {
            inner: Mutex::new(inner),
            cache_hits: AtomicU64::new(0),
            cache_misses: AtomicU64::new(0),
            queue_lag: AtomicU64::new(0),
            queue_consumed: AtomicU64::new(0),
            queue_published: AtomicU64::new(0),
        }
    }

    pub(super) fn request(&self, code: u16, duration: Duration) {
        let mut inner = self.lock();
        *inner.codes.entry(code).or_default() += 1;
        inner.durations.observe(duration.as_secs_f64());
        let now = Instant::now();
        inner.recent.push_back((now, duration.as_secs_f64() * 1000.0, code >= 500));
        let crowded = inner.recent.len() > WINDOW_REQUESTS_MAX;
        while inner.recent.front().is_some_and(|(at, _, _)| crowded || now.duration_since(*at) > WINDOW) {
            inner.recent.pop_front();
            if inner.recent.len() <= WINDOW_REQUESTS_MAX && crowded {
                break;
            }
        }
    }

    pub(super) fn call(&self, dependency: ServiceName, outcome: Outcome, duration: Duration) {
        let mut inner = self.lock();
        let calls = inner.dependencies.entry(dependency).or_default();
        *calls.outcomes.entry(outcome).or_default() += 1;
        calls.durations.observe(duration.as_secs_f64());
    }

    pub(super) fn recent(&self) -> Recent {
        let now = Instant::now();
        let (mut durations, mut errors) = (Vec::new(), 0_usize);
        for (at, duration_ms, failed) in &self.lock().recent {
            if now.duration_since(*at) <= WINDOW {
                durations.push(*duration_ms);
                errors += usize::from(*failed);
            }
        }
        let requests = durations.len();
        if requests == 0 {
            return Recent { requests, error_share: 0.0, p99_ms: 0.0 };
        }
        durations.sort_by(f64::total_cmp);
        let rank = ((requests as f64 * 0.99).ceil() as usize).clamp(1, requests) - 1;
        Recent { requests, error_share: errors as f64 / requests as f64, p99_ms: durations[rank] }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole exposition of one process.
pub(super) fn render(app: &App) -> String {
    let mut out = String::with_capacity(8 * 1024);
    let metrics = &app.metrics;
    requests(&mut out, &metrics.lock());
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let pool = &app.storage.pool;
    let gauges = [
        ("process_cpu_limit_cores", app.cpu.limit_cores()),
        ("process_resident_memory_bytes", super::memory::resident_bytes() as f64),
        ("process_memory_limit_bytes", MEMORY_LIMIT_BYTES as f64),
        ("process_start_time_seconds", app.started_at_unix_s),
        ("db_pool_connections_in_use", f64::from(pool.in_use())),
        ("db_pool_connections_max", f64::from(pool.size())),
        ("service_replicas", load(&app.replicas)),
    ];
    for (name, value) in gauges {
        single(&mut out, name, "gauge", value);
    }
    let counters = [
        ("process_cpu_seconds_total", super::cpu::process_cpu().as_secs_f64()),
        ("db_pool_acquire_timeouts_total", pool.timeouts() as f64),
        ("service_restarts_total", load(&app.restarts)),
        ("cache_hits_total", load(&metrics.cache_hits)),
        ("cache_misses_total", load(&metrics.cache_misses)),
    ];
    for (name, value) in counters {
        single(&mut out, name, "counter", value);
    }
    queues(&mut out, app);
    line(&mut out, format_args!("# TYPE service_info gauge"));
    line(&mut out, format_args!("service_info{{version=\"{}\"}} 1", app.spec.version.name));
    out
}

fn requests(out: &mut String, inner: &Inner) {
    line(out, format_args!("# TYPE http_requests_total counter"));
    for (code, count) in &inner.codes {
        line(out, format_args!("http_requests_total{{code=\"{code}\"}} {count}"));
    }
    line(out, format_args!("# TYPE http_request_duration_seconds histogram"));
    inner.durations.render(out, "http_request_duration_seconds", "");
    if inner.dependencies.is_empty() {
        return;
    }
    line(out, format_args!("# TYPE dependency_requests_total counter"));
    for (dependency, calls) in &inner.dependencies {
        for (outcome, count) in &calls.outcomes {
            let outcome = outcome.as_str();
            line(
                out,
                format_args!(
                    "dependency_requests_total{{dependency=\"{dependency}\",outcome=\"{outcome}\"}} {count}"
                ),
            );
        }
    }
    line(out, format_args!("# TYPE dependency_request_duration_seconds histogram"));
    for (dependency, calls) in &inner.dependencies {
        let label = format!("dependency=\"{dependency}\"");
        calls.durations.render(out, "dependency_request_duration_seconds", &label);
    }
}

fn queues(out: &mut String, app: &App) {
    if !app.service().consumes_from().is_empty() {
        line(out, format_args!("# TYPE queue_lag_messages gauge"));
        let lag = app.metrics.queue_lag.load(Ordering::Relaxed);
        line(out, format_args!("queue_lag_messages{{queue=\"{QUEUE}\"}} {lag}"));
        single(
            out,
            "queue_consumed_total",
            "counter",
            app.metrics.queue_consumed.load(Ordering::Relaxed) as f64,
        );
    }
    if app.service() == ServiceName::OrderService {
        single(
            out,
            "queue_published_total",
            "counter",
            app.metrics.queue_published.load(Ordering::Relaxed) as f64,
        );
    }
}

fn single(out: &mut String, name: &str, kind: &str, value: f64) {
    line(out, format_args!("# TYPE {name} {kind}"));
    line(out, format_args!("{name} {value}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}
