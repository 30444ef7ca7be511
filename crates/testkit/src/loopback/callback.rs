//! Call completion: a call that was not answered is completed when the called party is free.
//!
//! A called party counts as free when it has been busy since and no call of its is left. Then the completed call is offered to whoever
//! asked for it, and answering it calls the party; or the call that asked has waited (`camping`), and goes out.

use super::agenda::{Search, Task};
use super::camping::Camped;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Other};
use super::script::Outside;
use hookswitch_spi::{
    AddressId, CallId, CallState, CompletionId, CompletionMode, Disconnect, DisconnectMode, EndedBy, LineId,
    LineState, MediaTypes, Origin, Outcome, Party, PhysicalCallId, ProviderEvent, Reason, RejectReason,
    RequestId, StatusKind,
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
    pub(crate) destination: Box<str>,
    attempt: PhysicalCallId,
    media: MediaTypes,
    /// The called party is busy, or has been since.
    pub(crate) was_busy: bool,
    /// The call that waits, if one does.
    pub(crate) camped: Option<Camped>,
}

impl Loopback {
    pub(crate) fn complete_later(&mut self, request: RequestId, call: CallId, mode: CompletionMode) {
        if mode == CompletionMode::CampOn && !self.broken(Fault::CampsOnByCallingBack) {
            return self.camp_on(request, call);
        }
        let Some(completion) = self.arrange_completion(call, None) else { return };
        self.complete(request, Ok(Outcome::Completion(completion)));
        self.drop_call(call, RejectReason::Default, None);
    }

    /// A call completion begins.
    pub(crate) fn arrange_completion(
        &mut self,
        call: CallId,
        camped: Option<Camped>,
    ) -> Option<CompletionId> {
        let leg = self.legs.get(&call)?;
        let waiting = Waiting {
            line: leg.line,
            address: leg.address,
            destination: leg.info.called.address.clone(),
            attempt: leg.info.physical,
            media: leg.info.media,
            was_busy: matches!(leg.state, CallState::Busy(_)),
            camped,
        };
        let completion = CompletionId(u32::try_from(self.mint()).unwrap_or(u32::MAX));
        self.waiting.insert(completion, waiting);
        self.after(WAITED_MOST, Task::Expire(completion));
        Some(completion)
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
            let (was_busy, line, camps) = (waiting.was_busy, waiting.line, waiting.camped.is_some());
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.was_busy |= busy;
            }
            if !was_busy || busy || !self.serves(line) {
                continue;
            }
            if camps && self.is_its_turn(id) {
                self.go_out(id);
            } else if !camps && self.has_room(line, 1) {
                self.offer_completed(id);
            }
        }
    }

    /// Whether calls can be made on a line.
    pub(crate) fn serves(&self, line: LineId) -> bool {
        let entry = self.lines.get(&line);
        entry.is_some_and(|entry| entry.open.is_some() && entry.state == LineState::InService)
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
        let forgets = self.broken(Fault::CampedCallsOutliveCompletion);
        if let Some(over) = self.forget_completion(completion) {
            let line = over.line;
            self.tell(line, StatusKind::Completions, ProviderEvent::CompletionEnded { line, completion });
            let mode = if over.was_busy { DisconnectMode::Busy } else { DisconnectMode::NoAnswer };
            let end = Disconnect::new(mode, EndedBy::Network, "the called party was not free in time");
            if !forgets {
                self.end_camped(&over, end);
            }
        }
    }

    /// A call completion is not wanted any more.
    pub(crate) fn uncomplete(&mut self, request: RequestId, completion: CompletionId) {
        let over = self.forget_completion(completion);
        self.complete(request, Ok(Outcome::Done));
        let end =
            Disconnect::new(DisconnectMode::Cancelled, EndedBy::Us, "its call completion was cancelled");
        if let Some(over) = over.filter(|_| !self.broken(Fault::UncompleteLeavesCall)) {
            self.end_camped(&over, end);
        }
    }

    /// A party outside behaves differently from now on; call completions may go on.
    pub fn outside(&mut self, address: impl Into<Box<str>>, behaviour: Outside) {
        self.script.outside.insert(address.into(), behaviour);
        self.look_for_free_soon();
    }
}
