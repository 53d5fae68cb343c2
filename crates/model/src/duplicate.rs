//! What says that an alert tells again what another one tells already.

use crate::{Fingerprint, SignalId};
use serde::{Deserialize, Serialize};

/// By what an alert is recognised as telling what another one tells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Likeness {
    /// The titles and the services are alike: Sørensen–Dice coefficients, 0–1, with what each had to reach.
    Fuzzy { title: f64, title_min: f64, service: f64, service_min: f64 },
    /// The same service and severity, and they began within the window.
    Window { apart_s: f64, within_s: f64 },
}

/// An alert tells again what another one tells that fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The other one's episode.
    pub of: SignalId,
    pub fingerprint: Fingerprint,
    /// The other one's name, for people.
    pub name: String,
    #[serde(flatten)]
    pub likeness: Likeness,
}

impl Likeness {
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Likeness::Fuzzy { title, title_min, service, service_min } => {
                format!("fuzzy: title {title:.2} ≥ {title_min:.2}, service {service:.2} ≥ {service_min:.2}")
            }
            Likeness::Window { apart_s, within_s } => format!(
                "window: same service and severity, began {apart_s:.0} s apart, at most {within_s:.0} s"
            ),
        }
    }
}

impl Duplicate {
    /// The reason that is put on record.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("against {} ({}) by {}", self.of, self.name, self.likeness.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_other_alert_the_strategy_and_the_numbers() {
        let duplicate = Duplicate {
            of: "alt-7".into(),
            fingerprint: Fingerprint::of(&crate::Labels::new()),
            name: "HighErrorRate".into(),
            likeness: Likeness::Fuzzy { title: 0.857, title_min: 0.8, service: 1.0, service_min: 1.0 },
        };
        let sentence = "against alt-7 (HighErrorRate) by fuzzy: title 0.86 ≥ 0.80, service 1.00 ≥ 1.00";
        assert_eq!(duplicate.sentence(), sentence);
        let stored = serde_json::to_value(&duplicate).expect("plain data");
        assert_eq!(stored["by"], "fuzzy");
        assert_eq!(serde_json::from_value::<Duplicate>(stored).expect("readable"), duplicate);
    }
}
