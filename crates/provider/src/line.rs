//! A line: an account, its registration, and where its switch can be reached.

use crate::Account;
use crate::terms::Terms;
use hookswitch_machine::{Flow, QueryId, Target};
use hookswitch_sip::registration::Registration;
use hookswitch_sip::ua::{AccountId, SubscriptionId};
use hookswitch_spi::{
    AddressId, CallCounts, Capabilities, ExtensionVersion, ForwardingRules, InterfaceVersion, LineState,
    MediaTypes, OutOfService, Set, StatusKind,
};
use std::net::IpAddr;
use std::sync::Arc;

/// A line of the provider.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) account: Account,
    /// The user part of our Contact: finds the line when the registrar calls us.
    pub(crate) token: Box<str>,
    pub(crate) credentials: AccountId,
    pub(crate) capabilities: Capabilities,
    /// What its later calls begin with.
    pub(crate) terms: Terms,
    pub(crate) open: Option<Open>,
    pub(crate) state: LineState,
    /// Rules in force, one list for each address.
    pub(crate) forwarding: Vec<ForwardingRules>,
    /// Calls in progress.
    pub(crate) calls: u32,
    /// Calls that were not closed, those that have ended among them.
    pub(crate) kept: u32,
    /// The calls that exist for applications, by address.
    pub(crate) counts: Vec<CallCounts>,
    /// Calls that no other may interrupt.
    pub(crate) secured: u32,
    /// Which changes somebody wants to hear of.
    pub(crate) wanted_status: Set<StatusKind>,
    /// The version of the extension in force.
    pub(crate) extension: ExtensionVersion,
    pub(crate) message_waiting: bool,
}

/// What an open line has beside.
#[derive(Debug)]
pub(crate) struct Open {
    #[allow(dead_code)] // the version in force decides what may be said; there is one so far
    pub(crate) version: InterfaceVersion,
    pub(crate) wanted_media: MediaTypes,
    pub(crate) registration: Option<Registration>,
    pub(crate) route: Route,
    pub(crate) contact: Arc<str>,
    pub(crate) timer: Option<hookswitch_machine::TimerKey>,
    pub(crate) keep_alive: Option<hookswitch_machine::TimerKey>,
    pub(crate) look_up: Option<hookswitch_machine::TimerKey>,
    pub(crate) mailbox: Mailbox,
    /// An application has taken the line out of service.
    pub(crate) off: bool,
}

/// How far a line has come with its subscription to what waits for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mailbox {
    /// Not yet subscribed, or not any more.
    Unwatched,
    Watched(SubscriptionId),
    /// The switch does not want to be asked.
    Refused,
}

/// Where the switch is.
#[derive(Debug)]
pub(crate) enum Route {
    /// Being looked up.
    Resolving(#[allow(dead_code)] QueryId),
    /// Known: the targets in order, and the one in use.
    Known { targets: Vec<Target>, used: usize, flow: Flow },
    /// The look-up failed; tried again at the time of the next registration.
    Unknown {
        /// For people.
        why: String,
    },
}

impl Line {
    pub(crate) fn new(
        account: Account,
        token: Box<str>,
        credentials: AccountId,
        forwarding: Vec<ForwardingRules>,
    ) -> Self {
        let profile = &account.profile;
        let addresses = 1 + account.numbers.len();
        let capabilities = crate::able::capabilities(&account);
        let terms = Terms::of_profile(profile);
        let state =
            LineState::OutOfService(OutOfService { status: None, reason: "the line is not open".into() });
        Self {
            account,
            token,
            credentials,
            capabilities,
            terms,
            open: None,
            state,
            forwarding,
            calls: 0,
            kept: 0,
            counts: vec![CallCounts::default(); addresses],
            secured: 0,
            wanted_status: Set::NONE,
            extension: ExtensionVersion::NONE,
            message_waiting: false,
        }
    }

    /// The address of record of an address.
    pub(crate) fn uri(&self, address: AddressId) -> String {
        format!("sip:{}@{}", self.user(address), self.account.domain)
    }

    /// The user part of an address.
    pub(crate) fn user(&self, address: AddressId) -> &str {
        match address.0 {
            0 => &self.account.user,
            n => self.account.numbers.get(usize::from(n) - 1).map_or(&self.account.user, |number| number),
        }
    }

    /// How many addresses the line has.
    pub(crate) fn addresses(&self) -> u16 {
        1 + self.account.numbers.len() as u16
    }

    /// The address whose user part this is.
    pub(crate) fn address_of(&self, user: &str) -> Option<AddressId> {
        (0..self.addresses()).map(AddressId).find(|address| self.user(*address) == user)
    }

    /// Whether a peer may call this line: its switch, or who is configured.
    pub(crate) fn accepts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.is_switch(peer) || self.account.accept_from.iter().any(|range| range.contains(peer))
    }

    /// Whether one more call can be: there are fewer in progress than the line can take, and applications have not left all too
    /// many unclosed.
    pub(crate) fn has_room(&self) -> bool {
        let most = self.capabilities.max_calls;
        self.calls < most && self.kept < most.saturating_mul(4).saturating_add(64)
    }

    /// Whether it is open, and was not taken out of service by an application.
    pub(crate) fn wants_calls(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.off)
    }

    /// Whether an address is one of the line's switch.
    pub(crate) fn is_switch(&self, peer: IpAddr) -> bool {
        match self.open.as_ref().map(|open| &open.route) {
            Some(Route::Known { targets, .. }) => {
                targets.iter().any(|t| t.address.ip().to_canonical() == peer.to_canonical())
            }
            Some(Route::Resolving(_) | Route::Unknown { .. }) | None => false,
        }
    }

    /// Whether somebody wants to hear of this.
    pub(crate) fn wants(&self, kind: StatusKind) -> bool {
        self.wanted_status.contains(kind)
    }

    /// The path to the switch, while it is known.
    pub(crate) fn flow(&self) -> Option<Flow> {
        match &self.open.as_ref()?.route {
            Route::Known { flow, .. } => Some(*flow),
            Route::Resolving(_) | Route::Unknown { .. } => None,
        }
    }

    pub(crate) const fn is_in_service(&self) -> bool {
        matches!(self.state, LineState::InService)
    }
}
