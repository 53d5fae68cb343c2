//! The hash chain of a stream.
//!
//! A stream is an append-only list of records numbered from 1. The chain hashes the stored bytes, so that whatever was
//! read is what was written.

use super::{ENTRY_VERSION, Line, StreamId};
use crate::evidence::hex;
use sha2::{Digest, Sha256};

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first record of a stream.
    pub seq: u64,
    pub bytes: Vec<u8>,
    /// SHA-256 over stream, seq, previous hash and bytes.
    pub hash: [u8; 32],
}

/// The hash before a stream's first record.
pub const GENESIS: [u8; 32] = [0; 32];

/// The hash of a record: SHA-256(stream ‖ 0 ‖ seq as 8 bytes big-endian ‖ previous hash ‖ bytes).
#[must_use]
pub fn chain_hash(stream: &str, seq: u64, previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(stream.as_bytes());
    hasher.update([0]);
    hasher.update(seq.to_be_bytes());
    hasher.update(previous);
    hasher.update(bytes);
    hasher.finalize().into()
}

/// What is wrong with a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("{stream}: record {expected} is missing, found {found}")]
    Gap { stream: String, expected: u64, found: u64 },
    #[error("{stream}: record {seq} does not match its hash: it was changed after it was written")]
    Changed { stream: String, seq: u64 },
    #[error("{stream}: the head says {head} records, the stream has {found}: its tail was cut")]
    Cut { stream: String, head: u64, found: u64 },
    #[error("{stream}: the head's hash {head} is not the last record's {found}")]
    Head { stream: String, head: String, found: String },
    #[error("{stream}: record {seq} cannot be read by this version: {reason}")]
    Unreadable { stream: String, seq: u64, reason: String },
}

/// A stream whose chain and head were checked. Only [`VerifiedJournal::verify`] makes one, so that whoever takes one
/// as argument (such as the resumption of an authorisation after a crash) cannot be handed unchecked entries.
#[derive(Debug)]
pub struct VerifiedJournal {
    stream: StreamId,
    lines: Vec<Line>,
    head: [u8; 32],
}

impl VerifiedJournal {
    /// Checks numbering, hashes and the separately stored head, and reads the entries.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(
        stream: StreamId,
        records: &[Record],
        head: Option<(u64, [u8; 32])>,
    ) -> Result<Self, ChainError> {
        let name = stream.to_string();
        let mut previous = GENESIS;
        let mut lines = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let expected = index as u64 + 1;
            if record.seq != expected {
                return Err(ChainError::Gap { stream: name, expected, found: record.seq });
            }
            if chain_hash(&name, record.seq, &previous, &record.bytes) != record.hash {
                return Err(ChainError::Changed { stream: name, seq: record.seq });
            }
            let unreadable =
                |reason| ChainError::Unreadable { stream: name.clone(), seq: record.seq, reason };
            let line: Line = serde_json::from_slice(&record.bytes).map_err(|e| unreadable(e.to_string()))?;
            if line.v > ENTRY_VERSION {
                return Err(unreadable(format!(
                    "it is of version {}, this one reads up to {ENTRY_VERSION}",
                    line.v
                )));
            }
            lines.push(line);
            previous = record.hash;
        }
        let (head_seq, head_hash) = head.unwrap_or((0, GENESIS));
        if head_seq != records.len() as u64 {
            return Err(ChainError::Cut { stream: name, head: head_seq, found: records.len() as u64 });
        }
        if head_hash != previous {
            return Err(ChainError::Head { stream: name, head: hex(&head_hash), found: hex(&previous) });
        }
        Ok(Self { stream, lines, head: previous })
    }

    #[must_use]
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Number of records: the next append is expected at `len() + 1`.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Hash of the last record.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::journal::Entry;

    fn chain(stream: &StreamId, count: u64) -> Vec<Record> {
        let mut previous = GENESIS;
        (1..=count)
            .map(|seq| {
                let entry = Entry::Closed { reason: format!("number {seq}") };
                let bytes = Line::new(Timestamp::UNIX_EPOCH, entry).to_bytes();
                previous = chain_hash(&stream.to_string(), seq, &previous, &bytes);
                Record { seq, bytes, hash: previous }
            })
            .collect()
    }

    fn head_of(records: &[Record]) -> Option<(u64, [u8; 32])> {
        records.last().map(|r| (r.seq, r.hash))
    }

    #[test]
    fn an_untouched_stream_verifies() {
        let records = chain(&StreamId::Config, 3);
        let verified = VerifiedJournal::verify(StreamId::Config, &records, head_of(&records));
        assert_eq!(verified.map(|v| v.len()), Ok(3));
    }

    #[test]
    fn a_line_of_before_scores_were_kept_is_read_and_keeps_its_bytes() {
        let old = r#"{"v":1,"at":"2026-01-05T03:00:00Z","role":"observer","entry":{"type":"signal_joined","signal":{"id":"alt-1","kind":"alert","origin":"generic","service":"pay","metric":null,"class":"latency_spike","onset_at":"2026-01-05T03:00:00Z","detected_at":"2026-01-05T03:00:00Z","value":0.0,"sigma":0.0,"baseline":null,"summary":"slow","evidence":null},"reason":"same service"}}"#;
        let line: Line = serde_json::from_str(old).expect("an old line");
        assert!(matches!(&line.entry, Entry::SignalJoined { score: None, .. }));
        assert_eq!(String::from_utf8_lossy(&line.to_bytes()), old);
    }

    #[test]
    fn a_changed_missing_or_cut_record_shows() {
        let good = chain(&StreamId::Config, 3);
        let head = head_of(&good);

        let mut changed = good.clone();
        let at = changed[1].bytes.len() - 5;
        changed[1].bytes[at] ^= 1;
        assert!(matches!(
            VerifiedJournal::verify(StreamId::Config, &changed, head),
            Err(ChainError::Changed { seq: 2, .. })
        ));

        let missing = [good[0].clone(), good[2].clone()];
        assert!(matches!(
            VerifiedJournal::verify(StreamId::Config, &missing, head),
            Err(ChainError::Gap { expected: 2, .. })
        ));

        assert!(matches!(
            VerifiedJournal::verify(StreamId::Config, &good[..2], head),
            Err(ChainError::Cut { head: 3, found: 2, .. })
        ));
    }

    #[test]
    fn a_record_cannot_be_moved_to_another_stream() {
        let records = chain(&StreamId::Config, 1);
        let elsewhere = StreamId::Service("payment-service".into());
        assert!(VerifiedJournal::verify(elsewhere, &records, head_of(&records)).is_err());
    }
}
