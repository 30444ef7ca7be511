//! Applications that are lost without a word, and those that come back.

mod common;

use common::*;
use hookswitch_spi::{MediaTypes, StateKind};
use hookswitch_telephony::{Config, Interest, Privilege, Reply, Request, RequestError, SessionId, Unowned};
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

fn come_back(bench: &mut Bench, new: u64, name: &str, lost: SessionId) -> Result<Reply, RequestError> {
    let grace = Duration::from_secs(10);
    let versions = hookswitch_telephony::SPOKEN;
    let attach = Request::Attach { name: name.into(), grace, versions, resume: Some(lost) };
    bench.answer(SessionId(new), attach)
}

#[test]
fn an_offered_call_of_a_lost_owner_passes_at_once() {
    let mut bench = Bench::new();
    let first = bench.app(1, "first", Interest::owner(VOICE));
    let second = bench.app(2, "second", Interest::owner(VOICE));
    let call = bench.call_in(VOICE);
    bench.take();
    bench.ask(first, Request::Lost);
    assert_eq!(shorts(&bench.take_of(second)), ["new call, owner", "offering, owner"]);
    assert_eq!(bench.answer(second, answer(call)), Ok(Reply::Done));
}

#[test]
fn a_live_call_waits_for_its_owner_and_then_passes_on() {
    let mut bench = Bench::new();
    let first = bench.app(1, "first", Interest::owner(VOICE));
    let second = bench.app(2, "second", Interest::owner(VOICE));
    let call = bench.connect(first, VOICE);
    bench.ask(first, Request::Lost);
    bench.pass(Duration::from_secs(9));
    assert_eq!(bench.take_of(second), []);
    bench.pass(Duration::from_secs(2));
    assert_eq!(shorts(&bench.take_of(second)), ["new call, owner", "connected, owner"]);
    assert_eq!(bench.state(call), Some(StateKind::Connected));
    assert_eq!(come_back(&mut bench, 3, "first", first), Err(RequestError::NothingToResume));
}

#[test]
fn a_live_call_that_nobody_wants_is_dropped_after_the_grace() {
    let away = Unowned::Forward("sip:mail@outside".into());
    for unowned in [Unowned::Leave, Unowned::Reject(Default::default()), away] {
        let mut bench = Bench::with(Config { unowned: unowned.clone(), ..Config::default() });
        let app = bench.app(1, "app", Interest::owner(VOICE));
        bench.app(2, "bystander", Interest::NONE);
        bench.connect(app, VOICE);
        bench.ask(app, Request::Lost);
        bench.pass(Duration::from_secs(60));
        assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0), "{unowned:?}");
        assert_eq!((bench.telephony.sessions(), bench.telephony.outstanding()), (1, 0), "{unowned:?}");
    }
}

#[test]
fn a_session_that_comes_back_finds_its_lines_calls_and_completions() {
    let mut bench = Bench::new();
    let lost = bench.app(1, "app", Interest::owner(VOICE));
    let call = bench.connect(lost, VOICE);
    let holding = bench.ask(lost, Request::Operate(hookswitch_spi::Operation::Hold { call }));
    bench.ask(lost, Request::Lost);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.take_answer(lost, holding), Some(Ok(Reply::Done)), "told for whoever keeps it");
    assert_eq!(shorts(&bench.take_of(lost)), ["on hold"]);

    assert_eq!(come_back(&mut bench, 2, "impostor", lost), Err(RequestError::NothingToResume));
    let Ok(Reply::Attached { lines, calls, .. }) = come_back(&mut bench, 2, "app", lost) else { panic!() };
    assert_eq!(lines.iter().map(|open| open.line).collect::<Vec<_>>(), [LINE]);
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].call, calls[0].privilege), (call, Privilege::Owner));
    assert_eq!(calls[0].state.kind(), StateKind::OnHold);

    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.state(call), Some(StateKind::OnHold), "its grace no longer runs");
    let next = bench.call_in(VOICE);
    assert_eq!(bench.privilege(SessionId(2), next), Some(Privilege::Owner));
}

#[test]
fn an_offered_call_that_nobody_else_wants_can_be_taken_back() {
    let mut bench = Bench::new();
    let lost = bench.app(1, "app", Interest::owner(VOICE));
    let call = bench.call_in(VOICE);
    bench.ask(lost, Request::Lost);
    let Ok(Reply::Attached { calls, .. }) = come_back(&mut bench, 2, "app", lost) else { panic!() };
    assert_eq!((calls[0].call, calls[0].privilege), (call, Privilege::Monitor));
    assert_eq!(bench.answer(SessionId(2), Request::TakeOwnership { call }), Ok(Reply::Done));
    assert_eq!(bench.answer(SessionId(2), answer(call)), Ok(Reply::Done));
}

#[test]
fn a_lost_session_is_offered_nothing_and_the_server_caps_its_grace() {
    let mut config = Config::default();
    config.limits.grace = Duration::from_secs(2);
    let mut bench = Bench::with(config);
    let lost = bench.app(1, "first", Interest::owner(VOICE));
    let second = bench.app(2, "second", Interest::owner(VOICE));
    bench.ask(lost, Request::Lost);
    let call = bench.call_in(VOICE);
    assert_eq!(bench.privilege(second, call), Some(Privilege::Owner));
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.telephony.sessions(), 1);
}

#[test]
fn the_last_session_that_is_lost_closes_the_line_in_the_end() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    bench.connect(app, VOICE);
    bench.call_in(VOICE);
    bench.ask(app, make_call(LINE, "sip:shop@loop"));
    bench.ask(app, Request::Lost);
    bench.pass(Duration::from_secs(60));
    assert_eq!(
        (bench.telephony.calls(), bench.telephony.sessions(), bench.telephony.outstanding()),
        (0, 0, 0)
    );
    assert_eq!((bench.exchange.calls(), bench.exchange.outstanding()), (0, 0));
    assert!(!bench.exchange.is_open(LINE));
}

#[test]
fn a_session_may_come_back_under_its_own_number() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let call = bench.connect(app, VOICE);
    bench.ask(app, Request::Lost);
    assert_eq!(bench.answer(app, Request::Lines), Err(RequestError::NotAttached), "it is away");
    assert!(come_back(&mut bench, 1, "app", app).is_ok());
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.privilege(app, call), Some(Privilege::Owner));
    assert_eq!(come_back(&mut bench, 1, "app", app), Err(RequestError::NothingToResume), "it is here");
    assert_eq!(bench.privilege(app, call), Some(Privilege::Owner), "and a refusal changes nothing");
}
