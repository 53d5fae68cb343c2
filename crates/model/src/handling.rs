//! What was done with a signal, in one word each: the steps of its way from its arrival to whoever was told of it.

use serde::{Deserialize, Serialize};

/// What one step of a signal's way did. The words are stored with the signal, and shown as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString)]
#[serde(from = "String", into = "String")]
#[strum(serialize_all = "snake_case")]
pub enum HandlingStep {
    Received,
    /// Which of its words say what it is about.
    Read,
    #[strum(serialize = "told again")]
    ToldAgain,
    /// What it tells happened before its end, and came after it.
    Late,
    /// To which receivers it goes.
    Routed,
    /// It tells of another midwatch's incident.
    #[strum(serialize = "not correlated")]
    NotCorrelated,
    /// Something keeps it quiet, so that it is in no incident yet.
    Suppressed,
    /// What kept it quiet does so no more.
    Released,
    /// It repeats another alert, or a signal of its incident.
    Deduplicated,
    Flapping,
    /// It flaps no more.
    Stable,

    /// It opened an incident.
    Opened,
    Joined,
    /// Its incident was opened again by it.
    Recurred,
    /// It is of an incident that has recovered.
    Echo,

    /// Somebody has taken it on, as its sender tells it.
    Acknowledged,
    /// Whoever had taken it on has given it back.
    #[strum(serialize = "given back")]
    GivenBack,

    #[strum(serialize = "resolved by its sender")]
    ResolvedBySender,
    /// Its sender told of it no more.
    #[strum(serialize = "timed out")]
    TimedOut,
    /// The end that its sender had named has come, or it is well again.
    Over,
    /// Another episode of it has taken its place.
    Replaced,

    #[strum(serialize = "not told")]
    NotTold,
    /// Its receiver is told later.
    #[strum(serialize = "put off")]
    PutOff,
    Notified,
    Delivered,
    /// A newer notification has taken the place of one.
    Superseded,
    Retrying,
    /// Handling it, or telling of it, has failed.
    Failed,

    #[strum(serialize = "dead letter")]
    DeadLetter,
    /// A person asked for another try.
    #[strum(serialize = "tried again")]
    TriedAgain,

    /// What happened to its incident, by the name of the journal's entry; and words of other versions, which must stay
    /// readable.
    #[strum(default)]
    Other(String),
}

impl HandlingStep {
    /// Whether it says into which incident the signal went.
    #[must_use]
    pub fn places(&self) -> bool {
        matches!(self, Self::Opened | Self::Joined | Self::Deduplicated | Self::Recurred | Self::Echo)
    }
}

impl From<String> for HandlingStep {
    fn from(word: String) -> Self {
        Self::from(word.as_str())
    }
}

impl From<HandlingStep> for String {
    fn from(step: HandlingStep) -> Self {
        step.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that stores hold: they must not change.
    const STORED: [(HandlingStep, &str); 29] = [
        (HandlingStep::Received, "received"),
        (HandlingStep::Read, "read"),
        (HandlingStep::ToldAgain, "told again"),
        (HandlingStep::Routed, "routed"),
        (HandlingStep::NotCorrelated, "not correlated"),
        (HandlingStep::Suppressed, "suppressed"),
        (HandlingStep::Released, "released"),
        (HandlingStep::Deduplicated, "deduplicated"),
        (HandlingStep::Flapping, "flapping"),
        (HandlingStep::Stable, "stable"),
        (HandlingStep::Opened, "opened"),
        (HandlingStep::Joined, "joined"),
        (HandlingStep::Recurred, "recurred"),
        (HandlingStep::Echo, "echo"),
        (HandlingStep::Acknowledged, "acknowledged"),
        (HandlingStep::GivenBack, "given back"),
        (HandlingStep::ResolvedBySender, "resolved by its sender"),
        (HandlingStep::TimedOut, "timed out"),
        (HandlingStep::Over, "over"),
        (HandlingStep::Replaced, "replaced"),
        (HandlingStep::NotTold, "not told"),
        (HandlingStep::PutOff, "put off"),
        (HandlingStep::Notified, "notified"),
        (HandlingStep::Delivered, "delivered"),
        (HandlingStep::Superseded, "superseded"),
        (HandlingStep::Retrying, "retrying"),
        (HandlingStep::Failed, "failed"),
        (HandlingStep::DeadLetter, "dead letter"),
        (HandlingStep::TriedAgain, "tried again"),
    ];

    #[test]
    fn the_words_are_those_that_stores_hold() {
        for (step, word) in STORED {
            assert_eq!(serde_json::to_value(&step).expect("plain"), word);
            assert_eq!(serde_json::from_value::<HandlingStep>(word.into()).expect("readable"), step);
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_kept_as_it_is() {
        for word in ["signal_joined", "resolved_by_sender", "of another version", ""] {
            let step = HandlingStep::from(word);
            assert_eq!(
                (&step, String::from(step.clone())),
                (&HandlingStep::Other(word.into()), word.to_owned())
            );
        }
    }
}
