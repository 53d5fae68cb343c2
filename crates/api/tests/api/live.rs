//! `/ws` over real connections: who may listen, what they hear, and what happens to whoever does not take it.

use crate::harness::{Door, KEY};
use axum::http::{Method, StatusCode};
use futures::StreamExt as _;
use midwatch_api::{Patience, serve};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Much longer than the server takes to look, also on a busy machine.
const SOON: Duration = Duration::from_secs(60);

struct Server {
    door: Door,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::patient(Patience::default()).await
    }

    async fn patient(patience: Patience) -> Self {
        let door = Door::plain().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, door.router.clone(), stopped, patience));
        Self { door, address, stop, serving }
    }

    async fn ticket(&self) -> String {
        let answer = self.door.post("/api/v1/session/ticket", &[("x-api-key", KEY)], b"").await;
        answer.json()["ticket"].as_str().expect("a ticket").to_owned()
    }

    async fn connect(&self, query: &str, headers: &[(&'static str, String)]) -> Result<Socket, StatusCode> {
        let url = format!("ws://{}/ws{query}", self.address);
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(answer)) => Err(answer.status()),
            Err(other) => panic!("{other}"),
        }
    }
}

/// The next message of one of these kinds.
async fn heard_of(socket: &mut Socket, kinds: &[&str]) -> Value {
    let next = async {
        loop {
            let Message::Text(text) = socket.next().await.expect("a message").expect("a sound one") else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if kinds.iter().any(|kind| message["type"] == *kind) {
                return message;
            }
        }
    };
    tokio::time::timeout(SOON, next).await.expect("something is said soon")
}

/// The next thing that is said of the view.
async fn heard(socket: &mut Socket) -> Value {
    heard_of(socket, &["snapshot", "update", "resumed", "error"]).await
}

/// With which code the server closes.
async fn closed(mut socket: Socket) -> Option<u16> {
    let end = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    };
    tokio::time::timeout(SOON, end).await.expect("it is closed soon")
}

#[tokio::test]
async fn only_who_is_known_and_comes_from_our_page_may_listen() {
    let server = Server::start().await;
    let own = format!("http://{}", server.address);
    let key = ("x-api-key", KEY.to_owned());
    let ticket = server.ticket().await;
    let refused = [
        (String::new(), vec![]),
        ("?ticket=guess".to_owned(), vec![]),
        (format!("?key={KEY}"), vec![]),
        (format!("?ticket={ticket}"), vec![("origin", "https://evil.example".to_owned())]),
        (String::new(), vec![key.clone(), ("origin", format!("{own}.evil.example"))]),
        (String::new(), vec![key.clone(), ("origin", "null".to_owned())]),
        (String::new(), vec![("cookie", "midwatch_session=guess".to_owned())]),
    ];
    for (query, headers) in refused {
        let status = server.connect(&query, &headers).await.err();
        let is_refused = matches!(status, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN));
        assert!(is_refused, "{query} {headers:?}: {status:?}");
    }
    // A cookie is no ticket, also one that holds: any page could make a browser send it.
    let body = format!("{{\"key\":\"{KEY}\"}}");
    let session =
        server.door.post("/api/v1/session", &[("content-type", "application/json")], body.as_bytes()).await;
    let cookie = session.header("set-cookie").expect("a cookie").split(';').next().expect("it").to_owned();
    let status = server.connect("", &[("cookie", cookie)]).await.err();
    assert_eq!(status, Some(StatusCode::UNAUTHORIZED));
    server.connect("", &[key]).await.expect("a key is enough");
    server.connect(&format!("?ticket={ticket}"), &[("origin", own)]).await.expect("a ticket is enough");
    let again = server.connect(&format!("?ticket={ticket}"), &[]).await.err();
    assert_eq!(again, Some(StatusCode::UNAUTHORIZED), "a ticket is good once");
}

