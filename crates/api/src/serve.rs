//! The listener: connections are taken, bounded, and given up on when their requests do not come.

use crate::underway::Underway;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// How patient the server is with those who connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long the head of a request may take, or the next one let itself be waited for.
    pub head: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// Of these, from one address that is neither this machine nor a trusted proxy.
    pub connections_per_address: usize,
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            // Senders that come back every minute keep their connection: one that is closed just as they send is lost to
            // those that do not try again.
            head: Duration::from_secs(75),
            // A process may have 1024 files open by default; the store and those who are told need some.
            connections: 768,
            connections_per_address: 384,
            trusted_proxies: Vec::new(),
        }
    }
}

/// How long nothing is accepted after accepting has failed: files are scarce, and come back one by one.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// How long, once the server is to stop, what is half-sent may take to come whole, and the last bytes of an answer to get
/// out. Whoever needs longer was promised nothing and sends again.
const GRACE: Duration = Duration::from_secs(1);

/// Connections that are open, by address.
#[derive(Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

/// One connection's place; free again when it is dropped.
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn take(self: &Arc<Self>, address: IpAddr, patience: &Patience) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&address).copied().unwrap_or_default();
        let total: usize = open.values().sum();
        let plain = address.to_canonical();
        let is_close =
            plain.is_loopback() || patience.trusted_proxies.iter().any(|network| network.contains(&plain));
        if (own >= patience.connections_per_address && !is_close) || total >= patience.connections {
            return None;
        }
        open.insert(address, own + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Serves until `stop` turns true, and then until the requests that have come whole are answered. Connections that are idle
/// or have sent half a request are not waited for.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
    patience: Patience,
) {
    let (places, mut connections) = (Arc::new(Places::default()), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, from)) => match places.take(from.ip(), &patience) {
                Some(place) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    connections.spawn(attend(stream, from, router, stop, patience.head, place));
                }
                // Closed at once: whoever is refused so may come back, and those who are served are not kept waiting.
                None => tracing::warn!(client.address = %from.ip(), "too many connections; one was closed"),
            },
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits until no request has been answered for the whole grace.
async fn not_answering(mut answering: watch::Receiver<bool>) {
    loop {
        // Its sender lives as long as the connection.
        let _ = answering.wait_for(|answering| !*answering).await;
        tokio::select! {
            () = tokio::time::sleep(GRACE) => return,
            _ = answering.wait_for(|answering| *answering) => {}
        }
    }
}

/// One connection, until it ends.
async fn attend(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
    head: Duration,
    _place: Place,
) {
    let underway = Underway::new();
    let (begins, answers) = (underway.clone(), underway.clone());
    let service = router
        .map_request(move |request: hyper::Request<Incoming>| {
            let mut request = begins.begins(request.map(Body::new));
            request.extensions_mut().insert(ConnectInfo(from));
            request
        })
        .map_response(move |response| answers.answers(response));
    // The wait for a head begins with the connection, also if nothing is ever sent.
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = not_answering(underway.watch()) => Ok(()),
            }
        }
    };
    // How a connection ends is its client's affair.
    if let Err(error) = ended {
        tracing::debug!(client.address = %from.ip(), %error, "a connection broke off");
    }
}
