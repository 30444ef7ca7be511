//! Building responses from the request they answer.

use super::method::Method;
use super::name::Name;
use super::reason::reason_phrase;
use super::received::put_top_via;
use super::short::Short;
use super::view::Message;
use super::write::{put, put_end, put_field};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::net::SocketAddr;

/// A response being written.
///
/// Copies Via, From, To, Call-ID and CSeq of the request byte for byte (RFC 3261 8.2.6.2), and Record-Route where
/// the response can set up a dialog (12.1.1). Values cannot add header fields, as in [`Request`](super::Request).
#[derive(Debug)]
pub struct Response<'m, 'b> {
    request: &'m Message,
    status: u16,
    reason: Option<&'m str>,
    to_tag: Option<&'m str>,
    source: Option<SocketAddr>,
    fields: BytesMut,
    body: &'b [u8],
}

impl<'m, 'b> Response<'m, 'b> {
    /// Answers `request` with a status from 100 to 699.
    pub fn to(request: &'m Message, status: u16) -> Self {
        debug_assert!((100..700).contains(&status), "no status code: {status}");
        Self { request, status, reason: None, to_tag: None, source: None, fields: BytesMut::new(), body: &[] }
    }

    /// Another reason phrase than that of [`reason_phrase`].
    pub fn reason(mut self, reason: &'m str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The tag for To, added if To has none and the status is above 100.
    pub fn to_tag(mut self, tag: &'m str) -> Self {
        self.to_tag = Some(tag);
        self
    }

    /// Where the request came from: adds `received` to the topmost Via if sent-by names another address (RFC 3261
    /// 18.2.1), and with the value of `rport` if that was asked for (RFC 3581 4).
    pub fn received(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Adds a header field. Content-Length is left out: it is computed.
    pub fn header(mut self, name: Name<'_>, value: impl fmt::Display) -> Self {
        if name != Name::ContentLength {
            put_field(&mut self.fields, name, value);
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

    /// Sets the body and writes its Content-Type.
    pub fn body<'c>(self, content_type: &str, body: &'c [u8]) -> Response<'m, 'c> {
        let Self { request, status, reason, to_tag, source, fields, .. } =
            self.header(Name::ContentType, content_type);
        Response { request, status, reason, to_tag, source, fields, body }
    }

    /// Writes everything.
    pub fn finish(self) -> Bytes {
        let head = self.request.index().fields_end;
        let mut buf = BytesMut::with_capacity(head + self.fields.len() + self.body.len() + 192);
        buf.put_slice(b"SIP/2.0 ");
        buf.put_slice(Short::decimal(self.status.into()).as_bytes());
        buf.put_slice(b" ");
        put(&mut buf, self.reason.unwrap_or_else(|| reason_phrase(self.status)));
        buf.put_slice(b"\r\n");
        self.copy_vias(&mut buf);
        if self.sets_up_dialog() {
            self.copy(&mut buf, Name::RecordRoute);
        }
        self.copy(&mut buf, Name::From);
        self.copy_to(&mut buf);
        self.copy(&mut buf, Name::CallId);
        self.copy(&mut buf, Name::CSeq);
        if self.status == 100 {
            // RFC 3261 8.2.6.1: Timestamp goes into 100.
            self.copy(&mut buf, Name::Timestamp);
        }
        buf.put_slice(&self.fields);
        put_end(&mut buf, self.body);
        buf.freeze()
    }

    /// RFC 3261 12.1.1; also for NOTIFY and SUBSCRIBE (RFC 6665) and REFER (RFC 3515).
    fn sets_up_dialog(&self) -> bool {
        let method = self.request.method();
        matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
            && (101..300).contains(&self.status)
    }

    fn copy(&self, buf: &mut BytesMut, name: Name<'_>) {
        for field in self.request.fields(name) {
            buf.put_slice(self.request.line(field));
        }
    }

    fn copy_to(&self, buf: &mut BytesMut) {
        let Some(field) = self.request.fields(Name::To).next() else { return };
        match self.to_tag {
            Some(tag) if self.status > 100 && self.request.to_tag().is_none() => {
                buf.put_slice(b"To: ");
                buf.put_slice(self.request.text(field.value).as_bytes());
                buf.put_slice(b";tag=");
                put(buf, tag);
                buf.put_slice(b"\r\n");
            }
            _ => buf.put_slice(self.request.line(field)),
        }
    }

    fn copy_vias(&self, buf: &mut BytesMut) {
        for (n, field) in self.request.fields(Name::Via).enumerate() {
            match self.source {
                Some(source) if n == 0 => {
                    put_top_via(buf, self.request.text(field.value), Some(self.request.via()), source);
                }
                _ => buf.put_slice(self.request.line(field)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    const INVITE: &str = "INVITE sip:b@b.example SIP/2.0\r\nv:  SIP/2.0/UDP p.example;branch=z9hG4bKp, SIP/2.0/UDP a.example\r\n\
        Via: SIP/2.0/TCP c.example\r\nRecord-Route: <sip:p.example;lr>\r\nFrom: <sip:a@a.example>;tag=1\r\nt: <sip:b@b.example>\r\n\
        Call-ID: x\r\nCSeq: 1 INVITE\r\nTimestamp: 54\r\n\r\n";

    fn parsed(bytes: impl Into<Bytes>) -> Message {
        Message::parse(bytes.into(), &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn what_is_copied_stays_byte_for_byte() {
        let bytes = Response::to(&parsed(INVITE), 200).to_tag("9").body("text/plain", b"hi").finish();
        let expected = "SIP/2.0 200 OK\r\nv:  SIP/2.0/UDP p.example;branch=z9hG4bKp, SIP/2.0/UDP a.example\r\n\
            Via: SIP/2.0/TCP c.example\r\nRecord-Route: <sip:p.example;lr>\r\nFrom: <sip:a@a.example>;tag=1\r\n\
            To: <sip:b@b.example>;tag=9\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Type: text/plain\r\n\
            Content-Length: 2\r\n\r\nhi";
        assert_eq!(text(&bytes), expected);
    }

    #[test]
    fn trying_has_no_tag_and_returns_the_timestamp() {
        let bytes = Response::to(&parsed(INVITE), 100).to_tag("9").finish();
        assert!(
            text(&bytes).contains("\r\nt: <sip:b@b.example>\r\n")
                && text(&bytes).contains("Timestamp: 54\r\n")
        );
        assert!(!text(&bytes).contains("Record-Route"));
    }

    #[test]
    fn a_tag_that_stands_is_kept() {
        let request = INVITE.replace("t: <sip:b@b.example>", "To: <sip:b@b.example>;tag=old");
        assert_eq!(parsed(Response::to(&parsed(request), 486).to_tag("new").finish()).to_tag(), Some("old"));
    }

    #[test]
    fn failures_carry_no_route() {
        assert_eq!(
            parsed(Response::to(&parsed(INVITE), 404).to_tag("9").finish()).record_routes().count(),
            0
        );
        let options = INVITE.replace("INVITE", "OPTIONS");
        assert_eq!(
            parsed(Response::to(&parsed(options), 200).to_tag("9").finish()).record_routes().count(),
            0
        );
    }

    #[test]
    fn the_source_is_noted_in_the_topmost_via() {
        let source = SocketAddr::from(([192, 0, 2, 1], 5077));
        let via = |via: &str| {
            let request = INVITE.replace("SIP/2.0/UDP p.example;branch=z9hG4bKp", via);
            let bytes = Response::to(&parsed(request), 180).received(source).finish();
            let line = text(&bytes).lines().nth(1).map(str::to_owned);
            line.unwrap_or_default().split(',').next().unwrap_or_default().to_owned()
        };
        // RFC 3261 18.2.1: another host, the same host.
        assert_eq!(
            via("SIP/2.0/UDP p.example;branch=z9"),
            "Via: SIP/2.0/UDP p.example;branch=z9;received=192.0.2.1"
        );
        assert_eq!(via("SIP/2.0/UDP 192.0.2.1:9;branch=z9"), "Via: SIP/2.0/UDP 192.0.2.1:9;branch=z9");
        // RFC 3581 4: both, wherever the request came from.
        let filled = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9;received=192.0.2.1;rport=5077";
        assert_eq!(via("SIP/2.0/UDP 192.0.2.1;rport;branch=z9"), filled);
        // What the sender claims is replaced.
        assert_eq!(via("SIP/2.0/UDP 192.0.2.1;rport=1;received=10.0.0.1;branch=z9"), filled);
    }

    #[test]
    fn ipv6_sources_are_written_bare() {
        let source = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 5060));
        let response = parsed(Response::to(&parsed(INVITE), 180).received(source).finish());
        assert_eq!(response.via().received(), Some(source.ip()));
        assert!(text(response.bytes()).contains(";received=2001:db8::1"));
    }

    #[test]
    fn values_cannot_add_header_fields() {
        let bytes = Response::to(&parsed(INVITE), 302)
            .reason("Moved\r\nX-Evil: 1")
            .header(Name::Contact, "<sip:a@a.example>\r\nX-Evil: 2")
            .header_raw("X\r\nX-Evil: 3", "4\r\n\r\nbody")
            .to_tag("t\r\nX-Evil: 5")
            .header(Name::ContentLength, 99)
            .finish();
        assert!(
            text(&bytes).split(['\r', '\n']).all(|line| !line.starts_with("X-Evil: ")),
            "{}",
            text(&bytes)
        );
        assert!(text(&bytes).ends_with("\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(text(&bytes).matches("\r\n\r\n").count(), 1);
    }
}
