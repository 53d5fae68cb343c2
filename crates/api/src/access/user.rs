//! People who sign in with a password.

use super::Scope;
use super::key::{Caller, KeyError, check_name, is_argon2id};
use crate::error::ApiError;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use std::collections::BTreeSet;

/// Characters of a password at least. What is shorter is guessed, however seldom one may try.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// Bytes of a password that are looked at.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Somebody who signs in with a password, known by its hash.
#[derive(Clone)]
pub struct User {
    pub(super) name: String,
    /// Argon2id in PHC's notation.
    hash: String,
    scopes: BTreeSet<Scope>,
}

impl User {
    /// # Errors
    /// What is wrong with which field.
    pub fn new(name: &str, hash: &str, scopes: &[Scope]) -> Result<Self, KeyError> {
        check_name(name)?;
        if !is_argon2id(hash) {
            return Err(KeyError::PasswordHash(name.into()));
        }
        if scopes.is_empty() {
            return Err(KeyError::NoScope(name.into()));
        }
        let scopes = scopes.iter().copied().collect();
        Ok(Self { name: name.to_owned(), hash: hash.to_owned(), scopes })
    }

    /// Compares with the hash, which takes a core some 30 ms.
    pub(super) fn proves(&self, password: &str) -> bool {
        fits(&self.hash, password)
    }

    pub(super) fn caller(&self) -> Caller {
        Caller::new(&self.name, self.scopes.clone())
    }
}

pub(super) fn fits(hash: &str, password: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// What the configuration keeps of a password.
///
/// # Errors
/// When it is too short or too long.
pub fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, PasswordError> {
    if password.chars().count() < PASSWORD_CHARS_MIN || password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::Length);
    }
    let salt = SaltString::encode_b64(&salt).map_err(|_| PasswordError::Hash)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|_| PasswordError::Hash)?.to_string())
}

/// Why a password cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("the password must have {PASSWORD_CHARS_MIN} characters or more, and 1024 bytes at most")]
    Length,
    #[error("the password cannot be hashed")]
    Hash,
}

/// Said of a wrong name and of a wrong password alike: which of them it is, is nobody's business.
pub(super) fn refused() -> ApiError {
    ApiError::unauthorized(
        "name and password do not fit; an administrator can set a new one with `midwatch user new`",
    )
}
