//! Who holds whom by our wish: hold, retrieve, and the exchange of two calls, which are offers within sessions.
//!
//! Each change is one offer; [`Aim`] says what follows its answer. A change that no request asked for (a call that comes back when
//! its consultation call ends, one that gives way to another that is answered) goes the same way without a completion.

use crate::call::{Aim, Ask, Wait};
use crate::core::Core;
use crate::established::refused;
use hookswitch_machine::Time;
use hookswitch_media::control::Direction;
use hookswitch_media::negotiate::NegotiateError;
use hookswitch_sip::message::Message;
use hookswitch_sip::ua::{Failure, LegError, LegId};
use hookswitch_spi::{AnswerMode, CallId, CallState, Completion, OperationError, Outcome, StateKind};

impl Core {
    /// Holds or retrieves a call by an application's wish.
    pub(crate) fn hold(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        aim: Aim,
    ) -> Result<(), OperationError> {
        if self.is_conference(id) {
            self.change_conference(now, id, ask.0.take(), aim);
            return Ok(());
        }
        self.can_change(id)?;
        let what = self.change_hold(now, id, aim)?;
        self.wait(id, ask, what);
        Ok(())
    }

    /// Exchanges the connected call and a held one: the first is held, then the other retrieved.
    pub(crate) fn swap_hold(
        &mut self,
        now: Time,
        ask: &mut Ask,
        active: CallId,
        held: CallId,
    ) -> Result<(), OperationError> {
        let line = |id| self.calls.get(id).map(|call| call.line).ok_or(OperationError::NoSuchCall(id));
        if line(active)? != line(held)? {
            return Err(OperationError::InvalidParameter("the calls are on different lines".into()));
        }
        self.can_change(held)?;
        if self.calls.get(held).is_none_or(|call| call.leg.is_none()) && !self.is_conference(held) {
            return Err(OperationError::CallEnded);
        }
        self.hold(now, ask, active, Aim::SwapOut(held))
    }

    /// Whether nothing else changes who holds whom in a call.
    pub(crate) fn can_change(&self, id: CallId) -> Result<(), OperationError> {
        match self.calls.get(id) {
            Some(call) if call.is_changing() => {
                Err(OperationError::Failed("a change of this call is already on its way".into()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the offer that is to bring something about: at once, or when the exchange on its way is settled.
    pub(crate) fn change_hold(&mut self, now: Time, id: CallId, aim: Aim) -> Result<Wait, OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let leg = call.leg.ok_or(OperationError::CallEnded)?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        let direction = match (aim.holds(), line.account.profile.hold) {
            (false, _) if aim == Aim::Change => call.media.wanted(),
            (false, _) => Direction::SendRecv,
            (true, crate::HoldDirection::SendOnly) => Direction::SendOnly,
            (true, crate::HoldDirection::Inactive) => Direction::Inactive,
        };
        let capabilities = if aim == Aim::Change { self.asked_media(id) } else { self.line_media(id) };
        let capabilities = capabilities.ok_or(OperationError::Closed)?;
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let rtp = call.port.ok_or(OperationError::CallEnded)?.rtp;
        let offer = match aim {
            Aim::Change => call.media.offer_change(&capabilities, rtp, direction),
            _ => call.media.offer(&capabilities, rtp, direction),
        };
        let sdp = match offer {
            Ok(sdp) => sdp,
            Err(NegotiateError::OfferPending { .. }) => return Ok(Wait::Turn(aim)),
            Err(error) => return Err(OperationError::Failed(error.to_string())),
        };
        match self.ua.offer(now, &mut self.layer, leg, &sdp) {
            Ok(()) => Ok(Wait::OfferAnswer(aim)),
            Err(error) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.media.abandon();
                }
                match error {
                    LegError::OfferPending => Ok(Wait::Turn(aim)),
                    LegError::Full => Err(OperationError::ResourceUnavailable("transaction")),
                    _ => Err(OperationError::CallEnded),
                }
            }
        }
    }

    /// An exchange is settled: what waited for its turn is asked now.
    pub(crate) fn next_turn(&mut self, now: Time, id: CallId) {
        let Some(waiting) =
            self.calls.get_mut(id).and_then(|call| call.take_waiting(|wait| matches!(wait, Wait::Turn(_))))
        else {
            return;
        };
        let Wait::Turn(aim) = waiting.what else { return };
        self.go_on(now, id, waiting.completion, aim);
    }

    /// A step towards something, with the request that waits for it if one does.
    pub(crate) fn go_on(&mut self, now: Time, id: CallId, completion: Option<Completion>, aim: Aim) {
        if self.is_conference(id) {
            self.change_conference(now, id, completion, aim);
            return;
        }
        match self.change_hold(now, id, aim) {
            Ok(what) => self.wait_on(id, completion, what),
            Err(error) => self.missed(now, id, completion, aim, error),
        }
    }

    /// Our offer was answered.
    pub(crate) fn offer_answered(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(id) = self.call_of_present(leg) else { return };
        let result = self.take_answer(id, message.body());
        let waiting = self
            .calls
            .get_mut(id)
            .and_then(|call| call.take_waiting(|wait| matches!(wait, Wait::OfferAnswer(_))));
        match (result, waiting.map(|w| (w.completion, w.what))) {
            (Ok(()), Some((completion, Wait::OfferAnswer(aim)))) => self.reached(now, id, completion, aim),
            (Err(why), waiting) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.media.abandon();
                }
                if let Some((completion, Wait::OfferAnswer(aim))) = waiting {
                    let error = OperationError::Failed(format!("the answer cannot be used: {why}"));
                    self.missed(now, id, completion, aim, error);
                }
            }
            (Ok(()), Some(_) | None) => {}
        }
        self.next_turn(now, id);
    }

