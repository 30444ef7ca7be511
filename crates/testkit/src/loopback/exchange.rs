//! The exchange: its lines, its legs, its requests; and the primitives with which everything else changes them.

use super::agenda::{Agenda, Task};
use super::leg::{self, Leg, Other};
use super::script::{Outside, Script};
use super::table::may_follow;
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressDescription, AddressId, Bounds, BusyMode, CallId, CallState, Capabilities, CapabilityFlags,
    Disconnect, DisconnectMode, EndedBy, Feature, Features, ForwardingRules, InfoParts, LineId, LineState,
    MediaTypes, OfferingMode, Operation, OperationError, Origin, Outcome, PhysicalCallId, ProviderEvent,
    RequestId, Set, StatusKind,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What lines of the exchange can be asked.
const BUILT: [Feature; 15] = [
    Feature::MakeCall,
    Feature::Accept,
    Feature::Answer,
    Feature::Redirect,
    Feature::Forward,
    Feature::Drop,
    Feature::Hold,
    Feature::Retrieve,
    Feature::BlindTransfer,
    Feature::SendDigits,
    Feature::Play,
    Feature::Record,
    Feature::Statistics,
    Feature::SetCallData,
    Feature::SetAppSpecific,
];

/// A line to be added to a [`Loopback`].
#[derive(Clone, Debug)]
pub struct LoopbackLine {
    /// Its permanent name.
    pub name: String,
    /// Its addresses, numbered from 0.
    pub addresses: Vec<String>,
    /// What it can do: everything, unless a test wants less.
    pub capabilities: Capabilities,
}

impl LoopbackLine {
    /// A line with one address that can do everything, with speech, fax and video, and up to 100 calls.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        use hookswitch_spi::MediaType::{Fax, Video};
        let media = MediaTypes::VOICE.with(Fax).with(Video);
        let capabilities = Capabilities {
            features: Features::of(&BUILT),
            media,
            states: Set::ALL,
            disconnect_modes: Set::ALL,
            connected_modes: Set::ALL,
            offering_modes: Set::of(&[OfferingMode::Active]),
            busy_modes: Set::of(&[BusyMode::Station]),
            reasons: Set::ALL,
            origins: Set::of(&[Origin::Inbound, Origin::Outbound]),
            info_parts: InfoParts::ALL,
            status: Set::of(&[StatusKind::Service, StatusKind::Forwarding]),
            max_calls: 100,
            max_forward_rules: 10,
            forward_conditions: Set::ALL,
            no_answer_after: Bounds { least: Duration::from_millis(1), most: Duration::from_secs(3_600) },
            max_call_data: 1_024,
            flags: CapabilityFlags {
                close_drops: true,
                forwarding_known: true,
                ..CapabilityFlags::default()
            },
            ..Capabilities::none()
        };
        Self { name: name.into(), addresses: vec![address.into()], capabilities }
    }
}

#[derive(Debug)]
pub(crate) struct LineEntry {
    pub(crate) name: String,
    pub(crate) addresses: Vec<AddressDescription>,
    pub(crate) capabilities: Capabilities,
    pub(crate) state: LineState,
    pub(crate) open: bool,
    pub(crate) detected: MediaTypes,
    pub(crate) forwarding: Vec<ForwardingRules>,
}

/// A request that was accepted and has not completed.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) line: LineId,
    pub(crate) call: Option<CallId>,
    pub(crate) operation: Operation,
}

/// An exchange in memory; see the folder's documentation. It is a [`Provider`](hookswitch_spi::Provider), and has further
/// methods with which a test plays the world outside.
#[derive(Debug, Default)]
pub struct Loopback {
    pub(crate) lines: BTreeMap<LineId, LineEntry>,
    pub(crate) legs: BTreeMap<CallId, Leg>,
    pub(crate) asked: BTreeMap<RequestId, Asked>,
    pub(crate) agenda: Agenda,
    pub(crate) script: Script,
    pub(crate) events: VecDeque<ProviderEvent>,
    pub(crate) latency: Duration,
    /// The time of the step that is being done.
    pub(crate) now: Time,
    pub(crate) initialised: bool,
    minted_lines: u32,
    minted_calls: u64,
    minted_physical: u64,
}

impl Loopback {
    /// An exchange without lines; requests take 10 ms.
    pub fn new() -> Self {
        Self { latency: Duration::from_millis(10), initialised: true, ..Self::default() }
    }

