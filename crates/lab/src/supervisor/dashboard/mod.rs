//! The operations dashboard: server-rendered pages that work without scripts.
//!
//! Its actions are the control plane's operations, done by `ops`. It must not know about faults.

mod pages;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::fleet::Fleet;
use super::operations::{self, Operation, Refusal, Status, Terms};
use super::world::World;
pub(super) use session::Sessions;
use session::{LoginOutcome, Session};

/// Who the dashboard acts as.
const ACTOR: &str = "ops";
/// Nothing from elsewhere, no scripts; the style sheet is a page of its own.
const CSP: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/style.css", get(style))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/services/{service}", get(service_page))
        .route("/services/{service}/{action}", post(act))
        .layer(axum::middleware::map_response(harden))
        .with_state(world)
}

async fn harden(mut response: Response) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        let name: HeaderName = name;
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("style.css"))
}

async fn home(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let Some(session) = world.sessions.find(&headers) else { return Redirect::to("/login").into_response() };
    let fleets: Vec<&Arc<Fleet>> = world.fleets.values().collect();
    let health =
        futures::future::join_all(fleets.iter().map(|fleet| pages::read_health(&world, fleet))).await;
    Html(pages::services(&session, &fleets, &health)).into_response()
}

#[derive(Deserialize)]
struct Tab {
    tab: Option<String>,
    message: Option<String>,
}

async fn service_page(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Tab>,
    headers: HeaderMap,
) -> Response {
    let Some(session) = world.sessions.find(&headers) else { return Redirect::to("/login").into_response() };
    let fleet = match super::control_api::fleet(&world, &name) {
        Ok(fleet) => fleet,
        Err(refusal) => return problem(&refusal),
    };
    let tab = query.tab.as_deref().unwrap_or("overview");
    let message = query.message.as_deref();
    Html(pages::service(&world, &session, fleet, tab, message).await).into_response()
}

async fn login_page() -> Html<String> {
    Html(pages::login(None))
}

#[derive(Deserialize)]
struct LoginForm {
    user: String,
    password: String,
}

async fn login(State(world): State<Arc<World>>, Form(form): Form<LoginForm>) -> Response {
    let checking = Arc::clone(&world);
    let LoginForm { user, password } = form;
    // The hash takes tens of milliseconds of CPU on purpose; that must not stop the proxies.
    let checked = tokio::task::spawn_blocking(move || checking.sessions.log_in(&user, &password)).await;
    match checked {
        Ok(LoginOutcome::Welcome(cookie)) => {
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Ok(LoginOutcome::Throttled) => {
            let page = pages::login(Some("Too many attempts. Wait half a minute and try again."));
            (StatusCode::TOO_MANY_REQUESTS, Html(page)).into_response()
        }
        Ok(LoginOutcome::Wrong) | Err(_) => {
            let page = pages::login(Some("Wrong user or password."));
            (StatusCode::UNAUTHORIZED, Html(page)).into_response()
        }
    }
}

#[derive(Deserialize)]
struct ActionForm {
    csrf: String,
    to: Option<String>,
    replicas: Option<u32>,
    size: Option<u32>,
}

async fn logout(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Form(form): Form<ActionForm>,
) -> Response {
    match authorised(&world, &headers, &form.csrf) {
        Ok(_) => {
            world.sessions.end(&headers);
            Redirect::to("/login").into_response()
        }
        Err(refusal) => problem(&refusal),
    }
}

async fn act(
    State(world): State<Arc<World>>,
    Path((name, action)): Path<(String, String)>,
    headers: HeaderMap,
    Form(form): Form<ActionForm>,
) -> Response {
    if let Err(refusal) = authorised(&world, &headers, &form.csrf) {
        return problem(&refusal);
    }
    let fleet = match super::control_api::fleet(&world, &name) {
        Ok(fleet) => Arc::clone(fleet),
        Err(refusal) => return problem(&refusal),
    };
    let (operation, tab) = match (action.as_str(), form.to, form.replicas, form.size) {
        ("rollback", to, _, _) => (Operation::Rollback { to }, "deployments"),
        ("restart", ..) => (Operation::Restart, "instances"),
        ("scale", _, Some(replicas), _) => (Operation::Scale { replicas }, "scaling"),
        ("pool_resize", _, _, Some(size)) => (Operation::PoolResize { size }, "scaling"),
        ("pool_restart", ..) => (Operation::PoolRestart, "scaling"),
        _ => {
            return problem(&Refusal::new(
                StatusCode::BAD_REQUEST,
                "no such action, or its number is missing",
            ));
        }
    };
    let terms = Terms { by: ACTOR.to_owned(), ..Terms::default() };
    let message = match operations::submit(&world, &fleet, operation, terms).await {
        Ok(record) if record.status == Status::Succeeded => record.detail,
        Ok(record) => format!("Failed: {}", record.detail),
        Err(refusal) => format!("Refused: {}", refusal.error),
    };
    let message = pages::percent_encode(&message);
    Redirect::to(&format!("/services/{name}?tab={tab}&message={message}")).into_response()
}

/// The session, if there is one and the form is its own.
fn authorised(world: &World, headers: &HeaderMap, csrf: &str) -> Result<Session, Refusal> {
    let nobody = || Refusal::new(StatusCode::UNAUTHORIZED, "log in first");
    let session = world.sessions.find(headers).ok_or_else(nobody)?;
    if !session::same(&session.csrf, csrf) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "this form is out of date; reload the page"));
    }
    Ok(session)
}

fn problem(refusal: &Refusal) -> Response {
    (refusal.status, Html(pages::problem(&refusal.error))).into_response()
}
