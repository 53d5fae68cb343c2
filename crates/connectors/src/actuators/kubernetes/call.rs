//! Calls to the API server: one at a time, bounded, and honest about what an answer, or the lack of one, proves.

use super::KubernetesConfig;
use crate::ConnectorError;
use crate::egress::{Egress, Guarded, Lookup, System};
use crate::error::excerpt;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use kube::api::{
    DeleteParams, GetParams, ListParams, LogParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::client::{Client, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Who changes things, as the cluster's own records (managedFields) show it.
pub(super) const MANAGER: &str = "midwatch";

/// Seconds until a connection must stand, as for every other connector.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Things of a list that one answer holds.
const PAGE: u32 = 500;

/// Pages of a list that are read. What does not fit is said, not left out.
const PAGES_MAX: usize = 20;

/// A connection to a cluster, made when it is first needed.
pub(super) struct Cluster {
    config: KubernetesConfig,
    timeout: Duration,
    client: OnceCell<Client>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client holds credentials.
        f.debug_struct("Cluster").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No request left this machine.
    NotSent(String),
    /// The API server said no: nothing changed.
    Refused { status: u16, says: String },
    /// Nobody knows.
    Unknown(String),
}

/// A change to one thing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// A JSON merge patch of what lies at `path`/`name`.
    Patch {
        path: String,
        name: String,
        body: Value,
    },
    Create {
        path: String,
        body: Value,
    },
    /// Only the thing with this uid: another one of the same name stays.
    Delete {
        path: String,
        name: String,
        uid: String,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotSent(why) | Refusal::Unknown(why) => f.write_str(why),
            Refusal::Refused { status: 403, says } => {
                write!(f, "{says} (the rights that it needs are in deploy/kubernetes/rbac.yaml)")
            }
            Refusal::Refused { status, says } => write!(f, "the API server answered {status}: {says}"),
        }
    }
}

impl Refusal {
    /// Whether there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Refusal::Refused { status: 404, .. })
    }

    fn into_error(self, what: &str) -> ConnectorError {
        let url = format!("Kubernetes, asked for {what},");
        match self {
            Refusal::NotSent(reason) => ConnectorError::Unreachable { url: "Kubernetes".to_owned(), reason },
            Refusal::Refused { status, says } => ConnectorError::Status { url, status, excerpt: says },
            Refusal::Unknown(reason) => ConnectorError::NoAnswer { url, reason },
        }
    }
}

impl Cluster {
    pub fn new(config: &KubernetesConfig, timeout: Duration) -> Self {
        Self { config: config.clone(), timeout, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, Refusal> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client, Refusal> {
        let unusable = |why: String| {
            // A parser shows the lines that it cannot read, and those hold keys.
            let why = why.split("-->").next().unwrap_or_default().trim().to_owned();
            Refusal::NotSent(format!(
                "no Kubernetes client is in reach: {}; set kubernetes.kubeconfig and kubernetes.context, or run midwatch \
                 in the cluster with its service account",
                excerpt(&why)
            ))
        };
        let options =
            KubeConfigOptions { context: self.config.context.clone(), ..KubeConfigOptions::default() };
        let config = match (&self.config.kubeconfig, &self.config.context) {
            (Some(path), _) => {
                let file = Kubeconfig::read_from(path).map_err(|error| unusable(chain(&error)))?;
                kube::Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|error| unusable(chain(&error)))?
            }
            (None, Some(_)) => {
                kube::Config::from_kubeconfig(&options).await.map_err(|error| unusable(chain(&error)))?
            }
            (None, None) => kube::Config::infer().await.map_err(|error| unusable(chain(&error)))?,
        };
        let server = reqwest::Url::parse(&config.cluster_url.to_string());
        let refusal = server.ok().and_then(|server| Egress { private: true }.refusal_of(&server));
        if let Some(refusal) = refusal {
            return Err(unusable(format!("its server is refused: {refusal}")));
        }
        // Like every other connector: no proxy that only the environment names, and nothing is asked twice.
        client_of(config, System).map_err(|error| unusable(chain(&error)))
    }

    /// One thing, or `None` where there is none.
    pub async fn get(&self, path: &str, name: &str) -> Result<Option<Value>, Refusal> {
        match self.read(Request::new(path).get(name, &GetParams::default()).map_err(malformed)?).await {
            Ok(found) => Ok(Some(found)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// One thing, as an error where there is none.
    pub async fn demand(&self, path: &str, name: &str, what: &str) -> Result<Value, ConnectorError> {
        let found = self.get(path, name).await.map_err(|refusal| refusal.into_error(what))?;
        found.ok_or_else(|| ConnectorError::Status {
            url: format!("Kubernetes, asked for {what},"),
            status: 404,
            excerpt: "there is no such thing; check namespace and workload of the [[service]]".to_owned(),
        })
    }

    /// The things of a list, by label and field selector; empty where the API is not there.
    pub async fn list(&self, path: &str, labels: &str, fields: &str) -> Result<Vec<Value>, Refusal> {
        let mut params = ListParams {
            label_selector: (!labels.is_empty()).then(|| labels.to_owned()),
            field_selector: (!fields.is_empty()).then(|| fields.to_owned()),
            limit: Some(PAGE),
            ..ListParams::default()
        };
        let mut things = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut page = match self.read(Request::new(path).list(&params).map_err(malformed)?).await {
                Ok(page) => page,
                Err(refusal) if refusal.is_not_found() => return Ok(Vec::new()),
                Err(refusal) => return Err(refusal),
            };
            if let Value::Array(items) = page["items"].take() {
                things.extend(items);
            }
            match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token.to_owned()),
                None => return Ok(things),
            }
        }
        Err(Refusal::NotSent(format!("{path} has more than {} things, which are not read", things.len())))
    }

    /// The last lines of a container's log.
    pub async fn log(&self, path: &str, pod: &str, params: &LogParams) -> Result<String, Refusal> {
        let request = Request::new(path).logs(pod, params).map_err(malformed)?;
        let client = self.client().await?;
        self.within(client.request_text(request)).await
    }

    /// An answer of any path, such as `/readyz`, as text.
    pub async fn text(&self, path: &str) -> Result<String, Refusal> {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| Refusal::NotSent(excerpt(&error.to_string())))?;
        let client = self.client().await?;
        self.within(client.request_text(request)).await
    }

