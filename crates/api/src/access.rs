//! Who may call, and how often. Everything here happens before a body is read.

mod body;
mod client;
mod key;
mod limit;
mod refusals;
mod scope;
mod session;
mod user;

pub use key::{ApiKey, KeyError, KeyRing, Minted, NamedKey, mint};
pub use limit::Limits;
pub use scope::Scope;
pub use user::{PASSWORD_CHARS_MIN, User, hash_password};

pub(crate) use client::Client;
pub(crate) use key::{Caller, SERVERS_KEY};
pub(crate) use limit::Limiter;
pub(crate) use refusals::Refusals;
pub(crate) use session::{Session, Sessions, Signed};

use crate::Api;
use crate::door::Entrance;
use crate::error::{ApiError, said};
use crate::live;
use crate::routes::slack;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use scope::Needs;
use std::net::IpAddr;

/// Characters of a path by which a refused sender is told apart and named in the log.
const PATH_CHARS_MAX: usize = 100;

/// Lets a call through with its whole body, or answers it here.
pub(crate) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let client = Client::of(&request, &api.config.trusted_proxies);
    request.extensions_mut().insert(client);
    let path = request.uri().path().chars().take(PATH_CHARS_MAX).collect::<String>();
    let admitted = async {
        admit(&api, &mut request, client.0).await?;
        body::whole(request).await
    };
    let response = match admitted.await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let now = api.engine.now();
    api.refusals.sum_up(now);
    if Refusals::is_one(response.status()) {
        let said = said(&response).unwrap_or_default();
        api.refusals.count(client.0, &path, response.status(), said, now);
    }
    response
}

async fn admit(api: &Api, request: &mut Request, client: IpAddr) -> Result<(), ApiError> {
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let needs = Needs::of(&method, path.as_deref(), request.uri().path());
    if needs == Needs::Nothing {
        return Ok(());
    }
    api.limiter.check_ip(client)?;
    check_origin(api, request.headers())?;
    let scope = match needs {
        Needs::Nothing | Needs::Open => return Ok(()),
        Needs::Known => return check_key(api, request, client, None).await,
        Needs::Scope(scope) => Some(scope),
    };
    let is_press = method == Method::POST && path.as_deref() == Some(slack::PATH);
    if is_press && api.config.slack.is_some() {
        // Slack signs; the signature is looked at with the body.
        return Ok(());
    }
    if method != Method::POST {
        return check_key(api, request, client, scope).await;
    }
    match path.as_deref().and_then(|path| Entrance::of(&api.config.senders, path, request)) {
        // Whoever proves by a scheme of its own who it is needs no key; the proof is looked at with the body.
        Some(Ok(entrance)) if entrance.proves_itself() => {
            request.extensions_mut().insert(entrance);
            Ok(())
        }
        // Which names there are is only for those with a key.
        Some(entrance) => {
            check_key(api, request, client, scope).await?;
            request.extensions_mut().insert(entrance?);
            Ok(())
        }
        None => check_key(api, request, client, scope).await,
    }
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

/// The name of the API key that a request carries, kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyName(pub String);

async fn check_key(
    api: &Api,
    request: &mut Request,
    client: IpAddr,
    scope: Option<Scope>,
) -> Result<(), ApiError> {
    if api.config.keys.is_empty() {
        return check_host(api, request.headers());
    }
    let caller = who(api, request.method(), request.uri(), request.headers(), client).await?;
    api.limiter.check_caller(&caller.name)?;
    if let Some(scope) = scope.filter(|scope| !caller.may(*scope)) {
        return Err(ApiError::forbidden(format!(
            "the key `{}` lacks the scope `{scope}`, which this needs; use another, or make one with `midwatch key new`",
            caller.name
        )));
    }
    request.extensions_mut().insert(KeyName(caller.name.clone()));
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Who calls: by a page's ticket, a session or a key, in this order.
async fn who(
    api: &Api,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    client: IpAddr,
) -> Result<Caller, ApiError> {
    let now = api.engine.now();
    let by_key = || api.config.keys.caller(headers, || api.limiter.check_attempt(client));
    if uri.path() == live::PATH {
        // A cookie alone opens no connection: other sites' pages could send it along.
        return match live::ticket(uri) {
            Some(ticket) => {
                api.sessions.redeem(&ticket, now).ok_or_else(|| ApiError::unauthorized(STALE_TICKET))
            }
            None => by_key().await,
        };
    }
    // A session comes first: what a proxy in front adds for its own sign-in is no key of ours.
    let Some(session) = api.sessions.of(headers, now) else { return by_key().await };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if !reads && !session.is_said_by(headers) {
        if key::is_given(headers) {
            return by_key().await;
        }
        return Err(ApiError::forbidden(
            "the header X-CSRF-Token is missing or not this session's; reload the page and try again",
        ));
    }
    Ok(session.caller)
}

/// What whoever comes with a ticket that is used up or too old is told.
const STALE_TICKET: &str =
    "this ticket is used or too old; ask for one with `POST /api/v1/session/ticket` right before connecting";

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
