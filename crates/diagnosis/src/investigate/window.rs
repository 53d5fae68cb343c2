//! Which samples are normal, and which may be of the incident.

use crate::bundle::{Bundle, Ms, Series, TimeSpan};

/// Time before the detection that is looked at: what goes wrong takes hours to fill a disk, not days.
const LOOK_BACK_MS: Ms = 6 * 3600 * 1000;

/// The times of the incident and those of normal operation.
#[derive(Clone, Debug)]
pub struct Window {
    pub detected_at: Ms,
    baseline: Vec<TimeSpan>,
}

/// A series in two parts.
#[derive(Clone, Debug)]
pub struct Split {
    pub normal: Vec<f64>,
    pub normal_at: Vec<Ms>,
    pub incident: Vec<f64>,
    pub incident_at: Vec<Ms>,
}

impl Window {
    pub fn of(bundle: &Bundle) -> Self {
        let detected_at = bundle.incident.detected_at;
        let mut baseline = bundle.incident.baseline.clone();
        if baseline.is_empty() {
            baseline.extend(Self::guessed(bundle, detected_at));
        }
        Self { detected_at, baseline }
    }

    /// The earlier half of what was measured before the detection, where nobody says when all was normal; of what was
    /// logged, where nothing was measured.
    fn guessed(bundle: &Bundle, detected_at: Ms) -> Option<TimeSpan> {
        let samples = bundle.metrics.series.iter().filter_map(|series| series.at.first());
        let from = samples.min().or(bundle.logs.first().map(|line| &line.at)).copied()?;
        (from < detected_at).then(|| TimeSpan { from, to: from + (detected_at - from) / 2 })
    }

    /// Whether the time is one of normal operation.
    pub fn is_normal(&self, at: Ms) -> bool {
        self.baseline.iter().any(|span| span.holds(at))
    }

    /// Whether the time may be of the incident.
    pub fn is_of_incident(&self, at: Ms) -> bool {
        at >= self.detected_at - LOOK_BACK_MS && !self.is_normal(at)
    }

    /// Parts a series.
    pub fn split(&self, series: &Series) -> Split {
        let mut split = Split { normal: vec![], normal_at: vec![], incident: vec![], incident_at: vec![] };
        for (at, value) in series.at.iter().zip(&series.values) {
            if self.is_normal(*at) {
                split.normal.push(*value);
                split.normal_at.push(*at);
            } else if self.is_of_incident(*at) {
                split.incident.push(*value);
                split.incident_at.push(*at);
            }
        }
        split
    }
}

impl Split {
    /// Whether the incident's samples are all the same: that several components report them means nothing then.
    pub fn is_still(&self) -> bool {
        self.incident.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Normal samples at most so many sampling steps before the first one of the incident.
    pub fn just_before(&self, steps: f64) -> &[f64] {
        let (Some(first), Some(last)) = (self.incident_at.first(), self.incident_at.last()) else {
            return &[];
        };
        let count = self.incident_at.len().saturating_sub(1).max(1) as f64;
        let step = ((last - first) as f64 / count).max(1.0);
        let from = self.normal_at.partition_point(|at| (*at as f64) < *first as f64 - steps * step);
        let to = self.normal_at.partition_point(|at| at < first);
        &self.normal[from..to]
    }
}
