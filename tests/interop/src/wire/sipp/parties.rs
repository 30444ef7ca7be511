//! The parties that SIPp plays: what they decide, told to SIPp, and what SIPp tells of them.

use super::super::audio::Voices;
use super::super::first_port;
use super::super::outside::{Outside, Pace, Traffic, Wire};
use super::scenario::{ANSWERS, REPLIES};
use super::trace::{Entry, Trace};
use bytes::Bytes;
use hookswitch_machine::Time;
use hookswitch_sip::message::{Limits, Message};
use hookswitch_spi::CallTreatment;
use hookswitch_testkit::conformance::sip::{Peer, Place};
use hookswitch_testkit::conformance::subject::{Act, Behaviour, Incoming, Party, Saw};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// SIPp takes one message after the other, so an answer to the second of two questions shows that it is done with everything before.
const ROUNDS: u32 = 2;

/// An answer that has not come by then was lost.
const LOST: Duration = Duration::from_millis(500);

static PINGS: AtomicU64 = AtomicU64::new(2);

/// Asks SIPp whether it is done.
pub(super) fn ping(control: &UdpSocket, sipp: SocketAddr, number: u64) {
    let text = order("XPING", "ping", number, "", "", "");
    let _ = control.send_to(text.as_bytes(), sipp);
}

/// An order to SIPp: what the scenario says of it.
fn order(verb: &str, call_id: &str, number: u64, more: &str, fields: &str, content: &str) -> String {
    format!(
        "{verb} sip:party@sipp SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKorder{number}\r\nFrom: <sip:suite@sipp>;tag=suite\r\n\
         To: <sip:party@sipp>\r\nCall-ID: {call_id}\r\nCSeq: {number} {verb}\r\n{more}Content-Length: {length}\r\n\r\n{fields}%%{content}",
        length = fields.len() + 2 + content.len(),
    )
}

/// A question to SIPp.
#[derive(Clone, Copy, Debug)]
struct Question {
    number: u64,
    /// How many follow it.
    left: u32,
    /// What had passed when the first was asked.
    when: (u64, u64),
    asked: Instant,
}

/// Everybody that SIPp plays for one subject.
pub(super) struct Parties {
    peer: Peer,
    voices: RefCell<Voices>,
    wire: Wire,
    sipp: SocketAddr,
    control: Rc<UdpSocket>,
    trace: Trace,
    /// The last number of a request in each call: SIPp goes on from that of an order.
    numbers: HashMap<String, u64>,
    /// Orders and messages of the trace so far.
    passed: u64,
    /// The question under way.
    asked: Option<Question>,
    /// What had passed when SIPp was last known to be done.
    settled: Option<(u64, u64)>,
}

impl Parties {
    pub(super) fn new(wire: Wire, sipp: SocketAddr, control: Rc<UdpSocket>, trace: Trace) -> Self {
        let place = Place {
            peer: sipp,
            provider: wire.provider,
            audio: (first_port() + 700, 2),
            run: format!("{}-", wire.run),
        };
        Self {
            peer: Peer::new(place),
            voices: RefCell::default(),
            wire,
            sipp,
            control,
            trace,
            numbers: HashMap::new(),
            passed: 0,
            asked: None,
            settled: None,
        }
    }

    /// What the peer has made up its mind to send, told to SIPp.
    fn flush(&mut self) -> bool {
        let mut any = false;
        while let Some(text) = self.peer.pop() {
            any = true;
            self.decided(&text);
        }
        self.voices.borrow_mut().attend(&mut self.peer);
        any
    }

    fn decided(&mut self, text: &str) {
        let Some(order) = translated(text) else { return };
        let missing = |prefix: &str, known: &[u16]| {
            let status = order.verb.strip_prefix(prefix).and_then(|status| status.parse().ok());
            status.is_some_and(|status: u16| !known.contains(&status))
        };
        if missing("XANSWER", ANSWERS) || missing("XREPLY", REPLIES) {
            self.wire.unable(format!("the scenario knows no {}", order.verb));
            return;
        }
        self.tell(&order.verb, &order.call_id, &order.more, &order.fields, &order.content);
    }

