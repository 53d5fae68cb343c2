//! Kubernetes: what runs there, and the changes that the catalogue knows.
//!
//! Each change is first asked for as the server's own dry run, then once in earnest. It carries the resourceVersion that
//! was read a moment before (whoever was faster wins, and midwatch does nothing) and the action's key as an annotation,
//! by which a restarted midwatch finds out whether it happened.
//!
//! Must never: look or act outside of the configured namespaces, repeat a change, or read a Secret.

mod breaker;
mod call;
mod config;
mod describe;
mod history;
mod place;
mod plan;
mod rollouts;
mod said;
mod target;
mod thing;
mod trial;

pub use config::KubernetesConfig;
pub use trial::{ClusterTrial, TRIAL};

use super::looked;
use crate::{ConnectorError, Described};
use breaker::Breaker;
use call::{Cluster, Refusal};
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Registration};
use midwatch_model::{Action, Change, ServiceName, Timestamp};
use place::Place;
use plan::{Ask, Prepared, prepare};
use std::time::Duration;
use thing::{KEY, annotation, text};

#[derive(Debug)]
pub(crate) struct Kubernetes {
    config: KubernetesConfig,
    cluster: Cluster,
    call_timeout: Duration,
}

impl Kubernetes {
    pub fn new(config: &KubernetesConfig, call_timeout: Duration) -> Self {
        // A read that needs half of what a whole call may take leaves nothing for the call.
        let one = call_timeout / 2;
        Self { config: config.clone(), cluster: Cluster::new(config, one), call_timeout }
    }

    fn place(&self, service: &Registration) -> Result<Place, ConnectorError> {
        let wrong = |problem| ConnectorError::Config { field: "[[service]]:".to_owned(), problem };
        Place::of(service, &self.config).map_err(wrong)
    }

    /// What a service looks like.
    pub async fn target(&self, service: &Registration) -> Result<TargetState, ConnectorError> {
        let place = self.place(service)?;
        target::look(&self.cluster, &place, &service.name, self.config.max_replicas).await
    }

    /// Rollouts of these services since a moment.
    pub async fn changes(&self, services: &[Registration], since: Timestamp) -> Vec<Change> {
        let placed = |service: &Registration| {
            Some((ServiceName::new(&service.name), Place::of(service, &self.config).ok()?))
        };
        let services: Vec<(ServiceName, Place)> = services.iter().filter_map(placed).collect();
        rollouts::since(&self.cluster, &services, since).await
    }

    /// What the cluster tells of a service, for whoever looks for a cause.
    pub async fn describe(&self, service: &Registration) -> Result<Vec<Described>, ConnectorError> {
        describe::describe(&self.cluster, &self.place(service)?).await
    }

    /// Whether the rollout of a service is through: the controller has seen what is wanted, and every pod is of it and ready.
    pub async fn rollout(&self, service: &Registration) -> Result<(Option<bool>, String), ConnectorError> {
        let place = self.place(service)?;
        let workload = self.cluster.demand(&place.path(), &place.name, &place.title()).await?;
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        let (wanted, status) = (count(&workload["spec"]["replicas"]), &workload["status"]);
        let is_seen = count(&status["observedGeneration"]) >= count(&workload["metadata"]["generation"]);
        let (updated, ready) = (count(&status["updatedReplicas"]), count(&status["readyReplicas"]));
        let through = is_seen && updated == wanted && ready == wanted && count(&status["replicas"]) <= wanted;
        let detail =
            format!("{updated} of {wanted} pods of {} are up to date, {ready} are ready", place.title());
        Ok((Some(through), detail))
    }

    /// What its pods wrote within a window.
    pub async fn said(
        &self,
        service: &Registration,
        window: (Timestamp, Timestamp),
    ) -> Result<Vec<(Timestamp, String)>, ConnectorError> {
        said::said(&self.cluster, &self.place(service)?, window).await
    }

