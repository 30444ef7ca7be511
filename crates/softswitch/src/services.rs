//! The extensions that answer by themselves: echo, tone, music. A user agent on the same transaction layer.

use crate::config::Config;
use crate::core::{Core, Timer};
use crate::event::Event;
use crate::own::user_of;
use crate::reach::by_its_flow;
use hookswitch_machine::{Entropy, Flow, Map, Time, TimerKey};
use hookswitch_media::control::Event as MediaEvent;
use hookswitch_media::control::{Command, Direction, Port, Source, StreamId, StreamParameters};
use hookswitch_media::negotiate::{Capabilities, MediaSession, NegotiateError, OfferAnswer};
use hookswitch_sip::message::{Message, Method, Uri};
use hookswitch_sip::transaction::{Output, Received, ServerId};
use hookswitch_sip::ua::{Indication, LegId, UserAgent};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// What an extension sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Echo,
    Tone,
    Music,
}

impl Service {
    const fn source(self) -> Source {
        match self {
            Self::Echo => Source::Echo,
            Self::Tone => Source::Tone { frequencies: [440, 0], level: -10 },
            Self::Music => Source::Music,
        }
    }
}

/// A call to an extension.
#[derive(Debug)]
struct Call {
    session: MediaSession,
    stream: StreamId,
    rtp: SocketAddr,
    timer: TimerKey,
    call_id: Box<str>,
}

/// All extensions and their calls.
#[derive(Debug)]
pub(crate) struct Services {
    extensions: [(Box<str>, Service); 3],
    agent: UserAgent,
    calls: Map<LegId, Call>,
    by_stream: Map<StreamId, LegId>,
    stock: VecDeque<Port>,
    capabilities: Capabilities,
    next_stream: u64,
    open: bool,
}

impl Services {
    pub(crate) fn new(config: &Config, agent: UserAgent, shard: u16, entropy: &mut Entropy) -> Self {
        Self {
            extensions: [
                (config.echo.as_str().into(), Service::Echo),
                (config.tone.as_str().into(), Service::Tone),
                (config.music.as_str().into(), Service::Music),
            ],
            agent,
            calls: Map::with_hasher(entropy.hash_keys()),
            by_stream: Map::with_hasher(entropy.hash_keys()),
            stock: VecDeque::new(),
            capabilities: Capabilities::default(),
            // Away from the numbers that the lines of the same process count.
            next_stream: 1 << 63 | u64::from(shard) << 40,
            open: true,
        }
    }

    /// The extension of this name.
    pub(crate) fn find(&self, user: &str) -> Option<Service> {
        self.extensions.iter().find(|(name, _)| **name == *user).map(|(_, service)| *service)
    }

