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

/// An error with its causes in one line. A cause that the one before has told already, as some libraries' errors do, is
/// not told again.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        let error =
            anyhow!("no such file").context("unable to open: no such file").context("cannot open the store");
        assert_eq!(sentence(&error), "cannot open the store: unable to open: no such file");
        let error = anyhow!("no such file").context("cannot open the store");
        assert_eq!(sentence(&error), "cannot open the store: no such file");
    }
}
