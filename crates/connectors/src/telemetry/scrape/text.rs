//! The Prometheus text format, version 0.0.4.
//!
//! Strict about lines, patient about pages: a malformed line is reported by number and the rest of the page is kept.
//! Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".

/// Longest line that is looked at; a line of hundreds of long labels has a few KB.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Most labels of one series; Prometheus deployments commonly limit scrapes to 30–60.
const LABELS_MAX: usize = 128;

/// So many malformed lines are described; a page that is not metrics at all has thousands.
const ERRORS_DESCRIBED_MAX: usize = 5;

/// One sample line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    /// In the order of the page.
    pub labels: Vec<(String, String)>,
    /// May be NaN or infinite.
    pub value: f64,
    /// Milliseconds since 1970, where the page gives a time.
    pub timestamp_ms: Option<i64>,
}

impl Line {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// One malformed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    pub reason: &'static str,
}

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub lines: Vec<Line>,
    /// The first few malformed lines.
    pub malformed: Vec<Malformed>,
    pub malformed_total: usize,
}

impl Page {
    /// The malformed lines in one sentence; `None` for a clean page.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let described: Vec<_> =
            self.malformed.iter().map(|m| format!("line {}: {}", m.line, m.reason)).collect();
        let more = self.malformed_total - described.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        (self.malformed_total > 0).then(|| format!("malformed metrics: {}{more}", described.join("; ")))
    }
}

/// Parses a page, keeping only lines whose metric name is wanted. Never fails and never panics.
#[must_use]
pub fn parse(body: &[u8], wanted: impl Fn(&str) -> bool) -> Page {
    let mut page = Page::default();
    for (index, bytes) in body.split(|byte| *byte == b'\n').enumerate() {
        match parse_line(bytes, &wanted) {
            Ok(line) => page.lines.extend(line),
            Err(reason) => {
                page.malformed_total += 1;
                if page.malformed.len() < ERRORS_DESCRIBED_MAX {
                    page.malformed.push(Malformed { line: index + 1, reason });
                }
            }
        }
    }
    page
}

fn parse_line(bytes: &[u8], wanted: &impl Fn(&str) -> bool) -> Result<Option<Line>, &'static str> {
    if bytes.len() > LINE_BYTES_MAX {
        return Err("longer than 64 KiB");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    let text = text.trim_matches([' ', '\t', '\r']);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let end = text.find(|c: char| !is_name_char(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("does not start with a metric name");
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None if rest.len() + end == text.len() => return Err("no space between name and value"),
        None => (Vec::new(), rest),
    };
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let value = parse_value(words.next().ok_or("has no value")?)?;
    let timestamp_ms = match words.next() {
        Some(word) => Some(word.parse().map_err(|_| "the timestamp is not a whole number")?),
        None => None,
    };
    if words.next().is_some() {
        return Err("has more than value and timestamp");
    }
    Ok(wanted(name).then(|| Line { name: name.to_owned(), labels, value, timestamp_ms }))
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// Label names and values in the order of the page.
type Labels = Vec<(String, String)>;

/// Labels up to and including the closing brace, and what follows it.
fn parse_labels(mut rest: &str) -> Result<(Labels, &str), &'static str> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        if labels.len() == LABELS_MAX {
            return Err("has more than 128 labels");
        }
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).ok_or("a label has no value")?;
        let (name, after) = rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("a label has no valid name");
        }
        let after = after.trim_start_matches([' ', '\t']).strip_prefix('=').ok_or("a label has no `=`")?;
        let after =
            after.trim_start_matches([' ', '\t']).strip_prefix('"').ok_or("a label's value is not quoted")?;
        let (value, after) = parse_quoted(after)?;
        if labels.iter().any(|(known, _)| known == name) {
            return Err("a label occurs twice");
        }
        labels.push((name.to_owned(), value));
        rest = after.trim_start_matches([' ', '\t']);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err("labels are not separated by a comma"),
        }
    }
}

/// A label's value up to its closing quote, with `\\`, `\"` and `\n` resolved, and what follows.
fn parse_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => return Err("unknown escape in a label's value"),
            },
            other => value.push(other),
        }
    }
    Err("a label's value does not end")
}

