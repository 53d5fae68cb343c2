//! Journal entries, and the hash chain that binds them. State is only ever a fold over entries.

mod chain;
mod registration;

pub use chain::{ChainError, GENESIS, Record, VerifiedJournal, chain_hash};
pub use registration::{Platform, Registration};

use crate::action::TargetState;
use crate::artifact::Role;
use crate::decision::{Approval, Combination, GateRecord, Mode, Principal};
use crate::llm::{Advice, Prose};
use crate::silence::Silence;
use crate::workflow::RunEvent;
use crate::{
    Action, ActionKey, ForecastEvent, IncidentId, Plan, PlanHash, Score, ServiceName, Signal, SignalId,
    Timestamp, Verdict,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The version of the entry format that this build writes.
pub const ENTRY_VERSION: u32 = 1;

/// Which stream a record belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StreamId {
    /// One incident from its opening to its closing.
    Incident(IncidentId),
    /// Action reservations of one service; limits are folds over it.
    Service(ServiceName),
    /// Registered services and what else is configured at run time.
    Config,
    /// What people do not want to hear of.
    Silences,
    /// What midwatch may do by itself, as people and its own record have it.
    Autonomy,
    /// Forecasts of one day (UTC), with what then happened. A day each, so that none grows without bound.
    Forecasts(Date),
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StreamId::Incident(id) => write!(f, "incident/{id}"),
            StreamId::Service(name) => write!(f, "service/{name}"),
            StreamId::Config => f.write_str("config"),
            StreamId::Silences => f.write_str("silences"),
            StreamId::Autonomy => f.write_str("autonomy"),
            StreamId::Forecasts(day) => write!(f, "forecasts/{day}"),
        }
    }
}

impl std::str::FromStr for StreamId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some(("incident", id)) => Ok(StreamId::Incident(id.into())),
            Some(("service", name)) => Ok(StreamId::Service(name.into())),
            Some(("forecasts", day)) => day
                .parse()
                .map(StreamId::Forecasts)
                .map_err(|_| format!("`{day}` is not a day; streams of forecasts are forecasts/YYYY-MM-DD")),
            None if text == "config" => Ok(StreamId::Config),
            None if text == "silences" => Ok(StreamId::Silences),
            None if text == "autonomy" => Ok(StreamId::Autonomy),
            _ => Err(format!(
                "`{text}` is not a stream; streams are incident/ID, service/NAME, forecasts/DAY, config, silences and autonomy"
            )),
        }
    }
}

/// An effect that is about to be asked for. It is durable before the call is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Intent {
    pub key: ActionKey,
    /// `None` for a person's action outside of any incident.
    pub incident: Option<IncidentId>,
    pub plan: PlanHash,
    pub step: usize,
    pub principal: Principal,
    pub action: Action,
    /// What takes the action back, computed from `before`.
    pub undo: Option<Action>,
    /// Set when this intent is itself the undo of an earlier one.
    pub undoes: Option<ActionKey>,
    /// The target as it was: snapshot for the undo, generation as precondition.
    pub before: TargetState,
    /// No call starts after this.
    #[schema(value_type = String)]
    pub deadline: Timestamp,
}

/// How a call to a target ended, as far as is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum EffectOutcome {
    /// The target did it.
    Applied { detail: String, after: Option<Box<TargetState>> },
    /// The target refused or was never asked: nothing changed there.
    NotApplied { reason: String },
    /// The target tried and failed; its state must be looked at.
    Failed { reason: String },
    /// No answer. Nobody knows until the target has been looked at.
    Unknown { reason: String },
}

impl EffectOutcome {
    /// Whether the target may have changed.
    #[must_use]
    pub fn may_have_changed_target(&self) -> bool {
        !matches!(self, EffectOutcome::NotApplied { .. })
    }
}

/// The result of watching a service after an action.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum VerificationOutcome {
    Recovered,
    Regressed,
    Unclear,
}

/// One look at the triggering signals after an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reading {
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// `None` where a sample or the probe is missing: unknown is never success.
    pub normal: Option<bool>,
    /// Share of the triggering series that are worse than when the action started, 0–1.
    pub worse_share: f64,
    /// What was seen, one sentence.
    pub detail: String,
}

