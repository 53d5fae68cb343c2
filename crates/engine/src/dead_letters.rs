//! Dead letters: what could not be read or handled is kept whole, with the reason, until a person tries it again.

use crate::observe::{step, word_of};
use crate::{Engine, EngineError, Incoming, ReceiveError};
use midwatch_model::{Fingerprint, HandlingStep, SignalId, after};
use midwatch_store::{Commit, Compressed, DeadLetter, IntakeRow, LetterRetried, PutOff};

/// Attempts at a row of the intake log before it is given up: 1, 2, 4 and 8 s apart, so that what passes by itself has
/// passed, and what does not is seen within the minute.
const ATTEMPTS_MAX: usize = 5;

/// Why a dead letter did not come to life.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("there is no dead letter {0}; `midwatch dlq list` shows those there are")]
    NotFound(String),
    #[error("dead letter {id} was tried again already and led to {}", results.join(", "))]
    Done { id: String, results: Vec<String> },
    #[error("it still cannot be used: {0}")]
    Refused(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Keeps a request that could not be read, or of which only some alerts were taken. It is durable when this returns; the answer is the letter's id.
    ///
    /// # Errors
    /// When the store takes nothing now.
    pub async fn keep_letter(
        &self,
        source: &str,
        sender: &str,
        body: &[u8],
        reason: &str,
        taken: Vec<Fingerprint>,
    ) -> Result<String, EngineError> {
        let letter = DeadLetter { taken, ..self.letter(source, sender, body, reason) };
        let id = letter.id.clone();
        self.store.commit(Commit { dead_letters: vec![letter], ..Commit::default() }).await?;
        Ok(id)
    }

    fn letter(&self, source: &str, sender: &str, body: &[u8], reason: &str) -> DeadLetter {
        let now = self.now();
        DeadLetter {
            id: format!("dlq-{}", self.ids.next(now)),
            received_at: now,
            source: source.to_owned(),
            sender: sender.to_owned(),
            intake: None,
            reason: reason.to_owned(),
            taken: Vec::new(),
            retried_at: None,
            results: Vec::new(),
            body: Compressed::new(body),
        }
    }

    /// A row that cannot be handled: it is tried again in a while, a few times, and then becomes a dead letter.
    pub(crate) fn fail(&self, row: IntakeRow, reason: &str, commit: &mut Commit) {
        let (now, id) = (self.now(), SignalId::new(&row.id));
        let attempts = 1 + failed(&row);
        if attempts < ATTEMPTS_MAX {
            let wait_s = 2f64.powi(i32::try_from(attempts - 1).unwrap_or(i32::MAX));
            let detail = format!("attempt {attempts} of {ATTEMPTS_MAX}: {reason}; tried again in {wait_s} s");
            let step = Some(step(&id, HandlingStep::Failed, detail, now));
            commit.put_off.push(PutOff { id: row.id, until: after(now, wait_s), step });
            return;
        }
        let letter = DeadLetter {
            intake: Some(row.id.clone()),
            ..self.letter(&row.source, "the intake log", &row.payload, reason)
        };
        tracing::warn!(
            letter.id,
            intake.id = row.id,
            reason,
            "what came in cannot be handled; it is a dead letter now"
        );
        let detail = format!("{}: {reason}, {attempts} times", letter.id);
        commit.handled.push((row.id, step(&id, HandlingStep::DeadLetter, detail, now), None, true));
        commit.dead_letters.push(letter);
    }

    /// Tries a dead letter again, on the way on which it came. The answer is the ids that it led to.
    ///
    /// # Errors
    /// When there is none, it was tried again already, or still cannot be used.
    pub async fn retry_letter(&self, id: &str) -> Result<Vec<String>, RetryError> {
        let letter = self.store.dead_letter(id).await.map_err(EngineError::from)?;
        let letter = letter.ok_or_else(|| RetryError::NotFound(id.to_owned()))?;
        if !letter.results.is_empty() {
            return Err(RetryError::Done { id: letter.id, results: letter.results });
        }
        let outcome = match &letter.intake {
            Some(row) => Ok(self.handle_again(row).await?),
            None => self.receive_again(&letter).await?,
        };
        let retried = LetterRetried { id: letter.id, at: self.now(), outcome: outcome.clone() };
        let commit = Commit { letters_retried: vec![retried], ..Commit::default() };
        self.store.commit(commit).await.map_err(EngineError::from)?;
        outcome.map_err(RetryError::Refused)
    }

    async fn handle_again(&self, row: &str) -> Result<Vec<String>, EngineError> {
        let step =
            step(&SignalId::new(row), HandlingStep::TriedAgain, "a person asked for it".into(), self.now());
        let released = vec![(row.to_owned(), step)];
        self.store.commit(Commit { released, ..Commit::default() }).await?;
        self.wake.notify_one();
        Ok(vec![row.to_owned()])
    }

    async fn receive_again(&self, letter: &DeadLetter) -> Result<Result<Vec<String>, String>, EngineError> {
        if self.config.feed(&letter.source).is_none() {
            return Ok(Err(format!("`{}` is no source any more", letter.source)));
        }
        let sender = format!("dead letter {}, first sent by {}", letter.id, letter.sender);
        let body = letter.body.read()?;
        let incoming = Incoming {
            feed: &letter.source,
            body: &body,
            sender: &sender,
            replay_key: None,
            may_confirm: false,
            taken: &letter.taken,
        };
        // All of it or nothing: what is taken from a letter that stays one would be taken again with the next try.
        if let Ok((_, refused)) = self.config.alerts_of(&letter.source, &body, self.now())
            && let Some((index, reason)) = refused.first()
        {
            return Ok(Err(format!("alert {index}: {reason}")));
        }
        match self.take_in(incoming).await {
            Ok(received) if received.replayed => Ok(Err("what it tells of was taken before".into())),
            Ok(received) => Ok(match received.refused.first() {
                Some((index, reason)) => Err(format!("alert {index}: {reason}")),
                None => Ok(received.accepted.iter().map(ToString::to_string).collect()),
            }),
            Err(ReceiveError::Engine(error)) => Err(error),
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

/// Attempts that failed since a person last asked to try again.
fn failed(row: &IntakeRow) -> usize {
    let steps = row.handling.iter().rev().map(word_of);
    let since = steps.take_while(|step| *step != HandlingStep::TriedAgain);
    since.filter(|step| *step == HandlingStep::Failed).count()
}
