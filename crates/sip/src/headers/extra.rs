//! Header fields that an application adds to a message.

use crate::cause::lex;
use crate::message::{Message, Name};
use std::fmt::{self, Write};

/// Header fields in one list.
const MOST_FIELDS: usize = 32;
/// Octets of a name.
const LONGEST_NAME: usize = 64;
/// Octets of a value.
const LONGEST_VALUE: usize = 2_048;
/// Octets of all lines.
const MOST_OCTETS: usize = 8_192;

/// Header fields to be added to a request or response: complete lines, which no value can break out of. Where a method of the user
/// agent takes `fields`, give [`as_lines`](Self::as_lines).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraHeaders {
    lines: String,
    count: usize,
}

/// Why a header field cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtraHeaderError {
    /// The name is no token, or too long.
    #[error("a header name is 1 to 64 letters, digits or -.!%*_+`'~; got `{0}`")]
    Name(String),
    /// The header is the stack's own: it is written from what the call is, or it steers the message.
    #[error("the header {0} is written by the stack itself and cannot be added")]
    Reserved(String),
    /// The value has a line end or another control character, or is too long.
    #[error(
        "the value of the header {0} may have no line ends or other control characters, and 2048 octets at the most"
    )]
    Value(String),
    /// There are too many, or they are too long together.
    #[error("no more than 32 headers of 8192 octets together can be added")]
    Full,
}

impl ExtraHeaders {
    /// None.
    pub const fn new() -> Self {
        Self { lines: String::new(), count: 0 }
    }

