//! What foresight begins with: the model, and what is on record.

use super::record::Saved;
use super::{Foresight, State};
use crate::{EngineConfig, EngineError};
use midwatch_decision::{PastAction, ServiceHistory};
use midwatch_model::journal::StreamId;
use midwatch_model::{ServiceName, Timestamp};
use midwatch_prediction::features::FEATURE_VERSION;
use midwatch_prediction::model::{Calibration, Meta, Model, Platt};
use midwatch_prediction::network::{Kind, Network};
use midwatch_prediction::serving::{Alarms, Ledger, Live, Settings, Standing};
use midwatch_prediction::window::{WINDOW_TICKS, WINDOW_VERSION};
use midwatch_store::Store;
use std::path::Path;
use std::sync::Arc;

/// Ticks of the horizon that the simulator trains for; what an untrained network is taken to foresee.
const HORIZON_TICKS: u32 = 450;

/// Characters of the weights' digest by which a model is told apart.
const NAME_CHARS: usize = 12;

/// Who is asked.
pub(super) enum Serving {
    Trained(Arc<Model>),
    /// It has learnt nothing: its forecasts are shown, and nothing follows from them.
    Untrained(Arc<Model>),
    /// Why nobody can be asked.
    Nobody(String),
}

impl Serving {
    pub fn model(&self) -> Option<Arc<Model>> {
        match self {
            Serving::Trained(model) | Serving::Untrained(model) => Some(model.clone()),
            Serving::Nobody(_) => None,
        }
    }

    pub fn is_trained(&self) -> bool {
        matches!(self, Serving::Trained(_))
    }

    pub fn name(&self) -> String {
        match self {
            Serving::Trained(model) => name_of(model),
            Serving::Untrained(_) => "untrained".to_owned(),
            Serving::Nobody(_) => "none".to_owned(),
        }
    }
}

fn name_of(model: &Model) -> String {
    model.meta.weights_sha256.chars().take(NAME_CHARS).collect()
}

impl Foresight {
    /// The model of the configuration and what is on record. Without a usable model it says so once, and midwatch goes on.
    pub(crate) async fn load(
        config: &EngineConfig,
        store: &Store,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        let wanted = &config.foresight;
        let serving = if wanted.enabled { serving(config) } else { Serving::Nobody("switched off".into()) };
        let horizon_ticks = serving.model().map_or(HORIZON_TICKS, |model| model.meta.horizon_ticks.max(1));
        // A tick is no shorter than a poll: what was read once is not several readings.
        let tick_s = (wanted.horizon_s / f64::from(horizon_ticks)).max(config.poll_interval_s);
        let Saved { remembered, ledger, head } = Saved::load(store, now).await?;
        let live = Live::new(wanted.objective.clone(), &serving.name(), remembered, ledger.in_breach());
        let state = State {
            settings: Settings::from(wanted),
            live,
            alarms: Alarms::restore(standing(&ledger, store).await?.into_iter()),
            ledger,
            reading: Default::default(),
            ticked_at: None,
            breached: Default::default(),
            ended: Default::default(),
            asks: None,
            latest: None,
            lines: Vec::new(),
            signals: Vec::new(),
            told_at: None,
            head,
        };
        let foresight = Self {
            serving,
            tick_s,
            horizon_s: tick_s * f64::from(horizon_ticks),
            state: state.into(),
            bell: tokio::sync::Notify::new(),
            turn: tokio::sync::Mutex::default(),
        };
        let configured = store.read(&StreamId::Config).await?;
        foresight.recall(configured.lines().iter().map(|line| line.entry.clone()));
        Ok(foresight)
    }
}

/// Alarms that stood when the record ended, with whether anything was done about each since it was raised.
async fn standing(ledger: &Ledger, store: &Store) -> Result<Vec<(ServiceName, Standing)>, EngineError> {
    let mut all = Vec::new();
    for (service, standing) in ledger.standing() {
        let stream = StreamId::Service(service.clone());
        let done = store.read_intact(&stream).await?.map(|journal| ServiceHistory::fold(journal.lines()));
        let since =
            |action: &PastAction| action.at >= standing.since && action.counts() && action.undoes.is_none();
        let acted = done.is_some_and(|history| history.actions.iter().any(since));
        all.push((service, Standing { acted, ..standing }));
    }
    Ok(all)
}

fn serving(config: &EngineConfig) -> Serving {
    let why = match trained(config.foresight.model.as_deref()) {
        Ok(model) => return Serving::Trained(Arc::new(model)),
        Err(why) => why,
    };
    if config.foresight.allow_untrained_model
        && let Some(model) = untrained()
    {
        tracing::warn!(
            reason = why,
            "no trained model can be used; an untrained one is shown, and nothing follows from it"
        );
        return Serving::Untrained(Arc::new(model));
    }
    tracing::warn!(reason = why, "nothing is foreseen; everything else goes on");
    Serving::Nobody(why)
}

fn trained(folder: Option<&Path>) -> Result<Model, String> {
    let Some(folder) = folder else { return Model::shipped().map_err(|error| error.to_string()) };
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| {
            format!(
                "cannot read {}: {error}; train one with `midwatch train -o`, or leave out foresight.model",
                path.display()
            )
        })
    };
    let (weights, about) = (read("model.safetensors")?, read("model.json")?);
    let about = String::from_utf8_lossy(&about);
    Model::from_files(&weights, &about).map_err(|error| format!("{}: {error}", folder.display()))
}

/// A network as it is before it has learnt anything.
fn untrained() -> Option<Model> {
    let snapshots = WINDOW_TICKS / 2;
    let (network, _) = Network::new(Kind::Graph, snapshots, 1).ok()?;
    let meta = Meta {
        window_version: WINDOW_VERSION,
        feature_version: FEATURE_VERSION,
        kind: Kind::Graph,
        seed: 1,
        snapshots,
        horizon_ticks: HORIZON_TICKS,
        trained_on: 0,
        data: String::new(),
        weights_sha256: String::new(),
        calibration: Calibration { services: Platt::AS_IT_IS, graphs: Platt::AS_IT_IS },
        inputs: vec![],
        rivals: vec![],
        why: "nobody was trained".into(),
        command: String::new(),
    };
    Some(Model::new(network, meta))
}
