//! Mutations of every corpus message: nothing panics, and what is accepted keeps its promises.

use crate::corpora::all;
use bytes::Bytes;
use hookswitch_machine::Entropy;
use hookswitch_sip::message::{Contact, Forward, Framer, Limits, Message, Name, Request, Response, Uri};
use std::net::SocketAddr;

/// How many mutations, and from which seed: more of them with `HOOKSWITCH_MUTATIONS=2000000 HOOKSWITCH_SEED=7`.
fn budget() -> (usize, u64) {
    let number = |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    (number("HOOKSWITCH_MUTATIONS", 50_000) as usize, number("HOOKSWITCH_SEED", 0x51b))
}

/// What breaks parsers: separators, brackets, quotes, line ends, large numbers, names.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\r\n ",
    b"\n",
    b"\r",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"=",
    b"@",
    b"[",
    b"]",
    b"%",
    b"%0",
    b"?",
    b"&",
    b"/",
    b" ",
    b"\t",
    b"*",
    b"4294967296",
    b"65536",
    b"-1",
    b"0",
    b"\xff",
    b"\xc3",
    b"\xc3\xa9",
    b"SIP/2.0",
    b"sip:",
    b"tel:",
    b";tag=",
    b";branch=",
    b";lr",
    b"Via: ",
    b"v:",
    b"\r\nVia: SIP/2.0/UDP x",
    b"\r\nCSeq: 1 INVITE",
    b"\r\nContent-Length: 5",
    b"\r\n\r\n",
    b"::",
];

fn mutate(bytes: &[u8], entropy: &mut Entropy) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=entropy.below(2) {
        let place =
            |entropy: &mut Entropy, len: usize| usize::try_from(entropy.below(len as u64 + 1)).unwrap_or(0);
        // Mostly in the header section.
        let head = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(out.len());
        let reach = if entropy.chance(9, 10) { head } else { out.len() };
        let at = place(entropy, reach);
        match entropy.below(6) {
            0 => out.truncate(at),
            1 => {
                let end = (at + place(entropy, 20)).min(out.len());
                out.drain(at..end);
            }
            2 if at < out.len() => out[at] = entropy.next_u32() as u8,
            3 => {
                let end = (at + place(entropy, 60)).min(out.len());
                let copy = out[at..end].to_vec();
                let to = place(entropy, out.len());
                out.splice(to..to, copy);
            }
            _ => {
                let piece = PIECES[place(entropy, PIECES.len() - 1)];
                out.splice(at..at, piece.iter().copied());
            }
        }
    }
    out
}

/// Asks everything that can be asked.
fn exercise(message: &Message, source: SocketAddr) {
    let limits = Limits::default();
    assert_eq!(message.is_request(), message.status().is_none());
    assert!(!message.call_id().is_empty() && !message.method().as_str().is_empty());
    assert!(!message.via().transport().is_empty());
    assert!(message.from().uri().as_str().contains(':') && message.to().uri().as_str().contains(':'));
    assert!(message.cseq().number < 1 << 31);
    assert!(!message.is_request() || message.uri().is_ok());
    let contacts = message.contacts().filter(Result::is_err).count();
    assert!(!message.is_request() || contacts == 0, "contacts of requests are checked");
    for via in message.vias().filter_map(Result::ok) {
        let _ = (
            via.branch(),
            via.rfc3261_branch(),
            via.received(),
            via.rport(),
            via.reply_to(source),
            via.params().iter().count(),
        );
    }
    for contact in message.contacts().filter_map(Result::ok) {
        if let Contact::Address(address) = contact {
            let _ = (address.q(), address.expires(), address.display(), address.to_string());
            exercise_uri(&address.uri());
        }
    }
    for address in message.routes().chain(message.record_routes()).filter_map(Result::ok) {
        exercise_uri(&address.uri());
    }
    for (name, value) in message.all() {
        assert!(message.header(name).is_some());
        assert!(!value.contains(['\r', '\n']), "unfolded");
        let _ = message.headers(name).count();
    }
    let _ = (message.from().display(), message.to().display(), message.max_forwards(), message.expires());
    let _ = (
        message.content_length(),
        message.content_type_is("application/sdp"),
        message.body_bytes(),
        format!("{message:?}"),
    );
    assert_eq!(message.body_bytes(), message.body());

    // What we write from it can be read, and says the same.
    let forwarded = Forward::new(message)
        .push_via("UDP", "192.0.2.1:5060", "z9hG4bKmutated")
        .received(source)
        .push_record_route("<sip:192.0.2.1;lr>")
        .pop_route()
        .decrement_max_forwards()
        .finish();
    let forwarded = Message::parse(forwarded, &limits).unwrap_or_else(|e| panic!("{e}: {message:?}"));
    assert_eq!(forwarded.via().branch(), Some("z9hG4bKmutated"));
    assert_eq!(
        (forwarded.call_id(), forwarded.cseq(), forwarded.body()),
        (message.call_id(), message.cseq(), message.body())
    );
    if message.is_request() {
        let response = Response::to(message, 486).to_tag("mutated").received(source).finish();
        let response = Message::parse(response, &limits).unwrap_or_else(|e| panic!("{e}: {message:?}"));
        assert_eq!((response.status(), response.from_tag()), (Some(486), message.from_tag()));
        assert!(response.to_tag().is_some());
        assert_eq!(response.via().branch(), message.via().branch());
        let ack = Request::ack(message, &response).finish();
        let ack = Message::parse(ack, &limits).unwrap_or_else(|e| panic!("{e}: {message:?}"));
        assert_eq!((ack.cseq().number, ack.to_tag()), (message.cseq().number, response.to_tag()));
    }
}

