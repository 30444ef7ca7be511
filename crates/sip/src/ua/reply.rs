//! The part of a response that the request decides, kept until the final response instead of the whole request.

use super::clock::Answering;
use crate::message::short::Short;
use crate::message::{Message, Method, Name, Response, reason_phrase};
use crate::session_timer::Agreed;
use bytes::{Bytes, BytesMut};
use std::fmt::{self, Write};
use std::net::SocketAddr;

/// The type of the bodies that sessions carry.
pub(super) const SDP: &str = "application/sdp";
const NO_BODY: &[u8] = b"Content-Length: 0\r\n\r\n";
/// What a written response may have allocated beyond its length.
const SPARE: usize = 48;

struct TimerLines(Option<Agreed>);

impl fmt::Display for TimerLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |agreed| write!(f, "{agreed}"))
    }
}

/// Header fields that every response to one request shares: Via, From, To with our tag, Call-ID, CSeq, Record-Route.
#[derive(Clone, Debug)]
pub struct Reply {
    head: Bytes,
    record_route: Bytes,
    cseq: u32,
    /// What a 2xx agrees to.
    answering: Option<Answering>,
}

impl Reply {
    /// Prepares the responses to `request`, which came from `source`.
    pub fn to(request: &Message, tag: &str, source: SocketAddr) -> Self {
        let whole = Response::to(request, 400).to_tag(tag).received(source).finish();
        let start = memchr::memchr(b'\n', &whole).map_or(0, |at| at + 1);
        let end = if whole.ends_with(NO_BODY) { whole.len() - NO_BODY.len() } else { whole.len() };
        let mut routes = BytesMut::new();
        // RFC 3261 12.1.1, RFC 6665 4.4.1: what can make a dialog.
        if matches!(request.method(), Method::Invite | Method::Subscribe | Method::Notify) {
            for field in request.fields(Name::RecordRoute) {
                routes.extend_from_slice(request.line(field));
            }
        }
        Self {
            head: whole.slice(start..end),
            record_route: routes.freeze(),
            cseq: request.cseq().number,
            answering: None,
        }
    }

    /// With what a 2xx is to agree to.
    pub(super) fn agreeing(mut self, answering: Option<Answering>) -> Self {
        self.answering = answering;
        self
    }

    pub(super) const fn answering(&self) -> Option<Answering> {
        self.answering
    }

    /// The lines of a 2xx that say what it agrees to.
    pub(super) fn timer(&self) -> impl fmt::Display + use<> {
        TimerLines(self.answering.map(|answering| answering.agreed))
    }

    /// The number of the request.
    pub(super) const fn cseq(&self) -> u32 {
        self.cseq
    }

    /// Writes a response. `fields` are complete header field lines; `body` is its type and octets.
    pub fn write(&self, status: u16, fields: fmt::Arguments<'_>, body: Option<(&str, &[u8])>) -> Bytes {
        let len = body.map_or(0, |(_, body)| body.len());
        let mut buf = BytesMut::with_capacity(self.head.len() + self.record_route.len() + len + 320);
        buf.extend_from_slice(b"SIP/2.0 ");
        buf.extend_from_slice(Short::decimal(status.into()).as_bytes());
        buf.extend_from_slice(b" ");
        buf.extend_from_slice(reason_phrase(status).as_bytes());
        buf.extend_from_slice(b"\r\n");
        buf.extend_from_slice(&self.head);
        if (101..300).contains(&status) {
            buf.extend_from_slice(&self.record_route);
        }
        let _ = buf.write_fmt(fields);
        match body {
            Some((kind, body)) => {
                for part in [
                    b"Content-Type: ",
                    kind.as_bytes(),
                    b"\r\nContent-Length: ",
                    Short::decimal(body.len() as u64).as_bytes(),
                    b"\r\n\r\n",
                ] {
                    buf.extend_from_slice(part);
                }
                buf.extend_from_slice(body);
            }
            None => buf.extend_from_slice(NO_BODY),
        }
        // Final responses linger in their thousands: they keep no room to grow.
        if buf.capacity() - buf.len() > SPARE { Bytes::copy_from_slice(&buf) } else { buf.freeze() }
    }
}
