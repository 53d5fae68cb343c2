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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
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

/// Of the connections those that may be listeners' (`/ws`), in quarters: they stay, and others must still be served.
const LISTENERS_QUARTERS: usize = 3;

/// How long, once the server is to stop, those who listen may take to be gone; each closes at once.
const LISTENERS_GRACE: Duration = Duration::from_secs(3);

/// Connections that are open, by address.
struct Places {
    open: Mutex<HashMap<IpAddr, usize>>,
    listeners: Arc<Semaphore>,
}

/// One connection's place; free again when it is dropped.
struct Place {
    places: Arc<Places>,
    address: IpAddr,
    /// Shows that it is not free yet.
    _taken: mpsc::Sender<()>,
}

/// What a request knows of its connection. It lasts also where the connection becomes a WebSocket and HTTP lets go of it:
/// such a one keeps its place, and ends with the server.
#[derive(Clone)]
pub(crate) struct Held {
    place: Arc<Place>,
    stop: watch::Receiver<bool>,
}

/// A listener's place.
pub(crate) struct Listening {
    _permit: OwnedSemaphorePermit,
    held: Held,
}

impl Held {
    /// A place among those who listen; none where there are as many as there may be.
    pub fn listens(self) -> Option<Listening> {
        let permit = self.place.places.listeners.clone().try_acquire_owned().ok()?;
        Some(Listening { _permit: permit, held: self })
    }
}

impl Listening {
    /// Waits until the server is to stop.
    pub async fn stopped(&mut self) {
        // A server that is gone has stopped, too.
        let _ = self.held.stop.wait_for(|stop| *stop).await;
    }
}

impl Places {
    fn new(patience: &Patience) -> Self {
        let listeners = (patience.connections * LISTENERS_QUARTERS).div_ceil(4);
        Self { open: Mutex::default(), listeners: Arc::new(Semaphore::new(listeners)) }
    }

    fn take(
        self: &Arc<Self>,
        address: IpAddr,
        patience: &Patience,
        taken: &mpsc::Sender<()>,
    ) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&address).copied().unwrap_or_default();
        let total: usize = open.values().sum();
        let plain = address.to_canonical();
        let is_close =
            plain.is_loopback() || patience.trusted_proxies.iter().any(|network| network.contains(&plain));
        if (own >= patience.connections_per_address && !is_close) || total >= patience.connections {
            return None;
        }
        open.insert(address, own + 1);
        Some(Place { places: self.clone(), address, _taken: taken.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open.lock().unwrap_or_else(PoisonError::into_inner);
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
    let (places, mut connections) = (Arc::new(Places::new(&patience)), JoinSet::new());
    let (taken, mut all_left) = mpsc::channel(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, from)) => match places.take(from.ip(), &patience, &taken) {
                Some(place) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    let held = Held { place: Arc::new(place), stop };
                    connections.spawn(attend(stream, from, router, patience.head, held));
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
    drop(taken);
    while connections.join_next().await.is_some() {}
    // Those that listen are not among the connections any more; the last of them leaves the channel without a sender.
    if tokio::time::timeout(LISTENERS_GRACE, all_left.recv()).await.is_err() {
        tracing::warn!("some who listened did not go in time");
    }
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
async fn attend(stream: TcpStream, from: SocketAddr, router: Router, head: Duration, held: Held) {
    let mut stop = held.stop.clone();
    let underway = Underway::new();
    let (begins, answers) = (underway.clone(), underway.clone());
    let service = router
        .map_request(move |request: hyper::Request<Incoming>| {
            let mut request = begins.begins(request.map(Body::new));
            request.extensions_mut().insert(ConnectInfo(from));
            request.extensions_mut().insert(held.clone());
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
