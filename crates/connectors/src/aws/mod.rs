//! AWS: signed calls of the few operations that midwatch needs.
//!
//! Credentials and signatures come from AWS' own libraries; the calls are made by the one HTTP client, each once, so that what
//! an answer proves stays visible. Must never: retry by itself, or keep a secret in an error.

mod alarms;
mod config;
mod logs;

pub use alarms::Alarm;
pub use config::AwsConfig;

use crate::error::excerpt;
use crate::http::{Ask, join, parse_url, shown};
use crate::{ConnectorError, Http};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use reqwest::{Method, Url};
use serde_json::Value;
use std::time::{Duration, SystemTime};
use tokio::sync::{Mutex, OnceCell};

/// Connections to AWS.
pub(crate) struct Aws {
    http: Http,
    pub config: AwsConfig,
    timeout: Duration,
    account: OnceCell<Account>,
}

/// Whose calls these are.
struct Account {
    provider: SharedCredentialsProvider,
    region: String,
    /// What the provider gave last: it may be asked at a machine's own metadata service, which is not to be flooded.
    kept: Mutex<Option<(Credentials, SystemTime)>>,
}

/// Credentials that do not say when they expire are asked for anew after so long: somebody may have replaced them.
const KEPT_MAX: Duration = Duration::from_secs(600);

/// Credentials are asked for anew so long before they expire.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);

impl Account {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.kept.lock().await;
        let now = SystemTime::now();
        if let Some((credentials, until)) = kept.as_ref()
            && now < *until
        {
            return Ok(credentials.clone());
        }
        let fresh = self.provider.provide_credentials().await?;
        let until = fresh.expiry().map_or(now + KEPT_MAX, |end| end - BEFORE_EXPIRY);
        *kept = Some((fresh.clone(), until));
        Ok(fresh)
    }
}

/// Why a call has no result.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No request left this machine.
    NotSent(String),
    /// AWS said no: nothing changed.
    Refused { status: u16, code: String, says: String },
    /// Nobody knows.
    Unknown(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NotSent(why) | Refusal::Unknown(why) => f.write_str(why),
            Refusal::Refused { code, says, .. }
                if code.contains("Throttl") || code.contains("TooManyRequests") =>
            {
                write!(f, "AWS throttles calls ({code}); it took nothing: {says}")
            }
            Refusal::Refused { status: 403, code, says } => {
                write!(
                    f,
                    "AWS lets this account not do it ({code}): {says}; the policy that it needs is in docs/aws.md"
                )
            }
            Refusal::Refused { status, code, says } => write!(f, "AWS answered {status} {code}: {says}"),
        }
    }
}

impl Refusal {
    pub fn into_error(self, what: &str) -> ConnectorError {
        match self {
            Refusal::NotSent(reason) => ConnectorError::Unreachable { url: "AWS".to_owned(), reason },
            Refusal::Refused { status, code, says } => ConnectorError::Status {
                url: format!("AWS, asked for {what},"),
                status,
                excerpt: format!("{code} {says}").trim().to_owned(),
            },
            Refusal::Unknown(reason) => {
                ConnectorError::NoAnswer { url: format!("AWS, asked for {what},"), reason }
            }
        }
    }
}

