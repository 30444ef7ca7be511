//! Subscriptions: A subscribes to B, or to the test; the test subscribes to A.

use super::*;
use crate::event::{EndReason, MESSAGE_SUMMARY, SIMPLE_MESSAGE_SUMMARY};
use crate::message::Name;
use crate::subscription::{Cause, Policy, Report};
use crate::ua::{Grant, LegError, Notified, SubscriptionId, Watch};

const SUMMARY: &[u8] = b"Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n";
const NOTIFIED: Report = Report::Notified { pending: false };

fn net() -> Net {
    let methods = vec![Method::Subscribe];
    Net::with(Config { methods, max_subscriptions: 8, ..Config::default() }, transaction::Config::default())
}

fn subscribe(net: &mut Net, to: usize, account: Option<AccountId>) -> SubscriptionId {
    let uri = format!("sip:alice@{}", address(to));
    net.act(A, |ua, layer, now| {
        let watch = Watch {
            flow: Net::flow(to),
            account,
            uri: &uri,
            from: "<sip:alice@example.com>",
            to: "<sip:alice@example.com>",
            contact: format!("sip:alice@{}", address(A)).into(),
            event: MESSAGE_SUMMARY,
            accept: SIMPLE_MESSAGE_SUMMARY,
            fields: "",
            policy: Policy::default(),
        };
        ua.subscribe(now, layer, &watch).expect("room")
    })
}

fn grant(net: &mut Net, side: usize, from: usize, longest: u32) -> Result<SubscriptionId, LegError> {
    let (server, message) = net.sides[side].asked.pop().expect("a SUBSCRIBE");
    net.act(side, |ua, layer, now| {
        let contact = format!("sip:b@{}", address(side)).into();
        let grant = Grant { contact, longest, pending: false, fields: "" };
        let state = Some((SIMPLE_MESSAGE_SUMMARY, SUMMARY));
        ua.grant(now, layer, server, Net::flow(from), &message, &grant, state)
    })
}

fn notify(net: &mut Net, side: usize, id: SubscriptionId) -> Result<Notified, LegError> {
    net.act(side, |ua, layer, now| ua.notify(now, layer, id, Some((SIMPLE_MESSAGE_SUMMARY, SUMMARY))))
}

fn reports(net: &Net) -> Vec<Report> {
    let one = |told| if let Indication::Subscription(_, report) = told { Some(report) } else { None };
    net.told(A).into_iter().filter_map(one).collect()
}

/// A NOTIFY of the test in the dialog of A's latest SUBSCRIBE.
fn raw_notify(net: &mut Net, tag: &str, cseq: u32, state: &str) {
    let subscribe = net.latest(RAW, "SUBSCRIBE");
    let text = format!(
        "NOTIFY sip:alice@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKn{tag}{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.com>;tag={tag}\r\nTo: <sip:alice@example.com>;tag={}\r\nCall-ID: {}\r\n\
         CSeq: {cseq} NOTIFY\r\nContact: <sip:mwi-{tag}@{}>\r\nRecord-Route: <sip:{};lr>\r\nEvent: message-summary\r\n\
         Subscription-State: {state}\r\nContent-Length: 0\r\n\r\n",
        address(A),
        address(RAW),
        subscribe.from_tag().unwrap(),
        subscribe.call_id(),
        address(RAW),
        address(RAW),
    );
    net.inject(A, text.as_bytes());
}

