use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Transport::{self, Tcp, Udp};
use hookswitch_sip::message::{Message, Method, Name};
use hookswitch_sip::ua::{Failure, Indication, LegId};
use hookswitch_softswitch::{Features, Limits, Rule};

fn sdp(port: u16) -> String {
    SDP.replace("4000", &port.to_string())
}

fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

struct Scene {
    world: World,
    ann: usize,
    bob: usize,
    cat: usize,
    /// Ann's call to Bob.
    call: LegId,
}

/// Ann calls Bob, whose phone rings; Cat is there.
fn ringing_with(features: Features, transport: Transport, offer: Option<&str>) -> Scene {
    let mut world = World::made(Limits::default(), features);
    world.stock(20);
    let ann = world.phone("ann", transport, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    let cat = world.phone("cat", Udp, Manner::Rings);
    world.phones[ann].late_offer = offer.is_none();
    let call = world.phones[ann].call_with(world.now, "bob", offer, "");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Progress(call)));
    Scene { world, ann, bob, cat, call }
}

fn ringing() -> Scene {
    ringing_with(Features::default(), Udp, Some(&sdp(5_000)))
}

impl Scene {
    fn last(&self, phone: usize) -> &Indication {
        self.world.phones[phone].indications.last().unwrap()
    }

    fn assert_picked_up(&self) {
        assert!(matches!(self.last(self.bob), Indication::Cancelled(_)));
        let reason = self.world.phones[self.bob].last(Method::Cancel).header(Name::Reason);
        assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
        assert!(self.world.phones[self.ann].indications.contains(&Indication::Answered(self.call)));
    }

    fn hang_up(&mut self, phone: usize, leg: LegId) {
        let now = self.world.now;
        self.world.phones[phone].hang_up(now, leg);
        self.world.run(1);
    }
}

#[test]
fn a_ringing_call_is_picked_up_by_its_code_or_by_the_group_alone() {
    for (code, transport) in [("*8bob", Udp), ("*8", Tcp)] {
        for caller_ends in [true, false] {
            let mut it = ringing_with(Features::default(), transport, Some(&sdp(5_000)));
            let (ann, cat, call) = (it.ann, it.cat, it.call);
            let picked = it.world.phones[cat].call_with(it.world.now, code, Some(&sdp(6_000)), "");
            it.world.run(1);
            it.assert_picked_up();
            let to_cat = body(it.world.phones[cat].last(Method::Invite));
            assert!(to_cat.contains("m=audio 5000 "), "{to_cat}");
            let to_ann = it.world.phones[ann].heard.iter().rfind(|m| m.status() == Some(200)).unwrap();
            assert!(body(to_ann).contains("m=audio 4000 "), "cat's answer");
            let told = |phone: usize| {
                it.world.phones[phone]
                    .last(Method::Update)
                    .header(Name::PAssertedIdentity)
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(
                (told(ann), told(cat)),
                ("<sip:cat@example.org>".into(), "<sip:ann@example.org>".into())
            );
            if caller_ends {
                it.hang_up(ann, call);
                assert_eq!(it.last(cat), &Indication::Ended(picked));
            } else {
                it.hang_up(cat, picked);
                assert_eq!(it.last(ann), &Indication::Ended(call));
            }
            it.world.drain();
        }
    }
}

#[test]
fn caller_and_picker_may_each_leave_the_offer_to_the_other() {
    for (caller_offers, picker_offers) in [(false, true), (true, false), (false, false)] {
        let offer = sdp(5_000);
        let mut it = ringing_with(Features::default(), Udp, caller_offers.then_some(&offer));
        let (ann, bob, cat, call) = (it.ann, it.bob, it.cat, it.call);
        let mine = sdp(6_000);
        it.world.phones[cat].late_offer = !picker_offers;
        let picked =
            it.world.phones[cat].call_with(it.world.now, "*8bob", picker_offers.then_some(&mine), "");
        it.world.run(1);
        if caller_offers || picker_offers {
            it.assert_picked_up();
            assert_eq!(it.last(cat), &Indication::Answered(picked));
            it.hang_up(ann, call);
            assert_eq!(it.last(cat), &Indication::Ended(picked));
        } else {
            assert_eq!(it.last(cat), &Indication::Failed(picked, Failure::Status(488)));
            assert!(matches!(it.last(bob), Indication::Incoming(_)), "it goes on ringing");
            it.hang_up(ann, call);
        }
        it.world.drain();
    }
}

#[test]
fn there_must_be_something_that_rings_and_the_rule_must_permit_it() {
    let features = Features { who_may_pick_up: Rule::SameGroup, ..Features::default() };
    let mut world =
        World::grouped(features, &[("ann", &[]), ("bob", &["sales"]), ("cat", &["sales"]), ("dan", &[])]);
    world.stock(20);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    let cat = world.phone("cat", Udp, Manner::Rings);
    let dan = world.phone("dan", Udp, Manner::Rings);
    let expect = |world: &mut World, phone: usize, code: &str, status: u16| {
        let leg = world.phones[phone].call(world.now, code);
        world.run(1);
        let failed = Indication::Failed(leg, Failure::Status(status));
        assert_eq!(world.phones[phone].indications.last(), Some(&failed), "{code}");
    };
    expect(&mut world, cat, "*8bob", 480);
    expect(&mut world, cat, "*8", 480);
    expect(&mut world, cat, "*8nobody", 404);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    expect(&mut world, dan, "*8bob", 403);
    expect(&mut world, dan, "*8", 480);
    expect(&mut world, ann, "*8bob", 403);
    let picked = world.phones[cat].call(world.now, "*8");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(call)));
    expect(&mut world, bob, "*8", 480);
    world.phones[cat].hang_up(world.now, picked);
    world.run(1);
    world.drain();
}

