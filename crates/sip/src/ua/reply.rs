//! The part of a response that the request decides, kept until the final response instead of the whole request.

use crate::message::{Message, Method, Name, Response, reason_phrase};
use bytes::{Bytes, BytesMut};
use std::fmt::{self, Write};
use std::net::SocketAddr;

/// The type of the bodies that sessions carry.
pub(super) const SDP: &str = "application/sdp";

/// Header fields that every response to one request shares: Via, From, To with our tag, Call-ID, CSeq, Record-Route.
#[derive(Clone, Debug)]
pub struct Reply {
    head: Bytes,
    record_route: Bytes,
    cseq: u32,
}

impl Reply {
    /// Prepares the responses to `request`, which came from `source`.
    pub fn to(request: &Message, tag: &str, source: SocketAddr) -> Self {
        let whole = Response::to(request, 400).to_tag(tag).received(source).finish();
        let start = memchr::memmem::find(&whole, b"\r\n").map_or(0, |at| at + 2);
        let end = memchr::memmem::rfind(&whole, b"Content-Length").unwrap_or(whole.len());
        let mut routes = BytesMut::new();
        if request.method() == Method::Invite {
            for (name, value) in request.all().filter(|(name, _)| *name == Name::RecordRoute) {
                let _ = write!(routes, "{name}: {value}\r\n");
            }
        }
        // Copied, so that the buffer of the packet is free again.
        Self {
            head: Bytes::copy_from_slice(whole.get(start..end).unwrap_or_default()),
            record_route: routes.freeze(),
            cseq: request.cseq().number,
        }
    }

    /// The number of the request.
    pub(super) const fn cseq(&self) -> u32 {
        self.cseq
    }

    /// Writes a response. `fields` are complete header field lines; `body` is its type and octets.
    pub fn write(&self, status: u16, fields: fmt::Arguments<'_>, body: Option<(&str, &[u8])>) -> Bytes {
        let len = body.map_or(0, |(_, body)| body.len());
        let mut buf = BytesMut::with_capacity(self.head.len() + self.record_route.len() + len + 320);
        let _ = write!(buf, "SIP/2.0 {status} {}\r\n", reason_phrase(status));
        buf.extend_from_slice(&self.head);
        if (101..300).contains(&status) {
            buf.extend_from_slice(&self.record_route);
        }
        let _ = buf.write_fmt(fields);
        match body {
            Some((kind, body)) => {
                let _ = write!(buf, "Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
                buf.extend_from_slice(body);
            }
            None => buf.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
        }
        buf.freeze()
    }
}
