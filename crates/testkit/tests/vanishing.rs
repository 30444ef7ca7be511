//! Parties that are free later, and parties that are gone without a word.

mod common;

use common::{Bench, LINE, bench_with, hookswitch, millis, profile, secs, switch};
use hookswitch_provider::MessageWaiting;
use hookswitch_sip::event::{DialogState, EndReason};
use hookswitch_spi::{
    CallOptions, CallState, CompletionId, CompletionMode, ConsultOptions, DisconnectMode, EndedBy,
    MediaTypes, Operation, Reason, StateKind as S, TransferMode, TransferOutcome,
};
use hookswitch_telephony::{Event, Interest, Reply, Request};
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Answering, Deed, OnSubscribe, PhoneRequest, Verdict};
use hookswitch_testkit::{Conditions, Phone};

/// A line whose switch tells of its users, and a user `door` who is busy.
fn busy(partial: bool) -> Bench {
    let mut b = bench_with(
        |account| {
            profile(account, |p| {
                p.dialog_events = true;
                p.message_waiting = MessageWaiting::No;
            });
        },
        |config| {
            config.on_subscribe = Some(OnSubscribe::Grant { longest: 60, partial });
            let verdict = Verdict::Reject(millis(500), 486);
            config.users.insert("door".into(), Answering { verdict, ..Answering::no_answer() });
        },
    );
    ask(&mut b, PhoneRequest::Elsewhere("door".into(), Some(DialogState::Confirmed)));
    let later = Act::CompleteLater(CompletionMode::CallBack);
    let plan = Plan { unreached: vec![(millis(200), later)], ..Plan::default() };
    b.stage.make_call(b.app, LINE, "door", CallOptions::default(), plan);
    b.stage.run_for(secs(5));
    b
}

fn ask(b: &mut Bench, request: PhoneRequest) {
    b.stage.world.request::<Phone>(b.phone, request);
}

fn free(b: &mut Bench) {
    ask(b, PhoneRequest::Answering("door".into(), Answering::after(secs(1))));
    ask(b, PhoneRequest::Elsewhere("door".into(), None));
}

fn is_offered(b: &Bench) -> bool {
    let completed =
        |event: &Event| matches!(event, Event::NewCall { info, .. } if info.reason == Reason::CallCompletion);
    b.stage.heard().iter().any(|(_, _, event)| completed(event))
}

#[test]
fn a_busy_party_that_gets_free_is_called_when_the_completed_call_is_answered() {
    for partial in [false, true] {
        let mut b = busy(partial);
        assert!(!is_offered(&b));
        b.stage.app(b.app).completed.push_back(Plan::answer(secs(2)));
        free(&mut b);
        b.stage.run_for(secs(10));
        assert!(is_offered(&b));
        let states = b.states();
        assert_eq!(states, [S::Offering, S::Dialing, S::Proceeding, S::Ringback, S::Connected], "{partial}");
        b.finish();
    }
}

#[test]
fn news_that_is_lost_for_a_while_arrives_in_the_end() {
    let mut b = busy(true);
    let (here, there) = (hookswitch().ip(), switch().ip());
    b.stage.world.network().cut(here, there);
    free(&mut b);
    b.stage.run_for(secs(5));
    assert!(!is_offered(&b));
    b.stage.world.network().heal();
    b.stage.world.network().set_conditions(Conditions { duplication: 1_000, ..Conditions::PERFECT });
    b.stage.run_for(secs(30));
    assert!(is_offered(&b));
    b.finish();
}

#[test]
fn a_subscription_that_the_switch_ends_for_now_is_made_anew_and_for_good_ends_the_completion() {
    for (reason, comes) in [(EndReason::Deactivated, true), (EndReason::NoResource, false)] {
        let mut b = busy(false);
        ask(&mut b, PhoneRequest::EndWatches(reason));
        b.stage.run_for(secs(5));
        let ended = |event: &Event| matches!(event, Event::CompletionEnded { .. });
        assert_eq!(b.stage.heard().iter().any(|(_, _, event)| ended(event)), !comes, "{reason:?}");
        free(&mut b);
        b.stage.run_for(secs(40));
        assert_eq!(is_offered(&b), comes, "{reason:?}");
        b.finish();
    }
}

