//! Label sets, kept small: a storm holds tens of thousands of them.

use litemap::LiteMap;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A name or value of a label.
pub use smol_str::SmolStr as LabelText;

/// Label names and values, by name. A label that is missing is the same as an empty one.
///
/// One allocation holds all pairs, and texts below 24 bytes with them.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(LiteMap<LabelText, LabelText>);

impl Labels {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(LabelText::as_str)
    }

    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Sets a label, in the place of what it was.
    pub fn insert(&mut self, name: impl Into<LabelText>, value: impl Into<LabelText>) {
        self.0.insert(name.into(), value.into());
    }

    /// Sets a label unless it is there.
    pub fn insert_new(&mut self, name: impl Into<LabelText>, value: impl Into<LabelText>) {
        self.0.try_insert(name.into(), value.into());
    }

    pub fn remove(&mut self, name: &str) -> Option<LabelText> {
        self.0.remove(name)
    }

    /// Keeps the labels for which `kept` holds.
    pub fn retain(&mut self, mut kept: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|name, value| kept(name, value));
    }

    /// Gives back the room for further labels.
    pub fn shrink_to_fit(&mut self) {
        let mut pairs = std::mem::take(&mut self.0).into_tuple_vec();
        pairs.shrink_to_fit();
        self.0 = LiteMap::from_sorted_store_unchecked(pairs);
    }

    /// Pairs in the order of their names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(_, value)| value)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Labels {
    /// An object also when there are none: the map itself would then be written as an empty list.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with values, each a text")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Labels, A::Error> {
        let mut labels = Labels::new();
        while let Some((name, value)) = all.next_entry::<LabelText, LabelText>()? {
            labels.insert(name, value);
        }
        Ok(labels)
    }

    /// Some write an object without entries as an empty list. Pairs in a list are no labels.
    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Labels, A::Error> {
        match all.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(Labels::new()),
            Some(_) => Err(A::Error::custom("a list where an object of names and values is expected")),
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl std::ops::Index<&str> for Labels {
    type Output = LabelText;

    /// # Panics
    /// When there is no such label; [`crate::value_of`] never does.
    fn index(&self, name: &str) -> &LabelText {
        self.0.get(name).unwrap_or_else(|| panic!("there is no label `{name}`"))
    }
}

impl<N: Into<LabelText>, V: Into<LabelText>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<N: Into<LabelText>, V: Into<LabelText>, const LEN: usize> From<[(N, V); LEN]> for Labels {
    fn from(pairs: [(N, V); LEN]) -> Self {
        pairs.into_iter().collect()
    }
}

/// Shown in schemas as what it is on the wire: an object of texts.
impl schemars::JsonSchema for Labels {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Labels".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        std::collections::BTreeMap::<String, String>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_an_object_of_texts_in_the_order_of_names() {
        let mut labels = Labels::from([("b", "2"), ("a", "1"), ("c", "")]);
        labels.insert_new("a", "kept as it was");
        labels.insert("b", "a text that is too long to be held without an allocation of its own");
        labels.retain(|_, value| !value.is_empty());
        labels.shrink_to_fit();
        let json = serde_json::to_string(&labels).expect("texts");
        assert_eq!(
            json,
            r#"{"a":"1","b":"a text that is too long to be held without an allocation of its own"}"#
        );
        assert_eq!(serde_json::from_str::<Labels>(&json).expect("the same"), labels);
        assert_eq!(labels.remove("a").as_deref(), Some("1"));
        assert_eq!((labels.get("c"), labels.len()), (None, 1));
        assert_eq!(serde_json::to_string(&Labels::new()).expect("an object"), "{}");
        for none in ["{}", "[]"] {
            assert_eq!(serde_json::from_str::<Labels>(none).expect("readable"), Labels::new(), "{none}");
        }
    }
}
