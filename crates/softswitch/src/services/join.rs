//! Bringing two phones together (RFC 3725): the offer of one goes to the other, and the answer back.

use super::Services;
use super::member::{Asking, Role};
use super::pickup::Wanted;
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, Direction};
use hookswitch_sip::message::Message;
use hookswitch_sip::transaction::ServerId;
use hookswitch_sip::ua::{Failure, LegError, LegId};

/// A leg that gets another's offer.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) answer_to: AnswerTo,
    pub(super) stage: Stage,
}

/// Where the answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerTo {
    /// Into the 200 to this leg's INVITE.
    Invite(LegId),
    /// Into the ACK to this leg's 200.
    Ack(LegId),
    /// To this leg, as an offer.
    Offer(LegId),
    /// Into the 200 to an INVITE that the proxy still has.
    Ringing(ServerId),
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The offer waits until the leg can take one.
    Waiting(Vec<u8>),
    /// The leg has it.
    Offered,
    /// The leg has it, in our 200: its ACK brings the answer.
    Accepted,
    /// The leg has it, but who offered is gone.
    Withdrawn,
    /// The leg gets an offer of ours again.
    Returning,
}

impl Joining {
    /// Whether somebody waits for the answer.
    pub(super) const fn is_awaited(&self) -> bool {
        match self.stage {
            Stage::Waiting(_) | Stage::Offered | Stage::Accepted => true,
            Stage::Withdrawn | Stage::Returning => false,
        }
    }
}

impl Services {
    /// Begins to bring a leg the offer of another.
    pub(super) fn carry(&mut self, core: &mut Core, now: Time, to: LegId, offer: &[u8], answer_to: AnswerTo) {
        let Some(member) = self.members.get_mut(&to) else { return };
        let offer = member.face.offer(offer, &mut core.entropy);
        self.joins.insert(to, Joining { answer_to, stage: Stage::Waiting(offer) });
        self.push(core, now, to);
    }

    /// Sends a leg the offer that waits for it, if it can take it now.
    pub(super) fn push(&mut self, core: &mut Core, now: Time, leg: LegId) {
        let Some(joining) = self.joins.get_mut(&leg) else { return };
        let Stage::Waiting(offer) = &joining.stage else { return };
        match self.agent.offer(now, &mut core.layer, leg, offer) {
            Ok(()) => joining.stage = Stage::Offered,
            // Its ACK, or the end of its own offer, will bring us here again.
            Err(LegError::OfferPending) => {}
            Err(_) => self.failed(core, now, leg, 500),
        }
    }

    /// A 2xx to our re-INVITE.
    pub(super) fn offer_answered(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        match self.joins.get(&leg).map(|joining| &joining.stage) {
            Some(Stage::Offered) => self.complete(core, now, leg, message.body()),
            Some(Stage::Withdrawn) => self.bring_back(core, now, leg),
            Some(Stage::Returning) => {
                self.joins.remove(&leg);
                if let Some(member) = self.members.get_mut(&leg) {
                    member.face.heard(message.body());
                }
                let Some(call) = self.calls.get_mut(&leg) else { return };
                if let Ok(parameters) = call.session.receive_answer(&self.capabilities, message.body()) {
                    core.command(Command::Configure { stream: call.stream, parameters });
                }
            }
            // An offer of its partner's that was there before.
            Some(Stage::Waiting(_)) => {
                self.pass_answer(core, now, leg, message);
                self.push(core, now, leg);
            }
            Some(Stage::Accepted) => {}
            None => self.pass_answer(core, now, leg, message),
        }
    }

    /// Our re-INVITE was refused.
    pub(super) fn offer_refused(&mut self, core: &mut Core, now: Time, leg: LegId, failure: Failure) {
        match self.joins.get(&leg).map(|joining| &joining.stage) {
            Some(Stage::Offered) => self.failed(core, now, leg, failure.status()),
            // It hears what it heard before.
            Some(Stage::Withdrawn) => drop(self.joins.remove(&leg)),
            Some(Stage::Returning) => {
                self.joins.remove(&leg);
                if let Some(call) = self.calls.get_mut(&leg) {
                    call.session.abandon();
                }
            }
            Some(Stage::Waiting(_)) => {
                self.pass_refusal(core, now, leg, failure);
                self.push(core, now, leg);
            }
            Some(Stage::Accepted) => {}
            None => self.pass_refusal(core, now, leg, failure),
        }
    }

    /// An ACK to our 2xx to a leg that does not hear us.
    pub(super) fn acknowledged(&mut self, core: &mut Core, now: Time, leg: LegId, message: &Message) {
        match self.joins.get(&leg).map(|joining| &joining.stage) {
            Some(Stage::Accepted) if message.body().is_empty() => {
                // RFC 3261 13.2.2.4: it owed us an answer.
                self.hang_up(core, now, leg);
            }
            Some(Stage::Accepted) => self.complete(core, now, leg, message.body()),
            Some(Stage::Offered | Stage::Withdrawn | Stage::Returning) => {}
            Some(Stage::Waiting(_)) | None => self.pass_late_answer(core, now, leg, message),
        }
    }

