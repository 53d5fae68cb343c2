//! The routes, grouped by what they speak of.

mod alerts;
mod autonomy;
mod backtest;
mod changes;
pub(crate) mod dead_letters;
mod demo;
mod forecasts;
mod incidents;
mod knowledge;
mod lineage;
mod maintenance;
mod notifications;
mod people;
mod series;
mod services;
mod session;
pub(crate) mod slack;
mod watch;
mod workflow;

pub(crate) use incidents::{named, waiting_of};
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
        .routes(routes!(lineage::of_alert))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::show))
        .routes(routes!(dead_letters::retry))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incidents::lineage))
        .routes(routes!(incidents::bundle))
        .routes(routes!(incidents::postmortem))
        .routes(routes!(incidents::false_alarm))
        .routes(routes!(people::acknowledge))
        .routes(routes!(people::assign))
        .routes(routes!(people::snooze))
        .routes(routes!(people::merge))
        .routes(routes!(people::split))
        .routes(routes!(people::revise))
        .routes(routes!(incidents::approvals, incidents::answer))
        .routes(routes!(slack::press))
        .routes(routes!(autonomy::show, autonomy::set))
        .routes(routes!(incidents::actions, incidents::act))
        .routes(routes!(knowledge::list, knowledge::add))
        .routes(routes!(knowledge::search))
        .routes(routes!(knowledge::reindex))
        .routes(routes!(knowledge::show, knowledge::remove))
        .routes(routes!(knowledge::candidates))
        .routes(routes!(knowledge::candidate, knowledge::review))
        .routes(routes!(maintenance::list, maintenance::add))
        .routes(routes!(maintenance::end))
        .routes(routes!(notifications::status))
        .routes(routes!(notifications::test))
        .routes(routes!(notifications::preview))
        .routes(routes!(workflow::runs))
        .routes(routes!(workflow::run))
        .routes(routes!(workflow::evidence))
        .routes(routes!(workflow::again))
        .routes(routes!(workflow::audit))
        .routes(routes!(workflow::rehearse))
        .routes(routes!(workflow::outline))
        .routes(routes!(backtest::run))
        .routes(routes!(services::list, services::register))
        .routes(routes!(services::unregister))
        .routes(routes!(services::graph))
        .routes(routes!(series::show))
        .routes(routes!(session::show, session::open, session::close))
        .routes(routes!(session::ticket))
        .routes(routes!(demo::start))
        .routes(routes!(watch::health))
        .routes(routes!(watch::status))
        .routes(routes!(watch::config, watch::change_config))
        .routes(routes!(forecasts::list))
        .routes(routes!(forecasts::ledger))
        .routes(routes!(forecasts::capacity))
        .routes(routes!(forecasts::predict))
        .route("/metrics", axum::routing::get(crate::metrics::metrics))
}