    /// Adds a line that was there from the beginning.
    pub fn add_line(&mut self, line: LoopbackLine) -> LineId {
        let id = LineId(self.minted_lines);
        self.minted_lines += 1;
        let number = |n| AddressId(u16::try_from(n).unwrap_or(u16::MAX));
        let addresses = line.addresses.into_iter().enumerate();
        let addresses: Vec<_> =
            addresses.map(|(n, uri)| AddressDescription { address: number(n), uri }).collect();
        let entry = LineEntry {
            name: line.name,
            forwarding: vec![ForwardingRules::default(); addresses.len()],
            addresses,
            capabilities: line.capabilities,
            state: LineState::InService,
            open: false,
            detected: MediaTypes::NONE,
        };
        self.lines.insert(id, entry);
        id
    }

    /// Adds a line while applications run; they hear that it appeared.
    pub fn plug_in(&mut self, line: LoopbackLine) -> LineId {
        let line = self.add_line(line);
        self.events.push_back(ProviderEvent::LineCreated { line });
        line
    }

    /// Removes a line for good; its calls end.
    pub fn remove_line(&mut self, line: LineId) {
        for call in self.calls_of(line) {
            let end = Disconnect::new(DisconnectMode::OutOfOrder, EndedBy::Network, "the line was removed");
            self.end(call, end.clone());
            self.end_other(call, end);
        }
        if self.lines.remove(&line).is_some() {
            self.events.push_back(ProviderEvent::LineRemoved { line });
        }
    }

    /// Puts a line in or out of service.
    pub fn set_line_state(&mut self, line: LineId, state: LineState) {
        if let Some(entry) = self.lines.get_mut(&line) {
            entry.state = state.clone();
            self.events.push_back(ProviderEvent::LineState { line, state });
        }
    }

    /// How long a request takes to be carried out.
    pub fn set_latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// Says how a party outside behaves when it is called. Addresses that nobody has arranged anything for do not exist.
    pub fn outside(&mut self, address: impl Into<Box<str>>, behaviour: Outside) {
        self.script.outside.insert(address.into(), behaviour);
    }

    /// The next such request is refused at once.
    pub fn refuse_next(&mut self, feature: Feature, error: OperationError) {
        self.script.refuse_next(feature, error);
    }

    /// The next such request is accepted and then fails, changing nothing.
    pub fn fail_next(&mut self, feature: Feature, error: OperationError) {
        self.script.fail_next(feature, error);
    }

    /// Somebody outside calls. `None` if the line is closed, out of service, or full.
    pub fn call_in(
        &mut self,
        line: LineId,
        address: AddressId,
        from: &str,
        media: MediaTypes,
    ) -> Option<CallId> {
        let entry = self.lines.get(&line)?;
        let called = entry.addresses.get(usize::from(address.0))?.uri.clone();
        if !self.takes_calls(line) {
            return None;
        }
        let physical = self.mint_physical();
        let info = leg::info(line, address, physical, Origin::Inbound, media, from, &called);
        Some(self.offer(info, Other::Outside))
    }

    /// The party outside hangs up, or gives up before an answer. Without effect on calls between lines of the exchange.
    pub fn hang_up(&mut self, call: CallId) {
        let Some(leg) = self.legs.get(&call).filter(|leg| leg.other == Other::Outside) else { return };
        let mode = if leg.is_offered() { DisconnectMode::Cancelled } else { DisconnectMode::Normal };
        self.end(call, Disconnect::new(mode, EndedBy::Peer, ""));
    }

    /// The other side of a call presses a digit.
    pub fn press(&mut self, call: CallId, digit: char) {
        if self.legs.get(&call).is_some_and(Leg::is_up) {
            let duration = Duration::from_millis(100);
            self.events.push_back(ProviderEvent::Digit { call, digit, duration });
        }
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.agenda.next()
    }

    /// The media types that a line was told to detect.
    pub fn detected(&self, line: LineId) -> MediaTypes {
        self.lines.get(&line).map_or(MediaTypes::NONE, |line| line.detected)
    }

    /// Whether a line is open.
    pub fn is_open(&self, line: LineId) -> bool {
        self.lines.get(&line).is_some_and(|line| line.open)
    }

    /// Calls that have not been closed.
    pub fn calls(&self) -> usize {
        self.legs.len()
    }

    /// Requests that have not completed.
    pub fn outstanding(&self) -> usize {
        self.asked.len()
    }

    pub(crate) fn mint_call(&mut self) -> CallId {
        self.minted_calls += 1;
        CallId::minted(0, self.minted_calls)
    }

    pub(crate) fn mint_physical(&mut self) -> PhysicalCallId {
        self.minted_physical += 1;
        PhysicalCallId(self.minted_physical)
    }

