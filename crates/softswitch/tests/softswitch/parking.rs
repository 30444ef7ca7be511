use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_media::control::{Command, Source};
use hookswitch_sip::message::{Message, Method, Name, Uri};
use hookswitch_sip::refer::{ReferTo, Replaces};
use hookswitch_sip::ua::{Failure, Indication, LegId};
use hookswitch_softswitch::{Features, Limits};
use std::time::Duration;

pub(super) const BY_ANN: &str = "Referred-By: <sip:ann@example.org>\r\n";

/// The Refer-To that gives somebody a place in a call.
fn place(uri: &str, named: &Replaces) -> String {
    ReferTo::new(&Uri::parse(uri).unwrap(), Some(named.clone())).to_string()
}

pub(super) fn sdp(port: u16) -> String {
    SDP.replace("4000", &port.to_string())
}

fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

/// The numbers of the last o-line that a phone got within a dialog.
fn origin(sdp: &str) -> (u64, u64) {
    let line = sdp.lines().find_map(|line| line.strip_prefix("o=")).unwrap();
    let mut parts = line.split(' ').skip(1).map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap())
}

pub(super) struct Parked {
    pub(super) world: World,
    pub(super) ann: usize,
    pub(super) bob: usize,
    pub(super) cat: usize,
    /// Bob's call to the orbit.
    pub(super) leg: LegId,
}

/// Ann, Bob and Cat; Bob is parked at 701 by Ann.
pub(super) fn parked_with(limits: Limits, features: Features) -> Parked {
    let mut world = World::made(limits, features);
    world.stock(8);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    let cat = world.phone("cat", Tcp, Manner::Rings);
    let call = world.talk(ann, bob);
    world.refer(ann, call, "<sip:701@example.org>");
    let leg = world.phones[bob].call_with(world.now, "701", Some(&sdp(5_000)), BY_ANN);
    world.run(1);
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.phones[bob].indications.pop();
    assert_eq!(world.phones[bob].indications.last(), Some(&Indication::Answered(leg)));
    assert!(world.media.iter().any(|c| matches!(c, Command::Start { source: Source::Music, .. })));
    Parked { world, ann, bob, cat, leg }
}

pub(super) fn parked() -> Parked {
    parked_with(Limits::default(), Features::default())
}

impl Parked {
    pub(super) fn last(&self, phone: usize) -> &Indication {
        self.world.phones[phone].indications.last().unwrap()
    }

    pub(super) fn hang_up(&mut self, phone: usize, leg: LegId) {
        let now = self.world.now;
        self.world.phones[phone].hang_up(now, leg);
        self.world.run(1);
    }

    fn offer(&mut self, phone: usize, leg: LegId, sdp: &str) {
        let now = self.world.now;
        let phone = &mut self.world.phones[phone];
        phone.agent.offer(now, &mut phone.layer, leg, sdp.as_bytes()).unwrap();
        self.world.run(1);
    }

    pub(super) fn retrieved(mut self) -> (Self, LegId) {
        let theirs = self.world.phones[self.cat].call_with(self.world.now, "701", Some(&sdp(6_000)), "");
        self.world.run(1);
        assert_eq!(self.last(self.cat), &Indication::Answered(theirs));
        (self, theirs)
    }

    pub(super) fn end(mut self) {
        self.world.run(1);
        self.world.drain();
    }
}

