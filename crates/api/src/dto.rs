//! The API's own data shapes. They change only with the API's version; the model may change freely behind them.

use midwatch_engine::Health;
use midwatch_incident::Incident;
use midwatch_model::decision::GateRecord;
use midwatch_model::journal::{EffectOutcome, Entry, Line, Reading, VerificationOutcome};
use midwatch_model::{Action, Plan, Score, Signal, Timestamp, Verdict};
use midwatch_report::timeline;
use midwatch_store::IncidentRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Readings that an incident shows; a recovery needs fewer.
const READINGS_MAX: usize = 30;

/// An incident in a list.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct IncidentSummary {
    pub id: String,
    pub state: String,
    /// The component that the verdict names, or where the first signal came from.
    pub component: String,
    pub cause: Option<String>,
    #[schema(value_type = String)]
    pub opened_at: Timestamp,
    /// The verdict in one sentence.
    pub summary: String,
    /// Entries of its journal: whatever happens to it counts up.
    #[serde(default)]
    pub seq: u64,
}

impl From<IncidentRow> for IncidentSummary {
    fn from(row: IncidentRow) -> Self {
        Self {
            id: row.id,
            state: row.state,
            component: row.service,
            cause: row.cause,
            opened_at: row.opened_at,
            summary: row.summary,
            seq: row.seq,
        }
    }
}

/// A page of incidents, the last opened first.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct IncidentPage {
    pub incidents: Vec<IncidentSummary>,
    /// What the next page is asked for with; absent on the last one.
    pub next_cursor: Option<String>,
}

/// Everything that waits for a person.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ApprovalList {
    pub approvals: Vec<ApprovalDto>,
}

/// Actions, newest first.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ActionList {
    pub actions: Vec<ActionDto>,
}

/// One row of a timeline.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TimelineDto {
    #[schema(value_type = String)]
    pub at: Timestamp,
    pub role: String,
    pub what: String,
}

/// One effect of an incident.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ActionDto {
    pub key: String,
    pub incident: Option<String>,
    pub action: Action,
    pub target: String,
    pub by: String,
    /// The key of the action that this one takes back.
    pub undoes: Option<String>,
    /// What would take it back.
    pub undo: Option<Action>,
    #[schema(value_type = String)]
    pub intended_at: Timestamp,
    /// `None` while nobody knows.
    pub outcome: Option<EffectOutcome>,
}

/// A request that waits for a person.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ApprovalDto {
    pub incident: String,
    /// The hash that an approval must name.
    pub plan: String,
    pub step: usize,
    pub action: Option<String>,
    pub undo: Option<String>,
    pub why: String,
    pub verdict: String,
    #[schema(value_type = String)]
    pub since: Timestamp,
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
    /// Different people whose yes is needed, and who has said yes so far.
    pub needed: usize,
    pub approved_by: Vec<String>,
}

/// A person's answer to a request.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalBody {
    pub incident: String,
    /// The hash of the plan that was looked at.
    pub plan: String,
    /// The step of it that was looked at; the one that waits if absent.
    #[serde(default)]
    pub step: Option<usize>,
    /// `approve` or `deny`.
    pub decision: String,
    /// Who decides. Where approvers are configured, an API key says by itself whose it is.
    pub by: String,
    #[serde(default)]
    pub reason: String,
}

/// A person's action.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    pub action: Action,
    pub by: String,
    #[serde(default)]
    pub reason: String,
}

/// A signal that joined an incident, and why.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct JoinedDto {
    pub signal: String,
    pub reason: String,
    /// How strongly it is related, part by part. Absent in journals of before scores were kept.
    pub score: Option<Score>,
}

/// Where trouble may have begun among what the service graph does not know.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct OriginDto {
    pub entity: String,
    /// What speaks for it, part by part.
    pub score: Score,
}

/// What language models were asked.
#[derive(Default, Serialize, Deserialize, ToSchema)]
pub struct ModelUseDto {
    pub calls: usize,
    pub tokens: u64,
    /// US dollars.
    pub cost: f64,
}

