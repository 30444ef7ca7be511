//! Conversions to and from the types of the `rsip` crate, for code that speaks its vocabulary.
//!
//! What `rsip` 0.4 has no words for is an [`Inexpressible`]: extension methods, `tel` URIs, headers in URIs. From
//! `rsip` types the conversions write text, which is then parsed as if it had come from the network.

use crate::message::lex::Elements;
use crate::message::write;
use crate::message::{Host, Message, Method, Name, Scheme, Uri, reason_phrase};
use ::rsip::headers::{Header, Headers, UntypedHeader};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt::Write;
use std::net::IpAddr;

/// What the other side has no words for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inexpressible {
    /// `rsip` knows a closed set of methods.
    #[error("expected one of rsip's methods, got `{0}`")]
    Method(String),
    /// `rsip` writes every scheme but `sip` and `sips` with `//`.
    #[error("expected a sip or sips URI, got the scheme `{0}`")]
    Scheme(String),
    /// `rsip` keeps no headers of URIs.
    #[error("expected a URI without headers, got `?{0}`")]
    UriHeaders(String),
    /// The `rsip` value is no SIP: it was put together from parts that do not fit.
    #[error("expected a well-formed rsip value: {0}")]
    Malformed(String),
}

macro_rules! methods {
    ($($ours:ident = $theirs:ident,)*) => {
        impl TryFrom<Method<'_>> for ::rsip::Method {
            type Error = Inexpressible;

            fn try_from(method: Method<'_>) -> Result<Self, Inexpressible> {
                match method {
                    $(Method::$ours => Ok(Self::$theirs),)*
                    Method::Other(name) => Err(Inexpressible::Method(name.to_owned())),
                }
            }
        }

        impl From<::rsip::Method> for Method<'static> {
            fn from(method: ::rsip::Method) -> Self {
                match method {
                    $(::rsip::Method::$theirs => Self::$ours,)*
                }
            }
        }
    };
}

methods! {
    Invite = Invite, Ack = Ack, Bye = Bye, Cancel = Cancel, Register = Register, Options = Options, Refer = Refer,
    Notify = Notify, Subscribe = Subscribe, Info = Info, Update = Update, Prack = PRack, Message = Message,
    Publish = Publish,
}

impl TryFrom<Uri<'_>> for ::rsip::Uri {
    type Error = Inexpressible;

    fn try_from(uri: Uri<'_>) -> Result<Self, Inexpressible> {
        let scheme = match uri.scheme() {
            Scheme::Sip => ::rsip::Scheme::Sip,
            Scheme::Sips => ::rsip::Scheme::Sips,
            other @ (Scheme::Tel | Scheme::Other(_)) => {
                return Err(Inexpressible::Scheme(other.as_str().to_owned()));
            }
        };
        if let Some(headers) = uri.headers() {
            return Err(Inexpressible::UriHeaders(headers.to_owned()));
        }
        let host = match uri.host() {
            Some(Host::Name(name)) => ::rsip::Host::Domain(name.into()),
            Some(Host::V4(address)) => ::rsip::Host::IpAddr(address.into()),
            Some(Host::V6(address)) => ::rsip::Host::IpAddr(address.into()),
            None => return Err(Inexpressible::Malformed(uri.as_str().to_owned())),
        };
        Ok(Self {
            scheme: Some(scheme),
            auth: uri.user().map(|user| ::rsip::Auth {
                user: user.to_owned(),
                password: uri.password().map(ToOwned::to_owned),
            }),
            host_with_port: ::rsip::HostWithPort { host, port: uri.port().map(Into::into) },
            params: uri.params().iter().map(|(name, value)| param(name, value)).collect(),
            headers: Vec::new(),
        })
    }
}

/// A parameter as `rsip` types it, or untyped where its type has no room for the value.
fn param(name: &str, value: Option<&str>) -> ::rsip::Param {
    ::rsip::Param::try_from((name, value))
        .unwrap_or_else(|_| ::rsip::Param::Other(name.into(), value.map(Into::into)))
}

/// The text of an `rsip` URI, with the brackets that `rsip` leaves out around IPv6 addresses; for [`Uri::parse`].
///
/// # Errors
/// If it is no URI: a scheme other than `sip` and `sips`, or parts that do not fit.
pub fn uri_text(uri: &::rsip::Uri) -> Result<String, Inexpressible> {
    let scheme = match &uri.scheme {
        Some(::rsip::Scheme::Sip) | None => "sip",
        Some(::rsip::Scheme::Sips) => "sips",
        Some(::rsip::Scheme::Other(other)) => return Err(Inexpressible::Scheme(other.clone())),
    };
    let mut text = format!("{scheme}:");
    let mut put = |part: std::fmt::Arguments<'_>| {
        let _ = text.write_fmt(part);
    };
    if let Some(auth) = &uri.auth {
        put(format_args!("{auth}@"));
    }
    match &uri.host_with_port.host {
        ::rsip::Host::IpAddr(IpAddr::V6(address)) => put(format_args!("[{address}]")),
        host => put(format_args!("{host}")),
    }
    if let Some(port) = &uri.host_with_port.port {
        put(format_args!(":{port}"));
    }
    for param in &uri.params {
        put(format_args!("{param}"));
    }
    match Uri::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Inexpressible::Malformed(error.to_string())),
    }
}

macro_rules! headers {
    ($($name:ident,)*) => {
        /// One header field as `rsip` types it.
        fn header(name: Name<'_>, value: &str) -> Header {
            match name {
                $(Name::$name => Header::$name(::rsip::headers::$name::new(value)),)*
                other => Header::Other(other.as_str().to_owned(), value.to_owned()),
            }
        }
    };
}

