//! A simulated outside: three services, one kind of fault, and a control plane that remembers what was done to it.

#[path = "world/outside.rs"]
mod outside;

use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{
    Action, ActionKey, ActionKind, Change, ChangeKind, Metric, Sample, ServiceName, Timestamp,
    seconds_between,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

/// The services with their p99 at rest, milliseconds.
const SERVICES: [(&str, f64); 3] = [("gateway", 40.0), ("order", 60.0), ("payment", 100.0)];

/// What a fault adds to a p99, milliseconds.
const FAULT_MS: f64 = 1400.0;

/// Seconds after which a fault of the payment service shows at each of its callers.
const LAG_S: [(&str, f64); 2] = [("order", 0.0), ("gateway", 4.0)];

/// Seconds for which a fault that is over still shows at the callers.
const RATE_WINDOW_S: f64 = 10.0;

/// How the control plane answers one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Apply,
    Refuse,
    /// Does it, and the answer gets lost.
    Lose,
    /// Does nothing, and gives no answer.
    TimeOut,
    Fail,
    /// Does it, and says that it failed.
    HalfWay,
    /// Does it, and answers when it is asked to.
    Pause,
    /// Never answers, whether or not it did it.
    Hang {
        applied: bool,
    },
}

/// Whether strain of the payment service shows at those who call it.
#[derive(Clone, Copy, Debug)]
pub enum Felt {
    Alone,
    ByCallers,
}

/// Slowness of one service that ends only with its cure.
#[derive(Clone, Debug)]
struct Fault {
    service: ServiceName,
    from: Timestamp,
    until: Option<Timestamp>,
    cure: Option<ActionKind>,
}

#[derive(Default)]
struct State {
    targets: BTreeMap<ServiceName, TargetState>,
    faults: Vec<Fault>,
    /// When the payment service's connection pool is full: from, until, and for how many seconds at a time.
    pool_full: Option<(Timestamp, Timestamp, i64)>,
    /// The payment service comes nearer to its limits from then until then.
    strain: Option<(Timestamp, Timestamp, Felt)>,
    /// Since when the payment service is asked for six times as much as usual.
    rush: Option<Timestamp>,
    answers: VecDeque<Answer>,
    calls: Vec<ActionKey>,
    /// What receivers were told: target, id, message. Also when they did not take it.
    told: Vec<(String, String, serde_json::Value)>,
    /// Whether receivers take nothing.
    deaf: bool,
    /// Who really tells receivers, if anybody does.
    voice: Option<std::sync::Arc<midwatch_connectors::World>>,
    /// What a service writes into its log all the time.
    said: Option<(String, &'static str, &'static str)>,
    /// What telemetry still has of the time before midwatch watched.
    past: Vec<Sample>,
    slow: bool,
    /// Whether a call is done and not answered yet.
    paused: bool,
    /// Whether telemetry takes requests and never answers.
    stuck: bool,
    applied: Vec<(ActionKey, Action)>,
    repeated_keys: usize,
    stale_calls: usize,
    late_calls: usize,
    operations: BTreeMap<ActionKey, EffectOutcome>,
    changes: Vec<Change>,
    silent: bool,
    blind: bool,
    services: Vec<String>,
    /// Addresses that were visited; each time as often as it was asked for.
    visited: Vec<String>,
    /// Whether vendors' own addresses cannot be reached.
    cut_off: bool,
}

/// The world. What happens to it is told by the tests; what was done to it is on record.
pub struct World {
    state: Mutex<State>,
    /// A real platform that services run on, where a test has one.
    platform: OnceLock<Arc<midwatch_connectors::World>>,
    /// Where changes are proposed, where a test has one.
    repositories: OnceLock<Arc<midwatch_connectors::World>>,
    /// Rung when a call hangs.
    pub hanging: Notify,
    /// Rung when a slow receiver is told, and when it is to answer.
    heard: Notify,
    answered: Notify,
}

