//! Applications that speak an older version of the interface (checklist 12, 75, 79).

mod common;

use common::*;
use hookswitch_spi::{CallState, DisconnectMode, InterfaceVersion, MediaTypes, VersionRange};
use hookswitch_telephony::{
    Event, Interest, OLDEST, Reply, Request, RequestError, SPOKEN, SessionId, SnapshotPart,
};
use std::time::Duration;

const VOICE: MediaTypes = MediaTypes::VOICE;

fn attach(bench: &mut Bench, number: u64, versions: VersionRange) -> Result<InterfaceVersion, RequestError> {
    let grace = Duration::from_secs(10);
    let attach = Request::Attach { name: "old".into(), grace, versions, resume: None };
    match bench.answer(SessionId(number), attach)? {
        Reply::Attached { version, .. } => Ok(version),
        other => panic!("{other:?}"),
    }
}

fn old(bench: &mut Bench, interest: Interest) -> SessionId {
    let only_old = VersionRange { low: OLDEST, high: OLDEST };
    assert_eq!(attach(bench, 9, only_old), Ok(OLDEST));
    bench.open(SessionId(9), interest);
    SessionId(9)
}

fn ends(events: &[Event]) -> Vec<DisconnectMode> {
    let end = |event: &Event| match event {
        Event::CallState { state: CallState::Disconnected(end), .. } => Some(end.mode),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}

#[test]
fn a_session_gets_the_highest_version_that_both_know() {
    let mut bench = Bench::new();
    assert_eq!(attach(&mut bench, 1, SPOKEN), Ok(InterfaceVersion::V1));
    let newer = VersionRange { low: InterfaceVersion(u32::MAX), high: InterfaceVersion(u32::MAX) };
    assert_eq!(
        attach(&mut bench, 2, newer),
        Err(RequestError::IncompatibleVersion { offered: newer, spoken: SPOKEN })
    );
    assert_eq!(bench.telephony.sessions(), 1);
}

#[test]
fn an_old_application_hears_no_newer_words_and_a_new_one_does() {
    let mut bench = Bench::new();
    let new = bench.app(1, "new", Interest::owner(VOICE));
    let old = old(&mut bench, Interest::monitor());
    let call = bench.call_in(VOICE);
    bench.take();
    bench.exchange.hang_up(call);
    bench.drain();
    let heard = bench.take();
    let of = |who| {
        let theirs: Vec<Event> =
            heard.iter().filter(|(to, _)| *to == who).map(|(_, event)| event.clone()).collect();
        ends(&theirs)
    };
    assert_eq!(of(new), [DisconnectMode::Cancelled]);
    assert_eq!(of(old), [DisconnectMode::Normal]);

    // Asking is no way around.
    let Ok(Reply::Call(known)) = bench.answer(old, Request::CallInfo { call }) else { panic!() };
    assert!(matches!(&known.state, CallState::Disconnected(end) if end.mode == DisconnectMode::Normal));
    bench.ask(old, Request::Snapshot);
    let told = bench.take_of(old);
    let pictured = told.iter().find_map(|event| match event {
        Event::Snapshot(SnapshotPart::Call(call)) => Some(call.state.clone()),
        _ => None,
    });
    assert!(matches!(pictured, Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::Normal));
}

#[test]
fn lines_that_come_and_go_are_a_reason_to_start_over_for_an_old_application() {
    let mut bench = Bench::new();
    let new = bench.attach(1, "new");
    let old = old(&mut bench, Interest::NONE);
    bench.exchange.remove_line(OTHER_LINE);
    bench.drain();
    let heard = bench.take();
    assert!(heard.contains(&(new, Event::LineRemoved { line: OTHER_LINE })), "{heard:?}");
    let told: Vec<&Event> = heard.iter().filter(|(to, _)| *to == old).map(|(_, event)| event).collect();
    assert!(matches!(told[..], [Event::Reinitialise { .. }]), "{told:?}");
}

#[test]
fn the_only_owner_of_a_live_call_cannot_release_it_in_the_old_version() {
    let mut bench = Bench::new();
    let old = old(&mut bench, Interest::owner(VOICE));
    let call = bench.connect(old, VOICE);
    assert_eq!(bench.answer(old, Request::Release { call }), Err(RequestError::SoleOwner(call)));
    assert_eq!(bench.answer(old, drop_it(call)), Ok(Reply::Done));
    assert_eq!(bench.answer(old, Request::Release { call }), Ok(Reply::Done), "an idle one it can");
    assert_eq!(bench.exchange.calls(), 0);
}
