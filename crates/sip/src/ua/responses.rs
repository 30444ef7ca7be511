//! Responses to our requests.

use super::agent::{Timer, UserAgent};
use super::ids::LegId;
use super::indication::{Failure, Indication};
use super::leg::{Acknowledgement, Exchange, State, Wish};
use super::pending::Purpose;
use super::sending::is_challenge;
use crate::dialog::{Dialog, Role, SentBy};
use crate::message::{Limits, Message, Method};
use crate::transaction::{ClientId, Layer};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time};
use std::time::Duration;

impl UserAgent {
    /// A response to a request of ours.
    pub(super) fn response(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        message: &Message,
    ) -> Indication {
        let Some(status) = message.status() else { return Indication::None };
        let Some(pending) = self.pending.get(&client) else { return Indication::None };
        let purpose = pending.purpose;
        if status < 200 {
            return match purpose {
                Purpose::Invite(id) if status > 100 => Indication::Progress(id),
                Purpose::Invite(_)
                | Purpose::Offer(_)
                | Purpose::Bye(_)
                | Purpose::Farewell
                | Purpose::Within(_)
                | Purpose::Outside => Indication::None,
            };
        }
        if status < 300 && message.method() == Method::Invite {
            return match purpose {
                Purpose::Invite(id) => self.answered(now, layer, client, id, message),
                Purpose::Offer(id) => self.offer_answered(layer, client, id, message),
                // The session was let go of while its INVITE was on the way.
                Purpose::Bye(_) | Purpose::Farewell | Purpose::Within(_) | Purpose::Outside => {
                    self.refuse_answer(now, layer, client, message)
                }
            };
        }
        let Some(pending) = self.pending.remove(&client) else { return Indication::None };
        let cancelled = matches!(
            purpose.leg().and_then(|id| self.legs.get(id)).map(|leg| &leg.state),
            Some(State::Inviting { wish: Wish::Cancel, .. })
        ) && matches!(purpose, Purpose::Invite(_));
        // An INVITE that was let go of is not to be sent again.
        let cancelled = cancelled || (purpose == Purpose::Farewell && message.method() == Method::Invite);
        if is_challenge(message)
            && !cancelled
            && self.with_credentials(now, layer, &pending, message).is_some()
        {
            return Indication::None;
        }
        if let (Purpose::Invite(id), 300..=399, false) = (purpose, status, cancelled)
            && let Some(leg) = self.legs.get_mut(id)
        {
            leg.state = State::Redirected { invite: Box::new(pending) };
            return Indication::Redirected(id);
        }
        let failure = Self::failure(&pending, status);
        self.finished(now, layer, client, &pending.purpose, &pending.bytes, failure)
    }

