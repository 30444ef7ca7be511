//! Camping on: a call whose party is busy, or does not answer, waits as *proceeding* until the party is free, and then goes out by
//! itself. One that finds its party busy again waits again, longer each time; calls for one party go out in their order.

use super::agenda::Search;
use super::callback::Waiting;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Other, Part};
use hookswitch_machine::Time;
use hookswitch_spi::{
    CallId, CallState, CompletionId, Disconnect, DisconnectMode, EndedBy, Feature, InfoParts, OperationError,
    Outcome, RequestId, StateKind,
};
use std::time::Duration;

/// How often one call goes out and finds its party busy again.
const TRIES_MOST: u8 = 10;
/// So long it rests the first time, and twice as long each further time.
const RESTS: Duration = Duration::from_secs(5);
const RESTS_AT_MOST: Duration = Duration::from_secs(300);
/// So long after one call for a party the next one comes.
const NEXT: Duration = Duration::from_secs(2);

/// Whoever is on hold for it would wait as long.
const NOT_BY_ITSELF: &str = "a consultation call cannot wait; ask to be called back";

/// What makes no sense for a call that waits.
const NOT_WAITING: [Feature; 4] =
    [Feature::CompleteCall, Feature::AddToConference, Feature::GatherDigits, Feature::Record];

/// A call that waits for its party.
#[derive(Debug)]
pub(crate) struct Camped {
    pub(crate) call: CallId,
    /// How often it has gone out.
    tries: u8,
    /// It is out.
    pub(crate) trying: bool,
    /// It rests until then.
    not_before: Time,
}

impl Loopback {
    /// Whether a call can be made to wait.
    pub(crate) fn can_camp(&self, call: CallId) -> Result<(), OperationError> {
        let leg = self.legs.get(&call).ok_or(OperationError::CallEnded)?;
        let state = leg.state.kind();
        let waits = matches!(state, StateKind::Proceeding | StateKind::Ringback | StateKind::Busy);
        if !waits || self.completion_of(call).is_some() {
            return Err(OperationError::InvalidCallState { operation: Feature::CompleteCall.name(), state });
        }
        if leg.part != Part::Plain {
            return Err(OperationError::InvalidParameter(NOT_BY_ITSELF.into()));
        }
        Ok(())
    }

    /// Whether something makes sense for a call, if it waits.
    pub(crate) fn fits_queue(&self, call: CallId, feature: Feature) -> Result<(), OperationError> {
        let camped = self.completion_of(call).and_then(|id| self.waiting.get(&id)?.camped.as_ref());
        let open = self.broken(Fault::CampedCallsTakeEverything);
        match (camped, self.state_of(call)) {
            (Some(camped), Some(state))
                if !open
                    && NOT_WAITING.contains(&feature)
                    && (!camped.trying || feature == Feature::CompleteCall) =>
            {
                Err(OperationError::InvalidCallState { operation: feature.name(), state })
            }
            _ => Ok(()),
        }
    }

    /// The completion of a call that waits.
    pub(crate) fn completion_of(&self, call: CallId) -> Option<CompletionId> {
        let of = |waiting: &Waiting| waiting.camped.as_ref().is_some_and(|camped| camped.call == call);
        self.waiting.iter().find(|(_, waiting)| of(waiting)).map(|(id, _)| *id)
    }

    /// A call is to wait for its party.
    pub(crate) fn camp_on(&mut self, request: RequestId, call: CallId) {
        if let Err(error) = self.can_camp(call) {
            return self.complete(request, Err(error));
        }
        let camped = Camped { call, tries: 0, trying: false, not_before: self.now };
        let Some(completion) = self.arrange_completion(call, Some(camped)) else { return };
        self.complete(request, Ok(Outcome::Completion(completion)));
        self.call_in_vain(call);
        self.with_info(call, InfoParts::IDENTITY, |info| info.completion = Some(completion));
        self.look_for_free_soon();
    }

