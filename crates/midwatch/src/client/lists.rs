//! Lists: pages are followed until there are as many rows as were asked for.

use super::Client;
use crate::cli::{AlertFilters, IncidentFilters};
use crate::duration;
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, out, text, time};
use anyhow::Result;
use serde_json::Value;

/// Rows that one request asks for at most: what the server gives at once.
const PAGE_MAX: usize = 1_000;

/// Parameters of a request; what was not given is left out.
#[derive(Default)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    pub fn with(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        self.0.extend(value.map(|value| (name, value.into())));
        self
    }

    /// A moment, or so long ago.
    pub fn moment(self, name: &'static str, value: Option<String>) -> Result<Self> {
        let now = jiff::Timestamp::now();
        let at = value.map(|text| duration::ago(&text, now).map_err(|e| Usage(format!("--{name}: {e}"))));
        Ok(self.with(name, at.transpose()?.map(|at| at.to_string())))
    }

    fn query(&self) -> Result<String> {
        let url = reqwest::Url::parse_with_params("http://midwatch", &self.0)?;
        Ok(url.query().unwrap_or_default().to_owned())
    }
}

/// The first `limit` rows of a list, from where `cursor` says. If there are more, standard error says how to see them.
pub async fn rows(
    client: &Client,
    path: &str,
    name: &str,
    parameters: Parameters,
    limit: usize,
    mut cursor: Option<String>,
) -> Result<Vec<Value>> {
    let mut rows: Vec<Value> = Vec::new();
    while rows.len() < limit {
        let page = Parameters(parameters.0.clone())
            .with("limit", Some((limit - rows.len()).min(PAGE_MAX).to_string()))
            .with("cursor", cursor);
        let answer = client.get(&format!("{path}?{}", page.query()?)).await?;
        rows.extend(answer[name].as_array().into_iter().flatten().cloned());
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(rows);
        }
    }
    if let Some(cursor) = cursor {
        eprintln!("there is more: --cursor {cursor}");
    }
    Ok(rows)
}

/// Prints rows as JSON, as a table, or says that there are none.
pub fn print(
    json: bool,
    what: &str,
    rows: &[Value],
    header: &[&str],
    row: impl Fn(&Value) -> Vec<String>,
) -> Result<Exit> {
    if json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        out!("no {what}");
    } else {
        output::table(header, rows.iter().map(row).collect());
    }
    Ok(DONE)
}

pub async fn incidents(client: &Client, json: bool, filters: IncidentFilters) -> Result<Exit> {
    let parameters = Parameters::default()
        .with("open", filters.open.then_some("true"))
        .with("state", filters.state)
        .with("service", filters.service)
        .with("cause", filters.cause)
        .moment("since", filters.since)?
        .moment("until", filters.until)?;
    let rows =
        rows(client, "/api/v1/incidents", "incidents", parameters, filters.limit, filters.cursor).await?;
    print(json, "incidents", &rows, &["id", "opened (UTC)", "state", "component", "cause"], |r| {
        vec![text(r, "id"), time(r, "opened_at"), text(r, "state"), text(r, "component"), text(r, "cause")]
    })
}

pub async fn alerts(client: &Client, json: bool, filters: AlertFilters) -> Result<Exit> {
    let mut parameters = Parameters::default()
        .with("status", filters.status)
        .with("severity", filters.severity)
        .with("service", filters.service)
        .with("source", filters.source)
        .with("incident", filters.incident)
        .moment("since", filters.since)?
        .moment("until", filters.until)?;
    for matcher in filters.matchers {
        parameters = parameters.with("match", Some(matcher));
    }
    let rows = rows(client, "/api/v1/alerts", "alerts", parameters, filters.limit, filters.cursor).await?;
    let header = ["id", "received (UTC)", "status", "severity", "service", "what", "incident"];
    print(json, "alerts", &rows, &header, |r| {
        let severity = text(&r["alert"], "severity");
        let what = text(&r["signal"], "summary");
        vec![
            text(r, "id"),
            time(r, "received_at"),
            text(r, "status"),
            severity,
            text(r, "service"),
            what,
            text(r, "incident"),
        ]
    })
}

/// One alert: what it says, how it stands, and where to go on.
pub async fn alert(client: &Client, json: bool, id: &str) -> Result<Exit> {
    let row = client.get(&format!("/api/v1/alerts/{id}")).await?;
    if json {
        return output::json(&row).map(|()| DONE);
    }
    let (alert, id) = (&row["alert"], text(&row, "id"));
    out!("{}  {}  received {} UTC", output::bold(&id), text(&row, "status"), time(&row, "received_at"));
    out!("{}", output::bold(&text(&row["signal"], "summary")));
    out!(
        "service {}, incident {}, from {}",
        text(&row, "service"),
        text(&row, "incident"),
        text(&row, "source")
    );
    if alert.is_object() {
        let (starts, ends, told) = (time(alert, "starts_at"), time(alert, "ends_at"), text(&row, "told"));
        let until = if alert["timeout"] == true { "over, if not told again, at" } else { "over at" };
        out!("severity {}, since {starts}, {until} {ends}, told {told} times", text(alert, "severity"));
    }
    if let Some(of) = row["duplicate_of"].as_object() {
        let word = |name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default();
        out!("repeats {} ({}), and is told of by that one while it fires", word("of"), word("name"));
    }
    if row["flapping"].is_object() {
        let (since, until) = (time(&row["flapping"], "since"), time(&row["flapping"], "until"));
        out!("flapping since {since}; counts as firing until it is stable, at {until} at the earliest");
    }
    for (title, pairs) in [("Labels", &alert["labels"]), ("Annotations", &alert["annotations"])] {
        let Some(pairs) = pairs.as_object().filter(|pairs| !pairs.is_empty()) else { continue };
        out!("\n{title}:");
        for (name, value) in pairs {
            out!("  {name}={}", value.as_str().unwrap_or_default());
        }
    }
    out!("\nmidwatch why {id}    tells what became of it and why");
    Ok(DONE)
}
