//! From probabilities to alarms. Not every tick counts: an alarm begins when the probability has been there for some ticks, and
//! ends when it has clearly fallen and stayed down, so that it does not flap.

use super::config::Settings;
use super::judge::Judged;
use midwatch_model::{AlarmEnd, ServiceName, Tier, Timestamp, seconds_between};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Ticks in a row that a probability must have reached a tier.
const RISES: u32 = 3;

/// Ticks in a row that it must be below to leave it: half a minute.
const FALLS: u32 = 15;

/// How far below the tier's beginning counts as below.
const MARGIN: f64 = 0.1;

/// Ticks in a row without a probability after which nobody knows any more.
const LOST: u32 = 30;

/// An alarm that stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Standing {
    pub tier: Tier,
    pub since: Timestamp,
    pub horizon_s: f64,
    /// Whether somebody did something about the service meanwhile.
    pub acted: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    standing: Option<Standing>,
    /// An alarm has ended and the probability has not been low since: it is not raised again.
    spent: bool,
    rising: u32,
    falling: u32,
    unknown: u32,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    Raised { service: ServiceName, tier: Tier },
    Turned { service: ServiceName, tier: Tier, probability: f64 },
    Ended { service: ServiceName, end: AlarmEnd, reason: String },
}

/// The alarms of all services.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    watched: BTreeMap<ServiceName, Watched>,
}

impl Alarms {
    /// Alarms that stood when the record ended.
    #[must_use]
    pub fn restore(standing: impl Iterator<Item = (ServiceName, Standing)>) -> Self {
        let of = |standing| Watched { standing: Some(standing), ..Watched::default() };
        Self { watched: standing.map(|(service, standing)| (service, of(standing))).collect() }
    }

    pub fn standing(&self) -> impl Iterator<Item = (&ServiceName, &Standing)> {
        self.watched.iter().filter_map(|(service, w)| Some((service, w.standing.as_ref()?)))
    }

    #[must_use]
    pub fn of(&self, service: &ServiceName) -> Option<&Standing> {
        self.watched.get(service).and_then(|watched| watched.standing.as_ref())
    }

    /// Somebody did something about a service.
    pub fn acted(&mut self, service: &ServiceName) {
        if let Some(standing) = self.watched.get_mut(service).and_then(|w| w.standing.as_mut()) {
            standing.acted = true;
        }
    }

    /// Takes a tick's judgements; what changed with them.
    pub fn tick(
        &mut self,
        now: Timestamp,
        judged: &[Judged],
        breached: &BTreeMap<ServiceName, String>,
        settings: &Settings,
        horizon_s: f64,
    ) -> Vec<Turn> {
        let mut turns = Vec::new();
        let known: BTreeSet<&ServiceName> = judged.iter().map(|judged| &judged.service).collect();
        let gone: Vec<_> = self.watched.keys().filter(|service| !known.contains(service)).cloned().collect();
        for service in gone {
            let lost = self.watched.remove(&service).and_then(|watched| watched.standing);
            turns.extend(lost.map(|_| ended(&service, AlarmEnd::Lost, "it is not watched any more")));
        }
        for judged in judged {
            let watched = self.watched.entry(judged.service.clone()).or_default();
            turns.extend(watched.tick(now, judged, breached.get(&judged.service), settings, horizon_s));
        }
        turns
    }

    /// Ends every alarm: forecasts were switched off.
    pub fn end_all(&mut self) -> Vec<Turn> {
        let all = std::mem::take(&mut self.watched).into_iter().filter(|(_, w)| w.standing.is_some());
        all.map(|(service, _)| ended(&service, AlarmEnd::Lost, "forecasts were switched off")).collect()
    }
}

fn ended(service: &ServiceName, end: AlarmEnd, reason: impl Into<String>) -> Turn {
    Turn::Ended { service: service.clone(), end, reason: reason.into() }
}

impl Watched {
    fn tick(
        &mut self,
        now: Timestamp,
        judged: &Judged,
        breached: Option<&String>,
        settings: &Settings,
        horizon_s: f64,
    ) -> Option<Turn> {
        match self.standing {
            Some(standing) => self.go_on(now, standing, judged, breached, settings),
            None => self.rise(now, judged, settings, horizon_s),
        }
    }

