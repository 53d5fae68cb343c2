//! Productions watched as they will be served, so that a model's probabilities mean there what they say.
//!
//! Windows of stories are chosen by what happens after them; while a production is watched, nothing is chosen. Owns: the
//! windows of whole lives, minute by minute, with what happened after each.

use crate::serving::{Live, ObjectiveConfig, Read};
use crate::simulate::{Course, NOT_POLLED, Production};
use crate::window::{Outcome, Quantity, Reading, Story, TICK_S, Window, WindowSet};
use midwatch_model::{ForecastEvent, ServiceName};

/// Ticks between two windows: a minute, as lines of forecasts are written while serving.
const EVERY_TICKS: usize = 30;

/// Lives of an hour in which something goes wrong, and in which nothing does. How often things go wrong is for nobody to know
/// beforehand: these are equal, and a ledger tells what it is really like.
const TROUBLED: usize = 40;
const HEALTHY: usize = 40;

/// Ticks of an hour, and of the time before it in which the watch warms up.
const HOUR_TICKS: usize = 1800;
const WARM_UP_TICKS: usize = 60;

/// Services of a production, as in training.
const SERVICES: (usize, usize) = (4, 14);

/// All windows of a rehearsal for a horizon in ticks. The same seed gives the same.
#[must_use]
pub fn rehearse(horizon_ticks: u32, seed: u64) -> WindowSet {
    let mut set = WindowSet { windows: vec![], outcomes: vec![], horizon_ticks, seed };
    for number in 0..TROUBLED + HEALTHY {
        let trouble = (number < TROUBLED).then_some(horizon_ticks);
        let ticks = HOUR_TICKS + WARM_UP_TICKS + trouble.map_or(0, |horizon| horizon as usize);
        let production = Production::new(&Course { ticks, services: SERVICES, trouble }, seed, number as u64);
        watch(&production, trouble.map_or(Story::Healthy, |_| Story::Cascade), &mut set);
    }
    set
}

/// A reading as polls bring it.
#[must_use]
pub fn polled(name: &ServiceName, reading: &Reading) -> Read {
    let mut known = *reading;
    NOT_POLLED.iter().for_each(|quantity| known[*quantity as usize] = f32::NAN);
    let up = Some(f32::from(u8::from(reading[Quantity::Replicas as usize] > 0.0)));
    // The detectors are not part of this watch; what breaches its objective is not learnt as usual anyway.
    Read { service: name.clone(), reading: known, up, calm: true }
}

/// Adds the windows of one life whose horizon ends within it.
fn watch(production: &Production, story: Story, set: &mut WindowSet) {
    let names: Vec<ServiceName> = production.services.iter().map(|s| ServiceName::new(s.as_str())).collect();
    let calls: Vec<_> =
        production.calls.iter().map(|(from, to)| (names[*from].clone(), names[*to].clone())).collect();
    let mut live = Live::new(ObjectiveConfig::default(), "rehearsal", None, std::iter::empty());
    let mut breaches: Vec<(usize, String)> = Vec::new();
    let mut taken: Vec<(usize, Window, Vec<bool>)> = Vec::new();
    let ticks = production.ticks().count();
    for (tick, readings) in production.ticks().enumerate() {
        let read: Vec<Read> =
            names.iter().zip(readings).map(|(name, reading)| polled(name, reading)).collect();
        breaches.extend(live.tick(&read).into_iter().filter_map(|event| match event {
            ForecastEvent::ObjectiveBreached { service, .. } => Some((tick, service.to_string())),
            _ => None,
        }));
        let is_graded = tick + (set.horizon_ticks as usize) < ticks;
        if tick >= WARM_UP_TICKS && tick % EVERY_TICKS == 0 && is_graded {
            let window = live.window(TICK_S, &calls);
            let in_breach = window.services.iter().map(|s| live.in_breach(&s.as_str().into())).collect();
            taken.push((tick, window, in_breach));
        }
    }
    for (tick, window, in_breach) in taken {
        let ahead = |(service, broken): (&String, &bool)| {
            let within = |(at, who): &&(usize, String)| who == service && *at > tick;
            let ticks = breaches.iter().find(within).map(|(at, _)| (at - tick) as u32)?;
            (ticks <= set.horizon_ticks && !broken).then_some(ticks)
        };
        let breach_in = window.services.iter().zip(&in_breach).map(ahead).collect();
        set.outcomes.push(Outcome { story, breach_in, in_breach });
        set.windows.push(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_watched_minute_by_minute_and_what_happens_after_each_is_on_record() {
        let mut set = WindowSet { windows: vec![], outcomes: vec![], horizon_ticks: 300, seed: 5 };
        let course = |trouble| Course { ticks: 1500, services: (4, 6), trouble };
        for number in 0..6 {
            watch(&Production::new(&course(Some(300)), 5, number), Story::Cascade, &mut set);
        }
        // From tick 60 to the last whose horizon ends within the life, every 30 ticks.
        assert_eq!(set.windows.len(), 6 * (1500 - 300 - 60) / 30);
        assert!(set.windows.iter().all(|window| window.check().is_ok()));
        let ahead = set.outcomes.iter().flat_map(|outcome| outcome.breach_in.iter().flatten());
        let ahead: Vec<u32> = ahead.copied().collect();
        assert!(!ahead.is_empty() && ahead.iter().all(|ticks| (1..=300).contains(ticks)), "{ahead:?}");
        let polls = |window: &Window| window.readings.iter().all(|r| r[Quantity::Replicas as usize].is_nan());
        assert!(set.windows.iter().all(polls));
        let before = set.windows.len();
        watch(&Production::new(&course(None), 5, 9), Story::Healthy, &mut set);
        let failing = set.outcomes[before..].iter().filter(|o| o.first_breach().is_some()).count();
        assert!(
            failing * 10 < set.windows.len() - before,
            "{failing} of the healthy windows come before a breach"
        );
    }
}
