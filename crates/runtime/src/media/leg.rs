//! A stream with its sockets, and where its source comes from.

use super::live::LiveRegistry;
use super::reader::{Load, Loaded, Wanted};
use super::routes::Routes;
use super::sink::EventSink;
use super::stock::Pair;
use super::writer::{Tape, TapeRecorder, WriterRequest};
use hookswitch_machine::{Entropy, Time, WallClock};
use hookswitch_media::control::{Event, MixId, Source, StreamId};
use hookswitch_media::stream::{Feed, Outbox, Stream, StreamConfig};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// The rate that files are loaded at before a codec is known: that of most calls.
const USUAL_RATE: u32 = 8_000;

/// What a media thread asks others for.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) sink: EventSink,
    pub(super) live: LiveRegistry,
    pub(super) reader: Sender<Load>,
    pub(super) writer: Sender<WriterRequest>,
    pub(super) stream: StreamConfig,
    pub(super) wall: WallClock,
    pub(super) routes: Arc<Routes>,
}

/// Samples that a leg asked for; the number tells whether it still wants them.
pub(super) struct Arrived {
    pub(super) stream: StreamId,
    pub(super) number: u64,
    pub(super) loaded: Loaded,
}

/// Hands arrived samples to the leg's thread.
pub(super) type Deliver = Arc<dyn Fn(Arrived) + Send + Sync>;

/// One stream and what it runs on.
pub(super) struct Leg {
    pub(super) stream: Stream,
    /// `None` for a stream of mixes only.
    pub(super) pair: Option<Pair>,
    source: Source,
    /// The rate of the samples that play or were asked for.
    loaded_rate: Option<u32>,
    load_number: u64,
    /// Samples were asked for and have not arrived.
    waiting: bool,
    tape: Option<Arc<Tape>>,
}

/// A leg at its place.
pub(super) struct Slot {
    pub(super) leg: Leg,
    /// When its stream is to be asked again.
    pub(super) due: Time,
    pub(super) mix: Option<MixId>,
}

/// Gives a stream its sockets for the time of a call.
pub(super) struct Wire<'a> {
    pub(super) pair: Option<&'a Pair>,
    pub(super) sink: &'a EventSink,
}

impl Outbox for Wire<'_> {
    fn rtp(&mut self, to: SocketAddr, packet: &[u8]) {
        if let Some(pair) = self.pair {
            send(&pair.rtp, to, packet);
        }
    }

    fn rtcp(&mut self, to: SocketAddr, packet: &[u8]) {
        if let Some(pair) = self.pair {
            send(&pair.rtcp, to, packet);
        }
    }

    fn event(&mut self, event: Event) {
        (self.sink)(event);
    }
}

/// What cannot be sent at once is lost, as on the network.
fn send(socket: &UdpSocket, to: SocketAddr, packet: &[u8]) {
    if let Err(error) = socket.send_to(packet, to) {
        tracing::trace!(target: "hookswitch::media", %error, %to, "a packet was not sent");
    }
}

impl Leg {
    pub(super) fn new(id: StreamId, pair: Option<Pair>, entropy: Entropy, services: &Services) -> Self {
        let stream = match &pair {
            Some(_) => Stream::new(id, Feed::Silence, services.stream, services.wall, entropy),
            None => Stream::local(id, Feed::Silence, services.stream, services.wall, entropy),
        };
        let source = Source::Silence;
        Self { stream, pair, source, loaded_rate: None, load_number: 0, waiting: false, tape: None }
    }

