//! What `midwatch autonomy` takes.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum AutonomyCommand {
    /// Every combination that was tried, set or suggested: level, record, reason.
    Show,
    /// Let midwatch go one step further: shadow, propose, auto.
    Promote(CombinationArgs),
    /// Let it go one step less far.
    Demote(CombinationArgs),
}

/// One action on one service for one cause.
#[derive(Args)]
pub struct CombinationArgs {
    /// Such as restart or rollback.
    #[arg(long)]
    pub action: String,
    #[arg(long)]
    pub service: String,
    /// Such as latency_spike.
    #[arg(long)]
    pub cause: String,
    /// The level itself, in place of the next one: shadow, propose or auto.
    #[arg(long)]
    pub to: Option<String>,
    #[arg(long)]
    pub by: Option<String>,
    /// Goes on record.
    #[arg(long)]
    pub reason: String,
}
