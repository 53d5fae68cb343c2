//! Small storms of our own, so that the scorer is proven without anybody's data.

use super::load::{Case, parse};
use super::together::Setting;
use super::{alone, run, together};
use serde_json::json;

/// A storm of a ticket shop: its desk fails since its configuration is wrong. The label is where `root` says.
fn shop(name: &str, namespace: &str, root: &str) -> Case {
    let group = |id: &str, kind: &str| json!({"id": id, "kind": kind, "namespace": namespace, "root_cause": id == root});
    let text = json!({
        "alerts": [
            {"id": "HighErrorRate", "group_id": "desk-service-1", "metadata": {"description": "the config did it"}},
            {"id": "HighErrorRate", "group_id": "till-service-1"},
            {"id": "NoRequestsReceived", "group_id": "desk-service"},
            {"id": "DeskQueueIdle", "group_id": null},
        ],
        "groups": [
            group("till-service-1", "Service"),
            group("desk-service-1", "Service"),
            group("desk-pod-1", "Pod"),
            group("desk-config-1", "ConfigMap"),
        ],
        "aliases": [["desk-service-1", "desk-pod-1"]],
        "propagations": [],
        "fault": [],
    });
    parse(name.into(), &text.to_string()).expect("a storm")
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
    let text = r#"{"alerts":[{"id":"Slow","group_id":"a-1"}],
        "groups":[{"id":"a-1","kind":"Pod","namespace":"x","root_cause":true}],"aliases":null}"#;
    std::fs::write(folder.path().join("one.json"), text).expect("a file");
    let plain = run(folder.path(), false).expect("a report");
    assert!(plain.contains("chance 1.000") && plain.contains("exactly one incident"), "{plain}");
    let parsed: serde_json::Value =
        serde_json::from_str(&run(folder.path(), true).expect("JSON")).expect("JSON");
    assert_eq!(parsed["alone"]["one_incident_and_root_first"], 1.0);
    std::fs::write(folder.path().join("two.json"), "{").expect("a file");
    let error = format!("{:#}", run(folder.path(), false).expect_err("not JSON"));
    assert!(error.contains("two.json"), "{error}");
}
