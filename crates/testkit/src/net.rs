//! A network of datagrams in virtual time: seeded loss, duplication, reordering, delay, partition.

use bytes::Bytes;
use hookswitch_machine::{Entropy, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How a network treats datagrams. Chances are per thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Datagrams that never arrive.
    pub loss: u32,
    /// Datagrams that arrive twice.
    pub duplication: u32,
    /// Datagrams that are held back, so that later ones overtake them.
    pub reordering: u32,
    /// How long a datagram takes.
    pub delay: Duration,
    /// How much longer it may take at most.
    pub jitter: Duration,
}

impl Conditions {
    /// 5 ms, and nothing ever goes wrong.
    pub const PERFECT: Self = Self {
        loss: 0,
        duplication: 0,
        reordering: 0,
        delay: Duration::from_millis(5),
        jitter: Duration::ZERO,
    };

    /// Random conditions: up to a fifth lost, a tenth doubled, a fifth reordered, 1 to 120 ms of delay.
    pub fn random(entropy: &mut Entropy) -> Self {
        Self {
            loss: entropy.below(201) as u32,
            duplication: entropy.below(101) as u32,
            reordering: entropy.below(201) as u32,
            delay: Duration::from_millis(1 + entropy.below(120)),
            jitter: Duration::from_millis(entropy.below(60)),
        }
    }
}

/// A datagram on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// Who is to have it.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: Bytes,
}

/// What became of a datagram when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Carried,
    /// It arrives twice.
    Doubled,
    /// It does not arrive: bad luck.
    Lost,
    /// It does not arrive: a partition lies between.
    Cut,
}

#[derive(Debug)]
struct OnItsWay {
    at: Time,
    number: u64,
    datagram: Datagram,
}

impl PartialEq for OnItsWay {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for OnItsWay {}

impl PartialOrd for OnItsWay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OnItsWay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// The network. Deterministic: the same sends at the same times with the same seed arrive in the same way.
#[derive(Debug)]
pub struct Network {
    conditions: Conditions,
    entropy: Entropy,
    queue: BinaryHeap<Reverse<OnItsWay>>,
    sent: u64,
    cuts: Vec<(IpAddr, IpAddr)>,
}

impl Network {
    /// A network with nothing on its way.
    pub fn new(conditions: Conditions, entropy: Entropy) -> Self {
        Self { conditions, entropy, queue: BinaryHeap::new(), sent: 0, cuts: Vec::new() }
    }

    /// How it treats datagrams.
    pub const fn conditions(&self) -> Conditions {
        self.conditions
    }

    /// Changes how it treats datagrams that are sent from now on.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Cuts two hosts off from each other, both ways. What is on its way still arrives.
    pub fn cut(&mut self, a: IpAddr, b: IpAddr) {
        self.cuts.push((a, b));
    }

    /// Whether two hosts are cut off from each other.
    pub fn is_cut(&self, a: IpAddr, b: IpAddr) -> bool {
        self.cuts.contains(&(a, b)) || self.cuts.contains(&(b, a))
    }

    /// Undoes every [`cut`](Self::cut).
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Sends a datagram.
    pub fn send(&mut self, now: Time, datagram: Datagram) -> Fate {
        let (a, b) = (datagram.from.ip(), datagram.to.ip());
        if self.cuts.iter().any(|cut| *cut == (a, b) || *cut == (b, a)) {
            return Fate::Cut;
        }
        let Conditions { loss, duplication, .. } = self.conditions;
        if self.entropy.chance(loss, 1_000) {
            return Fate::Lost;
        }
        let doubled = self.entropy.chance(duplication, 1_000);
        if doubled {
            self.put(now, datagram.clone());
        }
        self.put(now, datagram);
        if doubled { Fate::Doubled } else { Fate::Carried }
    }

    fn put(&mut self, now: Time, datagram: Datagram) {
        let Conditions { delay, jitter, reordering, .. } = self.conditions;
        let mut at = now + delay + jitter.mul_f64(self.entropy.below(1_001) as f64 / 1_000.0);
        if self.entropy.chance(reordering, 1_000) {
            at = at + Duration::from_millis(10 + self.entropy.below(400));
        }
        self.sent += 1;
        self.queue.push(Reverse(OnItsWay { at, number: self.sent, datagram }));
    }

    /// When the next datagram arrives.
    pub fn next(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse(first)| first.at)
    }

    /// The next datagram that has arrived by `now`.
    pub fn pop(&mut self, now: Time) -> Option<Datagram> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(first)| first.datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(n: u8) -> Datagram {
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        Datagram { from: at(1), to: at(2), bytes: Bytes::copy_from_slice(&[n]) }
    }

    fn arrivals(conditions: Conditions, seed: u64) -> Vec<(Time, Bytes)> {
        let mut network = Network::new(conditions, Entropy::from_number(seed));
        for n in 0..100 {
            network.send(Time::from_millis(n), datagram(n as u8));
        }
        let mut arrived = Vec::new();
        while let Some(at) = network.next() {
            arrived.extend(network.pop(at).map(|datagram| (at, datagram.bytes)));
        }
        arrived
    }

    #[test]
    fn a_perfect_network_keeps_everything_in_order() {
        let arrived = arrivals(Conditions::PERFECT, 1);
        assert_eq!(arrived.len(), 100);
        assert!(arrived.iter().enumerate().all(|(n, (_, bytes))| bytes[..] == [n as u8]));
    }

    #[test]
    fn the_same_seed_treats_datagrams_alike_and_another_does_not() {
        let conditions = Conditions { loss: 200, duplication: 100, reordering: 200, ..Conditions::PERFECT };
        assert_eq!(arrivals(conditions, 7), arrivals(conditions, 7));
        assert_ne!(arrivals(conditions, 7), arrivals(conditions, 8));
        let order: Vec<u8> = arrivals(conditions, 7).iter().map(|(_, bytes)| bytes[0]).collect();
        assert!(order.windows(2).any(|pair| pair[0] > pair[1]), "something was overtaken");
        assert!((0..100).any(|n| !order.contains(&n)), "something was lost");
    }

    #[test]
    fn a_cut_parts_both_ways_until_it_heals() {
        let mut network = Network::new(Conditions::PERFECT, Entropy::from_number(1));
        let host = IpAddr::from([10, 0, 0, 1]);
        network.cut(host, host);
        assert_eq!(network.send(Time::ZERO, datagram(1)), Fate::Cut);
        network.heal();
        assert_eq!(network.send(Time::ZERO, datagram(1)), Fate::Carried);
    }
}
