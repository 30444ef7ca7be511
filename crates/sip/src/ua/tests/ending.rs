//! Ending sessions: CANCEL, BYE, and what crosses them.

use super::*;
use crate::ua::{Failure, LegError};

#[test]
fn hanging_up_before_a_provisional_waits_with_the_cancel() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    net.hang_up(A, a).unwrap();
    net.run(100);
    assert_eq!(net.count(A, "CANCEL"), 0);
    let invite = net.latest(RAW, "INVITE");
    net.reply(&invite, 180, "raw", b"");
    assert_eq!(net.count(A, "CANCEL"), 1);
    let cancel = net.latest(RAW, "CANCEL");
    assert_eq!(cancel.branch(), invite.branch());
    net.reply(&cancel, 200, "raw", b"");
    net.reply(&invite, 487, "raw", b"");
    assert_eq!(net.last(A), Indication::HungUp(a));
    net.drain();
}

#[test]
fn hanging_up_before_any_response_ends_with_the_timer() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.hang_up(A, a).unwrap();
    net.run(33_000);
    assert_eq!(net.told(A), [Indication::HungUp(a)]);
    assert_eq!(net.count(A, "CANCEL"), 0);
    net.drain();
}

#[test]
fn a_cancelled_call_ends_on_both_sides() {
    let mut net = Net::new();
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(300);
    let b = net.incoming(B);
    net.hang_up(A, a).unwrap();
    net.run(100);
    assert_eq!(net.last(A), Indication::HungUp(a));
    assert_eq!(net.last(B), Indication::Cancelled(b));
    assert_eq!(net.latest(A, "200 CANCEL").to_tag(), net.latest(A, "487 INVITE").to_tag());
    net.drain();
}

#[test]
fn a_2xx_that_crosses_the_cancel_gets_ack_and_bye() {
    let mut net = Net::new();
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(300);
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.hang_up(A, a).unwrap();
    net.run(100);
    assert_eq!((net.count(A, "CANCEL"), net.count(A, "ACK"), net.count(A, "BYE")), (1, 1, 1));
    assert_eq!(net.told(A), [Indication::Progress(a), Indication::HungUp(a)]);
    assert_eq!(net.told(B), [Indication::Incoming(b), Indication::Confirmed(b), Indication::Ended(b)]);
    net.drain();
}

#[test]
fn a_cancel_without_invite_gets_481() {
    let mut net = Net::new();
    net.inject(A, &request("CANCEL", "1", None, 10, "", b""));
    net.latest(RAW, "481 CANCEL");
    net.drain();
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    net.hang_up(A, leg).unwrap();
    net.run(3_000);
    assert_eq!(net.count(A, "BYE"), 0);
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    net.inject(A, &request("ACK", "2", Some(&tag), 10, "", b""));
    let bye = net.latest(RAW, "BYE");
    net.reply(&bye, 200, "raw", b"");
    assert_eq!(net.last(A), Indication::HungUp(leg));
    net.drain();
}

#[test]
fn hanging_up_without_any_ack_says_bye_after_64_t1() {
    for abandon in [false, true] {
        let mut net = Net::new();
        net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
        let leg = net.incoming(A);
        net.accept(A, leg).unwrap();
        net.act(A, |ua, layer, now| match abandon {
            true => ua.abandon(now, layer, leg),
            false => ua.hang_up(now, layer, leg, None).unwrap(),
        });
        net.run(31_000);
        assert_eq!(net.count(A, "BYE"), 0);
        net.run(2_000);
        assert!(net.count(A, "BYE") > 0);
        net.drain();
        let told = if abandon { vec![] } else { vec![Indication::HungUp(leg)] };
        assert_eq!(net.told(A)[1..], told);
    }
}

