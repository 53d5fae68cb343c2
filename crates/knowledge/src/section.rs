//! Markdown by its headings.

/// Sections that are shorter say nothing that is worth finding.
pub const SECTION_CHARS_MIN: usize = 30;

/// What stands below a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Empty for what stands before the first heading.
    pub heading: &'a str,
    pub text: &'a str,
}

/// The sections of a Markdown text, split at headings of the second level. What is in fenced code is no heading.
#[must_use]
pub fn sections(text: &str) -> Vec<Section<'_>> {
    let body = without_front_matter(text);
    let mut starts = vec![0];
    let (mut at, mut fenced) = (0, false);
    for line in body.split_inclusive('\n') {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with("## ") && at > 0 {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([body.len()]);
    let all = starts.iter().zip(ends).map(|(start, end)| section(&body[*start..end]));
    all.filter(|section| section.text.chars().count() >= SECTION_CHARS_MIN).collect()
}

fn section(text: &str) -> Section<'_> {
    let (heading, rest) = match text.strip_prefix("## ") {
        Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
        None => ("", text),
    };
    Section { heading: heading.trim(), text: rest.trim() }
}

/// YAML between `---` at the top is about the page, not on it.
fn without_front_matter(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---\n") else { return text };
    rest.split_once("\n---\n").map_or(text, |(_, body)| body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_is_split_at_its_headings() {
        let page = "---\ntitle: x\n---\n# Disk fills up\n\nThe disk of a node is filling up quickly.\n\n## Meaning\nshort\n\
                    ## Mitigation\n\nRemove old images first:\n```\n## not a heading\ncrictl rmi --prune\n```\n";
        let found: Vec<_> = sections(page).into_iter().map(|s| (s.heading, s.text.lines().count())).collect();
        assert_eq!(found, [("", 3), ("Mitigation", 5)]);
        assert!(sections("").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_can_be_split(text in "(## |```|---\n|\n|\\PC){0,80}") {
            for section in sections(&text) {
                prop_assert!(text.contains(section.text));
            }
        }
    }
}
