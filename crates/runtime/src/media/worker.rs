//! A media thread: its streams, their sockets, and one turn every few milliseconds.
//!
//! Packets are not waited for. A turn asks the system once which sockets have something, takes all of it, and moves every
//! stream and every mix whose time has come: a hundred calls cost two hundred wake-ups a second, not five thousand. Without
//! streams the thread sleeps until it is told something.
//!
//! The members of a mix are on one thread. A stream that joins a mix of another thread moves there: that thread is told to
//! expect it, and keeps what it is told of the stream until the stream has come.

use super::batch::{BATCH, Batch};
use super::leg::{Arrived, Deliver, Leg, Services, Slot, Wire};
use super::mixes::Mixes;
use super::stock::{Pair, Stock};
use crate::Clock;
use hookswitch_machine::{Entropy, Time};
use hookswitch_media::control::{Command, Event, MixId, MixPart, Source, StreamId};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::thread::Thread;
use std::time::Duration;

/// Sockets that one question to the system can name.
const READY: usize = 1_024;
/// Batches that one socket may have taken in one turn: a flood on one port must not starve the others.
const FLOOD: usize = 16;

/// What a media thread is told.
pub(super) enum Message {
    /// A stream begins; without a pair of sockets, in mixes only.
    Start {
        stream: StreamId,
        pair: Option<Pair>,
        source: Source,
    },
    Command(StreamId, Command),
    Arrived(Arrived),
    /// A stream comes from another thread, soon.
    Expect(StreamId),
    /// A stream goes to another thread, which expects it.
    Move {
        stream: StreamId,
        to: WorkerHandle,
    },
    /// A stream that was expected; `None` if there is no such stream.
    Moved {
        stream: StreamId,
        leg: Option<Box<Leg>>,
    },
    Stop,
}

/// The way to a media thread.
#[derive(Clone)]
pub(super) struct WorkerHandle {
    pub(super) messages: Sender<Message>,
    pub(super) asleep: Arc<AtomicBool>,
    pub(super) thread: Thread,
}

