//! A model that does what a script says, and the incident that it is asked about.

use midwatch_diagnosis::agent::{Agent, Conclusion, Limits, Observation, Recheck, Shelf, Step};
use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_model::llm::{Ask, NoReply, Reply, Stop, ToolCall, Usage};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What the model does in a round; the round counts from 0.
pub type Script<'a> = dyn Fn(usize, &Ask) -> Result<Reply, NoReply> + 'a;

/// Steps without an end would be an endless test.
const STEPS_MAX: usize = 200;

/// Runs an investigation; gives back how it ended and everything that was asked.
pub fn run(bundle: &Bundle, limits: Limits, script: &Script<'_>) -> (Conclusion, Vec<Ask>) {
    run_on(bundle, &Recheck::SameBundle, limits, script)
}

/// The same, with the verdict checked on other data.
pub fn run_on(
    bundle: &Bundle,
    check: &Recheck,
    limits: Limits,
    script: &Script<'_>,
) -> (Conclusion, Vec<Ask>) {
    let shelf = Shelf::default();
    let mut agent = Agent::new(bundle, &shelf, limits);
    let (mut observation, mut asks) = (Observation::Begin, Vec::new());
    for _ in 0..STEPS_MAX {
        observation = match agent.step(observation) {
            Step::Conclude(conclusion) => return (*conclusion, asks),
            Step::Query(queries) => {
                Observation::Found(queries.iter().map(|query| agent.look_up(query)).collect())
            }
            Step::Recheck => Observation::Rechecked(check.clone()),
            Step::Ask(ask) => {
                let answer = script(asks.len(), &ask);
                asks.push(ask);
                answer.map_or_else(Observation::NoReply, Observation::Replied)
            }
        };
    }
    panic!("the investigation does not end");
}

pub fn reply(calls: &[(&str, Value)]) -> Reply {
    let call = |(number, (name, arguments)): (usize, &(&str, Value))| ToolCall {
        id: format!("toolu_{number}"),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    };
    Reply {
        text: String::new(),
        calls: calls.iter().enumerate().map(call).collect(),
        stop: Stop::Tools,
        usage: Usage { prompt_tokens: 1000, answer_tokens: 100, cost: 0.001 },
    }
}

pub fn verdict(component: &str, evidence: &[&str]) -> Reply {
    claim(json!({"component": component, "kind": "latency_spike", "confidence": 0.9, "evidence": evidence}))
}

pub fn claim(claim: Value) -> Reply {
    reply(&[("submit_verdict", json!({"verdict": "root_cause", "hypotheses": [claim]}))])
}

/// `web` calls `cart`, which calls `db` and `cache`. `db` and `cache` are slow together: which of them it is, the numbers
/// leave open. `ads` is well.
pub fn open() -> Bundle {
    with(&|name, minute| {
        let rise = match name {
            "ads" => 0.0,
            "db" | "cache" => 50.0,
            _ => 52.0,
        };
        if minute >= 60 { rise } else { 0.0 }
    })
}

/// The same with `db` alone at the bottom.
pub fn clear() -> Bundle {
    with(&|name, minute| if minute >= 60 && name != "ads" && name != "cache" { 50.0 } else { 0.0 })
}

/// The same as it looks after so many minutes, if the trouble ended in a minute.
pub fn until(minutes: i64, end: i64) -> Bundle {
    let bad = |name: &str, minute| name != "ads" && name != "cache" && (60..end).contains(&minute);
    long(minutes, &|name, minute| if bad(name, minute) { 50.0 } else { 0.0 })
}

pub fn with(rise: &dyn Fn(&str, i64) -> f64) -> Bundle {
    long(65, rise)
}

fn long(minutes: i64, rise: &dyn Fn(&str, i64) -> f64) -> Bundle {
    let mut metrics = "timestamp,service,metric,value\n".to_owned();
    let mut logs = String::new();
    for minute in 0..minutes {
        for (number, name) in ["web", "cart", "db", "cache", "ads"].into_iter().enumerate() {
            let noise = ((number as i64 * 7919 + minute * 104_729) % 1000) as f64 / 1000.0;
            let _ =
                writeln!(metrics, "{},{name},latency_p99,{}", minute * 60, 10.0 + noise + rise(name, minute));
        }
        let line = json!({"timestamp": minute * 60, "service": "ads", "severity_text": "ERROR",
            "msg": format!("request {minute} says that ads is the cause")});
        if minute >= 60 {
            let _ = writeln!(logs, "{line}");
        }
    }
    let incident = r#"{"alert": {"service": "web", "title": "slow", "class": "latency_spike"}, "detected_at": 3660,
        "baseline": [{"from": 0, "to": 3599}]}"#;
    let changes = json!([
        {"kind": "deploy", "id": "v2", "timestamp": 300, "service": "db", "title": "db v2"},
        {"kind": "deploy", "id": "v9", "timestamp": 3500, "service": "ads", "title": "ads v9"},
    ]);
    Bundle::parse(&BundleText {
        incident: incident.to_owned(),
        metrics: Some(metrics),
        logs: Some(logs),
        topology: Some("caller,callee\nweb,cart\ncart,db\ncart,cache\nweb,ads\n".to_owned()),
        changes: Some(changes.to_string()),
        ..BundleText::default()
    })
    .expect("a bundle")
}

/// The id that the tool's answer of a name got, in the question that carries it.
pub fn id_of(ask: &Ask, tool: &str) -> String {
    let text = serde_json::to_value(ask.turns()).expect("plain data");
    let mut answers =
        text.as_array().expect("turns").iter().filter_map(|turn| turn["answers"].as_array()).flatten();
    let last = answers.rfind(|answer| answer[1] == tool).expect("an answer of the tool");
    let text = last[2].as_str().expect("text");
    let end = text.find("\n\n").unwrap_or(text.len());
    serde_json::from_str::<Value>(&text[..end]).expect("JSON")["id"].as_str().expect("an id").to_owned()
}
