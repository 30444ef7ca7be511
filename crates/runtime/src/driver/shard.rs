//! The thread of one shard: a loop of turns around one machine.
//!
//! A turn takes the mailbox, a bounded number of datagrams per socket and the timer, then sends. Only when a turn found
//! nothing more to do does the thread sleep, until a socket, the mailbox or the machine's next timeout wakes it.

use super::pace::Pace;
use super::sink::Sink;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::dns;
use crate::mailbox::{Inboxes, Letter, Mailbox};
use crate::transport::Steer;
use crate::transport::command::{Command, Commands};
use crate::transport::udp::UdpEndpoint;
use bytes::Bytes;
use hookswitch_machine::{
    CloseReason, Endpoint, Flow, Input, Machine, Output, QueryId, Question, ResolveError, Time, Transport,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;

/// The token of the mailbox; sockets have their endpoint's number.
pub(super) const MAILBOX: mio::Token = mio::Token(usize::MAX);

/// How long to wait when there is something to do that the system or the machine does not let us do now.
const RETRY: Duration = Duration::from_millis(1);

/// What a shard shares with the rest of the driver.
pub(super) struct Surroundings {
    pub(super) number: usize,
    pub(super) clock: Clock,
    pub(super) endpoints: Arc<[Endpoint]>,
    pub(super) inboxes: Inboxes,
    /// `None` with a single shard: then nothing has to be looked at.
    pub(super) steer: Option<Steer>,
    pub(super) commands: Commands,
    pub(super) counters: Arc<Counters>,
    pub(super) datagrams_per_turn: usize,
    pub(super) gather: Duration,
}

/// One machine with its sockets and its mailbox.
pub(super) struct Shard<M: Machine, S> {
    pub(super) machine: M,
    pub(super) sink: S,
    pub(super) mailbox: Arc<Mailbox<M::Request, M::MediaEvent>>,
    pub(super) poll: mio::Poll,
    /// By endpoint number; `None` for streams.
    pub(super) sockets: Vec<Option<UdpEndpoint>>,
    pub(super) around: Surroundings,
    /// Answers and failures that arose on this thread and are the next inputs.
    pub(super) own: Vec<Own>,
}

/// An input that the shard's own thread produced.
pub(super) enum Own {
    Closed(Flow, CloseReason),
    Resolved(QueryId, Result<Vec<hookswitch_machine::Target>, ResolveError>),
}

impl<M: Machine, S: Sink<M>> Shard<M, S> {
    /// Runs until the mailbox says stop.
    pub(super) fn run(mut self) {
        let mut events = mio::Events::with_capacity(64);
        let mut letters = Vec::new();
        let mut pace = Pace::default();
        // Whether the machine named a timeout that stays in the past: then it is asked again after a pause.
        let mut stuck = false;
        while !self.mailbox.is_stopping() {
            self.sleep(pace.is_busy(), stuck, &mut events);
            let now = self.around.clock.now();
            let found = self.turn(now, &mut letters);
            pace.found(now, found);
            stuck = self.timers(now);
            self.finish_turn();
        }
        self.end(&mut letters);
    }

    /// Waits for something to do.
    fn sleep(&mut self, busy: bool, stuck: bool, events: &mut mio::Events) {
        let readable = self.sockets.iter().flatten().any(UdpEndpoint::is_readable);
        let mut wait = if readable || !self.own.is_empty() {
            Some(Duration::ZERO)
        } else {
            if busy && !self.around.gather.is_zero() {
                // Signals and the timers' resolution permitting; nothing depends on its length.
                std::thread::sleep(self.around.gather);
            }
            self.wait(stuck)
        };
        if wait != Some(Duration::ZERO) && !self.mailbox.may_sleep() {
            wait = Some(Duration::ZERO);
        }
        match self.poll.poll(events, wait) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::error!(target: "hookswitch::driver", shard = self.around.number, %error, "waiting for sockets failed");
            }
        }
        self.mailbox.woke();
        for event in events.iter() {
            if let Some(Some(socket)) = self.sockets.get_mut(event.token().0) {
                socket.ready(event);
            }
        }
    }

    /// How long nothing will be due.
    fn wait(&self, stuck: bool) -> Option<Duration> {
        let timer = self.machine.timeout().map(|at| {
            let left = at.since(self.around.clock.now());
            if stuck { left.max(RETRY) } else { left }
        });
        if self.sockets.iter().flatten().any(UdpEndpoint::has_backlog) {
            return Some(timer.map_or(RETRY, |left| left.min(RETRY)));
        }
        timer
    }

    /// Hands in what is there; how many inputs that were.
    fn turn(&mut self, now: Time, letters: &mut Vec<Letter<M::Request, M::MediaEvent>>) -> usize {
        self.around.counters.turns.add(1);
        let mut found = self.own.len();
        for own in std::mem::take(&mut self.own) {
            self.machine.handle(now, own.into_input());
        }
        self.mailbox.take(letters);
        found += letters.len();
        if found > 0 {
            self.letters(now, letters);
        }
        for number in 0..self.sockets.len() {
            found += self.datagrams(now, number);
        }
        found
    }

    /// Hands in what others sent.
    fn letters(&mut self, now: Time, letters: &mut Vec<Letter<M::Request, M::MediaEvent>>) {
        let mut marks = Vec::new();
        for letter in letters.drain(..) {
            match letter {
                Letter::Input(input) => self.machine.handle(now, input),
                Letter::Stream(flow, bytes, permit) => {
                    drop(permit);
                    self.machine.handle(now, Input::Received { flow, bytes });
                }
                Letter::Mark(mark) => marks.push(mark),
            }
        }
        self.outputs(now);
        drop(marks);
    }

    /// Receives from one socket, up to the limit of a turn.
    fn datagrams(&mut self, now: Time, number: usize) -> usize {
        let mut found = 0;
        while found < self.around.datagrams_per_turn {
            let Some(Some(socket)) = self.sockets.get_mut(number) else { break };
            if !socket.is_readable() {
                break;
            }
            let (machine, around) = (&mut self.machine, &self.around);
            socket.rejections(|flow, reason| {
                found += 1;
                machine.handle(now, Input::FlowClosed { flow, reason });
            });
            found += socket.receive(|flow, bytes| match &around.steer {
                None => machine.handle(now, Input::Received { flow, bytes }),
                Some(steer) => {
                    if let Some(bytes) = steer_away(around, steer, flow, bytes) {
                        machine.handle(now, Input::Received { flow, bytes });
                    }
                }
            });
            self.outputs(now);
        }
        found
    }

    /// Fires the timer if it is due. True if the machine then still wants a time that is past.
    fn timers(&mut self, now: Time) -> bool {
        let due = |machine: &M| machine.timeout().is_some_and(|at| at <= now);
        if !due(&self.machine) {
            return false;
        }
        self.machine.handle(now, Input::Timeout);
        self.outputs(now);
        due(&self.machine)
    }

    /// Sends what was queued.
    fn finish_turn(&mut self) {
        let own = &mut self.own;
        for socket in self.sockets.iter_mut().flatten() {
            if socket.has_backlog() {
                socket.flush(|flow, reason| own.push(Own::Closed(flow, reason)));
            }
        }
        self.sink.turn_ended();
    }

    /// Carries out everything the machine hands out.
    fn outputs(&mut self, now: Time) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
                Output::Resolve { query, question, deadline } => self.resolve(now, query, question, deadline),
                Output::Media(command) => self.sink.media(command),
                Output::Event(event) => self.sink.event(event),
            }
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        let number = usize::from(flow.endpoint.0);
        if let Some(Some(socket)) = self.sockets.get_mut(number) {
            socket.send(flow.peer, bytes);
            return;
        }
        let is_stream =
            self.around.endpoints.get(number).is_some_and(|endpoint| endpoint.transport == Transport::Tcp);
        if !is_stream {
            self.own.push(Own::Closed(flow, CloseReason::Failed));
            return;
        }
        match self.around.commands.try_send(Command::Send { shard: self.around.number, flow, bytes }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.own.push(Own::Closed(flow, CloseReason::Overflow)),
            Err(TrySendError::Closed(_)) => self.own.push(Own::Closed(flow, CloseReason::Shutdown)),
        }
    }

    fn resolve(&mut self, now: Time, query: QueryId, question: Question, deadline: Time) {
        if let Some(target) = dns::numeric(&question) {
            self.own.push(Own::Resolved(query, Ok(vec![target])));
            return;
        }
        if deadline <= now {
            self.own.push(Own::Resolved(query, Err(ResolveError::TimedOut)));
            return;
        }
        self.around.counters.questions.add(1);
        let deadline = self.around.clock.instant(deadline);
        let command = Command::Resolve { shard: self.around.number, query, question, deadline };
        if self.around.commands.try_send(command).is_err() {
            let error = ResolveError::Failed("the resolver is overloaded or has stopped".to_owned());
            self.own.push(Own::Resolved(query, Err(error)));
        }
    }

    /// Handles what was accepted before the mailbox closed, and sends once more.
    fn end(&mut self, letters: &mut Vec<Letter<M::Request, M::MediaEvent>>) {
        let now = self.around.clock.now();
        self.turn(now, letters);
        self.letters(now, &mut self.mailbox.close());
        // What the last outputs brought about at once; nothing comes from outside any more.
        for own in std::mem::take(&mut self.own) {
            self.machine.handle(now, own.into_input());
        }
        self.outputs(now);
        self.finish_turn();
        tracing::info!(target: "hookswitch::driver", shard = self.around.number, "shard ended");
    }
}

/// Passes a datagram to the shard it belongs to; returns it if that is this one.
fn steer_away(around: &Surroundings, steer: &Steer, flow: Flow, bytes: Bytes) -> Option<Bytes> {
    let to = steer(&bytes, flow);
    match around.inboxes.get(to) {
        Some(inbox) if to != around.number => {
            around.counters.steered.add(1);
            // Copied, so that a slab never waits for another thread.
            if !inbox.datagram(flow, Bytes::copy_from_slice(&bytes)) {
                around.counters.steer_dropped.add(1);
            }
            None
        }
        _ => Some(bytes),
    }
}

impl Own {
    fn into_input<R, E>(self) -> Input<R, E> {
        match self {
            Self::Closed(flow, reason) => Input::FlowClosed { flow, reason },
            Self::Resolved(query, answer) => Input::Resolved { query, answer },
        }
    }
}
