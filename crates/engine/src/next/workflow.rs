//! An incident whose plan is a workflow's run: what the step machine says is next, put to the same gate as everything.
//!
//! Must never: act beside the gate, or end a run with something done and not said.

use super::decide::{ask_gate, news, ruled_out};
use super::{Step, is_calm};
use crate::EngineConfig;
use crate::gather::Facts;
use midwatch_action::workflow::{
    Asking, EffectSeen, Next, Run, StepInput, Subject, choose, first_actions, step, why,
};
use midwatch_decision::{PlanInput, Policy, plan_of, resume_effect};
use midwatch_incident::{EffectRecord, Incident, RunRecord};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{Decision, GateRecord, Guard, Mode, PolicyResult, Principal};
use midwatch_model::journal::{Entry, VerifiedJournal};
use midwatch_model::workflow::{Otherwise, PlannedRun, RunEvent, RunOutcome, StepEnd, WorkflowStep};
use midwatch_model::{
    Action, ActionKind, Hypothesis, Labels, Plan, PlanHash, Verdict, after, seconds_between,
};
use std::collections::BTreeMap;

/// What a run looks at, and for whom.
pub(crate) struct RunLook {
    pub run: String,
    pub step: WorkflowStep,
    pub subject: Subject,
}

/// The plan of the workflow that is for this incident, if one is enabled that has not run for it yet.
pub(super) fn begin(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    root: &Hypothesis,
    target: &TargetState,
) -> Option<Step> {
    if config.workflows.is_empty() || incident.run_has_acted() {
        return None;
    }
    let subject = subject(incident, facts, root);
    let (workflow, reason) = choose(&config.workflows, &subject, &incident.workflows)?;
    let id = format!("run-{}", incident.workflows.len() + 1);
    let run = PlannedRun { id: id.clone(), workflow: workflow.clone() };
    let plan = made(incident, facts, config, root, Some(target), run, first_actions(workflow, &subject));
    let hash = plan.hash();
    let event = RunEvent::Started { workflow: workflow.name.clone(), reason };
    Some(Step::Record(vec![Entry::Planned { plan, hash }, Entry::Workflow { run: id, event }]))
}

fn made(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    root: &Hypothesis,
    target: Option<&TargetState>,
    run: PlannedRun,
    actions: Vec<(Action, String)>,
) -> Plan {
    let input = PlanInput {
        incident: &incident.id,
        root,
        target,
        config: &config.decision,
        has_callers: facts.graph.callers(&root.component).next().is_some(),
        owner: facts.owners.get(&root.component).and_then(Option::as_deref),
        tried: &[],
    };
    plan_of(&input, run, actions)
}

fn subject(incident: &Incident, facts: &Facts, root: &Hypothesis) -> Subject {
    let derived = incident.signals.iter().map(|signal| {
        let mut labels = facts.labels.get(&signal.id).cloned().unwrap_or_default();
        labels.insert_new("service", signal.service.as_str());
        if let Some(name) = &signal.alert_name {
            labels.insert_new("alertname", name.as_str());
        }
        if let Some(severity) = signal.severity {
            let severity: &str = severity.into();
            labels.insert_new("severity", severity);
        }
        labels
    });
    let labels: Vec<Labels> = derived.collect();
    Subject {
        service: root.component.clone(),
        cause: root.cause,
        severity: incident.severity,
        confidence: root.confidence,
        labels,
    }
}

