//! Writing into one buffer: lines that cannot be broken out of.

use super::lex;
use super::name::Name;
use super::short::Short;
use bytes::{BufMut, BytesMut};
use std::fmt::{self, Write};

/// Text for the head of a message. Carriage returns, line feeds and NULs become spaces, so no value can add header
/// fields.
pub(crate) struct HeadText<'a>(pub(crate) &'a mut BytesMut);

impl Write for HeadText<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut rest = s.as_bytes();
        while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
            self.0.put_slice(rest.get(..at).unwrap_or_default());
            self.0.put_u8(b' ');
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        self.0.put_slice(rest);
        Ok(())
    }
}

/// Text for a Request-URI: what would end it (white space, controls) is escaped.
pub(crate) struct UriText<'a>(pub(crate) &'a mut BytesMut);

impl Write for UriText<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for c in s.bytes() {
            if c <= b' ' || c == 0x7f {
                write!(HeadText(self.0), "%{c:02X}")?;
            } else {
                self.0.put_u8(c);
            }
        }
        Ok(())
    }
}

/// Writes text; `BytesMut` grows, so this fails only if `value` itself does, and then the text ends there.
pub(crate) fn put(buf: &mut BytesMut, value: impl fmt::Display) {
    let _ = write!(HeadText(buf), "{value}");
}

/// Writes `Name: value` and the line end.
pub(crate) fn put_field(buf: &mut BytesMut, name: Name<'_>, value: impl fmt::Display) {
    if buf.capacity() == 0 {
        buf.reserve(256);
    }
    match name {
        Name::Other(name) => put_name(buf, name),
        known => buf.put_slice(known.as_str().as_bytes()),
    }
    buf.put_slice(b": ");
    put(buf, value);
    buf.put_slice(b"\r\n");
}

/// A name that is no token would be refused everywhere: octets that may not stand in one become `-`.
pub(crate) fn put_name(buf: &mut BytesMut, name: &str) {
    for c in name.bytes() {
        buf.put_u8(if lex::is_token_byte(c) { c } else { b'-' });
    }
    if name.is_empty() {
        buf.put_u8(b'-');
    }
}

/// Writes Content-Length, the empty line and the body.
pub(crate) fn put_end(buf: &mut BytesMut, body: &[u8]) {
    buf.put_slice(b"Content-Length: ");
    buf.put_slice(Short::decimal(body.len() as u64).as_bytes());
    buf.put_slice(b"\r\n\r\n");
    buf.put_slice(body);
}
