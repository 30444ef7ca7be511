//! A scripted phone: a user agent on a transaction layer.

use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Time, Transport};
use hookswitch_sip::auth::Credentials;
use hookswitch_sip::dialog::Dialog;
use hookswitch_sip::message::{Message, Method, Name, Request, Response};
use hookswitch_sip::transaction::{self, Layer, Received};
use hookswitch_sip::ua::{AccountId, Config, Indication, Invitation, LegId, UserAgent};
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
     m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// What a phone does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    Rings,
    Answers,
    Refuses(u16),
    Redirects(String),
}

pub(crate) struct Phone {
    pub(crate) user: String,
    /// What stands before its address in From.
    pub(crate) display: String,
    pub(crate) address: SocketAddr,
    pub(crate) flow: Flow,
    pub(crate) layer: Layer,
    pub(crate) agent: UserAgent,
    pub(crate) account: AccountId,
    pub(crate) contact: Arc<str>,
    pub(crate) manner: Manner,
    pub(crate) indications: Vec<Indication>,
    pub(crate) incoming: Vec<LegId>,
    /// All calls, in and out.
    pub(crate) legs: Vec<LegId>,
    /// How often it opened a new connection.
    pub(crate) connections: u32,
    /// Everything that arrived.
    pub(crate) heard: Vec<Message>,
    /// The next INVITE has no offer.
    pub(crate) late_offer: bool,
    /// Offers within a call are answered at once.
    pub(crate) answers_offers: bool,
    /// What a NOTIFY outside its calls is answered with; 0: nothing.
    pub(crate) notify_status: u16,
    /// It only listens: what it says is written by hand.
    pub(crate) silent: bool,
    /// What calls are answered with.
    pub(crate) answer_sdp: String,
    cseq: u32,
}

impl Phone {
    pub(crate) fn new(user: &str, password: &str, transport: Transport, number: u32) -> Self {
        let address = SocketAddr::from(([192, 0, 2, 10 + number as u8], 5060));
        let endpoint = Endpoint { id: EndpointId(1), transport, advertised: address };
        let mut entropy = Entropy::from_number(u64::from(number) + 1_000);
        let mut agent = UserAgent::new(
            Config { endpoints: vec![endpoint], largest_datagram: 60_000, ..Config::default() },
            entropy.fork(),
        );
        let account =
            agent.add_account(Credentials { username: user.into(), password: password.into(), realm: None });
        let (connection, suffix) = match transport {
            Transport::Udp => (0, ""),
            Transport::Tcp => (1, ";transport=tcp"),
        };
        Self {
            user: user.to_owned(),
            display: String::new(),
            address,
            flow: Flow { endpoint: EndpointId(1), connection, peer: super::world::SWITCH },
            layer: Layer::new(transaction::Config::default(), entropy),
            agent,
            account,
            contact: format!("sip:{user}@{address}{suffix}").into(),
            manner: Manner::Rings,
            indications: Vec::new(),
            incoming: Vec::new(),
            legs: Vec::new(),
            connections: 0,
            heard: Vec::new(),
            late_offer: false,
            answers_offers: true,
            notify_status: 200,
            silent: false,
            answer_sdp: SDP.to_owned(),
            cseq: 0,
        }
    }

    /// Registers this contact for so many seconds; 0: takes it back.
    pub(crate) fn register(&mut self, now: Time, expires: u32) {
        self.cseq += 10;
        let fields = format!("Contact: <{}>;expires={expires}", self.contact);
        self.register_with(now, self.cseq, &[&fields]);
    }

