//! What a command or a webhook tells, as JSON: of a target, and of what became of a call.

use crate::ConnectorError;
use crate::error::excerpt;
use midwatch_model::ActionKind;
use midwatch_model::action::TargetState;
use midwatch_model::journal::EffectOutcome;
use serde::Deserialize;

/// Characters of a version or a revision: a digest has 71.
const NAME_CHARS_MAX: usize = 200;

/// What is told of a target. What is not told is not known.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    version: Option<String>,
    previous_version: Option<String>,
    replicas: Option<u32>,
    ready_replicas: Option<u32>,
    max_replicas: Option<u32>,
    pool_size: Option<u32>,
    circuit_open: Option<bool>,
    generation: Option<u64>,
    revision: Option<String>,
}

/// A target of which nothing was told yet. How many instances there may be at most is then for the configuration to say.
pub(super) fn nothing_known() -> TargetState {
    TargetState { version: "unknown".to_owned(), max_replicas: u32::MAX, ..TargetState::default() }
}

impl Told {
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &[u8], source_name: &str) -> Result<Self, ConnectorError> {
        let decode = |reason: String| ConnectorError::Decode { source_name: source_name.to_owned(), reason };
        let told: Self = serde_json::from_slice(text)
            .map_err(|error| decode(format!("it must be a JSON object that tells the state: {error}")))?;
        let names = [&told.version, &told.previous_version, &told.revision];
        let is_odd = |name: &String| {
            name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.contains(char::is_control)
        };
        if names.into_iter().flatten().any(is_odd) {
            return Err(decode(format!(
                "versions and revisions are one line of 1 to {NAME_CHARS_MAX} characters"
            )));
        }
        Ok(told)
    }

    /// Whether enough is told that the undo of such an action restores it.
    pub fn can_take_back(&self, kind: ActionKind) -> bool {
        match kind {
            ActionKind::Rollback => self.version.is_some(),
            ActionKind::Scale => self.replicas.is_some(),
            ActionKind::ResizeDbPool => self.pool_size.is_some(),
            ActionKind::CircuitBreak => self.circuit_open.is_some(),
            _ => false,
        }
    }

    pub fn has_revision(&self) -> bool {
        self.generation.is_some() || self.revision.is_some()
    }

    pub fn put_into(&self, target: &mut TargetState) {
        fn set<T: Clone>(place: &mut T, told: Option<&T>) {
            if let Some(told) = told {
                place.clone_from(told);
            }
        }
        set(&mut target.version, self.version.as_ref());
        set(&mut target.replicas, self.replicas.as_ref());
        set(&mut target.ready_replicas, self.ready_replicas.or(self.replicas).as_ref());
        set(&mut target.max_replicas, self.max_replicas.as_ref());
        set(&mut target.pool_size, self.pool_size.as_ref());
        set(&mut target.circuit_open, self.circuit_open.as_ref());
        set(&mut target.generation, self.generation.as_ref());
        if self.previous_version.is_some() {
            target.previous_version.clone_from(&self.previous_version);
        }
        if self.revision.is_some() {
            target.revision.clone_from(&self.revision);
        }
    }

    /// The first difference to what was seen before, if there is one. That instances come and go is none.
    pub fn differs(&self, before: &TargetState) -> Option<String> {
        let mut now = before.clone();
        self.put_into(&mut now);
        let pairs = [
            ("version", before.version.clone(), now.version),
            ("replicas", before.replicas.to_string(), now.replicas.to_string()),
            ("pool size", before.pool_size.to_string(), now.pool_size.to_string()),
            ("circuit open", before.circuit_open.to_string(), now.circuit_open.to_string()),
            ("generation", before.generation.to_string(), now.generation.to_string()),
            ("revision", before.revision.clone().unwrap_or_default(), now.revision.unwrap_or_default()),
        ];
        let (name, was, is) = pairs.into_iter().find(|(_, was, is)| was != is)?;
        Some(format!("{name} was {was} and is {is}"))
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Applied,
    NotApplied,
    Failed,
    Running,
    Unknown,
}

/// What is told of a call.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    outcome: Ended,
    #[serde(default)]
    detail: String,
}

impl Report {
    pub fn read(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// The outcome of a call that was just made.
    pub fn outcome(self) -> EffectOutcome {
        let said = |what: &str| {
            let detail = excerpt(&self.detail);
            if detail.is_empty() { what.to_owned() } else { detail }
        };
        match self.outcome {
            Ended::Applied => EffectOutcome::Applied { detail: said("done"), after: None },
            Ended::NotApplied => EffectOutcome::NotApplied { reason: said("it was refused") },
            Ended::Failed => EffectOutcome::Failed { reason: said("it was tried and failed") },
            Ended::Running => EffectOutcome::Unknown { reason: said("it is still running") },
            Ended::Unknown => EffectOutcome::Unknown { reason: said("it does not know") },
        }
    }

    /// The outcome of a call that was asked about.
    ///
    /// # Errors
    /// That it is not known yet.
    pub fn settled(self, key: &str) -> Result<EffectOutcome, ConnectorError> {
        match self.outcome {
            Ended::Running | Ended::Unknown => Err(ConnectorError::StillRunning { key: key.to_owned() }),
            _ => Ok(self.outcome()),
        }
    }
}
