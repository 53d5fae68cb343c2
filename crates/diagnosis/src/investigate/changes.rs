//! Which change could have done it, by time, by place and by what it says; and what else could have, if none did.

use super::class::Class;
use super::content::{self, UNSEEN};
use super::deviation::Deviation;
use super::effect::{self, Effect, Effects};
use super::mechanism::Found;
use super::scene::Scene;
use super::templates::Template;
use crate::bundle::{Bundle, ChangeRecord, Ms, RecordKind, time_text};
use midwatch_model::redact::redact;

/// Clocks, scrapes and rate windows blur an onset by so much.
const BLUR_MS: Ms = 2 * 60 * 1000;

/// Age at which an immediate change is half as suspect; one that fills, drains or waits for load is so after hours.
const SOON_MS: f64 = 30.0 * 60_000.0;
const SLOW_MS: f64 = 6.0 * 3_600_000.0;

/// Weight of a place: where the trouble is, beside it on the graph, unknown, elsewhere.
const BESIDE: f64 = 0.7;
const UNKNOWN: f64 = 0.35;
const ELSEWHERE: f64 = 0.15;

/// Credit of a commit of which everything is told but the diff: too little to convict it alone.
const WITHHELD: f64 = 0.2;

/// Suspicion from which a change is convicted.
const CONVICTED: f64 = 0.25;

/// Factor by which traffic must grow to be a cause by itself.
pub const SURGE: f64 = 2.0;

/// A change with what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    pub id: String,
    pub kind: RecordKind,
    pub component: Option<usize>,
    pub at: Ms,
    pub title: String,
    /// 0–1.
    pub suspicion: f64,
    /// What its content can do, if it can do this.
    pub found: Option<Found>,
}

impl Suspect {
    /// What was changed, when, where, and what it can do.
    pub fn describe(&self, scene: &Scene<'_>) -> String {
        let place =
            self.component.map_or(String::new(), |component| format!(" to {}", scene.names[component]));
        let can = self
            .found
            .as_ref()
            .map_or(String::new(), |found| format!("; its diff {}: {}", found.mechanism.title(), found.line));
        format!("{}{place} at {}, \"{}\"{can}", self.kind.title(), time_text(self.at), self.title)
    }
}

/// A cause that is no change.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    pub effect: Effect,
    pub weight: f64,
    /// What shows it.
    pub shown: String,
    pub seen: Seen,
}

/// Where something that is no change shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Index into the bundle's series.
    Series(usize),
    Log {
        component: String,
        first_at: Ms,
    },
    Alert,
}

/// Every change that took effect before the trouble, most suspect first.
pub struct Verdict {
    pub suspects: Vec<Suspect>,
    pub other: Option<Other>,
}

impl Verdict {
    /// The change that did it, if one did.
    pub fn convicted(&self) -> Option<&Suspect> {
        let other = self.other.as_ref().map_or(0.0, |other| other.weight);
        self.suspects.first().filter(|first| first.suspicion >= CONVICTED && first.suspicion > other)
    }
}

/// What is known of the trouble when changes are judged.
pub struct Trouble<'a> {
    pub bundle: &'a Bundle,
    pub scene: &'a Scene<'a>,
    pub deviations: &'a [Deviation],
    pub templates: &'a [&'a Template],
    /// Own score of each component.
    pub own: &'a [f64],
}

/// Surprise from which a series is part of the trouble.
const NOTABLE: f64 = 3.0;