    fn ask(&mut self, left: u32, when: (u64, u64)) {
        let number = PINGS.fetch_add(1, Ordering::Relaxed);
        self.asked = Some(Question { number, left, when, asked: Instant::now() });
        ping(&self.control, self.sipp, number);
    }

    fn tell(&mut self, verb: &str, call_id: &str, more: &str, fields: &str, content: &str) {
        // The next request bears the number after that of the order; a CANCEL that of its INVITE, which was the first.
        let last = self.numbers.entry(call_id.to_owned()).or_insert(1);
        let number = if verb == "XCANCEL" { 2 } else { *last };
        *last += 1;
        let text = order(verb, call_id, number, more, fields, content);
        self.passed += 1;
        // SIPp sends to whoever sent it the first message of a call.
        let socket = if verb == "XCALL" { &self.wire.socket } else { &self.control };
        let _ = socket.send_to(text.as_bytes(), self.sipp);
    }

    fn take_in(&mut self, now: Time, entry: Entry) {
        match entry {
            Entry::Received(bytes) => {
                if foreign(&bytes).is_none() {
                    return;
                }
                self.passed += 1;
                self.voices.borrow_mut().described(&bytes);
                self.peer.receive(now, bytes);
            }
            Entry::Sent(bytes) => {
                if let Some(message) = foreign(&bytes) {
                    self.peer.sent(&message);
                }
            }
        }
    }
}

/// What a message of the suite's peer is as an order to SIPp.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    verb: String,
    call_id: String,
    /// Header lines of the order itself.
    more: String,
    /// Header lines of the message, each with CRLF before it.
    fields: String,
    content: String,
}

/// The order that makes SIPp send a message in its own words; nothing for what it sends by itself.
fn translated(text: &str) -> Option<Order> {
    let (head, content) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, second) = (first.next()?, first.next()?);
    let mut own_contact = true;
    let (mut call_id, mut from, mut to, mut cseq, mut fields) = ("", "", "", "", String::new());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "Via" | "Max-Forwards" | "Content-Length" => {}
            "Call-ID" => call_id = value,
            // The tag is SIPp's own.
            "From" => from = value.split(";tag=").next().unwrap_or_default(),
            "To" => to = value,
            "CSeq" => cseq = value,
            // SIPp has one of its own; only a redirection names another.
            "Contact" if std::mem::take(&mut own_contact) => {}
            _ => drop(write!(fields, "\r\n{line}")),
        }
    }
    let asked = cseq.split(' ').next_back().unwrap_or_default();
    let calls = method == "INVITE" && !to.contains(";tag=");
    let verb = match (method, second, asked) {
        _ if calls => "XCALL".to_owned(),
        // SIPp acknowledges by itself, but for an offer in the 200, whose answer it cannot know.
        ("ACK", _, _) if content.is_empty() => return None,
        ("SIP/2.0", "100", "INVITE") => "XTRYING".to_owned(),
        ("SIP/2.0", status, "INVITE") => format!("XANSWER{status}"),
        ("SIP/2.0", status, "REFER" | "SUBSCRIBE") => format!("XREPLY{status}"),
        // Everything else has one answer.
        ("SIP/2.0", _, _) => return None,
        (method, _, _) => format!("X{method}"),
    };
    let late = if content.is_empty() { "X-Late: yes\r\n" } else { "" };
    let more = format!("X-Target: {second}\r\nX-From: {from}\r\nX-To: {to}\r\n{late}");
    let more = if calls { more } else { String::new() };
    Some(Order { verb, call_id: call_id.to_owned(), more, fields, content: content.to_owned() })
}

/// A message that is none of the suite's orders.
fn foreign(bytes: &Bytes) -> Option<Message> {
    if bytes.first() == Some(&b'X') {
        return None;
    }
    Message::parse(bytes.clone(), &Limits::default()).ok().filter(|message| message.call_id() != "ping")
}

