//! The client's side: which challenges to answer, with which nonce, and when to stop trying.

use super::algorithm::{Hex, Protection, Terms};
use super::challenge::{Challenge, ChallengeError, Place};
use super::secret::Secret;
use crate::cause::lex;
use hookswitch_machine::Entropy;

/// An account's name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user name, often but not always the user part of the address.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The only realm to answer; `None` answers any, which hands a digest of the password to whoever challenges.
    pub realm: Option<String>,
}

/// Why a challenge is not answered: the request has failed with the status it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Our answer was refused although its nonce was fresh: user name or password is wrong.
    #[error("the server refused the user name or the password; check the account's credentials")]
    BadCredentials,
    /// Every challenge is of another realm than the account's.
    #[error(
        "the challenge is not of the account's realm; set the account's realm if the server is to be trusted"
    )]
    ForeignRealm,
    /// No challenge is of a kind that we can answer.
    #[error("{0}")]
    Unanswerable(#[from] ChallengeError),
    /// 401 or 407 without a challenge in it.
    #[error("the response asks for credentials without a challenge")]
    NoChallenge,
    /// The server keeps calling our nonces stale.
    #[error("the server challenged the same request {ROUNDS} times; gave up")]
    TooManyRounds,
}

/// Challenges answered in one request at most: registrar and proxies, each of its own realm.
const CONTEXTS: usize = 4;
/// Challenges looked at in one response at most.
const LOOKED_AT: usize = 16;
/// Responses with challenges to one request at most.
const ROUNDS: u8 = 6;

/// What one request has been through: kept with it from its first sending over all challenges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Marks of the nonces that the last sending carried.
    carried: [u64; CONTEXTS],
    /// Marks of the realms whose challenges were answered.
    answered: [u64; CONTEXTS],
    rounds: u8,
}

/// An account's half of digest authentication: the last nonce of each realm, reused by later requests (RFC 3261 22.3).
#[derive(Clone, Debug)]
pub struct Client {
    credentials: Credentials,
    /// Least recently challenged first.
    contexts: Vec<Context>,
}

#[derive(Clone, Debug)]
struct Context {
    place: Place,
    challenge: Challenge,
    cnonce: Box<str>,
    ha1: Secret,
    session_key: Secret,
    nonce_count: u32,
}

impl Client {
    /// A client that has not been challenged yet.
    pub const fn new(credentials: Credentials) -> Self {
        Self { credentials, contexts: Vec::new() }
    }

    /// The account.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Replaces the account, for credentials that are reloaded; nonces are forgotten.
    pub fn set_credentials(&mut self, credentials: Credentials) {
        self.credentials = credentials;
        self.contexts.clear();
    }

    /// Takes the challenge headers of a 401 or 407. `Ok`: send the request again, with a new CSeq number and what
    /// [`authorize`](Self::authorize) gives. `Err`: the request has failed.
    pub fn challenged<'a>(
        &mut self,
        attempt: &mut Attempt,
        challenges: impl IntoIterator<Item = (Place, &'a str)>,
        entropy: &mut Entropy,
    ) -> Result<(), Refused> {
        attempt.rounds = attempt.rounds.saturating_add(1);
        if attempt.rounds > ROUNDS {
            return Err(Refused::TooManyRounds);
        }
        let chosen = self.choose(challenges)?;
        for (place, challenge) in &chosen {
            let refused = attempt.answered.contains(&mark(*place, &challenge.realm, ""))
                || attempt.carried.contains(&mark(*place, &challenge.realm, &challenge.nonce));
            if refused && !challenge.stale {
                return Err(Refused::BadCredentials);
            }
        }
        for (place, challenge) in chosen {
            remember(&mut attempt.answered, mark(place, &challenge.realm, ""));
            self.install(place, challenge, entropy);
        }
        Ok(())
    }

    /// The strongest challenge of each realm that concerns us (RFC 8760 2.4), at most [`CONTEXTS`].
    fn choose<'a>(
        &self,
        challenges: impl IntoIterator<Item = (Place, &'a str)>,
    ) -> Result<Vec<(Place, Challenge)>, Refused> {
        let mut chosen: Vec<(Place, Challenge)> = Vec::new();
        let mut refused = Refused::NoChallenge;
        for (place, value) in challenges.into_iter().take(LOOKED_AT) {
            let challenge = match Challenge::parse(value) {
                Ok(challenge) => challenge,
                Err(error) => {
                    refused = error.into();
                    continue;
                }
            };
            let own = self.credentials.realm.as_ref();
            if own.is_some_and(|own| *own != lex::unescape_quoted(&challenge.realm)) {
                refused = Refused::ForeignRealm;
                continue;
            }
            let full = chosen.len() >= CONTEXTS;
            match chosen.iter_mut().find(|(p, c)| *p == place && c.realm == challenge.realm) {
                Some((_, c)) if challenge.algorithm.base() > c.algorithm.base() => *c = challenge,
                Some(_) => {}
                None if full => {}
                None => chosen.push((place, challenge)),
            }
        }
        if chosen.is_empty() { Err(refused) } else { Ok(chosen) }
    }

