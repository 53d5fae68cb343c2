//! What the operator declares of an actuator.

use super::process;
use crate::ConnectorError;
use crate::http::parse_url;
use crate::secret::SecretConfig;
use midwatch_model::{ActionKind, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How actions of the catalogue are carried out for some services: by a command, a webhook, or on a dashboard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActuatorConfig {
    /// What messages call it.
    pub name: String,
    /// The services that it acts on.
    pub services: BTreeSet<ServiceName>,
    /// A program that is run.
    pub command: Option<CommandConfig>,
    /// A URL that is asked.
    pub webhook: Option<HookConfig>,
    /// A dashboard that is used as people use it.
    pub browser: Option<BrowserConfig>,
}

/// A program that acts. It is run without a shell, with nothing in its environment but what stands here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CommandConfig {
    /// Its absolute path. Only root or midwatch's own user may be able to write it.
    pub program: PathBuf,
    /// Arguments for each action: `rollback` (needs `{version}`), `restart`, `restart_db_pool`, `resize_db_pool` (needs
    /// `{size}`), `scale` (needs `{replicas}`), `circuit_break` (needs `{circuit}`: `open` or `closed`). Besides there are
    /// `{service}`, `{key}`, `{incident}`, `{action}`, `{generation}` and `{revision}`.
    pub actions: BTreeMap<ActionKind, Vec<String>>,
    /// Arguments for a rehearsal that changes nothing, run before the action; it has to end with 0.
    pub dry_run: BTreeMap<ActionKind, Vec<String>>,
    /// Arguments that make it print the state of `{service}` as JSON.
    pub state: Option<Vec<String>>,
    /// Arguments that make it print what became of the call `{key}` as JSON.
    pub status: Option<Vec<String>>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Secrets in its environment.
    pub secrets: BTreeMap<String, SecretConfig>,
    /// Seconds after which one run is stopped, with everything that it started; at most `control_plane.call_timeout_s`.
    pub timeout_s: f64,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            program: PathBuf::new(),
            actions: BTreeMap::new(),
            dry_run: BTreeMap::new(),
            state: None,
            status: None,
            environment: BTreeMap::new(),
            secrets: BTreeMap::new(),
            // Two thirds of a call to a control plane, so that there is time left to look.
            timeout_s: 10.0,
        }
    }
}

/// A URL that acts, asked by signed requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HookConfig {
    /// Where it is asked to act.
    pub url: String,
    /// Where it is asked to take an action back; default: `url`.
    pub undo_url: Option<String>,
    /// Where it is asked for the state of a service.
    pub state_url: Option<String>,
    /// Where it is asked what became of a call.
    pub status_url: Option<String>,
    /// The signing secret, `whsec_` and 24 to 64 bytes in base64.
    pub secret: SecretConfig,
    /// The actions that it can do.
    pub actions: BTreeSet<ActionKind>,
    /// Whether it takes rehearsals: requests with `dry_run: true` that change nothing and are refused if the action would be.
    pub dry_run: bool,
    /// Seconds after which one request is given up; at most `control_plane.call_timeout_s`.
    pub timeout_s: f64,
}

impl Default for HookConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            undo_url: None,
            state_url: None,
            status_url: None,
            secret: SecretConfig::default(),
            actions: BTreeSet::new(),
            dry_run: false,
            // As for a command.
            timeout_s: 10.0,
        }
    }
}

/// A dashboard on which declared steps are done in a browser, through WebDriver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BrowserConfig {
    /// Where the driver listens, such as chromedriver; it has no login of its own, so it belongs on this machine.
    pub webdriver: String,
    /// The dashboard. No page of anything else is opened, and nothing else is looked up.
    pub url: String,
    /// A file with the steps of each action, in YAML.
    pub actions: BTreeMap<ActionKind, PathBuf>,
    /// A file with the steps that lead to a service's state, and where it stands there.
    pub state: Option<PathBuf>,
    /// Secrets that steps fill in, by the names that they use.
    pub secrets: BTreeMap<String, SecretConfig>,
    /// Folder for pictures.
    pub screenshots: PathBuf,
    /// Arguments of the browser.
    pub arguments: Vec<String>,
    /// Seconds for which a step waits for what it needs; at most `control_plane.call_timeout_s`, which all of them share.
    pub timeout_s: f64,
}

impl Default for BrowserConfig {
    fn default() -> Self {
        Self {
            webdriver: "http://127.0.0.1:9515".to_owned(),
            url: String::new(),
            actions: BTreeMap::new(),
            state: None,
            secrets: BTreeMap::new(),
            screenshots: PathBuf::from("screenshots"),
            arguments: vec!["--headless=new".to_owned(), "--disable-gpu".to_owned()],
            // A browser starts within two seconds; a page of a dashboard is there within one.
            timeout_s: 10.0,
        }
    }
}

impl ActuatorConfig {
    fn wrong(&self, place: &str, problem: impl Into<String>) -> ConnectorError {
        ConnectorError::Config {
            field: format!("[[actuator]] `{}` {place}", self.name),
            problem: problem.into(),
        }
    }

