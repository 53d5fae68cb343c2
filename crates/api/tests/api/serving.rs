//! Connections: who is slow is given up on, while others are served.

use crate::harness::Door;
use axum::Router;
use axum::routing::get;
use midwatch_api::{Patience, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Long enough for a request on a busy machine, short enough to wait for.
const HEAD: Duration = Duration::from_millis(700);

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    _door: Door,
}

async fn start(connections: usize) -> Server {
    let door = Door::plain().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = watch::channel(false);
    let patience = Patience { head: HEAD, connections, ..Patience::default() };
    let serving = tokio::spawn(serve(listener, door.router.clone(), stopped, patience));
    Server { address, stop, serving, _door: door }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }
}

async fn is_served(stream: &mut TcpStream) -> bool {
    if stream.write_all(REQUEST).await.is_err() {
        return false;
    }
    let mut answer = [0; 512];
    matches!(stream.read(&mut answer).await, Ok(read) if answer[..read].starts_with(b"HTTP/1.1 200"))
}

/// Waits until the server closes; gives for how long that took.
async fn closed(mut stream: TcpStream, since: Instant) -> Duration {
    let mut rest = Vec::new();
    // Closed or reset: either way it is given up on.
    let _ = stream.read_to_end(&mut rest).await;
    since.elapsed()
}

#[tokio::test]
async fn who_sends_a_head_slowly_is_cut_off_while_others_are_served() {
    let server = start(100).await;
    let since = Instant::now();
    let mut slow = server.connect().await;
    slow.write_all(b"GET /health HTTP/1.1\r\nx-one: 1\r\n").await.expect("sent");
    let silent = server.connect().await;
    let mut other = server.connect().await;
    assert!(is_served(&mut other).await, "a connection that is used is served");
    let took = tokio::time::timeout(HEAD * 10, closed(slow, since)).await.expect("it is cut off");
    assert!(took >= HEAD / 2, "{took:?}");
    tokio::time::timeout(HEAD * 10, closed(silent, since)).await.expect("who says nothing is cut off, too");
    assert!(is_served(&mut server.connect().await).await);
}

#[tokio::test]
async fn connections_are_bounded_and_a_place_that_is_left_is_free_again() {
    let server = start(2).await;
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    assert!(is_served(&mut one).await && is_served(&mut two).await);
    assert!(!is_served(&mut server.connect().await).await, "there is no place");
    drop(one);
    let again = async {
        while !is_served(&mut server.connect().await).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(HEAD * 10, again).await.expect("a place is free");
}

#[tokio::test]
async fn it_stops_when_it_is_told_to_and_idle_connections_do_not_hold_it() {
    let server = start(100).await;
    let mut idle = server.connect().await;
    assert!(is_served(&mut idle).await);
    server.stop.send(true).expect("somebody listens");
    tokio::time::timeout(HEAD * 10, server.serving).await.expect("it stops").expect("it does not fail");
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// Less than the ten seconds after which a server that is to stop is no longer waited for.
const STOP_MAX: Duration = Duration::from_secs(5);

const HEAD_OF_29_BYTES: &str = "POST /api/v1/ingest/generic HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: the-whole-key\r\n\
                                content-length: 29\r\n\r\n";

/// What a client sends before the server is told to stop and after that, and whether it is answered.
async fn check_half_sent(before: &str, after: &str, is_answered: bool) {
    let server = start(100).await;
    let mut stream = server.connect().await;
    stream.write_all(before.as_bytes()).await.expect("sent");
    // Another one is answered: what was sent before has been read.
    assert!(is_served(&mut server.connect().await).await);
    server.stop.send(true).expect("somebody listens");
    // What is cut off meanwhile cannot be written to.
    let _ = stream.write_all(after.as_bytes()).await;
    tokio::time::timeout(STOP_MAX, server.serving).await.expect("it stops").expect("it does not fail");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer.starts_with(b"HTTP/1.1 202"), is_answered, "{before:?}: {answer:?}");
}

#[tokio::test]
async fn what_is_half_sent_does_not_hold_a_server_that_stops_and_what_comes_whole_is_answered() {
    let (first, second) = (r#"{"service":"#, r#""pay","title":"t"}"#);
    let half = format!("{HEAD_OF_29_BYTES}{first}");
    check_half_sent("", "", false).await;
    check_half_sent("GET /health HTTP/1.1\r\nx-one: 1\r\n", "", false).await;
    check_half_sent(HEAD_OF_29_BYTES, "", false).await;
    check_half_sent(&half, "", false).await;
    check_half_sent(&half, second, true).await;
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_waited_for() {
    let (release, underway) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (released, begins) = (release.clone(), underway.clone());
    let slow = || async move {
        begins.notify_one();
        released.notified().await;
        "done"
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = watch::channel(false);
    let router = Router::new().route("/slow", get(slow)).route("/health", get(|| async {}));
    let serving = tokio::spawn(serve(listener, router, stopped, Patience::default()));
    let connect = async || TcpStream::connect(address).await.expect("a connection");
    let (mut slow, mut half, mut other) = (connect().await, connect().await, connect().await);
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    half.write_all(b"GET /health HTTP/1.1\r\n").await.expect("sent");
    assert!(is_served(&mut other).await);
    underway.notified().await;
    stop.send(true).expect("somebody listens");
    // Who has sent half a request is cut off; by then the other one has waited for as long.
    closed(half, Instant::now()).await;
    release.notify_one();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
    tokio::time::timeout(STOP_MAX, serving).await.expect("it stops").expect("it does not fail");
}
