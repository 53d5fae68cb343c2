//! Small sets in the formats of others: what comes out can be investigated, and no label is in an input.

use super::{Set, run};
use midwatch_diagnosis::investigate::investigate;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    std::fs::write(path, text).expect("a file");
}

/// Converts, and hands back the one bundle's folder.
fn converted(set: Set, from: &Path, to: &Path) -> std::path::PathBuf {
    run(set, from, to).expect("bundles");
    let mut folders: Vec<_> =
        std::fs::read_dir(to).expect("a folder").flatten().map(|entry| entry.path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.remove(0)
}

/// The bundle names the right component, and no input holds a word of the label; neither does the folder's name.
fn check(set: Set, from: &Path, labels: &[&str], right: &str) {
    let to = tempfile::tempdir().expect("a folder");
    let bundle = converted(set, from, to.path());
    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string(bundle.join("truth.json")).expect("a truth"))
            .expect("JSON");
    if truth["verdict"] == "root_cause" {
        assert!(truth["components"].as_array().is_some_and(|all| all.contains(&json!(right))), "{truth}");
    }
    let inputs = std::fs::read_dir(&bundle).expect("files").flatten().map(|entry| entry.path());
    for input in inputs.filter(|path| !path.ends_with("truth.json")) {
        let text = std::fs::read_to_string(&input).expect("text")
            + &bundle.file_name().expect("a name").display().to_string();
        for label in labels {
            assert!(!text.contains(label), "{} holds the label `{label}`", input.display());
        }
    }
    let answer = investigate(&midwatch_eval::folder::read(&bundle).expect("a bundle")).answer;
    assert_eq!(answer.ranked[0].component, right);
    let report = midwatch_eval::rca::run(to.path(), false).expect("a report");
    assert!(report.contains("AC@1"), "{report}");
}

#[test]
fn petshop_becomes_bundles() {
    let from = tempfile::tempdir().expect("a folder");
    let table = |rows: std::ops::Range<i64>, slow: f64| {
        let mut text = "microservice,Shop,Shop,Search\nmetric,latency,requests,latency\nstatistic,Average,Sum,Average\nunix_timestamp,,,\n".to_owned();
        for row in rows {
            let wiggle = (row * 7919 % 100) as f64 / 1e4;
            let _ = writeln!(text, "{}.0,{},100,{}", row * 300, 0.1 + wiggle + slow, 0.01 + wiggle + slow);
        }
        text
    };
    put(from.path(), "low/noissue/metrics.csv", &table(100..300, 0.0));
    put(from.path(), "low/graph.csv", ",Shop,Search\nShop,0.0,1.0\nSearch,0.0,0.0\n");
    put(from.path(), "low/train/issue_0/metrics.csv", &table(10..15, 0.5));
    let target = json!({
        "target": {"node": "Shop", "metric": "latency", "agg": "Average", "timestamp": 3300},
        "root_cause": {"node": "Search", "metric": null}, "metadata": {"command": "put searchdelay"},
    });
    put(from.path(), "low/train/issue_0/target.json", &target.to_string());
    check(Set::Petshop, from.path(), &["root_cause", "searchdelay"], "Search");
}

#[test]
fn nezha_becomes_bundles() {
    let from = tempfile::tempdir().expect("a folder");
    let day = "rca_data/2022-08-22";
    let table = |usual: f64, faulty: f64| {
        let mut text = "Time,TimeStamp,PodName,CpuUsageRate(%)\n".to_owned();
        for minute in 0..240_i64 {
            let value = if (20..24).contains(&minute) { faulty } else { usual }
                + (minute * 7919 % 100) as f64 / 100.0;
            let _ = writeln!(
                text,
                "2022-08-22 {:02}:{:02}:19.6 +0000 UTC m=+0.1,1,pod,{value}",
                3 + minute / 60,
                minute % 60
            );
        }
        text
    };
    put(from.path(), &format!("{day}/metric/cart-1_metric.csv"), &table(5.0, 90.0));
    put(from.path(), &format!("{day}/metric/frontend-1_metric.csv"), &table(5.0, 5.0));
    put(
        from.path(),
        &format!("{day}/metric/front_service.csv"),
        "Time,LatencyP95(s)\n2022-08-22 03:00:19,0.1\n",
    );
    put(from.path(), &format!("{day}/metric/dependency.csv"), "Source,Target,Weight\nfrontend,cart,1\n");
    let faults = json!({"03": [{"inject_time": "2022-08-22 03:20:00", "inject_timestamp": "1", "inject_pod": "cart-1", "inject_type": "cpu_contention"}]});
    put(from.path(), &format!("{day}/2022-08-22-fault_list.json"), &faults.to_string());
    check(Set::Nezha, from.path(), &["inject", "cpu_contention"], "cart-1");
}

