//! Forecasts as gauges: so that a dashboard can draw them, and somebody else's alerts can rest on them.

use super::{Text, label_value};
use midwatch_engine::{Engine, Shown};
use std::fmt::Write as _;

pub(super) fn about_forecasts(engine: &Engine, text: &mut Text) {
    // Where nothing is foreseen there is nothing to tell; `/api/v1/forecasts` says why.
    if let Ok(shown) = engine.forecasts() {
        about_now(&shown, text);
    }
    about_record(engine, text);
}

fn about_now(shown: &Shown, text: &mut Text) {
    let (mut probabilities, mut alarms) = (String::new(), String::new());
    for told in &shown.services {
        let service = label_value(told.judged.service.as_str());
        if let Some(probability) = told.judged.probability {
            let _ = writeln!(
                probabilities,
                "midwatch_forecast_probability{{service=\"{service}\"}} {probability:.4}"
            );
        }
        if let Some(alarm) = told.alarm {
            let _ = writeln!(
                alarms,
                "midwatch_forecast_alarm{{service=\"{service}\",tier=\"{}\"}} 1",
                alarm.tier
            );
        }
    }
    text.add(
        "midwatch_forecast_probability",
        "Probability that the service breaks its objective within the horizon.",
        "gauge",
        probabilities,
    );
    text.add("midwatch_forecast_alarm", "Alarms that stand, by tier.", "gauge", alarms);
    text.add(
        "midwatch_forecast_horizon_seconds",
        "How far forecasts look.",
        "gauge",
        format!("midwatch_forecast_horizon_seconds {}\n", shown.horizon_s),
    );
}

fn about_record(engine: &Engine, text: &mut Text) {
    let report = engine.ledger();
    // The first row is that of the present model over all services.
    if let Some(all) = report.rows.first().map(|row| &row.summary) {
        let grades = [
            ("hit", all.hits),
            ("missed", all.missed),
            ("false_alarm", all.false_alarms),
            ("averted", all.averted),
            ("unknown", all.unknown),
        ];
        let lines = grades.iter().fold(String::new(), |mut lines, (grade, count)| {
            let _ = writeln!(lines, "midwatch_forecast_grades{{grade=\"{grade}\"}} {count}");
            lines
        });
        let help =
            "Alarms of the present model by what they came to, and breaches without an alarm (missed).";
        text.add("midwatch_forecast_grades", help, "gauge", lines);
        if let Some(brier) = all.brier {
            let help = "Mean squared distance of probabilities from what happened; lower is better.";
            text.add(
                "midwatch_forecast_brier",
                help,
                "gauge",
                format!("midwatch_forecast_brier {brier:.5}\n"),
            );
        }
    }
    let drift = report.drift.iter().filter_map(|drift| Some((drift.quantity.name(), drift.index?)));
    let lines = drift.fold(String::new(), |mut lines, (quantity, index)| {
        let _ = writeln!(lines, "midwatch_forecast_drift{{quantity=\"{quantity}\"}} {index:.4}");
        lines
    });
    let help = "Population stability index of the inputs against the first day; from 0.25 on it is another population.";
    text.add("midwatch_forecast_drift", help, "gauge", lines);
}
