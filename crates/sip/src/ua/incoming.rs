//! Requests from the other side.

use super::agent::{SESSION_METHODS, Timer, UserAgent};
use super::ids::LegId;
use super::indication::Indication;
use super::leg::{AfterAck, Exchange, Leg, OfferKind, State};
use super::reply::Reply;
use crate::dialog::Dialog;
use crate::message::{Message, Method, Name, Response};
use crate::transaction::{Layer, Retransmission, ServerId};
use hookswitch_machine::{Flow, Time};
use std::fmt;
use std::sync::Arc;

impl UserAgent {
    /// A new request (RFC 3261 8.2): everything that its user need not see is answered here.
    pub(super) fn request(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        if let Some((status, fields)) = self.refusal(message) {
            self.respond(now, layer, server, flow, message, status, format_args!("{fields}"));
            return Indication::None;
        }
        if message.to_tag().is_some() {
            return self.within(now, layer, server, flow, message);
        }
        match message.method() {
            Method::Invite => self.invited(now, layer, server, flow, message),
            Method::Options => {
                self.describe(now, layer, server, flow, message);
                Indication::None
            }
            method if self.config.methods.contains(&method) => Indication::OutOfDialog(server),
            _ => {
                // Known, but it makes sense within a session only.
                self.respond(now, layer, server, flow, message, 481, format_args!(""));
                Indication::None
            }
        }
    }

    /// The checks of RFC 3261 8.2.1 to 8.2.3 in their order: status and header fields of the refusal.
    fn refusal(&self, message: &Message) -> Option<(u16, String)> {
        let method = message.method();
        let known = SESSION_METHODS.contains(&method) || self.config.methods.contains(&method);
        if !known {
            let status = if matches!(method, Method::Other(_)) { 501 } else { 405 };
            return Some((status, format!("Allow: {}\r\n", self.allow)));
        }
        match message.uri() {
            Ok(uri) if uri.is_sip() => {}
            Ok(_) => return Some((416, String::new())),
            Err(_) => return Some((400, String::new())),
        }
        // RFC 3261 8.2.2.3: not for CANCEL and ACK.
        let unknown = |tag: &&str| !self.supported.split(", ").any(|own| own.eq_ignore_ascii_case(tag));
        let unsupported: Vec<&str> = message.headers(Name::Require).filter(unknown).collect();
        if !unsupported.is_empty() {
            return Some((420, format!("Unsupported: {}\r\n", unsupported.join(", "))));
        }
        // RFC 3891 3: in an INVITE only.
        if method != Method::Invite && message.header(Name::Replaces).is_some() {
            return Some((400, String::new()));
        }
        if matches!(method, Method::Invite | Method::Update) {
            let sdp = message.body().is_empty() || message.content_type_is("application/sdp");
            let encoded =
                message.header(Name::ContentEncoding).is_some_and(|e| !e.eq_ignore_ascii_case("identity"));
            if !sdp || encoded {
                return Some((415, "Accept: application/sdp\r\nAccept-Encoding: identity\r\n".into()));
            }
            let acceptable = |value: &str| {
                let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                matches!(kind.as_str(), "application/sdp" | "application/*" | "*/*")
            };
            let mut accepts = message.headers(Name::Accept).peekable();
            if accepts.peek().is_some() && !accepts.any(acceptable) {
                return Some((406, String::new()));
            }
        }
        None
    }

    /// The value of Allow.
    pub fn allow(&self) -> impl fmt::Display + use<> {
        Arc::clone(&self.allow)
    }

    /// OPTIONS (RFC 3261 11.2).
    fn describe(&mut self, now: Time, layer: &mut Layer, server: ServerId, flow: Flow, message: &Message) {
        let tag = self.loose_tag().to_string();
        let fields = format_args!(
            "Allow: {}\r\nSupported: {}\r\nAccept: application/sdp\r\nServer: {}\r\n",
            self.allow, self.supported, self.product
        );
        let bytes = Reply::to(message, &tag, flow.peer).write(200, fields, None);
        // A transaction that is gone wants no answer.
        let _ = layer.respond(now, server, 200, bytes);
    }

