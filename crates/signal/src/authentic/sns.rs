//! Messages of Amazon SNS, signed with RSA over some of their fields.
//!
//! Anybody can make a topic of their own that SNS signs for, so a good signature says nothing before the topic is one that
//! is expected.

use super::{Refused, Verified, check_age, signing_cert_url_ok};
use crate::sns::{Envelope, Kind};
use crate::source::wire;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use midwatch_model::Timestamp;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use x509_cert::Certificate;
use x509_cert::der::DecodePem as _;

/// Seconds for which a message is believed after it was published: SNS tries again for a while, and signs only once.
pub const SNS_AGE_S_MAX: i64 = 3600;

/// The topics whose messages are taken, by ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics(Vec<String>);

/// Why a list of topics cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    #[error("no topic is named: write the ARN of each topic that may send, since anybody can make one")]
    None,
    #[error("`{0}` is no topic's ARN: write it as arn:aws:sns:<region>:<account>:<name>")]
    NotAnArn(String),
}

impl Topics {
    /// # Errors
    /// When the list is empty or holds what is no ARN of a topic.
    pub fn new(arns: Vec<String>) -> Result<Self, TopicsError> {
        let is_arn = |arn: &String| {
            let parts: Vec<&str> = arn.split(':').collect();
            matches!(parts.as_slice(), ["arn", _, "sns", rest @ ..] if rest.len() == 3 && rest.iter().all(|p| !p.is_empty()))
        };
        match arns.iter().find(|arn| !is_arn(arn)) {
            Some(arn) => Err(TopicsError::NotAnArn(arn.clone())),
            None if arns.is_empty() => Err(TopicsError::None),
            None => Ok(Self(arns)),
        }
    }

    /// Whether a message says that it is of one of these topics. That proves nothing yet.
    ///
    /// # Errors
    /// When the body is no message of SNS, or one of another topic.
    pub fn expect(&self, body: &[u8]) -> Result<(), Refused> {
        self.expect_arn(&envelope(body)?.topic_arn)
    }

    fn expect_arn(&self, arn: &str) -> Result<(), Refused> {
        if self.0.iter().any(|expected| expected == arn) {
            return Ok(());
        }
        Err(Refused::Topic { topic: arn.chars().take(256).collect() })
    }
}

/// Where the certificate is that a message names, if it may be fetched from there.
///
/// # Errors
/// When the body is no message of SNS, or the address is not SNS's own.
pub fn signing_cert_url(body: &[u8]) -> Result<String, Refused> {
    let url = envelope(body)?.signing_cert_url.ok_or_else(|| not_sns("it has no `SigningCertURL`"))?;
    if !signing_cert_url_ok(&url) {
        return Err(not_sns("its `SigningCertURL` is not at sns.<region>.amazonaws.com"));
    }
    Ok(url)
}

/// Checks a message against the certificate that was fetched from where [`signing_cert_url`] says.
///
/// # Errors
/// Why it is not believed.
pub fn verify_sns(
    topics: &Topics,
    body: &[u8],
    certificate_pem: &[u8],
    now: Timestamp,
) -> Result<Verified, Refused> {
    let envelope = envelope(body)?;
    topics.expect_arn(&envelope.topic_arn)?;
    let (parameters, hash): (&'static RsaParameters, _) = match envelope.signature_version.as_deref() {
        Some("1") => (&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, "SHA-1"),
        Some("2") => (&RSA_PKCS1_2048_8192_SHA256, "SHA-256"),
        _ => return Err(not_sns("its `SignatureVersion` is neither 1 nor 2")),
    };
    let signature = envelope.signature.as_deref().and_then(|text| STANDARD.decode(text).ok());
    let signature = signature.ok_or_else(|| not_sns("its `Signature` is not base64"))?;
    let key = key_of(certificate_pem, now)?;
    let text = canonical(&envelope)?;
    let key = UnparsedPublicKey::new(parameters, key);
    key.verify(text.as_bytes(), &signature).map_err(|_| Refused::SnsMismatch)?;
    let published: Timestamp =
        envelope.timestamp.parse().map_err(|_| not_sns("its `Timestamp` is not RFC 3339"))?;
    check_age(published.as_second(), now, SNS_AGE_S_MAX)?;
    Ok(Verified { how: format!("SNS signature with {hash}"), replay_key: Some(envelope.message_id) })
}

fn envelope(body: &[u8]) -> Result<Envelope, Refused> {
    if body.len() > crate::source::BODY_BYTES_MAX {
        return Err(not_sns("it is too large"));
    }
    wire::decode(body).map_err(|reason| Refused::NotSns { reason })
}

fn not_sns(reason: &str) -> Refused {
    Refused::NotSns { reason: reason.to_owned() }
}

/// What the signature covers: name and value of each field on a line of its own, by name.
fn canonical(envelope: &Envelope) -> Result<String, Refused> {
    let mut lines = vec![("Message", envelope.message.as_str()), ("MessageId", &envelope.message_id)];
    match envelope.kind {
        Kind::Notification => {
            lines.extend(envelope.subject.as_deref().map(|subject| ("Subject", subject)));
            lines.push(("Timestamp", &envelope.timestamp));
        }
        Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
            let url = envelope.subscribe_url.as_deref().ok_or_else(|| not_sns("it has no `SubscribeURL`"))?;
            let token = envelope.token.as_deref().ok_or_else(|| not_sns("it has no `Token`"))?;
            lines.extend([("SubscribeURL", url), ("Timestamp", &envelope.timestamp), ("Token", token)]);
        }
    }
    lines.extend([("TopicArn", envelope.topic_arn.as_str()), ("Type", envelope.kind.into())]);
    Ok(lines.iter().flat_map(|(name, value)| [*name, "\n", value, "\n"]).collect())
}

/// The public key of a certificate that holds at `now`, in PKCS#1.
fn key_of(certificate_pem: &[u8], now: Timestamp) -> Result<Vec<u8>, Refused> {
    let unusable = |reason: &str| Refused::Certificate { reason: reason.to_owned() };
    let certificate = Certificate::from_pem(certificate_pem)
        .map_err(|error| unusable(&format!("it is no PEM certificate: {error}")))?;
    let certificate = certificate.tbs_certificate;
    let seconds =
        |at: x509_cert::time::Time| i64::try_from(at.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    let validity = seconds(certificate.validity.not_before)..=seconds(certificate.validity.not_after);
    if !validity.contains(&now.as_second()) {
        return Err(unusable("it has expired or does not hold yet"));
    }
    let key = certificate.subject_public_key_info.subject_public_key.as_bytes();
    key.map(<[u8]>::to_vec).ok_or_else(|| unusable("its key is not made of whole bytes"))
}
