//! Exit codes, the same for every command.

use std::process::ExitCode;

/// A code with a meaning that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

/// Done.
pub const DONE: Exit = Exit(0);
/// Not recovered, escalated, or the command failed.
pub const FAILED: Exit = Exit(1);
/// Wrong usage or configuration.
pub const USAGE: Exit = Exit(2);
/// Waiting for a person's approval.
pub const WAITING: Exit = Exit(3);

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.0)
    }
}

/// Marks an error as one of usage or configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The code that an error ends the program with.
pub fn of(error: &anyhow::Error) -> Exit {
    if error.chain().any(|cause| cause.is::<Usage>()) { USAGE } else { FAILED }
}
