use super::phone::Manner;
use super::world::World;
use hookswitch_machine::{Input, Transport};
use hookswitch_sip::message::{Method, Name};
use hookswitch_softswitch::{Event, Request, Unregistered};
use std::time::Duration;

#[test]
fn a_phone_registers_after_a_challenge() {
    let mut world = World::new();
    let ann = world.phone("ann", Transport::Udp, Manner::Rings);
    assert_eq!(world.phones[ann].finals(Method::Register), [401, 200]);
    let phone = &world.phones[ann];
    let challenges: Vec<&str> = phone.heard[0].headers(Name::WwwAuthenticate).collect();
    assert!(challenges[0].contains("SHA-256") && challenges[1].contains("MD5"), "{challenges:?}");
    let listed = phone.heard[1].contact().unwrap();
    assert_eq!((listed.uri().as_str(), listed.expires()), (&*phone.contact, Some(3_600)));
    let contact = phone.contact.to_string();
    assert!(world.has_event(|e| matches!(e, Event::Registered { user, contact: c, new: true, .. } if user == "ann" && *c == contact)));
    world.drain();
}

#[test]
fn wrong_passwords_and_unknown_users_get_403_after_the_same_challenge() {
    for (user, password) in [("ann", "wrong"), ("eve", "eve-secret")] {
        let mut world = World::new();
        let phone = world.add(user, password, Transport::Udp);
        world.phones[phone].register(world.now, 60);
        world.run(1);
        assert_eq!(world.phones[phone].finals(Method::Register), [401, 403], "{user}");
        assert_eq!(world.switch.counts().bindings, 0);
        assert!(world.has_event(|e| matches!(e, Event::Refused { status: 403, .. })));
        world.run(100);
        assert!(world.switch.counts().is_idle());
    }
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut world = World::new();
    let phone = world.add("ann", "bob-secret", Transport::Udp);
    world.phones[phone].account = {
        let credentials = hookswitch_sip::auth::Credentials {
            username: "bob".into(),
            password: "bob-secret".into(),
            realm: None,
        };
        world.phones[phone].agent.add_account(credentials)
    };
    world.phones[phone].register(world.now, 60);
    world.run(1);
    assert_eq!(world.phones[phone].finals(Method::Register), [401, 403]);
    assert_eq!(world.switch.counts().bindings, 0);
}

#[test]
fn a_refresh_prolongs_and_silence_ends() {
    let mut world = World::new();
    let ann = world.add("ann", "ann-secret", Transport::Udp);
    world.phones[ann].register(world.now, 100);
    world.run(80);
    world.phones[ann].register(world.now, 100);
    world.run(80);
    assert_eq!(world.switch.counts().bindings, 1);
    assert!(world.has_event(|e| matches!(e, Event::Registered { new: false, .. })));
    world.run(30);
    assert_eq!(world.switch.counts().bindings, 0);
    assert!(world.has_event(|e| matches!(e, Event::Unregistered { why: Unregistered::Expired, .. })));
    world.drain();
}

#[test]
fn too_brief_registrations_get_423_and_long_ones_are_cut() {
    let mut world = World::new();
    let ann = world.add("ann", "ann-secret", Transport::Udp);
    world.phones[ann].register(world.now, 59);
    world.run(1);
    let refusal = world.phones[ann].heard.last().unwrap();
    assert_eq!((refusal.status(), refusal.header(Name::MinExpires)), (Some(423), Some("60")));
    world.phones[ann].register(world.now, 100_000);
    world.run(1);
    let listed = world.phones[ann].heard.last().unwrap().contact().unwrap().expires();
    assert_eq!(listed, Some(3_600));
    world.drain();
}

#[test]
fn a_closed_connection_takes_its_contacts_along() {
    let mut world = World::new();
    let ann = world.phone("ann", Transport::Tcp, Manner::Rings);
    let bob = world.phone("bob", Transport::Udp, Manner::Rings);
    assert_eq!(world.switch.counts().bindings, 2);
    world.close(ann);
    assert_eq!(world.switch.counts().bindings, 1);
    assert!(world.has_event(|e| matches!(e, Event::Unregistered { why: Unregistered::FlowClosed, .. })));
    world.close(bob);
    assert_eq!(world.switch.counts().bindings, 1, "a datagram that was refused proves nothing");
}

#[test]
fn contacts_of_a_user_are_bounded_and_the_oldest_goes() {
    let mut world = World::new();
    for _ in 0..12 {
        world.phone("ann", Transport::Udp, Manner::Rings);
    }
    assert_eq!(world.switch.counts().bindings, 10);
    assert!(world.has_event(|e| matches!(e, Event::Unregistered { why: Unregistered::Replaced, .. })));
    world.drain();
}

