//! Whole calls over a wire that loses messages: both sides end, and nothing is left over.

use super::*;

#[test]
fn calls_end_on_both_sides_whatever_is_lost() {
    for seed in 0..200 {
        let mut net = Net::new();
        let mut chance = Entropy::from_number(seed);
        let mut dice = chance.fork();
        let share = [5, 20, 40, 60][seed as usize % 4];
        net.lose = Box::new(move |_| dice.chance(share, 100));
        let a = net.invite_to(B, None, Some(OFFER));
        net.run(chance.below(3_000));
        let b = net.sides[B].told.iter().find_map(|(_, told)| match told {
            Indication::Incoming(leg) => Some(*leg),
            _ => None,
        });
        if chance.chance(1, 5) {
            let _ = net.hang_up(A, a);
        }
        if let Some(b) = b {
            let _ = net.accept(B, b);
            net.run(chance.below(3_000));
            if chance.chance(1, 2) {
                let _ = net.offer(A, a);
            }
            if chance.chance(1, 2) {
                let _ = net.offer(B, b);
            }
            net.run(chance.below(6_000));
            let _ = net.hang_up(B, b);
        }
        let _ = net.hang_up(A, a);
        net.run(90_000);
        for side in [A, B] {
            // Calls that came after the first hang-up are refused.
            let late: Vec<LegId> = net.sides[side]
                .told
                .iter()
                .filter_map(|(_, told)| if let Indication::Incoming(leg) = told { Some(*leg) } else { None })
                .collect();
            for leg in late {
                let _ = net.hang_up(side, leg);
            }
        }
        net.drain();
        for (side, leg) in [(A, Some(a)), (B, b)] {
            let Some(leg) = leg else { continue };
            let ends = net.told(side).iter().filter(|told| is_end(told, leg)).count();
            assert!(ends <= 1, "seed {seed}: {side} ended {ends} times: {:?}", net.told(side));
            assert!(
                ends == 1 || side == B,
                "seed {seed}: the caller's session never ended: {:?}",
                net.told(side)
            );
        }
    }
}

fn is_end(told: &Indication, wanted: LegId) -> bool {
    matches!(
        told,
        Indication::Failed(leg, _)
            | Indication::Ended(leg)
            | Indication::HungUp(leg)
            | Indication::Cancelled(leg)
            | Indication::NotAcknowledged(leg)
            | Indication::Lost(leg, _) if *leg == wanted
    )
}

#[test]
fn the_same_seed_gives_the_same_messages() {
    let run = || {
        let mut net = Net::new();
        let mut dice = Entropy::from_number(42);
        net.lose = Box::new(move |_| dice.chance(30, 100));
        let a = net.invite_to(B, None, Some(OFFER));
        net.run(5_000);
        let _ = net.hang_up(A, a);
        net.run(60_000);
        net.seen.iter().map(|seen| (seen.at, seen.message.bytes().clone())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
