//! Where pull requests go.

use crate::ConnectorError;
use crate::http::parse_url;
use crate::notifiers::repository_parts;
use crate::secret::SecretConfig;
use midwatch_model::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Pull requests on GitHub: what was found, and the lasting change where it is a line of a known file. Nothing is ever
/// pushed to a branch that is not midwatch's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PullRequestsConfig {
    /// A fine-grained token with write access to contents and pull requests of these repositories, and to nothing else.
    pub token: SecretConfig,
    /// `owner/name` of the repository of every service that names none; without it, only those that name one have one.
    pub repository: Option<String>,
    /// What is known of the repositories of services.
    pub services: BTreeMap<ServiceName, RepositoryConfig>,
    /// The branch that is to be merged into; if absent, the repository's default one.
    pub base: Option<String>,
    /// The folder of the documents.
    pub folder: String,
    /// Where the API is; `https://HOST/api/v3` for GitHub Enterprise Server.
    pub url: String,
    /// Seconds after which one request is given up.
    pub timeout_s: f64,
}

/// The repository of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RepositoryConfig {
    /// `owner/name`; if absent, that of all services.
    pub repository: Option<String>,
    /// The file with the service's Deployment or StatefulSet, in which replicas, resources and images are changed.
    pub manifest: Option<String>,
    /// What the manifest calls it, where that is not its name.
    pub workload: Option<String>,
}

impl Default for PullRequestsConfig {
    fn default() -> Self {
        Self {
            token: SecretConfig::default(),
            repository: None,
            services: BTreeMap::new(),
            base: None,
            folder: "remediation".to_owned(),
            url: "https://api.github.com".to_owned(),
            // Ten requests make a pull request; GitHub answers each within a second.
            timeout_s: 5.0,
        }
    }
}

impl PullRequestsConfig {
    /// What is known of a service's repository; nothing where it has none.
    pub(super) fn of(&self, service: &ServiceName) -> Option<(&str, RepositoryConfig)> {
        let known = self.services.get(service);
        let named = known.and_then(|known| known.repository.as_deref());
        let repository = named.or(self.repository.as_deref())?;
        Some((repository, known.cloned().unwrap_or_default()))
    }

    /// # Errors
    /// The first field that does not fit, with the fix.
    pub(crate) fn validate(&self) -> Result<(), ConnectorError> {
        let wrong = |field: &str, problem: &str| {
            Err(ConnectorError::Config {
                field: format!("pull_requests.{field}"),
                problem: problem.to_owned(),
            })
        };
        if let Some(problem) = self.token.problem("pull_requests.token") {
            return Err(problem);
        }
        let named = self.services.values().filter_map(|known| known.repository.as_ref());
        let repositories: Vec<&String> = self.repository.iter().chain(named).collect();
        if repositories.is_empty() {
            return wrong("repository", "is needed, or one for each of the services");
        }
        if repositories.into_iter().any(|repository| repository_parts(repository).is_none()) {
            return wrong("repository", "must be owner/name, such as \"example/shop\"");
        }
        let manifests = self.services.values().filter_map(|known| known.manifest.as_deref());
        if !manifests.chain([self.folder.as_str()]).all(is_path) {
            return wrong(
                "services",
                "has a manifest (or folder is a path) that begins with `/` or has `..` in it",
            );
        }
        if self.base.as_deref().is_some_and(|base| base.is_empty() || base.starts_with(super::PREFIX)) {
            return wrong("base", "must be the branch that people merge into, such as \"main\"");
        }
        if !(0.1..=120.0).contains(&self.timeout_s) {
            return wrong("timeout_s", "must be 0.1 to 120 seconds");
        }
        parse_url("pull_requests.url", &self.url).map(|_| ())
    }
}

/// A path within a repository.
fn is_path(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && part != ".git";
    path.split('/').all(plain) && !path.contains(|c: char| c.is_control() || c == '\\')
}
