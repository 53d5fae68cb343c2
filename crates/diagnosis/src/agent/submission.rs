//! A model's verdict, as a type.

use crate::investigate::VerdictKind;
use midwatch_model::Cause;
use serde::Deserialize;
use serde_json::Value;

/// Explanations that a verdict has at most.
const CLAIMS_MAX: usize = 5;

/// Ids that an explanation cites at most.
const CITED_MAX: usize = 20;

/// What a model submits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    pub verdict: VerdictKind,
    #[serde(default)]
    pub hypotheses: Vec<Claim>,
}

/// One explanation that a model claims.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub component: String,
    pub kind: Cause,
    pub confidence: f64,
    #[serde(default)]
    pub change: Option<String>,
    pub evidence: Vec<String>,
    #[serde(default)]
    pub against: Vec<String>,
}

impl Submission {
    /// Reads the arguments of `submit_verdict`.
    ///
    /// # Errors
    /// What is wrong, for the model.
    pub fn read(arguments: &Value) -> Result<Self, String> {
        let read: Self = serde_json::from_value(arguments.clone())
            .map_err(|_| "the verdict does not fit the tool's schema".to_owned())?;
        let cites = |claim: &Claim| claim.evidence.len() + claim.against.len() <= CITED_MAX * 2;
        let sure = |claim: &Claim| (0.0..=1.0).contains(&claim.confidence);
        if read.hypotheses.len() > CLAIMS_MAX
            || !read.hypotheses.iter().all(|claim| cites(claim) && sure(claim))
        {
            return Err(format!(
                "at most {CLAIMS_MAX} hypotheses, {CITED_MAX} ids each, confidence between 0 and 1"
            ));
        }
        if read.verdict == VerdictKind::RootCause && read.hypotheses.is_empty() {
            return Err("a root cause needs a hypothesis".to_owned());
        }
        Ok(read)
    }
}
