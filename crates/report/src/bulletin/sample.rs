//! Samples: journals of incidents that never were, to see what would be sent before anything happens.

use midwatch_model::journal::Line;

/// What happens in a sample.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Sample {
    /// Noticed, explained, approved, repaired, written up.
    #[default]
    Recovered,
    /// Foreseen, and it does not happen.
    Foreseen,
    /// No conclusive verdict: handed to a person.
    Escalated,
}

impl std::str::FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        midwatch_model::one_of(<Self as strum::VariantArray>::VARIANTS, "a sample", text)
    }
}

/// The journal of a sample.
///
/// # Panics
/// Never: a test reads them all.
#[must_use]
pub fn sample(kind: Sample) -> Vec<Line> {
    let text = match kind {
        Sample::Recovered => include_str!("sample/recovered.json"),
        Sample::Foreseen => include_str!("sample/foreseen.json"),
        Sample::Escalated => include_str!("sample/escalated.json"),
    };
    serde_json::from_str(text).expect("a sample is a journal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BulletinInput, bulletins};
    use strum::VariantArray as _;

    fn told(kind: Sample) -> Vec<String> {
        let lines = sample(kind);
        let input = BulletinInput { lines: &lines, url: "http://midwatch", owner: None };
        bulletins(input, 0)
            .iter()
            .map(|(turn, told)| format!("{} {}: {}", turn.seq, turn.moment, told.title))
            .collect()
    }

    #[test]
    fn every_sample_can_be_read_and_is_told_turn_by_turn() {
        for kind in Sample::VARIANTS {
            assert!(!told(*kind).is_empty(), "{kind}");
        }
        assert_eq!(
            told(Sample::Recovered),
            [
                "1 alert: WARNING payment-service: cause not known yet",
                "3 verdict: HIGH payment-service: an exhausted DB connection pool",
                "4 plan: HIGH payment-service: an exhausted DB connection pool",
                "5 approval: HIGH payment-service: an exhausted DB connection pool",
                "6 answer: HIGH payment-service: an exhausted DB connection pool",
                "8 action: HIGH payment-service: an exhausted DB connection pool",
                "12 resolved: Recovered: payment-service: an exhausted DB connection pool",
                "13 postmortem: Recovered: payment-service: an exhausted DB connection pool",
            ]
        );
    }

    #[test]
    fn what_was_told_is_not_told_again_and_a_turn_says_what_was_known_at_its_time() {
        let lines = sample(Sample::Recovered);
        let input = BulletinInput { lines: &lines, url: "http://midwatch", owner: Some("payments") };
        let later = bulletins(input, 5);
        assert_eq!(later.first().map(|(turn, _)| turn.seq), Some(6));
        let all = bulletins(input, 0);
        assert_eq!(all[0].1.confidence, None);
        assert!(all[3].1.approval.is_some() && all[4].1.undo.is_some());
        let last = &all.last().expect("a postmortem").1;
        assert!(last.postmortem.as_ref().is_some_and(|text| text.contains("payments")));
        assert_eq!(last.mttr_s, Some(74.0));
    }
}
