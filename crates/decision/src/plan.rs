//! From a verdict to a plan: which remedies, in which order.

use crate::DecisionConfig;
use midwatch_model::action::{Resources, TargetState};
use midwatch_model::plan::Priority;
use midwatch_model::workflow::PlannedRun;
use midwatch_model::{Action, ActionKind, Cause, Hypothesis, IncidentId, Plan, PlanStep, ServiceName, Tier};

/// What a plan is made from.
pub struct PlanInput<'a> {
    pub incident: &'a IncidentId,
    pub root: &'a Hypothesis,
    /// The component as the control plane shows it; `None` when it cannot be asked.
    pub target: Option<&'a TargetState>,
    pub config: &'a DecisionConfig,
    /// Whether other services call the component. A circuit breaker needs callers that degrade; in front of users it
    /// would only be an outage.
    pub has_callers: bool,
    /// The team that answers for the component.
    pub owner: Option<&'a str>,
    /// What was done to the component in this incident and did not help: the same dose is not prescribed again.
    pub tried: &'a [ActionKind],
}

/// Replicas for a failure probability of at least .90 and .70, from the severity tiers.
const REPLICAS_CRITICAL: u32 = 4;
const REPLICAS_HIGH: u32 = 3;

/// Replicas that a service is pre-warmed to when a failure is likelier than not.
const REPLICAS_MEDIUM: u32 = 2;

/// Builds the plan for a failure that is foreseen: more instances first, and when it is all but certain, a breaker that keeps
/// callers from waiting and an instance more for each of those that will probably fail next. By the severity tiers; below them,
/// nothing is done early.
#[must_use]
pub fn plan_ahead(input: &PlanInput<'_>, tier: Tier, next: &[(ServiceName, TargetState)]) -> Plan {
    let least = match tier {
        Tier::Low => None,
        Tier::Medium => Some(REPLICAS_MEDIUM),
        Tier::High => Some(REPLICAS_HIGH),
        Tier::Critical => Some(REPLICAS_CRITICAL),
    };
    let mut actions = Vec::new();
    if let Some((target, least)) = input.target.zip(least) {
        let ceiling = input.config.max_replicas.min(target.max_replicas);
        let replicas = least.max(target.replicas + 1).min(ceiling);
        if replicas > target.replicas {
            let scale = Action::Scale { target: input.root.component.clone(), replicas };
            actions.push((target, scale, "instances that are warm before the load is there"));
        }
        if tier == Tier::Critical && input.has_callers && !target.circuit_open {
            let open = Action::CircuitBreak { target: input.root.component.clone(), open: true };
            actions.push((target, open, "callers degrade instead of failing with it"));
        }
    }
    if tier == Tier::Critical {
        for (name, target) in next {
            let ceiling = input.config.max_replicas.min(target.max_replicas);
            let replicas = REPLICAS_MEDIUM.max(target.replicas + 1).min(ceiling);
            if replicas > target.replicas {
                let scale = Action::Scale { target: name.clone(), replicas };
                actions.push((
                    target,
                    scale,
                    "it will probably fail next: an instance more to hold what comes",
                ));
            }
        }
    }
    let untried = actions.into_iter().filter(|(_, action, _)| !input.tried.contains(&action.kind()));
    let steps = untried.map(|(target, action, why)| step(input, target, action, why.to_owned())).collect();
    finished(input, steps)
}

/// Builds the plan: the remedy that fits the cause first, second choices after it, a person last.
#[must_use]
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let steps: Vec<PlanStep> = match input.target {
        Some(target) => {
            let untried =
                remedies(input, target).into_iter().filter(|(a, _)| !input.tried.contains(&a.kind()));
            untried.map(|(a, why)| step(input, target, a, why)).collect()
        }
        None => Vec::new(),
    };
    finished(input, steps)
}

/// The plan of a workflow's run: its actions as far as they are known, with why, one after the other. A person comes last, as
/// in every plan.
#[must_use]
pub fn plan_of(input: &PlanInput<'_>, run: PlannedRun, actions: Vec<(Action, String)>) -> Plan {
    let known = TargetState::default();
    let target = input.target.unwrap_or(&known);
    let mut steps: Vec<PlanStep> =
        actions.into_iter().map(|(action, why)| step(input, target, action, why)).collect();
    if input.target.is_none() {
        // An undo that is made from nothing would be no undo.
        steps.iter_mut().for_each(|step| step.undo = None);
    }
    Plan { run: Some(Box::new(run)), ..finished(input, steps) }
}

