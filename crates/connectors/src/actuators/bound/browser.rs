//! A dashboard that people act on with a browser: declared steps do the same in a browser of their own. A step that is not
//! there as it was declared ends it; nothing is guessed.

use super::Times;
use super::arguments::{Arguments, Use};
use super::config::BrowserConfig;
use super::state::Told;
use super::webdriver::Session;
use crate::egress::Egress;
use crate::http::parse_url;
use crate::secret::Secret;
use crate::{ConnectorError, Http};
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{ActionKind, ServiceName, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps of one plan.
const STEPS_MAX: usize = 100;

/// Bytes of a plan's file.
const PLAN_BYTES_MAX: u64 = 64 * 1024;

/// Time for which a state that was read is good enough to look at; before anything is done it is read anew.
const KEPT: Duration = Duration::from_secs(15);

pub(super) struct Browser {
    name: String,
    http: Http,
    egress: Egress,
    driver: Url,
    /// The dashboard; no page of anything else is opened.
    url: Url,
    arguments: Vec<String>,
    screenshots: PathBuf,
    secrets: BTreeMap<String, Secret>,
    timeout: Duration,
    state: Option<Plan>,
    /// What was read of services, and when: a browser is not opened for every look.
    read: Mutex<BTreeMap<ServiceName, (Instant, Told)>>,
    actions: BTreeMap<ActionKind, Plan>,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Browser({})", crate::http::shown(&self.url))
    }
}

/// A plan as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    steps: Vec<Step>,
    /// Of a plan that reads the state: where each part of it stands.
    #[serde(default)]
    read: BTreeMap<String, String>,
}

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    /// A path of the dashboard.
    Open(String),
    Fill {
        at: String,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        secret: Option<String>,
    },
    /// A click that changes nothing.
    Press(String),
    /// The click that changes something: whatever goes wrong before it has changed nothing.
    Act(String),
    Expect {
        at: String,
        says: String,
    },
    Screenshot(String),
}

/// A plan with its places.
struct Plan {
    steps: Vec<Step>,
    /// Every text of the steps, in their order.
    texts: Arguments,
    read: BTreeMap<String, String>,
}

/// Why a plan was not carried out to its end.
struct Stopped {
    /// Whether something may have been changed.
    acted: bool,
    why: String,
}