impl Outside for Parties {
    fn address(&self) -> SocketAddr {
        self.sipp
    }

    fn poll(&mut self, now: Time) -> bool {
        let mut any = false;
        while let Some(entry) = self.trace.next() {
            let before = self.passed;
            self.take_in(now, entry);
            any |= self.passed != before;
        }
        self.peer.due(now);
        any | self.flush()
    }

    fn next(&self) -> Option<Time> {
        self.peer.next()
    }

    fn pace(&mut self, traffic: Traffic) -> Pace {
        let passed = (traffic.datagrams, self.passed);
        if self.settled == Some(passed) {
            return Pace::Idle;
        }
        let mut answer = [0; 2_048];
        while let Ok(length) = self.control.recv(&mut answer) {
            let text = String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned();
            let number =
                text.lines().find_map(|line| line.strip_prefix("CSeq: ")?.split(' ').next()?.parse().ok());
            let Some(question) = self.asked.filter(|question| number == Some(question.number)) else {
                continue;
            };
            self.asked = None;
            if question.left == 0 {
                self.settled = Some(question.when);
            } else {
                self.ask(question.left - 1, question.when);
            }
        }
        if self.settled != Some(passed) && self.asked.is_none_or(|question| question.asked.elapsed() > LOST) {
            self.ask(ROUNDS - 1, passed);
        }
        // What it did before it answered is there by now, and is looked at before anything else.
        Pace::Working
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
            Act::FallSilent => {
                if let Some(call_id) = self.peer.leg(party).map(|leg| leg.call_id.clone()) {
                    self.tell("XSILENT", &call_id, "", "", "");
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "Via: SIP/2.0/UDP 1.2.3.4;branch=z\r\nFrom: <sip:ann@x>;tag=1\r\nTo: <sip:desk@x>;tag=2\r\nCall-ID: c\r\n";

    fn of(first: &str, rest: &str) -> Option<Order> {
        translated(&format!("{first}\r\n{REST}{rest}"))
    }

    #[test]
    fn what_was_decided_is_told_and_the_rest_is_left_to_sipp() {
        let bye = of("BYE sip:a@b SIP/2.0", "CSeq: 3 BYE\r\nContact: <sip:ann@p>\r\nReason: Q.850\r\n\r\n")
            .unwrap();
        assert_eq!((bye.verb.as_str(), bye.call_id.as_str()), ("XBYE", "c"));
        assert_eq!((bye.fields.as_str(), bye.more.as_str()), ("\r\nReason: Q.850", ""));
        let redirect = "CSeq: 3 INVITE\r\nContact: <sip:ann@p>\r\nContact: <sip:cora@x>\r\n\r\n";
        let redirect = of("SIP/2.0 302 Moved", redirect).unwrap();
        assert_eq!(
            (redirect.verb.as_str(), redirect.fields.as_str()),
            ("XANSWER302", "\r\nContact: <sip:cora@x>")
        );
        assert_eq!(of("SIP/2.0 200 OK", "CSeq: 3 BYE\r\n\r\n"), None);
        assert_eq!(of("ACK sip:a@b SIP/2.0", "CSeq: 3 ACK\r\n\r\n"), None);
        assert!(of("ACK sip:a@b SIP/2.0", "CSeq: 3 ACK\r\n\r\nv=0").is_some());
    }

    #[test]
    fn a_new_call_names_its_parties_without_their_tags() {
        let text = "INVITE sip:t@p SIP/2.0\r\nFrom: \"A\" <sip:ann@x>;tag=1\r\nTo: <sip:desk@x>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
        let order = translated(text).unwrap();
        assert_eq!(order.verb, "XCALL");
        let more = "X-Target: sip:t@p\r\nX-From: \"A\" <sip:ann@x>\r\nX-To: <sip:desk@x>\r\nX-Late: yes\r\n";
        assert_eq!(order.more, more);
    }
}
