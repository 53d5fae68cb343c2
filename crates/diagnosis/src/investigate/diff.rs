//! A unified diff as what it takes away and what it brings, without what it only moves.

use std::collections::HashMap;

/// Kinds of files that no fault of a running service comes from.
const INERT: [&str; 18] = [
    ".md",
    ".rst",
    ".txt",
    ".css",
    ".scss",
    ".less",
    ".svg",
    ".png",
    "codeowners",
    "license",
    ".gitignore",
    ".editorconfig",
    "_test.go",
    ".test.ts",
    ".test.js",
    ".spec.ts",
    "test.java",
    ".snap",
];
const INERT_FOLDERS: [&str; 9] =
    ["test/", "tests/", "testdata/", "docs/", "doc/", ".github/", "__tests__/", "examples/", ".circleci/"];

/// Lines of a diff that are read: what is longer is a migration of everything, and no line of it is the cause.
const LINES_MAX: usize = 5000;

/// Lines on either side that are compared with each other.
const PAIRS_MAX: usize = 300;

/// What a change does to the code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    /// Lines that are gone, and lines that are new, trimmed; what is in both, and comments, are in neither.
    pub removed: Vec<String>,
    pub added: Vec<String>,
    /// New lines as they stand, with their indent.
    pub added_as_is: Vec<String>,
    /// Everything that is in the diff, for what changed lines refer to.
    pub context: String,
}

impl Diff {
    /// Reads a unified diff, however sloppy.
    pub fn parse(text: &str) -> Self {
        let mut diff = Diff { context: text.to_owned(), ..Diff::default() };
        let mut inert = false;
        let mut comment = None;
        for line in text.lines().take(LINES_MAX) {
            if let Some(path) = header(line) {
                (inert, comment) = (is_inert(path), None);
                continue;
            }
            let (sign, rest) = line.split_at(line.char_indices().nth(1).map_or(line.len(), |(at, _)| at));
            let code = rest.trim();
            let inside = is_inside(code, &mut comment);
            if inert || inside || code.is_empty() || is_comment(code) {
                continue;
            }
            match sign {
                "-" => diff.removed.push(code.to_owned()),
                "+" => {
                    diff.added.push(code.to_owned());
                    diff.added_as_is.push(rest.to_owned());
                }
                _ => {}
            }
        }
        diff.cancel();
        diff
    }

    /// Drops lines that are both taken away and brought: they were moved, or only indented.
    fn cancel(&mut self) {
        let key = |line: &str| line.split_whitespace().collect::<String>();
        let mut brought: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, line) in self.added.iter().enumerate().rev() {
            brought.entry(key(line)).or_default().push(at);
        }
        let mut moved = vec![false; self.added.len()];
        self.removed.retain(|line| match brought.get_mut(&key(line)).and_then(Vec::pop) {
            Some(at) => {
                moved[at] = true;
                false
            }
            None => true,
        });
        let mut stays = moved.iter().map(|moved| !moved);
        self.added.retain(|_| stays.next().unwrap_or(true));
        let mut stays = moved.iter().map(|moved| !moved);
        self.added_as_is.retain(|_| stays.next().unwrap_or(true));
    }

    /// Pairs of an old and a new line that say the same of another value, nearest first in order of the diff.
    pub fn replaced(&self) -> Vec<(&str, &str)> {
        let mut taken = vec![false; self.added.len()];
        let mut pairs = Vec::new();
        for old in self.removed.iter().take(PAIRS_MAX) {
            let like = |index: usize| likeness(old, &self.added[index]);
            let free = (0..self.added.len().min(PAIRS_MAX)).filter(|index| !taken[*index]);
            let best = free.max_by(|a, b| like(*a).total_cmp(&like(*b)).then(b.cmp(a)));
            if let Some(best) = best.filter(|best| like(*best) >= ALIKE) {
                taken[best] = true;
                pairs.push((old.as_str(), self.added[best].as_str()));
            }
        }
        pairs
    }
}