#[test]
fn a_subscription_lives_from_its_first_notify_to_its_last() {
    let mut net = net();
    let a = subscribe(&mut net, B, None);
    net.run(20);
    let b = grant(&mut net, B, A, 600).unwrap();
    net.run(50);
    assert_eq!(reports(&net), [NOTIFIED]);
    assert_eq!(net.sides[A].body, SUMMARY);
    let notify_message = net.latest(A, "NOTIFY");
    assert_eq!(notify_message.header(Name::SubscriptionState), Some("active;expires=600"));
    assert_eq!(notify_message.header(Name::Event), Some(MESSAGE_SUMMARY));

    // The state changes twice at once.
    assert_eq!(notify(&mut net, B, b), Ok(Notified::Sent));
    assert_eq!(notify(&mut net, B, b), Ok(Notified::Later));
    net.run(50);
    assert_eq!(net.last(B), Indication::NotifyDue(b));
    assert_eq!(notify(&mut net, B, b), Ok(Notified::Sent));
    net.run(50);
    assert_eq!(reports(&net), [NOTIFIED; 3]);

    // It is refreshed in time, twice.
    for n in 2..4 {
        net.run(540_000);
        assert_eq!(net.count(A, "SUBSCRIBE"), n);
        assert_eq!(net.last(B), Indication::NotifyDue(b));
        assert_eq!(notify(&mut net, B, b), Ok(Notified::Sent));
        net.run(100);
    }
    let refresh = net.latest(B, "SUBSCRIBE");
    assert_eq!(refresh.header(Name::Expires), Some("3600"));
    assert!(refresh.to_tag().is_some());

    net.act(A, |ua, layer, now| ua.unsubscribe(now, layer, a)).unwrap();
    net.run(20);
    assert_eq!(net.last(B), Indication::NotifyDue(b));
    assert_eq!(notify(&mut net, B, b), Ok(Notified::Sent));
    net.run(50);
    assert_eq!(net.latest(A, "NOTIFY").header(Name::SubscriptionState), Some("terminated;reason=timeout"));
    assert_eq!(reports(&net).last(), Some(&Report::Ended(Cause::Stopped)));
    assert_eq!(net.last(B), Indication::SubscriberGone(b));
    net.drain();
}

#[test]
fn a_notify_before_the_response_makes_the_dialog() {
    let mut net = net();
    let a = subscribe(&mut net, RAW, None);
    net.run(20);
    raw_notify(&mut net, "n1", 7, "active;expires=3600");
    net.latest(RAW, "200 NOTIFY");
    assert_eq!(net.last(A), Indication::Subscription(a, NOTIFIED));
    let subscribe = net.latest(RAW, "SUBSCRIBE");
    net.reply(&subscribe, 200, "n1", b"");
    // Another branch of a fork, and an old one.
    raw_notify(&mut net, "n2", 1, "active");
    raw_notify(&mut net, "n1", 6, "active");
    assert_eq!((net.count(A, "481 NOTIFY"), net.count(A, "500 NOTIFY")), (1, 1));
    assert_eq!(reports(&net), [NOTIFIED]);
    net.act(A, |ua, layer, now| ua.unsubscribe(now, layer, a)).unwrap();
    let last = net.latest(RAW, "SUBSCRIBE");
    assert_eq!((last.header(Name::Expires), last.to_tag()), (Some("0"), Some("n1")));
    assert_eq!(last.cseq().number, subscribe.cseq().number + 1);
    assert_eq!(last.request_uri(), Some(format!("sip:raw@{}", address(RAW)).as_str()));
    assert_eq!(last.routes().count(), 1);
    net.reply(&last, 200, "n1", b"");
    raw_notify(&mut net, "n1", 8, "terminated;reason=timeout");
    assert_eq!(net.last(A), Indication::Subscription(a, Report::Ended(Cause::Stopped)));
    net.drain();
}

