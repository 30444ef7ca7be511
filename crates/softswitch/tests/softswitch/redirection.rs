use super::phone::Manner;
use super::world::World;
use hookswitch_machine::Transport::Udp;
use hookswitch_media::control::{Command, Source};
use hookswitch_sip::message::{Method, Name};
use hookswitch_sip::ua::Indication;
use hookswitch_softswitch::Event;

#[test]
fn a_redirection_within_the_domain_is_followed() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Redirects("sip:cat@example.org".into()));
    let cat = world.phone("cat", Udp, Manner::Answers);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    let diversion = world.phones[cat].last(Method::Invite).header(Name::Diversion);
    assert_eq!(diversion, Some("<sip:bob@example.org>;reason=unconditional"));
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    assert_eq!(world.phones[cat].count(Method::Bye), 1);
    world.drain();
}

#[test]
fn a_redirection_elsewhere_goes_to_the_caller() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Redirects("sip:bob@elsewhere.example".into()));
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Redirected(leg)));
    let contact = world.phones[ann].heard.last().unwrap().contact().unwrap();
    assert_eq!(contact.uri().as_str(), "sip:bob@elsewhere.example");
    let now = world.now;
    let phone = &mut world.phones[ann];
    phone.agent.abandon(now, &mut phone.layer, leg);
    world.drain();
}

#[test]
fn redirections_in_a_circle_come_to_an_end() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Redirects("sip:cat@example.org".into()));
    let cat = world.phone("cat", Udp, Manner::Redirects("sip:bob@example.org".into()));
    world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 480]);
    assert_eq!((world.phones[bob].count(Method::Invite), world.phones[cat].count(Method::Invite)), (1, 1));
    world.drain();
}

#[test]
fn a_redirection_to_an_extension_is_answered_by_it() {
    let mut world = World::new();
    world.stock(2);
    let ann = world.phone("ann", Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Redirects("sip:602@example.org".into()));
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    assert!(world.media.iter().any(|c| matches!(c, Command::Start { source: Source::Music, .. })));
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn a_redirection_to_an_extension_that_refuses_ends_the_call() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    // Neither is there a port for music, nor is a code for those who are sent to it.
    for (to, expected) in [("602", 503), ("*8cat", 404), ("*8", 404)] {
        world.events.clear();
        world.phones[bob].manner = Manner::Redirects(format!("sip:{to}@example.org"));
        let leg = world.phones[ann].call(world.now, "bob");
        world.run(1);
        assert!(matches!(world.phones[ann].indications.last(), Some(Indication::Failed(l, _)) if *l == leg));
        let ended = world.events.iter().filter_map(|event| match event {
            Event::CallEnded { status, .. } => *status,
            _ => None,
        });
        assert_eq!(ended.collect::<Vec<_>>(), [expected], "{to}");
    }
    world.drain();
}
