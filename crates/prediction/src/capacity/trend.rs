//! Whether incidents of a service become more.

use serde::Serialize;

/// Weeks, or whatever the steps are, below which nothing is said.
const STEPS_MIN: usize = 6;

/// Incidents below which nothing is said: of four, three in one half are chance.
const INCIDENTS_MIN: u64 = 6;

/// Deviations from even halves beyond which it is no chance: one of twenty.
const DEVIATIONS: f64 = 1.96;

/// How the rate of incidents moves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "trend", rename_all = "snake_case")]
pub enum IncidentTrend {
    /// Incidents per step in the earlier and in the later half.
    Rising {
        before: f64,
        now: f64,
    },
    Falling {
        before: f64,
        now: f64,
    },
    Steady {
        rate: f64,
    },
    NotEnoughHistory {
        steps: usize,
        incidents: u64,
    },
}

/// The trend of the number of incidents per step, oldest first. If the rate did not change, each incident falls into either
/// half with equal chance: how far the halves differ is judged by that (a conditional test of two Poisson rates).
#[must_use]
pub fn incident_trend(counts: &[u32]) -> IncidentTrend {
    // Of an odd number of steps the oldest is left out: halves must be equal.
    let counts = &counts[counts.len() % 2..];
    let (earlier, later) = counts.split_at(counts.len() / 2);
    let sum = |counts: &[u32]| counts.iter().copied().map(u64::from).sum::<u64>();
    let (a, b) = (sum(earlier), sum(later));
    if counts.len() < STEPS_MIN || a + b < INCIDENTS_MIN {
        return IncidentTrend::NotEnoughHistory { steps: counts.len(), incidents: a + b };
    }
    let half = earlier.len() as f64;
    let (before, now) = (a as f64 / half, b as f64 / half);
    let deviations = (b as f64 - a as f64) / ((a + b) as f64).sqrt();
    match deviations {
        d if d > DEVIATIONS => IncidentTrend::Rising { before, now },
        d if d < -DEVIATIONS => IncidentTrend::Falling { before, now },
        _ => IncidentTrend::Steady { rate: (a + b) as f64 / counts.len() as f64 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_chance_is_a_trend() {
        assert_eq!(
            incident_trend(&[0, 1, 0, 3, 4, 5]),
            IncidentTrend::Rising { before: 1.0 / 3.0, now: 4.0 }
        );
        assert_eq!(
            incident_trend(&[4, 5, 3, 0, 1, 0]),
            IncidentTrend::Falling { before: 4.0, now: 1.0 / 3.0 }
        );
        assert_eq!(incident_trend(&[1, 2, 1, 2, 1, 2]), IncidentTrend::Steady { rate: 1.5 });
        assert_eq!(
            incident_trend(&[9, 0, 1, 0, 1]),
            IncidentTrend::NotEnoughHistory { steps: 4, incidents: 2 }
        );
    }
}
