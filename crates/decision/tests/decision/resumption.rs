//! What a journal authorises after a crash: only the undo of what the gate let pass.

use crate::ask::{Ask, before, now, scale};
use midwatch_decision::resume;
use midwatch_model::decision::{GateRecord, Principal};
use midwatch_model::journal::{Entry, GENESIS, Intent, Line, Record, StreamId, VerifiedJournal, chain_hash};
use midwatch_model::{Action, after};

fn journal(entries: Vec<Entry>) -> VerifiedJournal {
    let stream = StreamId::Incident("inc-1".into());
    let mut head = GENESIS;
    let records: Vec<Record> = entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| {
            let (seq, bytes) = (index as u64 + 1, Line::new(now(), entry).to_bytes());
            head = chain_hash(&stream.to_string(), seq, &head, &bytes);
            Record { seq, bytes, hash: head }
        })
        .collect();
    VerifiedJournal::verify(stream, &records, Some((records.len() as u64, head))).expect("a chain")
}

fn gated(change: impl FnOnce(&mut GateRecord), ask: impl FnOnce(&mut Ask)) -> Entry {
    let (mut record, _) = Ask::of(|a| {
        a.action = scale(4);
        ask(a);
    })
    .decide();
    change(&mut record);
    Entry::Gated { record }
}

fn intent(step: usize, replicas: u32) -> Intent {
    Intent {
        key: "key-1".into(),
        incident: Some("inc-1".into()),
        plan: "plan-1".into(),
        step,
        principal: Principal::Agent,
        action: scale(replicas),
        undo: Some(scale(2)),
        undoes: None,
        before: before(),
        deadline: after(now(), 10.0),
    }
}

fn intended(step: usize) -> Entry {
    Entry::Intended { intent: intent(step, 4) }
}

fn passed() -> Entry {
    gated(|_| {}, |_| {})
}

#[test]
fn nothing_is_resumed_that_the_gate_did_not_let_pass_before() {
    for (name, entries) in [
        ("an empty stream", vec![]),
        ("no gate at all", vec![intended(0)]),
        ("no intent", vec![passed()]),
        ("a gate that denied", vec![gated(|_| {}, |a| a.confidence = Some(0.1)), intended(0)]),
        ("a gate that asked for a person", vec![gated(|_| {}, |a| a.mode = Default::default()), intended(0)]),
        ("a gate in dry run", vec![gated(|_| {}, |a| a.dry_run = true), intended(0)]),
        ("a gate for another step", vec![gated(|_| {}, |a| a.step = 1), intended(0)]),
        ("a gate for another plan", vec![gated(|r| r.plan = "plan-2".into(), |_| {}), intended(0)]),
        ("a gate after the intent", vec![intended(0), passed()]),
        (
            "only the undo of an intent",
            vec![
                passed(),
                Entry::Intended { intent: Intent { undoes: Some("key-0".into()), ..intent(0, 2) } },
            ],
        ),
    ] {
        assert!(resume(&journal(entries), now()).is_none(), "{name}");
    }
}

#[test]
fn the_last_effect_that_passed_can_be_taken_back_for_a_while() {
    let second = Intent { key: "key-2".into(), ..intent(1, 3) };
    let undo = Intent { key: "key-3".into(), undoes: Some("key-2".into()), ..intent(1, 2) };
    let journal = journal(vec![
        passed(),
        intended(0),
        gated(|_| {}, |a| a.step = 1),
        Entry::Intended { intent: second.clone() },
        Entry::Intended { intent: undo },
    ]);
    let later = after(now(), 500.0);
    let authorized = resume(&journal, later).expect("an authorisation");
    assert_eq!(authorized.step(), 1);
    assert_eq!(authorized.action(), &second.action);
    assert_eq!(authorized.undo(), Some(&scale(2)));
    assert_eq!(authorized.expires_at(), after(later, 30.0));
}

#[test]
fn the_undo_is_computed_from_the_state_before_and_not_read_from_the_intent() {
    let forged = Intent { undo: Some(Action::Restart { target: "order".into() }), ..intent(0, 4) };
    let journal = journal(vec![passed(), Entry::Intended { intent: forged }]);
    assert_eq!(resume(&journal, now()).expect("an authorisation").undo(), Some(&scale(2)));
}
