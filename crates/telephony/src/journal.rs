//! What a session was told: numbered, bounded, and readable again.
//!
//! Every event gets the next number, from 1. What was read is kept until so many have followed it, and can be read again
//! from any number still held. Where something is missing a gap says so, with its first and its last number: informational
//! events that came while too many waited, and whatever fell out at the bound. Nothing is allocated per event beyond its place
//! in the ring.

use std::collections::VecDeque;

/// How much a [`Journal`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalBounds {
    /// Events kept after they were read.
    pub kept: usize,
    /// Waiting events beyond which informational ones are dropped.
    pub informational: usize,
    /// Places at all, read and waiting together. Beyond it the oldest are forgotten, read or not.
    pub most: usize,
}

impl Default for JournalBounds {
    fn default() -> Self {
        Self { kept: 4_096, informational: 4_096, most: 65_536 }
    }
}

/// Whether an event may be dropped while too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Calls, their states, completions: never dropped while there is a place at all.
    Essential,
    /// The rest.
    Informational,
}

/// What the reader finds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a, E> {
    /// An event and its number.
    Event(u64, &'a mut E),
    /// The events with these numbers are not there any more. Whoever needs to know what they said asks for a snapshot.
    Gap {
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
}

#[derive(Debug)]
struct Place<E> {
    /// The number of the event, or the last number of a gap.
    number: u64,
    /// `None`: from the number before up to this one, events were dropped.
    event: Option<E>,
}

/// The events of one session, for one reader.
#[derive(Debug)]
pub struct Journal<E> {
    places: VecDeque<Place<E>>,
    bounds: JournalBounds,
    /// Where in `places` the reader goes on.
    next: usize,
    /// The last number that the reader has seen.
    seen: u64,
    /// The last number that fell out.
    forgotten: u64,
    /// The last number given.
    last: u64,
}

impl<E> Default for Journal<E> {
    fn default() -> Self {
        Self::new(JournalBounds::default())
    }
}

impl<E> Journal<E> {
    /// An empty journal. It takes memory as it fills.
    pub const fn new(bounds: JournalBounds) -> Self {
        Self { places: VecDeque::new(), bounds, next: 0, seen: 0, forgotten: 0, last: 0 }
    }

    /// Adds an event. Returns its number, and an event that fell out before it was read, if one did.
    pub fn push(&mut self, event: E, weight: Weight) -> (u64, Option<E>) {
        self.last += 1;
        let number = self.last;
        if weight == Weight::Informational && self.waiting() >= self.bounds.informational {
            let unread = self.next < self.places.len();
            match self.places.back_mut() {
                Some(place) if unread && place.event.is_none() => place.number = number,
                Some(_) | None => self.places.push_back(Place { number, event: None }),
            }
        } else {
            self.places.push_back(Place { number, event: Some(event) });
        }
        let fallen = if self.places.len() > self.bounds.most { self.forget_oldest() } else { None };
        (number, fallen)
    }

    fn forget_oldest(&mut self) -> Option<E> {
        let Place { number, event } = self.places.pop_front()?;
        self.forgotten = number;
        match self.next.checked_sub(1) {
            Some(next) => {
                self.next = next;
                None
            }
            None => event,
        }
    }

    /// What comes next for the reader; `None` if it has read everything.
    pub fn read(&mut self) -> Option<Read<'_, E>> {
        while self.next > self.bounds.kept {
            let _read_before = self.forget_oldest();
        }
        let first = self.seen + 1;
        if self.seen < self.forgotten {
            self.seen = self.forgotten;
            return Some(Read::Gap { first, last: self.forgotten });
        }
        let Place { number, event } = self.places.get_mut(self.next)?;
        self.next += 1;
        self.seen = *number;
        Some(match event {
            Some(event) => Read::Event(*number, event),
            None => Read::Gap { first, last: *number },
        })
    }

    /// Goes back, or forward, so that `number` is read next: whatever of it and what follows is still held. What is not is read
    /// as a gap.
    pub fn read_from(&mut self, number: u64) {
        self.seen = number.saturating_sub(1).min(self.last);
        self.next = self.places.partition_point(|place| place.number <= self.seen);
    }

    /// Events and gaps that wait to be read.
    pub fn waiting(&self) -> usize {
        self.places.len() - self.next
    }

    /// The last number given; 0 before the first event.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The first number that can still be read, if there is any.
    pub fn first_held(&self) -> Option<u64> {
        self.places.front().map(|_| self.forgotten + 1)
    }

    /// The waiting events, for whoever has to let go of what they hold.
    pub fn waiting_mut(&mut self) -> impl Iterator<Item = &mut E> {
        self.places.iter_mut().skip(self.next).filter_map(|place| place.event.as_mut())
    }

    /// Forgets everything; the numbers go on.
    pub fn clear(&mut self) -> VecDeque<E> {
        self.forgotten = self.last;
        self.seen = self.last;
        self.next = 0;
        std::mem::take(&mut self.places).into_iter().filter_map(|place| place.event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weight::{Essential, Informational};

    const SMALL: JournalBounds = JournalBounds { kept: 3, informational: 4, most: 8 };

    fn rest(journal: &mut Journal<u64>) -> Vec<(u64, u64)> {
        let mut read = Vec::new();
        while let Some(next) = journal.read() {
            read.push(match next {
                Read::Event(number, event) => {
                    assert_eq!(number, *event);
                    (number, number)
                }
                Read::Gap { first, last } => (first, last + 1_000),
            });
        }
        read
    }

    fn filled(weights: impl IntoIterator<Item = Weight>) -> Journal<u64> {
        let mut journal = Journal::new(SMALL);
        for weight in weights {
            journal.push(journal.last() + 1, weight);
        }
        journal
    }

    #[test]
    fn numbers_grow_by_one_and_can_be_read_again_while_held() {
        let mut journal = filled([Essential; 5]);
        assert_eq!(rest(&mut journal), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        journal.read_from(4);
        assert_eq!(rest(&mut journal), [(4, 4), (5, 5)]);
        journal.read_from(1);
        assert_eq!(rest(&mut journal), [(1, 1_002), (3, 3), (4, 4), (5, 5)], "three are kept");
        journal.read_from(99);
        assert_eq!(rest(&mut journal), []);
        journal.push(6, Essential);
        assert_eq!(rest(&mut journal), [(6, 6)]);
    }

    #[test]
    fn informational_events_are_dropped_in_place_and_the_gap_says_which() {
        let mut journal = filled([Informational; 6]);
        journal.push(7, Essential);
        assert_eq!(rest(&mut journal), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1_006), (7, 7)]);
        journal.read_from(6);
        assert_eq!(rest(&mut journal), [(6, 1_006), (7, 7)], "a gap can be read again from its middle");
    }

    #[test]
    fn what_falls_out_unread_is_stated_and_handed_out() {
        let mut journal = filled([Essential; 8]);
        assert_eq!(journal.push(9, Essential), (9, Some(1)));
        assert_eq!(journal.push(10, Essential), (10, Some(2)));
        assert_eq!(journal.first_held(), Some(3));
        let read = rest(&mut journal);
        assert_eq!((read[0], read[1], read.len()), ((1, 1_002), (3, 3), 9));
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_says_about_every_number_once() {
        for step in 1..7 {
            let mut journal = Journal::new(SMALL);
            let mut expected = 1;
            for n in 1..=200_u64 {
                let weight = if n % 3 == 0 { Essential } else { Informational };
                journal.push(n, weight);
                assert!(journal.places.len() <= SMALL.most);
                if n % step == 0 {
                    while let Some(next) = journal.read() {
                        let (first, last) = match next {
                            Read::Event(number, _) => (number, number),
                            Read::Gap { first, last } => (first, last),
                        };
                        assert_eq!(first, expected);
                        expected = last + 1;
                    }
                    assert_eq!(expected, n + 1);
                }
            }
        }
    }

    #[test]
    fn a_gap_that_was_read_does_not_grow() {
        let mut journal = Journal::new(JournalBounds { informational: 0, ..SMALL });
        journal.push(1, Informational);
        assert_eq!(rest(&mut journal), [(1, 1_001)]);
        journal.push(2, Informational);
        assert_eq!(rest(&mut journal), [(2, 1_002)]);
    }
}
