//! The ledger: every forecast and every alarm, graded by what happened. A fold over the journal's streams of forecasts.
//!
//! A minute's forecast of a service is right or wrong by whether the service breached within the horizon; an alarm is a hit if
//! it did, a false alarm if it did not, averted if something was done and it did not. What midwatch did not watch to the end
//! is not graded.

mod grades;

pub use grades::{Grades, wilson_low};

use super::alarm::Standing;
use super::drift::QuantityDrift;
use crate::score::Bin;
use midwatch_model::journal::{Entry, Line};
use midwatch_model::{AlarmEnd, ForecastEvent, ServiceName, Tier, Timestamp, seconds_between};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Share of the horizon between two lines from which on midwatch was not watching: three lines are missing. A breach that had
/// no forecast for so long is nobody's miss.
const GAP: f64 = 0.2;

/// Graded alarms that are kept to be shown, the newest.
const SHOWN: usize = 200;

/// Models whose grades are kept, the newest.
const MODELS: usize = 4;

/// A forecast that waits for what happens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Said {
    at: Timestamp,
    probability: f64,
    horizon_s: f64,
}

/// How an alarm was graded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmGrade {
    Hit,
    FalseAlarm,
    Averted,
    /// Nobody watched to the end.
    Unknown,
}

/// An alarm, with how it was graded once that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradedAlarm {
    pub service: ServiceName,
    pub model: String,
    pub raised_at: Timestamp,
    /// The highest tier that it reached.
    pub tier: Tier,
    pub grade: Option<AlarmGrade>,
    /// Seconds from the alarm to the breach.
    pub lead_s: Option<f64>,
    pub horizon_s: f64,
    /// Whether it has not ended yet.
    pub standing: bool,
    averted: bool,
}

/// Everything that is known of forecasts and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    model: String,
    /// Of the last forecasts.
    horizon_s: f64,
    /// Models in the order in which they served.
    models: Vec<String>,
    said: BTreeMap<ServiceName, VecDeque<Said>>,
    open: Vec<GradedAlarm>,
    graded: VecDeque<GradedAlarm>,
    in_breach: BTreeSet<ServiceName>,
    /// By model, then by service.
    grades: BTreeMap<String, BTreeMap<ServiceName, Grades>>,
    last_at: Option<Timestamp>,
}

impl Ledger {
    /// Folds lines on, oldest first.
    pub fn take(&mut self, lines: &[Line]) {
        for line in lines {
            if let Entry::Forecast { event } = &line.entry {
                self.apply(line.at, event);
            }
        }
    }

    pub fn apply(&mut self, at: Timestamp, event: &ForecastEvent) {
        self.advance(at);
        match event {
            ForecastEvent::Foretold(foretold) => {
                self.serves(&foretold.model);
                self.horizon_s = foretold.horizon_s;
                for (service, permille) in &foretold.permille {
                    let probability = f64::from(*permille) / 1000.0;
                    let said = Said { at, probability, horizon_s: foretold.horizon_s };
                    self.said.entry(service.clone()).or_default().push_back(said);
                }
            }
            ForecastEvent::AlarmRaised(alarm) => {
                self.serves(&alarm.model);
                self.open.push(GradedAlarm {
                    service: alarm.service.clone(),
                    model: alarm.model.clone(),
                    raised_at: at,
                    tier: alarm.tier,
                    grade: None,
                    lead_s: None,
                    horizon_s: alarm.horizon_s,
                    standing: true,
                    averted: false,
                });
            }
            ForecastEvent::AlarmTurned { service, tier, .. } => {
                let standing = self.open.iter_mut().filter(|a| a.standing && a.service == *service);
                standing.for_each(|alarm| alarm.tier = alarm.tier.max(*tier));
            }
            ForecastEvent::AlarmEnded { service, end, .. } => self.alarm_ended(service, *end),
            ForecastEvent::ObjectiveBreached { service, .. } => self.breached(at, service),
            ForecastEvent::ObjectiveMet { service } => {
                self.in_breach.remove(service);
            }
        }
    }

    /// Another model begins with a clean sheet.
    fn serves(&mut self, model: &str) {
        if self.model != model {
            self.said.clear();
            model.clone_into(&mut self.model);
            self.models.retain(|known| known != model);
            self.models.push(model.to_owned());
            if self.models.len() > MODELS {
                let oldest = self.models.remove(0);
                self.grades.remove(&oldest);
            }
        }
    }

