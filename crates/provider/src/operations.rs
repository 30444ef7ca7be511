//! What applications ask of calls, from the check of its arguments to its completion.

use crate::call::{Call, Stream, Wait, Waiting, source};
use crate::core::Core;
use crate::dial;
use crate::forwarding;
use crate::inbound::refusal;
use crate::streams::figures_of;
use hookswitch_machine::Time;
use hookswitch_media::control::{Command, Direction};
use hookswitch_media::negotiate::{NegotiateError, OfferAnswer};
use hookswitch_spi::{
    AddressId, AudioSource, CallId, CallState, Capabilities, DigitOptions, ForwardingRules, InfoParts,
    LineId, Operation, OperationError, Outcome, Party, ProviderEvent, RejectReason, RequestId, StateKind,
};
use std::path::PathBuf;
use std::time::Duration;

impl Core {
    /// Asks for something; see `Provider::submit`.
    pub(crate) fn submit(
        &mut self,
        now: Time,
        request: RequestId,
        operation: Operation,
    ) -> Result<Option<CallId>, OperationError> {
        let call = operation.call();
        self.check(&operation)?;
        let result = match operation {
            Operation::MakeCall { line, address, destination, options } => {
                return self.make_call(now, request, line, address, &destination, options).map(Some);
            }
            Operation::Forward { line, address, rules } => self.forward(request, line, address, rules),
            Operation::Accept { call } => self.accept(now, request, call),
            Operation::Answer { call, source } => self.answer(now, request, call, source),
            Operation::Redirect { call, destination } => self.redirect(now, request, call, &destination),
            Operation::Drop { call, reason } => self.drop_call(now, request, call, reason),
            Operation::Hold { call } => self.hold(now, request, call, true),
            Operation::Retrieve { call } => self.hold(now, request, call, false),
            Operation::BlindTransfer { call, destination, deadline } => {
                self.transfer(now, call, &destination, deadline).map(|what| self.wait(call, request, what))
            }
            Operation::SendDigits { call, digits } => self.send_digits(request, call, digits),
            Operation::Play { call, source } => self.play(request, call, source),
            Operation::Record { call, path } => self.record_audio(request, call, path),
            Operation::Statistics { call } => self.statistics(request, call),
        };
        self.settle(now);
        result
            .map(|()| None)
            .inspect_err(|_| debug_assert!(call.is_none_or(|c| !self.is_waiting(c, request))))
    }

    fn is_waiting(&self, call: CallId, request: RequestId) -> bool {
        self.calls.get(call).is_some_and(|call| call.waiting.iter().any(|w| w.request == request))
    }

    /// The capability table decides, before anything happens.
    fn check(&self, operation: &Operation) -> Result<(), OperationError> {
        let (line, state) = match (operation, operation.call()) {
            (_, Some(id)) => {
                let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
                if call.waiting.iter().any(|waiting| waiting.what == Wait::Proceeding) {
                    // The call does not exist before its creation is complete.
                    return Err(OperationError::NoSuchCall(id));
                }
                (call.line, Some(call.state.kind()))
            }
            (Operation::MakeCall { line, .. } | Operation::Forward { line, .. }, None) => (*line, None),
            (_, None) => return Ok(()),
        };
        let line = self
            .line(line)
            .filter(|open| open.open.is_some() && !self.closing.contains(&line))
            .ok_or(OperationError::NoSuchLine(line))?;
        Capabilities::check(&line.capabilities, operation, state)
    }

    fn forward(
        &mut self,
        request: RequestId,
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
        self.complete(request, Ok(Outcome::Done));
        self.events.push_back(ProviderEvent::Forwarding { line: id, address });
        Ok(())
    }

    fn accept(&mut self, now: Time, request: RequestId, id: CallId) -> Result<(), OperationError> {
        self.alert(now, id);
        self.enter(id, CallState::Accepted);
        self.complete(request, Ok(Outcome::Done));
        Ok(())
    }

