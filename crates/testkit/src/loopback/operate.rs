//! Carrying out what was asked, with the right states on both sides.

use super::agenda::Task;
use super::exchange::Loopback;
use super::leg::{self, Leg, Other};
use super::route::Found;
use super::script::Outside;
use hookswitch_machine::Time;
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallInfo, CallOptions, CallState, CallStatistics, ConnectedMode,
    DigitOptions, Disconnect, DisconnectMode, EndedBy, Feature, ForwardingRules, InfoParts, LineId,
    MediaTypes, Operation, OperationError, Origin, Outcome, Party, ProviderEvent, Reason, RejectReason,
    RequestId, TransferOutcome,
};
use std::time::Duration;

impl Loopback {
    /// A call being made, before anybody may hear of it.
    pub(crate) fn conceive(&mut self, line: LineId, address: AddressId, destination: &str) -> CallId {
        let (call, physical) = (self.mint_call(), self.mint_physical());
        let own = self.lines.get(&line).and_then(|line| line.addresses.get(usize::from(address.0)));
        let own = own.map(|address| address.uri.clone()).unwrap_or_default();
        let info = leg::info(line, address, physical, Origin::Outbound, MediaTypes::VOICE, &own, destination);
        let (state, other) = (CallState::Unknown, Other::Nobody);
        self.legs.insert(
            call,
            Leg {
                line,
                address,
                state,
                taken: true,
                since: self.now,
                embryo: true,
                other,
                info,
                decides: None,
            },
        );
        call
    }

    /// Carries out a request whose time has come.
    pub(crate) fn carry_out(&mut self, now: Time, request: RequestId) {
        let Some(asked) = self.asked.get(&request) else { return };
        let (operation, line, call) = (asked.operation.clone(), asked.line, asked.call);
        if let Some(error) = self.script.failure(Feature::of(&operation)) {
            return self.failed(request, call, &operation, error);
        }
        let state = call.and_then(|call| self.legs.get(&call)).map(|leg| leg.state.kind());
        let creates = matches!(operation, Operation::MakeCall { .. });
        if let (Some(state), false, Some(entry)) = (state, creates, self.lines.get(&line))
            && let Err(error) = entry.capabilities.check(&operation, Some(state))
        {
            return self.complete(request, Err(error));
        }
        match operation {
            Operation::MakeCall { destination, options, .. } => {
                self.make_call(now, request, call, &destination, &options);
            }
            Operation::Accept { call, .. } => {
                self.enter(call, CallState::Accepted);
                self.complete(request, Ok(Outcome::Done));
            }
            Operation::Answer { call, .. } => self.answer(request, call),
            Operation::Redirect { call, destination } => self.redirect(now, request, call, &destination),
            Operation::Forward { line, address, rules } => self.forward(request, line, address, rules),
            Operation::Drop { call, reason, .. } => {
                self.complete(request, Ok(Outcome::Done));
                self.hang_up_here(call, reason);
            }
            Operation::Hold { call } => {
                self.enter(call, CallState::OnHold);
                self.refresh_other(call);
                self.complete(request, Ok(Outcome::Done));
            }
            Operation::Retrieve { call } => {
                self.enter(call, CallState::Connected(self.mode_of(call)));
                self.refresh_other(call);
                self.complete(request, Ok(Outcome::Done));
            }
            Operation::BlindTransfer { call, destination, deadline } => {
                self.transfer(now, request, call, &destination, deadline);
            }
            Operation::SendDigits { call, digits } => self.send_digits(now, request, call, &digits),
            Operation::Play { call, source } => {
                if let AudioSource::File { repeat: false, .. } = source {
                    self.after(now, Duration::from_secs(1), Task::PlayedOut(call));
                }
                self.complete(request, Ok(Outcome::Done));
            }
            Operation::Record { .. } => self.complete(request, Ok(Outcome::Done)),
            Operation::Statistics { .. } => {
                let figures = CallStatistics { codec: "loopback", ..CallStatistics::default() };
                self.complete(request, Ok(Outcome::Statistics(figures)));
            }
            Operation::SetCallData { call, data } => {
                self.with_info(call, InfoParts::CALL_DATA, |info| info.call_data = data.into());
                self.complete(request, Ok(Outcome::Done));
            }
            Operation::SetAppSpecific { call, value } => {
                self.with_info(call, InfoParts::APP_SPECIFIC, |info| info.app_specific = value);
                self.complete(request, Ok(Outcome::Done));
            }
            other => {
                // Its tables have none of these, so the check has refused them.
                let error = OperationError::Unavailable(other.name());
                self.complete(request, Err(error));
            }
        }
    }