/// A service of AWS: its name in signatures and in addresses.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    Lambda,
    Ecs,
    Logs,
    Monitoring,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::Lambda => "lambda",
            Service::Ecs => "ecs",
            Service::Logs => "logs",
            Service::Monitoring => "monitoring",
        }
    }

    /// What stands before an operation in `X-Amz-Target`, and the version of the JSON protocol.
    fn target(self) -> (&'static str, &'static str) {
        match self {
            Service::Ecs => ("AmazonEC2ContainerServiceV20141113", "application/x-amz-json-1.1"),
            Service::Logs => ("Logs_20140328", "application/x-amz-json-1.1"),
            Service::Monitoring => ("GraniteServiceVersion20100801", "application/x-amz-json-1.0"),
            // Lambda speaks REST.
            Service::Lambda => ("", "application/json"),
        }
    }
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Aws {
    pub fn new(config: &AwsConfig, http: Http, timeout: Duration) -> Self {
        Self { http, config: config.clone(), timeout, account: OnceCell::new() }
    }

    /// How long everything that belongs to one effect may take; a single call may take half of it.
    pub fn call_timeout(&self) -> Duration {
        self.timeout * 2
    }

    /// Calls an operation of one of the services that speak JSON.
    pub async fn call(&self, service: Service, operation: &str, body: &Value) -> Result<Value, Refusal> {
        let (prefix, content_type) = service.target();
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("x-amz-target", format!("{prefix}.{operation}")),
        ];
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        self.send(service, Method::POST, &[], &[], headers, bytes).await
    }

    /// Calls Lambda, which speaks REST: path segments after the API's version, and a query.
    pub async fn lambda(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Refusal> {
        let path: Vec<&str> = ["2015-03-31"].into_iter().chain(path.iter().copied()).collect();
        let headers = vec![("content-type", "application/json".to_owned())];
        let bytes = body.map(|body| serde_json::to_vec(body).unwrap_or_default()).unwrap_or_default();
        self.send(Service::Lambda, method, &path, query, headers, bytes).await
    }

    async fn send(
        &self,
        service: Service,
        method: Method,
        path: &[&str],
        query: &[(&'static str, String)],
        mut headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Value, Refusal> {
        let account = self.account.get_or_try_init(|| self.account()).await?;
        let mut url = self.url(service, &account.region, path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let signature = sign_request(account, service, &method, &url, &headers, &body).await?;
        headers.extend(signature);
        let ask = Ask { method, headers, body: Some(body), ..Ask::get(&url, self.timeout) };
        let answer = match self.http.ask(ask).await {
            Ok(answer) => answer,
            Err(error @ ConnectorError::Unreachable { .. }) => {
                return Err(Refusal::NotSent(error.to_string()));
            }
            Err(error) => return Err(Refusal::Unknown(error.to_string())),
        };
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.status {
            200..300 => Ok(json),
            408 | 500.. => Err(Refusal::Unknown(format!(
                "{} answered {}: {}",
                shown(&url),
                answer.status,
                answer.excerpt()
            ))),
            status => Err(refused(status, &json, answer.excerpt())),
        }
    }

    fn url(&self, service: Service, region: &str, path: &[&str]) -> Result<Url, Refusal> {
        let own = || format!("https://{}.{region}.amazonaws.com/", service.name());
        let base = self.config.endpoint.clone().unwrap_or_else(own);
        let base = parse_url("aws.endpoint", &base).map_err(|error| Refusal::NotSent(error.to_string()))?;
        Ok(if path.is_empty() { base } else { join(&base, path) })
    }

    async fn account(&self) -> Result<Account, Refusal> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader =
            aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http.clone());
        if let Some(profile) = &self.config.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(file) = &self.config.credentials_file {
            let files = EnvConfigFiles::builder()
                .include_default_config_file(true)
                .with_file(EnvConfigFileKind::Credentials, file)
                .build();
            // Whoever names a file means that one and not whatever else the machine has.
            let config = ProviderConfig::without_region().with_http_client(http);
            let mut provider =
                ProfileFileCredentialsProvider::builder().configure(&config).profile_files(files);
            if let Some(profile) = &self.config.profile {
                provider = provider.profile_name(profile);
            }
            loader = loader.credentials_provider(provider.build());
        }
        if let Some(region) = &self.config.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        let found = loader.load().await;
        let region = found.region().map(|region| region.as_ref().to_owned());
        match (found.credentials_provider(), region) {
            (Some(provider), Some(region)) => Ok(Account { provider, region, kept: Mutex::default() }),
            (_, None) => Err(Refusal::NotSent("no AWS region is known; set aws.region".to_owned())),
            (None, _) => Err(Refusal::NotSent(NO_CREDENTIALS.to_owned())),
        }
    }
}

const NO_CREDENTIALS: &str = "no AWS credentials are in reach; set aws.profile, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or give \
                              the machine a role";

async fn sign_request(
    account: &Account,
    service: Service,
    method: &Method,
    url: &Url,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let unusable = |why: String| Refusal::NotSent(format!("{NO_CREDENTIALS} ({})", excerpt(&why)));
    let credentials = account.credentials().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        unusable(cause)
    })?;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&account.region)
        .name(service.name())
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| unusable(error.to_string()))?
        .into();
    let named = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let request = SignableRequest::new(method.as_str(), url.as_str(), named, SignableBody::Bytes(body));
    let signed =
        request.and_then(|request| sign(request, &params)).map_err(|error| unusable(error.to_string()))?;
    let (instructions, _) = signed.into_parts();
    let (signature, _) = instructions.into_parts();
    Ok(signature.iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

/// The code and the message of an error, wherever the protocol puts them.
fn refused(status: u16, json: &Value, body: String) -> Refusal {
    let code = ["__type", "code", "Code", "Type"].iter().find_map(|name| json[*name].as_str());
    let code = code.unwrap_or_default().rsplit('#').next().unwrap_or_default();
    let says = ["message", "Message"].iter().find_map(|name| json[*name].as_str()).map(excerpt);
    Refusal::Refused { status, code: excerpt(code), says: says.unwrap_or(body) }
}
