//! Responses to our requests.

use super::agent::UserAgent;
use super::ids::{AccountId, LegId};
use super::indication::{Failure, Indication};
use super::leg::{Acknowledgement, Exchange, Leg, State, Tag, Wish};
use super::pending::{Pending, Purpose};
use super::sending::{Draft, credentials_of, is_challenge};
use crate::dialog::Dialog;
use crate::message::{Limits, Message, Method};
use crate::transaction::{ClientId, Layer};
use hookswitch_machine::{Flow, Time};
use std::hash::BuildHasher;

/// Branches of a fork that are remembered before one answers.
const MOST_EARLY: usize = 8;

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
                Purpose::Invite(id) => {
                    self.early(id, client, message);
                    Indication::Progress(id)
                }
                Purpose::Abandoned
                | Purpose::Offer(_)
                | Purpose::Refresh(_)
                | Purpose::Bye(_)
                | Purpose::Farewell
                | Purpose::Within(_)
                | Purpose::Outside
                | Purpose::Subscribe(_)
                | Purpose::Notify(_) => Indication::None,
            };
        }
        if status < 300 && message.method() == Method::Invite {
            return match purpose {
                Purpose::Invite(id) => self.answered(now, layer, client, id, message),
                Purpose::Offer(id) | Purpose::Refresh(id) => {
                    self.offer_answered(now, layer, client, id, message)
                }
                // The session was let go of while its INVITE was on the way.
                Purpose::Abandoned
                | Purpose::Bye(_)
                | Purpose::Farewell
                | Purpose::Within(_)
                | Purpose::Outside
                | Purpose::Subscribe(_)
                | Purpose::Notify(_) => self.refuse_answer(now, layer, client, message),
            };
        }
        let Some(pending) = self.pending.remove(&client) else { return Indication::None };
        let cancelled = self.is_cancelled(purpose);
        if is_challenge(message)
            && !cancelled
            && let Some(again) = self.with_credentials(now, layer, &pending, message)
        {
            self.goes_on(client, pending.first, again);
            return Indication::None;
        }
        if status == 422
            && !cancelled
            && matches!(purpose, Purpose::Invite(_) | Purpose::Offer(_) | Purpose::Refresh(_))
            && let Some(again) = self.with_longer_interval(now, layer, &pending, message)
        {
            self.goes_on(client, pending.first, again);
            return Indication::None;
        }
        if let (Purpose::Refresh(id), 200..=299) = (purpose, status) {
            return self.update_answered(now, id, message);
        }
        if let (Purpose::Invite(id), 300..=399, false) = (purpose, status, cancelled)
            && let Some(leg) = self.legs.get_mut(id)
        {
            leg.state = State::Redirected { invite: Box::new(pending) };
            return Indication::Redirected(id);
        }
        if let Purpose::Subscribe(id) = purpose {
            return self.subscribe_answered(now, layer, client, id, &pending, message);
        }
        let failure = Self::failure(&pending, status);
        self.finished(now, layer, client, &pending, failure)
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
        if failure == Failure::Unreachable
            && !self.is_cancelled(pending.purpose)
            && let Some(again) = self.another_way(now, layer, &pending)
        {
            self.goes_on(client, pending.first, again);
            return Indication::None;
        }
        self.finished(now, layer, client, &pending, failure)
    }

    /// Whether a request is not wanted any more: then it is not sent again.
    fn is_cancelled(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Abandoned => true,
            Purpose::Invite(id) => !matches!(
                self.legs.get(id).map(|leg| &leg.state),
                Some(State::Inviting { wish: Wish::Answer, .. })
            ),
            Purpose::Offer(id) => {
                !matches!(self.legs.get(id).map(|leg| &leg.exchange), Some(Exchange::Ours { .. }))
            }
            Purpose::Refresh(id) => {
                !matches!(self.legs.get(id).map(|leg| &leg.state), Some(State::Confirmed))
            }
            Purpose::Bye(_)
            | Purpose::Farewell
            | Purpose::Within(_)
            | Purpose::Outside
            | Purpose::Subscribe(_)
            | Purpose::Notify(_) => false,
        }
    }

    /// A request is over: by a final response that is no 2xx to INVITE, or without one.
    fn finished(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        pending: &Pending,
        failure: Failure,
    ) -> Indication {
        let request = &pending.bytes;
        let known_as = pending.first.unwrap_or(client);
        match pending.purpose {
            Purpose::Invite(id) => match self.remove(id).map(|leg| leg.state) {
                Some(State::Inviting { wish: Wish::Cancel, .. }) => Indication::HungUp(id),
                Some(_) => Indication::Failed(id, failure),
                None => Indication::None,
            },
            Purpose::Bye(id) => match self.remove(id) {
                Some(_) => Indication::HungUp(id),
                None => Indication::None,
            },
            Purpose::Abandoned | Purpose::Farewell => Indication::None,
            Purpose::Outside => Indication::OutOfDialogResponse(known_as, failure),
            Purpose::Subscribe(id) => self.subscribe_unanswered(now, layer, client, id),
            Purpose::Notify(id) => self.notify_answered(now, layer, client, id, failure.status()),
            Purpose::Refresh(id) => self.refresh_finished(now, layer, id, failure),
            Purpose::Offer(id) => self.offer_finished(now, layer, id, request, failure),
            Purpose::Within(id) => {
                if self.legs.get(id).is_none_or(Leg::is_abandoned) {
                    return Indication::None;
                }
                // RFC 5057 5.1: a NOTIFY that is refused ends its subscription, not the session.
                if failure.ends_dialog() && !request.starts_with(b"NOTIFY ") {
                    // Not before the ACK, if that is still to come.
                    self.abandon(now, layer, id);
                    return Indication::Lost(id, failure);
                }
                Indication::Response(id, known_as, failure)
            }
        }
    }

    /// A provisional response with a tag makes an early dialog (RFC 3261 12.1.2); each branch of a fork its own.
    fn early(&mut self, id: LegId, client: ClientId, message: &Message) {
        let Some(tag) = message.to_tag().filter(|_| message.status() > Some(100)) else { return };
        let Some(State::Inviting { early, .. }) = self.legs.get_mut(id).map(|leg| &mut leg.state) else {
            return;
        };
        if early.len() >= MOST_EARLY || early.iter().any(|dialog| dialog.remote_tag() == tag) {
            return;
        }
        let bytes = self.pending.get(&client).map(|pending| pending.bytes.clone()).unwrap_or_default();
        let request = Message::parse(bytes, &Limits::default()).map_err(drop);
        if let Ok(dialog) = request.and_then(|request| Dialog::client(&request, message).map_err(drop)) {
            early.push(dialog);
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
        let tag = self.keys.hash_one(message.to_tag().unwrap_or_default());
        let Some(leg) = self.legs.get_mut(id) else {
            return self.refuse_answer(now, layer, client, message);
        };
        match &mut leg.state {
            State::Inviting { wish, early, .. } => {
                let wish = *wish;
                let branch = message.to_tag().unwrap_or_default();
                let known = early.iter().position(|dialog| dialog.remote_tag() == branch);
                let known = known.map(|at| early.swap_remove(at));
                let Some(pending) = self.pending.get_mut(&client) else { return Indication::None };
                // The INVITE is not needed any more; the transaction stays to see 2xx retransmitted.
                let request = Message::parse(std::mem::take(&mut pending.bytes), &Limits::default());
                let Ok((request, dialog)) = request.map_err(drop).and_then(|request| {
                    let dialog = match known {
                        // With the numbers of what was said in it; the route set is taken anew (RFC 3261 13.2.2.4).
                        Some(mut dialog) => dialog.confirmed_by(message).map(|()| dialog).map_err(drop)?,
                        None => Dialog::client(&request, message).map_err(drop)?,
                    };
                    Ok((request, dialog))
                }) else {
                    // A Record-Route that cannot be read: nothing can be said in this dialog.
                    self.remove(id);
                    return Indication::Failed(id, Failure::Status(500));
                };
                (pending.attempt, pending.instead) = (None, None);
                pending.settle(tag);
                leg.dialog = Some(Box::new(dialog));
                leg.state = State::Confirmed;
                leg.ack = Some(Box::new(Acknowledgement::Due {
                    client,
                    cseq: request.cseq().number,
                    credentials: credentials_of(&request),
                }));
                let said = Some(request.body()).filter(|sdp| !sdp.is_empty());
                self.agreed_timer(now, id, message, said);
                match wish {
                    Wish::Answer => Indication::Answered(id),
                    Wish::Cancel => {
                        // CANCEL and 200 crossed: ACK, then BYE (RFC 3261 9.1, 15).
                        self.send_bye(now, layer, id, None)
                    }
                }
            }
            State::Confirmed | State::HangingUp { .. } => {
                let same = leg
                    .dialog
                    .as_ref()
                    .is_some_and(|dialog| dialog.remote_tag() == message.to_tag().unwrap_or_default());
                if !same {
                    // Another branch of a fork answered too: one session is enough (RFC 3261 13.2.2.4).
                    return self.refuse_answer(now, layer, client, message);
                }
                match leg.ack.as_deref() {
                    Some(Acknowledgement::Sent { flow, bytes, .. }) => layer.transmit(*flow, bytes.clone()),
                    Some(Acknowledgement::Due { .. }) | None => {}
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
        let tag = self.keys.hash_one(message.to_tag().unwrap_or_default());
        if let Some(pending) = self.pending.get_mut(&client) {
            let (flow, account, first) = (pending.flow, pending.account, pending.settle(tag));
            self.ack_and_bye(now, layer, flow, account, message, first);
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
        // Only what answers a tag of ours: else a forged 2xx would make us send to whomever its Contact names.
        let ours = message.from_tag().and_then(Tag::parse).filter(|tag| self.is_own(tag));
        let is_invite = message.method() == Method::Invite;
        if let (Some(tag), true, Some(200..=299)) = (ours, is_invite, message.status()) {
            let leg = self.legs.get(tag.leg);
            let dialog = leg.and_then(|leg| leg.dialog.as_ref());
            let same =
                dialog.is_some_and(|dialog| dialog.remote_tag() == message.to_tag().unwrap_or_default());
            // Our BYE is out, and this answers an offer that was given up before it.
            let ends = leg.is_some_and(|leg| matches!(leg.state, State::HangingUp { .. }));
            if !same || ends {
                self.ack_and_bye(now, layer, flow, None, message, !same);
            }
        }
        Indication::None
    }

    /// The ACK for a 2xx that nobody wants; and, if it is the `first` of its kind, a BYE, which repeats itself.
    fn ack_and_bye(
        &mut self,
        now: Time,
        layer: &mut Layer,
        flow: Flow,
        account: Option<AccountId>,
        message: &Message,
        first: bool,
    ) {
        let Some(mut dialog) = Dialog::of_stray(message) else { return };
        let (flow, bytes) = self.write_ack(layer, &dialog, flow, message.cseq().number, "", None);
        layer.transmit(flow, bytes);
        if !first {
            return;
        }
        let cseq = dialog.next_cseq();
        let draft = Draft {
            purpose: Purpose::Farewell,
            account,
            flow,
            instead: None,
            method: Method::Bye,
            uri: Some(dialog.request_uri()),
            body: &[],
        };
        // Without room for a transaction the other side finds out by silence.
        let _ = self.send(now, layer, &draft, |via, credentials| {
            dialog.numbered(Method::Bye, cseq, via).lines(credentials).finish()
        });
    }
}
