//! Client commands: they speak to a running server and never open its database.

pub mod autonomy;
pub mod dead_letters;
pub mod export;
pub mod forecasts;
pub mod knowledge;
mod lists;
pub mod maintenance;
pub mod notify;
mod people;
pub mod runbook;
pub mod top;

use crate::cli::{ActArgs, AlertCommand, ClientArgs, IncidentCommand};
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, bold, out, text, time};
use anyhow::{Context as _, Result, anyhow};
use midwatch_model::action::Resources;
use midwatch_model::{Action, ActionKind, Score, ServiceName};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest wait for what is only looked up.
const LOOK_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest wait for what is done; an action may take its target this long.
const TIMEOUT: Duration = Duration::from_secs(150);

/// Where people's actions go.
const ACTIONS: &str = "/api/v1/actions";

/// A connection to a server.
pub struct Client {
    url: String,
    key: Option<String>,
    http: reqwest::Client,
}

impl Client {
    pub fn new(args: &ClientArgs) -> Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .context("cannot set up the HTTP client")?;
        Ok(Self { url: args.url.trim_end_matches('/').to_owned(), key: args.api_key.clone(), http })
    }

    /// Asks, for at most so long if it is said.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        within: Option<Duration>,
    ) -> Result<reqwest::Response> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(within) = within {
            request = request.timeout(within);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if path == ACTIONS {
            request = request.header("idempotency-key", random()?);
        }
        let response = request.send().await.map_err(|error| match error.is_timeout() && !error.is_connect() {
            true if path == ACTIONS => anyhow!(
                "no answer within {} s; the action may have been done, or still be: look before you ask again \
                 (`GET /api/v1/actions`, `midwatch incident list`)",
                TIMEOUT.as_secs()
            ),
            true => anyhow!("{} gave no answer within {} s", self.url, within.unwrap_or(TIMEOUT).as_secs()),
            false => anyhow!(
                "no midwatch answers at {} ({}); start one with `midwatch serve -c FILE`, or set --url",
                self.url,
                root(&error)
            ),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body: Value = response.json().await.unwrap_or(Value::Null);
        let text =
            body["error"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
        Err(anyhow!(text))
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.send(Method::GET, path, None, Some(LOOK_TIMEOUT)).await?.json().await?)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(self.send(Method::POST, path, Some(body), None).await?.json().await?)
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        Ok(self.send(Method::DELETE, path, None, None).await?.json().await?)
    }

    async fn text(&self, path: &str) -> Result<String> {
        Ok(self.send(Method::GET, path, None, None).await?.text().await?)
    }
}

/// What tells one request from every other.
fn random() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system has no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn root(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// An id as the server gives them out; anything else would only change the address that is asked.
pub fn checked(id: &str) -> Result<&str> {
    if !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(id);
    }
    Err(Usage(format!("`{id}` is not an id; `midwatch incident list` shows those there are")).into())
}

/// Whoever types the command, as far as the machine knows.
fn me(by: Option<String>) -> String {
    by.or_else(|| std::env::var("USER").ok()).filter(|by| !by.is_empty()).unwrap_or_else(|| "operator".into())
}

pub async fn alert(args: &ClientArgs, command: AlertCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        AlertCommand::List { filters } => lists::alerts(&client, args.json, filters).await,
        AlertCommand::Show { id } => lists::alert(&client, args.json, checked(&id)?).await,
    }
}

pub async fn incident(args: &ClientArgs, command: IncidentCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        IncidentCommand::List { filters } => return lists::incidents(&client, args.json, filters).await,
        IncidentCommand::Show { id } => {
            let incident = client.get(&format!("/api/v1/incidents/{}", checked(&id)?)).await?;
            if args.json {
                return output::json(&incident).map(|()| DONE);
            }
            show(&incident);
        }
        IncidentCommand::Postmortem { id } => {
            let markdown = client.text(&format!("/api/v1/incidents/{}/postmortem", checked(&id)?)).await?;
            if args.json {
                return output::json(&json!({ "incident": id, "markdown": markdown })).map(|()| DONE);
            }
            output::write(format_args!("{markdown}"));
        }
        IncidentCommand::Export { id, dir } => return export::run(&client, args.json, &id, &dir).await,
        other => return people::run(&client, args, other).await,
    }
    Ok(DONE)
}

