//! What a model asked, as a type.

use super::tool::Tool;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// Characters of an argument at most.
const ARGUMENT_CHARS_MAX: usize = 300;

/// One question about the incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    Metrics { component: String, metric: Option<String> },
    Logs { component: String, contains: Option<String>, only_bad: bool },
    Traces { component: String },
    Changes { component: Option<String> },
    Topology { component: String },
    SimilarIncidents { words: String },
    Runbooks { words: String },
    ServiceDoc { component: String },
    KubernetesState { component: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MayOf {
    #[serde(default)]
    component: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    words: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsOf {
    component: String,
    #[serde(default)]
    metric: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogsOf {
    component: String,
    #[serde(default)]
    contains: Option<String>,
    #[serde(default)]
    only_bad: bool,
}

impl Query {
    /// Reads the arguments of a tool; `None` for the tool that ends the investigation.
    ///
    /// # Errors
    /// What is wrong with them, for the model.
    pub fn read(tool: Tool, arguments: &Value) -> Option<Result<Self, String>> {
        Some(match tool {
            Tool::QueryMetrics => {
                typed(arguments).map(|MetricsOf { component, metric }| Query::Metrics { component, metric })
            }
            Tool::SearchLogs => typed(arguments).map(|LogsOf { component, contains, only_bad }| {
                Query::Logs { component, contains, only_bad }
            }),
            Tool::GetTraces => typed(arguments).map(|Of { component }| Query::Traces { component }),
            Tool::Changes => typed(arguments).map(|MayOf { component }| Query::Changes { component }),
            Tool::Topology => typed(arguments).map(|Of { component }| Query::Topology { component }),
            Tool::SimilarIncidents => {
                typed(arguments).map(|Words { words }| Query::SimilarIncidents { words })
            }
            Tool::Runbooks => typed(arguments).map(|Words { words }| Query::Runbooks { words }),
            Tool::ServiceDoc => typed(arguments).map(|Of { component }| Query::ServiceDoc { component }),
            Tool::KubernetesState => {
                typed(arguments).map(|MayOf { component }| Query::KubernetesState { component })
            }
            Tool::SubmitVerdict => return None,
        })
    }

    /// The component that it is about, if it is about one.
    #[must_use]
    pub fn component(&self) -> Option<&str> {
        match self {
            Query::Metrics { component, .. }
            | Query::Logs { component, .. }
            | Query::Traces { component }
            | Query::Topology { component }
            | Query::ServiceDoc { component } => Some(component),
            Query::Changes { component } | Query::KubernetesState { component } => component.as_deref(),
            Query::SimilarIncidents { .. } | Query::Runbooks { .. } => None,
        }
    }
}

/// Arguments as their type. No name in an error: what a model wrote is not said back to it as ours.
fn typed<T: DeserializeOwned>(arguments: &Value) -> Result<T, String> {
    if too_long(arguments) {
        return Err(format!("an argument is longer than {ARGUMENT_CHARS_MAX} characters"));
    }
    serde_json::from_value(arguments.clone())
        .map_err(|_| "the arguments are not those of the tool's schema".to_owned())
}

fn too_long(arguments: &Value) -> bool {
    let of = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() > ARGUMENT_CHARS_MAX);
    arguments.as_object().is_none_or(|fields| fields.values().any(of))
}

/// As it stands in evidence: a person can ask the same again.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = "all components";
        match self {
            Query::Metrics { component, metric: None } => write!(f, "metrics.csv: service={component}"),
            Query::Metrics { component, metric: Some(metric) } => {
                write!(f, "metrics.csv: service={component}, metric={metric}")
            }
            Query::Logs { component, contains, only_bad } => {
                write!(f, "logs.ndjson: service={component}")?;
                if let Some(words) = contains {
                    write!(f, ", lines with \"{words}\"")?;
                }
                if *only_bad { write!(f, ", warnings and errors") } else { Ok(()) }
            }
            Query::Traces { component } => write!(f, "traces.json: service={component}"),
            Query::Changes { component } => {
                write!(f, "changes.json: service={}", component.as_deref().unwrap_or(all))
            }
            Query::Topology { component } => write!(f, "topology.csv: caller or callee={component}"),
            Query::SimilarIncidents { words } => write!(f, "past incidents: {words}"),
            Query::Runbooks { words } => write!(f, "runbooks: {words}"),
            Query::ServiceDoc { component } => write!(f, "service doc of {component}"),
            Query::KubernetesState { component } => {
                write!(f, "tools.json: {}", component.as_deref().unwrap_or(all))
            }
        }
    }
}
