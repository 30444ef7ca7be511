//! Sessions, versions, the extension, lines that come and go, announcements and dialling on the exchange.

mod exchange;

use exchange::{A, B, Wired, ended};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallOptions, CallState, ConnectedMode, DisconnectMode, ExtensionAnswer, ExtensionCommand,
    ExtensionEvent, ExtensionVersion, InterfaceVersion, LineError, LineId, LineState, MediaTypes, Operation,
    OperationError, Origin, OutOfService, Outcome, Party, Presentation, Provider, ProviderEvent, Reason,
    RequestId, Set, StateKind, VersionRange,
};
use hookswitch_testkit::loopback::{
    Fault, GivesUp, Incoming, Loopback, LoopbackLine, Noticed, Outside, Refusal, V0,
};
use std::time::Duration;

const ANN: &str = "sip:ann@outside";
const ADDRESS: AddressId = AddressId(0);
const V1: InterfaceVersion = InterfaceVersion::V1;

fn line(name: &str) -> LoopbackLine {
    LoopbackLine::new(name, format!("sip:{name}@loop"))
}

fn make(line: LineId, destination: &str) -> Operation {
    let options = CallOptions::default();
    Operation::MakeCall { line, address: ADDRESS, destination: destination.into(), options }
}

#[test]
fn nothing_works_before_a_session_but_asking() {
    let mut exchange = Loopback::stopped();
    exchange.add_line(line("desk"));
    assert_eq!(exchange.devices().lines, 1);
    assert_eq!(exchange.negotiate(None, VersionRange { low: V0, high: V1 }), Ok(V1));
    let early = exchange.negotiate(Some(A), VersionRange { low: V0, high: V1 });
    assert_eq!(early, Err(LineError::NotInitialised));
    assert_eq!(exchange.open_line(Time::ZERO, A, V1), Err(LineError::NotInitialised));
    assert_eq!(exchange.detect_media(A, MediaTypes::VOICE), Err(LineError::NotInitialised));
    assert!(exchange.lines().is_empty() && exchange.capabilities(A).is_none());
    let newer = InterfaceVersion(V1.0 + 1);
    assert!(matches!(exchange.initialise(Time::ZERO, newer), Err(LineError::IncompatibleVersion(_))));
    assert_eq!(exchange.initialise(Time::ZERO, V1), Ok(()));
    assert_eq!(exchange.open_line(Time::ZERO, A, V1), Ok(()));
    assert_eq!(exchange.initialise(Time::ZERO, V1), Ok(()), "again");
    assert!(exchange.is_open(A));
}

