//! Lines that appear, disappear and get new credentials while the provider runs, through the whole stack in virtual time.

mod common;

use common::{Bench, LINE, bench_with, hookswitch, millis, profile, registered_bench, secs, switch};
use hookswitch_engine::{Engine, Request as EngineRequest};
use hookswitch_machine::Entropy;
use hookswitch_provider::Account;
use hookswitch_sip::auth::Secret;
use hookswitch_spi::{CallOptions, LineError, LineId, LineState, MediaTypes, RejectReason, StateKind as S};
use hookswitch_telephony::{AppRequestId, Event, Interest, Reply, Request, RequestError, SessionId};
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Answering, Calling, PhoneConfig, PhoneRequest, Registrar, Target};
use hookswitch_testkit::stage::{Stage, registered, trunk};
use hookswitch_testkit::{Conditions, Phone};

fn engine(b: &mut Bench, request: EngineRequest) {
    let engine = b.stage.engine_node();
    b.stage.world.request::<Engine>(engine, request);
    // The stage listens when somebody asks.
    b.stage.ask(b.app, Request::Snapshot);
    b.stage.run_for(millis(1));
}

fn remove(b: &mut Bench) {
    engine(b, EngineRequest::RemoveLine { line: LINE });
}

fn late() -> Box<Account> {
    Box::new(Account { permanent: 7, ..registered("late", switch()) })
}

fn opened(b: &mut Bench, line: LineId) -> Result<Reply, RequestError> {
    let asked = b.stage.ask(b.app, Request::OpenLine { line, interest: Interest::owner(MediaTypes::VOICE) });
    b.stage.run_for(millis(1));
    b.stage.answer_to(b.app, asked).cloned().expect("an answer")
}

fn lines(b: &mut Bench) -> Vec<(u32, u32)> {
    let asked = b.stage.ask(b.app, Request::Lines);
    b.stage.run_for(millis(1));
    match b.stage.answer_to(b.app, asked) {
        Some(Ok(Reply::Lines(lines))) => lines.iter().map(|line| (line.line.0, line.permanent)).collect(),
        other => panic!("expected the lines, got {other:?}"),
    }
}

/// What was heard of lines, in short.
fn told(b: &Bench) -> Vec<&'static str> {
    let heard = b.stage.heard().iter().filter_map(|(_, _, event)| match event {
        Event::LineCreated { .. } => Some("created"),
        Event::LineClosed { line: LINE } => Some("closed"),
        Event::LineRemoved { line: LINE } => Some("removed"),
        Event::Reinitialise { .. } => Some("reinitialise"),
        _ => None,
    });
    heard.collect()
}

fn no_line_is_left(b: &mut Bench) {
    assert_eq!(told(b), ["closed", "removed"]);
    assert_eq!(opened(b, LINE), Err(LineError::NoSuchLine(LINE).into()));
    let asked = b.stage.ask(b.app, Request::Capabilities { line: LINE });
    b.stage.run_for(millis(1));
    assert_eq!(b.stage.answer_to(b.app, asked), Some(&Err(LineError::NoSuchLine(LINE).into())));
    assert_eq!(lines(b), []);
    b.stage.run_for(secs(40));
    assert_eq!(b.stage.engine().provider().open_lines(), 0);
}

#[test]
fn an_added_line_can_be_opened_and_called_and_no_other_is_touched() {
    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    engine(&mut b, EngineRequest::AddLine { line: LineId(1), account: late() });
    assert_eq!(told(&b), ["created"]);
    assert_eq!(lines(&mut b), [(0, 0), (1, 7)]);
    assert!(opened(&mut b, LineId(1)).is_ok());
    b.stage.run_for(secs(1));
    b.plan(Plan::answer(millis(100)));
    b.phone_calls(Calling::new(Target::Registered("late".into()), "bob"));
    b.stage.run_for(secs(2));
    assert_eq!(b.last_state().kind(), S::Connected);
    b.finish();
}

#[test]
fn a_number_is_never_used_again() {
    let mut b = bench_with(|_| {}, |_| {});
    engine(&mut b, EngineRequest::AddLine { line: LINE, account: late() });
    assert_eq!(lines(&mut b), [(0, 0)], "it is in use");
    remove(&mut b);
    b.stage.run_for(secs(40));
    engine(&mut b, EngineRequest::AddLine { line: LINE, account: late() });
    engine(&mut b, EngineRequest::AddLine { line: LineId(u32::MAX), account: late() });
    assert_eq!(lines(&mut b), [], "it was in use; and a number that high is none");
    engine(&mut b, EngineRequest::AddLine { line: LineId(3), account: late() });
    assert_eq!(lines(&mut b), [(3, 7)]);
    remove(&mut b);
    remove(&mut b);
    assert_eq!(told(&b), ["closed", "removed", "created"]);
    b.finish();
}

