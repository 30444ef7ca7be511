//! A peer that says anything in any order, and a user who asks for anything: nothing panics, an ACK is never answered, every
//! session ends once, and nothing is left over.

use super::*;
use crate::event::EndReason;
use crate::session_timer::Interval;
use crate::subscription::{Policy, Report};
use crate::ua::{Failure, Grant, SubscriptionId, Watch};
use std::collections::BTreeMap;

const STATUSES: [u16; 22] = [
    100, 180, 183, 200, 200, 200, 200, 202, 299, 302, 401, 404, 407, 408, 422, 423, 481, 487, 489, 491, 500,
    603,
];
const METHODS: [&str; 10] =
    ["INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "INFO", "REFER", "NOTIFY", "OPTIONS", "SUBSCRIBE"];
/// What a request may say besides; REPLACES stands for one of the sessions there are.
const ASKED: [&str; 9] = [
    "",
    "",
    "REPLACES",
    "Supported: timer\r\nSession-Expires: 95\r\n",
    "Session-Expires: 30\r\nRequire: timer\r\n",
    "Event: message-summary\r\nSubscription-State: active;expires=60\r\n",
    "Event: message-summary\r\nSubscription-State: terminated;reason=deactivated\r\n",
    "Event: dialog\r\nExpires: 60\r\n",
    "Event: dialog\r\nExpires: 0\r\n",
];
/// What a response may say besides.
const ANSWERED: [(&str, &str); 6] = [
    ("Session-Expires", "100;refresher=uac"),
    ("Session-Expires", "95;refresher=uas"),
    ("Min-SE", "200"),
    ("Expires", "60"),
    ("Min-Expires", "7200"),
    ("Allow", "UPDATE"),
];

#[test]
fn whatever_happens_every_session_ends_once_and_nothing_is_left() {
    let mut seen = BTreeMap::new();
    for seed in 0..200 {
        let mut chance = Entropy::from_number(seed);
        let config = Config {
            methods: vec![Method::Subscribe],
            session_timer: chance.chance(1, 2).then_some(Interval { expires: 120, least: 90 }),
            ..Config::default()
        };
        let mut net = Net::with(config, transaction::Config::default());
        net.sides[A].acknowledges = chance.chance(3, 4);
        net.sides[A].answers_offers = chance.chance(1, 2);
        let account = net.account(A, "secret");
        let (mut legs, mut subscriptions) = (Vec::new(), Vec::new());
        for step in 0..100 {
            for (_, told) in &net.sides[A].told {
                if let Indication::Incoming(leg) | Indication::Replacing { leg, .. } = told
                    && !legs.contains(leg)
                {
                    legs.push(*leg);
                }
            }
            answer_subscribers(&mut net, &mut chance, &mut subscriptions);
            match chance.below(5) {
                0 => peer_asks(&mut net, &mut chance, step, &legs),
                1 => peer_answers(&mut net, &mut chance),
                2 => user_asks(&mut net, &mut chance, &mut legs, account),
                3 => user_watches(&mut net, &mut chance, &mut subscriptions),
                _ => net.run([1, 20, 50, 600, 600, 5_000, 5_000, 40_000][chance.below(8) as usize]),
            }
        }
        assert!(!net.seen.iter().any(|s| s.message.status().is_some() && s.message.method() == Method::Ack));
        let told = net.told(A).len();
        let ended: Vec<LegId> = net.told(A).iter().filter_map(end_of).collect();
        once_each(seed, ended);
        legs.extend(net.told(A).into_iter().filter_map(|told| match told {
            Indication::Incoming(leg) | Indication::Replacing { leg, .. } => Some(leg),
            _ => None,
        }));
        answer_subscribers(&mut net, &mut chance, &mut subscriptions);
        for id in subscriptions {
            net.act(A, |ua, layer, now| {
                let _ = ua.unsubscribe(now, layer, id);
                let _ = ua.end_subscription(now, layer, id, EndReason::NoResource);
            });
        }
        for leg in legs {
            net.act(A, |ua, layer, now| ua.abandon(now, layer, leg));
        }
        net.drain();
        once_each(seed, net.told(A).iter().filter_map(subscription_end_of).collect());
        for told in net.told(A) {
            let text = format!("{told:?}");
            let kind = text.split(['(', ' ']).next().unwrap_or_default().to_owned();
            *seen.entry(kind).or_insert(0) += 1;
        }
        let late = net.told(A).split_off(told);
        assert!(
            late.iter().all(|told| end_of(told).is_none()),
            "seed {seed}: {late:?} of abandoned sessions"
        );
    }
    // Everything was tried.
    for kind in [
        "Incoming",
        "Replacing",
        "Confirmed",
        "Offered",
        "Lost",
        "Subscription",
        "NotifyDue",
        "SubscriberGone",
    ] {
        assert!(seen.get(kind).is_some_and(|times| *times > 4), "{kind}: {seen:?}");
    }
}

fn once_each<Id: Ord + std::fmt::Debug>(seed: u64, ended: Vec<Id>) {
    let mut times = BTreeMap::new();
    for id in ended {
        *times.entry(id).or_insert(0) += 1;
    }
    assert!(times.values().all(|times| *times == 1), "seed {seed}: {times:?}");
}

fn subscription_end_of(told: &Indication) -> Option<SubscriptionId> {
    match told {
        Indication::Subscription(id, Report::Ended(_)) | Indication::SubscriberGone(id) => Some(*id),
        _ => None,
    }
}

/// A SUBSCRIBE is granted or refused.
fn answer_subscribers(net: &mut Net, chance: &mut Entropy, subscriptions: &mut Vec<SubscriptionId>) {
    for (server, message) in std::mem::take(&mut net.sides[A].asked) {
        let pending = chance.chance(1, 3);
        let granted = chance.chance(4, 5);
        subscriptions.extend(net.act(A, |ua, layer, now| {
            if granted {
                let grant = Grant { contact: "sip:alice@10.0.0.1".into(), longest: 50, pending, fields: "" };
                return ua.grant(now, layer, server, Net::flow(RAW), &message, &grant, None).ok();
            }
            ua.respond(now, layer, server, Net::flow(RAW), &message, 489, format_args!(""));
            None
        }));
    }
}

fn user_watches(net: &mut Net, chance: &mut Entropy, subscriptions: &mut Vec<SubscriptionId>) {
    if subscriptions.is_empty() || chance.chance(1, 4) {
        let subscribed = net.act(A, |ua, layer, now| {
            let watch = Watch {
                flow: Net::flow(RAW),
                account: None,
                uri: "sip:mwi@10.0.0.9",
                from: "<sip:alice@example.com>",
                to: "<sip:alice@example.com>",
                contact: "sip:alice@10.0.0.1".into(),
                event: "message-summary",
                accept: "*/*",
                fields: "",
                policy: Policy { expires: 60, ..Policy::default() },
            };
            ua.subscribe(now, layer, &watch)
        });
        subscriptions.extend(subscribed);
        return;
    }
    let id = pick(chance, subscriptions);
    let choice = chance.below(9);
    let done = net.act(A, |ua, layer, now| match choice {
        0 => ua.unsubscribe(now, layer, id),
        1 => ua.refresh_subscription(now, layer, id),
        2 => ua.retry_subscription(now, layer, id),
        3 => ua.consent(now, layer, id).map(drop),
        4 => ua.end_subscription(now, layer, id, EndReason::Deactivated),
        _ => ua.notify(now, layer, id, Some(("text/plain", b"x"))).map(drop),
    });
    let _ = done.map_err(|error| error.to_string());
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

/// Tags and Call-IDs that A has used: ours, theirs, Call-ID.
fn dialogs(net: &Net) -> Vec<(String, String, String)> {
    let of = |message: &Message| {
        let (ours, theirs) = match message.is_request() {
            true => (message.from_tag(), message.to_tag()),
            false => (message.to_tag(), message.from_tag()),
        };
        Some((ours?.to_owned(), theirs.unwrap_or("raw").to_owned(), message.call_id().to_owned()))
    };
    net.seen.iter().filter(|seen| seen.from == A).filter_map(|seen| of(&seen.message)).collect()
}

/// One of the latest of them.
fn recent<'d>(chance: &mut Entropy, dialogs: &'d [(String, String, String)]) -> &'d (String, String, String) {
    let back = chance.below(dialogs.len().min(8) as u64) as usize;
    &dialogs[dialogs.len() - 1 - back]
}

