//! Building responses from the request they answer.

use super::method::Method;
use super::name::Name;
use super::reason::reason_phrase;
use super::received::put_top_via;
use super::view::Message;
use super::write::{put, put_end, put_field};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::net::SocketAddr;

/// A response being written.
///
/// Copies Via, From, To, Call-ID and CSeq of the request byte for byte (RFC 3261 8.2.6.2), and Record-Route where the response can set up a
/// dialog (12.1.1). Values cannot add header fields, as in [`Request`](super::Request).
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

    /// Where the request came from: adds `received` to the topmost Via if sent-by names another address (RFC 3261 18.2.1), and with the
    /// value of `rport` if that was asked for (RFC 3581 4).
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
        put(&mut buf, format_args!("SIP/2.0 {} ", self.status));
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
                put_field(buf, Name::To, format_args!("{};tag={tag}", self.request.text(field.value)));
            }
            _ => buf.put_slice(self.request.line(field)),
        }
    }

    fn copy_vias(&self, buf: &mut BytesMut) {
        for (n, field) in self.request.fields(Name::Via).enumerate() {
            match self.source {
                Some(source) if n == 0 => put_top_via(buf, self.request.text(field.value), source),
                _ => buf.put_slice(self.request.line(field)),
            }
        }
    }
}
