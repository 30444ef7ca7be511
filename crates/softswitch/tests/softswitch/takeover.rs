use super::phone::{Manner, SDP};
use super::world::{UDP, World};
use hookswitch_machine::Flow;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_sip::event::{DialogInfo, DialogState};
use hookswitch_sip::message::{Method, Name, Request, Response, Uri};
use hookswitch_sip::refer::{ReferTo, Replaces};
use hookswitch_sip::ua::{Failure, Indication, LegId};
use hookswitch_softswitch::{Features, Limits, Rule};

/// Ann talks with Bob (`call`) and with Cat (`consulted`); Dan is there.
struct Scene {
    world: World,
    ann: usize,
    bob: usize,
    cat: usize,
    dan: usize,
    call: LegId,
    consulted: LegId,
    /// What names the call with Cat to Cat.
    named: Replaces,
}

fn talking_with(features: Features, groups: [&[&str]; 4]) -> Scene {
    let [anns, bobs, cats, dans] = groups;
    let users = [("ann", anns), ("bob", bobs), ("cat", cats), ("dan", dans)];
    let mut world = World::of(Limits::default(), features, &users);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Tcp, Manner::Rings);
    let cat = world.phone("cat", Udp, Manner::Rings);
    let dan = world.phone("dan", Udp, Manner::Rings);
    let call = world.talk(ann, bob);
    let consulted = world.talk(ann, cat);
    let named = world.replaces(ann, consulted);
    Scene { world, ann, bob, cat, dan, call, consulted, named }
}

fn talking() -> Scene {
    talking_with(Features::default(), [&[]; 4])
}

impl Scene {
    /// A phone asks for Ann's place in the call with Cat; what it is answered.
    fn asks(&mut self, phone: usize) -> Result<LegId, Failure> {
        self.asks_at(phone, "sip:cat@example.org")
    }

    fn asks_at(&mut self, phone: usize, uri: &str) -> Result<LegId, Failure> {
        let fields = format!("Replaces: {}\r\n", self.named);
        self.invites(phone, uri, &fields)
    }

    fn invites(&mut self, phone: usize, uri: &str, fields: &str) -> Result<LegId, Failure> {
        let leg = self.world.phones[phone].call_at(self.world.now, uri, Some(SDP), fields);
        self.world.run(1);
        let end = self.world.phones[phone].indications.iter().find_map(|indication| match indication {
            Indication::Failed(of, failure) if *of == leg => Some(*failure),
            _ => None,
        });
        end.map_or(Ok(leg), Err)
    }

    /// What gives Ann's place in the call with Cat to whoever gets it.
    fn place(&self, uri: &str) -> String {
        ReferTo::new(&Uri::parse(uri).unwrap(), Some(self.named.clone())).to_string()
    }

    fn was_asked(&self, phone: usize) -> bool {
        self.world.phones[phone].indications.iter().any(|i| matches!(i, Indication::Replacing { .. }))
    }

    fn watches(&mut self, phone: usize, whom: &str) -> DialogInfo {
        self.world.phones[phone].subscribe(self.world.now, whom, "", "dialog", 600);
        self.world.run(1);
        let (_, body) = self.world.phones[phone].notified().pop().unwrap();
        DialogInfo::parse(body.as_bytes()).unwrap()
    }

    fn end(mut self) {
        self.world.calm_down();
        self.world.drain();
    }
}

const REFUSED: Result<LegId, Failure> = Err(Failure::Status(403));

#[test]
fn whoever_may_watch_neither_learns_what_an_answered_call_is_called_nor_takes_it() {
    let mut it = talking();
    let (ann, cat, dan) = (it.ann, it.cat, it.dan);
    let shown = it.watches(dan, "cat");
    let talks = &shown.dialogs[0];
    assert_eq!((shown.dialogs.len(), talks.state), (1, DialogState::Confirmed), "the lamp is true");
    assert_eq!((&talks.call_id, &talks.local_tag, &talks.remote_tag), (&None, &None, &None));
    assert_eq!(talks.remote.identity.as_deref(), Some("sip:ann@example.org"));
    // It may know all the same, from when it rang.
    assert_eq!(it.asks(dan), REFUSED);
    let dialog = it.world.phones[ann].agent.dialog(it.consulted).unwrap();
    let (to, from) = (dialog.local_tag().to_owned(), dialog.remote_tag().to_owned());
    let fields = format!("Replaces: {};to-tag={to};from-tag={from}\r\n", dialog.call_id());
    assert_eq!(it.invites(dan, "sip:ann@example.org", &fields), REFUSED, "the caller's side no more");
    // What does not exist is refused in the same way.
    let fields = "Replaces: nothing;to-tag=1;from-tag=2\r\n";
    assert_eq!(it.invites(dan, "sip:cat@example.org", fields), REFUSED);
    assert!(!it.was_asked(cat) && !it.was_asked(ann));
    let own = it.watches(cat, "cat");
    assert_eq!(own.dialogs[0].call_id.as_deref(), Some(&*it.named.call_id), "one's own calls have a name");
    it.end();
}