/// The first step at once, the others if it does not help, a person last.
fn finished(input: &PlanInput<'_>, mut steps: Vec<PlanStep>) -> Plan {
    for (index, step) in steps.iter_mut().enumerate() {
        step.priority = if index == 0 { Priority::Immediate } else { Priority::Within15Min };
    }
    steps.push(escalate(input));
    let estimated_resolution_s = steps.first().map_or(0, |s| s.estimated_s);
    Plan {
        incident: input.incident.clone(),
        cause: input.root.cause,
        steps,
        escalation_path: input.config.escalation_path.clone(),
        estimated_resolution_s,
        run: None,
    }
}

/// The remedies for a cause, best first, each with its rationale.
fn remedies(input: &PlanInput<'_>, target: &TargetState) -> Vec<(Action, String)> {
    let service = || input.root.component.clone();
    let restart = |why: &str| Some((Action::Restart { target: service() }, why.to_owned()));
    let rollback = |why: &str| {
        let version = target.previous_version.clone()?;
        let why = format!("{why}; {version} served before {}", target.version);
        Some((Action::Rollback { target: service(), to_version: Some(version) }, why))
    };
    // A rollback only makes sense against a change that replaced the code.
    let rollback_if_changed = |why: &str| input.root.change.as_ref().and_then(|_| rollback(why));
    let scale = |why: &str| scale_up(input, target).map(|action| (action, why.to_owned()));
    let restart_pool = |why: &str| Some((Action::RestartDbPool { target: service() }, why.to_owned()));
    // A function in a cloud can be set back, and nothing else.
    let only_rollback = || {
        let nothing_else = !target.can(ActionKind::Restart) && !target.can(ActionKind::Scale);
        let why = "no change is known, and its platform can do nothing else";
        nothing_else.then(|| rollback(why)).flatten()
    };
    let delete_pod = || one_bad_pod(input, target);
    let more = |what: Scarce, why: &str| {
        more_resources(target, what).map(|(container, resources)| {
            let set = Action::SetResources { target: service(), container, resources, exact: false };
            (set, why.to_owned())
        })
    };
    let resize_pool = |why: &str| {
        let size = (target.pool_size * 2).min(input.config.max_pool_size);
        (size > target.pool_size).then(|| (Action::ResizeDbPool { target: service(), size }, why.to_owned()))
    };
    let circuit = |why: &str| {
        let open = Action::CircuitBreak { target: service(), open: true };
        (input.has_callers && !target.circuit_open).then(|| (open, why.to_owned()))
    };

    let choices = match input.root.cause {
        Cause::LatencySpike => vec![
            delete_pod(),
            restart("no change and no load explains the slowness, so it is in the processes' state"),
            scale("more instances dilute slow ones"),
            only_rollback(),
        ],
        Cause::ErrorRateSpike => vec![
            delete_pod(),
            restart("no change explains the errors, so they are in the processes' state"),
            scale("more instances dilute failing ones"),
            only_rollback(),
        ],
        Cause::CpuSaturation => vec![
            scale("demand exceeds the CPU of the instances that run"),
            more(Scarce::Cpu, "there may be no more instances, so each gets more CPU"),
            restart("a runaway thread would end with its process"),
        ],
        Cause::MemoryLeak => vec![
            rollback_if_changed("memory grows since the change; a restart alone would only reset the clock"),
            restart("frees the memory; whatever leaks will leak again"),
            more(Scarce::Memory, "more memory gives time until the leak is found"),
        ],
        Cause::DbConnectionExhaustion => vec![
            restart_pool("connections are held and not given back"),
            resize_pool("more connections give room while the holder is found"),
            restart("ends whatever holds the connections"),
        ],
        Cause::ConsumerLag => vec![
            restart("the consumer has stopped making progress"),
            scale("more consumers drain the backlog"),
        ],
        Cause::DeploymentFailure => vec![
            rollback("the trouble began with the deployment"),
            restart("clears state that the new version may have spoilt"),
            scale("more instances dilute failing ones"),
        ],
        Cause::CrashLoop => vec![
            rollback_if_changed("the processes die since the change"),
            delete_pod(),
            restart("clears state that may make the process die"),
        ],
        Cause::TrafficSpike => {
            vec![scale("more instances carry the traffic"), circuit("sheds load while callers degrade")]
        }
        Cause::DependencyFailure => vec![
            circuit("callers degrade at once instead of waiting for what does not answer"),
            restart("reconnects to the dependency"),
        ],
        Cause::StorageExhaustion => {
            vec![rollback_if_changed(
                "the storage fills since the change; what it wrote has to be removed by hand",
            )]
        }
    };
    choices.into_iter().flatten().filter(|(action, _)| target.can(action.kind())).collect()
}

