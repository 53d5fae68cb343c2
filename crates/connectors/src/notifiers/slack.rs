//! Slack: one message per incident that is kept up to date, and a thread below it with what happened; with buttons that
//! answer for one plan of one incident. With an incoming webhook, which gives nothing back, a message for each moment.

mod body;

use super::post::{Address, Key, Page, Refused, Request, Vendor, wrong, wrong_timeout};
use super::{Configured, Notifier, Secrets};
use crate::ConnectorError;
use crate::http::parse_url;
use crate::secret::{Secret, SecretConfig};
use midwatch_model::{Moment, Telling};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where Slack takes answers to presses.
pub(super) const ANSWER_HOSTS: [&str; 2] = ["hooks.slack.com", "hooks.slack-gov.com"];

/// Until an answer to a press must have been taken: whoever pressed looks at the screen.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Slack answers `ok`.
pub(super) const ANSWER_BYTES_MAX: usize = 4096;

/// A channel of Slack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfig {
    /// Token of a bot (`xoxb-…`) with the scope `chat:write`, where messages are to be kept up to date. With it goes `channel`.
    #[serde(skip_serializing_if = "SecretConfig::is_unset")]
    pub token: SecretConfig,
    /// Id of the channel, such as `C0123456789`; the bot must be a member of it.
    pub channel: String,
    /// An incoming webhook in place of token and channel: its URL is the secret.
    #[serde(skip_serializing_if = "SecretConfig::is_unset")]
    pub webhook: SecretConfig,
    /// Channels of services that are told elsewhere.
    pub services: BTreeMap<String, String>,
    /// Whether what waits for approval has buttons. If absent, it has them where `[slack]` says how their presses are believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buttons: Option<bool>,
    /// Moments of an incident that it hears of; all if empty.
    pub tell: Vec<Moment>,
    /// Where Slack's API is.
    pub url: String,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self {
            token: SecretConfig::default(),
            channel: String::new(),
            webhook: SecretConfig::default(),
            services: BTreeMap::new(),
            buttons: None,
            tell: Vec::new(),
            url: "https://slack.com/api".to_owned(),
            timeout_s: 10.0,
        }
    }
}

impl Configured for SlackConfig {
    fn kind(&self) -> &'static str {
        "slack"
    }

    fn telling(&self) -> Telling {
        if self.webhook.is_unset() { Telling::Thread } else { Telling::Letters }
    }

    fn moments(&self) -> Vec<Moment> {
        match (self.tell.is_empty(), self.telling()) {
            (false, _) => self.tell.clone(),
            // Without a thread, each is a message of its own in the channel.
            (true, Telling::Letters) => super::noteworthy_moments(),
            (true, _) => super::all_moments(),
        }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let mut problems: Vec<ConnectorError> = wrong_timeout(self.timeout_s, field).into_iter().collect();
        problems.extend(parse_url(&format!("{field} url"), &self.url).err());
        if !self.webhook.is_unset() {
            problems.extend(self.webhook.problem(&format!("{field} webhook")));
            if !self.token.is_unset() || !self.channel.is_empty() || !self.services.is_empty() {
                let fix = "stands beside token, channel or services; keep either the webhook or the others";
                problems.push(wrong(field, "webhook", fix));
            }
            return problems;
        }
        problems.extend(self.token.problem(&format!("{field} token")));
        for (name, channel) in std::iter::once(("channel", &self.channel))
            .chain(self.services.values().map(|channel| ("services", channel)))
        {
            let is_id = channel.len() >= 2 && channel.chars().all(|c| c.is_ascii_alphanumeric());
            if !is_id {
                let fix = "must be a channel's id, such as \"C0123456789\": it stands at the end of \"View channel details\"";
                problems.push(wrong(field, name, fix));
            }
        }
        problems
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        let to = if self.webhook.is_unset() {
            let token = secrets.read(&self.token, &format!("{field} token"), "xoxb-example")?;
            To::Bot { token, api: Address::Plain(parse_url(&format!("{field} url"), &self.url)?) }
        } else {
            let url = secrets.read(
                &self.webhook,
                &format!("{field} webhook"),
                "https://hooks.slack.com/services/example",
            )?;
            To::Webhook(super::secret_address(url, &format!("{field} webhook"))?)
        };
        Ok(Notifier::Slack(Slack {
            to,
            channel: self.channel.clone(),
            services: self.services.clone(),
            buttons: self.buttons.unwrap_or(false),
            timeout: Duration::from_secs_f64(self.timeout_s),
        }))
    }
}

