//! Schemes that sign with HMAC-SHA256 and write it in hex.

use super::header::{malformed, only, seconds};
use super::{HeaderName, Headers, Refused, Secret, Secrets, TOLERANCE_S, Verified, check_age};
use ::hmac::{Hmac, KeyInit as _, Mac as _};
use midwatch_model::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Bytes of a SHA-256.
pub(super) const MAC_BYTES: usize = 32;
/// Most signatures that one header may hold; PagerDuty sends one per secret.
const SIGNATURES_MAX: usize = 8;

const PAGERDUTY: &str = "X-PagerDuty-Signature";
const GITHUB: &str = "X-Hub-Signature-256";
const SLACK: &str = "X-Slack-Signature";
const SLACK_TIMESTAMP: &str = "X-Slack-Request-Timestamp";

pub(super) fn pagerduty(secrets: &Secrets, headers: &dyn Headers, body: &[u8]) -> Result<Verified, Refused> {
    let expected = "`v1=` and 64 small hexadecimal digits, more of them after commas";
    let parts: Vec<&str> = only(headers, PAGERDUTY)?.split(',').collect();
    let versioned = |part: &&str| part.trim().starts_with('v') && part.contains('=');
    if parts.len() > SIGNATURES_MAX || !parts.iter().all(versioned) {
        return Err(malformed(PAGERDUTY, expected));
    }
    // Signatures of a version to come stand beside those of today.
    let today = parts.iter().filter_map(|part| part.trim().strip_prefix("v1="));
    let signatures: Option<Vec<_>> = today.map(hex).collect();
    let signatures =
        signatures.filter(|all| !all.is_empty()).ok_or_else(|| malformed(PAGERDUTY, expected))?;
    let which = secrets.find(|secret| fits(&mac(secret, &[body]), &signatures));
    let which = which.ok_or_else(|| mismatch(PAGERDUTY))?;
    Ok(Verified { how: format!("PagerDuty signature v1 ({which})"), replay_key: None })
}

pub(super) fn github(secrets: &Secrets, headers: &dyn Headers, body: &[u8]) -> Result<Verified, Refused> {
    let text = only(headers, GITHUB)?;
    let signature = text.strip_prefix("sha256=").and_then(hex);
    let signature =
        signature.ok_or_else(|| malformed(GITHUB, "`sha256=` and 64 small hexadecimal digits"))?;
    let which = secrets.find(|secret| fits(&mac(secret, &[body]), &[signature]));
    let which = which.ok_or_else(|| mismatch(GITHUB))?;
    // The delivery's id is not signed; the signature stands for the body.
    Ok(Verified { how: format!("GitHub signature sha256 ({which})"), replay_key: Some(text.to_owned()) })
}

pub(super) fn slack(
    secrets: &Secrets,
    headers: &dyn Headers,
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, Refused> {
    let text = only(headers, SLACK)?;
    let signature = text.strip_prefix("v0=").and_then(hex);
    let signature = signature.ok_or_else(|| malformed(SLACK, "`v0=` and 64 small hexadecimal digits"))?;
    let (time, signed_at) = seconds(headers, SLACK_TIMESTAMP)?;
    let parts: [&[u8]; 4] = [b"v0:", time.as_bytes(), b":", body];
    let which = secrets.find(|secret| fits(&mac(secret, &parts), &[signature]));
    let which = which.ok_or_else(|| mismatch(SLACK))?;
    check_age(signed_at, now, TOLERANCE_S)?;
    Ok(Verified { how: format!("Slack signature v0 ({which})"), replay_key: Some(text.to_owned()) })
}

pub(super) fn grafana(
    secrets: &Secrets,
    (signature_header, timestamp_header): (&HeaderName, &HeaderName),
    headers: &dyn Headers,
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, Refused> {
    let name = signature_header.as_str();
    let text = only(headers, name)?;
    let signature = hex(text).ok_or_else(|| malformed(name, "64 small hexadecimal digits"))?;
    let (time, signed_at) = seconds(headers, timestamp_header.as_str())?;
    let parts: [&[u8]; 3] = [time.as_bytes(), b":", body];
    let which = secrets.find(|secret| fits(&mac(secret, &parts), &[signature]));
    let which = which.ok_or_else(|| mismatch(name))?;
    check_age(signed_at, now, TOLERANCE_S)?;
    Ok(Verified { how: format!("Grafana signature ({which})"), replay_key: Some(text.to_owned()) })
}

pub(super) fn mac(secret: &Secret, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Whether one of the signatures is this one. All of them are compared.
pub(super) fn fits(mac: &[u8; MAC_BYTES], signatures: &[[u8; MAC_BYTES]]) -> bool {
    let none = subtle::Choice::from(0);
    signatures.iter().fold(none, |any, signature| any | mac.ct_eq(signature)).into()
}

pub(super) fn mismatch(header: &str) -> Refused {
    Refused::Mismatch { header: header.to_owned() }
}

/// 64 small hexadecimal digits, as every vendor writes them: a signature has one spelling.
fn hex(text: &str) -> Option<[u8; MAC_BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes: Option<Vec<u8>> =
        text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect();
    bytes?.try_into().ok()
}
