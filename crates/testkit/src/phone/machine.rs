//! The phone.

use super::call::{Ending, PhoneCall, Progress};
use super::registrar::Mode;
use super::registrar::Registrar;
use super::script::{Answering, Calling, Deed, Talk, Verdict};
use super::watched::{OnSubscribe, Watched};
use crate::world::ENDPOINT;
use hookswitch_machine::{Endpoint, Entropy, Flow, Input, Machine, Map, Output, Time, TimerQueue, Transport};
use hookswitch_media::control::{Command, Event as MediaEvent};
use hookswitch_media::negotiate::{Capabilities, MediaSession};
use hookswitch_sip::auth::{Credentials, Place, Secret, Server, ServerConfig};
use hookswitch_sip::event::{DialogState, EndReason};
use hookswitch_sip::message::Method;
use hookswitch_sip::transaction::{self, Layer};
use hookswitch_sip::ua::{self, AccountId, LegId, UserAgent};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a phone is made of.
#[derive(Debug)]
pub struct PhoneConfig {
    /// Its address.
    pub address: SocketAddr,
    /// Where its calls go.
    pub peer: SocketAddr,
    /// The registrar that it is too.
    pub registrar: Option<Registrar>,
    /// Demands credentials (user, password, realm) for every INVITE.
    pub demands: Option<(String, String, String)>,
    /// Has these credentials (user, password) for challenges.
    pub credentials: Option<(String, String)>,
    /// What it does with calls, by the user part that was called.
    pub users: BTreeMap<String, Answering>,
    /// What it does with calls to anybody else.
    pub others: Answering,
    /// What it does with SUBSCRIBE, which it does not know at all if this is absent.
    pub on_subscribe: Option<OnSubscribe>,
    /// It tells a line of its user's messages without being asked.
    pub unsolicited: bool,
}

impl PhoneConfig {
    /// A phone at `address` that calls `peer`, and answers after a second.
    pub fn new(address: SocketAddr, peer: SocketAddr) -> Self {
        Self {
            address,
            peer,
            registrar: None,
            demands: None,
            credentials: None,
            users: BTreeMap::new(),
            others: Answering::after(Duration::from_secs(1)),
            on_subscribe: None,
            unsolicited: false,
        }
    }
}

/// What a phone can be asked.
#[derive(Debug)]
pub enum PhoneRequest {
    /// To call; the call's number is that of its place among [`Phone::calls`].
    Call(Box<Calling>),
    /// To do something in a call.
    Do(usize, Deed),
    /// To end all its calls.
    HangUpAll,
    /// Another mode of its registrar.
    Registrar(Mode),
    /// A new start of its registrar.
    RestartRegistrar,
    /// From now on to do this with calls to a user.
    Answering(String, Answering),
    /// A user is in a call elsewhere that has come so far, or in none any more.
    Elsewhere(String, Option<DialogState>),
    /// A user has so many new and old messages.
    Messages(String, u32, u32),
    /// From now on to do this with SUBSCRIBE.
    OnSubscribe(OnSubscribe),
    /// To end what others have subscribed to.
    EndWatches(EndReason),
    /// To lose its power, and with it all that it knows but its script, or to have power again.
    Power(bool),
}

/// What a phone tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhoneEvent {
    /// A call came, with this number.
    Incoming(usize),
    /// A call is up.
    Established(usize),
    /// A call is over.
    Ended(usize),
}

/// What a phone has planned.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Ring(usize),
    EarlyMedia(usize),
    Decide(usize),
    GiveUp(usize),
    Acknowledge(usize),
    Do(usize, Deed),
    Notify(usize, u16, bool),
    AnswerOffer(LegId, Vec<u8>),
}

/// A phone: no media, no user, but a script.
pub struct Phone {
    pub(super) config: PhoneConfig,
    pub(super) layer: Layer,
    pub(super) ua: UserAgent,
    pub(super) account: Option<AccountId>,
    pub(super) demands: Option<Demand>,
    pub(super) entropy: Entropy,
    pub(super) capabilities: Capabilities,
    pub(super) calls: Vec<PhoneCall>,
    pub(super) by_leg: Map<LegId, usize>,
    pub(super) plans: TimerQueue<Plan>,
    pub(super) outputs: VecDeque<Output<PhoneEvent, Command>>,
    pub(super) unreadable: u64,
    pub(super) watched: Watched,
    credentials: Option<(String, String)>,
    /// It has no power.
    off: bool,
}

