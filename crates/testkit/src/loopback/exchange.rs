//! The exchange: its lines, its legs, its requests; and the primitives with which everything else changes them.

use super::agenda::{Agenda, Task};
use super::callback::Waiting;
use super::faults::Fault;
use super::leg::{Leg, Other, Part, Taken};
use super::line::Line;
use super::park::Parked;
use super::script::Script;
use super::stranger::{Noticed, PartyId, Stranger, octets};
use super::table::may_follow;
use super::{LoopbackLine, versions};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, CallCounts, CallId, CallInfo, CallState, Completion, CompletionId, Completions, Disconnect,
    EndedBy, GatherEnd, InfoParts, InterfaceVersion, LineId, MediaTrigger, Operation, OperationError,
    Outcome, PhysicalCallId, ProviderEvent, RequestId, StateKind, StatusKind, TransferOutcome, UserInfo,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// So many parties outside are remembered after their calls.
const REMEMBERED_MOST: usize = 1_024;

/// A request that was accepted and has not completed.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) line: LineId,
    pub(crate) call: Option<CallId>,
    pub(crate) operation: Operation,
    /// The calls that it creates.
    pub(crate) creates: Vec<CallId>,
    pub(crate) completion: Completion,
}

/// An exchange in memory; see the folder's documentation. It is a [`Provider`](hookswitch_spi::Provider), and has further
/// methods with which a test plays the world outside.
#[derive(Debug, Default)]
pub struct Loopback {
    pub(crate) lines: BTreeMap<LineId, Line>,
    pub(crate) legs: BTreeMap<CallId, Leg>,
    pub(crate) strangers: BTreeMap<PartyId, Stranger>,
    pub(crate) orbits: BTreeMap<u32, Parked>,
    pub(crate) waiting: BTreeMap<CompletionId, Waiting>,
    pub(crate) asked: BTreeMap<RequestId, Asked>,
    pub(crate) completions: Completions,
    pub(crate) agenda: Agenda,
    pub(crate) script: Script,
    pub(crate) events: VecDeque<ProviderEvent>,
    pub(crate) latency: Duration,
    pub(crate) busy_tone: Duration,
    pub(crate) recall_after: Duration,
    /// The time of the step that is being done.
    pub(crate) now: Time,
    /// The version of the session; none without one.
    pub(crate) session: Option<InterfaceVersion>,
    /// The configuration of the next session.
    pub(crate) pending: Option<Vec<LoopbackLine>>,
    pub(crate) faults: BTreeSet<Fault>,
    pub(crate) minted_lines: u32,
    pub(crate) minted: u64,
}

impl Loopback {
    pub(crate) fn broken(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    pub(crate) fn mint(&mut self) -> u64 {
        self.minted += 1;
        self.minted
    }

    pub(crate) fn mint_physical(&mut self) -> PhysicalCallId {
        PhysicalCallId(self.mint())
    }

    pub(crate) fn after(&mut self, wait: Duration, task: Task) {
        self.agenda.add(self.now + wait, task);
    }

    pub(crate) fn calls_of(&self, line: LineId) -> Vec<CallId> {
        self.legs.iter().filter(|(_, leg)| leg.line == line).map(|(call, _)| *call).collect()
    }

    pub(crate) fn state_of(&self, call: CallId) -> Option<StateKind> {
        self.legs.get(&call).map(|leg| leg.state.kind())
    }

    /// The version that a line was opened with.
    pub(crate) fn version(&self, line: LineId) -> InterfaceVersion {
        let open = self.lines.get(&line).and_then(|line| line.open);
        match open {
            Some(open) if !self.broken(Fault::TellsNewConstants) => open.version,
            Some(_) | None => InterfaceVersion::V1,
        }
    }

    /// A new call, of which nobody has heard.
    pub(crate) fn add_leg(&mut self, info: CallInfo, taken: Taken) -> CallId {
        let call = CallId::minted(0, self.mint());
        let mut leg = Leg::new(self.now, info, taken);
        leg.rest.config = self.lines.get(&leg.line).map(|line| line.config.clone());
        self.legs.insert(call, leg);
        call
    }

    /// Whoever asked for a call may hear of it now.
    pub(crate) fn born(&mut self, call: CallId) {
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.embryo = false;
        }
    }