impl WorkerHandle {
    /// Tells the thread something. A thread that turns finds it at its next turn; only a sleeping one is woken.
    pub(super) fn tell(&self, message: Message) {
        if self.messages.send(message).is_ok() && self.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

/// The thread's own.
pub(super) struct Worker {
    pub(super) clock: Clock,
    pub(super) turn: Duration,
    pub(super) entropy: Entropy,
    pub(super) services: Services,
    pub(super) stock: Arc<Stock>,
    pub(super) asleep: Arc<AtomicBool>,
    pub(super) deliver: Deliver,
    pub(super) poll: Poll,
    batch: Batch,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    index: HashMap<StreamId, usize>,
    mixes: Mixes,
    /// What is to be told to streams that are on their way here.
    expected: HashMap<StreamId, Vec<Message>>,
}

impl Worker {
    pub(super) fn new(
        clock: Clock,
        turn: Duration,
        entropy: Entropy,
        services: Services,
        stock: Arc<Stock>,
        asleep: Arc<AtomicBool>,
        deliver: Deliver,
    ) -> io::Result<Self> {
        Ok(Self {
            clock,
            turn: turn.clamp(Duration::from_millis(1), Duration::from_millis(20)),
            entropy,
            services,
            stock,
            asleep,
            deliver,
            poll: Poll::new()?,
            batch: Batch::new(),
            slots: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            mixes: Mixes::default(),
            expected: HashMap::new(),
        })
    }

    /// Runs until told to stop, then ends every stream.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut ready = Events::with_capacity(READY);
        let mut next_turn = self.clock.now();
        loop {
            if self.read_messages(messages) {
                break;
            }
            if self.index.is_empty() {
                if self.sleep(messages) {
                    break;
                }
                next_turn = self.clock.now();
                continue;
            }
            self.take_packets(&mut ready);
            self.move_streams();
            next_turn = (next_turn + self.turn).max(self.clock.now());
            let wait = next_turn.since(self.clock.now());
            if !wait.is_zero() {
                std::thread::park_timeout(wait);
            }
        }
        // Who came at the last moment ends here too.
        for message in messages.try_iter() {
            if let Message::Moved { stream, leg: Some(leg) } = message {
                self.settle(stream, *leg);
            }
        }
        let streams: Vec<StreamId> = self.index.keys().copied().collect();
        streams.into_iter().for_each(|stream| self.stop(stream));
    }

    /// True if told to stop.
    fn read_messages(&mut self, messages: &Receiver<Message>) -> bool {
        loop {
            match messages.try_recv() {
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return true,
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Start { stream, pair, source } => self.start(stream, pair, source),
            Message::Command(stream, _) | Message::Move { stream, .. } | Message::Expect(stream)
                if self.expected.contains_key(&stream) =>
            {
                if let Some(later) = self.expected.get_mut(&stream) {
                    later.push(message);
                }
            }
            Message::Command(stream, command) => self.command(stream, command),
            Message::Arrived(arrived) => {
                let now = self.clock.now();
                let leg = self.index.get(&arrived.stream).and_then(|at| self.slots.get_mut(*at)?.as_mut());
                if let Some(slot) = leg {
                    slot.leg.arrived(now, arrived, &self.services);
                    slot.due = Time::ZERO;
                }
            }
            Message::Expect(stream) => {
                self.expected.insert(stream, Vec::new());
            }
            Message::Move { stream, to } => {
                let leg = self.index.remove(&stream).and_then(|at| self.clear(at)).map(Box::new);
                to.tell(Message::Moved { stream, leg });
            }
            Message::Moved { stream, leg } => {
                let later = self.expected.remove(&stream).unwrap_or_default();
                match leg {
                    Some(leg) => self.settle(stream, *leg),
                    None => self.services.routes.forget(stream),
                }
                later.into_iter().for_each(|message| self.take(message));
            }
            // Read before it comes here.
            Message::Stop => {}
        }
    }

    /// Sleeps until told something. True if told to stop.
    fn sleep(&mut self, messages: &Receiver<Message>) -> bool {
        // Announced before looking: whoever sends after the look sees the announcement and wakes us.
        self.asleep.store(true, Ordering::SeqCst);
        let stopped = self.read_messages(messages);
        if !stopped && self.index.is_empty() {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
        stopped
    }

    fn start(&mut self, stream: StreamId, pair: Option<Pair>, source: Source) {
        let leg = Leg::new(stream, pair, self.entropy.fork(), &self.services);
        let at = self.place(leg);
        if let Some(Some(Slot { leg, .. })) = self.slots.get_mut(at) {
            // Registered first, drained then: what comes in between is news.
            leg.drain();
            leg.send(self.clock.now(), source, &self.services, &self.deliver);
        }
        if let Some(before) = self.index.insert(stream, at) {
            tracing::error!(target: "hookswitch::media", stream = stream.0, "a stream was started twice");
            self.end(before);
        }
    }

    /// Takes a leg that was on another thread.
    fn settle(&mut self, stream: StreamId, mut leg: Leg) {
        leg.moved(&self.services, &self.deliver);
        let at = self.place(leg);
        self.index.insert(stream, at);
    }

    /// Gives a leg a place, and watches its sockets.
    fn place(&mut self, leg: Leg) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(pair) = &leg.pair {
            for (socket, token) in [(&pair.rtp, 2 * at), (&pair.rtcp, 2 * at + 1)] {
                let fd = socket.as_raw_fd();
                let registry = self.poll.registry();
                if let Err(error) = registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE) {
                    tracing::error!(target: "hookswitch::media", %error, "a media socket cannot be watched");
                }
            }
        }
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(Slot { leg, due: Time::ZERO, mix: None });
        }
        at
    }

