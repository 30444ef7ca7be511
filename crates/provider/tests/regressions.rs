//! Sequences that once went wrong, told to the provider message by message.

mod common;

use bytes::Bytes;
use common::{Rig, SDP, account, body, reply, up, within};
use hookswitch_machine::*;
use hookswitch_spi::*;
use std::time::Duration;

#[test]
fn a_trunk_whose_look_up_failed_comes_back() {
    let mut r = Rig::new(account("pbx.test", false));
    let q = r.queries[0];
    r.p.resolved(r.now, q, Err(ResolveError::TimedOut));
    r.drain();
    r.run(Duration::from_secs(86_400));
    assert!(r.queries.len() > 1, "never looked up again within a day; alive {:?}", r.p.alive());
}
#[test]
fn a_100_is_enough_for_a_call_to_be_under_way() {
    let mut r = Rig::new(account("10.0.0.2", false));
    r.p.submit(
        r.now,
        RequestId(1),
        Operation::MakeCall {
            line: LineId(0),
            address: AddressId(0),
            destination: "600".into(),
            options: CallOptions::default(),
        },
    )
    .unwrap();
    r.drain();
    let inv = r.last("INVITE").unwrap();
    let t = reply(&inv, "100 Trying", "");
    r.get(t);
    r.run(Duration::from_secs(60));
    assert!(
        r.events.iter().any(|e| matches!(e, ProviderEvent::Completed { .. })),
        "a minute after 100: {:?}",
        r.events
    );
}
#[test]
fn an_update_that_crosses_our_hold_goes_first_and_the_hold_after_it() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let (id, to, uri) = up(&mut r);
    r.p.submit(r.now, RequestId(2), Operation::Hold { call: id }).unwrap();
    r.drain();
    let re = r.last("INVITE").unwrap();
    let t = reply(&re, "491 Request Pending", "");
    r.get(t);
    r.sent.clear();
    within(&mut r, "UPDATE", &uri, &to, 2, "z9hG4bKa3", &SDP.replace("1 1 IN", "1 2 IN"));
    r.run(Duration::from_millis(1));
    let re = r.last("INVITE").expect("our offer was made anew");
    let t = reply(&re, "200 OK", &(SDP.to_owned() + "a=recvonly\r\n"));
    r.get(t);
    r.run(Duration::from_secs(1));
    assert_eq!(r.p.call_state(id), Some(CallState::OnHold));
    assert!(
        r.events.contains(&ProviderEvent::Completed { request: RequestId(2), result: Ok(Outcome::Done) })
    );
}
#[test]
fn a_line_opened_again_while_it_unregisters_sends_one_register_at_a_time() {
    let mut r = Rig::new(account("10.0.0.2", true));
    let reg = r.last("REGISTER").unwrap();
    let contact = reg.header(hookswitch_sip::message::Name::Contact).unwrap().to_owned();
    let t = reply(&reg, "200 OK", "")
        .replace("Contact: <sip:peer@10.0.0.2:5060>", &format!("Contact: {contact}"));
    r.get(t);
    r.sent.clear();
    r.p.close_line(r.now, LineId(0));
    r.p.open_line(r.now, LineId(0), InterfaceVersion::V1).unwrap();
    r.drain();
    assert_eq!(
        r.sent.iter().filter(|s| s.starts_with("REGISTER")).count(),
        1,
        "two REGISTERs at a time (RFC 3261 10.2)"
    );
}
#[test]
fn a_rule_that_cannot_be_is_left_out_and_the_others_stay() {
    let mut a = account("10.0.0.2", false);
    a.forward = ForwardingRules {
        rules: vec![
            ForwardRule {
                when: ForwardCondition::Unconditional,
                from: None,
                origin: None,
                to: ForwardTarget::DoNotDisturb,
            },
            ForwardRule {
                when: ForwardCondition::Busy,
                from: None,
                origin: None,
                to: ForwardTarget::Address("http://x".into()),
            },
        ],
        no_answer_after: None,
    };
    let r = Rig::new(a);
    assert_eq!(r.p.forwarding(LineId(0), AddressId(0)).map(|f| f.rules.len()), Some(1));
}
#[test]
fn a_referrals_target_does_not_ring_for_ever() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let (id, to, uri) = up(&mut r);
    r.get(format!("REFER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa4\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\nRefer-To: <sip:t@pbx.test>\r\nContent-Length: 0\r\n\r\n"));
    let inv = r.last("INVITE").expect("called the target");
    let t = reply(&inv, "180 Ringing", "");
    r.get(t);
    // The referrer hangs up, the target rings for ever.
    within(&mut r, "BYE", &uri, &to, 3, "z9hG4bKa5", "");
    r.run(Duration::from_secs(86_400));
    assert_ne!(r.p.call_state(id).map(|s| s.kind()), Some(StateKind::Connected));
}
#[test]
fn a_stranger_behind_a_302_is_given_no_digest() {
    let mut r = Rig::new(account("10.0.0.2", false));
    r.p.submit(
        r.now,
        RequestId(1),
        Operation::MakeCall {
            line: LineId(0),
            address: AddressId(0),
            destination: "600".into(),
            options: CallOptions::default(),
        },
    )
    .unwrap();
    r.drain();
    let inv = r.last("INVITE").unwrap();
    let t = reply(&inv, "302 Moved", "").replace("sip:peer@10.0.0.2:5060", "sip:x@203.0.113.66:5060");
    r.get(t);
    let inv = r.last("INVITE").unwrap();
    assert_eq!(inv.request_uri(), Some("sip:x@203.0.113.66:5060"));
    r.flow = Flow::to(EndpointId(1), ([203, 0, 113, 66], 5060).into());
    let t = reply(&inv, "401 Unauthorized", "").replace(
        "Content-Length",
        "WWW-Authenticate: Digest realm=\"evil\", nonce=\"1\", algorithm=MD5\r\nContent-Length",
    );
    r.get(t);
    let inv = r.last("INVITE").unwrap();
    assert!(
        !String::from_utf8_lossy(inv.bytes()).contains("Authorization: Digest"),
        "digest handed to a stranger: {}",
        String::from_utf8_lossy(inv.bytes())
    );
}
#[test]
fn a_reinvite_without_offer_that_crosses_our_hold_is_answered() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let (id, to, uri) = up(&mut r);
    r.p.submit(r.now, RequestId(2), Operation::Hold { call: id }).unwrap();
    r.drain();
    let re = r.last("INVITE").unwrap();
    let t = reply(&re, "491 Request Pending", "");
    r.get(t);
    let mut configured = 0;
    r.sent.clear();
    within(&mut r, "INVITE", &uri, &to, 2, "z9hG4bKa3", "");
    r.run(Duration::from_millis(1));
    r.p.received(r.now, r.flow, Bytes::from(format!("ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa9\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 2 ACK\r\nMax-Forwards: 70\r\n{}", body(&SDP.replace("30000", "30010").replace("1 1 IN", "1 2 IN")))));
    while let Some(a) = r.p.poll_action() {
        if let Output::Media(c) = a {
            println!("{c:?}");
            if format!("{c:?}").contains("30010") {
                configured += 1;
            }
        }
    }
    assert_eq!(configured, 1, "the answer in the ACK was not taken");
}
#[test]
fn a_hold_on_its_way_completes_when_the_referrer_leaves() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let (id, to, uri) = up(&mut r);
    r.p.submit(r.now, RequestId(2), Operation::Hold { call: id }).unwrap();
    r.drain();
    r.sent.clear();
    r.get(format!("REFER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa4\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\nRefer-To: <sip:t@pbx.test>\r\nContent-Length: 0\r\n\r\n"));
    let inv = r.last("INVITE sip:t@").expect("called the target");
    within(&mut r, "BYE", &uri, &to, 3, "z9hG4bKa5", "");
    let t = reply(&inv, "200 OK", SDP);
    r.get(t);
    r.run(Duration::from_secs(3600));
    assert!(
        r.events.iter().any(|e| matches!(e, ProviderEvent::Completed { request: RequestId(2), .. })),
        "the hold never completes"
    );
}
#[test]
fn a_strangers_tag_enters_no_timeline() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let _ = up(&mut r);
    while r.p.poll_event().is_some() {}
    let stranger = Flow::to(EndpointId(1), ([198, 51, 100, 9], 5060).into());
    r.p.received(r.now, stranger, Bytes::from("BYE sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKzz\r\nFrom: <sip:e@e>;tag=1\r\nTo: <sip:u@h>;tag=h0-0-0-1\r\nCall-ID: zz\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"));
    let mut n = 0;
    while let Some(e) = r.p.poll_event() {
        if let ProviderEvent::Recorded(e) = e {
            println!("{e:?}");
            n += 1;
        }
    }
    assert_eq!(n, 0);
}
#[test]
fn the_referrer_has_no_say_in_the_audio_of_the_new_session() {
    let mut r = Rig::new(account("10.0.0.2", false));
    let (_id, to, uri) = up(&mut r);
    r.sent.clear();
    r.get(format!("REFER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa4\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\nRefer-To: <sip:t@pbx.test>\r\nContent-Length: 0\r\n\r\n"));
    let inv = r.last("INVITE sip:t@").unwrap();
    let t = reply(&inv, "200 OK", SDP);
    r.get(t);
    r.p.received(r.now, r.flow, Bytes::from(format!("INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa7\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 3 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\n{}", body(&SDP.replace("30000", "40404")))));
    let mut hijacked = false;
    while let Some(a) = r.p.poll_action() {
        if let Output::Media(c) = a {
            hijacked |= format!("{c:?}").contains("40404");
        }
    }
    assert!(!hijacked, "audio of the new session goes to the referrer");
}
#[test]
fn a_call_does_not_ring_for_ever() {
    let mut r = Rig::new(account("10.0.0.2", false));
    r.get(format!("INVITE sip:line@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa1\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: <sip:line@10.0.0.1>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\n{}", body(SDP)));
    r.run(Duration::from_secs(86_400));
    assert!(r.sent.iter().filter(|s| s.starts_with("SIP/2.0 180")).count() > 1);
}
#[test]
fn a_referrer_that_hangs_up_once_its_target_has_refused_ends_the_call() {
    // Before any NOTIFY of ours is answered, and after.
    for answered in 0..3 {
        let mut r = Rig::new(account("10.0.0.2", false));
        let (id, to, uri) = up(&mut r);
        r.get(format!("REFER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa4\r\nFrom: <sip:bob@10.0.0.2>;tag=bob\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: 2 REFER\r\nMax-Forwards: 70\r\nContact: <sip:bob@10.0.0.2:5060>\r\nRefer-To: <sip:t@pbx.test>\r\nContent-Length: 0\r\n\r\n"));
        if answered > 0 {
            r.reply("NOTIFY", "200 OK", "");
        }
        let inv = r.last("INVITE sip:t@").expect("called the target");
        r.get(reply(&inv, "486 Busy Here", ""));
        if answered > 1 {
            r.reply("NOTIFY", "200 OK", "");
        }
        assert_eq!(r.state(id), StateKind::Connected);
        within(&mut r, "BYE", &uri, &to, 3, "z9hG4bKa5", "");
        assert_eq!(r.state(id), StateKind::Disconnected, "NOTIFYs answered: {answered}");
        r.p.close_call(r.now, id);
        r.run(Duration::from_secs(120));
        assert_eq!((r.p.alive().calls, r.p.alive().sessions), (0, 0));
    }
}
