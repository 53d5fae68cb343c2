//! API keys: one for everything, and named ones with scopes.

use super::Scope;
use super::session::Signed;
use super::user::{self, User};
use crate::error::ApiError;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use midwatch_model::Evidence;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use strum::VariantArray as _;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

/// What every named key begins with; then its name and its secret, with `_` between.
const PREFIX: &str = "mw_";

/// Bytes of a key's secret, written in hexadecimal.
const SECRET_BYTES: usize = 32;

/// Longest key that is looked at; ours have about a hundred characters, people's own hardly more.
const KEY_CHARS_MAX: usize = 512;

/// Hashes that are computed at once, of keys and of passwords each: each takes a core for some 30 ms and 19 MiB. They do
/// not wait for each other, so that who guesses passwords keeps no key waiting.
const HASHES_MAX: usize = 1;

/// Passwords that may wait to be compared: half a second's worth. Whoever comes then is told to come back.
const SIGN_INS_MAX: usize = 16;

/// The name of the key that is good for everything; it may be anybody's.
pub(crate) const SERVERS_KEY: &str = "the server's key";

/// A secret as its SHA-256, so that comparing it tells nothing by its timing and dumping it shows nothing.
#[derive(Clone)]
pub(super) struct Digest(String);

impl Digest {
    pub(super) fn of(text: &str) -> Self {
        Self(Evidence::digest_of(text.as_bytes()))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// An API key that is good for everything.
#[derive(Clone)]
pub struct ApiKey(Digest);

impl ApiKey {
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Digest::of(key))
    }
}

/// A key with a name and scopes, known by its hash.
pub struct NamedKey {
    name: String,
    /// Argon2id in PHC's notation.
    hash: String,
    scopes: BTreeSet<Scope>,
    /// The key's digest once somebody has proved to have it: later calls cost no Argon2.
    known: OnceLock<Digest>,
}

/// Why a key cannot be configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("name `{0}` cannot be used: 1–40 small letters, digits and `-`")]
    Name(String),
    #[error(
        "hash of `{0}` is not an Argon2id hash: paste the line that `midwatch key new --name {0}` prints"
    )]
    Hash(String),
    #[error(
        "hash of `{0}` is not an Argon2id hash: paste the line that `midwatch user new --name {0}` prints"
    )]
    PasswordHash(String),
    #[error("scopes of `{0}` is empty: name at least one of read, ingest, act, admin")]
    NoScope(String),
    #[error("`{0}` is there twice; give each key a name of its own")]
    Twice(String),
}

impl NamedKey {
    /// # Errors
    /// What is wrong with which field.
    pub fn new(name: &str, hash: &str, scopes: &[Scope]) -> Result<Self, KeyError> {
        check_name(name)?;
        if !is_argon2id(hash) {
            return Err(KeyError::Hash(name.into()));
        }
        if scopes.is_empty() {
            return Err(KeyError::NoScope(name.into()));
        }
        let (name, hash, scopes) = (name.to_owned(), hash.to_owned(), scopes.iter().copied().collect());
        Ok(Self { name, hash, scopes, known: OnceLock::new() })
    }
}

pub(super) fn is_argon2id(hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id" && hash.hash.is_some())
}

pub(super) fn check_name(name: &str) -> Result<(), KeyError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=40).contains(&name.len()) && name.chars().all(plain);
    fits.then_some(()).ok_or_else(|| KeyError::Name(name.into()))
}

/// A new key: shown once, and what the configuration keeps of it.
pub struct Minted {
    pub key: String,
    pub hash: String,
}

/// Makes a key of random bytes.
///
/// # Errors
/// When the name cannot be used.
pub fn mint(name: &str, secret: [u8; SECRET_BYTES], salt: [u8; 16]) -> Result<Minted, KeyError> {
    check_name(name)?;
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("{PREFIX}{name}_{secret}");
    let failed = |_| KeyError::Hash(name.into());
    let salt = SaltString::encode_b64(&salt).map_err(failed)?;
    let hash = Argon2::default().hash_password(key.as_bytes(), &salt).map_err(failed)?.to_string();
    Ok(Minted { key, hash })
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub name: String,
    scopes: BTreeSet<Scope>,
    /// The session that says so, where it is no key.
    pub signed: Option<Signed>,
}

