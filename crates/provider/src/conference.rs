//! Conferences on the local mixer: a call of their own without a session, whose members are calls (lineSetupConference and its
//! kin; spec 1.5).
//!
//! While a conference waits or is held, only we are away: its members go on talking, and one that would be alone hears its
//! treatment. Nothing of this is seen in SIP, but that a held call is retrieved before it becomes a member. When one member is
//! left of a connected conference, it dissolves: that call is an ordinary one again.

use crate::call::{Aim, Ask, Call, Facts};
use crate::core::Core;
use crate::dial;
use crate::physical;
use crate::role::{Conference, Role};
use hookswitch_machine::Time;
use hookswitch_media::negotiate::MediaSession;
use hookswitch_spi::{
    AddressId, CallId, CallState, Completion, ConsultOptions, Feature, LineId, OperationError, Origin,
    Outcome, Party, PhysicalCallId, Reason, StateKind,
};

/// What can be asked of a conference call.
const OF_CONFERENCES: [Feature; 20] = [
    Feature::Drop,
    Feature::Hold,
    Feature::Retrieve,
    Feature::SwapHold,
    Feature::PrepareAddToConference,
    Feature::AddToConference,
    Feature::SetMediaType,
    Feature::SetCallData,
    Feature::SetAppSpecific,
    Feature::ReleaseUserInfo,
    Feature::SendDigits,
    Feature::SendTone,
    Feature::StopSending,
    Feature::GatherDigits,
    Feature::StopGathering,
    Feature::MonitorDigits,
    Feature::SetMediaControl,
    Feature::Play,
    Feature::Record,
    Feature::Statistics,
];

/// What can be asked of a call that is on its way into a conference.
const OF_CALLS_ON_THEIR_WAY: [Feature; 10] = [
    Feature::Drop,
    Feature::SetCallData,
    Feature::SetAppSpecific,
    Feature::MonitorDigits,
    Feature::MonitorTones,
    Feature::MonitorMedia,
    Feature::SetMediaControl,
    Feature::StopSending,
    Feature::StopGathering,
    Feature::Statistics,
];

impl Core {
    /// Whether a call's part in a conference lets this be asked of it, or the error.
    pub(crate) fn fits_role(&self, id: CallId, feature: Feature) -> Result<(), OperationError> {
        let Some(call) = self.calls.get(id) else { return Ok(()) };
        let state = call.state.kind();
        let wrong = || Err(OperationError::InvalidCallState { operation: feature.name(), state });
        match self.role(id) {
            Some(Role::Conference(conference)) => {
                let most = self.line(call.line).map_or(0, |line| line.capabilities.max_conference);
                match feature {
                    Feature::PrepareAddToConference | Feature::AddToConference
                        if conference.members.len() >= usize::from(most) =>
                    {
                        Err(OperationError::ConferenceFull(most))
                    }
                    Feature::Retrieve if conference.members.is_empty() => wrong(),
                    _ if OF_CONFERENCES.contains(&feature) => Ok(()),
                    _ => wrong(),
                }
            }
            Some(Role::Member { .. }) if feature == Feature::GatherDigits => wrong(),
            Some(Role::Joining { .. } | Role::Promised(_)) if !OF_CALLS_ON_THEIR_WAY.contains(&feature) => {
                wrong()
            }
            Some(Role::Consultation(_)) if feature == Feature::SetupConference => wrong(),
            Some(Role::Member { .. } | Role::Joining { .. } | Role::Promised(_) | Role::Consultation(_))
            | None => match feature {
                Feature::PrepareAddToConference | Feature::AddToConference => {
                    Err(OperationError::NoConference(id))
                }
                _ => Ok(()),
            },
        }
    }

    /// Begins a conference: with a first member or without, and with a consultation call. The request completes, and then all this
    /// is told.
    pub(crate) fn setup_conference(
        &mut self,
        now: Time,
        ask: &mut Ask,
        (line, address): (LineId, AddressId),
        first: Option<CallId>,
        consult: ConsultOptions,
    ) -> Result<CallId, OperationError> {
        if let Some(first) = first {
            let call = self.calls.get(first).ok_or(OperationError::NoSuchCall(first))?;
            if call.line != line {
                return Err(OperationError::InvalidParameter("the call is not on that line".into()));
            }
            self.can_join(first, call)?;
        }
        self.can_consult(line, address, &consult, 2)?;
        let of = self.new_conference(line, address, Conference::default());
        let consultation = self.consult_for(now, of, consult);
        if let Some(completion) = ask.0.take() {
            let outcome = Outcome::Conference { conference: of, consult: Some(consultation) };
            self.complete(completion, Ok(outcome));
        }
        self.open_conference(of);
        if let Some(first) = first {
            self.become_member(of, first);
        }
        self.set_parts(of);
        self.begin(now, consultation, None);
        Ok(of)
    }

