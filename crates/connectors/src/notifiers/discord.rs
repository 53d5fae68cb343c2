//! Discord: one message per incident through a webhook, kept up to date; what somebody should look at is a message besides.

use super::post::{Address, Key, Page, Refused, Request, Vendor, wrong_timeout};
use super::template::Template;
use super::text::{cut, markdown, short_line};
use super::{Configured, Notifier, Secrets};
use crate::ConnectorError;
use crate::secret::SecretConfig;
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Severity, Standing, Telling};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Characters of a message's text, of an embed's title and description. All embeds of a message have 6000 at most: title,
/// description, fields and footer stay below.
const CONTENT_MAX: usize = 2000;
const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 4000;

/// A channel of Discord.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscordConfig {
    /// URL of a webhook of the channel: whoever knows it may post.
    pub webhook: SecretConfig,
    /// Moments of an incident that it hears of; all if empty.
    pub tell: Vec<Moment>,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for DiscordConfig {
    fn default() -> Self {
        Self { webhook: SecretConfig::default(), tell: Vec::new(), timeout_s: 10.0 }
    }
}

impl Configured for DiscordConfig {
    fn kind(&self) -> &'static str {
        "discord"
    }

    fn telling(&self) -> Telling {
        Telling::Thread
    }

    fn moments(&self) -> Vec<Moment> {
        if self.tell.is_empty() { super::all_moments() } else { self.tell.clone() }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let webhook = self.webhook.problem(&format!("{field} webhook"));
        webhook.into_iter().chain(wrong_timeout(self.timeout_s, field)).collect()
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        let field = format!("{field} webhook");
        let webhook = super::secret_address(
            secrets.read(&self.webhook, &field, "https://discord.com/api/webhooks/1/example")?,
            &field,
        )?;
        Ok(Notifier::Discord(Discord { webhook, timeout: Duration::from_secs_f64(self.timeout_s) }))
    }
}

pub(super) struct Discord {
    webhook: Address,
    timeout: Duration,
}

impl Vendor for Discord {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        let post = |what: &'static str, body: Value| {
            let mut request = Request::post(what, &self.webhook, Key::None, body);
            // Without it, Discord says nothing of what it made.
            request.query.push(("wait", "true".to_owned()));
            request
        };
        let Some(id) = page.thread["message"].as_str() else { return vec![post("post", head(page))] };
        let update = Request::post("update", &self.webhook, Key::None, head(page))
            .at(&["messages", id])
            .by(Method::PATCH);
        let mut requests = vec![update];
        requests.extend(wakes(page.bulletin).then(|| post("news", news(page))));
        requests
    }

    fn understood(&self, what: &str, answer: &Value, thread: &mut Value) -> Result<(), Refused> {
        if what == "post" {
            *thread = json!({ "message": answer["id"] });
        }
        Ok(())
    }

    /// Somebody deleted the message: the next attempt posts a new one.
    fn refused(&self, what: &str, status: u16, _: &Value) -> Option<Value> {
        (what == "update" && status == 404).then_some(Value::Null)
    }

    fn example(&self) -> Value {
        json!({ "message": "1190000000000000000" })
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// Whether somebody should look: a message that is only changed rings nowhere.
fn wakes(bulletin: &Bulletin) -> bool {
    super::noteworthy_moments().contains(&bulletin.moment)
}

fn head(page: &Page<'_>) -> Value {
    let bulletin = page.bulletin;
    let colour = match (bulletin.standing, bulletin.severity) {
        (Standing::Over, _) => 0x0036_b37e,
        (_, Severity::Critical) => 0x00bf_2600,
        (_, Severity::High) => 0x00de_350b,
        (_, Severity::Warning) => 0x00ff_ab00,
        (_, Severity::Info) => 0x0000_65ff,
    };
    let mut embed = json!({
        "title": cut(&markdown(&short_line(&page.text(Template::Title), TITLE_MAX / 2)), TITLE_MAX),
        "description": cut(&page.text(Template::Markdown), DESCRIPTION_MAX),
        "color": colour,
        "fields": fields(bulletin),
        "footer": { "text": short_line(&bulletin.topic, 200) },
        "timestamp": bulletin.at.to_string(),
    });
    if bulletin.url.starts_with("http") {
        embed["url"] = bulletin.url.as_str().into();
    }
    json!({ "content": "", "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

fn fields(bulletin: &Bulletin) -> Vec<Value> {
    let field = |name: &str, value: String| json!({ "name": name, "value": value, "inline": true });
    let severity: &str = bulletin.severity.into();
    let service = if bulletin.service.is_empty() { "not named" } else { &bulletin.service };
    let mut fields = vec![
        field("Severity", severity.to_owned()),
        field("Service", cut(&markdown(&short_line(service, 200)), 500)),
        field("State", cut(&markdown(&short_line(&bulletin.state, 200)), 500)),
    ];
    if let Some(foreseen) = &bulletin.foreseen {
        fields.push(field("Probability", format!("{:.0} %", foreseen.probability * 100.0)));
        if let Some(at) = foreseen.expected_at {
            // Counts down by itself where it is read.
            fields.push(field("Time to failure", format!("<t:{}:R>", at.as_second())));
        }
    } else if let Some(confidence) = bulletin.confidence {
        fields.push(field("Confidence", format!("{:.0} %", confidence * 100.0)));
    }
    fields
}

fn news(page: &Page<'_>) -> Value {
    let text = format!("{}: {}", page.text(Template::Title), page.bulletin.news);
    let text = cut(&markdown(&short_line(&text, CONTENT_MAX / 2)), CONTENT_MAX);
    json!({ "content": text, "allowed_mentions": { "parse": [] } })
}
