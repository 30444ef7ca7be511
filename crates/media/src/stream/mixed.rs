//! A stream's place in a mix: what it says and hears there, frame by frame, until a packet's time is together.

use super::common::CommonPayloads;
use super::core::Stream;
use super::feed::{Emission, Outbox};
use super::session::MAX_SAMPLES;
use crate::audio::{MIX_FRAME, MIX_RATE, MIX_TIME, MixFrame, convert, is_audible};
use crate::control::{Direction, MixPart};
use hookswitch_machine::Time;
use std::time::Duration;

/// Samples of a frame at the highest rate.
const MAX_FRAME: usize = 2 * MIX_FRAME;
/// Room for a packet and the frame that completes it.
const ROOM: usize = MAX_SAMPLES + MAX_FRAME;

/// What a packet's frames have been so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Nobody spoke.
    Silence,
    /// Only it spoke, so that it alone heard nothing.
    Alone,
    /// What everybody hears who says nothing.
    Common,
    /// Something for this member alone.
    Own,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mixed {
    pub(super) part: MixPart,
    /// Said and heard and not in a packet yet, at the stream's rate; both have the same length.
    said: Vec<i16>,
    heard: Vec<i16>,
    kind: Heard,
    /// What it adds to the mix at this moment.
    adds: Option<[i16; MIX_FRAME]>,
    /// What a stream without packets heard last.
    last: [i16; MIX_FRAME],
}

impl Mixed {
    pub(super) fn new(part: MixPart) -> Self {
        Self {
            part,
            said: Vec::with_capacity(ROOM),
            heard: Vec::with_capacity(ROOM),
            kind: Heard::Silence,
            adds: None,
            last: [0; MIX_FRAME],
        }
    }

    /// Forgets what is not in a packet yet: its rate is no longer the stream's.
    pub(super) fn clear(&mut self) {
        self.said.clear();
        self.heard.clear();
        self.kind = Heard::Silence;
        self.adds = None;
    }

    /// Whether it hears its own source: it is told to, or the other side may only listen (RFC 3264 8.4, on hold).
    pub(super) fn is_away(&self, direction: Direction) -> bool {
        self.part == MixPart::Away || direction == Direction::SendOnly
    }

    /// What was said in the time of the packet.
    pub(super) fn said(&self, received: &mut [i16]) {
        received.iter_mut().zip(&self.said).for_each(|(slot, sample)| *slot = *sample);
    }

    /// What is heard in the time of the packet.
    pub(super) fn heard(&self, sent: &mut [i16]) -> Emission {
        sent.iter_mut().zip(&self.heard).for_each(|(slot, sample)| *slot = *sample);
        match self.kind {
            Heard::Silence | Heard::Alone => Emission::Silence,
            Heard::Common => Emission::Common,
            Heard::Own => Emission::Audio,
        }
    }

    /// What the others say in this frame.
    fn others(&mut self, mix: &MixFrame) -> ([i16; MIX_FRAME], Heard) {
        let mut heard = [0; MIX_FRAME];
        let kind = match (&self.adds, mix.voices()) {
            (None | Some(_), 0) => Heard::Silence,
            (Some(_), 1) => Heard::Alone,
            (None, _) => {
                mix.all(&mut heard);
                Heard::Common
            }
            (Some(own), _) => {
                mix.without(own, &mut heard);
                Heard::Own
            }
        };
        (heard, kind)
    }

    /// Adds a frame to the packet being put together.
    fn take(&mut self, frame: &[i16], kind: Heard) {
        self.kind = match (self.kind, kind) {
            _ if self.heard.is_empty() => kind,
            (Heard::Silence, other) | (other, Heard::Silence) => other,
            (Heard::Alone, Heard::Alone) => Heard::Alone,
            (Heard::Common, Heard::Common) => Heard::Common,
            (Heard::Own, _) | (_, Heard::Own) => Heard::Own,
            (Heard::Alone, Heard::Common) | (Heard::Common, Heard::Alone) => Heard::Own,
        };
        self.heard.extend_from_slice(frame);
    }
}

impl Stream {
    /// The first half of a mix's turn: adds what this member says in the frame that is due at `at`, the mix's `number`th.
    pub(super) fn speak(&mut self, now: Time, number: u64, mix: &mut MixFrame, out: &mut dyn Outbox) {
        let own = if self.local { self.speak_itself(out) } else { self.speak_received(now, number) };
        let Some(mixed) = &mut self.mixed else { return };
        mixed.adds = own.filter(|own| mixed.part == MixPart::Talks && is_audible(own));
        if let Some(own) = &mixed.adds {
            mix.add(own);
        }
    }

