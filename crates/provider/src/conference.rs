//! Conferences on the local mixer: a call of their own without a session, whose members are calls (lineSetupConference and its
//! kin; spec 1.5).
//!
//! While a conference waits or is held, only we are away: its members go on talking, and one that would be alone hears its
//! treatment. Nothing of this is seen in SIP, but that a held call is retrieved before it becomes a member. When one member is
//! left of a connected conference, it dissolves: that call is an ordinary one again.

use crate::call::{Ask, Call, Extra, Facts, Stream, Taken, Wait, source};
use crate::core::Core;
use crate::role::{Conference, Making, Role};
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, MixId, MixPart, Statistics};
use hookswitch_media::negotiate::MediaSession;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, Completion, ConnectedMode, ConsultOptions, Disconnect,
    DisconnectMode, EndedBy, Feature, GatherEnd, LineId, MediaTypes, OperationError, Origin, Outcome, Party,
    PhysicalCallId, Reason, StateKind,
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

    /// Begins a conference: with a first member or without, and a consultation call. It is known with the completion.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn setup_conference(
        &mut self,
        now: Time,
        ask: &mut Ask,
        line: LineId,
        address: AddressId,
        first: Option<CallId>,
        consult: ConsultOptions,
    ) -> Result<CallId, OperationError> {
        if let Some(call) = first.and_then(|first| self.calls.get(first)) {
            if call.line != line {
                return Err(OperationError::InvalidParameter("the call is not on that line".into()));
            }
            if call.changes_hold() {
                return Err(OperationError::Failed("a hold of this call is on its way; try again".into()));
            }
        }
        self.room_for_calls(line, 2)?;
        let consultation = self.make_call(now, ask, line, address, &consult.destination, consult.call)?;
        let of = self.new_conference(line, address, Conference::new(Making::SetUp { first }));
        self.consult_for(of, consultation);
        if let Some(first) = first {
            self.set_role(first, Some(Role::Promised(of)));
        }
        Ok(of)
    }

    /// Calls another party for a connected conference. It waits from the completion on.
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
        let consultation = self.make_call(now, ask, line, address, &consult.destination, consult.call)?;
        self.consult_for(of, consultation);
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
        if call.changes_hold() {
            return Err(OperationError::Failed("a hold of this call is on its way; try again".into()));
        }
        if call.state.kind() == StateKind::OnHold {
            let what = self.change_hold(now, member, false)?;
            self.set_role(member, Some(Role::Joining { of, consulted }));
            self.wait(member, ask, what);
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
        let call = self.calls.get(held).ok_or(OperationError::NoSuchCall(held))?;
        let other = self.calls.get(consult).ok_or(OperationError::NoSuchCall(consult))?;
        let (line, address) = (call.line, call.address);
        if other.line != line || held == consult || self.role(consult).is_some() {
            return Err(OperationError::NotConsultation(consult));
        }
        if other.state.kind() == StateKind::Busy {
            let (operation, state) = (Feature::CompleteTransfer.name(), StateKind::Busy);
            return Err(OperationError::InvalidCallState { operation, state });
        }
        if call.changes_hold() || other.changes_hold() {
            return Err(OperationError::Failed("a hold of one of the calls is on its way; try again".into()));
        }
        self.room_for_calls(line, 1)?;
        let what = self.change_hold(now, held, false)?;
        let making = Making::Joined { held, consult };
        let of = self.new_conference(line, address, Conference::new(making));
        self.set_role(held, Some(Role::Joining { of, consulted: false }));
        self.set_role(consult, Some(Role::Promised(of)));
        self.wait(held, ask, what);
        Ok(of)
    }

    /// Holds or takes back a conference: nothing but our own part in it changes, and a consultation call ends with taking it back.
    pub(crate) fn hold_conference(&mut self, now: Time, ask: &mut Ask, of: CallId, hold: bool) {
        if hold {
            self.enter(of, CallState::OnHold);
            self.set_parts(of);
        } else {
            let consultation = self.conference_mut(of).and_then(|conference| conference.consultation.take());
            if let Some(consultation) = consultation {
                self.set_role(consultation, None);
                self.end_at_once(now, consultation);
            }
            self.resume(of);
        }
        self.done(ask, Outcome::Done);
    }

    /// Dropping a conference drops its members.
    pub(crate) fn drop_conference(&mut self, now: Time, ask: &mut Ask, of: CallId) {
        self.disband(now, of);
        self.end_at_once(now, of);
        self.done(ask, Outcome::Done);
    }

    /// What the request that made this call completes with.
    pub(crate) fn creation(&self, id: CallId) -> Outcome {
        match self.role(id) {
            Some(Role::Consultation(of)) if self.is_being_set_up(*of) => {
                Outcome::Conference { conference: *of, consult: Some(id) }
            }
            _ => Outcome::Call(id),
        }
    }

    /// The request that made this call has completed: a conference that it is meant for waits for it from now on.
    pub(crate) fn consultation_begins(&mut self, id: CallId) {
        let Some(Role::Consultation(of)) = self.role(id) else { return };
        let of = *of;
        let Some(conference) = self.conference_mut(of) else { return };
        match std::mem::replace(&mut conference.making, Making::Made) {
            Making::SetUp { first } => {
                self.open_conference(of);
                if let Some(first) = first {
                    self.become_member(of, first);
                }
            }
            Making::Made | Making::Joined { .. } => self.enter(of, CallState::OnHoldPendingConference),
        }
        self.set_parts(of);
    }

    /// A call that was to become a member has been retrieved.
    pub(crate) fn retrieved_to_join(&mut self, id: CallId, completion: Completion) {
        let Some(Role::Joining { of, consulted }) = self.role(id) else { return };
        let (of, consulted) = (*of, *consulted);
        let mode = self.connected_mode(id);
        self.set_role(id, consulted.then_some(Role::Consultation(of)));
        match self.conference(of).map(|conference| conference.making) {
            Some(Making::Joined { held, consult }) => {
                if let Some(conference) = self.conference_mut(of) {
                    conference.making = Making::Made;
                }
                self.complete(completion, Ok(Outcome::Conference { conference: of, consult: None }));
                self.open_conference(of);
                self.become_member(of, held);
                self.become_member(of, consult);
                self.remember(held, CallState::Connected(mode));
                self.resume(of);
            }
            Some(Making::Made | Making::SetUp { .. }) => match self.fits_role(of, Feature::AddToConference) {
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
    fn joins_nothing(&mut self, id: CallId, completion: Completion, error: OperationError) {
        self.enter(id, CallState::Connected(self.connected_mode(id)));
        self.complete(completion, Err(error));
    }

    /// A call that was to become a member could not be retrieved.
    pub(crate) fn not_retrieved(&mut self, now: Time, id: CallId) {
        let Some(Role::Joining { of, consulted }) = self.role(id) else { return };
        let (of, consulted) = (*of, *consulted);
        self.set_role(id, consulted.then_some(Role::Consultation(of)));
        self.unmake(now, of);
    }

    /// Whether a call waits to be retrieved to become a member.
    pub(crate) fn is_joining(&self, id: CallId) -> bool {
        matches!(self.role(id), Some(Role::Joining { .. }))
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
                let making = conference.making;
                self.set_role(id, Some(Role::Conference(conference)));
                match making {
                    Making::Made => self.disband(now, id),
                    Making::SetUp { .. } | Making::Joined { .. } => self.unmake(now, id),
                }
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
                if self.is_being_set_up(of) { self.unmake(now, of) } else { self.nobody_comes(of) }
            }
            Role::Joining { of, consulted } => {
                if let Some(conference) = self.conference_mut(of).filter(|_| consulted) {
                    conference.consultation = None;
                }
                self.unmake(now, of);
                self.nobody_comes(of);
            }
            Role::Promised(of) => match self.conference_mut(of).map(|conference| &mut conference.making) {
                // The conference begins without it.
                Some(Making::SetUp { first }) => *first = None,
                Some(Making::Joined { .. }) => self.unmake(now, of),
                Some(Making::Made) | None => {}
            },
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
        let role = self.calls.get_mut(of).and_then(|call| call.extra.as_mut()?.role.take());
        let Some(Role::Conference(conference)) = role else { return };
        // One that is being retrieved finds out then.
        if let Some(consultation) = conference.consultation.filter(|call| !self.is_joining(*call)) {
            self.set_role(consultation, None);
        }
        for member in conference.members {
            self.set_role(member, None);
            self.end_at_once(now, member);
        }
    }

    /// Hangs up a call without waiting for the other side.
    fn end_at_once(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        if let Some(leg) = call.leg {
            self.ua.abandon(now, &mut self.layer, leg);
            self.leg_gone(id, leg);
        }
        self.abandon_referral(now, id);
        self.stop_stream(id);
        self.transfer_let_go(id);
        self.complete_drops(id);
        self.fail_waiting(id, &OperationError::CallEnded);
        self.enter(id, CallState::Idle);
    }

    /// A conference that applications do not know yet comes to nothing; one that they know stays.
    fn unmake(&mut self, now: Time, of: CallId) {
        let Some(conference) = self.conference(of) else { return };
        let consultation = conference.consultation;
        match conference.making {
            Making::Made => return,
            Making::SetUp { first } => {
                if let Some(first) = first {
                    self.set_role(first, None);
                }
            }
            // The held call finds out when it is retrieved.
            Making::Joined { held: _, consult } => self.set_role(consult, None),
        }
        self.set_role(of, None);
        if let Some(consultation) = consultation {
            // Its request is the one that makes the conference.
            self.set_role(consultation, None);
            self.fail_waiting(consultation, &OperationError::CallEnded);
            self.forget(now, consultation);
        }
        self.forget(now, of);
    }

    /// Applications know the conference from now on. Its audio begins.
    fn open_conference(&mut self, of: CallId) {
        let Some(call) = self.calls.get_mut(of) else { return };
        call.taken = Taken::Yes;
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

    fn consult_for(&mut self, of: CallId, consultation: CallId) {
        let related = self.calls.get(of).map(|call| PhysicalCallId(call.facts.physical));
        if let Some(call) = self.calls.get_mut(consultation) {
            call.extra().related = related;
        }
        self.set_role(consultation, Some(Role::Consultation(of)));
        if let Some(conference) = self.conference_mut(of) {
            conference.consultation = Some(consultation);
        }
    }

    fn room_for_calls(&self, line: LineId, number: u32) -> Result<(), OperationError> {
        let line = self.line(line).ok_or(OperationError::NoSuchLine(line))?;
        let most = line.capabilities.max_calls;
        if line.calls + number > most { Err(OperationError::TooManyCalls(most)) } else { Ok(()) }
    }

    fn new_conference(&mut self, line_id: LineId, address: AddressId, conference: Conference) -> CallId {
        let own =
            self.line(line_id).map(|line| Party::known(line.uri(address), line.account.display_name.clone()));
        let media = MediaSession::new(self.entropy.next_u64());
        let physical = self.entropy.next_u64();
        let id = self.calls.insert(Call {
            line: line_id,
            address,
            origin: Origin::Conference,
            state: CallState::Unknown,
            since: self.now,
            taken: Taken::Creating,
            media_types: MediaTypes::VOICE,
            leg: None,
            last_leg: None,
            media,
            port: None,
            stream: Stream::Unstarted,
            source: AudioSource::Silence,
            waiting: Vec::new(),
            alerting: None,
            minutes: 0,
            heard: false,
            timer: None,
            transfer: None,
            referral: None,
            redirections: 0,
            ending: None,
            alerted: false,
            facts: Box::new(Facts {
                physical,
                reason: Reason::Direct,
                caller: own.unwrap_or_default(),
                called: Party::default(),
                connected: Party::default(),
                redirecting: Party::default(),
                redirection: Party::default(),
                call_id: Box::default(),
                target: Box::default(),
            }),
            extra: Some(Box::new(Extra { role: Some(Role::Conference(conference)), ..Extra::default() })),
            statistics: Statistics::default(),
        });
        if let Some(line) = self.line_mut(line_id) {
            line.calls += 1;
        }
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

    fn is_being_set_up(&self, of: CallId) -> bool {
        self.conference(of).is_some_and(|conference| matches!(conference.making, Making::SetUp { .. }))
    }
}

impl Call {
    /// A hold or retrieve of it is on its way.
    pub(crate) fn changes_hold(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.what, Wait::Turn(_) | Wait::OfferAnswer(_)))
    }
}
