//! How a call finds the called party: another line (and its forwarding rules), a party outside, or nobody.

use super::agenda::{Search, Task};
use super::cause::Refusal;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Leg, Other, Taken};
use super::line::{Line, domain};
use super::script::Outside;
use super::stranger::{Noticed, PartyId, Stranger, octets};
use hookswitch_spi::{
    AddressId, BusyMode, CallId, CallState, CallerKind, Disconnect, DisconnectMode, EndedBy,
    ForwardCondition, ForwardRule, ForwardTarget, InfoParts, LineId, LineState, Origin, Party, Presentation,
    Reason, UserInfo,
};
use std::time::Duration;

/// How often a call may be sent on.
const HOPS_MOST: u8 = 5;
/// How long an offered call rings before its no-answer rule applies, unless the rules say otherwise.
const NO_ANSWER: Duration = Duration::from_secs(20);

/// Who is at an address.
pub(crate) enum Found {
    /// A line with this address takes it.
    Line(LineId, AddressId),
    /// It is sent on to this address, for this reason, by this party.
    Elsewhere(Box<str>, Reason, Box<str>),
    /// A party outside, with its address.
    Outside(Box<str>, Outside),
    /// Nobody.
    Nobody(Refusal),
}

/// Who calls: what a called line is told, and by what its rules know the caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) party: Party,
    pub(crate) uri: Box<str>,
    pub(crate) media: hookswitch_spi::MediaTypes,
}

impl Loopback {
    /// Who is at an address for this caller.
    pub(crate) fn find(&self, destination: &str, caller: &Caller) -> Found {
        if let Some((uri, outside)) = self.script.party(destination) {
            return match outside {
                Outside::MovedTo(to) => Found::Elsewhere(to.clone(), Reason::Redirected, uri.into()),
                _ => Found::Outside(uri.into(), outside.clone()),
            };
        }
        let known = self.lines.iter().find_map(|(id, line)| Some((*id, line, line.dialled(destination)?)));
        let Some((id, line, address)) = known else { return Found::Nobody(Refusal::with(404)) };
        let own = line.uri(address).unwrap_or_default();
        let busy = self.is_full(id) || self.is_secured(id);
        let applies = rule(line, address, ForwardCondition::Unconditional, caller)
            .map(|rule| (rule, Reason::ForwardedUnconditional))
            .or_else(|| {
                let rule = rule(line, address, ForwardCondition::Busy, caller).filter(|_| busy);
                rule.map(|rule| (rule, Reason::ForwardedBusy))
            });
        if let Some((rule, reason)) = applies {
            return match &rule.to {
                ForwardTarget::Address(to) => Found::Elsewhere(to.clone(), reason, own.into()),
                ForwardTarget::DoNotDisturb => {
                    Found::Nobody(Refusal { do_not_disturb: true, ..Refusal::with(480) })
                }
            };
        }
        let media = line.capabilities.media.with(hookswitch_spi::MediaType::Unknown);
        if busy {
            Found::Nobody(Refusal::with(486))
        } else if line.open.is_none() || line.state != LineState::InService {
            Found::Nobody(Refusal::with(480))
        } else if media.intersection(caller.media).is_empty() {
            Found::Nobody(Refusal::with(488))
        } else {
            Found::Line(id, address)
        }
    }

    pub(crate) fn is_full(&self, line: LineId) -> bool {
        !self.has_room(line, 1)
    }

    /// Whether a line can take so many calls more.
    pub(crate) fn has_room(&self, line: LineId, more: usize) -> bool {
        let up = self.legs.values().filter(|leg| leg.line == line && leg.is_up()).count();
        self.lines.get(&line).is_some_and(|entry| up + more <= entry.capabilities.max_calls as usize)
    }

    /// Whether a line has a call that nothing may interrupt.
    fn is_secured(&self, line: LineId) -> bool {
        !self.broken(Fault::InterruptsSecuredCalls)
            && self.legs.values().any(|leg| leg.line == line && leg.is_up() && leg.info.secure)
    }

