//! What people do with an incident beside deciding: take it up, give it to somebody, put it off, make one of two and two of
//! one, write its postmortem anew.
//!
//! Each is an entry of the journal, and the fold says what follows. Said twice, each counts once.

use crate::append::{unless_overtaken, with_derived, written};
use crate::observe::step;
use crate::{Engine, EngineError};
use midwatch_incident::{Incident, State, WantedSilence};
use midwatch_model::journal::{Entry, StreamId, VerifiedJournal};
use midwatch_model::label::{MatchOp, Matcher};
use midwatch_model::silence::{Silence, SilenceKind, SilenceState};
use midwatch_model::{Evidence, HandlingStep, IncidentId, Signal, SignalId, Timestamp, seconds_between};
use midwatch_store::Commit;
use std::collections::BTreeSet;

/// Longest snooze, seconds: a week. What shall be quiet for longer is a silence, which says why on its own page.
const SNOOZE_MAX_S: f64 = 7.0 * 86_400.0;

/// Bytes of a postmortem that a person writes at most: a long one has 20 KB.
const REVISION_MAX: usize = 256 * 1024;

/// Signals of an incident that can be moved at once: about 20 MB of journal.
const MOVED_MAX: usize = 10_000;

impl Engine {
    /// A person has taken an incident up. It is not told of again meanwhile, but for news.
    ///
    /// # Errors
    /// When there is no such incident, or it is over.
    pub async fn acknowledge(&self, id: &IncidentId, by: &str, how: &str) -> Result<(), EngineError> {
        self.tell(id, |incident| {
            still_open(incident, "acknowledged")?;
            let is_known = incident.acknowledged.as_ref().is_some_and(|(known, _)| known == by);
            let entry = Entry::Acknowledged { by: by.to_owned(), how: how.to_owned() };
            Ok((!is_known).then_some(entry).into_iter().collect())
        })
        .await
    }

    /// Somebody answers for an incident from now on; with `None`, nobody in particular.
    ///
    /// # Errors
    /// When there is no such incident, or it is over.
    pub async fn assign(&self, id: &IncidentId, to: Option<&str>, by: &str) -> Result<(), EngineError> {
        self.tell(id, |incident| {
            still_open(incident, "assigned")?;
            let entry = Entry::Assigned { to: to.map(ToOwned::to_owned), by: by.to_owned() };
            Ok((incident.assignee.as_deref() != to).then_some(entry).into_iter().collect())
        })
        .await
    }

    /// Nobody is told of an incident before `until`, but for its end. It is a silence on that incident's name, and ends
    /// as one, also sooner.
    ///
    /// # Errors
    /// When there is no such incident, it is over, or the time is not within the next week.
    pub async fn snooze(
        &self,
        id: &IncidentId,
        until: Timestamp,
        by: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        let now = self.now();
        if !(1.0..=SNOOZE_MAX_S).contains(&seconds_between(now, until)) {
            return Err(EngineError::Unfit(format!(
                "{until} is not within the next 7 days, as a snooze must be"
            )));
        }
        let (_, incident) = self.incident(id).await?;
        still_open(&incident, "snoozed")?;
        let known = self.snooze_of(id).await;
        if incident.snoozed_until == Some(until) && known.as_ref().is_some_and(|known| known.ends_at == until)
        {
            return Ok(());
        }
        let matchers = vec![of_incident(id)?];
        let comment = if reason.is_empty() { format!("{id} was snoozed") } else { reason.to_owned() };
        self.silence(WantedSilence {
            id: known.map(|known| known.id),
            matchers,
            starts_at: now,
            ends_at: until,
            created_by: by.to_owned(),
            comment,
            kind: SilenceKind::Silence,
        })
        .await?;
        self.tell(id, |_| Ok(vec![Entry::Snoozed { until, by: by.to_owned(), reason: reason.to_owned() }]))
            .await
    }

    /// The silence by which an incident is snoozed now: ended there, the snooze is over, whatever the journal says it was
    /// to be.
    pub async fn snooze_of(&self, id: &IncidentId) -> Option<Silence> {
        let (now, matchers) = (self.now(), vec![of_incident(id).ok()?]);
        let desk = self.desk.lock().await;
        let holds = |silence: &&Silence| {
            silence.kind == SilenceKind::Silence
                && silence.state(now) != SilenceState::Expired
                && silence.matchers == matchers
        };
        desk.silences.all().find(holds).cloned()
    }

