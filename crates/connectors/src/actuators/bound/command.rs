//! A program of the operator's, such as a tool that the service's own team wrote: run without a shell, asked for the state
//! before and for what became of a call after.

use super::arguments::{Arguments, Use};
use super::config::CommandConfig;
use super::process::{Program, Ran};
use super::state::{Report, Told};
use super::{Times, left};
use crate::ConnectorError;
use crate::secret::Secret;
use midwatch_model::journal::{EffectOutcome, Intent};
use midwatch_model::{ActionKind, ServiceName};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) struct Command {
    name: String,
    program: Program,
    secrets: Vec<Secret>,
    timeout: Duration,
    state: Option<Arguments>,
    status: Option<Arguments>,
    actions: BTreeMap<ActionKind, Arguments>,
    dry_run: BTreeMap<ActionKind, Arguments>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its environment has secrets.
        write!(f, "Command({})", self.program.path.display())
    }
}

impl Command {
    pub fn new(config: &CommandConfig, name: &str) -> Result<Self, ConnectorError> {
        let wrong = |place: &str, problem: String| ConnectorError::Config {
            field: format!("[[actuator]] `{name}` command {place}"),
            problem,
        };
        let parse = |place: &str, written: &Vec<String>, of| {
            Arguments::parse(written, of).map_err(|problem| wrong(place, problem))
        };
        let each = |place: &str, written: &BTreeMap<ActionKind, Vec<String>>| {
            let each = written.iter().map(|(kind, arguments)| {
                Ok((*kind, parse(&format!("{place}.{kind}"), arguments, Use::Action(*kind))?))
            });
            each.collect::<Result<BTreeMap<_, _>, ConnectorError>>()
        };
        let mut environment = config.environment.clone();
        let mut secrets = Vec::new();
        for (variable, place) in &config.secrets {
            let secret = place.read(&format!("[[actuator]] `{name}` command secrets.{variable}"))?;
            environment.insert(variable.clone(), secret.expose().to_owned());
            secrets.push(secret);
        }
        Ok(Self {
            name: name.to_owned(),
            program: Program { path: config.program.clone(), environment },
            secrets,
            timeout: Duration::from_secs_f64(config.timeout_s),
            state: config.state.as_ref().map(|a| parse("state", a, Use::State)).transpose()?,
            status: config.status.as_ref().map(|a| parse("status", a, Use::Status)).transpose()?,
            actions: each("actions", &config.actions)?,
            dry_run: each("dry_run", &config.dry_run)?,
        })
    }

    pub fn does(&self, kind: ActionKind) -> bool {
        self.actions.contains_key(&kind)
    }

    async fn run(&self, arguments: &[String], until: Instant) -> Ran {
        let ran = self.program.run(arguments, left(until, self.timeout)).await;
        let masked = |text: String| self.secrets.iter().fold(text, |text, secret| secret.masked(&text));
        match ran {
            Ran::NotStarted(why) => Ran::NotStarted(masked(why)),
            Ran::Cut(why) => Ran::Cut(masked(why)),
            Ran::Ended { code, out, said } => Ran::Ended { code, out, said: masked(said) },
        }
    }

    /// What was printed, if the command ended well.
    async fn ask(&self, arguments: &[String], until: Instant) -> Result<Vec<u8>, ConnectorError> {
        let failed =
            |reason: String| ConnectorError::Query { query: self.program.path.display().to_string(), reason };
        match self.run(arguments, until).await {
            Ran::Ended { code: 0, out, .. } => Ok(out),
            Ran::Ended { code, said, .. } => Err(failed(format!("it ended with {code}: {said}"))),
            Ran::NotStarted(why) | Ran::Cut(why) => Err(failed(why)),
        }
    }

    fn title(&self, what: &str) -> String {
        format!("`{what}` of the actuator {}", self.name)
    }

    pub async fn state(&self, service: &ServiceName, until: Instant) -> Result<Option<Told>, ConnectorError> {
        let Some(arguments) = &self.state else { return Ok(None) };
        let filled = arguments.of_service(service).map_err(|reason| self.unfit(reason))?;
        let out = self.ask(&filled, until).await?;
        Told::read(&out, &self.title("state")).map(Some)
    }

    pub async fn status(
        &self,
        intent: &Intent,
        until: Instant,
    ) -> Result<Option<EffectOutcome>, ConnectorError> {
        let Some(arguments) = &self.status else { return Ok(None) };
        let filled = arguments.of_intent(intent).map_err(|reason| self.unfit(reason))?;
        let out = self.ask(&filled, until).await?;
        let report = Report::read(&out).ok_or_else(|| ConnectorError::Decode {
            source_name: self.title("status"),
            reason:
                "it must be a JSON object with `outcome`: applied, not_applied, failed, running or unknown"
                    .to_owned(),
        })?;
        report.settled(intent.key.as_str()).map(Some)
    }

    fn unfit(&self, reason: String) -> ConnectorError {
        ConnectorError::Query { query: self.program.path.display().to_string(), reason }
    }

    /// Runs it once: first as a rehearsal where there is one.
    pub async fn perform(&self, intent: &Intent, times: Times) -> EffectOutcome {
        let kind = intent.action.kind();
        let not_applied = |reason: String| EffectOutcome::NotApplied { reason };
        let Some(arguments) = self.actions.get(&kind) else {
            return not_applied(format!("no command is declared for {kind}"));
        };
        if let Some(rehearsal) = self.dry_run.get(&kind) {
            let filled = rehearsal.of_intent(intent).map_err(|reason| self.unfit(reason));
            let rehearsed = match filled {
                Ok(filled) => self.ask(&filled, times.until).await.map(|_| ()),
                Err(error) => Err(error),
            };
            if let Err(error) = rehearsed {
                return not_applied(format!("its dry run was refused: {error}"));
            }
        }
        let filled = match arguments.of_intent(intent) {
            Ok(filled) => filled,
            Err(reason) => return not_applied(reason),
        };
        if let Some(late) = times.late() {
            return late;
        }
        match self.run(&filled, times.until).await {
            Ran::NotStarted(why) => not_applied(why),
            Ran::Cut(why) => EffectOutcome::Unknown { reason: why },
            Ran::Ended { code, out, said } => ended(code, &out, said),
        }
    }
}

/// What an end means. A command that fails may have done half of it, unless it says that it did nothing.
fn ended(code: i32, out: &[u8], said: String) -> EffectOutcome {
    match (code, Report::read(out).map(Report::outcome)) {
        (0, Some(told)) => told,
        (0, None) if said.is_empty() => {
            EffectOutcome::Applied { detail: "it ended well".to_owned(), after: None }
        }
        (0, None) => EffectOutcome::Applied { detail: said, after: None },
        (_, Some(refused @ EffectOutcome::NotApplied { .. })) => refused,
        (code, _) => EffectOutcome::Failed { reason: format!("it ended with {code}: {said}") },
    }
}
