//! What served before: revisions that a controller keeps, or the template that midwatch itself replaced.

use super::call::{Cluster, Refusal};
use super::place::{Kind, Place};
use super::thing::{
    KEY, REPLACED, RESTARTED, REVISION, annotation, containers, name, owned_by, selector, short, text,
    unannotate,
};
use serde_json::Value;

/// One pod template that served.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Revision {
    /// The controller's number; `None` for what midwatch kept itself.
    pub number: Option<u64>,
    pub template: Value,
    pub made_at: String,
    /// Name of what holds it.
    pub held_by: String,
}

impl Revision {
    /// As verdicts, plans and people name it: `revision 7 (pay:1.4.2)`.
    pub fn label(&self) -> String {
        match self.number {
            Some(number) => format!("revision {number} ({})", images(&self.template)),
            None => format!("before midwatch's change ({})", images(&self.template)),
        }
    }

    /// Whether a person or a plan means this one: by its label, its number, an image or its tag.
    pub fn is(&self, asked: &str) -> bool {
        let number = self.number.map(|number| number.to_string());
        let named = asked.strip_prefix("revision ").unwrap_or(asked);
        // The number of an old revision is what stays; its label says its images besides.
        let by_number = number.as_deref() == named.split(' ').next();
        let by_image = containers(&self.template).iter().any(|container| {
            container.image == asked
                || short(&container.image) == asked
                || container.image.rsplit_once(':').is_some_and(|(_, tag)| tag == asked)
        });
        let by_images =
            asked.split_once(" (generation ").is_some_and(|(known, _)| known == images(&self.template));
        self.label() == asked || by_number || by_image || by_images
    }
}

/// The images of a template, as short as they stay telling.
pub(super) fn images(template: &Value) -> String {
    let all: Vec<String> =
        containers(template).iter().map(|container| short(&container.image).to_owned()).collect();
    if all.is_empty() { "no image".to_owned() } else { all.join(", ") }
}

/// The template that serves, and those that served before, newest first.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub serving: Revision,
    pub earlier: Vec<Revision>,
}

impl History {
    /// Reads every template that is still known.
    pub async fn read(cluster: &Cluster, place: &Place, workload: &Value) -> Result<Self, Refusal> {
        let kept = kept(cluster, place, workload).await?;
        let serving = serving(place, workload, &kept);
        let is_other = |revision: &Revision| match (revision.number, serving.number) {
            // A controller may be slow to number what serves; a template that serves is never an earlier one.
            (Some(one), Some(other)) if one == other => false,
            _ => !same(&revision.template, &serving.template),
        };
        let mut earlier: Vec<Revision> = kept.into_iter().filter(is_other).collect();
        earlier.sort_by_key(|revision| std::cmp::Reverse(revision.number));
        // What midwatch replaced last is known, too, where no controller remembers it.
        let replaced = replaced(place, workload).filter(|replaced| {
            let is_known = earlier.iter().any(|known| same(&known.template, &replaced.template));
            !is_known && !same(&replaced.template, &serving.template)
        });
        earlier.extend(replaced);
        Ok(Self { serving, earlier })
    }

    /// What a rollback goes back to where nobody says to what: the newest that ran something else. A restart leaves a revision
    /// behind, too, and going back to that one would change nothing.
    pub fn before(&self) -> Option<&Revision> {
        self.earlier.iter().find(|revision| !runs_the_same(&revision.template, &self.serving.template))
    }

    /// What is known without asking anybody.
    pub fn bare(place: &Place, workload: &Value) -> Self {
        Self { serving: serving(place, workload, &[]), earlier: Vec::new() }
    }

    /// How the serving version is named: by its revision, or where nothing counts those, by its images and generation.
    pub fn version(&self, workload: &Value) -> String {
        match self.serving.number {
            Some(_) => self.serving.label(),
            None => {
                format!(
                    "{} (generation {})",
                    images(&self.serving.template),
                    workload["metadata"]["generation"]
                )
            }
        }
    }
}

fn serving(place: &Place, workload: &Value, kept: &[Revision]) -> Revision {
    let number = match place.kind {
        Kind::Deployment => annotation(workload, REVISION).and_then(|text| text.parse().ok()),
        Kind::StatefulSet => {
            let update = text(&workload["status"]["updateRevision"]);
            kept.iter().find(|revision| revision.held_by == update).and_then(|revision| revision.number)
        }
    };
    let template = workload["spec"]["template"].clone();
    Revision { number, template, made_at: String::new(), held_by: name(workload).to_owned() }
}

/// The template that the last action of midwatch replaced.
fn replaced(place: &Place, workload: &Value) -> Option<Revision> {
    let template = serde_json::from_str(annotation(workload, REPLACED)?).ok()?;
    Some(Revision { number: None, template, made_at: String::new(), held_by: place.name.clone() })
}

/// What the workload's controller keeps.
async fn kept(cluster: &Cluster, place: &Place, workload: &Value) -> Result<Vec<Revision>, Refusal> {
    let uid = text(&workload["metadata"]["uid"]);
    let labels = selector(workload);
    let plural = match place.kind {
        Kind::Deployment => "replicasets",
        Kind::StatefulSet => "controllerrevisions",
    };
    let list = cluster.list(&place.apps(plural), &labels, "").await?;
    let own = list.iter().filter(|held| owned_by(held, uid));
    Ok(own.filter_map(|held| revision(place.kind, held)).collect())
}

/// A revision, from what holds it.
pub(super) fn revision(kind: Kind, held: &Value) -> Option<Revision> {
    let (number, template) = match kind {
        Kind::Deployment => {
            let number = annotation(held, REVISION)?.parse().ok()?;
            (number, without_hash(&held["spec"]["template"]))
        }
        Kind::StatefulSet => {
            let mut template = held["data"]["spec"]["template"].clone();
            // A mark of the strategic merge patch that a ControllerRevision is.
            template.as_object_mut()?.remove("$patch");
            (held["revision"].as_u64()?, template)
        }
    };
    Some(Revision {
        number: Some(number),
        template,
        made_at: text(&held["metadata"]["creationTimestamp"]).to_owned(),
        held_by: name(held).to_owned(),
    })
}

/// A ReplicaSet's template without the label that only tells ReplicaSets apart.
fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    template
}

/// Whether nothing differs but marks of restarts and of midwatch's actions.
pub(super) fn runs_the_same(old: &Value, new: &Value) -> bool {
    let bare = |template: &Value| {
        let mut template = without_hash(template);
        for mark in [RESTARTED, KEY] {
            unannotate(&mut template, mark);
        }
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.retain(|_, value| value.as_object().is_none_or(|all| !all.is_empty()));
            metadata.remove("creationTimestamp");
        }
        template
    };
    bare(old) == bare(new)
}

/// Whether two templates are the same: creation times that servers fill in with nothing do not count.
fn same(a: &Value, b: &Value) -> bool {
    let bare = |template: &Value| {
        let mut template = without_hash(template);
        if let Some(metadata) = template["metadata"].as_object_mut() {
            metadata.remove("creationTimestamp");
        }
        template
    };
    bare(a) == bare(b)
}
