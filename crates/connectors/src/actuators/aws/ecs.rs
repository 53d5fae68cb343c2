//! A service of Elastic Container Service: its number of tasks, its task definition, a forced deployment.

use super::{looked, not_applied, outcome_of};
use crate::aws::{Aws, Refusal, Service};
use crate::{ConnectorError, Described};
use futures::TryFutureExt as _;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Action, ActionKind, Timestamp};
use serde_json::{Value, json};

/// The cluster of services that name none; ECS calls it so, too.
const CLUSTER: &str = "default";

/// Events of a service that are handed on, the newest.
const EVENTS_MAX: usize = 10;

#[derive(Clone, Copy)]
pub(crate) struct Ecs<'a> {
    pub aws: &'a Aws,
    pub service: &'a Registration,
}

/// A service as it is.
struct Seen {
    described: Value,
    /// ARN prefix and name (`family:number`) of the revisions of its task definition that may be run, newest first.
    active: Vec<(String, String)>,
}

impl Ecs<'_> {
    fn cluster(&self) -> &str {
        self.service.cluster.as_deref().unwrap_or(CLUSTER)
    }

    fn name(&self) -> &str {
        self.service.workload.as_deref().unwrap_or(&self.service.name)
    }

    fn title(&self) -> String {
        format!("the ECS service {}/{}", self.cluster(), self.name())
    }

    async fn look(&self) -> Result<Seen, Refusal> {
        let ask = json!({ "cluster": self.cluster(), "services": [self.name()] });
        let answer = self.aws.call(Service::Ecs, "DescribeServices", &ask).await?;
        let found =
            answer["services"].as_array().into_iter().flatten().find(|one| one["status"] != "INACTIVE");
        let Some(described) = found.cloned() else {
            let reason = answer["failures"][0]["reason"].as_str().unwrap_or("MISSING").to_owned();
            return Err(Refusal::Refused {
                status: 404,
                code: reason,
                says: format!(
                    "there is no such service; check cluster and workload of [[service]] `{}`",
                    self.service.name
                ),
            });
        };
        let definition = short(&described["taskDefinition"]);
        let family = definition.rsplit_once(':').map_or(definition, |(family, _)| family);
        let ask = json!({ "familyPrefix": family, "status": "ACTIVE", "sort": "DESC", "maxResults": 50 });
        let listed = self.aws.call(Service::Ecs, "ListTaskDefinitions", &ask).await?;
        let all = listed["taskDefinitionArns"].as_array().into_iter().flatten();
        let of_family =
            |(_, name): &(String, String)| name.rsplit_once(':').is_some_and(|(known, _)| known == family);
        let active: Vec<(String, String)> = all
            .filter_map(Value::as_str)
            .filter_map(|arn| arn.rsplit_once('/'))
            .map(|(prefix, name)| (prefix.to_owned(), name.to_owned()))
            .filter(of_family)
            .collect();
        Ok(Seen { described, active })
    }

    pub async fn target(&self) -> Result<TargetState, ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        Ok(TargetState {
            version: seen.definition().to_owned(),
            previous_version: seen.previous(),
            replicas: seen.count("desiredCount"),
            ready_replicas: seen.count("runningCount"),
            max_replicas: self.aws.config.max_tasks,
            revision: Some(seen.revision()),
            supports: vec![ActionKind::Scale, ActionKind::Restart, ActionKind::Rollback],
            ..TargetState::default()
        })
    }

    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        let look = self.look().map_err(|refusal| format!("{} cannot be read: {refusal}", self.title()));
        let (seen, times) = match looked(effect, now, self.aws.call_timeout(), look).await {
            Ok(looked) => looked,
            Err(nothing) => return nothing,
        };
        let (change, says) = match self.change(&seen, effect.intent()) {
            Ok(change) => change,
            Err(why) => return not_applied(why),
        };
        let mut ask = json!({ "cluster": self.cluster(), "service": self.name() });
        for (name, value) in change.as_object().into_iter().flatten() {
            ask[name] = value.clone();
        }
        if let Some(late) = times.late() {
            return late;
        }
        match self.aws.call(Service::Ecs, "UpdateService", &ask).await {
            Ok(_) => {
                let after = self.target().await.ok().map(Box::new);
                EffectOutcome::Applied { detail: format!("{says} of {}", self.title()), after }
            }
            Err(refusal) => outcome_of(refusal),
        }
    }

    /// What to ask for, or why nothing may be done.
    fn change(&self, seen: &Seen, intent: &Intent) -> Result<(Value, String), String> {
        let title = self.title();
        if intent.before.revision.as_deref() != Some(&seen.revision()) {
            return Err(format!("{title} has changed since it was looked at; it is {} now", seen.revision()));
        }
        match &intent.action {
            Action::Scale { replicas, .. } if *replicas > self.aws.config.max_tasks => {
                Err(format!("{replicas} tasks are above aws.max_tasks ({})", self.aws.config.max_tasks))
            }
            Action::Scale { replicas, .. } => {
                let says = format!("set the tasks from {} to {replicas}", seen.count("desiredCount"));
                Ok((json!({ "desiredCount": replicas }), says))
            }
            Action::Restart { .. } => {
                Ok((json!({ "forceNewDeployment": true }), "started a new deployment".to_owned()))
            }
            Action::Rollback { to_version, .. } => {
                let wanted = to_version.clone().or_else(|| seen.previous());
                let wanted = wanted
                    .ok_or_else(|| format!("{title} has no task definition before {}", seen.definition()))?;
                let Some((prefix, _)) = seen.active.iter().find(|(_, name)| *name == wanted) else {
                    let there = seen.names().take(10).collect::<Vec<_>>().join(", ");
                    return Err(format!("there is no active task definition {wanted}; there are {there}"));
                };
                let says = format!("set the task definition from {} to {wanted}", seen.definition());
                Ok((json!({ "taskDefinition": format!("{prefix}/{wanted}") }), says))
            }
            other => Err(format!("ECS has no way to do {}", other.kind())),
        }
    }

    /// What became of an intent, by what the service is now.
    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        if intent.before.revision.as_deref() == Some(&seen.revision()) {
            return Ok(not_applied(format!("{} is as it was", self.title())));
        }
        let there = match &intent.action {
            Action::Scale { replicas, .. } => seen.count("desiredCount") == *replicas,
            Action::Rollback { to_version, .. } => {
                let wanted = to_version.as_ref().or(intent.before.previous_version.as_ref());
                wanted.is_some_and(|wanted| seen.definition() == wanted)
            }
            // A new deployment of what was there before is what was asked for, whoever began it; another number of tasks is none.
            Action::Restart { .. } => {
                let is_same =
                    intent.before.revision.as_ref().is_some_and(|r| r.ends_with(&seen.deployment()));
                seen.definition() == intent.before.version && !is_same
            }
            _ => false,
        };
        if there {
            let detail = format!("{} is as it was asked to be: {}", self.title(), seen.revision());
            return Ok(EffectOutcome::Applied { detail, after: self.target().await.ok().map(Box::new) });
        }
        Ok(not_applied(format!("{} is not as it was asked to be: {}", self.title(), seen.revision())))
    }

    pub async fn describe(&self) -> Result<Vec<Described>, ConnectorError> {
        let seen = self.look().await.map_err(|refusal| refusal.into_error(&self.title()))?;
        let events: Vec<Value> = seen.described["events"]
            .as_array()
            .into_iter()
            .flatten()
            .take(EVENTS_MAX)
            .map(|event| json!({ "message": crate::error::excerpt(event["message"].as_str().unwrap_or_default()) }))
            .collect();
        let deployments: Vec<Value> = seen.described["deployments"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                json!({
                    "status": one["status"], "rollout": one["rolloutState"], "desired": one["desiredCount"],
                    "running": one["runningCount"], "failed": one["failedTasks"],
                    "definition": short(&one["taskDefinition"]),
                })
            })
            .collect();
        Ok(vec![Described {
            tool: "ecs_service".to_owned(),
            arguments: json!({ "cluster": self.cluster(), "service": self.name() }),
            answer: json!({
                "deployments": [{ "name": self.name(), "desired": seen.count("desiredCount"), "ready": seen.count("runningCount") }],
                "rollouts": deployments, "events_of_service": events, "definitions": seen.names().collect::<Vec<_>>(),
            }),
        }])
    }
}

