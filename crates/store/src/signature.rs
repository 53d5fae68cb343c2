//! Signatures: which labels a row may have, in 128 bits (a Bloom filter).
//!
//! Signatures are stored: a change of how they are made needs a migration that makes all of them anew.

use midwatch_model::label::MatchOp;
use midwatch_model::{Fingerprint, Labels, Matcher};

/// Bits that a label sets. With about ten labels, a third of the bits is set, and one row in a hundred that lacks a label
/// is taken for one that has it; a second label in question makes that one in ten thousand.
const BITS: u32 = 4;

/// Which labels a row may have; of what is asked for, which it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature(u128);

impl Signature {
    /// Of a row with these labels.
    pub fn of<'a>(labels: &Labels, fingerprint: impl Into<Option<&'a Fingerprint>>) -> Self {
        let pairs = labels.iter().fold(Self::default(), |all, (name, value)| all.with(name, value));
        // No label has an empty name.
        fingerprint.into().map_or(pairs, |fingerprint| pairs.with("", &fingerprint.to_string()))
    }

    /// What a row must have so that all matchers can hold. Only `name="value"` tells something.
    pub fn needed_by(matchers: &[Matcher]) -> Self {
        let telling = matchers.iter().filter(|m| m.op() == MatchOp::Equal && !m.value().is_empty());
        telling.fold(Self::default(), |all, matcher| all.with(matcher.name(), matcher.value()))
    }

    pub fn with(self, name: &str, value: &str) -> Self {
        // Seven bits of the hash name one of the 128.
        let hash = fnv(&[name, value]);
        Self((0..BITS).fold(self.0, |bits, n| bits | 1 << ((hash >> (7 * n)) & 127)))
    }

    /// SQLite's integers have 64 bits and a sign.
    pub fn low(self) -> i64 {
        self.0 as u64 as i64
    }

    pub fn high(self) -> i64 {
        (self.0 >> 64) as u64 as i64
    }
}

/// FNV-1a over texts, kept apart by a byte that UTF-8 does not have; the halves are folded into one another, since the
/// low bits of FNV alone are poor.
fn fnv(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use midwatch_model::label::parse_matchers;

    #[test]
    fn a_row_that_has_the_labels_is_never_ruled_out_and_most_others_are() {
        let wanted =
            Signature::needed_by(&parse_matchers("pod=p-7,zone!=a,team=~x,empty=").expect("matchers"));
        let may_have = |n: usize| {
            let names =
                ["pod", "service", "namespace", "cluster", "instance", "alertname", "severity", "team"];
            let labels = names.iter().map(|name| ((*name).to_owned(), format!("p-{n}"))).collect();
            Signature::of(&labels, None).0 & wanted.0 == wanted.0
        };
        assert!(may_have(7));
        let taken = (100..10_100).filter(|n| may_have(*n)).count();
        assert!(taken < 200, "{taken} of 10,000 rows are taken for one that has the label");
    }
}