/// Everything that can happen, in the past tense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// The first entry of an incident.
    Opened {
        incident: IncidentId,
        signal: Signal,
        reason: String,
    },
    SignalJoined {
        signal: Signal,
        reason: String,
        /// How strongly it is related, part by part. Journals of before have the reason only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        score: Option<Score>,
    },
    /// The incident is related to another, though not strongly enough to be one with it.
    Linked {
        parent: IncidentId,
        score: Score,
    },
    Diagnosed {
        verdict: Verdict,
        elapsed_ms: f64,
    },
    Planned {
        plan: Plan,
        hash: PlanHash,
    },
    Gated {
        record: GateRecord,
    },
    ApprovalRequested {
        plan: PlanHash,
        step: usize,
        why: String,
        #[schema(value_type = String)]
        expires_at: Timestamp,
        /// Different people whose yes is needed.
        #[serde(default = "one")]
        needed: usize,
    },
    ApprovalGiven {
        approval: Approval,
    },
    ApprovalRefused {
        plan: PlanHash,
        by: String,
        reason: String,
        /// Whether the policy refused what a person had approved: that is nobody's answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_policy: bool,
    },
    /// Somebody answered who may not, or not so: the answer counts for nothing.
    ApprovalNotCounted {
        plan: PlanHash,
        /// As whom they came: "Slack user U0123".
        by: String,
        reason: String,
    },
    ApprovalExpired {
        plan: PlanHash,
    },
    /// In dry run: what an approved or automatic step would have done, and how to arm it.
    WouldHaveActed {
        action: Action,
        how_to_arm: String,
    },
    /// On the incident's and on the target service's stream, in one transaction.
    Intended {
        intent: Intent,
    },
    /// On the same two streams.
    Performed {
        key: ActionKey,
        outcome: EffectOutcome,
        reconciled: bool,
    },
    /// The step will not be tried (again); the plan moves on.
    StepSkipped {
        step: usize,
        reason: String,
    },
    Observed {
        reading: Reading,
    },
    Verified {
        outcome: VerificationOutcome,
        reason: String,
    },
    SoakStarted {
        #[schema(value_type = String)]
        until: Timestamp,
    },
    Resolved {
        mttr_ms: u64,
        soak_ms: u64,
        by_itself: bool,
    },
    Recurred {
        reason: String,
    },
    Escalated {
        reason: String,
    },
    FalseAlarm {
        by: String,
        reason: String,
    },
    /// A person has taken it up.
    Acknowledged {
        by: String,
        /// How that is known, as the end of "by …".
        how: String,
    },
    /// Somebody answers for it from now on; nobody in particular if absent.
    Assigned {
        to: Option<String>,
        by: String,
    },
    /// Nobody is told of it before then, but for its end.
    Snoozed {
        #[schema(value_type = String)]
        until: Timestamp,
        by: String,
        reason: String,
    },
    /// What it knows went to another incident, which goes on for both.
    Merged {
        into: IncidentId,
        by: String,
        reason: String,
    },
    /// On that other incident's stream: the signals that follow came from there.
    Absorbed {
        from: IncidentId,
        by: String,
        reason: String,
    },
    /// Some of its signals are an incident of their own from now on.
    SplitOff {
        to: IncidentId,
        /// In the order of their ids.
        signals: Vec<SignalId>,
        by: String,
        reason: String,
    },
    /// A person has written its postmortem anew.
    Revised {
        /// The whole text, redacted.
        text: String,
        /// Of the text.
        digest: String,
        by: String,
    },
    /// A language model is about to be asked. Without an opinion after it, midwatch ended meanwhile, and the most that
    /// this may cost counts as spent.
    AdviceSought {
        tokens_max: u64,
        /// US dollars.
        cost_max: f64,
    },
    /// A language model was asked for its opinion.
    Advised {
        advice: Advice,
    },
    /// A language model was asked to put the postmortem into words.
    Worded {
        prose: Prose,
    },
    Reported {
        path: String,
        digest: String,
    },
    Closed {
        reason: String,
    },
    /// On the config stream.
    ServiceRegistered {
        registration: Registration,
    },
    /// On the config stream.
    ServiceUnregistered {
        service: ServiceName,
    },
    /// On the silences stream: a silence as it is from now on; one that was ended has its end moved.
    SilenceSet {
        #[schema(value_type = Object)]
        silence: Silence,
    },
    /// On the config stream: what a person has changed while the server runs.
    ConfigChanged {
        /// The section of the configuration.
        section: String,
        by: String,
        /// The fields that were changed, with what they are from now on.
        #[schema(value_type = Object)]
        changed: serde_json::Value,
    },
    /// On the autonomy stream: how far midwatch may go by itself with one action on one service for one cause.
    AutonomySet {
        combination: Combination,
        level: Mode,
        /// A person, or `midwatch`.
        by: String,
        reason: String,
    },
    /// On the autonomy stream: its record has earned a combination more than it has.
    AutonomySuggested {
        combination: Combination,
        reason: String,
    },
    /// How a workflow's run goes. Its actions are intents like all others.
    Workflow {
        run: String,
        event: RunEvent,
    },
    /// On the stream of the day's forecasts.
    Forecast {
        event: ForecastEvent,
    },
}

/// Requests of journals from before there was a rule of two people.
fn one() -> usize {
    1
}

/// Signals that an entry speaks of, for lineage.
impl Entry {
    #[must_use]
    pub fn signal_id(&self) -> Option<&SignalId> {
        self.signal().map(|signal| &signal.id)
    }

    /// The signal that the entry brings.
    #[must_use]
    pub fn signal(&self) -> Option<&Signal> {
        match self {
            Entry::Opened { signal, .. } | Entry::SignalJoined { signal, .. } => Some(signal),
            _ => None,
        }
    }

