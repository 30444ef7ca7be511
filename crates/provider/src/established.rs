//! Calls that are up: hold and retrieve both ways, what else is sent within them, and their end.

use crate::call::Wait;
use crate::core::Core;
use crate::ending;
use crate::inbound::{given, media_types, refusal};
use crate::info_digits::RELAY;
use hookswitch_machine::{Flow, Time};
use hookswitch_media::negotiate::NegotiateError;
use hookswitch_sip::message::{Message, Method};
use hookswitch_sip::transaction::{ClientId, ServerId};
use hookswitch_sip::ua::{Failure, LegId};
use hookswitch_spi::{
    CallId, CallState, Disconnect, DisconnectMode, EndedBy, OperationError, Outcome, StateKind,
};
use std::time::Duration;

impl Core {
    /// The call whose present session this is: after being transferred, a call has its old session for a while.
    pub(crate) fn call_of_present(&self, leg: LegId) -> Option<CallId> {
        self.call_by_leg(leg).filter(|id| self.calls.get(*id).is_some_and(|call| call.leg == Some(leg)))
    }

    /// The ACK of our 200 came: the answer is complete.
    pub(crate) fn confirmed(&mut self, now: Time, leg: LegId, message: Option<&Message>) {
        let Some(id) = self.call_of_present(leg) else { return };
        let pending = self.calls.get(id).is_some_and(|call| {
            matches!(call.media.state(), hookswitch_media::negotiate::OfferAnswer::LocalOffer)
        });
        if pending {
            // We offered in the 200: the answer stands in the ACK (RFC 3261 13.2.1).
            let body = message.map(Message::body).unwrap_or_default();
            if let Err(why) = self.take_answer(id, body) {
                let error = OperationError::Failed(format!("the caller's answer cannot be used: {why}"));
                self.fail_waiting(id, &error);
                let _ = self.ua.hang_up(
                    now,
                    &mut self.layer,
                    leg,
                    Some("SIP;cause=488;text=\"Not acceptable here\""),
                );
                self.ua.abandon(now, &mut self.layer, leg);
                let end = Disconnect::new(DisconnectMode::Incompatible, EndedBy::Us, why);
                self.over(now, id, leg, end);
                return;
            }
        }
        self.complete_waiting(id, |wait| wait == Wait::Acknowledgement, Ok(Outcome::Done));
        self.next_turn(now, id);
        self.transfer_turn(now, id);
        // Of a call of ours that was taken up in the place of who was called (RFC 3891).
        self.bridge_turn(now, id);
        self.user_info_turn(now, id);
    }

    pub(crate) fn take_answer(&mut self, id: CallId, body: &[u8]) -> Result<(), String> {
        let capabilities = self.answered_media(id).ok_or("the line is gone")?;
        let call = self.calls.get_mut(id).ok_or("the call is gone")?;
        let parameters = call.media.receive_answer(&capabilities, body).map_err(|error| error.to_string())?;
        self.configure(id, parameters);
        Ok(())
    }

    /// Our 200 was never acknowledged: a BYE is on its way.
    pub(crate) fn not_acknowledged(&mut self, now: Time, leg: LegId) {
        let Some(id) = self.call_by_leg(leg) else { return };
        let end =
            Disconnect::new(DisconnectMode::TemporaryFailure, EndedBy::Network, "no ACK came for our 200");
        self.over(now, id, leg, end);
    }

    /// The other side does not know the session any more.
    pub(crate) fn lost(&mut self, now: Time, leg: LegId, failure: Failure) {
        let Some(id) = self.call_by_leg(leg) else { return };
        let mut end = Disconnect::new(
            DisconnectMode::TemporaryFailure,
            EndedBy::Network,
            "the other side lost the call",
        );
        end.status = Some(failure.status());
        self.over(now, id, leg, end);
    }

    /// BYE from the other side.
    pub(crate) fn ended(&mut self, now: Time, leg: LegId, message: Option<&Message>) {
        let Some(id) = self.call_by_leg(leg) else { return };
        if let Some(message) = message {
            self.note_user_info(id, message);
        }
        let (given, text) = given(message);
        self.over(now, id, leg, ending::by_bye(given, &text));
    }

