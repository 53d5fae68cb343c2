//! Log lines by what they say without their numbers and names: which are new, which surge.

use super::window::Window;
use crate::bundle::{Bundle, Ms};
use std::collections::BTreeMap;

/// How often a message must come in the incident, beside normal operation, to count as surging.
const SURGE: f64 = 3.0;

/// Messages that are told apart at most: beyond it, masking has failed and counting says nothing.
const TEMPLATES_MAX: usize = 5000;

/// One kind of message of one component. Whoever has a better miner hands these in.
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
    /// Whether it is new since normal operation, or comes much more often.
    pub fn stands_out(&self, normal_to_incident: f64) -> bool {
        self.incident > 0
            && self.incident as f64 >= SURGE * (self.normal as f64 * normal_to_incident).max(1.0 / SURGE)
    }
}

/// Every template with its counts, and the length of the incident as a multiple of normal operation.
pub fn mine(bundle: &Bundle, window: &Window) -> (Vec<Template>, f64) {
    let mut found: BTreeMap<(&str, String), Template> = BTreeMap::new();
    let (mut normal, mut incident) = (0_u64, 0_u64);
    for line in bundle.logs.iter().filter(|line| window.is_normal(line.at) || window.is_of_incident(line.at))
    {
        let is_normal = window.is_normal(line.at);
        if is_normal {
            normal += 1
        } else {
            incident += 1
        }
        let key = (line.component.as_str(), mask(&line.message));
        if found.len() >= TEMPLATES_MAX && !found.contains_key(&key) {
            continue;
        }
        let template = found.entry(key).or_insert_with(|| Template {
            component: line.component.clone(),
            sample: line.message.clone(),
            // Who says that a line is ordinary is believed; only of one that says nothing its words are read.
            bad: line.is_bad()
                || line.is_warning()
                || (line.severity.is_empty() && super::effect::says_failure(&line.message)),
            normal: 0,
            incident: 0,
            first_at: line.at,
        });
        if is_normal {
            template.normal += 1;
        } else {
            if template.incident == 0 {
                (template.first_at, template.sample) = (line.at, line.message.clone());
            }
            template.incident += 1;
        }
    }
    let ratio = if normal == 0 { 1.0 } else { incident as f64 / normal as f64 };
    (found.into_values().collect(), ratio.max(1.0))
}

/// A message with everything that holds a digit replaced.
fn mask(message: &str) -> String {
    let word = |word: &str| {
        if word.chars().any(|c| c.is_ascii_digit()) { "<*>".to_owned() } else { word.to_owned() }
    };
    message.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn what_holds_digits_is_one_and_the_same() {
        assert_eq!(mask("timeout after 300ms for user 0x4f"), "timeout after <*> for user <*>");
    }
}
