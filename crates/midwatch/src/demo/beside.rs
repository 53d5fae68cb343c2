//! The demo world beside a server that somebody looks at: started from its dashboard, ended with it.

use super::processes::{Environment, Processes};
use anyhow::Result;
use midwatch_api::{StartDemo, Starting};
use midwatch_model::decision::Mode;
use std::sync::Arc;
use tokio::sync::Mutex;

/// At most one demo world. Its clones are the same one.
#[derive(Clone, Default)]
pub struct Beside(Arc<Mutex<Option<Processes>>>);

impl Beside {
    /// What the API starts it with; none where the lab is not built in.
    pub fn starter(&self) -> Option<StartDemo> {
        if !cfg!(feature = "lab") {
            return None;
        }
        let beside = self.clone();
        Some(Arc::new(move || -> Starting {
            let beside = beside.clone();
            // A task of its own: whoever asked may close the page, and half a world would be left.
            let task = tokio::spawn(async move { beside.start().await });
            Box::pin(async move {
                let started = task.await.map_err(|error| error.to_string())?;
                started.map_err(|error| format!("{error:#}"))
            })
        }))
    }

    /// The address of its dashboard. In propose and armed: people decide, and what they approve is done, to the lab only.
    async fn start(&self) -> Result<String> {
        let mut held = self.0.lock().await;
        if let Some(known) = held.as_mut() {
            if known.are_running() {
                return Ok(known.server_url.clone());
            }
            known.stop().await;
        }
        *held = None;
        let dir = std::env::temp_dir().join(format!("midwatch-demo-{}", std::process::id()));
        let mut processes = Processes::start_lab(&dir, rand::random(), Environment::Own).await?;
        let ready = async {
            let config = processes.configure(Mode::Propose, None)?;
            processes.start_server(&config).await
        };
        if let Err(error) = ready.await {
            processes.stop().await;
            return Err(error);
        }
        tracing::info!(demo.url = processes.server_url, demo.dir = %dir.display(), "the demo world runs");
        let url = processes.server_url.clone();
        *held = Some(processes);
        Ok(url)
    }

    /// Ends it, if it runs.
    pub async fn stop(&self) {
        if let Some(processes) = self.0.lock().await.as_mut() {
            processes.stop().await;
        }
    }
}
