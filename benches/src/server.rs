//! The server at rest: how soon it is ready, and how much memory it holds.

use crate::numbers::{Times, show};
use crate::table::Row;
use anyhow::{Context as _, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts of which the median is given.
const STARTS: usize = 5;

/// How long the last server rests before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// How often a starting server is asked; its answer cannot be timed more finely.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A server that is not ready by then will not become so.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a server may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);

pub fn run() -> Result<Vec<Row>> {
    let binary = built()?;
    let mut ready = Vec::with_capacity(STARTS);
    for _ in 1..STARTS {
        ready.push(Server::start(&binary)?.ready_after);
    }
    let last = Server::start(&binary)?;
    ready.push(last.ready_after);
    std::thread::sleep(REST);
    let rss_mb = last.rss_kb()? as f64 * 1024.0 / 1e6;
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

/// The release binary beside this one, built from the sources as they are.
fn built() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "-p", "midwatch"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "midwatch could not be built");
    let own = std::env::current_exe().context("no path of this program")?;
    let binary = own.with_file_name("midwatch");
    ensure!(binary.is_file(), "{} is missing; run this as `cargo xtask bench`", binary.display());
    Ok(binary)
}

/// A running server in a folder of its own; stopped when dropped.
struct Server {
    child: Child,
    ready_after: Duration,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(binary: &Path) -> Result<Self> {
        let dir = tempfile::tempdir().context("no temporary folder")?;
        let address = free_address()?;
        let config = dir.path().join("midwatch.toml");
        std::fs::write(
            &config,
            format!(
                "[server]\nlisten = \"{address}\"\n[store]\npath = {:?}\n[report]\ndir = {:?}\n[telemetry]\nkind = \"none\"\n",
                dir.path().join("midwatch.db"),
                dir.path().join("postmortems"),
            ),
        )?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "-c"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("MIDWATCH_")) {
            command.env_remove(variable);
        }
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self { child, ready_after: Duration::ZERO, _dir: dir };
        while !is_ready(address) {
            if started.elapsed() > READY_WITHIN {
                bail!("the server is not ready after {} s", READY_WITHIN.as_secs());
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            std::thread::sleep(ASK_EVERY);
        }
        server.ready_after = started.elapsed();
        Ok(server)
    }

    fn rss_kb(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let asked = Instant::now();
        while asked.elapsed() < STOP_WITHIN {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("no free port")?.local_addr()?)
}

/// Whether `GET /health` is answered with 200.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(
            format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
