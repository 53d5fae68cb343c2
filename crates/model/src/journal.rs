//! Journal entries and the hash chain that binds them.
//!
//! A stream is an append-only list of records numbered from 1. The chain hashes the stored bytes, so that whatever was
//! read is what was written; state is only ever a fold over entries.

use crate::action::TargetState;
use crate::artifact::Role;
use crate::decision::{Approval, GateRecord, Principal};
use crate::evidence::hex;
use crate::llm::{Advice, Prose};
use crate::silence::Silence;
use crate::{
    Action, ActionKey, IncidentId, Plan, PlanHash, Score, ServiceName, Signal, SignalId, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StreamId::Incident(id) => write!(f, "incident/{id}"),
            StreamId::Service(name) => write!(f, "service/{name}"),
            StreamId::Config => f.write_str("config"),
            StreamId::Silences => f.write_str("silences"),
        }
    }
}

impl std::str::FromStr for StreamId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some(("incident", id)) => Ok(StreamId::Incident(id.into())),
            Some(("service", name)) => Ok(StreamId::Service(name.into())),
            None if text == "config" => Ok(StreamId::Config),
            None if text == "silences" => Ok(StreamId::Silences),
            _ => Err(format!(
                "`{text}` is not a stream; streams are incident/ID, service/NAME, config and silences"
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
    Applied { detail: String, after: Option<TargetState> },
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
    },
    ApprovalGiven {
        approval: Approval,
    },
    ApprovalRefused {
        plan: PlanHash,
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
}

/// A service that midwatch watches.
#[derive(
    Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema, schemars::JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The service's name as telemetry labels it.
    #[serde(default = "unnamed")]
    pub name: String,
    /// URL of its health endpoint, if it has one.
    #[serde(default)]
    pub health: Option<String>,
    /// Services that it calls.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Services whose events it consumes.
    #[serde(default)]
    pub consumes_from: Vec<String>,
    /// The team that answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Namespace for the action allowlist.
    #[serde(default)]
    pub namespace: Option<String>,
}

fn unnamed() -> String {
    String::new()
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
            Entry::Planned { .. } | Entry::StepSkipped { .. } => Role::Planner,
            Entry::Gated { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalGiven { .. }
            | Entry::ApprovalRefused { .. }
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
            | Entry::ServiceUnregistered { .. } => Role::Memory,
            Entry::SilenceSet { .. } => Role::Observer,
            Entry::Escalated { .. } | Entry::FalseAlarm { .. } => Role::Communicator,
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
            Entry::Gated { .. } => "gated",
            Entry::ApprovalRequested { .. } => "approval_requested",
            Entry::ApprovalGiven { .. } => "approval_given",
            Entry::ApprovalRefused { .. } => "approval_refused",
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
            Entry::Reported { .. } => "reported",
            Entry::Closed { .. } => "closed",
            Entry::ServiceRegistered { .. } => "service_registered",
            Entry::ServiceUnregistered { .. } => "service_unregistered",
            Entry::SilenceSet { .. } => "silence_set",
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

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first record of a stream.
    pub seq: u64,
    pub bytes: Vec<u8>,
    /// SHA-256 over stream, seq, previous hash and bytes.
    pub hash: [u8; 32],
}

/// The hash before a stream's first record.
pub const GENESIS: [u8; 32] = [0; 32];

/// The hash of a record: SHA-256(stream ‖ 0 ‖ seq as 8 bytes big-endian ‖ previous hash ‖ bytes).
#[must_use]
pub fn chain_hash(stream: &str, seq: u64, previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(stream.as_bytes());
    hasher.update([0]);
    hasher.update(seq.to_be_bytes());
    hasher.update(previous);
    hasher.update(bytes);
    hasher.finalize().into()
}

/// What is wrong with a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("{stream}: record {expected} is missing, found {found}")]
    Gap { stream: String, expected: u64, found: u64 },
    #[error("{stream}: record {seq} does not match its hash: it was changed after it was written")]
    Changed { stream: String, seq: u64 },
    #[error("{stream}: the head says {head} records, the stream has {found}: its tail was cut")]
    Cut { stream: String, head: u64, found: u64 },
    #[error("{stream}: the head's hash {head} is not the last record's {found}")]
    Head { stream: String, head: String, found: String },
    #[error("{stream}: record {seq} cannot be read by this version: {reason}")]
    Unreadable { stream: String, seq: u64, reason: String },
}

/// A stream whose chain and head were checked. Only [`VerifiedJournal::verify`] makes one, so that whoever takes one
/// as argument (such as the resumption of an authorisation after a crash) cannot be handed unchecked entries.
#[derive(Debug)]
pub struct VerifiedJournal {
    stream: StreamId,
    lines: Vec<Line>,
    head: [u8; 32],
}