/// The next step of a run. `fresh` is the verdict as it would be now.
pub(super) fn go_on(
    journal: &VerifiedJournal,
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
    fresh: &Verdict,
) -> Step {
    let (Some(record), Some((plan, hash))) = (incident.run_under_way(), &incident.plan) else {
        return Step::Wait;
    };
    let (Some(planned), Some(root)) = (&plan.run, incident.verdict.as_ref().and_then(Verdict::root)) else {
        return Step::Wait;
    };
    let run = Run::fold(&planned.workflow, &record.events);
    let subject = subject(incident, facts, root);
    let effects = effects(incident);
    let asking = asking(incident, facts);
    if let (Asking::No(_), Some(waiting)) = (&asking, &incident.waiting)
        && facts.now > waiting.expires_at
    {
        let expired = Entry::ApprovalExpired { plan: waiting.plan.clone() };
        if let Some((step, _)) = run.current() {
            let reason = match &incident.approval {
                Some(approval) => {
                    format!("the approval of {} expired before the step could be done", approval.by)
                }
                None => format!("nobody answered in time: {}", waiting.why),
            };
            let ends = [expired, event(record, failed(step, reason.clone()))];
            return Step::Record(ends.into_iter().chain(unanswered(incident, record, reason)).collect());
        }
    }
    let input = StepInput { now: facts.now, run: &run, subject: &subject, effects: &effects, asking };
    match step(&input) {
        Next::Wait => Step::Wait,
        Next::Record(events) => Step::Record(recorded(incident, record, events)),
        Next::Look(step) => Step::Look(Box::new(RunLook {
            run: record.id.clone(),
            step: step.clone(),
            subject: subject.clone(),
        })),
        Next::Undo(key) => take_back(journal, incident, facts, config, &key),
        // What closes what the run has opened is done all the same.
        Next::Act { step, action, .. }
            if tidied(incident, &action).is_none()
                && incident.run_has_acted()
                && is_calm(incident, facts, config.incident.self_resolve_s) =>
        {
            let (end, outputs) = (StepEnd::Skipped, BTreeMap::new());
            let detail = "the service is well again, so nothing more is done".to_owned();
            Step::Record(vec![event(
                record,
                RunEvent::StepEnded { step: step.id.clone(), end, detail, outputs },
            )])
        }
        Next::Act { step, plan_step, action, question } => {
            if incident.step != plan_step {
                return Step::Wait;
            }
            if plan.steps.get(plan_step).is_none_or(|known| known.action != action) {
                return replanned(incident, facts, config, root, (plan, plan_step), (step, action));
            }
            let asked = Asked { step, question };
            put_to_gate(incident, facts, config, policy, fresh, record, (plan, hash), &asked)
        }
    }
}

/// The effect of the run that an action would take back: closing what it opened.
pub(super) fn tidied<'a>(incident: &'a Incident, action: &Action) -> Option<&'a EffectRecord> {
    incident.run_under_way()?;
    let undone_by = |effect: &&EffectRecord| effect.intent.undo.as_ref() == Some(action);
    incident.attempts().filter(|effect| incident.is_of_run(effect)).filter(undone_by).last()
}

/// Silence is no consent: nothing else is tried without a person either. What was done is taken back.
fn unanswered(incident: &Incident, record: &RunRecord, reason: String) -> Vec<Entry> {
    if incident.run_has_acted() {
        return vec![event(record, RunEvent::RollbackStarted { reason })];
    }
    let ended = RunEvent::Ended { outcome: RunOutcome::RolledBack, reason: reason.clone() };
    vec![event(record, ended), Entry::Escalated { reason }]
}

fn event(record: &RunRecord, event: RunEvent) -> Entry {
    Entry::Workflow { run: record.id.clone(), event }
}

fn failed(step: &WorkflowStep, detail: String) -> RunEvent {
    RunEvent::StepEnded { step: step.id.clone(), end: StepEnd::Failed, detail, outputs: BTreeMap::new() }
}

/// Events as entries; a run that ended badly with something done is for a person.
fn recorded(incident: &Incident, record: &RunRecord, events: Vec<RunEvent>) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(events.len() + 1);
    for one in events {
        let handed_over = match &one {
            RunEvent::Ended { outcome, reason } if incident.run_has_acted() => match outcome {
                RunOutcome::Completed | RunOutcome::Abandoned => None,
                RunOutcome::RolledBack => Some(format!("the workflow was taken back: {reason}")),
                RunOutcome::NotRolledBack => Some(format!("the workflow could not be taken back: {reason}")),
            },
            RunEvent::Ended { reason, .. } if hands_over(incident) => {
                Some(format!("the workflow has touched nothing and hands over: {reason}"))
            }
            _ => None,
        };
        entries.push(event(record, one));
        entries.extend(handed_over.map(|reason| Entry::Escalated { reason }));
    }
    entries
}

