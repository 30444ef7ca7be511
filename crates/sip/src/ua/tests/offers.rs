//! Offers within a session: re-INVITE and UPDATE, both ways and at once.

use super::*;
use crate::message::Name;
use crate::ua::{Failure, LegError};

fn of(net: &Net, side: usize, wanted: impl Fn(&Indication) -> bool) -> usize {
    net.told(side).iter().filter(|told| wanted(told)).count()
}

#[test]
fn either_side_can_offer() {
    for (from, to) in [(A, B), (B, A)] {
        let mut net = Net::new();
        let legs = net.call();
        let leg = |side| if side == A { legs.0 } else { legs.1 };
        net.offer(from, leg(from)).unwrap();
        assert_eq!(net.offer(from, leg(from)), Err(LegError::OfferPending));
        net.run(20);
        assert_eq!(net.last(from), Indication::OfferAnswered(leg(from)));
        assert_eq!(net.last(to), Indication::OfferConfirmed(leg(to)));
        net.offer(to, leg(to)).unwrap();
        net.run(20);
        assert_eq!(net.last(to), Indication::OfferAnswered(leg(to)));
        net.hang_up(from, leg(from)).unwrap();
        net.drain();
    }
}

#[test]
fn a_refused_offer_leaves_the_session() {
    let mut net = Net::new();
    let (a, b) = net.call();
    net.sides[B].answers_offers = false;
    net.offer(A, a).unwrap();
    net.run(20);
    assert_eq!(net.last(B), Indication::Offered(b));
    net.act(B, |ua, layer, now| ua.refuse_offer(now, layer, b, 488, "")).unwrap();
    net.run(20);
    assert_eq!(net.last(A), Indication::OfferRefused(a, Failure::Status(488)));
    assert_eq!(net.act(B, |ua, layer, now| ua.answer_offer(now, layer, b, None)), Err(LegError::State));
    net.sides[B].answers_offers = true;
    net.offer(A, a).unwrap();
    net.run(20);
    assert_eq!(net.last(A), Indication::OfferAnswered(a));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn offers_that_cross_are_both_refused_and_one_is_sent_again() {
    for seed in 0..20 {
        let mut net = Net::new();
        let (a, b) = net.call();
        net.sides[A].ua.entropy = Entropy::from_number(seed);
        net.sides[B].ua.entropy = Entropy::from_number(seed + 100);
        let start = net.now.as_millis();
        net.offer(A, a).unwrap();
        net.offer(B, b).unwrap();
        net.run(20);
        assert_eq!((net.count(A, "491 INVITE"), net.count(B, "491 INVITE")), (1, 1));
        net.run(30_000);
        // The callee does not own the Call-ID: it comes first, and the caller's offer gives way.
        let again = net.times(B, "INVITE")[1] - start;
        assert!((0..=2_010).contains(&again), "{again}");
        assert_eq!(net.count(A, "INVITE"), 2, "the first INVITE and one offer");
        assert_eq!(of(&net, B, |told| *told == Indication::OfferAnswered(b)), 1);
        assert_eq!(of(&net, A, |told| matches!(told, Indication::OfferRefused(..))), 0, "it was withdrawn");
        assert_eq!(of(&net, A, |told| *told == Indication::OfferAnswered(a)), 0);
        net.offer(A, a).unwrap();
        net.run(20);
        assert_eq!(net.last(A), Indication::OfferAnswered(a));
        net.hang_up(A, a).unwrap();
        net.drain();
    }
}

#[test]
fn the_owner_of_the_call_id_waits_2_to_4_s_and_the_other_side_less_than_2() {
    for seed in 0..40 {
        // We own the Call-ID.
        let mut net = Net::new();
        let (a, _) = net.call_raw(None);
        net.sides[A].ua.entropy = Entropy::from_number(seed);
        net.offer(A, a).unwrap();
        let start = net.now.as_millis();
        let offer = net.latest(RAW, "INVITE");
        net.reply(&offer, 491, "raw", b"");
        net.run(5_000);
        let times = net.times(A, "INVITE");
        let again = times[2] - start;
        assert!((2_100..=4_001).contains(&again), "{again}");
        let second = net.latest(RAW, "INVITE");
        assert_eq!((second.body(), second.cseq().number), (OFFER, offer.cseq().number + 1));
        net.reply(&second, 200, "raw", ANSWER);
        assert_eq!(net.last(A), Indication::OfferAnswered(a));
        net.act(A, |ua, layer, now| ua.abandon(now, layer, a));
        net.drain();

        // They do.
        let mut net = Net::new();
        let (a, tag) = net.call_from_raw();
        net.sides[A].ua.entropy = Entropy::from_number(seed);
        net.offer(A, a).unwrap();
        let start = net.now.as_millis();
        let offer = net.latest(RAW, "INVITE");
        net.reply(&offer, 491, "raw", b"");
        net.run(2_010);
        let again = net.times(A, "INVITE")[1] - start;
        assert!((0..=2_001).contains(&again), "{again}");
        net.inject(A, &request("BYE", "9", Some(&tag), 90, "", b""));
        net.drain();
    }
}

#[test]
fn a_peer_that_always_says_491_ends_the_trying() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.offer(A, a).unwrap();
    for _ in 0..20 {
        let offer = net.latest(RAW, "INVITE");
        net.reply(&offer, 491, "raw", b"");
        net.run(4_100);
    }
    assert_eq!(net.last(A), Indication::OfferRefused(a, Failure::Status(491)));
    let all = net.seen.iter().filter(|seen| seen.title() == "INVITE").map(|seen| seen.message.cseq().number);
    let numbers: std::collections::BTreeSet<u32> = all.collect();
    assert_eq!(numbers.len(), 7, "the first, the offer, five more");
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn a_second_offer_before_the_first_is_answered_gets_500_with_retry_after() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.sides[A].answers_offers = false;
    net.inject(A, &request("INVITE", "5", Some(&tag), 11, "", OFFER));
    assert_eq!(net.last(A), Indication::Offered(a));
    net.inject(A, &request("INVITE", "6", Some(&tag), 12, "", OFFER));
    let wait: u32 = net.latest(RAW, "500 INVITE").header(Name::RetryAfter).unwrap().parse().unwrap();
    assert!(wait <= 10);
    net.inject(A, &request("UPDATE", "7", Some(&tag), 13, "", OFFER));
    assert!(net.latest(RAW, "500 UPDATE").header(Name::RetryAfter).is_some());
    // A BYE refuses what waits.
    net.inject(A, &request("BYE", "8", Some(&tag), 14, "", b""));
    net.latest(RAW, "487 INVITE");
    assert_eq!(net.last(A), Indication::Ended(a));
    net.drain();
}