impl Caller {
    pub(super) fn new(name: &str, scopes: BTreeSet<Scope>) -> Self {
        Self { name: name.to_owned(), scopes, signed: None }
    }

    /// Somebody who may do everything.
    pub(crate) fn everything(name: &str) -> Self {
        Self::new(name, Scope::VARIANTS.iter().copied().collect())
    }

    pub fn scopes(&self) -> &BTreeSet<Scope> {
        &self.scopes
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// All keys that hold.
#[derive(Clone)]
pub struct KeyRing {
    whole: Option<ApiKey>,
    named: Arc<[NamedKey]>,
    users: Arc<[User]>,
    hashing: Arc<Semaphore>,
    comparing: Arc<Semaphore>,
    /// Places of those whose password waits or is compared.
    signing_in: Arc<Semaphore>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.named.iter().map(|key| key.name.as_str()).collect();
        write!(f, "KeyRing({names:?})")
    }
}

impl KeyRing {
    /// # Errors
    /// When two keys have the same name.
    pub fn new(whole: Option<ApiKey>, named: Vec<NamedKey>) -> Result<Self, KeyError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = named.iter().find(|key| !names.insert(key.name.as_str())) {
            return Err(KeyError::Twice(twice.name.clone()));
        }
        let some = |count| Arc::new(Semaphore::new(count));
        let (hashing, comparing, signing_in) = (some(HASHES_MAX), some(HASHES_MAX), some(SIGN_INS_MAX));
        Ok(Self { whole, named: named.into(), users: Arc::default(), hashing, comparing, signing_in })
    }

    /// The same with people who sign in with a password. People and keys share one list of names, so that a name on
    /// record is one of them.
    ///
    /// # Errors
    /// When two have the same name.
    pub fn with_users(self, users: Vec<User>) -> Result<Self, KeyError> {
        let mut names: BTreeSet<&str> = self.named.iter().map(|key| key.name.as_str()).collect();
        if let Some(twice) = users.iter().find(|user| !names.insert(user.name.as_str())) {
            return Err(KeyError::Twice(twice.name.clone()));
        }
        Ok(Self { users: users.into(), ..self })
    }

    /// Whether anybody signs in with a password.
    pub(crate) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Whoever this password belongs to. A name that nobody has takes as long as a wrong password.
    pub(crate) async fn person(
        &self,
        name: &str,
        password: String,
        may_try: impl FnOnce() -> Result<(), ApiError>,
    ) -> Result<Caller, ApiError> {
        may_try()?;
        let Some(first) = self.users.first() else { return Err(user::refused()) };
        let known = self.users.iter().find(|user| user.name == name);
        let (user, is_known) = (known.unwrap_or(first).clone(), known.is_some());
        let gone = || ApiError::unavailable("the server is stopping");
        let place = self.signing_in.clone().try_acquire_owned().map_err(|_| ApiError::unavailable(CROWD))?;
        let permit = self.comparing.clone().acquire_owned().await.map_err(|_| gone())?;
        let compare = move || {
            let _both = (place, permit);
            (user.proves(&password) && is_known).then(|| user.caller())
        };
        tokio::task::spawn_blocking(compare).await.map_err(|_| gone())?.ok_or_else(user::refused)
    }

