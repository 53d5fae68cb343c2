//! `tools.json`: what tools answered when they were asked.

use super::{BundleError, Fault};
use serde_json::{Map, Value};

const FILE: &str = super::FILES[6];

/// One recorded answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolAnswer {
    pub tool: String,
    pub arguments: Value,
    /// Text that holds JSON is read as such.
    pub answer: Value,
}

pub(super) fn parse(text: &str) -> Result<Vec<ToolAnswer>, BundleError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |fault| BundleError::new(FILE, fault);
    let value: Value = serde_json::from_str(text).map_err(|why| wrong(Fault::Json(why.to_string())))?;
    match value {
        Value::Array(all) => {
            all.iter().map(|one| recorded(None, one)).collect::<Result<_, _>>().map_err(wrong)
        }
        Value::Object(tools) => Ok(tools.iter().flat_map(|(tool, answer)| by_tool(tool, answer)).collect()),
        _ => Err(wrong(Fault::Shape("neither an array of answers nor an object by tool".into()))),
    }
}

/// Under a tool's name lies its answer, or a list of answers each with its arguments.
fn by_tool(tool: &str, value: &Value) -> Vec<ToolAnswer> {
    if let Value::Array(all) = value {
        let recorded: Result<Vec<_>, _> = all.iter().map(|one| recorded(Some(tool), one)).collect();
        if let (false, Ok(recorded)) = (all.is_empty(), recorded) {
            return recorded;
        }
    }
    vec![ToolAnswer { tool: tool.to_owned(), arguments: Value::Object(Map::new()), answer: opened(value) }]
}

fn recorded(tool: Option<&str>, value: &Value) -> Result<ToolAnswer, Fault> {
    let fields = value.as_object().ok_or_else(|| Fault::Shape("an answer is not an object".into()))?;
    let first = |names: &[&str]| names.iter().find_map(|name| fields.get(*name)).cloned();
    let tool = tool.map(str::to_owned).or_else(|| first(&["tool", "name"])?.as_str().map(str::to_owned));
    let answer =
        first(&["answer", "result", "output", "response"]).ok_or_else(|| super::logs::missing("answer"))?;
    Ok(ToolAnswer {
        tool: tool.ok_or_else(|| super::logs::missing("tool"))?,
        arguments: first(&["arguments", "args", "input"]).unwrap_or(Value::Null),
        answer: opened(&answer),
    })
}

fn opened(value: &Value) -> Value {
    let inside = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    inside.filter(|inside| inside.is_object() || inside.is_array()).unwrap_or_else(|| value.clone())
}
