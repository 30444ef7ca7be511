//! What the wire between provider and Asterisk loses, so that an address can be silent or refuse before anything else, and what is
//! on its way.

use bytes::Bytes;
use hookswitch_sip::message::{Limits, Message, Method, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// So long a request is thought to be under way. Asterisk answers within milliseconds, but not on a machine that has too much to do.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// What follows by itself, and not as the response to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owed {
    /// A call that was begun comes to the dialplan.
    Call,
    /// Asterisk begins a call.
    Invite,
    /// A 200 is acknowledged.
    Ack,
    /// A subscription or transfer is told of.
    Notify,
}

/// The wire.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Addresses whose calls hear nothing from Asterisk.
    pub(super) silent: BTreeSet<String>,
    /// Addresses whose calls lose the 100.
    pub(super) abrupt: BTreeSet<String>,
    /// Calls that hear nothing.
    deaf: BTreeSet<String>,
    /// Calls that lose the 100.
    hasty: BTreeSet<String>,
    /// Calls of which nothing passes.
    cut: BTreeSet<String>,
    /// Requests of the provider's that nobody has answered, by their branches.
    asked: BTreeMap<String, Instant>,
    /// What Asterisk has yet to send.
    owed: BTreeMap<(Owed, String), Instant>,
    /// Calls that have come to the dialplan, or to their end.
    come: BTreeSet<String>,
    /// The call whose answer the provider has just acknowledged.
    pub(super) acknowledged: Option<String>,
    /// The call in which the provider is just sending a REFER.
    pub(super) refers: Option<String>,
    /// The call in which the provider has just sent user information in something else than an INVITE.
    pub(super) unread: Option<String>,
}

impl Loss {
    /// Whether a datagram of the provider's arrives.
    pub(super) fn outward(&mut self, bytes: &[u8]) -> bool {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes), &Limits::default()) else {
            return true;
        };
        let call_id = message.call_id();
        if self.cut.contains(call_id) {
            return false;
        }
        let begins = message.status().is_none() && message.method() == Method::Invite;
        if !begins && message.header(Name::new("User-to-User")).is_some() {
            self.unread = Some(call_id.to_owned());
        }
        if let Some(status) = message.status() {
            if (200..300).contains(&status) && message.method() == Method::Invite {
                self.owe(Owed::Ack, call_id);
            }
            return true;
        }
        if message.method() == Method::Ack {
            self.acknowledged = Some(call_id.to_owned());
            return true;
        }
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        if message.method() == Method::Invite && message.to_tag().is_none() {
            if self.silent.contains(&user) {
                self.deaf.insert(call_id.to_owned());
            }
            if self.abrupt.contains(&user) {
                self.hasty.insert(call_id.to_owned());
            }
            if !self.come.contains(call_id) {
                self.owe(Owed::Call, call_id);
            }
        }
        if message.method() == Method::Refer {
            self.refers = Some(call_id.to_owned());
        }
        if matches!(message.method(), Method::Refer | Method::Subscribe) {
            self.owe(Owed::Notify, call_id);
        }
        if !self.deaf.contains(call_id) {
            self.asked.insert(message.branch().unwrap_or_default().to_owned(), Instant::now());
        }
        true
    }

    /// Whether a datagram of Asterisk's arrives.
    pub(super) fn inward(&mut self, bytes: &[u8]) -> bool {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes), &Limits::default()) else {
            return true;
        };
        let call_id = message.call_id();
        if self.cut.contains(call_id) {
            return false;
        }
        if let Some(status) = message.status() {
            self.asked.remove(message.branch().unwrap_or_default());
            let challenge = matches!(status, 401 | 407);
            if status >= 200 && message.method() == Method::Invite && !challenge {
                self.came(call_id);
            }
            if status >= 300 && !challenge {
                self.owed.remove(&(Owed::Notify, call_id.to_owned()));
            }
            if self.deaf.contains(call_id) && !challenge {
                return false;
            }
            if status == 100 && self.hasty.contains(call_id) {
                return false;
            }
        }
        if message.status().is_none() {
            let kept = match message.method() {
                Method::Invite => Some(Owed::Invite),
                Method::Ack => Some(Owed::Ack),
                Method::Notify => Some(Owed::Notify),
                _ => None,
            };
            if let Some(kept) = kept {
                self.owed.remove(&(kept, call_id.to_owned()));
            }
        }
        true
    }

    fn owe(&mut self, what: Owed, call_id: &str) {
        self.owed.insert((what, call_id.to_owned()), Instant::now());
    }

    /// Asterisk is about to begin a call.
    pub(super) fn calls(&mut self, call_id: &str) {
        self.owe(Owed::Invite, call_id);
    }

    /// A call of the provider's has come to Asterisk's dialplan, or to its end.
    pub(super) fn came(&mut self, call_id: &str) {
        self.owed.remove(&(Owed::Call, call_id.to_owned()));
        self.come.insert(call_id.to_owned());
    }

    /// Nothing passes any more: nothing is waited for.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
        self.owed.clear();
    }

    /// A call hears what comes from now on.
    pub(super) fn heal(&mut self, call_id: &str) {
        self.deaf.remove(call_id);
    }

    /// Nothing of a call passes any more.
    pub(super) fn cut(&mut self, call_id: &str) {
        self.cut.insert(call_id.to_owned());
        self.owed.retain(|(_, of), _| of != call_id);
    }

    /// Whether an answer of Asterisk's is to be waited for.
    pub(super) fn under_way(&mut self) -> bool {
        self.asked.retain(|_, since| since.elapsed() < UNDER_WAY);
        self.owed.retain(|_, since| since.elapsed() < UNDER_WAY);
        !self.asked.is_empty() || !self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, more: &str) -> Vec<u8> {
        format!(
            "{method} sip:ben@pbx.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:desk@pbx.test>;tag=a\r\nTo: <sip:ben@pbx.test>{more}\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    fn response(status: u16) -> Vec<u8> {
        format!(
            "SIP/2.0 {status} Some\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\n\
             From: <sip:desk@pbx.test>;tag=a\r\nTo: <sip:ben@pbx.test>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn a_silent_address_is_heard_of_when_it_is_healed() {
        let mut loss = Loss::default();
        loss.silent.insert("ben".into());
        assert!(loss.outward(&request("INVITE", "")));
        assert!(loss.inward(&response(401)), "who may call is asked all the same");
        assert!(!loss.inward(&response(100)));
        assert!(!loss.inward(&response(180)));
        loss.heal("c");
        assert!(loss.inward(&response(180)));
    }

    #[test]
    fn an_abrupt_refusal_loses_the_100_only() {
        let mut loss = Loss::default();
        loss.abrupt.insert("ben".into());
        loss.outward(&request("INVITE", ""));
        assert!(!loss.inward(&response(100)));
        assert!(loss.inward(&response(486)));
        assert!(!loss.under_way());
    }

    #[test]
    fn a_call_is_under_way_until_it_has_come_to_the_dialplan() {
        let mut loss = Loss::default();
        loss.outward(&request("INVITE", ""));
        loss.inward(&response(100));
        assert!(loss.under_way());
        loss.came("c");
        assert!(!loss.under_way());
        loss.outward(&request("INVITE", ""));
        loss.inward(&response(100));
        assert!(!loss.under_way(), "a retransmission begins no other call");
    }

    #[test]
    fn nothing_passes_a_cut_wire() {
        let mut loss = Loss::default();
        loss.outward(&request("BYE", ";tag=b"));
        loss.cut("c");
        assert!(!loss.outward(&request("BYE", ";tag=b")) && !loss.inward(&response(200)));
    }
}