#[test]
fn nothing_more_is_indicated_of_an_abandoned_session() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    net.act(A, |ua, layer, now| ua.abandon(now, layer, leg));
    net.inject(A, &request("INFO", "2", Some(&tag), 11, "", b""));
    net.latest(RAW, "481 INFO");
    net.inject(A, &request("BYE", "3", Some(&tag), 12, "", b""));
    net.latest(RAW, "200 BYE");
    assert_eq!(net.told(A), [Indication::Incoming(leg)]);
    net.drain();
}

#[test]
fn a_request_within_an_abandoned_session_ends_silently() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    net.act(A, |ua, layer, now| ua.send_within(now, layer, leg, Method::Info, "", None)).unwrap();
    net.run(1_000);
    net.act(A, |ua, layer, now| ua.abandon(now, layer, leg));
    net.drain();
    assert_eq!(net.told(A), [Indication::Incoming(leg)]);
}

#[test]
fn sessions_can_be_abandoned_in_every_state() {
    // Ringing in: 480; ringing out: CANCEL; up: BYE; hanging up: nothing more.
    let mut net = Net::new();
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(300);
    let b = net.incoming(B);
    net.act(B, |ua, layer, now| ua.abandon(now, layer, b));
    net.run(20);
    assert_eq!(net.last(A), Indication::Failed(a, Failure::Status(480)));
    net.drain();

    let mut net = Net::new();
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(300);
    let b = net.incoming(B);
    net.act(A, |ua, layer, now| ua.abandon(now, layer, a));
    assert_eq!(net.sides[A].ua.live_legs(), 0);
    net.run(20);
    assert_eq!(net.last(B), Indication::Cancelled(b));
    net.drain();
    assert_eq!(net.told(A), [Indication::Progress(a)]);

    let mut net = Net::new();
    let (a, b) = net.call();
    net.act(A, |ua, layer, now| ua.abandon(now, layer, a));
    net.run(20);
    assert_eq!(net.last(B), Indication::Ended(b));
    net.drain();

    let mut net = Net::new();
    let (a, _) = net.call();
    net.hang_up(A, a).unwrap();
    net.act(A, |ua, layer, now| ua.abandon(now, layer, a));
    net.drain();
    assert_eq!(net.told(A), [Indication::Answered(a)]);
}

#[test]
fn an_abandoned_invite_is_not_sent_again_with_credentials() {
    for abandon in [true, false] {
        let mut net = Net::new();
        let account = net.account(A, "secret");
        let a = net.invite_to(RAW, Some(account), Some(OFFER));
        net.run(20);
        net.act(A, |ua, layer, now| match abandon {
            true => ua.abandon(now, layer, a),
            false => ua.hang_up(now, layer, a, None).unwrap(),
        });
        let invite = net.latest(RAW, "INVITE");
        let challenge = "Digest realm=\"pbx\", nonce=\"1\", algorithm=MD5, qop=\"auth\"";
        let bytes = Response::to(&invite, 401)
            .to_tag("raw")
            .header(crate::message::Name::WwwAuthenticate, challenge)
            .finish();
        net.inject(A, &bytes);
        net.run(100);
        assert_eq!(net.count(A, "INVITE"), 1);
        net.drain();
    }
}

#[test]
fn an_abandoned_large_invite_does_not_fall_back_to_datagrams() {
    let mut net = Net::new();
    let long = format!("Subject: {}\r\n", "x".repeat(1_400));
    let a = net.invite_with(A, RAW, None, Some(OFFER), &long).unwrap();
    net.hang_up(A, a).unwrap();
    let flow = Flow::to(EndpointId(1), address(RAW));
    net.act(A, |_, layer, now| layer.flow_closed(now, flow));
    assert_eq!(net.count(A, "INVITE"), 1);
    assert_eq!(net.told(A), [Indication::HungUp(a)]);
    net.drain();
}

