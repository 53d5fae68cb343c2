//! Text for vendors: cut to their limits, and escaped for their markup. What alerts and logs say is hostile until it is
//! escaped: it may hold markup, mentions and links.

/// At most so many characters; what was cut shows as an ellipsis.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => {
            let end = text.char_indices().nth(chars_max.saturating_sub(1)).map_or(text.len(), |(end, _)| end);
            format!("{}…", text[..end].trim_end())
        }
    }
}

/// One line without control characters.
pub(super) fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// One line of at most so many characters.
pub(super) fn short_line(text: &str, chars_max: usize) -> String {
    cut(&line(text), chars_max)
}

/// Slack's mrkdwn: with these three escaped neither links nor mentions come to life.
pub(super) fn mrkdwn(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Markdown as GitHub, Discord and Teams read it: every character that could mean something is itself, and a mention has
/// an invisible character in it.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("@\u{200b}"),
            c => escaped.push(c),
        }
    }
    // A bare address would become a link.
    escaped.replace("://", ":\u{200b}//").replace("www.", "www\u{200b}.")
}

/// Text within backticks, in which nothing can end the quotation.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", line(text).replace('`', "'"))
}

/// The same for Markdown, of which some readers (Teams) know no backticks: neither a link nor a mention comes to life there.
pub(super) fn markdown_code(text: &str) -> String {
    code(text).replace("](", "]\u{200b}(").replace('@', "@\u{200b}")
}

/// Paragraphs put together into parts of at most so many characters, in at most so many parts; the last one says that
/// something is missing.
pub(super) fn parts(text: &str, chars_max: usize, parts_max: usize, missing: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        for piece in pieces(paragraph, chars_max) {
            let fits = |part: &String| part.chars().count() + 2 + piece.chars().count() <= chars_max;
            match parts.last_mut().filter(|part| fits(part)) {
                Some(part) => {
                    part.push_str("\n\n");
                    part.push_str(&piece);
                }
                None => parts.push(piece),
            }
        }
    }
    if parts.len() > parts_max {
        parts.truncate(parts_max.saturating_sub(1));
        parts.push(missing.to_owned());
    }
    parts
}

/// A paragraph in pieces of at most so many characters, between lines where there are any.
fn pieces(paragraph: &str, chars_max: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for line in paragraph.lines() {
        let mut rest: Vec<char> = line.chars().collect();
        while !rest.is_empty() || line.is_empty() {
            let taken: String = rest.drain(..rest.len().min(chars_max)).collect();
            let last = pieces
                .last_mut()
                .filter(|last| last.chars().count() + 1 + taken.chars().count() <= chars_max);
            match last {
                Some(last) if last.is_empty() => last.push_str(&taken),
                Some(last) => {
                    last.push('\n');
                    last.push_str(&taken);
                }
                None => pieces.push(taken),
            }
            if rest.is_empty() {
                break;
            }
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_exceeds_the_limit_and_shows() {
        for (text, max, expected) in [
            ("short", 10, "short"),
            ("exactly ten", 11, "exactly ten"),
            ("añejo y más", 6, "añejo…"),
            ("", 3, ""),
        ] {
            let cut = cut(text, max);
            assert_eq!(cut, expected);
            assert!(cut.chars().count() <= max);
        }
    }

    #[test]
    fn no_markup_of_an_alert_survives() {
        assert_eq!(
            mrkdwn("<!channel> <https://evil|click> &amp;"),
            "&lt;!channel&gt; &lt;https://evil|click&gt; &amp;amp;"
        );
        for hostile in [
            "[click](https://evil)",
            "@everyone",
            "<img src=x>",
            "**bold**",
            "# Heading",
            "![x](http://e)",
            "https://evil",
        ] {
            let safe = markdown(hostile);
            assert!(
                !safe.contains("](") && !safe.contains("@e") && !safe.contains('<') && !safe.contains("://"),
                "{safe}"
            );
        }
        assert_eq!(code("a`b\nc"), "`a'b c`");
        assert_eq!(line("a\r\nBcc: x\u{0}y"), "a Bcc: x y");
    }

    #[test]
    fn long_text_comes_in_parts_that_each_fit() {
        let text = format!("{}\n\n{}\n\nend", "a ".repeat(40), "b".repeat(95));
        let all = parts(&text, 50, 10, "…");
        assert!(all.iter().all(|part| part.chars().count() <= 50), "{all:?}");
        assert_eq!(all.concat().matches('b').count(), 95);
        let few = parts(&text, 50, 2, "the rest is missing");
        assert_eq!((few.len(), few[1].as_str()), (2, "the rest is missing"));
    }
}
