//! The arithmetic of digest authentication: hashes, A1, A2 and the response.

use crate::cause::lex::hex_digit;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::fmt;

/// A digest algorithm (RFC 7616 3.3, RFC 8760 2.1), weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, also meant when a challenge names none.
    Md5,
    /// `MD5-sess`: the session key mixes in the nonces once.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

/// What the digest protects (`qop`, RFC 7616 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protection {
    /// No `qop` at all (RFC 2069): neither a nonce count nor a client nonce.
    Legacy,
    /// `auth`: method and URI.
    Auth,
    /// `auth-int`: method, URI and body.
    AuthInt,
}

impl Protection {
    /// The token in the header; `None` for [`Protection::Legacy`].
    pub const fn token(self) -> Option<&'static str> {
        match self {
            Self::Legacy => None,
            Self::Auth => Some("auth"),
            Self::AuthInt => Some("auth-int"),
        }
    }
}

const ALL: [Algorithm; 6] = [
    Algorithm::Md5,
    Algorithm::Md5Sess,
    Algorithm::Sha256,
    Algorithm::Sha256Sess,
    Algorithm::Sha512_256,
    Algorithm::Sha512_256Sess,
];

impl Algorithm {
    /// The token in the header.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// The algorithm a token names, if we know it.
    pub fn from_token(token: &str) -> Option<Self> {
        ALL.into_iter().find(|a| a.token().eq_ignore_ascii_case(token))
    }

    /// The algorithm without `-sess`: the one stored HA1 values are made with.
    pub const fn base(self) -> Self {
        match self {
            Self::Md5 | Self::Md5Sess => Self::Md5,
            Self::Sha256 | Self::Sha256Sess => Self::Sha256,
            Self::Sha512_256 | Self::Sha512_256Sess => Self::Sha512_256,
        }
    }

    /// Whether the session key mixes in the nonces (`-sess`).
    pub const fn is_session(self) -> bool {
        match self {
            Self::Md5 | Self::Sha256 | Self::Sha512_256 => false,
            Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess => true,
        }
    }

    /// HA1 as it may be stored instead of a password: `H(username:realm:password)` in lower-case hexadecimal.
    pub fn ha1(self, username: &str, realm: &str, password: &str) -> super::Secret {
        super::Secret::new(self.hash(&[username, realm, password]).as_str())
    }

    /// The key of a session: HA1 itself, or mixed with the nonces (RFC 7616 3.4.2).
    pub(super) fn session_key(self, ha1: &str, nonce: &str, cnonce: &str) -> Hex {
        if self.is_session() { self.hash(&[ha1, nonce, cnonce]) } else { Hex::copy(ha1) }
    }

    /// The hash of `parts` joined by colons.
    pub(super) fn hash(self, parts: &[&str]) -> Hex {
        match self.base() {
            Self::Md5 | Self::Md5Sess => joined::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => joined::<Sha256>(parts),
            Self::Sha512_256 | Self::Sha512_256Sess => joined::<Sha512_256>(parts),
        }
    }

    fn hash_bytes(self, bytes: &[u8]) -> Hex {
        match self.base() {
            Self::Md5 | Self::Md5Sess => Hex::of(&Md5::digest(bytes)),
            Self::Sha256 | Self::Sha256Sess => Hex::of(&Sha256::digest(bytes)),
            Self::Sha512_256 | Self::Sha512_256Sess => Hex::of(&Sha512_256::digest(bytes)),
        }
    }
}

fn joined<D: Digest>(parts: &[&str]) -> Hex {
    let mut hash = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    Hex::of(&hash.finalize())
}

/// What goes into a response beside the session key.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) protection: Protection,
    pub(super) nonce: &'a str,
    /// Eight hexadecimal digits; not used by `Legacy`.
    pub(super) nonce_count: &'a str,
    pub(super) cnonce: &'a str,
    /// Empty for the server's proof in Authentication-Info (`rspauth`).
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

impl Terms<'_> {
    /// The `response` (RFC 7616 3.4.1).
    pub(super) fn response(&self, session_key: &str) -> Hex {
        let a = self.algorithm;
        let ha2 = match self.protection {
            Protection::Legacy | Protection::Auth => a.hash(&[self.method, self.uri]),
            Protection::AuthInt => a.hash(&[self.method, self.uri, a.hash_bytes(self.body).as_str()]),
        };
        match self.protection.token() {
            None => a.hash(&[session_key, self.nonce, ha2.as_str()]),
            Some(qop) => a.hash(&[session_key, self.nonce, self.nonce_count, self.cnonce, qop, ha2.as_str()]),
        }
    }
}

