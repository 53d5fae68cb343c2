//! Forecasts: time of one at three sizes of graph, windows a second in training, memory.

use crate::numbers::{Times, show};
use crate::table::{NOTHING, Row};
use anyhow::{Context as _, Result};
use midwatch_prediction::features::SNAPSHOTS;
use midwatch_prediction::model::Model;
use midwatch_prediction::network::{Kind, Network};
use midwatch_prediction::rivals::examples;
use midwatch_prediction::simulate::{Plan, generate};
use midwatch_prediction::train::{Progress, Settings, Trainer};
use midwatch_prediction::window::Window;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sizes, and the milliseconds that the design asks for.
const SIZES: [(usize, &str); 3] = [(8, "≤ 5 ms"), (100, "≤ 15 ms"), (1_000, "≤ 250 ms")];

/// Forecasts that are timed at each size.
const FORECASTS: usize = 30;

/// Windows of the training that is timed.
const WINDOWS: usize = 160;

pub fn run() -> Result<Vec<Row>> {
    let shipped = Model::shipped()?;
    let (network, _) = Network::new(Kind::Graph, SNAPSHOTS, 1)?;
    let mut meta = shipped.meta.clone();
    meta.kind = Kind::Graph;
    let graph = Model::new(network, meta);
    let mut rows = Vec::new();
    for (services, asked) in SIZES {
        let window = window(services)?;
        let what = format!("forecast of {services} services, temporal graph network");
        rows.push(Row::new(what, time(&graph, &window)?, asked));
        let kind = shipped.meta.kind.title();
        rows.push(Row::new(
            format!("the same, the model that ships ({kind})"),
            time(&shipped, &window)?,
            asked,
        ));
    }
    rows.push(Row::new("largest memory of the process after that", memory(), NOTHING));
    rows.push(Row::new("training, temporal graph network, 9 services a window", training()?, NOTHING));
    Ok(rows)
}

/// Time of this thread on a core, by the kernel's word: what others take on a busy machine is not counted.
fn on_core() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or_default())
}

/// Median and the worst of the forecasts of one window, features included, and the mean time on a core.
fn time(model: &Model, window: &Window) -> Result<String> {
    black_box(model.forecast(window)?);
    let mut times: Vec<Duration> = Vec::with_capacity(FORECASTS);
    let before = on_core();
    for _ in 0..FORECASTS {
        let began = Instant::now();
        black_box(model.forecast(black_box(window))?);
        times.push(began.elapsed());
    }
    let core = (on_core() - before) / FORECASTS as u32;
    let times = Times::new(times);
    let [median, worst] = [50.0, 99.0].map(|percent| show(times.percentile(percent)));
    Ok(format!("{median} (p99 {worst}; on the core {})", show(core)))
}

/// A simulated window of that many services.
fn window(services: usize) -> Result<Window> {
    let plan = Plan { windows: 1, services: (services, services), horizon_ticks: 60, ..Plan::default() };
    let set = generate(&plan, |_| ())?;
    set.windows.into_iter().next().context("a window")
}

fn training() -> Result<String> {
    let set = generate(&Plan { windows: WINDOWS, services: (9, 9), ..Plan::default() }, |_| ())?;
    let all: Vec<usize> = (0..WINDOWS).collect();
    let examples = examples(&set, &all, Kind::Graph, 1);
    let mut trainer = Trainer::new(Settings::new(Kind::Graph, 1, String::new()), SNAPSHOTS)?;
    let began = Instant::now();
    while !matches!(trainer.go_on(&examples, &examples[..1])?, Progress::Epoch(_)) {}
    Ok(format!("{:.0} windows/s", WINDOWS as f64 / began.elapsed().as_secs_f64()))
}

/// The kernel's word on the most that this process ever held.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map_or_else(|| "unknown".into(), |kb| format!("{:.0} MB", kb / 1024.0))
}