    /// The stream, and what takes its packets and events.
    pub(super) fn split<'a>(&'a mut self, sink: &'a EventSink) -> (&'a mut Stream, Wire<'a>) {
        (&mut self.stream, Wire { pair: self.pair.as_ref(), sink })
    }

    /// The leg is on another media thread now, to which what it asked for has to be brought.
    pub(super) fn moved(&mut self, services: &Services, deliver: &Deliver) {
        if self.waiting {
            self.loaded_rate = None;
            self.load(services, deliver);
        }
    }

    /// Throws away what came to the port before its stream began.
    pub(super) fn drain(&self) {
        let mut nowhere = [0; 16];
        for socket in self.pair.iter().flat_map(|pair| [&pair.rtp, &pair.rtcp]) {
            // As much as a socket's queue can hold; a flood must not hold the thread.
            for _ in 0..1_024 {
                if matches!(socket.recv_from(&mut nowhere), Err(e) if e.kind() == io::ErrorKind::WouldBlock) {
                    break;
                }
            }
        }
    }

    /// Changes what is sent.
    pub(super) fn send(&mut self, now: Time, source: Source, services: &Services, deliver: &Deliver) {
        self.source = source;
        self.loaded_rate = None;
        self.waiting = false;
        self.load_number += 1;
        self.stream.pause(now, false);
        // Lets go of live audio first: the new source may be the same.
        self.stream.feed(now, Feed::Silence);
        let feed = match &self.source {
            Source::Silence => Feed::Silence,
            Source::Echo => Feed::Echo,
            Source::Tone { frequencies, level } => Feed::Tone { frequencies: *frequencies, level: *level },
            Source::Generated(tone) => Feed::Generated(tone.clone()),
            Source::File { .. } | Source::Music => Feed::Silence,
            Source::Live(id) => match services.live.attach(*id) {
                Some(live) => Feed::Live(live),
                None => {
                    let message = format!("live audio {} is not open, or in use by another stream", id.0);
                    (services.sink)(Event::FileFailed { stream: self.stream.id(), message });
                    Feed::Silence
                }
            },
        };
        self.stream.feed(now, feed);
        self.load(services, deliver);
    }

    /// Asks for the samples of the source, if it needs any at this rate.
    pub(super) fn load(&mut self, services: &Services, deliver: &Deliver) {
        let rate = self.stream.rate().unwrap_or(USUAL_RATE);
        let wanted = match &self.source {
            Source::File { path, .. } => Wanted::File(path.clone()),
            Source::Music => Wanted::Melody,
            Source::Silence | Source::Echo | Source::Tone { .. } | Source::Generated(_) | Source::Live(_) => {
                return;
            }
        };
        if self.loaded_rate == Some(rate) {
            return;
        }
        self.loaded_rate = Some(rate);
        self.waiting = true;
        self.load_number += 1;
        let (stream, number, deliver) = (self.stream.id(), self.load_number, deliver.clone());
        let done = Box::new(move |loaded| deliver(Arrived { stream, number, loaded }));
        // The reader ends only after the media threads.
        let _gone = services.reader.send(Load { wanted, rate, done });
    }

    /// Takes the samples that it asked for.
    pub(super) fn arrived(&mut self, now: Time, arrived: Arrived, services: &Services) {
        let (Some(rate), true) = (self.loaded_rate, arrived.number == self.load_number) else { return };
        self.waiting = false;
        let repeat = match &self.source {
            Source::File { repeat, .. } => *repeat,
            Source::Music => true,
            Source::Silence | Source::Echo | Source::Tone { .. } | Source::Generated(_) | Source::Live(_) => {
                return;
            }
        };
        match arrived.loaded {
            Ok(samples) => self.stream.feed(now, Feed::Samples { samples, rate, repeat }),
            Err(message) => (services.sink)(Event::FileFailed { stream: arrived.stream, message }),
        }
    }

    /// Begins a recording, or ends one.
    pub(super) fn record(&mut self, now: Time, path: Option<PathBuf>, services: &Services) {
        self.stream.record(now, None);
        self.end_tape(services, Box::new(|| ()));
        let Some(path) = path else { return };
        let tape = Tape::new();
        let (stream, sink) = (self.stream.id(), services.sink.clone());
        let failed = Box::new(move |message| sink(Event::FileFailed { stream, message }));
        let begin = WriterRequest::Begin { path, tape: tape.clone(), failed };
        if services.writer.send(begin).is_ok() {
            self.stream.record(now, Some(Box::new(TapeRecorder(tape.clone()))));
            self.tape = Some(tape);
        }
    }

    /// Completes the recording, if there is one, and calls `done` once it is on disk.
    fn end_tape(&mut self, services: &Services, done: Box<dyn FnOnce() + Send>) {
        match self.tape.take() {
            Some(tape) => {
                let _gone = services.writer.send(WriterRequest::End { tape, done });
            }
            None => done(),
        }
    }

    /// Ends the stream; [`Event::Stopped`] comes when its recording is complete. Its sockets are given back.
    pub(super) fn stop(mut self, now: Time, services: &Services) -> Option<Pair> {
        let (stream, mut wire) = self.split(&services.sink);
        let statistics = stream.stop(now, &mut wire);
        let (stream, sink) = (self.stream.id(), services.sink.clone());
        self.stream.record(now, None);
        self.end_tape(services, Box::new(move || sink(Event::Stopped { stream, statistics })));
        self.pair
    }
}
