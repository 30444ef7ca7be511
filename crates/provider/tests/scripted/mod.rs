//! A provider with one trunk line, its switch played message by message, and its media threads by what they are told.
#![allow(dead_code, unreachable_pub)] // each suite uses its part

use bytes::Bytes;
use hookswitch_machine::*;
use hookswitch_media::control::{Command, Event as MediaEvent, MixId, MixPart, Port, PortId, StreamId};
use hookswitch_provider::*;
use hookswitch_sip::message::{Limits, Message, Name};
use hookswitch_sip::session_timer::Interval;
use hookswitch_spi::*;
use std::sync::Arc;
use std::time::Duration;

pub const LINE: LineId = LineId(0);

pub struct Rig {
    pub p: SipProvider,
    pub now: Time,
    pub sent: Vec<String>,
    pub events: Vec<ProviderEvent>,
    pub commands: Vec<Command>,
    flow: Flow,
    requests: u64,
    dialogs: u32,
    answered: Vec<String>,
    ports: u64,
}

/// A call that came in: what further requests of the caller need.
#[derive(Clone)]
pub struct Caller {
    pub call: CallId,
    number: u32,
    to: String,
    uri: String,
    cseq: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    State(CallId, StateKind),
    Completed(RequestId),
}

fn account(profile: Profile) -> Account {
    Account {
        name: "line".into(),
        permanent: 0,
        profile: Arc::new(profile),
        registrar: Server { host: "10.0.0.2".into(), port: Some(5060) },
        domain: "pbx.test".into(),
        user: "line".into(),
        auth_user: "line".into(),
        password: hookswitch_sip::auth::Secret::new("secret"),
        realm: None,
        display_name: String::new(),
        register: false,
        numbers: vec![],
        accept_from: vec![],
        max_calls: 20,
        media: MediaTypes::VOICE,
        forward: ForwardingRules::default(),
    }
}

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn branch(message: &Message) -> String {
    let via = message.header(Name::Via).unwrap_or_default();
    let branch = via.split("branch=").nth(1).unwrap_or_default();
    format!("{} {}", message.method().as_str(), branch.split(';').next().unwrap_or_default())
}

