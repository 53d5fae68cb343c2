//! Which object of a cluster an alert is about, read off its labels.

use midwatch_model::label::value_of;
use midwatch_model::{Alert, Entity, EntityKind};

/// Labels that name an object, as kube-state-metrics and kube-prometheus write them, and its kind. What is rarer comes first:
/// an alert about a deployment may also name the pod that told of it.
const ENTITY_LABELS: [(&str, EntityKind); 18] = [
    ("horizontalpodautoscaler", EntityKind::Autoscaler),
    ("persistentvolumeclaim", EntityKind::VolumeClaim),
    ("resourcequota", EntityKind::Quota),
    ("networkpolicy", EntityKind::Policy),
    ("configmap", EntityKind::ConfigMap),
    ("secret", EntityKind::Secret),
    ("ingress", EntityKind::Route),
    ("cronjob", EntityKind::CronJob),
    ("job_name", EntityKind::Job),
    ("deployment", EntityKind::Deployment),
    ("statefulset", EntityKind::StatefulSet),
    ("daemonset", EntityKind::DaemonSet),
    ("replicaset", EntityKind::ReplicaSet),
    ("pod", EntityKind::Pod),
    ("service", EntityKind::Service),
    ("service_name", EntityKind::Service),
    ("app_kubernetes_io_name", EntityKind::Service),
    ("app", EntityKind::Service),
];

/// Labels for what holds others: asked last, since most alerts carry them beside what they are about.
const HOLDER_LABELS: [(&str, EntityKind); 2] =
    [("node", EntityKind::Node), ("namespace", EntityKind::Namespace)];

/// The object that an alert is about, if its labels name one. A sender that has them may say `kind` and `name` outright.
#[must_use]
pub fn entity_of(alert: &Alert) -> Option<Entity> {
    let label = |name: &str| Some(value_of(&alert.labels, name)).filter(|value| !value.is_empty());
    let outright = label("kind").zip(label("name")).map(|(kind, name)| (EntityKind::from_word(kind), name));
    let first = |labels: &[(&str, EntityKind)]| {
        labels.iter().find_map(|(name, kind)| label(name).map(|value| (*kind, value)))
    };
    let (kind, name) = outright.or_else(|| first(&ENTITY_LABELS)).or_else(|| first(&HOLDER_LABELS))?;
    let cluster = label("cluster").map(ToOwned::to_owned);
    let namespace = label("namespace").or(label("exported_namespace")).map(ToOwned::to_owned);
    Some(Entity { kind, cluster, namespace, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::{Severity, Timestamp};

    fn check(labels: &[(&str, &str)], expected: Option<&str>) {
        let alert = Alert {
            source: "test".into(),
            id: None,
            acknowledged: None,
            original: midwatch_model::Original::default(),
            occurred_at: None,
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            annotations: midwatch_model::Labels::new(),
            starts_at: Timestamp::UNIX_EPOCH,
            ends_at: Timestamp::UNIX_EPOCH,
            timeout: true,
            generator_url: String::new(),
            severity: Severity::Warning,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(entity_of(&alert).map(|entity| entity.to_string()).as_deref(), expected, "{labels:?}");
    }

    #[test]
    fn labels_name_the_object() {
        let namespace = ("namespace", "shop");
        check(&[namespace, ("pod", "desk-0"), ("node", "n1")], Some("shop/desk-0 (pod)"));
        check(
            &[namespace, ("deployment", "desk"), ("pod", "state-metrics-0")],
            Some("shop/desk (deployment)"),
        );
        check(&[namespace], Some("shop/shop (namespace)"));
        check(&[("cluster", "east"), ("node", "n1")], Some("east/n1 (node)"));
        check(
            &[namespace, ("kind", "NetworkChaos"), ("name", "slow-desk")],
            Some("shop/slow-desk (experiment)"),
        );
        check(&[("alertname", "Watchdog"), ("job", "scrape")], None);
    }
}
