//! Requests: creation of calls, what monitors see of it, and limits.

mod common;

use common::*;
use hookswitch_spi::{
    DeviceConfig, Feature, LineError, MediaAction, MediaControl, MediaTypes, Operation, OperationError,
    StateKind, TimelineFact,
};
use hookswitch_telephony::{Config, Event, Interest, Limits, Reply, Request, RequestError, SessionId};
use hookswitch_testkit::loopback::Outside;
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

#[test]
fn a_call_made_here_has_no_events_before_its_request_completes() {
    let mut bench = Bench::new();
    bench.exchange.outside("sip:bob@outside", Outside::Answers(Duration::from_millis(200)));
    let app = bench.app(1, "app", Interest::NONE);
    let monitor = bench.app(2, "monitor", Interest::monitor());
    bench.ask(app, make_call(LINE, "sip:bob@outside"));
    assert_eq!(bench.take(), []);
    assert!(
        matches!(bench.answer(monitor, Request::ExistingCalls { line: LINE, address: None }), Ok(Reply::Calls(calls)) if calls.is_empty())
            || bench.exchange.outstanding() == 0,
        "an embryo cannot be found"
    );
    bench.pass(Duration::from_secs(1));
    let heard = bench.take();
    let of = |who| heard.iter().filter(|(to, _)| *to == who).map(|(_, e)| short(e)).collect::<Vec<_>>();
    assert_eq!(of(app), ["completed", "proceeding", "ringback", "connected"]);
    assert_eq!(of(monitor), ["new call, monitor", "unknown, monitor", "proceeding", "ringback", "connected"]);
}

#[test]
fn a_call_that_could_not_be_made_never_was() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::NONE);
    let monitor = bench.app(2, "monitor", Interest::monitor());
    let why = || OperationError::Failed("503".into());
    bench.exchange.fail_next(Feature::MakeCall, why());
    assert_eq!(bench.answer(app, make_call(LINE, "sip:bob@outside")), Err(why().into()));
    bench.exchange.refuse_next(Feature::MakeCall, why());
    assert_eq!(bench.answer(app, make_call(LINE, "sip:bob@outside")), Err(why().into()));
    assert_eq!(bench.take_of(monitor), []);
    assert_eq!((bench.telephony.calls(), bench.exchange.calls()), (0, 0));
}

