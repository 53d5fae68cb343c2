//! Before an action: verdict, plan, gate.

use super::{Step, is_calm, workflow};
use crate::EngineConfig;
use crate::gather::Facts;
use midwatch_decision::{
    Authorized, GateInput, Level, PlanInput, Policy, ServiceHistory, decide as gate, plan as make_plan,
};
use midwatch_incident::{EffectRecord, Incident};
use midwatch_model::action::TargetState;
use midwatch_model::decision::{Decision, GateRecord, Guard, GuardResult, Mode, PolicyResult, Principal};
use midwatch_model::journal::{EffectOutcome, Entry, VerificationOutcome, VerifiedJournal};
use midwatch_model::{
    Action, ActionKind, Evidence, Hypothesis, Plan, PlanHash, PlanStep, Timestamp, Verdict, after,
    seconds_between,
};

/// Calls that a target may turn down before the step is given up: with doubled pauses about half a minute at one tick
/// per second, in which a control plane that restarts is back.
const REFUSALS_MAX: u32 = 6;

/// What a dry run says beside what it would have done.
pub(super) const HOW_TO_ARM: &str =
    "To arm: set dry_run = false in the configuration (or MIDWATCH_DRY_RUN=false) and restart";

/// An incident whose verdict moves to another component gets another plan's attempts, but only once.
const ATTEMPTS_FACTOR: usize = 2;

pub(super) fn decide(
    journal: &VerifiedJournal,
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
) -> Step {
    // What has begun to act goes on to its end or is taken back; nothing comes between.
    if incident.run_under_way().is_some() && incident.run_has_acted() {
        let fresh = facts.diagnose(incident, config.poll_interval_s);
        return workflow::go_on(journal, incident, facts, config, policy, &fresh);
    }
    let untouched = incident.attempts().next().is_none();
    if let Some((_, reason)) = incident.recurred.as_ref().filter(|_| !untouched) {
        return Step::escalate(format!("{reason}; the same dose is not repeated, since it treats a symptom"));
    }
    if let Some((by, reason)) = &incident.refused {
        return Step::escalate(format!("{by} refused the plan: {reason}"));
    }
    if let Some(reason) = incident.abandoned_run() {
        return Step::escalate(format!(
            "the workflow was left where it was, and what it did stays: {reason}"
        ));
    }
    let calm_s = config.incident.self_resolve_s;
    let left_alone =
        incident.effects.last().is_none_or(|e| seconds_between(e.intended_at, facts.now) >= calm_s);
    if left_alone && is_calm(incident, facts, calm_s) {
        return Step::Record(vec![Entry::Resolved { mttr_ms: 0, soak_ms: 0, by_itself: true }]);
    }
    let fresh = facts.diagnose(incident, config.poll_interval_s);
    // After an action the world shows its effects, so the verdict that led to it stands, unless symptoms have joined
    // since that point elsewhere, or its remedy has failed and what is left has another cause.
    let only_foreseen = incident.verdict.as_ref().is_some_and(|known| known.foreseen);
    let news = untouched
        || only_foreseen
        || (incident.has_news() && points_elsewhere(incident, facts, &fresh))
        || is_refuted(incident, facts, &fresh, config);
    if news && differs(incident.verdict.as_ref(), &fresh) {
        return diagnosed(fresh, facts, incident);
    }
    let Some(root) = incident.verdict.as_ref().and_then(Verdict::root) else {
        return inconclusive(incident, facts, config, &fresh);
    };
    match &incident.plan {
        Some((plan, _)) if plan.run.is_some() && incident.run_under_way().is_some() && is_for(plan, root) => {
            workflow::go_on(journal, incident, facts, config, policy, &fresh)
        }
        Some((plan, hash)) if plan.run.is_none() => {
            next_in_plan(incident, facts, config, policy, root, &fresh, (plan, hash))
        }
        // A run that is over leaves no steps to be done one by one.
        _ => planned(incident, facts, config, root),
    }
}

/// Whether the new verdict names a component that has not been acted upon yet, and that does not merely call one that
/// has: callers feel a fault for a while after it is over.
fn points_elsewhere(incident: &Incident, facts: &Facts, fresh: &Verdict) -> bool {
    fresh.root().is_some_and(|root| {
        incident.attempts().map(|e| e.intent.action.target()).all(|target| {
            *target != root.component && !facts.graph.upstream(target).contains_key(&root.component)
        })
    })
}

