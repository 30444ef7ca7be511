//! The members of conferences: how calls become members and leave, what becomes of a conference when they do, and who hears whom.

use crate::call::{Call, Stream, source};
use crate::core::Core;
use crate::role::{Conference, Role};
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, MixId, MixPart};
use hookswitch_spi::{
    CallId, CallState, ConnectedMode, Disconnect, DisconnectMode, EndedBy, GatherEnd, LineId, OperationError,
    StateKind,
};

impl Core {
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
    pub(crate) fn add(&mut self, of: CallId, member: CallId) {
        if let Some(conference) = self.conference_mut(of) {
            conference.consultation.take_if(|consultation| *consultation == member);
        }
        self.become_member(of, member);
        self.resume(of);
    }

    /// We take part again. What was left undone while we were away is done now.
    pub(crate) fn resume(&mut self, of: CallId) {
        self.enter(of, CallState::Connected(ConnectedMode::Active));
        self.set_parts(of);
        let shrunk = self.conference_mut(of).is_some_and(|conference| std::mem::take(&mut conference.shrunk));
        if shrunk {
            self.one_less(of);
        }
    }

    /// A call becomes a member: what it collected ends, as its digits are the conference's now.
    pub(crate) fn become_member(&mut self, of: CallId, member: CallId) {
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
    pub(crate) fn remember(&mut self, member: CallId, state: CallState) {
        if let Some(Role::Member { outside, .. }) = self.role_mut(member) {
            *outside = state;
        }
    }

    /// A member goes on by itself.
    pub(crate) fn leave(&mut self, of: CallId, member: CallId) {
        let Some(outside) = self.out(of, member) else { return };
        let outside = match outside {
            CallState::Connected(_) => CallState::Connected(self.connected_mode(member)),
            other => other,
        };
        self.enter(member, outside);
        self.search_for_digits(member);
    }

    /// Takes a call out of a conference and its mix; where it is by itself.
    pub(crate) fn out(&mut self, of: CallId, member: CallId) -> Option<CallState> {
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
    pub(crate) fn one_less(&mut self, of: CallId) {
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
    pub(crate) fn nobody_comes(&mut self, of: CallId) {
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

    pub(crate) fn nobody_left(&mut self, of: CallId) {
        let end = Disconnect::new(DisconnectMode::Normal, EndedBy::Peer, "nobody is left in the conference");
        self.end_conference(of, CallState::Disconnected(end));
    }

    /// A conference without members ends.
    pub(crate) fn end_conference(&mut self, of: CallId, state: CallState) {
        self.set_role(of, None);
        self.stop_stream(of);
        self.fail_waiting(of, &OperationError::CallEnded);
        self.enter(of, state);
    }

    /// All members of a conference end with it.
    pub(crate) fn disband(&mut self, now: Time, of: CallId) {
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
    pub(crate) fn unmake(&mut self, now: Time, of: CallId) {
        let Some((_, consult)) = self.conference(of).and_then(|conference| conference.joins) else { return };
        self.set_role(consult, None);
        self.set_role(of, None);
        self.forget(now, of);
    }

    /// Applications know the conference from now on. Its audio begins.
    pub(crate) fn open_conference(&mut self, of: CallId) {
        let Some(call) = self.calls.get_mut(of) else { return };
        call.embryo = false;
        call.stream = Stream::Running;
        let source = source(&call.source);
        self.media(Command::StartLocal { stream: Call::stream_id(of), source });
        self.enter(of, CallState::OnHoldPendingConference);
    }

    /// Tells the media threads who talks in a conference and who is away.
    pub(crate) fn set_parts(&mut self, of: CallId) {
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

    pub(crate) fn mix(&mut self, id: CallId, of: Option<CallId>, part: MixPart) {
        if self.calls.get(id).is_some_and(|call| call.stream == Stream::Running) {
            let mix = of.map(|of| MixId(of.0));
            self.media(Command::Mix { stream: Call::stream_id(id), mix, part });
        }
    }

    pub(crate) fn role(&self, id: CallId) -> Option<&Role> {
        self.calls.get(id)?.extra.as_ref()?.role.as_ref()
    }

    pub(crate) fn role_mut(&mut self, id: CallId) -> Option<&mut Role> {
        self.calls.get_mut(id)?.extra.as_mut()?.role.as_mut()
    }

    pub(crate) fn set_role(&mut self, id: CallId, role: Option<Role>) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if role.is_some() || call.extra.is_some() {
            call.extra().role = role;
        }
    }

    pub(crate) fn conference(&self, id: CallId) -> Option<&Conference> {
        match self.role(id)? {
            Role::Conference(conference) => Some(conference),
            Role::Member { .. } | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }

    pub(crate) fn conference_mut(&mut self, id: CallId) -> Option<&mut Conference> {
        match self.role_mut(id)? {
            Role::Conference(conference) => Some(conference),
            Role::Member { .. } | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }

    /// The conference that a call is a member of.
    pub(crate) fn conference_of(&self, id: CallId) -> Option<CallId> {
        match self.role(id)? {
            Role::Member { of, .. } => Some(*of),
            Role::Conference(_) | Role::Consultation(_) | Role::Joining { .. } | Role::Promised(_) => None,
        }
    }
}
