//! The client that requests to models go through: the same rules as for every other request.

use reqwest_llm::Proxy;
use reqwest_llm::redirect::Policy;
use std::time::Duration;

/// Seconds until a connection must stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client with ring, the web's roots, no redirects, and no proxy but the relay.
pub fn client(timeout: Duration, relay: &str) -> reqwest_llm::Result<reqwest_llm::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    reqwest_llm::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .proxy(Proxy::all(relay)?)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(timeout)
        // A small answer that unpacks into a large one is nothing that a model says.
        .no_gzip()
        .user_agent(concat!("midwatch/", env!("CARGO_PKG_VERSION")))
        .build()
}
