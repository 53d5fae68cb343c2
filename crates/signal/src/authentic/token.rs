//! Schemes that send the secret itself.

use super::header::{malformed, only, only_bytes};
use super::hmac::mismatch;
use super::{HeaderName, Headers, Refused, Secrets, Verified};
use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const GITLAB: &str = "X-Gitlab-Token";
const AUTHORIZATION: &str = "Authorization";

pub(super) fn gitlab(tokens: &Secrets, headers: &dyn Headers) -> Result<Verified, Refused> {
    let given = only_bytes(headers, GITLAB)?;
    found(tokens, GITLAB, "GitLab token", |secret| same(secret, given))
}

pub(super) fn api_key(
    header: &HeaderName,
    keys: &Secrets,
    headers: &dyn Headers,
) -> Result<Verified, Refused> {
    let given = only_bytes(headers, header.as_str())?;
    found(keys, header.as_str(), "API key", |secret| same(secret, given))
}

pub(super) fn bearer(tokens: &Secrets, headers: &dyn Headers) -> Result<Verified, Refused> {
    let given = authorization(headers, "bearer", "`Bearer` and a token")?;
    found(tokens, AUTHORIZATION, "bearer token", |secret| same(secret, given))
}

pub(super) fn basic(user: &str, passwords: &Secrets, headers: &dyn Headers) -> Result<Verified, Refused> {
    let expected = "`Basic` and base64 of user:password";
    let given = authorization(headers, "basic", expected)?;
    let given = base64::engine::general_purpose::STANDARD.decode(given);
    let given = given.map_err(|_| malformed(AUTHORIZATION, expected))?;
    found(passwords, AUTHORIZATION, "user and password", |password| {
        same(&[user.as_bytes(), b":", password].concat(), &given)
    })
}

/// What follows the scheme's name, whose case does not matter (RFC 9110), and one blank.
fn authorization<'a>(
    headers: &'a dyn Headers,
    scheme: &str,
    expected: &'static str,
) -> Result<&'a [u8], Refused> {
    let text = only(headers, AUTHORIZATION)?;
    let parts = text.split_once(' ').filter(|(name, _)| name.eq_ignore_ascii_case(scheme));
    let given = parts.map(|(_, given)| given).filter(|given| !given.is_empty() && !given.contains(' '));
    given.map(str::as_bytes).ok_or_else(|| malformed(AUTHORIZATION, expected))
}

fn found(
    secrets: &Secrets,
    header: &str,
    what: &str,
    fits: impl Fn(&[u8]) -> bool,
) -> Result<Verified, Refused> {
    let which = secrets.find(|secret| fits(secret.bytes())).ok_or_else(|| mismatch(header))?;
    Ok(Verified { how: format!("{what} ({which})"), replay_key: None })
}

/// Compares digests, so that not even the length shows in the time that it takes.
fn same(secret: &[u8], given: &[u8]) -> bool {
    Sha256::digest(secret).as_slice().ct_eq(Sha256::digest(given).as_slice()).into()
}
