//! The dashboard's pages as HTML. Every value that comes from elsewhere is escaped.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::fleet::{Fleet, describe};
use super::super::world::World;
use super::session::Session;
use crate::catalogue::{POOL_MAX, REPLICAS_MAX};

const READ_TIMEOUT: Duration = Duration::from_secs(2);
const TABS: [(&str, &str); 4] = [
    ("overview", "Overview"),
    ("deployments", "Deployments"),
    ("instances", "Instances"),
    ("scaling", "Scaling"),
];

/// Asks a service for its health through its stable address.
pub(super) async fn read_health(world: &World, fleet: &Fleet) -> String {
    match world.client.get(&format!("{}/health", fleet.address), READ_TIMEOUT).await {
        Ok(answer) if answer.status.is_success() => "ok".to_owned(),
        Ok(_) => "failing".to_owned(),
        Err(error) => format!("failing ({error})"),
    }
}

pub(super) fn services(session: &Session, fleets: &[&Arc<Fleet>], health: &[String]) -> String {
    let mut rows = String::new();
    for (fleet, health) in fleets.iter().zip(health) {
        let facts = describe(fleet);
        let name = fleet.service.as_str();
        let class = if health == "ok" { "ok" } else { "failing" };
        add(
            &mut rows,
            format_args!(
                "<tr id=\"service-{name}\" data-testid=\"service-{name}\"><td><a data-testid=\"open-{name}\" \
                 href=\"/services/{name}\">{name}</a></td><td class=\"{class}\" data-testid=\"health-{name}\">{}</td>\
                 <td data-testid=\"version-{name}\">{}</td><td class=\"number\">{}/{}</td><td class=\"number\">{}</td></tr>",
                escape(health),
                escape(&text(&facts["version"])),
                facts["ready_replicas"],
                facts["replicas"],
                facts["restarts"],
            ),
        );
    }
    let body = format!(
        "<h2>Services</h2><table id=\"services\" data-testid=\"services\"><thead><tr><th>Service</th><th>Health</th>\
         <th>Version</th><th>Ready</th><th>Restarts</th></tr></thead><tbody>{rows}</tbody></table>"
    );
    page("Services", Some(session), &body)
}

pub(super) async fn service(
    world: &World,
    session: &Session,
    fleet: &Arc<Fleet>,
    tab: &str,
    message: Option<&str>,
) -> String {
    let name = fleet.service.as_str();
    let mut body = format!("<h2 data-testid=\"service-name\">{name}</h2>");
    if let Some(message) = message {
        add(
            &mut body,
            format_args!(
                "<p class=\"message\" role=\"status\" data-testid=\"message\">{}</p>",
                escape(message)
            ),
        );
    }
    body.push_str("<nav class=\"tabs\" data-testid=\"tabs\">");
    for (id, title) in TABS {
        let current = if id == tab { " aria-current=\"page\"" } else { "" };
        add(
            &mut body,
            format_args!(
                "<a id=\"tab-{id}\" data-testid=\"tab-{id}\" href=\"/services/{name}?tab={id}\"{current}>{title}</a>"
            ),
        );
    }
    body.push_str("</nav>");
    match tab {
        "deployments" => deployments(&mut body, session, fleet),
        "instances" => instances(&mut body, session, fleet),
        "scaling" => scaling(&mut body, session, fleet),
        _ => overview(&mut body, world, fleet).await,
    }
    page(name, Some(session), &body)
}

async fn overview(body: &mut String, world: &World, fleet: &Arc<Fleet>) {
    let health = read_health(world, fleet).await;
    let class = if health == "ok" { "ok" } else { "failing" };
    let facts = describe(fleet);
    let rows = [
        ("version", "Version", text(&facts["version"])),
        ("ready", "Ready replicas", format!("{} of {}", facts["ready_replicas"], facts["replicas"])),
        ("restarts", "Unplanned restarts", facts["restarts"].to_string()),
        ("pool", "Connections per replica", facts["pool_size"].to_string()),
        ("circuit", "Circuit", if facts["circuit_open"] == true { "open".into() } else { "closed".into() }),
    ];
    add(
        body,
        format_args!(
            "<p>Health: <span class=\"{class}\" data-testid=\"health\">{}</span></p><table>",
            escape(&health)
        ),
    );
    for (id, title, value) in rows {
        add(
            body,
            format_args!("<tr><th>{title}</th><td data-testid=\"fact-{id}\">{}</td></tr>", escape(&value)),
        );
    }
    for instance in fleet.live_instances() {
        let numbers = match world.client.get(&format!("{}/metrics", instance.address), READ_TIMEOUT).await {
            Ok(answer) => summary(&answer.text()),
            Err(error) => error.to_string(),
        };
        add(
            body,
            format_args!(
                "<tr><th>{id}</th><td data-testid=\"metrics-{id}\">{}</td></tr>",
                escape(&numbers),
                id = instance.id
            ),
        );
    }
    body.push_str("</table>");
}

/// One line of what an instance's metrics say.
fn summary(metrics: &str) -> String {
    let value = |name: &str| {
        let sum: f64 = metrics
            .lines()
            .filter(|line| line.starts_with(name) && line[name.len()..].starts_with([' ', '{']))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum();
        sum
    };
    let mean_ms = 1000.0 * value("http_request_duration_seconds_sum")
        / value("http_request_duration_seconds_count").max(1.0);
    format!(
        "{} requests, {mean_ms:.0} ms mean, {:.0} of {:.0} MB memory, {:.0} of {:.0} connections, {:.1} s CPU",
        value("http_requests_total"),
        value("process_resident_memory_bytes") / 1e6,
        value("process_memory_limit_bytes") / 1e6,
        value("db_pool_connections_in_use"),
        value("db_pool_connections_max"),
        value("process_cpu_seconds_total"),
    )
}

