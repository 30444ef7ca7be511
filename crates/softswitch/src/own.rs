//! What is ours: the domain, the addresses, and what stands for us in Via, Record-Route and Contact.

use hookswitch_machine::{Endpoint, EndpointId, Flow, Transport};
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

    /// The flow to an address that a URI gives in numbers; `None` if it does not, or if no endpoint of ours can send there.
    pub(crate) fn toward(&self, uri: &Uri<'_>, preferred: EndpointId) -> Option<Flow> {
        let address = uri.socket_addr()?;
        let default = self.endpoint(preferred).map_or(Transport::Udp, |endpoint| endpoint.transport);
        let transport = match uri.transport() {
            Some(name) => name.parse().ok()?,
            None => default,
        };
        let fits = |e: &&Endpoint| e.transport == transport && e.advertised.is_ipv4() == address.is_ipv4();
        let endpoint = self
            .endpoint(preferred)
            .filter(fits)
            .or_else(|| self.endpoints.iter().find(fits))
            // A request that found us at an address of ours is not sent there again.
            .filter(|_| !self.endpoints.iter().any(|e| e.advertised == address))?;
        Some(Flow::to(endpoint.id, address))
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

    #[test]
    fn numeric_hosts_are_reached_over_the_transport_they_name() {
        let toward = |uri: &str| own().toward(&Uri::parse(uri).unwrap(), EndpointId(1));
        let peer = SocketAddr::from(([192, 0, 2, 9], 5060));
        assert_eq!(toward("sip:a@192.0.2.9"), Some(Flow::to(EndpointId(1), peer)));
        assert_eq!(toward("sip:a@192.0.2.9;transport=tcp"), Some(Flow::to(EndpointId(2), peer)));
        for nowhere in
            ["sip:a@192.0.2.9;transport=sctp", "sip:a@host.example", "sip:a@[::1]", "sip:a@192.0.2.1:5070"]
        {
            assert_eq!(toward(nowhere), None, "{nowhere}");
        }
    }
}
