//! The whole body, within its limit and in time.

use crate::BODY_MAX;
use crate::error::ApiError;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::LengthLimitError;
use std::time::Duration;

/// How long a body may take as a whole: 8 MiB over a line of 1.2 Mbit/s. Who sends a byte now and then holds nothing.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// Reads the body, so that no handler waits for it.
pub(super) async fn whole(request: Request) -> Result<Request, ApiError> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > BODY_MAX as u64) {
        return Err(too_large());
    }
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, BODY_MAX)).await;
    let bytes = read.map_err(|_| {
        ApiError::timeout(format!("the body did not arrive within {} s", BODY_TIME_MAX.as_secs()))
    })?;
    let bytes = bytes.map_err(|error| {
        let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
        match causes.any(|cause| cause.is::<LengthLimitError>()) {
            true => too_large(),
            false => ApiError::bad_request("the body broke off; send it again"),
        }
    })?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn too_large() -> ApiError {
    ApiError::too_large(format!("the body has more than {BODY_MAX} bytes; send it in several parts"))
}
