//! Which media thread a stream is on: the one that its number says, or the one of the mix that it joined last.

use dashmap::DashMap;
use hookswitch_media::control::{MixId, StreamId};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The way to streams and mixes, as places among the media threads.
#[derive(Debug)]
pub(super) struct Routes {
    threads: usize,
    /// Streams that are not where their numbers say.
    moved: DashMap<StreamId, usize>,
    /// How many those are: mostly none, and then nobody needs to look.
    count: AtomicUsize,
}

impl Routes {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), moved: DashMap::new(), count: AtomicUsize::new(0) }
    }

    pub(super) fn of(&self, stream: StreamId) -> usize {
        if self.count.load(Ordering::Acquire) > 0
            && let Some(place) = self.moved.get(&stream)
        {
            return *place;
        }
        self.spread(stream.0)
    }

    pub(super) const fn of_mix(&self, mix: MixId) -> usize {
        self.spread(mix.0)
    }

    /// The stream goes to another thread.
    pub(super) fn set(&self, stream: StreamId, place: usize) {
        if self.moved.insert(stream, place).is_none() {
            self.count.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The stream ends.
    pub(super) fn forget(&self, stream: StreamId) {
        if self.count.load(Ordering::Acquire) > 0 && self.moved.remove(&stream).is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
    }

    const fn spread(&self, number: u64) -> usize {
        // Stirred: whoever gives numbers may leave some bits the same in all of them.
        let stirred = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (stirred % self.threads as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_where_its_number_says_until_it_moves_and_after_it_ended() {
        let routes = Routes::new(4);
        let stream = StreamId(77);
        let home = routes.of(stream);
        routes.set(stream, (home + 1) % 4);
        routes.set(stream, (home + 2) % 4);
        assert_eq!(routes.of(stream), (home + 2) % 4);
        routes.forget(stream);
        routes.forget(stream);
        assert_eq!(routes.of(stream), home);
        assert_eq!(routes.count.load(Ordering::Relaxed), 0);
    }
}
