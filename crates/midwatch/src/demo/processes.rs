//! The lab and the server as child processes that end with the demo.

use anyhow::{Context as _, Result, bail};
use midwatch_model::decision::Mode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long the lab may take to be ready.
const LAB_READY_MAX: Duration = Duration::from_secs(60);

/// How long the server may take to answer.
const SERVER_READY_MAX: Duration = Duration::from_secs(20);

/// How long a child may take to end before it is killed.
const STOP_MAX: Duration = Duration::from_secs(8);

/// Whose variables the children see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Those of this process: whoever starts a demo by hand may configure it so.
    Inherited,
    /// Those of this process but for midwatch's own: they configure the server that stands beside it, and would have the
    /// demo write into its store.
    Own,
}

impl Environment {
    fn apply(self, command: &mut Command) {
        if self == Environment::Inherited {
            return;
        }
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"MIDWATCH_") && name != "MIDWATCH_LOG" {
                command.env_remove(name);
            }
        }
    }
}

pub struct Processes {
    environment: Environment,
    lab: Child,
    server: Option<Child>,
    dir: PathBuf,
    pub lab_url: String,
    pub server_url: String,
}

impl Processes {
    /// Starts the lab and waits until it has written its configuration, which it does when it is ready.
    pub async fn start_lab(dir: &Path, seed: u64, environment: Environment) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let ready = dir.join("midwatch.toml");
        // What an earlier demo left here would be taken for ready.
        match std::fs::remove_file(&ready) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", ready.display()));
            }
            _ => {}
        }
        set_aside(&dir)?;
        let log = std::fs::File::create(dir.join("lab.log")).context("cannot write the lab's log")?;
        let mut command = Command::new(std::env::current_exe()?);
        environment.apply(&mut command);
        let mut lab = command
            .args(["lab", "up", "--die-with-parent", "--dir"])
            .arg(&dir)
            .arg("--seed")
            .arg(seed.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the lab")?;
        let began = Instant::now();
        while !ready.is_file() {
            if let Some(status) = lab.try_wait()? {
                let log = std::fs::read_to_string(dir.join("lab.log")).unwrap_or_default();
                bail!("the lab ended with {status}:\n{}", log.trim_end());
            }
            if began.elapsed() > LAB_READY_MAX {
                bail!(
                    "the lab was not ready within {} s; see {}",
                    LAB_READY_MAX.as_secs(),
                    dir.join("lab.log").display()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { environment, lab, server: None, dir, lab_url: String::new(), server_url: String::new() })
    }

    /// Arms the lab's configuration as asked. Only the demo does so: `lab up` leaves it in propose and dry run.
    pub fn configure(&mut self, mode: Mode, policy: Option<&Path>) -> Result<PathBuf> {
        let path = self.dir.join("midwatch.toml");
        let text = std::fs::read_to_string(&path)?;
        let mut config: toml::Table = text.parse().context("the lab's configuration")?;
        config.insert("mode".into(), mode.to_string().into());
        config.insert("dry_run".into(), false.into());
        if let Some(policy) = policy {
            let file = policy
                .canonicalize()
                .with_context(|| format!("cannot read the policy {}", policy.display()))?;
            let file = file.display().to_string();
            config.insert("policy".into(), toml::Table::from_iter([("file".to_owned(), file.into())]).into());
        }
        let field = |section: &str, field: &str| -> Result<String> {
            let value = config.get(section).and_then(|s| s.get(field)).and_then(|v| v.as_str());
            Ok(value.with_context(|| format!("the lab's configuration has no {section}.{field}"))?.to_owned())
        };
        self.lab_url = field("lab", "url")?;
        self.server_url = format!("http://{}", field("server", "listen")?);
        std::fs::write(&path, toml::to_string(&config)?)?;
        Ok(path)
    }

    /// Starts the server and waits until it answers.
    pub async fn start_server(&mut self, config: &Path) -> Result<()> {
        let log =
            std::fs::File::create(self.dir.join("server.log")).context("cannot write the server's log")?;
        let mut command = Command::new(std::env::current_exe()?);
        self.environment.apply(&mut command);
        let mut server = command
            .args(["serve", "--die-with-parent", "-c"])
            .arg(config)
            .env_remove("MIDWATCH_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        let began = Instant::now();
        loop {
            if let Some(status) = server.try_wait()? {
                let log = std::fs::read_to_string(self.dir.join("server.log")).unwrap_or_default();
                bail!("the server ended with {status}:\n{}", log.trim_end());
            }
            if let Ok(answer) = reqwest::get(format!("{}/health", self.server_url)).await
                && answer.status().is_success()
            {
                break;
            }
            if began.elapsed() > SERVER_READY_MAX {
                bail!("the server did not answer within {} s", SERVER_READY_MAX.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if let Some(pid) = server.id() {
            std::fs::write(self.dir.join("server.pid"), pid.to_string())?;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Whether both children are there.
    pub fn are_running(&mut self) -> bool {
        let runs = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        runs(&mut self.lab) && self.server.as_mut().is_some_and(runs)
    }

    /// How to start the server again by hand, should it be gone.
    pub fn restart_hint(&self) -> String {
        format!("midwatch serve -c {}", self.dir.join("midwatch.toml").display())
    }

    /// Ends both children, the server first.
    pub async fn stop(&mut self) {
        if let Some(server) = &mut self.server {
            end(server).await;
        }
        end(&mut self.lab).await;
    }
}

/// A demo begins without history: the store of an earlier one is kept under another name.
fn set_aside(dir: &Path) -> Result<()> {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    for suffix in ["", "-wal", "-shm"] {
        let old = dir.join(format!("midwatch.db{suffix}"));
        if old.is_file() {
            let kept = dir.join(format!("midwatch-until-{}.db{suffix}", since_epoch.as_secs()));
            std::fs::rename(&old, &kept).with_context(|| format!("cannot set {} aside", old.display()))?;
        }
    }
    Ok(())
}

async fn end(child: &mut Child) {
    let Some(pid) = child.id() else { return };
    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
    if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
