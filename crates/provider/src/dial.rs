//! From what a person dials to a Request-URI.

use hookswitch_spi::OperationError;

/// The longest destination taken.
const LONGEST: usize = 512;

/// A Request-URI for `destination`: a URI as it is, a `user@host` with its scheme added, a number or name at the line's domain.
///
/// Dial string characters that need a device (wait for dialtone, billing, quiet, a prompt) are refused before anything is
/// sent (TAPI: LINEERR_DIALDIALTONE and its kin); visual separators of numbers are taken out.
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
    if let Some(c) = destination.chars().find(|c| matches!(c, '$' | '@' | '?')).or_else(|| {
        destination.chars().find(|c| matches!(c, 'W' | 'w')).filter(|_| is_number_like(destination))
    }) {
        return Err(OperationError::UnsupportedDialCharacter(c));
    }
    if let Some(digits) = number(destination) {
        return Ok(format!("sip:{}@{domain}", digits.replace('#', "%23")));
    }
    if destination.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&b)) {
        return Ok(format!("sip:{destination}@{domain}"));
    }
    refuse("a name may hold letters, digits and -_.!~*'()&=+,/ only")
}

/// Mostly digits: then letters are dial string commands, not a name.
fn is_number_like(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits * 2 >= text.len()
}

/// The digits of a telephone number without visual separators (RFC 3966 5.1.1); `None` if it is none.
fn number(text: &str) -> Option<String> {
    let mut digits = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        match c {
            '+' if i == 0 => digits.push('+'),
            '0'..='9' | '*' | '#' => digits.push(c),
            '-' | '.' | '(' | ')' | ' ' => {}
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
        for (dialled, c) in [("9W123", 'W'), ("12$3", '$'), ("123?", '?')] {
            assert_eq!(
                request_uri(dialled, "d"),
                Err(OperationError::UnsupportedDialCharacter(c)),
                "{dialled}"
            );
        }
    }
}
