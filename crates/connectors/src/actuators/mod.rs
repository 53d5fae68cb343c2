//! Actuators: what carries out an effect. One variant per platform; without one, midwatch watches and proposes.
//!
//! Each service says where it lives; one that does not lives on the only platform that is configured.

#[cfg(feature = "aws")]
mod aws;
mod bound;
mod github;
#[cfg(feature = "kubernetes")]
mod kubernetes;
#[cfg(not(feature = "kubernetes"))]
#[path = "kubernetes/config.rs"]
mod kubernetes_config;
mod lab;

pub use bound::{ActuatorConfig, BrowserConfig, CommandConfig, HookConfig};
pub use github::{PullRequestsConfig, RepositoryConfig};
#[cfg(feature = "kubernetes")]
pub use kubernetes::{ClusterTrial, KubernetesConfig, TRIAL};
#[cfg(not(feature = "kubernetes"))]
pub use kubernetes_config::KubernetesConfig;

#[cfg(feature = "aws")]
use crate::aws::Aws;
use crate::config::{ConnectorsConfig, ControlPlaneKind};
use crate::egress::Egress;
use crate::http::parse_url;
use crate::{ConnectorError, Described, Http};
use bound::Bound;
use github::Github;
use lab::LabControlPlane;
use midwatch_action::Effect;
use midwatch_model::action::TargetState;
use midwatch_model::journal::{EffectOutcome, Intent, Platform, Registration};
use midwatch_model::{Action, ActionKind, Change, ServiceName, Timestamp, seconds_between};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// One configured platform.
#[derive(Debug)]
enum ControlPlane {
    Lab(LabControlPlane),
    #[cfg(feature = "kubernetes")]
    Kubernetes(Box<kubernetes::Kubernetes>),
    #[cfg(feature = "aws")]
    Lambda(Arc<Aws>),
    #[cfg(feature = "aws")]
    Ecs(Arc<Aws>),
}

/// Every configured platform, and where services live.
#[derive(Debug)]
pub(crate) struct Platforms {
    planes: BTreeMap<Platform, ControlPlane>,
    /// What the operator declared beside them.
    bound: Vec<Bound>,
    github: Option<Github>,
    services: RwLock<BTreeMap<ServiceName, Arc<Registration>>>,
}

const NONE: ConnectorError = ConnectorError::NotConfigured {
    what: "control plane",
    fix: "set [kubernetes] namespaces, [aws], an [[actuator]], or control_plane.kind = \"lab\" and control_plane.url, to let midwatch see targets and act",
};

const NO_REPOSITORIES: &str = "no [pull_requests] are configured";

impl Platforms {
    /// Whether a change can be proposed in a service's repository.
    pub fn takes_proposals(&self, service: &ServiceName) -> bool {
        self.github.as_ref().is_some_and(|github| github.knows(service))
    }

    pub fn new(config: &ConnectorsConfig, http: &Http) -> Result<Self, ConnectorError> {
        let mut planes = BTreeMap::new();
        let control = &config.control_plane;
        let call_timeout = Duration::from_secs_f64(control.call_timeout_s);
        if control.kind == ControlPlaneKind::Lab {
            let url = parse_url("control_plane.url", control.url.as_deref().unwrap_or_default())?;
            let lab = LabControlPlane::new(http.clone(), url, call_timeout);
            planes.insert(Platform::Lab, ControlPlane::Lab(lab));
        }
        if let Some(kubernetes) = &config.kubernetes {
            planes.insert(Platform::Kubernetes, cluster(kubernetes, call_timeout)?);
        }
        let egress = Egress { private: config.notifications.private_addresses };
        let declared = config.actuators.iter().map(|declared| Bound::new(declared, egress, call_timeout));
        let bound = declared.collect::<Result<_, ConnectorError>>()?;
        let github = config
            .pull_requests
            .as_ref()
            .map(|github| Github::new(github, config.notifications.private_addresses, call_timeout))
            .transpose()?;
        Ok(Self { planes, bound, github, services: RwLock::default() })
    }

    /// Adds the platforms of AWS.
    #[cfg(feature = "aws")]
    pub fn with_aws(mut self, aws: &Arc<Aws>) -> Self {
        self.planes.insert(Platform::Lambda, ControlPlane::Lambda(Arc::clone(aws)));
        self.planes.insert(Platform::Ecs, ControlPlane::Ecs(Arc::clone(aws)));
        self
    }

