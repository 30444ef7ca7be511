//! Ownership moves: hand-off, taking, stepping back; and what owners and monitors may do.

mod common;

use common::*;
use hookswitch_spi::{
    DigitOptions, Feature, MediaType, MediaTypes, Operation, OperationError, StateKind, TransferOutcome,
};
use hookswitch_telephony::{HandOffTarget, Interest, Privilege, Reply, Request, RequestError};
use hookswitch_testkit::loopback::Outside;
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

/// Five applications: the owner, another owner of voice, one of fax, a monitor, and one that has not opened the line.
fn bench() -> (Bench, [hookswitch_telephony::SessionId; 5]) {
    let mut bench = Bench::new();
    let apps = [
        bench.app(1, "owner", Interest::owner(VOICE)),
        bench.app(2, "voice", Interest::owner(VOICE)),
        bench.app(3, "fax", Interest::owner(FAX)),
        bench.app(4, "monitor", Interest::monitor()),
        bench.attach(5, "elsewhere"),
    ];
    (bench, apps)
}

#[test]
fn hand_off_has_exact_results() {
    let by_name = |name: &'static str| HandOffTarget::Application(name.into());
    let media = |media| HandOffTarget::Media(media);
    let not_found = || Err(RequestError::TargetNotFound);
    let rows = [
        (by_name("voice"), Ok(Reply::Done)),
        (by_name("fax"), Ok(Reply::Done)),
        (by_name("monitor"), not_found()),
        (by_name("elsewhere"), not_found()),
        (by_name("nobody"), not_found()),
        (by_name("owner"), Err(RequestError::TargetSelf)),
        (media(MediaType::Fax), Ok(Reply::Done)),
        (media(MediaType::Voice), Err(RequestError::TargetSelf)),
        (media(MediaType::Video), not_found()),
    ];
    for (to, expected) in rows {
        let (mut bench, [owner, ..]) = bench();
        let call = bench.call_in(VOICE);
        bench.take();
        assert_eq!(bench.answer(owner, Request::HandOff { call, to: to.clone() }), expected, "{to:?}");
        if expected.is_err() {
            assert_eq!(bench.take(), [], "a failure changes nothing: {to:?}");
        }
        assert_eq!(bench.privilege(owner, call), Some(Privilege::Owner), "{to:?}");
    }
}

#[test]
fn the_target_of_a_hand_off_owns_and_the_giver_stays_co_owner() {
    let (mut bench, [owner, voice, fax, monitor, _]) = bench();
    let call = bench.connect(owner, VOICE);
    assert_eq!(bench.answer(owner, to_application(call, "fax")), Ok(Reply::Done));
    let heard = bench.take();
    let of = |app| heard.iter().filter(|(to, _)| *to == app).map(|(_, e)| short(e)).collect::<Vec<_>>();
    assert_eq!(of(fax), ["new call, owner", "connected, owner"]);
    assert_eq!(of(monitor), ["2 owners, 1 monitors"]);
    assert_eq!(of(owner), ["2 owners, 1 monitors"]);
    assert_eq!(of(voice), [""; 0]);

    // Once more: the target owns it already, and is told all the same.
    assert_eq!(bench.answer(owner, to_application(call, "fax")), Ok(Reply::Done));
    assert_eq!(shorts(&bench.take_of(fax)), ["connected, owner"]);

    // Both act until the giver lets go.
    assert_eq!(bench.answer(owner, Request::Release { call }), Ok(Reply::Done));
    assert_eq!(shorts(&bench.take_of(fax)), ["1 owners, 1 monitors"]);
    assert_eq!(bench.answer(fax, drop_it(call)), Ok(Reply::Done));
    assert_eq!(bench.state(call), Some(StateKind::Idle));
}

#[test]
fn a_monitor_that_is_handed_a_call_keeps_its_handle() {
    let mut bench = Bench::new();
    let owner = bench.app(1, "owner", Interest::owner(VOICE));
    let both = bench.app(2, "both", Interest { monitor: true, ..Interest::owner(FAX) });
    let call = bench.connect(owner, VOICE);
    assert_eq!(bench.answer(owner, to_media(call, MediaType::Fax)), Ok(Reply::Done));
    assert_eq!(shorts(&bench.take_of(both)), ["connected, owner"]);
}

#[test]
fn hand_off_to_an_address_redirects_an_offered_call() {
    let (mut bench, [owner, ..]) = bench();
    let call = bench.call_in(VOICE);
    let bad = HandOffTarget::Address("no address".into());
    let refused = bench.answer(owner, Request::HandOff { call, to: bad });
    assert!(
        matches!(refused, Err(RequestError::Operation(OperationError::InvalidAddress { .. }))),
        "{refused:?}"
    );
    assert_eq!(bench.state(call), Some(StateKind::Offering), "and can still be answered");
    let to = HandOffTarget::Address("sip:elsewhere@outside".into());
    assert_eq!(bench.answer(owner, Request::HandOff { call, to }), Ok(Reply::Done));
    assert_eq!(bench.state(call), Some(StateKind::Idle));
}

