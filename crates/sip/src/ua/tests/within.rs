//! Other requests within a session.

use super::*;
use crate::message::Name;
use crate::ua::{Failure, LegError};

#[test]
fn refer_notify_and_info_reach_the_user_and_their_responses_come_back() {
    let mut net = Net::new();
    let (a, b) = net.call();
    for (from, leg, method) in [(A, a, Method::Refer), (B, b, Method::Notify), (A, a, Method::Info)] {
        let fields = "Refer-To: <sip:carol@example.com>\r\n";
        let body: Option<(&str, &[u8])> = Some(("message/sipfrag", b"SIP/2.0 200 OK\r\n"));
        let id =
            net.act(from, |ua, layer, now| ua.send_within(now, layer, leg, method, fields, body)).unwrap();
        net.run(20);
        let to = 1 - from;
        assert!(matches!(net.last(to), Indication::Request(..)), "{:?}", net.last(to));
        assert_eq!(net.sides[to].body, b"SIP/2.0 200 OK\r\n");
        assert_eq!(net.last(from), Indication::Response(leg, id, Failure::Status(200)));
    }
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_request_out_of_order_gets_500() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.inject(A, &request("INFO", "5", Some(&tag), 20, "", b""));
    net.inject(A, &request("INFO", "6", Some(&tag), 19, "", b""));
    net.latest(RAW, "500 INFO");
    net.inject(A, &request("BYE", "7", Some(&tag), 20, "", b""));
    net.latest(RAW, "500 BYE");
    net.inject(A, &request("BYE", "8", Some(&tag), 21, "", b""));
    assert_eq!(net.last(A), Indication::Ended(a));
    net.drain();
}

#[test]
fn a_request_with_wrong_tags_or_call_id_gets_481() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    let told = net.told(A).len();
    let text = |branch, tag: &str| String::from_utf8(request("BYE", branch, Some(tag), 11, "", b"")).unwrap();
    for (n, wrong) in [
        text("w0", &format!("{tag}0")),
        text("w1", "unknown"),
        text("w2", "h1-0-0-0"),
        text("w3", &tag).replace(";tag=raw", ";tag=other"),
        text("w4", &tag).replace("raw-call", "other-call"),
    ]
    .iter()
    .enumerate()
    {
        net.inject(A, wrong.as_bytes());
        assert_eq!(net.count(A, "481 BYE"), n + 1);
    }
    assert_eq!(net.told(A).len(), told);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn options_within_a_session_are_answered() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.inject(A, &request("OPTIONS", "5", Some(&tag), 20, "", b""));
    let ok = net.latest(RAW, "200 OPTIONS");
    assert!(ok.lists(Name::Allow, "REFER"));
    assert_eq!(ok.to_tag(), Some(tag.as_str()));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_session_that_the_peer_does_not_know_is_lost() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.act(A, |ua, layer, now| ua.send_within(now, layer, a, Method::Info, "", None)).unwrap();
    let info = net.latest(RAW, "INFO");
    net.reply(&info, 481, "raw", b"");
    assert_eq!(net.last(A), Indication::Lost(a, Failure::Status(481)));
    net.drain();
}

#[test]
fn a_notify_that_is_refused_does_not_end_the_session() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    let id = net.act(A, |ua, layer, now| ua.send_within(now, layer, a, Method::Notify, "", None)).unwrap();
    let notify = net.latest(RAW, "NOTIFY");
    net.reply(&notify, 481, "raw", b"");
    assert_eq!(net.last(A), Indication::Response(a, id, Failure::Status(481)));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn numbers_of_our_requests_grow_and_the_next_one_is_known() {
    let mut net = Net::new();
    let (a, invite) = net.call_raw(None);
    let first = invite.cseq().number;
    for n in 1..=3 {
        assert_eq!(net.sides[A].ua.next_cseq(a), Some(first + n));
        net.act(A, |ua, layer, now| ua.send_within(now, layer, a, Method::Info, "", None)).unwrap();
        let info = net.latest(RAW, "INFO");
        assert_eq!(info.cseq().number, first + n);
        net.reply(&info, 200, "raw", b"");
    }
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn nothing_is_sent_within_a_session_that_is_not_there() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    let send = |net: &mut Net| {
        net.act(A, |ua, layer, now| ua.send_within(now, layer, a, Method::Info, "", None)).map(drop)
    };
    assert_eq!(send(&mut net), Err(LegError::State));
    net.hang_up(A, a).unwrap();
    net.drain();
    assert_eq!(send(&mut net), Err(LegError::Gone));
}

#[test]
fn a_request_whose_connection_is_gone_goes_over_a_new_one_to_the_contact() {
    let mut net = Net::new();
    let flow = Flow { endpoint: EndpointId(1), connection: 7, peer: ([10, 0, 0, 9], 40_123).into() };
    let send = |net: &mut Net, bytes: Vec<u8>| {
        let message = Message::parse(bytes.into(), &Limits::default()).unwrap();
        net.act(A, |ua, layer, now| ua.receive(now, layer, flow, &message))
    };
    let Indication::Incoming(leg) = send(&mut net, request("INVITE", "1", None, 10, "", OFFER)) else {
        panic!()
    };
    net.accept(A, leg).unwrap();
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    let ack = request("ACK", "2", Some(&tag), 10, "", b"");
    assert_eq!(send(&mut net, ack), Indication::Confirmed(leg));
    net.hang_up(A, leg).unwrap();
    assert_eq!(net.count(A, "BYE"), 1);
    net.act(A, |_, layer, now| layer.flow_closed(now, flow));
    assert_eq!(net.count(A, "BYE"), 2);
    let bye = net.latest(RAW, "BYE");
    assert_eq!(net.seen.last().map(|seen| seen.flow), Some(Flow::to(EndpointId(1), address(RAW))));
    net.reply(&bye, 200, "raw", b"");
    assert_eq!(net.told(A).last(), Some(&Indication::HungUp(leg)));
    net.drain();
}
