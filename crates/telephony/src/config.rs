//! What an operator decides about the application side.

use crate::Priorities;
use hookswitch_spi::{AudioSource, RejectReason};
use std::time::Duration;

/// Settings of one shard; constant while it runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// What becomes of a call that nobody owns.
    pub unowned: Unowned,
    /// How many entries the timelines of all calls of the shard share; the oldest are forgotten first.
    pub timeline_entries: usize,
    /// How long the outcome of a hand-off to an address is waited for.
    pub transfer_deadline: Duration,
    /// What the other side of a live call hears while the only owner is lost; `None`: what it heard before. A call that is
    /// held goes on hearing what is played to held calls.
    pub lost_treatment: Option<AudioSource>,
    /// Bounds.
    pub limits: Limits,
    /// Who comes first, as stored when the shard last ran.
    pub priorities: Priorities,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            unowned: Unowned::Leave,
            timeline_entries: 65_536,
            transfer_deadline: Duration::from_secs(30),
            lost_treatment: Some(AudioSource::Music),
            limits: Limits::default(),
            priorities: Priorities::default(),
        }
    }
}

/// What becomes of a call that no application owns (TAPI leaves it or drops it, depending on the page; spec C1).
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Unowned {
    /// An offered call stays offered: a monitor may take it, or the caller gives up. A call that is up and that nobody
    /// has a handle to any more is dropped.
    #[default]
    Leave,
    /// It is dropped; an offered one with this refusal.
    Reject(RejectReason),
    /// It is sent to this address: redirected while offered, transferred when connected, dropped where neither is possible.
    Forward(String),
    /// The caller hears something while the call waits for somebody to take it.
    Treatment(Treatment),
}

/// What the caller of an unowned call hears (TAPI: LINECALLTREATMENT).
#[derive(Clone, Debug, PartialEq)]
pub enum Treatment {
    /// Ringing: the call is accepted, not answered (180), and the caller's own network makes the tone. Free of charge; a monitor
    /// may still take it and answer.
    Ringback,
    /// This, after we have answered: early media is cut off, or not played at all, on too many ways. Whoever takes the call
    /// finds it connected; the caller ends it otherwise.
    Answered(AudioSource),
}

/// Bounds, so that no application can make the others suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions, lost ones that may still come back included.
    pub sessions: u32,
    /// Lines a session has open.
    pub lines_per_session: u32,
    /// Requests of a session that have not completed.
    pub requests_per_session: u32,
    /// Ended calls that a session has not released; beyond that the oldest handles are taken back.
    pub ended_calls_per_session: u32,
    /// Calls at a time; beyond that new ones are not taken, and are announced again later.
    pub calls: u32,
    /// The longest grace that an application can ask for.
    pub grace: Duration,
    /// Openings of one line by one session.
    pub opens_per_line: u32,
    /// Requests for calls that wait for a recipient.
    pub call_requests: u32,
    /// How long a handle to a live call that was dropped without a word is kept: its application may be about to be lost.
    pub let_go_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1_024,
            lines_per_session: 65_536,
            requests_per_session: 4_096,
            ended_calls_per_session: 4_096,
            calls: 1_000_000,
            grace: Duration::from_secs(300),
            opens_per_line: 64,
            call_requests: 64,
            let_go_after: Duration::from_millis(100),
        }
    }
}
