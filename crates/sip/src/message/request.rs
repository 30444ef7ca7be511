//! Building requests: new ones, and those that follow from an INVITE (ACK, CANCEL).

use super::method::Method;
use super::name::Name;
use super::view::Message;
use super::write::{UriText, put_end, put_field, put_name};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt::{self, Write};

/// A request being written.
///
/// Header fields appear in the order of the calls. Content-Length is computed and written by
/// [`finish`](Self::finish). Carriage returns, line feeds and NULs in values become spaces: no value can add header
/// fields.
#[derive(Debug)]
pub struct Request<'b> {
    buf: BytesMut,
    body: &'b [u8],
}

impl<'b> Request<'b> {
    /// Writes the request line. Octets that may not stand in a method become `-`, white space in `uri` is escaped;
    /// nothing else about them is checked.
    pub fn new(method: Method<'_>, uri: impl fmt::Display) -> Self {
        let mut buf = BytesMut::with_capacity(1_024);
        put_name(&mut buf, method.as_str());
        buf.put_u8(b' ');
        let _ = write!(UriText(&mut buf), "{uri}");
        buf.put_slice(b" SIP/2.0\r\n");
        Self { buf, body: &[] }
    }

    /// Adds a Via with `rport` (RFC 3581): `transport` as in
    /// [`Transport::via_name`](hookswitch_machine::Transport::via_name), `sent_by` a host with or without port,
    /// `branch` complete with the magic cookie.
    pub fn via(self, transport: &str, sent_by: impl fmt::Display, branch: impl fmt::Display) -> Self {
        self.header(Name::Via, format_args!("SIP/2.0/{transport} {sent_by};branch={branch};rport"))
    }

    /// Adds Max-Forwards.
    pub fn max_forwards(self, hops: u8) -> Self {
        self.header(Name::MaxForwards, hops)
    }

    /// Adds Call-ID.
    pub fn call_id(self, call_id: impl fmt::Display) -> Self {
        self.header(Name::CallId, call_id)
    }

    /// Adds CSeq.
    pub fn cseq(self, number: u32, method: Method<'_>) -> Self {
        self.header(Name::CSeq, format_args!("{number} {method}"))
    }

    /// Adds a header field. Content-Length is left out: it is computed.
    pub fn header(mut self, name: Name<'_>, value: impl fmt::Display) -> Self {
        if name != Name::ContentLength {
            put_field(&mut self.buf, name, value);
        }
        self
    }

