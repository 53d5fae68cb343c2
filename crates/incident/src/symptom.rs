//! What an alert says of its entity, read off the alert's name.

use crate::topology::words;
use midwatch_model::Metric;

/// How an entity shows trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Symptom {
    /// It answers late.
    Slow,
    /// It answers with errors.
    Failing,
    /// Nobody asks it.
    Starved,
    /// Its own state is not what it should be: it waits, crashes, is not ready.
    State,
    /// Anything else.
    Other,
}

/// Words of alert names, lower case, and what they tell. The first that occurs wins: `NoRequestsReceived` before `requests`,
/// and the state of a pod before what its requests suffer.
const WORDS: [(&[&str], Symptom); 5] = [
    (
        &["kube", "pod", "container", "crash", "oom", "restart", "restarts", "evicted", "pending", "node"],
        Symptom::State,
    ),
    (&["waiting", "unready", "replicas", "rollout", "image", "disk", "filesystem", "volume"], Symptom::State),
    (&["no", "absent", "missing", "inactive", "idle"], Symptom::Starved),
    (&["latency", "slow", "duration", "timeout", "p95", "p99"], Symptom::Slow),
    (&["error", "errors", "fail", "failed", "failing", "failure", "failures", "5xx"], Symptom::Failing),
];

impl Symptom {
    /// The symptom that an alert of this name tells of.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let spoken: Vec<String> = words(name).iter().map(|word| word.to_lowercase()).collect();
        let says = |known: &[&str]| spoken.iter().any(|word| known.contains(&word.as_str()));
        WORDS.iter().find(|(known, _)| says(known)).map_or(Symptom::Other, |(_, symptom)| *symptom)
    }

    /// The symptom that an abnormal series shows.
    #[must_use]
    pub fn of_metric(metric: Metric) -> Self {
        match metric {
            Metric::LatencyP99 => Symptom::Slow,
            Metric::ErrorRate => Symptom::Failing,
            Metric::Cpu | Metric::Memory | Metric::DbPool | Metric::Restarts | Metric::Up => Symptom::State,
            Metric::RequestRate | Metric::QueueLag | Metric::CriticalLogs => Symptom::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_symptoms() {
        let check = |name: &str, symptom| assert_eq!(Symptom::of_name(name), symptom, "{name}");
        check("KubePodCrashLooping", Symptom::State);
        check("NoRequestsReceived", Symptom::Starved);
        check("NoDatabaseOperations", Symptom::Starved);
        check("HighRequestLatency", Symptom::Slow);
        check("checkout_error_rate", Symptom::Failing);
        check("CPUSpend", Symptom::Other);
    }
}
