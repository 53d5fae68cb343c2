//! `midwatch k8s`: what midwatch may and can do in a cluster, tried out on a workload of its own.

mod selftest;

use crate::exit::Exit;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum KubernetesCommand {
    /// Scale, restart, roll back, rehearse, undo and be refused, on the Deployment `midwatch-selftest` (which is made if
    /// this account may). Exit code 0: all of it works; 1: something does not; 2: it could not be tried.
    Selftest(SelftestArgs),
}

#[derive(Args)]
pub struct SelftestArgs {
    /// The kubeconfig's context; default: its current one, or the pod's own service account.
    #[arg(long)]
    pub context: Option<String>,
    #[arg(long)]
    pub namespace: String,
    /// Default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Seconds that one action may take.
    #[arg(long, default_value_t = 15.0)]
    pub timeout_s: f64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub async fn run(command: KubernetesCommand) -> Result<Exit> {
    match command {
        KubernetesCommand::Selftest(args) => selftest::run(&args).await,
    }
}