    /// Nobody is called any more, and the call goes on.
    fn call_in_vain(&mut self, call: CallId) {
        self.agenda.forget(call);
        let other = self.unlink(Other::Leg(call));
        self.end_other(other, Disconnect::new(DisconnectMode::Cancelled, EndedBy::Peer, ""), None);
        self.enter(call, CallState::Proceeding);
    }

    /// Whether a call that waits may go out now, as far as it is not its party's affair.
    pub(crate) fn is_its_turn(&self, id: CompletionId) -> bool {
        let Some(waiting) = self.waiting.get(&id) else { return false };
        let Some(camped) = &waiting.camped else { return true };
        let last = self.broken(Fault::LastCampedCallGoesFirst);
        let behind = self.waiting.iter().any(|(other, one)| {
            let first = if last { *other > id } else { *other < id };
            let goes = |camped: &Camped| camped.trying || (one.was_busy && self.serves(one.line));
            first && one.destination == waiting.destination && one.camped.as_ref().is_some_and(goes)
        });
        let rested = camped.not_before <= self.now || self.broken(Fault::CampedCallsHammer);
        let out = !camped.trying && !self.broken(Fault::CampedCallsWaitForEver);
        out && rested && !behind
    }

    /// The party of a call is free: it goes out.
    pub(crate) fn go_out(&mut self, id: CompletionId) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        let Some(camped) = &mut waiting.camped else { return };
        camped.trying = true;
        camped.tries += 1;
        let (call, destination) = (camped.call, waiting.destination.clone());
        let wait = self.legs.get(&call).and_then(|leg| leg.rest.options.no_answer_after);
        if let Some(wait) = wait {
            self.after(wait, super::agenda::Task::GiveUp(call));
        }
        self.route(call, Search::direct(&destination));
    }

    /// A call has found its party busy. Whether it goes on waiting.
    pub(crate) fn waits_again(&mut self, call: CallId) -> bool {
        let Some(id) = self.completion_of(call) else { return false };
        let ends = self.broken(Fault::CampedCallsEndWhenBusyAgain);
        let now = self.now;
        let Some(camped) = self.waiting.get_mut(&id).and_then(|waiting| waiting.camped.as_mut()) else {
            return false;
        };
        if camped.tries >= TRIES_MOST || ends {
            self.end_completion(id);
            return false;
        }
        let rest = RESTS * (1 << u32::from(camped.tries.saturating_sub(1)));
        let rest = rest.min(RESTS_AT_MOST);
        camped.trying = false;
        camped.not_before = now + rest;
        self.after(rest, super::agenda::Task::LookForFree);
        if self.broken(Fault::CampedCallsHammer) {
            self.look_for_free_soon();
        }
        self.call_in_vain(call);
        true
    }

    /// A call has entered a state in which it waits for nothing.
    pub(crate) fn leave_queue(&mut self, call: CallId) {
        let answered = self.legs.get(&call).is_some_and(|leg| leg.answered);
        let stays = if answered { Fault::CompletionOutlivesAnswer } else { Fault::DropLeavesCompletion };
        if let Some(id) = self.completion_of(call).filter(|_| !self.broken(stays)) {
            self.forget_completion(id);
        }
    }

    /// A call completion is over; whoever is next is looked at, once the news can be there.
    pub(crate) fn forget_completion(&mut self, id: CompletionId) -> Option<Waiting> {
        let over = self.waiting.remove(&id)?;
        let at = self.now + NEXT;
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.destination == over.destination) {
            if let Some(camped) = waiting.camped.as_mut().filter(|_| over.camped.is_some()) {
                camped.not_before = camped.not_before.max(at);
            }
        }
        self.after(NEXT, super::agenda::Task::LookForFree);
        Some(over)
    }

    /// A call whose completion is over ends, unless it has gone out already.
    pub(crate) fn end_camped(&mut self, over: &Waiting, end: Disconnect) {
        if let Some(camped) = over.camped.as_ref().filter(|camped| !camped.trying) {
            self.end(camped.call, end);
        }
    }
}