    /// Makes one of two incidents: what `id` knows goes to `into`, which is looked at anew, and `id` is closed.
    ///
    /// # Errors
    /// When there is none of either, they are the same, either is over, or something is being done about `id`.
    pub async fn merge(
        &self,
        id: &IncidentId,
        into: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        unless_overtaken(|| self.merge_once(id, into, by, reason)).await
    }

    async fn merge_once(
        &self,
        id: &IncidentId,
        into: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        let (journal, incident) = self.incident(id).await?;
        if incident.merged_into.as_ref() == Some(into) {
            return Ok(());
        }
        let (other, target) = self.incident(into).await?;
        if id == into {
            return Err(EngineError::Unfit(format!("{id} cannot be merged into itself")));
        }
        untouched(&incident, "merged")?;
        still_open(&target, "merged into")?;
        let known: BTreeSet<&SignalId> = target.signals.iter().map(|signal| &signal.id).collect();
        let moved: Vec<&Signal> =
            incident.signals.iter().filter(|signal| !known.contains(&signal.id)).collect();
        few_enough(moved.len())?;
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let absorbed = Entry::Absorbed { from: id.clone(), by: by.clone(), reason: reason.clone() };
        let why = format!("{by} merged {id} into this incident");
        let joined = moved.iter().map(|signal| joined(signal, &why));
        let entries = std::iter::once(absorbed).chain(joined).collect();
        let mut commit =
            self.also(&journal, vec![Entry::Merged { into: into.clone(), by, reason }], Commit::default());
        commit = self.also(&other, entries, commit);
        self.hand_over(&mut commit, &incident.signals, into, &why);
        self.store.commit(commit).await?;
        self.heard_of(&[id, into]).await
    }

    /// Makes two of one incident: these signals are a new one, and both are looked at anew. Gives the new one's id.
    ///
    /// # Errors
    /// When there is no such incident, it is over or something is being done about it, or it does not have these signals
    /// and others.
    pub async fn split(
        &self,
        id: &IncidentId,
        signals: &BTreeSet<SignalId>,
        by: &str,
        reason: &str,
    ) -> Result<IncidentId, EngineError> {
        unless_overtaken(|| self.split_once(id, signals, by, reason)).await
    }