#[test]
fn a_parked_call_is_retrieved_and_media_flow_directly() {
    for cat_ends in [true, false] {
        let (mut it, theirs) = parked().retrieved();
        let to_bob = body(it.world.phones[it.bob].last(Method::Invite));
        assert!(to_bob.contains("m=audio 6000 "), "{to_bob}");
        let answers: Vec<String> = it.world.phones[it.bob]
            .heard
            .iter()
            .filter(|m| m.status() == Some(200) && m.method() == Method::Invite)
            .map(body)
            .collect();
        let (first, then) = (origin(&answers[0]), origin(&to_bob));
        assert_eq!((then.0, then.1), (first.0, first.1 + 1), "one session, a new version");
        let to_cat = it.world.phones[it.cat].heard.iter().rfind(|m| m.status() == Some(200)).unwrap();
        assert!(body(to_cat).contains("m=audio 4000 "), "bob's answer");
        assert_eq!(it.world.media.iter().filter(|c| matches!(c, Command::Stop { .. })).count(), 1);
        let (bob, cat, leg) = (it.bob, it.cat, it.leg);
        if cat_ends {
            it.hang_up(cat, theirs);
            assert_eq!(it.last(bob), &Indication::Ended(leg));
        } else {
            it.hang_up(bob, leg);
            assert_eq!(it.last(cat), &Indication::Ended(theirs));
        }
        assert_eq!(it.world.switch.counts().service_calls, 0);
        it.end();
    }
}

#[test]
fn holds_and_infos_pass_through_afterwards() {
    let (mut it, theirs) = parked().retrieved();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    it.offer(cat, theirs, &sdp(6_000).replace("sendrecv", "sendonly"));
    assert_eq!(it.last(cat), &Indication::OfferAnswered(theirs));
    assert!(body(it.world.phones[bob].last(Method::Invite)).contains("a=sendonly"));
    it.offer(bob, leg, &sdp(5_002));
    assert_eq!(it.last(bob), &Indication::OfferAnswered(leg));
    assert!(body(it.world.phones[cat].last(Method::Invite)).contains("m=audio 5002 "));
    let now = it.world.now;
    let phone = &mut it.world.phones[cat];
    let text = Some(("application/dtmf-relay", &b"Signal=5\r\n"[..]));
    phone.agent.send_within(now, &mut phone.layer, theirs, Method::Info, "", text).unwrap();
    it.world.run(1);
    assert!(matches!(it.last(cat), Indication::Response(_, _, Failure::Status(200))));
    let info = it.world.phones[bob].last(Method::Info);
    assert_eq!((info.content_type(), info.body()), (Some("application/dtmf-relay"), &b"Signal=5\r\n"[..]));
    it.hang_up(cat, theirs);
    it.end();
}

#[test]
fn offers_that_cross_are_settled_by_the_two() {
    let (mut it, theirs) = parked().retrieved();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    let now = it.world.now;
    for (phone, leg, port) in [(bob, leg, 5_004), (cat, theirs, 6_004)] {
        let phone = &mut it.world.phones[phone];
        phone.agent.offer(now, &mut phone.layer, leg, sdp(port).as_bytes()).unwrap();
    }
    it.world.run(20);
    let settled = |phone: usize, leg| {
        let of = |i: &&Indication| matches!(i, Indication::OfferAnswered(l) | Indication::OfferRefused(l, _) if *l == leg);
        it.world.phones[phone].indications.iter().filter(of).count()
    };
    assert!(settled(bob, leg) + settled(cat, theirs) >= 1);
    it.hang_up(cat, theirs);
    it.end();
}

#[test]
fn a_retriever_may_leave_the_offer_to_the_switch() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    it.world.phones[cat].late_offer = true;
    let theirs = it.world.phones[cat].call_with(it.world.now, "701", None, "");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Answered(theirs));
    let ok = it.world.phones[cat].heard.iter().rfind(|m| m.status() == Some(200)).unwrap();
    assert!(body(ok).contains("m=audio 5000 "), "what bob said");
    assert!(body(it.world.phones[bob].last(Method::Invite)).contains("m=audio 4000 "), "what cat answered");
    it.hang_up(bob, leg);
    assert_eq!(it.last(cat), &Indication::Ended(theirs));
    it.end();
}

