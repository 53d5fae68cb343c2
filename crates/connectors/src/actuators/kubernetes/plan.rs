//! From an action to the one change that carries it out. Only reads the cluster.
//!
//! A change is a merge patch that holds the difference and the resourceVersion that was read, so that the server refuses
//! it if anybody was faster, and the action's key, so that a restarted midwatch finds what it did.

use super::breaker::{self, Breaker};
use super::call::{Change, Cluster};
use super::history::{History, Revision};
use super::place::Place;
use super::thing::{
    KEY, MIN_BEFORE, REPLACED, RESTARTED, annotate, annotation, merge_patch, name, number, pods, selector,
    text, unannotate,
};
use midwatch_model::action::Resources;
use midwatch_model::journal::Intent;
use midwatch_model::{Action, ActionKind, Timestamp};
use serde_json::{Map, Value, json};

/// Largest pod template that is kept as an annotation; all annotations of a thing may have 256 KiB.
const TEMPLATE_BYTES_MAX: usize = 64 << 10;

/// Actions on one autoscaler whose least number from before is remembered.
const MINIMA_MAX: usize = 8;

/// A change that is ready to be asked for, and what it does in a sentence.
#[derive(Debug)]
pub(super) struct Prepared {
    pub change: Change,
    pub says: String,
}

/// Everything that a change is made from.
pub(super) struct Ask<'a> {
    pub cluster: &'a Cluster,
    pub place: &'a Place,
    pub intent: &'a Intent,
    pub workload: &'a Value,
    pub replicas_max: u32,
    pub now: Timestamp,
}

/// The change for an action; an error says why it cannot or must not be done, with what to do instead.
pub(super) async fn prepare(ask: &Ask<'_>) -> Result<Prepared, String> {
    let seen = ask.workload["metadata"]["generation"].as_u64().unwrap_or(0);
    if seen != ask.intent.before.generation {
        return Err(format!(
            "{} has changed since it was looked at: generation {seen}, and it was {}",
            ask.place.title(),
            ask.intent.before.generation
        ));
    }
    // What is taken back is put back as it was, also where it has to wait.
    if ROLLS_OUT.contains(&ask.intent.action.kind())
        && ask.intent.undoes.is_none()
        && let Some(why) = held_back(ask.workload)
    {
        return Err(format!("{} {why}; nothing was changed", ask.place.title()));
    }
    match &ask.intent.action {
        Action::Scale { replicas, .. } => scale(ask, *replicas).await,
        Action::Restart { .. } => Ok(restart(ask)),
        Action::Rollback { to_version, .. } => rollback(ask, to_version.as_deref()).await,
        Action::SetImage { container, image, .. } => set_image(ask, container.as_deref(), image),
        Action::SetResources { container, resources, exact, .. } => {
            set_resources(ask, container.as_deref(), resources, *exact)
        }
        Action::DeletePod { pod, .. } => delete_pod(ask, pod).await,
        Action::Cordon { node, unschedulable, .. } => cordon(ask, node, *unschedulable).await,
        Action::CircuitBreak { open, .. } => {
            let breaker = Breaker::find(ask.cluster, ask.place, ask.intent.action.target()).await?;
            breaker::set(ask, breaker, *open)
        }
        other => Err(format!("Kubernetes has no way to do {}", other.kind())),
    }
}

/// Actions that come to pass by a rollout.
pub(super) const ROLLS_OUT: [ActionKind; 4] =
    [ActionKind::Rollback, ActionKind::Restart, ActionKind::SetImage, ActionKind::SetResources];

/// Why another template would not roll out, if it would not, with what to do first.
pub(super) fn held_back(workload: &Value) -> Option<String> {
    let strategy = &workload["spec"]["updateStrategy"];
    let partition = strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    if workload["spec"]["paused"] == true {
        let name = name(workload);
        return Some(format!(
            "is paused, so nothing rolls out: `kubectl rollout resume deployment/{name}` first"
        ));
    }
    if strategy["type"] == "OnDelete" {
        return Some("replaces a pod only when somebody deletes it (updateStrategy OnDelete)".to_owned());
    }
    (partition > 0).then(|| {
        format!(
            "rolls out to pods from number {partition} on only (updateStrategy partition): set it to 0 first"
        )
    })
}