#[test]
fn root_cause_bench_becomes_bundles() {
    let from = tempfile::tempdir().expect("a folder");
    let mut metrics = "timestamp,service,metric,value\n".to_owned();
    for minute in 0..50_i64 {
        let value = if minute > 35 { 0.7 } else { 0.001 } + (minute * 7919 % 100) as f64 / 1e6;
        let _ = writeln!(metrics, "2026-06-19T09:{minute:02}:00Z,pay,error_ratio,{value}");
    }
    put(from.path(), "nil-panic/data/metrics.csv", &metrics);
    let alert = json!({"service": "pay", "metric": "error_ratio", "fired_at": "2026-06-19T09:40:00Z", "summary": "errors"});
    put(from.path(), "nil-panic/data/alert.json", &alert.to_string());
    let log = json!({"timestamp": "2026-06-19T09:37:00Z", "service": "pay", "severity_text": "ERROR", "msg": "panic: nil pointer dereference"});
    put(from.path(), "nil-panic/data/logs.ndjson", &format!("{log}\n"));
    let diff = "@@ pay.go @@\n-\tif r.Auth == nil {\n-\t\treturn \"\"\n-\t}\n \treturn r.Auth.Status\n";
    let commits = json!([{"sha": "abc", "timestamp": "2026-06-19T09:33:00Z", "message": "simplify", "files_changed": ["pay.go"], "diff": diff}]);
    put(from.path(), "nil-panic/data/context/commits.json", &commits.to_string());
    let deploys = json!([{"timestamp": "2026-06-19T09:34:00Z", "service": "pay", "commit_sha": "abc", "version": "v2"}]);
    put(from.path(), "nil-panic/data/context/deploys.json", &deploys.to_string());
    let label = json!({"root_cause_commit": "abc", "first_failing_service": "pay", "decoy_deploy_commits": [], "notes": "the label"});
    put(from.path(), "nil-panic/ground_truth.json", &label.to_string());
    check(Set::RootCauseBench, from.path(), &["root_cause", "the label", "nil-panic"], "pay");
}

#[test]
fn open_sre_becomes_bundles() {
    let from = tempfile::tempdir().expect("a folder");
    let alert = json!({"title": "Pod restarts", "state": "alerting",
        "commonLabels": {"severity": "critical", "service": "api", "workload_name": "api"},
        "commonAnnotations": {"summary": "pod api-1 restarts", "k8s_failure_mode": "the_label"}});
    put(from.path(), "001-oomkilled/alert.json", &alert.to_string());
    put(from.path(), "001-oomkilled/scenario.yml", "failure_mode: oom_killed\nworkload_name: api\n");
    put(from.path(), "001-oomkilled/answer.yml", "required_keywords:\n  - memory\n");
    let pods = json!({"pods": [{"name": "api-1", "phase": "Running", "start_time": "2026-04-18T10:00:00Z",
        "containers": [{"name": "api", "ready": false, "restart_count": 8, "state": {"reason": "CrashLoopBackOff", "exit_code": 137}}]}]});
    put(from.path(), "001-oomkilled/eks_pods.json", &pods.to_string());
    check(Set::Opensre, from.path(), &["the_label", "failure_mode", "oomkilled"], "api");
}

#[test]
fn what_is_not_the_set_is_said() {
    let from = tempfile::tempdir().expect("a folder");
    let error = run(Set::Petshop, from.path(), from.path()).expect_err("an empty folder");
    assert!(error.to_string().contains("looks like this data set"), "{error}");
}

#[test]
fn a_storm_is_parted_from_what_tells_its_cause() {
    let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let scenario = r#"{"alerts":[{"id":"Slow","group_id":"a-1","metadata":{"description":"because of a-1"}}],
        "groups":[{"id":"a-1","kind":"Pod","namespace":"x","filter":["a-.*"],"root_cause":true}],
        "aliases":null,"propagations":[{"source":"a-1"}],"fault":[{"condition":"broken"}]}"#;
    std::fs::write(from.path().join("one.json"), scenario).expect("a file");
    super::run(super::Set::Storms, from.path(), to.path()).expect("converts");
    let read = |file: &str| std::fs::read_to_string(to.path().join("one").join(file)).expect("a file");
    let (storm, truth) = (read("storm.json"), read("truth.json"));
    for told in ["because", "root", "broken", "source"] {
        assert!(!storm.contains(told), "{told} is in {storm}");
    }
    assert!(truth.contains("a-1"), "{truth}");
}
