//! One life, watched from its first tick to its last.

use super::tally::{Life, Tally, Watcher};
use anyhow::Result;
use midwatch_model::{ForecastEvent, Foretold, ServiceName, Timestamp, after};
use midwatch_prediction::model::Model;
use midwatch_prediction::serving::{Judged, Live, ObjectiveConfig, Read, judge};
use midwatch_prediction::simulate::{NOT_POLLED, Production};
use midwatch_prediction::window::{Quantity, Reading, TICK_S as TICK};
use std::collections::BTreeMap;

pub const TICK_S: f64 = TICK as f64;

/// Ticks between two lines of forecasts, a minute.
const LINE_TICKS: usize = 30;

/// Watches a production and lets every tally grade what its alarms came to.
pub fn watch(model: &Model, production: &Production, tallies: &mut [Tally], life: Life) -> Result<()> {
    let names: Vec<ServiceName> = production.services.iter().map(|s| ServiceName::new(s.as_str())).collect();
    let calls: Vec<_> =
        production.calls.iter().map(|(from, to)| (names[*from].clone(), names[*to].clone())).collect();
    let mut live = Live::new(ObjectiveConfig::default(), "simulated", None, std::iter::empty());
    let mut watchers: Vec<Watcher> = tallies.iter().map(Tally::watcher).collect();
    let horizon_s = f64::from(model.meta.horizon_ticks) * TICK_S;
    for (tick, readings) in production.ticks().enumerate() {
        let at = after(Timestamp::UNIX_EPOCH, tick as f64 * TICK_S);
        let read: Vec<Read> =
            names.iter().zip(readings).map(|(name, reading)| polled(name, reading)).collect();
        let events = live.tick(&read);
        let breached = breaches(&events);
        let window = live.window(TICK, &calls);
        let forecast = model.forecast(&window)?;
        for (watcher, tally) in watchers.iter_mut().zip(tallies.iter()) {
            let judged = judge(&forecast, &window, Some(&live), &tally.settings(), true);
            if live.is_warm() && tick % LINE_TICKS == 0 {
                watcher.ledger.apply(at, &ForecastEvent::Foretold(foretold(&judged, horizon_s)));
            }
            events.iter().for_each(|event| watcher.saw(at, event));
            watcher.tick(at, &judged, &breached, &forecast, &tally.settings(), horizon_s);
        }
    }
    let minutes = production.ticks().count() as f64 * TICK_S / 60.0;
    for (watcher, tally) in watchers.into_iter().zip(tallies) {
        tally.take(watcher, life, minutes, production.services.len());
    }
    Ok(())
}

fn polled(name: &ServiceName, reading: &Reading) -> Read {
    let mut known = *reading;
    NOT_POLLED.iter().for_each(|quantity| known[*quantity as usize] = f32::NAN);
    let up = Some(f32::from(u8::from(reading[Quantity::Replicas as usize] > 0.0)));
    // The detectors are not part of this watch; what breaches its objective is not learnt as usual anyway.
    Read { service: name.clone(), reading: known, up, calm: true }
}

fn breaches(events: &[ForecastEvent]) -> BTreeMap<ServiceName, String> {
    let one = |event: &ForecastEvent| match event {
        ForecastEvent::ObjectiveBreached { service, reason, .. } => Some((service.clone(), reason.clone())),
        _ => None,
    };
    events.iter().filter_map(one).collect()
}

fn foretold(judged: &[Judged], horizon_s: f64) -> Foretold {
    let permille = judged.iter().filter_map(Judged::gradable).collect();
    Foretold { model: "simulated".to_owned(), horizon_s, permille }
}
