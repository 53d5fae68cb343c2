//! What is told of forecasts: those of now, the ledger, and what would be if something were different.

use super::Foresight;
use crate::Engine;
use midwatch_model::{ServiceName, Tier, Timestamp};
use midwatch_prediction::cascade::Step;
use midwatch_prediction::model::{Forecast, ForecastError, Foreseen};
use midwatch_prediction::serving::{
    Changed, Earned, GradedAlarm, Judged, LedgerRow, QuantityDrift, RemovedEdge, Settings, WhatIf,
    WhatIfError, judge,
};
use midwatch_prediction::window::{Recorded, Window, WindowError};
use serde::{Deserialize, Serialize};

/// Services of a window that somebody brings, at most: a quarter of a second.
const SERVICES_MAX: usize = 1000;

/// Graded alarms that are shown at most.
const ALARMS_SHOWN: usize = 50;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// From live state.
    Now,
    /// From live state, if something were different.
    WhatIf(WhatIf),
    /// From a window that somebody brings.
    Window(Box<Recorded>),
}

/// What is asked, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PredictBody {
    window: Option<Box<Recorded>>,
    changed: Vec<Changed>,
    removed_edges: Vec<RemovedEdge>,
}

impl TryFrom<PredictBody> for Ask {
    type Error = String;

