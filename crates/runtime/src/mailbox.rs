//! The queue through which other threads reach a shard.
//!
//! One lock, held for a push or a swap; the reader takes everything at once. Each class of letters has a bound of its own, so
//! that a flood of one cannot crowd out the others. What must not be lost (closed flows, answers) is bounded by the number of
//! connections and questions instead.

use bytes::Bytes;
use hookswitch_machine::{CloseReason, Flow, Input, QueryId, ResolveError, Target};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;

/// How many letters of a class may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) requests: usize,
    pub(crate) media: usize,
    pub(crate) datagrams: usize,
}

/// Why a letter was not taken; it comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    Full(T),
    Closed(T),
}

/// What lies in the mailbox.
pub(crate) enum Letter<R, E> {
    /// For the machine.
    Input(Input<R, E>),
    /// A framed message; its connection may read on once the permit is dropped.
    Stream(Flow, Bytes, OwnedSemaphorePermit),
    /// Dropped once everything before it is handled and carried out.
    Mark(Mark),
}

/// Tells whoever holds the other end by being dropped.
pub(crate) type Mark = std::sync::mpsc::Sender<std::convert::Infallible>;

struct Queue<R, E> {
    letters: Vec<Letter<R, E>>,
    requests: usize,
    media: usize,
    datagrams: usize,
    /// Users and media threads are refused.
    users_closed: bool,
    /// Everything is refused.
    closed: bool,
}

/// A shard's mailbox.
pub(crate) struct Mailbox<R, E> {
    queue: Mutex<Queue<R, E>>,
    bounds: Bounds,
    asleep: AtomicBool,
    stop: AtomicBool,
    waker: mio::Waker,
}

impl<R, E> Mailbox<R, E> {
    pub(crate) fn new(bounds: Bounds, waker: mio::Waker) -> Self {
        Self {
            queue: Mutex::new(Queue {
                letters: Vec::new(),
                requests: 0,
                media: 0,
                datagrams: 0,
                users_closed: false,
                closed: false,
            }),
            bounds,
            asleep: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            waker,
        }
    }

    pub(crate) fn request(&self, request: R) -> Result<(), Refused<R>> {
        let mut queue = self.lock();
        if queue.users_closed {
            return Err(Refused::Closed(request));
        }
        if queue.requests >= self.bounds.requests {
            return Err(Refused::Full(request));
        }
        queue.requests += 1;
        self.post(queue, Letter::Input(Input::Request(request)));
        Ok(())
    }

    /// Takes a request whatever else waits: for what must not be lost and is bounded by what was accepted before.
    pub(crate) fn last_word(&self, request: R) -> Result<(), Refused<R>> {
        let queue = self.lock();
        if queue.users_closed {
            return Err(Refused::Closed(request));
        }
        self.post(queue, Letter::Input(Input::Request(request)));
        Ok(())
    }

    pub(crate) fn media(&self, event: E) -> Result<(), Refused<E>> {
        let mut queue = self.lock();
        if queue.users_closed {
            return Err(Refused::Closed(event));
        }
        if queue.media >= self.bounds.media {
            return Err(Refused::Full(event));
        }
        queue.media += 1;
        self.post(queue, Letter::Input(Input::Media(event)));
        Ok(())
    }

    /// Takes everything that waits; `into` is expected to be empty and its memory is used for what comes next.
    pub(crate) fn take(&self, into: &mut Vec<Letter<R, E>>) {
        let mut queue = self.lock();
        queue.requests = 0;
        queue.media = 0;
        queue.datagrams = 0;
        std::mem::swap(&mut queue.letters, into);
    }

    /// Announces that the reader is about to sleep. False if something is there, so that it must not.
    pub(crate) fn may_sleep(&self) -> bool {
        // Announced before looking: whoever posts after the look sees the announcement and wakes us.
        self.asleep.store(true, Ordering::SeqCst);
        let empty = self.lock().letters.is_empty() && !self.is_stopping();
        if !empty {
            self.asleep.store(false, Ordering::SeqCst);
        }
        empty
    }

