//! The loopback exchange as a service provider.

use super::agenda::Task;
use super::exchange::{Asked, Loopback};
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, AddressStatus, CallCounts, CallId, CallInfo, CallOptions, CallState, CallStatus, Capabilities,
    Devices, Disconnect, DisconnectMode, EndedBy, ExtensionVersion, Feature, Features, ForwardingRules,
    InterfaceVersion, LineDescription, LineError, LineId, LineState, LineStatus, MediaType, MediaTypes,
    Operation, OperationError, Outcome, Provider, ProviderEvent, RejectReason, RequestId, Set, StateKind,
    StatusKind, VersionRange,
};
use std::time::Duration;

const SPOKEN: VersionRange = VersionRange { low: InterfaceVersion::V1, high: InterfaceVersion::V1 };

impl Loopback {
    /// The calls of a line, or of one of its addresses, that have not ended.
    fn counts(&self, line: LineId, address: Option<AddressId>) -> CallCounts {
        let mut counts = CallCounts::default();
        let there = |leg: &&super::leg::Leg| {
            leg.line == line && address.is_none_or(|address| leg.address == address) && leg.is_up()
        };
        for leg in self.legs.values().filter(there).filter(|leg| leg.taken && !leg.embryo) {
            match leg.state.kind() {
                StateKind::OnHold => counts.held += 1,
                StateKind::OnHoldPendingTransfer | StateKind::OnHoldPendingConference => counts.pending += 1,
                _ => counts.active += 1,
            }
        }
        counts
    }

    /// What can be asked of a line now that needs no call.
    fn possible_at(&self, line: LineId) -> Features {
        let Some(entry) = self.lines.get(&line).filter(|entry| entry.open) else { return Features::NONE };
        let without_call = entry.capabilities.features.iter().filter(|feature| feature.states().is_empty());
        let room = entry.state == LineState::InService && !self.is_full(line);
        without_call.filter(|feature| room || *feature == Feature::Forward).collect()
    }

    /// Lets everything happen that is due at `now`.
    pub fn timeout(&mut self, now: Time) {
        while let Some((at, task)) = self.agenda.pop(now) {
            self.now = at;
            self.happen(at, task);
        }
    }

    fn happen(&mut self, now: Time, task: Task) {
        match task {
            Task::CarryOut(request) => self.carry_out(now, request),
            Task::Route { call, destination, hops, reason } => {
                self.route(now, call, &destination, hops, reason)
            }
            Task::OutsideAnswers(call) => self.outside_answers(call),
            Task::OutsideRefuses(call, status) => self.refuse(call, status),
            Task::NoAnswer(call) => self.no_answer(now, call),
            Task::GiveUp(call) => {
                let waits =
                    matches!(self.call_state(call), Some(CallState::Proceeding | CallState::Ringback));
                if waits {
                    let end = Disconnect::new(DisconnectMode::Cancelled, EndedBy::Peer, "");
                    self.end_other(call, end);
                    self.end(call, Disconnect::new(DisconnectMode::NoAnswer, EndedBy::Us, ""));
                }
            }
            Task::DigitsSent(request) => self.complete(request, Ok(Outcome::Done)),
            Task::Announce(call) => {
                if let Some(leg) = self.legs.get(&call).filter(|leg| !leg.taken) {
                    let (line, address) = (leg.line, leg.address);
                    self.events.push_back(ProviderEvent::NewCall { line, address, call });
                }
            }
            Task::PlayedOut(call) => {
                if self.legs.contains_key(&call) {
                    self.events.push_back(ProviderEvent::Played { call });
                }
            }
            Task::TransferDeadline(request) => {
                if let Some(Asked { operation: Operation::BlindTransfer { deadline, .. }, .. }) =
                    self.asked.get(&request)
                {
                    let error = OperationError::TimedOut(*deadline);
                    self.complete(request, Err(error));
                }
            }
            Task::TransferAnswered(request) => self.transferred(request, None),
            Task::TransferRefused(request, status) => {
                let reason = "refused by the target".into();
                self.complete(request, Err(OperationError::Refused { status, reason }));
            }
        }
    }

