//! A lab and a server that watches it, as child processes, and what is asked of them.

use crate::process::built;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for something to become ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Longest time that the lab may take for an operation, such as a deployment.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Both processes; stopped when dropped.
pub struct Lab {
    children: Vec<Child>,
    lab: String,
    server: String,
    client: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Lab {
    /// Starts a lab and a server that only watches it, and waits until both answer.
    pub async fn begin(seed: u64) -> Result<Self> {
        let dir = tempfile::tempdir().context("no temporary folder")?;
        let mut children =
            vec![program(dir.path(), &["lab", "up", "--seed", &seed.to_string(), "--dir"], dir.path())?];
        let config = dir.path().join("midwatch.toml");
        wait(|| config.is_file()).await.context("the lab is not up")?;
        let table: toml::Table =
            std::fs::read_to_string(&config)?.parse().context("the lab's configuration")?;
        let text = |section: &str, name: &str| -> Result<String> {
            let value = table.get(section).and_then(|section| section.get(name)?.as_str());
            Ok(value.with_context(|| format!("{section}.{name}"))?.to_owned())
        };
        children.push(program(dir.path(), &["serve", "-c"], &config)?);
        // A second caller loses nothing: either way there is a provider now.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        let lab = Self {
            children,
            lab: text("lab", "url")?,
            server: format!("http://{}", text("server", "listen")?),
            client,
            _dir: dir,
        };
        let began = Instant::now();
        while lab.forecasts().await.is_err() {
            ensure!(
                began.elapsed() < READY_WITHIN,
                "the server foresees nothing after {} s",
                READY_WITHIN.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(lab)
    }

    /// What is foreseen now.
    pub async fn forecasts(&self) -> Result<Value> {
        self.get(&format!("{}/api/v1/forecasts", self.server)).await
    }

    pub async fn inject(&self, service: &str, fault: &Value) -> Result<()> {
        self.post(&format!("{}/api/v1/lab/faults/{service}", self.lab), fault).await
    }

    /// Takes all faults of a service out.
    pub async fn clear(&self, service: &str) -> Result<()> {
        // A service that is being restarted refuses; a moment later it does not.
        let url = format!("{}/api/v1/lab/faults/{service}", self.lab);
        for _ in 0..20 {
            if self.client.delete(&url).send().await?.status().is_success() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        bail!("the faults of {service} cannot be taken out")
    }

    /// Deploys another good build of a service.
    pub async fn deploy(&self, service: &str) -> Result<()> {
        let versions = self.get(&format!("{}/api/v1/lab/versions/{service}", self.lab)).await?;
        let body = serde_json::json!({ "version": versions["harmless_next"] });
        self.post(&format!("{}/api/v1/control/services/{service}/deploy", self.lab), &body).await
    }

    /// Moves ordinary traffic.
    pub async fn traffic(&self, factor: f64, over_s: f64) -> Result<()> {
        let body = serde_json::json!({ "factor": factor, "over_s": over_s });
        self.post(&format!("{}/api/v1/lab/traffic", self.lab), &body).await
    }

    async fn get(&self, url: &str) -> Result<Value> {
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    async fn post(&self, url: &str, body: &Value) -> Result<()> {
        let answer = self.client.post(url).json(body).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{url} answered {status}: {}", answer.text().await.unwrap_or_default());
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The server first: it should not see the lab go.
        for child in self.children.iter_mut().rev() {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

fn program(dir: &Path, args: &[&str], last: &Path) -> Result<Child> {
    let mut command = Command::new(built()?);
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("MIDWATCH_")) {
        command.env_remove(variable);
    }
    let log = std::fs::File::create(dir.join(format!("{}.log", args[0])))?;
    command.args(args).arg(last).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().context("cannot start midwatch")
}

async fn wait(ready: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !ready() {
        ensure!(began.elapsed() < READY_WITHIN, "not ready after {} s", READY_WITHIN.as_secs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
