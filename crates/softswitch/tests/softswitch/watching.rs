use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Input;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_sip::event::{
    DialogInfo, DialogState, Direction, MessageClass, MessageSummary, WatchedDialog,
};
use hookswitch_sip::message::{Method, Name};
use hookswitch_sip::ua::{Failure, Indication};
use hookswitch_softswitch::{
    Direction as Way, Event, Features, Limits, Messages, PhoneCallState, Request, Rule, Snapshot,
};
use std::net::SocketAddr;

fn info(body: &str) -> DialogInfo {
    DialogInfo::parse(body.as_bytes()).unwrap()
}

fn last(world: &World, phone: usize) -> (String, DialogInfo) {
    let (state, body) = world.phones[phone].notified().pop().expect("a NOTIFY");
    (state, info(&body))
}

/// The tag that the switch gave the subscription.
fn tag(world: &World, phone: usize) -> String {
    let notify = world.phones[phone].last(Method::Notify);
    notify.from_tag().unwrap().to_owned()
}

fn only(info: &DialogInfo) -> &WatchedDialog {
    assert_eq!(info.dialogs.len(), 1, "{info}");
    &info.dialogs[0]
}

fn set(world: &mut World, user: &str, new: u32, old: u32) {
    let messages = Messages { new, old };
    world.input(Input::Request(Request::SetMessages { user: user.into(), messages }));
    world.run(1);
}

fn snapshot(world: &mut World) -> Snapshot {
    world.input(Input::Request(Request::Snapshot));
    let last = world.events.pop();
    let Some(Event::Snapshot(snapshot)) = last else { panic!("{last:?}") };
    snapshot
}

struct Scene {
    world: World,
    ann: usize,
    bob: usize,
    cat: usize,
}

/// Cat watches Bob.
fn watching_with(limits: Limits, features: Features) -> Scene {
    let mut world = World::made(limits, features);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    let cat = world.phone("cat", Tcp, Manner::Rings);
    world.phones[cat].subscribe(world.now, "bob", "", "dialog", 600);
    world.run(1);
    Scene { world, ann, bob, cat }
}

fn watching() -> Scene {
    watching_with(Limits::default(), Features::default())
}

#[test]
fn a_busy_lamp_follows_a_call_from_its_beginning_to_its_end() {
    let Scene { mut world, ann, bob, cat } = watching();
    assert_eq!(world.phones[cat].finals(Method::Subscribe), [407, 200]);
    let (state, first) = last(&world, cat);
    assert_eq!(state, "active;expires=600");
    assert_eq!((first.version, first.full, first.entity.as_str()), (0, true, "sip:bob@example.org"));
    assert!(first.dialogs.is_empty());

    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let (_, rings) = last(&world, cat);
    let dialog = only(&rings);
    assert_eq!((dialog.state, dialog.direction), (DialogState::Early, Some(Direction::Recipient)));
    assert_eq!(dialog.remote.identity.as_deref(), Some("sip:ann@example.org"));
    assert_eq!(dialog.remote.target.as_deref(), Some("sip:ann@example.org"));
    assert_eq!(dialog.local.identity.as_deref(), Some("sip:bob@example.org"));
    let theirs = *world.phones[bob].incoming.last().unwrap();
    let at_bob = world.phones[bob].agent.dialog(theirs).unwrap();
    assert_eq!(dialog.call_id.as_deref(), Some(at_bob.call_id()));
    assert_eq!(dialog.local_tag.as_deref(), Some(at_bob.local_tag()));
    assert_eq!(dialog.remote_tag.as_deref(), Some(at_bob.remote_tag()));

    world.phones[bob].answer(world.now);
    world.run(1);
    let (_, talks) = last(&world, cat);
    assert_eq!((only(&talks).state, &only(&talks).id), (DialogState::Confirmed, &dialog.id));
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    let (_, over) = last(&world, cat);
    assert_eq!((only(&over).state, &only(&over).id), (DialogState::Terminated, &dialog.id));
    let versions: Vec<u32> =
        world.phones[cat].notified().iter().map(|(_, body)| info(body).version).collect();
    assert_eq!(versions, (0..versions.len() as u32).collect::<Vec<_>>());
    world.drain();
}

