//! What the softswitch answers by itself: echo, tone and music, orbits where calls are parked, and pickups. A user agent on the same
//! transaction layer.
//!
//! `codes.rs` says what a user part means; `play.rs` answers with sound; `ring.rs` makes a telephone ring without a call; `park.rs` fills the `orbits.rs` and empties them, `pickup.rs`
//! takes over what rings elsewhere. Both bring two phones together by third-party call control (RFC 3725): `join.rs` carries the
//! offer of one to the other and the answer back, so that their media flow directly; from then on `bridge.rs` passes on what they
//! say to one another. `description.rs` keeps what each phone sees one session; `member.rs` is what these calls have in common.

mod bridge;
mod codes;
mod description;
mod join;
mod member;
mod orbits;
mod park;
mod pickup;
mod play;
mod ring;

use crate::calls::CallNo;
use crate::config::{Config, Features};
use crate::core::Core;
use crate::location::UserId;
use crate::own::user_of;
use crate::reach::by_its_flow;
use codes::Codes;
pub(crate) use codes::{Code, OrbitNo};
use hookswitch_machine::{Entropy, Flow, Map, Time};
use hookswitch_media::control::{Command, Event as MediaEvent, Port, Source, StreamId};
use hookswitch_media::negotiate::Capabilities;
use hookswitch_sip::message::{Message, Method, Uri};
use hookswitch_sip::transaction::{Output, Received, ServerId};
use hookswitch_sip::ua::{Indication, LegId, UserAgent};
use join::Joining;
use member::Member;
use orbits::Orbits;
pub(crate) use pickup::{Ringing, Wanted};
use play::Call;
use ring::Ring;
pub(crate) use ring::Rung;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// All extensions, orbits and pickups, and their calls.
#[derive(Debug)]
pub(crate) struct Services {
    codes: Codes,
    features: Features,
    agent: UserAgent,
    /// Those that hear us.
    calls: Map<LegId, Call>,
    by_stream: Map<StreamId, LegId>,
    /// Those that are parked, on their way from or to an orbit, or connected by us.
    members: Map<LegId, Member>,
    /// By the leg that has the other's offer.
    joins: Map<LegId, Joining>,
    orbits: Orbits,
    /// Those that make a telephone ring.
    rings: BTreeMap<LegId, Ring>,
    /// At whom that changed.
    rung: BTreeSet<UserId>,
    /// INVITEs that are wanted from the proxy.
    wanted: VecDeque<Wanted>,
    stock: VecDeque<Port>,
    capabilities: Capabilities,
    next_stream: u64,
    open: bool,
}

impl Services {
    pub(crate) fn new(config: &Config, agent: UserAgent, shard: u16, entropy: &mut Entropy) -> Self {
        Self {
            codes: Codes::new(config),
            features: config.features.clone(),
            agent,
            calls: Map::with_hasher(entropy.hash_keys()),
            by_stream: Map::with_hasher(entropy.hash_keys()),
            members: Map::with_hasher(entropy.hash_keys()),
            joins: Map::with_hasher(entropy.hash_keys()),
            orbits: Orbits::default(),
            rings: BTreeMap::new(),
            rung: BTreeSet::new(),
            wanted: VecDeque::new(),
            stock: VecDeque::new(),
            capabilities: Capabilities::default(),
            // Away from the numbers that the lines of the same process count.
            next_stream: 1 << 63 | u64::from(shard) << 40,
            open: true,
        }
    }

    /// What this user part means.
    pub(crate) fn find(&self, user: &str) -> Option<Code> {
        self.codes.find(user)
    }

    pub(crate) fn live_calls(&self) -> usize {
        let media = self.calls.len().max(self.by_stream.len());
        let others = self.members.len().max(self.joins.len()).max(self.rings.len());
        media.max(others).max(self.agent.live_legs())
    }

    pub(crate) fn live_requests(&self) -> usize {
        self.agent.live_requests()
    }

    pub(crate) fn live_timers(&self) -> usize {
        self.agent.live_timers()
    }

    pub(crate) fn ports(&self) -> usize {
        self.stock.len()
    }

    /// No further calls; those that are end.
    pub(crate) fn drain(&mut self, core: &mut Core, now: Time) {
        self.open = false;
        let legs = self.calls.keys().chain(self.members.keys()).chain(self.rings.keys());
        let mut legs: Vec<LegId> = legs.copied().collect();
        // Nothing may depend on the order of the map.
        legs.sort_unstable();
        legs.dedup();
        for leg in legs {
            self.hang_up(core, now, leg);
        }
        for port in std::mem::take(&mut self.stock) {
            core.command(Command::Return { port: port.id });
        }
    }

