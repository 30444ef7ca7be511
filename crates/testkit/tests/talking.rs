//! Calls that are up: hold both ways, transfer both ways, hand-off, digits.

mod common;

use common::{Bench, bench_with, millis, profile, secs};
use hookswitch_spi::{
    CallOptions, CallState, ConnectedMode, OperationError, RejectReason, StateKind as S, TransferOutcome,
};
use hookswitch_telephony::{Event, HandOffTarget, Reply, RequestError};
use hookswitch_testkit::Phone;
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Answering, Deed, OnRefer, PhoneRequest, Talk};
use std::time::Duration;

/// A call that the application made and that is up.
fn talking(on_refer: OnRefer) -> Bench {
    let phone = Answering::after(Duration::ZERO).talking(Talk { on_refer, ..Talk::default() });
    let mut b = bench_with(
        |account| profile(account, |p| p.accept_referrals = hookswitch_provider::AcceptReferrals::Any),
        |config| {
            config.others = phone;
            config.users.insert("busy".into(), Answering::refuse(486));
        },
    );
    b.stage.make_call(b.app, common::LINE, "600", CallOptions::default(), Plan::default());
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state().kind(), S::Connected);
    b
}

fn phone_does(b: &mut Bench, deed: Deed) {
    b.stage.world.request::<Phone>(b.phone, PhoneRequest::Do(0, deed));
}

fn directions(b: &Bench) -> Vec<String> {
    let messages = b.messages();
    let bodies = messages.iter().filter(|(_, message)| message.content_type_is("application/sdp"));
    bodies
        .filter_map(|(_, message)| {
            let text = String::from_utf8_lossy(message.body()).into_owned();
            let known = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
            known.into_iter().find(|line| text.contains(line)).map(str::to_owned)
        })
        .collect()
}

#[test]
fn our_hold_and_retrieve_say_so_in_sdp() {
    let mut b = talking(OnRefer::Silence);
    let call = b.call();
    b.stage.act(b.app, call, &Act::Hold);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state().kind(), S::OnHold);
    b.stage.act(b.app, call, &Act::Retrieve);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state().kind(), S::Connected);
    assert_eq!(
        directions(&b)[2..],
        ["a=sendonly", "a=recvonly", "a=sendrecv", "a=sendrecv"],
        "{}",
        b.stage.wire()
    );
    b.finish();
}

#[test]
fn their_hold_changes_the_mode_and_their_retrieve_changes_it_back() {
    let mut b = talking(OnRefer::Silence);
    phone_does(&mut b, Deed::Hold);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::ActiveHeld));
    phone_does(&mut b, Deed::Retrieve);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::Active));
    assert_eq!(directions(&b)[2..], ["a=sendonly", "a=recvonly", "a=sendrecv", "a=sendrecv"]);
    b.finish();
}

#[test]
fn both_sides_hold_and_each_keeps_its_own() {
    let mut b = talking(OnRefer::Silence);
    let call = b.call();
    phone_does(&mut b, Deed::Hold);
    b.stage.run_for(secs(1));
    b.stage.act(b.app, call, &Act::Hold);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state().kind(), S::OnHold);
    // They come back; we still hold.
    phone_does(&mut b, Deed::Retrieve);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state().kind(), S::OnHold);
    b.stage.act(b.app, call, &Act::Retrieve);
    b.stage.run_for(secs(1));
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::Active));
    b.finish();
}

#[test]
fn holds_that_cross_both_come_through() {
    let mut b = talking(OnRefer::Silence);
    let call = b.call();
    let asked = b.stage.act(b.app, call, &Act::Hold);
    phone_does(&mut b, Deed::Hold);
    b.stage.run_for(secs(8));
    assert!(b.count("> 491 INVITE") == 1 && b.count("< 491 INVITE") == 1, "{}", b.stage.wire());
    assert_eq!(b.stage.answer_to(b.app, asked), Some(&Ok(Reply::Done)), "{}", b.stage.explain());
    assert_eq!(b.last_state().kind(), S::OnHold);
    assert!(b.phone_call(0).held);
    b.finish();
}

#[test]
fn a_hold_asked_before_the_ack_has_its_turn_after_it() {
    let mut b = common::bench();
    b.plan(Plan { at_first: vec![(secs(1), Act::Answer), (secs(2), Act::Hold)], ..Plan::default() });
    let mut calling = b.ring();
    calling.acknowledge = Some(secs(3));
    b.phone_calls(calling);
    b.stage.run_for(secs(12));
    assert_eq!(b.last_state().kind(), S::OnHold);
    b.finish();
}

fn transfer(b: &mut Bench) -> Option<Result<Reply, RequestError>> {
    let call = b.call();
    let to = HandOffTarget::Address("sip:dave@10.0.0.2".into());
    let asked = b.stage.act(b.app, call, &Act::HandOff(to));
    b.stage.run_for(secs(45));
    b.stage.answer_to(b.app, asked).cloned()
}

