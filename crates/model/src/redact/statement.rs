//! Words that begin a command or a statement, whose secrets have no names beside them.

use super::command;
use super::name::tells_of_secret;
use super::named::Walk;
use super::sign::{after_blanks, after_space, in_name, is_quote, sign, until};
use super::value::quoted;
use super::work::looked_at;
use std::ops::Range;

impl Walk<'_> {
    /// Looks for secrets behind a word that begins a command or a statement.
    pub fn begins(&mut self, bytes: &[u8], at: usize, end: usize, word: &str) {
        // Most words of a log have a sign behind them that no command has.
        let may_begin = !matches!(bytes.get(end), Some(b'=' | b'(' | b')' | b'/' | b'\n'));
        if !may_begin || at < self.arguments_until {
            return;
        }
        if matches!(word, "echo" | "printf") {
            self.arguments_until = command::echoed(self.text, end, &mut self.found);
        } else if let Some(known) = command::arguments(word) {
            self.arguments_until = command::find(bytes, end, known, &mut self.found);
        } else if word.eq_ignore_ascii_case("into") {
            self.arguments_until = self.rows(bytes, end).unwrap_or(end);
        }
    }

    /// `INSERT INTO users (name, password) VALUES ('bob', '…')`; says where the rows end.
    fn rows(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let in_table = |byte: &&u8| in_name(**byte) || b" \t`\"[]".contains(byte);
        let table = bytes[at..].iter().take(TABLE_BYTES_MAX).take_while(in_table).count();
        looked_at(table);
        let open = at + table;
        let ends = |byte: u8| !in_name(byte) && !byte.is_ascii_whitespace() && !b",`\"[]".contains(&byte);
        let close = if bytes.get(open) == Some(&b'(') { until(bytes, open + 1, ends) } else { return None };
        let columns = self.text.get(open + 1..close).filter(|_| bytes.get(close) == Some(&b')'))?;
        let secret: Vec<bool> = columns
            .split(',')
            .map(|name| tells_of_secret(name.trim_matches(|c: char| !c.is_alphanumeric())))
            .collect();
        let mut at = after_space(bytes, close + 1);
        if !secret.contains(&true) || !bytes.get(at..at + 6)?.eq_ignore_ascii_case(b"values") {
            return Some(close);
        }
        at = after_space(bytes, at + 6);
        while bytes.get(at) == Some(&b'(') {
            at = after_space(bytes, self.row(bytes, at + 1, &secret));
            at = if bytes.get(at) == Some(&b',') { after_space(bytes, at + 1) } else { return Some(at) };
        }
        Some(at)
    }

    /// One row of values; says where the text goes on behind it.
    fn row(&mut self, bytes: &[u8], mut at: usize, secret: &[bool]) -> usize {
        for number in 0.. {
            let (range, next) = cell(bytes, after_space(bytes, at));
            if secret.get(number) == Some(&true) {
                self.push(range);
            }
            at = after_blanks(bytes, next);
            if bytes.get(at) != Some(&b',') {
                break;
            }
            at += 1;
        }
        at + usize::from(bytes.get(at) == Some(&b')'))
    }
}

/// Bytes of a table's name at most.
const TABLE_BYTES_MAX: usize = 128;

/// One value, and where the text goes on.
fn cell(bytes: &[u8], at: usize) -> (Range<usize>, usize) {
    // `N'…'` and `E'…'`
    let prefixed = usize::from(bytes.get(at).is_some_and(u8::is_ascii_alphabetic));
    match sign(bytes, at + prefixed).filter(|open| is_quote(*open)) {
        Some(open) => quoted(bytes, at + prefixed, open),
        None => {
            let end = until(bytes, at, |byte| matches!(byte, b',' | b')' | b'\n'));
            (at..end, end)
        }
    }
}
