//! What an incident is asked: everything here follows from what was folded, and changes nothing.

use super::{EffectRecord, Incident};
use crate::Members;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, VerificationOutcome};
use midwatch_model::{Action, ActionKey, Metric, ServiceName, Signal, SignalKind, Timestamp, Verdict};
use std::collections::BTreeSet;

impl Incident {
    /// The effect whose end nobody knows, if any.
    #[must_use]
    pub fn pending_effect(&self) -> Option<&EffectRecord> {
        self.effects.iter().find(|e| e.is_pending())
    }

    /// The last effect that was not an undo.
    #[must_use]
    pub fn last_effect(&self) -> Option<&EffectRecord> {
        self.effects.iter().rev().find(|e| e.intent.undoes.is_none())
    }

    /// When the last effect ended; where it is a run's, when the run did: it may go on long after its last action.
    #[must_use]
    pub fn acted_until(&self) -> Option<Timestamp> {
        let last = self.last_effect()?;
        let ended_at = last.ended_at?;
        let run = self.run.as_ref().filter(|run| run.ended.is_some() && self.is_of_run(last));
        let run_ended_at = run.and_then(|run| run.events.last()).map(|(at, _)| *at);
        Some(run_ended_at.map_or(ended_at, |at| ended_at.max(at)))
    }

    /// The undo of an effect, if it was intended.
    #[must_use]
    pub fn undo_of(&self, key: &ActionKey) -> Option<&EffectRecord> {
        self.effects.iter().find(|e| e.intent.undoes.as_ref() == Some(key))
    }

    /// Effects (not undos) that may have changed their target.
    pub fn attempts(&self) -> impl Iterator<Item = &EffectRecord> {
        self.effects.iter().filter(|e| {
            e.intent.undoes.is_none() && e.outcome.as_ref().is_none_or(EffectOutcome::may_have_changed_target)
        })
    }

    /// Services whose circuit breaker midwatch has opened and nobody here has closed: their callers do without them.
    #[must_use]
    pub fn open_breakers(&self) -> BTreeSet<&ServiceName> {
        let mut open = BTreeSet::new();
        for effect in &self.effects {
            match (&effect.intent.action, &effect.outcome) {
                (Action::CircuitBreak { target, open: true }, Some(EffectOutcome::Applied { .. })) => {
                    open.insert(target);
                }
                (Action::CircuitBreak { target, open: false }, Some(EffectOutcome::Applied { .. })) => {
                    open.remove(target);
                }
                _ => {}
            }
        }
        open
    }

    /// When the recovery was verified, if it was and still holds.
    #[must_use]
    pub fn recovered_at(&self) -> Option<Timestamp> {
        match &self.verified {
            Some((VerificationOutcome::Recovered, at, _)) => Some(*at),
            _ => self.resolved_at,
        }
    }

    /// Whether nothing has happened yet: all that it knows was foreseen.
    #[must_use]
    pub fn is_predicted(&self) -> bool {
        self.signals.iter().all(|signal| signal.kind == SignalKind::Forecast)
    }

    /// Services that showed symptoms.
    #[must_use]
    pub fn services(&self) -> BTreeSet<ServiceName> {
        self.signals.iter().map(|s| s.service.clone()).collect()
    }

    /// Whether symptoms have joined since the last verdict.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.diagnosed_at.is_none_or(|at| self.last_signal_at > at)
    }

    /// The component that the verdict names, else the first signal's service.
    #[must_use]
    pub fn component(&self) -> &ServiceName {
        self.verdict
            .as_ref()
            .and_then(Verdict::root)
            .map_or_else(|| &self.signals[0].service, |root| &root.component)
    }

    /// What whoever answers the request for approval decides on: the target of the step that waits, else the component.
    #[must_use]
    pub fn decided_on(&self) -> &ServiceName {
        let waiting = self.waiting.as_ref().zip(self.plan.as_ref());
        let step = waiting.and_then(|(waiting, (plan, hash))| {
            plan.steps.get(waiting.step).filter(|_| waiting.plan == *hash)
        });
        step.map_or_else(|| self.component(), |step| step.action.target())
    }

    /// The target of the last effect as the control plane showed it before.
    #[must_use]
    pub fn before_last_effect(&self) -> Option<&TargetState> {
        self.last_effect().map(|e| &e.intent.before)
    }

    /// The entities of its signals, as relations see them.
    pub(crate) fn members(&self) -> Members {
        let mut members = Members::default();
        for signal in &self.signals {
            members.join(signal);
        }
        members
    }

    /// What correlation needs to know.
    #[must_use]
    pub fn as_open(&self) -> crate::Open {
        crate::Open {
            id: self.id.clone(),
            state: self.state,
            opened_at: self.opened_at,
            recovered_at: self.recovered_at(),
            component: self.verdict.as_ref().and_then(Verdict::root).map(|h| h.component.clone()),
            services: self.services(),
            loaded: self
                .signals
                .iter()
                .filter(|signal| signal.metric == Some(Metric::RequestRate))
                .map(|signal| signal.service.clone())
                .collect(),
            series: self.signals.iter().map(Signal::series_key).collect(),
            last_signal_at: self.last_signal_at,
            members: self.members(),
        }
    }
}
