//! A load generator: prepared requests over kept connections, each answered before the next is sent.

use crate::numbers::Times;
use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What came of a load.
pub struct Outcome {
    pub took: Duration,
    /// Of each request.
    pub times: Times,
    /// Requests that were not answered with 2xx.
    pub refused: usize,
}

/// A POST of JSON.
pub fn post(address: SocketAddr, path: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

pub fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

/// Sends the requests of every list over a connection of its own.
pub fn run(address: SocketAddr, connections: &[Vec<Vec<u8>>]) -> Result<Outcome> {
    let began = Instant::now();
    let results: Vec<Result<(Vec<Duration>, usize)>> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            connections.iter().map(|requests| scope.spawn(move || one(address, requests))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok((Vec::new(), 1)))).collect()
    });
    let took = began.elapsed();
    let (mut times, mut refused) = (Vec::new(), 0);
    for result in results {
        let (of_one, refused_of_one) = result?;
        times.extend(of_one);
        refused += refused_of_one;
    }
    Ok(Outcome { took, times: Times::new(times), refused })
}

fn one(address: SocketAddr, requests: &[Vec<u8>]) -> Result<(Vec<Duration>, usize)> {
    let stream = TcpStream::connect(address).context("cannot connect")?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let (mut times, mut refused) = (Vec::with_capacity(requests.len()), 0);
    for request in requests {
        let asked = Instant::now();
        stream.write_all(request)?;
        let (status, _) = answer(&mut answers)?;
        times.push(asked.elapsed());
        refused += usize::from(!(200..300).contains(&status));
    }
    Ok((times, refused))
}

/// Asks once over a connection of its own.
pub fn ask(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.write_all(request)?;
    answer(&mut BufReader::new(stream))
}

/// Status and body of an answer with a length or in chunks.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<(u16, Vec<u8>)> {
    let (mut status, mut length, mut chunked) = (0, 0, false);
    loop {
        let mut line = String::new();
        ensure!(stream.read_line(&mut line)? > 0, "the connection was closed");
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if line.starts_with("http/") {
            status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no status")?;
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().context("a bad length")?;
        } else if line.starts_with("transfer-encoding:") {
            chunked = line.contains("chunked");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if chunked {
        read_chunks(stream, &mut body)?;
    }
    Ok((status, body))
}

fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).context("a bad chunk")?;
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(());
        }
        body.extend_from_slice(&chunk[..size]);
    }
}
