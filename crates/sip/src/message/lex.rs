//! Scanners shared by the typed values: linear white space, tokens, quoted strings, escapes.
//!
//! Values are looked at after unfolding (`index.rs`), so white space here is spaces and tabs only.

use std::borrow::Cow;
use std::fmt;

/// Why a typed value (URI, name-addr, Via, CSeq) could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at octet {at} of the value")]
pub struct SyntaxError {
    /// Where, in octets from the start of the text that was parsed.
    pub at: usize,
    /// What the grammar (RFC 3261 25) wants there.
    pub expected: &'static str,
}

pub(crate) const fn fail<T>(at: usize, expected: &'static str) -> Result<T, SyntaxError> {
    Err(SyntaxError { at, expected })
}

const TOKEN: u8 = 1;
const USER: u8 = 2;
const PARAM: u8 = 4;
const HOST: u8 = 8;
const VALUE: u8 = 16;

/// What each octet may stand in.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        let mut class = 0;
        if c.is_ascii_alphanumeric() || in_set(c, b"-.!%*_+`'~") {
            class |= TOKEN;
        }
        // unreserved, user-unreserved and `%`; `#` and others that dialled strings bring unescaped are tolerated.
        if c.is_ascii_alphanumeric() || c >= 0x80 || in_set(c, b"-_.!~*'()&=+$,;?/%#[]{}|^`") {
            class |= USER;
        }
        if c.is_ascii_alphanumeric() || c >= 0x80 || in_set(c, b"-_.!~*'()[]/:&+$%#{}|^`,") {
            class |= PARAM;
        }
        if c.is_ascii_alphanumeric() || in_set(c, b"-._") {
            class |= HOST;
        }
        // What ends a value without quotes: white space, separators of the list, quotes and brackets, controls.
        if c > b' ' && c != 0x7f && !in_set(c, b";,\"<>\\") {
            class |= VALUE;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

const fn in_set(c: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == c {
            return true;
        }
        i += 1;
    }
    false
}

#[inline]
fn is(c: u8, class: u8) -> bool {
    CLASS[usize::from(c)] & class != 0
}

/// RFC 3261 25.1 `token`.
#[inline]
pub(crate) fn is_token_byte(c: u8) -> bool {
    is(c, TOKEN)
}

#[inline]
pub(crate) fn is_host_byte(c: u8) -> bool {
    is(c, HOST)
}

#[inline]
pub(crate) fn is_user_byte(c: u8) -> bool {
    is(c, USER)
}

#[inline]
pub(crate) fn is_param_byte(c: u8) -> bool {
    is(c, PARAM)
}

/// What a parameter value that is not quoted may hold: `token`, `host`, and what implementations write without quotes.
#[inline]
pub(crate) fn is_value_byte(c: u8) -> bool {
    is(c, VALUE)
}

/// Whether `s` is a token of at least one octet.
pub(crate) fn is_token(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(is_token_byte)
}

#[inline]
pub(crate) fn is_ws(c: u8) -> bool {
    c == b' ' || c == b'\t'
}

/// `s` without spaces and tabs at both ends.
#[inline]
pub(crate) fn trim(s: &str) -> &str {
    let bytes = s.as_bytes();
    let start = bytes.iter().position(|c| !is_ws(*c)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|c| !is_ws(*c)).map_or(start, |n| n + 1);
    s.get(start..end).unwrap_or_default()
}