    /// The CloudWatch log group of a service, if it lives where one is known.
    #[cfg(feature = "aws")]
    pub fn log_group(&self, service: &ServiceName) -> Option<String> {
        let known = self.registration(service);
        match self.plane(&known) {
            Ok(ControlPlane::Lambda(aws)) => Some(aws::Lambda { aws, service: &known }.log_group()),
            _ => None,
        }
    }

    /// Whether a service's log is that of its pods.
    #[cfg(feature = "kubernetes")]
    pub fn has_pod_logs(&self, service: &ServiceName) -> bool {
        matches!(self.plane(&self.registration(service)), Ok(ControlPlane::Kubernetes(_)))
    }

    /// What the pods of a service wrote within a window, oldest first.
    #[cfg(feature = "kubernetes")]
    pub async fn pod_logs(
        &self,
        service: &ServiceName,
        window: (Timestamp, Timestamp),
    ) -> Result<Vec<(Timestamp, String)>, ConnectorError> {
        let known = self.registration(service);
        match self.plane(&known)? {
            ControlPlane::Kubernetes(cluster) => cluster.said(&known, window).await,
            _ => Ok(Vec::new()),
        }
    }

    /// Takes over where services live.
    pub fn set_services(&self, services: &[Registration]) {
        let known = services.iter().map(|one| (ServiceName::new(&*one.name), Arc::new(one.clone())));
        *self.services.write().unwrap_or_else(PoisonError::into_inner) = known.collect();
    }

    fn registration(&self, service: &ServiceName) -> Arc<Registration> {
        let known = self.services.read().unwrap_or_else(PoisonError::into_inner);
        known.get(service).cloned().unwrap_or_else(|| {
            Arc::new(Registration { name: service.as_str().to_owned(), ..Registration::default() })
        })
    }

    /// The platform that a service lives on.
    fn plane(&self, service: &Registration) -> Result<&ControlPlane, ConnectorError> {
        let wrong = |problem: String| {
            Err(ConnectorError::Config {
                field: format!("platform of [[service]] `{}`", service.name),
                problem,
            })
        };
        let names = || self.planes.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (service.platform, self.planes.len()) {
            (_, 0) => Err(NONE),
            (None, 1) => self.planes.values().next().ok_or(NONE),
            (None, _) => wrong(format!("is not said, and there are several: {}", names())),
            (Some(platform), _) => match self.planes.get(&platform) {
                Some(plane) => Ok(plane),
                None => wrong(format!("is {platform}, which is not configured; there is {}", names())),
            },
        }
    }

    /// Changes that the platforms know of. One that cannot be asked hides nothing that another one tells.
    pub async fn changes(&self, since: Timestamp) -> Result<Vec<Change>, ConnectorError> {
        let (mut changes, mut failed) = (Vec::new(), None);
        for plane in self.planes.values() {
            match plane {
                ControlPlane::Lab(lab) => match lab.changes(since).await {
                    Ok(found) => changes.extend(found),
                    Err(error) => failed = Some(error),
                },
                #[cfg(feature = "kubernetes")]
                ControlPlane::Kubernetes(cluster) => {
                    changes.extend(cluster.changes(&self.on(Platform::Kubernetes), since).await);
                }
                // What AWS keeps of deployments has no time that could be trusted; deployers tell it (docs/sources.md).
                #[cfg(feature = "aws")]
                ControlPlane::Lambda(_) | ControlPlane::Ecs(_) => {}
            }
        }
        match failed {
            Some(error) if changes.is_empty() => Err(error),
            _ => Ok(changes),
        }
    }

    /// The services that live on a platform.
    #[cfg(feature = "kubernetes")]
    fn on(&self, platform: Platform) -> Vec<Registration> {
        let alone = self.planes.len() == 1;
        let lives = |one: &&Arc<Registration>| one.platform.map_or(alone, |named| named == platform);
        let known = self.services.read().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(lives).map(|one| Registration::clone(one)).collect()
    }

    /// What the operator declared for a service, and whether that is all there is of it.
    fn declared(&self, service: &Registration) -> (Option<&Bound>, bool) {
        let name = ServiceName::new(&*service.name);
        let bound = self.bound.iter().find(|bound| bound.serves(&name));
        (bound, bound.is_some() && service.platform.is_none())
    }