headers! {
    Accept, AcceptEncoding, AcceptLanguage, AlertInfo, Allow, AuthenticationInfo, Authorization, CSeq, CallId, CallInfo,
    Contact, ContentDisposition, ContentEncoding, ContentLanguage, ContentLength, ContentType, Date, ErrorInfo, Event,
    Expires, From, InReplyTo, MaxForwards, MimeVersion, MinExpires, Organization, Priority, ProxyAuthenticate,
    ProxyAuthorization, ProxyRequire, RecordRoute, ReplyTo, Require, RetryAfter, Route, Server, Subject,
    SubscriptionState, Supported, Timestamp, To, Unsupported, UserAgent, Via, Warning, WwwAuthenticate,
}

/// Header fields that `rsip` reads the first value of only: each value becomes a field of its own.
fn is_split(name: Name<'_>) -> bool {
    matches!(name, Name::Via | Name::Contact | Name::Route | Name::RecordRoute)
}

fn headers(message: &Message) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in message.all() {
        if is_split(name) {
            Elements::new(value, true).for_each(|value| headers.push(header(name, value)));
        } else {
            headers.push(header(name, value));
        }
    }
    headers
}

impl TryFrom<&Message> for ::rsip::SipMessage {
    type Error = Inexpressible;

    fn try_from(message: &Message) -> Result<Self, Inexpressible> {
        let headers = headers(message);
        let body = message.body().to_vec();
        let version = ::rsip::Version::V2;
        match message.status() {
            None => {
                let method = message.method().try_into()?;
                let uri = message.uri().map_err(|e| Inexpressible::Malformed(e.to_string()))?.try_into()?;
                Ok(::rsip::Request { method, uri, version, headers, body }.into())
            }
            Some(status) => {
                let status_code = match ::rsip::StatusCode::from(status) {
                    ::rsip::StatusCode::Other(code, _) => {
                        ::rsip::StatusCode::Other(code, message.reason().to_owned())
                    }
                    known => known,
                };
                Ok(::rsip::Response { status_code, version, headers, body }.into())
            }
        }
    }
}

/// The octets of an `rsip` message; for [`Message::parse`]. Content-Length is computed, bodies are kept octet for
/// octet (`rsip` prints them as text).
///
/// # Errors
/// If the Request-URI is none.
pub fn message_bytes(message: &::rsip::SipMessage) -> Result<Bytes, Inexpressible> {
    let mut buf = BytesMut::with_capacity(1_024);
    let headers = match message {
        ::rsip::SipMessage::Request(request) => {
            write::put(&mut buf, format_args!("{} {} SIP/2.0", request.method, uri_text(&request.uri)?));
            &request.headers
        }
        ::rsip::SipMessage::Response(response) => {
            let status = response.status_code.code();
            let reason = match &response.status_code {
                ::rsip::StatusCode::Other(_, reason) => reason,
                _ => reason_phrase(status),
            };
            write::put(&mut buf, format_args!("SIP/2.0 {status} {reason}"));
            &response.headers
        }
    };
    buf.put_slice(b"\r\n");
    for header in headers.iter().filter(|header| !matches!(header, Header::ContentLength(_))) {
        write::put(&mut buf, header);
        buf.put_slice(b"\r\n");
    }
    write::put_end(&mut buf, message.body());
    Ok(buf.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    fn parsed(bytes: &[u8]) -> Message {
        match Message::parse(Bytes::copy_from_slice(bytes), &Limits::default()) {
            Ok(message) => message,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(bytes)),
        }
    }

    const INVITE: &[u8] = b"INVITE sip:bob:pw@[2001:db8::9]:5070;transport=tcp;lr;ob SIP/2.0\r\n\
        v: SIP/2.0/UDP a.example;branch=z9hG4bK1, SIP/2.0/TCP b.example;branch=z9hG4bK2\r\n\
        f: \"A, B\" <sip:a@a.example>;tag=1\r\nt: <sip:bob@b.example>\r\ni: x@y\r\nCSeq: 7 INVITE\r\n\
        X-Any: thing\r\nc: application/octet-stream\r\nl: 3\r\n\r\n\x00\xff\n";

    #[test]
    fn a_message_survives_the_way_there_and_back() {
        let ours = parsed(INVITE);
        let theirs = ::rsip::SipMessage::try_from(&ours);
        let back = parsed(&theirs.and_then(|m| message_bytes(&m)).unwrap_or_default());
        assert_eq!(back.method(), ours.method());
        assert!(back.uri().is_ok_and(|uri| ours.uri().is_ok_and(|other| uri.equivalent(&other))));
        assert_eq!(back.vias().count(), 2);
        assert_eq!(back.from().to_string(), ours.from().to_string());
        assert_eq!((back.call_id(), back.cseq()), (ours.call_id(), ours.cseq()));
        assert_eq!(back.header(Name::Other("x-any")), Some("thing"));
        assert_eq!(back.body(), ours.body());
    }

    #[test]
    fn what_rsip_cannot_say_is_an_error() {
        for uri in ["tel:+1", "urn:service:sos", "sip:a@b.example?X=y"] {
            assert!(Uri::parse(uri).is_ok_and(|uri| ::rsip::Uri::try_from(uri).is_err()), "{uri}");
        }
        assert!(::rsip::Method::try_from(Method::Other("FOO")).is_err());
    }

    #[test]
    fn every_rsip_method_is_ours() {
        for method in ::rsip::Method::all() {
            assert_eq!(::rsip::Method::try_from(Method::from(method)), Ok(method));
            assert_eq!(Method::new(&method.to_string()), Method::from(method));
        }
    }
}
