//! Schemes that send the secret itself.

use super::vectors::{Request, bent_header, none_is_believed};
use super::{one, second, secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use midwatch_signal::authentic::{HeaderName, Scheme, Secrets};

const NOW: i64 = 1_767_225_600;
const KEY: &str = "glft-7a0b9c-Token";

/// A scheme and how a secret is sent under it.
struct Sent {
    scheme: fn(Secrets) -> Scheme,
    header: &'static str,
    value: fn(&str) -> String,
    how: &'static str,
}

impl Sent {
    fn request(&self, secret: &str) -> Request {
        Request::new(&[("Host", "midwatch"), (self.header, &(self.value)(secret))], "{}")
    }
}

/// The name of an authorisation's scheme may be written in any case (RFC 9110), so such flips change nothing.
fn says_the_same(one: &Request, other: &Request) -> bool {
    let parts = |request: &Request| {
        let text = String::from_utf8(request.headers.get(1)?.1.clone()).ok()?;
        let (scheme, rest) = text.split_once(' ')?;
        Some((request.headers.len(), request.headers[1].0.clone(), scheme.to_lowercase(), rest.to_owned()))
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

fn check(sent: &Sent, key: &str, more: &[&str]) {
    let (scheme, now, good) = ((sent.scheme)(one(key)), second(NOW), sent.request(key));
    let verified = good.verify(&scheme, now).expect("good");
    assert_eq!((verified.how, verified.replay_key), (format!("{} (first secret)", sent.how), None));
    let mut negative = bent_header(&good, sent.header);
    let upper = key.to_uppercase();
    let others =
        ["", "x", &key[1..], &key[..key.len() - 1], &format!("{key}{key}"), &format!("{key}0"), &upper];
    negative.extend(others.iter().map(|other| sent.request(other)));
    negative.extend(more.iter().map(|value| good.with(sent.header, value)));
    negative.retain(|request| !says_the_same(request, &good));
    let count = none_is_believed(&scheme, negative, now);
    assert!(count >= 100, "{}: {count}", sent.how);
    let both = (sent.scheme)(Secrets::two(secret("new-token"), secret("old-token")));
    for (key, which) in [("new-token", "first secret"), ("old-token", "second secret")] {
        let verified = sent.request(key).verify(&both, now).expect("either");
        assert_eq!(verified.how, format!("{} ({which})", sent.how));
    }
    assert!(sent.request("older-token").verify(&both, now).is_err());
}

#[test]
fn gitlab_sends_its_token() {
    let sent = Sent {
        scheme: |tokens| Scheme::GitLab { tokens },
        header: "X-Gitlab-Token",
        value: str::to_owned,
        how: "GitLab token",
    };
    check(&sent, KEY, &["Bearer glft-7a0b9c-Token", "token glft-7a0b9c-Token"]);
}

#[test]
fn a_key_stands_in_the_header_that_was_configured() {
    let sent = Sent {
        scheme: |keys| Scheme::ApiKey { header: HeaderName::new("X-Our-Key").expect("a name"), keys },
        header: "X-Our-Key",
        value: str::to_owned,
        how: "API key",
    };
    check(&sent, KEY, &["Bearer glft-7a0b9c-Token"]);
    check(&sent, "schlüssel-größe-17", &["schluessel-groesse-17"]);
}

#[test]
fn a_bearer_token_is_compared_whole() {
    let sent = Sent {
        scheme: |tokens| Scheme::Bearer { tokens },
        header: "Authorization",
        value: |token| format!("Bearer {token}"),
        how: "bearer token",
    };
    let more = [
        "glft-7a0b9c-Token",
        "Basic glft-7a0b9c-Token",
        "Token glft-7a0b9c-Token",
        "Bearer  glft-7a0b9c-Token",
        "Bearer\tglft-7a0b9c-Token",
        "Bearer a glft-7a0b9c-Token",
        "Bearer",
        "Bearer ",
    ];
    check(&sent, KEY, &more);
    let lower = Request::new(&[("authorization", "bearer glft-7a0b9c-Token")], "");
    assert!(lower.verify(&Scheme::Bearer { tokens: one(KEY) }, second(NOW)).is_ok());
}

#[test]
fn user_and_password_are_compared_together() {
    let sent = Sent {
        scheme: |passwords| Scheme::Basic { user: "grafana".into(), passwords },
        header: "Authorization",
        value: |password| format!("Basic {}", STANDARD.encode(format!("grafana:{password}"))),
        how: "user and password",
    };
    // Another user, none, no colon, a colon too many.
    let pairs = [
        "other:glft-7a0b9c-Token",
        ":glft-7a0b9c-Token",
        "grafanaglft-7a0b9c-Token",
        "grafana:",
        "grafana::glft",
    ];
    let pairs = pairs.map(|pair| format!("Basic {}", STANDARD.encode(pair)));
    let mut more: Vec<&str> = pairs.iter().map(String::as_str).collect();
    more.extend(["Basic grafana:glft-7a0b9c-Token", "Bearer Z3JhZmFuYTpnbGZ0", "Basic ****"]);
    check(&sent, KEY, &more);
}
