//! Digest authentication (RFC 3261 22, RFC 7616, RFC 8760), both sides, without clock or chance of its own.
//!
//! [`Client`] holds an account's [`Credentials`] and the nonces it was given; it answers challenges of servers (401) and proxies
//! (407) and notices when the password is wrong. [`Server`] challenges and verifies; its nonces carry their own proof, so it
//! keeps state only for nonces that were used with a right password. Passwords and digests live in [`Secret`]s, which do
//! not print.
//!
//! Reading order: `secret`, `algorithm`, `challenge`, `authorization`, `client`, `server`.

mod algorithm;
mod authorization;
mod challenge;
mod client;
mod secret;
mod server;

pub use algorithm::{Algorithm, Protection};
pub use authorization::{Authorization, AuthorizationError, next_nonce};
pub use challenge::{Challenge, ChallengeError, Place};
pub use client::{Attempt, Client, Credentials, Refused};
pub use secret::Secret;
pub use server::{Account, Server, ServerConfig, Verdict};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::lex::broken;
    use hookswitch_machine::{Entropy, Time};

    #[test]
    fn broken_headers_are_read_or_refused_and_never_believed() {
        let mut entropy = Entropy::from_number(7);
        let mut server = Server::new(ServerConfig::new("a", Place::Server), &mut entropy);
        let credentials = Credentials { username: "bob".into(), password: "x".into(), realm: None };
        let mut client = Client::new(credentials);
        let challenges: Vec<_> = server.challenges(Time::ZERO, false).collect();
        for challenge in broken(&challenges[0], &mut entropy.fork()) {
            let mut attempt = Attempt::default();
            if client.challenged(&mut attempt, [(Place::Server, challenge.as_str())], &mut entropy).is_ok() {
                for (_, value) in client.authorize(&mut attempt, "REGISTER", "sip:a", b"") {
                    assert!(Authorization::parse(&value).is_ok(), "{challenge:?} gave {value:?}");
                }
            }
        }
        let values = challenges.iter().map(|c| (Place::Server, c.as_str()));
        client.challenged(&mut Attempt::default(), values, &mut entropy).unwrap();
        let answer = client.authorize(&mut Attempt::default(), "REGISTER", "sip:a", b"").pop().unwrap().1;
        for value in broken(&answer, &mut entropy.fork()) {
            let wrong = Secret::from("y");
            let account = |_: &str, _| Some(Account::Password(&wrong));
            let verdict = server.check(Time::ZERO, "REGISTER", [value.as_str()], b"", account);
            assert!(!matches!(verdict, Verdict::Ok { .. }), "{value}");
        }
    }
}