/// Share of words from which two lines are one line in two versions.
const ALIKE: f64 = 0.5;

fn likeness(a: &str, b: &str) -> f64 {
    let words = |line: &str| -> Vec<String> {
        line.split(|c: char| !c.is_alphabetic() && c != '_')
            .filter(|w| w.len() > 1)
            .map(str::to_owned)
            .collect()
    };
    let (a, b) = (words(a), words(b));
    let shared = a.iter().filter(|word| b.contains(word)).count();
    2.0 * shared as f64 / (a.len() + b.len()).max(1) as f64
}

/// The path that a header line names.
fn header(line: &str) -> Option<&str> {
    let path = line
        .strip_prefix("+++ ")
        .or_else(|| line.strip_prefix("--- "))
        .or_else(|| line.strip_prefix("@@ "))?;
    let path = path.trim_start_matches("a/").trim_start_matches("b/");
    let path = path.split([' ', ':', '@']).next().unwrap_or_default();
    // A hunk's header holds line numbers or a function, which is no path.
    (path.contains('.') || path.contains('/')).then_some(path)
}

/// Whether nothing in the file runs in production.
pub fn is_inert(path: &str) -> bool {
    let path = path.to_lowercase();
    INERT.iter().any(|end| path.ends_with(end))
        || INERT_FOLDERS.iter().any(|folder| path.starts_with(folder) || path.contains(&format!("/{folder}")))
        || (path.contains("_test.")
            || path.contains(".test.")
            || path.contains("_fuzz")
            || path.contains("golden"))
}

/// Comments of several lines, by how they begin and end. A text that stands by itself is one in Python.
const COMMENTS: [(&str, &str); 4] = [("/*", "*/"), ("<!--", "-->"), ("\"\"\"", "\"\"\""), ("'''", "'''")];

/// Whether a line is part of a comment of several lines; `end` is how the one that is open ends.
fn is_inside(code: &str, end: &mut Option<&'static str>) -> bool {
    if let Some(ends) = *end {
        if code.contains(ends) {
            *end = None;
        }
        return true;
    }
    let begun = COMMENTS.iter().find_map(|(begin, ends)| Some((code.strip_prefix(begin)?, *ends)));
    let Some((rest, ends)) = begun else { return false };
    match rest.split_once(ends) {
        Some((_, after)) => after.trim().is_empty(),
        None => {
            *end = Some(ends);
            true
        }
    }
}

fn is_comment(code: &str) -> bool {
    code.starts_with("//") || code.starts_with("* ") || code.starts_with("# ") || code.starts_with("-- ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_lines_comments_and_tests_are_no_change() {
        let diff = Diff::parse(
            "@@ a.go @@\n-\tx := f()\n-// old\n+// new\n+\tif ok {\n+\t\tx := f()\n+\t}\n--- a/a_test.go\n+++ b/a_test.go\n+\tt.Fatal()\n",
        );
        assert!(diff.removed.is_empty());
        assert_eq!(diff.added, ["if ok {", "}"]);
    }

    #[test]
    fn comments_of_several_lines_are_no_change() {
        for (begin, end) in COMMENTS {
            let diff = Diff::parse(&format!(
                "@@ -1 +1 @@\n {begin}\n-timeout = 30\n+timeout = 1\n {end}\n+{begin} timeout = 2 {end}\n+retries = 3\n"
            ));
            assert_eq!((diff.removed.len(), diff.added), (0, vec!["retries = 3".to_owned()]), "{begin}");
        }
        let code = Diff::parse("@@ -1 +1 @@\n+/* why */ retries = 3\n");
        assert_eq!(code.added, ["/* why */ retries = 3"]);
    }

    #[test]
    fn two_versions_of_a_line_are_a_pair() {
        let diff = Diff::parse("@@ c.yaml @@\n-  ttl: 15m\n-  name: a\n+  ttl: 15s\n+  name: b\n");
        assert_eq!(diff.replaced(), [("ttl: 15m", "ttl: 15s"), ("name: a", "name: b")]);
    }
}