pub(super) struct Demand {
    pub(super) server: Server,
    pub(super) user: String,
    pub(super) password: Secret,
}

impl Phone {
    /// A phone on the hook.
    pub fn new(mut config: PhoneConfig, mut entropy: Entropy) -> Self {
        let credentials = config.credentials.take();
        let (agent, account) = agent(&config, credentials.as_ref(), entropy.fork());
        let demands = config.demands.take().map(|(user, password, realm)| Demand {
            server: Server::new(ServerConfig::new(realm, Place::Proxy), &mut entropy),
            user,
            password: Secret::new(password),
        });
        Self {
            layer: Layer::new(transaction::Config::default(), entropy.fork()),
            ua: agent,
            account,
            demands,
            by_leg: Map::with_hasher(entropy.hash_keys()),
            entropy,
            capabilities: Capabilities::default(),
            calls: Vec::new(),
            plans: TimerQueue::new(),
            outputs: VecDeque::new(),
            unreadable: 0,
            watched: Watched::default(),
            credentials,
            off: false,
            config,
        }
    }

    /// Without power it hears and says nothing; with power again it knows nothing of what was.
    fn power(&mut self, on: bool) {
        if !on {
            for n in 0..self.calls.len() {
                self.over(n, Ending::Here);
            }
            self.by_leg.clear();
            self.plans = TimerQueue::new();
            self.layer = Layer::new(transaction::Config::default(), self.entropy.fork());
            (self.ua, self.account) = agent(&self.config, self.credentials.as_ref(), self.entropy.fork());
            self.watched.forget();
        }
        self.off = !on;
    }

    /// All its calls, ended ones too, in the order in which they began.
    pub fn calls(&self) -> &[PhoneCall] {
        &self.calls
    }

    /// Whether it sends audio, or at least reports, from this port.
    pub fn sounds(&self, port: u16) -> bool {
        self.calls.iter().any(|call| call.rtp_port == port && call.leg.is_some())
    }

    /// Its registrar.
    pub fn registrar(&self) -> Option<&Registrar> {
        self.config.registrar.as_ref()
    }

    /// Datagrams that were no SIP.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Sessions and subscriptions, transactions, and requests that wait for a response.
    pub fn alive(&self) -> (usize, usize, usize) {
        let counts = self.layer.counts();
        let transactions =
            counts.client_invite + counts.client_non_invite + counts.server_invite + counts.server_non_invite;
        (self.ua.live_legs() + self.ua.live_subscriptions(), transactions, self.ua.live_requests())
    }

