//! GitHub: an issue per incident, kept up to date; what is new is a comment, and the issue is closed with the incident.

use super::post::{Address, Key, Page, Refused, Request, Vendor, wrong, wrong_timeout};
use super::template::Template;
use super::text::{cut, markdown, short_line};
use super::{Configured, Notifier, Secrets};
use crate::ConnectorError;
use crate::http::parse_url;
use crate::secret::{Secret, SecretConfig};
use midwatch_model::bulletin::Bulletin;
use midwatch_model::{Moment, Standing, Telling};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Characters of a title and of a body or comment.
const TITLE_MAX: usize = 256;
const BODY_MAX: usize = 65_000;

/// A repository whose issues incidents become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GithubConfig {
    /// A fine-grained token with write access to the repository's issues, and to nothing else.
    pub token: SecretConfig,
    /// `owner/name`.
    pub repository: String,
    /// Repositories of services.
    pub services: BTreeMap<String, String>,
    /// Labels of new issues.
    pub labels: Vec<String>,
    /// Moments of an incident that it hears of; by default those at which somebody should look, and what is done.
    pub tell: Vec<Moment>,
    /// Where the API is; `https://HOST/api/v3` for GitHub Enterprise Server.
    pub url: String,
    /// Seconds after which an attempt is given up.
    pub timeout_s: f64,
}

impl Default for GithubConfig {
    fn default() -> Self {
        Self {
            token: SecretConfig::default(),
            repository: String::new(),
            services: BTreeMap::new(),
            labels: vec!["incident".to_owned()],
            tell: Vec::new(),
            url: "https://api.github.com".to_owned(),
            timeout_s: 15.0,
        }
    }
}

impl Configured for GithubConfig {
    fn kind(&self) -> &'static str {
        "github"
    }

    fn telling(&self) -> Telling {
        Telling::Thread
    }

    fn moments(&self) -> Vec<Moment> {
        if !self.tell.is_empty() {
            return self.tell.clone();
        }
        super::noteworthy_moments().into_iter().chain([Moment::Action]).collect()
    }

    fn problems(&self, field: &str) -> Vec<ConnectorError> {
        let repositories = std::iter::once(("repository", &self.repository))
            .chain(self.services.values().map(|repository| ("services", repository)));
        let repositories = repositories.filter(|(_, repository)| parted(repository).is_none());
        let fix = "must be owner/name, such as \"example/shop\"";
        let repositories = repositories.map(|(name, _)| wrong(field, name, fix));
        let token = self.token.problem(&format!("{field} token"));
        let url = parse_url(&format!("{field} url"), &self.url).err();
        repositories.chain(token).chain(url).chain(wrong_timeout(self.timeout_s, field)).collect()
    }

    fn build(&self, field: &str, secrets: Secrets) -> Result<Notifier, ConnectorError> {
        Ok(Notifier::Github(Github {
            token: secrets.read(&self.token, &format!("{field} token"), "example")?,
            repository: self.repository.clone(),
            services: self.services.clone(),
            labels: self.labels.clone(),
            url: Address::Plain(parse_url(&format!("{field} url"), &self.url)?),
            timeout: Duration::from_secs_f64(self.timeout_s),
        }))
    }
}

/// Owner and name.
pub(crate) fn parted(repository: &str) -> Option<(&str, &str)> {
    let (owner, name) = repository.split_once('/')?;
    let is_plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    (is_plain(owner) && is_plain(name)).then_some((owner, name))
}

pub(super) struct Github {
    token: Secret,
    repository: String,
    services: BTreeMap<String, String>,
    labels: Vec<String>,
    url: Address,
    timeout: Duration,
}

impl Github {
    fn call(
        &self,
        what: &'static str,
        method: Method,
        repository: &str,
        end: &[&str],
        body: Value,
    ) -> Request<'_> {
        let (owner, name) = parted(repository).unwrap_or_default();
        let path: Vec<&str> = ["repos", owner, name, "issues"].iter().chain(end).copied().collect();
        let mut request = Request::post(what, &self.url, Key::Bearer(&self.token), body).at(&path).by(method);
        request.headers.push(("accept", "application/vnd.github+json, application/json".to_owned()));
        request.headers.push(("x-github-api-version", "2022-11-28".to_owned()));
        request
    }

    fn issue(page: &Page<'_>) -> Value {
        json!({ "title": short_line(&page.text(Template::Title), TITLE_MAX), "body": body(page) })
    }
}

