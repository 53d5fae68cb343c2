//! What the operator says about a cluster.

use crate::ConnectorError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A Kubernetes cluster that midwatch looks at and may act upon. Needs the cargo feature `kubernetes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesConfig {
    /// The kubeconfig file; if absent, `KUBECONFIG`, `~/.kube/config`, or the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; if absent, its current one.
    pub context: Option<String>,
    /// The only namespaces that are looked at and acted upon, at least one. Services that name none are in the first.
    pub namespaces: Vec<String>,
    /// Most replicas that a workload is ever set to, besides `decision.max_replicas` and an autoscaler's maximum.
    pub max_replicas: u32,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        // Ten times a small service: beyond that somebody should look at the bill and at the database first.
        Self { kubeconfig: None, context: None, namespaces: Vec::new(), max_replicas: 10 }
    }
}

impl KubernetesConfig {
    /// # Errors
    /// The first field that does not fit, with the fix.
    pub(crate) fn validate(&self) -> Result<(), ConnectorError> {
        let wrong = |field: &str, problem: String| {
            Err(ConnectorError::Config { field: format!("kubernetes.{field}"), problem })
        };
        if self.namespaces.is_empty() {
            return wrong(
                "namespaces",
                "is empty; name the namespaces that midwatch may touch, such as [\"shop\"]".to_owned(),
            );
        }
        if let Some(bad) = self.namespaces.iter().find(|name| !is_name(name)) {
            return wrong("namespaces", format!("has `{bad}`, which is not the name of a namespace"));
        }
        if !(1..=1000).contains(&self.max_replicas) {
            return wrong("max_replicas", "must be 1 to 1000".to_owned());
        }
        Ok(())
    }
}

/// Whether a text can be the name of a thing in the API, and so a segment of a path: nothing else is ever put into one.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 253
        && text.chars().all(fits)
        && ends(text.chars().next())
        && ends(text.chars().last())
        && !text.contains("..")
}
