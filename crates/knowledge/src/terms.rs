//! Words as they are compared.

use rust_stemmers::{Algorithm, Stemmer};

/// Words that tell nothing about what a text is about.
const STOP: [&str; 52] = [
    "a", "about", "all", "an", "and", "any", "are", "as", "at", "be", "been", "by", "can", "do", "for",
    "from", "had", "has", "have", "how", "if", "in", "into", "is", "it", "its", "may", "more", "no", "not",
    "of", "on", "or", "our", "over", "should", "so", "some", "than", "that", "the", "their", "there", "this",
    "to", "was", "were", "when", "which", "will", "with", "you",
];

/// Longest term; what is longer is data, not a word.
const TERM_CHARS_MAX: usize = 40;

/// The terms of a text in their order: words in lower case without their endings (Porter's second English stemmer). Names as
/// `KubePodCrashLooping` and `kube_pod` are several words.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    words(text)
        .into_iter()
        .map(|word| word.to_lowercase())
        .filter(|word| word.chars().count() <= TERM_CHARS_MAX && STOP.binary_search(&word.as_str()).is_err())
        .map(|word| stemmer.stem(&word).into_owned())
        .collect()
}

/// Runs of letters and digits, and those again where case begins anew.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()).flat_map(humps).collect()
}

/// `HTTPServerDown` is `HTTP`, `Server`, `Down`.
fn humps(run: &str) -> Vec<&str> {
    let letters: Vec<(usize, char)> = run.char_indices().collect();
    let mut starts = vec![0];
    for place in 1..letters.len() {
        let (before, (at, here)) = (letters[place - 1].1, letters[place]);
        let next = letters.get(place + 1).map(|(_, c)| *c);
        let begins = here.is_uppercase() && (!before.is_uppercase() || next.is_some_and(char::is_lowercase));
        if begins {
            starts.push(at);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([run.len()]);
    starts.iter().zip(ends).map(|(start, end)| &run[*start..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_words_lose_their_endings() {
        assert_eq!(terms("KubePodCrashLooping"), ["kube", "pod", "crash", "loop"]);
        assert_eq!(
            terms("HTTPServerDown: the servers are down!"),
            ["http", "server", "down", "server", "down"]
        );
        assert_eq!(terms("kube_pod_restarts 5xx"), ["kube", "pod", "restart", "5xx"]);
        assert_eq!(terms("Überlauf größe"), ["überlauf", "größe"]);
        assert!(terms(&"x".repeat(100)).is_empty());
    }

    #[test]
    fn words_that_tell_nothing_are_in_order() {
        assert!(STOP.is_sorted());
    }
}
