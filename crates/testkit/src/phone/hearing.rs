//! What a phone makes of what it is sent.

use super::call::Ending;
use super::machine::{Demand, Phone, PhoneEvent, Plan};
use super::registrar::Mode;
use super::script::{Answering, Deed, OnOffer, OnRefer, Verdict};
use crate::world::ENDPOINT;
use bytes::Bytes;
use hookswitch_machine::{Flow, Output, Time};
use hookswitch_media::negotiate::OfferAnswer;
use hookswitch_sip::auth::{self, Place};
use hookswitch_sip::message::{Limits, Message, Method, Name};
use hookswitch_sip::transaction::{self, ServerId};
use hookswitch_sip::ua::{self, Indication, LegId};
use std::time::Duration;

impl Phone {
    pub(super) fn received(&mut self, now: Time, flow: Flow, bytes: Bytes) {
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

    pub(super) fn settle(&mut self, now: Time) {
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

    pub(super) fn indicated(
        &mut self,
        now: Time,
        indication: Indication,
        message: Option<&Message>,
        flow: Flow,
    ) {
        let number = |phone: &Self, leg: LegId| phone.by_leg.get(&leg).copied();
        match (indication, message) {
            (Indication::None, _) => {}
            // A phone that is asked to replace a call takes the new one as any other; the agent ends the old one.
            (Indication::Incoming(leg) | Indication::Replacing { leg, .. }, Some(message)) => {
                self.incoming(now, leg, message);
            }
            (Indication::Subscription(..), _) => {}
            // Whoever asks anew is told everything (RFC 4235 3.6).
            (Indication::NotifyDue(id), message) => self.tell_watcher(now, id, message.is_some()),
            (Indication::SubscriberGone(id), _) => self.watched.gone(id),
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
            (Indication::OutOfDialog(server), Some(message)) if message.method() == Method::Subscribe => {
                self.subscribed(now, server, flow, message);
            }
            (Indication::OutOfDialog(server), Some(message)) => {
                let (status, fields) = match &mut self.config.registrar {
                    Some(registrar) => registrar.answer(now, message),
                    None => (405, String::new()),
                };
                let fields = format_args!("{fields}");
                self.ua.respond(now, &mut self.layer, server, flow, message, status, fields);
            }
            // Phones here repeat themselves in what they answer.
            (
                Indication::Response(..) | Indication::OutOfDialogResponse(..) | Indication::Refreshed(_),
                _,
            ) => {}
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

    pub(super) fn incoming(&mut self, now: Time, leg: LegId, message: &Message) {
        if let Some(fields) = self.demand(now, message) {
            let _ = self.ua.reject(now, &mut self.layer, leg, 407, format_args!("{fields}"));
            return;
        }
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|u| u.into_owned()));
        let user = user.unwrap_or_default();
        let answering = self.config.users.get(&user).unwrap_or(&self.config.others).clone();
        let Answering { ring, early_media, verdict, talk } = answering;
        let n = self.new_call(leg, false, &user, talk, verdict.clone());
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
    pub(super) fn demand(&mut self, now: Time, message: &Message) -> Option<String> {
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

    pub(super) fn answered(&mut self, now: Time, leg: LegId, message: &Message) {
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

    pub(super) fn offered(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(n) = self.by_leg.get(&leg).copied() else {
            let _ = self.ua.refuse_offer(now, &mut self.layer, leg, 481, "");
            return;
        };
        if let OnOffer::Refuse(status) = self.calls[n].talk.on_offer {
            let _ = self.ua.refuse_offer(now, &mut self.layer, leg, status, "");
            return;
        }
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
                match call.talk.on_offer {
                    OnOffer::Late(after) => self.plan(now, after, Plan::AnswerOffer(leg, sdp)),
                    OnOffer::Answer | OnOffer::Refuse(_) => {
                        let _ = self.ua.answer_offer(now, &mut self.layer, leg, Some(&sdp));
                    }
                }
            }
            Err(error) => {
                let status = error.status().unwrap_or(488);
                let _ = self.ua.refuse_offer(now, &mut self.layer, leg, status, "");
            }
        }
    }

    pub(super) fn request_within(
        &mut self,
        now: Time,
        leg: LegId,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) {
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
}
