//! A provider with one line and a scripted peer on the other end of its wire, message by message and in virtual time.

#![allow(dead_code)] // each test file uses its part

use bytes::Bytes;
use hookswitch_machine::*;
use hookswitch_media::control::{Command, Event as MediaEvent, Port, PortId};
use hookswitch_provider::*;
use hookswitch_sip::message::{Limits, Message, Name};
use hookswitch_spi::*;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const LINE: LineId = LineId(0);
pub(crate) const FIRST: AddressId = AddressId(0);

/// A line that is not registered, or is, with the switch at `host`.
pub(crate) fn account(host: &str, register: bool) -> Account {
    Account {
        name: "line".into(),
        permanent: 0,
        profile: Arc::new(Profile::default()),
        registrar: Server { host: host.into(), port: Some(5060) },
        domain: "pbx.test".into(),
        user: "line".into(),
        auth_user: "line".into(),
        password: hookswitch_sip::auth::Secret::new("secret"),
        realm: None,
        display_name: String::new(),
        register,
        numbers: vec![],
        accept_from: vec![],
        max_calls: 20,
        media: MediaTypes::VOICE,
        forward: ForwardingRules::default(),
    }
}

/// A trunk whose switch is the peer, with a changed profile.
pub(crate) fn trunk(change: impl FnOnce(&mut Profile)) -> Account {
    let mut account = account("10.0.0.2", false);
    let mut profile = (*account.profile).clone();
    change(&mut profile);
    account.profile = profile.into();
    account
}

pub(crate) struct Rig {
    pub(crate) p: SipProvider,
    pub(crate) now: Time,
    /// What was sent, as text.
    pub(crate) sent: Vec<String>,
    /// What was asked of the media threads.
    pub(crate) media: Vec<Command>,
    pub(crate) events: Vec<ProviderEvent>,
    pub(crate) queries: Vec<QueryId>,
    pub(crate) flow: Flow,
    requests: u64,
    branches: u32,
}

impl Rig {
    pub(crate) fn new(a: Account) -> Self {
        let e = Endpoint {
            id: EndpointId(1),
            transport: Transport::Udp,
            advertised: ([10, 0, 0, 1], 5060).into(),
        };
        let p = SipProvider::new(ProviderConfig::new(vec![e], vec![a]), Entropy::from_number(1));
        let mut r = Self {
            p,
            now: Time::from_millis(1000),
            sent: vec![],
            media: vec![],
            events: vec![],
            queries: vec![],
            flow: Flow::to(EndpointId(1), ([10, 0, 0, 2], 5060).into()),
            requests: 100,
            branches: 0,
        };
        let ports = (0..16u64)
            .map(|n| Port { id: PortId(n), rtp: ([10, 0, 0, 1], 20000 + 2 * n as u16).into() })
            .collect();
        r.p.media_event(r.now, MediaEvent::Stocked { ports });
        r.p.initialise(r.now, InterfaceVersion::V1).unwrap();
        r.p.open_line(r.now, LINE, InterfaceVersion::V1).unwrap();
        r.drain();
        r
    }

    pub(crate) fn drain(&mut self) {
        while let Some(e) = self.p.poll_event() {
            if let ProviderEvent::NewCall { call, .. } = e {
                self.p.take_call(self.now, call, true);
            }
            if !matches!(e, ProviderEvent::Recorded(_)) {
                self.events.push(e);
            }
        }
        while let Some(a) = self.p.poll_action() {
            match a {
                Output::Transmit { bytes, .. } => {
                    self.sent.push(String::from_utf8_lossy(&bytes).into_owned())
                }
                Output::Resolve { query, .. } => self.queries.push(query),
                Output::Media(command) => self.media.push(command),
                _ => {}
            }
        }
    }

    pub(crate) fn get(&mut self, text: String) {
        self.p.received(self.now, self.flow, Bytes::from(text));
        self.drain();
    }

