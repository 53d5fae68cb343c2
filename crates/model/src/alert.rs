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
        // `SEV-1`, `sev 1` and `sev1` are one word.
        let word: String = word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
        Some(match word.to_lowercase().as_str() {
            "critical" | "page" | "emergency" | "fatal" | "disaster" | "p0" | "p1" | "sev0" | "sev1"
            | "1" => Severity::Critical,
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

/// What identifies an alert: a hash of its labels, the same as Prometheus' (FNV-1a over the sorted pairs), or of the id
/// that its sender gave it.
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
        Self(labels.iter().fold(Self::OFFSET, |hash, (name, value)| Self::add(hash, &[name, value])))
    }

    /// The fingerprint of a sender's own id. The first step keeps it apart from that of a label set.
    #[must_use]
    pub fn of_id(source: &str, id: &str) -> Self {
        Self(Self::add(Self::add(Self::OFFSET, &[""]), &[source, id]))
    }

    fn add(hash: u64, texts: &[&str]) -> u64 {
        let bytes = texts.iter().flat_map(|text| text.bytes().chain([Self::SEPARATOR]));
        bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(Self::PRIME))
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

/// Somebody has taken an alert on, as its sender tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who; empty if the sender does not say.
    pub by: String,
    /// When it was first told.
    pub at: Timestamp,
}

/// What the sender wrote, where midwatch holds something else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// The sender's own word for how bad it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// A start that could not be read or lay in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// An end that could not be read, lay in the future though it is over, or before the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
}

impl Original {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An alert as it was last told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Who told it: `alertmanager_v2`, `generic`, …
    pub source: String,
    /// The sender's own id of it. Where there is one, it alone identifies the alert among those of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What identifies it if it has no id. Empty values are left out: an empty label is no label.
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
    /// Whether somebody has taken it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    #[serde(default, skip_serializing_if = "Original::is_empty")]
    pub original: Original,
    /// When its sender says that what it last told happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

impl Alert {
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        match &self.id {
            Some(id) => Fingerprint::of_id(&self.source, id),
            None => Fingerprint::of(&self.labels),
        }
    }

    /// Whether the alert is over at `now`.
    #[must_use]
    pub fn is_resolved(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// Whether the two held at the same time, so that they are one episode. What ends without a start of its own holds
    /// for a moment only.
    #[must_use]
    pub fn overlaps(&self, other: &Alert) -> bool {
        self.starts_at == other.starts_at
            || (self.starts_at < other.ends_at && other.starts_at < self.ends_at)
    }

    /// Whether the two say the same, whenever they were told and however long they hold.
    #[must_use]
    pub fn same_words(&self, other: &Alert) -> bool {
        let small = |alert: &Alert| (alert.starts_at, alert.timeout, alert.severity);
        small(self) == small(other)
            && self.labels == other.labels
            && self.annotations == other.annotations
            && self.generator_url == other.generator_url
            && self.acknowledged == other.acknowledged
            && self.original == other.original
            && (&self.source, &self.id) == (&other.source, &other.id)
    }

    /// The one alert that an earlier telling and a later one amount to: the earliest start, the later one's words, and
    /// the end that somebody named rather than one that silence would mean. What the later one leaves out holds on if an
    /// id says that both are the same alert: a `resolved` need not repeat everything.
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
        if merged.id.is_some() {
            merged.fill(earlier);
        }
        merged.acknowledge(earlier, now);
        merged
    }

    fn fill(&mut self, earlier: &Alert) {
        let fill = |mine: &mut Labels, theirs: &Labels| {
            for (name, value) in theirs.iter() {
                mine.insert_new(name, value);
            }
        };
        fill(&mut self.labels, &earlier.labels);
        fill(&mut self.annotations, &earlier.annotations);
        if self.generator_url.is_empty() {
            self.generator_url.clone_from(&earlier.generator_url);
        }
        if self.original.severity.is_none() {
            self.severity = earlier.severity;
            self.original.severity.clone_from(&earlier.original.severity);
        }
        self.original.starts_at =
            self.original.starts_at.take().or_else(|| earlier.original.starts_at.clone());
    }

    /// Whoever took it on first stays on record; one that fires without being acknowledged has been given back.
    fn acknowledge(&mut self, earlier: &Alert, now: Timestamp) {
        let over = self.is_resolved(now);
        match (&mut self.acknowledged, &earlier.acknowledged) {
            (Some(mine), Some(theirs)) if mine.by == theirs.by || mine.by.is_empty() => {
                *mine = theirs.clone()
            }
            (mine @ None, Some(theirs)) if over => *mine = Some(theirs.clone()),
            _ => {}
        }
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
            id: None,
            labels: labels(&[("alertname", "a")]),
            annotations: Labels::new(),
            starts_at: at(starts),
            ends_at: at(ends),
            timeout,
            generator_url: String::new(),
            severity: Severity::Warning,
            acknowledged: None,
            original: Original::default(),
            occurred_at: None,
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
        let (fires, end) = (alert(10, 900, true, 10), alert(90, 90, false, 90));
        assert!(end.overlaps(&fires) && fires.overlaps(&end), "an end that does not repeat the start");
        assert!(!alert(5, 5, false, 90).overlaps(&fires), "the end of what was before");
    }

    #[test]
    fn an_id_identifies_alone_and_what_is_not_repeated_holds_on() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let first = Alert {
            source: "test".into(),
            id: Some("a-1".into()),
            labels: labels(&[("service", "pay"), ("severity", "critical")]),
            annotations: labels(&[("summary", "slow")]),
            starts_at: at(10),
            ends_at: at(900),
            timeout: true,
            generator_url: "http://x".into(),
            severity: Severity::Critical,
            acknowledged: Some(Acknowledged { by: "ana".into(), at: at(20) }),
            original: Original { severity: Some("SEV-1".into()), ..Original::default() },
            occurred_at: None,
            updated_at: at(20),
        };
        let over = Alert {
            labels: Labels::new(),
            annotations: Labels::new(),
            ends_at: at(90),
            timeout: false,
            generator_url: String::new(),
            severity: Severity::Warning,
            acknowledged: None,
            original: Original::default(),
            occurred_at: None,
            updated_at: at(100),
            ..first.clone()
        };
        assert_eq!(over.fingerprint(), first.fingerprint());
        let other = Alert { id: Some("a-2".into()), ..first.clone() };
        assert_ne!(other.fingerprint(), first.fingerprint());
        assert_ne!(Fingerprint::of_id("test", "a-1"), Fingerprint::of(&labels(&[("test", "a-1")])));
        let merged = over.clone().merge(&first, at(100));
        assert_eq!(merged, Alert { ends_at: at(90), timeout: false, updated_at: at(100), ..first.clone() });
        let back = Alert { ends_at: at(900), timeout: true, ..over.clone() }.merge(&first, at(100));
        assert_eq!(back.acknowledged, None, "it fires and nobody has it");
        let nameless = Alert { id: None, ..over };
        assert!(nameless.merge(&Alert { id: None, ..first }, at(100)).annotations.is_empty());
    }

    #[test]
    fn vendors_words_for_severity_are_known() {
        for (word, severity) in [
            ("P1", Some(Severity::Critical)),
            ("SEV-1", Some(Severity::Critical)),
            (" Sev 2 ", Some(Severity::High)),
            ("MEDIUM", Some(Severity::Warning)),
            ("P5", Some(Severity::Info)),
            ("whatever", None),
            ("", None),
        ] {
            assert_eq!(Severity::from_word(word), severity, "{word}");
        }
    }
}
