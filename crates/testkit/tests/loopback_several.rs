//! Operations on several calls of the exchange: transfers, conferences, parking, picking up, call completion.

mod exchange;

use exchange::{A, B, C, Wired, ended};
use hookswitch_spi::{
    AddressId, CallId, CallState, CallTreatment, CompletionMode, ConnectedMode, ConsultOptions,
    DisconnectMode, Operation, OperationError, Outcome, ParkAt, PickupFrom, Provider, ProviderEvent, Reason,
    StateKind as S, TransferMode, TransferOutcome,
};
use hookswitch_testkit::loopback::{Heard, Noticed, Outside, Refusal};
use std::time::Duration;

const ANN: &str = "sip:ann@outside";
const BEN: &str = "sip:ben@outside";
const ADDRESS: AddressId = AddressId(0);
const SOON: Duration = Duration::from_secs(5);

fn complete(call: CallId, consult: CallId, mode: TransferMode) -> Operation {
    Operation::CompleteTransfer { call, consult, mode, deadline: SOON }
}

#[test]
fn a_consulted_transfer_joins_the_other_two_and_lets_us_go() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    let consult = wired.consult(call, BEN);
    assert_eq!((wired.kind(call), wired.kind(consult)), (S::OnHoldPendingTransfer, S::Connected));
    let related = wired.exchange.call_info(consult).unwrap().related;
    assert_eq!(related, wired.exchange.call_info(call).map(|info| info.physical));
    assert!(!wired.exchange.hears(ANN, BEN));
    assert_eq!(wired.exchange.party_hears(call), Heard::Treatment(CallTreatment::Music));
    let done = wired.ask(complete(call, consult, TransferMode::Transfer));
    assert_eq!(done, Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
    assert_eq!((wired.kind(call), wired.kind(consult)), (S::Idle, S::Idle));
    assert!(wired.exchange.hears(ANN, BEN) && wired.exchange.hears(BEN, ANN));
    wired.exchange.hangs_up_elsewhere(BEN);
    assert!(!wired.exchange.hears(ANN, BEN));
}

#[test]
fn a_transfer_between_lines_shows_both_whom_they_talk_to() {
    let mut wired = Wired::new();
    let (caller, called) = wired.talk();
    let consult = ConsultOptions::to("sip:c@loop");
    let Ok(Outcome::Call(consult)) = wired.ask(Operation::SetupTransfer { call: called, consult }) else {
        panic!("no consultation call")
    };
    let target = wired.last_new();
    assert_eq!(wired.state(caller), CallState::Connected(ConnectedMode::ActiveHeld));
    // Completed while it still rings: done when the target answers.
    let (request, _) = wired.submit(complete(called, consult, TransferMode::Transfer)).unwrap();
    wired.run(Duration::from_secs(1));
    assert!(!wired.results.contains_key(&request));
    wired.ask(Operation::answer(target)).unwrap();
    assert_eq!(wired.results[&request], Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
    assert_eq!(wired.state(caller), CallState::Connected(ConnectedMode::Active));
    let connected = |call| wired.exchange.call_info(call).unwrap().connected.address;
    assert_eq!((&*connected(caller), &*connected(target)), ("sip:c@loop", "sip:a@loop"));
    assert!(wired.exchange.hears("sip:a@loop", "sip:c@loop"));
    wired.ask(Operation::drop(caller)).unwrap();
    assert_eq!(ended(&wired.state(target)), Some(DisconnectMode::Normal));
}

#[test]
fn a_target_that_refuses_leaves_the_held_call_as_it_was() {
    let mut wired = Wired::new();
    let (_, called) = wired.talk();
    let consult = ConsultOptions::to("sip:c@loop");
    let Ok(Outcome::Call(consult)) = wired.ask(Operation::SetupTransfer { call: called, consult }) else {
        panic!("no consultation call")
    };
    let (request, _) = wired.submit(complete(called, consult, TransferMode::Transfer)).unwrap();
    wired.run(Duration::from_secs(1));
    wired.ask(Operation::drop(wired.last_new())).unwrap();
    assert!(matches!(wired.results[&request], Err(OperationError::Refused { status: 486, .. })));
    assert_eq!(wired.kind(called), S::OnHoldPendingTransfer);
    let (stranger, _) = wired.talk();
    let wrong = wired.ask(complete(called, stranger, TransferMode::Transfer));
    assert!(matches!(wrong, Err(OperationError::NoSuchCall(_))), "a call of another line: {wrong:?}");
    let other = wired.answered(B, ANN);
    let wrong = wired.ask(complete(called, other, TransferMode::Transfer));
    assert_eq!(wrong, Err(OperationError::NotConsultation(other)));
}

#[test]
fn the_end_of_a_consultation_reconnects_where_the_line_says_so() {
    for reconnects in [true, false] {
        let mut wired = Wired::with(|line| line.capabilities.flags.reconnects = reconnects);
        let call = wired.answered(A, ANN);
        let consult = wired.consult(call, BEN);
        wired.ask(Operation::drop(consult)).unwrap();
        assert_eq!(wired.kind(call), if reconnects { S::Connected } else { S::OnHoldPendingTransfer });
        assert_eq!(wired.exchange.hears(ANN, "sip:a@loop"), reconnects);
    }
}

#[test]
fn taking_back_a_call_ends_its_consultation_and_swapping_does_not() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    let consult = wired.consult(call, BEN);
    wired.ask(Operation::SwapHold { active: consult, held: call }).unwrap();
    assert_eq!((wired.kind(call), wired.kind(consult)), (S::Connected, S::OnHoldPendingTransfer));
    wired.ask(Operation::Retrieve { call: consult }).unwrap();
    assert_eq!((wired.kind(call), wired.kind(consult)), (S::OnHoldPendingTransfer, S::Connected));
    wired.ask(Operation::Retrieve { call }).unwrap();
    assert_eq!((wired.kind(call), wired.kind(consult)), (S::Connected, S::Idle));
}

