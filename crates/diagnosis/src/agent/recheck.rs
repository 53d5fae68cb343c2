//! The incident as it is by now: what a claim rests on is looked for in data that the model did not see.

use super::knowledge::Knowledge;
use super::look;
use super::query::Query;
use crate::bundle::{Bundle, Ms, Series};
use crate::investigate::view::{NOTABLE, SeenSeries, View};
use crate::investigate::{AnswerEvidence, investigate};
use std::cell::OnceCell;

/// New samples of a series without which it is not called over: one or two may be a gap between two bad ones.
const NEW_SAMPLES_MIN: usize = 3;

/// What data a verdict is checked on.
#[derive(Clone, Debug, PartialEq)]
pub enum Recheck {
    /// What the model saw is all there is: a folder does not change.
    SameBundle,
    /// The incident was asked for once more.
    Fresh(Box<Bundle>),
    /// It could not be asked for once more.
    Unavailable,
}

/// A second look at an incident.
pub(super) struct Fresh<'a> {
    before: &'a Bundle,
    seen_before: &'a View,
    bundle: &'a Bundle,
    view: View,
    knowledge: &'a dyn Knowledge,
    /// What the numbers alone cite by now; made when it is first needed.
    evidence: OnceCell<Vec<AnswerEvidence>>,
}

impl<'a> Fresh<'a> {
    pub fn new(before: (&'a Bundle, &'a View), bundle: &'a Bundle, knowledge: &'a dyn Knowledge) -> Self {
        let (before, seen_before) = before;
        Self { before, seen_before, bundle, view: View::of(bundle), knowledge, evidence: OnceCell::new() }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether the answer to a query still shows something abnormal of the component.
    pub fn shows(&self, query: &Query, component: &str) -> bool {
        match query {
            Query::Metrics { metric, .. } => {
                self.any_lasts(component, &|series| metric.as_ref().is_none_or(|m| series.metric == *m))
            }
            Query::Traces { .. } => self.any_lasts(component, &|series| series.source == "traces.json"),
            _ => {
                let again = look::answer(self.bundle, &self.view, self.knowledge, query);
                again.shows.iter().any(|shown| shown == component)
            }
        }
    }

    /// Whether what the numbers cited at first is still so.
    pub fn bears_out(&self, filed: &AnswerEvidence) -> bool {
        let about = &filed.about;
        let Some(metric) = &about.metric else {
            let all = self.evidence.get_or_init(|| investigate(self.bundle).answer.evidence);
            return all.iter().any(|e| e.query == filed.query && e.about == *about);
        };
        let was = |seen: &&SeenSeries| seen.component == about.component && seen.metric == *metric;
        // What was nothing unusual before cannot have ended.
        let was_notable = self.seen_before.series.iter().find(was).is_some_and(|s| s.score >= NOTABLE);
        !was_notable || self.any_lasts(&about.component, &|series| series.metric == *metric)
    }

    fn any_lasts(&self, component: &str, asked: &dyn Fn(&Series) -> bool) -> bool {
        self.view.series.iter().any(|seen| {
            let series = &self.bundle.metrics.series[seen.index];
            seen.component == component && seen.score >= NOTABLE && asked(series) && self.lasts(seen, series)
        })
    }

    /// Whether some of what came since the first look is abnormal, or too little came to say.
    fn lasts(&self, seen: &SeenSeries, series: &Series) -> bool {
        let until = self.known_until(series);
        let new = series.at.len() - series.at.partition_point(|at| *at <= until);
        new < NEW_SAMPLES_MIN || seen.last_seen.is_some_and(|at| at > until)
    }

    /// The last sample of a series that was there at the first look.
    fn known_until(&self, series: &Series) -> Ms {
        let same = |s: &&Series| s.component == series.component && s.metric == series.metric;
        let known = self.before.metrics.series.iter().find(same).and_then(|s| s.at.last());
        known.copied().unwrap_or(self.before.incident.detected_at)
    }
}
