//! Carrying out what was asked: each operation goes to the file of its idea; what is short stands here.

use super::agenda::Task;
use super::cause::Refusal;
use super::exchange::Loopback;
use super::faults::Fault;
use super::leg::{Leg, Other, Part, Taken};
use super::stranger::{Noticed, octets};
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, CallStatistics, ConnectedMode, Disconnect, DisconnectMode,
    EndedBy, Feature, ForwardingRules, InfoParts, LineId, LineState, Operation, OperationError, OutOfService,
    Outcome, Party, ProviderEvent, Reason, RejectReason, RequestId, StatusKind, UserInfo,
};
use std::time::Duration;

/// So long the end of a call is waited for that the other side does not confirm.
const UNCONFIRMED: Duration = Duration::from_secs(5);

impl Loopback {
    /// Carries out a request whose time has come.
    pub(crate) fn carry_out(&mut self, request: RequestId) {
        let Some(asked) = self.asked.get(&request) else { return };
        let (operation, line) = (asked.operation.clone(), asked.line);
        if let Some(error) = self.script.failure(Feature::of(&operation)) {
            return self.complete(request, Err(error));
        }
        if let Err(error) = self.check_states(line, &operation) {
            return self.complete(request, Err(error));
        }
        match operation {
            Operation::MakeCall { destination, .. } => {
                if let Some(call) = self.created(request) {
                    self.make_call(request, call, &destination);
                }
            }
            Operation::Dial { call, digits } => self.dial(request, call, &digits),
            Operation::Accept { call, user_info } => {
                self.tell_leg(call, user_info.as_ref());
                self.notes(self.other_of(Other::Leg(call)), Noticed::Alerted(octets(user_info.as_ref())));
                if !self.broken(Fault::AcceptDoesNothing) {
                    self.enter(call, CallState::Accepted);
                }
                self.done(request);
            }
            Operation::Answer { call, source, user_info } => self.answer(request, call, source, user_info),
            Operation::Redirect { call, destination } => self.redirect(request, call, &destination),
            Operation::Forward { line, address, rules } => self.forward(request, line, address, rules),
            Operation::Drop { call, reason, user_info } => self.drop_asked(request, call, reason, user_info),
            Operation::Hold { call } | Operation::Retrieve { call } if !self.agrees(request, call) => {}
            Operation::Hold { call } => {
                self.hold(call, CallState::OnHold);
                self.done(request);
            }
            Operation::Retrieve { call } => {
                self.retrieve(call);
                self.done(request);
            }
            Operation::SwapHold { active, held } => {
                self.swap(active, held);
                self.done(request);
            }
            Operation::SetupTransfer { call, consult } => self.setup_transfer(request, call, &consult),
            Operation::CompleteTransfer { call, consult, mode, deadline } => {
                self.complete_transfer(request, (call, consult), mode, deadline);
            }
            Operation::BlindTransfer { call, destination, deadline } => {
                self.transfer(request, call, &destination, deadline);
            }
            Operation::SetupConference { call, consult, .. } => {
                self.setup_conference(request, call, &consult)
            }
            Operation::PrepareAddToConference { conference, consult } => {
                self.prepare_add(request, conference, &consult);
            }
            Operation::AddToConference { conference, member } => {
                self.add_to_conference(request, conference, member);
            }
            Operation::RemoveFromConference { member } => self.remove_member(request, member),
            Operation::Park { call, at } => self.park(request, call, &at),
            Operation::Unpark { orbit, .. } => self.unpark(request, &orbit),
            Operation::Pickup { line, address, from } => self.pick_up(request, (line, address), &from),
            Operation::CompleteCall { call, mode } => self.complete_later(request, call, mode),
            Operation::UncompleteCall { completion, .. } => self.uncomplete(request, completion),
            Operation::SecureCall { call } => {
                self.with_info(call, InfoParts::SECURE, |info| info.secure = true);
                self.done(request);
            }
            Operation::SendUserInfo { call, data } => {
                self.tell_leg(call, Some(&data));
                self.notes(self.other_of(Other::Leg(call)), Noticed::UserInfo(data.0));
                self.done(request);
            }
            Operation::ReleaseUserInfo { call } => {
                self.release_user_info(call);
                self.done(request);
            }
            Operation::SetMediaType { call, media } => {
                self.with_info(call, InfoParts::MEDIA, |info| info.media = media);
                self.done(request);
            }
            Operation::SetCallData { call, data } => {
                self.with_info(call, InfoParts::CALL_DATA, |info| info.call_data = data.into());
                self.done(request);
            }
            Operation::SetAppSpecific { call, value } => {
                self.with_info(call, InfoParts::APP_SPECIFIC, |info| info.app_specific = value);
                self.done(request);
            }
            Operation::SetTreatment { call, treatment } => {
                self.with_info(call, InfoParts::TREATMENT, |info| info.treatment = Some(treatment));
                self.done(request);
            }
            Operation::SetService { line, on } => self.set_service(request, line, on),
            Operation::SendDigits { call, digits } => self.send_digits(request, call, &digits),
            Operation::SendTone { call, tone } => self.send_tone(request, call, &tone),
            Operation::StopSending { call } => {
                self.replace_sending(call);
                self.done(request);
            }
            Operation::GatherDigits { call, gather } => self.gather(request, call, gather),
            Operation::StopGathering { call } => {
                self.stop_gathering(call);
                self.done(request);
            }
            Operation::MonitorDigits { call, digits } => {
                self.with_leg(call, |leg| leg.rest.digits = digits);
                self.done(request);
            }
            Operation::MonitorTones { call, tones } => {
                self.with_leg(call, |leg| leg.rest.tones = tones);
                self.done(request);
            }
            Operation::MonitorMedia { call, media } => {
                self.with_leg(call, |leg| leg.rest.watched = media);
                self.done(request);
            }
            Operation::Play { call, source } => {
                self.play(call, source);
                self.done(request);
            }
            Operation::SetCallParameters { call, audio } => self.set_parameters(request, call, audio),
            Operation::SetMediaControl { call, controls } => {
                self.control_media(call, controls);
                self.done(request);
            }
            Operation::Record { .. } => self.done(request),
            Operation::Statistics { call } => {
                let figures = CallStatistics { codec: self.codec_of(call), ..CallStatistics::default() };
                self.complete(request, Ok(Outcome::Statistics(figures)));
            }
            Operation::Extension { call, command, .. } => self.extension(request, call, command),
        }
    }

