//! Following the incident and judging the end against the lab's own truth.

use super::processes::Processes;
use super::scenario::Scenario;
use crate::client::Client;
use crate::exit::{DONE, Exit, FAILED, WAITING};
use anyhow::Result;
use jiff::Timestamp;
use midwatch_model::decision::Mode;
use midwatch_model::seconds_between;
use serde::Serialize;
use serde_json::Value;
use std::time::Instant;

/// What the demo prints last; `docs/schemas/demo-result.schema.json`.
#[derive(Debug, Default, Serialize)]
pub struct DemoResult {
    pub incident_id: Option<String>,
    pub cause: Option<String>,
    pub component: Option<String>,
    /// The action that was last done and not undone; `escalate` when the incident was handed to a person.
    pub action: Option<String>,
    pub recovered: bool,
    /// Seconds from the injection of the fault.
    pub time_to_detect_s: Option<f64>,
    /// Seconds from the injection of the fault to the first conclusive verdict.
    pub time_to_verdict_s: Option<f64>,
    /// Seconds from detection to verified recovery.
    pub mttr_s: Option<f64>,
    /// Path of the postmortem.
    pub postmortem: Option<String>,
    /// Path of the incident as a bundle, for `midwatch investigate`.
    pub bundle: Option<String>,
    /// All incidents; one fault should make one.
    pub incidents: usize,
    /// Whether the lab itself says that the fault is gone.
    pub fault_gone: Option<bool>,
    pub state: Option<String>,
}

impl DemoResult {
    pub fn quiet(incident: Option<&Value>) -> Self {
        Self {
            incident_id: incident.and_then(|i| i["id"].as_str()).map(str::to_owned),
            incidents: usize::from(incident.is_some()),
            ..Self::default()
        }
    }
}

/// Watches the incident through the API and tells what is new.
pub struct Follower {
    injected_at: Timestamp,
    started: Instant,
    told: usize,
    incident: Option<Value>,
    incidents: usize,
    gone: bool,
}

impl Follower {
    pub fn new(injected_at: Timestamp, started: Instant) -> Self {
        Self { injected_at, started, told: 0, incident: None, incidents: 0, gone: false }
    }

    /// Looks once; true when the incident has come to an end that has its report.
    pub async fn look(&mut self, client: &Client, service: &str) -> Result<bool> {
        let list = client.get("/api/v1/incidents").await?;
        self.gone = false;
        let rows = list["incidents"].as_array().cloned().unwrap_or_default();
        self.incidents = rows.len();
        // The first one that names the broken service, else the first: every other is one incident too many.
        let named = rows.iter().rev().find(|row| row["component"] == service || row["service"] == service);
        let Some(id) = named.or(rows.last()).and_then(|row| row["id"].as_str()) else { return Ok(false) };
        if self.incident.as_ref().is_some_and(|known| known["id"] != id) {
            self.told = 0;
        }
        let incident = client.get(&format!("/api/v1/incidents/{id}")).await?;
        for row in incident["timeline"].as_array().into_iter().flatten().skip(self.told) {
            let (role, what) =
                (row["role"].as_str().unwrap_or_default(), row["what"].as_str().unwrap_or_default());
            eprintln!("{:>6.1} s  {role:<12} {what}", self.started.elapsed().as_secs_f64());
        }
        self.told = incident["timeline"].as_array().map_or(0, Vec::len);
        let ended = matches!(incident["state"].as_str(), Some("resolved" | "escalated" | "closed"));
        let reported = incident["postmortem"].is_string();
        self.incident = Some(incident);
        Ok(ended && reported)
    }

    /// The server does not answer: say so once and go on asking.
    pub fn server_gone(&mut self, error: &anyhow::Error, processes: &Processes) {
        if !self.gone {
            eprintln!("the server is gone ({error:#}); waiting for it: {}", processes.restart_hint());
            self.gone = true;
        }
    }

    /// The result and the exit code.
    pub fn result(&self, truth: &Value, scenario: &Scenario, mode: Mode) -> (DemoResult, Exit) {
        let fault = truth["faults"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|f| f["service"] == scenario.service.as_str());
        let mut result = DemoResult {
            incidents: self.incidents,
            fault_gone: fault.and_then(|f| f["present"].as_bool()).map(|present| !present),
            ..DemoResult::default()
        };
        let Some(incident) = &self.incident else { return (result, FAILED) };
        let text = |field: &str| incident[field].as_str().map(str::to_owned);
        let since = |field: &str| {
            let at: Timestamp = incident[field].as_str()?.parse().ok()?;
            Some((seconds_between(self.injected_at, at) * 10.0).round() / 10.0)
        };
        let actions = incident["actions"].as_array().cloned().unwrap_or_default();
        let undone = |key: &Value| actions.iter().any(|a| a["undoes"] == *key);
        let last = actions
            .iter()
            .rev()
            .find(|a| a["undoes"].is_null() && a["outcome"]["outcome"] == "applied" && !undone(&a["key"]));
        result.incident_id = text("id");
        result.cause = text("cause");
        result.component = text("component");
        result.action = last.and_then(|a| a["action"]["kind"].as_str()).map(str::to_owned);
        if result.action.is_none() && incident["escalated"].is_string() {
            result.action = Some("escalate".into());
        }
        result.state = text("state");
        result.time_to_detect_s = since("opened_at");
        result.time_to_verdict_s = since("verdict_at");
        result.mttr_s = incident["mttr_ms"].as_u64().map(|ms| ms as f64 / 1000.0);
        result.postmortem = text("postmortem");
        let resolved = matches!(text("state").as_deref(), Some("resolved" | "closed"));
        result.recovered = resolved && !actions.is_empty() && incident["verification"] == "recovered";
        let waiting = text("state").as_deref() == Some("awaiting_approval");
        let exit = match (result.recovered, waiting || (mode == Mode::Propose && resolved)) {
            (true, _) if result.fault_gone == Some(true) => DONE,
            (false, true) if waiting => WAITING,
            _ => FAILED,
        };
        (result, exit)
    }
}

/// What was broken beside what midwatch found.
pub fn told(result: &DemoResult, scenario: &Scenario, fault: &str, exit: Exit) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".into());
    let expected = scenario.cause.map_or("nothing", midwatch_model::Cause::name);
    let mut lines = vec![
        format!("Broken:  {} at {} (fault {fault})", expected, scenario.service),
        format!("Found:   {} at {}", or(&result.cause), or(&result.component)),
        format!("Done:    {}", or(&result.action)),
    ];
    if let Some(gone) = result.fault_gone {
        lines.push(format!("The lab says: the fault is {}", if gone { "gone" } else { "still there" }));
    }
    if let (Some(detect), Some(mttr)) = (result.time_to_detect_s, result.mttr_s) {
        lines.push(format!(
            "Detected {detect:.1} s after the fault began; {mttr:.1} s from there to verified recovery"
        ));
    }
    if exit == WAITING {
        lines.push("It waits for a person's approval.".into());
    }
    if let Some(path) = &result.postmortem {
        lines.push(format!("Postmortem: {path}"));
    }
    if let Some(path) = &result.bundle {
        lines.push(format!("Look into it: midwatch investigate {path} --explain"));
    }
    lines.join("\n")
}
