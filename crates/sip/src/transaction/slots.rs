//! Where transactions live: numbered slots, in chunks, so that growing never moves what is there.

use std::num::NonZeroU64;

const INDEX_BITS: u32 = 24;
const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;
const NONE: u32 = u32::MAX;

/// More slots than this cannot be numbered.
pub(crate) const MAX_SLOTS: usize = 1 << INDEX_BITS;

/// Names what stands in a slot: 24 bits of index, 40 bits of serial number, so that it never names anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SlotId(NonZeroU64);

impl SlotId {
    const fn index(self) -> usize {
        (self.0.get() & (MAX_SLOTS as u64 - 1)) as usize
    }

    /// The number to print.
    pub(crate) const fn number(self) -> u64 {
        self.0.get()
    }
}

#[derive(Debug)]
enum Slot<T> {
    Free { next: u32 },
    Taken { id: SlotId, value: T },
}

/// Numbered slots. Everything is O(1); memory is given back when all slots are free.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: Vec<Vec<Slot<T>>>,
    free: u32,
    len: usize,
    serial: u64,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, len: 0, serial: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Puts `value` into a free slot; `None` (and `value` is dropped) if all [`MAX_SLOTS`] are taken.
    pub(crate) fn insert(&mut self, value: T) -> Option<SlotId> {
        let index = self.free_slot()?;
        self.serial += 1;
        let id = SlotId(NonZeroU64::new(self.serial << INDEX_BITS | u64::from(index))?);
        let slot = self.slot_mut(index as usize)?;
        if let Slot::Free { next } = *slot {
            *slot = Slot::Taken { id, value };
            self.free = next;
            self.len += 1;
        }
        Some(id)
    }

    pub(crate) fn get(&self, id: SlotId) -> Option<&T> {
        let index = id.index();
        match self.chunks.get(index >> CHUNK_BITS)?.get(index & (CHUNK - 1))? {
            Slot::Taken { id: found, value } if *found == id => Some(value),
            Slot::Taken { .. } | Slot::Free { .. } => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        match self.slot_mut(id.index())? {
            Slot::Taken { id: found, value } if *found == id => Some(value),
            Slot::Taken { .. } | Slot::Free { .. } => None,
        }
    }

    pub(crate) fn remove(&mut self, id: SlotId) -> Option<T> {
        self.get(id)?;
        let next = self.free;
        let slot = self.slot_mut(id.index())?;
        let Slot::Taken { value, .. } = std::mem::replace(slot, Slot::Free { next }) else { return None };
        self.free = id.index() as u32;
        self.len -= 1;
        if self.len == 0 {
            self.chunks.truncate(1);
            self.chunks.iter_mut().for_each(Vec::clear);
            self.free = NONE;
        }
        Some(value)
    }

    fn slot_mut(&mut self, index: usize) -> Option<&mut Slot<T>> {
        self.chunks.get_mut(index >> CHUNK_BITS)?.get_mut(index & (CHUNK - 1))
    }

    /// The index of a free slot, made if there is none.
    fn free_slot(&mut self) -> Option<u32> {
        if self.free != NONE {
            return Some(self.free);
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            if self.chunks.len() << CHUNK_BITS >= MAX_SLOTS {
                return None;
            }
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) << CHUNK_BITS;
        let chunk = self.chunks.last_mut()?;
        chunk.push(Slot::Free { next: NONE });
        self.free = u32::try_from(before + chunk.len() - 1).ok()?;
        Some(self.free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_one_thing_for_ever() {
        let mut slots = Slots::new();
        let a = slots.insert('a').unwrap();
        let b = slots.insert('b').unwrap();
        assert_eq!(slots.remove(a), Some('a'));
        let c = slots.insert('c').unwrap();
        assert_eq!(c.index(), a.index());
        assert_eq!((slots.get(a), slots.get(b), slots.get(c)), (None, Some(&'b'), Some(&'c')));
        assert_eq!(slots.remove(a), None);
        assert_eq!(slots.get_mut(a), None);
        assert_eq!(slots.len(), 2);
    }

    #[test]
    fn ids_stay_unique_after_everything_is_free() {
        let mut slots = Slots::new();
        let first: Vec<SlotId> = (0..1_000).map(|i| slots.insert(i).unwrap()).collect();
        assert_eq!(slots.chunks.len(), 4);
        for (i, id) in first.iter().enumerate() {
            assert_eq!(slots.remove(*id), Some(i));
        }
        assert_eq!((slots.len(), slots.chunks.len()), (0, 1));
        let again = slots.insert(0).unwrap();
        assert!(!first.contains(&again));
        assert!(first.iter().all(|id| slots.get(*id).is_none()));
        assert_eq!(slots.get(again), Some(&0));
    }
}
