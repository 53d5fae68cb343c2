//! Foresight while midwatch watches: polls become ticks of a window, a window becomes forecasts, and these become lines of
//! the journal, grades, and signals.
//!
//! Must never: delay detection. A poll only leaves its readings here; the network is asked in a thread of its own, by a loop
//! beside the watch's.

mod answer;
mod load;
mod record;
mod settings;
mod verdict;

pub use answer::{Ask, ForecastAnswer, PredictBody, Reported, Shown};
pub use settings::{SettingsChange, SettingsError};
pub(crate) use verdict::{Foreseen, Outlook};

use crate::{Engine, EngineConfig, EngineError};
use load::Serving;
use midwatch_model::graph::EdgeKind;
use midwatch_model::journal::Line;
use midwatch_model::{Metric, Sample, ServiceGraph, ServiceName, Timestamp, seconds_between};
use midwatch_prediction::model::{Forecast, ForecastError, Model};
use midwatch_prediction::serving::{Alarms, Judged, Ledger, Live, Read, Settings};
use midwatch_prediction::window::{NOTHING_READ, Quantity, Reading, Window};
use midwatch_store::IntakeRow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Everything about foresight that the engine holds.
pub(crate) struct Foresight {
    serving: Serving,
    /// Seconds of a tick, and of what is foreseen.
    tick_s: f64,
    horizon_s: f64,
    state: Mutex<State>,
    /// Rung when a tick is complete.
    bell: Notify,
    /// One question at a time: whoever asks much waits for each other, and not the watch for them.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    settings: Settings,
    live: Live,
    alarms: Alarms,
    ledger: Ledger,
    /// What has been read since the last tick: the newest of each.
    reading: BTreeMap<ServiceName, (Reading, Option<f32>)>,
    ticked_at: Option<Timestamp>,
    /// Breaches of the ticks that were not judged yet, with what broke.
    breached: BTreeMap<ServiceName, String>,
    /// Why the last alarm of each service ended.
    ended: BTreeMap<ServiceName, String>,
    /// The window of the newest tick, until it is judged.
    asks: Option<Window>,
    latest: Option<Latest>,
    /// What is not on record yet.
    lines: Vec<Line>,
    signals: Vec<IntakeRow>,
    told_at: Option<Timestamp>,
    head: record::Head,
}

/// The newest forecast.
struct Latest {
    at: Timestamp,
    window: Window,
    forecast: Forecast,
    judged: Vec<Judged>,
}

/// What a window is asked of.
struct Question {
    at: Timestamp,
    window: Window,
    model: Arc<Model>,
}

impl Foresight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a poll brought. `suspects` are services that a detector suspects, from which nothing usual is learnt.
    pub(crate) fn take(
        &self,
        now: Timestamp,
        samples: &[Sample],
        suspects: &BTreeSet<ServiceName>,
        graph: &ServiceGraph,
        config: &EngineConfig,
    ) {
        let mut state = self.state();
        if !state.settings.enabled {
            return;
        }
        for sample in samples {
            note(&mut state.reading, sample);
        }
        // Half a poll of slack, so that a tick is not put off a whole poll by a late one.
        let slack_s = config.poll_interval_s / 2.0;
        if state.ticked_at.is_some_and(|at| seconds_between(at, now) + slack_s < self.tick_s) {
            return;
        }
        state.ticked_at = Some(now);
        state.tick(now, suspects, graph, self.tick_s);
        self.bell.notify_one();
    }

    /// A service is watched no more.
    pub(crate) fn forget(&self, gone: &ServiceName) {
        self.state().live.retain(|service| service != gone);
    }

    /// Somebody did something about a service.
    pub(crate) fn acted(&self, service: &ServiceName) {
        self.state().alarms.acted(service);
    }
}

