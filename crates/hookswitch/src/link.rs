//! Click-to-call: what a `tel:` or `sip:` link asks for (RFC 3966, RFC 3261 19.1; TAPI: tapiRequestMakeCall).
//!
//! Links come from web pages and mails, so from anybody. What would let them say more than whom to call, header fields and
//! passwords, is refused or left out.

use std::fmt;

/// The longest link taken.
const LONGEST: usize = 512;

/// Whom a link, or a number that somebody typed, asks to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLink {
    /// For [`Line::call`](crate::Line::call): a URI, or a number to be dialled on the line.
    pub destination: String,
    /// Digits to be sent once the call is answered (`;ext=` of a `tel:` URI).
    pub extension: Option<String>,
    /// Where a local number is valid (`;phone-context=`): a domain, or a global prefix. The line has to be in it.
    pub context: Option<String>,
}

/// Why a link is not to be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{link:?} cannot be called: {why}")]
pub struct LinkError {
    /// The link, cut where it is very long.
    pub link: String,
    /// What was expected.
    pub why: &'static str,
}

impl CallLink {
    /// Reads `tel:`, `sip:` and `sips:` links, as browsers hand them over, and plain numbers and addresses.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let fail = |why| LinkError { link: text.chars().take(80).collect(), why };
        if text.is_empty() {
            return Err(fail("it is empty; expected a number, or a tel: or sip: link"));
        }
        if text.len() > LONGEST {
            return Err(fail("it is longer than 512 octets"));
        }
        if text.chars().any(|c| c.is_control() || matches!(c, '<' | '>' | '"' | '\\' | '`')) {
            return Err(fail("it contains a control character, a quote, a backslash or an angle bracket"));
        }
        let plain = || Self { destination: text.to_owned(), extension: None, context: None };
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(plain()) };
        match scheme.to_ascii_lowercase().as_str() {
            // Browsers and programs hand over tel://... as well, which no RFC knows.
            "tel" => tel(rest.strip_prefix("//").unwrap_or(rest)).map_err(fail),
            "sip" | "sips" => sip(scheme, rest.strip_prefix("//").unwrap_or(rest)).map_err(fail),
            // user@host:port without a scheme
            _ if scheme.contains('@') => Ok(plain()),
            _ => Err(fail("only tel:, sip: and sips: links are known")),
        }
    }
}

impl std::str::FromStr for CallLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        Self::parse(text)
    }
}

impl fmt::Display for CallLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.destination.strip_prefix("tel:").unwrap_or(&self.destination))?;
        match &self.extension {
            Some(extension) => write!(f, ", then {extension}"),
            None => Ok(()),
        }
    }
}

/// RFC 3966 3: a global number, or a local one with its context; both with visual separators.
fn tel(rest: &str) -> Result<CallLink, &'static str> {
    let mut parts = rest.split(';');
    let number = decoded(parts.next().unwrap_or_default())?;
    let digits = digits(&number).ok_or(
        "a tel: link has digits, *, # and the separators -.() after an optional +; letters are to be dialled as digits",
    )?;
    let (mut extension, mut context) = (None, None);
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = || decoded(value);
        match name.to_ascii_lowercase().as_str() {
            "ext" if extension.is_none() => {
                let sent = digits_without_plus(&value()?).ok_or("its ;ext= holds digits and separators")?;
                extension = Some(sent);
            }
            "phone-context" if context.is_none() => context = Some(value()?),
            "ext" | "phone-context" => return Err("a parameter stands in it twice"),
            // RFC 3966 5.1: what is not known is ignored; an ISDN subaddress means nothing here.
            _ => {}
        }
    }
    // A global number says so in the Request-URI; a local one is dialled like one that somebody typed.
    let destination = if digits.starts_with('+') { format!("tel:{digits}") } else { digits };
    Ok(CallLink { destination, extension, context })
}

/// RFC 3261 19.1.5: of a link, only whom to call is taken.
fn sip(scheme: &str, rest: &str) -> Result<CallLink, &'static str> {
    if rest.contains([' ', '#']) {
        return Err("a sip: link has neither spaces nor #");
    }
    // Header fields would let the link decide what else the INVITE says.
    let address = rest.split('?').next().unwrap_or_default();
    let (head, parameters) = address.split_once(';').unwrap_or((address, ""));
    let (user, host) = head.rsplit_once('@').map_or(("", head), |(user, host)| (user, host));
    if user.contains(':') {
        return Err("it has a password in it");
    }
    if user.is_empty() && head.contains('@') {
        return Err("the user is missing before the @");
    }
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
    if name.is_empty() || name.starts_with('[') != name.ends_with(']') {
        return Err("the host is missing, or an IPv6 address without brackets; expected sip:user@host");
    }
    decoded(user)?;
    let method =
        |parameter: &str| parameter.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("method"));
    if parameters.split(';').any(method) {
        return Err("it asks for another method than a call");
    }
    let destination = format!("{}:{address}", scheme.to_ascii_lowercase());
    Ok(CallLink { destination, extension: None, context: None })
}

