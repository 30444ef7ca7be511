//! Opening UDP sockets.

use super::system;
use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Opens one non-blocking socket. `shared`: several sockets are bound to the address and the kernel spreads the peers over
/// them (SO_REUSEPORT), where the system can.
pub(crate) fn open(address: SocketAddr, shared: bool, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // One endpoint, one family: a v4 peer never shows up as a mapped v6 address.
        socket.set_only_v6(true)?;
    }
    if shared {
        share(&socket)?;
    }
    // Best effort: the system may cap them. A burst that does not fit is lost and retransmitted.
    let _ = socket.set_recv_buffer_size(buffer);
    let _ = socket.set_send_buffer_size(buffer);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into());
    system::prepare(&socket, address.is_ipv6(), buffer);
    Ok(socket)
}

#[cfg(unix)]
fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(unix))]
fn share(_: &Socket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "several shards on one UDP address need SO_REUSEPORT"))
}
