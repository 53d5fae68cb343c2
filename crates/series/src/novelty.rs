//! Novelty: is this number, with those right before it, something that a series has not done before?
//!
//! Owns: three views of one series, each compared with its own past: a step away from the last numbers, a shape that was
//! not seen, a departure from the same time of other days. The rarest counts. For series of any kind, with one set of
//! defaults; detectors that know what a metric means go before it.

mod tail;

use std::collections::VecDeque;
use tail::Tail;

/// Numbers that are remembered.
const MEMORY: usize = 4000;

/// Numbers that a step is measured against.
const STEP_WINDOW: usize = 100;

/// Numbers that make a shape.
const SHAPE: usize = 48;

/// Days whose same time is compared with at most: a week.
const DAYS_MAX: usize = 7;

/// Days before which a time of day says nothing.
const DAYS_MIN: usize = 2;

/// Numbers over which a departure from other days is averaged: one late sample is none.
const DEPARTURE: usize = 3;

/// From what a number is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// It is far from the numbers right before it.
    Step,
    /// Nothing like the last numbers was seen.
    Shape,
    /// At this time of other days it was different.
    TimeOfDay,
}

/// How new a number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Novel {
    /// −log₁₀ of how rarely its like was seen in this series: 3 is once in a thousand numbers. 0 while nothing can be said,
    /// and for what goes on after it was as new a short while ago.
    pub score: f64,
    pub view: View,
}

/// One series.
#[derive(Clone, Debug)]
pub struct Novelty {
    last: VecDeque<f64>,
    per_day: Option<usize>,
    warm_up: usize,
    seen: usize,
    step: Tail,
    shape: Tail,
    time_of_day: Tail,
    departures: VecDeque<f64>,
    /// Scores within which only a new maximum is told.
    recent: VecDeque<f64>,
}

impl Novelty {
    /// A series with `per_day` samples a day, if that is known, of which the first `warm_up` are not judged.
    #[must_use]
    pub fn new(per_day: Option<usize>, warm_up: usize) -> Self {
        Self {
            last: VecDeque::new(),
            per_day: per_day.filter(|per_day| *per_day > 1),
            warm_up,
            seen: 0,
            step: Tail::default(),
            shape: Tail::default(),
            time_of_day: Tail::default(),
            departures: VecDeque::new(),
            recent: VecDeque::new(),
        }
    }

    /// Takes the next number in and says how new it is. One that is not finite is not taken in.
    pub fn push(&mut self, number: f64) -> Novel {
        if !number.is_finite() {
            return Novel { score: 0.0, view: View::Step };
        }
        let views = [
            (View::Step, self.step_of(number)),
            (View::TimeOfDay, self.departure_of(number)),
            (View::Shape, self.shape_of(number)),
        ];
        remember(&mut self.last, number, MEMORY);
        self.seen += 1;
        let (view, score) =
            views.into_iter().fold((View::Step, 0.0), |best, view| if view.1 > best.1 { view } else { best });
        self.tell(view, score)
    }

    /// Trouble is new once: what follows counts only if it is newer still.
    fn tell(&mut self, view: View, score: f64) -> Novel {
        let before = self.recent.iter().copied().fold(0.0, f64::max);
        remember(&mut self.recent, score, (self.warm_up / 2).max(1));
        let judged = self.seen > self.warm_up && score > before;
        Novel { score: if judged { score } else { 0.0 }, view }
    }

    fn step_of(&mut self, number: f64) -> f64 {
        if self.last.len() < STEP_WINDOW {
            return 0.0;
        }
        let window = self.last.range(self.last.len() - STEP_WINDOW..);
        let mean = window.clone().sum::<f64>() / STEP_WINDOW as f64;
        let variance = window.map(|other| (other - mean).powi(2)).sum::<f64>() / STEP_WINDOW as f64;
        judge(&mut self.step, (number - mean).abs() / (variance.sqrt() + 1e-9))
    }

    fn departure_of(&mut self, number: f64) -> f64 {
        let Some(usual) = self.usual() else { return 0.0 };
        remember(&mut self.departures, number - usual, DEPARTURE);
        if self.departures.len() < DEPARTURE {
            return 0.0;
        }
        let departure = self.departures.iter().sum::<f64>() / DEPARTURE as f64;
        judge(&mut self.time_of_day, departure.abs())
    }

