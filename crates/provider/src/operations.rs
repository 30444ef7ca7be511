//! What applications ask of calls, from the check of its arguments to its completion.

use crate::call::{Aim, Ask, Call, Stream, Taken, Wait};
use crate::core::Core;
use crate::dial;
use crate::forwarding;
use crate::inbound::refusal;
use crate::streams::figures_of;
use crate::user_info;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, Direction};
use hookswitch_media::negotiate::{NegotiateError, OfferAnswer};
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, Feature, ForwardingRules, InfoParts, LineId, Operation,
    OperationError, Outcome, Party, ProviderEvent, RejectReason, RequestId, StateKind, TransferMode,
    UserInfo,
};
use std::path::PathBuf;

impl Core {
    /// Asks for something; see `Provider::submit`.
    pub(crate) fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        self.check(&operation)?;
        let mut ask = Ask(Some(self.completions.accept(request)));
        let result = self.carry_out(now, &mut ask, operation);
        self.settle(now);
        match (result, ask.0) {
            (Err(error), Some(completion)) => {
                completion.refuse();
                Err(error)
            }
            // It was kept or completed, and so was accepted; what went wrong after that is a defect.
            (Err(error), None) => {
                debug_assert!(false, "a request was accepted and then refused: {error}");
                Ok(None)
            }
            // Whoever left a request here forgot it: dropping it completes it as failed.
            (Ok(created), forgotten) => {
                debug_assert!(forgotten.is_none(), "a request was accepted and nobody keeps it");
                Ok(created)
            }
        }
    }

    fn carry_out(
        &mut self,
        now: Time,
        ask: &mut Ask,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        match operation {
            Operation::MakeCall { line, address, destination, options } => {
                return self.make_call(now, ask, line, address, &destination, options).map(Some);
            }
            Operation::SetupConference { line, address, call, consult } => {
                return self.setup_conference(now, ask, (line, address), call, consult).map(Some);
            }
            Operation::PrepareAddToConference { conference, consult } => {
                return self.prepare_add_to_conference(now, ask, conference, consult).map(Some);
            }
            Operation::AddToConference { conference, member } => {
                self.add_to_conference(now, ask, conference, member)
            }
            Operation::RemoveFromConference { member } => self.remove_from_conference(ask, member),
            Operation::CompleteTransfer { call, consult, mode: TransferMode::Conference, deadline: _ } => {
                return self.join_in_conference(now, ask, call, consult).map(Some);
            }
            Operation::Forward { line, address, rules } => self.forward(ask, line, address, rules),
            Operation::Accept { call, user_info } => self.accept(now, ask, call, user_info),
            Operation::Answer { call, source, user_info } => self.answer(now, ask, call, source, user_info),
            Operation::Redirect { call, destination } => self.redirect(now, ask, call, &destination),
            Operation::Drop { call, reason, user_info } => self.drop_call(now, ask, call, reason, user_info),
            Operation::Dial { call, digits } => self.dial(now, ask, call, &digits),
            Operation::Hold { call } => self.hold(now, ask, call, Aim::Hold),
            Operation::Retrieve { call } => self.hold(now, ask, call, Aim::Retrieve),
            Operation::SwapHold { active, held } => self.swap_hold(now, ask, active, held),
            Operation::SetupTransfer { call, consult } => {
                return self.setup_transfer(now, ask, call, consult).map(Some);
            }
            Operation::CompleteTransfer { call, consult, mode: TransferMode::Transfer, deadline } => {
                self.complete_transfer(now, ask, call, consult, deadline)
            }
            Operation::SecureCall { call } => self.secure_call(ask, call),
            Operation::BlindTransfer { call, destination, deadline } => {
                self.transfer(now, call, &destination, deadline).map(|what| self.wait(call, ask, what))
            }
            Operation::SendDigits { call, digits } => self.send_digits(now, ask, call, digits),
            Operation::SendTone { call, tone } => self.send_tone(ask, call, &tone),
            Operation::StopSending { call } => {
                self.stop_sending(ask, call);
                Ok(())
            }
            Operation::GatherDigits { call, gather } => self.gather_digits(ask, call, gather),
            Operation::StopGathering { call } => {
                self.stop_gathering(ask, call);
                Ok(())
            }
            Operation::MonitorDigits { call, digits } => self.monitor_digits(ask, call, digits),
            Operation::MonitorTones { call, tones } => self.monitor_tones(ask, call, tones),
            Operation::MonitorMedia { call, media } => self.monitor_media(ask, call, media),
            Operation::SetMediaControl { call, controls } => self.set_media_control(ask, call, controls),
            Operation::SetCallParameters { call, audio } => self.set_call_parameters(now, ask, call, &audio),
            Operation::SetTreatment { call, treatment } => self.set_treatment(now, ask, call, treatment),
            Operation::Play { call, source } => self.play(ask, call, source),
            Operation::Record { call, path } => self.record_audio(ask, call, path),
            Operation::Statistics { call } => self.statistics(ask, call),
            Operation::ReleaseUserInfo { call } => self.release_user_info(ask, call),
            Operation::SetMediaType { call, media } => self.set_media_type(ask, call, media),
            Operation::SetCallData { call, data } => self.set_call_data(ask, call, data),
            Operation::SetAppSpecific { call, value } => self.set_app_specific(ask, call, value),
            Operation::Park { call, at } => self.park(now, ask, call, &at),
            Operation::Unpark { line, address, orbit } => {
                return self.unpark(now, ask, line, address, &orbit).map(Some);
            }
            Operation::Pickup { line, address, from } => {
                return self.pick_up(now, ask, line, address, &from).map(Some);
            }
            Operation::CompleteCall { call, mode } => self.complete_call(now, ask, call, mode),
            Operation::UncompleteCall { line, completion } => {
                self.uncomplete_call(now, ask, line, completion)
            }
            Operation::SendUserInfo { call, data } => self.send_user_info(now, ask, call, &data),
            Operation::SetService { line, on } => self.set_service(now, ask, line, on),
            Operation::Extension { line, call, command } => self.extension(now, ask, line, call, command),
        }
        .map(|()| None)
    }

    /// The capability table decides, before anything happens.
    fn check(&self, operation: &Operation) -> Result<(), OperationError> {
        let (line_id, state) = match (operation.call(), operation.line()) {
            (Some(id), _) => {
                let call = self.existing(id)?;
                (call.line, Some(call.state_for(operation)))
            }
            (None, Some(line)) => (line, None),
            (None, None) => return Err(OperationError::InvalidParameter("no call and no line".into())),
        };
        let line = self
            .line(line_id)
            .filter(|open| open.open.is_some() && !self.closing.contains(&line_id))
            .ok_or(OperationError::NoSuchLine(line_id))?;
        line.capabilities.check(operation, state)?;
        if let Some(call) = operation.call() {
            self.fits_role(call, Feature::of(operation))?;
            self.fits_queue(call, Feature::of(operation))?;
        }
        if let Some(other) = operation.other_call() {
            line.capabilities.check_other(operation, self.existing(other)?.state.kind())?;
            self.fits_queue(other, Feature::of(operation))?;
        }
        line.capabilities.check_arguments(operation)?;
        match operation {
            Operation::MakeCall { options, .. } => self.placing(line_id, options).map(drop),
            Operation::SetupTransfer { consult, .. }
            | Operation::SetupConference { consult, .. }
            | Operation::PrepareAddToConference { consult, .. } => {
                self.placing(line_id, &consult.call).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// A call that can be asked something of: one that is not still being created.
    pub(crate) fn existing(&self, id: CallId) -> Result<&Call, OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let closed = call.bridge().is_some_and(|bridge| bridge.closed);
        if call.embryo || closed || call.taken != Taken::Yes {
            Err(OperationError::NoSuchCall(id))
        } else {
            Ok(call)
        }
    }

    fn forward(
        &mut self,
        ask: &mut Ask,
        id: LineId,
        address: AddressId,
        rules: ForwardingRules,
    ) -> Result<(), OperationError> {
        let line = self.line_mut(id).ok_or(OperationError::NoSuchLine(id))?;
        let rules = forwarding::checked(rules, line.capabilities.max_forward_rules, &line.account.domain)?;
        let slot = line
            .forwarding
            .get_mut(usize::from(address.0))
            .ok_or_else(|| OperationError::InvalidParameter(format!("the line has no {address}")))?;
        *slot = rules;
        self.done(ask, Outcome::Done);
        self.events.push_back(ProviderEvent::Forwarding { line: id, address });
        Ok(())
    }

    fn accept(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        info: Option<UserInfo>,
    ) -> Result<(), OperationError> {
        match info {
            Some(info) => self.alert_with(now, id, &user_info::line(&info)),
            None => self.alert(now, id),
        }
        self.enter(id, CallState::Accepted);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    fn answer(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        source: AudioSource,
        info: Option<UserInfo>,
    ) -> Result<(), OperationError> {
        if self.calls.get(id).is_some_and(Call::is_call_back) {
            return self.call_back(now, ask, id, source, info);
        }
        let port = self.port(id).ok_or(OperationError::ResourceUnavailable("audio port"))?;
        let capabilities = self.line_media(id).ok_or(OperationError::Closed)?;
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let leg = call.leg.ok_or(OperationError::CallEnded)?;
        let line_id = call.line;
        call.source = source;
        let early = call.extra.as_mut().and_then(|extra| extra.early.take());
        let (sdp, parameters) = match call.media.state() {
            // The answer went out before; it is the same (RFC 6337 3.1.1).
            OfferAnswer::Stable if early.is_some() => (early.unwrap_or_default().into_vec(), None),
            OfferAnswer::RemoteOffer => match call.media.answer(&capabilities, port.rtp, Direction::SendRecv)
            {
                Ok((sdp, parameters)) => (sdp, Some(parameters)),
                Err(error) => {
                    // The INVITE is refused with it: the request was carried out as far as it could be.
                    let error = self.unanswerable(now, id, &error);
                    self.settle_ask(ask, Err(error));
                    return Ok(());
                }
            },
            // Without an offer in the INVITE, our 200 offers.
            OfferAnswer::NoneYet | OfferAnswer::LocalOffer | OfferAnswer::Stable => {
                let sdp = call
                    .media
                    .offer(&capabilities, port.rtp, Direction::SendRecv)
                    .map_err(|error| OperationError::Failed(error.to_string()))?;
                (sdp, None)
            }
        };
        if let Some(timer) = self.calls.get_mut(id).and_then(|call| call.timer.take()) {
            self.timers.cancel(timer);
        }
        self.stop_alerting(id);
        let contact = self.contact_of(line_id);
        let fields = info.as_ref().map(user_info::line).unwrap_or_default();
        let credentials = self.line(line_id).map(|line| line.credentials);
        self.ua
            .accept_with(now, &mut self.layer, leg, contact, credentials, &sdp, &fields)
            .map_err(|_| OperationError::CallEnded)?;
        self.wait(id, ask, Wait::Acknowledgement);
        self.give_way(now, id);
        self.start_stream(id);
        if let Some(parameters) = parameters {
            self.configure(id, parameters);
        }
        let mode = self.connected_mode(id);
        self.enter(id, CallState::Connected(mode));
        Ok(())
    }

    /// An offer that was announced for its other media turns out not to be answerable: the INVITE gets its 488.
    fn unanswerable(&mut self, now: Time, id: CallId, error: &NegotiateError) -> OperationError {
        let (status, fields) = refusal(error);
        if let Some(leg) = self.calls.get(id).and_then(|call| call.leg) {
            let _ = self.ua.reject(now, &mut self.layer, leg, status, format_args!("{fields}"));
            let end = hookswitch_spi::Disconnect {
                status: Some(status),
                ..hookswitch_spi::Disconnect::new(
                    hookswitch_spi::DisconnectMode::Incompatible,
                    hookswitch_spi::EndedBy::Us,
                    error.to_string(),
                )
            };
            self.over(now, id, leg, end);
        }
        OperationError::Failed(format!("the call cannot be answered: {error}"))
    }

    fn redirect(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        destination: &str,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let leg = call.leg.ok_or(OperationError::CallEnded)?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        // A bad address changes nothing: the call can still be answered (LINEERR_INVALADDRESS).
        let target = dial::request_uri(destination, &line.account.domain)?;
        let fields =
            format!("Contact: <{target}>\r\nDiversion: <{}>;reason=deflection\r\n", line.uri(call.address));
        self.ua
            .reject(now, &mut self.layer, leg, 302, format_args!("{fields}"))
            .map_err(|_| OperationError::CallEnded)?;
        if let Some(call) = self.calls.get_mut(id) {
            call.facts.redirection = Party::known(target, "");
        }
        self.tell(id, ProviderEvent::CallInfo { call: id, changed: InfoParts::REDIRECTION });
        self.finish(id);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    /// A call is over by an application's wish, with nothing left to wait for.
    pub(crate) fn finish(&mut self, id: CallId) {
        if let Some(leg) = self.calls.get(id).and_then(|call| call.leg) {
            self.leg_gone(id, leg);
        }
        self.stop_stream(id);
        self.transfer_let_go(id);
        self.fail_waiting(id, &OperationError::CallEnded);
        self.enter(id, CallState::Idle);
    }

    fn drop_call(
        &mut self,
        now: Time,
        ask: &mut Ask,
        id: CallId,
        reason: RejectReason,
        info: Option<UserInfo>,
    ) -> Result<(), OperationError> {
        if self.is_conference(id) {
            self.drop_conference(now, ask, id);
            return Ok(());
        }
        let fields = info.as_ref().map(user_info::line).unwrap_or_default();
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let state = call.state.kind();
        let Some(leg) = call.leg else {
            self.finish(id);
            self.done(ask, Outcome::Done);
            return Ok(());
        };
        if matches!(state, StateKind::Offering | StateKind::Accepted) {
            let default = self.line(call.line).map_or(486, |line| line.account.profile.reject_status);
            let status = match reason {
                RejectReason::Default => default,
                RejectReason::Busy => 486,
                RejectReason::NoAnswer => 480,
                RejectReason::Decline => 603,
            };
            let _ = self.ua.reject(now, &mut self.layer, leg, status, format_args!("{fields}"));
            self.finish(id);
            self.done(ask, Outcome::Done);
            return Ok(());
        }
        self.stop_stream(id);
        self.abandon_referral(now, id);
        self.wait(id, ask, Wait::End);
        if self.ua.hang_up_with(now, &mut self.layer, leg, None, &fields).is_err() {
            // The session is gone without more ado.
            self.hung_up(now, leg);
        }
        Ok(())
    }

    fn play(&mut self, ask: &mut Ask, id: CallId, audio: AudioSource) -> Result<(), OperationError> {
        self.sound(id, audio);
        self.done(ask, Outcome::Done);
        Ok(())
    }

    fn record_audio(
        &mut self,
        ask: &mut Ask,
        id: CallId,
        path: Option<PathBuf>,
    ) -> Result<(), OperationError> {
        let running = self.calls.get(id).is_some_and(|call| call.stream == Stream::Running);
        if !running {
            return Err(OperationError::Failed(
                "the call has no audio yet; record once it is answered".into(),
            ));
        }
        self.media(Command::Record { stream: Call::stream_id(id), path });
        self.done(ask, Outcome::Done);
        Ok(())
    }

    fn statistics(&mut self, ask: &mut Ask, id: CallId) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        match call.stream {
            Stream::Running => {
                self.wait(id, ask, Wait::Figures);
                self.media(Command::Report { stream: Call::stream_id(id) });
            }
            // They come by themselves.
            Stream::Stopping => self.wait(id, ask, Wait::Figures),
            Stream::Unstarted | Stream::Stopped => {
                let figures = figures_of(call);
                self.done(ask, Outcome::Statistics(figures));
            }
        }
        Ok(())
    }
}