    pub(super) fn tell(&mut self, event: PhoneEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn plan(&mut self, now: Time, after: Duration, plan: Plan) {
        self.plans.set(now + after, plan);
    }

    pub(super) fn contact(&self, user: &str) -> Arc<str> {
        Arc::from(format!("sip:{user}@{}", self.config.address))
    }

    pub(super) fn new_call(
        &mut self,
        leg: LegId,
        outgoing: bool,
        user: &str,
        talk: Talk,
        verdict: Verdict,
    ) -> usize {
        let number = self.calls.len();
        let media = MediaSession::new(self.entropy.next_u64());
        self.calls.push(PhoneCall {
            call_id: String::new(),
            outgoing,
            user: user.into(),
            progress: Progress::Alerting,
            held: false,
            provisional: Vec::new(),
            renegotiated: 0,
            leg: Some(leg),
            media,
            rtp_port: 40_000_u16.wrapping_add((number as u16).wrapping_mul(2)),
            talk,
            verdict,
            calling: None,
            refer: None,
            retries: 0,
        });
        self.by_leg.insert(leg, number);
        number
    }

    pub(super) fn rtp(&self, number: usize) -> SocketAddr {
        SocketAddr::new(self.config.address.ip(), self.calls[number].rtp_port)
    }

    pub(super) fn over(&mut self, n: usize, how: Ending) {
        if let Some(leg) = self.calls[n].leg {
            self.by_leg.remove(&leg);
        }
        let was = self.calls[n].is_over();
        self.calls[n].end(how);
        if !was {
            self.tell(PhoneEvent::Ended(n));
        }
    }

    pub(super) fn established(&mut self, now: Time, n: usize) {
        self.calls[n].progress = Progress::Established;
        self.tell(PhoneEvent::Established(n));
        for (after, deed) in self.calls[n].talk.deeds.clone() {
            self.plan(now, after, Plan::Do(n, deed));
        }
    }

    pub(super) fn asked(&mut self, now: Time, request: PhoneRequest) {
        match request {
            PhoneRequest::Call(_) | PhoneRequest::Messages(..) if self.off => {}
            PhoneRequest::Call(calling) => self.call(now, *calling),
            PhoneRequest::Do(n, deed) => self.deed(now, n, deed),
            PhoneRequest::HangUpAll => {
                for n in 0..self.calls.len() {
                    self.deed(now, n, Deed::HangUp);
                }
            }
            PhoneRequest::Registrar(mode) => {
                if let Some(registrar) = &mut self.config.registrar {
                    registrar.mode = mode;
                }
            }
            PhoneRequest::RestartRegistrar => {
                if let Some(registrar) = &mut self.config.registrar {
                    registrar.restart();
                }
            }
            PhoneRequest::Answering(user, answering) => {
                self.config.users.insert(user, answering);
            }
            PhoneRequest::Elsewhere(user, state) => self.watched.elsewhere(user, state),
            PhoneRequest::Messages(user, new, old) => self.messages(now, user, new, old),
            PhoneRequest::OnSubscribe(what) => self.config.on_subscribe = Some(what),
            PhoneRequest::EndWatches(reason) => self.end_watches(now, reason),
            PhoneRequest::Power(on) => self.power(on),
        }
    }
}

/// The agent of a phone, and its account there.
fn agent(
    config: &PhoneConfig,
    credentials: Option<&(String, String)>,
    entropy: Entropy,
) -> (UserAgent, Option<AccountId>) {
    let endpoint = Endpoint { id: ENDPOINT, transport: Transport::Udp, advertised: config.address };
    let watched = config.on_subscribe.map(|_| Method::Subscribe);
    let settings = ua::Config {
        endpoints: vec![endpoint],
        product: "Phone".into(),
        methods: [Method::Register].into_iter().chain(watched).collect(),
        ..ua::Config::default()
    };
    let mut agent = UserAgent::new(settings, entropy);
    let account = credentials.map(|(username, password)| {
        let (username, password) = (username.clone(), Secret::new(password.clone()));
        agent.add_account(Credentials { username, password, realm: None })
    });
    (agent, account)
}

impl Machine for Phone {
    type Request = PhoneRequest;
    type Event = PhoneEvent;
    type MediaCommand = Command;
    type MediaEvent = MediaEvent;

    fn handle(&mut self, now: Time, input: Input<PhoneRequest, MediaEvent>) {
        match input {
            Input::Received { .. } if self.off => {}
            Input::Received { flow, bytes } => self.received(now, flow, bytes),
            Input::FlowClosed { flow, .. } => self.layer.flow_closed(now, flow),
            Input::Resolved { .. } | Input::Media(_) => {}
            Input::Request(request) => self.asked(now, request),
            Input::Timeout => {
                self.layer.timeout(now);
                while let Some(indication) = self.ua.timeout(now, &mut self.layer) {
                    self.indicated(now, indication, None, Flow::to(ENDPOINT, self.config.peer));
                }
                while let Some(plan) = self.plans.pop(now) {
                    self.perform(now, plan);
                }
            }
        }
        self.settle(now);
        self.tell_watchers(now);
        self.settle(now);
    }

    fn poll(&mut self) -> Option<Output<PhoneEvent, Command>> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Time> {
        [self.layer.next_timeout(), self.ua.next_timeout(), self.plans.next()].into_iter().flatten().min()
    }
}