    /// Answers a request at once with a final response. `fields` are complete header field lines.
    #[allow(clippy::too_many_arguments)]
    pub fn respond(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        flow: Flow,
        message: &Message,
        status: u16,
        fields: fmt::Arguments<'_>,
    ) {
        if status == 100 {
            let bytes = Response::to(message, 100).received(flow.peer).finish();
            let _ = layer.respond(now, server, status, bytes);
            return;
        }
        // Within a dialog the tag stands there.
        let tag = if message.to_tag().is_none() { self.loose_tag().to_string() } else { String::new() };
        let bytes = Reply::to(message, &tag, flow.peer).write(status, fields, None);
        // A transaction that is gone wants no answer.
        let _ = layer.respond(now, server, status, bytes);
    }

    /// An INVITE outside any dialog.
    fn invited(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        if self.legs.len() >= self.config.max_legs {
            self.respond(now, layer, server, flow, message, 503, format_args!("Retry-After: 5\r\n"));
            return Indication::None;
        }
        let replaces = match self.replaced_by(message) {
            Ok(replaces) => replaces,
            Err(status) => {
                self.respond(now, layer, server, flow, message, status, format_args!(""));
                return Indication::None;
            }
        };
        let answering = match self.asked_timer(None, message) {
            Ok(answering) => answering,
            Err(least) => {
                self.respond(now, layer, server, flow, message, 422, format_args!("{least}"));
                return Indication::None;
            }
        };
        let tag = self.leg_tag();
        let text = tag.to_string();
        let Ok(dialog) = Dialog::server(message, &text) else {
            // RFC 3261 8.1.1.8: an INVITE has one Contact, a SIP URI.
            self.respond(now, layer, server, flow, message, 400, format_args!(""));
            return Indication::None;
        };
        let reply = Reply::to(message, &text, flow.peer).agreeing(answering);
        let leg = self.legs.insert(Leg {
            state: State::Invited { server, reply: Box::new(reply), replaces },
            exchange: Exchange::Idle,
            dialog: Some(Box::new(dialog)),
            flow,
            contact: Arc::from(""),
            account: None,
            standing: None,
            clock: None,
            ack: None,
        });
        self.invited.insert(server, leg);
        match replaces {
            None => Indication::Incoming(leg),
            Some(replaced) => Indication::Replacing { leg, replaced },
        }
    }

    /// CANCEL (RFC 3261 9.2): answered by itself; what it cancels gets 487 if it still can.
    pub(super) fn cancelled(
        &mut self,
        now: Time,
        layer: &mut Layer,
        cancel: ServerId,
        invite: Option<ServerId>,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        let Some(invite) = invite else {
            self.respond(now, layer, cancel, flow, message, 481, format_args!(""));
            return Indication::None;
        };
        let Some(id) = self.invited.get(&invite).copied() else {
            self.respond(now, layer, cancel, flow, message, 200, format_args!(""));
            self.offer_cancelled(now, layer, invite, message);
            return Indication::None;
        };
        // RFC 3261 9.2: the same To tag in both responses.
        let dialog = self.legs.get(id).and_then(|leg| leg.dialog.as_deref());
        let reply = Reply::to(message, dialog.map_or("", |dialog| dialog.local_tag()), flow.peer);
        // A transaction that is gone wants no answer.
        let _ = layer.respond(now, cancel, 200, reply.write(200, format_args!(""), None));
        self.finish_invite(now, layer, id, 487, format_args!(""));
        match self.remove(id) {
            Some(_) => Indication::Cancelled(id),
            None => Indication::None,
        }
    }

    /// Sends a final response other than 2xx to the INVITE of a session.
    pub(super) fn finish_invite(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        status: u16,
        fields: fmt::Arguments<'_>,
    ) {
        if let Some(leg) = self.legs.get(id)
            && let State::Invited { server, reply, .. } = &leg.state
        {
            let bytes = reply.write(status, format_args!("{}{fields}", leg.standing()), None);
            // A transaction that is gone wants no answer.
            let _ = layer.respond(now, *server, status, bytes);
        }
    }

    /// An ACK that belongs to a 2xx (RFC 3261 13.3.1.4).
    pub(super) fn ack(&mut self, now: Time, layer: &mut Layer, message: &Message) -> Indication {
        let Some(id) = self.leg_of(message) else { return Indication::None };
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let cseq = message.cseq().number;
        match (&leg.state, &leg.exchange) {
            (State::Accepted { ok, then }, _) if ok.cseq == cseq => {
                self.timers.cancel(ok.timer);
                let then = *then;
                leg.state = State::Confirmed;
                match then {
                    AfterAck::Talk => return Indication::Confirmed(id),
                    AfterAck::HangUp => return self.send_bye(now, layer, id, None),
                    AfterAck::Farewell => self.farewell(now, layer, id, None),
                }
                Indication::None
            }
            (_, Exchange::TheirsAnswered { ok }) if ok.cseq == cseq => {
                self.timers.cancel(ok.timer);
                leg.exchange = Exchange::Idle;
                Indication::OfferConfirmed(id)
            }
            // Of a 2xx that was acknowledged before.
            (
                State::Invited { .. }
                | State::Accepted { .. }
                | State::Inviting { .. }
                | State::Redirected { .. }
                | State::Confirmed
                | State::HangingUp { .. },
                _,
            ) => Indication::None,
        }
    }