    /// The role that writes entries of this kind.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Entry::Opened { .. } | Entry::SignalJoined { .. } | Entry::Linked { .. } => Role::Observer,
            Entry::Worded { .. }
            | Entry::Diagnosed { .. }
            | Entry::AdviceSought { .. }
            | Entry::Advised { .. } => Role::Analyzer,
            Entry::Planned { .. } | Entry::StepSkipped { .. } | Entry::Workflow { .. } => Role::Planner,
            Entry::Gated { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalGiven { .. }
            | Entry::ApprovalRefused { .. }
            | Entry::ApprovalNotCounted { .. }
            | Entry::ApprovalExpired { .. }
            | Entry::WouldHaveActed { .. } => Role::Gate,
            Entry::Intended { .. } | Entry::Performed { .. } => Role::Executor,
            Entry::Observed { .. }
            | Entry::Verified { .. }
            | Entry::SoakStarted { .. }
            | Entry::Resolved { .. }
            | Entry::Recurred { .. } => Role::Verifier,
            Entry::Reported { .. }
            | Entry::Closed { .. }
            | Entry::ServiceRegistered { .. }
            | Entry::ServiceUnregistered { .. }
            | Entry::AutonomySet { .. }
            | Entry::AutonomySuggested { .. }
            | Entry::ConfigChanged { .. } => Role::Memory,
            Entry::SilenceSet { .. } => Role::Observer,
            Entry::Forecast { .. } => Role::Analyzer,
            Entry::Escalated { .. }
            | Entry::FalseAlarm { .. }
            | Entry::Acknowledged { .. }
            | Entry::Assigned { .. }
            | Entry::Snoozed { .. }
            | Entry::Merged { .. }
            | Entry::Absorbed { .. }
            | Entry::SplitOff { .. }
            | Entry::Revised { .. } => Role::Communicator,
        }
    }

    /// The snake-case tag, for filters and logs.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Entry::Opened { .. } => "opened",
            Entry::SignalJoined { .. } => "signal_joined",
            Entry::Linked { .. } => "linked",
            Entry::Diagnosed { .. } => "diagnosed",
            Entry::AdviceSought { .. } => "advice_sought",
            Entry::Advised { .. } => "advised",
            Entry::Worded { .. } => "worded",
            Entry::Planned { .. } => "planned",
            Entry::Workflow { .. } => "workflow",
            Entry::Gated { .. } => "gated",
            Entry::ApprovalRequested { .. } => "approval_requested",
            Entry::ApprovalGiven { .. } => "approval_given",
            Entry::ApprovalRefused { .. } => "approval_refused",
            Entry::ApprovalNotCounted { .. } => "approval_not_counted",
            Entry::ApprovalExpired { .. } => "approval_expired",
            Entry::WouldHaveActed { .. } => "would_have_acted",
            Entry::Intended { .. } => "intended",
            Entry::Performed { .. } => "performed",
            Entry::StepSkipped { .. } => "step_skipped",
            Entry::Observed { .. } => "observed",
            Entry::Verified { .. } => "verified",
            Entry::SoakStarted { .. } => "soak_started",
            Entry::Resolved { .. } => "resolved",
            Entry::Recurred { .. } => "recurred",
            Entry::Escalated { .. } => "escalated",
            Entry::FalseAlarm { .. } => "false_alarm",
            Entry::Acknowledged { .. } => "acknowledged",
            Entry::Assigned { .. } => "assigned",
            Entry::Snoozed { .. } => "snoozed",
            Entry::Merged { .. } => "merged",
            Entry::Absorbed { .. } => "absorbed",
            Entry::SplitOff { .. } => "split_off",
            Entry::Revised { .. } => "revised",
            Entry::Reported { .. } => "reported",
            Entry::Closed { .. } => "closed",
            Entry::ServiceRegistered { .. } => "service_registered",
            Entry::ServiceUnregistered { .. } => "service_unregistered",
            Entry::SilenceSet { .. } => "silence_set",
            Entry::AutonomySet { .. } => "autonomy_set",
            Entry::AutonomySuggested { .. } => "autonomy_suggested",
            Entry::ConfigChanged { .. } => "config_changed",
            Entry::Forecast { event } => event.name(),
        }
    }
}

/// An entry with its time and author: what a record's bytes say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Line {
    pub v: u32,
    #[schema(value_type = String)]
    pub at: Timestamp,
    pub role: Role,
    pub entry: Entry,
}

impl Line {
    #[must_use]
    pub fn new(at: Timestamp, entry: Entry) -> Self {
        Self { v: ENTRY_VERSION, at, role: entry.role(), entry }
    }

    /// The bytes that are stored and hashed.
    ///
    /// # Panics
    /// Never: entries are plain data; NaN readings are kept out by normalisation and would be written as null.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an entry is plain data")
    }
}
