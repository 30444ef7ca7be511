//! One call of a party, as Asterisk tells it.

use hookswitch_testkit::conformance::subject::Saw;
use std::time::Instant;

/// A call of a party.
#[derive(Debug)]
pub(super) struct Leg {
    /// Who the party is: a user part.
    pub(super) user: String,
    /// The name of its phone.
    pub(super) phone: String,
    /// The party called the provider.
    pub(super) calls: bool,
    /// The channel of its call with the provider.
    pub(super) channel: String,
    pub(super) call_id: String,
    /// The channel that its phone is at.
    pub(super) half: String,
    pub(super) state: State,
    /// When its call with the provider was answered.
    pub(super) up_since: Option<Instant>,
    /// The two channels are joined.
    pub(super) joined: bool,
    /// It hung up, or refused, itself.
    pub(super) own_end: bool,
    /// It holds the provider.
    pub(super) holds: bool,
    pub(super) saw: Vec<Saw>,
    /// It was sent user information that Asterisk tells nobody of.
    pub(super) unread: bool,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody has answered.
    Early,
    /// Somebody has.
    Up,
    /// Over.
    Over,
}

impl Leg {
    pub(super) fn new(user: &str, phone: &str, calls: bool) -> Self {
        Self {
            user: user.into(),
            phone: phone.into(),
            calls,
            channel: String::new(),
            call_id: String::new(),
            half: String::new(),
            state: State::Early,
            up_since: None,
            joined: false,
            own_end: false,
            holds: false,
            saw: Vec::new(),
            unread: false,
        }
    }

    pub(super) fn note(&mut self, saw: Saw) {
        self.saw.push(saw);
    }
}
