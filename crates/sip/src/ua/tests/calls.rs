//! Setting up sessions.

use super::*;
use crate::message::Name;
use crate::ua::{Failure, LegError};

#[test]
fn a_call_is_answered_acknowledged_and_ended_by_the_caller() {
    let mut net = Net::new();
    let (a, b) = net.call();
    assert_eq!(net.sides[A].body, ANSWER);
    net.hang_up(A, a).unwrap();
    net.run(100);
    assert_eq!(net.last(A), Indication::HungUp(a));
    assert_eq!(net.last(B), Indication::Ended(b));
    assert_eq!(
        net.titles(),
        ["0>1 INVITE", "1>0 200 INVITE", "0>1 ACK", "0>1 BYE", "1>0 200 BYE"],
        "no 100 within 200 ms"
    );
    net.drain();
}

#[test]
fn the_callee_can_end_it_too() {
    let mut net = Net::new();
    let (a, b) = net.call();
    net.hang_up(B, b).unwrap();
    net.run(100);
    assert_eq!(net.last(B), Indication::HungUp(b));
    assert_eq!(net.last(A), Indication::Ended(a));
    net.drain();
}

#[test]
fn provisional_responses_are_indicated_with_their_bodies() {
    let mut net = Net::new();
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(300);
    let b = net.incoming(B);
    let contact = "sip:bob@10.0.0.2";
    net.act(B, |ua, layer, now| ua.ring(now, layer, b, 180, contact, None)).unwrap();
    net.run(20);
    assert_eq!((net.last(A), net.sides[A].body.len()), (Indication::Progress(a), 0));
    net.act(B, |ua, layer, now| ua.ring(now, layer, b, 183, contact, Some(ANSWER))).unwrap();
    net.run(20);
    assert_eq!((net.last(A), net.sides[A].body.as_slice()), (Indication::Progress(a), ANSWER));
    net.accept(B, b).unwrap();
    net.run(20);
    // 100, 180, 183.
    let progress = Indication::Progress(a);
    assert_eq!(net.told(A), [progress.clone(), progress.clone(), progress, Indication::Answered(a)]);
    let tags = ["180 INVITE", "183 INVITE", "200 INVITE"]
        .map(|title| net.latest(A, title).to_tag().map(str::to_owned));
    assert!(tags[0].is_some() && tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
    assert_eq!(net.latest(A, "100 INVITE").to_tag(), None);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut net = Net::new();
    net.sides[A].answer_in_ack = true;
    let a = net.invite_to(B, None, None);
    net.run(20);
    let b = net.incoming(B);
    assert!(net.sides[B].body.is_empty());
    net.accept(B, b).unwrap();
    net.run(20);
    assert_eq!(net.last(B), Indication::Confirmed(b));
    assert_eq!(net.sides[B].body, ANSWER);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_refused_call_fails_with_its_status_and_the_leg_is_gone() {
    let mut net = Net::new();
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(20);
    let b = net.incoming(B);
    net.act(B, |ua, layer, now| ua.reject(now, layer, b, 486, format_args!("Reason: Q.850;cause=17\r\n")))
        .unwrap();
    assert_eq!(net.sides[B].ua.live_legs(), 0);
    net.run(20);
    assert_eq!(net.last(A), Indication::Failed(a, Failure::Status(486)));
    assert_eq!(net.latest(A, "486 INVITE").header(Name::Reason), Some("Q.850;cause=17"));
    assert_eq!(net.hang_up(A, a), Err(LegError::Gone));
    assert_eq!(net.accept(B, b), Err(LegError::Gone));
    net.drain();
}

#[test]
fn a_2xx_is_sent_again_until_its_ack_and_each_copy_is_acknowledged() {
    let mut net = Net::new();
    let mut acks = 0;
    net.lose = Box::new(move |seen| {
        acks += usize::from(seen.title() == "ACK");
        seen.title() == "ACK" && acks <= 3
    });
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(20);
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.run(60_000);
    let start = net.times(B, "200 INVITE")[0];
    let sent: Vec<u64> = net.times(B, "200 INVITE").iter().map(|at| (at - start) / 10 * 10).collect();
    assert_eq!(sent, [0, 500, 1_500, 3_500]);
    assert_eq!(net.count(A, "ACK"), 4);
    assert_eq!(net.told(A), [Indication::Answered(a)]);
    assert_eq!(net.told(B), [Indication::Incoming(b), Indication::Confirmed(b)]);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_2xx_to_an_offer_that_was_given_up_is_acknowledged_while_the_bye_is_out() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.offer(A, a).unwrap();
    net.run(20_000);
    let invite = net.latest(RAW, "INVITE");
    net.hang_up(A, a).unwrap();
    // 64·T1 after the offer, and before they are over after the BYE.
    net.run(13_000);
    let (acks, byes) = (net.count(A, "ACK"), net.count(A, "BYE"));
    net.reply(&invite, 200, "raw", OFFER);
    net.run(100);
    assert_eq!((net.count(A, "ACK"), net.count(A, "BYE")), (acks + 1, byes));
    net.drain();
}

#[test]
fn without_ack_for_64_t1_the_callee_says_bye() {
    let mut net = Net::new();
    net.lose = Box::new(|seen| seen.title() == "ACK");
    let a = net.invite_to(B, None, Some(OFFER));
    net.run(20);
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.run(40_000);
    assert_eq!(net.last(B), Indication::NotAcknowledged(b));
    let (ok, bye) = (net.times(B, "200 INVITE")[0], net.times(B, "BYE")[0]);
    assert_eq!(bye - ok, 32_000);
    assert_eq!(net.count(B, "200 INVITE"), 11);
    assert_eq!(net.last(A), Indication::Ended(a));
    net.drain();
}

#[test]
fn the_ack_is_known_by_the_number_of_its_invite_whatever_came_between() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    net.inject(A, &request("INFO", "2", Some(&tag), 11, "", b""));
    assert!(matches!(net.last(A), Indication::Request(..)));
    net.inject(A, &request("ACK", "3", Some(&tag), 9, "", b""));
    assert!(matches!(net.last(A), Indication::Request(..)), "an ACK of something else");
    net.inject(A, &request("ACK", "3", Some(&tag), 10, "", b""));
    assert_eq!(net.last(A), Indication::Confirmed(leg));
    net.inject(A, &request("BYE", "4", Some(&tag), 12, "", b""));
    net.drain();
}

#[test]
fn a_request_that_nobody_answers_times_out() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(31_000);
    assert_eq!(net.told(A), []);
    net.run(2_000);
    assert_eq!(net.told(A), [Indication::Failed(a, Failure::TimedOut)]);
    net.drain();
}

