//! Retrieval: is the page that somebody needs the first one that is found?

use crate::rca::figures::{Figure, at, chance_at, figure};
use anyhow::{Context, Result, bail};
use midwatch_knowledge::{Collection, Document, Embedder, Library, MEANING_WEIGHT, MODEL_FILES, Query};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How much meaning may count beside words, in steps: what is chosen from when the choice itself is tested.
const WEIGHTS: usize = 21;

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
    /// By words and meaning if there is a model, else by words alone.
    #[serde(flatten)]
    scores: Scores,
    chance_1: f64,
    chance_5: f64,
    ms_per_question: f64,
    /// With a model only.
    meaning: Option<Meaning>,
}

/// How often the right page was found.
#[derive(Serialize)]
struct Scores {
    recall_1: Figure,
    recall_5: Figure,
    /// Mean reciprocal rank.
    mrr: Figure,
}

/// What the model adds, and what it costs.
#[derive(Serialize)]
struct Meaning {
    /// How much it counts beside words.
    weight: f64,
    words_alone: Scores,
    /// With a weight that was chosen, for each question anew, by the other questions.
    cross_validated: Scores,
    texts: usize,
    tokens: usize,
    embeddings_per_s: f64,
    index_bytes: usize,
}

/// Asks every question below a folder: `docs.jsonl` (`id`, `title`, `text`) and `queries.jsonl` (`text`, `gold`).
///
/// `model` is a folder with the `model.safetensors` and the `tokenizer.json` of all-MiniLM-L6-v2: pages are then found by
/// meaning, too.
///
/// # Errors
/// One of the files is missing or cannot be read, or a question's right page is not among the pages.
pub fn run(folder: &Path, model: Option<&Path>, json: bool) -> Result<String> {
    let pages: Vec<Page> = lines(&folder.join("docs.jsonl"))?;
    let questions: Vec<Question> = lines(&folder.join("queries.jsonl"))?;
    if questions.is_empty() || pages.is_empty() {
        bail!("{}: there are no pages or no questions", folder.display());
    }
    if let Some(lost) = questions.iter().find(|question| pages.iter().all(|page| page.id != question.gold)) {
        bail!("{}: `{}` is the right page of a question and not in docs.jsonl", folder.display(), lost.gold);
    }
    let model = model.map(load).transpose()?;
    let report = measure(pages, &questions, model.as_ref())?;
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report.render()) }
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let line = |(place, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), place + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

fn load(folder: &Path) -> Result<Embedder> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| {
            format!(
                "{}: the model is not there; `midwatch knowledge model install` brings it",
                path.display()
            )
        })
    };
    Ok(Embedder::new(read(MODEL_FILES[0].name)?, &read(MODEL_FILES[1].name)?)?)
}

fn measure(pages: Vec<Page>, questions: &[Question], model: Option<&Embedder>) -> Result<Report> {
    let count = pages.len();
    let document = |page: Page| Document {
        id: page.id,
        collection: Collection::Runbooks,
        title: page.title,
        text: page.text,
        services: Vec::new(),
        anomaly_types: Vec::new(),
        tags: Vec::new(),
        facts: None,
    };
    let library = Library::new(pages.into_iter().map(document));
    let cost = model.map(|model| embed(&library, model)).transpose()?;
    let began = Instant::now();
    let vector = |question: &Question| model.map(|model| model.embed(&question.text)).transpose();
    let asked: Vec<Option<Vec<f32>>> = questions.iter().map(vector).collect::<Result<_, _>>()?;
    let found = ranks(&library, questions, &asked);
    let ms = began.elapsed().as_secs_f64() * 1e3;
    Ok(Report {
        pages: count,
        questions: questions.len(),
        scores: Scores::of(&found),
        chance_1: chance_at(count, 1, 1),
        chance_5: chance_at(count, 1, 5),
        ms_per_question: ms / questions.len() as f64,
        meaning: cost.map(|cost| meaning(cost, &library, questions, &asked)),
    })
}

/// What vectors cost.
struct Cost {
    texts: usize,
    tokens: usize,
    seconds: f64,
    index_bytes: usize,
}

fn embed(library: &Library, model: &Embedder) -> Result<Cost> {
    let texts = library.without_vector();
    let began = Instant::now();
    let vectors = texts.iter().map(|text| Ok((text.clone(), Arc::from(model.embed(text)?))));
    let vectors = vectors.collect::<Result<_>>()?;
    let seconds = began.elapsed().as_secs_f64();
    library.set_vectors(&vectors);
    let tokens = texts.iter().map(|text| model.tokens(text)).sum();
    Ok(Cost { texts: texts.len(), tokens, seconds, index_bytes: library.vectors().2 })
}