#[test]
fn a_transfer_with_consultation_passes() {
    for at_contact in [false, true] {
        let mut it = talking();
        let (ann, bob, cat, dan, call) = (it.ann, it.bob, it.cat, it.dan, it.call);
        let uri = if at_contact {
            it.world.phones[cat].contact.to_string()
        } else {
            "sip:cat@example.org".to_owned()
        };
        assert_eq!(it.asks_at(bob, &uri), REFUSED, "nothing was given yet");
        let refer_to = it.place(&uri);
        it.world.refer(ann, call, &refer_to);
        assert_eq!(it.asks_at(dan, &uri), REFUSED, "it was given to another");
        let taken = it.asks_at(bob, &uri).unwrap();
        assert!(it.was_asked(cat));
        let theirs = it.world.phones[cat].answer(it.world.now);
        it.world.run(1);
        assert!(it.world.phones[bob].indications.contains(&Indication::Answered(taken)));
        assert!(it.world.phones[ann].indications.contains(&Indication::Ended(it.consulted)));
        it.world.phones[cat].hang_up(it.world.now, theirs);
        it.world.run(1);
        assert!(it.world.phones[bob].indications.contains(&Indication::Ended(taken)));
        it.end();
    }
}

#[test]
fn the_one_who_was_consulted_may_have_called_and_the_refer_may_come_outside_a_dialog() {
    let mut it = talking();
    let (ann, bob, dan) = (it.ann, it.bob, it.dan);
    let from_dan = it.world.talk(dan, ann);
    let theirs = *it.world.phones[ann].incoming.last().unwrap();
    it.named = it.world.replaces(ann, theirs);
    let refer_to = it.place(&it.world.phones[dan].contact.clone());
    let now = it.world.now;
    let phone = &mut it.world.phones[ann];
    let (flow, account, contact) = (phone.flow, Some(phone.account), phone.contact.clone());
    phone
        .agent
        .send_outside(now, &mut phone.layer, flow, account, Method::Refer, |via, by, branch| {
            Request::new(Method::Refer, "sip:bob@example.org")
                .via(via.via_name(), by, branch)
                .max_forwards(70)
                .header(Name::From, "<sip:ann@example.org>;tag=o")
                .header(Name::To, "<sip:bob@example.org>")
                .call_id("outside")
                .cseq(1, Method::Refer)
                .header(Name::Contact, format_args!("<{contact}>"))
                .header(Name::ReferTo, &refer_to)
                .finish()
        })
        .unwrap();
    it.world.run(1);
    let uri = it.world.phones[dan].contact.to_string();
    assert!(it.asks_at(bob, &uri).is_ok());
    assert!(it.was_asked(dan));
    it.world.phones[dan].answer(it.world.now);
    it.world.run(1);
    assert!(it.world.phones[dan].indications.contains(&Indication::HungUp(from_dan)));
    it.end();
}

#[test]
fn nobody_gives_what_is_not_its_own() {
    let mut it = talking();
    let (bob, cat, dan) = (it.bob, it.cat, it.dan);
    // Dan and Bob talk, and Dan sends Bob into the call of Ann and Cat.
    let call = it.world.talk(dan, bob);
    let refer_to = it.place("sip:cat@example.org");
    it.world.refer(dan, call, &refer_to);
    assert_eq!(it.asks(bob), REFUSED);
    assert!(!it.was_asked(cat));
    it.end();
}

