//! Notifiers: the ways to tell a receiver.
//!
//! Each vendor is a pure function from a bulletin to requests, and one that understands the answers; `post` sends them.

mod discord;
mod email;
mod github;
mod html;
mod notion;
mod opsgenie;
mod pagerduty;
mod post;
mod preview;
mod slack;
mod teams;
mod template;
mod text;
mod webhook;

pub use discord::DiscordConfig;
pub use email::{EmailConfig, MailRoles, MailSecurity};
pub use github::GithubConfig;
pub use notion::NotionConfig;
pub use opsgenie::OpsgenieConfig;
pub use pagerduty::PagerDutyConfig;
pub use preview::{Preview, Previews};
pub use slack::SlackConfig;
pub use teams::TeamsConfig;
pub use webhook::WebhookConfig;

use crate::egress::Egress;
use crate::http::{Ask, parse_url};
use crate::secret::{Secret, SecretConfig};
use crate::{ConnectorError, Http};
use discord::Discord;
use email::Email;
use github::Github;
pub(crate) use github::parted as repository_parts;
use midwatch_model::{Bulletin, Moment, Telling, Timestamp};
use notion::Notion;
use opsgenie::Opsgenie;
use pagerduty::PagerDuty;
use post::{Address, Page, Vendor};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use slack::Slack;
use std::collections::BTreeMap;
use std::path::PathBuf;
use teams::Teams;
use template::Templates;
use webhook::Webhook;
pub(crate) use webhook::{key_of as signing_key, sign};

/// Somebody who can be told, as configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiverConfig {
    /// What routes call it.
    pub name: String,
    /// URLs that are told.
    #[serde(rename = "webhook")]
    pub webhooks: Vec<WebhookConfig>,
    /// Channels of Slack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slack: Vec<SlackConfig>,
    /// Mailboxes, by role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email: Vec<EmailConfig>,
    /// Services of PagerDuty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pagerduty: Vec<PagerDutyConfig>,
    /// Channels of Microsoft Teams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<TeamsConfig>,
    /// Databases of Notion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notion: Vec<NotionConfig>,
    /// Repositories at GitHub whose issues incidents become.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub github: Vec<GithubConfig>,
    /// Channels of Discord.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discord: Vec<DiscordConfig>,
    /// Teams of Opsgenie or Jira Service Management.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opsgenie: Vec<OpsgenieConfig>,
}

/// What holds for all notifiers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsConfig {
    /// Whether receivers may be at addresses of private networks and of this machine. Link-local addresses, where clouds
    /// keep metadata, are refused in any case, and redirects are never followed.
    pub private_addresses: bool,
    /// Seconds for which a notification is tried before it has failed.
    pub give_up_after_s: f64,
    /// Folder with templates in place of the built-in ones (docs/notifications.md).
    pub templates: Option<PathBuf>,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        // An hour: whoever is told later than that was woken by somebody else.
        Self { private_addresses: true, give_up_after_s: 3600.0, templates: None }
    }
}

/// What is to be told to one target.
#[derive(Clone, Copy, Debug)]
pub struct Tell<'a> {
    /// `receiver/kind/number`.
    pub target: &'a str,
    /// Stays the same when it is tried again.
    pub id: &'a str,
    /// The message as the outbox has it.
    pub body: &'a [u8],
    /// The same as a bulletin; none for who is told alerts as they are.
    pub bulletin: Option<&'a Bulletin>,
    /// What the vendor gave back before, about the same incident or group, as JSON.
    pub thread: Option<&'a str>,
    pub now: Timestamp,
}

/// A notification that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What the receiver said, in one line.
    pub answer: String,
    /// What it gave back for what comes next, if that changed.
    pub thread: Option<Value>,
}

/// Why a notification did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyError {
    pub reason: String,
    /// Whether trying again can help.
    pub may_retry: bool,
    /// Seconds that the receiver asks to wait.
    pub after_s: Option<f64>,
    /// What it gave back nonetheless; null where what it gave back before is not to be used again.
    pub thread: Option<Value>,
}

impl NotifyError {
    fn of(error: &ConnectorError) -> Self {
        Self { reason: error.to_string(), may_retry: true, after_s: None, thread: None }
    }
}

/// Whether secrets are read, or made up for a preview.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Real,
    MadeUp,
}

impl Secrets {
    fn read(self, from: &SecretConfig, field: &str, made_up: &str) -> Result<Secret, ConnectorError> {
        match self {
            Secrets::Real => from.read(field),
            Secrets::MadeUp => Ok(Secret::new(made_up)),
        }
    }
}

/// One way to tell a receiver, as configured.
trait Configured {
    /// The second part of its target.
    fn kind(&self) -> &'static str;

    fn telling(&self) -> Telling;

    /// Moments of an incident that it hears of.
    fn moments(&self) -> Vec<Moment>;

