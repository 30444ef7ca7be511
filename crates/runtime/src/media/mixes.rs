//! The mixes of a media thread.

use super::leg::Slot;
use super::sink::EventSink;
use hookswitch_machine::Time;
use hookswitch_media::control::MixId;
use hookswitch_media::stream::{Full, Members, Mix, Outbox, Stream};
use std::collections::HashMap;

/// Each has members while it exists; they are known by their places.
#[derive(Debug, Default)]
pub(super) struct Mixes(HashMap<MixId, Mix>);

impl Mixes {
    pub(super) fn join(&mut self, now: Time, mix: MixId, place: usize) -> Result<(), Full> {
        self.0.entry(mix).or_insert_with(|| Mix::new(now)).join(now, place)
    }

    pub(super) fn leave(&mut self, mix: MixId, place: usize) {
        if let Some(found) = self.0.get_mut(&mix) {
            found.leave(place);
            if found.members().is_empty() {
                self.0.remove(&mix);
            }
        }
    }

    /// Mixes what is due.
    pub(super) fn turn(&mut self, now: Time, slots: &mut [Option<Slot>], sink: &EventSink) {
        for mix in self.0.values_mut() {
            if mix.timeout().is_some_and(|at| at <= now) {
                mix.turn(now, &mut Places { slots, sink });
            }
        }
    }
}

struct Places<'a> {
    slots: &'a mut [Option<Slot>],
    sink: &'a EventSink,
}

impl Members for Places<'_> {
    fn reach(&mut self, place: usize, act: &mut dyn FnMut(&mut Stream, &mut dyn Outbox)) {
        if let Some(Some(slot)) = self.slots.get_mut(place) {
            let (stream, mut wire) = slot.leg.split(self.sink);
            act(stream, &mut wire);
        }
    }
}
