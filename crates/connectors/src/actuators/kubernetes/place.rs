//! Where a service lives in the cluster.

use super::KubernetesConfig;
use super::config::is_name;
use midwatch_model::journal::Registration;

/// The kinds of workload that midwatch knows how to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
}

impl Kind {
    pub fn title(self) -> &'static str {
        match self {
            Kind::Deployment => "Deployment",
            Kind::StatefulSet => "StatefulSet",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Kind::Deployment => "deployments",
            Kind::StatefulSet => "statefulsets",
        }
    }
}

/// A workload in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub namespace: String,
    pub kind: Kind,
    pub name: String,
}

impl Place {
    /// Where a service is, if the operator lets midwatch look there.
    ///
    /// # Errors
    /// A sentence with the fix.
    pub fn of(service: &Registration, config: &KubernetesConfig) -> Result<Self, String> {
        let first = config.namespaces.first().map_or("default", String::as_str);
        let namespace = service.namespace.as_deref().unwrap_or(first);
        if !config.namespaces.iter().any(|allowed| allowed == namespace) {
            return Err(format!(
                "namespace {namespace} of {} is not on the allowlist; add it to kubernetes.namespaces ({}) if midwatch may \
                 touch it",
                service.name,
                config.namespaces.join(", ")
            ));
        }
        let workload = service.workload.as_deref().unwrap_or(&service.name);
        let (kind, name) = match workload.split_once('/') {
            None => (Kind::Deployment, workload),
            Some(("deployment", name)) => (Kind::Deployment, name),
            Some(("statefulset", name)) => (Kind::StatefulSet, name),
            Some((other, _)) => {
                return Err(format!(
                    "workload of [[service]] `{}` begins with `{other}`; it must be deployment/NAME or statefulset/NAME",
                    service.name
                ));
            }
        };
        if !is_name(name) {
            return Err(format!(
                "`{name}` cannot be the name of a {}; set workload of [[service]] `{}`",
                kind.title(),
                service.name
            ));
        }
        Ok(Self { namespace: namespace.to_owned(), kind, name: name.to_owned() })
    }

    /// The path of the list that the workload is in.
    pub fn path(&self) -> String {
        self.apps(self.kind.plural())
    }

    /// The path of another list of `apps/v1` in the namespace.
    pub fn apps(&self, plural: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/{plural}", self.namespace)
    }

    /// The path of a list of `v1` in the namespace.
    pub fn core(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    pub fn autoscalers(&self) -> String {
        format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", self.namespace)
    }

    pub fn destination_rules(&self) -> String {
        format!("/apis/networking.istio.io/v1/namespaces/{}/destinationrules", self.namespace)
    }

    /// As in "Deployment shop/pay".
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind.title(), self.namespace, self.name)
    }
}