impl World {
    pub fn new() -> Self {
        let target = |replicas| TargetState {
            version: "v2".into(),
            previous_version: Some("v1".into()),
            replicas,
            ready_replicas: replicas,
            max_replicas: 6,
            pool_size: 16,
            circuit_open: false,
            generation: 1,
            ..TargetState::default()
        };
        let targets = SERVICES.iter().map(|(name, _)| ((*name).into(), target(2))).collect();
        Self {
            state: Mutex::new(State { targets, ..State::default() }),
            platform: OnceLock::new(),
            repositories: OnceLock::new(),
            hanging: Notify::new(),
            heard: Notify::new(),
            answered: Notify::new(),
        }
    }

    /// From now on the control plane is a real one; what it does cures faults here.
    pub fn run_on(&self, platform: Arc<midwatch_connectors::World>) {
        assert!(self.platform.set(platform).is_ok(), "there is one already");
    }

    /// From now on changes can be proposed there.
    pub fn propose_at(&self, repositories: Arc<midwatch_connectors::World>) {
        assert!(self.repositories.set(repositories).is_ok(), "there are some already");
    }

    fn repositories_for(&self, intent: &Intent) -> Option<&Arc<midwatch_connectors::World>> {
        self.repositories.get().filter(|_| intent.action.kind() == ActionKind::PullRequest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a service slow from then on, until the cure is applied (never, if there is none).
    pub fn slow_down(&self, service: &str, from: Timestamp, cure: Option<ActionKind>) {
        self.state().faults.push(Fault { service: service.into(), from, until: None, cure });
    }

    /// Lets the payment service come nearer to its limits, second by second, without breaking anything; then it is as before.
    pub fn strain(&self, from: Timestamp, until: Timestamp, felt: Felt) {
        self.state().strain = Some((from, until, felt));
    }

    /// From then on the payment service is asked for six times as much, of which two replicas serve hardly more than usual.
    pub fn rush(&self, from: Timestamp) {
        self.state().rush = Some(from);
    }

    /// Fills the payment service's connection pool for a while.
    pub fn fill_pool(&self, from: Timestamp, until: Timestamp) {
        self.state().pool_full = Some((from, until, i64::MAX));
    }

    /// Fills and empties the pool in turns of so many seconds.
    pub fn flap_pool(&self, from: Timestamp, half_s: i64) {
        self.state().pool_full = Some((from, Timestamp::MAX, half_s));
    }

    /// Ends every fault, as if by itself.
    pub fn heal(&self, at: Timestamp) {
        self.state().faults.iter_mut().filter(|f| f.until.is_none()).for_each(|f| f.until = Some(at));
    }

    /// The control plane's answers to the next calls; after them it applies.
    pub fn answer(&self, answers: &[Answer]) {
        self.state().answers = answers.iter().copied().collect();
    }

    /// Takes what receivers were told since the last look.
    pub fn take_told(&self) -> Vec<(String, String, serde_json::Value)> {
        std::mem::take(&mut self.state().told)
    }

    /// Telemetry takes requests and never answers from now on.
    pub fn get_stuck(&self) {
        self.state().stuck = true;
    }

    /// Whether receivers answer only when they are asked to.
    pub fn set_slow(&self, slow: bool) {
        self.state().slow = slow;
    }

    /// Waits until a slow receiver was told.
    pub async fn heard(&self) {
        self.heard.notified().await;
    }

    /// Whether a call is done and not answered yet.
    pub fn is_paused(&self) -> bool {
        self.state().paused
    }

    /// A slow receiver answers, or a call that is paused.
    pub fn answer_now(&self) {
        self.answered.notify_one();
    }

    /// Lets a service write a line whenever its log is read.
    pub fn say(&self, service: &str, severity: &'static str, message: &'static str) {
        self.state().said = Some((service.to_owned(), severity, message));
    }

    /// Receivers are told for real from now on.
    pub fn speak_through(&self, voice: midwatch_connectors::World) {
        self.state().voice = Some(std::sync::Arc::new(voice));
    }

    pub fn set_deaf(&self, deaf: bool) {
        self.state().deaf = deaf;
    }

    /// Cuts off vendors' own addresses, or restores them.
    pub fn set_cut_off(&self, cut_off: bool) {
        self.state().cut_off = cut_off;
    }

    /// Addresses that were visited so far.
    pub fn visited(&self) -> Vec<String> {
        self.state().visited.clone()
    }

    /// Telemetry has these of the time before.
    pub fn set_past(&self, past: Vec<Sample>) {
        self.state().past = past;
    }

    /// Cuts telemetry and health endpoints off, or restores them.
    pub fn set_silent(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// Whether the control plane can be asked what became of a call.
    pub fn set_blind(&self, blind: bool) {
        self.state().blind = blind;
    }

    /// Another hand changes the target, so that what was seen of it is stale.
    pub fn touch(&self, service: &str) {
        if let Some(target) = self.state().targets.get_mut(&service.into()) {
            target.generation += 1;
        }
    }

    /// Another hand scales the target.
    pub fn rescale(&self, service: &str, replicas: u32) {
        if let Some(target) = self.state().targets.get_mut(&service.into()) {
            (target.replicas, target.ready_replicas) = (replicas, replicas);
        }
    }

    pub fn target_of(&self, service: &str) -> TargetState {
        self.state().targets[&ServiceName::from(service)].clone()
    }

    /// Effects that changed the target, in order.
    pub fn applied(&self) -> Vec<Action> {
        self.state().applied.iter().map(|(_, action)| action.clone()).collect()
    }

    /// Keys of all calls, in order.
    pub fn calls(&self) -> Vec<ActionKey> {
        self.state().calls.clone()
    }

    /// Names that the watch asked to be watched.
    pub fn watched(&self) -> Vec<String> {
        self.state().services.clone()
    }

    /// No key came twice, none came with a generation from before the target's last change, none after its deadline.
    pub fn assert_calls_were_proper(&self) {
        let state = self.state();
        assert_eq!(
            (state.repeated_keys, state.stale_calls, state.late_calls),
            (0, 0, 0),
            "{:?}",
            state.calls
        );
    }
}

impl State {
    fn delay_ms(&self, service: &str, now: Timestamp) -> f64 {
        let felt = |fault: &&Fault| {
            let lag = if fault.service.as_str() == service {
                0.0
            } else if fault.service.as_str() == "payment" {
                LAG_S.iter().find(|(name, _)| *name == service).map_or(f64::INFINITY, |(_, lag)| *lag)
            } else {
                f64::INFINITY
            };
            // A caller's rate window holds what is past for a while.
            let window_s = if fault.service.as_str() == service { 0.0 } else { RATE_WINDOW_S };
            seconds_between(fault.from, now) >= lag
                && fault.until.is_none_or(|until| seconds_between(until, now) < window_s)
        };
        if self.faults.iter().any(|fault| felt(&fault)) { FAULT_MS } else { 0.0 }
    }

    /// How near the payment service is to its limits, 0–1: there within two minutes.
    fn strained(&self, service: &str, now: Timestamp) -> f64 {
        match self.strain {
            Some((from, until, felt)) if now < until => {
                let share = match felt {
                    _ if service == "payment" => 1.0,
                    Felt::ByCallers => 0.6,
                    Felt::Alone => 0.0,
                };
                share * (seconds_between(from, now) / 120.0).clamp(0.0, 1.0)
            }
            _ => 0.0,
        }
    }

    /// CPU 0–1 and requests per second that a rush adds to a service.
    fn rushed(&self, service: &str, now: Timestamp) -> (f64, f64) {
        let replicas = self.targets.get(&ServiceName::new(service)).map_or(0, |target| target.ready_replicas);
        match self.rush {
            Some(from) if from <= now && service == "payment" => {
                if replicas > 2 {
                    (0.3, 150.0)
                } else {
                    (0.78, 10.0)
                }
            }
            _ => (0.0, 0.0),
        }
    }

    fn samples(&self, now: Timestamp) -> Vec<Sample> {
        let second = now.as_second();
        let mut samples = Vec::new();
        for (index, (service, rest_ms)) in SERVICES.iter().enumerate() {
            // A few milliseconds of unrest that are the same in every run.
            let unrest = ((second * 37 + index as i64 * 17) % 11 - 5) as f64 * 0.4;
            let held = self.pool_full.is_some_and(|(from, until, half_s)| {
                from <= now && now < until && (second - from.as_second()) / half_s % 2 == 0
            });
            let full = held && *service == "payment";
            let strained = self.strained(service, now);
            let (more_cpu, more_requests) = self.rushed(service, now);
            for (metric, value) in [
                (Metric::DbPool, if full { 0.95 } else { 0.06 }),
                (Metric::LatencyP99, rest_ms * (1.0 + 1.5 * strained) + unrest + self.delay_ms(service, now)),
                // A pool that is held turns requests away.
                (Metric::ErrorRate, if full { 0.3 } else { 0.001 }),
                (Metric::RequestRate, 30.0 + unrest / 4.0 + more_requests),
                (Metric::Cpu, 0.20 + unrest / 400.0 + 0.75 * strained + more_cpu),
                (Metric::Up, 1.0),
            ] {
                samples.push(Sample { service: (*service).into(), metric, value, at: now });
            }
        }
        samples
    }

    /// Does what the intent says, once per key and only to the target that was seen.
    fn perform(&mut self, intent: &Intent, now: Timestamp) -> EffectOutcome {
        if let Some(known) = self.operations.get(&intent.key) {
            self.repeated_keys += 1;
            return known.clone();
        }
        let Some(target) = self.targets.get_mut(intent.action.target()) else {
            return EffectOutcome::NotApplied { reason: "no such service".into() };
        };
        if target.generation != intent.before.generation {
            self.stale_calls += 1;
            return EffectOutcome::NotApplied { reason: "412: the target has changed".into() };
        }
        let kind = change(target, &intent.action);
        target.generation += 1;
        let after = target.clone();
        self.changes.push(Change {
            id: format!("chg-{}", self.changes.len() + 1),
            at: now,
            service: intent.action.target().clone(),
            kind,
            from: intent.before.version.clone(),
            to: after.version.clone(),
            by: intent.principal.to_string(),
            title: String::new(),
            url: String::new(),
            content: None,
        });
        self.cure(intent, now);
        self.applied.push((intent.key.clone(), intent.action.clone()));
        let detail = format!("{} done", intent.action.kind());
        let outcome = EffectOutcome::Applied { detail, after: Some(Box::new(after)) };
        self.operations.insert(intent.key.clone(), outcome.clone());
        outcome
    }

    /// Ends the faults that this action is the cure of.
    fn cure(&mut self, intent: &Intent, now: Timestamp) {
        for fault in &mut self.faults {
            let cured = fault.service == *intent.action.target() && fault.cure == Some(intent.action.kind());
            if cured && fault.from <= now && fault.until.is_none() {
                fault.until = Some(now);
            }
        }
    }
}

fn change(target: &mut TargetState, action: &Action) -> ChangeKind {
    match action {
        Action::Rollback { to_version, .. } => {
            let to = to_version.clone().or_else(|| target.previous_version.clone()).unwrap_or_default();
            target.previous_version = Some(std::mem::replace(&mut target.version, to));
            ChangeKind::Rollback
        }
        Action::Scale { replicas, .. } => {
            target.replicas = *replicas;
            target.ready_replicas = *replicas;
            ChangeKind::Scale
        }
        Action::ResizeDbPool { size, .. } => {
            target.pool_size = *size;
            ChangeKind::Config
        }
        Action::CircuitBreak { open, .. } => {
            target.circuit_open = *open;
            ChangeKind::Config
        }
        Action::Restart { .. }
        | Action::RestartDbPool { .. }
        | Action::DeletePod { .. }
        | Action::Cordon { .. }
        | Action::SetImage { .. }
        | Action::SetResources { .. }
        | Action::PullRequest { .. }
        | Action::Escalate { .. } => ChangeKind::Restart,
    }
}
