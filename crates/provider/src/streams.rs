//! The audio of calls: ports from the stock, commands to the media threads, and their reports.

use crate::call::{Call, Stream, Wait, source};
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, Event, Port, Statistics, StreamId, StreamParameters};
use hookswitch_spi::{
    CallId, CallState, CallStatistics, ConnectedMode, Disconnect, DisconnectMode, EndedBy, Outcome,
    ProviderEvent,
};

impl Core {
    /// Takes a port for a call if it has none.
    pub(crate) fn port(&mut self, id: CallId) -> Option<Port> {
        let call = self.calls.get_mut(id)?;
        if call.port.is_none() {
            call.port = self.stock.pop_front();
        }
        call.port
    }

    /// Starts a call's stream on its port.
    pub(crate) fn start_stream(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (Some(port), Stream::Unstarted) = (call.port, call.stream) else { return };
        call.stream = Stream::Running;
        let command =
            Command::Start { stream: Call::stream_id(id), port: port.id, source: source(&call.source) };
        self.media(command);
        self.listen(id);
    }

    /// Gives the stream what offer and answer settled.
    pub(crate) fn configure(&mut self, id: CallId, parameters: StreamParameters) {
        let running = self.calls.get(id).is_some_and(|call| call.stream == Stream::Running);
        if running {
            self.media(Command::Configure { stream: Call::stream_id(id), parameters });
            self.stream_changed(id);
        }
    }

    /// Ends the stream, or gives back a port that was never used.
    pub(crate) fn stop_stream(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let port = call.port.take();
        match (call.stream, port) {
            (Stream::Running, _) => {
                call.stream = Stream::Stopping;
                self.media(Command::Stop { stream: Call::stream_id(id) });
            }
            (Stream::Unstarted, Some(port)) => self.media(Command::Return { port: port.id }),
            (Stream::Unstarted | Stream::Stopping | Stream::Stopped, _) => {}
        }
    }

    /// A report of the media threads.
    pub(crate) fn media_event(&mut self, now: Time, event: Event) {
        let id = |stream: StreamId| CallId(stream.0);
        match event {
            Event::Stocked { ports } => self.stock.extend(ports),
            Event::Receiving { stream } => {
                if let Some(call) = self.calls.get_mut(id(stream)) {
                    call.heard = true;
                    self.note_media(now, id(stream), "audio arrives");
                }
            }
            Event::Silent { stream, .. } => {
                if self.calls.get(id(stream)).is_some() {
                    self.note_media(now, id(stream), "no audio arrives any more");
                    self.silent(now, id(stream));
                }
            }
            Event::Digit { stream, digit, duration } => {
                let call = id(stream);
                if self.calls.get(call).is_some_and(|call| call.leg.is_some()) {
                    self.digit_heard(call, digit, duration);
                }
            }
            Event::DigitBegun { stream, digit } => {
                let call = id(stream);
                if self.calls.get(call).is_some_and(|call| call.leg.is_some()) {
                    self.digit_begun(call, digit);
                }
            }
            Event::DigitsSent { stream, tag, cancelled } | Event::ToneSent { stream, tag, cancelled } => {
                self.sent(id(stream), tag, cancelled);
            }
            Event::ToneHeard { stream, tag } => self.tone_heard(id(stream), tag),
            Event::FaxHeard { stream, .. } => self.fax_heard(id(stream)),
            // Capabilities allow fewer members than a mix takes.
            Event::MixFull { stream, .. } => self.note_media(now, id(stream), "no room in the mix"),
            Event::Played { stream } => {
                if self.calls.get(id(stream)).is_some() {
                    self.tell(id(stream), ProviderEvent::Played { call: id(stream) });
                }
            }
            Event::FileFailed { stream, message } => {
                if self.calls.get(id(stream)).is_some() {
                    self.tell(id(stream), ProviderEvent::MediaFailed { call: id(stream), message });
                }
            }
            Event::Statistics { stream, statistics } => self.figures(id(stream), statistics),
            Event::Stopped { stream, statistics } => {
                // A call that has camped on may run again already.
                if let Some(call) = self.calls.get_mut(id(stream)).filter(|c| c.stream == Stream::Stopping) {
                    call.stream = Stream::Stopped;
                }
                self.figures(id(stream), statistics);
            }
        }
    }

    /// A peer that was heard is heard no more, neither audio nor reports: it is gone (spec 2.4). One that never sent anything, or
    /// that is held, is left alone.
    fn silent(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let ends = self.lines.get(call.line.0 as usize).and_then(Option::as_ref);
        let ends = ends.is_some_and(|line| line.account.profile.end_silent_calls);
        let up = match call.state {
            CallState::Connected(mode) => mode == ConnectedMode::Active,
            CallState::Conferenced(_) => !call.media.held_by_them(),
            _ => call.bridge().is_some(),
        };
        let talking = up && call.heard;
        let (Some(leg), true) = (call.leg, talking && ends) else { return };
        let end = Disconnect::new(
            DisconnectMode::TemporaryFailure,
            EndedBy::Network,
            "neither audio nor reports arrive any more",
        );
        // A BYE goes out all the same, in case it is only the audio's way that is broken.
        self.ua.abandon(now, &mut self.layer, leg);
        self.over(now, id, leg, end);
        self.settle(now);
    }

    fn figures(&mut self, id: CallId, statistics: Statistics) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.statistics = statistics;
        let figures = figures_of(call);
        while self.complete_waiting(id, |wait| wait == Wait::Figures, Ok(Outcome::Statistics(figures))) {}
    }
}

/// A call's figures as applications see them.
pub(crate) fn figures_of(call: &Call) -> CallStatistics {
    let from = &call.statistics;
    CallStatistics {
        packets_sent: from.packets_sent,
        packets_received: from.packets_received,
        packets_lost: from.packets_lost,
        packets_late: from.packets_late,
        jitter: from.jitter,
        round_trip: from.round_trip,
        mos: from.mos,
        codec: call.media.parameters().map_or("", |parameters| parameters.codec.name()),
    }
}