/// A request that Bob writes in Ann's name in their dialog.
fn forged_refer(it: &Scene, refer_to: &str) -> String {
    let dialog = it.world.phones[it.ann].agent.dialog(it.call).unwrap();
    format!(
        "REFER {} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bK-forged\r\nRoute: {}\r\nMax-Forwards: 70\r\n\
         From: {};tag={}\r\nTo: {};tag={}\r\nCall-ID: {}\r\nCSeq: 90000000 REFER\r\nContact: <sip:ann@192.0.2.66>\r\n\
         Refer-To: {refer_to}\r\n\r\n",
        dialog.target(),
        dialog.routes(),
        dialog.local(),
        dialog.local_tag(),
        dialog.remote(),
        dialog.remote_tag(),
        dialog.call_id()
    )
}

#[test]
fn a_refer_that_the_other_side_wrote_itself_gives_nothing() {
    let mut it = talking();
    let (bob, cat) = (it.bob, it.cat);
    let text = forged_refer(&it, &it.place("sip:cat@example.org"));
    it.world.send(([192, 0, 2, 66], 5060).into(), &text);
    it.world.run(1);
    assert_eq!(it.asks(bob), REFUSED);
    let flow = it.world.flow_to(bob);
    let bytes = bytes::Bytes::from(text.replace("-forged", "-again").into_bytes());
    it.world.input(hookswitch_machine::Input::Received { flow, bytes });
    it.world.run(1);
    assert_eq!(it.asks(bob), REFUSED);
    // On Ann's own path it is Ann's.
    let address = it.world.phones[it.ann].address;
    let flow = Flow::to(UDP, address);
    let bytes = bytes::Bytes::from(text.replace("-forged", "-true").into_bytes());
    it.world.input(hookswitch_machine::Input::Received { flow, bytes });
    it.world.run(1);
    assert!(it.asks(bob).is_ok());
    assert!(it.was_asked(cat));
    it.end();
}

#[test]
fn what_was_given_is_forgotten_after_a_minute() {
    let mut it = talking();
    let (ann, bob, call) = (it.ann, it.bob, it.call);
    let refer_to = it.place("sip:cat@example.org");
    it.world.refer(ann, call, &refer_to);
    it.world.run(60);
    assert_eq!(it.asks(bob), REFUSED);
    it.end();
}

#[test]
fn another_phone_of_the_same_user_takes_the_call_over() {
    let mut it = talking();
    let (ann, cat) = (it.ann, it.cat);
    let second = it.world.phone("ann", Tcp, Manner::Rings);
    let taken = it.asks(second).unwrap();
    assert!(it.was_asked(cat));
    it.world.phones[cat].answer(it.world.now);
    it.world.run(1);
    assert!(it.world.phones[second].indications.contains(&Indication::Answered(taken)));
    assert!(it.world.phones[ann].indications.contains(&Indication::Ended(it.consulted)));
    it.end();
}

#[test]
fn what_was_answered_is_for_the_callees_group_where_one_is_asked_for() {
    let features = Features { who_may_pick_up: Rule::SameGroup, ..Features::default() };
    let groups: [&[&str]; 4] = [&["a"], &["sales"], &["sales"], &["a"]];
    let mut it = talking_with(features, groups);
    let (bob, dan) = (it.bob, it.dan);
    assert_eq!(it.watches(bob, "cat").dialogs[0].call_id.as_deref(), Some(&*it.named.call_id));
    assert_eq!(it.watches(dan, "cat").dialogs[0].call_id, None);
    assert_eq!(it.asks(dan), REFUSED, "the caller's group is another");
    assert!(it.asks(bob).is_ok());
    it.end();
}

#[test]
fn a_watcher_that_may_not_pick_up_does_not_learn_what_rings_is_called() {
    let features = Features { who_may_pick_up: Rule::SameGroup, ..Features::default() };
    let groups: [&[&str]; 4] = [&["a"], &["sales"], &["sales"], &["a"]];
    let mut it = talking_with(features, groups);
    let (bob, cat, dan) = (it.bob, it.cat, it.dan);
    let ringing = it.world.phones[dan].call(it.world.now, "cat");
    it.world.run(1);
    let of = |info: &DialogInfo| {
        let early = info.dialogs.iter().find(|dialog| dialog.state == DialogState::Early).unwrap();
        early.call_id.is_some()
    };
    assert!(of(&it.watches(bob, "cat")));
    assert!(!of(&it.watches(it.ann, "cat")));
    let _ = (cat, ringing);
    it.end();
}