    /// What has become clear by the passing of time.
    fn advance(&mut self, now: Timestamp) {
        if self.last_at.is_some_and(|last| seconds_between(last, now) > GAP * self.horizon_s) {
            self.said.clear();
            for alarm in std::mem::take(&mut self.open) {
                self.settle(alarm, AlarmGrade::Unknown, None);
            }
        }
        self.last_at = self.last_at.max(Some(now));
        let is_over = |at: Timestamp, horizon_s: f64| seconds_between(at, now) > horizon_s;
        for (service, said) in &mut self.said {
            while let Some(first) = said.front().filter(|first| is_over(first.at, first.horizon_s)) {
                let grades = of(&mut self.grades, &self.model, service);
                grades.forecast(first.probability, false);
                said.pop_front();
            }
        }
        let (over, open) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|alarm| is_over(alarm.raised_at, alarm.horizon_s));
        self.open = open;
        for alarm in over {
            let grade = if alarm.averted { AlarmGrade::Averted } else { AlarmGrade::FalseAlarm };
            self.settle(alarm, grade, None);
        }
    }

    fn alarm_ended(&mut self, service: &ServiceName, end: AlarmEnd) {
        let Some(at) = self.open.iter().position(|alarm| alarm.standing && alarm.service == *service) else {
            return;
        };
        let alarm = &mut self.open[at];
        alarm.standing = false;
        match end {
            AlarmEnd::Averted => {
                alarm.averted = true;
                // What would have happened to these, nobody knows.
                self.said.remove(service);
            }
            AlarmEnd::Lost => {
                self.said.remove(service);
                let alarm = self.open.remove(at);
                self.settle(alarm, AlarmGrade::Unknown, None);
            }
            AlarmEnd::CameTrue | AlarmEnd::Passed | AlarmEnd::Expired => {}
        }
    }

    fn breached(&mut self, now: Timestamp, service: &ServiceName) {
        self.in_breach.insert(service.clone());
        let said = self.said.remove(service).unwrap_or_default();
        let grades = of(&mut self.grades, &self.model, service);
        said.iter().for_each(|said| grades.forecast(said.probability, true));
        let (true_ones, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|alarm| alarm.service == *service);
        self.open = open;
        let covered = said.back().is_some_and(|last| seconds_between(last.at, now) <= GAP * last.horizon_s);
        if true_ones.is_empty() && covered {
            grades.missed += 1;
        }
        for alarm in true_ones {
            let lead_s = seconds_between(alarm.raised_at, now);
            self.settle(alarm, AlarmGrade::Hit, Some(lead_s));
        }
    }

    fn settle(&mut self, alarm: GradedAlarm, grade: AlarmGrade, lead_s: Option<f64>) {
        of(&mut self.grades, &alarm.model, &alarm.service).alarm(grade, lead_s);
        self.graded.push_back(GradedAlarm { grade: Some(grade), lead_s, ..alarm });
        if self.graded.len() > SHOWN {
            self.graded.pop_front();
        }
    }

    /// Alarms that stand by the record.
    pub fn standing(&self) -> impl Iterator<Item = (ServiceName, Standing)> + '_ {
        self.open.iter().filter(|alarm| alarm.standing).map(|alarm| {
            let (tier, since, horizon_s) = (alarm.tier, alarm.raised_at, alarm.horizon_s);
            (alarm.service.clone(), Standing { tier, since, horizon_s, acted: false })
        })
    }

    pub fn in_breach(&self) -> impl Iterator<Item = ServiceName> + '_ {
        self.in_breach.iter().cloned()
    }

    /// The newest alarms, those first that are not graded yet.
    pub fn alarms(&self) -> impl Iterator<Item = &GradedAlarm> {
        self.open.iter().rev().chain(self.graded.iter().rev())
    }

    /// Each model and service with its grades, and each model over all services.
    #[must_use]
    pub fn rows(&self) -> Vec<LedgerRow> {
        let mut rows = Vec::new();
        for model in self.models.iter().rev() {
            let own = self.grades.get(model).into_iter().flatten();
            let mut all = Grades::default();
            let services: Vec<LedgerRow> = own
                .map(|(service, grades)| {
                    all.add(grades);
                    LedgerRow::of(model, Some(service), grades)
                })
                .collect();
            rows.push(LedgerRow::of(model, None, &all));
            rows.extend(services);
        }
        rows
    }

    /// Whether the model that serves may act on its forecasts by itself.
    #[must_use]
    pub fn earned(&self, precision_min: f64, drift: &[QuantityDrift]) -> Earned {
        let mut all = Grades::default();
        let own = self.grades.get(&self.model).into_iter().flatten();
        own.for_each(|(_, grades)| all.add(grades));
        let low = all.precision_low().unwrap_or(0.0);
        if low < precision_min {
            return Earned::NotYet {
                precision_low: low,
                needed: precision_min,
                graded: all.hits + all.false_alarms,
            };
        }
        match drift.iter().find(|drift| drift.drifted) {
            Some(drifted) => {
                Earned::LostOnDrift { quantity: drifted.quantity, index: drifted.index.unwrap_or(0.0) }
            }
            None => Earned::Yes { precision_low: low },
        }
    }
}

/// The grades of a service by a model.
fn of<'a>(
    grades: &'a mut BTreeMap<String, BTreeMap<ServiceName, Grades>>,
    model: &str,
    service: &ServiceName,
) -> &'a mut Grades {
    grades.entry(model.to_owned()).or_default().entry(service.clone()).or_default()
}

/// Whether autonomy is earned, and why or why not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "earned", rename_all = "snake_case")]
pub enum Earned {
    Yes {
        precision_low: f64,
    },
    /// The record is too short or too bad.
    NotYet {
        precision_low: f64,
        needed: f64,
        graded: u64,
    },
    /// The record was earned on other inputs.
    LostOnDrift {
        quantity: crate::window::Quantity,
        index: f64,
    },
}

/// Grades as they are shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LedgerRow {
    pub model: String,
    /// `None` for all services together.
    pub service: Option<ServiceName>,
    #[serde(flatten)]
    pub summary: Summary,
}

/// What the grades come to. `None` is what nothing is known of yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Forecasts that were graded, one a minute.
    pub forecasts: u64,
    /// Share of them after which the service breached.
    pub base_rate: Option<f64>,
    /// Mean squared distance of the probability from what happened; lower is better.
    pub brier: Option<f64>,
    /// Expected calibration error.
    pub ece: Option<f64>,
    pub calibration: Vec<Bin>,
    pub hits: u64,
    pub missed: u64,
    pub false_alarms: u64,
    pub averted: u64,
    pub unknown: u64,
    pub precision: Option<f64>,
    /// Lower end of the 95 % interval of the precision (Wilson).
    pub precision_low: Option<f64>,
    pub recall: Option<f64>,
    pub median_lead_s: Option<f64>,
}

impl LedgerRow {
    fn of(model: &str, service: Option<&ServiceName>, grades: &Grades) -> Self {
        Self { model: model.to_owned(), service: service.cloned(), summary: grades.summary() }
    }
}

#[cfg(test)]
mod tests;
