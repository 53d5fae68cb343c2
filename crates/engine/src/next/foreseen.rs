//! An incident that has not happened yet: it waits, prepares, and goes when the alarm goes.
//!
//! Must never: wake anybody because something is uncertain, or do more than the gate lets it.

use super::Step;
use super::decide::{diagnosed, differs, put_to_gate};
use crate::EngineConfig;
use crate::foresight::Foreseen;
use crate::gather::Facts;
use midwatch_decision::{PlanInput, Policy, plan_ahead};
use midwatch_incident::Incident;
use midwatch_model::journal::Entry;
use midwatch_model::{Action, ActionKind, Plan, PlanHash, ServiceName, Verdict, seconds_between};

/// Who closes what did not happen.
const BY: &str = "midwatch";

pub(super) fn decide(incident: &Incident, facts: &Facts, config: &EngineConfig, policy: &Policy) -> Step {
    if let Some((by, reason)) = &incident.refused {
        return close(format!("{by} refused to act early: {reason}"));
    }
    let Some((service, foreseen)) = standing(incident, facts) else {
        return if facts.outlook.blind { Step::Wait } else { over(incident, facts, config) };
    };
    let known = incident.verdict.as_ref();
    let untouched = incident.attempts().next().is_none();
    if untouched && has_news(known, &foreseen.verdict, service) {
        return diagnosed(foreseen.verdict.clone(), facts, incident);
    }
    let fresh = plan(incident, facts, config, service, foreseen);
    let acts = |plan: &Plan| plan.steps.iter().any(|step| step.action.kind() != ActionKind::Escalate);
    match (&incident.plan, fresh) {
        // A surer forecast asks for more than a plan of before.
        (known, Some(fresh)) if acts(&fresh) && untouched && is_other(known.as_ref(), &fresh) => {
            let hash = fresh.hash();
            Step::Record(vec![Entry::Planned { plan: fresh, hash }])
        }
        (Some((plan, hash)), _) => go_on(incident, facts, config, policy, foreseen, (plan, hash)),
        (None, _) => Step::Wait,
    }
}

fn is_other(known: Option<&(Plan, PlanHash)>, fresh: &Plan) -> bool {
    // What moves most, and with it the cause that it looks like, may change with every tick; so may who fails next, and only
    // one who was not prepared for yet is news.
    let first = |plan: &Plan| plan.steps.first().map(|step| step.action.target().clone());
    let of_first = |plan: &Plan| -> Vec<Action> {
        let steps = plan.steps.iter().filter(|step| Some(step.action.target()) == first(plan).as_ref());
        steps.map(|step| step.action.clone()).collect()
    };
    let covers = |known: &Plan| {
        fresh.steps.iter().all(|step| known.steps.iter().any(|k| k.action.target() == step.action.target()))
    };
    known.is_none_or(|(known, _)| of_first(known) != of_first(fresh) || !covers(known))
}

/// Puts the next step to the gate. Where none is left, nothing more can be done early: when it happens, it is an incident like
/// any other.
fn go_on(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    policy: &Policy,
    foreseen: &Foreseen,
    (plan, hash): (&Plan, &PlanHash),
) -> Step {
    if let Some(waiting) = incident.waiting.as_ref().filter(|waiting| facts.now > waiting.expires_at) {
        return Step::Record(vec![Entry::ApprovalExpired { plan: waiting.plan.clone() }]);
    }
    let step = plan.steps.get(incident.step).filter(|step| step.action.kind() != ActionKind::Escalate);
    match step {
        Some(step) if incident.attempts().count() < config.decision.max_attempts => {
            let verdict = foreseen.verdict_of(step.action.target());
            put_to_gate(incident, facts, config, policy, verdict, step, hash)
        }
        _ => Step::Wait,
    }
}

/// The alarm that the incident is about: of the component that its verdict names, else the likeliest.
fn standing<'a>(incident: &Incident, facts: &'a Facts) -> Option<(&'a ServiceName, &'a Foreseen)> {
    let alarms = &facts.outlook.alarms;
    let likeliest = || alarms.iter().max_by(|a, b| a.1.probability.total_cmp(&b.1.probability));
    alarms.get_key_value(incident.component()).or_else(likeliest)
}

/// Another component, or a clearly surer forecast. What moves most may change with every tick, and is no news.
fn has_news(known: Option<&Verdict>, fresh: &Verdict, service: &ServiceName) -> bool {
    let same = known.and_then(Verdict::root).is_some_and(|root| root.component == *service);
    let surer = |a: &Verdict| {
        let confidence = |verdict: &Verdict| verdict.root().map_or(0.0, |root| root.confidence);
        confidence(fresh) - confidence(a) >= 0.1
    };
    match known {
        Some(known) if same => surer(known),
        known => differs(known, fresh),
    }
}

/// What could be done early; `None` while the control plane cannot be asked.
fn plan(
    incident: &Incident,
    facts: &Facts,
    config: &EngineConfig,
    service: &ServiceName,
    foreseen: &Foreseen,
) -> Option<Plan> {
    let (Some(Ok(target)), Some(root)) = (facts.targets.get(service), foreseen.verdict.root()) else {
        return None;
    };
    let input = PlanInput {
        incident: &incident.id,
        root,
        target: Some(target),
        config: &config.decision,
        has_callers: facts.graph.callers(service).next().is_some(),
        owner: facts.owners.get(service).and_then(Option::as_deref),
        tried: &[],
    };
    let known = |(name, _): &'_ (ServiceName, Verdict)| {
        facts.targets.get(name)?.as_ref().ok().map(|target| (name.clone(), target.clone()))
    };
    let next: Vec<_> = foreseen.next.iter().filter_map(known).collect();
    Some(plan_ahead(&input, foreseen.tier, &next))
}

/// No alarm stands any more: it has happened, or it did not.
fn over(incident: &Incident, facts: &Facts, config: &EngineConfig) -> Step {
    let broken: Vec<&str> = facts.outlook.in_breach.iter().map(ServiceName::as_str).collect();
    if broken.is_empty() {
        let why = facts.outlook.ended.values().next().map_or("the alarm is over", String::as_str);
        return close(format!("what was foreseen did not happen: {why}"));
    }
    // The detectors usually see it within seconds, and what they see joins.
    if seconds_between(incident.last_signal_at, facts.now) < config.incident.inconclusive_after_s {
        return Step::Wait;
    }
    Step::escalate(format!(
        "what was foreseen has happened: {} in breach, and no detector says why",
        broken.join(", ")
    ))
}

fn close(reason: String) -> Step {
    Step::Record(vec![Entry::FalseAlarm { by: BY.to_owned(), reason }])
}
