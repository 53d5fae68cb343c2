//! Alerts from outside, in the one shape that every source is brought into: Prometheus Alertmanager's.

use crate::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

/// How bad the sender thinks it is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    Info,
    #[default]
    Warning,
    High,
    Critical,
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::one_of(<Severity as strum::VariantArray>::VARIANTS, "a severity", text)
    }
}

impl Severity {
    /// The severity that a vendor's word stands for, where it is one that vendors use.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.trim().to_lowercase().as_str() {
            "critical" | "page" | "emergency" | "fatal" | "disaster" | "p1" | "sev1" | "1" => {
                Severity::Critical
            }
            "high" | "error" | "major" | "p2" | "sev2" | "2" => Severity::High,
            "warning" | "warn" | "medium" | "moderate" | "average" | "minor" | "p3" | "sev3" | "3" => {
                Severity::Warning
            }
            "info" | "information" | "informational" | "notice" | "low" | "debug" | "ok" | "none" | "p4"
            | "p5" | "sev4" | "sev5" | "4" | "5" => Severity::Info,
            _ => return None,
        })
    }
}

/// What identifies an alert: a hash of its labels, the same as Prometheus' (FNV-1a over the sorted pairs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(u64);

impl Fingerprint {
    const OFFSET: u64 = 14_695_981_039_346_656_037;
    const PRIME: u64 = 1_099_511_628_211;
    /// Cannot occur in UTF-8, so that no two label sets run into each other.
    const SEPARATOR: u8 = 0xff;

    /// The fingerprint of a label set.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        let mut hash = Self::OFFSET;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(Self::PRIME);
        for (name, value) in labels {
            name.bytes().for_each(&mut add);
            add(Self::SEPARATOR);
            value.bytes().for_each(&mut add);
            add(Self::SEPARATOR);
        }
        Self(hash)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let hash = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        hash.map(Self).ok_or_else(|| format!("`{text}` is not a fingerprint: 16 hexadecimal digits"))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// An alert as it was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Who told it: `alertmanager_v2`, `generic`, …
    pub source: String,
    /// What identifies it. Empty values are left out: an empty label is no label.
    pub labels: Labels,
    /// What explains it.
    pub annotations: Labels,
    pub starts_at: Timestamp,
    /// When it is over: told by the sender, or when nobody repeats it until then.
    pub ends_at: Timestamp,
    /// Whether `ends_at` is only what silence of the sender will mean.
    pub timeout: bool,
    /// Where the sender shows it.
    pub generator_url: String,
    pub severity: Severity,
    pub updated_at: Timestamp,
}

impl Alert {
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.labels)
    }

    /// Whether the alert is over at `now`.
    #[must_use]
    pub fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// Whether the two were firing at the same time, so that they are one episode.
    #[must_use]
    pub fn overlaps(&self, other: &Alert) -> bool {
        let within = |at: Timestamp| other.starts_at < at && at < other.ends_at;
        within(self.ends_at) || within(self.starts_at) || self.starts_at == other.starts_at
    }

    /// The one alert that an earlier telling and a later one amount to: the earliest start, the later one's words, and
    /// the end that somebody named rather than one that silence would mean.
    #[must_use]
    pub fn merge(self, earlier: &Alert, now: Timestamp) -> Alert {
        let mut merged = self;
        merged.starts_at = merged.starts_at.min(earlier.starts_at);
        let later_end = earlier.ends_at > merged.ends_at;
        let earlier_end_rules =
            if merged.is_resolved(now) { earlier.is_resolved(now) } else { !earlier.timeout };
        if later_end && earlier_end_rules {
            merged.ends_at = earlier.ends_at;
            merged.timeout = earlier.timeout;
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn fingerprints_are_those_of_prometheus() {
        // What Alertmanager answers for these label sets.
        assert_eq!(Fingerprint::of(&Labels::new()).to_string(), "cbf29ce484222325");
        let fingerprint = Fingerprint::of(&labels(&[("alertname", "a"), ("job", "b")]));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert!("xyz".parse::<Fingerprint>().is_err() && "+123456789012345".parse::<Fingerprint>().is_err());
    }

    #[test]
    fn an_end_that_was_named_outlasts_one_that_was_assumed() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let alert = |starts, ends, timeout, updated| Alert {
            source: "test".into(),
            labels: labels(&[("alertname", "a")]),
            annotations: Labels::new(),
            starts_at: at(starts),
            ends_at: at(ends),
            timeout,
            generator_url: String::new(),
            severity: Severity::Warning,
            updated_at: at(updated),
        };
        let now = at(100);
        let merged = alert(50, 400, true, 100).merge(&alert(10, 900, false, 60), now);
        assert_eq!((merged.starts_at, merged.ends_at, merged.timeout), (at(10), at(900), false));
        let merged = alert(50, 400, true, 100).merge(&alert(10, 900, true, 60), now);
        assert_eq!(merged.ends_at, at(400));
        let resolved = alert(50, 90, false, 100).merge(&alert(10, 900, true, 60), now);
        assert_eq!(resolved.ends_at, at(90), "a sender that says it is over is believed");
        assert!(alert(50, 90, false, 100).overlaps(&alert(10, 60, false, 60)));
        assert!(!alert(70, 90, false, 100).overlaps(&alert(10, 60, false, 60)));
    }
}
