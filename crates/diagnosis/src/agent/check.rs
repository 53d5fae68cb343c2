//! Whether what a model claims stands: everything that it cites is looked at once more.

use super::book::Book;
use super::knowledge::Knowledge;
use super::look;
use super::recheck::Fresh;
use super::submission::Claim;
use crate::bundle::Bundle;
use crate::investigate::view::View;
use crate::investigate::{Answer, AnswerEvidence, investigate};
use midwatch_model::EvidenceSource;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;

/// Why a claim was struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Struck {
    /// The component is neither on the graph nor in the telemetry.
    UnknownComponent,
    /// Nothing that was measured speaks for the component.
    NotRanked,
    NoEvidence,
    /// It cites an id that was never given.
    UnknownEvidence,
    /// Asked again, a cited query answers otherwise.
    NotReproduced,
    /// What it cites did show something abnormal of the component, and in fresh data it is over.
    NoLongerShown,
    /// What it cites shows nothing abnormal of the component but what somebody wrote.
    NotSupported,
    /// The change is not on record before the trouble.
    UnknownChange,
    /// The change was made to something else, or cannot have done this.
    ChangeCannot,
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Struck::UnknownComponent => "the component is neither on the graph nor in the telemetry",
            Struck::NotRanked => "nothing that was measured speaks for the component",
            Struck::NoEvidence => "it cites no evidence",
            Struck::UnknownEvidence => "it cites evidence that does not exist",
            Struck::NotReproduced => "asked again, a cited query answers otherwise",
            Struck::NoLongerShown => "at the check, fresh data no longer shows what it cites",
            Struck::NotSupported => {
                "what it cites shows nothing abnormal of the component by numbers or state"
            }
            Struck::UnknownChange => "the change is not on record before the trouble",
            Struck::ChangeCannot => "the change was made to something else, or cannot have done this",
        })
    }
}

/// Suspicion from which a change may be named: below, neither its time nor its place nor its content fits.
const SUSPECT_MIN: f64 = 0.1;

/// What a check needs.
pub(super) struct Court<'a> {
    pub bundle: &'a Bundle,
    pub view: &'a View,
    pub knowledge: &'a dyn Knowledge,
    pub book: &'a Book,
    /// The incident as it is by now, where that can be asked for.
    pub fresh: Option<&'a Fresh<'a>>,
    /// The deterministic answer.
    pub answer: &'a Answer,
    /// Its evidence, found once more.
    pub again: OnceCell<Vec<AnswerEvidence>>,
}

impl Court<'_> {
    /// Whether a claim stands, and if not, why.
    pub fn hear(&self, claim: &Claim) -> Result<(), Struck> {
        if !self.view.names.contains(&claim.component) {
            return Err(Struck::UnknownComponent);
        }
        if !self.answer.ranked.iter().any(|ranked| ranked.component == claim.component) {
            return Err(Struck::NotRanked);
        }
        if claim.evidence.is_empty() {
            return Err(Struck::NoEvidence);
        }
        for id in claim.evidence.iter().chain(&claim.against).collect::<BTreeSet<_>>() {
            self.reproduce(id)?;
        }
        let shows: Vec<&String> =
            claim.evidence.iter().filter(|id| self.shows(id, &claim.component)).collect();
        if shows.is_empty() {
            return Err(Struck::NotSupported);
        }
        if !shows.into_iter().any(|id| self.still_shows(id, &claim.component)) {
            return Err(Struck::NoLongerShown);
        }
        claim.change.as_ref().map_or(Ok(()), |change| self.hear_change(change, claim))
    }

    /// Asks again, independently of what was answered the first time.
    fn reproduce(&self, id: &str) -> Result<(), Struck> {
        if let Some((piece, digest)) = self.book.get(id) {
            let again = look::answer(self.bundle, self.view, self.knowledge, &piece.query);
            return if again.digest() == *digest { Ok(()) } else { Err(Struck::NotReproduced) };
        }
        let filed = self.answer.evidence.iter().find(|e| e.id == id).ok_or(Struck::UnknownEvidence)?;
        // However often it is cited, it is looked into once.
        let again = self.again.get_or_init(|| investigate(self.bundle).answer.evidence);
        let same = again.iter().any(|e| e.digest == filed.digest && e.query == filed.query);
        if same { Ok(()) } else { Err(Struck::NotReproduced) }
    }

    /// Whether a piece shows something abnormal of the component that nobody wrote: what lines say is no witness.
    fn shows(&self, id: &str, component: &str) -> bool {
        if let Some((piece, _)) = self.book.get(id) {
            return piece.shows.iter().any(|shown| shown == component);
        }
        let of = self.answer.ranked.iter().find(|ranked| ranked.component == component);
        let cited = of.is_some_and(|ranked| ranked.evidence.iter().any(|cited| cited == id));
        let source = self.answer.evidence.iter().find(|e| e.id == id).map(|e| e.source);
        cited
            && matches!(
                source,
                Some(EvidenceSource::ServiceMetrics | EvidenceSource::Traces | EvidenceSource::ControlPlane)
            )
    }

    /// Whether it does so in fresh data, too; where there is none, nothing speaks against it.
    fn still_shows(&self, id: &str, component: &str) -> bool {
        let Some(fresh) = self.fresh else { return true };
        if let Some((piece, _)) = self.book.get(id) {
            return fresh.shows(&piece.query, component);
        }
        self.answer.evidence.iter().find(|e| e.id == id).is_some_and(|filed| fresh.bears_out(filed))
    }

    /// A change that does not look like the cause any more once more is known of the trouble is none.
    fn hear_change(&self, change: &str, claim: &Claim) -> Result<(), Struck> {
        let cited = claim.evidence.iter().any(|id| self.tells_of(id, change));
        let views = [Some(self.view), self.fresh.map(Fresh::view)];
        for view in views.into_iter().flatten() {
            let known = view.suspects.iter().find(|suspect| suspect.id == change);
            let known = known.ok_or(Struck::UnknownChange)?;
            let place = known.component.as_ref().is_none_or(|component| *component == claim.component);
            if !place || !cited || known.suspicion < SUSPECT_MIN || view.other {
                return Err(Struck::ChangeCannot);
            }
        }
        Ok(())
    }

    fn tells_of(&self, id: &str, change: &str) -> bool {
        if let Some((piece, _)) = self.book.get(id) {
            return piece.changes.iter().any(|told| told == change);
        }
        let query = format!("changes.json: id={change}");
        self.answer.evidence.iter().any(|e| e.id == id && e.query == query)
    }
}
