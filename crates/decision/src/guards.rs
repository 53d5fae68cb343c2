//! The guards: ordered, each with its reason on record, none of which policy can switch off.

use crate::GateInput;
use midwatch_model::decision::{Guard, GuardResult, Principal};
use midwatch_model::{Action, ActionKind, seconds_between};
use std::collections::BTreeSet;

/// One guard: passed or not, with the reason.
type Check = fn(&GateInput<'_>) -> Result<String, String>;

/// Runs every guard. All of them run, so that the record shows everything that stood in the way and not only the first.
pub(crate) fn run(input: &GateInput<'_>) -> Vec<GuardResult> {
    let checks: [(Guard, Check); 16] = [
        (Guard::WarmUp, warm_up),
        (Guard::Settled, settled),
        (Guard::Confidence, confidence),
        (Guard::FreshEvidence, fresh_evidence),
        (Guard::SafetyClass, safety_class),
        (Guard::Catalogue, catalogue),
        (Guard::NamespaceAllowlist, namespace),
        (Guard::Maintenance, maintenance),
        (Guard::ReplicaCeiling, replica_ceiling),
        (Guard::PoolCeiling, pool_ceiling),
        (Guard::RateLimit, rate_limit),
        (Guard::OneAtATime, one_at_a_time),
        (Guard::BlastRadius, blast_radius),
        (Guard::RecentlyRemediated, recently_remediated),
        (Guard::RepeatedDose, repeated_dose),
        (Guard::ApprovalBinding, approval_binding),
    ];
    checks
        .into_iter()
        .map(|(guard, check)| {
            let answer = match passes_by_itself(guard, input) {
                Some(why) => Ok(why.to_owned()),
                None => check(input),
            };
            GuardResult { guard, passed: answer.is_ok(), reason: answer.unwrap_or_else(|reason| reason) }
        })
        .collect()
}

/// Why guards about the trouble let a step pass that takes back an earlier one.
const CLOSES: &str = "it takes back what the same workflow did before";

/// Why guards that keep what runs from harm let a proposal pass.
const NOTHING_RUNS: &str = "nothing that runs changes by it";

/// What reaches nothing that runs cannot be done too often to it, at a bad time, or on the word of one witness. Whether the
/// verdict is good enough to be shown to people is asked all the same.
fn passes_by_itself(guard: Guard, input: &GateInput<'_>) -> Option<&'static str> {
    let kept = matches!(
        guard,
        Guard::FreshEvidence
            | Guard::Maintenance
            | Guard::RateLimit
            | Guard::OneAtATime
            | Guard::BlastRadius
            | Guard::RecentlyRemediated
            | Guard::RepeatedDose
    );
    if kept && input.action.kind() == ActionKind::PullRequest {
        return Some(NOTHING_RUNS);
    }
    (input.takes_back && is_about_the_trouble(guard)).then_some(CLOSES)
}

/// What a workflow does to close what it opened is no further remedy: it needs no trouble that lasts.
fn is_about_the_trouble(guard: Guard) -> bool {
    matches!(guard, Guard::Settled | Guard::Confidence | Guard::FreshEvidence | Guard::RepeatedDose)
}

fn is_person(input: &GateInput<'_>) -> bool {
    matches!(input.principal, Principal::Human(_))
}

fn warm_up(input: &GateInput<'_>) -> Result<String, String> {
    match input.warm_up_ticks_left {
        0 => Ok("the watch is warm".into()),
        left => Err(format!("still warming up: {left} ticks left in which nothing is acted upon")),
    }
}

fn settled(input: &GateInput<'_>) -> Result<String, String> {
    let stood = input.verdict_stood_s;
    if is_person(input) {
        return Ok("a person asks".into());
    }
    if stood >= input.config.settle_s {
        return Ok(format!("the verdict has stood for {stood:.0} s"));
    }
    Err(format!(
        "the verdict has stood for {stood:.1} s of {} s: more symptoms may join",
        input.config.settle_s
    ))
}

fn confidence(input: &GateInput<'_>) -> Result<String, String> {
    let Some(confidence) = input.confidence else {
        return if is_person(input) {
            Ok("a person asks: no verdict is needed".into())
        } else {
            Err("there is no verdict to act upon".into())
        };
    };
    let least = input.config.min_confidence;
    if is_person(input) || confidence >= least {
        return Ok(format!("confidence {confidence:.2}, at least {least:.2} is needed"));
    }
    Err(format!("confidence {confidence:.2} is below {least:.2}"))
}

fn fresh_evidence(input: &GateInput<'_>) -> Result<String, String> {
    let fresh: BTreeSet<_> = input
        .evidence
        .iter()
        .filter(|e| seconds_between(e.to, input.now) <= input.config.evidence_max_age_s)
        .map(|e| e.source)
        .collect();
    let names = fresh.iter().map(|s| s.title()).collect::<Vec<_>>().join(", ");
    let needed = input.config.min_evidence_sources;
    if fresh.len() >= needed {
        return Ok(format!("fresh evidence from {} independent sources: {names}", fresh.len()));
    }
    let names = if names.is_empty() { "none".into() } else { names };
    Err(format!("fresh evidence from {} of {needed} independent sources ({names})", fresh.len()))
}

fn safety_class(input: &GateInput<'_>) -> Result<String, String> {
    let class = input.action.kind().safety_class();
    let name = format!("{class:?}").to_lowercase();
    if input.config.allowed_classes.contains(&class) {
        return Ok(format!("safety class {name} is allowed"));
    }
    Err(format!("safety class {name} is blocked; name it in [decision] allowed_classes to allow it"))
}

/// Whether this asker may ask for it, and whether the target's platform can do it.
fn catalogue(input: &GateInput<'_>) -> Result<String, String> {
    let kind = input.action.kind();
    if !input.before.can(kind) {
        return Err(format!("the platform of {} cannot do {kind}", input.action.target()));
    }
    let reaches = kind.blast_radius().phrase();
    if *input.principal == Principal::Agent && !kind.agent_may_ask() {
        return Err(format!("{kind} reaches {reaches}: only a person or a runbook may ask for it"));
    }
    Ok(format!("{kind} is in the catalogue and reaches {reaches}"))
}

fn namespace(input: &GateInput<'_>) -> Result<String, String> {
    let allowed = &input.config.namespaces;
    let namespace = input.namespace.unwrap_or("default");
    if allowed.is_empty() || allowed.iter().any(|n| n == namespace) {
        return Ok(format!("namespace {namespace} is allowed"));
    }
    Err(format!("namespace {namespace} is not on the allowlist ({})", allowed.join(", ")))
}

fn maintenance(input: &GateInput<'_>) -> Result<String, String> {
    let target = input.action.target();
    match input.maintenance {
        None => Ok(format!("{target} is not in maintenance")),
        Some(why) if is_person(input) => Ok(format!("a person asks; {target} is {why}")),
        Some(why) => Err(format!("{target} is {why}: whoever works on it is not interfered with")),
    }
}

fn replica_ceiling(input: &GateInput<'_>) -> Result<String, String> {
    let Action::Scale { replicas, .. } = input.action else {
        return Ok("the action sets no replicas".into());
    };
    let ceiling = input.config.max_replicas.min(input.before.max_replicas);
    if (1..=ceiling).contains(replicas) {
        return Ok(format!("{replicas} replicas are within 1–{ceiling}"));
    }
    Err(format!("{replicas} replicas are outside 1–{ceiling}"))
}

/// A pool that is too large takes the database's connections from everybody else; one of none serves nobody.
fn pool_ceiling(input: &GateInput<'_>) -> Result<String, String> {
    let Action::ResizeDbPool { size, .. } = input.action else {
        return Ok("the action sizes no pool".into());
    };
    let ceiling = input.config.max_pool_size;
    let answer = format!("{size} connections, of 1–{ceiling} that a pool may have (decision.max_pool_size)");
    if (1..=ceiling).contains(size) { Ok(answer) } else { Err(answer) }
}

fn rate_limit(input: &GateInput<'_>) -> Result<String, String> {
    let config = input.config;
    let recent = input.history.actions.iter().filter(|a| {
        a.undoes.is_none() && a.counts() && seconds_between(a.at, input.now) < config.rate_window_s
    });
    let count = recent.count();
    let text = format!(
        "{count} of at most {} actions on {} within {:.0} s",
        config.rate_max,
        input.action.target(),
        config.rate_window_s
    );
    if count < config.rate_max { Ok(text) } else { Err(text) }
}

fn one_at_a_time(input: &GateInput<'_>) -> Result<String, String> {
    match input.history.pending() {
        None => Ok(format!("nothing else is being done to {}", input.action.target())),
        Some(other) => Err(format!("{} {} is still under way", other.kind, other.key)),
    }
}

fn blast_radius(input: &GateInput<'_>) -> Result<String, String> {
    let (affected, most) = (input.affected_services, input.config.max_blast_radius);
    if is_person(input) || affected <= most {
        return Ok(format!("{affected} services affected, at most {most}"));
    }
    Err(format!("{affected} services are affected, more than {most}: a person must look"))
}

fn recently_remediated(input: &GateInput<'_>) -> Result<String, String> {
    let other = input.history.actions.iter().rev().find(|a| {
        a.undoes.is_none()
            && !a.by_person
            && a.counts()
            && a.incident.as_ref() != input.incident
            && seconds_between(a.at, input.now) < input.config.cooldown_s
    });
    match other {
        Some(a) if !is_person(input) => Err(format!(
            "{} was done {:.0} s ago for another incident; it is left alone for {:.0} s",
            a.kind,
            seconds_between(a.at, input.now),
            input.config.cooldown_s
        )),
        _ => Ok(format!("no other incident acted on {} lately", input.action.target())),
    }
}

fn repeated_dose(input: &GateInput<'_>) -> Result<String, String> {
    let same = input.history.actions.iter().rev().find(|a| {
        let age_s = seconds_between(a.at, input.now);
        // What another incident has just done may still help; until it has had its time, the other guard waits.
        let has_had_time = a.incident.as_ref() == input.incident || age_s >= input.config.cooldown_s;
        a.kind == input.action.kind()
            && a.undoes.is_none()
            && !a.by_person
            && a.counts()
            && has_had_time
            && age_s < input.config.repeat_window_s
    });
    match same {
        Some(a) if !is_person(input) => Err(format!(
            "{} was already done {:.0} s ago and the trouble is back: this treats a symptom",
            a.kind,
            seconds_between(a.at, input.now)
        )),
        _ => Ok("not the same dose again".into()),
    }
}

fn approval_binding(input: &GateInput<'_>) -> Result<String, String> {
    for approval in input.approvals {
        if approval.plan != *input.plan || approval.step != input.step {
            return Err(format!("{} approved another plan; this one has changed since", approval.by));
        }
        if approval.expires_at < input.now {
            return Err(format!("the approval of {} expired at {}", approval.by, approval.expires_at));
        }
    }
    approver(input)?;
    match input.people().as_slice() {
        _ if input.approvals.is_empty() => Ok("no approval to check".into()),
        [] => Ok("whoever approved is no approver any more: the yes does not count".into()),
        people => Ok(format!("{} approved exactly this plan", people.join(" and "))),
    }
}

/// Whether a person who acts may do so here.
fn approver(input: &GateInput<'_>) -> Result<(), String> {
    let (service, severity) = (input.action.target().as_str(), input.severity);
    match input.principal {
        Principal::Human(name) if !input.config.may_decide(name, severity, service) => {
            Err(format!("{name} is no approver for {severity} incidents of {service}"))
        }
        _ => Ok(()),
    }
}
