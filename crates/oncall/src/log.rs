//! What a receiver has been told of a group, and whether there is anything new to tell.

use midwatch_model::{Fingerprint, IncidentId, ServiceName, Severity, Timestamp, seconds_between};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The last time at which a receiver was told that something fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paged {
    pub at: Timestamp,
    /// The services that it was about, with the worst severity.
    pub about: BTreeMap<ServiceName, Severity>,
}

/// The last notification of a receiver about a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logged {
    pub at: Timestamp,
    pub firing: BTreeSet<Fingerprint>,
    pub resolved: BTreeSet<Fingerprint>,
    /// Those of the firing ones that flap.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flapping: BTreeSet<Fingerprint>,
    /// Seconds after which it says nothing any more: twice the repeat interval, as in Alertmanager.
    pub valid_s: f64,
    /// Incidents that it was told of and whose end it has not heard of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub incidents: BTreeSet<IncidentId>,
    /// What the pause between notifications goes by; `None` if it never paged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paged: Option<Paged>,
}

impl Logged {
    /// Whether it still says what the receiver knows.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        seconds_between(self.at, now) < self.valid_s
    }
}

/// What a group holds now, without what is kept quiet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub firing: BTreeSet<Fingerprint>,
    pub resolved: BTreeSet<Fingerprint>,
    /// Those of the firing ones that flap.
    pub flapping: BTreeSet<Fingerprint>,
}

/// Why a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
pub enum Why {
    #[strum(to_string = "first notification of the group")]
    First,
    #[strum(to_string = "alerts fire that it was not told of")]
    MoreFire,
    #[strum(to_string = "alerts flap: they count as firing until they are stable")]
    Flap,
    #[strum(to_string = "all alerts are over")]
    AllOver,
    #[strum(to_string = "some alerts are over")]
    SomeOver,
    #[strum(to_string = "still firing after the repeat interval")]
    Repeat,
}

impl Why {
    /// Whether it says that something fires, rather than that it is over.
    #[must_use]
    pub fn pages(self) -> bool {
        matches!(self, Why::First | Why::MoreFire | Why::Repeat)
    }
}

/// Whether, and why, the receiver has to be told again. Semantics of Alertmanager's `DedupStage.needsUpdate`.
#[must_use]
pub fn needs_update(
    logged: Option<&Logged>,
    seen: &Seen,
    send_resolved: bool,
    repeat_interval_s: f64,
    now: Timestamp,
) -> Option<Why> {
    let Some(logged) = logged else {
        return (!seen.firing.is_empty()).then_some(Why::First);
    };
    if !seen.firing.is_subset(&logged.firing) {
        return Some(Why::MoreFire);
    }
    if !seen.flapping.is_subset(&logged.flapping) {
        return Some(Why::Flap);
    }
    if seen.firing.is_empty() {
        // If it knows of none that fire, some have come and gone in between: it need not hear of them.
        return (!logged.firing.is_empty()).then_some(Why::AllOver);
    }
    if send_resolved && !seen.resolved.is_subset(&logged.resolved) {
        return Some(Why::SomeOver);
    }
    (seconds_between(logged.at, now) > repeat_interval_s).then_some(Why::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u64]) -> BTreeSet<Fingerprint> {
        numbers.iter().map(|n| format!("{n:016x}").parse().expect("a fingerprint")).collect()
    }

    /// What a receiver knows that was told of these as firing at the beginning of time.
    fn logged(firing: &[u64]) -> Logged {
        Logged {
            at: Timestamp::UNIX_EPOCH,
            firing: set(firing),
            resolved: BTreeSet::new(),
            flapping: BTreeSet::new(),
            valid_s: 120.0,
            incidents: BTreeSet::new(),
            paged: None,
        }
    }

    fn check(logged: Option<(&[u64], &[u64])>, seen: (&[u64], &[u64]), since_s: i64, expected: Option<Why>) {
        let logged = logged.map(|(f, r)| Logged { resolved: set(r), ..self::logged(f) });
        let seen = Seen { firing: set(seen.0), resolved: set(seen.1), ..Seen::default() };
        let now = Timestamp::from_second(since_s).expect("a time");
        assert_eq!(needs_update(logged.as_ref(), &seen, true, 60.0, now), expected, "{logged:?} {seen:?}");
    }

    #[test]
    fn a_receiver_is_told_what_it_does_not_know() {
        check(None, (&[], &[1]), 0, None);
        check(None, (&[1], &[]), 0, Some(Why::First));
        check(Some((&[1], &[])), (&[1], &[]), 60, None);
        check(Some((&[1], &[])), (&[1], &[]), 61, Some(Why::Repeat));
        check(Some((&[1], &[])), (&[1, 2], &[]), 1, Some(Why::MoreFire));
        check(Some((&[1, 2], &[])), (&[1], &[2]), 1, Some(Why::SomeOver));
        check(Some((&[1, 2], &[])), (&[1], &[]), 1, None);
        check(Some((&[1], &[])), (&[], &[1]), 1, Some(Why::AllOver));
        check(Some((&[], &[1])), (&[], &[1, 2]), 999, None);
    }

    #[test]
    fn who_does_not_want_to_hear_of_ends_hears_only_that_all_is_over() {
        let logged = logged(&[1, 2]);
        let tell = |firing: &[u64]| {
            let seen = Seen { firing: set(firing), resolved: set(&[2]), ..Seen::default() };
            needs_update(Some(&logged), &seen, false, 60.0, Timestamp::UNIX_EPOCH)
        };
        // The log has to be cleared in any case; what is sent is the notifier's business.
        assert_eq!((tell(&[1]), tell(&[])), (None, Some(Why::AllOver)));
    }

    #[test]
    fn that_an_alert_flaps_is_told_once_and_is_no_page() {
        let tell = |logged: &Logged, flapping: &[u64]| {
            let seen = Seen { firing: set(&[1, 2]), resolved: set(&[]), flapping: set(flapping) };
            needs_update(Some(logged), &seen, true, 60.0, Timestamp::UNIX_EPOCH)
        };
        let mut known = logged(&[1, 2]);
        assert_eq!(tell(&known, &[1]), Some(Why::Flap));
        known.flapping = set(&[1]);
        assert_eq!((tell(&known, &[1]), tell(&known, &[])), (None, None));
        assert!(!Why::Flap.pages());
        // What was logged before anybody knew of flapping can be read.
        let old = r#"{"at":"1970-01-01T00:00:00Z","firing":[],"resolved":[],"valid_s":120.0}"#;
        assert_eq!(serde_json::from_str::<Logged>(old).expect("readable"), logged(&[]));
        assert_eq!(serde_json::to_string(&logged(&[])).expect("plain"), old);
    }
}