/// An incident with everything that is known of it.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct IncidentDetail {
    pub id: String,
    pub state: String,
    /// The incident that this one is a child of: related, but not strongly enough to be one with it.
    pub parent: Option<String>,
    /// How strongly it is related to its parent, part by part.
    pub parent_score: Option<Score>,
    /// The incidents that are children of this one, oldest first.
    pub children: Vec<IncidentSummary>,
    pub component: String,
    pub cause: Option<String>,
    pub confidence: Option<f64>,
    pub summary: String,
    #[schema(value_type = String)]
    pub opened_at: Timestamp,
    #[schema(value_type = Option<String>)]
    pub verdict_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    pub recovered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    pub resolved_at: Option<Timestamp>,
    pub mttr_ms: Option<u64>,
    pub signals: Vec<Signal>,
    /// Why each but the first of them is in this incident.
    pub joined: Vec<JoinedDto>,
    pub verdict: Option<Verdict>,
    /// Where it may have begun, while no verdict is conclusive.
    pub suspected_origin: Option<OriginDto>,
    pub plan: Option<Plan>,
    pub plan_hash: Option<String>,
    /// The last answer of the gate.
    pub gate: Option<GateRecord>,
    pub waiting: Option<ApprovalDto>,
    pub actions: Vec<ActionDto>,
    pub verification: Option<VerificationOutcome>,
    /// Looks at what set it off, since the last action or since it was opened; the last ones only.
    pub readings: Vec<Reading>,
    pub would_have_acted: bool,
    pub escalated: Option<String>,
    /// Who has taken it up.
    pub acknowledged: Option<String>,
    /// Who answers for it.
    pub assignee: Option<String>,
    /// Nobody is told of it before then, but for its end.
    #[schema(value_type = Option<String>)]
    pub snoozed_until: Option<Timestamp>,
    /// The silence that keeps it quiet: who ends that wakes it up.
    pub snooze: Option<String>,
    /// The incident that goes on for it.
    pub merged_into: Option<String>,
    /// What language models were asked about it; absent where none was.
    pub model_use: Option<ModelUseDto>,
    /// Path of the postmortem, once written.
    pub postmortem: Option<String>,
    /// Digest of its text as it is now.
    pub postmortem_digest: Option<String>,
    pub timeline: Vec<TimelineDto>,
}

impl IncidentDetail {
    pub(crate) fn new(incident: &Incident, lines: &[Line], children: Vec<IncidentRow>) -> Self {
        let root = incident.verdict.as_ref().and_then(Verdict::root);
        Self {
            id: incident.id.to_string(),
            state: incident.state.to_string(),
            parent: incident.parent.as_ref().map(ToString::to_string),
            parent_score: parent_score(lines),
            children: children.into_iter().map(IncidentSummary::from).collect(),
            component: incident.component().to_string(),
            cause: root.map(|r| r.cause.name().to_owned()),
            confidence: root.map(|r| r.confidence),
            summary: incident
                .verdict
                .as_ref()
                .map_or_else(|| incident.signals[0].summary.clone(), Verdict::sentence),
            opened_at: incident.opened_at,
            verdict_at: incident.first_verdict_at,
            recovered_at: incident.recovered_at(),
            resolved_at: incident.resolved_at,
            mttr_ms: incident.mttr_ms.filter(|_| incident.last_effect().is_some()),
            signals: incident.signals.clone(),
            joined: joined(lines),
            verdict: incident.verdict.clone(),
            suspected_origin: None,
            plan: incident.plan.as_ref().map(|(plan, _)| plan.clone()),
            plan_hash: incident.plan.as_ref().map(|(_, hash)| hash.to_string()),
            gate: incident.gate.clone(),
            waiting: waiting(incident),
            actions: actions(incident),
            verification: incident.verified.as_ref().map(|(outcome, _, _)| *outcome),
            readings: incident.readings.iter().rev().take(READINGS_MAX).rev().cloned().collect(),
            would_have_acted: incident.would_have_acted,
            escalated: incident.escalated.as_ref().map(|(_, reason)| reason.clone()),
            acknowledged: incident.acknowledged.as_ref().map(|(by, _)| by.clone()),
            assignee: incident.assignee.clone(),
            snoozed_until: None,
            snooze: None,
            merged_into: incident.merged_into.as_ref().map(ToString::to_string),
            model_use: model_use(lines),
            postmortem: incident.report.clone(),
            postmortem_digest: incident.report_digest.clone(),
            timeline: timeline(lines)
                .into_iter()
                .map(|row| TimelineDto {
                    at: row.at,
                    role: format!("{:?}", row.role).to_lowercase(),
                    what: row.what,
                })
                .collect(),
        }
    }
}

