//! Schemes that sign with HMAC-SHA256 in hex.

use super::vectors::{Request, bent_bodies, bent_header, none_is_believed};
use super::{one, second, secret};
use ::hmac::{Hmac, KeyInit as _, Mac as _};
use midwatch_model::Timestamp;
use midwatch_signal::authentic::{HeaderName, Refused, Scheme, Secrets};
use std::fmt::Write as _;

const NOW: i64 = 1_767_225_600;
const KEY: &str = "a secret of the tests";
const BODY: &str = r#"{"event":{"id":"e-1","title":"größer"}}"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn sha256(key: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn sha512(key: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(key.as_bytes()).expect("a key");
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn sha1(key: &str, text: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    hex(ring::hmac::sign(&key, text.as_bytes()).as_ref())
}

/// How a vendor signs: where the signature stands, how it begins, and what it covers.
struct Vendor {
    scheme: fn(Secrets) -> Scheme,
    header: &'static str,
    prefix: &'static str,
    timestamp: Option<&'static str>,
    text: fn(&str, &str) -> String,
    how: &'static str,
}

const PAGERDUTY: Vendor = Vendor {
    scheme: |secrets| Scheme::PagerDuty { secrets },
    header: "X-PagerDuty-Signature",
    prefix: "v1=",
    timestamp: None,
    text: |_, body| body.to_owned(),
    how: "PagerDuty signature v1",
};

const GITHUB: Vendor = Vendor {
    scheme: |secrets| Scheme::GitHub { secrets },
    header: "X-Hub-Signature-256",
    prefix: "sha256=",
    timestamp: None,
    text: |_, body| body.to_owned(),
    how: "GitHub signature sha256",
};

const SLACK: Vendor = Vendor {
    scheme: |secrets| Scheme::Slack { secrets },
    header: "X-Slack-Signature",
    prefix: "v0=",
    timestamp: Some("X-Slack-Request-Timestamp"),
    text: |time, body| format!("v0:{time}:{body}"),
    how: "Slack signature v0",
};

const GRAFANA: Vendor = Vendor {
    scheme: Scheme::grafana,
    header: "X-Grafana-Alerting-Signature",
    prefix: "",
    timestamp: Some("X-Grafana-Alerting-Timestamp"),
    text: |time, body| format!("{time}:{body}"),
    how: "Grafana signature",
};

impl Vendor {
    fn signed(&self, key: &str, time: &str, body: &str) -> Request {
        let signature = format!("{}{}", self.prefix, sha256(key, &(self.text)(time, body)));
        let mut headers = vec![("Content-Type", "application/json"), (self.header, signature.as_str())];
        headers.extend(self.timestamp.map(|name| (name, time)));
        Request::new(&headers, body)
    }

    fn good(&self) -> Request {
        self.signed(KEY, &NOW.to_string(), BODY)
    }

    /// Signatures of other keys, hashes and texts, and other spellings of the right one.
    fn wrong_signatures(&self) -> Vec<Request> {
        let time = NOW.to_string();
        let (good, text) = (self.good(), (self.text)(&time, BODY));
        let right = sha256(KEY, &text);
        let mut wrong = Vec::new();
        for key in ["", "0", "A secret of the tests", "a secret of the test", "a secret of the tests\n"] {
            wrong.push(sha256(key, &text));
        }
        wrong.extend([
            sha1(KEY, &text),
            sha512(KEY, &text),
            sha256(KEY, ""),
            sha256(KEY, &format!("{text}\n")),
        ]);
        for covers in [SLACK.text, GRAFANA.text, PAGERDUTY.text] {
            wrong.push(sha256(KEY, &covers(&time, BODY)));
        }
        wrong.extend([
            right.to_uppercase(),
            format!("0x{right}"),
            right[..32].to_owned(),
            format!("{right}00"),
        ]);
        let mut values: Vec<String> = wrong.iter().map(|wrong| format!("{}{wrong}", self.prefix)).collect();
        for prefix in
            ["", "v1=", "v0=", "v2=", "V1=", "V0=", "sha256=", "SHA256=", "sha1=", "v1:", "v1=v1=", "="]
        {
            values.push(format!("{prefix}{right}"));
        }
        let all = values.iter().map(|value| good.with(self.header, value));
        all.filter(|request| *request != good).collect()
    }

    /// Timestamps that are not the one that was signed, and some that were signed but cannot be trusted.
    fn wrong_times(&self, name: &str) -> Vec<Request> {
        let good = self.good();
        let mut wrong = Vec::new();
        for other in [NOW + 1, NOW - 1, NOW + 299, NOW - 299, 0] {
            wrong.push(good.with(name, other.to_string()));
        }
        for off in [301, 302, 600, 3600, 86_400, 31_536_000] {
            wrong.push(self.signed(KEY, &(NOW - off).to_string(), BODY));
            wrong.push(self.signed(KEY, &(NOW + off).to_string(), BODY));
        }
        let spellings = [
            "0".to_owned(),
            format!("{NOW}.0"),
            format!("+{NOW}"),
            format!("-{NOW}"),
            format!("{NOW}000"),
            format!("0x{NOW:x}"),
            format!("{NOW}e0"),
            "2026-01-01T00:00:00Z".into(),
            "99999999999999999999".into(),
            "NaN".into(),
        ];
        wrong.extend(spellings.iter().map(|time| self.signed(KEY, time, BODY)));
        // The same bytes, cut elsewhere between time and body.
        let moved = self.signed(KEY, &NOW.to_string(), &format!("1:{BODY}"));
        wrong.push(moved.with(name, format!("{NOW}:1")).body(BODY));
        wrong.push(self.swapped(name));
        wrong
    }

