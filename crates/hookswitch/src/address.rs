//! The address that peers are told.

use hookswitch_machine::Endpoint;
use hookswitch_runtime::Listen;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Endpoints whose advertised address is one that peers can reach: the configured one, or for a socket bound to any
/// address the one that the system would use towards `peer`, or that of the first interface that is not loopback.
/// `endpoints` are in the order of `listens`.
pub(crate) fn advertised(
    endpoints: &[Endpoint],
    listens: &[Listen],
    configured: Option<IpAddr>,
    peer: Option<IpAddr>,
) -> Vec<Endpoint> {
    endpoints
        .iter()
        .zip(listens)
        .map(|(endpoint, listen)| {
            let bound = listen.address.ip();
            let ip = match configured {
                Some(ip) if ip.is_ipv4() == bound.is_ipv4() => ip,
                _ if bound.is_unspecified() => reachable(bound.is_ipv4(), peer),
                Some(_) | None => bound,
            };
            Endpoint { advertised: SocketAddr::new(ip, endpoint.advertised.port()), ..*endpoint }
        })
        .collect()
}

/// The local address of one family that reaches `peer`, or the most public one there is.
pub(crate) fn reachable(v4: bool, peer: Option<IpAddr>) -> IpAddr {
    let any: IpAddr = if v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let towards = peer.filter(|peer| peer.is_ipv4() == v4).and_then(|peer| {
        // Connecting a datagram socket sends nothing; it asks the system for its route.
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((peer, 5060)).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    });
    towards
        .or_else(|| {
            let interfaces = webrtc_util::ifaces::ifaces().ok()?;
            interfaces
                .into_iter()
                .filter_map(|interface| interface.addr.map(|address| address.ip()))
                .find(|ip| ip.is_ipv4() == v4 && !ip.is_loopback() && !is_link_local(*ip))
        })
        .unwrap_or(if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() })
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::{EndpointId, Transport};

    #[test]
    fn a_loopback_peer_is_told_a_loopback_address() {
        // A socket bound to any address already comes with one; it is not the best for every peer.
        let advertised = |configured, peer| {
            let bound = Endpoint {
                id: EndpointId(0),
                transport: Transport::Udp,
                advertised: ([198, 51, 100, 1], 5060).into(),
            };
            let listen = Listen::on(Transport::Udp, ([0, 0, 0, 0], 5060).into());
            advertised(&[bound], &[listen], configured, peer)[0].advertised
        };
        let loopback = Some(Ipv4Addr::LOCALHOST.into());
        assert_eq!(advertised(None, loopback), ([127, 0, 0, 1], 5060).into());
        let public: IpAddr = [203, 0, 113, 5].into();
        assert_eq!(advertised(Some(public), loopback).ip(), public);
        assert!(!advertised(None, None).ip().is_unspecified());
    }
}