    pub(crate) fn live_calls(&self) -> usize {
        self.calls.len().max(self.by_stream.len()).max(self.agent.live_legs())
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
        let mut legs: Vec<LegId> = self.calls.keys().copied().collect();
        // Nothing may depend on the order of the map.
        legs.sort_unstable();
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
                // The caller is gone without a BYE.
                if let Some(leg) = self.by_stream.get(&stream).copied() {
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

    /// Ends a call from our side.
    pub(crate) fn hang_up(&mut self, core: &mut Core, now: Time, leg: LegId) {
        // A leg that is gone needs no end.
        let _ = self.agent.hang_up(now, &mut core.layer, leg, None);
        self.stop(core, leg);
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
            (Indication::Incoming(leg), Some(message)) => self.incoming(core, now, leg, flow, message),
            (Indication::Offered(leg), Some(message)) => self.offered(core, now, leg, message),
            (Indication::Confirmed(leg) | Indication::OfferConfirmed(leg), Some(message)) => {
                self.confirmed(core, now, leg, message);
            }
            (Indication::Request(_, server) | Indication::OutOfDialog(server), Some(message)) => {
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
            (
                Indication::Cancelled(leg)
                | Indication::Failed(leg, _)
                | Indication::Ended(leg)
                | Indication::NotAcknowledged(leg)
                | Indication::Lost(leg, _)
                | Indication::HungUp(leg),
                _,
            ) => self.stop(core, leg),
            // A service is no party that could be replaced.
            (Indication::Replacing { leg, .. }, _) => {
                let _ = self.agent.reject(now, &mut core.layer, leg, 603, format_args!(""));
            }
            // We call nobody and offer nothing on our own.
            (
                Indication::None
                | Indication::Incoming(_)
                | Indication::Offered(_)
                | Indication::Confirmed(_)
                | Indication::OfferConfirmed(_)
                | Indication::Request(..)
                | Indication::OutOfDialog(_)
                | Indication::Progress(_)
                | Indication::Answered(_)
                | Indication::Redirected(_)
                | Indication::OfferAnswered(_)
                | Indication::OfferRefused(..)
                | Indication::Response(..)
                | Indication::OutOfDialogResponse(..)
                | Indication::Subscription(..)
                | Indication::NotifyDue(_)
                | Indication::SubscriberGone(_),
                _,
            ) => {}
        }
    }

    fn incoming(&mut self, core: &mut Core, now: Time, leg: LegId, flow: Flow, message: &Message) {
        let user = user_of(&message.to());
        let called = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        // Behind a redirection the Request-URI names who was called at first.
        let service = called.and_then(|user| Some((self.find(&user)?, user)));
        let (service, user) = service.unwrap_or((Service::Echo, user));
        self.answer(core, now, leg, flow, message, service, &user);
    }

    #[allow(clippy::too_many_arguments)]
    fn answer(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        service: Service,
        user: &str,
    ) {
        let refused = match self.prepare(core, message) {
            Ok((session, sdp, parameters, port)) => {
                let stream = StreamId(self.next_stream);
                self.next_stream += 1;
                let contact: Arc<str> = core.own.uri(flow.endpoint, user).into();
                if self.agent.accept(now, &mut core.layer, leg, contact, None, &sdp).is_err() {
                    // The transaction is gone: so is the caller.
                    self.stock.push_front(port);
                    self.agent.abandon(now, &mut core.layer, leg);
                    return;
                }
                core.command(Command::Start { stream, port: port.id, source: service.source() });
                if let Some(parameters) = parameters {
                    core.command(Command::Configure { stream, parameters });
                }
                let timer = core.timers.set_after(now, core.limits.service_call, Timer::Service(leg));
                let call_id: Box<str> = message.call_id().into();
                self.by_stream.insert(stream, leg);
                let (text, from) = (call_id.to_string(), user_of(&message.from()));
                self.calls.insert(leg, Call { session, stream, rtp: port.rtp, timer, call_id });
                core.tell(Event::CallStarted { call_id: text.clone(), from, to: user.to_owned() });
                core.tell(Event::CallAnswered { call_id: text });
                return;
            }
            Err(refused) => refused,
        };
        let Refused { status, fields } = refused;
        // A leg that is gone needs no answer.
        let _ = self.agent.reject(now, &mut core.layer, leg, status, format_args!("{fields}"));
        let from = user_of(&message.from());
        core.tell(Event::Refused { method: message.method().to_string(), from, status, flow });
    }

    /// A port, and what goes into the 200: the answer, or an offer where the INVITE had none.
    fn prepare(
        &mut self,
        core: &mut Core,
        message: &Message,
    ) -> Result<(MediaSession, Vec<u8>, Option<StreamParameters>, Port), Refused> {
        if !self.open {
            return Err(Refused::later());
        }
        if self.calls.len() >= core.limits.service_calls {
            return Err(Refused { status: 486, fields: String::new() });
        }
        let port = self.stock.pop_front().ok_or_else(Refused::later)?;
        let mut session = MediaSession::new(core.entropy.next_u64());
        let settled = self.settle(&mut session, port.rtp, message);
        match settled {
            Ok((sdp, parameters)) => Ok((session, sdp, parameters, port)),
            Err(error) => {
                self.stock.push_front(port);
                Err(Refused::because(&error))
            }
        }
    }

    /// Answers the offer in a message, or makes one if there is none. Extensions always want both directions; a caller that
    /// holds decides for itself.
    fn settle(
        &self,
        session: &mut MediaSession,
        rtp: SocketAddr,
        message: &Message,
    ) -> Result<(Vec<u8>, Option<StreamParameters>), NegotiateError> {
        if message.body().is_empty() {
            return session.offer(&self.capabilities, rtp, Direction::SendRecv).map(|sdp| (sdp, None));
        }
        session.receive_offer(&self.capabilities, message.body())?;
        let (sdp, parameters) = session.answer(&self.capabilities, rtp, Direction::SendRecv)?;
        Ok((sdp, Some(parameters)))
    }

    /// A re-INVITE or UPDATE.
    fn offered(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(mut call) = self.calls.remove(&leg) else { return };
        // A leg that is gone needs no answer.
        let _ = if message.body().is_empty() && message.method() == Method::Update {
            self.agent.answer_offer(now, &mut core.layer, leg, None)
        } else {
            match self.settle(&mut call.session, call.rtp, message) {
                Ok((sdp, parameters)) => {
                    if let Some(parameters) = parameters {
                        core.command(Command::Configure { stream: call.stream, parameters });
                    }
                    self.agent.answer_offer(now, &mut core.layer, leg, Some(&sdp))
                }
                Err(error) => {
                    let Refused { status, fields } = Refused::because(&error);
                    self.agent.refuse_offer(now, &mut core.layer, leg, status, &fields)
                }
            }
        };
        self.calls.insert(leg, call);
    }

    /// An ACK, with the answer if our 200 held the offer.
    fn confirmed(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(call) = self.calls.get_mut(&leg) else { return };
        if call.session.state() != OfferAnswer::LocalOffer {
            return;
        }
        match call.session.receive_answer(&self.capabilities, message.body()) {
            Ok(parameters) => {
                let stream = call.stream;
                core.command(Command::Configure { stream, parameters });
            }
            Err(_) => self.hang_up(core, now, leg),
        }
    }

    /// A call is over: its stream ends, its port rests.
    fn stop(&mut self, core: &mut Core, leg: LegId) {
        let Some(call) = self.calls.remove(&leg) else { return };
        self.by_stream.remove(&call.stream);
        core.timers.cancel(call.timer);
        core.command(Command::Stop { stream: call.stream });
        core.tell(Event::CallEnded { call_id: call.call_id.into(), status: None });
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
            Indication::Incoming(leg) => {
                let service = self.find(user).unwrap_or(Service::Echo);
                self.answer(core, now, leg, flow, request, service, user);
            }
            other => self.indicated(core, now, other, flow, Some(request)),
        }
    }

    /// Whether a request belongs to a dialog of ours, by its tag and the extension it names.
    pub(crate) fn has_dialog(&self, request: &Message, uri: &Uri<'_>) -> bool {
        request.to_tag().and_then(UserAgent::shard_of_tag).is_some()
            && uri.user_unescaped().is_some_and(|user| self.find(&user).is_some())
    }
}

/// Why an offer is refused, in SIP.
struct Refused {
    status: u16,
    fields: String,
}

impl Refused {
    fn later() -> Self {
        Self { status: 503, fields: "Retry-After: 5\r\n".to_owned() }
    }

    fn because(error: &NegotiateError) -> Self {
        let fields = match error.warning() {
            Some((code, text)) => format!("Warning: {code} hookswitch \"{text}\"\r\n"),
            None => String::new(),
        };
        Self { status: error.status().unwrap_or(500), fields }
    }
}