    pub(crate) fn done(&mut self, request: RequestId) {
        self.complete(request, Ok(Outcome::Done));
    }

    fn with_leg(&mut self, call: CallId, change: impl FnOnce(&mut Leg)) {
        if let Some(leg) = self.legs.get_mut(&call) {
            change(leg);
        }
    }

    fn answer(&mut self, request: RequestId, call: CallId, source: AudioSource, user_info: Option<UserInfo>) {
        self.answer_mode(call);
        self.tell_leg(call, user_info.as_ref());
        // Its caller may have been the call that was dropped for it.
        let Some(leg) = self.legs.get_mut(&call).filter(|leg| leg.is_offered()) else { return };
        leg.info.connected = leg.info.caller.clone();
        leg.answered = true;
        leg.rest.playing.source = source;
        let (other, decides, calls) = (leg.other, leg.decides.take(), leg.rest.calls.clone());
        self.enter(call, CallState::Connected(self.mode_of(call)));
        self.done(request);
        if let Some(transfer) = decides {
            return self.transferred(transfer, Some(call));
        }
        if let Some(calls) = calls {
            return self.call_back(call, &calls);
        }
        match other {
            Other::Leg(caller) => self.far_answers(caller),
            Other::Stranger(_) => {
                self.notes(other, Noticed::Answered(octets(user_info.as_ref())));
                self.notes(other, Noticed::Confirmed);
            }
            Other::Orbit(_) | Other::Nobody => {}
        }
    }

