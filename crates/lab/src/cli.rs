//! The command line of the lab, shared by `midwatch lab …` and `lab-world …`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::{chaos, service, supervisor};

/// The demo world: six real services with traffic, deployments and faults.
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the lab in the foreground and write its configuration files.
    Up(UpArgs),
    /// Run one service process (started by `up`; reads its specification from standard input).
    #[command(hide = true)]
    Service,
    /// Inject a random fault into a running lab every few minutes.
    Chaos(chaos::ChaosArgs),
}

#[derive(Debug, Clone, ClapArgs)]
pub struct UpArgs {
    /// Directory for the lab's files; it is created.
    #[arg(long)]
    pub dir: PathBuf,
    /// Address of the supervisor; loopback only, port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Seed of the traffic.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop when the parent process dies.
    #[arg(long)]
    pub die_with_parent: bool,
    /// Password of the dashboard's user `ops`; by default a random one, in DIR/ops-password.
    #[arg(long, env = "MIDWATCH_LAB_OPS_PASSWORD", hide_env_values = true)]
    pub ops_password: Option<String>,
}

/// Exit code for wrong usage or configuration.
const EXIT_USAGE: u8 = 2;

/// Runs a lab command to its end. Builds its own runtime: call it from a plain `main`.
///
/// `prefix` is what comes before `service` on the command line of this executable: `["lab"]` for `midwatch`.
pub fn run(args: Args, prefix: &[&str]) -> ExitCode {
    let workers = if matches!(args.command, Command::Up(_)) { 2 } else { 0 };
    let runtime = match runtime(workers) {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("start the runtime"), 1),
    };
    match args.command {
        Command::Service => report(runtime.block_on(service::run()), 1),
        Command::Chaos(chaos) => report(runtime.block_on(chaos::run(chaos)), EXIT_USAGE),
        Command::Up(up) => {
            let prefix = prefix.iter().map(|word| (*word).to_owned()).collect();
            report(runtime.block_on(supervisor::up(up, prefix)), EXIT_USAGE)
        }
    }
}

fn runtime(workers: usize) -> std::io::Result<tokio::runtime::Runtime> {
    if workers == 0 {
        return tokio::runtime::Builder::new_current_thread().enable_all().build();
    }
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()
}

fn report(result: anyhow::Result<()>, code: u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, code),
    }
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}
