//! One INVITE session and its states.

use super::clock::Clock;
use super::ids::{AccountId, LegId};
use super::pending::Pending;
use super::reply::Reply;
use crate::dialog::Dialog;
use crate::message::short::Short;
use crate::transaction::{ClientId, Retransmit2xx, ServerId};
use bytes::Bytes;
use hookswitch_machine::{Flow, TimerKey};
use std::fmt;
use std::sync::Arc;

/// Where an INVITE session stands.
#[derive(Debug)]
pub(super) enum State {
    /// An INVITE came; no final response yet.
    Invited {
        server: ServerId,
        reply: Box<Reply>,
        /// The session whose place it wants (RFC 3891).
        replaces: Option<LegId>,
    },
    /// We sent 2xx and wait for its ACK.
    Accepted {
        ok: Box<Unacknowledged>,
        /// What follows the ACK.
        then: AfterAck,
    },
    /// We sent an INVITE; no final response yet.
    Inviting {
        client: ClientId,
        wish: Wish,
        /// Dialogs that provisional responses made, one for each branch of a fork that alerts (RFC 3261 12.1, 13.2.2.1).
        early: Vec<Dialog>,
    },
    /// Our INVITE was answered by a 3xx: the user says whether it goes elsewhere.
    Redirected { invite: Box<Pending> },
    /// Both sides agreed.
    Confirmed,
    /// We sent BYE.
    HangingUp { client: ClientId },
}

/// A 2xx that is sent again until its ACK comes (RFC 3261 13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub(super) bytes: Bytes,
    pub(super) server: ServerId,
    /// The number of the INVITE, which its ACK repeats.
    pub(super) cseq: u32,
    pub(super) schedule: Retransmit2xx,
    pub(super) timer: TimerKey,
}

/// What the ACK to our 2xx lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterAck {
    /// The session.
    Talk,
    /// A BYE, wanted meanwhile: not to be sent before the ACK or 64·T1 (RFC 3261 15).
    HangUp,
    /// The same for a session that the user has let go of.
    Farewell,
}

/// What the caller wants of an INVITE on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// An answer.
    Answer,
    /// Its end: CANCEL is sent once a provisional response has come, a late 2xx gets ACK and BYE.
    Cancel,
}

/// An offer of a confirmed session that is still to be answered: at most one at a time (RFC 3261 14).
#[derive(Debug)]
pub(super) enum Exchange {
    /// None is.
    Idle,
    /// We sent a re-INVITE.
    Ours {
        client: ClientId,
        /// When it is cancelled, if there is no answer until then.
        deadline: TimerKey,
        /// How often it crossed theirs before.
        crossed: u8,
    },
    /// Our re-INVITE crossed theirs (491): it is sent again when the timer fires (RFC 3261 14.1).
    OursAgain { again: Box<Again>, timer: TimerKey, crossed: u8 },
    /// We sent a re-INVITE that offers nothing new, to refresh the session (RFC 4028): the user knows nothing of it.
    Refreshing { client: ClientId, deadline: TimerKey },
    /// Their re-INVITE or UPDATE waits for our answer.
    Theirs {
        server: ServerId,
        reply: Box<Reply>,
        kind: OfferKind,
        /// Ours waited to be sent again, and gave way.
        withdrawn: bool,
    },
    /// We answered their re-INVITE and wait for the ACK.
    TheirsAnswered { ok: Box<Unacknowledged> },
}

/// A re-INVITE that is to be sent again: the offer, and the header field lines that the user gave with it.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) body: Bytes,
    pub(super) fields: Box<str>,
}

/// The request that carried an offer within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferKind {
    /// re-INVITE: its 2xx is retransmitted until the ACK.
    Invite,
    /// UPDATE (RFC 3311): no ACK.
    Update,
}

/// An INVITE session.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) state: State,
    pub(super) exchange: Exchange,
    /// Set with the INVITE that came, or with the first 2xx that answered ours.
    pub(super) dialog: Option<Box<Dialog>>,
    /// The path on which the session was set up.
    pub(super) flow: Flow,
    pub(super) contact: Arc<str>,
    pub(super) account: Option<AccountId>,
    /// Header field lines that all its messages carry from now on, if there are any.
    pub(super) standing: Option<Box<Box<str>>>,
    /// How long it lives without a refresh, if that is agreed (RFC 4028).
    pub(super) clock: Option<Box<Clock>>,
    /// The ACK of our INVITE, sent again for every retransmitted 2xx while the transaction lives.
    pub(super) ack: Option<Box<Acknowledgement>>,
}

impl Leg {
    /// Header field lines that all its messages carry.
    pub(super) fn standing(&self) -> &str {
        self.standing.as_deref().map_or("", |lines| lines)
    }

    /// Whether the user has let go of it: nothing is indicated any more.
    pub(super) const fn is_abandoned(&self) -> bool {
        matches!(self.state, State::Accepted { then: AfterAck::Farewell, .. })
    }
}

/// The ACK of a 2xx to our INVITE.
#[derive(Debug)]
pub(super) enum Acknowledgement {
    /// To be sent: the number of the INVITE, and the lines of its credentials (RFC 3261 13.2.2.4).
    Due { client: ClientId, cseq: u32, credentials: Box<str> },
    /// Sent.
    Sent { client: ClientId, flow: Flow, bytes: Bytes },
}

impl Acknowledgement {
    pub(super) const fn client(&self) -> ClientId {
        match self {
            Self::Due { client, .. } | Self::Sent { client, .. } => *client,
        }
    }
}