    /// What is wrong with a request, before anything is done for it.
    fn check(&mut self, operation: &Operation) -> Result<(LineId, Option<CallId>), OperationError> {
        let (line, state) = match operation.call() {
            Some(call) => {
                let leg = self.legs.get(&call).filter(|leg| !leg.embryo);
                let leg = leg.ok_or(OperationError::NoSuchCall(call))?;
                (leg.line, Some(leg.state.kind()))
            }
            None => match operation.line() {
                Some(line) => (line, None),
                None => return Err(OperationError::InvalidParameter("no call and no line".into())),
            },
        };
        let entry =
            self.lines.get(&line).filter(|entry| entry.open).ok_or(OperationError::NoSuchLine(line))?;
        entry.capabilities.check(operation, state)?;
        entry.capabilities.check_arguments(operation)?;
        match operation {
            Operation::MakeCall { address, destination, .. } => {
                if let LineState::OutOfService(why) = &entry.state {
                    return Err(OperationError::OutOfService(why.reason.clone()));
                }
                if usize::from(address.0) >= entry.addresses.len() {
                    return Err(OperationError::InvalidParameter(format!("the line has no {address}")));
                }
                if self.is_full(line) {
                    return Err(OperationError::TooManyCalls(entry.capabilities.max_calls));
                }
                Self::dialable(destination)?;
            }
            Operation::Redirect { destination, .. } | Operation::BlindTransfer { destination, .. } => {
                Self::dialable(destination)?;
            }
            Operation::Forward { address, .. } if usize::from(address.0) >= entry.addresses.len() => {
                return Err(OperationError::InvalidParameter(format!("the line has no {address}")));
            }
            _ => {}
        }
        match self.script.refusal(Feature::of(operation)) {
            Some(error) => Err(error),
            None => Ok((line, operation.call())),
        }
    }
}

impl Provider for Loopback {
    fn negotiate(&self, line: Option<LineId>, offered: VersionRange) -> Result<InterfaceVersion, LineError> {
        if let Some(line) = line.filter(|line| !self.lines.contains_key(line)) {
            return Err(LineError::NoSuchLine(line));
        }
        if offered.low <= SPOKEN.high && offered.high >= SPOKEN.low {
            Ok(offered.high.min(SPOKEN.high))
        } else {
            Err(LineError::IncompatibleVersion(SPOKEN))
        }
    }

    fn devices(&self) -> Devices {
        Devices { lines: u32::try_from(self.lines.len()).unwrap_or(u32::MAX), phones: 0 }
    }

    fn initialise(&mut self, now: Time, version: InterfaceVersion) -> Result<(), LineError> {
        self.now = now;
        self.negotiate(None, VersionRange { low: version, high: version })?;
        self.initialised = true;
        Ok(())
    }

    fn lines(&self) -> Vec<LineDescription> {
        let describe = |(id, entry): (&LineId, &super::exchange::LineEntry)| LineDescription {
            permanent: id.0 + 1,
            line: *id,
            name: entry.name.clone(),
            addresses: entry.addresses.clone(),
            state: entry.state.clone(),
        };
        self.lines.iter().map(describe).collect()
    }

    fn capabilities(&self, line: LineId) -> Option<&Capabilities> {
        self.lines.get(&line).map(|line| &line.capabilities)
    }

    fn open_line(&mut self, _now: Time, line: LineId, version: InterfaceVersion) -> Result<(), LineError> {
        self.negotiate(Some(line), VersionRange { low: version, high: version })?;
        match self.lines.get_mut(&line) {
            None => Err(LineError::NoSuchLine(line)),
            Some(entry) if entry.open => Err(LineError::AlreadyOpen(line)),
            Some(entry) => {
                entry.open = true;
                Ok(())
            }
        }
    }

    fn close_line(&mut self, now: Time, line: LineId) {
        let about: Vec<_> =
            self.asked.iter().filter(|(_, asked)| asked.line == line).map(|(id, _)| *id).collect();
        for request in about {
            self.complete(request, Err(OperationError::Closed));
        }
        for call in self.calls_of(line) {
            self.close_call(now, call);
        }
        if let Some(entry) = self.lines.get_mut(&line) {
            entry.open = false;
            entry.detected = MediaTypes::NONE;
        }
    }

    fn detect_media(&mut self, line: LineId, media: MediaTypes) -> Result<(), LineError> {
        let entry = self.lines.get_mut(&line).ok_or(LineError::NoSuchLine(line))?;
        if !entry.open {
            return Err(LineError::NotOpen(line));
        }
        if !entry.capabilities.media.with(MediaType::Unknown).covers(media) {
            return Err(LineError::UnsupportedMedia(media));
        }
        entry.detected = media;
        Ok(())
    }

    fn could_detect(&self, line: LineId, media: MediaTypes, _call: &CallOptions) -> Result<(), LineError> {
        let entry = self.lines.get(&line).ok_or(LineError::NoSuchLine(line))?;
        if entry.capabilities.media.with(MediaType::Unknown).covers(media) {
            Ok(())
        } else {
            Err(LineError::UnsupportedMedia(media))
        }
    }

    fn detect_status(&mut self, line: LineId, _kinds: Set<StatusKind>) -> Result<(), LineError> {
        let entry = self.lines.get(&line).ok_or(LineError::NoSuchLine(line))?;
        if entry.open { Ok(()) } else { Err(LineError::NotOpen(line)) }
    }