    /// A calling leg looks for the party at an address.
    pub(crate) fn route(&mut self, call: CallId, search: Search) {
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_up()) else { return };
        let caller = self.caller(leg);
        let physical = leg.info.physical;
        let dialled = match &leg.rest.calls {
            Some(destination) => Party::known(destination.clone(), ""),
            None => leg.info.called.clone(),
        };
        let (options, user_info) = (leg.rest.options.clone(), leg.rest.options.user_info.clone());
        match self.find(&search.destination, &caller) {
            Found::Nobody(refusal) => self.refuse(call, refusal),
            Found::Elsewhere(..) if search.hops >= HOPS_MOST => self.refuse(call, Refusal::with(482)),
            Found::Elsewhere(to, reason, by) => {
                self.with_info(call, InfoParts::REDIRECTION, |info| {
                    info.redirection = Party::known(to.clone(), "");
                });
                let redirecting = Party::known(by, "");
                let next = Search { destination: to, hops: search.hops + 1, reason, redirecting };
                let latency = self.latency;
                self.after(latency, Task::Route(call, next));
            }
            Found::Outside(uri, behaviour) => {
                self.ring_at(call, uri, user_info.as_ref());
                self.behave(call, behaviour);
            }
            Found::Line(line, address) => {
                let origin = self.origin_of(line, address, &caller);
                let mut info =
                    leg::info(line, address, physical, origin, caller.media, caller.party, dialled);
                info.reason = search.reason;
                info.redirecting = search.redirecting;
                info.user_info = user_info;
                if let Some(name) = options.display_name {
                    info.caller.name = name.into();
                }
                let other = self.offer(info, Other::Leg(call), 1);
                self.alert(call);
                self.watch_for_no_answer(other);
            }
        }
    }

    /// A call reaches a party outside, if it has not already.
    pub(crate) fn ring_at(&mut self, call: CallId, uri: Box<str>, user_info: Option<&UserInfo>) {
        if let Other::Stranger(id) = self.other_of(Other::Leg(call))
            && self.strangers.get(&id).is_some_and(|party| party.address == uri)
        {
            return;
        }
        let mut party = Stranger::new(uri, false);
        party.note(Noticed::Called(octets(user_info)));
        let id = self.add_stranger(party);
        self.link(Other::Leg(call), Other::Stranger(id));
    }

    pub(crate) fn add_stranger(&mut self, stranger: Stranger) -> PartyId {
        let id = PartyId(self.mint());
        self.strangers.insert(id, stranger);
        id
    }

    /// What a party outside does that is called.
    pub(crate) fn behave(&mut self, call: CallId, behaviour: Outside) {
        match behaviour {
            Outside::Answers(after) => {
                self.alert(call);
                self.after(after, Task::OutsideAnswers(call));
            }
            Outside::Rings => self.alert(call),
            Outside::Refuses(status, after) => {
                self.after(after, Task::OutsideRefuses(call, Refusal::with(status)));
            }
            Outside::RingsThenRefuses(refusal, after) => {
                self.alert(call);
                self.after(after, Task::OutsideRefuses(call, refusal));
            }
            Outside::RefusesWith(refusal, after) => self.after(after, Task::OutsideRefuses(call, refusal)),
            Outside::RefusesAtOnce(refusal) => self.outside_refuses(call, refusal),
            Outside::MovedTo(_) | Outside::Silent | Outside::Proceeds => {}
        }
    }

    /// A leg as the caller that it is.
    pub(crate) fn caller(&self, leg: &Leg) -> Caller {
        let own = self.lines.get(&leg.line).and_then(|line| line.uri(leg.address)).unwrap_or_default();
        Caller { party: Party::known(own, ""), uri: own.into(), media: leg.info.media }
    }

    /// Whether a caller belongs to the domain of the called address.
    pub(crate) fn origin_of(&self, line: LineId, address: AddressId, caller: &Caller) -> Origin {
        let own = self.lines.get(&line).and_then(|line| line.uri(address)).unwrap_or_default();
        match kind(own, caller) {
            CallerKind::Internal => Origin::Internal,
            CallerKind::External => Origin::External,
        }
    }

    pub(crate) fn alert(&mut self, call: CallId) {
        if self.legs.get(&call).is_some_and(|leg| leg.state == CallState::Proceeding) {
            self.enter(call, CallState::Ringback);
        }
    }

    /// Starts the clock of a no-answer rule, if there is one.
    pub(crate) fn watch_for_no_answer(&mut self, call: CallId) {
        if let Some((_, after)) = self.no_answer_rule(call) {
            self.after(after, Task::NoAnswer(call));
        }
    }

    fn no_answer_rule(&self, call: CallId) -> Option<(ForwardTarget, Duration)> {
        let leg = self.legs.get(&call)?;
        let line = self.lines.get(&leg.line)?;
        let uri = match leg.other {
            Other::Stranger(id) => self.strangers.get(&id).map(|party| party.address.clone()),
            Other::Leg(_) | Other::Orbit(_) | Other::Nobody => None,
        };
        let uri = uri.unwrap_or_else(|| leg.info.caller.address.clone());
        let caller = Caller { party: leg.info.caller.clone(), uri, media: leg.info.media };
        let rule = rule(line, leg.address, ForwardCondition::NoAnswer, &caller)?;
        let after = line.forwarding.get(usize::from(leg.address.0))?.no_answer_after;
        Some((rule.to.clone(), after.unwrap_or(NO_ANSWER)))
    }

    /// Nobody has answered an offered call: its rule applies, if it still stands.
    pub(crate) fn no_answer(&mut self, call: CallId) {
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_offered()) else { return };
        let (line, address) = (leg.line, leg.address);
        let Some((to, _)) = self.no_answer_rule(call) else { return };
        let by = self.lines.get(&line).and_then(|line| line.uri(address)).unwrap_or_default().into();
        let other = self.unlink(Other::Leg(call));
        self.end(call, Disconnect::new(DisconnectMode::Forwarded, EndedBy::Us, "nobody answered"));
        match to {
            ForwardTarget::Address(to) => self.send_on(call, other, &to, Reason::ForwardedNoAnswer, by),
            ForwardTarget::DoNotDisturb => {
                let refusal = Refusal { do_not_disturb: true, ..Refusal::with(480) };
                self.turn_away(other, refusal);
            }
        }
    }

    /// Whoever was calling is refused.
    pub(crate) fn turn_away(&mut self, caller: Other, refusal: Refusal) {
        match caller {
            Other::Leg(caller) => self.refuse(caller, refusal),
            Other::Stranger(id) => {
                self.notes(caller, Noticed::Refused(refusal.status));
                self.remove_stranger(id);
            }
            Other::Orbit(_) | Other::Nobody => {}
        }
    }

    /// Whoever was calling goes on to another address.
    pub(crate) fn send_on(&mut self, call: CallId, caller: Other, to: &str, reason: Reason, by: Box<str>) {
        let search = Search { destination: to.into(), hops: 1, reason, redirecting: Party::known(by, "") };
        match caller {
            Other::Leg(caller) => {
                self.with_info(caller, InfoParts::REDIRECTION, |info| {
                    info.redirection = Party::known(to, "");
                });
                self.route(caller, search);
            }
            Other::Stranger(id) => {
                self.notes(caller, Noticed::SentTo(to.into()));
                let Some(uri) = self.strangers.get(&id).map(|party| party.address.clone()) else { return };
                let known = self.legs.get(&call).map(|leg| (leg.info.clone(), leg.rest.ring_mode));
                let Some((before, ring_mode)) = known else { return };
                let caller = Caller { party: before.caller.clone(), uri, media: before.media };
                match self.find(to, &caller) {
                    Found::Line(line, address) => {
                        let mut info = before;
                        info.origin = self.origin_of(line, address, &caller);
                        info.reason = reason;
                        info.redirecting = search.redirecting;
                        (info.line, info.address) = (line, address);
                        info.redirection = Party::default();
                        let other = self.offer(info, Other::Stranger(id), ring_mode);
                        self.watch_for_no_answer(other);
                    }
                    Found::Elsewhere(..) | Found::Outside(..) | Found::Nobody(_) => self.remove_stranger(id),
                }
            }
            Other::Orbit(_) | Other::Nobody => {}
        }
    }

    /// A calling leg is refused.
    pub(crate) fn refuse(&mut self, call: CallId, refusal: Refusal) {
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.is_up()) else { return };
        let alerted = leg.state == CallState::Ringback;
        let early = matches!(leg.state, CallState::Proceeding | CallState::Ringback);
        let mut end = refusal.end(alerted);
        if self.broken(Fault::WrongDisconnectMode) {
            end.mode = DisconnectMode::Normal;
        }
        if end.mode != DisconnectMode::Busy || !early || leg.taken != Taken::Yes {
            return self.end(call, end);
        }
        if self.waits_again(call) {
            return;
        }
        let waits = self.legs.get_mut(&call).and_then(|leg| leg.rest.completes.take());
        if let Some(transfer) = waits {
            let reason = "busy".into();
            let error = hookswitch_spi::OperationError::Refused { status: refusal.status, reason };
            self.complete(transfer, Err(error));
        }
        if let Other::Stranger(id) = self.unlink(Other::Leg(call)) {
            self.remove_stranger(id);
        }
        self.enter(call, CallState::Busy(BusyMode::Station));
        let tone = self.busy_tone;
        self.after(tone, Task::BusyOver(call, end));
    }

    /// A party outside refuses a calling leg, if it has not answered.
    pub(crate) fn outside_refuses(&mut self, call: CallId, refusal: Refusal) {
        let Some(Other::Stranger(id)) = self.legs.get(&call).map(|leg| leg.other) else { return };
        if self.strangers.get(&id).is_some_and(|party| !party.present) {
            self.unlink(Other::Leg(call));
            self.remove_stranger(id);
            self.refuse(call, refusal);
        }
    }

    /// A party outside answers a calling leg.
    pub(crate) fn outside_answers(&mut self, call: CallId) {
        let Some(leg) = self.legs.get(&call) else { return };
        let Other::Stranger(id) = leg.other else { return };
        if leg.answered && leg.rest.calls.is_none() {
            return;
        }
        if let Some(party) = self.strangers.get_mut(&id).filter(|party| !party.present) {
            party.present = true;
            party.note(Noticed::Confirmed);
            self.far_answers(call);
        }
    }

    /// The called party answers a calling leg.
    pub(crate) fn far_answers(&mut self, call: CallId) {
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_up()) else { return };
        leg.answered = true;
        let (other, called) = (leg.other, leg.info.called.clone());
        let conferenced = matches!(leg.state, CallState::Conferenced(_));
        let waits = leg.rest.completes.take();
        let party = self.party_at(other);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.info.connected = if party == Party::default() { called } else { party };
        }
        if !conferenced {
            self.enter(call, CallState::Connected(self.mode_of(call)));
        }
        if let Some(transfer) = waits {
            self.join_transferred(transfer);
        }
    }

    /// The caller as it may be shown.
    pub(crate) fn shown(&self, uri: &str, from: Party) -> Party {
        if self.broken(Fault::ShowsWithheldCallers) && from.presentation == Presentation::Blocked {
            return Party::known(uri, "");
        }
        from
    }
}

/// The rule of an address that applies to a caller in this case.
fn rule<'a>(
    line: &'a Line,
    address: AddressId,
    when: ForwardCondition,
    caller: &Caller,
) -> Option<&'a ForwardRule> {
    let own = line.uri(address).unwrap_or_default();
    let rules = &line.forwarding.get(usize::from(address.0))?.rules;
    let same = |from: &str| *from == *caller.uri || from == super::line::user(&caller.uri);
    rules.iter().find(|rule| {
        rule.when == when
            && rule.from.as_deref().is_none_or(same)
            && rule.origin.is_none_or(|origin| origin == kind(own, caller))
    })
}

/// Where a caller belongs, seen from an address.
fn kind(own: &str, caller: &Caller) -> CallerKind {
    let known = domain(&caller.uri);
    if known == domain(own) && !known.is_empty() { CallerKind::Internal } else { CallerKind::External }
}