/// Whether a remedy has failed and the symptoms that remain are credibly those of another cause. What was refuted once
/// stays refuted, so that verdicts do not go round in circles.
fn is_refuted(incident: &Incident, facts: &Facts, fresh: &Verdict, config: &EngineConfig) -> bool {
    let failed =
        matches!(&incident.verified, Some((outcome, ..)) if *outcome != VerificationOutcome::Recovered);
    let known = incident.verdict.as_ref().and_then(Verdict::root);
    let other = |a: &Hypothesis, b: &Hypothesis| (a.cause, &a.component) != (b.cause, &b.component);
    match (known, fresh.root()) {
        (Some(known), Some(now)) => {
            failed
                && other(known, now)
                && now.confidence >= config.decision.min_confidence
                && (now.component == known.component
                    || !facts.graph.upstream(&known.component).contains_key(&now.component))
                && !incident.refuted.contains(&(now.component.clone(), now.cause))
        }
        _ => false,
    }
}

/// Whether the new verdict says something else: another cause or component, another change, or clearly more certainty.
pub(super) fn differs(known: Option<&Verdict>, fresh: &Verdict) -> bool {
    let Some(known) = known else { return true };
    if known.foreseen != fresh.foreseen {
        return true;
    }
    match (known.root(), fresh.root()) {
        (None, None) => false,
        (Some(a), Some(b)) => {
            let change = |h: &Hypothesis| h.change.as_ref().map(|c| c.id.clone());
            (a.cause, &a.component) != (b.cause, &b.component)
                || change(a) != change(b)
                || b.confidence - a.confidence >= 0.1
        }
        // A verdict is not taken back because symptoms fade.
        (Some(_), None) => false,
        (None, Some(_)) => true,
    }
}

pub(super) fn diagnosed(verdict: Verdict, facts: &Facts, incident: &Incident) -> Step {
    // Milliseconds from the newest signal to the verdict: what the person on call waited for.
    let elapsed_ms = seconds_between(incident.last_signal_at, facts.now).max(0.0) * 1000.0;
    Step::Record(vec![Entry::Diagnosed { verdict, elapsed_ms }])
}

fn inconclusive(incident: &Incident, facts: &Facts, config: &EngineConfig, fresh: &Verdict) -> Step {
    if seconds_between(incident.opened_at, facts.now) < config.incident.inconclusive_after_s {
        return Step::Wait;
    }
    Step::escalate(fresh.sentence())
}

/// Whether a plan was made for this root.
fn is_for(plan: &Plan, root: &Hypothesis) -> bool {
    plan.cause == root.cause && plan.steps.iter().all(|step| *step.action.target() == root.component)
}

/// Makes a plan for this root: a workflow's run, where one is enabled for it, else midwatch's own.
fn planned(incident: &Incident, facts: &Facts, config: &EngineConfig, root: &Hypothesis) -> Step {
    let target = facts.targets.get(&root.component);
    let waited = seconds_between(incident.opened_at, facts.now);
    if !matches!(target, Some(Ok(_))) && waited < config.incident.inconclusive_after_s {
        return Step::Wait;
    }
    if let Some(Ok(target)) = target
        && let Some(begun) = workflow::begin(incident, facts, config, root, target)
    {
        return begun;
    }
    let on_it = incident.attempts().filter(|e| *e.intent.action.target() == root.component);
    let tried: Vec<ActionKind> = on_it.map(|e| e.intent.action.kind()).collect();
    let plan = make_plan(&PlanInput {
        incident: &incident.id,
        root,
        target: target.and_then(|t| t.as_ref().ok()),
        config: &config.decision,
        has_callers: facts.graph.callers(&root.component).next().is_some(),
        owner: facts.owners.get(&root.component).and_then(Option::as_deref),
        tried: &tried,
    });
    let hash = plan.hash();
    Step::Record(vec![Entry::Planned { plan, hash }])
}

