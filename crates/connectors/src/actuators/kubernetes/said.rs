//! What the pods of a service wrote: the application's own words, which come another way than what the API server knows of
//! it. Events are no such thing: the control plane writes them itself.

use super::call::Cluster;
use super::place::Place;
use super::thing::{is_ready, name, selector};
use crate::ConnectorError;
use futures::future::join_all;
use kube::api::LogParams;
use midwatch_model::{Timestamp, seconds_between};
use serde_json::Value;

/// Pods that are read, those that are not ready first.
const PODS_MAX: usize = 5;

/// Lines and bytes of one pod.
const LINES_MAX: i64 = 1_000;
const BYTES_MAX: i64 = 256 << 10;

/// The lines within a window, oldest first.
pub(super) async fn said(
    cluster: &Cluster,
    place: &Place,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(Timestamp, String)>, ConnectorError> {
    let workload = cluster.demand(&place.path(), &place.name, &place.title()).await?;
    let failed =
        |reason: String| ConnectorError::Query { query: format!("pod logs of {}", place.title()), reason };
    let all = cluster.list(&place.core("pods"), &selector(&workload), "").await;
    let mut pods: Vec<Value> = all.map_err(|refusal| failed(refusal.to_string()))?;
    pods.sort_by_key(|pod| (is_ready(pod), name(pod).to_owned()));
    pods.truncate(PODS_MAX);
    let path = place.core("pods");
    let since_s = seconds_between(from, to).ceil().max(1.0) as i64;
    let logs = join_all(pods.iter().map(|pod| {
        let first = &pod["status"]["containerStatuses"][0];
        let params = LogParams {
            container: first["name"].as_str().map(str::to_owned),
            timestamps: true,
            since_seconds: Some(since_s),
            tail_lines: Some(LINES_MAX),
            limit_bytes: Some(BYTES_MAX),
            ..LogParams::default()
        };
        let path = &path;
        async move { cluster.log(path, name(pod), &params).await }
    }))
    .await;
    let mut lines = Vec::new();
    let mut refused = None;
    for log in logs {
        match log {
            Ok(log) => lines.extend(log.lines().filter_map(line).filter(|(at, _)| (from..=to).contains(at))),
            Err(refusal) => refused = Some(refusal.to_string()),
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    match refused {
        Some(refused) if lines.is_empty() => Err(failed(refused)),
        _ => Ok(lines),
    }
}

/// The time that the node took a line in, and the line.
fn line(text: &str) -> Option<(Timestamp, String)> {
    let (at, rest) = text.split_once(' ')?;
    Some((at.parse().ok()?, rest.to_owned()))
}
