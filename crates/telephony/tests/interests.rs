//! Opening a line for several things, news of lines, existing calls, duplicate numbers.

mod common;

use common::*;
use hookswitch_spi::{AddressId, LineState, MediaTypes, OutOfService, Set, StateKind, StatusKind};
use hookswitch_telephony::{
    AppRequestId, Config, Event, Interest, Limits, OpenId, Privilege, Reply, Request, RequestError,
    SessionId, Treatment, Unowned,
};
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

fn opened(bench: &mut Bench, app: SessionId, interest: Interest) -> OpenId {
    match bench.answer(app, Request::OpenLine { line: LINE, interest }) {
        Ok(Reply::Opened(open)) => open,
        other => panic!("{other:?}"),
    }
}

fn out_of_service() -> LineState {
    LineState::OutOfService(OutOfService { status: None, reason: "unplugged".into() })
}

#[test]
fn several_openings_of_a_line_add_up_and_are_closed_one_by_one() {
    let mut bench = Bench::new();
    let app = bench.attach(1, "app");
    let other = bench.app(2, "other", Interest::owner(VOICE));
    let voice = opened(&mut bench, app, Interest::owner(FAX));
    let watch = opened(&mut bench, app, Interest::monitor());
    assert_ne!(voice, watch);

    let fax = bench.call_in(FAX);
    assert_eq!(shorts(&bench.take_of(app)), ["new call, owner", "offering, owner"], "one handle");
    let call = bench.call_in(VOICE);
    assert_eq!(shorts(&bench.take_of(app)), ["new call, monitor", "offering, monitor"]);

    let close = |open| Request::CloseOpen { line: LINE, open };
    assert_eq!(bench.answer(app, close(watch)), Ok(Reply::Done));
    assert_eq!(bench.answer(app, close(watch)), Err(RequestError::NoSuchOpen(LINE, watch)));
    assert_eq!(bench.privilege(app, fax), Some(Privilege::Owner), "its calls stay with the rest");
    assert_eq!(bench.privilege(app, call), Some(Privilege::Monitor));
    bench.call_in(VOICE);
    assert_eq!(bench.take_of(app), [], "it watches no more");

    assert_eq!(bench.answer(app, close(voice)), Ok(Reply::Done));
    assert_eq!(bench.state(fax), None, "closed with its last opening");
    assert_eq!(bench.privilege(other, call), Some(Privilege::Owner));
    assert_eq!(bench.exchange.detected(LINE), VOICE);
}

#[test]
fn openings_of_one_line_are_bounded() {
    let limits = Limits { opens_per_line: 2, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let app = bench.app(1, "app", Interest::NONE);
    opened(&mut bench, app, Interest::NONE);
    let third = bench.answer(app, Request::OpenLine { line: LINE, interest: Interest::NONE });
    assert_eq!(third, Err(RequestError::TooManyOpens(2)));
}

#[test]
fn a_single_address_restricts_who_owns_first() {
    let mut bench = Bench::new();
    let elsewhere = Interest { address: Some(AddressId(7)), ..Interest::owner(VOICE) };
    let app = bench.attach(1, "app");
    let refused = bench.answer(app, Request::OpenLine { line: LINE, interest: elsewhere });
    assert_eq!(refused, Err(RequestError::NoSuchAddress(LINE)));
    opened(&mut bench, app, Interest { address: Some(AddressId(0)), ..Interest::owner(VOICE) });
    let call = bench.call_in(VOICE);
    assert_eq!(bench.privilege(app, call), Some(Privilege::Owner));
}

#[test]
fn news_of_a_line_come_only_to_those_who_want_them() {
    let mut bench = Bench::new();
    let quiet = bench.app(1, "quiet", Interest::NONE);
    let curious = bench.attach(2, "curious");
    let open = opened(&mut bench, curious, Interest::NONE.hearing(Set::of(&[StatusKind::Service])));
    let third = bench.app(3, "third", Interest::NONE);
    assert_eq!(bench.take(), [], "who opens is news only to who asked for that");

    bench.exchange.set_line_state(LINE, out_of_service());
    bench.drain();
    let state = Event::LineState { line: LINE, state: out_of_service() };
    assert_eq!(bench.take(), [(curious, state)]);

    let status = Set::of(&[StatusKind::OtherOpens]);
    let set = |open| Request::SetStatusMessages { line: LINE, open, status };
    assert_eq!(bench.answer(curious, set(open)), Ok(Reply::Done));
    assert_eq!(bench.answer(quiet, set(open)), Err(RequestError::NoSuchOpen(LINE, open)), "not its own");
    bench.exchange.set_line_state(LINE, LineState::InService);
    bench.drain();
    assert_eq!(bench.take(), [], "no more");
    bench.open(quiet, Interest::NONE);
    assert_eq!(bench.take(), [(curious, Event::LineOpens { line: LINE, opened: true, opens: 4 })]);
    assert_eq!(bench.answer(third, Request::CloseLine { line: LINE }), Ok(Reply::Done));
    assert_eq!(bench.take(), [(curious, Event::LineOpens { line: LINE, opened: false, opens: 3 })]);
    bench.open(curious, Interest::NONE);
    assert_eq!(bench.take(), [], "its own opening it knows of");
}

#[test]
fn that_a_line_is_gone_is_told_whatever_was_asked_for() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    opened(&mut bench, app, Interest::monitor());
    bench.take();
    bench.exchange.remove_line(LINE);
    bench.drain();
    assert_eq!(bench.take_of(app), [Event::LineClosed { line: LINE }, Event::LineRemoved { line: LINE }]);
}

