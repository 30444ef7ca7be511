//! Conferences, digits and treatments through the whole stack in virtual time.

mod common;

use common::{Bench, LINE, bench_with, millis, profile, secs};
use hookswitch_media::control::{Event as MediaEvent, MixId, MixPart, StreamId};
use hookswitch_spi::{
    AddressId, CallId, CallOptions, CallState, CallTreatment, ConsultOptions, DigitOptions, GatherEnd,
    GatherOptions, Operation, StateKind as S, TransferMode,
};
use hookswitch_telephony::{Event, Reply, Request, RequestError};
use hookswitch_testkit::Phone;
use hookswitch_testkit::apps::Plan;
use hookswitch_testkit::phone::{Answering, Deed, PhoneRequest};

fn bench() -> Bench {
    bench_with(
        |account| profile(account, |p| p.reconnect = false),
        |config| {
            config.others = Answering::after(millis(300));
            config.users.insert("busy".into(), Answering::refuse(486));
        },
    )
}

/// Asks, waits, and tells the answer.
fn does(b: &mut Bench, operation: Operation) -> Result<Reply, RequestError> {
    let asked = b.stage.ask(b.app, Request::Operate(operation));
    b.stage.run_for(secs(1));
    match b.stage.answer_to(b.app, asked) {
        Some(answer) => answer.clone(),
        None => panic!("no answer yet\n{}", b.stage.explain()),
    }
}

fn last(b: &Bench, call: CallId) -> Option<S> {
    b.stage.states(b.app, call).last().map(CallState::kind)
}

fn called(b: &mut Bench) -> CallId {
    b.stage.make_call(b.app, LINE, "600", CallOptions::default(), Plan::default());
    b.stage.run_for(secs(1));
    b.call()
}

/// A conference of two others: the conference and its members.
fn conference(b: &mut Bench) -> (CallId, CallId, CallId) {
    let first = called(b);
    let (line, address) = (LINE, AddressId(0));
    let consult = ConsultOptions::to("601");
    let answer = does(b, Operation::SetupConference { line, address, call: Some(first), consult });
    let Ok(Reply::Conference { conference, consult: Some(second) }) = answer else { panic!("{answer:?}") };
    assert_eq!(
        (last(b, conference), last(b, first)),
        (Some(S::OnHoldPendingConference), Some(S::Conferenced))
    );
    assert_eq!(does(b, Operation::AddToConference { conference, member: second }), Ok(Reply::Done));
    (conference, first, second)
}

fn mixed(b: &Bench, conference: CallId) -> Vec<(CallId, MixPart)> {
    let media = b.stage.world.media(b.stage.engine_node()).expect("the engine has a media device");
    media.members(MixId(conference.0)).map(|(stream, part)| (CallId(stream.0), part)).collect()
}

#[test]
fn a_conference_of_three_mixes_three_and_ends_with_all() {
    let mut b = bench();
    let (conference, first, second) = conference(&mut b);
    let parts = mixed(&b, conference);
    assert_eq!(parts.len(), 3, "{parts:?}");
    assert!([conference, first, second].iter().all(|call| parts.contains(&(*call, MixPart::Talks))));
    assert_eq!(does(&mut b, Operation::drop(conference)), Ok(Reply::Done));
    for call in [conference, first, second] {
        assert_eq!(last(&b, call), Some(S::Idle));
    }
    b.finish();
}

#[test]
fn a_member_that_hangs_up_leaves_an_ordinary_call() {
    let mut b = bench();
    let (conference, first, second) = conference(&mut b);
    b.stage.world.request::<Phone>(b.phone, PhoneRequest::Do(0, Deed::HangUp));
    b.stage.run_for(secs(1));
    assert_eq!(last(&b, first), Some(S::Idle), "disconnected, and tidied");
    assert_eq!((last(&b, conference), last(&b, second)), (Some(S::Idle), Some(S::Connected)));
    assert_eq!(does(&mut b, Operation::Hold { call: second }), Ok(Reply::Done));
    b.finish();
}

#[test]
fn a_busy_party_leaves_the_conference_waiting() {
    let mut b = bench();
    let (conference, ..) = conference(&mut b);
    let consult = ConsultOptions::to("busy");
    let asked = does(&mut b, Operation::PrepareAddToConference { conference, consult });
    let Ok(Reply::Created(third)) = asked else { panic!("{asked:?}") };
    assert_eq!((last(&b, third), last(&b, conference)), (Some(S::Idle), Some(S::OnHoldPendingConference)));
    assert_eq!(does(&mut b, Operation::Retrieve { call: conference }), Ok(Reply::Done));
    assert_eq!(last(&b, conference), Some(S::Connected));
    b.finish();
}

#[test]
fn a_transfer_becomes_a_conference_with_its_held_party_back() {
    let mut b = bench();
    let call = called(&mut b);
    let asked = does(&mut b, Operation::SetupTransfer { call, consult: ConsultOptions::to("601") });
    let Ok(Reply::Created(consult)) = asked else { panic!("{asked:?}") };
    b.stage.run_for(secs(1));
    let mode = TransferMode::Conference;
    let asked = does(&mut b, Operation::CompleteTransfer { call, consult, mode, deadline: secs(30) });
    let Ok(Reply::Conference { conference, consult: None }) = asked else { panic!("{asked:?}") };
    assert_eq!(
        [conference, call, consult].map(|call| last(&b, call)),
        [Some(S::Connected), Some(S::Conferenced), Some(S::Conferenced)]
    );
    assert!(!b.phone_call(0).held, "the held party was taken back");
    b.finish();
}

#[test]
fn digits_are_gathered_from_all_members_and_sent_to_all() {
    let mut b = bench();
    let (conference, first, second) = conference(&mut b);
    let gather = GatherOptions {
        count: 2,
        terminators: "#".into(),
        first_after: Some(secs(20)),
        next_after: Some(secs(20)),
    };
    let asked = b.stage.ask(b.app, Request::Operate(Operation::GatherDigits { call: conference, gather }));
    for (call, digit) in [(first, '4'), (second, '2')] {
        let stream = StreamId(call.0);
        let node = b.stage.engine_node();
        b.stage.world.report(node, MediaEvent::Digit { stream, digit, duration: millis(100) });
        b.stage.run_for(millis(500));
    }
    let digits = DigitOptions::new("1");
    assert_eq!(does(&mut b, Operation::SendDigits { call: conference, digits }), Ok(Reply::Done));
    let ended = GatherEnd::Full;
    assert_eq!(b.stage.answer_to(b.app, asked), Some(&Ok(Reply::Gathered { digits: "42".into(), ended })));
    let told = b
        .stage
        .heard()
        .iter()
        .filter(|(_, _, event)| matches!(event, Event::Digit { call, .. } if *call == conference));
    assert_eq!(told.count(), 2);
    b.finish();
}

#[test]
fn a_caller_that_waits_hears_what_is_chosen_before_the_answer() {
    let mut b = bench_with(|account| profile(account, |p| p.early_treatment = true), |_| {});
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(millis(500));
    let call = b.call();
    assert_eq!(
        does(&mut b, Operation::SetTreatment { call, treatment: CallTreatment::Music }),
        Ok(Reply::Done)
    );
    assert_eq!(b.count("> 183 INVITE"), 1, "{}", b.stage.wire());
    assert_eq!(last(&b, call), Some(S::Offering));
    assert_eq!(does(&mut b, Operation::answer(call)), Ok(Reply::Done));
    assert_eq!(last(&b, call), Some(S::Connected));
    b.finish();
}
