//! What goes out on the beat: packets, reports, and what silence and timeouts have to say.

use super::common::CommonPayloads;
use super::core::Stream;
use super::feed::{Emission, Outbox};
use super::outgoing::{Outgoing, Way};
use super::session::{MAX_SAMPLES, Session};
use crate::control::{Event, Statistics};
use crate::dtmf::{DigitChange, DigitStep};
use crate::rtcp::MAX_REPORT;
use crate::rtp::PacketBuffer;
use hookswitch_machine::Time;
use std::net::SocketAddr;

/// A driver that is later than this many packets leaves them out.
const BURST: u64 = 4;
/// A recording is kept aligned over pauses of the driver of at most so many packets (a minute).
const LONGEST_PAUSE: u64 = 3_000;

impl Stream {
    /// When to call [`Stream::tick`]; may be early, never late.
    pub fn timeout(&self) -> Option<Time> {
        let session = self.session.as_ref()?;
        let mut next = session.rtcp.next();
        if self.has_beat() {
            next = next.min(session.next_packet);
        }
        if let Some(at) = session.digits.timeout() {
            next = next.min(at);
        }
        let watched = self.config.silence_limit.filter(|_| session.parameters.direction.receives());
        if let Some(at) = watched.and_then(|limit| session.liveness.deadline(limit)) {
            next = next.min(at);
        }
        Some(next)
    }

    /// Does everything that is due.
    pub fn tick(&mut self, now: Time, out: &mut dyn Outbox) {
        self.report(now, false, out);
        let beat = self.has_beat();
        let Some(session) = &mut self.session else { return };
        let rate = session.parameters.codec.rate();
        if let Some(ended) = session.digits.poll(now, rate) {
            self.digit_changed(DigitChange::Ended(ended), out);
        }
        let Some(session) = &mut self.session else { return };
        let watched = self.config.silence_limit.filter(|_| session.parameters.direction.receives());
        if let Some(since) = watched.and_then(|limit| session.liveness.silent(now, limit)) {
            out.event(Event::Silent { stream: self.id, since });
        }
        if self.mixed.is_some() {
            return;
        }
        if !beat {
            session.catch_up(now);
            return;
        }
        if now.since(session.next_packet) > session.parameters.packet_time * BURST as u32 {
            let missed = session.catch_up(now).min(LONGEST_PAUSE);
            let samples = session.samples();
            if let Some(recorder) = &mut self.recorder {
                let silence = [0; MAX_SAMPLES];
                (0..missed).for_each(|_| recorder.record(rate, &silence[..samples], &silence[..samples]));
            }
        }
        while let Some(at) = self.session.as_ref().map(|s| s.next_packet).filter(|at| *at <= now) {
            self.packet(now, at, None, out);
        }
    }

    /// Ends the stream: says goodbye and gives the last figures.
    pub fn stop(&mut self, now: Time, out: &mut dyn Outbox) -> Statistics {
        self.stop_generating(out);
        self.end_digits(out);
        self.report(now, true, out);
        self.statistics()
    }

    /// The RTCP report that is due, or a goodbye.
    fn report(&mut self, now: Time, bye: bool, out: &mut dyn Outbox) {
        let Some(session) = &mut self.session else { return };
        if session.rtcp.next() > now && !bye {
            return;
        }
        let target = session.rtcp_target();
        let Session { rtcp, sender, reception, .. } = &mut **session;
        let mut buffer = [0; MAX_REPORT];
        let written = rtcp.report(now, bye, sender, reception, &mut self.entropy, &mut buffer);
        let Some(report) = written.and_then(|len| buffer.get(..len)) else { return };
        match target {
            Some((target, true)) => out.rtp(target, report),
            Some((target, false)) => out.rtcp(target, report),
            None => {}
        }
    }

    /// One beat of the packet clock, due at `at`. In a mix, `common` keeps what others are sent too.
    pub(super) fn packet(
        &mut self,
        now: Time,
        at: Time,
        common: Option<&mut CommonPayloads>,
        out: &mut dyn Outbox,
    ) {
        let Some(session) = &mut self.session else { return };
        session.next_packet = at + session.parameters.packet_time;
        let (samples, rate) = (session.samples(), session.parameters.codec.rate());
        let mut received = [0; MAX_SAMPLES];
        let mut sent = [0; MAX_SAMPLES];
        let (Some(received), Some(sent)) = (received.get_mut(..samples), sent.get_mut(..samples)) else {
            return;
        };
        match (&self.mixed, &mut session.playout) {
            (Some(mixed), _) => mixed.said(received),
            (None, Some(playout)) => playout.fill(now, received),
            (None, None) => {}
        }
        let direction = session.parameters.direction;
        let in_band = session.parameters.receive_digits.is_none();
        let target = session.latch.target().filter(|_| direction.sends());
        match target {
            Some(target) => self.send(at, target, received, sent, common, out),
            // Nothing may be sent, but what is heard is still the application's.
            None => self.playing.bypass(rate, received),
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.record(rate, received, sent);
        }
        if let (Some(ears), true) = (&mut self.ears, direction.receives()) {
            ears.hear(self.id, rate, received, in_band, out);
        }
    }