    /// Asks for an effect: a look, the server's dry run, then the change, once.
    pub async fn apply(&self, effect: &Effect, service: &Registration, now: Timestamp) -> EffectOutcome {
        let look = self.rehearse(effect.intent(), service, now);
        let (prepared, times) = match looked(effect, now, self.call_timeout, look).await {
            Ok(looked) => looked,
            Err(nothing) => return nothing,
        };
        if let Some(late) = times.late() {
            return late;
        }
        match self.cluster.change(&prepared.change, false).await {
            Ok(_) => {
                // What it looks like now is worth a look; the change stands without it.
                let after = tokio::time::timeout_at(times.until.into(), self.target(service)).await;
                EffectOutcome::Applied {
                    detail: prepared.says,
                    after: after.ok().and_then(Result::ok).map(Box::new),
                }
            }
            Err(Refusal::Refused { status: 409, says }) => {
                not_applied(format!("somebody was faster, and nothing was changed: {says}"))
            }
            Err(refusal @ (Refusal::Refused { .. } | Refusal::NotSent(_))) => {
                not_applied(refusal.to_string())
            }
            Err(Refusal::Unknown(reason)) => EffectOutcome::Unknown { reason },
        }
    }

    /// Everything up to the change: nothing is changed by it.
    async fn rehearse(
        &self,
        intent: &Intent,
        service: &Registration,
        now: Timestamp,
    ) -> Result<Prepared, String> {
        let place = Place::of(service, &self.config)?;
        let workload = self.cluster.get(&place.path(), &place.name).await.map_err(|r| r.to_string())?;
        let workload = workload.ok_or_else(|| format!("there is no {}", place.title()))?;
        let ask = Ask {
            cluster: &self.cluster,
            place: &place,
            intent,
            workload: &workload,
            replicas_max: self.config.max_replicas,
            now,
        };
        let prepared = prepare(&ask).await?;
        let rehearsal = self.cluster.change(&prepared.change, true).await;
        rehearsal
            .map_err(|refusal| format!("the server's dry run failed, and nothing was changed: {refusal}"))?;
        Ok(prepared)
    }

    /// Whether an intent's change is there. Looks only.
    pub async fn reconcile(
        &self,
        intent: &Intent,
        service: &Registration,
    ) -> Result<EffectOutcome, ConnectorError> {
        let place = self.place(service)?;
        let what = place.title();
        let unknown =
            |refusal: Refusal| ConnectorError::NoAnswer { url: what.clone(), reason: refusal.to_string() };
        let key = intent.key.as_str();
        let found = match &intent.action {
            Action::DeletePod { pod, .. } => {
                let there = self.cluster.get(&place.core("pods"), pod).await.map_err(unknown)?;
                let before = intent.before.pod(pod).map(|pod| pod.uid.as_str());
                // Gone, on its way out, or another one in its place.
                there.is_none_or(|pod| {
                    !pod["metadata"]["deletionTimestamp"].is_null()
                        || Some(text(&pod["metadata"]["uid"])) != before
                })
            }
            Action::Cordon { node, .. } => {
                let there = self.cluster.get(plan::NODES, node).await.map_err(unknown)?;
                there.is_some_and(|node| annotation(&node, KEY) == Some(key))
            }
            Action::CircuitBreak { target, .. } => {
                let breaker = Breaker::find(&self.cluster, &place, target).await;
                let breaker = breaker.map_err(|why| unknown(Refusal::Unknown(why)))?;
                breaker.set_by.as_deref() == Some(key)
            }
            _ => {
                let workload = self.cluster.get(&place.path(), &place.name).await.map_err(unknown)?;
                let on_it = workload.is_some_and(|workload| annotation(&workload, KEY) == Some(key));
                let scales = matches!(intent.action, Action::Scale { .. });
                on_it || (scales && self.autoscaler_has(&place, key).await.map_err(unknown)?)
            }
        };
        if found {
            let after = self.target(service).await.ok().map(Box::new);
            let detail =
                format!("{what} carries the key of this action, or shows what it was to bring about");
            return Ok(EffectOutcome::Applied { detail, after });
        }
        Ok(not_applied(format!("{what} does not carry the key of this action")))
    }

    async fn autoscaler_has(&self, place: &Place, key: &str) -> Result<bool, Refusal> {
        let autoscaler = plan::autoscaler(&self.cluster, place).await?;
        Ok(autoscaler.is_some_and(|autoscaler| annotation(&autoscaler, KEY) == Some(key)))
    }
}

fn not_applied(reason: impl Into<String>) -> EffectOutcome {
    EffectOutcome::NotApplied { reason: reason.into() }
}