fn model_use(lines: &[Line]) -> Option<ModelUseDto> {
    let of = |line: &Line| match &line.entry {
        Entry::Advised { advice } => Some((advice.calls.len(), advice.tokens, advice.cost)),
        Entry::Worded { prose } => Some((usize::from(prose.call.is_some()), prose.tokens, prose.cost)),
        _ => None,
    };
    let mut all = lines.iter().filter_map(of).peekable();
    all.peek()?;
    Some(all.fold(ModelUseDto::default(), |sum, (calls, tokens, cost)| ModelUseDto {
        calls: sum.calls + calls,
        tokens: sum.tokens + tokens,
        cost: sum.cost + cost,
    }))
}

fn parent_score(lines: &[Line]) -> Option<Score> {
    lines.iter().rev().find_map(|line| match &line.entry {
        Entry::Linked { score, .. } => Some(score.clone()),
        _ => None,
    })
}

fn joined(lines: &[Line]) -> Vec<JoinedDto> {
    let of = |line: &Line| match &line.entry {
        Entry::SignalJoined { signal, reason, score } => {
            Some(JoinedDto { signal: signal.id.to_string(), reason: reason.clone(), score: score.clone() })
        }
        _ => None,
    };
    lines.iter().filter_map(of).collect()
}

pub(crate) fn waiting(incident: &Incident) -> Option<ApprovalDto> {
    let waiting = incident.waiting.as_ref()?;
    let step = incident.plan.as_ref().and_then(|(plan, _)| plan.steps.get(waiting.step));
    Some(ApprovalDto {
        incident: incident.id.to_string(),
        plan: waiting.plan.to_string(),
        step: waiting.step,
        action: step.map(|s| s.action.sentence()),
        undo: step.and_then(|s| s.undo.as_ref()).map(Action::sentence),
        why: waiting.why.clone(),
        verdict: incident.verdict.as_ref().map_or_else(String::new, Verdict::sentence),
        since: waiting.since,
        expires_at: waiting.expires_at,
        needed: waiting.needed,
        approved_by: incident.approvals.iter().map(|approval| approval.by.clone()).collect(),
    })
}

fn actions(incident: &Incident) -> Vec<ActionDto> {
    let dto = |effect: &midwatch_incident::EffectRecord| ActionDto {
        key: effect.intent.key.to_string(),
        incident: Some(incident.id.to_string()),
        action: effect.intent.action.clone(),
        target: effect.intent.action.target().to_string(),
        by: effect.intent.principal.to_string(),
        undoes: effect.intent.undoes.as_ref().map(ToString::to_string),
        undo: effect.intent.undo.clone(),
        intended_at: effect.intended_at,
        outcome: effect.outcome.clone(),
    };
    incident.effects.iter().map(dto).collect()
}

/// The watch at a glance.
#[derive(Serialize, ToSchema)]
pub struct StatusDto {
    pub version: &'static str,
    pub mode: String,
    pub dry_run: bool,
    #[schema(value_type = Object)]
    pub health: Health,
    pub open_incidents: usize,
    /// Alerts and anomalies that were taken in and are not in an incident yet.
    pub unplaced: u64,
    pub waiting_for_approval: usize,
    pub services: usize,
}
