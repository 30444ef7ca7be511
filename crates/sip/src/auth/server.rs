//! The server's side: nonces that carry their own proof, and the check of what comes back.

use super::algorithm::{Algorithm, Protection, Terms};
use super::authorization::{Authorization, AuthorizationError};
use super::challenge::{Challenge, Place};
use super::secret::{Secret, equal_in_constant_time};
use crate::cause::lex;
use hookswitch_machine::{Entropy, Time};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How a server challenges.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The realm of the accounts, usually the domain.
    pub realm: String,
    /// Registrar and user agent server, or proxy.
    pub place: Place,
    /// What to offer, the most wanted first (RFC 8760 2.2); nothing else is accepted.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce may be used.
    pub freshness: Duration,
    /// How many used nonces to remember, against replay; about 60 bytes each. Beyond it the oldest become stale early.
    pub remembered: usize,
    /// Accept answers without `qop` (RFC 3261 22.4); a nonce then serves once.
    pub accept_legacy: bool,
}

impl ServerConfig {
    /// SHA-256 and MD5, nonces for five minutes, 65,536 of them remembered, answers without `qop` accepted.
    pub fn new(realm: impl Into<String>, place: Place) -> Self {
        Self {
            realm: realm.into(),
            place,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            freshness: Duration::from_secs(300),
            remembered: 65_536,
            accept_legacy: true,
        }
    }
}

