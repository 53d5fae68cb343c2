//! Investigations with a scripted model over incidents whose text somebody else wrote.

use midwatch_diagnosis::agent::{Agent, Conclusion, Document, Limits, Observation, Recheck, Shelf, Step};
use midwatch_diagnosis::bundle::{Bundle, BundleText};
use midwatch_model::llm::{Ask, Reply, Stop, ToolCall, Usage};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Where text from outside gets into an incident.
#[derive(Clone, Debug, Default)]
pub struct Planted {
    pub title: String,
    pub label: String,
    /// Lines of the component `ads`, and of the one that is at fault.
    pub log_of_ads: String,
    pub log_of_db: String,
    pub event: String,
    pub component: String,
    pub metric: String,
    pub span: String,
    pub span_detail: String,
    pub change: String,
    pub diff: String,
    pub file: String,
    pub runbook: String,
    pub past_incident: String,
    pub service_doc: String,
}

/// The places, by name.
pub const PLACES: [&str; 15] = [
    "title",
    "label",
    "log_of_ads",
    "log_of_db",
    "event",
    "component",
    "metric",
    "span",
    "span_detail",
    "change",
    "diff",
    "file",
    "runbook",
    "past_incident",
    "service_doc",
];

impl Planted {
    pub fn at(place: &str, text: &str) -> Self {
        let mut planted = Self::default();
        *planted.slot(place) = text.to_owned();
        planted
    }

    pub fn everywhere(text: &str) -> Self {
        let mut planted = Self::default();
        for place in PLACES {
            *planted.slot(place) = text.to_owned();
        }
        planted
    }

    fn slot(&mut self, place: &str) -> &mut String {
        match place {
            "title" => &mut self.title,
            "label" => &mut self.label,
            "log_of_ads" => &mut self.log_of_ads,
            "log_of_db" => &mut self.log_of_db,
            "event" => &mut self.event,
            "component" => &mut self.component,
            "metric" => &mut self.metric,
            "span" => &mut self.span,
            "span_detail" => &mut self.span_detail,
            "change" => &mut self.change,
            "diff" => &mut self.diff,
            "file" => &mut self.file,
            "runbook" => &mut self.runbook,
            "past_incident" => &mut self.past_incident,
            "service_doc" => &mut self.service_doc,
            other => panic!("{other} is no place"),
        }
    }

    /// What knowledge says.
    pub fn shelf(&self) -> Shelf {
        let doc = |id: &str, text: &str| {
            let text = format!("what to do when web is slow: {text}");
            Document { id: id.into(), title: "slow".into(), text }
        };
        Shelf {
            incidents: vec![doc("inc-1", &self.past_incident)],
            runbooks: vec![doc("slow", &self.runbook)],
            services: vec![doc("db", &self.service_doc), doc("ads", &self.service_doc)],
        }
    }

    /// `web` calls `cart`, which calls `db` and `cache`; `db` is slow, and so is what calls it. `ads` is well. With `open`,
    /// `cache` is as slow.
    pub fn bundle(&self, open: bool) -> Bundle {
        let name = |text: &str, plain: &str| {
            let line: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
            if line.trim().is_empty() { plain.to_owned() } else { line }
        };
        let odd = name(&self.component, "mail");
        let metric = name(&self.metric, "queue_length");
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let (mut metrics, mut logs) = ("timestamp,service,metric,value\n".to_owned(), String::new());
        for minute in 0..65_i64 {
            let bad = minute >= 60;
            let noise = |n: i64| ((n * 7919 + minute * 104_729) % 1000) as f64 / 1000.0;
            for (number, (service, slow)) in
                [("web", true), ("cart", true), ("db", true), ("cache", open), ("ads", false)]
                    .iter()
                    .enumerate()
            {
                let value = 10.0 + noise(number as i64) + if bad && *slow { 50.0 } else { 0.0 };
                let _ = writeln!(metrics, "{},{service},latency_p99,{value}", minute * 60);
            }
            let _ = writeln!(metrics, "{},{},cpu,{}", minute * 60, quoted(&odd), 10.0 + noise(9));
            let _ = writeln!(metrics, "{},ads,{},{}", minute * 60, quoted(&metric), 10.0 + noise(11));
            for (service, text) in [("ads", &self.log_of_ads), ("db", &self.log_of_db)] {
                let msg = if bad { text.as_str() } else { "served" };
                let line = json!({"timestamp": minute * 60, "service": service, "severity_text": "INFO", "msg": format!("line: {msg}")});
                let _ = writeln!(logs, "{line}");
            }
        }
        let incident = json!({
            "alert": {"service": "web", "title": format!("web is slow {}", self.title), "class": "latency_spike",
                "labels": {"summary": self.label}},
            "detected_at": 3660, "baseline": [{"from": 0, "to": 3599}],
        });
        let changes = json!([{"kind": "commit", "id": "c0ffee1", "timestamp": 60, "service": "ads",
            "message": format!("style {}", self.change), "files_changed": [format!("docs/{}.md", self.file)],
            "diff": format!("+ // {}", self.diff)}]);
        let traces = json!([{"timestamp": 3620, "start": 3620, "trace_id": "t", "span_id": "s", "service": "ads",
            "name": format!("GET {}", self.span), "duration_ms": 5, "status": "ok", "attributes": {"note": self.span_detail}}]);
        let tools = json!([{"tool": "events", "arguments": {}, "answer": {"items": [
            {"kind": "Event", "type": "Normal", "reason": "Scheduled", "message": self.event,
                "involvedObject": {"kind": "Pod", "name": "ads-1"}}]}}]);
        Bundle::parse(&BundleText {
            incident: incident.to_string(),
            metrics: Some(metrics),
            logs: Some(logs),
            traces: Some(traces.to_string()),
            topology: Some(format!(
                "caller,callee\nweb,cart\ncart,db\ncart,cache\nweb,ads\nads,{}\n",
                quoted(&odd)
            )),
            changes: Some(changes.to_string()),
            tools: Some(tools.to_string()),
        })
        .expect("a bundle")
    }
}

pub fn reply(calls: &[(&str, Value)]) -> Reply {
    let call = |(number, (name, arguments)): (usize, &(&str, Value))| ToolCall {
        id: format!("{number}"),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    };
    Reply {
        text: String::new(),
        calls: calls.iter().enumerate().map(call).collect(),
        stop: Stop::Tools,
        usage: Usage { prompt_tokens: 900, answer_tokens: 90, cost: 0.001 },
    }
}

/// Runs an investigation; gives back how it ended and everything that was asked.
pub fn run(bundle: &Bundle, shelf: &Shelf, script: &dyn Fn(usize, &Ask) -> Reply) -> (Conclusion, Vec<Ask>) {
    let mut agent = Agent::new(bundle, shelf, Limits::default());
    let (mut observation, mut asks) = (Observation::Begin, Vec::new());
    loop {
        observation = match agent.step(observation) {
            Step::Conclude(conclusion) => return (*conclusion, asks),
            Step::Query(queries) => Observation::Found(queries.iter().map(|q| agent.look_up(q)).collect()),
            Step::Recheck => Observation::Rechecked(Recheck::SameBundle),
            Step::Ask(ask) => {
                let answer = script(asks.len(), &ask);
                asks.push(ask);
                Observation::Replied(answer)
            }
        };
    }
}
