//! Refer-To (RFC 3515 2.1) and Referred-By (RFC 3892 2.1): whom to call, and who says so.

use super::replaces::{Replaces, ReplacesError};
use crate::cause::lex;
use crate::message::{NameAddr, Uri};
use std::fmt;

/// Whom a REFER asks to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTo {
    /// The URI, without headers.
    pub uri: String,
    /// The display name.
    pub display: Option<String>,
    /// The dialog that the new call replaces: an attended transfer (RFC 5589 7).
    pub replaces: Option<Replaces>,
}

/// Why a REFER cannot be carried out: answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferError {
    /// It is no address.
    #[error("Refer-To or Referred-By is no address")]
    Address,
    /// It asks for something other than an INVITE.
    #[error("Refer-To asks for a method other than INVITE, the only one supported")]
    Method,
    /// The Replaces in it cannot be read.
    #[error(transparent)]
    Replaces(#[from] ReplacesError),
}

impl ReferTo {
    /// An address, for a blind transfer; with the dialog to replace, for an attended one. Headers in the URI are dropped.
    pub fn new(uri: &Uri<'_>, replaces: Option<Replaces>) -> Self {
        Self { uri: without_headers(uri.as_str()).to_owned(), display: None, replaces }
    }

    /// Reads the header's value. Headers in the URI other than Replaces are dropped: the referrer has no say in them.
    ///
    /// # Errors
    /// If it is no address, or asks for something we do not do.
    pub fn parse(value: &str) -> Result<Self, ReferError> {
        let address = NameAddr::parse(value).map_err(|_| ReferError::Address)?;
        let uri = address.uri();
        if uri.params().get("method").is_some_and(|method| method != "INVITE") {
            return Err(ReferError::Method);
        }
        // RFC 3261 19.1.1: `method` may not stand in a Request-URI.
        let text = without_headers(uri.as_str());
        let text = text.replace(";method=INVITE", "");
        let replaces = uri.header("Replaces").map(|value| Replaces::parse(&value)).transpose()?;
        Ok(Self { uri: text, display: address.display().map(Into::into), replaces })
    }
}

impl fmt::Display for ReferTo {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, self.display.as_deref(), &self.uri)?;
        if let Some(replaces) = &self.replaces {
            let mut escaped = String::new();
            lex::push_escaped(&mut escaped, &replaces.to_string());
            write!(f, "?Replaces={escaped}")?;
        }
        f.write_str(">")
    }
}

/// Who sent the REFER that an INVITE or REFER comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferredBy {
    /// The referrer's URI.
    pub uri: String,
    /// The display name.
    pub display: Option<String>,
    /// The body part that proves it (RFC 3892 3); passed on, not checked.
    pub cid: Option<String>,
}

impl ReferredBy {
    /// Reads the header's value.
    ///
    /// # Errors
    /// If it is no address.
    pub fn parse(value: &str) -> Result<Self, ReferError> {
        let address = NameAddr::parse(value).map_err(|_| ReferError::Address)?;
        Ok(Self {
            uri: without_headers(address.uri().as_str()).to_owned(),
            display: address.display().map(Into::into),
            cid: address.params().unquoted("cid").map(Into::into),
        })
    }
}

impl fmt::Display for ReferredBy {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, self.display.as_deref(), &self.uri)?;
        f.write_str(">")?;
        if let Some(cid) = &self.cid {
            let mut quoted = String::new();
            lex::push_quoted(&mut quoted, cid);
            write!(f, ";cid={quoted}")?;
        }
        Ok(())
    }
}

fn without_headers(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(without, _)| without)
}

/// Writes up to, not including, the closing bracket.
fn write_address(f: &mut fmt::Formatter<'_>, display: Option<&str>, uri: &str) -> fmt::Result {
    if let Some(display) = display {
        let mut quoted = String::new();
        lex::push_quoted(&mut quoted, display);
        write!(f, "{quoted} ")?;
    }
    write!(f, "<{}", without_headers(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attended_transfer_carries_the_dialog_escaped() {
        // RFC 3891 6.1.
        let text =
            "<sip:sandy@b.example.org?Replaces=425928%40b.example.org%3Bto-tag%3D7743%3Bfrom-tag%3D6472>";
        let got = ReferTo::parse(text).unwrap();
        assert_eq!(got.uri, "sip:sandy@b.example.org");
        let replaces = got.replaces.as_ref().unwrap();
        assert_eq!(replaces.to_string(), "425928@b.example.org;to-tag=7743;from-tag=6472");
        assert_eq!(got.to_string(), text);
    }

    #[test]
    fn a_blind_transfer_is_just_an_address() {
        let cases = [
            ("sip:bob@b.com;x=y", "<sip:bob@b.com>"),
            ("\"B \\\"b\\\"\" <sip:bob@b.com;user=phone>", "\"B \\\"b\\\"\" <sip:bob@b.com;user=phone>"),
            ("<tel:+49301234>", "<tel:+49301234>"),
            ("<sip:bob@b.com;method=INVITE;user=phone>", "<sip:bob@b.com;user=phone>"),
            ("<sip:bob@b.com?Route=%3Csip:evil%3E&Subject=x>", "<sip:bob@b.com>"),
        ];
        for (value, expected) in cases {
            assert_eq!(ReferTo::parse(value).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_cannot_be_called_is_refused() {
        let cases = [
            ("", ReferError::Address),
            ("<sip:bob@b.com", ReferError::Address),
            ("<sip:bob@b.com;method=BYE>", ReferError::Method),
            ("<sip:bob@b.com?Replaces=x>", ReferError::Replaces(ReplacesError::Part("to-tag"))),
            (
                "<sip:b@b.com?Replaces=a%0D%0AVia%3A;to-tag=1;from-tag=2>",
                ReferError::Replaces(ReplacesError::Part("the Call-ID")),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(ReferTo::parse(value), Err(expected), "{value}");
        }
    }

    #[test]
    fn a_referrer_is_read_and_written() {
        let text = "\"R\" <sip:r@ref.example>;cid=\"20398823.2UWQFN309shb3@ref.example\"";
        let got = ReferredBy::parse(text).unwrap();
        assert_eq!(
            (got.uri.as_str(), got.cid.as_deref()),
            ("sip:r@ref.example", Some("20398823.2UWQFN309shb3@ref.example"))
        );
        assert_eq!(got.to_string(), text);
    }
}
