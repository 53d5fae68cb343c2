//! The tools that a model may call: a closed list, each with the schema of its arguments.

use midwatch_model::Cause;
use midwatch_model::llm::ToolSpec;
use serde_json::{Value, json};

/// One tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    QueryMetrics,
    SearchLogs,
    GetTraces,
    Changes,
    Topology,
    SimilarIncidents,
    Runbooks,
    ServiceDoc,
    KubernetesState,
    SubmitVerdict,
}

impl Tool {
    /// Every tool, in a fixed order.
    pub const ALL: [Tool; 10] = [
        Tool::QueryMetrics,
        Tool::SearchLogs,
        Tool::GetTraces,
        Tool::Changes,
        Tool::Topology,
        Tool::SimilarIncidents,
        Tool::Runbooks,
        Tool::ServiceDoc,
        Tool::KubernetesState,
        Tool::SubmitVerdict,
    ];

    /// The tool that a model calls by this name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tool::QueryMetrics => "query_metrics",
            Tool::SearchLogs => "search_logs",
            Tool::GetTraces => "get_traces",
            Tool::Changes => "changes",
            Tool::Topology => "topology",
            Tool::SimilarIncidents => "similar_incidents",
            Tool::Runbooks => "runbooks",
            Tool::ServiceDoc => "service_doc",
            Tool::KubernetesState => "kubernetes_state",
            Tool::SubmitVerdict => "submit_verdict",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Tool::QueryMetrics => {
                "Series of a component beside their normal, the most surprising first. `surprise` is in nats: below 3 is noise. With `metric`, samples too."
            }
            Tool::SearchLogs => {
                "Log templates of a component, with how often each came in normal operation and in the incident."
            }
            Tool::GetTraces => {
                "Spans of a component by operation: count, failures, durations, before and in the incident."
            }
            Tool::Changes => {
                "Changes before the trouble, most suspect first, with files and the start of the diff."
            }
            Tool::Topology => "Who calls a component and whom it calls.",
            Tool::SimilarIncidents => "Past incidents that resemble this one. Knowledge, no evidence.",
            Tool::Runbooks => "Sections of runbooks. Knowledge, no evidence.",
            Tool::ServiceDoc => {
                "What is documented of a component: team, dependencies, failure modes. Knowledge, no evidence."
            }
            Tool::KubernetesState => {
                "What platforms report of the state of pods, nodes, deployments and databases."
            }
            Tool::SubmitVerdict => "Ends the investigation. Cite ids of evidence that you were given.",
        }
    }

    fn schema(self) -> Value {
        let component = json!({"type": "string", "description": "exactly as listed under components"});
        let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        let words = json!({"type": "string", "maxLength": 200});
        match self {
            Tool::QueryMetrics => {
                object(json!({"component": component, "metric": {"type": "string"}}), &["component"])
            }
            Tool::SearchLogs => object(
                json!({"component": component, "contains": words, "only_bad": {"type": "boolean"}}),
                &["component"],
            ),
            Tool::GetTraces | Tool::ServiceDoc | Tool::Topology => {
                object(json!({ "component": component }), &["component"])
            }
            Tool::Changes | Tool::KubernetesState => object(json!({ "component": component }), &[]),
            Tool::SimilarIncidents | Tool::Runbooks => object(json!({ "words": words }), &["words"]),
            Tool::SubmitVerdict => object(
                json!({
                    "verdict": {"type": "string", "enum": ["root_cause", "no_fault", "inconclusive"]},
                    "hypotheses": {"type": "array", "maxItems": 5, "items": hypothesis(&component)},
                }),
                &["verdict", "hypotheses"],
            ),
        }
    }
}

fn hypothesis(component: &Value) -> Value {
    let causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    let ids = json!({"type": "array", "items": {"type": "string"}, "maxItems": 20});
    json!({
        "type": "object",
        "properties": {
            "component": component,
            "kind": {"type": "string", "enum": causes},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "change": {"type": ["string", "null"], "description": "id of the change that did it, if one did"},
            "evidence": ids,
            "against": ids,
        },
        "required": ["component", "kind", "confidence", "evidence"],
        "additionalProperties": false,
    })
}

/// What a model is told of its tools.
#[must_use]
pub fn specs(tools: &[Tool]) -> Vec<ToolSpec> {
    let spec =
        |tool: &Tool| ToolSpec { name: tool.name(), description: tool.description(), schema: tool.schema() };
    tools.iter().map(spec).collect()
}
