//! Second opinions on live incidents: put down beside the verdict, and nothing is done because of them.

use crate::harness::{Rig, restart};
use crate::opinion::reply;
use midwatch_connectors::{Llm, LlmConfig, LlmProvider};
use midwatch_diagnosis::agent::{Agent, Limits, Observation, Shelf, Step};
use midwatch_diagnosis::investigate::investigate;
use midwatch_engine::Advisor;
use midwatch_engine::agent::Brain;
use midwatch_incident::{Incident, State};
use midwatch_model::decision::Mode;
use midwatch_model::journal::Entry;
use midwatch_model::llm::{Advice, CallRecord, Opinion, Reply, Tier};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub fn advisor(calls: Vec<CallRecord>) -> Advisor {
    Advisor::new(Brain::Record(calls), Limits::default(), Duration::from_secs(60))
}

pub async fn diagnosed(rig: &Rig) -> Incident {
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
pub async fn recorded(rig: &Rig, incident: &Incident, last: impl Fn(&[String]) -> Reply) -> Vec<CallRecord> {
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
    for ends_meanwhile in [false, true] {
        let rig = Rig::start().await;
        rig.break_payment();
        let incident = diagnosed(&rig).await;
        let deaf = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let limits = Limits { prompt_price: 1.0, answer_price: 2.0, ..Limits::default() };
        let asks = Advisor::new(model_at(&rig, &deaf), limits, Duration::from_secs(60));
        // The end comes when the question has been sent.
        tokio::select! {
            answered = rig.engine.seek_advice(&asks) => panic!("nobody answers, but {answered:?}"),
            _ = deaf.accept() => {}
        }
        let rig = rig.reopen().await;
        assert_eq!(advice(&rig, &incident).await, []);
        if ends_meanwhile {
            rig.until_state(State::Resolved).await;
        }
        let again = advisor(Vec::new());
        assert_eq!(rig.engine.seek_advice(&again).await.expect("a record"), Some(incident.id.clone()));
        assert_eq!(rig.engine.seek_advice(&again).await.expect("nothing more"), None);
        let found = advice(&rig, &incident).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].opinion, found[0].tokens, found[0].cost), (Opinion::NotUsed, 150_000, 0.3));
        assert!(found[0].summary.contains("counts as spent: 150000 tokens, $0.3000"), "{}", found[0].summary);
    }
}

/// A model whose server the test plays.
fn model_at(rig: &Rig, server: &TcpListener) -> Brain {
    let key = rig.store_path().with_extension("key");
    std::fs::write(&key, "made-up").expect("a file");
    let config = LlmConfig {
        provider: LlmProvider::Openai,
        model: Some("m".into()),
        url: Some(format!("http://{}/v1/", server.local_addr().expect("an address"))),
        key_file: Some(key),
        stream: false,
        ..LlmConfig::default()
    };
    Brain::Model(Box::new(Llm::new(&config).expect("a configuration").expect("a model")))
}

/// Reads one request to its end: it says how long its body is.
async fn read_request(stream: &mut TcpStream) {
    let (mut read, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = stream.read(&mut piece).await.expect("a request");
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| body.len() >= length) {
            return;
        }
    }
}

/// Answers one request as a model that blames payment, after `meanwhile`.
async fn blame_payment(server: &TcpListener, cited: &[String], meanwhile: impl Future<Output = ()>) {
    let (mut stream, _) = server.accept().await.expect("a request");
    read_request(&mut stream).await;
    meanwhile.await;
    let claim =
        json!({"component": "payment", "kind": "latency_spike", "confidence": 0.9, "evidence": cited});
    let arguments = json!({"verdict": "root_cause", "hypotheses": [claim]}).to_string();
    let call = json!({"id": "1", "type": "function", "function": {"name": "submit_verdict", "arguments": arguments}});
    let body = json!({
        "id": "1", "object": "chat.completion", "model": "m", "created": 1,
        "choices": [{"index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": null, "tool_calls": [call]}}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990},
    })
    .to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.expect("an answer");
}

#[tokio::test]
async fn what_a_model_claims_must_still_be_so_when_it_has_answered() {
    for ends in [false, true] {
        let rig = Rig::with(|config| config.mode = Mode::Propose, "").await;
        rig.break_payment_until(None);
        let incident = diagnosed(&rig).await;
        let bundle = rig.engine.incident_bundle(&incident.id).await.expect("a store").expect("an incident");
        let cited = investigate(&bundle).answer.ranked[0].evidence.clone();
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let asks = Advisor::new(model_at(&rig, &server), Limits::default(), Duration::from_secs(60));
        let meanwhile = async {
            if ends {
                rig.world.heal(rig.now());
            }
            rig.ticks(6).await;
        };
        let (asked, ()) =
            tokio::join!(rig.engine.seek_advice(&asks), blame_payment(&server, &cited, meanwhile));
        assert_eq!(asked.expect("an opinion"), Some(incident.id.clone()));
        let found = advice(&rig, &incident).await;
        let wanted = if ends { Opinion::NotUsed } else { Opinion::Agrees };
        assert_eq!((found.len(), found[0].opinion), (1, wanted), "{found:?}");
        let why = "Struck: a claim about payment: at the check, fresh data no longer shows what it cites.";
        assert_eq!(found[0].summary.contains(why), ends, "{}", found[0].summary);
    }
}