#[test]
fn hand_off_to_an_address_reports_the_real_outcome_of_a_transfer() {
    let (mut bench, [owner, ..]) = bench();
    bench.exchange.outside("sip:yes@outside", Outside::Answers(Duration::from_millis(300)));
    bench.exchange.outside("sip:no@outside", Outside::Refuses(486, Duration::from_millis(300)));
    let call = bench.connect(owner, VOICE);
    let to = HandOffTarget::Address("sip:no@outside".into());
    let refused = bench.answer(owner, Request::HandOff { call, to });
    assert!(
        matches!(refused, Err(RequestError::Operation(OperationError::Refused { status: 486, .. }))),
        "{refused:?}"
    );
    assert_eq!(bench.state(call), Some(StateKind::Connected));
    let to = HandOffTarget::Address("sip:yes@outside".into());
    let done = bench.answer(owner, Request::HandOff { call, to });
    assert_eq!(done, Ok(Reply::Transferred(TransferOutcome::Succeeded)));
    assert_eq!(bench.state(call), Some(StateKind::Idle));
}

#[test]
fn taking_and_leaving_ownership_is_told_to_the_others_only() {
    let (mut bench, [owner, _, _, monitor, _]) = bench();
    let call = bench.connect(owner, VOICE);
    assert_eq!(
        bench.answer(owner, Request::Monitor { call }),
        Err(RequestError::SoleOwner(call)),
        "the only owner of a live call stays it"
    );
    assert_eq!(bench.answer(monitor, Request::TakeOwnership { call }), Ok(Reply::Done));
    let heard = bench.take();
    assert_eq!(
        heard.iter().map(|(to, e)| (*to, short(e))).collect::<Vec<_>>(),
        [(owner, "2 owners, 0 monitors".into())]
    );
    assert_eq!(bench.answer(owner, Request::Monitor { call }), Ok(Reply::Done));
    assert_eq!(shorts(&bench.take_of(monitor)), ["1 owners, 1 monitors"]);
    assert_eq!(bench.answer(monitor, drop_it(call)), Ok(Reply::Done));
    assert_eq!(
        bench.answer(monitor, Request::Monitor { call }),
        Ok(Reply::Done),
        "an idle call needs no owner"
    );
}

#[test]
fn only_owners_control_and_holders_may_know() {
    let (mut bench, [owner, voice, _, monitor, _]) = bench();
    let call = bench.connect(owner, VOICE);
    let operations = [
        Operation::accept(call),
        Operation::answer(call),
        Operation::Redirect { call, destination: "sip:x@y".into() },
        Operation::drop(call),
        Operation::Hold { call },
        Operation::Retrieve { call },
        Operation::BlindTransfer { call, destination: "sip:x@y".into(), deadline: Duration::from_secs(1) },
        Operation::SendDigits { call, digits: DigitOptions::new("1") },
        Operation::Play { call, source: Default::default() },
        Operation::Record { call, path: None },
    ];
    for operation in operations {
        let name = operation.name();
        let by_monitor = bench.answer(monitor, Request::Operate(operation.clone()));
        assert_eq!(by_monitor, Err(RequestError::NotOwner(call)), "{name}");
        let by_stranger = bench.answer(voice, Request::Operate(operation));
        assert_eq!(by_stranger, Err(RequestError::NoSuchCall(call)), "{name}");
    }
    assert_eq!(
        bench.answer(monitor, to_application(call, "voice")),
        Err(RequestError::NotOwner(call)),
        "hand-off is control too"
    );
    let figures = bench.answer(monitor, Request::Operate(Operation::Statistics { call }));
    assert!(matches!(figures, Ok(Reply::Statistics(_))), "{figures:?}");
    assert!(matches!(bench.answer(monitor, Request::CallInfo { call }), Ok(Reply::Call(_))));
    assert_eq!(bench.state(call), Some(StateKind::Connected));
}

#[test]
fn what_is_not_advertised_is_unavailable_and_failures_change_nothing() {
    let (mut bench, [owner, ..]) = bench();
    let call = bench.connect(owner, VOICE);
    bench.exchange.fail_next(Feature::Hold, OperationError::Failed("the line is noisy".into()));
    let failed = bench.answer(owner, Request::Operate(Operation::Hold { call }));
    assert_eq!(failed, Err(OperationError::Failed("the line is noisy".into()).into()));
    assert_eq!(bench.state(call), Some(StateKind::Connected));
    assert_eq!(bench.answer(owner, Request::Operate(Operation::Hold { call })), Ok(Reply::Done));
    assert_eq!(bench.state(call), Some(StateKind::OnHold));
    let wrong = bench.answer(owner, Request::Operate(Operation::Hold { call }));
    assert!(
        matches!(wrong, Err(RequestError::Operation(OperationError::InvalidCallState { .. }))),
        "{wrong:?}"
    );
}
