//! Servers that `cargo xtask test` installs from npm; each ends with its test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server's first answer: a schema of some megabytes is read before it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder with what is installed.
pub fn modules() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../npm/node_modules")
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub struct Peer {
    child: Child,
    pub port: u16,
}

impl Peer {
    /// Starts a program and waits until something takes connections on `port`.
    pub async fn start(program: &str, args: &[&str], port: u16) -> Self {
        let program = modules().join(".bin").join(program);
        assert!(program.exists(), "{} is missing: `cargo xtask test` installs it", program.display());
        let child = Command::new(program)
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let peer = Self { child, port };
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "the server never answered");
            tokio::task::yield_now().await;
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
