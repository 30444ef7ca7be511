//! Who gets a call: interests, priorities, unknown media, and calls that nobody wants.

mod common;

use common::*;
use hookswitch_spi::{MediaType, MediaTypes, RejectReason, StateKind};
use hookswitch_telephony::{Config, Event, Interest, Privilege, Reply, Request, RequestError, Unowned};
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

fn interests() -> [(&'static str, Interest); 5] {
    [
        ("none", Interest::NONE),
        ("monitor", Interest::monitor()),
        ("voice", Interest::owner(VOICE)),
        ("fax", Interest::owner(FAX)),
        ("fax and monitor", Interest { monitor: true, ..Interest::owner(FAX) }),
    ]
}

#[test]
fn interest_and_media_decide_who_gets_which_handle() {
    let (owner, monitor) = (Some(Privilege::Owner), Some(Privilege::Monitor));
    let rows = [
        (VOICE, [None, monitor, owner, None, monitor]),
        (FAX, [None, monitor, None, owner, monitor]),
        (UNKNOWN, [None, monitor, owner, None, monitor]),
        (UNKNOWN.with(MediaType::Fax), [None, monitor, None, owner, monitor]),
        (MediaTypes::NONE.with(MediaType::Video), [None, monitor, None, None, monitor]),
    ];
    for (media, expected) in rows {
        let mut bench = Bench::new();
        let mut apps = Vec::new();
        for (number, (name, interest)) in interests().into_iter().enumerate() {
            apps.push(bench.app(number as u64 + 1, name, interest));
        }
        let call = bench.call_in(media);
        let heard = bench.take();
        for (app, expected) in apps.into_iter().zip(expected) {
            let theirs: Vec<_> = heard.iter().filter(|(to, _)| *to == app).map(|(_, e)| short(e)).collect();
            let wanted = expected.map(|privilege: Privilege| {
                vec![format!("new call, {}", privilege.name()), format!("offering, {}", privilege.name())]
            });
            assert_eq!(theirs, wanted.unwrap_or_default(), "{media} {app}");
            assert_eq!(bench.privilege(app, call), expected, "{media} {app}");
        }
    }
}

#[test]
fn the_first_opener_owns_until_priorities_say_otherwise() {
    let mut bench = Bench::new();
    let first = bench.app(1, "first", Interest::owner(VOICE));
    let second = bench.app(2, "second", Interest::owner(VOICE));
    let before = bench.call_in(VOICE);
    assert_eq!(bench.privilege(first, before), Some(Privilege::Owner));
    assert_eq!(bench.privilege(second, before), None);

    let order = vec!["second".into()];
    assert_eq!(bench.answer(first, Request::SetPriority { media: MediaType::Voice, order }), Ok(Reply::Done));
    assert_eq!(
        bench.privilege(first, before),
        Some(Privilege::Owner),
        "not for calls that are there already"
    );
    let after = bench.call_in(VOICE);
    assert_eq!(bench.privilege(second, after), Some(Privilege::Owner));
    assert_eq!(bench.privilege(first, after), None);

    // The order is kept by whoever restarts the shard.
    let priorities = bench.telephony.priorities().clone();
    let mut again = Bench::with(Config { priorities, ..Config::default() });
    let _first = again.app(1, "first", Interest::owner(VOICE));
    let second = again.app(2, "second", Interest::owner(VOICE));
    let call = again.call_in(VOICE);
    assert_eq!(again.privilege(second, call), Some(Privilege::Owner));
}

#[test]
fn an_unknown_call_is_probed_and_its_owner_sees_what_is_left() {
    let mut bench = Bench::new();
    let fax = bench.app(1, "fax", Interest::owner(FAX));
    bench.call_in(UNKNOWN.with(MediaType::Voice).with(MediaType::Fax));
    let heard = bench.take_of(fax);
    let Some(Event::NewCall { info, .. }) = heard.first() else { panic!("{heard:?}") };
    assert_eq!(info.media, FAX);
    let call = bench.call_in(UNKNOWN.with(MediaType::Voice).with(MediaType::Fax));
    let Ok(Reply::Call(known)) = bench.answer(fax, Request::CallInfo { call }) else { panic!() };
    assert_eq!(known.info.map(|info| info.media), Some(FAX), "asked later as well");
}

#[test]
fn an_application_that_does_not_read_is_offered_nothing() {
    let mut bench = Bench::new();
    let slow = bench.app(1, "slow", Interest::owner(VOICE));
    let quick = bench.app(2, "quick", Interest::owner(VOICE));
    bench.telephony.offers(slow, false);
    let call = bench.call_in(VOICE);
    assert_eq!(bench.privilege(quick, call), Some(Privilege::Owner));
    bench.telephony.offers(slow, true);
    let call = bench.call_in(VOICE);
    assert_eq!(bench.privilege(slow, call), Some(Privilege::Owner));
}

#[test]
fn releasing_an_offered_call_is_no_way_to_decline_it_to_another() {
    let mut bench = Bench::new();
    let first = bench.app(1, "first", Interest::owner(VOICE));
    let second = bench.app(2, "second", Interest::owner(VOICE));
    let call = bench.call_in(VOICE);
    assert_eq!(bench.answer(first, Request::Release { call }), Ok(Reply::Done));
    assert_eq!(bench.state(call), None, "the last handle is gone, so the call is closed");
    assert_eq!(bench.privilege(second, call), None);
}

#[test]
fn an_unowned_call_stays_offered_until_a_monitor_takes_it() {
    let mut bench = Bench::new();
    let monitor = bench.app(1, "monitor", Interest::monitor());
    let call = bench.call_in(VOICE);
    assert_eq!(bench.answer(monitor, answer(call)), Err(RequestError::NotOwner(call)));
    assert_eq!(bench.state(call), Some(StateKind::Offering));
    assert_eq!(bench.answer(monitor, Request::TakeOwnership { call }), Ok(Reply::Done));
    assert_eq!(bench.answer(monitor, answer(call)), Ok(Reply::Done));
    assert_eq!(bench.state(call), Some(StateKind::Connected));
}

#[test]
fn an_unowned_call_that_is_given_up_becomes_idle_for_its_monitors() {
    let mut bench = Bench::new();
    let monitor = bench.app(1, "monitor", Interest::monitor());
    let call = bench.call_in(VOICE);
    bench.take();
    bench.exchange.hang_up(call);
    bench.pass(Duration::from_secs(1));
    assert_eq!(shorts(&bench.take_of(monitor)), ["disconnected", "idle"]);
    assert_eq!(bench.answer(monitor, Request::Release { call }), Ok(Reply::Done));
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0));
}

