//! Microsoft Teams: an Adaptive Card on the webhook of a workflow. The workflow gives nothing back, so that each moment is
//! a card of its own.

use super::post::{Address, Key, Page, Request, Vendor, wrong_timeout};
use super::template::Template;
use super::text::{cut, markdown, parts, short_line};
use super::{Configured, Notifier, Secrets};
use crate::ConnectorError;
use crate::secret::SecretConfig;
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Severity, Standing, Telling};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Characters of one text block. A message may have 28 KB in all; five blocks of at most four bytes a character, facts and
/// the frame stay below.
const BLOCK_MAX: usize = 1_500;
const BLOCKS_MAX: usize = 4;

/// A channel of Microsoft Teams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeamsConfig {
    /// URL of the workflow "Post to a channel when a webhook request is received": whoever knows it may post.
    pub webhook: SecretConfig,
    /// Moments of an incident that it hears of; by default those at which somebody should look.
    pub tell: Vec<Moment>,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for TeamsConfig {
    fn default() -> Self {
        Self { webhook: SecretConfig::default(), tell: Vec::new(), timeout_s: 10.0 }
    }
}

impl Configured for TeamsConfig {
    fn kind(&self) -> &'static str {
        "teams"
    }

    fn telling(&self) -> Telling {
        Telling::Letters
    }

    fn moments(&self) -> Vec<Moment> {
        if self.tell.is_empty() { super::noteworthy_moments() } else { self.tell.clone() }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let webhook = self.webhook.problem(&format!("{field} webhook"));
        webhook.into_iter().chain(wrong_timeout(self.timeout_s, field)).collect()
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        let field = format!("{field} webhook");
        let webhook = super::secret_address(
            secrets.read(&self.webhook, &field, "https://example.webhook.office.com/example")?,
            &field,
        )?;
        Ok(Notifier::Teams(Teams { webhook, timeout: Duration::from_secs_f64(self.timeout_s) }))
    }
}

pub(super) struct Teams {
    webhook: Address,
    timeout: Duration,
}

impl Vendor for Teams {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        vec![Request::post("card", &self.webhook, Key::None, message(page))]
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn message(page: &Page<'_>) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(page),
        }],
    })
}

fn card(page: &Page<'_>) -> Value {
    let bulletin = page.bulletin;
    let colour = match (bulletin.standing, bulletin.severity) {
        (Standing::Over, _) => "Good",
        (_, Severity::Critical | Severity::High) => "Attention",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Info) => "Accent",
    };
    let mut body = vec![json!({
        "type": "TextBlock", "size": "Large", "weight": "Bolder", "wrap": true, "color": colour,
        "text": markdown(&short_line(&page.text(Template::Title), 300)),
    })];
    body.push(json!({ "type": "FactSet", "facts": facts(bulletin) }));
    let text = match &bulletin.postmortem {
        Some(postmortem) => markdown(postmortem),
        None => page.text(Template::Markdown),
    };
    let missing = markdown(&format!("The rest: midwatch incident postmortem {}", bulletin.topic));
    body.extend(
        parts(&text, BLOCK_MAX, BLOCKS_MAX, &missing)
            .into_iter()
            .map(|text| json!({ "type": "TextBlock", "wrap": true, "text": text })),
    );
    let links = [("Incident", Some(&bulletin.url)), ("Pull request", bulletin.pull_request.as_ref())];
    let actions: Vec<Value> = links
        .into_iter()
        .filter_map(|(title, url)| {
            let url = url.filter(|url| url.starts_with("http"))?;
            Some(json!({ "type": "Action.OpenUrl", "title": title, "url": url }))
        })
        .collect();
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "fallbackText": cut(&page.text(Template::Title), 300),
        "body": body,
        "actions": actions,
    })
}

fn facts(bulletin: &Bulletin) -> Vec<Value> {
    let fact =
        |title: &str, value: &str| json!({ "title": title, "value": markdown(&short_line(value, 300)) });
    let severity: &str = bulletin.severity.into();
    let mut facts =
        vec![fact("Severity", severity), fact("Service", &bulletin.service), fact("State", &bulletin.state)];
    if let Some(foreseen) = &bulletin.foreseen {
        facts.push(fact("Probability", &format!("{:.0} %", foreseen.probability * 100.0)));
        if let (Some(at), Some(left)) = (foreseen.expected_at, foreseen.minutes_left(bulletin.at)) {
            facts.push(fact(
                "Time to failure",
                &format!("{:.0} min, at {}", left.ceil(), at.strftime("%H:%M UTC")),
            ));
        }
    } else if let Some(confidence) = bulletin.confidence {
        facts.push(fact("Confidence", &format!("{:.0} %", confidence * 100.0)));
    }
    facts
}
