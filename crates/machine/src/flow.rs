//! Where bytes come from and go to.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A SIP transport (RFC 3261 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A byte stream, framed by Content-Length.
    Tcp,
}

impl Transport {
    /// Whether the transport retransmits by itself (RFC 3261 17: timers A, E, G are not used, D, I, J, K are zero).
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// The name in a Via header field: `UDP`, `TCP`.
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// The value of a `transport` URI parameter: `udp`, `tcp`.
    pub const fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl FromStr for Transport {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        if s.eq_ignore_ascii_case("udp") {
            Ok(Self::Udp)
        } else if s.eq_ignore_ascii_case("tcp") {
            Ok(Self::Tcp)
        } else {
            Err(())
        }
    }
}

/// A local socket (UDP) or listener with the connections made from it (TCP). The driver numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EndpointId(pub u16);

/// A local address the machine may send from and be reached at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The number that [`Flow`]s refer to.
    pub id: EndpointId,
    /// UDP or TCP.
    pub transport: Transport,
    /// What peers are told in Via and Contact (differs from the bound address behind a NAT).
    pub advertised: SocketAddr,
}

/// The path a message came on or is to go on: a local endpoint, a peer, and for streams one connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The local socket.
    pub endpoint: EndpointId,
    /// The stream connection; 0 for datagrams, and to ask the driver for the connection to `peer`, opened if there is none.
    pub connection: u32,
    /// The other side's transport address.
    pub peer: SocketAddr,
}

impl Flow {
    /// A datagram path, or a request for a stream connection to `peer`.
    pub const fn to(endpoint: EndpointId, peer: SocketAddr) -> Self {
        Self { endpoint, connection: 0, peer }
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.peer)?;
        if self.connection != 0 {
            write!(f, "#{}", self.connection)?;
        }
        write!(f, "@{}", self.endpoint.0)
    }
}
