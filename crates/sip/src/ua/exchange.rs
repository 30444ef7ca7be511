//! Offers within a session: re-INVITE and UPDATE, theirs and ours, at most one at a time (RFC 3261 14, RFC 3311, RFC 6337).

use super::agent::{Timer, UserAgent};
use super::ids::{LegError, LegId};
use super::indication::{Failure, Indication};
use super::leg::{Again, Exchange, Leg, OfferKind, State, Unacknowledged};
use super::pending::Purpose;
use super::reply::{Reply, SDP};
use super::sending::credentials_of;
use crate::dialog::{Dialog, Role};
use crate::headers::ExtraHeaders;
use crate::message::{Limits, Message, Method};
use crate::transaction::{ClientId, Layer, Retransmission, Retransmit2xx, ServerId};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time};
use std::sync::Arc;
use std::time::Duration;

/// How often a re-INVITE that crosses theirs is sent again.
const MAX_CROSSED: u8 = 5;

impl UserAgent {
    /// Sends a re-INVITE with an offer. Ends with [`Indication::OfferAnswered`] or [`Indication::OfferRefused`].
    pub fn offer(&mut self, now: Time, layer: &mut Layer, id: LegId, sdp: &[u8]) -> Result<(), LegError> {
        self.offer_with(now, layer, id, sdp, "")
    }

    /// As [`offer`](Self::offer), with further complete header field lines ([`ExtraHeaders`]).
    pub fn offer_with(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        sdp: &[u8],
        fields: &str,
    ) -> Result<(), LegError> {
        let leg = self.legs.get(id).ok_or(LegError::Gone)?;
        match (&leg.state, &leg.exchange) {
            (State::Confirmed, Exchange::Idle) => {}
            (State::Confirmed, _) => return Err(LegError::OfferPending),
            // The first ACK may carry the answer to our offer; until it came, nothing is settled (RFC 3261 14.1).
            (State::Accepted { .. }, _) => return Err(LegError::OfferPending),
            (
                State::Invited { .. }
                | State::Inviting { .. }
                | State::Redirected { .. }
                | State::HangingUp { .. },
                _,
            ) => {
                return Err(LegError::State);
            }
        }
        self.send_offer(now, layer, id, sdp, fields, 0)
    }

    /// The re-INVITE, which crossed theirs so many times before.
    fn send_offer(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        sdp: &[u8],
        fields: &str,
        crossed: u8,
    ) -> Result<(), LegError> {
        let timer = self.timer_lines(Some(id));
        let lines = format!("Allow: {}\r\nSupported: {}\r\n{timer}{fields}", self.allow, self.supported);
        let client =
            self.request_within(now, layer, id, Purpose::Offer(id), Method::Invite, lines, Some((SDP, sdp)))?;
        let deadline = self.timers.set(now + layer.timers().lifetime(), Timer::OfferOverdue(id));
        if let Some(leg) = self.legs.get_mut(id) {
            leg.exchange = Exchange::Ours { client, deadline, crossed };
        }
        Ok(())
    }

    /// Our re-INVITE got provisional responses at the most: it is cancelled, which gives it an end (RFC 3261 9.1).
    pub(super) fn offer_overdue(&mut self, now: Time, layer: &mut Layer, id: LegId) -> Indication {
        let exchange = self.legs.get(id).map(|leg| &leg.exchange);
        if let Some(Exchange::Ours { client, .. } | Exchange::Refreshing { client, .. }) = exchange {
            let _ = layer.cancel(now, *client, None);
        }
        Indication::None
    }

    /// Ours gave way to theirs, and theirs was refused: the user learns that nothing came of ours, unless it has offered anew.
    pub(super) fn offer_crossed(&mut self, id: LegId) -> Indication {
        match self.legs.get(id).map(|leg| (&leg.state, &leg.exchange)) {
            Some((State::Confirmed, Exchange::Idle)) => Indication::OfferRefused(id, Failure::Status(491)),
            Some(_) | None => Indication::None,
        }
    }

