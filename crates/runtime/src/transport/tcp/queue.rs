//! What waits to be written to one connection.

use bytes::{Buf, Bytes};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;
use tokio::sync::Notify;

/// How many messages one write takes.
const SLICES: usize = 16;

/// A bounded queue of bytes with one writer task. Not shared between threads.
pub(super) struct WriteQueue {
    inner: RefCell<Inner>,
    limit: usize,
    changed: Notify,
}

struct Inner {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

/// The queue is full: the peer does not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl WriteQueue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            inner: RefCell::new(Inner { messages: VecDeque::new(), bytes: 0 }),
            limit,
            changed: Notify::new(),
        }
    }

    pub(super) fn push(&self, message: Bytes) -> Result<(), Overflow> {
        let mut inner = self.inner.borrow_mut();
        let bytes = inner.bytes.saturating_add(message.len());
        if bytes > self.limit {
            return Err(Overflow);
        }
        if !message.is_empty() {
            inner.bytes = bytes;
            inner.messages.push_back(message);
            self.changed.notify_one();
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner.borrow().messages.is_empty()
    }

    /// Ends when something is there.
    pub(super) async fn filled(&self) {
        while self.is_empty() {
            self.changed.notified().await;
        }
    }

    /// Shows the front to `write`, which says how many bytes it took.
    pub(super) fn write<E>(
        &self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut inner = self.inner.borrow_mut();
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, message) in slices.iter_mut().zip(&inner.messages) {
            *slice = IoSlice::new(message);
            count += 1;
        }
        let written = write(slices.get(..count).unwrap_or_default())?;
        let mut left = written;
        while left > 0 {
            let Some(front) = inner.messages.front_mut() else { break };
            let step = left.min(front.len());
            front.advance(step);
            let done = front.is_empty();
            left -= step;
            inner.bytes -= step;
            if done {
                inner.messages.pop_front();
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_keep_the_rest_in_order() {
        let queue = WriteQueue::new(100);
        for message in ["one", "two", "three"] {
            queue.push(Bytes::from_static(message.as_bytes())).unwrap();
        }
        let mut seen: Vec<u8> = Vec::new();
        while !queue.is_empty() {
            let take = |slices: &[IoSlice<'_>]| {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                seen.extend(all.iter().take(2));
                Ok::<usize, ()>(all.len().min(2))
            };
            queue.write(take).unwrap();
        }
        assert_eq!(seen, b"onetwothree");
    }

    #[test]
    fn more_than_the_limit_does_not_fit() {
        let queue = WriteQueue::new(5);
        assert_eq!(queue.push(Bytes::from_static(b"abcd")), Ok(()));
        assert_eq!(queue.push(Bytes::from_static(b"ef")), Err(Overflow));
        assert_eq!(queue.push(Bytes::from_static(b"e")), Ok(()));
    }
}
