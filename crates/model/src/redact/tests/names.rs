//! Names of secrets, and names of what is about them.

use crate::redact::known::all;
use crate::redact::name::{Kind, Name, may_tell};

#[test]
fn no_known_name_is_passed_over() {
    for name in all() {
        assert!(may_tell(name.as_bytes()), "of {name}");
    }
}

#[test]
fn names_are_known_by_their_words() {
    for (name, kind) in [
        ("DB_PASSWORD", Some(Kind::Password)),
        ("javax.net.ssl.keyStorePassword", Some(Kind::Password)),
        ("APIKey", Some(Kind::Key)),
        ("accessToken2", Some(Kind::Key)),
        ("AWS_SECRET_ACCESS_KEY", Some(Kind::Key)),
        ("rabbitmq_default_pass", Some(Kind::Key)),
        ("X-Amz-Signature", Some(Kind::Perhaps)),
        ("passed", None),
        ("bypass", None),
        ("max_tokens", None),
        ("token_count", None),
        ("password_reset_total", None),
        ("POSTGRES_PASSWORD_FILE", None),
        ("SharedAccessKeyName", None),
        ("cache_key", None),
        ("partitionKey", None),
        ("token-issuer-7d9f8b6c5", None),
    ] {
        let mut words = Name::default();
        words.read(name);
        assert_eq!(words.kind(""), kind, "of {name}");
        assert!(kind.is_none() || may_tell(name.as_bytes()), "of {name}");
    }
}
