//! The Reason header (RFC 3326).

use super::lex;
use crate::message::{Message, Name};
use std::borrow::Cow;
use std::fmt;

/// Whose causes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol<'a> {
    /// `SIP`: the cause is a status.
    Sip,
    /// `Q.850`: the cause is one of ISDN (ITU-T Q.850).
    Q850,
    /// Any other.
    Other(&'a str),
}

/// Why a request was sent: with a BYE or CANCEL, why the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// Whose cause it is.
    pub protocol: Protocol<'a>,
    /// The cause.
    pub cause: Option<u16>,
    /// The cause in words.
    pub text: Option<Cow<'a, str>>,
}

impl<'a> Reason<'a> {
    /// `SIP;cause=`: a status, with its usual words.
    pub const fn sip(status: u16) -> Self {
        let text = Some(Cow::Borrowed(crate::message::reason_phrase(status)));
        Self { protocol: Protocol::Sip, cause: Some(status), text }
    }

    /// `Q.850;cause=`: an ISDN cause, 16 for a call that ended normally.
    pub const fn q850(cause: u16) -> Self {
        Self { protocol: Protocol::Q850, cause: Some(cause), text: None }
    }

    /// Reads one value; `None` if it does not begin with a protocol.
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut parts = lex::split(value, b';');
        let protocol = parts.next().filter(|p| lex::is_token(p))?;
        let protocol = if protocol.eq_ignore_ascii_case("SIP") {
            Protocol::Sip
        } else if protocol.eq_ignore_ascii_case("Q.850") {
            Protocol::Q850
        } else {
            Protocol::Other(protocol)
        };
        let mut reason = Self { protocol, cause: None, text: None };
        for (name, value) in parts.map(lex::parameter) {
            let value = value.unwrap_or("");
            if name.eq_ignore_ascii_case("cause") {
                reason.cause = lex::without_quotes(value).parse().ok();
            } else if name.eq_ignore_ascii_case("text") {
                reason.text = Some(lex::unquote(value));
            }
        }
        Some(reason)
    }

    /// The reasons of a message; those that cannot be read are left out.
    pub fn all(message: &'a Message) -> impl Iterator<Item = Self> {
        message.headers(Name::Reason).filter_map(Self::parse)
    }

    /// Whether a CANCEL or BYE says that another branch took the call (RFC 3326 2: `SIP;cause=200`).
    pub fn is_answered_elsewhere(message: &Message) -> bool {
        Reason::all(message).any(|r| r.protocol == Protocol::Sip && r.cause == Some(200))
    }
}

impl fmt::Display for Protocol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sip => "SIP",
            Self::Q850 => "Q.850",
            Self::Other(name) => name,
        })
    }
}

impl fmt::Display for Reason<'_> {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            let mut quoted = String::new();
            lex::push_quoted(&mut quoted, text);
            write!(f, ";text={quoted}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::identities::tests::invite;

    #[test]
    fn reasons_are_read_and_written() {
        let cases = [
            (
                "SIP;cause=200;text=\"Call completed elsewhere\"",
                Protocol::Sip,
                Some(200),
                Some("Call completed elsewhere"),
            ),
            ("Q.850;cause=16;text=\"a; \\\"b\\\"\"", Protocol::Q850, Some(16), Some("a; \"b\"")),
            ("FreeSWITCH;cause=1", Protocol::Other("FreeSWITCH"), Some(1), None),
            ("SIP", Protocol::Sip, None, None),
        ];
        for (value, protocol, cause, text) in cases {
            let got = Reason::parse(value).unwrap();
            assert_eq!((got.protocol, got.cause, got.text.as_deref()), (protocol, cause, text));
            assert_eq!(got.to_string(), value);
        }
    }

    #[test]
    fn sloppy_and_hostile_values_do_no_harm() {
        let got = Reason::parse(" sip ; Cause = 600 ;text=Busy Everywhere").unwrap();
        assert_eq!((got.cause, got.text.as_deref()), (Some(600), Some("Busy Everywhere")));
        for (value, cause) in
            [("SIP;cause=99999", None), ("SIP;cause=", None), ("SIP;cause=\"486\"", Some(486))]
        {
            assert_eq!(Reason::parse(value).unwrap().cause, cause);
        }
        assert_eq!(Reason::parse(""), None);
        assert_eq!(Reason::parse(";cause=200"), None);
        assert_eq!(Reason::q850(16).to_string(), "Q.850;cause=16");
        assert_eq!(Reason::sip(486).to_string(), "SIP;cause=486;text=\"Busy Here\"");
    }

    #[test]
    fn answered_elsewhere_is_found_among_several() {
        let found = |value: &str| Reason::is_answered_elsewhere(&invite(&format!("Reason: {value}\n")));
        assert!(found("Q.850;cause=26, SIP;cause=200;text=\"x, y\""));
        assert!(!found("Q.850;cause=200, SIP;cause=487"));
    }
}