fn parse_value(word: &str) -> Result<f64, &'static str> {
    // Rust reads NaN, Inf and +Inf as Go does, but also the word "infinity", which Go does, too.
    word.parse().map_err(|_| "the value is not a number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Line {
        let page = parse(text.as_bytes(), |_| true);
        assert_eq!(page.malformed, [], "{text}");
        page.lines.into_iter().next().expect(text)
    }

    #[test]
    fn lines_of_the_specification_are_read() {
        for (text, name, labels, value, timestamp_ms) in [
            ("up 1", "up", vec![], 1.0, None),
            (
                "http_requests_total{method=\"post\",code=\"400\"}    3 1395066363000",
                "http_requests_total",
                vec![("method", "post"), ("code", "400")],
                3.0,
                Some(1_395_066_363_000),
            ),
            (
                r#"msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9"#,
                "msdos_file_access_time_seconds",
                vec![("path", "C:\\DIR\\FILE.TXT"), ("error", "Cannot find file:\n\"FILE.TXT\"")],
                1.458_255_915e9,
                None,
            ),
            ("a:b{ x = \"1\" , } +Inf -3982045", "a:b", vec![("x", "1")], f64::INFINITY, Some(-3_982_045)),
            ("a {x=\"}\"} -1e-3\r", "a", vec![("x", "}")], -0.001, None),
        ] {
            let line = one(text);
            let found: Vec<_> = line.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(
                (line.name.as_str(), found, line.value, line.timestamp_ms),
                (name, labels, value, timestamp_ms)
            );
        }
        assert!(one("a NaN").value.is_nan());
    }

    #[test]
    fn a_malformed_line_is_named_and_the_rest_is_kept() {
        for (text, reason) in [
            ("{a=\"b\"} 1", "does not start with a metric name"),
            ("1a 1", "does not start with a metric name"),
            ("a", "no space between name and value"),
            ("a-b 1", "no space between name and value"),
            ("a{b} 1", "a label has no `=`"),
            ("a{b=c} 1", "a label's value is not quoted"),
            ("a{b=\"c} 1", "a label's value does not end"),
            ("a{b=\"\\t\"} 1", "unknown escape in a label's value"),
            ("a{b=\"c\" d=\"e\"} 1", "labels are not separated by a comma"),
            ("a{b=\"c\",b=\"d\"} 1", "a label occurs twice"),
            ("a{b=\"c\"}", "has no value"),
            ("a one", "the value is not a number"),
            ("a 1 2.5", "the timestamp is not a whole number"),
            ("a 1 2 3", "has more than value and timestamp"),
        ] {
            let page = parse(format!("# HELP a b\nfirst 1\n{text}\nlast 2\n").as_bytes(), |_| true);
            assert_eq!(page.lines.len(), 2, "{text}");
            assert_eq!(page.malformed, [Malformed { line: 3, reason }], "{text}");
        }
        let invalid = parse(b"a 1\nb{x=\"\xff\"} 1\nc 1", |_| true);
        assert_eq!(
            (invalid.lines.len(), invalid.complaint()),
            (2, Some("malformed metrics: line 2: not UTF-8".into()))
        );
    }

    #[test]
    fn complaints_are_bounded() {
        let page = parse("?\n".repeat(1000).as_bytes(), |_| true);
        assert_eq!((page.malformed.len(), page.malformed_total), (5, 1000));
        assert!(page.complaint().is_some_and(|text| text.ends_with("and 995 more")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&body, |_| true);
        }

        #[test]
        fn near_misses_are_survived(body in "[a-z_{}\"\\\\=, #0-9.+\\-NaIinf\n\u{e4}\u{1f600}]{0,200}") {
            let page = parse(body.as_bytes(), |_| true);
            prop_assert!(page.lines.len() + page.malformed_total <= body.matches('\n').count() + 1);
        }

        #[test]
        fn what_is_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,20}",
            labels in proptest::collection::btree_map("[a-z_][a-z0-9_]{0,8}", any::<String>(), 0..5),
            value in any::<f64>(),
        ) {
            let escape = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let written: Vec<_> = labels.iter().map(|(n, v)| format!("{n}=\"{}\"", escape(v))).collect();
            let line = one(&format!("{name}{{{}}} {value}", written.join(",")));
            prop_assert_eq!(line.name, name);
            prop_assert_eq!(line.labels.into_iter().collect::<std::collections::BTreeMap<_, _>>(), labels);
            prop_assert!(line.value == value || (line.value.is_nan() && value.is_nan()));
        }
    }
}
