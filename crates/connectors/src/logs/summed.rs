//! Lines that came from elsewhere than a file, summed up and handed out in the same way.

use super::digest::{Sum, logged};
use super::line;
use crate::{LogDigest, LoggedLine};
use midwatch_model::{ServiceName, Timestamp};

/// The digest of lines with the times at which they were taken in.
pub(crate) fn digest(
    service: ServiceName,
    lines: &[(Timestamp, String)],
    window: (Timestamp, Timestamp),
    query: String,
) -> LogDigest {
    let mut sum = Sum::default();
    lines.iter().for_each(|(_, text)| sum.add(&line::read(text)));
    sum.digest(service, window, query)
}

/// The lines, redacted.
pub(crate) fn lines(lines: &[(Timestamp, String)]) -> Vec<LoggedLine> {
    lines.iter().map(|(at, text)| logged(*at, &line::read(text))).collect()
}
