//! What an investigation saw, part by part, for whoever asks further and whoever checks what was claimed.

pub(crate) use super::deviation::NOTABLE;
use super::{changes, deviation, rank, scene, templates, tools, window};
use crate::bundle::{Bundle, Ms};

/// What was seen.
pub(crate) struct View {
    /// Every component, in order of names.
    pub names: Vec<String>,
    pub calls: Vec<(String, String)>,
    pub series: Vec<SeenSeries>,
    /// What platforms say of a component's state: component, in words, tool.
    pub findings: Vec<(String, String, String)>,
    pub suspects: Vec<SeenChange>,
    /// Whether something that is no change explains the trouble better.
    pub other: bool,
    window: window::Window,
}

/// A series beside its normal.
pub(crate) struct SeenSeries {
    /// Index into the bundle's series.
    pub index: usize,
    pub component: String,
    pub metric: String,
    pub centre: f64,
    pub spread: f64,
    pub worst: f64,
    /// Surprise in nats.
    pub score: f64,
    pub onset: Option<Ms>,
    /// Its last sample that is a surprise by itself.
    pub last_seen: Option<Ms>,
}

/// A change that came before the trouble.
pub(crate) struct SeenChange {
    pub id: String,
    pub component: Option<String>,
    /// 0–1.
    pub suspicion: f64,
}

impl View {
    pub fn of(bundle: &Bundle) -> Self {
        let state = tools::look(bundle);
        let named: Vec<String> = state.findings.iter().map(|finding| finding.component.clone()).collect();
        let scene = scene::Scene::of(bundle, &named);
        let window = window::Window::of(bundle);
        let deviations = deviation::all(bundle, &window);
        let (mined, share) = templates::mine(bundle, &window);
        let new: Vec<&templates::Template> = mined.iter().filter(|t| t.stands_out(share)).collect();
        let own = rank::own(bundle, &scene, &deviations);
        let trouble =
            changes::Trouble { bundle, scene: &scene, deviations: &deviations, templates: &new, own: &own };
        let judged = trouble.judge();
        let other = judged.other.as_ref().map_or(0.0, |other| other.weight);
        let name = |number: usize| scene.names[number].to_owned();
        Self {
            calls: (0..scene.names.len())
                .flat_map(|caller| scene.callees[caller].iter().map(move |callee| (caller, *callee)))
                .map(|(caller, callee)| (name(caller), name(callee)))
                .collect(),
            series: deviations.iter().map(|found| seen(bundle, found)).collect(),
            findings: state.findings.into_iter().map(|f| (f.component, f.says, f.tool)).collect(),
            other: judged.suspects.first().is_none_or(|first| first.suspicion <= other) && other > 0.0,
            suspects: judged
                .suspects
                .into_iter()
                .map(|s| SeenChange { id: s.id, component: s.component.map(name), suspicion: s.suspicion })
                .collect(),
            names: scene.names.iter().map(|name| (*name).to_owned()).collect(),
            window,
        }
    }

    /// Whether the time is one of normal operation.
    pub fn is_normal(&self, at: Ms) -> bool {
        self.window.is_normal(at)
    }
}

fn seen(bundle: &Bundle, found: &deviation::Deviation) -> SeenSeries {
    let series = &bundle.metrics.series[found.series];
    SeenSeries {
        index: found.series,
        component: series.component.clone(),
        metric: series.metric.clone(),
        centre: found.centre,
        spread: found.spread,
        worst: found.worst,
        score: found.score,
        onset: found.onset,
        last_seen: found.last_seen,
    }
}
