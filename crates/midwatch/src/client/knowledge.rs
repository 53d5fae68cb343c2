//! `midwatch knowledge …`: what was written down, found when it is needed.

use super::{Client, checked, lists, me};
use crate::cli::{ClientArgs, KnowledgeCommand};
use crate::exit::{DONE, Exit, Usage};
use crate::output::{self, bold, out, text, time};
use anyhow::{Context as _, Result};
use midwatch_knowledge::{DOCUMENT_BYTES_MAX, read_document};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Lines of a hit that are shown; `--json` has all.
const LINES_SHOWN: usize = 12;

/// Hits of each collection where a person asks all three at once: they fit on a screen.
const HITS_OF_EACH: usize = 3;

/// Documents that are added at once, and their bytes: what the server takes in one request, with room for what is around them.
const DOCUMENTS_MAX: usize = 1000;
const REQUEST_BYTES_MAX: usize = 7 << 20;

pub async fn run(args: &ClientArgs, command: KnowledgeCommand) -> Result<Exit> {
    let client = Client::new(args)?;
    match command {
        KnowledgeCommand::Search { text, collection, service, anomaly_type, limit } => {
            let whole = args.json || collection.is_some();
            let limit = limit.or((!whole).then_some(HITS_OF_EACH));
            let asked = [
                ("q", Some(text.join(" "))),
                ("collection", collection.map(|one| one.name().to_owned())),
                ("service", service),
                ("anomaly_type", anomaly_type),
                ("limit", limit.map(|limit| limit.to_string())),
            ];
            search(&client, args.json, &asked).await
        }
        KnowledgeCommand::Add { paths, by } => add(&client, args.json, &paths, by).await,
        KnowledgeCommand::List => {
            let answer = client.get("/api/v1/knowledge").await?;
            let rows = answer["documents"].as_array().cloned().unwrap_or_default();
            lists::print(args.json, "documents", &rows, &["collection", "id", "title", "from"], |r| {
                vec![text(r, "collection"), text(r, "id"), text(r, "title"), origin(&r["origin"])]
            })
        }
        KnowledgeCommand::Remove { collection, id } => {
            let path = format!("/api/v1/knowledge/{collection}/{}", plain(&id)?);
            let answer = client.delete(&path).await?;
            said(args.json, &answer, |answer| out!("removed {}", text(answer, "removed")))
        }
        KnowledgeCommand::Reindex => {
            let answer = client.post("/api/v1/knowledge/reindex", &json!({})).await?;
            said(args.json, &answer, indexed)
        }
        KnowledgeCommand::Review { incident: None, .. } => waiting(&client, args.json).await,
        KnowledgeCommand::Review { incident: Some(id), accept: false, refuse: false, .. } => {
            let answer = client.get(&format!("/api/v1/knowledge/candidates/{}", checked(&id)?)).await?;
            said(args.json, &answer, |answer| output::write(format_args!("{}", text(answer, "markdown"))))
        }
        KnowledgeCommand::Review { incident: Some(id), accept, file, by, reason, .. } => {
            let markdown = file.as_deref().map(read).transpose()?;
            let body = json!({
                "accept": accept, "by": me(by), "reason": reason.unwrap_or_default(), "markdown": markdown,
            });
            let answer =
                client.post(&format!("/api/v1/knowledge/candidates/{}", checked(&id)?), &body).await?;
            let learnt = if accept { "is learnt: searches find it from now on" } else { "is not learnt" };
            said(args.json, &answer, |_| out!("{id} {learnt}"))
        }
        KnowledgeCommand::Model { command } => crate::knowledge::run(command),
    }
}

fn said(as_json: bool, answer: &Value, say: impl Fn(&Value)) -> Result<Exit> {
    if as_json {
        return output::json(answer).map(|()| DONE);
    }
    say(answer);
    Ok(DONE)
}

/// An id of a document, which is part of an address.
fn plain(id: &str) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !id.is_empty() && id.chars().all(fits) && !id.chars().all(|c| c == '.') {
        return Ok(id);
    }
    Err(Usage(format!("`{id}` is not an id of a document; `midwatch knowledge list` shows those there are"))
        .into())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A value as part of an address.
pub(super) fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

async fn search(client: &Client, as_json: bool, asked: &[(&str, Option<String>)]) -> Result<Exit> {
    let given = asked.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_ref()?))));
    let path = format!("/api/v1/knowledge/search?{}", given.collect::<Vec<_>>().join("&"));
    let answer = client.get(&path).await?;
    said(as_json, &answer, found)
}