    /// Sends a REGISTER with these header fields.
    pub(crate) fn register_with(&mut self, now: Time, cseq: u32, fields: &[&str]) {
        let (user, contact) = (self.user.clone(), Arc::clone(&self.contact));
        let account = Some(self.account);
        self.agent
            .send_outside(now, &mut self.layer, self.flow, account, Method::Register, |via, by, branch| {
                let request = Request::new(Method::Register, "sip:example.org")
                    .via(via.via_name(), by, branch)
                    .max_forwards(70)
                    .header(Name::From, format_args!("<sip:{user}@example.org>;tag=r"))
                    .header(Name::To, format_args!("<sip:{user}@example.org>"))
                    .call_id(format_args!("register-{contact}"))
                    .cseq(cseq, Method::Register);
                let fields = fields.iter().filter_map(|field| field.split_once(": "));
                fields.fold(request, |request, (name, value)| request.header(Name::new(name), value)).finish()
            })
            .unwrap();
    }

    /// Sends a SUBSCRIBE; `to` is a user and, within a dialog, its tag.
    pub(crate) fn subscribe(&mut self, now: Time, to: &str, tag: &str, event: &str, expires: u32) {
        self.cseq += 10;
        let (user, contact, cseq) = (self.user.clone(), Arc::clone(&self.contact), self.cseq);
        let uri = format!("sip:{to}@example.org");
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let account = Some(self.account);
        self.agent
            .send_outside(now, &mut self.layer, self.flow, account, Method::Subscribe, |via, by, branch| {
                Request::new(Method::Subscribe, &uri)
                    .via(via.via_name(), by, branch)
                    .max_forwards(70)
                    .header(Name::From, format_args!("<sip:{user}@example.org>;tag=s"))
                    .header(Name::To, format_args!("<{uri}>{tag}"))
                    .call_id(format_args!("{to}-{event}-{contact}"))
                    .cseq(cseq, Method::Subscribe)
                    .header(Name::Contact, format_args!("<{contact}>"))
                    .header(Name::Event, event)
                    .header(Name::Expires, expires)
                    .finish()
            })
            .unwrap();
    }

    /// The NOTIFYs that came: Subscription-State and body.
    pub(crate) fn notified(&self) -> Vec<(String, String)> {
        let notifies = self.heard.iter().filter(|m| m.is_request() && m.method() == Method::Notify);
        let read = |m: &Message| {
            let state = m.header(Name::SubscriptionState).unwrap_or_default();
            (state.to_owned(), String::from_utf8(m.body().to_vec()).unwrap())
        };
        notifies.map(read).collect()
    }

    pub(crate) fn call(&mut self, now: Time, to: &str) -> LegId {
        self.call_with(now, to, Some(SDP), "")
    }

    pub(crate) fn call_with(&mut self, now: Time, to: &str, offer: Option<&str>, fields: &str) -> LegId {
        self.call_at(now, &format!("sip:{to}@example.org"), offer, fields)
    }

    /// Calls a URI.
    pub(crate) fn call_at(&mut self, now: Time, uri: &str, offer: Option<&str>, fields: &str) -> LegId {
        let from = format!("{}<sip:{}@example.org>", self.display, self.user);
        let invitation = Invitation {
            flow: self.flow,
            account: Some(self.account),
            uri,
            from: &from,
            to: &format!("<{uri}>"),
            contact: Arc::clone(&self.contact),
            fields,
            offer: offer.map(str::as_bytes),
        };
        let leg = self.agent.invite(now, &mut self.layer, &invitation).unwrap();
        self.legs.push(leg);
        leg
    }

    /// Any call that has a dialog.
    pub(crate) fn a_dialog(&self, chance: &mut Entropy) -> Option<(LegId, &Dialog)> {
        let all: Vec<_> = self.legs.iter().filter_map(|leg| Some((*leg, self.agent.dialog(*leg)?))).collect();
        let at = chance.below(all.len().max(1) as u64) as usize;
        all.into_iter().nth(at)
    }

    pub(crate) fn answer(&mut self, now: Time) -> LegId {
        let leg = *self.incoming.last().unwrap();
        let contact = Arc::clone(&self.contact);
        let sdp = self.answer_sdp.as_bytes();
        self.agent.accept(now, &mut self.layer, leg, contact, Some(self.account), sdp).unwrap();
        leg
    }

