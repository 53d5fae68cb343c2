//! Bundles: what is read, and what is refused with which words.

use midwatch_diagnosis::bundle::{Bundle, BundleText};

const INCIDENT: &str = r#"{"alert": {"service": "web", "title": "p99 latency above 2 s"},
    "detected_at": "2026-11-22T01:00:00Z", "baseline": [{"from": "2026-11-22T00:00:00Z", "to": "2026-11-22T00:59:00Z"}]}"#;

fn text(file: &str, content: &str) -> BundleText {
    let mut text = BundleText { incident: INCIDENT.to_owned(), ..BundleText::default() };
    let content = content.to_owned();
    match file {
        "incident.json" => text.incident = content,
        "metrics.csv" => text.metrics = Some(content),
        "logs.ndjson" => text.logs = Some(content),
        "traces.json" => text.traces = Some(content),
        "topology.csv" => text.topology = Some(content),
        "changes.json" => text.changes = Some(content),
        _ => text.tools = Some(content),
    }
    text
}

fn check_refused(file: &str, content: &str, words: &str) {
    match Bundle::parse(&text(file, content)) {
        Ok(_) => panic!("{file} is accepted: {content}"),
        Err(error) => {
            let said = error.to_string();
            assert!(
                said.starts_with(file) && said.contains(words),
                "{file}: `{said}` does not say `{words}`"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_refused_with_file_line_and_what_to_do() {
    let metrics = |row: &str| format!("timestamp,service,metric,value\n1,web,cpu,1\n{row}\n");
    check_refused("incident.json", "{", "not the JSON that is expected");
    check_refused("incident.json", r#"{"detected_at": 1, "baseline": []}"#, "neither `alert` nor `alerts`");
    check_refused("incident.json", &INCIDENT.replace("baseline", "base"), "unknown field");
    check_refused("incident.json", &INCIDENT.replace("00:59", "25:59"), "is no time");
    check_refused(
        "incident.json",
        &INCIDENT.replace("T00:59:00Z", "T00:00:00+09:00"),
        "ends before it starts",
    );
    check_refused("incident.json", &INCIDENT.replace("\"web\"", "\" \""), "a name is empty");
    check_refused("metrics.csv", "time,value\n1,2\n", "line 1: the first line must be");
    check_refused("metrics.csv", &metrics("yesterday,web,cpu,1"), "line 3: `yesterday` is no time");
    check_refused("metrics.csv", &metrics("2,web,cpu,much"), "line 3: `much` is no number");
    check_refused("metrics.csv", &metrics("2,web,cpu"), "line 3: not a row: 3 values instead of 4");
    check_refused("metrics.csv", &metrics("2,,cpu,1"), "line 3: a name is empty");
    check_refused("metrics.csv", &metrics("2,\"we\u{1b}[2Jb\",cpu,1"), "control characters");
    check_refused("metrics.csv", &metrics(&format!("2,{},cpu,1", "x".repeat(257))), "longer than 256");
    check_refused(
        "logs.ndjson",
        "{\"timestamp\": 1, \"msg\": \"x\"}\n",
        "line 1: the field `service` is missing",
    );
    check_refused("logs.ndjson", "nonsense\n{}\n", "line 1: not the JSON");
    check_refused("traces.json", "7", "neither an array of spans nor OTLP/JSON");
    check_refused("traces.json", r#"[{"service": "web", "start": 1}]"#, "`duration_ms` is missing");
    check_refused("topology.csv", "caller,callee\nweb\n", "line 2");
    check_refused(
        "changes.json",
        r#"[{"kind": "wish", "timestamp": 1, "id": "a"}]"#,
        "`wish` is not a kind of change",
    );
    check_refused(
        "changes.json",
        r#"[{"kind": "flag", "id": "a"}]"#,
        "change 1: the field `timestamp` is missing",
    );
    check_refused("tools.json", "[{\"tool\": \"pods\"}]", "`answer` is missing");
}

#[test]
fn gaps_and_repeats_are_left_out_and_said() {
    let rows = "timestamp,service,metric,value\n\
        2,web,cpu,3\n1,web,cpu,1\n2,web,cpu,5\n3,web,cpu,NaN\n4,web,cpu,\n5,web,cpu,inf\n6,web,cpu,1e300\n7,web,c";
    let bundle = Bundle::parse(&text("metrics.csv", rows)).expect("a bundle");
    let [series] = bundle.metrics.series.as_slice() else { panic!("{:?}", bundle.metrics) };
    assert_eq!((series.at.as_slice(), series.values.as_slice()), (&[1000, 2000][..], &[1.0, 4.0][..]));
    let notes: Vec<String> = bundle.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "metrics.csv: line 9 is cut off and was left out",
            "metrics.csv: 4 values that are no numbers were left out",
            "metrics.csv: 1 samples have the time of another one of their series; their mean was taken",
        ]
    );
}

#[test]
fn a_log_that_was_still_being_written_is_read_up_to_there() {
    let log = "{\"timestamp\": \"2026-11-22T01:00:00Z\", \"service\": \"web\", \"body\": \"up\"}\n{\"timestamp\": \"2026";
    let bundle = Bundle::parse(&text("logs.ndjson", log)).expect("a bundle");
    assert_eq!((bundle.logs.len(), bundle.notes.len()), (1, 1));
}

#[test]
fn spans_are_read_flat_and_as_otlp() {
    let flat = r#"[{"trace_id": "t", "span_id": "a", "service": "web", "name": "GET /", "start": "2026-11-22T01:00:00Z",
        "duration_ms": 12.5, "status": "ERROR", "error": "refused"}]"#;
    let otlp = r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
        "scopeSpans": [{"spans": [{"traceId": "t", "spanId": "a", "name": "GET /", "startTimeUnixNano": "1795309200000000000",
        "endTimeUnixNano": "1795309200012500000", "status": {"code": 2},
        "attributes": [{"key": "error", "value": {"stringValue": "refused"}}]}]}]}]}"#;
    let read = |content| Bundle::parse(&text("traces.json", content)).expect("a bundle").spans;
    assert_eq!(read(flat), read(otlp));
    assert!(read(flat)[0].failed && read(flat)[0].details == ["error=refused"]);
}

