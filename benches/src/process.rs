//! Servers as child processes: midwatch, and a real Alertmanager beside it.

use anyhow::{Context as _, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a starting server is asked; its answer cannot be timed more finely.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// A server that is not ready by then will not become so.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a server may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// The release binary beside this one, which the chore has just built.
pub fn built() -> Result<PathBuf> {
    let own = std::env::current_exe().context("no path of this program")?;
    let binary = own.with_file_name("midwatch");
    ensure!(binary.is_file(), "{} is missing; run this as `cargo xtask bench`", binary.display());
    Ok(binary)
}

/// A running server in a folder of its own; stopped when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub ready_after: Duration,
    _dir: tempfile::TempDir,
}

impl Server {
    /// A midwatch that watches nothing and takes alerts; `more` is added to its configuration.
    pub fn midwatch(binary: &Path, more: &str) -> Result<Self> {
        Self::midwatch_in(binary, more, tempfile::tempdir().context("no temporary folder")?)
    }

    /// The same on the store `midwatch.db` of that folder.
    pub fn midwatch_in(binary: &Path, more: &str, dir: tempfile::TempDir) -> Result<Self> {
        let address = free_address()?;
        let config = dir.path().join("midwatch.toml");
        let own = format!(
            "[server]\nlisten = \"{address}\"\n[store]\npath = {:?}\n[report]\ndir = {:?}\n[telemetry]\nkind = \"none\"\n",
            dir.path().join("midwatch.db"),
            dir.path().join("postmortems"),
        );
        std::fs::write(&config, format!("{more}\n{own}"))?;
        let mut command = Command::new(binary);
        command.args(["serve", "-c"]).arg(&config).env("MIDWATCH_LOG", "warn");
        Self::start(command, address, "/health", dir)
    }

    /// An Alertmanager with this configuration (JSON is YAML).
    pub fn alertmanager(config: &str) -> Result<Self> {
        let (dir, address) = (tempfile::tempdir().context("no temporary folder")?, free_address()?);
        let file = dir.path().join("alertmanager.yml");
        std::fs::write(&file, config)?;
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .arg("--log.level=error");
        Self::start(command, address, "/-/ready", dir)
    }

    fn start(mut command: Command, address: SocketAddr, ready: &str, dir: tempfile::TempDir) -> Result<Self> {
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("MIDWATCH_")) {
            if variable != "MIDWATCH_LOG" {
                command.env_remove(variable);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { child, address, ready_after: Duration::ZERO, _dir: dir };
        while !is_ready(address, ready) {
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

    /// Resident memory now, megabytes (10^6 bytes).
    pub fn rss_mb(&self) -> Result<f64> {
        self.memory_mb("VmRSS:")
    }

    /// The most resident memory so far, megabytes.
    pub fn peak_mb(&self) -> Result<f64> {
        self.memory_mb("VmHWM:")
    }

    fn memory_mb(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        let kb: f64 = line.trim().trim_end_matches(" kB").parse().context("not a number")?;
        Ok(kb * 1024.0 / 1e6)
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

/// Whether a GET is answered with 200.
fn is_ready(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
