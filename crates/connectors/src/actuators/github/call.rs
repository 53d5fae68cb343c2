//! What GitHub is asked, one function for each question.
//!
//! Must never: write to a branch that is not an [`OurBranch`].

use crate::error::excerpt;
use crate::http::{Answer, Ask, join};
use crate::secret::Secret;
use crate::{ConnectorError, Http};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use midwatch_model::action::PROPOSAL_TITLE;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Bytes of an answer: a file of a megabyte in base64, with the rest of what GitHub says of it.
const ANSWER_BYTES_MAX: usize = 2 << 20;

/// A branch that midwatch made: writing goes to no other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OurBranch(String);

impl OurBranch {
    /// The branch of a service and an incident. Whatever either has in it, it is one branch below our own prefix.
    pub fn of(service: &str, incident: &str) -> Self {
        let plain = |text: &str| {
            let text: String = text
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
                .collect();
            if text.is_empty() { "none".to_owned() } else { text }
        };
        Self(format!("{}{}/{}", super::PREFIX, plain(service), plain(incident)))
    }

    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A pull request as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pull {
    pub number: u64,
    pub url: String,
    pub is_open: bool,
    pub is_merged: bool,
}

/// A file of a branch.
pub(super) struct File {
    pub sha: String,
    pub text: String,
}

/// What GitHub said no to, or that nobody knows whether it did something.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It answered that it does not do this, or was never asked.
    Refused {
        status: u16,
        says: String,
    },
    Unknown(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Refused { status: 401 | 403, says } => write!(
                f,
                "GitHub refuses: {says}; the token of [pull_requests] needs write access to contents and pull requests"
            ),
            Refusal::Refused { status: 404, says } => write!(
                f,
                "GitHub refuses: {says}; check the repository in [pull_requests], and that its token may read it"
            ),
            Refusal::Refused { says, .. } => write!(f, "GitHub refuses: {says}"),
            Refusal::Unknown(why) => write!(f, "GitHub gave no clear answer: {why}"),
        }
    }
}

/// One repository, for the time of one effect.
pub(super) struct Repository<'a> {
    pub http: &'a Http,
    pub url: &'a Url,
    pub token: &'a Secret,
    pub owner: &'a str,
    pub name: &'a str,
    pub timeout: Duration,
    pub until: Instant,
}

