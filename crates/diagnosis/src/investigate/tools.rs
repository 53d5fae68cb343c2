//! What recorded tools, counters and kernels say of the state of things: pods, nodes, databases, hosts. Each analyzer knows the shapes and words of one
//! platform's API, whatever the tool is called that asked it.

mod database;
mod down;
mod host;
mod kubernetes;
mod silence;

use crate::bundle::{Bundle, Ms};
use midwatch_model::Cause;
use serde_json::Value;

/// Where findings come from that somebody wrote into a log: a claim, not a state that a platform reports.
pub const LOGS: &str = "logs.ndjson";

/// Weight from which a finding says that a thing cannot serve.
const DOWN: f64 = 0.7;

/// Something that is wrong, by the state of a thing itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What the bundle calls the thing, or what owns it.
    pub component: String,
    pub cause: Cause,
    /// How specific it is, 0–1: a kernel that kills says more than a replica that is missing.
    pub weight: f64,
    pub says: String,
    pub tool: String,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub findings: Vec<Finding>,
    /// Things whose state was seen and is as it should be.
    pub healthy: usize,
}

impl State {
    fn found(&mut self, component: &str, cause: Cause, weight: f64, says: String, tool: &str) {
        self.findings.push(Finding {
            component: component.to_owned(),
            cause,
            weight,
            says,
            tool: tool.to_owned(),
        });
    }

    /// Whether a platform or a missing answer says that a component serves nobody. What somebody wrote into a log does not.
    pub fn is_down(&self, component: &str) -> bool {
        let down = |finding: &&Finding| finding.weight >= DOWN && finding.tool != LOGS;
        self.findings.iter().filter(down).any(|finding| finding.component == component)
    }

    /// The most specific finding about a component.
    pub fn of(&self, component: &str) -> Option<&Finding> {
        self.findings.iter().filter(|f| f.component == component).max_by(|a, b| a.weight.total_cmp(&b.weight))
    }
}

/// Reads every recorded answer and every series.
pub fn look(bundle: &Bundle) -> State {
    let mut state = State::default();
    for answer in &bundle.tools {
        kubernetes::read(&answer.answer, &answer.tool, bundle, &mut state);
        database::events(&answer.answer, &answer.tool, bundle, &mut state);
    }
    database::series(bundle, &mut state);
    host::read(bundle, &mut state);
    silence::read(bundle, &mut state);
    down::read(bundle, &mut state);
    state.findings.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.says.cmp(&b.says)));
    state
}

/// The first of several spellings of a field that is there.
fn field<'a>(value: &'a Value, names: &[&str]) -> &'a Value {
    names.iter().map(|name| &value[*name]).find(|found| !found.is_null()).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, names: &[&str]) -> &'a str {
    field(value, names).as_str().unwrap_or_default()
}

fn number(value: &Value, names: &[&str]) -> Option<f64> {
    let found = field(value, names);
    found.as_f64().or_else(|| found.as_str()?.parse().ok())
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

fn time(value: &Value) -> Option<Ms> {
    value.as_str()?.parse::<midwatch_model::Timestamp>().ok().map(midwatch_model::Timestamp::as_millisecond)
}

/// The component of the bundle that a thing belongs to: pods are named after what owns them.
fn owner(bundle: &Bundle, thing: &str) -> String {
    let alerts = bundle.incident.alerts.iter().map(|alert| alert.service.as_str());
    let series = bundle.metrics.series.iter().map(|series| series.component.as_str());
    let known = alerts.chain(bundle.incident.services.iter().map(String::as_str)).chain(series);
    let owns = |name: &&str| {
        thing == *name || thing.strip_prefix(*name).is_some_and(|rest| rest.starts_with(['-', '/', '.']))
    };
    known.filter(owns).max_by_key(|name| name.len()).unwrap_or(thing).to_owned()
}