/// Verdict, evidence, what was or would be done, how to undo it: in this order.
fn show(incident: &Value) {
    out!(
        "{}  {}  opened {} UTC",
        bold(&text(incident, "id")),
        text(incident, "state"),
        time(incident, "opened_at")
    );
    out!("{}\n", bold(&text(incident, "summary")));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    family(incident);
    let verdict = &incident["verdict"];
    if let Some(root) = list(&verdict["ranked"]).first() {
        for reason in list(&root["reasons"]) {
            out!("  - {}", reason.as_str().unwrap_or_default());
        }
        for (title, ids) in [("Evidence for", &root["for"]), ("Evidence against", &root["against"])] {
            let ids = list(ids);
            if !ids.is_empty() {
                out!("\n{title}:");
            }
            for e in list(&verdict["evidence"]).iter().filter(|e| ids.contains(&e["id"])) {
                out!("  {:<6} {:<20} {}", text(e, "id"), text(e, "source"), text(e, "excerpt"));
                out!("         {}", text(e, "query"));
            }
        }
    }
    let others = list(&verdict["ranked"]);
    for other in others.iter().skip(1) {
        out!(
            "  also considered: {} {} ({:.2})",
            text(other, "component"),
            text(other, "cause"),
            other["confidence"].as_f64().unwrap_or(0.0)
        );
    }
    if let Some(origin) = incident["suspected_origin"]["entity"].as_str() {
        out!("  suspected origin: {origin}{}", parts(&incident["suspected_origin"]["score"]));
    }
    if let Some(waiting) = incident["waiting"].as_object().map(|_| &incident["waiting"]) {
        out!("\n{}", bold(&format!("Waiting for you: {}", text(waiting, "action"))));
        out!("  why: {}\n  undo: {}", text(waiting, "why"), text(waiting, "undo"));
        if let Some(count) = count_of_yeses(waiting) {
            out!("  {count}");
        }
        out!("  midwatch approve {}    (plan {})", text(waiting, "incident"), text(waiting, "plan"));
    }
    out!("\nTimeline (UTC):");
    for row in list(&incident["timeline"]) {
        let at = row["at"].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
        let at = at.map_or_else(String::new, |at| at.strftime("%H:%M:%S").to_string());
        out!("  {at}  {:<12} {}", text(&row, "role"), text(&row, "what"));
    }
    if let Some(path) = incident["postmortem"].as_str() {
        out!("\nPostmortem: {path}");
    }
}

