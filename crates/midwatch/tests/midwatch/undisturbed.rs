//! Whether the machine was left to itself while a lab ran.
//!
//! A lab is six real services on the machine's clock: where the host takes the CPUs away, its services are slow and fail for
//! a reason that is none of its faults, and what midwatch says of that proves nothing about midwatch.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Times that a test is run at most.
const RUNS_MAX: u32 = 3;

/// Share of the CPUs' time that the host may give to others.
const STOLEN_MAX: f64 = 0.05;

/// How late a thread that sleeps may wake.
const LATE_MAX: Duration = Duration::from_millis(500);

const NAP: Duration = Duration::from_millis(20);

/// Runs a test, and again where it fails while the machine was disturbed; what fails on a machine left to itself has failed.
pub fn undisturbed(test: impl Fn()) {
    judge(test, || {
        let watch = Watch::begin();
        move || watch.end()
    });
}

/// Runs a test whose browser is on the same CPUs as the lab, and once more where it fails: a browser takes the CPUs from a lab
/// as a host does.
pub fn beside_a_browser(test: impl Fn()) {
    if catch_unwind(AssertUnwindSafe(&test)).is_err() {
        eprintln!("it failed beside the browser: run again");
        test();
    }
}

/// `watch` begins to watch the machine; what it gives back says what disturbed it since.
fn judge<W: FnOnce() -> Option<String>>(test: impl Fn(), watch: impl Fn() -> W) {
    for run in 1..=RUNS_MAX {
        let disturbed = watch();
        let outcome = catch_unwind(AssertUnwindSafe(&test));
        match (outcome, disturbed()) {
            (Ok(()), _) => return,
            (Err(_), Some(why)) if run < RUNS_MAX => eprintln!("{why} during run {run}: run again"),
            (Err(panic), _) => resume_unwind(panic),
        }
    }
}

struct Watch {
    over: Arc<AtomicBool>,
    latest: JoinHandle<Duration>,
    before: Ticks,
}

impl Watch {
    fn begin() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let latest = std::thread::spawn(move || {
            let mut latest = Duration::ZERO;
            while !seen.load(Ordering::Relaxed) {
                let asleep = Instant::now();
                std::thread::sleep(NAP);
                latest = latest.max(asleep.elapsed().saturating_sub(NAP));
            }
            latest
        });
        Self { over, latest, before: Ticks::now() }
    }

    /// What disturbed the machine, if anything did.
    fn end(self) -> Option<String> {
        self.over.store(true, Ordering::Relaxed);
        let late = self.latest.join().unwrap_or_default();
        let stolen = Ticks::now().stolen_since(&self.before);
        if stolen > STOLEN_MAX {
            return Some(format!("the host took {:.0} % of the CPUs' time", stolen * 100.0));
        }
        (late > LATE_MAX).then(|| format!("a thread woke {} ms late", late.as_millis()))
    }
}

/// CPU time since the start of the machine, ticks (`proc_stat(5)`).
#[derive(Default)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// Nothing where the kernel does not say.
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests' time is part of user and nice.
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }

    fn stolen_since(&self, before: &Self) -> f64 {
        let (all, stolen) = (self.all - before.all, self.stolen - before.stolen);
        if all == 0 { 0.0 } else { stolen as f64 / all as f64 }
    }
}

#[test]
fn only_what_fails_on_a_disturbed_machine_is_run_again_and_not_for_ever() {
    let runs = |fails_until: u32, disturbed: bool| {
        let runs = std::cell::Cell::new(0);
        let test = || {
            runs.set(runs.get() + 1);
            assert!(runs.get() > fails_until, "as it should");
        };
        let watch = || move || disturbed.then(|| "nobody".to_owned());
        let passed = catch_unwind(AssertUnwindSafe(|| judge(test, watch))).is_ok();
        (passed, runs.get())
    };
    assert_eq!(runs(0, true), (true, 1));
    assert_eq!(runs(2, true), (true, 3));
    assert_eq!(runs(9, true), (false, RUNS_MAX));
    assert_eq!(runs(1, false), (false, 1), "a machine left to itself is no excuse");
}

#[test]
fn stolen_time_is_a_share_of_all_time() {
    let ticks = |all, stolen| Ticks { all, stolen };
    assert!((ticks(1200, 70).stolen_since(&ticks(200, 10)) - 0.06).abs() < 1e-9);
    assert!(ticks(5, 5).stolen_since(&ticks(5, 5)) == 0.0);
    let now = Ticks::now();
    assert!(now.stolen <= now.all, "{} of {}", now.stolen, now.all);
}