#[test]
fn a_party_that_does_not_let_itself_be_transferred_stays() {
    let mut wired = Wired::new();
    let call = wired.answered(A, ANN);
    wired.exchange.when_transferred(call, 0);
    let transfer = Operation::BlindTransfer { call, destination: BEN.into(), deadline: SOON };
    assert!(matches!(wired.ask(transfer.clone()), Err(OperationError::Refused { status: 603, .. })));
    assert_eq!(wired.kind(call), S::Connected);
    wired.exchange.when_transferred(call, 200);
    wired.exchange.outside(BEN, Outside::Rings);
    let (request, _) = wired.submit(transfer).unwrap();
    wired.run(Duration::from_secs(1));
    wired.exchange.hang_up(call);
    wired.drain();
    assert_eq!(
        wired.results[&request],
        Ok(Outcome::Transferred(TransferOutcome::Unknown)),
        "it hung up early"
    );
}

#[test]
fn everybody_in_a_conference_hears_everybody_else() {
    let mut wired = Wired::new();
    let (conference, one, two) = wired.meet(A);
    assert_eq!(wired.kind(conference), S::Connected);
    for member in [one, two] {
        assert_eq!(wired.state(member), CallState::Conferenced(conference));
    }
    let us = "sip:a@loop";
    for (listener, speaker) in [(ANN, BEN), (BEN, ANN), (ANN, us), (us, ANN), (us, BEN)] {
        assert!(wired.exchange.hears(listener, speaker), "{listener} hears {speaker}");
    }
    assert!(!wired.exchange.hears(ANN, ANN));
    // Another is asked in: the others go on talking.
    let consult = ConsultOptions::to("sip:c@loop");
    let Ok(Outcome::Call(three)) = wired.ask(Operation::PrepareAddToConference { conference, consult })
    else {
        panic!("no consultation call")
    };
    wired.ask(Operation::answer(wired.last_new())).unwrap();
    assert_eq!(wired.kind(conference), S::OnHoldPendingConference);
    assert!(wired.exchange.hears(ANN, BEN) && !wired.exchange.hears(ANN, us));
    wired.ask(Operation::AddToConference { conference, member: three }).unwrap();
    assert!(wired.exchange.hears("sip:c@loop", ANN) && wired.exchange.hears(BEN, "sip:c@loop"));
    wired.ask(Operation::RemoveFromConference { member: three }).unwrap();
    assert_eq!(wired.kind(three), S::OnHold);
    assert!(!wired.exchange.hears("sip:c@loop", ANN));
}

#[test]
fn the_last_party_of_a_conference_goes_on_as_an_ordinary_call() {
    let mut wired = Wired::new();
    let (conference, one, two) = wired.meet(A);
    wired.exchange.hang_up(two);
    wired.run(Duration::from_secs(1));
    assert_eq!(
        (wired.kind(conference), wired.kind(one), wired.kind(two)),
        (S::Idle, S::Connected, S::Disconnected)
    );
    assert!(wired.exchange.hears(ANN, "sip:a@loop"));
}

