//! Published schemas: each takes its example and refuses what is wrong.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas")
}

fn read(name: &str) -> Value {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The example is valid; without a required field, with an unknown field, or with a wrong value at a JSON pointer it is
/// not.
fn check(name: &str, wrong: &[(&str, Value)]) {
    let schema = read(&format!("{name}.schema.json"));
    let example = read(&format!("{name}.example.json"));
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let validator = options.build(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    if let Some(error) = validator.iter_errors(&example).next() {
        panic!("the example of {name} is refused at {}: {error}", error.instance_path());
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let mut without = example.clone();
        without.as_object_mut().expect("an object").remove(required.as_str().expect("a name"));
        assert!(!validator.is_valid(&without), "{name} is accepted without {required}");
    }
    let mut more = example.clone();
    more["surprise"] = json!(1);
    assert!(!validator.is_valid(&more), "{name} is accepted with an unknown field");
    for (at, value) in wrong {
        let mut changed = example.clone();
        *changed.pointer_mut(at).unwrap_or_else(|| panic!("{name} has no {at}")) = value.clone();
        assert!(!validator.is_valid(&changed), "{name} is accepted with {value} at {at}");
    }
}

#[test]
fn an_alert_is_described() {
    check(
        "alert",
        &[
            ("/service", json!("../etc")),
            ("/title", json!("  ")),
            ("/title", json!("x".repeat(501))),
            ("/severity", json!("p1")),
            ("/starts_at", json!("yesterday")),
            ("/labels/team", json!(7)),
            ("/class", json!("gremlins")),
            ("/id", json!("")),
        ],
    );
}

#[test]
fn a_demo_result_is_described() {
    check(
        "demo-result",
        &[
            ("/incident_id", json!("42")),
            ("/cause", json!("gremlins")),
            ("/action", json!("reboot")),
            ("/recovered", json!("yes")),
            ("/incidents", json!(-1)),
            ("/mttr_s", json!("20 s")),
            ("/state", json!("fine")),
        ],
    );
}

#[test]
fn a_verdict_is_described() {
    check(
        "verdict",
        &[
            ("/verdict", json!("maybe")),
            ("/verdict", json!("inconclusive")),
            ("/ranked", json!([])),
            ("/ranked/0/kind", json!("gremlins")),
            ("/ranked/0/confidence", json!(1.5)),
            ("/remediation/action", json!("rm -rf")),
            ("/evidence/0/digest", json!("abc")),
            ("/evidence/0/window", json!({ "from": "2026-11-22T01:04:40Z" })),
            ("/llm", json!({ "provider": "ollama" })),
        ],
    );
}

#[test]
fn a_truth_is_described() {
    check("truth", &[("/verdict", json!("no_fault")), ("/components", json!([])), ("/kind", json!("bug"))]);
}

#[test]
fn an_incident_bundle_is_described() {
    check(
        "incident-bundle",
        &[
            ("/alert/title", json!("")),
            ("/detected_at", json!(5)),
            ("/services/0", json!("")),
            ("/baseline", json!([])),
            ("/baseline/0/from", json!("dawn")),
        ],
    );
    // One alert or a list of them, and never neither.
    let schema = read("incident-bundle.schema.json");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let mut bundle = read("incident-bundle.example.json");
    let alert = bundle["alert"].take();
    let fields = bundle.as_object_mut().expect("an object");
    fields.remove("alert");
    assert!(!validator.is_valid(&bundle), "a bundle without any alert is accepted");
    bundle["alerts"] = json!([alert.clone(), alert]);
    assert!(validator.is_valid(&bundle), "a bundle with two alerts is refused");
}

/// Telemetry of others: fields that nobody asked for are read over, so there is no surprise to refuse.
fn check_open(name: &str, wrong: &[(&str, Value)]) {
    let schema = read(&format!("{name}.schema.json"));
    let example = read(&format!("{name}.example.json"));
    let validator = jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(validator.is_valid(&example), "the example of {name} is refused");
    for required in schema["required"].as_array().into_iter().flatten() {
        let mut without = example.clone();
        without.as_object_mut().expect("an object").remove(required.as_str().expect("a name"));
        assert!(!validator.is_valid(&without), "{name} is accepted without {required}");
    }
    for (at, value) in wrong {
        let mut changed = example.clone();
        *changed.pointer_mut(at).unwrap_or_else(|| panic!("{name} has no {at}")) = value.clone();
        assert!(!validator.is_valid(&changed), "{name} is accepted with {value} at {at}");
    }
}

#[test]
fn the_files_of_a_bundle_are_described() {
    check_open(
        "bundle-change",
        &[("/kind", json!("wish")), ("/files_changed", json!("a.go")), ("/id", json!(""))],
    );
    check_open(
        "bundle-log-line",
        &[("/service", json!(" ")), ("/timestamp", json!(null)), ("/msg", json!(7))],
    );
    check_open(
        "bundle-span",
        &[("/duration_ms", json!(-1)), ("/service", json!("we\u{1b}b")), ("/name", json!(null))],
    );
    check("bundle-tool-answer", &[("/tool", json!("")), ("/answer", json!(null))]);
}

#[test]
fn the_example_bundle_is_one() {
    let bundle = folder().join("incident-bundle");
    for (file, name) in [("incident.json", "incident-bundle"), ("truth.json", "truth")] {
        let schema = read(&format!("{name}.schema.json"));
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        let validator = options.build(&schema).expect("a schema");
        let value = read(bundle.join(file).to_str().expect("a path"));
        assert!(validator.is_valid(&value), "{file} is refused");
    }
    for (file, name) in [
        ("changes.json", "bundle-change"),
        ("traces.json", "bundle-span"),
        ("tools.json", "bundle-tool-answer"),
    ] {
        let validator =
            jsonschema::draft202012::new(&read(&format!("{name}.schema.json"))).expect("a schema");
        let values = read(bundle.join(file).to_str().expect("a path"));
        assert!(
            values
                .as_array()
                .is_some_and(|all| !all.is_empty() && all.iter().all(|one| validator.is_valid(one))),
            "{file}"
        );
    }
}

#[test]
fn every_schema_has_an_example_and_is_tested_here() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("the schemas")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".schema.json").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "alert",
            "bundle-change",
            "bundle-log-line",
            "bundle-span",
            "bundle-tool-answer",
            "demo-result",
            "incident-bundle",
            "truth",
            "verdict"
        ]
    );
}
