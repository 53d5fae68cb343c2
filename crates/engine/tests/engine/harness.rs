//! An engine on a real store, in a simulated world, with a clock that the test moves.

use crate::world::World;
use midwatch_decision::{DecisionConfig, Policy, ServiceHistory};
use midwatch_engine::{
    Clock as _, Engine, EngineConfig, EngineError, ReceiveError, Received, ReportConfig, SequentialIds,
    VirtualClock,
};
use midwatch_incident::{Incident, IncidentConfig, State, WantedSilence};
use midwatch_model::decision::Mode;
use midwatch_model::journal::{EffectOutcome, Entry, Line, Registration, StreamId};
use midwatch_model::label::parse_matchers;
use midwatch_model::silence::SilenceKind;
use midwatch_model::{Action, ActionKind, Cause, IncidentId, Timestamp, after};
use midwatch_prediction::serving::ForesightConfig;
use midwatch_signal::DetectionConfig;
use midwatch_signal::source::Source;
use midwatch_store::{IntakeRow, Store};
use midwatch_verification::VerificationConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Seconds between ticks and between polls.
pub const TICK_S: f64 = 2.0;

/// Ticks that any way through an incident takes at most: eight minutes.
pub const TICKS_MAX: usize = 240;

/// When the fault of most tests begins, seconds after the start: the watch is warm and knows what is normal.
pub const FAULT_AT_S: f64 = 40.0;

/// The lab's values, in a world that ticks every two seconds.
pub fn lab_like(dir: &Path) -> EngineConfig {
    let service = |name: &str, depends_on: &[&str]| Registration {
        name: name.into(),
        health: Some(format!("http://{name}/health")),
        depends_on: depends_on.iter().map(|s| (*s).to_owned()).collect(),
        ..Registration::default()
    };
    EngineConfig {
        mode: Mode::Auto,
        dry_run: false,
        tick_s: TICK_S,
        poll_interval_s: TICK_S,
        rate_window_s: 10.0,
        call_timeout_s: 5.0,
        detection: DetectionConfig { min_samples: 10, trend_samples: 10, ..DetectionConfig::default() },
        incident: IncidentConfig {
            window_s: 300.0,
            max_hops: 3,
            recurrence_window_s: 120.0,
            self_resolve_s: 20.0,
            inconclusive_after_s: 30.0,
        },
        dedup: Default::default(),
        flap: Default::default(),
        decision: DecisionConfig {
            warm_up_ticks: 15,
            settle_s: 4.0,
            cooldown_s: 30.0,
            repeat_window_s: 120.0,
            ..DecisionConfig::default()
        },
        verification: VerificationConfig { normal_readings: 3, timeout_s: 40.0, grace_s: 14.0, soak_s: 8.0 },
        workflows: Arc::default(),
        report: ReportConfig { dir: dir.join("postmortems") },
        resolve_timeout_s: 3600.0,
        feeds: BTreeMap::new(),
        inhibit_rules: Vec::new(),
        routing: Arc::default(),
        receivers: Vec::new(),
        give_up_after_s: 3600.0,
        told_incidents: Default::default(),
        retention: Default::default(),
        knowledge: Default::default(),
        foresight: ForesightConfig { incidents: true, ..ForesightConfig::default() },
        external_url: "http://midwatch".into(),
        services: vec![
            service("gateway", &["order", "payment"]),
            service("order", &["payment"]),
            service("payment", &[]),
        ],
    }
}

pub struct Rig {
    pub engine: Arc<Engine>,
    pub world: Arc<World>,
    pub clock: Arc<VirtualClock>,
    pub dir: TempDir,
    policy: String,
    starts: u64,
}

impl Rig {
    /// Opens a watch that may act by itself.
    pub async fn start() -> Self {
        Self::with(|_| {}, "").await
    }

    /// Opens a watch whose configuration and policy differ.
    pub async fn with(change: impl FnOnce(&mut EngineConfig), policy: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut config = lab_like(dir.path());
        change(&mut config);
        let world = Arc::new(World::new());
        let start: Timestamp = "2026-01-05T03:00:00Z".parse().expect("a time");
        let clock = Arc::new(VirtualClock::starting_at(start));
        let engine = Arc::new(open(config, policy, dir.path(), &world, &clock, 1).await);
        Self { engine, world, clock, dir, policy: policy.into(), starts: 1 }
    }

