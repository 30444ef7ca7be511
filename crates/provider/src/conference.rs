//! Conferences on the local mixer: a call of their own without a session, whose members are calls (lineSetupConference and its
//! kin; spec 1.5).
//!
//! While a conference waits or is held, only we are away: its members go on talking, and one that would be alone hears its
//! treatment. Nothing of this is seen in SIP, but that a held call is retrieved before it becomes a member. When one member is
//! left of a connected conference, it dissolves: that call is an ordinary one again.

use crate::call::{Aim, Ask, Call, Facts, Stream, source};
use crate::core::Core;
use crate::dial;
use crate::physical;
use crate::role::{Conference, Role};
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, MixId, MixPart};
use hookswitch_media::negotiate::MediaSession;
use hookswitch_spi::{
    AddressId, CallId, CallState, Completion, ConnectedMode, ConsultOptions, Disconnect, DisconnectMode,
    EndedBy, Feature, GatherEnd, LineId, OperationError, Origin, Outcome, Party, PhysicalCallId, Reason,
    StateKind,
};

/// What can be asked of a conference call.
const OF_CONFERENCES: [Feature; 19] = [
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
    Feature::Play,
    Feature::Record,
    Feature::Statistics,
];

/// What can be asked of a call that is on its way into a conference.
const OF_CALLS_ON_THEIR_WAY: [Feature; 9] = [
    Feature::Drop,
    Feature::SetCallData,
    Feature::SetAppSpecific,
    Feature::MonitorDigits,
    Feature::MonitorTones,
    Feature::MonitorMedia,
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
            Aim::SwapIn(_) | Aim::Return | Aim::Bridge(_) | Aim::Join => {
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

    /// What becomes of the state that a call enters: a member's is *conferenced* until it ends or leaves.
    pub(crate) fn is_outside_state(&mut self, id: CallId, state: &CallState) -> bool {
        let shows =
            matches!(state.kind(), StateKind::Conferenced | StateKind::Idle | StateKind::Disconnected);
        match self.role_mut(id) {
            Some(Role::Member { outside, .. }) if !shows => {
                *outside = state.clone();
                true
            }
            _ => false,
        }
    }

    /// A call has ended, or is forgotten: its part in a conference ends with it.
    pub(crate) fn parted(&mut self, now: Time, id: CallId) {
        let Some(role) = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()?.role.take()) else {
            return;
        };
        match role {
            Role::Conference(conference) => {
                let known = conference.joins.is_none();
                self.set_role(id, Some(Role::Conference(conference)));
                if known { self.disband(now, id) } else { self.unmake(now, id) }
            }
            Role::Member { of, outside, part } => {
                self.set_role(id, Some(Role::Member { of, outside, part }));
                self.out(of, id);
                self.one_less(of);
            }
            Role::Consultation(of) => {
                if let Some(conference) = self.conference_mut(of) {
                    conference.consultation = None;
                }
                self.nobody_comes(of);
            }
            Role::Joining { of, consulted } => {
                if let Some(conference) = self.conference_mut(of).filter(|_| consulted) {
                    conference.consultation = None;
                }
                self.unmake(now, of);
                self.nobody_comes(of);
            }
            Role::Promised(of) => self.unmake(now, of),
        }
    }

    /// The line is closed: no call has a part in anything any more, and nothing is told.
    pub(crate) fn forget_roles(&mut self, line: LineId) {
        for id in self.calls.on_line(line) {
            if let Some(extra) = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()) {
                extra.role = None;
            }
        }
    }

    /// The conference where a member's digits are heard, else the call itself.
    pub(crate) fn heard_at(&self, id: CallId) -> CallId {
        self.conference_of(id).unwrap_or(id)
    }

    /// The members of a conference, or the call itself.
    pub(crate) fn members_or_self(&self, id: CallId) -> Vec<CallId> {
        self.conference(id).map_or_else(|| vec![id], |conference| conference.members.clone())
    }

    /// What a member does in its mix, as the media threads were told.
    pub(crate) fn part_of(&self, id: CallId) -> Option<MixPart> {
        match self.role(id)? {
            Role::Member { part, .. } => *part,
            Role::Conference(_) | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }

    /// Whether a call stands for a conference.
    pub(crate) fn is_conference(&self, id: CallId) -> bool {
        self.conference(id).is_some()
    }

    /// A call is added: it is *conferenced*, and the conference *connected*.
    fn add(&mut self, of: CallId, member: CallId) {
        if let Some(conference) = self.conference_mut(of) {
            conference.consultation.take_if(|consultation| *consultation == member);
        }
        self.become_member(of, member);
        self.resume(of);
    }

    /// We take part again. What was left undone while we were away is done now.
    fn resume(&mut self, of: CallId) {
        self.enter(of, CallState::Connected(ConnectedMode::Active));
        self.set_parts(of);
        let shrunk = self.conference_mut(of).is_some_and(|conference| std::mem::take(&mut conference.shrunk));
        if shrunk {
            self.one_less(of);
        }
    }

    /// A call becomes a member: what it collected ends, as its digits are the conference's now.
    fn become_member(&mut self, of: CallId, member: CallId) {
        let Some(call) = self.calls.get(member) else { return };
        let outside = call.state.clone();
        self.end_gathering(member, GatherEnd::Cancelled);
        self.set_role(member, Some(Role::Member { of, outside, part: None }));
        if let Some(conference) = self.conference_mut(of) {
            conference.members.push(member);
        }
        self.enter(member, CallState::Conferenced(of));
        self.search_for_digits(member);
    }

    /// Where a member is outside of its conference.
    fn remember(&mut self, member: CallId, state: CallState) {
        if let Some(Role::Member { outside, .. }) = self.role_mut(member) {
            *outside = state;
        }
    }

    /// A member goes on by itself.
    fn leave(&mut self, of: CallId, member: CallId) {
        let Some(outside) = self.out(of, member) else { return };
        let outside = match outside {
            CallState::Connected(_) => CallState::Connected(self.connected_mode(member)),
            other => other,
        };
        self.enter(member, outside);
        self.search_for_digits(member);
    }

    /// Takes a call out of a conference and its mix; where it is by itself.
    fn out(&mut self, of: CallId, member: CallId) -> Option<CallState> {
        let role = self.calls.get_mut(member).and_then(|call| call.extra.as_mut()?.role.take());
        let Some(Role::Member { outside, part, .. }) = role else { return None };
        if let Some(conference) = self.conference_mut(of) {
            conference.members.retain(|other| *other != member);
        }
        if part.is_some() {
            self.mix(member, None, MixPart::Talks);
        }
        self.go_on_gathering(of);
        Some(outside)
    }

    /// A member has left. The last but one takes the conference with it, as far as nobody else is on the way into it.
    fn one_less(&mut self, of: CallId) {
        let Some(call) = self.calls.get(of) else { return };
        let state = call.state.kind();
        let Some(conference) = self.conference_mut(of) else { return };
        match (conference.members.as_slice(), state) {
            ([], _) => {
                if conference.consultation.is_none() {
                    self.nobody_left(of);
                }
            }
            ([last], StateKind::Connected) if conference.consultation.is_none() => {
                let last = *last;
                self.leave(of, last);
                self.end_conference(of, CallState::Idle);
            }
            ([_], _) => {
                conference.shrunk = true;
                self.set_parts(of);
            }
            (_, _) => self.set_parts(of),
        }
    }

    /// The consultation call of a conference has ended.
    fn nobody_comes(&mut self, of: CallId) {
        let Some(conference) = self.conference(of) else { return };
        if conference.consultation.is_some() {
            return;
        }
        let (empty, shrunk) = (conference.members.is_empty(), conference.shrunk);
        let Some(call) = self.calls.get(of) else { return };
        let state = call.state.kind();
        let reconnects = self.line(call.line).is_some_and(|line| line.capabilities.flags.reconnects);
        if empty {
            self.nobody_left(of);
        } else if shrunk && state == StateKind::Connected
            || reconnects && state == StateKind::OnHoldPendingConference
        {
            self.resume(of);
        }
    }

    fn nobody_left(&mut self, of: CallId) {
        let end = Disconnect::new(DisconnectMode::Normal, EndedBy::Peer, "nobody is left in the conference");
        self.end_conference(of, CallState::Disconnected(end));
    }

    /// A conference without members ends.
    fn end_conference(&mut self, of: CallId, state: CallState) {
        self.set_role(of, None);
        self.stop_stream(of);
        self.fail_waiting(of, &OperationError::CallEnded);
        self.enter(of, state);
    }

    /// All members of a conference end with it.
    fn disband(&mut self, now: Time, of: CallId) {
        for member in self.scatter(of) {
            self.part_with(now, member);
        }
    }

    /// A conference is none any more: nobody has a part in it, and its members are about to end.
    pub(crate) fn scatter(&mut self, of: CallId) -> Vec<CallId> {
        if !self.is_conference(of) {
            return Vec::new();
        }
        let role = self.calls.get_mut(of).and_then(|call| call.extra.as_mut()?.role.take());
        let Some(Role::Conference(conference)) = role else { return Vec::new() };
        if let Some(consultation) = conference.consultation {
            // One that is being retrieved finds out then.
            if matches!(self.role(consultation), Some(Role::Consultation(_))) {
                self.set_role(consultation, None);
            }
        }
        for member in &conference.members {
            self.set_role(*member, None);
        }
        conference.members
    }

    /// A conference that applications do not know yet comes to nothing; one that they know stays. The held call that it was to come
    /// out of finds out when it is retrieved.
    fn unmake(&mut self, now: Time, of: CallId) {
        let Some((_, consult)) = self.conference(of).and_then(|conference| conference.joins) else { return };
        self.set_role(consult, None);
        self.set_role(of, None);
        self.forget(now, of);
    }

    /// Applications know the conference from now on. Its audio begins.
    fn open_conference(&mut self, of: CallId) {
        let Some(call) = self.calls.get_mut(of) else { return };
        call.embryo = false;
        call.stream = Stream::Running;
        let source = source(&call.source);
        self.media(Command::StartLocal { stream: Call::stream_id(of), source });
        self.enter(of, CallState::OnHoldPendingConference);
    }

    /// Tells the media threads who talks in a conference and who is away.
    fn set_parts(&mut self, of: CallId) {
        let Some(state) = self.calls.get(of).map(|call| call.state.kind()) else { return };
        let Some(conference) = self.conference_mut(of) else { return };
        let present = state == StateKind::Connected;
        let own = if present { MixPart::Talks } else { MixPart::Away };
        let changed = conference.part.replace(own) != Some(own);
        let members = conference.members.clone();
        if changed {
            self.mix(of, Some(of), own);
        }
        let alone = !present && members.len() == 1;
        let theirs = if alone { MixPart::Away } else { MixPart::Talks };
        for member in members {
            let Some(Role::Member { part, .. }) = self.role_mut(member) else { continue };
            if part.replace(theirs) != Some(theirs) {
                self.mix(member, Some(of), theirs);
                self.treat(member);
            }
        }
    }

    fn mix(&mut self, id: CallId, of: Option<CallId>, part: MixPart) {
        if self.calls.get(id).is_some_and(|call| call.stream == Stream::Running) {
            let mix = of.map(|of| MixId(of.0));
            self.media(Command::Mix { stream: Call::stream_id(id), mix, part });
        }
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
            session: (0, 0),
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

    fn role(&self, id: CallId) -> Option<&Role> {
        self.calls.get(id)?.extra.as_ref()?.role.as_ref()
    }

    fn role_mut(&mut self, id: CallId) -> Option<&mut Role> {
        self.calls.get_mut(id)?.extra.as_mut()?.role.as_mut()
    }

    fn set_role(&mut self, id: CallId, role: Option<Role>) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if role.is_some() || call.extra.is_some() {
            call.extra().role = role;
        }
    }

    fn conference(&self, id: CallId) -> Option<&Conference> {
        match self.role(id)? {
            Role::Conference(conference) => Some(conference),
            Role::Member { .. } | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }

    fn conference_mut(&mut self, id: CallId) -> Option<&mut Conference> {
        match self.role_mut(id)? {
            Role::Conference(conference) => Some(conference),
            Role::Member { .. } | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }

    /// The conference that a call is a member of.
    fn conference_of(&self, id: CallId) -> Option<CallId> {
        match self.role(id)? {
            Role::Member { of, .. } => Some(*of),
            Role::Conference(_) | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }
}
