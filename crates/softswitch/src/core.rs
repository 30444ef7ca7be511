//! What registrar, proxy and extensions use together: transactions, timers, outputs.

use crate::calls::{CallNo, CallState, Calls, Party};
use crate::config::{Features, Limits};
use crate::ended::Ended;
use crate::event::Event;
use crate::gate::Gate;
use crate::location::{BindingId, Locations, UserId};
use crate::loops::Loops;
use crate::own::{Own, user_of};
use crate::passage::Passages;
use crate::referrals::Referrals;
use crate::services::OrbitNo;
use crate::watch::SubscriptionNo;
use hookswitch_machine::{Entropy, Flow, Output, Time, TimerQueue, Transport};
use hookswitch_media::control::Command;
use hookswitch_sip::message::{Escaped, Message, Name, Response};
use hookswitch_sip::transaction::{ClientId, Layer, ServerId};
use hookswitch_sip::ua::LegId;
use std::collections::VecDeque;

/// The longest Call-ID that is remembered.
const LONGEST_CALL_ID: usize = 256;

/// A timer of the softswitch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    /// A contact was not refreshed.
    Binding(UserId, BindingId),
    /// A callee rings for too long (RFC 3261 16.8: timer C).
    Ringing(ClientId),
    /// A call to an extension lasts too long.
    Service(LegId),
    /// A call is to be forgotten whose end nobody told.
    Forget(CallNo),
    /// A reservation of an orbit, or something about the call parked there, is due.
    Orbit(OrbitNo),
    /// Something about a subscription is due.
    Watch(SubscriptionNo),
    /// Both sides of a call that we connected are to be asked whether they are there.
    Probe(LegId),
}

/// The common parts.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) limits: Limits,
    pub(crate) features: Features,
    pub(crate) own: Own,
    pub(crate) layer: Layer,
    pub(crate) locations: Locations,
    pub(crate) gate: Gate,
    pub(crate) passages: Passages,
    pub(crate) loops: Loops,
    pub(crate) ended: Ended,
    pub(crate) calls: Calls,
    pub(crate) referrals: Referrals,
    pub(crate) timers: TimerQueue<Timer>,
    pub(crate) entropy: Entropy,
    pub(crate) outputs: VecDeque<Output<Event, Command>>,
}

impl Core {
    /// Tells the operator.
    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Remembers a call that begins, if there is room.
    pub(crate) fn call_begins(
        &mut self,
        now: Time,
        call_id: &str,
        caller: Party,
        callee: Party,
        state: CallState,
    ) -> Option<CallNo> {
        let full = |user| self.calls.count_of(user) >= self.limits.calls_per_user;
        let full = caller.user.is_some_and(full) || callee.user.is_some_and(full);
        if full || self.calls.len() >= self.limits.calls || call_id.len() > LONGEST_CALL_ID {
            return None;
        }
        let no = self.calls.next_no();
        let timer = self.timers.set_after(now, self.limits.longest_call, Timer::Forget(no));
        self.calls.begin(no, call_id, caller, callee, state, timer);
        Some(no)
    }

    /// A user's address of record.
    pub(crate) fn address_of(&self, user: UserId) -> String {
        format!("sip:{}@{}", Escaped(self.locations.name(user)), self.own.domain())
    }

    /// The sender of a request whose From was checked.
    pub(crate) fn sender(&self, request: &Message) -> Party {
        let from = request.from();
        Party::of(&from, self.locations.find(&user_of(&from))).at(request)
    }

    /// A user answers a call, which may have been redirected to several.
    pub(crate) fn call_reaches(&mut self, now: Time, no: CallNo, user: UserId) -> Option<CallNo> {
        let there = self.calls.get(no)?.callee.user == Some(user);
        if there { Some(no) } else { self.call_moves(now, no, user) }
    }

    /// A call that was redirected rings at another user.
    pub(crate) fn call_moves(&mut self, now: Time, no: CallNo, user: UserId) -> Option<CallNo> {
        let call = self.calls.get(no)?;
        let server = match call.state {
            CallState::Trying { server } | CallState::Early { server } => server,
            CallState::Confirmed => return Some(no),
        };
        let (call_id, caller, replaces) = (call.call_id.clone(), call.caller.clone(), call.replaces);
        let uri = self.address_of(user);
        let (display, tag, target) = (None, Box::default(), Box::default());
        let callee = Party { user: Some(user), uri: uri.into(), display, tag, target };
        self.call_ends(no);
        let moved = self.call_begins(now, &call_id, caller, callee, CallState::Trying { server });
        if let Some(call) = moved.and_then(|no| self.calls.get_mut(no)) {
            call.replaces = replaces;
        }
        moved
    }

    /// A call is over.
    pub(crate) fn call_ends(&mut self, no: CallNo) {
        if let Some(timer) = self.calls.end(no) {
            self.timers.cancel(timer);
        }
    }

    /// One side of a call hangs up. The operator is told, unless the other did just before.
    pub(crate) fn hung_up(&mut self, now: Time, bye: &Message) {
        for no in self.calls.ended_by(bye) {
            self.call_ends(no);
        }
        let call_id = bye.call_id();
        if self.ended.is_new(now, call_id, [bye.from_tag(), bye.to_tag()].map(Option::unwrap_or_default)) {
            self.tell(Event::CallEnded { call_id: call_id.to_owned(), status: None });
        }
    }

    /// Tells the media threads.
    pub(crate) fn command(&mut self, command: Command) {
        self.outputs.push_back(Output::Media(command));
    }

    /// Whether the transport of a flow retransmits by itself.
    pub(crate) fn is_reliable(&self, flow: Flow) -> bool {
        self.own.endpoint(flow.endpoint).is_some_and(|endpoint| endpoint.transport == Transport::Tcp)
    }

    /// Answers a request with a final response of our own and these header fields.
    pub(crate) fn answer(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Message,
        status: u16,
        fields: &[(Name<'_>, String)],
    ) {
        let tag = format!("{:016x}", self.entropy.next_u64());
        let mut response = Response::to(request, status).received(flow.peer).to_tag(&tag);
        for (name, value) in fields {
            response = response.header(*name, value);
        }
        // A transaction that is gone wants no answer.
        let _ = self.layer.respond(now, server, status, response.finish());
    }

    /// As [`answer`](Self::answer), for refusals that the operator wants to know of.
    pub(crate) fn refuse(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Message,
        status: u16,
        fields: &[(Name<'_>, String)],
    ) {
        self.answer(now, server, flow, request, status, fields);
        let (method, from) = (request.method().to_string(), user_of(&request.from()));
        self.tell(Event::Refused { method, from, status, flow });
    }
}
