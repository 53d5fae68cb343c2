//! Who really calls: the peer, or whoever a proxy that is trusted says it speaks for.

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The address that a request comes from, kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(pub IpAddr);

impl Client {
    pub fn of(request: &Request, trusted: &[IpNet]) -> Self {
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        Self(client(peer, request.headers(), trusted))
    }

    /// For the record; empty where it is not known.
    pub fn words(self) -> String {
        if self.0.is_unspecified() { String::new() } else { format!(" from {}", self.0) }
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The rightmost address that no trusted proxy has. What is left of it anybody may have written, and what a peer writes
/// who is not trusted is not looked at.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let (x_forwarded, forwarded) = (hops(headers, "x-forwarded-for"), hops(headers, "forwarded"));
    match (x_forwarded.as_slice(), forwarded.as_slice()) {
        ([], []) => peer,
        (hops, []) | ([], hops) => rightmost(peer, hops, trusted),
        // A proxy writes one of the two and hands the other on as it came: only what both say is believed.
        (one, other) => {
            let (one, other) = (rightmost(peer, one, trusted), rightmost(peer, other, trusted));
            if one == other { one } else { peer }
        }
    }
}

fn rightmost(peer: IpAddr, hops: &[Option<IpAddr>], trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        // Beyond what cannot be read nothing is known: the proxy that wrote it is who calls.
        let Some(address) = hop else { return nearest };
        nearest = *address;
        if !is_trusted(nearest, trusted) {
            return nearest;
        }
    }
    nearest
}

/// The hops of a header, in order; repeated headers are one list. `None` is a hop that names no address.
fn hops(headers: &HeaderMap, name: &str) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    for value in headers.get_all(name) {
        let Ok(text) = value.to_str() else {
            hops.push(None);
            continue;
        };
        for element in text.split(',') {
            hops.push(if name == "forwarded" { forwarded_for(element) } else { address(element) });
        }
    }
    hops
}

/// The node of an element such as `for="[2001:db8::1]:4711";proto=https` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case("for")).map(|(_, node)| node);
    let node = nodes.next()?.trim();
    address(node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node))
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed: Option<IpAddr> = plain.parse().ok();
    parsed.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&'static str, &str)], expected: &str) {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().expect("a network")).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let found = client(peer.parse().expect("an address"), &map, &trusted);
        assert_eq!(found.to_string(), expected, "{peer} {headers:?}");
    }

    const X: &str = "x-forwarded-for";

    #[test]
    fn a_trusted_proxy_says_for_whom_it_speaks() {
        check("10.0.0.1", &[(X, "203.0.113.7")], "203.0.113.7");
        check("::ffff:10.0.0.1", &[(X, "203.0.113.7:4711")], "203.0.113.7");
        check("10.0.0.1", &[(X, "203.0.113.7, 10.0.0.9")], "203.0.113.7");
        check("10.0.0.1", &[(X, "203.0.113.7"), (X, "10.0.0.9")], "203.0.113.7");
        check("fd00::1", &[(X, "2001:db8::5")], "2001:db8::5");
        check("10.0.0.1", &[("forwarded", "for=203.0.113.7;proto=https, for=10.0.0.2")], "203.0.113.7");
        check("10.0.0.1", &[("forwarded", "proto=https;For=\"[2001:db8::5]:4711\"")], "2001:db8::5");
        check("10.0.0.1", &[("forwarded", "for=203.0.113.7"), (X, "203.0.113.7")], "203.0.113.7");
        check("10.0.0.1", &[(X, "10.0.0.5, 10.0.0.9")], "10.0.0.5");
    }

    #[test]
    fn what_a_client_could_have_written_itself_is_not_believed() {
        check("198.51.100.1", &[(X, "203.0.113.7")], "198.51.100.1");
        check("198.51.100.1", &[("forwarded", "for=10.0.0.1")], "198.51.100.1");
        check("10.0.0.1", &[], "10.0.0.1");
        // The proxy appended the second; the first is the client's own claim.
        check("10.0.0.1", &[(X, "192.0.2.1, 203.0.113.7")], "203.0.113.7");
        check("10.0.0.1", &[(X, "192.0.2.1"), (X, "203.0.113.7")], "203.0.113.7");
        // Another header than the one that the proxy writes.
        check("10.0.0.1", &[(X, "203.0.113.7"), ("forwarded", "for=192.0.2.1")], "10.0.0.1");
        for odd in ["unknown", "", "_hidden", "1.2.3", "203.0.113.7 192.0.2.1", "for=203.0.113.7"] {
            check("10.0.0.1", &[(X, odd)], "10.0.0.1");
            check("10.0.0.1", &[(X, &format!("192.0.2.1, {odd}"))], "10.0.0.1");
            check("10.0.0.1", &[(X, &format!("{odd}, 203.0.113.7"))], "203.0.113.7");
        }
        for odd in ["for=unknown", "proto=https", "for", "for=\"_x\"", "203.0.113.7"] {
            check("10.0.0.1", &[("forwarded", odd)], "10.0.0.1");
        }
    }
}
