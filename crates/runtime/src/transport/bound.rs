//! Opening all sockets, before anything runs.

use super::udp;
use hookswitch_machine::{Endpoint, EndpointId, Transport};
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// One address to listen on.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// UDP or TCP.
    pub transport: Transport,
    /// The local address; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What peers are told. `None`: the bound address, or if that is unspecified, the address towards the default route.
    pub advertised: Option<SocketAddr>,
}

impl Listen {
    /// Listens on `address` and advertises it.
    pub const fn on(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address, advertised: None }
    }
}

/// A socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The system refused the address.
    #[error(
        "cannot listen on {transport:?} {address}: {source}; choose another address or stop what uses it"
    )]
    Socket {
        /// UDP or TCP.
        transport: Transport,
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address is unspecified and no route tells which local address peers could reach.
    #[error(
        "{address} is unspecified and this host has no route for its family: say which address to advertise"
    )]
    NothingToAdvertise {
        /// The address asked for.
        address: SocketAddr,
    },
    /// More addresses than endpoints have numbers.
    #[error("{count} addresses to listen on, expected at most 65536")]
    TooMany {
        /// How many were asked for.
        count: usize,
    },
}

/// Open sockets, ready for a driver.
#[derive(Debug)]
pub struct Bound {
    pub(crate) shards: usize,
    pub(crate) endpoints: Vec<Endpoint>,
    /// Per shard and endpoint number.
    pub(crate) datagrams: Vec<Vec<Option<UdpSocket>>>,
    pub(crate) listeners: Vec<(EndpointId, TcpListener)>,
}

/// What the receive and send buffers of UDP sockets are asked to hold: 8,000 messages of a kilobyte, with the kernel's overhead
/// of as much again.
const BUFFER: usize = 8 << 20;

impl Bound {
    /// Opens every address of `listen` for `shards` machines; endpoint numbers follow the order of `listen`. With
    /// several shards each has its own socket on each UDP address and the kernel spreads the peers over them.
    ///
    /// # Errors
    /// [`BindError`] for the first address that cannot be opened; nothing stays open then.
    pub fn open(listen: &[Listen], shards: usize) -> Result<Self, BindError> {
        let shards = shards.max(1);
        let mut bound = Self {
            shards,
            endpoints: Vec::new(),
            datagrams: (0..shards).map(|_| Vec::new()).collect(),
            listeners: Vec::new(),
        };
        for (number, one) in listen.iter().enumerate() {
            let id = u16::try_from(number).map_err(|_| BindError::TooMany { count: listen.len() })?;
            let id = EndpointId(id);
            let local = bound.open_one(id, one).map_err(|source| BindError::Socket {
                transport: one.transport,
                address: one.address,
                source,
            })?;
            let advertised = match one.advertised {
                Some(address) => address,
                None => reachable(local).ok_or(BindError::NothingToAdvertise { address: local })?,
            };
            bound.endpoints.push(Endpoint { id, transport: one.transport, advertised });
            tracing::info!(target: "hookswitch::transport", transport = one.transport.param(), %local, %advertised, "listening");
        }
        Ok(bound)
    }

    /// The endpoints in the order they were asked for, with the ports that the system chose.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// For how many shards the sockets were opened.
    pub const fn shards(&self) -> usize {
        self.shards
    }

    fn open_one(&mut self, id: EndpointId, listen: &Listen) -> io::Result<SocketAddr> {
        let mut address = listen.address;
        match listen.transport {
            Transport::Udp => {
                let shared = self.shards > 1;
                for sockets in &mut self.datagrams {
                    let socket = udp::open(address, shared, BUFFER)?;
                    // The other shards join the port that the first was given.
                    address = socket.local_addr()?;
                    sockets.push(Some(socket));
                }
            }
            Transport::Tcp => {
                let listener = open_listener(address)?;
                address = listener.local_addr()?;
                self.listeners.push((id, listener));
                for sockets in &mut self.datagrams {
                    sockets.push(None);
                }
            }
        }
        Ok(address)
    }
}

fn open_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for the connections of the last run to leave TIME_WAIT. (On Windows the option means
    // something else.)
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

/// The address under which others reach a socket bound to `local`.
fn reachable(local: SocketAddr) -> Option<SocketAddr> {
    if !local.ip().is_unspecified() {
        return Some(local);
    }
    // Connecting a datagram socket sends nothing; it asks the routing table. The destinations are for documentation only
    // (RFC 5737, RFC 3849), so they take the default route.
    let outside: (IpAddr, IpAddr) = if local.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
    } else {
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
    };
    let loopback: IpAddr =
        if local.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let probe = std::net::UdpSocket::bind((outside.0, 0)).ok()?;
    // A host without a default route still talks to itself.
    let ip = match probe.connect((outside.1, 9)).and_then(|()| probe.local_addr()) {
        Ok(address) => address.ip(),
        Err(_) => loopback,
    };
    Some(SocketAddr::new(ip, local.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_chooses_ports_and_all_shards_share_them() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound =
            Bound::open(&[Listen::on(Transport::Udp, any), Listen::on(Transport::Tcp, any)], 2).unwrap();
        let [udp, tcp] = bound.endpoints() else { panic!("{:?}", bound.endpoints()) };
        assert_eq!((udp.id, tcp.id), (EndpointId(0), EndpointId(1)));
        assert!(udp.advertised.port() != 0 && tcp.advertised.port() != 0);
        for sockets in &bound.datagrams {
            let socket = sockets[0].as_ref().unwrap();
            assert_eq!(socket.local_addr().unwrap(), udp.advertised);
            assert!(sockets[1].is_none());
        }
    }

    #[test]
    fn an_unspecified_address_advertises_a_specific_one() {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let bound = Bound::open(&[Listen::on(Transport::Udp, any)], 1).unwrap();
        assert!(!bound.endpoints()[0].advertised.ip().is_unspecified());
    }

    #[test]
    fn an_address_in_use_is_named_in_the_error() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let error = Bound::open(&[Listen::on(Transport::Tcp, address)], 1).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