    /// The declared actuator that does such an action to a service, if one does.
    fn bound_for(&self, action: &Action) -> Option<&Bound> {
        self.bound.iter().find(|bound| bound.serves(action.target()) && bound.does(action.kind()))
    }

    pub async fn target(&self, service: &ServiceName) -> Result<TargetState, ConnectorError> {
        let known = self.registration(service);
        match self.declared(&known) {
            (Some(bound), true) => bound.target(service, None).await,
            (Some(bound), false) => bound.target(service, Some(self.of_platform(&known).await?)).await,
            (None, _) => self.of_platform(&known).await,
        }
    }

    async fn of_platform(&self, known: &Registration) -> Result<TargetState, ConnectorError> {
        let service = &ServiceName::new(&*known.name);
        match self.plane(known)? {
            ControlPlane::Lab(lab) => lab.target(service).await,
            #[cfg(feature = "kubernetes")]
            ControlPlane::Kubernetes(cluster) => cluster.target(known).await,
            #[cfg(feature = "aws")]
            ControlPlane::Lambda(aws) => aws::Lambda { aws, service: known }.target().await,
            #[cfg(feature = "aws")]
            ControlPlane::Ecs(aws) => aws::Ecs { aws, service: known }.target().await,
        }
    }

    /// Whether what runs of a service is what is wanted of it.
    pub async fn rollout(&self, service: &ServiceName) -> Result<(Option<bool>, String), ConnectorError> {
        #[cfg(feature = "kubernetes")]
        {
            let known = self.registration(service);
            if let Ok(ControlPlane::Kubernetes(cluster)) = self.plane(&known) {
                return cluster.rollout(&known).await;
            }
        }
        let target = self.target(service).await?;
        let through = target.ready_replicas >= target.replicas;
        let (ready, wanted) = (target.ready_replicas, target.replicas);
        Ok((Some(through), format!("{ready} of {wanted} instances of {service} are ready")))
    }

    /// Whether a Lambda alias sends all calls to one published version.
    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unused_async, reason = "the build with the feature asks")
    )]
    pub async fn alias(&self, service: &ServiceName) -> Result<(Option<bool>, String), ConnectorError> {
        let known = self.registration(service);
        match self.plane(&known)? {
            #[cfg(feature = "aws")]
            ControlPlane::Lambda(aws) => aws::Lambda { aws, service: &known }.is_settled().await,
            _ => Err(ConnectorError::Config {
                field: format!("check of [[service]] `{service}`"),
                problem: "looks at an alias, and the service is no Lambda function".to_owned(),
            }),
        }
    }

    /// What a platform tells of a service, for whoever looks for a cause; nothing where it has no more than the target.
    #[cfg_attr(
        not(feature = "aws"),
        expect(unused_variables, reason = "only what is kept by time is asked for by time")
    )]
    pub async fn describe(
        &self,
        service: &ServiceName,
        now: Timestamp,
    ) -> Result<Vec<Described>, ConnectorError> {
        let known = self.registration(service);
        match self.plane(&known) {
            #[cfg(feature = "kubernetes")]
            Ok(ControlPlane::Kubernetes(cluster)) => cluster.describe(&known).await,
            #[cfg(feature = "aws")]
            Ok(ControlPlane::Lambda(aws)) => aws::Lambda { aws, service: &known }.describe(now).await,
            #[cfg(feature = "aws")]
            Ok(ControlPlane::Ecs(aws)) => aws::Ecs { aws, service: &known }.describe().await,
            _ => Ok(Vec::new()),
        }
    }

    pub async fn apply(&self, effect: &Effect, now: Timestamp) -> EffectOutcome {
        if effect.intent().action.kind() == ActionKind::PullRequest {
            return match &self.github {
                Some(github) => github.apply(effect, now).await,
                None => not_applied(NO_REPOSITORIES),
            };
        }
        if let Some(bound) = self.bound_for(&effect.intent().action) {
            return bound.apply(effect, now).await;
        }
        let known = self.registration(effect.intent().action.target());
        match self.plane(&known) {
            Ok(ControlPlane::Lab(lab)) => lab.apply(effect, now).await,
            #[cfg(feature = "kubernetes")]
            Ok(ControlPlane::Kubernetes(cluster)) => cluster.apply(effect, &known, now).await,
            #[cfg(feature = "aws")]
            Ok(ControlPlane::Lambda(aws)) => aws::Lambda { aws, service: &known }.apply(effect, now).await,
            #[cfg(feature = "aws")]
            Ok(ControlPlane::Ecs(aws)) => aws::Ecs { aws, service: &known }.apply(effect, now).await,
            Err(error) => EffectOutcome::NotApplied { reason: error.to_string() },
        }
    }

    pub async fn reconcile(&self, intent: &Intent) -> Result<EffectOutcome, ConnectorError> {
        if intent.action.kind() == ActionKind::PullRequest {
            return match &self.github {
                Some(github) => github.reconcile(intent).await,
                None => Ok(not_applied(NO_REPOSITORIES)),
            };
        }
        if let Some(bound) = self.bound_for(&intent.action) {
            return bound.reconcile(intent).await;
        }
        let known = self.registration(intent.action.target());
        match self.plane(&known)? {
            ControlPlane::Lab(lab) => lab.reconcile(intent).await,
            #[cfg(feature = "kubernetes")]
            ControlPlane::Kubernetes(cluster) => cluster.reconcile(intent, &known).await,
            #[cfg(feature = "aws")]
            ControlPlane::Lambda(aws) => aws::Lambda { aws, service: &known }.reconcile(intent).await,
            #[cfg(feature = "aws")]
            ControlPlane::Ecs(aws) => aws::Ecs { aws, service: &known }.reconcile(intent).await,
        }
    }
}