    fn install(&mut self, place: Place, challenge: Challenge, entropy: &mut Entropy) {
        let old = self.contexts.iter().position(|c| c.place == place && c.challenge.realm == challenge.realm);
        if let Some(at) = old {
            let old = self.contexts.remove(at);
            if old.challenge.nonce == challenge.nonce && old.challenge.algorithm == challenge.algorithm {
                // Another request was given the same nonce: its count must go on, or it looks like a replay.
                self.contexts.push(Context { challenge, ..old });
                return;
            }
        } else if self.contexts.len() >= CONTEXTS {
            self.contexts.remove(0);
        }
        let Credentials { username, password, realm: _ } = &self.credentials;
        let ha1 = challenge.algorithm.ha1(username, &challenge.realm, password.expose());
        let cnonce = format!("{:016x}", entropy.next_u64()).into_boxed_str();
        let session_key = session_key(&challenge, &ha1, &cnonce);
        self.contexts.push(Context { place, challenge, cnonce, ha1, session_key, nonce_count: 0 });
    }

    /// The credentials for a request: header values by place, none before the first challenge. Call for every sending of
    /// the request that is not a retransmission; `uri` is the Request-URI as it is printed.
    pub fn authorize(
        &mut self,
        attempt: &mut Attempt,
        method: &str,
        uri: &str,
        body: &[u8],
    ) -> Vec<(Place, String)> {
        attempt.carried = [0; CONTEXTS];
        let username = &self.credentials.username;
        self.contexts
            .iter_mut()
            .map(|context| {
                let Challenge { realm, nonce, .. } = &context.challenge;
                remember(&mut attempt.carried, mark(context.place, realm, nonce));
                (context.place, context.answer(username, method, uri, body))
            })
            .collect()
    }

    /// Takes the nonce of an `Authentication-Info` in a 2xx (see [`next_nonce`](super::next_nonce)).
    pub fn renew(&mut self, place: Place, nonce: &str) {
        // The header names no realm: it speaks for the server that answered, the last one to challenge.
        if let Some(context) = self.contexts.iter_mut().rev().find(|c| c.place == place)
            && context.challenge.nonce != nonce
        {
            nonce.clone_into(&mut context.challenge.nonce);
            context.nonce_count = 0;
            context.session_key = session_key(&context.challenge, &context.ha1, &context.cnonce);
        }
    }
}

fn session_key(challenge: &Challenge, ha1: &Secret, cnonce: &str) -> Secret {
    Secret::new(challenge.algorithm.session_key(ha1.expose(), &challenge.nonce, cnonce).as_str())
}

impl Context {
    fn answer(&mut self, username: &str, method: &str, uri: &str, body: &[u8]) -> String {
        self.nonce_count = self.nonce_count.saturating_add(1);
        let count = format!("{:08x}", self.nonce_count);
        let Challenge { realm, nonce, opaque, algorithm, algorithm_named, protection, stale: _ } =
            &self.challenge;
        let (algorithm, protection, cnonce) = (*algorithm, *protection, &*self.cnonce);
        let terms = Terms { algorithm, protection, nonce, nonce_count: &count, cnonce, method, uri, body };
        let response: Hex = terms.response(self.session_key.expose());

        let mut out = String::with_capacity(192 + username.len() + realm.len() + nonce.len() + uri.len());
        out.push_str("Digest username=");
        lex::push_quoted(&mut out, username);
        for (name, value) in
            [("realm", realm.as_str()), ("nonce", nonce), ("uri", uri), ("response", response.as_str())]
        {
            push_raw(&mut out, name, value);
        }
        if *algorithm_named {
            out.push_str(", algorithm=");
            out.push_str(algorithm.token());
        }
        if let Some(qop) = protection.token() {
            for part in [", qop=", qop, ", nc=", &count] {
                out.push_str(part);
            }
        }
        if protection != Protection::Legacy || algorithm.is_session() {
            push_raw(&mut out, "cnonce", cnonce);
        }
        if let Some(opaque) = opaque {
            push_raw(&mut out, "opaque", opaque);
        }
        out
    }
}

/// Appends a value that is already escaped, or cannot need it.
fn push_raw(out: &mut String, name: &str, value: &str) {
    for part in [", ", name, "=\"", value, "\""] {
        out.push_str(part);
    }
}

