//! The phone.

use super::call::{Ending, PhoneCall, Progress};
use super::registrar::{Mode, Registrar};
use super::script::{Answering, Calling, Deed, OnRefer, Talk, Target, Verdict};
use crate::world::ENDPOINT;
use bytes::Bytes;
use hookswitch_machine::{Endpoint, Entropy, Flow, Input, Machine, Map, Output, Time, TimerQueue, Transport};
use hookswitch_media::control::{Command, Direction, Event as MediaEvent};
use hookswitch_media::negotiate::{Capabilities, MediaSession, OfferAnswer};
use hookswitch_sip::auth::{self, Credentials, Place, Secret, Server, ServerConfig};
use hookswitch_sip::message::{Limits, Message, Method, Name};
use hookswitch_sip::transaction::{self, Layer, ServerId};
use hookswitch_sip::ua::{self, AccountId, Indication, Invitation, LegError, LegId, UserAgent};
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
enum Plan {
    Ring(usize),
    EarlyMedia(usize),
    Decide(usize),
    GiveUp(usize),
    Acknowledge(usize),
    Do(usize, Deed),
    Notify(usize, u16, bool),
}

/// A phone: no media, no user, but a script.
pub struct Phone {
    config: PhoneConfig,
    layer: Layer,
    ua: UserAgent,
    account: Option<AccountId>,
    demands: Option<Demand>,
    entropy: Entropy,
    capabilities: Capabilities,
    calls: Vec<PhoneCall>,
    by_leg: Map<LegId, usize>,
    plans: TimerQueue<Plan>,
    outputs: VecDeque<Output<PhoneEvent, Command>>,
    unreadable: u64,
}

struct Demand {
    server: Server,
    user: String,
    password: Secret,
}

