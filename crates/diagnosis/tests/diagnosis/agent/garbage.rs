//! Models that fail in every way: the answer is the deterministic one, and no limit is passed.

use super::script::{Script, clear, open, reply, run, verdict};
use midwatch_diagnosis::agent::{Limits, Why};
use midwatch_diagnosis::investigate::investigate;
use midwatch_model::llm::{NoReply, Reply, Stop, Usage};
use serde_json::{Value, json};

/// Runs a script on two incidents under two budgets.
fn check(name: &str, script: &Script<'_>) {
    for (bundle, limits) in [(open(), Limits::default()), (clear(), tight())] {
        let (end, asks) = run(&bundle, limits, script);
        assert!(end.fell_back.is_some(), "{name}: {:?}", end.answer);
        assert_eq!(end.answer, investigate(&bundle).answer, "{name}");
        assert!(asks.len() <= 12 && end.spent.rounds <= 12, "{name}: {} rounds", asks.len());
        // What could have been used at worst, by what was asked.
        let asked: u64 =
            asks.iter().map(|ask| ask.prompt_tokens_max().min(u64::from(u32::MAX))).max().unwrap_or(0);
        assert!(asked <= limits.tokens_max, "{name}: a question of {asked} tokens");
        assert!(asks.iter().all(|ask| ask.tokens_max() <= 4096), "{name}");
    }
}

fn tight() -> Limits {
    Limits {
        tokens_max: 9000,
        cost_max: 0.05,
        prompt_price: 3.0,
        answer_price: 15.0,
        calls_max: 4,
        ..Limits::default()
    }
}

fn text(text: &str, stop: Stop) -> Reply {
    Reply { text: text.to_owned(), stop, ..reply(&[]) }
}

/// Arguments that are not those of any tool.
fn wrong_arguments() -> Vec<Value> {
    let huge = "x".repeat(100_000);
    vec![
        json!(null),
        json!(true),
        json!(7),
        json!("db"),
        json!([]),
        json!(["db"]),
        json!({}),
        json!({"component": null}),
        json!({"component": 5}),
        json!({"component": ["db"]}),
        json!({"component": {"name": "db"}}),
        json!({"component": "db", "shell": "rm -rf /"}),
        json!({"component": "nowhere"}),
        json!({"component": huge}),
        json!({"Component": "db"}),
        json!({"component": ""}),
    ]
}

/// Verdicts that do not fit the schema, or claim what does not stand.
fn wrong_verdicts() -> Vec<Value> {
    let one = |hypothesis: Value| json!({"verdict": "root_cause", "hypotheses": [hypothesis]});
    let base = json!({"component": "db", "kind": "latency_spike", "confidence": 0.9, "evidence": ["ev-777"]});
    let mut all: Vec<Value> = [
        ("component", json!("payments")),
        ("component", json!("")),
        ("component", json!(null)),
        ("component", json!(["db"])),
        ("kind", json!("ghosts")),
        ("kind", json!(null)),
        ("confidence", json!("high")),
        ("confidence", json!(-1)),
        ("confidence", json!(100)),
        ("confidence", json!(1e300)),
        ("evidence", json!([])),
        ("evidence", json!("ev-1")),
        ("evidence", json!(["ev-0"])),
        ("evidence", json!(["ev-18446744073709551616"])),
        ("evidence", json!(["EV-1"])),
        ("evidence", json!([{"id": "ev-1"}])),
        ("evidence", json!(vec!["ev-1"; 5000])),
        ("against", json!(["ev-4242"])),
        ("change", json!("v404")),
        ("change", json!(5)),
        ("action", json!("restart")),
        ("target", json!("db")),
    ]
    .into_iter()
    .map(|(field, value)| {
        let mut hypothesis = base.clone();
        hypothesis[field] = value;
        one(hypothesis)
    })
    .collect();
    all.extend([
        json!({}),
        json!([]),
        json!("db"),
        json!({"verdict": "root_cause"}),
        json!({"verdict": "root_cause", "hypotheses": []}),
        json!({"verdict": "guilty", "hypotheses": []}),
        json!({"verdict": "root_cause", "hypotheses": vec![base.clone(); 200]}),
        json!({"verdict": "root_cause", "hypotheses": base}),
        json!({"verdict": "root_cause", "hypotheses": [1, 2]}),
    ]);
    all
}