fn exercise_uri(uri: &Uri<'_>) {
    assert!(uri.equivalent(uri), "{uri}");
    let again = uri.to_string();
    assert!(Uri::parse(&again).is_ok_and(|again| again.equivalent(uri)), "{uri}");
    let _ = (
        uri.user_unescaped(),
        uri.socket_addr(),
        uri.header("Replaces"),
        uri.address_of_record().to_string(),
    );
}

#[test]
fn mutated_messages_never_panic_and_keep_their_promises() {
    let (good, bad): (Vec<_>, Vec<_>) = all().into_iter().partition(|entry| entry.parse().is_ok());
    let source = SocketAddr::from(([192, 0, 2, 99], 5077));
    let limits = Limits::default();
    let (rounds, seed) = budget();
    let mut entropy = Entropy::from_number(seed);
    let (mut accepted, mut answered) = (0, 0);
    for round in 0..rounds {
        let entries = if round % 8 == 0 { &bad } else { &good };
        let bytes = mutate(&entries[round / 8 % entries.len()].bytes, &mut entropy);
        match Message::parse(Bytes::copy_from_slice(&bytes), &limits) {
            Ok(message) => {
                accepted += 1;
                exercise(&message, source);
            }
            Err(rejected) => {
                let answer = rejected.answer(source);
                assert_eq!(answer.is_some(), rejected.status().is_some());
                answered += usize::from(answer.is_some());
                assert!(answer.is_none_or(|answer| answer.len() <= bytes.len() + 400));
                let _ = rejected.to_string();
            }
        }
    }
    assert!(accepted > rounds / 20, "too few accepted to mean anything: {accepted}");
    assert!(answered > rounds / 20, "too few answered to mean anything: {answered}");
}

#[test]
fn streams_of_messages_are_cut_the_same_wherever_they_are_split() {
    let limits = Limits::default();
    let mut entropy = Entropy::from_number(7);
    // Only messages that say their length; others end where their header section ends.
    let messages: Vec<Bytes> = all()
        .iter()
        .filter_map(|entry| entry.parse().ok())
        .filter(|message| message.header(Name::ContentLength).is_some())
        .map(|message| Forward::new(&message).finish())
        .collect();
    let stream: Vec<u8> = messages.iter().flat_map(|message| message.to_vec()).collect();
    for _ in 0..20 {
        let mut framer = Framer::new(limits);
        let mut found = Vec::new();
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let n = (entropy.below(2_000) as usize + 1).min(rest.len());
            framer.push(&rest[..n]);
            rest = &rest[n..];
            for frame in framer.by_ref() {
                match frame {
                    Ok(hookswitch_sip::message::Frame::Message(bytes)) => found.push(bytes),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(found == messages);
    }
}

#[test]
fn mutated_streams_never_panic_and_stay_bounded() {
    let entries = all();
    let limits = Limits { message: 4_096, head: 2_048, ..Limits::default() };
    let mut entropy = Entropy::from_number(11);
    for round in 0..5_000 {
        let bytes = mutate(&entries[round % entries.len()].bytes, &mut entropy);
        let mut framer = Framer::new(limits);
        for piece in bytes.chunks(700) {
            framer.push(piece);
            let _ = framer.by_ref().count();
            assert!(framer.buffered() <= limits.message + 700);
        }
    }
}