/// A number that stands for a place, a realm and a nonce; never 0. Collisions only make a request fail early.
fn mark(place: Place, realm: &str, nonce: &str) -> u64 {
    let start = match place {
        Place::Server => 0xcbf2_9ce4_8422_2325u64,
        Place::Proxy => 0xcbf2_9ce4_8422_2326,
    };
    let bytes = realm.bytes().chain(std::iter::once(0)).chain(nonce.bytes());
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)) | 1
}

fn remember(marks: &mut [u64; CONTEXTS], mark: u64) {
    if !marks.contains(&mark)
        && let Some(free) = marks.iter_mut().find(|m| **m == 0)
    {
        *free = mark;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Authorization};
    use super::*;

    const N1: &str = "Digest realm=\"a\", nonce=\"n1\", qop=\"auth\"";
    const N1_AGAIN: &str = "Digest realm=\"a\", nonce=\"n1\", qop=\"auth\"";
    const N1_STALE: &str = "Digest realm=\"a\", nonce=\"n1\", qop=\"auth\", stale=true";
    const N2: &str = "Digest realm=\"a\", nonce=\"n2\", qop=\"auth\"";
    const N2_STALE: &str = "Digest realm=\"a\", nonce=\"n2\", qop=\"auth\", stale=true";

    fn client(realm: Option<&str>) -> (Client, Entropy) {
        let credentials = Credentials {
            username: "bob".into(),
            password: "zanzibar".into(),
            realm: realm.map(str::to_owned),
        };
        (Client::new(credentials), Entropy::from_number(1))
    }

    fn send(client: &mut Client, attempt: &mut Attempt) -> Vec<(Place, String)> {
        client.authorize(attempt, "REGISTER", "sip:a", b"")
    }

    #[test]
    fn a_request_before_any_challenge_carries_nothing() {
        let (mut client, _) = client(None);
        assert!(send(&mut client, &mut Attempt::default()).is_empty());
    }

    #[test]
    fn a_challenge_is_answered_and_the_nonce_reused_with_a_growing_count() {
        let (mut client, mut chance) = client(Some("a"));
        let mut first = Attempt::default();
        client.challenged(&mut first, [(Place::Server, N1)], &mut chance).unwrap();
        for count in 1..=3 {
            let sent = send(&mut client, &mut Attempt::default());
            let [(Place::Server, value)] = &sent[..] else { panic!("{sent:?}") };
            let got = Authorization::parse(value).unwrap();
            assert_eq!((got.username().as_ref(), got.realm, got.nonce, got.uri), ("bob", "a", "n1", "sip:a"));
            assert_eq!(got.nonce_count, count);
            assert!(!value.contains("algorithm"));
        }
    }

    /// What a request meets in turn, and whether it goes on.
    #[test]
    fn when_to_try_again_and_when_to_give_up() {
        let bad = Some(Refused::BadCredentials);
        let cases: [(&str, &[&str], Option<Refused>); 7] = [
            ("one challenge", &[N1], None),
            ("same nonce again", &[N1, N1_AGAIN], bad),
            ("new nonce, not stale", &[N1, N2], bad),
            ("new nonce, stale", &[N1, N2_STALE], None),
            ("stale, then refused", &[N1, N2_STALE, N1], bad),
            ("same nonce, stale", &[N1, N1_STALE], None),
            (
                "stale for ever",
                &[N1, N2_STALE, N1_STALE, N2_STALE, N1_STALE, N2_STALE, N1_STALE],
                Some(Refused::TooManyRounds),
            ),
        ];
        for (name, responses, expected) in cases {
            let (mut client, mut chance) = client(None);
            let mut attempt = Attempt::default();
            let mut outcome = Ok(());
            for response in responses {
                assert_eq!(outcome, Ok(()), "{name}");
                send(&mut client, &mut attempt);
                outcome = client.challenged(&mut attempt, [(Place::Server, *response)], &mut chance);
            }
            assert_eq!(outcome.err(), expected, "{name}");
        }
    }

    #[test]
    fn an_expired_nonce_of_an_earlier_request_is_replaced_even_without_stale() {
        let (mut client, mut chance) = client(None);
        client.challenged(&mut Attempt::default(), [(Place::Server, N1)], &mut chance).unwrap();
        let mut later = Attempt::default();
        send(&mut client, &mut later);
        assert_eq!(client.challenged(&mut later, [(Place::Server, N2)], &mut chance), Ok(()));
    }

    #[test]
    fn two_requests_challenged_with_the_same_nonce_share_its_count() {
        let (mut client, mut chance) = client(None);
        let (mut one, mut two) = (Attempt::default(), Attempt::default());
        send(&mut client, &mut one);
        send(&mut client, &mut two);
        client.challenged(&mut one, [(Place::Server, N1)], &mut chance).unwrap();
        send(&mut client, &mut one);
        client.challenged(&mut two, [(Place::Server, N1)], &mut chance).unwrap();
        let sent = send(&mut client, &mut two);
        assert_eq!(Authorization::parse(&sent[0].1).unwrap().nonce_count, 2);
    }

    #[test]
    fn a_proxy_and_a_registrar_are_answered_together() {
        let (mut client, mut chance) = client(None);
        let mut attempt = Attempt::default();
        client.challenged(&mut attempt, [(Place::Proxy, N1)], &mut chance).unwrap();
        assert_eq!(send(&mut client, &mut attempt).len(), 1);
        client.challenged(&mut attempt, [(Place::Server, N2)], &mut chance).unwrap();
        let places: Vec<_> = send(&mut client, &mut attempt).into_iter().map(|(p, _)| p).collect();
        assert_eq!(places, [Place::Proxy, Place::Server]);
        assert_eq!(
            client.challenged(&mut attempt, [(Place::Proxy, N2)], &mut chance),
            Err(Refused::BadCredentials)
        );
    }

    #[test]
    fn the_strongest_algorithm_we_know_is_chosen() {
        let (mut client, mut chance) = client(None);
        let offers = [
            "Digest realm=\"a\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"2\", algorithm=SHA-1024, qop=\"auth\"",
            "Digest realm=\"a\", nonce=\"3\", algorithm=SHA-256, qop=\"auth\"",
            "Basic realm=\"a\"",
        ];
        let mut attempt = Attempt::default();
        client.challenged(&mut attempt, offers.map(|o| (Place::Server, o)), &mut chance).unwrap();
        let sent = send(&mut client, &mut attempt);
        let got = Authorization::parse(&sent[0].1).unwrap();
        assert_eq!((sent.len(), got.algorithm, got.nonce), (1, Algorithm::Sha256, "3"));
    }

    #[test]
    fn only_the_accounts_own_realm_is_answered() {
        let (mut client, mut chance) = client(Some("home"));
        let mut attempt = Attempt::default();
        assert_eq!(
            client.challenged(&mut attempt, [(Place::Server, N1)], &mut chance),
            Err(Refused::ForeignRealm)
        );
        assert!(send(&mut client, &mut attempt).is_empty());
        let home = "Digest realm=\"home\", nonce=\"n\"";
        client.challenged(&mut attempt, [(Place::Server, N1), (Place::Server, home)], &mut chance).unwrap();
        assert_eq!(send(&mut client, &mut attempt).len(), 1);
    }

    #[test]
    fn unanswerable_challenges_say_why() {
        let (mut client, mut chance) = client(None);
        let mut ask = |value| client.challenged(&mut Attempt::default(), value, &mut chance);
        assert_eq!(ask(None), Err(Refused::NoChallenge));
        let basic = Some((Place::Server, "Basic realm=\"a\""));
        assert_eq!(ask(basic), Err(Refused::Unanswerable(ChallengeError::Scheme)));
    }

    #[test]
    fn hostile_challenges_do_not_pile_up() {
        let (mut client, mut chance) = client(None);
        for i in 0..100 {
            let value = format!("Digest realm=\"r{i}\", nonce=\"n\"");
            client
                .challenged(&mut Attempt::default(), [(Place::Server, value.as_str())], &mut chance)
                .unwrap();
        }
        assert_eq!(send(&mut client, &mut Attempt::default()).len(), CONTEXTS);
    }

    #[test]
    fn a_next_nonce_starts_a_new_count() {
        let (mut client, mut chance) = client(None);
        client.challenged(&mut Attempt::default(), [(Place::Server, N1)], &mut chance).unwrap();
        send(&mut client, &mut Attempt::default());
        client.renew(Place::Server, "n9");
        let sent = send(&mut client, &mut Attempt::default());
        let got = Authorization::parse(&sent[0].1).unwrap();
        assert_eq!((got.nonce, got.nonce_count), ("n9", 1));
    }

    #[test]
    fn neither_password_nor_keys_print() {
        let (mut client, mut chance) = client(None);
        client.challenged(&mut Attempt::default(), [(Place::Server, N1)], &mut chance).unwrap();
        let printed = format!("{client:?} {client:#?}");
        let ha1 = Algorithm::Md5.ha1("bob", "a", "zanzibar");
        assert!(!printed.contains("zanzibar") && !printed.contains(ha1.expose()));
        assert!(printed.contains("bob"));
    }
}
