//! Small storms of our own, so that the scorer is proven without anybody's data.

use super::load::{Case, Truth};
use super::together::Setting;
use super::{alone, run, together};
use serde_json::json;

/// A storm of a ticket shop: its desk fails since its configuration is wrong. The label is where `root` says.
fn shop(name: &str, namespace: &str, root: &str) -> Case {
    let object = |name: &str, kind: &str| json!({"name": name, "kind": kind, "namespace": namespace});
    let storm = json!({
        "alerts": [
            {"name": "HighErrorRate", "object": "desk-service-1"},
            {"name": "HighErrorRate", "object": "till-service-1"},
            {"name": "NoRequestsReceived", "object": "desk-service"},
            {"name": "DeskQueueIdle"},
        ],
        "objects": [
            object("till-service-1", "Service"),
            object("desk-service-1", "Service"),
            object("desk-pod-1", "Pod"),
            object("desk-config-1", "ConfigMap"),
        ],
        "aliases": [["desk-service-1", "desk-pod-1"]],
    });
    let storm = serde_json::from_value(storm).expect("a storm");
    Case { name: name.into(), storm, truth: Truth { roots: [root.to_owned()].into() } }
}

#[test]
fn a_storm_is_one_incident_and_strictness_counts() {
    let right = alone::score(&[shop("right", "east", "desk-config-1")]);
    assert_eq!((right.one_incident, right.one_incident_and_root_first), (1.0, 1.0));
    assert_eq!((right.placed, right.described_alerts, right.other_placed, right.other_alerts), (2, 2, 2, 2));
    assert!((right.chance_first - 0.25).abs() < 1e-9 && (right.chance_in_three - 0.75).abs() < 1e-9);
    let wrong = alone::score(&[shop("wrong", "east", "till-service-1")]);
    assert_eq!((wrong.one_incident, wrong.one_incident_and_root_first), (1.0, 0.0));
    let unlabelled = alone::score(&[shop("none", "east", "nothing")]);
    assert!(unlabelled.storms[0].rank > 4, "what is not labelled is not found");
}

#[test]
fn no_label_changes_what_is_grouped_or_ranked() {
    let first = |root: &str| alone::score(&[shop("storm", "east", root)]).storms.remove(0).first;
    assert_eq!(first("till-service-1"), first("desk-config-1"));
}

#[test]
fn storms_of_two_clusters_stay_two_and_those_of_one_that_touch_become_one() {
    let rows = together::score(&[shop("a", "east", "desk-config-1"), shop("b", "east", "desk-config-1")]);
    let row = |setting, lag_s| rows.iter().find(|r| r.setting == setting && r.lag_s == lag_s).expect("a row");
    let clusters = row(Setting::TwoClusters, 0);
    assert_eq!((clusters.pairs, clusters.touching), (1, false));
    assert!(clusters.wrongly_merged < 0.5, "{}", clusters.wrongly_merged);
    let one = row(Setting::OneCluster, 0);
    assert!(one.touching);
    assert_eq!((one.wrongly_merged, one.wrongly_split), (1.0, 0.0));
    assert_eq!(row(Setting::OneCluster, 1800).wrongly_merged, 0.0, "half an hour later is another matter");
}

#[test]
fn a_folder_of_storms_is_reported_and_an_empty_one_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(run(folder.path(), false).is_err());
    let write = |name: &str, file: &str, text: &str| {
        std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
        std::fs::write(folder.path().join(name).join(file), text).expect("a file");
    };
    let storm = r#"{"alerts":[{"name":"Slow","object":"a-1"}],"objects":[{"name":"a-1","kind":"Pod","namespace":"x"}]}"#;
    write("one", "storm.json", storm);
    write("one", "truth.json", r#"{"roots":["a-1"]}"#);
    let plain = run(folder.path(), false).expect("a report");
    assert!(plain.contains("chance 1.000") && plain.contains("exactly one incident"), "{plain}");
    let parsed: serde_json::Value =
        serde_json::from_str(&run(folder.path(), true).expect("JSON")).expect("JSON");
    assert_eq!(parsed["alone"]["one_incident_and_root_first"], 1.0);
    write("two", "storm.json", "{");
    let error = format!("{:#}", run(folder.path(), false).expect_err("not JSON"));
    assert!(error.contains("two/storm.json"), "{error}");
    write("two", "storm.json", &storm.replace("\"kind\"", "\"root_cause\":true,\"kind\""));
    let error = format!("{:#}", run(folder.path(), false).expect_err("a label"));
    assert!(error.contains("unknown field `root_cause`"), "{error}");
}