    pub(crate) fn run(&mut self, d: Duration) {
        let end = self.now + d;
        while let Some(t) = self.p.next_timeout().filter(|t| *t <= end) {
            self.now = self.now.max(t);
            self.p.timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The last message that begins so.
    pub(crate) fn last(&self, start: &str) -> Option<Message> {
        let t = self.sent.iter().rev().find(|t| t.starts_with(start))?;
        Message::parse(Bytes::from(t.clone()), &Limits::default()).ok()
    }

    /// How many messages begin so.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.sent.iter().filter(|text| text.starts_with(start)).count()
    }

    /// Asks for something that is accepted; the number of the request, and the call that it creates.
    pub(crate) fn ask(&mut self, operation: Operation) -> (RequestId, Option<CallId>) {
        self.requests += 1;
        let id = RequestId(self.requests);
        let text = format!("{operation:?}");
        let created = self.p.submit(self.now, id, operation);
        self.drain();
        (id, created.unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    /// Asks for something that is refused at once.
    pub(crate) fn refused(&mut self, operation: Operation) -> OperationError {
        self.requests += 1;
        let refused = self.p.submit(self.now, RequestId(self.requests), operation);
        self.drain();
        refused.expect_err("the request was accepted")
    }

    /// What a request completed with.
    pub(crate) fn result(&self, id: RequestId) -> Option<Result<Outcome, OperationError>> {
        let mut found = self.events.iter().filter_map(|event| match event {
            ProviderEvent::Completed { request, result } if *request == id => Some(result.clone()),
            _ => None,
        });
        let first = found.next();
        assert!(found.next().is_none(), "{id} completed twice");
        first
    }

    /// The states that were told of a call.
    pub(crate) fn states(&self, id: CallId) -> Vec<StateKind> {
        self.events
            .iter()
            .filter_map(|event| match event {
                ProviderEvent::CallState { call, state, .. } if *call == id => Some(state.kind()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn state(&self, id: CallId) -> StateKind {
        self.p.call_state(id).map_or(StateKind::Idle, |state| state.kind())
    }

    /// How a call ended, as it was told.
    pub(crate) fn end(&self, id: CallId) -> Option<Disconnect> {
        self.events.iter().find_map(|event| match event {
            ProviderEvent::CallState { call, state: CallState::Disconnected(end), .. } if *call == id => {
                Some(end.clone())
            }
            _ => None,
        })
    }

    pub(crate) fn make(&mut self, destination: &str) -> (RequestId, CallId) {
        self.make_with(destination, CallOptions::default())
    }

    pub(crate) fn make_with(&mut self, destination: &str, options: CallOptions) -> (RequestId, CallId) {
        let destination = destination.into();
        let (id, call) = self.ask(Operation::MakeCall { line: LINE, address: FIRST, destination, options });
        (id, call.expect("the new call"))
    }

    /// Answers the last request of this kind that was sent.
    pub(crate) fn reply(&mut self, method: &str, status: &str, sdp: &str) {
        let request = self.last(method).unwrap_or_else(|| panic!("no {method} was sent: {:#?}", self.sent));
        self.get(reply(&request, status, sdp));
    }

    /// A call of ours that is answered by the peer with this tag.
    pub(crate) fn talking_to(&mut self, destination: &str, tag: &str) -> CallId {
        let (_, call) = self.make(destination);
        self.peer_answers(tag);
        assert_eq!(self.state(call), StateKind::Connected);
        call
    }

    /// The peer answers the last INVITE with this tag.
    pub(crate) fn peer_answers(&mut self, tag: &str) {
        let invite = self.last("INVITE").expect("an INVITE");
        self.get(reply(&invite, "200 OK", SDP).replace(";tag=peer", &format!(";tag={tag}")));
    }

    /// An INVITE of a peer with these further header fields, from `<sip:{from}>`. Its Call-ID is the user's name.
    pub(crate) fn invite(&mut self, from: &str, more: &str) {
        let text = invitation(from, more);
        self.get(text);
    }

    /// A call that was offered.
    pub(crate) fn offered(&mut self, from: &str, more: &str) -> CallId {
        self.invite(from, more);
        self.last_new().expect("a call was announced")
    }

    pub(crate) fn last_new(&self) -> Option<CallId> {
        self.events.iter().rev().find_map(|event| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        })
    }

    /// A call that came in, was answered, and is up.
    pub(crate) fn answered(&mut self, from: &str) -> CallId {
        let call = self.offered(from, "");
        self.ask(Operation::answer(call));
        self.acknowledge(from);
        assert_eq!(self.state(call), StateKind::Connected);
        call
    }

    /// The caller acknowledges our 200.
    pub(crate) fn acknowledge(&mut self, from: &str) {
        self.caller_sends(from, "ACK", 1, "");
    }

    /// The peer of a call that it made sends a request within it.
    pub(crate) fn caller_sends(&mut self, from: &str, method: &str, cseq: u32, more: &str) {
        let user = from.split('@').next().unwrap_or_default();
        let call_id = format!("Call-ID: {user}\r\n");
        let ours = self.sent.iter().rev().find(|text| {
            text.starts_with("SIP/2.0 200") && text.contains(&call_id) && text.contains("INVITE")
        });
        let ok = Message::parse(Bytes::from(ours.expect("our 200").clone()), &Limits::default()).unwrap();
        let to = ok.header(Name::To).unwrap().to_owned();
        let uri = ok.contact().unwrap().uri().as_str().to_owned();
        self.branches += 1;
        let n = self.branches;
        let end = if more.contains("\r\n\r\n") { "" } else { "Content-Length: 0\r\n\r\n" };
        self.get(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKw{n}\r\n\
             From: <sip:{from}>;tag={user}\r\nTo: {to}\r\nCall-ID: {user}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\nContact: <sip:{user}@10.0.0.2:5060>\r\n{more}{end}"
        ));
    }

    /// The peer of a call that we made sends a request within it. `tag` is its own.
    pub(crate) fn callee_sends(&mut self, tag: &str, method: &str, cseq: u32, more: &str) {
        let sent = format!(";tag={tag}\r\n");
        let ack = self.sent.iter().rev().find(|text| text.starts_with("ACK") && text.contains(&sent));
        let ack = Message::parse(Bytes::from(ack.expect("our ACK").clone()), &Limits::default()).unwrap();
        let header = |name: Name| ack.header(name).unwrap().to_owned();
        let uri = "sip:line@10.0.0.1:5060";
        self.branches += 1;
        let n = self.branches;
        let end = if more.contains("\r\n\r\n") { "" } else { "Content-Length: 0\r\n\r\n" };
        self.get(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKx{n}\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\nContact: <sip:peer@10.0.0.2:5060>\r\n{more}{end}",
            header(Name::To),
            header(Name::From),
            ack.call_id()
        ));
    }

    /// The session is answered again: the last re-INVITE gets a 200 of this direction.
    pub(crate) fn holds(&mut self, direction: &str) {
        self.reply("INVITE", "200 OK", &format!("{}a={direction}\r\n", SDP.replace("1 1 IN", "1 2 IN")));
    }

    pub(crate) fn info(&self, id: CallId) -> CallInfo {
        self.p.call_info(id).expect("the call")
    }
}

pub(crate) fn invitation(from: &str, more: &str) -> String {
    let user = from.split('@').next().unwrap_or_default();
    format!(
        "INVITE sip:line@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKi{user}\r\n\
         From: <sip:{from}>;tag={user}\r\nTo: <sip:line@10.0.0.1>\r\nCall-ID: {user}\r\nCSeq: 1 INVITE\r\n\
         Max-Forwards: 70\r\nContact: <sip:{user}@10.0.0.2:5060>\r\n{more}{}",
        body(SDP)
    )
}

pub(crate) const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n";

pub(crate) fn body(sdp: &str) -> String {
    if sdp.is_empty() {
        "Content-Length: 0\r\n\r\n".into()
    } else {
        format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
    }
}

/// A NOTIFY of the subscription that a SUBSCRIBE asked for.
pub(crate) fn notify_of(subscribe: &Message, n: u64, state: &str, kind: &str, text: &str) -> String {
    let header = |name: Name| subscribe.header(name).unwrap().to_owned();
    format!(
        "NOTIFY {} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKn{n}\r\nFrom: {};tag=watch\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: {n} NOTIFY\r\nMax-Forwards: 70\r\nContact: <sip:watch@10.0.0.2:5060>\r\n\
         Event: {}\r\nSubscription-State: {state}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}",
        subscribe.contact().unwrap().uri(),
        header(Name::To).split(";tag=").next().unwrap(),
        header(Name::From),
        subscribe.call_id(),
        header(Name::Event),
        text.len(),
    )
}

/// A dialog-info document with these dialogs.
pub(crate) fn dialog_info(version: u64, dialogs: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"full\" entity=\"sip:door@pbx.test\">{dialogs}</dialog-info>"
    )
}

/// A dialog that alerts, and could be taken over.
pub(crate) const RINGS: &str = "<dialog id=\"d1\" call-id=\"c7@h\" local-tag=\"station\" remote-tag=\"caller\" \
     direction=\"recipient\"><state>early</state><remote><identity display=\"Ann\">sip:ann@pbx.test</identity>\
     <target uri=\"sip:ann@10.0.0.2:5060\"/></remote></dialog>";

pub(crate) fn reply(req: &Message, status: &str, sdp: &str) -> String {
    let mut s = format!("SIP/2.0 {status}\r\n");
    for n in ["Via", "From", "Call-ID", "CSeq"] {
        s += &format!("{n}: {}\r\n", req.header(Name::new(n)).unwrap());
    }
    let to = req.header(Name::To).unwrap();
    s += &format!("To: {to}{}\r\n", if to.contains("tag=") { "" } else { ";tag=peer" });
    s + "Contact: <sip:peer@10.0.0.2:5060>\r\n" + &body(sdp)
}

/// A call of Bob's that is up, with our To and the URI of our Contact.
pub(crate) fn up(r: &mut Rig) -> (CallId, String, String) {
    r.get(format!("INVITE sip:line@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa1\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: <sip:line@10.0.0.1>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\n{}", body(SDP)));
    let id = r.last_new().unwrap();
    r.p.submit(r.now, RequestId(1), Operation::answer(id)).unwrap();
    r.drain();
    let ok = r.last("SIP/2.0 200").unwrap();
    let to = ok.header(Name::To).unwrap().to_owned();
    let uri = ok.contact().unwrap().uri().as_str().to_owned();
    within(r, "ACK", &uri, &to, 1, "z9hG4bKa2", "");
    (id, to, uri)
}

pub(crate) fn within(r: &mut Rig, m: &str, uri: &str, to: &str, n: u32, br: &str, sdp: &str) {
    r.get(format!("{m} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch={br}\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: {n} {m}\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\n{}", body(sdp)));
}
