//! Our own corpus: one message per rule.

use crate::corpora::{Entry, ours};
use bytes::Bytes;
use hookswitch_sip::message::{Limits, Message, Name, Rejected, Scheme};
use std::net::SocketAddr;

#[test]
fn every_message_gets_its_verdict() {
    let entries = ours();
    assert!(entries.len() >= 60);
    for entry in &entries {
        match (entry.column(1), entry.parse()) {
            ("accept", Ok(message)) => check_facts(entry, &message),
            ("discard", Err(rejected)) => assert_eq!(rejected.status(), None, "{}: {rejected}", entry.file),
            (status, Err(rejected)) if status.parse().ok() == rejected.status() => {
                check_answer(entry, &rejected)
            }
            (verdict, result) => panic!("{}: expected {verdict}, got {result:?}", entry.file),
        }
    }
}

fn check_facts(entry: &Entry, message: &Message) {
    for fact in entry.column(2).split_whitespace() {
        let (name, expected) =
            fact.split_once('=').unwrap_or_else(|| panic!("{}: no fact: {fact}", entry.file));
        let found = found(message, name).unwrap_or_else(|| "-".to_owned());
        assert_eq!(found, expected, "{}: {name}", entry.file);
    }
}

fn found(message: &Message, fact: &str) -> Option<String> {
    let text = |value: &str| Some(value.to_owned());
    let uri = message.uri().ok();
    let (from, via) = (message.from(), message.via());
    match fact {
        "method" => text(message.method().as_str()),
        "status" => message.status().map(|status| status.to_string()),
        "reason" => text(message.reason()),
        "uri-scheme" => uri.map(|uri| uri.scheme().as_str().to_owned()),
        "uri-user" => uri.and_then(|uri| uri.user()).and_then(text),
        "uri-password" => uri.and_then(|uri| uri.password()).and_then(text),
        "uri-host" => uri.and_then(|uri| uri.host()).map(|host| host.to_string()),
        "uri-port" => uri.and_then(|uri| uri.port()).map(|port| port.to_string()),
        "uri-transport" => uri.and_then(|uri| uri.transport()).and_then(text),
        "from-tag" => from.tag().and_then(text),
        "from-uri" => text(from.uri().as_str()),
        "from-display" => from.display().map(|name| name.into_owned()),
        "to-tag" => message.to_tag().and_then(text),
        "call-id" => text(message.call_id()),
        "cseq" => Some(message.cseq().number.to_string()),
        "via-host" => Some(via.host().to_string()),
        "via-port" => via.port().map(|port| port.to_string()),
        "branch" => via.branch().and_then(text),
        "received" => via.received().map(|address| address.to_string()),
        "vias" => Some(message.vias().filter_map(Result::ok).count().to_string()),
        "contacts" => Some(message.contacts().filter_map(Result::ok).count().to_string()),
        "max-forwards" => message.max_forwards().map(|hops| hops.to_string()),
        "expires" => message.expires().map(|seconds| seconds.to_string()),
        "content-type" => message.content_type().and_then(text),
        "body" => Some(message.body().len().to_string()),
        header => message.header(Name::new(header)).and_then(text),
    }
}

/// An answer is a response that we accept, to what can be told of the request.
fn check_answer(entry: &Entry, rejected: &Rejected) {
    let source = SocketAddr::from(([192, 0, 2, 99], 5077));
    let answer = rejected.answer(source).unwrap_or_else(|| panic!("{}: no answer", entry.file));
    assert!(answer.len() <= entry.bytes.len() + 400, "{}: amplified", entry.file);
    assert_eq!(rejected.answer(source), Some(answer.clone()), "{}: retransmissions differ", entry.file);
    let shown = String::from_utf8_lossy(&answer).into_owned();
    match Message::parse(answer, &Limits::default()) {
        Ok(answer) => assert_eq!(answer.status(), rejected.status(), "{}: {shown}", entry.file),
        // The field that was wrong is echoed.
        Err(_) => {
            assert!(shown.starts_with(&format!("SIP/2.0 {}", rejected.status().unwrap_or(0))), "{shown}")
        }
    }
}