    async fn split_once(
        &self,
        id: &IncidentId,
        signals: &BTreeSet<SignalId>,
        by: &str,
        reason: &str,
    ) -> Result<IncidentId, EngineError> {
        let (journal, incident) = self.incident(id).await?;
        if let Some(to) = split_before(&journal, signals) {
            return Ok(to);
        }
        untouched(&incident, "split")?;
        let moved: Vec<Signal> =
            incident.signals.iter().filter(|signal| signals.contains(&signal.id)).cloned().collect();
        let [first, rest @ ..] = moved.as_slice() else {
            return Err(EngineError::Unfit(format!("{id} has none of these signals: name some of its own")));
        };
        if moved.len() < signals.len() {
            return Err(EngineError::Unfit(format!("{id} has not all of these signals: name only its own")));
        }
        if moved.len() == incident.signals.len() {
            return Err(EngineError::Unfit(format!("these are all signals of {id}: leave at least one")));
        }
        few_enough(moved.len())?;
        let to = IncidentId::new(format!("inc-{}", self.ids.next(self.now())));
        let why = format!("{by} split it off {id}{}{reason}", if reason.is_empty() { "" } else { ": " });
        let opened = Entry::Opened { incident: to.clone(), signal: first.clone(), reason: why.clone() };
        let entries = std::iter::once(opened).chain(rest.iter().map(|signal| joined(signal, &why))).collect();
        let split = Entry::SplitOff {
            to: to.clone(),
            signals: signals.iter().cloned().collect(),
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        let mut commit = self.also(&journal, vec![split], Commit::default());
        commit = with_derived(self, &StreamId::Incident(to.clone()), &[], written(self, entries), commit);
        self.hand_over(&mut commit, &moved, &to, &why);
        self.store.commit(commit).await?;
        self.heard_of(&[id, &to]).await?;
        Ok(to)
    }

    /// A person writes the postmortem anew. The text, redacted, is on the journal and takes the place of the file. Gives its
    /// digest. What midwatch writes after a recurrence takes its place again; the journal keeps both.
    ///
    /// # Errors
    /// When there is no such incident or no postmortem of it, the text is too long, or somebody else has written it anew
    /// since the text that has the digest `base`.
    pub async fn revise(
        &self,
        id: &IncidentId,
        text: &str,
        base: &str,
        by: &str,
    ) -> Result<String, EngineError> {
        if text.trim().is_empty() || text.len() > REVISION_MAX {
            let text =
                format!("a postmortem has 1 to {REVISION_MAX} bytes of text, this one has {}", text.len());
            return Err(EngineError::Unfit(text));
        }
        let text = midwatch_model::redact::redact(text).into_owned();
        let digest = Evidence::digest_of(text.as_bytes());
        self.tell(id, |incident| {
            let Some(now) = incident.report_digest.as_ref().filter(|_| incident.report.is_some()) else {
                let text = format!("{id} has no postmortem yet: it is {} and gets one when it ends", incident.state);
                return Err(EngineError::Refused(text));
            };
            if *now == digest {
                return Ok(Vec::new());
            }
            if now != base {
                let text = format!("the postmortem of {id} was written anew meanwhile: load it again, and put your words into that");
                return Err(EngineError::Refused(text));
            }
            Ok(vec![Entry::Revised { text: text.clone(), digest: digest.clone(), by: by.to_owned() }])
        })
        .await?;
        let (_, incident) = self.incident(id).await?;
        if let Some(path) = incident.report {
            // The journal has it; a file that cannot be written now is no reason to say that it was not saved.
            if let Err(error) = tokio::fs::write(&path, &text).await {
                tracing::warn!(incident.id = %id, path, %error, "a revised postmortem is on the journal but not in its file");
            }
        }
        Ok(digest)
    }

    fn also(&self, journal: &VerifiedJournal, entries: Vec<Entry>, commit: Commit) -> Commit {
        with_derived(self, journal.stream(), journal.lines(), written(self, entries), commit)
    }

    /// The records of alerts and anomalies say where they are now.
    fn hand_over(&self, commit: &mut Commit, signals: &[Signal], to: &IncidentId, why: &str) {
        let now = self.now();
        commit.handled.extend(signals.iter().map(|signal| {
            let step = step(&signal.id, HandlingStep::Joined, why.to_owned(), now);
            (signal.id.to_string(), step, Some(to.to_string()), true)
        }));
    }

    async fn heard_of(&self, ids: &[&IncidentId]) -> Result<(), EngineError> {
        for id in ids {
            let journal = self.store.read(&StreamId::Incident((*id).clone())).await?;
            self.follow(journal.lines()).await;
        }
        self.wake.notify_one();
        Ok(())
    }
}

fn of_incident(id: &IncidentId) -> Result<Matcher, EngineError> {
    Matcher::new("incident", MatchOp::Equal, id.as_str())
        .map_err(|error| EngineError::Unfit(error.to_string()))
}

fn joined(signal: &Signal, why: &str) -> Entry {
    Entry::SignalJoined { signal: signal.clone(), reason: why.to_owned(), score: None }
}

/// The incident that the same signals were split off to before.
fn split_before(journal: &VerifiedJournal, signals: &BTreeSet<SignalId>) -> Option<IncidentId> {
    journal.lines().iter().find_map(|line| match &line.entry {
        Entry::SplitOff { to, signals: moved, .. } if moved.iter().eq(signals) => Some(to.clone()),
        _ => None,
    })
}

fn still_open(incident: &Incident, what: &str) -> Result<(), EngineError> {
    if incident.state.is_open() {
        return Ok(());
    }
    Err(EngineError::Refused(format!("{} is {}; it cannot be {what} any more", incident.id, incident.state)))
}

/// An incident about which nothing was done can become another; what was done belongs to what it was done for.
fn untouched(incident: &Incident, what: &str) -> Result<(), EngineError> {
    still_open(incident, what)?;
    let busy = matches!(incident.state, State::Remediating | State::Verifying | State::Soaking);
    if busy || incident.attempts().next().is_some() {
        return Err(EngineError::Refused(format!(
            "something was done about {}; it cannot be {what} after that",
            incident.id
        )));
    }
    if let Some(run) = incident.run_under_way() {
        return Err(EngineError::Refused(format!(
            "the workflow run {} is under way for {}; it cannot be {what} before that has ended",
            run.id, incident.id
        )));
    }
    Ok(())
}

fn few_enough(count: usize) -> Result<(), EngineError> {
    if count <= MOVED_MAX {
        return Ok(());
    }
    Err(EngineError::Refused(format!(
        "{count} signals are more than the {MOVED_MAX} that can be moved at once"
    )))
}
