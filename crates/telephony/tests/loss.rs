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

#[test]
fn a_live_call_that_nobody_wants_is_treated_by_policy_after_the_grace() {
    use hookswitch_spi::AudioSource::Music;
    use hookswitch_telephony::Treatment;
    for (treatment, held, stays) in [
        (Treatment::Answered(Music), false, true),
        (Treatment::Answered(Music), true, false),
        (Treatment::Ringback, false, false),
    ] {
        let unowned = Unowned::Treatment(treatment);
        let mut bench = Bench::with(Config { unowned: unowned.clone(), ..Config::default() });
        let app = bench.app(1, "app", Interest::owner(VOICE));
        bench.app(2, "bystander", Interest::NONE);
        let call = bench.connect(app, VOICE);
        if held {
            let hold = Request::Operate(hookswitch_spi::Operation::Hold { call });
            assert_eq!(bench.answer(app, hold), Ok(Reply::Done));
        }
        bench.ask(app, Request::Lost);
        bench.pass(Duration::from_secs(60));
        assert_eq!(bench.telephony.calls() == 1, stays, "{unowned:?}, held: {held}");
        assert_eq!((bench.telephony.sessions(), bench.telephony.outstanding()), (1, 0));
    }
}

/// What was asked of the provider about a call, and what was noted.
fn noted(bench: &Bench, call: hookswitch_spi::CallId) -> Vec<&'static str> {
    let fact = |entry: &hookswitch_spi::TimelineEntry| match entry.fact {
        hookswitch_spi::TimelineFact::Asked(_, name) => Some(name),
        hookswitch_spi::TimelineFact::Note(note) => Some(note),
        _ => None,
    };
    bench.telephony.timeline().of(call).filter_map(fact).collect()
}

#[test]
fn the_other_side_hears_a_treatment_while_the_owner_is_lost() {
    for (treatment, asked) in [
        (
            Some(hookswitch_spi::AudioSource::Music),
            vec!["treatment: its owner is lost", "play", "its owner is back", "play"],
        ),
        (None, vec![]),
    ] {
        let mut bench = Bench::with(Config { lost_treatment: treatment, ..Config::default() });
        let lost = bench.app(1, "app", Interest::owner(VOICE));
        let call = bench.connect(lost, VOICE);
        bench.ask(lost, Request::Lost);
        bench.pass(Duration::from_secs(5));
        assert!(come_back(&mut bench, 2, "app", lost).is_ok());
        bench.pass(Duration::from_secs(1));
        let mut expected = vec!["answer", "its owner is lost"];
        expected.extend(asked);
        assert_eq!(noted(&bench, call), expected);
        assert_eq!(bench.telephony.outstanding(), 0);
    }
}

#[test]
fn handles_dropped_shortly_before_their_session_are_lost_with_it_and_found_again() {
    let mut bench = Bench::new();
    let lost = bench.app(1, "app", Interest::owner(VOICE));
    let [live, offered] = [bench.connect(lost, VOICE), bench.call_in(VOICE)];
    for call in [live, offered] {
        assert_eq!(bench.telephony_answer(lost, Request::LetGo { call }), Ok(Reply::Done));
    }
    bench.ask(lost, Request::Lost);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.state(live), Some(StateKind::Connected));
    let Ok(Reply::Attached { calls, .. }) = come_back(&mut bench, 2, "app", lost) else { panic!() };
    let found: Vec<_> = calls.iter().map(|call| (call.call, call.privilege)).collect();
    assert_eq!(found, [(live, Privilege::Owner), (offered, Privilege::Monitor)]);
}

#[test]
fn a_dropped_handle_is_given_back_a_little_later_and_that_of_an_ended_call_at_once() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let live = bench.connect(app, VOICE);
    assert_eq!(bench.telephony_answer(app, Request::LetGo { call: live }), Ok(Reply::Done));
    assert_eq!(bench.state(live), Some(StateKind::Connected));
    bench.pass(Duration::from_millis(150));
    assert_eq!((bench.state(live), bench.telephony.calls()), (None, 0));

    let ended = bench.connect(app, VOICE);
    bench.exchange.hang_up(ended);
    bench.drain();
    assert_eq!(bench.telephony_answer(app, Request::LetGo { call: ended }), Ok(Reply::Done));
    assert_eq!((bench.state(ended), bench.telephony.calls()), (None, 0));
}

