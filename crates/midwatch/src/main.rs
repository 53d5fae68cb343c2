//! midwatch: an autonomous site reliability engineer in one binary.

#[cfg(feature = "aws")]
mod alarms;
mod cli;
mod client;
mod config;
#[cfg(feature = "lab")]
mod demo;
mod duration;
mod exit;
mod files;
mod import;
mod investigate;
mod key;
mod knowledge;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod log;
mod notify;
mod output;
mod predict;
mod runbook;
mod serve;
mod store;
mod train;

use clap::Parser as _;
use std::process::ExitCode;

/// Alerts come as many short texts: the system's allocator takes a third of the time of a storm, and keeps what it has
/// once been given.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The whole program uses one TLS implementation; a second caller of this loses nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = match cli::Cli::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    #[cfg(feature = "lab")]
    if let cli::Command::Lab(lab) = args.command {
        // The lab's processes bring their own runtime and log format.
        return midwatch_lab::cli::run(lab, &["lab"]);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(args)) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("error: {}", exit::sentence(&error));
            exit::of(&error).into()
        }
    }
}
