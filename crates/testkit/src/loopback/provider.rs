//! The loopback exchange as a service provider.

use super::agenda::Task;
use super::exchange::{Asked, Loopback};
use super::faults::Fault;
use super::line::Open;
use super::versions;
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, AddressStatus, CallId, CallInfo, CallOptions, CallState, CallStatus, Capabilities,
    DeviceConfig, Devices, ExtensionVersion, Feature, ForwardingRules, InterfaceVersion, LineDescription,
    LineError, LineId, LineState, LineStatus, MediaType, MediaTypes, Operation, OperationError, Provider,
    ProviderEvent, RequestId, Set, StatusKind, VersionRange,
};

impl Loopback {
    /// Lets everything happen that is due at `now`.
    pub fn timeout(&mut self, now: Time) {
        while let Some((at, task)) = self.agenda.pop(now) {
            self.now = at;
            self.happen(task);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, task: Task) {
        match task {
            Task::CarryOut(request) => self.carry_out(request),
            Task::Route(call, search) => self.route(call, search),
            Task::OutsideAnswers(call) => self.outside_answers(call),
            Task::OutsideRefuses(call, refusal) => self.outside_refuses(call, refusal),
            Task::Unheard(request) => self.unheard(request),
            Task::BusyOver(call, end) => self.busy_over(call, end),
            Task::NoAnswer(call) => self.no_answer(call),
            Task::GiveUp(call) => self.waited_enough(call),
            Task::Ring(call, count) => self.ring(call, count),
            Task::NextDigit(request) => self.next_digit(request),
            Task::DigitOver(call, digit, duration) => self.digit_over(call, digit, duration),
            Task::ToneSent(request) => self.tone_sent(request),
            Task::GatherLate(request, count) => self.gather_late(request, count),
            Task::Announce(call) => self.announce_again(call),
            Task::PlayedOut(call) => {
                if self.known(call).is_some_and(super::leg::Leg::is_up) {
                    self.events.push_back(ProviderEvent::Played { call });
                }
            }
            Task::TransferDeadline(request) => {
                let deadline = self.asked.get(&request).and_then(|asked| match asked.operation {
                    Operation::BlindTransfer { deadline, .. }
                    | Operation::CompleteTransfer { deadline, .. } => Some(deadline),
                    _ => None,
                });
                if let Some(deadline) = deadline {
                    self.complete(request, Err(OperationError::TimedOut(deadline)));
                }
            }
            Task::TransferAnswered(request) => self.transferred(request, None),
            Task::TransferRefused(request, status) => {
                let reason = "refused by the target".into();
                self.complete(request, Err(OperationError::Refused { status, reason }));
            }
            Task::Recall(orbit) => self.recall(orbit),
            Task::Expire(completion) => self.end_completion(completion),
            Task::LookForFree => self.look_for_free(),
        }
    }

    fn line_at(&self, line: LineId) -> Result<&super::line::Line, LineError> {
        if self.session.is_none() {
            return Err(LineError::NotInitialised);
        }
        self.lines.get(&line).ok_or(LineError::NoSuchLine(line))
    }

    fn open_at(&mut self, line: LineId) -> Result<&mut Open, LineError> {
        self.line_at(line)?;
        let open = self.lines.get_mut(&line).and_then(|line| line.open.as_mut());
        open.ok_or(LineError::NotOpen(line))
    }
}

impl Provider for Loopback {
    fn negotiate(&self, line: Option<LineId>, offered: VersionRange) -> Result<InterfaceVersion, LineError> {
        if let Some(line) = line {
            self.line_at(line)?;
        } else if self.broken(Fault::NegotiatesOnlyInSession) && self.session.is_none() {
            return Err(LineError::NotInitialised);
        }
        if self.broken(Fault::NegotiatesTooHigh) {
            return Ok(InterfaceVersion::V1);
        }
        versions::negotiate(offered)
    }

