//! An outside without telemetry and control plane. It has documents, and remembers who was visited.

use futures::future::BoxFuture;
use midwatch_action::Effect;
use midwatch_connectors::{
    ConnectorError, Described, LogDigest, LoggedLine, NotifyError, Outside, Poll, Probe, Tell, Told,
};
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Change, Sample, ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub struct Documents {
    pub at: Mutex<BTreeMap<String, Vec<u8>>>,
    visited: Mutex<Vec<String>>,
}

impl Documents {
    pub fn put(&self, url: &str, document: &[u8]) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).insert(url.into(), document.to_vec());
    }

    /// Takes the addresses that were visited since the last look.
    pub fn take_visited(&self) -> Vec<String> {
        std::mem::take(&mut self.visited.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn nothing(what: &str) -> ConnectorError {
    ConnectorError::NoAnswer { url: format!("sim://{what}"), reason: "there is nothing".into() }
}

impl Outside for Documents {
    fn set_services(&self, _: &[Registration]) {}

    fn poll<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Poll> {
        Box::pin(async move { Poll { samples: Vec::new(), failures: Vec::new(), polled_at: now } })
    }

    fn probe<'a>(&'a self, service: &'a ServiceName, url: &'a str, now: Timestamp) -> BoxFuture<'a, Probe> {
        Box::pin(async move {
            Probe {
                service: service.clone(),
                url: url.to_owned(),
                healthy: None,
                status: None,
                detail: "there is nothing".into(),
                elapsed_ms: 0.0,
                at: now,
            }
        })
    }

    fn changes<'a>(&'a self, _: Timestamp) -> BoxFuture<'a, Result<Vec<Change>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn target<'a>(&'a self, _: &'a ServiceName) -> BoxFuture<'a, Result<TargetState, ConnectorError>> {
        Box::pin(async { Err(nothing("target")) })
    }

    fn describe<'a>(
        &'a self,
        _: &'a ServiceName,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Described>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn logs<'a>(
        &'a self,
        _: &'a ServiceName,
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<LogDigest, ConnectorError>> {
        Box::pin(async { Err(nothing("logs")) })
    }

    fn log_lines<'a>(
        &'a self,
        _: &'a ServiceName,
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<LoggedLine>, ConnectorError>> {
        Box::pin(async { Err(nothing("logs")) })
    }

    fn past_samples<'a>(
        &'a self,
        _: &'a ServiceName,
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Sample>, ConnectorError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn apply<'a>(&'a self, _: &'a Effect, _: Timestamp) -> BoxFuture<'a, EffectOutcome> {
        Box::pin(async { EffectOutcome::NotApplied { reason: "there is nothing".into() } })
    }

    fn reconcile<'a>(&'a self, _: &'a Intent) -> BoxFuture<'a, Result<EffectOutcome, ConnectorError>> {
        Box::pin(async { Err(nothing("operations")) })
    }

    fn notify<'a>(&'a self, _: Tell<'a>) -> BoxFuture<'a, Result<Told, NotifyError>> {
        Box::pin(async { Ok(Told { answer: "200".to_owned(), thread: None }) })
    }

    fn respond<'a>(
        &'a self,
        url: &'a str,
        body: &'a serde_json::Value,
    ) -> BoxFuture<'a, Result<(), ConnectorError>> {
        self.visited.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{url} {body}"));
        Box::pin(async { Ok(()) })
    }

    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, ConnectorError>> {
        self.visited.lock().unwrap_or_else(PoisonError::into_inner).push(url.to_owned());
        let document = self.at.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        Box::pin(async move { document.ok_or_else(|| nothing("fetch")) })
    }
}
