//! Amazon SNS signs with a certificate that has to be fetched.

use super::refused;
use crate::{Api, error::ApiError};
use midwatch_model::Timestamp;
use midwatch_signal::authentic::{Topics, Verified, signing_cert_url, verify_sns};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Certificates that are kept: AWS has one per region and changes it once a year.
const KEPT_MAX: usize = 64;

/// Certificates that were fetched, by address. What is at an address never changes: its name is a digest.
#[derive(Default)]
pub(crate) struct Certificates(Mutex<BTreeMap<String, Arc<Vec<u8>>>>);

pub(super) async fn verify(
    api: &Api,
    topics: &Topics,
    body: &[u8],
    now: Timestamp,
) -> Result<Verified, ApiError> {
    // Nobody else's topic makes this server fetch anything.
    topics.expect(body).map_err(refused)?;
    let url = signing_cert_url(body).map_err(refused)?;
    let certificate = api.certificates.get(api, &url).await?;
    let verified = verify_sns(topics, body, &certificate, now).map_err(refused)?;
    api.certificates.keep(url, certificate).await;
    Ok(verified)
}

impl Certificates {
    async fn get(&self, api: &Api, url: &str) -> Result<Arc<Vec<u8>>, ApiError> {
        if let Some(known) = self.0.lock().await.get(url) {
            return Ok(known.clone());
        }
        let fetched = api.engine.fetch(url).await.map_err(|error| {
            ApiError::unavailable(format!("the certificate of SNS cannot be had now: {error}"))
        })?;
        Ok(Arc::new(fetched))
    }

    /// Only what has verified something is kept, so that nobody can fill the list.
    async fn keep(&self, url: String, certificate: Arc<Vec<u8>>) {
        let mut kept = self.0.lock().await;
        if kept.len() >= KEPT_MAX && !kept.contains_key(&url) {
            kept.pop_first();
        }
        kept.insert(url, certificate);
    }
}
