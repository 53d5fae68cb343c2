//! Autonomy that is earned: `shadow → propose → auto` per action × service × cause.
//!
//! People promote. The record of verified outcomes suggests it, by what it proves at least (Wilson's lower bound), and demotes by
//! itself what made something worse or came back. Must never: raise a level that the configuration does not let it raise.

use crate::DecisionConfig;
use midwatch_model::decision::{Combination, Mode};
use midwatch_model::journal::{Entry, Intent, Line, VerificationOutcome};
use midwatch_model::{ActionKey, ActionKind, Cause, PlanHash, ServiceName, Timestamp};
use midwatch_series::wilson_low;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who sets levels without a person.
pub const MIDWATCH: &str = "midwatch";

/// The loop that looks at the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AutonomyConfig {
    /// Whether the record is looked at: for suggestions, and for promotions where `promotes` lets it.
    pub enabled: bool,
    /// Seconds between looks.
    pub interval_s: f64,
    /// In mode `auto`: the only actions that may run by themselves; every one if empty.
    pub actions: Vec<ActionKind>,
    /// How much the record must prove.
    pub profile: Profile,
    /// Whether midwatch may promote by itself what its record has earned. Otherwise it only suggests.
    pub promotes: bool,
    /// Whether what made something worse, or came back, is demoted to `propose` at once.
    pub demotes: bool,
}

impl Default for AutonomyConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_s: 600.0,
            actions: Vec::new(),
            profile: Profile::default(),
            promotes: false,
            demotes: true,
        }
    }
}

/// How much the record must prove: the least share of recoveries, at 95 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// 90 %: 35 of 35.
    Cautious,
    /// 80 %: 16 of 16.
    #[default]
    Balanced,
    /// 70 %: 9 of 9.
    Eager,
}

impl Profile {
    /// The least share, 0–1.
    #[must_use]
    pub fn share_min(self) -> f64 {
        match self {
            Profile::Cautious => 0.9,
            Profile::Balanced => 0.8,
            Profile::Eager => 0.7,
        }
    }
}

/// How far midwatch may go by itself, and why no further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    pub mode: Mode,
    pub why: String,
}

/// What was set for a combination last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Set {
    pub level: Mode,
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

/// What is set: a fold of the autonomy stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    set: BTreeMap<Combination, Set>,
    /// Suggestions that nobody has answered yet.
    suggested: BTreeMap<Combination, String>,
}

impl Levels {
    #[must_use]
    pub fn fold(lines: &[Line]) -> Self {
        let mut levels = Self::default();
        for line in lines {
            match &line.entry {
                Entry::AutonomySet { combination, level, by, reason } => {
                    let (by, reason) = (by.clone(), reason.clone());
                    levels.suggested.remove(combination);
                    levels.set.insert(combination.clone(), Set { level: *level, by, reason, at: line.at });
                }
                Entry::AutonomySuggested { combination, reason } => {
                    levels.suggested.insert(combination.clone(), reason.clone());
                }
                _ => {}
            }
        }
        levels
    }

    /// Combinations of which anything was said.
    pub fn known(&self) -> impl Iterator<Item = &Combination> {
        self.set.keys().chain(self.suggested.keys())
    }

    #[must_use]
    pub fn suggestion(&self, combination: &Combination) -> Option<&str> {
        self.suggested.get(combination).map(String::as_str)
    }

    #[must_use]
    pub fn set_of(&self, combination: &Combination) -> Option<&Set> {
        self.set.get(combination)
    }

    /// How far midwatch may go in mode `auto`. What was set at run time takes precedence over `[[decision.autonomy]]`; nothing
    /// takes precedence over the list of actions.
    #[must_use]
    pub fn level(
        &self,
        decision: &DecisionConfig,
        action: ActionKind,
        service: &ServiceName,
        cause: Option<Cause>,
    ) -> Level {
        let level = |mode, why: String| Level { mode, why };
        let allowed = &decision.autonomy_loop.actions;
        if !allowed.is_empty() && !allowed.contains(&action) {
            return level(Mode::Propose, format!("{action} is not among the [autonomy] actions"));
        }
        let set =
            cause.and_then(|cause| self.set.get(&Combination { action, service: service.clone(), cause }));
        if let Some(set) = set {
            let why = format!("{} set {action} on {service} to {}: {}", set.by, set.level, set.reason);
            return level(set.level, why);
        }
        let rules = &decision.autonomy;
        if rules.is_empty() || rules.iter().any(|rule| rule.covers(action, service.as_str(), cause)) {
            return level(Mode::Auto, "the configuration lets it".into());
        }
        level(
            Mode::Propose,
            format!("{action} on {service} is not among the [[decision.autonomy]] combinations"),
        )
    }
}