impl Trouble<'_> {
    /// When the trouble began: the earliest onset of what is notable where it was alerted and around it.
    fn onset(&self) -> Ms {
        let near = self.near();
        let component = |d: &Deviation| self.scene.number(&self.bundle.metrics.series[d.series].component);
        let notable = self
            .deviations
            .iter()
            .filter(|d| d.score >= NOTABLE && component(d).is_some_and(|c| near[c] > ELSEWHERE));
        notable.filter_map(|d| d.onset).min().unwrap_or(self.bundle.incident.detected_at)
    }

    /// Nearness of each component to the trouble.
    fn near(&self) -> Vec<f64> {
        let most = self.own.iter().copied().fold(0.0, f64::max);
        let mut near = vec![ELSEWHERE; self.own.len()];
        for alerted in &self.scene.alerted {
            near[*alerted] = 1.0;
            for (beside, hops) in
                self.scene.downstream(*alerted).into_iter().chain(self.scene.upstream(*alerted))
            {
                near[beside] = near[beside].max(BESIDE.powi(hops));
            }
        }
        for (component, own) in self.own.iter().enumerate() {
            if *own >= 2.0 * NOTABLE {
                near[component] = near[component].max(BESIDE + (1.0 - BESIDE) * own / most);
            }
        }
        near
    }

    fn effects(&self) -> Effects {
        let mut effects = Effects::new();
        for alert in &self.bundle.incident.alerts {
            effect::read(&alert.title, 0.9, &mut effects);
            effect::of_class(
                self.scene.symptom,
                alert.label("metric").unwrap_or_default(),
                0.9,
                &mut effects,
            );
        }
        for template in self.templates.iter().filter(|template| template.bad) {
            effect::read(&template.sample, 1.0, &mut effects);
        }
        for span in self.bundle.spans.iter().filter(|span| span.failed) {
            span.details.iter().for_each(|detail| effect::read(detail, 0.9, &mut effects));
        }
        for deviation in self.deviations.iter().filter(|d| d.score >= NOTABLE) {
            let metric = &self.bundle.metrics.series[deviation.series].metric;
            effect::of_class(deviation.meaning.class, metric, 0.7, &mut effects);
        }
        effects
    }

    /// Judges all changes.
    pub fn judge(&self) -> Verdict {
        let (effects, onset, near) = (self.effects(), self.onset(), self.near());
        let mut suspects: Vec<Suspect> = self
            .bundle
            .changes
            .iter()
            .filter(|record| !self.is_deployed(record))
            .map(|record| self.suspect(record, &effects, onset, &near))
            .filter(|suspect| suspect.suspicion > 0.0)
            .collect();
        suspects
            .sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion).then(b.at.cmp(&a.at)).then(a.id.cmp(&b.id)));
        Verdict { suspects, other: self.other(&effects) }
    }

    /// A commit that a deployment brings is judged as that deployment.
    fn is_deployed(&self, record: &ChangeRecord) -> bool {
        record.kind == RecordKind::Commit
            && self.bundle.changes.iter().any(|other| other.commit.as_deref() == Some(&record.id))
    }

    fn suspect(&self, record: &ChangeRecord, effects: &Effects, onset: Ms, near: &[f64]) -> Suspect {
        let commit = record.commit.as_deref().and_then(|id| {
            self.bundle.changes.iter().find(|other| other.kind == RecordKind::Commit && other.id == id)
        });
        let content = commit.unwrap_or(record);
        let component = record.component.as_deref().and_then(|name| self.scene.number(name));
        let place = match (&record.component, component) {
            (Some(_), Some(component)) => near[component],
            (Some(_), None) => ELSEWHERE,
            (None, _) => UNKNOWN,
        };
        let (credit, found) = self.content(content, effects);
        let slow = found.as_ref().is_some_and(|found| found.mechanism.is_slow());
        Suspect {
            id: content.id.clone(),
            kind: record.kind,
            component,
            at: record.at,
            // Before anything else reads it: it is quoted in answers, explanations and prompts.
            title: redact(&content.title).into_owned(),
            suspicion: credit * place * recent(record.at, onset, slow),
            found,
        }
    }

    /// How well the content of a change explains the trouble.
    fn content(&self, record: &ChangeRecord, effects: &Effects) -> (f64, Option<Found>) {
        let complaints = self.templates.iter().filter(|template| template.bad);
        match &record.diff {
            Some(diff) => {
                content::credit(&record.files, diff, effects, complaints.map(|t| t.sample.as_str()))
            }
            None if content::touches_nothing(&record.files) => (0.0, None),
            None => (unseen(record), None),
        }
    }

    /// What else explains the trouble.
    fn other(&self, effects: &Effects) -> Option<Other> {
        let logged = self.templates.iter().map(|template| {
            let seen = Seen::Log { component: template.component.clone(), first_at: template.first_at };
            (template.sample.as_str(), seen)
        });
        let texts: Vec<(&str, Seen)> =
            logged.chain(self.alert_texts().map(|text| (text, Seen::Alert))).collect();
        let told = |wanted: Effect| {
            let tells = |text: &str| {
                let mut one = Effects::new();
                effect::read(text, 1.0, &mut one);
                one.contains_key(&wanted)
            };
            texts.iter().find(|(text, _)| tells(text))
        };
        let by_words = [(Effect::CertificateExpired, 0.9), (Effect::Host, 0.7), (Effect::Provider, 0.7)];
        let by_words = by_words.into_iter().filter(|(effect, _)| effects.contains_key(effect));
        let mut others: Vec<Other> = by_words
            .filter_map(|(effect, weight)| {
                let (shown, seen) = told(effect)?;
                Some(Other { effect, weight, shown: (*shown).to_owned(), seen: seen.clone() })
            })
            .collect();
        others.extend(self.surge());
        others.into_iter().max_by(|a, b| a.weight.total_cmp(&b.weight))
    }

    fn alert_texts(&self) -> impl Iterator<Item = &str> {
        self.bundle.incident.alerts.iter().map(|alert| alert.title.as_str())
    }

    /// More requests from outside: where nobody calls, traffic grows by a factor, and what is behind it gets more too.
    fn surge(&self) -> Option<Other> {
        let grown = |d: &&Deviation| {
            d.meaning.class == Class::Traffic
                && d.score >= NOTABLE
                && d.rose
                && d.worst >= SURGE * d.centre
                && d.centre > 0.0
        };
        let component = |d: &Deviation| self.scene.number(&self.bundle.metrics.series[d.series].component);
        let grown: Vec<&Deviation> = self.deviations.iter().filter(grown).collect();
        let entry = grown.iter().find(|d| component(d).is_some_and(|c| self.scene.callers[c].is_empty()))?;
        let others = grown.iter().any(|d| component(d) != component(entry));
        let alone =
            self.scene.names.len() == 1 || component(entry).is_some_and(|c| self.scene.callees[c].is_empty());
        (others || alone).then(|| {
            let series = &self.bundle.metrics.series[entry.series];
            let shown = format!(
                "{} of {} grew {:.1}-fold",
                series.metric,
                series.component,
                entry.worst / entry.centre
            );
            Other { effect: Effect::Traffic, weight: 0.8, shown, seen: Seen::Series(entry.series) }
        })
    }
}

/// Credit of a change without a diff: what its message says that it is.
fn unseen(record: &ChangeRecord) -> f64 {
    const HARMLESS: [&str; 12] = [
        "docs",
        "doc:",
        "test",
        "style",
        "ci:",
        "ci(",
        "chore: tidy",
        "chore: update codeowners",
        "typo",
        "lint",
        "comment",
        "rename",
    ];
    let title = record.title.to_lowercase();
    let harmless =
        HARMLESS.iter().any(|word| title.starts_with(word) || (word.len() > 4 && title.contains(word)));
    match record.kind {
        _ if harmless => 0.02,
        RecordKind::Commit => WITHHELD,
        _ => UNSEEN,
    }
}

/// How near in time: 0 for what came after the trouble began.
fn recent(at: Ms, onset: Ms, slow: bool) -> f64 {
    if at > onset + BLUR_MS {
        return 0.0;
    }
    let age = (onset - at).max(0) as f64;
    1.0 / (1.0 + age / if slow { SLOW_MS } else { SOON_MS })
}