#[test]
fn the_lamp_of_the_caller_and_calls_that_are_not_answered_are_seen_too() {
    let Scene { mut world, ann, bob, cat } = watching();
    world.phones[cat].subscribe(world.now, "ann", "", "dialog", 600);
    world.phones[bob].manner = Manner::Refuses(486);
    world.run(1);
    world.phones[ann].call(world.now, "bob");
    world.run(1);
    let bodies = world.phones[cat].notified();
    let of = |user: &str| -> Vec<DialogInfo> {
        let entity = format!("sip:{user}@example.org");
        bodies.iter().map(|(_, body)| info(body)).filter(|info| info.entity == entity).collect()
    };
    let caller = of("ann").pop().unwrap();
    assert_eq!(only(&caller).direction, Some(Direction::Initiator));
    assert_eq!(only(&caller).state, DialogState::Terminated);
    assert_eq!(only(&of("bob").pop().unwrap()).state, DialogState::Terminated);
    world.drain();
}

#[test]
fn a_subscription_begins_with_the_calls_that_are_and_is_refreshed_and_ended() {
    let mut world = World::new();
    world.stock(2);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let cat = world.phone("cat", Udp, Manner::Rings);
    let call = world.phones[ann].call(world.now, "602");
    world.run(1);
    world.phones[cat].subscribe(world.now, "ann", "", "dialog", 100);
    world.run(1);
    let (_, busy) = last(&world, cat);
    assert_eq!(only(&busy).state, DialogState::Confirmed);
    assert_eq!(only(&busy).remote.identity.as_deref(), Some("sip:602@example.org"));
    world.run(80);
    let tag = tag(&world, cat);
    world.phones[cat].subscribe(world.now, "ann", &tag, "dialog", 100);
    world.run(80);
    assert_eq!(world.switch.counts().subscriptions, 1, "it was refreshed");
    assert_eq!(last(&world, cat).0, "active;expires=100");
    world.phones[cat].subscribe(world.now, "ann", &tag, "dialog", 0);
    world.run(1);
    let (state, at_last) = last(&world, cat);
    assert_eq!(state, "terminated;reason=timeout");
    assert_eq!(at_last.dialogs.len(), 1);
    assert_eq!(world.switch.counts().subscriptions, 0);
    world.phones[cat].subscribe(world.now, "ann", &tag, "dialog", 100);
    world.run(1);
    assert_eq!(world.phones[cat].finals(Method::Subscribe).last(), Some(&481));
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}

#[test]
fn whoever_does_not_refresh_is_forgotten_and_whoever_asks_once_gets_one_answer() {
    let Scene { mut world, cat, .. } = watching();
    world.phones[cat].subscribe(world.now, "ann", "", "dialog", 0);
    world.run(1);
    assert_eq!(world.phones[cat].notified().pop().unwrap().0, "terminated;reason=timeout");
    assert_eq!(world.switch.counts().subscriptions, 1);
    world.run(600);
    assert_eq!(world.phones[cat].notified().pop().unwrap().0, "terminated;reason=timeout");
    assert_eq!(world.switch.counts().subscriptions, 0);
    world.drain();
}

#[test]
fn a_watcher_that_says_481_or_nothing_gets_no_more() {
    for status in [481, 0] {
        let Scene { mut world, ann, cat, .. } = watching();
        world.phones[cat].notify_status = status;
        let call = world.phones[ann].call(world.now, "bob");
        world.run(40);
        assert_eq!(world.switch.counts().subscriptions, 0, "{status}");
        let so_far = world.phones[cat].notified().len();
        world.phones[ann].hang_up(world.now, call);
        world.run(1);
        assert_eq!(world.phones[cat].notified().len(), so_far);
        world.drain();
    }
}

#[test]
fn message_waiting_is_told_to_its_owner_only() {
    let Scene { mut world, bob, cat, .. } = watching();
    world.phones[cat].subscribe(world.now, "bob", "", "message-summary", 600);
    world.phones[bob].subscribe(world.now, "bob", "", "message-summary", 600);
    world.run(1);
    assert_eq!(world.phones[cat].finals(Method::Subscribe).last(), Some(&403));
    let summary = |world: &World| {
        let (_, body) = world.phones[bob].notified().pop().unwrap();
        let summary = MessageSummary::parse(body.as_bytes()).unwrap();
        let counts = summary.counts(MessageClass::Voice).unwrap();
        (summary.waiting, counts.new, counts.old)
    };
    assert_eq!(summary(&world), (false, 0, 0));
    set(&mut world, "bob", 2, 8);
    assert_eq!(summary(&world), (true, 2, 8));
    set(&mut world, "bob", 0, 10);
    assert_eq!(summary(&world), (false, 0, 10));
    set(&mut world, "nobody", 1, 1);
    assert_eq!(world.phones[bob].notified().len(), 3);
    world.drain();
}