    fn negotiate_extension(
        &self,
        line: LineId,
        _offered: (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        self.lines.get(&line).ok_or(LineError::NoSuchLine(line))?;
        Err(LineError::IncompatibleExtension)
    }

    fn select_extension(&mut self, line: LineId, version: ExtensionVersion) -> Result<(), LineError> {
        self.lines.get(&line).ok_or(LineError::NoSuchLine(line))?;
        if version == ExtensionVersion::NONE { Ok(()) } else { Err(LineError::IncompatibleExtension) }
    }

    fn take_call(&mut self, now: Time, call: CallId, taken: bool) {
        self.now = now;
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| !leg.taken) else { return };
        if !taken {
            self.after(now, Duration::from_secs(1), Task::Announce(call));
            return;
        }
        leg.taken = true;
        let (state, media) = (leg.state.clone(), leg.info.media);
        self.events.push_back(ProviderEvent::CallState { call, state, media });
    }

    fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        let (line, about) = self.check(&operation)?;
        let created = match &operation {
            Operation::MakeCall { line, address, destination, .. } => {
                Some(self.conceive(*line, *address, destination))
            }
            _ => None,
        };
        self.asked.insert(request, Asked { line, call: created.or(about), operation });
        let latency = self.latency;
        self.after(now, latency, Task::CarryOut(request));
        Ok(created)
    }

    fn close_call(&mut self, _now: Time, call: CallId) {
        self.fail_all(call, &OperationError::Closed, |_| true);
        self.hang_up_here(call, RejectReason::Default);
        self.legs.remove(&call);
        // What was said of it and not yet heard is void: nothing follows the close.
        self.events.retain(|event| match event {
            ProviderEvent::NewCall { call: about, .. }
            | ProviderEvent::CallState { call: about, .. }
            | ProviderEvent::CallInfo { call: about, .. }
            | ProviderEvent::Digit { call: about, .. }
            | ProviderEvent::DigitBegun { call: about, .. }
            | ProviderEvent::Tone { call: about, .. }
            | ProviderEvent::Media { call: about, .. }
            | ProviderEvent::Played { call: about }
            | ProviderEvent::MediaFailed { call: about, .. } => *about != call,
            ProviderEvent::Completed { .. }
            | ProviderEvent::LineState { .. }
            | ProviderEvent::Ringing { .. }
            | ProviderEvent::MessageWaiting { .. }
            | ProviderEvent::CallCount { .. }
            | ProviderEvent::CompletionEnded { .. }
            | ProviderEvent::CapabilitiesChanged { .. }
            | ProviderEvent::Extension { .. }
            | ProviderEvent::CloseRequested { .. }
            | ProviderEvent::Reinitialise { .. }
            | ProviderEvent::Forwarding { .. }
            | ProviderEvent::LineCreated { .. }
            | ProviderEvent::LineRemoved { .. }
            | ProviderEvent::Recorded(_) => true,
        });
    }

    fn call_info(&self, call: CallId) -> Option<CallInfo> {
        self.legs.get(&call).map(|leg| leg.info.clone())
    }

    fn call_state(&self, call: CallId) -> Option<CallState> {
        self.legs.get(&call).map(|leg| leg.state.clone())
    }

    fn call_status(&self, call: CallId) -> Option<CallStatus> {
        let leg = self.legs.get(&call)?;
        let possible = self.lines.get(&leg.line)?.capabilities.possible(leg.state.kind());
        Some(CallStatus { state: leg.state.clone(), since: leg.since, possible })
    }

    fn line_status(&self, line: LineId) -> Option<LineStatus> {
        let entry = self.lines.get(&line)?;
        Some(LineStatus {
            state: entry.state.clone(),
            open: entry.open,
            calls: self.counts(line, None),
            completions: 0,
            message_waiting: false,
            possible: self.possible_at(line),
        })
    }

    fn address_status(&self, line: LineId, address: AddressId) -> Option<AddressStatus> {
        let forwarding = self.forwarding(line, address)?.clone();
        Some(AddressStatus {
            calls: self.counts(line, Some(address)),
            possible: self.possible_at(line),
            forwarding,
        })
    }

    fn address_id(&self, line: LineId, dialled: &str) -> Option<AddressId> {
        let addresses = &self.lines.get(&line)?.addresses;
        addresses.iter().find(|known| known.uri == dialled).map(|known| known.address)
    }

    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules> {
        self.lines.get(&line)?.forwarding.get(usize::from(address.0))
    }

    fn poll_event(&mut self) -> Option<ProviderEvent> {
        self.events.pop_front()
    }

    fn shutdown(&mut self, now: Time) {
        let lines: Vec<_> = self.lines.keys().copied().collect();
        for line in lines {
            self.close_line(now, line);
        }
    }
}
