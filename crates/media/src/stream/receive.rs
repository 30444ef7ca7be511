//! What arrives.

use super::core::Stream;
use super::feed::{Outbox, Playing, report_digit};
use super::session::Session;
use crate::control::Event;
use crate::rtcp::{Received, is_rtcp};
use crate::rtp::{HEADER_LEN, LatchVerdict, MAX_PACKET, PacketBuffer, Verdict};
use hookswitch_machine::Time;
use rtp_rs::RtpReader;
use std::net::SocketAddr;

/// What a payload type means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio,
    Digit,
    Unknown,
}

impl Stream {
    /// Takes a datagram of the RTP socket.
    pub fn receive(&mut self, now: Time, from: SocketAddr, datagram: &[u8], out: &mut dyn Outbox) {
        let Some(session) = &mut self.session else {
            self.discarded += 1;
            return;
        };
        if session.parameters.rtcp_mux && is_rtcp(datagram) {
            self.receive_rtcp(now, from, datagram);
            return;
        }
        let Ok(packet) = RtpReader::new(datagram) else {
            self.discarded += 1;
            return;
        };
        let kind = match packet.payload_type() {
            t if t == session.parameters.receive_payload_type => Kind::Audio,
            t if Some(t) == session.parameters.receive_digits => Kind::Digit,
            _ => Kind::Unknown,
        };
        // What is not valid in itself must not say where the other side is.
        if kind == Kind::Unknown && session.latch.found() != Some(from) {
            self.discarded += 1;
            return;
        }
        match session.latch.take(now, from) {
            LatchVerdict::Taken => {}
            LatchVerdict::Moved if session.reception.ssrc() != Some(packet.ssrc()) => {
                session.reception.restart();
            }
            LatchVerdict::Moved => {}
            LatchVerdict::Refused => {
                self.discarded += 1;
                return;
            }
        }
        let sequence = u16::from(packet.sequence_number());
        let (index, newest, restarted) =
            match session.reception.take(packet.ssrc(), sequence, packet.payload().len()) {
                Verdict::Fresh { index, newest, restarted } => (index, newest, restarted),
                Verdict::Duplicate => return,
                Verdict::Probation => {
                    self.discarded += 1;
                    return;
                }
            };
        if !session.parameters.direction.receives() {
            return;
        }
        if session.liveness.heard(now) {
            out.event(Event::Receiving { stream: self.id });
        }
        let rate = session.parameters.codec.rate();
        if restarted {
            report_digit(self.id, session.digits.restart(rate), out);
            if let Some(playout) = &mut session.playout {
                playout.restart();
            }
            if let Playing::Echo(map) = &mut self.playing {
                map.reset();
            }
        }
        match kind {
            Kind::Audio => {
                if newest {
                    session.reception.time(now, packet.timestamp(), rate);
                }
                if let Some(playout) = &mut session.playout {
                    playout.insert(now, index, packet.timestamp(), packet.payload());
                }
            }
            Kind::Digit => {
                let changes = session.digits.take(now, packet.timestamp(), packet.payload(), rate);
                for change in changes.into_iter().flatten() {
                    self.digit_changed(change, out);
                }
            }
            Kind::Unknown => self.discarded += 1,
        }
        if self.is_echo() && self.outgoing.is_none() && self.mixed.is_none() {
            self.echo(now, kind, &packet, newest, out);
        }
    }

    /// Sends a packet back without decoding it.
    fn echo(&mut self, now: Time, kind: Kind, packet: &RtpReader<'_>, newest: bool, out: &mut dyn Outbox) {
        let (Some(session), Playing::Echo(map)) = (&mut self.session, &mut self.playing) else { return };
        let parameters = &session.parameters;
        let payload_type = match kind {
            Kind::Audio => Some(parameters.send_payload_type),
            Kind::Digit => parameters.send_digits,
            Kind::Unknown => None,
        };
        let payload = packet.payload();
        let (Some(payload_type), Some(target), true) =
            (payload_type, session.latch.target(), payload.len() <= MAX_PACKET - HEADER_LEN)
        else {
            if newest {
                map.skip();
            }
            return;
        };
        if !parameters.direction.sends() {
            return;
        }
        let theirs = (u16::from(packet.sequence_number()), packet.timestamp());
        let next = (session.sender.next_sequence(), session.sender.timestamp(now));
        let ((sequence, timestamp), begins) = map.place(theirs, next);
        let header = session.sender.relay(
            now,
            begins || packet.mark(),
            payload_type,
            sequence,
            timestamp,
            payload.len(),
        );
        let mut answer = PacketBuffer::new();
        answer.set_payload(payload);
        answer.set_header(header);
        out.rtp(target, answer.as_bytes());
    }

    /// Takes a datagram of the RTCP socket.
    pub fn receive_rtcp(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let Some(session) = &mut self.session else {
            self.discarded += 1;
            return;
        };
        let Some(report) =
            Received::read(datagram, session.sender.ssrc()).filter(|_| believed(session, now, from))
        else {
            self.discarded += 1;
            return;
        };
        if !session.parameters.rtcp_mux {
            session.rtcp_found = Some(from);
        }
        session.rtcp.take(now, &report);
        session.liveness.lives(now);
    }
}

/// RTCP is believed from where RTP comes from: the same socket if multiplexed, otherwise the same host.
fn believed(session: &Session, now: Time, from: SocketAddr) -> bool {
    if session.parameters.rtcp_mux {
        return session.latch.accepts(now, from);
    }
    from == session.parameters.remote_rtcp
        || session.latch.target().is_some_and(|target| target.ip() == from.ip())
}