#[test]
fn a_configuration_waits_for_the_next_session_and_is_announced_once() {
    let mut exchange = Loopback::new();
    exchange.add_line(line("desk"));
    exchange.add_line(line("door"));
    exchange.configure(vec![line("attic"), line("desk")]);
    exchange.configure(vec![line("cellar"), line("desk")]);
    let told: Vec<_> = std::iter::from_fn(|| exchange.poll_event()).collect();
    assert!(matches!(told[..], [ProviderEvent::Reinitialise { .. }]), "{told:?}");
    let names = |exchange: &Loopback| {
        exchange.lines().into_iter().map(|line| (line.line.0, line.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(&exchange), [(0, "desk".into()), (1, "door".into())]);
    exchange.shutdown(Time::ZERO);
    assert_eq!(exchange.devices().lines, 2);
    exchange.initialise(Time::ZERO, V1).unwrap();
    let after = names(&exchange);
    assert_eq!(
        after,
        [(0, "desk".into()), (2, "cellar".into())],
        "names keep their numbers, none is used again"
    );
}

#[test]
fn a_shutdown_completes_everything_and_says_nothing_more() {
    let mut wired = Wired::new();
    wired.exchange.outside("sip:silent@outside", Outside::Silent);
    let call = wired.answered(A, ANN);
    let party = wired.exchange.party_of(call).unwrap();
    let (making, _) = wired.submit(make(A, "sip:silent@outside")).unwrap();
    let (holding, _) = wired.submit(Operation::Hold { call }).unwrap();
    wired.exchange.shutdown(wired.now);
    wired.told.clear();
    wired.drain();
    for request in [making, holding] {
        assert_eq!(wired.results.get(&request), Some(&Err(OperationError::Closed)));
    }
    assert_eq!(wired.exchange.noticed(party).last(), Some(&Noticed::HungUp(Vec::new())));
    assert_eq!((wired.exchange.alive(), wired.told.len()), (String::new(), 0));
    assert!(wired.exchange.next_timeout().is_none());
}

#[test]
fn an_old_line_is_told_nothing_newer_than_it_knows() {
    let mut wired = Wired::new();
    wired.exchange.close_line(wired.now, A);
    wired.exchange.open_line(wired.now, A, V0).unwrap();
    for (line, held, origin) in
        [(A, ConnectedMode::Active, Origin::Inbound), (B, ConnectedMode::ActiveHeld, Origin::External)]
    {
        let call = wired.answered(line, ANN);
        wired.states.clear();
        wired.exchange.holds_us(call, true);
        wired.drain();
        assert_eq!(wired.state(call), CallState::Connected(held));
        let told = wired.states.get(&call).map_or(0, Vec::len);
        assert_eq!(told, usize::from(line == B), "what changes nothing for it is not told");
        assert_eq!(wired.exchange.call_info(call).unwrap().origin, origin);
        let call = wired.call_in(line, ANN);
        wired.exchange.hang_up(call);
        let mode = if line == A { DisconnectMode::Normal } else { DisconnectMode::Cancelled };
        assert_eq!(ended(&wired.state(call)), Some(mode));
    }
    let broken = wired.answered(B, ANN);
    let party = wired.exchange.party_of(broken);
    let id = wired.exchange.comes_in(Incoming { joins: party, ..Incoming::new(A, "sip:eve@outside") });
    wired.drain();
    let call = wired.exchange.call_of(id).unwrap();
    assert_eq!(wired.exchange.call_info(call).unwrap().reason, Reason::Unavailable);
}

#[test]
fn the_extension_answers_and_tells_only_while_it_is_selected() {
    let mut wired = Wired::new();
    let (caller, called) = wired.talk();
    let ask = |command| Operation::Extension { line: A, call: Some(caller), command };
    let send = || ExtensionCommand::Send {
        method: "INFO".into(),
        headers: Vec::new(),
        content_type: "text/plain".into(),
        body: b"hello".to_vec(),
    };
    let off = wired.ask(ask(ExtensionCommand::Identifiers));
    assert_eq!(off, Err(OperationError::ExtensionNotSelected("sip")));
    wired.exchange.select_extension(A, ExtensionVersion(1)).unwrap();
    let answer = wired.ask(ask(ExtensionCommand::Identifiers));
    assert!(matches!(answer, Ok(Outcome::Extension(ExtensionAnswer::Identifiers { .. }))), "{answer:?}");
    assert_eq!(wired.ask(ask(send())), Err(OperationError::ExtensionNotSelected("sip")));
    assert!(wired.exchange.select_extension(A, ExtensionVersion(2)).is_err(), "another one is selected");
    wired.exchange.select_extension(A, ExtensionVersion::NONE).unwrap();
    wired.exchange.select_extension(A, ExtensionVersion(2)).unwrap();
    wired.ask(ask(send())).unwrap();
    assert!(!wired.told.iter().any(|event| matches!(event, ProviderEvent::Extension { .. })));
    wired.exchange.select_extension(B, ExtensionVersion(2)).unwrap();
    wired.ask(ask(send())).unwrap();
    let heard = wired.told.iter().find_map(|event| match event {
        ProviderEvent::Extension { line, event: ExtensionEvent::Received { call, body, .. } } => {
            Some((*line, *call, body.clone()))
        }
        _ => None,
    });
    assert_eq!(heard, Some((B, called, b"hello".to_vec())));
    let headers = vec![("X-Order".into(), "7".into())];
    let options = CallOptions { headers, ..CallOptions::default() };
    let with = |line| Operation::MakeCall {
        line,
        address: ADDRESS,
        destination: "sip:a@loop".into(),
        options: options.clone(),
    };
    assert_eq!(wired.ask(with(LineId(2))), Err(OperationError::ExtensionNotSelected("sip")));
    wired.ask(with(B)).unwrap();
    let call = wired.last_new();
    let asked = Operation::Extension { line: A, call: Some(call), command: ExtensionCommand::Headers };
    let Ok(Outcome::Extension(ExtensionAnswer::Headers(headers))) = wired.ask(asked) else { panic!("none") };
    assert!(headers.contains(&("X-Order".into(), "7".into())), "{headers:?}");
}

#[test]
fn a_call_that_nobody_has_room_for_is_announced_again_and_then_refused() {
    let mut exchange = Loopback::new();
    let line = exchange.add_line(line("desk"));
    exchange.open_line(Time::ZERO, line, V1).unwrap();
    let party = exchange.comes_in(Incoming::new(line, ANN));
    let (mut announced, mut now) = (0, Time::ZERO);
    loop {
        while let Some(event) = exchange.poll_event() {
            let ProviderEvent::NewCall { call, .. } = event else {
                panic!("told before it was taken: {event:?}")
            };
            announced += 1;
            exchange.take_call(now, call, false);
        }
        let Some(next) = exchange.next_timeout() else { break };
        now = next;
        exchange.timeout(now);
    }
    assert_eq!((announced, now), (5, Time::from_millis(15_000)));
    assert_eq!(exchange.noticed(party).last(), Some(&Noticed::Refused(486)));
    assert_eq!(exchange.calls(), 0);
}

#[test]
fn lines_come_and_go_and_their_numbers_are_never_used_again() {
    let mut wired = Wired::new();
    let call = wired.answered(B, ANN);
    let (holding, _) = wired.submit(Operation::Hold { call }).unwrap();
    wired.exchange.remove_line(B);
    wired.drain();
    assert_eq!(wired.results.get(&holding), Some(&Err(OperationError::Closed)));
    assert_eq!(ended(&wired.state(call)), Some(DisconnectMode::OutOfOrder));
    assert_eq!(wired.told.pop(), Some(ProviderEvent::LineRemoved { line: B }));
    assert_eq!(wired.exchange.open_line(wired.now, B, V1), Err(LineError::NoSuchLine(B)));
    let again = wired.exchange.plug_in(line("b"));
    wired.drain();
    assert_eq!(wired.told.pop(), Some(ProviderEvent::LineCreated { line: again }));
    assert_ne!(again, B);
    wired.exchange.request_close(A, "for a test");
    wired.drain();
    assert!(matches!(wired.told.pop(), Some(ProviderEvent::CloseRequested { line: A, .. })));
}

#[test]
fn dial_strings_are_looked_at_before_anything_is_dialled() {
    let mut wired = Wired::new();
    for (destination, c) in [("W123", 'W'), ("12@3", '@'), ("$12", '$'), ("1?2", '?'), ("1;2", ';')] {
        let refused = wired.ask(make(A, destination));
        assert_eq!(refused, Err(OperationError::UnsupportedDialCharacter(c)), "{destination}");
    }
    assert!(matches!(wired.ask(make(A, "a b")), Err(OperationError::InvalidAddress { .. })));
    wired.exchange.outside("sip:1234@outside", Outside::Answers(Duration::from_millis(50)));
    for (first, rest, begins) in
        [("", ["1234", ""], StateKind::Dialtone), ("12;", ["3;", "4"], StateKind::Dialing)]
    {
        let Ok(Outcome::Call(call)) = wired.ask(make(A, first)) else { panic!("no call") };
        assert_eq!(wired.kind(call), begins);
        for digits in rest.into_iter().filter(|digits| !digits.is_empty()) {
            wired.ask(Operation::Dial { call, digits: digits.into() }).unwrap();
        }
        assert_eq!(wired.kind(call), StateKind::Connected, "{first} {rest:?}");
    }
    let mut whole = Wired::with(|line| line.capabilities.flags.partial_dialing = false);
    assert_eq!(whole.ask(make(A, "12;")), Err(OperationError::UnsupportedDialCharacter(';')));
}

#[test]
fn callers_are_shown_as_far_as_they_want_to_be() {
    let mut wired = Wired::new();
    let withheld = Party::withheld(Presentation::Blocked);
    let id = wired.exchange.comes_in(Incoming { from: withheld.clone(), ..Incoming::new(A, ANN) });
    wired.drain();
    let call = wired.exchange.call_of(id).unwrap();
    assert_eq!(wired.exchange.call_info(call).unwrap().caller, withheld);
    wired.exchange.names_caller(call, Party::known(ANN, "Ann"));
    wired.drain();
    assert_eq!(wired.changes(call), [hookswitch_spi::InfoParts::CALLER]);
    for (why, mode) in [
        (GivesUp::Cancelled, DisconnectMode::Cancelled),
        (GivesUp::AnsweredElsewhere, DisconnectMode::Pickup),
        (GivesUp::Forwarded, DisconnectMode::Forwarded),
    ] {
        let call = wired.call_in(A, ANN);
        wired.exchange.gives_up(call, why);
        assert_eq!(ended(&wired.state(call)), Some(mode), "{why:?}");
    }
}

#[test]
fn rings_messages_counts_and_service_are_told_to_those_who_want_them() {
    let mut wired = Wired::new();
    wired.exchange.detect_status(A, Set::NONE).unwrap();
    let quiet = wired.answered(A, ANN);
    wired.exchange.messages_wait(A, 1, 0);
    wired.drain();
    assert!(wired.told.is_empty(), "{:?}", wired.told);
    wired.ask(Operation::drop(quiet)).unwrap();
    wired.hear_everything();
    wired.call_in(A, ANN);
    wired.run(Duration::from_secs(9));
    wired.exchange.messages_wait(A, 2, 0);
    wired.exchange.messages_wait(A, 2, 0);
    let why = OutOfService { status: None, reason: "for a test".into() };
    wired.exchange.set_line_state(A, LineState::OutOfService(why));
    wired.drain();
    let rings = wired.told.iter().filter_map(|event| match event {
        ProviderEvent::Ringing { count, .. } => Some(*count),
        _ => None,
    });
    assert_eq!(rings.collect::<Vec<_>>(), [0, 1, 2]);
    let count = |fits: fn(&ProviderEvent) -> bool| wired.told.iter().filter(|event| fits(event)).count();
    assert_eq!(count(|event| matches!(event, ProviderEvent::MessageWaiting { waiting: true, .. })), 1);
    assert_eq!(
        count(|event| matches!(event, ProviderEvent::CallCount { calls, .. } if calls.active == 1)),
        1
    );
    assert_eq!(count(|event| matches!(event, ProviderEvent::LineState { .. })), 1);
    assert!(matches!(wired.ask(make(A, "sip:b@loop")), Err(OperationError::OutOfService(_))));
}

#[test]
fn a_silent_party_makes_no_call_and_may_still_wake_up() {
    let mut wired = Wired::new();
    wired.exchange.outside("sip:x@outside", Outside::Silent);
    let (request, call) = wired.submit(make(A, "sip:x@outside")).unwrap();
    wired.run(Duration::from_secs(5));
    let party = wired.exchange.called_at("x").unwrap();
    assert_eq!(wired.exchange.call_state(call.unwrap()), None);
    wired.exchange.rings(party);
    wired.drain();
    assert!(wired.results.contains_key(&request));
    assert_eq!(wired.states[&call.unwrap()], [StateKind::Proceeding, StateKind::Ringback]);
    wired.exchange.answers(party);
    assert_eq!(wired.kind(call.unwrap()), StateKind::Connected);
    let (request, _) = wired.submit(make(A, "sip:x@outside")).unwrap();
    wired.run(Duration::from_secs(33));
    assert_eq!(wired.results[&request], Err(OperationError::TimedOut(Duration::from_secs(32))));
}

#[test]
fn a_secured_call_is_not_interrupted() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    wired.ask(Operation::SecureCall { call }).unwrap();
    let id = wired.exchange.comes_in(Incoming::new(A, "sip:eve@outside"));
    assert_eq!(wired.exchange.noticed(id), [Noticed::Refused(486)]);
    wired.ask(Operation::drop(call)).unwrap();
    assert!(wired.exchange.call_in(A, ADDRESS, ANN, MediaTypes::VOICE).is_some());
}

#[test]
fn a_reason_goes_before_a_status() {
    let mut wired = Wired::new();
    let refusal = Refusal { q850: Some(17), ..Refusal::with(480) };
    wired.exchange.outside("sip:x@outside", Outside::RingsThenRefuses(refusal, Duration::ZERO));
    let call = wired.call(A, "sip:x@outside");
    let CallState::Disconnected(end) = wired.state(call) else { panic!("not ended") };
    assert_eq!((end.mode, end.status, end.q850), (DisconnectMode::Busy, Some(480), Some(17)));
    assert!(wired.states[&call].contains(&StateKind::Busy));
}

#[test]
fn request_numbers_are_used_once_at_a_time() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    let now = wired.now;
    wired.exchange.submit(now, RequestId(77), Operation::Hold { call }).unwrap();
    for number in [0, 77] {
        let again = wired.exchange.submit(now, RequestId(number), Operation::Statistics { call });
        assert!(matches!(again, Err(OperationError::InvalidParameter(_))), "{again:?}");
    }
}

#[test]
fn a_fault_breaks_what_its_name_says_and_without_it_nothing_is_broken() {
    for broken in [false, true] {
        let mut wired = Wired::new();
        if broken {
            wired.exchange.inject(Fault::AcceptDoesNothing);
        }
        let call = wired.call_in(A, ANN);
        wired.ask(Operation::accept(call)).unwrap();
        assert_eq!(wired.kind(call), if broken { StateKind::Offering } else { StateKind::Accepted });
    }
}