impl Leg {
    /// The dialog with the peer of this tag: the session's own, or an early one.
    pub(super) fn dialog_with(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        if let Some(dialog) = &mut self.dialog {
            return (dialog.remote_tag() == remote_tag).then_some(dialog);
        }
        match &mut self.state {
            State::Inviting { early, .. } => {
                early.iter_mut().find(|dialog| dialog.remote_tag() == remote_tag)
            }
            State::Invited { .. }
            | State::Accepted { .. }
            | State::Redirected { .. }
            | State::Confirmed
            | State::HangingUp { .. } => None,
        }
    }
}

/// Our tag: where the session lies, and 64 bits that nobody can guess, computed from the place by a key: a tag proves that we made
/// it even when its session is gone. One look steers a message to its shard and session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) shard: u16,
    pub(super) leg: LegId,
    pub(super) secret: u64,
}

impl Tag {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // Read for every message several times: once through, without splitting. Each part has one to sixteen digits.
        let mut numbers = [0_u64; 4];
        let mut parts = numbers.iter_mut();
        let (mut number, mut digits) = (0_u64, 0_usize);
        for octet in text.as_bytes().strip_prefix(b"h")? {
            match DIGITS.get(usize::from(*octet)).copied() {
                Some(digit @ 0..16) => {
                    number = number << 4 | u64::from(digit);
                    digits += 1;
                }
                Some(_) | None => {
                    if *octet != b'-' || !(1..=16).contains(&digits) {
                        return None;
                    }
                    *parts.next()? = number;
                    (number, digits) = (0, 0);
                }
            }
        }
        *parts.next()? = number;
        if !(1..=16).contains(&digits) || parts.next().is_some() {
            return None;
        }
        let [shard, index, generation, secret] = numbers;
        let leg = LegId { index: u32::try_from(index).ok()?, generation: u32::try_from(generation).ok()? };
        Some(Self { shard: u16::try_from(shard).ok()?, leg, secret })
    }
}

/// What each octet is as a hexadecimal digit; 16 if it is none.
static DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut digit = 0;
    while digit < 16 {
        let octet = b"0123456789abcdef"[digit];
        digits[octet as usize] = digit as u8;
        digits[octet.to_ascii_uppercase() as usize] = digit as u8;
        digit += 1;
    }
    digits
};

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            Short::new().then(b'h').then_hex(self.shard.into()).then(b'-').then_hex(self.leg.index.into());
        let text = text.then(b'-').then_hex(self.leg.generation.into()).then(b'-').then_hex(self.secret);
        f.write_str(text.as_str())
    }
}

/// Storage for sessions: a place is used again, an id is not.
#[derive(Debug, Default)]
pub(super) struct Legs {
    places: Vec<Place>,
    free: Vec<u32>,
    live: usize,
    /// Of the next place that is made: beyond those of all places that were given back.
    generation: u32,
}

/// An empty storage keeps room for so many sessions.
const KEPT: usize = 1_024;

#[derive(Debug)]
struct Place {
    generation: u32,
    leg: Option<Box<Leg>>,
}

impl Legs {
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// The id that the next [`insert`](Self::insert) will give.
    pub(super) fn next_id(&self) -> LegId {
        match self.free.last() {
            Some(index) => {
                let generation = self.places.get(*index as usize).map_or(0, |place| place.generation);
                LegId { index: *index, generation }
            }
            None => LegId { index: self.places.len() as u32, generation: self.generation },
        }
    }

    pub(super) fn insert(&mut self, leg: Leg) -> LegId {
        let id = self.next_id();
        self.live += 1;
        match self.free.pop().and_then(|index| self.places.get_mut(index as usize)) {
            Some(place) => place.leg = Some(Box::new(leg)),
            None => self.places.push(Place { generation: self.generation, leg: Some(Box::new(leg)) }),
        }
        id
    }

    pub(super) fn get(&self, id: LegId) -> Option<&Leg> {
        self.places.get(id.index as usize).filter(|place| place.generation == id.generation)?.leg.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.places
            .get_mut(id.index as usize)
            .filter(|place| place.generation == id.generation)?
            .leg
            .as_deref_mut()
    }

    pub(super) fn remove(&mut self, id: LegId) -> Option<Box<Leg>> {
        let place =
            self.places.get_mut(id.index as usize).filter(|place| place.generation == id.generation)?;
        let leg = place.leg.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.index);
        self.live -= 1;
        if self.live == 0 && self.places.len() > KEPT {
            // A peak is over: its memory is given back, and no id of it will ever name another session.
            let last = self.places.iter().map(|place| place.generation).max().unwrap_or_default();
            *self = Self { generation: last.wrapping_add(1), ..Self::default() };
        }
        Some(leg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back_and_foreign_tags_do_not() {
        let tag = Tag { shard: 3, leg: LegId { index: 77, generation: 9 }, secret: u64::MAX };
        assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        let forms = ["", "h", "abc", "h1-2-3", "h1-2-3-4-5", "h1-2-3-zz", "h99999-1-1-1", "h-1-1-1-1"];
        let parts =
            ["h1--1-1", "h1-1-1-", "h1-1-1-1-", "h1-1-1-11112222333344445", "h1-1-1-é", "h1-123456789-1-1"];
        for foreign in forms.into_iter().chain(parts) {
            assert_eq!(Tag::parse(foreign), None, "{foreign}");
        }
    }
}
