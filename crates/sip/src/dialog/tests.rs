use super::super::SentBy;
use super::*;
use crate::message::{Limits, Name};
use bytes::Bytes;
use hookswitch_machine::Entropy;

fn parse(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()).unwrap()
}

fn invite(more: &str) -> Message {
    parse(&format!(
        "INVITE sip:bob@biloxi.com SIP/2.0\nVia: SIP/2.0/UDP a.com;branch=z9hG4bK1\nMax-Forwards: 70\n\
         To: Bob <sip:bob@biloxi.com>\nFrom: \"Alice; A\" <sip:alice@atlanta.com>;tag=alice1;x=y\n\
         Call-ID: call@a.com\nCSeq: 314159 INVITE\n{more}Content-Length: 0\n\n"
    ))
}

fn response(status: u16, tag: &str, more: &str) -> Message {
    parse(&format!(
        "SIP/2.0 {status} Whatever\nVia: SIP/2.0/UDP a.com;branch=z9hG4bK1\nTo: Bob <sip:bob@biloxi.com>{tag}\n\
         From: \"Alice; A\" <sip:alice@atlanta.com>;tag=alice1\nCall-ID: call@a.com\nCSeq: 314159 INVITE\n\
         {more}Content-Length: 0\n\n"
    ))
}

fn within(method: &str, cseq: u32, more: &str) -> Message {
    parse(&format!(
        "{method} sip:us@1.2.3.4 SIP/2.0\nVia: SIP/2.0/UDP a.com;branch=z9hG4bK{cseq}\nMax-Forwards: 70\n\
         To: Bob <sip:bob@biloxi.com>;tag=ours\nFrom: <sip:alice@atlanta.com>;tag=alice1\nCall-ID: call@a.com\n\
         CSeq: {cseq} {method}\n{more}Content-Length: 0\n\n"
    ))
}

const CONTACT: &str = "Contact: \"A\" <sip:alice@192.0.2.1:5070;transport=udp?Subject=x>;q=0.5\n";
const VIA: SentBy<'static, &str, &str> =
    SentBy { transport: "UDP", address: "192.0.2.9:5060", branch: "z9hG4bKus" };

fn sent(request: crate::message::Request<'_>) -> Message {
    Message::parse(request.finish(), &Limits::default()).unwrap()
}

fn routes(message: &Message) -> Vec<String> {
    message.headers(Name::Route).map(str::to_owned).collect()
}

#[test]
fn a_server_dialog_mirrors_the_request() {
    let rr = "Record-Route: <sip:p2.com;lr>, <sip:p1.com;lr>;x=1\nRecord-Route: <sip:p0.com;lr>\n";
    let mut dialog = Dialog::server(&invite(&format!("{CONTACT}{rr}")), "ours").unwrap();
    assert_eq!((dialog.role(), dialog.stage(), dialog.is_secure()), (Role::Server, Stage::Early, false));
    assert_eq!((dialog.local_cseq(), dialog.remote_cseq()), (0, Some(314_159)));
    dialog.confirm();
    assert_eq!(dialog.stage(), Stage::Confirmed);
    assert_eq!(dialog.next_hop(), "sip:p2.com;lr");
    let bye = sent(dialog.request(Method::Bye, VIA));
    assert_eq!(bye.request_uri(), Some("sip:alice@192.0.2.1:5070;transport=udp"));
    assert_eq!(routes(&bye), ["<sip:p2.com;lr>", "<sip:p1.com;lr>;x=1", "<sip:p0.com;lr>"]);
    assert_eq!(bye.header(Name::From), Some("\"Bob\" <sip:bob@biloxi.com>;tag=ours"));
    assert_eq!(bye.header(Name::To), Some("\"Alice; A\" <sip:alice@atlanta.com>;tag=alice1"));
    assert_eq!((bye.call_id(), bye.cseq().number, bye.max_forwards()), ("call@a.com", 1, Some(70)));
    assert_eq!(bye.via().branch(), Some("z9hG4bKus"));
}

