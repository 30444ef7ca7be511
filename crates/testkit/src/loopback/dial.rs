//! Calls that are made: whole addresses, addresses in parts, and what cannot be dialled.

use super::agenda::{Search, Task};
use super::cause::Refusal;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Other, Taken};
use super::script::Outside;
use super::stranger::{Noticed, Stranger, octets};
use hookswitch_spi::{
    AddressId, CallId, CallOptions, CallState, DisconnectMode, Feature, LineId, MediaTypes, Operation,
    OperationError, Origin, Outcome, Party, RequestId,
};
use std::time::Duration;

/// So long a request waits for a party that says nothing (64 times T1, RFC 3261 17.1.1.2).
pub(super) const UNHEARD: Duration = Duration::from_secs(32);
/// The longest address that can be dialled.
const ADDRESS_MOST: usize = 256;

impl Loopback {
    /// A call being made, before anybody may hear of it.
    pub(crate) fn conceive(
        &mut self,
        line: LineId,
        address: AddressId,
        destination: &str,
        options: CallOptions,
    ) -> CallId {
        let physical = self.mint_physical();
        let own = self.lines.get(&line).and_then(|line| line.uri(address)).unwrap_or_default();
        let (caller, called) = (Party::known(own, ""), called(destination));
        let mut info =
            leg::info(line, address, physical, Origin::Outbound, MediaTypes::VOICE, caller, called);
        info.call_data = options.call_data.clone().into();
        let call = self.add_leg(info, Taken::Yes);
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.playing.source = options.source.clone();
            leg.rest.headers = options.headers.clone();
            if let Some(audio) = options.audio.as_deref() {
                leg.rest.config = Some(audio.clone());
            }
            leg.rest.options = options;
        }
        call
    }

    pub(crate) fn make_call(&mut self, request: RequestId, call: CallId, destination: &str) {
        if self.broken(Fault::SharesArguments)
            && let Some(data) = self.legs.get_mut(&call).and_then(|leg| leg.rest.options.user_info.as_mut())
        {
            data.0.fill(b'!');
        }
        match self.script.party(destination) {
            Some((uri, Outside::Silent)) => {
                let uri = uri.into();
                return self.call_silent(request, call, uri);
            }
            Some((uri, Outside::RefusesAtOnce(refusal))) => {
                let (status, refusal) = (refusal.status, *refusal);
                let mut party = Stranger::new(uri, false);
                party.note(Noticed::Called(Vec::new()));
                party.gone = true;
                self.add_stranger(party);
                if self.can_stay_busy(call, &refusal) {
                    return self.found_busy(request, call, refusal);
                }
                let reason = "refused at once".into();
                let error = OperationError::Refused { status, reason };
                return self.complete(request, Err(error));
            }
            Some(_) | None => {}
        }
        if self.broken(Fault::EventBeforeCompletion) {
            self.born(call);
            self.start(call, destination);
            return self.complete(request, Ok(Outcome::Call(call)));
        }
        // Whoever is outside has been called by now.
        if let Some((uri, behaviour)) = self.script.party(destination)
            && !matches!(behaviour, Outside::MovedTo(_))
        {
            let uri = uri.into();
            let told = self.legs.get(&call).and_then(|leg| leg.rest.options.user_info.clone());
            self.ring_at(call, uri, told.as_ref());
        }
        self.born(call);
        self.complete(request, Ok(Outcome::Call(call)));
        self.start(call, destination);
    }

    /// A call to somebody who does not say a word: there is none before they do.
    fn call_silent(&mut self, request: RequestId, call: CallId, uri: Box<str>) {
        let told = self.legs.get(&call).and_then(|leg| leg.rest.options.user_info.clone());
        let mut party = Stranger::new(uri, false);
        party.silent = true;
        party.note(Noticed::Called(octets(told.as_ref())));
        let id = self.add_stranger(party);
        self.link(Other::Leg(call), Other::Stranger(id));
        self.after(UNHEARD, Task::Unheard(request));
    }

    /// A party that was silent has said something: the call that is made to it exists.
    pub(crate) fn heard_of(&mut self, call: CallId) {
        let made = self.asked.iter().find(|(_, asked)| {
            asked.creates.contains(&call) && matches!(asked.operation, Operation::MakeCall { .. })
        });
        if let Some(request) = made.map(|(request, _)| *request) {
            self.born(call);
            self.complete(request, Ok(Outcome::Call(call)));
            self.enter(call, CallState::Proceeding);
        }
    }

    /// A party that was silent refuses: there is no call.
    pub(crate) fn refused_unheard(&mut self, call: CallId, refusal: Refusal) {
        let made = self.asked.iter().find(|(_, asked)| asked.creates.contains(&call));
        if let Some(request) = made.map(|(request, _)| *request) {
            if self.can_stay_busy(call, &refusal) {
                return self.found_busy(request, call, refusal);
            }
            let reason = "refused at once".into();
            self.complete(request, Err(OperationError::Refused { status: refusal.status, reason }));
        }
    }

    /// Whether a refusal before anything else makes a call that is busy, because it can be completed later.
    fn can_stay_busy(&self, call: CallId, refusal: &Refusal) -> bool {
        let line = self.legs.get(&call).and_then(|leg| self.lines.get(&leg.line));
        let able = line.is_some_and(|line| line.capabilities.features.contains(Feature::CompleteCall));
        able && refusal.end(false).mode == DisconnectMode::Busy
    }

    fn found_busy(&mut self, request: RequestId, call: CallId, refusal: Refusal) {
        self.born(call);
        self.complete(request, Ok(Outcome::Call(call)));
        self.enter(call, CallState::Proceeding);
        self.refuse(call, refusal);
    }

    pub(crate) fn unheard(&mut self, request: RequestId) {
        self.complete(request, Err(OperationError::TimedOut(UNHEARD)));
    }

    /// A new call begins: off-hook, collecting its address, or on its way.
    pub(crate) fn start(&mut self, call: CallId, destination: &str) {
        match destination.strip_suffix(';') {
            None if destination.is_empty() => self.enter(call, CallState::Dialtone),
            None => self.send(call, destination),
            Some(part) => {
                if let Some(leg) = self.legs.get_mut(&call) {
                    leg.rest.dialled = part.into();
                }
                self.enter(call, CallState::Dialing);
            }
        }
    }

    /// More of an address is dialled.
    pub(crate) fn dial(&mut self, request: RequestId, call: CallId, digits: &str) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let part = digits.strip_suffix(';');
        let whole = format!("{}{}", leg.rest.dialled, part.unwrap_or(digits));
        if let Err(error) = self.dialable(&whole) {
            return self.complete(request, Err(error));
        }
        if let Some(leg) = self.legs.get_mut(&call) {
            leg.rest.dialled.clone_from(&whole);
        }
        self.complete(request, Ok(Outcome::Done));
        match part {
            Some(_) => self.enter(call, CallState::Dialing),
            None => self.send(call, &whole),
        }
    }

    /// What was dialled before and is dialled now.
    pub(crate) fn dialled_with(&self, call: CallId, digits: &str) -> String {
        let before = self.legs.get(&call).map(|leg| leg.rest.dialled.as_str()).unwrap_or_default();
        format!("{before}{digits}")
    }

    /// The call is on its way.
    fn send(&mut self, call: CallId, destination: &str) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        leg.info.called = called(destination);
        let wait = leg.rest.options.no_answer_after;
        if !self.broken(Fault::SkipsProceeding) {
            self.enter(call, CallState::Proceeding);
        }
        let latency = self.latency;
        self.after(latency, Task::Route(call, Search::direct(destination)));
        if let Some(wait) = wait {
            self.after(wait, Task::GiveUp(call));
        }
    }

    /// Whether an address, or a part of one, can be dialled; nothing at all can.
    pub(crate) fn dialable(&self, destination: &str) -> Result<(), OperationError> {
        let whole = destination.strip_suffix(';').unwrap_or(destination);
        let wrong = |why: &str| {
            Err(OperationError::InvalidAddress {
                address: destination.chars().take(64).collect(),
                why: why.into(),
            })
        };
        if whole.len() > ADDRESS_MOST {
            return wrong("it is longer than 256 octets");
        }
        if whole.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("it contains blanks");
        }
        let number = whole.chars().all(|c| "0123456789ABCD*#+!PpTt,WwQq@$?;().-".contains(c));
        if number
            && !self.broken(Fault::DialsEverything)
            && let Some(c) = whole.chars().find(|c| "Ww@$?;".contains(*c))
        {
            return Err(OperationError::UnsupportedDialCharacter(c));
        }
        Ok(())
    }

    /// The same for what has to be a whole address.
    pub(crate) fn address(&self, destination: &str) -> Result<(), OperationError> {
        let address = || destination.into();
        if destination.is_empty() {
            return Err(OperationError::InvalidAddress { address: address(), why: "it is empty".into() });
        }
        if destination.ends_with(';') {
            let why = "it is only the beginning of one".into();
            return Err(OperationError::InvalidAddress { address: address(), why });
        }
        self.dialable(destination)
    }
}

fn called(destination: &str) -> Party {
    if destination.is_empty() { Party::default() } else { Party::known(destination, "") }
}
