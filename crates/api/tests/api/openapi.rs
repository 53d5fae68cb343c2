//! The document that the dashboard's client is generated from.

use std::path::Path;

#[test]
fn the_dashboards_client_is_made_of_the_document_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/openapi.json");
    if std::env::var_os("MIDWATCH_TEST_UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&midwatch_api::openapi()).expect("JSON");
        std::fs::write(&path, text + "\n").expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap_or_default();
    assert!(
        kept == midwatch_api::openapi(),
        "the API has changed: `midwatch openapi > web/openapi.json && npm --prefix web run generate`, and commit both"
    );
}
