//! An incident as the fold of its journal.

mod people;
mod queries;
mod run;

pub use run::RunRecord;

use midwatch_model::action::TargetState;
use midwatch_model::decision::{Approval, GateRecord};
use midwatch_model::journal::{EffectOutcome, Entry, Intent, Line, Reading, VerificationOutcome};
use midwatch_model::{
    ActionKey, ActionKind, Cause, IncidentId, Plan, PlanHash, ServiceName, Severity, Signal, Timestamp,
    Verdict,
};
use serde::{Deserialize, Serialize};

/// Where an incident stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Opened; symptoms are being gathered.
    Correlating,
    /// Diagnosed without a conclusive verdict so far.
    Investigating,
    /// There is a verdict; a plan is made and put to the gate.
    Diagnosed,
    /// A person must say yes or no.
    AwaitingApproval,
    /// An effect is under way, or an unsuccessful one is being taken back.
    Remediating,
    /// Watching whether the effect helped.
    Verifying,
    /// Recovered; watching whether it stays so.
    Soaking,
    Resolved,
    Escalated,
    FalseAlarm,
    Closed,
}

impl State {
    /// Whether the watch still has work with it.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, State::Resolved | State::Closed | State::FalseAlarm)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        midwatch_model::one_of(<State as strum::VariantArray>::VARIANTS, "a state", text)
    }
}

/// One effect and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectRecord {
    pub intent: Intent,
    pub intended_at: Timestamp,
    pub outcome: Option<EffectOutcome>,
    pub ended_at: Option<Timestamp>,
    /// Whether nothing at all was heard of the call, not even that it took too long, until the target was looked at:
    /// midwatch had stopped in between.
    pub cut_short: bool,
}

impl EffectRecord {
    /// Why it must not be taken back by a machine, if somebody has changed the target since.
    #[must_use]
    pub fn overwritten(&self, now: &TargetState) -> Option<String> {
        let (action, undo) = (&self.intent.action, self.intent.undo.as_ref()?);
        let was_done = matches!(self.outcome, Some(EffectOutcome::Applied { .. }));
        (was_done && action.is_overwritten(undo, now)).then(|| {
            format!(
                "\"{}\" is not taken back: somebody has changed {} since, and that is not overwritten; by hand: {}",
                action.sentence(),
                action.target(),
                undo.sentence()
            )
        })
    }

    /// Whether nobody knows how it ended.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.outcome, None | Some(EffectOutcome::Unknown { .. }))
    }
}

/// An outstanding request for a person's decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub plan: PlanHash,
    pub step: usize,
    pub why: String,
    pub since: Timestamp,
    pub expires_at: Timestamp,
    /// Different people whose yes is needed.
    pub needed: usize,
}

/// An incident, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub id: IncidentId,
    pub state: State,
    pub opened_at: Timestamp,
    /// The incident that this one is a child of.
    pub parent: Option<IncidentId>,
    pub signals: Vec<Signal>,
    pub last_signal_at: Timestamp,
    pub verdict: Option<Verdict>,
    /// Roots that a verdict named, that were acted upon in vain, and that another one took the place of.
    pub refuted: Vec<(ServiceName, Cause)>,
    /// When the present root cause was first named.
    pub verdict_since: Option<Timestamp>,
    pub first_verdict_at: Option<Timestamp>,
    pub diagnosed_at: Option<Timestamp>,
    pub plan: Option<(Plan, PlanHash)>,
    /// The plan step that is next or under way.
    pub step: usize,
    pub gate: Option<GateRecord>,
    pub waiting: Option<Waiting>,
    /// Every yes to what waits, one per person.
    pub approvals: Vec<Approval>,
    /// The last of them, once as many people as are needed have said yes.
    pub approval: Option<Approval>,
    /// How bad it was at its worst.
    pub severity: Severity,
    /// The latest refusal by a person: who and why.
    pub refused: Option<(String, String)>,
    pub would_have_acted: bool,
    pub effects: Vec<EffectRecord>,
    /// Pull requests that were opened about it, or taken back: nothing that runs changes by them, and no state.
    pub proposals: Vec<EffectRecord>,
    /// The run of a workflow that is its plan, or was last.
    pub run: Option<RunRecord>,
    /// Workflows that have begun for it, by name: none begins twice.
    pub workflows: Vec<String>,
    /// Who has taken it up, and how.
    pub acknowledged: Option<(String, String)>,
    /// Who answers for it.
    pub assignee: Option<String>,
    /// Nobody is told of it before then.
    pub snoozed_until: Option<Timestamp>,
    /// The incident that goes on for it.
    pub merged_into: Option<IncidentId>,
    /// Looks at the triggering signals since the last effect (or since the opening).
    pub readings: Vec<Reading>,
    /// The verification's outcome for the last effect.
    pub verified: Option<(VerificationOutcome, Timestamp, String)>,
    pub soak_until: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    pub mttr_ms: Option<u64>,
    pub recurred: Option<(Timestamp, String)>,
    pub escalated: Option<(Timestamp, String)>,
    /// Where the last report is, and whether something happened since.
    pub report: Option<String>,
    pub report_is_current: bool,
    /// Digest of the text that the postmortem is now.
    pub report_digest: Option<String>,
    /// Whether a person wrote that text.
    pub report_is_revised: bool,
    pub seq: u64,
}

