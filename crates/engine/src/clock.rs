//! Time and ids, which the pure stages take as inputs.

use midwatch_model::{Timestamp, after};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that moves when told to.
pub struct VirtualClock(Mutex<Timestamp>);

impl VirtualClock {
    #[must_use]
    pub fn starting_at(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock forward.
    pub fn advance(&self, seconds: f64) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = after(*now, seconds);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Where ids come from.
pub trait Ids: Send + Sync {
    /// A fresh suffix, later ones sorting after earlier ones.
    fn next(&self, now: Timestamp) -> String;

    /// A random UUID (version 4), for what other tools expect to have one.
    fn uuid(&self) -> String;
}

/// Milliseconds since 1970 and 25 bits in base 32. The bits are random for the first id of a millisecond and counted up
/// from there, so ids of one process sort in the order in which they were asked for and no two are alike.
#[derive(Debug, Default)]
pub struct SystemIds(Mutex<u128>);

/// Bits after the milliseconds.
const COUNTED_BITS: u32 = 25;

/// Crockford's base 32: no letter that can be mistaken for another when an id is read out on the phone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn base32(mut value: u128, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl SystemIds {
    /// The next number, at `millis` or, where that is not later than the last one, right after the last one.
    fn number(&self, millis: u128) -> u128 {
        let mut random = [0u8; 4];
        // Without entropy the time alone still orders ids. The highest bit is left for counting.
        let _ = getrandom::fill(&mut random);
        let fresh =
            (millis << COUNTED_BITS) | u128::from(u32::from_be_bytes(random) >> (32 + 1 - COUNTED_BITS));
        let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = if millis > *last >> COUNTED_BITS { fresh } else { *last + 1 };
        *last
    }
}

impl Ids for SystemIds {
    fn next(&self, now: Timestamp) -> String {
        base32(self.number(u128::try_from(now.as_millisecond()).unwrap_or(0)), 14)
    }

    fn uuid(&self) -> String {
        let mut random = [0u8; 16];
        let _ = getrandom::fill(&mut random);
        uuid_of(u128::from_be_bytes(random))
    }
}

/// The bits as a UUID of version 4 and the standard variant.
fn uuid_of(bits: u128) -> String {
    let bits = bits & !(0xf << 76) | (0x4 << 76);
    let bits = bits & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// 000001, 000002, …: for replays and tests. A restarted process goes on where it is told to.
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    #[must_use]
    pub fn from(start: u64) -> Self {
        Self(AtomicU64::new(start))
    }
}

impl Ids for SequentialIds {
    fn next(&self, _now: Timestamp) -> String {
        format!("{:06}", self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn uuid(&self) -> String {
        uuid_of(u128::from(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_process_are_all_different_and_in_order_even_when_the_clock_goes_back() {
        let ids = SystemIds::default();
        let now = Timestamp::from_millisecond(1_790_000_000_000).expect("a time");
        let times = std::iter::repeat_n(now, 10_000).chain([after(now, -5.0), after(now, 0.001), now]);
        let all: Vec<String> = times.map(|at| ids.next(at)).collect();
        assert!(all.is_sorted_by(|a, b| a < b), "not in order");
        assert!(all.iter().all(|id| id.len() == 14 && id.bytes().all(|digit| ALPHABET.contains(&digit))));
    }
}