    fn devices(&self) -> Devices {
        let next = self.pending.as_ref().filter(|_| self.session.is_none()).map(Vec::len);
        let lines = next.unwrap_or(self.lines.len()) + usize::from(self.broken(Fault::MiscountsDevices));
        Devices { lines: u32::try_from(lines).unwrap_or(u32::MAX), phones: 0 }
    }

    fn initialise(&mut self, now: Time, version: InterfaceVersion) -> Result<(), LineError> {
        self.now = now;
        let version = versions::negotiate(VersionRange { low: version, high: version })?;
        if self.session.is_some() {
            if self.broken(Fault::InitialisesTwice) {
                self.clear_session();
            }
            return Ok(());
        }
        self.load();
        self.session = Some(version);
        Ok(())
    }

    fn lines(&self) -> Vec<LineDescription> {
        let describe = |(id, entry): (&LineId, &super::line::Line)| LineDescription {
            permanent: id.0 + 1,
            line: *id,
            name: entry.name.clone(),
            addresses: entry.addresses.clone(),
            state: entry.state.clone(),
        };
        let exist = self.lines.iter().filter(|_| self.session.is_some());
        exist.map(describe).collect()
    }

    fn capabilities(&self, line: LineId) -> Option<&Capabilities> {
        self.line_at(line).ok().map(|line| &line.capabilities)
    }

    fn open_line(&mut self, now: Time, line: LineId, version: InterfaceVersion) -> Result<(), LineError> {
        self.now = now;
        let entry = self.line_at(line)?;
        let version = versions::negotiate(VersionRange { low: version, high: version })?;
        if entry.open.is_some() {
            return Err(LineError::AlreadyOpen(line));
        }
        if self.broken(Fault::OpensOnlyInService) && entry.state != LineState::InService {
            return Err(LineError::Stored("the line is out of service".into()));
        }
        if let Some(entry) = self.lines.get_mut(&line) {
            entry.open = Some(Open::new(version));
            // Whoever opens a line that cannot be used is told so.
            if let state @ LineState::OutOfService(_) = entry.state.clone() {
                self.tell(line, StatusKind::Service, ProviderEvent::LineState { line, state });
            }
        }
        Ok(())
    }

    fn close_line(&mut self, now: Time, line: LineId) {
        self.now = now;
        if !self.broken(Fault::CloseLosesRequests) {
            self.complete_line(line);
        }
        for call in self.calls_of(line) {
            self.close(call);
        }
        self.waiting.retain(|_, waiting| waiting.line != line);
        if let Some(entry) = self.lines.get_mut(&line) {
            entry.open = None;
            entry.counted.fill(Default::default());
        }
        self.events.retain(|event| super::operate::about_line(event) != Some(line));
    }

    fn detect_media(&mut self, line: LineId, media: MediaTypes) -> Result<(), LineError> {
        let careless = self.broken(Fault::DetectsEverything);
        let possible = self.line_at(line)?.capabilities.media.with(MediaType::Unknown);
        let open = self.open_at(line)?;
        if !possible.covers(media) && !careless {
            return Err(LineError::UnsupportedMedia(media));
        }
        open.detected = media;
        Ok(())
    }

    fn could_detect(&self, line: LineId, media: MediaTypes, _call: &CallOptions) -> Result<(), LineError> {
        let entry = self.line_at(line)?;
        if entry.capabilities.media.with(MediaType::Unknown).covers(media) {
            Ok(())
        } else {
            Err(LineError::UnsupportedMedia(media))
        }
    }

    fn detect_status(&mut self, line: LineId, kinds: Set<StatusKind>) -> Result<(), LineError> {
        self.open_at(line)?.told = kinds;
        // From now on changes are told, not what has been.
        let now: Vec<_> = (0..self.line_at(line)?.addresses.len())
            .map(|n| self.counts(line, Some(AddressId(u16::try_from(n).unwrap_or(u16::MAX)))))
            .collect();
        if let Some(entry) = self.lines.get_mut(&line) {
            entry.counted = now;
        }
        Ok(())
    }

    fn device_config(&self, line: LineId) -> Option<DeviceConfig> {
        self.line_at(line).ok().map(|line| line.config.clone())
    }

