//! What is ours: the domain, the addresses, and what stands for us in Via, Record-Route and Contact.

use hookswitch_machine::{Endpoint, EndpointId, Transport};
use hookswitch_sip::message::{Host, NameAddr, Uri};
use std::fmt;
use std::net::SocketAddr;

/// The softswitch's names and addresses.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    domain: String,
    endpoints: Vec<Endpoint>,
}

impl Own {
    pub(crate) fn new(domain: &str, endpoints: Vec<Endpoint>) -> Self {
        Self { domain: domain.to_owned(), endpoints }
    }

    /// The domain.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Transport and address of an endpoint.
    pub(crate) fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    /// Whether a URI names this softswitch: by its domain, or by an address of its own. A port must be one of ours.
    pub(crate) fn is_meant_by(&self, uri: &Uri<'_>) -> bool {
        self.is_home(uri)
            && uri.port().is_none_or(|port| port == 5060 && !self.is_address(uri) || self.has_port(port))
    }

    /// Whether an address of record may be one of ours: its domain is, or it is one of our addresses; ports say nothing.
    pub(crate) fn is_home(&self, uri: &Uri<'_>) -> bool {
        let Some(host) = uri.host() else { return false };
        Host::parse(&self.domain).is_ok_and(|domain| domain == host) || self.is_address(uri)
    }

    /// Whether the host is an address of this machine, as far as it is known.
    fn is_address(&self, uri: &Uri<'_>) -> bool {
        let Some(ip) = uri.host().and_then(|host| host.ip()) else { return false };
        ip.is_loopback() || self.endpoints.iter().any(|endpoint| endpoint.advertised.ip() == ip)
    }

    fn has_port(&self, port: u16) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.advertised.port() == port)
    }

    /// Whether a Via's sent-by is one of ours.
    pub(crate) fn sent(&self, host: Host<'_>, port: Option<u16>) -> bool {
        let address = host.ip().map(|ip| SocketAddr::new(ip, port.unwrap_or(5060)));
        address.is_some_and(|address| self.endpoints.iter().any(|e| e.advertised == address))
    }

    /// A URI of ours on this endpoint: `sip:user@host:port`, with the transport where it is not UDP.
    pub(crate) fn uri(&self, id: EndpointId, user: &str) -> String {
        let Some(endpoint) = self.endpoint(id) else { return format!("sip:{user}@{}", self.domain) };
        match endpoint.transport {
            Transport::Udp => format!("sip:{user}@{}", endpoint.advertised),
            Transport::Tcp => format!("sip:{user}@{};transport=tcp", endpoint.advertised),
        }
    }
}

/// The user part of an address, for people.
pub(crate) fn user_of(address: &NameAddr<'_>) -> String {
    address.uri().user_unescaped().unwrap_or_default().into_owned()
}

/// Joins what a header field lists.
pub(crate) fn joined<T: fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for value in values {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{comma}{value}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        let advertised = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let udp = Endpoint { id: EndpointId(1), transport: Transport::Udp, advertised: advertised(5070) };
        let tcp = Endpoint { id: EndpointId(2), transport: Transport::Tcp, advertised: advertised(5070) };
        Own::new("Example.org", vec![udp, tcp])
    }

    #[test]
    fn domain_and_addresses_are_ours_at_our_ports() {
        for (uri, meant, home) in [
            ("sip:ann@example.org", true, true),
            ("sip:EXAMPLE.ORG:5060", true, true),
            ("sip:ann@example.org:5070", true, true),
            ("sip:ann@example.org:5099", false, true),
            ("sip:ann@192.0.2.1:5070;transport=tcp", true, true),
            ("sip:ann@192.0.2.1", true, true),
            ("sip:ann@192.0.2.1:5060", false, true),
            ("sip:ann@127.0.0.1:5070", true, true),
            ("sip:ann@127.0.0.1:5062", false, true),
            ("sip:ann@192.0.2.2", false, false),
            ("sip:ann@sub.example.org", false, false),
            ("tel:+12025550123", false, false),
        ] {
            let parsed = Uri::parse(uri).unwrap();
            assert_eq!((own().is_meant_by(&parsed), own().is_home(&parsed)), (meant, home), "{uri}");
        }
    }
}