    async fn read(&self, request: http::Request<Vec<u8>>) -> Result<Value, Refusal> {
        let client = self.client().await?;
        self.within(client.request::<Value>(request)).await
    }

    /// Asks for a change, or with `dry_run` whether the server would take it.
    pub async fn change(&self, change: &Change, dry_run: bool) -> Result<Value, Refusal> {
        let field_manager = Some(MANAGER.to_owned());
        let request = match change {
            Change::Patch { path, name, body } => {
                let params = PatchParams { dry_run, field_manager, ..PatchParams::default() };
                Request::new(path.as_str()).patch(name, &params, &Patch::Merge(body))
            }
            Change::Create { path, body } => {
                let bytes = serde_json::to_vec(body).unwrap_or_default();
                Request::new(path.as_str()).create(&PostParams { dry_run, field_manager }, bytes)
            }
            Change::Delete { path, name, uid } => {
                let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
                let params =
                    DeleteParams { dry_run, preconditions: Some(preconditions), ..DeleteParams::default() };
                Request::new(path.as_str()).delete(name, &params)
            }
        };
        self.read(request.map_err(malformed)?).await
    }

    async fn within<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Refusal> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(answer) => answer.map_err(refusal),
            Err(_) => {
                let text =
                    format!("the API server gave no answer within {:.1} s", self.timeout.as_secs_f64());
                Err(Refusal::Unknown(text))
            }
        }
    }
}

/// A request that could not even be built.
fn malformed(error: kube::core::request::Error) -> Refusal {
    Refusal::NotSent(excerpt(&error.to_string()))
}

fn refusal(error: kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) => match status.code {
            // What a proxy in front says of a server that it could not hear proves nothing; nor does a server in trouble.
            408 | 500.. => Refusal::Unknown(format!(
                "the API server answered {}: {}",
                status.code,
                excerpt(&status.message)
            )),
            code => Refusal::Refused { status: code, says: excerpt(&status.message) },
        },
        kube::Error::Auth(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
            Refusal::NotSent(excerpt(&chain(&error)))
        }
        _ if never_connected(&error) => {
            Refusal::NotSent(format!("the API server cannot be reached: {}", excerpt(&chain(&error))))
        }
        _ => Refusal::Unknown(excerpt(&chain(&error))),
    }
}

/// Whether the connection never stood, so that nobody was asked.
fn never_connected(error: &kube::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(known) = cause {
        if let Some(client) = known.downcast_ref::<hyper_util::client::legacy::Error>() {
            return client.is_connect();
        }
        cause = known.source();
    }
    false
}

/// An error with its causes, innermost last.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let says = inner.to_string();
        if !text.contains(&says) {
            text = format!("{text}: {says}");
        }
        cause = inner.source();
    }
    text
}

/// kube's own stack, but for the names, which are looked up as for every other connector: whatever a name led to a moment ago,
/// no token goes to where a cloud has its metadata.
fn client_of<L: Lookup>(config: kube::Config, lookup: L) -> kube::Result<Client> {
    let names = Arc::new(Guarded { egress: Egress { private: true }, lookup });
    let resolve = tower::service_fn(move |name: Name| {
        let names = Arc::clone(&names);
        async move { names.addresses(name.as_str()).await.map(Vec::into_iter) }
    });
    let mut connector = HttpConnector::new_with_resolver(resolve);
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = tower::ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(client);
    Ok(Client::new(service, config.default_namespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;
    use std::net::SocketAddr;

    /// A name that leads to a cloud's metadata.
    struct Metadata;

    impl Lookup for Metadata {
        fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
            Box::pin(async { Ok(vec![SocketAddr::from(([169, 254, 169, 254], 80))]) })
        }
    }

    #[tokio::test]
    async fn a_server_whose_name_leads_to_metadata_by_now_is_not_connected_to() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = kube::Config::new("https://cluster.example:6443".parse().expect("a URL"));
        let client = client_of(config, Metadata).expect("a client");
        let refused = client.apiserver_version().await.map_err(refusal).expect_err("refused");
        assert!(matches!(&refused, Refusal::NotSent(why) if why.contains("169.254.169.254")), "{refused:?}");
    }
}
