//! One layer, to which everything happens in any order.

use super::*;
use crate::transaction::{ClientId, Counts, ServerId};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

struct Chaos {
    bench: Bench,
    chance: Entropy,
    /// Every id ever told, live or not.
    servers: Vec<(ServerId, Bytes)>,
    clients: Vec<(ClientId, Bytes)>,
    live_servers: HashSet<ServerId>,
    /// The outcome that was told, if any.
    live_clients: HashMap<ClientId, bool>,
}

impl Chaos {
    fn flow(&mut self) -> Flow {
        match self.chance.below(4) {
            0 => udp(5060),
            1 => udp(5061),
            2 => stream(1 + self.chance.below(2) as u32),
            _ => stream(0),
        }
    }

    fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        // The latest ones are the ones that are alive.
        let back = self.chance.below(12.min(of.len() as u64)) as usize;
        of.iter().rev().nth(back).cloned()
    }

    fn step(&mut self) {
        self.bench.flow = self.flow();
        match self.chance.below(12) {
            0..=3 => self.receive_request(),
            4 | 5 => self.respond(),
            6 => self.send(),
            7 | 8 => self.receive_response(),
            9 => {
                if let Some((id, _)) = self.any(&self.clients.clone()) {
                    let _ = self.bench.layer.cancel(self.bench.now, id, Some("SIP;cause=200"));
                }
            }
            10 => {
                if self.chance.chance(1, 5) {
                    self.bench.layer.flow_closed(self.bench.now, self.bench.flow);
                }
            }
            _ => {
                self.bench.now = self.bench.now + Duration::from_millis(self.chance.below(3_000));
                self.bench.layer.timeout(self.bench.now);
            }
        }
        self.drain();
    }

    fn receive_request(&mut self) {
        let method = ["INVITE", "INVITE", "ACK", "CANCEL", "OPTIONS", "BYE"][self.chance.below(6) as usize];
        let n = self.servers.len() as u64 / 4 + self.chance.below(6);
        let cookie = if n.is_multiple_of(3) { "" } else { "z9hG4bK" };
        let via = format!("192.0.2.1:{};branch={cookie}{n}", 5060 + self.chance.below(2));
        let bytes = foreign(method, &via, &format!("call-{}", n / 2));
        let bytes =
            if method == "ACK" || self.chance.chance(1, 4) { with_to_tag(&bytes, "b2") } else { bytes };
        match self.bench.receive(&bytes) {
            Received::Request(id) | Received::Merged(id) | Received::Cancel { cancel: id, .. } => {
                assert!(self.live_servers.insert(id));
                self.servers.push((id, bytes));
            }
            Received::Ack => assert_eq!(method, "ACK"),
            Received::Absorbed => {}
            other @ (Received::Response(_)
            | Received::StrayResponse
            | Received::Unmatched
            | Received::Overloaded { .. }) => {
                panic!("{other:?}")
            }
        }
    }

    fn respond(&mut self) {
        let status = [100, 180, 200, 302, 486, 603][self.chance.below(6) as usize];
        if let Some((id, request)) = self.any(&self.servers.clone()) {
            let _ = self.bench.layer.respond(self.bench.now, id, status, response(&request, status));
        }
    }

    fn send(&mut self) {
        let method = [Method::Invite, Method::Invite, Method::Bye][self.chance.below(3) as usize];
        let branch = self.bench.layer.next_branch();
        let bytes = request(method, branch);
        let reliable = self.bench.flow.endpoint == EndpointId(1);
        let id = self
            .bench
            .layer
            .request(self.bench.now, self.bench.flow, reliable, branch, method, bytes.clone())
            .unwrap();
        assert_eq!(self.live_clients.insert(id, false), None);
        self.clients.push((id, bytes));
    }

    fn receive_response(&mut self) {
        let status = [100, 180, 200, 200, 404, 487][self.chance.below(6) as usize];
        let Some((sent, request)) = self.any(&self.clients.clone()) else { return };
        let invite = parse(&request).method() == Method::Invite;
        match self.bench.receive(&response(&request, status)) {
            Received::Response(id) => {
                assert_eq!(id, sent);
                let told = self.live_clients.get_mut(&id).unwrap();
                assert!(!*told || (invite && status == 200), "a second outcome of {id:?}");
                *told |= status >= 200;
            }
            Received::StrayResponse => assert!(invite && status == 200),
            Received::Absorbed | Received::Unmatched => {}
            other @ (Received::Request(_)
            | Received::Merged(_)
            | Received::Ack
            | Received::Cancel { .. }
            | Received::Overloaded { .. }) => {
                panic!("{other:?}")
            }
        }
    }

    fn drain(&mut self) {
        for output in self.bench.outputs() {
            match output {
                Output::Transmit { bytes, .. } => assert!(!bytes.is_empty()),
                Output::TimedOut(id) | Output::TransportFailed(id) => {
                    assert_eq!(self.live_clients.insert(id, true), Some(false));
                }
                Output::ClientGone(id) => assert_eq!(self.live_clients.remove(&id), Some(true)),
                Output::ServerGone(id) => assert!(self.live_servers.remove(&id)),
                Output::Acked(id) | Output::NoAck(id) | Output::ResponseFailed(id) => {
                    assert!(self.live_servers.contains(&id));
                }
            }
        }
    }

    fn finish(&mut self) {
        for (id, request) in self.servers.clone() {
            let _ = self.bench.layer.respond(self.bench.now, id, 500, response(&request, 500));
        }
        for (id, _) in self.clients.clone() {
            let _ = self.bench.layer.cancel(self.bench.now, id, None);
        }
        self.drain();
        while let Some(at) = self.bench.layer.next_timeout() {
            self.bench.now = at;
            self.bench.layer.timeout(at);
            self.drain();
        }
    }
}

#[test]
fn whatever_happens_each_request_has_one_outcome_and_everything_ends() {
    for seed in 0..40 {
        let mut chaos = Chaos {
            bench: Bench::new(),
            chance: Entropy::from_number(seed),
            servers: Vec::new(),
            clients: Vec::new(),
            live_servers: HashSet::new(),
            live_clients: HashMap::new(),
        };
        for _ in 0..1_500 {
            chaos.step();
        }
        chaos.finish();
        assert!(chaos.live_servers.is_empty() && chaos.live_clients.is_empty(), "seed {seed}");
        assert_eq!(chaos.bench.layer.counts(), Counts::default(), "seed {seed}");
        assert!(chaos.bench.layer.is_idle(), "seed {seed}");
        assert!(chaos.servers.len() > 100 && chaos.clients.len() > 50);
    }
}