#[test]
fn nobody_is_called_back_for_whoever_has_closed_the_line_before_it_was_arranged() {
    let mut b = busy(false);
    ask(&mut b, PhoneRequest::Answering("door".into(), Answering::no_answer()));
    let queue = b.stage.attach("queue");
    // Whoever watches the call keeps it from being gone with its owner.
    b.stage.open(queue, LINE, Interest { monitor: true, ..Interest::owner(MediaTypes::VOICE) });
    b.stage.make_call(b.app, LINE, "door", CallOptions::default(), Plan::default());
    b.stage.run_for(secs(1));
    let call = b.call();
    let before = b.stage.heard().len();
    let mode = CompletionMode::CallBack;
    b.stage.ask(b.app, Request::Operate(Operation::CompleteCall { call, mode }));
    b.stage.ask(b.app, Request::CloseLine { line: LINE });
    b.stage.run_for(secs(1));
    free(&mut b);
    b.stage.run_for(secs(10));
    let completed = b.stage.heard()[before..].iter().filter_map(|(_, _, event)| match event {
        Event::NewCall { info, .. } => info.completion,
        _ => None,
    });
    assert_eq!(completed.collect::<Vec<_>>(), [CompletionId(1)], "only the one that was arranged before");
    b.finish();
}

#[test]
fn a_switch_that_starts_anew_is_asked_again() {
    let mut b = busy(false);
    ask(&mut b, PhoneRequest::Power(false));
    b.stage.run_for(secs(10));
    ask(&mut b, PhoneRequest::Power(true));
    // The refresh finds that it has forgotten us.
    b.stage.run_for(secs(120));
    assert!(is_offered(&b));
    b.finish();
}

#[test]
fn two_who_were_bridged_and_are_gone_are_noticed_after_a_minute() {
    let mut b = bench_with(|account| profile(account, |p| p.refer = false), |_| {});
    b.plan(Plan::answer(secs(1)));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(2));
    let call = b.call();
    let setup = Operation::SetupTransfer { call, consult: ConsultOptions::to("other") };
    b.stage.ask(b.app, Request::Operate(setup));
    b.stage.run_for(secs(3));
    let consult = b.call();
    let deadline = secs(10);
    let mode = TransferMode::Transfer;
    let asked =
        b.stage.ask(b.app, Request::Operate(Operation::CompleteTransfer { call, consult, mode, deadline }));
    b.stage.run_for(secs(5));
    let bridged = Ok(Reply::Transferred(TransferOutcome::Bridged));
    assert_eq!(b.stage.answer_to(b.app, asked), Some(&bridged));
    ask(&mut b, PhoneRequest::Power(false));
    b.stage.run_for(secs(58));
    assert_eq!(b.stage.engine().alive().sessions, 2);
    b.stage.run_for(secs(40));
    assert_eq!(b.stage.engine().alive().sessions, 0);
    ask(&mut b, PhoneRequest::Power(true));
    b.finish();
}

#[test]
fn a_party_that_is_gone_ends_its_call_after_a_minute_and_one_on_hold_does_not() {
    for held in [false, true] {
        let mut b = bench_with(|_| {}, |_| {});
        b.plan(Plan::answer(secs(1)));
        let calling = b.ring();
        b.phone_calls(calling);
        b.stage.run_for(secs(2));
        let call = b.call();
        if held {
            b.stage.ask(b.app, Request::Operate(Operation::Hold { call }));
            b.stage.run_for(secs(1));
        }
        ask(&mut b, PhoneRequest::Power(false));
        b.stage.run_for(secs(100));
        let ended = b.stage.states(b.app, call).into_iter().find_map(|state| match state {
            CallState::Disconnected(end) => Some((end.mode, end.by)),
            _ => None,
        });
        let gone = (DisconnectMode::TemporaryFailure, EndedBy::Network);
        assert_eq!(ended, (!held).then_some(gone));
        ask(&mut b, PhoneRequest::Power(true));
        b.finish();
    }
}

#[test]
fn what_is_asked_of_a_call_waits_for_the_party_that_it_is_referred_to() {
    let mut b = bench_with(
        |_| {},
        |config| {
            config.users.insert("late".into(), Answering::no_answer());
        },
    );
    b.plan(Plan::answer(secs(1)));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(2));
    let call = b.call();
    b.stage.ask(b.app, Request::Operate(Operation::Hold { call }));
    b.stage.run_for(secs(1));
    ask(&mut b, PhoneRequest::Do(0, Deed::Refer("sip:late@10.0.0.2".into())));
    b.stage.run_for(secs(1));
    b.stage.world.network().cut(hookswitch().ip(), switch().ip());
    let asked = b.stage.ask(b.app, Request::Operate(Operation::Retrieve { call }));
    b.stage.run_for(secs(100));
    assert_eq!(b.stage.answer_to(b.app, asked), None, "the new party may still answer");
    b.stage.run_for(secs(30));
    assert!(b.stage.answer_to(b.app, asked).is_some_and(Result::is_err));
    b.stage.world.network().heal();
    b.finish();
}
