//! The stream: what it has, and what signalling asks of it.

use super::config::StreamConfig;
use super::ears::Ears;
use super::feed::{Feed, Outbox, Playing, Recorder, Tuning, report_change, report_digit};
use super::mixed::Mixed;
use super::outgoing::Outgoing;
use super::playout::Playout;
use super::session::Session;
use crate::audio::MIX_RATE;
use crate::control::{Event, GeneratedTone, MixPart, Statistics, StreamId, StreamParameters, WatchedTone};
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
    pub(super) tuning: Tuning,
    pub(super) outgoing: Option<Box<Outgoing>>,
    pub(super) recorder: Option<Box<dyn Recorder>>,
    pub(super) ears: Option<Box<Ears>>,
    /// Its place in a mix.
    pub(super) mixed: Option<Box<Mixed>>,
    /// It has no packets, and never a session.
    pub(super) local: bool,
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
            tuning: Tuning::default(),
            outgoing: None,
            recorder: None,
            ears: None,
            mixed: None,
            local: false,
            session: None,
            discarded: 0,
        }
    }

    /// A stream without packets, which is heard and hears in a [`Mix`](super::Mix) only.
    pub fn local(id: StreamId, feed: Feed, config: StreamConfig, wall: WallClock, entropy: Entropy) -> Self {
        Self { local: true, ..Self::new(id, feed, config, wall, entropy) }
    }

    /// Its number.
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// The sampling rate that it sends and hears at, in Hz, once configured.
    pub fn rate(&self) -> Option<u32> {
        match &self.session {
            Some(session) => Some(session.parameters.codec.rate()),
            None => self.local.then_some(MIX_RATE),
        }
    }

    /// Takes the outcome of an offer and its answer.
    pub fn configure(&mut self, now: Time, parameters: &StreamParameters, out: &mut dyn Outbox) {
        if self.local {
            return;
        }
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
                let new = &session.parameters;
                let other_frames = (old.codec.rate(), old.packet_time) != (new.codec.rate(), new.packet_time);
                if let (Some(mixed), true) = (&mut self.mixed, other_frames) {
                    mixed.clear();
                }
            }
            None => {
                let session = Session::new(now, parameters, &self.config, self.wall, &mut self.entropy);
                self.session = Some(Box::new(session));
            }
        }
        match &mut self.outgoing {
            Some(_) if !parameters.direction.sends() => self.stop_generating(out),
            Some(outgoing) => outgoing.decide(parameters.codec.rate(), parameters.send_digits),
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

    /// Lets what is sent stand still, or go on: this feed, and those that follow until it is said again.
    pub fn pause(&mut self, now: Time, on: bool) {
        self.keep_beat(now);
        self.tuning.paused = on;
        if let Playing::Echo(map) = &mut self.playing {
            map.reset();
        }
    }

    /// Sends feeds so many decibels louder than they are.
    pub const fn amplify(&mut self, decibels: i8) {
        self.tuning.gain = decibels;
    }

    /// Begins a recording, or ends it with `None`; returns the one before.
    pub fn record(&mut self, now: Time, recorder: Option<Box<dyn Recorder>>) -> Option<Box<dyn Recorder>> {
        self.keep_beat(now);
        let before = std::mem::replace(&mut self.recorder, recorder);
        self.fit_playout();
        before
    }

    /// Sends digits instead of what is still being generated; with an empty string, stops that.
    pub fn send_digits(
        &mut self,
        now: Time,
        digits: &str,
        duration: Duration,
        gap: Duration,
        tag: u64,
        out: &mut dyn Outbox,
    ) {
        if digits.is_empty() {
            self.keep_beat(now);
            self.stop_generating(out);
            out.event(Event::DigitsSent { stream: self.id, tag, cancelled: false });
            return;
        }
        self.generate(now, Outgoing::digits(digits, duration, gap, tag), out);
    }

    /// Sends a tone instead of what is still being generated; zero is the tone's own duration.
    pub fn send_tone(
        &mut self,
        now: Time,
        tone: GeneratedTone,
        duration: Duration,
        tag: u64,
        out: &mut dyn Outbox,
    ) {
        self.generate(now, Outgoing::tone(tone, duration, tag), out);
    }

    fn generate(&mut self, now: Time, mut outgoing: Outgoing, out: &mut dyn Outbox) {
        self.keep_beat(now);
        self.stop_generating(out);
        match &self.session {
            Some(session) if !session.parameters.direction.sends() => {
                outgoing.report(self.id, true, out);
                return;
            }
            Some(session) => {
                outgoing.decide(session.parameters.codec.rate(), session.parameters.send_digits);
            }
            None if self.local => outgoing.decide(MIX_RATE, None),
            None => {}
        }
        if let Playing::Echo(map) = &mut self.playing {
            map.reset();
        }
        self.outgoing = Some(Box::new(outgoing));
    }

    /// Stops sending digits or a tone, if any are being sent.
    pub fn stop_generating(&mut self, out: &mut dyn Outbox) {
        if let Some(outgoing) = self.outgoing.take() {
            outgoing.report(self.id, true, out);
        }
    }

    /// Tells of these tones from now on; at most [`MAX_WATCHED_TONES`](crate::control::MAX_WATCHED_TONES).
    pub fn monitor_tones(&mut self, now: Time, tones: &[WatchedTone]) {
        self.listen_for(now, |ears| ears.watch(tones));
    }

    /// Tells of fax machines from now on, or no more.
    pub fn monitor_fax(&mut self, now: Time, on: bool) {
        self.listen_for(now, |ears| ears.watch_fax(on));
    }

    /// Listens for digits in the audio from now on, or no more. They count while the other side sends none as events.
    pub fn monitor_in_band_digits(&mut self, now: Time, on: bool, out: &mut dyn Outbox) {
        let ended = self.listen_for(now, |ears| ears.watch_digits(on));
        if let Some(change) = ended {
            report_change(self.id, change, out);
        }
    }

    fn listen_for<T>(&mut self, now: Time, change: impl FnOnce(&mut Ears) -> T) -> T {
        self.keep_beat(now);
        let mut ears = self.ears.take().unwrap_or_else(|| Box::new(Ears::new()));
        let changed = change(&mut ears);
        self.ears = Some(ears).filter(|ears| !ears.is_idle());
        self.fit_playout();
        changed
    }

    /// Takes part in a mix, plays another part there, or leaves it. The mix itself is the caller's: see [`Mix`](super::Mix).
    pub fn mix(&mut self, now: Time, part: Option<MixPart>) {
        match (&mut self.mixed, part) {
            (Some(mixed), Some(part)) => mixed.part = part,
            (None, Some(part)) => {
                if let Playing::Echo(map) = &mut self.playing {
                    map.reset();
                }
                self.mixed = Some(Box::new(Mixed::new(part)));
            }
            (Some(_), None) => {
                self.mixed = None;
                if let Some(session) = &mut self.session {
                    session.catch_up(now);
                }
            }
            (None, None) => {}
        }
        self.fit_playout();
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

    /// Whether there is something to do at every packet time. In a mix, that is the mix's to say.
    pub(super) fn has_beat(&self) -> bool {
        let (Some(session), None) = (&self.session, &self.mixed) else { return false };
        let direction = session.parameters.direction;
        let echoes = self.is_echo() && direction.receives() && self.outgoing.is_none();
        (direction.sends() && !echoes) || self.is_listened_to()
    }

    /// What arrives goes back.
    pub(super) const fn is_echo(&self) -> bool {
        self.playing.is_echo() && !self.tuning.paused
    }

    fn is_listened_to(&self) -> bool {
        self.recorder.is_some() || self.playing.is_live() || self.ears.is_some()
    }

    /// Before a change: a stream that had no beat begins one now, not where the last one stopped.
    fn keep_beat(&mut self, now: Time) {
        if self.has_beat() || self.mixed.is_some() {
            return;
        }
        if let Some(session) = &mut self.session {
            session.catch_up(now);
        }
    }

    /// What is heard is decoded only for somebody who listens.
    fn fit_playout(&mut self) {
        let listened = self.is_listened_to() || self.mixed.is_some();
        let Some(session) = &mut self.session else { return };
        let codec = session.parameters.codec;
        if !(listened && session.parameters.direction.receives()) {
            session.drop_playout();
        } else if session.playout.as_ref().is_none_or(|playout| playout.codec() != codec) {
            session.drop_playout();
            session.playout = Some(Box::new(Playout::new(codec, self.config.jitter)));
        }
    }

    /// Tells of a digit of the other side; who is bridged with it is told by [`Mix`](super::Mix).
    pub(super) fn digit_changed(&mut self, change: DigitChange, out: &mut dyn Outbox) {
        report_change(self.id, change, out);
        if let (DigitChange::Ended(ended), Some(mixed)) = (change, &mut self.mixed) {
            mixed.pressed(ended);
        }
    }

    /// Digits that are pressed have ended: the stream ends, or others come.
    pub(super) fn end_digits(&mut self, out: &mut dyn Outbox) {
        if let Some(session) = &mut self.session {
            let ended = session.digits.restart(session.parameters.codec.rate());
            report_digit(self.id, ended, out);
        }
        let in_band = self.ears.as_mut().and_then(|ears| ears.watch_digits(false));
        if let Some(change) = in_band {
            report_change(self.id, change, out);
        }
    }
}
