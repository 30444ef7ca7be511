//! The suite's own peer behind a socket: the messages of the suite in virtual time, and everything else real.

use super::audio::Voices;
use super::outside::{Outside, Pace, Traffic, Wire};
use super::{Peers, first_port};
use bytes::Bytes;
use hookswitch_machine::Time;
use hookswitch_spi::CallTreatment;
use hookswitch_testkit::conformance::sip::{Peer, Place};
use hookswitch_testkit::conformance::subject::{Act, Behaviour, Incoming, Party, Saw, Setup};
use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};

/// Makes scripted peers.
pub struct Scripted;

impl Peers for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn outside(&self, wire: Wire, _: &Setup) -> Box<dyn Outside> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket for the peer");
        socket.set_nonblocking(true).expect("a socket that does not block");
        let address = socket.local_addr().expect("a bound socket has an address");
        let place = Place {
            peer: address,
            provider: wire.provider,
            audio: (first_port() + 700, 2),
            run: format!("{}-", wire.run),
        };
        Box::new(Behind { peer: Peer::new(place), voices: RefCell::default(), socket, address, wire })
    }
}

struct Behind {
    peer: Peer,
    voices: RefCell<Voices>,
    socket: UdpSocket,
    address: SocketAddr,
    wire: Wire,
}

impl Behind {
    fn flush(&mut self) -> bool {
        let mut any = false;
        while let Some(text) = self.peer.pop() {
            any = true;
            let _ = self.socket.send_to(text.as_bytes(), self.wire.provider);
        }
        self.voices.borrow_mut().attend(&mut self.peer);
        any
    }
}

impl Outside for Behind {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn poll(&mut self, now: Time) -> bool {
        let mut buffer = [0; 65_536];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            self.voices.borrow_mut().described(&bytes);
            self.peer.receive(now, bytes);
        }
        self.peer.due(now);
        self.flush()
    }

    fn next(&self) -> Option<Time> {
        self.peer.next()
    }

    fn pace(&mut self, _: Traffic) -> Pace {
        // On this machine a datagram is there as soon as it was sent.
        Pace::Idle
    }

    fn arrange(&mut self, _: Time, address: &str, behaviour: Behaviour) {
        self.peer.arrange(address, behaviour);
        self.flush();
    }

    fn call_in(&mut self, _: Time, line: &str, called: &str, call: &Incoming) -> Party {
        let party = self.peer.call_in(line, called, call);
        self.flush();
        party
    }

    fn party_at(&self, address: &str) -> Option<Party> {
        self.peer.party_at(address)
    }

    fn act(&mut self, _: Time, party: Party, act: Act) {
        match &act {
            Act::Press(digit, duration) => self.voices.borrow_mut().press(party, *digit, *duration),
            Act::Tone(frequencies, duration) => {
                self.voices.borrow_mut().tone(party, *frequencies, *duration);
            }
            _ => {}
        }
        self.peer.act(party, act);
        self.flush();
    }

    fn saw(&self, party: Party) -> Vec<Saw> {
        self.peer.leg(party).map(|leg| leg.saw.clone()).unwrap_or_default()
    }

    fn hears(&self, a: Party, b: Party) -> bool {
        self.voices.borrow_mut().hears(&self.peer, a, b)
    }

    fn treatment(&self, party: Party) -> Option<CallTreatment> {
        self.voices.borrow_mut().treatment(party)
    }

    fn port(&self, party: Party) -> Option<u16> {
        self.peer.leg(party).map(|leg| leg.port)
    }

    fn messages(&mut self, _: Time, user: &str, new: u32, old: u32) {
        self.peer.messages(user, new, old);
        self.flush();
    }

    fn alerting_elsewhere(&mut self, _: Time, at: &str, from: &str) -> Party {
        let party = self.peer.alerting_elsewhere(at, from);
        self.flush();
        party
    }
}