#[tokio::test]
async fn a_snapshot_comes_first_then_what_changes_and_who_comes_back_goes_on() {
    let server = Server::start().await;
    let key = [("x-api-key", KEY.to_owned())];
    let mut socket = server.connect("", &key).await.expect("a connection");
    let first = heard(&mut socket).await;
    assert_eq!(first["type"], "snapshot");
    assert!(first["data"]["graph"]["nodes"].as_array().expect("nodes").is_empty(), "{first}");
    let register = br#"{"name":"pay","namespace":"shop"}"#;
    let headers = [("x-api-key", KEY), ("content-type", "application/json")];
    let answer = server.door.send(Method::POST, "/api/v1/services", &headers, register).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let second = heard(&mut socket).await;
    assert_eq!(second["type"], "update", "{second}");
    assert_eq!(second["seq"], first["seq"].as_u64().expect("a number") + 1);
    assert_eq!(second["data"]["graph"]["nodes"][0]["service"], "pay");
    let resume = |seq: &Value| format!("?resume={}.{seq}", first["epoch"].as_str().expect("an epoch"));
    for (query, kind) in [(resume(&second["seq"]), "resumed"), (resume(&first["seq"]), "snapshot")] {
        let mut again = server.connect(&query, &key).await.expect("a connection");
        assert_eq!(heard(&mut again).await["type"], kind, "{query}");
    }
}

#[tokio::test]
async fn who_hears_nothing_new_hears_that_the_server_is_there() {
    let server = Server::start().await;
    let mut socket = server.connect("", &[("x-api-key", KEY.to_owned())]).await.expect("a connection");
    let first = heard(&mut socket).await;
    let beat = heard_of(&mut socket, &["beat"]).await;
    assert_eq!((&beat["epoch"], &beat["data"]), (&first["epoch"], &Value::Null));
}

#[tokio::test]
async fn what_the_view_does_not_show_is_told_of_as_changed() {
    let server = Server::start().await;
    let mut socket = server.connect("", &[("x-api-key", KEY.to_owned())]).await.expect("a connection");
    heard(&mut socket).await;
    let silence = br#"{"matchers":[{"name":"service","value":"pay","isRegex":false,"isEqual":true}],
        "startsAt":"2027-06-01T12:00:00Z","endsAt":"2027-06-01T14:00:00Z","createdBy":"ann","comment":"quiet"}"#;
    let answer = server.door.post("/api/v2/silences", &[("x-api-key", KEY)], silence).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    heard_of(&mut socket, &["changed"]).await;
}

#[tokio::test]
async fn a_session_that_ends_ends_what_listens_with_it() {
    let server = Server::start().await;
    let body = format!("{{\"key\":\"{KEY}\"}}");
    let session =
        server.door.post("/api/v1/session", &[("content-type", "application/json")], body.as_bytes()).await;
    let cookie = session.header("set-cookie").expect("a cookie").split(';').next().expect("it").to_owned();
    let csrf = session.json()["csrf"].as_str().expect("a token").to_owned();
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let ticket = || async {
        let answer = server.door.post("/api/v1/session/ticket", &headers, b"").await;
        format!("?ticket={}", answer.json()["ticket"].as_str().expect("a ticket"))
    };
    let (used, late) = (ticket().await, ticket().await);
    let mut socket = server.connect(&used, &[]).await.expect("a connection");
    let mut other = server.connect("", &[("x-api-key", KEY.to_owned())]).await.expect("a connection");
    heard(&mut socket).await;
    heard(&mut other).await;
    let out = server.door.send(Method::DELETE, "/api/v1/session", &headers, b"").await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(closed(socket).await, Some(1008));
    assert_eq!(server.connect(&late, &[]).await.err(), Some(StatusCode::UNAUTHORIZED));
    heard_of(&mut other, &["beat"]).await;
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye_to_all_and_waits_for_none() {
    let server = Server::start().await;
    let mut socket = server.connect("", &[("x-api-key", KEY.to_owned())]).await.expect("a connection");
    heard(&mut socket).await;
    server.stop.send(true).expect("heard");
    assert_eq!(closed(socket).await, Some(1001));
    tokio::time::timeout(SOON, server.serving).await.expect("it ends soon").expect("well");
}

#[tokio::test]
async fn who_listens_keeps_a_place_and_leaves_some_to_others() {
    let server = Server::patient(Patience { connections: 4, ..Patience::default() }).await;
    let key = [("x-api-key", KEY.to_owned())];
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(server.connect("", &key).await.expect("a place"));
    }
    let refused = server.connect("", &key).await.err();
    assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE), "the last place is for calls");
    sockets.pop();
    let again = async {
        while server.connect("", &key).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("a place that is left is free again");
}