    /// The two headers' values exchanged.
    fn swapped(&self, name: &str) -> Request {
        let mut swapped = self.good();
        for (own, _) in &mut swapped.headers {
            let other = if own == self.header { Some(name) } else { (own == name).then_some(self.header) };
            if let Some(other) = other {
                *own = other.to_owned();
            }
        }
        swapped
    }
}

fn check(vendor: &Vendor) {
    let (now, good) = (second(NOW), vendor.good());
    let scheme = (vendor.scheme)(one(KEY));
    let verified = good.verify(&scheme, now).expect("good");
    assert_eq!(verified.how, format!("{} (first secret)", vendor.how));
    let mut negative = vendor.wrong_signatures();
    negative.extend(bent_header(&good, vendor.header));
    negative.extend(bent_bodies(&good));
    if let Some(name) = vendor.timestamp {
        negative.extend(vendor.wrong_times(name));
        negative.extend(bent_header(&good, name));
        within_tolerance(vendor, &scheme, now);
    }
    let count = none_is_believed(&scheme, negative, now);
    assert!(count >= 500, "{}: {count}", vendor.how);
    rotation(vendor, now);
}

fn within_tolerance(vendor: &Vendor, scheme: &Scheme, now: Timestamp) {
    for off in [-300, -299, -1, 0, 1, 299, 300] {
        let request = vendor.signed(KEY, &(NOW + off).to_string(), BODY);
        assert!(request.verify(scheme, now).is_ok(), "{} {off}", vendor.how);
    }
    let late = vendor.signed(KEY, &(NOW - 301).to_string(), BODY).verify(scheme, now);
    assert_eq!(late, Err(Refused::TooOld { seconds: 301, max: 300 }));
    let early = vendor.signed(KEY, &(NOW + 301).to_string(), BODY).verify(scheme, now);
    assert_eq!(early, Err(Refused::TooNew { seconds: 301, max: 300 }));
}

/// While one secret replaces the other both hold; afterwards the old one does not.
fn rotation(vendor: &Vendor, now: Timestamp) {
    let both = (vendor.scheme)(Secrets::two(secret("new"), secret("old")));
    for (key, which) in [("new", "first secret"), ("old", "second secret")] {
        let verified = vendor.signed(key, &NOW.to_string(), BODY).verify(&both, now).expect("either holds");
        assert_eq!(verified.how, format!("{} ({which})", vendor.how));
    }
    assert!(vendor.signed("older", &NOW.to_string(), BODY).verify(&both, now).is_err());
    assert!(vendor.signed("old", &NOW.to_string(), BODY).verify(&(vendor.scheme)(one("new")), now).is_err());
}

#[test]
fn pagerduty_signs_the_body_once_per_secret() {
    check(&PAGERDUTY);
    let (good, scheme) = (PAGERDUTY.good(), Scheme::PagerDuty { secrets: one(KEY) });
    let (right, other) = (sha256(KEY, BODY), sha256("other", BODY));
    for value in [
        format!("v1={other},v1={right}"),
        format!("v1={right},v1={other}"),
        format!("v1={right}, v1={other}"),
        format!("v2=abc,v1={right}"),
    ] {
        let verified = good.with(PAGERDUTY.header, &value).verify(&scheme, second(NOW)).expect("one fits");
        assert_eq!(verified.replay_key, None, "no time is signed: the event's id stops replays");
    }
    let refused = [
        format!("v1={other},v1={other}"),
        format!("v2={right}"),
        format!("v1={right},v1=abc"),
        vec![format!("v1={right}"); 9].join(","),
    ];
    let refused = refused.iter().map(|value| good.with(PAGERDUTY.header, value)).collect();
    assert_eq!(none_is_believed(&scheme, refused, second(NOW)), 4);
}

#[test]
fn github_signs_the_body() {
    check(&GITHUB);
    // The example of GitHub's documentation.
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let scheme = Scheme::GitHub { secrets: one("It's a Secret to Everybody") };
    let request = Request::new(&[("x-hub-signature-256", signature)], "Hello, World!");
    let verified = request.verify(&scheme, second(NOW)).expect("GitHub's own");
    assert_eq!(verified.replay_key.as_deref(), Some(signature));
}

#[test]
fn slack_signs_time_and_body() {
    check(&SLACK);
    // The example of Slack's documentation.
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
        &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
        &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = [
        ("X-Slack-Request-Timestamp", "1531420618"),
        ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
    ];
    let scheme = Scheme::Slack { secrets: one("8f742231b10e8888abcd99yyyzzz85a5") };
    let request = Request::new(&headers, body);
    assert!(request.verify(&scheme, second(1_531_420_618 + 300)).is_ok());
    let later = request.verify(&scheme, second(NOW));
    assert!(matches!(later, Err(Refused::TooOld { .. })), "{later:?}");
}

#[test]
fn grafana_signs_time_and_body_and_never_the_body_alone() {
    check(&GRAFANA);
    let scheme = Scheme::grafana(one(KEY));
    // What Grafana sends if no header is configured for the timestamp.
    let bare = Request::new(&[(GRAFANA.header, &sha256(KEY, BODY))], BODY);
    let missing = Refused::Missing { header: "X-Grafana-Alerting-Timestamp".into() };
    assert_eq!(bare.verify(&scheme, second(NOW)), Err(missing));
    let name = |text: &str| HeaderName::new(text).expect("a name");
    let renamed = Scheme::Grafana { secrets: one(KEY), signature: name("X-Sig"), timestamp: name("X-Time") };
    let mut moved = GRAFANA.good();
    assert!(moved.verify(&renamed, second(NOW)).is_err());
    for (own, _) in &mut moved.headers {
        *own = own.replace(GRAFANA.header, "x-sig").replace("X-Grafana-Alerting-Timestamp", "x-time");
    }
    assert!(moved.verify(&renamed, second(NOW)).is_ok());
}