impl Seen {
    fn definition(&self) -> &str {
        short(&self.described["taskDefinition"])
    }

    fn count(&self, name: &str) -> u32 {
        self.described[name].as_u64().map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX))
    }

    /// The task definition of the same family that was registered before the one that serves.
    fn previous(&self) -> Option<String> {
        let number = |name: &str| name.rsplit_once(':').and_then(|(_, number)| number.parse::<u64>().ok());
        let serving = number(self.definition())?;
        let earlier = self.names().filter(|name| number(name).is_some_and(|n| n < serving));
        earlier.max_by_key(|name| number(name)).map(str::to_owned)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.active.iter().map(|(_, name)| name.as_str())
    }

    /// ECS has no revision of its own: what would be different if anybody had changed the service.
    fn revision(&self) -> String {
        format!("{} × {} {}", self.count("desiredCount"), self.definition(), self.deployment())
    }

    /// The deployment that serves, as a revision ends with it.
    fn deployment(&self) -> String {
        let deployments = self.described["deployments"].as_array();
        let primary = deployments.into_iter().flatten().find(|one| one["status"] == "PRIMARY");
        format!("({})", primary.and_then(|one| one["id"].as_str()).unwrap_or("none"))
    }
}

/// The last part of an ARN: `family:number`.
fn short(arn: &Value) -> &str {
    arn.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}