#[test]
fn the_answer_says_where_the_request_came_from() {
    let request = "OPTIONS sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1, SIP/2.0/UDP c.example\r\n\
        From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: x\r\nCSeq: none\r\n\r\n";
    let rejected = Message::parse(Bytes::from(request), &Limits::default()).err();
    let answer = rejected.and_then(|rejected| rejected.answer(SocketAddr::from(([192, 0, 2, 99], 5077))));
    let answer = String::from_utf8_lossy(&answer.unwrap_or_default()).into_owned();
    assert!(answer.starts_with("SIP/2.0 400 Bad Request\r\n"), "{answer}");
    let via =
        "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.99;rport=5077, SIP/2.0/UDP c.example\r\n";
    assert!(answer.contains(via), "{answer}");
    assert!(answer.contains("To: <sip:b@b.example>;tag="), "{answer}");
}

#[test]
fn what_exceeds_a_limit_is_refused() {
    let base = "OPTIONS sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
        From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    let limits = Limits::default();
    let status = |fields: String, body: usize| {
        let message = format!("{base}{fields}\r\n{}", "x".repeat(body));
        Message::parse(Bytes::from(message), &limits).err().and_then(|rejected| rejected.status())
    };
    assert_eq!(status("A: b\r\n".repeat(251), 0), None);
    assert_eq!(status("A: b\r\n".repeat(252), 0), Some(513));
    assert_eq!(status(format!("A: {}\r\n", "b".repeat(8_189)), 0), None);
    assert_eq!(status(format!("A: {}\r\n", "b".repeat(8_190)), 0), Some(513));
    assert_eq!(status(format!("A: {}\r\n", "b".repeat(8_000)).repeat(5), 0), Some(513));
    assert_eq!(status("Via: SIP/2.0/UDP a.example\r\n".repeat(71), 0), None);
    assert_eq!(status("Via: SIP/2.0/UDP a.example\r\n".repeat(72), 0), Some(513));
    assert_eq!(status(String::new(), 60_000), None);
    assert_eq!(status(String::new(), 66_000), Some(513));
}

#[test]
fn a_message_of_the_largest_size_has_right_offsets() {
    let limits =
        Limits { message: 200_000, head: 65_535, line: 65_535, headers: 10_000, vias: 10_000, body: 200_000 };
    let start = "OPTIONS sip:b@b.example SIP/2.0\r\n";
    let end = "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=1\r\n\
        To: <sip:b@b.example>\r\nCSeq: 1 OPTIONS\r\nCall-ID: last\r\n\r\n";
    for head in [65_533_usize, 65_534, 65_535, 65_536, 70_000] {
        let fill = format!("A: {}\r\n", "b".repeat(head - start.len() - end.len() - 5));
        let message = format!("{start}{fill}{end}{}", "x".repeat(100_000));
        match Message::parse(Bytes::from(message), &limits) {
            Ok(message) => {
                assert!(head <= 65_535);
                assert_eq!((message.call_id(), message.body().len()), ("last", 100_000));
                assert_eq!(message.uri().map(|uri| uri.scheme()), Ok(Scheme::Sip));
            }
            Err(rejected) => assert!(head > 65_535, "{head}: {rejected}"),
        }
    }
}

#[test]
fn answers_do_not_amplify() {
    let vias = "v:SIP/2.0/UDP a\r\n".repeat(72);
    let request = format!("M sip:b SIP/9\r\n{vias}f:<sip:a>\r\nt:<sip:b>\r\ni:x\r\nCSeq:0 M\r\n\r\n");
    let rejected = Message::parse(Bytes::from(request.clone()), &Limits::default()).err();
    let source = SocketAddr::from(([0x2001, 0xdb8, 0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666], 55_555));
    let answer = rejected.and_then(|rejected| rejected.answer(source)).map_or(0, |answer| answer.len());
    assert!(answer > request.len() && answer <= request.len() + 400, "{} {answer}", request.len());
}
