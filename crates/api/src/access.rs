//! Who may call, and how often. Everything here happens before a body is read.

mod body;
mod key;
mod limit;
mod scope;

pub use key::{ApiKey, KeyError, KeyRing, Minted, NamedKey, mint};
pub use limit::Limits;
pub use scope::Scope;

pub(crate) use limit::Limiter;

use crate::door::Entrance;
use crate::{Api, error::ApiError};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use scope::Needs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Lets a call through with its whole body, or answers it here.
pub(crate) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let admitted = async {
        admit(&api, &mut request).await?;
        body::whole(request).await
    };
    match admitted.await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn admit(api: &Api, request: &mut Request) -> Result<(), ApiError> {
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let needs = Needs::of(&method, path.as_deref());
    if needs == Needs::Nothing {
        return Ok(());
    }
    let peer = peer(request);
    api.limiter.check_ip(peer)?;
    check_origin(api, request.headers())?;
    let Needs::Scope(scope) = needs else { return Ok(()) };
    if method != Method::POST {
        return check_key(api, request.headers(), peer, scope).await;
    }
    match path.as_deref().and_then(|path| Entrance::of(&api.config.senders, path, request)) {
        // Whoever proves by a scheme of its own who it is needs no key; the proof is looked at with the body.
        Some(Ok(entrance)) if entrance.proves_itself() => {
            request.extensions_mut().insert(entrance);
            Ok(())
        }
        // Which names there are is only for those with a key.
        Some(entrance) => {
            check_key(api, request.headers(), peer, scope).await?;
            request.extensions_mut().insert(entrance?);
            Ok(())
        }
        None => check_key(api, request.headers(), peer, scope).await,
    }
}

/// Where a request comes from.
fn peer(request: &Request) -> IpAddr {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A browser says which page asks; only pages of this server itself and those that are configured may.
fn check_origin(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = text(headers, HOST.as_str()).unwrap_or_default();
    let own = origin == format!("http://{host}") || origin == format!("https://{host}");
    if own || api.config.cors_origins.iter().any(|allowed| allowed == origin) {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "the origin `{origin}` may not call this server; name it in [server] cors_origins if it should"
    )))
}

async fn check_key(api: &Api, headers: &HeaderMap, peer: IpAddr, scope: Scope) -> Result<(), ApiError> {
    if api.config.keys.is_empty() {
        return check_host(api, headers);
    }
    let caller = api.config.keys.caller(headers, || api.limiter.check_attempt(peer)).await?;
    api.limiter.check_caller(&caller.name)?;
    if !caller.may(scope) {
        return Err(ApiError::forbidden(format!(
            "the key `{}` lacks the scope `{scope}`, which this needs; use another, or make one with `midwatch key new`",
            caller.name
        )));
    }
    Ok(())
}

/// Without a key only this machine may call, and not by way of a name that a web page made resolve to it.
fn check_host(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = text(headers, HOST.as_str()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let own = api.config.listen.ip().to_string();
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name == own {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "the host `{host}` is not this machine; set an API key to serve other names"
    )))
}
