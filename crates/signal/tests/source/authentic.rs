//! Whether senders are believed: for each scheme what its vendor documents, and what only looks like it.

mod hmac;
mod sns;
mod standard;
mod tokens;
mod vectors;

use crate::at;
use midwatch_model::Timestamp;
use midwatch_signal::authentic::{HeaderName, Scheme, Secret, SecretError, Secrets};

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("a secret")
}

fn one(text: &str) -> Secrets {
    Secrets::one(secret(text))
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

#[test]
fn secrets_are_never_empty_and_never_shown() {
    assert_eq!(Secret::new("").err(), Some(SecretError::Empty));
    for text in [" x", "x\n", "\tx"] {
        assert_eq!(Secret::new(text).err(), Some(SecretError::WhiteSpace), "{text:?}");
    }
    for (text, error) in [
        ("", SecretError::NotWhsec),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::NotWhsec),
        ("whsec_", SecretError::Empty),
        ("whsec_!!!", SecretError::NotWhsec),
        ("whsec_c2hvcnQ=", SecretError::Length { found: 5 }),
    ] {
        assert_eq!(Secret::whsec(text).err(), Some(error), "{text}");
    }
    let scheme =
        Scheme::Basic { user: "ana".into(), passwords: Secrets::two(secret("hunter2"), secret("old")) };
    let shown = format!("{scheme:?}");
    assert!(shown.contains("ana") && !shown.contains("hunter2") && !shown.contains("104"), "{shown}");
    assert!(HeaderName::new("X-Key").is_ok());
    for name in ["", "X Key", "X-Key:", "Schlüssel", "X\r\nY"] {
        assert!(HeaderName::new(name).is_err(), "{name:?}");
    }
    assert!(at("2026-01-01T00:00:00Z") > second(0));
}