#[test]
fn calls_that_came_in_end_with_their_line() {
    for (plan, says) in [
        (Plan::default(), "480"),
        (Plan::then(millis(100), Act::Accept), "480"),
        (Plan::answer(millis(100)), "BYE"),
        (Plan::answer(millis(100)).and(millis(100), Act::Hold), "BYE"),
    ] {
        let mut b = bench_with(|_| {}, |_| {});
        b.plan(plan);
        let calling = b.ring();
        b.phone_calls(calling);
        b.stage.run_for(secs(2));
        remove(&mut b);
        let states = b.states();
        assert!(states.ends_with(&[S::Disconnected, S::Idle]), "{states:?}");
        b.stage.run_for(secs(1));
        b.sent(says);
        no_line_is_left(&mut b);
        b.finish();
    }
}

fn make(b: &mut Bench) -> AppRequestId {
    b.stage.make_call(b.app, LINE, "600", CallOptions::default(), Plan::default())
}

#[test]
fn calls_that_were_made_end_with_their_line() {
    let rings = Answering { ring: Some(millis(500)), ..Answering::after(secs(60)) };
    for (others, says) in [(rings, "CANCEL"), (Answering::after(millis(500)), "BYE")] {
        let mut b = bench_with(|_| {}, |config| config.others = others);
        make(&mut b);
        b.stage.run_for(secs(2));
        remove(&mut b);
        let states = b.states();
        assert!(states.ends_with(&[S::Disconnected, S::Idle]), "{states:?}");
        b.stage.run_for(secs(1));
        b.sent(says);
        no_line_is_left(&mut b);
        b.finish();
    }
}

#[test]
fn a_call_that_is_being_made_fails_and_never_was_one() {
    let mut b = bench_with(|_| {}, |_| {});
    b.stage.world.network().cut(hookswitch().ip(), switch().ip());
    let asked = make(&mut b);
    b.stage.run_for(secs(1));
    assert_eq!(b.stage.answer_to(b.app, asked), None);
    remove(&mut b);
    assert!(matches!(b.stage.answer_to(b.app, asked), Some(Err(_))));
    let of_calls = |event: &Event| matches!(event, Event::CallState { .. } | Event::NewCall { .. });
    assert!(!b.stage.heard().iter().any(|(_, _, event)| of_calls(event)));
    b.stage.world.network().heal();
    no_line_is_left(&mut b);
    b.finish();
}

#[test]
fn what_is_outstanding_completes_before_the_line_is_gone() {
    let mut b = bench_with(|_| {}, |_| {});
    b.plan(Plan::answer(millis(100)));
    let calling = b.ring();
    b.phone_calls(calling);
    b.stage.run_for(secs(2));
    b.stage.world.network().cut(hookswitch().ip(), switch().ip());
    let call = b.call();
    let asked = b.stage.act(b.app, call, &Act::Drop(RejectReason::Default));
    remove(&mut b);
    let place =
        |wanted: &dyn Fn(&Event) -> bool| b.stage.heard().iter().position(|(_, _, event)| wanted(event));
    let completed = place(&|event| matches!(event, Event::Completed { request, .. } if *request == asked));
    let removed = place(&|event| matches!(event, Event::LineRemoved { .. }));
    assert!(completed.is_some() && completed < removed, "{completed:?} {removed:?}");
    b.stage.world.network().heal();
    no_line_is_left(&mut b);
    b.finish();
}

#[test]
fn a_removed_line_is_un_registered_and_not_called_any_more() {
    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    let contact = Target::Registered("line".into());
    remove(&mut b);
    b.phone_calls(Calling::new(contact, "bob"));
    b.stage.run_for(secs(1));
    let now = b.stage.world.now();
    assert_eq!(b.stage.phone_of(b.phone).registrar().map(|registrar| registrar.bound(now)), Some(0));
    assert!(!b.stage.heard().iter().any(|(_, _, event)| matches!(event, Event::NewCall { .. })));
    no_line_is_left(&mut b);
    b.finish();
}

#[test]
fn a_line_is_removed_while_the_registrar_is_not_reached_or_the_line_is_closing() {
    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    b.stage.world.network().cut(hookswitch().ip(), switch().ip());
    remove(&mut b);
    no_line_is_left(&mut b);
    b.stage.world.network().heal();
    b.finish();

    let mut b = registered_bench(|_| {}, |_| {});
    b.stage.run_for(secs(1));
    b.stage.ask(b.app, Request::CloseLine { line: LINE });
    remove(&mut b);
    assert_eq!(told(&b), ["removed"]);
    b.stage.run_for(secs(40));
    assert_eq!(b.stage.engine().provider().open_lines(), 0);
    b.finish();
}

fn services(b: &Bench) -> Vec<bool> {
    let states = b.stage.heard().iter().filter_map(|(_, _, event)| match event {
        Event::LineState { line: LINE, state } => Some(*state == LineState::InService),
        _ => None,
    });
    states.collect()
}

#[test]
fn new_credentials_are_tried_at_once_after_a_refusal() {
    let mut b = registered_bench(|account| account.password = Secret::new("wrong"), |_| {});
    b.stage.run_for(secs(5));
    assert_eq!(services(&b).last(), Some(&false));
    let account = Box::new(registered("line", switch()));
    engine(&mut b, EngineRequest::SetAccess { line: LINE, account });
    b.stage.run_for(millis(100));
    assert_eq!(services(&b).last(), Some(&true), "{}", b.stage.wire());
    b.finish();
}