/// How many people have said yes of how many that must; nothing where one is enough.
fn count_of_yeses(waiting: &Value) -> Option<String> {
    let needed = waiting["needed"].as_u64().filter(|needed| *needed > 1)?;
    let names: Vec<&str> =
        waiting["approved_by"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let who = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    Some(format!("{} of {needed} people have said yes{who}", names.len()))
}

/// The incidents that this one is related to, though they are not one with it.
fn family(incident: &Value) {
    let children = incident["children"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(parent) = incident["parent"].as_str() {
        out!("child of {parent}{}", parts(&incident["parent_score"]));
    }
    if !children.is_empty() {
        out!("children:");
    }
    for child in children {
        out!("  {}  {:<13} {}", text(child, "id"), text(child, "state"), text(child, "summary"));
    }
    if incident["parent"].is_string() || !children.is_empty() {
        out!("");
    }
}

/// A score with its parts, behind a colon; nothing where there is none.
fn parts(score: &Value) -> String {
    serde_json::from_value::<Score>(score.clone())
        .map_or_else(|_| String::new(), |score| format!(": {}", score.sentence()))
}

pub async fn why(args: &ClientArgs, id: &str) -> Result<Exit> {
    let client = Client::new(args)?;
    let kind = if id.starts_with("inc-") { "incidents" } else { "alerts" };
    let answer = client.get(&format!("/api/v1/{kind}/{}/lineage", checked(id)?)).await?;
    if args.json {
        return output::json(&answer).map(|()| DONE);
    }
    if let Some(headline) = answer["headline"].as_str() {
        out!("{}\n", bold(headline));
    }
    // The signals of an incident are several, and each step says whose it is; those of one alert are its own.
    let several = answer["alert"].is_null();
    for step in answer["steps"].as_array().into_iter().flatten() {
        let whose =
            step["signal"].as_str().filter(|_| several).map_or_else(String::new, |id| format!("  {id}"));
        let (detail, parts) = (text(step, "detail"), parts(&step["score"]));
        // Where a score decided, it is the reason already.
        let score = if detail.contains(parts.trim_start_matches(": ")) { String::new() } else { parts };
        out!("{}  {:<12}  {detail}{whose}{score}", time(step, "at"), text(step, "step"));
    }
    Ok(DONE)
}

/// Approves or denies what an incident waits with. The plan that is shown is the plan that is answered.
pub async fn answer(
    args: &ClientArgs,
    decision: &str,
    incident: &str,
    plan: Option<String>,
    by: Option<String>,
    reason: Option<String>,
) -> Result<Exit> {
    let client = Client::new(args)?;
    let shown = client.get(&format!("/api/v1/incidents/{}", checked(incident)?)).await?;
    let waiting = &shown["waiting"];
    let plan = match plan {
        // The first characters are what is shown everywhere.
        Some(plan) => {
            match waiting["plan"].as_str().filter(|full| plan.len() >= 8 && full.starts_with(&plan)) {
                Some(full) => full.to_owned(),
                None => plan,
            }
        }
        None => waiting["plan"].as_str().map(str::to_owned).ok_or_else(|| {
            anyhow!("{incident} is {} and waits for nobody's approval", text(&shown, "state"))
        })?,
    };
    let body = json!({
        "incident": incident, "plan": plan, "step": waiting["step"], "decision": decision, "by": me(by), "reason": reason.unwrap_or_default(),
    });
    let answer = client.post("/api/v1/approvals", &body).await?;
    let (have, needed) = (answer["have"].as_u64().unwrap_or(1), answer["needed"].as_u64().unwrap_or(1));
    let more = decision == "approve" && have < needed;
    if args.json {
        return output::json(&answer).map(|()| if more { crate::exit::WAITING } else { DONE });
    }
    let word = if decision == "approve" { "approved" } else { "denied" };
    let what = text(waiting, "action");
    let again = if answer["again"] == true { "; you have said so before, and it counts once" } else { "" };
    if more {
        out!("{have} of {needed} people have said yes to: {what} (plan {plan}){again}");
        out!("  somebody else must, too, until {}", text(waiting, "expires_at"));
        return Ok(crate::exit::WAITING);
    }
    out!("{word} by {}: {what} (plan {plan}){again}", text(&answer, "by"));
    Ok(DONE)
}

fn action(args: &ActArgs) -> Result<Action> {
    let target = ServiceName::new(&args.service);
    let needs = |what: &str| Usage(format!("{} needs {what}", args.action));
    let kind: ActionKind = args.action.parse().map_err(Usage)?;
    Ok(match kind {
        ActionKind::Rollback => Action::Rollback { target, to_version: args.to.clone() },
        ActionKind::Restart => Action::Restart { target },
        ActionKind::RestartDbPool => Action::RestartDbPool { target },
        ActionKind::ResizeDbPool => {
            Action::ResizeDbPool { target, size: args.size.ok_or_else(|| needs("--size CONNECTIONS"))? }
        }
        ActionKind::Scale => {
            Action::Scale { target, replicas: args.replicas.ok_or_else(|| needs("--replicas N"))? }
        }
        ActionKind::CircuitBreak => Action::CircuitBreak { target, open: !args.close },
        ActionKind::DeletePod => {
            Action::DeletePod { target, pod: args.pod.clone().ok_or_else(|| needs("--pod NAME"))? }
        }
        ActionKind::Cordon => Action::Cordon {
            target,
            node: args.node.clone().ok_or_else(|| needs("--node NAME"))?,
            unschedulable: !args.off,
        },
        ActionKind::SetImage => Action::SetImage {
            target,
            container: args.container.clone(),
            image: args.image.clone().ok_or_else(|| needs("--image IMAGE"))?,
        },
        ActionKind::SetResources => {
            let resources = args.resources();
            if resources == Resources::default() {
                return Err(needs("--cpu-limit, --memory-limit, --cpu-request or --memory-request").into());
            }
            Action::SetResources { target, container: args.container.clone(), resources, exact: false }
        }
        ActionKind::PullRequest => {
            let incident = args.incident.as_deref().ok_or_else(|| needs("--incident ID"))?.into();
            Action::PullRequest { target, incident, proposal: None, open: !args.off }
        }
        ActionKind::Escalate => {
            return Err(
                Usage("escalate is what midwatch does; a person acts or calls a colleague".into()).into()
            );
        }
    })
}

pub async fn act(args: &ClientArgs, act: ActArgs) -> Result<Exit> {
    let action = action(&act)?;
    let client = Client::new(args)?;
    let body = json!({ "action": action, "by": me(act.by), "reason": act.reason.unwrap_or_default() });
    let result = client.post(ACTIONS, &body).await?;
    let decision = result["gate"]["decision"].as_str().unwrap_or_default().to_owned();
    let outcome = result["outcome"]["outcome"].as_str();
    if args.json {
        output::json(&result)?;
    } else {
        out!("gate: {decision}: {}", text(&result["gate"], "because"));
        if decision == "needs_approval" {
            out!(
                "it is done once another person who may decide asks for the same, within the time of an approval"
            );
        }
        if let Some(outcome) = outcome {
            let detail = result["outcome"]["detail"].as_str().or(result["outcome"]["reason"].as_str());
            out!("{outcome}: {}", detail.unwrap_or_default());
        }
        if result["undo"].is_object() && outcome == Some("applied") {
            let undo: Option<Action> = serde_json::from_value(result["undo"].clone()).ok();
            out!("undo: {}", undo.map_or_else(String::new, |u| u.sentence()));
        }
    }
    Ok(match (decision.as_str(), outcome) {
        (_, Some("applied")) | ("dry_run", _) => DONE,
        ("needs_approval", _) => crate::exit::WAITING,
        _ => crate::exit::FAILED,
    })
}

pub async fn status(args: &ClientArgs) -> Result<Exit> {
    let client = Client::new(args)?;
    let status = client.get("/api/v1/status").await?;
    if args.json {
        return output::json(&status).map(|()| DONE);
    }
    let health = &status["health"];
    out!(
        "{}  mode {}  dry_run {}",
        bold(&text(health, "status")),
        text(&status, "mode"),
        text(&status, "dry_run")
    );
    out!(
        "tick {}, {} warm-up ticks left, telemetry {} s old, {} services, {} open incidents, {} waiting for you",
        text(health, "tick"),
        text(health, "warm_up_ticks_left"),
        health["staleness_s"].as_f64().map_or_else(|| "–".into(), |s| format!("{s:.1}")),
        text(&status, "services"),
        text(&status, "open_incidents"),
        text(&status, "waiting_for_approval"),
    );
    for source in health["sources_failing"].as_array().cloned().unwrap_or_default() {
        out!("  failing: {}", source.as_str().unwrap_or_default());
    }
    for receiver in health["receivers_failing"].as_array().cloned().unwrap_or_default() {
        out!("  {} {}", bold("nobody is told:"), receiver.as_str().unwrap_or_default());
    }
    Ok(DONE)
}
