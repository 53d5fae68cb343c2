//! Signing in and out, and tickets to listen with.

use crate::access::{Caller, Client, SERVERS_KEY, Scope, Session};
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CACHE_CONTROL, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;
use utoipa::ToSchema;

/// Longest name or key that is looked at, bytes.
const GIVEN_BYTES_MAX: usize = 512;

/// Who signs in: with an API key, or with a name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionDto {
    /// The name on record; absent where nobody is told apart: where no key is needed, and with the server's own key.
    name: Option<String>,
    /// `read`, `ingest`, `act`, `admin`.
    scopes: Vec<String>,
    /// What requests that change something say in the header X-CSRF-Token; absent where no cookie is in use.
    csrf: Option<String>,
    /// Whether the server asks who calls at all.
    needs_sign_in: bool,
    /// Whether there is a lab to break things in.
    lab: bool,
    /// Whether `POST /api/v1/demo` starts one.
    demo: bool,
    version: &'static str,
}

/// A ticket for one connection to `/ws`.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketDto {
    /// Goes into the query as `ticket`; absent where no key is needed. It is good once, for half a minute.
    ticket: Option<String>,
}

fn shown(api: &Api, caller: Option<&Caller>, session: Option<&Session>) -> SessionDto {
    let all = || Scope::VARIANTS.iter().map(ToString::to_string).collect();
    SessionDto {
        name: caller.map(|caller| caller.name.clone()).filter(|name| name != SERVERS_KEY),
        scopes: caller.map_or_else(all, |caller| caller.scopes().iter().map(ToString::to_string).collect()),
        csrf: session.map(|session| session.csrf.clone()),
        needs_sign_in: !api.config.keys.is_empty(),
        lab: api.config.lab.is_some(),
        demo: super::demo::is_offered(api),
        version: api.config.version,
    }
}

/// Who is signed in, by whichever way the request says so.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = SessionDto), (status = 401, description = "nobody is; sign in")))]
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let session = api.sessions.of(&headers, api.engine.now());
    let caller = caller.map(|Extension(caller)| caller);
    ([(CACHE_CONTROL, "no-store")], Json(shown(&api, caller.as_ref(), session.as_ref())))
}

/// Signs in with a key or with name and password; the answer sets a cookie that scripts cannot read.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignIn,
    responses((status = 200, body = SessionDto), (status = 400), (status = 401), (status = 429)))]
pub(crate) async fn open(
    State(api): State<Api>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Json(body) = body?;
    let caller = identify(&api, client, body).await?;
    let (token, session) = api.sessions.open(caller, api.engine.now())?;
    // Whoever signs in anew leaves the session that they had.
    api.sessions.close(&headers);
    tracing::info!(session.name = session.caller.name, client.address = %client.0, "somebody signed in");
    let cookie = [(SET_COOKIE, api.sessions.set_cookie(&token, is_secure(&headers)))];
    let shown = shown(&api, Some(&session.caller), Some(&session));
    Ok((AppendHeaders(cookie), [(CACHE_CONTROL, "no-store")], Json(shown)))
}

/// The one place where what somebody says becomes who they are; another server's word would be heard here.
async fn identify(api: &Api, Client(address): Client, said: SignIn) -> Result<Caller, ApiError> {
    let may_try = || api.limiter.check_attempt(address);
    let fits = |text: &String| (1..=GIVEN_BYTES_MAX).contains(&text.len());
    match said {
        SignIn { key: Some(key), user: None, password: None } if fits(&key) => {
            api.config.keys.holder(key.trim().to_owned(), may_try).await
        }
        SignIn { key: None, user: Some(user), password: Some(password) } if fits(&user) => {
            let may_try = || may_try().and_then(|()| api.limiter.check_attempt_for(&user));
            api.config.keys.person(&user, password, may_try).await
        }
        _ => Err(ApiError::bad_request(match api.config.keys.has_users() {
            true => "send either `key`, or `user` and `password`",
            false => "send `key`: nobody signs in with a password here; `midwatch user new` changes that",
        })),
    }
}

/// Browsers keep a cookie that is only for TLS from pages that came without; pages say how they came.
fn is_secure(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204)))]
pub(crate) async fn close(State(api): State<Api>, headers: HeaderMap) -> impl IntoResponse {
    api.sessions.close(&headers);
    (AppendHeaders([(SET_COOKIE, api.sessions.set_cookie("", is_secure(&headers)))]), StatusCode::NO_CONTENT)
}

/// A ticket with which a page listens at `/ws?ticket=…`, so that no key ever stands in an address.
#[utoipa::path(post, path = "/api/v1/session/ticket", tag = "session",
    responses((status = 200, body = TicketDto), (status = 401)))]
pub(crate) async fn ticket(State(api): State<Api>, request: Request) -> Result<impl IntoResponse, ApiError> {
    let caller = request.extensions().get::<Caller>().cloned();
    let ticket = caller.map(|caller| api.sessions.ticket(caller, api.engine.now())).transpose()?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(TicketDto { ticket })))
}
