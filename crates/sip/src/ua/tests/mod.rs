//! User agents back to back over a wire in virtual time; packets to an address where no agent lives are for the test to answer.

mod any_order;
mod calls;
mod cost;
mod credentials;
mod ending;
mod extras;
mod forks;
mod loss;
mod offers;
mod replacing;
mod requests;
mod subscriptions;
mod timing;
mod within;

use super::{AccountId, Config, Indication, Invitation, LegId, UserAgent};
use crate::auth::Credentials;
use crate::message::{Limits, Message, Method, Response};
use crate::transaction::{self, Layer, Output, ServerId};
use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Time, Transport};
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const OFFER: &[u8] = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=offer\r\n";
pub(super) const ANSWER: &[u8] = b"v=0\r\no=- 2 1 IN IP4 10.0.0.2\r\ns=answer\r\n";
const LATENCY: Duration = Duration::from_millis(5);

/// Caller, callee, and an address where the test itself listens.
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;
pub(super) const RAW: usize = 8;

pub(super) fn address(n: usize) -> SocketAddr {
    ([10, 0, 0, n as u8 + 1], 5060).into()
}

/// A message on the wire.
pub(super) struct Seen {
    pub(super) at: Time,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) transport: Transport,
    pub(super) flow: Flow,
    pub(super) message: Message,
    pub(super) lost: bool,
}

impl Seen {
    /// `INVITE` or `200 INVITE`.
    pub(super) fn title(&self) -> String {
        title(&self.message)
    }
}

pub(super) fn title(message: &Message) -> String {
    match message.status() {
        Some(status) => format!("{status} {}", message.method()),
        None => message.method().to_string(),
    }
}

struct Packet {
    at: Time,
    serial: u64,
    to: usize,
    flow: Flow,
    bytes: Bytes,
}

/// An agent, its layer and what its user would do by itself.
pub(super) struct Side {
    pub(super) ua: UserAgent,
    pub(super) layer: Layer,
    pub(super) told: Vec<(Time, Indication)>,
    /// The body of the message that came with the latest indication.
    pub(super) body: Vec<u8>,
    /// Requests outside any session that are to be answered.
    pub(super) asked: Vec<(ServerId, Message)>,
    /// Sends the ACK at once; with an answer if the 2xx holds a body and the INVITE held none.
    pub(super) acknowledges: bool,
    pub(super) answer_in_ack: bool,
    /// Answers re-INVITE and UPDATE at once.
    pub(super) answers_offers: bool,
    tcp: bool,
}

type Loss = Box<dyn FnMut(&Seen) -> bool>;

pub(super) struct Net {
    pub(super) now: Time,
    pub(super) sides: Vec<Side>,
    pub(super) seen: Vec<Seen>,
    pub(super) lose: Loss,
    wire: Vec<Packet>,
    serial: u64,
}

impl Net {
    pub(super) fn new() -> Self {
        Self::with(Config::default(), transaction::Config::default())
    }

    pub(super) fn with(config: Config, transactions: transaction::Config) -> Self {
        let sides = [A, B].map(|n| {
            let endpoint = |id, transport| Endpoint { id: EndpointId(id), transport, advertised: address(n) };
            let config = Config {
                shard: n as u16 + 1,
                endpoints: vec![endpoint(0, Transport::Udp), endpoint(1, Transport::Tcp)],
                ..config.clone()
            };
            let mut entropy = Entropy::from_number(n as u64 + 7);
            Side {
                layer: Layer::new(transactions, entropy.fork()),
                ua: UserAgent::new(config, entropy),
                told: Vec::new(),
                body: Vec::new(),
                asked: Vec::new(),
                acknowledges: true,
                answer_in_ack: false,
                answers_offers: true,
                tcp: true,
            }
        });
        Self {
            now: Time::from_millis(1_000),
            sides: sides.into(),
            seen: Vec::new(),
            lose: Box::new(|_| false),
            wire: Vec::new(),
            serial: 0,
        }
    }

    pub(super) fn refuse_tcp(&mut self, side: usize) {
        self.sides[side].tcp = false;
    }

