//! What speaks for an explanation and what against it, and what is wrong by that.

use super::answer::About;
use super::book::{Book, number, of, one_line, window};
use super::changes::{self, Suspect};
use super::class::Class;
use super::deviation::{Deviation, NOTABLE};
use super::effect::{self, Effect, Effects};
use super::first_look::FirstLook;
use super::rank::Candidate;
use super::scene::Scene;
use super::templates::Template;
use super::tools::{self, Finding, State};
use crate::bundle::{Bundle, Ms, time_text};
use midwatch_model::{Cause, EvidenceSource};

/// Pieces of one kind about one component that are cited at most.
const CITED_MAX: usize = 3;

/// Surprise from which a resource counts as what is wrong: beyond anything normal, not only at its edge.
const USED_UP: f64 = 2.0 * NOTABLE;

/// Factor by which memory must grow to be what is wrong.
const GROWN: f64 = 1.25;

/// Sampling steps after which a series says nothing about the time of the detection any more.
const STALE_STEPS: Ms = 3;

/// Spreads from normal at which a single sample is not called usual.
const FAR_SPREADS: f64 = 10.0;

/// Samples as always after which something is over.
const OVER_SAMPLES_MIN: usize = 3;

/// What begins within so much of each other begins at once, as far as scrapes a minute apart can tell.
const BLUR_MS: Ms = 60 * 1000;

/// Everything that was found.
pub struct Facts<'a> {
    pub bundle: &'a Bundle,
    pub scene: &'a Scene<'a>,
    pub deviations: &'a [Deviation],
    /// Messages that are new or surge.
    pub templates: &'a [&'a Template],
    pub changes: &'a changes::Verdict,
    pub state: &'a State,
    pub first_look: Option<FirstLook>,
}

impl<'a> Facts<'a> {
    /// Ids of what speaks for a candidate, and of what speaks against it; `convicted` if a change is part of it.
    pub fn argue(
        &self,
        candidate: &Candidate,
        convicted: Option<&Suspect>,
        book: &mut Book,
    ) -> (Vec<String>, Vec<String>) {
        let name = self.scene.names[candidate.component];
        let mut evidence = Vec::new();
        evidence.extend(self.state.of(name).map(|finding| self.cite_state(finding, book)));
        evidence.extend(convicted.map(|suspect| self.cite_change(suspect, book)));
        let own = self.notable(candidate.component);
        evidence.extend(own.iter().take(CITED_MAX).map(|d| self.cite(d, true, book)));
        let mut lines: Vec<&&Template> =
            self.templates.iter().filter(|t| t.bad && t.component == name).collect();
        lines.sort_by_key(|template| std::cmp::Reverse(template.incident));
        evidence.extend(lines.iter().take(CITED_MAX).map(|template| self.cite_log(template, book)));
        if candidate.covers > 0.0 {
            let callers = self.scene.upstream(candidate.component);
            let shown = callers.iter().filter_map(|(caller, _)| self.shows_symptom(*caller));
            evidence.extend(shown.take(CITED_MAX).map(|d| self.cite(d, false, book)));
        }
        // Something that it calls shows the symptom just as much: it may be the cause of this.
        let callees = self.scene.downstream(candidate.component).into_iter();
        let louder =
            callees.filter_map(|(callee, _)| self.shows_symptom(callee)).filter(|d| d.score >= candidate.own);
        let against = louder.take(CITED_MAX).map(|d| self.cite(d, false, book)).collect();
        (evidence, against)
    }

