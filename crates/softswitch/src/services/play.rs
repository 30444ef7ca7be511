//! Calls that have sound of ours: the extensions, and whoever is parked.

use super::Services;
use crate::calls::{CallNo, CallState, Party};
use crate::core::{Core, Timer};
use crate::event::Event;
use crate::own::user_of;
use hookswitch_machine::{Flow, Time, TimerKey};
use hookswitch_media::control::{Command, Direction, Port, Source, StreamId, StreamParameters};
use hookswitch_media::negotiate::{MediaSession, NegotiateError, OfferAnswer};
use hookswitch_sip::message::{Message, Method};
use hookswitch_sip::ua::LegId;
use std::net::SocketAddr;
use std::sync::Arc;

/// A call with sound of ours.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) session: MediaSession,
    pub(super) stream: StreamId,
    pub(super) rtp: SocketAddr,
    /// Ends it in the end.
    timer: TimerKey,
    pub(super) call_id: Box<str>,
    /// As it is remembered for its user.
    known: Option<CallNo>,
}

impl Call {
    /// As it is remembered for its user.
    pub(super) const fn known(&self) -> Option<CallNo> {
        self.known
    }
}

impl Services {
    /// Answers an INVITE with sound; false if it was refused.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn answer(
        &mut self,
        core: &mut Core,
        now: Time,
        leg: LegId,
        flow: Flow,
        message: &Message,
        source: Source,
        user: &str,
    ) -> bool {
        let refused = match self.prepare(core, message) {
            Ok((session, sdp, parameters, port)) => {
                let stream = StreamId(self.next_stream);
                self.next_stream += 1;
                let contact: Arc<str> = core.own.uri(flow.endpoint, user).into();
                if self.agent.accept(now, &mut core.layer, leg, contact, None, &sdp).is_err() {
                    // The transaction is gone: so is the caller.
                    self.stock.push_front(port);
                    self.agent.abandon(now, &mut core.layer, leg);
                    return false;
                }
                core.command(Command::Start { stream, port: port.id, source });
                if let Some(parameters) = parameters {
                    core.command(Command::Configure { stream, parameters });
                }
                let timer = core.timers.set_after(now, core.limits.service_call, Timer::Service(leg));
                let call_id: Box<str> = message.call_id().into();
                self.by_stream.insert(stream, leg);
                let (text, from) = (call_id.to_string(), user_of(&message.from()));
                let known = self.remember(core, now, leg, message);
                self.said(leg, &sdp);
                self.calls.insert(leg, Call { session, stream, rtp: port.rtp, timer, call_id, known });
                core.tell(Event::CallStarted { call_id: text.clone(), from, to: user.to_owned() });
                core.tell(Event::CallAnswered { call_id: text });
                return true;
            }
            Err(refused) => refused,
        };
        let Refused { status, fields } = refused;
        // A leg that is gone needs no answer.
        let _ = self.agent.reject(now, &mut core.layer, leg, status, format_args!("{fields}"));
        self.refused = status;
        let from = user_of(&message.from());
        core.tell(Event::Refused { method: message.method().to_string(), from, status, flow });
        false
    }

    /// A call to an extension, as its caller's lamp shows it.
    fn remember(&self, core: &mut Core, now: Time, leg: LegId, invite: &Message) -> Option<CallNo> {
        let tag = self.agent.dialog(leg).map_or("", |dialog| dialog.local_tag());
        let callee = Party::of(&invite.to(), None).tagged(tag);
        let caller = core.sender(invite);
        core.call_begins(now, invite.call_id(), caller, callee, CallState::Confirmed)
    }

    /// A port, and what goes into the 200: the answer, or an offer where the INVITE had none.
    pub(super) fn prepare(
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
    pub(super) fn offered(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        let Some(mut call) = self.calls.remove(&leg) else { return };
        // A leg that is gone needs no answer.
        let _ = if message.body().is_empty() && message.method() == Method::Update {
            self.agent.answer_offer(now, &mut core.layer, leg, None)
        } else {
            match self.settle(&mut call.session, call.rtp, message) {
                Ok((sdp, parameters)) => {
                    let sdp = self.as_one(core, leg, message.body(), sdp);
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
    pub(super) fn confirmed(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
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
    pub(super) fn stop(&mut self, core: &mut Core, leg: LegId) {
        let Some(call) = self.calls.remove(&leg) else { return };
        self.by_stream.remove(&call.stream);
        core.timers.cancel(call.timer);
        core.command(Command::Stop { stream: call.stream });
        call.known.iter().for_each(|no| core.call_ends(*no));
        if !self.members.contains_key(&leg) {
            core.tell(Event::CallEnded { call_id: call.call_id.into(), status: None });
        }
    }
}

/// Why an offer is refused, in SIP.
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) fields: String,
}

impl Refused {
    pub(super) fn later() -> Self {
        Self { status: 503, fields: "Retry-After: 5\r\n".to_owned() }
    }

    pub(super) fn because(error: &NegotiateError) -> Self {
        let fields = match error.warning() {
            Some((code, text)) => format!("Warning: {code} hookswitch \"{text}\"\r\n"),
            None => String::new(),
        };
        Self { status: error.status().unwrap_or(500), fields }
    }
}
