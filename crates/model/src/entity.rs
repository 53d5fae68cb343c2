//! What an alert can be about: an object of a cluster, and the names that tell which objects belong together.

use serde::{Deserialize, Serialize};

/// What sort of object it is. Kinds that play the same part in a failure share one entry.
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
    schemars::JsonSchema,
    utoipa::ToSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EntityKind {
    /// What starts experiments.
    Schedule,
    /// A fault that somebody injects on purpose.
    Experiment,
    ConfigMap,
    Secret,
    /// Who may talk to whom, or do what.
    Policy,
    /// How much may be used.
    Quota,
    Autoscaler,
    /// How requests find their service from outside.
    Route,
    Node,
    Namespace,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    CronJob,
    Job,
    VolumeClaim,
    Pod,
    Service,
    /// One operation of a service.
    Operation,
    /// Every other kind, as custom resources have.
    Other,
}

/// Words for kinds, lower case and without separators, as Kubernetes, its tools and kube-prometheus write them.
const KINDS: [(&str, EntityKind); 39] = [
    ("schedule", EntityKind::Schedule),
    ("workflow", EntityKind::Schedule),
    ("experiment", EntityKind::Experiment),
    ("chaosengine", EntityKind::Experiment),
    ("chaosexperiment", EntityKind::Experiment),
    ("configmap", EntityKind::ConfigMap),
    ("secret", EntityKind::Secret),
    ("policy", EntityKind::Policy),
    ("role", EntityKind::Policy),
    ("clusterrole", EntityKind::Policy),
    ("rolebinding", EntityKind::Policy),
    ("clusterrolebinding", EntityKind::Policy),
    ("serviceaccount", EntityKind::Policy),
    ("quota", EntityKind::Quota),
    ("resourcequota", EntityKind::Quota),
    ("limitrange", EntityKind::Quota),
    ("autoscaler", EntityKind::Autoscaler),
    ("hpa", EntityKind::Autoscaler),
    ("route", EntityKind::Route),
    ("ingress", EntityKind::Route),
    ("gateway", EntityKind::Route),
    ("virtualservice", EntityKind::Route),
    ("destinationrule", EntityKind::Route),
    ("node", EntityKind::Node),
    ("namespace", EntityKind::Namespace),
    ("deployment", EntityKind::Deployment),
    ("statefulset", EntityKind::StatefulSet),
    ("daemonset", EntityKind::DaemonSet),
    ("replicaset", EntityKind::ReplicaSet),
    ("cronjob", EntityKind::CronJob),
    ("job", EntityKind::Job),
    ("persistentvolumeclaim", EntityKind::VolumeClaim),
    ("persistentvolume", EntityKind::VolumeClaim),
    ("volumeclaim", EntityKind::VolumeClaim),
    ("pvc", EntityKind::VolumeClaim),
    ("pod", EntityKind::Pod),
    ("service", EntityKind::Service),
    ("serviceoperation", EntityKind::Operation),
    ("operation", EntityKind::Operation),
];

/// Endings of kinds that families of custom resources share.
const KIND_ENDINGS: [(&str, EntityKind); 6] = [
    ("chaos", EntityKind::Experiment),
    ("policy", EntityKind::Policy),
    ("authentication", EntityKind::Policy),
    ("autoscaler", EntityKind::Autoscaler),
    ("route", EntityKind::Route),
    ("experiment", EntityKind::Experiment),
];

impl EntityKind {
    /// Every kind, in a fixed order.
    pub const ALL: &'static [EntityKind] = <EntityKind as strum::VariantArray>::VARIANTS;

    /// The kind that a word stands for; `Other` for one that is not known.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        let word = name_key(word);
        let exact = KINDS.iter().find(|(known, _)| *known == word);
        let ending = || KIND_ENDINGS.iter().find(|(ending, _)| word.ends_with(ending));
        exact.or_else(ending).map_or(EntityKind::Other, |(_, kind)| *kind)
    }

    /// Whether it is there to act upon other objects, so that its name says on which.
    #[must_use]
    pub fn acts_on_others(self) -> bool {
        use EntityKind::{Autoscaler, ConfigMap, Experiment, Policy, Quota, Route, Schedule, Secret};
        matches!(self, Schedule | Experiment | ConfigMap | Secret | Policy | Quota | Autoscaler | Route)
    }
}

/// One object.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
pub struct Entity {
    pub kind: EntityKind,
    /// `None` where whoever speaks of it does not say, or there is one cluster only.
    #[serde(default)]
    pub cluster: Option<String>,
    /// `None` where whoever speaks of it does not say, or the kind has none.
    #[serde(default)]
    pub namespace: Option<String>,
    pub name: String,
}

/// Where an object lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub cluster: Option<String>,
    pub namespace: Option<String>,
}

/// What an object belongs to: deployment, pods, service and configuration of one application share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    pub place: Place,
    /// The name without what is added for replicas and kinds, and without separators.
    pub key: String,
}

impl Entity {
    #[must_use]
    pub fn place(&self) -> Place {
        // A namespace is inside itself: what it holds is at the same place.
        let own = (self.kind == EntityKind::Namespace).then(|| self.name.clone());
        Place { cluster: self.cluster.clone(), namespace: self.namespace.clone().or(own) }
    }

    #[must_use]
    pub fn owner(&self) -> Owner {
        let key = name_key(&self.owner_name());
        // `emailservice` and `email` are spelled by the same hand on different days.
        let bare = key.strip_suffix("service").filter(|bare| bare.len() >= SHORTEST_BARE);
        let key = bare.map_or_else(|| key.clone(), ToOwned::to_owned);
        Owner { place: self.place(), key }
    }

