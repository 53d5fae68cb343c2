//! Who brings alerts and changes, and how they prove who they are.

use super::secrets;
use midwatch_api::{Proof, Senders};
use midwatch_engine::Feed;
use midwatch_signal::authentic::{HeaderName, Scheme, Secret, SecretError, Secrets, Topics};
use midwatch_signal::change::ChangeSource;
use midwatch_signal::source::{Mapping, Source};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use strum::VariantArray as _;

/// Somebody who brings alerts or changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// The name in the URL: `POST /api/v1/ingest/<name>`, for changes `POST /api/v1/changes?source=<name>`. The kind's own
    /// name if absent.
    pub name: Option<String>,
    /// What is sent: a vendor's name of docs/sources.md, `mapped`, or `changes_generic`, `changes_github`,
    /// `changes_gitlab`, `changes_argocd`.
    pub kind: String,
    /// Where things stand in the bodies of a `mapped` source.
    pub mapping: Option<Mapping>,
    /// How it proves who it is, in place of the API key. Without it, it needs an API key.
    pub auth: Option<AuthKind>,
    /// Files with the secret (first line); two while one replaces the other.
    pub secret_files: Vec<PathBuf>,
    /// Environment variables with the secret, in place of files.
    pub secret_env: Vec<String>,
    /// For `api_key`: the header with the key. For `grafana`: the header with the signature.
    pub header: Option<String>,
    /// For `grafana`: the header with the time that is signed.
    pub timestamp_header: Option<String>,
    /// For `basic`: the user.
    pub user: Option<String>,
    /// For `sns`: ARNs of the topics that may send.
    pub topics: Vec<String>,
}

/// How a sender proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    #[serde(rename = "pagerduty")]
    PagerDuty,
    Grafana,
    #[serde(rename = "github")]
    GitHub,
    #[serde(rename = "gitlab")]
    GitLab,
    Slack,
    StandardWebhooks,
    Sns,
    Bearer,
    Basic,
    ApiKey,
}

/// The prefix of kinds that bring changes.
const CHANGES: &str = "changes_";

/// Header with the key where none is named.
const KEY_HEADER: &str = "X-API-Key";

/// What a source brings.
enum Kind {
    Alerts(Feed),
    Changes(ChangeSource),
}

impl SourceConfig {
    /// What errors call it.
    fn shown(&self) -> String {
        format!("[[source]] `{}`", self.name.as_deref().unwrap_or(&self.kind))
    }

    fn wrong(&self, problem: impl std::fmt::Display) -> String {
        format!("{}: {problem}", self.shown())
    }

    fn kind(&self) -> Result<Kind, String> {
        let kind = match self.kind.strip_prefix(CHANGES) {
            _ if self.kind == "mapped" => Some(Kind::Alerts(Feed::Mapped(Box::new(self.mapping()?)))),
            Some(changes) => ChangeSource::by_name(changes).map(Kind::Changes),
            None => Source::by_name(&self.kind).map(|source| Kind::Alerts(Feed::Source(source))),
        };
        if self.mapping.is_some() && self.kind != "mapped" {
            return Err(self.wrong("`mapping` is only read with kind = \"mapped\"; remove one of the two"));
        }
        kind.ok_or_else(|| {
            let alerts = Source::readable().map(|source| source.name().to_owned());
            let changes = ChangeSource::VARIANTS.iter().map(|source| format!("{CHANGES}{source}"));
            let known = alerts.chain(["mapped".to_owned()]).chain(changes).collect::<Vec<_>>().join(", ");
            self.wrong(format!("kind `{}` is not known; use one of {known}", self.kind))
        })
    }

    fn mapping(&self) -> Result<Mapping, String> {
        let mapping = self.mapping.clone().ok_or_else(|| {
            self.wrong("kind = \"mapped\" needs a table [source.mapping]; docs/sources.md shows one")
        })?;
        mapping.validate().map_err(|problem| self.wrong(format!("mapping: {problem}")))?;
        Ok(mapping)
    }

