//! Everybody who can foresee a breach from minutes, trained on the first day and graded on the second.
//!
//! Who is called the best is decided on the first day alone, by blocks of it that were left out in turn.

mod networks;
mod table;

use super::linear::Linear;
use super::series::{AHEAD, Day, LAGS, Moment, graph};
use anyhow::{Result, bail};
use midwatch_prediction::network::Kind;
use midwatch_prediction::score::{Graded, Interval, auc_pr, auc_roc, bootstrap};
use networks::Networks;
use serde::Serialize;
use std::path::Path;

/// Blocks of the first day that are left out in turn.
const FOLDS: usize = 4;

/// Minutes that are drawn together in a resample: breaches come in bursts, and neighbouring forecasts share their fate.
const BLOCK: usize = 30;

/// Penalties that a linear model may have; blocks of the first day choose.
const PENALTIES: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

/// The penalty of the linear model that is mixed with a network.
const MIXED: f64 = 1.0;

/// The service that the objective is about, and the series that it is about.
const FRONT: (&str, &str) = ("frontend", "LatencyP95(s)");

/// What somebody is given to learn from, and to be asked about.
pub struct Task<'a> {
    pub learn: (&'a Day, &'a [Moment]),
    pub ask: (&'a Day, &'a [Moment]),
}

/// Somebody who can foresee.
enum Rival {
    /// The front service's latency as it is now.
    Persistence,
    /// Linear over the last minutes of some services.
    Lags(Services),
    /// Linear over level, spread and trend of the last minutes of all services.
    Shape,
    Network(Kind),
    /// The mean of the graph network and of the linear model over shapes.
    Both,
}

/// Whose series are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Services {
    Front,
    All,
}

const RIVALS: [(&str, Rival); 10] = [
    ("persistence", Rival::Persistence),
    ("logistic regression, front service only", Rival::Lags(Services::Front)),
    ("logistic regression, all services", Rival::Lags(Services::All)),
    ("logistic regression, all services, level, spread, trend", Rival::Shape),
    ("temporal graph network", Rival::Network(Kind::Graph)),
    ("same network, shuffled graph", Rival::Network(Kind::ShuffledGraph)),
    ("same network, no graph", Rival::Network(Kind::NoGraph)),
    ("MLP of the front service", Rival::Network(Kind::Mlp)),
    ("logistic regression over features of the front service", Rival::Network(Kind::Logistic)),
    ("graph network and logistic regression, mean", Rival::Both),
];

/// A row of the table.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// AUC-ROC on blocks of the first day that were left out.
    first_day: f64,
    auc_roc: Interval,
    auc_pr: Interval,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    objective: f64,
    moments: [usize; 2],
    failures: [usize; 2],
    rows: Vec<Row>,
    /// By the first day alone.
    best: &'static str,
}

/// Trains on the first day, grades on the second.
pub fn run(folder: &Path, json: bool) -> Result<String> {
    let (first, second) = (Day::read(&folder.join("train"))?, Day::read(&folder.join("test"))?);
    let objective = first.objective();
    let moments = [first.moments(objective), second.moments(objective)];
    if moments.iter().any(|moments| !moments.iter().any(|moment| moment.fails)) {
        bail!(
            "on one of the days nothing breaches the objective of {objective:.3}; there is nothing to foresee"
        );
    }
    let networks = Networks::new(graph(folder)?);
    let mut rows = Vec::new();
    for (name, rival) in &RIVALS {
        eprintln!("{name} …");
        let (first_day, penalty) = settle(rival, &networks, &first, &moments[0])?;
        let task = Task { learn: (&first, &moments[0]), ask: (&second, &moments[1]) };
        let graded = graded(&moments[1], &rival.foresee(&networks, &task, penalty)?);
        let (roc, pr) = (bootstrap(&graded, 1, auc_roc), bootstrap(&graded, 1, auc_pr));
        rows.push(Row { name, first_day, auc_roc: roc, auc_pr: pr });
    }
    let best = rows.iter().max_by(|a, b| a.first_day.total_cmp(&b.first_day)).map_or("", |row| row.name);
    let failures = [0, 1].map(|day: usize| moments[day].iter().filter(|moment| moment.fails).count());
    let report = Report { objective, moments: moments.each_ref().map(Vec::len), failures, rows, best };
    if json { Ok(serde_json::to_string_pretty(&report)?) } else { Ok(table::render(&report)) }
}

fn graded(moments: &[Moment], probabilities: &[f64]) -> Vec<Graded> {
    let one = |(moment, probability): (&Moment, &f64)| Graded {
        probability: *probability,
        failed: moment.fails,
        block: moment.minute / BLOCK,
    };
    moments.iter().zip(probabilities).map(one).collect()
}