#[test]
fn an_offer_while_ours_is_out_gets_491() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.offer(A, a).unwrap();
    net.inject(A, &request("INVITE", "5", Some(&tag), 11, "", OFFER));
    net.latest(RAW, "491 INVITE");
    net.inject(A, &request("UPDATE", "6", Some(&tag), 12, "", OFFER));
    net.latest(RAW, "491 UPDATE");
    net.inject(A, &request("UPDATE", "7", Some(&tag), 13, "", b""));
    net.latest(RAW, "200 UPDATE");
    net.inject(A, &request("BYE", "8", Some(&tag), 14, "", b""));
    assert_eq!(net.last(A), Indication::Ended(a));
    net.drain();
}

#[test]
fn an_update_is_answered_without_ack() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.inject(A, &request("UPDATE", "5", Some(&tag), 11, "", OFFER));
    assert_eq!(net.last(A), Indication::Offered(a));
    let ok = net.latest(RAW, "200 UPDATE");
    assert_eq!(ok.body(), ANSWER);
    assert!(ok.contact().is_some());
    net.offer(A, a).unwrap();
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn an_update_without_offer_moves_the_peer() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    let told = net.told(A).len();
    let text = String::from_utf8(request("UPDATE", "5", Some(&tag), 11, "", b"")).unwrap();
    net.inject(A, text.replace("Contact: <sip:raw@10.0.0.9", "Contact: <sip:moved@10.0.0.8").as_bytes());
    net.latest(RAW, "200 UPDATE");
    assert_eq!(net.told(A).len(), told);
    net.hang_up(A, a).unwrap();
    assert_eq!(net.latest(7, "BYE").request_uri(), Some("sip:moved@10.0.0.8:5060"));
    net.drain();
}

