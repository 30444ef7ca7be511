//! Several holders of one call: what each hears of its audio, media types, conferences, extensions; and calls without room.

mod common;

use common::{LINE, answer, short, to_application};
use hookswitch_machine::{Entropy, Time};
use hookswitch_spi::{
    AddressId, AddressStatus, CallId, CallInfo, CallOptions, CallState, CallStatus, Capabilities,
    ConsultOptions, DeviceConfig, Devices, DigitMonitoring, ExtensionAnswer, ExtensionCommand,
    ExtensionEvent, ExtensionVersion, ForwardingRules, InfoParts, InterfaceVersion, LineDescription,
    LineError, LineId, LineStatus, MediaType, MediaTypes, Operation, OperationError, Outcome, Provider,
    ProviderEvent, RequestId, Set, StatusKind, TonePattern, VersionRange,
};
use hookswitch_telephony::{
    AppRequestId, Config, Event, Interest, Limits, Privilege, Reply, Request, RequestError, SessionId,
    Telephony,
};
use hookswitch_testkit::loopback::{Loopback, LoopbackLine};
use std::collections::VecDeque;
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;
const CONFERENCE: CallId = CallId(900);
const CONSULT: CallId = CallId(901);

/// A loopback exchange that also carries out, at once, what it cannot do.
struct Willing {
    inner: Loopback,
    told: VecDeque<ProviderEvent>,
    asked: Vec<Operation>,
    extension: ExtensionVersion,
    info: Option<CallInfo>,
}

impl Willing {
    fn complete(&mut self, request: RequestId, outcome: Outcome) {
        self.told.push_back(ProviderEvent::Completed { request, result: Ok(outcome) });
    }

    fn enter(&mut self, call: CallId, state: CallState) {
        self.told.push_back(ProviderEvent::CallState { call, state, media: VOICE });
    }
}

impl Provider for Willing {
    fn negotiate(&self, line: Option<LineId>, offered: VersionRange) -> Result<InterfaceVersion, LineError> {
        self.inner.negotiate(line, offered)
    }
    fn devices(&self) -> Devices {
        self.inner.devices()
    }
    fn initialise(&mut self, now: Time, version: InterfaceVersion) -> Result<(), LineError> {
        self.inner.initialise(now, version)
    }
    fn lines(&self) -> Vec<LineDescription> {
        self.inner.lines()
    }
    fn could_detect(&self, line: LineId, media: MediaTypes, call: &CallOptions) -> Result<(), LineError> {
        self.inner.could_detect(line, media, call)
    }
    fn detect_status(&mut self, line: LineId, kinds: Set<StatusKind>) -> Result<(), LineError> {
        self.inner.detect_status(line, kinds)
    }
    fn device_config(&self, line: LineId) -> Option<DeviceConfig> {
        self.inner.device_config(line)
    }
    fn set_device_config(&mut self, line: LineId, config: DeviceConfig) -> Result<(), LineError> {
        self.inner.set_device_config(line, config)
    }
    fn negotiate_extension(
        &self,
        _line: LineId,
        offered: (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        let version = offered.1.min(ExtensionVersion(2));
        if offered.0 <= version { Ok(version) } else { Err(LineError::IncompatibleExtension) }
    }
    fn select_extension(&mut self, _line: LineId, version: ExtensionVersion) -> Result<(), LineError> {
        self.extension = version;
        Ok(())
    }
    fn take_call(&mut self, now: Time, call: CallId, taken: bool) {
        self.inner.take_call(now, call, taken);
    }
    fn call_status(&self, call: CallId) -> Option<CallStatus> {
        self.inner.call_status(call)
    }
    fn line_status(&self, line: LineId) -> Option<LineStatus> {
        self.inner.line_status(line)
    }
    fn address_status(&self, line: LineId, address: AddressId) -> Option<AddressStatus> {
        self.inner.address_status(line, address)
    }
    fn address_id(&self, line: LineId, dialled: &str) -> Option<AddressId> {
        self.inner.address_id(line, dialled)
    }
    fn capabilities(&self, line: LineId) -> Option<&Capabilities> {
        self.inner.capabilities(line)
    }
    fn open_line(&mut self, now: Time, line: LineId, version: InterfaceVersion) -> Result<(), LineError> {
        self.inner.open_line(now, line, version)
    }
    fn close_line(&mut self, now: Time, line: LineId) {
        self.inner.close_line(now, line);
    }
    fn detect_media(&mut self, line: LineId, media: MediaTypes) -> Result<(), LineError> {
        self.inner.detect_media(line, media)
    }
    fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        self.asked.push(operation.clone());
        match operation {
            Operation::MonitorDigits { .. }
            | Operation::MonitorTones { .. }
            | Operation::MonitorMedia { .. } => self.complete(request, Outcome::Done),
            Operation::Extension { .. } => {
                self.complete(request, Outcome::Extension(ExtensionAnswer::Done));
            }
            Operation::SetMediaType { call, .. } => {
                self.complete(request, Outcome::Done);
                self.told.push_back(ProviderEvent::CallInfo { call, changed: InfoParts::MEDIA });
            }
            Operation::SetupConference { call, .. } => {
                let (conference, consult) = (CONFERENCE, Some(CONSULT));
                self.complete(request, Outcome::Conference { conference, consult });
                self.enter(CONFERENCE, CallState::OnHoldPendingConference);
                self.enter(CONSULT, CallState::Proceeding);
                if let Some(member) = call {
                    self.enter(member, CallState::Conferenced(CONFERENCE));
                }
                return Ok(Some(CONFERENCE));
            }
            Operation::SetupTransfer { call, .. } => {
                self.complete(request, Outcome::Call(CONSULT));
                self.enter(call, CallState::OnHoldPendingTransfer);
                self.enter(CONSULT, CallState::Proceeding);
                return Ok(Some(CONSULT));
            }
            other => return self.inner.submit(now, request, other),
        }
        Ok(None)
    }
    fn close_call(&mut self, now: Time, call: CallId) {
        self.inner.close_call(now, call);
    }
    fn call_info(&self, call: CallId) -> Option<CallInfo> {
        self.inner.call_info(call).or_else(|| self.info.clone())
    }
    fn call_state(&self, call: CallId) -> Option<CallState> {
        self.inner.call_state(call)
    }
    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules> {
        self.inner.forwarding(line, address)
    }
    fn poll_event(&mut self) -> Option<ProviderEvent> {
        self.inner.poll_event().or_else(|| self.told.pop_front())
    }
    fn shutdown(&mut self, now: Time) {
        self.inner.shutdown(now);
    }
}