impl VerifiedJournal {
    /// Checks numbering, hashes and the separately stored head, and reads the entries.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(
        stream: StreamId,
        records: &[Record],
        head: Option<(u64, [u8; 32])>,
    ) -> Result<Self, ChainError> {
        let name = stream.to_string();
        let mut previous = GENESIS;
        let mut lines = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let expected = index as u64 + 1;
            if record.seq != expected {
                return Err(ChainError::Gap { stream: name, expected, found: record.seq });
            }
            if chain_hash(&name, record.seq, &previous, &record.bytes) != record.hash {
                return Err(ChainError::Changed { stream: name, seq: record.seq });
            }
            let unreadable =
                |reason| ChainError::Unreadable { stream: name.clone(), seq: record.seq, reason };
            let line: Line = serde_json::from_slice(&record.bytes).map_err(|e| unreadable(e.to_string()))?;
            if line.v > ENTRY_VERSION {
                return Err(unreadable(format!(
                    "it is of version {}, this one reads up to {ENTRY_VERSION}",
                    line.v
                )));
            }
            lines.push(line);
            previous = record.hash;
        }
        let (head_seq, head_hash) = head.unwrap_or((0, GENESIS));
        if head_seq != records.len() as u64 {
            return Err(ChainError::Cut { stream: name, head: head_seq, found: records.len() as u64 });
        }
        if head_hash != previous {
            return Err(ChainError::Head { stream: name, head: hex(&head_hash), found: hex(&previous) });
        }
        Ok(Self { stream, lines, head: previous })
    }

    #[must_use]
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Number of records: the next append is expected at `len() + 1`.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Hash of the last record.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(stream: &StreamId, count: u64) -> Vec<Record> {
        let mut previous = GENESIS;
        (1..=count)
            .map(|seq| {
                let entry = Entry::Closed { reason: format!("number {seq}") };
                let bytes = Line::new(Timestamp::UNIX_EPOCH, entry).to_bytes();
                previous = chain_hash(&stream.to_string(), seq, &previous, &bytes);
                Record { seq, bytes, hash: previous }
            })
            .collect()
    }

    fn head_of(records: &[Record]) -> Option<(u64, [u8; 32])> {
        records.last().map(|r| (r.seq, r.hash))
    }

    #[test]
    fn an_untouched_stream_verifies() {
        let records = chain(&StreamId::Config, 3);
        let verified = VerifiedJournal::verify(StreamId::Config, &records, head_of(&records));
        assert_eq!(verified.map(|v| v.len()), Ok(3));
    }

    #[test]
    fn a_line_of_before_scores_were_kept_is_read_and_keeps_its_bytes() {
        let old = r#"{"v":1,"at":"2026-01-05T03:00:00Z","role":"observer","entry":{"type":"signal_joined","signal":{"id":"alt-1","kind":"alert","origin":"generic","service":"pay","metric":null,"class":"latency_spike","onset_at":"2026-01-05T03:00:00Z","detected_at":"2026-01-05T03:00:00Z","value":0.0,"sigma":0.0,"baseline":null,"summary":"slow","evidence":null},"reason":"same service"}}"#;
        let line: Line = serde_json::from_str(old).expect("an old line");
        assert!(matches!(&line.entry, Entry::SignalJoined { score: None, .. }));
        assert_eq!(String::from_utf8_lossy(&line.to_bytes()), old);
    }

    #[test]
    fn a_changed_missing_or_cut_record_shows() {
        let good = chain(&StreamId::Config, 3);
        let head = head_of(&good);

        let mut changed = good.clone();
        let at = changed[1].bytes.len() - 5;
        changed[1].bytes[at] ^= 1;
        assert!(matches!(
            VerifiedJournal::verify(StreamId::Config, &changed, head),
            Err(ChainError::Changed { seq: 2, .. })
        ));

        let missing = [good[0].clone(), good[2].clone()];
        assert!(matches!(
            VerifiedJournal::verify(StreamId::Config, &missing, head),
            Err(ChainError::Gap { expected: 2, .. })
        ));

        assert!(matches!(
            VerifiedJournal::verify(StreamId::Config, &good[..2], head),
            Err(ChainError::Cut { head: 3, found: 2, .. })
        ));
    }

    #[test]
    fn a_record_cannot_be_moved_to_another_stream() {
        let records = chain(&StreamId::Config, 1);
        let elsewhere = StreamId::Service("payment-service".into());
        assert!(VerifiedJournal::verify(elsewhere, &records, head_of(&records)).is_err());
    }
}