    /// The name without hashes of pods, ordinals and words for kinds: `payment-7d9f8b5c4-x2x1z` is of `payment`.
    #[must_use]
    pub fn owner_name(&self) -> String {
        let mut tokens: Vec<&str> = self.name.split(['-', '_', '.', '/']).filter(|t| !t.is_empty()).collect();
        if self.kind == EntityKind::Pod {
            strip_hashes(&mut tokens);
        }
        while is_added(&tokens, self.kind) {
            tokens.pop();
        }
        tokens.join("-")
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.cluster, &self.namespace].into_iter().flatten() {
            write!(f, "{part}/")?;
        }
        write!(f, "{} ({})", self.name, self.kind)
    }
}

/// Letters that must be left of a name when a glued `service` is taken off: what is shorter is no name.
const SHORTEST_BARE: usize = 3;

impl Entity {
    /// A service that is known by its name, and by its namespace where that is known.
    #[must_use]
    pub fn of_service(name: &crate::ServiceName, namespace: Option<String>) -> Self {
        Self { kind: EntityKind::Service, cluster: None, namespace, name: name.to_string() }
    }
}

/// A name without separators and case: `frontend-proxy` and `frontendProxy` are the same.
#[must_use]
pub fn name_key(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Takes off what a replica set (`-7d9f8b5c4-x2x1z`) or a daemon set (`-x7k2p`) puts behind a pod's name.
fn strip_hashes(tokens: &mut Vec<&str>) {
    match tokens[..] {
        [_, .., set, pod] if is_set_hash(set) && pod.len() == POD_HASH => tokens.truncate(tokens.len() - 2),
        [_, .., pod] if pod.len() == POD_HASH && pod.chars().all(is_safe) => {
            tokens.truncate(tokens.len() - 1)
        }
        _ => {}
    }
}

/// Characters of the part that tells pods of one set apart.
const POD_HASH: usize = 5;

/// Kubernetes hashes a pod template into up to 10 characters; below 6 it is likelier to be a word with a number.
fn is_set_hash(token: &str) -> bool {
    let letters = token.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (6..=10).contains(&token.len()) && letters && token.chars().any(|c| c.is_ascii_digit())
}

/// The alphabet of generated names: without vowels, so that no words come about.
fn is_safe(c: char) -> bool {
    "bcdfghjklmnpqrstvwxz2456789".contains(c)
}

/// Words that are put behind a name to say what it is the name of.
const KIND_WORDS: [&str; 17] = [
    "pod",
    "pods",
    "service",
    "svc",
    "deployment",
    "deploy",
    "statefulset",
    "sts",
    "daemonset",
    "replicaset",
    "pvc",
    "configmap",
    "cm",
    "endpoint",
    "namespace",
    "schedule",
    "hpa",
];

/// Whether the last part of a name is an ordinal or a word for a kind. Pods have ordinals, and so has what is called by
/// its kind (`cart-service-1`); else a number tells two things apart (`shard-1`, `shard-2`).
fn is_added(tokens: &[&str], kind: EntityKind) -> bool {
    let config = |token: &str| {
        matches!(kind, EntityKind::ConfigMap | EntityKind::Secret)
            && ["config", "conf", "secret", "secrets"].contains(&token)
    };
    let numbered = matches!(kind, EntityKind::Pod | EntityKind::VolumeClaim);
    match tokens {
        [.., _, of, last] if last.chars().all(|c| c.is_ascii_digit()) => numbered || KIND_WORDS.contains(of),
        [_, last] if last.chars().all(|c| c.is_ascii_digit()) => numbered,
        [_, .., last] => KIND_WORDS.contains(last) || config(last),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(kind: EntityKind, name: &str) -> Entity {
        Entity { kind, cluster: None, namespace: Some("shop".into()), name: name.into() }
    }

    #[test]
    fn what_belongs_together_has_the_same_owner() {
        let check = |kind, name: &str, key: &str| assert_eq!(entity(kind, name).owner().key, key, "{name}");
        check(EntityKind::Pod, "payment-7d9f8b5c4-x2x1z", "payment");
        check(EntityKind::Pod, "node-exporter-x7k2p", "nodeexporter");
        check(EntityKind::Pod, "kafka-0", "kafka");
        check(EntityKind::Pod, "backup-28012345-x7k2p", "backup");
        check(EntityKind::Pod, "frontend-proxy-pod-1", "frontendproxy");
        check(EntityKind::Pod, "cart-redis", "cartredis");
        check(EntityKind::Service, "frontendproxy-service-1", "frontendproxy");
        check(EntityKind::Service, "svc-07", "svc07");
        check(EntityKind::Service, "shard-1", "shard1");
        check(EntityKind::Service, "emailservice", "email");
        check(EntityKind::Deployment, "reviews-v3", "reviewsv3");
        check(EntityKind::ConfigMap, "payment-config", "payment");
        check(EntityKind::Service, "config", "config");
        check(EntityKind::Service, "service", "service");
    }

    #[test]
    fn kinds_are_known_by_the_words_of_the_field() {
        let check = |word: &str, kind| assert_eq!(EntityKind::from_word(word), kind, "{word}");
        check("NetworkChaos", EntityKind::Experiment);
        check("HorizontalPodAutoscaler", EntityKind::Autoscaler);
        check("ServiceOperation", EntityKind::Operation);
        check("CiliumNetworkPolicy", EntityKind::Policy);
        check("HTTPRoute", EntityKind::Route);
        check("Kafka", EntityKind::Other);
    }

    #[test]
    fn a_namespace_is_at_the_place_of_what_it_holds() {
        let namespace = Entity { namespace: None, ..entity(EntityKind::Namespace, "shop") };
        assert_eq!(namespace.place(), entity(EntityKind::Pod, "a").place());
    }
}
