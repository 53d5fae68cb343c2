//! Who may call, and how often.

use super::Config;
use crate::exit::Usage;
use anyhow::Result;
use midwatch_api::{ApiKey, IpNet, KeyRing, Limits, NamedKey, Scope, User};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Requests per second from one address where keys are needed. A hundred thousand alerts per second, 64 at a time as
/// Prometheus sends them, are 1,600.
const IP_PER_S: u32 = 5_000;

/// Requests per second with one key: several senders may share one.
const CALLER_PER_S: u32 = 10_000;

/// A key with a name and scopes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeyConfig {
    /// Whose key it is: small letters, digits and `-`. It is part of the key.
    pub name: String,
    /// What `midwatch key new` prints; the key itself is nowhere.
    #[serde(skip_serializing)]
    pub hash: String,
    /// What it is good for: `read`, `ingest`, `act`, `admin` (everything).
    pub scopes: Vec<Scope>,
}

/// Somebody who signs in to the dashboard with a password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserConfig {
    /// Who it is: small letters, digits and `-`. No key has the same name.
    pub name: String,
    /// What `midwatch user new` prints; the password itself is nowhere.
    #[serde(skip_serializing)]
    pub hash: String,
    /// What they may do: `read`, `ingest`, `act`, `admin` (everything).
    pub scopes: Vec<Scope>,
}

/// Least characters of a key that others may guess at: a random text of that length holds for longer than anybody tries.
const KEY_CHARS_MIN: usize = 16;

impl Config {
    /// The keys that hold.
    ///
    /// # Errors
    /// When a key cannot be used, its file cannot be read, or there is no key although the address is not loopback.
    pub fn keys(&self) -> Result<KeyRing> {
        let keys = KeyRing::new(self.whole_key()?, self.named_keys().map_err(Usage)?)
            .map_err(|problem| Usage(format!("[[api_key]] {problem}")))?
            .with_users(self.people().map_err(Usage)?)
            .map_err(|problem| Usage(format!("[[user]] {problem}")))?;
        if keys.is_empty() && !self.server.listen.ip().is_loopback() {
            let text = format!(
                "{} is not loopback: set MIDWATCH_SERVER__API_KEY or [server] api_key_file, add an [[api_key]] or a [[user]], or listen on 127.0.0.1",
                self.server.listen
            );
            return Err(Usage(text).into());
        }
        let is_open = !self.server.listen.ip().is_loopback();
        if is_open && self.whole_key_text()?.is_some_and(|key| key.chars().count() < KEY_CHARS_MIN) {
            let text = format!(
                "the API key has fewer than {KEY_CHARS_MIN} characters and {} can be reached by others, who could guess it; make one \
                 with `openssl rand -hex 24`",
                self.server.listen
            );
            return Err(Usage(text).into());
        }
        Ok(keys)
    }

    pub(super) fn named_keys(&self) -> Result<Vec<NamedKey>, String> {
        self.api_keys.iter().map(Self::named_key).collect()
    }

    pub(super) fn named_key(key: &ApiKeyConfig) -> Result<NamedKey, String> {
        NamedKey::new(&key.name, &key.hash, &key.scopes).map_err(|problem| format!("[[api_key]] {problem}"))
    }

    fn people(&self) -> Result<Vec<User>, String> {
        self.users.iter().map(Self::person).collect()
    }

    pub(super) fn person(user: &UserConfig) -> Result<User, String> {
        User::new(&user.name, &user.hash, &user.scopes).map_err(|problem| format!("[[user]] {problem}"))
    }

    fn whole_key(&self) -> Result<Option<ApiKey>> {
        Ok(self.whole_key_text()?.map(|key| ApiKey::new(&key)))
    }

    fn whole_key_text(&self) -> Result<Option<String>> {
        let from_file = match (&self.server.api_key, &self.server.api_key_file) {
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| Usage(format!("cannot read the API key {}: {e}", path.display())))?;
                text.lines().next().map(str::to_owned)
            }
            _ => None,
        };
        let key = self.server.api_key.clone().or(from_file).filter(|key| !key.trim().is_empty());
        Ok(key.map(|key| key.trim().to_owned()))
    }

    /// How often somebody may call. Where no key is needed, only this machine can call, and it may as it likes.
    pub fn limits(&self, keys: &KeyRing) -> Limits {
        let limit = |configured: Option<u32>, default: u32| {
            NonZeroU32::new(configured.unwrap_or(if keys.is_empty() { 0 } else { default }))
        };
        Limits {
            ip_per_s: limit(self.server.ip_requests_per_s, IP_PER_S),
            caller_per_s: limit(self.server.key_requests_per_s, CALLER_PER_S),
        }
    }

    /// Proxies that are believed.
    ///
    /// # Errors
    /// What is neither a network nor an address.
    pub fn trusted_proxies(&self) -> Result<Vec<IpNet>, String> {
        let network = |text: &String| {
            let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| address()).map_err(|_| {
                format!(
                    "server.trusted_proxies has `{text}`; write each as a network such as 10.0.0.0/8, or as an address"
                )
            })
        };
        self.server.trusted_proxies.iter().map(network).collect()
    }

    /// Origins as browsers write them: scheme, host and port, and nothing after.
    pub(super) fn check_origins(&self) -> Result<(), String> {
        let fits = |origin: &String| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_some_and(|host| {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
                !host.is_empty() && host.chars().all(plain)
            })
        };
        match self.server.cors_origins.iter().find(|origin| !fits(origin)) {
            Some(origin) => Err(format!(
                "server.cors_origins has `{origin}`; write each exactly as https://host or https://host:port, without `*` and path"
            )),
            None => Ok(()),
        }
    }
}
