//! What is sent, against the schemas that vendors publish: Prism answers for the vendor, and refuses what does not fit.

use crate::notifiers::tell;
use crate::npm::prism;
use crate::payloads::told;
use midwatch_connectors::{ConnectorsConfig, World};
use midwatch_model::bulletin::Bulletin;
use midwatch_report::Sample;
use serde_json::{Value, json};
use strum::VariantArray as _;

/// Tells everything of every sample, first and later; every request must fit the schema.
async fn fits(kind: &str, config: Value, threads: &[Option<&str>]) {
    let config = json!({ "receiver": [{ "name": "ops", kind: [config] }] });
    let config: ConnectorsConfig = serde_json::from_value(config).expect("a configuration");
    let world = World::new(&config, &[]).expect("a world");
    let all: Vec<Bulletin> = Sample::VARIANTS.iter().flat_map(|kind| told(*kind)).collect();
    for bulletin in &all {
        for thread in threads {
            let told = tell(&world, &format!("ops/{kind}/0"), bulletin, *thread).await;
            let told = told.unwrap_or_else(|error| panic!("{kind} {}: {error:?}", bulletin.moment));
            assert!(thread.is_some() || told.thread.is_some(), "what was made is remembered");
        }
    }
}

fn secret(folder: &tempfile::TempDir) -> Value {
    std::fs::write(folder.path().join("secret"), "not-a-real-secret").expect("written");
    json!({ "file": folder.path().join("secret") })
}

#[tokio::test]
async fn a_published_schema_of_slack_takes_every_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let prism = prism("slack.com.json", &["/chat.postMessage", "/chat.update"], &folder).await;
    let url = format!("http://127.0.0.1:{}", prism.port);
    let config = json!({ "token": secret(&folder), "channel": "C0123456789", "url": url });
    fits("slack", config, &[None, Some(r#"{"channel":"C0123456789","ts":"1503435956.000247"}"#)]).await;
}

#[tokio::test]
async fn a_published_schema_of_github_takes_every_issue_and_comment() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [
        "/repos/{owner}/{repo}/issues",
        "/repos/{owner}/{repo}/issues/{issue_number}",
        "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    ];
    let prism = prism("github.com/api.github.com.json", &paths, &folder).await;
    let url = format!("http://127.0.0.1:{}", prism.port);
    let config =
        json!({ "token": secret(&folder), "repository": "example/shop", "url": url, "timeout_s": 30.0 });
    fits("github", config, &[None, Some(r#"{"repository":"example/shop","number":7}"#)]).await;
}

#[tokio::test]
async fn a_published_schema_of_notion_takes_every_change_of_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    // It has no path for new pages.
    let prism = prism("notion.com.json", &["/v1/pages/{id}", "/v1/blocks/{id}/children"], &folder).await;
    let url = format!("http://127.0.0.1:{}", prism.port);
    let config =
        json!({ "token": secret(&folder), "database": "0123456789abcdef0123456789abcdef", "url": url });
    fits("notion", config, &[Some(r#"{"page":"59833787-2cf9-4fdf-8782-e53db20768a5"}"#)]).await;
}
