//! The agent: what it keeps, and where everything that happens enters.

use super::ids::{AccountId, LegId, SubscriptionId};
use super::indication::{Failure, Indication};
use super::leg::{Leg, Legs, State, Tag};
use super::pending::Pending;
use super::usage::Subscriptions;
use crate::auth;
use crate::dialog::Dialog;
use crate::message::{Message, Method};
use crate::session_timer::Interval;
use crate::transaction::{ClientId, Layer, Output, Received, ServerId};
use hookswitch_machine::{Endpoint, Entropy, Flow, HashKeys, Map, Time, TimerQueue, Transport};
use std::hash::BuildHasher;
use std::sync::Arc;

/// What is constant for an agent.
#[derive(Clone, Debug)]
pub struct Config {
    /// Part of every tag, so that a message can be steered to its shard.
    pub shard: u16,
    /// Local addresses.
    pub endpoints: Vec<Endpoint>,
    /// User-Agent and Server.
    pub product: String,
    /// Methods taken outside sessions besides INVITE and OPTIONS; others get 405, unknown ones 501.
    pub methods: Vec<Method<'static>>,
    /// The most sessions at a time; an INVITE beyond gets 503.
    pub max_legs: usize,
    /// The most subscriptions at a time, ours and those of others; a SUBSCRIBE beyond gets 503.
    pub max_subscriptions: usize,
    /// Session timers (RFC 4028); `None`: there are none.
    pub session_timer: Option<Interval>,
    /// Requests of more octets go over a stream where one can be had (RFC 3261 18.1.1).
    pub largest_datagram: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shard: 0,
            endpoints: Vec::new(),
            product: "Hookswitch".into(),
            methods: Vec::new(),
            max_legs: 1_000_000,
            max_subscriptions: 100_000,
            session_timer: None,
            largest_datagram: 1_300,
        }
    }
}

/// What sessions understand, for Allow. Those of the configuration come on top.
pub(super) const SESSION_METHODS: [Method<'static>; 9] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Options,
    Method::Update,
    Method::Info,
    Method::Refer,
    Method::Notify,
];

/// The extensions that sessions understand (RFC 3261 19.2): what may be in Require, and the value of Supported.
fn supported(config: &Config) -> String {
    if config.session_timer.is_some() { "replaces, timer".into() } else { "replaces".into() }
}

/// The value of Allow.
fn allowed(methods: &[Method<'static>]) -> String {
    let extra = methods.iter().filter(|method| !SESSION_METHODS.contains(method));
    let all: Vec<&str> = SESSION_METHODS.iter().chain(extra).map(|method| method.as_str()).collect();
    all.join(", ")
}

/// Timers of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// A 2xx to the first INVITE is to be sent again, or its ACK is overdue.
    Accepted(LegId),
    /// The same for a re-INVITE.
    OfferAccepted(LegId),
    /// A re-INVITE that crossed theirs is to be sent again.
    OfferAgain(LegId),
    /// Our re-INVITE waits too long for its final response.
    OfferOverdue(LegId),
    /// Ours gave way to theirs, which was refused.
    OfferCrossed(LegId),
    /// A session is to be refreshed, or was not.
    Session(LegId),
    /// A session gave way to another, and nothing could be sent for it: it is gone.
    Replaced(LegId),
    /// A subscription has something to do.
    Subscription(SubscriptionId),
}

/// A user agent core (RFC 3261 6). See the module's documentation.
#[derive(Debug)]
pub struct UserAgent {
    pub(super) config: Config,
    pub(super) legs: Legs,
    pub(super) subscriptions: Subscriptions,
    /// INVITEs that wait for our final response: CANCEL finds its session here.
    pub(super) invited: Map<ServerId, LegId>,
    /// Requests that wait for a final response.
    pub(super) pending: Map<ClientId, Pending>,
    pub(super) accounts: Map<AccountId, auth::Client>,
    /// Where accounts without a realm are known.
    pub(super) homes: Map<AccountId, Vec<std::net::IpAddr>>,
    pub(super) timers: TimerQueue<Timer>,
    pub(super) entropy: Entropy,
    /// The value of Allow.
    pub(super) allow: Arc<str>,
    /// The value of Supported.
    pub(super) supported: Arc<str>,
    /// The value of User-Agent.
    pub(super) product: Arc<str>,
    /// For what is hashed, and for what proves that a tag is ours.
    pub(super) keys: HashKeys,
    next_account: u32,
}