#[test]
fn who_may_watch_is_a_matter_of_groups_where_that_is_configured() {
    let features = Features { who_may_watch: Rule::SameGroup, ..Features::default() };
    let mut world = World::grouped(features, &[("ann", &["a"]), ("bob", &["a", "b"]), ("cat", &[])]);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let cat = world.phone("cat", Udp, Manner::Rings);
    for (phone, whom, expected) in
        [(ann, "bob", 200), (cat, "bob", 403), (cat, "cat", 200), (ann, "nobody", 404)]
    {
        world.phones[phone].subscribe(world.now, whom, "", "dialog", 600);
        world.run(1);
        assert_eq!(world.phones[phone].finals(Method::Subscribe).last(), Some(&expected), "{whom}");
    }
    world.drain();
}

#[test]
fn subscriptions_are_bounded_per_watcher_and_in_all() {
    let limits = Limits { subscriptions: 3, subscriptions_per_user: 2, ..Limits::default() };
    let Scene { mut world, ann, bob, cat } = watching_with(limits, Features::default());
    for (phone, whom, expected) in
        [(cat, "ann", 200), (cat, "cat", 480), (ann, "bob", 200), (bob, "ann", 480), (ann, "cat", 480)]
    {
        world.phones[phone].subscribe(world.now, whom, "", "dialog", 600);
        world.run(1);
        assert_eq!(world.phones[phone].finals(Method::Subscribe).last(), Some(&expected), "{whom}");
    }
    assert_eq!(world.switch.counts().subscriptions, 3);
    world.phones[bob].subscribe(world.now, "ann", "", "dialog", 30);
    world.run(1);
    let answer = world.phones[bob].heard.iter().rfind(|m| m.status() == Some(423)).unwrap();
    assert_eq!(answer.header(Name::MinExpires), Some("60"));
    world.drain();
}

#[test]
fn a_flood_of_subscribes_without_credentials_leaves_nothing() {
    let mut world = World::with(Limits { transactions: 400, ..Limits::default() });
    for n in 0..5_000 {
        let from = SocketAddr::from(([198, 51, 100, (n % 250) as u8], 5060));
        world.send(
            from,
            &format!(
                "SUBSCRIBE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK{n}\r\nFrom: \
                 <sip:ann@example.org>;tag={n}\r\nTo: <sip:bob@example.org>\r\nCall-ID: {n}\r\nCSeq: 1 SUBSCRIBE\r\n\
                 Event: dialog\r\nContact: <sip:x@198.51.100.1>\r\nContent-Length: 0\r\n\r\n"
            ),
        );
    }
    assert_eq!(world.switch.counts().subscriptions, 0);
    world.run(60);
    world.drain();
}

#[test]
fn other_packages_are_the_phones_own() {
    let Scene { mut world, bob, cat, .. } = watching();
    world.phones[cat].subscribe(world.now, "bob", "", "presence", 600);
    world.run(1);
    assert_eq!(world.phones[bob].count(Method::Subscribe), 1);
    world.drain();
}

#[test]
fn somebody_elses_subscription_cannot_be_ended() {
    let Scene { mut world, ann, cat, .. } = watching();
    let tag = tag(&world, cat);
    world.phones[ann].subscribe(world.now, "bob", &tag, "dialog", 0);
    world.run(1);
    assert_eq!(world.phones[ann].finals(Method::Subscribe), [407, 481]);
    assert_eq!(world.switch.counts().subscriptions, 1);
    world.drain();
}

#[test]
fn a_watcher_picks_up_by_what_its_lamp_told() {
    let Scene { mut world, ann, bob, cat } = watching();
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let (_, rings) = last(&world, cat);
    let dialog = only(&rings);
    let field = format!(
        "Replaces: {};to-tag={};from-tag={};early-only\r\n",
        dialog.call_id.as_ref().unwrap(),
        dialog.remote_tag.as_ref().unwrap(),
        dialog.local_tag.as_ref().unwrap()
    );
    let picked = world.phones[cat].call_with(world.now, "ann", Some(SDP), &field);
    world.run(1);
    let mine = world.phones[ann].answer(world.now);
    world.run(1);
    assert!(world.phones[ann].indications.contains(&Indication::HungUp(call)));
    assert!(world.phones[cat].indications.contains(&Indication::Answered(picked)));
    let reason = world.phones[bob].last(Method::Cancel).header(Name::Reason);
    assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    assert_eq!(only(&last(&world, cat).1).state, DialogState::Terminated);
    world.phones[ann].hang_up(world.now, mine);
    world.run(1);
    world.drain();
}

