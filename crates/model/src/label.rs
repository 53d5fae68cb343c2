//! The matchers that select by labels, with Prometheus Alertmanager's semantics.

use crate::Labels;
use serde::{Deserialize, Serialize};
use std::fmt;

mod classic;
mod utf8;

/// The value of a label, empty if it is missing.
#[must_use]
pub fn value_of<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).unwrap_or_default()
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    Equal,
    NotEqual,
    /// The whole value matches the regular expression.
    Regex,
    NotRegex,
}

impl MatchOp {
    /// The operator as it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }

    fn is_regex(self) -> bool {
        matches!(self, MatchOp::Regex | MatchOp::NotRegex)
    }

    fn is_equal(self) -> bool {
        matches!(self, MatchOp::Equal | MatchOp::Regex)
    }
}

/// Why a matcher cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    #[error("bad matcher format: {0}; write name=\"value\" with one of = != =~ !~")]
    Format(String),
    #[error("the regular expression `{value}` of label {name} cannot be used: {reason}")]
    Regex { name: String, value: String, reason: String },
}

/// One condition on a label.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<regex::Regex>,
}

/// A matcher as the Alertmanager API writes it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    name: String,
    value: String,
    is_regex: bool,
    /// Absent in what older clients send.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl TryFrom<Wire> for Matcher {
    type Error = MatcherError;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let op = match (wire.is_regex, wire.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Self::new(wire.name, op, wire.value)
    }
}

impl From<Matcher> for Wire {
    fn from(matcher: Matcher) -> Self {
        let (is_regex, is_equal) = (matcher.op.is_regex(), matcher.op.is_equal());
        Self { name: matcher.name, value: matcher.value, is_regex, is_equal }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// A matcher; regular expressions are anchored at both ends.
    ///
    /// # Errors
    /// When the name is empty or the regular expression cannot be compiled.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(MatcherError::Format(format!("{}{value} has no label name", op.symbol())));
        }
        let regex = op.is_regex().then(|| regex::Regex::new(&format!("^(?:{value})$"))).transpose().map_err(
            |error| MatcherError::Regex {
                name: name.clone(),
                value: value.clone(),
                reason: error.to_string().lines().last().unwrap_or_default().to_owned(),
            },
        )?;
        Ok(Self { name, op, value, regex })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether the label set fulfils the condition.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.accepts(value_of(labels, &self.name))
    }

    /// Whether a value of this matcher's label fulfils it.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => value == self.value,
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            // The constructor compiles one for both.
            (MatchOp::Regex | MatchOp::NotRegex, None) => false,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if classic::is_label_name(&self.name) {
            write!(f, "{}{}{:?}", self.name, self.op.symbol(), self.value)
        } else {
            write!(f, "{:?}{}{:?}", self.name, self.op.symbol(), self.value)
        }
    }
}

/// Whether all matchers hold; an empty list holds for everything.
#[must_use]
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// Reads a list of matchers: `{a="b", c=~"d.*"}`, braces optional. Both syntaxes are read: the one of today with UTF-8
/// label names in quotes, and the classic one. Where they disagree the classic one wins, so that what worked for years
/// goes on to mean what it meant (Alertmanager's fallback mode).
///
/// # Errors
/// What is wrong, and how a matcher is written.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    match (classic::parse(text), utf8::parse(text)) {
        (Ok(classic), _) => Ok(classic),
        (Err(_), Ok(utf8)) => Ok(utf8),
        (Err(error), Err(_)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let parsed = parse_matchers(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parsed.map(|all| all.join(",")), Ok(expected.to_owned()), "{text}");
    }

    #[test]
    fn both_syntaxes_are_read() {
        check(r#"{foo = "bar", dings != "bums", }"#, r#"foo="bar",dings!="bums""#);
        check("foo=bar,dings!=bums", r#"foo="bar",dings!="bums""#);
        check("{}", "");
        check("", "");
        check(r#"statuscode=~"5..""#, r#"statuscode=~"5..""#);
        check(r#"{quote="She said: \"Hi, ladies!\""}"#, r#"quote="She said: \"Hi, ladies!\"""#);
        check("a=", r#"a="""#);
        check(r"path=C:\dir", r#"path="C:\\dir""#);
        // UTF-8 label names need quotes unless they hold nothing special.
        check(r#"{"überwacht von"="Jürgen"}"#, r#""überwacht von"="Jürgen""#);
        check("größe!~klein", r#""größe"!~"klein""#);
        check(r#""service.name"="pay","a"="b""#, r#""service.name"="pay",a="b""#);
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for text in ["=", "a", "a==b\"", "a=\"b", "a=~\"(\"", "\"\"=\"x\"", "a=\"b\" c=\"d\""] {
            let parsed = parse_matchers(text);
            assert!(parsed.is_err(), "{text}: {parsed:?}");
        }
    }

    #[test]
    fn missing_labels_are_empty_and_expressions_are_anchored() {
        let labels = Labels::from([("job", "node")]);
        let holds = |text: &str| all_match(&parse_matchers(text).expect("matchers"), &labels);
        assert!(holds("job=node") && holds("other=") && holds("other!=x") && holds("job=~n.*"));
        assert!(holds("job!~od") && holds("other!~x.+") && holds("other=~\"|x\""));
        assert!(
            !holds("job=~od") && !holds("job!=node") && !holds("other=x") && !holds("job=node,other!=\"\"")
        );
    }

    #[test]
    fn the_wire_form_is_alertmanagers() {
        let matcher = Matcher::new("a", MatchOp::NotRegex, "b|c").expect("a matcher");
        let json = serde_json::to_value(&matcher).expect("plain");
        assert_eq!(json, serde_json::json!({"name": "a", "value": "b|c", "isRegex": true, "isEqual": false}));
        let old: Matcher =
            serde_json::from_str(r#"{"name":"a","value":"b","isRegex":false}"#).expect("an older client's");
        assert_eq!(old.op(), MatchOp::Equal);
        assert!(serde_json::from_str::<Matcher>(r#"{"name":"a","value":"(","isRegex":true}"#).is_err());
    }
}