    pub(super) fn says_no_hand(&self) -> ConnectorError {
        self.wrong("command", "or `webhook` or `browser` is needed, and only one of them")
    }

    /// # Errors
    /// The first field that does not fit, with the fix.
    pub(crate) fn validate(&self, call_timeout_s: f64) -> Result<(), ConnectorError> {
        if !ServiceName::new(&*self.name).is_valid() {
            return Err(self.wrong("name", "is needed: letters, digits, `-`, `_`, `.`"));
        }
        if self.services.is_empty() {
            return Err(self.wrong("services", "is empty; name the services that it acts on"));
        }
        let (kinds, timeout_s, place) = match (&self.command, &self.webhook, &self.browser) {
            (Some(command), None, None) => {
                self.check_command(command)?;
                let kinds: Vec<ActionKind> = command.actions.keys().copied().collect();
                (kinds, command.timeout_s, "command")
            }
            (None, None, Some(browser)) => {
                self.check_browser(browser)?;
                (browser.actions.keys().copied().collect(), browser.timeout_s, "browser")
            }
            (None, Some(hook), None) => {
                self.check_hook(hook)?;
                (hook.actions.iter().copied().collect(), hook.timeout_s, "webhook")
            }
            _ => return Err(self.says_no_hand()),
        };
        if kinds.is_empty() {
            return Err(self.wrong(&format!("{place} actions"), "is empty; declare what it can do"));
        }
        if let Some(odd) = kinds.iter().find(|kind| !ActionKind::FIRST.contains(kind)) {
            let can = ActionKind::FIRST.map(ActionKind::name).join(", ");
            return Err(self.wrong(&format!("{place} actions"), format!("has {odd}; it can be one of {can}")));
        }
        if !(0.05..=call_timeout_s).contains(&timeout_s) {
            return Err(self.wrong(
                &format!("{place} timeout_s"),
                format!("must be 0.05 to {call_timeout_s} seconds (control_plane.call_timeout_s)"),
            ));
        }
        Ok(())
    }

    fn check_command(&self, command: &CommandConfig) -> Result<(), ConnectorError> {
        if let Some(problem) = process::problem(&command.program) {
            return Err(self.wrong("command program", problem));
        }
        let names = command.environment.keys().chain(command.secrets.keys());
        let is_odd = |name: &&String| {
            name.is_empty()
                || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                || name.starts_with("LD_")
        };
        if let Some(odd) = names.clone().find(is_odd) {
            let problem = format!("has `{odd}`, which is no name of a variable that a command may get");
            return Err(self.wrong("command environment", problem));
        }
        if let Some(secret) = command.environment.keys().find(|name| names_a_secret(name)) {
            let problem = format!(
                "has `{secret}`, which looks like a secret and would be shown with the configuration; put it under `secrets`"
            );
            return Err(self.wrong("command environment", problem));
        }
        let lists = [("actions", &command.actions), ("dry_run", &command.dry_run)];
        let lists =
            lists.into_iter().flat_map(|(place, lists)| lists.values().map(move |list| (place, list)));
        let single = [("state", &command.state), ("status", &command.status)];
        let lists = lists.chain(single.into_iter().filter_map(|(place, list)| Some((place, list.as_ref()?))));
        for (place, arguments) in lists {
            if let Some(problem) = process::code_problem(&command.program, arguments) {
                return Err(self.wrong(&format!("command {place}"), problem));
            }
        }
        if let Some(kind) = command.dry_run.keys().find(|kind| !command.actions.contains_key(kind)) {
            return Err(self.wrong("command dry_run", format!("has {kind}, which is not among its actions")));
        }
        let secrets = command.secrets.iter();
        let problem = secrets.filter_map(|(name, place)| {
            place.problem(&format!("[[actuator]] `{}` command secrets.{name}", self.name))
        });
        problem.into_iter().next().map_or(Ok(()), Err)
    }

    fn check_browser(&self, browser: &BrowserConfig) -> Result<(), ConnectorError> {
        let field = |place: &str| format!("[[actuator]] `{}` browser {place}", self.name);
        parse_url(&field("webdriver"), &browser.webdriver)?;
        parse_url(&field("url"), &browser.url)?;
        let problem = browser
            .secrets
            .iter()
            .find_map(|(name, place)| place.problem(&field(&format!("secrets.{name}"))));
        problem.map_or(Ok(()), Err)
    }

    fn check_hook(&self, hook: &HookConfig) -> Result<(), ConnectorError> {
        let field = |place: &str| format!("[[actuator]] `{}` webhook {place}", self.name);
        parse_url(&field("url"), &hook.url)?;
        let others =
            [("undo_url", &hook.undo_url), ("state_url", &hook.state_url), ("status_url", &hook.status_url)];
        for (place, url) in others {
            if let Some(url) = url {
                parse_url(&field(place), url)?;
            }
        }
        hook.secret.problem(&field("secret")).map_or(Ok(()), Err)
    }
}

/// Whether a variable is by its name one that nobody should see.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
}