#[test]
fn an_offer_without_body_is_answered_by_an_offer_and_the_answer_comes_in_the_ack() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.inject(A, &request("INVITE", "5", Some(&tag), 11, "", b""));
    assert_eq!(net.last(A), Indication::Offered(a));
    assert_eq!(net.offer(A, a), Err(LegError::OfferPending), "until the ACK");
    net.inject(A, &request("ACK", "6", Some(&tag), 11, "", ANSWER));
    assert_eq!((net.last(A), net.sides[A].body.as_slice()), (Indication::OfferConfirmed(a), ANSWER));
    net.inject(A, &request("BYE", "8", Some(&tag), 14, "", b""));
    net.drain();
}

#[test]
fn the_2xx_to_an_offer_is_sent_again_and_without_ack_the_session_ends() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.inject(A, &request("INVITE", "5", Some(&tag), 11, "", OFFER));
    let start = net.now.as_millis();
    net.run(33_000);
    assert_eq!(net.last(A), Indication::NotAcknowledged(a));
    assert_eq!(net.times(A, "BYE")[0] - start, 32_000);
    assert_eq!(net.count(A, "200 INVITE"), 1 + 11);
    net.drain();
}

#[test]
fn every_copy_of_the_2xx_to_our_offer_is_acknowledged() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.offer(A, a).unwrap();
    let offer = net.latest(RAW, "INVITE");
    for _ in 0..3 {
        net.reply(&offer, 200, "raw", ANSWER);
    }
    assert_eq!(net.count(A, "ACK"), 1 + 3);
    assert_eq!(net.latest(RAW, "ACK").cseq().number, offer.cseq().number);
    assert_eq!(of(&net, A, |told| *told == Indication::OfferAnswered(a)), 1);
    // Even after the end.
    net.hang_up(A, a).unwrap();
    let bye = net.latest(RAW, "BYE");
    net.reply(&bye, 200, "raw", b"");
    net.reply(&offer, 200, "raw", ANSWER);
    assert_eq!((net.count(A, "ACK"), net.count(A, "BYE")), (1 + 4, 1));
    net.drain();
}

#[test]
fn an_offer_to_a_dialog_that_is_gone_ends_the_session() {
    for status in [481, 408] {
        let mut net = Net::new();
        let (a, _) = net.call_raw(None);
        net.offer(A, a).unwrap();
        let offer = net.latest(RAW, "INVITE");
        net.reply(&offer, status, "raw", b"");
        assert_eq!(net.last(A), Indication::Lost(a, Failure::Status(status)));
        assert_eq!(net.count(A, "BYE"), 1);
        net.drain();
    }
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.offer(A, a).unwrap();
    net.run(33_000);
    assert_eq!(net.last(A), Indication::Lost(a, Failure::TimedOut));
    net.drain();
}

#[test]
fn an_offer_that_is_never_finally_answered_is_cancelled() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.offer(A, a).unwrap();
    let offer = net.latest(RAW, "INVITE");
    net.reply(&offer, 100, "raw", b"");
    net.run(33_000);
    let cancel = net.latest(RAW, "CANCEL");
    assert_eq!(cancel.branch(), offer.branch());
    net.reply(&offer, 487, "raw", b"");
    assert_eq!(net.last(A), Indication::OfferRefused(a, Failure::Status(487)));
    net.hang_up(A, a).unwrap();
    net.drain();
}

