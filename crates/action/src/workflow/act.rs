//! Actions of workflows: parameters become an action of the catalogue, on the service that the verdict names.

use super::expression;
use midwatch_model::workflow::{Act, Param};
use midwatch_model::{Action, ActionKind, ServiceName};

/// The expression of a parameter, if it is one.
pub(super) fn expression_of(param: &Param) -> Option<&str> {
    match param {
        Param::Text(text) => text.strip_prefix('=').map(str::trim),
        Param::Number(_) => None,
    }
}

/// The parameters that are given, with their names.
pub(super) fn given(act: &Act) -> Vec<(&'static str, &Param)> {
    let all = [
        ("replicas", &act.replicas),
        ("size", &act.size),
        ("to_version", &act.to_version),
        ("pod", &act.pod),
        ("node", &act.node),
        ("image", &act.image),
    ];
    all.into_iter().filter_map(|(name, param)| Some((name, param.as_ref()?))).collect()
}

/// What is wrong with an action as it is written.
pub(super) fn problem(act: &Act) -> Option<String> {
    let (needs, may): (&[&str], &[&str]) = match act.action {
        ActionKind::Rollback => (&[], &["to_version"]),
        ActionKind::Restart | ActionKind::RestartDbPool => (&[], &[]),
        ActionKind::ResizeDbPool => (&["size"], &[]),
        ActionKind::Scale => (&["replicas"], &[]),
        ActionKind::CircuitBreak => (&[], &["open"]),
        ActionKind::DeletePod => (&["pod"], &[]),
        ActionKind::Cordon => (&["node"], &[]),
        ActionKind::SetImage => (&["image"], &["container"]),
        ActionKind::SetResources => (&["resources"], &["container"]),
        ActionKind::PullRequest | ActionKind::Escalate => {
            let why = "is not for workflows: midwatch opens pull requests and hands over by itself";
            return Some(format!("`{}` {why}", act.action));
        }
    };
    let mut names: Vec<&str> = given(act).into_iter().map(|(name, _)| name).collect();
    names.extend(act.open.map(|_| "open"));
    names.extend(act.container.as_ref().map(|_| "container"));
    names.extend(act.resources.as_ref().map(|_| "resources"));
    if let Some(missing) = needs.iter().find(|name| !names.contains(name)) {
        return Some(format!("`{}` needs `{missing}`", act.action));
    }
    let stray = names.into_iter().find(|name| !needs.contains(name) && !may.contains(name))?;
    Some(format!("`{}` takes no `{stray}`", act.action))
}

/// The action, with what expressions give now.
pub(super) fn resolve(
    act: &Act,
    service: &ServiceName,
    context: &serde_json::Value,
) -> Result<Action, String> {
    let target = service.clone();
    let needed = |param: &'_ Option<Param>, name: &str| {
        param.clone().ok_or_else(|| format!("`{}` needs `{name}`", act.action))
    };
    Ok(match act.action {
        ActionKind::Rollback => {
            let to_version = act.to_version.as_ref().map(|version| text(version, context)).transpose()?;
            Action::Rollback { target, to_version }
        }
        ActionKind::Restart => Action::Restart { target },
        ActionKind::RestartDbPool => Action::RestartDbPool { target },
        ActionKind::ResizeDbPool => {
            Action::ResizeDbPool { target, size: number(&needed(&act.size, "size")?, context)? }
        }
        ActionKind::Scale => {
            Action::Scale { target, replicas: number(&needed(&act.replicas, "replicas")?, context)? }
        }
        ActionKind::CircuitBreak => Action::CircuitBreak { target, open: act.open.unwrap_or(true) },
        ActionKind::DeletePod => Action::DeletePod { target, pod: text(&needed(&act.pod, "pod")?, context)? },
        ActionKind::Cordon => {
            Action::Cordon { target, node: text(&needed(&act.node, "node")?, context)?, unschedulable: true }
        }
        ActionKind::SetImage => {
            let image = text(&needed(&act.image, "image")?, context)?;
            Action::SetImage { target, container: act.container.clone(), image }
        }
        ActionKind::SetResources => Action::SetResources {
            target,
            container: act.container.clone(),
            resources: act.resources.clone().ok_or("`set_resources` needs `resources`")?,
            exact: false,
        },
        ActionKind::PullRequest | ActionKind::Escalate => {
            return Err(problem(act).unwrap_or_default());
        }
    })
}

fn number(param: &Param, context: &serde_json::Value) -> Result<u32, String> {
    match (param, expression_of(param)) {
        (Param::Number(number), _) => Ok(*number),
        (_, Some(expression)) => expression::number(expression, context),
        (Param::Text(text), None) => {
            Err(format!("`{text}` is no number; an expression begins with `=`, as in `= 2 + 1`"))
        }
    }
}

fn text(param: &Param, context: &serde_json::Value) -> Result<String, String> {
    match (param, expression_of(param)) {
        (Param::Number(number), _) => Ok(number.to_string()),
        (_, Some(expression)) => expression::text(expression, context),
        (Param::Text(text), None) => Ok(text.clone()),
    }
}

/// Whether nothing that a run finds out can change the action.
pub(super) fn is_fixed(act: &Act) -> bool {
    given(act).into_iter().all(|(_, param)| expression_of(param).is_none())
}