    /// Whether there is no key, so that only this machine may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.named.is_empty() && self.users.is_empty()
    }

    /// Who sends these headers. `may_try` is asked before anything is done for, or said to, somebody who
    /// may be guessing.
    pub(crate) async fn caller(
        &self,
        headers: &HeaderMap,
        may_try: impl FnOnce() -> Result<(), ApiError>,
    ) -> Result<Caller, ApiError> {
        self.holder(given(headers)?, may_try).await
    }

    /// Whose key this is. `may_try` is as of [`KeyRing::caller`].
    pub(crate) async fn holder(
        &self,
        given: String,
        may_try: impl FnOnce() -> Result<(), ApiError>,
    ) -> Result<Caller, ApiError> {
        let digest = Digest::of(&given);
        if self.whole.as_ref().is_some_and(|key| key.0.is(&digest)) {
            return Ok(Caller::everything(SERVERS_KEY));
        }
        let place = self.named.iter().position(|key| name_of(&given) == Some(key.name.as_str()));
        let Some(place) = place else {
            // Guesses of the server's own key are counted, too.
            may_try()?;
            return Err(unknown());
        };
        let key = &self.named[place];
        let is_known = match key.known.get() {
            Some(known) if known.is(&digest) => true,
            Some(_) => {
                may_try()?;
                false
            }
            None => {
                may_try()?;
                self.prove(place, given, digest).await?
            }
        };
        if !is_known {
            return Err(unknown());
        }
        Ok(Caller::new(&key.name, key.scopes.clone()))
    }

    /// Compares with the hash, and remembers the key if it is the one.
    async fn prove(&self, place: usize, given: String, digest: Digest) -> Result<bool, ApiError> {
        let gone = |_| ApiError::unavailable("the server is stopping");
        let permit = self.hashing.clone().acquire_owned().await;
        let permit = permit.map_err(|_| ApiError::unavailable("the server is stopping"))?;
        let named = self.named.clone();
        let compare = move || {
            let _permit = permit;
            let key = &named[place];
            // Somebody else may have proved it while this waited.
            if let Some(known) = key.known.get() {
                return known.is(&digest);
            }
            let hash = PasswordHash::new(&key.hash);
            let fits =
                hash.is_ok_and(|hash| Argon2::default().verify_password(given.as_bytes(), &hash).is_ok());
            if fits {
                let _ = key.known.set(digest);
            }
            fits
        };
        tokio::task::spawn_blocking(compare).await.map_err(gone)
    }
}

/// What whoever signs in while too many do is told.
const CROWD: &str = "too many sign in at once; try again in a few seconds, or use an API key";

fn unknown() -> ApiError {
    ApiError::unauthorized("this is no key of this server; `midwatch key new` makes one")
}

/// The name that a key says it has. It is no secret.
fn name_of(key: &str) -> Option<&str> {
    let (name, secret) = key.strip_prefix(PREFIX)?.rsplit_once('_')?;
    (secret.len() == 2 * SECRET_BYTES).then_some(name)
}

/// Whether a request carries something that should be a key.
pub(super) fn is_given(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key")
}

/// The key that a request carries, in one of the three ways.
fn given(headers: &HeaderMap) -> Result<String, ApiError> {
    let missing = || {
        ApiError::unauthorized(
            "send the API key as `Authorization: Bearer …`, as `X-API-Key: …`, or where a client asks for a user and a password, as the latter",
        )
    };
    let authorization = only(headers, AUTHORIZATION.as_str())?.and_then(authorized);
    let key = match authorization {
        Some(key) => Some(key),
        None => only(headers, "x-api-key")?.map(ToOwned::to_owned),
    };
    key.filter(|key| (1..=KEY_CHARS_MAX).contains(&key.len())).ok_or_else(missing)
}