impl Incident {
    /// Folds a stream; `None` for a stream that does not begin with an opening.
    #[must_use]
    pub fn fold(lines: &[Line]) -> Option<Self> {
        Self::fold_each(lines, |_, _| {})
    }

    /// Folds a stream and shows how the incident stood after each line.
    pub fn fold_each(lines: &[Line], mut see: impl FnMut(&Incident, &Line)) -> Option<Self> {
        let (first, rest) = lines.split_first()?;
        let Entry::Opened { incident, signal, .. } = &first.entry else { return None };
        let mut folded = Self::opened(incident.clone(), signal.clone(), first.at);
        see(&folded, first);
        for line in rest {
            folded.apply(line);
            see(&folded, line);
        }
        folded.seq = lines.len() as u64;
        Some(folded)
    }

    fn opened(id: IncidentId, signal: Signal, at: Timestamp) -> Self {
        let severity = signal.severity.unwrap_or(Severity::Info).max(Severity::Warning);
        Self {
            id,
            severity,
            approvals: Vec::new(),
            state: State::Correlating,
            opened_at: at,
            parent: None,
            signals: vec![signal],
            last_signal_at: at,
            verdict: None,
            refuted: Vec::new(),
            verdict_since: None,
            first_verdict_at: None,
            diagnosed_at: None,
            plan: None,
            step: 0,
            gate: None,
            waiting: None,
            approval: None,
            refused: None,
            would_have_acted: false,
            effects: Vec::new(),
            proposals: Vec::new(),
            run: None,
            workflows: Vec::new(),
            acknowledged: None,
            assignee: None,
            snoozed_until: None,
            merged_into: None,
            readings: Vec::new(),
            verified: None,
            soak_until: None,
            resolved_at: None,
            mttr_ms: None,
            recurred: None,
            escalated: None,
            report: None,
            report_is_current: false,
            report_digest: None,
            report_is_revised: false,
            seq: 1,
        }
    }

