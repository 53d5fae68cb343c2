//! `midwatch notify test` and `status`: the running server tells, and says how it went.

use super::Client;
use crate::cli::ClientArgs;
use crate::exit::{DONE, Exit, FAILED};
use crate::output::{self, bold, out, text, time};
use anyhow::Result;
use serde_json::{Value, json};

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Exit code 1 if somebody could not be told.
pub async fn test(args: &ClientArgs, receiver: Option<String>) -> Result<Exit> {
    let answer =
        Client::new(args)?.post("/api/v1/notifications/test", &json!({ "receiver": receiver })).await?;
    let results = list(&answer["results"]);
    let done = if results.iter().all(|result| result["delivered"] == true) { DONE } else { FAILED };
    if args.json {
        return output::json(&answer).map(|()| done);
    }
    for result in results {
        let word = if result["delivered"] == true { "told" } else { "NOT told" };
        out!("{:<28} {word}: {}", text(result, "target"), text(result, "answer"));
    }
    Ok(done)
}

pub async fn status(args: &ClientArgs, limit: usize) -> Result<Exit> {
    let answer = Client::new(args)?.get(&format!("/api/v1/notifications/status?limit={limit}")).await?;
    if args.json {
        return output::json(&answer).map(|()| DONE);
    }
    for target in list(&answer["targets"]) {
        let count = |name: &str| target[name].as_u64().unwrap_or(0);
        out!(
            "{:<28} {} delivered, {} retried, {} failed, {} waiting",
            bold(&text(target, "target")),
            count("delivered"),
            count("retried"),
            count("failed"),
            count("waiting")
        );
        if let Some(failing) = target["failing"].as_str() {
            out!("    {failing}");
        }
    }
    let lately = list(&answer["notifications"]);
    if !lately.is_empty() {
        out!("\nLately (UTC):");
    }
    for one in lately {
        out!(
            "  {}  {:<11} {:<24} {:<22} {}",
            time(one, "created_at"),
            text(one, "state"),
            text(one, "target"),
            text(one, "topic"),
            text(one, "why")
        );
        if one["state"] != "delivered" && !text(one, "answer").is_empty() {
            out!("            attempt {}: {}", one["attempts"], text(one, "answer"));
        }
    }
    Ok(DONE)
}
