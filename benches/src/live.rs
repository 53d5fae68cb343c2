//! Dashboards that listen: how soon each hears of a change, what they cost, and whether one that takes nothing is noticed.

use crate::numbers::{Times, show};
use crate::process::{Server, built};
use crate::table::Row;
use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Clients that listen; the number of the design.
const CLIENTS: usize = 1000;
/// Clients that take nothing after the first message.
const STALLED: usize = 20;
/// Changes that all of them hear of.
const EVENTS: usize = 30;
/// Bytes of the view: what stalled clients leave lying fills their windows.
const SERVICES: usize = 200;
/// Those of each kind who may not listen.
const STRANGERS: usize = 50;
/// Longest wait for one change to reach everybody.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn run() -> Result<Vec<Row>> {
    let binary = built()?;
    let server = Server::midwatch(&binary, "")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut rows = runtime.block_on(measure(&server))?;
    drop(server);
    rows.push(runtime.block_on(strangers(&binary))?);
    Ok(rows)
}

async fn measure(server: &Server) -> Result<Vec<Row>> {
    let http = reqwest::Client::new();
    for number in 0..SERVICES {
        register(server, &http, &format!("service-{number}")).await?;
    }
    let before_mb = server.rss_mb()?;
    let (heard, mut hears) = unbounded_channel();
    for _ in 0..CLIENTS {
        tokio::spawn(listen(format!("ws://{}/ws", server.address), heard.clone()));
    }
    all(&mut hears, "the first view").await?;
    let mut stalled = Vec::with_capacity(STALLED);
    for _ in 0..STALLED {
        stalled.push(stall(server).await?);
    }
    let mut times = Vec::with_capacity(EVENTS * CLIENTS);
    for number in 0..EVENTS {
        let began = Instant::now();
        register(server, &http, &format!("event-{number}")).await?;
        times.extend(all(&mut hears, &format!("event-{number}")).await?.into_iter().map(|at| at - began));
    }
    let grown_mb = server.rss_mb()? - before_mb;
    let (mut dropped, mut resynced) = (0, 0);
    for stream in stalled {
        match woken(stream).await? {
            Woken::Dropped => dropped += 1,
            Woken::Resynced => resynced += 1,
            Woken::Neither => {}
        }
    }
    let times = Times::new(times);
    let measured = format!(
        "p50 {}, p99 {}, max {}",
        show(times.percentile(50.0)),
        show(times.percentile(99.0)),
        show(times.max())
    );
    Ok(vec![
        Row::new(
            format!("/ws, change to {CLIENTS} clients, {STALLED} more stalled"),
            measured,
            "p99 ≤ 200 ms",
        ),
        Row::new(
            format!("/ws, {STALLED} stalled clients that read again"),
            format!("{dropped} dropped, {resynced} have the last view"),
            format!("{STALLED} in all"),
        ),
        Row::new(format!("/ws, memory of {CLIENTS} clients"), format!("{grown_mb:.1} MB"), "≤ 100 MB"),
    ])
}

async fn register(server: &Server, http: &reqwest::Client, name: &str) -> Result<()> {
    let url = format!("http://{}/api/v1/services", server.address);
    let answer = http.post(url).json(&json!({ "name": name })).send().await?;
    ensure!(answer.status().is_success(), "{name} was not registered: {}", answer.text().await?);
    Ok(())
}

/// What a client heard last, and when.
type Heard = (Arc<str>, Instant);

async fn listen(url: String, heard: UnboundedSender<Heard>) -> Result<()> {
    let (mut socket, _) = connect_async(url).await?;
    let (mut last, mut is_first) = (0, true);
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        // Events come one after another, and a view has all of them.
        let news = (last..EVENTS).take_while(|number| text.contains(&format!("\"event-{number}\""))).last();
        let name = match news {
            Some(number) => {
                last = number + 1;
                format!("event-{number}")
            }
            None if is_first => "the first view".to_owned(),
            None => continue,
        };
        is_first = false;
        if heard.send((name.into(), Instant::now())).is_err() {
            break;
        }
    }
    Ok(())
}

/// Waits until every client has heard that; gives when each did.
async fn all(hears: &mut UnboundedReceiver<Heard>, what: &str) -> Result<Vec<Instant>> {
    let mut times = Vec::with_capacity(CLIENTS);
    while times.len() < CLIENTS {
        match tokio::time::timeout(PATIENCE, hears.recv()).await {
            Ok(Some((name, at))) if &*name == what => times.push(at),
            Ok(Some(_)) => {}
            _ => bail!("{} of {CLIENTS} clients heard of {what}", times.len()),
        }
    }
    Ok(times)
}

/// Pages of other sites, and programs without a key: how many of them are let in.
async fn strangers(binary: &Path) -> Result<Row> {
    let minted = Command::new(binary).args(["key", "new", "--name", "ada", "--scopes", "read"]).output()?;
    ensure!(minted.status.success(), "no key was made: {}", String::from_utf8_lossy(&minted.stderr));
    let table = String::from_utf8(minted.stdout).context("the key's table is no text")?;
    let begin = table.find("[[api_key]]").context("the key has no table")?;
    let (open, keyed) = (Server::midwatch(binary, "")?, Server::midwatch(binary, &table[begin..])?);
    let mut accepted = 0;
    for number in 0..STRANGERS {
        let origin = format!("Origin: http://page-{number}.example\r\n");
        let ticket = format!("/ws?ticket={number:032x}");
        for (server, path, more) in
            [(&open, "/ws", origin.as_str()), (&keyed, "/ws", ""), (&keyed, ticket.as_str(), "")]
        {
            let (_, first) = knock(server, path, more).await?;
            accepted += usize::from(first == *b"HTTP/1.1 101");
        }
    }
    Ok(Row::new(
        format!("/ws, {} connects of other origins, without a key, with a guessed ticket", 3 * STRANGERS),
        format!("{accepted} accepted"),
        "0 accepted",
    ))
}

/// A client that takes the head of the answer and nothing else.
async fn stall(server: &Server) -> Result<TcpStream> {
    let (stream, first) = knock(server, "/ws", "").await?;
    ensure!(first == *b"HTTP/1.1 101", "a stalled client was not let in");
    Ok(stream)
}

/// What a stalled client finds when it reads again.
enum Woken {
    Dropped,
    /// All changes, the last one with them.
    Resynced,
    Neither,
}

async fn woken(mut stream: TcpStream) -> Result<Woken> {
    let last = format!("\"event-{}\"", EVENTS - 1);
    let (mut text, mut part) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match tokio::time::timeout(PATIENCE, stream.read(&mut part)).await {
            Ok(Ok(0) | Err(_)) => return Ok(Woken::Dropped),
            Ok(Ok(count)) => text.extend_from_slice(&part[..count]),
            Err(_) => return Ok(Woken::Neither),
        }
        if String::from_utf8_lossy(&text).contains(&last) {
            return Ok(Woken::Resynced);
        }
    }
}

/// Asks to listen, with more lines in the head of the request; gives the beginning of the answer.
async fn knock(server: &Server, path: &str, more: &str) -> Result<(TcpStream, [u8; 12])> {
    let mut stream = TcpStream::connect(server.address).await.context("no connection")?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).await?;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await?;
    Ok((stream, first))
}
