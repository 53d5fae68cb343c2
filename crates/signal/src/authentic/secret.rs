//! Secrets, which nothing prints.

use base64::Engine as _;
use std::fmt;

/// Bytes of a Standard Webhooks key: what the specification allows.
const WHSEC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A shared secret. It is never empty.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why a secret cannot be used. The secret is not in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the secret is empty: set one at the sender and here")]
    Empty,
    #[error("the secret begins or ends with white space: take out what was copied along with it")]
    WhiteSpace,
    #[error("the secret is not `whsec_` followed by base64")]
    NotWhsec,
    #[error("the secret has {found} bytes; Standard Webhooks asks for 24 to 64")]
    Length { found: usize },
}

impl Secret {
    /// A secret whose bytes are the text's.
    ///
    /// # Errors
    /// When it is empty, or a line break or blank came along with it.
    pub fn new(text: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let bytes = text.into();
        let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        match bytes.is_empty() {
            true => Err(SecretError::Empty),
            false if blank(bytes.first()) || blank(bytes.last()) => Err(SecretError::WhiteSpace),
            false => Ok(Self(bytes)),
        }
    }

    /// A secret of Standard Webhooks: `whsec_` and the bytes in base64.
    ///
    /// # Errors
    /// When it is written otherwise, or is too short or too long.
    pub fn whsec(text: &str) -> Result<Self, SecretError> {
        let encoded = text.trim().strip_prefix("whsec_").ok_or(SecretError::NotWhsec)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded);
        let bytes = bytes.map_err(|_| SecretError::NotWhsec)?;
        match bytes.len() {
            0 => Err(SecretError::Empty),
            found if !WHSEC_BYTES.contains(&found) => Err(SecretError::Length { found }),
            _ => Ok(Self(bytes)),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// One secret, or two while one replaces the other.
#[derive(Clone, Debug)]
pub struct Secrets {
    first: Secret,
    second: Option<Secret>,
}

impl Secrets {
    #[must_use]
    pub fn one(secret: Secret) -> Self {
        Self { first: secret, second: None }
    }

    /// Both hold, until the sender uses the new one.
    #[must_use]
    pub fn two(first: Secret, second: Secret) -> Self {
        Self { first, second: Some(second) }
    }

    /// Which secret fulfils the condition, in words. Both are asked, so that time does not tell which one it was.
    pub(super) fn find(&self, fits: impl Fn(&Secret) -> bool) -> Option<&'static str> {
        let first = fits(&self.first);
        let second = self.second.as_ref().is_some_and(fits);
        match (first, second) {
            (true, _) => Some("first secret"),
            (false, true) => Some("second secret"),
            (false, false) => None,
        }
    }
}
