//! Transfers: with a consultation call first, or blind.

use super::agenda::Task;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other, Part};
use super::route::Found;
use super::script::Outside;
use super::stranger::{Noticed, Stranger};
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
                let other = self.other_of(Other::Leg(call));
                let with = self.other_of(Other::Leg(consult));
                let to = self.party_at(with).address;
                let in_place_of = match with {
                    Other::Stranger(id) => Some(id),
                    Other::Leg(_) | Other::Orbit(_) | Other::Nobody => None,
                };
                self.notes(other, Noticed::Transferred(to, in_place_of));
                if let Some(status @ (0 | 300..)) = self.transfer_says(other) {
                    let status = if status == 0 { 603 } else { status };
                    let error = OperationError::Refused { status, reason: "refused".into() };
                    return self.complete(request, Err(error));
                }
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
            self.notes(end, Noticed::Joined);
            self.finish_media(call);
            self.enter(call, CallState::Idle);
            self.fail_all(call, &OperationError::CallEnded, |_| true);
        }
        if !self.broken(Fault::TransferJoinsNobody) {
            self.join(one, other);
        }
        self.look_for_free_soon();
    }

    /// What a party outside makes of being transferred, if it was told.
    fn transfer_says(&self, end: Other) -> Option<u16> {
        match end {
            Other::Stranger(id) => self.strangers.get(&id)?.transfer,
            Other::Leg(_) | Other::Orbit(_) | Other::Nobody => None,
        }
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
        self.notes(other, Noticed::Transferred(to.into(), None));
        let says = self.transfer_says(other);
        if says == Some(0) {
            return self.complete(request, refused(603, "Decline"));
        }
        match self.find(to, &caller) {
            Found::Nobody(refusal) => match (other, says.unwrap_or(200)) {
                // Parties outside know each other.
                (Other::Stranger(_), 200..=299) => {
                    let latency = self.latency;
                    self.after(latency, Task::TransferAnswered(request));
                }
                (Other::Stranger(_), status) => {
                    let latency = self.latency;
                    self.after(latency, Task::TransferRefused(request, status));
                }
                (Other::Leg(_) | Other::Orbit(_) | Other::Nobody, _) => {
                    return self.complete(request, refused(refusal.status, "nobody there"));
                }
            },
            Found::Elsewhere(..) => return self.complete(request, refused(302, "Moved Temporarily")),
            Found::Outside(_, Outside::Answers(after)) => {
                self.after(after, Task::TransferAnswered(request));
            }
            Found::Outside(_, Outside::Rings | Outside::Silent | Outside::Proceeds | Outside::MovedTo(_)) => {
            }
            Found::Outside(_, Outside::RefusesAtOnce(refusal)) => {
                return self.complete(request, refused(refusal.status, "refused by the target"));
            }
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
        self.notes(other, Noticed::Joined);
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
