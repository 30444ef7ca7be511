//! From what a person dials to a Request-URI.

use hookswitch_spi::OperationError;

/// The longest destination taken.
const LONGEST: usize = 512;

/// What was dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// Nothing: off-hook.
    Nothing,
    /// The beginning of an address; more follows.
    Part,
    /// An address: its Request-URI.
    Whole(String),
}

/// Reads what was dialled. An address that ends in `;` is not complete (lineMakeCall, lineDial); a URI always is.
pub(crate) fn dialled(text: &str, domain: &str) -> Result<Dialled, OperationError> {
    let text = text.trim();
    match part(text) {
        ("", _) => Ok(Dialled::Nothing),
        (beginning, true) => {
            // Nothing of it may be impossible, however it goes on.
            request_uri(beginning, domain)?;
            Ok(Dialled::Part)
        }
        (_, false) => request_uri(text, domain).map(Dialled::Whole),
    }
}

/// Without the `;` that says that more follows, and whether it was there.
pub(crate) fn part(text: &str) -> (&str, bool) {
    match text.strip_suffix(';') {
        Some(beginning) if !text.contains(':') => (beginning, true),
        Some(_) | None => (text, false),
    }
}

/// The first character of a dial string that needs a device to listen on the way: `W` and `w` wait for a dialtone, `@` for quiet,
/// `$` for the tone that asks for a calling card, `?` for a person. None of them can be done here.
///
/// A text of digits and commands is a dial string; with letters of another kind it is a name, in which only `@`, `$` and `?`
/// are commands. What stands before a host that can be no digits (`600@pbx.example`, `600@192.0.2.1`) is an address.
fn unsupported(text: &str) -> Option<char> {
    let plain = text.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && is_host(host));
    if plain {
        return None;
    }
    let digits = text.chars().any(|c| c.is_ascii_digit() || matches!(c, '*' | '#'));
    let commands = text.chars().all(|c| c.is_ascii_digit() || "ABCDabcdWw*#+!,@$?;-.() ".contains(c));
    let dial_string = digits && commands;
    text.chars().find(|c| matches!(c, '$' | '@' | '?') || dial_string && matches!(c, 'W' | 'w'))
}

/// Whether this can be a host and cannot be digits that are dialled after `@`.
fn is_host(text: &str) -> bool {
    let host = text.split([';', ':', '?']).next().unwrap_or_default();
    let named = host.bytes().any(|b| b.is_ascii_alphabetic() && !b"ABCDabcdWw".contains(&b));
    let address = host.parse::<std::net::Ipv4Addr>().is_ok() || text.starts_with('[');
    // A name of such letters only is one if no digit stands in it.
    let word = host.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.' || b == b'-') && !host.is_empty();
    named || address || word
}

/// A Request-URI for `destination`: a URI as it is, a `user@host` with its scheme added, a number or name at the line's domain.
///
/// Dial string characters that need a device are refused before anything is sent (TAPI: LINEERR_DIALDIALTONE and its kin); visual
/// separators of numbers are taken out, and so are pauses: a SIP switch takes a whole address at once.
pub(crate) fn request_uri(destination: &str, domain: &str) -> Result<String, OperationError> {
    let destination = destination.trim();
    let refuse = |why: &str| {
        Err(OperationError::InvalidAddress {
            address: destination.chars().take(80).collect(),
            why: why.into(),
        })
    };
    if destination.is_empty() {
        return refuse("it is empty");
    }
    if destination.len() > LONGEST {
        return refuse("it is longer than 512 octets");
    }
    if destination.chars().any(|c| c.is_control() || c == '<' || c == '>' || c == '"') {
        return refuse("it contains a control character, a quote or an angle bracket");
    }
    let scheme = destination.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("sip" | "sips" | "tel"))
        && let Some(c) = unsupported(destination)
    {
        return Err(OperationError::UnsupportedDialCharacter(c));
    }
    if let Some((scheme, rest)) = destination.split_once(':') {
        return match scheme.to_ascii_lowercase().as_str() {
            "sip" | "sips" => sip_uri(destination, scheme, rest).or_else(&refuse),
            "tel" => number(rest).map_or_else(
                || refuse("a tel: URI holds digits, '+' and visual separators"),
                |digits| Ok(format!("sip:{digits}@{domain};user=phone")),
            ),
            _ if !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_digit())
                && !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._@".contains(&b)) =>
            {
                // host:port without a scheme
                Ok(format!("sip:{destination}"))
            }
            _ => refuse("only sip:, sips: and tel: URIs can be dialled"),
        };
    }
    if destination.contains('@') {
        return sip_uri(destination, "sip", destination)
            .map(|_| format!("sip:{destination}"))
            .or_else(&refuse);
    }
    if let Some(digits) = number(destination) {
        return Ok(format!("sip:{}@{domain}", digits.replace('#', "%23")));
    }
    if destination.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&b)) {
        return Ok(format!("sip:{destination}@{domain}"));
    }
    refuse("a name may hold letters, digits and -_.!~*'()&=+,/ only")
}

