//! `midwatch investigate` and `midwatch eval rca` on the example bundle, as a user runs them.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/incident-bundle")
}

fn midwatch(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_midwatch"))
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_example_is_explained_verdict_first() {
    let bundle = example();
    let done = midwatch(&["investigate", bundle.to_str().expect("a path"), "--explain"]);
    let said = text(&done.stdout);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(said.starts_with("payment-service has a failed deployment, from change 8f3c2ab"), "{said}");
    let order = [
        "Evidence",
        "request_timeout: 50ms",
        "What would be done",
        "rollback payment-service",
        "Undo:",
        "Score of",
    ];
    let places: Vec<_> =
        order.iter().map(|part| said.find(part).unwrap_or_else(|| panic!("no `{part}` in {said}"))).collect();
    assert!(places.is_sorted(), "{places:?} in {said}");
}

#[test]
fn the_answer_as_json_has_the_published_fields() {
    let bundle = example();
    let done = midwatch(&["investigate", bundle.to_str().expect("a path"), "--json"]);
    let answer: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let schema = example().join("../verdict.schema.json");
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(schema).expect("a schema")).expect("JSON");
    let mut wanted: Vec<&str> =
        schema["required"].as_array().expect("fields").iter().filter_map(Value::as_str).collect();
    let mut found: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted);
    assert_eq!(answer["ranked"][0]["change"], "8f3c2ab");
    assert_eq!(answer["remediation"]["action"], "rollback");
    assert!(answer["elapsed_ms"].as_f64().is_some_and(|ms| ms > 0.0) && answer["llm"].is_null());
}

#[test]
fn labelled_bundles_are_scored() {
    let bundles = example();
    let done = midwatch(&["eval", "rca", bundles.to_str().expect("a path"), "--json"]);
    let report: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(report["sets"][0]["ac_1"]["midwatch"]["value"], 1.0);
    assert_eq!(report["sets"][0]["change"]["decoys_hit"], 0);
}

#[test]
fn a_case_that_cannot_be_used_does_not_hide_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |name: &str| {
        let to = folder.path().join(name);
        std::fs::create_dir(&to).expect("a folder");
        for entry in std::fs::read_dir(example()).expect("the example") {
            let from = entry.expect("a file").path();
            std::fs::copy(&from, to.join(from.file_name().expect("a name"))).expect("a copy");
        }
        to
    };
    copy("whole");
    std::fs::write(copy("broken").join("truth.json"), "{\"verdict\": \"perhaps\"}").expect("a file");
    let eval = |folder: &std::path::Path| midwatch(&["eval", "rca", folder.to_str().expect("a path")]);
    let said = text(&eval(folder.path()).stdout);
    assert!(said.contains("all: 1 cases") && said.contains("in no figure: broken: "), "{said}");
    let none = eval(&folder.path().join("broken"));
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("none of 1 cases can be used"), "{}", text(&none.stderr));
}

#[test]
fn what_cannot_be_used_is_said_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(example().join("incident.json"), folder.path().join("incident.json")).expect("a copy");
    std::fs::write(folder.path().join("metrics.csv"), "timestamp,service,metric,value\n1,web,cpu,much\n")
        .expect("a file");
    let done = midwatch(&["investigate", folder.path().to_str().expect("a path")]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("metrics.csv line 2: `much` is no number"), "{}", text(&done.stderr));
}
