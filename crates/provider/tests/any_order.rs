//! Operations in any order against a peer that answers as it likes: whatever happens, requests complete once, events fit their calls, and
//! nothing is left.

mod common;

use bytes::Bytes;
use common::*;
use hookswitch_machine::Entropy;
use hookswitch_sip::message::{Limits, Message, Name};
use hookswitch_spi::StateKind as S;
use hookswitch_spi::*;
use std::collections::BTreeMap;
use std::time::Duration;

struct Play {
    r: Rig,
    chance: Entropy,
    calls: Vec<CallId>,
    /// Accepted requests, and whether they have completed.
    asked: BTreeMap<RequestId, bool>,
    created: BTreeMap<RequestId, CallId>,
    /// Requests of ours that wait for an answer.
    waiting: Vec<Message>,
    /// Dialogs: Call-ID, the peer's From, our To.
    dialogs: Vec<(String, String, String)>,
    seen: usize,
    heard: usize,
    next: u64,
    story: Vec<String>,
    last: BTreeMap<CallId, S>,
    /// Held calls and their consultation calls.
    partners: Vec<(CallId, CallId)>,
    /// What happened, and how often.
    covered: BTreeMap<String, u32>,
    closed: Vec<CallId>,
    completions: Vec<CompletionId>,
    /// What they subscribed to.
    watched: Vec<Message>,
    /// The line was taken out of service.
    off: bool,
    /// The version of the extension that is selected.
    extension: ExtensionVersion,
}

const BY_REPLY: [(&str, u64); 7] = [
    ("100 Trying", 3),
    ("180 Ringing", 4),
    ("200 OK", 20),
    ("486 Busy Here", 1),
    ("503 Service Unavailable", 1),
    ("491 Request Pending", 1),
    ("481 Call/Transaction Does Not Exist", 1),
];

impl Play {
    fn new(seed: u64) -> Self {
        let mut chance = Entropy::from_number(seed);
        let account = hookswitch_provider::Account {
            max_calls: 4,
            register: chance.chance(1, 3),
            ..trunk(|p| {
                p.refer = chance.chance(1, 2);
                p.reconnect = chance.chance(1, 2);
                p.answer_mode =
                    [AnswerMode::None, AnswerMode::Hold, AnswerMode::Drop][chance.below(3) as usize];
                p.dialog_events = chance.chance(1, 2);
                p.park = chance.chance(1, 2);
                p.park_finder = "park".into();
                p.pickup_prefix = ["", "*8"][chance.below(2) as usize].into();
                p.accept_referrals = hookswitch_provider::AcceptReferrals::Any;
            })
        };
        let mut r = Rig::new(account);
        r.p.detect_status(LINE, Set::ALL).unwrap();
        let mut this = Self {
            r,
            chance,
            calls: Vec::new(),
            asked: BTreeMap::new(),
            created: BTreeMap::new(),
            waiting: Vec::new(),
            dialogs: Vec::new(),
            seen: 0,
            heard: 0,
            next: 1_000,
            story: Vec::new(),
            last: BTreeMap::new(),
            covered: BTreeMap::new(),
            partners: Vec::new(),
            closed: Vec::new(),
            completions: Vec::new(),
            watched: Vec::new(),
            off: false,
            extension: ExtensionVersion::NONE,
        };
        this.note();
        this
    }

    fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { of.get(self.chance.below(of.len() as u64) as usize).cloned() }
    }

    fn note(&mut self) {
        let mut registers = Vec::new();
        let sent: Vec<String> = self.r.sent.iter().skip(self.seen).cloned().collect();
        for text in sent {
            self.story.push(format!("> {}", text.lines().next().unwrap_or_default()));
            let Ok(message) = Message::parse(Bytes::from(text), &Limits::default()) else { continue };
            match (message.status(), message.method().as_str()) {
                (None, "ACK") => self.dialogs.push((
                    message.call_id().into(),
                    message.header(Name::To).unwrap().into(),
                    message.header(Name::From).unwrap().into(),
                )),
                (None, "REGISTER") => registers.push(message),
                (None, _) => self.waiting.push(message),
                (Some(200), "INVITE") => self.dialogs.push((
                    message.call_id().into(),
                    message.header(Name::From).unwrap().into(),
                    message.header(Name::To).unwrap().into(),
                )),
                (Some(_), _) => {}
            }
        }
        self.seen = self.r.sent.len();
        let heard: Vec<ProviderEvent> = self.r.events.iter().skip(self.heard).cloned().collect();
        for event in heard {
            self.story.push(format!("  {event:?}"));
            self.hear(event);
        }
        self.heard = self.r.events.len();
        // The registrar never fails here.
        for register in registers {
            let contact = register.header(Name::Contact).unwrap_or_default().to_owned();
            let ok = reply(&register, "200 OK", "");
            self.get(ok.replace("Contact: <sip:peer@10.0.0.2:5060>", &format!("Contact: {contact}")));
        }
    }

    fn hear(&mut self, event: ProviderEvent) {
        let what = match &event {
            ProviderEvent::Completed { result: Ok(Outcome::Transferred(outcome)), .. } => {
                format!("{outcome:?}")
            }
            ProviderEvent::Completed { result: Ok(Outcome::Parked(_)), .. } => "parked".into(),
            ProviderEvent::Completed { result: Ok(Outcome::Completion(completion)), .. } => {
                self.completions.push(*completion);
                "completion".into()
            }
            ProviderEvent::Completed { result: Err(OperationError::NothingThere(_)), .. } => {
                "nothing there".into()
            }
            ProviderEvent::Completed { result: Ok(Outcome::Extension(answer)), .. } => match answer {
                ExtensionAnswer::Done => "headers set".into(),
                ExtensionAnswer::Headers(_) => "headers".into(),
                ExtensionAnswer::Identifiers { .. } => "identifiers".into(),
                ExtensionAnswer::Stream { .. } => "stream".into(),
                ExtensionAnswer::Response { .. } => "response".into(),
            },
            ProviderEvent::Completed { result: Ok(_), .. } => "done".into(),
            ProviderEvent::Completed { result: Err(_), .. } => "failed".into(),
            ProviderEvent::CallState { state, .. } => state.kind().name().into(),
            ProviderEvent::CallInfo { changed, .. } if changed.contains(InfoParts::REASON) => {
                "replaced".into()
            }
            ProviderEvent::Extension { .. } => "told by the extension".into(),
            ProviderEvent::LineState { state, .. } => format!("{state:?}").chars().take(9).collect(),
            _ => "other".into(),
        };
        *self.covered.entry(what).or_default() += 1;
        match event {
            ProviderEvent::Completed { request, result } => {
                let before = self.asked.insert(request, true);
                assert_eq!(before, Some(false), "{request} completed twice, or was never accepted");
                if let Some(call) = self.created.get(&request).copied() {
                    match result {
                        Ok(_) => self.calls.push(call),
                        Err(_) => assert!(!self.last.contains_key(&call), "{call} failed and was heard of"),
                    }
                }
            }
            ProviderEvent::NewCall { call, .. } => {
                assert!(!self.off, "{call} came to a line out of service");
                self.calls.push(call);
            }
            ProviderEvent::LineState { state: LineState::InService, .. } => {
                assert!(!self.off, "the line is in service by itself");
            }
            ProviderEvent::Extension { event, .. } => {
                let since = match event {
                    ExtensionEvent::Received { .. } => ExtensionVersion(2),
                    ExtensionEvent::Stream { .. } => ExtensionVersion(1),
                };
                assert!(self.extension >= since, "{event:?} was told, and is not selected");
            }
            ProviderEvent::CallState { call, state, .. } => {
                assert!(self.calls.contains(&call), "{call} is {state} and nobody knows it");
                assert!(!self.closed.contains(&call), "{call} is {state} and was closed");
                let before = self.last.insert(call, state.kind());
                assert_ne!(before, Some(S::Idle), "{call} is {state} after idle");
            }
            ProviderEvent::CallInfo { call, .. } => {
                assert!(self.calls.contains(&call) && !self.closed.contains(&call));
                assert_ne!(self.last.get(&call), Some(&S::Idle), "{call} has news after idle");
            }
            _ => {}
        }
    }

    fn ask(&mut self, operation: Operation) {
        self.next += 1;
        let id = RequestId(self.next);
        self.story.push(format!("? {operation:?}"));
        let call = operation.call();
        let held = match &operation {
            Operation::SetupTransfer { call, .. } => Some(*call),
            _ => None,
        };
        let feature = Feature::of(&operation);
        let needed = match &operation {
            Operation::Extension { command, .. } => Some(command.since()),
            Operation::MakeCall { options, .. } if !options.headers.is_empty() => Some(SIP_EXTENSION.low),
            _ => None,
        };
        let selected =
            needed.is_none_or(|since| self.extension >= since && self.extension != ExtensionVersion::NONE);
        let creates = match &operation {
            Operation::MakeCall { destination, .. } => !destination.is_empty(),
            Operation::SetupTransfer { .. } | Operation::Unpark { .. } | Operation::Pickup { .. } => true,
            _ => false,
        };
        let status = call.and_then(|call| self.r.p.call_status(call));
        match self.r.p.submit(self.r.now, id, operation) {
            Ok(created) => {
                self.asked.insert(id, false);
                assert!(selected, "{feature:?} accepted, and the extension is not selected");
                assert!(!self.off || !creates, "{feature:?} accepted on a line out of service");
                if let Some(created) = created {
                    self.created.insert(id, created);
                    self.partners.extend(held.map(|held| (held, created)));
                }
                if let Some(status) = status {
                    let state = status.state.kind();
                    let fits = feature.states().contains(&state) || status.possible.contains(feature);
                    assert!(fits, "{feature:?} accepted while {state}");
                }
            }
            Err(error) => {
                self.story.push(format!("  refused: {error}"));
                let not_selected = matches!(error, OperationError::ExtensionNotSelected(_));
                assert!(!not_selected || !selected, "{feature:?} refused, and the extension is selected");
            }
        }
        self.r.drain();
        self.note();
    }

    /// The peer agrees to everything.
    fn agree(&mut self) {
        while !self.waiting.is_empty() {
            let request = self.waiting.remove(0);
            let sdp = if request.method().as_str() == "INVITE" { SDP } else { "" };
            let n = self.r.sent.len();
            let text = reply(&request, "200 OK", sdp).replace(";tag=peer\r\n", &format!(";tag=p{n}\r\n"));
            self.get(text);
        }
    }

    /// A call completion that has got some way.
    fn prepare_completion(&mut self) {
        self.ask(make("door"));
        let Some(invite) = self.waiting.pop() else { return };
        self.get(reply(&invite, "180 Ringing", ""));
        if self.chance.chance(1, 2) {
            self.get(reply(&invite, "486 Busy Here", ""));
        } else {
            self.waiting.push(invite);
        }
        let Some(call) = self.calls.last().copied() else { return };
        self.ask(Operation::CompleteCall { call, mode: CompletionMode::CallBack });
        for _ in 0..self.chance.below(6) {
            self.reply();
        }
    }

    /// A consultation that has got some way.
    fn prepare(&mut self) {
        self.ask(make("600"));
        self.agree();
        let Some(call) = self.calls.last().copied() else { return };
        self.ask(Operation::SetupTransfer { call, consult: ConsultOptions::to("700") });
        for _ in 0..self.chance.below(4) {
            self.reply();
        }
        if self.chance.chance(1, 2) {
            self.agree();
        }
    }

    fn operate(&mut self) {
        let (Some(call), Some(other)) = (self.any(&self.calls.clone()), self.any(&self.calls.clone())) else {
            return self.ask(make("600"));
        };
        if self.chance.chance(2, 3)
            && let Some(operation) = self.fitting(call)
        {
            return self.ask(operation);
        }
        if self.off && self.chance.chance(1, 2) {
            self.off = false;
            return self.ask(Operation::SetService { line: LINE, on: true });
        }
        if self.chance.chance(1, 6) {
            return self.line_and_extension(call);
        }
        if self.chance.chance(1, 4) {
            let operation = self.beyond_calls(call);
            return self.ask(operation);
        }
        let operation = match self.chance.below(18) {
            0 => make("600"),
            1 => make(""),
            2 => make("6;"),
            3 => Operation::Dial { call, digits: "00".into() },
            4 => Operation::answer(call),
            5 => Operation::accept(call),
            6 => Operation::Hold { call },
            7 => Operation::Retrieve { call },
            8 => Operation::SwapHold { active: call, held: other },
            9 | 10 => Operation::SetupTransfer {
                call,
                consult: ConsultOptions::to(["700", "", "7;"][self.chance.below(3) as usize]),
            },
            11..=13 => {
                let deadline = Duration::from_secs(5);
                Operation::CompleteTransfer { call, consult: other, mode: TransferMode::Transfer, deadline }
            }
            14 => {
                Operation::BlindTransfer { call, destination: "800".into(), deadline: Duration::from_secs(5) }
            }
            15 => Operation::SecureCall { call },
            16 => Operation::Redirect { call, destination: "900".into() },
            _ if self.chance.chance(1, 2) => Operation::drop(call),
            _ => make("600"),
        };
        self.ask(operation);
    }

    /// The line goes out of service and comes back; the extension is selected and used.
    fn line_and_extension(&mut self, call: CallId) {
        let header = |name: &str, value: &str| vec![(name.into(), value.into())];
        let command = match self.chance.below(10) {
            0 => {
                let on = self.off || !self.chance.chance(1, 2);
                let before: Vec<_> =
                    self.calls.iter().map(|call| (*call, self.r.p.call_state(*call))).collect();
                let able = self.r.p.capabilities(LINE).unwrap().features.contains(Feature::SetService);
                self.off = able && !on;
                self.ask(Operation::SetService { line: LINE, on });
                let after: Vec<_> =
                    self.calls.iter().map(|call| (*call, self.r.p.call_state(*call))).collect();
                return assert_eq!(before, after, "calls go on");
            }
            1 | 2 => {
                let version = ExtensionVersion(self.chance.below(4) as u32);
                let free = self.extension == ExtensionVersion::NONE || self.extension == version;
                let known = version == ExtensionVersion::NONE || free && version <= SIP_EXTENSION.high;
                self.story.push(format!("! select {version:?}"));
                assert_eq!(self.r.p.select_extension(LINE, version).is_ok(), known);
                if known {
                    self.extension = version;
                }
                return;
            }
            3 => {
                let options = CallOptions { headers: header("X-Mark", "one"), ..CallOptions::default() };
                let (line, address, destination) = (LINE, FIRST, "600".into());
                return self.ask(Operation::MakeCall { line, address, destination, options });
            }
            4 => ExtensionCommand::Headers,
            5 => ExtensionCommand::SetHeaders(header("X-Mark", "all")),
            6 => ExtensionCommand::SetHeaders(header("X-Mark", "a\r\nX-Slipped: b")),
            7 => ExtensionCommand::Identifiers,
            8 => ExtensionCommand::Stream,
            _ => ExtensionCommand::Send {
                method: ["INFO", "MESSAGE", "BYE"][self.chance.below(3) as usize].into(),
                headers: header("X-Mark", "once"),
                content_type: "text/plain".into(),
                body: b"hello".to_vec(),
            },
        };
        self.ask(Operation::Extension { line: LINE, call: Some(call), command });
    }

    /// What the switch keeps or watches, and what travels along.
    fn beyond_calls(&mut self, call: CallId) -> Operation {
        let (line, address) = (LINE, FIRST);
        let orbit = || "703".to_owned();
        match self.chance.below(12) {
            0 | 1 => Operation::Park { call, at: ParkAt::Orbit(orbit()) },
            2 | 3 => Operation::Park { call, at: ParkAt::Anywhere },
            4 => Operation::Unpark { line, address, orbit: orbit() },
            5 => Operation::Pickup { line, address, from: PickupFrom::Address("door".into()) },
            6 => Operation::Pickup { line, address, from: PickupFrom::Waiting },
            7 | 8 => Operation::CompleteCall { call, mode: CompletionMode::CallBack },
            9 => {
                let completion = self.completions.last().copied().unwrap_or(CompletionId(7));
                Operation::UncompleteCall { line, completion }
            }
            10 => Operation::SendUserInfo { call, data: UserInfo(vec![1, 2, 3]) },
            _ => Operation::ReleaseUserInfo { call },
        }
    }

    /// The peer takes or refuses a subscription, and says what it likes about dialogs.
    fn notify(&mut self, subscribe: &Message) {
        self.next += 1;
        let n = self.next;
        let dialogs = match self.chance.below(4) {
            0 => RINGS,
            1 => "<dialog id=\"d2\"><state>confirmed</state></dialog>",
            _ => "",
        };
        let state = ["active;expires=60", "terminated;reason=noresource", "active;expires=3600"];
        let state = state[self.chance.below(3) as usize];
        let text = dialog_info(n, dialogs);
        self.get(notify_of(subscribe, n, state, "application/dialog-info+xml", &text));
    }

    /// Something that is possible now.
    fn fitting(&mut self, call: CallId) -> Option<Operation> {
        let possible: Vec<Feature> = self.r.p.call_status(call)?.possible.iter().collect();
        let deadline = Duration::from_secs(20);
        let partner = self.partners.iter().rev().find(|pair| pair.0 == call || pair.1 == call);
        let partner = partner.map(|pair| if pair.0 == call { pair.1 } else { pair.0 });
        Some(match self.any(&possible)? {
            Feature::Dial => Operation::Dial { call, digits: "00".into() },
            Feature::Answer => Operation::answer(call),
            Feature::Hold => Operation::Hold { call },
            Feature::Park => Operation::Park { call, at: ParkAt::Anywhere },
            Feature::CompleteCall => Operation::CompleteCall { call, mode: CompletionMode::CallBack },
            Feature::Retrieve if self.chance.chance(1, 3) => Operation::Retrieve { call },
            Feature::SwapHold => Operation::SwapHold { active: call, held: partner? },
            Feature::SetupTransfer => Operation::SetupTransfer { call, consult: ConsultOptions::to("700") },
            Feature::CompleteTransfer | Feature::Retrieve => Operation::CompleteTransfer {
                call,
                consult: partner?,
                mode: TransferMode::Transfer,
                deadline,
            },
            _ => return None,
        })
    }

    fn get(&mut self, text: String) {
        self.story.push(format!("< {}", text.lines().next().unwrap_or_default()));
        self.r.get(text);
        self.note();
    }

    /// The peer answers something.
    fn reply(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let at = self.chance.below(self.waiting.len() as u64) as usize;
        let request = self.waiting[at].clone();
        let invite = request.method().as_str() == "INVITE";
        let all: u64 = BY_REPLY.iter().map(|(_, weight)| weight).sum();
        let mut pick = self.chance.below(all);
        let status = BY_REPLY.iter().find(|(_, weight)| {
            let found = pick < *weight;
            pick = pick.saturating_sub(*weight);
            found
        });
        if request.method().as_str() == "SUBSCRIBE" && self.chance.chance(3, 4) {
            self.watched.push(request.clone());
            self.waiting.remove(at);
            let ok = reply(&request, "200 OK", "").replace(";tag=peer", ";tag=watch");
            self.get(ok.replacen("Contact:", "Expires: 60\r\nContact:", 1));
            return self.notify(&request);
        }
        if request.request_uri() == Some("sip:park@pbx.test") && self.chance.chance(3, 4) {
            self.waiting.remove(at);
            let text = reply(&request, "302 Moved", "");
            return self.get(text.replace("sip:peer@10.0.0.2:5060", "sip:703@pbx.test"));
        }
        let mut status = status.map_or("200 OK", |(status, _)| *status);
        if !invite && status.starts_with('1') {
            status = if request.method().as_str() == "REFER" { "202 Accepted" } else { "200 OK" };
        }
        if !status.starts_with('1') {
            self.waiting.remove(at);
        }
        let sdp = if invite && status.starts_with('2') { SDP } else { "" };
        let n = self.r.sent.len();
        let text = reply(&request, status, sdp).replace(";tag=peer\r\n", &format!(";tag=p{n}\r\n"));
        self.get(text);
    }

    /// The peer asks for something.
    fn within(&mut self) {
        if let (Some(watched), true) = (self.any(&self.watched.clone()), self.chance.chance(1, 3)) {
            return self.notify(&watched);
        }
        let Some((call_id, from, to)) = self.any(&self.dialogs.clone()) else { return };
        self.next += 1;
        let n = self.next;
        let frag = "SIP/2.0 200 OK\r\n";
        let (method, more) = match self.chance.below(7) {
            0 if self.chance.chance(1, 2) => ("BYE", String::new()),
            1 => ("INVITE", body(&SDP.replace("1 1 IN", &format!("1 {n} IN")))),
            2 => ("UPDATE", "P-Asserted-Identity: <sip:x@pbx.test>\r\n".into()),
            3 => ("REFER", "Refer-To: <sip:t@pbx.test>\r\n".into()),
            4 => ("MESSAGE", "User-Agent: peer\r\n".into()),
            _ => (
                "NOTIFY",
                format!(
                    "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n\
                     Content-Type: message/sipfrag\r\nContent-Length: {}\r\n\r\n{frag}",
                    frag.len()
                ),
            ),
        };
        let end = if more.contains("\r\n\r\n") { "" } else { "Content-Length: 0\r\n\r\n" };
        self.get(format!(
            "{method} sip:line@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKr{n}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {n} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:peer@10.0.0.2:5060>\r\n{more}{end}"
        ));
        if method == "INVITE" {
            self.get(format!(
                "ACK sip:line@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKs{n}\r\n\
                 From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {n} ACK\r\nMax-Forwards: 70\r\n\
                 Content-Length: 0\r\n\r\n"
            ));
        }
    }

    /// Somebody calls; perhaps to take the place of somebody.
    fn call_in(&mut self) {
        self.next += 1;
        let tag = |text: &str| text.split_once("tag=").map_or("", |(_, tag)| tag).to_owned();
        let replaces = match self.any(&self.dialogs.clone()) {
            Some((call_id, from, to)) if self.chance.chance(1, 2) => {
                format!("Replaces: {call_id};to-tag={};from-tag={}\r\n", tag(&to), tag(&from))
            }
            Some(_) | None => String::new(),
        };
        let text = invitation(&format!("u{}@pbx.test", self.next), &replaces);
        self.get(text);
    }

    fn step(&mut self) {
        match self.chance.below(12) {
            0..=4 => self.operate(),
            5..=8 => self.reply(),
            9 => self.within(),
            10 => self.call_in(),
            _ => {
                let wait = Duration::from_millis(self.chance.below(9_000));
                self.story.push(format!("  {wait:?} later"));
                self.r.run(wait);
                self.note();
                if self.chance.chance(1, 8)
                    && let Some(call) = self.any(&self.calls.clone())
                {
                    self.story.push(format!("! close {call}"));
                    self.r.p.close_call(self.r.now, call);
                    self.closed.push(call);
                    self.calls.retain(|other| *other != call);
                    self.r.drain();
                    // What it told last may still be told.
                    self.closed.pop();
                    self.calls.push(call);
                    self.note();
                    self.calls.retain(|other| *other != call);
                    self.closed.push(call);
                }
            }
        }
        let status = self.r.p.line_status(LINE).unwrap();
        assert_eq!(status.state == LineState::InService, !self.off, "the service of the line");
        let slipped = |text: &String| text.lines().any(|line| line.starts_with("X-Slipped"));
        assert!(!self.r.sent.iter().any(slipped), "a header field was slipped in");
        let counts = status.calls;
        let mut expected = CallCounts::default();
        for call in &self.calls {
            match self.r.p.call_state(*call).map(|state| state.kind()) {
                None | Some(S::Idle | S::Disconnected) => {}
                Some(S::OnHold) => expected.held += 1,
                Some(S::OnHoldPendingTransfer) => expected.pending += 1,
                Some(_) => expected.active += 1,
            }
        }
        assert_eq!(counts, expected, "the calls of the line");
    }

    fn finish(&mut self) {
        for call in self.calls.clone() {
            self.r.p.close_call(self.r.now, call);
        }
        self.r.drain();
        self.note();
        self.r.p.close_line(self.r.now, LINE);
        self.r.drain();
        self.note();
        let open: Vec<_> = self.asked.iter().filter(|(_, done)| !**done).collect();
        assert!(open.is_empty(), "never completed: {open:?}");
        let heard = self.r.events.len();
        self.r.run(Duration::from_secs(700));
        assert_eq!(self.r.events.len(), heard, "events after the end");
        let alive = self.r.p.alive();
        let left = (alive.calls, alive.sessions, alive.transactions, alive.subscriptions);
        assert_eq!(left, (0, 0, 0, 0), "{alive:?}");
    }
}

