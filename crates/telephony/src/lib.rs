//! The application side: applications, privileges, ownership, hand-off, requests, events, timelines.
//!
//! One [`Telephony`] serves one shard: lines and all their calls, single-threaded and sans-IO. *Sessions* (attached
//! applications) ask with [`Request`]s and hear [`Event`]s; below stands one [`Provider`](hookswitch_spi::Provider). What
//! providers do not know lives here: who opened which line for which media, who owns and who monitors a call, and what
//! becomes of calls whose owner is gone. What a session was told can be kept in a [`Journal`] and read again.
//!
//! Read `opens` for who gets a call, `calls` for handles and privileges, `offer` for how a call reaches its owner, `handoff`
//! for how it moves on, `release` and `loss` for how it is let go, `unowned` and `treatment` for what happens when nobody is
//! left or there, `operate` for what sessions ask of the provider, with `monitoring` and `extension` for what several of them
//! share, `timeline` and `ladder` for what is remembered, `recipients` for calls that other programs want to be made, `phones`
//! for devices beside lines, `downgrade` for applications that speak an older version. The vocabulary stands in `request`,
//! `event` and `error`.
#![forbid(unsafe_code)]

mod assisted;
mod calls;
mod config;
mod downgrade;
mod error;
mod event;
mod extension;
mod handoff;
mod ids;
mod inquire;
mod journal;
mod ladder;
mod loss;
mod monitoring;
mod offer;
mod opens;
mod operate;
mod phones;
mod priorities;
mod pump;
mod recipients;
mod release;
mod request;
mod requests;
mod sessions;
mod shard;
mod telephony;
mod timeline;
mod treatment;
mod unowned;
mod wishes;

pub use assisted::CallRequest;
pub use config::{Config, Limits, Treatment, Unowned};
pub use downgrade::{OLDEST, SPOKEN};
pub use error::RequestError;
pub use event::{CallSnapshot, Event, LineSnapshot, OpenLine, Reply, SnapshotPart};
pub use ids::{AppRequestId, OpenId, Privilege, SessionId};
pub use journal::{Journal, JournalBounds, Read, Weight};
pub use ladder::{LadderNames, ladder};
pub use phones::{PhoneError, PhoneNews, PhoneReply, PhoneRequest, Phones};
pub use priorities::Priorities;
pub use request::{HandOffTarget, Interest, Request};
pub use telephony::Telephony;
pub use timeline::Timeline;