impl Vendor for Github {
    fn requests<'a>(&'a self, page: &Page<'_>) -> Vec<Request<'a>> {
        let bulletin = page.bulletin;
        let mut issue = Self::issue(page);
        let known = page.thread["repository"].as_str().zip(page.thread["number"].as_u64());
        let Some((repository, number)) = known else {
            let repository = self.services.get(&bulletin.service).unwrap_or(&self.repository);
            issue["labels"] = json!(self.labels);
            return vec![self.call("create", Method::POST, repository, &[], issue)];
        };
        let number = number.to_string();
        let is_over = bulletin.standing == Standing::Over;
        issue["state"] = if is_over { "closed" } else { "open" }.into();
        if is_over {
            let reason = if bulletin.moment == Moment::FalseAlarm { "not_planned" } else { "completed" };
            issue["state_reason"] = reason.into();
        }
        vec![
            self.call("update", Method::PATCH, repository, &[&number], issue),
            self.call(
                "comment",
                Method::POST,
                repository,
                &[&number, "comments"],
                json!({ "body": comment(bulletin) }),
            ),
        ]
    }

    fn understood(&self, what: &str, answer: &Value, thread: &mut Value) -> Result<(), Refused> {
        if what == "create" {
            let number = answer["number"]
                .as_u64()
                .ok_or_else(|| Refused::because("nothing that has an issue's number"))?;
            // The address has the repository that it was made in, should another be configured later.
            let url = answer["url"].as_str().unwrap_or_default();
            let mut segments = url.rsplit('/').skip(2);
            let (name, owner) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
            let made_in = format!("{owner}/{name}");
            let repository = if parted(&made_in).is_some() { &made_in } else { &self.repository };
            *thread = json!({ "repository": repository, "number": number });
        }
        Ok(())
    }

    /// The issue was deleted: the next attempt makes a new one.
    fn refused(&self, what: &str, status: u16, _: &Value) -> Option<Value> {
        (what != "create" && status == 410).then_some(Value::Null)
    }

    fn example(&self) -> Value {
        json!({ "repository": self.repository, "number": 7 })
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn body(page: &Page<'_>) -> String {
    let bulletin = page.bulletin;
    let severity: &str = bulletin.severity.into();
    let cell = |text: &str| markdown(&short_line(text, 300));
    let mut table = format!(
        "| | |\n|---|---|\n| Severity | {severity} |\n| Service | {} |\n| State | {} |\n",
        cell(&bulletin.service),
        cell(&bulletin.state)
    );
    if let Some(confidence) = bulletin.confidence {
        table.push_str(&format!("| Confidence | {:.0} % |\n", confidence * 100.0));
    }
    if let Some(url) = bulletin.pull_request.as_ref().filter(|url| !url.contains(['|', ' ', '<'])) {
        table.push_str(&format!("| Pull request | {url} |\n"));
    }
    let text = page.text(Template::Markdown);
    let postmortem =
        bulletin.postmortem.as_ref().map(|text| format!("\n\n{}", written_up(text))).unwrap_or_default();
    let from = format!("\n\n---\n`{}` · midwatch keeps this up to date", bulletin.topic.replace('`', "'"));
    format!("{}{from}", cut(&format!("{text}\n\n{table}{postmortem}"), BODY_MAX - 500))
}

fn comment(bulletin: &Bulletin) -> String {
    match &bulletin.postmortem {
        Some(postmortem) => cut(&written_up(postmortem), BODY_MAX),
        None => cut(&markdown(&bulletin.news), BODY_MAX),
    }
}

/// A postmortem is Markdown already, of midwatch's own making; what it quotes mentions nobody and links to nothing.
fn written_up(markdown: &str) -> String {
    markdown.replace('@', "@\u{200b}").replace("](", "]\u{200b}(").replace('<', "&lt;")
}
