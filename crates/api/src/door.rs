//! The front door: under which name something is brought in, and whether it comes from who it says.
//!
//! Must never: read what is in a body before its sender is believed, or let the two differ on the name.

mod sns;

pub(crate) use sns::Certificates;

use crate::{Api, error::ApiError};
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, Uri};
use midwatch_signal::authentic::{Headers, Refused, Scheme, Topics};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::Source;
use std::collections::BTreeMap;
use std::sync::Arc;
use strum::VariantArray as _;

/// How a configured sender proves who it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// With one of the server's API keys.
    Key,
    Scheme(Scheme),
    /// By the signature of Amazon SNS, for these topics only.
    Sns(Topics),
}

/// Who is configured to bring something, by the name under which they do.
#[derive(Clone, Debug, Default)]
pub struct Senders {
    pub alerts: BTreeMap<String, Proof>,
    pub changes: BTreeMap<String, (ChangeSource, Proof)>,
}

/// The header that names a sender where the path does not.
const X_SOURCE: &str = "X-Source";

/// What somebody brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goods {
    Alerts,
    Changes(ChangeSource),
}

/// Where a request comes in: settled once, before anything else is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    pub name: String,
    pub goods: Goods,
    proof: Arc<Proof>,
}

/// A request that is believed.
pub(crate) struct Admitted {
    /// What convinced, for the record.
    pub how: String,
    pub replay_key: Option<String>,
    pub may_confirm: bool,
}

impl Entrance {
    /// Where a POST to this route comes in; `None` for routes that bring nothing in.
    pub fn of(senders: &Senders, route: &str, request: &Request) -> Option<Result<Self, ApiError>> {
        match route {
            "/api/v1/ingest/{source}" => {
                // Names have no characters that a path would have to write otherwise.
                Some(Self::alerts(senders, request.uri().path().rsplit('/').next().unwrap_or_default()))
            }
            "/webhook" => Some(Self::webhook(senders, request.headers())),
            "/api/v1/changes" => Some(Self::changes(senders, request.headers(), request.uri())),
            _ => None,
        }
    }

    fn webhook(senders: &Senders, headers: &HeaderMap) -> Result<Self, ApiError> {
        let name = x_source(headers)?.ok_or_else(|| {
            ApiError::bad_request("the header X-Source is missing: it names the source, such as `grafana`")
        })?;
        Self::alerts(senders, name)
    }

    fn alerts(senders: &Senders, name: &str) -> Result<Self, ApiError> {
        let own = Source::by_name(name).map(|_| &Proof::Key);
        let proof = senders.alerts.get(name).or(own).ok_or_else(|| {
            let mut known: Vec<&str> = Source::readable().map(Source::name).collect();
            known.extend(senders.alerts.keys().map(String::as_str));
            unknown("alerts", name, known)
        })?;
        Ok(Self { name: name.to_owned(), goods: Goods::Alerts, proof: Arc::new(proof.clone()) })
    }

    fn changes(senders: &Senders, headers: &HeaderMap, uri: &Uri) -> Result<Self, ApiError> {
        let query: Query<Vec<(String, String)>> =
            Query::try_from_uri(uri).map_err(|error| ApiError::bad_request(error.body_text()))?;
        let mut names: Vec<&str> =
            query.iter().filter(|(key, _)| key == "source").map(|(_, name)| name.as_str()).collect();
        names.extend(x_source(headers)?);
        let name = match names.as_slice() {
            [] => ChangeSource::Generic.name(),
            [name] => name,
            _ => return Err(ApiError::bad_request("the source is named more than once; name it once")),
        };
        let own = ChangeSource::by_name(name).map(|source| (source, Proof::Key));
        let (source, proof) = senders.changes.get(name).cloned().or(own).ok_or_else(|| {
            let mut known: Vec<&str> = ChangeSource::VARIANTS.iter().map(|source| source.name()).collect();
            known.extend(senders.changes.keys().map(String::as_str));
            unknown("changes", name, known)
        })?;
        Ok(Self { name: name.to_owned(), goods: Goods::Changes(source), proof: Arc::new(proof) })
    }

    /// Whether the request itself shows who sends it, so that no API key is needed.
    pub fn proves_itself(&self) -> bool {
        !matches!(*self.proof, Proof::Key)
    }

    /// Whether the request comes from who it says.
    pub async fn admit(&self, api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<Admitted, ApiError> {
        let now = api.engine.now();
        let verified = match &*self.proof {
            Proof::Key => {
                let how = "the API".to_owned();
                return Ok(Admitted { how, replay_key: None, may_confirm: false });
            }
            Proof::Scheme(scheme) => scheme.verify(&Lookup(headers), body, now).map_err(refused),
            Proof::Sns(topics) => sns::verify(api, topics, body, now).await,
        };
        let verified = verified.inspect_err(|error| {
            tracing::debug!(source = self.name, ?error, "a request was not let in");
        })?;
        api.limiter.check_caller(&format!("source/{}", self.name))?;
        let may_confirm = matches!(*self.proof, Proof::Sns(_));
        Ok(Admitted { how: verified.how, replay_key: verified.replay_key, may_confirm })
    }
}

fn x_source(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let values: Vec<_> = headers.get_all(X_SOURCE).iter().collect();
    match values.as_slice() {
        [] => Ok(None),
        [value] => value.to_str().map(Some).map_err(|_| ApiError::bad_request("X-Source is not a name")),
        _ => Err(ApiError::bad_request("the header X-Source is there more than once; send it once")),
    }
}

fn unknown(what: &str, name: &str, mut known: Vec<&str>) -> ApiError {
    known.sort_unstable();
    known.dedup();
    let known = known.join(", ");
    ApiError::not_found(format!("{what} from `{name}` cannot be read; known sources: {known}"))
}

fn refused(refused: Refused) -> ApiError {
    ApiError::unauthorized(format!("the request is not believed: {refused}"))
}

/// A request's headers, repetitions included.
pub(crate) struct Lookup<'a>(pub &'a HeaderMap);

impl Headers for Lookup<'_> {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        self.0.get_all(name).iter().map(axum::http::HeaderValue::as_bytes).collect()
    }
}