/// The patch of the workload that turns it into `wanted`, under the action's key.
fn patch(ask: &Ask<'_>, mut wanted: Value, says: String) -> Prepared {
    annotate(&mut wanted, KEY, ask.intent.key.as_str());
    let (path, name) = (ask.place.path(), ask.place.name.clone());
    Prepared { change: locked(path, name, ask.workload, &wanted), says }
}

/// A merge patch that only fits the very state that was read.
pub(super) fn locked(path: String, name: String, read: &Value, wanted: &Value) -> Change {
    let mut body = merge_patch(read, wanted).unwrap_or_else(|| Value::Object(Map::new()));
    body["metadata"]["resourceVersion"] = read["metadata"]["resourceVersion"].clone();
    Change::Patch { path, name, body }
}

/// Keeps the template that is about to be replaced, so that it can be put back where no controller remembers it. What an
/// undo replaces is not worth going back to.
fn keep_template(ask: &Ask<'_>, wanted: &mut Value) {
    let template = serde_json::to_string(&ask.workload["spec"]["template"]).unwrap_or_default();
    if ask.intent.undoes.is_none() && template.len() <= TEMPLATE_BYTES_MAX {
        annotate(wanted, REPLACED, &template);
    } else {
        unannotate(wanted, REPLACED);
    }
}

async fn scale(ask: &Ask<'_>, replicas: u32) -> Result<Prepared, String> {
    if replicas > ask.replicas_max {
        return Err(format!("{replicas} replicas are above kubernetes.max_replicas ({})", ask.replicas_max));
    }
    if let Some(autoscaler) = autoscaler(ask.cluster, ask.place).await.map_err(|error| error.to_string())? {
        return scale_through(ask, &autoscaler, replicas);
    }
    let mut wanted = ask.workload.clone();
    wanted["spec"]["replicas"] = json!(replicas);
    let from = number(&ask.workload["spec"]["replicas"], 1);
    Ok(patch(ask, wanted, format!("set {} from {from} to {replicas} replicas", ask.place.title())))
}

/// The autoscaler of a workload, if it has one.
pub(super) async fn autoscaler(
    cluster: &Cluster,
    place: &Place,
) -> Result<Option<Value>, super::call::Refusal> {
    let all = cluster.list(&place.autoscalers(), "", "").await?;
    let is_ours = |one: &Value| {
        let target = &one["spec"]["scaleTargetRef"];
        target["kind"] == place.kind.title() && target["name"] == place.name.as_str()
    };
    Ok(all.into_iter().find(is_ours))
}

/// An autoscaler would undo a number that is set beside it, so its least number is raised instead.
fn scale_through(ask: &Ask<'_>, autoscaler: &Value, replicas: u32) -> Result<Prepared, String> {
    let title = format!("the autoscaler {} of {}", name(autoscaler), ask.place.title());
    let (least, most) =
        (number(&autoscaler["spec"]["minReplicas"], 1), number(&autoscaler["spec"]["maxReplicas"], 1));
    let mut wanted = autoscaler.clone();
    let to = if ask.intent.undoes.is_some() {
        let mut minima = minima_before(autoscaler);
        let undone = ask.intent.undoes.as_ref().and_then(|undone| minima.remove(undone.as_str()));
        keep_minima(&mut wanted, minima);
        let before = undone.and_then(|min| u32::try_from(min.as_u64()?).ok());
        before.ok_or_else(|| format!("{title} does not say what its minimum was; it is {least} now"))?
    } else if replicas > most {
        return Err(format!("{title} allows {most} replicas at most; raise its maxReplicas first"));
    } else if replicas <= least {
        return Err(format!(
            "{title} already keeps {least} replicas at least and decides on more by itself; to go lower, lower its \
             minReplicas"
        ));
    } else {
        // This one is kept, whichever of the others have to go.
        let mut minima: Map<String, Value> =
            minima_before(autoscaler).into_iter().take(MINIMA_MAX - 1).collect();
        minima.insert(ask.intent.key.to_string(), json!(least));
        keep_minima(&mut wanted, minima);
        replicas
    };
    wanted["spec"]["minReplicas"] = json!(to);
    annotate(&mut wanted, KEY, ask.intent.key.as_str());
    let says = format!(
        "set minReplicas of {title} from {least} to {to}, since it would undo a number set beside it"
    );
    let change = locked(ask.place.autoscalers(), name(autoscaler).to_owned(), autoscaler, &wanted);
    Ok(Prepared { change, says })
}

