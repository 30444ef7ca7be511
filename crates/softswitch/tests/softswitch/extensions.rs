use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Input;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_media::control::{Command, Direction, Event as MediaEvent, Source, StreamId};
use hookswitch_sip::ua::{Failure, Indication, LegId};
use hookswitch_softswitch::Limits;
use std::time::Duration;

fn directions(world: &World) -> Vec<Direction> {
    let configured = world.media.iter().filter_map(|command| match command {
        Command::Configure { parameters, .. } => Some(parameters.direction),
        _ => None,
    });
    configured.collect()
}

fn stream(world: &World) -> StreamId {
    let started = world.media.iter().find_map(|command| match command {
        Command::Start { stream, .. } => Some(*stream),
        _ => None,
    });
    started.unwrap()
}

fn connected(extension: &str) -> (World, usize, LegId) {
    let mut world = World::new();
    world.stock(2);
    let ann = world.phone("ann", Udp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, extension);
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    (world, ann, leg)
}

#[test]
fn every_extension_answers_with_its_sound() {
    for (extension, expected) in [
        ("600", Source::Echo),
        ("601", Source::Tone { frequencies: [440, 0], level: -10 }),
        ("602", Source::Music),
    ] {
        let (mut world, ann, leg) = connected(extension);
        assert!(
            world.media.iter().any(|c| matches!(c, Command::Start { source, .. } if *source == expected))
        );
        assert_eq!(directions(&world), [Direction::SendRecv]);
        assert_eq!(world.switch.counts().service_calls, 1);
        world.phones[ann].hang_up(world.now, leg);
        world.run(1);
        assert_eq!(world.phones[ann].indications.last(), Some(&Indication::HungUp(leg)));
        assert_eq!(world.switch.counts().service_calls, 0);
        world.drain();
    }
}

#[test]
fn a_held_extension_falls_silent_and_comes_back() {
    let (mut world, ann, leg) = connected("600");
    for direction in ["sendonly", "inactive", "sendrecv"] {
        let now = world.now;
        let phone = &mut world.phones[ann];
        phone.agent.offer(now, &mut phone.layer, leg, SDP.replace("sendrecv", direction).as_bytes()).unwrap();
        world.run(1);
        assert_eq!(world.phones[ann].indications.last(), Some(&Indication::OfferAnswered(leg)));
    }
    use Direction::{Inactive, RecvOnly, SendRecv};
    assert_eq!(directions(&world), [SendRecv, RecvOnly, Inactive, SendRecv]);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn an_offer_that_cannot_be_taken_changes_nothing() {
    let (mut world, ann, leg) = connected("600");
    let now = world.now;
    let phone = &mut world.phones[ann];
    let video = SDP.replace("audio", "video");
    phone.agent.offer(now, &mut phone.layer, leg, video.as_bytes()).unwrap();
    world.run(1);
    let refused = Indication::OfferRefused(leg, Failure::Status(488));
    assert_eq!(world.phones[ann].indications.last(), Some(&refused));
    assert_eq!(directions(&world), [Direction::SendRecv]);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn a_caller_may_leave_the_offer_to_the_extension() {
    let mut world = World::new();
    world.stock(1);
    let ann = world.phone("ann", Tcp, Manner::Rings);
    world.phones[ann].late_offer = true;
    let leg = world.phones[ann].call_with(world.now, "601", None, "");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    assert_eq!(directions(&world), [Direction::SendRecv]);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn without_ports_or_room_calls_are_refused_and_ports_stay() {
    let mut world = World::with(Limits { service_calls: 1, ..Limits::default() });
    let ann = world.phone("ann", Udp, Manner::Rings);
    let failed = |world: &mut World, offer: &str, expected| {
        let leg = world.phones[ann].call_with(world.now, "600", Some(offer), "");
        world.run(1);
        let failed = Indication::Failed(leg, Failure::Status(expected));
        assert_eq!(world.phones[ann].indications.last(), Some(&failed));
    };
    failed(&mut world, SDP, 503);
    world.stock(2);
    failed(&mut world, &SDP.replace("audio", "video"), 488);
    failed(&mut world, "garbage", 400);
    assert_eq!(world.switch.counts().ports, 2);
    let leg = world.phones[ann].call(world.now, "600");
    world.run(1);
    failed(&mut world, SDP, 486);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    assert_eq!(world.switch.counts().ports, 1);
    world.drain();
    assert_eq!(world.switch.counts().ports, 0);
    assert!(world.media.iter().any(|c| matches!(c, Command::Return { .. })));
}

#[test]
fn a_caller_that_falls_silent_or_stays_too_long_is_hung_up() {
    let (mut world, ann, leg) = connected("602");
    let (stream, since) = (stream(&world), Duration::from_secs(30));
    world.input(Input::Media(MediaEvent::Silent { stream, since }));
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Ended(leg)));

    let leg = world.phones[ann].call(world.now, "602");
    world.run(3_590);
    assert_eq!(world.switch.counts().service_calls, 1);
    world.run(12);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Ended(leg)));
    world.drain();
}

#[test]
fn a_caller_behind_a_nat_is_hung_up_by_the_path_it_called_on() {
    for redirected in [false, true] {
        let mut world = World::new();
        world.stock(2);
        let ann = world.add("ann", "ann-secret", Udp);
        // The network shows the phone by another address than its own.
        world.phones[ann].contact = "sip:ann@10.0.0.7:5062".into();
        world.phones[ann].register(world.now, 3_600);
        world.run(1);
        let called = if redirected {
            world.phone("bob", Udp, Manner::Redirects("sip:602@example.org".into()));
            "bob"
        } else {
            "602"
        };
        let leg = world.phones[ann].call(world.now, called);
        world.run(1);
        assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
        world.input(Input::Request(hookswitch_softswitch::Request::Drain));
        world.run(1);
        assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Ended(leg)));
        assert!(world.mail.is_empty(), "nothing goes where only the phone's own network leads");
    }
}

#[test]
fn strangers_do_not_reach_extensions() {
    let mut world = World::new();
    world.stock(1);
    let eve = world.add("eve", "guess", Udp);
    let leg = world.phones[eve].call(world.now, "600");
    world.run(1);
    assert_eq!(world.phones[eve].indications.last(), Some(&Indication::Failed(leg, Failure::Status(403))));
    assert_eq!(world.switch.counts().service_calls, 0);
}