    fn name(&self, kind: &Kind) -> Result<String, String> {
        let name = match (&self.name, kind) {
            (Some(name), _) => name.clone(),
            (None, Kind::Changes(source)) => source.name().to_owned(),
            (None, Kind::Alerts(_)) => self.kind.clone(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=63).contains(&name.len()) || !name.chars().all(plain) {
            return Err(self.wrong("name must be 1–63 letters, digits, `-`, `_` or `.`: it is part of a URL"));
        }
        let is_anothers = match kind {
            Kind::Alerts(Feed::Source(source)) => Source::any(&name).is_some_and(|other| other != *source),
            Kind::Alerts(Feed::Mapped(_)) => Source::any(&name).is_some(),
            Kind::Changes(source) => ChangeSource::by_name(&name).is_some_and(|other| other != *source),
        };
        if is_anothers {
            return Err(self.wrong(format!("name `{name}` is that of another kind; choose one of your own")));
        }
        Ok(name)
    }

    /// Fields that its way of proving does not read would look as if they did something.
    fn check_fields(&self) -> Result<(), String> {
        let auth = |kinds: &[AuthKind]| self.auth.is_some_and(|auth| kinds.contains(&auth));
        let with_secret = self.auth.is_some() && !auth(&[AuthKind::Sns]);
        let has_secret = !self.secret_files.is_empty() || !self.secret_env.is_empty();
        for (field, is_set, is_read, fix) in [
            ("secret_files", has_secret, with_secret, "name the scheme in `auth`"),
            (
                "header",
                self.header.is_some(),
                auth(&[AuthKind::ApiKey, AuthKind::Grafana]),
                "it is for auth = \"api_key\" and \"grafana\"",
            ),
            (
                "timestamp_header",
                self.timestamp_header.is_some(),
                auth(&[AuthKind::Grafana]),
                "it is for auth = \"grafana\"",
            ),
            ("user", self.user.is_some(), auth(&[AuthKind::Basic]), "it is for auth = \"basic\""),
            ("topics", !self.topics.is_empty(), auth(&[AuthKind::Sns]), "it is for auth = \"sns\""),
        ] {
            if is_set && !is_read {
                return Err(self.wrong(format!("{field} is not read here: {fix}, or remove it")));
            }
        }
        if self.auth == Some(AuthKind::Sns) && self.kind != "cloudwatch" {
            return Err(self.wrong("auth = \"sns\" goes with kind = \"cloudwatch\""));
        }
        if let Some(name) = self.secret_env.iter().find(|name| name.starts_with(super::ENV_PREFIX)) {
            return Err(self.wrong(format!(
                "secret_env names {name}, but variables of this prefix set fields; rename it, such as to {}",
                name.trim_start_matches(super::ENV_PREFIX)
            )));
        }
        let secrets = self.secret_files.len() + self.secret_env.len();
        match secrets {
            0 if with_secret => Err(self.wrong("auth needs a secret: name its file in secret_files")),
            0..=2 => Ok(()),
            found => Err(self.wrong(format!(
                "{found} secrets are named; at most 2 hold at once, the old one and the new one"
            ))),
        }
    }

    fn proof(&self) -> Result<Proof, String> {
        let Some(auth) = self.auth else { return Ok(Proof::Key) };
        if auth == AuthKind::Sns {
            let topics = Topics::new(self.topics.clone());
            return topics.map(Proof::Sns).map_err(|problem| self.wrong(format!("topics: {problem}")));
        }
        let secrets = self.secrets(auth)?;
        Ok(Proof::Scheme(match auth {
            AuthKind::PagerDuty => Scheme::PagerDuty { secrets },
            AuthKind::Grafana => self.grafana(secrets)?,
            AuthKind::GitHub => Scheme::GitHub { secrets },
            AuthKind::GitLab => Scheme::GitLab { tokens: secrets },
            AuthKind::Slack => Scheme::Slack { secrets },
            AuthKind::StandardWebhooks => Scheme::StandardWebhooks { secrets },
            AuthKind::Basic => {
                let user = self.user.clone().ok_or_else(|| self.wrong("auth = \"basic\" needs `user`"))?;
                Scheme::Basic { user, passwords: secrets }
            }
            AuthKind::ApiKey => {
                Scheme::ApiKey { header: self.header(&self.header, KEY_HEADER)?, keys: secrets }
            }
            AuthKind::Bearer | AuthKind::Sns => Scheme::Bearer { tokens: secrets },
        }))
    }

    fn grafana(&self, secrets: Secrets) -> Result<Scheme, String> {
        let signature = self.header(&self.header, "X-Grafana-Alerting-Signature")?;
        let timestamp = self.header(&self.timestamp_header, "X-Grafana-Alerting-Timestamp")?;
        Ok(Scheme::Grafana { secrets, signature, timestamp })
    }

    fn header(&self, configured: &Option<String>, default: &str) -> Result<HeaderName, String> {
        let name = configured.as_deref().unwrap_or(default);
        HeaderName::new(name).map_err(|problem| self.wrong(problem))
    }

    fn secrets(&self, auth: AuthKind) -> Result<Secrets, String> {
        let files = self.secret_files.iter().map(|path| (path.display().to_string(), secrets::of_file(path)));
        let env = self.secret_env.iter().map(|name| (name.clone(), secrets::of_env(name)));
        let mut read = Vec::new();
        for (place, text) in files.chain(env) {
            let text = text.map_err(|problem| self.wrong(problem))?;
            let secret =
                secret_of(auth, &text).map_err(|problem| self.wrong(format!("{place}: {problem}")))?;
            read.push(secret);
        }
        let mut read = read.into_iter();
        match (read.next(), read.next()) {
            (Some(first), Some(second)) => Ok(Secrets::two(first, second)),
            (Some(first), None) => Ok(Secrets::one(first)),
            (None, _) => Err(self.wrong("auth needs a secret: name its file in secret_files")),
        }
    }
}

fn secret_of(auth: AuthKind, text: &str) -> Result<Secret, SecretError> {
    if auth == AuthKind::StandardWebhooks { Secret::whsec(text) } else { Secret::new(text) }
}

/// Checks everything but the secrets themselves, which need not be there where a configuration is checked.
pub fn check(sources: &[SourceConfig]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for source in sources {
        let kind = source.kind()?;
        let name = source.name(&kind)?;
        source.check_fields()?;
        if source.auth == Some(AuthKind::Sns) {
            source.proof()?;
        }
        for header in [&source.header, &source.timestamp_header] {
            source.header(header, KEY_HEADER)?;
        }
        if source.auth == Some(AuthKind::Basic) && source.user.is_none() {
            return Err(source.wrong("auth = \"basic\" needs `user`"));
        }
        if !names.insert((matches!(kind, Kind::Changes(_)), name.clone())) {
            return Err(source.wrong(format!("name `{name}` is there twice; give each source its own")));
        }
    }
    Ok(())
}

/// How the alerts of each source are read.
pub fn feeds(sources: &[SourceConfig]) -> Result<BTreeMap<String, Feed>, String> {
    let mut feeds = BTreeMap::new();
    for source in sources {
        let kind = source.kind()?;
        let name = source.name(&kind)?;
        if let Kind::Alerts(feed) = kind {
            feeds.insert(name, feed);
        }
    }
    Ok(feeds)
}

/// How each source proves who it is; its secrets are read.
pub fn senders(sources: &[SourceConfig]) -> Result<Senders, String> {
    let mut senders = Senders::default();
    for source in sources {
        let kind = source.kind()?;
        let (name, proof) = (source.name(&kind)?, source.proof()?);
        match kind {
            Kind::Alerts(_) => drop(senders.alerts.insert(name, proof)),
            Kind::Changes(source) => drop(senders.changes.insert(name, (source, proof))),
        }
    }
    Ok(senders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<SourceConfig> {
        #[derive(Deserialize)]
        struct File {
            source: Vec<SourceConfig>,
        }
        toml::from_str::<File>(text).unwrap_or_else(|error| panic!("{text}: {error}")).source
    }

    /// What is wrong with a table, in words.
    fn check_wrong(fields: &str, words: &[&str]) {
        let sources = read(&format!("[[source]]\n{fields}"));
        let error = check(&sources).and_then(|()| senders(&sources).map(drop)).expect_err(fields);
        for word in words {
            assert!(error.contains(word), "{fields}: {error}");
        }
    }

    #[test]
    fn errors_name_the_source_the_field_and_the_fix() {
        for (fields, words) in [
            (
                "kind = \"pagerdooty\"",
                &["[[source]] `pagerdooty`: kind", "use one of generic,", "changes_github"][..],
            ),
            ("name = \"a/b\"\nkind = \"grafana\"", &["name must be 1–63"]),
            ("name = \"grafana\"\nkind = \"datadog\"", &["name `grafana` is that of another kind"]),
            ("name = \"alertmanager_v2\"\nkind = \"mapped\"\nmapping = { id = \"/a\" }", &["another kind"]),
            ("kind = \"mapped\"", &["needs a table [source.mapping]"]),
            ("name = \"x\"\nkind = \"mapped\"\nmapping = { id = \"a\" }", &["`x`: mapping: `id` is `a`"]),
            ("kind = \"grafana\"\nmapping = { id = \"/a\" }", &["`mapping` is only read with"]),
            ("kind = \"grafana\"\nauth = \"grafana\"", &["auth needs a secret", "secret_files"]),
            ("kind = \"grafana\"\nsecret_files = [\"/x\"]", &["secret_files is not read here", "`auth`"]),
            (
                "kind = \"grafana\"\nauth = \"bearer\"\nsecret_env = [\"A\"]\nuser = \"u\"",
                &["user is not read here"],
            ),
            (
                "kind = \"grafana\"\nauth = \"basic\"\nsecret_env = [\"A\"]",
                &["auth = \"basic\" needs `user`"],
            ),
            (
                "kind = \"grafana\"\nauth = \"bearer\"\nsecret_env = [\"A\", \"B\", \"C\"]",
                &["3 secrets", "at most 2"],
            ),
            (
                "kind = \"grafana\"\nauth = \"bearer\"\nsecret_env = [\"NO_SUCH_SECRET_HERE\"]",
                &["the environment has no"],
            ),
            (
                "kind = \"grafana\"\nauth = \"bearer\"\nsecret_files = [\"/no/such\"]",
                &["cannot read the secret /no/such"],
            ),
            (
                "kind = \"grafana\"\nauth = \"api_key\"\nheader = \"a b\"\nsecret_env = [\"A\"]",
                &["`a b` is no name of a header"],
            ),
            ("kind = \"grafana\"\nauth = \"sns\"", &["goes with kind = \"cloudwatch\""]),
            ("kind = \"cloudwatch\"\nauth = \"sns\"", &["topics: no topic is named"]),
            ("kind = \"cloudwatch\"\nauth = \"sns\"\ntopics = [\"x\"]", &["`x` is no topic's ARN"]),
            (
                "kind = \"jsm\"\nauth = \"bearer\"\nsecret_env = [\"MIDWATCH_JSM\"]",
                &["rename it, such as to JSM"],
            ),
            ("kind = \"github\"", &["use one of"]),
            ("kind = \"jsm\"\n[[source]]\nkind = \"jsm\"", &["name `jsm` is there twice"]),
        ] {
            check_wrong(fields, words);
        }
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file_and_is_never_dumped() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let (new, old) = (file("new", "fresh-secret\n"), file("old", "stale-secret"));
        let whsec = file("whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        let sources = read(&format!(
            "[[source]]\nkind = \"pagerduty\"\nauth = \"pagerduty\"\nsecret_files = [{new:?}, {old:?}]\n\
             [[source]]\nkind = \"changes_github\"\nauth = \"github\"\nsecret_files = [{new:?}]\n\
             [[source]]\nname = \"ce\"\nkind = \"cloudevents\"\nauth = \"standard_webhooks\"\nsecret_files = [{whsec:?}]\n"
        ));
        check(&sources).expect("valid");
        let senders = senders(&sources).expect("readable");
        assert_eq!(senders.alerts.keys().collect::<Vec<_>>(), ["ce", "pagerduty"]);
        assert_eq!(senders.changes.keys().collect::<Vec<_>>(), ["github"]);
        assert_eq!(feeds(&sources).expect("valid").len(), 2);
        let dumped = format!("{senders:?} {}", serde_json::to_string(&sources).expect("plain"));
        assert!(!dumped.contains("-secret") && !dumped.contains("MfKQ9"), "{dumped}");
        for (name, text, word) in
            [("empty", "\n", "the secret is empty"), ("short", "whsec_YQ==", "24 to 64")]
        {
            let path = file(name, text);
            check_wrong(
                &format!("kind = \"jsm\"\nauth = \"standard_webhooks\"\nsecret_files = [{path:?}]"),
                &[if name == "empty" { "whsec_" } else { word }],
            );
            if name == "empty" {
                check_wrong(
                    &format!("kind = \"jsm\"\nauth = \"bearer\"\nsecret_files = [{path:?}]"),
                    &[word],
                );
            }
        }
    }
}
