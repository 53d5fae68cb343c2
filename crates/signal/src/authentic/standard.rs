//! Standard Webhooks 1.0: verified when they come in, signed when they go out.

use super::header::{malformed, only, seconds};
use super::hmac::{MAC_BYTES, fits, mac, mismatch};
use super::{Headers, Refused, Secret, Secrets, TOLERANCE_S, Verified, check_age};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use midwatch_model::Timestamp;

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// Most signatures of one message; a sender has one per secret, two in rotation.
const SIGNATURES_MAX: usize = 8;
/// Longest id of a message.
const ID_CHARS_MAX: usize = 256;

/// The headers of a message that goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
}

impl Signed {
    /// Name and value of each header.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [(ID, &self.id), (TIMESTAMP, &self.timestamp), (SIGNATURE, &self.signature)]
    }
}

/// Signs a message. The id stays the same when it is sent again, the time does not. With two secrets it carries two
/// signatures, so that a receiver may still hold the old one.
///
/// # Errors
/// When the id is empty, too long or holds a `.` or what cannot stand in a header; the parts could then be cut in two ways.
pub fn sign(secrets: &[&Secret], id: &str, at: Timestamp, body: &[u8]) -> Result<Signed, String> {
    if !is_id(id) {
        return Err(format!(
            "the id of a webhook must have 1 to {ID_CHARS_MAX} visible characters without `.`"
        ));
    }
    if secrets.is_empty() {
        return Err("a webhook cannot be signed without a secret: configure one".into());
    }
    let timestamp = at.as_second().to_string();
    let signature = |secret: &&Secret| format!("v1,{}", STANDARD.encode(over(secret, id, &timestamp, body)));
    let signature = secrets.iter().map(signature).collect::<Vec<_>>().join(" ");
    Ok(Signed { id: id.to_owned(), signature, timestamp })
}

pub(super) fn verify(
    secrets: &Secrets,
    headers: &dyn Headers,
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, Refused> {
    let id = only(headers, ID)?;
    if !is_id(id) {
        return Err(malformed(ID, "an id without `.`"));
    }
    let (time, signed_at) = seconds(headers, TIMESTAMP)?;
    let signatures = signatures(only(headers, SIGNATURE)?)?;
    let which = secrets.find(|secret| fits(&over(secret, id, &time, body), &signatures));
    let which = which.ok_or_else(|| mismatch(SIGNATURE))?;
    check_age(signed_at, now, TOLERANCE_S)?;
    Ok(Verified { how: format!("Standard Webhooks signature v1 ({which})"), replay_key: Some(id.to_owned()) })
}

/// The signatures of version 1; those of other versions (`v1a` is asymmetric) stand beside them.
fn signatures(text: &str) -> Result<Vec<[u8; MAC_BYTES]>, Refused> {
    let decoded = |part: &str| STANDARD.decode(part).ok().and_then(|bytes| bytes.try_into().ok());
    let today: Option<Vec<_>> =
        text.split(' ').filter_map(|part| part.strip_prefix("v1,")).map(decoded).collect();
    let fitting = today.filter(|all| (1..=SIGNATURES_MAX).contains(&all.len()));
    fitting.ok_or_else(|| malformed(SIGNATURE, "`v1,` and base64, more of them after blanks"))
}

/// The specification leaves out the dot that separates the parts.
fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

fn over(secret: &Secret, id: &str, time: &str, body: &[u8]) -> [u8; MAC_BYTES] {
    mac(secret, &[id.as_bytes(), b".", time.as_bytes(), b".", body])
}
