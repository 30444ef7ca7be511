//! What random sequences have found, each in its shortest form.

mod common;

use common::{LINE, bench, bench_with, millis, profile, secs};
use hookswitch_spi::{AddressId, CallOptions, CallState, MediaTypes, Operation, StateKind as S};
use hookswitch_telephony::{Interest, Reply, Request};
use hookswitch_testkit::Phone;
use hookswitch_testkit::apps::Plan;
use hookswitch_testkit::phone::{Answering, Deed, PhoneRequest};

#[test]
fn a_call_that_is_replaced_while_it_is_fetched_has_been_fetched() {
    let mut b = bench_with(
        |account| profile(account, |p| p.park = true),
        |config| config.others = Answering::no_answer(),
    );
    let unpark = Operation::Unpark { line: LINE, address: AddressId(0), orbit: "701".into() };
    let asked = b.stage.ask(b.app, Request::Operate(unpark));
    b.stage.run_for(secs(1));
    assert_eq!(b.stage.answer_to(b.app, asked), None, "it rings");
    b.stage.world.request::<Phone>(b.phone, PhoneRequest::Do(0, Deed::Replace));
    b.stage.run_for(secs(1));
    let call = b.call();
    assert_eq!(b.stage.answer_to(b.app, asked), Some(&Ok(Reply::Created(call))));
    assert_eq!(b.stage.states(b.app, call).last().map(CallState::kind), Some(S::Connected));
    b.finish();
}

#[test]
fn a_drop_that_waits_for_the_confirmation_is_done_when_the_call_is_closed() {
    let mut b = bench();
    let other = b.stage.attach("queue");
    b.stage.open(other, LINE, Interest::owner(MediaTypes::VOICE));
    let mut calling = b.ring();
    calling.acknowledge = None;
    b.phone_calls(calling);
    b.stage.run_for(millis(100));
    let call = b.call();
    b.stage.ask(b.app, Request::Operate(Operation::answer(call)));
    b.stage.run_for(millis(100));
    let dropped = b.stage.ask(b.app, Request::Operate(Operation::drop(call)));
    b.stage.run_for(millis(100));
    assert_eq!(b.stage.answer_to(b.app, dropped), None, "BYE waits for the ACK");
    b.stage.ask(b.app, Request::CloseLine { line: LINE });
    assert_eq!(b.stage.answer_to(b.app, dropped), Some(&Ok(Reply::Done)));
}

#[test]
fn a_call_that_was_not_dialled_ends_with_its_only_owner() {
    for request in ["lost", "released"] {
        let mut b = bench();
        let wall = b.stage.attach("wall");
        b.stage.open(wall, LINE, Interest::monitor());
        b.stage.make_call(b.app, LINE, "", CallOptions::default(), Plan::default());
        b.stage.run_for(secs(1));
        let call = b.call();
        assert_eq!(b.stage.states(wall, call).last().map(CallState::kind), Some(S::Dialtone));
        match request {
            "lost" => b.stage.lose(b.app),
            _ => {
                b.stage.ask(b.app, Request::Release { call });
            }
        }
        b.stage.run_for(secs(1));
        assert_eq!(b.stage.states(wall, call).last().map(CallState::kind), Some(S::Idle), "{request}");
    }
}
