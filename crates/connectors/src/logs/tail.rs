//! Following a growing file across rotation and truncation, with bounded memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Most bytes that one poll reads of one file; what is more is skipped, newest first to be kept. 4 MB are about 20,000
/// lines, more than anybody logs on purpose within one poll.
const READ_BYTES_MAX: u64 = 4 << 20;

/// Longest beginning of an unfinished line that is kept for the next poll.
const PARTIAL_BYTES_MAX: usize = 64 * 1024;

/// Where a followed file was left.
#[derive(Debug, Default)]
pub(super) struct Tail {
    position: Option<Position>,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
struct Position {
    /// Identity of the file: another one under the same name is a rotation.
    file: u64,
    offset: u64,
}

/// What following a file came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// There is no such file (yet).
    Missing,
    Followed {
        skipped_bytes: u64,
    },
}

impl Tail {
    /// Hands every new whole line to `each`. A file that is seen for the first time is followed from its end: what is in
    /// it has no known rate.
    pub fn read(&mut self, path: &Path, mut each: impl FnMut(&str)) -> io::Result<Read> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::Missing),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let (identity, len) = (identity(&metadata), metadata.len());
        let start = match &self.position {
            None => len,
            Some(known) if known.file == identity && known.offset <= len => known.offset,
            // Rotated or truncated: what is there now is all new.
            Some(_) => {
                self.partial.clear();
                0
            }
        };
        let skipped_bytes = (len - start).saturating_sub(READ_BYTES_MAX);
        if skipped_bytes > 0 {
            self.partial.clear();
        }
        file.seek(SeekFrom::Start(start + skipped_bytes))?;
        let mut bytes = Vec::new();
        let read = file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
        self.hand_out(&bytes, &mut each);
        self.position = Some(Position { file: identity, offset: start + skipped_bytes + read as u64 });
        Ok(Read::Followed { skipped_bytes })
    }

    fn hand_out(&mut self, bytes: &[u8], each: &mut impl FnMut(&str)) {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for line in lines.by_ref() {
            if line.last() != Some(&b'\n') {
                let room = PARTIAL_BYTES_MAX.saturating_sub(self.partial.len());
                self.partial.extend_from_slice(&line[..line.len().min(room)]);
                continue;
            }
            if self.partial.is_empty() {
                each(String::from_utf8_lossy(line).trim_end());
            } else {
                self.partial.extend_from_slice(line);
                each(String::from_utf8_lossy(&self.partial).trim_end());
                self.partial.clear();
            }
        }
    }
}

/// What tells a file from its successor of the same name.
#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

/// Without inodes only truncation shows.
#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
        file.write_all(text.as_bytes()).expect("writes");
    }

    fn read(tail: &mut Tail, path: &Path) -> (Vec<String>, Read) {
        let mut lines = Vec::new();
        let outcome = tail.read(path, |line| lines.push(line.to_owned())).expect("reads");
        (lines, outcome)
    }

    #[test]
    fn growth_partial_lines_rotation_and_truncation_are_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.ndjson");
        let mut tail = Tail::default();
        assert_eq!(read(&mut tail, &path), (vec![], Read::Missing));
        append(&path, "old\n");
        let followed = || Read::Followed { skipped_bytes: 0 };
        assert_eq!(read(&mut tail, &path), (vec![], followed()), "a file's past has no rate");
        append(&path, "one\ntw");
        assert_eq!(read(&mut tail, &path), (vec!["one".into()], followed()));
        append(&path, "o\n");
        assert_eq!(read(&mut tail, &path), (vec!["two".into()], followed()));
        assert_eq!(read(&mut tail, &path), (vec![], followed()));
        fs::rename(&path, dir.path().join("s.ndjson.1")).expect("rotates");
        append(&path, "after rotation\n");
        assert_eq!(read(&mut tail, &path), (vec!["after rotation".into()], followed()));
        fs::write(&path, "cut\n").expect("truncates");
        assert_eq!(read(&mut tail, &path), (vec!["cut".into()], followed()));
    }

    #[test]
    fn a_flood_is_skipped_to_its_newest_part() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s.ndjson");
        append(&path, "");
        let mut tail = Tail::default();
        let _ = read(&mut tail, &path);
        append(&path, &"0123456789abcde\n".repeat(300_000));
        let (lines, outcome) = read(&mut tail, &path);
        assert_eq!(outcome, Read::Followed { skipped_bytes: 300_000 * 16 - READ_BYTES_MAX });
        assert_eq!(lines.len() as u64, READ_BYTES_MAX / 16);
    }
}
