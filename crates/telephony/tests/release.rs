//! Letting go: handles, lines, sessions; and finding calls that were there before.

mod common;

use common::*;
use hookswitch_spi::{MediaTypes, OperationError, StateKind};
use hookswitch_telephony::{Config, Event, Interest, Limits, Privilege, Reply, Request, RequestError};
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

fn calls(reply: Result<Reply, RequestError>) -> Vec<(hookswitch_spi::CallId, Privilege)> {
    match reply {
        Ok(Reply::Calls(calls)) => calls.into_iter().map(|call| (call.call, call.privilege)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn opening_announces_nothing_and_existing_calls_are_given_once() {
    let mut bench = Bench::new();
    let owner = bench.app(1, "owner", Interest::owner(VOICE));
    let call = bench.connect(owner, VOICE);
    let late = bench.app(2, "late", Interest { monitor: true, ..Interest::owner(VOICE) });
    assert_eq!(bench.take_of(late), []);
    let found = bench.answer(late, Request::ExistingCalls { line: LINE, address: None });
    assert_eq!(calls(found), [(call, Privilege::Monitor)]);
    assert_eq!(calls(bench.answer(late, Request::ExistingCalls { line: LINE, address: None })), []);
    let other = bench.answer(late, Request::ExistingCalls { line: OTHER_LINE, address: None });
    assert_eq!(other, Err(RequestError::LineNotOpen(OTHER_LINE)));
}

#[test]
fn a_released_handle_leaves_the_call_to_the_others_and_the_last_closes_it() {
    let mut bench = Bench::new();
    let owner = bench.app(1, "owner", Interest::owner(VOICE));
    let monitor = bench.app(2, "monitor", Interest::monitor());
    let call = bench.connect(owner, VOICE);
    assert_eq!(bench.answer(owner, Request::Release { call }), Ok(Reply::Done), "the only owner may");
    assert_eq!(bench.state(call), Some(StateKind::Connected));
    assert_eq!(shorts(&bench.take_of(monitor)), ["0 owners, 1 monitors"]);
    assert_eq!(bench.answer(owner, answer(call)), Err(RequestError::NoSuchCall(call)));
    assert_eq!(bench.answer(monitor, Request::Release { call }), Ok(Reply::Done));
    assert_eq!((bench.state(call), bench.telephony.calls()), (None, 0));
    assert_eq!(bench.answer(monitor, Request::Release { call }), Err(RequestError::NoSuchCall(call)));
}

#[test]
fn closing_a_line_drops_only_what_nobody_else_owns() {
    for (who, dropped) in [("sole owner", true), ("co-owner", false), ("monitor", false)] {
        let mut bench = Bench::new();
        let owner = bench.app(1, "owner", Interest::owner(VOICE));
        let other = bench.app(2, "other", Interest { monitor: true, ..Interest::owner(FAX) });
        let call = bench.connect(owner, VOICE);
        if who == "co-owner" {
            assert_eq!(bench.answer(owner, to_application(call, "other")), Ok(Reply::Done));
        }
        let (closing, staying) = if who == "monitor" { (other, owner) } else { (owner, other) };
        bench.take();
        assert_eq!(bench.answer(closing, Request::CloseLine { line: LINE }), Ok(Reply::Done), "{who}");
        let expected = if dropped { StateKind::Idle } else { StateKind::Connected };
        assert_eq!(bench.state(call), Some(expected), "{who}");
        let heard = shorts(&bench.take_of(staying));
        assert_eq!(heard.contains(&"idle".to_owned()), dropped, "{who}: {heard:?}");
        assert_eq!(bench.take_of(closing), [], "{who}");
    }
}

#[test]
fn what_is_outstanding_completes_before_the_close_does() {
    for others in [false, true] {
        let mut bench = Bench::new();
        let app = bench.app(1, "app", Interest::owner(VOICE));
        let monitor = others.then(|| bench.app(2, "monitor", Interest::monitor()));
        let call = bench.call_in(VOICE);
        if let Some(monitor) = monitor {
            assert_eq!(bench.answer(monitor, Request::TakeOwnership { call }), Ok(Reply::Done));
        }
        bench.take();
        let answering = bench.ask(app, answer(call));
        let calling = bench.ask(app, make_call(LINE, "sip:shop@loop"));
        let closing = bench.ask(app, Request::CloseLine { line: LINE });
        let order: Vec<_> = bench.take_of(app).into_iter().collect();
        let completed: Vec<_> = order
            .iter()
            .map(|event| match event {
                Event::Completed { request, result } => (*request, result.clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        let closed = || Err(OperationError::Closed.into());
        assert_eq!(completed.len(), 3);
        assert!(completed.contains(&(answering, closed())), "{completed:?}");
        assert!(completed.contains(&(calling, closed())), "{completed:?}");
        assert_eq!(completed.last(), Some(&(closing, Ok(Reply::Done))));
        bench.pass(Duration::from_secs(60));
        assert_eq!(bench.take_of(app), [], "nothing follows the close");
        assert_eq!(bench.telephony.outstanding(), 0);
    }
}

#[test]
fn detaching_closes_everything() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    bench.connect(app, VOICE);
    bench.ask(app, make_call(LINE, "sip:shop@loop"));
    assert_eq!(bench.answer(app, Request::Detach), Ok(Reply::Done));
    assert_eq!(
        (bench.telephony.calls(), bench.telephony.sessions(), bench.telephony.outstanding()),
        (0, 0, 0)
    );
    assert_eq!((bench.exchange.calls(), bench.exchange.outstanding()), (0, 0));
    assert!(!bench.exchange.is_open(LINE));
    assert_eq!(bench.answer(app, Request::Lines), Err(RequestError::NotAttached));
}

#[test]
fn an_application_that_never_releases_loses_its_oldest_ended_calls() {
    let limits = Limits { ended_calls_per_session: 3, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let mut made = Vec::new();
    for _ in 0..5 {
        let call = bench.call_in(VOICE);
        bench.exchange.hang_up(call);
        bench.pass(Duration::from_secs(1));
        made.push(call);
    }
    let forgotten: Vec<_> = bench
        .take_of(app)
        .into_iter()
        .filter_map(|event| match event {
            Event::CallForgotten { call } => Some(call),
            _ => None,
        })
        .collect();
    assert_eq!(forgotten, made[..2]);
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (3, 3));
}

#[test]
fn a_line_that_is_removed_closes_under_its_applications() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let bystander = bench.attach(2, "bystander");
    bench.connect(app, VOICE);
    bench.exchange.remove_line(LINE);
    bench.drain();
    let heard = bench.take();
    let of = |who| heard.iter().filter(|(to, _)| *to == who).map(|(_, e)| short(e)).collect::<Vec<_>>();
    let removed = format!("{:?}", Event::LineRemoved { line: LINE });
    assert_eq!(
        of(app),
        ["disconnected".into(), format!("{:?}", Event::LineClosed { line: LINE }), removed.clone()]
    );
    assert_eq!(of(bystander), [removed]);
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0));
    let again = bench.answer(app, Request::OpenLine { line: LINE, interest: Interest::NONE });
    assert!(matches!(again, Err(RequestError::Line(_))), "{again:?}");
}
