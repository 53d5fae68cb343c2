//! The past of a series, for charts.

use crate::query::Asked;
use crate::{Api, error::ApiError};
use axum::Json;
use axum::extract::{Query, State};
use midwatch_model::{Metric, ServiceName, Timestamp, after};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds back if nothing else is asked for.
const BACK_S: f64 = 900.0;

/// Points that a chart gets at most: more than a screen has columns are not seen.
const POINTS_MAX: usize = 600;

/// A series between two times.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeriesDto {
    service: String,
    metric: String,
    #[schema(value_type = String)]
    since: Timestamp,
    #[schema(value_type = String)]
    until: Timestamp,
    /// Pairs of milliseconds since 1970 and value, oldest first. Of too many, the largest of each stretch.
    #[schema(value_type = Vec<Vec<f64>>)]
    points: Vec<(i64, f64)>,
}

/// The samples of one series, as midwatch and the source of metrics have kept them; without any, nobody has kept them.
#[utoipa::path(get, path = "/api/v1/series", tag = "services",
    params(("service" = String, Query), ("metric" = String, Query),
        ("since" = Option<String>, Query, description = "RFC 3339; default: a quarter of an hour before the end"),
        ("until" = Option<String>, Query, description = "RFC 3339; default: now")),
    responses((status = 200, body = SeriesDto), (status = 400)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<SeriesDto>, ApiError> {
    let asked = Asked::of(query, &["service", "metric", "since", "until"])?;
    let missing = |what: &str| ApiError::bad_request(format!("say of which {what}: `{what}` is missing"));
    let service = ServiceName::new(asked.text("service").ok_or_else(|| missing("service"))?);
    let metric: Metric = asked.value("metric")?.ok_or_else(|| missing("metric"))?;
    let until = asked.time("until")?.unwrap_or_else(|| api.engine.now());
    let since = asked.time("since")?.unwrap_or_else(|| after(until, -BACK_S));
    if since >= until {
        return Err(ApiError::bad_request("since must be before until"));
    }
    let samples = api.engine.samples_between(&service, metric, since, until).await;
    let points: Vec<(i64, f64)> =
        samples.into_iter().map(|(at, value)| (at.as_millisecond(), value)).collect();
    Ok(Json(SeriesDto {
        service: service.to_string(),
        metric: metric.name().to_owned(),
        since,
        until,
        points: thinned(points, metric),
    }))
}

/// The worst of each stretch: thinning must not hide a spike.
fn thinned(points: Vec<(i64, f64)>, metric: Metric) -> Vec<(i64, f64)> {
    let stretch = points.len().div_ceil(POINTS_MAX).max(1);
    if stretch == 1 {
        return points;
    }
    let worse = |a: f64, b: f64| if metric == Metric::Up { b.total_cmp(&a) } else { a.total_cmp(&b) };
    points.chunks(stretch).filter_map(|chunk| chunk.iter().max_by(|a, b| worse(a.1, b.1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_worst() {
        let check = |metric: Metric, odd: f64| {
            let mut points: Vec<(i64, f64)> = (0..5_000).map(|at| (at, 0.5)).collect();
            points[1_234].1 = odd;
            let thin = thinned(points, metric);
            assert!(thin.len() <= POINTS_MAX, "{}", thin.len());
            assert!(thin.contains(&(1_234, odd)), "{metric:?}");
        };
        check(Metric::Cpu, 0.99);
        check(Metric::Up, 0.0);
        assert_eq!(thinned(vec![(1, 1.0), (2, 2.0)], Metric::Cpu), [(1, 1.0), (2, 2.0)]);
    }
}
