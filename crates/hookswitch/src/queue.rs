//! The events of one session: where those of all shards meet and are numbered, and from where the application reads them.
//!
//! They stand in a [`Journal`], so that they can be read again from any number still held. An event about a new call keeps the
//! call's handle until it is read for the first time; after that it is the application's.

use crate::{Call, Event};
use hookswitch_spi::{CallId, CallState};
use hookswitch_telephony::{CallSnapshot, Journal, Privilege, Read, Weight};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Above this many waiting events the session gets no new offers, below half of it it does again.
const CONGESTED: usize = 1_024;

/// What filling or emptying the queue means for offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    Unchanged,
    Begins,
    Ends,
}

/// An event as it is kept.
#[derive(Debug)]
pub(crate) enum Noted {
    /// A call that the application had no handle to.
    Call {
        id: CallId,
        state: CallState,
        privilege: Privilege,
        /// Until it is read.
        handle: Option<Call>,
    },
    /// A call in a picture of all calls.
    Picture {
        snapshot: Box<CallSnapshot>,
        /// Until it is read.
        handle: Option<Call>,
    },
    /// Anything else.
    Event(Event),
}

impl Noted {
    fn take_handle(&mut self) -> Option<Call> {
        match self {
            Self::Call { handle, .. } | Self::Picture { handle, .. } => handle.take(),
            Self::Event(_) => None,
        }
    }

    /// What the application is given; the handle goes with it.
    fn told(&mut self) -> Self {
        match self {
            Self::Call { id, state, privilege, handle } => {
                Self::Call { id: *id, state: state.clone(), privilege: *privilege, handle: handle.take() }
            }
            Self::Picture { snapshot, handle } => {
                Self::Picture { snapshot: snapshot.clone(), handle: handle.take() }
            }
            Self::Event(event) => Self::Event(event.clone()),
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    journal: Journal<Noted>,
    congested: bool,
    closed: bool,
}

/// Filled by the shards' threads, which never wait; emptied by the application.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    ready: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics while it holds the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; [`wake`](Self::wake) is to follow. Returns its number.
    pub(crate) fn push(&self, event: Noted, weight: Weight) -> (u64, Congestion) {
        let (number, fallen, begins) = {
            let mut inner = self.lock();
            if inner.closed {
                return (inner.journal.last(), Congestion::Unchanged);
            }
            let (number, fallen) = inner.journal.push(event, weight);
            let begins = !inner.congested && inner.journal.waiting() > CONGESTED;
            inner.congested |= begins;
            (number, fallen, begins)
        };
        // Outside the lock: letting go of a call may want it.
        drop(fallen);
        (number, if begins { Congestion::Begins } else { Congestion::Unchanged })
    }

    /// Wakes whoever waits for events.
    pub(crate) fn wake(&self) {
        self.ready.notify_one();
    }

    /// Takes the next event with its number.
    pub(crate) fn pop(&self) -> (Option<(u64, Noted)>, Congestion) {
        let mut inner = self.lock();
        let event = match inner.journal.read() {
            Some(Read::Event(number, event)) => Some((number, event.told())),
            Some(Read::Gap { first, last }) => Some((last, Noted::Event(Event::Gap { first, last }))),
            None => None,
        };
        let ends = inner.congested && inner.journal.waiting() < CONGESTED / 2;
        inner.congested &= !ends;
        (event, if ends { Congestion::Ends } else { Congestion::Unchanged })
    }

    /// Reads again from this number.
    pub(crate) fn read_from(&self, number: u64) {
        self.lock().journal.read_from(number);
    }

    /// The last number given.
    pub(crate) fn last(&self) -> u64 {
        self.lock().journal.last()
    }

    /// Nobody is there to read: the waiting events stay, the handles that they keep go.
    pub(crate) fn let_go(&self) {
        let handles: Vec<Call> = self.lock().journal.waiting_mut().filter_map(Noted::take_handle).collect();
        // Outside the lock, as above.
        drop(handles);
    }

    /// No more events will come, and none is kept: they hold handles of calls, and those the session.
    pub(crate) fn close(&self) {
        let kept = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.journal.clear()
        };
        // Outside the lock, as above.
        drop(kept);
        self.ready.notify_one();
    }

    pub(crate) fn is_congested(&self) -> bool {
        self.lock().congested
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until something may have changed.
    pub(crate) async fn changed(&self) {
        self.ready.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_spi::LineId;

    fn played() -> Noted {
        Noted::Event(Event::Played { call: CallId(1) })
    }

    #[test]
    fn dropped_events_leave_a_stated_gap_and_states_are_never_dropped() {
        let queue = Queue::default();
        for _ in 0..4_096 + 7 {
            queue.push(played(), Weight::Informational);
        }
        queue.push(Noted::Event(Event::LineClosed { line: LineId(0) }), Weight::Essential);
        let mut expected = 1;
        let mut gaps = Vec::new();
        while let (Some((number, event)), _) = queue.pop() {
            match event {
                Noted::Event(Event::Gap { first, last }) => {
                    assert_eq!((first, last), (expected, number));
                    gaps.push(last - first + 1);
                }
                _ => assert_eq!(number, expected),
            }
            expected = number + 1;
        }
        assert_eq!((expected, gaps), (4_096 + 9, vec![7]));
    }

    #[test]
    fn congestion_begins_once_and_ends_once() {
        let queue = Queue::default();
        let begins = (0..2_000)
            .filter(|_| queue.push(played(), Weight::Informational).1 == Congestion::Begins)
            .count();
        let mut ends = 0;
        while let (Some(_), congestion) = queue.pop() {
            ends += usize::from(congestion == Congestion::Ends);
        }
        assert_eq!((begins, ends), (1, 1));
    }

    #[test]
    fn what_was_read_can_be_read_again() {
        let queue = Queue::default();
        for _ in 0..10 {
            queue.push(played(), Weight::Essential);
        }
        while let (Some(_), _) = queue.pop() {}
        queue.read_from(8);
        let numbers: Vec<u64> = std::iter::from_fn(|| queue.pop().0).map(|(number, _)| number).collect();
        assert_eq!(numbers, [8, 9, 10]);
    }
}