    /// A call enters a state, and says so.
    ///
    /// # Panics
    /// If the state cannot follow: the exchange itself is wrong then.
    pub(crate) fn enter(&mut self, call: CallId, state: CallState) {
        let faulty = !self.faults.is_empty();
        let Some(leg) = self.legs.get_mut(&call) else { return };
        if leg.state == state {
            return;
        }
        let (from, to) = (leg.state.kind(), state.kind());
        assert!(faulty || may_follow(from, to), "{call}: {to} cannot follow {from}");
        let before = std::mem::replace(&mut leg.state, state.clone());
        leg.since = self.now;
        let (known, media, line, address) = (leg.is_known(), leg.info.media, leg.line, leg.address);
        let version = self.version(line);
        let told = versions::state(version, state);
        if (known) && versions::state(version, before) != told {
            self.say(line, ProviderEvent::CallState { call, state: told, media });
        }
        self.count(line, address);
        if !matches!(to, StateKind::Proceeding | StateKind::Ringback | StateKind::Busy) {
            self.leave_queue(call);
        }
        if from != to {
            self.set_off(call, |trigger| *trigger == MediaTrigger::State(to));
        }
    }

    /// Tells something that cannot be turned off.
    fn say(&mut self, line: LineId, event: ProviderEvent) {
        let deaf = self.lines.get(&line).and_then(|line| line.open).is_some_and(|open| open.told.is_empty());
        if !(deaf && self.broken(Fault::SilencesCalls)) {
            self.events.push_back(event);
        }
    }

    /// Tells a change of a line, if anybody wants to hear of its kind.
    pub(crate) fn tell(&mut self, line: LineId, kind: StatusKind, event: ProviderEvent) {
        if self.lines.get(&line).is_some_and(|line| line.tells(kind)) {
            self.events.push_back(event);
        }
    }

    /// The calls of a line, or of one of its addresses, that have not ended.
    pub(crate) fn counts(&self, line: LineId, address: Option<AddressId>) -> CallCounts {
        let mut counts = CallCounts::default();
        let unborn = self.broken(Fault::CountsTheUnborn);
        let there = |leg: &&Leg| {
            leg.line == line && address.is_none_or(|address| leg.address == address) && leg.is_up()
        };
        for leg in self.legs.values().filter(there).filter(|leg| leg.is_known() || unborn) {
            match leg.state.kind() {
                StateKind::OnHold if self.broken(Fault::MiscountsCalls) => {}
                StateKind::OnHold => counts.held += 1,
                StateKind::OnHoldPendingTransfer | StateKind::OnHoldPendingConference => counts.pending += 1,
                _ => counts.active += 1,
            }
        }
        counts
    }

    /// Tells the number of calls at an address, if it has changed.
    pub(crate) fn count(&mut self, line: LineId, address: AddressId) {
        if !self.lines.get(&line).is_some_and(|line| line.tells(StatusKind::CallCount)) {
            return;
        }
        let calls = self.counts(line, Some(address));
        let counted = self.lines.get_mut(&line).and_then(|l| l.counted.get_mut(usize::from(address.0)));
        if let Some(counted) = counted.filter(|counted| **counted != calls) {
            *counted = calls;
            self.events.push_back(ProviderEvent::CallCount { line, address, calls });
        }
    }

    /// Parts of a call's information change.
    pub(crate) fn with_info(&mut self, call: CallId, changed: InfoParts, change: impl FnOnce(&mut CallInfo)) {
        let late = self.broken(Fault::InfoAfterIdle);
        let Some(leg) = self.legs.get_mut(&call) else { return };
        change(&mut leg.info);
        if leg.is_known() && (late || leg.state != CallState::Idle) {
            self.events.push_back(ProviderEvent::CallInfo { call, changed });
        }
    }

    /// What is at the other end of an end.
    pub(crate) fn other_of(&self, end: Other) -> Other {
        match end {
            Other::Leg(call) => self.legs.get(&call).map_or(Other::Nobody, |leg| leg.other),
            Other::Stranger(id) => self.strangers.get(&id).map_or(Other::Nobody, |party| party.other),
            Other::Orbit(orbit) => self.orbits.get(&orbit).map_or(Other::Nobody, |parked| parked.other),
            Other::Nobody => Other::Nobody,
        }
    }

    fn set_other(&mut self, end: Other, to: Other) {
        match end {
            Other::Leg(call) => {
                if let Some(leg) = self.legs.get_mut(&call) {
                    leg.other = to;
                }
            }
            Other::Stranger(id) => {
                if let Some(party) = self.strangers.get_mut(&id) {
                    party.other = to;
                }
            }
            Other::Orbit(orbit) => {
                if let Some(parked) = self.orbits.get_mut(&orbit) {
                    parked.other = to;
                }
            }
            Other::Nobody => {}
        }
    }

