//! The stream: what it has, and what signalling asks of it.

use super::config::StreamConfig;
use super::feed::{Feed, Outbox, Playing, Recorder};
use super::outgoing::OutgoingDigits;
use super::playout::Playout;
use super::session::Session;
use crate::control::{Event, Statistics, StreamId, StreamParameters};
use crate::dtmf::DigitChange;
use crate::quality::Conditions;
use hookswitch_machine::{Entropy, Time, WallClock};
use std::time::Duration;

/// One audio stream. See the [module](super).
#[derive(Debug)]
pub struct Stream {
    pub(super) id: StreamId,
    pub(super) config: StreamConfig,
    pub(super) wall: WallClock,
    pub(super) entropy: Entropy,
    pub(super) playing: Playing,
    pub(super) digits: Option<OutgoingDigits>,
    pub(super) recorder: Option<Box<dyn Recorder>>,
    pub(super) session: Option<Box<Session>>,
    pub(super) discarded: u64,
}

impl Stream {
    /// A stream that takes and drops what comes until it is configured.
    pub fn new(id: StreamId, feed: Feed, config: StreamConfig, wall: WallClock, entropy: Entropy) -> Self {
        Self {
            id,
            config,
            wall,
            entropy,
            playing: feed.into(),
            digits: None,
            recorder: None,
            session: None,
            discarded: 0,
        }
    }

    /// Its number.
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// The sampling rate that it sends and hears at, in Hz, once configured.
    pub fn rate(&self) -> Option<u32> {
        self.session.as_ref().map(|session| session.parameters.codec.rate())
    }

    /// Takes the outcome of an offer and its answer.
    pub fn configure(&mut self, now: Time, parameters: &StreamParameters, out: &mut dyn Outbox) {
        self.keep_beat(now);
        match &mut self.session {
            Some(session) => {
                let old = session.parameters.clone();
                session.change(now, parameters, &mut self.entropy);
                if old.codec.rate() != parameters.codec.rate() || !parameters.direction.receives() {
                    let ended = session.digits.restart(old.codec.rate());
                    report_digit(self.id, ended, out);
                }
                if let (true, Playing::Echo(map)) = (old.direction != parameters.direction, &mut self.playing)
                {
                    map.reset();
                }
            }
            None => {
                let session = Session::new(now, parameters, &self.config, self.wall, &mut self.entropy);
                self.session = Some(Box::new(session));
            }
        }
        match &mut self.digits {
            Some(_) if !parameters.direction.sends() => self.cancel_digits(out),
            Some(digits) => digits.decide(parameters),
            None => {}
        }
        self.fit_playout();
    }

    /// Changes what is sent.
    pub fn feed(&mut self, now: Time, feed: Feed) {
        self.keep_beat(now);
        self.playing = feed.into();
        self.fit_playout();
    }

    /// Begins a recording, or ends it with `None`; returns the one before.
    pub fn record(&mut self, now: Time, recorder: Option<Box<dyn Recorder>>) -> Option<Box<dyn Recorder>> {
        self.keep_beat(now);
        let before = std::mem::replace(&mut self.recorder, recorder);
        self.fit_playout();
        before
    }

    /// Sends digits instead of digits still being sent; with an empty string, stops those.
    pub fn send_digits(
        &mut self,
        now: Time,
        digits: &str,
        duration: Duration,
        gap: Duration,
        tag: u64,
        out: &mut dyn Outbox,
    ) {
        self.keep_beat(now);
        self.cancel_digits(out);
        if digits.is_empty() {
            out.event(Event::DigitsSent { stream: self.id, tag, cancelled: false });
            return;
        }
        let mut outgoing = OutgoingDigits::new(digits, duration, gap, tag);
        match &self.session {
            Some(session) if !session.parameters.direction.sends() => {
                out.event(Event::DigitsSent { stream: self.id, tag, cancelled: true });
                return;
            }
            Some(session) => outgoing.decide(&session.parameters),
            None => {}
        }
        if let Playing::Echo(map) = &mut self.playing {
            map.reset();
        }
        self.digits = Some(outgoing);
    }

    /// The figures of this moment.
    pub fn statistics(&self) -> Statistics {
        let mut figures = Statistics { packets_discarded: self.discarded, ..Statistics::default() };
        let Some(session) = &self.session else { return figures };
        let rate = session.parameters.codec.rate();
        (figures.packets_sent, figures.octets_sent) = session.sender.totals();
        figures.packets_received = session.reception.received();
        figures.octets_received = session.reception.octets();
        figures.packets_lost = session.reception.lost();
        figures.packets_late = session.late();
        figures.jitter = session.reception.jitter(rate);
        figures.round_trip = session.rtcp.round_trip();
        figures.remote_loss = session.rtcp.remote_loss();
        if figures.packets_received > 0 {
            let expected = figures.packets_received + figures.packets_lost;
            let missing = (figures.packets_lost + figures.packets_late) as f32 / expected as f32;
            let conditions = Conditions {
                codec: session.parameters.codec,
                loss: missing.min(1.0),
                delay: figures.round_trip.unwrap_or_default() / 2,
                jitter: figures.jitter,
            };
            figures.mos = conditions.mos();
        }
        figures
    }

    /// Whether there is something to do at every packet time.
    pub(super) fn has_beat(&self) -> bool {
        let Some(session) = &self.session else { return false };
        let direction = session.parameters.direction;
        let echoes = self.playing.is_echo() && direction.receives() && self.digits.is_none();
        (direction.sends() && !echoes) || self.recorder.is_some() || self.playing.is_live()
    }

    /// Before a change: a stream that had no beat begins one now, not where the last one stopped.
    fn keep_beat(&mut self, now: Time) {
        if !self.has_beat()
            && let Some(session) = &mut self.session
        {
            session.catch_up(now);
        }
    }

    /// What is heard is decoded only for somebody who listens.
    fn fit_playout(&mut self) {
        let listened = self.recorder.is_some() || self.playing.is_live();
        let Some(session) = &mut self.session else { return };
        let codec = session.parameters.codec;
        if !(listened && session.parameters.direction.receives()) {
            session.drop_playout();
        } else if session.playout.as_ref().is_none_or(|playout| playout.codec() != codec) {
            session.drop_playout();
            session.playout = Some(Box::new(Playout::new(codec, self.config.jitter)));
        }
    }

    pub(super) fn cancel_digits(&mut self, out: &mut dyn Outbox) {
        if let Some(digits) = self.digits.take() {
            out.event(Event::DigitsSent { stream: self.id, tag: digits.tag, cancelled: true });
        }
    }
}

/// Tells signalling of a digit that ended.
pub(super) fn report_digit(
    stream: StreamId,
    ended: Option<crate::dtmf::ReceivedDigit>,
    out: &mut dyn Outbox,
) {
    if let Some(ended) = ended {
        out.event(Event::Digit { stream, digit: ended.digit, duration: ended.duration });
    }
}

/// Tells signalling of a digit that begins or ended.
pub(super) fn report_change(stream: StreamId, change: DigitChange, out: &mut dyn Outbox) {
    match change {
        DigitChange::Begun(digit) => out.event(Event::DigitBegun { stream, digit }),
        DigitChange::Ended(ended) => report_digit(stream, Some(ended), out),
    }
}
