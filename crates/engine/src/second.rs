//! The second look at incidents whose symptoms tell too little: everything at hand is put into a bundle and investigated.

use crate::gather::Facts;
use crate::{Engine, handover};
use midwatch_diagnosis::investigate::{Answer, investigate};
use midwatch_incident::Incident;
use midwatch_model::{IncidentId, Timestamp, seconds_between};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Seconds after which an incident is looked into again though nothing has joined: logs grow, series go on.
const AGAIN_S: f64 = 10.0;

/// Looks that are remembered; more open incidents than these are not all inconclusive.
const LOOKS_MAX: usize = 256;

/// The last look at each incident.
pub(crate) type Looks = Mutex<BTreeMap<IncidentId, Look>>;

pub(crate) struct Look {
    at: Timestamp,
    signals: usize,
    answer: Arc<Answer>,
}

impl Engine {
    /// Investigates everything at hand where the first look is not conclusive; not at every tick.
    pub(crate) async fn look_again(&self, incident: &Incident, facts: &Facts) -> Option<Arc<Answer>> {
        // What has not happened leaves nothing to look for.
        if incident.is_predicted() {
            return None;
        }
        if facts.diagnose(incident, self.config.poll_interval_s).is_conclusive() {
            return None;
        }
        let signals = incident.signals.len();
        if let Some(look) = self.looks.lock().await.get(&incident.id)
            && look.signals == signals
            && seconds_between(look.at, facts.now) < AGAIN_S
        {
            return Some(Arc::clone(&look.answer));
        }
        let bundle = handover::bundle(self, incident, facts).await;
        // Many lines take a moment to read, in which others go on.
        let answer = tokio::task::spawn_blocking(move || investigate(&bundle).answer).await.ok()?;
        let answer = Arc::new(answer);
        let mut looks = self.looks.lock().await;
        if looks.len() >= LOOKS_MAX
            && let Some(oldest) = looks.iter().min_by_key(|(_, look)| look.at).map(|(id, _)| id.clone())
        {
            looks.remove(&oldest);
        }
        looks.insert(incident.id.clone(), Look { at: facts.now, signals, answer: Arc::clone(&answer) });
        Some(answer)
    }
}