    fn redirect(&mut self, request: RequestId, call: CallId, destination: &str) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let (line, address, decides) = (leg.line, leg.address, leg.decides.take());
        let by = self.lines.get(&line).and_then(|line| line.uri(address)).unwrap_or_default().into();
        let other = self.unlink(Other::Leg(call));
        self.with_info(call, InfoParts::REDIRECTION, |info| {
            info.redirection = Party::known(destination, "");
        });
        self.enter(call, CallState::Idle);
        self.done(request);
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        if let Some(transfer) = decides {
            let error = OperationError::Refused { status: 302, reason: "Moved Temporarily".into() };
            self.complete(transfer, Err(error));
        } else {
            self.send_on(call, other, destination, Reason::Redirected, by);
        }
    }

    fn forward(&mut self, request: RequestId, line: LineId, address: AddressId, mut rules: ForwardingRules) {
        let (appends, unclamped) = (self.broken(Fault::ForwardAppends), self.broken(Fault::ForwardUnclamped));
        if let Some(entry) = self.lines.get_mut(&line) {
            let bounds = entry.capabilities.no_answer_after;
            if !unclamped {
                rules.no_answer_after = rules.no_answer_after.map(|after| bounds.clamp(after));
            }
            if let Some(list) = entry.forwarding.get_mut(usize::from(address.0)) {
                if appends {
                    rules.rules.splice(0..0, list.rules.drain(..));
                }
                *list = rules;
            }
        }
        self.done(request);
        self.tell(line, StatusKind::Forwarding, ProviderEvent::Forwarding { line, address });
    }

    fn set_service(&mut self, request: RequestId, line: LineId, on: bool) {
        self.done(request);
        let why = OutOfService { status: None, reason: "taken out of service by an application".into() };
        let state = if on { LineState::InService } else { LineState::OutOfService(why) };
        if self.lines.get(&line).is_some_and(|line| line.state != state) {
            self.set_line_state(line, state);
        }
    }

    /// A request to drop: at once, unless the other side never confirms it; then after a bounded wait.
    fn drop_asked(
        &mut self,
        request: RequestId,
        call: CallId,
        reason: RejectReason,
        user_info: Option<UserInfo>,
    ) {
        if let Some(Other::Stranger(id)) = self.legs.get(&call).map(|leg| leg.other)
            && let Some(party) = self.strangers.get_mut(&id).filter(|party| party.deaf)
        {
            party.deaf = false;
            return self.after(UNCONFIRMED, Task::CarryOut(request));
        }
        self.done(request);
        if self.broken(Fault::DropWithoutIdle) {
            return;
        }
        self.drop_call(call, reason, user_info);
    }

    /// We end, abandon or refuse a call; the other side learns.
    pub(crate) fn drop_call(&mut self, call: CallId, reason: RejectReason, user_info: Option<UserInfo>) {
        let reason = match reason {
            RejectReason::Default => {
                let line = self.legs.get(&call).and_then(|leg| self.lines.get(&leg.line));
                line.map_or(RejectReason::Busy, |line| line.reject)
            }
            RejectReason::Busy | RejectReason::NoAnswer | RejectReason::Decline => reason,
        };
        let status = match reason {
            RejectReason::Default | RejectReason::Busy => 486,
            RejectReason::NoAnswer => 480,
            RejectReason::Decline => 603,
        };
        self.release(call, status, user_info);
    }

    pub(crate) fn release(&mut self, call: CallId, status: u16, user_info: Option<UserInfo>) {
        let status = if self.broken(Fault::RefusesOneWay) { 486 } else { status };
        if self.legs.get(&call).is_some_and(Leg::is_up) {
            self.tell_leg(call, user_info.as_ref());
        }
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let (offered, answered, up) = (leg.is_offered(), leg.answered, leg.is_up());
        let (decides, consults) = (leg.decides.take(), leg.consults());
        let waits = leg.rest.completes.take();
        let members = if self.broken(Fault::DropLeavesMembers) { Vec::new() } else { self.members_of(call) };
        if let Some(leg) = self.legs.get_mut(&call)
            && leg.members().is_none()
        {
            leg.part = Part::Plain;
        }
        if let Some(transfer) = waits {
            self.complete(transfer, Err(OperationError::CallEnded));
        }
        let other = self.unlink(Other::Leg(call));
        self.finish_media(call);
        for member in members {
            self.release(member, 486, None);
        }
        if self.state_of(call) != Some(hookswitch_spi::StateKind::Idle) {
            self.enter(call, CallState::Idle);
        }
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        self.leave(call);
        if let Some(transfer) = decides {
            let reason = "refused by the target".into();
            self.complete(transfer, Err(OperationError::Refused { status, reason }));
        }
        if up && offered {
            self.turn_away(other, Refusal::with(status));
        } else if up {
            let mode = if answered { DisconnectMode::Normal } else { DisconnectMode::Cancelled };
            self.end_other(other, Disconnect::new(mode, EndedBy::Peer, ""), user_info.as_ref());
        }
        self.reconnect(consults);
        self.look_for_free_soon();
    }

    /// A consultation call is over: the call that waited for it goes on, if the line does so.
    fn reconnect(&mut self, held: Option<CallId>) {
        let Some(held) = held else { return };
        let Some(leg) = self.legs.get(&held) else { return };
        let reconnects = self.lines.get(&leg.line).is_some_and(|line| line.capabilities.flags.reconnects);
        let pending =
            matches!(leg.state, CallState::OnHoldPendingTransfer | CallState::OnHoldPendingConference);
        if pending && reconnects && !self.broken(Fault::ForgetsToReconnect) {
            self.connect_again(held);
        }
    }

    /// A call is closed: what is outstanding completes, a live call is hung up, and nothing follows.
    pub(crate) fn close(&mut self, call: CallId) {
        let Some(leg) = self.legs.get(&call) else { return };
        let embryo = leg.embryo;
        let loses = |operation: &Operation| {
            embryo && self.broken(Fault::CloseLosesMaking)
                || matches!(operation, Operation::Drop { .. }) && self.broken(Fault::CloseLosesDrop)
        };
        let about = self.asked.iter().filter(|(_, asked)| {
            asked.call == Some(call)
                || asked.operation.other_call() == Some(call)
                || asked.creates.contains(&call)
        });
        let about: Vec<_> = about.map(|(id, asked)| (*id, loses(&asked.operation))).collect();
        for (request, loses) in about {
            if loses {
                self.asked.remove(&request).map(|asked| asked.completion.refuse());
            }
            self.complete(request, Err(OperationError::Closed));
        }
        if self.broken(Fault::CloseLeavesPeer) {
            self.unlink(Other::Leg(call));
        }
        let late = self.legs.get(&call).map(|leg| leg.info.media);
        self.drop_call(call, RejectReason::Default, None);
        self.legs.remove(&call);
        // What was said of it and not yet heard is void: nothing follows the close.
        self.events.retain(|event| about_call(event) != Some(call));
        if let (true, Some(media)) = (self.broken(Fault::EventAfterClose), late) {
            let state = CallState::Connected(ConnectedMode::Active);
            self.events.push_back(ProviderEvent::CallState { call, state, media });
        }
    }

    /// A busy tone was heard long enough.
    pub(crate) fn busy_over(&mut self, call: CallId, end: Disconnect) {
        if matches!(self.legs.get(&call).map(|leg| &leg.state), Some(CallState::Busy(_))) {
            self.end(call, end);
        }
    }

    /// Whether a call is known to the application side.
    pub(crate) fn known(&self, call: CallId) -> Option<&Leg> {
        self.legs.get(&call).filter(|leg| !leg.embryo && leg.taken == Taken::Yes)
    }
}