/// What is known of a user.
#[derive(Clone, Copy, Debug)]
pub enum Account<'a> {
    /// The password itself.
    Password(&'a Secret),
    /// `H(user:realm:password)` by the algorithm asked for, in hexadecimal (see [`Algorithm::ha1`]).
    Ha1(&'a Secret),
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The request comes from this user.
    Ok {
        /// The user's name.
        user: Cow<'a, str>,
    },
    /// Ask for credentials: there are none for our realm, or (`stale`) they are right but their nonce is too old or used.
    Challenge {
        /// To be passed on to [`Server::challenges`].
        stale: bool,
    },
    /// No such user, or a wrong password: challenge again or answer 403, by policy.
    BadCredentials {
        /// The name that was given.
        user: Cow<'a, str>,
    },
    /// Credentials that cannot be read: answer 400.
    Malformed(AuthorizationError),
}

/// Challenges and verifies the requests of one realm.
pub struct Server {
    config: ServerConfig,
    /// The realm as it stands between quotes.
    realm: String,
    key: [u8; 32],
    serial: u64,
    /// The highest count seen for each used nonce, by its serial number, which grows with its age.
    used: BTreeMap<u64, Used>,
    /// Nonces up to this one were forgotten for want of room: they count as used.
    forgotten: u64,
}

#[derive(Clone, Copy)]
struct Used {
    minted: u64,
    nonce_count: u32,
}

/// What our nonces say: when (milliseconds), and a number of their own.
#[derive(Clone, Copy)]
struct Minted {
    at: u64,
    serial: u64,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("used", &self.used.len())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server with a key of its own: nonces of another, or of an earlier run, are stale.
    pub fn new(config: ServerConfig, entropy: &mut Entropy) -> Self {
        let mut key = [0; 32];
        for part in key.chunks_exact_mut(8) {
            part.copy_from_slice(&entropy.next_u64().to_be_bytes());
        }
        let mut realm = String::new();
        lex::push_quoted(&mut realm, &config.realm);
        let realm = lex::without_quotes(&realm).to_owned();
        Self { config, realm, key, serial: 0, used: BTreeMap::new(), forgotten: 0 }
    }

    /// The configuration.
    pub const fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// The values of the challenge headers to send, one for each algorithm.
    pub fn challenges(&mut self, now: Time, stale: bool) -> impl Iterator<Item = String> {
        self.serial += 1;
        let nonce = self.mint(Minted { at: now.as_millis(), serial: self.serial });
        let this = &*self;
        this.config.algorithms.iter().map(move |algorithm| {
            Challenge {
                realm: this.realm.clone(),
                nonce: nonce.clone(),
                opaque: None,
                algorithm: *algorithm,
                algorithm_named: true,
                protection: Protection::Auth,
                stale,
            }
            .to_value()
        })
    }

    /// Checks the credentials headers of a request; not of ACK and CANCEL, which cannot be challenged (RFC 3261 22.1). `account` is asked for the name given and the algorithm (without `-sess`).
    pub fn check<'v, 'k>(
        &mut self,
        now: Time,
        method: &str,
        values: impl IntoIterator<Item = &'v str>,
        body: &[u8],
        account: impl FnOnce(&str, Algorithm) -> Option<Account<'k>>,
    ) -> Verdict<'v> {
        let mut malformed = None;
        let mut own = None;
        for value in values {
            match Authorization::parse(value) {
                Ok(authorization) if authorization.realm == self.realm => {
                    own = Some(authorization);
                    break;
                }
                Ok(_) => {}
                Err(AuthorizationError::Scheme | AuthorizationError::Algorithm) => {}
                Err(error) => malformed = Some(error),
            }
        }
        let Some(authorization) = own else {
            return malformed.map_or(Verdict::Challenge { stale: false }, Verdict::Malformed);
        };
        if !self.acceptable(&authorization) {
            return Verdict::Challenge { stale: false };
        }
        let user = authorization.username();
        if !self.proves(&authorization, method, body, account(&user, authorization.algorithm.base())) {
            return Verdict::BadCredentials { user };
        }
        if self.use_up(now, &authorization) {
            Verdict::Ok { user }
        } else {
            Verdict::Challenge { stale: true }
        }
    }

    fn acceptable(&self, authorization: &Authorization<'_>) -> bool {
        self.config.algorithms.contains(&authorization.algorithm)
            && match authorization.protection {
                Protection::Legacy => self.config.accept_legacy,
                Protection::Auth | Protection::AuthInt => true,
            }
    }

    /// Whether the digest is right. An unknown user costs the same time as a wrong password.
    fn proves(
        &self,
        given: &Authorization<'_>,
        method: &str,
        body: &[u8],
        account: Option<Account<'_>>,
    ) -> bool {
        let algorithm = given.algorithm;
        let (password, known) = match account {
            Some(Account::Password(password)) => (password.expose(), true),
            Some(Account::Ha1(_)) => ("", true),
            None => ("", false),
        };
        let of_password = algorithm.ha1(&given.username(), &self.realm, password);
        let ha1 = match account {
            Some(Account::Ha1(ha1)) => ha1,
            Some(Account::Password(_)) | None => &of_password,
        };
        let key = algorithm.session_key(ha1.expose(), given.nonce, given.cnonce);
        let terms = Terms {
            algorithm,
            protection: given.protection,
            nonce: given.nonce,
            nonce_count: given.nonce_count_digits,
            cnonce: given.cnonce,
            method,
            uri: given.uri,
            body,
        };
        let expected = terms.response(key.as_str());
        let mut response = [0; 64];
        for (to, from) in response.iter_mut().zip(given.response.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        let response = response.get(..given.response.len()).unwrap_or(&[]);
        equal_in_constant_time(expected.as_str().as_bytes(), response) && known
    }

    /// Whether the nonce is ours, fresh, and this count of it new; if so, it is used from now on.
    fn use_up(&mut self, now: Time, authorization: &Authorization<'_>) -> bool {
        let Some(minted) = self.recognise(authorization.nonce) else { return false };
        let window = u64::try_from(self.config.freshness.as_millis()).unwrap_or(u64::MAX);
        let oldest = now.as_millis().saturating_sub(window);
        if minted.at < oldest {
            return false;
        }
        let nonce_count = match authorization.protection {
            Protection::Legacy => u32::MAX,
            Protection::Auth | Protection::AuthInt => authorization.nonce_count,
        };
        if let Some(used) = self.used.get_mut(&minted.serial) {
            let new = nonce_count > used.nonce_count;
            used.nonce_count = used.nonce_count.max(nonce_count);
            return new;
        }
        if minted.serial <= self.forgotten {
            return false;
        }
        self.make_room(oldest);
        self.used.insert(minted.serial, Used { minted: minted.at, nonce_count });
        true
    }

    /// Forgets nonces that have expired, and the oldest one if there is no room for another.
    fn make_room(&mut self, oldest: u64) {
        while let Some(first) = self.used.first_entry()
            && first.get().minted < oldest
        {
            first.remove();
        }
        if self.used.len() >= self.config.remembered.max(1)
            && let Some((serial, _)) = self.used.pop_first()
        {
            self.forgotten = serial;
        }
    }

    fn mint(&self, minted: Minted) -> String {
        let mut nonce = format!("{:012x}{:016x}", minted.at & 0xffff_ffff_ffff, minted.serial);
        for byte in self.proof(minted).iter().take(PROOF) {
            nonce.push(char::from(lex::hex_digit(byte >> 4)));
            nonce.push(char::from(lex::hex_digit(byte & 15)));
        }
        nonce
    }

    /// What a nonce says, if it is ours.
    fn recognise(&self, nonce: &str) -> Option<Minted> {
        let (at, serial) = (nonce.get(..12)?, nonce.get(12..28)?);
        let minted =
            Minted { at: u64::from_str_radix(at, 16).ok()?, serial: u64::from_str_radix(serial, 16).ok()? };
        equal_in_constant_time(self.mint(minted).as_bytes(), nonce.as_bytes()).then_some(minted)
    }

    /// HMAC-SHA-256 (RFC 2104) over what the nonce says.
    fn proof(&self, minted: Minted) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = [with; 64];
            for (b, k) in block.iter_mut().zip(self.key) {
                *b ^= k;
            }
            block
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(minted.at.to_be_bytes())
            .chain_update(minted.serial.to_be_bytes())
            .finalize();
        Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
    }
}