fn body(sdp: &str) -> String {
    if sdp.is_empty() {
        "Content-Length: 0\r\n\r\n".into()
    } else {
        format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Profile)) -> Self {
        let mut profile = Profile::default();
        change(&mut profile);
        Self::of(account(profile))
    }

    /// A line that carries fax as well.
    pub fn with_fax() -> Self {
        Self::of(Account { media: MediaTypes::VOICE.with(MediaType::Fax), ..account(Profile::default()) })
    }

    /// A line for so many calls.
    pub fn for_calls(max_calls: u32) -> Self {
        Self::of(Account { max_calls, ..account(Profile::default()) })
    }

    /// A line whose sessions live so many seconds without a refresh.
    pub fn refreshing(seconds: u32) -> Self {
        let interval = Interval { expires: seconds, ..Interval::default() };
        Self::timed(account(Profile::default()), Some(interval))
    }

    pub fn of(account: Account) -> Self {
        Self::timed(account, None)
    }

    fn timed(account: Account, session_timer: Option<Interval>) -> Self {
        let endpoint = Endpoint {
            id: EndpointId(1),
            transport: Transport::Udp,
            advertised: ([10, 0, 0, 1], 5060).into(),
        };
        let config = ProviderConfig { session_timer, ..ProviderConfig::new(vec![endpoint], vec![account]) };
        let mut rig = Self {
            p: SipProvider::new(config, Entropy::from_number(1)),
            now: Time::from_millis(1000),
            sent: vec![],
            events: vec![],
            commands: vec![],
            flow: Flow::to(EndpointId(1), ([10, 0, 0, 2], 5060).into()),
            requests: 0,
            dialogs: 0,
            answered: vec![],
            ports: 100,
        };
        let ports = (0..16u64)
            .map(|n| Port { id: PortId(n), rtp: ([10, 0, 0, 1], 20000 + 2 * n as u16).into() })
            .collect();
        rig.p.media_event(rig.now, MediaEvent::Stocked { ports });
        rig.p.initialise(rig.now, InterfaceVersion::V1).unwrap();
        rig.p.open_line(rig.now, LINE, InterfaceVersion::V1).unwrap();
        rig.drain();
        rig.events.clear();
        rig
    }

    pub fn drain(&mut self) {
        while let Some(event) = self.p.poll_event() {
            if let ProviderEvent::NewCall { call, .. } = event {
                self.p.take_call(self.now, call, true);
            }
            if !matches!(event, ProviderEvent::Recorded(_)) {
                self.events.push(event);
            }
        }
        while let Some(action) = self.p.poll_action() {
            match action {
                Output::Transmit { bytes, .. } => {
                    self.sent.push(String::from_utf8_lossy(&bytes).into_owned())
                }
                Output::Media(command) => {
                    if matches!(command, Command::Start { .. } | Command::Return { .. }) {
                        // There are always as many ports.
                        self.ports += 1;
                        let rtp = ([10, 0, 0, 1], 20_000 + 2 * (self.ports % 10_000) as u16).into();
                        let ports = vec![Port { id: PortId(self.ports), rtp }];
                        self.p.media_event(self.now, MediaEvent::Stocked { ports });
                    }
                    self.commands.push(command);
                }
                _ => {}
            }
        }
    }

    pub fn get(&mut self, text: String) {
        self.p.received(self.now, self.flow, Bytes::from(text));
        self.drain();
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.p.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.p.timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// The last message sent that begins so.
    pub fn last(&self, start: &str) -> Option<Message> {
        let text = self.sent.iter().rev().find(|text| text.starts_with(start))?;
        Message::parse(Bytes::from(text.clone()), &Limits::default()).ok()
    }

    /// Asks for something, which is accepted; its number, and the call that it creates.
    #[track_caller]
    pub fn ask(&mut self, operation: Operation) -> (RequestId, Option<CallId>) {
        self.requests += 1;
        let request = RequestId(self.requests);
        let created = self.p.submit(self.now, request, operation.clone());
        let created = created.unwrap_or_else(|error| panic!("{operation:?}: {error}"));
        self.drain();
        (request, created)
    }

    /// Asks for something, which is refused.
    #[track_caller]
    pub fn refused(&mut self, operation: Operation) -> OperationError {
        self.requests += 1;
        let result = self.p.submit(self.now, RequestId(self.requests), operation.clone());
        self.drain();
        let completed = |event: &ProviderEvent| matches!(event, ProviderEvent::Completed { request, .. } if request.0 == self.requests);
        assert!(!self.events.iter().any(completed), "refused and completed: {operation:?}");
        result.expect_err("it was accepted")
    }

    /// What a request completed with: exactly once.
    #[track_caller]
    pub fn result(&self, request: RequestId) -> Result<Outcome, OperationError> {
        let results: Vec<_> = self.results(request);
        assert_eq!(results.len(), 1, "{request} completed so often: {:#?}", self.events);
        results[0].clone()
    }

    pub fn results(&self, request: RequestId) -> Vec<Result<Outcome, OperationError>> {
        let of = |event: &ProviderEvent| match event {
            ProviderEvent::Completed { request: id, result } if *id == request => Some(result.clone()),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }

    #[track_caller]
    pub fn done(&mut self, operation: Operation) {
        let (request, _) = self.ask(operation);
        assert_eq!(self.result(request), Ok(Outcome::Done));
    }

    pub fn state(&self, call: CallId) -> StateKind {
        self.p.call_state(call).expect("the call exists").kind()
    }

    /// What was told since the last look: states of calls, and completions.
    pub fn told(&mut self) -> Vec<Told> {
        let events = std::mem::take(&mut self.events);
        let state = |event| match event {
            ProviderEvent::CallState { call, state, .. } => Some(Told::State(call, state.kind())),
            ProviderEvent::Completed { request, .. } => Some(Told::Completed(request)),
            _ => None,
        };
        events.into_iter().filter_map(state).collect()
    }

    fn caller_sends(&mut self, caller: &Caller, method: &str, fields: &str, rest: &str) {
        let Caller { number, to, uri, cseq, .. } = caller;
        self.get(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{number}x{method}{cseq}\r\n\
             From: <sip:c{number}@10.0.0.2>;tag=c{number}\r\nTo: {to}\r\nCall-ID: c{number}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\nContact: <sip:c{number}@10.0.0.2:5060>\r\n{fields}{rest}"
        ));
    }

    /// A call comes in.
    pub fn ring(&mut self, sdp: &str) -> Caller {
        self.ring_with("", sdp)
    }

    /// A call comes in with these header fields.
    pub fn ring_with(&mut self, fields: &str, sdp: &str) -> Caller {
        self.dialogs += 1;
        let number = self.dialogs;
        let caller = Caller {
            call: CallId(0),
            number,
            to: "<sip:line@10.0.0.1>".into(),
            uri: "sip:line@10.0.0.1".into(),
            cseq: 1,
        };
        let before = self.events.len();
        self.caller_sends(&caller, "INVITE", fields, &body(sdp));
        let new = |event: &ProviderEvent| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        };
        let call = self.events[before..].iter().find_map(new).expect("the call is announced");
        Caller { call, ..caller }
    }

    /// It is answered.
    pub fn answer(&mut self, caller: &mut Caller) {
        self.ask(Operation::answer(caller.call));
        self.acknowledge(caller);
        self.events.retain(|event| !matches!(event, ProviderEvent::CallInfo { .. }));
    }

    /// The caller acknowledges our 200.
    pub fn acknowledge(&mut self, caller: &mut Caller) {
        let ok = self.last("SIP/2.0 200").expect("a 200");
        caller.to = ok.header(Name::To).unwrap().to_owned();
        let of_contact =
            |line: &str| line.strip_prefix("Contact: <").map(|c| c.trim_end_matches('>').to_owned());
        let text = self.sent.iter().rev().find(|text| text.starts_with("SIP/2.0 200")).unwrap();
        caller.uri = text.lines().find_map(of_contact).unwrap();
        let caller = caller.clone();
        self.caller_sends(&caller, "ACK", "", "Content-Length: 0\r\n\r\n");
    }

    /// A call that came in and talks; its events are gone.
    pub fn talking(&mut self) -> Caller {
        let mut caller = self.ring(SDP);
        self.answer(&mut caller);
        assert_eq!(self.state(caller.call), StateKind::Connected);
        self.events.clear();
        self.commands.clear();
        self.sent.clear();
        caller
    }

    pub fn hangs_up(&mut self, caller: &mut Caller) {
        caller.cseq += 1;
        let caller = caller.clone();
        self.caller_sends(&caller, "BYE", "", "Content-Length: 0\r\n\r\n");
    }

    pub fn reinvites(&mut self, caller: &mut Caller, sdp: &str) {
        caller.cseq += 1;
        let caller = caller.clone();
        self.caller_sends(&caller, "INVITE", "", &body(sdp));
        let final_response = self.sent.iter().rev().find(|text| {
            text.contains(&format!("Call-ID: c{}\r\n", caller.number)) && !text.starts_with("SIP/2.0 1")
        });
        if final_response.is_some_and(|text| text.starts_with("SIP/2.0 200")) {
            self.caller_sends(&caller, "ACK", "", "Content-Length: 0\r\n\r\n");
        }
    }

    /// The caller sends us elsewhere.
    pub fn refers(&mut self, caller: &mut Caller, target: &str) {
        caller.cseq += 1;
        let caller = caller.clone();
        let fields = format!("Refer-To: <{target}>\r\n");
        self.caller_sends(&caller, "REFER", &fields, "Content-Length: 0\r\n\r\n");
    }

    pub fn info(&mut self, caller: &mut Caller, relay: &str) {
        caller.cseq += 1;
        let caller = caller.clone();
        let rest =
            format!("Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{relay}", relay.len());
        self.caller_sends(&caller, "INFO", "", &rest);
    }

    /// The switch answers our last request that begins so.
    #[track_caller]
    pub fn reply(&mut self, start: &str, status: &str, sdp: &str) {
        let text = self.sent.iter().rev().find(|text| text.starts_with(start));
        let text = text.unwrap_or_else(|| panic!("{start} was sent")).clone();
        self.reply_to(&text, status, sdp);
    }

    /// The switch answers a request of ours.
    pub fn reply_to(&mut self, request: &str, status: &str, sdp: &str) {
        let request = Message::parse(Bytes::from(request.to_owned()), &Limits::default()).expect("a message");
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            text += &format!("{name}: {}\r\n", request.header(Name::new(name)).unwrap());
        }
        let to = request.header(Name::To).unwrap();
        text += &format!("To: {to}{}\r\n", if to.contains("tag=") { "" } else { ";tag=peer" });
        if !status.starts_with('1') {
            self.answered.push(branch(&request));
        }
        self.get(text + "Contact: <sip:peer@10.0.0.2:5060>\r\n" + &body(sdp));
    }

    /// Requests of ours that have no final response, with their methods.
    pub fn open_requests(&self) -> Vec<(String, String)> {
        let mut open: Vec<(String, String, String)> = Vec::new();
        for text in self.sent.iter().filter(|text| !text.starts_with("SIP/2.0")) {
            let Ok(message) = Message::parse(Bytes::from(text.clone()), &Limits::default()) else { continue };
            let (branch, method) = (branch(&message), message.method().as_str().to_owned());
            let known = open.iter().any(|(_, _, other)| *other == branch);
            if method != "ACK" && !known && !self.answered.contains(&branch) {
                open.push((text.clone(), method, branch));
            }
        }
        open.into_iter().map(|(text, method, _)| (text, method)).collect()
    }

    /// The media threads report.
    pub fn hears(&mut self, event: MediaEvent) {
        self.p.media_event(self.now, event);
        self.drain();
    }

    pub fn presses(&mut self, call: CallId, digits: &str) {
        for digit in digits.chars() {
            let stream = StreamId(call.0);
            self.hears(MediaEvent::DigitBegun { stream, digit });
            self.hears(MediaEvent::Digit { stream, digit, duration: Duration::from_millis(100) });
        }
    }

    /// Who is in a mix, and how, as the media threads were told; by the numbers of the calls.
    pub fn mix(&self, conference: CallId) -> Vec<(CallId, MixPart)> {
        let mut members: Vec<(CallId, MixPart)> = Vec::new();
        for command in &self.commands {
            match command {
                Command::Mix { stream, mix, part } => {
                    members.retain(|(call, _)| call.0 != stream.0);
                    if *mix == Some(MixId(conference.0)) {
                        members.push((CallId(stream.0), *part));
                    }
                }
                Command::Stop { stream } => members.retain(|(call, _)| call.0 != stream.0),
                _ => {}
            }
        }
        members.sort_by_key(|(call, _)| *call);
        members
    }
}