#[test]
fn a_line_in_service_stays_in_service_with_new_credentials() {
    let mut b = registered_bench(|account| profile(account, |p| p.register_expires = 120), |_| {});
    b.stage.run_for(secs(1));
    let before = b.count("> REGISTER");
    let account = Box::new(registered("line", switch()));
    engine(&mut b, EngineRequest::SetAccess { line: LINE, account });
    b.stage.run_for(secs(1));
    assert_eq!(b.count("> REGISTER"), before, "nothing is to be said before the next refresh");
    b.stage.run_for(secs(600));
    assert_eq!(services(&b), [false, true]);
    b.finish();
}

#[test]
fn another_peer_may_call_in_at_once() {
    let mut b = bench_with(|_| {}, |_| {});
    let stranger = b.stage.phone("stranger", PhoneConfig::new(([10, 0, 0, 3], 5060).into(), hookswitch()), 9);
    let calls = |b: &mut Bench| {
        let calling = b.ring();
        b.stage.world.request::<Phone>(stranger, PhoneRequest::Call(Box::new(calling)));
        b.stage.run_for(secs(1));
        b.stage.heard().iter().filter(|(_, _, event)| matches!(event, Event::NewCall { .. })).count()
    };
    assert_eq!(calls(&mut b), 0, "it may not");
    let account = Box::new(Account {
        accept_from: vec!["10.0.0.3".parse().expect("an address")],
        ..trunk("line", switch())
    });
    engine(&mut b, EngineRequest::SetAccess { line: LINE, account });
    assert_eq!(calls(&mut b), 1);
    let found = b.stage.finish(&[b.phone, stranger]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_change_that_waits_is_told_once_to_everybody() {
    let mut b = bench_with(|_| {}, |_| {});
    let other = b.stage.attach("other");
    b.stage.run_for(millis(1));
    engine(&mut b, EngineRequest::Reinitialise { why: "[media] changed".into() });
    b.stage.run_for(secs(10));
    for app in [b.app, other] {
        let told = b.stage.heard().iter().filter(|(_, session, event)| {
            *session == app && matches!(event, Event::Reinitialise { why } if why == "[media] changed")
        });
        assert_eq!(told.count(), 1);
    }
    b.finish();
}

fn tell(stage: &mut Stage, app: SessionId, request: EngineRequest) {
    let engine = stage.engine_node();
    stage.world.request::<Engine>(engine, request);
    // The stage listens when somebody asks.
    stage.ask(app, Request::Snapshot);
}

/// Lines come and go while calls do and the network loses, doubles and reorders: every request completes once, every call ends,
/// nothing is left.
#[test]
fn lines_come_and_go_under_chaos() {
    for seed in 0..40 {
        let mut chance = Entropy::from_number(1_000 + seed);
        let conditions = Conditions::random(&mut chance);
        let names: Vec<String> = (0..12).map(|n| format!("line{n}")).collect();
        let mut stage =
            Stage::new(seed, conditions, vec![registered(&names[0], switch()), trunk(&names[1], switch())]);
        let mut config = PhoneConfig::new(switch(), hookswitch());
        let users: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "secret")).collect();
        config.registrar = Some(Registrar::new("10.0.0.2", &users, Entropy::from_number(seed)));
        let phone = stage.phone("switch", config, seed + 1);
        let apps = [stage.attach("one"), stage.attach("two")];
        let mut next = 2;
        for _ in 0..60 {
            let app = apps[chance.below(2) as usize];
            let line = LineId(chance.below(next) as u32);
            let name = names[line.0 as usize].clone();
            match chance.below(8) {
                0 if next < names.len() as u64 => {
                    let name = &names[next as usize];
                    let account =
                        if chance.chance(1, 2) { registered(name, switch()) } else { trunk(name, switch()) };
                    let line = LineId(next as u32);
                    tell(&mut stage, app, EngineRequest::AddLine { line, account: Box::new(account) });
                    next += 1;
                }
                1 => tell(&mut stage, app, EngineRequest::RemoveLine { line }),
                2 => {
                    let account = Box::new(registered(&name, switch()));
                    tell(&mut stage, app, EngineRequest::SetAccess { line, account });
                }
                3 => {
                    stage.ask(app, Request::CloseLine { line });
                }
                4 | 5 => stage.open(app, line, Interest::owner(MediaTypes::VOICE)),
                6 => {
                    let plan =
                        Plan::answer(millis(chance.below(800))).and(millis(chance.below(3_000)), Act::Hold);
                    stage.app(app).plans.push_back(plan);
                    let target = Target::Uri(format!("sip:{name}@10.0.0.1"));
                    stage
                        .world
                        .request::<Phone>(phone, PhoneRequest::Call(Box::new(Calling::new(target, "bob"))));
                }
                _ => {
                    stage.make_call(app, line, "600", CallOptions::default(), Plan::default());
                }
            }
            stage.run_for(millis(chance.below(1_500)));
        }
        stage.world.network().set_conditions(Conditions::PERFECT);
        let found = stage.finish(&[phone]);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}
