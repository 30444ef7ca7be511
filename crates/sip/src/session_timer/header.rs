//! The Session-Expires header (RFC 4028 4).

use crate::cause::lex;
use std::fmt;

/// Who refreshes, seen from the request that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// `uac`: who sent the request.
    Uac,
    /// `uas`: who got it.
    Uas,
}

/// The value of a Session-Expires header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// How long the session lives without a refresh, in seconds.
    pub seconds: u32,
    /// Who refreshes; in a request it may be left open.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the header's value.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = lex::split(value, b';');
        let seconds = seconds(parts.next()?)?;
        let refresher = parts.map(lex::parameter).find(|(name, _)| name.eq_ignore_ascii_case("refresher"));
        let refresher = match refresher.and_then(|(_, value)| value) {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) | None => None,
        };
        Some(Self { seconds, refresher })
    }

    /// Reads the value of a Min-SE header; its parameters mean nothing (RFC 4028 5).
    pub fn parse_least(value: &str) -> Option<u32> {
        lex::split(value, b';').next().and_then(seconds)
    }
}

/// delta-seconds have any length (RFC 3261 25.1); what does not fit is long.
fn seconds(digits: &str) -> Option<u32> {
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(u32::MAX))
}

impl fmt::Display for SessionExpires {
    /// The header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        f.write_str(match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written() {
        for (value, seconds, refresher) in [
            ("1800", 1_800, None),
            ("4000;refresher=uac", 4_000, Some(Refresher::Uac)),
            ("90;refresher=uas", 90, Some(Refresher::Uas)),
        ] {
            let got = SessionExpires::parse(value).unwrap();
            assert_eq!(got, SessionExpires { seconds, refresher });
            assert_eq!(got.to_string(), value);
        }
        let sloppy = SessionExpires::parse(" 99999999999 ; X=y; Refresher = UAS").unwrap();
        assert_eq!(sloppy, SessionExpires { seconds: u32::MAX, refresher: Some(Refresher::Uas) });
        assert_eq!(SessionExpires::parse("60;refresher=me").unwrap().refresher, None);
        for none in ["", ";refresher=uac", "-1", "soon", "1 2"] {
            assert_eq!(SessionExpires::parse(none), None, "{none}");
        }
        assert_eq!(SessionExpires::parse_least("3600;x=y"), Some(3_600));
    }
}
