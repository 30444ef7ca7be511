//! Header fields of applications, and requests outside sessions.

use super::*;
use crate::headers::{ExtraHeaders, SessionId};
use crate::message::Name;
use crate::ua::{Errand, Failure};

const CUSTOMER: Name<'static> = Name::Other("X-Customer");

fn extra(value: &str) -> ExtraHeaders {
    let mut extra = ExtraHeaders::new();
    extra.push("X-Customer", value).unwrap();
    extra
}

fn said(message: &Message) -> Vec<&str> {
    message.headers(CUSTOMER).collect()
}

#[test]
fn every_message_of_a_session_can_carry_headers() {
    let mut net = Net::new();
    let fields = extra("invite");
    let a = net.invite_with(A, B, None, Some(OFFER), fields.as_lines()).unwrap();
    net.run(20);
    assert_eq!(said(&net.latest(B, "INVITE")), ["invite"]);
    let b = net.incoming(B);
    let ringing = extra("ring");
    net.act(B, |ua, layer, now| ua.ring_with(now, layer, b, 180, "sip:b@b", None, ringing.as_lines()))
        .unwrap();
    let ok = extra("ok");
    net.act(B, |ua, layer, now| {
        ua.accept_with(now, layer, b, "sip:bob@10.0.0.2".into(), None, ANSWER, ok.as_lines())
    })
    .unwrap();
    net.run(50);
    assert_eq!(said(&net.latest(A, "180 INVITE")), ["ring"]);
    assert_eq!(said(&net.latest(A, "200 INVITE")), ["ok"]);

    let again = extra("again");
    net.act(A, |ua, layer, now| ua.offer_with(now, layer, a, OFFER, again.as_lines())).unwrap();
    net.run(50);
    assert_eq!(said(&net.latest(B, "INVITE")), ["again"]);

    let info = extra("info");
    net.act(A, |ua, layer, now| ua.send_within(now, layer, a, Method::Info, info.as_lines(), None)).unwrap();
    net.run(50);
    assert_eq!(said(&net.latest(B, "INFO")), ["info"]);

    let bye = extra("bye");
    net.act(B, |ua, layer, now| ua.hang_up_with(now, layer, b, Some("Q.850;cause=16"), bye.as_lines()))
        .unwrap();
    net.run(50);
    let message = net.latest(A, "BYE");
    assert_eq!((said(&message), message.header(Name::Reason)), (vec!["bye"], Some("Q.850;cause=16")));
    net.drain();
}

#[test]
fn standing_headers_go_with_all_that_follows() {
    let mut net = Net::new();
    let (a, b) = net.call();
    let id = SessionId::first(7);
    let mut standing = ExtraHeaders::new();
    standing.push_known(Name::SessionId, id).unwrap();
    net.act(A, |ua, _, _| ua.set_standing_headers(a, &standing)).unwrap();
    let mut standing_b = ExtraHeaders::new();
    standing_b.push_known(Name::SessionId, id.answered(9)).unwrap();
    net.act(B, |ua, _, _| ua.set_standing_headers(b, &standing_b)).unwrap();
    net.offer(A, a).unwrap();
    net.run(50);
    let of = |message: Message| message.header(Name::SessionId).and_then(SessionId::parse);
    assert_eq!(of(net.latest(B, "INVITE")), Some(id));
    assert_eq!(of(net.latest(A, "200 INVITE")), Some(id.answered(9)));
    net.hang_up(B, b).unwrap();
    net.run(50);
    assert_eq!(of(net.latest(A, "BYE")), Some(id.answered(9)));
    net.drain();
}

#[test]
fn headers_of_an_offer_that_crossed_theirs_go_with_it_again() {
    let mut net = Net::new();
    let (a, b) = net.call();
    let mut standing = ExtraHeaders::new();
    standing.push("X-Standing", "1").unwrap();
    net.act(A, |ua, _, _| ua.set_standing_headers(a, &standing)).unwrap();
    let fields = extra("again");
    net.act(A, |ua, layer, now| ua.offer_with(now, layer, a, OFFER, fields.as_lines())).unwrap();
    net.act(B, |ua, layer, now| ua.offer(now, layer, b, OFFER)).unwrap();
    net.run(10_000);
    assert!(net.count(A, "491 INVITE") + net.count(B, "491 INVITE") > 0);
    let latest = net.latest(B, "INVITE");
    assert_eq!(said(&latest), ["again"]);
    assert_eq!(latest.headers(Name::Other("X-Standing")).count(), 1);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_message_is_sent_outside_any_session() {
    let mut net = Net::new();
    let account = net.account(A, "secret");
    let uri = format!("sip:bob@{}", address(RAW));
    let fields = extra("message");
    let client = net
        .act(A, |ua, layer, now| {
            let errand = Errand {
                flow: Net::flow(RAW),
                account: Some(account),
                method: Method::Message,
                uri: &uri,
                from: "<sip:alice@example.com>",
                to: "<sip:bob@example.com>",
                contact: None,
                fields: fields.as_lines(),
                body: Some(("text/plain", b"hello")),
            };
            ua.request_outside(now, layer, &errand)
        })
        .unwrap();
    let message = net.latest(RAW, "MESSAGE");
    assert_eq!(
        (message.body(), said(&message), message.contacts().count()),
        (&b"hello"[..], vec!["message"], 0)
    );
    let challenge = Response::to(&message, 401)
        .to_tag("c")
        .header(Name::WwwAuthenticate, "Digest realm=\"pbx\", nonce=\"n\", algorithm=MD5, qop=\"auth\"")
        .finish();
    net.inject(A, &challenge);
    let again = net.latest(RAW, "MESSAGE");
    assert!(again.header(Name::Authorization).is_some());
    assert_eq!((again.body(), said(&again)), (&b"hello"[..], vec!["message"]));
    net.reply(&again, 202, "m", b"");
    let Indication::OutOfDialogResponse(found, failure) = net.last(A) else { panic!("{:?}", net.last(A)) };
    assert_eq!(failure, Failure::Status(202));
    assert_eq!(found, client);
    net.drain();
}
