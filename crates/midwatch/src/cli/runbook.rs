//! What `midwatch runbook` and `midwatch backtest` take.

use super::ClientArgs;
use clap::{Args, Subcommand};
use midwatch_model::decision::Mode;
use midwatch_model::{Cause, ServiceName, Severity};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum RunbookCommand {
    /// Runbooks with steps that run: those that ship, those of a configuration, and which are enabled.
    List {
        /// The configuration, for its [runbooks].
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Say whether runbooks and workflows can be used, and what to fix, with file and line.
    Check {
        /// Files, or folders with `.md`, `.yaml` and `.yml`.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Which workflow would begin for an incident such as this one, and why the others would not.
    Match {
        #[command(flatten)]
        about: AboutArgs,
        /// Labels of an alert, such as `alertname=KubePodCrashLooping`.
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// Files or folders; default: those that ship and those of the configuration.
        paths: Vec<PathBuf>,
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Go through a workflow on the running server without acting: looks are taken, actions are only told.
    Run {
        #[command(flatten)]
        client: ClientArgs,
        /// A file, or the name of one that ships.
        workflow: String,
        /// The only way to run by hand: an enabled workflow begins with its incident, and goes through the gate.
        #[arg(long, required = true)]
        dry_run: bool,
        #[command(flatten)]
        about: AboutArgs,
    },
    /// Outline a runbook from what helped in earlier incidents. It is a draft for review and is never enabled by itself.
    Generate {
        #[command(flatten)]
        client: ClientArgs,
        /// Such as latency_spike.
        #[arg(long)]
        cause: Cause,
        #[arg(long)]
        service: Option<String>,
        /// Where to write; an existing file is not touched. Default: standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Also what it means, in the words of a language model; the steps are never its. [llm] of --config, or the environment
        /// (docs/llm.md), names it.
        #[arg(long)]
        words: bool,
        #[arg(long, value_name = "FILE", requires = "words")]
        config: Option<PathBuf>,
    },
}

/// The incident that a workflow is for.
#[derive(Args)]
pub struct AboutArgs {
    /// The service that the verdict names.
    #[arg(long)]
    pub service: String,
    /// Such as latency_spike.
    #[arg(long)]
    pub cause: Cause,
    /// info, warning, high or critical
    #[arg(long, default_value_t = Severity::Warning)]
    pub severity: Severity,
}

impl AboutArgs {
    pub fn service(&self) -> ServiceName {
        ServiceName::new(&self.service)
    }
}

/// Another policy, tried on what was recorded.
#[derive(Args)]
pub struct BacktestArgs {
    /// A file with Cedar policies.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// How far back, such as 30d or 12h.
    #[arg(long, default_value = "30d")]
    pub since: String,
    /// Also in another mode: shadow, propose or auto.
    #[arg(long)]
    pub mode: Option<Mode>,
}
