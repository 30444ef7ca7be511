use super::phone::Manner;
use super::world::World;
use hookswitch_machine::Entropy;
use hookswitch_machine::Transport::Udp;
use hookswitch_sip::message::Method;
use hookswitch_sip::ua::Failure;
use hookswitch_sip::ua::Indication;
use hookswitch_softswitch::Limits;
use std::net::SocketAddr;

#[test]
fn max_breadth_and_proxy_require_end_requests() {
    for (field, expected) in [("Max-Breadth: 0\r\n", 440), ("Proxy-Require: foo\r\n", 420)] {
        let mut world = World::new();
        let ann = world.phone("ann", Udp, Manner::Rings);
        world.phone("bob", Udp, Manner::Answers);
        let leg = world.phones[ann].call_with(world.now, "bob", None, field);
        world.run(1);
        let failed = Indication::Failed(leg, Failure::Status(expected));
        assert_eq!(world.phones[ann].indications.last(), Some(&failed), "{field}");
        world.drain();
    }
}

#[test]
fn a_request_that_comes_back_unchanged_is_a_loop_and_a_changed_one_is_not() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    // An element behind bob's contact sends back what it got, with the Request-URI that the switch saw first.
    let copy = world.phones[bob].last(Method::Invite).bytes().clone();
    let copy = String::from_utf8(copy.to_vec()).unwrap();
    let (_, rest) = copy.split_once("\r\n").unwrap();
    let eve = SocketAddr::from(([192, 0, 2, 77], 5060));
    for (uri, expected) in [("sip:bob@example.org", 482), ("sip:cat@example.org", 407)] {
        world.mail.clear();
        let via = format!("Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK{expected}");
        world.send(eve, &format!("INVITE {uri} SIP/2.0\r\n{via}\r\n{rest}"));
        world.run(1);
        assert_eq!(world.statuses_at(eve).first(), Some(&expected), "{uri}");
    }
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn a_request_that_has_no_hops_left_is_483() {
    let mut world = World::new();
    let eve = SocketAddr::from(([192, 0, 2, 77], 5060));
    world.send(
        eve,
        "MESSAGE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK1\r\nMax-Forwards: 0\r\n\
         From: <sip:x@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\r\n",
    );
    world.run(1);
    assert_eq!(world.statuses_at(eve), [483]);
}

#[test]
fn a_flood_is_bounded_and_leaves_nothing() {
    let limits = Limits { transactions: 400, forwarded: 50, ..Limits::default() };
    let mut world = World::with(limits);
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Rings);
    for n in 0..5_000 {
        let from = SocketAddr::from(([198, 51, 100, (n % 250) as u8], 5060));
        world.send(
            from,
            &format!(
                "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{n}\r\n\
                 From: <sip:x@example.org>;tag={n}\r\nTo: <sip:bob@example.org>\r\nCall-ID: {n}\r\nCSeq: 1 INVITE\r\n\
                 Contact: <sip:x@198.51.100.1>\r\nContent-Length: 0\r\n\r\n"
            ),
        );
    }
    assert!(world.switch.counts().transactions.server_invite <= 400);
    world.run(60);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Progress(leg)), "it works again");
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn calls_beyond_the_bound_get_503() {
    let mut world = World::with(Limits { forwarded: 3, ..Limits::default() });
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Rings);
    let legs: Vec<_> = (0..4).map(|_| world.phones[ann].call(world.now, "bob")).collect();
    world.run(1);
    let failed = Indication::Failed(legs[3], Failure::Status(503));
    assert!(world.phones[ann].indications.contains(&failed));
    for leg in &legs[..3] {
        world.phones[ann].hang_up(world.now, *leg);
    }
    world.run(1);
    world.drain();
}

#[test]
fn mutilated_messages_do_no_harm() {
    let mut world = World::new();
    world.stock(5);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Answers);
    for to in ["bob", "600"] {
        let leg = world.phones[ann].call(world.now, to);
        world.run(1);
        world.phones[ann].hang_up(world.now, leg);
        world.run(1);
    }
    let heard = world.phones[ann].heard.iter().chain(&world.phones[bob].heard);
    let messages: Vec<Vec<u8>> = heard.map(|message| message.bytes().to_vec()).collect();
    let mut chance = Entropy::from_number(9);
    for round in 0..20_000 {
        let mut bytes = messages[chance.below(messages.len() as u64) as usize].clone();
        for _ in 0..1 + chance.below(4) {
            let at = chance.below(bytes.len() as u64) as usize;
            match chance.below(4) {
                0 => bytes[at] = chance.below(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, b";,<>\"\r\n@:"[chance.below(9) as usize]),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        let from = SocketAddr::from(([192, 0, 2, 10 + (round % 2) as u8], 5060));
        let flow = hookswitch_machine::Flow::to(super::world::UDP, from);
        world.input(hookswitch_machine::Input::Received { flow, bytes: bytes.into() });
    }
    world.run(300);
    world.drain();
}

/// What an INVITE is answered that comes from nobody we know, in a datagram whose source may be made up; all of it, for 40 seconds.
fn answers_to_a_stranger(world: &mut World, uri: &str, fields: &str, tag: &str) -> Vec<u16> {
    world.mail.clear();
    let eve = SocketAddr::from(([192, 0, 2, 77], 5060));
    world.send(
        eve,
        &format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n{fields}\
             From: <sip:ann@example.org>;tag=1\r\nTo: <sip:bob@example.org>{tag}\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:ann@192.0.2.77>\r\n\r\n"
        ),
    );
    world.run(40);
    world.statuses_at(eve)
}

