//! Linux: `recvmmsg`, `sendmmsg` and the error queue.
//!
//! Why unsafe code: neither the standard library nor `socket2` offers calls that move many datagrams with many addresses at
//! once, and one system call per datagram costs more than everything we do with its contents. Every block below says why it
//! is sound; nothing unsafe leaves this file.
#![allow(unsafe_code)]

use super::datagram::{Arrival, BATCH, Departure, Rejection};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::ptr;

/// The memory that describes a batch to the kernel.
struct Headers {
    names: Box<[libc::sockaddr_storage]>,
    parts: Box<[libc::iovec]>,
    messages: Box<[libc::mmsghdr]>,
}

impl Headers {
    fn new() -> Self {
        // SAFETY: all three are plain C structures of integers and pointers, for which all-zero bytes are a valid value.
        let (name, part, message) = unsafe {
            (zeroed::<libc::sockaddr_storage>(), zeroed::<libc::iovec>(), zeroed::<libc::mmsghdr>())
        };
        Self {
            names: vec![name; BATCH].into_boxed_slice(),
            parts: vec![part; BATCH].into_boxed_slice(),
            messages: vec![message; BATCH].into_boxed_slice(),
        }
    }

    /// Lets message `i` point to name and part `i`. Every caller does so for the messages it passes on, right before the call,
    /// so no pointer outlives the borrow it was made from.
    fn link(&mut self, i: usize, name_length: libc::socklen_t) {
        let header = &mut self.messages[i].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[i]).cast();
        header.msg_namelen = name_length;
        header.msg_iov = &mut self.parts[i];
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_flags = 0;
    }
}

/// Receives batches.
pub(super) struct Receiver {
    headers: Headers,
    /// How many to ask for: grows while batches come back full, so that a quiet socket does not pay for empty headers.
    ask: usize,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self { headers: Headers::new(), ask: 4 }
    }

    /// Receives what is there into slots of `stride` bytes of `slab`, at most one batch. True if the socket may hold more.
    pub(super) fn receive(
        &mut self,
        socket: &impl AsRawFd,
        slab: &mut [u8],
        stride: usize,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<bool> {
        let mut asked = 0;
        for (i, slot) in slab.chunks_exact_mut(stride.max(1)).take(self.ask.min(BATCH)).enumerate() {
            self.headers.parts[i] = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            self.headers.link(i, size_of::<libc::sockaddr_storage>() as libc::socklen_t);
            asked = i + 1;
        }
        // SAFETY: the first `asked` headers point to names and parts that `self` owns, and the parts to disjoint slots of
        // `slab`, which is borrowed mutably until after the call; all lengths are those of the memory pointed to.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.messages.as_mut_ptr(),
                asked as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?.min(asked);
        for (i, message) in self.headers.messages[..got].iter().enumerate() {
            if let Some(peer) = from_system(&self.headers.names[i]) {
                arrivals.push(Arrival {
                    offset: i * stride,
                    length: (message.msg_len as usize).min(stride),
                    peer,
                    truncated: message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                });
            }
        }
        let full = got == asked;
        if full {
            self.ask = (self.ask * 2).min(BATCH);
        } else if got * 4 < self.ask {
            self.ask = (self.ask / 2).max(4);
        }
        Ok(full)
    }
}

/// Sends batches.
pub(super) struct Sender {
    headers: Headers,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self { headers: Headers::new() }
    }

    /// Sends from the front, at most one batch; how many were taken. An error speaks of the first datagram.
    pub(super) fn send(&mut self, socket: &impl AsRawFd, departures: &[Departure]) -> io::Result<usize> {
        let count = departures.len().min(BATCH);
        for (i, departure) in departures[..count].iter().enumerate() {
            let length = to_system(departure.peer, &mut self.headers.names[i]);
            // The kernel only reads what is sent; iovec has no const variant.
            self.headers.parts[i] = libc::iovec {
                iov_base: departure.bytes.as_ptr().cast_mut().cast(),
                iov_len: departure.bytes.len(),
            };
            self.headers.link(i, length);
        }
        // SAFETY: the first `count` headers point to names and parts that `self` owns, and the parts to bytes that
        // `departures` borrows until after the call; the kernel does not write to them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.messages.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// Asks for ICMP errors, lets large messages be fragmented, and makes the receive buffer as large as privileges allow. All of
/// it is best effort: a socket without it still works.
pub(super) fn prepare(socket: &impl AsRawFd, ipv6: bool, receive_buffer: usize) {
    let on: libc::c_int = 1;
    if ipv6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, on);
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT);
    } else {
        set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, on);
        set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT);
    }
    let size = libc::c_int::try_from(receive_buffer).unwrap_or(libc::c_int::MAX);
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size);
}

fn set(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    // SAFETY: the option's value is an int that lives on this stack frame, and its length is given.
    let _best_effort = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
}

/// The next error the network reported about a datagram of ours; `None` if there is no more.
pub(super) fn next_rejection(socket: &impl AsRawFd) -> Option<Rejection> {
    // Room for a sock_extended_err and the offender's address, aligned as control messages are.
    let mut control = [0u64; 32];
    // SAFETY: plain C structures of integers and pointers; all-zero bytes are a valid value.
    let (mut name, mut message) = unsafe { (zeroed::<libc::sockaddr_storage>(), zeroed::<libc::msghdr>()) };
    message.msg_name = ptr::from_mut(&mut name).cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: name and control are local, writable and as long as stated; there is no part to receive payload into.
    let got =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if got < 0 {
        return None;
    }
    let peer = from_system(&name)?;
    let mut error = io::Error::from_raw_os_error(libc::EIO);
    // SAFETY: `message` was filled by the kernel and its control memory is still alive; the macros stay inside of
    // msg_controllen. A header of type RECVERR is followed by a sock_extended_err if its length says so, read unaligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while !header.is_null() {
            let (level, kind) = ((*header).cmsg_level, (*header).cmsg_type);
            let is_error = (level == libc::IPPROTO_IP && kind == libc::IP_RECVERR)
                || (level == libc::IPPROTO_IPV6 && kind == libc::IPV6_RECVERR);
            let enough = libc::CMSG_LEN(size_of::<libc::sock_extended_err>() as u32) as usize;
            if is_error && (*header).cmsg_len as usize >= enough {
                let extended = ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::sock_extended_err>());
                error = io::Error::from_raw_os_error(extended.ee_errno as i32);
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Some(Rejection { peer, error })
}

fn from_system(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is at least as large and as aligned as sockaddr_in, any bytes are valid for it, and
            // the family says that it holds one.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            // The flow label is left out: it is no part of a peer's identity.
            Some(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

fn to_system(address: SocketAddr, name: &mut libc::sockaddr_storage) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_storage is at least as large and as aligned as sockaddr_in, and any bytes are valid for it.
            let to = unsafe { &mut *ptr::from_mut(name).cast::<libc::sockaddr_in>() };
            to.sin_family = libc::AF_INET as libc::sa_family_t;
            to.sin_port = v4.port().to_be();
            to.sin_addr = libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above, for sockaddr_in6.
            let to = unsafe { &mut *ptr::from_mut(name).cast::<libc::sockaddr_in6>() };
            to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            to.sin6_port = v6.port().to_be();
            to.sin6_flowinfo = 0;
            to.sin6_addr = libc::in6_addr { s6_addr: v6.ip().octets() };
            to.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}
