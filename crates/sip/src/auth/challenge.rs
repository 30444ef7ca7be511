//! What a server asks: `WWW-Authenticate` and `Proxy-Authenticate`.

use super::algorithm::{Algorithm, Protection};
use crate::cause::lex;

/// Who challenges, hence which headers carry the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A registrar or user agent server: 401, `WWW-Authenticate`, `Authorization`.
    Server,
    /// A proxy on the way: 407, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
}

impl Place {
    /// The status of a challenge.
    pub const fn status(self) -> u16 {
        match self {
            Self::Server => 401,
            Self::Proxy => 407,
        }
    }

    /// The header that challenges.
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Self::Server => "WWW-Authenticate",
            Self::Proxy => "Proxy-Authenticate",
        }
    }

    /// The header that answers.
    pub const fn credentials_header(self) -> &'static str {
        match self {
            Self::Server => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

/// A digest challenge. Texts are as on the wire between the quotes, escapes included, because that is what is hashed and echoed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose accounts are meant.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be echoed.
    pub opaque: Option<String>,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Whether the challenge named its algorithm; old servers that do not may stumble over an answer that does.
    pub algorithm_named: bool,
    /// The protection we choose from those offered: `auth` before `auth-int`.
    pub protection: Protection,
    /// The password was right, but the nonce too old.
    pub stale: bool,
}

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// Another scheme, such as Basic or Bearer.
    #[error("the challenge is not of the scheme Digest, the only one supported")]
    Scheme,
    /// An algorithm we do not have.
    #[error("the challenge asks for a digest algorithm other than MD5, SHA-256, SHA-512-256")]
    Algorithm,
    /// A protection we do not have.
    #[error("the challenge offers no protection (qop) of auth or auth-int")]
    Protection,
    /// A parameter that must be there is missing, twice there, or too long.
    #[error("the challenge has no usable parameter {0}")]
    Parameter(&'static str),
}

/// Longer values are refused; the longest nonces in use have about 200 characters.
pub(super) const LONGEST: usize = 1024;