    pub(super) fn flow(to: usize) -> Flow {
        Flow::to(EndpointId(0), address(to))
    }

    pub(super) fn account(&mut self, side: usize, password: &str) -> AccountId {
        self.sides[side].ua.add_account(Credentials {
            username: "alice".into(),
            password: password.into(),
            realm: Some("pbx".into()),
        })
    }

    /// Does something as the user of an agent.
    pub(super) fn act<T>(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut UserAgent, &mut Layer, Time) -> T,
    ) -> T {
        let now = self.now;
        let this = &mut self.sides[side];
        let done = act(&mut this.ua, &mut this.layer, now);
        self.flush(side);
        done
    }

    pub(super) fn invite_to(&mut self, to: usize, account: Option<AccountId>, offer: Option<&[u8]>) -> LegId {
        self.invite_with(A, to, account, offer, "").expect("room")
    }

    pub(super) fn invite_with(
        &mut self,
        from: usize,
        to: usize,
        account: Option<AccountId>,
        offer: Option<&[u8]>,
        fields: &str,
    ) -> Result<LegId, super::LegError> {
        let uri = format!("sip:bob@{}", address(to));
        self.act(from, |ua, layer, now| {
            let invitation = Invitation {
                flow: Self::flow(to),
                account,
                uri: &uri,
                from: "\"Alice\" <sip:alice@example.com>",
                to: "<sip:bob@example.com>",
                contact: format!("sip:alice@{}", address(from)).into(),
                fields,
                offer,
            };
            ua.invite(now, layer, &invitation)
        })
    }

    pub(super) fn accept(&mut self, side: usize, leg: LegId) -> Result<(), super::LegError> {
        let contact = format!("sip:bob@{}", address(side)).into();
        self.act(side, |ua, layer, now| ua.accept(now, layer, leg, contact, None, ANSWER))
    }

    pub(super) fn hang_up(&mut self, side: usize, leg: LegId) -> Result<(), super::LegError> {
        self.act(side, |ua, layer, now| ua.hang_up(now, layer, leg, None))
    }

    pub(super) fn offer(&mut self, side: usize, leg: LegId) -> Result<(), super::LegError> {
        self.act(side, |ua, layer, now| ua.offer(now, layer, leg, OFFER))
    }

    /// A call from A to B, confirmed on both sides.
    pub(super) fn call(&mut self) -> (LegId, LegId) {
        let a = self.invite_to(B, None, Some(OFFER));
        self.run(20);
        let b = self.incoming(B);
        self.accept(B, b).expect("invited");
        self.run(100);
        assert_eq!(self.last(A), Indication::Answered(a));
        assert_eq!(self.last(B), Indication::Confirmed(b));
        (a, b)
    }

    /// A call from A to the test, whose 200 has the tag `raw` and is acknowledged; the INVITE.
    pub(super) fn call_raw(&mut self, account: Option<AccountId>) -> (LegId, Message) {
        let a = self.invite_to(RAW, account, Some(OFFER));
        self.run(20);
        let invite = self.latest(RAW, "INVITE");
        self.reply(&invite, 200, "raw", ANSWER);
        self.run(20);
        assert_eq!(self.last(A), Indication::Answered(a));
        (a, invite)
    }

    /// A call from the test to A, from tag `raw`, accepted and acknowledged; our tag.
    pub(super) fn call_from_raw(&mut self) -> (LegId, String) {
        self.inject(A, &request("INVITE", "first", None, 10, "", OFFER));
        let leg = self.incoming(A);
        self.accept(A, leg).expect("invited");
        self.run(20);
        let tag = self.latest(RAW, "200 INVITE").to_tag().expect("a tag").to_owned();
        self.inject(A, &request("ACK", "second", Some(&tag), 10, "", b""));
        assert_eq!(self.last(A), Indication::Confirmed(leg));
        (leg, tag)
    }

    /// The session that came last.
    pub(super) fn incoming(&self, side: usize) -> LegId {
        let told = self.sides[side].told.iter().rev();
        told.filter_map(|(_, told)| match told {
            Indication::Incoming(leg) => Some(*leg),
            _ => None,
        })
        .next()
        .expect("an incoming call")
    }

    /// The latest indication.
    pub(super) fn last(&self, side: usize) -> Indication {
        self.sides[side].told.last().map_or(Indication::None, |(_, told)| told.clone())
    }

    pub(super) fn told(&self, side: usize) -> Vec<Indication> {
        self.sides[side].told.iter().map(|(_, told)| told.clone()).collect()
    }

    /// A message to an agent from the test's address.
    pub(super) fn inject(&mut self, to: usize, bytes: &[u8]) {
        let message = Message::parse(Bytes::copy_from_slice(bytes), &Limits::default())
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)));
        self.deliver(to, Self::flow(RAW), &message);
    }

    /// A response of the test.
    pub(super) fn reply(&mut self, request: &Message, status: u16, tag: &str, body: &[u8]) {
        let contact = format!("<sip:raw@{}>", address(RAW));
        let response =
            Response::to(request, status).to_tag(tag).header(crate::message::Name::Contact, contact);
        let bytes = match body {
            [] => response.finish(),
            body => response.body("application/sdp", body).finish(),
        };
        self.inject(A, &bytes);
    }

    /// The latest message to an address with a title like `INVITE` or `200 INVITE`.
    pub(super) fn latest(&self, to: usize, wanted: &str) -> Message {
        let mut all = self.seen.iter().rev().filter(|seen| seen.to == to && seen.title() == wanted);
        all.next().unwrap_or_else(|| panic!("no {wanted} among {:?}", self.titles())).message.clone()
    }

    pub(super) fn count(&self, from: usize, wanted: &str) -> usize {
        self.seen.iter().filter(|seen| seen.from == from && seen.title() == wanted).count()
    }

    pub(super) fn titles(&self) -> Vec<String> {
        self.seen.iter().map(|seen| format!("{}>{} {}", seen.from, seen.to, seen.title())).collect()
    }

    /// When messages of this title left.
    pub(super) fn times(&self, from: usize, wanted: &str) -> Vec<u64> {
        let all = self.seen.iter().filter(|seen| seen.from == from && seen.title() == wanted);
        all.map(|seen| seen.at.as_millis()).collect()
    }

    pub(super) fn run(&mut self, millis: u64) {
        self.run_until(self.now + Duration::from_millis(millis));
    }

    /// Runs until nothing is left to happen, and checks that nothing is left over.
    pub(super) fn drain(&mut self) {
        self.run_until(self.now + Duration::from_secs(600));
        for (n, side) in self.sides.iter().enumerate() {
            let left = (side.ua.live_legs(), side.ua.live_requests(), side.ua.live_timers());
            assert_eq!(left, (0, 0, 0), "legs, requests, timers of {n} after {:?}", self.sides[n].told);
            assert!(side.layer.is_idle(), "{:?}", side.layer.counts());
            assert_eq!((side.ua.live_invitations(), side.ua.live_subscriptions()), (0, 0));
        }
    }

    fn run_until(&mut self, end: Time) {
        loop {
            let wire = self.wire.iter().map(|packet| packet.at).min();
            let timers = self.sides.iter().flat_map(|s| [s.layer.next_timeout(), s.ua.next_timeout()]);
            let next = timers.flatten().chain(wire).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => break,
            }
            self.step();
        }
        self.now = end;
    }

    fn step(&mut self) {
        let now = self.now;
        let due = |packet: &Packet| packet.at <= now;
        while let Some(at) = self
            .wire
            .iter()
            .enumerate()
            .filter(|(_, packet)| due(packet))
            .min_by_key(|(_, packet)| (packet.at, packet.serial))
            .map(|(at, _)| at)
        {
            let packet = self.wire.swap_remove(at);
            let message = Message::parse(packet.bytes, &Limits::default()).expect("what an agent writes");
            self.deliver(packet.to, packet.flow, &message);
        }
        for side in 0..self.sides.len() {
            let this = &mut self.sides[side];
            this.layer.timeout(now);
            self.flush(side);
            while let Some(told) = {
                let this = &mut self.sides[side];
                this.ua.timeout(now, &mut this.layer)
            } {
                self.tell(side, told, None);
            }
            self.flush(side);
        }
    }

    fn deliver(&mut self, to: usize, flow: Flow, message: &Message) {
        if to >= self.sides.len() {
            return;
        }
        let now = self.now;
        let this = &mut self.sides[to];
        let told = this.ua.receive(now, &mut this.layer, flow, message);
        self.tell(to, told, Some(message));
        self.flush(to);
    }

    fn tell(&mut self, side: usize, told: Indication, message: Option<&Message>) {
        if told == Indication::None {
            return;
        }
        let now = self.now;
        let this = &mut self.sides[side];
        this.told.push((now, told.clone()));
        this.body = message.map(|message| message.body().to_vec()).unwrap_or_default();
        match told {
            Indication::Answered(leg) if this.acknowledges => {
                let answer = this.answer_in_ack.then_some(ANSWER);
                this.ua.acknowledge(now, &mut this.layer, leg, answer).expect("just answered");
            }
            Indication::Offered(leg) if this.answers_offers => {
                let body = message.is_some_and(|m| m.method() == Method::Invite || !m.body().is_empty());
                let answer = body.then_some(ANSWER);
                this.ua.answer_offer(now, &mut this.layer, leg, answer).expect("just offered");
            }
            Indication::OutOfDialog(server) => this.asked.extend(message.map(|m| (server, m.clone()))),
            Indication::Request(_, server) => {
                let (flow, message) = (Self::flow(1 - side.min(1)), message.expect("a request"));
                this.ua.respond(now, &mut this.layer, server, flow, message, 200, format_args!(""));
            }
            _ => {}
        }
    }

    fn flush(&mut self, side: usize) {
        while let Some(output) = self.sides[side].layer.poll() {
            match output {
                Output::Transmit { flow, bytes } => self.transmit(side, flow, bytes),
                other => {
                    let now = self.now;
                    let this = &mut self.sides[side];
                    let told = this.ua.transaction_event(now, &mut this.layer, &other);
                    self.tell(side, told, None);
                }
            }
        }
    }

    fn transmit(&mut self, from: usize, flow: Flow, bytes: Bytes) {
        let to = (0..10).find(|n| address(*n).ip() == flow.peer.ip()).unwrap_or(RAW);
        let message = Message::parse(bytes.clone(), &Limits::default())
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
        let stream = flow.endpoint == EndpointId(1);
        let transport = if stream { Transport::Tcp } else { Transport::Udp };
        let mut seen = Seen { at: self.now, from, to, transport, flow, message, lost: false };
        seen.lost = (self.lose)(&seen);
        let lost = seen.lost;
        self.seen.push(seen);
        if stream && self.sides.get(to).is_some_and(|side| !side.tcp) {
            let now = self.now;
            self.sides[from].layer.flow_closed(now, flow);
            return;
        }
        if lost {
            return;
        }
        self.serial += 1;
        let came = Flow { peer: address(from), connection: u32::from(stream), endpoint: flow.endpoint };
        self.wire.push(Packet { at: self.now + LATENCY, serial: self.serial, to, flow: came, bytes });
    }
}

/// A request of the test in its call with the Call-ID `raw-call`. Requests of one branch are one transaction.
pub(super) fn request(
    method: &str,
    branch: &str,
    to_tag: Option<&str>,
    cseq: u32,
    fields: &str,
    body: &[u8],
) -> Vec<u8> {
    let to_tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let mut text = format!(
        "{method} sip:alice@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:raw@example.com>;tag=raw\r\nTo: <sip:alice@example.com>{to_tag}\r\nCall-ID: raw-call\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:raw@{}>\r\n{fields}{kind}Content-Length: {}\r\n\r\n",
        address(A),
        address(RAW),
        address(RAW),
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(body);
    text
}