impl UserAgent {
    /// An agent without sessions.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        let keys = entropy.hash_keys();
        Self {
            allow: allowed(&config.methods).into(),
            supported: supported(&config).into(),
            product: config.product.as_str().into(),
            keys: entropy.hash_keys(),
            config,
            legs: Legs::default(),
            subscriptions: Subscriptions::new(keys),
            invited: Map::with_hasher(keys),
            pending: Map::with_hasher(keys),
            accounts: Map::with_hasher(keys),
            homes: Map::with_hasher(keys),
            timers: TimerQueue::new(),
            entropy,
            next_account: 0,
        }
    }

    /// Adds credentials, used for challenges to requests sent with this id.
    pub fn add_account(&mut self, credentials: auth::Credentials) -> AccountId {
        let id = AccountId(self.next_account);
        self.next_account += 1;
        self.accounts.insert(id, auth::Client::new(credentials));
        id
    }

    /// Other credentials of the same account, from the next challenge on, also for sessions that are up.
    pub fn set_credentials(&mut self, id: AccountId, credentials: auth::Credentials) {
        self.accounts.insert(id, auth::Client::new(credentials));
    }

    /// Forgets credentials.
    pub fn remove_account(&mut self, id: AccountId) {
        self.accounts.remove(&id);
        self.homes.remove(&id);
    }

    /// Sessions alive: for limits and leak checks.
    pub fn live_legs(&self) -> usize {
        self.legs.len()
    }

    /// Subscriptions alive, ours and those of others: for limits and leak checks.
    pub fn live_subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Requests that wait for a response: for leak checks.
    pub fn live_requests(&self) -> usize {
        self.pending.len()
    }

    /// INVITEs that wait for our final response.
    #[cfg(test)]
    pub(super) fn live_invitations(&self) -> usize {
        self.invited.len()
    }

    /// Timers set: for leak checks.
    pub fn live_timers(&self) -> usize {
        self.timers.len()
    }

    /// The local addresses.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.config.endpoints
    }

    /// The shard that a tag of ours names; `None` if it is anybody else's.
    pub fn shard_of_tag(tag: &str) -> Option<u16> {
        Tag::parse(tag).map(|tag| tag.shard)
    }

    /// The session that a tag of ours names, whether it still lives or not.
    pub fn leg_of_tag(tag: &str) -> Option<LegId> {
        Tag::parse(tag).map(|tag| tag.leg)
    }

    /// The session that a tag of ours names, if we did mint that tag.
    pub fn own_leg(&self, tag: &str) -> Option<LegId> {
        let tag = Tag::parse(tag).filter(|tag| self.is_own(tag) && subscription_at(tag.leg).is_none())?;
        Some(tag.leg)
    }

    /// The subscription that a tag of ours names, if we did mint that tag.
    pub fn own_subscription(&self, tag: &str) -> Option<SubscriptionId> {
        Tag::parse(tag).filter(|tag| self.is_own(tag)).and_then(|tag| subscription_at(tag.leg))
    }

    /// Where an account's challenges may come from: credentials without a realm of their own are given to these addresses only
    /// (a digest handed to a stranger is a password that can be guessed at leisure). Anywhere until this is called.
    pub fn set_home(&mut self, account: AccountId, home: Vec<std::net::IpAddr>) {
        self.homes.insert(account, home);
    }

    /// Takes a message from the network.
    pub fn receive(&mut self, now: Time, layer: &mut Layer, flow: Flow, message: &Message) -> Indication {
        let received = layer.receive(now, flow, message);
        self.dispatch(now, layer, received, flow, message)
    }

    /// Takes what the transaction layer made of a message: for elements that are more than a user agent.
    pub fn dispatch(
        &mut self,
        now: Time,
        layer: &mut Layer,
        received: Received,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        match received {
            Received::Request(server) => self.request(now, layer, server, flow, message),
            Received::Ack => self.ack(now, layer, message),
            Received::Cancel { cancel, invite } => self.cancelled(now, layer, cancel, invite, flow, message),
            Received::Response(client) => self.response(now, layer, client, message),
            Received::StrayResponse => self.stray_response(now, layer, flow, message),
            Received::Merged(server) => {
                self.respond(now, layer, server, flow, message, 482, format_args!(""));
                Indication::None
            }
            Received::Absorbed | Received::Unmatched | Received::Overloaded { .. } => Indication::None,
        }
    }

    /// Takes an output of the transaction layer that is not [`Output::Transmit`].
    pub fn transaction_event(&mut self, now: Time, layer: &mut Layer, output: &Output) -> Indication {
        match output {
            Output::Transmit { .. } | Output::Acked(_) | Output::ResponseFailed(_) | Output::NoAck(_) => {
                Indication::None
            }
            Output::TimedOut(client) => self.unanswered(now, layer, *client, Failure::TimedOut),
            Output::TransportFailed(client) => self.unanswered(now, layer, *client, Failure::Unreachable),
            Output::ServerGone(server) => {
                self.invited.remove(server);
                Indication::None
            }
            Output::ClientGone(client) => {
                self.forget(*client);
                Indication::None
            }
        }
    }

    /// Whether a client transaction is the agent's.
    pub fn owns(&self, client: ClientId) -> bool {
        self.pending.contains_key(&client)
    }

    /// When to call [`timeout`](Self::timeout).
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Runs one timer that is due; call until `None`.
    pub fn timeout(&mut self, now: Time, layer: &mut Layer) -> Option<Indication> {
        self.timers.pop(now).map(|timer| match timer {
            Timer::Accepted(leg) => self.accepted_timer(now, layer, leg),
            Timer::OfferAccepted(leg) => self.offer_accepted_timer(now, layer, leg),
            Timer::OfferAgain(leg) => self.offer_again(now, layer, leg),
            Timer::OfferOverdue(leg) => self.offer_overdue(now, layer, leg),
            Timer::OfferCrossed(leg) => self.offer_crossed(leg),
            Timer::Session(leg) => self.session_timer(now, layer, leg),
            Timer::Replaced(leg) => Indication::HungUp(leg),
            Timer::Subscription(id) => self.subscription_timer(now, layer, id),
        })
    }

    /// The session that a message within a dialog belongs to: our tag says where it lies, the rest must agree (RFC 3261 12.2.2).
    pub(super) fn leg_of(&self, message: &Message) -> Option<LegId> {
        let tag = Tag::parse(message.to_tag()?).filter(|tag| self.is_own(tag))?;
        let leg = self.legs.get(tag.leg)?;
        let early: &[Dialog] = match &leg.state {
            State::Inviting { early, .. } => early,
            State::Invited { .. }
            | State::Accepted { .. }
            | State::Redirected { .. }
            | State::Confirmed
            | State::HangingUp { .. } => &[],
        };
        let peer = message.from_tag().unwrap_or_default();
        let agrees = |dialog: &Dialog| dialog.call_id() == message.call_id() && dialog.remote_tag() == peer;
        leg.dialog.as_deref().into_iter().chain(early).any(agrees).then_some(tag.leg)
    }

    /// The tag of the next session.
    pub(super) fn leg_tag(&self) -> Tag {
        let leg = self.legs.next_id();
        Tag { shard: self.config.shard, leg, secret: self.secret(leg) }
    }

    /// Our tag in the dialogs of a subscription.
    pub(super) fn subscription_tag(&self, id: SubscriptionId) -> Tag {
        let leg = place_of(id);
        Tag { shard: self.config.shard, leg, secret: self.secret(leg) }
    }

    /// A tag for a response that makes no session: it leads to no place.
    pub(super) fn loose_tag(&mut self) -> Tag {
        let leg = LegId { index: u32::MAX, generation: 0 };
        Tag { shard: self.config.shard, leg, secret: self.entropy.next_u64() }
    }

    /// Whether we made the tag for a session, at any time.
    pub(super) fn is_own(&self, tag: &Tag) -> bool {
        tag.secret == self.secret(tag.leg)
    }

    fn secret(&self, leg: LegId) -> u64 {
        self.keys.hash_one((self.config.shard, leg.index, leg.generation))
    }

    /// Takes a session out and gives back what it holds.
    pub(super) fn remove(&mut self, id: LegId) -> Option<Box<Leg>> {
        let leg = self.legs.remove(id)?;
        self.release(&leg);
        Some(leg)
    }

    /// What the Via of a request on this flow says: transport and sent-by.
    pub(super) fn local(&self, flow: Flow) -> (Transport, std::net::SocketAddr) {
        self.config
            .endpoints
            .iter()
            .find(|endpoint| endpoint.id == flow.endpoint)
            .map_or((Transport::Udp, ([0, 0, 0, 0], 5060).into()), |e| (e.transport, e.advertised))
    }
}

/// Tags of subscriptions name places that no session can have.
const SUBSCRIPTIONS: u32 = 1 << 31;

fn place_of(id: SubscriptionId) -> LegId {
    LegId { index: SUBSCRIPTIONS | id.0 as u32, generation: (id.0 >> 31) as u32 }
}

/// The subscription that a tag names.
pub(super) fn subscription_at(place: LegId) -> Option<SubscriptionId> {
    let number = u64::from(place.index & !SUBSCRIPTIONS) | u64::from(place.generation) << 31;
    (place.index & SUBSCRIPTIONS != 0).then_some(SubscriptionId(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_have_places_of_their_own() {
        for number in [0, 1, 0x7fff_ffff, 0x8000_0000, 0x1_2345_6789] {
            assert_eq!(subscription_at(place_of(SubscriptionId(number))), Some(SubscriptionId(number)));
        }
        assert_eq!(subscription_at(LegId { index: 7, generation: 9 }), None);
    }
}