fn next_in_plan(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
    root: &Hypothesis,
    fresh: &Verdict,
    (plan, hash): (&Plan, &PlanHash),
) -> Step {
    if !is_for(plan, root) {
        return planned(incident, facts, config, root);
    }
    // An approval that could not be used until the request's end has expired with it.
    if let Some(waiting) = &incident.waiting
        && facts.now > waiting.expires_at
    {
        let plan = waiting.plan.clone();
        let reason = match &incident.approval {
            Some(approval) => {
                format!("the approval of {} expired before the step could be done", approval.by)
            }
            None => format!("nobody answered the request for approval: {}", waiting.why),
        };
        return Step::Record(vec![Entry::ApprovalExpired { plan }, Entry::Escalated { reason }]);
    }
    let tried = incident.attempts().filter(|e| e.intent.plan == *hash).count();
    let all_tried = incident.attempts().count();
    let Some(step) = plan.steps.get(incident.step).filter(|s| s.action.kind() != ActionKind::Escalate) else {
        return Step::escalate(exhausted(incident, all_tried));
    };
    if tried >= config.decision.max_attempts || all_tried >= ATTEMPTS_FACTOR * config.decision.max_attempts {
        return Step::escalate(format!("{all_tried} remedies were tried and did not help"));
    }
    if let Some(done) = incident.attempts().find(|e| e.intent.plan != *hash && e.intent.action == step.action)
    {
        let by = &done.intent.principal;
        let reason = format!("{by} did this already, and the trouble is still there");
        return Step::Record(vec![Entry::StepSkipped { step: incident.step, reason }]);
    }
    match refusals(incident, hash) {
        Some((count, _, reason)) if count >= REFUSALS_MAX => {
            let reason = format!("the target did not take it {count} times: {reason}");
            Step::Record(vec![Entry::StepSkipped { step: incident.step, reason }])
        }
        Some((count, last, _)) if seconds_between(last, facts.now) < pause_s(count, config) => Step::Wait,
        _ => put_to_gate(incident, facts, config, policy, fresh, step, hash),
    }
}

/// Calls for the present step that changed nothing: how many, when the last one ended, and what was said.
fn refusals<'a>(incident: &'a Incident, plan: &PlanHash) -> Option<(u32, Timestamp, &'a str)> {
    let mut found = None;
    let of_this_step = |e: &&EffectRecord| {
        e.intent.undoes.is_none() && e.intent.plan == *plan && e.intent.step == incident.step
    };
    for effect in incident.effects.iter().filter(of_this_step) {
        if let (Some(EffectOutcome::NotApplied { reason }), Some(at)) = (&effect.outcome, effect.ended_at) {
            found = Some((found.map_or(1, |(count, _, _)| count + 1), at, reason.as_str()));
        }
    }
    found
}

/// Seconds until a refused call is made anew: one tick, then twice as long each time.
fn pause_s(refusals: u32, config: &EngineConfig) -> f64 {
    config.tick_s * f64::from(1_u32 << (refusals - 1).min(REFUSALS_MAX))
}

fn exhausted(incident: &Incident, tried: usize) -> String {
    let verdict = incident.verdict.as_ref().map_or_else(String::new, Verdict::sentence);
    match (tried, &incident.gate) {
        (0, Some(gate)) => {
            let why = ruled_out(gate).map_or(&gate.because, |guard| &guard.reason);
            format!("no remedy may be used: {why}. {verdict}")
        }
        (0, None) => format!("there is no remedy that midwatch can carry out. {verdict}"),
        (1, _) => format!("the one remedy that may be used did not help. {verdict}"),
        (n, _) => format!("the {n} remedies that may be used did not help. {verdict}"),
    }
}

pub(super) fn put_to_gate(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
    fresh: &Verdict,
    step: &PlanStep,
    hash: &PlanHash,
) -> Step {
    let target = step.action.target();
    let before = match facts.targets.get(target) {
        Some(Ok(before)) => before,
        answer if is_overdue(incident, facts, config) => {
            let why = answer.and_then(|a| a.as_ref().err()).map_or("it was not asked", String::as_str);
            return Step::escalate(format!("no action is taken: the control plane cannot be read: {why}"));
        }
        _ => return Step::Wait,
    };
    let (record, authorized) =
        ask_gate(incident, facts, config, policy, fresh, step, hash, before, &Principal::Agent, None);
    let seen = facts.histories.get(target).map_or(0, |history| history.records);
    match authorized {
        Some(authorized) => Step::Act { record, authorized, seen },
        None => held_back(incident, facts, config, step, record),
    }
}

