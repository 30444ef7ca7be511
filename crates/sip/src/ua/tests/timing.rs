//! Session timers.

use super::*;
use crate::message::Name;
use crate::session_timer::Interval;
use crate::ua::Failure;

fn net(expires: u32) -> Net {
    let session_timer = Some(Interval { expires, least: 90 });
    Net::with(Config { session_timer, ..Config::default() }, transaction::Config::default())
}

/// A call from A to the test, whose 200 has these header fields.
fn call_raw(net: &mut Net, fields: &str) -> (LegId, Message) {
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    let invite = net.latest(RAW, "INVITE");
    reply(net, &invite, 200, fields);
    assert_eq!(net.last(A), Indication::Answered(a));
    net.run(20);
    (a, invite)
}

fn reply(net: &mut Net, request: &Message, status: u16, fields: &str) {
    let contact = format!("<sip:raw@{}>", address(RAW));
    let mut response = Response::to(request, status).to_tag("raw").header(Name::Contact, contact);
    for line in fields.split_terminator('\n') {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header_raw(name, value);
    }
    let bytes = match (request.method(), status) {
        (Method::Invite, 200) => response.body("application/sdp", ANSWER).finish(),
        _ => response.finish(),
    };
    net.inject(A, &bytes);
}

#[test]
fn without_configuration_there_are_none() {
    let mut net = Net::new();
    let (a, _) = net.call();
    assert_eq!(net.latest(B, "INVITE").header(Name::SessionExpires), None);
    assert_eq!(net.latest(A, "200 INVITE").header(Name::SessionExpires), None);
    net.inject(A, &request("INVITE", "x", None, 1, "Require: timer\r\n", OFFER));
    net.latest(RAW, "420 INVITE");
    net.run(100_000);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_call_is_refreshed_by_updates_that_nobody_notices() {
    let mut net = net(600);
    let (a, b) = net.call();
    let invite = net.latest(B, "INVITE");
    assert_eq!(invite.header(Name::SessionExpires), Some("600"));
    assert_eq!(invite.header(Name::MinSe), Some("90"));
    assert!(invite.lists(Name::Supported, "timer"));
    assert_eq!(net.latest(A, "200 INVITE").header(Name::SessionExpires), Some("600;refresher=uas"));
    let told = (net.told(A), net.told(B));
    net.run(3_600_000);
    assert_eq!((net.told(A), net.told(B)), told);
    // Every five minutes, by the one who was called.
    assert_eq!((net.count(B, "UPDATE"), net.count(A, "UPDATE")), (11, 0));
    assert_eq!(net.latest(A, "UPDATE").header(Name::SessionExpires), Some("600;refresher=uac"));
    let ok = net.latest(B, "200 UPDATE");
    assert_eq!(ok.header(Name::SessionExpires), Some("600;refresher=uac"));
    assert!(ok.lists(Name::Require, "timer"));
    // An offer is a refresh too, and leaves the roles as they are.
    net.offer(A, a).unwrap();
    net.run(50);
    assert_eq!(net.latest(B, "INVITE").header(Name::SessionExpires), Some("600;refresher=uas"));
    net.run(600_000);
    assert_eq!(net.count(A, "UPDATE"), 0);
    net.hang_up(B, b).unwrap();
    net.run(50);
    assert_eq!(net.last(A), Indication::Ended(a));
    net.drain();
}

#[test]
fn a_peer_without_update_gets_the_same_offer_again() {
    let mut net = net(1_800);
    let (a, invite) = call_raw(&mut net, "Session-Expires: 200;refresher=uac\nRequire: timer\n");
    let told = net.told(A);
    for n in 0..3 {
        net.run(100_000);
        let refresh = net.latest(RAW, "INVITE");
        assert_ne!(refresh.cseq().number, invite.cseq().number);
        assert_eq!(refresh.body(), OFFER);
        assert_eq!(refresh.header(Name::SessionExpires), Some("200;refresher=uac"));
        reply(&mut net, &refresh, 200, "Session-Expires: 200;refresher=uac\n");
        // What it says is for the user to compare.
        assert_eq!(net.last(A), Indication::Refreshed(a));
        net.run(50);
        assert_eq!(net.times(A, "ACK").len(), n + 2);
    }
    assert_eq!(net.told(A), [told, vec![Indication::Refreshed(a); 3]].concat());
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_session_that_the_peer_does_not_refresh_ends() {
    let mut net = net(1_800);
    let (a, _) = call_raw(&mut net, "Session-Expires: 300;refresher=uas\n");
    net.run(267_900);
    assert_eq!(net.count(A, "BYE"), 0);
    net.run(200);
    assert_eq!(net.last(A), Indication::Lost(a, Failure::TimedOut));
    assert_eq!(net.count(A, "BYE"), 1);
    net.drain();
}

#[test]
fn a_refresh_that_the_peer_does_not_answer_or_know_ends_the_session() {
    for status in [Some(481), None] {
        let mut net = net(1_800);
        let (a, _) = call_raw(&mut net, "Session-Expires: 300;refresher=uac\nAllow: UPDATE, BYE\n");
        net.run(151_000);
        let update = net.latest(RAW, "UPDATE");
        match status {
            Some(status) => reply(&mut net, &update, status, ""),
            None => net.run(33_000),
        }
        assert!(matches!(net.last(A), Indication::Lost(leg, _) if leg == a), "{:?}", net.last(A));
        net.drain();
    }
}

#[test]
fn a_refresh_that_is_refused_is_tried_again_until_the_session_is_over() {
    let mut net = net(1_800);
    let (a, _) = call_raw(&mut net, "Session-Expires: 300;refresher=uac\nAllow: UPDATE\n");
    net.run(150_500);
    let mut tries = 0;
    while net.last(A) == Indication::Answered(a) {
        let update = net.latest(RAW, "UPDATE");
        reply(&mut net, &update, 500, "");
        net.run(10_100);
        tries += 1;
        assert!(tries < 20);
    }
    assert_eq!(net.last(A), Indication::Lost(a, Failure::TimedOut));
    assert!(tries > 5);
    net.drain();
}

#[test]
fn a_refresh_can_be_asked_to_be_longer() {
    let mut net = net(100);
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    let first = net.latest(RAW, "INVITE");
    reply(&mut net, &first, 422, "Min-SE: 400\n");
    let second = net.latest(RAW, "INVITE");
    assert_eq!(second.cseq().number, first.cseq().number + 1);
    assert_eq!((second.call_id(), second.from_tag()), (first.call_id(), first.from_tag()));
    assert_eq!(second.header(Name::SessionExpires), Some("400"));
    assert_eq!(second.header(Name::MinSe), Some("400"));
    assert_eq!((second.headers(Name::MinSe).count(), second.body()), (1, OFFER));
    // Too little more: somebody plays with us.
    reply(&mut net, &second, 422, "Min-SE: 401\n");
    assert_eq!(net.last(A), Indication::Failed(a, Failure::Status(422)));

    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    let invite = net.latest(RAW, "INVITE");
    reply(&mut net, &invite, 200, "Session-Expires: 100;refresher=uac\nAllow: UPDATE\n");
    net.run(50_100);
    let update = net.latest(RAW, "UPDATE");
    reply(&mut net, &update, 422, "Min-SE: 500\n");
    let longer = net.latest(RAW, "UPDATE");
    assert_eq!(longer.header(Name::SessionExpires), Some("500;refresher=uac"));
    reply(&mut net, &longer, 200, "Session-Expires: 500;refresher=uac\n");
    net.run(200_000);
    assert_eq!(net.last(A), Indication::Answered(a));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn who_asks_for_too_little_is_told_so() {
    let mut net = net(600);
    let timer = "Supported: timer\r\nSession-Expires: 60\r\n";
    net.inject(A, &request("INVITE", "1", None, 1, timer, OFFER));
    assert_eq!(net.latest(RAW, "422 INVITE").header(Name::MinSe), Some("90"));
    net.inject(A, &request("ACK", "1", None, 1, "", b""));
    net.inject(A, &request("INVITE", "2", None, 2, &timer.replace("60", "120;refresher=uac"), OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    let ok = net.latest(RAW, "200 INVITE");
    assert_eq!(ok.header(Name::SessionExpires), Some("120;refresher=uac"));
    assert!(ok.lists(Name::Require, "timer"));
    let tag = ok.to_tag().unwrap().to_owned();
    net.inject(A, &request("ACK", "3", Some(&tag), 2, "", b""));
    // Within the session too; and it is refreshed by what comes after.
    net.inject(A, &request("UPDATE", "4", Some(&tag), 3, timer, b""));
    net.latest(RAW, "422 UPDATE");
    net.run(70_000);
    net.inject(A, &request("UPDATE", "5", Some(&tag), 4, &timer.replace("60", "120;refresher=uac"), b""));
    assert_eq!(net.latest(RAW, "200 UPDATE").header(Name::SessionExpires), Some("120;refresher=uac"));
    net.run(70_000);
    assert_eq!(net.last(A), Indication::Confirmed(leg));
    // Without Session-Expires, and without knowing of it, the session lives for ever.
    net.inject(A, &request("UPDATE", "6", Some(&tag), 5, "", b""));
    net.run(700_000);
    assert_eq!(net.last(A), Indication::Confirmed(leg));
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn calls_with_timers_come_to_rest_under_loss() {
    for seed in 0..60 {
        let mut net = net(120);
        let mut entropy = Entropy::from_number(seed);
        let (a, b) = net.call();
        net.lose = Box::new(move |_| entropy.chance(1, 3));
        for step in 0..30 {
            net.run(20_000);
            if step % 4 == 0 {
                let _ = net.offer(if step % 8 == 0 { A } else { B }, if step % 8 == 0 { a } else { b });
            }
        }
        let _ = net.hang_up(A, a);
        net.drain();
    }
    // Nobody hangs up, and nothing gets through any more.
    let mut net = net(120);
    let (a, b) = net.call();
    net.lose = Box::new(|_| true);
    net.drain();
    assert!(matches!(net.last(A), Indication::Lost(leg, _) if leg == a), "{:?}", net.last(A));
    assert!(matches!(net.last(B), Indication::Lost(leg, _) if leg == b), "{:?}", net.last(B));
}
