//! Conferences: a call of its own, with other calls of the line as its members.
//!
//! Members keep talking while the conference waits for another party. A party that leaves two others goes: when one member is
//! left and the conference is connected, it becomes an ordinary call again and the conference call is idle. A conference that was
//! taken back with one member stays.

use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other, Part, Taken};
use hookswitch_spi::{
    AddressId, CallId, CallState, ConnectedMode, ConsultOptions, LineId, MediaTypes, OperationError, Origin,
    Outcome, Party, RejectReason, RequestId, StateKind,
};

impl Loopback {
    /// A conference call, of which nobody has heard yet.
    pub(crate) fn conceive_conference(&mut self, line: LineId, address: AddressId) -> CallId {
        let physical = self.mint_physical();
        let own = self.lines.get(&line).and_then(|line| line.uri(address)).unwrap_or_default();
        let caller = Party::known(own, "");
        let info = leg::info(
            line,
            address,
            physical,
            Origin::Conference,
            MediaTypes::VOICE,
            caller,
            Party::default(),
        );
        let call = self.add_leg(info, Taken::Yes);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.part = Part::Conference(Vec::new());
            leg.answered = true;
        }
        call
    }

    pub(crate) fn setup_conference(
        &mut self,
        request: RequestId,
        first: Option<CallId>,
        options: &ConsultOptions,
    ) {
        let creates = self.asked.get(&request).map(|asked| asked.creates.clone()).unwrap_or_default();
        let [conference, consult] = creates[..] else { return };
        self.born(conference);
        self.born(consult);
        if self.broken(Fault::EventBeforeCompletion) {
            self.enter(conference, CallState::OnHoldPendingConference);
        }
        self.complete(request, Ok(Outcome::Conference { conference, consult: Some(consult) }));
        if let Some(first) = first.filter(|_| self.broken(Fault::MemberBeforeConference)) {
            self.add_member(conference, first);
        }
        self.enter(conference, CallState::OnHoldPendingConference);
        if let Some(first) = first {
            self.add_member(conference, first);
        }
        self.start(consult, &options.destination);
    }

    pub(crate) fn prepare_add(&mut self, request: RequestId, conference: CallId, options: &ConsultOptions) {
        let Some(consult) = self.created(request) else { return };
        self.born(consult);
        self.complete(request, Ok(Outcome::Call(consult)));
        self.enter(conference, CallState::OnHoldPendingConference);
        self.start(consult, &options.destination);
    }

    pub(crate) fn add_to_conference(&mut self, request: RequestId, conference: CallId, member: CallId) {
        self.complete(request, Ok(Outcome::Done));
        self.add_member(conference, member);
        self.enter(conference, CallState::Connected(ConnectedMode::Active));
    }

    /// Both calls of a transfer become members of a new conference.
    pub(crate) fn confer(&mut self, request: RequestId, call: CallId, consult: CallId) {
        let Some(conference) = self.created(request) else { return };
        self.born(conference);
        self.complete(request, Ok(Outcome::Conference { conference, consult: None }));
        if self.broken(Fault::MemberBeforeConference) {
            self.add_member(conference, call);
        }
        self.enter(conference, CallState::OnHoldPendingConference);
        self.add_member(conference, call);
        self.add_member(conference, consult);
        self.enter(conference, CallState::Connected(ConnectedMode::Active));
    }

    fn add_member(&mut self, conference: CallId, member: CallId) {
        let Some(leg) = self.legs.get_mut(&member) else { return };
        leg.part = Part::Plain;
        // Digits are those of the conference from now on.
        self.finish_media(member);
        if let Some(Part::Conference(members)) = self.legs.get_mut(&conference).map(|leg| &mut leg.part)
            && !members.contains(&member)
        {
            members.push(member);
        }
        self.enter(member, CallState::Conferenced(conference));
        self.refresh_other(member);
    }

    /// Takes a member out; it goes where the line's capabilities say.
    pub(crate) fn remove_member(&mut self, request: RequestId, member: CallId) {
        let Some(leg) = self.legs.get(&member) else { return };
        let goes = self.lines.get(&leg.line).map(|line| line.capabilities.removed_member);
        self.complete(request, Ok(Outcome::Done));
        match goes {
            Some(StateKind::OnHold) => self.hold(member, CallState::OnHold),
            Some(StateKind::Connected) => self.connect_again(member),
            Some(_) | None => return self.drop_call(member, RejectReason::Default, None),
        }
        self.leave_conference(member);
    }

    /// A member is no member any more; one that is left alone is taken out too.
    pub(crate) fn leave_conference(&mut self, member: CallId) {
        let is_member = |leg: &Leg| leg.members().is_some_and(|members| members.contains(&member));
        let found = self.legs.iter().find(|(_, leg)| is_member(leg)).map(|(call, _)| *call);
        let Some(conference) = found else { return };
        let Some(leg) = self.legs.get_mut(&conference) else { return };
        let state = leg.state.clone();
        let Part::Conference(members) = &mut leg.part else { return };
        members.retain(|one| *one != member);
        let left = members.clone();
        let waits = state == CallState::OnHoldPendingConference;
        if !leg.is_up() || left.len() > 1 || waits {
            return;
        }
        if let Some(leg) = self.legs.get_mut(&conference) {
            leg.part = Part::Conference(Vec::new());
        }
        self.finish_media(conference);
        self.enter(conference, CallState::Idle);
        self.fail_all(conference, &OperationError::CallEnded, |_| true);
        if let [last] = left[..]
            && self.state_of(last) == Some(StateKind::Conferenced)
        {
            match state {
                CallState::OnHold => self.hold(last, CallState::OnHold),
                _ => self.connect_again(last),
            }
        }
    }

    /// Members of a conference; the calls at whose other ends its parties are.
    pub(crate) fn members_of(&self, conference: CallId) -> Vec<CallId> {
        let members = self.legs.get(&conference).and_then(Leg::members);
        members.map(<[CallId]>::to_vec).unwrap_or_default()
    }

    /// The call at which digits of the other side are told: the conference of a member.
    pub(crate) fn told_at(&self, call: CallId) -> CallId {
        match self.legs.get(&call).map(|leg| &leg.state) {
            Some(CallState::Conferenced(conference)) => *conference,
            Some(_) | None => call,
        }
    }

    /// Who is heard at an end, each by its own end.
    pub(crate) fn heard_by(&self, end: Other) -> Vec<Other> {
        match end {
            Other::Leg(call) => {
                let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_connected()) else {
                    return Vec::new();
                };
                match leg.members() {
                    Some(members) => members.iter().flat_map(|member| self.behind(*member)).collect(),
                    None if leg.answered => self.speaking(leg.other),
                    None => Vec::new(),
                }
            }
            Other::Stranger(id) => match self.strangers.get(&id) {
                Some(party) if party.present && !party.holds => self.speaking(party.other),
                Some(_) | None => Vec::new(),
            },
            Other::Orbit(_) | Other::Nobody => Vec::new(),
        }
    }

    /// The party of a member, if it can be heard.
    fn behind(&self, member: CallId) -> Vec<Other> {
        match self.legs.get(&member) {
            Some(leg) if leg.answered => match leg.other {
                Other::Leg(other) if self.legs.get(&other).is_some_and(Leg::is_connected) => vec![leg.other],
                Other::Stranger(id) if self.strangers.get(&id).is_some_and(|p| p.present && !p.holds) => {
                    vec![leg.other]
                }
                Other::Leg(_) | Other::Stranger(_) | Other::Orbit(_) | Other::Nobody => Vec::new(),
            },
            Some(_) | None => Vec::new(),
        }
    }

    /// Who speaks through the end at the other side.
    fn speaking(&self, other: Other) -> Vec<Other> {
        match other {
            Other::Stranger(id) => match self.strangers.get(&id) {
                Some(party) if party.present && !party.holds => vec![other],
                Some(_) | None => Vec::new(),
            },
            Other::Leg(call) => match self.legs.get(&call) {
                Some(leg) => match leg.state {
                    CallState::Connected(_) if leg.answered => vec![other],
                    CallState::Conferenced(conference) => {
                        let others = self.members_of(conference).into_iter().filter(|one| *one != call);
                        let mut heard: Vec<_> = others.flat_map(|one| self.behind(one)).collect();
                        if self.legs.get(&conference).is_some_and(Leg::is_connected) {
                            heard.push(Other::Leg(conference));
                        }
                        heard
                    }
                    _ => Vec::new(),
                },
                None => Vec::new(),
            },
            Other::Orbit(_) | Other::Nobody => Vec::new(),
        }
    }
}