/// The call that an event tells of.
fn about_call(event: &ProviderEvent) -> Option<CallId> {
    use hookswitch_spi::ExtensionEvent;
    match event {
        ProviderEvent::NewCall { call, .. }
        | ProviderEvent::CallState { call, .. }
        | ProviderEvent::CallInfo { call, .. }
        | ProviderEvent::Digit { call, .. }
        | ProviderEvent::DigitBegun { call, .. }
        | ProviderEvent::Tone { call, .. }
        | ProviderEvent::Media { call, .. }
        | ProviderEvent::Played { call }
        | ProviderEvent::MediaFailed { call, .. }
        | ProviderEvent::Extension {
            event: ExtensionEvent::Received { call, .. } | ExtensionEvent::Stream { call },
            ..
        } => Some(*call),
        ProviderEvent::Completed { .. }
        | ProviderEvent::LineState { .. }
        | ProviderEvent::Ringing { .. }
        | ProviderEvent::MessageWaiting { .. }
        | ProviderEvent::CallCount { .. }
        | ProviderEvent::CompletionEnded { .. }
        | ProviderEvent::CapabilitiesChanged { .. }
        | ProviderEvent::CloseRequested { .. }
        | ProviderEvent::Reinitialise { .. }
        | ProviderEvent::Forwarding { .. }
        | ProviderEvent::LineCreated { .. }
        | ProviderEvent::LineRemoved { .. }
        | ProviderEvent::Recorded(_) => None,
    }
}

/// The line that an event tells of, if it is closed when the line is.
pub(crate) fn about_line(event: &ProviderEvent) -> Option<LineId> {
    match event {
        ProviderEvent::NewCall { line, .. }
        | ProviderEvent::LineState { line, .. }
        | ProviderEvent::Ringing { line, .. }
        | ProviderEvent::MessageWaiting { line, .. }
        | ProviderEvent::CallCount { line, .. }
        | ProviderEvent::CompletionEnded { line, .. }
        | ProviderEvent::CapabilitiesChanged { line }
        | ProviderEvent::Extension { line, .. }
        | ProviderEvent::CloseRequested { line, .. }
        | ProviderEvent::Forwarding { line, .. } => Some(*line),
        ProviderEvent::Completed { .. }
        | ProviderEvent::CallState { .. }
        | ProviderEvent::CallInfo { .. }
        | ProviderEvent::Digit { .. }
        | ProviderEvent::DigitBegun { .. }
        | ProviderEvent::Tone { .. }
        | ProviderEvent::Media { .. }
        | ProviderEvent::Played { .. }
        | ProviderEvent::MediaFailed { .. }
        | ProviderEvent::Reinitialise { .. }
        | ProviderEvent::LineCreated { .. }
        | ProviderEvent::LineRemoved { .. }
        | ProviderEvent::Recorded(_) => None,
    }
}
