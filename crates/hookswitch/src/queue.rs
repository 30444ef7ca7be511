//! The queue of events of one session: numbered where it is filled, bounded where events may be dropped.

use crate::Event;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Informational events beyond this many waiting ones are dropped.
const INFORMATIONAL: usize = 4_096;
/// Above this the session gets no new offers, below half of it it does again.
const CONGESTED: usize = 1_024;

/// What filling or emptying the queue means for offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    Unchanged,
    Begins,
    Ends,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<(u64, Event)>,
    next: u64,
    dropped: u64,
    congested: bool,
    closed: bool,
}

impl Inner {
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// States what was dropped, in the place where it is missing.
    fn state_gap(&mut self) {
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            let number = self.number();
            self.events.push_back((number, Event::Gap { dropped }));
        }
    }
}

/// Filled by the shard's thread, which never waits; emptied by the application.
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

    /// Adds an event; [`wake`](Self::wake) is to follow. `informational` ones may be dropped, which leaves a gap in the
    /// numbers.
    pub(crate) fn push(&self, event: Event, informational: bool) -> Congestion {
        let mut inner = self.lock();
        if inner.closed {
            return Congestion::Unchanged;
        }
        if informational && inner.events.len() >= INFORMATIONAL {
            inner.dropped += 1;
            inner.next += 1;
            return Congestion::Unchanged;
        }
        inner.state_gap();
        let number = inner.number();
        inner.events.push_back((number, event));
        let begins = !inner.congested && inner.events.len() > CONGESTED;
        inner.congested |= begins;
        if begins { Congestion::Begins } else { Congestion::Unchanged }
    }

    /// Wakes whoever waits for events.
    pub(crate) fn wake(&self) {
        self.ready.notify_one();
    }

    /// Takes the next event with its number.
    pub(crate) fn pop(&self) -> (Option<(u64, Event)>, Congestion) {
        let mut inner = self.lock();
        if inner.events.is_empty() {
            inner.state_gap();
        }
        let event = inner.events.pop_front();
        let ends = inner.congested && inner.events.len() < CONGESTED / 2;
        inner.congested &= !ends;
        (event, if ends { Congestion::Ends } else { Congestion::Unchanged })
    }

    /// No more events will come, and those that wait are dropped: they hold handles of calls, and those the session.
    pub(crate) fn close(&self) {
        let unread = {
            let mut inner = self.lock();
            inner.closed = true;
            std::mem::take(&mut inner.events)
        };
        // Outside the lock: letting go of a call may want it.
        drop(unread);
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
    use hookswitch_spi::CallId;

    #[test]
    fn dropped_events_leave_a_stated_gap_and_states_are_never_dropped() {
        let queue = Queue::default();
        let digit = || Event::Played { call: CallId(1) };
        for _ in 0..INFORMATIONAL + 7 {
            queue.push(digit(), true);
        }
        queue.push(Event::LineClosed { line: hookswitch_spi::LineId(0) }, false);
        let mut last = 0;
        let mut gaps = 0;
        while let (Some((number, event)), _) = queue.pop() {
            assert!(number >= last, "{number} after {last}");
            last = number;
            if let Event::Gap { dropped } = event {
                gaps += dropped;
            }
        }
        assert_eq!((last, gaps), (INFORMATIONAL as u64 + 8, 7));
    }

    #[test]
    fn congestion_begins_once_and_ends_once() {
        let queue = Queue::default();
        let begins = (0..2_000)
            .filter(|_| queue.push(Event::Played { call: CallId(1) }, true) == Congestion::Begins)
            .count();
        let mut ends = 0;
        while let (Some(_), congestion) = queue.pop() {
            ends += usize::from(congestion == Congestion::Ends);
        }
        assert_eq!((begins, ends), (1, 1));
    }
}