#[test]
fn a_client_dialog_turns_the_routes_round_and_acknowledges_its_invite() {
    let request = invite(CONTACT);
    let more = "Contact: <sip:bob@192.0.2.4>\nRecord-Route: <sip:p2.com;lr>, <sip:p1.com;lr>\n";
    let mut dialog = Dialog::client(&request, &response(200, ";tag=bob1", more)).unwrap();
    assert_eq!((dialog.role(), dialog.stage()), (Role::Client, Stage::Confirmed));
    let ack = sent(dialog.ack(314_159, VIA));
    assert_eq!((ack.method(), ack.cseq().number), (Method::Ack, 314_159));
    assert_eq!(ack.request_uri(), Some("sip:bob@192.0.2.4"));
    assert_eq!(routes(&ack), ["<sip:p1.com;lr>", "<sip:p2.com;lr>"]);
    assert_eq!(ack.to_tag(), Some("bob1"));
    let bye = sent(dialog.request(Method::Bye, VIA));
    assert_eq!((bye.cseq().number, bye.from_tag()), (314_160, Some("alice1")));
    assert_eq!(sent(dialog.request(Method::Info, VIA)).cseq().number, 314_161);
}

#[test]
fn without_routes_the_peer_is_the_next_hop() {
    let mut dialog = Dialog::server(&invite(CONTACT), "ours").unwrap();
    assert_eq!(dialog.next_hop(), "sip:alice@192.0.2.1:5070;transport=udp");
    assert_eq!(routes(&sent(dialog.request(Method::Bye, VIA))).len(), 0);
}

#[test]
fn a_strict_router_gets_its_own_uri() {
    let cases = [
        ("<sip:p1.com>", &["<sip:alice@192.0.2.1:5070;transport=udp>"][..]),
        ("<sip:p1.com>, <sip:p2.com;lr>", &["<sip:p2.com;lr>", "<sip:alice@192.0.2.1:5070;transport=udp>"]),
    ];
    for (record_route, expected) in cases {
        let more = format!("{CONTACT}Record-Route: {record_route}\n");
        let mut dialog = Dialog::server(&invite(&more), "ours").unwrap();
        let bye = sent(dialog.request(Method::Bye, VIA));
        assert_eq!((bye.request_uri(), dialog.next_hop()), (Some("sip:p1.com"), "sip:p1.com"));
        assert_eq!(
            (dialog.request_uri(), routes(&bye)),
            ("sip:p1.com", expected.iter().map(|s| s.to_string()).collect())
        );
    }
}

#[test]
fn forking_makes_a_dialog_for_each_tag() {
    let keys = Entropy::from_number(1).hash_keys();
    let request = invite(CONTACT);
    let one = Dialog::client(&request, &response(180, ";tag=one", "")).unwrap();
    let two = Dialog::client(&request, &response(183, ";tag=two", "")).unwrap();
    assert_ne!(one.id(&keys), two.id(&keys));
    assert_eq!(one.id(&keys), DialogId::of_received(&keys, &response(200, ";tag=one", "")));
    assert_eq!((one.stage(), one.target()), (Stage::Early, "sip:bob@biloxi.com"));
}

#[test]
fn requests_of_the_peer_find_their_dialog() {
    let keys = Entropy::from_number(1).hash_keys();
    let dialog = Dialog::server(&invite(CONTACT), "ours").unwrap();
    assert_eq!(dialog.id(&keys), DialogId::of_received(&keys, &within("BYE", 2, "")));
}

#[test]
fn the_2xx_decides_routes_and_target() {
    let request = invite(CONTACT);
    let early = "Contact: <sip:early@192.0.2.4>\nRecord-Route: <sip:p1.com;lr>\n";
    let late = "Contact: <sip:late@192.0.2.4>\nRecord-Route: <sip:p2.com;lr>\n";
    let mut dialog = Dialog::client(&request, &response(180, ";tag=one", early)).unwrap();
    assert_eq!(dialog.confirmed_by(&response(200, ";tag=one", late)), Ok(()));
    assert_eq!((dialog.stage(), dialog.target()), (Stage::Confirmed, "sip:late@192.0.2.4"));
    assert_eq!(dialog.next_hop(), "sip:p2.com;lr");
    // RFC 3261 12.2.1.2: a re-INVITE's 2xx leaves the routes as they are.
    assert_eq!(dialog.confirmed_by(&response(200, ";tag=one", early)), Ok(()));
    assert_eq!((dialog.target(), dialog.next_hop()), ("sip:early@192.0.2.4", "sip:p2.com;lr"));
}