fn meaning(cost: Cost, library: &Library, questions: &[Question], asked: &[Option<Vec<f32>>]) -> Meaning {
    let weights = (0..WEIGHTS).map(|step| step as f64 / (WEIGHTS - 1) as f64);
    let all: Vec<Vec<Option<usize>>> =
        weights.map(|weight| ranks(&library.clone().with_meaning_weight(weight), questions, asked)).collect();
    Meaning {
        weight: MEANING_WEIGHT,
        words_alone: Scores::of(&all[0]),
        cross_validated: Scores::of(&cross_validated(&all, questions.len())),
        texts: cost.texts,
        tokens: cost.tokens,
        embeddings_per_s: cost.texts as f64 / cost.seconds,
        index_bytes: cost.index_bytes,
    }
}

/// Each question's rank by the setting that is best for all the others.
fn cross_validated(all: &[Vec<Option<usize>>], questions: usize) -> Vec<Option<usize>> {
    let others = |ranks: &[Option<usize>], one: usize| -> f64 {
        ranks.iter().enumerate().filter(|(place, _)| *place != one).map(|(_, rank)| reciprocal(*rank)).sum()
    };
    let chosen = |one: usize| {
        // Of equals the one that trusts words more.
        let best = all.iter().rev().max_by(|a, b| others(a, one).total_cmp(&others(b, one)));
        best.and_then(|ranks| ranks[one])
    };
    (0..questions).map(chosen).collect()
}

fn reciprocal(rank: Option<usize>) -> f64 {
    rank.map_or(0.0, |rank| 1.0 / rank as f64)
}

fn ranks(library: &Library, questions: &[Question], asked: &[Option<Vec<f32>>]) -> Vec<Option<usize>> {
    questions.iter().zip(asked).map(|(question, vector)| rank(library, question, vector.as_deref())).collect()
}

/// The place of the right page; one of the same score before it counts as before it.
fn rank(library: &Library, question: &Question, vector: Option<&[f32]>) -> Option<usize> {
    let query = Query {
        text: &question.text,
        collection: Collection::Runbooks,
        service: None,
        anomaly_type: None,
        limit: None,
    };
    let hits = library.best_of_each(&query, vector);
    let right = hits.iter().find(|hit| hit.document.id == question.gold)?.score;
    Some(hits.iter().filter(|hit| hit.score >= right).count())
}

impl Scores {
    fn of(ranks: &[Option<usize>]) -> Self {
        let share = |k: usize| figure(&ranks.iter().map(|rank| at(*rank, k)).collect::<Vec<_>>());
        let mrr = figure(&ranks.iter().map(|rank| reciprocal(*rank)).collect::<Vec<_>>());
        Self { recall_1: share(1), recall_5: share(5), mrr }
    }

    fn line(&self) -> String {
        let (r1, r5, mrr) = (&self.recall_1, &self.recall_5, &self.mrr);
        format!("R@1 {:.3}  R@5 {:.3}  MRR {:.3}", r1.value, r5.value, mrr.value)
    }
}

impl Report {
    fn render(&self) -> String {
        let show = |name: &str, figure: &Figure, chance: String| {
            format!("{name:<6} {:.3} [{:.3}–{:.3}]   {chance}\n", figure.value, figure.low, figure.high)
        };
        format!(
            "{} questions to {} pages, {}\n{}{}{}{:.2} ms a question{}",
            self.questions,
            self.pages,
            if self.meaning.is_some() { "by words and meaning" } else { "by words alone (no model)" },
            show("R@1", &self.scores.recall_1, format!("chance {:.3}", self.chance_1)),
            show("R@5", &self.scores.recall_5, format!("chance {:.3}", self.chance_5)),
            show("MRR", &self.scores.mrr, String::new()),
            self.ms_per_question,
            self.meaning.as_ref().map_or_else(String::new, Meaning::render)
        )
    }
}

impl Meaning {
    fn render(&self) -> String {
        format!(
            "\nwords alone:      {}\ncross-validated:  {} (the weight of meaning chosen by the other questions)\n\
             {} texts of {:.0} tokens: {:.0} embeddings/s; index: {} KB",
            self.words_alone.line(),
            self.cross_validated.line(),
            self.texts,
            self.tokens as f64 / self.texts.max(1) as f64,
            self.embeddings_per_s,
            self.index_bytes / 1000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_chosen_without_the_question_that_it_is_tested_on() {
        // The first setting is right for question 0 alone, the second for the others.
        let all = [vec![Some(1), Some(4), Some(4), Some(4)], vec![Some(4), Some(1), Some(1), Some(1)]];
        assert_eq!(cross_validated(&all, 4), [Some(4), Some(1), Some(1), Some(1)]);
        // Of two that are as good, words are trusted more.
        assert_eq!(cross_validated(&[vec![Some(2), Some(1)], vec![Some(3), Some(1)]], 2), [Some(2), Some(1)]);
        assert_eq!(cross_validated(&[vec![None]], 1), [None]);
    }
}
