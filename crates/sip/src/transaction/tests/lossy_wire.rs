//! Two layers back to back in virtual time, on a wire that loses, doubles and reorders.

use super::*;
use crate::transaction::{Cancelled, ClientId, Retransmission, Retransmit2xx, ServerId, Timers};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// What happens at some time.
enum Event {
    Arrives {
        at: usize,
        from: SocketAddr,
        bytes: Bytes,
    },
    Calls {
        at: usize,
        method: Method<'static>,
    },
    Cancels {
        at: usize,
        id: ClientId,
    },
    /// Nobody rings for ever: in Proceeding, it is the user who ends an INVITE.
    GivesUp {
        at: usize,
        id: ClientId,
    },
    Responds {
        at: usize,
        id: ServerId,
        status: u16,
    },
    Repeats2xx {
        at: usize,
        id: ServerId,
    },
}

/// A user of a layer: answers by chance, keeps the books.
struct User {
    layer: Layer,
    address: SocketAddr,
    /// Requests that were sent, and how many outcomes were told.
    outcomes: HashMap<ClientId, usize>,
    /// Requests that were received, and have no final response yet or an unacknowledged 2xx.
    requests: HashMap<ServerId, Bytes>,
    accepted: HashMap<ServerId, Retransmit2xx>,
    live_clients: usize,
    live_servers: usize,
    strays: usize,
}

struct World {
    now: Time,
    users: Vec<User>,
    events: BTreeMap<(Time, u64), Event>,
    serial: u64,
    chance: Entropy,
    loss: u64,
    outcomes: HashMap<&'static str, usize>,
}

impl World {
    fn new(seed: u64, loss: u64) -> Self {
        let mut chance = Entropy::from_number(seed);
        let user = |host, entropy| User {
            layer: Layer::new(Config::default(), entropy),
            address: ([192, 0, 2, host], 5060).into(),
            outcomes: HashMap::new(),
            requests: HashMap::new(),
            accepted: HashMap::new(),
            live_clients: 0,
            live_servers: 0,
            strays: 0,
        };
        let users = vec![user(1, chance.fork()), user(2, chance.fork())];
        let now = Time::ZERO;
        Self { now, users, events: BTreeMap::new(), serial: 0, chance, loss, outcomes: HashMap::new() }
    }

    fn schedule(&mut self, millis: u64, event: Event) {
        self.serial += 1;
        self.events.insert((self.now + Duration::from_millis(millis), self.serial), event);
    }

    fn schedule_at(&mut self, at: Time, event: Event) {
        self.serial += 1;
        self.events.insert((at, self.serial), event);
    }

    /// Puts a datagram on the wire.
    fn wire(&mut self, from: usize, bytes: &Bytes) {
        let copies = 1 + usize::from(self.chance.below(100) < 10);
        for _ in 0..copies {
            if self.chance.below(100) >= self.loss {
                let delay = 5 + self.chance.below(300);
                let from_address = self.users[from].address;
                self.schedule(
                    delay,
                    Event::Arrives { at: 1 - from, from: from_address, bytes: bytes.clone() },
                );
            }
        }
    }

