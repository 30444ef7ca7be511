//! Calls that applications make, through the whole stack in virtual time.

mod common;

use bytes::Bytes;
use common::{Bench, bench, bench_with, hookswitch, millis, profile, secs, switch};
use hookswitch_machine::Entropy;
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::{Capabilities, MediaSession};
use hookswitch_sip::message::{Limits, Message, Name, Response};
use hookswitch_spi::{
    CallOptions, CallState, DisconnectMode, EndedBy, OperationError, RejectReason, StateKind as S,
};
use hookswitch_telephony::{AppRequestId, Reply, RequestError};
use hookswitch_testkit::apps::{Act, Plan};
use hookswitch_testkit::phone::{Answering, Progress, Talk, Verdict};
use std::net::SocketAddr;
use std::time::Duration;

fn make(b: &mut Bench, to: &str, plan: Plan) -> AppRequestId {
    b.stage.make_call(b.app, common::LINE, to, CallOptions::default(), plan)
}

fn answering(phone: Answering) -> Bench {
    bench_with(|_| {}, |config| config.others = phone)
}

#[test]
fn a_call_proceeds_rings_is_answered_and_dropped() {
    let mut b = answering(Answering { ring: Some(millis(500)), ..Answering::after(secs(2)) });
    let asked = make(&mut b, "600", Plan::default().and(secs(5), Act::Drop(RejectReason::Default)));
    b.stage.run_for(secs(20));
    assert_eq!(
        b.wire(),
        ["> INVITE", "< 100 INVITE", "< 180 INVITE", "< 200 INVITE", "> ACK", "> BYE", "< 200 BYE"]
    );
    assert_eq!(b.states(), [S::Proceeding, S::Ringback, S::Connected, S::Idle]);
    assert!(matches!(b.stage.answer_to(b.app, asked), Some(Ok(Reply::Created(_)))));
    let invite = b.sent("INVITE");
    assert_eq!(invite.request_uri(), Some("sip:600@10.0.0.2"));
    assert_eq!(invite.from().uri().as_str(), "sip:line@10.0.0.2");
    b.finish();
}

#[test]
fn a_refusal_at_once_fails_the_request_and_there_is_no_call() {
    let mut b = answering(Answering::refuse(404));
    let asked = make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(2));
    assert!(
        matches!(
            b.stage.answer_to(b.app, asked),
            Some(Err(RequestError::Operation(OperationError::Refused { status: 404, .. })))
        ),
        "{}",
        b.stage.explain()
    );
    assert_eq!(b.stage.last_call(b.app), None);
    b.finish();
}

#[test]
fn a_refusal_later_is_told_as_the_end_of_the_call() {
    let phone = Answering { verdict: Verdict::Reject(secs(1), 404), ..Answering::no_answer() };
    let mut b = answering(phone);
    let asked = make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(3));
    assert!(matches!(b.stage.answer_to(b.app, asked), Some(Ok(Reply::Created(_)))));
    assert_eq!(b.states(), [S::Proceeding, S::Ringback, S::Disconnected, S::Idle]);
    let states = b.stage.states(b.app, b.call());
    assert!(
        matches!(&states[2], CallState::Disconnected(end)
            if end.mode == DisconnectMode::BadAddress && end.status == Some(404)),
        "{states:?}"
    );
    b.finish();
}

#[test]
fn a_100_is_enough_for_the_call_to_proceed() {
    let mut b = answering(Answering { ring: None, ..Answering::no_answer() });
    let asked = make(&mut b, "600", Plan::then(secs(5), Act::Drop(RejectReason::Default)));
    b.stage.run_for(secs(1));
    assert!(matches!(b.stage.answer_to(b.app, asked), Some(Ok(Reply::Created(_)))));
    b.stage.run_for(secs(10));
    assert_eq!(b.states(), [S::Proceeding, S::Idle]);
    assert_eq!(b.count("> CANCEL"), 1);
    b.finish();
}

