//! Hold, retrieve, swap: the states of both sides.

use super::agenda::Task;
use super::dial::UNHEARD;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Leg, Other, Part};
use super::stranger::Noticed;
use hookswitch_spi::{AnswerMode, CallId, CallState, ConnectedMode, OperationError, RejectReason, RequestId};

impl Loopback {
    /// How a call that we do not hold is connected.
    pub(crate) fn mode_of(&self, call: CallId) -> ConnectedMode {
        let held = match self.legs.get(&call).map(|leg| leg.other) {
            Some(Other::Leg(other)) => {
                self.legs.get(&other).is_some_and(Leg::is_held) && !self.broken(Fault::HoldsSilently)
            }
            Some(Other::Stranger(id)) => {
                self.strangers.get(&id).is_some_and(|party| party.holds)
                    && !self.broken(Fault::HidesBeingHeld)
            }
            Some(Other::Orbit(_)) => true,
            Some(Other::Nobody) | None => false,
        };
        if held { ConnectedMode::ActiveHeld } else { ConnectedMode::Active }
    }

    /// The other side learns that it is held, or no longer.
    pub(crate) fn refresh_other(&mut self, call: CallId) {
        if let Some(Other::Leg(other)) = self.legs.get(&call).map(|leg| leg.other) {
            self.refresh(other);
        }
    }

    /// A connected call says how it is connected now.
    pub(crate) fn refresh(&mut self, call: CallId) {
        if self.legs.get(&call).is_some_and(Leg::is_connected) {
            self.enter(call, CallState::Connected(self.mode_of(call)));
        }
    }

    /// We hold a call.
    pub(crate) fn hold(&mut self, call: CallId, state: CallState) {
        self.enter(call, state);
        if !self.broken(Fault::HoldsSilently) {
            self.notes(self.other_of(Other::Leg(call)), Noticed::Held);
        }
        self.refresh_other(call);
    }

    /// We take a held call back.
    pub(crate) fn connect_again(&mut self, call: CallId) {
        self.enter(call, CallState::Connected(self.mode_of(call)));
        self.notes(self.other_of(Other::Leg(call)), Noticed::Resumed);
        self.refresh_other(call);
    }

    /// Whether the other side of a call lets itself be held: an error, or silence, for those outside that do not.
    pub(crate) fn agrees(&mut self, request: RequestId, call: CallId) -> bool {
        let Other::Stranger(id) = self.other_of(Other::Leg(call)) else { return true };
        let Some(party) = self.strangers.get(&id) else { return true };
        if party.deaf {
            self.after(UNHEARD, Task::Unheard(request));
            return false;
        }
        if let Some(status) = party.refuses {
            let error = OperationError::Refused { status, reason: "refused by the other side".into() };
            self.complete(request, Err(error));
            return false;
        }
        true
    }

    /// Takes a held call back; a consultation call that waits for it ends. Where the two were swapped, they are swapped back.
    pub(crate) fn retrieve(&mut self, call: CallId) {
        let pending = self.legs.get(&call).is_some_and(|leg| leg.state != CallState::OnHold);
        let consulted = self.legs.get(&call).and_then(Leg::consults);
        if let Some(first) = consulted.filter(|first| self.legs.get(first).is_some_and(Leg::is_connected))
            && pending
        {
            return self.swap(first, call);
        }
        let consult = self.legs.iter().find(|(_, leg)| leg.consults() == Some(call)).map(|(id, _)| *id);
        self.connect_again(call);
        if let Some(consult) = consult.filter(|_| pending) {
            if let Some(leg) = self.legs.get_mut(&consult) {
                leg.part = Part::Plain;
            }
            self.drop_call(consult, RejectReason::Default, None);
        }
    }

    /// Exchanges an active call and a held one; what is pending stays so.
    pub(crate) fn swap(&mut self, active: CallId, held: CallId) {
        let Some(state) = self.legs.get(&held).map(|leg| leg.state.clone()) else { return };
        let pair = self.are_paired(active, held);
        let conference = self.legs.get(&active).is_some_and(|leg| leg.members().is_some());
        let state = match state {
            CallState::OnHoldPendingTransfer if pair => CallState::OnHoldPendingTransfer,
            CallState::OnHoldPendingConference if pair && conference => CallState::OnHoldPendingConference,
            _ => CallState::OnHold,
        };
        self.hold(active, state);
        self.connect_again(held);
    }

    /// Whether one of two calls is the consultation call of the other.
    pub(crate) fn are_paired(&self, one: CallId, other: CallId) -> bool {
        let consults = |one: CallId, other| self.legs.get(&one).and_then(Leg::consults) == Some(other);
        consults(one, other) || consults(other, one)
    }

    /// A call is answered: what the line does to the one that was active.
    pub(crate) fn answer_mode(&mut self, call: CallId) {
        let Some(line) = self.legs.get(&call).map(|leg| leg.line) else { return };
        let mode = self.lines.get(&line).map(|line| line.capabilities.answer_mode);
        let active = self
            .legs
            .iter()
            .filter(|(id, leg)| **id != call && leg.line == line && leg.is_known() && leg.is_connected());
        let active: Vec<_> = active.map(|(id, _)| *id).collect();
        if self.broken(Fault::IgnoresAnswerMode) {
            return;
        }
        for other in active {
            match mode {
                Some(AnswerMode::Drop) => self.drop_call(other, RejectReason::Default, None),
                Some(AnswerMode::Hold) => self.hold(other, CallState::OnHold),
                Some(AnswerMode::None) | None => {}
            }
        }
    }
}