struct Bench {
    telephony: Telephony,
    provider: Willing,
    now: Time,
    requests: u64,
    heard: Vec<(SessionId, Event)>,
}

const OWNER: SessionId = SessionId(1);
const MONITOR: SessionId = SessionId(2);

impl Bench {
    fn new() -> Self {
        Self::with(Config::default())
    }

    /// An owner and a monitor have the line open.
    fn with(config: Config) -> Self {
        let mut inner = Loopback::new();
        inner.add_line(LoopbackLine::new("desk", "sip:desk@loop"));
        let telephony = Telephony::new(config, &mut Entropy::from_number(1));
        let (told, asked, extension) = (VecDeque::new(), Vec::new(), ExtensionVersion::NONE);
        let provider = Willing { inner, told, asked, extension, info: None };
        let mut bench = Self { telephony, provider, now: Time::ZERO, requests: 0, heard: Vec::new() };
        for (session, name, interest) in [
            (OWNER, "owner", Interest::owner(VOICE)),
            (MONITOR, "monitor", Interest { monitor: true, ..Interest::owner(common::FAX) }),
        ] {
            assert!(bench.ask(session, Request::attach(name, Duration::ZERO)).is_ok());
            assert!(bench.ask(session, Request::OpenLine { line: LINE, interest }).is_ok());
        }
        bench
    }

    fn ask(&mut self, session: SessionId, what: Request) -> Result<Reply, RequestError> {
        self.requests += 1;
        let request = AppRequestId(self.requests);
        self.telephony.request(self.now, &mut self.provider, session, request, what);
        self.pass(Duration::from_secs(1));
        let is_it = |(to, event): &(SessionId, Event)| {
            *to == session
                && matches!(event, Event::Completed { request: of, .. } | Event::Refused { request: of, .. } if *of == request)
        };
        let place = self.heard.iter().position(is_it).expect("an answer");
        match self.heard.remove(place).1 {
            Event::Completed { result, .. } => result,
            Event::Refused { error, .. } => Err(error),
            other => panic!("{other:?}"),
        }
    }

    fn operate(&mut self, session: SessionId, operation: Operation) -> Result<Reply, RequestError> {
        self.ask(session, Request::Operate(operation))
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.provider.inner.timeout(self.now);
        self.telephony.timeout(self.now, &mut self.provider);
        self.drain();
    }

