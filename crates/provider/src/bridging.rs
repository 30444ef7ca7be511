//! Two calls joined by ourselves, where the switch cannot join them: their audio passes through here (a mix of two), and they end
//! together. For applications both are idle; they may close them, and the two go on.

use crate::call::{Aim, Bridge, Call, Stream, Wait};
use crate::core::Core;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, MixId, MixPart};
use hookswitch_spi::{
    CallId, CallState, Completion, OperationError, Outcome, Party, StateKind, TransferOutcome,
};

impl Core {
    /// The consultation call is answered, and is to be bridged: the held call is taken back for it.
    pub(crate) fn bridge_turn(&mut self, now: Time, consult: CallId) {
        let waiting = self
            .calls
            .get_mut(consult)
            .and_then(|call| call.take_waiting(|wait| matches!(wait, Wait::BridgeTurn(_))));
        let Some(waiting) = waiting else { return };
        let Wait::BridgeTurn(held) = waiting.what else { return };
        if self.calls.get(held).is_none_or(|call| call.leg.is_none() || call.is_changing()) {
            self.complete(waiting.completion, Err(OperationError::CallEnded));
            return;
        }
        self.go_on(now, held, waiting.completion, Aim::Bridge(consult));
    }

    /// The held call hears us again: now the two hear each other.
    pub(crate) fn bridge(&mut self, now: Time, id: CallId, consult: CallId, completion: Option<Completion>) {
        // One that is being dropped has stopped its audio already.
        let runs = |call: &Call| call.leg.is_some() && call.stream == Stream::Running;
        let up = |call: &Call| runs(call) && call.state.kind() == StateKind::Connected;
        if !self.calls.get(id).is_some_and(runs) {
            self.complete(completion, Err(OperationError::CallEnded));
            return;
        }
        if !self.calls.get(consult).is_some_and(up) {
            // The consultation has ended meanwhile: the call is back.
            self.enter(id, CallState::Connected(self.connected_mode(id)));
            self.complete(completion, Err(OperationError::CallEnded));
            return;
        }
        self.part(id);
        let mix = MixId(id.0);
        for (call, other) in [(id, consult), (consult, id)] {
            self.media(Command::Mix { stream: Call::stream_id(call), mix: Some(mix), part: MixPart::Talks });
            let party =
                self.calls.get(other).map_or_else(Party::default, |call| call.facts.connected.clone());
            if let Some(call) = self.calls.get_mut(call) {
                call.facts.redirection = party;
            }
            // Who transfers us meanwhile transfers somebody who is gone.
            self.abandon_referral(now, call);
            self.enter(call, CallState::Idle);
            self.complete_drops(call);
            self.fail_waiting(call, &OperationError::CallEnded);
            if let Some(call) = self.calls.get_mut(call) {
                call.extra().bridge = Some(Bridge { other, closed: false });
            }
            self.recount(call);
        }
        self.complete(completion, Ok(Outcome::Transferred(TransferOutcome::Bridged)));
        self.next_turn(now, consult);
    }

    /// One side of a bridge has ended, and with it the other.
    pub(crate) fn bridge_over(&mut self, now: Time, id: CallId) {
        let Some(bridge) = self.calls.get(id).and_then(Call::bridge) else { return };
        for id in [id, bridge.other] {
            let Some(call) = self.calls.get_mut(id) else { continue };
            let closed = call.extra.as_mut().and_then(|extra| extra.bridge.take()).is_some_and(|b| b.closed);
            if let Some(leg) = call.leg {
                // The one that has ended is gone, and nothing is said.
                self.ua.abandon(now, &mut self.layer, leg);
                self.leg_gone(id, leg);
            }
            self.stop_stream(id);
            self.abandon_referral(now, id);
            self.recount(id);
            if closed {
                self.forget(now, id);
            }
        }
    }

    /// The application side closes a call: one that is bridged lives on unseen.
    pub(crate) fn close_bridged(&mut self, id: CallId) -> bool {
        let bridge = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()?.bridge.as_mut());
        if let Some(bridge) = bridge {
            bridge.closed = true;
            return true;
        }
        false
    }

    /// A call that the application side has not closed.
    pub(crate) fn visible(&self, id: CallId) -> Option<&Call> {
        self.calls.get(id).filter(|call| call.bridge().is_none_or(|bridge| !bridge.closed))
    }
}
