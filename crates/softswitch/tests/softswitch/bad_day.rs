//! Parking, picking up and watching all at once, over a bad network, with mutilated messages: nothing is left behind.

use super::phone::{Manner, SDP};
use super::world::World;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_machine::{Entropy, Input};
use hookswitch_sip::message::{Method, Uri};
use hookswitch_sip::refer::{ReferTo, Replaces};
use hookswitch_sip::ua::{Indication, LegId};
use std::net::SocketAddr;

/// What a bad day must bring about all the same, in the end: pickups, parkings, retrievals, places taken, lamps.
const WANTED: [&str; 5] = ["*8", "park here", "701", "place", "lamp"];

/// Everything at once over a network that loses, doubles and reorders. How often each of [`WANTED`] came about.
fn a_bad_day(seed: u64) -> [usize; 5] {
    let mut tried: Vec<(usize, LegId, usize)> = Vec::new();
    let mut world = World::new();
    world.stock(60);
    for (user, transport) in [("ann", Udp), ("bob", Udp), ("cat", Tcp), ("ann", Udp), ("bob", Tcp)] {
        world.phone(user, transport, Manner::Rings);
    }
    let mut chance = Entropy::from_number(seed);
    world.chaos = Some(chance.fork());
    for _ in 0..40 {
        let phone = chance.below(5) as usize;
        let now = world.now;
        let whom = ["ann", "bob", "cat"][chance.below(3) as usize];
        let by = format!("Referred-By: <sip:{whom}@example.org>\r\n");
        // A call of any phone, for those who send somebody there, and for those who just go.
        let place = world.phones[chance.below(5) as usize].a_dialog(&mut chance).map(|(_, dialog)| {
            let uri = dialog.remote().trim_matches(['<', '>']).to_owned();
            (uri, Replaces::of(dialog))
        });
        let phones = &mut world.phones[phone];
        match chance.below(13) {
            0 => phones.subscribe(now, whom, "", "dialog", 60 * chance.below(4) as u32),
            1 => drop(phones.call(now, whom)),
            2 => tried.push((phone, phones.call(now, "*8"), 0)),
            3 => tried.push((phone, phones.call(now, &format!("*8{whom}")), 0)),
            4 => tried.push((phone, phones.call_with(now, "701", Some(SDP), &by), 1)),
            5 => tried.push((phone, phones.call(now, "701"), 2)),
            6 => drop(phones.call(now, "park")),
            7 if !phones.legs.is_empty() => {
                let leg = phones.legs[chance.below(phones.legs.len() as u64) as usize];
                let _ = phones.agent.hang_up(now, &mut phones.layer, leg, None);
            }
            8 if !phones.legs.is_empty() => {
                let leg = phones.legs[chance.below(phones.legs.len() as u64) as usize];
                let _ = phones.agent.offer(now, &mut phones.layer, leg, SDP.as_bytes());
            }
            9 | 10 => {
                let orbit = chance.chance(1, 3).then(|| "<sip:701@example.org>".to_owned());
                let place = place.and_then(|(uri, named)| {
                    Some(ReferTo::new(&Uri::parse(&uri).ok()?, Some(named)).to_string())
                });
                let leg = phones.a_dialog(&mut chance).map(|(leg, _)| leg);
                if let (Some(to), Some(leg)) = (orbit.or(place), leg) {
                    let fields = format!("Refer-To: {to}\r\n");
                    let layer = &mut phones.layer;
                    let _ = phones.agent.send_within(now, layer, leg, Method::Refer, &fields, None);
                }
            }
            11 => {
                if let Some((uri, named)) = place {
                    let fields = format!("Replaces: {named}\r\n");
                    tried.push((phone, phones.call_at(now, &uri, Some(SDP), &fields), 3));
                }
            }
            _ => {
                if let Some(leg) = phones.incoming.last().copied() {
                    let (contact, account) = (phones.contact.clone(), Some(phones.account));
                    let sdp = SDP.as_bytes();
                    let _ = phones.agent.accept(now, &mut phones.layer, leg, contact, account, sdp);
                }
            }
        }
        world.run_for(std::time::Duration::from_millis(chance.below(3_000)));
    }
    world.run(200);
    for phone in &mut world.phones {
        for indication in phone.indications.clone() {
            if let Indication::Redirected(leg) = indication {
                phone.agent.abandon(world.now, &mut phone.layer, leg);
            }
        }
    }
    let mut reached = [0; 5];
    for (phone, leg, what) in tried {
        let answered = world.phones[phone].indications.contains(&Indication::Answered(leg));
        reached[what] += usize::from(answered);
    }
    reached[4] = world.phones.iter().map(|phone| phone.notified().len()).sum();
    world.calm_down();
    world.drain();
    reached
}

#[test]
fn nothing_is_left_behind_on_a_bad_day() {
    let mut reached = [0; 5];
    let seeds = option_env!("HOOKSWITCH_SEEDS").and_then(|text| text.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        println!("seed {seed}");
        let today = a_bad_day(seed);
        reached.iter_mut().zip(today).for_each(|(all, today)| *all += today);
    }
    println!("{WANTED:?}: {reached:?}");
    assert!(reached.iter().all(|count| *count > 0), "{WANTED:?}: {reached:?}");
}

#[test]
fn mutilated_messages_of_watchers_parkers_and_pickers_do_no_harm() {
    let mut world = World::new();
    let ann = world.phone("ann", Udp, Manner::Rings);
    let bob = world.phone("bob", Udp, Manner::Rings);
    let cat = world.phone("cat", Tcp, Manner::Rings);
    world.phones[cat].subscribe(world.now, "bob", "", "dialog", 600);
    world.run(1);
    world.stock(20);
    let call = world.phones[ann].call(world.now, "bob");
    world.run(1);
    let picked = world.phones[cat].call(world.now, "*8");
    world.run(1);
    let parked =
        world.phones[bob].call_with(world.now, "701", Some(SDP), "Referred-By: <sip:bob@example.org>\r\n");
    world.run(1);
    let taken = world.phones[ann].call(world.now, "701");
    world.run(1);
    // What the phones said is like what they heard: both are tried, from both ends.
    let heard = world.phones.iter().flat_map(|phone| &phone.heard);
    let messages: Vec<Vec<u8>> = heard.map(|message| message.bytes().to_vec()).collect();
    let mut chance = Entropy::from_number(11);
    for round in 0..20_000 {
        let mut bytes = messages[chance.below(messages.len() as u64) as usize].clone();
        for _ in 0..1 + chance.below(3) {
            let at = chance.below(bytes.len() as u64) as usize;
            match chance.below(4) {
                0 => bytes[at] = chance.below(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, b";,<>\"\r\n@:="[chance.below(10) as usize]),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        let from = SocketAddr::from(([192, 0, 2, 10 + (round % 2) as u8], 5060));
        let flow = hookswitch_machine::Flow::to(super::world::UDP, from);
        world.input(Input::Received { flow, bytes: bytes.into() });
    }
    let _ = (call, picked, parked, taken);
    world.run(40);
    for phone in &mut world.phones {
        for leg in phone.legs.drain(..) {
            let _ = phone.agent.hang_up(world.now, &mut phone.layer, leg, None);
        }
    }
    world.run(3_700);
    let counts = world.switch.counts();
    assert_eq!((counts.service_calls, counts.subscriptions, counts.forwarded), (0, 0, 0), "{counts:?}");
}