#[test]
fn a_redirected_call_is_followed_without_old_credentials() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    let invite = net.latest(RAW, "INVITE");
    net.reply(&invite, 302, "raw", b"");
    assert_eq!(net.last(A), Indication::Redirected(a));
    net.act(A, |ua, layer, now| ua.follow(now, layer, a, "sip:carol@10.0.0.2", Net::flow(B))).unwrap();
    net.run(20);
    let again = net.latest(B, "INVITE");
    assert_eq!(again.request_uri(), Some("sip:carol@10.0.0.2"));
    assert_eq!(again.call_id(), invite.call_id());
    assert_eq!(again.cseq().number, invite.cseq().number + 1);
    assert_eq!(again.body(), OFFER);
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.run(20);
    assert_eq!(net.last(A), Indication::Answered(a));
    net.hang_up(B, b).unwrap();
    net.drain();
}

#[test]
fn a_redirected_call_can_be_abandoned_and_hung_up() {
    for abandon in [true, false] {
        let mut net = Net::new();
        let a = net.invite_to(RAW, None, Some(OFFER));
        net.run(20);
        let invite = net.latest(RAW, "INVITE");
        net.reply(&invite, 302, "raw", b"");
        net.act(A, |ua, layer, now| match abandon {
            true => ua.abandon(now, layer, a),
            // Nothing is left to wait for: the 3xx has ended it.
            false => assert_eq!(ua.hang_up(now, layer, a, None), Err(LegError::Gone)),
        });
        net.drain();
    }
}