    /// No response will come, or none could be asked for.
    pub(super) fn unanswered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        failure: Failure,
    ) -> Indication {
        let Some(pending) = self.pending.remove(&client) else { return Indication::None };
        if failure == Failure::Unreachable && self.by_datagram(now, layer, &pending).is_some() {
            return Indication::None;
        }
        self.finished(now, layer, client, &pending.purpose, &pending.bytes, failure)
    }

    /// A request is over: by a final response that is no 2xx to INVITE, or without one.
    fn finished(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        purpose: &Purpose,
        request: &Bytes,
        failure: Failure,
    ) -> Indication {
        match *purpose {
            Purpose::Invite(id) => match self.remove(id).map(|leg| leg.state) {
                Some(State::Inviting { wish: Wish::Cancel, .. }) => Indication::HungUp(id),
                Some(_) => Indication::Failed(id, failure),
                None => Indication::None,
            },
            Purpose::Bye(id) => match self.remove(id) {
                Some(_) => Indication::HungUp(id),
                None => Indication::None,
            },
            Purpose::Farewell => Indication::None,
            Purpose::Outside => Indication::OutOfDialogResponse(client, failure),
            Purpose::Offer(id) => self.offer_finished(now, layer, id, request, failure),
            Purpose::Within(id) => {
                if self.legs.get(id).is_none() {
                    return Indication::None;
                }
                if is_dialog_lost(failure) {
                    // Not before the ACK, if that is still to come.
                    self.abandon(now, layer, id);
                    return Indication::Lost(id, failure);
                }
                Indication::Response(id, client, failure)
            }
        }
    }

    /// A 2xx to the INVITE of a session (RFC 3261 13.2.2.4).
    fn answered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        id: LegId,
        message: &Message,
    ) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else {
            return self.refuse_answer(now, layer, client, message);
        };
        match &leg.state {
            State::Inviting { wish, .. } => {
                let wish = *wish;
                let Some(request) = self
                    .pending
                    .get(&client)
                    .and_then(|p| Message::parse(p.bytes.clone(), &Limits::default()).ok())
                else {
                    return Indication::None;
                };
                let Ok(dialog) = Dialog::client(&request, message) else {
                    // No Contact to send the ACK to: nothing can be said in this dialog.
                    self.remove(id);
                    return Indication::Failed(id, Failure::Status(500));
                };
                leg.dialog = Some(Box::new(dialog));
                leg.state = State::Confirmed;
                leg.ack = Some(Box::new(Acknowledgement { client, flow: leg.flow, bytes: Bytes::new() }));
                if let Some(pending) = self.pending.get_mut(&client) {
                    // The INVITE is not needed any more; the transaction stays to see 2xx retransmitted.
                    pending.bytes = Bytes::new();
                }
                match wish {
                    Wish::Answer => Indication::Answered(id),
                    Wish::Cancel => {
                        // CANCEL and 200 crossed: ACK, then BYE (RFC 3261 9.1, 15).
                        let _ = self.acknowledge(now, layer, id, None);
                        self.send_bye(now, layer, id, None)
                    }
                }
            }
            State::Confirmed | State::HangingUp { .. } => {
                let same = leg
                    .dialog
                    .as_ref()
                    .is_some_and(|dialog| dialog.remote_tag() == message.to_tag().unwrap_or_default());
                match (&leg.ack, same) {
                    (Some(ack), true) if !ack.bytes.is_empty() => layer.transmit(ack.flow, ack.bytes.clone()),
                    (_, true) => {}
                    // Another branch of a fork answered too: one session is enough (RFC 3261 13.2.2.4).
                    (_, false) => return self.refuse_answer(now, layer, client, message),
                }
                Indication::None
            }
            State::Invited { .. } | State::Accepted { .. } | State::Redirected { .. } => Indication::None,
        }
    }

    /// ACK and BYE for a 2xx that nobody wants.
    fn refuse_answer(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        message: &Message,
    ) -> Indication {
        let flow = self.pending.get(&client).map(|pending| pending.flow);
        if let Some(flow) = flow {
            let account = self.pending.get(&client).and_then(|pending| pending.account);
            self.ack_and_bye(now, layer, flow, account, message);
        }
        Indication::None
    }

    /// A 2xx to an INVITE that no transaction knows any more.
    pub(super) fn stray_response(
        &mut self,
        now: Time,
        layer: &mut Layer,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        let ours = message.from_tag().and_then(super::leg::Tag::parse);
        let is_invite = message.method() == Method::Invite;
        if let (Some(tag), true, Some(200..=299)) = (ours, is_invite, message.status()) {
            let known = self.legs.get(tag.leg).filter(|leg| leg.secret == tag.secret);
            let same = known
                .and_then(|leg| leg.dialog.as_ref())
                .is_some_and(|dialog| dialog.remote_tag() == message.to_tag().unwrap_or_default());
            if !same {
                self.ack_and_bye(now, layer, flow, None, message);
            }
        }
        Indication::None
    }

    fn ack_and_bye(
        &mut self,
        now: Time,
        layer: &mut Layer,
        flow: Flow,
        account: Option<super::AccountId>,
        message: &Message,
    ) {
        let Some(mut dialog) = Dialog::of_stray(message) else { return };
        let (ack_flow, bytes) = self.write_ack(layer, &dialog, flow, message.cseq().number, None);
        layer.transmit(ack_flow, bytes);
        let cseq = dialog.next_cseq();
        // Once only: a 2xx that is sent again is acknowledged again, but the BYE retransmits by itself.
        let _ = self.send(
            now,
            layer,
            Purpose::Farewell,
            account,
            ack_flow,
            Method::Bye,
            |transport, sent_by, branch| {
                dialog
                    .numbered(
                        Method::Bye,
                        cseq,
                        SentBy { transport: transport.via_name(), address: sent_by, branch },
                    )
                    .finish()
            },
        );
    }

    /// A 2xx to our re-INVITE: acknowledged at once, every time it comes.
    fn offer_answered(
        &mut self,
        layer: &mut Layer,
        client: ClientId,
        id: LegId,
        message: &Message,
    ) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else {
            // The session ended meanwhile; a 2xx wants its ACK all the same (RFC 3261 13.2.2.4).
            let flow = self.pending.get(&client).map(|pending| pending.flow);
            if let (Some(flow), Some(dialog)) = (flow, Dialog::of_stray(message)) {
                let (flow, bytes) = self.write_ack(layer, &dialog, flow, message.cseq().number, None);
                layer.transmit(flow, bytes);
            }
            return Indication::None;
        };
        let Some(dialog) = leg.dialog.as_deref_mut() else { return Indication::None };
        let ours = matches!(leg.exchange, Exchange::Ours { client: open } if open == client);
        if ours {
            dialog.refresh_target(message);
            leg.exchange = Exchange::Idle;
        }
        let (dialog, known) = (dialog.clone(), leg.flow);
        let (flow, bytes) = self.write_ack(layer, &dialog, known, message.cseq().number, None);
        layer.transmit(flow, bytes);
        if ours { Indication::OfferAnswered(id) } else { Indication::None }
    }

    /// Our re-INVITE was refused or not answered.
    fn offer_finished(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        request: &Bytes,
        failure: Failure,
    ) -> Indication {
        let Some(leg) = self.legs.get_mut(id) else { return Indication::None };
        if !matches!(leg.exchange, Exchange::Ours { .. }) {
            return Indication::None;
        }
        leg.exchange = Exchange::Idle;
        if is_dialog_lost(failure) {
            // RFC 3261 14.1: 481, 408 or silence end the dialog.
            self.farewell(now, layer, id, None);
            return Indication::Lost(id, failure);
        }
        if failure == Failure::Status(491) {
            // RFC 3261 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
            let owner = leg.dialog.as_ref().is_some_and(|dialog| dialog.role() == Role::Client);
            let steps = if owner { 210 + self.entropy.below(191) } else { self.entropy.below(201) };
            let timer = self.timers.set(now + Duration::from_millis(steps * 10), Timer::OfferAgain(id));
            let body = Message::parse(request.clone(), &Limits::default())
                .map(|request| Bytes::copy_from_slice(request.body()))
                .unwrap_or_default();
            leg.exchange = Exchange::OursAgain { body, timer };
            return Indication::None;
        }
        Indication::OfferRefused(id, failure)
    }
}

/// RFC 3261 12.2.1.2: these say that the other side does not know the dialog any more.
const fn is_dialog_lost(failure: Failure) -> bool {
    matches!(failure, Failure::Status(481 | 408) | Failure::TimedOut)
}
