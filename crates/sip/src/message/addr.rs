//! Names with addresses: From, To, Contact, Route, Record-Route, Refer-To and their like (RFC 3261 20.10, 25.1).

use super::lex::{self, Cursor, SyntaxError, fail};
use super::params::Params;
use super::uri::Uri;
use std::borrow::Cow;
use std::fmt;

/// `"Display" <uri>;params` or `uri;params`.
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    display: Option<&'a str>,
    uri: &'a str,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one complete value.
    ///
    /// # Errors
    /// Says where the text stops being a name-addr or addr-spec; a comma in an unquoted display name is such a place.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        Self::parse_noting(text, "").map(|(value, _)| value)
    }

    /// As [`parse`](Self::parse), and the value of one parameter on the way, which may not stand twice.
    pub(crate) fn parse_noting(text: &'a str, wanted: &str) -> Result<(Self, Option<&'a str>), SyntaxError> {
        let mut cursor = Cursor::new(text);
        let value = Self::read_noting(&mut cursor, wanted)?;
        cursor.end()?;
        Ok(value)
    }

    /// From parts that were read before.
    pub(crate) fn from_parts(display: Option<&'a str>, uri: &'a str, params: &'a str) -> Self {
        Self { display, uri, params: Params::checked(params) }
    }

    /// Reads one element of a list, up to the comma or the end.
    fn read_noting(cursor: &mut Cursor<'a>, wanted: &str) -> Result<(Self, Option<&'a str>), SyntaxError> {
        cursor.skip_ws();
        let display = match cursor.peek() {
            Some(b'"') => Some(Self::quoted_name(cursor)?),
            Some(b'<') => None,
            _ => Self::unquoted_name(cursor),
        };
        let uri = if cursor.eat(b'<') {
            let at = cursor.pos();
            // RFC 4475 3.1.2.14: spaces inside the brackets are against the grammar, but harmless.
            let inside = lex::trim(cursor.take_until(b'>'));
            if !cursor.eat(b'>') {
                return fail(at, "`>` after the URI");
            }
            checked_uri(inside, at)?
        } else {
            Self::addr_spec(cursor)?
        };
        let (params, noted) = Params::of_header_noting(cursor, wanted)?;
        Ok((Self { display, uri, params }, noted))
    }

    fn quoted_name(cursor: &mut Cursor<'a>) -> Result<&'a str, SyntaxError> {
        let quoted = cursor.quoted()?;
        cursor.skip_ws();
        if cursor.peek() == Some(b'<') {
            Ok(quoted)
        } else {
            fail(cursor.pos(), "`<` after the display name")
        }
    }

    /// Tokens and white space up to `<` are a display name. Other octets are common there, and unambiguous as long
    /// as they separate nothing (RFC 4475 3.1.2.15: a comma does).
    fn unquoted_name(cursor: &mut Cursor<'a>) -> Option<&'a str> {
        let mut ahead = *cursor;
        let name =
            ahead.take_while(|c| (c >= b' ' || c == b'\t') && !matches!(c, b'"' | b',' | b';' | b'<' | b'>'));
        if ahead.peek() != Some(b'<') {
            return None;
        }
        *cursor = ahead;
        Some(lex::trim(name)).filter(|name| !name.is_empty())
    }

    /// RFC 3261 20: without brackets, what follows `;` belongs to the header field, and the URI holds no `,` or `?`.
    fn addr_spec(cursor: &mut Cursor<'a>) -> Result<&'a str, SyntaxError> {
        let start = cursor.pos();
        let text = cursor.take_while(|c| !matches!(c, b';' | b',' | b'?' | b' ' | b'\t' | b'<' | b'"'));
        if cursor.peek() == Some(b'?') {
            return fail(cursor.pos(), "`<` and `>` around a URI with `?`");
        }
        checked_uri(text, start)
    }

    /// The display name, without quotes and escapes; `None` if there is none or it is empty.
    pub fn display(&self) -> Option<Cow<'a, str>> {
        self.display.map(lex::unquote).filter(|name| !name.is_empty())
    }

    /// The URI.
    pub fn uri(&self) -> Uri<'a> {
        // Checked when the value was read.
        Uri::parse(self.uri).unwrap_or(Uri::NONE)
    }

    /// The URI as it came.
    pub const fn uri_str(&self) -> &'a str {
        self.uri
    }

    /// The display name as it came, with quotes.
    pub(crate) const fn display_str(&self) -> Option<&'a str> {
        self.display
    }

    /// The parameters of the header field (those of the URI are [`Uri::params`]).
    pub const fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `tag` (From, To).
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag")
    }

    /// The `q` of a Contact, in thousandths; `None` if missing or malformed.
    pub fn q(&self) -> Option<u16> {
        let text = self.params.get("q")?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = lex::number::<u16>(whole).filter(|n| *n <= 1)?;
        if fraction.len() > 3 {
            return None;
        }
        let scale = [1_000, 100, 10, 1].get(fraction.len()).copied().unwrap_or(1);
        let part = if fraction.is_empty() { 0 } else { lex::number::<u16>(fraction)? * scale };
        Some(whole * 1_000 + part).filter(|q| *q <= 1_000)
    }

    /// The `expires` of a Contact in seconds; `None` if missing or malformed (then as if it were missing).
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.params.get("expires")?)
    }
}

impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = self.display {
            write!(f, "{display} ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params.as_str())
    }
}

fn checked_uri(text: &str, at: usize) -> Result<&str, SyntaxError> {
    Uri::parse(text).map(|_| text).map_err(|e| SyntaxError { at: at + e.at, ..e })
}

/// One value of a Contact header field.
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// `*`: all bindings (RFC 3261 10.2.2).
    All,
    /// An address.
    Address(NameAddr<'a>),
}

impl<'a> Contact<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, SyntaxError> {
        let mut ahead = *cursor;
        ahead.skip_ws();
        if ahead.eat(b'*') {
            ahead.skip_ws();
            if ahead.at_end() {
                *cursor = ahead;
                return Ok(Self::All);
            }
        }
        let (address, expires) = NameAddr::read_noting(cursor, "expires")?;
        match expires {
            // RFC 4475 3.1.2.4: a number that does not fit is an error; what is no number counts as missing.
            Some(n)
                if !n.is_empty()
                    && n.bytes().all(|c| c.is_ascii_digit())
                    && lex::number::<u32>(n).is_none() =>
            {
                fail(cursor.pos(), "an `expires` parameter below 2^32")
            }
            _ => Ok(Self::Address(address)),
        }
    }

    /// The address, unless it is `*`.
    pub const fn address(&self) -> Option<NameAddr<'a>> {
        match self {
            Self::All => None,
            Self::Address(address) => Some(*address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_counts_in_thousandths() {
        for (text, q) in [
            ("1", Some(1_000)),
            ("1.000", Some(1_000)),
            ("0.7", Some(700)),
            ("0.05", Some(50)),
            ("0.", Some(0)),
            ("0", Some(0)),
            ("1.1", None),
            ("2", None),
            ("0.1234", None),
            (".5", None),
            ("x", None),
        ] {
            let value = format!("<sip:a@a.example>;q={text}");
            assert_eq!(NameAddr::parse(&value).map(|value| value.q()), Ok(q), "{text}");
        }
    }

    #[test]
    fn display_names_are_unquoted() {
        for (text, name) in [
            (r#""A \"B\" \\" <sip:a@a.example>"#, Some(r#"A "B" \"#)),
            ("A  B <sip:a@a.example>", Some("A  B")),
            (r#""" <sip:a@a.example>"#, None),
            ("<sip:a@a.example>", None),
            ("sip:a@a.example", None),
        ] {
            let found = NameAddr::parse(text).map(|value| value.display().map(|name| name.into_owned()));
            assert_eq!(found, Ok(name.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn parameters_belong_to_the_brackets_they_stand_in() {
        let value = NameAddr::parse("<sip:a@a.example;lr;tag=uri>;TAG=header;x=\"a;b,c\"");
        assert_eq!(value.map(|value| value.tag()), Ok(Some("header")));
        assert_eq!(value.map(|value| value.uri().params().get("tag")), Ok(Some("uri")));
        assert_eq!(value.map(|value| value.params().get("x")), Ok(Some("a;b,c")));
        assert_eq!(value.map(|value| value.uri().is_loose_router()), Ok(true));
    }
}
