//! What client and server transactions use together: one queue of timers, one queue of outputs, and the words for both.

use super::slots::SlotId;
use super::timers::Timers;
use super::{client_invite, client_non_invite, server_invite, server_non_invite};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time, TimerKey, TimerQueue};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// Names a request that we received. Never names another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub(crate) SlotId);

/// Names a request that we sent. Never names another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(crate) SlotId);

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server-{:x}", self.0.number())
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client-{:x}", self.0.number())
    }
}

/// Something for the layer's user to do or to know, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one message.
    Transmit {
        /// The path.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// Timer B or F fired, or a cancelled INVITE got no final response (RFC 3261 9.1): as if a 408 had come (RFC 3261
    /// 8.1.3.1). Followed by [`ClientGone`](Self::ClientGone).
    TimedOut(ClientId),
    /// The request could not be sent: as if a 503 had come (RFC 3261 8.1.3.1). Followed by [`ClientGone`](Self::ClientGone).
    TransportFailed(ClientId),
    /// A response could not be sent, by the flow or by the address in Via. The transaction goes on (RFC 6026 8.8).
    ResponseFailed(ServerId),
    /// A 300-699 to an INVITE was acknowledged.
    Acked(ServerId),
    /// Timer H fired: a 300-699 to an INVITE was not acknowledged. Followed by [`ServerGone`](Self::ServerGone).
    NoAck(ServerId),
    /// The transaction is no more; its id will never be heard of again.
    ClientGone(ClientId),
    /// The transaction is no more; its id will never be heard of again.
    ServerGone(ServerId),
}

/// What a timer of the queue is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alarm {
    InviteClient(ClientId, client_invite::Timer),
    RequestClient(ClientId, client_non_invite::Timer),
    InviteServer(ServerId, server_invite::Timer),
    RequestServer(ServerId, server_non_invite::Timer),
}

/// The two timers that a transaction can have at a time. Setting one takes back the one set before in its place.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    again: Option<TimerKey>,
    end: Option<TimerKey>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// A, E, G and the 100 Trying.
    Again,
    /// All others.
    End,
}

impl Clocks {
    fn place(&mut self, clock: Clock) -> &mut Option<TimerKey> {
        match clock {
            Clock::Again => &mut self.again,
            Clock::End => &mut self.end,
        }
    }
}

/// The queues.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) timers: Timers,
    queue: TimerQueue<Alarm>,
    outputs: VecDeque<Output>,
}

impl Shared {
    pub(crate) fn new(timers: Timers) -> Self {
        Self { timers, queue: TimerQueue::new(), outputs: VecDeque::new() }
    }

    pub(crate) fn start(
        &mut self,
        clocks: &mut Clocks,
        clock: Clock,
        now: Time,
        after: Duration,
        alarm: Alarm,
    ) {
        self.stop(clocks, clock);
        *clocks.place(clock) = Some(self.queue.set_after(now, after, alarm));
    }

    pub(crate) fn stop(&mut self, clocks: &mut Clocks, clock: Clock) {
        if let Some(key) = clocks.place(clock).take() {
            self.queue.cancel(key);
        }
    }

    pub(crate) fn stop_all(&mut self, clocks: &mut Clocks) {
        self.stop(clocks, Clock::Again);
        self.stop(clocks, Clock::End);
    }

    pub(crate) fn due(&mut self, now: Time) -> Option<Alarm> {
        self.queue.pop(now)
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.queue.next()
    }

    pub(crate) fn timers_set(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > 4_096 {
            // A burst is over.
            self.outputs.shrink_to(1_024);
        }
        output
    }
}