#[test]
fn foreign_notifies_are_refused() {
    let mut net = net();
    let a = subscribe(&mut net, RAW, None);
    net.run(20);
    let told = net.told(A).len();
    let request = net.latest(RAW, "SUBSCRIBE");
    let tag = request.from_tag().unwrap().to_owned();
    for (n, event) in ["dialog", "message-summary;id=7", ""].iter().enumerate() {
        let fields = format!("Event: {event}\r\nSubscription-State: active\r\n");
        let text = super::request("NOTIFY", &format!("x{n}"), Some(&tag), 1, &fields, b"");
        let text = String::from_utf8(text).unwrap().replace("raw-call", request.call_id());
        net.inject(A, text.replace("Event: \r\n", "").as_bytes());
    }
    let fields = "Event: message-summary\r\nSubscription-State: active\r\n";
    net.inject(A, &super::request("NOTIFY", "y", Some(&tag), 1, fields, b""));
    net.inject(A, &super::request("SUBSCRIBE", "z", Some(&tag), 1, fields, b""));
    assert_eq!(net.count(A, "481 NOTIFY"), 4);
    assert_eq!(net.count(A, "481 SUBSCRIBE"), 1);
    assert_eq!(net.told(A).len(), told);
    net.reply(&request, 403, "n", b"");
    assert_eq!(net.last(A), Indication::Subscription(a, Report::Ended(Cause::Refused(403))));
    net.drain();
}

#[test]
fn a_challenge_is_answered_and_the_dialog_goes_on_from_there() {
    let mut net = net();
    let account = net.account(A, "secret");
    let a = subscribe(&mut net, RAW, Some(account));
    net.run(20);
    let first = net.latest(RAW, "SUBSCRIBE");
    let challenge = Response::to(&first, 401)
        .to_tag("c")
        .header(Name::WwwAuthenticate, "Digest realm=\"pbx\", nonce=\"n\", algorithm=MD5, qop=\"auth\"");
    let challenge = challenge.finish();
    net.inject(A, &challenge);
    let again = net.latest(RAW, "SUBSCRIBE");
    assert!(again.header(Name::Authorization).is_some());
    assert_eq!(again.cseq().number, first.cseq().number + 1);
    raw_notify(&mut net, "n1", 1, "active");
    net.reply(&again, 200, "n1", b"");
    net.act(A, |ua, layer, now| ua.unsubscribe(now, layer, a)).unwrap();
    let last = net.latest(RAW, "SUBSCRIBE");
    assert_eq!(last.cseq().number, first.cseq().number + 2);
    // Credentials are given before they are asked for.
    assert!(last.header(Name::Authorization).is_some());
    net.reply(&last, 481, "n1", b"");
    assert_eq!(net.last(A), Indication::Subscription(a, Report::Ended(Cause::Stopped)));
    net.drain();
}

#[test]
fn a_notifier_that_moves_is_followed_with_a_new_dialog() {
    let mut net = net();
    let a = subscribe(&mut net, RAW, None);
    net.run(20);
    let first = net.latest(RAW, "SUBSCRIBE");
    net.reply(&first, 200, "n1", b"");
    raw_notify(&mut net, "n1", 1, "active");
    raw_notify(&mut net, "n1", 2, "terminated;reason=deactivated");
    let second = net.latest(RAW, "SUBSCRIBE");
    assert_ne!(second.call_id(), first.call_id());
    assert_eq!(second.to_tag(), None);
    let cause = Cause::Terminated(EndReason::Deactivated);
    assert_eq!(net.last(A), Indication::Subscription(a, Report::Interrupted { cause, retry_at: net.now }));
    net.reply(&second, 489, "n2", b"");
    assert_eq!(net.last(A), Indication::Subscription(a, Report::Ended(Cause::Refused(489))));
    net.drain();
}

#[test]
fn a_notifier_that_never_notifies_is_tried_again_later() {
    let mut net = net();
    let a = subscribe(&mut net, RAW, None);
    net.run(20);
    let first = net.latest(RAW, "SUBSCRIBE");
    net.reply(&first, 200, "n1", b"");
    net.run(32_100);
    let [Report::Interrupted { cause: Cause::NoNotify, retry_at }] = reports(&net)[..] else {
        panic!("{:?}", reports(&net));
    };
    // Too late for the old dialog.
    raw_notify(&mut net, "n1", 1, "active");
    assert_eq!(net.count(A, "481 NOTIFY"), 1);
    net.run(retry_at.since(net.now).as_millis() as u64 + 100);
    assert_ne!(net.latest(RAW, "SUBSCRIBE").call_id(), first.call_id());
    net.run(40_000);
    assert!(matches!(reports(&net).last(), Some(Report::Interrupted { cause: Cause::NoResponse, .. })));
    assert_eq!(net.act(A, |ua, layer, now| ua.unsubscribe(now, layer, a)), Err(LegError::Gone));
    net.drain();
}