#[test]
fn of_two_pickers_one_gets_the_call() {
    let mut it = ringing();
    let (ann, bob, cat) = (it.ann, it.bob, it.cat);
    let dan = it.world.phone("cat", Tcp, Manner::Rings);
    let now = it.world.now;
    let first = it.world.phones[cat].call(now, "*8bob");
    let second = it.world.phones[dan].call(now, "*8bob");
    it.world.run(1);
    it.assert_picked_up();
    let answered = [(cat, first), (dan, second)]
        .iter()
        .filter(|(phone, leg)| it.world.phones[*phone].indications.contains(&Indication::Answered(*leg)))
        .count();
    assert_eq!(answered, 1);
    let call = it.call;
    it.hang_up(ann, call);
    assert_eq!(it.world.switch.counts().service_calls, 0);
    assert_eq!(it.world.phones[bob].count(Method::Cancel), 1);
    it.world.drain();
}

#[test]
fn a_caller_that_gives_up_meanwhile_is_not_picked_up() {
    let mut it = ringing();
    let (ann, cat, call) = (it.ann, it.cat, it.call);
    it.world.phones[cat].answers_offers = false;
    let picked = it.world.phones[cat].call(it.world.now, "*8bob");
    it.world.run(1);
    it.hang_up(ann, call);
    let now = it.world.now;
    let phone = &mut it.world.phones[cat];
    phone.agent.answer_offer(now, &mut phone.layer, picked, Some(SDP.as_bytes())).unwrap();
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Ended(picked));
    it.world.drain();
}

#[test]
fn a_picker_that_gives_up_leaves_it_ringing_for_the_next() {
    let mut it = ringing();
    let (ann, bob, cat, call) = (it.ann, it.bob, it.cat, it.call);
    it.world.phones[cat].answers_offers = false;
    let picked = it.world.phones[cat].call(it.world.now, "*8bob");
    it.world.run(1);
    it.hang_up(cat, picked);
    assert!(matches!(it.last(bob), Indication::Incoming(_)));
    it.world.phones[cat].answers_offers = true;
    it.world.phones[cat].call(it.world.now, "*8bob");
    it.world.run(1);
    it.assert_picked_up();
    it.hang_up(ann, call);
    it.world.drain();
}

#[test]
fn a_caller_that_understands_replaces_is_picked_up_through_the_proxy() {
    let mut it = ringing();
    let (ann, bob, cat, call) = (it.ann, it.bob, it.cat, it.call);
    // Ann has another phone, which does not know the dialog.
    let other = it.world.phone("ann", Tcp, Manner::Rings);
    let theirs = *it.world.phones[bob].incoming.last().unwrap();
    let dialog = it.world.phones[bob].agent.dialog(theirs).unwrap();
    let (call_id, to, from) = (dialog.call_id(), dialog.remote_tag(), dialog.local_tag());
    let replaces = format!("Replaces: {call_id};to-tag={to};from-tag={from};early-only\r\n");
    let picked = it.world.phones[cat].call_with(it.world.now, "ann", Some(SDP), &replaces);
    it.world.run(1);
    assert_eq!(it.world.phones[other].count(Method::Invite), 0, "only the phone that calls");
    let invite = it.world.phones[ann].last(Method::Invite);
    assert_eq!(invite.header(Name::Replaces), Some(replaces.trim_end().split_once(": ").unwrap().1));
    let mine = it.world.phones[ann].answer(it.world.now);
    it.world.run(1);
    assert!(it.world.phones[ann].indications.contains(&Indication::HungUp(call)));
    assert_eq!(it.last(cat), &Indication::Answered(picked));
    it.assert_cancelled_elsewhere();
    it.hang_up(ann, mine);
    it.world.drain();
}

