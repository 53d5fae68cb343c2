//! What a target looks like to its control plane.

use super::ActionKind;
use serde::{Deserialize, Serialize};

/// What a target looks like to the control plane: the snapshot that an undo is made from, and the precondition.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct TargetState {
    pub version: String,
    pub previous_version: Option<String>,
    pub replicas: u32,
    pub ready_replicas: u32,
    pub max_replicas: u32,
    /// Connections per instance; 0 where the platform knows of no pool.
    pub pool_size: u32,
    pub circuit_open: bool,
    /// Rises with every change; a call carries it so that a target that moved on is left alone.
    pub generation: u64,
    /// What the platform itself calls the state that was seen, such as a resourceVersion or a RevisionId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What the platform can do to this target; empty where it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supports: Vec<ActionKind>,
    /// What runs in each instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// The instances by name, those that are not ready first; not all of very many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<Pod>,
    /// The nodes that these run on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// What sets the number of instances by itself, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
}

/// A container of each instance.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Container {
    pub name: String,
    pub image: String,
    #[serde(default)]
    pub resources: Resources,
}

/// What a container asks for and may use, as the platform writes quantities (`500m`, `256Mi`).
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_request: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
}

/// One instance.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Pod {
    pub name: String,
    /// Another pod of the same name has another one.
    pub uid: String,
    pub ready: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// One node that instances run on.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Node {
    pub name: String,
    pub unschedulable: bool,
}

/// What sets the number of instances between two bounds.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Autoscaler {
    pub name: String,
    pub min: u32,
    pub max: u32,
}

impl TargetState {
    /// Whether the platform can do this to the target.
    #[must_use]
    pub fn can(&self, kind: ActionKind) -> bool {
        let known: &[ActionKind] = if self.supports.is_empty() { &ActionKind::FIRST } else { &self.supports };
        !kind.mutates() || known.contains(&kind)
    }

    /// A container by name; without a name the only one.
    #[must_use]
    pub fn container(&self, name: Option<&str>) -> Option<&Container> {
        match (name, self.containers.as_slice()) {
            (Some(name), all) => all.iter().find(|container| container.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }

    /// A node that instances run on.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// An instance by name.
    #[must_use]
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }
}

impl Resources {
    /// Whether both say the same amounts.
    #[must_use]
    pub fn is_same(&self, other: &Resources) -> bool {
        [
            (&self.cpu_request, &other.cpu_request),
            (&self.cpu_limit, &other.cpu_limit),
            (&self.memory_request, &other.memory_request),
            (&self.memory_limit, &other.memory_limit),
        ]
        .into_iter()
        .all(|(one, other)| is_same_amount(one.as_deref(), other.as_deref()))
    }

    /// These, with what `other` names in place of it.
    #[must_use]
    pub fn with(&self, other: &Resources) -> Resources {
        let pick = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        Resources {
            cpu_request: pick(&other.cpu_request, &self.cpu_request),
            cpu_limit: pick(&other.cpu_limit, &self.cpu_limit),
            memory_request: pick(&other.memory_request, &self.memory_request),
            memory_limit: pick(&other.memory_limit, &self.memory_limit),
        }
    }
}

/// Whether two quantities are one amount, however they are written: a server answers `1` where `1000m` was asked for
/// (Kubernetes API conventions, "resource quantities").
fn is_same_amount(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other || amount(one).is_some_and(|a| Some(a) == amount(other)),
        (one, other) => one == other,
    }
}

fn amount(quantity: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let quantity = quantity.trim();
    let known = SUFFIXES.iter().find_map(|(suffix, times)| Some((quantity.strip_suffix(suffix)?, times)));
    match known {
        Some((number, times)) => Some(number.parse::<f64>().ok()? * times),
        None => quantity
            .strip_suffix('E')
            .map_or_else(|| quantity.parse().ok(), |n| Some(n.parse::<f64>().ok()? * 1e18)),
    }
}

impl std::fmt::Display for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [
            ("CPU request", &self.cpu_request),
            ("CPU limit", &self.cpu_limit),
            ("memory request", &self.memory_request),
            ("memory limit", &self.memory_limit),
        ];
        let told: Vec<String> = named
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")))
            .collect();
        if told.is_empty() { f.write_str("no requests and limits") } else { f.write_str(&told.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_by_their_amount() {
        for (one, other, same) in [
            ("1", "1000m", true),
            ("0.5", "500m", true),
            ("1Gi", "1024Mi", true),
            ("1G", "1e9", true),
            ("2E", "2000P", true),
            ("1G", "1Gi", false),
            ("100m", "100", false),
            ("much", "much", true),
            ("much", "more", false),
            ("", "0", false),
        ] {
            let of = |text: &str| Resources { cpu_limit: Some(text.to_owned()), ..Resources::default() };
            assert_eq!(of(one).is_same(&of(other)), same, "{one} and {other}");
            assert!(!of(one).is_same(&Resources::default()), "{one} and nothing");
        }
    }
}