fn deployments(body: &mut String, session: &Session, fleet: &Arc<Fleet>) {
    body.push_str("<table data-testid=\"deployments\"><thead><tr><th>Version</th><th>Deployed</th><th>By</th><th>Reason</th><th></th></tr></thead><tbody>");
    let (rows, current) = {
        let state = fleet.lock();
        (state.deployments.clone(), state.version.name.clone())
    };
    let mut offered = Vec::new();
    for (index, row) in rows.iter().rev().enumerate() {
        let action = if index == 0 {
            "<span class=\"ok\" data-testid=\"current\">current</span>".to_owned()
        } else if row.version == current || offered.contains(&row.version) {
            String::new()
        } else {
            offered.push(row.version.clone());
            let hidden = format!("<input type=\"hidden\" name=\"to\" value=\"{}\">", escape(&row.version));
            form(
                session,
                fleet,
                "rollback",
                &hidden,
                &format!("rollback-{}", row.version),
                "Rollback to this",
            )
        };
        add(
            body,
            format_args!(
                "<tr data-testid=\"deployment\"><td>{}</td><td>{:.0}</td><td>{}</td><td>{}</td><td>{action}</td></tr>",
                escape(&row.version),
                row.deployed_at,
                escape(&row.by),
                escape(&row.reason),
            ),
        );
    }
    body.push_str("</tbody></table>");
}

fn instances(body: &mut String, session: &Session, fleet: &Arc<Fleet>) {
    body.push_str("<table data-testid=\"instances\"><thead><tr><th>Instance</th><th>Pid</th><th>Version</th><th>Started</th><th>Restarts</th></tr></thead><tbody>");
    let facts = describe(fleet);
    for one in facts["instances"].as_array().into_iter().flatten() {
        add(
            body,
            format_args!(
                "<tr data-testid=\"instance\"><td>{}</td><td class=\"number\">{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td></tr>",
                escape(&text(&one["id"])),
                one["pid"],
                escape(&text(&one["version"])),
                escape(&text(&one["started_at"])),
                one["restarts"],
            ),
        );
    }
    body.push_str("</tbody></table>");
    body.push_str(&form(session, fleet, "restart", "", "restart", "Restart all instances"));
}

fn scaling(body: &mut String, session: &Session, fleet: &Arc<Fleet>) {
    let state = fleet.snapshot();
    let number = |name: &str, title: &str, value: u32, max: u32| {
        format!(
            "<label>{title} <input type=\"number\" id=\"{name}\" data-testid=\"{name}\" name=\"{name}\" \
             value=\"{value}\" min=\"1\" max=\"{max}\" required></label>"
        )
    };
    let replicas = number("replicas", "Replicas", state.replicas, REPLICAS_MAX);
    let pool = number("size", "Connections per replica", state.pool_size, POOL_MAX);
    for part in [
        form(session, fleet, "scale", &replicas, "scale", "Scale"),
        form(session, fleet, "pool_resize", &pool, "pool-resize", "Resize pool"),
        form(session, fleet, "pool_restart", "", "pool-restart", "Restart pool"),
    ] {
        add(body, format_args!("<div>{part}</div>"));
    }
}

fn form(session: &Session, fleet: &Fleet, action: &str, fields: &str, id: &str, title: &str) -> String {
    let id = escape(id);
    format!(
        "<form method=\"post\" action=\"/services/{}/{action}\" data-testid=\"form-{id}\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\">{fields}\
         <button id=\"{id}\" data-testid=\"{id}\">{title}</button></form>",
        fleet.service, session.csrf
    )
}

pub(super) fn login(error: Option<&str>) -> String {
    let error = error.map_or(String::new(), |error| {
        format!(
            "<p class=\"message failing\" role=\"alert\" data-testid=\"login-error\">{}</p>",
            escape(error)
        )
    });
    let body = format!(
        "<h2>Log in</h2>{error}<form method=\"post\" action=\"/login\" data-testid=\"login\">\
         <label>User <input id=\"user\" data-testid=\"user\" name=\"user\" autocomplete=\"username\" required></label>\
         <label>Password <input id=\"password\" data-testid=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required></label><button id=\"login\" data-testid=\"login-submit\">Log in</button></form>"
    );
    page("Log in", None, &body)
}

pub(super) fn problem(error: &str) -> String {
    page(
        "Problem",
        None,
        &format!(
            "<p class=\"message\" data-testid=\"problem\">{}</p><p><a href=\"/\">Back</a></p>",
            escape(error)
        ),
    )
}

fn page(title: &str, session: Option<&Session>, body: &str) -> String {
    let logout = session.map_or(String::new(), |session| {
        format!(
            "<form method=\"post\" action=\"/logout\"><input type=\"hidden\" name=\"csrf\" value=\"{}\">\
             <button data-testid=\"logout\">Log out</button></form>",
            session.csrf
        )
    });
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{} · Operations</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body><header><h1><a href=\"/\">Operations</a></h1>{logout}</header><main>{body}</main></body></html>",
        escape(title)
    )
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Encodes a text for use in a query.
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            add(&mut out, format_args!("%{byte:02X}"));
        }
    }
    out
}

fn add(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
