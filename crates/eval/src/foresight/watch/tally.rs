//! What alarms came to: the ledger's grades, and what a person asks beyond them: how many lives were warned of in time, how often
//! a healthy hour was disturbed, and whether the next to fail was named.

use midwatch_model::{Alarm, AlarmEnd, ForecastEvent, ServiceName, Tier, Timestamp, seconds_between};
use midwatch_prediction::model::Forecast;
use midwatch_prediction::serving::{Alarms, ForesightConfig, Judged, Ledger, Settings, Summary, Turn};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What kind of a life it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Troubled,
    Healthy,
}

/// Services that a path names first: whoever fails next should be among them.
const NAMED: usize = 2;

/// What one life showed.
#[derive(Default)]
pub struct Watcher {
    alarms: Alarms,
    pub ledger: Ledger,
    in_breach: BTreeSet<ServiceName>,
    first_breach: Option<Timestamp>,
    /// Who was the first to raise an alarm, and when.
    first_alarms: BTreeMap<ServiceName, Timestamp>,
    /// Services that the path of the first alarm names, until somebody fails.
    named: Option<Vec<ServiceName>>,
    path: Option<bool>,
    /// The service that failed first, and when it had been warned of.
    foreseen: Option<f64>,
}

impl Watcher {
    /// Takes what happened to a service.
    pub fn saw(&mut self, at: Timestamp, event: &ForecastEvent) {
        self.ledger.apply(at, event);
        match event {
            ForecastEvent::ObjectiveBreached { service, .. } => {
                self.in_breach.insert(service.clone());
                if let Some(named) = self.named.take() {
                    self.path = Some(named.contains(service));
                }
                if self.first_breach.is_none() {
                    self.first_breach = Some(at);
                    let first = self.first_alarms.values().min();
                    self.foreseen = first.map(|alarm| seconds_between(*alarm, at));
                }
            }
            ForecastEvent::ObjectiveMet { service } => {
                self.in_breach.remove(service);
            }
            _ => {}
        }
    }

    /// Takes what was judged of a tick.
    pub fn tick(
        &mut self,
        at: Timestamp,
        judged: &[Judged],
        breached: &BTreeMap<ServiceName, String>,
        forecast: &Forecast,
        settings: &Settings,
        horizon_s: f64,
    ) {
        for turn in self.alarms.tick(at, judged, breached, settings, horizon_s) {
            let event = match turn {
                Turn::Raised { service, tier } => {
                    self.raised(at, &service, forecast);
                    ForecastEvent::AlarmRaised(alarm(service, tier, horizon_s))
                }
                Turn::Turned { service, tier, probability } => {
                    ForecastEvent::AlarmTurned { service, tier, probability }
                }
                Turn::Ended { service, end, reason } => {
                    if end != AlarmEnd::CameTrue {
                        self.first_alarms.remove(&service);
                    }
                    ForecastEvent::AlarmEnded { service, end, reason }
                }
            };
            self.ledger.apply(at, &event);
        }
    }

    fn raised(&mut self, at: Timestamp, service: &ServiceName, forecast: &Forecast) {
        self.first_alarms.entry(service.clone()).or_insert(at);
        if self.path.is_none() && self.named.is_none() {
            let steps = forecast.path.iter().map(|step| ServiceName::new(step.service.as_str()));
            let named = steps.filter(|service| !self.in_breach.contains(service)).take(NAMED);
            self.named = Some(named.collect());
        }
    }
}

fn alarm(service: ServiceName, tier: Tier, horizon_s: f64) -> Alarm {
    Alarm {
        service,
        tier,
        probability: tier.begins_at(),
        confidence: 1.0,
        minutes: 0.0,
        horizon_s,
        model: "simulated".to_owned(),
        path: vec![],
        moved: vec![],
    }
}

/// Everything that alarms from one tier on came to.
pub struct Tally {
    from: Tier,
    summaries: Vec<(Life, Summary)>,
    /// Seconds from each alarm that came true to the breach.
    leads_s: Vec<f64>,
    lives: Vec<Fate>,
    healthy_minutes: f64,
}

/// What became of a troubled life.
struct Fate {
    breached: bool,
    lead_s: Option<f64>,
    path: Option<bool>,
    services: usize,
}

impl Tally {
    /// One for each tier that may raise alarms.
    pub fn all() -> Vec<Self> {
        let of =
            |from| Self { from, summaries: vec![], leads_s: vec![], lives: vec![], healthy_minutes: 0.0 };
        [Tier::Low, Tier::Medium, Tier::High, Tier::Critical].map(of).into()
    }