/// Whether a run that touched nothing is to be followed by a person and not by midwatch's own plan.
fn hands_over(incident: &Incident) -> bool {
    let run = incident.plan.as_ref().and_then(|(plan, _)| plan.run.as_ref());
    run.is_some_and(|run| run.workflow.otherwise == Otherwise::HandOver)
}

fn effects(incident: &Incident) -> Vec<EffectSeen> {
    let of_run = |effect: &&EffectRecord| effect.intent.undoes.is_none() && incident.is_of_run(effect);
    let seen = |effect: &EffectRecord| EffectSeen {
        key: effect.intent.key.clone(),
        plan_step: effect.intent.step,
        intended_at: effect.intended_at,
        what: effect.intent.action.sentence(),
        outcome: effect.outcome.clone(),
        cut_short: effect.cut_short,
        by_person: matches!(effect.intent.principal, Principal::Human(_)),
        has_undo: effect.intent.undo.is_some(),
        undos: incident
            .effects
            .iter()
            .filter(|other| other.intent.undoes.as_ref() == Some(&effect.intent.key))
            .map(|undo| undo.outcome.clone())
            .collect(),
    };
    incident.effects.iter().filter(of_run).map(seen).collect()
}

fn asking(incident: &Incident, facts: &Facts) -> Asking {
    if let Some((by, reason)) = &incident.refused {
        return Asking::No(format!("{by} refused it: {reason}"));
    }
    match &incident.waiting {
        Some(waiting) if facts.now > waiting.expires_at => Asking::No("nobody answered in time".to_owned()),
        Some(_) => Asking::Asked,
        None if incident.approval.is_some() => Asking::Asked,
        None => Asking::Nobody,
    }
}

/// The plan with the action that the run has come to, in the place of what was thought before.
fn replanned(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    root: &Hypothesis,
    (plan, plan_step): (&Plan, usize),
    (step, action): (&WorkflowStep, Action),
) -> Step {
    let Some(run) = &plan.run else { return Step::Wait };
    let Some(Ok(target)) = facts.targets.get(&root.component) else { return Step::Wait };
    let is_action = |known: &&midwatch_model::PlanStep| known.action.kind() != ActionKind::Escalate;
    let mut actions: Vec<(Action, String)> = plan
        .steps
        .iter()
        .filter(is_action)
        .take(plan_step)
        .map(|known| (known.action.clone(), known.rationale.clone()))
        .collect();
    let new = (action, why(&run.workflow, step));
    // Steps that failed before it was known what they would do have no place of their own.
    actions.resize(plan_step + 1, new);
    let plan = made(incident, facts, config, root, Some(target), (**run).clone(), actions);
    let hash = plan.hash();
    Step::Record(vec![Entry::Planned { plan, hash }])
}

/// A step that acts, and what it asks of people.
struct Asked<'a> {
    step: &'a WorkflowStep,
    question: Option<String>,
}

#[expect(
    clippy::too_many_arguments,
    reason = "they are what a decision depends on, as for every step of a plan"
)]
fn put_to_gate(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
    fresh: &Verdict,
    record: &RunRecord,
    (plan, hash): (&Plan, &PlanHash),
    asked: &Asked<'_>,
) -> Step {
    let Some(known) = plan.steps.get(incident.step) else { return Step::Wait };
    let Some(Ok(before)) = facts.targets.get(known.action.target()) else { return Step::Wait };
    if known.action.changes_nothing(before) {
        let detail = "it is so already".to_owned();
        let (step, end, outputs) = (asked.step.id.clone(), StepEnd::Done, BTreeMap::new());
        return Step::Record(vec![event(record, RunEvent::StepEnded { step, end, detail, outputs })]);
    }
    let name = plan.run.as_ref().map_or("", |run| run.workflow.name.as_str());
    let by = Principal::Runbook(name.to_owned());
    let (gate, authorized) =
        ask_gate(incident, facts, config, policy, fresh, known, hash, before, &by, asked.question.as_deref());
    match authorized {
        Some(authorized) => {
            let seen = facts.histories.get(known.action.target()).map_or(0, |history| history.records);
            Step::Act { record: gate, authorized, seen }
        }
        None => held_back(incident, facts, config, record, &known.action, gate, asked),
    }
}