#[test]
fn an_abandoned_invite_that_is_answered_gets_ack_and_bye() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    net.act(A, |ua, layer, now| ua.abandon(now, layer, a));
    let invite = net.latest(RAW, "INVITE");
    for _ in 0..3 {
        net.reply(&invite, 200, "raw", ANSWER);
    }
    assert_eq!((net.count(A, "ACK"), net.count(A, "BYE")), (3, 1));
    assert_eq!(net.told(A), []);
    let bye = net.latest(RAW, "BYE");
    net.reply(&bye, 200, "raw", b"");
    net.drain();
}

#[test]
fn hanging_up_before_the_user_acknowledged_acknowledges_first() {
    let mut net = Net::new();
    net.sides[A].acknowledges = false;
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(20);
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.run(20);
    assert_eq!(net.last(A), Indication::Answered(a));
    net.hang_up(A, a).unwrap();
    net.run(100);
    let sent = net.titles().into_iter().filter(|title| title.starts_with("0>1")).collect::<Vec<_>>();
    assert_eq!(sent, ["0>1 INVITE", "0>1 ACK", "0>1 BYE"]);
    net.drain();
}

#[test]
fn two_byes_that_cross_end_both_sides() {
    let mut net = Net::new();
    let (a, b) = net.call();
    net.hang_up(A, a).unwrap();
    net.hang_up(B, b).unwrap();
    net.run(100);
    assert_eq!(net.last(A), Indication::HungUp(a));
    assert_eq!(net.last(B), Indication::HungUp(b));
    assert_eq!((net.count(A, "200 BYE"), net.count(B, "200 BYE")), (1, 1));
    net.drain();
}

#[test]
fn a_bye_that_nobody_answers_still_ends_the_session() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.hang_up(A, a).unwrap();
    net.run(33_000);
    assert_eq!(net.last(A), Indication::HungUp(a));
    net.drain();
}

#[test]
fn a_bye_before_the_answer_cancels_the_invite() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.act(A, |ua, layer, now| ua.ring(now, layer, leg, 180, "sip:alice@10.0.0.1", None)).unwrap();
    let tag = net.latest(RAW, "180 INVITE").to_tag().unwrap().to_owned();
    net.inject(A, &request("BYE", "2", Some(&tag), 11, "", b""));
    assert_eq!(net.last(A), Indication::Ended(leg));
    net.latest(RAW, "487 INVITE");
    net.latest(RAW, "200 BYE");
    net.inject(A, &request("ACK", "1", Some(&tag), 10, "", b""));
    net.drain();
}

#[test]
fn a_bye_before_the_ack_ends_the_session() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    net.inject(A, &request("BYE", "2", Some(&tag), 11, "", b""));
    assert_eq!(net.last(A), Indication::Ended(leg));
    net.drain();
}

#[test]
fn hanging_up_without_room_for_a_bye_says_that_the_session_is_gone() {
    let transactions = transaction::Config { max_client: 2, ..transaction::Config::default() };
    let mut net = Net::with(Config::default(), transactions);
    let (a, _) = net.call_raw(None);
    net.act(A, |ua, layer, now| ua.send_within(now, layer, a, Method::Info, "", None)).unwrap();
    assert_eq!(net.hang_up(A, a), Err(LegError::Full));
    assert_eq!(net.hang_up(A, a), Err(LegError::Gone));
    net.drain();
    assert_eq!(net.told(A), [Indication::Answered(a)]);
}

#[test]
fn a_bye_after_the_ack_for_which_there_is_no_room_is_indicated() {
    let transactions = transaction::Config { max_client: 1, ..transaction::Config::default() };
    let mut net = Net::with(Config::default(), transactions);
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    net.act(A, |ua, layer, now| ua.send_within(now, layer, leg, Method::Info, "", None)).unwrap();
    net.hang_up(A, leg).unwrap();
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    net.inject(A, &request("ACK", "2", Some(&tag), 10, "", b""));
    assert_eq!((net.last(A), net.count(A, "BYE")), (Indication::HungUp(leg), 0));
    net.drain();
}