/// Mean AUC-ROC of blocks of the first day, each foreseen from the others, and the penalty that does best there; who has none is
/// tried once.
fn settle(rival: &Rival, networks: &Networks, day: &Day, moments: &[Moment]) -> Result<(f64, f64)> {
    let mut best = (f64::MIN, PENALTIES[0]);
    for penalty in &PENALTIES[..rival.penalties()] {
        let graded = folds(moments, |learn, ask| {
            rival.foresee(networks, &Task { learn: (day, learn), ask: (day, ask) }, *penalty)
        })?;
        // Ranks within blocks, and not over all: who learnt from the others thinks that what is left out is like them, so
        // that a block with many breaches is foreseen from a rest with few. Over all, that alone puts ranks upside down.
        let within: Vec<f64> =
            graded.iter().map(|block| auc_roc(block)).filter(|auc| auc.is_finite()).collect();
        let found = within.iter().sum::<f64>() / within.len().max(1) as f64;
        if found > best.0 {
            best = (found, *penalty);
        }
    }
    Ok(best)
}

/// What is said of each block when it is left out. Minutes next to a block are not learnt from: they share its history or its
/// fate.
fn folds(
    moments: &[Moment],
    mut foresee: impl FnMut(&[Moment], &[Moment]) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<Graded>>> {
    let mut all = Vec::new();
    for ask in moments.chunks(moments.len().div_ceil(FOLDS)) {
        let (from, to) = (ask[0].minute, ask[ask.len() - 1].minute);
        let apart = |m: &&Moment| m.minute + AHEAD + LAGS < from || m.minute > to + AHEAD + LAGS;
        let learn: Vec<Moment> = moments.iter().filter(apart).copied().collect();
        all.push(graded(ask, &foresee(&learn, ask)?));
    }
    Ok(all)
}

impl Rival {
    /// How many penalties are tried.
    fn penalties(&self) -> usize {
        match self {
            Rival::Lags(_) | Rival::Shape => PENALTIES.len(),
            Rival::Persistence | Rival::Network(_) | Rival::Both => 1,
        }
    }

    fn foresee(&self, networks: &Networks, task: &Task<'_>, penalty: f64) -> Result<Vec<f64>> {
        match self {
            Rival::Persistence => {
                let series = &task.ask.0.series[&(FRONT.0.to_owned(), FRONT.1.to_owned())];
                Ok(task.ask.1.iter().map(|moment| series[moment.minute]).collect())
            }
            Rival::Lags(services) => Ok(linear(task, penalty, |day, minute| lags(day, minute, *services))),
            Rival::Shape => Ok(linear(task, penalty, shapes)),
            Rival::Network(kind) => networks.foresee(*kind, task),
            Rival::Both => {
                let (one, other) = (networks.foresee(Kind::Graph, task)?, linear(task, MIXED, shapes));
                Ok(one.iter().zip(other).map(|(one, other)| (one + other) / 2.0).collect())
            }
        }
    }
}

fn linear(task: &Task<'_>, penalty: f64, row: impl Fn(&Day, usize) -> Vec<f64>) -> Vec<f64> {
    let rows = |(day, moments): (&Day, &[Moment])| -> Vec<Vec<f64>> {
        moments.iter().map(|moment| row(day, moment.minute)).collect()
    };
    let failed: Vec<bool> = task.learn.1.iter().map(|moment| moment.fails).collect();
    let fitted = Linear::fit(&rows(task.learn), &failed, penalty);
    rows(task.ask).iter().map(|row| fitted.probability(row)).collect()
}

/// The last minutes of every series.
fn lags(day: &Day, minute: usize, services: Services) -> Vec<f64> {
    let looked_at =
        day.series.iter().filter(|((service, _), _)| services == Services::All || service == FRONT.0);
    looked_at.flat_map(|(_, series)| series[minute + 1 - LAGS..=minute].iter().copied()).collect()
}

/// Of every series where it is, how much it moves, and where it goes, over the last minutes, as logarithms: tails are long.
fn shapes(day: &Day, minute: usize) -> Vec<f64> {
    let of = |series: &Vec<f64>| {
        let last = series[minute + 1 - LAGS..=minute].iter().map(|value| value.max(0.0).ln_1p());
        let last: Vec<f64> = last.filter(|value| value.is_finite()).collect();
        let count = last.len().max(1) as f64;
        let mean = last.iter().sum::<f64>() / count;
        let spread = (last.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        let half = last.len() / 2;
        let part = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        [mean, spread, part(&last[half..]) - part(&last[..half])]
    };
    day.series.values().flat_map(of).collect()
}
