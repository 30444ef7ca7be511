//! Requests outside sessions, and what RFC 3261 8.2 checks first.

use super::*;
use crate::message::Name;
use crate::ua::Failure;

/// The status that a request to a fresh agent gets, and the header field that must come with it.
fn status(message: &[u8], wanted: u16, field: Option<(Name<'_>, &str)>) {
    let mut net = Net::new();
    net.inject(A, message);
    net.run(1);
    let text = String::from_utf8_lossy(message);
    let responses: Vec<_> = net.seen.iter().map(|seen| seen.message.clone()).collect();
    let [response] = &responses[..] else { panic!("{} responses to {text}", responses.len()) };
    assert_eq!(response.status(), Some(wanted), "{text}");
    assert!(response.to_tag().is_some());
    if let Some((name, value)) = field {
        assert!(response.header(name).is_some_and(|got| got.contains(value)), "{text}");
    }
    assert_eq!(net.told(A), [], "{text}");
    net.drain();
}

fn edited(method: &str, fields: &str, body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(request(method, "1", None, 1, fields, body)).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn what_cannot_be_understood_is_refused_in_the_order_of_the_rfc() {
    let plain = |method, fields, body| request(method, "1", None, 1, fields, body);
    status(&plain("INVITE", "Require: 100rel\r\n", OFFER), 420, Some((Name::Unsupported, "100rel")));
    status(&plain("NEWMETHOD", "", b""), 501, Some((Name::Allow, "INVITE")));
    status(&plain("PUBLISH", "", b""), 405, Some((Name::Allow, "INVITE")));
    status(&plain("NEWMETHOD", "Require: 100rel\r\n", b""), 501, None);
    status(
        &edited("INVITE", "", OFFER, "application/sdp", "text/plain"),
        415,
        Some((Name::Accept, "application/sdp")),
    );
    status(
        &plain("INVITE", "Content-Encoding: gzip\r\n", OFFER),
        415,
        Some((Name::AcceptEncoding, "identity")),
    );
    status(&plain("INVITE", "Accept: text/plain\r\n", OFFER), 406, None);
    status(&edited("INVITE", "", OFFER, "INVITE sip:alice@10.0.0.1:5060", "INVITE tel:+1234"), 416, None);
    status(&plain("BYE", "", b""), 481, None);
    status(&plain("INFO", "", b""), 481, None);
    status(&request("INVITE", "1", Some("unknown"), 1, "", OFFER), 481, None);
}

#[test]
fn what_is_unusual_but_right_is_taken() {
    for fields in [
        "Accept: application/sdp;level=1, text/plain\r\n",
        "Accept: */*\r\n",
        "Content-Encoding: identity\r\n",
    ] {
        let mut net = Net::new();
        net.inject(A, &request("INVITE", "1", None, 1, fields, OFFER));
        let leg = net.incoming(A);
        net.hang_up(A, leg).unwrap();
        net.latest(RAW, "486 INVITE");
        net.drain();
    }
}

#[test]
fn an_invite_that_came_another_way_too_gets_482() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 1, "", OFFER));
    net.inject(A, &request("INVITE", "2", None, 1, "", OFFER));
    net.latest(RAW, "482 INVITE");
    assert_eq!(net.told(A).len(), 1);
    let leg = net.incoming(A);
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn options_are_answered_with_what_we_can() {
    let mut net = Net::new();
    net.inject(A, &request("OPTIONS", "1", None, 1, "", b""));
    let ok = net.latest(RAW, "200 OPTIONS");
    assert!(ok.lists(Name::Allow, "INVITE") && ok.lists(Name::Allow, "UPDATE"));
    assert_eq!(ok.header(Name::Accept), Some("application/sdp"));
    assert_eq!(net.told(A), []);
    net.drain();
}

#[test]
fn listed_methods_reach_the_user() {
    let config = Config { methods: vec![Method::Message], ..Config::default() };
    let mut net = Net::with(config, transaction::Config::default());
    let message = request("MESSAGE", "1", None, 1, "", b"");
    net.inject(A, &message);
    let Indication::OutOfDialog(server) = net.last(A) else { panic!("{:?}", net.last(A)) };
    let message = Message::parse(message.into(), &Limits::default()).unwrap();
    net.act(A, |ua, layer, now| {
        ua.respond(now, layer, server, Net::flow(RAW), &message, 202, format_args!(""));
    });
    net.latest(RAW, "202 MESSAGE");
    assert!(net.sides[A].ua.allow().to_string().ends_with(", MESSAGE"));
    net.drain();
}

#[test]
fn requests_of_the_user_outside_sessions_end_once() {
    let mut net = Net::new();
    let client = net
        .act(A, |ua, layer, now| {
            ua.send_outside(now, layer, Net::flow(B), None, Method::Options, |transport, sent_by, branch| {
                crate::message::Request::new(Method::Options, "sip:10.0.0.2")
                    .via(transport.via_name(), sent_by, branch)
                    .header(Name::From, "<sip:a@10.0.0.1>;tag=1")
                    .header(Name::To, "<sip:10.0.0.2>")
                    .call_id("outside")
                    .cseq(1, Method::Options)
                    .finish()
            })
        })
        .unwrap();
    assert!(net.sides[A].ua.owns(client));
    net.run(20);
    assert_eq!(net.told(A), [Indication::OutOfDialogResponse(client, Failure::Status(200))]);
    net.drain();
}

#[test]
fn an_ack_is_never_answered() {
    let mut net = Net::new();
    for (branch, tag) in [("1", None), ("2", Some("unknown")), ("3", Some("h1-0-0-1"))] {
        net.inject(A, &request("ACK", branch, tag, 1, "Require: nothing\r\n", b""));
    }
    net.inject(A, &edited("ACK", "", b"", "ACK sip:alice@10.0.0.1:5060", "ACK tel:+1234"));
    assert!(net.seen.is_empty() && net.told(A).is_empty());
    net.drain();
}

#[test]
fn tags_name_shard_and_session() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    let invite = net.latest(RAW, "INVITE");
    let tag = invite.from_tag().unwrap();
    assert_eq!(UserAgent::shard_of_tag(tag), Some(1));
    assert_eq!(UserAgent::leg_of_tag(tag), Some(a));
    net.hang_up(A, a).unwrap();
    net.drain();
}
