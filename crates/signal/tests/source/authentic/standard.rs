//! Standard Webhooks, in both directions.

use super::second;
use super::vectors::{Request, bent_bodies, bent_header, none_is_believed};
use midwatch_signal::authentic::{Refused, Scheme, Secret, Secrets, sign};

const NOW: i64 = 1_614_265_330;
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &str = r#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn key(text: &str) -> Secret {
    Secret::whsec(text).expect("a key")
}

fn scheme() -> Scheme {
    Scheme::StandardWebhooks { secrets: Secrets::one(key(KEY)) }
}

fn signed(keys: &[&Secret], id: &str, seconds: i64, body: &str) -> Request {
    let signed = sign(keys, id, second(seconds), body.as_bytes()).expect("signed");
    Request::new(&signed.headers(), body)
}

#[test]
fn the_specifications_example_is_signed_and_believed() {
    let signed = sign(&[&key(KEY)], ID, second(NOW), BODY.as_bytes()).expect("signed");
    assert_eq!((signed.signature.as_str(), signed.timestamp.as_str()), (SIGNATURE, "1614265330"));
    let request = Request::new(&signed.headers(), BODY);
    let verified = request.verify(&scheme(), second(NOW)).expect("good");
    assert_eq!(verified.how, "Standard Webhooks signature v1 (first secret)");
    assert_eq!(verified.replay_key.as_deref(), Some(ID));
    let other = "A".repeat(43);
    for more in [format!("v1,{other}= {SIGNATURE}"), format!("v1a,xyz {SIGNATURE}")] {
        assert!(request.with("webhook-signature", &more).verify(&scheme(), second(NOW)).is_ok(), "{more}");
    }
}

#[test]
fn what_is_nearly_the_specifications_example_is_refused() {
    let (good, own) = (signed(&[&key(KEY)], ID, NOW, BODY), key(KEY));
    let mut negative = bent_bodies(&good);
    for header in ["webhook-signature", "webhook-timestamp", "webhook-id"] {
        negative.extend(bent_header(&good, header));
    }
    for off in [-301, 301, -3600, 3600, -NOW] {
        negative.push(signed(&[&own], ID, NOW + off, BODY));
    }
    negative.push(signed(&[&key(OTHER)], ID, NOW, BODY));
    let raw = &SIGNATURE[3..];
    for value in [
        raw.to_owned(),
        format!("v2,{raw}"),
        format!("V1,{raw}"),
        format!("v1={raw}"),
        format!("v1a,{raw}"),
        format!("v1,{}", raw.replace('+', "-").replace('/', "_")),
        format!("v1,{}", raw.trim_end_matches('=')),
        format!("{SIGNATURE},{SIGNATURE}"),
        [SIGNATURE; 9].join(" "),
    ] {
        negative.push(good.with("webhook-signature", value));
    }
    // The same bytes, cut elsewhere between id and time.
    let dotted = signed(&[&own], ID, NOW, &format!("1.{BODY}"));
    negative.push(dotted.with("webhook-id", format!("{ID}.{NOW}")).with("webhook-timestamp", "1").body(BODY));
    let count = none_is_believed(&scheme(), negative, second(NOW));
    assert!(count >= 500, "{count}");
    let late = good.verify(&scheme(), second(NOW + 301));
    assert_eq!(late, Err(Refused::TooOld { seconds: 301, max: 300 }));
    assert!(good.verify(&scheme(), second(NOW + 300)).is_ok());
    assert!(good.verify(&scheme(), second(NOW - 300)).is_ok());
}

#[test]
fn two_keys_hold_while_one_replaces_the_other() {
    let both = Scheme::StandardWebhooks { secrets: Secrets::two(key(OTHER), key(KEY)) };
    let old = signed(&[&key(KEY)], ID, NOW, BODY).verify(&both, second(NOW)).expect("the old one");
    assert_eq!(old.how, "Standard Webhooks signature v1 (second secret)");
    let doubly = signed(&[&key(OTHER), &key(KEY)], ID, NOW, BODY);
    assert!(doubly.verify(&scheme(), second(NOW)).is_ok());
    let other = Scheme::StandardWebhooks { secrets: Secrets::one(key(OTHER)) };
    assert!(doubly.verify(&other, second(NOW)).is_ok());
}

#[test]
fn what_cannot_be_signed_is_told() {
    for id in ["", "a.b", "a b", "ü", "a\nb", &"x".repeat(257)] {
        assert!(sign(&[&key(KEY)], id, second(NOW), b"").is_err(), "{id:?}");
    }
    assert!(sign(&[], "a", second(NOW), b"").expect_err("no key").contains("configure one"));
}