    fn set_device_config(&mut self, line: LineId, config: DeviceConfig) -> Result<(), LineError> {
        self.line_at(line)?;
        self.configure_line(line, config)
    }

    fn negotiate_extension(
        &self,
        line: LineId,
        offered: (ExtensionVersion, ExtensionVersion),
    ) -> Result<ExtensionVersion, LineError> {
        self.line_at(line)?;
        self.extension_offered(line, offered)
    }

    fn select_extension(&mut self, line: LineId, version: ExtensionVersion) -> Result<(), LineError> {
        self.line_at(line)?;
        self.extension_selected(line, version)
    }

    fn take_call(&mut self, now: Time, call: CallId, taken: bool) {
        self.now = now;
        self.taken(call, taken);
    }

    fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        self.now = now;
        if request == RequestId(0) || self.asked.contains_key(&request) {
            let what = "expected a number that is not 0 and names no outstanding request";
            return Err(OperationError::InvalidParameter(what.into()));
        }
        let line = match self.check(&operation) {
            Ok(line) => line,
            Err(error) => {
                if let (true, OperationError::InvalidAddress { .. }, Operation::Redirect { call, .. }) =
                    (self.broken(Fault::RedirectLosesCall), &error, &operation)
                {
                    self.release(*call, 486, None);
                }
                if let Operation::SetMediaControl { call, .. } = &operation {
                    self.control_refused(*call, &error);
                }
                return Err(error);
            }
        };
        if let Some(error) = self.script.refusal(Feature::of(&operation)) {
            return Err(error);
        }
        let creates = self.conceive_for(line, &operation);
        let (created, call) = (creates.first().copied(), operation.call());
        let completion = self.completions.accept(request);
        self.asked.insert(request, Asked { line, call, operation, creates, completion });
        let latency = self.latency;
        self.after(latency, Task::CarryOut(request));
        Ok(created)
    }

    fn close_call(&mut self, now: Time, call: CallId) {
        self.now = now;
        self.close(call);
    }

    fn call_info(&self, call: CallId) -> Option<CallInfo> {
        let leg = self.legs.get(&call).filter(|leg| !leg.embryo)?;
        Some(versions::info(self.version(leg.line), leg.info.clone()))
    }

    fn call_state(&self, call: CallId) -> Option<CallState> {
        let leg = self.legs.get(&call).filter(|leg| !leg.embryo)?;
        Some(versions::state(self.version(leg.line), leg.state.clone()))
    }

    fn call_status(&self, call: CallId) -> Option<CallStatus> {
        let leg = self.legs.get(&call).filter(|leg| !leg.embryo)?;
        let since = if self.broken(Fault::StateTimeMoves) { self.now } else { leg.since };
        Some(CallStatus { state: self.call_state(call)?, since, possible: self.possible_for(call) })
    }

    fn line_status(&self, line: LineId) -> Option<LineStatus> {
        let entry = self.line_at(line).ok()?;
        Some(LineStatus {
            state: entry.state.clone(),
            open: entry.open.is_some(),
            calls: self.counts(line, None),
            completions: u32::try_from(self.completions_of(line)).unwrap_or(u32::MAX),
            message_waiting: entry.messages.0 > 0,
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
        self.line_at(line).ok()?.dialled(dialled)
    }

    fn forwarding(&self, line: LineId, address: AddressId) -> Option<&ForwardingRules> {
        self.line_at(line).ok()?.forwarding.get(usize::from(address.0))
    }

    fn poll_event(&mut self) -> Option<ProviderEvent> {
        self.completions.lost().or_else(|| self.events.pop_front())
    }

    fn shutdown(&mut self, now: Time) {
        self.now = now;
        if self.session.is_none() {
            return;
        }
        let lines: Vec<_> = self.lines.keys().copied().collect();
        if self.broken(Fault::ShutdownLosesRequests) {
            for asked in std::mem::take(&mut self.asked).into_values() {
                asked.completion.refuse();
            }
        }
        for line in lines {
            self.close_line(now, line);
        }
        self.clear_session();
        self.session = None;
    }
}