#[test]
fn lamps_follow_a_call_that_is_parked_and_retrieved() {
    let Scene { mut world, ann, bob, cat } = watching();
    world.stock(2);
    let call = world.talk(ann, bob);
    world.refer(ann, call, "<sip:701@example.org>");
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    let leg = world.phones[bob].call(world.now, "701");
    world.run(1);
    assert_eq!(only(&last(&world, cat).1).remote.identity.as_deref(), Some("sip:701@example.org"));
    let theirs = world.phones[ann].call(world.now, "701");
    world.run(1);
    let (_, now) = last(&world, cat);
    let talks = now.dialogs.iter().find(|dialog| dialog.state == DialogState::Confirmed).unwrap();
    assert_eq!(talks.remote.identity.as_deref(), Some("sip:ann@example.org"));
    assert!(talks.call_id.is_none() && talks.local_tag.is_none() && talks.remote_tag.is_none());
    world.phones[bob].subscribe(world.now, "bob", "", "dialog", 600);
    world.run(1);
    let own = last(&world, bob).1;
    let talks = own.dialogs.iter().find(|dialog| dialog.state == DialogState::Confirmed).unwrap();
    let at_bob = world.phones[bob].agent.dialog(leg).unwrap();
    assert_eq!(talks.call_id.as_deref(), Some(at_bob.call_id()));
    assert_eq!(talks.local_tag.as_deref(), Some(at_bob.local_tag()));
    assert_eq!(talks.remote_tag.as_deref(), Some(at_bob.remote_tag()));
    world.phones[ann].hang_up(world.now, theirs);
    world.run(1);
    assert!(last(&world, cat).1.dialogs.iter().all(|dialog| dialog.state == DialogState::Terminated));
    world.drain();
}

#[test]
fn phones_are_shown_with_their_calls_and_messages() {
    let mut world = World::new();
    let ann = world.add("ann", "ann-secret", Udp);
    let contact = world.phones[ann].contact.clone();
    let field = format!("Contact: <{contact}>");
    world.phones[ann].register_with(world.now, 1, &[&field, "User-Agent: Example 7"]);
    world.run(1);
    let bob = world.phone("bob", Udp, Manner::Answers);
    world.input(Input::Request(Request::WatchPhones(true)));
    set(&mut world, "ann", 3, 4);
    world.run(9);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let shown = snapshot(&mut world);
    assert_eq!(shown.phones.len(), 2);
    let phone = &shown.phones[0];
    assert_eq!((phone.user.as_str(), phone.messages), ("ann", Some(Messages { new: 3, old: 4 })));
    assert_eq!(phone.contacts[0].product, "Example 7");
    assert_eq!(phone.contacts[0].registered_for.as_secs(), 12);
    assert_eq!((phone.call_count, phone.calls[0].state), (1, PhoneCallState::Connected));
    assert_eq!(
        (phone.calls[0].direction, phone.calls[0].peer.as_str()),
        (Way::Outgoing, "sip:bob@example.org")
    );
    assert_eq!(shown.phones[1].calls[0].direction, Way::Incoming);
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    let told: Vec<PhoneCallState> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PhoneCall { user, call } if user == "bob" => Some(call.state),
            _ => None,
        })
        .collect();
    assert_eq!(told, [PhoneCallState::Trying, PhoneCallState::Connected, PhoneCallState::Ended]);
    assert!(world.has_event(|e| matches!(e, Event::PhoneMessages { user, .. } if user == "ann")));
    assert!(snapshot(&mut world).phones.iter().all(|phone| phone.calls.is_empty()));
    let _ = bob;
    world.drain();
}

#[test]
fn a_call_whose_end_nobody_tells_is_forgotten() {
    let limits = Limits { longest_call: std::time::Duration::from_secs(1_000), ..Limits::default() };
    let mut world = World::with(limits);
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Answers);
    world.phones[ann].call(world.now, "bob");
    world.run(900);
    assert_eq!(world.switch.counts().calls, 1);
    world.run(200);
    assert_eq!(world.switch.counts().calls, 0);
}