    fn apply(&mut self, line: &Line) {
        let at = line.at;
        match &line.entry {
            // What a model thinks changes no state.
            Entry::Opened { .. }
            | Entry::AdviceSought { .. }
            | Entry::Advised { .. }
            | Entry::Worded { .. }
            | Entry::ServiceRegistered { .. }
            | Entry::ServiceUnregistered { .. }
            | Entry::SilenceSet { .. }
            | Entry::ConfigChanged { .. }
            | Entry::AutonomySet { .. }
            | Entry::AutonomySuggested { .. }
            | Entry::Forecast { .. } => {}
            Entry::SignalJoined { signal, .. } => {
                self.severity = self.severity.max(signal.severity.unwrap_or(Severity::Info));
                self.signals.push(signal.clone());
                self.last_signal_at = at;
            }
            Entry::Linked { parent, .. } => self.parent = Some(parent.clone()),
            Entry::Diagnosed { verdict, .. } => self.diagnosed(verdict, at),
            Entry::Planned { plan, hash } => self.planned(plan, hash),
            Entry::Workflow { run, event } => self.ran(run, event, at),
            // A proposal is no step of the plan.
            Entry::Gated { record } if record.action == ActionKind::PullRequest => {}
            Entry::Gated { record } => self.gate = Some(record.clone()),
            Entry::ApprovalRequested { .. }
            | Entry::ApprovalGiven { .. }
            | Entry::ApprovalRefused { .. }
            | Entry::ApprovalNotCounted { .. }
            | Entry::ApprovalExpired { .. }
            | Entry::WouldHaveActed { .. } => self.asked(&line.entry, at),
            Entry::Intended { intent } => self.intended(intent, at),
            Entry::Performed { key, outcome, reconciled } => self.performed(key, outcome, *reconciled, at),
            Entry::StepSkipped { step, .. } => {
                // What a person did on the side is no step of the plan.
                if self.state != State::Remediating || self.last_effect_is_of_the_plan() {
                    self.step = step + 1;
                }
                self.state = State::Diagnosed;
            }
            Entry::Observed { reading } => self.readings.push(reading.clone()),
            Entry::Verified { outcome, reason } => {
                self.verified = Some((*outcome, at, reason.clone()));
                if *outcome != VerificationOutcome::Recovered {
                    self.state = State::Remediating;
                }
            }
            Entry::SoakStarted { until } => {
                self.soak_until = Some(*until);
                self.state = State::Soaking;
            }
            Entry::Resolved { .. }
            | Entry::Recurred { .. }
            | Entry::Escalated { .. }
            | Entry::FalseAlarm { .. }
            | Entry::Closed { .. } => self.turned(&line.entry, at),
            Entry::Acknowledged { .. }
            | Entry::Assigned { .. }
            | Entry::Snoozed { .. }
            | Entry::Merged { .. }
            | Entry::Absorbed { .. }
            | Entry::SplitOff { .. }
            | Entry::Revised { .. } => self.handled(&line.entry, at),
            Entry::Reported { path, digest } => {
                self.report = Some(path.clone());
                (self.report_digest, self.report_is_revised) = (Some(digest.clone()), false);
                self.report_is_current = true;
            }
        }
    }

    /// Ends, and what becomes of an end.
    fn turned(&mut self, entry: &Entry, at: Timestamp) {
        match entry {
            Entry::Resolved { mttr_ms, .. } => {
                self.leave_run("the incident was over");
                self.resolved_at = Some(at);
                self.mttr_ms = Some(*mttr_ms);
                self.waiting = None;
                self.state = State::Resolved;
                self.report_is_current = false;
            }
            Entry::Recurred { reason } => {
                self.recurred = Some((at, reason.clone()));
                self.resolved_at = None;
                self.acknowledged = None;
                self.verified = None;
                self.state = State::Diagnosed;
                if self.effects.is_empty() {
                    self.begin_again();
                }
                self.report_is_current = false;
            }
            Entry::Escalated { reason } => {
                self.leave_run(&format!("a person has the incident: {reason}"));
                self.escalated = Some((at, reason.clone()));
                self.waiting = None;
                self.state = State::Escalated;
                self.report_is_current = false;
            }
            Entry::FalseAlarm { .. } => {
                self.leave_run("it was a false alarm");
                self.waiting = None;
                self.state = State::FalseAlarm;
                self.report_is_current = false;
            }
            Entry::Closed { .. } => self.state = State::Closed,
            _ => {}
        }
    }

    fn diagnosed(&mut self, verdict: &Verdict, at: Timestamp) {
        let name = |v: &Verdict| v.root().map(|h| (h.component.clone(), h.cause));
        if self.verdict.as_ref().is_some_and(|known| known.foreseen) && !verdict.foreseen {
            self.happened();
        }
        let before = self.verdict.as_ref().and_then(name);
        let now = name(verdict);
        if now != before || self.verdict_since.is_none() {
            self.verdict_since = Some(at);
        }
        if now != before && self.attempts().next().is_some() {
            self.refuted.extend(before);
        }
        if now.is_some() {
            self.first_verdict_at.get_or_insert(at);
        }
        self.diagnosed_at = Some(at);
        self.severity = self.severity.max(verdict.severity());
        self.verdict = Some(verdict.clone());
        if matches!(self.state, State::Correlating | State::Investigating | State::Diagnosed) {
            self.state = if now.is_some() { State::Diagnosed } else { State::Investigating };
        }
    }

