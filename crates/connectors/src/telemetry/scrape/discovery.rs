//! Which pages to scrape: configured targets and those that `http_sd` names.

use super::super::Access;
use crate::ConnectorError;
use crate::config::TelemetryConfig;
use crate::http::{Ask, parse_url};
use midwatch_model::ServiceName;
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Targets beyond this are not scraped; discovery that names more is taken for broken.
const TARGETS_MAX: usize = 2_000;

/// One page to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `None` for a page that names services in its own labels, as a control plane's does.
    pub service: Option<ServiceName>,
    pub url: Url,
}

/// Where targets come from.
#[derive(Debug)]
pub(super) struct Discovery {
    fixed: Vec<Target>,
    url: Option<Url>,
}

/// One group of an `http_sd` answer. Other keys are allowed by the format and mean nothing to us.
#[derive(Deserialize)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Discovery {
    pub fn new(config: &TelemetryConfig) -> Result<Self, ConnectorError> {
        let mut fixed = Vec::new();
        for (index, target) in config.targets.iter().enumerate() {
            if let Some(service) = target.service.as_ref().filter(|service| !service.is_valid()) {
                let field = format!("telemetry.targets[{index}].service");
                let problem = format!("`{service}` must be 1–63 letters, digits, `-`, `_` or `.`");
                return Err(ConnectorError::Config { field, problem });
            }
            let url = parse_url(&format!("telemetry.targets[{index}].url"), &target.url)?;
            fixed.push(Target { service: target.service.clone(), url });
        }
        let url = config.service_discovery.as_deref();
        let url = url.map(|text| parse_url("telemetry.service_discovery", text)).transpose()?;
        Ok(Self { fixed, url })
    }

    pub fn fixed(&self) -> &[Target] {
        &self.fixed
    }

    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// Asks for the targets of now; `None` where nothing is to be discovered. Unusable targets are returned as reasons.
    pub async fn ask(&self, access: &Access) -> Option<Result<(Vec<Target>, Vec<String>), ConnectorError>> {
        let url = self.url.as_ref()?;
        let ask = Ask { headers: access.headers(), ..Ask::get(url, access.timeout) };
        let groups = match access.http.ask_ok(ask).await {
            Ok(answer) => answer.json::<Vec<Group>>(&crate::http::shown(url)),
            Err(error) => Err(error),
        };
        Some(groups.map(|groups| targets_of(&groups)))
    }
}

/// The groups' targets and, for those that cannot be used, why.
fn targets_of(groups: &[Group]) -> (Vec<Target>, Vec<String>) {
    let (mut targets, mut refused) = (Vec::new(), Vec::new());
    for (group, address) in groups.iter().flat_map(|group| group.targets.iter().map(move |t| (group, t))) {
        if targets.len() + refused.len() == TARGETS_MAX {
            refused.push(format!("more than {TARGETS_MAX} targets; the rest is ignored"));
            break;
        }
        match target(address, &group.labels) {
            Ok(target) => targets.push(target),
            Err(reason) => refused.push(reason),
        }
    }
    (targets, refused)
}

/// One target with Prometheus' meta labels `__scheme__` and `__metrics_path__`.
fn target(address: &str, labels: &BTreeMap<String, String>) -> Result<Target, String> {
    let label = |name: &str| labels.get(name).map(String::as_str);
    let scheme = label("__scheme__").unwrap_or("http");
    let path = label("__metrics_path__").unwrap_or("/metrics");
    let is_address =
        !address.is_empty() && !address.contains(['/', '@', '?', '#', '\\']) && path.starts_with('/');
    if !is_address {
        return Err(format!("`{}` is not host:port", crate::error::excerpt(address)));
    }
    let url =
        parse_url("target", &format!("{scheme}://{address}{path}")).map_err(|error| error.to_string())?;
    let service = label("service").map(ServiceName::new);
    if let Some(service) = service.as_ref().filter(|service| !service.is_valid()) {
        return Err(format!("`{}` is not a service name", crate::error::excerpt(service.as_str())));
    }
    Ok(Target { service, url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_become_targets_and_bad_ones_reasons() {
        let groups: Vec<Group> = serde_json::from_str(
            r#"[{"targets":["10.0.0.1:9000","10.0.0.2:9000"],"labels":{"service":"order-service"}},
                {"targets":["cp:80"],"labels":{"__metrics_path__":"/api/metrics","__scheme__":"https"}},
                {"targets":["a@b:80","x/y",""],"labels":{"service":"s"}},
                {"targets":["h:1"],"labels":{"service":"../../x"}},
                {"targets":["h:1"],"labels":{"__scheme__":"file"}}]"#,
        )
        .expect("a list of groups");
        let (targets, refused) = targets_of(&groups);
        let urls: Vec<_> = targets.iter().map(|t| t.url.as_str()).collect();
        assert_eq!(
            urls,
            ["http://10.0.0.1:9000/metrics", "http://10.0.0.2:9000/metrics", "https://cp/api/metrics"]
                .map(|u| u.replace("https://cp/", "https://cp:80/"))
        );
        assert_eq!(targets[2].service, None);
        assert_eq!(refused.len(), 5, "{refused:?}");
    }
}
