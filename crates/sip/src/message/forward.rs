//! Passing a message on with edits, in one pass over its lines (RFC 3261 16.6, 16.7). What is not edited stays byte
//! for byte.

use super::index::{Field, StartLine};
use super::lex;
use super::name::{Name, UNKNOWN};
use super::view::Message;
use super::write::{UriText, put, put_end, put_field};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt::{self, Write};
use std::net::SocketAddr;

/// A message being passed on.
///
/// Values cannot add header fields, as in [`Request`](super::Request).
#[derive(Debug)]
pub struct Forward<'m, 'b> {
    message: &'m Message,
    uri: Option<String>,
    top: BytesMut,
    record_route: BytesMut,
    tail: BytesMut,
    pop_via: bool,
    pop_route: bool,
    source: Option<SocketAddr>,
    max_forwards: Option<u8>,
    removed: u128,
    removed_others: Vec<String>,
    body: Option<&'b [u8]>,
}

impl<'m, 'b> Forward<'m, 'b> {
    /// Passes `message` on as it is, until edits are added.
    pub fn new(message: &'m Message) -> Self {
        Self {
            message,
            uri: None,
            top: BytesMut::new(),
            record_route: BytesMut::new(),
            tail: BytesMut::new(),
            pop_via: false,
            pop_route: false,
            source: None,
            max_forwards: None,
            removed: 0,
            removed_others: Vec::new(),
            body: None,
        }
    }

    /// Replaces the Request-URI (RFC 3261 16.6, 2).
    pub fn request_uri(mut self, uri: impl fmt::Display) -> Self {
        self.uri = Some(uri.to_string());
        self
    }

    /// Puts a Via on top (RFC 3261 16.6, 8). A Via put later stands above.
    pub fn push_via(
        mut self,
        transport: &str,
        sent_by: impl fmt::Display,
        branch: impl fmt::Display,
    ) -> Self {
        let below = std::mem::take(&mut self.top);
        let value = format_args!("SIP/2.0/{transport} {sent_by};branch={branch};rport");
        put_field(&mut self.top, Name::Via, value);
        self.top.put_slice(&below);
        self
    }

    /// Notes in what was the topmost Via where the request came from (RFC 3261 18.2.1, RFC 3581 4).
    pub fn received(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Takes the topmost Via off a response (RFC 3261 16.7, 3).
    pub fn pop_via(mut self) -> Self {
        self.pop_via = true;
        self
    }

    /// Puts a Record-Route before those that stand (RFC 3261 16.6, 4): a complete value, `<sip:...;lr>`.
    pub fn push_record_route(mut self, value: impl fmt::Display) -> Self {
        let below = std::mem::take(&mut self.record_route);
        put_field(&mut self.record_route, Name::RecordRoute, value);
        self.record_route.put_slice(&below);
        self
    }

    /// Takes the topmost Route off (RFC 3261 16.4).
    pub fn pop_route(mut self) -> Self {
        self.pop_route = true;
        self
    }

    /// Counts Max-Forwards down, or adds it as 70 where it is missing (RFC 3261 16.6, 3). A request with 0 is not to
    /// be passed on (483); should it be all the same, it keeps 0.
    pub fn decrement_max_forwards(mut self) -> Self {
        self.max_forwards = Some(self.message.max_forwards().map_or(70, |n| n.saturating_sub(1)));
        self
    }

    /// Leaves all header fields of this name out.
    pub fn remove(mut self, name: Name<'_>) -> Self {
        let name = name.normalized();
        match name.id() {
            UNKNOWN => self.removed_others.push(name.as_str().to_owned()),
            id => self.removed |= 1_u128.checked_shl(u32::from(id)).unwrap_or(0),
        }
        self
    }

    /// Adds a header field behind those that stand. Content-Length is left out: it is computed.
    pub fn header(mut self, name: Name<'_>, value: impl fmt::Display) -> Self {
        if name != Name::ContentLength {
            put_field(&mut self.tail, name, value);
        }
        self
    }

    /// Puts one header field in the place of all those of its name.
    pub fn replace(self, name: Name<'_>, value: impl fmt::Display) -> Self {
        self.remove(name).header(name, value)
    }

    /// Puts another body of this type in the place of the one that stands.
    pub fn body<'c>(self, content_type: &str, body: &'c [u8]) -> Forward<'m, 'c> {
        let this = self.replace(Name::ContentType, content_type).remove(Name::ContentEncoding);
        Forward {
            message: this.message,
            uri: this.uri,
            top: this.top,
            record_route: this.record_route,
            tail: this.tail,
            pop_via: this.pop_via,
            pop_route: this.pop_route,
            source: this.source,
            max_forwards: this.max_forwards,
            removed: this.removed,
            removed_others: this.removed_others,
            body: Some(body),
        }
    }

