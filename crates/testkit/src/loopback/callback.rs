//! Call completion: a call that was not answered is completed when the called party is free.
//!
//! A called party counts as free when it has been busy since and no call of its is left. Then the completed call is offered to whoever
//! asked for it; answering it calls the party. Camp on and call back are the same here: the exchange waits in either case.

use super::agenda::{Search, Task};
use super::exchange::Loopback;
use super::leg::{self, Other};
use super::script::Outside;
use hookswitch_spi::{
    AddressId, CallId, CallState, CompletionId, CompletionMode, LineId, LineState, MediaTypes, Origin,
    Outcome, Party, PhysicalCallId, ProviderEvent, Reason, RejectReason, RequestId, StatusKind,
};
use std::time::Duration;

/// So long a callback rings for whoever asked for it.
const CALLS_BACK_FOR: Duration = Duration::from_secs(30);

/// So long a call completion waits.
const WAITED_MOST: Duration = Duration::from_secs(3_600);

/// A call completion that is arranged.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) line: LineId,
    address: AddressId,
    destination: Box<str>,
    attempt: PhysicalCallId,
    media: MediaTypes,
    /// The called party is busy, or has been since.
    was_busy: bool,
}

impl Loopback {
    pub(crate) fn complete_later(&mut self, request: RequestId, call: CallId, _mode: CompletionMode) {
        let Some(leg) = self.legs.get(&call) else { return };
        let waiting = Waiting {
            line: leg.line,
            address: leg.address,
            destination: leg.info.called.address.clone(),
            attempt: leg.info.physical,
            media: leg.info.media,
            was_busy: matches!(leg.state, CallState::Busy(_)),
        };
        let completion = CompletionId(u32::try_from(self.mint()).unwrap_or(u32::MAX));
        self.waiting.insert(completion, waiting);
        self.after(WAITED_MOST, Task::Expire(completion));
        self.complete(request, Ok(Outcome::Completion(completion)));
        self.drop_call(call, RejectReason::Default, None);
    }

    /// Call completions that a line waits for.
    pub(crate) fn completions_of(&self, line: LineId) -> usize {
        self.waiting.values().filter(|waiting| waiting.line == line).count()
    }

    /// Something has changed: perhaps somebody is free.
    pub(crate) fn look_for_free_soon(&mut self) {
        if !self.waiting.is_empty() {
            let latency = self.latency;
            self.after(latency, Task::LookForFree);
        }
    }

    pub(crate) fn look_for_free(&mut self) {
        let all: Vec<_> = self.waiting.keys().copied().collect();
        for id in all {
            let Some(waiting) = self.waiting.get(&id) else { continue };
            let busy = self.is_busy(&waiting.destination);
            let was_busy = waiting.was_busy;
            let line = waiting.line;
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.was_busy |= busy;
            }
            let ready = self
                .lines
                .get(&line)
                .is_some_and(|entry| entry.open.is_some() && entry.state == LineState::InService)
                && self.has_room(line, 1);
            if was_busy && !busy && ready {
                self.offer_completed(id);
            }
        }
    }

    /// Whether a party has a call, or says that it is busy.
    fn is_busy(&self, destination: &str) -> bool {
        if let Some((_, outside)) = self.script.party(destination) {
            let status = match outside {
                Outside::Refuses(status, _) => *status,
                Outside::RefusesWith(refusal, _)
                | Outside::RingsThenRefuses(refusal, _)
                | Outside::RefusesAtOnce(refusal) => refusal.status,
                Outside::Answers(_)
                | Outside::Rings
                | Outside::MovedTo(_)
                | Outside::Proceeds
                | Outside::Silent => 0,
            };
            return matches!(status, 486 | 600);
        }
        let line = self.lines.iter().find(|(_, line)| line.dialled(destination).is_some());
        line.is_some_and(|(id, _)| self.legs.values().any(|leg| leg.line == *id && leg.is_up()))
    }

    fn offer_completed(&mut self, id: CompletionId) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        let physical = self.mint_physical();
        let party = Party::known(waiting.destination.clone(), "");
        let own = self.lines.get(&waiting.line).and_then(|line| line.uri(waiting.address));
        let own = Party::known(own.unwrap_or_default(), "");
        let (line, address) = (waiting.line, waiting.address);
        let mut info = leg::info(line, address, physical, Origin::Inbound, waiting.media, party, own);
        info.reason = Reason::CallCompletion;
        info.completion = Some(id);
        info.related = Some(waiting.attempt);
        let call = self.offer(info, Other::Nobody, 1);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.calls = Some(waiting.destination);
        }
        self.after(CALLS_BACK_FOR, Task::GiveUp(call));
    }

    /// Whoever asked for a completed call has answered it: the other party is called.
    pub(crate) fn call_back(&mut self, call: CallId, destination: &str) {
        self.route(call, Search::direct(destination));
    }

    /// The switch gives a call completion up.
    pub fn end_completion(&mut self, completion: CompletionId) {
        if let Some(waiting) = self.waiting.remove(&completion) {
            let line = waiting.line;
            self.tell(line, StatusKind::Completions, ProviderEvent::CompletionEnded { line, completion });
        }
    }

    /// A party outside behaves differently from now on; call completions may go on.
    pub fn outside(&mut self, address: impl Into<Box<str>>, behaviour: Outside) {
        self.script.outside.insert(address.into(), behaviour);
        self.look_for_free_soon();
    }
}
