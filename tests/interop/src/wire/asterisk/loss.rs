//! What the wire between provider and Asterisk loses, so that an address can be silent or refuse before anything else, and what is
//! on its way.

use bytes::Bytes;
use hookswitch_sip::message::{Limits, Message, Method, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// So long a request is thought to be under way. Asterisk answers within milliseconds, but not on a machine that has too much to do.
const UNDER_WAY: Duration = Duration::from_secs(20);

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
    /// The call whose answer the provider has just acknowledged.
    pub(super) acknowledged: Option<String>,
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
        if message.status().is_some() {
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
            if self.deaf.contains(call_id) && !challenge {
                return false;
            }
            if status == 100 && self.hasty.contains(call_id) {
                return false;
            }
        }
        true
    }

    /// A call hears what comes from now on.
    pub(super) fn heal(&mut self, call_id: &str) {
        self.deaf.remove(call_id);
    }

    /// Nothing of a call passes any more.
    pub(super) fn cut(&mut self, call_id: &str) {
        self.cut.insert(call_id.to_owned());
    }

    /// Whether an answer of Asterisk's is to be waited for.
    pub(super) fn under_way(&mut self) -> bool {
        self.asked.retain(|_, since| since.elapsed() < UNDER_WAY);
        !self.asked.is_empty()
    }
}
