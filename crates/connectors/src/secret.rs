//! Secrets: where one comes from is configuration, what it is never leaves this type but on its way to the vendor.

use crate::ConnectorError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where a secret is: exactly one of these. A configuration holds no secret itself, so that a dump of it holds none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SecretConfig {
    /// Name of an environment variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// A file; its first line counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Name of a systemd credential (`LoadCredential=`): a file of `$CREDENTIALS_DIRECTORY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The same, as serde reads it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    env: Option<String>,
    file: Option<PathBuf>,
    credential: Option<String>,
}

impl<'de> Deserialize<'de> for SecretConfig {
    /// Whoever writes the secret itself in its place is told so, in words that do not hold it.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Place)
    }
}

struct Place;

/// What to write instead of a secret.
const HOW: &str = "a secret does not stand in the configuration: write { env = \"NAME\" }, { file = \"/path\" } or \
                   { credential = \"name\" }";

impl<'de> serde::de::Visitor<'de> for Place {
    type Value = SecretConfig;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("where the secret is")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretConfig, E> {
        Err(E::custom(HOW))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretConfig, E> {
        Err(E::custom(HOW))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<SecretConfig, A::Error> {
        let Written { env, file, credential } =
            Written::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(SecretConfig { env, file, credential })
    }
}

/// A secret. It shows itself to nobody: not to a log, not to an error, not to a dump.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What stands in the place of a secret.
const MASK: &str = "[redacted]";

/// Shorter ones are not looked for in texts: every other word would hold them.
const MASKED_FROM: usize = 6;

/// Shorter parts of a URL are words such as `webhooks`, and no tokens.
const PART_FROM: usize = 12;

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the request that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The bytes, for whoever checks signatures and shows them to nobody.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// Of a URL that is a secret, what stands between the signs after its host: a token may be quoted without the rest.
    pub(crate) fn parts(&self) -> Vec<Secret> {
        let path = self.0.splitn(4, '/').nth(3).unwrap_or_default();
        let parts = path.split(['/', '?', '&', '=']).filter(|part| part.len() >= PART_FROM);
        parts.map(Secret::new).collect()
    }

    /// A text without this secret, should somebody have put it in: vendors quote what they were sent.
    pub(crate) fn masked(&self, text: &str) -> String {
        if self.0.len() < MASKED_FROM { text.to_owned() } else { text.replace(&self.0, MASK) }
    }
}

impl SecretConfig {
    /// A secret in an environment variable.
    #[must_use]
    pub fn of_env(name: &str) -> Self {
        Self { env: Some(name.to_owned()), ..Self::default() }
    }

    /// Whether nothing is said of where it is.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with it as it is written; nothing is read.
    #[must_use]
    pub fn problem(&self, field: &str) -> Option<ConnectorError> {
        let said = [self.env.is_some(), self.file.is_some(), self.credential.is_some()];
        let wrong = |problem: &str| {
            Some(ConnectorError::Config { field: field.to_owned(), problem: problem.to_owned() })
        };
        match said.into_iter().filter(|said| *said).count() {
            0 => wrong(
                "is missing: say where the secret is, as { env = \"NAME\" }, { file = \"/path\" } or { credential = \"name\" }",
            ),
            1 if self.credential.as_deref().is_some_and(|name| !is_plain(name)) => {
                wrong("names a credential with a path in it; it is the name that LoadCredential= gives")
            }
            1 => None,
            _ => wrong("says more than one place; keep one of env, file and credential"),
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// Where it was looked for, and what to do.
    pub fn read(&self, field: &str) -> Result<Secret, ConnectorError> {
        self.read_beside(field, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())
    }

    fn read_beside(&self, field: &str, credentials: Option<&Path>) -> Result<Secret, ConnectorError> {
        if let Some(problem) = self.problem(field) {
            return Err(problem);
        }
        let wrong = |problem: String| ConnectorError::Config { field: field.to_owned(), problem };
        let of_file = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| wrong(format!("cannot be read from {}: {error}", path.display())))
        };
        let text = match (&self.env, &self.file, &self.credential) {
            (Some(name), _, _) => std::env::var(name).map_err(|_| {
                wrong(format!("is to come from the environment, which has no {name}; set it"))
            })?,
            (_, Some(path), _) => of_file(path)?,
            (_, _, Some(name)) => {
                let dir = credentials.ok_or_else(|| {
                    wrong(format!("is to come from the credential `{name}`, but $CREDENTIALS_DIRECTORY is not set: start midwatch by systemd with LoadCredential={name}:PATH"))
                })?;
                of_file(&dir.join(name))?
            }
            (None, None, None) => String::new(),
        };
        let secret = text.lines().next().unwrap_or_default().trim();
        let usable = !secret.is_empty() && secret.chars().all(|c| !c.is_control());
        usable
            .then(|| Secret::new(secret))
            .ok_or_else(|| wrong("is empty where it was looked for; put the secret there".into()))
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "tr0ub4dor-and-3-horses";

    fn read(toml: serde_json::Value, credentials: Option<&Path>) -> Result<Secret, String> {
        let config: SecretConfig = serde_json::from_value(toml).expect("a place");
        config.read_beside("x token", credentials).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_comes_from_a_file_the_environment_or_a_credential() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("token"), format!("{VALUE}\nmore\n")).expect("written");
        let file = dir.path().join("token");
        let secret = Ok(Secret::new(VALUE));
        assert_eq!(read(serde_json::json!({ "file": file }), None), secret);
        assert_eq!(read(serde_json::json!({ "credential": "token" }), Some(dir.path())), secret);
        // PATH is in every environment.
        assert!(read(serde_json::json!({ "env": "PATH" }), None).is_ok());
    }

    #[test]
    fn what_is_missing_says_where_it_was_looked_for() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("empty"), "\n").expect("written");
        for (place, word) in [
            (serde_json::json!({}), "is missing"),
            (serde_json::json!({ "env": "A", "file": "b" }), "more than one"),
            (serde_json::json!({ "env": "MIDWATCH_TEST_NO_SUCH" }), "has no MIDWATCH_TEST_NO_SUCH"),
            (serde_json::json!({ "file": "/nowhere/token" }), "/nowhere/token"),
            (serde_json::json!({ "credential": "../etc/shadow" }), "a path in it"),
            (serde_json::json!({ "credential": "empty" }), "is empty"),
        ] {
            let error = read(place, Some(dir.path())).expect_err("nothing there");
            assert!(error.starts_with("x token ") && error.contains(word), "{error}");
        }
        let error = read(serde_json::json!({ "credential": "token" }), None).expect_err("no folder");
        assert!(error.contains("LoadCredential=token"), "{error}");
    }

    #[test]
    fn a_secret_in_the_place_of_its_name_is_refused_without_being_shown() {
        let error = serde_json::from_value::<SecretConfig>(VALUE.into()).expect_err("no place").to_string();
        assert!(error.contains("{ env = ") && !error.contains(VALUE), "{error}");
        assert!(serde_json::from_str::<SecretConfig>(r#"{"evn":"X"}"#).is_err());
        let place = SecretConfig::of_env("X");
        assert_eq!(serde_json::to_value(&place).expect("plain"), serde_json::json!({ "env": "X" }));
    }

    #[test]
    fn nobody_is_shown_a_secret() {
        let secret = Secret::new(VALUE);
        assert!(!format!("{secret:?}").contains(VALUE));
        assert_eq!(secret.masked(&format!("bad token {VALUE}!")), "bad token [redacted]!");
        assert_eq!(Secret::new("a").masked("a b"), "a b");
    }
}