#[test]
fn a_redirection_leads_nobody_around_the_rule() {
    for leads_to in ["sip:cat@example.org", "sip:ann@example.org", "sip:*8cat@example.org"] {
        let mut it = talking();
        let (ann, cat, dan) = (it.ann, it.cat, it.dan);
        it.world.stock(2);
        // Dan's own second phone would send it on, with the Replaces in it.
        let second = it.world.phone("dan", Tcp, Manner::Redirects(leads_to.into()));
        it.world.phones[dan].manner = Manner::Redirects(leads_to.into());
        let before = it.world.phones[second].count(Method::Invite);
        assert_eq!(it.asks_at(dan, "sip:dan@example.org"), REFUSED, "{leads_to}");
        assert_eq!(it.world.phones[second].count(Method::Invite), before);
        assert!(!it.was_asked(cat) && !it.was_asked(ann));
        // What rings is not picked up through a redirection either.
        let plain = it.invites(dan, "sip:dan@example.org", "");
        assert!(leads_to != "sip:*8cat@example.org" || plain == Err(Failure::Status(404)), "{plain:?}");
        it.end();
    }
}

#[test]
fn a_redirection_to_the_code_does_not_pick_up_what_a_group_keeps() {
    let features = Features { who_may_pick_up: Rule::SameGroup, ..Features::default() };
    let groups: [&[&str]; 4] = [&["a"], &["b"], &["c"], &["d"]];
    let mut it = talking_with(features, groups);
    let (ann, bob, dan) = (it.ann, it.bob, it.dan);
    it.world.stock(2);
    it.world.phones[ann].call(it.world.now, "bob");
    it.world.run(1);
    let ringing = *it.world.phones[bob].incoming.last().unwrap();
    let rings = it.world.phones[bob].agent.dialog(ringing).unwrap();
    let named = format!(
        "Replaces: {};to-tag={};from-tag={}\r\n",
        rings.call_id(),
        rings.remote_tag(),
        rings.local_tag()
    );
    for leads_to in ["sip:*8bob@example.org", "sip:*8@example.org", "sip:ann@example.org"] {
        it.world.phones[dan].manner = Manner::Redirects(leads_to.into());
        for fields in [named.as_str(), ""] {
            let asked = it.invites(dan, "sip:dan@example.org", fields);
            assert!(asked.is_err() || leads_to == "sip:ann@example.org" && fields.is_empty(), "{leads_to}");
        }
        assert!(!it.was_asked(ann), "{leads_to}");
        assert!(!it.world.phones[bob].indications.contains(&Indication::Cancelled(ringing)), "{leads_to}");
    }
    it.end();
}

#[test]
fn a_call_of_the_same_name_opens_no_door() {
    let mut it = talking();
    let (ann, dan) = (it.ann, it.dan);
    let dialog = it.world.phones[ann].agent.dialog(it.consulted).unwrap();
    let (call_id, own, other) =
        (dialog.call_id().to_owned(), dialog.local_tag().to_owned(), dialog.remote_tag().to_owned());
    // Dan makes a call with the Call-ID and the tag of Ann's.
    let now = it.world.now;
    let phone = &mut it.world.phones[dan];
    let (flow, account, contact) = (phone.flow, Some(phone.account), phone.contact.clone());
    phone
        .agent
        .send_outside(now, &mut phone.layer, flow, account, Method::Invite, |via, by, branch| {
            Request::new(Method::Invite, "sip:bob@example.org")
                .via(via.via_name(), by, branch)
                .max_forwards(70)
                .header(Name::From, format_args!("<sip:dan@example.org>;tag={own}"))
                .header(Name::To, "<sip:bob@example.org>")
                .call_id(&call_id)
                .cseq(1, Method::Invite)
                .header(Name::Contact, format_args!("<{contact}>"))
                .body("application/sdp", SDP.as_bytes())
                .finish()
        })
        .unwrap();
    it.world.run(1);
    assert_eq!(it.world.switch.counts().calls, 3, "it is remembered like any other");
    let fields = format!("Replaces: {call_id};to-tag={own};from-tag={other}\r\n");
    assert_eq!(it.invites(dan, "sip:ann@example.org", &fields), REFUSED);
    assert!(!it.was_asked(ann));
}