    /// Writes everything.
    pub fn finish(self) -> Bytes {
        let body = self.body.unwrap_or_else(|| self.message.body());
        let added = self.top.len() + self.record_route.len() + self.tail.len() + body.len() + 128;
        let mut buf = BytesMut::with_capacity(self.message.index().fields_end + added);
        self.put_start_line(&mut buf);
        buf.put_slice(&self.top);
        buf.put_slice(&self.record_route);
        let (mut via_seen, mut route_seen, mut hops_seen) = (false, false, false);
        for field in &self.message.index().fields {
            let name =
                super::name::by_id(field.id).unwrap_or_else(|| Name::Other(self.message.text(field.name)));
            let value = self.message.text(field.value);
            if self.is_removed(name) {
                continue;
            }
            match name {
                Name::ContentLength => {}
                Name::Via if !via_seen => {
                    via_seen = true;
                    self.put_first_via(&mut buf, field);
                }
                Name::Route if self.pop_route && !route_seen => {
                    route_seen = true;
                    put_rest(&mut buf, Name::Route, value);
                }
                Name::MaxForwards if self.max_forwards.is_some() => {
                    hops_seen = true;
                    put_field(&mut buf, name, self.max_forwards.unwrap_or_default());
                }
                _ => buf.put_slice(self.message.line(field)),
            }
        }
        if let (Some(hops), false) = (self.max_forwards, hops_seen) {
            put_field(&mut buf, Name::MaxForwards, hops);
        }
        buf.put_slice(&self.tail);
        put_end(&mut buf, body);
        buf.freeze()
    }

    fn put_start_line(&self, buf: &mut BytesMut) {
        match self.message.index().start {
            StartLine::Request { uri, .. } => {
                put(buf, self.message.method());
                buf.put_u8(b' ');
                let uri = self.uri.as_deref().unwrap_or_else(|| self.message.text(uri));
                let _ = write!(UriText(buf), "{uri}");
                buf.put_slice(b" SIP/2.0\r\n");
            }
            StartLine::Response { status, reason } => {
                put(buf, format_args!("SIP/2.0 {status} {}", self.message.text(reason)));
                buf.put_slice(b"\r\n");
            }
        }
    }

    fn put_first_via(&self, buf: &mut BytesMut, field: &Field) {
        let value = self.message.text(field.value);
        if self.pop_via {
            put_rest(buf, Name::Via, value);
        } else if let Some(source) = self.source {
            super::received::put_top_via(buf, value, Some(self.message.via()), source);
        } else {
            buf.put_slice(self.message.line(field));
        }
    }

    fn is_removed(&self, name: Name<'_>) -> bool {
        match name.id() {
            UNKNOWN => self.removed_others.iter().any(|n| n.eq_ignore_ascii_case(name.as_str())),
            id => self.removed & 1_u128.checked_shl(u32::from(id)).unwrap_or(0) != 0,
        }
    }
}

