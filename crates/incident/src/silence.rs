//! Silences: what people do not want to hear of for a while, with Alertmanager's semantics.

use midwatch_model::label::value_of;
use midwatch_model::silence::{Silence, SilenceKind, SilenceState};
use midwatch_model::{Labels, Matcher, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most matchers of one silence; a person writes a handful.
const MATCHERS_MAX: usize = 64;

/// Longest comment or author, characters.
const TEXT_CHARS_MAX: usize = 4096;

/// A silence as somebody wants it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedSilence {
    /// The one to change; none for a new one.
    #[serde(default)]
    pub id: Option<String>,
    pub matchers: Vec<Matcher>,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub created_by: String,
    pub comment: String,
    /// Clients of the Alertmanager API only know the one; a silence that is changed stays what it is.
    #[serde(skip)]
    pub kind: SilenceKind,
}

/// Why a silence cannot be had. The text is meant for whoever wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    #[error("invalid silence: {0}")]
    Invalid(String),
    #[error("there is no silence {0}")]
    NotFound(String),
    #[error("silence {0} has expired already")]
    Expired(String),
}

/// All silences that are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silences(BTreeMap<String, Silence>);

impl Silences {
    /// Takes a silence in as the journal tells it.
    pub fn put(&mut self, silence: Silence) {
        self.0.insert(silence.id.clone(), silence);
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.0.get(id)
    }

    pub fn all(&self) -> impl Iterator<Item = &Silence> {
        self.0.values()
    }

    /// Ids of the silences that mute a label set now.
    pub fn muting<'a>(&'a self, labels: &'a Labels, now: Timestamp) -> impl Iterator<Item = &'a Silence> {
        self.all().filter(move |s| s.state(now) == SilenceState::Active && s.matches(labels))
    }

    /// The maintenance that these labels are in, the one that lasts longest.
    #[must_use]
    pub fn maintenance<'a>(&'a self, labels: &'a Labels, now: Timestamp) -> Option<&'a Silence> {
        let all = self.muting(labels, now).filter(|silence| silence.kind == SilenceKind::Maintenance);
        all.max_by_key(|silence| silence.ends_at)
    }

    /// Whether anything is in maintenance now.
    #[must_use]
    pub fn any_maintenance(&self, now: Timestamp) -> bool {
        self.all().any(|s| s.kind == SilenceKind::Maintenance && s.state(now) == SilenceState::Active)
    }

    /// What has to be put on record so that `wanted` holds. An active silence may only have its end and comment changed;
    /// any other change ends it and begins a new one under `fresh_id`. The last silence of the answer is the wanted one.
    ///
    /// # Errors
    /// When it is not valid, or names one that does not exist.
    pub fn set(
        &self,
        wanted: WantedSilence,
        fresh_id: String,
        now: Timestamp,
    ) -> Result<Vec<Silence>, SilenceError> {
        let now = to_millis(now);
        let known_id = wanted.id.clone().filter(|id| !id.is_empty());
        let silence = Silence {
            id: fresh_id,
            matchers: wanted.matchers,
            starts_at: to_millis(wanted.starts_at),
            ends_at: to_millis(wanted.ends_at),
            created_by: wanted.created_by,
            comment: wanted.comment,
            updated_at: now,
            kind: wanted.kind,
        };
        check(&silence)?;
        let Some(id) = known_id else { return Ok(vec![begun(silence, now)?]) };
        let known = self.get(&id).ok_or(SilenceError::NotFound(id))?;
        let silence = Silence { kind: known.kind, ..silence };
        if can_become(known, &silence, now) {
            return Ok(vec![Silence { id: known.id.clone(), ..silence }]);
        }
        let mut records = Vec::new();
        if known.state(now) != SilenceState::Expired {
            records.push(ended(known, now));
        }
        records.push(begun(silence, now)?);
        Ok(records)
    }

    /// What has to be put on record so that the silence ends now.
    ///
    /// # Errors
    /// When there is none, or it is over.
    pub fn expire(&self, id: &str, now: Timestamp) -> Result<Silence, SilenceError> {
        let known = self.get(id).ok_or_else(|| SilenceError::NotFound(id.to_owned()))?;
        match known.state(now) {
            SilenceState::Expired => Err(SilenceError::Expired(id.to_owned())),
            _ => Ok(ended(known, now)),
        }
    }
}

