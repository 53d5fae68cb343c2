//! The dashboard in Chromium over a big store: first paint, a filter's answer, memory while changes come.

use crate::lists;
use crate::process::{Server, built};
use crate::table::Row;
use anyhow::{Context as _, Result, ensure};
use midwatch_store::Store;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Services on the graph; the number of the design.
const SERVICES: usize = 500;
/// Minutes in which the page's memory is watched, unless the environment says otherwise.
const MINUTES: &str = "10";

pub fn run() -> Result<Vec<Row>> {
    let binary = built()?;
    let dir = tempfile::tempdir().context("no temporary folder")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(seed(&dir.path().join("midwatch.db")))?;
    let server = Server::midwatch_in(&binary, "", dir)?;
    runtime.block_on(register(&server))?;
    let seen = look(&server)?;
    Ok(rows(&seen))
}

async fn seed(path: &Path) -> Result<()> {
    let store = Store::open(path).await?;
    lists::fill(&store).await?;
    store.close().await;
    Ok(())
}

/// A chain of services with a second line beside it, as production looks from afar.
async fn register(server: &Server) -> Result<()> {
    let http = reqwest::Client::new();
    for number in 0..SERVICES {
        let calls: Vec<String> = [number * 2 + 1, number * 2 + 2]
            .iter()
            .filter(|n| **n < SERVICES)
            .map(|n| format!("service-{n}"))
            .collect();
        let body = json!({ "name": format!("service-{number}"), "depends_on": calls });
        let url = format!("http://{}/api/v1/services", server.address);
        let answer = http.post(url).json(&body).send().await?;
        ensure!(answer.status().is_success(), "a service was not registered: {}", answer.text().await?);
    }
    Ok(())
}

fn look(server: &Server) -> Result<Value> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let minutes = std::env::var("MIDWATCH_BENCH_MINUTES").unwrap_or_else(|_| MINUTES.to_owned());
    let url = format!("http://{}", server.address);
    let output = Command::new("node").args(["e2e/bench.mjs", &url, &minutes]).current_dir(web).output();
    let output =
        output.context("node cannot be started: `cargo xtask bench web` needs Node.js and Chromium")?;
    ensure!(output.status.success(), "the browser failed:\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the browser's numbers cannot be read")
}

fn rows(seen: &Value) -> Vec<Row> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let paint = |page: &str| {
        let measured = format!("median {:.0} ms", number(&seen["paint_ms"][page]));
        Row::new(format!("dashboard, first contentful paint of {page}"), measured, "≤ 1 s")
    };
    let heaps: Vec<f64> = seen["heaps_mb"].as_array().into_iter().flatten().map(number).collect();
    let heaps: Vec<String> = heaps.iter().map(|mb| format!("{mb:.1}")).collect();
    vec![
        paint("watch"),
        paint("alerts"),
        paint("incidents"),
        Row::new(
            "dashboard, a filter of 100,000 alerts",
            format!(
                "next frame {:.0} ms, its rows {:.0} ms (worst of 9; each: {})",
                number(&seen["frame_ms"]),
                number(&seen["rows_ms"]),
                seen["each_ms"]
            ),
            "≤ 100 ms",
        ),
        Row::new(
            format!("dashboard, {} services drawn", seen["drawn"]["services"]),
            format!(
                "at once {:.0} ms, longest task while changes come {:.0} ms",
                number(&seen["drawn"]["ms"]),
                number(&seen["longest_ms"])
            ),
            "no stutter",
        ),
        Row::new(
            "dashboard, heap while changes come, MB minute by minute",
            heaps.join(" → "),
            "stable over 10 minutes",
        ),
    ]
}
