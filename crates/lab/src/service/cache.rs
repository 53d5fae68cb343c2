//! The in-memory cache of customer profiles: real entries as encoded bytes, decoded on every hit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::{App, ramp, tick};
use crate::catalogue::CUSTOMERS;
use crate::launch::CacheCorruption;

/// How long a good entry lives.
const TTL: Duration = Duration::from_secs(60);
/// Walks over all keys in a scattered order; has no common factor with `CUSTOMERS`.
const STRIDE: u32 = 173;

struct Entry {
    bytes: Vec<u8>,
    /// A damaged entry lost its expiry together with its contents.
    expires: Option<Instant>,
}

pub(super) enum Lookup {
    Hit,
    Miss,
    Undecodable,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<u32, Entry>,
    corruption: Option<(CacheCorruption, Instant)>,
    damaged: u32,
}

pub(super) struct Cache {
    inner: Mutex<Inner>,
}

impl Cache {
    pub(super) fn new() -> Cache {
        Cache { inner: Mutex::new(Inner::default()) }
    }

    pub(super) fn look_up(&self, customer: u32) -> Lookup {
        let mut inner = self.lock();
        let Some(entry) = inner.entries.get(&customer) else { return Lookup::Miss };
        if entry.expires.is_some_and(|expires| expires <= Instant::now()) {
            inner.entries.remove(&customer);
            return Lookup::Miss;
        }
        match serde_json::from_slice::<Value>(&entry.bytes) {
            Ok(_) => Lookup::Hit,
            Err(_) => Lookup::Undecodable,
        }
    }

    pub(super) fn insert(&self, customer: u32, body: &str) {
        let entry = Entry { bytes: body.as_bytes().to_vec(), expires: Some(Instant::now() + TTL) };
        self.lock().entries.insert(customer, entry);
    }

    /// Starts damaging entries, or drops all damaged ones.
    pub(super) fn corrupt(&self, corruption: Option<CacheCorruption>) {
        let mut inner = self.lock();
        if corruption.is_none() {
            inner.entries.retain(|_, entry| entry.expires.is_some());
        }
        inner.damaged = 0;
        inner.corruption = corruption.map(|corruption| (corruption, Instant::now()));
    }

    pub(super) fn is_corrupted(&self) -> bool {
        self.lock().corruption.is_some()
    }

    /// Overwrites as many entries with cut-off bytes as the damage has reached by now.
    fn spread_damage(&self) {
        let mut inner = self.lock();
        let Some((corruption, since)) = inner.corruption else { return };
        let wanted =
            (f64::from(CUSTOMERS) * corruption.share * ramp(since, corruption.ramp_s)).round() as u32;
        for step in inner.damaged..wanted.min(CUSTOMERS) {
            let customer = step * STRIDE % CUSTOMERS;
            let cut = format!("{{\"customer\":{customer},\"ti").into_bytes();
            inner.entries.insert(customer, Entry { bytes: cut, expires: None });
        }
        inner.damaged = inner.damaged.max(wanted);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn maintain(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    while tick(&mut stopped, Duration::from_millis(250)).await {
        app.cache.spread_damage();
    }
}
