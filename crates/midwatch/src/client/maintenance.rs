//! `midwatch maintenance …`: planned time in which nothing is opened and nobody is paged.

use super::{Client, checked, lists, me};
use crate::cli::{ClientArgs, MaintenanceArgs, MaintenanceCommand};
use crate::duration;
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out, text, time};
use anyhow::Result;
use midwatch_model::after;
use serde_json::{Value, json};

pub async fn run(args: &ClientArgs, command: MaintenanceCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        MaintenanceCommand::Add(add) => {
            let answer = client.post("/api/v1/maintenance", &wanted(add)?).await?;
            if args.json {
                return output::json(&answer).map(|()| DONE);
            }
            let (from, until) = (time(&answer, "starts_at"), time(&answer, "ends_at"));
            out!("{}: {} from {from} until {until} UTC", text(&answer, "id"), matchers(&answer));
        }
        MaintenanceCommand::List { expired } => {
            let answer = client.get(&format!("/api/v1/maintenance?expired={expired}")).await?;
            let rows = answer["maintenance"].as_array().cloned().unwrap_or_default();
            let header = ["id", "state", "from (UTC)", "until (UTC)", "what", "by", "reason"];
            return lists::print(args.json, "maintenance", &rows, &header, |r| {
                let (from, until) = (time(r, "starts_at"), time(r, "ends_at"));
                vec![
                    text(r, "id"),
                    text(r, "state"),
                    from,
                    until,
                    matchers(r),
                    text(r, "by"),
                    text(r, "reason"),
                ]
            });
        }
        MaintenanceCommand::End { id } => {
            let answer = client.delete(&format!("/api/v1/maintenance/{}", checked(&id)?)).await?;
            if args.json {
                return output::json(&answer).map(|()| DONE);
            }
            out!("ended: {} {}", text(&answer, "id"), matchers(&answer));
        }
    }
    Ok(DONE)
}

fn matchers(row: &Value) -> String {
    let all = row["matchers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    all.collect::<Vec<_>>().join(",")
}

fn wanted(add: MaintenanceArgs) -> Result<Value> {
    if add.service.is_none() && add.matchers.is_empty() {
        return Err(Usage("say what is worked on: --service NAME or --match MATCHERS".into()).into());
    }
    let moment = |name: &str, text: &str| {
        let at = text.parse::<jiff::Timestamp>();
        at.map_err(|_| Usage(format!("--{name} is `{text}`, not a time such as 2026-11-22T03:00:00Z")))
    };
    let starts_at = add.start.map_or(Ok(jiff::Timestamp::now()), |text| moment("start", &text))?;
    let ends_at = match (add.end, add.lasts) {
        (Some(end), _) => moment("end", &end)?,
        (None, Some(lasts)) => {
            after(starts_at, duration::parse_s(&lasts).map_err(|e| Usage(format!("--for: {e}")))?)
        }
        (None, None) => return Err(Usage("say how long: --for 2h or --end TIME".into()).into()),
    };
    Ok(json!({
        "service": add.service, "matchers": add.matchers, "starts_at": starts_at, "ends_at": ends_at,
        "by": me(add.by), "reason": add.reason,
    }))
}