/// The gate did not let the step pass: wait, ask, or let the step fail.
fn held_back(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    record: &RunRecord,
    action: &Action,
    gate: GateRecord,
    asked: &Asked<'_>,
) -> Step {
    let mut entries = news(incident, &gate);
    let fails = |why: String| event(record, failed(asked.step, why));
    let of_guard = ruled_out(&gate).or_else(|| gate.failed().find(|g| g.guard == Guard::RepeatedDose));
    let early = gate.failed().any(|g| matches!(g.guard, Guard::WarmUp | Guard::Settled));
    if let Some(guard) = of_guard.filter(|_| !early) {
        entries.push(fails(guard.reason.clone()));
        return Step::Record(entries);
    }
    if gate.failed().next().is_none() {
        match (&gate.policy, gate.decision) {
            (PolicyResult::Failed { .. } | PolicyResult::Denied { singled_out: false, .. }, _) => {
                entries.push(fails(gate.because.clone()));
            }
            (PolicyResult::Denied { .. }, _) if incident.approval.is_some() => {
                entries.push(fails(gate.because.clone()));
            }
            (PolicyResult::Denied { .. }, _) | (_, Decision::NeedsApproval)
                if config.mode != Mode::Shadow =>
            {
                entries.extend(request(incident, facts, config, &gate));
            }
            // A run that waited for what is never done would wait for ever.
            (_, Decision::DryRun) => {
                let how_to_arm = super::decide::HOW_TO_ARM.to_owned();
                if !incident.would_have_acted {
                    entries.push(Entry::WouldHaveActed { action: action.clone(), how_to_arm });
                }
                entries.push(fails("dry_run is on, so that it is only told".to_owned()));
            }
            _ => {}
        }
    }
    if entries.is_empty() { Step::Wait } else { Step::Record(entries) }
}

fn request(incident: &Incident, facts: &Facts, config: &EngineConfig, gate: &GateRecord) -> Option<Entry> {
    let known = incident.waiting.as_ref().filter(|w| w.plan == gate.plan && w.step == incident.step);
    let needed = config.decision.people_needed(incident.severity);
    if known.is_some_and(|waiting| waiting.needed >= needed) {
        return None;
    }
    let expires_at = known.map_or_else(|| after(facts.now, config.decision.approval_ttl_s), |w| w.expires_at);
    let (plan, why) = (gate.plan.clone(), gate.because.clone());
    Some(Entry::ApprovalRequested { plan, step: incident.step, why, expires_at, needed })
}

/// Takes one effect of the run back.
fn take_back(
    journal: &VerifiedJournal,
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    key: &midwatch_model::ActionKey,
) -> Step {
    let Some(effect) = incident.effects.iter().find(|effect| effect.intent.key == *key) else {
        return Step::Wait;
    };
    let undo = effect.intent.undo.as_ref().map_or_else(String::new, Action::sentence);
    if config.dry_run || config.mode == Mode::Shadow {
        return Step::escalate(format!(
            "midwatch may touch nothing now; to take back what the workflow did: {undo}"
        ));
    }
    let Some(Ok(target)) = facts.targets.get(effect.intent.action.target()) else {
        let since = effect.ended_at.unwrap_or(effect.intended_at);
        if seconds_between(since, facts.now) < config.incident.inconclusive_after_s {
            return Step::Wait;
        }
        return Step::escalate(format!(
            "the workflow cannot be taken back: the target cannot be read; by hand: {undo}"
        ));
    };
    if let Some(overwritten) = effect.overwritten(target) {
        return Step::escalate(overwritten);
    }
    match resume_effect(journal, key, facts.now) {
        Some(authorized) => Step::Undo { authorized, done: key.clone(), target: target.clone() },
        None => Step::escalate(format!("the journal holds no authorisation for the undo; by hand: {undo}")),
    }
}

/// A run whose effects did not help is taken back like one that failed.
pub(super) fn did_not_help(incident: &Incident, why: &str) -> Option<Step> {
    let last = incident.last_effect()?;
    let helped_nobody = |_: &&RunRecord| incident.is_of_run(last) && incident.abandoned_run().is_none();
    let record = incident.run.as_ref().filter(helped_nobody)?;
    let reason = format!("it did not help: {why}");
    Some(Step::Record(vec![event(record, RunEvent::RollbackStarted { reason })]))
}