    /// Adds a header field that somebody asks for.
    ///
    /// # Errors
    /// If its name or value cannot stand in a message, the stack writes it itself, or the list is full. Nothing is added then.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), ExtraHeaderError> {
        let value = value.trim();
        if name.len() > LONGEST_NAME || !lex::is_token(name) {
            return Err(ExtraHeaderError::Name(name.chars().take(LONGEST_NAME).collect()));
        }
        if is_reserved(Name::new(name)) {
            return Err(ExtraHeaderError::Reserved(name.to_owned()));
        }
        if value.len() > LONGEST_VALUE || !lex::is_clean(value) {
            return Err(ExtraHeaderError::Value(name.to_owned()));
        }
        self.add(name, value)
    }

    /// Adds a header field of a kind that this crate reads and writes: [`Replaces`](crate::refer::Replaces),
    /// [`ReferredBy`](crate::refer::ReferredBy), [`Reason`](crate::cause::Reason), [`UserToUser`](crate::cause::UserToUser),
    /// [`SessionId`](super::SessionId) and so on. Control characters in the value become spaces.
    ///
    /// # Errors
    /// If the list is full.
    pub fn push_known(&mut self, name: Name<'_>, value: impl fmt::Display) -> Result<(), ExtraHeaderError> {
        let value: String = value.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if !lex::is_token(name.as_str()) {
            return Err(ExtraHeaderError::Name(name.as_str().chars().take(LONGEST_NAME).collect()));
        }
        self.add(name.as_str(), value.trim())
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), ExtraHeaderError> {
        let more = name.len() + value.len() + 4;
        if self.count >= MOST_FIELDS || self.lines.len() + more > MOST_OCTETS {
            return Err(ExtraHeaderError::Full);
        }
        // Writing to a String cannot fail.
        let _ = write!(self.lines, "{name}: {value}\r\n");
        self.count += 1;
        Ok(())
    }

    /// The header fields of a message that [`push`](Self::push) would take, in their order: what its sender has added. Those that do not
    /// fit are left out.
    pub fn of(message: &Message) -> Self {
        let mut extra = Self::new();
        for (name, value) in message.all() {
            let _ = extra.push(name.as_str(), value);
        }
        extra
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.split_terminator("\r\n").filter_map(|line| line.split_once(": "))
    }

    /// Complete header field lines.
    pub fn as_lines(&self) -> &str {
        &self.lines
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Debug for ExtraHeaders {
    /// Names only: values are personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// Whether the stack writes a header itself, or lets nobody else steer messages by it.
fn is_reserved(name: Name<'_>) -> bool {
    const RESERVED: [Name<'static>; 51] = [
        Name::Accept,
        Name::AcceptEncoding,
        Name::Allow,
        Name::AllowEvents,
        Name::AuthenticationInfo,
        Name::Authorization,
        Name::CallId,
        Name::CSeq,
        Name::Contact,
        Name::ContentDisposition,
        Name::ContentEncoding,
        Name::ContentLength,
        Name::ContentType,
        Name::Event,
        Name::Expires,
        Name::FlowTimer,
        Name::From,
        Name::InfoPackage,
        Name::Join,
        Name::MaxForwards,
        Name::MimeVersion,
        Name::MinExpires,
        Name::MinSe,
        Name::Path,
        Name::ProxyAuthenticate,
        Name::ProxyAuthorization,
        Name::ProxyRequire,
        Name::RAck,
        Name::RSeq,
        Name::RecordRoute,
        Name::RecvInfo,
        Name::ReferSub,
        Name::ReferTo,
        Name::ReferredBy,
        Name::Replaces,
        Name::Require,
        Name::Route,
        Name::SecurityClient,
        Name::SecurityServer,
        Name::SecurityVerify,
        Name::Server,
        Name::ServiceRoute,
        Name::SessionExpires,
        Name::SipEtag,
        Name::SipIfMatch,
        Name::SubscriptionState,
        Name::Supported,
        Name::TargetDialog,
        Name::Timestamp,
        Name::To,
        Name::Unsupported,
    ];
    RESERVED.contains(&name) || matches!(name, Name::UserAgent | Name::Via | Name::WwwAuthenticate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Limits, Method, Request};

    #[test]
    fn headers_become_lines() {
        let mut extra = ExtraHeaders::new();
        extra.push("X-Customer", " 4711 \t").unwrap();
        extra.push("Subject", "Grüße; \"x\"").unwrap();
        extra.push_known(Name::Replaces, "c;to-tag=1;from-tag=2\r\nX: y").unwrap();
        assert_eq!(
            extra.as_lines(),
            "X-Customer: 4711\r\nSubject: Grüße; \"x\"\r\nReplaces: c;to-tag=1;from-tag=2  X: y\r\n"
        );
        let all: Vec<_> = extra.iter().map(|(name, _)| name).collect();
        assert_eq!(all, ["X-Customer", "Subject", "Replaces"]);
        assert!(!format!("{extra:?}").contains("4711"));
    }

    #[test]
    fn what_could_do_harm_is_refused() {
        let mut extra = ExtraHeaders::new();
        for name in ["", "a b", "a:", "a\r\n", "ü", &"a".repeat(65)] {
            assert!(matches!(extra.push(name, "x"), Err(ExtraHeaderError::Name(_))), "{name}");
        }
        for name in ["Via", "v", "CALL-ID", "i", "Content-length", "Route", "Contact", "m", "replaces", "k"] {
            assert!(matches!(extra.push(name, "x"), Err(ExtraHeaderError::Reserved(_))), "{name}");
        }
        for value in ["a\r\nVia: x", "a\nb", "a\0b", "\u{7f}", &"a".repeat(2_049)] {
            assert!(matches!(extra.push("X-A", value), Err(ExtraHeaderError::Value(_))), "{value}");
        }
        assert!(extra.is_empty() && extra.as_lines().is_empty());
        for _ in 0..MOST_FIELDS {
            extra.push("X-A", "").unwrap();
        }
        assert_eq!(extra.push("X-A", ""), Err(ExtraHeaderError::Full));
        let mut extra = ExtraHeaders::new();
        let long = "a".repeat(2_000);
        assert_eq!((0..9).filter(|_| extra.push("X-A", &long).is_ok()).count(), 4);
    }

    #[test]
    fn what_the_sender_added_is_read() {
        let request = Request::new(Method::Invite, "sip:b@b.com")
            .via("UDP", "b.com", "z9hG4bK1")
            .header(Name::From, "<sip:a@a.com>;tag=1")
            .header(Name::To, "<sip:b@b.com>")
            .call_id("c")
            .cseq(1, Method::Invite)
            .header(Name::Subject, "Lunch")
            .header_raw("X-Customer", "4711");
        let message = Message::parse(request.finish(), &Limits::default()).unwrap();
        assert_eq!(ExtraHeaders::of(&message).as_lines(), "Subject: Lunch\r\nX-Customer: 4711\r\n");
    }
}
