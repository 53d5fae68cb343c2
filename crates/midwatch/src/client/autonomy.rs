//! `midwatch autonomy …`: how far midwatch may go by itself, on what record, and who said so.

use super::{Client, lists, me};
use crate::cli::{AutonomyCommand, ClientArgs, CombinationArgs};
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out, text};
use anyhow::Result;
use midwatch_model::decision::Mode;
use serde_json::{Value, json};

pub async fn run(args: &ClientArgs, command: AutonomyCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        AutonomyCommand::Show => show(args, &client).await,
        AutonomyCommand::Promote(of) => {
            set(args, &client, of, &[Mode::Shadow, Mode::Propose, Mode::Auto]).await
        }
        AutonomyCommand::Demote(of) => {
            set(args, &client, of, &[Mode::Auto, Mode::Propose, Mode::Shadow]).await
        }
    }
}

async fn show(args: &ClientArgs, client: &Client) -> Result<Exit> {
    let answer = client.get("/api/v1/autonomy").await?;
    let rows = answer["combinations"].as_array().cloned().unwrap_or_default();
    if !args.json {
        let mode = text(&answer, "mode");
        let note = if mode == "auto" { "" } else { ": levels hold in mode auto only" };
        out!("mode {mode}, dry_run {}{note}", text(&answer, "dry_run"));
        if rows.is_empty() {
            out!("Nothing was tried so far and no level was set: the mode and [[decision.autonomy]] decide.");
            return Ok(DONE);
        }
    }
    let header = ["action", "service", "cause", "level", "recovered", "at least", "why"];
    lists::print(args.json, "combinations", &rows, &header, |row| {
        let record = &row["record"];
        let low = row["share_low"].as_f64().map_or_else(|| "–".into(), |low| format!("{:.0} %", low * 100.0));
        let why = row["suggestion"].as_str().map(|why| format!("suggested: trust it with more, {why}"));
        vec![
            text(row, "action"),
            text(row, "service"),
            text(row, "cause"),
            text(row, "mode"),
            format!("{} of {}", record["recovered"], record["trials"]),
            low,
            why.unwrap_or_else(|| text(row, "why")),
        ]
    })
}

/// Sets the level that was named, or the next on the ladder.
async fn set(args: &ClientArgs, client: &Client, of: CombinationArgs, ladder: &[Mode]) -> Result<Exit> {
    let answer = client.get("/api/v1/autonomy").await?;
    let is_it = |row: &&Value| {
        row["action"] == of.action.as_str()
            && row["service"] == of.service.as_str()
            && row["cause"] == of.cause.as_str()
    };
    let rows = answer["combinations"].as_array().cloned().unwrap_or_default();
    let known = rows
        .iter()
        .find(is_it)
        .and_then(|row| row["mode"].as_str())
        .and_then(|mode| mode.parse::<Mode>().ok());
    let next = || {
        let at = ladder.iter().position(|mode| Some(*mode) == known)?;
        ladder.get(at + 1).copied()
    };
    let level = match (&of.to, known) {
        (Some(to), _) => to.parse().map_err(Usage)?,
        (None, Some(known)) => {
            next().ok_or_else(|| Usage(format!("it is `{known}` already, and there is nothing beyond")))?
        }
        (None, None) => {
            return Err(Usage(
                "nothing is known of this combination yet: say --to shadow, propose or auto".into(),
            )
            .into());
        }
    };
    let body = json!({
        "action": of.action, "service": of.service, "cause": of.cause, "level": level, "by": me(of.by), "reason": of.reason,
    });
    let standing = client.post("/api/v1/autonomy", &body).await?;
    if args.json {
        return output::json(&standing).map(|()| DONE);
    }
    let record = &standing["record"];
    let (what, mode) = (format!("{} on {} for {}", of.action, of.service, of.cause), text(&standing, "mode"));
    out!("{mode}: {what}; its record: {} of {} recovered", record["recovered"], record["trials"]);
    if mode != level.to_string() {
        out!("  {}", text(&standing, "why"));
    }
    Ok(DONE)
}
