//! Where requests and messages may go: an address that a person wrote into the configuration, or that a name in it leads to,
//! must not lead to what only this machine can ask, such as a cloud's metadata, which gives out credentials.
//!
//! It is the address that is connected to that counts: names are looked up here, once for each connection, and what is
//! refused is not connected to, whatever the name led to a moment ago.

use futures::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Names of clouds' metadata, which some resolvers know.
const METADATA_NAMES: [&str; 4] =
    ["metadata.google.internal", "metadata.goog", "metadata", "instance-data.ec2.internal"];

/// Metadata at addresses that are not link-local: Alibaba, Oracle, Azure's wire server.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// Metadata of AWS and Google over IPv6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// Where a client may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Egress {
    /// Whether addresses of private networks and of this machine are allowed.
    pub private: bool,
}

/// Why the host of a text that is an HTTP URL is never asked, whatever the configuration says, if it is not.
#[must_use]
pub fn refused_address(text: &str) -> Option<String> {
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
    let url = Url::parse(text).ok().filter(is_http)?;
    Egress { private: true }.refusal_of(&url)
}

impl Egress {
    /// Why an address is not connected to, if it is not.
    pub fn refusal(self, ip: IpAddr) -> Option<&'static str> {
        match ip {
            IpAddr::V4(ip) => self.refusal_v4(ip),
            IpAddr::V6(ip) => match embedded(ip) {
                Some(inner) => self.refusal_v4(inner),
                None => self.refusal_v6(ip),
            },
        }
    }

    fn refusal_v4(self, ip: Ipv4Addr) -> Option<&'static str> {
        let [a, b, ..] = ip.octets();
        if ip.is_link_local() || METADATA_V4.contains(&ip) {
            return Some("is link-local, where clouds keep metadata");
        }
        if a == 0 || a >= 224 {
            return Some("is no address of one machine");
        }
        let shared = a == 100 && (64..128).contains(&b);
        self.refusal_private(ip.is_private() || ip.is_loopback() || shared)
    }

    fn refusal_v6(self, ip: Ipv6Addr) -> Option<&'static str> {
        let first = ip.segments()[0];
        // fe80::/10 and the site-local fec0::/10 that came before private addresses.
        if (first & 0xff80) == 0xfe80 || METADATA_V6.contains(&ip) {
            return Some("is link-local, where clouds keep metadata");
        }
        if ip.is_unspecified() || ip.is_multicast() {
            return Some("is no address of one machine");
        }
        self.refusal_private((first & 0xfe00) == 0xfc00 || ip.is_loopback())
    }

    fn refusal_private(self, is_private: bool) -> Option<&'static str> {
        (is_private && !self.private)
            .then_some("is private, and notifications.private_addresses = false allows public addresses only")
    }

    /// Why a URL is not asked, if its host alone says so.
    pub fn refusal_of(self, url: &Url) -> Option<String> {
        let host = url.host()?;
        let refused = |ip: IpAddr| self.refusal(ip).map(|why| format!("{ip} {why}"));
        match host {
            url::Host::Ipv4(ip) => refused(ip.into()),
            url::Host::Ipv6(ip) => refused(ip.into()),
            url::Host::Domain(name) => self.refusal_of_name(name),
        }
    }

    /// Why a name is not looked up, if it is not.
    pub fn refusal_of_name(self, name: &str) -> Option<String> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if METADATA_NAMES.contains(&name.as_str()) {
            return Some(format!("{name} is a cloud's metadata"));
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        (is_local && !self.private).then(|| {
            format!("{name} is this machine, and notifications.private_addresses = false allows public addresses only")
        })
    }

    /// The addresses of a name that may be connected to.
    ///
    /// # Errors
    /// Why there is none.
    pub fn allowed(
        self,
        name: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, String> {
        if let Some(refusal) = self.refusal_of_name(name) {
            return Err(format!("refused: {refusal}"));
        }
        let (mut allowed, mut refused) = (Vec::new(), None);
        for address in found {
            match self.refusal(address.ip()) {
                Some(why) => {
                    refused = Some(format!("refused: {name} leads to {}, which {why}", address.ip()))
                }
                None => allowed.push(address),
            }
        }
        // A name that leads to both kinds is no accident.
        match refused {
            Some(refused) => Err(refused),
            None if allowed.is_empty() => Err(format!("{name} leads to no address")),
            None => Ok(allowed),
        }
    }
}

