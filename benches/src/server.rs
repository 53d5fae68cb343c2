//! The server at rest: how soon it is ready, and how much memory it holds.

use crate::numbers::{Times, show};
use crate::process::{Server, built};
use crate::table::Row;
use anyhow::Result;
use std::time::Duration;

/// Starts of which the median is given.
const STARTS: usize = 5;

/// How long the last server rests before its memory is read.
const REST: Duration = Duration::from_secs(5);

pub fn run() -> Result<Vec<Row>> {
    let binary = built()?;
    let mut ready = Vec::with_capacity(STARTS);
    for _ in 1..STARTS {
        ready.push(Server::midwatch(&binary, "")?.ready_after);
    }
    let last = Server::midwatch(&binary, "")?;
    ready.push(last.ready_after);
    std::thread::sleep(REST);
    let rss_mb = last.rss_mb()?;
    drop(last);
    let ready = Times::new(ready);
    Ok(vec![
        Row::new(
            "midwatch serve, start to ready",
            format!("median {}, max {} ({STARTS} starts)", show(ready.percentile(50.0)), show(ready.max())),
            "≤ 1 s",
        ),
        Row::new("midwatch serve, resident memory at rest", format!("{rss_mb:.1} MB"), "≤ 80 MB"),
    ])
}
