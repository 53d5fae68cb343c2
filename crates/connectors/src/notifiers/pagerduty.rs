//! PagerDuty, Events API v2: one alert per incident by its `dedup_key`, so that what is sent twice counts once; triggered,
//! acknowledged when a person has answered, and resolved.

use super::post::{Address, Key, Page, Refused, Request, Vendor, wrong, wrong_timeout};
use super::template::Template;
use super::text::{cut, short_line};
use super::{Configured, Notifier, Secrets, topic_key};
use crate::ConnectorError;
use crate::http::parse_url;
use crate::secret::{Secret, SecretConfig};
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Severity, Standing, Telling};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Characters of a summary.
const SUMMARY_MAX: usize = 1024;
/// Characters of the text beside it: an event may have 512 KB, and nobody reads more on a phone.
const DETAIL_MAX: usize = 8_000;
/// Characters of a dedup_key.
const KEY_MAX: usize = 255;

/// A service of PagerDuty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDutyConfig {
    /// Integration key (routing key) of an Events API v2 integration.
    pub routing_key: SecretConfig,
    /// Routing keys of services that page somebody else.
    pub services: BTreeMap<String, SecretConfig>,
    /// Moments of an incident that it hears of; by default what opens, acknowledges or resolves.
    pub tell: Vec<Moment>,
    /// Where events go; `https://events.eu.pagerduty.com/v2/enqueue` for accounts in the EU.
    pub url: String,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for PagerDutyConfig {
    fn default() -> Self {
        Self {
            routing_key: SecretConfig::default(),
            services: BTreeMap::new(),
            tell: Vec::new(),
            url: "https://events.pagerduty.com/v2/enqueue".to_owned(),
            timeout_s: 10.0,
        }
    }
}

impl Configured for PagerDutyConfig {
    fn kind(&self) -> &'static str {
        "pagerduty"
    }

    fn telling(&self) -> Telling {
        Telling::Thread
    }

    fn moments(&self) -> Vec<Moment> {
        if self.tell.is_empty() { super::paging_moments() } else { self.tell.clone() }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let keys = std::iter::once(("routing_key", &self.routing_key))
            .chain(self.services.values().map(|key| ("services", key)));
        let keys = keys.filter_map(|(name, key)| key.problem(&format!("{field} {name}")));
        keys.chain(wrong_timeout(self.timeout_s, field))
            .chain(parse_url(&format!("{field} url"), &self.url).err())
            .collect()
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        let read = |name: &str, key: &SecretConfig| {
            let secret = secrets.read(key, &format!("{field} {name}"), "0123456789abcdef0123456789abcdef")?;
            let is_key =
                secret.expose().len() == 32 && secret.expose().chars().all(|c| c.is_ascii_alphanumeric());
            let fix = "is no routing key: it has 32 letters and digits, and PagerDuty shows it as \"Integration Key\"";
            if is_key { Ok(secret) } else { Err(wrong(field, name, fix)) }
        };
        let services =
            self.services.iter().map(|(service, key)| Ok((service.clone(), read("services", key)?)));
        Ok(Notifier::PagerDuty(PagerDuty {
            routing_key: read("routing_key", &self.routing_key)?,
            services: services.collect::<Result<_, ConnectorError>>()?,
            url: Address::Plain(parse_url(&format!("{field} url"), &self.url)?),
            timeout: Duration::from_secs_f64(self.timeout_s),
        }))
    }
}

pub(super) struct PagerDuty {
    routing_key: Secret,
    services: BTreeMap<String, Secret>,
    url: Address,
    timeout: Duration,
}

impl Vendor for PagerDuty {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        let bulletin = page.bulletin;
        let key = self.services.get(&bulletin.service).unwrap_or(&self.routing_key);
        let dedup_key = page.thread["dedup_key"]
            .as_str()
            .map_or_else(|| topic_key(&bulletin.topic, KEY_MAX), str::to_owned);
        vec![Request::post("event", &self.url, Key::Field("routing_key", key), event(page, &dedup_key))]
    }

    fn understood(&self, _: &str, answer: &Value, thread: &mut Value) -> Result<(), Refused> {
        if let Some(key) = answer["dedup_key"].as_str() {
            *thread = json!({ "dedup_key": key });
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn event(page: &Page<'_>, dedup_key: &str) -> Value {
    let bulletin = page.bulletin;
    let action = match bulletin.standing {
        Standing::Over => "resolve",
        Standing::Acknowledged => "acknowledge",
        Standing::Open => "trigger",
    };
    let mut event = json!({ "routing_key": "", "event_action": action, "dedup_key": dedup_key });
    if bulletin.standing == Standing::Open {
        event["payload"] = payload(page);
        event["client"] = "midwatch".into();
        event["client_url"] = bulletin.url.as_str().into();
        let links: Vec<Value> =
            [("Incident", Some(&bulletin.url)), ("Pull request", bulletin.pull_request.as_ref())]
                .into_iter()
                .filter_map(|(text, href)| {
                    Some(json!({ "href": href.filter(|href| href.starts_with("http"))?, "text": text }))
                })
                .collect();
        event["links"] = links.into();
    }
    event
}

fn payload(page: &Page<'_>) -> Value {
    let bulletin = page.bulletin;
    let summary = format!("{}. {}", page.text(Template::Title), bulletin.verdict);
    json!({
        "summary": short_line(&summary, SUMMARY_MAX),
        "source": if bulletin.service.is_empty() { "midwatch" } else { &bulletin.service },
        "severity": severity(bulletin.severity),
        "timestamp": bulletin.opened_at.to_string(),
        "component": bulletin.service,
        "group": bulletin.topic,
        "class": bulletin.cause,
        "custom_details": details(bulletin, &page.text(Template::Text)),
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

fn details(bulletin: &Bulletin, text: &str) -> Value {
    json!({
        "verdict": bulletin.verdict,
        "confidence": bulletin.confidence,
        "action": bulletin.action,
        "undo": bulletin.undo,
        "waits_for": bulletin.approval.as_ref().map(|asked| &asked.what),
        "answer": bulletin.answer,
        "text": cut(text, DETAIL_MAX),
    })
}
