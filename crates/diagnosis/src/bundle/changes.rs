//! `changes.json`: what people and machines changed.

use super::logs::{first, missing};
use super::{BundleError, Fault, Ms};
use serde_json::{Map, Value};

const FILE: &str = super::FILES[5];

/// What sort of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    Deploy,
    Commit,
    Flag,
    Config,
    Scale,
}

impl RecordKind {
    /// What a person calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            RecordKind::Deploy => "deployment",
            RecordKind::Commit => "commit",
            RecordKind::Flag => "flag",
            RecordKind::Config => "configuration change",
            RecordKind::Scale => "scaling",
        }
    }

    fn named(text: &str) -> Option<Self> {
        match text.trim_end_matches('s') {
            "deploy" | "deployment" | "release" | "rollout" => Some(RecordKind::Deploy),
            "commit" => Some(RecordKind::Commit),
            "flag" | "feature_flag" => Some(RecordKind::Flag),
            "config" | "configuration" => Some(RecordKind::Config),
            "scale" | "scaling" => Some(RecordKind::Scale),
            _ => None,
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecord {
    pub kind: RecordKind,
    /// What a verdict names it by: a commit's hash, a deployment's commit or version, a flag's name.
    pub id: String,
    pub at: Ms,
    /// The component that it was made to, where it is known.
    pub component: Option<String>,
    /// The commit that a deployment brings.
    pub commit: Option<String>,
    /// One line for a person: the message, the version, from what to what.
    pub title: String,
    pub files: Vec<String>,
    pub diff: Option<String>,
}

pub(super) fn parse(text: &str) -> Result<Vec<ChangeRecord>, BundleError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |fault| BundleError::new(FILE, fault);
    let value: Value = serde_json::from_str(text).map_err(|why| wrong(Fault::Json(why.to_string())))?;
    let mut records = Vec::new();
    match &value {
        Value::Array(all) => take(all, None, &mut records).map_err(wrong)?,
        // Grouped by kind: `{"commits": […], "deploys": […]}`.
        Value::Object(groups) => {
            for (kind, group) in groups {
                let kind = RecordKind::named(kind).ok_or_else(|| wrong(unknown_kind(kind)))?;
                take(group.as_array().map_or(&[][..], Vec::as_slice), Some(kind), &mut records)
                    .map_err(wrong)?;
            }
        }
        _ => return Err(wrong(Fault::Shape("not an array of changes".into()))),
    }
    records.sort_by(|a, b| (a.at, a.kind, &a.id).cmp(&(b.at, b.kind, &b.id)));
    Ok(records)
}

fn unknown_kind(kind: &str) -> Fault {
    Fault::Shape(format!("`{kind}` is not a kind of change; known: deploy, commit, flag, config, scale"))
}

fn take(all: &[Value], kind: Option<RecordKind>, records: &mut Vec<ChangeRecord>) -> Result<(), Fault> {
    for (number, value) in all.iter().enumerate() {
        let fields = value
            .as_object()
            .ok_or_else(|| Fault::Shape(format!("change {} is not an object", number + 1)))?;
        let within = |fault| Fault::Shape(format!("change {}: {fault}", number + 1));
        records.push(read(fields, kind).map_err(within)?);
    }
    Ok(())
}

fn read(fields: &Map<String, Value>, kind: Option<RecordKind>) -> Result<ChangeRecord, Fault> {
    let text = |names: &[&str]| first(fields, names).and_then(Value::as_str).map(str::to_owned);
    let kind = match (kind, text(&["kind", "type"])) {
        (Some(kind), _) => kind,
        (None, Some(named)) => RecordKind::named(&named).ok_or_else(|| unknown_kind(&named))?,
        (None, None) => return Err(missing("kind")),
    };
    let at = first(fields, &["timestamp", "at", "time"]).ok_or_else(|| missing("timestamp"))?;
    let commit = text(&["commit", "commit_sha", "sha"]);
    let id = text(&["id"]).or_else(|| commit.clone()).or_else(|| text(&["flag", "version", "name"]));
    let files = first(fields, &["files_changed", "files"]).and_then(Value::as_array);
    Ok(ChangeRecord {
        kind,
        id: super::name(&id.ok_or_else(|| missing("id"))?)?.to_owned(),
        at: super::time::of_json(at)?,
        component: text(&["service", "component"]),
        commit: (kind == RecordKind::Deploy).then_some(commit).flatten(),
        title: title(fields),
        files: files.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        diff: text(&["diff"]),
    })
}

fn title(fields: &Map<String, Value>) -> String {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let told = ["title", "message", "version", "flag"].iter().find_map(|name| text(name)).unwrap_or_default();
    match (text("change"), text("from"), text("to")) {
        (Some(change), ..) => format!("{told} {change}"),
        (None, Some(from), Some(to)) => format!("{told} {from} -> {to}"),
        _ => told.to_owned(),
    }
}