/// A digest in lower-case hexadecimal, on the stack. Does not print: it may be as good as a password.
#[derive(Clone, Copy)]
pub(super) struct Hex {
    digits: [u8; 64],
    len: u8,
}

impl Hex {
    fn of(bytes: &[u8]) -> Self {
        let mut hex = Self { digits: [b'0'; 64], len: 0 };
        for (pair, byte) in hex.digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
            hex.len += 2;
        }
        hex
    }

    /// Copies digits that came from elsewhere, in lower case; what does not fit is dropped, and then matches nothing.
    fn copy(text: &str) -> Self {
        let mut hex = Self { digits: [b'0'; 64], len: 0 };
        for (to, from) in hex.digits.iter_mut().zip(text.bytes()) {
            *to = if from.is_ascii() { from.to_ascii_lowercase() } else { b'?' };
            hex.len += 1;
        }
        hex
    }

    pub(super) fn as_str(&self) -> &str {
        self.digits.get(..usize::from(self.len)).and_then(|d| std::str::from_utf8(d).ok()).unwrap_or("")
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hex")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(algorithm: Algorithm, key: &str, terms: Terms<'_>) -> String {
        terms.response(algorithm.session_key(key, terms.nonce, terms.cnonce).as_str()).as_str().to_owned()
    }

    #[test]
    fn rfc_2617_section_3_5() {
        let a = Algorithm::Md5;
        let ha1 = a.ha1("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1.expose(), "939e7578ed9e3c518a452acee763bce9");
        let terms = Terms {
            algorithm: a,
            protection: Protection::Auth,
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            nonce_count: "00000001",
            cnonce: "0a4f113b",
            method: "GET",
            uri: "/dir/index.html",
            body: b"",
        };
        assert_eq!(response(a, ha1.expose(), terms), "6629fae49393a05397450978507c4ef1");
        let legacy = Terms { protection: Protection::Legacy, ..terms };
        assert_eq!(response(a, ha1.expose(), legacy), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn rfc_7616_section_3_9_1() {
        let cases = [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, expected) in cases {
            let ha1 = algorithm.ha1("Mufasa", "http-auth@example.org", "Circle of Life");
            let terms = Terms {
                algorithm,
                protection: Protection::Auth,
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                nonce_count: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                method: "GET",
                uri: "/dir/index.html",
                body: b"",
            };
            assert_eq!(response(algorithm, ha1.expose(), terms), expected);
        }
    }

    #[test]
    fn sha_512_256_is_the_truncated_hash_with_its_own_start() {
        // FIPS 180-4: SHA-512/256 of the empty string and of "abc".
        let a = Algorithm::Sha512_256;
        assert_eq!(
            a.hash(&[""]).as_str(),
            "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"
        );
        assert_eq!(
            a.hash(&["abc"]).as_str(),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn session_algorithms_mix_the_nonces_into_the_key() {
        for (plain, session) in [
            (Algorithm::Md5, Algorithm::Md5Sess),
            (Algorithm::Sha256, Algorithm::Sha256Sess),
            (Algorithm::Sha512_256, Algorithm::Sha512_256Sess),
        ] {
            assert_eq!(session.base(), plain);
            assert_eq!(plain.session_key("aa", "n", "c").as_str(), "aa");
            assert_eq!(session.session_key("aa", "n", "c").as_str(), plain.hash(&["aa", "n", "c"]).as_str());
        }
    }

    #[test]
    fn integrity_protection_covers_the_body() {
        let terms = |body| Terms {
            algorithm: Algorithm::Md5,
            protection: Protection::AuthInt,
            nonce: "n",
            nonce_count: "00000001",
            cnonce: "c",
            method: "INVITE",
            uri: "sip:b",
            body,
        };
        assert_ne!(terms(b"a").response("k").as_str(), terms(b"b").response("k").as_str());
    }

    #[test]
    fn tokens_name_algorithms_whatever_their_case() {
        for a in ALL {
            assert_eq!(Algorithm::from_token(&a.token().to_lowercase()), Some(a));
        }
        assert_eq!(Algorithm::from_token("AKAv1-MD5"), None);
    }
}