    /// The 2xx of a session is to be sent again, or nobody acknowledged it.
    pub(super) fn accepted_timer(&mut self, now: Time, layer: &mut Layer, id: LegId) -> Indication {
        let timers = layer.timers();
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let State::Accepted { ok, then } = &mut leg.state else { return Indication::None };
        match ok.schedule.timeout(now, &timers) {
            Retransmission::Wait => {}
            Retransmission::Send => {
                // Fails once the transaction is gone; then 64·T1 are over as well.
                let _ = layer.respond(now, ok.server, 200, ok.bytes.clone());
            }
            Retransmission::GiveUp => {
                let then = *then;
                leg.state = State::Confirmed;
                return match then {
                    AfterAck::Talk => {
                        self.farewell(now, layer, id, Some("SIP;cause=408;text=\"No ACK\""));
                        Indication::NotAcknowledged(id)
                    }
                    AfterAck::HangUp => self.send_bye(now, layer, id, None),
                    AfterAck::Farewell => {
                        self.farewell(now, layer, id, None);
                        Indication::None
                    }
                };
            }
        }
        ok.timer = self.timers.set(ok.schedule.next_timeout(), Timer::Accepted(id));
        Indication::None
    }

    /// A request within a dialog (RFC 3261 12.2.2).
    fn within(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        let found = self.leg_of(message).and_then(|id| self.legs.get_mut(id).map(|leg| (id, leg)));
        let bye = message.method() == Method::Bye;
        let Some((id, leg)) = found.filter(|(_, leg)| bye || !leg.is_abandoned()) else {
            if let Some(subscription) = self.subscription_of(message) {
                return self.within_subscription(now, layer, server, subscription, flow, message);
            }
            self.respond(now, layer, server, flow, message, 481, format_args!(""));
            return Indication::None;
        };
        let dialog = leg.dialog_with(message.from_tag().unwrap_or_default());
        let in_order = dialog.is_some_and(|dialog| dialog.receive(message).is_ok());
        if !in_order {
            self.respond(now, layer, server, flow, message, 500, format_args!(""));
            return Indication::None;
        }
        if leg.flow.endpoint == flow.endpoint && leg.flow.peer == flow.peer {
            // The connection that the peer uses now.
            leg.flow = flow;
        }
        if bye && matches!(leg.state, State::Inviting { .. }) {
            // RFC 3261 15: the called side does not end an early dialog by BYE; its INVITE wants a final response.
            self.respond(now, layer, server, flow, message, 403, format_args!(""));
            return Indication::None;
        }
        match message.method() {
            Method::Bye => self.bye(now, layer, server, id, flow, message),
            Method::Invite => self.offered(now, layer, server, id, flow, message, OfferKind::Invite),
            Method::Update => self.offered(now, layer, server, id, flow, message, OfferKind::Update),
            Method::Options => {
                self.describe(now, layer, server, flow, message);
                Indication::None
            }
            Method::Refer | Method::Notify | Method::Info | Method::Message => {
                Indication::Request(id, server)
            }
            _ => {
                let allow = format!("Allow: {}\r\n", self.allow);
                self.respond(now, layer, server, flow, message, 405, format_args!("{allow}"));
                Indication::None
            }
        }
    }

    /// BYE (RFC 3261 15.1.2): what still waits within the dialog gets 487.
    fn bye(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        id: LegId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        self.respond(now, layer, server, flow, message, 200, format_args!(""));
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        let hanging_up = matches!(leg.state, State::HangingUp { .. });
        let abandoned = leg.is_abandoned();
        self.finish_invite(now, layer, id, 487, format_args!(""));
        self.close_exchange(now, layer, id);
        if hanging_up {
            // Both hang up at once: ours counts, its response is on the way.
            return Indication::None;
        }
        match self.remove(id) {
            Some(_) if !abandoned => Indication::Ended(id),
            Some(_) | None => Indication::None,
        }
    }
}
