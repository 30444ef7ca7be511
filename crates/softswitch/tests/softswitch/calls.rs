use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Transport::{self, Tcp, Udp};
use hookswitch_sip::message::{Method, Name};
use hookswitch_sip::ua::{Failure, Indication};
use hookswitch_softswitch::Event;
use std::time::Duration;

fn between(caller: Transport, callee: Transport, manner: Manner) -> (World, usize, usize) {
    let mut world = World::new();
    let ann = world.phone("ann", caller, Manner::Rings);
    let bob = world.phone("bob", callee, manner);
    (world, ann, bob)
}

#[test]
fn a_call_is_set_up_held_and_ended_by_either_side() {
    for (caller, callee) in [(Udp, Udp), (Udp, Tcp), (Tcp, Udp), (Tcp, Tcp)] {
        for caller_ends in [true, false] {
            let (mut world, ann, bob) = between(caller, callee, Manner::Rings);
            let leg = world.phones[ann].call(world.now, "bob");
            world.run(1);
            assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Progress(leg)));
            let theirs = world.phones[bob].answer(world.now);
            world.run(1);
            assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
            assert_eq!(
                world.phones[bob].indications.last(),
                Some(&Indication::Confirmed(theirs)),
                "{caller:?} {callee:?}"
            );

            let now = world.now;
            let phone = &mut world.phones[ann];
            phone
                .agent
                .offer(now, &mut phone.layer, leg, SDP.replace("sendrecv", "sendonly").as_bytes())
                .unwrap();
            world.run(1);
            assert_eq!(world.phones[ann].indications.last(), Some(&Indication::OfferAnswered(leg)));
            assert_eq!(world.phones[bob].indications.last(), Some(&Indication::OfferConfirmed(theirs)));
            let phone = &mut world.phones[bob];
            phone.agent.offer(now, &mut phone.layer, theirs, SDP.as_bytes()).unwrap();
            world.run(1);
            assert_eq!(world.phones[bob].indications.last(), Some(&Indication::OfferAnswered(theirs)));

            if caller_ends {
                world.phones[ann].hang_up(world.now, leg);
            } else {
                world.phones[bob].hang_up(world.now, theirs);
            }
            world.run(1);
            let (first, second) = if caller_ends {
                (Indication::HungUp(leg), Indication::Ended(theirs))
            } else {
                (Indication::Ended(leg), Indication::HungUp(theirs))
            };
            assert_eq!(world.phones[ann].indications.last(), Some(&first));
            assert_eq!(world.phones[bob].indications.last(), Some(&second));
            assert!(world.has_event(
                |e| matches!(e, Event::CallStarted { from, to, .. } if from == "ann" && to == "bob")
            ));
            assert!(world.has_event(|e| matches!(e, Event::CallAnswered { .. })));
            assert!(world.has_event(|e| matches!(e, Event::CallEnded { status: None, .. })));
            world.drain();
        }
    }
}

#[test]
fn when_both_hang_up_at_once_the_call_ends_once() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Answers);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let theirs = *world.phones[bob].incoming.last().unwrap();
    world.phones[ann].hang_up(world.now, leg);
    world.phones[bob].hang_up(world.now, theirs);
    world.run(1);
    let ends = world.events.iter().filter(|event| matches!(event, Event::CallEnded { .. })).count();
    assert_eq!(ends, 1);
    world.drain();
}

#[test]
fn where_the_transport_changes_there_are_two_record_routes() {
    let (mut world, ann, bob) = between(Udp, Tcp, Manner::Rings);
    world.phones[ann].call(world.now, "bob");
    world.run(1);
    let invite = world.phones[bob].last(Method::Invite);
    let routes: Vec<_> =
        invite.record_routes().map(|r| r.unwrap().uri().transport().unwrap_or("udp")).collect();
    assert_eq!(routes, ["tcp", "udp"]);
    assert_eq!(invite.header(Name::ProxyAuthorization), None, "our credentials are not for others");
    assert_eq!(invite.max_forwards(), Some(69));
    let leg = *world.phones[bob].incoming.last().unwrap();
    world.phones[bob].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn the_losers_of_a_fork_learn_that_the_call_was_completed_elsewhere() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Rings);
    let second = world.phone("bob", Tcp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let lost = *world.phones[bob].incoming.last().unwrap();
    let won = world.phones[second].answer(world.now);
    world.run(1);
    assert_eq!(world.phones[bob].indications.last(), Some(&Indication::Cancelled(lost)));
    let reason = world.phones[bob].last(Method::Cancel).header(Name::Reason);
    assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 200]);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    assert_eq!(world.phones[second].indications.last(), Some(&Indication::Ended(won)));
    world.drain();
}

#[test]
fn two_that_answer_at_once_both_reach_the_caller() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Answers);
    let second = world.phone("bob", Udp, Manner::Answers);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(2);
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 200, 200]);
    // The caller keeps one and ends the other.
    let byes = world.phones[bob].count(Method::Bye) + world.phones[second].count(Method::Bye);
    assert_eq!(byes, 1);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn a_cancel_reaches_every_branch_and_ends_in_487() {
    let (mut world, ann, bob) = between(Udp, Tcp, Manner::Rings);
    let second = world.phone("bob", Udp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let now = world.now;
    let phone = &mut world.phones[ann];
    phone.agent.hang_up(now, &mut phone.layer, leg, Some("SIP;cause=487;text=\"Changed my mind\"")).unwrap();
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::HungUp(leg)));
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 487]);
    for phone in [bob, second] {
        let reason = world.phones[phone].last(Method::Cancel).header(Name::Reason);
        assert_eq!(reason, Some("SIP;cause=487;text=\"Changed my mind\""));
        assert!(matches!(world.phones[phone].indications.last(), Some(Indication::Cancelled(_))));
    }
    world.drain();
}

