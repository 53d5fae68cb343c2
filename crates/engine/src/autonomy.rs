//! Earned autonomy: the levels as they are set, the record that incidents' journals hold, and what follows from it by itself.

use crate::append::{append, append_last, written};
use crate::{Engine, EngineError};
use midwatch_decision::{Level, Levels, MIDWATCH, Set, TrackRecord, Trial, trials};
use midwatch_incident::Incident;
use midwatch_model::decision::{Caller, Combination, Mode};
use midwatch_model::journal::{Entry, Line, StreamId, VerifiedJournal};
use midwatch_model::{IncidentId, Severity, Timestamp, after};
use midwatch_store::{Append, Commit, Store};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Incidents whose journals make the record, the newest: they are read within a second.
const INCIDENTS_MAX: u32 = 300;

/// What is known of levels in memory. All of it can be read again from the stream.
pub(crate) struct Autonomy {
    levels: Mutex<Arc<Levels>>,
    next_look: tokio::sync::Mutex<Option<Timestamp>>,
}

impl Autonomy {
    pub async fn load(store: &Store) -> Result<Self, EngineError> {
        let levels = Levels::fold(store.read(&StreamId::Autonomy).await?.lines());
        Ok(Self { levels: Mutex::new(Arc::new(levels)), next_look: tokio::sync::Mutex::default() })
    }

    pub fn levels(&self) -> Arc<Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reload(&self, store: &Store) -> Result<(), EngineError> {
        let levels = Arc::new(Levels::fold(store.read(&StreamId::Autonomy).await?.lines()));
        *self.levels.lock().unwrap_or_else(PoisonError::into_inner) = levels;
        Ok(())
    }
}

/// How a combination stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    #[serde(flatten)]
    pub combination: Combination,
    /// In force in mode `auto`.
    #[serde(flatten)]
    pub level: Level,
    pub set: Option<Set>,
    pub record: TrackRecord,
    /// The share of recoveries that the record proves at least, 0–1.
    pub share_low: Option<f64>,
    pub suggestion: Option<String>,
}

/// Appends what an incident's next step puts on record; with it, in one commit, the trust that it costs.
pub(crate) async fn record(
    engine: &Engine,
    journal: &VerifiedJournal,
    entries: Vec<Entry>,
) -> Result<VerifiedJournal, EngineError> {
    let lost = lost(engine, journal, &entries);
    if lost.is_empty() {
        return append(engine, journal, entries, Commit::default()).await;
    }
    let stream = engine.store.read(&StreamId::Autonomy).await?;
    let append_to =
        Append { stream: StreamId::Autonomy, expected: stream.len(), lines: written(engine, lost) };
    let extra = Commit { appends: vec![append_to], ..Commit::default() };
    let journal = append(engine, journal, entries, extra).await?;
    engine.autonomy.reload(&engine.store).await?;
    Ok(journal)
}

/// What is not trusted any more once these entries are on record.
fn lost(engine: &Engine, journal: &VerifiedJournal, entries: &[Entry]) -> Vec<Entry> {
    let (config, levels) = (&engine.config, engine.autonomy.levels());
    let says = |entry: &Entry| matches!(entry, Entry::Verified { .. } | Entry::Recurred { .. });
    if !config.decision.autonomy_loop.demotes || !entries.iter().any(says) {
        return Vec::new();
    }
    let lines: Vec<Line> = journal.lines().iter().cloned().chain(written(engine, entries.to_vec())).collect();
    let known = trials(journal.lines());
    let is_new = |trial: &Trial| trial.outcome.demotes() && !known.contains(trial);
    let incident = Incident::fold(&lines).map_or_else(String::new, |incident| incident.id.to_string());
    let lost = trials(&lines).into_iter().filter(is_new).filter_map(|trial| {
        let Combination { action, service, cause } = &trial.combination;
        let level = levels.level(&config.decision, *action, service, Some(*cause));
        let what = if trial.outcome == midwatch_decision::TrialOutcome::Recurred {
            "the trouble came back after it"
        } else {
            "it made things worse"
        };
        (level.mode == Mode::Auto).then(|| Entry::AutonomySet {
            combination: trial.combination.clone(),
            level: Mode::Propose,
            by: MIDWATCH.into(),
            reason: format!("{what} in {incident}"),
        })
    });
    lost.collect()
}