    fn answer(
        &mut self,
        now: Time,
        request: RequestId,
        id: CallId,
        source: AudioSource,
    ) -> Result<(), OperationError> {
        let port = self.port(id).ok_or(OperationError::ResourceUnavailable("audio port"))?;
        let capabilities = self.line_media(id).ok_or(OperationError::Closed)?;
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        let leg = call.leg.ok_or(OperationError::CallEnded)?;
        let line_id = call.line;
        call.source = source;
        let (sdp, parameters) = match call.media.state() {
            OfferAnswer::RemoteOffer => match call.media.answer(&capabilities, port.rtp, Direction::SendRecv)
            {
                Ok((sdp, parameters)) => (sdp, Some(parameters)),
                Err(error) => {
                    // The INVITE is refused with it: the request was carried out as far as it could be.
                    let error = self.unanswerable(now, id, &error);
                    self.complete(request, Err(error));
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
        let credentials = self.line(line_id).map(|line| line.credentials);
        self.ua
            .accept(now, &mut self.layer, leg, contact, credentials, &sdp)
            .map_err(|_| OperationError::CallEnded)?;
        self.wait(id, request, Wait::Acknowledgement);
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
        request: RequestId,
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
        self.events.push_back(ProviderEvent::CallInfo { call: id, changed: InfoParts::REDIRECTION });
        self.finish(request, id);
        Ok(())
    }

    /// A call is over by an application's wish, with nothing left to wait for.
    fn finish(&mut self, request: RequestId, id: CallId) {
        if let Some(leg) = self.calls.get(id).and_then(|call| call.leg) {
            self.leg_gone(id, leg);
        }
        self.stop_stream(id);
        self.transfer_let_go(id);
        self.fail_waiting(id, &OperationError::CallEnded);
        self.enter(id, CallState::Idle);
        self.complete(request, Ok(Outcome::Done));
    }

    fn drop_call(
        &mut self,
        now: Time,
        request: RequestId,
        id: CallId,
        reason: RejectReason,
    ) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let state = call.state.kind();
        let Some(leg) = call.leg else {
            self.finish(request, id);
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
            let _ = self.ua.reject(now, &mut self.layer, leg, status, format_args!(""));
            self.finish(request, id);
            return Ok(());
        }
        self.stop_stream(id);
        self.abandon_referral(now, id);
        self.wait(id, request, Wait::End);
        if self.ua.hang_up(now, &mut self.layer, leg, None).is_err() {
            // The session is gone without more ado.
            self.hung_up(now, leg);
        }
        Ok(())
    }

    fn hold(&mut self, now: Time, request: RequestId, id: CallId, hold: bool) -> Result<(), OperationError> {
        let pending = |wait: &Waiting| matches!(wait.what, Wait::Turn(_) | Wait::OfferAnswer(_));
        if self.calls.get(id).is_some_and(|call| call.waiting.iter().any(pending)) {
            return Err(OperationError::Failed(
                "a hold or retrieve of this call is already on its way".into(),
            ));
        }
        let what = self.change_hold(now, id, hold)?;
        self.wait(id, request, what);
        Ok(())
    }

    fn send_digits(
        &mut self,
        request: RequestId,
        id: CallId,
        digits: DigitOptions,
    ) -> Result<(), OperationError> {
        let DigitOptions { digits, duration, gap } = digits;
        if let Some(c) = digits.chars().find(|c| !"0123456789ABCDabcd*#,".contains(*c)) {
            let message = format!("'{c}' is no digit: expected 0-9, A-D, *, # or a comma for a pause");
            return Err(OperationError::InvalidParameter(message));
        }
        if digits.is_empty() || digits.len() > 256 {
            return Err(OperationError::InvalidParameter("expected 1 to 256 digits".into()));
        }
        let bounds = Duration::from_millis(40)..=Duration::from_secs(5);
        if !bounds.contains(&duration) || !bounds.contains(&gap) {
            let message = "expected a duration and a gap between 40 ms and 5 s".to_owned();
            return Err(OperationError::InvalidParameter(message));
        }
        if self.calls.get(id).is_none_or(|call| call.stream != Stream::Running) {
            // It is being dropped: its audio has ended already.
            return Err(OperationError::CallEnded);
        }
        // A newer request takes the place of one that still sends (lineGenerateDigits).
        self.complete_waiting(id, |wait| matches!(wait, Wait::Digits(_)), Err(OperationError::Replaced));
        let tag = self.next_tag();
        self.wait(id, request, Wait::Digits(tag));
        let digits = digits.to_ascii_uppercase();
        self.media(Command::SendDigits { stream: Call::stream_id(id), digits, duration, gap, tag });
        Ok(())
    }

    fn play(&mut self, request: RequestId, id: CallId, audio: AudioSource) -> Result<(), OperationError> {
        let call = self.calls.get_mut(id).ok_or(OperationError::NoSuchCall(id))?;
        call.source = audio;
        if call.stream == Stream::Running {
            let command = Command::Send { stream: Call::stream_id(id), source: source(&call.source) };
            self.media(command);
        }
        self.complete(request, Ok(Outcome::Done));
        Ok(())
    }

    fn record_audio(
        &mut self,
        request: RequestId,
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
        self.complete(request, Ok(Outcome::Done));
        Ok(())
    }

    fn statistics(&mut self, request: RequestId, id: CallId) -> Result<(), OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        match call.stream {
            Stream::Running => {
                self.wait(id, request, Wait::Figures);
                self.media(Command::Report { stream: Call::stream_id(id) });
            }
            // They come by themselves.
            Stream::Stopping => self.wait(id, request, Wait::Figures),
            Stream::Unstarted | Stream::Stopped => {
                let figures = figures_of(call);
                self.complete(request, Ok(Outcome::Statistics(figures)));
            }
        }
        Ok(())
    }
}
