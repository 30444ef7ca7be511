//! Lines in and out of service, through the whole stack in virtual time.

mod common;

use common::{Bench, LINE, hookswitch, millis, profile, registered_bench, secs};
use hookswitch_spi::{LineState, StateKind as S};
use hookswitch_telephony::{Event, Request};
use hookswitch_testkit::Phone;
use hookswitch_testkit::apps::Plan;
use hookswitch_testkit::phone::{Calling, Mode, PhoneRequest, Target};

fn services(b: &Bench) -> Vec<bool> {
    let states = b.stage.heard().iter().filter_map(|(_, _, event)| match event {
        Event::LineState { line: LINE, state } => Some(*state == LineState::InService),
        _ => None,
    });
    states.collect()
}

fn registers(b: &Bench) -> usize {
    b.count("> REGISTER")
}

fn registrar(b: &mut Bench, mode: Mode) {
    b.stage.world.request::<Phone>(b.phone, PhoneRequest::Registrar(mode));
}

#[test]
fn a_line_registers_with_digest_and_is_called_through_its_contact() {
    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    assert_eq!(b.wire(), ["> REGISTER", "< 401 REGISTER", "> REGISTER", "< 200 REGISTER"]);
    assert_eq!(services(&b).last(), Some(&true));
    b.plan(Plan::answer(secs(1)));
    b.phone_calls(Calling::new(Target::Registered("line".into()), "bob"));
    b.stage.run_for(secs(3));
    assert_eq!(b.last_state().kind(), S::Connected);
    b.finish();
}

#[test]
fn a_registration_is_refreshed_before_it_runs_out() {
    let mut b = registered_bench(|account| profile(account, |p| p.register_expires = 120), |_| {});
    b.stage.run_for(secs(600));
    assert!(registers(&b) >= 6, "{}", b.stage.wire());
    assert_eq!(services(&b), [false, true], "out of service at first, never again");
    let now = b.stage.world.now();
    assert_eq!(b.stage.phone_of(b.phone).registrar().map(|r| r.bound(now)), Some(1));
    b.finish();
}

#[test]
fn a_lifetime_that_is_too_short_is_asked_for_again() {
    let mut b = registered_bench(
        |account| profile(account, |p| p.register_expires = 60),
        |registrar| registrar.lifetimes = (300, 3_600),
    );
    b.stage.run_for(secs(2));
    assert_eq!(b.count("< 423 REGISTER"), 1, "{}", b.stage.wire());
    assert_eq!(services(&b).last(), Some(&true));
    b.finish();
}

#[test]
fn a_wrong_password_is_told_and_not_tried_again_and_again() {
    let mut b =
        registered_bench(|account| account.password = hookswitch_sip::auth::Secret::new("wrong"), |_| {});
    b.stage.run_for(secs(60));
    assert!(!services(&b).last().copied().unwrap_or(false));
    assert!(registers(&b) <= 4, "{}", b.stage.wire());
    b.finish();
}

#[test]
fn an_outage_takes_the_line_out_of_service_and_back() {
    for mode in [Mode::Down, Mode::Refusing(503)] {
        let mut b = registered_bench(|account| profile(account, |p| p.register_expires = 60), |_| {});
        b.stage.run_for(secs(5));
        registrar(&mut b, mode);
        b.stage.run_for(secs(180));
        assert_eq!(services(&b).last(), Some(&false), "{mode:?}");
        registrar(&mut b, Mode::Serving);
        b.stage.run_for(secs(1_900));
        assert_eq!(services(&b).last(), Some(&true), "{mode:?}");
        b.finish();
    }
}

#[test]
fn a_restarted_registrar_is_registered_with_again() {
    let mut b = registered_bench(|account| profile(account, |p| p.register_expires = 60), |_| {});
    b.stage.run_for(secs(5));
    b.stage.world.request::<Phone>(b.phone, PhoneRequest::RestartRegistrar);
    let now = b.stage.world.now();
    assert_eq!(b.stage.phone_of(b.phone).registrar().map(|r| r.bound(now)), Some(0));
    b.stage.run_for(secs(61));
    let now = b.stage.world.now();
    assert_eq!(b.stage.phone_of(b.phone).registrar().map(|r| r.bound(now)), Some(1));
    b.finish();
}

#[test]
fn closing_the_line_un_registers() {
    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    b.stage.ask(b.app, Request::CloseLine { line: LINE });
    b.stage.run_for(secs(1));
    let now = b.stage.world.now();
    assert_eq!(b.stage.phone_of(b.phone).registrar().map(|r| r.bound(now)), Some(0));
    assert_eq!(b.stage.engine().provider().open_lines(), 0);
    b.finish();
}

#[test]
fn a_shutdown_is_over_in_bounded_time_whatever_the_network_does() {
    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    b.plan(Plan::answer(millis(500)));
    b.phone_calls(Calling::new(Target::Registered("line".into()), "bob"));
    b.stage.run_for(secs(3));
    b.stage.world.network().cut(hookswitch().ip(), common::switch().ip());
    b.stage.shut_down();
    b.stage.run_for(secs(40));
    assert_eq!(b.stage.engine().provider().open_lines(), 0);
    assert_eq!((b.stage.engine().alive().calls, b.stage.engine().alive().sessions), (0, 0));
    b.stage.world.network().heal();
    b.finish();
}
