//! What all parts of the provider work on, and how it touches the world: messages in and out, timers, look-ups, media.

use crate::account::Elsewhere;
use crate::arranged::{Callback, Watched};
use crate::call::{Aim, Ask, Call, Calls, Taken, Wait, Waiting};
use crate::line::Line;
use bytes::Bytes;
use hookswitch_machine::{
    CloseReason, Entropy, Flow, Map, Output, QueryId, Question, ResolveError, Target, Time, TimerQueue,
};
use hookswitch_media::control::{Command, Port};
use hookswitch_sip::message::{Limits, Message, Method};
use hookswitch_sip::transaction::{self, ClientId, Layer};
use hookswitch_sip::ua::{Indication, LegId, SubscriptionId, UserAgent};
use hookswitch_spi::{
    CallId, CallState, Completion, CompletionId, Completions, GatherEnd, LineId, OperationError, Outcome,
    ProviderEvent, TimelineEntry, TimelineFact, Way, Word,
};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;

/// What the provider wants done outside.
pub type Action = Output<Infallible, Command>;

/// Timers of lines and calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A line's registration is due.
    Registration(LineId),
    /// A line's switch is to be looked up again.
    LookUp(LineId),
    /// A referral's target did not answer in time, or its reports end.
    Referral(CallId),
    /// A keep-alive to a line's switch is due.
    KeepAlive(LineId),
    /// An offered call was not answered in time: its forwarding rule applies.
    NotAnswered(CallId),
    /// The caller is told again that the call alerts (RFC 3261 13.3.1.1).
    Alerting(CallId),
    /// A call of ours was not answered in time.
    GiveUp(CallId),
    /// A transfer's outcome is overdue.
    Transfer(CallId),
    /// A call that was not taken is announced again.
    Announce(CallId),
    /// The next digit is overdue.
    Gather(CallId),
    /// The next digit is to be sent by INFO.
    Dictate(CallId),
    /// An offered call rings once more.
    Ring(CallId),
    /// Nobody answered in time for what a call is to tell.
    UserInfo(CallId),
    /// Nobody said in time which orbit is free.
    Finder(CallId),
    /// Nobody said in time what alerts at the station that is to be picked up.
    Fetch(CallId),
    /// A call completion has lasted too long, or waits for room on the line.
    Completion(CompletionId),
    /// The offer of a completed call was not answered in time.
    CallBack(CallId),
    /// The busy tone of a call is over.
    Busy(CallId),
}

/// Whose a request outside sessions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    /// A REGISTER of a line, with its CSeq.
    Register(LineId, u32),
}

/// What a look-up is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// A line's switch.
    Switch(LineId),
    /// The target of a call of ours.
    Target(CallId),
}

/// Messages that were refused or dropped before they became anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Octets that are no SIP and were answered with 400 or 505.
    pub refused: u64,
    /// Octets that are no SIP and were dropped.
    pub dropped: u64,
    /// Calls from peers that may not call in.
    pub forbidden: u64,
}

/// The provider's state; see the crate's documentation for its parts.
pub(crate) struct Core {
    pub(crate) layer: Layer,
    pub(crate) ua: UserAgent,
    pub(crate) lines: Vec<Option<Line>>,
    /// The lines of other shards.
    pub(crate) elsewhere: Vec<(LineId, Elsewhere)>,
    pub(crate) calls: Calls,
    pub(crate) by_leg: Map<LegId, CallId>,
    pub(crate) outside: Map<ClientId, Outside>,
    /// What is subscribed to.
    pub(crate) watches: BTreeMap<SubscriptionId, Watched>,
    /// Sessions that ask for a free orbit.
    pub(crate) finders: BTreeMap<LegId, CallId>,
    pub(crate) callbacks: BTreeMap<CompletionId, Callback>,
    pub(crate) next_completion: u32,
    pub(crate) queries: Map<QueryId, Query>,
    pub(crate) stock: VecDeque<Port>,
    pub(crate) events: VecDeque<ProviderEvent>,
    pub(crate) completions: Completions,
    /// The time of the step that is being done.
    pub(crate) now: Time,
    pub(crate) initialised: bool,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) timers: TimerQueue<Timer>,
    pub(crate) entropy: Entropy,
    pub(crate) counters: Counters,
    /// Lines that are closed for applications and still un-register.
    pub(crate) closing: Vec<LineId>,
    /// Those of them that are gone for good: only what un-registers them still sees them.
    pub(crate) removed: Vec<LineId>,
    pub(crate) product: String,
    next_query: u64,
    next_tag: u64,
    limits: Limits,
    /// 400s to malformed requests that may still be sent in this second.
    refusals: (u64, u32),
}