#[test]
fn tool_answers_are_read_by_name_and_as_a_list() {
    let as_list = r#"[{"tool": "pods", "arguments": null, "answer": "{\"pods\": []}"}]"#;
    let by_name = r#"{"pods": [{"arguments": null, "answer": {"pods": []}}]}"#;
    let read = |content| Bundle::parse(&text("tools.json", content)).expect("a bundle").tools;
    assert_eq!(read(as_list), read(by_name));
    assert_eq!(read(r#"{"pods": {"pods": []}}"#)[0].answer, read(as_list)[0].answer);
}

#[test]
fn what_is_written_is_read_again() {
    let whole = BundleText {
        incident: INCIDENT.to_owned(),
        metrics: Some("timestamp,service,metric,value\n1,\"w,eb\",cpu,1.5\n2.25,\"w,eb\",cpu,-2e-7\n".into()),
        logs: Some("{\"timestamp\":3,\"service\":\"web\",\"msg\":\"a \\\"b\\\"\\nc\",\"level\":\"warn\",\"trace_id\":\"t\"}\n".into()),
        traces: None,
        topology: Some("caller,callee\nweb,db\n".into()),
        changes: Some(
            r#"[{"kind":"deploy","id":"d1","at":4,"service":"web","commit":"c1","title":"v2"},
                {"kind":"commit","id":"c1","at":3,"title":"pool","files":["a.rs"],"diff":"+x"}]"#
                .into(),
        ),
        tools: Some(r#"[{"tool":"pods","arguments":{"service":"web"},"answer":{"pods":[]}}]"#.into()),
    };
    let read = Bundle::parse(&whole).expect("a bundle");
    let again = Bundle::parse(&midwatch_diagnosis::bundle::write::text(&read)).expect("what was written");
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
}