#[test]
fn the_first_of_two_retrievers_wins() {
    let mut it = parked();
    let now = it.world.now;
    let first = it.world.phones[it.cat].call(now, "701");
    let second = it.world.phones[it.ann].call(now, "701");
    it.world.run(1);
    let (mut won, mut lost) = (0, 0);
    for (phone, leg) in [(it.cat, first), (it.ann, second)] {
        match it.last(phone) {
            Indication::Answered(l) if *l == leg => won += 1,
            Indication::Failed(l, Failure::Status(404 | 486)) if *l == leg => lost += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((won, lost), (1, 1));
    let (bob, leg) = (it.bob, it.leg);
    it.hang_up(bob, leg);
    it.end();
}

#[test]
fn a_retriever_that_gives_up_leaves_the_call_parked_with_music() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    // Bob's phone takes its time.
    it.world.phones[bob].answers_offers = false;
    let theirs = it.world.phones[cat].call(it.world.now, "701");
    it.world.run(1);
    it.hang_up(cat, theirs);
    assert_eq!(it.last(cat), &Indication::HungUp(theirs));
    it.world.phones[bob].answers_offers = true;
    let now = it.world.now;
    let phone = &mut it.world.phones[bob];
    phone.agent.answer_offer(now, &mut phone.layer, leg, Some(SDP.as_bytes())).unwrap();
    it.world.run(2);
    // It is told to send to us again.
    let last = body(it.world.phones[bob].last(Method::Invite));
    assert!(last.contains("IN IP4 192.0.2.1"), "{last}");
    let (mut it, theirs) = it.retrieved();
    it.hang_up(cat, theirs);
    it.end();
}

#[test]
fn a_parked_phone_that_refuses_the_retriever_stays_parked() {
    let mut it = parked();
    let (bob, cat, leg) = (it.bob, it.cat, it.leg);
    it.world.phones[bob].answers_offers = false;
    let theirs = it.world.phones[cat].call(it.world.now, "701");
    it.world.run(1);
    let now = it.world.now;
    let phone = &mut it.world.phones[bob];
    phone.agent.refuse_offer(now, &mut phone.layer, leg, 488, "").unwrap();
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(theirs, Failure::Status(488)));
    it.world.phones[bob].answers_offers = true;
    let (mut it, theirs) = it.retrieved();
    it.hang_up(cat, theirs);
    it.end();
}

#[test]
fn the_parker_is_rung_back_and_gets_the_call() {
    let mut it = parked();
    let (ann, bob, leg) = (it.ann, it.bob, it.leg);
    it.world.phones[ann].answer_sdp = sdp(7_000);
    it.world.run(120);
    assert_eq!(it.world.phones[ann].count(Method::Invite), 1);
    let invite = it.world.phones[ann].last(Method::Invite);
    assert_eq!(invite.header(Name::AlertInfo), Some("<urn:alert:service:recall:hold>"));
    assert_eq!(invite.from().uri().as_str(), "sip:701@example.org");
    assert_eq!(invite.from().display().as_deref(), Some("bob"));
    assert!(invite.body().is_empty());
    let back = it.world.phones[ann].answer(it.world.now);
    it.world.run(1);
    assert_eq!(it.last(ann), &Indication::Confirmed(back));
    assert!(body(it.world.phones[bob].last(Method::Invite)).contains("m=audio 7000 "));
    let ack = it.world.phones[ann].last(Method::Ack);
    assert!(body(ack).contains("m=audio 4000 "), "bob's answer");
    it.hang_up(ann, back);
    assert_eq!(it.last(bob), &Indication::Ended(leg));
    it.end();
}

#[test]
fn a_recall_that_nobody_takes_leaves_the_call_parked_until_its_time_is_over() {
    let features = Features { longest_park: Duration::from_secs(400), ..Features::default() };
    let mut it = parked_with(Limits::default(), features);
    let (ann, bob, leg) = (it.ann, it.bob, it.leg);
    it.world.run(160);
    assert!(matches!(it.last(ann), Indication::Cancelled(_)));
    it.world.phones[ann].manner = Manner::Refuses(486);
    it.world.run(130);
    assert_eq!(it.world.phones[ann].count(Method::Invite), 2);
    assert_eq!(it.world.switch.counts().service_calls, 1);
    it.world.run(130);
    assert_eq!(it.last(bob), &Indication::Ended(leg));
    it.end();
}