    fn rise(&mut self, now: Timestamp, judged: &Judged, settings: &Settings, horizon_s: f64) -> Option<Turn> {
        let tier = judged.tier.filter(|tier| *tier >= settings.alarm_from);
        self.count_falling(judged.probability, settings.alarm_from);
        self.spent &= self.falling < FALLS;
        let Some(tier) = tier.filter(|_| judged.held.is_empty() && !self.spent) else {
            self.rising = 0;
            return None;
        };
        self.rising += 1;
        if self.rising < RISES {
            return None;
        }
        let standing = Standing { tier, since: now, horizon_s, acted: false };
        *self = Self { standing: Some(standing), ..Self::default() };
        Some(Turn::Raised { service: judged.service.clone(), tier })
    }

    fn go_on(
        &mut self,
        now: Timestamp,
        standing: Standing,
        judged: &Judged,
        breached: Option<&String>,
        settings: &Settings,
    ) -> Option<Turn> {
        let service = &judged.service;
        if let Some(reason) = breached {
            return self.end(ended(service, AlarmEnd::CameTrue, reason.clone()));
        }
        let minutes = standing.horizon_s / 60.0;
        if seconds_between(standing.since, now) > standing.horizon_s {
            let (end, reason) = if standing.acted {
                (
                    AlarmEnd::Averted,
                    format!("something was done about it, and within {minutes:.0} min nothing failed"),
                )
            } else {
                (AlarmEnd::Expired, format!("{minutes:.0} min are over without a breach"))
            };
            return self.end(ended(service, end, reason));
        }
        self.unknown = if judged.probability.is_none() { self.unknown + 1 } else { 0 };
        if self.unknown >= LOST {
            return self.end(ended(
                service,
                AlarmEnd::Lost,
                format!("nothing was read of it for {LOST} ticks"),
            ));
        }
        let probability = judged.probability?;
        if let Some(tier) = judged.tier.filter(|tier| *tier > standing.tier && judged.held.is_empty()) {
            self.rising += 1;
            return (self.rising >= RISES).then(|| self.turn(standing, service, tier, probability));
        }
        self.rising = 0;
        self.count_falling(Some(probability), standing.tier);
        if self.falling < FALLS {
            return None;
        }
        match judged.tier.filter(|tier| *tier >= settings.alarm_from) {
            Some(lower) => Some(self.turn(standing, service, lower, probability)),
            None if standing.acted => {
                self.end(ended(service, AlarmEnd::Averted, fell(probability, "after something was done")))
            }
            None => self.end(ended(service, AlarmEnd::Passed, fell(probability, "by itself"))),
        }
    }

    /// What is not known neither falls nor rises.
    fn count_falling(&mut self, probability: Option<f64>, tier: Tier) {
        let Some(probability) = probability else { return };
        let low = probability < tier.begins_at() - MARGIN;
        self.falling = if low { self.falling.saturating_add(1) } else { 0 };
    }

    fn turn(&mut self, standing: Standing, service: &ServiceName, tier: Tier, probability: f64) -> Turn {
        *self = Self { standing: Some(Standing { tier, ..standing }), ..Self::default() };
        Turn::Turned { service: service.clone(), tier, probability }
    }

    fn end(&mut self, turn: Turn) -> Option<Turn> {
        *self = Self { spent: true, falling: self.falling, ..Self::default() };
        Some(turn)
    }
}

