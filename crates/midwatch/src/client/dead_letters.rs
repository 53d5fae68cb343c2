//! `midwatch dlq …`: what could not be used.

use super::{Client, checked, lists};
use crate::cli::{ClientArgs, DeadLetterCommand};
use crate::exit::{DONE, Exit};
use crate::output::{self, bold, out, text, time};
use anyhow::Result;
use serde_json::json;

pub async fn run(args: &ClientArgs, command: DeadLetterCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        DeadLetterCommand::List { limit, cursor } => {
            let none = lists::Parameters::default();
            let rows =
                lists::rows(&client, "/api/v1/dead-letters", "dead_letters", none, limit, cursor).await?;
            let header = ["id", "received (UTC)", "source", "sender", "tried again", "reason"];
            lists::print(args.json, "dead letters", &rows, &header, |r| {
                let at = time(r, "received_at");
                vec![
                    text(r, "id"),
                    at,
                    text(r, "source"),
                    text(r, "sender"),
                    time(r, "retried_at"),
                    text(r, "reason"),
                ]
            })
        }
        DeadLetterCommand::Show { id } => show(&client, args.json, checked(&id)?).await,
        DeadLetterCommand::Retry { id } => {
            let path = format!("/api/v1/dead-letters/{}/retry", checked(&id)?);
            let answer = client.post(&path, &json!({})).await?;
            if args.json {
                return output::json(&answer).map(|()| DONE);
            }
            let results: Vec<&str> =
                answer["results"].as_array().into_iter().flatten().filter_map(|id| id.as_str()).collect();
            out!("taken in: {}", results.join(", "));
            Ok(DONE)
        }
    }
}

async fn show(client: &Client, json: bool, id: &str) -> Result<Exit> {
    let letter = client.get(&format!("/api/v1/dead-letters/{id}")).await?;
    if json {
        return output::json(&letter).map(|()| DONE);
    }
    let (at, source) = (time(&letter, "received_at"), text(&letter, "source"));
    out!("{}  received {at} UTC from {source} ({})", bold(&text(&letter, "id")), text(&letter, "sender"));
    out!("{}", bold(&text(&letter, "reason")));
    if letter["retried_at"].is_string() {
        let results = letter["results"].as_array().map_or(0, Vec::len);
        let how =
            if results == 0 { "in vain".to_owned() } else { format!("and led to {}", letter["results"]) };
        out!("tried again {} UTC {how}", time(&letter, "retried_at"));
    }
    if letter["encoding"] == "base64" {
        out!("\nthe body is no text; in base64:");
    } else {
        out!("");
    }
    out!("{}", text(&letter, "body"));
    Ok(DONE)
}
