//! Which connections there are: their numbers, their limits.

use super::StreamOptions;
use super::queue::WriteQueue;
use hookswitch_machine::{CloseReason, EndpointId, Flow};
use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Peer,
    Us,
}

/// One connection as the hub and its task see it.
pub(super) struct Link {
    pub(super) flow: Flow,
    pub(super) opener: Opener,
    pub(super) queue: WriteQueue,
    /// When something whole last came or went.
    pub(super) active: Cell<Instant>,
    /// Whether anything whole has come.
    pub(super) heard: Cell<bool>,
    /// Since when part of a message has been there.
    pub(super) unfinished: Cell<Option<Instant>>,
    /// When the last pong came.
    pub(super) ponged: Cell<Option<Instant>>,
    /// How much was written so far.
    pub(super) written_bytes: Cell<usize>,
    /// Told when the queue has been written.
    pub(super) written: Notify,
    stop: Cell<Option<CloseReason>>,
    stopped: Notify,
}

impl Link {
    /// Asks the connection's task to end for `reason`; the first reason counts.
    pub(super) fn stop(&self, reason: CloseReason) {
        if self.stop.get().is_none() {
            self.stop.set(Some(reason));
        }
        self.stopped.notify_one();
    }

    /// Ends when somebody asked for it.
    pub(super) async fn stopped(&self) -> CloseReason {
        loop {
            if let Some(reason) = self.stop.get() {
                return reason;
            }
            self.stopped.notified().await;
        }
    }
}

/// Why a connection was not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Total,
    PerAddress,
    /// Every number was used once.
    Numbers,
}

/// All connections.
pub(super) struct Table {
    next: u32,
    links: HashMap<u32, Rc<Link>>,
    by_peer: HashMap<(EndpointId, SocketAddr), u32>,
    per_address: HashMap<IpAddr, usize>,
    total: usize,
    limit_per_address: usize,
    write_queue: usize,
}

impl Table {
    pub(super) fn new(options: &StreamOptions) -> Self {
        Self {
            next: 1,
            links: HashMap::new(),
            by_peer: HashMap::new(),
            per_address: HashMap::new(),
            total: options.connections,
            limit_per_address: options.connections_per_address,
            write_queue: options.write_queue,
        }
    }

    /// Numbers a new connection. The limit per address holds for what peers open.
    pub(super) fn admit(
        &mut self,
        endpoint: EndpointId,
        peer: SocketAddr,
        opener: Opener,
    ) -> Result<Rc<Link>, Limit> {
        if self.links.len() >= self.total {
            return Err(Limit::Total);
        }
        let count = self.per_address.entry(network(peer.ip())).or_default();
        if opener == Opener::Peer && *count >= self.limit_per_address {
            return Err(Limit::PerAddress);
        }
        let Some(next) = self.next.checked_add(1) else {
            return Err(Limit::Numbers);
        };
        *count += 1;
        let number = std::mem::replace(&mut self.next, next);
        let link = Rc::new(Link {
            flow: Flow { endpoint, connection: number, peer },
            opener,
            queue: WriteQueue::new(self.write_queue),
            active: Cell::new(Instant::now()),
            heard: Cell::new(false),
            unfinished: Cell::new(None),
            ponged: Cell::new(None),
            written_bytes: Cell::new(0),
            written: Notify::new(),
            stop: Cell::new(None),
            stopped: Notify::new(),
        });
        self.links.insert(number, Rc::clone(&link));
        self.by_peer.insert((endpoint, peer), number);
        Ok(link)
    }

    /// The connection that `flow` names, or for number 0 the newest one to its peer.
    pub(super) fn find(&self, flow: Flow) -> Option<Rc<Link>> {
        let number = match flow.connection {
            0 => *self.by_peer.get(&(flow.endpoint, flow.peer))?,
            number => number,
        };
        self.links.get(&number).cloned()
    }

    pub(super) fn remove(&mut self, flow: Flow) {
        if self.links.remove(&flow.connection).is_none() {
            return;
        }
        if self.by_peer.get(&(flow.endpoint, flow.peer)) == Some(&flow.connection) {
            self.by_peer.remove(&(flow.endpoint, flow.peer));
        }
        let address = network(flow.peer.ip());
        if let Some(count) = self.per_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn all(&self) -> Vec<Rc<Link>> {
        self.links.values().cloned().collect()
    }
}

/// What counts as one address: whoever has one IPv6 address usually has its whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(total: usize, per_address: usize) -> Table {
        let options = StreamOptions {
            connections: total,
            connections_per_address: per_address,
            ..StreamOptions::default()
        };
        Table::new(&options)
    }

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const E: EndpointId = EndpointId(0);

    #[test]
    fn numbers_are_not_used_again() {
        let mut table = table(10, 10);
        let first = table.admit(E, peer("192.0.2.1:5060"), Opener::Peer).unwrap().flow;
        table.remove(first);
        let second = table.admit(E, peer("192.0.2.1:5060"), Opener::Peer).unwrap().flow;
        assert_ne!(first.connection, second.connection);
        table.next = u32::MAX;
        assert_eq!(table.admit(E, peer("192.0.2.1:5060"), Opener::Us).err(), Some(Limit::Numbers));
    }

    #[test]
    fn limits_hold_and_are_given_back() {
        let mut table = table(3, 2);
        let flow = table.admit(E, peer("[2001:db8::1]:1"), Opener::Peer).unwrap().flow;
        table.admit(E, peer("[2001:db8::2]:1"), Opener::Peer).unwrap();
        assert_eq!(table.admit(E, peer("[2001:db8::3]:1"), Opener::Peer).err(), Some(Limit::PerAddress));
        table.admit(E, peer("192.0.2.1:1"), Opener::Peer).unwrap();
        assert_eq!(table.admit(E, peer("192.0.2.2:1"), Opener::Peer).err(), Some(Limit::Total));
        table.remove(flow);
        table.admit(E, peer("[2001:db8::3]:1"), Opener::Peer).unwrap();
    }

    #[test]
    fn zero_finds_the_newest_connection_to_the_peer() {
        let mut table = table(10, 10);
        let to = peer("192.0.2.1:5060");
        let old = table.admit(E, to, Opener::Peer).unwrap().flow;
        let new = table.admit(E, to, Opener::Us).unwrap().flow;
        assert_eq!(table.find(Flow::to(E, to)).map(|link| link.flow), Some(new));
        table.remove(old);
        assert_eq!(table.find(Flow::to(E, to)).map(|link| link.flow), Some(new));
        table.remove(new);
        assert!(table.find(Flow::to(E, to)).is_none() && table.is_empty());
    }
}
