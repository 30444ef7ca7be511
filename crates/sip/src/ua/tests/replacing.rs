//! INVITEs that take the place of another session. The test sends them to A, in a call of their own.

use super::*;
use crate::message::Name;
use crate::refer::Replaces;
use crate::ua::Failure;

/// An INVITE of the test with the Call-ID `other-call`.
fn invite(branch: &str, fields: &str) -> Vec<u8> {
    let text = String::from_utf8(request("INVITE", branch, None, 1, fields, OFFER)).unwrap();
    text.replace("Call-ID: raw-call", &format!("Call-ID: other-call-{branch}")).into_bytes()
}

/// What makes A replace a session of its own.
fn named(net: &Net, leg: LegId) -> Replaces {
    let dialog = net.sides[A].ua.dialogs(leg).next().expect("a dialog");
    Replaces {
        call_id: dialog.call_id().into(),
        to_tag: dialog.local_tag().into(),
        from_tag: dialog.remote_tag().into(),
        early_only: false,
    }
}

fn replacing(net: &Net) -> (LegId, LegId) {
    match net.last(A) {
        Indication::Replacing { leg, replaced } => (leg, replaced),
        other => panic!("{other:?} {:?}", net.titles()),
    }
}

/// What A answers to an INVITE with this Replaces.
fn refused(net: &mut Net, branch: &str, fields: &str) -> Option<u16> {
    let told = net.told(A).len();
    net.inject(A, &invite(branch, fields));
    let newest = net.seen.iter().rev().find(|seen| seen.from == A && seen.message.method() == Method::Invite);
    let status = newest.and_then(|seen| seen.message.status());
    if status > Some(299) {
        assert_eq!(net.told(A).len(), told);
    }
    status
}

