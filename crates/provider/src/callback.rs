//! Call completion (lineCompleteCall): the called party is watched (RFC 4235) until it is free. Then (CALLBACK) a call with the
//! reason *call completion* is offered to whoever asked; answering that call calls the party, and until then nobody is called. Or
//! the call that asked has waited itself (CAMPON, see `camping`).
//!
//! A party that was busy is free when none of its dialogs is left. One that did not answer was free all along: it counts as free
//! when it has been in a call since, and that is over (as RFC 6910 has it for *no reply*). The attempt itself ends when its
//! completion is arranged, which is when the switch has told something of the party for the first time.

use crate::arranged::{Callback, Queued, Then, Watched};
use crate::call::{Ask, Call, Facts, Placing, Taken, Wait};
use crate::core::{Core, Timer};
use crate::physical;
use crate::watching::dialogs;
use hookswitch_machine::Time;
use hookswitch_media::negotiate::MediaSession;
use hookswitch_sip::event::{Applied, DialogState, KnownDialogs};
use hookswitch_sip::message::Message;
use hookswitch_sip::subscription::{Cause, Report};
use hookswitch_sip::ua::SubscriptionId;
use hookswitch_spi::{
    AudioSource, BusyMode, CallId, CallState, CompletionId, CompletionMode, Disconnect, DisconnectMode,
    EndedBy, Feature, LineId, OfferingMode, Operation, OperationError, Outcome, Party, PhysicalCallId,
    ProviderEvent, Reason, StateKind, StatusKind, UserInfo,
};
use std::time::Duration;

/// Completions that a line waits for at a time.
pub(crate) const MOST: u16 = 8;
/// How long one is waited for.
const LASTS: Duration = Duration::from_secs(3_600);
/// How long the switch may take to tell something of the called party for the first time.
const ARRANGED: Duration = Duration::from_secs(40);
/// How long the completed call is offered.
const RINGS: Duration = Duration::from_secs(30);
/// After so long a line that had no room is looked at again.
pub(crate) const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// What is wrong with a first NOTIFY without a document.
const UNREADABLE: &str = "the switch tells nothing of the called party that can be read";

/// Why a completion cannot be had.
struct NotArranged(OperationError);

impl From<Cause> for NotArranged {
    fn from(cause: Cause) -> Self {
        Self(match cause {
            Cause::Refused(status) => {
                let reason = hookswitch_sip::message::reason_phrase(status).to_owned();
                OperationError::Refused { status, reason }
            }
            other => OperationError::Failed(format!("the called party cannot be watched: {other}")),
        })
    }
}

impl From<&str> for NotArranged {
    fn from(why: &str) -> Self {
        Self(OperationError::Failed(why.into()))
    }
}

impl Core {
    /// Call completions that a line waits for.
    pub(crate) fn completions_of(&self, line: LineId) -> u32 {
        self.callbacks.values().filter(|callback| callback.line == line && callback.asked.is_none()).count()
            as u32
    }

    pub(crate) fn complete_call(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        mode: CompletionMode,
    ) -> Result<(), OperationError> {
        let then = match mode {
            CompletionMode::CampOn => {
                self.can_queue(id)?;
                Then::CampOn(Queued { call: id, tries: 0, trying: false, not_before: now })
            }
            // The table of the line has only these two.
            CompletionMode::CallBack | CompletionMode::Intrude | CompletionMode::Message => Then::CallBack,
        };
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let (line, address) = (call.line, call.address);
        if call.is_being_completed() {
            return Err(OperationError::Failed(
                "the completion of this call is being arranged already".into(),
            ));
        }
        if self.callbacks.values().filter(|callback| callback.line == line).count() >= usize::from(MOST) {
            return Err(OperationError::TooManyCompletions(MOST));
        }
        let party = call.facts.called.clone();
        let (attempt, media) = (PhysicalCallId(call.facts.physical), call.media_types);
        let was_busy = call.state_for_completion() == StateKind::Busy;
        self.next_completion = self.next_completion.wrapping_add(1).max(1);
        let completion = CompletionId(self.next_completion);
        let watch = self.watch(now, address, &party.address, Watched::Callee(line, completion))?;
        let timer = self.timers.set(now + ARRANGED, Timer::Completion(completion));
        let callback = Callback {
            line,
            address,
            party,
            attempt,
            media,
            watch,
            known: KnownDialogs::new(),
            was_busy,
            asked: Some(id),
            then,
            timer,
            ends: now + LASTS,
        };
        self.callbacks.insert(completion, callback);
        self.wait(id, ask, Wait::Completing(completion));
        Ok(())
    }

