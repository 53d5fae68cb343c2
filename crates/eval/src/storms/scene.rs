//! A storm as midwatch would meet it: alerts with the labels that kube-prometheus gives them, objects, and the clock.

use super::load::{FiredAlert, Object, Storm};
use super::seed::Seed;
use midwatch_incident::{Group, IncidentConfig, Subject, Topology, group};
use midwatch_model::{Alert, Entity, EntityKind, Labels, ServiceGraph, Severity, SignalId, Timestamp, after};
use midwatch_signal::source::{entity_of, signal_of};

/// Seconds within which the alerts of one storm begin.
pub const SPREAD_S: u64 = 60;

/// One storm, or several at once.
#[derive(Default)]
pub struct Scene {
    alerts: Vec<Alert>,
    /// The storm that each alert is of.
    pub storm_of: Vec<usize>,
    objects: Vec<Entity>,
    aliases: Vec<Vec<Entity>>,
    storms: usize,
}

/// What came out.
pub struct Outcome {
    pub topology: Topology,
    pub subjects: Vec<Subject>,
    pub groups: Vec<Group>,
}

impl Scene {
    /// Adds a storm that begins `lag_s` seconds after the scene does, in a cluster if it has a name.
    pub fn add(&mut self, storm: &Storm, cluster: Option<&str>, lag_s: u64, seed: &mut Seed) {
        for fired in &storm.alerts {
            // Tenths of a second, so that alerts rarely begin at once and their order is not that of the file.
            let tenths = lag_s * 10 + seed.below(SPREAD_S * 10);
            let object = fired.object.as_ref().and_then(|id| storm.objects.iter().find(|o| o.name == *id));
            self.alerts.push(alert(fired, object, cluster, tenths));
            self.storm_of.push(self.storms);
        }
        self.objects.extend(storm.objects.iter().map(|object| entity(object, cluster)));
        for list in &storm.aliases {
            let same = storm.objects.iter().filter(|object| list.contains(&object.name));
            self.aliases.push(same.map(|object| entity(object, cluster)).collect());
        }
        self.storms += 1;
    }

    /// Groups the alerts, by the same way that alerts from outside take.
    pub fn play(&self) -> Outcome {
        let topology = Topology::new(self.objects.clone(), &self.aliases, &ServiceGraph::default());
        let subject = |(number, alert): (usize, &Alert)| {
            let id = SignalId::new(format!("sig-{number}"));
            Subject::of(&signal_of(alert, id, alert.starts_at), &topology)
        };
        let subjects: Vec<Subject> = self.alerts.iter().enumerate().map(subject).collect();
        let groups = group(&subjects, &topology, &IncidentConfig::default());
        Outcome { topology, subjects, groups }
    }

    /// The object that an alert's labels name.
    pub fn named(&self, alert: usize) -> Option<Entity> {
        entity_of(&self.alerts[alert])
    }
}

/// The group that each subject came into.
pub fn group_of(groups: &[Group], subjects: usize) -> Vec<usize> {
    let mut of = vec![usize::MAX; subjects];
    for (number, group) in groups.iter().enumerate() {
        for (subject, _) in &group.subjects {
            of[*subject] = number;
        }
    }
    of
}

pub fn entity(object: &Object, cluster: Option<&str>) -> Entity {
    Entity {
        kind: EntityKind::from_word(&object.kind),
        cluster: cluster.map(Into::into),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

/// The alert with its labels. One that fires on a group that the file does not describe has only that name, and one
/// without a group has only its own.
fn alert(fired: &FiredAlert, object: Option<&Object>, cluster: Option<&str>, tenths: u64) -> Alert {
    let mut labels = Labels::from([("alertname", &fired.name)]);
    let mut label = |name: &str, value: &str| labels.insert(name, value);
    if let Some(cluster) = cluster {
        label("cluster", cluster);
    }
    match (object, &fired.object) {
        (Some(object), _) => {
            if let Some(namespace) = &object.namespace {
                label("namespace", namespace);
            }
            match EntityKind::from_word(&object.kind) {
                EntityKind::Pod => label("pod", &object.name),
                EntityKind::Service => label("service", &object.name),
                EntityKind::Deployment => label("deployment", &object.name),
                EntityKind::StatefulSet => label("statefulset", &object.name),
                EntityKind::VolumeClaim => label("persistentvolumeclaim", &object.name),
                _ => {
                    label("kind", &object.kind);
                    label("name", &object.name);
                }
            }
        }
        (None, Some(unknown)) => {
            label("service", unknown);
        }
        (None, None) => {}
    }
    // At most a day of tenths, so that the cast is exact.
    let starts_at = after(Timestamp::UNIX_EPOCH, tenths as f64 / 10.0);
    Alert {
        source: "storm".into(),
        id: None,
        acknowledged: None,
        original: midwatch_model::Original::default(),
        occurred_at: None,
        labels,
        annotations: Labels::new(),
        starts_at,
        ends_at: starts_at,
        timeout: true,
        generator_url: String::new(),
        severity: Severity::Warning,
        updated_at: starts_at,
    }
}
