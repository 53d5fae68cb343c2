//! Notifiers: the ways to tell a receiver.

mod webhook;

pub use webhook::WebhookConfig;

use crate::{ConnectorError, Http};
use midwatch_model::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use webhook::Webhook;

/// Somebody who can be told, as configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiverConfig {
    /// What routes call it.
    pub name: String,
    /// URLs that are told.
    #[serde(rename = "webhook")]
    pub webhooks: Vec<WebhookConfig>,
}

/// Why a notification did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyError {
    pub reason: String,
    /// Whether trying again can help.
    pub may_retry: bool,
    /// Seconds that the receiver asks to wait.
    pub after_s: Option<f64>,
}

impl NotifyError {
    fn of(error: &ConnectorError) -> Self {
        Self { reason: error.to_string(), may_retry: true, after_s: None }
    }
}

/// One way to tell a receiver.
#[derive(Debug)]
enum Notifier {
    Webhook(Webhook),
}

/// All ways to tell all receivers, by target: `receiver/kind/number`.
#[derive(Debug, Default)]
pub struct Notifiers(BTreeMap<String, Notifier>);

/// What a receiver's webhook is known by.
#[must_use]
pub fn webhook_target(receiver: &str, number: usize) -> String {
    format!("{receiver}/webhook/{number}")
}

/// Where a receiver's webhook stands in the configuration.
fn field(receiver: &ReceiverConfig, number: usize) -> String {
    format!("[[receiver]] `{}` webhook[{number}]", receiver.name)
}

/// Everything that is wrong with receivers as they are written; no file is read.
#[must_use]
pub fn wrong_receivers(receivers: &[ReceiverConfig]) -> Vec<ConnectorError> {
    let of = |receiver: &ReceiverConfig| -> Vec<_> {
        let webhooks = receiver.webhooks.iter().enumerate();
        webhooks.flat_map(|(number, webhook)| webhook::problems(webhook, &field(receiver, number))).collect()
    };
    receivers.iter().flat_map(of).collect()
}

/// The secrets of receivers that cannot be had or used.
#[must_use]
pub fn wrong_secrets(receivers: &[ReceiverConfig]) -> Vec<ConnectorError> {
    let of = |receiver: &ReceiverConfig| -> Vec<_> {
        let webhooks = receiver.webhooks.iter().enumerate();
        webhooks
            .filter_map(|(number, webhook)| webhook::key(webhook, &field(receiver, number)).err())
            .collect()
    };
    receivers.iter().flat_map(of).collect()
}

impl Notifiers {
    /// # Errors
    /// When a receiver cannot be used; the error names field and fix.
    pub fn new(receivers: &[ReceiverConfig], http: &Http) -> Result<Self, ConnectorError> {
        let mut all = BTreeMap::new();
        for receiver in receivers {
            for (number, webhook) in receiver.webhooks.iter().enumerate() {
                let field = field(receiver, number);
                let notifier = Notifier::Webhook(Webhook::new(webhook, &field, http.clone())?);
                all.insert(webhook_target(&receiver.name, number), notifier);
            }
        }
        Ok(Self(all))
    }

    /// Tells a target once. The answer is what it said, in one line.
    pub(crate) async fn notify(
        &self,
        target: &str,
        id: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<String, NotifyError> {
        match self.0.get(target) {
            Some(Notifier::Webhook(webhook)) => webhook.notify(id, body, now).await,
            None => Err(NotifyError {
                reason: format!("{target} is not configured any more"),
                may_retry: false,
                after_s: None,
            }),
        }
    }
}
