//! Candidates of a training on windows that none of them has seen.

use anyhow::{Context, Result, bail};
use midwatch_prediction::cascade;
use midwatch_prediction::model::{Model, Platt};
use midwatch_prediction::network::Kind;
use midwatch_prediction::rivals::{Answers, ask, calibrate, examples, grade, persistence, time_error};
use midwatch_prediction::score::{
    Graded, Interval, auc_pr, auc_roc, bootstrap, bootstrap_difference, ece, scores,
};
use midwatch_prediction::window::WindowSet;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// A candidate on the set.
#[derive(Serialize)]
struct Row {
    name: String,
    auc_roc: Interval,
    auc_pr: Interval,
    brier: f64,
    ece: Interval,
    log_loss: f64,
    /// Mean error of the time to failure, in shares of the horizon.
    time_error: f64,
    /// Of the whole graph.
    graph_auc_roc: Interval,
    graph_ece: f64,
    #[serde(skip)]
    kind: Option<Kind>,
    #[serde(skip)]
    graded: Vec<Graded>,
}

/// Two kinds, by all their seeds together.
#[derive(Serialize)]
struct Difference {
    one: &'static str,
    other: &'static str,
    auc_roc: Interval,
}

/// How often the service that fails next is among the first two that the path search names.
#[derive(Serialize)]
struct Paths {
    by: String,
    asked: usize,
    right: f64,
    chance: f64,
}

#[derive(Serialize)]
struct Report {
    windows: usize,
    services: usize,
    failing: f64,
    /// The error of the time of always saying the middle.
    middle_time_error: f64,
    rows: Vec<Row>,
    differences: Vec<Difference>,
    paths: Option<Paths>,
}

/// Grades every candidate.
pub fn run(data: &Path, candidates: &Path, json: bool) -> Result<String> {
    let bytes = std::fs::read(data).with_context(|| data.display().to_string())?;
    let set = WindowSet::from_bytes(&bytes).with_context(|| data.display().to_string())?;
    let models = read(candidates)?;
    if models.iter().any(|(_, model)| model.meta.data == WindowSet::digest(&bytes)) {
        bail!(
            "{} is what the candidates were trained on; generate another with another --seed",
            data.display()
        );
    }
    let all: Vec<usize> = (0..set.windows.len()).collect();
    let mut rows = Vec::new();
    let mut paths = None;
    let mut middle_time_error = f64::NAN;
    for (name, model) in &models {
        eprintln!("{name} …");
        let answers = ask(model.network(), &examples(&set, &all, model.meta.kind, model.meta.seed))?;
        middle_time_error = time_error(&answers.services).1;
        let calibration = model.meta.calibration;
        rows.push(row(
            name.clone(),
            Some(model.meta.kind),
            &answers,
            calibration.services,
            calibration.graphs,
        ));
        if model.meta.kind == Kind::Graph && paths.is_none() {
            paths = Some(next_services(name, &set, model)?);
        }
    }
    let lasting = persistence(&set, &all);
    let (services, graphs) = (calibrate(&lasting.services), calibrate(&lasting.graphs));
    rows.push(row("persistence (calibrated on this set)".to_owned(), None, &lasting, services, graphs));
    let graded = &rows[0].graded;
    let failing = graded.iter().filter(|g| g.failed).count() as f64 / graded.len().max(1) as f64;
    let differences = differences(&rows);
    let (windows, services) = (set.windows.len(), graded.len());
    let report = Report { windows, services, failing, middle_time_error, rows, differences, paths };
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(report.render()) }
}

fn read(folder: &Path) -> Result<Vec<(String, Model)>> {
    let mut models = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let about = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let weights = path.with_extension("safetensors");
            let bytes = std::fs::read(&weights).with_context(|| weights.display().to_string())?;
            let model = Model::from_files(&bytes, &about).with_context(|| path.display().to_string())?;
            models.push((format!("{}, seed {}", model.meta.kind.title(), model.meta.seed), model));
        }
    }
    if models.is_empty() {
        bail!(
            "there is no model in {}; name the folder of candidates that `midwatch train` wrote",
            folder.display()
        );
    }
    models.sort_by_key(|(_, model)| (model.meta.kind, model.meta.seed));
    Ok(models)
}

fn row(name: String, kind: Option<Kind>, answers: &Answers, services: Platt, graphs: Platt) -> Row {
    let graded = grade(&answers.services, services);
    let whole = grade(&answers.graphs, graphs);
    let all = scores(&graded);
    Row {
        name,
        auc_roc: bootstrap(&graded, 1, auc_roc),
        auc_pr: bootstrap(&graded, 1, auc_pr),
        brier: all.brier,
        ece: bootstrap(&graded, 1, ece),
        log_loss: all.log_loss,
        time_error: time_error(&answers.services).0,
        graph_auc_roc: bootstrap(&whole, 1, auc_roc),
        graph_ece: ece(&whole),
        kind,
        graded,
    }
}