    /// Calls another party for a connected conference, which waits for it.
    pub(crate) fn prepare_add_to_conference(
        &mut self,
        now: Time,
        ask: &mut Ask,
        of: CallId,
        consult: ConsultOptions,
    ) -> Result<CallId, OperationError> {
        let call = self.calls.get(of).ok_or(OperationError::NoSuchCall(of))?;
        let (line, address) = (call.line, call.address);
        if self.conference(of).is_some_and(|conference| conference.consultation.is_some()) {
            return Err(OperationError::Failed(
                "the conference still has a consultation call; add or drop that first".into(),
            ));
        }
        self.can_consult(line, address, &consult, 1)?;
        let consultation = self.consult_for(now, of, consult);
        if let Some(completion) = ask.0.take() {
            self.complete(completion, Ok(Outcome::Call(consultation)));
        }
        self.enter(of, CallState::OnHoldPendingConference);
        self.set_parts(of);
        self.begin(now, consultation, None);
        Ok(consultation)
    }

    /// Makes a call a member: at once, or when it is retrieved.
    pub(crate) fn add_to_conference(
        &mut self,
        now: Time,
        ask: &mut Ask,
        of: CallId,
        member: CallId,
    ) -> Result<(), OperationError> {
        let line = self.calls.get(of).map(|call| call.line);
        let call = self.calls.get(member).ok_or(OperationError::NoSuchCall(member))?;
        let consulted = match self.role(member) {
            None => false,
            Some(Role::Consultation(other)) if *other == of => true,
            Some(
                Role::Consultation(_)
                | Role::Conference(_)
                | Role::Member { .. }
                | Role::Joining { .. }
                | Role::Promised(_),
            ) => return Err(OperationError::NotConsultation(member)),
        };
        if Some(call.line) != line {
            return Err(OperationError::NotConsultation(member));
        }
        self.can_join(member, call)?;
        if call.state.kind() == StateKind::OnHold {
            self.hold(now, ask, member, Aim::Join)?;
            self.set_role(member, Some(Role::Joining { of, consulted }));
            return Ok(());
        }
        self.add(of, member);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    /// Takes a member out: it is where it was before, or has come to since.
    pub(crate) fn remove_from_conference(
        &mut self,
        ask: &mut Ask,
        member: CallId,
    ) -> Result<(), OperationError> {
        let of = self.conference_of(member).ok_or(OperationError::NoConference(member))?;
        self.leave(of, member);
        self.one_less(of);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    /// The two calls of a transfer and ourselves become a conference (lineCompleteTransfer): once the held one is retrieved.
    pub(crate) fn join_in_conference(
        &mut self,
        now: Time,
        ask: &mut Ask,
        held: CallId,
        consult: CallId,
    ) -> Result<CallId, OperationError> {
        self.can_complete(held, consult)?;
        let call = self.calls.get(held).ok_or(OperationError::NoSuchCall(held))?;
        let other = self.calls.get(consult).ok_or(OperationError::NoSuchCall(consult))?;
        let (line, address) = (call.line, call.address);
        if other.state.kind() == StateKind::Busy {
            let (operation, state) = (Feature::CompleteTransfer.name(), StateKind::Busy);
            return Err(OperationError::InvalidCallState { operation, state });
        }
        self.room_for_calls(line, 1)?;
        self.hold(now, ask, held, Aim::Join)?;
        let joins = Some((held, consult));
        let of = self.new_conference(line, address, Conference { joins, ..Conference::default() });
        self.set_role(held, Some(Role::Joining { of, consulted: false }));
        self.set_role(consult, Some(Role::Promised(of)));
        Ok(of)
    }

    /// Holds or takes back a conference: nothing but our own part in it changes.
    pub(crate) fn change_conference(
        &mut self,
        now: Time,
        of: CallId,
        completion: Option<Completion>,
        aim: Aim,
    ) {
        match aim {
            Aim::Hold | Aim::Consult(_) => {
                self.enter(of, CallState::OnHold);
                self.set_parts(of);
                self.complete(completion, Ok(Outcome::Done));
            }
            Aim::SwapOut(other) => {
                let waits = self.conference(of).is_some_and(|c| c.consultation == Some(other));
                self.enter(of, if waits { CallState::OnHoldPendingConference } else { CallState::OnHold });
                self.set_parts(of);
                self.go_on(now, other, completion, Aim::SwapIn(of));
            }
            Aim::Retrieve => {
                let waits = self.calls.get(of).is_some_and(|c| c.state == CallState::OnHoldPendingConference);
                let conference = self.conference_mut(of).filter(|_| waits);
                if let Some(consultation) = conference.and_then(|conference| conference.consultation.take()) {
                    // The consultation is over (lineUnhold).
                    self.set_role(consultation, None);
                    self.dismiss(now, consultation);
                }
                self.resume(of);
                self.complete(completion, Ok(Outcome::Done));
            }
            Aim::SwapIn(_) | Aim::Return | Aim::Bridge(_) | Aim::Join | Aim::Change => {
                self.resume(of);
                self.complete(completion, Ok(Outcome::Done));
            }
        }
    }

    /// Dropping a conference drops its members.
    pub(crate) fn drop_conference(&mut self, now: Time, ask: &mut Ask, of: CallId) {
        self.disband(now, of);
        self.finish(of);
        self.done(ask, Outcome::Done);
    }

    /// A call that was to become a member has been retrieved.
    pub(crate) fn retrieved_to_join(&mut self, id: CallId, completion: Option<Completion>) {
        let mode = self.connected_mode(id);
        let (of, consulted) = match self.role(id) {
            Some(Role::Joining { of, consulted }) => (*of, *consulted),
            _ => return self.joins_nothing(id, completion, OperationError::CallEnded),
        };
        self.set_role(id, consulted.then_some(Role::Consultation(of)));
        match self.conference_mut(of).map(|conference| conference.joins.take()) {
            Some(Some((held, consult))) => {
                self.part(held);
                let outcome = Outcome::Conference { conference: of, consult: None };
                self.complete(completion, Ok(outcome));
                self.open_conference(of);
                self.become_member(of, held);
                self.become_member(of, consult);
                self.remember(held, CallState::Connected(mode));
                self.resume(of);
            }
            Some(None) => match self.fits_role(of, Feature::AddToConference) {
                Ok(()) => {
                    self.add(of, id);
                    self.remember(id, CallState::Connected(mode));
                    self.complete(completion, Ok(Outcome::Done));
                }
                Err(error) => self.joins_nothing(id, completion, error),
            },
            None => self.joins_nothing(id, completion, OperationError::CallEnded),
        }
    }

    /// The conference ended, or was filled, while a call was retrieved for it.
    fn joins_nothing(&mut self, id: CallId, completion: Option<Completion>, error: OperationError) {
        self.enter(id, CallState::Connected(self.connected_mode(id)));
        self.part(id);
        self.complete(completion, Err(error));
    }

    /// A call that was to become a member could not be retrieved.
    pub(crate) fn not_retrieved(&mut self, now: Time, id: CallId) {
        let Some(Role::Joining { of, consulted }) = self.role(id) else { return };
        let (of, consulted) = (*of, *consulted);
        self.set_role(id, consulted.then_some(Role::Consultation(of)));
        self.unmake(now, of);
    }

    /// A consultation call for a conference, which nobody knows of yet.
    fn consult_for(&mut self, now: Time, of: CallId, consult: ConsultOptions) -> CallId {
        let (line, address, physical) = self
            .calls
            .get(of)
            .map_or((LineId(0), AddressId(0), 0), |call| (call.line, call.address, call.facts.physical));
        let consultation = self.new_consultation(now, line, address, PhysicalCallId(physical), consult);
        self.set_role(consultation, Some(Role::Consultation(of)));
        if let Some(conference) = self.conference_mut(of) {
            conference.consultation = Some(consultation);
        }
        consultation
    }

    /// Whether a consultation call could be made, and so many new calls be had.
    fn can_consult(
        &self,
        line_id: LineId,
        address: AddressId,
        consult: &ConsultOptions,
        number: u32,
    ) -> Result<(), OperationError> {
        let line = self.line(line_id).ok_or(OperationError::NoSuchLine(line_id))?;
        if address.0 >= line.addresses() {
            return Err(OperationError::InvalidParameter(format!("the line has no {address}")));
        }
        dial::dialled(&consult.destination, &line.account.domain)?;
        self.can_make(line_id)?;
        self.room_for_calls(line_id, number)
    }

    /// Whether nothing is on its way in a call that would be lost if it became a member.
    fn can_join(&self, id: CallId, call: &Call) -> Result<(), OperationError> {
        if call.partner().is_some() || call.is_leaving() {
            return Err(OperationError::Failed(
                "a transfer of this call is being prepared; complete it as a conference, or end it".into(),
            ));
        }
        self.can_change(id)
    }

    fn room_for_calls(&self, line: LineId, number: u32) -> Result<(), OperationError> {
        let line = self.line(line).ok_or(OperationError::NoSuchLine(line))?;
        let most = line.capabilities.max_calls;
        if line.calls + number > most { Err(OperationError::TooManyCalls(most)) } else { Ok(()) }
    }

    /// A conference that nobody knows of yet.
    fn new_conference(&mut self, line_id: LineId, address: AddressId, conference: Conference) -> CallId {
        let own =
            self.line(line_id).map(|line| Party::known(line.uri(address), line.account.display_name.clone()));
        let facts = Facts {
            physical: physical::number(self.entropy.next_u64()),
            reason: Reason::Direct,
            caller: own.unwrap_or_default(),
            called: Party::default(),
            connected: Party::default(),
            redirecting: Party::default(),
            redirection: Party::default(),
            call_id: Box::default(),
            target: Box::default(),
            session: None,
        };
        let media = MediaSession::new(self.entropy.next_u64());
        let mut call = Call::new((line_id, address), Origin::Conference, self.now, media, facts);
        call.embryo = true;
        call.extra().role = Some(Role::Conference(conference));
        let id = self.calls.insert(call);
        if let Some(line) = self.line_mut(line_id) {
            line.kept += 1;
        }
        self.recount(id);
        id
    }
}
