//! The dashboard's files, which are part of the binary.
//!
//! Owns: what browsers may do with them (the content security policy). Must never: serve anything else, or anything from
//! a disk.

use crate::error::no_route;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use midwatch_model::evidence::hex;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `npm run build` made of `web/`, if it was run before this was built.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
// A clone in which nobody has built it yet still compiles; a page then says how to build it.
#[allow_missing = true]
struct Files;

/// The page of a binary that was built without them.
const UNBUILT: &str = include_str!("dashboard/unbuilt.html");

/// Everything comes from this server and nothing is inline: what an alert or a log line says can never run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page that shows how to build the dashboard has a few lines of style, and nothing that runs.
const UNBUILT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is not shown but read by programs.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// Names of these files change with what is in them.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Everything that is no route of the API: a file of the dashboard, or the page itself for addresses that it handles.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let is_ours = matches!(method, Method::GET | Method::HEAD) && !path.starts_with("api/");
    if !is_ours {
        return no_route(uri).await.into_response();
    }
    if let Some(file) = Files::get(path).filter(|_| !path.is_empty()) {
        return sent(path, file, &headers);
    }
    let wants_page = text(&headers, ACCEPT).contains("text/html");
    match Files::get("index.html") {
        _ if !wants_page => no_route(uri).await.into_response(),
        Some(page) => sent("index.html", page, &headers),
        None => with_policy(UNBUILT_POLICY, ([(CONTENT_TYPE, "text/html; charset=utf-8")], UNBUILT)),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn sent(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", &hex(&file.metadata.sha256_hash())[..16]);
    if text(headers, IF_NONE_MATCH) == tag {
        // Browsers put the headers of this answer in the place of those that they kept.
        return with_policy(POLICY, (StatusCode::NOT_MODIFIED, [(ETAG, tag)]));
    }
    let kind = file.metadata.mimetype().to_owned();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind };
    let keep = if path.starts_with("assets/") { FOR_EVER } else { "no-cache" };
    let packed = Files::get(&format!("{path}.gz")).filter(|_| takes_gzip(headers));
    let is_packed = packed.is_some();
    let data = packed.unwrap_or(file).data.into_owned();
    let head = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, keep.to_owned()),
        (ETAG, tag),
        (VARY, "accept-encoding".into()),
    ];
    let mut response = with_policy(POLICY, (head, data));
    if is_packed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether packed bytes are taken; a weight of zero says no.
fn takes_gzip(headers: &HeaderMap) -> bool {
    text(headers, ACCEPT_ENCODING).split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let none = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case("gzip") && !none
    })
}

/// What is no page of the dashboard is data, also where a browser is pointed at it: nothing in it runs or is guessed at.
pub(crate) async fn inert(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DATA_POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

fn with_policy(policy: &'static str, answer: impl axum::response::IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
