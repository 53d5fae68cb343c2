//! Three hundred secrets in everything that a model may read: none gets into a prompt, an answer or a record.

use crate::opinion::{PLACES, Planted, reply, run};
use midwatch_model::redact::redact;
use serde_json::json;

const COUNT: usize = 312;

/// Random letters, the same in every run.
fn random(seed: usize, letters: &[u8], length: usize) -> String {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        letters[(state >> 33) as usize % letters.len()] as char
    };
    (0..length).map(|_| next()).collect()
}

fn alnum(seed: usize, length: usize) -> String {
    random(seed, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
}

fn base64(bytes: &str) -> String {
    use std::fmt::Write as _;
    let bits = bytes.bytes().fold(String::new(), |mut bits, byte| {
        let _ = write!(bits, "{byte:08b}");
        bits
    });
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text: String = bits
        .as_bytes()
        .chunks(6)
        .map(|six| {
            let value =
                six.iter().fold(0, |value, bit| value * 2 + usize::from(*bit == b'1')) << (6 - six.len());
            letters[value] as char
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// A text with a secret of the given kind, and the pieces of which none may be seen.
fn plant(kind: usize, seed: usize) -> (String, Vec<String>) {
    let secret = alnum(seed, 32);
    let whole = |text: String| (text, vec![secret.clone()]);
    let hex = random(seed, b"0123456789abcdef", 32);
    let of_hex = |text: String| (text, vec![hex.clone()]);
    let upper = random(seed, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
    match kind {
        0 => whole(format!("login with password={secret} failed")),
        1 => whole(format!("DB_PASSWORD: '{secret}'")),
        2 => whole(format!(r#"{{"api_key": "{secret}"}}"#)),
        3 => whole(format!("postgres://app:{secret}@db:5432/shop")),
        4 => whole(format!("Authorization: Bearer {secret}")),
        5 => whole(format!("authorization: Basic {}", base64(&format!("bob:{secret}")))),
        6 => (format!("using AKIA{upper}"), vec![upper]),
        7 => {
            let key = format!("{}7aQ{}", alnum(seed, 18), alnum(seed + 7, 19));
            (format!("aws_secret_access_key = {key}"), vec![key])
        }
        8 => whole(format!("clone with ghp_{secret}0000")),
        9 => whole(format!("glpat-{secret} was used")),
        10 => whole(format!("xoxb-123456789012-{secret}")),
        11 => whole(format!("sk-ant-api03-{secret}")),
        12 => whole(format!("stripe sk_live_{secret}")),
        13 => {
            let body = alnum(seed + 1, 40);
            (format!("jwt eyJhbGciOiJIUzI1NiJ9.{secret}.{body} rejected"), vec![secret.clone(), body])
        }
        14 => {
            let lines: Vec<String> = (0..4).map(|n| alnum(seed + n, 64)).collect();
            (
                format!(
                    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
                    lines.join("\n")
                ),
                lines,
            )
        }
        15 => {
            let lines: Vec<String> = (0..3).map(|n| alnum(seed + n, 64)).collect();
            // As JSON writes it, and without its end.
            (format!("-----BEGIN OPENSSH PRIVATE KEY-----\\n{}\\n", lines.join("\\n")), lines)
        }
        16 => {
            let encoded = base64(&format!("password={secret}"));
            (format!("env {encoded}"), vec![secret.clone(), encoded])
        }
        17 => {
            let twice = base64(&base64(&format!("token: {secret}")));
            (format!("env {twice}"), vec![secret.clone(), twice])
        }
        18 => {
            let (a, b) = secret.split_at(14);
            (format!("ghp_{a}\n{b}00000000 was refused"), vec![a.to_owned(), b.to_owned()])
        }
        19 => {
            let encoded = base64(&format!("client_secret={secret} for the shop"));
            let (a, b) = encoded.split_at(30);
            (format!("{a}\\\n{b}"), vec![a.to_owned(), b.to_owned(), secret.clone()])
        }
        20 => whole(format!("GET /login?token={secret}&x=1")),
        21 => whole(format!("curl --password {secret} https://x")),
        22 => whole(format!("Set-Cookie: sid={secret}; HttpOnly")),
        23 => of_hex(format!("x-api-key: {hex}")),
        24 => of_hex(format!("hooks.slack.com/services/T000/B000/{hex}")),
        25 => whole(format!("AccountName=shop;AccountKey={secret}==;EndpointSuffix=x")),
        _ => whole(format!("p\u{200b}assword\u{200b}={secret}")),
    }
}

const KINDS: usize = 27;

/// The longest prefix of a secret that may be a coincidence.
const PIECE: usize = 10;

fn assert_absent(text: &str, secrets: &[String], name: &str) {
    for secret in secrets {
        let piece: String = secret.chars().take(PIECE).collect();
        assert!(!text.contains(&piece), "{name}: {piece} of {secret} in {text}");
        let tail: String = secret.chars().skip(secret.chars().count().saturating_sub(PIECE)).collect();
        assert!(!text.contains(&tail), "{name}: …{tail} of {secret} in {text}");
    }
}

#[test]
fn a_line_of_a_log_holds_no_secret_after_redaction() {
    for number in 0..COUNT {
        let (text, secrets) = plant(number % KINDS, number);
        let line = format!("2026-11-22T01:00:00Z worker: {text} (try 1)");
        assert_absent(&redact(&line), &secrets, &format!("kind {}", number % KINDS));
    }
}

#[test]
fn no_prompt_answer_or_record_holds_one() {
    for number in 0..COUNT {
        let (kind, place) = (number % KINDS, PLACES[(number + number / KINDS) % PLACES.len()]);
        let (text, secrets) = plant(kind, number);
        let planted = Planted::at(place, &text);
        let ask_all = |round: usize, _: &_| match round {
            0 => reply(&[
                ("query_metrics", json!({"component": "ads"})),
                ("search_logs", json!({"component": "ads"})),
                ("search_logs", json!({"component": "db"})),
                ("changes", json!({})),
                ("runbooks", json!({"words": "slow"})),
                ("service_doc", json!({"component": "ads"})),
            ]),
            1 => reply(&[
                ("get_traces", json!({"component": "ads"})),
                ("kubernetes_state", json!({})),
                ("similar_incidents", json!({"words": "slow"})),
                ("topology", json!({"component": "ads"})),
            ]),
            _ => reply(&[(
                "submit_verdict",
                json!({"verdict": "root_cause", "hypotheses": [
                {"component": "db", "kind": "latency_spike", "confidence": 0.9,
                    "evidence": ["ev-1"], "against": ["ev-2"]}]}),
            )]),
        };
        let (end, asks) = run(&planted.bundle(false), &planted.shelf(), &ask_all);
        let name = format!("kind {kind} in {place}");
        for ask in &asks {
            assert_absent(&ask.text(), &secrets, &name);
        }
        let evidence = serde_json::to_string(&end.answer.evidence).expect("plain data");
        assert_absent(&evidence, &secrets, &name);
    }
}