impl Plan {
    fn read(path: &Path, of: Use, secrets: &BTreeMap<String, Secret>) -> Result<Self, String> {
        let meta = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if meta.len() > PLAN_BYTES_MAX {
            return Err(format!("{} has more than {PLAN_BYTES_MAX} bytes", path.display()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let wrong = |problem: String| format!("{}: {problem}", path.display());
        let written: Written = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if written.steps.is_empty() || written.steps.len() > STEPS_MAX {
            return Err(wrong(format!("it must have 1 to {STEPS_MAX} steps")));
        }
        let acts = written.steps.iter().filter(|step| matches!(step, Step::Act(_))).count();
        let is_state = of == Use::State;
        if acts != usize::from(!is_state) {
            let fix = if is_state {
                "reads only; leave `act` out"
            } else {
                "needs exactly one `act`: the click that does it"
            };
            return Err(wrong(format!("a plan of this kind {fix}")));
        }
        if is_state && written.read.is_empty() {
            return Err(wrong(
                "`read` says where version, replicas and so on stand; it is missing".to_owned(),
            ));
        }
        for step in &written.steps {
            if let Step::Fill { text, secret, .. } = step {
                let unknown = secret.as_ref().filter(|name| !secrets.contains_key(*name));
                if let Some(unknown) = unknown {
                    return Err(wrong(format!("the secret `{unknown}` is not among the actuator's secrets")));
                }
                if text.is_some() == secret.is_some() {
                    return Err(wrong("`fill` needs `text` or `secret`".to_owned()));
                }
            }
        }
        let texts: Vec<String> = written.steps.iter().flat_map(texts_of).collect();
        let texts = Arguments::parse(&texts, of).map_err(wrong)?;
        Ok(Self { steps: written.steps, texts, read: written.read })
    }
}

/// The texts of a step that may have places in them.
fn texts_of(step: &Step) -> Vec<String> {
    match step {
        Step::Open(text) | Step::Press(text) | Step::Act(text) | Step::Screenshot(text) => vec![text.clone()],
        Step::Fill { at, text, .. } => vec![at.clone(), text.clone().unwrap_or_default()],
        Step::Expect { at, says } => vec![at.clone(), says.clone()],
    }
}

impl Browser {
    pub fn new(
        config: &BrowserConfig,
        name: &str,
        http: Http,
        egress: Egress,
    ) -> Result<Self, ConnectorError> {
        let field = |place: &str| format!("[[actuator]] `{name}` browser {place}");
        let wrong = |place: &str, problem: String| ConnectorError::Config { field: field(place), problem };
        let read = config
            .secrets
            .iter()
            .map(|(name, place)| Ok((name.clone(), place.read(&field(&format!("secrets.{name}")))?)));
        let secrets = read.collect::<Result<BTreeMap<_, _>, ConnectorError>>()?;
        let plan = |place: &str, path: &Path, of| {
            Plan::read(path, of, &secrets).map_err(|problem| wrong(place, problem))
        };
        let state = config.state.as_deref().map(|path| plan("state", path, Use::State)).transpose()?;
        let actions = config
            .actions
            .iter()
            .map(|(kind, path)| Ok((*kind, plan(&format!("actions.{kind}"), path, Use::Action(*kind))?)));
        let actions = actions.collect::<Result<BTreeMap<_, _>, ConnectorError>>()?;
        Ok(Self {
            name: name.to_owned(),
            http,
            egress,
            driver: parse_url(&field("webdriver"), &config.webdriver)?,
            url: parse_url(&field("url"), &config.url)?,
            arguments: config.arguments.clone(),
            screenshots: config.screenshots.clone(),
            timeout: Duration::from_secs_f64(config.timeout_s),
            secrets,
            state,
            read: Mutex::default(),
            actions,
        })
    }

    pub fn does(&self, kind: ActionKind) -> bool {
        self.actions.contains_key(&kind)
    }

    /// The browser may look up nothing but the dashboard's host, at the address that was found to be allowed.
    async fn only_there(&self) -> Result<String, ConnectorError> {
        let refused =
            |reason: String| ConnectorError::Unreachable { url: crate::http::shown(&self.url), reason };
        if let Some(refusal) = self.egress.refusal_of(&self.url) {
            return Err(refused(format!("refused: {refusal}")));
        }
        let host = self.url.host_str().unwrap_or_default();
        if !matches!(self.url.host(), Some(url::Host::Domain(_))) {
            return Ok(format!(
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {}",
                host.trim_matches(['[', ']'])
            ));
        }
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| refused(error.to_string()))?;
        let allowed = self.egress.allowed(host, found).map_err(refused)?;
        let address = allowed.first().map(|address| address.ip());
        let address = address.ok_or_else(|| refused(format!("{host} leads to no address")))?;
        let shown = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        Ok(format!("--host-resolver-rules=MAP {host} {shown}, MAP * ~NOTFOUND, EXCLUDE {shown}"))
    }

    async fn session(&self, until: Instant) -> Result<Session, ConnectorError> {
        let mut arguments = self.arguments.clone();
        arguments.push(self.only_there().await?);
        Session::open(&self.http, &self.driver, &arguments, self.timeout, until).await
    }

    /// What was read of a service lately, or else what is there now.
    pub async fn recent_state(
        &self,
        service: &ServiceName,
        until: Instant,
    ) -> Result<Option<Told>, ConnectorError> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(service).cloned();
        match known.filter(|(at, _)| at.elapsed() < KEPT) {
            Some((_, told)) => Ok(Some(told)),
            None => self.state(service, until).await,
        }
    }

    pub async fn state(&self, service: &ServiceName, until: Instant) -> Result<Option<Told>, ConnectorError> {
        let Some(plan) = &self.state else { return Ok(None) };
        let failed =
            |reason: String| ConnectorError::Query { query: format!("`state` of {}", self.name), reason };
        let texts = plan.texts.of_service(service).map_err(failed)?;
        let session = self.session(until).await?;
        let mut shots = Shots::of(self, &format!("state-{service}"));
        self.walk(&session, plan, texts, &mut shots, None).await.map_err(|stopped| failed(stopped.why))?;
        let mut told = Map::new();
        for (name, selector) in &plan.read {
            let text = session.text(selector).await?;
            told.insert(name.clone(), value(name, &text));
        }
        let told =
            Told::read(Value::Object(told).to_string().as_bytes(), &format!("`state` of {}", self.name))?;
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(service.clone(), (Instant::now(), told.clone()));
        Ok(Some(told))
    }

    /// Carries the plan of an action out, once.
    pub async fn perform(&self, intent: &Intent, times: Times) -> EffectOutcome {
        let not_applied = |reason: String| EffectOutcome::NotApplied { reason };
        let kind = intent.action.kind();
        let Some(plan) = self.actions.get(&kind) else {
            return not_applied(format!("no plan is declared for {kind}"));
        };
        let texts = match plan.texts.of_intent(intent) {
            Ok(texts) => texts,
            Err(reason) => return not_applied(reason),
        };
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(intent.action.target());
        let session = match self.session(times.until).await {
            Ok(session) => session,
            Err(error) => return not_applied(error.to_string()),
        };
        let mut shots = Shots::of(self, intent.key.as_str());
        let walked = self.walk(&session, plan, texts, &mut shots, Some(times)).await;
        if walked.is_err() {
            shots.take(&session, "stopped").await;
        }
        let seen = shots.told();
        match walked {
            Ok(()) => {
                EffectOutcome::Applied { detail: format!("the plan was carried out{seen}"), after: None }
            }
            Err(Stopped { acted: false, why }) => {
                not_applied(format!("{why}; nothing was pressed that changes anything{seen}"))
            }
            Err(Stopped { acted: true, why }) => EffectOutcome::Unknown { reason: format!("{why}{seen}") },
        }
    }

    async fn walk(
        &self,
        session: &Session,
        plan: &Plan,
        texts: Vec<String>,
        shots: &mut Shots,
        times: Option<Times>,
    ) -> Result<(), Stopped> {
        let (mut acted, mut texts) = (false, texts.into_iter());
        for (number, step) in plan.steps.iter().enumerate() {
            if !acted && let Some(EffectOutcome::NotApplied { reason }) = times.and_then(|times| times.late())
            {
                return Err(Stopped { acted, why: reason });
            }
            let done = self.step(session, step, &mut texts, shots, &mut acted).await;
            let there = match done {
                Ok(()) => self.is_there(session).await,
                Err(error) => Err(error),
            };
            if let Err(error) = there {
                let why = self.secrets.values().fold(error.to_string(), |text, secret| secret.masked(&text));
                return Err(Stopped { acted, why: format!("step {}: {why}", number + 1) });
            }
        }
        Ok(())
    }

    async fn step(
        &self,
        session: &Session,
        step: &Step,
        texts: &mut impl Iterator<Item = String>,
        shots: &mut Shots,
        acted: &mut bool,
    ) -> Result<(), ConnectorError> {
        let mut next = || texts.next().unwrap_or_default();
        match step {
            Step::Open(_) => {
                let path = next();
                let url = self.url.join(&path).ok().filter(|url| url.origin() == self.url.origin());
                let url = url.ok_or_else(|| self.elsewhere(&path))?;
                session.go(&url).await
            }
            Step::Press(_) => session.press(&next()).await,
            Step::Act(_) => {
                let at = next();
                // What is not there is not pressed; from here on nobody knows how far a click that is not answered came.
                session.text(&at).await?;
                *acted = true;
                session.press(&at).await
            }
            Step::Fill { secret, .. } => {
                let (at, text) = (next(), next());
                let secret = secret.as_ref().and_then(|name| self.secrets.get(name));
                session.fill(&at, secret.map_or(text.as_str(), Secret::expose)).await
            }
            Step::Expect { .. } => {
                let (at, says) = (next(), next());
                session.expect(&at, &says).await
            }
            Step::Screenshot(_) => {
                shots.take(session, &next()).await;
                Ok(())
            }
        }
    }

    /// Whoever is led away from the dashboard types nothing there.
    async fn is_there(&self, session: &Session) -> Result<(), ConnectorError> {
        let place = session.place().await?;
        if place.origin() == self.url.origin() || place.as_str() == "data:," {
            return Ok(());
        }
        Err(self.elsewhere(&crate::http::shown(&place)))
    }

    fn elsewhere(&self, place: &str) -> ConnectorError {
        ConnectorError::Decode {
            source_name: "the plan".to_owned(),
            reason: format!("{place} is no page of {}", crate::http::shown(&self.url)),
        }
    }
}

/// A part of the state as it stands on a page: numbers may have words around them.
fn value(name: &str, text: &str) -> Value {
    let number = || {
        let digits = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit);
        digits.collect::<String>().parse::<u64>().map_or(Value::Null, Value::from)
    };
    match name {
        "replicas" | "ready_replicas" | "max_replicas" | "pool_size" | "generation" => number(),
        "circuit_open" => json!(text.eq_ignore_ascii_case("open") || text.eq_ignore_ascii_case("true")),
        _ if text.is_empty() => Value::Null,
        _ => json!(text),
    }
}

/// The pictures of one call.
struct Shots {
    folder: PathBuf,
    name: String,
    taken: Vec<PathBuf>,
}

impl Shots {
    fn of(browser: &Browser, key: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        Self {
            folder: browser.screenshots.clone(),
            name: key.chars().map(plain).collect(),
            taken: Vec::new(),
        }
    }

    /// A picture is evidence, and no reason to stop: one that cannot be taken is said in the log.
    async fn take(&mut self, session: &Session, what: &str) {
        let plain: String = what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let at = Timestamp::now().as_millisecond();
        let path = self.folder.join(format!("{}-{at}-{plain}.png", self.name));
        let kept = match session.picture().await {
            Ok(picture) => keep(&self.folder, &path, &picture).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match kept {
            Ok(()) => self.taken.push(path),
            Err(error) => tracing::warn!(path = %path.display(), error, "a picture could not be kept"),
        }
    }

    fn told(&self) -> String {
        let names: Vec<String> = self.taken.iter().map(|path| path.display().to_string()).collect();
        if names.is_empty() { String::new() } else { format!("; pictures: {}", names.join(", ")) }
    }
}

async fn keep(folder: &Path, path: &Path, picture: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    tokio::fs::write(path, picture).await
}