impl Repository<'_> {
    async fn ask(
        &self,
        method: Method,
        end: &[&str],
        query: &[(&'static str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Refusal> {
        let path: Vec<&str> = ["repos", self.owner, self.name].iter().chain(end).copied().collect();
        let url = join(self.url, &path);
        let is_look = method == Method::GET;
        let ask = Ask {
            method,
            bearer: Some(self.token.expose()),
            headers: vec![
                ("accept", "application/vnd.github+json, application/json".to_owned()),
                ("x-github-api-version", "2022-11-28".to_owned()),
            ],
            query: query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            json: body.as_ref(),
            bytes_max: ANSWER_BYTES_MAX,
            ..Ask::get(&url, self.timeout.min(self.until.saturating_duration_since(Instant::now())))
        };
        match self.http.ask(ask).await {
            Ok(answer) => self.understood(&answer, is_look),
            Err(error @ (ConnectorError::Unreachable { .. } | ConnectorError::Config { .. })) => {
                Err(Refusal::Refused { status: 0, says: self.token.masked(&error.to_string()) })
            }
            Err(error) => Err(Refusal::Unknown(self.token.masked(&error.to_string()))),
        }
    }

    fn understood(&self, answer: &Answer, is_look: bool) -> Result<Value, Refusal> {
        let says = || {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let text = body["message"].as_str().map_or_else(|| answer.excerpt(), excerpt);
            format!("{} {}", answer.status, self.token.masked(&text))
        };
        match answer.status {
            204 => Ok(Value::Null),
            200..300 => serde_json::from_slice(&answer.body)
                .map_err(|error| Refusal::Unknown(format!("its answer cannot be read: {error}"))),
            400..500 if answer.status != 408 => Err(Refusal::Refused { status: answer.status, says: says() }),
            // A look changes nothing, however it ends.
            _ if is_look => Err(Refusal::Refused { status: answer.status, says: says() }),
            _ => Err(Refusal::Unknown(says())),
        }
    }

    /// The branch that people merge into.
    pub async fn default_branch(&self) -> Result<String, Refusal> {
        let answer = self.ask(Method::GET, &[], &[], None).await?;
        text(&answer["default_branch"], "a default branch")
    }

    /// The commit of a branch, if there is such a branch.
    pub async fn head(&self, branch: &str) -> Result<Option<String>, Refusal> {
        let heads = format!("heads/{branch}");
        match self.ask(Method::GET, &["git", "ref", &heads], &[], None).await {
            Ok(answer) => text(&answer["object"]["sha"], "the commit of a branch").map(Some),
            Err(Refusal::Refused { status: 404, .. }) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Makes the branch, unless it is there.
    pub async fn branch_off(&self, branch: &OurBranch, sha: &str) -> Result<(), Refusal> {
        if self.head(branch.name()).await?.is_some() {
            return Ok(());
        }
        let body = json!({ "ref": format!("refs/heads/{}", branch.name()), "sha": sha });
        self.ask(Method::POST, &["git", "refs"], &[], Some(body)).await.map(|_| ())
    }

    pub async fn delete(&self, branch: &OurBranch) -> Result<(), Refusal> {
        let heads = format!("heads/{}", branch.name());
        match self.ask(Method::DELETE, &["git", "refs", &heads], &[], None).await {
            // It is gone already.
            Ok(_) | Err(Refusal::Refused { status: 404 | 422, .. }) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// A file of our branch, if it is there.
    pub async fn file(&self, branch: &OurBranch, path: &str) -> Result<Option<File>, Refusal> {
        let answer = match self.ask(Method::GET, &["contents", path], &[("ref", branch.name())], None).await {
            Ok(answer) => answer,
            Err(Refusal::Refused { status: 404, .. }) => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let unreadable = || Refusal::Refused { status: 200, says: format!("{path} is no text file") };
        let written: String = answer["content"].as_str().ok_or_else(unreadable)?.split_whitespace().collect();
        let bytes = STANDARD.decode(written).map_err(|_| unreadable())?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
        Ok(Some(File { sha: self::text(&answer["sha"], "the state of a file")?, text }))
    }

    /// Writes a file to our branch, unless it is so already.
    pub async fn write(
        &self,
        branch: &OurBranch,
        path: &str,
        content: &str,
        message: &str,
    ) -> Result<(), Refusal> {
        let known = self.file(branch, path).await?;
        if known.as_ref().is_some_and(|known| known.text == content) {
            return Ok(());
        }
        let mut body =
            json!({ "message": message, "content": STANDARD.encode(content), "branch": branch.name() });
        if let Some(known) = known {
            body["sha"] = known.sha.into();
        }
        self.ask(Method::PUT, &["contents", path], &[], Some(body)).await.map(|_| ())
    }

    /// The newest pull request from our branch.
    pub async fn pull(&self, branch: &OurBranch) -> Result<Option<Pull>, Refusal> {
        let head = format!("{}:{}", self.owner, branch.name());
        let query = [("head", head.as_str()), ("state", "all"), ("sort", "created"), ("direction", "desc")];
        let answer = self.ask(Method::GET, &["pulls"], &query, None).await?;
        let is_ours = |one: &&Value| one["head"]["ref"] == branch.name();
        Ok(answer.as_array().into_iter().flatten().find(is_ours).and_then(read))
    }

    pub async fn open(
        &self,
        branch: &OurBranch,
        base: &str,
        title: &str,
        body: &str,
    ) -> Result<Pull, Refusal> {
        let ask = json!({ "title": title, "head": branch.name(), "base": base, "body": body, "maintainer_can_modify": true });
        let answer = self.ask(Method::POST, &["pulls"], &[], Some(ask)).await?;
        read(&answer).ok_or_else(|| Refusal::Unknown("its answer is no pull request".to_owned()))
    }

    /// Whether anybody else has written to its branch.
    pub async fn has_others_work(&self, pull: &Pull) -> Result<bool, Refusal> {
        let number = pull.number.to_string();
        let commits =
            self.ask(Method::GET, &["pulls", &number, "commits"], &[("per_page", "100")], None).await?;
        let is_ours =
            |one: &Value| one["commit"]["message"].as_str().is_some_and(|m| m.starts_with(PROPOSAL_TITLE));
        Ok(!commits.as_array().into_iter().flatten().all(is_ours))
    }

    pub async fn close(&self, pull: &Pull) -> Result<(), Refusal> {
        let number = pull.number.to_string();
        self.ask(Method::PATCH, &["pulls", &number], &[], Some(json!({ "state": "closed" })))
            .await
            .map(|_| ())
    }
}

fn read(pull: &Value) -> Option<Pull> {
    Some(Pull {
        number: pull["number"].as_u64()?,
        url: pull["html_url"].as_str()?.to_owned(),
        is_open: pull["state"] == "open",
        is_merged: !pull["merged_at"].is_null() || pull["merged"] == true,
    })
}

fn text(value: &Value, what: &str) -> Result<String, Refusal> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| Refusal::Unknown(format!("its answer does not say {what}")))
}
