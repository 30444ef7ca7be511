//! Noting in the topmost Via where a request came from (RFC 3261 18.2.1, RFC 3581 4).

use super::lex;
use super::short::Short;
use super::via::Via;
use super::write::put;
use bytes::{BufMut, BytesMut};
use std::net::SocketAddr;

/// Writes a Via line with `received` and `rport` in its first value. That is `via`, unless it is not readable to the
/// end (only in answers to malformed requests): then it is echoed as it came.
pub(crate) fn put_top_via(buf: &mut BytesMut, value: &str, via: Option<Via<'_>>, source: SocketAddr) {
    let end = lex::list_element_end(value);
    let (top, others) = value.split_at_checked(end).unwrap_or((value, ""));
    let top = lex::trim(top);
    buf.put_slice(b"Via: ");
    match via {
        Some(via) => put_marked(buf, top, &via, source),
        None => buf.put_slice(top.as_bytes()),
    }
    buf.put_slice(others.as_bytes());
    buf.put_slice(b"\r\n");
}

fn put_marked(buf: &mut BytesMut, top: &str, via: &Via<'_>, source: SocketAddr) {
    let source_ip = source.ip().to_canonical();
    let wants_port = via.rport().is_some();
    let same_host = via.host().ip() == Some(source_ip);
    let params = via.params();
    let sent_by = top.strip_suffix(params.as_str()).unwrap_or(top);
    buf.put_slice(sent_by.as_bytes());
    for (name, value) in params {
        // What the sender wrote there is not believed.
        if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
            continue;
        }
        buf.put_slice(b";");
        buf.put_slice(name.as_bytes());
        if let Some(value) = value {
            buf.put_slice(b"=");
            buf.put_slice(value.as_bytes());
        }
    }
    if wants_port || !same_host {
        buf.put_slice(b";received=");
        match Short::ip(source_ip) {
            Some(ip) => buf.put_slice(ip.as_bytes()),
            None => put(buf, source_ip),
        }
    }
    if wants_port {
        buf.put_slice(b";rport=");
        buf.put_slice(Short::decimal(source.port().into()).as_bytes());
    }
}