#[test]
fn a_subscriber_that_does_not_know_the_dialog_is_gone() {
    for answer in [Some(481), None] {
        let mut net = net();
        net.inject(A, &request("SUBSCRIBE", "s1", None, 1, "Event: dialog;id=4\r\nExpires: 60\r\n", b""));
        let id = grant(&mut net, A, RAW, 600).unwrap();
        let notify_message = net.latest(RAW, "NOTIFY");
        assert_eq!(notify_message.header(Name::Event), Some("dialog;id=4"));
        assert_eq!(notify_message.header(Name::SubscriptionState), Some("active;expires=60"));
        match answer {
            Some(status) => net.reply(&notify_message, status, "", b""),
            None => net.run(32_100),
        }
        assert_eq!(net.last(A), Indication::SubscriberGone(id));
        assert_eq!(notify(&mut net, A, id), Err(LegError::Gone));
        net.drain();
    }
}

#[test]
fn whoever_asks_once_is_told_once() {
    let mut net = net();
    net.inject(A, &request("SUBSCRIBE", "s1", None, 1, "Event: dialog\r\nExpires: 0\r\n", b""));
    let id = grant(&mut net, A, RAW, 600).unwrap();
    assert_eq!(net.latest(RAW, "200 SUBSCRIBE").header(Name::Expires), Some("0"));
    let notify_message = net.latest(RAW, "NOTIFY");
    assert_eq!(notify_message.header(Name::SubscriptionState), Some("terminated;reason=timeout"));
    assert_eq!(notify_message.body(), SUMMARY);
    net.reply(&notify_message, 200, "", b"");
    assert_eq!(net.last(A), Indication::SubscriberGone(id));
    net.drain();
}

#[test]
fn a_subscription_runs_out_unless_it_is_refreshed() {
    let mut net = net();
    net.inject(A, &request("SUBSCRIBE", "s1", None, 1, "Event: dialog\r\nExpires: 60\r\n", b""));
    let id = grant(&mut net, A, RAW, 45).unwrap();
    let first = net.latest(RAW, "NOTIFY");
    net.reply(&first, 200, "", b"");
    let tag = net.latest(RAW, "200 SUBSCRIBE").to_tag().unwrap().to_owned();
    net.run(40_000);
    let refresh = "Event: dialog\r\n";
    net.inject(A, &request("SUBSCRIBE", "s2", Some(&tag), 2, refresh, b""));
    assert_eq!(net.latest(RAW, "200 SUBSCRIBE").header(Name::Expires), Some("45"));
    assert_eq!(net.last(A), Indication::NotifyDue(id));
    notify(&mut net, A, id).unwrap();
    let second = net.latest(RAW, "NOTIFY");
    assert_eq!(second.cseq().number, first.cseq().number + 1);
    net.reply(&second, 200, "", b"");
    // Out of order, of somebody else, for something else.
    net.inject(A, &request("SUBSCRIBE", "s3", Some(&tag), 2, refresh, b""));
    let other = String::from_utf8(request("SUBSCRIBE", "s4", Some(&tag), 3, refresh, b"")).unwrap();
    net.inject(A, other.replace("tag=raw", "tag=else").as_bytes());
    net.inject(A, &request("SUBSCRIBE", "s5", Some(&tag), 3, "Event: presence\r\n", b""));
    assert_eq!((net.count(A, "500 SUBSCRIBE"), net.count(A, "481 SUBSCRIBE")), (1, 2));
    net.run(45_100);
    let last = net.latest(RAW, "NOTIFY");
    assert_eq!(last.header(Name::SubscriptionState), Some("terminated;reason=timeout"));
    net.reply(&last, 200, "", b"");
    assert_eq!(net.last(A), Indication::SubscriberGone(id));
    net.drain();
}