#[test]
fn what_makes_no_dialog_says_why() {
    for more in ["", "Contact: *\n", "Contact: <tel:+4930>\n"] {
        assert_eq!(Dialog::server(&invite(more), "ours"), Err(DialogError::Contact), "{more}");
    }
    let broken = invite(&format!("{CONTACT}Record-Route: <sip:p1\n"));
    assert_eq!(Dialog::server(&broken, "ours"), Err(DialogError::RecordRoute));
    for (status, tag) in [(100, ";tag=x"), (180, ""), (302, ";tag=x"), (486, ";tag=x")] {
        let message = response(status, tag, "");
        assert_eq!(Dialog::client(&invite(CONTACT), &message), Err(DialogError::Response), "{status}");
    }
}

#[test]
fn old_peers_without_tags_still_have_dialogs() {
    let mut dialog =
        Dialog::client(&invite(CONTACT), &response(200, "", "Contact: <sip:bob@192.0.2.4>\n")).unwrap();
    let bye = sent(dialog.request(Method::Bye, VIA));
    assert_eq!((dialog.remote_tag(), bye.to_tag()), ("", None));
}

#[test]
fn numbers_must_grow_but_may_jump() {
    let mut dialog = Dialog::server(&invite(CONTACT), "ours").unwrap();
    let mut receive = |method, number| dialog.receive(&within(method, number, "")).is_ok();
    assert!(receive("ACK", 314_159));
    assert!(receive("BYE", 400_000));
    assert!(!receive("BYE", 399_999));
    assert!(!receive("INFO", 400_000));
    assert!(receive("ACK", 314_159) && receive("CANCEL", 1));
    assert!(receive("INFO", 2_147_483_647));
    let error = dialog.receive(&within("BYE", 1, "")).unwrap_err();
    assert_eq!((error.got, error.last), (1, 2_147_483_647));
}

#[test]
fn the_first_request_of_the_peer_may_have_any_number() {
    let mut dialog = Dialog::client(&invite(CONTACT), &response(200, ";tag=b", "")).unwrap();
    assert_eq!(dialog.receive(&within("BYE", 0, "")), Ok(()));
    assert_eq!(dialog.remote_cseq(), Some(0));
}

#[test]
fn only_target_refreshes_move_the_peer() {
    let moved = "Contact: <sip:alice@192.0.2.77>\n";
    let cases = [
        ("INVITE", moved, true),
        ("UPDATE", moved, true),
        ("INFO", moved, false),
        ("BYE", moved, false),
        ("INVITE", "", false),
        ("INVITE", "Contact: <tel:+4930>\n", false),
    ];
    for (method, contact, expected) in cases {
        let mut dialog = Dialog::server(&invite(CONTACT), "ours").unwrap();
        assert_eq!(dialog.refresh_target(&within(method, 400_000, contact)), expected, "{method} {contact}");
        assert_eq!(dialog.target() == "sip:alice@192.0.2.77", expected);
    }
    let mut dialog = Dialog::client(&invite(CONTACT), &response(200, ";tag=b", "")).unwrap();
    assert!(!dialog.refresh_target(&response(491, ";tag=b", moved)));
    assert!(dialog.refresh_target(&response(200, ";tag=b", moved)));
    assert!(!dialog.refresh_target(&response(200, ";tag=b", moved)));
}

#[test]
fn a_typical_dialog_is_small() {
    let more = "Contact: <sip:k7f2m9q4w1@198.51.100.23:5060;transport=udp>\nRecord-Route: <sip:198.51.100.1:5060;lr;ftag=alice1>\n";
    let dialog = Dialog::server(&invite(more), "8f14e45fceea167a").unwrap();
    let allocation = |text: &str| if text.is_empty() { 0 } else { text.len().next_multiple_of(16) + 16 };
    let size = size_of::<Dialog>()
        + [&*dialog.texts, &dialog.target, &dialog.routes].map(allocation).iter().sum::<usize>();
    assert!(size <= 600, "{size} bytes");
    assert_eq!(size_of::<Dialog>(), 80);
}

#[test]
fn addresses_do_not_print() {
    let dialog = Dialog::server(&invite(CONTACT), "ours").unwrap();
    assert!(!format!("{dialog:?}").contains("alice@"));
}