/// The digits of a telephone number without visual separators (RFC 3966 5.1.1); `None` if it is none.
fn number(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        match c {
            '+' if i == 0 => digits.push('+'),
            '0'..='9' | '*' | '#' => digits.push(c),
            '-' | '.' | '(' | ')' | ' ' | ',' => {}
            _ => return None,
        }
    }
    (digits.bytes().any(|b| b.is_ascii_digit() || b == b'*' || b == b'#')).then_some(digits)
}

fn sip_uri(whole: &str, scheme: &str, rest: &str) -> Result<String, &'static str> {
    if whole.contains(' ') {
        return Err("a URI holds no space");
    }
    if whole.contains('?') {
        return Err("a URI with header fields ('?') is not to be called as it stands");
    }
    let rest = rest.strip_prefix(&format!("{scheme}:")).unwrap_or(rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split([';', '?']).next().unwrap_or_default();
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.starts_with('[') && !host.contains(']') {
        return Err("an IPv6 address ends with ']'");
    }
    Ok(whole.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_become_request_uris() {
        for (dialled, uri) in [
            ("600", "sip:600@pbx.example"),
            ("+33 1 42-34.56(78)", "sip:+33142345678@pbx.example"),
            ("*98#", "sip:*98%23@pbx.example"),
            ("alice", "sip:alice@pbx.example"),
            ("alice@example.org", "sip:alice@example.org"),
            ("600@10.0.0.2", "sip:600@10.0.0.2"),
            ("600@pbx:5070", "sip:600@pbx:5070"),
            ("bad@cab", "sip:bad@cab"),
            ("wanda", "sip:wanda@pbx.example"),
            ("9,600", "sip:9600@pbx.example"),
            ("sip:w$@example.org", "sip:w$@example.org"),
            ("sip:alice@example.org;transport=tcp", "sip:alice@example.org;transport=tcp"),
            ("sip:[2001:db8::1]:5070", "sip:[2001:db8::1]:5070"),
            ("tel:+1-201-555-0123", "sip:+12015550123@pbx.example;user=phone"),
        ] {
            assert_eq!(request_uri(dialled, "pbx.example").as_deref(), Ok(uri), "{dialled}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_with_a_reason() {
        for dialled in [
            "",
            "  ",
            "sip:",
            "http://x",
            "a b",
            "foo bar:123",
            "sip:a@b?Subject=x",
            "sip:a@",
            "sip:[::1",
            "x\r\nEvil: 1",
            "<sip:a@b>",
            "tel:abc",
        ] {
            assert!(
                matches!(request_uri(dialled, "d"), Err(OperationError::InvalidAddress { .. })),
                "{dialled:?} gave {:?}",
                request_uri(dialled, "d")
            );
        }
    }

    #[test]
    fn special_dial_characters_are_refused_before_dialling() {
        for (dialled, c) in [
            ("9W123", 'W'),
            ("W123", 'W'),
            ("ww9", 'w'),
            ("12$3", '$'),
            ("$123", '$'),
            ("123?", '?'),
            ("?1", '?'),
            ("1@23", '@'),
            ("@23", '@'),
            ("123@", '@'),
            ("123@45W", '@'),
            ("alice?", '?'),
            ("12W;", 'W'),
            ("1,2W3", 'W'),
        ] {
            assert_eq!(
                request_uri(dialled, "d"),
                Err(OperationError::UnsupportedDialCharacter(c)),
                "{dialled}"
            );
        }
    }

    #[test]
    fn addresses_can_be_dialled_in_parts() {
        for (text, read) in [
            ("", Dialled::Nothing),
            (";", Dialled::Nothing),
            ("12;", Dialled::Part),
            ("alice;", Dialled::Part),
            ("12", Dialled::Whole("sip:12@d".into())),
            ("sip:a@b;", Dialled::Whole("sip:a@b;".into())),
        ] {
            assert_eq!(dialled(text, "d"), Ok(read), "{text}");
        }
        assert_eq!(dialled("1$;", "d"), Err(OperationError::UnsupportedDialCharacter('$')));
    }
}
