//! The loopback exchange: the right states on both sides of a call, and the contract of the service provider interface.

mod exchange;

use exchange::{A, B, C, Wired, ended};
use hookswitch_spi::{
    AddressId, CallId, CallState, ConnectedMode, DigitOptions, DisconnectMode, Feature, Features,
    ForwardCondition, ForwardRule, ForwardTarget, ForwardingRules, InterfaceVersion, LineError, MediaTypes,
    Operation, OperationError, Outcome, Provider, RejectReason, StateKind, TransferOutcome, VersionRange,
};
use hookswitch_testkit::loopback::Outside;
use std::time::Duration;

#[test]
fn an_answered_call_has_its_states_on_both_sides() {
    let mut wired = Wired::new();
    let (caller, called) = wired.talk();
    use StateKind as S;
    assert_eq!(wired.states[&caller], [S::Proceeding, S::Ringback, S::Connected]);
    assert_eq!(wired.states[&called], [S::Offering, S::Connected]);
    assert_eq!(
        wired.exchange.call_info(caller).unwrap().physical,
        wired.exchange.call_info(called).unwrap().physical
    );
    wired.ask(Operation::drop(called)).unwrap();
    assert_eq!(wired.state(called), CallState::Idle);
    assert_eq!(ended(&wired.state(caller)), Some(DisconnectMode::Normal));
    wired.ask(Operation::drop(caller)).unwrap();
    assert_eq!(wired.state(caller), CallState::Idle, "only its owner takes a call from disconnected to idle");
}

#[test]
fn refusals_reach_the_caller_with_their_mode() {
    let rows = [
        (RejectReason::Default, DisconnectMode::Busy),
        (RejectReason::NoAnswer, DisconnectMode::NoAnswer),
        (RejectReason::Decline, DisconnectMode::Reject),
    ];
    for (reason, mode) in rows {
        let mut wired = Wired::new();
        let caller = wired.call(A, "sip:b@loop");
        wired.ask(Operation::Drop { call: wired.last_new(), reason, user_info: None }).unwrap();
        assert_eq!(ended(&wired.state(caller)), Some(mode), "{reason:?}");
    }
}

#[test]
fn parties_outside_behave_as_arranged() {
    let rows = [
        (Some(Outside::Answers(Duration::from_millis(100))), StateKind::Connected),
        (Some(Outside::Rings), StateKind::Ringback),
        (Some(Outside::Refuses(486, Duration::ZERO)), StateKind::Disconnected),
        (None, StateKind::Disconnected),
    ];
    for (behaviour, state) in rows {
        let mut wired = Wired::new();
        if let Some(behaviour) = &behaviour {
            wired.exchange.outside("sip:x@outside", behaviour.clone());
        }
        let call = wired.call(A, "sip:x@outside");
        assert_eq!(wired.state(call).kind(), state, "{behaviour:?}");
    }
}

#[test]
fn holding_shows_on_the_other_side_and_both_may_hold() {
    let mut wired = Wired::new();
    let (caller, called) = wired.talk();
    let held = CallState::Connected(ConnectedMode::ActiveHeld);
    let active = CallState::Connected(ConnectedMode::Active);
    wired.ask(Operation::Hold { call: caller }).unwrap();
    assert_eq!((wired.state(caller), wired.state(called)), (CallState::OnHold, held.clone()));
    wired.ask(Operation::Hold { call: called }).unwrap();
    assert_eq!((wired.state(caller), wired.state(called)), (CallState::OnHold, CallState::OnHold));
    wired.ask(Operation::Retrieve { call: caller }).unwrap();
    assert_eq!((wired.state(caller), wired.state(called)), (held, CallState::OnHold));
    wired.ask(Operation::Retrieve { call: called }).unwrap();
    assert_eq!((wired.state(caller), wired.state(called)), (active.clone(), active));
}

#[test]
fn a_redirected_call_arrives_elsewhere() {
    let mut wired = Wired::new();
    let caller = wired.call(A, "sip:b@loop");
    let first = wired.last_new();
    let bad = wired.ask(Operation::Redirect { call: first, destination: "no address".into() });
    assert!(matches!(bad, Err(OperationError::InvalidAddress { .. })), "{bad:?}");
    assert_eq!(wired.state(first).kind(), StateKind::Offering);
    wired.ask(Operation::Redirect { call: first, destination: "sip:c@loop".into() }).unwrap();
    assert_eq!(wired.state(first), CallState::Idle);
    assert_eq!(wired.new.last().unwrap().0, C);
    wired.ask(Operation::answer(wired.last_new())).unwrap();
    assert_eq!(wired.state(caller).kind(), StateKind::Connected);
}

