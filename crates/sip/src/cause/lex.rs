//! The few rules that header values share: separators outside quotes, parameters, quoted strings, escapes in URIs.
//!
//! Works on values that were already unfolded; never panics, never allocates more than its input.

use std::borrow::Cow;

/// The pieces of `text` between `separator`s that stand outside quoted strings and angle brackets, trimmed, without empty ones.
pub(crate) fn split(text: &str, separator: u8) -> Split<'_> {
    Split { rest: text, separator }
}

/// See [`split`].
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    rest: &'a str,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let (piece, rest) = match find_outside(self.rest, self.separator) {
                Some(at) => (self.rest.get(..at).unwrap_or(""), self.rest.get(at + 1..).unwrap_or("")),
                None => (self.rest, ""),
            };
            self.rest = rest;
            let piece = piece.trim();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

/// Where `wanted` (ASCII) first stands outside quoted strings and angle brackets.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match byte {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if byte == wanted && !angle {
            return Some(at);
        } else {
            match byte {
                b'"' => quoted = true,
                b'<' => angle = true,
                b'>' => angle = false,
                _ => {}
            }
        }
    }
    None
}

/// A parameter `name[=value]`; the value still has its quotes.
pub(crate) fn parameter(piece: &str) -> (&str, Option<&str>) {
    match find_outside(piece, b'=') {
        Some(at) => {
            let (name, value) = piece.split_at(at);
            (name.trim(), Some(value.get(1..).unwrap_or("").trim()))
        }
        None => (piece.trim(), None),
    }
}

/// What stands between the quotes, escapes untouched; the text itself if it is not quoted.
pub(crate) fn without_quotes(raw: &str) -> &str {
    let raw = raw.trim();
    raw.strip_prefix('"').map_or(raw, |inner| inner.strip_suffix('"').unwrap_or(inner))
}

/// The meaning of a token or quoted string: without quotes and escapes (RFC 3261 25.1 quoted-string).
pub(crate) fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = without_quotes(raw);
    if raw.trim_start().starts_with('"') { unescape_quoted(inner) } else { Cow::Borrowed(inner) }
}

/// The meaning of what stands between the quotes.
pub(crate) fn unescape_quoted(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Appends `text` as a quoted string. Control characters are left out: they could end the header.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Whether every character is a token character (RFC 3261 25.1), and there is one.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// Whether `inner` can stand between quotes as it is: no control characters, every quote and every backslash escaped.
pub(crate) fn is_quotable(inner: &str) -> bool {
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'"' || byte == b'\\' && bytes.next().is_none() {
            return false;
        }
    }
    is_clean(inner)
}

/// Whether `text` can stand in a header: no control characters.
pub(crate) fn is_clean(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\t')
}

/// Appends `text` with everything escaped that is not unreserved (RFC 3261 25.1), so that it fits anywhere in a URI.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(hex_digit(byte >> 4).to_ascii_uppercase()));
            out.push(char::from(hex_digit(byte & 15).to_ascii_uppercase()));
        }
    }
}

/// The value of a hexadecimal digit.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok())
}

/// The lower-case hexadecimal digit of the low four bits.
pub(crate) const fn hex_digit(value: u8) -> u8 {
    match value & 15 {
        v @ 0..=9 => b'0' + v,
        v => b'a' + v - 10,
    }
}

/// Broken variants of `sample` for tests: octets flipped, cut out, doubled, put in.
#[cfg(test)]
pub(crate) fn broken<'a>(
    sample: &'a str,
    entropy: &'a mut hookswitch_machine::Entropy,
) -> impl Iterator<Item = String> + 'a {
    const SALT: &[u8] = b"\"\\<>;,=:@?&% \t\r\n\0\xc3\xff0Az";
    (0..2_000).map(move |_| {
        let mut bytes = sample.as_bytes().to_vec();
        for _ in 0..=entropy.below(4) {
            let at = entropy.below(bytes.len() as u64 + 1) as usize;
            let salt = SALT[entropy.below(SALT.len() as u64) as usize];
            match entropy.below(4) {
                0 => bytes.insert(at, salt),
                1 if at < bytes.len() => bytes[at] = salt,
                2 => bytes.truncate(at),
                _ => bytes.extend_from_within(at..),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_and_brackets_do_not_split() {
        let got: Vec<_> = split(r#"<sip:a;b@c>;x="1;\";2" ; ;y"#, b';').collect();
        assert_eq!(got, ["<sip:a;b@c>", r#"x="1;\";2""#, "y"]);
        assert_eq!(split("\"never closed, at all", b',').count(), 1);
        assert_eq!(split("", b',').count(), 0);
    }

    #[test]
    fn parameters_come_apart_at_the_first_equals_sign() {
        assert_eq!(parameter(r#" text = "a=b" "#), ("text", Some(r#""a=b""#)));
        assert_eq!(parameter("lr"), ("lr", None));
        assert_eq!(parameter("x="), ("x", Some("")));
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        for text in ["", "plain", r#"with " and \ inside"#, "grüße"] {
            let mut quoted = String::new();
            push_quoted(&mut quoted, text);
            assert_eq!(unquote(&quoted), text);
        }
        let mut quoted = String::new();
        push_quoted(&mut quoted, "a\r\nVia: x");
        assert_eq!(quoted, "\"aVia: x\"");
    }

    #[test]
    fn only_well_formed_inner_text_can_be_echoed() {
        for good in ["", "a", r#"a \" b"#, r"\\", "a\tb"] {
            assert!(is_quotable(good), "{good}");
        }
        for bad in ["\"", "a\"b", "\\", r"a\\\", "a\r\nb"] {
            assert!(!is_quotable(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_reserved_is_escaped() {
        let mut out = String::new();
        push_escaped(&mut out, "a@b;c=ü");
        assert_eq!(out, "a%40b%3Bc%3D%C3%BC");
    }
}
