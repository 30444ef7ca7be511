//! What goes out on the beat: packets, reports, and what silence and timeouts have to say.

use super::core::{Stream, report_digit};
use super::feed::{Outbox, Playing};
use super::outgoing::Way;
use super::session::{MAX_SAMPLES, Session};
use crate::audio::Tone;
use crate::control::{Event, Statistics};
use crate::dtmf::DigitStep;
use crate::rtcp::MAX_REPORT;
use crate::rtp::PacketBuffer;
use hookswitch_machine::Time;
use std::net::SocketAddr;

/// A driver that is later than this many packets leaves them out.
const BURST: u64 = 4;
/// A recording is kept aligned over pauses of the driver of at most so many packets (a minute).
const LONGEST_PAUSE: u64 = 3_000;

/// What a packet carries instead of audio, or before it.
enum Emission {
    /// The samples that were filled in.
    Audio,
    /// Silence, without encoding anything.
    Silence,
    /// Nothing: an event went out, or there is nothing to say.
    Nothing,
}

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
        report_digit(self.id, session.digits.poll(now, rate), out);
        let watched = self.config.silence_limit.filter(|_| session.parameters.direction.receives());
        if let Some(since) = watched.and_then(|limit| session.liveness.silent(now, limit)) {
            out.event(Event::Silent { stream: self.id, since });
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
            self.packet(now, at, out);
        }
    }

    /// Ends the stream: says goodbye and gives the last figures.
    pub fn stop(&mut self, now: Time, out: &mut dyn Outbox) -> Statistics {
        self.cancel_digits(out);
        if let Some(session) = &mut self.session {
            let ended = session.digits.restart(session.parameters.codec.rate());
            report_digit(self.id, ended, out);
        }
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

    /// One beat of the packet clock, due at `at`.
    fn packet(&mut self, now: Time, at: Time, out: &mut dyn Outbox) {
        let Some(session) = &mut self.session else { return };
        session.next_packet = at + session.parameters.packet_time;
        let (samples, rate) = (session.samples(), session.parameters.codec.rate());
        let mut received = [0; MAX_SAMPLES];
        let mut sent = [0; MAX_SAMPLES];
        if let Some(playout) = &mut session.playout {
            playout.fill(now, &mut received[..samples]);
        }
        let target = session.latch.target().filter(|_| session.parameters.direction.sends());
        if let Some(target) = target {
            self.send(at, target, &received[..samples], &mut sent[..samples], out);
        } else if let Playing::Live(live) = &mut self.playing {
            // Nothing may be sent, but what is heard is still the application's.
            live.exchange(rate, &received[..samples], &mut sent[..samples]);
            sent.fill(0);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.record(rate, &received[..samples], &sent[..samples]);
        }
    }

    /// Sends one packet's time, and leaves what was sent in `sent`.
    fn send(
        &mut self,
        at: Time,
        target: SocketAddr,
        received: &[i16],
        sent: &mut [i16],
        out: &mut dyn Outbox,
    ) {
        let emission = match self.send_digit(at, target, sent, out) {
            Some(emission) => {
                // What is heard stays the application's; what it says meanwhile is not sent.
                if let (Playing::Live(live), Some(session)) = (&mut self.playing, &self.session) {
                    let rate = session.parameters.codec.rate();
                    live.exchange(rate, received, &mut [0; MAX_SAMPLES][..sent.len()]);
                }
                emission
            }
            None => self.fill(received, sent, out),
        };
        let Some(session) = &mut self.session else { return };
        let codec = session.parameters.codec;
        let mut packet = PacketBuffer::new();
        let payload = packet.payload(sent.len() * codec.octets_per_sample());
        match emission {
            Emission::Audio => {
                codec.encode_into(sent, payload);
            }
            Emission::Silence => payload.fill(codec.silence()),
            Emission::Nothing => return,
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

    /// What the digits being sent have for this packet; `None` if there are none.
    fn send_digit(
        &mut self,
        at: Time,
        target: SocketAddr,
        sent: &mut [i16],
        out: &mut dyn Outbox,
    ) -> Option<Emission> {
        let session = self.session.as_mut()?;
        let digits = self.digits.as_mut()?;
        let emission = match &mut digits.way {
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
            Way::Tones(tones) => match tones.fill(sent) {
                0 => None,
                _ => Some(Emission::Audio),
            },
        };
        if emission.is_none() {
            out.event(Event::DigitsSent { stream: self.id, tag: digits.tag, cancelled: false });
            self.digits = None;
        }
        emission
    }

    /// What the feed has for this packet.
    fn fill(&mut self, received: &[i16], sent: &mut [i16], out: &mut dyn Outbox) -> Emission {
        let Some(session) = &self.session else { return Emission::Nothing };
        let our_rate = session.parameters.codec.rate();
        match &mut self.playing {
            Playing::Silence => Emission::Silence,
            Playing::Echo(_) if session.parameters.direction.receives() => {
                // The packets went back as they came; this is what the recording is told.
                sent.copy_from_slice(received);
                Emission::Nothing
            }
            Playing::Echo(_) => Emission::Silence,
            Playing::Tone { frequencies, level, tone } => {
                if tone.as_ref().is_none_or(|(rate, _)| *rate != our_rate) {
                    *tone = Some((our_rate, Tone::new(our_rate, *frequencies, *level)));
                }
                if let Some((_, tone)) = tone {
                    tone.fill(sent);
                }
                Emission::Audio
            }
            Playing::Samples { rate, .. } if *rate != our_rate => Emission::Silence,
            Playing::Samples { playback, announced, .. } => {
                let filled = playback.fill(sent);
                if playback.is_finished() && !*announced {
                    *announced = true;
                    out.event(Event::Played { stream: self.id });
                }
                if filled == 0 { Emission::Silence } else { Emission::Audio }
            }
            Playing::Live(live) => {
                live.exchange(our_rate, received, sent);
                Emission::Audio
            }
        }
    }
}