    /// The median of what the series was at this time of the last days, each with its neighbours.
    fn usual(&self) -> Option<f64> {
        let per_day = self.per_day?;
        let now = self.last.len();
        let days = (now / per_day).min(DAYS_MAX);
        if days < DAYS_MIN {
            return None;
        }
        let at = |day: usize| {
            let then = now - day * per_day;
            let around = self.last.range(then.saturating_sub(1)..(then + 2).min(now));
            around.clone().sum::<f64>() / around.len() as f64
        };
        let mut usual: Vec<f64> = (1..=days).map(at).collect();
        usual.sort_by(f64::total_cmp);
        usual.get(days / 2).copied()
    }

    /// The distance to the nearest of all earlier shapes (a left discord, as in matrix profiles), not scaled: a level that was
    /// not seen is new, too.
    fn shape_of(&mut self, number: f64) -> f64 {
        let known = self.last.len();
        if known + 1 < 3 * SHAPE {
            return 0.0;
        }
        let series = self.last.make_contiguous();
        let (earlier, newest) = series.split_at(known + 1 - SHAPE);
        let distance = |shape: &[f64], best: f64| {
            let mut sum = (shape[SHAPE - 1] - number).powi(2);
            for (theirs, own) in shape.iter().zip(newest) {
                sum += (theirs - own).powi(2);
                if sum >= best {
                    return best;
                }
            }
            sum
        };
        let nearest = earlier.windows(SHAPE).fold(f64::MAX, |best, shape| distance(shape, best));
        judge(&mut self.shape, nearest.sqrt())
    }
}

fn judge(tail: &mut Tail, number: f64) -> f64 {
    let surprise = tail.surprise(number);
    tail.push(number);
    surprise
}

fn remember(last: &mut VecDeque<f64>, number: f64, at_most: usize) {
    if last.len() >= at_most {
        last.pop_front();
    }
    last.push_back(number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn night(n: usize) -> f64 {
        20.0 + ((n * 7919) % 101) as f64 / 101.0
    }

    /// Days of 96 samples, high by day, low by night, with a little noise.
    fn day(n: usize) -> f64 {
        if (32..72).contains(&(n % 96)) { night(n) + 60.0 } else { night(n) }
    }

    /// The score at each place above what is rare once in 10,000 numbers.
    fn alarms(series: impl Iterator<Item = f64>) -> Vec<(usize, View)> {
        let mut novelty = Novelty::new(Some(96), 400);
        let scores = series.enumerate().map(|(place, number)| (place, novelty.push(number)));
        scores.filter(|(_, novel)| novel.score >= 4.0).map(|(place, novel)| (place, novel.view)).collect()
    }

    #[test]
    fn what_a_series_always_does_is_not_new() {
        assert_eq!(alarms((0..2000).map(day)), []);
    }

    #[test]
    fn a_day_that_does_not_begin_is_new_by_the_time_of_day() {
        let missing = |n: usize| if n / 96 == 15 { night(n) } else { day(n) };
        let found = alarms((0..1536).map(missing));
        assert!(
            found.iter().any(|(place, view)| (1472..1484).contains(place) && *view == View::TimeOfDay),
            "{found:?}"
        );
        assert!(found.iter().all(|(place, _)| *place >= 1472), "{found:?}");
    }

    #[test]
    fn a_level_that_was_never_seen_is_new_once() {
        let found = alarms((0..1600).map(|n| if n >= 1500 { 140.0 } else { day(n) }));
        assert_eq!(found.first().map(|(place, _)| *place), Some(1500), "{found:?}");
        assert!(found.len() <= 6, "it goes on, but it is told a few times only: {found:?}");
    }

    proptest! {
        #[test]
        fn any_numbers_are_judged(numbers in prop::collection::vec(prop::num::f64::ANY, 0..400)) {
            let mut novelty = Novelty::new(Some(3), 10);
            for number in numbers {
                let novel = novelty.push(number);
                prop_assert!(novel.score >= 0.0);
            }
        }
    }
}
