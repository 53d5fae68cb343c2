//! Documents as people write them: Markdown with a few lines of YAML at the top.

use crate::document::{Collection, Criticality, Document, ServiceFacts};
use crate::section::{sections_of_any_length, split_front};
use midwatch_model::{Cause, Metric};
use serde_json::Value;

/// Longest document, bytes: a runbook is read at night. What is longer is a manual, and is split by whoever knows it.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// The chunks of an incident, in their order.
pub const INCIDENT_CHUNKS: [&str; 4] = ["Summary", "Root cause", "Resolution", "Contributing factors"];

/// Longest id, title or other single value.
const VALUE_CHARS_MAX: usize = 300;

/// What may stand between the `---` at the top.
const FIELDS: [&str; 14] = [
    "kind",
    "id",
    "title",
    "services",
    "anomaly_types",
    "tags",
    "team",
    "criticality",
    "sla",
    "on_call",
    "depends_on",
    "called_by",
    "failure_modes",
    "runbooks",
];

/// Fields of service docs alone.
const SERVICE_FIELDS: [&str; 8] =
    ["team", "criticality", "sla", "on_call", "depends_on", "called_by", "failure_modes", "runbooks"];

/// Why a document cannot be taken, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct DocumentError {
    /// The name under which it came.
    pub file: String,
    /// From 1.
    pub line: usize,
    pub problem: String,
}

/// Reads one document. `name` is what its file is called; without an `id` and a `kind` it is a runbook of that name.
///
/// # Errors
/// What is wrong, in which line, and how to mend it.
pub fn read_document(name: &str, text: &str) -> Result<Document, DocumentError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let page = Page::of(name, &text)?;
    let collection = page.collection()?;
    let body = without_steps(page.body).trim().to_owned();
    let mut document = Document {
        id: page.id()?,
        collection,
        title: page.title(),
        text: body,
        services: page.list("services")?,
        anomaly_types: page.anomaly_types()?,
        tags: page.list("tags")?,
        facts: None,
    };
    match collection {
        Collection::Incidents => page.check_chunks()?,
        Collection::Runbooks => page.check_sections(&document)?,
        Collection::Services => {
            let facts = page.facts()?;
            document.text = format!("{}\n\n{}", facts.text(), document.text).trim().to_owned();
            document.services = vec![document.id.clone()];
            document.facts = Some(facts);
        }
    }
    Ok(document)
}

/// How the steps of a runbook begin that are for midwatch to run, and not for people to read.
const STEPS: &str = "```yaml midwatch";

/// A page without its steps that run: they would be found by words that are not prose, and say what the prose says.
fn without_steps(body: &str) -> String {
    let (mut text, mut inside) = (String::with_capacity(body.len()), false);
    for line in body.split_inclusive('\n') {
        match (inside, line.trim_end()) {
            (false, STEPS) => inside = true,
            (true, "```") => inside = false,
            (true, _) => {}
            (false, _) => text.push_str(line),
        }
    }
    // A heading above nothing says nothing.
    let text = text.trim_end();
    text.strip_suffix("\n## Steps").map_or_else(|| text.to_owned(), str::to_owned)
}

/// A page in its parts.
struct Page<'a> {
    name: &'a str,
    front: &'a str,
    fields: serde_json::Map<String, Value>,
    body: &'a str,
    /// Lines before the body.
    offset: usize,
}

impl<'a> Page<'a> {
    fn of(name: &'a str, text: &'a str) -> Result<Self, DocumentError> {
        let wrong = |line: usize, problem: String| DocumentError { file: name.to_owned(), line, problem };
        if text.len() > DOCUMENT_BYTES_MAX {
            let kib = DOCUMENT_BYTES_MAX >> 10;
            return Err(wrong(1, format!("the document is longer than {kib} KiB; split it by topic")));
        }
        if let Some(at) = text.find('\0') {
            let line = 1 + text[..at].matches('\n').count();
            return Err(wrong(line, "this is no text; documents are Markdown in UTF-8".to_owned()));
        }
        let (front, body) = match split_front(text) {
            Some(parts) => parts,
            None if text.starts_with("---\n") => {
                return Err(wrong(
                    1,
                    "the fields at the top have no end; close them with a line `---`".to_owned(),
                ));
            }
            None => ("", text),
        };
        let offset = text[..text.len() - body.len()].matches('\n').count();
        let fields = fields(front).map_err(|(line, problem)| {
            wrong(
                line + 1,
                format!("the fields at the top are no YAML: {problem}; write one `name: value` a line"),
            )
        })?;
        let page = Self { name, front, fields, body, offset };
        page.check_names()?;
        if body.trim().is_empty() {
            return Err(
                page.wrong_body(0, "there is nothing below the fields; write what to know in Markdown")
            );
        }
        Ok(page)
    }