/// What an instance has too little of.
#[derive(Clone, Copy)]
enum Scarce {
    Cpu,
    Memory,
}

/// One pod that is not ready while all the others are: the fault is that pod's own.
fn one_bad_pod(input: &PlanInput<'_>, target: &TargetState) -> Option<(Action, String)> {
    let mut bad = target.pods.iter().filter(|pod| !pod.ready);
    let (first, none) = (bad.next()?, bad.next());
    let others_serve = none.is_none() && target.pods.len() >= 2;
    let action = Action::DeletePod { target: input.root.component.clone(), pod: first.name.clone() };
    others_serve.then(|| (action, format!("only {} is not ready; the other instances serve", first.name)))
}

/// Twice what the container may use now; nothing where it has no limit or where there are several containers.
fn more_resources(target: &TargetState, what: Scarce) -> Option<(Option<String>, Resources)> {
    let container = target.container(None)?;
    let limits = match what {
        Scarce::Cpu => Resources {
            cpu_limit: doubled(container.resources.cpu_limit.as_deref()?),
            ..Resources::default()
        },
        Scarce::Memory => Resources {
            memory_limit: doubled(container.resources.memory_limit.as_deref()?),
            ..Resources::default()
        },
    };
    (limits != Resources::default()).then(|| (Some(container.name.clone()), limits))
}

/// A quantity such as `500m` or `256Mi`, twice; `None` where it is not a whole number with a unit.
fn doubled(quantity: &str) -> Option<String> {
    let digits = quantity.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(digits);
    let twice = number.parse::<u64>().ok()?.checked_mul(2)?;
    let known = ["", "m", "k", "M", "G", "Ki", "Mi", "Gi"].contains(&unit);
    known.then(|| format!("{twice}{unit}"))
}

fn scale_up(input: &PlanInput<'_>, target: &TargetState) -> Option<Action> {
    let tier = if input.root.confidence >= 0.9 { REPLICAS_CRITICAL } else { REPLICAS_HIGH };
    let ceiling = input.config.max_replicas.min(target.max_replicas);
    let replicas = tier.max(target.replicas + 1).min(ceiling);
    (replicas > target.replicas).then(|| Action::Scale { target: input.root.component.clone(), replicas })
}

fn step(input: &PlanInput<'_>, target: &TargetState, action: Action, rationale: String) -> PlanStep {
    let (expected, estimated_s) = match &action {
        Action::Rollback { .. } => {
            ("errors, latency and memory return to what they were before the change", 60)
        }
        Action::Restart { .. } => ("fresh processes serve normally", 45),
        Action::RestartDbPool { .. } => ("held connections are closed and requests get one again", 20),
        Action::ResizeDbPool { .. } => ("requests no longer wait for a connection", 20),
        Action::Scale { .. } => ("CPU per instance falls and queueing ends", 45),
        Action::CircuitBreak { .. } => ("callers answer degraded but fast", 15),
        Action::DeletePod { .. } => ("a fresh instance takes the place of the one that is not ready", 45),
        Action::Cordon { .. } => ("no new instance starts on the node", 15),
        Action::SetImage { .. } => ("the other image serves", 60),
        Action::SetResources { .. } => ("instances are no longer held back or killed by their limit", 60),
        Action::PullRequest { .. } => ("the fix outlives the next deployment once somebody merges it", 3600),
        Action::Escalate { .. } => ("a person takes over", 300),
    };
    PlanStep {
        safety_class: action.kind().safety_class(),
        priority: Priority::Immediate,
        owner: input.owner.unwrap_or("midwatch").to_owned(),
        expected_outcome: expected.to_owned(),
        undo: action.undo(target),
        rationale,
        estimated_s,
        action,
    }
}

fn escalate(input: &PlanInput<'_>) -> PlanStep {
    let action = Action::Escalate { target: input.root.component.clone() };
    PlanStep {
        safety_class: action.kind().safety_class(),
        priority: Priority::Within1Hour,
        owner: input.config.escalation_path.first().cloned().unwrap_or_else(|| "on-call engineer".into()),
        expected_outcome: "a person takes over".into(),
        undo: None,
        rationale: "nothing that midwatch may do has helped".into(),
        estimated_s: 300,
        action,
    }
}
