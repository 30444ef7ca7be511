//! Linux: takes all that one socket has in one system call.
//!
//! Why unsafe code: `recvmmsg` has no safe wrapper in the standard library or `socket2`. With one call per datagram every
//! packet of a call costs two, the second only to learn that there is no more: sockets tell of arrivals once, so they have
//! to be emptied. Every block below says why it is sound; nothing unsafe leaves this file.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Datagrams taken by one call: a socket of one call rarely has more than one waiting.
pub(super) const BATCH: usize = 4;
/// The longest datagram taken: a jumbo frame is no audio.
const DATAGRAM: usize = 2_048;

/// Room for one call's datagrams.
pub(super) struct Batch {
    names: [libc::sockaddr_storage; BATCH],
    bytes: Box<[[u8; DATAGRAM]; BATCH]>,
    lengths: [usize; BATCH],
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            // SAFETY: a plain C structure of integers, for which all-zero bytes are a valid value.
            names: unsafe { zeroed() },
            bytes: Box::new([[0; DATAGRAM]; BATCH]),
            lengths: [0; BATCH],
        }
    }

    /// Takes what is there and says how many; fewer than [`BATCH`] means that the socket is empty now.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let mut parts: [libc::iovec; BATCH] = std::array::from_fn(|i| libc::iovec {
            iov_base: self.bytes[i].as_mut_ptr().cast(),
            iov_len: DATAGRAM,
        });
        // SAFETY: a plain C structure of integers and pointers, for which all-zero bytes are a valid value.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        for (i, message) in messages.iter_mut().enumerate() {
            message.msg_hdr.msg_name = ptr::from_mut(&mut self.names[i]).cast();
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            message.msg_hdr.msg_iov = &mut parts[i];
            message.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: the headers point to names and bytes of `self`, borrowed mutably until after the call, and to parts on this
        // stack frame; all lengths are those of the memory pointed to, and `BATCH` is the number of headers.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        for (length, message) in self.lengths.iter_mut().zip(&messages[..got]) {
            // One that did not fit is cut, and so no RTP: padding or length do not add up, or it is far too long for audio.
            *length = (message.msg_len as usize).min(DATAGRAM);
        }
        Ok(got)
    }

    /// The sender and the bytes of a datagram of the last call.
    pub(super) fn get(&self, i: usize) -> Option<(SocketAddr, &[u8])> {
        let from = address(self.names.get(i)?)?;
        Some((from, self.bytes.get(i)?.get(..*self.lengths.get(i)?)?))
    }
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is at least as large and as aligned as sockaddr_in, any bytes are valid for it, and
            // the family says that it holds one.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            Some((Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)), u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            Some((Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port)).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_with_their_senders_and_an_empty_socket_says_so() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            // A host without IPv6 has only the first.
            let Ok(receiver) = UdpSocket::bind(ip) else { continue };
            receiver.set_nonblocking(true).unwrap();
            let to = receiver.local_addr().unwrap();
            let senders = [UdpSocket::bind(ip).unwrap(), UdpSocket::bind(ip).unwrap()];
            let mut batch = Batch::new();
            assert_eq!(batch.receive(&receiver).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            senders[0].send_to(b"one", to).unwrap();
            senders[1].send_to(&[7; 3_000], to).unwrap();
            assert_eq!(batch.receive(&receiver).unwrap(), 2);
            assert_eq!(batch.get(0), Some((senders[0].local_addr().unwrap(), &b"one"[..])));
            assert_eq!(batch.get(1), Some((senders[1].local_addr().unwrap(), &[7; DATAGRAM][..])));
            assert_eq!(batch.get(BATCH), None);
        }
    }
}