/// The graph network against each of the others, seed by seed, as one long row of forecasts.
fn differences(rows: &[Row]) -> Vec<Difference> {
    let all = |kind: Kind| -> Vec<&Vec<Graded>> {
        rows.iter().filter(|row| row.kind == Some(kind)).map(|row| &row.graded).collect()
    };
    let mean = |kind: Kind| mean_of(&all(kind));
    let Some(graph) = mean(Kind::Graph) else { return vec![] };
    let others = [Kind::NoGraph, Kind::ShuffledGraph, Kind::Mlp, Kind::Logistic];
    let against = |other: Kind| {
        let found = mean(other)?;
        let auc_roc = bootstrap_difference(&graph, &found, 1, auc_roc);
        Some(Difference { one: Kind::Graph.title(), other: other.title(), auc_roc })
    };
    others.into_iter().filter_map(against).collect()
}

/// What several seeds say in the mean.
fn mean_of(seeds: &[&Vec<Graded>]) -> Option<Vec<Graded>> {
    let mut mean = (*seeds.first()?).clone();
    for (index, graded) in mean.iter_mut().enumerate() {
        graded.probability =
            seeds.iter().map(|seed| seed[index].probability).sum::<f64>() / seeds.len() as f64;
    }
    Some(mean)
}

/// In windows where a service is in breach and another one follows: is that one among the first two that are named?
fn next_services(name: &str, set: &WindowSet, model: &Model) -> Result<Paths> {
    let (mut asked, mut right, mut chance) = (0, 0, 0.0);
    for (window, outcome) in set.windows.iter().zip(&set.outcomes) {
        let Some(from) = outcome.in_breach.iter().position(|breach| *breach) else { continue };
        let followers = outcome.path();
        let Some(next) = followers.first().copied() else { continue };
        let others = window.services.len() - outcome.in_breach.iter().filter(|breach| **breach).count();
        let (outlooks, embeddings) = model.outlooks(window)?;
        let named = cascade::next(window, &outlooks, &embeddings, from);
        let well: Vec<usize> =
            named.into_iter().filter(|service| !outcome.in_breach[*service]).take(2).collect();
        asked += 1;
        right += usize::from(well.contains(&next));
        chance += (2.0 / others as f64).min(1.0);
    }
    let count = f64::from(u32::try_from(asked.max(1)).unwrap_or(1));
    Ok(Paths { by: name.to_owned(), asked, right: right as f64 / count, chance: chance / count })
}

impl Report {
    fn render(&self) -> String {
        let mut text = format!(
            "{} windows, {} services that are well, of which {:.1} % fail within the horizon. 95 % intervals by windows.\n\n",
            self.windows,
            self.services,
            100.0 * self.failing
        );
        let _ = writeln!(
            text,
            "{:<40} {:<21}  {:<21}  {:>6} {:>8}  {:<21} {:>6}  {:<21} {:>9}",
            "per service",
            "AUC-ROC",
            "AUC-PR",
            "Brier",
            "log loss",
            "calibration error",
            "time",
            "AUC-ROC of the graph",
            "its ECE"
        );
        let show = |i: &Interval| format!("{:.3} ({:.3}–{:.3})", i.value, i.low, i.high);
        for row in &self.rows {
            let _ = writeln!(
                text,
                "{:<40} {:<21}  {:<21}  {:>6.4} {:>8.4}  {:<21} {:>6.3}  {:<21} {:>9.3}",
                row.name,
                show(&row.auc_roc),
                show(&row.auc_pr),
                row.brier,
                row.log_loss,
                show(&row.ece),
                row.time_error,
                show(&row.graph_auc_roc),
                row.graph_ece
            );
        }
        let _ = writeln!(
            text,
            "\ntime: mean error of the time to failure as a share of the horizon; always saying the middle: {:.3}",
            self.middle_time_error
        );
        for difference in &self.differences {
            let _ = writeln!(
                text,
                "AUC-ROC, {} less {}, mean of the seeds: {:+.4} ({:+.4} to {:+.4})",
                difference.one,
                difference.other,
                difference.auc_roc.value,
                difference.auc_roc.low,
                difference.auc_roc.high
            );
        }
        if let Some(paths) = &self.paths {
            let _ = writeln!(
                text,
                "the next service is among the first two that the path search names ({}): {:.3} of {} (chance {:.3})",
                paths.by, paths.right, paths.asked, paths.chance
            );
        }
        text
    }
}