    fn drain(&mut self) {
        self.telephony.pump(self.now, &mut self.provider);
        self.heard.extend(std::iter::from_fn(|| self.telephony.poll()));
    }

    fn tell(&mut self, event: ProviderEvent) -> Vec<SessionId> {
        self.heard.clear();
        self.provider.told.push_back(event);
        self.drain();
        self.heard.drain(..).map(|(to, _)| to).collect()
    }

    fn connected(&mut self) -> CallId {
        let call = self.provider.inner.call_in(LINE, AddressId(0), "sip:ann@outside", VOICE).unwrap();
        self.drain();
        assert_eq!(self.ask(OWNER, answer(call)), Ok(Reply::Done));
        self.heard.clear();
        self.provider.asked.clear();
        call
    }

    fn of(&self, who: SessionId) -> Vec<String> {
        self.heard.iter().filter(|(to, _)| *to == who).map(|(_, event)| short(event)).collect()
    }
}

#[test]
fn each_holder_hears_the_digits_tones_and_media_that_it_asked_for() {
    let mut bench = Bench::new();
    let call = bench.connected();
    let digit = || ProviderEvent::Digit { call, digit: '1', duration: Duration::from_millis(100) };
    let begun = || ProviderEvent::DigitBegun { call, digit: '1' };
    let tone = |tag| ProviderEvent::Tone { call, tag };
    let fax = || ProviderEvent::Media { call, media: MediaType::Fax };
    assert_eq!(bench.tell(digit()), [OWNER, MONITOR], "digits come unless somebody says otherwise");
    assert_eq!([bench.tell(begun()), bench.tell(tone(1)), bench.tell(fax())], [vec![], vec![], vec![]]);

    let digits = |digits| Operation::MonitorDigits { call, digits };
    assert_eq!(bench.operate(MONITOR, digits(DigitMonitoring::BeginningAndEnd)), Ok(Reply::Done));
    assert_eq!(bench.operate(OWNER, digits(DigitMonitoring::Off)), Ok(Reply::Done));
    let both = digits(DigitMonitoring::BeginningAndEnd);
    assert_eq!(bench.provider.asked, [both.clone(), both], "the provider hears what anybody wants");
    assert_eq!([bench.tell(begun()), bench.tell(digit())], [vec![MONITOR], vec![MONITOR]]);

    let pattern = |tag| TonePattern { tag, frequencies: [1_100, 0], duration: Duration::from_millis(500) };
    let tones =
        |tags: &[u32]| Operation::MonitorTones { call, tones: tags.iter().map(|t| pattern(*t)).collect() };
    assert_eq!(bench.operate(OWNER, tones(&[1])), Ok(Reply::Done));
    assert_eq!(bench.operate(MONITOR, tones(&[2])), Ok(Reply::Done));
    assert_eq!(bench.provider.asked.last(), Some(&tones(&[1, 2])));
    assert_eq!([bench.tell(tone(1)), bench.tell(tone(2))], [vec![OWNER], vec![MONITOR]]);

    let media = Operation::MonitorMedia { call, media: MediaType::Fax.into() };
    assert_eq!(bench.operate(MONITOR, media), Ok(Reply::Done));
    assert_eq!(bench.tell(fax()), [MONITOR]);
    let known = bench.ask(MONITOR, Request::CallInfo { call });
    let Ok(Reply::Call(known)) = known else { panic!("{known:?}") };
    assert_eq!(known.info.map(|info| info.media), Some(VOICE), "what is heard changes nothing recorded");
}

#[test]
fn the_owner_sets_the_media_type_and_the_others_are_told() {
    let mut bench = Bench::new();
    let call = bench.connected();
    let set = |media| Operation::SetMediaType { call, media };
    assert_eq!(bench.operate(MONITOR, set(common::FAX)), Err(RequestError::NotOwner(call)));
    assert_eq!(bench.operate(OWNER, set(common::FAX)), Ok(Reply::Done));
    let info = format!("info {}", InfoParts::MEDIA.0);
    assert_eq!((bench.of(OWNER), bench.of(MONITOR)), (vec![], vec![info]));
    // A later change is news to all.
    let changed = ProviderEvent::CallInfo { call, changed: InfoParts::MEDIA };
    assert_eq!(bench.tell(changed), [OWNER, MONITOR]);
}