/// A place in a text. All movements stay inside it.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, pos: 0 }
    }

    #[inline]
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    /// The octets not yet read.
    #[inline]
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.pos..).unwrap_or_default()
    }

    /// The text between an earlier position and here.
    #[inline]
    pub(crate) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.pos).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn at_end(&self) -> bool {
        self.pos >= self.text.len()
    }

    /// Goes `n` octets on, not beyond the end.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        self.pos = (self.pos + n).min(self.text.len());
    }

    #[inline]
    pub(crate) fn skip_ws(&mut self) {
        while self.peek().is_some_and(is_ws) {
            self.pos += 1;
        }
    }

    /// Takes text up to `c`, or up to the end.
    #[inline]
    pub(crate) fn take_until(&mut self, c: u8) -> &'a str {
        let start = self.pos;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        self.pos += memchr::memchr(c, rest).unwrap_or(rest.len());
        self.since(start)
    }

    #[inline]
    pub(crate) fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let start = self.pos;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        self.pos += rest.iter().position(|c| !accept(*c)).unwrap_or(rest.len());
        self.since(start)
    }

    /// Takes `c` if it stands here.
    #[inline]
    pub(crate) fn eat(&mut self, c: u8) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.pos += 1;
        }
        found
    }

    /// Takes `c` with white space around it.
    #[inline]
    pub(crate) fn eat_ws(&mut self, c: u8) -> bool {
        let mut ahead = *self;
        ahead.skip_ws();
        if !ahead.eat(c) {
            return false;
        }
        ahead.skip_ws();
        *self = ahead;
        true
    }

    #[inline]
    pub(crate) fn token(&mut self, expected: &'static str) -> Result<&'a str, SyntaxError> {
        let token = self.take_while(is_token_byte);
        if token.is_empty() { fail(self.pos, expected) } else { Ok(token) }
    }

    /// A quoted string with its quotes; `\` protects the octet behind it.
    #[inline]
    pub(crate) fn quoted(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.pos;
        if !self.eat(b'"') {
            return fail(start, "a quoted string");
        }
        loop {
            let rest = self.text.as_bytes().get(self.pos..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(n) if rest.get(n) == Some(&b'"') => {
                    self.pos += n + 1;
                    return Ok(self.since(start));
                }
                Some(n) if n + 1 < rest.len() => self.pos += n + 2,
                _ => return fail(start, "the closing quote of a quoted string"),
            }
        }
    }

    /// Ends a complete value.
    #[inline]
    pub(crate) fn end(mut self) -> Result<(), SyntaxError> {
        self.skip_ws();
        if self.at_end() { Ok(()) } else { fail(self.pos, "the end of the value") }
    }
}

/// The text of a quoted string (with or without its quotes) with `\x` replaced by `x`.
pub(crate) fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = strip_quotes(raw);
    if !inner.contains('\\') || inner.len() == raw.len() {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    Cow::Owned(out)
}

/// `raw` without a pair of quotes around it.
pub(crate) fn strip_quotes(raw: &str) -> &str {
    raw.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(raw)
}

/// Text to be written as a quoted string: adds the quotes, escapes `"` and `\` (RFC 3261 25.1).
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut rest = self.0;
        while let Some(n) = rest.find(['"', '\\']) {
            let (plain, special) = rest.split_at(n);
            let mut chars = special.chars();
            write!(f, "{plain}\\{}", chars.next().unwrap_or('"'))?;
            rest = chars.as_str();
        }
        write!(f, "{rest}\"")
    }
}

/// A decimal number of digits only that fits.
pub(crate) fn number<T: std::str::FromStr>(s: &str) -> Option<T> {
    if s.is_empty() || !s.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    s.parse().ok()
}

/// Where the first element of a comma-separated list ends: the offset of the comma, or the length. Quoted strings
/// and `<>` protect commas (RFC 3261 7.3.1).
pub(crate) fn list_element_end(s: &str) -> usize {
    let bytes = s.as_bytes();
    if memchr::memchr(b',', bytes).is_none() {
        return bytes.len();
    }
    let mut pos = 0;
    let (mut quoted, mut angle) = (false, false);
    while let Some(c) = bytes.get(pos) {
        match c {
            b'\\' if quoted => pos += 1,
            b'"' if !angle => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b',' if !quoted && !angle => return pos,
            _ => {}
        }
        pos += 1;
    }
    bytes.len()
}

/// The elements of one header field line; empty ones are left out.
pub(crate) struct Elements<'a> {
    rest: &'a str,
    split: bool,
}

impl<'a> Elements<'a> {
    /// Splits at commas, or yields the whole value as one element.
    pub(crate) fn new(rest: &'a str, split: bool) -> Self {
        Self { rest, split }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let end = if self.split { list_element_end(self.rest) } else { self.rest.len() };
            let element = trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_keep_escaped_quotes() {
        let mut c = Cursor::new(r#""a \"b\" \\" rest"#);
        assert_eq!(c.quoted().map(unquote), Ok(Cow::from(r#"a "b" \"#)));
        assert_eq!(c.rest(), " rest");
        assert!(Cursor::new(r#""open \""#).quoted().is_err());
    }

    #[test]
    fn quoting_and_unquoting_agree() {
        for text in ["", "plain", r#"a "b" \ c"#, "ünïcode\\"] {
            assert_eq!(unquote(&Quoted(text).to_string()), text);
        }
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        assert_eq!(list_element_end(r#""a,\",b" <sip:x,y@z>;q=1, next"#), 24);
        assert_eq!(list_element_end("no comma"), 8);
    }
}
