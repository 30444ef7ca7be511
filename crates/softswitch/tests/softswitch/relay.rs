use super::phone::Manner;
use super::world::{SWITCH, World};
use hookswitch_machine::Transport::Udp;
use hookswitch_sip::message::{Message, Method, Name};
use std::net::SocketAddr;

const EVE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66)), 5060);

fn request(method: &str, uri: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bK-{method}-{}\r\nFrom: <sip:eve@example.org>;tag=e\r\n\
         To: <sip:bob@example.org>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n",
        uri.len() + more.len()
    )
}

fn answers(text: &str) -> Vec<u16> {
    let mut world = World::new();
    world.send(EVE, text);
    world.run(1);
    let statuses = world.statuses_at(EVE);
    world.run(100);
    assert!(world.switch.counts().is_idle(), "{text}");
    statuses
}

#[test]
fn requests_without_credentials_go_nowhere() {
    for (method, uri, more, expected) in [
        ("INVITE", "sip:bob@example.org", "", 407),
        ("MESSAGE", "sip:bob@example.org", "", 407),
        ("OPTIONS", "sip:bob@example.org", "", 407),
        ("NOTIFY", "sip:bob@example.org", "", 407),
        ("INVITE", "sip:nobody@example.org", "", 407),
        ("INVITE", "sip:600@example.org", "", 407),
        ("INVITE", "sip:bob@elsewhere.example", "", 403),
        ("INVITE", "sip:bob@192.0.2.99", "", 403),
        ("REGISTER", "sip:elsewhere.example", "", 403),
        ("REGISTER", "sip:example.org", "", 401),
        ("REGISTER", "sip:192.0.2.1", "", 401),
        ("INVITE", "sip:bob@example.org", "Route: <sip:192.0.2.99;lr>\r\n", 403),
        ("INVITE", "sip:bob@example.org", "Route: <sip:192.0.2.1;lr>\r\n", 407),
        ("INVITE", "tel:+12025550123", "", 416),
        ("INVITE", "sips:bob@example.org", "", 416),
        ("INVITE", "sip:example.org", "", 404),
        ("OPTIONS", "sip:example.org", "", 200),
        ("OPTIONS", "sip:192.0.2.1:5060", "", 200),
        ("MESSAGE", "sip:example.org", "", 405),
        ("DANCE", "sip:example.org", "", 501),
        ("DANCE", "sip:bob@example.org", "", 407),
    ] {
        assert_eq!(answers(&request(method, uri, more)).first(), Some(&expected), "{method} {uri} {more}");
    }
}

#[test]
fn a_challenge_to_an_invite_is_sent_once_for_each_copy() {
    let mut world = World::new();
    let invite = request("INVITE", "sip:bob@example.org", "");
    for copies in 1..=2 {
        world.send(EVE, &invite);
        assert_eq!(world.switch.counts().transactions, Default::default(), "nothing is kept");
        world.run(40);
        assert_eq!(world.statuses_at(EVE), vec![407; copies], "nothing is retransmitted");
    }
    let tags: Vec<_> = world.mail.iter().map(|(_, bytes)| tag_of(bytes)).collect();
    assert_eq!(tags.first(), tags.last());
    assert!(world.switch.counts().is_idle());
}

fn tag_of(bytes: &bytes::Bytes) -> Option<String> {
    let message = Message::parse(bytes.clone(), &Default::default()).unwrap();
    message.to_tag().map(str::to_owned)
}

#[test]
fn a_bye_of_no_known_dialog_is_481_and_an_ack_is_dropped() {
    let in_dialog = |method| {
        request(method, "sip:bob@example.org", "")
            .replace("<sip:bob@example.org>\r\n", "<sip:bob@example.org>;tag=b\r\n")
    };
    assert_eq!(answers(&in_dialog("BYE")), [481]);
    assert_eq!(answers(&in_dialog("ACK")), []);
    assert_eq!(answers(&request("CANCEL", "sip:bob@example.org", "")), [481]);
}

#[test]
fn a_forged_passage_is_worth_nothing() {
    let route = format!("Route: <sip:p{}@{SWITCH};lr>\r\n", "0".repeat(60));
    let text = request("BYE", "sip:bob@192.0.2.99", &route)
        .replace("<sip:bob@example.org>\r\n", "<sip:bob@example.org>;tag=b\r\n");
    assert_eq!(answers(&text), [403]);
}

#[test]
fn malformed_requests_get_400_at_a_bounded_rate() {
    let mut world = World::new();
    let malformed = request("INVITE", "sip:bob@example.org", "Max-Forwards: many\r\n");
    for _ in 0..500 {
        world.send(EVE, &malformed);
    }
    world.run(2);
    let statuses = world.statuses_at(EVE);
    assert_eq!((statuses.len(), statuses[0]), (100, 400));
    assert_eq!(world.switch.counts().dropped, 400);
    world.send(EVE, "\u{0}\u{1}garbage");
    world.run(1);
    assert_eq!(world.statuses_at(EVE).len(), 100);
}

#[test]
fn keep_alives_are_answered() {
    let mut world = World::new();
    world.send(EVE, "\r\n\r\n");
    world.send(EVE, "\r\n");
    world.run(1);
    let mail: Vec<&[u8]> = world.mail.iter().map(|(_, bytes)| &bytes[..]).collect();
    assert_eq!(mail, [b"\r\n"]);
}

#[test]
fn options_tell_what_is_understood() {
    let mut world = World::new();
    world.send(EVE, &request("OPTIONS", "sip:example.org", ""));
    world.run(1);
    let answer = Message::parse(world.mail[0].1.clone(), &Default::default()).unwrap();
    assert!(answer.lists(Name::Allow, "INVITE"));
}

/// Ann sends a MESSAGE to bob; the final statuses she gets.
fn message(bob: &[Manner], silent: bool) -> (World, Vec<u16>) {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    for manner in bob {
        let phone = world.phone("bob", Udp, manner.clone());
        if silent {
            world.phones[phone].address.set_port(9);
        }
    }
    let now = world.now;
    let phone = &mut world.phones[ann];
    let (account, flow) = (Some(phone.account), phone.flow);
    phone
        .agent
        .send_outside(now, &mut phone.layer, flow, account, Method::Message, |via, by, branch| {
            hookswitch_sip::message::Request::new(Method::Message, "sip:bob@example.org")
                .via(via.via_name(), by, branch)
                .header(Name::From, "<sip:ann@example.org>;tag=m")
                .header(Name::To, "<sip:bob@example.org>")
                .call_id("message")
                .cseq(1, Method::Message)
                .body("text/plain", b"Hello")
                .finish()
        })
        .unwrap();
    world.run(100);
    let statuses = world.phones[ann].finals(Method::Message);
    (world, statuses)
}

#[test]
fn other_methods_are_passed_on_and_answered() {
    // The phones take no messages outside calls, and say so.
    let (mut world, statuses) = message(&[Manner::Rings, Manner::Rings], false);
    assert_eq!(statuses, [407, 405]);
    let heard = world.phones[1].last(Method::Message);
    assert_eq!((heard.body(), heard.header(Name::RecordRoute)), (&b"Hello"[..], None));
    world.drain();
}

#[test]
fn silence_is_not_turned_into_408_but_for_invites() {
    let (world, statuses) = message(&[Manner::Rings], true);
    assert_eq!(statuses, [407]);
    let counts = world.switch.counts();
    assert_eq!((counts.forwarded, counts.transactions), (0, Default::default()));
}