    pub(crate) fn after(&mut self, now: Time, wait: Duration, task: Task) {
        self.agenda.add(now + wait, task);
    }

    pub(crate) fn calls_of(&self, line: LineId) -> Vec<CallId> {
        self.legs.iter().filter(|(_, leg)| leg.line == line).map(|(call, _)| *call).collect()
    }

    /// Whether a line is open, in service and has room for another call.
    pub(crate) fn takes_calls(&self, line: LineId) -> bool {
        self.lines.get(&line).is_some_and(|l| l.open && l.state == LineState::InService)
            && !self.is_full(line)
    }

    pub(crate) fn is_full(&self, line: LineId) -> bool {
        let up = self.legs.values().filter(|leg| leg.line == line && leg.is_up()).count();
        self.lines.get(&line).is_some_and(|entry| up >= entry.capabilities.max_calls as usize)
    }

    /// A new call is offered to a line.
    pub(crate) fn offer(&mut self, info: hookswitch_spi::CallInfo, other: Other) -> CallId {
        let call = self.mint_call();
        let (line, address) = (info.line, info.address);
        let state = CallState::Unknown;
        self.legs.insert(
            call,
            Leg {
                line,
                address,
                state,
                taken: false,
                since: self.now,
                embryo: false,
                other,
                info,
                decides: None,
            },
        );
        self.events.push_back(ProviderEvent::NewCall { line, address, call });
        self.enter(call, CallState::Offering(OfferingMode::Active));
        call
    }

    /// A call enters a state, and says so.
    ///
    /// # Panics
    /// If the state cannot follow: the exchange itself is wrong then.
    pub(crate) fn enter(&mut self, call: CallId, state: CallState) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        if leg.state == state {
            return;
        }
        let (from, to) = (leg.state.kind(), state.kind());
        assert!(may_follow(from, to), "{call}: {to} cannot follow {from}");
        leg.state = state.clone();
        let media = leg.info.media;
        leg.since = self.now;
        if !leg.embryo && leg.taken {
            self.events.push_back(ProviderEvent::CallState { call, state, media });
        }
    }

    /// Parts of a call's information changed.
    pub(crate) fn changed(&mut self, call: CallId, changed: InfoParts) {
        self.events.push_back(ProviderEvent::CallInfo { call, changed });
    }

    /// A call is ended by its other side or the network: it is disconnected until its owner drops it.
    pub(crate) fn end(&mut self, call: CallId, end: Disconnect) {
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_up()) else { return };
        leg.other = Other::Nobody;
        let decides = leg.decides.take();
        self.enter(call, CallState::Disconnected(end));
        self.fail_all(call, &OperationError::CallEnded, |operation| {
            !matches!(operation, Operation::Drop { .. })
        });
        if let Some(transfer) = decides {
            self.complete(transfer, Err(OperationError::CallEnded));
        }
    }

    /// Ends the leg at the other end of a call, if there is one.
    pub(crate) fn end_other(&mut self, call: CallId, end: Disconnect) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        if let Other::Leg(other) = std::mem::replace(&mut leg.other, Other::Nobody)
            && self.legs.get(&other).is_some_and(|leg| leg.other == Other::Leg(call))
        {
            self.end(other, end);
        }
    }

    /// Completes a request, once.
    pub(crate) fn complete(&mut self, request: RequestId, result: Result<Outcome, OperationError>) {
        let Some(asked) = self.asked.remove(&request) else { return };
        let failed = result.is_err();
        self.events.push_back(ProviderEvent::Completed { request, result });
        if failed && let Operation::BlindTransfer { .. } = asked.operation {
            self.withdraw_transfer(request);
        }
    }

    /// Whoever was asked to take a transferred call is no longer asked.
    fn withdraw_transfer(&mut self, request: RequestId) {
        let target = self.legs.iter().find(|(_, leg)| leg.decides == Some(request)).map(|(call, _)| *call);
        if let Some(target) = target {
            if let Some(leg) = self.legs.get_mut(&target) {
                leg.decides = None;
            }
            self.end(target, Disconnect::new(DisconnectMode::Cancelled, EndedBy::Peer, "transfer withdrawn"));
        }
    }

    /// Completes what is outstanding on a call with an error, as far as it is of that kind.
    pub(crate) fn fail_all(
        &mut self,
        call: CallId,
        error: &OperationError,
        which: impl Fn(&Operation) -> bool,
    ) {
        let about = self.asked.iter().filter(|(_, a)| a.call == Some(call) && which(&a.operation));
        let about: Vec<_> = about.map(|(request, _)| *request).collect();
        for request in about {
            self.complete(request, Err(error.clone()));
        }
    }
}
