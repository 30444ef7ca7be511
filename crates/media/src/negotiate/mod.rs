//! Offer and answer (RFC 3264, 6337): what two sides' descriptions settle for one audio stream.
//!
//! Each dialog has one [`MediaSession`]. Our descriptions come out of [`MediaSession::offer`] and [`MediaSession::answer`],
//! theirs go into [`MediaSession::receive_offer`] and [`MediaSession::receive_answer`]; what was settled comes back as
//! [`StreamParameters`](crate::control::StreamParameters) for the media threads. What this side is able to do
//! ([`Capabilities`]) is given with every call and not kept.
//!
//! One stream of plain RTP audio is spoken. Every other m-line is rejected in its place with port 0 and stays there for the
//! life of the dialog. When offers cross, the SIP session answers 491 or 500: it learns of it as
//! [`NegotiateError::OfferPending`].

mod capabilities;
mod error;
mod payload_types;
mod remote;
mod session;

pub use capabilities::{Capabilities, Preference};
pub use error::{NegotiateError, Refusal};
pub use session::{MediaSession, OfferAnswer, Offered};