impl Engine {
    /// How every combination stands that was tried, set or suggested.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn autonomy(&self) -> Result<Vec<Standing>, EngineError> {
        let (records, levels) = (self.track_records().await?, self.autonomy.levels());
        let all: BTreeSet<&Combination> = records.keys().chain(levels.known()).collect();
        Ok(all.into_iter().map(|combination| self.standing(combination, &records, &levels)).collect())
    }

    fn standing(
        &self,
        combination: &Combination,
        records: &BTreeMap<Combination, TrackRecord>,
        levels: &Levels,
    ) -> Standing {
        let Combination { action, service, cause } = combination;
        let record = records.get(combination).copied().unwrap_or_default();
        Standing {
            combination: combination.clone(),
            level: levels.level(&self.config.decision, *action, service, Some(*cause)),
            set: levels.set_of(combination).cloned(),
            record,
            share_low: record.share_low(),
            suggestion: levels.suggestion(combination).map(str::to_owned),
        }
    }

    /// The verified outcomes of the newest incidents, by combination.
    async fn track_records(&self) -> Result<BTreeMap<Combination, TrackRecord>, EngineError> {
        let mut records: BTreeMap<Combination, TrackRecord> = BTreeMap::new();
        for row in self.store.incidents(false, INCIDENTS_MAX).await? {
            let stream = StreamId::Incident(IncidentId::new(row.id));
            let Some(journal) = self.store.read_intact(&stream).await? else { continue };
            for trial in trials(journal.lines()) {
                records.entry(trial.combination).or_default().add(trial.outcome);
            }
        }
        Ok(records)
    }

    /// A person says how far midwatch may go by itself.
    ///
    /// # Errors
    /// When the person may not decide on it, the service is not watched, or the store takes nothing now.
    pub async fn set_autonomy(
        &self,
        combination: &Combination,
        level: Mode,
        caller: &Caller,
        reason: &str,
    ) -> Result<Standing, EngineError> {
        self.check_watched(&combination.service).await?;
        let config = &self.config.decision;
        if level == Mode::Auto && !combination.action.agent_may_ask() {
            let text = format!(
                "{} is only for a person or a runbook to ask for: it cannot be `auto`",
                combination.action
            );
            return Err(EngineError::Refused(text));
        }
        // Whoever trusts it with something trusts it with the worst case, too.
        let person = config.person(caller, Severity::Critical, combination.service.as_str());
        let by = person.map_err(EngineError::NotApprover)?;
        let (combination, reason) = (combination.clone(), reason.to_owned());
        self.note(Entry::AutonomySet { combination: combination.clone(), level, by, reason }).await?;
        Ok(self.standing(&combination, &self.track_records().await?, &self.autonomy.levels()))
    }

    async fn note(&self, entry: Entry) -> Result<(), EngineError> {
        append_last(self, StreamId::Autonomy, entry).await?;
        self.autonomy.reload(&self.store).await
    }

    /// Looks at the record now and then: what has earned more is suggested, or promoted where the configuration says so.
    pub(crate) async fn look_at_the_record(&self) -> Result<(), EngineError> {
        let config = &self.config.decision.autonomy_loop;
        let (now, mut next) = (self.now(), self.autonomy.next_look.lock().await);
        let is_due = next.is_some_and(|at| now >= at);
        if !is_due && next.is_some() || !config.enabled {
            return Ok(());
        }
        *next = Some(after(now, config.interval_s));
        // A start has other things to do first.
        if !is_due {
            return Ok(());
        }
        for standing in self.autonomy().await? {
            // Where the mode has midwatch ask about everything, what was never set has no level that shows it.
            let asks = standing.level.mode == Mode::Propose
                || self.config.mode == Mode::Propose && standing.set.is_none();
            let may_rise = asks
                && standing.combination.action.agent_may_ask()
                && (config.actions.is_empty() || config.actions.contains(&standing.combination.action));
            let Some(reason) = standing.record.earned(config.profile).filter(|_| may_rise) else { continue };
            let reason = match self.config.mode {
                Mode::Auto => reason,
                mode => format!("{reason}; the mode is {mode}: only `mode = \"auto\"` lets it act"),
            };
            let combination = standing.combination;
            // What a person has set, only a person raises.
            let is_free = standing.set.is_none_or(|set| set.by == MIDWATCH && standing.record.failed == 0);
            if config.promotes && is_free && standing.level.mode == Mode::Propose {
                let (level, by) = (Mode::Auto, MIDWATCH.to_owned());
                self.note(Entry::AutonomySet { combination, level, by, reason }).await?;
            } else if standing.suggestion.is_none() {
                tracing::info!(
                    "{combination} could be trusted with more: {reason}; `midwatch autonomy promote`"
                );
                self.note(Entry::AutonomySuggested { combination, reason }).await?;
            }
        }
        Ok(())
    }
}