    /// The pause after a crossing of offers is over: ours goes out again.
    pub(super) fn offer_again(&mut self, now: Time, layer: &mut Layer, id: LegId) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        if !matches!(leg.exchange, Exchange::OursAgain { .. }) {
            return Indication::None;
        }
        let Exchange::OursAgain { again, crossed, .. } = std::mem::replace(&mut leg.exchange, Exchange::Idle)
        else {
            return Indication::None;
        };
        match self.send_offer(now, layer, id, &again.body, &again.fields, crossed) {
            Ok(()) => Indication::None,
            Err(_) => Indication::OfferRefused(id, Failure::Status(491)),
        }
    }

    /// A 2xx to our re-INVITE: acknowledged at once, every time it comes.
    pub(super) fn offer_answered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        id: LegId,
        message: &Message,
    ) -> Indication {
        let Some(pending) = self.pending.get(&client) else { return Indication::None };
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok();
        let credentials = request.as_ref().map(credentials_of).unwrap_or_default();
        let (known, cseq) = (pending.flow, message.cseq().number);
        let Some(leg) = self.legs.get_mut(id) else {
            // The session has ended meanwhile; the ACK still ends their retransmissions.
            if let Some(dialog) = Dialog::of_stray(message) {
                let (flow, bytes) = self.write_ack(layer, &dialog, known, cseq, &credentials, None);
                layer.transmit(flow, bytes);
            }
            return Indication::None;
        };
        let (mut ours, mut told) = (false, Indication::None);
        if let Exchange::Ours { client: open, deadline, .. } | Exchange::Refreshing { client: open, deadline } =
            leg.exchange
            && open == client
        {
            told = match leg.exchange {
                Exchange::Refreshing { .. } => Indication::Refreshed(id),
                _ => Indication::OfferAnswered(id),
            };
            self.timers.cancel(deadline);
            leg.exchange = Exchange::Idle;
            ours = true;
        }
        let known = leg.flow;
        let Some(dialog) = leg.dialog.as_deref_mut() else { return Indication::None };
        if ours {
            dialog.refresh_target(message);
        }
        let Some(dialog) = self.legs.get(id).and_then(|leg| leg.dialog.as_deref()) else {
            return Indication::None;
        };
        let (flow, bytes) = self.write_ack(layer, dialog, known, cseq, &credentials, None);
        layer.transmit(flow, bytes);
        if ours {
            let said = request.as_ref().map(Message::body).filter(|sdp| !sdp.is_empty());
            self.agreed_timer(now, id, message, said);
        }
        told
    }

    /// Our re-INVITE was refused or not answered.
    pub(super) fn offer_finished(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        request: &Bytes,
        failure: Failure,
    ) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let Exchange::Ours { deadline, crossed, .. } = leg.exchange else { return Indication::None };
        self.timers.cancel(deadline);
        leg.exchange = Exchange::Idle;
        if failure.ends_dialog() {
            // RFC 3261 14.1: 481, 408 or silence end the dialog.
            self.farewell(now, layer, id, None);
            return Indication::Lost(id, failure);
        }
        if failure == Failure::Status(491) && crossed < MAX_CROSSED {
            // RFC 3261 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
            let owner = leg.dialog.as_ref().is_some_and(|dialog| dialog.role() == Role::Client);
            let steps = if owner { 210 + self.entropy.below(191) } else { self.entropy.below(201) };
            let timer = self.timers.set(now + Duration::from_millis(steps * 10), Timer::OfferAgain(id));
            let standing = leg.standing();
            let request = Message::parse(request.clone(), &Limits::default()).ok();
            let again = Box::new(Again {
                body: request.as_ref().map(|r| Bytes::copy_from_slice(r.body())).unwrap_or_default(),
                fields: request.as_ref().map(|r| added(r, standing)).unwrap_or_default(),
            });
            leg.exchange = Exchange::OursAgain { again, timer, crossed: crossed + 1 };
            return Indication::None;
        }
        Indication::OfferRefused(id, failure)
    }

    /// re-INVITE or UPDATE (RFC 3261 14.2, RFC 3311 5.2).
    #[allow(clippy::too_many_arguments)]
    pub(super) fn offered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        id: LegId,
        flow: Flow,
        message: &Message,
        kind: OfferKind,
    ) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let accepted =
            matches!(leg.state, State::Confirmed | State::Accepted { .. } | State::Inviting { .. });
        if accepted && kind == OfferKind::Update && message.body().is_empty() {
            // RFC 3311 5.2: an UPDATE without an offer cannot cross one.
            self.refreshed(now, layer, server, id, flow, message);
            return Indication::None;
        }
        let mut withdrawn = false;
        let busy = match (&leg.state, &leg.exchange) {
            (State::Confirmed, Exchange::Idle) => None,
            (State::Confirmed, Exchange::OursAgain { timer, .. }) => {
                // Theirs goes first, and what ours said may be wrong when it is settled: the user decides anew.
                self.timers.cancel(*timer);
                withdrawn = true;
                None
            }
            // The ACK that is still on its way must not be waited for: the peer has our 2xx, or it could not offer.
            (
                State::Confirmed,
                Exchange::Ours { .. } | Exchange::Refreshing { .. } | Exchange::TheirsAnswered { .. },
            )
            | (State::Accepted { .. } | State::Inviting { .. } | State::Redirected { .. }, _) => Some(491),
            (State::Confirmed, Exchange::Theirs { .. }) | (State::Invited { .. }, _) => Some(500),
            (State::HangingUp { .. }, _) => Some(481),
        };
        match busy {
            None => {}
            // RFC 3261 14.2: 0 to 10 s.
            Some(500) => {
                let wait = self.entropy.below(11);
                self.respond(now, layer, server, flow, message, 500, format_args!("Retry-After: {wait}\r\n"));
                return Indication::None;
            }
            Some(status) => {
                self.respond(now, layer, server, flow, message, status, format_args!(""));
                return Indication::None;
            }
        }
        let answering = match self.asked_timer(Some(id), message) {
            Ok(answering) => answering,
            Err(least) => {
                if withdrawn {
                    self.timers.set(now, Timer::OfferCrossed(id));
                    if let Some(leg) = self.legs.get_mut(id) {
                        leg.exchange = Exchange::Idle;
                    }
                }
                self.respond(now, layer, server, flow, message, 422, format_args!("{least}"));
                return Indication::None;
            }
        };
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        if let Some(dialog) = &mut leg.dialog {
            dialog.refresh_target(message);
        }
        let tag = message.to_tag().unwrap_or_default();
        let reply = Box::new(Reply::to(message, tag, flow.peer).agreeing(answering));
        leg.exchange = Exchange::Theirs { server, reply, kind, withdrawn };
        Indication::Offered(id)
    }

    /// An UPDATE that offers nothing: it may move the peer's address (RFC 3311 5.1).
    fn refreshed(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        id: LegId,
        flow: Flow,
        message: &Message,
    ) {
        let answering = match self.asked_timer(Some(id), message) {
            Ok(answering) => answering,
            Err(least) => {
                self.respond(now, layer, server, flow, message, 422, format_args!("{least}"));
                return;
            }
        };
        let Some(leg) = self.legs.get_mut(id) else { return };
        if let Some(dialog) = leg.dialog_with(message.from_tag().unwrap_or_default()) {
            dialog.refresh_target(message);
        }
        let early = matches!(leg.state, State::Inviting { .. });
        let timer = answering.filter(|_| !early).map_or(String::new(), |a| a.agreed.to_string());
        let (contact, allow) = (Arc::clone(&leg.contact), Arc::clone(&self.allow));
        let standing = leg.standing().to_owned();
        let fields = format_args!("Contact: <{contact}>\r\nAllow: {allow}\r\n{timer}{standing}");
        self.respond(now, layer, server, flow, message, 200, fields);
        if !early {
            self.answered_timer(now, id, answering, None);
        }
    }

    /// Answers the re-INVITE or UPDATE just indicated; `sdp` is the answer, or the offer if it had none; `None` only for an
    /// UPDATE without one.
    pub fn answer_offer(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        sdp: Option<&[u8]>,
    ) -> Result<(), LegError> {
        self.answer_offer_with(now, layer, id, sdp, "")
    }

    /// As [`answer_offer`](Self::answer_offer), with further complete header field lines ([`ExtraHeaders`]).
    pub fn answer_offer_with(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        sdp: Option<&[u8]>,
        fields: &str,
    ) -> Result<(), LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        let Exchange::Theirs { server, reply, kind, .. } = &leg.exchange else { return Err(LegError::State) };
        let (server, kind, cseq, answering) = (*server, *kind, reply.cseq(), reply.answering());
        let fields = format_args!(
            "Contact: <{}>\r\nAllow: {}\r\nSupported: {}\r\n{}{}{fields}",
            leg.contact,
            self.allow,
            self.supported,
            reply.timer(),
            leg.standing()
        );
        let bytes = reply.write(200, fields, sdp.map(|sdp| (SDP, sdp)));
        leg.exchange = Exchange::Idle;
        layer.respond(now, server, 200, bytes.clone()).map_err(|_| LegError::Gone)?;
        match kind {
            OfferKind::Update => {}
            OfferKind::Invite => {
                let schedule = Retransmit2xx::new(now, &layer.timers());
                let timer = self.timers.set(schedule.next_timeout(), Timer::OfferAccepted(id));
                leg.exchange = Exchange::TheirsAnswered {
                    ok: Box::new(Unacknowledged { bytes, server, cseq, schedule, timer }),
                };
            }
        }
        self.answered_timer(now, id, answering, sdp);
        Ok(())
    }

    /// Refuses the re-INVITE or UPDATE just indicated; the session goes on as before. `fields` are complete header field
    /// lines.
    pub fn refuse_offer(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        status: u16,
        fields: &str,
    ) -> Result<(), LegError> {
        if self.refuse_open_offer(now, layer, id, status, fields) { Ok(()) } else { Err(LegError::State) }
    }

    /// The 2xx to a re-INVITE is to be sent again, or nobody acknowledged it: the session ends (RFC 3261 14.2).
    pub(super) fn offer_accepted_timer(&mut self, now: Time, layer: &mut Layer, id: LegId) -> Indication {
        let timers = layer.timers();
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let Exchange::TheirsAnswered { ok } = &mut leg.exchange else { return Indication::None };
        match ok.schedule.timeout(now, &timers) {
            Retransmission::Wait => {}
            Retransmission::Send => {
                // Fails once the transaction is gone; then 64·T1 are over as well.
                let _ = layer.respond(now, ok.server, 200, ok.bytes.clone());
            }
            Retransmission::GiveUp => {
                leg.exchange = Exchange::Idle;
                self.farewell(now, layer, id, Some("SIP;cause=408;text=\"No ACK\""));
                return Indication::NotAcknowledged(id);
            }
        }
        ok.timer = self.timers.set(ok.schedule.next_timeout(), Timer::OfferAccepted(id));
        Indication::None
    }

    /// The re-INVITE that waits for our answer was cancelled: it gets 487, the session goes on.
    pub(super) fn offer_cancelled(
        &mut self,
        now: Time,
        layer: &mut Layer,
        invite: ServerId,
        message: &Message,
    ) {
        let Some(id) = self.leg_of(message) else { return };
        let waits = self
            .legs
            .get(id)
            .is_some_and(|leg| matches!(&leg.exchange, Exchange::Theirs { server, .. } if *server == invite));
        if waits {
            self.refuse_open_offer(now, layer, id, 487, "");
        }
    }

    /// Nothing will be offered any more: theirs is refused, ours taken back.
    pub(super) fn close_exchange(&mut self, now: Time, layer: &mut Layer, id: LegId) {
        if self.refuse_open_offer(now, layer, id, 487, "") {
            return;
        }
        let Some(leg) = self.legs.get_mut(id) else { return };
        match std::mem::replace(&mut leg.exchange, Exchange::Idle) {
            Exchange::Idle | Exchange::Theirs { .. } => {}
            Exchange::Ours { client, deadline, .. } | Exchange::Refreshing { client, deadline } => {
                self.timers.cancel(deadline);
                // Or it waits for ever, if the peer has sent a 100 and forgets it.
                let _ = layer.cancel(now, client, None);
            }
            Exchange::OursAgain { timer, .. } => {
                self.timers.cancel(timer);
            }
            Exchange::TheirsAnswered { ok } => {
                self.timers.cancel(ok.timer);
            }
        }
    }

    /// Refuses an offer of theirs that waits.
    pub(super) fn refuse_open_offer(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        status: u16,
        fields: &str,
    ) -> bool {
        let Some(leg) = self.legs.get_mut(id) else { return false };
        if !matches!(leg.exchange, Exchange::Theirs { .. }) {
            return false;
        }
        if let Exchange::Theirs { server, reply, withdrawn, .. } =
            std::mem::replace(&mut leg.exchange, Exchange::Idle)
        {
            if withdrawn {
                self.timers.set(now, Timer::OfferCrossed(id));
            }
            let standing = self.legs.get(id).map(Leg::standing).unwrap_or_default();
            // A transaction that is gone wants no answer.
            let bytes = reply.write(status, format_args!("{standing}{fields}"), None);
            let _ = layer.respond(now, server, status, bytes);
        }
        true
    }
}

/// The header field lines that the user gave with a request, without those that come by themselves.
fn added(request: &Message, standing: &str) -> Box<str> {
    let mut lines = String::new();
    for (name, value) in ExtraHeaders::of(request).iter() {
        let line = format!("{name}: {value}\r\n");
        if !standing.contains(&line) {
            lines.push_str(&line);
        }
    }
    lines.into_boxed_str()
}
