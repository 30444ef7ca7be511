//! What a phone does: it calls, rings, decides, and acts in its calls.

use super::call::{Ending, Progress};
use super::machine::{Phone, Plan};
use super::script::{Calling, Deed, Target, Verdict};
use crate::world::ENDPOINT;
use hookswitch_machine::{Flow, Time};
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::{MediaSession, OfferAnswer};
use hookswitch_sip::message::Method;
use hookswitch_sip::ua::{Invitation, LegError, LegId};
use std::net::SocketAddr;
use std::time::Duration;

impl Phone {
    pub(super) fn call(&mut self, now: Time, calling: Calling) {
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
        let number = self.new_call(leg, true, &calling.from, calling.talk.clone(), Verdict::Never);
        self.calls[number].media = media;
        if let Some(patience) = calling.patience {
            self.plan(now, patience, Plan::GiveUp(number));
        }
        self.calls[number].calling = Some(Box::new(calling));
    }

    pub(super) fn perform(&mut self, now: Time, plan: Plan) {
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
            // The call may have ended meanwhile.
            Plan::AnswerOffer(leg, sdp) => {
                let _ = self.ua.answer_offer(now, &mut self.layer, leg, Some(&sdp));
            }
        }
    }

    pub(super) fn provisional(&mut self, now: Time, n: usize, status: u16) {
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
    pub(super) fn early_answer(&mut self, n: usize) -> Option<Vec<u8>> {
        let rtp = self.rtp(n);
        let mut early = self.calls[n].media.clone();
        early.answer(&self.capabilities, rtp, Direction::SendRecv).ok().map(|(sdp, _)| sdp)
    }

    pub(super) fn decide(&mut self, now: Time, n: usize) {
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

    pub(super) fn acknowledge(&mut self, now: Time, n: usize) {
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

    pub(super) fn deed(&mut self, now: Time, n: usize, deed: Deed) {
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
            Deed::Message => {
                let body = Some(("text/plain", &b"hello"[..]));
                let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Message, "", body);
            }
            Deed::Replace => self.replace(now, leg),
            Deed::Digit(digit) => {
                let body = format!("Signal={digit}\r\nDuration=160\r\n");
                let body = Some(("application/dtmf-relay", body.as_bytes()));
                let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Info, "", body);
            }
        }
    }

    pub(super) fn renegotiate(&mut self, now: Time, n: usize, leg: LegId, direction: Direction, deed: Deed) {
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

    /// Calls the far side anew, in the place of a call.
    fn replace(&mut self, now: Time, leg: LegId) {
        let Some(dialog) = self.ua.dialog(leg) else { return };
        // RFC 3891 3: the tags as the far side sees them.
        let (call, to, from) = (dialog.call_id(), dialog.remote_tag(), dialog.local_tag());
        let fields = format!("Replaces: {call};to-tag={to};from-tag={from}\r\n");
        let target = Target::Uri(dialog.target().to_owned());
        self.call(now, Calling { fields, ..Calling::new(target, "replacer") });
    }

    pub(super) fn notify(&mut self, now: Time, n: usize, status: u16, last: bool) {
        let (Some(leg), Some(id)) = (self.calls[n].leg, self.calls[n].refer) else { return };
        let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
        let fields = format!("Event: refer;id={id}\r\nSubscription-State: {state}\r\n");
        let body = format!("SIP/2.0 {status} {}\r\n", hookswitch_sip::message::reason_phrase(status));
        let body = Some(("message/sipfrag;version=2.0", body.as_bytes()));
        let _ = self.ua.send_within(now, &mut self.layer, leg, Method::Notify, &fields, body);
    }
}
