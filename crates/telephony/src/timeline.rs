//! The timelines of all calls of a shard: one ring of fixed size, so that they cost the same however many calls there are.

use hookswitch_spi::{CallId, TimelineEntry};
use std::collections::VecDeque;

/// The last entries of all calls together. When it is full, each new entry pushes the oldest out, of whichever call: a call is
/// remembered, also after its end, until as many entries as the ring holds have followed its own.
#[derive(Debug)]
pub struct Timeline {
    ring: VecDeque<TimelineEntry>,
    most: usize,
    forgotten: u64,
}

impl Timeline {
    /// A ring of at most `most` entries. It takes memory as it fills.
    pub fn new(most: usize) -> Self {
        Self { ring: VecDeque::new(), most, forgotten: 0 }
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: TimelineEntry) {
        if self.ring.len() >= self.most {
            self.forgotten += 1;
            self.ring.pop_front();
        }
        if self.most > 0 {
            self.ring.push_back(entry);
        }
    }

    /// The entries of one call, oldest first. Looks through the whole ring.
    pub fn of(&self, call: CallId) -> impl Iterator<Item = &TimelineEntry> {
        self.ring.iter().filter(move |entry| entry.call == call)
    }

    /// How many entries are remembered.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// How many entries were pushed out so far.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::Time;
    use hookswitch_spi::TimelineFact;

    #[test]
    fn a_full_ring_forgets_the_oldest_entries_first() {
        let mut timeline = Timeline::new(3);
        for n in 0..5 {
            let entry = TimelineEntry {
                at: Time::from_millis(n),
                call: CallId(n % 2),
                fact: TimelineFact::Note("x"),
            };
            timeline.push(entry);
        }
        let times = |call| timeline.of(CallId(call)).map(|e| e.at.as_millis()).collect::<Vec<_>>();
        assert_eq!((times(0), times(1)), (vec![2, 4], vec![3]));
        assert_eq!((timeline.len(), timeline.forgotten()), (3, 2));
    }
}