/// Writes a list without its first element; nothing if that was the only one.
fn put_rest(buf: &mut BytesMut, name: Name<'_>, value: &str) {
    let end = lex::list_element_end(value);
    let rest = lex::trim(value.get(end + 1..).unwrap_or_default());
    if !rest.is_empty() {
        put_field(buf, name, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    const REQUEST: &str = "INVITE sip:b@b.example SIP/2.0\r\nvIa :  SIP/2.0/UDP a.example;rport;branch=z9hG4bKa , SIP/2.0/UDP z.example\r\n\
        MAX-FORWARDS: 010\r\nRoute: <sip:p.example;lr>,<sip:q.example;lr>\r\nX-Any:   \"odd, text\r\n  folded\"\r\n\
        f: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\ni: x\r\nCSeq: 1 INVITE\r\nl: 4\r\n\r\nbody";

    fn parsed(bytes: impl Into<Bytes>) -> Message {
        Message::parse(bytes.into(), &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn without_edits_only_the_length_is_rewritten() {
        let message = parsed(REQUEST);
        let expected = text(message.bytes()).replace("l: 4\r\n", "Content-Length: 4\r\n");
        assert_eq!(text(&Forward::new(&message).finish()), expected);
    }

    #[test]
    fn a_proxy_passes_a_request_on() {
        let message = parsed(REQUEST);
        let bytes = Forward::new(&message)
            .request_uri("sip:b@192.0.2.9:5062")
            .received(SocketAddr::from(([192, 0, 2, 1], 5077)))
            .push_via("UDP", "p.example", "z9hG4bKp")
            .push_record_route("<sip:p.example;lr>")
            .pop_route()
            .decrement_max_forwards()
            .finish();
        let expected = "INVITE sip:b@192.0.2.9:5062 SIP/2.0\r\nVia: SIP/2.0/UDP p.example;branch=z9hG4bKp;rport\r\n\
            Record-Route: <sip:p.example;lr>\r\n\
            Via: SIP/2.0/UDP a.example;branch=z9hG4bKa;received=192.0.2.1;rport=5077, SIP/2.0/UDP z.example\r\n\
            Max-Forwards: 9\r\nRoute: <sip:q.example;lr>\r\nX-Any:   \"odd, text    folded\"\r\n\
            f: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\ni: x\r\nCSeq: 1 INVITE\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(text(&bytes), expected);
    }

    #[test]
    fn a_response_loses_its_topmost_via() {
        let response = "SIP/2.0 486 Gerade besetzt\r\nVia: SIP/2.0/UDP p.example;branch=z9hG4bKp\r\nVia: SIP/2.0/UDP a.example, \
            SIP/2.0/UDP z.example\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
        let once = parsed(Forward::new(&parsed(response)).pop_via().finish());
        assert_eq!((once.vias().count(), once.reason()), (2, "Gerade besetzt"));
        let twice = parsed(Forward::new(&once).pop_via().finish());
        assert_eq!(twice.via().host_str(), "z.example");
    }

    #[test]
    fn max_forwards_is_added_where_it_is_missing() {
        let message = parsed(REQUEST.replace("MAX-FORWARDS: 010\r\n", ""));
        assert_eq!(parsed(Forward::new(&message).decrement_max_forwards().finish()).max_forwards(), Some(70));
    }

    #[test]
    fn header_fields_and_bodies_are_replaced() {
        let message = parsed(REQUEST);
        let forward = Forward::new(&message)
            .replace(Name::CSeq, "2 INVITE")
            .remove(Name::Other("x-aNy"))
            .remove(Name::Route)
            .header(Name::Authorization, "Digest x")
            .header(Name::ContentLength, 77);
        let other = parsed(forward.body("text/plain", b"other body").finish());
        assert_eq!(
            (other.cseq().number, other.header(Name::Other("X-Any")), other.routes().count()),
            (2, None, 0)
        );
        assert_eq!((other.body(), other.content_length()), (&b"other body"[..], Some(10)));
        assert_eq!(other.header(Name::Authorization), Some("Digest x"));
    }
}
