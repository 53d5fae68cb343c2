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
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Longer than the server takes to look, shorter than a person waits.
const SOON: Duration = Duration::from_secs(10);

struct Server {
    door: Door,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn start() -> Self {
        let door = Door::plain().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, door.router.clone(), stopped, Patience::default()));
        Self { door, address, _stop: stop }
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

/// The next thing that is said.
async fn heard(socket: &mut Socket) -> Value {
    let next = async {
        loop {
            match socket.next().await.expect("a message").expect("a sound one") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                _ => continue,
            }
        }
    };
    tokio::time::timeout(SOON, next).await.expect("something is said soon")
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
