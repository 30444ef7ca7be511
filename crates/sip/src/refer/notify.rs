//! What a NOTIFY about a REFER says: Event (RFC 6665) and a status line as `message/sipfrag` (RFC 3420).

use crate::cause::lex;
use crate::message::reason_phrase;
use std::fmt;

/// The Content-Type of the body.
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// A status line, `SIP/2.0 200 OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// The status, 100 to 699.
    pub status: u16,
    /// The reason phrase.
    pub reason: &'a str,
}

impl<'a> StatusLine<'a> {
    /// The status with its usual reason phrase.
    pub const fn new(status: u16) -> StatusLine<'static> {
        StatusLine { status, reason: reason_phrase(status) }
    }

    /// Reads the first line of a body; `None` if it is no status line. What follows is ignored.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let line = body.split(|b| matches!(b, b'\r' | b'\n')).find(|line| !line.is_empty())?;
        let line = std::str::from_utf8(line).ok()?.trim();
        let (version, rest) = line.split_once([' ', '\t'])?;
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return None;
        }
        let rest = rest.trim_start();
        let (digits, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let well_formed = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
        let status = digits.parse().ok().filter(|s| well_formed && (100..700).contains(s))?;
        Some(Self { status, reason: reason.trim() })
    }
}

impl fmt::Display for StatusLine<'_> {
    /// The body: the line with its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0 {} ", self.status)?;
        for c in self.reason.chars().filter(|c| !c.is_control()) {
            write!(f, "{c}")?;
        }
        f.write_str("\r\n")
    }
}

/// The REFER that an Event header of a NOTIFY means: the number of its CSeq, or `Some(None)` for the first in the dialog
/// (RFC 3515 2.4.6). `None` if the event is not `refer`.
pub fn event_id(event: &str) -> Option<Option<u32>> {
    let mut parts = lex::split(event, b';');
    if !parts.next()?.eq_ignore_ascii_case("refer") {
        return None;
    }
    let id = parts.map(lex::parameter).find(|(name, _)| name.eq_ignore_ascii_case("id"));
    match id.and_then(|(_, value)| value) {
        None => Some(None),
        Some(digits) => digits.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_read_from_all_sorts_of_bodies() {
        type Case<'a> = (&'a [u8], Option<(u16, &'a str)>);
        let cases: [Case<'_>; 12] = [
            (b"SIP/2.0 200 OK", Some((200, "OK"))),
            (b"SIP/2.0 100 Trying\r\n", Some((100, "Trying"))),
            (b"\r\nSIP/2.0 486 Busy Here\nTo: x\n", Some((486, "Busy Here"))),
            (b"sip/2.0 603", Some((603, ""))),
            (b"SIP/2.0  180  Ringing ", Some((180, "Ringing"))),
            (b"", None),
            (b"SIP/2.0", None),
            (b"SIP/2.0 99 X", None),
            (b"SIP/2.0 700 X", None),
            (b"SIP/2.0 +20 X", None),
            (b"INVITE sip:a SIP/2.0", None),
            (b"SIP/2.0 200 \xff", None),
        ];
        for (body, expected) in cases {
            assert_eq!(StatusLine::parse(body).map(|l| (l.status, l.reason)), expected, "{body:?}");
        }
        assert_eq!(StatusLine::new(200).to_string(), "SIP/2.0 200 OK\r\n");
        assert_eq!(StatusLine { status: 200, reason: "a\r\nb" }.to_string(), "SIP/2.0 200 ab\r\n");
    }

    #[test]
    fn events_name_their_refer() {
        let cases = [
            ("refer", Some(None)),
            ("Refer;id=93809824", Some(Some(93_809_824))),
            ("refer;x=1 ; ID = 7", Some(Some(7))),
            ("refer;id=abc", None),
            ("dialog;id=7", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(event_id(value), expected, "{value}");
        }
    }
}
