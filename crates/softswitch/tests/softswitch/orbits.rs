//! Which orbit is free for whom: who may park there, and who only says so.

use super::parking::{BY_ANN, Parked, parked, parked_with};
use super::phone::{Manner, SDP};
use hookswitch_sip::message::Method;
use hookswitch_sip::ua::{Failure, Indication};
use hookswitch_softswitch::{Features, Limits};
use std::time::Duration;

#[test]
fn an_empty_orbit_is_404_and_a_parked_party_that_hangs_up_leaves_it_empty() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    it.hang_up(bob, leg);
    for orbit in ["701", "702"] {
        let theirs = it.world.phones[cat].call(it.world.now, orbit);
        it.world.run(1);
        assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(404)));
    }
    it.end();
}

#[test]
fn parking_without_direction_tells_a_free_orbit_and_keeps_it() {
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    let asked = it.world.phones[ann].call(it.world.now, "park");
    it.world.run(1);
    assert_eq!(it.last(ann), &Indication::Redirected(asked));
    let contact = it.world.phones[ann].heard.last().unwrap().contact().unwrap();
    assert_eq!(contact.uri().as_str(), "sip:702@example.org");
    let now = it.world.now;
    let phone = &mut it.world.phones[ann];
    phone.agent.abandon(now, &mut phone.layer, asked);
    // Others neither get it nor park there.
    let theirs =
        it.world.phones[cat].call_with(now, "702", Some(SDP), "Referred-By: <sip:bob@example.org>\r\n");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(486)));
    let theirs = it.world.phones[cat].call(it.world.now, "702");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(404)));
    let call = it.world.talk(ann, cat);
    it.world.refer(ann, call, "<sip:702@example.org>");
    let second = it.world.phones[cat].call_with(it.world.now, "702", Some(SDP), "");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Answered(second));
    it.hang_up(cat, second);
    it.hang_up(ann, call);
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn reservations_are_few_and_end_by_themselves() {
    let features = Features { orbits: 701..=705, ..Features::default() };
    let mut it = parked_with(Limits::default(), features);
    let ask = |it: &mut Parked, phone: usize| {
        let leg = it.world.phones[phone].call(it.world.now, "park");
        it.world.run(1);
        let now = it.world.now;
        let answer = it.last(phone).clone();
        let phone = &mut it.world.phones[phone];
        phone.agent.abandon(now, &mut phone.layer, leg);
        match answer {
            Indication::Redirected(_) => 302,
            Indication::Failed(_, failure) => failure.status(),
            other => panic!("{other:?}"),
        }
    };
    let (ann, cat) = (it.ann, it.cat);
    let answers: Vec<u16> = (0..4).map(|_| ask(&mut it, ann)).collect();
    assert_eq!(answers, [302, 302, 302, 486], "one user gets three");
    assert_eq!((ask(&mut it, cat), ask(&mut it, cat)), (302, 486), "there are no more");
    it.world.run(30);
    assert_eq!(ask(&mut it, cat), 302);
    let (bob, leg) = (it.bob, it.leg);
    it.hang_up(bob, leg);
    it.world.run(31);
    it.end();
}

#[test]
fn a_refer_that_passes_by_parks_even_a_phone_that_does_not_say_who_referred_it() {
    let mut it = parked();
    let (ann, cat) = (it.ann, it.cat);
    it.world.phones[cat].manner = Manner::Answers;
    let call = it.world.phones[ann].call(it.world.now, "cat");
    it.world.run(1);
    let now = it.world.now;
    let phone = &mut it.world.phones[ann];
    let fields = "Refer-To: <sip:710@example.org>\r\n";
    phone.agent.send_within(now, &mut phone.layer, call, Method::Refer, fields, None).unwrap();
    it.world.run(1);
    let parked = it.world.phones[cat].call(it.world.now, "710");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Answered(parked));
    it.hang_up(cat, parked);
    it.hang_up(ann, call);
    let (bob, leg) = (it.bob, it.leg);
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn a_refer_to_an_occupied_orbit_keeps_nobody_from_retrieving() {
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    it.world.phones[bob].manner = Manner::Answers;
    let call = it.world.phones[ann].call(it.world.now, "bob");
    it.world.run(1);
    let now = it.world.now;
    let phone = &mut it.world.phones[ann];
    let fields = "Refer-To: <sip:701@example.org>\r\n";
    phone.agent.send_within(now, &mut phone.layer, call, Method::Refer, fields, None).unwrap();
    it.world.run(1);
    // Whom ann has sent there is refused; cat was not sent.
    let sent = it.world.phones[bob].call(it.world.now, "701");
    it.world.run(1);
    assert_eq!(it.last(bob), &Indication::Failed(sent, Failure::Status(486)));
    let phone = &mut it.world.phones[ann];
    phone.agent.send_within(it.world.now, &mut phone.layer, call, Method::Refer, fields, None).unwrap();
    it.world.run(1);
    let (mut it, theirs) = it.retrieved();
    it.hang_up(cat, theirs);
    assert!(it.world.phones[bob].indications.contains(&Indication::Ended(leg)));
    it.hang_up(ann, call);
    it.end();
}

#[test]
fn a_call_that_is_diverted_to_an_orbit_is_parked() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    it.hang_up(bob, leg);
    it.world.phones[bob].manner = Manner::Redirects("sip:715@example.org".into());
    let call = it.world.phones[cat].call(it.world.now, "bob");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Answered(call));
    let ann = it.ann;
    let taken = it.world.phones[ann].call(it.world.now, "715");
    it.world.run(1);
    assert_eq!(it.last(ann), &Indication::Answered(taken));
    it.hang_up(ann, taken);
    assert_eq!(it.last(cat), &Indication::Ended(call));
    it.end();
}

