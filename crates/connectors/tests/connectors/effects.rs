//! Effects the only way there is: from an authorisation that a verified journal shows.

use crate::server::at;
use midwatch_action::{Effect, intend_undo};
use midwatch_decision::Authorized;
use midwatch_model::action::TargetState;
use midwatch_model::decision::{Decision, GateRecord, Mode, PolicyResult, Principal};
use midwatch_model::journal::{Entry, GENESIS, Intent, Line, Record, StreamId, VerifiedJournal, chain_hash};
use midwatch_model::{Action, IncidentId, PlanHash};

/// What an agent wants to do for the incident `inc-1`, at a target as it was found.
pub fn intended(key: &str, action: Action, before: TargetState) -> Intent {
    Intent {
        key: key.into(),
        incident: Some(IncidentId::new("inc-1")),
        plan: PlanHash::new("hash"),
        step: 0,
        principal: Principal::Agent,
        undo: action.undo(&before),
        action,
        undoes: None,
        before,
        deadline: at(30.0),
    }
}

/// The effect of an intent of the incident `inc-1`.
pub fn authorised(intent: Intent) -> Effect {
    Effect::new(authorisation(&intent), intent).expect("it is what was authorised")
}

/// The effect that takes an intent back, on the target as it is now.
pub fn undoing(intent: &Intent, now_at_target: TargetState) -> Effect {
    let authorized = authorisation(intent);
    let undo =
        intend_undo(&authorized, format!("{}-undo", intent.key).as_str().into(), &intent.key, now_at_target);
    Effect::new(authorized, undo.expect("it has an undo")).expect("it is what was authorised")
}

fn authorisation(intent: &Intent) -> Authorized {
    let record = GateRecord {
        decision: Decision::Auto,
        principal: intent.principal.clone(),
        action: intent.action.kind(),
        step: 0,
        plan: intent.plan.clone(),
        mode: Mode::Auto,
        dry_run: false,
        guards: vec![],
        policy: PolicyResult::Permitted { policies: vec![] },
        because: "a test".to_owned(),
        asked: None,
    };
    let stream = StreamId::Incident(intent.incident.clone().expect("an incident"));
    let mut previous = GENESIS;
    let entries = [Entry::Gated { record }, Entry::Intended { intent: intent.clone() }];
    let records: Vec<Record> = entries
        .into_iter()
        .zip(1..)
        .map(|(entry, seq)| {
            let bytes = Line::new(at(0.0), entry).to_bytes();
            previous = chain_hash(&stream.to_string(), seq, &previous, &bytes);
            Record { seq, bytes, hash: previous }
        })
        .collect();
    let journal = VerifiedJournal::verify(stream, &records, Some((2, previous))).expect("it verifies");
    midwatch_decision::resume(&journal, at(0.0)).expect("the gate let it pass")
}