    /// What was foreseen has happened: what was to be done early, and was asked for, is not what is to be done now.
    fn happened(&mut self) {
        if matches!(self.state, State::Diagnosed | State::AwaitingApproval) {
            self.begin_again();
        }
        self.verdict = None;
        self.plan = None;
        self.waiting = None;
        self.forget_approvals();
    }

    /// Nothing was done, so nothing is known of what came back: it is looked at anew.
    fn begin_again(&mut self) {
        self.verdict = None;
        self.verdict_since = None;
        self.plan = None;
        self.step = 0;
        self.gate = None;
        self.would_have_acted = false;
        self.state = State::Investigating;
    }

    /// A changed plan voids whatever was asked or approved for the old one.
    fn planned(&mut self, plan: &Plan, hash: &PlanHash) {
        self.plan = Some((plan.clone(), hash.clone()));
        let goes_on = plan.run.as_ref().is_some_and(|run| self.planned_run(&run.id, hash));
        if plan.run.is_none() {
            self.leave_run("another plan took its place");
        }
        self.step = if goes_on { self.step } else { 0 };
        self.waiting = None;
        self.forget_approvals();
        self.gate = None;
        if self.state == State::AwaitingApproval {
            self.state = State::Diagnosed;
        }
    }

    fn intended(&mut self, intent: &Intent, at: Timestamp) {
        let record = EffectRecord {
            intent: intent.clone(),
            intended_at: at,
            outcome: None,
            ended_at: None,
            cut_short: false,
        };
        if intent.action.kind() == ActionKind::PullRequest {
            self.proposals.push(record);
            return;
        }
        self.effects.push(record);
        self.state = State::Remediating;
        self.waiting = None;
        self.forget_approvals();
        self.readings.clear();
        if intent.undoes.is_none() {
            self.verified = None;
            if self.last_effect_is_of_the_plan() {
                self.step = intent.step;
            }
        }
    }

    fn last_effect_is_of_the_plan(&self) -> bool {
        let plan = self.plan.as_ref().map(|(_, hash)| hash);
        self.last_effect().is_some_and(|effect| Some(&effect.intent.plan) == plan)
    }

    fn performed(&mut self, key: &ActionKey, outcome: &EffectOutcome, reconciled: bool, at: Timestamp) {
        if let Some(proposal) = self.proposals.iter_mut().find(|e| e.intent.key == *key) {
            (proposal.outcome, proposal.ended_at) = (Some(outcome.clone()), Some(at));
            return;
        }
        let Some(effect) = self.effects.iter_mut().find(|e| e.intent.key == *key) else { return };
        effect.cut_short |= reconciled && effect.outcome.is_none();
        effect.outcome = Some(outcome.clone());
        effect.ended_at = Some(at);
        let effect = effect.clone();
        if effect.intent.undoes.is_none() && !self.is_of_run(&effect) && outcome.may_have_changed_target() {
            let (by, what) = (&effect.intent.principal, effect.intent.action.sentence());
            self.leave_run(&format!("{by} acted beside it: {what}"));
        }
        if self.run_under_way().is_some() && self.is_of_run(&effect) {
            // What follows from it, also from an undo, is the run's business.
            let is_known = !matches!(outcome, EffectOutcome::Unknown { .. });
            self.state = if is_known { State::Diagnosed } else { State::Remediating };
            return;
        }
        let undo = effect.intent.undoes.is_some();
        let of_the_plan = self.last_effect_is_of_the_plan();
        self.state = match outcome {
            EffectOutcome::Unknown { .. } => State::Remediating,
            EffectOutcome::Applied { .. } if undo => {
                // The undo ends the step; what comes next is the next step's business.
                self.step += usize::from(of_the_plan);
                State::Diagnosed
            }
            // An undo that was not done leaves the target changed: that is for a person.
            _ if undo => State::Remediating,
            EffectOutcome::NotApplied { .. } => State::Diagnosed,
            EffectOutcome::Applied { .. } | EffectOutcome::Failed { .. } => State::Verifying,
        };
    }
}
