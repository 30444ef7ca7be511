//! Which transactions hang on a flow, so that the end of a flow costs no walk over all of them.

use hookswitch_machine::{Flow, HashKeys, Map};

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node<T> {
    flow: Flow,
    id: Option<T>,
    prev: u32,
    next: u32,
}

/// A place in a [`FlowIndex`]; to be given back once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FlowLink(u32);

/// A doubly linked list per flow. Linking and unlinking are O(1).
#[derive(Debug)]
pub(crate) struct FlowIndex<T> {
    heads: Map<Flow, u32>,
    nodes: Vec<Node<T>>,
    free: u32,
}

impl<T: Copy> FlowIndex<T> {
    pub(crate) fn new(keys: HashKeys) -> Self {
        Self { heads: Map::with_hasher(keys), nodes: Vec::new(), free: NONE }
    }

    /// Whether nothing is linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    pub(crate) fn link(&mut self, flow: Flow, id: T) -> FlowLink {
        let next = self.heads.get(&flow).copied().unwrap_or(NONE);
        let node = Node { flow, id: Some(id), prev: NONE, next };
        let index = self.free;
        let index = match self.nodes.get_mut(index as usize) {
            Some(slot) => {
                self.free = slot.next;
                *slot = node;
                index
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.prev = index;
        }
        self.heads.insert(flow, index);
        FlowLink(index)
    }

    pub(crate) fn unlink(&mut self, FlowLink(index): FlowLink) {
        let Some(node) = self.nodes.get(index as usize) else { return };
        let (flow, prev, next) = (node.flow, node.prev, node.next);
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.prev = prev;
        }
        if let Some(node) = self.nodes.get_mut(prev as usize) {
            node.next = next;
        } else if next == NONE {
            self.heads.remove(&flow);
        } else {
            self.heads.insert(flow, next);
        }
        self.release(index);
    }

    /// Unlinks everything on a flow, oldest first. The links are void afterwards.
    pub(crate) fn drain(&mut self, flow: Flow) -> Vec<T> {
        let mut ids = Vec::new();
        let mut index = self.heads.remove(&flow).unwrap_or(NONE);
        while let Some(node) = self.nodes.get(index as usize) {
            let next = node.next;
            ids.extend(node.id);
            self.release(index);
            index = next;
        }
        ids.reverse();
        ids
    }

    fn release(&mut self, index: u32) {
        let free = self.free;
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.id = None;
            node.next = free;
            self.free = index;
        }
    }

    /// Gives memory back if nothing is linked.
    pub(crate) fn shrink(&mut self) {
        if self.heads.is_empty() {
            self.heads.shrink_to(64);
            self.nodes.clear();
            self.nodes.shrink_to(64);
            self.free = NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::EndpointId;

    fn flow(port: u16) -> Flow {
        Flow::to(EndpointId(0), ([127, 0, 0, 1], port).into())
    }

    #[test]
    fn a_flow_knows_what_hangs_on_it() {
        let mut index = FlowIndex::new(HashKeys::default());
        let links: Vec<FlowLink> = (0..6).map(|i| index.link(flow(1 + i % 2), i)).collect();
        for (i, link) in links.into_iter().enumerate() {
            // The head, the middle and the tail of one list each.
            if i % 2 == 0 {
                index.unlink(link);
            }
        }
        assert_eq!(index.drain(flow(1)), []);
        assert_eq!(index.drain(flow(2)), [1, 3, 5]);
        assert_eq!(index.drain(flow(2)), []);
        assert!(index.is_empty());
    }

    #[test]
    fn places_are_used_again() {
        let mut index = FlowIndex::new(HashKeys::default());
        for round in 0..100 {
            let a = index.link(flow(1), round);
            let b = index.link(flow(1), round + 1_000);
            index.link(flow(1), round + 2_000);
            index.unlink(b);
            index.unlink(a);
            assert_eq!(index.drain(flow(1)), [round + 2_000]);
        }
        assert_eq!(index.nodes.len(), 3);
        index.shrink();
        assert_eq!(index.nodes.len(), 0);
    }
}