#[test]
fn a_large_request_goes_by_stream() {
    let mut net = Net::new();
    let long = format!("Subject: {}\r\n", "x".repeat(1_400));
    let a = net.invite_with(A, B, None, Some(OFFER), &long).unwrap();
    net.run(20);
    let sent: Vec<_> = net.seen.iter().map(|seen| (seen.title(), seen.transport)).collect();
    assert_eq!(sent, [("INVITE".into(), Transport::Tcp)]);
    assert!(net.latest(B, "INVITE").via().transport().eq_ignore_ascii_case("TCP"));
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.run(20);
    assert_eq!(net.last(A), Indication::Answered(a));
    assert_eq!(net.last(B), Indication::Confirmed(b));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_large_request_falls_back_to_datagrams_where_streams_are_refused() {
    let mut net = Net::new();
    net.refuse_tcp(B);
    let long = format!("Subject: {}\r\n", "x".repeat(1_400));
    let a = net.invite_with(A, B, None, Some(OFFER), &long).unwrap();
    net.run(20);
    let sent: Vec<_> = net.seen.iter().map(|seen| (seen.title(), seen.transport)).collect();
    assert_eq!(sent, [("INVITE".into(), Transport::Tcp), ("INVITE".into(), Transport::Udp)]);
    let b = net.incoming(B);
    net.accept(B, b).unwrap();
    net.run(20);
    assert_eq!(net.last(A), Indication::Answered(a));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn sessions_beyond_the_limit_get_503_and_cannot_be_begun() {
    let mut net = Net::with(Config { max_legs: 1, ..Config::default() }, transaction::Config::default());
    let (a, _) = net.call();
    net.inject(A, &request("INVITE", "1", None, 1, "", OFFER));
    net.run(20);
    assert!(net.latest(RAW, "503 INVITE").header(Name::RetryAfter).is_some());
    assert_eq!(net.invite_with(A, RAW, None, None, ""), Err(LegError::Full));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn the_record_route_of_the_invite_is_in_the_2xx_and_rules_the_dialog() {
    let mut net = Net::new();
    let routes = "Record-Route: <sip:10.0.0.9;lr>, <sip:proxy.example;lr>\r\n";
    net.inject(A, &request("INVITE", "1", None, 10, routes, OFFER));
    let leg = net.incoming(A);
    net.accept(A, leg).unwrap();
    let ok = net.latest(RAW, "200 INVITE");
    assert_eq!(ok.record_routes().count(), 2);
    net.inject(A, &request("ACK", "2", ok.to_tag(), 10, "", b""));
    net.hang_up(A, leg).unwrap();
    let bye = net.latest(RAW, "BYE");
    assert_eq!(bye.routes().count(), 2);
    assert_eq!(bye.request_uri(), Some("sip:raw@10.0.0.9:5060"));
    net.reply(&bye, 200, "raw", b"");
    assert_eq!(net.last(A), Indication::HungUp(leg));
    net.drain();
}

#[test]
fn an_invite_without_usable_contact_gets_400() {
    let mut net = Net::new();
    let text = String::from_utf8(request("INVITE", "1", None, 10, "", OFFER)).unwrap();
    let text = text.replace("Contact: <sip:raw@10.0.0.9:5060>\r\n", "");
    net.inject(A, text.as_bytes());
    assert_eq!(net.told(A), []);
    net.latest(RAW, "400 INVITE");
    net.drain();
}

/// A request of one branch of the fork within its early dialog.
fn of_branch(invite: &Message, tag: &str, method: &str, cseq: u32) -> Vec<u8> {
    let (from, call_id) = (invite.header(Name::From).unwrap(), invite.call_id());
    format!(
        "{method} sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{tag}{method};rport\r\nMax-Forwards: 70\r\n\
         From: {};tag={tag}\r\nTo: {from}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{tag}@{}>\r\n\
         Content-Length: 0\r\n\r\n",
        address(RAW),
        invite.header(Name::To).unwrap(),
        address(RAW)
    )
    .into_bytes()
}

#[test]
fn each_branch_of_a_fork_has_its_early_dialog_and_the_one_that_answers_keeps_its_numbers() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    let invite = net.latest(RAW, "INVITE");
    for branch in ["one", "two"] {
        net.reply(&invite, 180, branch, b"");
        net.run(20);
        net.inject(A, &of_branch(&invite, branch, "INFO", 7));
        assert!(matches!(net.last(A), Indication::Request(leg, _) if leg == a), "{branch}");
        // RFC 3311 5.2: without an offer it crosses none.
        net.inject(A, &of_branch(&invite, branch, "UPDATE", 8));
        net.run(20);
        assert_eq!(net.latest(RAW, "200 UPDATE").from_tag(), Some(branch));
        // RFC 3261 15: the called side does not send BYE now.
        net.inject(A, &of_branch(&invite, branch, "BYE", 9));
        net.run(20);
        assert_eq!(net.latest(RAW, "403 BYE").from_tag(), Some(branch));
    }
    net.inject(A, &of_branch(&invite, "three", "INFO", 1));
    net.run(20);
    assert_eq!(net.latest(RAW, "481 INFO").from_tag(), Some("three"), "no such branch");

    net.reply(&invite, 200, "two", ANSWER);
    net.run(20);
    assert_eq!(net.last(A), Indication::Answered(a));
    // The dialog goes on with the numbers of its early part: 9 has been.
    net.inject(A, &of_branch(&invite, "two", "OPTIONS", 9));
    net.run(20);
    assert_eq!(net.latest(RAW, "500 OPTIONS").from_tag(), Some("two"));
    net.inject(A, &of_branch(&invite, "one", "OPTIONS", 20));
    net.run(20);
    assert_eq!(net.latest(RAW, "481 OPTIONS").from_tag(), Some("one"), "the other branches are over");
}