fn authorized(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    // The user may be anything: what decides is the key.
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

/// A header that decides must be there once, so that no two readers see different ones.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ApiError::unauthorized(format!("the header {name} is there more than once")));
    }
    Ok(first.and_then(|value| value.to_str().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const SALT: [u8; 16] = [7; 16];

    fn ring() -> (KeyRing, String) {
        let minted = mint("prometheus", [1; 32], SALT).expect("a key");
        let key = NamedKey::new("prometheus", &minted.hash, &[Scope::Ingest]).expect("a key");
        (KeyRing::new(Some(ApiKey::new("whole")), vec![key]).expect("a ring"), minted.key)
    }

    fn headers(all: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    /// Whether the headers name a caller, and whether that counted as a guess.
    async fn check(ring: &KeyRing, all: &[(&'static str, String)]) -> (Option<String>, bool) {
        let tried = Cell::new(false);
        let may_try = || {
            tried.set(true);
            Ok(())
        };
        let caller = ring.caller(&headers(all), may_try).await;
        (caller.ok().map(|caller| caller.name), tried.get())
    }

    #[tokio::test]
    async fn a_key_is_accepted_in_three_ways_and_hashed_once() {
        let (ring, key) = ring();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("anybody:{key}"));
        let named = Some("prometheus".to_owned());
        let wrong = format!("mw_prometheus_{}", "0".repeat(64));
        for (header, value, expected) in [
            ("authorization", format!("Bearer {}", "x".repeat(20)), (None, true)),
            ("authorization", format!("Bearer mw_nobody_{}", "0".repeat(64)), (None, true)),
            ("authorization", format!("Bearer {wrong}"), (None, true)),
            ("authorization", format!("bearer {key}"), (named.clone(), true)),
            ("authorization", format!("Basic {basic}"), (named.clone(), false)),
            ("x-api-key", key.clone(), (named.clone(), false)),
            ("x-api-key", wrong, (None, true)),
            ("x-api-key", "whole".into(), (Some("the server's key".into()), false)),
            ("x-api-key", String::new(), (None, false)),
            ("authorization", "Basic %%".into(), (None, false)),
        ] {
            assert_eq!(check(&ring, &[(header, value.clone())]).await, expected, "{header}: {value}");
        }
        let twice = [("x-api-key", key.clone()), ("x-api-key", key)];
        assert_eq!(check(&ring, &twice).await, (None, false), "a header that is there twice");
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_with_the_fix() {
        let hash = mint("a", [1; 32], SALT).expect("a key").hash;
        let check = |name: &str, hash: &str, scopes: &[Scope]| NamedKey::new(name, hash, scopes).err();
        assert_eq!(check("a", &hash, &[Scope::Read]), None);
        assert_eq!(check("A_b", &hash, &[Scope::Read]), Some(KeyError::Name("A_b".into())));
        assert_eq!(check("a", "secret", &[Scope::Read]), Some(KeyError::Hash("a".into())));
        assert_eq!(check("a", &hash, &[]), Some(KeyError::NoScope("a".into())));
        let key = || NamedKey::new("a", &hash, &[Scope::Read]).expect("a key");
        assert_eq!(KeyRing::new(None, vec![key(), key()]).err(), Some(KeyError::Twice("a".into())));
    }

    #[tokio::test]
    async fn who_guesses_passwords_keeps_no_key_waiting_and_is_told_to_come_back() {
        let (ring, key) = ring();
        let hash = super::super::hash_password("correct horse battery", SALT).expect("a hash");
        let ada = User::new("ada", &hash, &[Scope::Read]).expect("a user");
        let ring = ring.with_users(vec![ada]).expect("a ring");
        // Somebody's password is being compared, and as many wait as may.
        let busy = ring.comparing.clone().acquire_owned().await.expect("a place");
        let waiting = u32::try_from(SIGN_INS_MAX).expect("few");
        let crowd = ring.signing_in.clone().acquire_many_owned(waiting).await.expect("places");
        let sign_in = || ring.person("ada", "correct horse battery".into(), || Ok(()));
        let refused = sign_in().await.map(|caller| caller.name).expect_err("a crowd");
        assert_eq!(refused.status(), axum::http::StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(check(&ring, &[("x-api-key", key)]).await, (Some("prometheus".into()), true));
        drop((busy, crowd));
        assert_eq!(sign_in().await.map(|caller| caller.name).expect("signed in"), "ada");
    }
}
