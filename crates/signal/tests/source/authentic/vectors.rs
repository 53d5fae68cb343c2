//! From one good request, the many that are nearly it.

use midwatch_model::Timestamp;
use midwatch_signal::authentic::{Refused, Scheme, Verified};
use std::collections::BTreeSet;

/// A request as it arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(headers: &[(&str, &str)], body: &str) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        Self { headers: headers.iter().map(own).collect(), body: body.as_bytes().to_vec() }
    }

    pub fn verify(&self, scheme: &Scheme, now: Timestamp) -> Result<Verified, Refused> {
        scheme.verify(&self.headers, &self.body, now)
    }

    /// The same request with another value of a header.
    pub fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut other = self.clone();
        let held = other.headers.iter_mut().find(|(own, _)| own == name).expect("the header");
        held.1 = value.as_ref().to_vec();
        other
    }

    pub fn body(&self, body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().to_vec(), ..self.clone() }
    }
}

/// What is wrong with a header in general: missing, empty, repeated, other blanks and alphabets, cut, and each bit of each
/// byte flipped.
pub fn bent_header(good: &Request, name: &str) -> Vec<Request> {
    let index = good.headers.iter().position(|(own, _)| own == name).expect("the header");
    let value = good.headers[index].1.clone();
    let mut missing = good.clone();
    missing.headers.remove(index);
    let mut renamed = missing.clone();
    renamed.headers.push((format!("{name}-Old"), value.clone()));
    let mut bent = vec![missing, renamed];
    for other in [value.clone(), Vec::new(), b"x".to_vec()] {
        for other_name in [name.to_owned(), name.to_uppercase()] {
            let mut twice = good.clone();
            twice.headers.push((other_name, other.clone()));
            bent.push(twice.clone());
            twice.headers.rotate_right(1);
            bent.push(twice);
        }
    }
    let text = String::from_utf8(value.clone()).expect("a text");
    bent.extend(bent_texts(&text).iter().filter(|other| **other != text).map(|other| good.with(name, other)));
    for place in 0..value.len() {
        for bit in 0..8 {
            let mut flipped = value.clone();
            flipped[place] ^= 1 << bit;
            bent.push(good.with(name, flipped));
        }
    }
    bent
}

fn bent_texts(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let part = |range: std::ops::Range<usize>| characters[range].iter().collect::<String>();
    vec![
        String::new(),
        " ".into(),
        format!(" {text}"),
        format!("{text} "),
        format!("{text}\n"),
        format!("{text}\0"),
        format!("\"{text}\""),
        format!("{text}{text}"),
        format!("{text},"),
        format!("{text};"),
        text.chars().rev().collect(),
        part(1..characters.len()),
        part(0..characters.len() - 1),
        part(0..characters.len() / 2),
        format!("{text}0"),
        format!("0{text}"),
        text.replace('=', ":"),
        "null".into(),
        "\u{ff11}\u{ff12}".into(),
        "é".repeat(32),
        "0".repeat(64),
        "f".repeat(10_000),
    ]
}

/// Bodies that are one change away.
pub fn bent_bodies(good: &Request) -> Vec<Request> {
    let body = &good.body;
    let mut bent: Vec<Vec<u8>> = Vec::new();
    for place in 0..body.len() {
        let mut flipped = body.clone();
        flipped[place] ^= 1;
        bent.push(flipped);
    }
    bent.extend([body[1..].to_vec(), body[..body.len() - 1].to_vec(), Vec::new(), body.repeat(2)]);
    for extra in [" ", "\n", "\0", "x"] {
        bent.push([body.as_slice(), extra.as_bytes()].concat());
        bent.push([extra.as_bytes(), body.as_slice()].concat());
    }
    bent.into_iter().map(|body| good.body(body)).collect()
}

/// Every one of the requests is refused in a sentence; the number of those that differ.
pub fn none_is_believed(scheme: &Scheme, requests: Vec<Request>, now: Timestamp) -> usize {
    let different: BTreeSet<Request> = requests.into_iter().collect();
    for request in &different {
        let reason = match request.verify(scheme, now) {
            Ok(verified) => panic!("{verified:?} for {request:?}"),
            Err(reason) => reason.to_string(),
        };
        assert!(reason.len() > 10 && reason.lines().count() == 1, "{reason}");
    }
    different.len()
}
