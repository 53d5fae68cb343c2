//! The table of who foresees how well.

use super::Report;
use std::fmt::Write as _;

/// All rows with intervals, chance above them.
pub fn render(report: &Report) -> String {
    let [learnt, asked] = report.moments;
    let [learnt_failures, asked_failures] = report.failures;
    let mut text = format!(
        "A breach of the front service's p95 of {:.3} s within 5 minutes, from the last 10; minutes in breach are left out.\n\
         Learnt from {learnt} minutes of the first day ({learnt_failures} with a breach to come), graded on {asked} of the second \
         ({asked_failures}). 95 % intervals by blocks of half an hour.\n\n",
        report.objective
    );
    let _ = writeln!(text, "{:<56} {:>12}  {:<21}  {:<21}", "", "first day*", "AUC-ROC", "AUC-PR");
    let chance = asked_failures as f64 / asked.max(1) as f64;
    let _ = writeln!(text, "{:<56} {:>12}  {:<21}  {chance:.3}", "chance", "0.500", "0.500");
    for row in &report.rows {
        let show =
            |i: &midwatch_prediction::score::Interval| format!("{:.3} ({:.3}–{:.3})", i.value, i.low, i.high);
        let mark = if row.name == report.best { " ←" } else { "" };
        let name = format!("{}{mark}", row.name);
        let _ = writeln!(
            text,
            "{name:<56} {:>12.3}  {:<21}  {:<21}",
            row.first_day,
            show(&row.auc_roc),
            show(&row.auc_pr)
        );
    }
    text.push_str(
        "\n* Mean AUC-ROC of blocks of the first day that were left out in turn; by this alone the one with ← is chosen.",
    );
    text
}
