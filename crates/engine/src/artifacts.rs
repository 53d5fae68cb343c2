//! The eight artifacts of an incident, derived from its journal.

use midwatch_model::artifact::{Artifact, ArtifactKind};
use midwatch_model::decision::Decision;
use midwatch_model::journal::{Entry, Line};
use midwatch_model::{EvidenceId, IncidentId};

/// The artifacts that the lines from `from` on stand for. Each names the one before it as its input.
pub(crate) fn of(incident: &IncidentId, lines: &[Line], from: usize) -> Vec<Artifact> {
    let mut last: Option<String> = None;
    let mut new = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for (kind, status, evidence) in kinds(&line.entry) {
            let inputs = last.iter().cloned().collect();
            let artifact = Artifact::new(kind, incident, line.at, status, inputs, evidence, &line.entry);
            last = Some(artifact.id.clone());
            if index >= from {
                new.push(artifact);
            }
        }
    }
    new
}

fn kinds(entry: &Entry) -> Vec<(ArtifactKind, String, Vec<EvidenceId>)> {
    let ids =
        |signal: &midwatch_model::Signal| signal.evidence.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
    match entry {
        Entry::Opened { signal, .. } => vec![
            (ArtifactKind::ObservationSummary, "observed".into(), ids(signal)),
            (ArtifactKind::AnomalyFinding, "opened".into(), ids(signal)),
        ],
        Entry::SignalJoined { signal, .. } => {
            vec![(ArtifactKind::AnomalyFinding, "joined".into(), ids(signal))]
        }
        Entry::Diagnosed { verdict, .. } => {
            let status = if verdict.root().is_some() { "conclusive" } else { "inconclusive" };
            let evidence = verdict.root().map_or_else(Vec::new, |root| root.supports.clone());
            vec![(ArtifactKind::RootCauseHypothesis, status.into(), evidence)]
        }
        Entry::Planned { .. } => vec![(ArtifactKind::RemediationProposal, "proposed".into(), Vec::new())],
        Entry::Gated { record } if record.decision == Decision::Auto => {
            vec![(ArtifactKind::ExecutionPlan, "authorised".into(), Vec::new())]
        }
        Entry::Performed { outcome, .. } => {
            let value = serde_json::to_value(outcome).unwrap_or_default();
            let status = value["outcome"].as_str().unwrap_or("unknown").to_owned();
            vec![(ArtifactKind::ExecutionResult, status, Vec::new())]
        }
        Entry::Verified { outcome, .. } => {
            let status = format!("{outcome:?}").to_lowercase();
            vec![(ArtifactKind::VerificationResult, status, Vec::new())]
        }
        Entry::Reported { .. } => vec![(ArtifactKind::IncidentReport, "written".into(), Vec::new())],
        _ => Vec::new(),
    }
}
