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