#[test]
fn what_is_kept_with_a_call_survives_hand_off() {
    let mut bench = Bench::new();
    let call = bench.connected();
    assert_eq!(
        bench.operate(OWNER, Operation::SetCallData { call, data: b"order 7".to_vec() }),
        Ok(Reply::Done)
    );
    assert_eq!(bench.operate(OWNER, Operation::SetAppSpecific { call, value: 42 }), Ok(Reply::Done));
    assert_eq!(bench.ask(OWNER, to_application(call, "monitor")), Ok(Reply::Done));
    assert_eq!(bench.ask(OWNER, Request::Release { call }), Ok(Reply::Done));
    let Ok(Reply::Call(known)) = bench.ask(MONITOR, Request::CallInfo { call }) else { panic!() };
    let info = known.info.expect("known");
    assert_eq!((&*info.call_data, info.app_specific), (&b"order 7"[..], 42));
    assert_eq!(known.privilege, Privilege::Owner);
}

#[test]
fn a_conference_and_its_consultation_call_belong_to_who_set_it_up() {
    let mut bench = Bench::new();
    let call = bench.connected();
    bench.provider.info = bench.provider.inner.call_info(call);
    let consult = ConsultOptions::to("sip:bob@outside");
    let (line, address) = (LINE, AddressId(0));
    let setup = Operation::SetupConference { line, address, call: Some(call), consult };
    assert_eq!(bench.operate(MONITOR, setup.clone()), Err(RequestError::NotOwner(call)));
    let reply = bench.operate(OWNER, setup);
    assert_eq!(reply, Ok(Reply::Conference { conference: CONFERENCE, consult: Some(CONSULT) }));
    assert_eq!(bench.of(OWNER), ["on hold pending conference", "proceeding", "conferenced"]);
    let seen = ["new call, monitor", "unknown, monitor"];
    let states = ["on hold pending conference", "proceeding", "conferenced"];
    assert_eq!(bench.of(MONITOR), [&seen[..], &seen[..], &states[..]].concat());

    // The conference first, then its members, whichever of them is asked about.
    for about in [CONFERENCE, call] {
        let Ok(Reply::Calls(calls)) = bench.ask(MONITOR, Request::ConferenceCalls { call: about }) else {
            panic!()
        };
        let found: Vec<_> = calls.iter().map(|call| (call.call, call.privilege)).collect();
        assert_eq!(found, [(CONFERENCE, Privilege::Monitor), (call, Privilege::Monitor)]);
    }
    let no_member = bench.ask(OWNER, Request::ConferenceCalls { call: CONSULT });
    assert_eq!(no_member, Err(RequestError::NoConference(CONSULT)));
}

#[test]
fn members_of_a_conference_without_a_handle_are_found_as_a_monitor() {
    let mut bench = Bench::new();
    let call = bench.connected();
    bench.provider.info = bench.provider.inner.call_info(call);
    let (line, address, consult) = (LINE, AddressId(0), ConsultOptions::to("sip:bob@outside"));
    let setup = Operation::SetupConference { line, address, call: Some(call), consult };
    assert!(bench.operate(OWNER, setup).is_ok());
    assert_eq!(bench.ask(MONITOR, Request::Release { call }), Ok(Reply::Done));
    let Ok(Reply::Calls(calls)) = bench.ask(MONITOR, Request::ConferenceCalls { call: CONFERENCE }) else {
        panic!()
    };
    assert_eq!(calls.iter().map(|call| call.call).collect::<Vec<_>>(), [CONFERENCE, call]);
    assert_eq!(calls[1].privilege, Privilege::Monitor);
}

#[test]
fn a_consultation_call_belongs_to_who_consults() {
    let mut bench = Bench::new();
    let call = bench.connected();
    let consult = ConsultOptions::to("sip:bob@outside");
    let setup = Operation::SetupTransfer { call, consult };
    assert_eq!(bench.operate(OWNER, setup), Ok(Reply::Created(CONSULT)));
    assert_eq!(bench.of(OWNER), ["on hold pending transfer", "proceeding"]);
    // Both calls of an operation have to be one's own.
    assert_eq!(bench.ask(MONITOR, Request::TakeOwnership { call }), Ok(Reply::Done));
    let swap = Operation::SwapHold { active: call, held: CONSULT };
    assert_eq!(bench.operate(MONITOR, swap), Err(RequestError::NotOwner(CONSULT)));
}

