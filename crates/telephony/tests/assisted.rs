//! Requests for calls: one queue, recipients by priority, told once (checklist 80).

mod common;

use common::*;
use hookswitch_telephony::{CallRequest, Config, Event, Limits, Reply, Request, RequestError, SessionId};
use std::time::Duration;

/// Whoever asks for a call has no session.
const STRANGER: SessionId = SessionId(99);

fn want(bench: &mut Bench, number: &str) -> Result<Reply, RequestError> {
    let what = CallRequest { requester: "browser".into(), ..CallRequest::to(number) };
    bench.answer(STRANGER, Request::RequestCall { what, hold: false })
}

fn register(bench: &mut Bench, app: SessionId, wanted: bool) {
    assert_eq!(bench.answer(app, Request::RegisterRecipient { wanted }), Ok(Reply::Done));
}

fn taken(bench: &mut Bench, app: SessionId) -> Result<String, RequestError> {
    match bench.answer(app, Request::TakeRequest)? {
        Reply::CallRequest(what) => Ok(what.destination),
        other => panic!("{other:?}"),
    }
}

fn told(bench: &mut Bench) -> Vec<SessionId> {
    let waiting = |(to, event)| if event == Event::RequestWaiting { Some(to) } else { None };
    bench.take().into_iter().filter_map(waiting).collect()
}

#[test]
fn without_a_recipient_a_request_is_refused_unless_one_is_being_started() {
    let mut bench = Bench::new();
    assert_eq!(want(&mut bench, "tel:1"), Err(RequestError::NoRequestRecipient));
    let held = Request::RequestCall { what: CallRequest::to("tel:1"), hold: true };
    assert_eq!(bench.answer(STRANGER, held), Ok(Reply::Done));
    let app = bench.attach(1, "app");
    assert_eq!(taken(&mut bench, app), Err(RequestError::NotRecipient));
    register(&mut bench, app, true);
    assert_eq!(told(&mut bench), [app]);
    assert_eq!(taken(&mut bench, app), Ok("tel:1".into()));
    assert_eq!(taken(&mut bench, app), Err(RequestError::NoRequest));
}

#[test]
fn the_first_recipient_is_told_once_until_the_queue_is_empty() {
    let mut bench = Bench::new();
    let first = bench.attach(1, "first");
    let second = bench.attach(2, "second");
    register(&mut bench, first, true);
    register(&mut bench, second, true);
    assert_eq!(want(&mut bench, "tel:1"), Ok(Reply::Done));
    assert_eq!(want(&mut bench, "tel:2"), Ok(Reply::Done));
    assert_eq!(told(&mut bench), [first], "the first to register, once");
    assert_eq!(taken(&mut bench, first), Ok("tel:1".into()));
    assert_eq!(want(&mut bench, "tel:3"), Ok(Reply::Done));
    assert_eq!(told(&mut bench), [], "the queue was never empty");
    assert_eq!(taken(&mut bench, first), Ok("tel:2".into()));
    assert_eq!(taken(&mut bench, first), Ok("tel:3".into()));

    let order = vec!["second".into()];
    assert_eq!(bench.answer(first, Request::SetRecipientPriority { order }), Ok(Reply::Done));
    assert_eq!(want(&mut bench, "tel:4"), Ok(Reply::Done));
    assert_eq!(told(&mut bench), [second], "by priority");
    assert_eq!(bench.telephony.priorities().recipients(), [Box::from("second")]);
}

#[test]
fn who_leaves_or_is_lost_is_replaced() {
    let mut bench = Bench::new();
    let [a, b, c] = [(1, "a"), (2, "b"), (3, "c")].map(|(number, name)| bench.attach(number, name));
    for app in [a, b, c] {
        register(&mut bench, app, true);
    }
    assert_eq!(want(&mut bench, "tel:1"), Ok(Reply::Done));
    register(&mut bench, a, false);
    bench.ask(b, Request::Lost);
    assert_eq!(told(&mut bench), [a, b, c], "one after the other");
    assert_eq!(bench.answer(c, Request::Detach), Ok(Reply::Done));
    assert_eq!(want(&mut bench, "tel:2"), Err(RequestError::NoRequestRecipient));

    // The lost one comes back and finds what waits.
    let resume = Some(b);
    let grace = Duration::from_secs(10);
    let attach = Request::Attach { name: "b".into(), grace, versions: hookswitch_telephony::SPOKEN, resume };
    assert!(bench.answer(SessionId(4), attach).is_ok());
    assert_eq!(told(&mut bench), [SessionId(4)]);
    assert_eq!(taken(&mut bench, SessionId(4)), Ok("tel:1".into()));
}

#[test]
fn the_queue_and_its_texts_are_bounded() {
    let limits = Limits { call_requests: 2, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let app = bench.attach(1, "app");
    register(&mut bench, app, true);
    assert_eq!(want(&mut bench, "tel:1"), Ok(Reply::Done));
    assert_eq!(want(&mut bench, "tel:2"), Ok(Reply::Done));
    assert_eq!(want(&mut bench, "tel:3"), Err(RequestError::RequestQueueFull(2)));
    let too_long = "9".repeat(CallRequest::LONGEST + 1);
    for wrong in ["", &too_long] {
        assert_eq!(want(&mut bench, wrong), Err(RequestError::InvalidCallRequest(CallRequest::LONGEST)));
    }
}