    /// Takes what the transaction layer made of a message that is for an extension, or for the softswitch itself.
    pub(crate) fn dispatch(
        &mut self,
        core: &mut Core,
        now: Time,
        received: Received,
        flow: Flow,
        message: &Message,
    ) {
        let reachable = by_its_flow(core, flow, message);
        let message = reachable.as_ref().unwrap_or(message);
        let indication = self.agent.dispatch(now, &mut core.layer, received, flow, message);
        self.indicated(core, now, indication, flow, Some(message));
    }

    /// Takes an output of the transaction layer.
    pub(crate) fn transaction_event(&mut self, core: &mut Core, now: Time, output: &Output) {
        let indication = self.agent.transaction_event(now, &mut core.layer, output);
        self.settled(core, now, indication);
    }

    /// When to call [`timeout`](Self::timeout).
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.agent.next_timeout()
    }

    pub(crate) fn timeout(&mut self, core: &mut Core, now: Time) {
        while let Some(indication) = self.agent.timeout(now, &mut core.layer) {
            self.settled(core, now, indication);
        }
    }

    /// A report of the media threads.
    pub(crate) fn media(&mut self, core: &mut Core, now: Time, event: MediaEvent) {
        match event {
            MediaEvent::Stocked { ports } if self.open => self.stock.extend(ports),
            MediaEvent::Stocked { ports } => {
                for port in ports {
                    core.command(Command::Return { port: port.id });
                }
            }
            MediaEvent::Silent { stream, .. } => {
                // The caller is gone without a BYE. Whoever is parked may well be silent: its time is limited anyway.
                let leg = self.by_stream.get(&stream).copied();
                if let Some(leg) = leg.filter(|leg| !self.members.contains_key(leg)) {
                    self.hang_up(core, now, leg);
                }
            }
            MediaEvent::Receiving { .. }
            | MediaEvent::DigitBegun { .. }
            | MediaEvent::Digit { .. }
            | MediaEvent::DigitsSent { .. }
            | MediaEvent::ToneSent { .. }
            | MediaEvent::ToneHeard { .. }
            | MediaEvent::FaxHeard { .. }
            | MediaEvent::MixFull { .. }
            | MediaEvent::Played { .. }
            | MediaEvent::FileFailed { .. }
            | MediaEvent::Statistics { .. }
            | MediaEvent::Stopped { .. } => {}
        }
    }

    /// The leg that is this call of a user's: a dialog of ours, which we can end. Looks at all: for the rare case only.
    pub(crate) fn leg_of(&self, call: CallNo) -> Option<LegId> {
        let ours = self.calls.iter().map(|(leg, own)| (leg, own.known()));
        let members = self.members.iter().map(|(leg, member)| (leg, member.known));
        ours.chain(members).find(|(_, known)| *known == Some(call)).map(|(leg, _)| *leg)
    }

    /// Ends a call from our side.
    pub(crate) fn hang_up(&mut self, core: &mut Core, now: Time, leg: LegId) {
        // A leg that is gone needs no end.
        let _ = self.agent.hang_up(now, &mut core.layer, leg, None);
        self.gone(core, now, leg);
    }

    /// A leg is no more, or soon will not be: whatever hung on it ends.
    fn gone(&mut self, core: &mut Core, now: Time, leg: LegId) {
        self.stop(core, leg);
        self.ring_over(core, leg);
        self.leave(core, now, leg);
    }

    /// An indication that came without a message.
    fn settled(&mut self, core: &mut Core, now: Time, indication: Indication) {
        // Those that need a message come with one, so the flow is never looked at.
        let nowhere = Flow::to(hookswitch_machine::EndpointId::default(), ([0, 0, 0, 0], 0).into());
        self.indicated(core, now, indication, nowhere, None);
    }

    fn indicated(
        &mut self,
        core: &mut Core,
        now: Time,
        indication: Indication,
        flow: Flow,
        message: Option<&Message>,
    ) {
        match (indication, message) {
            (Indication::Incoming(leg), Some(message)) => self.incoming(core, now, leg, flow, message, None),
            (Indication::Replacing { leg, replaced }, Some(message)) => {
                if self.members.contains_key(&replaced) {
                    self.replace(core, now, leg, flow, message, replaced);
                } else {
                    self.incoming(core, now, leg, flow, message, None);
                }
            }
            (Indication::Offered(leg), Some(message)) => {
                if self.is_bridged(leg) {
                    self.pass_offer(core, now, leg, message);
                } else if self.calls.contains_key(&leg) {
                    self.offered(core, now, leg, message);
                    self.push(core, now, leg);
                } else {
                    // Another's offer is on the way to it.
                    let _ = self.agent.refuse_offer(now, &mut core.layer, leg, 491, "");
                }
            }
            (Indication::Confirmed(leg) | Indication::OfferConfirmed(leg), Some(message)) => {
                if !self.calls.contains_key(&leg) {
                    self.acknowledged(core, now, leg, message);
                } else {
                    self.confirmed(core, now, leg, message);
                }
                self.push(core, now, leg);
                self.introduce(core, now, leg);
            }
            (Indication::Progress(leg), Some(message)) => self.progressed(leg, message),
            (Indication::Answered(leg), Some(message)) => {
                if !self.ring_answered(core, now, leg) {
                    self.answered(core, now, leg, message);
                }
            }
            (Indication::OfferAnswered(leg), Some(message)) => self.offer_answered(core, now, leg, message),
            (Indication::OfferRefused(leg, failure), _) => self.offer_refused(core, now, leg, failure),
            (Indication::Request(leg, server), Some(message)) => {
                if !self.pass_request(core, now, leg, server, flow, message) {
                    self.refuse_request(core, now, server, flow, message);
                }
            }
            (Indication::OutOfDialog(server), Some(message)) => {
                self.refuse_request(core, now, server, flow, message);
            }
            (Indication::Response(leg, client, failure), _) => {
                self.pass_response(core, now, leg, client, failure)
            }
            (Indication::Redirected(leg), _) => {
                // Whoever is rung back answers, or does not.
                self.agent.abandon(now, &mut core.layer, leg);
                self.gone(core, now, leg);
            }
            (
                Indication::Cancelled(leg)
                | Indication::Failed(leg, _)
                | Indication::Ended(leg)
                | Indication::NotAcknowledged(leg)
                | Indication::Lost(leg, _)
                | Indication::HungUp(leg),
                _,
            ) => self.gone(core, now, leg),
            (
                Indication::None
                | Indication::Incoming(_)
                | Indication::Replacing { .. }
                | Indication::Offered(_)
                | Indication::Confirmed(_)
                | Indication::OfferConfirmed(_)
                | Indication::Request(..)
                | Indication::OutOfDialog(_)
                | Indication::Progress(_)
                | Indication::Answered(_)
                | Indication::OfferAnswered(_)
                | Indication::Refreshed(_)
                | Indication::OutOfDialogResponse(..)
                // Watchers are not the agent's.
                | Indication::Subscription(..)
                | Indication::NotifyDue(_)
                | Indication::SubscriberGone(_),
                _,
            ) => {}
        }
    }

    /// A request within a dialog, or to the softswitch itself, that nobody is there for.
    fn refuse_request(
        &mut self,
        core: &mut Core,
        now: Time,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) {
        let status = match message.method() {
            Method::Info => 200,
            // RFC 6665 4.1.3: no subscription of ours.
            Method::Notify => 481,
            // An extension goes nowhere.
            Method::Refer => 603,
            _ => 405,
        };
        self.agent.respond(now, &mut core.layer, server, flow, message, status, format_args!(""));
    }

    /// A call comes in; `diverted` is where a redirection led it.
    fn incoming(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        diverted: Option<&str>,
    ) {
        let called = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        // Behind a redirection the Request-URI names who was called at first.
        let user = diverted.map(str::to_owned).or(called).unwrap_or_else(|| user_of(&message.to()));
        match self.find(&user) {
            Some(Code::Service(service)) => {
                self.answer(core, now, leg, flow, message, service.source(), &user);
            }
            Some(Code::Park) => self.reserve(core, now, leg, flow, message),
            Some(Code::Orbit(orbit)) => {
                self.orbit_called(core, now, leg, flow, message, orbit, diverted.is_some());
            }
            // What rings is known to those who ask the proxy, and they do not come here.
            Some(Code::Pickup(_)) => self.refuse(core, now, leg, flow, message, 404),
            None => {
                self.answer(core, now, leg, flow, message, Source::Echo, &user);
            }
        }
    }

    /// Takes over an INVITE that was redirected to an extension.
    pub(crate) fn take_over(
        &mut self,
        core: &mut Core,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Message,
        user: &str,
    ) {
        let reachable = by_its_flow(core, flow, request);
        let request = reachable.as_ref().unwrap_or(request);
        match self.agent.dispatch(now, &mut core.layer, Received::Request(server), flow, request) {
            Indication::Incoming(leg) | Indication::Replacing { leg, .. } => {
                self.incoming(core, now, leg, flow, request, Some(user));
            }
            other => self.indicated(core, now, other, flow, Some(request)),
        }
    }

    /// Whether a request belongs to a dialog of ours, by its tag and the extension it names.
    pub(crate) fn has_dialog(&self, request: &Message, uri: &Uri<'_>) -> bool {
        request.to_tag().is_some_and(|tag| {
            let named = || uri.user_unescaped().is_some_and(|user| self.find(&user).is_some());
            self.agent.own_leg(tag).is_some() || UserAgent::shard_of_tag(tag).is_some() && named()
        })
    }
}
