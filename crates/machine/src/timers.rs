//! One queue of timers per machine: a hierarchical wheel, so that 320,000 lingering transactions cost no heap operations.

use crate::Time;
use std::time::Duration;

/// Names a timer of a [`TimerQueue`] so that it can be cancelled. Never valid for another timer, however long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: u32,
    generation: u32,
}

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 6;
/// One tick is 2²⁰ ns, 1.05 ms.
const TICK_SHIFT: u32 = 20;
const NONE: u32 = u32::MAX;
/// An empty queue keeps room for so many timers.
const KEPT: usize = 1_024;

#[derive(Debug)]
struct Entry<T> {
    deadline: u64,
    generation: u32,
    next: u32,
    prev: u32,
    slot: u16,
    what: Option<T>,
}

/// A timer wheel with the resolution of about a millisecond. Setting and cancelling are O(1); timers of the same tick fire in
/// an order that depends only on the order of the calls. A timer fires at its deadline or up to 1.05 ms after it.
#[derive(Debug)]
pub struct TimerQueue<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    heads: Vec<u32>,
    occupied: [u64; LEVELS],
    /// The tick up to which everything has fired.
    tick: u64,
    due: std::collections::VecDeque<u32>,
    len: usize,
    /// Of the next entry that is made: beyond those of all entries that were given back.
    generation: u32,
}

