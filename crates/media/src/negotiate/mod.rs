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
//!
//! ```
//! use hookswitch_media::control::Direction;
//! use hookswitch_media::negotiate::{Capabilities, MediaSession};
//!
//! let capabilities = Capabilities::default();
//! let (mut caller, mut callee) = (MediaSession::new(1), MediaSession::new(2));
//! let (here, there) = ("192.0.2.1:4000".parse()?, "198.51.100.1:5000".parse()?);
//!
//! let offer = caller.offer(&capabilities, here, Direction::SendRecv)?;
//! let offered = callee.receive_offer(&capabilities, &offer)?;
//! assert_eq!(offered.refusal, None);
//! let (answer, at_callee) = callee.answer(&capabilities, there, Direction::SendRecv)?;
//! let at_caller = caller.receive_answer(&capabilities, &answer)?;
//! assert_eq!((at_caller.remote_rtp, at_callee.remote_rtp), (there, here));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capabilities;
mod error;
mod payload_types;
mod remote;
mod session;

pub use capabilities::{Capabilities, Preference};
pub use error::{NegotiateError, Refusal};
pub use session::{MediaSession, OfferAnswer, Offered};