    /// What is notable of a component's own series, the most surprising first.
    fn notable(&self, component: usize) -> Vec<&'a Deviation> {
        let of = |d: &&Deviation| d.score >= NOTABLE && self.component(d) == self.scene.names[component];
        let mut of: Vec<&Deviation> = self.deviations.iter().filter(of).collect();
        of.sort_by(|a, b| b.score.total_cmp(&a.score));
        of
    }

    fn shows_symptom(&self, component: usize) -> Option<&'a Deviation> {
        self.notable(component).into_iter().find(|d| self.is_symptom(d))
    }

    /// What is wrong with a candidate: a resource that it has run out of explains its latency and errors, which explain
    /// nothing; else the symptom that was alerted, where it shows that.
    pub fn class(&self, candidate: &Candidate) -> Class {
        let notable = self.notable(candidate.component);
        let shows = |class: Class| notable.iter().any(|d| d.meaning.class == class).then_some(class);
        // A pool that is held turns requests away; one that slow work fills still serves them.
        let is_slow = shows(Class::Latency).is_some() && shows(Class::Errors).is_none();
        let only_filled = |d: &Deviation| d.meaning.class == Class::Connections && is_slow;
        let used_up = notable.iter().filter(|d| self.is_used_up(d) && !only_filled(d));
        // What is at its limit comes first.
        let order = |d: &&&Deviation| (self.is_at_limit(d), d.meaning.class != Class::Memory);
        let resource = used_up.max_by(|a, b| order(a).cmp(&order(b)).then(a.score.total_cmp(&b.score)));
        let resource = resource.map(|d| d.meaning.class);
        let best = candidate.best.map(|index| self.deviations[index].meaning.class);
        // Requests that fail explain that others take longer, and not the other way round.
        let failing = shows(Class::Errors).filter(|_| self.scene.symptom == Class::Latency);
        // What keeps dying takes time and CPU to start, and says so; what it dies of, memory or disk, it says, too.
        let ran_out = self.says_it_ran_out(candidate.component);
        let dying =
            notable.iter().any(|d| d.meaning.class == Class::Restarts && d.rose && d.score >= USED_UP);
        let dying = dying.then_some(Class::Restarts);
        ran_out
            .filter(|class| matches!(class, Class::Memory | Class::Disk))
            .or(dying)
            .or(ran_out)
            .or(resource)
            .or(failing)
            .or_else(|| shows(Class::Latency).filter(|_| is_slow && self.scene.symptom == Class::Connections))
            .or_else(|| shows(self.scene.symptom))
            .or(best)
            .unwrap_or(self.scene.symptom)
    }

    /// Whether a resource is beyond anything normal. Memory moves with whatever else goes on and is as steady as nothing
    /// else, so that a little of it surprises: it has to have grown by a part that matters.
    fn is_used_up(&self, deviation: &Deviation) -> bool {
        let grown = deviation.worst >= GROWN * deviation.centre || self.is_at_limit(deviation);
        deviation.meaning.class.is_resource()
            && deviation.score >= USED_UP
            && (deviation.meaning.class != Class::Memory || !deviation.rose || grown)
    }

    /// Whether a component that nobody calls serves a multiple of what is normal: that comes from outside.
    pub fn serves_a_multiple(&self, candidate: &Candidate) -> bool {
        let surges = |d: &&Deviation| {
            d.meaning.class == Class::Traffic
                && d.rose
                && d.centre > 0.0
                && d.worst >= changes::SURGE * d.centre
        };
        self.scene.callers[candidate.component].is_empty()
            && self.notable(candidate.component).iter().any(surges)
    }

    /// The resource that the component itself says it has run out of, unless its own numbers know better.
    fn says_it_ran_out(&self, component: usize) -> Option<Class> {
        let name = self.scene.names[component];
        let mut effects = Effects::new();
        for template in self.templates.iter().filter(|t| t.bad && t.component == name) {
            effect::read(&effect::unquoted(&template.sample), 1.0, &mut effects);
        }
        let named = [
            (Effect::Memory, Class::Memory),
            (Effect::Disk, Class::Disk),
            (Effect::Connections, Class::Connections),
            (Effect::Cpu, Class::Cpu),
        ];
        let is_denied = |class: Class| {
            let measured = |d: &&Deviation| self.component(d) == name && d.meaning.class == class;
            let mut measured = self.deviations.iter().filter(measured).peekable();
            measured.peek().is_some() && measured.all(|d| d.score < NOTABLE)
        };
        let mut said = named.into_iter().filter(|(effect, _)| effects.contains_key(effect));
        said.find(|(_, class)| !is_denied(*class)).map(|(_, class)| class)
    }

    /// Whether a number or a platform shows that a component has what it is said to have, and not only its logs.
    pub fn is_measured(&self, name: &str, cause: Cause) -> bool {
        let shows = |d: &&Deviation| {
            let class = d.meaning.class;
            let dies = class == Class::Restarts && matches!(cause, Cause::MemoryLeak | Cause::CrashLoop);
            d.score >= NOTABLE && self.component(d) == name && (dies || class == Class::of_cause(cause))
        };
        let says = |finding: &&Finding| finding.component == name && finding.cause == cause;
        self.deviations.iter().any(|d| shows(&d))
            || self.state.findings.iter().filter(says).any(|finding| finding.tool != tools::LOGS)
    }

    /// The series that shows best what is wrong with a candidate.
    pub fn telling(&self, candidate: &Candidate) -> Option<&'a str> {
        let class = self.class(candidate);
        let of_class = self.notable(candidate.component).into_iter().find(|d| d.meaning.class == class);
        let best = of_class.or(candidate.best.map(|index| &self.deviations[index]))?;
        Some(&self.bundle.metrics.series[best.series].metric)
    }

    /// Whether a share of a whole, by its name, is nearly all of it.
    fn is_at_limit(&self, deviation: &Deviation) -> bool {
        const NEARLY: f64 = 0.8;
        let metric = &self.bundle.metrics.series[deviation.series].metric;
        let has = |word: &str| super::class::words(metric).iter().any(|w| w.starts_with(word));
        let percent = metric.contains('%') || has("percent") || has("pct") || has("util");
        let whole = if percent && deviation.worst > 1.5 { 100.0 } else { 1.0 };
        (percent || has("ratio") || has("share")) && deviation.worst >= NEARLY * whole
    }

    /// Whether series of what was alerted are there, and none of them shows what the alerts tell.
    pub fn alert_is_not_borne_out(&self) -> bool {
        let alerted = |d: &&Deviation| {
            self.is_symptom(d) && self.scene.alerted.iter().any(|c| self.scene.names[*c] == self.component(d))
        };
        let mut symptoms = self.deviations.iter().filter(alerted).peekable();
        symptoms.peek().is_some()
            && symptoms.all(|d| d.score < NOTABLE)
            && self.templates.iter().all(|t| !t.bad)
    }

    /// Whether what was alerted shows the symptom.
    pub fn alert_is_borne_out(&self) -> bool {
        self.scene.alerted.iter().any(|component| self.shows_symptom(*component).is_some())
    }

    /// Whether everything that was out of the ordinary is as always again: nothing of it is in the last quarter of what was
    /// seen since, and in some samples at least.
    pub fn is_over(&self) -> bool {
        let ended = |d: &Deviation| {
            let series = &self.bundle.metrics.series[d.series];
            let until = series.at.iter().rev().find(|at| **at <= self.bundle.incident.detected_at);
            let (Some(last_seen), Some(until)) = (d.last_seen, until) else { return false };
            // What came and went at once has no onset.
            let onset = d.onset.unwrap_or(last_seen);
            let since = series.at.iter().filter(|at| **at > last_seen && **at <= *until).count();
            since >= OVER_SAMPLES_MIN && (until - last_seen) * 4 >= until - onset
        };
        let mut notable = self.deviations.iter().filter(|d| d.score >= NOTABLE).peekable();
        notable.peek().is_some() && notable.all(ended) && self.state.findings.is_empty()
    }

    /// Whether what was alerted of a component could be seen when it was alerted: a series of that kind, or any where the
    /// alert does not say what it is about, with samples up to the detection.
    pub fn is_seen(&self, component: usize) -> bool {
        let detected_at = self.bundle.incident.detected_at;
        let is_told = self.scene.symptom != Class::Other;
        self.deviations.iter().any(|d| {
            let series = &self.bundle.metrics.series[d.series];
            let last = series.at.last().copied().unwrap_or(Ms::MIN);
            let step = series.at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            self.component(d) == self.scene.names[component]
                && (!is_told || self.is_symptom(d))
                && last >= detected_at - STALE_STEPS * step.max(BLUR_MS)
        })
    }

    /// An alerted component that nothing else in the bundle knows.
    pub fn unknown_alerted(&self) -> Option<&'a str> {
        let bundle = self.bundle;
        let is_known = |name: &str| {
            bundle.metrics.series.iter().any(|series| series.component == name)
                || bundle.logs.iter().any(|line| line.component == name)
                || bundle.graph.edges().any(|(caller, callee)| caller == name || callee == name)
                || self.state.of(name).is_some()
        };
        let mut alerted = self.scene.alerted.iter().map(|number| self.scene.names[*number]);
        alerted.find(|name| !is_known(name))
    }

    /// Files how the alerted components look, where that is as always: what the alert tells of first.
    pub fn cite_looked_at(&self, book: &mut Book) {
        let alerted: Vec<&str> = self.scene.alerted.iter().map(|number| self.scene.names[*number]).collect();
        let mut looked_at: Vec<&Deviation> =
            self.deviations.iter().filter(|d| alerted.contains(&self.component(d))).collect();
        let order = |d: &Deviation| (!self.is_symptom(d), std::cmp::Reverse((d.score * 1e6) as u64));
        looked_at.sort_by_key(|d| order(d));
        for deviation in looked_at.into_iter().take(CITED_MAX) {
            self.cite(deviation, true, book);
        }
        if self.state.healthy > 0 {
            let at = self.bundle.incident.detected_at;
            let (things, them) =
                if self.state.healthy == 1 { ("thing is", "it") } else { ("things are", "them") };
            let excerpt =
                format!("{} {things} as the platform wants {them}, and none is not", self.state.healthy);
            book.file(
                EvidenceSource::ControlPlane,
                About::default(),
                "tools.json".to_owned(),
                window(at, at),
                excerpt,
            );
        }
    }

    /// Whether a change can have reached the likeliest component: it was made to that, to something that it calls, or to
    /// nobody knows what.
    pub fn reaches(&self, suspect: &Suspect, candidates: &[Candidate]) -> bool {
        let Some((changed, best)) = suspect.component.zip(candidates.first()) else { return true };
        changed == best.component
            || self.scene.downstream(best.component).iter().any(|(callee, _)| *callee == changed)
    }

    fn component(&self, deviation: &Deviation) -> &'a str {
        &self.bundle.metrics.series[deviation.series].component
    }

    fn is_symptom(&self, deviation: &Deviation) -> bool {
        deviation.meaning.class == self.scene.symptom
    }

    /// The component whose notable symptoms began first, of the likeliest origin and what calls it; of several at once
    /// the most surprising.
    pub fn first_failing(&self, root: usize) -> Option<String> {
        let callers = self.scene.upstream(root).into_iter().map(|(caller, _)| caller);
        let names: Vec<&str> =
            std::iter::once(root).chain(callers).map(|number| self.scene.names[number]).collect();
        let notable = |d: &&Deviation| {
            d.score >= NOTABLE && d.meaning.class != Class::Traffic && names.contains(&self.component(d))
        };
        let begun: Vec<(Ms, &Deviation)> =
            self.deviations.iter().filter(notable).filter_map(|d| Some((d.onset?, d))).collect();
        let earliest = begun.iter().map(|(at, _)| *at).min()?;
        let of_root = |d: &Deviation| self.component(d) == self.scene.names[root];
        let at_once = begun.into_iter().filter(|(at, _)| *at <= earliest + BLUR_MS);
        // Of what began within one scrape the likeliest origin comes first, then the most surprising.
        let first =
            at_once.max_by(|a, b| (of_root(a.1).cmp(&of_root(b.1))).then(a.1.score.total_cmp(&b.1.score)));
        first.map(|(_, d)| self.component(d).to_owned())
    }

    /// Files what shows a cause that is no change.
    pub fn cite_other(&self, other: &changes::Other, book: &mut Book) -> String {
        let at = self.bundle.incident.detected_at;
        let shown = one_line(&other.shown);
        match &other.seen {
            changes::Seen::Series(index) => {
                let series = &self.bundle.metrics.series[*index];
                let (from, to) = (series.at.first().copied(), series.at.last().copied());
                let query =
                    format!("{}: service={}, metric={}", series.source, series.component, series.metric);
                let about = About { metric: Some(series.metric.clone()), ..of(&series.component) };
                let window = window(from.unwrap_or(at), to.unwrap_or(at));
                book.file(EvidenceSource::ServiceMetrics, about, query, window, shown)
            }
            changes::Seen::Log { component, first_at } => {
                let query = format!("logs.ndjson: service={component}, lines like the excerpt");
                let window = window(*first_at, at.max(*first_at));
                book.file(EvidenceSource::Logs, of(component), query, window, shown)
            }
            changes::Seen::Alert => {
                let query = "incident.json: title of the alert".to_owned();
                book.file(EvidenceSource::Logs, About::default(), query, window(at, at), shown)
            }
        }
    }

    fn cite_state(&self, finding: &Finding, book: &mut Book) -> String {
        let at = self.bundle.incident.detected_at;
        let file = if finding.tool.contains('.') {
            finding.tool.clone()
        } else {
            format!("tools.json: {}", finding.tool)
        };
        let about = of(&finding.component);
        let source = match finding.tool.as_str() {
            tools::LOGS => EvidenceSource::Logs,
            "metrics.csv" => EvidenceSource::ServiceMetrics,
            _ => EvidenceSource::ControlPlane,
        };
        book.file(source, about, file, window(at, at), one_line(&finding.says))
    }

    fn cite_change(&self, suspect: &Suspect, book: &mut Book) -> String {
        let excerpt = suspect.describe(self.scene);
        let query = format!("changes.json: id={}", suspect.id);
        let about = suspect.component.map_or_else(About::default, |number| of(self.scene.names[number]));
        let window = window(suspect.at, suspect.at);
        book.file(EvidenceSource::ControlPlane, about, query, window, one_line(&excerpt))
    }

    fn cite_log(&self, template: &Template, book: &mut Book) -> String {
        let query = format!("logs.ndjson: service={}, lines like the excerpt", template.component);
        let times =
            if template.incident == 1 { "once".to_owned() } else { format!("{} times", template.incident) };
        let before = if template.normal == 0 {
            "never before".to_owned()
        } else {
            format!("{} times before", template.normal)
        };
        let excerpt = format!("{} logged {times}, {before}: {}", template.component, template.sample);
        let window = window(template.first_at, self.bundle.incident.detected_at.max(template.first_at));
        book.file(EvidenceSource::Logs, of(&template.component), query, window, one_line(&excerpt))
    }

    fn cite(&self, deviation: &Deviation, own: bool, book: &mut Book) -> String {
        let series = &self.bundle.metrics.series[deviation.series];
        let source = match (series.source, own) {
            ("traces.json", _) => EvidenceSource::Traces,
            (_, true) => EvidenceSource::ServiceMetrics,
            (_, false) => EvidenceSource::NeighbourMetrics,
        };
        let (from, to) =
            (series.at.first().copied().unwrap_or_default(), series.at.last().copied().unwrap_or_default());
        let query = format!("{}: service={}, metric={}", series.source, series.component, series.metric);
        let (metric, component, worst) = (&series.metric, &series.component, number(deviation.worst));
        let normal = format!("{} ± {}", number(deviation.centre), number(deviation.spread));
        let far = (deviation.worst - deviation.centre).abs() > FAR_SPREADS * deviation.spread;
        let excerpt = if deviation.score < NOTABLE && far && deviation.spread > 0.0 {
            format!("{metric} of {component} was {worst} for a moment; normal is {normal}: too short to tell")
        } else if deviation.score < NOTABLE {
            format!("{metric} of {component} is {worst} at its worst; normal is {normal}: nothing unusual")
        } else {
            let way = if deviation.rose { "rose to" } else { "fell to" };
            let since = deviation.onset.map_or(String::new(), |at| format!(" since {}", time_text(at)));
            format!("{metric} of {component} {way} {worst}{since}; normal is {normal}")
        };
        let about = About { metric: Some(series.metric.clone()), ..of(&series.component) };
        book.file(source, about, query, window(from, to), excerpt)
    }
}