#[test]
fn consent_and_our_own_end_are_told() {
    let mut net = net();
    net.inject(A, &request("SUBSCRIBE", "s1", None, 1, "Event: dialog\r\nExpires: 60\r\n", b""));
    let (server, message) = net.sides[A].asked.pop().expect("a SUBSCRIBE");
    let id = net.act(A, |ua, layer, now| {
        let grant = Grant { contact: "sip:a@a".into(), longest: 60, pending: true, fields: "" };
        ua.grant(now, layer, server, Net::flow(RAW), &message, &grant, None).unwrap()
    });
    let pending = net.latest(RAW, "NOTIFY");
    assert_eq!(pending.header(Name::SubscriptionState), Some("pending;expires=60"));
    net.reply(&pending, 200, "", b"");
    assert_eq!(net.act(A, |ua, layer, now| ua.consent(now, layer, id)), Ok(true));
    notify(&mut net, A, id).unwrap();
    assert_eq!(net.latest(RAW, "NOTIFY").header(Name::SubscriptionState), Some("active;expires=60"));
    net.act(A, |ua, layer, now| ua.end_subscription(now, layer, id, EndReason::NoResource)).unwrap();
    let last = net.latest(RAW, "NOTIFY");
    assert_eq!(last.header(Name::SubscriptionState), Some("terminated;reason=noresource"));
    net.reply(&last, 200, "", b"");
    assert_eq!(net.last(A), Indication::SubscriberGone(id));
    net.drain();
}

#[test]
fn subscriptions_are_limited_and_must_make_sense() {
    let mut net = net();
    for n in 0..9 {
        let text = request("SUBSCRIBE", &format!("s{n}"), None, 1, "Event: dialog\r\n", b"");
        let text = String::from_utf8(text).unwrap().replace("raw-call", &format!("call-{n}"));
        net.inject(A, text.as_bytes());
        let granted = grant(&mut net, A, RAW, 60);
        assert_eq!(granted.is_ok(), n < 8, "{granted:?}");
    }
    assert_eq!(net.count(A, "503 SUBSCRIBE"), 1);
    net.run(200_000);
    net.inject(A, &request("SUBSCRIBE", "t", None, 1, "", b""));
    assert_eq!(grant(&mut net, A, RAW, 60), Err(LegError::State));
    assert_eq!(net.count(A, "400 SUBSCRIBE"), 1);
    net.drain();
}

#[test]
fn both_ends_come_to_rest_under_loss() {
    for seed in 0..40 {
        let mut net = net();
        let mut entropy = Entropy::from_number(seed);
        net.lose = Box::new(move |_| entropy.chance(1, 4));
        let a = subscribe(&mut net, B, None);
        let mut granted = Vec::new();
        let mut seen = 0;
        for step in 0..200 {
            net.run(10_000);
            let told = net.told(B);
            for told in told.get(seen..).unwrap_or_default() {
                match told {
                    Indication::OutOfDialog(_) => granted.extend(grant(&mut net, B, A, 300)),
                    Indication::NotifyDue(id) => drop(notify(&mut net, B, *id)),
                    _ => {}
                }
            }
            seen = told.len();
            if step % 7 == 0 {
                for id in &granted {
                    let _ = notify(&mut net, B, *id);
                }
            }
        }
        assert!(reports(&net).contains(&NOTIFIED), "seed {seed}");
        let _ = net.act(A, |ua, layer, now| ua.unsubscribe(now, layer, a));
        net.drain();
        assert!(
            matches!(net.last(A), Indication::Subscription(_, Report::Ended(Cause::Stopped))),
            "seed {seed}"
        );
    }
}
