//! `%xx` escapes in URIs (RFC 3261 19.1.2, 25.1).

use super::lex::{SyntaxError, fail};
use std::borrow::Cow;
use std::fmt;

/// Whether every `%` starts an escape.
pub(crate) fn check_escapes(text: &str) -> Result<(), SyntaxError> {
    for at in memchr::memchr_iter(b'%', text.as_bytes()) {
        let hex = text.as_bytes().get(at + 1..at + 3).unwrap_or_default();
        if hex.len() != 2 || !hex.iter().all(u8::is_ascii_hexdigit) {
            return fail(at, "two hexadecimal digits after `%`");
        }
    }
    Ok(())
}

/// `text` with `%xx` replaced by the octet. `None` if the result is no UTF-8. What is no escape stays.
pub fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(octets(text).map(|(octet, _)| octet).collect()).ok().map(Cow::Owned)
}

/// The octets of a text with `%xx` resolved, and whether each stood escaped.
pub(crate) fn octets(text: &str) -> impl Iterator<Item = (u8, bool)> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        if let [b'%', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = tail;
            return Some((high << 4 | low, true));
        }
        let (first, tail) = rest.split_first()?;
        rest = tail;
        Some((*first, false))
    })
}

fn hex(c: u8) -> Option<u8> {
    char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Text to be written into a user part, a URI parameter or a URI header: everything outside RFC 3261's `unreserved`
/// becomes `%xx`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.bytes() {
            if c.is_ascii_alphanumeric() || b"-_.!~*'()+".contains(&c) {
                write!(f, "{}", char::from(c))?;
            } else {
                write!(f, "%{c:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_escaped_comes_back() {
        for text in ["alice", "+49 30 123", "a@b;c=d?e&f", "ünïcode%41", "\r\n"] {
            let escaped = Escaped(text).to_string();
            assert!(escaped.bytes().all(|c| c.is_ascii_graphic()), "{escaped}");
            assert_eq!(unescape(&escaped).as_deref(), Some(text));
        }
    }

    #[test]
    fn octets_that_are_no_utf8_have_no_text() {
        assert_eq!(unescape("%C3%28"), None);
        assert_eq!(unescape("100%").as_deref(), Some("100%"));
    }

    #[test]
    fn lone_percent_signs_are_found() {
        assert_eq!(check_escapes("a%41b"), Ok(()));
        assert_eq!(check_escapes("a%4").map_err(|e| e.at), Err(1));
        assert_eq!(check_escapes("a%zz").map_err(|e| e.at), Err(1));
    }
}