    pub(crate) fn woke(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Asks the reader to end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Refuses users from now on; `mark` is dropped once what they gave before is handled.
    pub(crate) fn close_to_users(&self, mark: Mark) {
        let mut queue = self.lock();
        queue.users_closed = true;
        if !queue.closed {
            self.post(queue, Letter::Mark(mark));
        }
    }

    /// Refuses every letter from now on and returns what waited.
    pub(crate) fn close(&self) -> Vec<Letter<R, E>> {
        let mut queue = self.lock();
        queue.users_closed = true;
        queue.closed = true;
        std::mem::take(&mut queue.letters)
    }

    fn lock(&self) -> MutexGuard<'_, Queue<R, E>> {
        // A panic elsewhere cannot leave the queue half changed: every change is one push.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, mut queue: MutexGuard<'_, Queue<R, E>>, letter: Letter<R, E>) {
        queue.letters.push(letter);
        drop(queue);
        self.wake();
    }

    fn post_unless_closed(&self, letter: Letter<R, E>) {
        let queue = self.lock();
        if !queue.closed {
            self.post(queue, letter);
        }
    }

    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(target: "hookswitch::driver", %error, "a shard could not be woken");
        }
    }
}

/// What the network may put into a mailbox, whatever the shard's machine is.
pub(crate) trait Inbox: Send + Sync {
    /// A datagram that came to another shard's socket. False if it was dropped.
    fn datagram(&self, flow: Flow, bytes: Bytes) -> bool;
    fn stream_message(&self, flow: Flow, bytes: Bytes, permit: OwnedSemaphorePermit);
    fn flow_closed(&self, flow: Flow, reason: CloseReason);
    fn resolved(&self, query: QueryId, answer: Result<Vec<Target>, ResolveError>);
}

impl<R: Send, E: Send> Inbox for Mailbox<R, E> {
    fn datagram(&self, flow: Flow, bytes: Bytes) -> bool {
        let mut queue = self.lock();
        if queue.closed || queue.datagrams >= self.bounds.datagrams {
            return false;
        }
        queue.datagrams += 1;
        self.post(queue, Letter::Input(Input::Received { flow, bytes }));
        true
    }

    fn stream_message(&self, flow: Flow, bytes: Bytes, permit: OwnedSemaphorePermit) {
        self.post_unless_closed(Letter::Stream(flow, bytes, permit));
    }

    fn flow_closed(&self, flow: Flow, reason: CloseReason) {
        self.post_unless_closed(Letter::Input(Input::FlowClosed { flow, reason }));
    }

    fn resolved(&self, query: QueryId, answer: Result<Vec<Target>, ResolveError>) {
        self.post_unless_closed(Letter::Input(Input::Resolved { query, answer }));
    }
}

/// The mailboxes of all shards, in their order.
pub(crate) type Inboxes = Arc<[Arc<dyn Inbox>]>;

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(poll: &mio::Poll) -> Mailbox<u32, ()> {
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        Mailbox::new(Bounds { requests: 2, media: 1, datagrams: 1 }, waker)
    }

    #[test]
    fn a_full_queue_gives_the_request_back_and_another_class_still_fits() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = mailbox(&poll);
        assert_eq!(mailbox.request(1), Ok(()));
        assert_eq!(mailbox.request(2), Ok(()));
        assert_eq!(mailbox.request(3), Err(Refused::Full(3)));
        assert_eq!(mailbox.media(()), Ok(()));
        assert_eq!(mailbox.media(()), Err(Refused::Full(())));
        let mut taken = Vec::new();
        mailbox.take(&mut taken);
        assert_eq!(taken.len(), 3);
        assert_eq!(mailbox.request(3), Ok(()));
    }

    #[test]
    fn a_closed_mailbox_refuses() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = mailbox(&poll);
        mailbox.request(1).unwrap();
        assert_eq!(mailbox.close().len(), 1);
        assert_eq!(mailbox.request(2), Err(Refused::Closed(2)));
    }

    #[test]
    fn whoever_posts_to_a_sleeper_wakes_it() {
        let mut poll = mio::Poll::new().unwrap();
        let mailbox = mailbox(&poll);
        assert!(mailbox.may_sleep());
        mailbox.request(1).unwrap();
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(std::time::Duration::from_secs(5))).unwrap();
        assert!(!events.is_empty());
        assert!(!mailbox.may_sleep());
    }
}
