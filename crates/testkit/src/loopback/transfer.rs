//! Transfers: with a consultation call first, or blind.

use super::agenda::Task;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other, Part};
use super::route::Found;
use super::script::Outside;
use super::stranger::{Fate, Stranger};
use hookswitch_spi::{
    CallId, CallState, ConsultOptions, InfoParts, Operation, OperationError, Outcome, Party, Reason,
    RequestId, TransferMode, TransferOutcome,
};
use std::time::Duration;

impl Loopback {
    /// A consultation call for a held call, of which nobody has heard yet.
    pub(crate) fn conceive_consult(&mut self, held: CallId, consult: &ConsultOptions) -> Option<CallId> {
        let leg = self.legs.get(&held)?;
        let (line, address, physical) = (leg.line, leg.address, leg.info.physical);
        let call = self.conceive(line, address, &consult.destination, consult.call.clone());
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.part = Part::Consults(held);
            leg.info.related = Some(physical);
        }
        Some(call)
    }

    pub(crate) fn setup_transfer(&mut self, request: RequestId, call: CallId, consult: &ConsultOptions) {
        let Some(new) = self.created(request) else { return };
        self.born(new);
        if self.broken(Fault::EventBeforeCompletion) {
            self.start(new, &consult.destination);
        }
        self.complete(request, Ok(Outcome::Call(new)));
        self.hold(call, CallState::OnHoldPendingTransfer);
        if !self.broken(Fault::EventBeforeCompletion) {
            self.start(new, &consult.destination);
        }
    }

    /// The first call that a request creates.
    pub(crate) fn created(&self, request: RequestId) -> Option<CallId> {
        self.asked.get(&request)?.creates.first().copied()
    }

    pub(crate) fn complete_transfer(
        &mut self,
        request: RequestId,
        (call, consult): (CallId, CallId),
        mode: TransferMode,
        deadline: Duration,
    ) {
        if !self.are_paired(call, consult) {
            return self.complete(request, Err(OperationError::NotConsultation(consult)));
        }
        match mode {
            TransferMode::Conference => self.confer(request, call, consult),
            TransferMode::Transfer => {
                match self.legs.get_mut(&consult) {
                    Some(leg) if leg.answered => return self.join_transferred(request),
                    Some(leg) if !matches!(leg.state, CallState::Busy(_)) => {
                        leg.rest.completes = Some(request);
                    }
                    Some(_) | None => {
                        let error = OperationError::Refused { status: 486, reason: "busy".into() };
                        return self.complete(request, Err(error));
                    }
                }
                self.after(deadline, Task::TransferDeadline(request));
            }
        }
    }

    /// The other parties of a held call and its consultation call talk; we are out.
    pub(crate) fn join_transferred(&mut self, request: RequestId) {
        let Some((call, consult)) = self.asked.get(&request).and_then(|asked| match asked.operation {
            Operation::CompleteTransfer { call, consult, .. } => Some((call, consult)),
            _ => None,
        }) else {
            return;
        };
        self.complete(request, Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
        for one in [call, consult] {
            if let Some(leg) = self.legs.get_mut(&one) {
                leg.part = Part::Plain;
            }
        }
        let one = self.unlink(Other::Leg(call));
        let other = self.unlink(Other::Leg(consult));
        for (call, end) in [(call, one), (consult, other)] {
            if matches!(end, Other::Stranger(_)) {
                self.note_fate(call, Fate::Joined);
            }
            self.finish_media(call);
            self.enter(call, CallState::Idle);
            self.fail_all(call, &OperationError::CallEnded, |_| true);
        }
        if !self.broken(Fault::TransferJoinsNobody) {
            self.join(one, other);
        }
        self.look_for_free_soon();
    }

    /// Two ends that were connected with us are connected with each other.
    pub(crate) fn join(&mut self, one: Other, other: Other) {
        self.link(one, other);
        for (end, to) in [(one, other), (other, one)] {
            let Other::Leg(call) = end else { continue };
            if let Some(leg) = self.legs.get_mut(&call) {
                leg.answered = true;
            }
            let party = self.party_at(to);
            self.with_info(call, InfoParts::CONNECTED, |info| info.connected = party);
            self.refresh(call);
        }
    }

    /// Who is at an end.
    pub(crate) fn party_at(&self, end: Other) -> Party {
        match end {
            Other::Leg(call) => self.legs.get(&call).map(|leg| self.caller(leg).party).unwrap_or_default(),
            Other::Stranger(id) => self
                .strangers
                .get(&id)
                .map(|party| Party::known(party.address.clone(), ""))
                .unwrap_or_default(),
            Other::Orbit(_) | Other::Nobody => Party::default(),
        }
    }

    pub(crate) fn transfer(&mut self, request: RequestId, call: CallId, to: &str, deadline: Duration) {
        let Some(leg) = self.legs.get(&call) else { return };
        let refused = |status, reason: &str| Err(OperationError::Refused { status, reason: reason.into() });
        let party = self.party_at(leg.other);
        let uri = party.address.clone();
        let caller = super::route::Caller { party, uri, media: leg.info.media };
        let (physical, other) = (leg.info.physical, leg.other);
        if let Other::Stranger(id) = other
            && self.strangers.get(&id).is_some_and(|party| !party.transferable)
        {
            return self.complete(request, refused(603, "Decline"));
        }
        match self.find(to, &caller) {
            Found::Nobody(refusal) => {
                return self.complete(request, refused(refusal.status, "nobody there"));
            }
            Found::Elsewhere(..) => return self.complete(request, refused(302, "Moved Temporarily")),
            Found::Outside(_, Outside::Answers(after)) => {
                self.after(after, Task::TransferAnswered(request));
            }
            Found::Outside(_, Outside::Rings | Outside::Silent | Outside::MovedTo(_)) => {}
            Found::Outside(_, Outside::Refuses(status, after)) => {
                self.after(after, Task::TransferRefused(request, status));
            }
            Found::Outside(
                _,
                Outside::RingsThenRefuses(refusal, after) | Outside::RefusesWith(refusal, after),
            ) => self.after(after, Task::TransferRefused(request, refusal.status)),
            Found::Line(line, address) => {
                let origin = self.origin_of(line, address, &caller);
                let mut info = leg::info(
                    line,
                    address,
                    physical,
                    origin,
                    caller.media,
                    caller.party.clone(),
                    Party::known(to, ""),
                );
                info.reason = Reason::Transferred;
                let target = self.offer(info, Other::Nobody, 1);
                if let Some(leg) = self.legs.get_mut(&target) {
                    leg.decides = Some(request);
                }
            }
        }
        self.after(deadline, Task::TransferDeadline(request));
    }

    /// A blind transfer has succeeded: our call is over, the other party talks to the target.
    pub(crate) fn transferred(&mut self, request: RequestId, target: Option<CallId>) {
        let Some(asked) = self.asked.get(&request) else { return };
        let Operation::BlindTransfer { call, destination, .. } = asked.operation.clone() else { return };
        if !self.legs.get(&call).is_some_and(Leg::is_up) {
            return;
        }
        self.complete(request, Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
        let other = self.unlink(Other::Leg(call));
        if let Other::Stranger(_) = other {
            self.note_fate(call, Fate::Joined);
        }
        self.finish_media(call);
        self.enter(call, CallState::Idle);
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        self.leave(call);
        let target = match target {
            Some(target) => Other::Leg(target),
            None => Other::Stranger(self.add_stranger(Stranger::new(destination, true))),
        };
        self.join(other, target);
        self.look_for_free_soon();
    }
}