#[test]
fn an_answered_session_gives_way_by_bye() {
    let mut net = Net::new();
    let (a, b) = net.call();
    let replaces = named(&net, a);
    net.inject(A, &invite("r", &format!("Require: replaces\r\nReplaces: {replaces}\r\n")));
    let (leg, replaced) = replacing(&net);
    assert_eq!(replaced, a);
    net.accept(A, leg).unwrap();
    assert!(net.latest(RAW, "200 INVITE").lists(Name::Supported, "replaces"));
    net.run(50);
    assert_eq!(net.last(B), Indication::Ended(b));
    assert_eq!(net.last(A), Indication::HungUp(a));
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    let ack = String::from_utf8(request("ACK", "ack", Some(&tag), 1, "", b"")).unwrap();
    net.inject(A, ack.replace("raw-call", "other-call-r").as_bytes());
    assert_eq!(net.last(A), Indication::Confirmed(leg));
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn a_session_that_we_were_called_in_gives_way_too() {
    let mut net = Net::new();
    let (a, _) = net.call_from_raw();
    let replaces = named(&net, a);
    net.inject(A, &invite("r", &format!("Replaces: {replaces}\r\n")));
    let (leg, _) = replacing(&net);
    net.accept(A, leg).unwrap();
    net.latest(RAW, "BYE");
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn a_call_that_still_rings_elsewhere_is_picked_up_by_cancel() {
    let mut net = Net::new();
    let a = net.invite_to(RAW, None, Some(OFFER));
    net.run(20);
    let ringing = net.latest(RAW, "INVITE");
    net.reply(&ringing, 180, "bell", b"");
    let replaces = named(&net, a).early_only();
    assert_eq!(replaces.from_tag, "bell");
    net.inject(A, &invite("r", &format!("Replaces: {replaces}\r\n")));
    let (leg, replaced) = replacing(&net);
    assert_eq!(replaced, a);
    net.accept(A, leg).unwrap();
    net.latest(RAW, "CANCEL");
    net.reply(&ringing, 487, "bell", b"");
    assert_eq!(net.last(A), Indication::HungUp(a));
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn a_session_that_is_refused_leaves_the_other_as_it_is() {
    let mut net = Net::new();
    let (a, _) = net.call();
    let replaces = named(&net, a);
    net.inject(A, &invite("r", &format!("Replaces: {replaces}\r\n")));
    let (leg, _) = replacing(&net);
    net.act(A, |ua, layer, now| ua.reject(now, layer, leg, 603, format_args!(""))).unwrap();
    assert_eq!(net.count(A, "BYE"), 0);
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_session_that_ends_meanwhile_is_not_ended_again() {
    let mut net = Net::new();
    let (a, b) = net.call();
    let replaces = named(&net, a);
    net.inject(A, &invite("r", &format!("Replaces: {replaces}\r\n")));
    let (leg, _) = replacing(&net);
    net.hang_up(B, b).unwrap();
    net.run(50);
    assert_eq!(net.last(A), Indication::Ended(a));
    net.accept(A, leg).unwrap();
    assert_eq!(net.count(A, "BYE"), 0);
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn every_rule_has_its_refusal() {
    let mut net = Net::new();
    let (a, _) = net.call();
    let replaces = named(&net, a);
    let header = |replaces: &Replaces| format!("Replaces: {replaces}\r\n");
    let with = |change: fn(&mut Replaces)| {
        let mut changed = replaces.clone();
        change(&mut changed);
        header(&changed)
    };
    let cases = [
        ("early only, but answered", header(&replaces.clone().early_only()), 486),
        ("another Call-ID", with(|r| r.call_id = "else".into()), 481),
        ("another side", with(|r| r.from_tag = "else".into()), 481),
        ("no tag of ours", with(|r| r.to_tag = "else".into()), 481),
        ("a forged tag of ours", with(|r| r.to_tag = "h1-0-0-0".into()), 481),
        ("no tag", with(|r| r.to_tag = "0".into()), 481),
        ("ill-formed", "Replaces: call;to-tag=1\r\n".into(), 400),
        ("with Join", format!("Join: {replaces}\r\n{}", header(&replaces)), 400),
        ("with an unknown extension", format!("Require: replaces, magic\r\n{}", header(&replaces)), 420),
    ];
    for (n, (what, fields, status)) in cases.iter().enumerate() {
        assert_eq!(refused(&mut net, &format!("r{n}"), fields), Some(*status), "{what}");
    }
    net.inject(A, &request("OPTIONS", "o", None, 1, &header(&replaces), b""));
    net.latest(RAW, "400 OPTIONS");

    // It is being ended, and then over.
    net.lose = Box::new(|seen| seen.title() == "BYE");
    net.hang_up(A, a).unwrap();
    assert_eq!(refused(&mut net, "x", &header(&replaces)), Some(603));
    net.run(40_000);
    assert_eq!(refused(&mut net, "y", &header(&replaces)), Some(603));
    net.lose = Box::new(|_| false);

    // It rings here, so nobody but us can end it.
    net.inject(A, &request("INVITE", "in", None, 10, "", OFFER));
    let early = net.incoming(A);
    let fields = header(&named(&net, early));
    assert_eq!(refused(&mut net, "z", &fields), Some(481));
    net.hang_up(A, early).unwrap();
    net.run(700_000);
}

#[test]
fn an_invite_that_replaces_is_sent() {
    let mut net = Net::new();
    let (a, b) = net.call();
    // What B tells A's peer of their call, as in an attended transfer: here A itself is told.
    let replaces = Replaces::of(net.sides[B].ua.dialog(b).unwrap());
    let fields = format!("Replaces: {replaces}\r\nReferred-By: <sip:bob@example.com>\r\n");
    let new = net.invite_with(B, A, None, Some(OFFER), &fields).unwrap();
    net.run(20);
    let (leg, replaced) = replacing(&net);
    assert_eq!(replaced, a);
    net.accept(A, leg).unwrap();
    net.run(50);
    let told = net.told(B);
    assert!(told.contains(&Indication::Answered(new)) && told.contains(&Indication::Ended(b)), "{told:?}");
    // Once more: it is over by now.
    let again = net.invite_with(B, A, None, Some(OFFER), &fields).unwrap();
    net.run(50);
    assert_eq!(net.last(B), Indication::Failed(again, Failure::Status(603)));
    net.hang_up(A, leg).unwrap();
    net.drain();
}