#[test]
fn a_stranger_is_answered_once_whatever_it_asks_for() {
    let mut world = World::new();
    world.phone("bob", Udp, Manner::Answers);
    let forged = "Proxy-Authorization: Digest username=\"ann\", realm=\"example.org\", nonce=\"1\", uri=\"sip:x\", \
                  response=\"00000000000000000000000000000000\"\r\n";
    let (bob, none) = ("sip:bob@example.org", "");
    for (uri, fields, tag, expected) in [
        (bob, none, "", 407),
        ("sip:602@example.org", none, "", 407),
        ("sip:nobody@example.org", none, "", 407),
        (bob, forged, "", 403),
        (bob, "Proxy-Authorization: Digest x\r\n", "", 400),
        (bob, none, ";tag=2", 407),
        ("sip:602@example.org", none, ";tag=h3-0-0-1234567812345678", 481),
        ("sip:bob@elsewhere.example", none, "", 403),
        ("sip:bob@192.0.2.11:5060", "Replaces: a;to-tag=1;from-tag=2\r\n", "", 407),
        (bob, "Route: <sip:192.0.2.9;lr>\r\n", "", 403),
        ("tel:+4930123", none, "", 416),
        ("sip:example.org", none, "", 404),
        (bob, "Proxy-Require: foo\r\n", "", 420),
        (bob, "Max-Breadth: 0\r\n", "", 440),
    ] {
        let said = answers_to_a_stranger(&mut world, uri, fields, tag);
        assert_eq!(said, [expected], "{uri} {fields} {tag}");
        assert_eq!(world.switch.counts().transactions.server_invite, 0);
    }
    world.drain();
}

#[test]
fn whoever_guesses_passwords_in_invites_is_not_heard_any_more() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Answers);
    let eve = world.add("ann", "a guess", Udp);
    for _ in 0..20 {
        let leg = world.phones[eve].call(world.now, "bob");
        world.run(1);
        let failed = Indication::Failed(leg, Failure::Status(403));
        assert_eq!(world.phones[eve].indications.last(), Some(&failed));
    }
    let right = "ann-secret";
    world.phones[eve].account = {
        let phone = &mut world.phones[eve];
        let (username, password) = (String::from("ann"), right.into());
        phone.agent.add_account(hookswitch_sip::auth::Credentials { username, password, realm: None })
    };
    let leg = world.phones[eve].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[eve].indications.last(), Some(&Indication::Failed(leg, Failure::Status(403))));
    // The user itself, elsewhere, is not kept out.
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn requests_without_credentials_that_fit_leave_nothing() {
    let mut world = World::new();
    let forged = |name: &str| {
        format!(
            "{name}: Digest username=\"ann\", realm=\"example.org\", nonce=\"1\", uri=\"sip:x\", \
             response=\"00000000000000000000000000000000\"\r\n"
        )
    };
    for n in 0..5_000 {
        let method = ["REGISTER", "SUBSCRIBE", "MESSAGE", "OPTIONS"][n % 4];
        let uri = if method == "REGISTER" { "sip:example.org" } else { "sip:bob@example.org" };
        let from = SocketAddr::from(([198, 51, 100, (n % 250) as u8], 5060));
        let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
        let credentials = if n < 2_500 { String::new() } else { forged(name) };
        world.send(
            from,
            &format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
                 From: <sip:ann@example.org>;tag={n}\r\nTo: <sip:bob@example.org>\r\nCall-ID: {n}\r\nCSeq: 1 {method}\r\n\
                 Event: dialog\r\n{credentials}Contact: <sip:x@198.51.100.1>\r\n\r\n"
            ),
        );
    }
    let counts = world.switch.counts();
    assert_eq!(counts.transactions, hookswitch_sip::transaction::Counts::default());
    world.run(1);
    assert_eq!(world.mail.len(), 5_000);
    let last = SocketAddr::from(([198, 51, 100, 3], 5060));
    let said = world.statuses_at(last);
    assert!(said.iter().all(|status| matches!(status, 401 | 403 | 407)) && said.contains(&403), "{said:?}");
    world.drain();
}