    /// What the other side says.
    fn speak_received(&mut self, now: Time, number: u64) -> Option<[i16; MIX_FRAME]> {
        let (Some(session), Some(mixed)) = (&mut self.session, &mut self.mixed) else { return None };
        let rate = session.parameters.codec.rate();
        let mut frame = [0; MAX_FRAME];
        let frame = frame.get_mut(..frame_length(rate))?;
        if let Some(first) =
            first_frame(number, session.parameters.packet_time).filter(|_| mixed.said.is_empty())
        {
            // Members of one packet time begin their packets together: what they hear in common is encoded once.
            let missing = first * frame.len();
            mixed.said.resize(missing, 0);
            mixed.heard.resize(missing, 0);
            mixed.kind = Heard::Own;
        }
        let playout = session.playout.as_mut().filter(|_| session.parameters.direction.receives());
        let spoken = playout.map(|playout| playout.fill(now, frame));
        mixed.said.extend_from_slice(frame);
        spoken?;
        let mut own = [0; MIX_FRAME];
        convert(frame, &mut own);
        Some(own)
    }

    /// What a stream without packets has to say: digits, a tone, its source.
    fn speak_itself(&mut self, out: &mut dyn Outbox) -> Option<[i16; MIX_FRAME]> {
        let mixed = self.mixed.as_ref()?;
        let mut own = [0; MIX_FRAME];
        if let Some(outgoing) = &mut self.outgoing {
            if outgoing.fill(&mut own) {
                self.playing.bypass(MIX_RATE, &mixed.last);
                return Some(own);
            }
            out.event(outgoing.ended(self.id, false));
            self.outgoing = None;
        }
        match self.playing.fill(self.id, MIX_RATE, &mixed.last, &mut own, out) {
            Emission::Audio => Some(own),
            Emission::Common | Emission::Silence | Emission::Nothing => None,
        }
    }

    /// The second half: hears the others, and sends a packet if its time is together. `at` is when the frame begins.
    pub(super) fn listen(
        &mut self,
        now: Time,
        at: Time,
        mix: &MixFrame,
        common: &mut CommonPayloads,
        out: &mut dyn Outbox,
    ) {
        let Some(mixed) = &mut self.mixed else { return };
        let (heard, kind) = mixed.others(mix);
        if self.local {
            mixed.last = heard;
            let said = mixed.adds.unwrap_or([0; MIX_FRAME]);
            if let Some(recorder) = &mut self.recorder {
                recorder.record(MIX_RATE, &heard, &said);
            }
            if let Some(ears) = &mut self.ears {
                ears.hear(self.id, MIX_RATE, &heard, true, out);
            }
            return;
        }
        let Some(session) = &self.session else { return };
        let (rate, samples) = (session.parameters.codec.rate(), session.samples());
        let mut frame = [0; MAX_FRAME];
        let Some(frame) = frame.get_mut(..frame_length(rate)) else { return };
        convert(&heard, frame);
        mixed.take(frame, kind);
        if mixed.heard.len() < samples {
            return;
        }
        // The packet began with the frames before this one. It must not overlap with the packet before it, which may have been
        // one of the stream's own clock.
        let before = mixed.heard.len().saturating_sub(frame.len());
        let begun = back(at, Duration::from_nanos(before as u64 * 1_000_000_000 / u64::from(rate.max(1))));
        let far = begun + session.parameters.packet_time * 2;
        let due = session.next_packet;
        let begun = if due > begun && due < far { due } else { begun };
        // What does not fill whole frames is common to nobody.
        let common = first_frame(0, session.parameters.packet_time).map(|_| common);
        self.packet(now, begun, common, out);
        if let Some(mixed) = &mut self.mixed {
            mixed.said.drain(..samples.min(mixed.said.len()));
            mixed.heard.drain(..samples.min(mixed.heard.len()));
        }
    }

    /// Frames that the mix left out because its driver was late.
    pub(super) fn miss(&mut self, frames: u64) {
        let rate = self.rate().unwrap_or(MIX_RATE);
        let silence = [0; MAX_FRAME];
        if let (Some(recorder), Some(silence)) = (&mut self.recorder, silence.get(..frame_length(rate))) {
            (0..frames).for_each(|_| recorder.record(rate, silence, silence));
        }
    }
}

const fn frame_length(rate: u32) -> usize {
    rate as usize * MIX_TIME.as_millis() as usize / 1_000
}

/// Frames between the beginning of the packet that the mix's `number`th frame is in, and that frame; `None` for packets that
/// are not made of whole frames.
fn first_frame(number: u64, packet_time: Duration) -> Option<usize> {
    let (packet, frame) = (packet_time.as_millis() as u64, MIX_TIME.as_millis() as u64);
    packet.is_multiple_of(frame).then(|| (number % (packet / frame).max(1)) as usize)
}

fn back(at: Time, by: Duration) -> Time {
    Time::from_nanos(at.as_nanos().saturating_sub(by.as_nanos() as u64))
}