    /// Takes a leg from its place, and out of its mix.
    fn clear(&mut self, at: usize) -> Option<Leg> {
        let mut slot = self.slots.get_mut(at).and_then(Option::take)?;
        if let Some(mix) = slot.mix {
            self.mixes.leave(mix, at);
            slot.leg.stream.mix(self.clock.now(), None);
        }
        for socket in slot.leg.pair.iter().flat_map(|pair| [&pair.rtp, &pair.rtcp]) {
            let fd = socket.as_raw_fd();
            // Closing takes it off the list too; this only does it now.
            let _closed_later = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
        self.free.push(at);
        Some(slot.leg)
    }

    fn command(&mut self, stream: StreamId, command: Command) {
        let now = self.clock.now();
        let slot = self.index.get(&stream).and_then(|at| self.slots.get_mut(*at)?.as_mut());
        let Some(Slot { leg, due, .. }) = slot else {
            tracing::debug!(target: "hookswitch::media", stream = stream.0, "a command for no stream");
            return;
        };
        // Whatever changes, the stream is asked anew when its time comes.
        *due = Time::ZERO;
        let (leg_stream, mut wire) = leg.split(&self.services.sink);
        match command {
            Command::Configure { parameters, .. } => {
                leg_stream.configure(now, &parameters, &mut wire);
                leg.load(&self.services, &self.deliver);
            }
            Command::SendDigits { digits, duration, gap, tag, .. } => {
                leg_stream.send_digits(now, &digits, duration, gap, tag, &mut wire);
            }
            Command::SendTone { tone, duration, tag, .. } => {
                leg_stream.send_tone(now, tone, duration, tag, &mut wire);
            }
            Command::StopGenerating { .. } => leg_stream.stop_generating(&mut wire),
            Command::MonitorTones { tones, .. } => leg_stream.monitor_tones(now, &tones),
            Command::MonitorFax { on, .. } => leg_stream.monitor_fax(now, on),
            Command::MonitorInBandDigits { on, .. } => {
                leg_stream.monitor_in_band_digits(now, on, &mut wire);
            }
            Command::Mix { mix, part, .. } => self.mix(now, stream, mix, part),
            Command::Report { .. } => {
                let statistics = leg.stream.statistics();
                (self.services.sink)(Event::Statistics { stream, statistics });
            }
            Command::Pause { on, .. } => leg_stream.pause(now, on),
            Command::Gain { decibels, .. } => leg_stream.amplify(decibels),
            Command::Send { source, .. } => leg.send(now, source, &self.services, &self.deliver),
            Command::Record { path, .. } => leg.record(now, path, &self.services),
            Command::Stop { .. } => self.stop(stream),
            Command::Start { .. } | Command::StartLocal { .. } | Command::Return { .. } => {}
        }
    }

    fn stop(&mut self, stream: StreamId) {
        if let Some(at) = self.index.remove(&stream) {
            self.end(at);
        }
    }

    fn end(&mut self, at: usize) {
        let Some(leg) = self.clear(at) else { return };
        if let Some(pair) = leg.stop(self.clock.now(), &self.services) {
            self.stock.put_to_rest(pair);
        }
    }

    /// Puts a stream into a mix, or takes it out of the one it is in.
    fn mix(&mut self, now: Time, stream: StreamId, mix: Option<MixId>, part: MixPart) {
        let Some(at) = self.index.get(&stream).copied() else { return };
        let Some(Some(slot)) = self.slots.get_mut(at) else { return };
        if slot.mix != mix {
            if let Some(before) = slot.mix.take() {
                self.mixes.leave(before, at);
            }
            slot.leg.stream.mix(now, None);
        }
        let Some(mix) = mix else { return };
        match self.mixes.join(now, mix, at) {
            Ok(()) => {
                slot.mix = Some(mix);
                slot.leg.stream.mix(now, Some(part));
            }
            Err(full) => {
                tracing::warn!(target: "hookswitch::media", stream = stream.0, mix = mix.0, %full, "not mixed");
                (self.services.sink)(Event::MixFull { stream, mix });
            }
        }
    }

    /// Takes everything that has arrived.
    fn take_packets(&mut self, ready: &mut Events) {
        loop {
            match self.poll.poll(ready, Some(Duration::ZERO)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(target: "hookswitch::media", %error, "media sockets cannot be asked");
                    return;
                }
            }
            let now = self.clock.now();
            let mut count = 0;
            for event in ready.iter() {
                count += 1;
                let Token(token) = event.token();
                if let Some(Some(slot)) = self.slots.get_mut(token / 2) {
                    take(slot, now, token % 2 == 1, &mut self.batch, &self.services);
                    // A digit that began has a timeout of its own.
                    slot.due = slot.due.min(slot.leg.stream.timeout().unwrap_or(Time::FAR));
                }
            }
            if count < READY {
                return;
            }
        }
    }

    /// Moves every stream whose time has come.
    fn move_streams(&mut self) {
        let now = self.clock.now();
        for slot in self.slots.iter_mut().flatten().filter(|slot| slot.due <= now) {
            let (stream, mut wire) = slot.leg.split(&self.services.sink);
            stream.tick(now, &mut wire);
            slot.due = stream.timeout().unwrap_or(Time::FAR);
        }
        self.mixes.turn(now, &mut self.slots, &self.services.sink);
    }
}

/// Takes what one socket has.
fn take(slot: &mut Slot, now: Time, is_rtcp: bool, batch: &mut Batch, services: &Services) {
    let Leg { stream, pair: Some(pair), .. } = &mut slot.leg else { return };
    let socket = if is_rtcp { &pair.rtcp } else { &pair.rtp };
    let mut wire = Wire { pair: Some(pair), sink: &services.sink };
    for _ in 0..FLOOD {
        let count = match batch.receive(socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for (from, bytes) in (0..count).filter_map(|i| batch.get(i)) {
            if is_rtcp {
                stream.receive_rtcp(now, from, bytes);
            } else {
                stream.receive(now, from, bytes, &mut wire);
            }
        }
        if count < BATCH {
            return;
        }
    }
}