#[test]
fn an_unowned_call_that_nobody_sees_is_closed_when_it_ends() {
    let mut bench = Bench::new();
    bench.app(1, "caller", Interest::NONE);
    let call = bench.call_in(VOICE);
    assert_eq!(bench.state(call), Some(StateKind::Offering));
    bench.exchange.hang_up(call);
    bench.drain();
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0));
}

#[test]
fn the_unowned_policy_refuses_or_forwards() {
    let away = || Unowned::Forward("sip:mail@outside".into());
    let rows = [(Unowned::Reject(RejectReason::Busy), true), (away(), true), (Unowned::Leave, false)];
    for (unowned, gone) in rows {
        let mut bench = Bench::with(Config { unowned: unowned.clone(), ..Config::default() });
        bench.app(1, "caller", Interest::NONE);
        bench.call_in(VOICE);
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.telephony.calls() == 0, gone, "{unowned:?}");
        assert_eq!(bench.exchange.calls() == 0, gone, "{unowned:?}");
    }
}

#[test]
fn an_unowned_call_that_cannot_be_forwarded_is_dropped() {
    let unowned = Unowned::Forward("not an address".into());
    let mut bench = Bench::with(Config { unowned, ..Config::default() });
    bench.app(1, "caller", Interest::NONE);
    bench.call_in(VOICE);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0));
}

#[test]
fn the_union_of_interests_reaches_the_provider() {
    let mut bench = Bench::new();
    let voice = bench.app(1, "voice", Interest::owner(VOICE));
    assert_eq!(bench.exchange.detected(LINE), VOICE);
    let fax = bench.app(2, "fax", Interest::owner(FAX));
    assert_eq!(bench.exchange.detected(LINE), VOICE.union(FAX));
    assert_eq!(bench.answer(voice, Request::CloseLine { line: LINE }), Ok(Reply::Done));
    assert_eq!(bench.exchange.detected(LINE), FAX);
    assert_eq!(bench.answer(fax, Request::CloseLine { line: LINE }), Ok(Reply::Done));
    assert!(!bench.exchange.is_open(LINE));
}