#[test]
fn a_call_that_is_retrieved_while_its_parker_is_rung_back_stops_ringing_there() {
    let it = parked();
    let (mut it, ann) = (it, 0);
    it.world.run(121);
    let (mut it, theirs) = it.retrieved();
    assert!(matches!(it.last(ann), Indication::Cancelled(_)));
    let reason = it.world.phones[ann].last(Method::Cancel).header(Name::Reason);
    assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    let cat = it.cat;
    it.hang_up(cat, theirs);
    it.end();
}

#[test]
fn a_transfer_with_consultation_to_an_orbit_parks_the_other_party() {
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    // Bob, who is there, gives cat his place.
    let named = it.world.replaces(bob, leg);
    let replaces = format!("Replaces: {named}\r\nRequire: replaces\r\n");
    let early = it.world.phones[cat].call_with(it.world.now, "701", Some(&sdp(6_600)), &replaces);
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(early, Failure::Status(403)), "it was not given yet");
    let call = it.world.talk(bob, cat);
    it.world.refer(bob, call, &place("sip:701@example.org", &named));
    it.hang_up(bob, call);
    let new = it.world.phones[cat].call_with(it.world.now, "701", Some(&sdp(6_600)), &replaces);
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Answered(new));
    assert_eq!(it.last(bob), &Indication::Ended(leg));
    let taken = it.world.phones[ann].call(it.world.now, "701");
    it.world.run(1);
    assert_eq!(it.last(ann), &Indication::Answered(taken));
    it.hang_up(ann, taken);
    assert_eq!(it.last(cat), &Indication::Ended(new));
    it.end();
}

#[test]
fn a_retrieved_call_can_be_transferred_with_replaces() {
    for bob_ends in [true, false] {
        let (mut it, theirs) = parked().retrieved();
        let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
        let named = it.world.replaces(cat, theirs);
        let replaces = format!("Replaces: {named}\r\n");
        let early = it.world.phones[ann].call_with(it.world.now, "701", Some(&sdp(7_700)), &replaces);
        it.world.run(1);
        assert_eq!(it.last(ann), &Indication::Failed(early, Failure::Status(403)), "it was not given yet");
        let call = it.world.talk(cat, ann);
        it.world.refer(cat, call, &place("sip:701@example.org", &named));
        it.hang_up(cat, call);
        let new = it.world.phones[ann].call_with(it.world.now, "701", Some(&sdp(7_700)), &replaces);
        it.world.run(1);
        assert_eq!(it.last(ann), &Indication::Answered(new));
        assert_eq!(it.last(cat), &Indication::Ended(theirs));
        assert!(body(it.world.phones[bob].last(Method::Invite)).contains("m=audio 7700 "));
        it.offer(bob, leg, &sdp(5_006));
        assert_eq!(it.last(bob), &Indication::OfferAnswered(leg));
        assert!(body(it.world.phones[ann].last(Method::Invite)).contains("m=audio 5006 "));
        if bob_ends {
            it.hang_up(bob, leg);
            assert_eq!(it.last(ann), &Indication::Ended(new));
        } else {
            it.hang_up(ann, new);
            assert_eq!(it.last(bob), &Indication::Ended(leg));
        }
        it.end();
    }
}

#[test]
fn both_sides_of_a_retrieved_call_are_asked_whether_they_are_there() {
    let limits = Limits { probe: Duration::from_secs(60), ..Limits::default() };
    let (mut it, _) = parked_with(limits, Features::default()).retrieved();
    let (bob, cat) = (it.bob, it.cat);
    it.world.run(61);
    assert_eq!(it.world.phones[bob].count(Method::Options), 1);
    assert_eq!(it.world.phones[cat].count(Method::Options), 1);
    // Bob's phone was restarted.
    let phone = &mut it.world.phones[bob];
    *phone = super::phone::Phone::new("bob", "bob-secret", Udp, bob as u32);
    it.world.run(61);
    assert!(matches!(it.last(cat), Indication::Ended(_)));
    it.world.run(40);
    assert_eq!(it.world.switch.counts().service_calls, 0);
}

