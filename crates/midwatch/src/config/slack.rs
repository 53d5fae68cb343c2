//! Slack's app: how presses of its buttons are believed.

use midwatch_api::SlackDoor;
use midwatch_connectors::SecretConfig;
use midwatch_signal::authentic::{Scheme, Secret, Secrets};
use serde::{Deserialize, Serialize};

/// The app whose buttons people press. Without it, messages have none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlackAppConfig {
    /// The app's signing secret ("Basic Information" of the app).
    #[serde(skip_serializing_if = "SecretConfig::is_unset")]
    pub signing_secret: SecretConfig,
    /// Ids of the workspaces in which it may be pressed, such as `T0123456789`.
    pub workspaces: Vec<String>,
}

impl SlackAppConfig {
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// What is wrong with it as it is written.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.is_set() {
            return problems;
        }
        problems
            .extend(self.signing_secret.problem("slack.signing_secret").map(|problem| problem.to_string()));
        if self.workspaces.is_empty() {
            problems.push("slack.workspaces is empty: name the workspace whose people may press, such as \"T0123456789\"".into());
        }
        let is_id = |id: &str| {
            id.len() > 1 && id.starts_with(['T', 'E']) && id.chars().all(|c| c.is_ascii_alphanumeric())
        };
        for id in self.workspaces.iter().filter(|id| !is_id(id)) {
            problems.push(format!(
                "slack.workspaces has `{id}`, which is no id of a workspace, such as \"T0123456789\""
            ));
        }
        problems
    }

    /// How presses are believed; the secret is read.
    pub fn door(&self) -> Result<Option<SlackDoor>, String> {
        if !self.is_set() {
            return Ok(None);
        }
        let secret =
            self.signing_secret.read("slack.signing_secret").map_err(|problem| problem.to_string())?;
        let secret =
            Secret::new(secret.into_bytes()).map_err(|problem| format!("slack.signing_secret: {problem}"))?;
        let scheme = Scheme::Slack { secrets: Secrets::one(secret) };
        Ok(Some(SlackDoor { scheme, workspaces: self.workspaces.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::of_text(text).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn buttons_are_there_where_their_presses_are_taken() {
        let check = |text: &str, expected: Option<bool>| {
            let config = parse(&format!(
                "{text}[[receiver]]\nname = \"ops\"\n[[receiver.slack]]\ntoken = {{ env = \"A\" }}\nchannel = \"C01\"\n"
            ));
            let config = config.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(config.connectors().receivers[0].slack[0].buttons, expected, "{text}");
        };
        check("", Some(false));
        check("[slack]\nsigning_secret = { env = \"B\" }\nworkspaces = [\"T01\"]\n", Some(true));
        for (text, part) in [
            ("[slack]\nworkspaces = [\"T01\"]", "slack.signing_secret is missing"),
            ("[slack]\nsigning_secret = { env = \"B\" }", "slack.workspaces is empty"),
            ("[slack]\nsigning_secret = \"8f74\"", "a secret does not stand in the configuration"),
            ("[slack]\nsigning_secret = { env = \"B\" }\nworkspaces = [\"acme\"]", "`acme`, which is no id"),
            ("[[decision.approver]]\nname = \"ana\"", "fewer than two approvers"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