#[test]
fn no_reply_of_any_kind_is_an_answer() {
    let failures = [
        NoReply::NoKey { env: "X".into() },
        NoReply::Timeout { seconds: 300, tries: 4 },
        NoReply::Unreachable { tries: 4 },
        NoReply::Status { status: 429, tries: 4 },
        NoReply::Status { status: 500, tries: 4 },
        NoReply::Status { status: 503, tries: 4 },
        NoReply::Status { status: 401, tries: 1 },
        NoReply::Garbled { why: "not JSON".into() },
        NoReply::NotRecorded,
    ];
    for failure in failures {
        for late in 0..4 {
            let look = |round| {
                reply(&[("query_metrics", json!({"component": (["web", "cart", "db", "cache"][round % 4])}))])
            };
            let script = |round, _: &_| if round >= late { Err(failure.clone()) } else { Ok(look(round)) };
            check(&format!("{failure} in round {late}"), &script);
        }
    }
}

#[test]
fn words_without_a_call_are_no_answer() {
    let huge = "the database is slow ".repeat(5_000);
    let texts = [
        "",
        " ",
        "The database did it.",
        "{\"verdict\": \"root_cause\"",
        "```json\n{}\n```",
        "\u{0}\u{1}",
        &huge,
    ];
    for words in texts {
        for stop in [Stop::Done, Stop::Cut, Stop::Withheld, Stop::Tools] {
            check(&format!("{stop:?} {:.20}", words), &|_, _| Ok(text(words, stop)));
        }
    }
}

#[test]
fn calls_that_are_wrong_are_no_answer() {
    let tools = ["query_metrics", "search_logs", "get_traces", "topology", "service_doc"];
    for tool in tools {
        for arguments in wrong_arguments() {
            check(tool, &|_, _| Ok(reply(&[(tool, arguments.clone())])));
        }
    }
    let long = "x".repeat(10_000);
    for name in
        ["", "restart_service", "rm -rf /", "submit_verdict ", "SubmitVerdict", "execute", "../query", &long]
    {
        check(name, &|_, _| Ok(reply(&[(name, json!({"component": "db"}))])));
    }
}

#[test]
fn verdicts_that_are_wrong_are_no_answer() {
    for arguments in wrong_verdicts() {
        check("a verdict", &|_, _| Ok(reply(&[("submit_verdict", arguments.clone())])));
        // Also late, after something was found.
        check("a late verdict", &|round, _| {
            Ok(if round == 0 {
                reply(&[("topology", json!({"component": "db"}))])
            } else {
                reply(&[("submit_verdict", arguments.clone())])
            })
        });
    }
    check("cut", &|_, _| Ok(Reply { stop: Stop::Cut, ..verdict("db", &["ev-1"]) }));
}

#[test]
fn circles_end() {
    let same = |_: usize, _: &_| Ok(reply(&[("query_metrics", json!({"component": "db"}))]));
    check("the same again", &same);
    let components = ["web", "cart", "db", "cache", "ads"];
    let many = |round: usize, _: &_| {
        let calls: Vec<(&str, Value)> =
            components.iter().map(|c| ("topology", json!({ "component": c }))).collect();
        Ok(reply(&calls[..=(round % 5)]))
    };
    check("more of the same", &many);
    let new = |round: usize, _: &_| Ok(reply(&[("runbooks", json!({"words": format!("word {round}")}))]));
    check("new questions without an answer", &new);
    let flood = |_: usize, _: &_| Ok(reply(&vec![("topology", json!({"component": "db"})); 500]));
    check("a flood of calls", &flood);
    let metrics = |round: usize, _: &_| {
        Ok(reply(&[("search_logs", json!({"component": "ads", "contains": format!("{round}")}))]))
    };
    check("always something new", &metrics);
}

#[test]
fn what_a_call_is_said_to_have_cost_ends_it_when_it_is_too_much() {
    let lies = [
        Usage { prompt_tokens: u64::MAX, answer_tokens: u64::MAX, cost: 0.0 },
        Usage { prompt_tokens: 200_000, answer_tokens: 0, cost: 0.0 },
        Usage { prompt_tokens: 0, answer_tokens: 0, cost: 99.0 },
        Usage { prompt_tokens: 0, answer_tokens: 0, cost: f64::INFINITY },
        Usage { prompt_tokens: 0, answer_tokens: 0, cost: f64::NAN },
        Usage { prompt_tokens: 0, answer_tokens: 0, cost: -5.0 },
    ];
    for usage in lies {
        check(&format!("{usage:?}"), &|_, _| Ok(Reply { usage, ..text("hm", Stop::Done) }));
    }
}

#[test]
fn without_room_nothing_is_asked() {
    for limits in [
        Limits { tokens_max: 100, ..Limits::default() },
        Limits { tokens_max: 0, ..Limits::default() },
        Limits { cost_max: 0.0001, prompt_price: 3.0, answer_price: 15.0, ..Limits::default() },
        Limits { rounds_max: 0, ..Limits::default() },
    ] {
        let (end, asks) = run(&open(), limits, &|_, _| panic!("nothing may be asked"));
        assert_eq!((end.fell_back, asks.len()), (Some(Why::OverBudget), 0), "{limits:?}");
    }
}
