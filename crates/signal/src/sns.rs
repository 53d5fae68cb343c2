//! Amazon SNS's envelope, and the addresses in it that may be visited.

use serde::Deserialize;

/// What SNS posts to an HTTP endpoint. Everything that its signature covers is a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Envelope {
    #[serde(rename = "Type")]
    pub kind: Kind,
    pub message_id: String,
    pub message: String,
    pub timestamp: String,
    pub topic_arn: String,
    #[serde(default)]
    pub subject: Option<String>,
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
    #[serde(default)]
    pub signature: Option<String>,
    #[serde(default)]
    pub signature_version: Option<String>,
    /// Lambda's spelling is `SigningCertUrl`, HTTP's this.
    #[serde(default, rename = "SigningCertURL")]
    pub signing_cert_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::IntoStaticStr)]
pub(crate) enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

/// Whether a signing certificate may be fetched from there: from SNS itself over HTTPS, a `.pem`, and nothing else. Text is
/// compared with the one shape that AWS uses rather than parsed, so that no two readers can disagree about the host.
#[must_use]
pub fn signing_cert_url_ok(url: &str) -> bool {
    path_at_sns(url).is_some_and(|path| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        path.len() > ".pem".len() && path.ends_with(".pem") && path.chars().all(plain) && !path.contains("..")
    })
}

/// Whether a subscription may be confirmed by visiting it.
#[must_use]
pub fn subscribe_url_ok(url: &str) -> bool {
    path_at_sns(url).is_some_and(|path| path.starts_with("?Action=ConfirmSubscription&"))
}

/// What follows the slash after `https://sns.<region>.amazonaws.com`, if that is where the address leads.
fn path_at_sns(url: &str) -> Option<&str> {
    let visible = url.len() <= 2048 && url.chars().all(|c| c.is_ascii_graphic() && c != '\\' && c != '#');
    let (authority, path) = url.strip_prefix("https://").filter(|_| visible)?.split_once('/')?;
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    let rest = host.strip_prefix("sns.")?;
    let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))?;
    let is_region = !region.is_empty()
        && region.len() <= 32
        && region.starts_with(|c: char| c.is_ascii_lowercase())
        && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_region.then_some(path)
}
