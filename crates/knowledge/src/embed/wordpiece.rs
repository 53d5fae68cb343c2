//! Words as the model knows them: BERT's lower-case WordPiece (Devlin et al., 2018).

use super::ModelError;
use serde::Deserialize;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Tokens that the model reads of a text, its two marks included; it was trained on no more.
const TOKENS_MAX: usize = 256;

/// Longest word that is looked up in parts; a longer one is unknown.
const WORD_CHARS_MAX: usize = 100;

/// A `tokenizer.json`; of it only the vocabulary is used.
#[derive(Deserialize)]
struct File {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
}

pub(super) struct WordPiece {
    vocabulary: HashMap<String, u32>,
    begins: u32,
    ends: u32,
    unknown: u32,
}

impl WordPiece {
    pub(super) fn read(json: &[u8]) -> Result<Self, ModelError> {
        let file: File = serde_json::from_slice(json)
            .map_err(|error| ModelError::Tokenizer { reason: error.to_string() })?;
        let vocabulary = file.model.vocab;
        let mark = |name: &str| {
            let found = vocabulary.get(name).copied();
            found.ok_or_else(|| ModelError::Tokenizer { reason: format!("its vocabulary has no {name}") })
        };
        let (begins, ends, unknown) = (mark("[CLS]")?, mark("[SEP]")?, mark("[UNK]")?);
        Ok(Self { begins, ends, unknown, vocabulary })
    }

    /// The tokens of a text, between the marks for its beginning and its end.
    pub(super) fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.begins];
        for word in words(text) {
            if tokens.len() >= TOKENS_MAX - 1 {
                break;
            }
            self.split(&word, &mut tokens);
        }
        tokens.truncate(TOKENS_MAX - 1);
        tokens.push(self.ends);
        tokens
    }

    /// The longest known beginning first, then of the rest.
    fn split(&self, word: &str, tokens: &mut Vec<u32>) {
        let before = tokens.len();
        let mut rest = word;
        while !rest.is_empty() {
            let mark = if rest.len() == word.len() { "" } else { "##" };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
            let found = ends.map(|end| (end, self.vocabulary.get(&format!("{mark}{}", &rest[..end]))));
            match found.into_iter().find_map(|(end, token)| Some((end, *token?))) {
                Some((end, token)) if word.chars().count() <= WORD_CHARS_MAX => {
                    tokens.push(token);
                    rest = &rest[end..];
                }
                _ => {
                    tokens.truncate(before);
                    tokens.push(self.unknown);
                    return;
                }
            }
        }
    }
}

/// Words in lower case without accents; each sign of punctuation and each Chinese character is a word.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in text.to_lowercase().nfd().filter(|c| !is_combining_mark(*c)) {
        if c.is_whitespace() || c.is_control() {
            words.push(String::new());
        } else if is_sign(c) {
            words.extend([c.to_string(), String::new()]);
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_sign(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '«' | '»' | '¡' | '¿' | '§')
        || matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> WordPiece {
        let known = ["[CLS]", "[SEP]", "[UNK]", "crash", "##loop", "##ing", "pod", ".", "cafe"];
        let vocab: HashMap<&str, usize> = known.iter().enumerate().map(|(id, word)| (*word, id)).collect();
        let file = serde_json::json!({ "version": "1.0", "model": { "type": "WordPiece", "vocab": vocab } });
        WordPiece::read(file.to_string().as_bytes()).expect("a vocabulary")
    }

    #[test]
    fn words_are_the_longest_pieces_that_are_known() {
        let check = |text: &str, expected: &[u32]| assert_eq!(pieces().tokens(text), expected, "{text}");
        check("Pod CrashLooping.", &[0, 6, 3, 4, 5, 7, 1]);
        check("café unheard-of", &[0, 8, 2, 2, 2, 1]);
        check("", &[0, 1]);
        check(&"podx".repeat(50), &[0, 2, 1]);
        assert_eq!(pieces().tokens(&"pod ".repeat(10_000)).len(), TOKENS_MAX);
    }

    #[test]
    fn a_file_without_a_vocabulary_is_refused() {
        assert!(
            WordPiece::read(b"{}").is_err() && WordPiece::read(b"{\"model\":{\"vocab\":{\"a\":1}}}").is_err()
        );
    }
}