/// Asks the gate about the step that the incident has come to. `by` asks unless a person has said yes; with a `question`, a
/// person must.
#[expect(clippy::too_many_arguments, reason = "they are what a decision depends on")]
pub(super) fn ask_gate(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
    fresh: &Verdict,
    step: &PlanStep,
    hash: &PlanHash,
    before: &TargetState,
    by: &Principal,
    question: Option<&str>,
) -> (GateRecord, Option<Authorized>) {
    let target = step.action.target();
    let empty = ServiceHistory::default();
    let history = facts.histories.get(target).unwrap_or(&empty);
    let approval = incident.approval.as_ref();
    let principal = approval.map_or_else(|| by.clone(), |a| Principal::Human(a.by.clone()));
    let root = fresh.ranked.iter().find(|h| h.component == *target);
    let evidence: Vec<Evidence> = root.map_or_else(Vec::new, |root| {
        fresh.evidence.iter().filter(|e| root.supports.contains(&e.id)).cloned().collect()
    });
    let stood_s = incident.verdict_since.map_or(0.0, |since| seconds_between(since, facts.now).max(0.0));
    let known = incident.verdict.as_ref().and_then(Verdict::root);
    let level = match (question, level(incident, facts, config, &step.action)) {
        // A question narrows, and never widens.
        (Some(question), level) if level.mode == Mode::Auto => {
            Level { mode: Mode::Propose, why: question.to_owned() }
        }
        (_, level) => level,
    };
    let (mut record, authorized) = gate(&GateInput {
        now: facts.now,
        config: &config.decision,
        policy,
        mode: config.mode,
        dry_run: config.dry_run,
        principal: &principal,
        incident: Some(&incident.id),
        plan: hash,
        step: incident.step,
        action: &step.action,
        before,
        namespace: facts.namespaces.get(target).and_then(Option::as_deref),
        maintenance: facts.maintenance.get(target).map(String::as_str),
        cause: known.map(|h| h.cause),
        // After a failed remedy the symptoms are blurred; the verdict's own confidence then stands, still lowered by
        // staleness.
        confidence: root.map(|h| h.confidence).or(known.map(|h| h.confidence * fresh.freshness)),
        verdict_stood_s: stood_s,
        evidence: &evidence,
        affected_services: fresh.blast_radius.affected.len(),
        warm_up_ticks_left: facts.warm_up_ticks_left,
        history,
        level: &level,
        severity: incident.severity,
        approvals: &incident.approvals,
        takes_back: workflow::tidied(incident, &step.action).is_some(),
    });
    // Whoever is asked, for whatever reason, is asked what the author wants to know.
    if let Some(question) = question
        && record.decision == Decision::NeedsApproval
        && record.because != question
    {
        record.because = format!("{question} ({})", record.because);
    }
    (record, authorized)
}

/// How far midwatch may go by itself with a step. On a forecast no further than its record has earned.
fn level(incident: &Incident, facts: &Facts, config: &EngineConfig, action: &Action) -> Level {
    let cause = incident.verdict.as_ref().and_then(Verdict::root).map(|root| root.cause);
    let level = facts.levels.level(&config.decision, action.kind(), action.target(), cause);
    if level.mode == Mode::Auto && incident.is_predicted() && !facts.outlook.earned {
        let why = "it has not happened yet, and the record of forecasts has not earned more (midwatch forecast ledger)";
        return Level { mode: Mode::Propose, why: why.into() };
    }
    level
}

/// The gate's answer, unless it is the same again.
pub(super) fn news(incident: &Incident, record: &GateRecord) -> Vec<Entry> {
    let is_known = incident.gate.as_ref().is_some_and(|known| same(known, record));
    if is_known { Vec::new() } else { vec![Entry::Gated { record: record.clone() }] }
}

