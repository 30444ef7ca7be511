//! A stream's place in a mix: what it says and hears there, frame by frame, until a packet's time is together.

use super::common::CommonPayloads;
use super::core::Stream;
use super::feed::{Emission, Outbox};
use super::session::MAX_SAMPLES;
use crate::audio::{Doubler, Halver, MIX_FRAME, MIX_RATE, MIX_TIME, MixFrame, is_audible};
use crate::control::{Direction, MixPart};
use crate::dtmf::ReceivedDigit;
use hookswitch_machine::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// Samples of a frame at the highest rate.
const MAX_FRAME: usize = 2 * MIX_FRAME;
/// Room for a packet and the frame that completes it.
const ROOM: usize = MAX_SAMPLES + MAX_FRAME;

/// Digits that wait to be passed on.
const MAX_DIGITS: usize = 32;

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

/// Between the rate of a mix and twice that.
#[derive(Debug)]
struct Wide {
    spoken: Halver,
    heard: Doubler,
}

impl Wide {
    fn new() -> Box<Self> {
        Box::new(Self { spoken: Halver::new(), heard: Doubler::new() })
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mixed {
    pub(super) part: MixPart,
    /// Said and heard and not in a packet yet, at the stream's rate; both have the same length.
    said: Vec<i16>,
    heard: Vec<i16>,
    kind: Heard,
    /// What it says at this moment, and whether that is in the mix.
    own: [i16; MIX_FRAME],
    adds: bool,
    /// For a stream at 16 kHz.
    wide: Option<Box<Wide>>,
    /// What a stream without packets heard last.
    last: [i16; MIX_FRAME],
    /// Digits of the other side, for whoever it is bridged with.
    pressed: Vec<ReceivedDigit>,
    /// Digits of whoever it is bridged with, for the other side.
    passed_on: VecDeque<ReceivedDigit>,
}

impl Mixed {
    pub(super) fn new(part: MixPart) -> Self {
        Self {
            part,
            said: Vec::with_capacity(ROOM),
            heard: Vec::with_capacity(ROOM),
            kind: Heard::Silence,
            own: [0; MIX_FRAME],
            adds: false,
            wide: None,
            last: [0; MIX_FRAME],
            pressed: Vec::new(),
            passed_on: VecDeque::new(),
        }
    }

    /// Forgets what is not in a packet yet: its rate is no longer the stream's.
    pub(super) fn clear(&mut self) {
        self.said.clear();
        self.heard.clear();
        self.kind = Heard::Silence;
        self.adds = false;
        self.wide = None;
    }

    /// Whether it hears its own source: it is told to, or the other side may only listen (RFC 3264 8.4, on hold).
    pub(super) fn is_away(&self, direction: Direction) -> bool {
        self.part == MixPart::Away || direction == Direction::SendOnly
    }

    /// The other side pressed a digit.
    pub(super) fn pressed(&mut self, digit: ReceivedDigit) {
        if self.part == MixPart::Talks && self.pressed.len() < MAX_DIGITS {
            self.pressed.push(digit);
        }
    }

    /// The next digit to be passed on.
    pub(super) fn next_digit(&mut self) -> Option<ReceivedDigit> {
        self.passed_on.pop_front()
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
    fn others(&self, mix: &MixFrame, heard: &mut [i16; MIX_FRAME]) -> Heard {
        match (self.adds, mix.voices()) {
            (_, 0) => Heard::Silence,
            (true, 1) => Heard::Alone,
            (false, _) => {
                mix.all(heard);
                Heard::Common
            }
            (true, _) => {
                mix.without(&self.own, heard);
                Heard::Own
            }
        }
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
    /// The first half of a mix's turn: adds what this member says in the mix's `number`th frame. True if it pressed digits.
    pub(super) fn speak(&mut self, now: Time, number: u64, mix: &mut MixFrame, out: &mut dyn Outbox) -> bool {
        let mut own = [0; MIX_FRAME];
        let speaks = if self.local {
            self.speak_itself(&mut own, out)
        } else {
            self.speak_received(now, number, &mut own)
        };
        let Some(mixed) = &mut self.mixed else { return false };
        mixed.adds = speaks && mixed.part == MixPart::Talks && is_audible(&own);
        if mixed.adds {
            mix.add(&own);
            mixed.own = own;
        }
        !mixed.pressed.is_empty()
    }

    /// Gives the digits that the other side pressed since the last time.
    pub(super) fn take_digits(&mut self) -> Vec<ReceivedDigit> {
        self.mixed.as_mut().map_or_else(Vec::new, |mixed| std::mem::take(&mut mixed.pressed))
    }

    /// Takes digits that are to be passed on to the other side.
    pub(super) fn pass_on(&mut self, digits: &[ReceivedDigit]) {
        let (Some(session), Some(mixed)) = (&self.session, &mut self.mixed) else { return };
        let direction = session.parameters.direction;
        if direction.sends() && !mixed.is_away(direction) {
            let room = MAX_DIGITS.saturating_sub(mixed.passed_on.len());
            mixed.passed_on.extend(digits.iter().take(room));
        }
    }

    /// What the other side says; false if it may say nothing.
    fn speak_received(&mut self, now: Time, number: u64, own: &mut [i16; MIX_FRAME]) -> bool {
        let (Some(session), Some(mixed)) = (&mut self.session, &mut self.mixed) else { return false };
        let rate = session.parameters.codec.rate();
        let length = frame_length(rate);
        let first = first_frame(number, session.parameters.packet_time).filter(|_| mixed.said.is_empty());
        if let Some(first) = first {
            // Members of one packet time begin their packets together: what they hear in common is encoded once.
            mixed.said.resize(first * length, 0);
            mixed.heard.resize(first * length, 0);
            mixed.kind = Heard::Own;
        }
        let playout = session.playout.as_mut().filter(|_| session.parameters.direction.receives());
        let Some(playout) = playout else {
            mixed.said.resize(mixed.said.len() + length, 0);
            return false;
        };
        if length == MIX_FRAME {
            playout.fill(now, own);
            mixed.said.extend_from_slice(own);
            return true;
        }
        let mut frame = [0; MAX_FRAME];
        let Some(frame) = frame.get_mut(..length) else { return false };
        playout.fill(now, frame);
        mixed.said.extend_from_slice(frame);
        mixed.wide.get_or_insert_with(Wide::new).spoken.convert(frame, own);
        true
    }

    /// What a stream without packets has to say: digits, a tone, its source. False if it has nothing.
    fn speak_itself(&mut self, own: &mut [i16; MIX_FRAME], out: &mut dyn Outbox) -> bool {
        let Some(mixed) = &self.mixed else { return false };
        if let Some(outgoing) = &mut self.outgoing {
            if outgoing.fill(own) {
                self.playing.bypass(MIX_RATE, &mixed.last);
                return true;
            }
            outgoing.report(self.id, false, out);
            self.outgoing = None;
        }
        match self.playing.fill(self.id, MIX_RATE, self.tuning, &mixed.last, own, out) {
            Emission::Audio => true,
            Emission::Common | Emission::Silence | Emission::Nothing => false,
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
        let mut heard = [0; MIX_FRAME];
        let kind = mixed.others(mix, &mut heard);
        if self.local {
            if mixed.part == MixPart::Away {
                heard.fill(0);
            }
            mixed.last = heard;
            if let Some(recorder) = &mut self.recorder {
                let said = if mixed.adds { &mixed.own } else { &[0; MIX_FRAME] };
                recorder.record(MIX_RATE, &heard, said);
            }
            if let Some(ears) = &mut self.ears {
                ears.hear(self.id, MIX_RATE, &heard, true, out);
            }
            return;
        }
        let Some(session) = &self.session else { return };
        let (rate, samples) = (session.parameters.codec.rate(), session.samples());
        let length = frame_length(rate);
        if length == MIX_FRAME {
            mixed.take(&heard, kind);
        } else {
            let mut frame = [0; MAX_FRAME];
            let Some(frame) = frame.get_mut(..length) else { return };
            mixed.wide.get_or_insert_with(Wide::new).heard.convert(&heard, frame);
            mixed.take(frame, kind);
        }
        if mixed.heard.len() < samples {
            return;
        }
        // The packet began with the frames before this one. It must not overlap with the packet before it, which may have been
        // one of the stream's own clock.
        let before = mixed.heard.len().saturating_sub(length);
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
