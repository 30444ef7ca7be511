//! What a client answers: `Authorization` and `Proxy-Authorization`; and the next nonce a server may add.

use super::algorithm::{Algorithm, Protection};
use super::challenge::{LONGEST, pairs, parameters};
use crate::cause::lex;
use std::borrow::Cow;
use std::fmt;

/// Digest credentials, borrowed from the header. Texts are as on the wire between the quotes; the digest does not print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authorization<'a> {
    username: &'a str,
    /// Whose account is meant.
    pub realm: &'a str,
    /// The nonce that is answered.
    pub nonce: &'a str,
    /// The URI that was hashed; proxies on the way may have changed the Request-URI since.
    pub uri: &'a str,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The protection.
    pub protection: Protection,
    /// The client's nonce; empty without one.
    pub cnonce: &'a str,
    /// The nonce count; 0 without protection.
    pub nonce_count: u32,
    /// Echoed from the challenge.
    pub opaque: Option<&'a str>,
    pub(super) nonce_count_digits: &'a str,
    pub(super) response: &'a str,
}

/// Why credentials cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// Another scheme, such as Basic or Bearer.
    #[error("the credentials are not of the scheme Digest, the only one supported")]
    Scheme,
    /// An algorithm we do not have.
    #[error("the credentials use a digest algorithm other than MD5, SHA-256, SHA-512-256")]
    Algorithm,
    /// A parameter that must be there is missing, twice there, too long or ill-formed.
    #[error("the credentials have no usable parameter {0}")]
    Parameter(&'static str),
}

impl<'a> Authorization<'a> {
    /// Reads the value of one credentials header.
    pub fn parse(value: &'a str) -> Result<Self, AuthorizationError> {
        const NAMES: [&str; 10] =
            ["username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "nc", "qop", "opaque"];
        let mut found: [Option<&'a str>; 10] = [None; 10];
        for (name, value) in parameters(value).ok_or(AuthorizationError::Scheme)? {
            let slots = NAMES.iter().zip(found.iter_mut());
            // RFC 7616 3.4: unknown parameters are ignored.
            let Some((known, slot)) = slots.into_iter().find(|(n, _)| name.eq_ignore_ascii_case(n)) else {
                continue;
            };
            if slot.replace(value).is_some() || value.len() > LONGEST {
                return Err(AuthorizationError::Parameter(known));
            }
        }
        let [username, realm, nonce, uri, response, algorithm, cnonce, nc, qop, opaque] = found;
        let needed = |value: Option<&'a str>, name| value.ok_or(AuthorizationError::Parameter(name));
        let algorithm = match algorithm {
            None => Algorithm::Md5,
            Some(token) => Algorithm::from_token(token).ok_or(AuthorizationError::Algorithm)?,
        };
        let protection = match qop {
            None => Protection::Legacy,
            Some(token) if token.eq_ignore_ascii_case("auth") => Protection::Auth,
            Some(token) if token.eq_ignore_ascii_case("auth-int") => Protection::AuthInt,
            Some(_) => return Err(AuthorizationError::Parameter("qop")),
        };
        let (nonce_count, nonce_count_digits) = match protection {
            Protection::Legacy => (0, ""),
            Protection::Auth | Protection::AuthInt => {
                let digits = needed(nc, "nc")?;
                (nonce_count(digits).ok_or(AuthorizationError::Parameter("nc"))?, digits)
            }
        };
        let cnonce = match protection {
            Protection::Legacy if !algorithm.is_session() => cnonce.unwrap_or(""),
            Protection::Legacy | Protection::Auth | Protection::AuthInt => needed(cnonce, "cnonce")?,
        };
        Ok(Self {
            username: needed(username, "username")?,
            realm: needed(realm, "realm")?,
            nonce: needed(nonce, "nonce")?,
            uri: needed(uri, "uri")?,
            algorithm,
            protection,
            cnonce,
            nonce_count,
            opaque,
            nonce_count_digits,
            response: needed(response, "response")?,
        })
    }

    /// The user's name, escapes removed.
    pub fn username(&self) -> Cow<'a, str> {
        lex::unescape_quoted(self.username)
    }
}

/// Eight hexadecimal digits, not all zero (RFC 7616 3.4).
fn nonce_count(digits: &str) -> Option<u32> {
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok().filter(|n| *n > 0)
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("uri", &self.uri)
            .field("algorithm", &self.algorithm)
            .field("protection", &self.protection)
            .field("nonce_count", &self.nonce_count)
            .finish_non_exhaustive()
    }
}

/// The nonce to use from now on, from the value of `Authentication-Info` (RFC 7616 3.5, RFC 3261 20.6).
pub fn next_nonce(authentication_info: &str) -> Option<&str> {
    pairs(authentication_info)
        .find(|(name, _)| name.eq_ignore_ascii_case("nextnonce"))
        .map(|(_, nonce)| nonce)
        .filter(|nonce| !nonce.is_empty() && nonce.len() <= LONGEST && lex::is_quotable(nonce))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Digest username=\"bo\\\"b\", realm=\"biloxi.com\", nonce=\"dcd9\", uri=\"sip:bob@biloxi.com\", \
         qop=auth, nc=0000000a, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc\"";

    #[test]
    fn credentials_are_read() {
        let got = Authorization::parse(GOOD).unwrap();
        assert_eq!(got.username(), "bo\"b");
        assert_eq!((got.realm, got.nonce, got.uri), ("biloxi.com", "dcd9", "sip:bob@biloxi.com"));
        assert_eq!((got.algorithm, got.protection, got.nonce_count), (Algorithm::Md5, Protection::Auth, 10));
        assert_eq!((got.cnonce, got.opaque), ("0a4f113b", Some("5ccc")));
    }

    #[test]
    fn the_digest_does_not_print() {
        assert!(!format!("{:?}", Authorization::parse(GOOD)).contains("6629"));
    }

    #[test]
    fn broken_credentials_say_what_is_missing() {
        let cases = [
            ("Bearer abc", AuthorizationError::Scheme),
            ("Digest", AuthorizationError::Parameter("username")),
            ("Digest username=\"a\",username=\"b\"", AuthorizationError::Parameter("username")),
            ("Digest qop=auth,cnonce=\"a\"", AuthorizationError::Parameter("nc")),
            ("Digest qop=auth,nc=00000000,cnonce=\"a\"", AuthorizationError::Parameter("nc")),
            ("Digest qop=auth,nc=1,cnonce=\"a\"", AuthorizationError::Parameter("nc")),
            ("Digest qop=auth,nc=+0000001,cnonce=\"a\"", AuthorizationError::Parameter("nc")),
            ("Digest qop=auth,nc=00000001", AuthorizationError::Parameter("cnonce")),
            ("Digest qop=other", AuthorizationError::Parameter("qop")),
            ("Digest algorithm=SHA-1", AuthorizationError::Algorithm),
        ];
        for (value, expected) in cases {
            assert_eq!(Authorization::parse(value), Err(expected), "{value}");
        }
    }

    #[test]
    fn the_next_nonce_is_found() {
        let value = "qop=auth, rspauth=\"12\", nextnonce=\"47364c23432d2e131a5fb210812c\"";
        assert_eq!(next_nonce(value), Some("47364c23432d2e131a5fb210812c"));
        assert_eq!(next_nonce("nextnonce=\"a\rb\""), None);
        assert_eq!(next_nonce("qop=auth"), None);
    }
}