/// Answers to malformed requests a second.
const MOST_REFUSALS: u32 = 100;

impl Core {
    pub(crate) fn new(
        layer: Layer,
        ua: UserAgent,
        shard: u16,
        product: String,
        mut entropy: Entropy,
    ) -> Self {
        let keys = entropy.hash_keys();
        Self {
            layer,
            ua,
            lines: Vec::new(),
            elsewhere: Vec::new(),
            calls: Calls::new(shard, entropy.next_u64()),
            by_leg: Map::with_hasher(keys),
            outside: Map::with_hasher(keys),
            watches: BTreeMap::new(),
            finders: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            next_completion: u32::from(shard) << 20,
            queries: Map::with_hasher(keys),
            stock: VecDeque::new(),
            events: VecDeque::new(),
            completions: Completions::default(),
            now: Time::ZERO,
            initialised: false,
            actions: VecDeque::new(),
            timers: TimerQueue::new(),
            entropy,
            counters: Counters::default(),
            closing: Vec::new(),
            removed: Vec::new(),
            product,
            next_query: 0,
            next_tag: 0,
            limits: Limits::default(),
            refusals: (0, 0),
        }
    }

    /// A message or keep-alive from the network.
    pub(crate) fn received(&mut self, now: Time, flow: Flow, bytes: Bytes) {
        if bytes.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            // A keep-alive: a ping of two line ends is answered with one (RFC 5626 3.5.1).
            if bytes.len() == 4 {
                self.actions.push_back(Output::Transmit { flow, bytes: Bytes::from_static(b"\r\n") });
            }
            return;
        }
        let message = match Message::parse(bytes, &self.limits) {
            Ok(message) => message,
            Err(rejected) => {
                let answer = rejected.answer(flow.peer).filter(|_| self.may_refuse(now));
                match answer {
                    Some(bytes) => {
                        self.counters.refused += 1;
                        self.actions.push_back(Output::Transmit { flow, bytes });
                    }
                    None => self.counters.dropped += 1,
                }
                return;
            }
        };
        let known = self.call_of(&message);
        if let Some(call) = known {
            self.trace(now, call, Way::Received, &message);
        }
        let indication = self.ua.receive(now, &mut self.layer, flow, &message);
        if let (Some(call), Indication::None, Method::Update, None) =
            (known, &indication, message.method(), message.status())
        {
            // One that offers nothing is answered already; it may still say who the other side is.
            self.identified(call, &message);
        }
        self.indicated(now, indication, Some(&message), flow);
        self.settle(now);
    }

    fn may_refuse(&mut self, now: Time) -> bool {
        let second = now.as_millis() / 1_000;
        if self.refusals.0 != second {
            self.refusals = (second, 0);
        }
        self.refusals.1 += 1;
        self.refusals.1 <= MOST_REFUSALS
    }

    /// A flow ended.
    pub(crate) fn flow_closed(&mut self, now: Time, flow: Flow, _reason: CloseReason) {
        self.layer.flow_closed(now, flow);
        self.registrar_flow_closed(now, flow);
        self.settle(now);
    }

    /// Runs what is due.
    pub(crate) fn timeout(&mut self, now: Time) {
        self.layer.timeout(now);
        let nowhere = Flow::to(hookswitch_machine::EndpointId(0), ([0, 0, 0, 0], 0).into());
        while let Some(indication) = self.ua.timeout(now, &mut self.layer) {
            self.indicated(now, indication, None, nowhere);
        }
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Registration(line) => self.registration_due(now, line),
                Timer::LookUp(line) => self.look_up_again(now, line),
                Timer::Referral(call) => self.referral_due(now, call),
                Timer::KeepAlive(line) => self.keep_alive(now, line),
                Timer::NotAnswered(call) => self.not_answered(now, call),
                Timer::Alerting(call) => self.alert_again(now, call),
                Timer::GiveUp(call) => self.give_up(now, call),
                Timer::Transfer(call) => self.transfer_due(now, call),
                Timer::Announce(call) => self.announce_again(now, call),
                Timer::Gather(call) => self.digit_overdue(call),
                Timer::Dictate(call) => self.dictate_next(now, call),
                Timer::Ring(call) => self.ring_again(now, call),
                Timer::UserInfo(call) => self.user_info_due(call),
                Timer::Finder(call) => self.finder_due(now, call),
                Timer::Fetch(call) => self.fetch_due(now, call),
                Timer::Completion(completion) => self.completion_due(now, completion),
                Timer::CallBack(call) => self.call_back_due(now, call),
                Timer::Busy(call) => self.busy_over(now, call),
            }
        }
        self.settle(now);
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        [self.layer.next_timeout(), self.ua.next_timeout(), self.timers.next()].into_iter().flatten().min()
    }

    /// Takes what the transaction layer left: call after everything that touched it.
    pub(crate) fn settle(&mut self, now: Time) {
        while let Some(output) = self.layer.poll() {
            match output {
                transaction::Output::Transmit { flow, bytes } => {
                    self.trace_sent(now, &bytes);
                    self.actions.push_back(Output::Transmit { flow, bytes });
                }
                other => {
                    let nowhere = Flow::to(hookswitch_machine::EndpointId(0), ([0, 0, 0, 0], 0).into());
                    let indication = self.ua.transaction_event(now, &mut self.layer, &other);
                    self.indicated(now, indication, None, nowhere);
                }
            }
        }
    }

    /// Asks for a host's targets.
    pub(crate) fn resolve(&mut self, now: Time, question: Question, what: Query) -> QueryId {
        let query = QueryId(self.next_query);
        self.next_query += 1;
        self.queries.insert(query, what);
        let deadline = now + std::time::Duration::from_secs(10);
        self.actions.push_back(Output::Resolve { query, question, deadline });
        query
    }

    /// An answer to [`resolve`](Self::resolve).
    pub(crate) fn resolved(&mut self, now: Time, query: QueryId, answer: Result<Vec<Target>, ResolveError>) {
        match self.queries.remove(&query) {
            Some(Query::Switch(line)) => self.switch_resolved(now, line, answer),
            Some(Query::Target(call)) => self.target_resolved(now, call, answer),
            None => {}
        }
        self.settle(now);
    }

    pub(crate) fn media(&mut self, command: Command) {
        self.actions.push_back(Output::Media(command));
    }

    pub(crate) fn next_tag(&mut self) -> u64 {
        self.next_tag += 1;
        self.next_tag
    }

    pub(crate) fn line(&self, id: LineId) -> Option<&Line> {
        self.registrant(id).filter(|_| !self.removed.contains(&id))
    }

    pub(crate) fn line_mut(&mut self, id: LineId) -> Option<&mut Line> {
        if self.removed.contains(&id) { None } else { self.registrant_mut(id) }
    }

    /// A line, or one that was removed and still un-registers.
    pub(crate) fn registrant(&self, id: LineId) -> Option<&Line> {
        self.lines.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn registrant_mut(&mut self, id: LineId) -> Option<&mut Line> {
        self.lines.get_mut(id.0 as usize)?.as_mut()
    }

    pub(crate) fn call_by_leg(&self, leg: LegId) -> Option<CallId> {
        self.by_leg.get(&leg).copied()
    }

    /// Tells that a request is done.
    pub(crate) fn complete(
        &mut self,
        completion: impl Into<Option<Completion>>,
        result: Result<Outcome, OperationError>,
    ) {
        if let Some(completion) = completion.into() {
            self.events.push_back(completion.complete(result));
        }
    }

    /// A request is accepted and done in one.
    pub(crate) fn done(&mut self, ask: &mut Ask, outcome: Outcome) {
        self.settle_ask(ask, Ok(outcome));
    }

    /// A request is accepted, and its result is known.
    pub(crate) fn settle_ask(&mut self, ask: &mut Ask, result: Result<Outcome, OperationError>) {
        if let Some(completion) = ask.0.take() {
            self.complete(completion, result);
        }
    }

    /// A request is accepted and waits.
    pub(crate) fn wait(&mut self, id: CallId, ask: &mut Ask, what: Wait) {
        if let Some(completion) = ask.0.take() {
            self.wait_on(id, completion, what);
        }
    }

    /// A request goes on waiting.
    pub(crate) fn wait_on(&mut self, id: CallId, completion: impl Into<Option<Completion>>, what: Wait) {
        let completion = completion.into();
        match self.calls.get_mut(id) {
            Some(call) => call.waiting.push(Waiting { completion, what }),
            None => self.complete(completion, Err(OperationError::CallEnded)),
        }
    }

    /// Tells something of a call, unless it was not taken yet.
    pub(crate) fn tell(&mut self, id: CallId, event: ProviderEvent) {
        if self
            .calls
            .get(id)
            .is_some_and(|call| call.taken == Taken::Yes && !call.embryo && call.bridge().is_none())
        {
            self.events.push_back(event);
        }
    }

    /// Completes everything that waits on a call with this error.
    pub(crate) fn fail_waiting(&mut self, id: CallId, error: &OperationError) {
        let Some(call) = self.calls.get_mut(id) else { return };
        for waiting in std::mem::take(&mut call.waiting) {
            self.fail(waiting, error.clone());
        }
        self.not_retrieved(self.now, id);
    }

    /// Completes one request with an error; a call that it was to create is gone with it.
    pub(crate) fn fail(&mut self, waiting: Waiting, error: OperationError) {
        self.complete(waiting.completion, Err(error));
        if let Wait::Turn(Aim::Consult(consult)) | Wait::OfferAnswer(Aim::Consult(consult)) = waiting.what {
            self.forget(self.now, consult);
        }
        if let Wait::Completing(completion) = waiting.what {
            self.drop_callback(self.now, completion);
        }
    }

    /// Completes the first request of a call that waits for this.
    pub(crate) fn complete_waiting(
        &mut self,
        id: CallId,
        wanted: impl Fn(Wait) -> bool,
        result: Result<Outcome, OperationError>,
    ) -> bool {
        let Some(waiting) = self.calls.get_mut(id).and_then(|call| call.take_waiting(wanted)) else {
            return false;
        };
        self.complete(waiting.completion, result);
        true
    }

    /// Puts a call into a state and tells it.
    pub(crate) fn enter(&mut self, id: CallId, state: CallState) {
        if self.is_outside_state(id, &state) {
            return;
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.state == state || call.state == CallState::Idle {
            return;
        }
        let kind = state.kind();
        let moved = call.state.kind() != kind;
        call.state = state.clone();
        call.since = self.now;
        let media = call.media_types;
        let over = matches!(state, CallState::Idle | CallState::Disconnected(_));
        self.tell(id, ProviderEvent::CallState { call: id, state, media });
        self.recount(id);
        self.treat(id);
        self.comes_out_of_queue(id);
        if over {
            self.end_media_control(id);
            self.end_gathering(id, GatherEnd::Cancelled);
            self.stop_dictating(id);
            self.partner_ended(id);
            self.parted(self.now, id);
        } else if moved {
            self.state_controls(id, kind);
        }
    }

    /// Notes something in a call's timeline.
    pub(crate) fn record(&mut self, now: Time, call: CallId, fact: TimelineFact) {
        self.events.push_back(ProviderEvent::Recorded(TimelineEntry { at: now, call, fact }));
    }

    /// The call that a message is about, as far as our tags in it tell.
    fn call_of(&self, message: &Message) -> Option<CallId> {
        let tag = if message.is_request() { message.to_tag() } else { message.from_tag() };
        tag.and_then(|tag| self.ua.own_leg(tag)).and_then(|leg| self.call_by_leg(leg))
    }

    pub(crate) fn trace(&mut self, now: Time, call: CallId, way: Way, message: &Message) {
        let method = Word::new(message.method().as_str());
        let cseq = message.cseq().number;
        let sdp = !message.body().is_empty() && message.content_type_is("application/sdp");
        let fact = match message.status() {
            Some(status) => TimelineFact::Response { way, status, method, cseq, sdp },
            None => TimelineFact::Request { way, method, cseq, sdp },
        };
        self.record(now, call, fact);
    }

    /// Notes a message that leaves. It was written here, so a look at its first lines is enough.
    fn trace_sent(&mut self, now: Time, bytes: &Bytes) {
        let Some(glance) = crate::glance::Glance::at(bytes) else { return };
        let Some(call) = self.ua.own_leg(glance.our_tag).and_then(|leg| self.call_by_leg(leg)) else {
            return;
        };
        let (method, cseq, sdp) = (Word::new(glance.method), glance.cseq, glance.sdp);
        let way = Way::Sent;
        let fact = match glance.status {
            Some(status) => TimelineFact::Response { way, status, method, cseq, sdp },
            None => TimelineFact::Request { way, method, cseq, sdp },
        };
        self.record(now, call, fact);
    }

    /// Takes a call out of everything. Nothing is told.
    pub(crate) fn forget(&mut self, now: Time, id: CallId) -> Option<Box<Call>> {
        self.end_gathering(id, GatherEnd::Cancelled);
        self.stop_dictating(id);
        self.parted(now, id);
        self.stop_stream(id);
        self.abandon_referral(now, id);
        self.stop_alerting(id);
        self.partner_ended(id);
        self.uncount(id);
        self.stop_fetching(now, id);
        self.leave_queue(now, id);
        let call = self.calls.remove(id)?;
        if let Some(timer) = call.timer {
            self.timers.cancel(timer);
        }
        if let Some(leg) = call.leg {
            self.ua.abandon(now, &mut self.layer, leg);
        }
        if let Some(leg) = call.last_leg {
            self.by_leg.remove(&leg);
            if self.by_leg.is_empty() {
                // A peak is over.
                self.by_leg.shrink_to(64);
            }
        }
        if let Some(line) = self.line_mut(call.line) {
            line.kept = line.kept.saturating_sub(1);
        }
        Some(call)
    }

    /// What an indication of the user agent means for its call.
    pub(crate) fn indicated(
        &mut self,
        now: Time,
        indication: Indication,
        message: Option<&Message>,
        flow: Flow,
    ) {
        if self.of_finder(now, &indication, message) || self.of_referral(now, indication.clone(), message) {
            return;
        }
        match (indication, message) {
            (Indication::None, _) => {}
            (Indication::Incoming(leg), Some(message)) => self.incoming(now, leg, None, flow, message),
            (Indication::Replacing { leg, replaced }, Some(message)) => {
                self.incoming(now, leg, Some(replaced), flow, message);
            }
            (Indication::Cancelled(leg), message) => self.cancelled(now, leg, message),
            (Indication::Confirmed(leg), message) => self.confirmed(now, leg, message),
            (Indication::Progress(leg), Some(message)) => self.progress(now, leg, message),
            (Indication::Answered(leg), Some(message)) => self.answered(now, leg, message),
            (Indication::Redirected(leg), Some(message)) => self.redirected(now, leg, message),
            (Indication::Failed(leg, failure), message) => self.failed(now, leg, failure, message),
            (Indication::Ended(leg), message) => self.ended(now, leg, message),
            (Indication::NotAcknowledged(leg), _) => self.not_acknowledged(now, leg),
            (Indication::Lost(leg, failure), _) => self.lost(now, leg, failure),
            (Indication::HungUp(leg), _) => self.hung_up(now, leg),
            (Indication::Offered(leg), Some(message)) => self.offered(now, leg, message),
            (Indication::OfferConfirmed(leg), Some(message)) => self.offer_confirmed(now, leg, message),
            (Indication::OfferAnswered(leg), Some(message)) => self.offer_answered(now, leg, message),
            (Indication::Refreshed(leg), message) => self.refreshed(now, leg, message),
            (Indication::OfferRefused(leg, failure), message) => {
                self.offer_refused(now, leg, failure, message)
            }
            (Indication::Request(leg, server), Some(message)) => {
                self.request_within(now, leg, server, flow, message)
            }
            (Indication::Response(leg, client, failure), message) => {
                self.response_within(now, leg, client, failure, message);
            }
            (Indication::OutOfDialog(server), Some(message)) => {
                self.asked_outside(now, server, flow, message);
            }
            (Indication::OutOfDialogResponse(client, failure), message) => {
                self.outside_response(now, client, failure, message);
            }
            (Indication::Subscription(id, report), message) => self.watched(now, id, report, message),
            // Nobody can subscribe to anything here.
            (Indication::NotifyDue(_) | Indication::SubscriberGone(_), _) => {}
            // The agent gives the message with each of these; without it nothing can be done.
            (
                Indication::Incoming(_)
                | Indication::Replacing { .. }
                | Indication::Progress(_)
                | Indication::Answered(_)
                | Indication::Redirected(_)
                | Indication::Offered(_)
                | Indication::OfferConfirmed(_)
                | Indication::OfferAnswered(_)
                | Indication::Request(..)
                | Indication::OutOfDialog(_),
                None,
            ) => {}
        }
    }
}