impl Scene {
    fn assert_cancelled_elsewhere(&self) {
        let reason = self.world.phones[self.bob].last(Method::Cancel).header(Name::Reason);
        assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    }
}

#[test]
fn without_a_port_the_picker_is_refused_and_it_goes_on_ringing() {
    let mut it = ringing();
    let (ann, bob, cat, call) = (it.ann, it.bob, it.cat, it.call);
    let mut first = Vec::new();
    for _ in 0..20 {
        first.push(it.world.phones[cat].call(it.world.now, "602"));
        it.world.run(1);
    }
    let picked = it.world.phones[cat].call(it.world.now, "*8bob");
    it.world.run(1);
    assert_eq!(it.last(cat), &Indication::Failed(picked, Failure::Status(503)));
    assert!(matches!(it.last(bob), Indication::Incoming(_)));
    it.world.stock(1);
    let picked = it.world.phones[cat].call(it.world.now, "*8bob");
    it.world.run(1);
    it.assert_picked_up();
    for leg in first {
        it.hang_up(cat, leg);
    }
    it.hang_up(ann, call);
    assert_eq!(it.last(cat), &Indication::Ended(picked));
    it.world.drain();
}

#[test]
fn a_call_that_was_redirected_is_picked_up_where_it_rings() {
    let users: [(&str, &[&str]); 4] = [("ann", &[]), ("bob", &[]), ("cat", &[]), ("dan", &[])];
    let mut world = World::of(Limits::default(), Features::default(), &users);
    world.stock(2);
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Redirects("sip:cat@example.org".into()));
    let cat = world.phone("cat", Udp, Manner::Rings);
    let second = world.phone("dan", Tcp, Manner::Rings);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Progress(call)));
    let nothing = world.phones[second].call(world.now, "*8bob");
    world.run(1);
    let failed = Indication::Failed(nothing, Failure::Status(480));
    assert_eq!(world.phones[second].indications.last(), Some(&failed));
    let picked = world.phones[second].call(world.now, "*8cat");
    world.run(1);
    assert!(world.phones[ann].indications.contains(&Indication::Answered(call)));
    assert!(matches!(world.phones[cat].indications.last(), Some(Indication::Cancelled(_))));
    world.phones[second].hang_up(world.now, picked);
    world.run(1);
    world.drain();
}

#[test]
fn whoever_may_not_pick_up_may_not_by_replaces_either() {
    let features = Features { who_may_pick_up: Rule::SameGroup, ..Features::default() };
    let mut world =
        World::grouped(features, &[("ann", &[]), ("bob", &["sales"]), ("cat", &["sales"]), ("dan", &[])]);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let _bob = world.phone("bob", Udp, Manner::Rings);
    let cat = world.phone("cat", Udp, Manner::Rings);
    let dan = world.phone("dan", Udp, Manner::Rings);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    for (phone, permitted) in [(dan, false), (cat, true)] {
        world.phones[phone].subscribe(world.now, "bob", "", "dialog", 600);
        world.run(1);
        let (_, body) = world.phones[phone].notified().pop().unwrap();
        let info = hookswitch_sip::event::DialogInfo::parse(body.as_bytes()).unwrap();
        let rings = &info.dialogs[0];
        let replaces =
            hookswitch_sip::refer::Replaces::of_watched(rings).map(|replaces| replaces.to_string());
        // Whoever has no right to it can still have guessed it.
        let replaces = replaces.unwrap_or_else(|| {
            let dialog = world.phones[ann].agent.dialogs(call).next().unwrap();
            let (to, from) = (dialog.local_tag(), dialog.remote_tag());
            format!("{};to-tag={to};from-tag={from};early-only", dialog.call_id())
        });
        let before = world.phones[ann].indications.len();
        let leg =
            world.phones[phone].call_with(world.now, "ann", Some(SDP), &format!("Replaces: {replaces}\r\n"));
        world.run(1);
        let reached = world.phones[ann].indications[before..]
            .iter()
            .any(|indication| matches!(indication, Indication::Replacing { .. }));
        assert_eq!(reached, permitted);
        let refused = Indication::Failed(leg, Failure::Status(403));
        assert_eq!(world.phones[phone].indications.contains(&refused), !permitted);
    }
}
