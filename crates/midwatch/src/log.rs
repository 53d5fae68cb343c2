//! The server's log: sentences on standard error.

use crate::output::turns;
use std::io::{self, Write};

/// Logs to standard error; `MIDWATCH_LOG` filters (`debug`, `midwatch_engine=debug`), default `info`.
pub fn to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MIDWATCH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // It writes whole answers of models when it is asked for everything.
    let filter = filter.add_directive("genai=warn".parse().expect("a constant directive"));
    // It names the id of the key each time that it reads one.
    let filter = filter.add_directive("aws_config=warn".parse().expect("a constant directive"));
    let ansi = std::env::var_os("NO_COLOR").is_none() && io::IsTerminal::is_terminal(&io::stderr());
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| InOrder(io::stderr()))
        .with_ansi(ansi)
        // Saying on standard error that standard error cannot be written would end the task that logs.
        .log_internal_errors(false)
        .try_init();
}

/// Writes characters that would make a line read in another order as their codes: labels are somebody else's. Other
/// controls are escaped where a field is formatted.
struct InOrder<W>(W);

impl<W: Write> Write for InOrder<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if text.chars().any(turns) {
            let code = |c: char| if turns(c) { c.escape_default().to_string() } else { c.to_string() };
            self.0.write_all(text.chars().map(code).collect::<String>().as_bytes())?;
        } else {
            self.0.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_in_the_order_in_which_it_was_written() {
        let mut log = InOrder(Vec::new());
        log.write_all("\u{1b}[32mINFO\u{1b}[0m service=a\u{202e}b é\n".as_bytes()).expect("a vector");
        assert_eq!(
            String::from_utf8(log.0).as_deref(),
            Ok("\u{1b}[32mINFO\u{1b}[0m service=a\\u{202e}b é\n")
        );
    }
}