    /// Sends one packet's time, and leaves what was sent in `sent`.
    fn send(
        &mut self,
        at: Time,
        target: SocketAddr,
        received: &[i16],
        sent: &mut [i16],
        common: Option<&mut CommonPayloads>,
        out: &mut dyn Outbox,
    ) {
        let emission = match self.generated(at, target, sent, out) {
            Some(emission) => {
                if let Some(session) = &self.session {
                    self.playing.bypass(session.parameters.codec.rate(), received);
                }
                emission
            }
            None => self.fill(received, sent, out),
        };
        let Some(session) = &mut self.session else { return };
        let codec = session.parameters.codec;
        let mut packet = PacketBuffer::new();
        let payload = packet.payload(sent.len() * codec.octets_per_sample());
        match (emission, common) {
            (Emission::Common, Some(common)) => common.encode(codec, sent, payload),
            (Emission::Audio | Emission::Common, _) => {
                codec.encode_into(sent, payload);
            }
            (Emission::Silence, _) => payload.fill(codec.silence()),
            (Emission::Nothing, _) => return,
        }
        let marker = session.sender.after_pause(at, session.parameters.packet_time * 2);
        let timestamp = session.sender.timestamp(at);
        let header = session.sender.next(
            at,
            marker,
            session.parameters.send_payload_type,
            timestamp,
            packet.payload_len(),
        );
        packet.set_header(header);
        out.rtp(target, packet.as_bytes());
    }

    /// What the digits or the tone being sent have for this packet; `None` if there are none.
    fn generated(
        &mut self,
        at: Time,
        target: SocketAddr,
        sent: &mut [i16],
        out: &mut dyn Outbox,
    ) -> Option<Emission> {
        let session = self.session.as_mut()?;
        if let (None, Some(mixed)) = (&self.outgoing, &mut self.mixed)
            && let Some(digit) = mixed.next_digit()
        {
            let mut outgoing = Outgoing::passed_on(digit);
            outgoing.decide(session.parameters.codec.rate(), session.parameters.send_digits);
            self.outgoing = Some(Box::new(outgoing));
        }
        let outgoing = self.outgoing.as_mut()?;
        let emission = match &mut outgoing.way {
            Way::Undecided => return None,
            Way::Events { sender, payload_type, timestamp } => {
                let (payload, emission) = match sender.step(session.parameters.packet_time) {
                    DigitStep::Event { payload, first } => {
                        if first {
                            *timestamp = session.sender.timestamp(at);
                        }
                        (Some((payload, first)), Some(Emission::Nothing))
                    }
                    DigitStep::Repeat { payload } => (Some((payload, false)), Some(Emission::Silence)),
                    DigitStep::Quiet => (None, Some(Emission::Silence)),
                    DigitStep::Finished => (None, None),
                };
                if let Some((payload, marker)) = payload {
                    let header = session.sender.next(at, marker, *payload_type, *timestamp, payload.len());
                    let mut packet = PacketBuffer::new();
                    packet.set_payload(&payload);
                    packet.set_header(header);
                    out.rtp(target, packet.as_bytes());
                }
                emission
            }
            Way::Digits(_) | Way::Tone(_) => outgoing.fill(sent).then_some(Emission::Audio),
        };
        if emission.is_none() {
            outgoing.report(self.id, false, out);
            self.outgoing = None;
        }
        emission
    }

    /// What the mix or the feed has for this packet.
    fn fill(&mut self, received: &[i16], sent: &mut [i16], out: &mut dyn Outbox) -> Emission {
        let Some(session) = &self.session else { return Emission::Nothing };
        let rate = session.parameters.codec.rate();
        if let Some(mixed) = self.mixed.as_ref().filter(|mixed| !mixed.is_away(session.parameters.direction))
        {
            self.playing.bypass(rate, received);
            return mixed.heard(sent);
        }
        if self.is_echo() && self.mixed.is_none() && session.parameters.direction.receives() {
            // The packets went back as they came; this is what the recording is told.
            sent.copy_from_slice(received);
            return Emission::Nothing;
        }
        self.playing.fill(self.id, rate, self.tuning, received, sent, out)
    }
}
