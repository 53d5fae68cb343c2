//! The engine: the only place that sequences the stages.
//!
//! Owns: the tick (poll, detect, correlate), the cycle of each incident (fold, next step, perform, append), and the
//! commands of people. Must never: decide by itself. What to do next is a pure function of the journal and of gathered
//! facts, whether it may be done is the gate's answer.

mod advice;
pub mod agent;
mod alerts;
mod append;
mod approvals;
mod artifacts;
mod autonomy;
mod backtest;
mod capacity;
mod clock;
mod commands;
mod config;
mod correlate;
mod cycle;
mod dead_letters;
mod desk;
mod dispatch;
mod door;
mod duplicates;
mod error;
mod family;
mod foresight;
mod gather;
mod handover;
mod incident_alerts;
mod knowledge;
mod look;
mod next;
mod notify;
mod observe;
mod pages;
mod past;
mod people;
mod perform;
mod proposal;
mod prose;
mod quiet;
mod reconcile;
mod registry;
mod rehearsal;
mod retention;
mod second;
mod trial;
mod views;
mod watch;

pub use advice::{Advisor, advise};
pub use alerts::{ReceiveError, Received};
pub use approvals::{Heard, Reply};
pub use autonomy::Standing;
pub use backtest::{Backtest, Count, Difference, read_policy};
pub use capacity::{Capacity, Fill, Trend};
pub use clock::{Clock, Ids, SequentialIds, SystemClock, SystemIds, VirtualClock};
pub use commands::{ActRequest, ActResult};
pub use config::{EngineConfig, ReportConfig};
pub use dead_letters::RetryError;
pub use desk::{Held, Known, KnownGroup, Suppression};
pub use dispatch::run;
pub use door::{Feed, Incoming, IncomingChanges, ReceivedChanges, Subscription};
pub use error::EngineError;
pub use foresight::{
    Ask, ForecastAnswer, PredictBody, Reported, SettingsChange, SettingsError, Shown, foresee,
};
pub use knowledge::{
    Answer, Candidate, Consulted, Embed, FoundBy, FoundPart, Indexed, KnowledgeConfig, Listed, Load, Model,
    ModelAway, Origin, Question, ReviewRequest, Written,
};
pub use midwatch_connectors::may_be_probed;
pub use notify::{Failing, Tally, TestResult, tell};
pub use past::Again;
pub use prose::word_runbook;
pub use quiet::pages;
pub use rehearsal::{Rehearsal, RehearsedLine};
pub use retention::Retention;
pub use trial::{Done, Trial};
pub use views::{incident_row, rebuild};
pub use watch::{Health, Watch};

pub use midwatch_action::workflow;
pub use midwatch_knowledge::Collection;
pub use midwatch_prediction::serving::LedgerRow;
pub use midwatch_report::ToldIncidents;

use desk::Desk;
use midwatch_connectors::Outside;
use midwatch_decision::Policy;
use midwatch_store::Store;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};

/// Everything that a watch needs, shared by the loop and the API.
pub struct Engine {
    pub config: EngineConfig,
    policy: Policy,
    pub store: Store,
    outside: Arc<dyn Outside>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    watch: Mutex<Watch>,
    desk: Mutex<Desk>,
    /// Keep requests that may be the same one from being taken at once.
    turnstiles: door::Turnstiles,
    next_look: retention::NextLook,
    autonomy: autonomy::Autonomy,
    /// What receivers answered and is not on record yet.
    answers: notify::Answers,
    tallies: notify::Tallies,
    looks: second::Looks,
    /// Held by the rehearsal that is under way.
    rehearsing: Mutex<()>,
    /// Held by who changes what is watched, so that memory changes in the order of the journal.
    registering: Mutex<()>,
    knowledge: Arc<knowledge::Knowledge>,
    foresight: foresight::Foresight,
    /// Rung when a person or a webhook has given the loop something to do before its next tick.
    wake: Notify,
    /// Rung when there may be somebody to tell.
    tell: Notify,
}

impl Engine {
    /// Opens a watch on a store: services that were registered earlier and recent baselines are taken up again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(
        config: EngineConfig,
        policy: Policy,
        store: Store,
        outside: Arc<dyn Outside>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, EngineError> {
        let watch = Watch::load(&config, &store, clock.now()).await?;
        let desk = Desk::load(&config, &store, clock.now()).await?;
        let autonomy = autonomy::Autonomy::load(&store).await?;
        let knowledge = knowledge::Knowledge::load(&config.knowledge, &store).await?;
        let foresight = foresight::Foresight::load(&config, &store, clock.now()).await?;
        outside.set_services(&watch.registrations());
        let (watch, desk) = (Mutex::new(watch), Mutex::new(desk));
        Ok(Self {
            config,
            policy,
            store,
            outside,
            clock,
            ids,
            watch,
            desk,
            turnstiles: door::Turnstiles::new(),
            next_look: retention::NextLook::default(),
            autonomy,
            answers: notify::Answers::default(),
            tallies: notify::Tallies::default(),
            looks: second::Looks::default(),
            rehearsing: Mutex::default(),
            registering: Mutex::default(),
            knowledge,
            foresight,
            wake: Notify::new(),
            tell: Notify::new(),
        })
    }

    /// The present time, as the engine sees it.
    #[must_use]
    pub fn now(&self) -> midwatch_model::Timestamp {
        self.clock.now()
    }

    /// One tick: poll, detect, correlate, and one cycle of every incident that has work.
    ///
    /// # Errors
    /// When the store fails; what failed is tried again at the next tick.
    pub async fn tick(&self) -> Result<(), EngineError> {
        observe::observe(self).await?;
        self.settle_round().await
    }

    /// What every round of the loop does after new readings, whether it polled or not.
    pub(crate) async fn settle_round(&self) -> Result<(), EngineError> {
        let settled = self.settle().await;
        // What one of them fails at keeps the others from nothing.
        let looked = self.look_at_the_record().await;
        self.forget().await?;
        settled.and(looked)
    }

    /// Handles what waits in the intake log and cycles incidents, without polling.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settle(&self) -> Result<(), EngineError> {
        self.catch_up().await?;
        correlate::correlate_pending(self).await?;
        reconcile::settle_services(self).await?;
        cycle::cycle_all(self).await
    }

    /// A look at the watch itself.
    pub async fn health(&self) -> Health {
        let health = self.watch.lock().await.health(self.now(), &self.config);
        Health { receivers_failing: self.tallies.failing(), ..health }
    }

    /// How it went to tell each receiver's integration since start.
    #[must_use]
    pub fn tallies(&self) -> std::collections::BTreeMap<String, Tally> {
        self.tallies.all()
    }

    /// Registered services and the graph.
    pub async fn services(
        &self,
    ) -> (Vec<midwatch_model::journal::Registration>, midwatch_model::ServiceGraph) {
        let watch = self.watch.lock().await;
        (watch.registrations(), watch.graph.clone())
    }

    /// The detectors' view of every series.
    pub async fn series(&self) -> Vec<midwatch_signal::SeriesStatus> {
        self.watch.lock().await.detectors.status(self.now())
    }
}