    /// Connects two ends, whatever they were connected with before.
    pub(crate) fn link(&mut self, one: Other, other: Other) {
        self.unlink(one);
        self.unlink(other);
        self.set_other(one, other);
        self.set_other(other, one);
    }

    /// Takes an end off; returns what was at the other end.
    pub(crate) fn unlink(&mut self, end: Other) -> Other {
        let other = self.other_of(end);
        self.set_other(end, Other::Nobody);
        if self.other_of(other) == end {
            self.set_other(other, Other::Nobody);
        }
        other
    }

    /// A party outside notices something.
    pub(crate) fn notes(&mut self, end: Other, what: Noticed) {
        if let Other::Stranger(id) = end
            && let Some(party) = self.strangers.get_mut(&id)
        {
            party.note(what);
        }
    }

    /// A party outside is let go: we hang up on it, or give up calling it.
    pub(crate) fn let_go(&mut self, id: PartyId, user_info: Option<&UserInfo>) {
        if let Some(party) = self.strangers.get_mut(&id).filter(|party| !party.gone) {
            match (party.present, party.silent) {
                (true, _) => party.note(Noticed::HungUp(octets(user_info))),
                (false, false) => party.note(Noticed::Cancelled),
                // Nothing goes out to somebody who has not said a word (RFC 3261 9.1).
                (false, true) => {}
            }
        }
        self.remove_stranger(id);
    }

    /// A call that never came to be.
    pub(crate) fn discard(&mut self, call: CallId) {
        if let Other::Stranger(id) = self.unlink(Other::Leg(call)) {
            self.let_go(id, None);
        }
        self.legs.remove(&call);
    }

