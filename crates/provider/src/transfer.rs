//! Blind transfer: REFER, and what the other side tells of its outcome (RFC 3515).

use crate::call::Wait;
use crate::core::{Core, Timer};
use crate::dial;
use crate::established::refused;
use hookswitch_machine::Time;
use hookswitch_sip::message::{Message, Method, Name};
use hookswitch_sip::refer::{
    Deadlines, Outcome as ReferOutcome, Reaction, Report, StatusLine, Subscriber, SubscriberInput,
    SubscriptionState, event_id,
};
use hookswitch_sip::ua::{Failure, LegError};
use hookswitch_spi::{
    CallId, CallState, InfoParts, OperationError, Outcome, Party, ProviderEvent, TransferOutcome,
};
use std::time::Duration;

/// What became of a transfer, as its request completes.
pub(crate) type Ended = Result<Outcome, OperationError>;

impl Core {
    /// Sends REFER, or waits for the ACK first. The request completes with what became of the transfer.
    pub(crate) fn transfer(
        &mut self,
        now: Time,
        id: CallId,
        destination: &str,
        deadline: Duration,
    ) -> Result<Wait, OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        call.leg.ok_or(OperationError::CallEnded)?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        let target = dial::request_uri(destination, &line.account.domain)?;
        if call.is_leaving() {
            return Err(OperationError::Failed("a transfer of this call is already on its way".into()));
        }
        if call.waiting.iter().any(|waiting| waiting.what == Wait::Acknowledgement) {
            if let Some(call) = self.calls.get_mut(id) {
                call.facts.target = target.into();
            }
            return Ok(Wait::TransferTurn(deadline));
        }
        let refer_to = format!("<{target}>");
        self.refer(now, id, &refer_to, target.into(), deadline)
    }

    /// Sends REFER. `target` is who the other side will talk to, if it comes about.
    pub(crate) fn refer(
        &mut self,
        now: Time,
        id: CallId,
        refer_to: &str,
        target: Box<str>,
        deadline: Duration,
    ) -> Result<Wait, OperationError> {
        let call = self.calls.get(id).ok_or(OperationError::NoSuchCall(id))?;
        let leg = call.leg.ok_or(OperationError::CallEnded)?;
        let line = self.line(call.line).ok_or(OperationError::Closed)?;
        let fields = format!("Refer-To: {refer_to}\r\nReferred-By: <{}>\r\n", line.uri(call.address));
        let cseq = self.ua.next_cseq(leg).ok_or(OperationError::CallEnded)?;
        self.ua.send_within(now, &mut self.layer, leg, Method::Refer, &fields, None).map_err(|error| {
            match error {
                LegError::Full => OperationError::ResourceUnavailable("transaction"),
                _ => OperationError::CallEnded,
            }
        })?;
        let result = deadline.clamp(Duration::from_secs(1), Duration::from_secs(600));
        let deadlines = Deadlines { result, ..Deadlines::default() };
        if let Some(call) = self.calls.get_mut(id) {
            call.transfer = Some(Box::new(Subscriber::new(cseq, deadlines)));
            call.facts.target = target;
        }
        Ok(Wait::Transfer)
    }

    /// The session is confirmed: a transfer that waited for it begins.
    pub(crate) fn transfer_turn(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let target = call.facts.target.clone();
        let Some(waiting) = call.take_waiting(|wait| matches!(wait, Wait::TransferTurn(_))) else { return };
        let Wait::TransferTurn(deadline) = waiting.what else { return };
        match self.transfer(now, id, &target, deadline) {
            Ok(what) => self.wait_on(id, waiting.completion, what),
            Err(error) => {
                let ended = self.parked(id, Err(error));
                self.complete(waiting.completion, ended);
            }
        }
    }

    /// The response to our REFER.
    pub(crate) fn refer_answered(
        &mut self,
        now: Time,
        id: CallId,
        failure: Failure,
        message: Option<&Message>,
    ) {
        let input = match failure {
            Failure::Status(status) | Failure::Unauthorized(status) => {
                let without = message
                    .and_then(|message| message.header(Name::new("Refer-Sub")))
                    .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
                if let Some(message) = message.filter(|_| failure.is_success()) {
                    // Credentials may have raised the number that names the subscription.
                    if let Some(transfer) = self.calls.get_mut(id).and_then(|call| call.transfer.as_mut()) {
                        transfer.sent_again(message.cseq().number);
                    }
                }
                if !failure.is_success() {
                    self.transfer_over(now, id, Err(refused(failure, message)));
                    return;
                }
                self.transfer_taken_on(now, id);
                SubscriberInput::Response { status, subscription: !without }
            }
            Failure::TimedOut | Failure::Unreachable => SubscriberInput::TimedOut,
        };
        self.transfer_input(now, id, input);
    }

    /// A NOTIFY within the session: the status to answer it with, and the outcome that it brought, which is acted on once the
    /// answer is sent: a BYE must not overtake it.
    pub(crate) fn notified(&mut self, now: Time, id: CallId, message: &Message) -> (u16, Option<Ended>) {
        let event = message.header(Name::Event).and_then(event_id);
        let Some(subscription) = event else { return (489, None) };
        let transfer = self.calls.get(id).and_then(|call| call.transfer.as_deref());
        let ours = transfer.is_some_and(|transfer| transfer.is_for(subscription));
        if !ours {
            return (481, None);
        }
        let state = message.header(Name::SubscriptionState).map(SubscriptionState::parse);
        let Some(state) = state else { return (400, None) };
        let status = StatusLine::parse(message.body()).map(|line| line.status);
        let (answer, ended) = self.transfer_step(now, id, SubscriberInput::Notify { state, status });
        (answer.unwrap_or(200), ended)
    }

    /// The session that a transfer was asked in has ended; a report may still come.
    pub(crate) fn transfer_dialog_ended(&mut self, now: Time, id: CallId) {
        let transfer = self.calls.get(id).and_then(|call| call.transfer.as_deref());
        if transfer.is_some_and(|transfer| !transfer.is_finished()) {
            self.transfer_input(now, id, SubscriberInput::DialogEnded);
        }
    }

    /// The call is dropped while a report of its transfer could still come: nobody waits for it any more.
    pub(crate) fn transfer_let_go(&mut self, id: CallId) {
        let transfer = self.calls.get(id).and_then(|call| call.transfer.as_deref());
        if transfer.is_some_and(|transfer| transfer.timeout().is_some()) {
            let unknown = self.parked(id, Ok(Outcome::Transferred(TransferOutcome::Unknown)));
            self.complete_waiting(id, |wait| wait == Wait::Transfer, unknown);
        }
    }

    /// A transfer's deadline.
    pub(crate) fn transfer_due(&mut self, now: Time, id: CallId) {
        if let Some(call) = self.calls.get_mut(id) {
            call.timer = None;
            self.transfer_input(now, id, SubscriberInput::Timer);
        }
    }

    fn transfer_input(&mut self, now: Time, id: CallId, input: SubscriberInput<'_>) {
        if let (_, Some(ended)) = self.transfer_step(now, id, input) {
            self.transfer_over(now, id, ended);
        }
    }

    /// Gives the subscription an input: what to answer, and the outcome if it is known now.
    fn transfer_step(
        &mut self,
        now: Time,
        id: CallId,
        input: SubscriberInput<'_>,
    ) -> (Option<u16>, Option<Ended>) {
        let Some(call) = self.calls.get_mut(id) else { return (None, None) };
        let Some(transfer) = call.transfer.as_mut() else { return (None, None) };
        let Reaction { answer, report } = transfer.handle(now, input);
        let at = transfer.timeout();
        if let Some(timer) = call.timer.take() {
            self.timers.cancel(timer);
        }
        let timer = at.map(|at| self.timers.set(at, Timer::Transfer(id)));
        if let Some(call) = self.calls.get_mut(id) {
            call.timer = timer;
        }
        let ended = match report {
            Some(Report::Finished(outcome)) => Some(match outcome {
                ReferOutcome::Succeeded(_) => Ok(Outcome::Transferred(TransferOutcome::Succeeded)),
                ReferOutcome::Failed(status) => {
                    let reason = hookswitch_sip::message::reason_phrase(status).to_owned();
                    Err(OperationError::Refused { status, reason })
                }
                ReferOutcome::Unknown(_) => Ok(Outcome::Transferred(TransferOutcome::Unknown)),
            }),
            Some(Report::Accepted | Report::Progress(_)) | None => None,
        };
        (answer, ended)
    }

    /// The outcome: success ends our part of the call, failure leaves it as it was.
    pub(crate) fn transfer_over(&mut self, now: Time, id: CallId, result: Ended) {
        let succeeded = matches!(result, Ok(Outcome::Transferred(TransferOutcome::Succeeded)));
        if let Some(call) = self.calls.get_mut(id) {
            if let (Err(_), Some(timer)) = (&result, call.timer.take()) {
                self.timers.cancel(timer);
            }
            if result.is_err() {
                call.transfer = None;
            }
        }
        if succeeded {
            self.transferred(now, id);
        }
        let follower = self.calls.get_mut(id).and_then(|call| call.extra.as_mut()?.follower.take());
        if let (true, Some(follower)) = (succeeded, follower) {
            // The target has taken the place of our consultation with it.
            self.part_with(now, follower);
        }
        let failed = result.is_err();
        let result = self.parked(id, result);
        self.complete_waiting(id, |wait| wait == Wait::Transfer, result);
        if succeeded {
            self.complete_drops(id);
            self.fail_waiting(id, &OperationError::CallEnded);
        }
        if failed {
            self.consultation_over(now, id);
        }
    }

    /// The target has answered: for us the call is over.
    fn transferred(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.facts.redirection = Party::known(call.facts.target.clone(), "");
        self.abandon_referral(now, id);
        let Some(call) = self.calls.get_mut(id) else { return };
        if let Some(leg) = call.leg {
            self.tell(id, ProviderEvent::CallInfo { call: id, changed: InfoParts::REDIRECTION });
            // The transferor ends the session (RFC 5589 6); the call is idle for us (lineBlindTransfer).
            self.ua.abandon(now, &mut self.layer, leg);
            self.leg_gone(id, leg);
        }
        self.stop_stream(id);
        self.enter(id, CallState::Idle);
    }

    /// Fails everything that waits on a call that ended, but a transfer: its outcome may still come.
    pub(crate) fn fail_waiting_but_transfer(&mut self, id: CallId) {
        while let Some(waiting) =
            self.calls.get_mut(id).and_then(|call| call.take_waiting(|wait| !wait.outlives()))
        {
            self.fail(waiting, OperationError::CallEnded);
        }
    }
}