#[test]
fn a_transfer_that_succeeds_ends_our_part() {
    let mut b = talking(OnRefer::Report(vec![(millis(10), 100), (secs(2), 180), (secs(3), 200)]));
    assert_eq!(transfer(&mut b), Some(Ok(Reply::Transferred(TransferOutcome::Succeeded))));
    assert_eq!(b.last_state(), CallState::Idle);
    let refer = b.sent("REFER");
    assert_eq!(refer.header(hookswitch_sip::message::Name::ReferTo), Some("<sip:dave@10.0.0.2>"));
    assert_eq!((b.count("< NOTIFY"), b.count("> 200 NOTIFY"), b.count("> BYE")), (3, 3, 1));
    b.finish();
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let mut b = talking(OnRefer::Report(vec![(millis(10), 100), (secs(2), 486)]));
    let answer = transfer(&mut b);
    assert!(
        matches!(answer, Some(Err(RequestError::Operation(OperationError::Refused { status: 486, .. })))),
        "{answer:?}"
    );
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::Active));
    b.finish();
}

#[test]
fn a_refused_transfer_says_so() {
    let mut b = talking(OnRefer::Refuse(603));
    let answer = transfer(&mut b);
    assert!(
        matches!(answer, Some(Err(RequestError::Operation(OperationError::Refused { status: 603, .. })))),
        "{answer:?}"
    );
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::Active));
    b.finish();
}

#[test]
fn a_peer_that_reports_nothing_leaves_the_outcome_unknown() {
    for on_refer in [OnRefer::Silence, OnRefer::HangUp(millis(500))] {
        let mut b = talking(on_refer.clone());
        assert_eq!(
            transfer(&mut b),
            Some(Ok(Reply::Transferred(TransferOutcome::Unknown))),
            "{on_refer:?}\n{}",
            b.stage.explain()
        );
        b.finish();
    }
}

#[test]
fn being_transferred_keeps_the_call_and_changes_the_party() {
    let mut b = talking(OnRefer::Silence);
    phone_does(&mut b, Deed::Refer("sip:erin@10.0.0.2".into()));
    b.stage.run_for(secs(3));
    assert_eq!(b.count("> 202 REFER"), 1, "{}", b.stage.wire());
    assert!(b.count("> NOTIFY") >= 2, "{}", b.stage.wire());
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::Active));
    let told = b.stage.heard().iter().any(|(_, _, event)| {
        matches!(event, Event::CallInfo { changed, .. }
            if changed.contains(hookswitch_spi::InfoParts::CONNECTED))
    });
    assert!(told);
    b.finish();
}

#[test]
fn a_refer_that_leads_nowhere_leaves_the_call_as_it_was() {
    let mut b = talking(OnRefer::Silence);
    phone_does(&mut b, Deed::Refer("sip:busy@10.0.0.2".into()));
    b.stage.run_for(secs(3));
    assert_eq!(b.last_state(), CallState::Connected(ConnectedMode::Active));
    assert_eq!(b.phone_call(0).progress, hookswitch_testkit::phone::Progress::Established);
    b.finish();
}

#[test]
fn digits_are_heard_and_sent() {
    let mut b = talking(OnRefer::Silence);
    phone_does(&mut b, Deed::Digit('5'));
    b.stage.run_for(millis(100));
    assert!(b.stage.heard().iter().any(|(_, _, event)| matches!(event, Event::Digit { digit: '5', .. })));
    let call = b.call();
    let asked = b.stage.act(b.app, call, &Act::Digits("123".into()));
    b.stage.run_for(millis(470));
    assert!(b.stage.answer_to(b.app, asked).is_none());
    b.stage.run_for(millis(20));
    assert_eq!(b.stage.answer_to(b.app, asked), Some(&Ok(Reply::Done)));
    b.finish();
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let mut b = talking(OnRefer::Silence);
    let call = b.call();
    b.stage.act(b.app, call, &Act::Drop(RejectReason::Default));
    phone_does(&mut b, Deed::HangUp);
    b.stage.run_for(secs(1));
    assert_eq!((b.count("> BYE"), b.count("< BYE")), (1, 1));
    assert_eq!(b.states().iter().filter(|state| **state == S::Idle).count(), 1);
    b.finish();
}

#[test]
fn an_application_that_closes_its_line_drops_its_calls() {
    let mut b = talking(OnRefer::Silence);
    let call = b.call();
    let hold = b.stage.act(b.app, call, &Act::Hold);
    let close = b.stage.ask(b.app, hookswitch_telephony::Request::CloseLine { line: common::LINE });
    assert!(matches!(b.stage.answer_to(b.app, hold), Some(Err(_))));
    assert_eq!(b.stage.answer_to(b.app, close), Some(&Ok(Reply::Done)));
    b.stage.run_for(secs(1));
    assert_eq!(b.count("> BYE"), 1);
    b.finish();
}
