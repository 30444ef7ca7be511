//! Parameters: `;name[=value]`, of URIs and of header fields.

use super::escape::unescape;
use super::lex::{self, Cursor, SyntaxError, fail};
use std::borrow::Cow;

/// The parameters of a URI or of a header field value; checked when the value was parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// No parameters.
    pub(crate) const NONE: Self = Params("");

    /// Parameters that were read before.
    pub(crate) fn checked(text: &'a str) -> Self {
        Self(text)
    }

    /// Reads `;name=value` pairs up to the end or a comma, with white space allowed around `;` and `=` (header
    /// fields).
    pub(crate) fn of_header(cursor: &mut Cursor<'a>) -> Result<Self, SyntaxError> {
        Self::of_header_noting(cursor, "").map(|(params, _)| params)
    }

    /// As [`of_header`](Self::of_header), and the value of one parameter on the way. That one may not stand twice
    /// (RFC 3261 7.3.1); others that do are let pass, the first counts.
    pub(crate) fn of_header_noting(
        cursor: &mut Cursor<'a>,
        wanted: &str,
    ) -> Result<(Self, Option<&'a str>), SyntaxError> {
        let start = cursor.pos();
        let mut noted = None;
        while cursor.eat_ws(b';') {
            let at = cursor.pos();
            let name = cursor.token("a parameter name")?;
            let value = if !cursor.eat_ws(b'=') {
                ""
            } else if cursor.peek() == Some(b'"') {
                lex::strip_quotes(cursor.quoted()?)
            } else {
                let value = cursor.take_while(lex::is_value_byte);
                if value.is_empty() {
                    return fail(cursor.pos(), "a parameter value");
                }
                value
            };
            if name.eq_ignore_ascii_case(wanted) && noted.replace(value).is_some() {
                return fail(at, "a parameter that does not stand already");
            }
        }
        Ok((Self(cursor.since(start)), noted))
    }

    /// Reads `;name=value` pairs up to a `?` or the end (URIs). No white space.
    pub(crate) fn of_uri(cursor: &mut Cursor<'a>) -> Result<Self, SyntaxError> {
        let start = cursor.pos();
        while cursor.eat(b';') {
            if cursor.take_while(lex::is_param_byte).is_empty() {
                return fail(cursor.pos(), "a URI parameter name");
            }
            if cursor.eat(b'=') {
                // An empty value is against the grammar, but met in the wild.
                cursor.take_while(|c| lex::is_param_byte(c) || c == b'=');
            }
        }
        Ok(Self(cursor.since(start)))
    }

    /// The parameters in their order.
    pub fn iter(&self) -> ParamIter<'a> {
        ParamIter(Cursor::new(self.0))
    }

    /// The value of a parameter, without the quotes of a quoted string; empty if it has none. Names compare without
    /// case and with `%xx` escapes resolved.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.raw(name).map(|value| value.map_or("", lex::strip_quotes))
    }

    /// As [`get`](Self::get), with the escapes of a quoted string resolved.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).map(|value| value.map_or(Cow::Borrowed(""), lex::unquote))
    }

    /// Whether the parameter stands, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// `;name=value` as it came, empty or starting with `;` (after white space).
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn raw(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|(n, _)| same_name(n, name)).map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = (&'a str, Option<&'a str>);
    type IntoIter = ParamIter<'a>;

    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

/// The parameters of a value: names, and values as they came (quoted strings with their quotes).
#[derive(Clone)]
pub struct ParamIter<'a>(Cursor<'a>);

impl<'a> Iterator for ParamIter<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let cursor = &mut self.0;
        if !cursor.eat_ws(b';') {
            return None;
        }
        let name = cursor.take_while(|c| lex::is_token_byte(c) || lex::is_param_byte(c));
        if !cursor.eat_ws(b'=') {
            return Some((name, None));
        }
        if cursor.peek() == Some(b'"') {
            return Some((name, Some(cursor.quoted().unwrap_or_default())));
        }
        Some((name, Some(cursor.take_while(|c| lex::is_value_byte(c) || c == b','))))
    }
}

fn same_name(found: &str, name: &str) -> bool {
    found.eq_ignore_ascii_case(name)
        || (found.contains('%') && unescape(found).is_some_and(|s| s.eq_ignore_ascii_case(name)))
}
