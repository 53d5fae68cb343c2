//! Typed ids. An id is an opaque string that whoever creates the thing chooses; two kinds cannot be mixed up.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps text that already is such an id.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

id!(
    /// An incident: `inc-` and a time-ordered suffix.
    IncidentId
);
id!(
    /// A signal: `sig-` and a time-ordered suffix.
    SignalId
);
id!(
    /// A piece of evidence, unique within its incident.
    EvidenceId
);
id!(
    /// A service's name as telemetry and the control plane call it.
    ServiceName
);
id!(
    /// The idempotency key of one effect on one target.
    ActionKey
);
id!(
    /// SHA-256 of a plan's canonical JSON, in hex: what an approval is bound to.
    PlanHash
);

impl ServiceName {
    /// Whether the name is fit to be registered: 1–63 letters, digits, `-`, `_` or `.`, starting with a letter or
    /// digit. The rule keeps names safe in paths, labels and policy.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let text = self.as_str();
        !text.is_empty()
            && text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    }
}
