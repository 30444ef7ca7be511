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
