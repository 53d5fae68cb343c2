//! Retrieval: is the page that somebody needs the first one that is found?

use crate::rca::figures::{Figure, at, chance_at, figure};
use anyhow::{Context, Result, bail};
use midwatch_knowledge::{Collection, Document, Library, Query};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;

/// What is searched; a line of `docs.jsonl`.
#[derive(Clone, Deserialize)]
struct Page {
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

/// A question; a line of `queries.jsonl`.
#[derive(Deserialize)]
struct Question {
    text: String,
    /// The id of the right page. Only the scorer sees it.
    gold: String,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    pages: usize,
    questions: usize,
    recall_1: Figure,
    recall_5: Figure,
    /// Mean reciprocal rank.
    mrr: Figure,
    chance_1: f64,
    chance_5: f64,
    ms_per_question: f64,
}

/// Asks every question below a folder: `docs.jsonl` (`id`, `title`, `text`) and `queries.jsonl` (`text`, `gold`).
///
/// # Errors
/// One of the files is missing or cannot be read, or a question's right page is not among the pages.
pub fn run(folder: &Path, json: bool) -> Result<String> {
    let pages: Vec<Page> = lines(&folder.join("docs.jsonl"))?;
    let questions: Vec<Question> = lines(&folder.join("queries.jsonl"))?;
    if questions.is_empty() || pages.is_empty() {
        bail!("{}: there are no pages or no questions", folder.display());
    }
    if let Some(lost) = questions.iter().find(|question| pages.iter().all(|page| page.id != question.gold)) {
        bail!("{}: `{}` is the right page of a question and not in docs.jsonl", folder.display(), lost.gold);
    }
    let report = measure(pages, &questions);
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report.render()) }
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let line = |(place, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), place + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

fn measure(pages: Vec<Page>, questions: &[Question]) -> Report {
    let count = pages.len();
    let document = |page: Page| Document {
        id: page.id,
        collection: Collection::Runbooks,
        title: page.title,
        text: page.text,
        services: Vec::new(),
        anomaly_types: Vec::new(),
        tags: Vec::new(),
    };
    let library = Library::new(pages.into_iter().map(document));
    let began = Instant::now();
    let ranks: Vec<Option<usize>> =
        questions.iter().map(|question| rank(&library, question, count)).collect();
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let share = |k: usize| figure(&ranks.iter().map(|rank| at(*rank, k)).collect::<Vec<_>>());
    Report {
        pages: count,
        questions: questions.len(),
        recall_1: share(1),
        recall_5: share(5),
        mrr: figure(&ranks.iter().map(|rank| rank.map_or(0.0, |rank| 1.0 / rank as f64)).collect::<Vec<_>>()),
        chance_1: chance_at(count, 1, 1),
        chance_5: chance_at(count, 1, 5),
        ms_per_question: ms / questions.len() as f64,
    }
}

/// The place of the right page; one of the same score before it counts as before it.
fn rank(library: &Library, question: &Question, limit: usize) -> Option<usize> {
    let query = Query {
        text: &question.text,
        collection: Collection::Runbooks,
        service: None,
        anomaly_type: None,
        limit,
    };
    let hits = library.search(&query);
    let right = hits.iter().find(|hit| hit.document.id == question.gold)?.score;
    Some(hits.iter().filter(|hit| hit.score >= right).count())
}

impl Report {
    fn render(&self) -> String {
        let show = |name: &str, figure: &Figure, chance: String| {
            format!("{name:<6} {:.3} [{:.3}–{:.3}]   {chance}\n", figure.value, figure.low, figure.high)
        };
        format!(
            "{} questions to {} pages\n{}{}{}{:.2} ms a question",
            self.questions,
            self.pages,
            show("R@1", &self.recall_1, format!("chance {:.3}", self.chance_1)),
            show("R@5", &self.recall_5, format!("chance {:.3}", self.chance_5)),
            show("MRR", &self.mrr, String::new()),
            self.ms_per_question
        )
    }
}
