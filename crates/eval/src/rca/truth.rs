//! `truth.json`: what really was wrong.

use midwatch_model::Cause;
use serde::{Deserialize, Serialize};

/// What a verdict is scored against; never an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    pub verdict: TruthVerdict,
    /// The components at fault: naming any of them is right.
    pub components: Vec<String>,
    /// The change that did it; `null` when none did.
    pub change: Option<String>,
    /// `null` when there is no fault, or nobody said.
    pub kind: Option<Cause>,
    /// Changes that look guilty and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoys: Vec<String>,
}

/// Whether there was a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruthVerdict {
    RootCause,
    NoFault,
}
