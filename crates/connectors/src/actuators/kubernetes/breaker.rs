//! The circuit breaker in front of a service: an Istio DestinationRule where Istio is installed, else an entry of the
//! ConfigMap `midwatch-circuit-breakers`, which applications read.

use super::call::{Change, Cluster, Refusal};
use super::place::Place;
use super::plan::{Ask, Prepared, locked};
use super::thing::{KEY, annotate, annotation, name, text};
use midwatch_model::ServiceName;
use serde_json::{Value, json};

/// The ConfigMap: one key per service, whose value is JSON with `state` (`open` or `closed`), `since` and `action`.
pub(super) const CONFIG_MAP: &str = "midwatch-circuit-breakers";

/// The API group whose presence says that Istio is installed.
const ISTIO: &str = "/apis/networking.istio.io/v1";

/// The breaker of one service as it is now.
pub(super) struct Breaker {
    pub open: bool,
    /// Key of the action of midwatch that last set it.
    pub set_by: Option<String>,
    at: At,
}

enum At {
    /// Ours, if it exists.
    DestinationRule {
        found: Option<Value>,
    },
    ConfigMap {
        found: Option<Value>,
    },
}

fn rule_name(service: &ServiceName) -> String {
    format!("midwatch-{}", service.as_str().to_lowercase().replace('_', "-"))
}

impl Breaker {
    /// Looks at the breaker.
    ///
    /// # Errors
    /// When it cannot be read, or when somebody else already routes to the service.
    pub async fn find(cluster: &Cluster, place: &Place, service: &ServiceName) -> Result<Self, String> {
        let unreadable = |refusal: Refusal| format!("the circuit breaker cannot be read: {refusal}");
        if has_istio(cluster).await.map_err(unreadable)? {
            let path = place.destination_rules();
            let rules = cluster.list(&path, "", "").await.map_err(unreadable)?;
            let ours = rule_name(service);
            let is_for = |rule: &&Value| {
                let host = text(&rule["spec"]["host"]);
                host == place.name || host.strip_prefix(&place.name).is_some_and(|rest| rest.starts_with('.'))
            };
            if let Some(other) = rules.iter().filter(is_for).find(|rule| name(rule) != ours) {
                return Err(format!(
                    "the DestinationRule {} already rules the traffic to {}; two for one host exclude each other",
                    name(other),
                    place.name
                ));
            }
            let found = rules.into_iter().find(|rule| name(rule) == ours);
            let open = found.as_ref().is_some_and(|rule| rule["spec"]["trafficPolicy"].is_object());
            let set_by = found.as_ref().and_then(|rule| annotation(rule, KEY)).map(str::to_owned);
            return Ok(Self { open, set_by, at: At::DestinationRule { found } });
        }
        let found = cluster.get(&place.core("configmaps"), CONFIG_MAP).await.map_err(unreadable)?;
        let entry = found.as_ref().map(|map| text(&map["data"][service.as_str()])).unwrap_or_default();
        let entry: Value = serde_json::from_str(entry).unwrap_or_default();
        Ok(Self {
            open: entry["state"] == "open",
            set_by: entry["action"].as_str().map(str::to_owned),
            at: At::ConfigMap { found },
        })
    }
}

async fn has_istio(cluster: &Cluster) -> Result<bool, Refusal> {
    match cluster.text(ISTIO).await {
        Ok(resources) => {
            let resources: Value = serde_json::from_str(&resources).unwrap_or_default();
            let all = resources["resources"].as_array();
            Ok(all.into_iter().flatten().any(|resource| resource["name"] == "destinationrules"))
        }
        Err(refusal) if refusal.is_not_found() => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// The change that opens or closes it.
pub(super) fn set(ask: &Ask<'_>, breaker: Breaker, open: bool) -> Result<Prepared, String> {
    let service = ask.intent.action.target();
    let word = if open { "opened" } else { "closed" };
    Ok(match breaker.at {
        At::DestinationRule { found } => Prepared {
            change: rule(ask, service, found, open),
            says: format!("{word} the breaker of {service} by the DestinationRule {}", rule_name(service)),
        },
        At::ConfigMap { found } => Prepared {
            change: entry(ask, service, found, open),
            says: format!(
                "{word} the breaker of {service} in the ConfigMap {}/{CONFIG_MAP}; applications that read it follow",
                ask.place.namespace
            ),
        },
    })
}

fn entry(ask: &Ask<'_>, service: &ServiceName, found: Option<Value>, open: bool) -> Change {
    let state = if open { "open" } else { "closed" };
    let value = json!({ "state": state, "since": ask.now.to_string(), "action": ask.intent.key }).to_string();
    let path = ask.place.core("configmaps");
    match found {
        Some(read) => {
            let mut wanted = read.clone();
            wanted["data"][service.as_str()] = json!(value);
            locked(path, CONFIG_MAP.to_owned(), &read, &wanted)
        }
        None => Change::Create {
            path,
            body: json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": CONFIG_MAP, "namespace": ask.place.namespace },
                "data": { service.as_str(): value },
            }),
        },
    }
}

/// One request at a time and no queue: what is beyond fails at once, and a host that fails is left alone for a while.
fn traffic_policy() -> Value {
    json!({
        "connectionPool": {
            "tcp": { "maxConnections": 1 },
            "http": { "http1MaxPendingRequests": 1, "http2MaxRequests": 1, "maxRequestsPerConnection": 1 },
        },
        "outlierDetection": {
            "consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "30s", "maxEjectionPercent": 100,
        },
    })
}

fn rule(ask: &Ask<'_>, service: &ServiceName, found: Option<Value>, open: bool) -> Change {
    let (path, name) = (ask.place.destination_rules(), rule_name(service));
    let mut spec = json!({ "host": ask.place.name });
    if open {
        spec["trafficPolicy"] = traffic_policy();
    }
    match found {
        Some(read) => {
            let mut wanted = read.clone();
            wanted["spec"] = spec;
            annotate(&mut wanted, KEY, ask.intent.key.as_str());
            locked(path, name, &read, &wanted)
        }
        None => Change::Create {
            path,
            body: json!({
                "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                "metadata": {
                    "name": name, "namespace": ask.place.namespace, "annotations": { KEY: ask.intent.key },
                },
                "spec": spec,
            }),
        },
    }
}