/// Puts a sample among the readings. What the networks do not know is left out.
fn note(reading: &mut BTreeMap<ServiceName, (Reading, Option<f32>)>, sample: &Sample) {
    let quantity = match sample.metric {
        Metric::LatencyP99 => Some(Quantity::LatencyP99),
        Metric::ErrorRate => Some(Quantity::ErrorRate),
        Metric::RequestRate => Some(Quantity::RequestRate),
        Metric::Cpu => Some(Quantity::Cpu),
        Metric::Memory => Some(Quantity::Memory),
        Metric::Restarts => Some(Quantity::Restarts),
        Metric::Up => None,
        Metric::DbPool | Metric::QueueLag | Metric::CriticalLogs => return,
    };
    let value = if sample.value.is_finite() { sample.value as f32 } else { f32::NAN };
    let entry = reading.entry(sample.service.clone()).or_insert((NOTHING_READ, None));
    match quantity {
        Some(quantity) => entry.0[quantity as usize] = value,
        None => entry.1 = value.is_finite().then_some(value),
    }
}

impl State {
    fn tick(&mut self, now: Timestamp, suspects: &BTreeSet<ServiceName>, graph: &ServiceGraph, tick_s: f64) {
        let read = std::mem::take(&mut self.reading).into_iter();
        let read: Vec<Read> = read
            .map(|(service, (reading, up))| Read { calm: !suspects.contains(&service), service, reading, up })
            .collect();
        for event in self.live.tick(&read) {
            if let midwatch_model::ForecastEvent::ObjectiveBreached { service, reason, .. } = &event {
                self.breached.insert(service.clone(), reason.clone());
            }
            self.put_down(now, event);
        }
        let calls: Vec<_> = graph
            .edges()
            .filter(|edge| edge.kind == EdgeKind::Calls)
            .map(|edge| (edge.from.clone(), edge.to.clone()))
            .collect();
        let window = self.live.window(tick_s as f32, &calls);
        if !window.services.is_empty() {
            self.live.note_drift(&window);
            self.asks = Some(window);
        }
    }
}

/// Foresees until `stop` turns true.
pub async fn foresee(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = engine.foresight.bell.notified() => {}
            changed = stop.changed() => if changed.is_err() || *stop.borrow() { return } else { continue },
        }
        if let Err(error) = engine.foresee().await {
            tracing::warn!(%error, "what is foreseen cannot be recorded now; it is tried again");
        }
    }
}

impl Engine {
    /// Judges the newest tick, if it was not judged yet, and puts on record what follows.
    ///
    /// # Errors
    /// When the store takes nothing now; what is not on record is tried again with the next tick.
    pub async fn foresee(&self) -> Result<(), EngineError> {
        if let Some(question) = self.foresight.question(self.now()) {
            match ask(question).await {
                Ok((question, forecast)) => self.judge(question, forecast).await,
                Err(error) => tracing::error!(%error, "a window could not be judged; please report this"),
            }
        }
        self.record_forecasts().await
    }

    async fn judge(&self, question: Question, forecast: Forecast) {
        let Question { at, window, model } = question;
        let raised = self.foresight.judged(at, &window, forecast);
        for (service, tier) in raised {
            let (window, model) = (window.clone(), model.clone());
            let place = window.services.iter().position(|name| name == service.as_str());
            let moved = tokio::task::spawn_blocking(move || model.explain(&window, place.unwrap_or(0))).await;
            let moved = moved.ok().and_then(Result::ok).unwrap_or_default();
            self.raise(at, &service, tier, &moved);
        }
    }
}

impl Foresight {
    fn question(&self, now: Timestamp) -> Option<Question> {
        let (model, mut state) = (self.serving.model()?, self.state());
        if !state.settings.enabled {
            return None;
        }
        Some(Question { at: now, window: state.asks.take()?, model })
    }
}

/// Asks the network in a thread in which it delays nobody.
async fn ask(question: Question) -> Result<(Question, Forecast), ForecastError> {
    let asked = tokio::task::spawn_blocking(move || {
        let forecast = question.model.forecast(&question.window)?;
        Ok((question, forecast))
    });
    match asked.await {
        Ok(answer) => answer,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