#[test]
fn busy_is_told_before_the_end() {
    let phone = Answering { verdict: Verdict::Reject(secs(1), 486), ..Answering::no_answer() };
    let mut b = answering(phone);
    make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(3));
    assert_eq!(b.states(), [S::Proceeding, S::Ringback, S::Busy, S::Disconnected, S::Idle]);
    let states = b.stage.states(b.app, b.call());
    assert!(
        matches!(&states[3], CallState::Disconnected(end)
            if end.mode == DisconnectMode::Busy && end.status == Some(486) && end.by == EndedBy::Peer),
        "{states:?}"
    );
    b.finish();
}

#[test]
fn nobody_answering_cancels() {
    let mut b = answering(Answering::no_answer());
    let options = CallOptions { no_answer_after: Some(secs(10)), ..CallOptions::default() };
    b.stage.make_call(b.app, common::LINE, "600", options, Plan::default());
    b.stage.run_for(secs(12));
    assert_eq!(b.wire(), ["> INVITE", "< 180 INVITE", "> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]);
    let states = b.stage.states(b.app, b.call());
    assert!(
        matches!(&states[2], CallState::Disconnected(end)
            if end.mode == DisconnectMode::NoAnswer && end.by == EndedBy::Us),
        "{states:?}"
    );
    b.finish();
}

#[test]
fn a_drop_that_crosses_the_200_is_acknowledged_and_ended() {
    let mut b = answering(Answering::after(secs(1)));
    // The CANCEL arrives just after the 200 has left.
    make(&mut b, "600", Plan::then(millis(993), Act::Drop(RejectReason::Default)));
    b.stage.run_for(secs(5));
    let wire = b.wire();
    assert_eq!(b.count("> CANCEL"), 1, "{wire:?}");
    assert_eq!((b.count("> ACK"), b.count("> BYE")), (1, 1), "{wire:?}");
    assert!(matches!(b.phone_call(0).progress, Progress::Ended { .. }));
    assert_eq!(b.states(), [S::Proceeding, S::Ringback, S::Idle]);
    b.finish();
}

#[test]
fn early_media_does_not_settle_the_answer() {
    let mut b = answering(Answering { early_media: Some(millis(300)), ..Answering::after(secs(2)) });
    make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(5));
    assert_eq!(b.count("< 183 INVITE"), 1);
    assert_eq!(b.last_state().kind(), S::Connected);
    b.finish();
}

#[test]
fn a_demand_for_credentials_is_met_once() {
    let mut b = bench_with(
        |_| {},
        |config| config.demands = Some(("line".into(), "secret".into(), "10.0.0.2".into())),
    );
    make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(3));
    assert_eq!(
        b.wire()[..5],
        ["> INVITE", "< 407 INVITE", "> ACK", "> INVITE", "< 180 INVITE"],
        "{}",
        b.stage.wire()
    );
    assert_eq!(b.last_state().kind(), S::Connected);
    b.finish();
}

#[test]
fn a_wrong_password_ends_after_one_try() {
    let mut b = bench_with(
        |_| {},
        |config| config.demands = Some(("line".into(), "other".into(), "10.0.0.2".into())),
    );
    let asked = make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(3));
    assert_eq!(b.count("> INVITE"), 2);
    assert!(
        matches!(
            b.stage.answer_to(b.app, asked),
            Some(Err(RequestError::Operation(OperationError::Refused { status: 407, .. })))
        ),
        "{}",
        b.stage.explain()
    );
    b.finish();
}

#[test]
fn a_302_is_followed_where_the_profile_says_so() {
    for follows in [true, false] {
        let mut b = bench_with(
            |account| profile(account, |p| p.follow_redirects = follows),
            |config| {
                let phone = Answering {
                    verdict: Verdict::Redirect(secs(1), "sip:other@10.0.0.2".into()),
                    ..Answering::no_answer()
                };
                config.users.insert("600".into(), phone);
            },
        );
        make(&mut b, "600", Plan::default());
        b.stage.run_for(secs(5));
        if follows {
            assert_eq!(b.count("> INVITE"), 2);
            assert_eq!(b.last_state().kind(), S::Connected);
        } else {
            let states = b.stage.states(b.app, b.call());
            assert!(
                states.iter().any(|state| matches!(state, CallState::Disconnected(end)
                    if end.mode == DisconnectMode::Forwarded && end.status == Some(302))),
                "{states:?}"
            );
        }
        b.finish();
    }
}