/// The IPv4 address within an IPv6 one: mapped, compatible, translated (NAT64) or tunnelled (6to4, Teredo).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0 | 1, .., high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, .., high, low] => Some(v4(!high, !low)),
        _ => None,
    }
}

/// Looks names up, and gives no address that is refused.
#[derive(Debug)]
pub(crate) struct Guarded<L> {
    pub egress: Egress,
    pub lookup: L,
}

/// Looks a name up.
pub(crate) trait Lookup: Send + Sync + 'static {
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;
}

/// The machine's own resolver.
#[derive(Debug)]
pub(crate) struct System;

impl Lookup for System {
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

impl<L: Lookup> Guarded<L> {
    /// The addresses of a name, all of which may be connected to.
    pub fn addresses(
        &self,
        name: &str,
    ) -> BoxFuture<'static, Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>>> {
        let (egress, name) = (self.egress, name.to_owned());
        let found = self.lookup.lookup(name.clone());
        Box::pin(async move { Ok(egress.allowed(&name, found.await?.into_iter())?) })
    }
}

impl<L: Lookup> Resolve for Guarded<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.addresses(name.as_str());
        Box::pin(async move {
            let addresses: Addrs = Box::new(found.await?.into_iter());
            Ok(addresses)
        })
    }
}

/// What a client of messages looks names up with.
pub(crate) fn resolver(egress: Egress) -> Arc<impl Resolve> {
    Arc::new(Guarded { egress, lookup: System })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A name that leads to one address the first time and to another one from then on.
    struct Rebinding {
        first: SocketAddr,
        then: SocketAddr,
        asked: Arc<AtomicUsize>,
    }

    impl Lookup for Rebinding {
        fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
            let is_first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
            let address = if is_first { self.first } else { self.then };
            Box::pin(async move { Ok(vec![address]) })
        }
    }

    fn check(address: &str, private: bool, refused: bool) {
        let ip: IpAddr = address.parse().expect("an address");
        assert_eq!(Egress { private }.refusal(ip).is_some(), refused, "{address} {private}");
    }

    #[test]
    fn link_local_addresses_are_refused_in_every_clothing_and_private_ones_if_that_is_wanted() {
        for address in [
            "169.254.169.254",
            "169.254.0.0",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "100.100.100.200",
            "fe80::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::",
            "fd00:ec2::254",
            "::",
            "ff02::1",
            "2001:0:0:0:0:0:5601:5601",
        ] {
            check(address, true, true);
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "::1",
            "fd12::1",
            "100.64.0.1",
            "::ffff:10.0.0.1",
        ] {
            check(address, true, false);
            check(address, false, true);
        }
        for address in ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "100.128.0.1", "192.169.0.1"] {
            check(address, false, false);
        }
    }

    #[test]
    fn a_name_that_leads_to_a_good_and_a_bad_address_is_refused() {
        let both =
            ["93.184.216.34:0", "169.254.169.254:0"].map(|address| address.parse().expect("an address"));
        let egress = Egress { private: true };
        let error = egress.allowed("evil.example", both.into_iter()).expect_err("refused");
        assert!(error.starts_with("refused: evil.example leads to 169.254.169.254"), "{error}");
        assert!(egress.allowed("good.example", both.into_iter().take(1)).is_ok());
        assert!(egress.allowed("none.example", std::iter::empty()).is_err());
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_looked_at_again_for_each_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let first = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut taken = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                taken += 1;
                assert_eq!(taken, 1, "nobody comes a second time");
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        });
        let asked = Arc::new(AtomicUsize::new(0));
        let then = SocketAddr::from(([169, 254, 169, 254], 80));
        let lookup = Rebinding { first, then, asked: asked.clone() };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guarded { egress: Egress { private: true }, lookup }))
            .no_proxy()
            .build()
            .expect("a client");
        let url = format!("http://rebinding.example:{}/", first.port());
        assert!(client.get(&url).send().await.is_ok());
        let error = client.get(&url).send().await.expect_err("refused");
        let mut root: &dyn std::error::Error = &error;
        while let Some(source) = root.source() {
            root = source;
        }
        assert!(
            root.to_string().starts_with("refused: rebinding.example leads to 169.254.169.254"),
            "{root}"
        );
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
