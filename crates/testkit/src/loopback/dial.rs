//! Calls that are made: whole addresses, addresses in parts, and what cannot be dialled.

use super::agenda::{Search, Task};
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{self, Taken};
use super::script::Outside;
use hookswitch_spi::{
    AddressId, CallId, CallOptions, CallState, LineId, MediaTypes, OperationError, Origin, Outcome, Party,
    RequestId,
};
use std::time::Duration;

/// So long a request waits for a party that says nothing (64 times T1, RFC 3261 17.1.1.2).
const UNHEARD: Duration = Duration::from_secs(32);
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
            leg.rest.source = options.source.clone();
            leg.rest.headers = options.headers.clone();
            leg.rest.options = options;
        }
        call
    }

    pub(crate) fn make_call(&mut self, request: RequestId, call: CallId, destination: &str) {
        let shared = self.last_destination.clone();
        let destination = if self.broken(Fault::SharesArguments) { &shared } else { destination };
        if let Some((_, Outside::Silent)) = self.script.party(destination) {
            return self.after(UNHEARD, Task::Unheard(request));
        }
        if self.broken(Fault::EventBeforeCompletion) {
            self.born(call);
            self.start(call, destination);
            return self.complete(request, Ok(Outcome::Call(call)));
        }
        self.born(call);
        self.complete(request, Ok(Outcome::Call(call)));
        self.start(call, destination);
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