/// Percent escapes undone: browsers write %2B for +, and %20 for the spaces that people put into numbers.
fn decoded(text: &str) -> Result<String, &'static str> {
    let wrong =
        "a % in it is not followed by two hexadecimal digits, or not by those of a printable character";
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or(wrong);
        let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
        octets.push((high << 4 | low) as u8);
    }
    String::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control)).ok_or(wrong)
}

/// The digits of a number, with a leading +, without visual separators.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let (plus, rest) = text.strip_prefix('+').map_or(("", text), |rest| ("+", rest));
    Some(format!("{plus}{}", digits_without_plus(rest)?))
        .filter(|number| plus.is_empty() || !number.contains(['*', '#']))
}

fn digits_without_plus(text: &str) -> Option<String> {
    let fits =
        |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | '-' | '.' | '(' | ')' | ' ' | '\u{a0}');
    let digits: String = text.chars().filter(|c| c.is_ascii_digit() || matches!(c, '*' | '#')).collect();
    (text.chars().all(fits) && !digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_whom_to_call() {
        for (link, destination, extension, context) in [
            ("tel:+33-1-23-45-67-89", "tel:+33123456789", None, None),
            ("TEL:+1(201)555.0123", "tel:+12015550123", None, None),
            ("tel:%2B33%20123", "tel:+33123", None, None),
            ("tel://+33123", "tel:+33123", None, None),
            ("tel:+1-201-555-0123;ext=1-2", "tel:+12015550123", Some("12"), None),
            ("tel:7042;phone-context=example.com", "7042", None, Some("example.com")),
            ("tel:863-1234;phone-context=+1-914-555", "8631234", None, Some("+1-914-555")),
            ("tel:*31#", "*31#", None, None),
            ("tel:600;isub=12;unknown", "600", None, None),
            (" sip:bob@example.org ", "sip:bob@example.org", None, None),
            ("SIP:bob@example.org:5070;transport=tcp", "sip:bob@example.org:5070;transport=tcp", None, None),
            ("sip:bob@[2001:db8::1]:5070", "sip:bob@[2001:db8::1]:5070", None, None),
            ("sip:bob@example.org?subject=buy&Replaces=x", "sip:bob@example.org", None, None),
            ("sips:bob@example.org", "sips:bob@example.org", None, None),
            ("sip:example.org", "sip:example.org", None, None),
            ("600", "600", None, None),
            ("+33 1 23", "+33 1 23", None, None),
            ("bob@example.org:5070", "bob@example.org:5070", None, None),
        ] {
            let expected = CallLink {
                destination: destination.into(),
                extension: extension.map(str::to_owned),
                context: context.map(str::to_owned),
            };
            assert_eq!(CallLink::parse(link), Ok(expected), "{link}");
        }
    }

    #[test]
    fn links_that_are_no_call_say_what_was_expected() {
        for (link, part) in [
            ("", "empty"),
            ("tel:", "digits"),
            ("tel:+", "digits"),
            ("tel:1-800-FLOWERS", "dialled as digits"),
            ("tel:++33", "digits"),
            ("tel:33+1", "digits"),
            ("tel:+33*1", "digits"),
            ("tel:%zz", "hexadecimal"),
            ("tel:%0d%0aVia:x", "printable"),
            ("tel:%ff%fe", "printable"),
            ("tel:1;ext=abc", "ext"),
            ("tel:1;ext=1;ext=2", "twice"),
            ("sip:", "host"),
            ("sip:@example.org", "user"),
            ("sip:bob@", "host"),
            ("sip:bob@[2001:db8::1", "IPv6"),
            ("sip:bob:secret@example.org", "password"),
            ("sip:bob@example.org;method=REFER", "method"),
            ("sip:b ob@example.org", "spaces"),
            ("sip:%0a@example.org", "printable"),
            ("javascript:alert(1)", "only tel:"),
            ("tel:1\r\nVia: x", "control"),
            ("sip:<bob@example.org>", "angle"),
        ] {
            let error = CallLink::parse(link).expect_err(link);
            assert!(error.why.contains(part), "{link}: {error}");
        }
        assert!(CallLink::parse(&format!("tel:{}", "1".repeat(600))).is_err());
    }

    #[test]
    fn a_link_is_shown_as_it_will_be_dialled() {
        let link = CallLink::parse("tel:+1-201-555-0123;ext=12").map(|link| link.to_string());
        assert_eq!(link.as_deref(), Ok("+12015550123, then 12"));
    }
}