    fn try_from(body: PredictBody) -> Result<Self, String> {
        let PredictBody { window, changed, removed_edges } = body;
        match (window, changed.is_empty() && removed_edges.is_empty()) {
            (None, true) => Ok(Ask::Now),
            (None, false) => Ok(Ask::WhatIf(WhatIf { changed, removed_edges })),
            (Some(window), true) => Ok(Ask::Window(window)),
            (Some(_), false) => {
                Err("ask for a window, or for what would be if live state were different; not for both"
                    .into())
            }
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForecastAnswer {
    #[error("nothing is foreseen: {0}")]
    Nobody(String),
    #[error("nothing was read yet; ask again after two polls")]
    NothingRead,
    #[error(transparent)]
    WhatIf(#[from] WhatIfError),
    #[error("the window cannot be judged: {0}")]
    Window(#[from] WindowError),
    #[error("the window cannot be judged: {0}")]
    Forecast(#[from] ForecastError),
    #[error("the window has {0} services; {SERVICES_MAX} are the most that can be asked about at once")]
    TooMany(usize),
    #[error("the thread that was asked has ended; please report this")]
    Thread,
}

/// A forecast as it is told.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    pub at: Timestamp,
    pub model: String,
    pub horizon_s: f64,
    /// Seconds of a tick; the window is 60 of them.
    pub tick_s: f64,
    /// That any service that is well now fails.
    pub anything: Foreseen,
    /// Likeliest first.
    pub services: Vec<Told>,
    /// The way that the failure will probably take.
    pub path: Vec<Step>,
}

/// A service as it is told, with its alarm if one stands.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    #[serde(flatten)]
    pub judged: Judged,
    pub alarm: Option<StandingAlarm>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct StandingAlarm {
    pub tier: Tier,
    pub since: Timestamp,
    pub acted: bool,
}

/// The ledger as it is told.
#[derive(Clone, Debug, Serialize)]
pub struct Reported {
    pub model: String,
    pub horizon_s: f64,
    /// Whether midwatch may act on forecasts by itself.
    pub autonomy: Earned,
    /// Each model over all services, then service by service; the newest model first.
    pub rows: Vec<LedgerRow>,
    /// The newest alarms.
    pub alarms: Vec<GradedAlarm>,
    /// How far the inputs are from those of the first day.
    pub drift: Vec<QuantityDrift>,
    /// Whether the first day is over, so that the reference stands.
    pub drift_has_reference: bool,
}

impl Engine {
    /// Forecasts of the newest tick, without asking anew.
    ///
    /// # Errors
    /// Why there are none.
    pub fn forecasts(&self) -> Result<Shown, ForecastAnswer> {
        let foresight = &self.foresight;
        foresight.is_there()?;
        let state = foresight.state();
        let latest = state.latest.as_ref().ok_or(ForecastAnswer::NothingRead)?;
        Ok(foresight.shown(latest.at, &latest.forecast, latest.judged.clone(), |service| {
            let standing = state.alarms.of(service)?;
            Some(StandingAlarm { tier: standing.tier, since: standing.since, acted: standing.acted })
        }))
    }

    /// Asks the model.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn predict(&self, asked: Ask) -> Result<Shown, ForecastAnswer> {
        let foresight = &self.foresight;
        foresight.is_there()?;
        let is_live = !matches!(asked, Ask::Window(_));
        let window = match asked {
            Ask::Window(recorded) => recorded.window()?,
            Ask::Now => foresight.window()?,
            Ask::WhatIf(what_if) => what_if.apply(foresight.window()?)?,
        };
        if window.services.len() > SERVICES_MAX {
            return Err(ForecastAnswer::TooMany(window.services.len()));
        }
        let _turn = foresight.turn.lock().await;
        let Some(model) = foresight.serving.model() else { return Err(ForecastAnswer::NothingRead) };
        let asked = tokio::task::spawn_blocking(move || Ok((model.forecast(&window)?, window)));
        let (forecast, window): (Forecast, Window) = asked
            .await
            .map_err(|_| ForecastAnswer::Thread)?
            .map_err(|e: ForecastError| ForecastAnswer::from(e))?;
        let judged = {
            let state = foresight.state();
            let live = is_live.then_some(&state.live);
            judge(&forecast, &window, live, &state.settings, foresight.serving.is_trained())
        };
        let shown = foresight.shown(self.now(), &forecast, judged, |_| None);
        Ok(if is_live { shown } else { shown.with_horizon(&forecast, &window) })
    }

    /// How forecasts were graded so far.
    #[must_use]
    pub fn ledger(&self) -> Reported {
        let foresight = &self.foresight;
        let state = foresight.state();
        let inputs = foresight.serving.model().map(|model| model.meta.inputs.clone());
        let drift = state.live.drift().quantities(inputs.as_ref());
        Reported {
            model: foresight.serving.name(),
            horizon_s: foresight.horizon_s,
            autonomy: state.ledger.earned(self.config.foresight.precision_min, &drift),
            rows: state.ledger.rows(),
            alarms: state.ledger.alarms().take(ALARMS_SHOWN).cloned().collect(),
            drift,
            drift_has_reference: state.live.drift().has_reference(),
        }
    }

    /// What may be changed at run time, as it is.
    #[must_use]
    pub fn foresight_settings(&self) -> Settings {
        self.foresight.state().settings
    }
}

impl Foresight {
    fn is_there(&self) -> Result<(), ForecastAnswer> {
        if let super::load::Serving::Nobody(why) = &self.serving {
            return Err(ForecastAnswer::Nobody(why.clone()));
        }
        if !self.state().settings.enabled {
            return Err(ForecastAnswer::Nobody("switched off; PATCH /api/v1/config switches it on".into()));
        }
        Ok(())
    }

    fn window(&self) -> Result<Window, ForecastAnswer> {
        self.state().latest.as_ref().map(|latest| latest.window.clone()).ok_or(ForecastAnswer::NothingRead)
    }

    fn shown(
        &self,
        at: Timestamp,
        forecast: &Forecast,
        mut judged: Vec<Judged>,
        alarm: impl Fn(&ServiceName) -> Option<StandingAlarm>,
    ) -> Shown {
        judged.sort_by(|a, b| b.probability.unwrap_or(-1.0).total_cmp(&a.probability.unwrap_or(-1.0)));
        Shown {
            at,
            model: self.serving.name(),
            horizon_s: self.horizon_s,
            tick_s: self.tick_s,
            anything: forecast.graph,
            services: judged
                .into_iter()
                .map(|judged| Told { alarm: alarm(&judged.service), judged })
                .collect(),
            path: forecast.path.clone(),
        }
    }
}

impl Shown {
    /// What is told of a service.
    #[must_use]
    pub fn of(&self, service: &ServiceName) -> Option<&Told> {
        self.services.iter().find(|told| told.judged.service == *service)
    }

    /// The window's own pace, where it is not the watch's.
    fn with_horizon(self, forecast: &Forecast, window: &Window) -> Self {
        Self { horizon_s: forecast.horizon_minutes * 60.0, tick_s: f64::from(window.tick_s), ..self }
    }
}
