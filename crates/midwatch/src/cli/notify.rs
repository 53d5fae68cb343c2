//! What `midwatch notify` takes.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum NotifyCommand {
    /// Print what receivers would be told; nothing is sent to anybody.
    Preview(PreviewArgs),
    /// Tell a receiver that this is a test, through the running server.
    Test {
        /// Its name, or one of its targets such as ops/slack/0; everybody if absent.
        receiver: Option<String>,
    },
    /// How it goes to tell each receiver, and what was told lately.
    Status {
        /// Notifications that are listed.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
}

#[derive(Args)]
pub struct PreviewArgs {
    /// The configuration file with the receivers.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// An incident of the running server (--url).
    #[arg(long, conflicts_with = "sample")]
    pub incident: Option<String>,
    /// An incident that never was: recovered, foreseen or escalated.
    #[arg(long, value_name = "KIND")]
    pub sample: Option<String>,
    /// A receiver's name, or one of its targets such as ops/slack/0; all if absent.
    #[arg(long)]
    pub receiver: Option<String>,
    /// Only this moment: alert, verdict, plan, approval, answer, action, escalated, resolved, recurred, false_alarm or
    /// postmortem.
    #[arg(long)]
    pub moment: Option<String>,
}
