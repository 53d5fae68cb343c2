//! The demo world, started from the dashboard.
//!
//! It is a world of its own with a midwatch of its own: nothing of this server changes. It starts processes, so that it
//! is only for who may do everything, sits at this very machine, and asks a server that listens for nobody else.

use crate::access::Client;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::{Extension, State};
use serde::Serialize;
use utoipa::ToSchema;

/// Where the demo world's own dashboard is.
#[derive(Serialize, ToSchema)]
pub(crate) struct DemoDto {
    url: String,
}

/// Whether this server starts one for anybody.
pub(crate) fn is_offered(api: &Api) -> bool {
    api.config.demo.is_some() && api.config.listen.ip().is_loopback()
}

/// Starts six small services with traffic and a midwatch that watches them; where they run already, says where.
#[utoipa::path(post, path = "/api/v1/demo", tag = "watch",
    responses((status = 200, body = DemoDto), (status = 403, description = "it is not started from here; why, and how it is"),
        (status = 404, description = "the lab is not built in"), (status = 503)))]
pub(crate) async fn start(
    State(api): State<Api>,
    Extension(Client(address)): Extension<Client>,
) -> Result<Json<DemoDto>, ApiError> {
    let Some(start) = api.config.demo.as_ref() else {
        return Err(ApiError::not_found(
            "this midwatch was built without the lab; build it with `--features lab`",
        ));
    };
    let elsewhere = |why: &str| ApiError::forbidden(format!("{why}; on your own machine: `midwatch demo`"));
    if !is_offered(&api) {
        return Err(elsewhere(
            "this server listens for other machines, too, and starts no processes for them",
        ));
    }
    if !address.is_loopback() {
        return Err(elsewhere("the lab is reached from its own machine only, and you ask from another"));
    }
    let started =
        start().await.map_err(|error| ApiError::unavailable(format!("the lab did not start: {error}")))?;
    Ok(Json(DemoDto { url: started }))
}
