//! What a workflow that can be read must hold to. Everything that is wrong is said at once.

use super::{act, expression};
use midwatch_model::Workflow;
use midwatch_model::label::parse_matchers;
use midwatch_model::workflow::WorkflowStep;
use std::collections::BTreeSet;

/// Steps of a workflow at most: somebody has to read it at night.
pub const STEPS_MAX: usize = 32;

/// Further attempts of one step at most.
pub const RETRIES_MAX: u32 = 10;

/// Times that one step goes back at most.
pub const LOOPS_MAX: u32 = 10;

/// Longest run, wait and attempt: a day.
pub const TIMEOUT_S_MAX: u32 = 86_400;

/// Longest expression and text, characters.
const CHARS_MAX: usize = 1_000;

/// What expressions may name besides steps.
const NAMES: [&str; 3] = ["incident", "min", "max"];

/// What is wrong, each with the step that it is about.
pub(super) fn problems(workflow: &Workflow) -> Vec<(Option<String>, String)> {
    let mut wrong: Vec<(Option<String>, String)> = Vec::new();
    let mut top = |problem: String| wrong.push((None, problem));
    if !is_name(&workflow.name, 64) {
        top(format!("the name `{}` cannot be used: letters, digits, `-` and `_`, at most 64", workflow.name));
    }
    if workflow.title.chars().count() > CHARS_MAX {
        top(format!("the title is longer than {CHARS_MAX} characters"));
    }
    match workflow.steps.len() {
        0 => top("there are no steps; the first could be `- { id: see, look: state }`".to_owned()),
        n if n > STEPS_MAX => top(format!("{n} steps are too many; {STEPS_MAX} at most")),
        _ => {}
    }
    if !(1..=TIMEOUT_S_MAX).contains(&workflow.timeout_s) {
        top(format!("timeout_s must be 1 to {TIMEOUT_S_MAX}"));
    }
    for text in &workflow.trigger.labels {
        if let Err(error) = parse_matchers(text) {
            top(format!("the label condition `{text}` cannot be read: {error}"));
        }
    }
    let mut earlier = Vec::new();
    for step in workflow.steps.iter().take(STEPS_MAX) {
        let mut of_step = Vec::new();
        if earlier.contains(&step.id.as_str()) {
            of_step.push("the id is there twice; give each step its own".to_owned());
        }
        of_step.extend(step_problems(step, &earlier));
        wrong.extend(of_step.into_iter().map(|problem| (Some(step.id.clone()), problem)));
        earlier.push(&step.id);
    }
    wrong
}

fn step_problems(step: &WorkflowStep, earlier: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !is_id(&step.id) {
        wrong.push(
            "an id is small letters, digits and `_`, begins with a letter and has at most 40".to_owned(),
        );
    }
    wrong.extend(what_it_does(step));
    wrong.extend(
        step.needs
            .iter()
            .filter(|id| !earlier.contains(&id.as_str()))
            .map(|id| format!("needs `{id}`, which is no earlier step")),
    );
    if step.retries > RETRIES_MAX {
        wrong.push(format!("retries must be 0 to {RETRIES_MAX}"));
    }
    let seconds = [
        ("timeout_s", step.timeout_s, 1),
        ("retry_after_s", step.retry_after_s, 0),
        ("wait_s", step.wait_s, 1),
    ];
    for (name, value, least) in seconds {
        if value.is_some_and(|value| !(least..=TIMEOUT_S_MAX).contains(&value)) {
            wrong.push(format!("{name} must be {least} to {TIMEOUT_S_MAX} seconds"));
        }
    }
    if let Some(again) = &step.again {
        if again.from != step.id && !earlier.contains(&again.from.as_str()) {
            wrong.push(format!("again goes back to `{}`, which is no earlier step", again.from));
        }
        if !(1..=LOOPS_MAX).contains(&again.at_most) {
            wrong.push(format!("again.at_most must be 1 to {LOOPS_MAX}"));
        }
    }
    wrong.extend(expressions(step, earlier));
    wrong
}

/// Exactly one thing, and what belongs to it.
fn what_it_does(step: &WorkflowStep) -> Vec<String> {
    let mut wrong = Vec::new();
    let does = [
        step.look.is_some(),
        step.check.is_some(),
        step.act.is_some(),
        step.wait_s.is_some(),
        step.notify.is_some(),
    ];
    if does.into_iter().filter(|does| *does).count() != 1 {
        wrong.push("says what it does with exactly one of look, check, act, wait_s and notify".to_owned());
    }
    wrong.extend(
        step.check.as_ref().and_then(|check| check.problem()).map(|problem| format!("its check {problem}")),
    );
    wrong.extend(step.act.as_ref().and_then(act::problem));
    if step.approval.is_some() && step.act.is_none() {
        wrong.push("approval is for a step that acts; nothing else needs a person's yes".to_owned());
    }
    if (step.wait_s.is_some() || step.notify.is_some()) && step.retries > 0 {
        wrong.push("retries are for steps that look or act".to_owned());
    }
    let texts = [Some(&step.title), step.approval.as_ref(), step.notify.as_ref(), step.when.as_ref()];
    if texts.into_iter().flatten().any(|text| text.chars().count() > CHARS_MAX) {
        wrong.push(format!("a text is longer than {CHARS_MAX} characters"));
    }
    wrong
}

/// Expressions can be read and name what is known by then.
fn expressions(step: &WorkflowStep, earlier: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut see = |what: &str, names: Result<BTreeSet<String>, String>, also: Option<&str>| match names {
        Err(error) => wrong.push(format!("{what} cannot be read: {error}")),
        Ok(names) => {
            let is_told = matches!(what, "notify" | "approval");
            if let Some(name) = names.iter().find(|name| !is_told && name.ends_with(".detail")) {
                let why =
                    "a sentence for people, written elsewhere, which must not decide; use another output";
                wrong.push(format!("{what} uses `{name}`: that is {why}"));
            }
            let unknown = names.into_iter().find(|name| !is_known(name, earlier, also));
            wrong.extend(unknown.map(|name| {
                format!(
                    "{what} uses `{name}`; known are `incident` and earlier steps, as in `steps.ID.OUTPUT`"
                )
            }));
        }
    };
    if let Some(when) = &step.when {
        see("when", expression::names(when), None);
    }
    if let Some(again) = &step.again {
        see("again.until", expression::names(&again.until), Some(&step.id));
    }
    for (name, text) in [("notify", &step.notify), ("approval", &step.approval)] {
        if let Some(text) = text {
            see(name, expression::names_of_text(text), None);
        }
    }
    for (name, param) in step.act.iter().flat_map(act::given) {
        if let Some(text) = act::expression_of(param) {
            see(name, expression::names(text), None);
        }
    }
    wrong
}

fn is_known(name: &str, earlier: &[&str], also: Option<&str>) -> bool {
    let mut parts = name.split('.');
    match (parts.next(), parts.next()) {
        (Some("steps"), Some(id)) => earlier.contains(&id) || also == Some(id),
        (Some("steps"), None) => true,
        (Some(first), _) => NAMES.contains(&first),
        (None, _) => false,
    }
}

fn is_name(text: &str, most: usize) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.len() <= most && text.chars().all(fits)
}

/// As names in expressions are.
fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 40 && text.chars().all(fits)
}
