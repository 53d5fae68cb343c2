//! Small documents at a vendor's own address: over HTTPS only, and the address has no secrets of ours.

use crate::ConnectorError;
use crate::http::{Ask, Http, parse_url};
use std::time::Duration;

/// Seconds until the whole document must be there: whoever sent the request waits meanwhile. Amazon SNS waits 15.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest document, bytes; a certificate has 2 KB, the answer to a confirmation less.
const BYTES_MAX: usize = 64 << 10;

pub(crate) async fn fetch(http: &Http, url: &str) -> Result<Vec<u8>, ConnectorError> {
    let url = parse_url("the address", url)?;
    if url.scheme() != "https" {
        let problem = "must begin with https://".to_owned();
        return Err(ConnectorError::Config { field: "the address".into(), problem });
    }
    let ask = Ask { bytes_max: BYTES_MAX, ..Ask::get(&url, TIMEOUT) };
    Ok(http.ask_ok(ask).await?.body)
}
