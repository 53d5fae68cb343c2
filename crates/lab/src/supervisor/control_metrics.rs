//! The control plane's own metrics.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::fleet::Fleet;
use super::world::World;

type Read = fn(&Fleet) -> u64;

const METRICS: [(&str, &str, Read); 4] = [
    ("control_plane_restarts_total", "counter", Fleet::restarts),
    ("control_plane_replicas", "gauge", |fleet| u64::from(fleet.replicas())),
    ("control_plane_ready_replicas", "gauge", |fleet| fleet.live_instances().len() as u64),
    ("control_plane_oom_kills_total", "counter", |fleet| fleet.oom_kills.load(Ordering::Relaxed)),
];

pub(super) async fn expose(State(world): State<Arc<World>>) -> impl IntoResponse {
    let mut out = String::new();
    for (name, kind, read) in METRICS {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for fleet in world.fleets.values() {
            let _ = writeln!(out, "{name}{{service=\"{}\"}} {}", fleet.service, read(fleet));
        }
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out)
}