    /// What we ended has ended.
    pub(crate) fn hung_up(&mut self, now: Time, leg: LegId) {
        let Some(id) = self.call_by_leg(leg) else { return };
        let ending = self.calls.get(id).and_then(|call| call.ending);
        let mode = ending.unwrap_or(DisconnectMode::Normal);
        let reason = if mode == DisconnectMode::NoAnswer { "nobody answered in time" } else { "" };
        if ending.is_some() && !self.is_dropping(id) {
            let waits = self.complete_waiting(
                id,
                |wait| matches!(wait, Wait::Proceeding | Wait::Fetching),
                Err(OperationError::Failed("nobody answered in time".into())),
            );
            if waits {
                self.leg_gone(id, leg);
                self.forget(now, id);
                return;
            }
        }
        self.over(now, id, leg, Disconnect::new(mode, EndedBy::Us, reason));
    }

    /// A re-INVITE or UPDATE of theirs.
    pub(crate) fn offered(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(id) = self.call_of_present(leg) else {
            let _ = self.ua.refuse_offer(now, &mut self.layer, leg, 481, "");
            return;
        };
        self.note_party(id, message);
        self.note_session(id, message);
        self.note_user_info(id, message);
        self.withdraw_offer(id);
        if message.body().is_empty() {
            self.offered_nothing(now, id, leg, message);
            return;
        }
        match self.answer_theirs(id, message.body()) {
            Ok(sdp) => {
                if self.ua.answer_offer(now, &mut self.layer, leg, Some(&sdp)).is_ok() {
                    self.settled(id);
                }
                if message.method() == Method::Update {
                    // No ACK will come.
                    self.next_turn(now, id);
                }
            }
            Err(error) => {
                let (status, fields) = refusal(&error);
                let _ = self.ua.refuse_offer(now, &mut self.layer, leg, status, &fields);
                self.next_turn(now, id);
            }
        }
    }

    /// Our offer crossed theirs and waited to be sent again; theirs goes first (RFC 3261 14.1), ours has its turn after it.
    fn withdraw_offer(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if !matches!(call.media.state(), hookswitch_media::negotiate::OfferAnswer::LocalOffer) {
            return;
        }
        call.media.abandon();
        for waiting in &mut call.waiting {
            if let Wait::OfferAnswer(aim) = waiting.what {
                waiting.what = Wait::Turn(aim);
            }
        }
    }

    /// A re-INVITE without an offer wants ours; an UPDATE without one wants nothing but its 200.
    fn offered_nothing(&mut self, now: Time, id: CallId, leg: LegId, message: &Message) {
        if message.method() == Method::Update {
            let _ = self.ua.answer_offer(now, &mut self.layer, leg, None);
            self.next_turn(now, id);
            return;
        }
        let capabilities = self.line_media(id);
        let offer = self.calls.get_mut(id).zip(capabilities).and_then(|(call, capabilities)| {
            let wanted = call.media.wanted();
            call.media.offer(&capabilities, call.port?.rtp, wanted).ok()
        });
        match offer {
            Some(sdp) => {
                let _ = self.ua.answer_offer(now, &mut self.layer, leg, Some(&sdp));
            }
            None => {
                let _ = self.ua.refuse_offer(now, &mut self.layer, leg, 500, "Retry-After: 2\r\n");
                self.next_turn(now, id);
            }
        }
    }

    fn answer_theirs(&mut self, id: CallId, body: &[u8]) -> Result<Vec<u8>, NegotiateError> {
        let capabilities = self.line_media(id).ok_or(NegotiateError::NothingToOffer)?;
        let call = self.calls.get_mut(id).ok_or(NegotiateError::NothingToOffer)?;
        let rtp = call.port.ok_or(NegotiateError::NothingToOffer)?.rtp;
        let offered = call.media.receive_offer(&capabilities, body)?;
        let wanted = call.media.wanted();
        let answer = call.media.answer(&capabilities, rtp, wanted);
        // What they want is worth knowing even if we cannot give it.
        self.media_described(id, media_types(offered.media));
        let (sdp, parameters) = answer?;
        self.configure(id, parameters);
        Ok(sdp)
    }

    /// Our refresh of the session is over. Where it was answered, they may have moved their audio, or hold us.
    pub(crate) fn refreshed(&mut self, now: Time, leg: LegId, message: Option<&Message>) {
        let Some(id) = self.call_of_present(leg) else { return };
        let accepted = message.filter(|message| message.status().is_some_and(|status| status < 300));
        let body = accepted.map(Message::body).unwrap_or_default();
        let capabilities = self.line_media(id).filter(|_| !body.is_empty());
        if let (Some(capabilities), Some(call)) = (capabilities, self.calls.get_mut(id)) {
            match call.media.receive_answer_again(&capabilities, body) {
                Ok(Some(parameters)) => {
                    self.configure(id, parameters);
                    self.settled(id);
                }
                Ok(None) => {}
                Err(_) => self.note_media(now, id, "the answer to a refresh cannot be used"),
            }
        }
        // What was asked meanwhile.
        self.next_turn(now, id);
    }

