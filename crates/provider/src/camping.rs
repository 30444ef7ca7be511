//! Camping on (lineCompleteCall, CAMPON): a call whose party is busy, or does not answer, waits for it in the state *proceeding*.
//! When the party is free (`callback` watches it), the INVITE goes out at once in that same call, and nobody is asked.
//!
//! A party that is busy again makes the call wait again, for a while that doubles and for ten times; whatever else it says ends the
//! call. Calls for one party go out one after another, whoever asked first. An application needs time to ask: on a line that can
//! queue calls, one that found its party busy stays *busy* for five seconds before it ends.

use crate::arranged::{Callback, Queued};
use crate::call::{Call, Placing, Stream, Wait};
use crate::callback::ROOM_AGAIN;
use crate::core::{Core, Timer};
use hookswitch_machine::Time;
use hookswitch_media::negotiate::MediaSession;
use hookswitch_sip::ua::LegId;
use hookswitch_spi::{
    CallId, CallState, CompletionId, CompletionMode, Disconnect, Feature, InfoParts, LineId, OperationError,
    StateKind,
};
use std::time::Duration;

/// How long a call stays busy before it ends.
const BUSY_TONE: Duration = Duration::from_secs(5);
/// How often one call goes out and finds its party busy again.
const MOST_TRIES: u8 = 10;
/// How long it rests the first time; each further time twice as long.
const RESTS: Duration = Duration::from_secs(5);
const RESTS_AT_MOST: Duration = Duration::from_secs(300);
/// When one call for a party leaves the queue, so long the news of that may take to reach the next one.
const NEXT: Duration = Duration::from_secs(2);

/// Whoever is on hold for it would wait as long.
const NOT_BY_ITSELF: &str =
    "a call that is part of a transfer or a conference cannot wait; ask to be called back";

/// What makes no sense for a call that waits: nobody is at its other end.
const NOT_WAITING: [Feature; 4] =
    [Feature::CompleteCall, Feature::AddToConference, Feature::GatherDigits, Feature::Record];

impl Queued {
    /// The party was seen in a call: when that is over, it may be free.
    pub(crate) fn seen_busy(&mut self, now: Time) {
        self.not_before = self.not_before.min(now + RESTS);
    }

    /// How long it rests now that it has found its party busy again: up to half as long again by chance, so that several that
    /// wait for one party do not come at the same time.
    fn rests(&self, chance: u64) -> Duration {
        let rest =
            RESTS.saturating_mul(1 << u32::from(self.tries.saturating_sub(1)).min(8)).min(RESTS_AT_MOST);
        rest + rest.mul_f64((chance % 1_000) as f64 / 2_000.0)
    }
}