/// Clients see milliseconds: what they send back must be what is known.
fn to_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn check(silence: &Silence) -> Result<(), SilenceError> {
    let refuse = |text: String| Err(SilenceError::Invalid(text));
    if silence.matchers.is_empty() || silence.matchers.len() > MATCHERS_MAX {
        return refuse(format!("it needs 1 to {MATCHERS_MAX} matchers"));
    }
    let nothing = Labels::new();
    let matches_nothing = |m: &Matcher| {
        matches!(m.op(), midwatch_model::label::MatchOp::Equal | midwatch_model::label::MatchOp::Regex)
            && m.accepts(value_of(&nothing, m.name()))
    };
    if silence.matchers.iter().all(matches_nothing) {
        return refuse("at least one matcher must not match the empty string".into());
    }
    if silence.ends_at < silence.starts_at {
        return refuse("it must not end before it starts".into());
    }
    if silence.created_by.chars().count().max(silence.comment.chars().count()) > TEXT_CHARS_MAX {
        return refuse(format!("author and comment may have {TEXT_CHARS_MAX} characters"));
    }
    Ok(())
}

/// A silence cannot have muted what is past.
fn begun(silence: Silence, now: Timestamp) -> Result<Silence, SilenceError> {
    if silence.ends_at < now {
        return Err(SilenceError::Invalid("its end is in the past".into()));
    }
    let starts_at = silence.starts_at.max(now);
    Ok(Silence { starts_at, ..silence })
}

fn can_become(known: &Silence, wanted: &Silence, now: Timestamp) -> bool {
    if known.matchers != wanted.matchers {
        return false;
    }
    match known.state(now) {
        SilenceState::Active => known.starts_at == wanted.starts_at && wanted.ends_at >= now,
        SilenceState::Pending => wanted.starts_at >= now,
        SilenceState::Expired => false,
    }
}

/// A pending one never was: it ends where it begins.
fn ended(known: &Silence, now: Timestamp) -> Silence {
    let starts_at = if known.state(now) == SilenceState::Pending { now } else { known.starts_at };
    Silence { starts_at, ends_at: now, updated_at: now, ..known.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::label::parse_matchers;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn wanted(id: Option<&str>, matchers: &str, starts: i64, ends: i64) -> WantedSilence {
        WantedSilence {
            id: id.map(str::to_owned),
            matchers: parse_matchers(matchers).expect("matchers"),
            starts_at: at(starts),
            ends_at: at(ends),
            created_by: "ana".into(),
            comment: "known".into(),
            kind: SilenceKind::Silence,
        }
    }

    fn set(silences: &mut Silences, wanted: WantedSilence, id: &str, now: i64) -> Vec<String> {
        let records = silences.set(wanted, id.into(), at(now)).expect("valid");
        records.iter().for_each(|record| silences.put(record.clone()));
        records
            .into_iter()
            .map(|r| format!("{} {}-{}", r.id, r.starts_at.as_second(), r.ends_at.as_second()))
            .collect()
    }

    #[test]
    fn an_active_silence_is_extended_in_place_and_replaced_otherwise() {
        let mut silences = Silences::default();
        assert_eq!(set(&mut silences, wanted(None, "a=b", 50, 200), "s1", 100), ["s1 100-200"]);
        assert_eq!(set(&mut silences, wanted(Some("s1"), "a=b", 100, 300), "s2", 120), ["s1 100-300"]);
        assert_eq!(
            set(&mut silences, wanted(Some("s1"), "a=c", 100, 300), "s2", 130),
            ["s1 100-130", "s2 130-300"]
        );
        assert_eq!(set(&mut silences, wanted(Some("s1"), "a=b", 140, 300), "s3", 140), ["s3 140-300"]);
        let labels = Labels::from([("a".to_owned(), "b".to_owned())]);
        let muting: Vec<_> = silences.muting(&labels, at(150)).map(|s| s.id.as_str()).collect();
        assert_eq!(muting, ["s3"]);
    }

    #[test]
    fn an_end_is_final() {
        let mut silences = Silences::default();
        set(&mut silences, wanted(None, "a=b", 150, 200), "s1", 100);
        assert_eq!(silences.get("s1").map(|s| s.state(at(120))), Some(SilenceState::Pending));
        let ended = silences.expire("s1", at(120)).expect("ended");
        silences.put(ended);
        assert_eq!(silences.get("s1").map(|s| s.state(at(121))), Some(SilenceState::Expired));
        assert_eq!(silences.expire("s1", at(130)), Err(SilenceError::Expired("s1".into())));
        assert_eq!(silences.expire("s9", at(130)), Err(SilenceError::NotFound("s9".into())));
    }

    #[test]
    fn what_would_mute_everything_or_nothing_is_refused() {
        let silences = Silences::default();
        for (matchers, starts, ends) in
            [("a=~\".*\"", 100, 200), ("a=", 100, 200), ("a=b", 200, 150), ("a=b", 10, 20)]
        {
            let result = silences.set(wanted(None, matchers, starts, ends), "s".into(), at(100));
            assert!(
                matches!(result, Err(SilenceError::Invalid(_))),
                "{matchers} {starts}-{ends}: {result:?}"
            );
        }
        assert!(silences.set(wanted(None, "", 100, 200), "s".into(), at(100)).is_err());
    }
}