    fn run(&mut self) {
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let timer = self.users.iter().filter_map(|user| user.layer.next_timeout()).min();
            let Some(next) = event.into_iter().chain(timer).min() else { return };
            assert!(next >= self.now);
            self.now = next;
            assert!(self.now < Time::from_millis(3_600_000), "nothing ends");
            for at in 0..self.users.len() {
                self.users[at].layer.timeout(next);
                self.drain(at);
            }
            while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= next) {
                let event = entry.remove();
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Arrives { at, from, bytes } => self.arrives(at, from, &bytes),
            Event::Calls { at, method } => {
                let user = &mut self.users[at];
                let branch = user.layer.next_branch();
                let sent_by = user.address;
                let bytes = Request::new(method, "sip:x@example.net")
                    .via("UDP", sent_by, branch)
                    .max_forwards(70)
                    .header(Name::From, format_args!("<sip:a@example.com>;tag={branch}"))
                    .header(Name::To, "<sip:b@example.net>")
                    .call_id(branch)
                    .cseq(1, method)
                    .finish();
                let flow = Flow::to(EndpointId(0), self.users[1 - at].address);
                let user = &mut self.users[at];
                let id = user.layer.request(now, flow, false, branch, method, bytes).unwrap();
                assert_eq!(user.outcomes.insert(id, 0), None);
                user.live_clients += 1;
                if method == Method::Invite && self.chance.chance(1, 3) {
                    let after = self.chance.below(4_000);
                    self.schedule(after, Event::Cancels { at, id });
                }
                if method == Method::Invite {
                    self.schedule(120_000, Event::GivesUp { at, id });
                }
                self.drain(at);
            }
            Event::GivesUp { at, id } => {
                if self.users[at].layer.cancel(now, id, None) == Cancelled::Sent {
                    self.count("given up");
                }
                self.drain(at);
            }
            Event::Cancels { at, id } => {
                let cancelled = self.users[at].layer.cancel(now, id, None);
                let name = match cancelled {
                    Cancelled::Sent => "cancel sent",
                    Cancelled::Waiting => "cancel waiting",
                    Cancelled::TooLate => "cancel too late",
                };
                self.count(name);
                self.drain(at);
            }
            Event::Responds { at, id, status } => self.responds(at, id, status),
            Event::Repeats2xx { at, id } => {
                let user = &mut self.users[at];
                let Some(state) = user.accepted.get_mut(&id) else { return };
                match state.timeout(now, &Timers::default()) {
                    Retransmission::Wait => {}
                    Retransmission::Send => {
                        let bytes = response(&user.requests[&id], 200);
                        user.layer.respond(now, id, 200, bytes).unwrap();
                    }
                    Retransmission::GiveUp => {
                        user.accepted.remove(&id);
                        self.count("2xx without ACK");
                        return;
                    }
                }
                let at_time = state.next_timeout();
                self.schedule_at(at_time, Event::Repeats2xx { at, id });
                self.drain(at);
            }
        }
    }

    fn responds(&mut self, at: usize, id: ServerId, status: u16) {
        let now = self.now;
        let user = &mut self.users[at];
        let Some(request) = user.requests.get(&id).cloned() else { return };
        if user.layer.respond(now, id, status, response(&request, status)).is_err() {
            return;
        }
        if (200..300).contains(&status) && parse(&request).method() == Method::Invite {
            let state = Retransmit2xx::new(now, &Timers::default());
            user.accepted.insert(id, state);
            self.schedule_at(state.next_timeout(), Event::Repeats2xx { at, id });
        }
        self.drain(at);
    }

    fn arrives(&mut self, at: usize, from: SocketAddr, bytes: &Bytes) {
        let message = parse(bytes);
        let flow = Flow::to(EndpointId(0), from);
        let received = self.users[at].layer.receive(self.now, flow, &message);
        match received {
            Received::Request(id) => {
                self.users[at].live_servers += 1;
                self.users[at].requests.insert(id, bytes.clone());
                if message.method() == Method::Invite && self.chance.chance(2, 3) {
                    self.responds(at, id, 180);
                }
                let after = if self.chance.chance(1, 2) { 0 } else { self.chance.below(6_000) };
                let status = if self.chance.chance(1, 2) { 200 } else { 486 };
                self.schedule(after, Event::Responds { at, id, status });
            }
            Received::Cancel { cancel, invite } => {
                self.users[at].live_servers += 1;
                self.users[at].requests.insert(cancel, bytes.clone());
                self.responds(at, cancel, if invite.is_some() { 200 } else { 481 });
                if let Some(invite) = invite {
                    self.responds(at, invite, 487);
                }
            }
            Received::Ack => {
                let acked: Vec<ServerId> = self.users[at]
                    .accepted
                    .keys()
                    .copied()
                    .filter(|id| {
                        let invite = self.users[at].requests.get(id);
                        invite.is_some_and(|invite| parse(invite).call_id() == message.call_id())
                    })
                    .collect();
                for id in acked {
                    self.users[at].accepted.remove(&id);
                }
            }
            Received::Response(id) => {
                let status = message.status().unwrap();
                let user = &mut self.users[at];
                let known = user.outcomes.get_mut(&id).expect("a response for a live request");
                if (200..300).contains(&status) && message.method() == Method::Invite {
                    // Its retransmissions come here too.
                    *known = 1;
                    self.ack(at, &message);
                } else if status >= 200 {
                    *known += 1;
                }
                self.count(match status {
                    ..=199 => "provisional",
                    200..=299 => "2xx",
                    300.. => "failure",
                });
            }
            Received::StrayResponse => {
                self.users[at].strays += 1;
                self.ack(at, &message);
            }
            Received::Absorbed | Received::Unmatched => {}
            Received::Merged(_) | Received::Overloaded { .. } => panic!("{received:?} of {message:?}"),
        }
        self.drain(at);
    }

    /// The ACK for a 2xx: the user's own, without a transaction.
    fn ack(&mut self, at: usize, ok: &Message) {
        let user = &mut self.users[at];
        let branch = user.layer.next_branch();
        let bytes = Request::new(Method::Ack, "sip:x@example.net")
            .via("UDP", user.address, branch)
            .max_forwards(70)
            .header(Name::From, ok.header(Name::From).unwrap())
            .header(Name::To, ok.header(Name::To).unwrap())
            .call_id(ok.call_id())
            .cseq(1, Method::Ack)
            .finish();
        self.wire(at, &bytes);
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.users[at].layer.poll() {
            let user = &mut self.users[at];
            match output {
                Output::Transmit { flow, bytes } => {
                    assert_eq!(flow.peer, self.users[1 - at].address);
                    self.wire(at, &bytes);
                }
                Output::TimedOut(id) => {
                    *user.outcomes.get_mut(&id).expect("a live request") += 1;
                    self.count("timed out");
                }
                Output::ClientGone(id) => {
                    let outcomes = user.outcomes.remove(&id).expect("a live request");
                    assert_eq!(outcomes, 1, "{id:?}");
                    user.live_clients -= 1;
                }
                Output::ServerGone(id) => {
                    user.requests.remove(&id).expect("a live request");
                    user.accepted.remove(&id);
                    user.live_servers -= 1;
                }
                Output::Acked(_) => self.count("acknowledged"),
                Output::NoAck(_) => self.count("no ACK"),
                Output::TransportFailed(_) | Output::ResponseFailed(_) => panic!("{output:?}"),
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.outcomes.entry(what).or_default() += 1;
    }
}

fn world(seed: u64, loss: u64) -> World {
    let mut world = World::new(seed, loss);
    for n in 0..120 {
        let method = if n % 3 == 0 { Method::Options } else { Method::Invite };
        let after = world.chance.below(10_000);
        world.schedule(after, Event::Calls { at: n % 2, method });
    }
    world.run();
    for user in &world.users {
        assert_eq!((user.live_clients, user.live_servers), (0, 0), "seed {seed}");
        assert!(user.outcomes.is_empty() && user.requests.is_empty(), "seed {seed}");
        assert!(user.layer.is_idle(), "seed {seed}: {:?}", user.layer.counts());
        assert_eq!(user.layer.counts(), crate::transaction::Counts::default(), "seed {seed}");
    }
    world
}

#[test]
fn every_transaction_ends_and_nothing_leaks() {
    let mut all: HashMap<&str, usize> = HashMap::new();
    for seed in 0..25 {
        for (what, n) in world(seed, 20).outcomes {
            *all.entry(what).or_default() += n;
        }
    }
    for what in
        ["provisional", "2xx", "failure", "acknowledged", "cancel sent", "cancel waiting", "cancel too late"]
    {
        assert!(all.get(what).is_some_and(|n| *n > 50), "{what}: {all:?}");
    }
}

#[test]
fn a_wire_that_is_cut_lets_everything_end_too() {
    let mut all: HashMap<&str, usize> = HashMap::new();
    for seed in 100..110 {
        for (what, n) in world(seed, 90).outcomes {
            *all.entry(what).or_default() += n;
        }
    }
    for what in ["timed out", "given up", "no ACK", "2xx without ACK"] {
        assert!(all.contains_key(what), "{what}: {all:?}");
    }
}

#[test]
fn a_seed_replays() {
    let run = |seed| {
        let world = world(seed, 20);
        let mut outcomes: Vec<_> = world.outcomes.into_iter().collect();
        outcomes.sort_unstable();
        (world.now, world.serial, outcomes)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).1, run(8).1);
}
