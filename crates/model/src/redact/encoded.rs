//! Secrets inside of base64.

use super::work::looked_at;
use super::{MASK, rules};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::Regex;
use std::sync::LazyLock;

/// Encodings inside of each other that are opened at most.
const DEPTH_MAX: usize = 3;

/// Sixteen characters hold twelve bytes: what is shorter hides no name with a value.
static RUN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/_-]{16,}={0,2}").expect("a constant pattern"));

const LAX: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LAX);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LAX);

/// The text with runs that hide a secret masked, `None` if there is none.
pub fn masked(text: &str) -> Option<String> {
    let replaced =
        RUN.replace_all(
            text,
            |found: &regex::Captures<'_>| {
                if hides_one(&found[0]) { MASK.to_owned() } else { found[0].to_owned() }
            },
        );
    (replaced != text).then(|| replaced.into_owned())
}

/// Whether a run is base64 of something with a secret in it.
pub fn hides_one(run: &str) -> bool {
    hides(run, DEPTH_MAX)
}

/// Whether a value is `user:password` in base64, as HTTP's basic authentication sends it.
pub fn is_login(value: &str) -> bool {
    let whole = value.len() - if value.ends_with('=') { 0 } else { value.len() % 4 };
    value.len() >= 4
        && opened(if value.len() > 64 { &value[..whole] } else { value }).is_some_and(|login| {
            let parts = login.split_once(':');
            parts.is_some_and(|(_, password)| !password.is_empty())
        })
}

fn hides(run: &str, depth: usize) -> bool {
    depth > 0
        && opened(run).or_else(|| cut_off(run)).or_else(|| hex(run)).is_some_and(|inner| {
            rules::masked(&inner).is_some()
                || RUN.find_iter(&inner).any(|found| hides(found.as_str(), depth - 1))
        })
}

/// What a run encodes without its last letter, which is a part of one that was cut off, or of what is behind it.
fn cut_off(run: &str) -> Option<String> {
    if run.len() % 4 == 1 { opened(&run[..run.len() - 1]) } else { None }
}

/// What two hex digits a byte stand for, if that is text.
fn hex(run: &str) -> Option<String> {
    looked_at(run.len());
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = run.as_bytes().chunks(2).map(byte).collect();
    as_text(bytes.filter(|_| run.len().is_multiple_of(2))?)
}

/// What a run encodes, if that is text.
fn opened(run: &str) -> Option<String> {
    looked_at(run.len());
    let bytes = STANDARD.decode(run).or_else(|_| URL.decode(run)).ok()?;
    as_text(bytes)
}

fn as_text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let is_text = text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    is_text.then_some(text)
}