/// A request with the tags of one of the sessions, or with others.
fn peer_asks(net: &mut Net, chance: &mut Entropy, step: u32, legs: &[LegId]) {
    let mut known = dialogs(net);
    if chance.chance(2, 3) {
        // What is said to sessions that live goes deeper.
        let live = legs.iter().flat_map(|leg| net.sides[A].ua.dialogs(*leg));
        known.extend(
            live.map(|d| (d.local_tag().to_owned(), d.remote_tag().to_owned(), d.call_id().to_owned())),
        );
    }
    if chance.chance(1, 5) {
        return peer_acknowledges(net, step);
    }
    let inside = !known.is_empty() && chance.chance(1, 2);
    let branch = if chance.chance(1, 6) { step.saturating_sub(1) } else { step };
    let method = if inside {
        pick(chance, &METHODS)
    } else {
        pick(chance, &["INVITE", "INVITE", "SUBSCRIBE", "OPTIONS"])
    };
    let cseq = if chance.chance(1, 5) { 1 + chance.below(40) as u32 } else { step + 1 };
    let body = if matches!(method, "INVITE" | "UPDATE") && chance.chance(3, 4) { OFFER } else { b"" };
    let (ours, theirs, call_id) = match inside {
        true => recent(chance, &known).clone(),
        false => (String::new(), "raw".into(), format!("call-{step}")),
    };
    let tag = Some(ours.as_str()).filter(|tag| !tag.is_empty());
    let asked = if !inside && chance.chance(1, 3) { "REPLACES" } else { pick(chance, &ASKED) };
    let fields = match asked {
        "REPLACES" if !known.is_empty() => {
            let (ours, theirs, call_id) = recent(chance, &known);
            format!("Replaces: {call_id};to-tag={ours};from-tag={theirs}\r\n")
        }
        "REPLACES" => String::new(),
        fields => fields.into(),
    };
    let fields = match method {
        "SUBSCRIBE" | "NOTIFY" if !fields.contains("Event") => format!("Event: dialog\r\n{fields}"),
        _ => fields,
    };
    let text = request(method, &branch.to_string(), tag, cseq, &fields, body);
    let text = String::from_utf8(text).unwrap();
    let text = text
        .replace("tag=raw\r\n", &format!("tag={theirs}\r\n"))
        .replace("Call-ID: raw-call", &format!("Call-ID: {call_id}"));
    net.inject(A, text.as_bytes());
}

/// The ACK for the latest 200 to an INVITE.
fn peer_acknowledges(net: &mut Net, step: u32) {
    let ok = net.seen.iter().rev().find(|seen| seen.from == A && seen.title() == "200 INVITE");
    let Some(ok) = ok.map(|seen| seen.message.clone()) else { return };
    let text = request("ACK", &format!("ack{step}"), ok.to_tag(), ok.cseq().number, "", b"");
    let text = String::from_utf8(text).unwrap();
    let text = text
        .replace("tag=raw\r\n", &format!("tag={}\r\n", ok.from_tag().unwrap_or_default()))
        .replace("Call-ID: raw-call", &format!("Call-ID: {}", ok.call_id()));
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
    if chance.chance(1, 2) {
        let (name, value) = pick(chance, &ANSWERED);
        response = response.header_raw(name, value);
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
