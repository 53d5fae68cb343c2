//! Actuators that an operator declares: a command, a webhook or steps on a dashboard do what no platform of ours can, or does it otherwise.
//!
//! What can be done stays the catalogue's; a declaration says how, for named services. A service that says where it lives
//! has both: its platform's state and actions, with the declared ones in their place. One that does not has the declared
//! ones alone.

mod arguments;
mod browser;
mod command;
mod config;
mod process;
mod state;
mod webdriver;
mod webhook;

pub use config::{ActuatorConfig, BrowserConfig, CommandConfig, HookConfig};

use super::{Times, not_applied, too_late};
use crate::egress::Egress;
use crate::{ConnectorError, Http};
use browser::Browser;
use command::Command;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{Action, ActionKind, ServiceName, Timestamp};
use state::Told;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use webhook::Hook;

/// One declared actuator.
#[derive(Debug)]
pub(crate) struct Bound {
    name: String,
    services: BTreeSet<ServiceName>,
    hand: Hand,
    /// Everything that belongs to one call has to end within it: afterwards its outcome is looked up.
    call_timeout: Duration,
}

/// What does it.
#[derive(Debug)]
enum Hand {
    Command(Command),
    Webhook(Hook),
    Browser(Browser),
}

impl Bound {
    pub fn new(
        config: &ActuatorConfig,
        egress: Egress,
        call_timeout: Duration,
    ) -> Result<Self, ConnectorError> {
        let http = Http::guarded(egress)?;
        let hand = match (&config.command, &config.webhook, &config.browser) {
            (None, None, Some(browser)) => Hand::Browser(Browser::new(browser, &config.name, http, egress)?),
            (Some(command), None, None) => Hand::Command(Command::new(command, &config.name)?),
            (None, Some(hook), None) => Hand::Webhook(Hook::new(hook, &config.name, http)?),
            _ => return Err(config.says_no_hand()),
        };
        Ok(Self { name: config.name.clone(), services: config.services.clone(), hand, call_timeout })
    }

    pub fn serves(&self, service: &ServiceName) -> bool {
        self.services.contains(service)
    }

    /// Whether it is this one that does such an action.
    pub fn does(&self, kind: ActionKind) -> bool {
        match &self.hand {
            Hand::Command(command) => command.does(kind),
            Hand::Webhook(hook) => hook.does(kind),
            Hand::Browser(browser) => browser.does(kind),
        }
    }

    fn title(&self) -> String {
        format!("the actuator {}", self.name)
    }

    fn until(&self) -> Instant {
        Instant::now() + self.call_timeout
    }

    /// What it tells of a service; nothing where no way to ask is declared.
    async fn state(&self, service: &ServiceName, until: Instant) -> Result<Option<Told>, ConnectorError> {
        match &self.hand {
            Hand::Command(command) => command.state(service, until).await,
            Hand::Webhook(hook) => hook.state(service, until).await,
            Hand::Browser(browser) => browser.state(service, until).await,
        }
    }

    /// The target: what a platform tells, if the service lives on one, with what the actuator tells and can do.
    pub async fn target(
        &self,
        service: &ServiceName,
        platform: Option<TargetState>,
    ) -> Result<TargetState, ConnectorError> {
        let told = match &self.hand {
            Hand::Browser(browser) => browser.recent_state(service, self.until()).await?,
            _ => self.state(service, self.until()).await?,
        };
        let is_known =
            |kind| platform.is_some() || told.as_ref().is_some_and(|told| told.can_take_back(kind));
        let declared = ActionKind::FIRST.into_iter().filter(|kind| self.does(*kind));
        let able: BTreeSet<ActionKind> =
            declared.filter(|kind| !kind.has_undo() || is_known(*kind)).collect();
        let mut target = platform.clone().unwrap_or_else(state::nothing_known);
        let others = ActionKind::ALL.iter().filter(|kind| platform.as_ref().is_some_and(|p| p.can(**kind)));
        // Handing over can always be done; an empty list would mean that nobody says what can.
        target.supports = others.copied().chain(able).chain([ActionKind::Escalate]).collect();
        target.supports.sort_unstable();
        target.supports.dedup();
        if let Some(told) = told {
            told.put_into(&mut target);
        }
        Ok(target)
    }

    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        let (intent, times) = (effect.intent(), Times::of(effect, now, self.call_timeout));
        if let Some(late) = too_late(effect, now) {
            return late;
        }
        match self.state(intent.action.target(), times.until).await {
            // Nothing was asked for but a look.
            Err(error) => return not_applied(format!("{} cannot be asked: {error}", self.title())),
            Ok(Some(told)) => {
                if let Some(change) = told.differs(&intent.before) {
                    let target = intent.action.target();
                    return not_applied(format!("{target} has changed since it was looked at: {change}"));
                }
            }
            Ok(None) => {}
        }
        let outcome = match &self.hand {
            Hand::Command(command) => command.perform(intent, times).await,
            Hand::Webhook(hook) => hook.perform(intent, times).await,
            Hand::Browser(browser) => browser.perform(intent, times).await,
        };
        match outcome {
            EffectOutcome::Applied { detail, after: None } => {
                let told = self.state(intent.action.target(), times.until).await.ok().flatten();
                let after = told.map(|told| {
                    let mut after = intent.before.clone();
                    told.put_into(&mut after);
                    Box::new(after)
                });
                EffectOutcome::Applied { detail, after }
            }
            other => other,
        }
    }

    /// What became of an intent: by its key where that can be asked for, else by what the target is now.
    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        let until = self.until();
        let by_key = match &self.hand {
            Hand::Command(command) => command.status(intent, until).await?,
            Hand::Webhook(hook) => hook.status(intent, until).await?,
            // A dashboard knows no keys.
            Hand::Browser(_) => None,
        };
        if let Some(outcome) = by_key {
            return Ok(outcome);
        }
        let told = self.state(intent.action.target(), until).await?;
        told.and_then(|told| by_state(&told, intent)).ok_or_else(|| ConnectorError::Config {
            field: format!("[[actuator]] `{}`", self.name),
            problem: format!(
                "declares no way to say what became of {}; look at {} and declare `status`",
                intent.key,
                intent.action.target()
            ),
        })
    }
}

/// What the target's state proves of an intent.
fn by_state(told: &Told, intent: &Intent) -> Option<EffectOutcome> {
    let target = intent.action.target();
    let mut now = intent.before.clone();
    told.put_into(&mut now);
    let wanted = match &intent.action {
        Action::Rollback { target, to_version: None } => {
            Action::Rollback { target: target.clone(), to_version: intent.before.previous_version.clone() }
        }
        action => action.clone(),
    };
    let Some(change) = told.differs(&intent.before) else {
        // A restart may show in nothing that is told.
        let shows = intent.action.kind().has_undo() || told.has_revision();
        return shows.then(|| not_applied(format!("{target} is as it was")));
    };
    if wanted.changes_nothing(&now) {
        let detail = format!("{target} is as it was asked to be: {change}");
        return Some(EffectOutcome::Applied { detail, after: Some(Box::new(now)) });
    }
    wanted.kind().has_undo().then(|| not_applied(format!("{target} is not as it was asked to be: {change}")))
}

/// The time that is left of a call, for a part of it that may take so long.
fn left(until: Instant, most: Duration) -> Duration {
    until.saturating_duration_since(Instant::now()).min(most)
}
