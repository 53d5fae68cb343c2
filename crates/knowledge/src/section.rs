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
    let mut all = sections_of_any_length(text);
    all.retain(|section| section.text.chars().count() >= SECTION_CHARS_MIN);
    all
}

/// As [`sections`], also those that say nothing.
pub(crate) fn sections_of_any_length(text: &str) -> Vec<Section<'_>> {
    let body = split_front(text).map_or(text, |(_, body)| body);
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
    starts.iter().zip(ends).map(|(start, end)| section(&body[*start..end])).collect()
}

fn section(text: &str) -> Section<'_> {
    let (heading, rest) = match text.strip_prefix("## ") {
        Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
        None => ("", text),
    };
    Section { heading: heading.trim(), text: rest.trim() }
}

/// YAML between `---` at the top is about the page, not on it: that, and the page.
pub(crate) fn split_front(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n")?;
    if let Some(body) = rest.strip_prefix("---\n") {
        return Some(("", body));
    }
    rest.split_once("\n---\n").or_else(|| rest.strip_suffix("\n---").map(|front| (front, "")))
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
