//! Everything that was measured, as figures and as text.

use super::case::{Outcome, Unscored};
use super::figures::{self, Figure, figure};
use serde::Serialize;
use std::fmt::Write as _;

/// All cases and each set of them.
#[derive(Serialize)]
pub struct Report {
    pub sets: Vec<Set>,
    pub cases: Vec<Outcome>,
    /// Cases that are in no figure.
    pub unscored: Vec<Unscored>,
}

/// Figures of one set; the first set is all of them.
#[derive(Serialize)]
pub struct Set {
    pub name: String,
    pub cases: usize,
    /// Over cases with a fault that has a component.
    pub ac_1: Row,
    pub ac_3: Row,
    pub ac_5: Row,
    pub avg_5: Row,
    pub verdict: Figure,
    pub no_fault: Option<Figure>,
    pub kind: Option<Figure>,
    pub change: Option<Changes>,
    /// Mean distance between confidence and how often it was right.
    pub calibration_error: f64,
    pub ms_mean: f64,
    pub ms_max: f64,
}

/// A figure beside chance and n-sigma.
#[derive(Serialize)]
pub struct Row {
    pub midwatch: Figure,
    pub n_sigma: Figure,
    pub chance: f64,
}

/// How often the right change, or rightly none, was named.
#[derive(Serialize)]
pub struct Changes {
    pub right: Figure,
    pub commits_right: usize,
    pub commits: usize,
    pub none_right: usize,
    pub none: usize,
    pub decoys_hit: usize,
    pub chance: f64,
}

impl Report {
    pub fn of(outcomes: &[Outcome], unscored: Vec<Unscored>) -> Self {
        let mut names: Vec<&str> = outcomes.iter().map(|outcome| outcome.set.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut sets = Vec::new();
        if names.len() > 1 {
            sets.push(Set::of("all", &outcomes.iter().collect::<Vec<_>>()));
        }
        for name in names {
            let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.set == name).collect();
            sets.push(Set::of(if name.is_empty() { "all" } else { name }, &of));
        }
        Self { sets, cases: outcomes.to_vec(), unscored }
    }
}

impl Set {
    fn of(name: &str, outcomes: &[&Outcome]) -> Self {
        let located: Vec<&Outcome> = outcomes.iter().copied().filter(|o| o.fault).collect();
        let row = |k: usize| Row {
            midwatch: figure(&located.iter().map(|o| figures::at(o.rank, k)).collect::<Vec<_>>()),
            n_sigma: figure(&located.iter().map(|o| figures::at(o.n_sigma_rank, k)).collect::<Vec<_>>()),
            chance: mean(located.iter().map(|o| figures::chance_at(o.candidates, o.right, k))),
        };
        let share = |values: Vec<f64>| (!values.is_empty()).then(|| figure(&values));
        let truth = |right: bool| f64::from(u8::from(right));
        Self {
            name: name.to_owned(),
            cases: outcomes.len(),
            ac_1: row(1),
            ac_3: row(3),
            ac_5: row(5),
            avg_5: Row {
                midwatch: figure(&located.iter().map(|o| figures::average_at_5(o.rank)).collect::<Vec<_>>()),
                n_sigma: figure(
                    &located.iter().map(|o| figures::average_at_5(o.n_sigma_rank)).collect::<Vec<_>>(),
                ),
                chance: mean((1..=5).map(|k| row(k).chance)),
            },
            verdict: figure(&outcomes.iter().map(|o| truth(o.verdict_right)).collect::<Vec<_>>()),
            no_fault: share(outcomes.iter().filter(|o| !o.fault).map(|o| truth(o.verdict_right)).collect()),
            kind: share(outcomes.iter().filter_map(|o| o.kind_right).map(truth).collect()),
            change: changes(outcomes),
            calibration_error: calibration_error(&located),
            ms_mean: mean(outcomes.iter().map(|o| o.elapsed_ms)),
            ms_max: outcomes.iter().map(|o| o.elapsed_ms).fold(0.0, f64::max),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    sum / f64::from(n.max(1))
}

fn changes(outcomes: &[&Outcome]) -> Option<Changes> {
    let with: Vec<(&Outcome, bool)> = outcomes.iter().filter_map(|o| Some((*o, o.change_right?))).collect();
    if with.is_empty() {
        return None;
    }
    let count = |by_change: bool, right: Option<bool>| {
        with.iter().filter(|(o, r)| o.by_change == by_change && right.is_none_or(|right| *r == right)).count()
    };
    Some(Changes {
        right: figure(&with.iter().map(|(_, right)| f64::from(u8::from(*right))).collect::<Vec<_>>()),
        commits_right: count(true, Some(true)),
        commits: count(true, None),
        none_right: count(false, Some(true)),
        none: count(false, None),
        decoys_hit: with.iter().filter(|(o, _)| o.decoy_hit).count(),
        chance: mean(with.iter().map(|(o, _)| 1.0 / (o.changes as f64 + 1.0))),
    })
}

/// Expected calibration error over five equal bins of confidence (Naeini et al., 2015).
fn calibration_error(outcomes: &[&Outcome]) -> f64 {
    const BINS: usize = 5;
    let bin = |o: &Outcome| ((o.confidence * BINS as f64) as usize).min(BINS - 1);
    let mut error = 0.0;
    for number in 0..BINS {
        let of: Vec<&&Outcome> = outcomes.iter().filter(|o| bin(o) == number).collect();
        let right = mean(of.iter().map(|o| figures::at(o.rank, 1)));
        let said = mean(of.iter().map(|o| o.confidence));
        error += (right - said).abs() * of.len() as f64 / outcomes.len().max(1) as f64;
    }
    error
}

/// The report for a person.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for set in &report.sets {
        let _ = writeln!(text, "{}: {} cases", set.name, set.cases);
        let _ = writeln!(text, "  component    midwatch [95 % interval]   n-sigma               chance");
        for (name, row) in
            [("AC@1", &set.ac_1), ("AC@3", &set.ac_3), ("AC@5", &set.ac_5), ("Avg@5", &set.avg_5)]
        {
            let (midwatch, n_sigma) = (show(&row.midwatch), show(&row.n_sigma));
            let _ = writeln!(text, "  {name:<12} {midwatch}        {n_sigma}   {:.3}", row.chance);
        }
        let _ = writeln!(text, "  verdict      {}", show(&set.verdict));
        if let Some(no_fault) = &set.no_fault {
            let _ = writeln!(text, "  no fault     {}", show(no_fault));
        }
        if let Some(kind) = &set.kind {
            let _ = writeln!(text, "  kind         {}", show(kind));
        }
        if let Some(c) = &set.change {
            let _ = writeln!(
                text,
                "  change       {}   chance {:.3}; commits {} of {}, rightly none {} of {}, decoys hit {}",
                show(&c.right),
                c.chance,
                c.commits_right,
                c.commits,
                c.none_right,
                c.none,
                c.decoys_hit
            );
        }
        let _ = writeln!(
            text,
            "  calibration error {:.3}; {:.2} ms a case, {:.2} at most\n",
            set.calibration_error, set.ms_mean, set.ms_max
        );
    }
    for unscored in &report.unscored {
        let _ = writeln!(text, "in no figure: {}: {}", unscored.case, unscored.why);
    }
    text.push_str(
        "AC@k: the right component is among the first k, a tied group counting with its worst member.",
    );
    text
}

fn show(figure: &Figure) -> String {
    format!("{:.3} [{:.3}–{:.3}]", figure.value, figure.low, figure.high)
}