    /// The server ends (or has crashed) and another one starts on the same file.
    pub async fn reopen(self) -> Self {
        self.reopen_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn reopen_with(self, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let Self { engine, world, clock, dir, policy, starts } = self;
        let (mut config, store) = (engine.config.clone(), engine.store.clone());
        change(&mut config);
        drop(engine);
        store.close().await;
        drop(store);
        let engine = Arc::new(open(config, &policy, dir.path(), &world, &clock, starts * 1000).await);
        Self { engine, world, clock, dir, policy, starts: starts + 1 }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn store_path(&self) -> PathBuf {
        store_path(self.dir.path())
    }

    /// The payment service becomes slow a little later; a restart is the cure.
    pub fn break_payment(&self) {
        self.break_payment_until(Some(ActionKind::Restart));
    }

    pub fn break_payment_until(&self, cure: Option<ActionKind>) {
        self.world.slow_down("payment", after(self.now(), FAULT_AT_S), cure);
    }

    pub async fn try_tick(&self) -> Result<(), EngineError> {
        let result = self.engine.tick().await;
        self.clock.advance(TICK_S);
        result
    }

    pub async fn tick(&self) {
        self.try_tick().await.expect("a tick");
    }

    pub async fn ticks(&self, count: usize) {
        for _ in 0..count {
            self.tick().await;
        }
    }

    pub async fn lines(&self, id: &IncidentId) -> Vec<Line> {
        let stream = StreamId::Incident(id.clone());
        self.engine.store.read(&stream).await.expect("a stream that verifies").lines().to_vec()
    }

    /// Sends alerts as a webhook would.
    pub async fn tell(&self, alerts: &[Value]) -> Result<Received, ReceiveError> {
        let body = serde_json::to_vec(alerts).expect("plain data");
        self.engine.receive(Source::Generic, &body, "a test").await
    }

    /// The steps of one signal's handling, as the intake log has them, by its id or its sender's.
    pub async fn handling(&self, id: &str) -> Vec<String> {
        let rows = self.engine.store.intake_list(None, 1000).await.expect("a readable store");
        let named = |row: &&IntakeRow| {
            row.id == id
                || row.alert.as_ref().is_some_and(|a| a.labels.get("id").is_some_and(|own| own == id))
        };
        let row = rows.iter().find(named).unwrap_or_else(|| panic!("no row {id}"));
        row.handling.iter().map(|step| step["step"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Every incident, oldest first.
    pub async fn incidents(&self) -> Vec<Incident> {
        let mut rows = self.engine.store.incidents(false, 100).await.expect("rows");
        rows.reverse();
        let mut incidents = Vec::new();
        for row in rows {
            incidents.extend(Incident::fold(&self.lines(&IncidentId::new(row.id)).await));
        }
        incidents
    }

    /// The only incident there is.
    pub async fn incident(&self) -> Incident {
        let mut all = self.incidents().await;
        assert_eq!(all.len(), 1, "{:?}", all.iter().map(|i| (&i.id, i.state)).collect::<Vec<_>>());
        all.remove(0)
    }

    /// Ticks until the only incident is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Incident) -> bool) -> Incident {
        for _ in 0..TICKS_MAX {
            self.tick().await;
            if let [incident] = self.incidents().await.as_slice()
                && wanted(incident)
            {
                return incident.clone();
            }
        }
        panic!("never {what}:\n{}", self.story().await);
    }

    /// Ticks until the incident has that state and, where one is due, its postmortem.
    pub async fn until_state(&self, state: State) -> Incident {
        let reported = matches!(state, State::Resolved | State::Escalated);
        self.until(state.name(), |i| i.state == state && (!reported || i.report_is_current)).await
    }

    /// All timelines, for a failing test's message.
    pub async fn story(&self) -> String {
        let mut text = String::new();
        for incident in self.incidents().await {
            text.push_str(&format!("{} {} (step {})\n", incident.id, incident.state, incident.step));
            for row in midwatch_report::timeline(&self.lines(&incident.id).await) {
                text.push_str(&format!("  {} {}\n", row.at.strftime("%H:%M:%S"), row.what));
            }
        }
        text
    }

    /// Names of an incident's entries.
    pub async fn entries(&self, id: &IncidentId) -> Vec<&'static str> {
        self.lines(id).await.iter().map(|line| line.entry.type_name()).collect()
    }

    /// Reasons for which the incident was handed to a person.
    pub async fn escalations(&self, id: &IncidentId) -> Vec<String> {
        let lines = self.lines(id).await;
        let reason = |line: &Line| match &line.entry {
            Entry::Escalated { reason } => Some(reason.clone()),
            _ => None,
        };
        lines.iter().filter_map(reason).collect()
    }

    /// The store's chains hold, the control plane was called properly, and on no service anything was begun while
    /// something else was under way.
    pub async fn assert_sound(&self) {
        for stream in self.engine.store.streams("service/").await.expect("streams") {
            let journal = self.engine.store.read(&stream).await.expect("a stream that verifies");
            let mut before = ServiceHistory::default();
            for (index, line) in journal.lines().iter().enumerate() {
                let pending = before.pending();
                let begins = matches!(line.entry, Entry::Intended { .. });
                assert!(!begins || pending.is_none(), "{stream} {}: {pending:?} is under way", index + 1);
                before = ServiceHistory::fold(&journal.lines()[..=index]);
            }
        }
        let report = midwatch_store::verify(&self.store_path()).await.expect("a readable store");
        assert!(report.is_clean(), "{report:?}");
        self.world.assert_calls_were_proper();
    }
}

fn store_path(dir: &Path) -> PathBuf {
    dir.join("midwatch.db")
}

async fn open(
    config: EngineConfig,
    policy: &str,
    dir: &Path,
    world: &Arc<World>,
    clock: &Arc<VirtualClock>,
    first_id: u64,
) -> Engine {
    let store = Store::open(&store_path(dir)).await.expect("a store");
    let policy = Policy::parse(policy).expect("a policy");
    let ids = Arc::new(SequentialIds::from(first_id));
    Engine::open(config, policy, store, world.clone(), clock.clone(), ids).await.expect("an engine")
}

/// Somebody else's alert that names a service and no series.
pub fn alert(id: &str, service: &str, class: Cause, onset_at: Timestamp) -> Value {
    json!({
        "id": id, "service": service, "title": format!("{service}: {class}"), "class": class,
        "starts_at": onset_at,
    })
}

pub fn restart() -> Action {
    Action::Restart { target: "payment".into() }
}

pub fn scale(replicas: u32) -> Action {
    Action::Scale { target: "payment".into(), replicas }
}

/// How an incident's effects ended, in order.
pub fn outcomes(incident: &Incident) -> Vec<&'static str> {
    let name = |outcome: &Option<EffectOutcome>| match outcome {
        None => "pending",
        Some(EffectOutcome::Applied { .. }) => "applied",
        Some(EffectOutcome::NotApplied { .. }) => "not_applied",
        Some(EffectOutcome::Failed { .. }) => "failed",
        Some(EffectOutcome::Unknown { .. }) => "unknown",
    };
    incident.effects.iter().map(|effect| name(&effect.outcome)).collect()
}

/// A silence from now on.
pub fn silence(rig: &Rig, matchers: &str, lasts_s: f64) -> WantedSilence {
    WantedSilence {
        id: None,
        matchers: parse_matchers(matchers).expect("matchers"),
        starts_at: rig.now(),
        ends_at: after(rig.now(), lasts_s),
        created_by: "ann".into(),
        comment: "known".into(),
        kind: SilenceKind::Silence,
    }
}

/// The same for what is in maintenance.
pub fn maintenance(rig: &Rig, matchers: &str, lasts_s: f64) -> WantedSilence {
    WantedSilence {
        kind: SilenceKind::Maintenance,
        comment: "a new disk".into(),
        ..silence(rig, matchers, lasts_s)
    }
}
