//! Timelines: what happened to a call, in causal order, small enough to be kept for every call.

use crate::{CallId, DisconnectMode, RequestId, StateKind};
use hookswitch_machine::Time;

/// One thing that happened to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// When.
    pub at: Time,
    /// To which call.
    pub call: CallId,
    /// What.
    pub fact: TimelineFact,
}

/// What happened. Small: a timeline keeps thousands of them; texts are cut to what a ladder shows.
#[derive(Clone, Debug, PartialEq)]
pub enum TimelineFact {
    /// A SIP request crossed the wire.
    Request {
        /// Which way.
        way: Way,
        /// The method, cut to 11 octets.
        method: Word,
        /// Its CSeq.
        cseq: u32,
        /// It carried SDP.
        sdp: bool,
    },
    /// A SIP response crossed the wire.
    Response {
        /// Which way.
        way: Way,
        /// The status.
        status: u16,
        /// The method it answers, cut to 11 octets.
        method: Word,
        /// Its CSeq.
        cseq: u32,
        /// It carried SDP.
        sdp: bool,
    },
    /// The call entered a state.
    State(StateKind),
    /// The call ended.
    Ended(DisconnectMode),
    /// A request was asked of the provider.
    Asked(RequestId, &'static str),
    /// A request completed.
    Completed(RequestId, bool),
    /// A decision of offer and answer, or a fact about media.
    Media(&'static str),
    /// The call was offered to, handed to, or taken by an application; the text is its name.
    Owner(Box<str>),
    /// Anything else worth a line.
    Note(&'static str),
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// A short word kept in place: a method name of up to 11 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Word {
    len: u8,
    text: [u8; 11],
}

impl Word {
    /// The first 11 octets of `text`, ASCII only.
    pub fn new(text: &str) -> Self {
        let mut word = Self::default();
        for (to, from) in word.text.iter_mut().zip(text.bytes().filter(u8::is_ascii_graphic)) {
            *to = from;
            word.len += 1;
        }
        word
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.text.get(..usize::from(self.len)).unwrap_or_default()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
