//! Numbers of payment cards: as long as an issuer's are, and with the check digit that they have.

use super::work::looked_at;
use std::ops::Range;

/// Where there are numbers of cards, alone or in groups of four.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(from) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let from = at + from;
        let (digits, end) = number(bytes, from);
        if stands_alone(bytes, from, end) && is_card(&digits) {
            found.push(from..end);
        }
        at = end;
    }
    looked_at(bytes.len());
    found
}

/// Digits of a number that are kept: one more than any card has.
const DIGITS_MAX: usize = 20;

/// The digits from `from` on, with one blank or dash between groups of four, and where they end.
fn number(bytes: &[u8], from: usize) -> (Vec<u8>, usize) {
    let (mut digits, mut at, mut group) = (Vec::new(), from, 0);
    while let Some(byte) = bytes.get(at) {
        let joins = group == 4
            && matches!(byte, b' ' | b'-')
            && bytes.get(at + 1..at + 5).is_some_and(|next| next.iter().all(u8::is_ascii_digit));
        if byte.is_ascii_digit() {
            if digits.len() < DIGITS_MAX {
                digits.push(byte - b'0');
            }
            group += 1;
        } else if joins {
            group = 0;
        } else {
            break;
        }
        at += 1;
    }
    looked_at(2 * (at - from));
    (digits, at)
}

/// Whether a number is no part of a word, a decimal or an id.
fn stands_alone(bytes: &[u8], from: usize, end: usize) -> bool {
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/');
    let before = from.checked_sub(1).map(|at| bytes[at]);
    let fraction =
        bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(|byte| byte.is_ascii_digit());
    !before.is_some_and(|byte| goes_on(byte) || byte == b'.')
        && !bytes.get(end).is_some_and(|byte| goes_on(*byte))
        && !fraction
}

/// Whether an issuer gives numbers of this length that begin so, and the check digit is right. Times in milliseconds and
/// nanoseconds begin with a one, as no card does.
fn is_card(digits: &[u8]) -> bool {
    let issued = matches!(
        (digits, digits.len()),
        ([4, ..], 13 | 16 | 19)
            | ([3, 4 | 7, ..], 15)
            | ([3, 0 | 6 | 8, ..], 14)
            | ([5, 1..=5, ..] | [2, 2..=7, ..] | [3, 5, ..], 16)
            | ([6, 0 | 2 | 4 | 5, ..], 16..=19)
    );
    issued && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, digit)| u32::from(if n % 2 == 1 { doubled(*digit) } else { *digit }))
        .sum();
    sum.is_multiple_of(10)
}