    fn wrong(&self, line: usize, problem: impl Into<String>) -> DocumentError {
        DocumentError { file: self.name.to_owned(), line, problem: problem.into() }
    }

    /// At a line of the body, from 0.
    fn wrong_body(&self, line: usize, problem: impl Into<String>) -> DocumentError {
        self.wrong(self.offset + line + 1, problem)
    }

    /// At a field; a missing one is missed at the top.
    fn wrong_field(&self, field: &str, problem: impl Into<String>) -> DocumentError {
        let is_it = |line: &str| line.split_once(':').is_some_and(|(name, _)| name.trim() == field);
        let line = self.front.lines().position(is_it).map_or(1, |line| line + 2);
        self.wrong(line, problem)
    }

    /// Pages of other tools have fields of their own, which are read over. What is nearly one of ours is a slip.
    fn check_names(&self) -> Result<(), DocumentError> {
        let plain = |name: &str| -> String {
            let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            letters.to_lowercase().trim_end_matches('s').to_owned()
        };
        for name in self.fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            if let Some(meant) = FIELDS.iter().find(|field| plain(field) == plain(name)) {
                return Err(self.wrong_field(name, format!("`{name}` is no field; write `{meant}`")));
            }
        }
        Ok(())
    }

    fn text(&self, field: &str) -> Result<Option<String>, DocumentError> {
        let value = match self.fields.get(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(number @ (Value::Number(_) | Value::Bool(_))) => number.to_string(),
            Some(_) => return Err(self.wrong_field(field, format!("`{field}` is one value, not a list"))),
        };
        if value.chars().count() > VALUE_CHARS_MAX {
            let problem =
                format!("`{field}` is longer than {VALUE_CHARS_MAX} characters; say it below the fields");
            return Err(self.wrong_field(field, problem));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// Several values; one alone needs no brackets.
    fn list(&self, field: &str) -> Result<Vec<String>, DocumentError> {
        let all = match self.fields.get(field) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(all)) => all.clone(),
            Some(one) => vec![one.clone()],
        };
        let text = |value: Value| match value {
            Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.wrong_field(field, format!("`{field}` is a list of texts: `{field}: [one, two]`"))),
        };
        all.into_iter().map(text).collect()
    }

    fn collection(&self) -> Result<Collection, DocumentError> {
        match self.text("kind")?.as_deref() {
            None if SERVICE_FIELDS.iter().any(|field| self.fields.contains_key(*field)) => {
                Err(self.wrong(1, "these are the fields of a service doc; say so with `kind: service`"))
            }
            None | Some("runbook") => Ok(Collection::Runbooks),
            Some("incident") => Ok(Collection::Incidents),
            Some("service") => Ok(Collection::Services),
            Some(other) => {
                let problem = format!("`kind: {other}` is none; it is `incident`, `runbook` or `service`");
                Err(self.wrong_field("kind", problem))
            }
        }
    }

    fn id(&self) -> Result<String, DocumentError> {
        let file = self.name.rsplit('/').next().unwrap_or(self.name);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let id = self.text("id")?.unwrap_or_else(|| stem.to_owned());
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || !id.chars().all(fits) || id.chars().all(|c| c == '.') {
            let problem =
                format!("the id `{id}` cannot be used: give `id:` in letters, digits, `-`, `_` and `.`");
            return Err(self.wrong_field("id", problem));
        }
        Ok(id)
    }

    /// As it says, else its first heading, else its id.
    fn title(&self) -> String {
        let given = self.text("title").ok().flatten();
        let heading =
            || self.body.lines().find_map(|line| line.strip_prefix("# ")).map(|t| t.trim().to_owned());
        given.or_else(heading).or_else(|| self.id().ok()).unwrap_or_default()
    }

    fn anomaly_types(&self) -> Result<Vec<String>, DocumentError> {
        let all = self.list("anomaly_types")?;
        let known = |name: &str| name.parse::<Cause>().is_ok() || name.parse::<Metric>().is_ok();
        match all.iter().find(|name| !known(name)) {
            None => Ok(all),
            Some(name) => {
                let causes = Cause::ALL.iter().map(|cause| cause.name());
                let metrics = Metric::ALL.iter().map(|metric| metric.name());
                let names: Vec<&str> = causes.chain(metrics).collect();
                let problem = format!(
                    "`{name}` is no type of anomaly that midwatch reports; there are {}; for anything else use `tags`",
                    names.join(", ")
                );
                Err(self.wrong_field("anomaly_types", problem))
            }
        }
    }

    fn facts(&self) -> Result<ServiceFacts, DocumentError> {
        let needed = |field: &str, fix: &str| {
            let missing = || self.wrong_field(field, format!("a service doc needs `{field}`: {fix}"));
            self.text(field)?.ok_or_else(missing)
        };
        let criticality = needed("criticality", "`criticality: P0` (or P1, P2)")?;
        let criticality: Criticality = criticality.parse().map_err(|_| {
            self.wrong_field(
                "criticality",
                format!("`criticality: {criticality}` is none; it is P0, P1 or P2"),
            )
        })?;
        Ok(ServiceFacts {
            team: needed("team", "who owns it, `team: payments`")?,
            criticality,
            sla: needed("sla", "what was promised, `sla: 99.9 % within 400 ms`")?,
            on_call: needed("on_call", "who is woken, `on_call: payments-primary, page`")?,
            depends_on: self.list("depends_on")?,
            called_by: self.list("called_by")?,
            failure_modes: self.list("failure_modes")?,
            runbooks: self.list("runbooks")?,
        })
    }

    /// An incident has its four chunks, each once, each with something in it.
    fn check_chunks(&self) -> Result<(), DocumentError> {
        let all = sections_of_any_length(self.body);
        for chunk in INCIDENT_CHUNKS {
            let found: Vec<_> = all.iter().filter(|section| section.heading == chunk).collect();
            let problem = match found.as_slice() {
                [] => format!(
                    "an incident needs a section `## {chunk}`; the four are {}",
                    INCIDENT_CHUNKS.join(", ")
                ),
                [one] if one.text.is_empty() => {
                    format!("there is nothing below `## {chunk}`; one sentence is enough")
                }
                [_] => continue,
                [..] => format!("`## {chunk}` is there twice; keep one"),
            };
            return Err(self.wrong_body(self.line_of(&format!("## {chunk}")), problem));
        }
        match all
            .iter()
            .find(|section| !section.heading.is_empty() && !INCIDENT_CHUNKS.contains(&section.heading))
        {
            None => Ok(()),
            Some(other) => {
                let heading = format!("## {}", other.heading);
                let line = self.line_of(&heading);
                let chunks = INCIDENT_CHUNKS.join(", ");
                Err(self.wrong_body(
                    line,
                    format!("`{heading}` is no section of an incident; the four are {chunks}"),
                ))
            }
        }
    }

    fn check_sections(&self, document: &Document) -> Result<(), DocumentError> {
        if document.sections().is_empty() {
            let least = crate::SECTION_CHARS_MIN;
            return Err(
                self.wrong_body(0, format!("no section has {least} characters or more; say what to do"))
            );
        }
        Ok(())
    }

    fn line_of(&self, start: &str) -> usize {
        self.body.lines().position(|line| line.trim_end() == start).unwrap_or(0)
    }
}

