//! Slabs to receive into. A batch is received into one slab, frozen and sliced without a copy; when the last slice is dropped
//! the slab comes back as it is, neither zeroed nor allocated anew.

use bytes::{Bytes, BytesMut};

/// How many slabs may wait for slices that somebody still holds. Beyond that the oldest is left to its holders.
const LENT: usize = 8;

pub(super) struct Pool {
    size: usize,
    free: Vec<BytesMut>,
    lent: std::collections::VecDeque<Bytes>,
}

impl Pool {
    /// A pool of slabs of `size` bytes. Nothing is allocated yet, and pages are only backed once they are written to.
    pub(super) fn new(size: usize) -> Self {
        Self { size, free: Vec::new(), lent: std::collections::VecDeque::new() }
    }

    /// A slab to receive into; what it holds is old.
    pub(super) fn take(&mut self) -> BytesMut {
        if let Some(slab) = self.free.pop() {
            return slab;
        }
        for _ in 0..self.lent.len() {
            match self.lent.pop_front().map(Bytes::try_into_mut) {
                Some(Ok(slab)) => return slab,
                Some(Err(held)) => self.lent.push_back(held),
                None => break,
            }
        }
        BytesMut::zeroed(self.size)
    }

    /// Gives a slab back that nothing was received into.
    pub(super) fn give(&mut self, slab: BytesMut) {
        self.free.push(slab);
    }

    /// Gives a slab back after its slices were handed out.
    pub(super) fn give_frozen(&mut self, slab: Bytes) {
        match slab.try_into_mut() {
            Ok(slab) => self.free.push(slab),
            Err(held) => {
                if self.lent.len() >= LENT {
                    self.lent.pop_front();
                }
                self.lent.push_back(held);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slab_comes_back_once_its_slices_are_dropped() {
        let mut pool = Pool::new(1_024);
        let slab = pool.take();
        let address = slab.as_ptr();
        let frozen = slab.freeze();
        let slice = frozen.slice(10..20);
        pool.give_frozen(frozen);
        assert_ne!(pool.take().as_ptr(), address);
        drop(slice);
        let again = pool.take();
        assert_eq!((again.as_ptr(), again.len()), (address, 1_024));
    }

    #[test]
    fn slabs_that_are_never_given_back_do_not_pile_up() {
        let mut pool = Pool::new(64);
        let held: Vec<Bytes> = (0..100)
            .map(|_| {
                let frozen = pool.take().freeze();
                let slice = frozen.slice(..1);
                pool.give_frozen(frozen);
                slice
            })
            .collect();
        assert_eq!(pool.lent.len(), LENT);
        drop(held);
        assert_eq!(pool.take().len(), 64);
    }
}