    /// Our offer was refused; the call goes on as it was.
    pub(crate) fn offer_refused(
        &mut self,
        now: Time,
        leg: LegId,
        failure: Failure,
        message: Option<&Message>,
    ) {
        let Some(id) = self.call_of_present(leg) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        call.media.abandon();
        let error = refused(failure, message);
        let waiting = call.take_waiting(|wait| matches!(wait, Wait::OfferAnswer(_)));
        if let Some((completion, Wait::OfferAnswer(aim))) = waiting.map(|w| (w.completion, w.what)) {
            self.missed(now, id, completion, aim, error);
        }
        self.next_turn(now, id);
    }

    /// The answer brought what an offer was made for.
    fn reached(&mut self, now: Time, id: CallId, completion: Option<Completion>, aim: Aim) {
        match aim {
            Aim::Hold => {
                self.enter(id, self.held_state(id));
                self.complete(completion, Ok(Outcome::Done));
            }
            Aim::Consult(consult) => self.consult(now, id, consult, completion),
            Aim::SwapOut(other) => {
                let pair = self.calls.get(id).and_then(|call| call.partner()) == Some(other);
                let state = if pair { CallState::OnHoldPendingTransfer } else { self.held_state(id) };
                self.enter(id, state);
                self.go_on(now, other, completion, Aim::SwapIn(id));
            }
            Aim::SwapIn(_) => {
                self.enter(id, CallState::Connected(self.connected_mode(id)));
                self.complete(completion, Ok(Outcome::Done));
            }
            Aim::Retrieve => {
                let pending =
                    self.calls.get(id).is_some_and(|call| call.state == CallState::OnHoldPendingTransfer);
                self.enter(id, CallState::Connected(self.connected_mode(id)));
                self.complete(completion, Ok(Outcome::Done));
                if pending && let Some(partner) = self.part(id) {
                    // The consultation is over (lineUnhold).
                    self.dismiss(now, partner);
                }
            }
            Aim::Return => {
                self.enter(id, CallState::Connected(self.connected_mode(id)));
                self.complete(completion, Ok(Outcome::Done));
            }
            Aim::Bridge(consult) => self.bridge(now, id, consult, completion),
            Aim::Join => self.retrieved_to_join(id, completion),
            Aim::Change => self.changed_terms(id, completion),
        }
    }

    /// What an offer was made for did not come about.
    fn missed(
        &mut self,
        now: Time,
        id: CallId,
        completion: Option<Completion>,
        aim: Aim,
        error: OperationError,
    ) {
        self.complete(completion, Err(error));
        match aim {
            Aim::Consult(consult) => {
                // It never was a call.
                self.forget(now, consult);
            }
            Aim::SwapIn(other) => {
                // As it was before: the other is active again, if it can be.
                let held = self.calls.get(other).is_some_and(|call| {
                    matches!(
                        call.state,
                        CallState::OnHold
                            | CallState::OnHoldPendingTransfer
                            | CallState::OnHoldPendingConference
                    )
                });
                if held && self.can_change(other).is_ok() {
                    self.go_on(now, other, None, Aim::Return);
                }
            }
            Aim::Join => self.not_retrieved(now, id),
            Aim::Change => self.not_changed(id),
            Aim::Hold | Aim::SwapOut(_) | Aim::Retrieve | Aim::Return | Aim::Bridge(_) => {}
        }
    }

    /// The state of a call that is held now: pending, if a transfer is being prepared of which no other call is held for it.
    pub(crate) fn held_state(&self, id: CallId) -> CallState {
        let partner = self.calls.get(id).and_then(|call| self.calls.get(call.partner()?));
        match partner {
            Some(other) if other.state != CallState::OnHoldPendingTransfer => {
                CallState::OnHoldPendingTransfer
            }
            Some(_) | None => CallState::OnHold,
        }
    }

    /// Another call of the line is answered: what becomes of those that are active (lineAnswer, dwAnswerMode).
    pub(crate) fn give_way(&mut self, now: Time, answered: CallId) {
        let Some(call) = self.calls.get(answered) else { return };
        let line_id = call.line;
        let Some(line) = self.line(line_id) else { return };
        let mode = line.capabilities.answer_mode;
        if mode == AnswerMode::None || line.counts.iter().all(|counts| counts.active == 0) {
            return;
        }
        for id in self.calls.on_line(line_id) {
            let active = self.calls.get(id).is_some_and(|call| {
                // One that is being dropped gives way by itself.
                let up = (call.leg.is_some() || self.is_conference(id)) && !self.is_dropping(id);
                id != answered && call.state.kind() == StateKind::Connected && up
            }) && !self.is_dropping(id);
            if !active {
                continue;
            }
            match mode {
                AnswerMode::None => {}
                AnswerMode::Hold if self.can_change(id).is_ok() => self.go_on(now, id, None, Aim::Hold),
                // It is on its way somewhere else already.
                AnswerMode::Hold => {}
                AnswerMode::Drop => self.displace(now, id),
            }
        }
    }
}
