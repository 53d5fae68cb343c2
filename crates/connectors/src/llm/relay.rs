//! The way to a model's server, on which no more comes back than an answer may have.
//!
//! The library that speaks the vendors' formats reads an answer to its end, however long. So its client goes through here:
//! a SOCKS 5 proxy (RFC 1928) on the loopback that leads to the configured server only, whatever it is asked
//! for, and ends with the call. TLS goes through it from end to end.

use crate::egress::Egress;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that come back for one question at most, on the wire: 4,096 tokens, each in an event of its own with everything
/// that some servers put around it, are a fifth of that; the rest is for what some models think aloud before.
const BYTES_MAX: u64 = 8 << 20;

/// Until a connection to one address must stand: the client waits for twice as long.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2500);

/// Until a client must have said what it wants; ours says it at once.
const GREET_TIMEOUT: Duration = Duration::from_millis(500);

/// A relay for one call.
pub struct Relay {
    listener: TcpListener,
    host: String,
    port: u16,
    overrun: AtomicBool,
}

impl Relay {
    /// A relay to the server of an endpoint.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn to(endpoint: &reqwest_llm::Url) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        // The brackets of an IPv6 address belong to the URL.
        let host = endpoint.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = endpoint.port_or_known_default().unwrap_or(443);
        Ok(Self { listener, host, port, overrun: AtomicBool::new(false) })
    }

    /// As what a client uses as its proxy: names are resolved here.
    ///
    /// # Errors
    /// When the listener has lost its address.
    pub fn url(&self) -> io::Result<String> {
        Ok(format!("socks5h://{}", self.listener.local_addr()?))
    }

    /// Whether more came back than an answer may have.
    pub fn has_overrun(&self) -> bool {
        self.overrun.load(Ordering::Relaxed)
    }

    /// Carries one connection after the other. To be dropped with the call; does not end before.
    pub async fn carry(&self) -> Infallible {
        while !self.has_overrun() {
            // Whoever cannot be served sees the connection end, and says so.
            let _ = self.carry_one().await;
        }
        std::future::pending().await
    }

    async fn carry_one(&self) -> io::Result<()> {
        let (mut client, _) = self.listener.accept().await?;
        tokio::time::timeout(GREET_TIMEOUT, greet(&mut client)).await??;
        let Some(server) = self.connect().await else {
            return client.write_all(&reply(HOST_UNREACHABLE)).await;
        };
        client.write_all(&reply(SUCCEEDED)).await?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(pass(from_client, to_server), self.pass_back(from_server, to_client));
        Ok(())
    }

    /// Tries one address after the other, so that one that leads nowhere leaves time for the next.
    async fn connect(&self) -> Option<TcpStream> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await.ok()?;
        // A model may run on this machine; where a cloud keeps its metadata there is none.
        for address in (Egress { private: true }).allowed(&self.host, found).ok()? {
            if let Ok(Ok(server)) = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                return Some(server);
            }
        }
        None
    }

    async fn pass_back(&self, from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin) {
        if pass(from.take(BYTES_MAX), to).await == BYTES_MAX {
            self.overrun.store(true, Ordering::Relaxed);
        }
    }
}

const VERSION: u8 = 5;
const SUCCEEDED: u8 = 0;
const HOST_UNREACHABLE: u8 = 4;

/// An answer to a request, with an address that nobody reads.
fn reply(code: u8) -> [u8; 10] {
    [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// Reads what a client says first: that it needs no password, and where it wants to go, which is not asked.
async fn greet(client: &mut TcpStream) -> io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head).await?;
    let mut methods = vec![0; usize::from(head[1])];
    client.read_exact(&mut methods).await?;
    client.write_all(&[VERSION, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let length = match request[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(client.read_u8().await?),
    };
    let mut address = vec![0; length + 2];
    client.read_exact(&mut address).await.map(|_| ())
}

/// Copies to the end of one side, and ends the other. Gives the bytes.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> u64 {
    let passed = tokio::io::copy(&mut from, &mut to).await.unwrap_or_default();
    let _ = to.shutdown().await;
    passed
}