#[test]
fn a_drop_while_the_new_target_is_looked_up_ends_the_call() {
    let mut b = bench_with(
        |_| {},
        |config| {
            let phone = Answering {
                verdict: Verdict::Redirect(secs(1), "sip:x@far.example".into()),
                ..Answering::no_answer()
            };
            config.users.insert("600".into(), phone);
        },
    );
    let plan = Plan::then(millis(1_000), Act::Drop(RejectReason::Default));
    make(&mut b, "600", plan);
    b.stage.run_for(secs(2));
    assert_eq!(b.last_state().kind(), S::Idle, "{}", b.stage.explain());
    b.finish();
}

#[test]
fn an_unreachable_peer_times_out() {
    let mut b = bench();
    b.stage.world.network().cut(switch().ip(), hookswitch().ip());
    let asked = make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(31));
    assert!(b.stage.answer_to(b.app, asked).is_none());
    b.stage.run_for(secs(2));
    assert!(matches!(b.stage.answer_to(b.app, asked), Some(Err(_))));
    b.stage.world.network().heal();
    b.finish();
}

/// A forking proxy written by hand: two phones answer the same INVITE.
#[test]
fn of_two_answers_the_second_gets_ack_and_bye() {
    let mut b = bench_with(|account| account.registrar.port = Some(5070), |_| {});
    let proxy = SocketAddr::from((switch().ip(), 5070));
    b.stage.world.watch(proxy);
    make(&mut b, "600", Plan::default());
    b.stage.run_for(millis(20));
    let invite = loop {
        let (_, datagram) = b.stage.world.take(proxy).expect("the INVITE arrived");
        if let Ok(message) = Message::parse(datagram.bytes, &Limits::default()) {
            break message;
        }
    };
    let answer = |tag: &str, port: u16| -> Bytes {
        let capabilities = Capabilities::default();
        let mut media = MediaSession::new(Entropy::from_number(port.into()).next_u64());
        media.receive_offer(&capabilities, invite.body()).expect("the offer is sound");
        let rtp = (switch().ip(), 4_000 + port).into();
        let (sdp, _) = media.answer(&capabilities, rtp, Direction::SendRecv).expect("it can be answered");
        Response::to(&invite, 200)
            .to_tag(tag)
            .header(Name::Contact, format_args!("<sip:{tag}@10.0.0.2:5070>"))
            .body("application/sdp", &sdp)
            .finish()
    };
    b.stage.world.inject(proxy, hookswitch(), answer("first", 1));
    b.stage.run_for(millis(50));
    assert_eq!(b.last_state().kind(), S::Connected);
    b.stage.world.inject(proxy, hookswitch(), answer("second", 2));
    b.stage.run_for(millis(50));
    let mut got = Vec::new();
    while let Some((_, datagram)) = b.stage.world.take(proxy) {
        if let Ok(message) = Message::parse(datagram.bytes, &Limits::default()) {
            let line = format!("{} {}", message.method(), message.to_tag().unwrap_or_default());
            if message.method().as_str() == "BYE" {
                let ok = Response::to(&message, 200).finish();
                b.stage.world.inject(proxy, hookswitch(), ok);
            }
            got.push(line);
        }
    }
    assert_eq!(got, ["ACK first", "ACK second", "BYE second"]);
    assert_eq!(b.last_state().kind(), S::Connected);
    // The proxy is deaf from here on: the BYE of the first session times out.
    b.finish();
}

#[test]
fn the_other_side_hanging_up_ends_the_call() {
    let phone = Answering::after(Duration::ZERO).talking(Talk::for_(secs(3)));
    let mut b = answering(phone);
    make(&mut b, "600", Plan::default());
    b.stage.run_for(secs(10));
    let states = b.stage.states(b.app, b.call());
    assert!(
        states.iter().any(|state| matches!(state, CallState::Disconnected(end)
            if end.mode == DisconnectMode::Normal && end.by == EndedBy::Peer)),
        "{states:?}"
    );
    b.finish();
}
