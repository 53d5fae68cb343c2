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

/// Milliseconds since 1970 in base 32 and 40 random bits: sorts by time, no two alike across processes.
pub struct SystemIds;

/// Crockford's base 32: no letter that can be mistaken for another when an id is read out on the phone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn base32(mut value: u64, digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl Ids for SystemIds {
    fn next(&self, now: Timestamp) -> String {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let mut random = [0u8; 8];
        // Without entropy the time alone still orders ids; a clash would be refused by the store.
        let _ = getrandom::fill(&mut random);
        format!("{}{}", base32(millis, 9), base32(u64::from_be_bytes(random), 5))
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