/// One action of a plan, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub combination: Combination,
    pub key: ActionKey,
    pub outcome: TrialOutcome,
}

/// What a trial says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOutcome {
    /// Proven, and it stayed so.
    Recovered,
    /// It made something worse.
    Regressed,
    /// It did not help, or nobody can tell.
    Unclear,
    /// It helped for a while only: it treated a symptom.
    Recurred,
}

impl TrialOutcome {
    /// Whether it takes trust away at once.
    #[must_use]
    pub fn demotes(self) -> bool {
        matches!(self, TrialOutcome::Regressed | TrialOutcome::Recurred)
    }
}

/// The trials of an incident's journal: steps of its plans that were carried out, by whomever they were approved, and verified.
/// What a person did beside the plan is not midwatch's merit, and a false alarm proves nothing.
#[must_use]
pub fn trials(lines: &[Line]) -> Vec<Trial> {
    let (mut all, mut last, mut of_run) = (Vec::new(), None, Vec::new());
    let mut plan: Option<(PlanHash, Cause, bool)> = None;
    for line in lines {
        match &line.entry {
            Entry::Planned { plan: made, hash } => {
                plan = Some((hash.clone(), made.cause, made.run.is_some()))
            }
            Entry::Intended { intent } if intent.undoes.is_none() => {
                let of_plan = plan.as_ref().filter(|(hash, ..)| *hash == intent.plan);
                let trial = of_plan.map(|(_, cause, is_run)| (trial(intent, *cause), *is_run));
                match trial {
                    Some((trial, true)) => of_run.push(trial),
                    Some((trial, false)) => last = Some(trial),
                    None => last = None,
                }
            }
            // What a workflow did helped as a whole, if it did: that proves nothing of one of its actions. If it did harm, it may
            // have been any of them.
            Entry::Verified { outcome: VerificationOutcome::Regressed, .. } if last.is_none() => {
                all.extend(of_run.drain(..).map(|trial| Trial { outcome: TrialOutcome::Regressed, ..trial }));
            }
            Entry::Recurred { .. } if !of_run.is_empty() => {
                all.extend(of_run.drain(..).map(|trial| Trial { outcome: TrialOutcome::Recurred, ..trial }));
            }
            Entry::Verified { outcome, .. } => {
                let outcome = match outcome {
                    VerificationOutcome::Recovered => TrialOutcome::Recovered,
                    VerificationOutcome::Regressed => TrialOutcome::Regressed,
                    VerificationOutcome::Unclear => TrialOutcome::Unclear,
                };
                all.extend(last.take().map(|trial| Trial { outcome, ..trial }));
            }
            Entry::Recurred { .. } => {
                let recovered = |trial: &&mut Trial| trial.outcome == TrialOutcome::Recovered;
                if let Some(trial) = all.last_mut().filter(recovered) {
                    trial.outcome = TrialOutcome::Recurred;
                }
            }
            Entry::FalseAlarm { .. } => all.clear(),
            _ => {}
        }
    }
    all
}

fn trial(intent: &Intent, cause: Cause) -> Trial {
    let (action, service) = (intent.action.kind(), intent.action.target().clone());
    let combination = Combination { action, service, cause };
    Trial { combination, key: intent.key.clone(), outcome: TrialOutcome::Unclear }
}

/// Trials of a combination, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TrackRecord {
    pub trials: u64,
    pub recovered: u64,
    /// Those that take trust away.
    pub failed: u64,
}

impl TrackRecord {
    pub fn add(&mut self, outcome: TrialOutcome) {
        self.trials += 1;
        self.recovered += u64::from(outcome == TrialOutcome::Recovered);
        self.failed += u64::from(outcome.demotes());
    }

    /// The share of recoveries that it proves at least, 0–1 (95 %, Wilson); `None` without trials.
    #[must_use]
    pub fn share_low(&self) -> Option<f64> {
        wilson_low(self.recovered, self.trials)
    }

    /// Why it has earned to act by itself, if it has.
    #[must_use]
    pub fn earned(&self, profile: Profile) -> Option<String> {
        let low = self.share_low().filter(|low| *low >= profile.share_min())?;
        Some(format!(
            "{} of {} trials recovered: at least {:.0} % (95 %), {:.0} % are asked for",
            self.recovered,
            self.trials,
            low * 100.0,
            profile.share_min() * 100.0
        ))
    }
}