#[test]
fn dropping_a_conference_drops_its_members() {
    let mut wired = Wired::new();
    let (conference, one, two) = wired.meet(A);
    let parties = [one, two].map(|call| wired.exchange.party_of(call).unwrap());
    wired.ask(Operation::drop(conference)).unwrap();
    assert_eq!((wired.kind(conference), wired.kind(one), wired.kind(two)), (S::Idle, S::Idle, S::Idle));
    for party in parties {
        assert_eq!(wired.exchange.noticed(party).last(), Some(&Noticed::HungUp(Vec::new())));
    }
}

#[test]
fn a_conference_has_bounds_and_only_conferences_have_members() {
    let mut wired = Wired::with(|line| line.capabilities.max_conference = 2);
    let (conference, one, _) = wired.meet(A);
    let consult = ConsultOptions::to(BEN);
    let full = wired.ask(Operation::PrepareAddToConference { conference, consult: consult.clone() });
    assert_eq!(full, Err(OperationError::ConferenceFull(2)));
    let call = wired.answered(A, "sip:cora@outside");
    let none = wired.ask(Operation::PrepareAddToConference { conference: call, consult });
    assert_eq!(none, Err(OperationError::NoConference(call)));
    let digits = Operation::MonitorDigits { call: one, digits: Default::default() };
    assert!(
        matches!(wired.ask(digits), Err(OperationError::InvalidCallState { .. })),
        "at the conference only"
    );
}

#[test]
fn a_parked_call_waits_is_fetched_or_comes_back() {
    let mut wired = Wired::new();
    wired.exchange.set_recall(Duration::from_secs(30));
    let (caller, called) = wired.talk();
    let physical = wired.exchange.call_info(called).unwrap().physical;
    let Ok(Outcome::Parked(orbit)) = wired.ask(Operation::Park { call: called, at: ParkAt::Anywhere }) else {
        panic!("not parked")
    };
    assert_eq!(wired.kind(called), S::Idle);
    assert_eq!(wired.state(caller), CallState::Connected(ConnectedMode::ActiveHeld));
    let unpark = |orbit: &str| Operation::Unpark { line: C, address: ADDRESS, orbit: orbit.into() };
    assert!(matches!(wired.ask(unpark("777")), Err(OperationError::NothingThere(_))));
    let Ok(Outcome::Call(fetched)) = wired.ask(unpark(&orbit)) else { panic!("not fetched") };
    let info = wired.exchange.call_info(fetched).unwrap();
    assert_eq!((info.reason, info.physical), (Reason::Unparked, physical));
    assert_eq!(wired.state(caller), CallState::Connected(ConnectedMode::Active));
    assert!(wired.exchange.hears("sip:a@loop", "sip:c@loop"));
    wired.ask(Operation::Park { call: fetched, at: ParkAt::Orbit("701".into()) }).unwrap();
    let (_, other) = wired.talk();
    let taken = wired.ask(Operation::Park { call: other, at: ParkAt::Orbit("701".into()) });
    assert!(matches!(taken, Err(OperationError::Refused { status: 486, .. })), "{taken:?}");
    wired.run(Duration::from_secs(30));
    let (line, back) = *wired.new.last().unwrap();
    assert_eq!((line, wired.exchange.call_info(back).unwrap().reason), (C, Reason::Reminder));
    wired.ask(Operation::answer(back)).unwrap();
    assert!(wired.exchange.hears("sip:a@loop", "sip:c@loop"));
}

#[test]
fn an_alerting_call_is_picked_up_by_address_group_or_where_it_waits() {
    let rows = [
        (C, PickupFrom::Address("b".into())),
        (C, PickupFrom::Group(String::new())),
        (C, PickupFrom::Group("all".into())),
        (B, PickupFrom::Waiting),
    ];
    for (line, from) in rows {
        let mut wired = Wired::new();
        let caller = wired.call(A, "sip:b@loop");
        let alerting = wired.last_new();
        let pickup = Operation::Pickup { line, address: ADDRESS, from: from.clone() };
        let Ok(Outcome::Call(picked)) = wired.ask(pickup.clone()) else {
            panic!("not picked up from {from:?}")
        };
        let info = wired.exchange.call_info(picked).unwrap();
        assert_eq!((info.reason, &*info.caller.address), (Reason::PickedUp, "sip:a@loop"), "{from:?}");
        assert_eq!(ended(&wired.state(alerting)), Some(DisconnectMode::Pickup), "{from:?}");
        assert_eq!((wired.kind(picked), wired.kind(caller)), (S::Connected, S::Connected), "{from:?}");
        assert!(matches!(wired.ask(pickup), Err(OperationError::NothingThere(_))), "{from:?}");
    }
}