#[test]
fn forwarding_rules_stand_until_replaced() {
    let to_c = || ForwardTarget::Address("sip:c@loop".into());
    let rows = [
        (ForwardCondition::Unconditional, None, to_c(), Duration::from_secs(1), Some(C)),
        (ForwardCondition::Unconditional, Some("sip:a@loop"), to_c(), Duration::from_secs(1), Some(C)),
        (ForwardCondition::Unconditional, Some("sip:z@loop"), to_c(), Duration::from_secs(1), Some(B)),
        (ForwardCondition::Unconditional, None, ForwardTarget::DoNotDisturb, Duration::from_secs(1), None),
        (ForwardCondition::Busy, None, to_c(), Duration::from_secs(1), Some(B)),
        (ForwardCondition::NoAnswer, None, to_c(), Duration::from_secs(1), Some(B)),
        (ForwardCondition::NoAnswer, None, to_c(), Duration::from_secs(30), Some(C)),
    ];
    for (when, from, to, after, arrives) in rows {
        let mut wired = Wired::new();
        let rule = ForwardRule { when, from: from.map(Into::into), origin: None, to: to.clone() };
        let rules = ForwardingRules { rules: vec![rule], no_answer_after: None };
        let forward = |rules| Operation::Forward { line: B, address: AddressId(0), rules };
        wired.ask(forward(rules)).unwrap();
        wired.call(A, "sip:b@loop");
        wired.run(after);
        assert_eq!(wired.new.last().map(|(line, _)| *line), arrives, "{when:?} {from:?} {to:?}");
        wired.ask(forward(ForwardingRules::default())).unwrap();
        wired.call(A, "sip:b@loop");
        assert_eq!(wired.new.last().unwrap().0, B, "an empty list cancels");
    }
}

