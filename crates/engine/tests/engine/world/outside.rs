//! What the engine asks of the simulated world.

use super::{Answer, World};
use futures::future::BoxFuture;
use midwatch_action::Effect;
use midwatch_connectors::{
    ConnectorError, Described, LogDigest, LoggedLine, NotifyError, Outside, Poll, Probe, SourceFailure, Tell,
    Told,
};
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{ActionKind, Change, Sample, ServiceName, Timestamp};

fn no_answer(what: &str) -> ConnectorError {
    ConnectorError::NoAnswer { url: format!("sim://{what}"), reason: "cut off".into() }
}

impl World {
    /// Does it: there where changes are proposed, on the platform that a test has, or in the simulation.
    async fn done(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        let intent = effect.intent();
        if let Some(repositories) = self.repositories_for(intent) {
            return repositories.apply(effect, now).await;
        }
        let Some(platform) = self.platform.get() else { return self.state().perform(intent, now) };
        let outcome = platform.apply(effect, now).await;
        if matches!(outcome, EffectOutcome::Applied { .. }) {
            self.state().cure(intent, now);
        }
        outcome
    }
}

impl Outside for World {
    fn set_services(&self, services: &[Registration]) {
        self.state().services = services.iter().map(|s| s.name.clone()).collect();
    }

    fn poll<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Poll> {
        Box::pin(async move {
            if self.state().stuck {
                std::future::pending::<()>().await;
            }
            let state = self.state();
            if state.silent {
                let failure =
                    SourceFailure { service: None, source: "sim://metrics".into(), reason: "cut off".into() };
                return Poll { samples: Vec::new(), failures: vec![failure], polled_at: now };
            }
            Poll { samples: state.samples(now), failures: Vec::new(), polled_at: now }
        })
    }