fn fell(probability: f64, how: &str) -> String {
    format!("its probability fell to {:.0} % {how}", probability * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::{ForesightConfig, Held};
    use midwatch_model::after;

    const HORIZON_S: f64 = 900.0;

    /// Feeds a probability a tick, two seconds each; what changed, with the tick.
    fn run(
        alarms: &mut Alarms,
        probabilities: &[Option<f64>],
        meanwhile: impl Fn(usize, &mut Alarms),
    ) -> Vec<(usize, Turn)> {
        let mut turns = Vec::new();
        for (tick, probability) in probabilities.iter().enumerate() {
            meanwhile(tick, alarms);
            let judged = Judged {
                service: "a".into(),
                probability: *probability,
                minutes: *probability,
                confidence: *probability,
                tier: probability.and_then(Tier::of),
                held: vec![],
            };
            let now = after(Timestamp::UNIX_EPOCH, 2.0 * tick as f64);
            let settings = Settings::from(&ForesightConfig::default());
            let found = alarms.tick(now, &[judged], &BTreeMap::new(), &settings, HORIZON_S);
            turns.extend(found.into_iter().map(|turn| (tick, turn)));
        }
        turns
    }

    fn check(probabilities: &[(usize, f64)], expected: &[&str]) {
        let ticks: Vec<Option<f64>> =
            probabilities.iter().flat_map(|(ticks, p)| std::iter::repeat_n(Some(*p), *ticks)).collect();
        let turns = run(&mut Alarms::default(), &ticks, |_, _| {});
        let told: Vec<String> = turns
            .iter()
            .map(|(tick, turn)| match turn {
                Turn::Raised { tier, .. } => format!("{tick} raised {tier}"),
                Turn::Turned { tier, .. } => format!("{tick} turned {tier}"),
                Turn::Ended { end, .. } => format!("{tick} {}", <&str>::from(end)),
            })
            .collect();
        assert_eq!(told, expected, "{probabilities:?}");
    }

    #[test]
    fn an_alarm_takes_three_ticks_and_ends_after_half_a_minute() {
        check(&[(2, 0.6), (1, 0.4), (2, 0.6)], &[]);
        check(&[(3, 0.6), (20, 0.2)], &["2 raised medium", "17 passed"]);
        check(&[(3, 0.6), (40, 0.45)], &["2 raised medium"]);
    }

    #[test]
    fn it_turns_with_the_probability_and_does_not_flap() {
        check(
            &[(3, 0.6), (3, 0.95), (20, 0.6)],
            &["2 raised medium", "5 turned critical", "20 turned medium"],
        );
        let flapping: Vec<(usize, f64)> =
            (0..20).map(|n| (1, if n % 2 == 0 { 0.72 } else { 0.68 })).collect();
        check(&flapping, &["2 raised high"]);
    }

    #[test]
    fn what_did_not_happen_in_time_is_over_and_is_not_raised_again_before_it_has_fallen() {
        check(&[(470, 0.6)], &["2 raised medium", "453 expired"]);
        check(&[(460, 0.6), (15, 0.1), (3, 0.6)], &["2 raised medium", "453 expired", "477 raised medium"]);
    }

    #[test]
    fn what_was_acted_upon_is_averted() {
        let mut probabilities = vec![Some(0.8); 10];
        probabilities.extend([Some(0.1); 20]);
        let act = |tick, alarms: &mut Alarms| {
            if tick == 5 {
                alarms.acted(&"a".into())
            }
        };
        let turns = run(&mut Alarms::default(), &probabilities, act);
        assert!(matches!(&turns[1].1, Turn::Ended { end: AlarmEnd::Averted, .. }), "{turns:?}");
    }

    #[test]
    fn what_is_not_read_any_more_is_lost() {
        let mut probabilities = vec![Some(0.8); 5];
        probabilities.extend([None; 40]);
        let turns = run(&mut Alarms::default(), &probabilities, |_, _| {});
        assert!(matches!(&turns[1], (34, Turn::Ended { end: AlarmEnd::Lost, .. })), "{turns:?}");
    }

    #[test]
    fn what_is_held_back_raises_nothing_and_a_breach_ends_an_alarm() {
        let settings = Settings::from(&ForesightConfig::default());
        let mut judged = Judged {
            service: "a".into(),
            probability: Some(0.9),
            minutes: None,
            confidence: Some(0.2),
            tier: Some(Tier::Critical),
            held: vec![Held::Untrained],
        };
        let mut alarms = Alarms::default();
        let mut tick = |judged: &Judged, breached: &BTreeMap<ServiceName, String>| {
            alarms.tick(Timestamp::UNIX_EPOCH, std::slice::from_ref(judged), breached, &settings, HORIZON_S)
        };
        let well = BTreeMap::new();
        assert!((0..9).flat_map(|_| tick(&judged, &well)).next().is_none());
        judged.held.clear();
        assert_eq!((0..3).flat_map(|_| tick(&judged, &well)).count(), 1);
        let turns = tick(&judged, &BTreeMap::from([("a".into(), "slow".to_owned())]));
        assert_eq!(turns, [ended(&"a".into(), AlarmEnd::CameTrue, "slow")]);
    }
}