#[cfg(feature = "kubernetes")]
#[expect(clippy::unnecessary_wraps, reason = "the build without the feature has something to refuse")]
fn cluster(config: &KubernetesConfig, call_timeout: Duration) -> Result<ControlPlane, ConnectorError> {
    Ok(ControlPlane::Kubernetes(Box::new(kubernetes::Kubernetes::new(config, call_timeout))))
}

#[cfg(not(feature = "kubernetes"))]
fn cluster(_: &KubernetesConfig, _: Duration) -> Result<ControlPlane, ConnectorError> {
    Err(ConnectorError::Config {
        field: "[kubernetes]".to_owned(),
        problem: "is set, but this midwatch was built without it: build it with `--features kubernetes`"
            .to_owned(),
    })
}

fn not_applied(reason: impl Into<String>) -> EffectOutcome {
    EffectOutcome::NotApplied { reason: reason.into() }
}

/// When the change of an effect must have begun and when everything that belongs to it must have ended, by a clock that
/// nobody sets.
#[derive(Clone, Copy, Debug)]
struct Times {
    start_by: Instant,
    until: Instant,
    deadline: Timestamp,
}

impl Times {
    fn of(effect: &Effect, now: Timestamp, call_timeout: Duration) -> Self {
        let (deadline, began) = (effect.intent().deadline, Instant::now());
        let left = Duration::try_from_secs_f64(seconds_between(now, deadline)).unwrap_or_default();
        Self { start_by: began + left, until: began + call_timeout, deadline }
    }

    /// A sentence if what came before the change took so long that it must not begin any more.
    fn late(&self) -> Option<EffectOutcome> {
        let is_late = Instant::now() > self.start_by;
        is_late.then(|| {
            not_applied(format!(
                "the deadline {} passed during the look before; nothing was changed",
                self.deadline
            ))
        })
    }
}

/// What a change begins with: it is in time, and a look comes first, which changes nothing and may last as long as a call.
///
/// # Errors
/// Why nothing was changed.
async fn looked<T>(
    effect: &Effect,
    now: Timestamp,
    call_timeout: Duration,
    look: impl Future<Output = Result<T, String>>,
) -> Result<(T, Times), EffectOutcome> {
    if let Some(late) = too_late(effect, now) {
        return Err(late);
    }
    let times = Times::of(effect, now, call_timeout);
    match tokio::time::timeout(call_timeout, look).await {
        Ok(Ok(seen)) => Ok((seen, times)),
        Ok(Err(why)) => Err(not_applied(why)),
        Err(_) => Err(not_applied("the look before the change took too long; nothing was changed")),
    }
}

/// A sentence if the effect must not start any more.
fn too_late(effect: &Effect, now: Timestamp) -> Option<EffectOutcome> {
    let deadline = effect.intent().deadline;
    (!effect.may_start(now))
        .then(|| not_applied(format!("the deadline {deadline} had passed; nothing was called")))
}