impl Challenge {
    /// Reads the value of one challenge header.
    pub fn parse(value: &str) -> Result<Self, ChallengeError> {
        let (mut realm, mut nonce, mut opaque, mut algorithm, mut qop, mut stale) =
            (None, None, None, None, None, None);
        for (name, value) in parameters(value).ok_or(ChallengeError::Scheme)? {
            let (slot, known) = match () {
                () if name.eq_ignore_ascii_case("realm") => (&mut realm, "realm"),
                () if name.eq_ignore_ascii_case("nonce") => (&mut nonce, "nonce"),
                () if name.eq_ignore_ascii_case("opaque") => (&mut opaque, "opaque"),
                () if name.eq_ignore_ascii_case("algorithm") => (&mut algorithm, "algorithm"),
                () if name.eq_ignore_ascii_case("qop") => (&mut qop, "qop"),
                () if name.eq_ignore_ascii_case("stale") => (&mut stale, "stale"),
                // RFC 7616 3.3: unknown parameters are ignored.
                () => continue,
            };
            if slot.replace(value).is_some() || value.len() > LONGEST || !lex::is_quotable(value) {
                return Err(ChallengeError::Parameter(known));
            }
        }
        let protection = match qop {
            None => Protection::Legacy,
            Some(list) => offered(list).ok_or(ChallengeError::Protection)?,
        };
        Ok(Self {
            realm: realm.ok_or(ChallengeError::Parameter("realm"))?.to_owned(),
            nonce: nonce.ok_or(ChallengeError::Parameter("nonce"))?.to_owned(),
            opaque: opaque.map(str::to_owned),
            algorithm: match algorithm {
                None => Algorithm::Md5,
                Some(token) => Algorithm::from_token(token).ok_or(ChallengeError::Algorithm)?,
            },
            algorithm_named: algorithm.is_some(),
            protection,
            stale: stale.is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }

    /// The header's value.
    pub fn to_value(&self) -> String {
        let mut out = String::with_capacity(96 + self.realm.len() + self.nonce.len());
        out.push_str("Digest realm=\"");
        out.push_str(&self.realm);
        out.push_str("\", nonce=\"");
        out.push_str(&self.nonce);
        out.push('"');
        if let Some(opaque) = &self.opaque {
            out.push_str(", opaque=\"");
            out.push_str(opaque);
            out.push('"');
        }
        if self.algorithm_named || self.algorithm != Algorithm::Md5 {
            out.push_str(", algorithm=");
            out.push_str(self.algorithm.token());
        }
        if let Some(token) = self.protection.token() {
            out.push_str(", qop=\"");
            out.push_str(token);
            out.push('"');
        }
        if self.stale {
            out.push_str(", stale=true");
        }
        out
    }
}

fn offered(list: &str) -> Option<Protection> {
    let has = |wanted: &str| list.split([',', ' ', '\t']).any(|token| token.eq_ignore_ascii_case(wanted));
    if has("auth") {
        Some(Protection::Auth)
    } else if has("auth-int") {
        Some(Protection::AuthInt)
    } else {
        None
    }
}

/// The parameters of a `Digest` value, without quotes; `None` if the scheme is another one.
pub(super) fn parameters(value: &str) -> Option<impl Iterator<Item = (&str, &str)>> {
    let value = value.trim();
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("Digest").then(|| pairs(rest))
}

/// Comma-separated `name=value` pairs, without quotes.
pub(super) fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    lex::split(list, b',').map(|piece| {
        let (name, value) = lex::parameter(piece);
        (name, lex::without_quotes(value.unwrap_or("")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_whatever_its_layout() {
        let got = Challenge::parse(
            "DIGEST\trealm = \"biloxi.com, \\\"inc\\\"\" ,qop=\"auth-int , auth\", nonce=\"84a4cc6f3082121f32b42a2187831a9e\",\
             opaque=\"\", stale=TRUE, algorithm=sha-256, domain=\"sip:x\", new=1",
        )
        .unwrap();
        assert_eq!(got.realm, "biloxi.com, \\\"inc\\\"");
        assert_eq!(got.nonce, "84a4cc6f3082121f32b42a2187831a9e");
        assert_eq!(got.opaque.as_deref(), Some(""));
        assert_eq!((got.algorithm, got.protection, got.stale), (Algorithm::Sha256, Protection::Auth, true));
        assert_eq!(Challenge::parse(&got.to_value()).unwrap(), got);
    }

    #[test]
    fn an_old_challenge_means_md5_without_protection() {
        let got = Challenge::parse("Digest realm=\"a\",nonce=\"b\"").unwrap();
        assert_eq!((got.algorithm, got.algorithm_named), (Algorithm::Md5, false));
        assert_eq!(got.protection, Protection::Legacy);
        assert!(!got.to_value().contains("algorithm"));
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let long = format!("Digest realm=\"a\",nonce=\"{}\"", "n".repeat(LONGEST + 1));
        let cases = [
            ("", ChallengeError::Scheme),
            ("Basic realm=\"a\"", ChallengeError::Scheme),
            ("Digest", ChallengeError::Parameter("realm")),
            ("Digest ,,,=,\"", ChallengeError::Parameter("realm")),
            ("Digest realm=\"a\"", ChallengeError::Parameter("nonce")),
            ("Digest realm=\"a\",realm=\"b\",nonce=\"c\"", ChallengeError::Parameter("realm")),
            ("Digest realm=\"a\",nonce=\"b\\", ChallengeError::Parameter("nonce")),
            ("Digest realm=\"a\",nonce=b\"c\"", ChallengeError::Parameter("nonce")),
            ("Digest realm=\"a\",nonce=\"b\r\nVia: x\"", ChallengeError::Parameter("nonce")),
            ("Digest realm=\"a\",nonce=\"b\",qop=\"none\"", ChallengeError::Protection),
            ("Digest realm=\"a\",nonce=\"b\",algorithm=AKAv1-MD5", ChallengeError::Algorithm),
            (long.as_str(), ChallengeError::Parameter("nonce")),
        ];
        for (value, expected) in cases {
            assert_eq!(Challenge::parse(value), Err(expected), "{value:.60}");
        }
    }
}
