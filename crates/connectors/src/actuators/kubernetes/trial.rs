//! A workload to try things out on, and the questions that `midwatch k8s selftest` asks of a cluster.

use super::KubernetesConfig;
use super::call::{Change, Cluster, Refusal};
use super::place::{Kind, Place};
use super::thing::text;
use serde_json::{Value, json};
use std::time::Duration;

/// The Deployment that a selftest acts upon, and nothing else.
pub const TRIAL: &str = "midwatch-selftest";

/// Label that a workload must carry to be tried things out on: nobody's own Deployment is, whatever it is called.
const MARK: &str = "midwatch/selftest";

/// An image that needs no registry of one's own. Nothing of it needs to run.
const IMAGE: &str = "registry.k8s.io/pause:3.9";

/// A cluster that is tried out.
#[derive(Debug)]
pub struct ClusterTrial {
    cluster: Cluster,
    place: Place,
}

impl ClusterTrial {
    /// For the first of the configured namespaces. Nothing is asked yet.
    #[must_use]
    pub fn new(config: &KubernetesConfig, timeout: Duration) -> Self {
        let namespace = config.namespaces.first().cloned().unwrap_or_default();
        let place = Place { namespace, kind: Kind::Deployment, name: TRIAL.to_owned() };
        Self { cluster: Cluster::new(config, timeout), place }
    }

    /// The server's version, as in `v1.36.0`.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub async fn version(&self) -> Result<String, String> {
        let answer = self.cluster.text("/version").await.map_err(|refusal| refusal.to_string())?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        Ok(text(&answer["gitVersion"]).to_owned())
    }

    /// What the server says of its own health.
    ///
    /// # Errors
    /// Why it cannot be asked, or that it is not ready.
    pub async fn ready(&self) -> Result<String, String> {
        self.cluster.text("/readyz").await.map_err(|refusal| refusal.to_string())
    }

    /// Finds the workload or makes it; true if it was made.
    ///
    /// # Errors
    /// What is lacking, and what to do.
    pub async fn workload(&self) -> Result<bool, String> {
        let found =
            self.cluster.get(&self.place.path(), TRIAL).await.map_err(|refusal| refusal.to_string())?;
        if let Some(found) = found {
            let marked = found["metadata"]["labels"][MARK] == "true";
            let sentence = || {
                format!(
                    "{} is there without the label {MARK}=true; it is left alone. Rename it, or use another namespace",
                    self.place.title()
                )
            };
            return if marked { Ok(false) } else { Err(sentence()) };
        }
        let change = Change::Create { path: self.place.path(), body: self.manifest() };
        match self.cluster.change(&change, false).await {
            Ok(_) => Ok(true),
            Err(Refusal::Refused { status: 403, .. }) => Err(format!(
                "there is no {} and this account may not create it (as it should be): put it there with an account that \
                 may: kubectl apply -n {} -f deploy/kubernetes/selftest.yaml",
                self.place.title(),
                self.place.namespace
            )),
            Err(refusal) => Err(format!("{} cannot be made: {refusal}", self.place.title())),
        }
    }

    fn manifest(&self) -> Value {
        let labels = json!({ "app": TRIAL, MARK: "true" });
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": TRIAL, "namespace": self.place.namespace, "labels": labels },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": TRIAL } },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "pause", "image": IMAGE }] },
                },
            },
        })
    }

    /// Whether the server lets this account read Secrets; it should not.
    ///
    /// # Errors
    /// When neither a yes nor a no came.
    pub async fn may_read_secrets(&self) -> Result<bool, String> {
        // One that does not exist: a right shows without anything being read.
        match self.cluster.get(&self.place.core("secrets"), "midwatch-selftest-none").await {
            Ok(_) => Ok(true),
            Err(Refusal::Refused { status: 401 | 403, .. }) => Ok(false),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// Has the server rehearse a number of replicas; says the generation after, which a rehearsal leaves as it is.
    ///
    /// # Errors
    /// The server's no.
    pub async fn rehearse(&self, replicas: i64) -> Result<u64, String> {
        let body = json!({ "spec": { "replicas": replicas } });
        let change = Change::Patch { path: self.place.path(), name: TRIAL.to_owned(), body };
        self.cluster.change(&change, true).await.map_err(|refusal| refusal.to_string())?;
        let now = self.cluster.get(&self.place.path(), TRIAL).await.map_err(|refusal| refusal.to_string())?;
        Ok(now.unwrap_or_default()["metadata"]["generation"].as_u64().unwrap_or(0))
    }

    /// Takes away the workload that [`ClusterTrial::workload`] made.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn remove(&self) -> Result<(), String> {
        let found =
            self.cluster.get(&self.place.path(), TRIAL).await.map_err(|refusal| refusal.to_string())?;
        let Some(found) = found else { return Ok(()) };
        let uid = text(&found["metadata"]["uid"]).to_owned();
        let change = Change::Delete { path: self.place.path(), name: TRIAL.to_owned(), uid };
        self.cluster.change(&change, false).await.map(|_| ()).map_err(|refusal| refusal.to_string())
    }
}
