//! `midwatch forecast …`: what the server foresees, and what its record says of it.

use super::{Client, knowledge::encoded};
use crate::cli::{ClientArgs, ForecastCommand};
use crate::exit::{DONE, Exit};
use crate::output::{self, bold, out, text};
use anyhow::Result;
use serde_json::Value;

/// Services of a table at most; those below them are well.
const SHOWN: usize = 20;

pub async fn run(args: &ClientArgs, command: ForecastCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        ForecastCommand::List => {
            let answer = client.get("/api/v1/forecasts").await?;
            if args.json {
                return output::json(&answer).map(|()| DONE);
            }
            list(&answer);
        }
        ForecastCommand::Capacity { service } => {
            let only = service.map_or_else(String::new, |service| format!("?service={}", encoded(&service)));
            let answer = client.get(&format!("/api/v1/capacity{only}")).await?;
            if args.json {
                return output::json(&answer).map(|()| DONE);
            }
            capacity(&answer);
        }
        ForecastCommand::Ledger { csv: true } => {
            let table = client.text("/api/v1/forecasts/ledger?format=csv").await?;
            output::write(format_args!("{table}"));
        }
        ForecastCommand::Ledger { csv: false } => {
            let answer = client.get("/api/v1/forecasts/ledger").await?;
            if args.json {
                return output::json(&answer).map(|()| DONE);
            }
            ledger(&answer);
        }
    }
    Ok(DONE)
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn capacity(answer: &Value) {
    let fills = rows(&answer["fills"]);
    if fills.is_empty() {
        out!("Nothing that fills up has been read yet.");
    }
    fills.iter().for_each(|fill| out!("{}", text(fill, "sentence")));
    for trend in rows(&answer["trends"]) {
        let service = text(trend, "service");
        let rate = |name: &str| number(&trend[name], 1);
        match trend["trend"].as_str().unwrap_or_default() {
            "rising" => out!(
                "{service}: incidents become more, {} a week before, {} now",
                rate("before"),
                rate("now")
            ),
            "falling" => out!(
                "{service}: incidents become fewer, {} a week before, {} now",
                rate("before"),
                rate("now")
            ),
            "steady" => out!("{service}: {} incidents a week, neither more nor fewer", rate("rate")),
            _ => out!("{service}: {} incidents so far, too few for a trend", trend["incidents"]),
        }
    }
    if let Some(left_out) = answer["left_out"].as_u64().filter(|count| *count > 0) {
        out!("{left_out} services are not among these; ask for one by its name.");
    }
}

fn list(answer: &Value) {
    let services = rows(&answer["services"]);
    let minutes = number(&Value::from(answer["horizon_s"].as_f64().unwrap_or(0.0) / 60.0), 0);
    let alarms: Vec<String> =
        services.iter().filter(|service| service["alarm"].is_object()).map(|s| text(s, "service")).collect();
    let headline = match (alarms.as_slice(), services.first()) {
        ([], None) => "Nothing is read of any service yet.".to_owned(),
        ([], Some(first)) if !first["probability"].is_number() => {
            "Nothing can be said yet: the window is not full.".to_owned()
        }
        ([], Some(first)) => format!(
            "No alarm. {} is nearest to a breach within {minutes} minutes: {}.",
            text(first, "service"),
            percent(&first["probability"])
        ),
        (alarms, _) => format!("Probably in breach within {minutes} minutes: {}.", alarms.join(", ")),
    };
    out!("{}\n", bold(&headline));
    let row = |service: &Value| {
        let likely = service["probability"].as_f64().is_some_and(|probability| probability >= 0.5);
        // When something fails that will not is no question.
        let minutes = if likely { number(&service["minutes"], 1) } else { "–".to_owned() };
        let alarm = service["alarm"]["tier"].as_str().map_or_else(|| held(service), str::to_owned);
        vec![
            text(service, "service"),
            percent(&service["probability"]),
            minutes,
            percent(&service["confidence"]),
            alarm,
        ]
    };
    output::table(
        &["service", "breach", "in minutes", "confidence", "alarm"],
        services.iter().take(SHOWN).map(row).collect(),
    );
    if services.len() > SHOWN {
        out!("and {} more, less likely", services.len() - SHOWN);
    }
}

/// Why there is none, in few words.
fn held(service: &Value) -> String {
    let reason = |held: &Value| match held["reason"].as_str().unwrap_or_default() {
        "warming_up" => format!("warming up, {} ticks left", held["ticks_left"]),
        "stale" => format!("nothing read for {} ticks", held["ticks"]),
        "low_confidence" => format!("confidence below {}", number(&held["least"], 2)),
        other => other.replace('_', " "),
    };
    let all: Vec<String> = rows(&service["held"]).iter().map(reason).collect();
    if all.is_empty() { "–".to_owned() } else { format!("none: {}", all.join(", ")) }
}

fn ledger(answer: &Value) {
    out!("{}", bold(&headline(answer)));
    out!("{}\n", autonomy(&answer["autonomy"]));
    let row = |row: &Value| {
        let service = row["service"].as_str().unwrap_or("all").to_owned();
        let count = |name: &str| row[name].to_string();
        vec![
            text(row, "model"),
            service,
            count("hits"),
            count("missed"),
            count("false_alarms"),
            count("averted"),
            percent(&row["precision"]),
            percent(&row["recall"]),
            number(&row["median_lead_s"], 0),
            count("forecasts"),
            number(&row["brier"], 3),
            number(&row["ece"], 3),
        ]
    };
    let header = [
        "model",
        "service",
        "hits",
        "missed",
        "false",
        "averted",
        "precision",
        "recall",
        "lead s",
        "forecasts",
        "Brier",
        "cal. error",
    ];
    output::table(&header, rows(&answer["rows"]).iter().map(row).collect());
    let against = |name: &str| -> Vec<String> {
        let measured = rows(&answer["drift"]).iter().filter(|of| of[name].is_number());
        measured
            .map(|of| format!("{} {}", text(of, "quantity").replace('_', " "), number(&of[name], 2)))
            .collect()
    };
    let drift = against("index");
    if drift.is_empty() {
        out!("\nDrift of the inputs is measured against the first day, which is not over yet.");
    } else {
        out!(
            "\nDrift of the inputs against the first day (from 0.25 on it is another population): {}",
            drift.join(", ")
        );
    }
    let training = against("from_training");
    if !training.is_empty() {
        out!("Against the healthy windows that the model learnt from: {}", training.join(", "));
    }
}

fn headline(answer: &Value) -> String {
    let Some(all) = rows(&answer["rows"]).first() else {
        return "Nothing is graded yet: the first forecasts wait for what happens.".to_owned();
    };
    let count = |name: &str| all[name].as_u64().unwrap_or(0);
    let (hits, wrong) = (count("hits"), count("false_alarms"));
    format!(
        "{hits} of {} alarms were right, {} of {} breaches were foreseen.",
        hits + wrong,
        hits,
        hits + count("missed")
    )
}

fn autonomy(earned: &Value) -> String {
    match earned["earned"].as_str().unwrap_or_default() {
        "yes" => format!(
            "Autonomy is earned: the precision is at least {} (95 %).",
            percent(&earned["precision_low"])
        ),
        "lost_on_drift" => format!(
            "Autonomy is lost: {} has drifted ({}), so the record is of other inputs.",
            text(earned, "quantity").replace('_', " "),
            number(&earned["index"], 2)
        ),
        _ => format!(
            "Autonomy is not earned: after {} graded alarms, the precision is at least {} (95 %), and {} is needed.",
            earned["graded"],
            percent(&earned["precision_low"]),
            percent(&earned["needed"])
        ),
    }
}