impl Core {
    /// Whether a call can wait for its party: one of ours that is not answered, has not ended, and is nothing else's part.
    pub(crate) fn can_queue(&self, id: CallId) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let state = call.state.kind();
        let operation = Feature::CompleteCall.name();
        if !self.queues(call.line) {
            return Err(OperationError::Unavailable(operation));
        }
        if !matches!(state, StateKind::Proceeding | StateKind::Ringback | StateKind::Busy) {
            return Err(OperationError::InvalidCallState { operation, state });
        }
        if call.ending.is_some() || self.is_dropping(id) {
            return Err(OperationError::CallEnded);
        }
        if self.role(id).is_some() || !call.is_by_itself() {
            return Err(OperationError::InvalidParameter(NOT_BY_ITSELF.into()));
        }
        Ok(())
    }

    /// What an INVITE was sent with, if the call may have to go out once more.
    pub(crate) fn keep_placing(&mut self, id: CallId, placing: Placing) {
        let Some(line) = self.calls.get(id).map(|call| call.line) else { return };
        let queues = self.queues(line);
        if let Some(call) = self.calls.get_mut(id).filter(|_| queues && !placing.is_plain()) {
            call.extra().placing = placing;
        }
    }

    /// Whether calls of a line can wait for their parties.
    fn queues(&self, line: LineId) -> bool {
        let modes = self.line(line).map(|line| line.capabilities.completion_modes);
        modes.is_some_and(|modes| modes.contains(CompletionMode::CampOn))
    }

    /// Whether a call that the very first response finds busy becomes one: it was dialled whole, and could be made to wait.
    pub(crate) fn can_stay_busy(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| {
            let dialled = call.waiting.iter().any(|waiting| waiting.what == Wait::Proceeding);
            dialled && call.is_by_itself() && self.queues(call.line)
        })
    }

    /// A call found its party busy. It stays so for a while, that it can be made to wait.
    pub(crate) fn stay_busy(&mut self, now: Time, id: CallId, leg: LegId, end: Disconnect) {
        self.withdraw(now, id, leg);
        let timer = self.timers.set(now + BUSY_TONE, Timer::Busy(id));
        if let Some(call) = self.calls.get_mut(id) {
            call.timer = Some(timer);
            call.extra().busy = Some(Box::new(end));
        }
    }

    /// The busy tone is over.
    pub(crate) fn busy_over(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state.kind() == StateKind::Busy) else {
            return;
        };
        call.timer = None;
        if call.is_being_completed() {
            call.timer = Some(self.timers.set(now + BUSY_TONE, Timer::Busy(id)));
            return;
        }
        if let Some(end) = call.extra().busy.take() {
            self.enter(id, CallState::Disconnected(*end));
        }
    }

    /// A session of a call is over, and the call is not.
    fn withdraw(&mut self, now: Time, id: CallId, leg: LegId) {
        self.ua.abandon(now, &mut self.layer, leg);
        self.leg_gone(id, leg);
        self.stop_stream(id);
        self.fail_waiting_but_transfer(id);
    }

    /// The completion of a call that waits.
    pub(crate) fn completion_of(&self, id: CallId) -> Option<CompletionId> {
        let completion = self.calls.get(id)?.extra.as_ref()?.completion?;
        let queued = self.callbacks.get(&completion).and_then(Callback::queued);
        queued.is_some_and(|queued| queued.call == id).then_some(completion)
    }

    fn queued_mut(&mut self, completion: CompletionId) -> Option<&mut Queued> {
        self.callbacks.get_mut(&completion).and_then(Callback::queued_mut)
    }

    /// Whether it makes sense for a call that waits, or the error.
    pub(crate) fn fits_queue(&self, id: CallId, feature: Feature) -> Result<(), OperationError> {
        let completion = self.completion_of(id).filter(|_| NOT_WAITING.contains(&feature));
        let queued =
            completion.and_then(|completion| self.callbacks.get(&completion)).and_then(Callback::queued);
        match (queued, self.calls.get(id)) {
            (Some(queued), Some(call)) if !queued.trying || feature == Feature::CompleteCall => {
                let (operation, state) = (feature.name(), call.state.kind());
                Err(OperationError::InvalidCallState { operation, state })
            }
            _ => Ok(()),
        }
    }

    /// The party can be watched: the call waits for it.
    pub(crate) fn queue(&mut self, now: Time, id: CallId, completion: CompletionId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let busy = call.state.kind() == StateKind::Busy;
        let (leg, timer) = (call.leg, call.timer.take());
        let extra = call.extra();
        (extra.completion, extra.busy) = (Some(completion), None);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        if let Some(leg) = leg {
            // Who answers at this very moment is hung up on, which counts as the call after which it is free.
            self.withdraw(now, id, leg);
        }
        if let Some(callback) = self.callbacks.get_mut(&completion) {
            callback.was_busy |= busy;
        }
        self.enter(id, CallState::Proceeding);
        self.changed(id, InfoParts::IDENTITY);
    }

    /// The party is free: the call goes out, unless it rests, is behind another one, or its line has no path at the moment.
    pub(crate) fn send_queued(&mut self, now: Time, completion: CompletionId) {
        let Some(callback) = self.callbacks.get(&completion) else { return };
        let Some(queued) = callback.queued().filter(|queued| !queued.trying) else { return };
        let id = queued.call;
        if queued.not_before > now {
            let at = queued.not_before;
            return self.look_again(completion, at);
        }
        let serves = self.line(callback.line).is_some_and(|line| line.is_in_service());
        if !serves || self.is_behind(completion, callback) {
            return self.look_again(completion, now + ROOM_AGAIN);
        }
        let uri = callback.party.address.clone();
        let media = MediaSession::new(self.entropy.next_u64());
        let Some(call) = self.calls.get_mut(id) else { return };
        let placing = call.extra.as_ref().map(|extra| extra.placing.clone()).unwrap_or_default();
        if let Some(last) = call.start_over(media) {
            self.by_leg.remove(&last);
        }
        if self.place(now, id, uri.into(), &placing).is_err() {
            return self.look_again(completion, now + ROOM_AGAIN);
        }
        if let Some(queued) = self.queued_mut(completion) {
            queued.trying = true;
            queued.tries = queued.tries.saturating_add(1);
        }
    }

    /// Whether a call that waits for the same party was first, and can go out when the party is free.
    fn is_behind(&self, completion: CompletionId, callback: &Callback) -> bool {
        self.callbacks.range(..completion).any(|(_, earlier)| {
            let serves = || self.line(earlier.line).is_some_and(|line| line.is_in_service());
            let goes =
                |queued: &Queued| queued.trying || (earlier.was_busy && earlier.known.is_known() && serves());
            earlier.party.address == callback.party.address && earlier.queued().is_some_and(goes)
        })
    }

    /// A call for this party waits no longer: those behind it are looked at, once news of that can have come.
    pub(crate) fn next_in_queue(&mut self, now: Time, party: &str) {
        let behind = |callback: &Callback| &*callback.party.address == party && callback.queued().is_some();
        let all: Vec<_> = self.callbacks.iter().filter(|(_, c)| behind(c)).map(|(id, _)| *id).collect();
        for completion in all {
            let Some(queued) = self.queued_mut(completion).filter(|queued| !queued.trying) else { continue };
            queued.not_before = queued.not_before.max(now + NEXT);
            let at = queued.not_before;
            self.look_again(completion, at);
        }
    }

    /// A call that went out found its party busy again. Whether it waits once more.
    pub(crate) fn waits_again(&mut self, now: Time, id: CallId, leg: LegId) -> bool {
        let Some(completion) = self.completion_of(id) else { return false };
        let Some(callback) = self.callbacks.get(&completion) else { return false };
        let tries = callback.queued().map_or(MOST_TRIES, |queued| queued.tries);
        if tries >= MOST_TRIES || callback.ends <= now || self.can_queue(id).is_err() {
            self.callback_ended(now, completion, "");
            return false;
        }
        let chance = self.entropy.next_u64();
        if let Some(queued) = self.queued_mut(completion) {
            queued.trying = false;
            queued.not_before = now + queued.rests(chance);
            let at = queued.not_before;
            self.look_again(completion, at);
        }
        self.withdraw(now, id, leg);
        self.enter(id, CallState::Proceeding);
        true
    }

    /// A call ends that waited. One that has gone out meanwhile goes on by itself.
    pub(crate) fn end_queued(&mut self, queued: &Queued, end: Disconnect) {
        if !queued.trying {
            self.enter(queued.call, CallState::Disconnected(end));
        }
    }

    /// A call has entered a state: one in which it waits for nothing any more?
    pub(crate) fn comes_out_of_queue(&mut self, id: CallId) {
        let state = self.calls.get(id).map(|call| call.state.kind());
        if !matches!(state, Some(StateKind::Proceeding | StateKind::Ringback | StateKind::Busy)) {
            self.leave_queue(self.now, id);
        }
    }

    /// A call waits for nothing any more: it was answered, or is over.
    pub(crate) fn leave_queue(&mut self, now: Time, id: CallId) {
        if let Some(completion) = self.completion_of(id) {
            self.drop_callback(now, completion);
        }
    }
}

impl Placing {
    /// Whether a call without options is sent the same way.
    const fn is_plain(&self) -> bool {
        self.no_answer_after.is_none() && self.display_name.is_none() && self.fields.is_empty()
    }
}

impl Call {
    /// Whether it is no part of a transfer, a bridge or a pickup.
    fn is_by_itself(&self) -> bool {
        self.extra
            .as_ref()
            .is_none_or(|extra| extra.partner.is_none() && extra.bridge.is_none() && extra.fetch.is_none())
    }

    /// Another session begins. The one that its messages were found by.
    fn start_over(&mut self, media: MediaSession) -> Option<LegId> {
        self.media = media;
        self.stream = Stream::Unstarted;
        (self.heard, self.alerted, self.redirections) = (false, false, 0);
        self.facts.call_id = Box::default();
        if let Some(extra) = &mut self.extra {
            extra.heard = None;
        }
        self.last_leg.take()
    }
}