    fn with_info(&mut self, call: CallId, changed: InfoParts, change: impl FnOnce(&mut CallInfo)) {
        if let Some(leg) = self.legs.get_mut(&call) {
            change(&mut leg.info);
            self.events.push_back(ProviderEvent::CallInfo { call, changed });
        }
    }

    fn failed(&mut self, request: RequestId, call: Option<CallId>, what: &Operation, error: OperationError) {
        self.complete(request, Err(error));
        if let (Operation::MakeCall { .. }, Some(call)) = (what, call) {
            self.legs.remove(&call);
        }
    }

    fn make_call(
        &mut self,
        now: Time,
        request: RequestId,
        call: Option<CallId>,
        to: &str,
        options: &CallOptions,
    ) {
        let Some(call) = call else { return };
        let Some(leg) = self.legs.get_mut(&call) else { return };
        leg.embryo = false;
        self.complete(request, Ok(Outcome::Call(call)));
        self.enter(call, CallState::Proceeding);
        let latency = self.latency;
        self.after(
            now,
            latency,
            Task::Route { call, destination: to.into(), hops: 0, reason: Reason::Direct },
        );
        if let Some(wait) = options.no_answer_after {
            self.after(now, wait, Task::GiveUp(call));
        }
    }

    fn answer(&mut self, request: RequestId, call: CallId) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        leg.info.connected = leg.info.caller.clone();
        let (other, decides) = (leg.other, leg.decides.take());
        self.enter(call, CallState::Connected(ConnectedMode::Active));
        self.complete(request, Ok(Outcome::Done));
        if let Some(transfer) = decides {
            self.transferred(transfer, Some(call));
        } else if let Other::Leg(caller) = other
            && let Some(leg) = self.legs.get_mut(&caller)
        {
            leg.info.connected = leg.info.called.clone();
            self.enter(caller, CallState::Connected(ConnectedMode::Active));
        }
    }

    fn redirect(&mut self, now: Time, request: RequestId, call: CallId, destination: &str) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        leg.info.redirection = Party::known(destination, "");
        let (other, decides) = (std::mem::replace(&mut leg.other, Other::Nobody), leg.decides.take());
        self.changed(call, InfoParts::REDIRECTION);
        self.enter(call, CallState::Idle);
        self.complete(request, Ok(Outcome::Done));
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        if let Some(transfer) = decides {
            self.complete(
                transfer,
                Err(OperationError::Refused { status: 302, reason: "Moved Temporarily".into() }),
            );
        } else if let Other::Leg(caller) = other {
            self.route(now, caller, destination, 1, Reason::Redirected);
        }
    }

    fn forward(&mut self, request: RequestId, line: LineId, address: AddressId, rules: ForwardingRules) {
        let list = self.lines.get_mut(&line).and_then(|line| line.forwarding.get_mut(usize::from(address.0)));
        if let Some(list) = list {
            *list = rules;
        }
        self.complete(request, Ok(Outcome::Done));
        self.events.push_back(ProviderEvent::Forwarding { line, address });
    }

    /// We end, abandon or refuse a call; the other side learns.
    pub(crate) fn hang_up_here(&mut self, call: CallId, reason: RejectReason) {
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let (offered, other, decides) = (leg.is_offered(), leg.other, leg.decides.take());
        let up = leg.is_up();
        if leg.state != CallState::Idle {
            self.enter(call, CallState::Idle);
        }
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        let status = match reason {
            RejectReason::Default | RejectReason::Busy => 486,
            RejectReason::NoAnswer => 480,
            RejectReason::Decline => 603,
        };
        if let Some(transfer) = decides {
            self.complete(
                transfer,
                Err(OperationError::Refused { status, reason: "refused by the target".into() }),
            );
            return;
        }
        let Other::Leg(peer) = other else { return };
        if !up || !self.legs.get(&peer).is_some_and(|leg| leg.other == Other::Leg(call)) {
            return;
        }
        if offered {
            self.refuse(peer, status);
        } else {
            let offered = self.legs.get(&peer).is_some_and(Leg::is_offered);
            let mode = if offered { DisconnectMode::Cancelled } else { DisconnectMode::Normal };
            self.end(peer, Disconnect::new(mode, EndedBy::Peer, ""));
        }
    }

    /// How a call that we do not hold is connected.
    fn mode_of(&self, call: CallId) -> ConnectedMode {
        let other = match self.legs.get(&call).map(|leg| leg.other) {
            Some(Other::Leg(other)) => self.legs.get(&other),
            Some(Other::Nobody | Other::Outside) | None => None,
        };
        if other.is_some_and(|leg| leg.state == CallState::OnHold) {
            ConnectedMode::ActiveHeld
        } else {
            ConnectedMode::Active
        }
    }

    /// The other side learns that it is held, or no longer.
    fn refresh_other(&mut self, call: CallId) {
        let Some(Other::Leg(other)) = self.legs.get(&call).map(|leg| leg.other) else { return };
        if matches!(self.legs.get(&other).map(|leg| &leg.state), Some(CallState::Connected(_))) {
            self.enter(other, CallState::Connected(self.mode_of(other)));
        }
    }

    fn transfer(&mut self, now: Time, request: RequestId, call: CallId, to: &str, deadline: Duration) {
        let Some(leg) = self.legs.get(&call) else { return };
        let (other, caller) = (leg.other, leg.info.connected.address.clone());
        let (physical, media) = (leg.info.physical, leg.info.media);
        match self.find(to, &caller) {
            Found::Nobody(status) => {
                let reason = "nobody there".into();
                return self.complete(request, Err(OperationError::Refused { status, reason }));
            }
            Found::Elsewhere(..) => {
                let reason = "Moved Temporarily".into();
                return self.complete(request, Err(OperationError::Refused { status: 302, reason }));
            }
            Found::Outside(Outside::Answers(after)) => {
                self.after(now, after, Task::TransferAnswered(request))
            }
            Found::Outside(Outside::Rings) => {}
            Found::Outside(Outside::Refuses(status, after)) => {
                self.after(now, after, Task::TransferRefused(request, status));
            }
            Found::Line(line, address) => {
                let mut info = leg::info(line, address, physical, Origin::Inbound, media, &caller, to);
                info.reason = Reason::Transferred;
                let target = self.offer(info, other);
                if let Some(leg) = self.legs.get_mut(&target) {
                    leg.decides = Some(request);
                }
            }
        }
        self.after(now, deadline, Task::TransferDeadline(request));
    }

    /// A transfer has succeeded: our call is over, the other party talks to the target.
    pub(crate) fn transferred(&mut self, request: RequestId, target: Option<CallId>) {
        let Some(call) = self.asked.get(&request).and_then(|asked| asked.call) else { return };
        self.complete(request, Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
        let Some(leg) = self.legs.get_mut(&call) else { return };
        let other = std::mem::replace(&mut leg.other, Other::Nobody);
        self.enter(call, CallState::Idle);
        self.fail_all(call, &OperationError::CallEnded, |_| true);
        if let Other::Leg(party) = other
            && let Some(leg) = self.legs.get_mut(&party)
        {
            leg.other = target.map_or(Other::Outside, Other::Leg);
            self.changed(party, InfoParts::CONNECTED);
            if matches!(self.legs.get(&party).map(|leg| &leg.state), Some(CallState::Connected(_))) {
                self.enter(party, CallState::Connected(ConnectedMode::Active));
            }
        }
    }

    fn send_digits(&mut self, now: Time, request: RequestId, call: CallId, digits: &DigitOptions) {
        let older = self.asked.iter().find(|(id, asked)| {
            **id != request
                && asked.call == Some(call)
                && matches!(asked.operation, Operation::SendDigits { .. })
        });
        // Only one that is being sent, not one that waits behind us.
        if let Some((older, _)) = older.map(|(id, asked)| (*id, asked.call)).filter(|(id, _)| *id < request) {
            self.complete(older, Err(OperationError::Replaced));
        }
        let other = match self.legs.get(&call).map(|leg| leg.other) {
            Some(Other::Leg(other)) => Some(other),
            Some(Other::Nobody | Other::Outside) | None => None,
        };
        let mut wait = Duration::ZERO;
        for digit in digits.digits.chars().take(64) {
            if digit == ',' {
                wait += Duration::from_secs(2);
                continue;
            }
            wait += digits.duration + digits.gap;
            if let Some(other) = other {
                let duration = digits.duration;
                self.events.push_back(ProviderEvent::Digit { call: other, digit, duration });
            }
        }
        self.after(now, wait, Task::DigitsSent(request));
    }
}
