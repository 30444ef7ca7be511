//! When two URIs name the same resource (RFC 3261 19.1.4, RFC 3966 4).

use super::escape::octets;
use super::params::Params;
use super::uri::{Scheme, Uri};

impl Uri<'_> {
    /// Whether both name the same resource (RFC 3261 19.1.4). `tel` URIs compare without visual separators (RFC 3966
    /// 4), others by their text.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        if self.as_str() == other.as_str() {
            return true;
        }
        match (self.scheme(), other.scheme()) {
            (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => self.equivalent_sip(other),
            (Scheme::Tel, Scheme::Tel) => {
                same_number(self.user().unwrap_or_default(), other.user().unwrap_or_default())
                    && same_params(&self.params(), &other.params(), |_| true)
            }
            (Scheme::Other(a), Scheme::Other(b)) => {
                a.eq_ignore_ascii_case(b) && self.as_str().get(a.len()..) == other.as_str().get(b.len()..)
            }
            (Scheme::Sip | Scheme::Sips | Scheme::Tel | Scheme::Other(_), _) => false,
        }
    }

    fn equivalent_sip(&self, other: &Uri<'_>) -> bool {
        same_optional(self.user(), other.user(), same_escaped)
            && same_optional(self.password(), other.password(), same_escaped)
            && self.host() == other.host()
            && self.port() == other.port()
            && same_params(&self.params(), &other.params(), must_be_in_both)
            && same_headers(self.headers(), other.headers())
    }
}

fn same_optional(a: Option<&str>, b: Option<&str>, same: impl Fn(&str, &str) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Escaped octets equal what they stand for, except reserved ones (RFC 3261 19.1.4), which differ from their escapes.
fn same_escaped(a: &str, b: &str) -> bool {
    if !a.contains('%') && !b.contains('%') {
        return a == b;
    }
    canonical(a).eq(canonical(b))
}

/// Octets, with a mark on those that stand escaped and are reserved.
fn canonical(text: &str) -> impl Iterator<Item = (u8, bool)> + '_ {
    octets(text).map(|(octet, escaped)| (octet, escaped && b";/?:@&=+$,%".contains(&octet)))
}

fn same_ignoring_case(a: &str, b: &str) -> bool {
    let lower = |(c, mark): (u8, bool)| (c.to_ascii_lowercase(), mark);
    canonical(a).map(lower).eq(canonical(b).map(lower))
}

fn must_be_in_both(name: &str) -> bool {
    ["user", "ttl", "method", "maddr", "transport"].iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// More parameters or headers than this make a URI that equals only its own text: the comparison is quadratic.
const MOST: usize = 64;

fn same_params(a: &Params<'_>, b: &Params<'_>, required: impl Fn(&str) -> bool + Copy) -> bool {
    // Both directions, so that the relation is symmetric.
    let one_way = |a: &Params<'_>, b: &Params<'_>| {
        a.iter().all(|(name, value)| match b.iter().find(|(n, _)| same_ignoring_case(n, name)) {
            Some((_, other)) => same_ignoring_case(value.unwrap_or_default(), other.unwrap_or_default()),
            None => !required(name),
        })
    };
    let few = |params: &Params<'_>| params.iter().nth(MOST).is_none();
    few(a) && few(b) && one_way(a, b) && one_way(b, a)
}

fn same_headers(a: Option<&str>, b: Option<&str>) -> bool {
    let count = |s: Option<&str>| s.map_or(0, |s| s.split('&').count());
    let one_way = |a: Option<&str>, b: Option<&str>| {
        a.into_iter()
            .flat_map(|s| s.split('&'))
            .all(|x| b.is_some_and(|b| b.split('&').any(|y| same_header(x, y))))
    };
    count(a) == count(b) && count(a) <= MOST && one_way(a, b) && one_way(b, a)
}

fn same_header(a: &str, b: &str) -> bool {
    let split = |s: &'_ str| s.split_once('=').map_or(s.len(), |(name, _)| name.len());
    let ((a_name, a_value), (b_name, b_value)) = (a.split_at(split(a)), b.split_at(split(b)));
    same_ignoring_case(a_name, b_name) && same_escaped(a_value, b_value)
}

fn same_number(a: &str, b: &str) -> bool {
    let digits = |s: &'_ str| -> Vec<u8> {
        s.bytes().filter(|c| !b"-.()".contains(c)).map(|c| c.to_ascii_lowercase()).collect()
    };
    digits(a) == digits(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (Ok(a), Ok(b)) = (Uri::parse(a), Uri::parse(b)) else { panic!("no URIs: {a} {b}") };
        assert_eq!(a.equivalent(&b), b.equivalent(&a), "{a} {b}");
        a.equivalent(&b)
    }

    #[test]
    fn uris_of_one_resource_are_equivalent() {
        for (a, b) in [
            ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtLanTa.Example;Transport=tcp"),
            ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
            ("sip:carol@chicago.example;newparam=5", "sip:carol@chicago.example;security=on"),
            (
                "sip:biloxi.example;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.example",
                "sip:biloxi.example;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.example",
            ),
            (
                "sip:alice@atlanta.example?subject=a&priority=urgent",
                "sip:alice@atlanta.example?priority=urgent&subject=a",
            ),
            ("SIP:a@b.example", "sip:a@B.EXAMPLE"),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0:0:0:0:1]"),
            ("tel:+1-201-555-0123", "tel:+1.201.555.0123"),
            ("urn:service:sos", "URN:service:sos"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn uris_of_different_resources_are_not() {
        for (a, b) in [
            ("sip:ALICE@atlanta.example", "sip:alice@atlanta.example"),
            ("sip:bob@biloxi.example", "sip:bob@biloxi.example:5060"),
            ("sip:bob@biloxi.example", "sip:bob@biloxi.example;transport=udp"),
            ("sip:bob@biloxi.example", "sips:bob@biloxi.example"),
            ("sip:carol@chicago.example", "sip:carol@chicago.example?Subject=next"),
            ("sip:carol@chicago.example;security=off", "sip:carol@chicago.example;security=on"),
            ("sip:bob@phone21.boxesbybob.example", "sip:bob@192.0.2.4"),
            ("sip:a:x@b.example", "sip:a@b.example"),
            ("sip:a%40b@c.example", "sip:ab@c.example"),
            ("sip:a%3Bx@c.example", "sip:a;x@c.example"),
            ("tel:+1201", "tel:+1202"),
            ("tel:7042;phone-context=a.example", "tel:7042;phone-context=b.example"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
