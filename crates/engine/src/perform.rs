//! Performing: the effects and reports that a step asks for, each intended, then done, then recorded.

use crate::append::{append, with_derived, written};
use crate::{Engine, EngineError};
use midwatch_action::{Effect, intend, intend_undo};
use midwatch_decision::{Authorized, ServiceHistory};
use midwatch_incident::Incident;
use midwatch_model::action::TargetState;
use midwatch_model::decision::GateRecord;
use midwatch_model::journal::{EffectOutcome, Entry, Intent, Line, StreamId, VerifiedJournal};
use midwatch_model::{ActionKey, Evidence};
use midwatch_report::{PostmortemInput, render};
use midwatch_store::{Append, Commit, StoreError};

/// Times that an outcome is recorded anew when somebody else wrote to the stream meanwhile.
const RECORD_ATTEMPTS: usize = 8;

/// Does what the gate let pass. The gate counted what was done to the target; if somebody else has intended something
/// for it since, the count is void and the next cycle asks the gate anew.
pub(crate) async fn act(
    engine: &Engine,
    journal: &VerifiedJournal,
    record: GateRecord,
    authorized: Authorized,
    seen: u64,
) -> Result<(), EngineError> {
    let service = engine.store.read(&StreamId::Service(authorized.action().target().clone())).await?;
    if service.len() != seen {
        let (stream, found) = (service.stream().to_string(), service.len());
        return Err(StoreError::Conflict { stream, expected: seen, found }.into());
    }
    let intent = intend(&authorized, next_key(journal));
    let entries = vec![Entry::Gated { record }, Entry::Intended { intent: intent.clone() }];
    carry_out(engine, journal, &service, authorized, intent, entries).await
}

/// Takes back what did not help.
pub(crate) async fn undo(
    engine: &Engine,
    journal: &VerifiedJournal,
    incident: &Incident,
    authorized: Authorized,
    done: ActionKey,
    target: TargetState,
) -> Result<(), EngineError> {
    let Some(intent) = intend_undo(&authorized, next_key(journal), &done, target) else {
        let reason = format!("the action {done} of {} has no undo", incident.id);
        append(engine, journal, vec![Entry::Escalated { reason }], Commit::default()).await?;
        return Ok(());
    };
    let entries = vec![Entry::Intended { intent: intent.clone() }];
    let service = engine.store.read(&StreamId::Service(intent.action.target().clone())).await?;
    if ServiceHistory::fold(service.lines()).pending().is_some() {
        tracing::info!(target = %intent.action.target(), "the undo waits until what is being done there has ended");
        return Ok(());
    }
    carry_out(engine, journal, &service, authorized, intent, entries).await
}

/// Keys are unique per stream position: an intent that was never made durable is never a key that was used.
fn next_key(journal: &VerifiedJournal) -> ActionKey {
    ActionKey::new(format!("{}-{}", journal.stream().to_string().replace('/', "-"), journal.len() + 1))
}

/// Intend on both streams in one transaction, call, record on both.
async fn carry_out(
    engine: &Engine,
    journal: &VerifiedJournal,
    service: &VerifiedJournal,
    authorized: Authorized,
    intent: Intent,
    entries: Vec<Entry>,
) -> Result<(), EngineError> {
    let intended = Entry::Intended { intent: intent.clone() };
    let reserve = reservation(engine, service, intended, Commit::default());
    let commit = with_derived(engine, journal.stream(), journal.lines(), written(engine, entries), reserve);
    engine.store.commit(commit).await?;

    let effect = Effect::new(authorized, intent.clone())?;
    tracing::info!(action.key = %intent.key, target = %intent.action.target(), "{}", intent.action.sentence());
    let outcome = engine.outside.apply(&effect, engine.now()).await;
    record(engine, &intent, outcome, false).await
}

/// Adds an entry for the target's stream to a commit.
pub(crate) fn reservation(
    engine: &Engine,
    service: &VerifiedJournal,
    entry: Entry,
    mut commit: Commit,
) -> Commit {
    commit.appends.push(Append {
        stream: service.stream().clone(),
        expected: service.len(),
        lines: vec![Line::new(engine.now(), entry)],
    });
    commit
}

/// Records how a call ended, on the streams that its intent is on. Whoever wrote meanwhile is no reason to lose it.
pub(crate) async fn record(
    engine: &Engine,
    intent: &Intent,
    outcome: EffectOutcome,
    reconciled: bool,
) -> Result<(), EngineError> {
    let mut last = None;
    for _ in 0..RECORD_ATTEMPTS {
        let performed = || Entry::Performed { key: intent.key.clone(), outcome: outcome.clone(), reconciled };
        let service = engine.store.read(&StreamId::Service(intent.action.target().clone())).await?;
        let mut commit = reservation(engine, &service, performed(), Commit::default());
        if let Some(incident) = &intent.incident {
            let journal = engine.store.read(&StreamId::Incident(incident.clone())).await?;
            commit = with_derived(
                engine,
                journal.stream(),
                journal.lines(),
                written(engine, vec![performed()]),
                commit,
            );
        }
        match engine.store.commit(commit).await {
            Err(error @ StoreError::Conflict { .. }) => last = Some(error),
            other => {
                other?;
                if outcome.may_have_changed_target() && intent.undoes.is_none() {
                    engine.foresight.acted(intent.action.target());
                }
                return Ok(());
            }
        }
    }
    // No conflict any more: whoever does a thing anew after one would call the target twice.
    last.map_or(Ok(()), |error| Err(EngineError::Unrecorded(error.to_string())))
}

/// Looks at the target to find out how a call ended whose answer was never heard. It is never simply made again.
pub(crate) async fn reconcile(engine: &Engine, intent: &Intent) -> Result<(), EngineError> {
    match engine.outside.reconcile(intent).await {
        Ok(outcome) => record(engine, intent, outcome, true).await,
        Err(error) => {
            tracing::warn!(action.key = %intent.key, %error, "the target cannot be looked at yet; trying again");
            Ok(())
        }
    }
}

/// Writes the postmortem and records where it is.
pub(crate) async fn report(
    engine: &Engine,
    journal: &VerifiedJournal,
    incident: &Incident,
) -> Result<VerifiedJournal, EngineError> {
    let owner = engine.watch.lock().await.registration(incident.component()).and_then(|r| r.owner.clone());
    let input =
        PostmortemInput { incident, lines: journal.lines(), now: engine.now(), owner: owner.as_deref() };
    let text = render(&input);
    let dir = &engine.config.report.dir;
    let path = dir.join(format!("{}.md", incident.id));
    let failed = |source| EngineError::Report { path: path.display().to_string(), source };
    tokio::fs::create_dir_all(dir).await.map_err(failed)?;
    // Written beside and renamed, so that a reader never sees half a postmortem.
    let draft = dir.join(format!(".{}.md.new", incident.id));
    tokio::fs::write(&draft, &text).await.map_err(failed)?;
    tokio::fs::rename(&draft, &path).await.map_err(failed)?;
    let entry =
        Entry::Reported { path: path.display().to_string(), digest: Evidence::digest_of(text.as_bytes()) };
    append(engine, journal, vec![entry], Commit::default()).await
}