    /// The answer is there.
    fn complete(&mut self, core: &mut Core, now: Time, leg: LegId, answer: &[u8]) {
        let Some(joining) = self.joins.remove(&leg) else { return };
        if let Some(member) = self.members.get_mut(&leg) {
            member.face.heard(answer);
        }
        let done = match joining.answer_to {
            AnswerTo::Invite(other) => {
                let Some(member) = self.members.get_mut(&other) else { return self.hang_up(core, now, leg) };
                let sdp = member.face.answer(answer, &mut core.entropy);
                let contact = std::sync::Arc::clone(&member.contact);
                self.agent.accept(now, &mut core.layer, other, contact, None, &sdp).map(|()| other)
            }
            AnswerTo::Ack(other) => {
                let Some(member) = self.members.get_mut(&other) else { return self.hang_up(core, now, leg) };
                let sdp = member.face.answer(answer, &mut core.entropy);
                self.agent.acknowledge(now, &mut core.layer, other, Some(&sdp)).map(|()| other)
            }
            AnswerTo::Offer(other) => {
                let Some(member) = self.members.get_mut(&other) else { return self.hang_up(core, now, leg) };
                let sdp = member.face.offer(answer, &mut core.entropy);
                self.agent.offer(now, &mut core.layer, other, &sdp).map(|()| other)
            }
            AnswerTo::Ringing(server) => {
                let answer = answer.to_vec();
                return self.wanted.push_back(Wanted { server, picker: leg, answer });
            }
        };
        match done {
            Ok(other) => {
                self.connected(core, now, leg, other);
                match joining.answer_to {
                    AnswerTo::Offer(_) => {
                        self.asks(leg, Asking::First);
                        self.introduce(core, now, other);
                    }
                    AnswerTo::Ack(_) => self.introduce(core, now, other),
                    // With its ACK.
                    AnswerTo::Invite(_) | AnswerTo::Ringing(_) => {}
                }
            }
            // Who wanted it is gone, or cannot be told.
            Err(_) => {
                let other = joining.answer_to.leg();
                match self.members.get(&leg).map(|member| &member.role) {
                    Some(Role::Parked(_)) => self.bring_back(core, now, leg),
                    Some(_) | None => self.hang_up(core, now, leg),
                }
                if let Some(other) = other {
                    self.hang_up(core, now, other);
                }
            }
        }
    }

    /// The leg did not take the offer: who made it learns that, and the leg goes on as before.
    fn failed(&mut self, core: &mut Core, now: Time, leg: LegId, status: u16) {
        let Some(joining) = self.joins.remove(&leg) else { return };
        if let Some(other) = joining.answer_to.leg() {
            let status = if (400..700).contains(&status) { status } else { 500 };
            self.dismiss(core, now, other, status);
        }
        if let Some(Role::Picking(_)) = self.members.get(&leg).map(|member| &member.role) {
            self.hang_up(core, now, leg);
        }
    }

    /// Who made the offer to this leg is gone.
    pub(super) fn withdraw(&mut self, leg: LegId) {
        if let Some(joining) = self.joins.get_mut(&leg) {
            match joining.stage {
                Stage::Waiting(_) | Stage::Accepted => drop(self.joins.remove(&leg)),
                Stage::Offered => joining.stage = Stage::Withdrawn,
                Stage::Withdrawn | Stage::Returning => {}
            }
        }
    }

    /// A leg sends to somebody who is gone: it is to hear us again, or whom it talked with.
    fn bring_back(&mut self, core: &mut Core, now: Time, leg: LegId) {
        self.joins.remove(&leg);
        let sdp = match (self.partner(leg), self.calls.get_mut(&leg)) {
            (Some(partner), _) => self.members.get(&partner).map(|member| member.face.theirs().to_vec()),
            (None, Some(call)) => call.session.offer(&self.capabilities, call.rtp, Direction::SendRecv).ok(),
            (None, None) => None,
        };
        let Some((sdp, member)) = sdp.zip(self.members.get_mut(&leg)) else {
            return self.hang_up(core, now, leg);
        };
        let sdp = member.face.offer(&sdp, &mut core.entropy);
        if self.agent.offer(now, &mut core.layer, leg, &sdp).is_err() {
            return self.hang_up(core, now, leg);
        }
        // Where it goes is of no account: nobody waits.
        self.joins.insert(leg, Joining { answer_to: AnswerTo::Ack(leg), stage: Stage::Returning });
    }
}

impl AnswerTo {
    const fn leg(self) -> Option<LegId> {
        match self {
            Self::Invite(leg) | Self::Ack(leg) | Self::Offer(leg) => Some(leg),
            Self::Ringing(_) => None,
        }
    }
}
