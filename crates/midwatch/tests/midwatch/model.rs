//! `midwatch investigate --llm` against the wire formats of Anthropic, OpenAI and Bedrock, as a real server speaks them.

use crate::night::wait_for;
use crate::prometheus::free_port;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// aimock, as `cargo xtask test` installs it.
fn program() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../npm/node_modules/.bin/llmock")
}

struct Model {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Model {
    /// A server that answers round by round.
    fn start(rounds: &[Value]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fixtures: Vec<Value> = rounds
            .iter()
            .enumerate()
            .map(|(round, response)| json!({"match": {"turnIndex": round}, "response": response}))
            .collect();
        let file = folder.path().join("fixtures.json");
        std::fs::write(&file, json!({ "fixtures": fixtures }).to_string()).expect("written");
        let port = free_port();
        let child = Command::new(program())
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "--strict", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("aimock is installed; the test command leaves this test out where it is not");
        wait_for("the model's server", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Self { child, port, folder }
    }

    fn investigate(&self, provider: &str, stream: bool, args: &[&str]) -> Output {
        let path = if provider == "bedrock" { "" } else { "/v1" };
        Command::new(env!("CARGO_BIN_EXE_midwatch"))
            .args(["investigate", &example(), "--llm", "--json"])
            .args(args)
            .env("MIDWATCH_LLM__PROVIDER", provider)
            .env("MIDWATCH_LLM__MODEL", "some-model")
            .env("MIDWATCH_LLM__STREAM", stream.to_string())
            .env("MIDWATCH_LLM__URL", format!("http://127.0.0.1:{}{path}", self.port))
            .env("MIDWATCH_LLM__PROMPT_USD_PER_MTOK", "1.0")
            .env("MIDWATCH_LLM__KEY_ENV", "MIDWATCH_TEST_MODEL_KEY")
            .env("MIDWATCH_TEST_MODEL_KEY", "a-key")
            .output()
            .expect("the binary runs")
    }
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/incident-bundle");
    path.to_str().expect("a path").to_owned()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn calls(calls: &[(&str, Value)]) -> Value {
    let call = |(name, arguments): &(&str, Value)| json!({"name": name, "arguments": arguments});
    json!({"toolCalls": calls.iter().map(call).collect::<Vec<_>>()})
}

fn rounds() -> Vec<Value> {
    let claim = json!({"component": "payment-service", "kind": "deployment_failure", "confidence": 0.9, "evidence": ["ev-1", "ev-2"]});
    vec![
        calls(&[
            ("query_metrics", json!({"component": "payment-service"})),
            ("search_logs", json!({"component": "payment-service"})),
        ]),
        calls(&[("changes", json!({}))]),
        calls(&[("submit_verdict", json!({"verdict": "root_cause", "hypotheses": [claim]}))]),
    ]
}

const VENDORS: [(&str, bool); 6] = [
    ("anthropic", true),
    ("anthropic", false),
    ("openai", true),
    ("openai", false),
    ("bedrock", true),
    ("bedrock", false),
];

#[test]
fn a_real_model_server_is_asked_round_by_round_and_a_record_replays_offline() {
    let model = Model::start(&rounds());
    for (vendor, stream) in VENDORS {
        let record = model.folder.path().join(format!("{vendor}-{stream}.ndjson"));
        let record = record.to_str().expect("a path");
        let output = model.investigate(vendor, stream, &["--record", record]);
        let live = answer(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("checked and merged"), "{vendor} {stream}: {said}");
        assert_eq!(live["llm"]["provider"], format!("{vendor}/some-model"));
        assert_eq!(live["llm"]["calls"], 3);
        assert!(live["llm"]["tokens"].as_u64().is_some_and(|tokens| tokens > 500), "{live}");
        assert!(live["llm"]["cost"].as_f64().is_some_and(|cost| cost > 0.0), "{live}");
        assert_eq!(live["ranked"][0]["component"], "payment-service");
        let replayed = Command::new(env!("CARGO_BIN_EXE_midwatch"))
            .args(["investigate", &example(), "--json", "--replay", record])
            .output()
            .expect("the binary runs");
        let (mut replayed, mut live) = (answer(&replayed), live);
        for answer in [&mut replayed, &mut live] {
            answer["elapsed_ms"] = Value::Null;
        }
        assert_eq!(replayed, live, "{vendor} {stream}");
    }
}

#[test]
fn a_real_model_server_that_fails_leaves_the_verdict_of_the_numbers() {
    let numbers = Command::new(env!("CARGO_BIN_EXE_midwatch"))
        .args(["investigate", &example(), "--json"])
        .output()
        .expect("the binary runs");
    let numbers = answer(&numbers);
    let error = |status: u16| json!({"error": {"message": "no", "type": "error"}, "status": status});
    let late = |failure: Value| vec![rounds()[0].clone(), failure];
    let scripts = [
        vec![error(400)],
        vec![error(401)],
        vec![json!({"content": "It was the database, surely."}); 6],
        vec![json!({"content": ""}); 6],
        vec![calls(&[("restart_service", json!({"target": "payment-service"}))]); 6],
        vec![calls(&[(
            "submit_verdict",
            json!({"verdict": "root_cause", "hypotheses": [
            {"component": "payment-service", "kind": "crash_loop", "confidence": 1, "evidence": ["ev-999"]}]}),
        )])],
        late(error(404)),
        late(calls(&[("submit_verdict", json!({"verdict": "guilty"}))])),
        vec![rounds()[0].clone(); 13],
    ];
    for (number, script) in scripts.iter().enumerate() {
        let model = Model::start(script);
        for (vendor, stream) in VENDORS {
            let output = model.investigate(vendor, stream, &[]);
            let mut found = answer(&output);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("The model was not used"), "script {number}, {vendor} {stream}: {said}");
            assert!(found["llm"]["calls"].as_u64().is_some_and(|calls| (1..=12).contains(&calls)), "{found}");
            for field in ["llm", "elapsed_ms"] {
                found[field] = numbers[field].clone();
            }
            assert_eq!(found, numbers, "script {number}, {vendor} {stream}");
        }
    }
}
