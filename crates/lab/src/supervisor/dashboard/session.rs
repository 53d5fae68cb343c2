//! Logins: the password's hash, sessions, and a brake on guessing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::{HeaderMap, header};

const USER: &str = "ops";
const COOKIE: &str = "lab_session";
const SESSION_LIFE: Duration = Duration::from_secs(8 * 3600);
const SESSIONS_MAX: usize = 100;
/// Wrong passwords within `FAILURE_WINDOW` after which nobody is let in.
const FAILURES_MAX: usize = 5;
const FAILURE_WINDOW: Duration = Duration::from_secs(30);
/// 8 MiB and two passes: a random 24-character password needs no more, and the lab shares its two cores.
const HASH_MEMORY_KIB: u32 = 8 * 1024;
const HASH_PASSES: u32 = 2;

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) csrf: String,
    since: Instant,
}

pub(super) enum LoginOutcome {
    /// The `Set-Cookie` header of the new session.
    Welcome(String),
    Wrong,
    Throttled,
}

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<String, Session>,
    failures: Vec<Instant>,
}

pub(in crate::supervisor) struct Sessions {
    hash: String,
    inner: Mutex<Inner>,
}

impl Sessions {
    pub(in crate::supervisor) fn new(password: &str) -> anyhow::Result<Sessions> {
        let salt =
            SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|error| anyhow!("salt: {error}"))?;
        let hash = hasher()?
            .hash_password(password.as_bytes(), &salt)
            .map_err(|error| anyhow!("hash the dashboard's password: {error}"))?
            .to_string();
        Ok(Sessions { hash, inner: Mutex::new(Inner::default()) })
    }

    pub(super) fn log_in(&self, user: &str, password: &str) -> LoginOutcome {
        {
            let mut inner = self.lock();
            inner.failures.retain(|at| at.elapsed() < FAILURE_WINDOW);
            if inner.failures.len() >= FAILURES_MAX {
                return LoginOutcome::Throttled;
            }
            // Counted before the check, so that attempts side by side do not slip through.
            inner.failures.push(Instant::now());
        }
        if !self.verify(password) || user != USER {
            return LoginOutcome::Wrong;
        }
        let mut inner = self.lock();
        inner.failures.clear();
        inner.sessions.retain(|_, session| session.since.elapsed() < SESSION_LIFE);
        while inner.sessions.len() >= SESSIONS_MAX {
            inner.sessions.pop_first();
        }
        let id = crate::supervisor::secret(40);
        inner
            .sessions
            .insert(id.clone(), Session { csrf: crate::supervisor::secret(40), since: Instant::now() });
        LoginOutcome::Welcome(format!(
            "{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
            SESSION_LIFE.as_secs()
        ))
    }

    pub(super) fn find(&self, headers: &HeaderMap) -> Option<Session> {
        let id = cookie(headers)?;
        self.lock().sessions.get(&id).filter(|session| session.since.elapsed() < SESSION_LIFE).cloned()
    }

    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(id) = cookie(headers) {
            self.lock().sessions.remove(&id);
        }
    }

    fn verify(&self, password: &str) -> bool {
        let (Ok(hasher), Ok(hash)) = (hasher(), PasswordHash::new(&self.hash)) else { return false };
        hasher.verify_password(password.as_bytes(), &hash).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hasher() -> anyhow::Result<Argon2<'static>> {
    let params =
        Params::new(HASH_MEMORY_KIB, HASH_PASSES, 1, None).map_err(|error| anyhow!("argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get(header::COOKIE)?.to_str().ok()?;
    let pairs = all.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// Compares without saying by its duration where the difference is.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0_u8, |difference, (a, b)| difference | (a ^ b)) == 0
}