    pub fn settings(&self) -> Settings {
        Settings::from(&ForesightConfig { alarm_from: self.from, ..ForesightConfig::default() })
    }

    pub fn watcher(&self) -> Watcher {
        Watcher::default()
    }

    pub fn take(&mut self, watcher: Watcher, life: Life, minutes: f64, services: usize) {
        let all = watcher.ledger.rows().into_iter().find(|row| row.service.is_none());
        self.summaries.extend(all.map(|row| (life, row.summary)));
        self.leads_s.extend(watcher.ledger.alarms().filter_map(|alarm| alarm.lead_s));
        match life {
            Life::Healthy => self.healthy_minutes += minutes,
            Life::Troubled => self.lives.push(Fate {
                breached: watcher.first_breach.is_some(),
                lead_s: watcher.foreseen,
                path: watcher.path,
                services,
            }),
        }
    }

    pub fn row(&self) -> Row {
        let of = |life: Life, count: fn(&Summary) -> u64| -> u64 {
            self.summaries.iter().filter(|(l, _)| *l == life).map(|(_, s)| count(s)).sum()
        };
        let both = |count: fn(&Summary) -> u64| of(Life::Troubled, count) + of(Life::Healthy, count);
        let (hits, missed) = (both(|s| s.hits), both(|s| s.missed));
        let false_alarms = both(|s| s.false_alarms);
        let breached: Vec<&Fate> = self.lives.iter().filter(|fate| fate.breached).collect();
        let leads: Vec<f64> = breached.iter().filter_map(|fate| fate.lead_s).collect();
        let paths: Vec<(bool, usize)> =
            breached.iter().filter_map(|fate| Some((fate.path?, fate.services))).collect();
        let healthy_false_alarms = of(Life::Healthy, |s| s.false_alarms);
        Row {
            alarms_from: self.from,
            hits,
            missed,
            false_alarms,
            precision: share(hits, hits + false_alarms),
            recall: share(hits, hits + missed),
            service_lead_s: median(self.leads_s.clone()),
            lives_breached: breached.len(),
            lives_foreseen: leads.len(),
            lives_without_breach: self.lives.len() - breached.len(),
            life_lead_s: median(leads),
            healthy_false_alarms,
            false_alarms_per_healthy_hour: healthy_false_alarms as f64 / (self.healthy_minutes / 60.0),
            paths_asked: paths.len(),
            paths_right: paths.iter().filter(|(right, _)| *right).count(),
            paths_chance: paths.iter().map(|(_, n)| NAMED as f64 / *n as f64).sum::<f64>()
                / paths.len() as f64,
        }
    }
}

fn share(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What alarms from a tier on came to.
#[derive(Serialize)]
pub struct Row {
    alarms_from: Tier,
    hits: u64,
    missed: u64,
    false_alarms: u64,
    precision: f64,
    recall: f64,
    /// Seconds from an alarm to the breach of its service, the median.
    service_lead_s: f64,
    lives_breached: usize,
    /// Lives in which an alarm stood when the first service failed.
    lives_foreseen: usize,
    lives_without_breach: usize,
    /// Seconds from the first alarm to the first breach of a life, the median.
    life_lead_s: f64,
    healthy_false_alarms: u64,
    false_alarms_per_healthy_hour: f64,
    /// Lives in which somebody failed after the first alarm; how often its path names that one among the first two.
    paths_asked: usize,
    paths_right: usize,
    paths_chance: f64,
}

impl Row {
    pub fn render(&self) -> String {
        let mut text = format!("alarms from {}:\n", self.alarms_from);
        let _ = writeln!(
            text,
            "  services  {} breaches foreseen, {} missed, {} false alarms: precision {:.2}, recall {:.2}, median lead {:.0} s",
            self.hits, self.missed, self.false_alarms, self.precision, self.recall, self.service_lead_s
        );
        let _ = writeln!(
            text,
            "  lives     {} of {} with a breach were foreseen before the first one, median lead {:.0} s; {} had none",
            self.lives_foreseen, self.lives_breached, self.life_lead_s, self.lives_without_breach
        );
        let _ = writeln!(
            text,
            "  healthy   {} false alarms, {:.2} an hour",
            self.healthy_false_alarms, self.false_alarms_per_healthy_hour
        );
        let _ = writeln!(
            text,
            "  path      the next to fail is among the first two that are named: {} of {} (chance {:.2})",
            self.paths_right, self.paths_asked, self.paths_chance
        );
        text
    }
}