#[test]
fn one_busy_phone_does_not_end_the_call_of_another() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Refuses(486));
    let second = world.phone("bob", Udp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Progress(leg)));
    world.phones[second].answer(world.now);
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    assert_eq!(world.phones[bob].count(Method::Cancel), 0);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn the_best_refusal_reaches_the_caller() {
    for (first, second, expected) in
        [(486, 480, 486), (480, 486, 486), (486, 603, 603), (503, 503, 500), (404, 415, 415)]
    {
        let (mut world, ann, _) = between(Udp, Udp, Manner::Refuses(first));
        world.phone("bob", Udp, Manner::Refuses(second));
        let leg = world.phones[ann].call(world.now, "bob");
        world.run(1);
        let failed = Indication::Failed(leg, Failure::Status(expected));
        assert_eq!(world.phones[ann].indications.last(), Some(&failed), "{first} {second}");
        assert!(world.has_event(
            |e| matches!(e, Event::CallEnded { status: Some(status), .. } if *status == expected)
        ));
        world.drain();
    }
}

#[test]
fn who_declines_for_all_ends_the_ringing_of_others() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Refuses(603));
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(leg, Failure::Status(603))));
    assert_eq!(world.phones[bob].count(Method::Cancel), 1);
    world.drain();
}

#[test]
fn a_phone_that_rings_for_too_long_is_given_up() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(180);
    assert_eq!(world.phones[bob].count(Method::Cancel), 0);
    world.run(5);
    assert_eq!(world.phones[bob].count(Method::Cancel), 1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(leg, Failure::Status(408))));
    world.drain();
}

#[test]
fn a_phone_that_is_gone_costs_32_seconds_and_one_behind_a_lost_connection_none() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Rings);
    world.phones[bob].address.set_port(9);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(31);
    assert!(!world.phones[ann].indications.contains(&Indication::Failed(leg, Failure::Status(408))));
    world.run(3);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(leg, Failure::Status(408))));

    let cat = world.phone("cat", Tcp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "cat");
    world.run_for(Duration::from_millis(7));
    world.close(cat);
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(leg, Failure::Status(480))));
}

#[test]
fn callers_are_who_they_say_they_are() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Answers);
    world.phones[ann].user = "cat".into();
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(leg, Failure::Status(403))));
    assert_eq!(world.phones[bob].count(Method::Invite), 0);
}

#[test]
fn unknown_users_are_404_and_absent_ones_480() {
    let (mut world, ann, _) = between(Udp, Udp, Manner::Answers);
    for (user, expected) in [("nobody", 404), ("cat", 480)] {
        let leg = world.phones[ann].call(world.now, user);
        world.run(1);
        let failed = Indication::Failed(leg, Failure::Status(expected));
        assert_eq!(world.phones[ann].indications.last(), Some(&failed));
    }
    world.drain();
}

#[test]
fn refer_and_notify_pass_within_a_call() {
    let (mut world, ann, bob) = between(Udp, Tcp, Manner::Answers);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let now = world.now;
    let phone = &mut world.phones[ann];
    let refer = "Refer-To: <sip:cat@example.org>\r\n";
    let client = phone.agent.send_within(now, &mut phone.layer, leg, Method::Refer, refer, None).unwrap();
    world.run(1);
    assert_eq!(world.phones[bob].count(Method::Refer), 1);
    let accepted = Indication::Response(leg, client, Failure::Status(202));
    assert_eq!(world.phones[ann].indications.last(), Some(&accepted));
    let theirs = *world.phones[bob].incoming.last().unwrap();
    let phone = &mut world.phones[bob];
    let fields = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n";
    let body = ("message/sipfrag", &b"SIP/2.0 100 Trying\r\n"[..]);
    phone.agent.send_within(now, &mut phone.layer, theirs, Method::Notify, fields, Some(body)).unwrap();
    world.run(1);
    assert_eq!(world.phones[ann].count(Method::Notify), 1);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    world.drain();
}

#[test]
fn whoever_cancels_gets_487_although_another_phone_was_busy() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Rings);
    world.phone("bob", Udp, Manner::Refuses(486));
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 487]);
    assert_eq!(world.phones[bob].count(Method::Cancel), 1);
    world.drain();
}

#[test]
fn an_answer_that_crosses_the_cancel_reaches_the_caller() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Rings);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    world.phones[ann].hang_up(world.now, leg);
    world.phones[bob].answer(world.now);
    world.run(1);
    assert_eq!(world.phones[ann].finals(Method::Invite), [407, 200]);
    assert_eq!(world.phones[bob].count(Method::Bye), 1);
    world.drain();
}

#[test]
fn a_switch_that_drains_lets_calls_go_on_but_begins_none() {
    let (mut world, ann, bob) = between(Udp, Udp, Manner::Answers);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    world.input(hookswitch_machine::Input::Request(hookswitch_softswitch::Request::Drain));
    let second = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Failed(second, Failure::Status(503))));
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    assert_eq!(world.phones[bob].count(Method::Bye), 1);
    world.drain();
}