/// The fields, or in which of their lines (from 1) they cannot be read.
fn fields(front: &str) -> Result<serde_json::Map<String, Value>, (usize, String)> {
    if front.trim().is_empty() {
        return Ok(serde_json::Map::new());
    }
    let failed = |error: serde_saphyr::Error| {
        let line = error.location().map_or(1, |at| at.line());
        let line = usize::try_from(line).unwrap_or(1);
        let said = error.to_string();
        (line, said.lines().next().unwrap_or_default().trim_end_matches('.').to_owned())
    };
    match serde_saphyr::from_str::<Value>(front).map_err(failed)? {
        Value::Object(fields) => Ok(fields),
        _ => Err((1, "they are no fields".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INCIDENT: &str = "---\nkind: incident\nid: inc-1\nservices: [payment-service]\nanomaly_types: memory_leak\n---\n\
                            # Memory went up\n## Summary\na\n## Root cause\nb\n## Resolution\nc\n## Contributing factors\nd\n";
    const SERVICE: &str = "---\nkind: service\nteam: payments\ncriticality: P0\nsla: 99.9 %\non_call: page payments\n\
                           called_by: [order-service]\nfailure_modes:\n  - its pool is exhausted\n---\nTakes the money.\n";

    fn read(name: &str, text: &str) -> Document {
        read_document(name, text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn each_kind_of_document_has_its_shape() {
        let page = read(
            "books/DiskFull.md",
            "# The disk is full\n\n## Mitigation\nRemove what nobody needs any more.\n",
        );
        assert_eq!((page.id.as_str(), page.collection), ("DiskFull", Collection::Runbooks));
        assert_eq!(page.title, "The disk is full");
        let incident = read("x.md", INCIDENT);
        assert_eq!(
            (incident.collection, incident.anomaly_types),
            (Collection::Incidents, vec!["memory_leak".into()])
        );
        let service = read("payment-service.md", SERVICE);
        let facts = service.facts.as_ref().expect("facts");
        assert_eq!((facts.criticality, facts.called_by.len()), (Criticality::P0, 1));
        assert_eq!(service.services, ["payment-service"]);
        assert!(service.text.contains("its pool is exhausted") && service.text.ends_with("Takes the money."));
        assert_eq!(service.sections().len(), 1);
    }

    #[test]
    fn fields_of_other_tools_are_read_over() {
        let page = read(
            "a.md",
            "---\ntitle: T\nweight: 20\nlayout: page\n---\nWhat to do when it is broken, in short.\n",
        );
        assert_eq!(page.title, "T");
    }

    /// What a broken document is answered with.
    fn check(text: &str, line: usize, says: &str) {
        let error = read_document("docs/a.md", text).expect_err(text);
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().starts_with("docs/a.md:") && error.problem.contains(says), "{error}");
    }

    #[test]
    fn what_cannot_be_taken_is_refused_with_file_line_and_fix() {
        check("---\nkind: runbook\n", 1, "close them with a line `---`");
        check("---\nkind: poem\n---\nx", 2, "`incident`, `runbook` or `service`");
        check("---\ntitle: a\nanomaly_type: memory_leak\n---\nx", 3, "write `anomaly_types`");
        check("---\ntags: [a]\nanomaly_types: [mem]\n---\nsome text", 3, "memory_leak");
        check("---\ntitle: [a\n---\nx", 2, "no YAML");
        check("---\nteam: a\n---\nx", 1, "kind: service");
        check("---\nkind: service\nteam: a\n---\nx", 1, "needs `criticality`");
        check(&SERVICE.replace("P0", "high"), 4, "P0, P1 or P2");
        check(&INCIDENT.replace("## Resolution\nc\n", ""), 7, "needs a section `## Resolution`");
        check(&INCIDENT.replace("## Resolution\nc\n", "## Resolution\n\n"), 12, "nothing below");
        check(&INCIDENT.replace("d\n", "d\n## Thanks\ne\n"), 16, "no section of an incident");
        check("---\nid: a/b\n---\nsome text", 2, "cannot be used");
        check("short", 1, "30 characters");
        check("---\ntitle: a\n---\n\n", 4, "nothing below");
        check("a\nb\0c", 2, "no text");
        check(&"long ".repeat(60_000), 1, "256 KiB");
    }
}
