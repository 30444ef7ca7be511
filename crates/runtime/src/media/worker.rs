//! A media thread: its streams, their sockets, and one turn every few milliseconds.
//!
//! Packets are not waited for. A turn asks the system once which sockets have something, takes all of it, and moves every
//! stream whose time has come: a hundred calls cost two hundred wake-ups a second, not five thousand. Without streams the
//! thread sleeps until it is told something.

use super::batch::{BATCH, Batch};
use super::leg::{Arrived, Deliver, Leg, Services, Wire};
use super::stock::{Pair, Stock};
use crate::Clock;
use hookswitch_machine::{Entropy, Time};
use hookswitch_media::control::{Command, Event, StreamId};
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
    Start { stream: StreamId, pair: Pair, command: Command },
    Command(StreamId, Command),
    Arrived(Arrived),
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

struct Slot {
    leg: Leg,
    due: Time,
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
        let streams: Vec<StreamId> = self.index.keys().copied().collect();
        streams.into_iter().for_each(|stream| self.stop(stream));
    }

    /// True if told to stop.
    fn read_messages(&mut self, messages: &Receiver<Message>) -> bool {
        loop {
            match messages.try_recv() {
                Ok(Message::Start { stream, pair, command }) => self.start(stream, pair, command),
                Ok(Message::Command(stream, command)) => self.command(stream, command),
                Ok(Message::Arrived(arrived)) => {
                    let now = self.clock.now();
                    let leg =
                        self.index.get(&arrived.stream).and_then(|at| self.slots.get_mut(*at)?.as_mut());
                    if let Some(slot) = leg {
                        slot.leg.arrived(now, arrived, &self.services);
                        slot.due = Time::ZERO;
                    }
                }
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => return false,
            }
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

    fn start(&mut self, stream: StreamId, pair: Pair, command: Command) {
        let Command::Start { source, .. } = command else { return };
        let leg = Leg::new(stream, pair, self.entropy.fork(), &self.services);
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        // Registered first, drained then: what comes in between is news.
        for (socket, token) in [(&leg.pair.rtp, 2 * at), (&leg.pair.rtcp, 2 * at + 1)] {
            let fd = socket.as_raw_fd();
            if let Err(error) =
                self.poll.registry().register(&mut SourceFd(&fd), Token(token), Interest::READABLE)
            {
                tracing::error!(target: "hookswitch::media", %error, "a media socket cannot be watched");
            }
        }
        leg.drain();
        let mut slot = Slot { leg, due: Time::ZERO };
        slot.leg.send(self.clock.now(), source, &self.services, &self.deliver);
        self.slots[at] = Some(slot);
        if let Some(before) = self.index.insert(stream, at) {
            tracing::error!(target: "hookswitch::media", stream = stream.0, "a stream was started twice");
            self.end(before);
        }
    }

    fn command(&mut self, stream: StreamId, command: Command) {
        let now = self.clock.now();
        let slot = self.index.get(&stream).and_then(|at| self.slots.get_mut(*at)?.as_mut());
        let Some(Slot { leg, due }) = slot else {
            tracing::debug!(target: "hookswitch::media", stream = stream.0, "a command for no stream");
            return;
        };
        // Whatever changes, the stream is asked anew when its time comes.
        *due = Time::ZERO;
        let wire = &mut Wire { pair: &leg.pair, sink: &self.services.sink };
        match command {
            Command::Configure { parameters, .. } => {
                leg.stream.configure(now, &parameters, wire);
                leg.load(&self.services, &self.deliver);
            }
            Command::SendDigits { digits, duration, gap, tag, .. } => {
                leg.stream.send_digits(now, &digits, duration, gap, tag, wire);
            }
            Command::Report { .. } => {
                let statistics = leg.stream.statistics();
                (self.services.sink)(Event::Statistics { stream, statistics });
            }
            Command::Send { source, .. } => leg.send(now, source, &self.services, &self.deliver),
            Command::Record { path, .. } => leg.record(now, path, &self.services),
            Command::Stop { .. } => self.stop(stream),
            Command::SendTone { .. }
            | Command::StopGenerating { .. }
            | Command::MonitorTones { .. }
            | Command::MonitorFax { .. }
            | Command::MonitorInBandDigits { .. }
            | Command::Mix { .. } => {}
            Command::Start { .. } | Command::StartLocal { .. } | Command::Return { .. } => {}
        }
    }

    fn stop(&mut self, stream: StreamId) {
        if let Some(at) = self.index.remove(&stream) {
            self.end(at);
        }
    }

    fn end(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at).and_then(Option::take) else { return };
        for socket in [&slot.leg.pair.rtp, &slot.leg.pair.rtcp] {
            let fd = socket.as_raw_fd();
            // Closing takes it off the list too; this only does it now.
            let _closed_later = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
        let pair = slot.leg.stop(self.clock.now(), &self.services);
        self.stock.put_to_rest(pair);
        self.free.push(at);
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
            let leg = &mut slot.leg;
            leg.stream.tick(now, &mut Wire { pair: &leg.pair, sink: &self.services.sink });
            slot.due = leg.stream.timeout().unwrap_or(Time::FAR);
        }
    }
}

/// Takes what one socket has.
fn take(slot: &mut Slot, now: Time, is_rtcp: bool, batch: &mut Batch, services: &Services) {
    let leg = &mut slot.leg;
    let socket = if is_rtcp { &leg.pair.rtcp } else { &leg.pair.rtp };
    for _ in 0..FLOOD {
        let count = match batch.receive(socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for (from, bytes) in (0..count).filter_map(|i| batch.get(i)) {
            if is_rtcp {
                leg.stream.receive_rtcp(now, from, bytes);
            } else {
                leg.stream.receive(now, from, bytes, &mut Wire { pair: &leg.pair, sink: &services.sink });
            }
        }
        if count < BATCH {
            return;
        }
    }
}
