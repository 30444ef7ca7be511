//! One party of a call: address, number, name, and whether they may be shown.

use crate::message::{Host, NameAddr, Scheme, Uri};
use std::fmt::{self, Write};

/// Whether a party may be shown (TAPI's call party identification flags).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presentation {
    /// It may be shown.
    Allowed,
    /// The party does not want to be shown (RFC 3323, RFC 3325): neither address nor name are here.
    Blocked,
    /// The network that the call comes from could not tell.
    OutOfArea,
    /// Nothing is known.
    Unknown,
}

/// A party, as far as it may be known.
#[derive(Clone, PartialEq, Eq)]
pub struct Party {
    /// The address: scheme, user, host, port.
    pub address: Option<String>,
    /// The telephone number, if the address is one: digits, perhaps with `+` in front.
    pub number: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Whether it may be shown.
    pub presentation: Presentation,
}

impl Party {
    /// A party without anything, for this reason.
    pub const fn hidden(presentation: Presentation) -> Self {
        Self { address: None, number: None, name: None, presentation }
    }

    /// The party that an address names. The conventional users `anonymous` and `unavailable` are no addresses.
    pub fn of(address: &NameAddr<'_>) -> Self {
        let mut party = Self::of_uri(&address.uri());
        if party.presentation == Presentation::Allowed {
            party.name = address.display().map(Into::into);
        }
        party
    }

    /// The party that a URI names.
    pub fn of_uri(uri: &Uri<'_>) -> Self {
        let user = uri.user().unwrap_or("");
        let host = match uri.host() {
            Some(Host::Name(name)) => name,
            Some(Host::V4(_) | Host::V6(_)) | None => "",
        };
        // RFC 3323 4.1.1.3.
        if user.eq_ignore_ascii_case("anonymous") || host.eq_ignore_ascii_case("anonymous.invalid") {
            return Self::hidden(Presentation::Blocked);
        }
        if user.eq_ignore_ascii_case("unavailable") {
            return Self::hidden(Presentation::OutOfArea);
        }
        if user.eq_ignore_ascii_case("unknown") || host.eq_ignore_ascii_case("unknown.invalid") {
            return Self::hidden(Presentation::Unknown);
        }
        Self {
            address: Some(address(uri)),
            number: number(uri),
            name: None,
            presentation: Presentation::Allowed,
        }
    }
}

impl fmt::Debug for Party {
    /// Whether it may be shown, and what is known; not what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Party")
            .field("presentation", &self.presentation)
            .field("address", &self.address.is_some())
            .field("number", &self.number.is_some())
            .field("name", &self.name.is_some())
            .finish()
    }
}

/// Scheme, user, host, port.
fn address(uri: &Uri<'_>) -> String {
    let mut text = String::with_capacity(uri.as_str().len());
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", uri.address_of_record());
    text
}

/// The number of a `tel` URI, or of a user part that looks like one, without visual separators and parameters.
fn number(uri: &Uri<'_>) -> Option<String> {
    let user = uri.user_unescaped()?;
    let user = user.split(';').next().unwrap_or("");
    let wanted = match uri.scheme() {
        Scheme::Tel => true,
        Scheme::Sip | Scheme::Sips => {
            uri.params().get("user").is_some_and(|user| user.eq_ignore_ascii_case("phone"))
        }
        Scheme::Other(_) => return None,
    };
    let digits = user.strip_prefix('+').unwrap_or(user);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let formatted = digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b"-.()*#".contains(&b));
    (plain || wanted && formatted).then(|| user.chars().filter(|c| !"-.()".contains(*c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_parties() {
        use Presentation::{Allowed, Blocked, OutOfArea, Unknown};
        let cases = [
            ("\"Bob\" <sip:bob@b.com;transport=tcp>", Some("sip:bob@b.com"), None, Some("Bob"), Allowed),
            ("<sip:+4930123@b.com:5070>", Some("sip:+4930123@b.com:5070"), Some("+4930123"), None, Allowed),
            ("<sip:100@b.com>", Some("sip:100@b.com"), Some("100"), None, Allowed),
            ("<tel:+49-30-123;phone-context=x>", Some("tel:+49-30-123"), Some("+4930123"), None, Allowed),
            (
                "<sip:+49(30)123;npdi@b.com;user=phone>",
                Some("sip:+49(30)123;npdi@b.com"),
                Some("+4930123"),
                None,
                Allowed,
            ),
            ("<sip:b.com>", Some("sip:b.com"), None, None, Allowed),
            ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", None, None, None, Blocked),
            ("\"Bob\" <sip:Anonymous@b.com>", None, None, None, Blocked),
            ("<sip:unavailable@b.com>", None, None, None, OutOfArea),
            ("<sip:unknown@b.com>", None, None, None, Unknown),
        ];
        for (text, address, number, name, presentation) in cases {
            let got = Party::of(&NameAddr::parse(text).unwrap());
            let got = (got.address.as_deref(), got.number.as_deref(), got.name.as_deref(), got.presentation);
            assert_eq!(got, (address, number, name, presentation), "{text}");
        }
    }

    #[test]
    fn parties_do_not_print() {
        let party = Party::of(&NameAddr::parse("\"Bob\" <sip:+4930123@b.com>").unwrap());
        let printed = format!("{party:?}");
        assert!(!printed.contains("Bob") && !printed.contains("4930"));
    }
}
