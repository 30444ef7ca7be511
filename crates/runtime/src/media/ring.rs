//! A bounded ring of samples between two threads, without locks.
//!
//! One thread pushes and one pops: whoever shares a ring sees to that. Breaking the rule garbles audio, nothing else.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Cells that hold a sample, or a pair of samples.
#[derive(Debug)]
pub(super) struct Ring {
    cells: Box<[AtomicU32]>,
    /// How many were ever pushed and popped.
    pushed: AtomicUsize,
    popped: AtomicUsize,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1).next_power_of_two();
        Self {
            cells: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
            pushed: AtomicUsize::new(0),
            popped: AtomicUsize::new(0),
        }
    }

    /// Cells that can be popped.
    pub(super) fn len(&self) -> usize {
        self.pushed.load(Ordering::Acquire).wrapping_sub(self.popped.load(Ordering::Acquire))
    }

    /// Cells that can be pushed.
    pub(super) fn room(&self) -> usize {
        self.cells.len().saturating_sub(self.len())
    }

    /// Pushes as many as there is room for and says how many that were.
    pub(super) fn push(&self, values: impl ExactSizeIterator<Item = u32>) -> usize {
        let pushed = self.pushed.load(Ordering::Relaxed);
        let count = values.len().min(self.room());
        let mask = self.cells.len() - 1;
        for (i, value) in values.take(count).enumerate() {
            self.cells[pushed.wrapping_add(i) & mask].store(value, Ordering::Relaxed);
        }
        self.pushed.store(pushed.wrapping_add(count), Ordering::Release);
        count
    }

    /// Pops at most `most` and says how many that were.
    pub(super) fn pop(&self, most: usize, mut take: impl FnMut(u32)) -> usize {
        let popped = self.popped.load(Ordering::Relaxed);
        let count = most.min(self.len());
        let mask = self.cells.len() - 1;
        for i in 0..count {
            take(self.cells[popped.wrapping_add(i) & mask].load(Ordering::Relaxed));
        }
        self.popped.store(popped.wrapping_add(count), Ordering::Release);
        count
    }
}

/// A received and a sent sample in one cell.
pub(super) const fn pair(received: i16, sent: i16) -> u32 {
    (received as u16 as u32) << 16 | sent as u16 as u32
}

/// The received and the sent sample of a cell.
pub(super) const fn unpair(cell: u32) -> (i16, i16) {
    ((cell >> 16) as u16 as i16, cell as u16 as i16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_full_ring_takes_no_more() {
        let ring = Ring::new(4);
        assert_eq!(ring.push([1, 2, 3, 4, 5].into_iter()), 4);
        let mut got = Vec::new();
        assert_eq!(ring.pop(3, |v| got.push(v)), 3);
        assert_eq!(ring.push([6, 7, 8, 9].into_iter()), 3);
        ring.pop(9, |v| got.push(v));
        assert_eq!(got, [1, 2, 3, 4, 6, 7, 8]);
    }

    #[test]
    fn what_one_thread_pushes_another_pops_in_order() {
        let ring = Arc::new(Ring::new(64));
        let pusher = ring.clone();
        let thread = std::thread::spawn(move || {
            let mut next = 0u32;
            while next < 100_000 {
                let until = (next + 7).min(100_000);
                next += pusher.push((next..until).collect::<Vec<_>>().into_iter()) as u32;
            }
        });
        let mut expected = 0;
        while expected < 100_000 {
            ring.pop(16, |v| {
                assert_eq!(v, expected);
                expected += 1;
            });
        }
        thread.join().unwrap();
        assert_eq!(ring.len(), 0);
    }

    #[test]
    fn samples_survive_pairing() {
        for (a, b) in [(0, 0), (-1, 1), (i16::MIN, i16::MAX)] {
            assert_eq!(unpair(pair(a, b)), (a, b));
        }
    }
}
