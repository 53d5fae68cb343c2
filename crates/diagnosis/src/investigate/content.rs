//! What a change can do, by its files and its diff, against what happens.

use super::class::Meaning;
use super::diff::{Diff, is_inert};
use super::effect::{self, Effects};
use super::mechanism::{self, Found};
use midwatch_model::ChangeContent;

/// Credit of a change whose content nobody told: less than a diff that explains the fault, more than one that does not.
pub const UNSEEN: f64 = 0.3;

/// Credit of a change of which midwatch does not know what it does: it is told of, and what is logged must name something
/// of it before it is convicted.
const UNCLEAR: f64 = 0.2;

/// How well the content of a change explains the trouble, 0–1, and what it can do. `complaints` are what is logged
/// about the trouble.
pub fn credit<'a>(
    files: &[String],
    diff: &str,
    effects: &Effects,
    complaints: impl Iterator<Item = &'a str>,
) -> (f64, Option<Found>) {
    if touches_nothing(files) {
        return (0.0, None);
    }
    let diff = Diff::parse(diff);
    let explained = mechanism::find(&diff)
        .into_iter()
        .map(|found| (found.strength * found.mechanism.explains(effects), found));
    let best = explained.max_by(|a, b| a.0.total_cmp(&b.0));
    if diff.added.is_empty() && diff.removed.is_empty() && !diff.context.trim().is_empty() {
        return (0.0, None);
    }
    let named = named(&diff, files, complaints);
    match best {
        Some((credit, found)) => ((credit * (1.0 + named)).min(1.0), Some(found)),
        None => (UNCLEAR * (1.0 + named), None),
    }
}

/// Whether nothing that was touched runs in production.
pub fn touches_nothing(files: &[String]) -> bool {
    !files.is_empty() && files.iter().all(|file| is_inert(file))
}

/// Whether the complaints name something that the diff brings: a table, a field, a file.
fn named<'a>(diff: &Diff, files: &[String], complaints: impl Iterator<Item = &'a str>) -> f64 {
    let added = diff.added.join("\n");
    let files: Vec<&str> = files.iter().filter_map(|file| file.rsplit('/').next()).collect();
    let mut names = complaints.flat_map(|complaint| {
        complaint.split(|c: char| !c.is_alphanumeric() && !"_.-".contains(c)).filter(|word| !word.is_empty())
    });
    let brings = |name: &str| files.contains(&name) || is_identifier(name) && added.contains(name);
    f64::from(u8::from(names.any(brings))) * 0.5
}

/// A word that only a program would write.
fn is_identifier(word: &str) -> bool {
    const LONG: usize = 6;
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
    inner.len() >= LONG && inner.contains('_') && !inner.chars().all(|c| c.is_ascii_digit() || c == '_')
}

/// Whether a change can have done what is seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// It can; what it does, as the end of a sentence.
    Explains(String),
    /// It cannot, and why not.
    Cannot(String),
    /// Nobody told what it did to the code, or it does what midwatch does not know.
    Unclear,
}

/// Credit from which a diff explains something.
const EXPLAINS: f64 = 0.1;

/// Judges a change by metrics that are abnormal and by what alerts and logs say.
pub fn fit<'a>(
    content: &ChangeContent,
    metrics: impl Iterator<Item = &'a str>,
    said: impl Iterator<Item = &'a str> + Clone,
) -> Fit {
    if touches_nothing(&content.files) {
        return Fit::Cannot(format!("it touches nothing that runs ({})", content.files.join(", ")));
    }
    let diff = Diff::parse(&content.diff);
    if !content.diff.trim().is_empty() && diff.added.is_empty() && diff.removed.is_empty() {
        return Fit::Cannot("its diff only moves code, or changes comments, tests and documentation".into());
    }
    let mut effects = Effects::new();
    metrics.for_each(|metric| effect::of_class(Meaning::of(metric).class, metric, 1.0, &mut effects));
    said.clone().for_each(|text| effect::read(text, 1.0, &mut effects));
    match credit(&content.files, &content.diff, &effects, said) {
        (credit, Some(found)) if credit >= EXPLAINS => {
            Fit::Explains(format!("its diff {}: `{}`", found.mechanism.title(), found.line))
        }
        (0.0, Some(found)) => Fit::Cannot(format!(
            "its diff {} (`{}`), which cannot do this",
            found.mechanism.title(),
            found.line
        )),
        _ => Fit::Unclear,
    }
}
