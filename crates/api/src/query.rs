//! What a list is asked for: parameters by name, each read into a type, and a sentence for what cannot be read.

use crate::error::ApiError;
use midwatch_model::label::parse_matchers;
use midwatch_model::{Matcher, Timestamp};
use midwatch_store::{Cursor, Page};
use serde_json::{Value, json};

/// Rows of a page at most.
const PAGE_MAX: usize = 1_000;

/// The parameters of a query, in order; some may be there several times.
pub(crate) struct Asked(Vec<(String, String)>);

impl Asked {
    /// Takes parameters of which every name is among the `known` ones: a misspelt filter must not list everything.
    pub fn of(parameters: Vec<(String, String)>, known: &[&str]) -> Result<Self, ApiError> {
        match parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(ApiError::bad_request(format!(
                "there is no filter `{name}`; there are {}",
                known.join(", ")
            ))),
            None => Ok(Self(parameters)),
        }
    }

    /// The last of that name; an empty one is none.
    pub fn text(&self, name: &str) -> Option<String> {
        let mut all = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        all.next_back().map(|(_, value)| value.clone())
    }

    /// A value of a type that says itself what is wrong.
    pub fn value<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: std::fmt::Display,
    {
        let parse = |text: String| text.parse().map_err(|e| ApiError::bad_request(format!("{name}: {e}")));
        self.text(name).map(parse).transpose()
    }

    /// One word out of a closed list.
    pub fn word<T: std::str::FromStr>(&self, name: &str, words: &[&str]) -> Result<Option<T>, ApiError> {
        let wrong = |text: &str| format!("{name} is `{text}`, not one of {}", words.join(", "));
        let parse = |text: String| text.parse().map_err(|_| ApiError::bad_request(wrong(&text)));
        self.text(name).map(parse).transpose()
    }

    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let wrong = |text: &str| format!("{name} is `{text}`, not a time such as 2026-11-22T03:00:00Z");
        let parse = |text: String| text.parse().map_err(|_| ApiError::bad_request(wrong(&text)));
        self.text(name).map(parse).transpose()
    }

    pub fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let limit = self.text("limit").map_or(Ok(default), |text| text.parse());
        let limit = limit.ok().filter(|limit| *limit >= 1);
        let limit = limit.ok_or_else(|| ApiError::bad_request(format!("limit must be 1 to {PAGE_MAX}")))?;
        Ok(limit.min(PAGE_MAX))
    }

    pub fn cursor(&self) -> Result<Option<Cursor>, ApiError> {
        self.value("cursor")
    }

    /// The matchers of all `match` parameters.
    pub fn matchers(&self) -> Result<Vec<Matcher>, ApiError> {
        let mut matchers = Vec::new();
        for (_, text) in self.0.iter().filter(|(name, _)| name == "match") {
            let parsed = parse_matchers(text).map_err(|e| ApiError::bad_request(format!("match: {e}")))?;
            matchers.extend(parsed);
        }
        Ok(matchers)
    }
}

/// A page as clients see it: the rows under their name, and where the next page begins.
pub(crate) fn page<T>(name: &str, page: &Page<T>, shown: impl Fn(&T) -> Value) -> Value {
    let rows: Vec<Value> = page.rows.iter().map(shown).collect();
    json!({ name: rows, "next_cursor": page.next.as_ref().map(ToString::to_string) })
}
