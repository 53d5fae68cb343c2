//! A document and what it is found by besides its words.

use crate::section::{Section, sections, sections_of_any_length};
use serde::{Deserialize, Serialize};

/// Where a document belongs.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Collection {
    /// What to do when something breaks.
    Runbooks,
    /// How past incidents went.
    Incidents,
    /// What a service is, who owns it, how it fails.
    Services,
}

impl Collection {
    /// Every collection, in the order in which somebody at night needs them.
    pub const ALL: &'static [Collection] = <Collection as strum::VariantArray>::VARIANTS;

    /// The name as it is written in JSON and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl std::str::FromStr for Collection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        midwatch_model::one_of(Collection::ALL, "a collection", text)
    }
}

/// How much hangs on a service.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
)]
pub enum Criticality {
    /// Users notice at once, and it costs money every minute: wake somebody.
    P0,
    /// A part of the product does not work.
    P1,
    /// It can wait for the morning.
    P2,
}

/// What is known of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFacts {
    pub team: String,
    pub criticality: Criticality,
    /// What was promised, such as `99.9 % of payments within 400 ms`.
    pub sla: String,
    /// Who is woken, and how.
    pub on_call: String,
    /// Services that it calls.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Services that call it.
    #[serde(default)]
    pub called_by: Vec<String>,
    /// How it breaks, one sentence each.
    #[serde(default)]
    pub failure_modes: Vec<String>,
    /// Ids of the runbooks that help with it.
    #[serde(default)]
    pub runbooks: Vec<String>,
}

impl ServiceFacts {
    /// The facts as sentences that can be read and searched.
    #[must_use]
    pub fn text(&self) -> String {
        let list = |all: &[String]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
        let mut text = format!(
            "Team: {}. On call: {}. Criticality: {}. SLA: {}.\nDepends on: {}. Called by: {}.",
            self.team,
            self.on_call,
            self.criticality,
            self.sla,
            list(&self.depends_on),
            list(&self.called_by),
        );
        if !self.failure_modes.is_empty() {
            text += "\nFailure modes:";
            text.extend(self.failure_modes.iter().map(|mode| format!("\n- {mode}")));
        }
        if !self.runbooks.is_empty() {
            text += &format!("\nRunbooks: {}.", self.runbooks.join(", "));
        }
        text
    }
}

/// A text that somebody wrote down for the night.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Names it within its collection; one that is added again takes the place of the old one.
    pub id: String,
    pub collection: Collection,
    pub title: String,
    /// Markdown.
    pub text: String,
    /// Services that it is about; empty if it is about any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Causes and metrics that it helps with, as verdicts and signals name them; empty if with any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomaly_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Of a service doc only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<ServiceFacts>,
}

impl Document {
    /// What can be found of it: the chunks of an incident, the sections of a runbook, a service doc as a whole.
    #[must_use]
    pub fn sections(&self) -> Vec<Section<'_>> {
        match self.collection {
            // A chunk of an incident may be one short sentence; what stands before the first is its title.
            Collection::Incidents => {
                let mut chunks = sections_of_any_length(&self.text);
                chunks.retain(|chunk| !chunk.heading.is_empty());
                chunks
            }
            Collection::Runbooks => sections(&self.text),
            Collection::Services => vec![Section { heading: "", text: &self.text }],
        }
    }
}