impl Phone {
    /// A phone on the hook.
    pub fn new(mut config: PhoneConfig, mut entropy: Entropy) -> Self {
        let endpoint = Endpoint { id: ENDPOINT, transport: Transport::Udp, advertised: config.address };
        let settings = ua::Config {
            endpoints: vec![endpoint],
            product: "Phone".into(),
            methods: vec![Method::Register],
            ..ua::Config::default()
        };
        let mut agent = UserAgent::new(settings, entropy.fork());
        let account = config.credentials.take().map(|(username, password)| {
            agent.add_account(Credentials { username, password: Secret::new(password), realm: None })
        });
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
            config,
        }
    }

    /// All its calls, ended ones too, in the order in which they began.
    pub fn calls(&self) -> &[PhoneCall] {
        &self.calls
    }

    /// Its registrar.
    pub fn registrar(&self) -> Option<&Registrar> {
        self.config.registrar.as_ref()
    }

    /// Datagrams that were no SIP.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Sessions, transactions, and requests that wait for a response.
    pub fn alive(&self) -> (usize, usize, usize) {
        let counts = self.layer.counts();
        let transactions =
            counts.client_invite + counts.client_non_invite + counts.server_invite + counts.server_non_invite;
        (self.ua.live_legs(), transactions, self.ua.live_requests())
    }

    fn tell(&mut self, event: PhoneEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn plan(&mut self, now: Time, after: Duration, plan: Plan) {
        self.plans.set(now + after, plan);
    }

    fn contact(&self, user: &str) -> Arc<str> {
        Arc::from(format!("sip:{user}@{}", self.config.address))
    }

    fn new_call(&mut self, leg: LegId, outgoing: bool, talk: Talk, verdict: Verdict) -> usize {
        let number = self.calls.len();
        let media = MediaSession::new(self.entropy.next_u64());
        self.calls.push(PhoneCall {
            call_id: String::new(),
            outgoing,
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

    fn rtp(&self, number: usize) -> SocketAddr {
        SocketAddr::new(self.config.address.ip(), self.calls[number].rtp_port)
    }

    fn call(&mut self, now: Time, calling: Calling) {
        let uri = match &calling.target {
            Target::Uri(uri) => uri.clone(),
            Target::Registered(user) => {
                let bound = self.config.registrar.as_ref().and_then(|r| r.contact(now, user));
                bound.map_or_else(|| format!("sip:{user}@{}", self.config.peer), str::to_owned)
            }
        };
        // The offer's session belongs to the call, which needs the leg first.
        let mut media = MediaSession::new(self.entropy.next_u64());
        let port = 40_000_u16.wrapping_add((self.calls.len() as u16).wrapping_mul(2));
        let rtp = SocketAddr::new(self.config.address.ip(), port);
        let offer = calling.offer.then(|| media.offer(&self.capabilities, rtp, Direction::SendRecv).ok());
        let offer = offer.flatten();
        let host = self.config.address.ip();
        let from = format!("<sip:{}@{host}>", calling.from);
        let invitation = Invitation {
            flow: Flow::to(ENDPOINT, self.config.peer),
            account: self.account,
            uri: &uri,
            from: &from,
            to: &format!("<{uri}>"),
            contact: self.contact(&calling.from),
            fields: &calling.fields,
            offer: offer.as_deref(),
        };
        let Ok(leg) = self.ua.invite(now, &mut self.layer, &invitation) else { return };
        let number = self.new_call(leg, true, calling.talk.clone(), Verdict::Never);
        self.calls[number].media = media;
        if let Some(patience) = calling.patience {
            self.plan(now, patience, Plan::GiveUp(number));
        }
        self.calls[number].calling = Some(Box::new(calling));
    }

    fn perform(&mut self, now: Time, plan: Plan) {
        match plan {
            Plan::Ring(n) => self.provisional(now, n, 180),
            Plan::EarlyMedia(n) => self.provisional(now, n, 183),
            Plan::Decide(n) => self.decide(now, n),
            Plan::GiveUp(n) => {
                if self.calls[n].progress == Progress::Alerting {
                    self.deed(now, n, Deed::HangUp);
                }
            }
            Plan::Acknowledge(n) => self.acknowledge(now, n),
            Plan::Do(n, deed) => self.deed(now, n, deed),
            Plan::Notify(n, status, last) => self.notify(now, n, status, last),
        }
    }

    fn provisional(&mut self, now: Time, n: usize, status: u16) {
        let Some(leg) = self.calls[n].leg.filter(|_| self.calls[n].progress == Progress::Alerting) else {
            return;
        };
        let contact = self.contact("phone");
        let sdp = if status == 183 { self.early_answer(n) } else { None };
        if self.ua.ring(now, &mut self.layer, leg, status, &contact, sdp.as_deref()).is_ok() {
            self.calls[n].provisional.push(status);
        }
    }

    /// The answer that the 200 will carry too (RFC 3261 13.2.1).
    fn early_answer(&mut self, n: usize) -> Option<Vec<u8>> {
        let rtp = self.rtp(n);
        let mut early = self.calls[n].media.clone();
        early.answer(&self.capabilities, rtp, Direction::SendRecv).ok().map(|(sdp, _)| sdp)
    }

    fn decide(&mut self, now: Time, n: usize) {
        let Some(leg) = self.calls[n].leg.filter(|_| self.calls[n].progress == Progress::Alerting) else {
            return;
        };
        match self.calls[n].verdict.clone() {
            Verdict::Never => {}
            Verdict::Reject(_, status) => {
                let _ = self.ua.reject(now, &mut self.layer, leg, status, format_args!(""));
                self.over(n, Ending::Here);
            }
            Verdict::Redirect(_, to) => {
                let fields = format_args!("Contact: <{to}>\r\n");
                let _ = self.ua.reject(now, &mut self.layer, leg, 302, fields);
                self.over(n, Ending::Here);
            }
            Verdict::Answer(_) => {
                let rtp = self.rtp(n);
                let call = &mut self.calls[n];
                let sdp = match call.media.state() {
                    OfferAnswer::RemoteOffer => {
                        call.media.answer(&self.capabilities, rtp, Direction::SendRecv).map(|(sdp, _)| sdp)
                    }
                    _ => call.media.offer(&self.capabilities, rtp, Direction::SendRecv),
                };
                let contact = self.contact("phone");
                match sdp {
                    Ok(sdp) => {
                        let account = self.account;
                        let _ = self.ua.accept(now, &mut self.layer, leg, contact, account, &sdp);
                        self.calls[n].progress = Progress::Answered;
                    }
                    Err(_) => {
                        let _ = self.ua.reject(now, &mut self.layer, leg, 488, format_args!(""));
                        self.over(n, Ending::Here);
                    }
                }
            }
        }
    }

    fn acknowledge(&mut self, now: Time, n: usize) {
        let Some(leg) = self.calls[n].leg else { return };
        let rtp = self.rtp(n);
        let call = &mut self.calls[n];
        let sdp = match call.media.state() {
            OfferAnswer::RemoteOffer => {
                call.media.answer(&self.capabilities, rtp, Direction::SendRecv).ok().map(|(sdp, _)| sdp)
            }
            _ => None,
        };
        let _ = self.ua.acknowledge(now, &mut self.layer, leg, sdp.as_deref());
    }

    fn deed(&mut self, now: Time, n: usize, deed: Deed) {
        let Some(leg) = self.calls[n].leg else { return };
        match deed {
            Deed::HangUp => {
                let answering =
                    matches!(self.calls[n].progress, Progress::Alerting) && !self.calls[n].outgoing;
                let _ = self.ua.hang_up(now, &mut self.layer, leg, None);
                if answering {
                    self.over(n, Ending::Here);
                }
            }
            Deed::Hold => self.renegotiate(now, n, leg, Direction::SendOnly, deed),
            Deed::Retrieve => self.renegotiate(now, n, leg, Direction::SendRecv, deed),
            Deed::Refer(target) => {
                let fields = format!("Refer-To: <{target}>\r\n");
                let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Refer, &fields, None);
            }
            Deed::Update => {
                let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Update, "", None);
            }
            Deed::Digit(digit) => {
                let body = format!("Signal={digit}\r\nDuration=160\r\n");
                let body = Some(("application/dtmf-relay", body.as_bytes()));
                let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Info, "", body);
            }
        }
    }

    fn renegotiate(&mut self, now: Time, n: usize, leg: LegId, direction: Direction, deed: Deed) {
        let rtp = self.rtp(n);
        let call = &mut self.calls[n];
        let sent = match call.media.offer(&self.capabilities, rtp, direction) {
            Ok(sdp) => {
                let sent = self.ua.offer(now, &mut self.layer, leg, &sdp);
                if sent.is_err() {
                    self.calls[n].media.abandon();
                }
                sent
            }
            Err(_) => Err(LegError::OfferPending),
        };
        let call = &mut self.calls[n];
        if sent == Err(LegError::OfferPending) && call.retries < 20 {
            call.retries += 1;
            self.plan(now, Duration::from_millis(400), Plan::Do(n, deed));
        }
    }

    fn notify(&mut self, now: Time, n: usize, status: u16, last: bool) {
        let (Some(leg), Some(id)) = (self.calls[n].leg, self.calls[n].refer) else { return };
        let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
        let fields = format!("Event: refer;id={id}\r\nSubscription-State: {state}\r\n");
        let body = format!("SIP/2.0 {status} {}\r\n", hookswitch_sip::message::reason_phrase(status));
        let body = Some(("message/sipfrag;version=2.0", body.as_bytes()));
        let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Notify, &fields, body);
    }

    fn over(&mut self, n: usize, how: Ending) {
        if let Some(leg) = self.calls[n].leg {
            self.by_leg.remove(&leg);
        }
        let was = self.calls[n].is_over();
        self.calls[n].end(how);
        if !was {
            self.tell(PhoneEvent::Ended(n));
        }
    }

    fn established(&mut self, now: Time, n: usize) {
        self.calls[n].progress = Progress::Established;
        self.tell(PhoneEvent::Established(n));
        for (after, deed) in self.calls[n].talk.deeds.clone() {
            self.plan(now, after, Plan::Do(n, deed));
        }
    }

    fn received(&mut self, now: Time, flow: Flow, bytes: Bytes) {
        if self.config.registrar.as_ref().is_some_and(|registrar| registrar.mode == Mode::Down) {
            return;
        }
        match Message::parse(bytes, &Limits::default()) {
            Ok(message) => {
                let indication = self.ua.receive(now, &mut self.layer, flow, &message);
                self.indicated(now, indication, Some(&message), flow);
            }
            Err(_) => self.unreadable += 1,
        }
    }

    fn settle(&mut self, now: Time) {
        while let Some(output) = self.layer.poll() {
            match output {
                transaction::Output::Transmit { flow, bytes } => {
                    self.outputs.push_back(Output::Transmit { flow, bytes });
                }
                other => {
                    let indication = self.ua.transaction_event(now, &mut self.layer, &other);
                    self.indicated(now, indication, None, Flow::to(ENDPOINT, self.config.peer));
                }
            }
        }
    }

    fn indicated(&mut self, now: Time, indication: Indication, message: Option<&Message>, flow: Flow) {
        let number = |phone: &Self, leg: LegId| phone.by_leg.get(&leg).copied();
        match (indication, message) {
            (Indication::None, _) => {}
            // A phone that is asked to replace a call takes the new one as any other; the agent ends the old one.
            (Indication::Incoming(leg) | Indication::Replacing { leg, .. }, Some(message)) => {
                self.incoming(now, leg, message);
            }
            (Indication::Subscription(..) | Indication::NotifyDue(_) | Indication::SubscriberGone(_), _) => {}
            (Indication::Progress(leg), Some(message)) => {
                if let Some(n) = number(self, leg) {
                    self.calls[n].call_id = message.call_id().into();
                    self.calls[n].provisional.extend(message.status());
                }
            }
            (Indication::Answered(leg), Some(message)) => self.answered(now, leg, message),
            (Indication::Redirected(leg), _) => {
                self.ua.abandon(now, &mut self.layer, leg);
                if let Some(n) = number(self, leg) {
                    self.over(n, Ending::Refused(ua::Failure::Status(302)));
                }
            }
            (Indication::Confirmed(leg), message) => {
                if let Some(n) = number(self, leg) {
                    let body = message.map(Message::body).unwrap_or_default();
                    if self.calls[n].media.state() == OfferAnswer::LocalOffer {
                        let _ = self.calls[n].media.receive_answer(&self.capabilities, body);
                    }
                    self.established(now, n);
                }
            }
            (Indication::Failed(leg, failure), message) => {
                if let Some(n) = number(self, leg) {
                    if let Some(message) = message {
                        self.calls[n].call_id = message.call_id().into();
                    }
                    self.over(n, Ending::Refused(failure));
                }
            }
            (Indication::Cancelled(leg) | Indication::Ended(leg), _) => {
                if let Some(n) = number(self, leg) {
                    self.over(n, Ending::There);
                }
            }
            (Indication::NotAcknowledged(leg) | Indication::Lost(leg, _), _) => {
                if let Some(n) = number(self, leg) {
                    self.over(n, Ending::Lost);
                }
            }
            (Indication::HungUp(leg), _) => {
                if let Some(n) = number(self, leg) {
                    self.over(n, Ending::Here);
                }
            }
            (Indication::Offered(leg), Some(message)) => self.offered(now, leg, message),
            (Indication::OfferConfirmed(leg), Some(message)) => {
                if let Some(n) = number(self, leg)
                    && self.calls[n].media.state() == OfferAnswer::LocalOffer
                    && self.calls[n].media.receive_answer(&self.capabilities, message.body()).is_err()
                {
                    self.calls[n].media.abandon();
                }
            }
            (Indication::OfferAnswered(leg), Some(message)) => {
                if let Some(n) = number(self, leg) {
                    if self.calls[n].media.receive_answer(&self.capabilities, message.body()).is_err() {
                        self.calls[n].media.abandon();
                    }
                    self.calls[n].renegotiated += 1;
                }
            }
            (Indication::OfferRefused(leg, _), _) => {
                if let Some(n) = number(self, leg) {
                    self.calls[n].media.abandon();
                }
            }
            (Indication::Request(leg, server), Some(message)) => {
                self.request_within(now, leg, server, flow, message);
            }
            (Indication::OutOfDialog(server), Some(message)) => {
                let (status, fields) = match &mut self.config.registrar {
                    Some(registrar) => registrar.answer(now, message),
                    None => (405, String::new()),
                };
                let fields = format_args!("{fields}");
                self.ua.respond(now, &mut self.layer, server, flow, message, status, fields);
            }
            (Indication::Response(..) | Indication::OutOfDialogResponse(..), _) => {}
            (
                Indication::Incoming(_)
                | Indication::Replacing { .. }
                | Indication::Progress(_)
                | Indication::Answered(_)
                | Indication::Offered(_)
                | Indication::OfferConfirmed(_)
                | Indication::OfferAnswered(_)
                | Indication::Request(..)
                | Indication::OutOfDialog(_),
                None,
            ) => {}
        }
    }

    fn incoming(&mut self, now: Time, leg: LegId, message: &Message) {
        if let Some(fields) = self.demand(now, message) {
            let _ = self.ua.reject(now, &mut self.layer, leg, 407, format_args!("{fields}"));
            return;
        }
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|u| u.into_owned()));
        let user = user.unwrap_or_default();
        let answering = self.config.users.get(&user).unwrap_or(&self.config.others).clone();
        let Answering { ring, early_media, verdict, talk } = answering;
        let n = self.new_call(leg, false, talk, verdict.clone());
        self.calls[n].call_id = message.call_id().into();
        if !message.body().is_empty()
            && self.calls[n].media.receive_offer(&self.capabilities, message.body()).is_err()
        {
            self.calls[n].verdict = Verdict::Reject(Duration::ZERO, 488);
        }
        self.tell(PhoneEvent::Incoming(n));
        if let Some(after) = ring {
            self.plan(now, after, Plan::Ring(n));
        }
        if let Some(after) = early_media {
            self.plan(now, after, Plan::EarlyMedia(n));
        }
        match verdict {
            Verdict::Answer(after) | Verdict::Reject(after, _) | Verdict::Redirect(after, _) => {
                self.plan(now, after, Plan::Decide(n));
            }
            Verdict::Never => {}
        }
    }

    /// The challenge that an INVITE is to be refused with, if it has no good credentials.
    fn demand(&mut self, now: Time, message: &Message) -> Option<String> {
        let Demand { server, user, password } = self.demands.as_mut()?;
        let verdict = server.check(
            now,
            "INVITE",
            message.headers(Name::ProxyAuthorization),
            message.body(),
            |name, _| (name == *user).then_some(auth::Account::Password(password)),
        );
        let stale = match verdict {
            auth::Verdict::Ok { .. } => return None,
            auth::Verdict::Challenge { stale } => stale,
            auth::Verdict::BadCredentials { .. } | auth::Verdict::Malformed(_) => false,
        };
        let header = Place::Proxy.challenge_header();
        Some(server.challenges(now, stale).map(|value| format!("{header}: {value}\r\n")).collect())
    }

    fn answered(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(n) = self.by_leg.get(&leg).copied() else {
            self.ua.abandon(now, &mut self.layer, leg);
            return;
        };
        let call = &mut self.calls[n];
        call.call_id = message.call_id().into();
        let capabilities = &self.capabilities;
        let usable = match call.media.state() {
            OfferAnswer::LocalOffer => call.media.receive_answer(capabilities, message.body()).is_ok(),
            _ => call.media.receive_offer(capabilities, message.body()).is_ok(),
        };
        let when = call.calling.as_ref().map_or(Some(Duration::ZERO), |calling| calling.acknowledge);
        match when {
            Some(Duration::ZERO) => self.acknowledge(now, n),
            Some(after) => self.plan(now, after, Plan::Acknowledge(n)),
            None => {}
        }
        self.established(now, n);
        if !usable {
            self.deed(now, n, Deed::HangUp);
        }
    }

    fn offered(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(n) = self.by_leg.get(&leg).copied() else {
            let _ = self.ua.refuse_offer(now, &mut self.layer, leg, 481, "");
            return;
        };
        let rtp = self.rtp(n);
        let call = &mut self.calls[n];
        if call.media.state() == OfferAnswer::LocalOffer {
            // Ours crossed theirs and waits; theirs goes first, ours is not sent again.
            call.media.abandon();
        }
        let wanted = call.media.wanted();
        let sdp = if message.body().is_empty() {
            call.media.offer(&self.capabilities, rtp, wanted)
        } else {
            call.media
                .receive_offer(&self.capabilities, message.body())
                .and_then(|_| call.media.answer(&self.capabilities, rtp, wanted).map(|(sdp, _)| sdp))
        };
        match sdp {
            Ok(sdp) => {
                call.held = call.media.held_by_them();
                let _ = self.ua.answer_offer(now, &mut self.layer, leg, Some(&sdp));
            }
            Err(error) => {
                let status = error.status().unwrap_or(488);
                let _ = self.ua.refuse_offer(now, &mut self.layer, leg, status, "");
            }
        }
    }

    fn request_within(&mut self, now: Time, leg: LegId, server: ServerId, flow: Flow, message: &Message) {
        let found = self.by_leg.get(&leg).copied();
        let Some(n) = found.filter(|_| message.method() == Method::Refer) else {
            let status = if found.is_some() { 200 } else { 481 };
            self.ua.respond(now, &mut self.layer, server, flow, message, status, format_args!(""));
            return;
        };
        let on_refer = self.calls[n].talk.on_refer.clone();
        let contact = self.contact("phone");
        let (status, fields) = match &on_refer {
            OnRefer::Refuse(status) => (*status, String::new()),
            OnRefer::Report(_) | OnRefer::Silence | OnRefer::HangUp(_) => {
                (202, format!("Contact: <{contact}>\r\n"))
            }
        };
        self.ua.respond(now, &mut self.layer, server, flow, message, status, format_args!("{fields}"));
        self.calls[n].refer = Some(message.cseq().number);
        match on_refer {
            OnRefer::Report(reports) => {
                let last = reports.len();
                for (i, (after, status)) in reports.into_iter().enumerate() {
                    self.plan(now, after, Plan::Notify(n, status, i + 1 == last));
                }
            }
            OnRefer::HangUp(after) => self.plan(now, after, Plan::Do(n, Deed::HangUp)),
            OnRefer::Refuse(_) | OnRefer::Silence => {}
        }
    }

    fn asked(&mut self, now: Time, request: PhoneRequest) {
        match request {
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
        }
    }
}

impl Machine for Phone {
    type Request = PhoneRequest;
    type Event = PhoneEvent;
    type MediaCommand = Command;
    type MediaEvent = MediaEvent;

    fn handle(&mut self, now: Time, input: Input<PhoneRequest, MediaEvent>) {
        match input {
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
    }

    fn poll(&mut self) -> Option<Output<PhoneEvent, Command>> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Time> {
        [self.layer.next_timeout(), self.ua.next_timeout(), self.plans.next()].into_iter().flatten().min()
    }
}