#[test]
fn a_place_beside_somebody_is_for_the_two_as_well_and_none_is_asked_for_within_a_dialog() {
    let mut it = talking();
    let (ann, bob, cat, dan) = (it.ann, it.bob, it.cat, it.dan);
    let named = it.named.to_string();
    assert_eq!(it.invites(dan, "sip:cat@example.org", &format!("Join: {named}\r\n")), REFUSED);
    // It was given for Ann's place, not for one beside her.
    let (call, refer_to) = (it.call, it.place("sip:cat@example.org"));
    it.world.refer(ann, call, &refer_to);
    assert_eq!(it.invites(bob, "sip:cat@example.org", &format!("Join: {named}\r\n")), REFUSED);
    for fields in ["Replaces: x\r\n".to_owned(), format!("Join: {named}\r\nReplaces: {named}\r\n")] {
        let malformed = Err(Failure::Status(400));
        assert_eq!(it.invites(bob, "sip:cat@example.org", &fields), malformed, "{fields}");
    }
    let before = it.world.phones[cat].count(Method::Invite);
    let mut text = forged_refer(&it, "<sip:x@example.org>").replace("REFER", "INVITE");
    text = text.replace("\r\nRefer-To: ", &format!("\r\nReplaces: {named}\r\nX: "));
    it.world.send(it.world.phones[ann].address, &text);
    it.world.run(1);
    assert!(
        it.world.phones[ann].heard.iter().any(|m| m.status() == Some(403) && m.cseq().number == 90_000_000)
    );
    assert_eq!(it.world.phones[bob].count(Method::Invite), 1);
    assert_eq!(it.world.phones[cat].count(Method::Invite), before);
    it.end();
}

#[test]
fn what_was_permitted_while_it_rang_is_not_redirected_to_what_was_answered_since() {
    let mut it = talking();
    let (ann, bob, dan) = (it.ann, it.bob, it.dan);
    // Everybody may fetch what rings at Bob, at its caller too; but Dan sends the INVITE to a phone of his own, which waits.
    let second = it.world.phone("dan", Udp, Manner::Rings);
    it.world.phones[second].silent = true;
    it.world.phones[ann].call(it.world.now, "bob");
    it.world.run(1);
    let ringing = *it.world.phones[bob].incoming.last().unwrap();
    let named = it.world.replaces(bob, ringing);
    it.world.phones[dan].manner = Manner::Refuses(486);
    let fields = format!("Replaces: {named}\r\n");
    let asked = it.invites(dan, "sip:dan@example.org", &fields).expect("it waits");
    it.world.phones[bob].answer(it.world.now);
    it.world.run(1);
    let invite = it.world.phones[second].last(Method::Invite);
    let moved = Response::to(invite, 302).to_tag("x").header(Name::Contact, "<sip:ann@example.org>").finish();
    let address = it.world.phones[second].address;
    it.world.send(address, std::str::from_utf8(&moved).unwrap());
    it.world.run(1);
    assert!(!it.was_asked(ann), "ann's phone would have given her call with bob away");
    assert!(it.world.phones[dan].indications.contains(&Indication::Redirected(asked)));
    // Where it leads is asked for anew.
    assert_eq!(it.invites(dan, "sip:ann@example.org", &fields), REFUSED);
    let now = it.world.now;
    let phone = &mut it.world.phones[dan];
    phone.agent.abandon(now, &mut phone.layer, asked);
    it.world.phones[second].silent = false;
    it.end();
}

#[test]
fn whoever_may_fetch_what_rings_gets_it_only_while_it_rings() {
    let mut it = talking();
    let (ann, bob, dan) = (it.ann, it.bob, it.dan);
    let second = it.world.phone("bob", Udp, Manner::Rings);
    it.world.phones[ann].call(it.world.now, "bob");
    it.world.run(1);
    let ringing = *it.world.phones[bob].incoming.last().unwrap();
    let named = it.world.replaces(bob, ringing);
    // Between the switch and Ann's phone it may be answered.
    for (phone, expected) in [(dan, format!("{named};early-only")), (second, named.to_string())] {
        let asked = it.invites(phone, "sip:ann@example.org", &format!("Replaces: {named}\r\n"));
        assert!(asked.is_ok());
        let invite = it.world.phones[ann].last(Method::Invite);
        assert_eq!(invite.header(Name::Replaces).map(str::to_owned), Some(expected));
    }
    it.end();
}
