//! Streams that hear each other and not themselves: a conference, or two calls bridged by ourselves.
//!
//! A mix turns every 10 ms. First every member says its frame: what its jitter buffer has, or nothing. Then every member hears
//! the sum of the others; when that makes a packet, in its own codec and packet time, the packet goes out. Members that say
//! nothing hear the same, which is encoded once for all of them.
//!
//! Two who are bridged get each other's digits too (RFC 4733 events are no audio, and one of them may be talking to a machine); in
//! a conference of more, digits are for whoever holds it.

use super::common::CommonPayloads;
use super::core::Stream;
use super::feed::Outbox;
use crate::audio::{MIX_TIME, MixFrame};
use crate::control::MAX_MIX_MEMBERS;
use hookswitch_machine::Time;

/// A driver that is later than this many frames leaves them out.
const BURST: u64 = 8;
/// Recordings are kept aligned over pauses of the driver of at most so many frames (a minute).
const LONGEST_PAUSE: u64 = 6_000;

/// The driver's streams, as a mix reaches them.
pub trait Members {
    /// Calls `act` with the stream at `place` and with what takes its packets and events, if it is there.
    fn reach(&mut self, place: usize, act: &mut dyn FnMut(&mut Stream, &mut dyn Outbox));
}

/// The mix has [`MAX_MIX_MEMBERS`] members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mix has {MAX_MIX_MEMBERS} members and takes no more: let one leave first")]
pub struct Full;

/// See the [module](self).
#[derive(Debug)]
pub struct Mix {
    /// The driver's places of the members.
    members: Vec<usize>,
    next: Time,
    /// Frames since the beginning.
    number: u64,
    frame: MixFrame,
    common: CommonPayloads,
}

impl Mix {
    /// A mix without members.
    pub fn new(now: Time) -> Self {
        Self {
            members: Vec::new(),
            next: now,
            number: 0,
            frame: MixFrame::new(),
            common: CommonPayloads::default(),
        }
    }

    /// Takes a member, which the driver knows by `place`; its stream must be told ([`Stream::mix`]).
    ///
    /// # Errors
    /// [`Full`] if there is no room.
    pub fn join(&mut self, now: Time, place: usize) -> Result<(), Full> {
        if self.members.contains(&place) {
            return Ok(());
        }
        if self.members.len() >= MAX_MIX_MEMBERS {
            return Err(Full);
        }
        if self.members.is_empty() {
            self.next = self.next.max(now);
        }
        self.members.push(place);
        Ok(())
    }

    /// Lets a member go, whose stream must be told too.
    pub fn leave(&mut self, place: usize) {
        self.members.retain(|member| *member != place);
    }

    /// The driver's places of its members, in the order of their coming.
    pub fn members(&self) -> &[usize] {
        &self.members
    }

    /// When to call [`Mix::turn`]; `None` without members.
    pub fn timeout(&self) -> Option<Time> {
        (!self.members.is_empty()).then_some(self.next)
    }

    /// Mixes every frame that is due.
    pub fn turn(&mut self, now: Time, members: &mut dyn Members) {
        self.catch_up(now, members);
        while self.next <= now && !self.members.is_empty() {
            let at = self.next;
            self.next = at + MIX_TIME;
            let Self { frame, common, number, .. } = self;
            frame.clear();
            common.clear();
            let mut pressed = false;
            for place in &self.members {
                members.reach(*place, &mut |stream, out| pressed |= stream.speak(now, *number, frame, out));
            }
            if pressed {
                pass_digits_on(&self.members, members);
            }
            for place in &self.members {
                members.reach(*place, &mut |stream, out| stream.listen(now, at, frame, common, out));
            }
            *number += 1;
        }
    }

    fn catch_up(&mut self, now: Time, members: &mut dyn Members) {
        let missed = (now.since(self.next).as_nanos() / MIX_TIME.as_nanos()) as u64;
        if missed <= BURST {
            return;
        }
        self.next = self.next + MIX_TIME * u32::try_from(missed).unwrap_or(u32::MAX);
        for place in &self.members {
            members.reach(*place, &mut |stream, _| stream.miss(missed.min(LONGEST_PAUSE)));
        }
    }

    /// How many different payloads the last frame had in common.
    #[cfg(test)]
    pub(super) const fn common_payloads(&self) -> usize {
        self.common.used()
    }
}

/// Between two; of more, nobody's digits go anywhere.
fn pass_digits_on(places: &[usize], members: &mut dyn Members) {
    for from in places {
        let mut digits = Vec::new();
        members.reach(*from, &mut |stream, _| digits = stream.take_digits());
        let [first, second] = places else { continue };
        let to = if from == first { second } else { first };
        members.reach(*to, &mut |stream, _| stream.pass_on(&digits));
    }
}
