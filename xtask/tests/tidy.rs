//! Tidiness that the compiler does not check: who may know whom, how long files get, what is not left behind.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates that each crate may know, besides itself. Direction: programs → api → engine → {stages, connectors,
/// store} → model, series; and the two edges that make safety a matter of types: action → decision, connectors → action.
const EDGES: [(&str, &[&str]); 21] = [
    ("midwatch-model", &[]),
    ("midwatch-series", &[]),
    ("midwatch-signal", &["model", "series"]),
    ("midwatch-incident", &["model", "series"]),
    ("midwatch-knowledge", &["model"]),
    ("midwatch-diagnosis", &["model", "series"]),
    ("midwatch-prediction", &["model", "series"]),
    ("midwatch-decision", &["model", "series"]),
    ("midwatch-action", &["model", "series", "decision"]),
    ("midwatch-verification", &["model", "series"]),
    ("midwatch-report", &["model", "series", "incident"]),
    ("midwatch-oncall", &["model", "series"]),
    ("midwatch-connectors", &["model", "series", "action"]),
    ("midwatch-store", &["model"]),
    (
        "midwatch-engine",
        &[
            "model",
            "series",
            "signal",
            "incident",
            "knowledge",
            "diagnosis",
            "prediction",
            "decision",
            "action",
            "verification",
            "report",
            "oncall",
            "connectors",
            "store",
        ],
    ),
    ("midwatch-api", &["model", "signal", "incident", "report", "store", "engine"]),
    // The lab is a world of its own: it must not know who watches it.
    ("midwatch-lab", &[]),
    (
        "midwatch",
        &[
            "model",
            "signal",
            "incident",
            "knowledge",
            "diagnosis",
            "prediction",
            "decision",
            "verification",
            "report",
            "oncall",
            "connectors",
            "store",
            "engine",
            "api",
            "lab",
            "eval",
        ],
    ),
    ("midwatch-bench", &["model", "series", "signal", "incident", "diagnosis", "prediction", "store"]),
    // Scores what stages make of labelled data; nothing that runs may know the labels.
    ("midwatch-eval", &["model", "series", "signal", "incident", "knowledge", "diagnosis", "prediction"]),
    ("xtask", &[]),
];

/// Stages are pure and synchronous: none of these may be among their dependencies.
const IMPURE: [&str; 7] = ["tokio", "reqwest", "axum", "sqlx", "rand", "getrandom", "hyper"];
const STAGES: [&str; 10] = [
    "signal",
    "incident",
    "knowledge",
    "diagnosis",
    "prediction",
    "decision",
    "action",
    "verification",
    "report",
    "oncall",
];

/// Lines of a file, tests not counted, from which it must be split by concept.
const LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo metadata");
    let normal = |p: &cargo_metadata::Package| {
        p.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal).map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|p| (p.name.to_string(), normal(p))).collect()
}

#[test]
fn every_crate_knows_only_whom_it_may_know() {
    let dependencies = dependencies();
    let allowed: BTreeMap<_, _> = EDGES.into_iter().collect();
    for (name, known) in &dependencies {
        let may = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table of edges"));
        for other in known.iter().filter_map(|d| d.strip_prefix("midwatch-")) {
            assert!(may.contains(&other), "{name} must not know midwatch-{other}");
        }
    }
}

#[test]
fn stages_are_pure() {
    let dependencies = dependencies();
    for stage in STAGES {
        let known = &dependencies[&format!("midwatch-{stage}")];
        for impure in IMPURE {
            assert!(!known.contains(impure), "the stage {stage} must not know {impure}");
        }
    }
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable folder").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != ".git" && name != "node_modules" {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_are_short_and_nothing_is_left_behind() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 50, "the sources were not found");
    // Written in two parts, so that this file does not find itself.
    let left = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[al", "low("),
        concat!("#[ig", "nore"),
        concat!("to", "do!("),
    ];
    for file in files {
        let text = std::fs::read_to_string(&file).expect("UTF-8");
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines: split it by concept", file.display());
        for word in left {
            assert!(!text.contains(word), "{} still contains {word}", file.display());
        }
    }
}

#[test]
fn the_cycle_is_one_function_of_seventy_lines_at_most() {
    let text = std::fs::read_to_string(root().join("crates/engine/src/cycle.rs")).expect("the cycle");
    let start = text.find("pub(crate) async fn cycle(").expect("the cycle's function");
    let end = text[start..].find("\n}\n").expect("its end");
    let lines = text[start..start + end].lines().count() + 1;
    assert!(lines <= 70, "the cycle has {lines} lines");
}
