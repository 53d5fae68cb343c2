//! Opsgenie and Jira Service Management: one alert per incident by its alias; what is new is a note on it.

use super::post::{Address, Key, Page, Request, Vendor, wrong_timeout};
use super::template::Template;
use super::text::{cut, short_line};
use super::{Configured, Notifier, Secrets, topic_key};
use crate::ConnectorError;
use crate::http::parse_url;
use crate::secret::{Secret, SecretConfig};
use midwatch_model::{Moment, Severity, Standing, Telling};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Characters of a message, an alias, a description and a note.
const MESSAGE_MAX: usize = 130;
const ALIAS_MAX: usize = 512;
const DESCRIPTION_MAX: usize = 15_000;
const NOTE_MAX: usize = 25_000;

/// A team of Opsgenie or Jira Service Management.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpsgenieConfig {
    /// Key of an API integration.
    pub api_key: SecretConfig,
    /// The team that is responsible; that of the integration if absent.
    pub team: Option<String>,
    /// Teams that are responsible for services.
    pub services: BTreeMap<String, String>,
    /// Moments of an incident that it hears of; by default what opens, acknowledges or closes.
    pub tell: Vec<Moment>,
    /// Where the API is; `https://api.eu.opsgenie.com` for accounts in the EU, `https://api.atlassian.com/jsm/ops/integration` for
    /// Jira Service Management.
    pub url: String,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for OpsgenieConfig {
    fn default() -> Self {
        Self {
            api_key: SecretConfig::default(),
            team: None,
            services: BTreeMap::new(),
            tell: Vec::new(),
            url: "https://api.opsgenie.com".to_owned(),
            timeout_s: 10.0,
        }
    }
}

impl Configured for OpsgenieConfig {
    fn kind(&self) -> &'static str {
        "opsgenie"
    }

    fn telling(&self) -> Telling {
        Telling::Thread
    }

    fn moments(&self) -> Vec<Moment> {
        if self.tell.is_empty() { super::paging_moments() } else { self.tell.clone() }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let key = self.api_key.problem(&format!("{field} api_key"));
        let url = parse_url(&format!("{field} url"), &self.url).err();
        [key, url, wrong_timeout(self.timeout_s, field)].into_iter().flatten().collect()
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        Ok(Notifier::Opsgenie(Opsgenie {
            api_key: secrets.read(&self.api_key, &format!("{field} api_key"), "example")?,
            team: self.team.clone(),
            services: self.services.clone(),
            url: Address::Plain(parse_url(&format!("{field} url"), &self.url)?),
            timeout: Duration::from_secs_f64(self.timeout_s),
        }))
    }
}

pub(super) struct Opsgenie {
    api_key: Secret,
    team: Option<String>,
    services: BTreeMap<String, String>,
    url: Address,
    timeout: Duration,
}

impl Opsgenie {
    fn alert(&self, page: &Page<'_>, alias: &str) -> Value {
        let bulletin = page.bulletin;
        let mut alert = json!({
            "message": short_line(&page.text(Template::Title), MESSAGE_MAX),
            "alias": alias,
            "description": cut(&page.text(Template::Text), DESCRIPTION_MAX),
            "priority": priority(bulletin.severity),
            "source": "midwatch",
            "entity": short_line(&bulletin.service, 512),
            "tags": [],
            "details": {
                "incident": short_line(&bulletin.topic, 512),
                "cause": bulletin.cause.clone().unwrap_or_default(),
                "answer": bulletin.answer,
                "url": bulletin.url,
            },
        });
        if let Some(team) = self.services.get(&bulletin.service).or(self.team.as_ref()) {
            alert["responders"] = json!([{ "type": "team", "name": team }]);
        }
        alert
    }
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::High => "P2",
        Severity::Warning => "P3",
        Severity::Info => "P5",
    }
}

impl Vendor for Opsgenie {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        let bulletin = page.bulletin;
        let alias = topic_key(&bulletin.topic, ALIAS_MAX);
        let exists = page.thread["exists"] == true;
        let key = || Key::Authorization("GenieKey", &self.api_key);
        let call = |what: &'static str, end: &str, body: Value| {
            let mut request = Request::post(what, &self.url, key(), body).at(&["v2", "alerts", &alias, end]);
            request.query.push(("identifierType", "alias".to_owned()));
            request
        };
        let note = json!({ "source": "midwatch", "note": cut(&bulletin.news, NOTE_MAX) });
        match (bulletin.standing, exists) {
            (Standing::Over, _) => vec![call("close", "close", note)],
            (Standing::Acknowledged, true) => vec![call("acknowledge", "acknowledge", note)],
            // The same alias again counts as the same alert, with what is known now.
            (_, false) => {
                let create = self.alert(page, &alias);
                vec![Request::post("create", &self.url, key(), create).at(&["v2", "alerts"])]
            }
            (Standing::Open, true) => vec![call("note", "notes", note)],
        }
    }

    fn understood(&self, what: &str, _: &Value, thread: &mut Value) -> Result<(), super::post::Refused> {
        if what == "create" {
            *thread = json!({ "exists": true });
        }
        Ok(())
    }

    fn example(&self) -> Value {
        json!({ "exists": true })
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}