    pub(crate) fn hang_up(&mut self, now: Time, leg: LegId) {
        self.agent.hang_up(now, &mut self.layer, leg, None).unwrap();
    }

    pub(crate) fn receive(&mut self, now: Time, flow: Flow, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes, &Default::default()) else { return };
        if self.silent {
            return self.heard.push(message);
        }
        if message.is_request() && message.method() == Method::Notify {
            if let Received::Request(server) = self.layer.receive(now, flow, &message)
                && self.notify_status > 0
            {
                let response = Response::to(&message, self.notify_status).finish();
                self.layer.respond(now, server, self.notify_status, response).unwrap();
            }
            return self.heard.push(message);
        }
        let indication = self.agent.receive(now, &mut self.layer, flow, &message);
        self.heard.push(message.clone());
        self.react(now, indication, Some((flow, &message)));
    }

    pub(crate) fn timeout(&mut self, now: Time) {
        self.layer.timeout(now);
        while let Some(indication) = self.agent.timeout(now, &mut self.layer) {
            self.react(now, indication, None);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        [self.layer.next_timeout(), self.agent.next_timeout()].into_iter().flatten().min()
    }

    pub(crate) fn react(&mut self, now: Time, indication: Indication, message: Option<(Flow, &Message)>) {
        let contact = Arc::clone(&self.contact);
        let (agent, layer) = (&mut self.agent, &mut self.layer);
        match (&indication, message) {
            (Indication::None, _) => return,
            (Indication::Incoming(leg) | Indication::Replacing { leg, .. }, _) => {
                self.incoming.push(*leg);
                self.legs.push(*leg);
                match &self.manner {
                    Manner::Rings => agent.ring(now, layer, *leg, 180, &contact, None).unwrap(),
                    Manner::Answers => {
                        agent.accept(now, layer, *leg, contact, Some(self.account), SDP.as_bytes()).unwrap();
                    }
                    Manner::Refuses(status) => {
                        agent.reject(now, layer, *leg, *status, format_args!("")).unwrap();
                    }
                    Manner::Redirects(to) => {
                        let fields = format_args!(
                            "Contact: <{to}>\r\nDiversion: <sip:{}@example.org>;reason=unconditional\r\n",
                            self.user
                        );
                        agent.reject(now, layer, *leg, 302, fields).unwrap();
                    }
                }
            }
            (Indication::Answered(leg), Some((_, message))) => {
                // An offer in the 200 is answered in the ACK.
                assert!(message.status().is_some());
                let sdp = self.late_offer.then_some(SDP.as_bytes());
                self.agent.acknowledge(now, &mut self.layer, *leg, sdp).unwrap();
            }
            (Indication::Offered(leg), Some(_)) if self.answers_offers => {
                agent.answer_offer(now, layer, *leg, Some(SDP.as_bytes())).unwrap();
            }
            (Indication::Request(_, server), Some((flow, message))) => {
                let status = if message.method() == Method::Refer { 202 } else { 200 };
                agent.respond(now, layer, *server, flow, message, status, format_args!(""));
            }
            _ => {}
        }
        self.indications.push(indication);
    }

    pub(crate) fn count(&self, method: Method<'_>) -> usize {
        self.heard.iter().filter(|m| m.is_request() && m.method() == method).count()
    }

    /// The statuses of the final responses to a method, in order.
    pub(crate) fn finals(&self, method: Method<'_>) -> Vec<u16> {
        let responses = self.heard.iter().filter(|m| m.method() == method);
        responses.filter_map(Message::status).filter(|status| *status >= 200).collect()
    }

    pub(crate) fn last(&self, method: Method<'_>) -> &Message {
        self.heard.iter().rfind(|m| m.is_request() && m.method() == method).unwrap()
    }
}
