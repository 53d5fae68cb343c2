//! What is masked and what stays: two lists, and what holds for both.

use super::*;

mod formats;
mod harmless;
mod names;
mod reviewed;
mod secrets;
mod work;

use formats::FORMATS;
use harmless::HARMLESS;
use reviewed::REVIEWED;
use secrets::{SECRETS, SHAPED};

/// What stands for a secret in the list.
const X: &str = "Tr0ub4dor";

fn check(text: &str, expected: &str) {
    assert_eq!(redact(text), expected, "of {text}");
    assert_eq!(redact(expected), expected, "a second time");
}

#[test]
fn no_everyday_secret_stays() {
    let stays: Vec<String> = SECRETS
        .iter()
        .chain(FORMATS)
        .chain(REVIEWED)
        .map(|shape| (shape, redact(&shape.replace('¤', X)).into_owned()))
        .filter(|(_, masked)| masked.contains(X) || masked.contains("VHIwdWI") || !masked.contains(MASK))
        .map(|(shape, masked)| format!("{shape}   gives   {masked}"))
        .collect();
    assert!(
        stays.is_empty(),
        "{} of {}:\n{}",
        stays.len(),
        SECRETS.len() + FORMATS.len() + REVIEWED.len(),
        stays.join("\n")
    );
}

#[test]
fn no_key_with_a_vendors_shape_stays() {
    for key in SHAPED {
        let masked = redact(&format!("using {key} now")).into_owned();
        assert!(masked.contains(MASK) && masked.ends_with(" now"), "{key} gives {masked}");
        assert!(!masked.contains("0123456789ab") && !masked.contains("abcdefgh"), "{key} gives {masked}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    let changed: Vec<String> = HARMLESS
        .iter()
        .filter(|text| redact(text) != **text)
        .map(|text| format!("{text}   gives   {}", redact(text)))
        .collect();
    assert!(changed.is_empty(), "{} of {}:\n{}", changed.len(), HARMLESS.len(), changed.join("\n"));
}

#[test]
fn what_is_masked_is_masked_once() {
    for text in SECRETS.iter().chain(FORMATS).chain(REVIEWED).map(|shape| shape.replace('¤', X)) {
        let once = redact(&text).into_owned();
        assert_eq!(redact(&once), once, "of {text}");
    }
}

#[test]
fn what_is_around_a_secret_stays() {
    for (text, expected) in [
        ("password=hunter22 user=bo", "password=[redacted] user=bo"),
        (r#"{"api_key": "abc123def", "a": 1}"#, r#"{"api_key": "[redacted]", "a": 1}"#),
        ("postgres://app:s3cret@db/x", "postgres://app:[redacted]@db/x"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer [redacted]"),
        ("AKIAABCDEFGHIJKLMNOP", "[redacted]"),
        ("the password is Tr0ub4dor", "the password is [redacted]"),
        ("--token abc123def run", "--token [redacted] run"),
        ("p\u{200b}assword=hunter22", "password=[redacted]"),
        ("Cookie: session=a1b2c3d4; x=1", "Cookie: [redacted]"),
        ("run `mysql -phunter22` on db", "run `mysql -p[redacted]` on db"),
        ("mysql -u root -phunter22 shop", "mysql -u root -p[redacted] shop"),
        (r#"{"msg":"{\"password\":\"x y\",\"a\":1}"}"#, r#"{"msg":"{\"password\":\"[redacted]\",\"a\":1}"}"#),
        ("a=1&token=abc&b=2", "a=1&token=[redacted]&b=2"),
        ("stringData:\n  a: x1\nkind: y", "stringData:\n  a: [redacted]\nkind: y"),
    ] {
        check(text, expected);
    }
}

#[test]
fn base64_is_opened_twice_deep() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let once = STANDARD.encode("password=hunter22 and more");
    let twice = STANDARD.encode(&once);
    for text in [once, twice] {
        check(&format!("body {text} end"), "body [redacted] end");
    }
    let harmless = STANDARD.encode("hello world, how are you");
    check(&format!("body {harmless} end"), &format!("body {harmless} end"));
}

#[test]
fn lines_that_split_a_secret_do_not_hide_it() {
    let token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let split = format!("token is {}\n   {} end", &token[..20], &token[20..]);
    let masked = redact(&split);
    assert!(!masked.contains("abcdefghij") && !masked.contains("xyz01"), "{masked}");
    assert!(masked.ends_with("end"), "{masked}");
}

/// Pieces of what is looked for, put together at random: nothing may panic, and nothing may be cut inside a letter.
#[test]
fn no_mixture_of_signs_is_too_much() {
    let pieces = [
        "password",
        "token",
        "=",
        ":",
        "\"",
        "\\\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "  ",
        "é",
        "日",
        "%3D",
        "&quot;",
        "://",
        "@",
        "@tcp(",
        "<",
        ">",
        "</",
        "|",
        ",",
        "-p",
        "mysql ",
        "x1",
        "stringData:",
        "- ",
        "\\",
        "\\u0022",
        "Cookie",
        "Authorization",
        "Basic ",
        "value",
        "--",
        "(",
        "!a ",
        "Some(",
        "\r\n",
        "%",
        "&",
        ":\n",
        "kind: Secret\ndata:",
        "[redacted]",
        "\t",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        drop(redact(&text));
    }
}

#[test]
fn what_stands_under_the_name_of_a_secret_is_masked_whatever_it_looks_like() {
    for (name, text, expected) in [
        ("password", "correcthorse", "[redacted]"),
        ("db_token", "abc", "[redacted]"),
        ("summary", "password=abc", "password=[redacted]"),
        ("secret_name", "db-creds", "db-creds"),
        ("token", "", ""),
    ] {
        assert_eq!(redact_field(name, text), expected, "{name}");
    }
}

#[test]
fn no_control_character_holds_the_walk_up() {
    for control in (0_u8..32).chain([127]).map(char::from) {
        let text = format!("curl {control} -u bob:{X} https {control} page, docker login{control}-p {X}");
        let _ = super::redact(&text);
    }
}