    /// An exchange is complete: who holds whom may have changed.
    fn settled(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        if call.state.kind() == StateKind::Connected {
            self.enter(id, CallState::Connected(self.connected_mode(id)));
        }
    }

    /// The ACK of our 200 to their re-INVITE.
    pub(crate) fn offer_confirmed(&mut self, now: Time, leg: LegId, message: &Message) {
        let Some(id) = self.call_of_present(leg) else { return };
        let ours = self.calls.get(id).is_some_and(|call| {
            matches!(call.media.state(), hookswitch_media::negotiate::OfferAnswer::LocalOffer)
        });
        if ours && self.take_answer(id, message.body()).is_err() {
            if let Some(call) = self.calls.get_mut(id) {
                call.media.abandon();
            }
            self.note_media(now, id, "the answer in the ACK cannot be used");
        }
        self.settled(id);
        self.next_turn(now, id);
    }

    /// A request within a session: REFER, NOTIFY, INFO, MESSAGE.
    pub(crate) fn request_within(
        &mut self,
        now: Time,
        leg: LegId,
        server: ServerId,
        flow: Flow,
        message: &Message,
    ) {
        if let (Some(id), Method::Refer) = (self.call_by_leg(leg), message.method()) {
            self.referred(now, id, server, flow, message);
            return;
        }
        let mut transferred = None;
        let (status, fields) = match (self.call_by_leg(leg), message.method()) {
            (None, _) => (481, String::new()),
            (Some(id), Method::Notify) => {
                let (status, ended) = self.notified(now, id, message);
                transferred = ended.map(|ended| (id, ended));
                (status, String::new())
            }
            (Some(id), Method::Info) => {
                self.note_user_info(id, message);
                self.info(id, message)
            }
            (Some(_), _) => (405, format!("Allow: {}\r\n", self.ua.allow())),
        };
        self.ua.respond(now, &mut self.layer, server, flow, message, status, format_args!("{fields}"));
        if let Some((id, ended)) = transferred {
            self.transfer_over(now, id, ended);
        }
    }

    /// INFO: digits the way some switches still send them.
    fn info(&mut self, id: CallId, message: &Message) -> (u16, String) {
        if !message.content_type_is(RELAY) {
            return if self.received_within(id, message) || message.body().is_empty() {
                (200, String::new())
            } else {
                (415, format!("Accept: {RELAY}\r\n"))
            };
        }
        let text = String::from_utf8_lossy(message.body());
        let value = |key: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
            })
        };
        let digit = value("Signal").and_then(|signal| signal.chars().next()).map(|c| c.to_ascii_uppercase());
        let millis = value("Duration").and_then(|d| d.parse::<u64>().ok()).unwrap_or(160).min(10_000);
        match digit.filter(|c| "0123456789ABCD*#".contains(*c)) {
            Some(digit) => {
                let duration = Duration::from_millis(millis);
                self.digit_controls(id, digit);
                self.digit_heard(id, digit, duration);
                (200, String::new())
            }
            None => (400, String::new()),
        }
    }

    /// The response to a request of ours within a session.
    pub(crate) fn response_within(
        &mut self,
        now: Time,
        leg: LegId,
        client: ClientId,
        failure: Failure,
        message: Option<&Message>,
    ) {
        let Some(id) = self.call_by_leg(leg) else { return };
        let of_refer = message.is_none_or(|message| message.method() == Method::Refer);
        if !self.errand_answered(id, client, failure, message)
            && !self.digit_answered(id, client, failure, message)
            && of_refer
        {
            self.refer_answered(now, id, failure, message);
        }
    }
}

/// The error that a refused request completes with.
pub(crate) fn refused(failure: Failure, message: Option<&Message>) -> OperationError {
    match failure {
        Failure::Status(status) | Failure::Unauthorized(status) => {
            OperationError::Refused { status, reason: message.map_or("", Message::reason).to_owned() }
        }
        Failure::TimedOut => OperationError::TimedOut(Duration::from_secs(32)),
        Failure::Unreachable => OperationError::Failed("the request could not be sent".into()),
    }
}