const DUE_SLOT: u16 = (LEVELS * SLOTS) as u16;

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> TimerQueue<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            heads: vec![NONE; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            tick: 0,
            due: std::collections::VecDeque::new(),
            len: 0,
            generation: 0,
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer that fires `after` from `now`.
    pub fn set_after(&mut self, now: Time, after: Duration, what: T) -> TimerKey {
        self.set(now + after, what)
    }

    /// Sets a timer.
    pub fn set(&mut self, at: Time, what: T) -> TimerKey {
        // Rounded up, so that a timer never fires before its deadline.
        let deadline = (at.as_nanos() >> TICK_SHIFT).saturating_add(1);
        let index = if self.free == NONE {
            let index = self.entries.len() as u32;
            self.entries.push(Entry {
                deadline,
                generation: self.generation,
                next: NONE,
                prev: NONE,
                slot: 0,
                what: Some(what),
            });
            index
        } else {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            entry.deadline = deadline;
            entry.what = Some(what);
            index
        };
        self.len += 1;
        self.link(index);
        TimerKey { index, generation: self.entries[index as usize].generation }
    }

    /// Takes a timer back. `None` if it has fired or was cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation || entry.what.is_none() {
            return None;
        }
        let what = entry.what.take();
        if entry.slot == DUE_SLOT {
            // It waits in `due`; popping skips it there and frees it.
            self.len -= 1;
            entry.generation = entry.generation.wrapping_add(1);
            return what;
        }
        self.unlink(key.index);
        self.release(key.index);
        what
    }

    /// The next timer that is due at `now`. Call until `None`.
    pub fn pop(&mut self, now: Time) -> Option<T> {
        loop {
            while let Some(index) = self.due.pop_front() {
                let entry = &mut self.entries[index as usize];
                let what = entry.what.take();
                if what.is_some() {
                    self.release(index);
                    return what;
                }
                entry.next = self.free;
                self.free = index;
            }
            if !self.advance(now.as_nanos() >> TICK_SHIFT) {
                return None;
            }
        }
    }

    /// When to call [`pop`](Self::pop) next; may be earlier than the earliest deadline, never later.
    pub fn next(&self) -> Option<Time> {
        if !self.due.is_empty() {
            return Some(Time::from_nanos(self.tick << TICK_SHIFT));
        }
        self.next_tick().map(|tick| Time::from_nanos(tick.checked_shl(TICK_SHIFT).unwrap_or(u64::MAX)))
    }

    /// The first tick at which some slot has to be looked at.
    fn next_tick(&self) -> Option<u64> {
        let mut best: Option<u64> = None;
        for level in 0..LEVELS {
            let bits = self.occupied[level];
            if bits == 0 {
                continue;
            }
            let shift = SLOT_BITS * level as u32;
            let position = (self.tick >> shift) & (SLOTS as u64 - 1);
            // Slots at or before the position belong to the next turn of this level.
            let rotated = bits.rotate_right(position as u32 + 1);
            let ahead = u64::from(rotated.trailing_zeros()) + 1;
            let at = ((self.tick >> shift) + ahead) << shift;
            best = Some(best.map_or(at, |b| b.min(at)));
        }
        best
    }

    /// Moves to the next occupied tick that is not after `target`; false if there is none.
    fn advance(&mut self, target: u64) -> bool {
        match self.next_tick() {
            Some(tick) if tick <= target => {
                self.tick = tick;
                // From the coarsest level down: what a coarse slot holds is sorted into finer ones, or is due.
                for level in (0..LEVELS).rev() {
                    let shift = SLOT_BITS * level as u32;
                    if tick & ((1u64 << shift) - 1) == 0 {
                        self.cascade(level, ((tick >> shift) & (SLOTS as u64 - 1)) as usize);
                    }
                }
                true
            }
            _ => {
                self.tick = self.tick.max(target);
                false
            }
        }
    }

    fn cascade(&mut self, level: usize, position: usize) {
        let slot = level * SLOTS + position;
        let mut index = self.heads[slot];
        self.heads[slot] = NONE;
        self.occupied[level] &= !(1 << position);
        // Heads are pushed in front: walk to the end and back, so that equal deadlines keep their order.
        let mut last = NONE;
        while index != NONE {
            last = index;
            index = self.entries[index as usize].next;
        }
        while last != NONE {
            let prev = self.entries[last as usize].prev;
            self.link(last);
            last = prev;
        }
    }

    fn link(&mut self, index: u32) {
        let deadline = self.entries[index as usize].deadline;
        if deadline <= self.tick {
            self.entries[index as usize].slot = DUE_SLOT;
            self.due.push_back(index);
            return;
        }
        // The level is where deadline and current tick first differ; beyond the last level it waits there and is re-sorted.
        let differ = deadline ^ self.tick;
        let level = (((63 - differ.leading_zeros()) / SLOT_BITS) as usize).min(LEVELS - 1);
        let position = if (63 - differ.leading_zeros()) / SLOT_BITS >= LEVELS as u32 {
            // Too far for the wheel (years): the slot just behind the current one of the coarsest level.
            ((self.tick >> (SLOT_BITS * (LEVELS as u32 - 1))).wrapping_sub(1) & (SLOTS as u64 - 1)) as usize
        } else {
            ((deadline >> (SLOT_BITS * level as u32)) & (SLOTS as u64 - 1)) as usize
        };
        let slot = level * SLOTS + position;
        let head = self.heads[slot];
        let entry = &mut self.entries[index as usize];
        entry.slot = slot as u16;
        entry.prev = NONE;
        entry.next = head;
        if head != NONE {
            self.entries[head as usize].prev = index;
        }
        self.heads[slot] = index;
        self.occupied[level] |= 1 << position;
    }

    fn unlink(&mut self, index: u32) {
        let (slot, next, prev) = {
            let entry = &self.entries[index as usize];
            (entry.slot as usize, entry.next, entry.prev)
        };
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        if prev != NONE {
            self.entries[prev as usize].next = next;
        } else {
            self.heads[slot] = next;
            if next == NONE {
                self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
            }
        }
    }

    fn release(&mut self, index: u32) {
        self.len -= 1;
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        if self.len == 0 && self.due.is_empty() && self.entries.len() > KEPT {
            self.give_back();
        }
    }

    /// A peak is over: its memory is given back, and no key of it will ever name another timer.
    fn give_back(&mut self) {
        let last = self.entries.iter().map(|entry| entry.generation).max().unwrap_or_default();
        self.generation = last.wrapping_add(1);
        self.entries = Vec::new();
        self.due = std::collections::VecDeque::new();
        self.free = NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entropy;

    #[test]
    fn timers_fire_in_order_and_never_early() {
        let mut queue = TimerQueue::new();
        let mut chance = Entropy::from_number(3);
        let mut set = Vec::new();
        for i in 0..2_000u64 {
            let at = Time::from_nanos(chance.below(200_000_000_000));
            set.push((at, i, queue.set(at, i)));
        }
        for (i, (_, _, key)) in set.iter().enumerate() {
            if i % 3 == 0 {
                assert_eq!(queue.cancel(*key), Some(i as u64));
                assert_eq!(queue.cancel(*key), None);
            }
        }
        let mut fired = 0;
        let mut now = Time::ZERO;
        while let Some(at) = queue.next() {
            assert!(at >= now);
            now = at;
            while let Some(i) = queue.pop(now) {
                let deadline = set[i as usize].0;
                assert!(deadline <= now, "{deadline:?} fired early at {now:?}");
                assert!(
                    now.since(deadline) <= Duration::from_micros(1_100),
                    "{deadline:?} fired late at {now:?}"
                );
                fired += 1;
            }
        }
        assert_eq!(fired, 2_000 - 667);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_late_driver_gets_everything_that_is_due() {
        let mut queue = TimerQueue::new();
        for ms in [1, 5, 500, 32_000] {
            queue.set(Time::from_millis(ms), ms);
        }
        let mut got = Vec::new();
        while let Some(ms) = queue.pop(Time::from_millis(40_000)) {
            got.push(ms);
        }
        assert_eq!(got, [1, 5, 500, 32_000]);
        queue.set(Time::from_millis(10), 10);
        assert_eq!(queue.pop(Time::from_millis(40_000)), Some(10));
    }

    #[test]
    fn equal_deadlines_keep_the_order_of_setting() {
        let mut queue = TimerQueue::new();
        for i in 0..10 {
            queue.set(Time::from_millis(700), i);
        }
        let got: Vec<i32> = std::iter::from_fn(|| queue.pop(Time::from_millis(800))).collect();
        assert_eq!(got, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn never_stays_never() {
        let mut queue = TimerQueue::new();
        let key = queue.set(Time::FAR, ());
        assert_eq!(queue.pop(Time::from_millis(1_000_000_000)), None);
        assert_eq!(queue.cancel(key), Some(()));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_due_timer_can_still_be_cancelled() {
        let mut queue = TimerQueue::new();
        queue.set(Time::from_millis(1), 1);
        let second = queue.set(Time::from_millis(1), 2);
        assert_eq!(queue.pop(Time::from_millis(10)), Some(1));
        assert_eq!(queue.cancel(second), Some(2));
        assert_eq!(queue.pop(Time::from_millis(10)), None);
        assert!(queue.is_empty());
    }
}