/// Bytes of proof in a nonce.
const PROOF: usize = 12;

#[cfg(test)]
mod tests {
    use super::super::{Attempt, Client, Credentials};
    use super::*;

    fn server(change: impl FnOnce(&mut ServerConfig)) -> Server {
        let mut config = ServerConfig::new("biloxi.com", Place::Server);
        change(&mut config);
        Server::new(config, &mut Entropy::from_number(1))
    }

    fn client(password: &str) -> Client {
        Client::new(Credentials { username: "bob".into(), password: password.into(), realm: None })
    }

    fn challenge(server: &mut Server, client: &mut Client, now: Time) {
        let values: Vec<_> = server.challenges(now, false).collect();
        let values = values.iter().map(|v| (Place::Server, v.as_str()));
        client.challenged(&mut Attempt::default(), values, &mut Entropy::from_number(2)).unwrap();
    }

    fn answer(client: &mut Client) -> String {
        client.authorize(&mut Attempt::default(), "REGISTER", "sip:biloxi.com", b"").remove(0).1
    }

    fn check<'v>(server: &mut Server, now: Time, value: &'v str) -> Verdict<'v> {
        let password = Secret::from("zanzibar");
        server.check(now, "REGISTER", [value], b"", |name, _| {
            (name == "bob").then_some(Account::Password(&password))
        })
    }

    const OK: Verdict<'static> = Verdict::Ok { user: Cow::Borrowed("bob") };
    const STALE: Verdict<'static> = Verdict::Challenge { stale: true };
    const BAD: Verdict<'static> = Verdict::BadCredentials { user: Cow::Borrowed("bob") };
    const START: Time = Time::from_millis(1_000_000);

    #[test]
    fn every_algorithm_is_verified_by_password_and_by_ha1() {
        for algorithm in [
            Algorithm::Md5,
            Algorithm::Md5Sess,
            Algorithm::Sha256,
            Algorithm::Sha256Sess,
            Algorithm::Sha512_256,
            Algorithm::Sha512_256Sess,
        ] {
            let (mut server, mut client) = (server(|c| c.algorithms = vec![algorithm]), client("zanzibar"));
            challenge(&mut server, &mut client, START);
            assert_eq!(check(&mut server, START, &answer(&mut client)), OK, "{algorithm:?}");
            let value = answer(&mut client);
            let got = server.check(START, "REGISTER", [value.as_str()], b"", |_, base| {
                assert_eq!(base, algorithm.base());
                None
            });
            assert_eq!(got, BAD);
            let ha1 = algorithm.ha1("bob", "biloxi.com", "zanzibar");
            let value = answer(&mut client);
            let got = server.check(START, "REGISTER", [value.as_str()], b"", |_, _| Some(Account::Ha1(&ha1)));
            assert_eq!(got, OK);
        }
    }

    #[test]
    fn a_wrong_password_or_method_is_noticed() {
        let (mut server, mut right, mut wrong) = (server(|_| {}), client("zanzibar"), client("Zanzibar"));
        challenge(&mut server, &mut wrong, START);
        assert_eq!(check(&mut server, START, &answer(&mut wrong)), BAD);
        challenge(&mut server, &mut right, START);
        let value = answer(&mut right);
        let password = Secret::from("zanzibar");
        let got =
            server.check(START, "INVITE", [value.as_str()], b"", |_, _| Some(Account::Password(&password)));
        assert_eq!(got, BAD);
        assert_eq!(check(&mut server, START, &value), OK);
    }

    #[test]
    fn an_unknown_user_looks_like_a_wrong_password() {
        let mut server = server(|_| {});
        let mut client =
            Client::new(Credentials { username: "eve".into(), password: "".into(), realm: None });
        challenge(&mut server, &mut client, START);
        assert!(matches!(check(&mut server, START, &answer(&mut client)), Verdict::BadCredentials { .. }));
    }

    #[test]
    fn a_replay_is_stale_and_so_is_an_old_nonce() {
        let (mut server, mut client) = (server(|_| {}), client("zanzibar"));
        challenge(&mut server, &mut client, START);
        let (first, second, third) = (answer(&mut client), answer(&mut client), answer(&mut client));
        assert_eq!(check(&mut server, START, &second), OK);
        assert_eq!(check(&mut server, START, &second), STALE);
        assert_eq!(check(&mut server, START, &first), STALE);
        assert_eq!(check(&mut server, START + Duration::from_secs(300), &third), OK);
        assert_eq!(check(&mut server, START + Duration::from_secs(301), &answer(&mut client)), STALE);
    }

    #[test]
    fn nonces_of_others_are_stale_once_the_password_is_right() {
        let mut other =
            Server::new(ServerConfig::new("biloxi.com", Place::Server), &mut Entropy::from_number(9));
        let (mut server, mut client) = (server(|_| {}), client("zanzibar"));
        challenge(&mut other, &mut client, START);
        assert_eq!(check(&mut server, START, &answer(&mut client)), STALE);
        let offer = "Digest realm=\"biloxi.com\", nonce=\"+1\u{fc}\", qop=\"auth\"";
        client
            .challenged(&mut Attempt::default(), [(Place::Server, offer)], &mut Entropy::from_number(2))
            .unwrap();
        assert_eq!(check(&mut server, START, &answer(&mut client)), STALE);
    }

    #[test]
    fn without_protection_a_nonce_serves_once() {
        for accept_legacy in [true, false] {
            let (mut server, mut client) = (server(|c| c.accept_legacy = accept_legacy), client("zanzibar"));
            let value = server.challenges(START, false).next().unwrap().replace(", qop=\"auth\"", "");
            let value = [(Place::Server, value.as_str())];
            client.challenged(&mut Attempt::default(), value, &mut Entropy::from_number(2)).unwrap();
            let refused = Verdict::Challenge { stale: false };
            let (first, second) = if accept_legacy { (OK, STALE) } else { (refused.clone(), refused) };
            let value = answer(&mut client);
            assert_eq!(check(&mut server, START, &value), first);
            assert_eq!(check(&mut server, START, &value), second);
        }
    }

    #[test]
    fn remembered_nonces_are_bounded_and_forgetting_fails_safe() {
        let mut server = server(|c| c.remembered = 10);
        let mut values = Vec::new();
        for _ in 0..50 {
            let mut client = client("zanzibar");
            challenge(&mut server, &mut client, START);
            let value = answer(&mut client);
            assert_eq!(check(&mut server, START, &value), OK);
            values.push(value);
        }
        assert_eq!(server.used.len(), 10);
        assert!(values.iter().all(|value| check(&mut server, START, value) == STALE));
        let mut client = client("zanzibar");
        let later = START + Duration::from_secs(400);
        challenge(&mut server, &mut client, later);
        assert_eq!(check(&mut server, later, &answer(&mut client)), OK);
        assert_eq!(server.used.len(), 1);
    }

    #[test]
    fn credentials_for_others_are_passed_over() {
        let (mut server, mut client) = (server(|_| {}), client("zanzibar"));
        challenge(&mut server, &mut client, START);
        let own = answer(&mut client);
        let foreign = own.replace("realm=\"biloxi.com\"", "realm=\"atlanta.com\"");
        let password = Secret::from("zanzibar");
        let mut check = |values: &[&'static str], own: Option<&str>| {
            let values = values.iter().copied().chain(own);
            let verdict =
                server.check(START, "REGISTER", values, b"", |_, _| Some(Account::Password(&password)));
            matches!(verdict, Verdict::Ok { .. }).then_some(()).ok_or(format!("{verdict:?}"))
        };
        assert_eq!(check(&["Basic abc", "Digest algorithm=FOO", "Digest realm=\"x\""], Some(&own)), Ok(()));
        assert!(check(&[], None).unwrap_err().contains("stale: false"));
        assert!(check(&[], Some(&foreign)).unwrap_err().contains("stale: false"));
        assert!(check(&["Digest realm=\"x\""], None).unwrap_err().contains("Malformed"));
    }

    #[test]
    fn the_key_does_not_print() {
        let server = server(|_| {});
        assert!(!format!("{server:?}").contains("key"));
    }

    #[test]
    fn every_challenge_is_different_and_lists_the_algorithms_in_order() {
        let mut server = server(|c| c.realm = "a \"b\"".into());
        let first: Vec<_> = server.challenges(START, true).collect();
        let second: Vec<_> = server.challenges(START, true).collect();
        let got = first.iter().map(|v| Challenge::parse(v).unwrap()).collect::<Vec<_>>();
        assert_eq!(got.iter().map(|c| c.algorithm).collect::<Vec<_>>(), [Algorithm::Sha256, Algorithm::Md5]);
        assert!(got.iter().all(|c| c.stale && c.realm == "a \\\"b\\\""));
        assert_ne!(first, second);
    }
}
