//! `traces.json`: OTLP/JSON, or a flat array of spans.

use super::logs::{first, missing};
use super::{BundleError, Fault, Ms, Note};
use serde_json::{Map, Value};

const FILE: &str = super::FILES[3];

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSpan {
    pub trace_id: String,
    pub span_id: String,
    pub parent_id: Option<String>,
    pub component: String,
    pub name: String,
    pub at: Ms,
    pub duration_ms: f64,
    pub failed: bool,
    /// What the span says of its failure, and its attributes, as `key=value`.
    pub details: Vec<String>,
}

pub(super) fn parse(text: &str, notes: &mut Vec<Note>) -> Result<Vec<TraceSpan>, BundleError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |fault| BundleError::new(FILE, fault);
    let value: Value = serde_json::from_str(text).map_err(|why| wrong(Fault::Json(why.to_string())))?;
    let mut spans = match &value {
        Value::Array(flat) => flat.iter().map(flat_span).collect::<Result<Vec<_>, _>>().map_err(wrong)?,
        Value::Object(otlp) => otlp_spans(otlp).map_err(wrong)?,
        _ => return Err(wrong(Fault::Shape("neither an array of spans nor OTLP/JSON".into()))),
    };
    let before = spans.len();
    spans.retain(|span| span.duration_ms.is_finite() && span.duration_ms >= 0.0);
    if spans.len() < before {
        notes.push(Note {
            file: FILE,
            what: format!("{} spans without a duration were left out", before - spans.len()),
        });
    }
    Ok(spans)
}

fn text(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    first(fields, names).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn flat_span(value: &Value) -> Result<TraceSpan, Fault> {
    const KNOWN: [&str; 10] = [
        "trace_id",
        "span_id",
        "parent_id",
        "service",
        "name",
        "start",
        "duration_ms",
        "status",
        "timestamp",
        "kind",
    ];
    let fields = value.as_object().ok_or_else(|| Fault::Shape("a span is not an object".into()))?;
    let at = first(fields, &["start", "timestamp"]).ok_or_else(|| missing("start"))?;
    let status = text(fields, &["status"]).unwrap_or_default().to_ascii_uppercase();
    let details = fields.iter().filter(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null());
    Ok(TraceSpan {
        trace_id: text(fields, &["trace_id"]).unwrap_or_default(),
        span_id: text(fields, &["span_id", "id"]).unwrap_or_default(),
        parent_id: text(fields, &["parent_id"]),
        component: super::name(&text(fields, &["service"]).ok_or_else(|| missing("service"))?)?.to_owned(),
        name: text(fields, &["name"]).unwrap_or_default(),
        at: super::time::of_json(at)?,
        duration_ms: first(fields, &["duration_ms"])
            .and_then(Value::as_f64)
            .ok_or_else(|| missing("duration_ms"))?,
        failed: status.contains("ERR") || status == "2",
        details: details.map(|(key, value)| detail(key, value)).collect(),
    })
}

fn detail(key: &str, value: &Value) -> String {
    format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn otlp_spans(document: &Map<String, Value>) -> Result<Vec<TraceSpan>, Fault> {
    let resources = first(document, &["resourceSpans", "resource_spans"]).and_then(Value::as_array);
    let resources = resources.ok_or_else(|| missing("resourceSpans"))?;
    let mut spans = Vec::new();
    for resource in resources {
        let component = attribute(&resource["resource"]["attributes"], "service.name");
        let component = component.ok_or_else(|| missing("service.name"))?;
        let scopes = ["scopeSpans", "scope_spans"].iter().find_map(|name| resource[*name].as_array());
        for span in scopes.into_iter().flatten().filter_map(|scope| scope["spans"].as_array()).flatten() {
            spans.push(otlp_span(span, super::name(&component)?)?);
        }
    }
    Ok(spans)
}

fn otlp_span(value: &Value, component: &str) -> Result<TraceSpan, Fault> {
    let fields = value.as_object().ok_or_else(|| Fault::Shape("a span is not an object".into()))?;
    let nanos = |name: &str| {
        let value = fields.get(name).ok_or_else(|| missing(name))?;
        let number = value.as_str().map_or_else(|| value.as_i64(), |text| text.parse::<i64>().ok());
        number.ok_or_else(|| Fault::Timestamp(value.to_string().chars().take(64).collect()))
    };
    let (start, end) = (nanos("startTimeUnixNano")?, nanos("endTimeUnixNano")?);
    let code = &value["status"]["code"];
    let mut details: Vec<String> =
        value["status"]["message"].as_str().map(str::to_owned).into_iter().collect();
    for pair in value["attributes"].as_array().into_iter().flatten() {
        if let Some(key) = pair["key"].as_str() {
            let inner = pair["value"].as_object().and_then(|any| any.values().next()).unwrap_or(&Value::Null);
            details.push(detail(key, inner));
        }
    }
    Ok(TraceSpan {
        trace_id: text(fields, &["traceId"]).unwrap_or_default(),
        span_id: text(fields, &["spanId"]).unwrap_or_default(),
        parent_id: text(fields, &["parentSpanId"]),
        component: component.to_owned(),
        name: text(fields, &["name"]).unwrap_or_default(),
        at: start / 1_000_000,
        duration_ms: end.saturating_sub(start) as f64 / 1e6,
        failed: code.as_i64() == Some(2) || code.as_str().is_some_and(|code| code.contains("ERROR")),
        details,
    })
}

fn attribute(attributes: &Value, key: &str) -> Option<String> {
    let pair = attributes.as_array()?.iter().find(|pair| pair["key"] == key)?;
    pair["value"]["stringValue"].as_str().map(str::to_owned)
}