/// The least numbers of instances before midwatch raised them, by the key of the action that did.
fn minima_before(autoscaler: &Value) -> Map<String, Value> {
    annotation(autoscaler, MIN_BEFORE).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn keep_minima(wanted: &mut Value, minima: Map<String, Value>) {
    match minima.is_empty() {
        true => unannotate(wanted, MIN_BEFORE),
        false => annotate(wanted, MIN_BEFORE, &Value::Object(minima).to_string()),
    }
}

fn restart(ask: &Ask<'_>) -> Prepared {
    let mut wanted = ask.workload.clone();
    let at = ask.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    annotate(&mut wanted["spec"]["template"], RESTARTED, &at);
    annotate(&mut wanted["spec"]["template"], KEY, ask.intent.key.as_str());
    patch(ask, wanted, format!("started to replace the pods of {} one after the other", ask.place.title()))
}

async fn rollback(ask: &Ask<'_>, to: Option<&str>) -> Result<Prepared, String> {
    let history = History::read(ask.cluster, ask.place, ask.workload).await;
    let history = history.map_err(|refusal| format!("the rollout history cannot be read: {refusal}"))?;
    let known = &history.earlier;
    let chosen = match to {
        _ if ask.intent.undoes.is_some() && is_of_undone(ask) => known.iter().find(|r| r.number.is_none()),
        Some(to) => known.iter().find(|revision| revision.is(to)),
        None => history.before(),
    };
    let chosen = chosen.or_else(|| to.and_then(|to| known.iter().find(|revision| revision.is(to))));
    let Some(revision) = chosen else { return Err(no_revision(ask, to, known)) };
    let mut wanted = ask.workload.clone();
    wanted["spec"]["template"] = revision.template.clone();
    keep_template(ask, &mut wanted);
    Ok(patch(ask, wanted, format!("set {} back to {}", ask.place.title(), revision.label())))
}

/// Whether the last thing that midwatch did to the workload is what is to be undone: then what it kept is exact.
fn is_of_undone(ask: &Ask<'_>) -> bool {
    let last = annotation(ask.workload, KEY);
    ask.intent.undoes.as_ref().is_some_and(|undone| last == Some(undone.as_str()))
}

fn no_revision(ask: &Ask<'_>, to: Option<&str>, known: &[Revision]) -> String {
    let names: Vec<String> = known.iter().map(Revision::label).collect();
    let there = if names.is_empty() {
        "its history is empty (see revisionHistoryLimit)".to_owned()
    } else {
        format!("there are {}", names.join("; "))
    };
    match to {
        Some(to) => format!("{} has no revision `{to}`; {there}", ask.place.title()),
        None => format!("{} has nothing to go back to; {there}", ask.place.title()),
    }
}

/// Index of a container in the template; the only one where none is named.
fn container(ask: &Ask<'_>, asked: Option<&str>) -> Result<(usize, String), String> {
    let all =
        ask.workload["spec"]["template"]["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = all.iter().map(|container| text(&container["name"])).collect();
    let index = match asked {
        Some(asked) => names.iter().position(|name| *name == asked),
        None => (names.len() == 1).then_some(0),
    };
    let index = index.ok_or_else(|| {
        let wanted = asked.map_or("it has several".to_owned(), |asked| format!("`{asked}` is none of them"));
        format!("say which container of {}: {} ({wanted})", ask.place.title(), names.join(", "))
    })?;
    Ok((index, names[index].to_owned()))
}

fn set_image(ask: &Ask<'_>, asked: Option<&str>, image: &str) -> Result<Prepared, String> {
    if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("that is not the name of an image".to_owned());
    }
    let (index, named) = container(ask, asked)?;
    let mut wanted = ask.workload.clone();
    let from = std::mem::replace(
        &mut wanted["spec"]["template"]["spec"]["containers"][index]["image"],
        json!(image),
    );
    keep_template(ask, &mut wanted);
    annotate(&mut wanted["spec"]["template"], KEY, ask.intent.key.as_str());
    let says = format!("set the image of {named} of {} from {} to {image}", ask.place.title(), text(&from));
    Ok(patch(ask, wanted, says))
}

fn set_resources(
    ask: &Ask<'_>,
    asked: Option<&str>,
    resources: &Resources,
    exact: bool,
) -> Result<Prepared, String> {
    let (index, named) = container(ask, asked)?;
    let mut wanted = ask.workload.clone();
    let place = &mut wanted["spec"]["template"]["spec"]["containers"][index]["resources"];
    for (kind, name, value) in [
        ("requests", "cpu", &resources.cpu_request),
        ("requests", "memory", &resources.memory_request),
        ("limits", "cpu", &resources.cpu_limit),
        ("limits", "memory", &resources.memory_limit),
    ] {
        match value {
            Some(value) => place[kind][name] = json!(value),
            None if exact => {
                place[kind].as_object_mut().map(|all| all.remove(name));
            }
            None => {}
        }
    }
    keep_template(ask, &mut wanted);
    annotate(&mut wanted["spec"]["template"], KEY, ask.intent.key.as_str());
    Ok(patch(ask, wanted, format!("set {resources} for {named} of {}", ask.place.title())))
}

async fn delete_pod(ask: &Ask<'_>, pod: &str) -> Result<Prepared, String> {
    let seen = ask.intent.before.pod(pod).ok_or_else(|| {
        let names: Vec<&str> = ask.intent.before.pods.iter().map(|pod| pod.name.as_str()).collect();
        format!("{pod} is no pod of {}; it has {}", ask.place.title(), names.join(", "))
    })?;
    let list = ask.cluster.list(&ask.place.core("pods"), &selector(ask.workload), "").await;
    let list = list.map_err(|refusal| refusal.to_string())?;
    let now = pods(&list, usize::MAX);
    let Some(found) = now.iter().find(|known| known.uid == seen.uid) else {
        return Err(format!("the pod {pod} is gone already"));
    };
    let controlled = list.iter().any(|one| {
        text(&one["metadata"]["uid"]) == seen.uid
            && one["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty())
    });
    if !controlled {
        return Err(format!("the pod {pod} has no controller: nothing would make another one"));
    }
    if found.ready && !now.iter().any(|other| other.ready && other.uid != seen.uid) {
        return Err(format!("{pod} is the only instance that is ready; restart the workload instead"));
    }
    let change = Change::Delete { path: ask.place.core("pods"), name: pod.to_owned(), uid: seen.uid.clone() };
    Ok(Prepared { change, says: format!("deleted the pod {pod} of {}", ask.place.title()) })
}

async fn cordon(ask: &Ask<'_>, node: &str, unschedulable: bool) -> Result<Prepared, String> {
    let is_seen = ask.intent.before.node(node).is_some();
    let unseen = || format!("no instance of {} runs on the node {node}", ask.place.title());
    // The pods that showed the node may be elsewhere when it is to be taken back.
    let undone = ask.intent.undoes.as_ref().map(midwatch_model::ActionKey::as_str);
    if !is_seen && undone.is_none() {
        return Err(unseen());
    }
    let found = ask.cluster.get(NODES, node).await.map_err(|refusal| refusal.to_string())?;
    let read = found.ok_or_else(|| format!("there is no node {node}"))?;
    if !is_seen && annotation(&read, KEY) != undone {
        return Err(unseen());
    }
    let mut wanted = read.clone();
    wanted["spec"]["unschedulable"] = json!(unschedulable);
    annotate(&mut wanted, KEY, ask.intent.key.as_str());
    let word = if unschedulable { "cordoned" } else { "uncordoned" };
    let change = locked(NODES.to_owned(), node.to_owned(), &read, &wanted);
    Ok(Prepared { change, says: format!("{word} the node {node}") })
}

/// Nodes belong to no namespace.
pub(super) const NODES: &str = "/api/v1/nodes";