    /// Everything that is wrong with it as it is written; no file is read.
    fn problems(&self, field: &str) -> Vec<ConnectorError>;

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError>;

    /// Whether it wants to hear that alerts are over.
    fn send_resolved(&self) -> bool {
        true
    }

    /// Most alerts of one message; 0 for all.
    fn max_alerts(&self) -> usize {
        0
    }
}

/// One way to tell a receiver.
enum Notifier {
    Webhook(Webhook),
    Slack(Slack),
    Email(Box<Email>),
    PagerDuty(PagerDuty),
    Teams(Teams),
    Notion(Notion),
    Github(Github),
    Discord(Discord),
    Opsgenie(Opsgenie),
}

impl Notifier {
    /// Whoever is told over HTTP in a shape of its own.
    fn vendor(&self) -> Option<&dyn Vendor> {
        match self {
            Notifier::Webhook(_) | Notifier::Email(_) => None,
            Notifier::Slack(slack) => Some(slack),
            Notifier::PagerDuty(pagerduty) => Some(pagerduty),
            Notifier::Teams(teams) => Some(teams),
            Notifier::Notion(notion) => Some(notion),
            Notifier::Github(github) => Some(github),
            Notifier::Discord(discord) => Some(discord),
            Notifier::Opsgenie(opsgenie) => Some(opsgenie),
        }
    }
}

/// Every moment.
fn all_moments() -> Vec<Moment> {
    Moment::ALL.to_vec()
}

/// Those at which somebody should look.
fn noteworthy_moments() -> Vec<Moment> {
    use Moment::{Answer, Approval, Escalated, FalseAlarm, Postmortem, Recurred, Resolved, Verdict};
    vec![Verdict, Approval, Answer, Escalated, Resolved, Recurred, FalseAlarm, Postmortem]
}

/// Those that begin, acknowledge or end a page.
fn paging_moments() -> Vec<Moment> {
    use Moment::{Answer, Approval, Escalated, FalseAlarm, Recurred, Resolved, Verdict};
    vec![Verdict, Approval, Answer, Escalated, Resolved, Recurred, FalseAlarm]
}

/// A topic as a key of at most so many characters: readable where it fits.
fn topic_key(topic: &str, chars_max: usize) -> String {
    let key = format!("midwatch-{topic}");
    let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_plain && key.len() <= chars_max {
        return key;
    }
    let digest = Sha256::digest(topic.as_bytes());
    format!("midwatch-{}", midwatch_model::evidence::hex(&digest))
}

/// How a receiver's integration is known, and what it wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// `receiver/kind/number`, numbers by kind.
    pub target: String,
    pub telling: Telling,
    pub moments: Vec<Moment>,
    pub send_resolved: bool,
    /// Most alerts of one message; 0 for all.
    pub max_alerts: usize,
}

impl ReceiverConfig {
    fn configured(&self) -> Vec<(usize, &dyn Configured)> {
        fn dynamic<C: Configured>(all: &[C]) -> impl Iterator<Item = (usize, &dyn Configured)> {
            all.iter().map(|one| one as &dyn Configured).enumerate()
        }
        dynamic(&self.webhooks)
            .chain(dynamic(&self.slack))
            .chain(dynamic(&self.email))
            .chain(dynamic(&self.pagerduty))
            .chain(dynamic(&self.teams))
            .chain(dynamic(&self.notion))
            .chain(dynamic(&self.github))
            .chain(dynamic(&self.discord))
            .chain(dynamic(&self.opsgenie))
            .collect()
    }

    /// The ways to tell it.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let way = |(number, way): (usize, &dyn Configured)| Way {
            target: format!("{}/{}/{number}", self.name, way.kind()),
            telling: way.telling(),
            moments: way.moments(),
            send_resolved: way.send_resolved(),
            max_alerts: way.max_alerts(),
        };
        self.configured().into_iter().map(way).collect()
    }

    fn each<T>(&self, of: impl Fn(&dyn Configured, &str) -> T) -> Vec<T> {
        let field = |number, kind| format!("[[receiver]] `{}` {kind}[{number}]", self.name);
        self.configured().into_iter().map(|(number, way)| of(way, &field(number, way.kind()))).collect()
    }
}

/// Everything that is wrong with receivers as they are written; no file is read.
#[must_use]
pub fn wrong_receivers(receivers: &[ReceiverConfig]) -> Vec<ConnectorError> {
    receivers
        .iter()
        .flat_map(|receiver| receiver.each(|way, field| way.problems(field)).into_iter().flatten())
        .collect()
}

/// The secrets of receivers that cannot be had or used.
#[must_use]
pub fn wrong_secrets(receivers: &[ReceiverConfig]) -> Vec<ConnectorError> {
    let of = |receiver: &ReceiverConfig| receiver.each(|way, field| way.build(field, Secrets::Real).err());
    receivers.iter().flat_map(of).flatten().collect()
}