    fn probe<'a>(&'a self, service: &'a ServiceName, url: &'a str, now: Timestamp) -> BoxFuture<'a, Probe> {
        Box::pin(async move {
            let healthy = (!self.state().silent).then_some(true);
            Probe {
                service: service.clone(),
                url: url.to_owned(),
                healthy,
                status: healthy.map(|_| 200),
                detail: if healthy.is_some() { "ok".into() } else { "cut off".into() },
                elapsed_ms: 1.0,
                at: now,
            }
        })
    }

    fn changes<'a>(&'a self, since: Timestamp) -> BoxFuture<'a, Result<Vec<Change>, ConnectorError>> {
        if let Some(platform) = self.platform.get() {
            return platform.changes(since);
        }
        Box::pin(async move {
            Ok(self.state().changes.iter().filter(|change| change.at >= since).cloned().collect())
        })
    }

    fn target<'a>(&'a self, service: &'a ServiceName) -> BoxFuture<'a, Result<TargetState, ConnectorError>> {
        if let Some(platform) = self.platform.get() {
            return platform.target(service);
        }
        Box::pin(async move {
            let state = self.state();
            let known = state.targets.get(service).filter(|_| !state.blind);
            known.cloned().ok_or_else(|| no_answer("target"))
        })
    }

    fn describe<'a>(
        &'a self,
        _: &'a ServiceName,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Described>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn takes_proposals(&self, service: &ServiceName) -> bool {
        self.repositories.get().is_some_and(|world| world.takes_proposals(service))
    }

    fn logs<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<LogDigest, ConnectorError>> {
        Box::pin(async move {
            let state = self.state();
            let (rushed_cpu, _) = state.rushed(service.as_str(), to);
            let slow = state.delay_ms(service.as_str(), to) > 0.0 || rushed_cpu > 0.5;
            let top = if slow { vec![("request took # ms".to_owned(), 7)] } else { Vec::new() };
            let warnings = if slow { 7 } else { 0 };
            let query = format!("{service}.ndjson");
            Ok(LogDigest { service: service.clone(), from, to, errors: 0, warnings, lines: 100, top, query })
        })
    }

    fn log_lines<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<LoggedLine>, ConnectorError>> {
        Box::pin(async move {
            let slow = self.state().delay_ms(service.as_str(), to) > 0.0;
            let line = |at, severity, message: &str| LoggedLine { at, severity, message: message.to_owned() };
            let mut lines = vec![line(from, "INFO", "served 100 requests")];
            lines.extend(slow.then(|| line(to, "WARN", "request took 2104 ms")));
            let said = self.state().said.clone().filter(|(by, ..)| by == service.as_str());
            lines.extend(said.map(|(_, severity, message)| line(to, severity, message)));
            Ok(lines)
        })
    }

    fn past_samples<'a>(
        &'a self,
        service: &'a ServiceName,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Sample>, ConnectorError>> {
        Box::pin(async move {
            let state = self.state();
            let of = |sample: &Sample| sample.service == *service && sample.at >= from && sample.at <= to;
            Ok(state.past.iter().filter(|sample| of(sample)).cloned().collect())
        })
    }

    fn apply<'a>(&'a self, effect: &'a Effect, now: Timestamp) -> BoxFuture<'a, EffectOutcome> {
        Box::pin(async move {
            let intent = effect.intent();
            let answer = {
                let mut state = self.state();
                if intent.action.kind() != ActionKind::PullRequest {
                    state.calls.push(intent.key.clone());
                }
                state.late_calls += usize::from(!effect.may_start(now));
                state.answers.pop_front().unwrap_or(Answer::Apply)
            };
            // Others get their turn while a call is under way.
            tokio::task::yield_now().await;
            match answer {
                Answer::Apply => self.done(effect, now).await,
                Answer::Refuse => EffectOutcome::NotApplied { reason: "refused".into() },
                Answer::Lose => {
                    self.done(effect, now).await;
                    EffectOutcome::Unknown { reason: "the answer was lost".into() }
                }
                Answer::TimeOut => EffectOutcome::Unknown { reason: "no answer in time".into() },
                Answer::Fail => {
                    let outcome = EffectOutcome::Failed { reason: "it broke half-way".into() };
                    self.state().operations.insert(intent.key.clone(), outcome.clone());
                    outcome
                }
                Answer::HalfWay => {
                    self.done(effect, now).await;
                    EffectOutcome::Failed { reason: "it broke half-way".into() }
                }
                Answer::Pause => {
                    let outcome = self.done(effect, now).await;
                    self.state().paused = true;
                    self.hanging.notify_one();
                    self.answered.notified().await;
                    self.state().paused = false;
                    outcome
                }
                Answer::Hang { applied } => {
                    if applied {
                        self.done(effect, now).await;
                    }
                    self.hanging.notify_one();
                    std::future::pending().await
                }
            }
        })
    }

    fn reconcile<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<EffectOutcome, ConnectorError>> {
        if let Some(repositories) = self.repositories_for(intent) {
            return repositories.reconcile(intent);
        }
        if let Some(platform) = self.platform.get() {
            return platform.reconcile(intent);
        }
        Box::pin(async move {
            let state = self.state();
            if state.blind {
                return Err(no_answer("operations"));
            }
            let unknown =
                || EffectOutcome::NotApplied { reason: "the control plane does not know this key".into() };
            Ok(state.operations.get(&intent.key).cloned().unwrap_or_else(unknown))
        })
    }

    fn notify<'a>(&'a self, tell: Tell<'a>) -> BoxFuture<'a, Result<Told, NotifyError>> {
        let mut state = self.state();
        if let Some(voice) = state.voice.clone() {
            return Box::pin(async move { voice.notify(tell).await });
        }
        let message = serde_json::from_slice(tell.body).expect("JSON");
        state.told.push((tell.target.to_owned(), tell.id.to_owned(), message));
        let answer = if state.deaf {
            Err(NotifyError { reason: "503".into(), may_retry: true, after_s: None, thread: None })
        } else {
            let thread = tell.thread.is_none().then(|| serde_json::json!({ "ts": tell.id }));
            let thread = thread.filter(|_| !tell.target.contains("/webhook/"));
            Ok(Told { answer: format!("200 {}", tell.thread.unwrap_or_default()).trim().to_owned(), thread })
        };
        let slow = state.slow;
        drop(state);
        Box::pin(async move {
            if slow {
                self.heard.notify_one();
                self.answered.notified().await;
            }
            answer
        })
    }

    fn respond<'a>(
        &'a self,
        url: &'a str,
        body: &'a serde_json::Value,
    ) -> BoxFuture<'a, Result<(), ConnectorError>> {
        self.state().visited.push(format!("{url} {body}"));
        Box::pin(async { Ok(()) })
    }

    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, ConnectorError>> {
        let mut state = self.state();
        state.visited.push(url.to_owned());
        let answer = if state.cut_off { Err(no_answer("fetch")) } else { Ok(b"fine".to_vec()) };
        Box::pin(async move { answer })
    }
}