#[test]
fn a_snapshot_lists_who_is_there() {
    let mut world = World::new();
    world.phone("bob", Transport::Udp, Manner::Rings);
    world.phone("ann", Transport::Tcp, Manner::Rings);
    world.input(Input::Request(Request::Snapshot));
    let Some(Event::Snapshot(snapshot)) = world.events.last() else { panic!("no snapshot") };
    let users: Vec<&str> = snapshot.registrations.iter().map(|r| r.user.as_str()).collect();
    assert_eq!(users, ["ann", "bob"]);
    assert!(snapshot.registrations.iter().all(|r| r.expires <= Duration::from_secs(3_600)));
    assert_eq!(snapshot.counts, world.switch.counts());
}

/// The contacts that the last 200 lists.
fn listed(world: &World, phone: usize) -> Vec<String> {
    let answer = world.phones[phone].heard.last().unwrap();
    assert_eq!(answer.status(), Some(200));
    answer.contacts().map(|c| c.unwrap().address().unwrap().uri().to_string()).collect()
}

#[test]
fn contacts_come_and_go_together_and_alone() {
    let mut world = World::new();
    let ann = world.add("ann", "ann-secret", Transport::Udp);
    let mut register = |cseq, fields: &[&str], expected: u16| {
        world.phones[ann].register_with(world.now, cseq, fields);
        world.run(1);
        assert_eq!(world.phones[ann].finals(Method::Register).last(), Some(&expected), "{cseq} {fields:?}");
        if expected == 200 { listed(&world, ann) } else { Vec::new() }
    };
    let two = "Contact: <sip:a@192.0.2.10>;q=0.5, <sip:b@192.0.2.10>;expires=120";
    assert_eq!(register(10, &[two], 200), ["sip:a@192.0.2.10", "sip:b@192.0.2.10"]);
    assert_eq!(register(20, &[], 200).len(), 2);
    // 7.1.4 of the grammar: the same contact, written in another way.
    assert_eq!(register(30, &["Contact: <sip:%61@192.0.2.10>", "Expires: 300"], 200).len(), 2);
    // An old request, and one that holds an old part, change nothing.
    register(5, &["Contact: <sip:b@192.0.2.10>;expires=0"], 500);
    register(15, &["Contact: <sip:c@192.0.2.10>, <sip:a@192.0.2.10>"], 500);
    assert_eq!(register(40, &[], 200).len(), 2);
    assert_eq!(register(50, &["Contact: <sip:b@192.0.2.10>;expires=0"], 200), ["sip:%61@192.0.2.10"]);
    for wrong in [
        &["Contact: *", "Expires: 60"][..],
        &["Contact: *"],
        &["Contact: <sips:a@192.0.2.10>"],
        &["Contact: <mailto:a@b.c>"],
    ] {
        register(60, wrong, 400);
    }
    register(5, &["Contact: *", "Expires: 0"], 500);
    assert_eq!(register(70, &["Contact: *", "Expires: 0"], 200).len(), 0);
    register(80, &["Require: path"], 420);
    let many: Vec<String> = (0..11).map(|n| format!("<sip:a{n}@192.0.2.10>")).collect();
    register(90, &[&format!("Contact: {}", many.join(","))], 403);
    world.run(100);
    assert!(world.switch.counts().is_idle());
}

#[test]
fn guessing_passwords_is_slowed_down() {
    let mut world = World::new();
    let ann = world.add("ann", "ann-secret", Transport::Udp);
    let guesser = world.add("ann", "guess", Transport::Udp);
    for _ in 0..60 {
        world.phones[guesser].register(world.now, 60);
        world.run_for(Duration::from_millis(50));
    }
    assert_eq!(world.phones[guesser].finals(Method::Register).last(), Some(&403));
    world.phones[ann].register(world.now, 60);
    world.run(1);
    assert_eq!(world.phones[ann].finals(Method::Register).last(), Some(&200), "the owner is not locked out");
    // The right password does not help from there, until a minute has passed.
    let address = world.phones[guesser].address;
    world.phones[guesser] = super::phone::Phone::new("ann", "ann-secret", Transport::Udp, guesser as u32);
    assert_eq!(world.phones[guesser].address, address);
    world.phones[guesser].register(world.now, 60);
    world.run(1);
    assert_eq!(world.phones[guesser].finals(Method::Register).last(), Some(&403));
    world.run(60);
    world.phones[guesser].register(world.now, 60);
    world.run(1);
    assert_eq!(world.phones[guesser].finals(Method::Register).last(), Some(&200));
}

#[test]
fn phones_that_choke_on_sha_256_are_not_offered_it() {
    let mut world = World::new();
    let ann = world.add("ann", "ann-secret", Transport::Udp);
    world.phones[ann].register_with(world.now, 1, &["User-Agent: baresip v1.0.0 (x86_64/linux)"]);
    world.run(1);
    let challenges: Vec<&str> = world.phones[ann].heard[0].headers(Name::WwwAuthenticate).collect();
    assert!(challenges.len() == 1 && challenges[0].contains("algorithm=MD5"), "{challenges:?}");
    assert_eq!(world.phones[ann].finals(Method::Register), [401, 200]);
}