fn found(answer: &Value) {
    let hits = answer["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    for hit in hits {
        let heading = hit["heading"].as_str().filter(|heading| !heading.is_empty());
        let title = heading
            .map_or_else(|| text(hit, "title"), |heading| format!("{}: {heading}", text(hit, "title")));
        out!("{}", bold(&title));
        let id = format!("{}/{}", text(hit, "collection"), text(hit, "id"));
        out!("  {id}  score {:.2}  {}", hit["score"].as_f64().unwrap_or(0.0), origin(&hit["origin"]));
        let whole = text(hit, "text");
        let lines: Vec<&str> = whole.lines().collect();
        for line in lines.iter().take(LINES_SHOWN) {
            out!("  {line}");
        }
        if lines.len() > LINES_SHOWN {
            out!("  … {} more lines; --json has all", lines.len() - LINES_SHOWN);
        }
        out!("");
    }
    if hits.is_empty() {
        out!("nothing is written down about that");
    }
    if let Some(note) = answer["note"].as_str() {
        out!("{note}");
    }
}

fn origin(value: &Value) -> String {
    match value["kind"].as_str() {
        Some("added") => format!("added by {}, {}", text(value, "by"), time(value, "at")),
        Some("learnt") => format!("happened here; reviewed by {}, {}", text(value, "by"), time(value, "at")),
        _ => "ships with midwatch".to_owned(),
    }
}

fn indexed(answer: &Value) {
    out!(
        "{} documents; {} of {} texts have a vector ({} KB)",
        text(answer, "documents"),
        text(answer, "embedded"),
        text(answer, "texts"),
        answer["index_bytes"].as_u64().unwrap_or(0) / 1000
    );
    if let Some(note) = answer["note"].as_str() {
        out!("{note}");
    }
}

async fn waiting(client: &Client, as_json: bool) -> Result<Exit> {
    let answer = client.get("/api/v1/knowledge/candidates").await?;
    let rows = answer["candidates"].as_array().cloned().unwrap_or_default();
    let header = ["incident", "opened (UTC)", "service", "what would be learnt"];
    lists::print(as_json, "candidates", &rows, &header, |r| {
        vec![text(r, "incident"), time(r, "opened_at"), text(r, "service"), text(r, "title")]
    })?;
    if !as_json && !rows.is_empty() {
        out!("\n`midwatch knowledge review INCIDENT` shows one; --accept learns it, --refuse does not");
    }
    Ok(DONE)
}

async fn add(client: &Client, as_json: bool, paths: &[PathBuf], by: Option<String>) -> Result<Exit> {
    let mut files = Vec::new();
    for path in paths {
        markdown_files(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Usage("there is no Markdown file (*.md) in what was given".into()).into());
    }
    let documents = read_all(&files)?;
    one_request(&documents)?;
    let body = json!({ "by": me(by), "documents": documents });
    let answer = client.post("/api/v1/knowledge", &body).await?;
    let added = answer["added"].as_array().cloned().unwrap_or_default();
    said(as_json, &json!({ "added": added }), |_| {
        for one in &added {
            out!("added {}/{}: {}", text(one, "collection"), text(one, "id"), text(one, "title"));
            match one["blanked"].as_u64() {
                Some(1) => out!("  1 place in it looked like a secret and was blanked"),
                Some(count) => out!("  {count} places in it looked like secrets and were blanked"),
                None => {}
            }
        }
    })
}

/// All documents come in one request, so that all are taken or none.
fn one_request(documents: &[Value]) -> Result<()> {
    let bytes: usize = documents.iter().map(|document| document.to_string().len()).sum();
    if documents.len() <= DOCUMENTS_MAX && bytes <= REQUEST_BYTES_MAX {
        return Ok(());
    }
    Err(Usage(format!(
        "these are {} documents of {} KiB together; at most {DOCUMENTS_MAX} of {} KiB are added at once, all or none: \
         name some of the files or folders first, and the rest after",
        documents.len(),
        bytes >> 10,
        REQUEST_BYTES_MAX >> 10,
    ))
    .into())
}

/// Every file is looked at before the first one is brought, and everything that is wrong is said at once.
fn read_all(files: &[PathBuf]) -> Result<Vec<Value>> {
    let (mut documents, mut wrong) = (Vec::new(), Vec::new());
    for path in files {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).map_or(0, |about| about.len());
        if size > DOCUMENT_BYTES_MAX as u64 {
            let kib = DOCUMENT_BYTES_MAX >> 10;
            wrong.push(format!("{name}:1: the document is longer than {kib} KiB; split it by topic"));
            continue;
        }
        match read(path) {
            Ok(text) => match read_document(&name, &text) {
                Ok(_) => documents.push(json!({ "name": name, "text": text })),
                Err(error) => wrong.push(error.to_string()),
            },
            Err(error) => wrong.push(format!(
                "{name}:1: {}; documents are Markdown in UTF-8",
                crate::exit::sentence(&error)
            )),
        }
    }
    crate::config::at_once(wrong)?;
    Ok(documents)
}

/// The Markdown files at or below a path, in order.
fn markdown_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    below.sort();
    for path in below {
        // What is linked lies somewhere else, and nobody named that.
        if path.is_symlink() {
            eprintln!("{} is a link and left out; name what it points to if you mean it", path.display());
            continue;
        }
        let is_markdown = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("md") || e.eq_ignore_ascii_case("markdown"));
        if path.is_dir() || is_markdown {
            markdown_files(&path, files)?;
        }
    }
    Ok(())
}