    /// As [`header`](Self::header), if there is a value.
    pub fn header_if(self, name: Name<'_>, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Adds a header field by its name as it shall be written. Octets that may not stand in a name become `-`.
    pub fn header_raw(self, name: &str, value: impl fmt::Display) -> Self {
        self.header(Name::Other(name), value)
    }

    /// Adds header field lines that were written by one of the builders' kin, complete with their line ends.
    pub(crate) fn lines(mut self, lines: &str) -> Self {
        self.buf.put_slice(lines.as_bytes());
        self
    }

    /// Sets the body and writes its Content-Type.
    pub fn body<'c>(self, content_type: &str, body: &'c [u8]) -> Request<'c> {
        let Self { buf, .. } = self.header(Name::ContentType, content_type);
        Request { buf, body }
    }

    /// Writes Content-Length and the body.
    pub fn finish(mut self) -> Bytes {
        put_end(&mut self.buf, self.body);
        self.buf.freeze()
    }

    /// The ACK that a client transaction sends for a final response other than 2xx (RFC 3261 17.1.1.3). Header
    /// fields may be added.
    pub fn ack(invite: &Message, response: &Message) -> Self {
        let to = response.header(Name::To).unwrap_or_default();
        Self::following(invite, Method::Ack, to)
    }

    /// The CANCEL of a request (RFC 3261 9.1). Header fields may be added, Reason (RFC 3326) for example.
    pub fn cancel(invite: &Message) -> Self {
        Self::following(invite, Method::Cancel, invite.header(Name::To).unwrap_or_default())
    }

    fn following(invite: &Message, method: Method<'_>, to: &str) -> Self {
        let via = invite.headers(Name::Via).next().unwrap_or_default();
        let from = invite.header(Name::From).unwrap_or_default();
        let mut request = Self::new(method, invite.request_uri().unwrap_or_default())
            .header(Name::Via, via)
            .max_forwards(70)
            .header(Name::From, from)
            .header(Name::To, to)
            .call_id(invite.call_id())
            .cseq(invite.cseq().number, method);
        for route in invite.fields(Name::Route) {
            request = request.header(Name::Route, invite.text(route.value));
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Limits, Response};

    fn parsed(bytes: impl Into<Bytes>) -> Message {
        Message::parse(bytes.into(), &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn invite() -> Message {
        let request = Request::new(Method::Invite, "sip:b@b.example;user=phone")
            .via("UDP", "192.0.2.1:5060", "z9hG4bK1")
            .max_forwards(9)
            .header(Name::Route, "<sip:p1.example;lr>, <sip:p2.example;lr>")
            .header(Name::Route, "<sip:p3.example;lr>")
            .header(Name::From, "\"A, B\" <sip:a@a.example>;tag=1")
            .header(Name::To, "<sip:b@b.example>")
            .call_id("x@y")
            .cseq(7, Method::Invite)
            .header_if(Name::Subject, None::<&str>)
            .header_if(Name::Expires, Some(180));
        parsed(request.body("application/sdp", b"v=0\r\n").finish())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let expected = "INVITE sip:b@b.example;user=phone SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 9\r\n\
            Route: <sip:p1.example;lr>, <sip:p2.example;lr>\r\nRoute: <sip:p3.example;lr>\r\n\
            From: \"A, B\" <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: x@y\r\nCSeq: 7 INVITE\r\n\
            Expires: 180\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";
        assert_eq!(invite().bytes(), expected.as_bytes());
    }

    #[test]
    fn ack_follows_the_invite_and_the_tag_of_the_response() {
        let invite = invite();
        let response = parsed(Response::to(&invite, 486).to_tag("9").finish());
        let expected = "ACK sip:b@b.example;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
            Max-Forwards: 70\r\nFrom: \"A, B\" <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=9\r\nCall-ID: x@y\r\n\
            CSeq: 7 ACK\r\nRoute: <sip:p1.example;lr>, <sip:p2.example;lr>\r\nRoute: <sip:p3.example;lr>\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(Request::ack(&invite, &response).finish(), expected.as_bytes());
    }

    #[test]
    fn cancel_matches_the_invite_and_may_say_why() {
        let invite = invite();
        let cancel = parsed(Request::cancel(&invite).header(Name::Reason, "SIP;cause=200").finish());
        assert_eq!((cancel.method(), cancel.request_uri()), (Method::Cancel, invite.request_uri()));
        assert_eq!((cancel.branch(), cancel.cseq().number), (invite.branch(), 7));
        assert_eq!((cancel.to_tag(), cancel.routes().count(), cancel.vias().count()), (None, 3, 1));
        assert_eq!(cancel.header(Name::Reason), Some("SIP;cause=200"));
    }

    #[test]
    fn the_request_line_cannot_be_broken_out_of() {
        let request = Request::new(Method::Other("A B\r\nX:"), "sip:b@b.example SIP/2.0\r\nX-Evil: 1\r\n")
            .via("UDP\r\nX-Evil: 2", "a.example", "z9hG4bK1")
            .finish();
        let text = String::from_utf8_lossy(&request);
        assert!(
            text.starts_with("A-B--X- sip:b@b.example%20SIP/2.0%0D%0AX-Evil:%201%0D%0A SIP/2.0\r\n"),
            "{text}"
        );
        assert_eq!(text.matches("\r\n").count(), 4, "{text}");
    }
}
