//! From what a sender tells to an alert: gaps filled, times brought into range, limits kept.

use super::{ID_CHARS_MAX, LABEL_CHARS_MAX, LABELS_MAX, Source};
use midwatch_model::{Acknowledged, Alert, Labels, Original, Severity, Timestamp, after};

/// Seconds for which an alert lasts whose sender tells it once and then only when it is over: a week. It ends at last,
/// so that a `resolved` that was lost does not leave it firing for good.
const UNTOLD_S: f64 = 604_800.0;

/// Whose alerts they are, and how they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Teller<'a> {
    pub name: &'a str,
    /// Whether what still fires is told again every few minutes, so that silence means that it is over.
    pub repeats: bool,
    /// Whether a start in the future is meant so.
    pub plans_ahead: bool,
}

/// How an alert stands, as its sender tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    #[default]
    Firing,
    /// It fires, and somebody has taken it on.
    Acknowledged {
        by: Option<String>,
    },
    Resolved,
}

/// An alert as its sender tells it, before the gaps are filled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The sender's own id, which alone identifies the alert.
    pub id: Option<String>,
    pub labels: Labels,
    pub annotations: Labels,
    pub starts_at: Option<Timestamp>,
    /// When it was or will be over, if the sender says.
    pub ends_at: Option<Timestamp>,
    /// When what is told happened, if the sender says: events may come out of their order.
    pub occurred_at: Option<Timestamp>,
    pub standing: Standing,
    pub generator_url: String,
    /// The sender's own word for how bad it is.
    pub severity: Option<String>,
    /// Times as they were written, where they cannot be read.
    pub unreadable: Unreadable,
}

/// Times that cannot be read, in the sender's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    pub starts_at: Option<String>,
    pub ends_at: Option<String>,
}

impl Told {
    /// Fills the gaps: a missing start is now, a missing end is `resolve_timeout_s` from now unless it is told again.
    ///
    /// # Errors
    /// Why it cannot be an alert.
    pub fn settle(self, source: Source, now: Timestamp, resolve_timeout_s: f64) -> Result<Alert, String> {
        self.settle_by(source.teller(), now, resolve_timeout_s)
    }

    /// The same for a teller that is no [`Source`] of its own.
    ///
    /// # Errors
    /// Why it cannot be an alert.
    pub fn settle_by(
        mut self,
        teller: Teller<'_>,
        now: Timestamp,
        resolve_timeout_s: f64,
    ) -> Result<Alert, String> {
        self.check()?;
        let mut original = Original {
            severity: self.severity_word(),
            starts_at: self.unreadable.starts_at.take(),
            ends_at: self.unreadable.ends_at.take(),
        };
        self.bring_into_range(teller, now, &mut original);
        let starts_at = self.starts_at.or(self.ends_at).unwrap_or(now);
        let lasts_s = if teller.repeats { resolve_timeout_s } else { UNTOLD_S };
        let ends_at = self.ends_at.unwrap_or_else(|| after(now, lasts_s));
        // A start in the future without an end lasts until it is told again.
        if ends_at < starts_at && self.ends_at.is_some() {
            return Err("it ends before it starts".into());
        }
        Ok(Alert {
            source: teller.name.to_owned(),
            id: self.id,
            severity: original.severity.as_deref().and_then(Severity::from_word).unwrap_or_default(),
            annotations: self.annotations,
            starts_at,
            ends_at: ends_at.max(starts_at),
            timeout: self.ends_at.is_none(),
            generator_url: self.generator_url,
            acknowledged: match self.standing {
                Standing::Acknowledged { by } => Some(Acknowledged { by: by.unwrap_or_default(), at: now }),
                Standing::Firing | Standing::Resolved => None,
            },
            original,
            occurred_at: self.occurred_at.filter(|at| *at <= now),
            updated_at: now,
            labels: self.labels,
        })
    }

    fn check(&mut self) -> Result<(), String> {
        self.labels.retain(|_, value| !value.is_empty());
        check_labels("label", &self.labels)?;
        check_labels("annotation", &self.annotations)?;
        match &self.id {
            Some(id) if id.is_empty() || id.chars().count() > ID_CHARS_MAX => {
                Err(format!("its id must have 1 to {ID_CHARS_MAX} characters"))
            }
            None if self.labels.is_empty() => Err("it has no labels and no id".into()),
            _ => Ok(()),
        }
    }

    fn severity_word(&self) -> Option<String> {
        let word = self.severity.clone().or_else(|| self.labels.get("severity").map(str::to_owned));
        word.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty())
    }

    /// What is over has ended by now, and has begun before that; what fires has begun, unless its sender plans ahead.
    fn bring_into_range(&mut self, teller: Teller<'_>, now: Timestamp, original: &mut Original) {
        let over = self.standing == Standing::Resolved;
        if over || !teller.plans_ahead {
            let moved = self.starts_at.filter(|starts_at| *starts_at > now);
            original.starts_at = moved.map(|at| at.to_string()).or(original.starts_at.take());
            self.starts_at = self.starts_at.map(|starts_at| starts_at.min(now));
        }
        if over {
            let ended = self.ends_at.filter(|at| *at <= now).unwrap_or(now);
            let ended = self.starts_at.map_or(ended, |starts_at| ended.max(starts_at));
            let moved = self.ends_at.filter(|ends_at| *ends_at != ended);
            original.ends_at = moved.map(|at| at.to_string()).or(original.ends_at.take());
            self.ends_at = Some(ended);
        }
    }
}

fn check_labels(what: &str, labels: &Labels) -> Result<(), String> {
    if labels.len() > LABELS_MAX {
        return Err(format!("it has {} {what}s; at most {LABELS_MAX} are allowed", labels.len()));
    }
    for (name, value) in labels.iter() {
        if name.is_empty() {
            return Err(format!("a {what} has no name"));
        }
        if name.chars().count().max(value.chars().count()) > LABEL_CHARS_MAX {
            let shown: String = super::wire::sentence(name).chars().take(40).collect();
            return Err(format!("{what} `{shown}` is longer than {LABEL_CHARS_MAX} characters"));
        }
    }
    Ok(())
}
