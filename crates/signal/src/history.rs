//! The last samples of every series as they came: what an incident is looked back on with.

use crate::SeriesStatus;
use midwatch_model::{Metric, Sample, ServiceName, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Samples that are kept of a series: an hour at one per 15 seconds, 4 KB.
const SAMPLES_MAX: usize = 240;

/// Series that are kept, which bounds memory at 40 MB. Of later ones the detectors alone know anything.
const SERIES_MAX: usize = 10_000;

/// The last samples of every series, bounded. It judges nothing; that is what the detectors do.
#[derive(Clone, Debug, Default)]
pub struct History {
    series: BTreeMap<(ServiceName, Metric), VecDeque<(Timestamp, f64)>>,
}

impl History {
    /// Starts from what detectors still know after a restart.
    #[must_use]
    pub fn of(known: &[SeriesStatus]) -> Self {
        let mut history = Self::default();
        for status in known {
            for (at, value) in &status.recent {
                history.add(&status.service, status.metric, *at, *value);
            }
        }
        history
    }

    /// Takes samples; one that is not newer than its series' last changes nothing.
    pub fn take(&mut self, samples: &[Sample]) {
        for sample in samples.iter().filter(|sample| sample.value.is_finite()) {
            self.add(&sample.service, sample.metric, sample.at, sample.value);
        }
    }

    fn add(&mut self, service: &ServiceName, metric: Metric, at: Timestamp, value: f64) {
        let key = (service.clone(), metric);
        if !self.series.contains_key(&key) && self.series.len() >= SERIES_MAX {
            return;
        }
        let samples = self.series.entry(key).or_default();
        if samples.back().is_some_and(|(last, _)| *last >= at) {
            return;
        }
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back((at, value));
    }

    /// A service's series with their samples until then, oldest first; none that has no sample.
    pub fn until(
        &self,
        service: &ServiceName,
        to: Timestamp,
    ) -> impl Iterator<Item = (Metric, Vec<(Timestamp, f64)>)> {
        Metric::ALL.iter().filter_map(move |metric| {
            let samples = self.series.get(&(service.clone(), *metric))?;
            let kept: Vec<_> = samples.iter().copied().take_while(|(at, _)| *at <= to).collect();
            (!kept.is_empty()).then_some((*metric, kept))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_s: i64, value: f64) -> Sample {
        let at = Timestamp::from_second(at_s).expect("a time");
        Sample { service: "web".into(), metric: Metric::Cpu, value, at }
    }

    #[test]
    fn the_last_samples_are_kept_in_order_and_no_more() {
        let mut history = History::default();
        for at_s in 0..1000 {
            history.take(&[sample(at_s, at_s as f64), sample(at_s - 5, -1.0), sample(at_s, f64::NAN)]);
        }
        let until = Timestamp::from_second(899).expect("a time");
        let kept: Vec<_> = history.until(&"web".into(), until).collect();
        assert_eq!(kept.len(), 1);
        let values: Vec<f64> = kept[0].1.iter().map(|(_, value)| *value).collect();
        assert_eq!((values.first(), values.last(), values.len()), (Some(&760.0), Some(&899.0), 140));
        assert_eq!(history.until(&"web".into(), Timestamp::MIN).count(), 0);
        assert_eq!(history.until(&"db".into(), until).count(), 0);
    }
}
