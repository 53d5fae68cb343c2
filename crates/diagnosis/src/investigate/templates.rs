//! Log lines by what they say without their numbers and names: which are new, which surge.

use super::window::Window;
use crate::bundle::{Bundle, LogLine, Ms};
use midwatch_series::{TemplateId, TemplateMiner};
use std::collections::BTreeMap;

/// How often a message must come in the incident, beside normal operation, to count as surging.
const SURGE: f64 = 3.0;

/// One kind of message of one component.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub component: String,
    /// One line that shows it, the first of the incident.
    pub sample: String,
    /// Whether the writer, or what is written, says that something failed.
    pub bad: bool,
    pub normal: u64,
    pub incident: u64,
    pub first_at: Ms,
}

impl Template {
    fn first(line: &LogLine) -> Self {
        // Who says that a line is ordinary is believed; only of one that says nothing its words are read.
        let unsaid = line.severity.is_empty() && super::effect::says_failure(&line.message);
        Self {
            component: line.component.clone(),
            sample: line.message.clone(),
            bad: line.is_bad() || line.is_warning() || unsaid,
            normal: 0,
            incident: 0,
            first_at: line.at,
        }
    }

    fn takes(&mut self, line: &LogLine) {
        if self.incident == 0 {
            (self.first_at, self.sample) = (line.at, line.message.clone());
        }
        self.incident += 1;
    }

    /// Whether it is new since normal operation, or comes much more often.
    pub fn stands_out(&self, normal_to_incident: f64) -> bool {
        self.incident > 0
            && self.incident as f64 >= SURGE * (self.normal as f64 * normal_to_incident).max(1.0 / SURGE)
    }
}

/// Every template with its counts, and the length of the incident as a multiple of normal operation.
pub fn mine(bundle: &Bundle, window: &Window) -> (Vec<Template>, f64) {
    let lines = bundle.logs.iter().filter(|line| window.is_normal(line.at) || window.is_of_incident(line.at));
    let mut miner = TemplateMiner::new();
    let ids: Vec<_> = lines.clone().map(|line| miner.observe(&line.message)).collect();
    let mut found: BTreeMap<(&str, TemplateId), Template> = BTreeMap::new();
    let (mut normal, mut incident) = (0_u64, 0_u64);
    for (line, id) in lines.zip(ids) {
        let key = (line.component.as_str(), miner.resolve(id));
        let template = found.entry(key).or_insert_with(|| Template::first(line));
        if window.is_normal(line.at) {
            normal += 1;
            template.normal += 1;
        } else {
            incident += 1;
            template.takes(line);
        }
    }
    let ratio = if normal == 0 { 1.0 } else { incident as f64 / normal as f64 };
    (found.into_values().collect(), ratio.max(1.0))
}