#[test]
fn calls_beyond_the_bound_go_through_unseen() {
    let mut world = World::with(Limits { calls: 0, ..Limits::default() });
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Answers);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(call)));
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}

#[test]
fn a_replaces_that_names_nothing_known_does_not_pass() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let leg = world.phones[ann].call_with(world.now, "bob", Some(SDP), "Replaces: x;to-tag=1;from-tag=2\r\n");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(leg, Failure::Status(403))));
    world.drain();
}

#[test]
fn a_watcher_whose_connection_was_replaced_is_told_on_the_new_one() {
    let Scene { mut world, ann, cat, .. } = watching();
    world.reconnect(cat);
    let so_far = world.phones[cat].notified().len();
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert!(world.phones[cat].notified().len() > so_far);
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}

#[test]
fn a_lamp_stays_true_whatever_callers_call_themselves_and_however_many_there_are() {
    let Scene { mut world, ann, bob, cat } = watching();
    // Five octets each, once they are escaped.
    world.phones[ann].display = format!("\"{}\" ", "&".repeat(250));
    world.phones[bob].display = world.phones[ann].display.clone();
    let ringing = world.phones[ann].call(world.now, "bob");
    world.run(1);
    // Sixty more, of which only the first one rings.
    let mut calls = Vec::new();
    for _ in 0..60 {
        calls.push(world.phones[bob].call(world.now, "cat"));
        world.run(1);
    }
    let (_, shown) = last(&world, cat);
    let alerts = |dialog: &WatchedDialog| {
        dialog.state == DialogState::Early && dialog.direction == Some(Direction::Recipient)
    };
    assert!(shown.dialogs.iter().any(alerts) && shown.dialogs.len() < 50, "{}", shown.dialogs.len());
    let longest = world.phones[cat].notified().iter().map(|(_, body)| body.len()).max().unwrap();
    assert!(longest < 20_000, "{longest}");
    for call in calls {
        world.phones[bob].hang_up(world.now, call);
    }
    world.phones[ann].hang_up(world.now, ringing);
    world.run(5);
    assert!(last(&world, cat).1.dialogs.iter().all(|dialog| dialog.state == DialogState::Terminated));
    world.drain();
}

#[test]
fn whoever_calls_and_gives_up_all_the_time_makes_no_flood_of_notifies() {
    let Scene { mut world, ann, cat, .. } = watching();
    let begun = world.phones[cat].notified().len();
    for _ in 0..50 {
        let call = world.phones[ann].call(world.now, "bob");
        world.run_for(std::time::Duration::from_millis(60));
        world.phones[ann].hang_up(world.now, call);
        world.run_for(std::time::Duration::from_millis(40));
    }
    let last_one = world.phones[ann].call(world.now, "bob");
    world.run(2);
    let told = world.phones[cat].notified().len() - begun;
    assert!((20..80).contains(&told), "{told} in 7 seconds, of 200 changes");
    let rings = |dialog: &WatchedDialog| dialog.state == DialogState::Early;
    assert!(last(&world, cat).1.dialogs.iter().any(rings), "what is told late is true");
    world.phones[ann].hang_up(world.now, last_one);
    world.run(2);
    assert!(!last(&world, cat).1.dialogs.iter().any(rings));
    world.drain();
}

#[test]
fn a_call_that_is_redirected_to_several_is_of_the_one_who_answers() {
    let Scene { mut world, ann, bob, cat } = watching();
    world.phones[bob].manner = Manner::Redirects("sip:cat@example.org>, <sip:ann@example.org".into());
    world.phones[cat].manner = Manner::Answers;
    world.phones[bob].subscribe(world.now, "cat", "", "dialog", 600);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert!(world.phones[ann].indications.contains(&Indication::Answered(call)));
    assert_eq!(only(&last(&world, bob).1).state, DialogState::Confirmed);
    assert_eq!(only(&last(&world, cat).1).state, DialogState::Terminated);
    // Whoever redirected it has no part in it.
    let named = world.replaces(ann, call);
    let fields = format!("Replaces: {named}\r\n");
    let taken = world.phones[bob].call_with(world.now, "cat", Some(SDP), &fields);
    world.run(1);
    let refused = Indication::Failed(taken, Failure::Status(403));
    assert_eq!(world.phones[bob].indications.last(), Some(&refused));
    world.phones[ann].hang_up(world.now, call);
    world.run(1);
    world.drain();
}
