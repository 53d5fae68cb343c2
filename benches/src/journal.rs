//! The journal: durable appends by many writers, and verification of what they wrote.

use crate::numbers::{Times, show};
use crate::table::{NOTHING, Row};
use anyhow::{Context as _, Result, ensure};
use midwatch_model::journal::{Entry, Line, Reading, StreamId};
use midwatch_model::{ServiceName, Timestamp};
use midwatch_store::{Append, Commit, Store};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writers at the same time; each waits for its own append before it makes the next.
const WRITERS: [usize; 3] = [1, 8, 64];

/// How long each number of writers writes.
const WRITE_FOR: Duration = Duration::from_secs(4);

/// Plain writes that are synced, as the disk's own answer.
const SYNCS: usize = 200;

/// What is verified: streams, and records of each.
const STREAMS: usize = 200;
const RECORDS: usize = 250;

pub fn run() -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let dir = tempfile::tempdir().context("no temporary folder")?;
    let mut rows = vec![disk(dir.path())?];
    for writers in WRITERS {
        rows.push(runtime.block_on(appends(dir.path(), writers))?);
    }
    rows.push(runtime.block_on(verification(dir.path()))?);
    Ok(rows)
}

/// What one write with fdatasync costs here: no durable append can be faster.
fn disk(dir: &Path) -> Result<Row> {
    let mut file = std::fs::File::create(dir.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    let times = Times::new(times);
    let measured = format!("p50 {}, p99 {}", show(times.percentile(50.0)), show(times.percentile(99.0)));
    Ok(Row::new("this disk: write of 4 KiB with fdatasync", measured, NOTHING))
}

fn line() -> Line {
    let detail =
        "payment-service p99 latency is 1,494 ms, normal is up to 878 ms; order-service error rate is \
                  47.4 %, normal is up to 5.0 %; the health endpoint fails"
            .to_owned();
    let at = Timestamp::now();
    Line::new(at, Entry::Observed { reading: Reading { at, normal: Some(false), worse_share: 0.25, detail } })
}

async fn appends(dir: &Path, writers: usize) -> Result<Row> {
    let store = Store::open(&dir.join(format!("appends-{writers}.db"))).await?;
    let until = Instant::now() + WRITE_FOR;
    let started = Instant::now();
    let tasks: Vec<_> = (0..writers).map(|n| tokio::spawn(write(store.clone(), n, until))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.context("a writer failed")??);
    }
    let per_s = times.len() as f64 / started.elapsed().as_secs_f64();
    store.close().await;
    let times = Times::new(times);
    let what = format!("journal, durable appends, {writers} writer{}", if writers == 1 { "" } else { "s" });
    let measured =
        format!("{per_s:.0}/s, p50 {}, p99 {}", show(times.percentile(50.0)), show(times.percentile(99.0)));
    Ok(Row::new(what, measured, NOTHING))
}

/// One writer on its own stream: one commit with one line at a time.
async fn write(store: Store, writer: usize, until: Instant) -> Result<Vec<Duration>> {
    let stream = StreamId::Service(ServiceName::new(format!("service-{writer}")));
    let mut times = Vec::new();
    while Instant::now() < until {
        let append = Append { stream: stream.clone(), expected: times.len() as u64, lines: vec![line()] };
        let started = Instant::now();
        store.commit(Commit { appends: vec![append], ..Commit::default() }).await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

async fn verification(dir: &Path) -> Result<Row> {
    let path = dir.join("verify.db");
    let store = Store::open(&path).await?;
    for n in 0..STREAMS {
        let stream = StreamId::Service(ServiceName::new(format!("service-{n}")));
        let append = Append { stream, expected: 0, lines: vec![line(); RECORDS] };
        store.commit(Commit { appends: vec![append], ..Commit::default() }).await?;
    }
    store.close().await;
    let started = Instant::now();
    let report = midwatch_store::verify(&path).await?;
    let took = started.elapsed();
    ensure!(report.is_clean() && report.records() == (STREAMS * RECORDS) as u64, "the store does not verify");
    let per_s = report.records() as f64 / took.as_secs_f64();
    let what = format!("store verify, {STREAMS} streams of {RECORDS} records");
    Ok(Row::new(what, format!("{per_s:.0} records/s"), NOTHING))
}
