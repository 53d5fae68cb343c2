//! What came of training, for people: Markdown, and two pictures.

use super::rivals::Trained;
use super::write;
use anyhow::Result;
use midwatch_prediction::chart;
use midwatch_prediction::model::Model;
use midwatch_prediction::rivals::{Candidate, grade, time_error};
use midwatch_prediction::score::{bootstrap, ece, reliability};
use std::fmt::Write as _;
use std::path::Path;

/// Writes `report.md`, `loss.svg` and `reliability.svg`.
pub fn write_all(
    output: &Path,
    model: &Model,
    candidates: &[Candidate],
    winner: usize,
    trained: &[Trained],
) -> Result<()> {
    let curves: Vec<(String, &[_])> = candidates
        .iter()
        .zip(trained)
        .map(|(candidate, one)| (candidate.name(), one.epochs.as_slice()))
        .collect();
    write(&output.join("loss.svg"), chart::losses(&curves).as_bytes())?;
    let answers = &candidates[winner].answers;
    let graded = grade(&answers.services, model.meta.calibration.services);
    write(&output.join("reliability.svg"), chart::reliability(&reliability(&graded)).as_bytes())?;
    let calibration = bootstrap(&graded, 1, ece);
    let mut text = format!("# A model that foresees failures\n\n**{}.**\n\n", model.meta.why);
    let _ = writeln!(
        text,
        "Trained on {} windows (data {}), horizon {} ticks. Validation: {} windows, {} services, of which {:.1} % fail.\n",
        model.meta.trained_on,
        &model.meta.data[..12],
        model.meta.horizon_ticks,
        answers.graphs.len(),
        graded.len(),
        100.0 * graded.iter().filter(|g| g.failed).count() as f64 / graded.len().max(1) as f64
    );
    text.push_str("| per service, on validation | log loss | AUC-ROC | AUC-PR | Brier | calibration error | epochs | seconds |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for (index, candidate) in candidates.iter().enumerate() {
        let scores = candidate.rival().scores;
        let run = trained
            .get(index)
            .map_or_else(|| "– | –".to_owned(), |one| format!("{} | {:.0}", one.epochs.len(), one.seconds));
        let mark = if index == winner { " (serves)" } else { "" };
        let _ = writeln!(
            text,
            "| {}{mark} | {:.4} | {:.3} | {:.3} | {:.4} | {:.3} | {run} |",
            candidate.name(),
            scores.log_loss,
            scores.auc_roc,
            scores.auc_pr,
            scores.brier,
            scores.ece
        );
    }
    let (said, middle) = time_error(&answers.services);
    let _ = writeln!(
        text,
        "\nCalibration error of the one that serves: {:.3} ({:.3} to {:.3}). Time to failure: off by {:.1} % of the horizon in the \
         mean; always saying the middle would be off by {:.1} %.\n\n![loss](loss.svg)\n\n![reliability](reliability.svg)",
        calibration.value,
        calibration.low,
        calibration.high,
        100.0 * said,
        100.0 * middle
    );
    write(&output.join("report.md"), text.as_bytes())
}
