//! What RFC 3261 asks of a user agent, read off the wire: for any machine at one address, whatever it is.

use crate::world::{Crossing, Passage};
use hookswitch_machine::Time;
use hookswitch_sip::message::{Limits, Message, Method};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// 64·T1.
const LIFETIME: Duration = Duration::from_secs(32);

/// A request by what tells it from others: Call-ID, the From tag (whose it is), CSeq.
type Named = (String, String, u32, String);

/// What one address sent and received.
#[derive(Debug, Default)]
struct Log {
    received: BTreeMap<Named, Time>,
    answered: BTreeSet<Named>,
    /// 2xx to INVITEs of ours, by the To tag of who answered: when the first and the last copy came.
    accepted: BTreeMap<(String, u32, String), (Time, Time)>,
    /// When the last ACK for it left.
    acknowledged: BTreeMap<(String, u32, String), Time>,
    /// INVITEs of ours that had a response.
    provisional: BTreeSet<(String, u32)>,
    /// INVITEs that came outside any dialog.
    first: BTreeSet<(String, u32)>,
    /// When we first answered a session's first INVITE with 2xx, and when its ACK came.
    ok_sent: BTreeMap<String, (Time, u32)>,
    ack_came: BTreeSet<(String, u32)>,
    /// The last CSeq number that we used in a dialog.
    numbers: BTreeMap<(String, String, String), u32>,
    /// What we sent already: a transaction repeats itself.
    sent: BTreeSet<Named>,
}

/// The breaches of the rules by whoever has this address.
pub fn breaches(wire: &[Crossing], address: SocketAddr) -> Vec<String> {
    let mut log = Log::default();
    let mut found = Vec::new();
    for crossing in wire {
        let ours = matches!(crossing.what, Passage::Sent(_)) && crossing.from == address;
        let theirs = crossing.what == Passage::Arrived && crossing.to == address;
        if !ours && !theirs {
            continue;
        }
        let Ok(message) = Message::parse(crossing.bytes.clone(), &Limits::default()) else {
            // What answers a malformed request repeats what is wrong with it.
            let refusal =
                crossing.bytes.starts_with(b"SIP/2.0 400") || crossing.bytes.starts_with(b"SIP/2.0 505");
            let keep_alive = crossing.bytes.iter().all(|b| matches!(b, b'\r' | b'\n'));
            if ours && !refusal && !keep_alive {
                found.push(format!("at {:?}: it sent octets that are no SIP", crossing.at));
            }
            continue;
        };
        if ours {
            sent(&mut log, crossing.at, &message, &mut found);
        } else {
            received(&mut log, crossing.at, &message);
        }
    }
    for name in log.received.keys().filter(|name| !log.answered.contains(*name)) {
        found.push(format!("{} {} of call {} got no final response", name.3, name.2, name.0));
    }
    for (name, (first, last)) in &log.accepted {
        let (call, number, tag) = name;
        // Every copy, while its sender can still wait for it (RFC 3261 13.2.2.4).
        let since = if last.since(*first) < LIFETIME { last } else { first };
        if log.acknowledged.get(name).is_none_or(|at| at < since) {
            found.push(format!("a 2xx to INVITE {number} of call {call} from {tag} got no ACK"));
        }
    }
    found
}

fn name(message: &Message) -> Named {
    (
        message.call_id().to_owned(),
        message.from_tag().unwrap_or_default().to_owned(),
        message.cseq().number,
        message.method().as_str().to_owned(),
    )
}

fn received(log: &mut Log, at: Time, message: &Message) {
    let (call, number) = (message.call_id().to_owned(), message.cseq().number);
    match (message.status(), message.method()) {
        (None, Method::Ack) => {
            log.ack_came.insert((call, number));
        }
        (None, method) => {
            if method == Method::Invite && message.to_tag().is_none() {
                log.first.insert((call, number));
            }
            log.received.entry(name(message)).or_insert(at);
        }
        (Some(status), Method::Invite) => {
            log.provisional.insert((call.clone(), number));
            if (200..300).contains(&status) {
                let tag = message.to_tag().unwrap_or_default().to_owned();
                log.accepted.entry((call, number, tag)).or_insert((at, at)).1 = at;
            }
        }
        (Some(_), _) => {}
    }
}

fn sent(log: &mut Log, at: Time, message: &Message, found: &mut Vec<String>) {
    let (call, number) = (message.call_id().to_owned(), message.cseq().number);
    let mut breach = |text: String| found.push(format!("at {at:?}: {text} in call {call}"));
    let Some(status) = message.status() else {
        match message.method() {
            Method::Ack => {
                let tag = message.to_tag().unwrap_or_default().to_owned();
                log.acknowledged.insert((call.clone(), number, tag), at);
            }
            // RFC 3261 9.1.
            Method::Cancel => {
                if !log.provisional.contains(&(call.clone(), number)) {
                    breach(format!("CANCEL {number} before any response"));
                }
            }
            method => {
                // RFC 3261 15: who was called waits for the ACK.
                if method == Method::Bye
                    && let Some((since, invite)) = log.ok_sent.get(&call)
                    && !log.ack_came.contains(&(call.clone(), *invite))
                    && at.since(*since) < LIFETIME
                {
                    breach("BYE before the ACK".into());
                }
                if !log.sent.insert(name(message)) {
                    return;
                }
                // RFC 3261 12.2.1.1.
                let tags = (
                    call.clone(),
                    message.from_tag().unwrap_or_default().to_owned(),
                    message.to_tag().unwrap_or_default().to_owned(),
                );
                if let Some(last) = log.numbers.insert(tags, number)
                    && number <= last
                {
                    breach(format!("{method} with number {number} after {last}"));
                }
            }
        }
        return;
    };
    if message.method() == Method::Ack {
        breach("a response to an ACK".into());
    }
    if status >= 200 {
        log.answered.insert(name(message));
        if message.method() == Method::Invite && status < 300 && log.first.contains(&(call.clone(), number)) {
            log.ok_sent.entry(call).or_insert((at, number));
        }
    }
}
