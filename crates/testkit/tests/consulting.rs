//! Calls dialled in parts, consultations, exchanges and their transfers, through the whole stack in virtual time.

mod common;

use common::{Bench, LINE, bench_with, millis, profile, secs};
use hookswitch_spi::{
    CallId, CallOptions, CallState, ConsultOptions, Operation, OperationError, RejectReason, StateKind as S,
    TransferMode, TransferOutcome,
};
use hookswitch_telephony::{Reply, Request, RequestError};
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Answering, OnRefer, Talk};

fn bench(on_refer: OnRefer, refer: bool) -> Bench {
    let phone = Answering::after(millis(300)).talking(Talk { on_refer, ..Talk::default() });
    bench_with(
        |account| profile(account, |p| p.refer = refer),
        |config| {
            config.others = phone;
            config.users.insert("busy".into(), Answering::refuse(486));
            config.users.insert("ringing".into(), Answering::no_answer());
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

fn made(answer: Result<Reply, RequestError>) -> CallId {
    match answer {
        Ok(Reply::Created(call)) => call,
        other => panic!("{other:?}"),
    }
}

fn states(b: &Bench, call: CallId) -> Vec<S> {
    b.stage.states(b.app, call).iter().map(CallState::kind).collect()
}

fn last(b: &Bench, call: CallId) -> Option<S> {
    states(b, call).pop()
}

/// A call that is up, and one that is consulted about it.
fn consulted(b: &mut Bench, whom: &str) -> (CallId, CallId) {
    b.stage.make_call(b.app, LINE, "600", CallOptions::default(), Plan::default());
    b.stage.run_for(secs(1));
    let call = b.call();
    let consult = made(does(b, Operation::SetupTransfer { call, consult: ConsultOptions::to(whom) }));
    assert_eq!(last(b, call), Some(S::OnHoldPendingTransfer), "{}", b.stage.explain());
    (call, consult)
}

fn complete(call: CallId, consult: CallId) -> Operation {
    Operation::CompleteTransfer { call, consult, mode: TransferMode::Transfer, deadline: secs(20) }
}

fn finish(mut b: Bench, calls: &[CallId]) {
    for call in calls {
        b.stage.act(b.app, *call, &Act::Drop(RejectReason::Default));
    }
    b.stage.run_for(secs(2));
    b.finish();
}

#[test]
fn an_address_is_dialled_digit_by_digit() {
    let mut b = bench(OnRefer::Silence, true);
    let asked = b.stage.make_call(b.app, LINE, "", CallOptions::default(), Plan::default());
    b.stage.run_for(millis(100));
    assert!(matches!(b.stage.answer_to(b.app, asked), Some(Ok(Reply::Created(_)))));
    let call = b.call();
    for digits in ["6;", "0;", "0"] {
        assert_eq!(b.count("> INVITE"), 0);
        assert_eq!(does(&mut b, Operation::Dial { call, digits: digits.into() }), Ok(Reply::Done));
    }
    assert_eq!(states(&b, call), [S::Dialtone, S::Dialing, S::Proceeding, S::Ringback, S::Connected]);
    assert_eq!(b.sent("INVITE").request_uri(), Some("sip:600@10.0.0.2"));
    finish(b, &[call]);
}

#[test]
fn a_transfer_with_consultation_ends_both_calls() {
    let mut b = bench(OnRefer::Report(vec![(millis(10), 100), (millis(500), 200)]), true);
    let (call, consult) = consulted(&mut b, "700");
    assert_eq!(states(&b, consult), [S::Dialing, S::Proceeding, S::Ringback, S::Connected]);
    let answer = does(&mut b, complete(call, consult));
    assert_eq!(answer, Ok(Reply::Transferred(TransferOutcome::Succeeded)), "{}", b.stage.explain());
    assert_eq!((last(&b, call), last(&b, consult)), (Some(S::Idle), Some(S::Idle)));
    assert_eq!((b.count("> REFER"), b.count("> BYE")), (1, 2));
    finish(b, &[]);
}

#[test]
fn a_transfer_that_is_refused_can_be_given_up() {
    let mut b = bench(OnRefer::Refuse(603), true);
    let (call, consult) = consulted(&mut b, "700");
    let answer = does(&mut b, complete(call, consult));
    assert!(
        matches!(answer, Err(RequestError::Operation(OperationError::Refused { status: 603, .. }))),
        "{answer:?}"
    );
    assert_eq!((last(&b, call), last(&b, consult)), (Some(S::OnHoldPendingTransfer), Some(S::Connected)));
    assert_eq!(does(&mut b, Operation::Retrieve { call }), Ok(Reply::Done));
    assert_eq!((last(&b, call), last(&b, consult)), (Some(S::Connected), Some(S::Idle)));
    finish(b, &[call]);
}

#[test]
fn the_held_call_comes_back_when_the_target_is_busy() {
    let mut b = bench(OnRefer::Silence, true);
    let (call, consult) = {
        b.stage.make_call(b.app, LINE, "600", CallOptions::default(), Plan::default());
        b.stage.run_for(secs(1));
        let call = b.call();
        (call, made(does(&mut b, Operation::SetupTransfer { call, consult: ConsultOptions::to("busy") })))
    };
    assert!(states(&b, consult).contains(&S::Busy), "{}", b.stage.explain());
    assert_eq!(last(&b, call), Some(S::Connected));
    finish(b, &[call]);
}

#[test]
fn a_target_that_only_rings_is_transferred_to_without_replaces() {
    let mut b = bench(OnRefer::Report(vec![(millis(10), 100), (millis(500), 200)]), true);
    let (call, consult) = consulted(&mut b, "ringing");
    assert_eq!(last(&b, consult), Some(S::Ringback));
    let answer = does(&mut b, complete(call, consult));
    assert_eq!(answer, Ok(Reply::Transferred(TransferOutcome::Succeeded)));
    assert_eq!((last(&b, call), last(&b, consult), b.count("> CANCEL")), (Some(S::Idle), Some(S::Idle), 1));
    finish(b, &[]);
}

#[test]
fn two_calls_are_exchanged() {
    let mut b = bench(OnRefer::Silence, true);
    let (call, consult) = consulted(&mut b, "700");
    assert_eq!(does(&mut b, Operation::SwapHold { active: consult, held: call }), Ok(Reply::Done));
    assert_eq!((last(&b, call), last(&b, consult)), (Some(S::Connected), Some(S::OnHoldPendingTransfer)));
    assert_eq!(does(&mut b, Operation::SwapHold { active: call, held: consult }), Ok(Reply::Done));
    assert_eq!((last(&b, call), last(&b, consult)), (Some(S::OnHoldPendingTransfer), Some(S::Connected)));
    finish(b, &[consult, call]);
}

#[test]
fn a_bridge_lives_without_its_calls_and_ends_with_either_side() {
    let mut b = bench(OnRefer::Silence, false);
    let (call, consult) = consulted(&mut b, "700");
    let answer = does(&mut b, complete(call, consult));
    assert_eq!(answer, Ok(Reply::Transferred(TransferOutcome::Bridged)), "{}", b.stage.explain());
    b.stage.run_for(secs(30));
    assert_eq!((last(&b, call), last(&b, consult), b.count("> BYE")), (Some(S::Idle), Some(S::Idle), 0));
    b.stage.world.request::<hookswitch_testkit::Phone>(
        b.phone,
        hookswitch_testkit::phone::PhoneRequest::Do(0, hookswitch_testkit::phone::Deed::HangUp),
    );
    b.stage.run_for(secs(1));
    assert_eq!((b.count("< BYE"), b.count("> BYE")), (1, 1), "{}", b.stage.wire());
    finish(b, &[]);
}