#[test]
fn a_transfer_completes_with_what_became_of_it() {
    let transfer = |call, to: &str| Operation::BlindTransfer {
        call,
        destination: to.into(),
        deadline: Duration::from_secs(5),
    };
    let mut wired = Wired::new();
    let (caller, called) = wired.talk();
    let gone = wired.ask(transfer(called, "sip:nobody@outside"));
    assert!(matches!(gone, Err(OperationError::Refused { status: 404, .. })), "{gone:?}");
    assert_eq!(wired.state(called).kind(), StateKind::Connected);

    // The target refuses: the call is still up.
    let (request, _) = wired.submit(transfer(called, "sip:c@loop")).unwrap();
    wired.run(Duration::from_secs(1));
    wired.ask(Operation::drop(wired.last_new())).unwrap();
    assert!(matches!(wired.results[&request], Err(OperationError::Refused { status: 486, .. })));
    assert_eq!(wired.state(called).kind(), StateKind::Connected);

    // Nobody answers in time: the target stops ringing.
    let (request, _) = wired.submit(transfer(called, "sip:c@loop")).unwrap();
    wired.run(Duration::from_secs(6));
    assert!(matches!(wired.results[&request], Err(OperationError::TimedOut(_))));
    assert_eq!(ended(&wired.state(wired.last_new())), Some(DisconnectMode::Cancelled));

    // The target answers: we are out, the other two talk.
    let (request, _) = wired.submit(transfer(called, "sip:c@loop")).unwrap();
    wired.run(Duration::from_secs(1));
    let target = wired.last_new();
    wired.ask(Operation::answer(target)).unwrap();
    assert_eq!(wired.results[&request], Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
    assert_eq!(wired.state(called), CallState::Idle);
    assert_eq!(wired.state(caller).kind(), StateKind::Connected);
    wired.ask(Operation::drop(target)).unwrap();
    assert_eq!(ended(&wired.state(caller)), Some(DisconnectMode::Normal), "they really were connected");
}

#[test]
fn digits_are_heard_and_newer_ones_replace_older_ones() {
    let mut wired = Wired::new();
    let (caller, _) = wired.talk();
    let send = |digits: &str| Operation::SendDigits { call: caller, digits: DigitOptions::new(digits) };
    let wrong = wired.ask(send("12x"));
    assert!(matches!(wrong, Err(OperationError::InvalidParameter(_))), "{wrong:?}");
    let (older, _) = wired.submit(send("1,2")).unwrap();
    wired.run(Duration::from_millis(50));
    assert_eq!(wired.ask(send("3")), Ok(Outcome::Done));
    assert_eq!(wired.results[&older], Err(OperationError::Replaced));
    assert_eq!(wired.digits, "13", "the first was begun, the second never was");
}

#[test]
fn the_capability_table_drives_every_refusal() {
    for feature in Features::ALL.iter().filter(|feature| *feature != Feature::MakeCall) {
        let mut wired = Wired::with(|line| line.capabilities.features = Features::ALL.without(feature));
        let call = wired.exchange.call_in(A, AddressId(0), "sip:x@outside", MediaTypes::VOICE).unwrap();
        wired.run(Duration::ZERO);
        for operation in every_operation(call) {
            let checked = wired.submit(operation.clone()).map(|_| ());
            let state = Some(StateKind::Offering).filter(|_| operation.call().is_some());
            let expected = wired.exchange.capabilities(A).unwrap().check(&operation, state);
            assert_eq!(checked, expected, "{} without {feature:?}", operation.name());
        }
    }
}

fn every_operation(call: CallId) -> Vec<Operation> {
    let destination = String::from("sip:b@loop");
    vec![
        Operation::Statistics { call },
        Operation::Play { call, source: Default::default() },
        Operation::Record { call, path: None },
        Operation::SendDigits { call, digits: DigitOptions::new("1") },
        Operation::Hold { call },
        Operation::Retrieve { call },
        Operation::BlindTransfer { call, destination: destination.clone(), deadline: Duration::ZERO },
        Operation::Forward { line: A, address: AddressId(0), rules: Default::default() },
        Operation::accept(call),
        Operation::answer(call),
        Operation::Redirect { call, destination },
        Operation::drop(call),
    ]
}

#[test]
fn closing_completes_what_is_outstanding_and_nothing_follows() {
    for close_line in [false, true] {
        let mut wired = Wired::new();
        let (caller, called) = wired.talk();
        let (holding, _) = wired.submit(Operation::Hold { call: caller }).unwrap();
        if close_line {
            wired.exchange.close_line(wired.now, A);
        } else {
            wired.exchange.close_call(wired.now, caller);
        }
        wired.drain();
        assert_eq!(wired.results[&holding], Err(OperationError::Closed));
        wired.states.clear();
        wired.run(Duration::from_secs(60));
        assert!(!wired.states.contains_key(&caller));
        assert_eq!(
            ended(&wired.state(called)),
            Some(DisconnectMode::Normal),
            "a closed live call is hung up"
        );
        let closed = wired.submit(Operation::Hold { call: caller });
        assert_eq!(closed, Err(OperationError::NoSuchCall(caller)));
    }
}

#[test]
fn a_call_that_is_being_made_has_no_events_and_cannot_be_used() {
    let mut wired = Wired::new();
    let made = Operation::MakeCall {
        line: A,
        address: AddressId(0),
        destination: "sip:b@loop".into(),
        options: Default::default(),
    };
    let (request, call) = wired.submit(made).unwrap();
    let call = call.unwrap();
    wired.drain();
    assert!(wired.states.is_empty());
    let early = wired.submit(Operation::drop(call));
    assert_eq!(early, Err(OperationError::NoSuchCall(call)));
    wired.exchange.close_call(wired.now, call);
    wired.run(Duration::from_secs(60));
    assert_eq!(wired.results[&request], Err(OperationError::Closed));
    assert!(wired.states.is_empty() && wired.new.is_empty());
}

#[test]
fn full_lines_closed_lines_and_versions_are_refused() {
    let mut wired = Wired::with(|line| line.capabilities.max_calls = 1);
    wired.talk();
    let third = wired.submit(Operation::MakeCall {
        line: A,
        address: AddressId(0),
        destination: "sip:c@loop".into(),
        options: Default::default(),
    });
    assert_eq!(third, Err(OperationError::TooManyCalls(1)));
    let busy = wired.call(C, "sip:b@loop");
    assert_eq!(ended(&wired.state(busy)), Some(DisconnectMode::Busy));
    assert_eq!(wired.exchange.open_line(wired.now, A, InterfaceVersion::V1), Err(LineError::AlreadyOpen(A)));
    let future = InterfaceVersion(9 << 16);
    let offered = VersionRange { low: future, high: future };
    let version = wired.exchange.negotiate(Some(A), offered);
    assert!(matches!(version, Err(LineError::IncompatibleVersion(_))), "{version:?}");
}
