//! Notion: a page per incident in a database, its properties kept up to date and what happens appended to it.

mod blocks;

use super::post::{Address, Key, Page, Refused, Request, Vendor, wrong, wrong_timeout};
use super::template::Template;
use super::text::short_line;
use super::{Configured, Notifier, Secrets};
use crate::ConnectorError;
use crate::http::parse_url;
use crate::secret::{Secret, SecretConfig};
use blocks::{appended, children, rich};
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Standing, Telling};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// The version of the API that is spoken.
const VERSION: &str = "2022-06-28";

/// A database of Notion, shared with an integration. Its properties: Name (title), Severity and Status (select), Service,
/// Cascade Path (text), Failure Prob and ETF Minutes (number), PR URL (URL).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotionConfig {
    /// Secret of the integration.
    pub token: SecretConfig,
    /// Id of the database: the 32 digits in its URL.
    pub database: String,
    /// Name of its title property.
    pub title_property: String,
    /// Moments of an incident that it hears of; all from the first verdict on if empty.
    pub tell: Vec<Moment>,
    /// Where the API is.
    pub url: String,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for NotionConfig {
    fn default() -> Self {
        Self {
            token: SecretConfig::default(),
            database: String::new(),
            title_property: "Name".to_owned(),
            tell: Vec::new(),
            url: "https://api.notion.com".to_owned(),
            timeout_s: 20.0,
        }
    }
}

impl Configured for NotionConfig {
    fn kind(&self) -> &'static str {
        "notion"
    }

    fn telling(&self) -> Telling {
        Telling::Thread
    }

    fn moments(&self) -> Vec<Moment> {
        if self.tell.is_empty() { super::all_moments() } else { self.tell.clone() }
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let digits = self.database.chars().filter(char::is_ascii_hexdigit).count();
        let is_id = digits == 32 && self.database.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let fix = "must be the database's id: the 32 hexadecimal digits in its URL before the question mark";
        let database = (!is_id).then(|| wrong(field, "database", fix));
        let token = self.token.problem(&format!("{field} token"));
        let url = parse_url(&format!("{field} url"), &self.url).err();
        [token, database, url, wrong_timeout(self.timeout_s, field)].into_iter().flatten().collect()
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        Ok(Notifier::Notion(Notion {
            token: secrets.read(&self.token, &format!("{field} token"), "example")?,
            database: self.database.clone(),
            title_property: self.title_property.clone(),
            url: Address::Plain(parse_url(&format!("{field} url"), &self.url)?),
            timeout: Duration::from_secs_f64(self.timeout_s),
        }))
    }
}

pub(super) struct Notion {
    token: Secret,
    database: String,
    title_property: String,
    url: Address,
    timeout: Duration,
}

impl Notion {
    fn call(&self, what: &'static str, method: Method, path: &[&str], body: Value) -> Request<'_> {
        let mut request = Request::post(what, &self.url, Key::Bearer(&self.token), body).at(path).by(method);
        request.headers.push(("notion-version", VERSION.to_owned()));
        request
    }

    fn properties(&self, page: &Page<'_>) -> Value {
        let bulletin = page.bulletin;
        let severity: &str = bulletin.severity.into();
        let foreseen = bulletin.foreseen.as_ref();
        let minutes = foreseen.and_then(|foreseen| foreseen.minutes_left(bulletin.at)).map(f64::ceil);
        let title = short_line(&page.text(Template::Title), 200);
        let mut properties = json!({
            "Severity": { "select": { "name": severity } },
            "Service": { "rich_text": rich(&bulletin.service) },
            "Status": { "select": { "name": status(bulletin) } },
            "Failure Prob": { "number": foreseen.map(|foreseen| (foreseen.probability * 1000.0).round() / 1000.0) },
            "ETF Minutes": { "number": minutes },
            "Cascade Path": { "rich_text": rich(&bulletin.path.join(" → ")) },
            "PR URL": { "url": bulletin.pull_request },
        });
        properties[&self.title_property] = json!({ "title": rich(&title) });
        properties
    }
}

/// The words of a select: few, so that a board can be made of them.
fn status(bulletin: &Bulletin) -> &'static str {
    match (bulletin.standing, bulletin.moment) {
        (Standing::Over, Moment::FalseAlarm) => "False alarm",
        (Standing::Over, _) => "Resolved",
        (Standing::Acknowledged, _) => "Acknowledged",
        (Standing::Open, _) if bulletin.approval.is_some() => "Waits for approval",
        (Standing::Open, _) if bulletin.foreseen.is_some() => "Predicted",
        (Standing::Open, _) => "Open",
    }
}

impl Vendor for Notion {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        let properties = self.properties(page);
        let Some(id) = page.thread["page"].as_str() else {
            let body = json!({
                "parent": { "database_id": self.database },
                "properties": properties,
                "children": children(page.bulletin),
            });
            return vec![self.call("create", Method::POST, &["v1", "pages"], body)];
        };
        vec![
            self.call("properties", Method::PATCH, &["v1", "pages", id], json!({ "properties": properties })),
            self.call(
                "append",
                Method::PATCH,
                &["v1", "blocks", id, "children"],
                json!({ "children": appended(page.bulletin) }),
            ),
        ]
    }

    fn understood(&self, what: &str, answer: &Value, thread: &mut Value) -> Result<(), Refused> {
        if what == "create" {
            let id = answer["id"].as_str().ok_or_else(|| Refused::because("nothing that has a page's id"))?;
            *thread = json!({ "page": id });
        }
        Ok(())
    }

    /// Somebody deleted the page: the next attempt makes a new one.
    fn refused(&self, what: &str, status: u16, _: &Value) -> Option<Value> {
        (what != "create" && status == 404).then_some(Value::Null)
    }

    fn example(&self) -> Value {
        json!({ "page": "59833787-2cf9-4fdf-8782-e53db20768a5" })
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}
