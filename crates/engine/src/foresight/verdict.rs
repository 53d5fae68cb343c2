//! What is known of an alarm that stands, as a verdict: what will probably happen, and what speaks for it now.

use super::Latest;
use super::record::{cause_of, claim, metric_of};
use crate::{Engine, EngineConfig};
use midwatch_model::{
    Cause, Evidence, EvidenceSource, Hypothesis, ServiceName, Tier, Timestamp, Verdict, after, promql,
};
use midwatch_prediction::cascade::Step;
use midwatch_prediction::serving::{Beyond, Earned, beyond, neighbours};
use midwatch_prediction::window::Window;
use std::collections::BTreeMap;

/// Neighbours that are looked at for one alarm.
const NEIGHBOURS_MAX: usize = 8;

/// Services after the first that are prepared for one alarm.
const NEXT_MAX: usize = 3;

/// An alarm that stands, as of now.
#[derive(Clone, Debug)]
pub(crate) struct Foreseen {
    pub tier: Tier,
    pub probability: f64,
    pub verdict: Verdict,
    /// Services that will probably fail with it, nearest first, each with what speaks for that.
    pub next: Vec<(ServiceName, Verdict)>,
}

impl Foreseen {
    /// What speaks for the failure of a service that is on the way, or of the first one.
    pub fn verdict_of(&self, service: &ServiceName) -> &Verdict {
        let next = self.next.iter().find(|(name, _)| name == service);
        next.map_or(&self.verdict, |(_, verdict)| verdict)
    }
}

/// What foresight says about incidents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlook {
    /// Services of which an alarm stands.
    pub alarms: BTreeMap<ServiceName, Foreseen>,
    /// Why the last alarm of each ended, where none stands.
    pub ended: BTreeMap<ServiceName, String>,
    /// Nothing can be said just now: midwatch has just begun to watch, or cannot read the service.
    pub blind: bool,
    /// Services that break their objective.
    pub in_breach: Vec<ServiceName>,
    /// Whether midwatch has earned to act on a forecast by itself.
    pub earned: bool,
}

impl Engine {
    /// What is foreseen of some services.
    pub(crate) fn outlook<'a>(&self, services: impl Iterator<Item = &'a ServiceName>) -> Outlook {
        let foresight = &self.foresight;
        let state = foresight.state();
        let mut outlook = Outlook::default();
        let drift = state.live.drift().quantities(None);
        outlook.blind =
            foresight.serving.model().is_some() && state.settings.enabled && state.latest.is_none();
        outlook.earned =
            matches!(state.ledger.earned(self.config.foresight.precision_min, &drift), Earned::Yes { .. });
        for service in services {
            if state.live.in_breach(service) {
                outlook.in_breach.push(service.clone());
            }
            let Some(standing) = state.alarms.of(service) else {
                let ended = state.ended.get(service).cloned();
                outlook.ended.extend(ended.map(|why| (service.clone(), why)));
                continue;
            };
            let said = state.latest.as_ref().and_then(|latest| {
                let judged = latest.judged.iter().find(|judged| judged.service == *service)?;
                Some((latest, judged.probability?, judged.confidence?))
            });
            let Some((latest, probability, confidence)) = said else {
                outlook.blind = true;
                continue;
            };
            let sentence = claim(service, probability, standing.horizon_s);
            let witnesses = witnesses(&latest.window, service, latest.at, &self.config);
            let verdict = verdict(service, sentence, confidence, witnesses);
            let next = next(latest, service, standing.horizon_s, &self.config);
            let foreseen = Foreseen { tier: standing.tier, probability, verdict, next };
            outlook.alarms.insert(service.clone(), foreseen);
        }
        outlook
    }
}

/// The services after `service` on the way that the failure will probably take, as far as each is likelier to fail than not.
fn next(
    latest: &Latest,
    service: &ServiceName,
    horizon_s: f64,
    config: &EngineConfig,
) -> Vec<(ServiceName, Verdict)> {
    let path = &latest.forecast.path;
    if path.first().is_none_or(|first| first.service != service.as_str()) {
        return Vec::new();
    }
    let of = |station: &Step| {
        let name = ServiceName::new(&station.service);
        let judged = latest.judged.iter().find(|judged| judged.service == name)?;
        let (probability, confidence) = (judged.probability?, judged.confidence?);
        let witnesses = witnesses(&latest.window, &name, latest.at, config);
        let sentence = claim(&name, probability, horizon_s);
        let likely = probability >= Tier::Medium.begins_at() && judged.held.is_empty();
        likely.then(|| (name.clone(), verdict(&name, sentence, confidence, witnesses)))
    };
    path[1..].iter().map_while(of).take(NEXT_MAX).collect()
}

/// What speaks for it, with the cause that it looks like.
struct Witnesses {
    cause: Cause,
    evidence: Vec<Evidence>,
}

fn witnesses(window: &Window, service: &ServiceName, at: Timestamp, config: &EngineConfig) -> Witnesses {
    let place = |name: &str| window.services.iter().position(|known| known == name);
    let Some(own) = place(service.as_str()) else {
        return Witnesses { cause: Cause::DependencyFailure, evidence: Vec::new() };
    };
    let moved = beyond(window, own);
    let cause = moved.first().map_or(Cause::DependencyFailure, |first| cause_of(first.quantity));
    let mut evidence: Vec<Evidence> = moved
        .first()
        .map(|_| piece(EvidenceSource::ServiceMetrics, service, &moved, window, at, config))
        .into_iter()
        .collect();
    for next in neighbours(window, own).into_iter().take(NEIGHBOURS_MAX) {
        let moved = beyond(window, next);
        if !moved.is_empty() {
            let name = ServiceName::new(&window.services[next]);
            evidence.push(piece(EvidenceSource::NeighbourMetrics, &name, &moved, window, at, config));
        }
    }
    for (number, piece) in evidence.iter_mut().enumerate() {
        piece.id = format!("ev-{}", number + 1).as_str().into();
    }
    Witnesses { cause, evidence }
}

fn piece(
    source: EvidenceSource,
    service: &ServiceName,
    moved: &[Beyond],
    window: &Window,
    at: Timestamp,
    config: &EngineConfig,
) -> Evidence {
    let told: Vec<String> = moved.iter().map(Beyond::told).collect();
    let excerpt = format!("{service}: {}", told.join(", "));
    let metric = moved.first().map_or(midwatch_model::Metric::LatencyP99, |first| metric_of(first.quantity));
    let length_s = f64::from(window.tick_s) * (window.readings.len() / window.services.len()) as f64;
    Evidence {
        id: "ev-0".into(),
        source,
        service: service.clone(),
        query: promql::query(metric, service, config.rate_window_s),
        from: after(at, -length_s),
        to: at,
        digest: Evidence::digest_of(excerpt.as_bytes()),
        excerpt,
    }
}

fn verdict(service: &ServiceName, sentence: String, confidence: f64, witnesses: Witnesses) -> Verdict {
    let Witnesses { cause, evidence } = witnesses;
    let mut reasons = vec![sentence];
    reasons.extend(evidence.iter().map(|piece| piece.excerpt.clone()));
    let root = Hypothesis {
        cause,
        component: service.clone(),
        confidence,
        reasons,
        supports: evidence.iter().map(|piece| piece.id.clone()).collect(),
        against: Vec::new(),
        change: None,
    };
    Verdict {
        ranked: vec![root],
        evidence,
        blast_radius: Default::default(),
        spread: Default::default(),
        past: Vec::new(),
        next_query: None,
        freshness: 1.0,
        foreseen: true,
    }
}
