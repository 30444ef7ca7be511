//! A peer that says anything in any order, and a user who asks for anything: nothing panics, an ACK is never answered, every
//! session ends once, and nothing is left over.

use super::*;
use crate::ua::Failure;
use std::collections::BTreeMap;

const STATUSES: [u16; 16] = [100, 180, 183, 200, 202, 299, 302, 401, 404, 407, 408, 481, 487, 491, 500, 603];
const METHODS: [&str; 9] = ["INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "INFO", "REFER", "NOTIFY", "OPTIONS"];

#[test]
fn whatever_happens_every_session_ends_once_and_nothing_is_left() {
    for seed in 0..300 {
        let mut net = Net::new();
        let mut chance = Entropy::from_number(seed);
        net.sides[A].acknowledges = chance.chance(3, 4);
        net.sides[A].answers_offers = chance.chance(1, 2);
        let account = net.account(A, "secret");
        let mut legs = Vec::new();
        for step in 0..60 {
            for (_, told) in &net.sides[A].told {
                if let Indication::Incoming(leg) = told
                    && !legs.contains(leg)
                {
                    legs.push(*leg);
                }
            }
            match chance.below(4) {
                0 => peer_asks(&mut net, &mut chance, step),
                1 => peer_answers(&mut net, &mut chance),
                2 => user_asks(&mut net, &mut chance, &mut legs, account),
                _ => net.run([1, 50, 600, 5_000, 40_000][chance.below(5) as usize]),
            }
        }
        assert!(!net.seen.iter().any(|s| s.message.status().is_some() && s.message.method() == Method::Ack));
        let told = net.told(A).len();
        let ended: Vec<LegId> = net.told(A).iter().filter_map(end_of).collect();
        let mut times = BTreeMap::new();
        for leg in ended {
            *times.entry(leg).or_insert(0) += 1;
        }
        assert!(times.values().all(|times| *times == 1), "seed {seed}: {:?}", net.told(A));
        legs.extend(net.told(A).into_iter().filter_map(|told| match told {
            Indication::Incoming(leg) => Some(leg),
            _ => None,
        }));
        for leg in legs {
            net.act(A, |ua, layer, now| ua.abandon(now, layer, leg));
        }
        net.drain();
        let late = net.told(A).split_off(told);
        assert!(
            late.iter().all(|told| end_of(told).is_none()),
            "seed {seed}: {late:?} of abandoned sessions"
        );
    }
}

fn end_of(told: &Indication) -> Option<LegId> {
    match told {
        Indication::Failed(leg, _)
        | Indication::Ended(leg)
        | Indication::HungUp(leg)
        | Indication::Cancelled(leg)
        | Indication::NotAcknowledged(leg)
        | Indication::Lost(leg, _) => Some(*leg),
        _ => None,
    }
}

fn pick<T: Copy>(chance: &mut Entropy, all: &[T]) -> T {
    all[chance.below(all.len() as u64) as usize]
}

/// A request with the tags of one of the sessions, or with others.
fn peer_asks(net: &mut Net, chance: &mut Entropy, step: u32) {
    let tags: Vec<(String, String, String)> = net
        .seen
        .iter()
        .filter(|seen| seen.from == A)
        .filter_map(|seen| {
            let message = &seen.message;
            let (ours, theirs) = match message.is_request() {
                true => (message.from_tag(), message.to_tag()),
                false => (message.to_tag(), message.from_tag()),
            };
            Some((ours?.to_owned(), theirs.unwrap_or("raw").to_owned(), message.call_id().to_owned()))
        })
        .collect();
    let branch = if chance.chance(1, 4) { step.saturating_sub(1) } else { step };
    let method = pick(chance, &METHODS);
    let cseq = 1 + chance.below(40) as u32 + if chance.chance(1, 2) { step } else { 0 };
    let body = if chance.chance(1, 2) { OFFER } else { b"" };
    let inside = !tags.is_empty() && chance.chance(4, 5);
    let (ours, theirs, call_id) = match inside {
        true => tags[chance.below(tags.len() as u64) as usize].clone(),
        false => (String::new(), "raw".into(), format!("call-{step}")),
    };
    let tag = Some(ours.as_str()).filter(|tag| !tag.is_empty());
    let text = request(method, &branch.to_string(), tag, cseq, "", body);
    let text = String::from_utf8(text).unwrap();
    let text = text.replace("tag=raw\r\n", &format!("tag={theirs}\r\n")).replace("raw-call", &call_id);
    net.inject(A, text.as_bytes());
}

/// A response to any request that was sent, with a status and a tag that may fit or not.
fn peer_answers(net: &mut Net, chance: &mut Entropy) {
    let asked: Vec<Message> = net
        .seen
        .iter()
        .filter(|seen| seen.from == A && seen.message.is_request() && seen.message.method() != Method::Ack)
        .map(|seen| seen.message.clone())
        .collect();
    if asked.is_empty() {
        return;
    }
    let at = asked.len() - 1 - chance.below(asked.len().min(4) as u64) as usize;
    let status = pick(chance, &STATUSES);
    let tag = pick(chance, &["raw", "raw", "raw", "fork", "other"]);
    let mut response = Response::to(&asked[at], status).to_tag(tag);
    if chance.chance(4, 5) {
        response = response.header(crate::message::Name::Contact, "<sip:raw@10.0.0.9>");
    }
    if matches!(status, 401 | 407) {
        let nonce = chance.below(100);
        let value = format!("Digest realm=\"pbx\", nonce=\"{nonce}\", stale=true");
        response = response.header(crate::message::Name::WwwAuthenticate, value);
    }
    net.inject(A, &response.finish());
}

fn user_asks(net: &mut Net, chance: &mut Entropy, legs: &mut Vec<LegId>, account: AccountId) {
    if legs.is_empty() || chance.chance(1, 5) {
        let account = chance.chance(1, 2).then_some(account);
        let offer = chance.chance(3, 4).then_some(OFFER);
        legs.push(net.invite_to(RAW, account, offer));
        return;
    }
    let leg = legs[legs.len() - 1 - chance.below(legs.len().min(3) as u64) as usize];
    let contact = "sip:alice@10.0.0.1";
    let choice = chance.below(11);
    // Whatever the state of the session is, it says so by its error.
    let done = net.act(A, |ua, layer, now| match choice {
        0 => ua.ring(now, layer, leg, 180, contact, None),
        1 | 2 => ua.accept(now, layer, leg, contact.into(), None, ANSWER),
        3 => ua.reject(now, layer, leg, 486, format_args!("")),
        4 => ua.hang_up(now, layer, leg, Some("Q.850;cause=16")),
        5 => ua.offer(now, layer, leg, OFFER),
        6 => ua.answer_offer(now, layer, leg, Some(ANSWER)),
        7 => ua.refuse_offer(now, layer, leg, 488, ""),
        8 => ua.send_within(now, layer, leg, Method::Info, "", None).map(drop),
        9 => ua.acknowledge(now, layer, leg, None),
        _ => ua.follow(now, layer, leg, "sip:elsewhere@10.0.0.9", Net::flow(RAW)),
    });
    let _ = done.map_err(|error| error.to_string());
    let _ = Failure::TimedOut.status();
}
