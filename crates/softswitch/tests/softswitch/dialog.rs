use super::phone::Manner;
use super::world::World;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_sip::message::{Method, Name};
use hookswitch_sip::ua::{Indication, LegId};

fn connected() -> (World, usize, usize, LegId) {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Tcp, Manner::Answers);
    let leg = world.phones[ann].call(world.now, "bob");
    world.run(1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::Answered(leg)));
    (world, ann, bob, leg)
}

/// A BYE of ann, with a Request-URI and Routes of our choice.
fn bye(world: &World, ann: usize, leg: LegId, uri: &str, routes: &str) -> String {
    let dialog = world.phones[ann].agent.dialog(leg).unwrap();
    let route = if routes.is_empty() { String::new() } else { format!("Route: {routes}\r\n") };
    format!(
        "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-bye\r\n{route}From: {};tag={}\r\nTo: {};tag={}\r\n\
         Call-ID: {}\r\nCSeq: 90000000 BYE\r\n\r\n",
        dialog.local(),
        dialog.local_tag(),
        dialog.remote(),
        dialog.remote_tag(),
        dialog.call_id(),
    )
}

fn parts(world: &World, ann: usize, leg: LegId) -> (String, String) {
    let dialog = world.phones[ann].agent.dialog(leg).unwrap();
    (dialog.target().to_owned(), dialog.routes().to_owned())
}

#[test]
fn loose_routes_are_taken_off() {
    let (mut world, ann, bob, leg) = connected();
    let (target, routes) = parts(&world, ann, leg);
    assert_eq!(routes.matches(";lr>").count(), 2, "{routes}");
    let text = bye(&world, ann, leg, &target, &routes);
    world.send(world.phones[ann].address, &text);
    world.run(1);
    let bye = world.phones[bob].last(Method::Bye);
    assert_eq!((bye.request_uri(), bye.header(Name::Route)), (Some(target.as_str()), None));
    assert_eq!(bye.vias().count(), 2);
}

#[test]
fn what_a_strict_router_did_is_undone() {
    let (mut world, ann, bob, leg) = connected();
    let (target, routes) = parts(&world, ann, leg);
    let (first, second) = routes.split_once(", ").unwrap();
    let first = first.trim_start_matches('<').trim_end_matches('>');
    let text = bye(&world, ann, leg, first, &format!("{second}, <{target}>"));
    world.send(world.phones[ann].address, &text);
    world.run(1);
    let bye = world.phones[bob].last(Method::Bye);
    assert_eq!((bye.request_uri(), bye.header(Name::Route)), (Some(target.as_str()), None));
}

#[test]
fn routes_behind_ours_stay_but_lead_to_nobody_else() {
    for (route, uri, rest) in [
        ("<sip:192.0.2.55:5070;transport=udp;lr>", None, Some("<sip:192.0.2.55:5070;transport=udp;lr>")),
        ("<sip:192.0.2.55:5070;transport=udp>", Some("sip:192.0.2.55:5070;transport=udp"), None),
    ] {
        let (mut world, ann, bob, leg) = connected();
        let (target, routes) = parts(&world, ann, leg);
        let text = bye(&world, ann, leg, &target, &format!("{routes}, {route}"));
        world.send(world.phones[ann].address, &text);
        world.run_for(std::time::Duration::from_millis(100));
        assert!(world.mail.is_empty(), "somebody got it who is not in the dialog");
        let bye = world.phones[bob].last(Method::Bye);
        assert_eq!(bye.request_uri(), Some(uri.unwrap_or(&target)));
        let strict = format!("<{target}>");
        assert_eq!(bye.header(Name::Route), rest.or(Some(&strict)));
    }
}

#[test]
fn a_side_that_moved_is_followed_where_it_has_registered_and_nowhere_else() {
    let (mut world, ann, bob, leg) = connected();
    let (_, routes) = parts(&world, ann, leg);
    // The path of the dialog, not a stranger's address: bob's phone gets what was meant for another.
    for (n, elsewhere) in ["192.0.2.99:5088;transport=udp", "192.0.2.1;transport=udp"].iter().enumerate() {
        let text = bye(&world, ann, leg, &format!("sip:bob@{elsewhere}"), &routes);
        world.send(world.phones[ann].address, &text.replace("z9hG4bK-bye", &format!("z9hG4bK-{n}")));
        world.run_for(std::time::Duration::from_millis(100));
        assert!(world.mail.is_empty(), "{elsewhere}");
        assert_eq!(world.phones[bob].count(Method::Bye), n + 1);
    }
    let moved = world.phone("bob", Udp, Manner::Rings);
    let address = world.phones[moved].address;
    let text = bye(&world, ann, leg, &format!("sip:bob@{address}"), &routes);
    world.send(world.phones[ann].address, &text.replace("z9hG4bK-bye", "z9hG4bK-m"));
    world.run_for(std::time::Duration::from_millis(100));
    assert_eq!(world.phones[moved].count(Method::Bye), 1);
    // Where another user has registered, bob has not.
    let cat = world.phone("cat", Udp, Manner::Rings);
    let text = bye(&world, ann, leg, &format!("sip:cat@{}", world.phones[cat].address), &routes);
    world.send(world.phones[ann].address, &text.replace("z9hG4bK-bye", "z9hG4bK-c"));
    world.run_for(std::time::Duration::from_millis(100));
    assert_eq!(world.phones[cat].count(Method::Bye), 0);
}

#[test]
fn a_new_connection_takes_the_place_of_the_old_one() {
    let (mut world, ann, bob, leg) = connected();
    world.reconnect(bob);
    world.phones[ann].hang_up(world.now, leg);
    world.run(1);
    assert_eq!(world.phones[bob].count(Method::Bye), 1);
    assert_eq!(world.phones[ann].indications.last(), Some(&Indication::HungUp(leg)));
    world.drain();
}

#[test]
fn another_dialog_cannot_use_the_passage() {
    let (mut world, ann, bob, leg) = connected();
    let (target, routes) = parts(&world, ann, leg);
    let text = bye(&world, ann, leg, &target, &routes);
    let text = text.replace("Call-ID: ", "Call-ID: x");
    world.send(world.phones[ann].address, &text);
    world.run(1);
    assert_eq!(world.phones[bob].count(Method::Bye), 0);
}