    pub(crate) fn uncomplete_call(
        &mut self,
        now: Time,
        ask: &mut Ask,
        line: LineId,
        completion: CompletionId,
    ) -> Result<(), OperationError> {
        let known = self.callbacks.get(&completion).is_some_and(|c| c.line == line && c.asked.is_none());
        if !known {
            return Err(OperationError::NoSuchCompletion(completion));
        }
        let callback = self.drop_callback(now, completion);
        self.done(ask, Outcome::Done);
        if let Some(queued) = callback.as_ref().and_then(Callback::queued) {
            let end =
                Disconnect::new(DisconnectMode::Cancelled, EndedBy::Us, "its call completion was cancelled");
            self.end_queued(queued, end);
        }
        Ok(())
    }

    /// Forgets a completion; nothing is told.
    pub(crate) fn drop_callback(&mut self, now: Time, completion: CompletionId) -> Option<Callback> {
        let callback = self.callbacks.remove(&completion)?;
        self.timers.cancel(callback.timer);
        self.unwatch(now, callback.watch);
        if callback.queued().is_some() {
            self.next_in_queue(now, &callback.party.address);
        }
        Some(callback)
    }

    /// A line is closed.
    pub(crate) fn end_callbacks(&mut self, now: Time, line: LineId) {
        let of_line = self.callbacks.iter().filter(|(_, callback)| callback.line == line);
        for completion in of_line.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drop_callback(now, completion);
        }
    }

    /// News of the called party.
    pub(crate) fn callee_told(
        &mut self,
        now: Time,
        completion: CompletionId,
        watch: SubscriptionId,
        report: Report,
        message: Option<&Message>,
    ) {
        let Some(callback) = self.callbacks.get_mut(&completion) else { return };
        match report {
            Report::Notified { pending: true } => {}
            Report::Notified { pending: false } => {
                let Some(info) = dialogs(message) else {
                    if callback.asked.is_some() {
                        self.not_arranged(now, completion, UNREADABLE.into());
                    }
                    return;
                };
                if callback.known.apply(info) == Applied::Incomplete {
                    let _ = self.ua.refresh_subscription(now, &mut self.layer, watch);
                }
                let in_call = |state: DialogState| state == DialogState::Confirmed;
                let talks = callback.known.dialogs().iter().any(|dialog| in_call(dialog.state));
                callback.was_busy |= talks;
                if talks && let Some(queued) = callback.queued_mut() {
                    queued.seen_busy(now);
                }
                if let Some(call) = callback.asked.take() {
                    self.arranged(now, call, completion);
                }
                self.complete_if_free(now, completion);
            }
            Report::Interrupted { cause, .. } => {
                // It begins anew, with the whole state first.
                callback.known.forget();
                if callback.asked.is_some() {
                    self.not_arranged(now, completion, cause.into());
                }
            }
            Report::Ended(cause) if callback.asked.is_some() => {
                self.not_arranged(now, completion, cause.into());
            }
            Report::Ended(_) => {
                self.callback_ended(now, completion, "the called party cannot be watched any more")
            }
        }
    }

    /// The party can be watched: the request completes, and the attempt is over.
    fn arranged(&mut self, now: Time, call: CallId, completion: CompletionId) {
        let Some(callback) = self.callbacks.get_mut(&completion) else { return };
        self.timers.cancel(callback.timer);
        callback.timer = self.timers.set(callback.ends, Timer::Completion(completion));
        let waits = matches!(callback.then, Then::CampOn(_));
        let state = self.calls.get(call).map_or(StateKind::Idle, |call| call.state_for_completion());
        let mut result = Ok(Outcome::Completion(completion));
        if waits {
            result = self.can_queue(call).map(|()| Outcome::Completion(completion));
        } else if matches!(state, StateKind::Connected | StateKind::OnHold | StateKind::Conferenced) {
            // It was answered meanwhile: nothing is left to be completed.
            let operation = Feature::CompleteCall.name();
            result = Err(OperationError::InvalidCallState { operation, state });
        }
        let fails = result.is_err();
        if fails {
            self.drop_callback(now, completion);
        }
        self.complete_waiting(call, |wait| wait == Wait::Completing(completion), result);
        if fails {
            return;
        }
        if waits {
            self.queue(now, call, completion);
        } else if state != StateKind::Idle {
            self.dismiss(now, call);
        }
    }

    fn not_arranged(&mut self, now: Time, completion: CompletionId, why: NotArranged) {
        let Some(callback) = self.drop_callback(now, completion) else { return };
        let error = why.0;
        if let Some(call) = callback.asked {
            self.complete_waiting(call, |wait| wait == Wait::Completing(completion), Err(error));
        }
    }

    /// A completion ends without a call.
    pub(crate) fn callback_ended(&mut self, now: Time, completion: CompletionId, why: &str) {
        let Some(callback) = self.drop_callback(now, completion) else { return };
        let line = callback.line;
        if self.line(line).is_some_and(|line| line.wants(StatusKind::Completions)) {
            self.events.push_back(ProviderEvent::CompletionEnded { line, completion });
        }
        if let Some(queued) = callback.queued() {
            let mode = if callback.was_busy { DisconnectMode::Busy } else { DisconnectMode::NoAnswer };
            self.end_queued(queued, Disconnect::new(mode, EndedBy::Network, why));
        }
    }

    /// A completion has lasted too long, or its line may have room now.
    pub(crate) fn completion_due(&mut self, now: Time, completion: CompletionId) {
        let Some(callback) = self.callbacks.get_mut(&completion) else { return };
        if callback.asked.is_some() {
            return self.not_arranged(now, completion, Cause::NoNotify.into());
        }
        let ends = callback.ends;
        callback.timer = self.timers.set(ends.max(now), Timer::Completion(completion));
        if ends <= now {
            self.callback_ended(now, completion, "the called party was not free in time");
        } else {
            self.complete_if_free(now, completion);
        }
    }

    /// Offers the completed call, if the party is free and the line has room; else later.
    fn complete_if_free(&mut self, now: Time, completion: CompletionId) {
        let Some(callback) = self.callbacks.get(&completion).filter(|callback| callback.is_due()) else {
            return;
        };
        if callback.queued().is_some() {
            return self.send_queued(now, completion);
        }
        let line = callback.line;
        if self.can_make(line).is_err() || self.line(line).is_some_and(|line| line.secured > 0) {
            return self.look_again(completion, now + ROOM_AGAIN);
        }
        if let Some(callback) = self.drop_callback(now, completion) {
            self.offer_completed(now, completion, callback);
        }
    }

    /// A completion that could not come about is looked at again then, unless it ends before.
    pub(crate) fn look_again(&mut self, completion: CompletionId, at: Time) {
        if let Some(callback) = self.callbacks.get_mut(&completion) {
            self.timers.cancel(callback.timer);
            callback.timer = self.timers.set(at.min(callback.ends), Timer::Completion(completion));
        }
    }

    fn offer_completed(&mut self, now: Time, completion: CompletionId, callback: Callback) {
        let Callback { line, address, party, attempt, media, .. } = callback;
        let own = self.line(line).map_or_else(Party::default, |line| Party::known(line.uri(address), ""));
        let facts = Facts {
            physical: physical::number(self.entropy.next_u64()),
            reason: Reason::CallCompletion,
            caller: party.clone(),
            called: own,
            connected: party.clone(),
            redirecting: Party::default(),
            redirection: Party::default(),
            call_id: Box::default(),
            target: Box::default(),
            session: None,
        };
        let origin = self.origin_of(line, &party.address);
        let session = MediaSession::new(self.entropy.next_u64());
        let mut call = Call::new((line, address), origin, now, session, facts);
        call.taken = Taken::NotYet(1);
        call.media_types = media;
        let extra = call.extra();
        extra.related = Some(attempt);
        extra.completion = Some(completion);
        extra.calls_back = Some(party.address);
        let id = self.calls.insert(call);
        if let Some(line) = self.line_mut(line) {
            line.kept += 1;
        }
        let timer = self.timers.set(now + RINGS, Timer::CallBack(id));
        if let Some(call) = self.calls.get_mut(id) {
            call.timer = Some(timer);
        }
        self.events.push_back(ProviderEvent::NewCall { line, address, call: id });
        self.enter(id, CallState::Offering(OfferingMode::Active));
    }

    /// The completed call was not answered in time.
    pub(crate) fn call_back_due(&mut self, _now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.is_call_back()) else { return };
        call.timer = None;
        call.extra().calls_back = None;
        self.stop_alerting(id);
        let end =
            Disconnect::new(DisconnectMode::NoAnswer, EndedBy::Us, "the completed call was not answered");
        self.enter(id, CallState::Disconnected(end));
    }

    /// The completed call is answered: now its party is called. The request completes with that; the call goes on as one that was
    /// dialled.
    pub(crate) fn call_back(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        source: AudioSource,
        info: Option<UserInfo>,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let (line, called) = (call.line, call.facts.called.clone());
        let uri = call.extra.as_ref().and_then(|extra| extra.calls_back.clone());
        let uri = uri.ok_or(OperationError::CallEnded)?;
        if !self.line(line).is_some_and(|line| line.is_in_service()) {
            return Err(OperationError::OutOfService("the line was lost meanwhile".into()));
        }
        let timer = call.timer;
        let fields = info.as_ref().map(crate::user_info::line).unwrap_or_default();
        self.place(now, id, uri.into(), &Placing { fields, ..Placing::default() })?;
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.stop_alerting(id);
        if let Some(call) = self.calls.get_mut(id) {
            call.source = source;
            call.facts.called = called;
            call.extra().calls_back = None;
        }
        self.give_way(now, id);
        self.done(ask, Outcome::Done);
        self.enter(id, CallState::Dialing);
        self.enter(id, CallState::Proceeding);
        Ok(())
    }
}

impl Call {
    /// Whether its completion is being arranged.
    pub(crate) fn is_being_completed(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.what, Wait::Completing(_)))
    }

    /// The state that decides what can be asked: to be called back by a party that was found busy is possible until the call is
    /// dropped, although the switch has ended it. Only a call that has not ended can wait itself.
    pub(crate) fn state_for(&self, operation: &Operation) -> StateKind {
        match operation {
            Operation::CompleteCall { mode: CompletionMode::CampOn, .. } => self.state.kind(),
            Operation::CompleteCall { .. } => self.state_for_completion(),
            _ => self.state.kind(),
        }
    }

    pub(crate) fn state_for_completion(&self) -> StateKind {
        match &self.state {
            CallState::Busy(BusyMode::Station | BusyMode::Trunk) => StateKind::Busy,
            CallState::Disconnected(end)
                if end.mode == DisconnectMode::Busy && self.origin == hookswitch_spi::Origin::Outbound =>
            {
                StateKind::Busy
            }
            state => state.kind(),
        }
    }
}
