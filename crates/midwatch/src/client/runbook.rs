//! `midwatch runbook run|generate` and `midwatch backtest`: what the server is asked for.

use super::{Client, knowledge::encoded};
use crate::cli::{AboutArgs, BacktestArgs, ClientArgs};
use crate::exit::{DONE, Exit, FAILED, Usage};
use crate::output::{self, bold, out, text, time};
use crate::{duration, runbook};
use anyhow::{Context as _, Result};
use midwatch_engine::Advisor;
use midwatch_model::Cause;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;

pub async fn rehearse(args: &ClientArgs, workflow: &str, about: &AboutArgs) -> Result<Exit> {
    let (file, text_of) = runbook::text_by_name(workflow)?;
    let body = json!({
        "file": file, "text": text_of, "service": about.service, "cause": about.cause, "severity": about.severity,
    });
    let answer = Client::new(args)?.post("/api/v1/workflow/rehearsals", &body).await?;
    if args.json {
        return output::json(&answer).map(|()| DONE);
    }
    out!("{} for {}, {}: nothing is done", bold(&text(&answer, "workflow")), about.service, about.cause);
    for line in answer["lines"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let after_s = line["after_s"].as_f64().unwrap_or_default();
        out!("  {after_s:>5.0} s  {}", text(line, "what"));
        if let Some(undo) = line["undo"].as_str() {
            out!("           undo: {undo}");
        }
    }
    let completed = answer["outcome"] == "completed";
    if answer["outcome"].is_null() {
        out!("It did not come to an end: shorten its waits or loops.");
    }
    Ok(if completed { DONE } else { FAILED })
}

pub async fn generate(
    args: &ClientArgs,
    cause: Cause,
    service: Option<&str>,
    output: Option<&Path>,
    model: Option<Advisor>,
) -> Result<Exit> {
    let of_service = service.map_or_else(String::new, |service| format!("&service={}", encoded(service)));
    let path = format!("/api/v1/workflow/outline?cause={cause}{of_service}");
    let mut answer = Client::new(args)?.get(&path).await?;
    if let (Some(model), Some(draft)) = (model, answer["text"].as_str()) {
        match midwatch_engine::word_runbook(draft, &model).await {
            Ok(worded) => answer["text"] = worded.into(),
            Err(why) => eprintln!("without a model's words: {why}"),
        }
    }
    if args.json {
        return output::json(&answer).map(|()| DONE);
    }
    let Some(draft) = answer["text"].as_str() else {
        let count = &answer["incidents"];
        eprintln!(
            "of {count} earlier incidents, none was ended by a single action (workflows' runs are runbooks already): there is nothing to outline"
        );
        return Ok(FAILED);
    };
    let Some(output) = output else {
        output::write(format_args!("{draft}"));
        return Ok(DONE);
    };
    // Somebody's work is not written over.
    let file = std::fs::File::options().write(true).create_new(true).open(output);
    let mut file = file.with_context(|| format!("cannot create {}", output.display()))?;
    file.write_all(draft.as_bytes()).with_context(|| format!("cannot write {}", output.display()))?;
    let shown = output.display();
    out!("A draft from {} incidents is in {shown}. It runs nowhere yet:", answer["incidents"]);
    out!("  1. read and finish it, then `midwatch runbook check {shown}`");
    out!("  2. put it into the folder of [runbooks] dir, and its name into enabled");
    Ok(DONE)
}

pub async fn backtest(args: &ClientArgs, wanted: &BacktestArgs) -> Result<Exit> {
    let policy = std::fs::read_to_string(&wanted.policy)
        .map_err(|error| Usage(format!("cannot read the policy {}: {error}", wanted.policy.display())))?;
    let since_s = duration::parse_s(&wanted.since).map_err(Usage)?;
    let body = json!({ "policy": policy, "since_s": since_s, "mode": wanted.mode });
    let answer = Client::new(args)?.post("/api/v1/backtests", &body).await?;
    if args.json {
        return output::json(&answer).map(|()| DONE);
    }
    summary(&answer, &wanted.since);
    let rows = answer["differences"].as_array().cloned().unwrap_or_default();
    if !rows.is_empty() {
        let row = |row: &Value| {
            let mark = if row["incomplete"] == true { " *" } else { "" };
            vec![
                text(row, "incident"),
                time(row, "at"),
                text(row, "action"),
                format!("{} → {}{mark}", text(row, "was"), text(row, "would")),
                text(row, "because"),
            ]
        };
        output::table(&["incident", "at", "action", "decision", "because"], rows.iter().map(row).collect());
    }
    notes(&answer);
    Ok(DONE)
}

fn summary(answer: &Value, since: &str) {
    let (incidents, different) = (&answer["incidents"], &answer["different"]);
    out!(
        "{}",
        bold(&format!(
            "{different} of {incidents} incidents of the last {since} would have gone another way"
        ))
    );
    let change = |name: &str| {
        let (was, would) =
            (answer[name]["was"].as_i64().unwrap_or(0), answer[name]["would"].as_i64().unwrap_or(0));
        format!("{was} → {would} ({:+})", would - was)
    };
    out!("  incidents that asked a person  {}", change("pages"));
    out!("  actions                        {}", change("actions"));
    out!("  Each incident counts up to its first difference: what would have followed nobody can know.");
}

/// What is not known.
fn notes(answer: &Value) {
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    if count("incomplete") > 0 {
        out!(
            "* {} of {} decisions were recorded before midwatch kept what a policy is asked: for them, the namespace is that of \
             now, every action counts as possible, and levels of autonomy are left out.",
            count("incomplete"),
            count("decisions")
        );
    }
    if count("unknown") > 0 {
        out!(
            "{} decisions could not be asked for anew: not even their action is on record.",
            count("unknown")
        );
    }
    if count("unreadable") > 0 {
        out!("{} incidents could not be read; `midwatch store verify` says why.", count("unreadable"));
    }
}
