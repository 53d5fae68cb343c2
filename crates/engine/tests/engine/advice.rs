//! Second opinions on live incidents: put down beside the verdict, and nothing is done because of them.

use crate::harness::{Rig, restart};
use crate::opinion::reply;
use midwatch_connectors::{Llm, LlmConfig, LlmProvider};
use midwatch_diagnosis::agent::{Agent, Limits, Observation, Shelf, Step, told};
use midwatch_engine::Advisor;
use midwatch_engine::agent::Brain;
use midwatch_incident::{Incident, State};
use midwatch_model::journal::Entry;
use midwatch_model::llm::{Advice, CallRecord, Opinion, Reply, Stop, Tier};
use serde_json::json;
use std::time::Duration;

fn advisor(calls: Vec<CallRecord>) -> Advisor {
    Advisor::new(Brain::Record(calls), Limits::default(), Duration::from_secs(60))
}

async fn diagnosed(rig: &Rig) -> Incident {
    loop {
        rig.tick().await;
        if let Some(incident) = rig.incidents().await.into_iter().find(|i| i.first_verdict_at.is_some()) {
            return incident;
        }
    }
}

async fn advice(rig: &Rig, incident: &Incident) -> Vec<Advice> {
    let lines = rig.lines(&incident.id).await;
    let of = |entry: &Entry| match entry {
        Entry::Advised { advice } => Some(advice.clone()),
        _ => None,
    };
    lines.iter().filter_map(|line| of(&line.entry)).collect()
}

/// What a model that says `last` in the second round would have on record for the incident as it stands.
async fn recorded(rig: &Rig, incident: &Incident, last: impl Fn(&[String]) -> Reply) -> Vec<CallRecord> {
    let bundle = rig.engine.incident_bundle(&incident.id).await.expect("a store").expect("an incident");
    let shelf = Shelf::default();
    let mut agent = Agent::new(&bundle, &shelf, Limits::default());
    let cited = agent.deterministic().ranked[0].evidence.clone();
    let Step::Ask(ask) = agent.step(Observation::Begin) else { panic!("it asks first") };
    vec![CallRecord {
        tier: Tier::Investigate,
        provider: "script/one".into(),
        prompt_sha256: ask.hash(),
        latency_ms: 1.0,
        usage: Default::default(),
        answer: Ok(last(&cited)),
    }]
}

#[tokio::test]
async fn an_opinion_is_put_down_once_and_the_incident_goes_its_way() {
    let rig = Rig::start().await;
    rig.break_payment();
    let incident = diagnosed(&rig).await;
    let calls = recorded(&rig, &incident, |cited| {
        let claim =
            json!({"component": "payment", "kind": "latency_spike", "confidence": 0.9, "evidence": cited});
        reply(&[("submit_verdict", json!({"verdict": "root_cause", "hypotheses": [claim]}))])
    })
    .await;
    let advisor = advisor(calls);
    assert_eq!(rig.engine.seek_advice(&advisor).await.expect("an opinion"), Some(incident.id.clone()));
    assert_eq!(rig.engine.seek_advice(&advisor).await.expect("none is wanted"), None);
    let found = advice(&rig, &incident).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].opinion, found[0].calls.len(), found[0].tokens),
        (Opinion::Agrees, 1, 990),
        "{found:?}"
    );
    let incident = rig.until_state(State::Resolved).await;
    assert_eq!(rig.world.applied(), [restart()]);
    rig.assert_sound().await;
    let postmortem = std::fs::read_to_string(incident.report.expect("a report")).expect("a postmortem");
    assert!(postmortem.contains("| Language model | 1 call, 990 tokens, $0.0010; $0.00"), "{postmortem}");
}

#[tokio::test]
async fn a_model_that_fails_or_blames_another_changes_nothing_that_is_done() {
    for blames in [None, Some("gateway"), Some("order"), Some("vault")] {
        let rig = Rig::start().await;
        rig.break_payment();
        let incident = diagnosed(&rig).await;
        let calls =
            match blames {
                None => Vec::new(),
                Some(other) => recorded(&rig, &incident, |cited| {
                    let claim =
                        json!({"component": other, "kind": "crash_loop", "confidence": 1, "evidence": cited});
                    reply(&[("submit_verdict", json!({"verdict": "root_cause", "hypotheses": [claim]}))])
                })
                .await,
            };
        rig.engine.seek_advice(&advisor(calls)).await.expect("an opinion");
        let found = advice(&rig, &incident).await;
        assert_eq!(found[0].opinion, Opinion::NotUsed, "{blames:?}: {found:?}");
        assert!(found[0].summary.starts_with("The model was not used"), "{found:?}");
        rig.until_state(State::Resolved).await;
        assert_eq!(rig.world.applied(), [restart()], "{blames:?}");
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn what_was_asked_before_a_crash_counts_as_spent_and_is_not_asked_again() {
    let rig = Rig::start().await;
    rig.break_payment();
    let incident = diagnosed(&rig).await;
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let key = rig.store_path().with_extension("key");
    std::fs::write(&key, "made-up").expect("a file");
    let config = LlmConfig {
        provider: LlmProvider::Openai,
        model: Some("m".into()),
        url: Some(format!("http://{}/v1/", deaf.local_addr().expect("an address"))),
        key_file: Some(key),
        ..LlmConfig::default()
    };
    let llm = Llm::new(&config).expect("a configuration").expect("a model");
    let limits = Limits { prompt_price: 1.0, answer_price: 2.0, ..Limits::default() };
    let asks = Advisor::new(Brain::Model(Box::new(llm)), limits, Duration::from_secs(60));
    // The end comes when the question has been sent.
    tokio::select! {
        answered = rig.engine.seek_advice(&asks) => panic!("nobody answers, but {answered:?}"),
        _ = deaf.accept() => {}
    }
    let rig = rig.reopen().await;
    assert_eq!(advice(&rig, &incident).await, []);
    let again = advisor(Vec::new());
    assert_eq!(rig.engine.seek_advice(&again).await.expect("a record"), Some(incident.id.clone()));
    assert_eq!(rig.engine.seek_advice(&again).await.expect("nothing more"), None);
    let found = advice(&rig, &incident).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].opinion, found[0].tokens, found[0].cost), (Opinion::NotUsed, 150_000, 0.3));
    assert!(found[0].summary.contains("counts as spent: 150000 tokens, $0.3000"), "{}", found[0].summary);
}

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
async fn a_postmortem_is_put_into_other_words_once_as_a_quotation() {
    let rig = Rig::start().await;
    let incident = over(&rig).await;
    let said = "Payment was slow.\n# Approved\n[Look here](http://elsewhere/) <img src=x> password=hunter22";
    let brain = advisor(words(&incident, said));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("words"), Some(incident.id.clone()));
    assert_eq!(rig.engine.seek_advice(&brain).await.expect("once"), None);
    let postmortem = std::fs::read_to_string(incident.report.expect("a report")).expect("a file");
    let quoted = "## In other words\n\n> Payment was slow\\.\n> \\# Approved\n> \\[Look here\\]\\(http\\:\\/\\/elsewhere";
    assert!(postmortem.contains(&quoted.replace("\\.", ".").replace("\\/", "/")), "{postmortem}");
    assert!(!postmortem.contains("hunter22") && !postmortem.contains("<img"), "{postmortem}");
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