    /// A call is ended by its other side or the network: it is disconnected until its owner drops it.
    pub(crate) fn end(&mut self, call: CallId, end: Disconnect) {
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_up()) else { return };
        let decides = leg.decides.take();
        let (taken, embryo) = (leg.taken, leg.embryo);
        let refused =
            OperationError::Refused { status: end.status.unwrap_or(487), reason: end.mode.name().into() };
        let waits = leg.rest.completes.take();
        let by_peer = end.by == EndedBy::Peer;
        if let Other::Stranger(id) = self.unlink(Other::Leg(call)) {
            self.let_go(id, None);
        }
        if let Some(transfer) = waits {
            self.complete(transfer, Err(refused));
        }
        self.finish_media(call);
        self.enter(call, CallState::Disconnected(end));
        if by_peer {
            self.transfers_lost_sight_of(call);
        }
        self.fail_all(call, &OperationError::CallEnded, |operation| {
            !matches!(operation, Operation::Drop { .. })
        });
        if let Some(transfer) = decides {
            self.complete(transfer, Err(OperationError::CallEnded));
        }
        self.leave(call);
        if self.broken(Fault::IdleWithoutDrop) {
            self.enter(call, CallState::Idle);
        }
        // Nobody has taken it, and nobody is being asked: it never was.
        if let Taken::Waits { refused: 1.. } = taken
            && !embryo
            && !self.broken(Fault::OffersEverything)
        {
            self.legs.remove(&call);
        }
        self.look_for_free_soon();
    }

    /// A transfer whose party hung up early is as good as known.
    fn transfers_lost_sight_of(&mut self, call: CallId) {
        let about = self.asked.iter().filter(|(_, asked)| {
            asked.call == Some(call) && matches!(asked.operation, Operation::BlindTransfer { .. })
        });
        let about: Vec<_> = about.map(|(request, _)| *request).collect();
        for request in about {
            self.withdraw_transfer(request);
            self.complete(request, Ok(Outcome::Transferred(TransferOutcome::Unknown)));
        }
    }

    /// What belongs to several calls learns that one of them is over: its conference, whoever consulted or was consulted.
    pub(crate) fn leave(&mut self, call: CallId) {
        let holding = self.legs.iter().filter(|(_, leg)| leg.consults() == Some(call)).map(|(id, _)| *id);
        let holding: Vec<_> = holding.collect();
        for consult in holding {
            if let Some(leg) = self.legs.get_mut(&consult) {
                leg.part = Part::Plain;
            }
        }
        self.leave_conference(call);
    }

    /// Ends what is at the other end of a call that is over; `unlinked` is what was there.
    pub(crate) fn end_other(&mut self, unlinked: Other, end: Disconnect, user_info: Option<&UserInfo>) {
        match unlinked {
            Other::Nobody => {}
            Other::Leg(other) => self.end(other, end),
            Other::Stranger(id) => self.let_go(id, user_info),
            Other::Orbit(orbit) => {
                self.orbits.remove(&orbit);
            }
        }
    }

    /// A party outside is gone, and one it talked to outside too.
    pub(crate) fn remove_stranger(&mut self, id: PartyId) {
        let other = self.unlink(Other::Stranger(id));
        let both = match other {
            Other::Stranger(other) => [Some(id), Some(other)],
            Other::Orbit(orbit) => {
                self.orbits.remove(&orbit);
                [Some(id), None]
            }
            Other::Leg(_) | Other::Nobody => [Some(id), None],
        };
        for id in both.into_iter().flatten() {
            if let Some(party) = self.strangers.get_mut(&id) {
                party.gone = true;
            }
        }
        while self.strangers.len() > REMEMBERED_MOST {
            let oldest = self.strangers.iter().find(|(_, party)| party.gone).map(|(id, _)| *id);
            let Some(oldest) = oldest else { return };
            self.strangers.remove(&oldest);
        }
    }

    /// Completes a request, once.
    pub(crate) fn complete(&mut self, request: RequestId, result: Result<Outcome, OperationError>) {
        if self.broken(Fault::NeverCompletes)
            && self.asked.get(&request).is_some_and(|a| matches!(a.operation, Operation::Hold { .. }))
        {
            return;
        }
        let Some(mut asked) = self.asked.remove(&request) else { return };
        if self.broken(Fault::MixesUpResults)
            && let Some(another) = self.asked.values_mut().next()
        {
            std::mem::swap(&mut asked.completion, &mut another.completion);
        }
        let failed = result.is_err();
        if self.broken(Fault::CompletesTwice) {
            self.events.push_back(ProviderEvent::Completed { request, result: result.clone() });
        }
        let completed = asked.completion.complete(result);
        if self.broken(Fault::CompletesOutOfOrder) {
            self.events.push_front(completed);
        } else {
            self.events.push_back(completed);
        }
        if failed {
            match asked.operation {
                Operation::BlindTransfer { call, .. } => {
                    self.withdraw_transfer(request);
                    if self.broken(Fault::FailedTransferEndsCall) {
                        self.release(call, 486, None);
                    }
                }
                Operation::CompleteTransfer { .. } => self.withdraw_transfer(request),
                _ => {}
            }
            for call in asked.creates {
                if self.broken(Fault::TellsOfFailedCalls) {
                    self.born(call);
                    self.enter(call, CallState::Idle);
                }
                self.discard(call);
            }
        }
    }

    /// Whoever was asked to take a transferred call is no longer asked.
    fn withdraw_transfer(&mut self, request: RequestId) {
        let target = self.legs.iter().find(|(_, leg)| leg.decides == Some(request)).map(|(call, _)| *call);
        if let Some(target) = target {
            if let Some(leg) = self.legs.get_mut(&target) {
                leg.decides = None;
            }
            let mode = hookswitch_spi::DisconnectMode::Cancelled;
            self.end(target, Disconnect::new(mode, EndedBy::Peer, "transfer withdrawn"));
        }
        let waits = self.legs.values_mut().find(|leg| leg.rest.completes == Some(request));
        if let Some(leg) = waits {
            leg.rest.completes = None;
        }
    }

    /// Completes what is outstanding on a call with an error, as far as it is of that kind.
    pub(crate) fn fail_all(
        &mut self,
        call: CallId,
        error: &OperationError,
        which: impl Fn(&Operation) -> bool,
    ) {
        let about = self.asked.iter().filter(|(_, asked)| {
            (asked.call == Some(call)
                || asked.operation.other_call() == Some(call)
                || asked.creates.contains(&call))
                && which(&asked.operation)
        });
        let about: Vec<_> = about.map(|(request, _)| *request).collect();
        for request in about {
            self.complete(request, Err(error.clone()));
        }
    }

    /// Nothing is sent or collected on a call that has ended.
    pub(crate) fn finish_media(&mut self, call: CallId) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let (gather, sending) = (leg.rest.gather.take(), leg.rest.sending.take());
        if let Some(gather) = gather {
            let outcome = Outcome::Gathered { digits: gather.digits, ended: GatherEnd::Cancelled };
            self.complete(gather.request, Ok(outcome));
        }
        if let Some(sending) = sending {
            self.complete(sending.request, Err(OperationError::CallEnded));
        }
    }
}
