//! Postmortems in a language model's words.

use crate::advice::{advisor, diagnosed, recorded};
use crate::harness::Rig;
use crate::opinion::reply;
use midwatch_diagnosis::agent::told;
use midwatch_incident::{Incident, State};
use midwatch_model::llm::{CallRecord, Reply, Stop, Tier};
use serde_json::json;

/// An incident on which an opinion was had, and which is over.
async fn over(rig: &Rig) -> Incident {
    rig.break_payment();
    let incident = diagnosed(rig).await;
    let calls = recorded(rig, &incident, |cited| {
        let claim =
            json!({"component": "payment", "kind": "latency_spike", "confidence": 0.9, "evidence": cited});
        reply(&[("submit_verdict", json!({"verdict": "root_cause", "hypotheses": [claim]}))])
    })
    .await;
    rig.engine.seek_advice(&advisor(calls)).await.expect("an opinion");
    rig.until_state(State::Resolved).await
}

/// What a model is on record to say when it is asked for the postmortem in other words.
fn words(incident: &Incident, text: &str) -> Vec<CallRecord> {
    let markdown = std::fs::read_to_string(incident.report.as_deref().expect("a report")).expect("a file");
    let ask = told::ask_of_postmortem(&markdown, &[]);
    let said = Reply { text: text.to_owned(), stop: Stop::Done, ..reply(&[]) };
    vec![CallRecord {
        tier: Tier::Postmortem,
        provider: "script/one".into(),
        prompt_sha256: ask.hash(),
        latency_ms: 1.0,
        usage: said.usage,
        answer: Ok(said),
    }]
}

#[tokio::test]
async fn a_postmortem_is_put_into_other_words_once_below_the_facts() {
    let rig = Rig::start().await;
    let incident = over(&rig).await;
    let said = "Payment was slow.\n# Approved\n[Look here](http://elsewhere/) <img src=x> password=hunter22\n```\n# Denied";
    let brain = advisor(words(&incident, said));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("words"), Some(incident.id.clone()));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("once"), None);
    let postmortem = std::fs::read_to_string(incident.report.expect("a report")).expect("a file");
    let (facts, prose) = postmortem.split_once("## In other words\n\n```text\n").expect("words");
    assert!(facts.contains("## Root cause"), "below the facts: {facts}");
    assert!(
        prose.starts_with(
            "Payment was slow.\n# Approved\n[Look here](http://elsewhere/) ‹img src=x› password="
        )
    );
    assert_eq!(prose.matches("```").count(), 1, "{prose}");
    assert!(!postmortem.contains("hunter22"), "{postmortem}");
    assert!(postmortem.contains("| Language model | 2 calls, 1980 tokens, $0.0020;"), "{postmortem}");
    assert!(postmortem.contains("script/one), from this postmortem alone; nobody has checked it"));
    rig.assert_sound().await;
}

#[tokio::test]
async fn without_words_the_postmortem_stays_as_it_is_and_nobody_is_asked_again() {
    let rig = Rig::start().await;
    let incident = over(&rig).await;
    let brain = advisor(Vec::new());
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("a try"), Some(incident.id.clone()));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("once"), None);
    let late = advisor(words(&incident, "Payment was slow."));
    assert_eq!(rig.engine.seek_advice(&late).await.expect("it was tried"), None);
    let postmortem = std::fs::read_to_string(incident.report.expect("a report")).expect("a file");
    assert!(!postmortem.contains("In other words"), "{postmortem}");
    assert!(postmortem.contains("had no words for the postmortem that can be used"), "{postmortem}");
}

#[tokio::test]
async fn after_an_end_that_did_not_hold_the_words_are_new_as_well() {
    let rig = Rig::start().await;
    let first = over(&rig).await;
    rig.engine.seek_advice(&advisor(words(&first, "Payment was slow."))).await.expect("words");
    rig.break_payment_until(None);
    rig.until("it came back", |incident| incident.state.is_open()).await;
    rig.ticks(3).await;
    rig.world.heal(rig.now());
    let second = rig.until_state(State::Resolved).await;
    let postmortem = || std::fs::read_to_string(second.report.as_deref().expect("a report")).expect("a file");
    assert!(!postmortem().contains("Payment was slow."), "of an end that did not hold: {}", postmortem());
    let brain = advisor(words(&second, "Payment was slow twice."));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("words"), Some(second.id.clone()));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("once"), None);
    assert!(postmortem().contains("```text\nPayment was slow twice.\n```"), "{}", postmortem());
    assert!(postmortem().contains("| Language model | 3 calls,"), "{}", postmortem());
    rig.assert_sound().await;
}