#[test]
fn parked_calls_are_bounded() {
    let limits = Limits { service_calls: 2, ..Limits::default() };
    let mut it = parked_with(limits, Features::default());
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    let second = it.world.phones[ann].call_with(it.world.now, "702", Some(SDP), BY_ANN);
    it.world.run(1);
    assert_eq!(it.last(ann), &Indication::Answered(second));
    let third = it.world.phones[cat].call_with(it.world.now, "703", Some(SDP), BY_ANN);
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(third, Failure::Status(486)));
    it.hang_up(ann, second);
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn whoever_is_sent_to_an_occupied_orbit_is_not_connected_with_a_stranger() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    let sent = it.world.phones[cat].call_with(it.world.now, "701", Some(SDP), BY_ANN);
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(sent, Failure::Status(486)));
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn when_all_orbits_are_taken_parking_is_refused_and_works_again_later() {
    let features =
        Features { orbits: 701..=703, longest_park: Duration::from_secs(100), ..Features::default() };
    let mut it = parked_with(Limits::default(), features);
    let (ann, cat) = (it.ann, it.cat);
    let call = it.world.talk(ann, cat);
    for orbit in ["702", "703"] {
        it.world.refer(ann, call, &format!("<sip:{orbit}@example.org>"));
        let sent = it.world.phones[cat].call(it.world.now, orbit);
        it.world.run(1);
        assert_eq!(it.last(cat), &Indication::Answered(sent));
    }
    it.hang_up(ann, call);
    let ask = |it: &mut Parked| {
        let leg = it.world.phones[ann].call(it.world.now, "park");
        it.world.run(1);
        let answer = it.last(ann).clone();
        let now = it.world.now;
        let phone = &mut it.world.phones[ann];
        phone.agent.abandon(now, &mut phone.layer, leg);
        matches!(answer, Indication::Redirected(_))
    };
    assert!(!ask(&mut it));
    it.world.run(110);
    assert!(ask(&mut it), "nobody is parked for ever");
    it.world.run(40);
    it.end();
}

#[test]
fn a_caller_cannot_say_of_another_that_it_parked_it() {
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    for (orbit, fields) in
        [("702", BY_ANN), ("703", "Referred-By: <sip:dan@elsewhere.example>\r\n"), ("704", "")]
    {
        let theirs = it.world.phones[cat].call_with(it.world.now, orbit, Some(SDP), fields);
        it.world.run(1);
        assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(404)), "{fields}");
    }
    // Nor does a reservation open an orbit for somebody that its owner did not send.
    let asked = it.world.phones[ann].call(it.world.now, "park");
    it.world.run(1);
    let now = it.world.now;
    let phone = &mut it.world.phones[ann];
    phone.agent.abandon(now, &mut phone.layer, asked);
    for (fields, status) in [(BY_ANN, 486), ("", 404)] {
        let theirs = it.world.phones[cat].call_with(it.world.now, "702", Some(SDP), fields);
        it.world.run(1);
        assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(status)), "{fields}");
    }
    it.hang_up(bob, leg);
    it.world.run(31);
    it.end();
}

#[test]
fn a_refer_in_anothers_name_parks_nobody() {
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    let call = it.world.talk(ann, cat);
    // Cat, who knows the dialog, writes in it what Ann did not.
    let dialog = it.world.phones[ann].agent.dialog(call).unwrap();
    let text = format!(
        "REFER {} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bK-forged\r\nRoute: {}\r\nMax-Forwards: 70\r\n\
         From: {};tag={}\r\nTo: {};tag={}\r\nCall-ID: {}\r\nCSeq: 90000000 REFER\r\nContact: <sip:ann@192.0.2.66>\r\n\
         Refer-To: <sip:702@example.org>\r\n\r\n",
        dialog.target(),
        dialog.routes(),
        dialog.local(),
        dialog.local_tag(),
        dialog.remote(),
        dialog.remote_tag(),
        dialog.call_id()
    );
    it.world.send(([192, 0, 2, 66], 5060).into(), &text);
    it.world.run(1);
    let theirs = it.world.phones[cat].call(it.world.now, "702");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(404)));
    let theirs = *it.world.phones[cat].incoming.last().unwrap();
    it.hang_up(cat, theirs);
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn a_user_parks_itself_in_few_orbits() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    let by_cat = "Referred-By: <sip:cat@example.org>\r\n";
    let mut legs = Vec::new();
    for orbit in 710..714 {
        let own = it.world.phones[cat].call_with(it.world.now, &orbit.to_string(), Some(SDP), by_cat);
        it.world.run(1);
        legs.push(own);
    }
    let refused = Indication::Failed(legs[3], Failure::Status(486));
    assert_eq!(it.last(cat), &refused);
    for own in &legs[..3] {
        it.hang_up(cat, *own);
    }
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn who_redirected_a_call_to_an_orbit_is_rung_back_and_nobody_that_the_caller_names() {
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    it.hang_up(bob, leg);
    it.world.phones[bob].manner = Manner::Redirects("sip:715@example.org".into());
    let call = it.world.phones[cat].call_with(it.world.now, "bob", Some(SDP), BY_ANN);
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Answered(call));
    it.world.phones[bob].manner = Manner::Rings;
    let before = (it.world.phones[ann].count(Method::Invite), it.world.phones[bob].count(Method::Invite));
    it.world.run(121);
    let after = (it.world.phones[ann].count(Method::Invite), it.world.phones[bob].count(Method::Invite));
    assert_eq!(after, (before.0, before.1 + 1));
    it.hang_up(cat, call);
    it.end();
}
