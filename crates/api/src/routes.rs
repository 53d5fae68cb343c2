//! The routes, grouped by what they speak of.

mod alerts;
mod changes;
mod incidents;
mod services;
mod watch;
mod workflow;

pub(crate) use services::graph_of;

use crate::Api;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(alerts::ingest))
        .routes(routes!(alerts::webhook))
        .routes(routes!(changes::receive, changes::list))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::show))
        .routes(routes!(alerts::lineage))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incidents::lineage))
        .routes(routes!(incidents::postmortem))
        .routes(routes!(incidents::false_alarm))
        .routes(routes!(incidents::approvals, incidents::answer))
        .routes(routes!(incidents::actions, incidents::act))
        .routes(routes!(workflow::runs))
        .routes(routes!(workflow::run))
        .routes(routes!(workflow::evidence))
        .routes(routes!(workflow::audit))
        .routes(routes!(services::list, services::register))
        .routes(routes!(services::graph))
        .routes(routes!(watch::health))
        .routes(routes!(watch::status))
        .routes(routes!(watch::config))
        .route("/metrics", axum::routing::get(crate::metrics::metrics))
}
