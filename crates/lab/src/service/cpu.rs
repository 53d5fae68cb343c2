//! The process's CPU budget: request work runs on one thread that never takes more than the process may use.
//!
//! Like the kernel's bandwidth control, the budget counts all CPU time of the process, so that a process at its
//! limit measures about 100 % of it and further work waits in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// Jobs that may wait; far above what fits into `BACKLOG_S_MAX`.
const JOBS_MAX: usize = 2048;
/// Seconds of work at the full budget that may wait before requests are turned away.
const BACKLOG_S_MAX: f64 = 4.0;
/// Work is done in slices of this much CPU time between looks at the budget.
const SLICE: Duration = Duration::from_millis(1);
/// Unused budget is kept for this long, as in a bandwidth period.
const BURST_S: f64 = 0.1;
/// Overdraft that other threads of the process may run up, in seconds of budget.
const OVERDRAFT_S: f64 = 0.5;

struct Job {
    cpu: Duration,
    queued: Instant,
    done: oneshot::Sender<()>,
}

/// The queue ahead of a request is longer than it would wait.
#[derive(Debug)]
pub(super) struct Overloaded;

pub(super) struct Governor {
    jobs: SyncSender<Job>,
    gauge: Arc<Gauge>,
    limit_cores: f64,
}

#[derive(Default)]
struct Gauge {
    pending_us: AtomicU64,
    pending: AtomicU64,
    last_delay_us: AtomicU64,
}

impl Governor {
    pub(super) fn start(limit_cores: f64) -> Governor {
        let (jobs, incoming) = sync_channel(JOBS_MAX);
        let gauge = Arc::new(Gauge::default());
        let worker_gauge = Arc::clone(&gauge);
        // The thread ends when the sender does, with the process.
        std::thread::spawn(move || work(&incoming, limit_cores, &worker_gauge));
        Governor { jobs, gauge, limit_cores }
    }

    pub(super) fn limit_cores(&self) -> f64 {
        self.limit_cores
    }

    /// Burns `cpu_ms` of CPU time within the budget, after all work that is already queued.
    pub(super) async fn run(&self, cpu_ms: f64) -> Result<(), Overloaded> {
        let cpu = Duration::from_secs_f64(cpu_ms.max(0.0) / 1000.0);
        let cpu_us = cpu.as_micros() as u64;
        let pending = self.gauge.pending_us.load(Ordering::Relaxed);
        if pending as f64 / 1e6 > BACKLOG_S_MAX * self.limit_cores {
            return Err(Overloaded);
        }
        let (done, finished) = oneshot::channel();
        self.gauge.pending_us.fetch_add(cpu_us, Ordering::Relaxed);
        self.gauge.pending.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(Job { cpu, queued: Instant::now(), done }).is_err() {
            self.gauge.pending_us.fetch_sub(cpu_us, Ordering::Relaxed);
            self.gauge.pending.fetch_sub(1, Ordering::Relaxed);
            return Err(Overloaded);
        }
        finished.await.map_err(|_| Overloaded)
    }

    /// How long the last job waited before its turn; zero when nothing waits.
    pub(super) fn queue_delay_ms(&self) -> f64 {
        if self.gauge.pending.load(Ordering::Relaxed) == 0 {
            return 0.0;
        }
        self.gauge.last_delay_us.load(Ordering::Relaxed) as f64 / 1000.0
    }
}

fn work(incoming: &Receiver<Job>, limit_cores: f64, gauge: &Gauge) {
    let mut budget = Budget::new(limit_cores);
    while let Ok(job) = incoming.recv() {
        gauge.last_delay_us.store(job.queued.elapsed().as_micros() as u64, Ordering::Relaxed);
        let mut left = job.cpu;
        // A caller that gave up needs no work.
        while !left.is_zero() && !job.done.is_closed() {
            budget.wait();
            let slice = left.min(SLICE);
            burn(slice);
            left -= slice;
        }
        gauge.pending_us.fetch_sub(job.cpu.as_micros() as u64, Ordering::Relaxed);
        gauge.pending.fetch_sub(1, Ordering::Relaxed);
        // The caller may be gone, which is its right.
        let _ = job.done.send(());
    }
}

/// Seconds of budget in hand: grows with time, shrinks with the CPU time of the whole process.
struct Budget {
    limit_cores: f64,
    seen_at: Instant,
    seen_cpu: Duration,
    seconds: f64,
}

impl Budget {
    fn new(limit_cores: f64) -> Budget {
        Budget { limit_cores, seen_at: Instant::now(), seen_cpu: process_cpu(), seconds: 0.0 }
    }

    fn wait(&mut self) {
        loop {
            self.settle();
            if self.seconds >= 0.0 {
                return;
            }
            let missing_s = (-self.seconds / self.limit_cores).clamp(0.000_5, 0.05);
            std::thread::sleep(Duration::from_secs_f64(missing_s));
        }
    }

    fn settle(&mut self) {
        let (now, cpu) = (Instant::now(), process_cpu());
        self.seconds += now.duration_since(self.seen_at).as_secs_f64() * self.limit_cores
            - cpu.saturating_sub(self.seen_cpu).as_secs_f64();
        self.seconds = self.seconds.clamp(-OVERDRAFT_S * self.limit_cores, BURST_S * self.limit_cores);
        (self.seen_at, self.seen_cpu) = (now, cpu);
    }
}

/// Computes until this thread has used `amount` of CPU time, however busy the machine is.
fn burn(amount: Duration) {
    let until = cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID) + amount;
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    while cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID) < until {
        for byte in 0..400_u64 {
            digest = (digest ^ byte).wrapping_mul(0x0000_0100_0000_01b3);
        }
        std::hint::black_box(digest);
    }
}

/// CPU time of the whole process since it started.
pub(super) fn process_cpu() -> Duration {
    cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_time(clock: ClockId) -> Duration {
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}