#[test]
fn a_busy_party_is_called_back_when_it_is_free() {
    let mut wired = Wired::with(|line| line.capabilities.max_calls = 2);
    let (_, busy) = wired.talk();
    let also = wired.answered(B, ANN);
    let attempt = wired.call(C, "sip:b@loop");
    assert_eq!(ended(&wired.state(attempt)), Some(DisconnectMode::Busy));
    wired.exchange.set_busy_tone(Duration::from_secs(10));
    let attempt = wired.call(C, "sip:b@loop");
    assert_eq!(wired.kind(attempt), S::Busy);
    let physical = wired.exchange.call_info(attempt).unwrap().physical;
    let later = Operation::CompleteCall { call: attempt, mode: CompletionMode::CallBack };
    let Ok(Outcome::Completion(completion)) = wired.ask(later) else { panic!("not arranged") };
    assert_eq!(wired.kind(attempt), S::Idle);
    assert_eq!(wired.exchange.line_status(C).unwrap().completions, 1);
    wired.ask(Operation::drop(also)).unwrap();
    let before = wired.new.len();
    wired.ask(Operation::drop(busy)).unwrap();
    let (line, back) = *wired.new.get(before).expect("it is free: a call comes back");
    let info = wired.exchange.call_info(back).unwrap();
    assert_eq!((line, info.reason), (C, Reason::CallCompletion));
    assert_eq!((info.completion, info.related), (Some(completion), Some(physical)));
    assert_eq!(wired.exchange.line_status(C).unwrap().completions, 0);
    wired.ask(Operation::answer(back)).unwrap();
    let reached = wired.last_new();
    assert_eq!(wired.kind(reached), S::Offering);
    wired.ask(Operation::answer(reached)).unwrap();
    assert!(wired.exchange.hears("sip:c@loop", "sip:b@loop"));
}

#[test]
fn call_completions_are_bounded_cancelled_and_given_up() {
    let mut wired = Wired::with(|line| line.capabilities.max_completions = 1);
    wired.hear_everything();
    wired.exchange.outside(BEN, Outside::RingsThenRefuses(Refusal::with(486), Duration::from_secs(60)));
    let arrange = |wired: &mut Wired| {
        let call = wired.call(A, BEN);
        wired.ask(Operation::CompleteCall { call, mode: CompletionMode::CampOn })
    };
    let Ok(Outcome::Completion(completion)) = arrange(&mut wired) else { panic!("not arranged") };
    assert_eq!(arrange(&mut wired), Err(OperationError::TooManyCompletions(1)));
    let elsewhere = wired.ask(Operation::UncompleteCall { line: B, completion });
    assert_eq!(elsewhere, Err(OperationError::NoSuchCompletion(completion)));
    assert_eq!(wired.ask(Operation::UncompleteCall { line: A, completion }), Ok(Outcome::Done));
    let Ok(Outcome::Completion(second)) = arrange(&mut wired) else { panic!("not arranged") };
    wired.exchange.end_completion(second);
    wired.drain();
    assert!(wired.told.contains(&ProviderEvent::CompletionEnded { line: A, completion: second }));
}

#[test]
fn calls_that_camp_on_for_a_line_go_out_in_turn() {
    let mut wired = Wired::with(|line| line.capabilities.max_calls = 2);
    wired.exchange.set_busy_tone(Duration::from_secs(10));
    let (_, busy) = wired.talk();
    let also = wired.answered(B, ANN);
    let mut waiting = Vec::new();
    for line in [C, A] {
        let call = wired.call(line, "sip:b@loop");
        assert_eq!(wired.kind(call), S::Busy);
        let camped = wired.ask(Operation::CompleteCall { call, mode: CompletionMode::CampOn });
        assert!(matches!(camped, Ok(Outcome::Completion(_))), "{camped:?}");
        assert_eq!(wired.kind(call), S::Proceeding);
        waiting.push(call);
    }
    let physical = wired.exchange.call_info(waiting[0]).unwrap().physical;
    wired.ask(Operation::drop(also)).unwrap();
    assert_eq!(wired.kind(waiting[0]), S::Proceeding, "the party has another call");
    let before = wired.new.len();
    wired.ask(Operation::drop(busy)).unwrap();
    assert_eq!(wired.new.len(), before + 1, "one call goes out");
    let at_b = wired.last_new();
    assert_eq!(wired.exchange.call_info(at_b).unwrap().physical, physical);
    wired.ask(Operation::answer(at_b)).unwrap();
    assert_eq!((wired.kind(waiting[0]), wired.kind(waiting[1])), (S::Connected, S::Proceeding));
    wired.ask(Operation::drop(at_b)).unwrap();
    wired.run(Duration::from_secs(3));
    assert_eq!(wired.kind(waiting[1]), S::Ringback);
}