#[test]
fn a_retriever_and_a_parked_phone_without_common_media_do_not_stay_connected() {
    let mut it = parked();
    let (bob, cat) = (it.bob, it.cat);
    it.world.phones[bob].answers_offers = false;
    it.world.phones[cat].late_offer = true;
    let theirs = it.world.phones[cat].call_with(it.world.now, "701", None, "");
    it.world.run(1);
    let (now, leg) = (it.world.now, it.leg);
    let phone = &mut it.world.phones[bob];
    phone.agent.refuse_offer(now, &mut phone.layer, leg, 488, "").unwrap();
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Ended(theirs));
    assert_eq!(it.last(bob), &Indication::Ended(leg));
    it.end();
}

#[test]
fn a_retrieved_call_can_be_parked_again() {
    let (mut it, theirs) = parked().retrieved();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    let now = it.world.now;
    let phone = &mut it.world.phones[cat];
    let fields = "Refer-To: <sip:709@example.org>\r\n";
    phone.agent.send_within(now, &mut phone.layer, theirs, Method::Refer, fields, None).unwrap();
    it.world.run(1);
    assert!(matches!(it.last(cat), Indication::Response(_, _, Failure::Status(202))));
    let refer = it.world.phones[bob].last(Method::Refer);
    assert_eq!(refer.header(Name::ReferTo), Some("<sip:709@example.org>"));
    let now = it.world.now;
    let phone = &mut it.world.phones[bob];
    let fields = "Event: refer;id=7\r\nSubscription-State: active\r\n";
    let body = Some(("message/sipfrag", &b"SIP/2.0 100 Trying\r\n"[..]));
    phone.agent.send_within(now, &mut phone.layer, leg, Method::Notify, fields, body).unwrap();
    let again = it.world.phones[bob].call(it.world.now, "709");
    it.world.run(1);
    let notify = it.world.phones[cat].last(Method::Notify);
    assert_eq!((notify.header(Name::Event), notify.body()), (Some("refer"), &b"SIP/2.0 100 Trying\r\n"[..]));
    assert!(it.world.phones[bob].indications.contains(&Indication::Answered(again)));
    it.hang_up(cat, theirs);
    let taken = it.world.phones[ann].call(it.world.now, "709");
    it.world.run(1);
    assert_eq!(it.last(ann), &Indication::Answered(taken));
    it.hang_up(ann, taken);
    it.end();
}

#[test]
fn both_learn_which_call_it_is() {
    let (one, two) = ("ab30317f1a784dc48ff824d0d3715d86", "47755a9de7794ba387653f2099600ef2");
    let mut it = parked();
    let (ann, bob, cat, leg) = (it.ann, it.bob, it.cat, it.leg);
    it.hang_up(bob, leg);
    let session = |own: &str| format!("Session-ID: {own};remote=00000000000000000000000000000000\r\n");
    let parked = it.world.phones[ann].call_with(it.world.now, "702", Some(SDP), &(session(one) + BY_ANN));
    it.world.run(1);
    let taken = it.world.phones[cat].call_with(it.world.now, "702", Some(SDP), &session(two));
    it.world.run(1);
    for (phone, own, other) in [(ann, one, two), (cat, two, one)] {
        let update = it.world.phones[phone].last(Method::Update);
        assert_eq!(update.header(Name::SessionId), Some(&*format!("{other};remote={own}")));
    }
    it.hang_up(cat, taken);
    assert_eq!(it.last(ann), &Indication::Ended(parked));
    it.end();
}

#[test]
fn both_learn_with_whom_they_talk() {
    let (mut it, theirs) = parked().retrieved();
    let (bob, cat) = (it.bob, it.cat);
    for (phone, other) in [(bob, "<sip:cat@example.org>"), (cat, "<sip:bob@example.org>")] {
        assert_eq!(it.world.phones[phone].count(Method::Update), 1);
        let update = it.world.phones[phone].last(Method::Update);
        assert_eq!(update.header(Name::PAssertedIdentity), Some(other));
        assert!(update.body().is_empty());
    }
    it.hang_up(cat, theirs);
    it.end();
}