pub(super) struct Slack {
    to: To,
    channel: String,
    services: BTreeMap<String, String>,
    buttons: bool,
    timeout: Duration,
}

enum To {
    Bot { token: Secret, api: Address },
    Webhook(Address),
}

impl Slack {
    fn channel(&self, service: &str) -> &str {
        self.services.get(service).unwrap_or(&self.channel)
    }

    /// The message of the incident, and what is new in the thread below it.
    fn of_bot<'a>(&'a self, token: &'a Secret, api: &'a Address, page: &Page<'_>) -> Vec<Request<'a>> {
        let head = body::head(page, self.buttons);
        let call = |what: &'static str, method: &str, body: Value| {
            // Slack's published schema takes forms only; its server takes JSON besides.
            let request = Request::post(what, api, Key::Token(token), body).at(&[method]);
            Request { is_form: true, ..request }
        };
        let (Some(channel), Some(ts)) = (page.thread["channel"].as_str(), page.thread["ts"].as_str()) else {
            let to = json!({ "channel": self.channel(&page.bulletin.service), "unfurl_links": false, "unfurl_media": false });
            return vec![call("post", "chat.postMessage", merged(head, &to))];
        };
        let reply = merged(
            body::reply(page),
            &json!({ "channel": channel, "thread_ts": ts, "unfurl_links": false, "unfurl_media": false }),
        );
        vec![
            call("update", "chat.update", merged(head, &json!({ "channel": channel, "ts": ts }))),
            call("reply", "chat.postMessage", reply),
        ]
    }
}

fn merged(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

impl Vendor for Slack {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        match &self.to {
            To::Bot { token, api } => self.of_bot(token, api, page),
            To::Webhook(url) => vec![Request::post("webhook", url, Key::None, body::whole(page))],
        }
    }

    fn understood(&self, what: &str, answer: &Value, thread: &mut Value) -> Result<(), Refused> {
        // An incoming webhook says `ok` in plain text.
        if what == "webhook" {
            return Ok(());
        }
        if answer["ok"] != true {
            let error = answer["error"].as_str().unwrap_or("something that is not Slack's").to_owned();
            let after = match error.as_str() {
                "invalid_blocks" | "invalid_blocks_format" | "msg_too_long" | "msg_blocks_too_long" => {
                    let mut plain = thread.clone();
                    plain["plain"] = true.into();
                    Some(plain)
                }
                // Somebody deleted the message, or it may not be changed any more: a new one takes its place.
                "message_not_found" | "thread_not_found" | "cant_update_message" | "edit_window_closed" => {
                    Some(Value::Null)
                }
                _ => None,
            };
            return Err(Refused { reason: format!("\"{}\"{}", error, hint(&error)), thread: after });
        }
        if what == "post" {
            *thread = json!({ "channel": answer["channel"], "ts": answer["ts"] });
        }
        Ok(())
    }

    fn example(&self) -> Value {
        match self.to {
            To::Bot { .. } => json!({ "channel": self.channel, "ts": "1767582000.000100" }),
            To::Webhook(_) => Value::Null,
        }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// What to do about an error of Slack's.
fn hint(error: &str) -> &'static str {
    match error {
        "not_in_channel" => ": invite the bot to the channel",
        "channel_not_found" => ": the channel's id is wrong, or it is private and the bot is no member",
        "invalid_auth" | "not_authed" | "token_revoked" | "account_inactive" => {
            ": the token is not (any more) valid"
        }
        "missing_scope" => ": the bot needs the scope chat:write",
        "is_archived" => ": the channel is archived",
        _ => "",
    }
}