#[test]
fn a_call_handed_back_to_who_has_just_dropped_it_is_new_there() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let other = bench.app(2, "other", Interest::owner(FAX));
    let call = bench.connect(app, VOICE);
    assert_eq!(bench.answer(app, to_application(call, "other")), Ok(Reply::Done));
    assert_eq!(bench.telephony_answer(app, Request::LetGo { call }), Ok(Reply::Done));
    bench.take();
    assert_eq!(bench.telephony_answer(other, to_application(call, "app")), Ok(Reply::Done));
    assert_eq!(shorts(&bench.take_of(app)), ["new call, owner", "connected, owner"]);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.privilege(app, call), Some(Privilege::Owner), "and stays");
}

#[test]
fn a_lost_session_is_told_everything_and_in_the_end_that_it_is_over() {
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest { monitor: true, ..Interest::owner(VOICE) });
    let other = bench.app(2, "other", Interest::owner(VOICE));
    let call = bench.connect(app, VOICE);
    bench.ask(app, Request::Lost);
    bench.exchange.press(call, '5');
    let next = bench.call_in(VOICE);
    assert_eq!(bench.privilege(other, next), Some(Privilege::Owner));
    bench.exchange.hang_up(call);
    bench.drain();
    let heard = shorts(&bench.take_of(app));
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert!(heard[0].starts_with("Digit"), "{heard:?}");
    assert_eq!(heard[1..], ["new call, monitor", "offering, monitor", "disconnected"]);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.take_of(app).last(), Some(&hookswitch_telephony::Event::GivenUp));
}

#[test]
fn what_a_lost_session_was_told_can_be_read_in_order_when_it_is_back() {
    use hookswitch_telephony::{Event, Journal, Read, Weight};
    let mut bench = Bench::new();
    let app = bench.app(1, "app", Interest::owner(VOICE));
    let mut journal: Journal<Event> = Journal::default();
    let call = bench.connect(app, VOICE);
    let keep = |bench: &mut Bench, journal: &mut Journal<Event>| {
        for event in bench.take_of(app) {
            journal.push(event, Weight::Essential);
        }
    };
    bench.exchange.press(call, '1');
    bench.drain();
    keep(&mut bench, &mut journal);
    let seen = journal.last();
    bench.ask(app, Request::Lost);
    for digit in ['2', '3'] {
        bench.exchange.press(call, digit);
        bench.drain();
    }
    bench.exchange.hang_up(call);
    bench.drain();
    assert!(come_back(&mut bench, 1, "app", app).is_ok());
    keep(&mut bench, &mut journal);

    journal.read_from(seen + 1);
    let mut missed = Vec::new();
    while let Some(Read::Event(number, event)) = journal.read() {
        missed.push((number, short(event)));
    }
    assert_eq!(missed.len(), 3, "{missed:?}");
    assert!(missed[0].1.starts_with("Digit") && missed[1].1.starts_with("Digit"), "{missed:?}");
    assert_eq!(missed[2], (seen + 3, "disconnected".into()));
}

#[test]
fn a_call_that_is_answered_while_its_owner_is_lost_is_treated_too() {
    let music = Some(hookswitch_spi::AudioSource::Music);
    let mut bench = Bench::with(Config { lost_treatment: music, ..Config::default() });
    let answers = hookswitch_testkit::loopback::Outside::Answers(Duration::from_secs(3));
    bench.exchange.outside("sip:bob@outside", answers);
    let lost = bench.app(1, "app", Interest::NONE);
    let Ok(Reply::Created(call)) = bench.answer(lost, make_call(LINE, "sip:bob@outside")) else { panic!() };
    assert_eq!(bench.state(call), Some(StateKind::Ringback));
    bench.ask(lost, Request::Lost);
    bench.pass(Duration::from_secs(4));
    assert_eq!(bench.state(call), Some(StateKind::Connected));
    assert!(noted(&bench, call).contains(&"treatment: its owner is lost"), "{:?}", noted(&bench, call));
    assert!(come_back(&mut bench, 2, "app", lost).is_ok());
    bench.pass(Duration::from_secs(1));
    assert!(noted(&bench, call).contains(&"its owner is back"), "{:?}", noted(&bench, call));
    assert_eq!(bench.telephony.outstanding(), 0);
}