#[test]
fn hanging_up_takes_back_our_offer_even_if_it_is_never_answered() {
    for theirs in [false, true] {
        let mut net = Net::new();
        let (a, tag) = net.call_from_raw();
        net.offer(A, a).unwrap();
        let offer = net.latest(RAW, "INVITE");
        net.reply(&offer, 100, "raw", b"");
        if theirs {
            net.inject(A, &request("BYE", "8", Some(&tag), 14, "", b""));
            assert_eq!(net.last(A), Indication::Ended(a));
        } else {
            net.hang_up(A, a).unwrap();
            let bye = net.latest(RAW, "BYE");
            net.reply(&bye, 200, "raw", b"");
            assert_eq!(net.last(A), Indication::HungUp(a));
        }
        let told = net.told(A).len();
        net.drain();
        assert_eq!(net.told(A).len(), told);
    }
}

#[test]
fn hanging_up_while_ours_waits_to_be_sent_again() {
    let mut net = Net::new();
    let (a, _) = net.call_raw(None);
    net.offer(A, a).unwrap();
    let offer = net.latest(RAW, "INVITE");
    net.reply(&offer, 491, "raw", b"");
    net.hang_up(A, a).unwrap();
    net.drain();
    assert_eq!(net.count(A, "INVITE"), 2);
    assert_eq!(net.last(A), Indication::HungUp(a));
}

#[test]
fn an_offer_of_theirs_that_is_cancelled_gets_487_and_the_session_goes_on() {
    let mut net = Net::new();
    let (a, tag) = net.call_from_raw();
    net.sides[A].answers_offers = false;
    net.inject(A, &request("INVITE", "5", Some(&tag), 11, "", OFFER));
    net.inject(A, &request("CANCEL", "5", Some(&tag), 11, "", b""));
    net.latest(RAW, "200 CANCEL");
    net.latest(RAW, "487 INVITE");
    net.inject(A, &request("ACK", "5", Some(&tag), 11, "", b""));
    assert_eq!(net.act(A, |ua, layer, now| ua.answer_offer(now, layer, a, None)), Err(LegError::State));
    net.inject(A, &request("INVITE", "6", Some(&tag), 12, "", OFFER));
    assert_eq!(net.last(A), Indication::Offered(a));
    net.hang_up(A, a).unwrap();
    net.latest(RAW, "487 INVITE");
    net.drain();
}

#[test]
fn an_offer_before_the_first_ack_must_wait() {
    let mut net = Net::new();
    net.inject(A, &request("INVITE", "1", None, 10, "", OFFER));
    let leg = net.incoming(A);
    assert_eq!(net.offer(A, leg), Err(LegError::State));
    net.accept(A, leg).unwrap();
    assert_eq!(net.offer(A, leg), Err(LegError::OfferPending));
    let tag = net.latest(RAW, "200 INVITE").to_tag().unwrap().to_owned();
    net.inject(A, &request("INVITE", "2", Some(&tag), 11, "", OFFER));
    net.latest(RAW, "491 INVITE");
    net.inject(A, &request("ACK", "3", Some(&tag), 10, "", b""));
    assert_eq!(net.last(A), Indication::Confirmed(leg));
    net.hang_up(A, leg).unwrap();
    net.drain();
}

#[test]
fn an_offer_that_gave_way_to_one_that_is_refused_is_refused_too() {
    for again in [false, true] {
        let mut net = Net::new();
        let (a, tag) = net.call_from_raw();
        net.sides[A].answers_offers = false;
        net.offer(A, a).unwrap();
        let offer = net.latest(RAW, "INVITE");
        net.reply(&offer, 491, "raw", b"");
        net.inject(A, &request("INVITE", "5", Some(&tag), 11, "", OFFER));
        assert_eq!(net.last(A), Indication::Offered(a));
        net.act(A, |ua, layer, now| ua.refuse_offer(now, layer, a, 488, "")).unwrap();
        if again {
            net.offer(A, a).unwrap();
        }
        net.run(1);
        let refused = Indication::OfferRefused(a, Failure::Status(491));
        assert_eq!(net.last(A), if again { Indication::Offered(a) } else { refused });
        net.inject(A, &request("BYE", "8", Some(&tag), 14, "", b""));
        net.drain();
    }
}
