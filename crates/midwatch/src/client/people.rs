//! `midwatch incident ack | assign | snooze | merge | split`: what people do with an incident beside deciding.

use super::{Client, checked, me};
use crate::cli::{ClientArgs, IncidentCommand};
use crate::duration;
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out, text, time};
use anyhow::Result;
use midwatch_model::after;
use serde_json::{Value, json};

pub async fn run(client: &Client, args: &ClientArgs, command: IncidentCommand) -> Result<Exit> {
    let (id, what, body) = match command {
        IncidentCommand::Ack { id, by } => (id, "acknowledge", json!({ "by": me(by) })),
        IncidentCommand::Assign { id, to, by } => (id, "assign", json!({ "by": me(by), "to": to })),
        IncidentCommand::Snooze { id, long, reason, by } => {
            let seconds = duration::parse_s(&long).map_err(|error| Usage(format!("--for: {error}")))?;
            let until = after(jiff::Timestamp::now(), seconds);
            (id, "snooze", json!({ "by": me(by), "until": until, "reason": reason }))
        }
        IncidentCommand::Merge { id, into, reason, by } => {
            let body = json!({ "by": me(by), "into": checked(&into)?, "reason": reason });
            (id, "merge", body)
        }
        IncidentCommand::Split { id, signals, reason, by } => {
            (id, "split", json!({ "by": me(by), "signals": signals, "reason": reason }))
        }
        _ => return Ok(DONE),
    };
    let answer = client.post(&format!("/api/v1/incidents/{}/{what}", checked(&id)?), &body).await?;
    if args.json {
        return output::json(&answer).map(|()| DONE);
    }
    out!("{}", said(what, &answer));
    Ok(DONE)
}

fn said(what: &str, answer: &Value) -> String {
    let id = text(answer, "incident");
    match what {
        "acknowledge" => {
            format!("{id}: {} has it; nobody is told the same of it again", text(answer, "acknowledged"))
        }
        "assign" if answer["assignee"].is_null() => format!("{id} is assigned to nobody in particular"),
        "assign" => format!("{id} is assigned to {}", text(answer, "assignee")),
        "snooze" => format!(
            "{id}: nobody is told of it before {} UTC, but for its end; it is a silence, which can be ended sooner",
            time(answer, "snoozed_until")
        ),
        "merge" => format!("{id} is closed; {} goes on for both", text(answer, "merged_into")),
        _ => format!("{id} was split off {}", text(answer, "split_from")),
    }
}