/// The gate did not let the step pass: wait, ask, skip or hand over.
fn held_back(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    step: &PlanStep,
    record: GateRecord,
) -> Step {
    let wait_or = |entries: Vec<Entry>| if entries.is_empty() { Step::Wait } else { Step::Record(entries) };
    let mut entries = news(incident, &record);
    let failed = |guard: Guard| record.failed().find(|g| g.guard == guard);
    // A verdict that may still change rules no step out.
    let early = failed(Guard::WarmUp).or(failed(Guard::Settled)).is_some();
    let ruled_out = ruled_out(&record);
    if config.mode == Mode::Shadow || early || (ruled_out.is_none() && record.failed().next().is_some()) {
        // Weak or stale evidence may get better; a person must not wait for it without knowing.
        let doubt = failed(Guard::Confidence).or(failed(Guard::FreshEvidence));
        // For what has not happened, nobody is woken because it is uncertain.
        let may_hand_over = !early && !incident.is_predicted() && is_overdue(incident, facts, config);
        if let Some(doubt) = doubt.filter(|_| may_hand_over) {
            entries.push(Entry::Escalated { reason: format!("no action is taken: {}", doubt.reason) });
        }
        return wait_or(entries);
    }
    if let Some(dose) = failed(Guard::RepeatedDose) {
        entries.push(Entry::Escalated { reason: dose.reason.clone() });
        return Step::Record(entries);
    }
    if let Some(guard) = ruled_out {
        entries.push(Entry::StepSkipped { step: incident.step, reason: guard.reason.clone() });
        return Step::Record(entries);
    }
    entries.extend(answered(incident, facts, config, step, &record));
    wait_or(entries)
}

/// What follows from the policy's answer, or from the mode, once no guard stands against the step.
fn answered(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    step: &PlanStep,
    record: &GateRecord,
) -> Option<Entry> {
    let (plan, because) = (record.plan.clone(), record.because.clone());
    match (&record.policy, record.decision) {
        (PolicyResult::Failed { .. }, _) => Some(Entry::Escalated { reason: because }),
        (PolicyResult::Denied { singled_out: false, .. }, _) => {
            Some(Entry::StepSkipped { step: incident.step, reason: because })
        }
        (PolicyResult::Denied { .. }, _) if incident.approval.is_some() => {
            Some(Entry::ApprovalRefused { plan, by: "policy".into(), reason: because, by_policy: true })
        }
        (PolicyResult::Denied { .. }, _) | (_, Decision::NeedsApproval) => {
            let asked =
                incident.waiting.as_ref().filter(|w| w.plan == record.plan && w.step == incident.step);
            let needed = config.decision.people_needed(incident.severity);
            // It has become worse since: more people must say yes, in the time that was given.
            let is_asked = asked.is_some_and(|w| w.needed >= needed);
            let expires_at =
                asked.map_or_else(|| after(facts.now, config.decision.approval_ttl_s), |w| w.expires_at);
            let request =
                |why| Entry::ApprovalRequested { plan, step: incident.step, why, expires_at, needed };
            (!is_asked).then(|| request(because))
        }
        (_, Decision::DryRun) if !incident.would_have_acted => {
            let how_to_arm = HOW_TO_ARM.to_owned();
            Some(Entry::WouldHaveActed { action: step.action.clone(), how_to_arm })
        }
        _ => None,
    }
}

/// Whether the verdict has stood, without an action or a request, for as long as one may be looked for.
fn is_overdue(incident: &Incident, facts: &Facts, config: &EngineConfig) -> bool {
    let since = incident.verdict_since.unwrap_or(incident.opened_at);
    config.mode != Mode::Shadow
        && incident.waiting.is_none()
        && seconds_between(since, facts.now) >= config.incident.inconclusive_after_s
}

/// The first guard that failed and that waiting does not change.
pub(super) fn ruled_out(record: &GateRecord) -> Option<&GuardResult> {
    record.failed().find(|g| !g.guard.may_pass_later())
}

/// Whether two records say the same: decision, step, and the guards that failed. Numbers within reasons change with
/// every tick and are no news.
fn same(a: &GateRecord, b: &GateRecord) -> bool {
    let failed = |r: &GateRecord| r.failed().map(|g| g.guard).collect::<Vec<_>>();
    a.decision == b.decision
        && a.plan == b.plan
        && a.step == b.step
        && a.principal == b.principal
        && failed(a) == failed(b)
}