fn make(destination: &str) -> Operation {
    Operation::MakeCall {
        line: LINE,
        address: FIRST,
        destination: destination.into(),
        options: CallOptions::default(),
    }
}

#[test]
fn whatever_the_order_nothing_is_lost_and_nothing_is_left() {
    plays(0..150);
}

#[test]
#[ignore = "takes minutes"]
fn whatever_the_order_for_long() {
    plays(1_000..6_000);
}

fn plays(seeds: std::ops::Range<u64>) {
    let mut covered = BTreeMap::<String, u32>::new();
    for seed in seeds {
        let play = std::cell::RefCell::new(Play::new(seed));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut play = play.borrow_mut();
            for _ in 0..3 {
                if play.chance.chance(1, 3) {
                    play.prepare_completion();
                } else {
                    play.prepare();
                }
                for _ in 0..30 {
                    play.step();
                }
            }
            play.finish();
        }));
        if let Err(panic) = result {
            let play = play.borrow();
            let tail = play.story.len().saturating_sub(80);
            eprintln!("seed {seed}:\n{}", play.story[tail..].join("\n"));
            std::panic::resume_unwind(panic);
        }
        for (what, times) in play.into_inner().covered {
            *covered.entry(what).or_default() += times;
        }
    }
    for what in [
        "Succeeded",
        "Bridged",
        "replaced",
        "on hold pending transfer",
        "dialtone",
        "dialing",
        "on hold",
        "parked",
        "completion",
        "nothing there",
        "OutOfServ",
        "InService",
        "headers set",
        "headers",
        "identifiers",
        "stream",
        "response",
        "told by the extension",
    ] {
        assert!(covered.contains_key(what), "{what} never happened");
    }
}
