//! A bundle as the text of its files: what [`super::Bundle::parse`] reads.

use super::{AlertStatus, Bundle, BundleAlert, BundleText, ChangeRecord, Incident, Ms, RecordKind, time};
use serde_json::{Value, json};

/// Writes everything but spans, which nobody but a tracing system has.
#[must_use]
pub fn text(bundle: &Bundle) -> BundleText {
    let given = |text: String, is_there: bool| is_there.then_some(text);
    BundleText {
        incident: pretty(&incident(&bundle.incident)),
        metrics: given(metrics(bundle), !bundle.metrics.series.is_empty()),
        logs: given(logs(bundle), !bundle.logs.is_empty()),
        traces: None,
        topology: given(topology(bundle), !bundle.graph.is_empty()),
        changes: given(changes(&bundle.changes), !bundle.changes.is_empty()),
        tools: given(tools(bundle), !bundle.tools.is_empty()),
    }
}

fn pretty(value: &Value) -> String {
    // A `Value` has only text keys and finite numbers: it can always be written.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn at(ms: Ms) -> String {
    time::timestamp(ms).to_string()
}

fn incident(incident: &Incident) -> Value {
    let baseline: Vec<Value> =
        incident.baseline.iter().map(|span| json!({ "from": at(span.from), "to": at(span.to) })).collect();
    let mut value = json!({
        "alerts": incident.alerts.iter().map(alert).collect::<Vec<_>>(),
        "detected_at": at(incident.detected_at),
    });
    if !incident.services.is_empty() {
        value["services"] = json!(incident.services);
    }
    if !baseline.is_empty() {
        value["baseline"] = json!(baseline);
    }
    value
}

/// Without the fields that say nothing.
fn alert(alert: &BundleAlert) -> Value {
    let mut value = json!({ "service": alert.service, "title": alert.title });
    let mut set = |name: &str, given: Value| {
        if !given.is_null() {
            value[name] = given;
        }
    };
    set("id", json!(alert.id));
    set("severity", json!(alert.severity));
    set("starts_at", json!(alert.starts_at.map(|at| at.to_string())));
    set("class", json!(alert.class));
    if !alert.labels.is_empty() {
        set("labels", json!(alert.labels));
    }
    if alert.status == AlertStatus::Resolved {
        set("status", json!("resolved"));
    }
    value
}

fn metrics(bundle: &Bundle) -> String {
    let mut rows: Vec<(Ms, &str, &str, f64)> = Vec::new();
    for series in &bundle.metrics.series {
        let samples = series.at.iter().zip(&series.values);
        rows.extend(samples.map(|(at, value)| (*at, &*series.component, &*series.metric, *value)));
    }
    rows.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    table(
        "timestamp,service,metric,value",
        rows.into_iter().map(|(ms, service, metric, value)| {
            [at(ms), service.to_owned(), metric.to_owned(), value.to_string()]
        }),
    )
}

fn topology(bundle: &Bundle) -> String {
    let calls = bundle.graph.edges().map(|(caller, callee)| [caller.to_owned(), callee.to_owned()]);
    table("caller,callee", calls)
}

fn table<const N: usize>(header: &str, rows: impl Iterator<Item = [String; N]>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(format!("{header}\n").into_bytes());
    for row in rows {
        // Writing to memory does not fail.
        let _ = writer.write_record(&row);
    }
    String::from_utf8_lossy(&writer.into_inner().unwrap_or_default()).into_owned()
}

fn logs(bundle: &Bundle) -> String {
    let line = |line: &super::LogLine| {
        let mut value = json!({ "timestamp": at(line.at), "service": line.component, "msg": line.message });
        if !line.severity.is_empty() {
            value["severity_text"] = json!(line.severity);
        }
        if let Some(trace) = &line.trace_id {
            value["trace_id"] = json!(trace);
        }
        format!("{value}\n")
    };
    bundle.logs.iter().map(line).collect()
}

fn changes(changes: &[ChangeRecord]) -> String {
    let change = |change: &ChangeRecord| {
        let mut value = json!({
            "kind": kind(change.kind), "id": change.id, "timestamp": at(change.at), "title": change.title,
        });
        if let Some(component) = &change.component {
            value["service"] = json!(component);
        }
        if let Some(commit) = &change.commit {
            value["commit"] = json!(commit);
        }
        if !change.files.is_empty() {
            value["files_changed"] = json!(change.files);
        }
        if let Some(diff) = &change.diff {
            value["diff"] = json!(diff);
        }
        value
    };
    pretty(&Value::Array(changes.iter().map(change).collect()))
}

fn kind(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Deploy => "deploy",
        RecordKind::Commit => "commit",
        RecordKind::Flag => "flag",
        RecordKind::Config => "config",
        RecordKind::Scale => "scale",
    }
}

fn tools(bundle: &Bundle) -> String {
    let answers = bundle.tools.iter().map(|recorded| {
        json!({ "tool": recorded.tool, "arguments": recorded.arguments, "answer": recorded.answer })
    });
    pretty(&Value::Array(answers.collect()))
}
