//! What may be said of each service: the probability with everything that holds an alarm back.

use super::config::Settings;
use super::live::{Live, WARM_UP_TICKS};
use crate::model::{Forecast, Foreseen, Outlook, ServiceForecast};
use crate::window::Window;
use midwatch_model::{ServiceName, Tier};
use serde::Serialize;

/// Missed ticks from which on a forecast is only believed half.
const STALE_TICKS: u32 = 3;

/// Why nothing follows from a forecast, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Held {
    /// The window is too short yet.
    WarmingUp {
        ticks_left: u64,
    },
    /// Nothing was read of it lately; its confidence counts half.
    Stale {
        ticks: u32,
    },
    LowConfidence {
        confidence: f64,
        least: f64,
    },
    /// Too little of it was read: the share that was.
    NotEnoughData {
        coverage: f32,
    },
    /// Neither its latency nor its errors are read: it promises nothing that could be broken.
    NoObjective,
    /// It breaks its objective now: there is nothing to foresee.
    InBreach,
    /// The network has learnt nothing.
    Untrained,
}

/// What is foreseen of a service, and what holds an alarm back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    pub service: ServiceName,
    /// Of a breach within the horizon; `None` where nothing can be said.
    pub probability: Option<f64>,
    /// Until the breach, if there is one.
    pub minutes: Option<f64>,
    pub confidence: Option<f64>,
    pub tier: Option<Tier>,
    /// None of these: an alarm may follow.
    pub held: Vec<Held>,
}

impl Judged {
    /// The service with its probability per mille, if that can be graded: the service promises something and keeps it so far.
    #[must_use]
    pub fn gradable(&self) -> Option<(ServiceName, u16)> {
        let cannot = |held: &Held| matches!(held, Held::InBreach | Held::NoObjective);
        let probability = self.probability.filter(|_| !self.held.iter().any(cannot))?;
        Some((self.service.clone(), (probability * 1000.0).round() as u16))
    }
}

/// Judges every service of a forecast. A window that somebody brings has no live watch, whose gates it need not pass.
#[must_use]
pub fn judge(
    forecast: &Forecast,
    window: &Window,
    live: Option<&Live>,
    settings: &Settings,
    trained: bool,
) -> Vec<Judged> {
    let warm_up = live.map_or(0, |live| WARM_UP_TICKS.saturating_sub(live.ticks()));
    let one = |(at, service): (usize, &ServiceForecast)| {
        let name = ServiceName::new(&service.service);
        let mut held = Vec::new();
        if warm_up > 0 {
            held.push(Held::WarmingUp { ticks_left: warm_up });
        }
        if !trained {
            held.push(Held::Untrained);
        }
        if live.is_some_and(|live| live.in_breach(&name)) {
            held.push(Held::InBreach);
        }
        if live.is_some_and(|live| !live.objective().applies(&window.normals[at])) {
            held.push(Held::NoObjective);
        }
        let foreseen = service.outlook.foreseen();
        if let Outlook::NotEnoughData { coverage } = service.outlook {
            held.push(Held::NotEnoughData { coverage });
        }
        let silent = live.map_or(0, |live| live.silent(&service.service));
        if silent >= STALE_TICKS {
            held.push(Held::Stale { ticks: silent });
        }
        let fresh = if silent >= STALE_TICKS { 0.5 } else { 1.0 };
        let confidence = foreseen.map(|f| believable(&f) * fresh);
        let least = settings.confidence_min;
        if let Some(confidence) = confidence.filter(|confidence| *confidence < least) {
            held.push(Held::LowConfidence { confidence, least });
        }
        Judged {
            service: name,
            probability: foreseen.map(|f| f.probability),
            minutes: foreseen.map(|f| f.minutes),
            confidence,
            tier: foreseen.and_then(|f| Tier::of(f.probability)),
            held,
        }
    };
    forecast.services.iter().enumerate().map(one).collect()
}

/// How far a probability can be believed. The network's own confidence is how often it expects to be right, which is a toss-up
/// for a probability of a half, however honest: against what the probability itself promises, p² + (1 − p)², it says whether
/// the network is as right as it claims. Where little was read, it is low.
fn believable(foreseen: &Foreseen) -> f64 {
    let p = foreseen.probability;
    let promised = p * p + (1.0 - p) * (1.0 - p);
    (foreseen.confidence / promised).min(1.0)
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Held::WarmingUp { ticks_left } => write!(f, "warming up, {ticks_left} ticks left"),
            Held::Stale { ticks } => write!(f, "nothing read for {ticks} ticks"),
            Held::LowConfidence { confidence, least } => {
                write!(f, "confidence {confidence:.2} is below {least:.2}")
            }
            Held::NotEnoughData { coverage } => write!(f, "only {:.0} % of it was read", coverage * 100.0),
            Held::NoObjective => f.write_str("neither latency nor errors are read"),
            Held::InBreach => f.write_str("in breach now"),
            Held::Untrained => f.write_str("the model has learnt nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::{ForesightConfig, ObjectiveConfig, Read};
    use midwatch_model::ServiceName;

    fn check(what: &str, outlook: Outlook, ticks: u64, reading: f32, silent_ticks: u64, expected: &[&str]) {
        let mut live = Live::new(ObjectiveConfig::default(), "m", None, std::iter::empty());
        let read = |value| Read { service: ServiceName::new("a"), reading: [value; 8], up: None, calm: true };
        (0..ticks).for_each(|_| drop(live.tick(&[read(reading)])));
        (0..silent_ticks).for_each(|_| drop(live.tick(&[])));
        let graph = Foreseen { probability: 0.0, minutes: 0.0, confidence: 0.0 };
        let services = vec![ServiceForecast { service: "a".into(), outlook }];
        let forecast = Forecast { horizon_minutes: 15.0, graph, services, path: vec![] };
        let settings = Settings::from(&ForesightConfig::default());
        let judged = judge(&forecast, &live.window(2.0, &[]), Some(&live), &settings, true);
        let held: Vec<String> = judged[0].held.iter().map(ToString::to_string).collect();
        assert_eq!(held, expected, "{what}");
    }

    fn foreseen(probability: f64, confidence: f64) -> Outlook {
        Outlook::Foreseen(Foreseen { probability, minutes: 3.0, confidence })
    }

    #[test]
    fn every_gate_says_why_it_holds_an_alarm_back() {
        // A network that is as often right as it claims: 0.8² + 0.2².
        let sure = foreseen(0.8, 0.68);
        check("nothing", sure, 40, 0.3, 0, &[]);
        check("a toss-up is honest", foreseen(0.5, 0.5), 40, 0.3, 0, &[]);
        check("too early", sure, 12, 0.3, 0, &["warming up, 18 ticks left"]);
        check("unsure", foreseen(0.8, 0.4), 40, 0.3, 0, &["confidence 0.59 is below 0.70"]);
        check("silent", sure, 40, 0.3, 3, &["nothing read for 3 ticks", "confidence 0.50 is below 0.70"]);
        let gaps = Outlook::NotEnoughData { coverage: 0.3 };
        check("gaps", gaps, 40, 0.3, 0, &["only 30 % of it was read"]);
        let unread = ["neither latency nor errors are read"];
        check("nothing is usual yet", sure, 8, 0.3, 0, &["warming up, 22 ticks left", unread[0]]);
    }
}
