//! Detectors on simulated series: what must signal, what must stay quiet, and what is remembered.

// Under a fuzzer every test program of a package needs the fuzzer's own code.
use bolero as _;
use midwatch_model::{
    Cause, EvidenceSource, Metric, Sample, ServiceName, Signal, SignalId, Timestamp, after,
};
use midwatch_signal::{DetectionConfig, Detectors, DetectorsSnapshot};

/// Seconds between polls in these tests.
const POLL_S: f64 = 15.0;

/// Feeds one series per poll and keeps the signals.
struct Watch {
    detectors: Detectors,
    polls: u32,
    ids: u32,
    noise: u64,
}

impl Watch {
    fn new(config: DetectionConfig) -> Self {
        Self { detectors: Detectors::new(config), polls: 0, ids: 0, noise: 0x9E37_79B9_7F4A_7C15 }
    }

    fn now(&self) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, 1e9 + f64::from(self.polls) * POLL_S)
    }

    /// Uniform in ±1.
    fn noise(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        (self.noise >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn poll(&mut self, readings: &[(Metric, f64)]) -> Vec<Signal> {
        self.polls += 1;
        let now = self.now();
        let sample = |(metric, value): &(Metric, f64)| Sample {
            service: service(),
            metric: *metric,
            value: *value,
            at: now,
        };
        let samples: Vec<_> = readings.iter().map(sample).collect();
        self.observe(&samples)
    }

    fn observe(&mut self, samples: &[Sample]) -> Vec<Signal> {
        let (now, ids) = (self.now(), &mut self.ids);
        self.detectors.observe(now, samples, &mut || {
            *ids += 1;
            SignalId::new(format!("sig-{ids}"))
        })
    }

    fn run(&mut self, metric: Metric, values: impl IntoIterator<Item = f64>) -> Vec<Signal> {
        values.into_iter().flat_map(|value| self.poll(&[(metric, value)])).collect()
    }

    /// A normal stretch: the value with 5 % of noise.
    fn normal(&mut self, metric: Metric, value: f64, count: usize) -> Vec<Signal> {
        let values: Vec<_> = (0..count).map(|_| value * (1.0 + 0.05 * self.noise())).collect();
        self.run(metric, values)
    }
}

fn service() -> ServiceName {
    ServiceName::new("payment-service")
}

fn watch() -> Watch {
    Watch::new(DetectionConfig::default())
}

fn ramp(from: f64, to: f64, count: usize) -> Vec<f64> {
    (0..count).map(|i| from + (to - from) * i as f64 / (count - 1) as f64).collect()
}

#[test]
fn faults_signal_once_with_their_class() {
    for (name, metric, normal, fault, class, source) in [
        (
            "latency",
            Metric::LatencyP99,
            310.0,
            vec![4100.0; 20],
            Cause::LatencySpike,
            EvidenceSource::ServiceMetrics,
        ),
        (
            "errors",
            Metric::ErrorRate,
            0.001,
            vec![0.3; 20],
            Cause::ErrorRateSpike,
            EvidenceSource::ServiceMetrics,
        ),
        ("cpu", Metric::Cpu, 0.3, vec![0.97; 20], Cause::CpuSaturation, EvidenceSource::ServiceMetrics),
        (
            "memory level",
            Metric::Memory,
            0.5,
            vec![0.93; 20],
            Cause::MemoryLeak,
            EvidenceSource::ServiceMetrics,
        ),
        (
            "memory climb",
            Metric::Memory,
            0.2,
            ramp(0.2, 0.7, 30),
            Cause::MemoryLeak,
            EvidenceSource::ServiceMetrics,
        ),
        (
            "slow memory climb",
            Metric::Memory,
            0.38,
            ramp(0.38, 0.6, 60),
            Cause::MemoryLeak,
            EvidenceSource::ServiceMetrics,
        ),
        (
            "pool",
            Metric::DbPool,
            0.2,
            vec![1.0; 20],
            Cause::DbConnectionExhaustion,
            EvidenceSource::ServiceMetrics,
        ),
        (
            "lag level",
            Metric::QueueLag,
            5.0,
            vec![900.0; 20],
            Cause::ConsumerLag,
            EvidenceSource::ServiceMetrics,
        ),
        (
            "lag climb",
            Metric::QueueLag,
            5.0,
            ramp(5.0, 480.0, 30),
            Cause::ConsumerLag,
            EvidenceSource::ServiceMetrics,
        ),
        ("restarts", Metric::Restarts, 0.0, vec![2.0; 20], Cause::CrashLoop, EvidenceSource::ControlPlane),
        (
            "traffic",
            Metric::RequestRate,
            30.0,
            vec![200.0; 20],
            Cause::TrafficSpike,
            EvidenceSource::ServiceMetrics,
        ),
        ("down", Metric::Up, 1.0, vec![0.0; 20], Cause::DependencyFailure, EvidenceSource::ServiceMetrics),
        ("logs", Metric::CriticalLogs, 0.0, vec![4.0; 20], Cause::ErrorRateSpike, EvidenceSource::Logs),
    ] {
        for baseline in ["window", "ewma"] {
            let config =
                serde_json::from_str(&format!(r#"{{"baseline":"{baseline}"}}"#)).expect("a configuration");
            let mut watch = Watch::new(config);
            assert_eq!(watch.normal(metric, normal, 60), [], "{name}: the normal stretch");
            let signals = watch.run(metric, fault.clone());
            assert_eq!(signals.len(), 1, "{name} ({baseline}): {signals:?}");
            let signal = &signals[0];
            let evidence = signal.evidence.as_ref().expect("a detector shows its evidence");
            assert_eq!(
                (signal.class, evidence.source, signal.metric),
                (class, source, Some(metric)),
                "{name}"
            );
            let frozen = signal.baseline.expect("a detector has a baseline");
            assert!(
                (frozen.mean - normal).abs() <= 0.06 * normal + 0.01,
                "{name} ({baseline}): normal was {frozen:?}"
            );
            assert!(frozen.is_normal(metric, normal) && !frozen.is_normal(metric, signal.value), "{name}");
            assert!(signal.summary.starts_with("payment-service "), "{name}: {}", signal.summary);
        }
    }
}

#[test]
fn harmless_series_stay_quiet() {
    let noise = |base: f64, spread: f64| {
        let mut watch = watch();
        (0..400).map(move |_| base + spread * watch.noise()).collect::<Vec<_>>()
    };
    let after_normal = |values: Vec<f64>, base: f64| [vec![base; 60], values].concat();
    let daily: Vec<f64> = (0..2000).map(|i| 100.0 * (1.0 + 0.5 * (f64::from(i) / 300.0).sin())).collect();
    let sawtooth: Vec<f64> = (0..600).map(|i| 0.30 + 0.25 * f64::from(i % 16) / 16.0).collect();
    for (name, metric, values) in [
        ("flat latency", Metric::LatencyP99, vec![310.0; 400]),
        ("flat zero", Metric::ErrorRate, vec![0.0; 400]),
        ("noisy latency", Metric::LatencyP99, noise(300.0, 200.0)),
        ("latency doubles", Metric::LatencyP99, after_normal(vec![620.0; 100], 310.0)),
        ("tiny latency grows tenfold", Metric::LatencyP99, after_normal(vec![40.0; 100], 4.0)),
        (
            "one slow poll now and then",
            Metric::LatencyP99,
            (0..400).map(|i| if i % 10 == 9 { 5000.0 } else { 300.0 }).collect(),
        ),
        ("errors below the floor", Metric::ErrorRate, after_normal(vec![0.03; 100], 0.0)),
        (
            "traffic doubles within a minute",
            Metric::RequestRate,
            after_normal([ramp(100.0, 200.0, 4), vec![200.0; 60]].concat(), 100.0),
        ),
        ("traffic by day", Metric::RequestRate, daily),
        ("an idle service gets three requests", Metric::RequestRate, after_normal(vec![3.0; 20], 0.1)),
        ("a counter reset", Metric::RequestRate, after_normal([vec![0.0], vec![100.0; 50]].concat(), 100.0)),
        ("cpu high but below the floor", Metric::Cpu, after_normal(vec![0.7; 100], 0.2)),
        ("cpu always high", Metric::Cpu, noise(0.85, 0.03)),
        ("garbage collection", Metric::Memory, sawtooth),
        ("a cache fills once", Metric::Memory, after_normal(vec![0.55; 200], 0.2)),
        ("memory falls after a restart", Metric::Memory, after_normal(ramp(0.5, 0.2, 20), 0.5)),
        ("one restart", Metric::Restarts, after_normal(vec![1.3, 1.0, 1.0, 1.0, 0.0], 0.0)),
        (
            "a batch in the queue",
            Metric::QueueLag,
            after_normal([ramp(0.0, 400.0, 2), ramp(400.0, 0.0, 10)].concat(), 5.0),
        ),
        ("a deployment's blip of down", Metric::Up, after_normal(vec![0.0, 0.0, 1.0, 1.0, 1.0], 1.0)),
        ("a warm-up from nothing", Metric::RequestRate, ramp(0.0, 500.0, 15)),
        ("cold start", Metric::LatencyP99, [vec![4000.0; 5], vec![300.0; 50]].concat()),
        ("not a number", Metric::LatencyP99, after_normal(vec![f64::NAN; 50], 300.0)),
    ] {
        let mut watch = watch();
        let signals = watch.run(metric, values);
        assert_eq!(signals, [], "{name}");
    }
}

#[test]
fn ordinary_traffic_up_to_double_never_signals_whatever_the_phase() {
    for phase in 0..60 {
        let mut watch = watch();
        watch.normal(Metric::RequestRate, 100.0, 25 + phase);
        let values =
            [ramp(100.0, 200.0, 4), vec![200.0; 10], ramp(200.0, 100.0, 4), vec![100.0; 20], vec![200.0; 10]];
        assert_eq!(watch.run(Metric::RequestRate, values.concat()), [], "phase {phase}");
    }
}

#[test]
fn the_sentence_leads_with_the_number_and_the_onset_is_the_first_bad_sample() {
    let mut watch = watch();
    watch.run(Metric::LatencyP99, (0..40).map(|i| 310.0 + 40.0 * f64::from(1 - 2 * (i % 2))));
    let onset = after(watch.now(), POLL_S);
    let signals = watch.run(Metric::LatencyP99, vec![4100.0; 3]);
    assert_eq!(
        signals[0].summary,
        "payment-service p99 latency is 4,100 ms; normal is 310 ± 41 ms (94 σ); 3 of the last 5 samples"
    );
    assert_eq!((signals[0].onset_at, signals[0].detected_at), (onset, watch.now()));
    let evidence = signals[0].evidence.as_ref().expect("evidence");
    assert!(evidence.query.contains("service=\"payment-service\"") && evidence.query.contains("[60s]"));
    assert_eq!(
        evidence.excerpt,
        "p99 latency: 350 ms, 270 ms, 4,100 ms, 4,100 ms, 4,100 ms (normal: 310 ± 41 ms)"
    );
}

#[test]
fn a_climb_says_when_the_limit_is_reached_and_began_when_it_left_normal() {
    let mut watch = watch();
    watch.normal(Metric::Memory, 0.3, 60);
    let before = watch.now();
    let signals = watch.run(Metric::Memory, ramp(0.3, 0.7, 20));
    let signal = signals.first().expect("a signal");
    assert!(
        signal.summary.contains("climbs by") && signal.summary.contains("reaches its limit in"),
        "{}",
        signal.summary
    );
    let late_s = midwatch_model::seconds_between(before, signal.onset_at);
    assert!((0.0..=5.0 * POLL_S).contains(&late_s), "onset {late_s} s after the climb began");
    assert!(signal.value < 0.6, "seen at {}", signal.value);
}

#[test]
fn a_series_signals_once_per_dedup_window() {
    let mut watch = watch();
    watch.normal(Metric::ErrorRate, 0.001, 60);
    assert_eq!(
        watch.run(Metric::ErrorRate, vec![0.4; 100]).len(),
        1,
        "still the same fault after 25 minutes"
    );
    watch.normal(Metric::ErrorRate, 0.001, 10);
    let status = &watch.detectors.status(watch.now())[0];
    assert!(
        !status.suspicious && status.baseline.is_some_and(|b| b.mean < 0.01),
        "the fault was not learnt: {status:?}"
    );
    assert_eq!(
        watch.run(Metric::ErrorRate, vec![0.4; 3]).len(),
        1,
        "fails again after more than five minutes"
    );

    // Recovers for 75 s and fails again: five minutes have not passed.
    watch.normal(Metric::ErrorRate, 0.001, 6);
    assert_eq!(watch.run(Metric::ErrorRate, vec![0.4; 3]), []);
    // Once they have, the fault that lasts is told.
    assert_eq!(watch.run(Metric::ErrorRate, vec![0.4; 20]).len(), 1);
}

#[test]
fn late_duplicated_and_reordered_samples_change_nothing() {
    let mut plain = watch();
    let mut messy = watch();
    let mut old: Vec<Sample> = Vec::new();
    let values = [[300.0, 310.0].repeat(20), vec![4000.0; 4]].concat();
    for value in values {
        let signals = plain.poll(&[(Metric::LatencyP99, value)]);
        let again = messy.poll(&[(Metric::LatencyP99, value)]);
        assert_eq!(signals, again);
        old.push(Sample { service: service(), metric: Metric::LatencyP99, value, at: messy.now() });
        let shuffled: Vec<_> = old.iter().rev().cloned().chain(old.iter().cloned()).collect();
        assert_eq!(messy.observe(&shuffled), []);
    }
    assert_eq!(plain.detectors.snapshot(), messy.detectors.snapshot());

    let from_the_future = Sample { at: after(messy.now(), 3600.0), ..old[0].clone() };
    messy.observe(&[from_the_future]);
    assert_eq!(
        plain.detectors.snapshot(),
        messy.detectors.snapshot(),
        "a wrong clock does not silence a series"
    );
}

#[test]
fn a_gap_is_no_alarm_and_shows_as_stale() {
    let mut watch = watch();
    watch.normal(Metric::LatencyP99, 300.0, 40);
    watch.run(Metric::LatencyP99, [4000.0, 4000.0]);
    watch.polls += 100;
    assert!(watch.detectors.status(watch.now())[0].stale);
    assert_eq!(
        watch.run(Metric::LatencyP99, [4000.0]),
        [],
        "two before the gap and one after are not three of five"
    );
    assert!(!watch.detectors.status(watch.now())[0].stale);
    assert_eq!(watch.run(Metric::LatencyP99, [4000.0, 4000.0]).len(), 1);
}

#[test]
fn a_service_that_still_reports_is_not_down() {
    let mut half = watch();
    for _ in 0..60 {
        half.poll(&[(Metric::Up, 1.0), (Metric::Memory, 0.3)]);
    }
    let mut signals = Vec::new();
    for _ in 0..10 {
        signals.extend(half.poll(&[(Metric::Up, 0.5), (Metric::Memory, 0.3)]));
    }
    assert_eq!(signals, [], "half of the instances report");
    for _ in 0..5 {
        // Restarts come from the control plane and prove nothing about the service.
        signals.extend(half.poll(&[(Metric::Up, 0.0), (Metric::Restarts, 0.0)]));
    }
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].class, Cause::DependencyFailure);
    assert!(signals[0].summary.contains("0.0 % of its instances are up"), "{}", signals[0].summary);
}

#[test]
fn substituted_readings_are_neither_learnt_nor_judged() {
    let mut watch = watch();
    watch.normal(Metric::LatencyP99, 300.0, 40);
    watch.run(Metric::LatencyP99, [4000.0]);
    assert_eq!(watch.run(Metric::LatencyP99, [f64::NAN, f64::NAN, f64::NAN, f64::NAN]), []);
    assert_eq!(watch.run(Metric::LatencyP99, [4000.0, 4000.0]).len(), 1);
}

#[test]
fn a_harmless_shift_is_learnt() {
    let mut watch = watch();
    watch.normal(Metric::RequestRate, 100.0, 60);
    watch.normal(Metric::RequestRate, 180.0, 100);
    let baseline = watch.detectors.status(watch.now())[0].baseline.expect("ready");
    assert!((baseline.mean - 180.0).abs() < 10.0, "{baseline:?}");
}

#[test]
fn a_killed_server_keeps_its_normal_in_mid_fault() {
    let mut watch = watch();
    watch.normal(Metric::LatencyP99, 300.0, 60);
    let signals = watch.run(Metric::LatencyP99, vec![4000.0; 4]);
    let frozen = signals[0].baseline.expect("frozen");

    let text = serde_json::to_string(&watch.detectors.snapshot()).expect("plain data");
    let snapshot: DetectorsSnapshot = serde_json::from_str(&text).expect("what was written");
    assert_eq!(snapshot, watch.detectors.snapshot());
    let config = DetectionConfig::default();
    let restored = Detectors::restore(config.clone(), snapshot.clone(), watch.now(), 3600.0);
    assert_eq!(restored.snapshot(), snapshot);
    watch.detectors = restored;
    assert_eq!(watch.run(Metric::LatencyP99, vec![4000.0; 10]), [], "it has been told");
    let status = &watch.detectors.status(watch.now())[0];
    assert!(status.suspicious && status.signalled && status.baseline == Some(frozen), "{status:?}");

    let too_old = Detectors::restore(config, snapshot, after(watch.now(), 7200.0), 3600.0);
    assert_eq!(too_old.status(watch.now()), []);
}

#[test]
fn an_adopted_series_is_judged_by_the_incidents_baseline() {
    let mut first = watch();
    first.normal(Metric::LatencyP99, 300.0, 60);
    let frozen = first.run(Metric::LatencyP99, vec![4000.0; 4])[0].baseline.expect("frozen");

    let mut second = watch();
    second.polls = first.polls;
    second.detectors.adopt(service(), Metric::LatencyP99, frozen);
    assert_eq!(second.run(Metric::LatencyP99, vec![4000.0; 10]), []);
    assert!(second.detectors.status(second.now())[0].suspicious);
    second.normal(Metric::LatencyP99, 300.0, 10);
    let status = &second.detectors.status(second.now())[0];
    let baseline = status.baseline.expect("what the incident knew serves on");
    assert!(!status.suspicious && (baseline.mean - 300.0).abs() < 15.0, "{status:?}");
}

#[test]
fn a_false_alarm_can_be_learnt() {
    let mut watch = watch();
    watch.normal(Metric::LatencyP99, 300.0, 60);
    assert_eq!(watch.run(Metric::LatencyP99, vec![1500.0; 10]).len(), 1);
    watch.detectors.relearn(&service(), Metric::LatencyP99);
    watch.polls += 100;
    assert_eq!(watch.normal(Metric::LatencyP99, 1500.0, 60), []);
    assert!(watch.detectors.status(watch.now())[0].baseline.is_some_and(|b| b.mean > 1400.0));
}

#[test]
fn rules_of_the_configuration_override_the_built_in_ones() {
    let config = r#"{"min_samples":5,"rules":{"queue_lag":{"floor":40,"min_delta":20,"m":1,"n":1}}}"#;
    let mut watch = Watch::new(serde_json::from_str(config).expect("a configuration"));
    watch.normal(Metric::QueueLag, 2.0, 10);
    let signals = watch.run(Metric::QueueLag, [90.0]);
    assert_eq!(signals.len(), 1);
    assert_eq!(signals[0].baseline.map(|b| b.bound >= 40.0), Some(true));
}
