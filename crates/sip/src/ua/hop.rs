//! Where a request goes next, as far as that can be said without a look-up.

use crate::message::Uri;
use hookswitch_machine::{Endpoint, Flow, Transport};

/// The flow for a request whose topmost Route or Request-URI is `uri`. A numeric host is used as it stands (RFC 3263 4.2);
/// for a name, and where no endpoint speaks the URI's transport, the path on which the session was set up is the next hop.
/// A stream connection of the session stays in use for its own peer.
pub(super) fn next_hop(uri: &str, known: Flow, endpoints: &[Endpoint]) -> Flow {
    let transport_of = |flow: &Flow| endpoints.iter().find(|e| e.id == flow.endpoint).map(|e| e.transport);
    let Some(transport) = transport_of(&known) else { return known };
    let Ok(uri) = Uri::parse(uri) else { return known };
    let Some(peer) = uri.socket_addr() else { return known };
    let wanted = uri.transport().and_then(|name| name.parse::<Transport>().ok()).unwrap_or(transport);
    if wanted == transport && (transport.is_reliable() || known.peer == peer) {
        // RFC 5626 in spirit: the connection that the peer keeps open is the way to it.
        if known.connection != 0 || known.peer == peer {
            return known;
        }
    }
    let same_family = |e: &&Endpoint| e.transport == wanted && e.advertised.is_ipv4() == peer.is_ipv4();
    let endpoint = endpoints
        .iter()
        .filter(same_family)
        .find(|e| e.id == known.endpoint)
        .or_else(|| endpoints.iter().find(same_family));
    match endpoint {
        Some(endpoint) => Flow::to(endpoint.id, peer),
        None => known,
    }
}

/// Where a request for `uri` goes when the connection of `known` is gone: to a new one.
pub(super) fn anew(uri: &str, known: Flow) -> Flow {
    let peer = Uri::parse(uri).ok().and_then(|uri| uri.socket_addr());
    Flow::to(known.endpoint, peer.unwrap_or(known.peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::EndpointId;

    #[test]
    fn numeric_targets_are_taken_and_names_follow_the_session() {
        let endpoints = [
            Endpoint {
                id: EndpointId(1),
                transport: Transport::Udp,
                advertised: ([127, 0, 0, 1], 5060).into(),
            },
            Endpoint {
                id: EndpointId(2),
                transport: Transport::Tcp,
                advertised: ([127, 0, 0, 1], 5060).into(),
            },
        ];
        let known = Flow::to(EndpointId(1), ([192, 0, 2, 1], 5060).into());
        let hop = |uri| next_hop(uri, known, &endpoints);
        assert_eq!(hop("sip:a@192.0.2.9:5070"), Flow::to(EndpointId(1), ([192, 0, 2, 9], 5070).into()));
        assert_eq!(
            hop("sip:a@192.0.2.9;transport=tcp"),
            Flow::to(EndpointId(2), ([192, 0, 2, 9], 5060).into())
        );
        assert_eq!(hop("sip:a@pc.example.org"), known);
        assert_eq!(hop("sip:a@[2001:db8::1]"), known, "no endpoint of that family");
        let stream = Flow { endpoint: EndpointId(2), connection: 7, peer: ([192, 0, 2, 1], 40_000).into() };
        assert_eq!(next_hop("sip:a@192.0.2.1:5060;transport=tcp", stream, &endpoints), stream);
    }
}