#[test]
fn a_call_between_two_lines_has_the_right_states_on_both_sides() {
    let mut bench = Bench::new();
    let desk = bench.app(1, "desk", Interest::owner(VOICE));
    let shop = bench.attach(2, "shop");
    let opened = bench.answer(shop, Request::OpenLine { line: OTHER_LINE, interest: Interest::owner(VOICE) });
    assert!(matches!(opened, Ok(Reply::Opened(_))), "{opened:?}");
    let Ok(Reply::Created(outgoing)) = bench.answer(desk, make_call(LINE, "sip:shop@loop")) else { panic!() };
    let heard = bench.take_of(shop);
    let Some(Event::NewCall { call: incoming, info, .. }) = heard.first() else { panic!("{heard:?}") };
    assert_eq!(&*info.caller.address, "sip:desk@loop");
    assert_eq!(bench.answer(shop, answer(*incoming)), Ok(Reply::Done));
    assert_eq!(bench.state(outgoing), Some(StateKind::Connected));
    bench.take();
    assert_eq!(bench.answer(desk, drop_it(outgoing)), Ok(Reply::Done));
    let heard = bench.take();
    let of = |who| heard.iter().filter(|(to, _)| *to == who).map(|(_, e)| short(e)).collect::<Vec<_>>();
    assert_eq!((of(desk), of(shop)), (vec!["idle".into()], vec!["disconnected".into()]));
    let Ok(Reply::Timeline(entries)) = bench.answer(shop, Request::Timeline { call: *incoming }) else {
        panic!()
    };
    let states: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry.fact {
            TimelineFact::State(state) => Some(state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [StateKind::Offering, StateKind::Connected, StateKind::Disconnected]);
}

#[test]
fn every_bound_refuses_and_says_so() {
    let limits = Limits { sessions: 1, lines_per_session: 1, requests_per_session: 2, ..Limits::default() };
    let mut bench = Bench::with(Config { limits, ..Config::default() });
    let app = bench.app(1, "app", Interest::NONE);
    let attach = |name: &str| Request::attach(name, Duration::ZERO);
    assert_eq!(bench.answer(SessionId(2), attach("b")), Err(RequestError::TooManySessions(1)));
    assert_eq!(bench.answer(app, attach("b")), Err(RequestError::AlreadyAttached));
    let name = "n".repeat(256);
    assert_eq!(bench.answer(SessionId(2), attach(&name)), Err(RequestError::InvalidName(256)));
    let second = Request::OpenLine { line: OTHER_LINE, interest: Interest::NONE };
    assert_eq!(bench.answer(app, second), Err(RequestError::TooManyLines(1)));
    bench.ask(app, make_call(LINE, "sip:a@outside"));
    bench.ask(app, make_call(LINE, "sip:b@outside"));
    assert_eq!(
        bench.answer(app, make_call(LINE, "sip:c@outside")),
        Err(RequestError::TooManyRequests(2)),
        "two are outstanding"
    );
    assert!(bench.answer(app, make_call(LINE, "sip:c@outside")).is_ok(), "none is any more");
}

#[test]
fn a_request_about_a_line_that_is_not_open_is_refused() {
    let mut bench = Bench::new();
    let app = bench.attach(1, "app");
    assert_eq!(bench.answer(app, make_call(LINE, "sip:a@b")), Err(RequestError::LineNotOpen(LINE)));
    let close = Request::CloseLine { line: LINE };
    assert_eq!(bench.answer(app, close), Err(RequestError::LineNotOpen(LINE)));
    let interest = Interest::owner(MediaTypes::NONE.with(hookswitch_spi::MediaType::Text));
    let open = bench.answer(app, Request::OpenLine { line: LINE, interest });
    assert!(matches!(open, Err(RequestError::Line(_))), "the line carries no text: {open:?}");
    assert_eq!(bench.answer(SessionId(9), Request::Lines), Err(RequestError::NotAttached));
}

#[test]
fn who_owns_a_call_controls_its_audio_and_who_opened_a_line_says_how_it_is_sent() {
    let mut bench = Bench::new();
    let owner = bench.app(1, "desk", Interest::owner(VOICE));
    let monitor = bench.app(2, "wall", Interest::monitor());
    let stranger = bench.attach(3, "stranger");
    let call = bench.connect(owner, VOICE);
    let Ok(Reply::DeviceConfig(config)) = bench.answer(stranger, Request::DeviceConfig { line: LINE }) else {
        panic!()
    };
    let controls = MediaControl::at_any_digit(&MediaAction::Stop);
    for operation in [
        Operation::SetMediaControl { call, controls },
        Operation::SetCallParameters { call, audio: DeviceConfig::clone(&config) },
    ] {
        let watched = bench.answer(monitor, Request::Operate(operation.clone()));
        assert_eq!(watched, Err(RequestError::NotOwner(call)), "{}", operation.name());
        assert_eq!(bench.answer(owner, Request::Operate(operation)), Ok(Reply::Done));
    }
    let set = |config| Request::SetDeviceConfig { line: LINE, config: Box::new(config) };
    let other = DeviceConfig { codecs: vec!["PCMA".into()], ..DeviceConfig::clone(&config) };
    assert_eq!(bench.answer(stranger, set(other.clone())), Err(RequestError::LineNotOpen(LINE)));
    let wrong = DeviceConfig { codecs: Vec::new(), ..other.clone() };
    let refused = bench.answer(owner, set(wrong));
    assert!(matches!(refused, Err(RequestError::Line(LineError::InvalidParameter(_)))), "{refused:?}");
    assert_eq!(bench.answer(stranger, Request::DeviceConfig { line: LINE }), Ok(Reply::DeviceConfig(config)));
    assert_eq!(bench.answer(owner, set(other.clone())), Ok(Reply::Done));
    let now = bench.answer(stranger, Request::DeviceConfig { line: LINE });
    assert_eq!(now, Ok(Reply::DeviceConfig(Box::new(other))));
}
