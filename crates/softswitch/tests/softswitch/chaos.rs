use super::phone::Manner;
use super::world::World;
use hookswitch_machine::Entropy;
use hookswitch_machine::Transport::{Tcp, Udp};
use hookswitch_sip::ua::Indication;

/// Calls of all kinds over a network that loses, doubles and reorders. Whatever happens, nothing is left behind.
fn a_bad_day(seed: u64) {
    let mut world = World::new();
    world.stock(40);
    for (user, transport, manner) in [
        ("ann", Udp, Manner::Rings),
        ("bob", Udp, Manner::Answers),
        ("bob", Tcp, Manner::Rings),
        ("cat", Udp, Manner::Redirects("sip:bob@example.org".into())),
        ("cat", Tcp, Manner::Refuses(486)),
        ("ann", Udp, Manner::Answers),
    ] {
        world.phone(user, transport, manner);
    }
    let mut chance = Entropy::from_number(seed);
    world.chaos = Some(chance.fork());
    let mut legs = Vec::new();
    for _ in 0..30 {
        let phone = chance.below(6) as usize;
        let now = world.now;
        match chance.below(7) {
            0..3 => {
                let to = ["ann", "bob", "cat", "600", "nobody"][chance.below(5) as usize];
                legs.push((phone, world.phones[phone].call(now, to)));
            }
            3 if !legs.is_empty() => {
                let (phone, leg) = legs[chance.below(legs.len() as u64) as usize];
                let phone = &mut world.phones[phone];
                let _ = phone.agent.hang_up(now, &mut phone.layer, leg, None);
            }
            4 if !legs.is_empty() => {
                let (phone, leg) = legs[chance.below(legs.len() as u64) as usize];
                let phone = &mut world.phones[phone];
                let sdp = super::phone::SDP.replace("sendrecv", "sendonly");
                let _ = phone.agent.offer(now, &mut phone.layer, leg, sdp.as_bytes());
            }
            5 if !world.phones[phone].incoming.is_empty() => {
                let phone = &mut world.phones[phone];
                let leg = phone.incoming[chance.below(phone.incoming.len() as u64) as usize];
                if chance.chance(1, 2) {
                    let _ = phone.agent.offer(now, &mut phone.layer, leg, super::phone::SDP.as_bytes());
                } else {
                    let _ = phone.agent.hang_up(now, &mut phone.layer, leg, None);
                }
            }
            6 if chance.chance(1, 4) => world.reconnect(2),
            _ => {
                let phone = &mut world.phones[phone];
                if let Some(leg) = phone.incoming.last().copied() {
                    let contact = phone.contact.clone();
                    let sdp = super::phone::SDP.as_bytes();
                    let _ = phone.agent.accept(now, &mut phone.layer, leg, contact, Some(phone.account), sdp);
                }
            }
        }
        world.run_for(std::time::Duration::from_millis(chance.below(3_000)));
    }
    world.run(100);
    let answered = |i: &Indication| matches!(i, Indication::Answered(_));
    assert!(
        world.phones.iter().any(|p| p.indications.iter().any(answered)),
        "seed {seed}: nobody got through"
    );
    world.calm_down();
    world.drain();
}

#[test]
fn nothing_is_left_behind_on_a_bad_day() {
    let seeds = option_env!("HOOKSWITCH_SEEDS").and_then(|text| text.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        println!("seed {seed}");
        a_bad_day(seed);
    }
}