/// What is wrong with templates, given bulletins to try them on. The folder is read.
#[must_use]
pub fn wrong_templates(config: &NotificationsConfig, samples: &[Bulletin]) -> Vec<ConnectorError> {
    match Templates::new(config.templates.as_deref()) {
        Ok(templates) => samples.iter().flat_map(|sample| templates.problems(sample)).collect(),
        Err(error) => vec![error],
    }
}

/// A secret URL as an address; the error does not show it.
fn secret_address(url: Secret, field: &str) -> Result<Address, ConnectorError> {
    let parsed = reqwest::Url::parse(url.expose()).ok();
    let is_http = |url: &reqwest::Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    match parsed.filter(is_http) {
        Some(_) => Ok(Address::Secret(url)),
        None => Err(ConnectorError::Config {
            field: field.to_owned(),
            problem: "is not an http:// or https:// URL where it was read; copy it again from the vendor"
                .into(),
        }),
    }
}

/// All ways to tell all receivers, by target: `receiver/kind/number`.
#[derive(Default)]
pub struct Notifiers {
    by_target: BTreeMap<String, Notifier>,
    shared: Option<Shared>,
}

/// What all of them use.
struct Shared {
    http: Http,
    egress: Egress,
    templates: Templates,
}

impl Notifiers {
    /// # Errors
    /// When a receiver or a template cannot be used; the error names field and fix.
    pub fn new(receivers: &[ReceiverConfig], config: &NotificationsConfig) -> Result<Self, ConnectorError> {
        Self::with(receivers, config, Secrets::Real)
    }

    fn with(
        receivers: &[ReceiverConfig],
        config: &NotificationsConfig,
        secrets: Secrets,
    ) -> Result<Self, ConnectorError> {
        if let Some(problem) = wrong_receivers(receivers).into_iter().next() {
            return Err(problem);
        }
        let egress = Egress { private: config.private_addresses };
        let http = Http::guarded(egress)?;
        let mut by_target = BTreeMap::new();
        for receiver in receivers {
            let notifiers = receiver.each(|way, field| way.build(field, secrets));
            for (way, notifier) in receiver.ways().into_iter().zip(notifiers) {
                by_target.insert(way.target, notifier?);
            }
        }
        let templates = Templates::new(config.templates.as_deref())?;
        Ok(Self { by_target, shared: Some(Shared { http, egress, templates }) })
    }

    /// Says something back to whoever pressed a button in Slack. The address comes with the press, so it must be Slack's.
    pub(crate) async fn respond(&self, url: &str, body: &Value) -> Result<(), ConnectorError> {
        let what = "the response_url of a press";
        let refused = |problem: &str| ConnectorError::Config { field: what.into(), problem: problem.into() };
        let url = parse_url(what, url)?;
        let is_slacks = url.host_str().is_some_and(|host| slack::ANSWER_HOSTS.contains(&host));
        let is_plain = url.scheme() == "https" && url.port().is_none() && url.username().is_empty();
        if !is_slacks || !is_plain || url.password().is_some() {
            return Err(refused("is not one of Slack's: nobody is asked"));
        }
        let shared =
            self.shared.as_ref().ok_or_else(|| refused("cannot be asked: nobody is told anything"))?;
        let ask = Ask {
            method: Method::POST,
            json: Some(body),
            bytes_max: slack::ANSWER_BYTES_MAX,
            // It holds what lets anybody answer in midwatch's name.
            shown: Some(what.to_owned()),
            ..Ask::get(&url, slack::ANSWER_TIMEOUT)
        };
        shared.http.ask_ok(ask).await.map(drop)
    }

    /// Tells a target once.
    pub(crate) async fn notify(&self, tell: Tell<'_>) -> Result<Told, NotifyError> {
        let failed = |reason: String| NotifyError { reason, may_retry: false, after_s: None, thread: None };
        let (Some(notifier), Some(shared)) = (self.by_target.get(tell.target), &self.shared) else {
            return Err(failed(format!("{} is not configured any more", tell.target)));
        };
        if let Notifier::Webhook(webhook) = notifier {
            let answer = webhook.notify(&shared.http, tell.id, tell.body, tell.now).await?;
            return Ok(Told { answer, thread: None });
        }
        let Some(bulletin) = tell.bulletin else {
            return Err(failed("the message cannot be read".to_owned()));
        };
        if let Notifier::Email(email) = notifier {
            return email.send(&tell, bulletin, &shared.templates, shared.egress).await;
        }
        let thread = tell.thread.and_then(|thread| serde_json::from_str(thread).ok()).unwrap_or(Value::Null);
        let page = Page { bulletin, templates: &shared.templates, thread: &thread };
        match notifier.vendor() {
            Some(vendor) => post::send(vendor, &page, &shared.http).await,
            None => Err(failed("there is no way to send this".to_owned())),
        }
    }
}
