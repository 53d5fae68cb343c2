//! The report as plain text.

use super::Report;
use super::alone::{Alone, OfStorm};
use super::together::{Setting, Together};
use crate::rca::figures::{Figure, figure};
use std::fmt::Write as _;

/// What must be known to read the figures.
const ASSUMED: &str = "\
Assumed: inputs are the kind, namespace and id of the groups, their aliases, and the name and group of each alert; never
labels, filters or descriptions, and no call graph. The alerts of a storm begin within 60 s, in an order drawn by a
fixed seed. Strict: a storm is right if it is in all orders, and of a tie the root has the worst place. Chance: a random
order of the groups.";

pub fn render(report: &Report) -> String {
    let mut text = format!("{ASSUMED}\n\n");
    alone(&mut text, &report.alone);
    together(&mut text, &report.together);
    let speed = &report.speed;
    let _ = write!(
        text,
        "\n{} alerts over {} entities: {:.0} ms, {:.1} groups looked at for each alert, {} groups",
        speed.alerts, speed.entities, speed.elapsed_ms, speed.compared_per_alert, speed.groups
    );
    text
}

fn alone(text: &mut String, alone: &Alone) {
    let _ = writeln!(
        text,
        "{:<16} {:>6} {:>6} {:>9} {:>5} {:>7}  first",
        "storm", "alerts", "groups", "incidents", "rank", "chance"
    );
    for s in &alone.storms {
        let (name, first) = (&s.name, &s.first);
        let _ = writeln!(
            text,
            "{name:<16} {:>6} {:>6} {:>9} {:>5} {:>7.3}  {first}",
            s.alerts, s.groups, s.incidents, s.rank, s.chance
        );
        let _ = writeln!(text, "{:<16} {}", "", s.why);
    }
    let _ = writeln!(text, "\n{} storms, {} orders each", alone.storms.len(), alone.orders);
    let _ =
        writeln!(text, "alerts placed on their group        {} of {}", alone.placed, alone.described_alerts);
    let _ = writeln!(
        text,
        "alerts without a described group    {} of {} placed on what their name speaks of",
        alone.other_placed, alone.other_alerts
    );
    let share = |what: &str, holds: fn(&OfStorm) -> bool| {
        let shares: Vec<f64> = alone.storms.iter().map(|storm| f64::from(u8::from(holds(storm)))).collect();
        let Figure { value, low, high } = figure(&shares);
        format!("{what:<35} {value:.3} [{low:.3}–{high:.3}]")
    };
    let one = share("exactly one incident", |storm| storm.incidents == 1);
    let both = share("one incident and right root first", |storm| storm.incidents == 1 && storm.rank == 1);
    let first = share("right root first (AC@1)", |storm| storm.rank == 1);
    let in_three = share("right root in three (AC@3)", |storm| storm.rank <= 3);
    let (chance, chance_in_three) = (alone.chance_first, alone.chance_in_three);
    let _ = writeln!(text, "{one}\n{both}   chance {chance:.3}\n{first}   chance {chance:.3}");
    let _ = writeln!(text, "{in_three}   chance {chance_in_three:.3}");
    text.push_str("\nRight root first if one part of the score is changed:\n");
    let _ = writeln!(
        text,
        "{:<20} {:>8} {:>8} {:>8} {:>10}",
        "part", "without", "halved", "doubled", "only this"
    );
    for a in &alone.ablation {
        let part = a.part.to_string();
        let _ = writeln!(
            text,
            "{part:<20} {:>8.3} {:>8.3} {:>8.3} {:>10.3}",
            a.without, a.halved, a.doubled, a.only
        );
    }
}

fn together(text: &mut String, rows: &[Together]) {
    text.push_str(
        "\nTwo storms at once, all pairs. Merged: pairs of alerts of different storms in one incident; pairs of storms with \
         any.\nSplit: pairs of alerts of one storm in different incidents; storms with more than one. Linked: not merged, \
         but child and parent.\n",
    );
    let _ = writeln!(
        text,
        "{:<46} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "setting", "pairs", "merged", "(storms)", "split", "(storms)", "linked"
    );
    for row in rows {
        let setting = match (row.setting, row.touching) {
            (Setting::TwoClusters, _) => "two clusters",
            (Setting::OneCluster, false) => "one cluster, no group in common",
            (Setting::OneCluster, true) => "one cluster, groups in common",
        };
        let what = format!("{setting}, {} s later", row.lag_s);
        let _ = writeln!(
            text,
            "{what:<46} {:>6} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3}",
            row.pairs, row.wrongly_merged, row.storms_merged, row.wrongly_split, row.storms_split, row.linked
        );
    }
}
