//! An echo keeps the other side's numbering, moved to ours: loss, order and pauses come back as they were.

/// The distance between their sequence numbers and timestamps and ours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EchoMap {
    moved: Option<(u16, u32)>,
}

impl EchoMap {
    pub(super) const fn new() -> Self {
        Self { moved: None }
    }

    /// Sets the distance anew with the next packet: we have sent something of our own, or they began anew.
    pub(super) const fn reset(&mut self) {
        self.moved = None;
    }

    /// Our numbers for their packet, and whether it begins a run of echoed packets. `next` is what ours would be if it does.
    pub(super) fn place(&mut self, theirs: (u16, u32), next: (u16, u32)) -> ((u16, u32), bool) {
        let begins = self.moved.is_none();
        let (sequence, timestamp) =
            *self.moved.get_or_insert_with(|| (next.0.wrapping_sub(theirs.0), next.1.wrapping_sub(theirs.1)));
        ((theirs.0.wrapping_add(sequence), theirs.1.wrapping_add(timestamp)), begins)
    }

    /// Their newest packet is not sent back: its number goes to the one after it.
    pub(super) fn skip(&mut self) {
        if let Some((sequence, _)) = &mut self.moved {
            *sequence = sequence.wrapping_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_distance_and_a_skipped_packet_leaves_no_hole() {
        let mut map = EchoMap::new();
        assert_eq!(map.place((65_535, 10), (100, 500)), ((100, 500), true));
        assert_eq!(map.place((1, 330), (101, 0)), ((102, 820), false));
        map.skip();
        assert_eq!(map.place((3, 650), (0, 0)), ((103, 1_140), false));
        map.reset();
        assert_eq!(map.place((4, 810), (7, 9)), ((7, 9), true));
    }
}