#[test]
fn existing_calls_are_found_by_address() {
    let mut bench = Bench::new();
    let owner = bench.app(1, "owner", Interest::owner(VOICE));
    bench.connect(owner, VOICE);
    let late = bench.app(2, "late", Interest::NONE);
    let of = |address| Request::ExistingCalls { line: LINE, address: Some(AddressId(address)) };
    let count = |reply| match reply {
        Ok(Reply::Calls(calls)) => calls.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(bench.answer(late, of(1))), 0);
    assert_eq!(count(bench.answer(late, of(0))), 1);
    assert_eq!(count(bench.answer(late, of(0))), 0, "each once");
}

#[test]
fn the_number_of_an_outstanding_request_is_taken() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::NONE);
    let calling = bench.ask(app, make_call(LINE, "sip:bob@outside"));
    let ask = |bench: &mut Bench, number: AppRequestId| {
        bench.telephony.request(bench.now, &mut bench.exchange, app, number, Request::Lines);
        bench.drain();
        let (_, event) = bench.heard.pop_back().expect("an answer");
        event
    };
    let refused = ask(&mut bench, calling);
    let error = RequestError::DuplicateRequest(calling.0);
    assert_eq!(refused, Event::Refused { request: calling, error });
    assert!(matches!(bench.take_answer(app, calling), None | Some(Ok(_))), "the first goes on");
    bench.pass(Duration::from_secs(1));
    bench.take();
    assert!(matches!(ask(&mut bench, calling), Event::Completed { .. }), "and is free again after it");
}

#[test]
fn an_unowned_call_can_be_treated_until_somebody_takes_it() {
    let music = || Treatment::Answered(hookswitch_spi::AudioSource::Music);
    for (treatment, state) in [(Treatment::Ringback, StateKind::Accepted), (music(), StateKind::Connected)] {
        let unowned = Unowned::Treatment(treatment);
        let mut bench = Bench::with(Config { unowned: unowned.clone(), ..Config::default() });
        let monitor = bench.app(1, "monitor", Interest::monitor());
        let call = bench.call_in(VOICE);
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.state(call), Some(state), "{unowned:?}");
        assert_eq!(bench.answer(monitor, Request::TakeOwnership { call }), Ok(Reply::Done));
        if state == StateKind::Accepted {
            assert_eq!(bench.answer(monitor, answer(call)), Ok(Reply::Done));
        }
        assert_eq!(bench.answer(monitor, drop_it(call)), Ok(Reply::Done));
        assert_eq!(bench.state(call), Some(StateKind::Idle));
        assert_eq!(bench.telephony.outstanding(), 0);
    }
}

#[test]
fn a_treated_call_that_nobody_sees_ends_with_its_caller() {
    let unowned = Unowned::Treatment(Treatment::Answered(hookswitch_spi::AudioSource::Music));
    let mut bench = Bench::with(Config { unowned, ..Config::default() });
    bench.app(1, "app", Interest::NONE);
    let call = bench.call_in(VOICE);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.state(call), Some(StateKind::Connected));
    bench.exchange.hang_up(call);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0));
}

#[test]
fn a_picture_is_right_at_its_place_in_the_stream() {
    use hookswitch_telephony::SnapshotPart;
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let first = bench.connect(app, VOICE);
    let second = bench.call_in(VOICE);
    bench.take();
    let request = bench.ask(app, Request::Snapshot);
    bench.ask(app, drop_it(first));
    bench.pass(Duration::from_secs(1));
    let told: Vec<String> = bench
        .take_of(app)
        .iter()
        .map(|event| match event {
            Event::Snapshot(SnapshotPart::Begin { request: of }) => format!("begin {}", of == &request),
            Event::Snapshot(SnapshotPart::Line(line)) => format!("{} {}", line.line, line.opens.len()),
            Event::Snapshot(SnapshotPart::Call(call)) => format!("{} {}", call.call, call.state.kind()),
            Event::Snapshot(SnapshotPart::End { request: of }) => format!("end {}", of == &request),
            other => short(other),
        })
        .collect();
    let expected = [
        "begin true".to_owned(),
        "line-0 1".into(),
        format!("{first} connected"),
        format!("{second} offering"),
        "end true".into(),
        "completed".into(),
        "completed".into(),
        "idle".into(),
    ];
    let (mut told, mut expected) = (told, expected.to_vec());
    // The drop's completion and its state come in either order.
    told[6..].sort();
    expected[6..].sort();
    assert_eq!(told, expected);
}
