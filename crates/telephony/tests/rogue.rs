//! A provider that breaks its contract harms itself, not the applications.

mod common;

use common::{LINE, make_call, short};
use hookswitch_machine::{Entropy, Time};
use hookswitch_spi::{
    AddressId, AddressStatus, CallId, CallInfo, CallOptions, CallState, CallStatus, Capabilities,
    ConnectedMode, DeviceConfig, Devices, ExtensionVersion, ForwardingRules, InterfaceVersion,
    LineDescription, LineError, LineId, LineStatus, MediaTypes, Operation, OperationError, Outcome, Provider,
    ProviderEvent, RequestId, Set, StatusKind, VersionRange,
};
use hookswitch_telephony::{AppRequestId, Config, Event, Interest, Request, SessionId, Telephony};
use hookswitch_testkit::loopback::{Loopback, LoopbackLine};
use std::collections::VecDeque;
use std::time::Duration;

/// A loopback exchange that also tells whatever the test wants.
struct Rogue {
    inner: Loopback,
    lies: VecDeque<ProviderEvent>,
}

impl Provider for Rogue {
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
        line: LineId,
        offered: (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        self.inner.negotiate_extension(line, offered)
    }
    fn select_extension(&mut self, line: LineId, version: ExtensionVersion) -> Result<(), LineError> {
        self.inner.select_extension(line, version)
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
        id: RequestId,
        what: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        self.inner.submit(now, id, what)
    }
    fn close_call(&mut self, now: Time, call: CallId) {
        self.inner.close_call(now, call);
    }
    fn call_info(&self, call: CallId) -> Option<CallInfo> {
        self.inner.call_info(call)
    }
    fn call_state(&self, call: CallId) -> Option<CallState> {
        self.inner.call_state(call)
    }
    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules> {
        self.inner.forwarding(line, address)
    }
    fn poll_event(&mut self) -> Option<ProviderEvent> {
        self.lies.pop_front().or_else(|| self.inner.poll_event())
    }
    fn shutdown(&mut self, now: Time) {
        self.inner.shutdown(now);
    }
}

struct Bench {
    telephony: Telephony,
    rogue: Rogue,
}

const APP: SessionId = SessionId(1);

impl Bench {
    fn new() -> Self {
        let mut inner = Loopback::new();
        inner.add_line(LoopbackLine::new("desk", "sip:desk@loop"));
        let telephony = Telephony::new(Config::default(), &mut Entropy::from_number(1));
        let mut bench = Self { telephony, rogue: Rogue { inner, lies: VecDeque::new() } };
        bench.ask(Request::attach("app", Duration::ZERO));
        let interest = Interest { monitor: true, ..Interest::owner(MediaTypes::VOICE) };
        bench.ask(Request::OpenLine { line: LINE, interest });
        bench
    }

    fn ask(&mut self, what: Request) -> Vec<Event> {
        self.telephony.request(Time::ZERO, &mut self.rogue, APP, AppRequestId(1), what);
        self.heard()
    }

    fn tell(&mut self, lie: ProviderEvent) -> Vec<Event> {
        self.rogue.lies.push_back(lie);
        self.telephony.pump(Time::ZERO, &mut self.rogue);
        self.heard()
    }

    fn heard(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.telephony.poll()).map(|(_, event)| event).collect()
    }

    fn state(call: CallId, state: CallState) -> ProviderEvent {
        ProviderEvent::CallState { call, state, media: MediaTypes::VOICE }
    }
}

const CONNECTED: CallState = CallState::Connected(ConnectedMode::Active);

#[test]
fn a_call_that_is_not_born_yet_is_not_heard_of() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(make_call(LINE, "sip:x@outside")), []);
    let call = CallId::minted(0, 1);
    assert_eq!(bench.tell(Bench::state(call, CONNECTED)), []);
    assert_eq!(bench.tell(ProviderEvent::Digit { call, digit: '1', duration: Duration::ZERO }), []);
    assert_eq!(bench.tell(ProviderEvent::NewCall { line: LINE, address: AddressId(0), call }), []);
    let heard =
        bench.tell(ProviderEvent::Completed { request: RequestId(1), result: Ok(Outcome::Call(call)) });
    assert_eq!(heard.iter().map(short).collect::<Vec<_>>(), ["completed"]);
}

#[test]
fn a_second_completion_and_calls_from_nowhere_are_ignored() {
    let mut bench = Bench::new();
    bench.ask(make_call(LINE, "sip:x@outside"));
    let failed =
        || ProviderEvent::Completed { request: RequestId(1), result: Err(OperationError::CallEnded) };
    assert_eq!(bench.tell(failed()).len(), 1);
    assert_eq!(bench.tell(failed()), []);
    assert_eq!(
        bench.tell(ProviderEvent::Completed { request: RequestId(77), result: Ok(Outcome::Done) }),
        []
    );
    assert_eq!(bench.tell(Bench::state(CallId(77), CONNECTED)), []);
    assert_eq!(
        bench.tell(ProviderEvent::LineState { line: LineId(9), state: hookswitch_spi::LineState::InService }),
        []
    );
    let elsewhere = ProviderEvent::NewCall { line: LineId(9), address: AddressId(0), call: CallId(78) };
    assert_eq!(bench.tell(elsewhere), []);
    assert_eq!((bench.telephony.calls(), bench.telephony.outstanding()), (0, 0));
}

#[test]
fn nothing_follows_idle() {
    let mut bench = Bench::new();
    let call = bench.rogue.inner.call_in(LINE, AddressId(0), "sip:ann@outside", MediaTypes::VOICE).unwrap();
    bench.telephony.pump(Time::ZERO, &mut bench.rogue);
    assert_eq!(bench.heard().len(), 2);
    assert_eq!(bench.tell(Bench::state(call, CallState::Idle)).len(), 1);
    assert_eq!(bench.tell(Bench::state(call, CONNECTED)), []);
    assert_eq!(bench.tell(Bench::state(call, CallState::Idle)), []);
}
