//! The application side: applications, privileges, ownership, hand-off, requests, events, timelines.
//!
//! One [`Telephony`] serves one shard: lines and all their calls, single-threaded and sans-IO. *Sessions* (attached
//! applications) ask with [`Request`]s and hear [`Event`]s; below stands one [`Provider`](hookswitch_spi::Provider). What
//! providers do not know lives here: who opened which line for which media, who owns and who monitors a call, and what
//! becomes of calls whose owner is gone.
//!
//! Read `opens` for who gets a call, `calls` for handles and privileges, `offer` for how a call reaches its owner, `handoff`
//! for how it moves on, `release` and `loss` for how it is let go, `unowned` for what happens when nobody is left, `timeline`
//! and `ladder` for what is remembered of it. The vocabulary stands in `request`, `event` and `error`.
#![forbid(unsafe_code)]

mod calls;
mod config;
mod error;
mod event;
mod handoff;
mod ids;
mod inquire;
mod ladder;
mod loss;
mod offer;
mod opens;
mod operate;
mod priorities;
mod pump;
mod release;
mod request;
mod requests;
mod sessions;
mod shard;
mod telephony;
mod timeline;
mod unowned;

pub use config::{Config, Limits, Unowned};
pub use error::RequestError;
pub use event::{CallSnapshot, Event, Reply};
pub use ids::{AppRequestId, Privilege, SessionId};
pub use ladder::{LadderNames, ladder};
pub use priorities::Priorities;
pub use request::{HandOffTarget, Interest, Request};
pub use telephony::Telephony;
pub use timeline::Timeline;