#[test]
fn the_first_to_select_an_extension_version_decides_for_the_others() {
    let mut bench = Bench::new();
    let call = bench.connected();
    let (none, one, two) = (ExtensionVersion::NONE, ExtensionVersion(1), ExtensionVersion(2));
    let negotiate = |low, high| Request::NegotiateExtension { line: LINE, offered: (low, high) };
    let select = |version| Request::SelectExtension { line: LINE, version };
    let command = |call| Operation::Extension { line: LINE, call, command: ExtensionCommand::Identifiers };
    let incompatible = || Err(RequestError::Line(LineError::IncompatibleExtension));
    let not_selected = || Err(RequestError::Operation(OperationError::ExtensionNotSelected("sip")));

    assert_eq!(bench.ask(OWNER, negotiate(one, ExtensionVersion(9))), Ok(Reply::ExtensionVersion(two)));
    assert_eq!(bench.operate(OWNER, command(Some(call))), not_selected());
    assert_eq!(bench.ask(OWNER, select(one)), Ok(Reply::Done));
    assert_eq!(bench.provider.extension, one);
    assert_eq!(bench.operate(OWNER, command(Some(call))), Ok(Reply::Extension(ExtensionAnswer::Done)));
    assert_eq!(bench.operate(MONITOR, command(None)), not_selected(), "others select it themselves");
    assert_eq!(bench.ask(MONITOR, negotiate(two, two)), incompatible());
    assert_eq!(bench.ask(MONITOR, negotiate(one, two)), Ok(Reply::ExtensionVersion(one)));
    assert_eq!(bench.ask(MONITOR, select(two)), incompatible());

    let event = || ProviderEvent::Extension { line: LINE, event: ExtensionEvent::Stream { call } };
    assert_eq!(bench.tell(event()), [OWNER]);
    assert_eq!(bench.ask(MONITOR, select(one)), Ok(Reply::Done));
    assert_eq!(bench.tell(event()), [OWNER, MONITOR]);
    assert_eq!(bench.ask(MONITOR, Request::Release { call }), Ok(Reply::Done));
    assert_eq!(bench.tell(event()), [OWNER], "it is none of the others' business");
    let send = ExtensionCommand::Send {
        method: "INFO".into(),
        headers: Vec::new(),
        content_type: "".into(),
        body: Vec::new(),
    };
    let newer = Operation::Extension { line: LINE, call: Some(call), command: send };
    assert_eq!(bench.operate(OWNER, newer), not_selected(), "version 2 has it");

    assert_eq!(bench.ask(OWNER, select(none)), Ok(Reply::Done));
    assert_eq!(bench.provider.extension, one, "somebody still needs it");
    assert_eq!(bench.ask(MONITOR, Request::CloseLine { line: LINE }), Ok(Reply::Done));
    assert_eq!(bench.provider.extension, none);
    assert_eq!(bench.ask(OWNER, negotiate(two, two)), Ok(Reply::ExtensionVersion(two)));
}

#[test]
fn a_call_without_room_is_not_taken_and_is_offered_later() {
    let limits = Limits { calls: 1, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let first = bench.connected();
    bench.provider.inner.call_in(LINE, AddressId(0), "sip:eve@outside", VOICE).unwrap();
    bench.drain();
    assert_eq!(bench.heard, [], "nobody hears of it");
    assert_eq!(bench.telephony.calls(), 1);
    assert_eq!(bench.ask(OWNER, Request::Operate(Operation::drop(first))), Ok(Reply::Done));
    for holder in [OWNER, MONITOR] {
        assert_eq!(bench.ask(holder, Request::Release { call: first }), Ok(Reply::Done));
    }
    bench.pass(Duration::from_secs(2));
    assert!(bench.of(OWNER).contains(&"new call, owner".to_owned()), "{:?}", bench.heard);
}

#[test]
fn a_line_is_asked_how_it_is() {
    let mut bench = Bench::new();
    bench.connected();
    let Ok(Reply::LineStatus(line)) = bench.ask(MONITOR, Request::LineStatus { line: LINE }) else {
        panic!()
    };
    assert_eq!((line.open, line.calls.all()), (true, 1));
    let address = AddressId(0);
    let Ok(Reply::AddressStatus(status)) = bench.ask(MONITOR, Request::AddressStatus { line: LINE, address })
    else {
        panic!()
    };
    assert_eq!(status.calls.all(), 1);
    let nowhere = bench.ask(MONITOR, Request::AddressStatus { line: LINE, address: AddressId(9) });
    assert_eq!(nowhere, Err(RequestError::NoSuchAddress(LINE)));
    let elsewhere = bench.ask(MONITOR, Request::LineStatus { line: LineId(9) });
    assert_eq!(elsewhere, Err(RequestError::Line(LineError::NoSuchLine(LineId(9)))));
}
